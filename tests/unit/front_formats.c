/* front_formats.c - VDI, VHD, VMDK, gzip and CUE images made by hand, by their descriptions; hostile ones, too. */
#include "disk_bench.h"

#include <zlib.h>

#include "frontend/host/big_endian.h"

static u8 buffer[64 * 1024];

static void little32(int which, u64 at, u32 v) { bench_put(which, at, &v, 4); }
static void little64(int which, u64 at, u64 v) { bench_put(which, at, &v, 8); }

static void text(int which, const char *s) { bench_put(which, 0, s, strlen(s)); }

static u8 byte_at(Disk *d, u64 sector)
{
    u8 bytes[SECTOR_BYTES];
    assert_int_equal(disk_read(d, sector, bytes, 1), 0);
    assert_int_equal(bytes[0], bytes[SECTOR_BYTES - 1]);
    return bytes[0];
}

static void put_byte(Disk *d, u64 sector, u8 byte)
{
    memset(buffer, byte, SECTOR_BYTES);
    int error = disk_write(d, sector, buffer, 1);
    if (error) fail_msg("%s %s", strerror(error), disk_trouble(d) ? disk_trouble(d) : "");
}

static void fill_file(int which, u64 at, u8 byte, u32 n)
{
    memset(buffer, byte, n);
    bench_put(which, at, buffer, n);
}

/* --- VDI ------------------------------------------------------------------------------------------------- */

/* Four blocks of 4 KiB, of which the third is there. */
static void make_vdi(void)
{
    bench_size(0, 1536);
    little32(0, 0x40, 0xbeda107f), little32(0, 0x44, 0x10001), little32(0, 0x4c, 1);
    little32(0, 0x154, 512), little32(0, 0x158, 1024), little32(0, 0x168, 512);
    little64(0, 0x170, 16384), little32(0, 0x178, 4096), little32(0, 0x180, 4), little32(0, 0x184, 1);
    little32(0, 512, 0xffffffff), little32(0, 516, 0xfffffffe), little32(0, 520, 0),
        little32(0, 524, 0xffffffff);
    fill_file(0, 1024, 0x31, 4096);
}

static void vdi_blocks_are_mapped(void **state)
{
    (void)state;
    make_vdi();
    Disk *d = bench_get(0, NULL, true);
    assert_string_equal(disk_format(d), "vdi");
    assert_int_equal(disk_sectors(d), 32);
    assert_int_equal(byte_at(d, 0), 0);
    assert_int_equal(byte_at(d, 8), 0);
    assert_int_equal(byte_at(d, 23), 0x31);
    put_byte(d, 9, 0x32);
    put_byte(d, 16, 0x33);
    assert_int_equal(byte_at(d, 8), 0);
    assert_int_equal(byte_at(d, 9), 0x32);
    assert_int_equal(byte_at(d, 17), 0x31);
    disk_close(d);
    d = bench_get(0, "vdi", false);
    assert_int_equal(byte_at(d, 9), 0x32);
    assert_int_equal(byte_at(d, 16), 0x33);
    disk_close(d);
}

static void vdi_nonsense_is_refused(void **state)
{
    static const struct {
        u32 at, value;
        const char *word;
    } changes[] = {{0x40, 0, "no VDI"},
                   {0x44, 0x20001, "version"},
                   {0x4c, 4, "differencing"},
                   {0x178, 3000, "blocks"},
                   {0x178, 0x80000000, "blocks"},
                   {0x180, 3, "size"},
                   {0x180, 0xffffffff, "size"},
                   {0x174, 0x7fffffff, "size"},
                   {0x154, 0xfffffe00, "map lies"},
                   {512, 5, "not there"},
                   {512, 0, "twice"},
                   {0x184, 9, "more blocks"}};
    (void)state;
    for (unsigned n = 0; n < ARRAY_LEN(changes); n++) {
        make_vdi();
        little32(0, changes[n].at, changes[n].value);
        bench_refused(0, "vdi", n & 1, changes[n].word);
        unlink(path[0]);
    }
}

/* --- VHD ------------------------------------------------------------------------------------------------- */

static void seal(u8 *bytes, u32 n, u32 at)
{
    u32 sum = 0;
    store32_be(bytes + at, 0);
    for (u32 i = 0; i < n; i++) sum += bytes[i];
    store32_be(bytes + at, ~sum);
}

static void make_footer(u8 f[512], u32 type, u64 sectors, u8 uuid)
{
    memset(f, 0, 512);
    memcpy(f, "conectix", 8);
    store64_be(f + 16, type == 2 ? ~0ull : 512);
    memcpy(f + 28, "win ", 4);
    store64_be(f + 48, sectors * 512);
    store32_be(f + 60, type);
    memset(f + 68, uuid, 16);
    seal(f, 512, 64);
}

/* Four blocks of 4 KiB, none of which is there. */
static void make_dynamic(int which, u32 type, u8 uuid, const char *parent, u8 parent_uuid)
{
    u8 f[512], h[1024] = {0}, name[64] = {0};
    make_footer(f, type, 32, uuid);
    memcpy(h, "cxsparse", 8);
    store64_be(h + 16, 1536);
    store32_be(h + 28, 4);
    store32_be(h + 32, 4096);
    memset(h + 40, parent_uuid, 16);
    if (parent) {
        store32_be(h + 576, 0x57327275);
        store32_be(h + 584, (u32)strlen(parent) * 2);
        store64_be(h + 592, 2048);
    }
    for (size_t n = 0; parent && parent[n]; n++) name[n * 2] = (u8)parent[n];
    seal(h, 1024, 36);
    bench_put(which, 0, f, 512);
    bench_put(which, 512, h, 1024);
    fill_file(which, 1536, 0xff, 512);
    bench_put(which, 2048, name, sizeof name);
    bench_put(which, 2560, f, 512);
}

static void vhd_fixed_ends_with_its_footer(void **state)
{
    u8 f[512];
    (void)state;
    make_footer(f, 2, 32, 1);
    fill_file(0, 0, 0x41, 16384);
    bench_put(0, 16384, f, 512);
    Disk *d = bench_get(0, NULL, true);
    assert_string_equal(disk_format(d), "vpc");
    assert_int_equal(disk_sectors(d), 32);
    put_byte(d, 31, 0x42);
    assert_int_equal(byte_at(d, 30), 0x41);
    disk_close(d);
    d = bench_get(0, NULL, false);
    assert_int_equal(byte_at(d, 31), 0x42);
    disk_close(d);
}

static void vhd_blocks_are_added_before_the_footer(void **state)
{
    struct stat st;
    (void)state;
    make_dynamic(0, 3, 1, NULL, 0);
    Disk *d = bench_get(0, NULL, true);
    assert_int_equal(byte_at(d, 20), 0);
    put_byte(d, 20, 0x43);
    put_byte(d, 1, 0x44);
    assert_int_equal(byte_at(d, 21), 0);
    disk_close(d);
    assert_int_equal(stat(path[0], &st), 0);
    assert_int_equal(st.st_size, 2560 + 2 * (512 + 4096) + 512);
    d = bench_get(0, NULL, false);
    assert_int_equal(byte_at(d, 20), 0x43);
    assert_int_equal(byte_at(d, 1), 0x44);
    assert_int_equal(byte_at(d, 0), 0);
    disk_close(d);
}

static void vhd_differencing_has_a_parent(void **state)
{
    (void)state;
    make_dynamic(1, 3, 1, NULL, 0);
    Disk *d = bench_get(1, NULL, true);
    for (u64 n = 0; n < 16; n++) put_byte(d, n, (u8)(0x50 + n));
    disk_close(d);
    make_dynamic(0, 4, 2, ".\\image1", 1);
    d = bench_get(0, NULL, true);
    assert_int_equal(byte_at(d, 3), 0x53);
    put_byte(d, 4, 0x99);
    put_byte(d, 20, 0x98);
    disk_close(d);
    d = bench_get(0, NULL, false);
    for (u64 n = 0; n < 16; n++) assert_int_equal(byte_at(d, n), n == 4 ? 0x99 : 0x50 + n);
    assert_int_equal(byte_at(d, 20), 0x98);
    assert_int_equal(byte_at(d, 21), 0);
    disk_close(d);
    make_dynamic(0, 4, 2, ".\\image1", 7);
    bench_refused(0, NULL, false, "another image");
    make_dynamic(0, 4, 2, "image0", 2);
    bench_refused(0, NULL, false, "leads back to itself");
}

static void vhd_nonsense_is_refused(void **state)
{
    u8 f[512];
    (void)state;
    make_dynamic(0, 3, 1, NULL, 0);
    fill_file(0, 2560 + 70, 9, 1); /* the checksum is that of another: the copy helps */
    disk_close(bench_get(0, NULL, true));
    fill_file(0, 70, 9, 1);
    bench_refused(0, NULL, true, "footer is damaged");
    unlink(path[0]);
    make_footer(f, 2, 1 << 20, 1);
    bench_put(0, 4096, f, 512);
    bench_refused(0, NULL, true, "shorter");
    make_footer(f, 9, 8, 1);
    bench_put(0, 4096, f, 512);
    bench_refused(0, NULL, true, "type 9");
    unlink(path[0]);
    make_dynamic(0, 3, 1, NULL, 0);
    fill_file(0, 1536, 1, 1); /* 01ffffff: outside */
    bench_refused(0, NULL, true, "outside the file");
}

/* --- VMDK ------------------------------------------------------------------------------------------------ */

static void vmdk_parts_are_named(void **state)
{
    (void)state;
    text(0, "# Disk "
            "DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\ncreateType=\"twoGbMaxExtentFlat\"\n"
            "RW 8 FLAT \"image1\" 0\nRW 8 ZERO\nRW 8 FLAT \"image2\" 4\n");
    fill_file(1, 0, 0x61, 4096);
    fill_file(2, 0, 0x62, 8192);
    Disk *d = bench_get(0, NULL, true);
    assert_string_equal(disk_format(d), "vmdk");
    assert_int_equal(disk_sectors(d), 24);
    assert_int_equal(byte_at(d, 7), 0x61);
    assert_int_equal(byte_at(d, 8), 0);
    assert_int_equal(byte_at(d, 16), 0x62);
    put_byte(d, 16, 0x63);
    disk_close(d);
    d = bench_get(2, "raw", false);
    assert_int_equal(byte_at(d, 4), 0x63);
    disk_close(d);
    disk_close(bench_get(0, NULL, false));
    FILE *f = fopen(path[0], "r");
    fseek(f, 36, SEEK_SET); /* the content is another now, and says so */
    assert_int_equal(fread(buffer, 1, 8, f), 8);
    fclose(f);
    assert_memory_not_equal(buffer, "12345678", 8);
}

static void vmdk_nonsense_is_refused(void **state)
{
    static const struct {
        const char *line, *word;
    } lines[] = {{"RW 8 FLAT \"/etc/passwd\" 0\n", "does not lie beside"},
                 {"RW 8 FLAT \"../image1\" 0\n", "does not lie beside"},
                 {"RW 99 FLAT \"image1\" 0\n", "shorter"},
                 {"RW 8 FLAT \"image1\" 18446744073709551615\n", "shorter"},
                 {"RW 8 FLAT \"image3\" 0\n", "No such file"},
                 {"RW 8 SESPARSE \"image1\"\n", "not supported"},
                 {"RW 8 SPARSE \"image1\"\n", "no header"},
                 {"RW x\n", "not understood"},
                 {"RW 99999999999999 ZERO\n", "impossible size"},
                 {"RDONLY 8 FLAT \"image1\" 0\n", "only to be read"},
                 {"\n", "no parts"}};
    (void)state;
    fill_file(1, 0, 0x61, 4096);
    for (unsigned n = 0; n < ARRAY_LEN(lines); n++) {
        text(0, "# Disk DescriptorFile\n");
        bench_put(0, 22, lines[n].line, strlen(lines[n].line));
        bench_refused(0, NULL, true, lines[n].word);
        unlink(path[0]);
    }
}

/* Header, descriptor, directory, one table, one grain of 4 KiB: the second of two. */
static void make_sparse(void)
{
    static const char descriptor[] =
        "# Disk DescriptorFile\nCID=00000002\nparentCID=ffffffff\nRW 16 SPARSE \"image0\"\n";
    bench_put(0, 0, "KDMV\1\0\0\0\1\0\0\0", 12);
    little64(0, 12, 16), little64(0, 20, 8), little64(0, 28, 1), little64(0, 36, 1), little32(0, 44, 512);
    little64(0, 56, 2), little64(0, 64, 8);
    bench_put(0, 512, descriptor, sizeof descriptor - 1);
    little32(0, 1024, 4);
    little32(0, 2048 + 4, 8);
    fill_file(0, 4096, 0x71, 4096);
}

static void vmdk_grains_are_added(void **state)
{
    (void)state;
    make_sparse();
    Disk *d = bench_get(0, NULL, true);
    assert_int_equal(disk_sectors(d), 16);
    assert_int_equal(byte_at(d, 0), 0);
    assert_int_equal(byte_at(d, 8), 0x71);
    put_byte(d, 2, 0x72);
    disk_close(d);
    d = bench_get(0, NULL, false);
    assert_int_equal(byte_at(d, 2), 0x72);
    assert_int_equal(byte_at(d, 3), 0);
    disk_close(d);
    little32(0, 2048 + 4, 2); /* where the directory is */
    d = bench_get(0, NULL, true);
    assert_int_equal(disk_write(d, 8, buffer, 1), EIO);
    disk_close(d);
}

/* --- gzip ------------------------------------------------------------------------------------------------ */

static void put_gzip(const char *mode, u8 byte, u32 n)
{
    gzFile f = gzopen(path[0], mode);
    memset(buffer, byte, n);
    assert_int_equal(gzwrite(f, buffer, n), n);
    gzclose(f);
}

static void gzip_is_unpacked(void **state)
{
    (void)state;
    put_gzip("wb", 0x81, 3 * SECTOR_BYTES);
    put_gzip("ab", 0x82, SECTOR_BYTES); /* another member */
    Disk *d = bench_get(0, NULL, false);
    assert_string_equal(disk_format(d), "gzip");
    assert_int_equal(disk_sectors(d), 4);
    assert_int_equal(byte_at(d, 2), 0x81);
    assert_int_equal(byte_at(d, 3), 0x82);
    disk_close(d);
    bench_refused(0, NULL, true, "only read");
    assert_int_equal(truncate(path[0], 40), 0);
    bench_refused(0, NULL, false, "cannot be unpacked");
}

/* --- CUE ------------------------------------------------------------------------------------------------- */

/* Raw sectors: the number in the data, 0xee elsewhere. */
static void make_bin(int which, u32 sectors, u32 skip)
{
    for (u32 n = 0; n < sectors; n++) {
        fill_file(which, n * 2352u, 0xee, 2352);
        fill_file(which, n * 2352u + skip, (u8)n, 2048);
    }
}

static void a_sheet_names_a_data_track(void **state)
{
    (void)state;
    make_bin(1, 20, 16);
    text(0, "REM COMMENT x\r\nFILE \"image1\" BINARY\r\n  TRACK 01 MODE1/2352\r\n    INDEX 01 00:00:02\r\n"
            "  TRACK 02 AUDIO\r\n    INDEX 00 00:00:10\r\n    INDEX 01 00:00:12\r\n");
    Disk *d = bench_get(0, NULL, false);
    assert_string_equal(disk_format(d), "cue");
    assert_int_equal(disk_sectors(d), 8 * 4);
    for (u64 n = 0; n < 32; n++) assert_int_equal(byte_at(d, n), 2 + n / 4);
    disk_close(d);
    bench_refused(0, NULL, true, "only read");
    make_bin(2, 5, 24);
    static const u8 head[] = {0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 2, 0, 2};
    bench_put(2, 0, head, sizeof head);
    d = bench_get(2, NULL, false);
    assert_int_equal(disk_sectors(d), 5 * 4);
    assert_int_equal(byte_at(d, 19), 4);
    disk_close(d);
}

static void sheets_are_read_with_care(void **state)
{
    static const struct {
        const char *sheet, *word;
    } sheets[] = {
        {"FILE \"/etc/passwd\" BINARY\nTRACK 01 MODE1/2352\nINDEX 01 00:00:00\n", "does not lie beside"},
        {"FILE \"image1\" BINARY\nTRACK 01 MODE1/2352\nINDEX 01 99:00:00\n", "outside the file"},
        {"FILE \"image1\" BINARY\nTRACK 01 AUDIO\nINDEX 01 00:00:00\n", "no data track"},
        {"FILE \"image1\" BINARY\nTRACK 01 MODE1/2352\n", "no data track"},
        {"FILE \"image3\" BINARY\nTRACK 01 MODE1/2352\nINDEX 01 00:00:00\n", "No such file"}};
    (void)state;
    make_bin(1, 2, 16);
    for (unsigned n = 0; n < ARRAY_LEN(sheets); n++) {
        text(0, sheets[n].sheet);
        bench_refused(0, NULL, false, sheets[n].word);
        unlink(path[0]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH_TEST(vdi_blocks_are_mapped),          BENCH_TEST(vdi_nonsense_is_refused),
        BENCH_TEST(vhd_fixed_ends_with_its_footer), BENCH_TEST(vhd_blocks_are_added_before_the_footer),
        BENCH_TEST(vhd_differencing_has_a_parent),  BENCH_TEST(vhd_nonsense_is_refused),
        BENCH_TEST(vmdk_parts_are_named),           BENCH_TEST(vmdk_nonsense_is_refused),
        BENCH_TEST(vmdk_grains_are_added),          BENCH_TEST(gzip_is_unpacked),
        BENCH_TEST(a_sheet_names_a_data_track),     BENCH_TEST(sheets_are_read_with_care),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
