/* stream.c - see stream.h.
 *
 *     message   u32 kind (52334D00h + StreamKind), u32 bytes of the body, u32 region, u32 first, u64 present, u64 zero, u32
 *               CRC-32 of the head up to here and of the body; the body
 *
 * Numbers are little-endian. A head is believed only as far as the lengths in it are bounded before anything is
 * fetched; what follows from it happens when its checksum is known to be right.
 */
#define _GNU_SOURCE
#include "frontend/snapshot/stream.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <zlib.h>

#define STREAM_MAGIC 0x52334d00u

static bool fail(Stream *s, const char *why)
{
    snprintf(s->why, sizeof s->why, "%s", why);
    return false;
}

bool stream_interrupted(Stream *s)
{
    struct pollfd p = {.fd = s->interrupt, .events = POLLIN};
    if (s->interrupt >= 0 && poll(&p, 1, 0) > 0) s->interrupted = true;
    return s->interrupted && !fail(s, "it was cancelled");
}

bool stream_has_word(Stream *s)
{
    struct pollfd p = {.fd = s->fd, .events = POLLIN};
    return poll(&p, 1, 0) > 0;
}

static bool wait_for(Stream *s, short events, unsigned patience_ms)
{
    struct pollfd p[] = {{.fd = s->fd, .events = events}, {.fd = s->interrupt, .events = POLLIN}};
    int ready;
    do ready = poll(p, ARRAY_LEN(p), (int)patience_ms);
    while (ready < 0 && errno == EINTR);
    if (p[1].revents) s->interrupted = true;
    if (s->interrupted) return fail(s, "it was cancelled");
    if (ready > 0) return true;
    return fail(s, ready < 0 ? strerror(errno) : "the other side is silent");
}

static bool lost(Stream *s, int error)
{
    bool ended = error == EPIPE || error == ECONNRESET || !error;
    return fail(s, ended ? "the other side has closed the connection" : strerror(error));
}

bool stream_connected(Stream *s, unsigned patience_ms)
{
    int error = 0;
    socklen_t n = sizeof error;
    if (!wait_for(s, POLLOUT, patience_ms)) return false;
    if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0) error = errno;
    return !error || fail(s, strerror(error));
}

/* --- sending ---------------------------------------------------------------------------------------------- */

static void skip(struct iovec part[2], size_t n)
{
    for (unsigned k = 0; k < 2; k++) {
        size_t here = n < part[k].iov_len ? n : part[k].iov_len;
        part[k].iov_base = (u8 *)part[k].iov_base + here;
        part[k].iov_len -= here;
        n -= here;
    }
}

static bool send_parts(Stream *s, struct iovec part[2], unsigned silence_ms)
{
    struct msghdr m = {.msg_iov = part, .msg_iovlen = 2};
    while (part[0].iov_len || part[1].iov_len) {
        ssize_t n = sendmsg(s->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
            skip(part, (size_t)n);
            s->sent_bytes += (u64)n;
            continue;
        }
        if (n < 0 && errno == EINTR) continue;
        if (n == 0 || errno != EAGAIN) return lost(s, errno);
        if (!wait_for(s, POLLOUT, silence_ms)) return false;
    }
    return true;
}

bool stream_send(Stream *s, const StreamHead *h, const void *body, unsigned silence_ms)
{
    u8 head[STREAM_HEAD_BYTES];
    store32(head, STREAM_MAGIC + h->kind);
    store32(head + 4, h->bytes);
    store32(head + 8, h->region);
    store32(head + 12, h->first);
    store64(head + 16, h->present);
    store64(head + 24, h->zero);
    u32 crc = (u32)crc32(0, head, 32);
    store32(head + 32, h->bytes ? (u32)crc32(crc, body, h->bytes) : crc);
    struct iovec part[2] = {{head, sizeof head}, {(void *)(uintptr_t)body, h->bytes}};
    return send_parts(s, part, silence_ms);
}

/* --- receiving -------------------------------------------------------------------------------------------- */

static bool receive(Stream *s, u8 *to, size_t n, unsigned silence_ms)
{
    while (n) {
        ssize_t got = recv(s->fd, to, n, MSG_DONTWAIT);
        if (got > 0) {
            to += got;
            n -= (size_t)got;
            continue;
        }
        if (got < 0 && errno == EINTR) continue;
        if (got == 0 || errno != EAGAIN) return lost(s, got ? errno : 0);
        if (!wait_for(s, POLLIN, silence_ms)) return false;
    }
    return true;
}

/* A head without a body is checked at once; else its checksum goes on over the body. */
bool stream_head(Stream *s, StreamHead *h, u32 most, unsigned silence_ms)
{
    u8 head[STREAM_HEAD_BYTES];
    if (!receive(s, head, sizeof head, silence_ms)) return false;
    u32 kind = load32(head) - STREAM_MAGIC;
    if (!kind || kind >= STREAM_KINDS) return fail(s, "what the other side says is not a ring3's");
    *h = (StreamHead){.kind = (StreamKind)kind,
                      .bytes = load32(head + 4),
                      .region = load32(head + 8),
                      .first = load32(head + 12),
                      .present = load64(head + 16),
                      .zero = load64(head + 24)};
    if (h->bytes > most) return fail(s, "the other side sends more than there can be");
    s->head_crc = (u32)crc32(0, head, 32);
    s->wanted_crc = load32(head + 32);
    return h->bytes || s->head_crc == s->wanted_crc || fail(s, "what came is damaged: its checksum is wrong");
}

bool stream_body(Stream *s, const StreamHead *h, void *to, unsigned silence_ms)
{
    if (!h->bytes) return true;
    if (!receive(s, to, h->bytes, silence_ms)) return false;
    return (u32)crc32(s->head_crc, to, h->bytes) == s->wanted_crc ||
           fail(s, "what came is damaged: its checksum is wrong");
}

void stream_drain(Stream *s, unsigned patience_ms)
{
    enum { LOOK_MS = 50 };
    u8 piece[65536];
    for (unsigned ms = 0; ms < patience_ms; ms++) { /* of bytes there is no end, if they like */
        struct pollfd p = {.fd = s->fd, .events = POLLIN};
        ssize_t got = recv(s->fd, piece, sizeof piece, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) return;
        if (got < 0 && poll(&p, 1, LOOK_MS) == 0) ms += LOOK_MS - 1;
    }
}
