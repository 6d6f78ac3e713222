/* display.c - the window lives in a process of its own (ring3-window); here is what this side does for it.
 *
 * Why: SDL, the desktop's libraries and their threads would slow the machine's page-table work down (a process with
 * two busy threads pays for every mapping change with an interrupt), double ring3's memory, and stand inside the
 * guest's cage. So ring3 links none of it. frontend/display/window_protocol.h is the border.
 *
 * The window's process is started when everything that a person may have got wrong has been looked at, and before the
 * machine is built: the two come up side by side. Messages are read by the I/O thread into a ring and acted upon by the
 * vCPU thread in its service hook. A full ring stops the reading, so that no release of a key is lost.
 *
 * If the window dies, there is nobody left who sees the guest: ring3 says so and ends with 1, in good order, with the
 * media flushed. A window that could not come up is another matter: by default ring3 then runs without one.
 */
#define _GNU_SOURCE
#include "frontend/display/display.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "cpu/base/host.h"
#include "frontend/display/display_media.h"
#include "frontend/display/display_snapshots.h"
#include "frontend/display/window_protocol.h"
#include "frontend/glass/block_pane.h"
#include "frontend/host/helper.h"
#include "frontend/host/hostio.h"
#include "frontend/host/ring.h"
#include "frontend/host/shared_memory.h"
#include "frontend/inbox.h"
#include "hw/keys.h"
#include "hw/screen.h"

enum { LEAVE_MS = 1000, MOUSE_FURTHEST = 4096, SOUND_GAP_NS = 100000000 };
enum { KEYS_WAIT_MIN_NS = 1000000, KEYS_WAIT_MAX_NS = 64000000 };
enum { MOUSE_BUTTONS = MOUSE_LEFT | MOUSE_RIGHT | MOUSE_MIDDLE | MOUSE_SIDE | MOUSE_EXTRA };

_Static_assert(sizeof(ScreenState) <= WINDOW_SCREEN_BYTES, "a ScreenState fits into WindowShared");
_Static_assert((int)DRIVE_COUNT == (int)WINDOW_DRIVES, "one number for both");
_Static_assert(RING_BYTES % sizeof(WindowMessage) == 0, "messages do not wrap");

static struct {
    DisplayKind kind;
    pid_t child; /* 0: none, or it has been waited for */
    int socket;
    int monitor; /* our end of the terminal's connection to the monitor; -1: none */
    int shared_fd;
    WindowShared *shared;
    Ring ring;
    atomic_bool stalled;
    atomic_bool dead;      /* the window's end of the socket is closed */
    bool has_terminal;     /* the window's process may use it: */
    struct termios before; /* as it was */
    void (*before_panic)(void);
    bool speaker_muted;
    u64 sound_ns;     /* of the speaker's last event; from here on the vCPU thread's */
    u32 status;       /* as it is in `shared` */
    u32 keys;         /* WINDOW_KEYs that have come */
    Timer keys_timer; /* looks whether the guest has taken them */
    u64 keys_wait_ns; /* until it looks again */
    WindowMessage snapshot; /* ASKED_SNAPSHOT */
    bool asks;              /* WINDOW_ASKS has come */
} d = {.socket = -1, .monitor = -1, .shared_fd = -1};

/* --- the program ----------------------------------------------------------------------------------------- */

bool display_share(Problem *p)
{
    void *at;
    if (d.shared) return true;
    d.shared_fd = shared_memory_make("ring3-window", sizeof *d.shared, &at, p);
    if (d.shared_fd < 0) return false;
    d.shared = at;
    return true;
}

/* For who may show the screen in the terminal: the far end of a connection to the monitor. -1: none; then there is no
 * Ctrl-A C. */
static int connect_monitor(void)
{
    int pair[2];
    if (!d.has_terminal || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
        return -1;
    int theirs = fcntl(pair[1], F_DUPFD_CLOEXEC, WINDOW_MONITOR + 1);
    close(pair[1]);
    if (theirs < 0)
        close(pair[0]);
    else
        d.monitor = pair[0];
    return theirs;
}

int display_monitor(void) { return d.monitor; }

static bool start_program(const DisplayOptions *o, bool terminal_used, Problem *p)
{
    static const char *const kinds[] = {
        [DISPLAY_AUTO] = "auto", [DISPLAY_SDL] = "sdl", [DISPLAY_CURSES] = "curses"};
    char escape[8];
    int pair[2];
    const char *argv[16] = {"ring3-window", "-display", kinds[d.kind]};
    unsigned n = 3;
    if (terminal_used) argv[n++] = "-no-terminal";
    if (shared_memory_is_unsealed()) argv[n++] = "-unsealed";
    if (o->full_screen) argv[n++] = "-full-screen";
    if (o->layout) argv[n++] = "-k", argv[n++] = o->layout;
    if (o->name) argv[n++] = "-name", argv[n++] = o->name;
    snprintf(escape, sizeof escape, "%u", o->escape_key);
    if (o->escape_key) argv[n++] = "-echr", argv[n++] = escape;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return problem_set(p, "%s", strerror(errno));
    d.socket = pair[0];
    d.has_terminal = !terminal_used && d.kind != DISPLAY_SDL && tcgetattr(STDIN_FILENO, &d.before) == 0;
    int monitor = connect_monitor();
    d.child = helper_start("ring3-window", argv, (int[HELPER_FDS]){pair[1], monitor}, d.has_terminal, p);
    close(pair[1]);
    if (monitor >= 0) close(monitor);
    return d.child != 0;
}

ScreenState *display_screen(void) { return d.shared ? (ScreenState *)(void *)d.shared->screen : NULL; }

/* --- starting -------------------------------------------------------------------------------------------- */

static bool has_display_server(void)
{
    const char *x = getenv("DISPLAY"), *wayland = getenv("WAYLAND_DISPLAY");
    return (x && *x) || (wayland && *wayland);
}

/* A job in the background must not touch the terminal. */
static bool terminal_is_ours(void)
{
    return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && tcgetpgrp(STDIN_FILENO) == getpgrp();
}

/* What AUTO is on this host, as far as this side can tell: the window's program tries a server that is said to be
 * there, and may have to fall back itself. */
static DisplayKind choose(DisplayKind kind, bool terminal_used)
{
    if (kind != DISPLAY_AUTO || has_display_server()) return kind;
    if (!terminal_used && terminal_is_ours()) return DISPLAY_CURSES;
    say("no display server: running without a screen (-display none says that this is meant)");
    return DISPLAY_NONE;
}

/* A message of ours must not vanish with the window's screen on the terminal. */
static void on_panic(void)
{
    if (d.before_panic) d.before_panic();
    if (d.has_terminal) display_stop();
}

bool display_start(const DisplayOptions *o, bool terminal_used, Problem *p)
{
    static const char *const names[] = {[DISPLAY_SDL] = "sdl", [DISPLAY_CURSES] = "curses"};
    Problem why;
    d.before_panic = base_on_panic;
    base_on_panic = on_panic;
    if (o->kind == DISPLAY_AUTO) terminal_used |= !terminal_is_ours();
    d.kind = choose(o->kind, terminal_used);
    if (d.kind == DISPLAY_NONE) return true;
    if (d.kind == DISPLAY_CURSES && terminal_used)
        return problem_set(p,
                           "-display curses: the terminal is used by -serial, -monitor or -debugcon stdio");
    if (d.kind == DISPLAY_CURSES && !(isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)))
        return problem_set(p, "-display curses: standard input and output are no terminal");
    if (display_share(&why) && start_program(o, terminal_used, &why)) return true;
    if (o->kind != DISPLAY_AUTO) return problem_set(p, "-display %s: %s", names[d.kind], why.text);
    say("no window: %s; running without a screen", why.text);
    d.kind = DISPLAY_NONE;
    return true;
}

static void send_message(WindowMessageKind kind)
{
    WindowMessage m = {.kind = (u16)kind};
    if (d.socket >= 0 && !atomic_load(&d.dead))
        (void)!send(d.socket, &m, sizeof m, MSG_DONTWAIT | MSG_NOSIGNAL);
}

bool display_greet(int socket, const Phys *phys)
{
    int memory = shared_memory_read_only(phys->memfd);
    WindowMessage m = {.kind = WINDOW_HELLO,
                       .a = WINDOW_PROTOCOL,
                       .b = (s32)(phys->vram_pages << PAGE_BITS),
                       .c = (s32)phys->vram_page};
    if (memory < 0) return false;
    bool sent = helper_greet(socket, &m, sizeof m, (int[2]){d.shared_fd, memory}, 2);
    int why = errno;
    close(memory);
    errno = why;
    return sent;
}

bool display_attach(const Phys *phys, Problem *p)
{
    if (d.socket < 0) return true;
    /* A window that has gone already is dealt with where its end is seen. */
    return display_greet(d.socket, phys) || errno == EPIPE || errno == ECONNRESET ||
           problem_set(p, "the window's process: %s", strerror(errno));
}

/* --- the end --------------------------------------------------------------------------------------------- */

static bool wait_for_child(int *status)
{
    static const struct timespec pause = {0, 5000000};
    for (int ms = 0; ms < LEAVE_MS; ms += 5) {
        pid_t pid = waitpid(d.child, status, WNOHANG);
        if (pid == d.child || (pid < 0 && errno == ECHILD)) return true;
        nanosleep(&pause, NULL);
    }
    return false;
}

static int end_child(void) /* its exit status; it is made to end if it does not by itself */
{
    int status = 0;
    pid_t child = d.child;
    if (!child) return 0;
    if (!wait_for_child(&status)) {
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
    }
    d.child = 0;
    return status;
}

void display_stop(void)
{
    send_message(WINDOW_BYE);
    if (d.socket >= 0) shutdown(d.socket, SHUT_RDWR);
    end_child();
}

int display_process(void) { return d.child; }

/* A process that was killed leaves the terminal as it is: raw, and on its other screen. */
static void restore_terminal(void)
{
    static const char leave[] = "\033[0m\033[?25h\033[?1049l";
    struct termios now;
    if (!d.has_terminal || tcgetattr(STDIN_FILENO, &now) < 0 || now.c_lflag == d.before.c_lflag) return;
    (void)!write(STDOUT_FILENO, leave, sizeof leave - 1);
    tcsetattr(STDIN_FILENO, TCSANOW, &d.before);
}

/* The socket has ended before we did; is that ring3's end, too? */
static unsigned child_died(void)
{
    atomic_store(&d.dead, true);
    int status = end_child(), code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    if (code == WINDOW_NO_DISPLAY && d.kind == DISPLAY_AUTO) {
        say("no display server and no free terminal: running without a screen");
        return 0;
    }
    if (code == WINDOW_NO_DISPLAY) return DISPLAY_DIED; /* it has said why */
    restore_terminal();
    if (WIFSIGNALED(status))
        say("the window's process was ended by signal %d; ring3 ends", WTERMSIG(status));
    else
        say("the window's process ended; ring3 ends");
    return DISPLAY_DIED;
}

/* --- messages, on the I/O thread ------------------------------------------------------------------------- */

static bool has_room(void) { return ring_room(&d.ring) >= sizeof(WindowMessage); }

/* Store, then load, as in hostio_idle(): display_service() does it the other way round. */
int display_fd(void)
{
    if (atomic_load(&d.dead)) return -1;
    if (has_room()) return d.socket;
    atomic_store(&d.stalled, true);
    return has_room() ? d.socket : -1;
}

unsigned display_ready(void)
{
    unsigned what = 0;
    while (has_room()) {
        WindowMessage m;
        ssize_t n = recv(d.socket, &m, sizeof m, MSG_DONTWAIT | MSG_TRUNC);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) break;
        if (n <= 0) return what | child_died();
        if (n != sizeof m) continue;
        if (m.kind == WINDOW_QUIT) return what | DISPLAY_QUIT;
        ring_put(&d.ring, (const u8 *)&m, sizeof m);
        what |= DISPLAY_INPUT;
    }
    return what;
}

/* --- messages, on the vCPU thread ------------------------------------------------------------------------ */

static s32 clamp(s32 v)
{
    return v > MOUSE_FURTHEST ? MOUSE_FURTHEST : v < -MOUSE_FURTHEST ? -MOUSE_FURTHEST : v;
}

/* Of the screen: a place on it. */
static u32 edge(s32 v) { return v < 0 ? 0 : v > WINDOW_POINTER_MAX ? WINDOW_POINTER_MAX : (u32)v; }

static void set_status(u32 mask, u32 bits)
{
    d.status = (d.status & ~mask) | bits;
    atomic_store(&d.shared->status, d.status);
}

/* The window types text at the guest's pace: it waits for this. A guest that reads no keys is asked ever more
 * seldom. */
static void look_for_keys(void *machine)
{
    Machine *m = machine;
    if (machine_keys_taken(m)) {
        atomic_store(&d.shared->keys_taken, d.keys);
        d.keys_wait_ns = KEYS_WAIT_MIN_NS;
        return;
    }
    clock_arm(machine_clock(m), &d.keys_timer, clock_now(machine_clock(m)) + d.keys_wait_ns);
    if (d.keys_wait_ns < KEYS_WAIT_MAX_NS) d.keys_wait_ns *= 2;
}

static void act_key(Machine *m, u8 key, bool down)
{
    inbox_deliver(&(InboxEvent){.kind = INBOX_KEY, .key = {key, down}});
    d.keys++;
    d.keys_wait_ns = KEYS_WAIT_MIN_NS;
    d.keys_timer.fire = look_for_keys;
    d.keys_timer.ctx = m;
    look_for_keys(m);
}

void display_act_mouse(const WindowMessage *w)
{
    u8 buttons = (u8)(w->d & MOUSE_BUTTONS);
    InboxEvent e = {.kind = INBOX_MOUSE, .mouse = {clamp(w->a), clamp(w->b), clamp(w->c), buttons}};
    if (w->kind == WINDOW_POINTER)
        e = (InboxEvent){.kind = INBOX_POINTER, .pointer = {edge(w->a), edge(w->b), clamp(w->c), buttons}};
    inbox_deliver(&e);
}

static s16 axis(s32 v) { return (s16)(v > INT16_MAX ? INT16_MAX : v < INT16_MIN ? INT16_MIN : v); }

static void act_stick(const WindowMessage *w)
{
    Stick now = {w->c >= 0, axis(w->a), axis(w->b), (u8)(w->c & 15)};
    inbox_deliver(&(InboxEvent){.kind = INBOX_STICK, .stick = {w->d, now}});
}

static unsigned act(Machine *m, const WindowMessage *w)
{
    switch (w->kind) {
    case WINDOW_KEY: act_key(m, (u8)w->a, w->b & 1); return 0;
    case WINDOW_MOUSE:
    case WINDOW_POINTER: display_act_mouse(w); return 0;
    case WINDOW_STICK: act_stick(w); return 0;
    case WINDOW_POWER: return ASKED_POWER;
    case WINDOW_PAUSE: return ASKED_PAUSE;
    case WINDOW_SPEED: return w->a > 0 ? ASKED_FASTER : ASKED_SLOWER;
    case WINDOW_BLOCK: return ASKED_BLOCK;
    case WINDOW_ASKS: d.asks = true; return 0;
    case WINDOW_SNAPSHOT:
    case WINDOW_DISKS:
    case WINDOW_SNAPSHOTS: d.snapshot = *w; return ASKED_SNAPSHOT;
    case WINDOW_SUSPEND: return d.status & WINDOW_CAN_SUSPEND ? ASKED_SUSPEND : 0;
    case WINDOW_PATH:
    case WINDOW_CHANGE:
    case WINDOW_EJECT:
        display_media_act(m, d.shared, w);
        if (w->kind != WINDOW_PATH) send_message(WINDOW_LOOK);
        return 0;
    default: return 0;
    }
}

unsigned display_service(Machine *m)
{
    WindowMessage w;
    unsigned asked = 0;
    while (!(asked & ASKED_SNAPSHOT) && ring_used(&d.ring) &&
           ring_get(&d.ring, (u8 *)&w, sizeof w) == sizeof w)
        asked |= act(m, &w);
    if (d.shared && machine_leds(m) != d.status >> WINDOW_LEDS)
        set_status(~0u << WINDOW_LEDS, (u32)machine_leds(m) << WINDOW_LEDS);
    if (d.shared && machine_wants_pointer(m) != !!(d.status & WINDOW_ABSOLUTE)) {
        set_status(WINDOW_ABSOLUTE, machine_wants_pointer(m) ? WINDOW_ABSOLUTE : 0);
        send_message(WINDOW_LOOK);
    }
    if (d.shared && machine_has_gameport(m) && !(d.status & WINDOW_STICKS)) {
        set_status(WINDOW_STICKS, WINDOW_STICKS);
        send_message(WINDOW_LOOK);
    }
    if (d.shared && display_media_show(m, d.shared)) send_message(WINDOW_LOOK);
    if (atomic_load(&d.stalled) && atomic_exchange(&d.stalled, false)) hostio_kick();
    return asked;
}

void display_show_block(const Pc *pc)
{
    if (d.shared && block_pane_write(pc, d.shared)) send_message(WINDOW_LOOK);
}

void display_act_snapshot(Pc *pc)
{
    display_snapshots_act(pc, d.shared, &d.snapshot);
    send_message(WINDOW_LOOK);
}

/* The window looks by itself while there is sound: it is told when it begins. */
void display_speaker(const SpeakerEvent *event)
{
    if (!d.shared || d.speaker_muted) return;
    u32 n = atomic_load(&d.shared->sounds);
    WindowSound *to = &d.shared->sound[n % WINDOW_SOUNDS];
    atomic_store(&to->at_ns, event->at_ns);
    atomic_store(&to->ticks, event->ticks);
    atomic_store(&to->level, event->level);
    atomic_store(&d.shared->sounds, n + 1);
    if (event->at_ns - d.sound_ns > SOUND_GAP_NS || !n) send_message(WINDOW_LOOK);
    d.sound_ns = event->at_ns;
}

void display_mute_speaker(void) { d.speaker_muted = true; }

bool display_has_sound(void) { return d.shared && d.kind != DISPLAY_NONE; }

void display_frames(const SoundFrame *frames, u32 count)
{
    if (!d.shared) return;
    u32 n = atomic_load(&d.shared->frames);
    for (u32 i = 0; i < count; i++)
        atomic_store_explicit(&d.shared->frame[(n + i) % WINDOW_FRAMES],
                              (u16)frames[i].left | (u32)(u16)frames[i].right << 16, memory_order_relaxed);
    atomic_store(&d.shared->frames, n + count);
    u64 now = host_now_ns();
    if (now - d.sound_ns > SOUND_GAP_NS || !n) send_message(WINDOW_LOOK);
    d.sound_ns = now;
}

void display_offer_suspend(void)
{
    if (d.shared) set_status(WINDOW_CAN_SUSPEND, WINDOW_CAN_SUSPEND);
}

bool display_asks(void) { return d.asks && !atomic_load(&d.dead); }

void display_show_undecided(bool undecided, bool off)
{
    u32 bits = (undecided ? WINDOW_UNDECIDED : 0) | (undecided && off ? WINDOW_OFF : 0);
    if (!d.shared || (d.status & (WINDOW_UNDECIDED | WINDOW_OFF)) == bits) return;
    set_status(WINDOW_UNDECIDED | WINDOW_OFF, bits);
    send_message(WINDOW_LOOK);
}

void display_say(const char *what, const char *text)
{
    if (!d.shared) return;
    base_park_fpu();
    display_media_say(d.shared, what, text);
    send_message(WINDOW_LOOK);
}

void display_show_state(bool stopped, bool trouble, u32 speed_mhz)
{
    if (!d.shared) return;
    set_status(WINDOW_STOPPED | WINDOW_TROUBLE,
               (stopped ? WINDOW_STOPPED : 0) | (stopped && trouble ? WINDOW_TROUBLE : 0));
    atomic_store(&d.shared->speed_mhz, speed_mhz);
    send_message(WINDOW_LOOK);
}
