/* big_endian.h - big-endian numbers, as image files and networks have them. */
#ifndef RING3_HOST_BIG_ENDIAN_H
#define RING3_HOST_BIG_ENDIAN_H

#include "cpu/base/base.h"

static inline u16 load16_be(const void *p) { return __builtin_bswap16(load16(p)); }
static inline u32 load32_be(const void *p) { return __builtin_bswap32(load32(p)); }
static inline u64 load64_be(const void *p) { return __builtin_bswap64(load64(p)); }
static inline void store16_be(void *p, u16 v) { store16(p, __builtin_bswap16(v)); }
static inline void store32_be(void *p, u32 v) { store32(p, __builtin_bswap32(v)); }
static inline void store64_be(void *p, u64 v) { store64(p, __builtin_bswap64(v)); }

#endif
