/* sdl_window.c - the guest's screen in a window of the desktop, its keyboard and its mouse.
 *
 * The picture is scaled in this process (scale.c) into the window's surface and only the rows that changed are sent to the
 * display server: a blinking cursor moves a few kilobytes, and no graphics driver is loaded. How often is pace.h's business.
 * The loop sleeps in SDL's queue; a thread of its own waits on the machine's socket and only puts a note into that queue.
 *
 * Mouse: a click into the window takes it (relative motion, and the keyboard with all of the desktop's shortcuts);
 * Ctrl+Alt+G gives both back, and so does losing the focus. Nothing of the mouse reaches the guest meanwhile.
 * Keys go by their place on the keyboard. The host's repeats are dropped (the guest's keyboard has its own). When the
 * focus is lost, the guest is told that all keys are up.
 */
#include <SDL.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "frontend/png.h"
#include "frontend/window/displays.h"
#include "frontend/window/overlay.h"
#include "frontend/window/pace.h"
#include "frontend/window/scale.h"
#include "frontend/window/sdl_keys.h"
#include "frontend/window/sound.h"
#include "hw/keys.h"

enum { FIRST_WIDTH = 720, FIRST_HEIGHT = 400, TITLE_BYTES = 256, MOUSE_NS = 5000000 };

static struct {
    Session *s;
    SDL_Window *window;
    SDL_Surface *own; /* drawn on instead of the window's surface, if that has other pixels than ours */
    Scaler scaler;
    const Picture *picture;        /* the last one; NULL: none yet */
    u32 width, height;             /* of the picture that the scaler is set up for */
    u32 mode_width, mode_height;   /* the natural size that the window last followed */
    u32 asked_width, asked_height; /* what came of it */
    Pace pace;
    bool help;        /* the list of keys is shown */
    bool stale;       /* the whole window must be drawn */
    bool person_size; /* the person chose the window's size: modes do not change it */
    bool whole;       /* only whole multiples */
    bool grabbed, full_screen, hidden;
    u16 buttons;
    u8 locks;             /* of the host's keyboard, when the focus was lost */
    s32 moved_x, moved_y; /* not sent yet */
    u64 mouse_ns;         /* when the last movement was sent */
    char title[TITLE_BYTES];
    u32 note; /* SDL's number of the socket's event */
    SDL_sem *noted;
    SDL_Thread *listener;
} w;

/* --- title ----------------------------------------------------------------------------------------------- */

static void show_title(void)
{
    char title[TITLE_BYTES], status[64];
    session_describe(w.s, status, sizeof status);
    snprintf(title, sizeof title, "ring3%s%.100s%s - %s", *w.s->name ? " - " : "", w.s->name, status,
             w.s->power_pressed        ? "power button pressed; close again to end ring3"
             : session_types_text(w.s) ? "typing the clipboard; Ctrl+Alt+V stops"
             : w.grabbed               ? "Ctrl+Alt+G releases the mouse"
             : session_is_stopped(w.s) ? "Ctrl+Alt+P goes on"
                                       : "click to use the mouse, Ctrl+Alt+H for keys");
    if (!strcmp(title, w.title)) return;
    memcpy(w.title, title, sizeof title);
    SDL_SetWindowTitle(w.window, title);
}

/* --- size ------------------------------------------------------------------------------------------------ */

/* A window that grew over the edge of the desktop is moved back. */
static void move_into(const SDL_Rect *room)
{
    int x, y, frame_right = 0, frame_bottom = 0;
    SDL_GetWindowBordersSize(w.window, NULL, NULL, &frame_bottom, &frame_right);
    int right = room->x + room->w - frame_right - (int)w.asked_width;
    int bottom = room->y + room->h - frame_bottom - (int)w.asked_height;
    SDL_GetWindowPosition(w.window, &x, &y);
    if (x > right || y > bottom)
        SDL_SetWindowPosition(w.window, x > right ? right : x, y > bottom ? bottom : y);
}

static void ask_size(u32 width, u32 height)
{
    SDL_Rect room;
    if (w.full_screen) return;
    bool known = SDL_GetDisplayUsableBounds(SDL_GetWindowDisplayIndex(w.window), &room) == 0;
    if (known && (width > (u32)room.w || height > (u32)room.h)) {
        Rect fit = scale_fit(width, height, (u32)room.w, (u32)room.h, false);
        width = (u32)fit.w;
        height = (u32)fit.h;
    }
    w.asked_width = width;
    w.asked_height = height;
    SDL_SetWindowSize(w.window, (int)width, (int)height);
    if (known) move_into(&room);
}

static void natural_size(void)
{
    u32 width = FIRST_WIDTH, height = FIRST_HEIGHT;
    if (w.picture) scale_natural_size(w.picture->width, w.picture->height, &width, &height);
    w.person_size = false;
    if (SDL_GetWindowFlags(w.window) & SDL_WINDOW_MAXIMIZED) SDL_RestoreWindow(w.window);
    ask_size(width, height);
}

static void set_full_screen(bool on)
{
    if (SDL_SetWindowFullscreen(w.window, on ? SDL_WINDOW_FULLSCREEN_DESKTOP : 0) < 0) return;
    w.full_screen = on;
    w.stale = true;
    if (!on && !w.person_size) natural_size();
}

/* --- keys' list --------------------------------------------------------------------------------------------- */

static const char *const help[] = {"With Ctrl and Alt held:",
                                   "",
                                   "G    take or release mouse and keyboard",
                                   "F    full screen",
                                   "U    the screen's own size",
                                   "I    only whole multiples of it",
                                   "D    Ctrl-Alt-Delete for the guest",
                                   "V    type the clipboard's text",
                                   "S    screenshot, a PNG file",
                                   "P    pause, go on",
                                   "+ -  faster, slower",
                                   "Q    as closing the window: first presses",
                                   "     the power button, then ends ring3"};

static void hide_help(void)
{
    w.stale |= w.help;
    w.help = false;
}

/* --- drawing --------------------------------------------------------------------------------------------- */

static bool is_ours(const SDL_PixelFormat *f)
{
    return f->BytesPerPixel == 4 && f->Rmask == 0xff0000 && f->Gmask == 0xff00 && f->Bmask == 0xff;
}

/* What is drawn on: the window's surface, or one of our own that is copied to it. */
static SDL_Surface *canvas(SDL_Surface *surface)
{
    if (is_ours(surface->format)) return surface;
    if (!w.own || w.own->w != surface->w || w.own->h != surface->h) {
        SDL_FreeSurface(w.own);
        w.own = SDL_CreateRGBSurfaceWithFormat(0, surface->w, surface->h, 32, SDL_PIXELFORMAT_RGB888);
        w.stale = true;
    }
    return w.own;
}

/* After a new size of window or picture: where it goes now, on black. */
static bool set_up(SDL_Surface *to, const Picture *p)
{
    Rect fit = scale_fit(p->width, p->height, (u32)to->w, (u32)to->h, w.whole);
    w.width = p->width;
    w.height = p->height;
    SDL_FillRect(to, NULL, 0);
    return scaler_setup(&w.scaler, p->width, p->height, fit);
}

static void draw(const Picture *p, u32 top, u32 rows)
{
    SDL_Surface *surface = SDL_GetWindowSurface(w.window);
    SDL_Surface *to = surface ? canvas(surface) : NULL;
    if (!to) return;
    bool whole = w.stale || w.help || p->width != w.width || p->height != w.height;
    if (whole) {
        if (!set_up(to, p)) return;
        top = 0;
        rows = p->height;
    }
    Rect r = scaler_draw(&w.scaler, p->pixels, top, rows, to->pixels, (u32)to->pitch / sizeof(u32));
    SDL_Rect changed = {r.x, r.y, r.w, r.h};
    if (w.help)
        overlay_draw(to->pixels, (u32)to->w, (u32)to->h, (u32)to->pitch / sizeof(u32), help, ARRAY_LEN(help));
    if (whole) changed = (SDL_Rect){0, 0, to->w, to->h};
    if (to != surface) SDL_BlitSurface(to, &changed, surface, &changed);
    if (changed.h && SDL_UpdateWindowSurfaceRects(w.window, &changed, 1) == 0) w.stale = false;
}

static void follow_mode(const Picture *p)
{
    u32 width, height;
    scale_natural_size(p->width, p->height, &width, &height);
    if (width == w.mode_width && height == w.mode_height) return;
    w.mode_width = width;
    w.mode_height = height;
    if (!w.person_size) ask_size(width, height);
}

static u64 thread_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (u64)t.tv_sec * 1000000000u + (u64)t.tv_nsec;
}

static void look(u64 now)
{
    u64 began = thread_ns();
    u32 rows = 0;
    if (w.s->scanout) {
        const Picture *p = w.picture = scanout_update(w.s->scanout, now);
        rows = p->resized ? p->height : p->dirty_rows;
        if (p->width && p->height && (rows || w.stale)) {
            follow_mode(p);
            draw(p, p->dirty_top, rows);
        }
    }
    pace_looked(&w.pace, now, thread_ns() - began, rows);
}

/* --- mouse ------------------------------------------------------------------------------------------------ */

static void send_mouse(s32 wheel)
{
    session_send(w.s, WINDOW_MOUSE, w.moved_x, w.moved_y, wheel, w.buttons);
    w.moved_x = w.moved_y = 0;
    w.mouse_ns = host_now_ns();
}

/* Movements are collected: a PS/2 mouse tells no more than 200 in a second. Returns when to come again. */
static u64 flush_mouse(u64 now)
{
    if (!w.moved_x && !w.moved_y) return UINT64_MAX;
    if (now < w.mouse_ns + MOUSE_NS) return w.mouse_ns + MOUSE_NS;
    send_mouse(0);
    return UINT64_MAX;
}

/* --- what the person asks for ---------------------------------------------------------------------------- */

static void grab(bool on)
{
    if (on == w.grabbed) return;
    if (SDL_SetRelativeMouseMode(on ? SDL_TRUE : SDL_FALSE) < 0 && on) return;
    SDL_SetWindowKeyboardGrab(w.window, on ? SDL_TRUE : SDL_FALSE);
    w.grabbed = on;
    if (on || (!w.buttons && !w.moved_x && !w.moved_y)) return;
    w.buttons = 0;
    send_mouse(0);
}

static void screenshot(void)
{
    char path[64];
    Problem p;
    time_t now = time(NULL);
    if (!w.picture || !w.picture->width) return;
    strftime(path, sizeof path, "ring3-%Y%m%d-%H%M%S.png", localtime(&now));
    if (png_write(path, w.picture->width, w.picture->height, w.picture->pixels, &p))
        fprintf(stderr, "ring3: the screen is in %s\n", path);
    else
        fprintf(stderr, "ring3: no screenshot: %s\n", p.text);
}

static void type_clipboard(void)
{
    if (session_types_text(w.s)) {
        session_type_stop(w.s);
        return;
    }
    char *text = SDL_GetClipboardText();
    if (text) session_type_text(w.s, text);
    SDL_free(text);
}

/* Shortcuts go by what is printed on the key; where that is no Latin letter, by its place. */
static SDL_Keycode printed(const SDL_Keysym *k)
{
    static const char places[] = "abcdefghijklmnopqrstuvwxyz";
    if (k->sym < 0x80 || k->sym & SDLK_SCANCODE_MASK) return k->sym;
    return k->scancode >= SDL_SCANCODE_A && k->scancode <= SDL_SCANCODE_Z
               ? places[k->scancode - SDL_SCANCODE_A]
               : k->sym;
}

static bool hot_key(SDL_Keycode key)
{
    switch (key) {
    case SDLK_g: grab(!w.grabbed); return true;
    case SDLK_f: set_full_screen(!w.full_screen); return true;
    case SDLK_u: natural_size(); return true;
    case SDLK_i: w.whole = !w.whole, w.stale = true; return true;
    case SDLK_d: session_ctrl_alt_delete(w.s); return true;
    case SDLK_v: type_clipboard(); return true;
    case SDLK_s: screenshot(); return true;
    case SDLK_p: session_send(w.s, WINDOW_PAUSE, 0, 0, 0, 0); return true;
    case SDLK_q: session_close(w.s); return true;
    case SDLK_h: w.help = true, w.stale = true; return true;
    case SDLK_PLUS:
    case SDLK_EQUALS:
    case SDLK_KP_PLUS: session_send(w.s, WINDOW_SPEED, 1, 0, 0, 0); return true;
    case SDLK_MINUS:
    case SDLK_KP_MINUS: session_send(w.s, WINDOW_SPEED, -1, 0, 0, 0); return true;
    default: return false;
    }
}

/* --- events ---------------------------------------------------------------------------------------------- */

static void on_key(const SDL_KeyboardEvent *e)
{
    u8 key = sdl_key(e->keysym.scancode);
    bool down = e->type == SDL_KEYDOWN;
    if (e->repeat) return;
    if (down) hide_help();
    if (down && e->keysym.mod & KMOD_CTRL && e->keysym.mod & KMOD_LALT && hot_key(printed(&e->keysym)))
        return;
    if (key) session_key(w.s, key, down);
}

static u16 button_bit(u8 sdl_button)
{
    switch (sdl_button) {
    case SDL_BUTTON_LEFT: return MOUSE_LEFT;
    case SDL_BUTTON_RIGHT: return MOUSE_RIGHT;
    case SDL_BUTTON_MIDDLE: return MOUSE_MIDDLE;
    case SDL_BUTTON_X1: return 8;
    case SDL_BUTTON_X2: return 16;
    default: return 0;
    }
}

static void on_button(const SDL_MouseButtonEvent *e)
{
    bool down = e->type == SDL_MOUSEBUTTONDOWN;
    u16 bit = button_bit(e->button), old = w.buttons;
    if (down) hide_help();
    if (!w.grabbed) { /* the click that takes the mouse is not the guest's */
        if (down && e->button == SDL_BUTTON_LEFT) grab(true);
        return;
    }
    w.buttons = (u16)(down ? w.buttons | bit : w.buttons & ~bit);
    if (w.buttons == old) return;
    u16 now = w.buttons;
    w.buttons = old; /* what was moved before, was moved with the old ones */
    if (w.moved_x || w.moved_y) send_mouse(0);
    w.buttons = now;
    send_mouse(0);
}

static u8 host_locks(void)
{
    SDL_Keymod m = SDL_GetModState();
    return (u8)((m & KMOD_SCROLL ? LOCK_SCROLL : 0) | (m & KMOD_NUM ? LOCK_NUM : 0) |
                (m & KMOD_CAPS ? LOCK_CAPS : 0));
}

static void on_window(const SDL_WindowEvent *e)
{
    switch (e->event) {
    case SDL_WINDOWEVENT_SIZE_CHANGED: w.stale = true; break;
    case SDL_WINDOWEVENT_RESIZED:
        if (!w.full_screen) w.person_size = (u32)e->data1 != w.asked_width || (u32)e->data2 != w.asked_height;
        break;
    case SDL_WINDOWEVENT_EXPOSED: w.stale = true; break;
    case SDL_WINDOWEVENT_HIDDEN:
    case SDL_WINDOWEVENT_MINIMIZED: w.hidden = true; break;
    case SDL_WINDOWEVENT_SHOWN:
    case SDL_WINDOWEVENT_RESTORED:
    case SDL_WINDOWEVENT_MAXIMIZED: w.hidden = false, w.stale = true; break;
    case SDL_WINDOWEVENT_FOCUS_GAINED: session_follow_locks(w.s, w.locks, host_locks()); break;
    case SDL_WINDOWEVENT_FOCUS_LOST:
        w.locks = host_locks();
        session_release_keys(w.s);
        grab(false);
        break;
    default: break;
    }
    if (w.stale && !w.hidden) pace_input(&w.pace, host_now_ns());
}

static void on_motion(const SDL_MouseMotionEvent *e)
{
    if (!w.grabbed) return;
    w.moved_x += e->xrel;
    w.moved_y += e->yrel;
}

static void handle(const SDL_Event *e)
{
    switch (e->type) {
    case SDL_KEYDOWN:
    case SDL_KEYUP: on_key(&e->key); break;
    case SDL_MOUSEBUTTONDOWN:
    case SDL_MOUSEBUTTONUP: on_button(&e->button); break;
    case SDL_MOUSEMOTION: on_motion(&e->motion); break;
    case SDL_MOUSEWHEEL:
        if (w.grabbed) send_mouse(e->wheel.y);
        break;
    case SDL_WINDOWEVENT: on_window(&e->window); return;
    case SDL_QUIT: session_close(w.s); return;
    default:
        if (e->type != w.note) return;
        session_receive(w.s);
        SDL_SemPost(w.noted);
        return;
    }
    pace_input(&w.pace, host_now_ns());
}

/* --- the socket's thread --------------------------------------------------------------------------------- */

static int listen_to_machine(void *socket)
{
    struct pollfd p = {*(const int *)socket, POLLIN, 0};
    for (;;) {
        SDL_Event e = {.type = w.note};
        if (poll(&p, 1, -1) <= 0) continue;
        bool ended = p.revents & (POLLHUP | POLLERR | POLLNVAL);
        if (SDL_PushEvent(&e) == 1 && !ended) SDL_SemWait(w.noted);
        if (ended) return 0;
    }
}

/* --- life ------------------------------------------------------------------------------------------------ */

static void set_hints(void)
{
    SDL_SetHint(SDL_HINT_VIDEODRIVER, "x11,wayland"); /* not what it has for hosts without a desktop */
    SDL_SetHint(SDL_HINT_NO_SIGNAL_HANDLERS, "1");
    SDL_SetHint(SDL_HINT_FRAMEBUFFER_ACCELERATION, "0"); /* see this file's head */
    SDL_SetHint(SDL_HINT_VIDEO_X11_NET_WM_BYPASS_COMPOSITOR, "0");
    SDL_SetHint(SDL_HINT_MOUSE_FOCUS_CLICKTHROUGH, "1");
    SDL_SetHint(SDL_HINT_APP_NAME, "ring3");
    setenv("SDL_VIDEO_X11_WMCLASS", "ring3", 0);
    setenv("SDL_VIDEO_WAYLAND_WMCLASS", "ring3", 0);
}

static bool start_listener(Session *s)
{
    w.note = SDL_RegisterEvents(1);
    w.noted = SDL_CreateSemaphore(0);
    w.listener = w.noted ? SDL_CreateThread(listen_to_machine, "machine", &s->socket) : NULL;
    return w.listener != NULL;
}

bool sdl_open(Session *s, char *why, u32 bytes)
{
    u32 flags = SDL_WINDOW_RESIZABLE | (s->full_screen ? SDL_WINDOW_FULLSCREEN_DESKTOP : 0);
    w.s = s;
    w.full_screen = s->full_screen;
    w.asked_width = FIRST_WIDTH;
    w.asked_height = FIRST_HEIGHT;
    set_hints();
    if (SDL_Init(SDL_INIT_VIDEO) == 0) {
        w.window = SDL_CreateWindow("ring3", SDL_WINDOWPOS_UNDEFINED, SDL_WINDOWPOS_UNDEFINED, FIRST_WIDTH,
                                    FIRST_HEIGHT, flags);
        if (w.window && start_listener(s)) return true;
    }
    snprintf(why, bytes, "no window: %s", SDL_GetError());
    SDL_Quit();
    return false;
}

static s32 milliseconds_until(u64 at_ns, u64 now)
{
    return at_ns <= now ? 0 : (s32)((at_ns - now + 999999) / 1000000);
}

static u64 earlier(u64 a, u64 b) { return a < b ? a : b; }

void sdl_run(Session *s)
{
    SDL_Event e;
    SDL_StopTextInput(); /* keys, not an input method's text */
    SDL_EnableScreenSaver();
    w.stale = true;
    u64 next = 0;
    while (!s->gone) {
        if (SDL_WaitEventTimeout(&e, milliseconds_until(next, host_now_ns()))) do
                handle(&e);
            while (SDL_PollEvent(&e));
        u64 now = host_now_ns();
        u64 typing = session_typing(s, now);
        u64 sounds = sound_follow(s->shared, now);
        if (!w.hidden && now >= w.pace.next_ns) look(now);
        show_title();
        next = earlier(earlier(typing, sounds), flush_mouse(now));
        if (!w.hidden) next = earlier(next, w.pace.next_ns);
        next = earlier(next, now + 1000000000u);
    }
    sound_end();
    SDL_SemPost(w.noted); /* it may have put another note */
    SDL_WaitThread(w.listener, NULL);
    SDL_Quit();
}
