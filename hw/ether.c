/* ether.c - the frame check sequence of IEEE 802.3 (3.2.8), eight bytes a step.
 *
 * Chips hash multicast addresses with the same polynomial: DP8390 and RTL8139 take the top bits of the register as it
 * would be shifted out (ether_has_group), LANCE chips those of the reflected register (pcnet_ring.c).
 */
#include "hw/ether.h"

enum { STEP = 8, POLYNOMIAL = (int)0xedb88320 };

static u32 table[STEP][256]; /* [n][b]: what byte b does, n more bytes behind it; made once, never changed */

static void table_make(void)
{
    for (u32 b = 0; b < 256; b++) {
        u32 v = b;
        for (int bit = 0; bit < 8; bit++) v = v >> 1 ^ (v & 1 ? (u32)POLYNOMIAL : 0);
        table[0][b] = v;
    }
    for (u32 n = 1; n < STEP; n++)
        for (u32 b = 0; b < 256; b++) table[n][b] = table[n - 1][b] >> 8 ^ table[0][table[n - 1][b] & 0xff];
}

u32 ether_crc(const u8 *bytes, u32 n)
{
    u32 crc = ~0u;
    if (!table[0][1]) table_make();
    for (; n >= STEP; n -= STEP, bytes += STEP) {
        u32 low = load32(bytes) ^ crc, high = load32(bytes + 4);
        crc = table[7][low & 0xff] ^ table[6][low >> 8 & 0xff] ^ table[5][low >> 16 & 0xff] ^
              table[4][low >> 24] ^ table[3][high & 0xff] ^ table[2][high >> 8 & 0xff] ^
              table[1][high >> 16 & 0xff] ^ table[0][high >> 24];
    }
    for (; n; n--, bytes++) crc = crc >> 8 ^ table[0][(crc ^ *bytes) & 0xff];
    return crc;
}

u32 ether_pad(u8 *frame, u32 n)
{
    if (n >= ETHER_WIRE_MIN) return n;
    memset(frame + n, 0, ETHER_WIRE_MIN - n);
    return ETHER_WIRE_MIN;
}

u32 ether_put(u8 *to, const u8 *frame, u32 n)
{
    memcpy(to, frame, n);
    n = ether_pad(to, n);
    store32(to + n, ~ether_crc(to, n));
    return n;
}

bool ether_has_group(const u8 filter[8], const u8 *address)
{
    u32 crc = ether_crc(address, ETHER_ADDRESS), bit = 0;
    for (int n = 0; n < 6; n++) bit |= (crc >> n & 1) << (5 - n);
    return filter[bit >> 3] >> (bit & 7) & 1;
}
