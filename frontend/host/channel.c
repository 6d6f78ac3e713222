/* channel.c - see channel.h.
 *
 * Input: the I/O thread reads, the vCPU thread takes the bytes from a ring. When the ring is full the descriptor is
 * left alone (`stalled`) until the vCPU thread has taken some and kicks the I/O thread: both store first and then
 * look, so one of them sees the other.
 *
 * Output to standard output and files is written at once by the vCPU thread, one system call for what the device
 * hands over: nothing is lost when ring3 ends, and the person sees each key's echo. It waits for a reader that is
 * slow, as every program does. A reader that is gone (EPIPE) or a full disk must not end the guest: the bytes are
 * dropped; of a file this is said, the first time.
 *
 * Output to sockets and ptys goes through `pending` and is sent at once, too; what the kernel does not take (a Unix
 * socket takes some 280 writes of one byte) is sent by the I/O thread when the client reads. Is `pending` full, the
 * guest waits up to PATIENCE_MS for the client; after that the client is `stuck` and bytes are dropped until it reads
 * again: a slow reader slows the guest down, one that never reads costs it one short pause. Of a stream that must stay
 * whole (a debugger's packets) nothing is dropped: who does not read for longer is sent away. `lock` guards the
 * client's descriptor and number, `pending` and the flags below it. Without a client bytes are dropped, as on a cable
 * without a far end.
 *
 * Clients: one at a time; the next waits in the listener's queue. One that has closed its sending side is gone, but
 * where a monitor reads, it first gets the answers to what it has sent (`ending`). Only the I/O thread opens and
 * closes, so that no descriptor it polls can turn into another. A pty has no notion of a new client other than that
 * POLLHUP ends, which nothing waits for: while nobody has it open it is looked at four times a second. So is a client
 * that is not read since the guest does not read: it may have gone.
 *
 * Clients have numbers. What a monitor, QMP or gdb says is for the client whose words it has read (`met`), and what one
 * has sent is not taken for the next one's: `begun_at` is where its bytes begin in the ring.
 *
 * Only system calls on the vCPU thread: the guest's FPU state may be live (cpu/base/base.h).
 */
#define _GNU_SOURCE
#include "frontend/host/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "frontend/host/broker.h"
#include "frontend/host/hostio.h"
#include "frontend/host/output.h"
#include "frontend/host/ring.h"
#include "frontend/host/telnet.h"
#include "frontend/host/tty.h"

enum { PENDING_BYTES = 1 << 18, PATIENCE_MS = 100, PATIENCE_WHOLE_MS = 5000, LOOK_MS = 250, SHY_MS = 250 };
enum { POLL_CLIENT, POLL_LISTENER };
/* Nonsense: what it costs is forgiven at the rate of 1/FORGIVEN of the time; above that, FORGIVEN_NS at a time. LEAVE_NS: what
 * leaving translated code costs beside it. */
enum { FORGIVEN = 30, FORGIVEN_NS = 5000000, LEAVE_NS = 40000, REST_MOST_NS = 1000000000 };

struct Channel {
    Chardev dev; /* first: the guest's side */
    CharKind kind;
    bool mux, monitored, reads_stdin;
    const char *option,
        *file;             /* -serial and PATH, until it was said that bytes are lost; NULL: nothing to say */
    int in, listener, pty; /* -1: none; `in` and `listener` are the I/O thread's */
    TtyKeys keys;
    bool filter;   /* Ctrl-A is for us */
    bool terminal; /* `in` is a terminal, raw while we have it */
    bool is_telnet, whole;
    Telnet telnet; /* of the client; the I/O thread's */
    Ring ring[CHANNEL_SIDES];
    atomic_int side;
    atomic_bool stalled, all_read;
    u64 shy_until_ns;    /* nobody may come before: the last one was sent away; the I/O thread's */
    atomic_uint leave;   /* the client of this number has to go; 0: none */
    atomic_bool shut;    /* the listener, too */
    atomic_uint clients; /* how many have come: the number of the last one */
    bool ending;         /* the client sends no more */
    u64 nonsense_ns, nonsense_at_ns; /* what it has cost, and when that was true: the vCPU thread's */
    _Atomic u64 rests_until_ns;      /* 0: it does not rest */
    u32 met;             /* the client that the vCPU thread knows of: that thread's */
    bool unheard;        /* it was hung up on */
    pthread_mutex_t lock;
    u32 begun_at; /* where the client's bytes begin in ring[SIDE_MONITOR] */
    int out;      /* -1: nobody there */
    u8 *pending;  /* PENDING_BYTES, a circle; NULL: written at once */
    u32 head, tail;
    bool waiting; /* the I/O thread sends `pending` when the client reads */
    bool stuck, broken;
};

static Channel *channels[CHANNELS_MAX];
static atomic_uint count;

/* --- output ---------------------------------------------------------------------------------------------- */

static void say_lost(Channel *c, int error)
{
    if (!c->file) return;
    base_park_fpu(); /* the C library formats */
    say("%s file:%.200s: %s; what does not fit is lost", c->option, c->file, strerror(error));
    c->file = NULL;
}

static void write_at_once(Channel *c, const u8 *bytes, u32 n)
{
    while (n) {
        ssize_t done = write(c->out, bytes, n);
        if (done < 0 && errno == EAGAIN) { /* somebody else made the pipe non-blocking */
            poll(&(struct pollfd){.fd = c->out, .events = POLLOUT}, 1, 100);
            if (hostio_stop_wanted()) return;
            continue;
        }
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) say_lost(c, errno);
        if (done <= 0) return;
        bytes += done;
        n -= (u32)done;
    }
}

static ssize_t send_some(const Channel *c, const u8 *bytes, u32 n)
{
    if (c->kind == CHAR_PTY) return write(c->out, bytes, n);
    return send(c->out, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Send what is pending as far as the kernel takes it. With the lock held, and a client. */
static void send_pending(Channel *c)
{
    while (c->head != c->tail && !c->broken) {
        u32 at = c->tail % PENDING_BYTES, n = c->head - c->tail;
        if (n > PENDING_BYTES - at) n = PENDING_BYTES - at;
        ssize_t done = send_some(c, c->pending + at, n);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0 && errno == EAGAIN) break;
        c->broken = done <= 0;
        c->stuck = false;
        if (done > 0) c->tail += (u32)done;
    }
    if (c->broken) c->tail = c->head;
    c->waiting = c->head != c->tail;
}

static u32 put_pending(Channel *c, const u8 *bytes, u32 n)
{
    u32 room = PENDING_BYTES - (c->head - c->tail);
    if (n > room) n = room;
    for (u32 i = 0; i < n; i++) c->pending[(c->head + i) % PENDING_BYTES] = bytes[i];
    c->head += n;
    return n;
}

static void leave_client(Channel *c, u32 client)
{
    atomic_store(&c->leave, client);
    hostio_kick();
}

/* The client is behind by all that `pending` holds: give it a chance. Signals that come meanwhile do not shorten it,
 * but for the one that ends ring3. */
static void wait_for_client(Channel *c)
{
    u64 until_ns = host_now_ns() + (c->whole ? PATIENCE_WHOLE_MS : PATIENCE_MS) * 1000000ull, now;
    u32 before = c->tail;
    while (c->tail == before && (now = host_now_ns()) < until_ns && !hostio_stop_wanted()) {
        struct pollfd p = {.fd = c->out, .events = POLLOUT};
        poll(&p, 1, (int)((until_ns - now) / 1000000) + 1);
        send_pending(c);
    }
    c->stuck = c->tail == before;
    if (c->stuck && c->whole) {
        c->broken = true;
        leave_client(c, atomic_load(&c->clients));
    }
}

static void write_pending(Channel *c, const u8 *bytes, u32 n)
{
    bool was_waiting = c->waiting;
    while (n && c->out >= 0 && !c->broken) {
        u32 done = put_pending(c, bytes, n);
        bytes += done;
        n -= done;
        if (!c->waiting) send_pending(c);
        if (n && c->waiting && !c->stuck) wait_for_client(c);
        if (c->stuck) break;
    }
    if (c->waiting && !was_waiting) hostio_kick();
}

enum { ANY_CLIENT = 0 };

static void write_locked(Channel *c, const u8 *bytes, u32 n, u32 client)
{
    pthread_mutex_lock(&c->lock);
    if (client == ANY_CLIENT || client == atomic_load(&c->clients)) write_pending(c, bytes, n);
    pthread_mutex_unlock(&c->lock);
}

bool channel_is_stdio(const Channel *c) { return c->kind == CHAR_STDIO; }

static void write_telnet(Channel *c, const u8 *bytes, u32 n, u32 client)
{
    u8 sent[512];
    u32 made;
    for (u32 done = 0; done < n;) {
        done += telnet_put(bytes + done, n - done, sent, sizeof sent, &made);
        write_locked(c, sent, made, client);
    }
}

static void write_to(Channel *c, const u8 *bytes, u32 n, u32 client)
{
    if (!c->pending)
        write_at_once(c, bytes, n);
    else if (c->is_telnet)
        write_telnet(c, bytes, n, client);
    else
        write_locked(c, bytes, n, client);
}

void channel_write(Channel *c, const u8 *bytes, u32 n) { write_to(c, bytes, n, ANY_CLIENT); }

void channel_answer(Channel *c, const u8 *bytes, u32 n)
{
    if (c->met) write_to(c, bytes, n, c->met);
}

bool channel_takes(const Channel *c) { return !c->pending || (c->out >= 0 && !c->stuck && !c->broken); }

static bool is_met(const Channel *c) { return c->met == atomic_load(&c->clients); }

bool channel_is_connected(Channel *c)
{
    pthread_mutex_lock(&c->lock);
    bool connected = c->out >= 0 && !c->broken;
    pthread_mutex_unlock(&c->lock);
    return connected;
}

/* Who only sends no more has not hung up. */
bool channel_has_left(Channel *c)
{
    pthread_mutex_lock(&c->lock);
    struct pollfd p = {.fd = c->out, .events = 0};
    bool left = !is_met(c) || c->out < 0 || c->broken ||
                (poll(&p, 1, 0) > 0 && p.revents & (POLLHUP | POLLERR | POLLNVAL));
    pthread_mutex_unlock(&c->lock);
    return left;
}

/* --- input, on the vCPU thread --------------------------------------------------------------------------- */

/* There is room in a ring again. */
static void wake_stalled(Channel *c)
{
    if (atomic_load(&c->stalled) && atomic_exchange(&c->stalled, false)) hostio_kick();
}

static u32 read_monitor(Channel *c, u8 *to, u32 n)
{
    if (!ring_used(&c->ring[SIDE_MONITOR])) return 0;
    pthread_mutex_lock(&c->lock); /* nobody comes meanwhile */
    u32 got = is_met(c) && !c->unheard ? ring_get(&c->ring[SIDE_MONITOR], to, n) : 0;
    pthread_mutex_unlock(&c->lock);
    return got;
}

u32 channel_read(Channel *c, ChannelSide side, u8 *to, u32 n)
{
    u32 got = side == SIDE_MONITOR ? read_monitor(c, to, n) : ring_get(&c->ring[side], to, n);
    if (got) wake_stalled(c);
    return got;
}

bool channel_meet(Channel *c)
{
    if (is_met(c)) return false;
    pthread_mutex_lock(&c->lock);
    c->met = atomic_load(&c->clients);
    c->unheard = false;
    ring_skip(&c->ring[SIDE_MONITOR], c->begun_at);
    pthread_mutex_unlock(&c->lock);
    wake_stalled(c);
    return true;
}

bool channel_holds(Channel *c, ChannelSide side, u8 byte) { return ring_holds(&c->ring[side], byte); }

ChannelSide channel_side(const Channel *c) { return (ChannelSide)atomic_load(&c->side); }

bool channel_read_all(Channel *c)
{
    if (!atomic_load(&c->all_read) || ring_used(&c->ring[SIDE_MONITOR])) return false;
    atomic_store(&c->all_read, false);
    hostio_kick();
    return true;
}

void channel_heard_nonsense(Channel *c, u64 ns)
{
    u64 now = host_now_ns(), forgiven = (now - c->nonsense_at_ns) / FORGIVEN;
    c->nonsense_ns = (forgiven < c->nonsense_ns ? c->nonsense_ns - forgiven : 0) + ns + LEAVE_NS;
    c->nonsense_at_ns = now;
    if (c->nonsense_ns <= FORGIVEN_NS) return;
    u64 rest = (c->nonsense_ns - FORGIVEN_NS / 2) * FORGIVEN;
    atomic_store(&c->rests_until_ns, now + (rest < REST_MOST_NS ? rest : REST_MOST_NS));
    hostio_kick();
}

bool channel_rests(Channel *c) { return atomic_load(&c->rests_until_ns) != 0; }

void channel_hang_up(Channel *c)
{
    c->unheard = true;
    leave_client(c, c->met);
}

void channel_close(Channel *c)
{
    atomic_store(&c->shut, true);
    channel_hang_up(c);
}

void channel_keep_whole(Channel *c) { c->whole = true; }

static void chardev_to_channel(Chardev *d, const u8 *bytes, u32 n) { channel_write((Channel *)d, bytes, n); }

Chardev *channel_chardev(Channel *c) { return c ? &c->dev : NULL; }

/* --- clients come and go; the I/O thread ----------------------------------------------------------------- */

static void client_close(Channel *c)
{
    pthread_mutex_lock(&c->lock);
    if (c->kind != CHAR_PTY && c->in >= 0) close(c->in);
    c->in = c->out = -1;
    c->head = c->tail;
    c->waiting = c->stuck = c->broken = false;
    pthread_mutex_unlock(&c->lock);
    c->ending = false;
    atomic_store(&c->stalled, false);
    atomic_store(&c->all_read, false);
}

/* With the lock held. */
static void greet_by_telnet(Channel *c)
{
    u8 greeting[TELNET_GREETING];
    telnet_begin(&c->telnet, greeting);
    write_pending(c, greeting, sizeof greeting);
}

static void client_open(Channel *c, int fd)
{
    if (c->in >= 0) client_close(c);
    c->in = fd;
    pthread_mutex_lock(&c->lock);
    atomic_fetch_add(&c->clients, 1);
    c->begun_at = atomic_load(&c->ring[SIDE_MONITOR].head);
    c->out = fd;
    if (c->is_telnet) greet_by_telnet(c);
    pthread_mutex_unlock(&c->lock);
}

static bool client_accept(Channel *c)
{
    int fd = accept4(c->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), one = 1;
    if (fd < 0) return false;
    if (c->kind == CHAR_TCP) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    client_open(c, fd);
    return true;
}

/* The client sends no more. A monitor answers first; then channel_read_all() lets it go. */
static void client_ends(Channel *c)
{
    if (c->kind == CHAR_STDIO) {
        c->in = -1;
    } else if (c->monitored && c->kind != CHAR_PTY) {
        c->ending = true;
        atomic_store(&c->all_read, true);
    } else {
        client_close(c);
    }
}

/* An ending client that was answered goes, unless it still has to read. */
static void let_go(Channel *c)
{
    if (!c->ending || atomic_load(&c->all_read)) return;
    pthread_mutex_lock(&c->lock);
    bool done = !c->waiting;
    pthread_mutex_unlock(&c->lock);
    if (done) client_close(c);
}

/* --- input, on the I/O thread ---------------------------------------------------------------------------- */

/* On the I/O thread, which must not wait for a terminal that was halted. */
static void show_keys(Channel *c)
{
    struct pollfd p = {.fd = c->out, .events = POLLOUT};
    char text[300];
    const char *key = tty_escape_name();
    if (!c->pending && poll(&p, 1, 0) < 1) return;
    int n = snprintf(text, sizeof text,
                     "\r\n%s H       this list\r\n"
                     "%s X       end ring3\r\n",
                     key, key);
    if (c->mux)
        n += snprintf(text + n, sizeof text - (size_t)n,
                      "%s C       switch between the guest and the monitor\r\n", key);
    n += snprintf(text + n, sizeof text - (size_t)n, "%s %s  send %s\r\n", key, key, key);
    channel_write(c, (const u8 *)text, (u32)n);
}

static unsigned take_key(Channel *c, u8 byte)
{
    switch (tty_key(&c->keys, byte)) {
    case TTY_KEY: ring_put(&c->ring[c->side], &byte, 1); return CHANNEL_INPUT;
    case TTY_HELP: show_keys(c); return 0;
    case TTY_QUIT: return CHANNEL_QUIT;
    case TTY_SWITCH:
        if (c->mux) atomic_store(&c->side, c->side == SIDE_GUEST ? SIDE_MONITOR : SIDE_GUEST);
        return CHANNEL_INPUT;
    case TTY_NOTHING: break;
    }
    return 0;
}

/* The data among the bytes, in their place; returns how many. */
static u32 take_telnet(Channel *c, u8 *bytes, u32 n)
{
    u8 answer[TELNET_ANSWER];
    unsigned answers;
    u32 data = 0;
    for (u32 i = 0; i < n; i++) {
        u8 byte = bytes[i];
        if (telnet_take(&c->telnet, &byte, answer, &answers)) bytes[data++] = byte;
        if (answers) write_locked(c, answer, answers, ANY_CLIENT);
    }
    return data;
}

static unsigned take_bytes(Channel *c, u8 *bytes, u32 n)
{
    unsigned what = 0;
    if (c->is_telnet) n = take_telnet(c, bytes, n);
    if (!c->filter) {
        ring_put(&c->ring[c->side], bytes, n);
        return CHANNEL_INPUT;
    }
    for (u32 i = 0; i < n; i++) what |= take_key(c, bytes[i]);
    return what;
}

/* A person's keys are read in any case, or Ctrl-A could not help with a guest that does not read; what does not fit
 * is dropped. */
static u32 room_of(Channel *c)
{
    u32 guest = ring_room(&c->ring[SIDE_GUEST]), monitor = ring_room(&c->ring[SIDE_MONITOR]);
    if (c->filter && c->terminal) return RING_BYTES;
    if (c->mux) return guest < monitor ? guest : monitor;
    return c->side == SIDE_GUEST ? guest : monitor;
}

static unsigned client_ready(Channel *c)
{
    u8 bytes[512];
    u32 room = room_of(c);
    ssize_t n = room ? read(c->in, bytes, room < sizeof bytes ? room : sizeof bytes) : -1;
    if (!room || (n < 0 && (errno == EINTR || errno == EAGAIN))) return 0;
    if (n > 0) return take_bytes(c, bytes, (u32)n);
    client_ends(c);
    return CHANNEL_INPUT;
}

/* May the client be read now? Store, then look, as channel_read() does the other way round. */
static bool input_wanted(Channel *c)
{
    if (c->in < 0 || c->ending || channel_rests(c)) return false;
    if (room_of(c)) return true;
    atomic_store(&c->stalled, true);
    return room_of(c) != 0;
}

static bool hung_up(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) > 0 && p.revents & POLLHUP;
}

static bool is_shy(const Channel *c) { return c->shy_until_ns && host_now_ns() < c->shy_until_ns; }

/* The next client may push one aside that has its answers, or that went while the guest did not read. What a monitor's
 * client has sent is read in any case, and before the next one comes. */
static bool may_accept(Channel *c, bool reads)
{
    if (c->listener < 0 || is_shy(c)) return false;
    if (c->in < 0) return true;
    if (c->ending) return !atomic_load(&c->all_read);
    return !reads && (!c->monitored || c->mux) && hung_up(c->in);
}

/* What the vCPU thread wants to be rid of. */
static void send_away(Channel *c)
{
    u32 client = atomic_exchange(&c->leave, 0);
    bool shut = atomic_exchange(&c->shut, false);
    if (!shut && (!client || client != atomic_load(&c->clients))) return;
    if (c->in >= 0 && c->kind != CHAR_STDIO) client_close(c);
    c->shy_until_ns = host_now_ns() + SHY_MS * 1000000ull;
    if (!shut || c->listener < 0) return;
    close(c->listener);
    c->listener = -1;
}

/* In how many milliseconds it has rested; -1: it does not. */
static int rest_ms(Channel *c)
{
    u64 until = atomic_load(&c->rests_until_ns), now = host_now_ns();
    return !until ? -1 : until <= now ? 0 : (int)((until - now) / 1000000) + 1;
}

/* True: it has, and who reads it should look. */
static bool has_rested(Channel *c)
{
    if (rest_ms(c)) return false;
    atomic_store(&c->rests_until_ns, 0);
    return true;
}

static int sooner(int a, int b) { return a < 0 || (b >= 0 && b < a) ? b : a; }

unsigned channels_count(void) { return count; }

int channels_prepare(unsigned n, struct pollfd p[CHANNEL_POLLS])
{
    Channel *c = channels[n];
    send_away(c);
    let_go(c);
    bool reads = input_wanted(c);
    pthread_mutex_lock(&c->lock);
    bool writes = c->waiting;
    pthread_mutex_unlock(&c->lock);
    p[POLL_CLIENT] = (struct pollfd){reads || writes ? c->in : -1, 0, 0};
    p[POLL_CLIENT].events = (short)((reads ? POLLIN : 0) | (writes ? POLLOUT : 0));
    p[POLL_LISTENER] = (struct pollfd){may_accept(c, reads) ? c->listener : -1, POLLIN, 0};
    bool unwatched = is_shy(c)   ? true
                     : c->in < 0 ? c->kind == CHAR_PTY
                                 : !reads && !c->ending && c->listener >= 0;
    return sooner(unwatched ? LOOK_MS : -1, rest_ms(c));
}

static unsigned pty_look(Channel *c)
{
    if (hung_up(c->pty)) return 0;
    client_open(c, c->pty);
    return CHANNEL_INPUT;
}

unsigned channels_ready(unsigned n, const struct pollfd p[CHANNEL_POLLS])
{
    Channel *c = channels[n];
    unsigned what = has_rested(c) ? CHANNEL_INPUT : 0;
    if (c->kind == CHAR_PTY && c->in < 0) return what | pty_look(c);
    if (p[POLL_LISTENER].revents && client_accept(c)) return CHANNEL_INPUT;
    short got = p[POLL_CLIENT].revents;
    if (c->in < 0 || !got) return what;
    if (got & (POLLOUT | POLLERR | POLLHUP)) {
        pthread_mutex_lock(&c->lock);
        send_pending(c);
        if (got & (POLLERR | POLLHUP) && c->waiting) c->broken = true, send_pending(c);
        pthread_mutex_unlock(&c->lock);
    }
    if (!c->ending && got & (POLLIN | POLLHUP | POLLERR)) what |= client_ready(c);
    return what;
}

/* --- opening --------------------------------------------------------------------------------------------- */

static bool open_file(Channel *c, const CharSpec *s, const char *option, Problem *p)
{
    const char *why;
    c->out = output_open(s->path, &why);
    c->option = option;
    c->file = s->path;
    return c->out >= 0 || problem_set(p, "%s file:%.200s: %s", option, s->path, why);
}

/* The name is printed as QEMU does. The slave is opened once: from then on the master knows whether somebody has it. */
static bool open_pty(Channel *c, const char *label, const char *option, Problem *p)
{
    struct termios t;
    char name[64];
    c->pty = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    bool ok = c->pty >= 0 && !grantpt(c->pty) && !unlockpt(c->pty) && !ptsname_r(c->pty, name, sizeof name);
    int slave = ok ? open(name, O_RDWR | O_NOCTTY | O_CLOEXEC) : -1;
    if (slave < 0) return problem_set(p, "%s pty: %s", option, strerror(errno));
    if (!tcgetattr(slave, &t)) {
        cfmakeraw(&t);
        tcsetattr(slave, TCSANOW, &t);
    }
    close(slave);
    printf("char device redirected to %s (label %s)\n", name, label);
    fflush(stdout);
    return true;
}

static bool is_socket(const char *path)
{
    struct stat st;
    return !lstat(path, &st) && S_ISSOCK(st.st_mode);
}

static bool open_unix(const CharSpec *s, int *fd)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    errno = ENAMETOOLONG;
    if (strlen(s->path) >= sizeof a.sun_path) return false;
    memcpy(a.sun_path, s->path, strlen(s->path));
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*fd < 0) return false;
    if (!s->server) return connect(*fd, (struct sockaddr *)&a, sizeof a) == 0;
    if (is_socket(s->path)) unlink(s->path);
    if (bind(*fd, (struct sockaddr *)&a, sizeof a) < 0) return false;
    broker_owns(s->path);
    return listen(*fd, 1) == 0;
}

static bool open_address(const CharSpec *s, const struct addrinfo *a, int *fd)
{
    int one = 1;
    *fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
    if (*fd < 0) return false;
    if (s->server) {
        setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        if (!bind(*fd, a->ai_addr, a->ai_addrlen) && !listen(*fd, 1)) return true;
    } else {
        setsockopt(*fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (!connect(*fd, a->ai_addr, a->ai_addrlen)) return true;
    }
    int why = errno;
    close(*fd);
    *fd = -1;
    errno = why;
    return false;
}

/* NULL, or why not. */
static const char *open_tcp(const CharSpec *s, int *fd)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = s->server ? AI_PASSIVE : 0}, *list;
    int error = getaddrinfo(*s->path ? s->path : NULL, s->port, &hints, &list);
    if (error) return gai_strerror(error);
    bool ok = false;
    for (const struct addrinfo *a = list; a && !ok; a = a->ai_next) ok = open_address(s, a, fd);
    freeaddrinfo(list);
    return ok ? NULL : strerror(errno);
}

/* Signals end ring3 meanwhile, although this thread otherwise takes none. */
static void wait_for_first_client(Channel *c, const char *what)
{
    struct pollfd p = {.fd = c->listener, .events = POLLIN};
    sigset_t none;
    sigemptyset(&none);
    say("%s: waiting for a connection", what);
    while (c->in < 0)
        if (ppoll(&p, 1, NULL, &none) > 0) client_accept(c);
}

static bool open_socket(Channel *c, const CharSpec *s, const char *option, Problem *p)
{
    char what[300];
    int fd = -1;
    const char *why = s->kind == CHAR_TCP ? open_tcp(s, &fd) : open_unix(s, &fd) ? NULL : strerror(errno);
    if (s->kind == CHAR_TCP)
        snprintf(what, sizeof what, "%s %s:%.200s:%.40s", option, s->telnet ? "telnet" : "tcp", s->path,
                 s->port);
    else
        snprintf(what, sizeof what, "%s unix:%.200s", option, s->path);
    if (why) {
        if (fd >= 0) close(fd);
        return problem_set(p, "%s: %s", what, why);
    }
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    if (!s->server) {
        client_open(c, fd);
        return true;
    }
    c->listener = fd;
    if (s->wait) wait_for_first_client(c, what);
    return true;
}

static bool open_by_kind(Channel *c, const CharSpec *s, const char *option, const char *label, Problem *p)
{
    switch (s->kind) {
    case CHAR_STDIO:
        c->reads_stdin = s->reads;
        c->in = s->reads ? STDIN_FILENO : -1;
        c->out = STDOUT_FILENO;
        c->clients = 1;
        return true;
    case CHAR_FILE: return open_file(c, s, option, p);
    case CHAR_PTY: return open_pty(c, label, option, p);
    default: return open_socket(c, s, option, p);
    }
}

static Channel *channel_new(const CharSpec *s, ChannelSide side)
{
    Channel *c = calloc(1, sizeof *c);
    CHECK(c && count < CHANNELS_MAX, "no room for another channel");
    *c = (Channel){.kind = s->kind, .mux = s->mux, .in = -1, .out = -1, .listener = -1, .pty = -1};
    c->dev = (Chardev){.write = chardev_to_channel};
    c->side = side;
    c->monitored = side == SIDE_MONITOR || s->mux;
    c->filter = s->mux;
    c->is_telnet = s->telnet;
    pthread_mutex_init(&c->lock, NULL);
    if (s->kind == CHAR_PTY || s->kind == CHAR_UNIX || s->kind == CHAR_TCP) {
        c->pending = malloc(PENDING_BYTES);
        CHECK(c->pending, "no memory");
    }
    return c;
}

/* The I/O thread may be at work: it looks at the count first. */
static Channel *publish(Channel *c)
{
    channels[count] = c;
    count++;
    return c;
}

Channel *channel_open(const CharSpec *spec, const char *option, const char *label, ChannelSide side,
                      Problem *p)
{
    p->text[0] = 0;
    if (spec->kind == CHAR_NULL) return NULL;
    if (count == CHANNELS_MAX) {
        problem_set(p, "%s: this ring3 has opened %d serial ports, monitors and gdb ports, and can no more",
                    option, CHANNELS_MAX);
        return NULL;
    }
    Channel *c = channel_new(spec, side);
    if (!open_by_kind(c, spec, option, label, p)) {
        free(c->pending);
        free(c);
        return NULL;
    }
    return publish(c);
}

Channel *channel_adopt(int fd)
{
    static const CharSpec socket_of_ours = {.kind = CHAR_UNIX};
    Channel *c = channel_new(&socket_of_ours, SIDE_MONITOR);
    client_open(c, fd);
    return publish(c);
}

/* --- the terminal ---------------------------------------------------------------------------------------- */

/* Ctrl-A is special on a terminal, and everywhere for a mux. A monitor alone leaves Ctrl-C its meaning. */
void channels_take_terminal(void)
{
    for (unsigned n = 0; n < count; n++) {
        Channel *c = channels[n];
        bool only_monitor = c->monitored && !c->mux;
        if (!c->reads_stdin || !tty_raw(only_monitor)) continue;
        c->terminal = true;
        c->filter = !only_monitor;
        c->in = STDIN_FILENO; /* reading in the background fails, which looks like the end */
    }
}
