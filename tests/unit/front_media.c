/* front_media.c - image files as media: sizes, snapshots, locks, changes; and the options that name them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "frontend/image/flusher.h"
#include "frontend/options/drive_names.h"
#include "frontend/options/drive_options.h"
#include "frontend/load/image_kind.h"
#include "hw/floppy.h"

static char folder[] = "/tmp/ring3-media-XXXXXX";
static char path[2][64];
static Problem problem;

static int setup(void **state)
{
    (void)state;
    strcpy(folder + sizeof folder - 7, "XXXXXX");
    if (!mkdtemp(folder)) return -1;
    for (int n = 0; n < 2; n++) snprintf(path[n], sizeof path[n], "%s/image%d", folder, n);
    problem.text[0] = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (int n = 0; n < 2; n++) unlink(path[n]);
    return rmdir(folder);
}

/* A file of n bytes, each sector full of its number. */
static void make(int which, u64 n)
{
    FILE *f = fopen(path[which], "wb");
    for (u64 at = 0; at < n; at++) fputc((int)(at / SECTOR_BYTES + 1) & 0xff, f);
    fclose(f);
}

static u64 file_bytes(int which)
{
    struct stat s;
    return stat(path[which], &s) ? 0 : (u64)s.st_size;
}

static int file_byte(int which, long at)
{
    FILE *f = fopen(path[which], "rb");
    fseek(f, at, SEEK_SET);
    int c = fgetc(f);
    fclose(f);
    return c;
}

static Medium *open_image(int which, bool readonly, bool snapshot)
{
    MediaSpec s = {.option = "-hda", .path = path[which], .readonly = readonly, .snapshot = snapshot};
    return media_open(&s, &problem);
}

static u8 buffer[16 * SECTOR_BYTES];
static u8 first_byte(Medium *m, u64 sector)
{
    assert_int_equal(medium_read(m, sector, buffer, 1), 0);
    return buffer[0];
}

static void odd_sizes_end_with_zeros(void **state)
{
    (void)state;
    make(0, 3 * SECTOR_BYTES + 100);
    Medium *m = open_image(0, false, false);
    assert_non_null(m);
    assert_int_equal(m->sectors, 4);
    memset(buffer, 0xee, sizeof buffer);
    assert_int_equal(medium_read(m, 2, buffer, 2), 0);
    assert_int_equal(buffer[0], 3);
    assert_int_equal(buffer[512 + 99], 4);
    for (int n = 100; n < 512; n++) assert_int_equal(buffer[512 + n], 0);
    assert_int_equal(buffer[1024], 0xee);
    memset(buffer, 0x77, 512);
    assert_int_equal(medium_write(m, 3, buffer, 1), 0);
    assert_int_equal(file_bytes(0), 4 * SECTOR_BYTES);
    assert_int_equal(first_byte(m, 3), 0x77);
    assert_int_equal(medium_flush(m), 0);
    assert_int_equal(truncate(path[0], 1024), 0); /* somebody shortens it */
    assert_int_equal(medium_read(m, 2, buffer, 1), EIO);
    media_close(m);
}

static void a_snapshot_leaves_the_image_alone(void **state)
{
    (void)state;
    make(0, 100 * SECTOR_BYTES + 1);
    Medium *m = open_image(0, false, true);
    memset(buffer, 0xaa, sizeof buffer);
    assert_int_equal(medium_write(m, 62, buffer, 4), 0);
    assert_int_equal(medium_write(m, 100, buffer, 1), 0);
    assert_int_equal(medium_read(m, 60, buffer, 8), 0);
    static const u8 seen[] = {61, 62, 0xaa, 0xaa, 0xaa, 0xaa, 67, 68};
    for (int n = 0; n < 8; n++) assert_int_equal(buffer[n * 512 + 511], seen[n]);
    assert_int_equal(first_byte(m, 100), 0xaa);
    assert_int_equal(medium_flush(m), 0);
    assert_int_equal(file_byte(0, 62 * 512), 63);
    assert_int_equal(file_bytes(0), 100 * SECTOR_BYTES + 1);
    media_close(m);
    m = open_image(0, false, false);
    assert_int_equal(first_byte(m, 62), 63);
    media_close(m);
}

static void read_only_media_refuse_writes(void **state)
{
    (void)state;
    make(0, 4096);
    Medium *m = open_image(0, true, false);
    assert_true(m->readonly);
    assert_int_equal(medium_write(m, 0, buffer, 1), EROFS);
    media_close(m);
}

static void a_writer_wants_the_image_alone(void **state)
{
    (void)state;
    make(0, 4096);
    Medium *writer = open_image(0, false, false);
    assert_null(open_image(0, false, false));
    assert_non_null(strstr(problem.text, "is in another drive already (-hda)"));
    assert_null(open_image(0, true, false));
    assert_null(open_image(0, false, true));
    link(path[0], path[1]); /* the same by another name */
    assert_null(open_image(1, false, false));
    media_close(writer);
    Medium *a = open_image(0, true, false), *b = open_image(0, false, true); /* readers share */
    assert_true(a && b);
    assert_null(open_image(0, false, false));
    media_close(a);
    media_close(b);
}

/* Another process has it: a lock as QEMU would take. */
static void others_are_told_apart_by_their_locks(void **state)
{
    (void)state;
    int to_child[2], to_parent[2];
    char c;
    make(0, 4096);
    assert_true(pipe(to_child) == 0 && pipe(to_parent) == 0);
    pid_t child = fork();
    if (!child) {
        Medium *m = open_image(0, false, false);
        (void)!write(to_parent[1], m ? "y" : "n", 1);
        (void)!read(to_child[0], &c, 1);
        _exit(0);
    }
    assert_true(read(to_parent[0], &c, 1) == 1 && c == 'y');
    assert_null(open_image(0, false, false));
    assert_non_null(strstr(problem.text, "Failed to get \"write\" lock; is another process using it?"));
    assert_int_equal(write(to_child[1], "", 1), 1);
    waitpid(child, NULL, 0);
    Medium *m = open_image(0, false, false);
    assert_non_null(m);
    media_close(m);
}

/* --- what is not raw --------------------------------------------------------------------------------------- */

#define BYTES(s) s, sizeof s - 1
static const struct {
    long offset; /* < 0: from the end */
    const char *bytes;
    size_t count;
    const char *name, *remedy; /* words of the sentence */
} samples[] = {
    {0, BYTES("QFI\xfb\0\0\0\1"), "qcow image", "-f qcow -O raw "},
    {0, BYTES("vhdxfile"), "VHDX", "-f vhdx -O raw "},
    {0, BYTES("QED\0"), "QED", "-f qed -O raw "},
    {0, BYTES("WithoutFreeSpace\2\0\0\0"), "Parallels", "-f parallels -O raw "},
    {0, BYTES("WithouFreSpacExt\2\0\0\0"), "Parallels", "-f parallels -O raw "},
    {0, BYTES("#!/bin/sh\n#V2.0 Format\nmodprobe cloop"), "cloop", "-f cloop -O raw "},
    {-512, BYTES("koly\0\0\0\4"), "DMG", "-f dmg -O raw "},
    {0, BYTES("\xfd\x37zXZ\0"), "xz file", "xz -dc "},
    {0, BYTES("BZh91AY&SY"), "bzip2", "bzip2 -dc "},
    {0, BYTES("\x28\xb5\x2f\xfd"), "zstd", "zstd -dc "},
    {0, BYTES("PK\3\4"), "zip", "unzip "},
    {0, BYTES("7z\xbc\xaf\x27\x1c"), "7z", "7z x "},
    {0,
     BYTES("\x7f"
           "ELF\1\1\1"),
     "ELF", "-kernel "},
};

static void put_bytes(int which, long at, const char *bytes, size_t n)
{
    FILE *f = fopen(path[which], "r+b");
    fseek(f, at, at < 0 ? SEEK_END : SEEK_SET);
    fwrite(bytes, 1, n, f);
    fclose(f);
}

static void assert_refused(const char *name, const char *remedy)
{
    MediaSpec s = {.option = "-hda", .path = path[0], .format = "raw"};
    for (int how = 0; how < 4; how++) {
        assert_null(open_image(0, how & 1, how & 2));
        if (!strstr(problem.text, name) || !strstr(problem.text, remedy) || strlen(problem.text) > 300)
            fail_msg("%s, %s: %s", name, remedy, problem.text);
    }
    Medium *m = media_open(&s, &problem);
    assert_non_null(m);
    media_close(m);
}

static void foreign_formats_are_refused(void **state)
{
    (void)state;
    for (unsigned n = 0; n < ARRAY_LEN(samples); n++) {
        make(0, 16 * SECTOR_BYTES);
        put_bytes(0, samples[n].offset, samples[n].bytes, samples[n].count);
        assert_refused(samples[n].name, samples[n].remedy);
    }
}

/* Boot sectors, file systems and archives that people use as disks; and files that are hardly there. */
static void raw_is_what_is_not_foreign(void **state)
{
    (void)state;
    static const struct {
        long at;
        const char *bytes;
        size_t count;
    } raw[] = {
        {0, BYTES("\xeb\x3c\x90MSDOS5.0")},
        {0, BYTES("\xfa\x33\xc0")},
        {257, BYTES("ustar")},
        {0x8001, BYTES("CD001")},
        {0, BYTES("hsqs")},
        {0, BYTES("LUKS\xba\xbe")},
        {0, BYTES("MZ")},
        {8, BYTES("conectix")},
        {0, BYTES("070701")},
    };
    static const u64 sizes[] = {70000, 512, 513}, no_sector[] = {1, 7, 100, 511};
    Medium *m;
    for (unsigned n = 0; n < ARRAY_LEN(raw); n++) {
        make(0, 70000);
        put_bytes(0, raw[n].at, raw[n].bytes, raw[n].count);
        assert_non_null(m = open_image(0, false, false));
        media_close(m);
    }
    for (unsigned n = 0; n < ARRAY_LEN(sizes); n++) {
        make(0, sizes[n]);
        assert_non_null(m = open_image(0, false, false));
        media_close(m);
    }
    for (unsigned n = 0; n < ARRAY_LEN(no_sector); n++) {
        make(0, no_sector[n]);
        assert_null(open_image(0, false, false));
    }
}

static void a_floppy_has_a_possible_size(void **state)
{
    (void)state;
    Drive d = {.present = true, .floppy = true};
    MediaSpec s = {.option = "-fda", .path = path[0], .floppy = true, .format = "raw"};
    make(0, (u64)FLOPPY_SECTORS_MAX * SECTOR_BYTES);
    Medium *m = media_open(&s, &problem);
    assert_non_null(m);
    assert_int_equal(floppy_format_by_size(m->sectors)->sectors, FLOPPY_SECTORS_MAX);
    media_close(m);
    make(0, (u64)FLOPPY_SECTORS_MAX * SECTOR_BYTES + 1);
    assert_null(media_open(&s, &problem));
    assert_non_null(strstr(problem.text, "the largest floppy disk 3840 KiB"));
    s.floppy = false;
    assert_false(media_change(&d, &s, false, &problem));
    m = media_open(&s, &problem);
    assert_non_null(m);
    media_close(m);
}

/* What an image is taken for and what a drive makes of it come from one table. */
static void a_floppy_is_told_by_its_size(void **state)
{
    (void)state;
    static const u16 floppy_kib[] = {160, 180, 320, 360, 720, 800, 1200, 1440, 1680, 1722, 1743, 2880, 3840};
    static const u16 disk_kib[] = {159, 1441, 1720, 3841, 10240};
    for (unsigned n = 0; n < ARRAY_LEN(floppy_kib); n++) {
        make(0, (u64)floppy_kib[n] * 1024);
        assert_int_equal(image_kind(path[0]), IMAGE_FLOPPY);
        assert_int_equal(floppy_format_by_size(floppy_kib[n] * 2u)->sectors, floppy_kib[n] * 2);
    }
    for (unsigned n = 0; n < ARRAY_LEN(disk_kib); n++) {
        make(0, (u64)disk_kib[n] * 1024);
        assert_int_equal(image_kind(path[0]), IMAGE_DISK);
        assert_null(floppy_format_exact(disk_kib[n] * 2u));
    }
    make(0, 1440 * 1024 + 1);
    assert_int_equal(image_kind(path[0]), IMAGE_DISK);
}

static void drives_have_one_name(void **state)
{
    char title[DRIVE_TITLE_BYTES];
    (void)state;
    assert_string_equal(drive_place(DRIVE_FLOPPY_B), "floppy drive B");
    assert_string_equal(drive_place(DRIVE_IDE_3), "the secondary slave");
    assert_string_equal(drive_title(DRIVE_FLOPPY_A, false, title), "floppy drive A");
    assert_string_equal(drive_title(DRIVE_IDE_0, false, title), "disk (primary master)");
    assert_string_equal(drive_title(DRIVE_IDE_2, true, title), "CD drive");
    assert_string_equal(drive_title(DRIVE_IDE_2, false, title), "disk (secondary master)");
    assert_string_equal(drive_title(DRIVE_IDE_1, true, title), "CD drive (primary slave)");
}

/* --- errors of the host ------------------------------------------------------------------------------------ */

static unsigned stops, reports;
static char heard[500];

static bool hear(void *ctx, const char *sentence, bool stopping)
{
    (void)ctx;
    *(stopping ? &stops : &reports) += 1;
    snprintf(heard, sizeof heard, "%s", sentence);
    return stopping;
}

static void limit_file_size(rlim_t bytes)
{
    struct rlimit l;
    getrlimit(RLIMIT_FSIZE, &l);
    l.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &l), 0);
}

static Medium *open_with(MediaErrors reads, MediaErrors writes)
{
    MediaSpec s = {.option = "-hda", .path = path[0], .read_errors = reads, .write_errors = writes};
    stops = reports = 0;
    return media_open(&s, &problem);
}

static void a_full_host_stops_the_machine(void **state)
{
    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    media_on_trouble(hear, NULL);
    make(0, 64 * SECTOR_BYTES);
    memset(buffer, 0xaa, sizeof buffer);
    Medium *m = open_with(MEDIA_DEFAULT, MEDIA_DEFAULT);
    limit_file_size(10 * SECTOR_BYTES);
    assert_int_equal(medium_write(m, 8, buffer, 4), MEDIUM_HELD); /* half of it went */
    assert_true(stops == 1 && strstr(heard, "-hda ") && strstr(heard, "limit on the size of files"));
    assert_int_equal(medium_write(m, 8, buffer, 4), MEDIUM_HELD);
    limit_file_size(RLIM_INFINITY);
    assert_int_equal(medium_write(m, 8, buffer, 4), 0);
    assert_true(first_byte(m, 11) == 0xaa && first_byte(m, 12) == 13);
    assert_true(medium_flush(m) == 0 && stops == 2 && reports == 0);
    media_close(m);
    media_on_trouble(NULL, NULL);
}

static void errors_become_what_was_asked_for(void **state)
{
    (void)state;
    media_on_trouble(hear, NULL);
    make(0, 64 * SECTOR_BYTES);
    limit_file_size(10 * SECTOR_BYTES);
    Medium *m = open_with(MEDIA_DEFAULT, MEDIA_REPORT);
    assert_int_equal(medium_write(m, 20, buffer, 1), EFBIG);
    assert_int_equal(medium_write(m, 20, buffer, 1), EFBIG);
    assert_true(stops == 0 && reports == 1 && strstr(heard, "the guest is told"));
    media_close(m);
    m = open_with(MEDIA_DEFAULT, MEDIA_IGNORE);
    assert_true(medium_write(m, 20, buffer, 1) == 0 && !stops && !reports);
    media_close(m);
    limit_file_size(RLIM_INFINITY);
    m = open_with(MEDIA_DEFAULT, MEDIA_ENOSPC);
    assert_int_equal(truncate(path[0], 512), 0); /* somebody shortens it */
    assert_true(medium_read(m, 20, buffer, 1) == EIO && reports == 1 && !stops);
    media_close(m);
    make(0, 64 * SECTOR_BYTES);
    m = open_with(MEDIA_STOP, MEDIA_ENOSPC);
    assert_int_equal(truncate(path[0], 512), 0);
    assert_true(medium_read(m, 20, buffer, 1) == MEDIUM_HELD && stops == 1);
    make(0, 64 * SECTOR_BYTES);
    assert_int_equal(first_byte(m, 20), 21);
    media_close(m);
    media_on_trouble(NULL, NULL);
}

/* --- sectors that nobody needs ---------------------------------------------------------------------------- */

enum { MIB_SECTORS = (1 << 20) / SECTOR_BYTES };

static u64 file_blocks(int which)
{
    struct stat s;
    return stat(path[which], &s) ? 0 : (u64)s.st_blocks;
}

static Medium *open_to_discard(bool discard, MediaZeros zeros, bool snapshot)
{
    MediaSpec s = {
        .option = "-hda", .path = path[0], .discard = discard, .zeros = zeros, .snapshot = snapshot};
    return media_open(&s, &problem);
}

static void discards_make_the_image_smaller(void **state)
{
    (void)state;
    make(0, 2 << 20);
    Medium *m = open_to_discard(false, MEDIA_ZEROS_OFF, false);
    assert_null(m->discard);
    assert_int_equal(medium_discard(m, 8, 8), 0);
    assert_int_equal(first_byte(m, 8), 9);
    media_close(m);
    m = open_to_discard(true, MEDIA_ZEROS_OFF, false);
    u64 blocks = file_blocks(0);
    assert_int_equal(medium_discard(m, 256, MIB_SECTORS), 0);
    assert_int_equal(first_byte(m, 255), 0);
    assert_int_equal(buffer[0], 0);
    assert_int_equal(first_byte(m, 256 + MIB_SECTORS), 1);
    if (first_byte(m, 256) == 0) assert_true(file_blocks(0) <= blocks - MIB_SECTORS);
    assert_int_equal(file_bytes(0), 2 << 20);
    media_close(m);
}

static void discards_of_a_snapshot_leave_the_image_alone(void **state)
{
    (void)state;
    make(0, 1 << 20);
    Medium *m = open_to_discard(true, MEDIA_ZEROS_OFF, true);
    memset(buffer, 0x77, sizeof buffer);
    assert_int_equal(medium_write(m, 100, buffer, 2), 0);
    assert_int_equal(medium_discard(m, 101, 50), 0);
    assert_int_equal(first_byte(m, 100), 0x77);
    assert_true(first_byte(m, 101) == 0 && first_byte(m, 150) == 0 && first_byte(m, 151) == 152);
    media_close(m);
    assert_int_equal(file_byte(0, 101 * 512), 102);
}

static void zeros_are_found_where_it_is_asked_for(void **state)
{
    static u8 zeros[MIB_SECTORS * SECTOR_BYTES];
    (void)state;
    for (MediaZeros z = MEDIA_ZEROS_OFF; z <= MEDIA_ZEROS_UNMAP; z++) {
        make(0, 2 << 20);
        u64 blocks = file_blocks(0);
        Medium *m = open_to_discard(true, z, false);
        assert_int_equal(medium_write(m, 256, zeros, MIB_SECTORS), 0);
        assert_int_equal(first_byte(m, 255), 0);
        for (u64 at = 256; at < 256 + MIB_SECTORS; at++) assert_int_equal(first_byte(m, at), 0);
        assert_int_equal(first_byte(m, 256 + MIB_SECTORS), 1);
        assert_true(z == MEDIA_ZEROS_UNMAP || file_blocks(0) == blocks);
        media_close(m);
    }
}

/* --- a flush beside the guest ----------------------------------------------------------------------------- */

/* The host's disk takes its time: until `release` is called, if it was told so. */
static atomic_bool slow, told;
static atomic_int syncs;
static int sync_error;

int fdatasync(int fd)
{
    (void)fd;
    while (atomic_load(&slow)) usleep(100);
    atomic_fetch_add(&syncs, 1);
    if (!sync_error) return 0;
    errno = sync_error;
    return -1;
}

static void tell(void) { atomic_store(&told, true); }

static void *release(void *none)
{
    usleep(20000);
    atomic_store(&slow, false);
    return none;
}

static void release_soon(void)
{
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, release, NULL), 0);
    pthread_detach(t);
}

static Medium *begin_slow_flush(void)
{
    make(0, 1 << 16);
    Medium *m = open_image(0, false, false);
    memset(buffer, 0x77, sizeof buffer);
    assert_int_equal(medium_write(m, 20, buffer, 2), 0);
    atomic_store(&slow, true);
    atomic_store(&told, false);
    atomic_store(&syncs, 0);
    assert_int_equal(medium_flush_later(m), MEDIUM_LATER);
    return m;
}

static void until_told(void)
{
    for (int n = 0; n < 100000 && !atomic_load(&told); n++) usleep(100);
    assert_true(atomic_load(&told));
}

static void a_flush_does_not_wait_for_the_host(void **state)
{
    (void)state;
    assert_true(flusher_start(tell, &problem));
    Medium *m = begin_slow_flush();
    for (int n = 0; n < 20; n++) assert_int_equal(medium_flush_later(m), MEDIUM_LATER);
    assert_int_equal(atomic_load(&syncs), 0);
    atomic_store(&slow, false);
    until_told();
    assert_int_equal(medium_flush_later(m), 0);
    assert_int_equal(atomic_load(&syncs), 1);
    media_close(m);
}

/* A result of before says nothing of what was written since. */
static void who_wants_the_disk_waits_for_its_flush(void **state)
{
    (void)state;
    Medium *m = begin_slow_flush();
    release_soon();
    assert_int_equal(first_byte(m, 20), 0x77);
    assert_int_equal(atomic_load(&syncs), 1);
    assert_int_equal(medium_write(m, 30, buffer, 1), 0);
    atomic_store(&told, false);
    assert_int_equal(medium_flush_later(m), MEDIUM_LATER);
    until_told();
    assert_int_equal(medium_write(m, 31, buffer, 1), 0);
    assert_int_equal(medium_flush_later(m), MEDIUM_LATER);
    release_soon();
    media_close(m);
    assert_int_equal(atomic_load(&syncs), 3);
}

static void a_flush_that_fails_beside_the_guest_fails(void **state)
{
    (void)state;
    Medium *m = begin_slow_flush();
    sync_error = EIO;
    atomic_store(&slow, false);
    until_told();
    assert_int_equal(medium_flush_later(m), EIO);
    sync_error = 0;
    assert_int_equal(medium_flush(m), EIO); /* for good */
    media_close(m);
}

static void a_snapshot_without_room_stops_the_machine(void **state)
{
    (void)state;
    media_on_trouble(hear, NULL);
    make(0, 64 * SECTOR_BYTES);
    stops = reports = 0;
    Medium *m = open_image(0, false, true);
    memset(buffer, 0xaa, sizeof buffer);
    limit_file_size(10 * SECTOR_BYTES);
    assert_int_equal(medium_write(m, 9, buffer, 2), MEDIUM_HELD);
    limit_file_size(RLIM_INFINITY);
    assert_true(stops == 1 && first_byte(m, 9) == 10); /* as before */
    memset(buffer, 0xaa, sizeof buffer);
    assert_int_equal(medium_write(m, 9, buffer, 2), 0);
    assert_int_equal(first_byte(m, 10), 0xaa);
    media_close(m);
    media_on_trouble(NULL, NULL);
}

static unsigned moves;
static void moved(void *ctx) { (void)ctx, moves++; }

static void media_are_changed_and_ejected(void **state)
{
    (void)state;
    make(0, 4096);
    make(1, 8192);
    Drive d = {.present = true, .cdrom = true, .moved = moved};
    MediaSpec s = {.path = path[1]}, none = {.path = "/none/there"};
    moves = 0;
    d.medium = open_image(0, true, false);
    assert_false(media_change(&d, &none, false, &problem)); /* what is in stays in */
    assert_int_equal(d.medium->sectors, 8);
    d.locked = true;
    assert_false(media_change(&d, &s, false, &problem));
    assert_non_null(strstr(problem.text, "locked"));
    assert_true(d.eject_wanted && moves == 1);
    d.locked = false;
    assert_true(media_change(&d, &s, false, &problem));
    assert_true(d.medium->sectors == 16 && d.medium->readonly && moves == 2);
    assert_true(media_change(&d, &s, false, &problem)); /* the same once more */
    d.cdrom = false;
    assert_true(media_change(&d, &s, false, &problem));
    assert_true(!d.medium->readonly && media_change(&d, &s, false, &problem));
    assert_false(media_change(&d, &none, false, &problem));
    assert_null(open_image(1, true, false)); /* still locked */
    d.cdrom = true;
    d.locked = true;
    assert_false(media_eject(&d, false, &problem));
    assert_true(media_eject(&d, true, &problem));
    assert_true(!d.medium && d.tray_open && !d.locked);
    assert_true(media_change(&d, &s, false, &problem));
    assert_true(d.medium && !d.tray_open);
    media_close(d.medium);
}

/* --- options --------------------------------------------------------------------------------------------- */

static void options_free(DriveOptions *o) /* names that -drive gave; the others are the command line's */
{
    for (int n = 0; n < DRIVE_COUNT; n++) free((char *)(uintptr_t)o->drive[n].path);
}

static void options_fill_the_bays(void **state)
{
    (void)state;
    DriveOptions o;
    Drive bay[DRIVE_COUNT];
    make(0, 4096);
    make(1, 4096);
    drive_options_init(&o);
    assert_true(drives_open(&o, bay, &problem)); /* without options: drive A and a CD drive */
    assert_true(bay[DRIVE_FLOPPY_A].present && !bay[DRIVE_FLOPPY_B].present && !bay[DRIVE_IDE_0].present);
    assert_true(bay[DRIVE_IDE_2].present && bay[DRIVE_IDE_2].cdrom && !bay[DRIVE_IDE_2].medium);
    char value[200];
    snprintf(value, sizeof value, "file=%s,format=raw,snapshot=on,index=2", path[0]);
    assert_true(drive_option_drive(&o, value, &problem));
    snprintf(value, sizeof value, "media=cdrom,file=%s", path[1]);
    assert_true(drive_option_drive(&o, value, &problem));
    assert_true(drive_option_drive(&o, "if=floppy,index=1", &problem));
    assert_true(drives_open(&o, bay, &problem));
    assert_true(bay[DRIVE_IDE_2].medium && !bay[DRIVE_IDE_2].cdrom && !bay[DRIVE_IDE_2].medium->readonly);
    assert_true(bay[DRIVE_IDE_0].cdrom && bay[DRIVE_IDE_0].medium->readonly);
    assert_true(bay[DRIVE_FLOPPY_B].present && !bay[DRIVE_FLOPPY_B].medium);
    for (int n = 0; n < DRIVE_COUNT; n++) media_close(bay[n].medium);
    options_free(&o);
}

static void words_for_errors(void **state)
{
    (void)state;
    DriveOptions o;
    Drive bay[DRIVE_COUNT];
    drive_options_init(&o);
    assert_true(drive_option_drive(&o, "if=floppy,werror=stop,rerror=ignore", &problem));
    assert_true(drives_open(&o, bay, &problem));
    assert_true(bay[DRIVE_FLOPPY_A].write_errors == MEDIA_STOP &&
                bay[DRIVE_FLOPPY_A].read_errors == MEDIA_IGNORE && bay[DRIVE_FLOPPY_A].floppy);
    assert_true(drive_option_drive(&o, "if=floppy,werror=enospc,rerror=report", &problem));
    assert_false(drive_option_drive(&o, "file=x,rerror=enospc", &problem));
    assert_false(drive_option_drive(&o, "file=x,werror=sometimes", &problem));
}

static void commas_in_names_are_doubled(void **state)
{
    (void)state;
    DriveOptions o;
    drive_options_init(&o);
    assert_true(drive_option_drive(&o, "file=a,,b,bus=1,unit=1", &problem));
    assert_string_equal(o.drive[DRIVE_IDE_3].path, "a,b");
    options_free(&o);
}

static void boot_order_words(void **state)
{
    (void)state;
    DriveOptions o;
    drive_options_init(&o);
    assert_string_equal(o.boot_order, "cad");
    assert_true(drive_option_boot(&o, "d", &problem));
    assert_string_equal(o.boot_order, "d");
    assert_true(drive_option_boot(&o, "order=ca,once=d,menu=on", &problem));
    assert_string_equal(o.boot_order, "ca");
    assert_string_equal(o.boot_once, "d");
    assert_true(o.boot_menu);
    assert_true(drive_option_boot(&o, "menu=off", &problem));
    assert_false(o.boot_menu);
    assert_string_equal(o.boot_order, "ca");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(odd_sizes_end_with_zeros),
        TEST(a_snapshot_leaves_the_image_alone),
        TEST(read_only_media_refuse_writes),
        TEST(a_writer_wants_the_image_alone),
        TEST(others_are_told_apart_by_their_locks),
        TEST(foreign_formats_are_refused),
        TEST(raw_is_what_is_not_foreign),
        TEST(a_floppy_has_a_possible_size),
        TEST(a_floppy_is_told_by_its_size),
        TEST(drives_have_one_name),
        TEST(a_full_host_stops_the_machine),
        TEST(errors_become_what_was_asked_for),
        TEST(discards_make_the_image_smaller),
        TEST(discards_of_a_snapshot_leave_the_image_alone),
        TEST(zeros_are_found_where_it_is_asked_for),
        TEST(a_flush_does_not_wait_for_the_host),
        TEST(who_wants_the_disk_waits_for_its_flush),
        TEST(a_flush_that_fails_beside_the_guest_fails),
        TEST(a_snapshot_without_room_stops_the_machine),
        TEST(words_for_errors),
        TEST(media_are_changed_and_ejected),
        TEST(options_fill_the_bays),
        TEST(commas_in_names_are_doubled),
        TEST(boot_order_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
