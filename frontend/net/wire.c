/* wire.c - see wire.h. The peer is a stranger: a length that cannot be ends the connection. */
#include "frontend/net/wire.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frontend/host/big_endian.h"

enum { LENGTH = 4, LONGEST = WIRE_IN - LENGTH };

void wire_open(Wire *w, int fd)
{
    w->fd = fd;
    w->in_bytes = w->out_bytes = 0;
}

void wire_close(Wire *w)
{
    if (w->fd >= 0) close(w->fd);
    w->fd = -1;
}

short wire_events(const Wire *w) { return POLLIN | (w->out_bytes ? POLLOUT : 0); }

static bool would_wait(void) { return errno == EAGAIN || errno == EINTR || errno == ENOTCONN; }

static bool flush(Wire *w)
{
    ssize_t n = send(w->fd, w->out, w->out_bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0) return would_wait();
    w->out_bytes -= (u32)n;
    memmove(w->out, w->out + n, w->out_bytes);
    return true;
}

void wire_send(Wire *w, const u8 *frame, u32 n)
{
    if (w->fd < 0 || n > NET_FRAME_MOST || w->out_bytes + LENGTH + n > WIRE_OUT) return;
    store32_be(w->out + w->out_bytes, n);
    memcpy(w->out + w->out_bytes + LENGTH, frame, n);
    bool first = !w->out_bytes;
    w->out_bytes += LENGTH + n;
    if (first) (void)flush(w); /* an error shows when it is read from */
}

/* The frames that are whole. */
static bool take_frames(Wire *w, WireFrame *got, void *ctx)
{
    u32 at = 0;
    while (w->in_bytes - at >= LENGTH) {
        const u8 *p = w->in + at;
        u32 n = load32_be(p);
        if (!n || n > LONGEST) return false;
        if (w->in_bytes - at - LENGTH < n) break;
        if (n >= NET_FRAME_MIN && n <= NET_FRAME_MOST) got(ctx, p + LENGTH, n);
        at += LENGTH + n;
    }
    w->in_bytes -= at;
    memmove(w->in, w->in + at, w->in_bytes);
    return true;
}

static bool fill(Wire *w, WireFrame *got, void *ctx)
{
    ssize_t n = recv(w->fd, w->in + w->in_bytes, WIRE_IN - w->in_bytes, MSG_DONTWAIT);
    if (n < 0) return would_wait();
    if (!n) return false;
    w->in_bytes += (u32)n;
    return take_frames(w, got, ctx);
}

bool wire_serve(Wire *w, short revents, WireFrame *got, void *ctx)
{
    bool alive = true;
    if (revents & POLLOUT) alive = flush(w);
    if (alive && revents & (POLLIN | POLLHUP | POLLERR)) alive = fill(w, got, ctx);
    if (!alive) wire_close(w);
    return alive;
}
