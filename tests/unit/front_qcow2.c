/* front_qcow2.c - qcow2 images made by hand, byte by byte after the specification (QEMU, docs/interop/qcow2.txt). */
#include "disk_bench.h"

#include "frontend/host/big_endian.h"
#include "frontend/image/offset_set.h"
#include "frontend/image/table_cache.h"

/* Clusters of the image: header, refcount table, refcount block, L1, L2, data. 64 KiB each, 16 MiB in all. */
enum { CLUSTER = 65536, SECTORS = 32768, PER = CLUSTER / SECTOR_BYTES };
enum {
    AT_TABLE = CLUSTER,
    AT_BLOCK = 2 * CLUSTER,
    AT_L1 = 3 * CLUSTER,
    AT_L2 = 4 * CLUSTER,
    AT_DATA = 5 * CLUSTER
};
#define COPIED (1ull << 63)

static u8 buffer[4 * CLUSTER];

static void put64(int which, u64 at, u64 value)
{
    u8 bytes[8];
    store64_be(bytes, value);
    bench_put(which, at, bytes, sizeof bytes);
}

static void put32(int which, u64 at, u32 value)
{
    u8 bytes[4];
    store32_be(bytes, value);
    bench_put(which, at, bytes, sizeof bytes);
}

static u64 get64(int which, u64 at)
{
    u8 bytes[8] = {0};
    int fd = open(path[which], O_RDONLY);
    assert_int_equal(pread(fd, bytes, 8, (off_t)at), 8);
    close(fd);
    return load64_be(bytes);
}

static u32 refcount(int which, u32 cluster) { return (u32)(get64(which, AT_BLOCK + cluster * 2) >> 48); }

/* Guest cluster 3 has data, cluster 5 is zeros that are written down. */
static void make(int which, u32 version)
{
    bench_put(which, 0, "QFI\xfb", 4);
    put32(which, 4, version);
    put32(which, 20, 16);
    put64(which, 24, (u64)SECTORS * SECTOR_BYTES);
    put32(which, 36, 1);
    put64(which, 40, AT_L1);
    put64(which, 48, AT_TABLE);
    put32(which, 56, 1);
    if (version == 3) put32(which, 96, 4), put32(which, 100, 104);
    put64(which, AT_TABLE, AT_BLOCK);
    put64(which, AT_BLOCK, 0x0001000100010001), put32(which, AT_BLOCK + 8, 0x00010001);
    put64(which, AT_L1, AT_L2 | COPIED);
    put64(which, AT_L2 + 3 * 8, AT_DATA | COPIED);
    if (version == 3) put64(which, AT_L2 + 5 * 8, 1);
    memset(buffer, 0x33, CLUSTER);
    bench_put(which, AT_DATA, buffer, CLUSTER);
}

static u8 byte_at(Disk *d, u64 sector)
{
    u8 bytes[SECTOR_BYTES];
    assert_int_equal(disk_read(d, sector, bytes, 1), 0);
    return bytes[17];
}

static void tables_are_followed(void **state)
{
    (void)state;
    for (u32 version = 2; version <= 3; version++) {
        make(0, version);
        Disk *d = bench_get(0, NULL, false);
        assert_string_equal(disk_format(d), "qcow2");
        assert_int_equal(disk_sectors(d), SECTORS);
        memset(buffer, 0xee, sizeof buffer);
        assert_int_equal(disk_read(d, 2 * PER, buffer, 4 * PER), 0);
        assert_int_equal(buffer[CLUSTER - 1], 0);
        assert_int_equal(buffer[CLUSTER], 0x33);
        assert_int_equal(buffer[2 * CLUSTER - 1], 0x33);
        assert_int_equal(buffer[2 * CLUSTER], 0);
        assert_int_equal(buffer[4 * CLUSTER - 1], 0);
        assert_int_equal(disk_write(d, 0, buffer, 1), EROFS);
        disk_close(d);
        unlink(path[0]);
    }
}

static void writes_take_new_clusters_and_count_them(void **state)
{
    (void)state;
    make(0, 3);
    Disk *d = bench_get(0, NULL, true);
    memset(buffer, 0x44, sizeof buffer);
    assert_int_equal(disk_write(d, 7 * PER + 3, buffer, 2), 0);
    assert_true(disk_is_pending(d));
    assert_int_equal(get64(0, AT_L2 + 7 * 8), 0); /* in memory only */
    assert_int_equal(disk_flush(d), 0);
    assert_false(disk_is_pending(d));
    assert_int_equal(get64(0, AT_L2 + 7 * 8), (AT_DATA + CLUSTER) | COPIED);
    assert_int_equal(refcount(0, 6), 1);
    assert_int_equal(byte_at(d, 7 * PER + 2), 0);
    assert_int_equal(byte_at(d, 7 * PER + 4), 0x44);
    assert_int_equal(disk_write(d, 3 * PER, buffer, 1), 0); /* in place */
    assert_false(disk_is_pending(d));
    assert_int_equal(disk_discard(d, 3 * PER, PER), 0);
    assert_int_equal(byte_at(d, 3 * PER), 0);
    assert_int_equal(disk_flush(d), 0);
    disk_close(d);
    assert_int_equal(get64(0, AT_L2 + 3 * 8), 0);
    assert_int_equal(refcount(0, 5), 0);
}

/* A cluster that a snapshot has, too, is not written. */
static void shared_clusters_are_copied(void **state)
{
    (void)state;
    make(0, 3);
    put64(0, AT_L1, AT_L2);
    put64(0, AT_L2 + 3 * 8, AT_DATA);
    put32(0, AT_BLOCK + 8, 0x00020002);
    Disk *d = bench_get(0, NULL, true);
    memset(buffer, 0x55, SECTOR_BYTES);
    assert_int_equal(disk_write(d, 3 * PER + 1, buffer, 1), 0);
    assert_int_equal(byte_at(d, 3 * PER), 0x33);
    assert_int_equal(byte_at(d, 3 * PER + 1), 0x55);
    disk_close(d);
    assert_int_equal(get64(0, AT_L2 + 3 * 8), AT_DATA);
    assert_int_equal(get64(0, AT_DATA + SECTOR_BYTES), 0x3333333333333333);
    assert_int_equal(refcount(0, 4), 1);
    assert_int_equal(refcount(0, 5), 1);
    assert_true(get64(0, AT_L1) & COPIED);
}

static void name_backing(int which, const char *name, const char *format)
{
    put64(which, 8, 2048);
    put32(which, 16, (u32)strlen(name));
    bench_put(which, 2048, name, strlen(name));
    if (!*format) return;
    put32(which, 104, 0xe2792aca), put32(which, 108, (u32)strlen(format));
    bench_put(which, 112, format, strlen(format));
}

static void a_backing_file_shows_through(void **state)
{
    (void)state;
    memset(buffer, 0x77, CLUSTER);
    bench_put(1, 0, buffer, CLUSTER); /* shorter than the image */
    make(0, 3);
    name_backing(0, "image1", "raw");
    Disk *d = bench_get(0, NULL, true);
    assert_int_equal(byte_at(d, 0), 0x77);
    assert_int_equal(byte_at(d, PER), 0);
    memset(buffer, 0x11, SECTOR_BYTES);
    assert_int_equal(disk_write(d, 1, buffer, 1), 0);
    assert_int_equal(byte_at(d, 0), 0x77);
    assert_int_equal(byte_at(d, 1), 0x11);
    assert_int_equal(disk_write(d, 5 * PER + 1, buffer, 1), 0); /* zeros hide what is behind */
    assert_int_equal(byte_at(d, 5 * PER), 0);
    disk_close(d);
    unlink(path[1]);
    bench_refused(0, NULL, false, "its backing file 'image1': No such file");
    DiskSpec alone = {.path = path[0], .no_backing = true};
    d = disk_open(&alone, &problem);
    assert_non_null(d);
    assert_int_equal(byte_at(d, 1), 0x11);
    disk_close(d);
}

static void backing_files_are_chosen_with_care(void **state)
{
    static const struct {
        const char *name, *word;
    } names[] = {{"image0", "leads back to itself"}, {"/proc/self/mem", "kernel's"},
                 {"nbd:host:1", "is no file"},       {"json:{\"driver\":\"raw\"}", "is no file"},
                 {"/root/.ssh/id_rsa", "hidden"},    {".hidden", "No such file"},
                 {"sub/.secret", "hidden"}};
    (void)state;
    for (unsigned n = 0; n < ARRAY_LEN(names); n++) {
        make(0, 3);
        name_backing(0, names[n].name, "");
        bench_refused(0, NULL, true, names[n].word);
        unlink(path[0]);
    }
}

static void what_is_not_known_is_refused(void **state)
{
    static const struct {
        u32 at, value;
        const char *word;
    } changes[] = {{4, 4, "version 4"},
                   {20, 8, "clusters"},
                   {20, 22, "clusters"},
                   {20, 0xffffffff, "clusters"},
                   {32, 2, "encrypted"},
                   {36, 0, "too small"},
                   {36, 0xffffffff, "impossible size"},
                   {40, 1, "L1 table lies outside"},
                   {44, 0x30001, "L1 table lies outside"},
                   {48, 0x7fffffff, "refcount table lies outside"},
                   {56, 0, "refcount table has 0"},
                   {56, 0x1000, "refcount table has"},
                   {76, 1, "was not closed"},
                   {76, 2, "marked as damaged"},
                   {76, 4, "another file"},
                   {76, 8, "compression"},
                   {76, 16, "extended L2"},
                   {72, 0x80000000, "not known (incompatible bits 0x8000000000000000)"},
                   {96, 7, "refcounts have 2^7"},
                   {100, 103, "header is 103"},
                   {100, 0x7fffffff, "header is"},
                   {AT_L1 + 4, AT_TABLE, "in the same place"},
                   {AT_TABLE + 4, AT_L2, "in the same place"},
                   {AT_L1 + 4, 512, "impossible place"}};
    (void)state;
    for (unsigned n = 0; n < ARRAY_LEN(changes); n++) {
        make(0, 3);
        put32(0, changes[n].at, changes[n].value);
        bench_refused(0, NULL, true, changes[n].word);
        unlink(path[0]);
    }
}

/* The guest may use such an image, but not reach its tables. */
static void hostile_tables_give_errors(void **state)
{
    static const u64 entries[] = {0 | COPIED | 512, AT_L1 | COPIED, AT_L2 | COPIED, AT_TABLE | COPIED,
                                  AT_BLOCK | COPIED};
    (void)state;
    for (unsigned n = 0; n < ARRAY_LEN(entries); n++) {
        make(0, 3);
        put64(0, AT_L2, entries[n]);
        Disk *d = bench_get(0, NULL, true);
        assert_int_equal(disk_write(d, 0, buffer, 1), EIO);
        assert_non_null(strstr(disk_trouble(d), "damaged"));
        assert_int_equal(disk_write(d, PER, buffer, 1), 0);
        disk_close(d);
        unlink(path[0]);
    }
    make(0, 3);
    put64(0, AT_L2, 1ull << 62 | 0xffffffffffff);
    put64(0, AT_L2 + 8, 0x00fffffffff00000);
    Disk *d = bench_get(0, NULL, false);
    assert_int_equal(disk_read(d, 0, buffer, 1), EIO);
    assert_int_equal(disk_read(d, PER, buffer, 1), 0); /* behind the file's end there are zeros */
    assert_int_equal(buffer[0], 0);
    disk_close(d);
}

static void a_set_of_offsets_holds_and_forgets(void **state)
{
    OffsetSet s = {0};
    bool was;
    (void)state;
    for (u64 n = 0; n < 5000; n++) assert_true(offset_set_add(&s, n * n, &was) && !was);
    for (u64 n = 0; n < 5000; n += 2) offset_set_remove(&s, n * n);
    for (u64 n = 0; n < 5000; n++) assert_int_equal(offset_set_has(&s, n * n), n & 1);
    assert_true(offset_set_add(&s, 1, &was) && was);
    assert_int_equal(s.count, 2500);
    offset_set_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH_TEST(tables_are_followed),
        BENCH_TEST(writes_take_new_clusters_and_count_them),
        BENCH_TEST(shared_clusters_are_copied),
        BENCH_TEST(a_backing_file_shows_through),
        BENCH_TEST(backing_files_are_chosen_with_care),
        BENCH_TEST(what_is_not_known_is_refused),
        BENCH_TEST(hostile_tables_give_errors),
        cmocka_unit_test(a_set_of_offsets_holds_and_forgets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
