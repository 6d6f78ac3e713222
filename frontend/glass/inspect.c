/* inspect.c - the live page is served by a process of its own (ring3-inspect); here is what this side does for it.
 *
 * Why: who answers browsers parses what strangers send, and shall do it neither in the guest's cage nor on its time.
 * frontend/glass/inspect_protocol.h is the border; inspect_answer.c writes the answers.
 *
 * A question is taken from the socket by the I/O thread, one at a time, and answered by the vCPU thread in its service
 * hook. What that took is measured, and while the guest runs no other question is read before PAUSES times as long has
 * passed: whatever is asked and however often, the machine gives it a few hundredths of its time at most. Nothing is
 * waited for: a message that the server does not take is lost, and its question with it.
 *
 * A step's answer is owed until the machine stands again; the next question takes it back.
 */
#define _GNU_SOURCE
#include "frontend/glass/inspect.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "frontend/glass/inspect_answer.h"
#include "frontend/glass/inspect_protocol.h"
#include "frontend/host/helper.h"
#include "frontend/host/hostio.h"
#include "frontend/host/listener.h"
#include "frontend/host/shared_memory.h"
#include "hw/screen.h"

/* Of the machine's time no more than 1/(PAUSES + 1); what leaving translated code costs beside the answer. */
enum { PAUSES = 30, LEAVE_NS = 40000, JUNK_NS = 10000000 };
/* A sample is taken so often, while the last question for them is no older than this. */
enum { SAMPLE_MS = 20 };
#define SAMPLED_NS 4000000000ull

_Static_assert(sizeof(ScreenState) <= INSPECT_SCREEN_BYTES, "a ScreenState fits into InspectShared");

static struct {
    pid_t child; /* 0: none, or it has been waited for */
    int socket;  /* -1: there is no page */
    int shared_fd;
    InspectShared *shared;
    atomic_bool dead; /* the server's end of the socket is closed */
    InspectMessage asked;
    atomic_bool asks;        /* `asked` waits for the vCPU thread */
    _Atomic u64 quiet_until; /* host ns: no question is read before */
    u64 sampled_until_ns;    /* samples are taken; 0: they are not */
    u32 owed;                /* id of a step's question; 0: none */
} s = {.socket = -1, .shared_fd = -1};

/* --- where browsers come to ------------------------------------------------------------------------------ */

/* With port 0 the kernel chooses one: the person is told which, by the name that the host was given. */
static void tell_where(int fd, const char *host)
{
    char name[LISTENER_NAME];
    if (!listener_name(fd, name)) return;
    say(strchr(host, ':') ? "the live page is at http://[%.100s]:%s/"
                          : "the live page is at http://%.100s:%s/",
        host, strrchr(name, ':') + 1);
}

static int listen_tcp(const char *where, Problem *p)
{
    char text[300];
    const char *host, *port, *why;
    snprintf(text, sizeof text, "%s", where);
    listener_split(text, &host, &port);
    int fd = listener_tcp(host, port, &why);
    if (fd < 0)
        problem_set(p, "-inspect %.200s: %s", where, why);
    else
        tell_where(fd, host);
    return fd;
}

static int open_listener(const char *where, Problem *p)
{
    if (strncmp(where, "unix:", 5)) return listen_tcp(where, p);
    int fd = listener_unix(where + 5);
    if (fd < 0) problem_set(p, "-inspect %.200s: %s", where, strerror(errno));
    return fd;
}

/* --- starting -------------------------------------------------------------------------------------------- */

static bool start_server(int listener, Problem *p)
{
    const char *argv[] = {"ring3-inspect", shared_memory_is_unsealed() ? "-unsealed" : NULL, NULL};
    int pair[2];
    Problem why;
    void *at;
    s.shared_fd = shared_memory_make("ring3-inspect", sizeof *s.shared, &at, &why);
    if (s.shared_fd < 0) return problem_set(p, "-inspect: %s", why.text);
    s.shared = at;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return problem_set(p, "-inspect: %s", strerror(errno));
    s.socket = pair[0];
    s.child = helper_start("ring3-inspect", argv, (int[HELPER_FDS]){pair[1], listener}, false, &why);
    close(pair[1]);
    return s.child || problem_set(p, "-inspect: %s", why.text);
}

bool inspect_start(const char *where, Problem *p)
{
    if (!where) return true;
    int listener = open_listener(where, p);
    bool started = listener >= 0 && start_server(listener, p);
    if (listener >= 0) close(listener);
    return started;
}

bool inspect_attach(Machine *m, Problem *p)
{
    const Phys *phys = machine_phys(m);
    if (s.socket < 0) return true;
    bus_count(machine_bus(m));
    InspectMessage hello = {.kind = INSPECT_HELLO,
                            .id = INSPECT_PROTOCOL,
                            .a = phys->vram_pages << PAGE_BITS,
                            .b = phys->vram_page};
    int memory = shared_memory_read_only(phys->memfd);
    bool sent = memory >= 0 && helper_greet(s.socket, &hello, sizeof hello, (int[2]){s.shared_fd, memory}, 2);
    if (memory >= 0) close(memory);
    close(s.shared_fd);
    return sent || problem_set(p, "-inspect: its server: %s", strerror(errno));
}

/* --- questions, on the I/O thread ------------------------------------------------------------------------ */

static void sooner(int *ms, u64 ns)
{
    int wait = (int)(ns / 1000000) + 1;
    if (*ms < 0 || wait < *ms) *ms = wait;
}

/* One that has been read is the vCPU thread's until it is answered; then it kicks. */
int inspect_fd(int *ms)
{
    if (s.socket < 0 || atomic_load(&s.asks)) return -1;
    if (atomic_load(&s.dead)) {
        if (s.child && waitpid(s.child, NULL, WNOHANG) == s.child) s.child = 0;
        return -1;
    }
    u64 now = host_now_ns(), until = atomic_load(&s.quiet_until);
    if (now >= until) return s.socket;
    sooner(ms, until - now);
    return -1;
}

/* The page is a guest in this house: its end is not the machine's. */
static void server_died(void)
{
    atomic_store(&s.dead, true);
    if (waitpid(s.child, NULL, WNOHANG) == s.child) s.child = 0;
    if (!hostio_stop_wanted()) say("the live page's process ended; the machine runs on without it");
}

bool inspect_ready(void)
{
    InspectMessage m;
    ssize_t n = recv(s.socket, &m, sizeof m, MSG_DONTWAIT | MSG_TRUNC);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    if (n <= 0) {
        server_died();
        return false;
    }
    /* Nobody of ours: it shall not keep this thread busy. */
    if (n != sizeof m || m.kind != INSPECT_ASK || !m.id) {
        atomic_store(&s.quiet_until, host_now_ns() + JUNK_NS);
        return false;
    }
    s.asked = m;
    atomic_store(&s.asks, true);
    return true;
}

/* --- answers, on the vCPU thread -------------------------------------------------------------------------- */

static void send_answer(u32 id, u32 bytes)
{
    InspectMessage m = {.kind = INSPECT_ANSWER, .id = id, .a = bytes};
    (void)!send(s.socket, &m, sizeof m, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* What the page shows in any case goes with the screen's registers. */
static void answer_now(Pc *pc, u32 id)
{
    const ScreenState *screen = machine_screen(pc->machine);
    if (screen) memcpy(s.shared->screen, screen, sizeof *screen);
    const InspectMessage now = {.what = INSPECT_NOW};
    send_answer(id, inspect_answer(pc, &now, s.shared->answer, sizeof s.shared->answer));
}

static void act(Pc *pc, const InspectMessage *m)
{
    s.owed = 0;
    if (m->what == INSPECT_NOW)
        answer_now(pc, m->id);
    else if (m->what != INSPECT_DO)
        send_answer(m->id, inspect_answer(pc, m, s.shared->answer, sizeof s.shared->answer));
    else if (inspect_do(pc, m->a))
        s.owed = m->id;
    else
        answer_now(pc, m->id);
}

/* While somebody looks at the hottest blocks, samples say which those are. */
static void follow_samples(const InspectMessage *m, u64 now)
{
    if (m && m->what == INSPECT_HOT) {
        s.sampled_until_ns = now + SAMPLED_NS;
        hostio_sample_for_page(SAMPLE_MS);
    } else if (s.sampled_until_ns && now > s.sampled_until_ns) {
        s.sampled_until_ns = 0;
        hostio_sample_for_page(0);
    }
}

void inspect_service(Pc *pc)
{
    if (s.socket < 0) return;
    if (s.owed && pc->paused) {
        u32 id = s.owed;
        s.owed = 0;
        answer_now(pc, id);
    }
    if (s.sampled_until_ns) follow_samples(NULL, host_now_ns());
    if (!atomic_load(&s.asks)) return;
    u64 began = host_now_ns();
    InspectMessage m = s.asked;
    act(pc, &m);
    follow_samples(&m, began);
    u64 now = host_now_ns();
    atomic_store(&s.quiet_until, pc->paused ? 0 : now + (now - began + LEAVE_NS) * PAUSES);
    atomic_store(&s.asks, false);
    hostio_kick();
}
