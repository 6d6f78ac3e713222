/* vmdk.c - VMware's disk images: one file that grows (monolithicSparse), a flat file with a descriptor, either of
 * them split in parts of 2 GB, and, to be read only, stream-optimized ones as in an OVA.
 *
 * (VMware, Virtual Disk Format 5.0.) A descriptor, a text, says what the disk is made of (vmdk_descriptor.c); it is a
 * file of its own, or lies in the one extent. Extents that grow are in vmdk_sparse.c. A disk may have a parent
 * (a snapshot's base), whose content must be what it was: its CID, a number that each writer changes.
 *
 * New grains go to the end of the file; tables name them at settle, behind a flush. The CID is changed by the first
 * write.
 *
 * Not here: ESX's COWD and seSparse extents, devices as extents. Limits: 512 parts; directories of 4 MiB a
 * part; tables are cached.
 */
#include "frontend/image/vmdk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { DESCRIPTOR_OFFSET_AT = 28, DESCRIPTOR_SIZE_AT = 36, CAPACITY_AT = 12 };

/* --- opening --------------------------------------------------------------------------------------------- */

static char *read_text(Disk *d, u64 offset, u64 bytes)
{
    char *text = calloc(1, bytes + 1);
    if (text && !host_file_read(&d->file, offset, text, bytes)) return text;
    free(text);
    return NULL;
}

/* A file that is an extent of a disk, and not its descriptor: the whole disk, without a parent. */
static bool open_bare(Disk *d, Vmdk *v, u64 sectors, Problem *p)
{
    v->extent = calloc(1, sizeof *v->extent);
    if (!v->extent) return problem_set(p, "there is no memory for it");
    v->extents = 1;
    *v->extent = (VmdkExtent){.kind = VMDK_SPARSE, .sectors = sectors, .file = &d->file, .own_file = true};
    d->sectors = sectors;
    if (!sectors || sectors > 1ull << 40) return problem_set(p, "is damaged: it has an impossible size");
    return vmdk_sparse_open(d, v->extent, p);
}

static bool open_sparse(Disk *d, Vmdk *v, const u8 *h, Problem *p)
{
    u64 at = load64(h + DESCRIPTOR_OFFSET_AT), n = load64(h + DESCRIPTOR_SIZE_AT);
    if (!at || !n) return open_bare(d, v, load64(h + CAPACITY_AT), p);
    if (n > VMDK_DESCRIPTOR_MAX / SECTOR_BYTES || at > d->file.bytes / SECTOR_BYTES)
        return problem_set(p, "is damaged: its descriptor lies outside the file");
    v->descriptor_offset = at * SECTOR_BYTES;
    char *text = read_text(d, v->descriptor_offset, n * SECTOR_BYTES);
    bool good = text ? vmdk_read_descriptor(d, v, text, p) : problem_set(p, "cannot be read");
    free(text);
    return good;
}

static bool open_descriptor(Disk *d, Vmdk *v, Problem *p)
{
    if (d->file.bytes > VMDK_DESCRIPTOR_MAX)
        return problem_set(p, "has a descriptor of more than %d KiB", VMDK_DESCRIPTOR_MAX >> 10);
    char *text = read_text(d, 0, d->file.bytes);
    bool good = text ? vmdk_read_descriptor(d, v, text, p) : problem_set(p, "cannot be read");
    free(text);
    return good;
}

static bool open_vmdk(Disk *d, Problem *p)
{
    static const char mark[] = "# Disk DescriptorFile";
    u8 h[SECTOR_BYTES];
    Vmdk *v = d->state = calloc(1, sizeof *v);
    CHECK(v, "no memory");
    if (host_file_read(&d->file, 0, h, sizeof h)) return problem_set(p, "cannot be read");
    if (!memcmp(h, mark, sizeof mark - 1)) return open_descriptor(d, v, p);
    if (!memcmp(h, "KDMV", 4)) return open_sparse(d, v, h, p);
    return problem_set(p, memcmp(h, "COWD", 4)
                              ? "is no VMDK image"
                              : "is an old VMDK image of ESX (COWD), which is not supported");
}

static void close_vmdk(Disk *d)
{
    Vmdk *v = d->state;
    if (!v) return;
    for (unsigned n = 0; n < v->extents; n++) vmdk_sparse_close(&v->extent[n]);
    free(v->extent);
    free(v->unpacked);
    free(v);
}

/* --- sectors --------------------------------------------------------------------------------------------- */

static VmdkExtent *extent_of(const Vmdk *v, u64 sector)
{
    unsigned low = 0, high = v->extents - 1;
    while (low < high) {
        unsigned middle = (low + high + 1) / 2;
        if (v->extent[middle].first <= sector)
            low = middle;
        else
            high = middle - 1;
    }
    return &v->extent[low];
}

static int find_vmdk(Disk *d, u64 sector, u64 most, Extent *e)
{
    VmdkExtent *x = extent_of(d->state, sector);
    u64 within = sector - x->first, left = x->sectors - within;
    if (most > left) most = left;
    if (x->kind == VMDK_SPARSE) return vmdk_sparse_find(d, x, within, most, e);
    *e = (Extent){x->kind == VMDK_FLAT ? EXTENT_DATA : EXTENT_ZERO, true, x->file,
                  x->flat_offset + within * SECTOR_BYTES, most};
    return 0;
}

static int read_vmdk(Disk *d, u64 sector, void *to, u64 count)
{
    VmdkExtent *x = extent_of(d->state, sector);
    return vmdk_sparse_read(d, x, sector - x->first, to, count);
}

static int allocate_vmdk(Disk *d, u64 sector, const void *from, u64 count, u64 *done)
{
    VmdkExtent *x = extent_of(d->state, sector);
    u64 within = sector - x->first, left = x->sectors - within;
    if (x->kind != VMDK_SPARSE)
        return format_trouble(d, EROFS, "this part of the image consists of zeros that are not stored");
    return vmdk_sparse_allocate(d, x, within, from, count < left ? count : left, done);
}

/* Children of this disk know by it that it is not what it was. */
static int begin_write_vmdk(Disk *d)
{
    Vmdk *v = d->state;
    char digits[9];
    if (!v->cid_offset) return 0;
    v->cid = (u32)(host_now_ns() * 0x9e3779b97f4a7c15ull >> 32) & ~1u; /* never that of no parent */
    snprintf(digits, sizeof digits, "%08x", v->cid);
    return host_file_write(&d->file, v->cid_offset, digits, 8);
}

static int settle_vmdk(Disk *d, bool durable)
{
    Vmdk *v = d->state;
    int error = 0;
    for (unsigned n = 0; n < v->extents && !error; n++) error = vmdk_sparse_settle(&v->extent[n]);
    if (!error) d->pending = false;
    if (error || !durable) return error;
    error = host_file_flush(&d->file);
    for (unsigned n = 0; n < d->extents && !error; n++) error = host_file_flush(&d->extent[n]);
    return error;
}

static void info_vmdk(const Disk *d, DiskInfo *info)
{
    const Vmdk *v = d->state;
    const VmdkExtent *x = v->extent;
    info->cluster_bytes = x->grain_sectors * SECTOR_BYTES;
    info->variant = x->compressed ? "streamOptimized" : x->kind == VMDK_FLAT ? "flat" : "sparse";
    if (v->has_parent) info->backing = v->parent, info->backing_format = "vmdk";
}

const DiskFormat format_vmdk = {.word = "vmdk",
                                .open = open_vmdk,
                                .close = close_vmdk,
                                .begin_write = begin_write_vmdk,
                                .find = find_vmdk,
                                .read = read_vmdk,
                                .allocate = allocate_vmdk,
                                .settle = settle_vmdk,
                                .options = vmdk_options,
                                .create = vmdk_create,
                                .info = info_vmdk};
