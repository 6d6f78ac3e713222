/* png_unpack.c - reads what png_pack.c makes, and nothing else that calls itself PNG: 8-bit RGB, one IDAT, rows filtered by
 * Up. Anybody may have written the file: what it says is compared with the only form that there is, and it unpacks to the
 * size that its head says, or not at all.
 */
#include <stdlib.h>
#include <zlib.h>

#include "frontend/display/png.h"

enum { FILTER_UP = 2, SIGNATURE_BYTES = 8, IHDR_BYTES = 13, CHUNK_BYTES = 12 /* length, type, CRC */ };
enum { PACKED_AT = SIGNATURE_BYTES + CHUNK_BYTES + IHDR_BYTES };

static u32 load_be32(const u8 *at) { return (u32)at[0] << 24 | (u32)at[1] << 16 | (u32)at[2] << 8 | at[3]; }

/* A whole chunk of that type in `room` bytes: how many it has; -1: there is none. */
static s64 chunk_bytes(const u8 *at, size_t room, const char *type)
{
    if (room < CHUNK_BYTES || memcmp(at + 4, type, 4) != 0) return -1;
    u32 n = load_be32(at);
    if (n > room - CHUNK_BYTES || load_be32(at + 8 + n) != (u32)crc32(0, at + 4, n + 4)) return -1;
    return n;
}

static bool read_head(const u8 *png, size_t bytes, u32 *width, u32 *height)
{
    static const u8 signature[SIGNATURE_BYTES] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    static const u8 kind[5] = {8, 2, 0, 0, 0}; /* 8 bits, RGB, not interlaced */
    if (bytes < PACKED_AT || memcmp(png, signature, sizeof signature) != 0) return false;
    if (chunk_bytes(png + SIGNATURE_BYTES, bytes - SIGNATURE_BYTES, "IHDR") != IHDR_BYTES) return false;
    const u8 *ihdr = png + SIGNATURE_BYTES + 8;
    *width = load_be32(ihdr);
    *height = load_be32(ihdr + 4);
    return memcmp(ihdr + 8, kind, sizeof kind) == 0;
}

/* Rows with their filter bytes, in place; then the pixels. */
static bool unfilter(u8 *rows, u32 width, u32 height, u32 *xrgb)
{
    size_t row = (size_t)width * PNG_RGB_BYTES + 1;
    for (u32 y = 0; y < height; y++) {
        u8 *at = rows + y * row;
        if (*at != FILTER_UP) return false;
        for (size_t x = 1; y && x < row; x++) at[x] = (u8)(at[x] + at[x - row]);
        for (u32 x = 0; x < width; x++)
            *xrgb++ = (u32)at[1 + 3 * x] << 16 | (u32)at[2 + 3 * x] << 8 | at[3 + 3 * x];
    }
    return true;
}

bool png_unpack(const u8 *png, size_t bytes, u32 *width, u32 *height, u32 *xrgb, u32 pixels_max)
{
    if (!read_head(png, bytes, width, height)) return false;
    u64 pixels = (u64)*width * *height;
    if (!pixels || pixels > pixels_max) return false;
    s64 packed = chunk_bytes(png + PACKED_AT, bytes - PACKED_AT, "IDAT");
    if (packed < 0) return false;
    uLongf got = (uLongf)(pixels * PNG_RGB_BYTES + *height);
    const uLongf all = got;
    u8 *rows = malloc(all);
    bool good = rows && uncompress(rows, &got, png + PACKED_AT + 8, (uLong)packed) == Z_OK && got == all &&
                unfilter(rows, *width, *height, xrgb);
    free(rows);
    return good;
}
