/* fat_apply.c - a folder that is a disk, without a guest. fat_apply DISK IMAGE... writes what each IMAGE has and
 * DISK ("fat:rw:DIR") has not, in the order of sectors, and flushes; before each it says "ready" and waits for a
 * line. IMAGE@N flushes N times on the way, too. fat_apply DISK fuzz SEED ROUNDS writes nonsense, mostly into
 * tables and directories, and flushes. What fails is said as "error N".
 */
#include <stdio.h>
#include <stdlib.h>

#include "frontend/image/disk.h"

enum { PART = 64, TABLES = 1200 };

static void check(const char *what, int error, const Disk *d)
{
    if (error) printf("%s: error %d: %s\n", what, error, disk_trouble(d) ? disk_trouble(d) : strerror(error));
}

static void apply(Disk *d, const char *image, u64 flushes)
{
    static u8 now[PART * SECTOR_BYTES], then[PART * SECTOR_BYTES];
    FILE *f = fopen(image, "rb");
    u64 sectors = disk_sectors(d), step = flushes ? sectors / (flushes + 1) : sectors;
    if (!f) exit(2);
    for (u64 at = 0, next = step; at < sectors; at += PART) {
        u64 count = sectors - at < PART ? sectors - at : PART;
        if (fread(now, SECTOR_BYTES, count, f) != count) exit(3);
        check("read", disk_read(d, at, then, count), d);
        for (u64 n = 0; n < count; n++)
            if (memcmp(now + n * SECTOR_BYTES, then + n * SECTOR_BYTES, SECTOR_BYTES))
                check("write", disk_write(d, at + n, now + n * SECTOR_BYTES, 1), d);
        if (at < next || !flushes) continue;
        check("flush", disk_flush(d), d);
        next += step;
    }
    fclose(f);
}

static void scramble(u8 *sector)
{
    u32 what = (u32)rand() % 6;
    for (u32 n = 0; n < 1 + (u32)rand() % 8; n++) {
        u32 at = (u32)rand() % SECTOR_BYTES;
        if (what == 0) sector[at] = (u8)rand();
        if (what == 1) sector[at & ~31u] = (u8) "\0\345./\5A"[rand() % 6];
        if (what == 2) sector[(at & ~31u) + 11] = (u8)(rand() % 64);
        if (what == 3) store16(sector + (at & ~31u) + 26, (u16)(rand() % 300));
        if (what == 4) store32(sector + (at & ~31u) + 28, (u32)rand() << (rand() % 2));
        if (what == 5) store16(sector + (at & ~1u), (u16)(rand() % 4 ? rand() % 300 : 0xffff));
    }
}

/* As a guest would: both tables alike, sometimes. */
static void fuzz(Disk *d, const char *seed, u64 rounds)
{
    u8 sector[SECTOR_BYTES];
    srand((u32)strtoul(seed, NULL, 10));
    for (u64 n = 0; n < rounds; n++) {
        u64 at = (u64)rand() % TABLES % disk_sectors(d), to = (u64)rand() % TABLES % disk_sectors(d);
        if (disk_read(d, at, sector, 1)) continue;
        scramble(sector);
        check("write", disk_write(d, rand() % 8 ? at : to, sector, 1), d);
        if (rand() % 2)
            check("write", disk_write(d, at + 9, sector, 1), d); /* the second table of a floppy disk */
        if (!(rand() % 4)) check("flush", disk_flush(d), d);
    }
}

int main(int argc, char *argv[])
{
    Problem p;
    DiskSpec s = {.path = argv[1], .writable = true};
    Disk *d = argc > 2 ? disk_open(&s, &p) : NULL;
    if (!d) {
        printf("%s\n", argc > 2 ? p.text : "fat_apply DISK IMAGE...");
        return 1;
    }
    if (!strcmp(argv[2], "fuzz") && argc > 4) {
        fuzz(d, argv[3], strtoull(argv[4], NULL, 10));
        argc = 0;
    }
    for (int n = 2; n < argc; n++) {
        char line[10], *at = strrchr(argv[n], '@');
        if (at) *at = 0;
        puts("ready");
        fflush(stdout);
        if (!fgets(line, sizeof line, stdin)) break;
        apply(d, argv[n], at ? strtoull(at + 1, NULL, 10) : 0);
        check("flush", disk_flush(d), d);
    }
    puts("ready");
    fflush(stdout);
    check("flush", disk_flush(d), d);
    disk_close(d);
    return 0;
}
