/* Screenshots: a PNG that zlib and the specification's filters lead back from, a PPM byte by byte; our own PNG read back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

#include "frontend/display/png.h"

static char path[] = "/tmp/ring3-png-XXXXXX.png";

static size_t load(u8 *to, size_t room)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t n = fread(to, 1, room, f);
    fclose(f);
    return n;
}

static u32 be32(const u8 *p) { return (u32)p[0] << 24 | (u32)p[1] << 16 | (u32)p[2] << 8 | p[3]; }

static void png_file(void **state)
{
    static const u32 pixels[6] = {0xff0000, 0x00ff00, 0x0000ff, 0x123456, 0xffffff, 0xaa000000};
    static u8 file[4096];
    u8 rows[2 * 10];
    uLongf n = sizeof rows;
    Problem p;
    (void)state;
    assert_true(picture_write(path, 3, 2, pixels, &p));
    size_t bytes = load(file, sizeof file);
    assert_memory_equal(file, "\x89PNG\r\n\x1a\n", 8);
    assert_memory_equal(file + 8, "\0\0\0\xdIHDR\0\0\0\3\0\0\0\2\x8\2\0\0\0", 21);
    assert_int_equal(be32(file + 29), crc32(0, file + 12, 17));
    u32 data = be32(file + 33);
    assert_memory_equal(file + 37, "IDAT", 4);
    assert_int_equal(be32(file + 41 + data), crc32(0, file + 37, 4 + data));
    assert_memory_equal(file + 45 + data, "\0\0\0\0IEND\xae\x42\x60\x82", 12);
    assert_int_equal(bytes, 57 + data);
    assert_int_equal(uncompress(rows, &n, file + 41, data), Z_OK);
    assert_int_equal(n, 20);
    assert_memory_equal(rows, "\2\xff\0\0\0\xff\0\0\0\xff", 10);
    for (int x = 1; x < 10; x++) rows[10 + x] = (u8)(rows[10 + x] + rows[x]);
    assert_memory_equal(rows + 10, "\2\x12\x34\x56\xff\xff\xff\0\0\0", 10);
}

static void ppm_file(void **state)
{
    static const u32 pixels[2] = {0x010203, 0xff0a0b};
    u8 file[64];
    Problem p;
    (void)state;
    assert_true(ppm_write(path, 1, 2, pixels, &p));
    assert_int_equal(load(file, sizeof file), 17);
    assert_memory_equal(file, "P6\n1 2\n255\n\1\2\3\xff\xa\xb", 17);
}

static void bad_files(void **state)
{
    static const u32 pixel = 0;
    Problem p;
    (void)state;
    assert_false(picture_write("/nonexistent/x.png", 1, 1, &pixel, &p));
    assert_non_null(strstr(p.text, "'/nonexistent/x.png': No such file"));
    assert_false(picture_write(path, 0, 1, &pixel, &p));
    assert_false(picture_write("/dev/full", 1, 1, &pixel, &p));
    assert_non_null(strstr(p.text, "/dev/full"));
    assert_int_equal(access("/dev/full", F_OK), 0); /* only files are taken away */
}

enum { WIDTH = 31, HEIGHT = 17, PIXELS = WIDTH * HEIGHT };

static void read_back(void **state)
{
    static u32 pixels[PIXELS], got[PIXELS + 1];
    u32 width, height;
    size_t bytes;
    (void)state;
    srand(1);
    for (unsigned n = 0; n < PIXELS; n++) pixels[n] = (u32)rand() & 0xffffff;
    u8 *png = png_pack(WIDTH, HEIGHT, pixels, &bytes);
    got[PIXELS] = 0xcafe;
    assert_true(png_unpack(png, bytes, &width, &height, got, PIXELS));
    assert_int_equal(width, WIDTH);
    assert_int_equal(height, HEIGHT);
    assert_memory_equal(got, pixels, sizeof pixels);
    assert_false(png_unpack(png, bytes, &width, &height, got, PIXELS - 1));
    assert_int_equal(got[PIXELS], 0xcafe);
    free(png);
}

/* Cut off anywhere, or with any byte changed: refused. What comes behind the pixels does not count. */
static void damaged(void **state)
{
    enum { END_CHUNK = 12 };
    static u32 pixels[PIXELS], got[PIXELS];
    u32 width, height;
    size_t bytes;
    (void)state;
    for (unsigned n = 0; n < PIXELS; n++) pixels[n] = n * 0x010203;
    u8 *png = png_pack(WIDTH, HEIGHT, pixels, &bytes);
    for (size_t n = 0; n < bytes - END_CHUNK; n++) {
        u8 *cut = malloc(n ? n : 1); /* of that size, so that a sanitizer sees who reads on */
        memcpy(cut, png, n);
        assert_false(png_unpack(cut, n, &width, &height, got, PIXELS));
        free(cut);
        png[n] ^= (u8)(1 + n % 255);
        assert_false(png_unpack(png, bytes, &width, &height, got, PIXELS));
        png[n] ^= (u8)(1 + n % 255);
    }
    free(png);
}

static void set_be32(u8 *p, u32 v)
{
    for (int i = 0; i < 4; i++) p[i] = (u8)(v >> (24 - 8 * i));
}

/* A head with a right checksum and other sizes: more or fewer rows than there are, none, and ones whose product overflows. */
static void sizes_that_lie(void **state)
{
    static const u32 sizes[][2] = {
        {WIDTH, HEIGHT + 1}, {WIDTH, HEIGHT - 1}, {WIDTH + 1, HEIGHT},      {0, HEIGHT},
        {WIDTH, 0},          {0x80000000, 2},     {0xffffffff, 0xffffffff}, {0x10000, 0x10000}};
    static u32 pixels[PIXELS], got[4 * PIXELS];
    u32 width, height;
    size_t bytes;
    (void)state;
    u8 *png = png_pack(WIDTH, HEIGHT, pixels, &bytes);
    for (unsigned n = 0; n < ARRAY_LEN(sizes); n++) {
        set_be32(png + 16, sizes[n][0]);
        set_be32(png + 20, sizes[n][1]);
        set_be32(png + 29, (u32)crc32(0, png + 12, 17));
        assert_false(png_unpack(png, bytes, &width, &height, got, 4 * PIXELS));
    }
    free(png);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(png_file),  cmocka_unit_test(ppm_file), cmocka_unit_test(bad_files),
        cmocka_unit_test(read_back), cmocka_unit_test(damaged),  cmocka_unit_test(sizes_that_lie),
    };
    close(mkstemps(path, 4));
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
