/* The small picture that is kept with a snapshot: its shape and colours, its file, and files that are none of ours. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/display/png.h"
#include "frontend/host/files.h"
#include "frontend/snapshot/thumbnail.h"

static char folder[] = "/tmp/ring3-thumbnail-XXXXXX";
static Thumbnail made, got;

static void shape(u32 width, u32 height, u32 want_width, u32 want_height)
{
    u32 *pixels = calloc((size_t)width * height, sizeof *pixels);
    thumbnail_shrink(&made, width, height, pixels);
    free(pixels);
    assert_int_equal(made.width, want_width);
    assert_int_equal(made.height, want_height);
}

static void as_a_monitor_shows_it(void **state)
{
    (void)state;
    shape(720, 400, 160, 120); /* the VGA's modes fill 4:3 */
    shape(320, 400, 160, 120);
    shape(640, 480, 160, 120);
    shape(1024, 768, 160, 120);
    shape(1280, 1024, 150, 120);
    shape(1920, 1080, 160, 90);
    shape(4096, 480, 160, 18);
    shape(640, 100000, 1, 120);
}

static void colours_are_the_mean(void **state)
{
    static u32 pixels[640 * 480];
    (void)state;
    for (u32 n = 0; n < ARRAY_LEN(pixels); n++) pixels[n] = n % 2 ? 0x10ff20 : 0x300140;
    thumbnail_shrink(&made, 640, 480, pixels);
    for (u32 n = 0; n < THUMBNAIL_PIXELS; n++) assert_int_equal(made.pixel[n], 0x208030);
    static const u32 few[4] = {0xff, 0xff00, 0xff0000, 0xffffff}; /* fewer than the thumbnail's */
    thumbnail_shrink(&made, 2, 2, few);
    assert_int_equal(made.pixel[0], few[0]);
    assert_int_equal(made.pixel[THUMBNAIL_WIDTH - 1], few[1]);
    assert_int_equal(made.pixel[THUMBNAIL_PIXELS - THUMBNAIL_WIDTH], few[2]);
    assert_int_equal(made.pixel[THUMBNAIL_PIXELS - 1], few[3]);
    thumbnail_shrink(&made, 0, 5, few);
    assert_int_equal(made.width, 0);
}

static void random_picture(void)
{
    made.width = THUMBNAIL_WIDTH;
    made.height = THUMBNAIL_HEIGHT;
    for (u32 n = 0; n < THUMBNAIL_PIXELS; n++) made.pixel[n] = (u32)rand() & 0xffffff;
}

static void path_of(u32 id, char to[100]) { snprintf(to, 100, "%s/%u.png", folder, id); }

static void its_file(void **state)
{
    char path[100];
    struct stat st;
    (void)state;
    random_picture(); /* which cannot be packed */
    thumbnail_write(7, &made);
    path_of(7, path);
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size < 64 << 10);
    thumbnail_read(7, &got);
    assert_int_equal(got.width, made.width);
    assert_int_equal(got.height, made.height);
    assert_memory_equal(got.pixel, made.pixel, sizeof made.pixel);
    thumbnail_read(8, &got);
    assert_int_equal(got.width, 0);
    made.width = 0; /* a snapshot without one leaves none of an older of that number */
    thumbnail_write(7, &made);
    assert_int_equal(access(path, F_OK), -1);
}

static void put(u32 id, const void *bytes, size_t count)
{
    char path[100];
    path_of(id, path);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, count, f), count);
    fclose(f);
}

static bool is_read(u32 id)
{
    thumbnail_read(id, &got);
    return got.width || got.height;
}

static void files_that_are_none(void **state)
{
    static const u32 sizes[][2] = {{THUMBNAIL_PIXELS, 1}, {1, THUMBNAIL_PIXELS}, {161, 100}, {100, 121}};
    static u32 pixels[THUMBNAIL_PIXELS];
    static u8 large[1 << 20];
    char path[100];
    size_t bytes;
    (void)state;
    for (unsigned n = 0; n < ARRAY_LEN(sizes); n++) { /* as many pixels, but not of that shape */
        u8 *png = png_pack(sizes[n][0], sizes[n][1], pixels, &bytes);
        put(1, png, bytes);
        free(png);
        assert_false(is_read(1));
    }
    put(2, large, sizeof large);
    assert_false(is_read(2));
    put(3, "", 0);
    assert_false(is_read(3));
    path_of(4, path);
    assert_int_equal(mkfifo(path, 0600), 0); /* and it does not hang */
    assert_false(is_read(4));
    random_picture();
    thumbnail_write(5, &made);
    assert_true(is_read(5));
    path_of(6, path);
    assert_int_equal(symlink("5.png", path), 0);
    assert_false(is_read(6));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_a_monitor_shows_it),
        cmocka_unit_test(colours_are_the_mean),
        cmocka_unit_test(its_file),
        cmocka_unit_test(files_that_are_none),
    };
    if (!mkdtemp(folder)) return 1;
    file_state_folder = folder;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    for (u32 id = 1; id < 8; id++) thumbnail_remove(id);
    rmdir(folder);
    return failed;
}
