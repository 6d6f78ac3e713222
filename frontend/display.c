/* display.c - the window lives in a process of its own (ring3-window); here is what this side does for it.
 *
 * Why: SDL, the desktop's libraries and their threads would slow the machine's page-table work down (a process with
 * two busy threads pays for every mapping change with an interrupt), double ring3's memory, and stand inside the
 * guest's cage. So ring3 links none of it. frontend/window_protocol.h is the border.
 *
 * The window's process is started when everything that a person may have got wrong has been looked at, and before the
 * machine is built: the two come up side by side. Messages are read by the I/O thread into a ring and acted upon by the
 * vCPU thread in its service hook. A full ring stops the reading, so that no release of a key is lost.
 *
 * If the window dies, there is nobody left who sees the guest: ring3 says so and ends with 1, in good order, with the
 * media flushed. A window that could not come up is another matter: by default ring3 then runs without one.
 */
#define _GNU_SOURCE
#include "frontend/display.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "cpu/host.h"
#include "frontend/display_media.h"
#include "frontend/hostio.h"
#include "frontend/ring.h"
#include "frontend/window_protocol.h"
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
    int shared_fd;
    WindowShared *shared;
    Ring ring;
    atomic_bool stalled;
    atomic_bool dead;      /* the window's end of the socket is closed */
    bool has_terminal;     /* the window's process may use it: */
    struct termios before; /* as it was */
    void (*before_panic)(void);
    u64 sound_ns;     /* of the speaker's last event; from here on the vCPU thread's */
    u32 status;       /* as it is in `shared` */
    u32 keys;         /* WINDOW_KEYs that have come */
    Timer keys_timer; /* looks whether the guest has taken them */
    u64 keys_wait_ns; /* until it looks again */
} d = {.socket = -1, .shared_fd = -1};

/* --- shared memory --------------------------------------------------------------------------------------- */

/* What can be promised to the window, and kept from it, by the kernel. */
typedef enum Sealing {
    SEALED,      /* it keeps its size, and only the mapping that we have now can be written */
    SEALED_SIZE, /* before Linux 5.1: its size; the window gets a descriptor for reading */
    UNSEALED, /* the descriptor for reading alone, and the window knows by -unsealed that it may lose the memory */
} Sealing;

static Sealing sealing(void)
{
    if (!host_has(HOST_MEMFD_SEALS)) return UNSEALED;
    return host_has(HOST_SEAL_FUTURE_WRITE) ? SEALED : SEALED_SIZE;
}

void display_choose_seals(void)
{
    static const char *const ways[] = {[SEALED] =
                                           "sealed: its size, and against writing by the window's process",
                                       [SEALED_SIZE] = "its size sealed; the window's process reads it",
                                       [UNSEALED] = "not sealed; the window's process reads it"};
    host_choice("shared screen", "%s", ways[sealing()]);
}

static int shared_open(void)
{
    if (sealing() == UNSEALED) return host_memory_open("ring3-window", sizeof *d.shared, HOST_MEMORY_DATA);
    int fd = memfd_create("ring3-window", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || ftruncate(fd, sizeof *d.shared) == 0) return fd;
    close(fd);
    return -1;
}

/* The same memory by a descriptor that can only be read, where the host can make one. */
static int read_only(int fd)
{
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int copy = open(path, O_RDONLY | O_CLOEXEC);
    return copy >= 0 ? copy : dup(fd);
}

/* After our own mapping, and before anybody else sees it. */
static bool seal_shared(void)
{
    static const int seals[] = {[SEALED] = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL,
                                [SEALED_SIZE] = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL};
    Sealing s = sealing();
    if (s != UNSEALED && fcntl(d.shared_fd, F_ADD_SEALS, seals[s]) < 0) return false;
    if (s == SEALED) return true;
    int copy = read_only(d.shared_fd);
    close(d.shared_fd);
    d.shared_fd = copy;
    return copy >= 0;
}

static bool make_shared(Problem *p)
{
    d.shared_fd = shared_open();
    if (d.shared_fd >= 0) {
        d.shared = mmap(NULL, sizeof *d.shared, PROT_READ | PROT_WRITE, MAP_SHARED, d.shared_fd, 0);
        if (d.shared != MAP_FAILED && seal_shared()) return true;
        d.shared = NULL;
    }
    return problem_set(p, "memory shared with its process: %s", strerror(errno));
}

/* --- the program ----------------------------------------------------------------------------------------- */

/* Next to ring3 (a build), or where `cmake --install` puts it. */
static bool find_program(char *path, size_t bytes)
{
    static const char *const places[] = {"ring3-window", "../libexec/ring3/ring3-window"};
    char own[3000];
    ssize_t n = readlink("/proc/self/exe", own, sizeof own - 1);
    if (n <= 0) return false;
    own[n] = 0;
    *strrchr(own, '/') = 0;
    for (unsigned i = 0; i < ARRAY_LEN(places); i++) {
        snprintf(path, bytes, "%s/%s", own, places[i]);
        if (!access(path, X_OK)) return true;
    }
    return false;
}

static int spawn(const char *path, char *const argv[], int socket, bool terminal)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t how;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, socket, WINDOW_SOCKET);
    posix_spawn_file_actions_addclosefrom_np(&files, WINDOW_SOCKET + 1);
    if (!terminal) posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawnattr_init(&how);
    posix_spawnattr_setsigmask(&how, &none);
    posix_spawnattr_setsigdefault(&how, &all);
    posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    int error = posix_spawn(&d.child, path, &files, &how, argv, environ);
    posix_spawnattr_destroy(&how);
    posix_spawn_file_actions_destroy(&files);
    if (error) d.child = 0;
    return error;
}

static bool start_program(const DisplayOptions *o, bool terminal_used, Problem *p)
{
    static const char *const kinds[] = {
        [DISPLAY_AUTO] = "auto", [DISPLAY_SDL] = "sdl", [DISPLAY_CURSES] = "curses"};
    char path[4096];
    int pair[2];
    const char *argv[12] = {"ring3-window", "-display", kinds[d.kind]};
    unsigned n = 3;
    if (terminal_used) argv[n++] = "-no-terminal";
    if (sealing() == UNSEALED) argv[n++] = "-unsealed";
    if (o->full_screen) argv[n++] = "-full-screen";
    if (o->layout) argv[n++] = "-k", argv[n++] = o->layout;
    if (o->name) argv[n++] = "-name", argv[n++] = o->name;
    if (!find_program(path, sizeof path)) return problem_set(p, "its program, ring3-window, is not there");
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return problem_set(p, "%s", strerror(errno));
    d.socket = pair[0];
    d.has_terminal = !terminal_used && d.kind != DISPLAY_SDL && tcgetattr(STDIN_FILENO, &d.before) == 0;
    int error = spawn(path, (char *const *)argv, pair[1], d.has_terminal);
    close(pair[1]);
    return error ? problem_set(p, "ring3-window: %s", strerror(error)) : true;
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
    if (make_shared(&why) && start_program(o, terminal_used, &why)) return true;
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

static bool send_hello(const Phys *phys, int memory)
{
    WindowMessage m = {.kind = WINDOW_HELLO,
                       .a = WINDOW_PROTOCOL,
                       .b = (s32)(phys->vram_pages << PAGE_BITS),
                       .c = (s32)phys->vram_page};
    char control[CMSG_SPACE(2 * sizeof(int))] = {0};
    struct iovec part = {&m, sizeof m};
    struct msghdr h = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *c = CMSG_FIRSTHDR(&h);
    int fds[2] = {d.shared_fd, memory};
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fds);
    memcpy(CMSG_DATA(c), fds, sizeof fds);
    return sendmsg(d.socket, &h, MSG_NOSIGNAL) == sizeof m;
}

bool display_attach(const Phys *phys, Problem *p)
{
    if (d.socket < 0) return true;
    int memory = read_only(phys->memfd);
    bool sent = memory >= 0 && send_hello(phys, memory);
    if (memory >= 0) close(memory);
    /* A window that has gone already is dealt with where its end is seen. */
    return sent || errno == EPIPE || errno == ECONNRESET ||
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
    machine_key(m, key, down);
    d.keys++;
    d.keys_wait_ns = KEYS_WAIT_MIN_NS;
    d.keys_timer.fire = look_for_keys;
    d.keys_timer.ctx = m;
    look_for_keys(m);
}

static unsigned act(Machine *m, const WindowMessage *w)
{
    switch (w->kind) {
    case WINDOW_KEY: act_key(m, (u8)w->a, w->b & 1); return 0;
    case WINDOW_MOUSE:
        machine_mouse(m, clamp(w->a), clamp(w->b), clamp(w->c), (u8)(w->d & MOUSE_BUTTONS));
        return 0;
    case WINDOW_POWER: machine_power_button(m); return 0;
    case WINDOW_PAUSE: return ASKED_PAUSE;
    case WINDOW_SPEED: return w->a > 0 ? ASKED_FASTER : ASKED_SLOWER;
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
    while (ring_used(&d.ring) && ring_get(&d.ring, (u8 *)&w, sizeof w) == sizeof w) asked |= act(m, &w);
    if (d.shared && machine_leds(m) != d.status >> WINDOW_LEDS)
        set_status(~0u << WINDOW_LEDS, (u32)machine_leds(m) << WINDOW_LEDS);
    if (d.shared && display_media_show(m, d.shared)) send_message(WINDOW_LOOK);
    if (atomic_load(&d.stalled) && atomic_exchange(&d.stalled, false)) hostio_kick();
    return asked;
}

/* The window looks by itself while there is sound: it is told when it begins. */
void display_speaker(const SpeakerEvent *event)
{
    if (!d.shared) return;
    u32 n = atomic_load(&d.shared->sounds);
    WindowSound *to = &d.shared->sound[n % WINDOW_SOUNDS];
    atomic_store(&to->at_ns, event->at_ns);
    atomic_store(&to->ticks, event->ticks);
    atomic_store(&to->level, event->level);
    atomic_store(&d.shared->sounds, n + 1);
    if (event->at_ns - d.sound_ns > SOUND_GAP_NS || !n) send_message(WINDOW_LOOK);
    d.sound_ns = event->at_ns;
}

void display_show_state(bool stopped, bool trouble, u32 speed_mhz)
{
    if (!d.shared) return;
    set_status(WINDOW_STOPPED | WINDOW_TROUBLE,
               (stopped ? WINDOW_STOPPED : 0) | (stopped && trouble ? WINDOW_TROUBLE : 0));
    atomic_store(&d.shared->speed_mhz, speed_mhz);
    send_message(WINDOW_LOOK);
}
