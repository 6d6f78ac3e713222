/* png_pack.c - a picture as Portable Network Graphics (RFC 2083, ISO 15948), in memory, by zlib.
 *
 * 8-bit RGB, not interlaced, one IDAT chunk. Each row is filtered by Up: a screen's rows resemble each other, and
 * most bytes become 0, which deflates well and fast.
 */
#include <stdlib.h>
#include <zlib.h>

#include "frontend/display/png.h"

enum { LEVEL = 3 };
enum { COLOUR_RGB = 2, FILTER_UP = 2 };
enum { SIGNATURE_BYTES = 8, IHDR_BYTES = 13, CHUNK_BYTES = 12 /* length, type, CRC */ };

static void store_be32(u8 *to, u32 v)
{
    for (int i = 0; i < 4; i++) to[i] = (u8)(v >> (24 - 8 * i));
}

/* A chunk whose n bytes are in place behind its length and type; returns its end. */
static u8 *end_chunk(u8 *at, const char *type, u32 n)
{
    store_be32(at, n);
    memcpy(at + 4, type, 4);
    store_be32(at + 8 + n, (u32)crc32(0, at + 4, n + 4));
    return at + CHUNK_BYTES + n;
}

void png_row_rgb(u8 *to, const u32 *xrgb, u32 width)
{
    for (u32 x = 0; x < width; x++, to += PNG_RGB_BYTES) {
        to[0] = (u8)(xrgb[x] >> 16);
        to[1] = (u8)(xrgb[x] >> 8);
        to[2] = (u8)xrgb[x];
    }
}

/* Filter byte and filtered pixels of all rows. */
static void filter(u8 *to, u32 width, u32 height, const u32 *xrgb)
{
    size_t row = (size_t)width * PNG_RGB_BYTES;
    for (u32 y = 0; y < height; y++) png_row_rgb(to + y * (row + 1) + 1, xrgb + (size_t)y * width, width);
    for (u32 y = height; y--;) {
        u8 *at = to + y * (row + 1);
        *at++ = FILTER_UP;
        for (size_t x = 0; y && x < row; x++) at[x] = (u8)(at[x] - at[x - row - 1]);
    }
}

static u8 *begin(u8 *at, u32 width, u32 height)
{
    static const u8 signature[SIGNATURE_BYTES] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    memcpy(at, signature, sizeof signature);
    at += sizeof signature;
    u8 *ihdr = at + 8;
    memset(ihdr, 0, IHDR_BYTES);
    store_be32(ihdr, width);
    store_be32(ihdr + 4, height);
    ihdr[8] = 8;
    ihdr[9] = COLOUR_RGB;
    return end_chunk(at, "IHDR", IHDR_BYTES);
}

u8 *png_pack(u32 width, u32 height, const u32 *xrgb, size_t *bytes)
{
    uLong raw = ((uLong)width * PNG_RGB_BYTES + 1) * height;
    uLongf packed = compressBound(raw);
    u8 *rows = malloc(raw), *png = malloc(packed + SIGNATURE_BYTES + 3 * CHUNK_BYTES + IHDR_BYTES);
    if (rows && png) filter(rows, width, height, xrgb);
    u8 *at = png ? begin(png, width, height) : NULL;
    bool ok = rows && png && compress2(at + 8, &packed, rows, raw, LEVEL) == Z_OK;
    free(rows);
    if (!ok) {
        free(png);
        return NULL;
    }
    at = end_chunk(end_chunk(at, "IDAT", (u32)packed), "IEND", 0);
    *bytes = (size_t)(at - png);
    return png;
}
