/* raw.c - a file that is the disk's sectors one after the other.
 *
 * A file whose size is no multiple of 512 ends with zeros; writing its last sector makes it a multiple.
 *
 * If nobody said that the file is raw, a guest must not be able to make it something else: what it wrote would be
 * taken for another format at the next start, and such a format may name other files of the host's. So a write to
 * the first or last sectors after which foreign.c would see a disk image is refused, as in QEMU.
 */
#include <errno.h>

#include "frontend/image/foreign.h"
#include "frontend/image/format.h"

enum { HEAD_SECTORS = FOREIGN_HEAD / SECTOR_BYTES, TAIL_SECTORS = 2 };

static bool open_raw(Disk *d, Problem *p)
{
    if (!d->file.bytes) return problem_set(p, "%s", d->file.device ? "has no medium in it" : "is empty");
    d->sectors = (d->file.bytes + SECTOR_BYTES - 1) / SECTOR_BYTES;
    return true;
}

static u64 tail_begins(const Disk *d) { return d->sectors < TAIL_SECTORS ? 0 : d->sectors - TAIL_SECTORS; }

static int find_raw(Disk *d, u64 sector, u64 most, Extent *e)
{
    bool guarded = d->guessed && d->writable;
    u64 tail = tail_begins(d);
    *e = (Extent){EXTENT_DATA, true, &d->file, sector * SECTOR_BYTES, most};
    if (!guarded) return 0;
    e->in_place = sector >= HEAD_SECTORS && sector < tail;
    u64 end = e->in_place ? tail : sector < HEAD_SECTORS ? HEAD_SECTORS : d->sectors;
    if (e->sectors > end - sector) e->sectors = end - sector;
    return 0;
}

/* The file's bytes from `first` on as they will be when `count` sectors are written. */
static int bytes_after(const Disk *d, u64 first, u8 *to, u32 n, u64 sector, const u8 *from, u64 count)
{
    u64 begin = sector * SECTOR_BYTES, end = begin + count * SECTOR_BYTES;
    int error = host_file_read(&d->file, first, to, n);
    for (u32 i = 0; i < n; i++)
        if (first + i >= begin && first + i < end) to[i] = from[first + i - begin];
    return error;
}

static int write_guarded(Disk *d, u64 sector, const void *from, u64 count, u64 *done)
{
    u8 head[FOREIGN_HEAD], tail[FOREIGN_TAIL];
    u64 end = (sector + count) * SECTOR_BYTES, bytes = end > d->file.bytes ? end : d->file.bytes;
    u32 head_bytes = bytes < sizeof head ? (u32)bytes : (u32)sizeof head;
    u32 tail_bytes = bytes < sizeof tail ? (u32)bytes : (u32)sizeof tail;
    int error = bytes_after(d, 0, head, head_bytes, sector, from, count);
    if (!error) error = bytes_after(d, bytes - tail_bytes, tail, tail_bytes, sector, from, count);
    if (error) return error;
    const ForeignFormat *f = foreign_find(head, head_bytes, tail, tail_bytes);
    if (f && f->is_disk)
        return format_trouble(
            d, EPERM, "it would make %s of an image that was taken for raw (format=raw allows it)", f->name);
    *done = count;
    return host_file_write(&d->file, sector * SECTOR_BYTES, from, count * SECTOR_BYTES);
}

static bool create_raw(HostFile *f, const DiskMake *m, Problem *p)
{
    int error = host_file_resize(f, m->bytes);
    return !error || problem_set(p, "%s", strerror(error));
}

static bool resize_raw(Disk *d, u64 sectors, Problem *p)
{
    int error = host_file_resize(&d->file, sectors * SECTOR_BYTES);
    if (error) return problem_set(p, "%s", strerror(error));
    d->sectors = sectors;
    return true;
}

const DiskFormat format_raw = {.word = "raw",
                               .open = open_raw,
                               .find = find_raw,
                               .allocate = write_guarded,
                               .create = create_raw,
                               .resize = resize_raw};
