/* sticks.c - the first two joysticks or gamepads that are there are the guest's: a stick's first two axes, or the first
 * hat while it is pressed, and its first four buttons. SDL tells movements only while the window has the keyboard. */
#include "frontend/window/sticks.h"

static struct {
    bool open, failed;
    SDL_Joystick *stick[WINDOW_STICKS_MAX];
} s;

void sticks_follow(Session *session)
{
    bool wanted = session->shared && atomic_load(&session->shared->status) & WINDOW_STICKS;
    if (!wanted || s.open || s.failed) return;
    s.open = SDL_InitSubSystem(SDL_INIT_JOYSTICK) == 0; /* what is there comes as SDL_JOYDEVICEADDED */
    s.failed = !s.open;
}

/* --- one of them ----------------------------------------------------------------------------------------- */

static s32 axis(SDL_Joystick *stick, int n, u8 less, u8 more)
{
    u8 hat = SDL_JoystickNumHats(stick) ? SDL_JoystickGetHat(stick, 0) : 0;
    return hat & less ? -32768 : hat & more ? 32767 : SDL_JoystickGetAxis(stick, n);
}

static void tell(Session *session, unsigned n)
{
    SDL_Joystick *stick = s.stick[n];
    s32 buttons = 0;
    for (int k = 0; k < 4; k++) buttons |= (SDL_JoystickGetButton(stick, k) != 0) << k;
    session_send(session, WINDOW_STICK, axis(stick, 0, SDL_HAT_LEFT, SDL_HAT_RIGHT),
                 axis(stick, 1, SDL_HAT_UP, SDL_HAT_DOWN), buttons, (u16)n);
}

static void add(Session *session, int device)
{
    for (unsigned n = 0; n < WINDOW_STICKS_MAX; n++) {
        if (s.stick[n]) continue;
        s.stick[n] = SDL_JoystickOpen(device);
        if (s.stick[n]) tell(session, n);
        return;
    }
}

static int find(SDL_JoystickID id)
{
    for (int n = 0; n < WINDOW_STICKS_MAX; n++)
        if (s.stick[n] && SDL_JoystickInstanceID(s.stick[n]) == id) return n;
    return -1;
}

static void moved(Session *session, SDL_JoystickID id)
{
    int n = find(id);
    if (n >= 0) tell(session, (unsigned)n);
}

static void take_away(Session *session, SDL_JoystickID id)
{
    int n = find(id);
    if (n < 0) return;
    SDL_JoystickClose(s.stick[n]);
    s.stick[n] = NULL;
    session_send(session, WINDOW_STICK, 0, 0, -1, (u16)n);
}

void sticks_event(Session *session, const SDL_Event *e)
{
    switch (e->type) {
    case SDL_JOYDEVICEADDED: add(session, e->jdevice.which); break;
    case SDL_JOYDEVICEREMOVED: take_away(session, e->jdevice.which); break;
    case SDL_JOYAXISMOTION: moved(session, e->jaxis.which); break;
    case SDL_JOYHATMOTION: moved(session, e->jhat.which); break;
    case SDL_JOYBUTTONDOWN:
    case SDL_JOYBUTTONUP: moved(session, e->jbutton.which); break;
    default: break;
    }
}
