/* fat_overlay.c - the sectors that a guest has written on a folder that is a disk (fat:rw:FOLDER), in a file
 * without a name. See fat_carry.h. */
#include <errno.h>
#include <stdlib.h>

#include "frontend/host/files.h"
#include "frontend/image/fat_carry.h"

static bool bit_of(const u64 *bits, u64 n) { return bits[n / 64] >> n % 64 & 1; }

bool fat_overlay_open(FatOverlay *o, u64 sectors, Problem *p)
{
    *o = (FatOverlay){.sectors = sectors};
    o->written = calloc(sectors / 64 + 1, sizeof *o->written);
    o->dirty = calloc(sectors / 64 + 1, sizeof *o->dirty);
    CHECK(o->written && o->dirty, "no memory");
    o->file = (HostFile){.fd = file_open(FILE_TEMPORARY, file_temporary_folder()), .writable = true};
    return o->file.fd >= 0 ||
           problem_set(p, "no place for what the guest writes (TMPDIR): %s", file_problem());
}

void fat_overlay_close(FatOverlay *o)
{
    if (!o->written) return;
    host_file_close(&o->file);
    free(o->written);
    free(o->dirty);
    o->written = o->dirty = NULL;
}

bool fat_overlay_has(const FatOverlay *o, u64 sector) { return bit_of(o->written, sector); }
bool fat_overlay_is_dirty(const FatOverlay *o, u64 sector) { return bit_of(o->dirty, sector); }
void fat_overlay_clean(FatOverlay *o) { memset(o->dirty, 0, (o->sectors / 64 + 1) * sizeof *o->dirty); }

int fat_overlay_write(FatOverlay *o, u64 sector, const void *from, u64 count, bool dirty)
{
    if (sector > o->sectors || count > o->sectors - sector) return EIO;
    int error = host_file_write(&o->file, sector * SECTOR_BYTES, from, count * SECTOR_BYTES);
    for (u64 n = sector; !error && n < sector + count; n++) {
        o->written[n / 64] |= 1ull << n % 64;
        if (dirty) o->dirty[n / 64] |= 1ull << n % 64;
    }
    return error;
}

u64 fat_overlay_run(const FatOverlay *o, u64 sector, u64 most)
{
    bool has = fat_overlay_has(o, sector);
    u64 n = 1;
    while (n < most && fat_overlay_has(o, sector + n) == has) n++;
    return n;
}
