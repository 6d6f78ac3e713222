/* vmdk_sparse.c - a VMDK extent that grows: a grain directory names grain tables, whose entries name grains, of 64
 * KiB as a rule; all by sectors of the file. Tables have a copy, which a second directory names.
 *
 * Not here: grain tables that are missing (writers of such files make all of them at once).
 */
#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

#include "frontend/image/vmdk.h"

enum { HEADER_BYTES = 512 };
enum {
    VERSION_AT = 4,
    FLAGS_AT = 8,
    CAPACITY_AT = 12,
    GRAIN_AT = 20,
    DESCRIPTOR_AT = 28,
    ENTRIES_AT = 44,
    REDUNDANT_AT = 48,
    DIRECTORY_AT = 56,
    OVERHEAD_AT = 64,
    COMPRESSION_AT = 77
};
enum { FLAG_REDUNDANT = 2, FLAG_ZEROS = 4, FLAG_COMPRESSED = 1 << 16, FLAG_MARKERS = 1 << 17 };
enum {
    FOOTER_FROM_END = 1024,
    TABLES_MAX = 1 << 20,
    GRAIN_SECTORS_MAX = 1 << 13,
    CACHE_BYTES = 1 << 20,
    ZERO_GRAIN = 1
};
#define AT_END 0xffffffffffffffffull

/* --- opening --------------------------------------------------------------------------------------------- */

/* A stream has its final header at its end. */
static bool read_header(const VmdkExtent *x, u8 *h, Problem *p)
{
    if (host_file_read(x->file, 0, h, HEADER_BYTES)) return problem_set(p, "cannot be read");
    if (load64(h + DIRECTORY_AT) == AT_END && x->file->bytes >= FOOTER_FROM_END &&
        host_file_read(x->file, x->file->bytes - FOOTER_FROM_END, h, HEADER_BYTES))
        return problem_set(p, "cannot be read");
    return !memcmp(h, "KDMV", 4) || problem_set(p, "is damaged: a part has no header");
}

static bool take_header(VmdkExtent *x, const u8 *h, Problem *p)
{
    u32 version = load32(h + VERSION_AT), flags = load32(h + FLAGS_AT);
    u64 capacity = load64(h + CAPACITY_AT), grain = load64(h + GRAIN_AT);
    if (!version || version > 3)
        return problem_set(p, "is a VMDK image of version %u, and 1 to 3 are known", version);
    if (!grain || grain > GRAIN_SECTORS_MAX || grain & (grain - 1))
        return problem_set(p, "is damaged: its grains have %llu sectors", (unsigned long long)grain);
    x->grain_sectors = (u32)grain;
    x->table_entries = load32(h + ENTRIES_AT);
    x->has_zeros = flags & FLAG_ZEROS;
    x->compressed = flags & FLAG_COMPRESSED;
    x->data_begins = load64(h + OVERHEAD_AT) < 1ull << 32 ? load64(h + OVERHEAD_AT) * SECTOR_BYTES : 0;
    if (x->compressed && load16(h + COMPRESSION_AT) != 1)
        return problem_set(p, "is compressed by an unknown method");
    if (x->table_entries < 128 || x->table_entries > 65536 || x->table_entries & (x->table_entries - 1))
        return problem_set(p, "is damaged: its grain tables have %u entries", x->table_entries);
    if (!capacity || capacity > 1ull << 40 || x->sectors > capacity)
        return problem_set(p, "is damaged: a part has an impossible size");
    u64 tables = (capacity + grain * x->table_entries - 1) / (grain * x->table_entries);
    if (tables > TABLES_MAX)
        return problem_set(p, "is damaged: it has %llu grain tables", (unsigned long long)tables);
    x->tables = (u32)tables;
    return true;
}

/* NULL: it does not lie in the file, or there is no memory. */
static u32 *read_directory(const VmdkExtent *x, u64 sector)
{
    u64 bytes = x->tables * 4ull;
    if (sector > x->file->bytes / SECTOR_BYTES || bytes > x->file->bytes - sector * SECTOR_BYTES) return NULL;
    u32 *directory = calloc(x->tables, 4);
    if (directory && !host_file_read(x->file, sector * SECTOR_BYTES, directory, bytes)) return directory;
    free(directory);
    return NULL;
}

bool vmdk_sparse_open(Disk *d, VmdkExtent *x, Problem *p)
{
    u8 h[HEADER_BYTES];
    if (!read_header(x, h, p) || !take_header(x, h, p)) return false;
    if (d->writable && x->compressed)
        return problem_set(
            p, "is a stream-optimized VMDK image, which is only read; readonly=on or snapshot=on would do");
    x->directory = read_directory(x, load64(h + DIRECTORY_AT));
    if (!x->directory) return problem_set(p, "is damaged: its grain directory lies outside the file");
    bool copies = d->writable && load32(h + FLAGS_AT) & FLAG_REDUNDANT;
    if (copies) x->redundant = read_directory(x, load64(h + REDUNDANT_AT));
    if (copies && !x->redundant)
        return problem_set(p, "is damaged: its second grain directory lies outside the file");
    return (table_cache_init(&x->cache, x->file, x->table_entries * 4, CACHE_BYTES) &&
            table_cache_init(&x->copies, x->file, x->table_entries * 4, CACHE_BYTES)) ||
           problem_set(p, "there is no memory for its tables");
}

void vmdk_sparse_close(VmdkExtent *x)
{
    table_cache_free(&x->cache);
    table_cache_free(&x->copies);
    free(x->directory);
    free(x->redundant);
}

/* --- finding --------------------------------------------------------------------------------------------- */

static int table_get(Disk *d, TableCache *c, u32 sector, Table **t)
{
    return format_table_get(d, c, (u64)sector * SECTOR_BYTES, t);
}

static int grain_of(Disk *d, VmdkExtent *x, u64 grain, u32 *place)
{
    Table *t;
    u32 table = x->directory[grain / x->table_entries];
    *place = 0;
    if (!table) return 0;
    int error = table_get(d, &x->cache, table, &t);
    if (!error) *place = load32(t->bytes + grain % x->table_entries * 4);
    return error;
}

int vmdk_sparse_find(Disk *d, VmdkExtent *x, u64 sector, u64 most, Extent *e)
{
    u64 within = sector % x->grain_sectors, left = x->grain_sectors - within;
    u32 place;
    *e = (Extent){.kind = EXTENT_BACKING, .sectors = most < left ? most : left};
    int error = grain_of(d, x, sector / x->grain_sectors, &place);
    if (error || !place) return error;
    e->kind = x->has_zeros && place == ZERO_GRAIN ? EXTENT_ZERO : x->compressed ? EXTENT_PACKED : EXTENT_DATA;
    if (e->kind != EXTENT_DATA) return 0;
    e->in_place = true;
    e->file = x->file;
    e->offset = (place + within) * SECTOR_BYTES;
    bool possible = (u64)place * SECTOR_BYTES >= x->data_begins && place;
    return possible ? 0 : format_trouble(d, EIO, "the image is damaged: a grain lies where tables are");
}

/* --- compressed grains ----------------------------------------------------------------------------------- */

/* Its first sector on the disk, its bytes, and a stream of zlib's. */
static int unpack(Disk *d, Vmdk *v, VmdkExtent *x, u32 place)
{
    u8 marker[12];
    uLongf room = x->grain_sectors * SECTOR_BYTES;
    u64 offset = (u64)place * SECTOR_BYTES;
    if (v->unpacked_at == offset && v->unpacked) return 0;
    v->unpacked_at = 0;
    int error = host_file_read(x->file, offset, marker, sizeof marker);
    u32 n = load32(marker + 8);
    if (error) return error;
    if (!n || n > room * 2)
        return format_trouble(d, EIO, "the image is damaged: a grain has an impossible size");
    if (!v->unpacked) v->unpacked = malloc(GRAIN_SECTORS_MAX * SECTOR_BYTES);
    u8 *packed = malloc(n);
    error = packed && v->unpacked ? host_file_read(x->file, offset + sizeof marker, packed, n) : ENOMEM;
    if (!error && (uncompress(v->unpacked, &room, packed, n) != Z_OK || !room))
        error = format_trouble(d, EIO, "the image is damaged: a grain cannot be unpacked");
    if (!error) memset(v->unpacked + room, 0, x->grain_sectors * SECTOR_BYTES - room);
    if (!error) v->unpacked_at = offset;
    free(packed);
    return error;
}

int vmdk_sparse_read(Disk *d, VmdkExtent *x, u64 sector, void *to, u64 count)
{
    Vmdk *v = d->state;
    u32 place;
    int error = grain_of(d, x, sector / x->grain_sectors, &place);
    if (!error) error = unpack(d, v, x, place);
    if (!error) memcpy(to, v->unpacked + sector % x->grain_sectors * SECTOR_BYTES, count * SECTOR_BYTES);
    return error;
}

/* --- new grains ------------------------------------------------------------------------------------------ */

static int set_entry(Disk *d, TableCache *c, u32 table, u64 index, u32 place)
{
    Table *t;
    int error = table_get(d, c, table, &t);
    if (error) return error;
    store32(t->bytes + index * 4, place);
    table_cache_touch(c, t);
    d->pending = true;
    return 0;
}

/* The grain with what it had and the new sectors in it. */
static int write_grain(Disk *d, VmdkExtent *x, u64 sector, const void *from, u64 count, u64 offset)
{
    u64 within = sector % x->grain_sectors, first = sector - within,
        bytes = x->grain_sectors * (u64)SECTOR_BYTES;
    u64 there = x->sectors - first < x->grain_sectors ? x->sectors - first : x->grain_sectors;
    if (count == x->grain_sectors) return host_file_write(x->file, offset, from, bytes);
    u8 *grain = calloc(1, bytes);
    int error = grain ? disk_read(d, x->first + first, grain, there) : ENOMEM;
    if (!error) {
        memcpy(grain + within * SECTOR_BYTES, from, count * SECTOR_BYTES);
        error = host_file_write(x->file, offset, grain, bytes);
    }
    free(grain);
    return error;
}

int vmdk_sparse_allocate(Disk *d, VmdkExtent *x, u64 sector, const void *from, u64 count, u64 *done)
{
    u64 left = x->grain_sectors - sector % x->grain_sectors, grain = sector / x->grain_sectors;
    u32 table = x->directory[grain / x->table_entries];
    u32 copy = x->redundant ? x->redundant[grain / x->table_entries] : 0;
    u64 place = (x->file->bytes + SECTOR_BYTES - 1) / SECTOR_BYTES;
    *done = count < left ? count : left;
    if (place * SECTOR_BYTES < x->data_begins) place = x->data_begins / SECTOR_BYTES;
    if (!table || (x->redundant && !copy))
        return format_trouble(d, EIO, "the image is damaged: a grain table is missing");
    if (place + x->grain_sectors > 0xffffffff) return EFBIG;
    int error = write_grain(d, x, sector, from, *done, place * SECTOR_BYTES);
    if (!error && copy) error = set_entry(d, &x->copies, copy, grain % x->table_entries, (u32)place);
    return error ? error : set_entry(d, &x->cache, table, grain % x->table_entries, (u32)place);
}

int vmdk_sparse_settle(VmdkExtent *x)
{
    if (!x->cache.dirty && !x->copies.dirty) return 0;
    int error = host_file_flush(x->file); /* the grains, before something names them */
    if (!error) error = table_cache_write(&x->copies);
    return error ? error : table_cache_write(&x->cache);
}
