/* front_disk.c - image files: which format a file is, and raw ones. */
#include "disk_bench.h"

static u8 buffer[16 * SECTOR_BYTES];

static void raw_is_the_file(void **state)
{
    (void)state;
    bench_size(0, 20 * SECTOR_BYTES + 1);
    Disk *d = bench_get(0, NULL, true);
    assert_string_equal(disk_format(d), "raw");
    assert_int_equal(disk_sectors(d), 21);
    memset(buffer, 0x5a, sizeof buffer);
    assert_int_equal(disk_write(d, 3, buffer, 16), 0);
    assert_int_equal(disk_write(d, 20, buffer, 1), 0);
    memset(buffer, 0, sizeof buffer);
    assert_int_equal(disk_read(d, 4, buffer, 16), 0);
    assert_int_equal(buffer[0], 0x5a);
    assert_int_equal(buffer[15 * SECTOR_BYTES], 0);
    assert_int_equal(disk_flush(d), 0);
    assert_int_equal(disk_discard(d, 3, 7), 0);
    assert_int_equal(disk_read(d, 7, buffer, 4), 0);
    assert_int_equal(buffer[0], 0x5a); /* what would tell a format stays */
    assert_int_equal(buffer[SECTOR_BYTES], 0);
    assert_int_equal(buffer[2 * SECTOR_BYTES], 0);
    assert_int_equal(buffer[3 * SECTOR_BYTES], 0x5a);
    disk_close(d);
    struct stat st;
    assert_int_equal(stat(path[0], &st), 0);
    assert_int_equal(st.st_size, 21 * SECTOR_BYTES);
}

/* What a guest could write into a raw image so that it would be another format at the next start. */
static const struct {
    u64 sector;
    u32 at;
    const char *bytes;
    u32 count;
} disguises[] = {
    {0, 0, "QFI\xfb\0\0\0\3", 8}, {0, 0, "KDMV\1\0\0\0", 8}, {0, 0x40, "\x7f\x10\xda\xbe", 4},
    {0, 0, "conectix", 8},        {63, 0, "conectix", 8},    {0, 0, "# Disk DescriptorFile\n", 22},
    {0, 0, "\x1f\x8b\x08", 3},
};

static void a_guessed_raw_image_stays_raw(void **state)
{
    (void)state;
    for (unsigned n = 0; n < ARRAY_LEN(disguises); n++) {
        bench_size(0, 64 * SECTOR_BYTES);
        Disk *d = bench_get(0, NULL, true);
        memset(buffer, 0, sizeof buffer);
        memcpy(buffer + disguises[n].at, disguises[n].bytes, disguises[n].count);
        assert_int_equal(disk_write(d, disguises[n].sector, buffer, 1), EPERM);
        assert_non_null(strstr(disk_trouble(d), "format=raw"));
        assert_int_equal(disk_read(d, disguises[n].sector, buffer, 1), 0);
        assert_int_equal(buffer[disguises[n].at], 0);
        assert_null(disk_trouble(d));
        disk_close(d);
        assert_int_equal(disk_write(d = bench_get(0, "raw", true), disguises[n].sector, buffer, 1), 0);
        disk_close(d);
    }
}

/* A text of many sectors, in pieces: none of which is a CUE sheet by itself. */
static void pieces_do_not_pass_either(void **state)
{
    (void)state;
    bench_size(0, 64 * SECTOR_BYTES);
    Disk *d = bench_get(0, NULL, true);
    memset(buffer, ' ', sizeof buffer);
    memcpy(buffer, "FILE \"secret\" BINARY\n  TRACK 01 MODE1/2352\n", 43);
    assert_int_equal(disk_write(d, 1, buffer + SECTOR_BYTES, 8), 0);
    assert_int_equal(disk_write(d, 0, buffer, 1), EPERM);
    disk_close(d);
}

static void ordinary_boot_sectors_pass(void **state)
{
    (void)state;
    bench_size(0, 64 * SECTOR_BYTES);
    Disk *d = bench_get(0, NULL, true);
    memset(buffer, 0, sizeof buffer);
    memcpy(buffer, "\xeb\x3c\x90MSDOS5.0", 11);
    assert_int_equal(disk_write(d, 0, buffer, 16), 0);
    assert_int_equal(disk_write(d, 60, buffer, 4), 0);
    assert_int_equal(disk_read(d, 0, buffer, 1), 0);
    assert_int_equal(buffer[0], 0xeb);
    disk_close(d);
}

static void other_files_are_refused(void **state)
{
    (void)state;
    bench_refused(0, NULL, false, "No such file");
    bench_size(0, 0);
    bench_refused(0, NULL, false, "is empty");
    bench_put(0, 0, "PK\3\4", 4);
    bench_refused(0, NULL, false, "zip");
    bench_refused(0, "squashed", false, "squashed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH_TEST(raw_is_the_file),           BENCH_TEST(a_guessed_raw_image_stays_raw),
        BENCH_TEST(pieces_do_not_pass_either), BENCH_TEST(ordinary_boot_sectors_pass),
        BENCH_TEST(other_files_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
