/* ether.h - what every Ethernet controller computes of a frame. See ether.c. */
#ifndef RING3_ETHER_H
#define RING3_ETHER_H

#include "cpu/base.h"

enum { ETHER_ADDRESS = 6, ETHER_FCS = 4, ETHER_WIRE_MIN = 60 /* without FCS */ };

/* ether_crc - the CRC-32 of 802.3 as the shift register holds it after n bytes, least significant bit first, neither
 * complemented nor swapped. Its complement, stored little-endian, is the FCS. */
u32 ether_crc(const u8 *bytes, u32 n);
static inline void ether_put_fcs(u8 *frame, u32 n) { store32(frame + n, ~ether_crc(frame, n)); }

static inline bool ether_is_broadcast(const u8 *address)
{
    return load32(address) == ~0u && load16(address + 4) == 0xffff;
}
static inline bool ether_is_group(const u8 *address) { return address[0] & 1; }
static inline bool ether_same(const u8 *a, const u8 *b)
{
    return load32(a) == load32(b) && load16(a + 4) == load16(b + 4);
}

#endif
