/* session.c - the connection to the machine: hello, keys, typed text, farewell.
 *
 * The machine is not believed (frontend/display/window_protocol.h): a hello with sizes that do not fit its descriptors is
 * refused, a second one ignored. Its memory cannot be taken away from the shared part, which is sealed; for the
 * guest's memory, main.c catches SIGBUS.
 */
#define _GNU_SOURCE
#include "frontend/window/session.h"

#include "frontend/host/shared_memory.h"
#include "frontend/utf8.h"
#include "hw/keys.h"
#include "hw/screen.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

_Static_assert(sizeof(ScreenState) <= WINDOW_SCREEN_BYTES, "a ScreenState fits into WindowShared");

/* Between two edges, however fast the guest takes them: programs must follow, too. Then, how often we look whether it
 * has, and when we give up. */
enum { TYPING_GAP_NS = 8000000, TYPING_LOOK_NS = 2000000 };
enum { PATH_PATIENCE_MS = 1000 };
#define TYPING_PATIENCE_NS 10000000000ull
enum { KEY_ALTGR = KEY_E0 | KEY_ALT, KEY_CAPSLOCK = 0x3a, KEY_NUMLOCK = 0x45, KEY_SCROLLLOCK = 0x46 };

/* cpu/base/base.c, with its own memcpy for code that may not touch vector registers, is not linked into this program. */
u64 host_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (u64)t.tv_sec * 1000000000u + (u64)t.tv_nsec;
}

/* --- hello ----------------------------------------------------------------------------------------------- */

static void hello(Session *s, const WindowMessage *m, const int fd[2])
{
    u64 bytes = (u32)m->b, offset = (u64)(u32)m->c << PAGE_BITS;
    if (s->shared || m->a != WINDOW_PROTOCOL || !bytes || bytes > WINDOW_VRAM_LIMIT) return;
    const WindowShared *shared =
        s->unsealed || shared_memory_is_sealed(fd[0]) ? shared_memory_map(fd[0], 0, sizeof *shared) : NULL;
    const u8 *vram = shared ? shared_memory_map(fd[1], offset, bytes) : NULL;
    if (!vram) return;
    s->scanout = scanout_new((const ScreenState *)(const void *)shared->screen, vram, (u32)bytes);
    if (!s->scanout) return;
    session_confine(); /* before the first look at what the guest has made */
    s->shared = shared;
}

/* --- messages -------------------------------------------------------------------------------------------- */

/* One message, with its descriptors if it has two; 0: none now, or no proper one. */
static bool receive_one(Session *s, WindowMessage *m, int fd[2])
{
    char control[CMSG_SPACE(2 * sizeof(int))];
    struct iovec part = {m, sizeof *m};
    struct msghdr h = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    fd[0] = fd[1] = -1;
    ssize_t n = recvmsg(s->socket, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    if (n <= 0) {
        s->gone = true;
        return false;
    }
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&h); c; c = CMSG_NXTHDR(&h, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
            memcpy(fd, CMSG_DATA(c),
                   c->cmsg_len == CMSG_LEN(2 * sizeof(int)) ? 2 * sizeof(int) : sizeof(int));
    if (n != sizeof *m || h.msg_flags & MSG_TRUNC) m->kind = 0;
    return true;
}

void session_receive(Session *s)
{
    WindowMessage m;
    int fd[2];
    while (receive_one(s, &m, fd)) {
        if (m.kind == WINDOW_HELLO && fd[1] >= 0) hello(s, &m, fd);
        if (m.kind == WINDOW_BYE) s->said_bye = true;
        if (s->told) s->told(s, &m);
        for (int n = 0; n < 2; n++)
            if (fd[n] >= 0) close(fd[n]);
    }
}

/* A machine that does not take its messages for long (stopped in a debugger) loses some. */
void session_send(Session *s, WindowMessageKind kind, s32 a, s32 b, s32 c, u16 d)
{
    WindowMessage m = {(u16)kind, d, a, b, c};
    if (send(s->socket, &m, sizeof m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) return;
    if (kind == WINDOW_KEY) s->keys_sent++;
}

void session_end(Session *s)
{
    if (s->gone && !s->said_bye)
        fprintf(stderr, "ring3-window: ring3 ended without a word; the window closes\n");
}

/* --- keys ------------------------------------------------------------------------------------------------ */

/* The guest's lights: LOCK_ bits. */
static u8 leds(Session *s)
{
    u8 lit = s->shared ? (u8)(atomic_load(&s->shared->status) >> WINDOW_LEDS & 7) : 0;
    s->leds_seen |= lit;
    return lit;
}

/* Keys that text is typed with are not in `held`: the person may let go of Ctrl meanwhile. */
void session_key(Session *s, u8 key, bool down)
{
    u8 bit = (u8)BIT(key & 7), *byte = (s->held_by ? s->held_by : s->held) + (key >> 3);
    if (!down && !(*byte & bit)) return;
    *byte = (u8)(down ? *byte | bit : *byte & ~bit);
    leds(s);
    session_send(s, WINDOW_KEY, key, down, 0, 0);
}

void session_release_keys(Session *s)
{
    for (unsigned key = 0; key < 256; key++) session_key(s, (u8)key, false);
}

/* --- media ----------------------------------------------------------------------------------------------- */

/* Names are long for a socket that does not wait: the machine is given a moment to take them. */
static bool send_patiently(const Session *s, const WindowMessage *m)
{
    struct pollfd p = {s->socket, POLLOUT, 0};
    while (send(s->socket, m, sizeof *m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        if ((errno != EAGAIN && errno != EINTR) || poll(&p, 1, PATH_PATIENCE_MS) < 1) return false;
    return true;
}

/* False: the machine has gone. */
static bool send_path(Session *s, const char *rest)
{
    for (size_t n = strlen(rest), part; n; n -= part, rest += part) {
        s32 words[3] = {0};
        part = n < WINDOW_PATH_PART ? n : WINDOW_PATH_PART;
        memcpy(words, rest, part);
        WindowMessage m = {WINDOW_PATH, (u16)part, words[0], words[1], words[2]};
        if (!send_patiently(s, &m)) return false;
    }
    return true;
}

void session_change(Session *s, s32 drive, const char *as, const char *path, bool force)
{
    char *whole = realpath(path, NULL);
    if (send_path(s, as)) send_path(s, whole ? whole : path);
    send_patiently(s, &(WindowMessage){.kind = WINDOW_CHANGE, .a = drive, .b = force});
    free(whole);
}

void session_eject(Session *s, s32 drive, bool force) { session_send(s, WINDOW_EJECT, drive, force, 0, 0); }

/* --- typing ---------------------------------------------------------------------------------------------- */

static u32 room(const Session *s) { return TYPED_MAX - (s->typed.head - s->typed.tail); }

bool session_type_room(const Session *s) { return room(s) >= STROKES_MAX * STROKE_EDGES; }

void session_type(Session *s, Keystroke k)
{
    KeyEdge edges[STROKE_EDGES];
    unsigned count = keystroke_edges(k, edges);
    if (room(s) < count) return;
    if (s->typed.head == s->typed.tail) s->typed.sent_ns = host_now_ns(); /* patience begins */
    for (unsigned n = 0; n < count; n++) s->typed.edge[s->typed.head++ % TYPED_MAX] = edges[n];
}

bool session_types_text(const Session *s) { return s->typed.is_text; }

static void text_free(Session *s)
{
    free(s->typed.text);
    s->typed.text = NULL;
    s->typed.rest = NULL;
}

/* What is down of the stroke that is being typed comes up. */
void session_type_stop(Session *s)
{
    static const u8 modifiers[] = {KEY_CTRL, KEY_ALT, KEY_ALTGR, KEY_SHIFT};
    text_free(s);
    s->typed.is_text = false;
    if (s->typed.head == s->typed.tail) return;
    if (s->typed.tail) {
        KeyEdge last = s->typed.edge[(s->typed.tail - 1) % TYPED_MAX];
        if (last.down) session_send(s, WINDOW_KEY, last.key, false, 0, 0);
    }
    s->typed.tail = s->typed.head;
    for (unsigned n = 0; n < ARRAY_LEN(modifiers); n++)
        session_send(s, WINDOW_KEY, modifiers[n], false, 0, 0);
    if (s->typed.caps) session_type(s, (Keystroke){KEY_CAPSLOCK, 0});
    s->typed.caps = false;
}

void session_ctrl_alt_delete(Session *s)
{
    session_type_stop(s);
    session_release_keys(s);
    session_type(s, (Keystroke){KEY_DELETE, WITH_CTRL | WITH_ALT});
}

/* Characters that no key gives are left out; how many those are is said at once. */
static void say_left_out(const Session *s, const char *text)
{
    Keystroke strokes[STROKES_MAX];
    u32 count = 0;
    for (u32 c; (c = utf8_next(&text)) != 0;) count += !layout_strokes(s->layout, c, strokes);
    if (count)
        fprintf(stderr, "ring3: not on the keyboard (-k), so left out: %u character%s of the text\n", count,
                count == 1 ? "" : "s");
}

void session_type_text(Session *s, const char *utf8)
{
    session_type_stop(s);
    session_release_keys(s); /* of the keys that asked for this */
    if (!*utf8) return;
    say_left_out(s, utf8);
    s->typed.rest = s->typed.text = strdup(utf8);
    s->typed.is_text = true;
    s->typed.caps = leds(s) & LOCK_CAPS;
    if (s->typed.caps) session_type(s, (Keystroke){KEY_CAPSLOCK, 0});
}

/* The next characters of the text become edges. */
static void text_go_on(Session *s)
{
    Keystroke strokes[STROKES_MAX];
    while (s->typed.text && session_type_room(s)) {
        u32 c = utf8_next(&s->typed.rest);
        if (!c) {
            text_free(s);
            if (s->typed.caps) session_type(s, (Keystroke){KEY_CAPSLOCK, 0});
            s->typed.caps = false;
        }
        if (c == '\r' && *s->typed.rest == '\n') continue;
        unsigned count = c ? layout_strokes(s->layout, c, strokes) : 0;
        for (unsigned n = 0; n < count; n++) session_type(s, strokes[n]);
    }
}

/* Has the guest read all of what we sent? A machine that is stopped is given time. */
static bool may_type(Session *s, u64 now_ns)
{
    if (s->shared && atomic_load(&s->shared->keys_taken) == s->keys_sent) return true;
    if (session_is_stopped(s)) s->typed.sent_ns = now_ns;
    if (now_ns < s->typed.sent_ns + TYPING_PATIENCE_NS) return false;
    if (s->typed.is_text)
        fprintf(stderr, "ring3: the guest reads no keys; the rest of the text is not typed\n");
    s->typed.caps = false;
    session_type_stop(s);
    return false;
}

u64 session_typing(Session *s, u64 now_ns)
{
    text_go_on(s);
    if (s->typed.head == s->typed.tail) {
        s->typed.is_text = false;
        return UINT64_MAX;
    }
    if (now_ns < s->typed.next_ns) return s->typed.next_ns;
    if (!may_type(s, now_ns)) return now_ns + TYPING_LOOK_NS;
    KeyEdge e = s->typed.edge[s->typed.tail++ % TYPED_MAX];
    session_send(s, WINDOW_KEY, e.key, e.down, 0, 0);
    s->typed.sent_ns = now_ns;
    return s->typed.next_ns = now_ns + TYPING_GAP_NS;
}

/* --- lock keys ------------------------------------------------------------------------------------------- */

void session_follow_locks(Session *s, u8 before, u8 now)
{
    static const struct {
        u8 lock, key;
    } keys[] = {{LOCK_SCROLL, KEY_SCROLLLOCK}, {LOCK_NUM, KEY_NUMLOCK}, {LOCK_CAPS, KEY_CAPSLOCK}};
    u8 lit = leds(s);
    for (unsigned n = 0; n < ARRAY_LEN(keys); n++) {
        bool agrees = s->leds_seen && (lit & keys[n].lock) == (now & keys[n].lock);
        if ((before ^ now) & keys[n].lock && !agrees) session_type(s, (Keystroke){keys[n].key, 0});
    }
}

/* --- status ---------------------------------------------------------------------------------------------- */

bool session_is_stopped(const Session *s)
{
    return s->shared && atomic_load(&s->shared->status) & WINDOW_STOPPED;
}

u64 session_screen_ns(Session *s, u64 now_ns)
{
    if (!session_is_stopped(s)) s->screen_ns += now_ns - s->looked_ns;
    s->looked_ns = now_ns;
    return s->screen_ns;
}

bool session_can_suspend(const Session *s)
{
    return s->shared && atomic_load(&s->shared->status) & WINDOW_CAN_SUSPEND;
}

bool session_is_undecided(const Session *s)
{
    return s->shared && atomic_load(&s->shared->status) & WINDOW_UNDECIDED;
}

bool session_is_off(const Session *s) { return s->shared && atomic_load(&s->shared->status) & WINDOW_OFF; }

bool session_wants_pointer(const Session *s)
{
    u32 status = s->shared ? atomic_load(&s->shared->status) : 0;
    return (status & (WINDOW_ABSOLUTE | WINDOW_STOPPED)) == WINDOW_ABSOLUTE;
}

void session_describe(const Session *s, char *to, u32 bytes)
{
    u32 mhz = s->shared ? atomic_load(&s->shared->speed_mhz) : 0;
    int n = mhz ? snprintf(to, bytes, " - %u MHz", mhz) : snprintf(to, bytes, "%s", "");
    if (!session_is_stopped(s)) return;
    bool trouble = atomic_load(&s->shared->status) & WINDOW_TROUBLE;
    snprintf(to + n, bytes - (u32)n, "%s",
             trouble ? " - stopped: the host's disk is full or fails" : " - paused");
}
