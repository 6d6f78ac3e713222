/* sha.c - see sha.h.
 *
 * Own code and not libcrypto: 4 MB of a library that opens files and asks the processor at its start would be in the
 * machine's process for these two functions, which are from 2002 and will not change. Against a slip in a file that was
 * copied, not against an enemy: a manifest without a certificate proves nothing about who wrote it.
 */
#include "frontend/vm/sha.h"

#include <stdio.h>

static u32 left(u32 v, u32 n) { return v << n | v >> (32 - n); }
static u32 right(u32 v, u32 n) { return v >> n | v << (32 - n); }

static const u32 k256[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

void sha_begin(Sha *s, bool is_256)
{
    static const u32 one[8] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    static const u32 two[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                               0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    s->is_256 = is_256;
    s->bytes = 0;
    memcpy(s->h, is_256 ? two : one, sizeof s->h);
}

static u32 word_be(const u8 *at) { return __builtin_bswap32(load32(at)); }

/* 6.1.2 */
static void block_1(Sha *s, const u8 *at)
{
    static const u32 k[4] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
    u32 w[80], a = s->h[0], b = s->h[1], c = s->h[2], d = s->h[3], e = s->h[4];
    for (u32 t = 0; t < 80; t++)
        w[t] = t < 16 ? word_be(at + t * 4) : left(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
    for (u32 t = 0; t < 80; t++) {
        u32 choice = (b & c) | (~b & d), parity = b ^ c ^ d, majority = (b & c) | (b & d) | (c & d);
        u32 f = t < 20 ? choice : t / 20 == 2 ? majority : parity;
        u32 next = left(a, 5) + f + e + k[t / 20] + w[t];
        e = d, d = c, c = left(b, 30), b = a, a = next;
    }
    s->h[0] += a, s->h[1] += b, s->h[2] += c, s->h[3] += d, s->h[4] += e;
}

/* 6.2.2 */
static void block_256(Sha *s, const u8 *at)
{
    u32 w[64], v[8];
    for (u32 t = 0; t < 16; t++) w[t] = word_be(at + t * 4);
    for (u32 t = 16; t < 64; t++) {
        u32 s0 = right(w[t - 15], 7) ^ right(w[t - 15], 18) ^ w[t - 15] >> 3;
        u32 s1 = right(w[t - 2], 17) ^ right(w[t - 2], 19) ^ w[t - 2] >> 10;
        w[t] = s1 + w[t - 7] + s0 + w[t - 16];
    }
    memcpy(v, s->h, sizeof v);
    for (u32 t = 0; t < 64; t++) {
        u32 s1 = right(v[4], 6) ^ right(v[4], 11) ^ right(v[4], 25), choice = (v[4] & v[5]) ^ (~v[4] & v[6]);
        u32 one = v[7] + s1 + choice + k256[t] + w[t];
        u32 s0 = right(v[0], 2) ^ right(v[0], 13) ^ right(v[0], 22);
        u32 majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
        memmove(v + 1, v, 7 * sizeof *v);
        v[4] += one;
        v[0] = one + s0 + majority;
    }
    for (u32 n = 0; n < 8; n++) s->h[n] += v[n];
}

static void block(Sha *s, const u8 *at)
{
    if (s->is_256)
        block_256(s, at);
    else
        block_1(s, at);
}

void sha_add(Sha *s, const void *bytes, u64 n)
{
    const u8 *at = bytes;
    while (n) {
        u64 have = s->bytes % 64, part = 64 - have < n ? 64 - have : n;
        memcpy(s->block + have, at, part);
        s->bytes += part;
        at += part;
        n -= part;
        if (s->bytes % 64 == 0) block(s, s->block);
    }
}

void sha_end(Sha *s, char hex[SHA_HEX])
{
    u64 bits = s->bytes * 8;
    u8 pad[72] = {0x80}, length[8];
    for (u32 n = 0; n < 8; n++) length[n] = (u8)(bits >> (56 - 8 * n));
    sha_add(s, pad, 1 + (119 - s->bytes % 64) % 64);
    sha_add(s, length, sizeof length);
    for (u32 n = 0; n < (s->is_256 ? 8u : 5u); n++) snprintf(hex + n * 8, 9, "%08x", s->h[n]);
}
