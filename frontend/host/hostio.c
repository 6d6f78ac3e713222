/* hostio.c - the I/O thread, and how it and the vCPU thread wake each other.
 *
 * The thread sleeps in ppoll() on an eventfd (`kick`) by which the vCPU thread asks for its care, the sockets of window
 * (display.c), live page (inspect.c) and saver (snapshot/saver.c), the networks (net.c), and the descriptors of the
 * channels (channel.c: standard input, sockets, ptys); and for signals, which it takes only there. All it does to the
 * machine is cpu_attention(): the vCPU thread then does the work in its service hook. (No signalfd: who polls one is
 * woken by every signal of the process, of which the windows' SIGSEGVs are many.)
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
 * The clock: a POSIX timer sends the vCPU thread itself a signal at the earliest deadline, whose handler raises
 * ATT_CLOCK. (By a timerfd and this thread each tick would wake a second thread: up to 90 us of processor time on a
 * host where a signal takes 12, and whoever shares the address space makes its every change dearer.) That deadline
 * changes often and mostly to later times, so the timer is armed only when the new one is earlier than what it is armed
 * for, and re-armed when it goes off too early. The service hook always ends with hostio_set_deadline(), so that a
 * deadline that came up meanwhile is armed; but never sooner than LEAST_NS from then, in which the guest gets on: it
 * may have programmed a tick each microsecond.
 * An idle vCPU thread waits for the deadline itself and disarms the timer meanwhile. It leaves the timer armed, or
 * ATT_CLOCK raised.
 *
 * Stopping: a second after a stop was asked for, the vCPU thread may still be stuck in a write to a full pipe or a
 * stopped terminal. Then this thread restores the terminal and ends the process with the right code itself.
 */
#define _GNU_SOURCE
#include "frontend/host/hostio.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "cpu/cpu.h"
#include "frontend/display/display.h"
#include "frontend/display/vnc.h"
#include "frontend/glass/inspect.h"
#include "frontend/host/broker.h"
#include "frontend/host/channel.h"
#include "frontend/host/tty.h"
#include "frontend/net.h"
#include "frontend/snapshot/saver.h"

enum { STOP_PATIENCE_MS = 1000, LEAST_NS = 20000 };
enum { OURS = ATT_CLOCK | ATT_IO | ATT_STOP | ATT_RESET | ATT_INIT | ATT_NMI };
static const int taken_signals[] = {SIGINT,  SIGTERM, SIGHUP,  SIGQUIT, SIGTSTP,
                                    SIGCONT, SIGUSR1, SIGUSR2, SIGALRM};
enum { FD_KICK, FD_DISPLAY, FD_VNC, FD_INSPECT, FD_SAVER, FD_NET, FD_CHANNELS = FD_NET + NET_POLLS };
enum { FD_MOST = FD_CHANNELS + CHANNELS_MAX * CHANNEL_POLLS };

static struct {
    Vcpu *c;
    pthread_t thread;
    bool running;
    int wake, kick;
    atomic_ullong signals; /* bit n: signal n came */
    atomic_bool asleep, stop_wanted, done;
    atomic_int exit_code;
    u64 stop_since_ns; /* valid with stop_wanted; this thread's */
    timer_t timer;
    atomic_ullong deadline, armed; /* host ns; the vCPU thread's and its signal handler's */
    atomic_int sample_ms;          /* 0: no samples are wanted */
    atomic_int page_ms;            /* ... by the live page */
    atomic_ullong remind;          /* host ns: raise ATT_IO then */
} io;

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

void hostio_call_service(void)
{
    if (io.running) raise_attention(ATT_IO);
}

/* --- the clock ------------------------------------------------------------------------------------------- */

/* `armed` comes first: a signal in between takes it back, and the timer then goes off for nothing. The other way round
 * nothing would be armed while `armed` says so. */
static void arm(u64 host_ns)
{
    u64 least = host_now_ns() + LEAST_NS, at = host_ns > least ? host_ns : least;
    struct itimerspec t = {.it_value = {(time_t)(at / 1000000000u), (long)(at % 1000000000u)}};
    atomic_store(&io.armed, host_ns);
    timer_settime(io.timer, TIMER_ABSTIME, &t, NULL);
}

void hostio_set_deadline(u64 host_ns)
{
    if (!io.running) return;
    atomic_store(&io.deadline, host_ns);
    if (host_ns < atomic_load(&io.armed)) arm(host_ns);
}

static void disarm(void)
{
    static const struct itimerspec never;
    if (atomic_load(&io.armed) != UINT64_MAX) timer_settime(io.timer, 0, &never, NULL);
    atomic_store(&io.armed, UINT64_MAX);
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

/* The timer's signal, on the vCPU thread, wherever that is: in translated code, in C, in another handler. */
static void timer_went_off(int number)
{
    int error = errno;
    u64 deadline = atomic_load(&io.deadline);
    (void)number;
    atomic_store(&io.armed, UINT64_MAX);
    if (deadline <= host_now_ns())
        cpu_attention(io.c, ATT_CLOCK);
    else if (deadline != UINT64_MAX)
        arm(deadline);
    errno = error;
}

static bool timer_start(void)
{
    struct sigaction a = {.sa_handler = timer_went_off, .sa_flags = SA_ONSTACK | SA_RESTART};
    struct sigevent e = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN};
    e._sigev_un._tid = gettid();
    sigset_t s;
    sigemptyset(&s);
    sigaddset(&s, SIGRTMIN);
    sigaction(SIGRTMIN, &a, NULL);
    if (timer_create(CLOCK_MONOTONIC, &e, &io.timer)) return false;
    pthread_sigmask(SIG_UNBLOCK, &s, NULL);
    return true;
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

void hostio_sample(unsigned every_ms)
{
    atomic_store(&io.sample_ms, (int)every_ms);
    hostio_kick();
}

void hostio_sample_for_page(unsigned every_ms)
{
    if (atomic_exchange(&io.page_ms, (int)every_ms) != (int)every_ms) hostio_kick();
}

/* 0: no samples are wanted. */
static int sample_ms(void)
{
    int person = atomic_load(&io.sample_ms), page = atomic_load(&io.page_ms);
    return !person || (page && page < person) ? page : person;
}

void hostio_remind(u64 host_ns)
{
    if (atomic_exchange(&io.remind, host_ns) != host_ns) hostio_kick();
}

/* In how many milliseconds it is time; -1: never. */
static int remind_ms(void)
{
    enum { MOST_MS = 60000 };
    u64 at = atomic_load(&io.remind), now = host_now_ns();
    if (at == UINT64_MAX) return -1;
    if (at <= now) return 0;
    return at - now > MOST_MS * 1000000ull ? MOST_MS : (int)((at - now + 999999) / 1000000);
}

static void remind(void)
{
    unsigned long long at = atomic_load(&io.remind);
    if (at > host_now_ns() || !atomic_compare_exchange_strong(&io.remind, &at, UINT64_MAX)) return;
    raise_attention(ATT_IO);
}

static int sooner(int a, int b) { return a < 0 || (b >= 0 && b < a) ? b : a; }

/* Sleep until something happens; the entries from FD_CHANNELS on are the channels', of which there are n. (Another may
 * be opened meanwhile.) */
static void wait_for_events(struct pollfd *p, unsigned n, const sigset_t *blocked)
{
    unsigned entries = FD_CHANNELS + n * CHANNEL_POLLS;
    int ms = atomic_load(&io.stop_wanted) ? STOP_PATIENCE_MS : -1;
    p[FD_DISPLAY] = (struct pollfd){display_fd(), POLLIN, 0};
    p[FD_VNC] = (struct pollfd){vnc_fd(), POLLIN, 0};
    p[FD_INSPECT] = (struct pollfd){inspect_fd(&ms), POLLIN, 0};
    p[FD_SAVER] = (struct pollfd){saver_fd(), POLLIN, 0};
    net_prepare(p + FD_NET);
    if (sample_ms()) ms = sooner(ms, sample_ms());
    ms = sooner(ms, remind_ms());
    for (unsigned i = 0; i < n; i++)
        ms = sooner(ms, channels_prepare(i, p + FD_CHANNELS + i * CHANNEL_POLLS));
    const struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    if (ppoll(p, entries, ms < 0 ? NULL : &t, blocked) < 0)
        for (unsigned i = 0; i < entries; i++) p[i].revents = 0;
}

/* Stop translated code, so that it is seen where it is (translator/count.c); a vCPU that sleeps is left alone. */
static void take_sample(void)
{
    static u64 last_ns;
    u64 now = host_now_ns(), period_ns = (u64)sample_ms() * 1000000;
    if (!period_ns || now - last_ns < period_ns * 7 / 8 || atomic_load(&io.asleep)) return;
    last_ns = now;
    cpu_attention(io.c, ATT_CLOCK);
}

static void channels_serve(const struct pollfd *p, unsigned n)
{
    unsigned what = 0;
    for (unsigned i = 0; i < n; i++) what |= channels_ready(i, p + i * CHANNEL_POLLS);
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
    broker_leave();
    _exit(hostio_exit_code());
}

static void *thread_main(void *unused)
{
    struct pollfd p[FD_MOST] = {[FD_KICK] = {io.kick, POLLIN, 0}};
    (void)unused;
    sigset_t blocked;
    pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    for (unsigned i = 0; i < ARRAY_LEN(taken_signals); i++) sigdelset(&blocked, taken_signals[i]);
    while (!atomic_load(&io.done)) {
        unsigned n = channels_count();
        wait_for_events(p, n, &blocked);
        lose_patience();
        take_sample();
        remind();
        if (p[FD_KICK].revents) drain(io.kick);
        if (atomic_load(&io.signals)) signals_came();
        if (p[FD_DISPLAY].revents) display_serve();
        if (p[FD_VNC].revents && vnc_ready()) raise_attention(ATT_IO);
        if (p[FD_INSPECT].revents && inspect_ready()) raise_attention(ATT_IO);
        if (p[FD_SAVER].revents && saver_ready()) raise_attention(ATT_IO);
        if (net_happened(p + FD_NET)) raise_attention(ATT_IO);
        channels_serve(p + FD_CHANNELS, n);
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
    io.deadline = io.armed = io.remind = UINT64_MAX;
    io.wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    io.kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (io.wake < 0 || io.kick < 0) return problem_set(p, "the host has no descriptors left");
    prctl(PR_SET_TIMERSLACK, 1ul); /* sleeps end when they should */
    channels_take_terminal();
    signals_take();
    io.running = true;
    if (pthread_create(&io.thread, NULL, thread_main, NULL)) {
        io.running = false;
        return problem_set(p, "the host allows no thread");
    }
    return timer_start() || problem_set(p, "the host has no timers left");
}

void hostio_stop(void)
{
    if (io.running) {
        atomic_store(&io.done, true);
        post(io.kick);
        pthread_join(io.thread, NULL);
        io.running = false;
        disarm();
    }
    tty_restore();
    display_stop();
}
