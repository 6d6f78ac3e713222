/* sdl_window.c - the guest's screen in a window of the desktop, its keyboard and its mouse.
 *
 * The picture is scaled in this process (scale.c) into the window's surface and only the rows that changed are sent to the
 * display server: a blinking cursor moves a few kilobytes, and no graphics driver is loaded. How often is pace.h's business.
 * The loop sleeps in SDL's queue; a thread of its own waits on the machine's socket and only puts a note into that queue.
 *
 * Mouse: where the guest asks for places (vmport.h), it is told where the pointer is and nothing is taken: the pointer comes
 * and goes freely, and the guest draws it while it is over the picture. Else a click into the window takes it (relative motion, and the keyboard with all of the desktop's shortcuts);
 * Ctrl-Alt-G gives both back, and so does losing the focus or pausing. Nothing of the mouse reaches the guest meanwhile.
 * Keys go by their place on the keyboard. The host's repeats are dropped (the guest's keyboard has its own). When the
 * focus is lost, the guest is told that all keys are up.
 *
 * Size: every mode of the VGA fills the same window, of 4:3; a larger mode makes the window larger while it lasts. What the
 * person drags it to, it keeps. Ctrl-Alt-U is pixel by pixel, and follows the modes. What is shown over the picture, and
 * asked there, is panels.c.
 */
#include <SDL.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "frontend/display/png.h"
#include "frontend/host/silence.h"
#include "frontend/window/block_view.h"
#include "frontend/window/displays.h"
#include "frontend/window/pace.h"
#include "frontend/window/panels.h"
#include "frontend/window/scale.h"
#include "frontend/window/sdl_keys.h"
#include "frontend/window/sound.h"
#include "frontend/window/sticks.h"
#include "hw/keys.h"
#include "hw/screen_text.h"

enum { TITLE_BYTES = 256, MOUSE_NS = 5000000, COMFORTABLE_PERCENT = 90 };

static struct {
    Session *s;
    SDL_Window *window;
    SDL_Surface *own; /* drawn on instead of the window's surface, if that has other pixels than ours */
    Scaler scaler;
    const Picture *picture;        /* the last one; NULL: none yet */
    u32 width, height;             /* of the picture that the scaler is set up for */
    u32 base_width, base_height;   /* of the window that VGA modes fill */
    u32 mode_width, mode_height;   /* the picture that the window's size was last thought about for */
    u32 asked_width, asked_height; /* what came of it */
    Pace pace;
    bool actual;      /* the window has the picture's own size */
    bool stale;       /* the whole window must be drawn */
    bool person_size; /* the person chose the window's size: modes do not change it */
    bool whole;       /* only whole multiples */
    bool grabbed, full_screen, hidden;
    u16 buttons;
    u8 locks;             /* of the host's keyboard, when the focus was lost */
    s32 moved_x, moved_y; /* not sent yet */
    bool places;          /* the guest asks where the pointer is: */
    s32 place_x, place_y; /* 0 to WINDOW_POINTER_MAX */
    bool place_moved;     /* ... and that is not sent yet */
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
             session_types_text(w.s)   ? "typing the clipboard; Ctrl-Alt-V stops"
             : w.grabbed               ? "Ctrl-Alt-G releases the mouse"
             : session_is_stopped(w.s) ? "Ctrl-Alt-P resumes"
             : w.places                ? "the mouse is free; Ctrl-Alt-H for keys"
                                       : "click to use the mouse, Ctrl-Alt-H for keys");
    if (!strcmp(title, w.title)) return;
    memcpy(w.title, title, sizeof title);
    SDL_SetWindowTitle(w.window, title);
}

/* --- size ------------------------------------------------------------------------------------------------ */

/* A window that grew over the edge of the desktop is moved back, but its title stays on it. */
static void move_into(const SDL_Rect *room)
{
    int x, y, top = 0, left = 0, bottom = 0, right = 0;
    SDL_GetWindowBordersSize(w.window, &top, &left, &bottom, &right);
    SDL_GetWindowPosition(w.window, &x, &y);
    int to_x = room->x + room->w - right - (int)w.asked_width;
    int to_y = room->y + room->h - bottom - (int)w.asked_height;
    if (to_x > x) to_x = x;
    if (to_y > y) to_y = y;
    if (to_x < room->x + left) to_x = room->x + left;
    if (to_y < room->y + top) to_y = room->y + top;
    if (to_x != x || to_y != y) SDL_SetWindowPosition(w.window, to_x, to_y);
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

/* The largest whole multiple of the VGA's shape that leaves some of the desktop to others. */
static void choose_base(void)
{
    SDL_Rect room = {0, 0, SHAPE_WIDTH, SHAPE_HEIGHT};
    SDL_GetDisplayUsableBounds(0, &room);
    u32 across = (u32)room.w * COMFORTABLE_PERCENT / 100 / SHAPE_WIDTH;
    u32 down = (u32)room.h * COMFORTABLE_PERCENT / 100 / SHAPE_HEIGHT;
    u32 times = across < down ? across : down;
    w.base_width = SHAPE_WIDTH * (times ? times : 1);
    w.base_height = SHAPE_HEIGHT * (times ? times : 1);
}

static void chosen_size(void)
{
    u32 width = w.base_width, height = w.base_height, shape_width = 0, shape_height = 0;
    if (w.picture && w.actual) {
        scale_actual_size(w.picture->width, w.picture->height, &width, &height);
    } else if (w.picture) {
        scale_shape(w.picture->width, w.picture->height, &shape_width, &shape_height);
        if (shape_width > width || shape_height > height) {
            width = shape_width;
            height = shape_height;
        }
    }
    ask_size(width + block_view_width(), height);
}

static void toggle_actual_size(void)
{
    w.actual = !w.actual || w.person_size;
    w.person_size = false;
    w.stale = true;
    if (SDL_GetWindowFlags(w.window) & SDL_WINDOW_MAXIMIZED) SDL_RestoreWindow(w.window);
    chosen_size();
    panels_say(w.actual ? "actual size" : "fitted size");
}

static void set_full_screen(bool on)
{
    if (SDL_SetWindowFullscreen(w.window, on ? SDL_WINDOW_FULLSCREEN_DESKTOP : 0) < 0) return;
    w.full_screen = on;
    w.stale = true;
    if (!on && !w.person_size) chosen_size();
}

/* --- drawing --------------------------------------------------------------------------------------------- */

static bool is_ours(const SDL_PixelFormat *f)
{
    return f->BytesPerPixel == 4 && f->Rmask == 0xff0000 && f->Gmask == 0xff00 && f->Bmask == 0xff;
}

/* What is drawn on: the window's surface, or one of our own that is copied to it. */
static SDL_Surface *drawn_on(SDL_Surface *surface)
{
    if (is_ours(surface->format)) return surface;
    if (!w.own || w.own->w != surface->w || w.own->h != surface->h) {
        SDL_FreeSurface(w.own);
        w.own = SDL_CreateRGBSurfaceWithFormat(0, surface->w, surface->h, 32, SDL_PIXELFORMAT_RGB888);
        w.stale = true;
    }
    return w.own;
}

static Canvas canvas_of(const SDL_Surface *s)
{
    return (Canvas){s->pixels, (u32)s->w, (u32)s->h, (u32)s->pitch / sizeof(u32)};
}

/* After a new size of window or picture: where it goes now, on black. */
static bool set_up(SDL_Surface *to, const Picture *p)
{
    u32 pane = block_view_width(), room = (u32)to->w > 2 * pane ? (u32)to->w - pane : (u32)to->w / 2;
    Rect fit = scale_fit(p->width, p->height, pane ? room : (u32)to->w, (u32)to->h, w.whole || w.actual);
    w.width = p->width;
    w.height = p->height;
    SDL_FillRect(to, NULL, 0);
    return scaler_setup(&w.scaler, p->width, p->height, fit);
}

/* Where menus and messages go: over the picture, not over the pane beside it, if that leaves room for them. */
static Canvas menu_canvas(const SDL_Surface *s)
{
    Canvas c = canvas_of(s);
    u32 pane = block_view_width();
    if (c.width > 2 * pane) c.width -= pane;
    return c;
}

static void draw(const Picture *p, u32 top, u32 rows)
{
    SDL_Surface *surface = SDL_GetWindowSurface(w.window);
    SDL_Surface *to = surface ? drawn_on(surface) : NULL;
    if (!to) return;
    bool whole = w.stale || panels_visible() || p->width != w.width || p->height != w.height;
    if (whole) {
        if (!set_up(to, p)) return;
        top = 0;
        rows = p->height;
    }
    Rect r = scaler_draw(&w.scaler, p->pixels, top, rows, to->pixels, (u32)to->pitch / sizeof(u32));
    SDL_Rect changed = {r.x, r.y, r.w, r.h};
    const Canvas canvas = canvas_of(to);
    if (whole) block_view_draw(w.s, &canvas);
    const Canvas beside = menu_canvas(to);
    panels_draw(&beside);
    if (whole) changed = (SDL_Rect){0, 0, to->w, to->h};
    if (to != surface) SDL_BlitSurface(to, &changed, surface, &changed);
    if (changed.h && SDL_UpdateWindowSurfaceRects(w.window, &changed, 1) == 0) w.stale = false;
}

static void follow_mode(const Picture *p)
{
    if (p->width == w.mode_width && p->height == w.mode_height) return;
    w.mode_width = p->width;
    w.mode_height = p->height;
    if (!w.person_size) chosen_size();
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
        const Picture *p = w.picture = scanout_update(w.s->scanout, session_screen_ns(w.s, now));
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
    if (w.places)
        session_send(w.s, WINDOW_POINTER, w.place_x, w.place_y, wheel, w.buttons);
    else
        session_send(w.s, WINDOW_MOUSE, w.moved_x, w.moved_y, wheel, w.buttons);
    w.moved_x = w.moved_y = 0;
    w.place_moved = false;
    w.mouse_ns = host_now_ns();
}

/* Movements are collected: a PS/2 mouse tells no more than 200 in a second. Returns when to come again. */
static u64 flush_mouse(u64 now)
{
    if (!w.moved_x && !w.moved_y && !w.place_moved) return UINT64_MAX;
    if (now < w.mouse_ns + MOUSE_NS) return w.mouse_ns + MOUSE_NS;
    send_mouse(0);
    return UINT64_MAX;
}

/* --- what the person asks for ---------------------------------------------------------------------------- */

static void grab(bool on)
{
    if (on == w.grabbed || (on && (w.places || session_is_stopped(w.s)))) return;
    if (SDL_SetRelativeMouseMode(on ? SDL_TRUE : SDL_FALSE) < 0 && on) return;
    SDL_SetWindowKeyboardGrab(w.window, on ? SDL_TRUE : SDL_FALSE);
    w.grabbed = on;
    if (on || (!w.buttons && !w.moved_x && !w.moved_y)) return;
    w.buttons = 0;
    send_mouse(0);
}

static s32 place_in(s32 at, s32 begin, s32 size)
{
    if (size < 2 || at < begin) return 0;
    if (at >= begin + size) return WINDOW_POINTER_MAX;
    return (s32)(((s64)(at - begin) * WINDOW_POINTER_MAX + (size - 1) / 2) / (size - 1));
}

/* By the picture's place in the window. While a menu is open, the pointer is its. */
static void place_pointer(s32 x, s32 y)
{
    const Rect *on = &w.scaler.to;
    if (panels_open()) return;
    s32 to_x = place_in(x, on->x, on->w), to_y = place_in(y, on->y, on->h);
    w.place_moved |= to_x != w.place_x || to_y != w.place_y;
    w.place_x = to_x;
    w.place_y = to_y;
}

/* The guest begins to ask for places, or has stopped to. */
static void follow_pointer(void)
{
    bool places = session_wants_pointer(w.s), shown = !places || panels_open();
    if (places && !w.places) grab(false);
    if (places != w.places) w.place_moved = false;
    w.places = places;
    if (shown == (SDL_ShowCursor(SDL_QUERY) == SDL_ENABLE)) return;
    SDL_ShowCursor(shown ? SDL_ENABLE : SDL_DISABLE);
}

static void screenshot(void)
{
    char path[64];
    Problem p;
    time_t now = time(NULL);
    if (!w.picture || !w.picture->width) return;
    strftime(path, sizeof path, "ring3-%Y%m%d-%H%M%S.png", localtime(&now));
    if (picture_save(path, w.picture, &p))
        panels_say("screenshot: %s", path);
    else
        panels_say("no screenshot: %s", p.text);
}

static void say_copied(bool copied, u32 rows)
{
    if (!rows)
        panels_say("graphics: no text to copy");
    else if (copied)
        panels_say("the screen's text is in the clipboard");
    else
        panels_say("no clipboard: %s", SDL_GetError());
}

/* An empty screen leaves the clipboard as it is. */
static void copy_text(void)
{
    ScreenText *t = w.picture && w.picture->width ? screen_text_new() : NULL;
    if (!t) return;
    screen_text_read(t, w.picture);
    char *all = screen_text_all(t);
    if (all && screen_text_rows(t) && !*all)
        panels_say("the screen is empty");
    else if (all)
        say_copied(screen_text_rows(t) && SDL_SetClipboardText(all) == 0, screen_text_rows(t));
    free(all);
    screen_text_free(t);
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

/* A menu wants the pointer. */
static void open_menu(void (*show)(void))
{
    grab(false);
    session_release_keys(w.s);
    show();
}

static void toggle_whole(void)
{
    w.whole = !w.whole;
    w.stale = true;
    panels_say(w.whole ? "only whole multiples" : "any size");
}

static void toggle_block_view(void)
{
    block_view_toggle();
    w.stale = true;
    if (!w.person_size && !w.full_screen) chosen_size();
}

static bool hot_key(SDL_Keycode key)
{
    switch (key) {
    case SDLK_b: toggle_block_view(); return true;
    case SDLK_c: copy_text(); return true;
    case SDLK_g: grab(!w.grabbed); return true;
    case SDLK_f: set_full_screen(!w.full_screen); return true;
    case SDLK_u: toggle_actual_size(); return true;
    case SDLK_i: toggle_whole(); return true;
    case SDLK_m: open_menu(panels_media); return true;
    case SDLK_d: session_ctrl_alt_delete(w.s); return true;
    case SDLK_v: type_clipboard(); return true;
    case SDLK_s: screenshot(); return true;
    case SDLK_p: session_send(w.s, WINDOW_PAUSE, 0, 0, 0, 0); return true;
    case SDLK_k:
    case SDLK_F5: session_send(w.s, WINDOW_SNAPSHOT, WINDOW_SNAPSHOT_KEEP, 0, 0, 0); return true;
    case SDLK_r: session_send(w.s, WINDOW_SNAPSHOT, WINDOW_SNAPSHOT_NEWEST, 0, 0, 0); return true;
    case SDLK_n:
    case SDLK_F9: open_menu(panels_snapshots); return true;
    case SDLK_q: open_menu(panels_ask_close); return true;
    case SDLK_h: open_menu(panels_help); return true;
    case SDLK_PLUS:
    case SDLK_EQUALS:
    case SDLK_KP_PLUS: session_send(w.s, WINDOW_SPEED, 1, 0, 0, 0); return true;
    case SDLK_MINUS:
    case SDLK_KP_MINUS: session_send(w.s, WINDOW_SPEED, -1, 0, 0, 0); return true;
    default: return false;
    }
}

/* --- events ---------------------------------------------------------------------------------------------- */

static void menu_key_pressed(const SDL_Keysym *k)
{
    SDL_Keycode sym = printed(k);
    char letter = (sym >= 'a' && sym <= 'z') || (sym >= '1' && sym <= '9') ? (char)sym : 0;
    switch (k->sym) {
    case SDLK_UP: panels_key(PANEL_UP, 0); break;
    case SDLK_DOWN: panels_key(PANEL_DOWN, 0); break;
    case SDLK_PAGEUP: panels_key(PANEL_PAGE_UP, 0); break;
    case SDLK_PAGEDOWN: panels_key(PANEL_PAGE_DOWN, 0); break;
    case SDLK_DELETE: panels_key(PANEL_DELETE, 0); break;
    case SDLK_RETURN:
    case SDLK_KP_ENTER: panels_key(PANEL_ENTER, 0); break;
    case SDLK_ESCAPE: panels_key(PANEL_ESCAPE, 0); break;
    default: panels_key(PANEL_OTHER, letter); break;
    }
}

static void on_key(const SDL_KeyboardEvent *e)
{
    u8 key = sdl_key(e->keysym.scancode);
    bool down = e->type == SDL_KEYDOWN;
    if (e->repeat && !panels_open()) return;
    if (down && panels_open()) {
        menu_key_pressed(&e->keysym);
        return;
    }
    if (down && e->keysym.mod & KMOD_CTRL && e->keysym.mod & KMOD_LALT && hot_key(printed(&e->keysym)))
        return;
    if (down) panels_remind();
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
    if (panels_open()) {
        SDL_Surface *surface = down ? SDL_GetWindowSurface(w.window) : NULL;
        const Canvas canvas = surface ? menu_canvas(surface) : (Canvas){0};
        if (surface) panels_click(&canvas, e->x, e->y);
        return;
    }
    if (w.places) place_pointer(e->x, e->y);
    if (!w.grabbed && !w.places) { /* the click that takes the mouse is not the guest's */
        if (down && e->button == SDL_BUTTON_LEFT) grab(true);
        if (down) panels_remind();
        return;
    }
    w.buttons = (u16)(down ? w.buttons | bit : w.buttons & ~bit);
    if (w.buttons == old) return;
    u16 now = w.buttons;
    w.buttons = old; /* what was moved before, was moved with the old ones */
    if (w.moved_x || w.moved_y || w.place_moved) send_mouse(0);
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
        if (w.full_screen || ((u32)e->data1 == w.asked_width && (u32)e->data2 == w.asked_height)) break;
        w.person_size = true;
        w.actual = false;
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
        if (w.places && w.buttons) {
            w.buttons = 0;
            send_mouse(0);
        }
        break;
    default: break;
    }
    if (w.stale && !w.hidden) pace_input(&w.pace, host_now_ns());
}

static void on_motion(const SDL_MouseMotionEvent *e)
{
    if (w.places) place_pointer(e->x, e->y);
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
        if (w.grabbed || w.places) send_mouse(e->wheel.y);
        break;
    case SDL_WINDOWEVENT: on_window(&e->window); return;
    case SDL_DROPFILE:
        panels_drop(e->drop.file);
        SDL_free(e->drop.file);
        break;
    case SDL_JOYDEVICEADDED:
    case SDL_JOYDEVICEREMOVED:
    case SDL_JOYAXISMOTION:
    case SDL_JOYHATMOTION:
    case SDL_JOYBUTTONDOWN:
    case SDL_JOYBUTTONUP: sticks_event(w.s, e); break;
    case SDL_QUIT: open_menu(panels_ask_close); break;
    default:
        if (e->type != w.note) return;
        session_receive(w.s);
        if (panels_follow()) grab(false);
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

/* The desktop's libraries say on stderr what they did not find; what comes of it SDL_GetError() says. */
static bool init_silently(void)
{
    int kept = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, WINDOW_MONITOR + 1);
    if (kept >= 0) silence(STDERR_FILENO, STDERR_FILENO);
    bool good = SDL_Init(SDL_INIT_VIDEO) == 0;
    if (kept < 0) return good;
    dup2(kept, STDERR_FILENO);
    close(kept);
    return good;
}

bool sdl_open(Session *s, char *why, u32 bytes)
{
    u32 flags = SDL_WINDOW_RESIZABLE | (s->full_screen ? SDL_WINDOW_FULLSCREEN_DESKTOP : 0);
    w.s = s;
    w.full_screen = s->full_screen;
    set_hints();
    panels_begin(s);
    if (init_silently()) {
        choose_base();
        w.asked_width = w.base_width;
        w.asked_height = w.base_height;
        w.window = SDL_CreateWindow("ring3", SDL_WINDOWPOS_UNDEFINED, SDL_WINDOWPOS_UNDEFINED,
                                    (int)w.base_width, (int)w.base_height, flags);
        if (w.window) SDL_SetWindowMinimumSize(w.window, SHAPE_WIDTH / 2, SHAPE_HEIGHT / 2);
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
        u64 panels;
        u64 block = block_view_follow(s, now);
        if (panels_changed(now, &panels) || block_view_changed(s)) {
            w.stale = true;
            pace_input(&w.pace, now);
        }
        follow_pointer();
        sticks_follow(s);
        if (!w.hidden && now >= w.pace.next_ns) look(now);
        show_title();
        next = earlier(earlier(earlier(typing, sounds), earlier(panels, block)), flush_mouse(now));
        if (!w.hidden) next = earlier(next, w.pace.next_ns);
        next = earlier(next, now + 1000000000u);
    }
    sound_end();
    SDL_SemPost(w.noted); /* it may have put another note */
    SDL_WaitThread(w.listener, NULL);
    SDL_Quit();
}
