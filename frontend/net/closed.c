/* closed.c - see closed.h.
 *
 * libslirp keeps a connection that it has ended first for ten seconds (TIME_WAIT), with a descriptor and two buffers
 * of 128 KiB, of which what was used stays in memory: 10,000 downloads of 30 KiB in a row would take some 400 MB. And
 * each frame looks for its connection in one list of them all.
 *
 * Nothing needs them: the cable between guest and libslirp is not the Internet, whose old segments TIME_WAIT is for.
 * So once a second if there are many, and at once if there are too many, each gets a reset, as the guest may send
 * one.
 *
 * There is no call for it. Which ones are over is seen in the frames: both sides have sent FIN, both have
 * acknowledged the other's, and libslirp's came before it had acknowledged the guest's. That is the same for IPv4 and
 * IPv6, and for connections that the guest or, by hostfwd, somebody else began. Bytes that the host's program has not
 * taken yet would be lost with the connection: the ports of such ones are in the list that is made for `info
 * usernet`, and wait.
 *
 * A connection has a place of its own from its first FIN on, found by its ports; one that comes later takes the
 * place, and the former waits for libslirp's ten seconds. (A guest may tell what it likes: it ends connections of its
 * own.)
 */
#include "frontend/net/closed.h"

#include <stdio.h>
#include <stdlib.h>

#include "frontend/host/big_endian.h"

enum { ETHERNET = 14, IP = 20, IP6 = 40, TCP = 20, IPV4 = 0x0800, IPV6 = 0x86dd, PROTOCOL_TCP = 6 };
enum { TCP_FIN = 0x01, TCP_SYN = 0x02, TCP_RST = 0x04, TCP_ACK = 0x10 };
enum { MANY = 64, TOO_MANY = 128, EVERY_MS = 1000, PLACES = 1024, PORTS = 0x10000 };

typedef struct Ends {       /* of a connection, as the guest names them */
    u8 guest[16], peer[16]; /* IPv4: the first four */
    u16 guest_port, peer_port;
    bool is_ipv6;
} Ends;

typedef struct Segment {
    Ends ends;
    u8 flags;
    u32 sequence, acknowledged;
    u32 bytes;
} Segment;

typedef struct Side { /* what it has sent */
    bool fin, acknowledged;
    u32 end; /* the sequence number behind FIN */
} Side;

typedef struct Ending { /* a connection of which a FIN was seen */
    Ends ends;
    Side guest, peer;
    bool used;
    bool waits; /* libslirp, for its time, after it is over */
} Ending;

static Ending ending[PLACES];
static u32 over; /* that were not reset yet, at most */
static u32 news; /* of those, since the last look */
static s64 looked_ms;

/* --- what the frames say --------------------------------------------------------------------------------- */

/* The packet's addresses, and where its TCP header is; NULL: it is no TCP, or not its beginning. */
static const u8 *read_ip(const u8 *ip, u32 n, Segment *s)
{
    u32 header = (ip[0] & 15) * 4u, length = load16_be(ip + 2);
    if (n < IP || header < IP || length > n || header + TCP > length) return NULL;
    if (ip[9] != PROTOCOL_TCP || load16_be(ip + 6) & 0x1fff) return NULL;
    memcpy(s->ends.guest, ip + 12, 4);
    memcpy(s->ends.peer, ip + 16, 4);
    s->bytes = length - header;
    return ip + header;
}

static const u8 *read_ip6(const u8 *ip, u32 n, Segment *s)
{
    if (n < IP6 + TCP || ip[6] != PROTOCOL_TCP || load16_be(ip + 4) < TCP || load16_be(ip + 4) > n - IP6)
        return NULL;
    memcpy(s->ends.guest, ip + 8, 16);
    memcpy(s->ends.peer, ip + 24, 16);
    s->ends.is_ipv6 = true;
    s->bytes = load16_be(ip + 4);
    return ip + IP6;
}

static void turn(Ends *e)
{
    const Ends was = *e;
    memcpy(e->guest, was.peer, sizeof e->guest);
    memcpy(e->peer, was.guest, sizeof e->peer);
    e->guest_port = was.peer_port;
    e->peer_port = was.guest_port;
}

static bool read_segment(const u8 *frame, u32 n, bool by_guest, Segment *s)
{
    const u8 *tcp = NULL;
    *s = (Segment){.flags = 0};
    if (n < ETHERNET + IP + TCP) return false;
    if (load16_be(frame + 12) == IPV4) tcp = read_ip(frame + ETHERNET, n - ETHERNET, s);
    if (load16_be(frame + 12) == IPV6) tcp = read_ip6(frame + ETHERNET, n - ETHERNET, s);
    u32 header = tcp ? (tcp[12] >> 4) * 4u : 0;
    if (header < TCP || header > s->bytes) return false;
    s->bytes -= header;
    s->ends.guest_port = load16_be(tcp);
    s->ends.peer_port = load16_be(tcp + 2);
    s->sequence = load32_be(tcp + 4);
    s->acknowledged = load32_be(tcp + 8);
    s->flags = tcp[13];
    if (!by_guest) turn(&s->ends);
    return true;
}

/* --- which ones are over --------------------------------------------------------------------------------- */

static bool is_same(const Ends *a, const Ends *b)
{
    return a->guest_port == b->guest_port && a->peer_port == b->peer_port && a->is_ipv6 == b->is_ipv6 &&
           !memcmp(a->guest, b->guest, sizeof a->guest) && !memcmp(a->peer, b->peer, sizeof a->peer);
}

static bool is_over(const Ending *e)
{
    return e->used && e->waits && e->guest.acknowledged && e->peer.acknowledged;
}

static void take(Ending *e, const Segment *s, Side *sender, Side *other)
{
    if (s->flags & TCP_ACK && other->fin && s->acknowledged == other->end) other->acknowledged = true;
    if (!(s->flags & TCP_FIN) || sender->fin) return;
    sender->fin = true;
    sender->end = s->sequence + s->bytes + 1;
    if (sender == &e->peer) e->waits = !e->guest.acknowledged;
}

void closed_look(const u8 *frame, u32 n, bool by_guest)
{
    Segment s;
    if (!read_segment(frame, n, by_guest, &s)) return;
    Ending *e = &ending[(s.ends.guest_port ^ s.ends.peer_port) % PLACES];
    bool same = e->used && is_same(&e->ends, &s.ends);
    if (s.flags & (TCP_SYN | TCP_RST)) {
        if (same) e->used = false;
        return;
    }
    if (!same && !(s.flags & TCP_FIN)) return;
    if (!same) *e = (Ending){.ends = s.ends, .used = true};
    bool was_over = is_over(e);
    take(e, &s, by_guest ? &e->guest : &e->peer, by_guest ? &e->peer : &e->guest);
    if (!is_over(e) || was_over) return;
    over++;
    news++;
}

/* --- the reset ------------------------------------------------------------------------------------------- */

static u32 sum(const u8 *bytes, u32 n)
{
    u32 v = 0;
    for (u32 i = 0; i < n; i += 2) v += load16_be(bytes + i);
    return v;
}

static u16 folded(u32 v)
{
    while (v >> 16) v = (v & 0xffff) + (v >> 16);
    return (u16)~v;
}

static u8 *put_ip(u8 *ip, const Ends *e)
{
    ip[0] = 0x45;
    store16_be(ip + 2, IP + TCP);
    ip[8] = 64;
    ip[9] = PROTOCOL_TCP;
    memcpy(ip + 12, e->guest, 4);
    memcpy(ip + 16, e->peer, 4);
    store16_be(ip + 10, folded(sum(ip, IP)));
    return ip + IP;
}

static u8 *put_ip6(u8 *ip, const Ends *e)
{
    ip[0] = 0x60;
    store16_be(ip + 4, TCP);
    ip[6] = PROTOCOL_TCP;
    ip[7] = 64;
    memcpy(ip + 8, e->guest, 16);
    memcpy(ip + 24, e->peer, 16);
    return ip + IP6;
}

/* As the guest would send it; returns the frame's bytes. */
static u32 put_reset(u8 frame[CLOSED_RESET_MOST], const Ending *e)
{
    const Ends *ends = &e->ends;
    u32 addresses = ends->is_ipv6 ? 32 : 8; /* they stand before the TCP header in either */
    memset(frame, 0, CLOSED_RESET_MOST);
    store16_be(frame + 12, ends->is_ipv6 ? IPV6 : IPV4);
    u8 *tcp = (ends->is_ipv6 ? put_ip6 : put_ip)(frame + ETHERNET, ends);
    store16_be(tcp, ends->guest_port);
    store16_be(tcp + 2, ends->peer_port);
    store32_be(tcp + 4, e->guest.end);
    tcp[12] = TCP / 4 << 4;
    tcp[13] = TCP_RST;
    store16_be(tcp + 16, folded(sum(tcp - addresses, addresses) + PROTOCOL_TCP + TCP + sum(tcp, TCP)));
    return (u32)(tcp - frame) + TCP;
}

/* --- all of them ----------------------------------------------------------------------------------------- */

static bool
    has_bytes[PORTS]; /* by the list, whichever end the port is of: a connection that is over and not empty */

static void read_list(const char *list)
{
    unsigned from, to, receive;
    memset(has_bytes, 0, sizeof has_bytes);
    for (const char *line = list; line && *line; line = strchr(line, '\n')) {
        if (*line == '\n') line++;
        int n = sscanf(line, " TCP[TIME_WAIT] %*d %*15s %u %*15s %u %u", &from, &to, &receive);
        if (n != 3 || from >= PORTS || to >= PORTS || !receive) continue;
        has_bytes[from] = has_bytes[to] = true;
    }
}

void closed_resets(const char *list, void (*reset)(const u8 *frame, u32 n, void *ctx), void *ctx)
{
    u8 frame[CLOSED_RESET_MOST];
    read_list(list);
    over = news = 0;
    for (u32 n = 0; n < PLACES; n++) {
        Ending *e = &ending[n];
        if (!is_over(e)) continue;
        if (has_bytes[e->ends.guest_port]) {
            over++;
            continue;
        }
        e->used = false;
        reset(frame, put_reset(frame, e), ctx);
    }
}

static void input(const u8 *frame, u32 n, void *ctx) { slirp_input(ctx, frame, (int)n); }

void closed_reap(Slirp *slirp, s64 now_ms)
{
    if (over < MANY || (news < TOO_MANY && now_ms - looked_ms < EVERY_MS)) return;
    looked_ms = now_ms;
    char *list = slirp_connection_info(slirp);
    closed_resets(list, input, slirp);
    free(list);
}
