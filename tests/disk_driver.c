/* disk_driver.c - an image file driven by hand or by a script (tests/image/formats.py): what a guest would do,
 * without one.
 *
 *   disk_driver FILE FORMAT|- COMMAND...
 *
 * random SEED COUNT MIRROR   writes, reads, flushes and discards at random places; MIRROR, a raw file, gets the same
 *                            writes, and every read is compared with it. Discarded sectors may have either contents
 *                            until they are read; then they are what was read.
 * read SECTOR COUNT          to standard output
 * write SECTOR COUNT BYTE    sectors full of a byte
 * compare RAW               has RAW the same sectors?
 * flush, settle
 * flood SEED LOG             writes and flushes until it is killed: after each flush LOG has the number of writes
 * that it
 *                            confirmed
 * recall SEED CONFIRMED MADE does the image hold what `flood` had confirmed, and nothing that it never wrote?
 * open                       read some of it, whatever comes; ends with 0 also if it is refused with a sentence
 * pace MIB [write]           MiB/s of reading or writing it from its beginning
 * mutants SEED COUNT SOURCE  FILE is SOURCE with some bytes changed, opened and used, COUNT times
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "frontend/image/disk.h"

enum { MOST = 300 }; /* sectors at a time */

static Disk *disk;
static u64 seed;
static u8 buffer[MOST * SECTOR_BYTES], other[MOST * SECTOR_BYTES];

static _Noreturn void fail(const char *what, u64 sector, u64 count)
{
    const char *why = disk && disk_trouble(disk) ? disk_trouble(disk) : "";
    fprintf(stderr, "%s at sector %llu, %llu sectors %s\n", what, (unsigned long long)sector,
            (unsigned long long)count, why);
    exit(1);
}

/* splitmix64 */
static u64 random_number(void)
{
    u64 z = seed += 0x9e3779b97f4a7c15ull;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

static void fill(u64 sector, u64 count, u64 number)
{
    for (u64 n = 0; n < count * SECTOR_BYTES / 8; n++)
        store64(buffer + n * 8, (number << 32 | (u32)sector) + n);
}

static void choose(u64 *sector, u64 *count)
{
    u64 all = disk_sectors(disk), r = random_number();
    *count = r % 8 ? 1 + random_number() % 24 : 1 + random_number() % MOST;
    if (*count > all) *count = all;
    *sector = random_number() % (all - *count + 1);
    if (r & 0x100) *sector -= *sector % 8;
}

/* --- random ---------------------------------------------------------------------------------------------- */

static int mirror;

static void put(u64 sector, u64 count, const void *from)
{
    if (pwrite(mirror, from, count * SECTOR_BYTES, (off_t)(sector * SECTOR_BYTES)) < 0)
        fail("the mirror", sector, count);
}

static void one_write(u64 number)
{
    u64 sector, count;
    choose(&sector, &count);
    fill(sector, count, number);
    if (disk_write(disk, sector, buffer, count)) fail("write", sector, count);
    put(sector, count, buffer);
}

/* Zeros, in all ways. */
static void one_zero_write(u64 number)
{
    u64 sector, count;
    choose(&sector, &count);
    memset(buffer, 0, count * SECTOR_BYTES);
    if (number % 3 ? disk_write_zeros(disk, sector, buffer, count, number % 2)
                   : disk_write(disk, sector, buffer, count))
        fail("write of zeros", sector, count);
    put(sector, count, buffer);
}

static void one_read(void)
{
    u64 sector, count;
    choose(&sector, &count);
    if (disk_read(disk, sector, buffer, count)) fail("read", sector, count);
    memset(other, 0, count * SECTOR_BYTES);
    if (pread(mirror, other, count * SECTOR_BYTES, (off_t)(sector * SECTOR_BYTES)) < 0)
        fail("the mirror", sector, count);
    if (memcmp(buffer, other, count * SECTOR_BYTES))
        fail("it reads otherwise than it was written", sector, count);
}

static void one_discard(void)
{
    u64 sector, count;
    choose(&sector, &count);
    if (disk_discard(disk, sector, count)) fail("discard", sector, count);
    if (disk_read(disk, sector, buffer, count)) fail("read", sector, count);
    put(sector, count, buffer);
}

static void do_random(char **word)
{
    seed = strtoull(word[0], NULL, 0);
    u64 count = strtoull(word[1], NULL, 0);
    mirror = open(word[2], O_RDWR | O_CREAT, 0666);
    if (mirror < 0) fail("the mirror", 0, 0);
    for (u64 n = 0; n < count; n++) {
        u64 what = random_number() % 100;
        if (what < 44)
            one_write(n + 1);
        else if (what < 50)
            one_zero_write(n);
        else if (what < 88)
            one_read();
        else if (what < 94)
            one_discard();
        else if (what < 97 ? disk_flush(disk) : disk_settle(disk))
            fail("flush", 0, 0);
    }
}

/* --- being killed ---------------------------------------------------------------------------------------- */

/* Write n of a flood goes to a place that seed and n say. */
static void place_of(u64 first, u64 n, u64 *sector, u64 *count)
{
    seed = first + n * 0x1000;
    choose(sector, count);
    if (*count > 40) *count = 40;
    fill(*sector, *count, n);
}

static void do_flood(char **word)
{
    u64 first = strtoull(word[0], NULL, 0), sector, count;
    int log = open(word[1], O_WRONLY | O_CREAT | O_TRUNC, 0666);
    for (u64 n = 1;; n++) {
        place_of(first, n, &sector, &count);
        u64 made[2] = {0, n};
        pwrite(log, &made[1], 8, 8) < 0 ? fail("log", 0, 0) : (void)0;
        if (disk_write(disk, sector, buffer, count)) fail("write", sector, count);
        if (n % 7 == 0 && disk_settle(disk)) fail("settle", 0, 0);
        if (n % 16) continue;
        if (disk_flush(disk)) fail("flush", 0, 0);
        if (pwrite(log, &n, 8, 0) < 0) fail("log", 0, 0);
    }
}

/* Each sector has what its last confirmed write left, or a later write. */
static void do_recall(char **word)
{
    u64 first = strtoull(word[0], NULL, 0), confirmed = strtoull(word[1], NULL, 0),
        made = strtoull(word[2], NULL, 0);
    u64 all = disk_sectors(disk), sector, count;
    u32 *last = calloc(all, sizeof *last);
    for (u64 n = 1; n <= confirmed; n++) {
        place_of(first, n, &sector, &count);
        for (u64 i = 0; i < count; i++) last[sector + i] = (u32)n;
    }
    for (u64 at = 0; at < all; at++) {
        if (disk_read(disk, at, other, 1)) fail("read", at, 1);
        u64 n = load64(other) >> 32;
        bool zero = !load64(other);
        if (zero ? last[at] : n < last[at] || n > made) fail("a flushed write is lost", at, n);
        if (zero) continue;
        place_of(first, n, &sector, &count);
        if (at < sector || at >= sector + count ||
            memcmp(other, buffer + (at - sector) * SECTOR_BYTES, SECTOR_BYTES))
            fail("what was never written", at, n);
    }
    free(last);
}

/* --- the rest -------------------------------------------------------------------------------------------- */

static void do_open(void)
{
    u64 all = disk_sectors(disk), at[] = {0, 1, all / 3, all / 2, all > 40 ? all - 40 : 0};
    for (unsigned n = 0; n < ARRAY_LEN(at); n++) {
        u64 count = all - at[n] < 40 ? all - at[n] : 40;
        (void)disk_read(disk, at[n], buffer, count);
        (void)disk_write(disk, at[n], buffer, count);
    }
    (void)disk_discard(disk, 0, all < 1000 ? all : 1000);
    (void)disk_flush(disk);
}

static void do_pace(char **word, bool writes)
{
    enum { PIECE = 256 };
    u64 mib = strtoull(word[0], NULL, 0), begin = host_now_ns();
    fill(1, PIECE, 1);
    for (u64 at = 0; at < mib * 2048; at += PIECE)
        if (writes ? disk_write(disk, at, buffer, PIECE) : disk_read(disk, at, buffer, PIECE))
            fail("pace", at, PIECE);
    if (writes && disk_flush(disk)) fail("flush", 0, 0);
    printf("%.0f MiB/s\n", (double)mib * 1e9 / (double)(host_now_ns() - begin));
}

/* --- hostile images -------------------------------------------------------------------------------------- */

static u8 *whole;
static u64 whole_bytes;

static void read_whole(const char *name)
{
    FILE *f = fopen(name, "rb");
    if (!f || fseek(f, 0, SEEK_END)) fail("the source", 0, 0);
    whole_bytes = (u64)ftell(f);
    whole = malloc(whole_bytes * 2);
    rewind(f);
    if (!whole || fread(whole, 1, whole_bytes, f) != whole_bytes) fail("the source", 0, 0);
    fclose(f);
}

/* Where tables are: 8 bytes that are not all the same. */
static u64 choose_hot(const u8 *bytes)
{
    for (int tries = 0; tries < 400; tries++) {
        u64 at = random_number() % (whole_bytes / SECTOR_BYTES + 1) * SECTOR_BYTES;
        if (at + 64 <= whole_bytes && memcmp(bytes + at, bytes + at + 1, 63))
            return at + random_number() % 64;
    }
    return 0;
}

static void mutate(u8 *bytes)
{
    static const u64 odd[] = {0, 1, ~0ull, 0x80, 1ull << 63, 0xffffff7f, 0xffff, 0x8000};
    for (u64 n = 1 + random_number() % 3; n; n--) {
        u64 r = random_number(), at = r % 10 < 6 ? random_number() % 128 : choose_hot(bytes);
        if (at + 8 > whole_bytes) at = 0;
        if (r & 0x100)
            bytes[at] = (u8)(r & 0x200 ? random_number() : odd[random_number() % ARRAY_LEN(odd)]);
        else if (r & 0x400)
            store64(bytes + (at & ~7ull), odd[random_number() % ARRAY_LEN(odd)]);
        else
            memcpy(bytes + (at & ~3ull), bytes + (choose_hot(bytes) & ~3ull), 4 << (r >> 11 & 1));
    }
}

static void write_mutant(const char *name)
{
    u8 *bytes = whole + whole_bytes;
    memcpy(bytes, whole, whole_bytes);
    mutate(bytes);
    u64 n = random_number() % 10 ? whole_bytes : random_number() % whole_bytes;
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (fd < 0 || write(fd, bytes, n) < 0) fail("the mutant", 0, 0);
    close(fd);
}

static void do_mutants(const char *name, const char *format, char **word)
{
    Problem p;
    seed = strtoull(word[0], NULL, 0);
    u64 opened = 0, count = strtoull(word[1], NULL, 0);
    read_whole(word[2]);
    for (u64 n = 0; n < count; n++) {
        alarm(20); /* none takes so long */
        write_mutant(name);
        DiskSpec s = {.path = name, .format = format, .writable = n % 4};
        p.text[0] = 0;
        disk = disk_open(&s, &p);
        if (!disk && !p.text[0]) fail("refused without a sentence", n, 0);
        if (!disk) continue;
        opened++;
        do_open();
        disk_close(disk);
    }
    printf("%llu mutants, %llu of them opened\n", (unsigned long long)count, (unsigned long long)opened);
}

static void do_compare(char **word)
{
    mirror = open(word[0], O_RDONLY);
    for (u64 at = 0, n; at < disk_sectors(disk); at += n) {
        n = disk_sectors(disk) - at < MOST ? disk_sectors(disk) - at : MOST;
        if (disk_read(disk, at, buffer, n)) fail("read", at, n);
        memset(other, 0, sizeof other);
        if (pread(mirror, other, n * SECTOR_BYTES, (off_t)(at * SECTOR_BYTES)) < 0) fail("the mirror", at, n);
        if (memcmp(buffer, other, n * SECTOR_BYTES)) fail("it reads otherwise", at, n);
    }
}

static char **do_word(char **w)
{
    const char *command = *w++;
    if (!strcmp(command, "random")) return do_random(w), w + 3;
    if (!strcmp(command, "flood")) return do_flood(w), w + 2;
    if (!strcmp(command, "recall")) return do_recall(w), w + 3;
    if (!strcmp(command, "compare")) return do_compare(w), w + 1;
    if (!strcmp(command, "open")) return do_open(), w;
    if (!strcmp(command, "flush")) return (void)(!disk_flush(disk) || (fail("flush", 0, 0), 0)), w;
    if (!strcmp(command, "settle")) return (void)(!disk_settle(disk) || (fail("settle", 0, 0), 0)), w;
    if (!strcmp(command, "pace")) {
        bool writes = w[1] && !strcmp(w[1], "write");
        do_pace(w, writes);
        return w + 1 + writes;
    }
    u64 sector = strtoull(w[0], NULL, 0), count = strtoull(w[1], NULL, 0);
    if (count > MOST) count = MOST;
    if (!strcmp(command, "read")) {
        if (disk_read(disk, sector, buffer, count)) fail("read", sector, count);
        fwrite(buffer, SECTOR_BYTES, count, stdout);
        return w + 2;
    }
    memset(buffer, (int)strtoul(w[2], NULL, 0), count * SECTOR_BYTES);
    if (strcmp(command, "write") || disk_write(disk, sector, buffer, count)) fail(command, sector, count);
    return w + 3;
}

static bool only_reads(char **w)
{
    if (!strcmp(*w, "compare")) return true;
    for (; *w; w++)
        if (strcmp(*w, "read") && strcmp(*w, "recall") && (**w < '0' || **w > '9')) return false;
    return true;
}

int main(int argc, char **argv)
{
    Problem p;
    if (argc < 4) return 2;
    const char *format = strcmp(argv[2], "-") ? argv[2] : NULL;
    if (!strcmp(argv[3], "mutants") && argc == 7) {
        do_mutants(argv[1], format, argv + 4);
        return 0;
    }
    bool reads = only_reads(argv + 3) || (!strcmp(argv[3], "pace") && argc == 5);
    DiskSpec s = {.path = argv[1], .format = format, .writable = !reads};
    disk = disk_open(&s, &p);
    if (!disk) {
        fprintf(stderr, "%s\n", p.text);
        return strcmp(argv[3], "open") ? 1 : 0;
    }
    for (char **w = argv + 3; *w;) w = do_word(w);
    disk_close(disk);
    return 0;
}
