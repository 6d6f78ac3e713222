/* closed.c - see closed.h.
 *
 * libslirp keeps a connection that both sides have ended for ten seconds (TIME_WAIT), with a descriptor and two buffers of
 * 128 KiB, of which what was used stays in memory: 10,000 downloads of 30 KiB in a row would take some 400 MB. And each
 * frame looks for its connection in one list of them all.
 *
 * Nothing needs them: the cable between guest and libslirp is not the Internet, whose old segments TIME_WAIT is for. So once
 * a second if there were many new ones, and at once if there were too many, each that is over and has no bytes under way gets a reset, as the guest may send one.
 * (If the guest has not seen the last acknowledgement, its next FIN is answered by a reset, which ends it there.)
 *
 * There is no call for it: which ones are over is read from the list that is made for `info usernet`, IPv4 only. A reset is taken
 * if its sequence number is at most the one that is expected next, modulo 2^32, which is true of 0 or of 2^31.
 */
#include "frontend/net/closed.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "frontend/host/big_endian.h"

enum { ETHERNET = 14, IP = 20, TCP = 20, IPV4 = 0x0800, PROTOCOL_TCP = 6 };
enum { TCP_SYN = 0x02, TCP_RST = 0x04, TCP_ACK = 0x10 };
enum { MANY = 64, TOO_MANY = 128, EVERY_MS = 1000 };

static u32 begun; /* connections since the last look */
static s64 looked_ms;

void closed_look(const u8 *frame, u32 n)
{
    const u8 *ip = frame + ETHERNET;
    if (n < ETHERNET + IP + TCP || load16_be(frame + 12) != IPV4 || ip[9] != PROTOCOL_TCP) return;
    u32 header = (ip[0] & 15) * 4u;
    if (ETHERNET + header + TCP <= n && (ip[header + 13] & (TCP_SYN | TCP_ACK)) == TCP_SYN) begun++;
}

bool closed_parse(const char *line, ClosedConnection *c)
{
    char guest[16], peer[16];
    unsigned guest_port, peer_port, receive, send;
    int n = sscanf(line, " TCP[TIME_WAIT] %*d %15s %u %15s %u %u %u", guest, &guest_port, peer, &peer_port,
                   &receive, &send);
    if (n != 6 || guest_port > 0xffff || peer_port > 0xffff || receive || send) return false;
    c->guest_port = (u16)guest_port;
    c->peer_port = (u16)peer_port;
    return inet_pton(AF_INET, guest, c->guest) == 1 && inet_pton(AF_INET, peer, c->peer) == 1;
}

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

void closed_reset(u8 frame[CLOSED_RESET_BYTES], const ClosedConnection *c, u32 sequence)
{
    u8 *ip = frame + ETHERNET, *tcp = ip + IP;
    memset(frame, 0, CLOSED_RESET_BYTES);
    store16_be(frame + 12, IPV4);
    ip[0] = 0x45;
    store16_be(ip + 2, IP + TCP);
    ip[8] = 64;
    ip[9] = PROTOCOL_TCP;
    memcpy(ip + 12, c->guest, 4);
    memcpy(ip + 16, c->peer, 4);
    store16_be(ip + 10, folded(sum(ip, IP)));
    store16_be(tcp, c->guest_port);
    store16_be(tcp + 2, c->peer_port);
    store32_be(tcp + 4, sequence);
    tcp[12] = TCP / 4 << 4;
    tcp[13] = TCP_RST;
    store16_be(tcp + 16, folded(sum(ip + 12, 8) + PROTOCOL_TCP + TCP + sum(tcp, TCP)));
}

static void reset_all(Slirp *slirp, u32 sequence)
{
    u8 frame[CLOSED_RESET_BYTES];
    ClosedConnection c;
    char *list = slirp_connection_info(slirp);
    for (const char *line = list; line && *line; line = strchr(line, '\n')) {
        if (*line == '\n') line++;
        if (!closed_parse(line, &c)) continue;
        closed_reset(frame, &c, sequence);
        slirp_input(slirp, frame, sizeof frame);
    }
    free(list);
}

void closed_reap(Slirp *slirp, s64 now_ms)
{
    if (begun < MANY || (begun < TOO_MANY && now_ms - looked_ms < EVERY_MS)) return;
    begun = 0;
    looked_ms = now_ms;
    reset_all(slirp, 0);
    reset_all(slirp, 1u << 31); /* those that are still there */
}
