/* ether.h - what every Ethernet controller computes of a frame. See ether.c. */
#ifndef RING3_ETHER_H
#define RING3_ETHER_H

#include "cpu/base/base.h"

enum { ETHER_ADDRESS = 6, ETHER_FCS = 4, ETHER_WIRE_MIN = 60 /* without FCS */ };

/* ether_crc - the CRC-32 of 802.3 as the shift register holds it after n bytes, least significant bit first, neither
 * complemented nor swapped. Its complement, stored little-endian, is the FCS. */
u32 ether_crc(const u8 *bytes, u32 n);

/* ether_pad - the bytes that a frame of n has on the wire, without FCS: what it lacks of them follows as zeros. */
u32 ether_pad(u8 *frame, u32 n);
/* ether_put - a frame of n bytes as it comes over the wire, padded and with its FCS, to `to`: returns its bytes without FCS.
 * `to` has room for ETHER_WIRE_MIN or n bytes and ETHER_FCS. */
u32 ether_put(u8 *to, const u8 *frame, u32 n);

static inline bool ether_is_broadcast(const u8 *address)
{
    return load32(address) == ~0u && load16(address + 4) == 0xffff;
}
static inline bool ether_is_group(const u8 *address) { return address[0] & 1; }
static inline bool ether_same(const u8 *a, const u8 *b)
{
    return load32(a) == load32(b) && load16(a + 4) == load16(b + 4);
}

/* ether_has_group - a multicast filter of 64 bits, as DP8390 and RTL8139 have it: the bit is the last six that were shifted
 * into the CRC register, the latest the lowest. */
bool ether_has_group(const u8 filter[8], const u8 *address);

#endif
