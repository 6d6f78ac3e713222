/* fragments.c - see fragments.h.
 *
 * libslirp 4.7 chains the fragments of a packet in place, by links in the fragments' own memory, and random ones make it follow
 * links that are none: it dies within a thousand frames (tests/boot/net.py, rubbish). So it gets none.
 *
 * Every known system sends the fragments of a packet in order, and the cable keeps the order. So a packet grows by what
 * continues it, and anything else ends it: no gaps, no overlaps, no lists. PACKETS may be under way; the one that has
 * waited longest makes place for another. Nothing here waits for time.
 */
#include "frontend/net/fragments.h"

#include "frontend/host/big_endian.h"

enum { ETHERNET = 14, IP_HEADER = 20, MORE = 0x2000, OFFSET = 0x1fff, PACKETS = 8, MOST = 65535 };

typedef struct Packet {
    u32 bytes; /* of `frame`; 0: free */
    u32 began; /* the lower, the longer ago */
    u8 frame[ETHERNET + MOST];
} Packet;

static Packet packets[PACKETS];
static u32 began;

/* The fragments of one packet have the same identification, protocol, source and destination. */
static bool same_packet(const u8 *a, const u8 *b)
{
    return !memcmp(a + 4, b + 4, 2) && a[9] == b[9] && !memcmp(a + 12, b + 12, 8);
}

static Packet *find(const u8 *ip)
{
    for (unsigned n = 0; n < PACKETS; n++)
        if (packets[n].bytes && same_packet(packets[n].frame + ETHERNET, ip)) return &packets[n];
    return NULL;
}

static Packet *oldest(void)
{
    Packet *p = &packets[0];
    for (unsigned n = 0; n < PACKETS; n++) {
        if (!packets[n].bytes) return &packets[n];
        if (packets[n].began < p->began) p = &packets[n];
    }
    return p;
}

/* The head is the first fragment's, of a whole packet now. */
static void finish(Packet *p)
{
    u8 *ip = p->frame + ETHERNET;
    u32 sum = 0;
    store16_be(ip + 2, (u16)(p->bytes - ETHERNET));
    store16_be(ip + 6, 0);
    store16_be(ip + 10, 0);
    for (unsigned n = 0; n < IP_HEADER; n += 2) sum += load16_be(ip + n);
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    store16_be(ip + 10, (u16)~sum);
}

const u8 *fragments_take(const u8 *frame, u32 *n)
{
    const u8 *ip = frame + ETHERNET;
    if (*n < ETHERNET + IP_HEADER || load16_be(frame + 12) != 0x0800) return frame;
    u32 length = load16_be(ip + 2), word = load16_be(ip + 6), at = (word & OFFSET) * 8;
    if (!(word & (MORE | OFFSET))) return frame;
    /* No options in the head, as everywhere today. */
    if (ip[0] != 0x45 || length <= IP_HEADER || length > *n - ETHERNET ||
        (word & MORE && length % 8 != IP_HEADER % 8))
        return NULL;
    Packet *p = find(ip);
    if (!at) {
        if (!p) p = oldest();
        p->began = ++began;
        p->bytes = ETHERNET + IP_HEADER;
        memcpy(p->frame, frame, p->bytes);
    }
    if (!p) return NULL;
    if (p->bytes != ETHERNET + IP_HEADER + at || p->bytes + length - IP_HEADER > sizeof p->frame) {
        p->bytes = 0;
        return NULL;
    }
    memcpy(p->frame + p->bytes, ip + IP_HEADER, length - IP_HEADER);
    p->bytes += length - IP_HEADER;
    if (word & MORE) return NULL;
    finish(p);
    *n = p->bytes;
    p->bytes = 0;
    return p->frame;
}
