/* hostio.c - the I/O thread, and how it and the vCPU thread wake each other.
 *
 * The thread sleeps in ppoll() on a timerfd for the clock's next deadline, an eventfd (`kick`) by which the vCPU thread
 * asks for its care, the window's socket (display.c), and the descriptors of the channels (channel.c: standard input,
 * sockets, ptys); and for signals, which it takes only there. All it does to the machine is cpu_attention(): the vCPU
 * thread then does the work in its service hook. (No signalfd: who polls one is woken by every signal of the process,
 * of which the windows' SIGSEGVs are many.)
 *
 * Waking the vCPU (no wake-up may be lost, none should cost a system call while it runs):
 *     raise:  attention |= bits;   if (asleep) write(wake)
 *     idle:   asleep = true;       if (!attention) poll(wake, until the deadline);   asleep = false
 * Both sides store first and then load the other's word, with sequentially consistent atomics, so at least one of
 * them sees the other's store: either idle does not sleep, or raise writes. `wake` is an eventfd, so a write before
 * the poll() is kept until it is read. A write too many makes one idle call return at once, and the run loop calls
 * it again.
 * attention bits that the vCPU may not act upon now (ATT_INTR with IF=0) must not end the sleep over and over:
 * idle looks only at the bits that raise sets.
 *
 * The clock: the earliest deadline changes often and mostly to later times, so the timerfd is armed only when the
 * new deadline is earlier than what it is armed for, and re-armed when it goes off too early. `armed` and `deadline`
 * change together under a lock (held for at most one system call). When a timer is due, ATT_CLOCK is raised once;
 * the service hook always ends with hostio_set_deadline(), so that a deadline that came up meanwhile is armed.
 * An idle vCPU thread waits for the deadline itself and disarms the timerfd meanwhile: a tick wakes one thread, not
 * two. It leaves the timerfd armed, or ATT_CLOCK raised.
 *
 * Stopping: a second after a stop was asked for, the vCPU thread may still be stuck in a write to a full pipe or a
 * stopped terminal. Then this thread restores the terminal and ends the process with the right code itself.
 */
#define _GNU_SOURCE
#include "frontend/hostio.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "cpu/cpu.h"
#include "frontend/channel.h"
#include "frontend/daemon.h"
#include "frontend/display.h"
#include "frontend/tty.h"

enum { STOP_PATIENCE_MS = 1000 };
enum { OURS = ATT_CLOCK | ATT_IO | ATT_STOP | ATT_RESET | ATT_NMI };
static const int taken_signals[] = {SIGINT,  SIGTERM, SIGHUP,  SIGQUIT, SIGTSTP,
                                    SIGCONT, SIGUSR1, SIGUSR2, SIGALRM};
enum { FD_KICK, FD_TIMER, FD_DISPLAY, FD_CHANNELS, FD_MOST = FD_CHANNELS + CHANNELS_MAX * CHANNEL_POLLS };

static struct {
    Vcpu *c;
    pthread_t thread;
    bool running;
    int wake, kick, timer;
    atomic_ullong signals; /* bit n: signal n came */
    atomic_bool asleep, stop_wanted, done;
    atomic_int exit_code;
    u64 stop_since_ns; /* valid with stop_wanted; this thread's */
    pthread_mutex_t clock_lock;
    u64 deadline, armed; /* host ns; under clock_lock */
} io = {.clock_lock = PTHREAD_MUTEX_INITIALIZER};

static void post(int eventfd_)
{
    u64 one = 1;
    (void)!write(eventfd_, &one, sizeof one);
}

static void drain(int fd)
{
    u64 count;
    (void)!read(fd, &count, sizeof count);
}

/* --- waking the vCPU thread ------------------------------------------------------------------------------ */

static void raise_attention(u32 bits)
{
    cpu_attention(io.c, bits);
    if (atomic_load(&io.asleep)) post(io.wake);
}

/* --- the clock ------------------------------------------------------------------------------------------- */

static void arm(u64 host_ns) /* with the lock held */
{
    struct itimerspec t = {.it_value = {(time_t)(host_ns / 1000000000u), (long)(host_ns % 1000000000u)}};
    if (!host_ns) t.it_value.tv_nsec = 1; /* 0 would disarm */
    timerfd_settime(io.timer, TFD_TIMER_ABSTIME, &t, NULL);
    io.armed = host_ns;
}

void hostio_set_deadline(u64 host_ns)
{
    if (!io.running) return;
    pthread_mutex_lock(&io.clock_lock);
    io.deadline = host_ns;
    if (host_ns < io.armed) arm(host_ns);
    pthread_mutex_unlock(&io.clock_lock);
}

static void disarm(void)
{
    static const struct itimerspec never;
    pthread_mutex_lock(&io.clock_lock);
    if (io.armed != UINT64_MAX) timerfd_settime(io.timer, 0, &never, NULL);
    io.armed = UINT64_MAX;
    pthread_mutex_unlock(&io.clock_lock);
}

/* Block until somebody wakes us, but no longer than ns (UINT64_MAX: for ever). */
void hostio_nap(u64 ns)
{
    struct pollfd p = {.fd = io.wake, .events = POLLIN};
    struct timespec t = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
    atomic_store(&io.asleep, true);
    if (!(atomic_load(&io.c->attention) & OURS) && ppoll(&p, 1, ns == UINT64_MAX ? NULL : &t, NULL) > 0)
        drain(io.wake);
    atomic_store(&io.asleep, false);
}

/* Only the vCPU thread writes io.deadline. */
static u64 until_deadline(void)
{
    u64 now = host_now_ns();
    if (io.deadline == UINT64_MAX) return UINT64_MAX;
    return io.deadline > now ? io.deadline - now : 0;
}

void hostio_idle(void)
{
    disarm();
    hostio_nap(until_deadline());
    if (io.deadline <= host_now_ns())
        cpu_attention(io.c, ATT_CLOCK);
    else
        hostio_set_deadline(io.deadline);
}

static void timer_went_off(void)
{
    drain(io.timer);
    pthread_mutex_lock(&io.clock_lock);
    io.armed = UINT64_MAX;
    bool due = io.deadline <= host_now_ns();
    if (!due && io.deadline != UINT64_MAX) arm(io.deadline);
    pthread_mutex_unlock(&io.clock_lock);
    if (due) raise_attention(ATT_CLOCK);
}

/* --- stopping -------------------------------------------------------------------------------------------- */

static void want_stop(int code)
{
    if (atomic_load(&io.stop_wanted)) return;
    atomic_store(&io.exit_code, code);
    io.stop_since_ns = host_now_ns();
    atomic_store(&io.stop_wanted, true);
    raise_attention(ATT_IO);
}

bool hostio_stop_wanted(void) { return atomic_load(&io.stop_wanted); }
int hostio_exit_code(void) { return atomic_load(&io.exit_code); }

/* Somebody stops the process from outside: leave the terminal as it was, and take it again afterwards. */
static void suspended(void)
{
    tty_restore();
    kill(getpid(), SIGSTOP);
}

static void on_signal(int number) { atomic_fetch_or(&io.signals, 1ull << number); }

static void signals_came(void)
{
    for (u64 all = atomic_exchange(&io.signals, 0); all; all &= all - 1) {
        int number = __builtin_ctzll(all);
        switch (number) {
        case SIGTSTP: suspended(); break;
        case SIGCONT: channels_take_terminal(); break;
        default: want_stop(128 + number); break;
        }
    }
}

/* --- the thread ------------------------------------------------------------------------------------------ */

void hostio_kick(void)
{
    if (io.running) post(io.kick);
}

static int sooner(int a, int b) { return a < 0 || (b >= 0 && b < a) ? b : a; }

/* Sleep until something happens; the entries from FD_CHANNELS on are the channels'. */
static void wait_for_events(struct pollfd *p, const sigset_t *blocked)
{
    unsigned n = channels_count(), entries = FD_CHANNELS + n * CHANNEL_POLLS;
    int ms = atomic_load(&io.stop_wanted) ? STOP_PATIENCE_MS : -1;
    p[FD_DISPLAY] = (struct pollfd){display_fd(), POLLIN, 0};
    for (unsigned i = 0; i < n; i++)
        ms = sooner(ms, channels_prepare(i, p + FD_CHANNELS + i * CHANNEL_POLLS));
    const struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    if (ppoll(p, entries, ms < 0 ? NULL : &t, blocked) < 0)
        for (unsigned i = 0; i < entries; i++) p[i].revents = 0;
}

static void channels_serve(const struct pollfd *p)
{
    unsigned what = 0;
    for (unsigned i = 0; i < channels_count(); i++) what |= channels_ready(i, p + i * CHANNEL_POLLS);
    if (what & CHANNEL_QUIT)
        want_stop(0);
    else if (what & CHANNEL_INPUT)
        raise_attention(ATT_IO);
}

static void display_serve(void)
{
    unsigned what = display_ready();
    if (what & DISPLAY_INPUT) raise_attention(ATT_IO);
    if (what & DISPLAY_QUIT) want_stop(0);
    if (what & DISPLAY_DIED) want_stop(1);
}

static void lose_patience(void)
{
    if (!atomic_load(&io.stop_wanted) || host_now_ns() - io.stop_since_ns < STOP_PATIENCE_MS * 1000000ull)
        return;
    tty_restore();
    display_stop();
    channels_close();
    pidfile_remove();
    _exit(hostio_exit_code());
}

static void *thread_main(void *unused)
{
    struct pollfd p[FD_MOST] = {[FD_KICK] = {io.kick, POLLIN, 0}, [FD_TIMER] = {io.timer, POLLIN, 0}};
    (void)unused;
    sigset_t blocked;
    pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    for (unsigned n = 0; n < ARRAY_LEN(taken_signals); n++) sigdelset(&blocked, taken_signals[n]);
    while (!atomic_load(&io.done)) {
        wait_for_events(p, &blocked);
        lose_patience();
        if (p[FD_KICK].revents) drain(io.kick);
        if (atomic_load(&io.signals)) signals_came();
        if (p[FD_TIMER].revents) timer_went_off();
        if (p[FD_DISPLAY].revents) display_serve();
        channels_serve(p + FD_CHANNELS);
    }
    return NULL;
}

/* --- life ------------------------------------------------------------------------------------------------ */

static void signals_take(void)
{
    struct sigaction a = {.sa_handler = on_signal};
    sigfillset(&a.sa_mask);
    for (unsigned n = 0; n < ARRAY_LEN(taken_signals); n++) {
        struct sigaction old;
        sigaction(taken_signals[n], &a, &old);
        if (taken_signals[n] == SIGHUP && old.sa_handler == SIG_IGN)
            sigaction(SIGHUP, &old, NULL); /* nohup */
    }
}

void hostio_block_signals(void)
{
    sigset_t s;
    sigfillset(&s);
    static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};
    for (unsigned n = 0; n < ARRAY_LEN(own); n++) sigdelset(&s, own[n]);
    sigprocmask(SIG_BLOCK, &s, NULL);
}

bool hostio_start(Vcpu *c, Problem *p)
{
    io.c = c;
    io.deadline = io.armed = UINT64_MAX;
    io.wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    io.kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    io.timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (io.wake < 0 || io.kick < 0 || io.timer < 0) return problem_set(p, "the host has no descriptors left");
    prctl(PR_SET_TIMERSLACK, 1ul); /* sleeps end when they should */
    channels_take_terminal();
    signals_take();
    io.running = true;
    if (!pthread_create(&io.thread, NULL, thread_main, NULL)) return true;
    io.running = false;
    return problem_set(p, "the host allows no thread");
}

void hostio_stop(void)
{
    if (io.running) {
        atomic_store(&io.done, true);
        post(io.kick);
        pthread_join(io.thread, NULL);
        io.running = false;
    }
    channels_close();
    tty_restore();
    display_stop();
}
