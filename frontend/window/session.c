/* session.c - the connection to the machine: hello, keys, typed text, farewell.
 *
 * The machine is not believed (frontend/window_protocol.h): a hello with sizes that do not fit its descriptors is refused,
 * a second one ignored. Its memory cannot be taken away from the shared part, which is sealed; for the guest's memory,
 * main.c catches SIGBUS.
 */
#define _GNU_SOURCE
#include "frontend/window/session.h"

#include "hw/keys.h"
#include "hw/screen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

_Static_assert(sizeof(ScreenState) <= WINDOW_SCREEN_BYTES, "a ScreenState fits into WindowShared");

enum { TYPING_GAP_NS = 12000000 }; /* between two edges: slower than any guest takes them */
enum { KEY_ALTGR = KEY_E0 | KEY_ALT };

/* cpu/base.c, with its own memcpy for code that may not touch vector registers, is not linked into this program. */
u64 host_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (u64)t.tv_sec * 1000000000u + (u64)t.tv_nsec;
}

/* --- hello ----------------------------------------------------------------------------------------------- */

static const void *map_part(int fd, u64 offset, u64 bytes)
{
    struct stat st;
    if (fstat(fd, &st) < 0 || offset + bytes > (u64)st.st_size) return NULL;
    void *at = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, (off_t)offset);
    return at == MAP_FAILED ? NULL : at;
}

static bool is_sealed(int fd)
{
    int seals = fcntl(fd, F_GET_SEALS);
    return seals >= 0 && seals & F_SEAL_SHRINK;
}

static void hello(Session *s, const WindowMessage *m, const int fd[2])
{
    u64 bytes = (u32)m->b, offset = (u64)(u32)m->c << PAGE_BITS;
    if (s->shared || m->a != WINDOW_PROTOCOL || !bytes || bytes > WINDOW_VRAM_LIMIT) return;
    const WindowShared *shared = is_sealed(fd[0]) ? map_part(fd[0], 0, sizeof *shared) : NULL;
    const u8 *vram = shared ? map_part(fd[1], offset, bytes) : NULL;
    if (!vram) return;
    s->scanout = scanout_new((const ScreenState *)(const void *)shared->screen, vram, (u32)bytes);
    if (s->scanout) s->shared = shared;
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
        for (int n = 0; n < 2; n++)
            if (fd[n] >= 0) close(fd[n]);
    }
}

void session_send(Session *s, WindowMessageKind kind, s32 a, s32 b, s32 c, u16 d)
{
    WindowMessage m = {(u16)kind, d, a, b, c};
    /* A machine that does not take its messages for long (stopped in a debugger) loses some. */
    (void)!send(s->socket, &m, sizeof m, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void session_end(Session *s)
{
    if (s->gone && !s->said_bye)
        fprintf(stderr, "ring3-window: ring3 ended without a word; the window closes\n");
}

/* --- keys ------------------------------------------------------------------------------------------------ */

/* Keys that text is typed with are not in `held`: the person may let go of Ctrl meanwhile. */
void session_key(Session *s, u8 key, bool down)
{
    u8 bit = (u8)BIT(key & 7), *byte = &s->held[key >> 3];
    if (!down && !(*byte & bit)) return;
    *byte = (u8)(down ? *byte | bit : *byte & ~bit);
    session_send(s, WINDOW_KEY, key, down, 0, 0);
}

void session_release_keys(Session *s)
{
    for (unsigned key = 0; key < 256; key++) session_key(s, (u8)key, false);
}

void session_close(Session *s)
{
    session_send(s, s->power_pressed ? WINDOW_QUIT : WINDOW_POWER, 0, 0, 0, 0);
    s->power_pressed = true;
}

/* --- typing ---------------------------------------------------------------------------------------------- */

void session_type(Session *s, Keystroke k)
{
    KeyEdge edges[STROKE_EDGES];
    unsigned count = keystroke_edges(k, edges);
    if (TYPED_MAX - (s->typed.head - s->typed.tail) < count) return;
    for (unsigned n = 0; n < count; n++) s->typed.edge[s->typed.head++ % TYPED_MAX] = edges[n];
}

void session_ctrl_alt_delete(Session *s)
{
    session_release_keys(s);
    session_type(s, (Keystroke){KEY_DELETE, WITH_CTRL | WITH_ALT});
}

void session_type_text(Session *s, const char *utf8)
{
    Keystroke strokes[STROKES_MAX];
    u32 last = 0;
    session_release_keys(s); /* of the keys that asked for this */
    for (u32 c; (c = utf8_next(&utf8)) != 0; last = c) {
        if (c == '\n' && last == '\r') continue;
        unsigned count = layout_strokes(s->layout, c, strokes);
        for (unsigned n = 0; n < count; n++) session_type(s, strokes[n]);
    }
}

u64 session_typing(Session *s, u64 now_ns)
{
    if (s->typed.head == s->typed.tail) return UINT64_MAX;
    if (now_ns >= s->typed.next_ns) {
        KeyEdge e = s->typed.edge[s->typed.tail++ % TYPED_MAX];
        session_send(s, WINDOW_KEY, e.key, e.down, 0, 0);
        s->typed.next_ns = now_ns + TYPING_GAP_NS;
    }
    return s->typed.next_ns;
}

/* --- status ---------------------------------------------------------------------------------------------- */

void session_describe(const Session *s, char *to, u32 bytes)
{
    u32 status = s->shared ? atomic_load(&s->shared->status) : 0;
    u32 mhz = s->shared ? atomic_load(&s->shared->speed_mhz) : 0;
    int n = mhz ? snprintf(to, bytes, " - %u MHz", mhz) : snprintf(to, bytes, "%s", "");
    if (status & WINDOW_STOPPED) snprintf(to + n, bytes - (u32)n, " - paused");
}
