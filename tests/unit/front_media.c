/* front_media.c - image files as media: sizes, snapshots, locks, changes; and the options that name them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/drive_options.h"

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
    assert_non_null(strstr(problem.text, "Failed to get \"write\" lock"));
    assert_null(open_image(0, true, false));
    assert_null(open_image(0, false, true));
    media_close(writer);
    Medium *a = open_image(0, true, false), *b = open_image(0, false, true); /* readers share */
    assert_true(a && b);
    assert_null(open_image(0, false, false));
    media_close(a);
    media_close(b);
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
        TEST(odd_sizes_end_with_zeros),      TEST(a_snapshot_leaves_the_image_alone),
        TEST(read_only_media_refuse_writes), TEST(a_writer_wants_the_image_alone),
        TEST(media_are_changed_and_ejected), TEST(options_fill_the_bays),
        TEST(commas_in_names_are_doubled),   TEST(boot_order_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
