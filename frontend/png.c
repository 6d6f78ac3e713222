/* png.c - screenshots: Portable Network Graphics (RFC 2083, ISO 15948) by zlib, and PPM as netpbm defines it.
 *
 * 8-bit RGB, not interlaced, one IDAT chunk. Each row is filtered by Up: a screen's rows resemble each other, and
 * most bytes become 0, which deflates well and fast.
 */
#include "frontend/png.h"

#include <errno.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "frontend/output.h"

enum { LEVEL = 3, RGB_BYTES = 3, LARGEST = 1 << 14 /* pixels a side */ };
enum { COLOUR_RGB = 2, FILTER_UP = 2 };

static bool put_all(int fd, const u8 *bytes, size_t n)
{
    while (n) {
        ssize_t done = write(fd, bytes, n);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return false;
        bytes += done;
        n -= (size_t)done;
    }
    return true;
}

static void store_be32(u8 *to, u32 v)
{
    for (int i = 0; i < 4; i++) to[i] = (u8)(v >> (24 - 8 * i));
}

static bool put_chunk(int fd, const char *type, const u8 *bytes, u32 n)
{
    u8 head[8], crc[4];
    store_be32(head, n);
    memcpy(head + 4, type, 4);
    uLong sum = crc32(crc32(0, head + 4, 4), bytes, n);
    store_be32(crc, (u32)(n ? sum : crc32(0, head + 4, 4)));
    return put_all(fd, head, sizeof head) && put_all(fd, bytes, n) && put_all(fd, crc, sizeof crc);
}

static void row_rgb(u8 *to, const u32 *xrgb, u32 width)
{
    for (u32 x = 0; x < width; x++, to += RGB_BYTES) {
        to[0] = (u8)(xrgb[x] >> 16);
        to[1] = (u8)(xrgb[x] >> 8);
        to[2] = (u8)xrgb[x];
    }
}

/* Filter byte and filtered pixels of all rows. */
static void filter(u8 *to, u32 width, u32 height, const u32 *xrgb)
{
    size_t row = (size_t)width * RGB_BYTES;
    for (u32 y = 0; y < height; y++) row_rgb(to + y * (row + 1) + 1, xrgb + (size_t)y * width, width);
    for (u32 y = height; y--;) {
        u8 *at = to + y * (row + 1);
        *at++ = FILTER_UP;
        for (size_t x = 0; y && x < row; x++) at[x] = (u8)(at[x] - at[x - row - 1]);
    }
}

static bool put_png(int fd, u32 width, u32 height, const u32 *xrgb)
{
    static const u8 signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    u8 ihdr[13] = {[8] = 8, [9] = COLOUR_RGB};
    uLong raw = ((uLong)width * RGB_BYTES + 1) * height;
    uLongf packed = compressBound(raw);
    u8 *rows = malloc(raw), *data = malloc(packed);
    store_be32(ihdr, width);
    store_be32(ihdr + 4, height);
    if (rows && data) filter(rows, width, height, xrgb);
    bool ok = rows && data && compress2(data, &packed, rows, raw, LEVEL) == Z_OK &&
              put_all(fd, signature, sizeof signature) && put_chunk(fd, "IHDR", ihdr, sizeof ihdr) &&
              put_chunk(fd, "IDAT", data, (u32)packed) && put_chunk(fd, "IEND", ihdr, 0);
    free(rows);
    free(data);
    return ok;
}

static u32 decimal(u8 *to, u32 v)
{
    u32 n = v >= 10 ? decimal(to, v / 10) : 0;
    to[n] = (u8)('0' + v % 10);
    return n + 1;
}

static bool put_ppm(int fd, u32 width, u32 height, const u32 *xrgb)
{
    u8 head[40] = "P6\n";
    u32 n = 3;
    n += decimal(head + n, width);
    head[n++] = ' ';
    n += decimal(head + n, height);
    memcpy(head + n, "\n255\n", 5);
    u8 *rows = malloc((size_t)width * height * RGB_BYTES);
    if (rows) row_rgb(rows, xrgb, width * height);
    bool ok = rows && put_all(fd, head, n + 5) && put_all(fd, rows, (size_t)width * height * RGB_BYTES);
    free(rows);
    return ok;
}

static bool write_file(const char *path, u32 width, u32 height, const u32 *xrgb, Problem *p,
                       bool (*put)(int fd, u32 width, u32 height, const u32 *xrgb))
{
    if (!width || !height || width > LARGEST || height > LARGEST)
        return problem_set(p, "there is no picture to write");
    const char *lack;
    int fd = output_open(path, &lack);
    if (fd < 0) return problem_set(p, "failed to open file '%.200s': %s", path, lack);
    errno = 0;
    bool ok = put(fd, width, height, xrgb);
    int why = errno ? errno : ENOMEM;
    struct stat st;
    if (!ok && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) unlink(path);
    close(fd);
    if (ok) return true;
    return problem_set(p, "failed to write file '%.200s': %s", path, strerror(why));
}

bool png_write(const char *path, u32 width, u32 height, const u32 *xrgb, Problem *p)
{
    return write_file(path, width, height, xrgb, p, put_png);
}

bool ppm_write(const char *path, u32 width, u32 height, const u32 *xrgb, Problem *p)
{
    return write_file(path, width, height, xrgb, p, put_ppm);
}

bool picture_write(const char *path, u32 width, u32 height, const u32 *xrgb, Problem *p)
{
    size_t n = strlen(path);
    bool png = n >= 4 && !strcasecmp(path + n - 4, ".png");
    return (png ? png_write : ppm_write)(path, width, height, xrgb, p);
}

/* Do all rows come in groups of `times` equal ones? A split screen may have others. */
static bool rows_repeat(const Picture *pic, u32 times)
{
    const u32 *row = pic->pixels;
    if (times < 2 || pic->height % times) return false;
    for (u32 y = 0; y < pic->height; y++, row += pic->width)
        if (y % times && memcmp(row, row - pic->width, pic->width * sizeof *row) != 0) return false;
    return true;
}

bool picture_save(const char *path, const Picture *pic, Problem *p)
{
    u32 times = pic->line_repeat, height = pic->height;
    if (!rows_repeat(pic, times)) return picture_write(path, pic->width, height, pic->pixels, p);
    height /= times;
    u32 *rows = malloc((size_t)pic->width * height * sizeof *rows);
    if (!rows) return problem_set(p, "%.200s: the host has not enough memory", path);
    for (u32 y = 0; y < height; y++)
        memcpy(rows + (size_t)y * pic->width, pic->pixels + (size_t)y * times * pic->width,
               pic->width * sizeof *rows);
    bool ok = picture_write(path, pic->width, height, rows, p);
    free(rows);
    return ok;
}
