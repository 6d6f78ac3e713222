/* sha.h - SHA-1 and SHA-256 (FIPS 180-4), for the manifests of OVF packages. See sha.c. */
#ifndef RING3_SHA_H
#define RING3_SHA_H

#include "cpu/base/base.h"

enum { SHA_HEX = 65 }; /* the longest result, with its zero */

typedef struct Sha {
    bool is_256;
    u32 h[8];
    u64 bytes; /* so far */
    u8 block[64];
} Sha;

void sha_begin(Sha *s, bool is_256);
void sha_add(Sha *s, const void *bytes, u64 n);
/* sha_end - 40 or 64 digits, small. */
void sha_end(Sha *s, char hex[SHA_HEX]);

#endif
