/* vdi.c - VirtualBox's disk images, version 1.1: those that grow, and those of fixed size.
 *
 * (The layout is VirtualBox's VDICore.h.) A header, a map with 32 bits for each block of the disk (1 MiB as a rule),
 * and the blocks in the order in which they were first written. A block that the map calls free or zero reads as
 * zeros.
 *
 * A new block goes behind the last one: first its data, then, at settle, the map and the header's count of blocks.
 * What ends in between leaves a file that is longer than the count says, which harms nobody.
 *
 * Not here: differencing images (their parent is named by a UUID that only VirtualBox's registry can resolve) and old
 * versions. Memory: the map, 4 bytes for each MiB of the disk.
 */
#include <errno.h>
#include <stdlib.h>

#include "frontend/image/format.h"

enum {
    HEADER_BYTES = 512,
    SIGNATURE_AT = 0x40,
    VERSION_AT = 0x44,
    HEADER_SIZE_AT = 0x48,
    TYPE_AT = 0x4c,
    MAP_AT = 0x154,
    DATA_AT = 0x158,
    SECTOR_SIZE_AT = 0x168,
    SIZE_AT = 0x170,
    BLOCK_BYTES_AT = 0x178,
    BLOCK_EXTRA_AT = 0x17c,
    BLOCKS_AT = 0x180,
    ALLOCATED_AT = 0x184,
    UUID_AT = 0x188
};
enum { HEADER_SIZE = 0x190, BLOCK_BYTES = 1 << 20, DATA_ALIGN = 1 << 20 }; /* of new images */
enum { SIGNATURE = (int)0xbeda107f, VERSION_1_1 = 0x00010001, TYPE_DYNAMIC = 1, TYPE_FIXED = 2 };
enum { BLOCK_BYTES_MIN = 4096, BLOCK_BYTES_MAX = 64 << 20, MAP_BYTES_MAX = 64 << 20 };
#define BLOCK_FREE 0xffffffffu
#define BLOCK_ZERO 0xfffffffeu

typedef struct Vdi {
    u32 *map; /* for each block its number in the file, or BLOCK_FREE, BLOCK_ZERO */
    u32 blocks, allocated, block_sectors;
    u64 map_offset, data_offset;
    u32 dirty_first, dirty_end; /* of the map */
} Vdi;

static bool take_header(Disk *d, Vdi *v, const u8 *h, Problem *p)
{
    u32 type = load32(h + TYPE_AT), block_bytes = load32(h + BLOCK_BYTES_AT);
    u64 size = load64(h + SIZE_AT);
    v->map_offset = load32(h + MAP_AT);
    v->data_offset = load32(h + DATA_AT);
    v->blocks = load32(h + BLOCKS_AT);
    v->allocated = load32(h + ALLOCATED_AT);
    v->block_sectors = block_bytes / SECTOR_BYTES;
    d->sectors = size / SECTOR_BYTES;
    if (load32(h + SIGNATURE_AT) != (u32)SIGNATURE) return problem_set(p, "is no VDI image");
    if (load32(h + VERSION_AT) != VERSION_1_1)
        return problem_set(p, "is a VDI image of version %#x, and 0x10001 is known", load32(h + VERSION_AT));
    if (type != TYPE_DYNAMIC && type != TYPE_FIXED)
        return problem_set(
            p,
            "is a differencing VDI image, which is not supported (VBoxManage clonemedium makes a whole one)");
    if (load32(h + SECTOR_SIZE_AT) != SECTOR_BYTES || block_bytes < BLOCK_BYTES_MIN ||
        block_bytes > BLOCK_BYTES_MAX || block_bytes & (block_bytes - 1) || load32(h + BLOCK_EXTRA_AT))
        return problem_set(p, "is damaged: its blocks have %u bytes", block_bytes);
    if (!size || size % SECTOR_BYTES || (u64)v->blocks * block_bytes < size || v->blocks > MAP_BYTES_MAX / 4)
        return problem_set(p, "is damaged: its size is not that of its blocks");
    if (v->map_offset % SECTOR_BYTES || v->data_offset % SECTOR_BYTES || v->map_offset < HEADER_BYTES ||
        v->map_offset + v->blocks * 4ull > v->data_offset || v->map_offset + v->blocks * 4ull > d->file.bytes)
        return problem_set(p, "is damaged: its map lies in an impossible place");
    return true;
}

/* Each block of the file is one of the disk's: else a guest could write to a block through another. */
static bool check_map(const Vdi *v, Problem *p)
{
    u8 *taken = calloc(v->allocated / 8 + 1, 1);
    bool good = taken != NULL;
    for (u32 n = 0; n < v->blocks && good; n++) {
        u32 place = v->map[n];
        if (place >= BLOCK_ZERO) continue;
        good = place < v->allocated && !(taken[place / 8] >> place % 8 & 1);
        if (good) taken[place / 8] |= (u8)(1 << place % 8);
    }
    free(taken);
    return good || problem_set(p, "is damaged: its map names a block twice, or one that is not there");
}

static bool open_vdi(Disk *d, Problem *p)
{
    u8 h[HEADER_BYTES];
    Vdi *v = d->state = calloc(1, sizeof *v);
    CHECK(v, "no memory");
    if (host_file_read(&d->file, 0, h, sizeof h)) return problem_set(p, "cannot be read");
    if (!take_header(d, v, h, p)) return false;
    if (v->allocated > v->blocks) return problem_set(p, "is damaged: it has more blocks than its disk");
    v->map = calloc(v->blocks, sizeof *v->map);
    if (!v->map) return problem_set(p, "there is no memory for its map");
    if (host_file_read(&d->file, v->map_offset, v->map, v->blocks * 4ull))
        return problem_set(p, "its map cannot be read");
    return check_map(v, p);
}

static void close_vdi(Disk *d)
{
    Vdi *v = d->state;
    if (v) free(v->map);
    free(v);
}

static u64 offset_of(const Vdi *v, u32 place)
{
    return v->data_offset + (u64)place * v->block_sectors * SECTOR_BYTES;
}

static int find_vdi(Disk *d, u64 sector, u64 most, Extent *e)
{
    const Vdi *v = d->state;
    u64 within = sector % v->block_sectors, left = v->block_sectors - within;
    u32 place = v->map[sector / v->block_sectors];
    *e = (Extent){.kind = EXTENT_ZERO, .sectors = most < left ? most : left};
    if (place >= BLOCK_ZERO) return 0;
    e->kind = EXTENT_DATA;
    e->in_place = true;
    e->file = &d->file;
    e->offset = offset_of(v, place) + within * SECTOR_BYTES;
    return 0;
}

/* The block's other sectors are zeros: it lies behind all that was ever written, or is written over. */
static int blank_block(Disk *d, u64 offset, u64 bytes)
{
    int error = offset < d->file.bytes ? host_file_punch(&d->file, offset, bytes) : 0;
    if (!error && offset + bytes > d->file.bytes) error = host_file_resize(&d->file, offset + bytes);
    return error;
}

static int allocate_vdi(Disk *d, u64 sector, const void *from, u64 count, u64 *done)
{
    Vdi *v = d->state;
    u64 within = sector % v->block_sectors, left = v->block_sectors - within,
        offset = offset_of(v, v->allocated);
    u32 block = (u32)(sector / v->block_sectors);
    *done = count < left ? count : left;
    int error = *done < v->block_sectors ? blank_block(d, offset, v->block_sectors * (u64)SECTOR_BYTES) : 0;
    if (!error) error = host_file_write(&d->file, offset + within * SECTOR_BYTES, from, *done * SECTOR_BYTES);
    if (error) return error;
    bool dirty = v->dirty_first < v->dirty_end;
    v->map[block] = v->allocated++;
    if (!dirty || block < v->dirty_first) v->dirty_first = block;
    if (!dirty || block >= v->dirty_end) v->dirty_end = block + 1;
    d->pending = true;
    return 0;
}

static int write_tables(Disk *d, Vdi *v)
{
    u8 count[4];
    store32(count, v->allocated);
    int error = host_file_flush(&d->file); /* the blocks, before something names them */
    if (!error) error = host_file_write(&d->file, ALLOCATED_AT, count, sizeof count);
    if (!error)
        error = host_file_write(&d->file, v->map_offset + v->dirty_first * 4ull, v->map + v->dirty_first,
                                (v->dirty_end - v->dirty_first) * 4ull);
    if (!error) v->dirty_first = v->dirty_end = 0;
    return error;
}

static int settle_vdi(Disk *d, bool durable)
{
    Vdi *v = d->state;
    int error = v->dirty_first < v->dirty_end ? write_tables(d, v) : 0;
    if (!error) d->pending = false;
    return error || !durable ? error : host_file_flush(&d->file);
}

/* --- making ---------------------------------------------------------------------------------------------- */

static const char *const vdi_options[] = {"static", "size", NULL};

static void fill_header(u8 *h, u32 blocks, u64 bytes, bool fixed)
{
    static const char text[] = "<<< Disk image made by ring3 >>>\n";
    memcpy(h, text, sizeof text - 1);
    store32(h + SIGNATURE_AT, (u32)SIGNATURE);
    store32(h + VERSION_AT, VERSION_1_1);
    store32(h + HEADER_SIZE_AT, HEADER_SIZE);
    store32(h + TYPE_AT, fixed ? TYPE_FIXED : TYPE_DYNAMIC);
    store32(h + MAP_AT, HEADER_BYTES);
    store32(h + DATA_AT, (u32)((HEADER_BYTES + blocks * 4ull + DATA_ALIGN - 1) / DATA_ALIGN * DATA_ALIGN));
    store32(h + SECTOR_SIZE_AT, SECTOR_BYTES);
    store64(h + SIZE_AT, bytes);
    store32(h + BLOCK_BYTES_AT, BLOCK_BYTES);
    store32(h + BLOCKS_AT, blocks);
    store32(h + ALLOCATED_AT, fixed ? blocks : 0);
    store64(h + UUID_AT, host_now_ns() * 0x9e3779b97f4a7c15ull);
    store64(h + UUID_AT + 8, host_tsc() * 0xbf58476d1ce4e5b9ull);
}

static int write_new_map(HostFile *f, u32 blocks, bool fixed)
{
    u32 *map = malloc(blocks * 4ull);
    if (!map) return ENOMEM;
    for (u32 n = 0; n < blocks; n++) map[n] = fixed ? n : BLOCK_FREE;
    int error = host_file_write(f, HEADER_BYTES, map, blocks * 4ull);
    free(map);
    return error;
}

static bool create_vdi(HostFile *f, const DiskMake *m, Problem *p)
{
    u8 h[HEADER_BYTES] = {0};
    u64 bytes = m->bytes, blocks = (bytes + BLOCK_BYTES - 1) / BLOCK_BYTES;
    bool fixed = !strcmp(format_option(m, "static", "off"), "on");
    if (!bytes || blocks > MAP_BYTES_MAX / 4) return problem_set(p, "a VDI image cannot have this size");
    fill_header(h, (u32)blocks, bytes, fixed);
    int error = host_file_resize(f, load32(h + DATA_AT) + (fixed ? blocks * BLOCK_BYTES : 0));
    if (!error) error = write_new_map(f, (u32)blocks, fixed);
    if (!error) error = host_file_write(f, 0, h, sizeof h);
    return !error || problem_set(p, "%s", strerror(error));
}

static void info_vdi(const Disk *d, DiskInfo *info)
{
    info->cluster_bytes = ((const Vdi *)d->state)->block_sectors * SECTOR_BYTES;
}

const DiskFormat format_vdi = {.word = "vdi",
                               .open = open_vdi,
                               .close = close_vdi,
                               .find = find_vdi,
                               .allocate = allocate_vdi,
                               .settle = settle_vdi,
                               .options = vdi_options,
                               .create = create_vdi,
                               .info = info_vdi};
