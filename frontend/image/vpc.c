/* vpc.c - Virtual PC's and Hyper-V's VHD images (QEMU's word: vpc): fixed, dynamic and differencing.
 *
 * (Microsoft, Virtual Hard Disk Image Format Specification 1.0.) A footer of 512 bytes ends the file. A dynamic
 * image has a copy of it at its beginning, a header, a table (BAT) with 32 bits for each block of the disk, 2 MiB as
 * a rule, and the blocks. A block begins with a bitmap of its sectors. Numbers are big-endian.
 *
 * A differencing image takes sectors whose bit is 0 from its parent, which must lie where the relative locator says,
 * or beside it, and have the UUID that it had. In a dynamic one the bits say nothing that zeros do not, and are 1 in
 * blocks of ours.
 *
 * A new block lies where the footer was. First the footer goes behind it, then its bitmap and its data are written;
 * at settle, behind a flush, bitmaps and then the BAT. What ends in between leaves an image that opens.
 *
 * The size is the footer's current size if the image's creator is known to mean it, else that of its geometry, as in
 * QEMU. Limits: a BAT of 16 MiB; bitmaps are cached.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "frontend/host/big_endian.h"
#include "frontend/image/format.h"
#include "frontend/utf8.h"

enum { FOOTER_BYTES = 512, HEADER_BYTES = 1024 };
enum { TYPE_FIXED = 2, TYPE_DYNAMIC = 3, TYPE_DIFFERENCING = 4 };
enum {
    FOOTER_DATA_OFFSET = 16,
    FOOTER_CREATOR = 28,
    FOOTER_SIZE = 48,
    FOOTER_GEOMETRY = 56,
    FOOTER_TYPE = 60,
    FOOTER_CHECKSUM = 64,
    FOOTER_UUID = 68,
    UUID_BYTES = 16
};
enum {
    HEADER_TABLE = 16,
    HEADER_ENTRIES = 28,
    HEADER_BLOCK_BYTES = 32,
    HEADER_CHECKSUM = 36,
    HEADER_PARENT_UUID = 40,
    HEADER_PARENT_NAME = 64,
    HEADER_LOCATORS = 576,
    PARENT_NAME_BYTES = 512,
    LOCATORS = 8,
    LOCATOR_BYTES = 24
};
enum { BLOCK_BYTES_MAX = 256 << 20, ENTRIES_MAX = 4 << 20, BITMAP_CACHE_BYTES = 1 << 20, UNUSED = -1 };
enum { RELATIVE_NAME = 0x57327275 }; /* "W2ru" */

typedef struct Vpc {
    u32 type;
    u8 footer[FOOTER_BYTES];
    u8 uuid_of_parent[UUID_BYTES];
    u32 *bat; /* sector of each block's bitmap, or UNUSED */
    u32 entries, block_sectors, bitmap_bytes;
    u64 bat_offset, end; /* end: where the next block goes */
    u32 dirty_first, dirty_end;
    TableCache bitmaps; /* differencing */
    char parent[1024];
} Vpc;

/* The complement of the sum of the bytes, of which the checksum's own are left out. */
static u32 checksum(const u8 *bytes, u32 n, u32 at)
{
    u32 sum = 0;
    for (u32 i = 0; i < n; i++)
        if (i < at || i >= at + 4) sum += bytes[i];
    return ~sum;
}

/* --- opening --------------------------------------------------------------------------------------------- */

static bool is_footer(const u8 *f)
{
    return !memcmp(f, "conectix", 8) &&
           load32_be(f + FOOTER_CHECKSUM) == checksum(f, FOOTER_BYTES, FOOTER_CHECKSUM);
}

/* The footer, or its copy. *at_end: it was at the end. Old fixed images have one of 511 bytes. */
static bool read_footer(Disk *d, Vpc *v, bool *at_end, Problem *p)
{
    u64 bytes = d->file.bytes;
    for (u32 n = FOOTER_BYTES; n >= FOOTER_BYTES - 1 && bytes >= n; n--) {
        v->footer[FOOTER_BYTES - 1] = 0;
        if (host_file_read(&d->file, bytes - n, v->footer, n)) return problem_set(p, "cannot be read");
        *at_end = is_footer(v->footer);
        if (*at_end) return true;
    }
    if (host_file_read(&d->file, 0, v->footer, FOOTER_BYTES)) return problem_set(p, "cannot be read");
    return is_footer(v->footer) || problem_set(p, "is no VHD image, or its footer is damaged");
}

static bool size_is_meant(const u8 *creator)
{
    static const char creators[][5] = {"win ", "qem2", "d2v ", "tap\0", "CTXS"};
    for (unsigned n = 0; n < ARRAY_LEN(creators); n++)
        if (!memcmp(creator, creators[n], 4)) return true;
    return false;
}

static u64 size_of(const u8 *f)
{
    static const u64 largest = 65535ull * 16 * 255;
    const u8 *g = f + FOOTER_GEOMETRY;
    u64 by_geometry = (u64)load16_be(g) * g[2] * g[3];
    bool by_size = size_is_meant(f + FOOTER_CREATOR) || by_geometry == largest || !by_geometry;
    return by_size ? load64_be(f + FOOTER_SIZE) / SECTOR_BYTES : by_geometry;
}

static bool open_fixed(Disk *d, bool at_end, Problem *p)
{
    if (at_end && d->sectors <= (d->file.bytes - (FOOTER_BYTES - 1)) / SECTOR_BYTES) return true;
    return problem_set(p, "is damaged: it is shorter than its disk");
}

static bool take_header(Disk *d, Vpc *v, const u8 *h, Problem *p)
{
    u32 block_bytes = load32_be(h + HEADER_BLOCK_BYTES);
    if (memcmp(h, "cxsparse", 8) ||
        load32_be(h + HEADER_CHECKSUM) != checksum(h, HEADER_BYTES, HEADER_CHECKSUM))
        return problem_set(p, "is damaged: its header is not right");
    if (block_bytes < SECTOR_BYTES || block_bytes > BLOCK_BYTES_MAX || block_bytes & (block_bytes - 1))
        return problem_set(p, "is damaged: its blocks have %u bytes", block_bytes);
    v->block_sectors = block_bytes / SECTOR_BYTES;
    v->bitmap_bytes = (v->block_sectors / 8 + SECTOR_BYTES - 1) / SECTOR_BYTES * SECTOR_BYTES;
    if (!v->bitmap_bytes) v->bitmap_bytes = SECTOR_BYTES;
    v->entries = load32_be(h + HEADER_ENTRIES);
    v->bat_offset = load64_be(h + HEADER_TABLE);
    if (v->entries > ENTRIES_MAX || (u64)v->entries * v->block_sectors < d->sectors)
        return problem_set(p, "is damaged: its table has %u entries", v->entries);
    if (v->bat_offset > d->file.bytes || v->entries * 4ull > d->file.bytes - v->bat_offset)
        return problem_set(p, "is damaged: its table lies outside the file");
    return true;
}

/* Blocks lie behind the tables and not in each other; also where the next one goes. */
static bool check_bat(Disk *d, Vpc *v, bool at_end, Problem *p)
{
    u64 block_bytes = (u64)v->block_sectors * SECTOR_BYTES + v->bitmap_bytes;
    u64 tables_end = v->bat_offset + v->entries * 4ull, last = 0;
    v->end = (d->file.bytes - (at_end ? FOOTER_BYTES : 0) + SECTOR_BYTES - 1) / SECTOR_BYTES * SECTOR_BYTES;
    for (u32 n = 0; n < v->entries; n++) {
        if (v->bat[n] == (u32)UNUSED) continue;
        u64 offset = (u64)v->bat[n] * SECTOR_BYTES;
        if (offset < tables_end || offset >= d->file.bytes)
            return problem_set(p, "is damaged: a block lies outside the file, or where a table is");
        if (offset + block_bytes > last) last = offset + block_bytes;
    }
    if (last > v->end) v->end = last;
    return true;
}

static void take_parent_name(Vpc *v, const u8 *name, u32 bytes, bool big)
{
    size_t n = 0;
    for (u32 at = 0; at + 1 < bytes && n + 4 < sizeof v->parent; at += 2) {
        u32 c = big ? load16_be(name + at) : load16(name + at);
        if (!c) break;
        if (c == '\\') c = '/';
        n += utf8_put(v->parent + n, c);
    }
    v->parent[n] = 0;
}

/* The relative name, if a locator has one; else the last part of the name in the header. */
static bool find_parent(Disk *d, Vpc *v, const u8 *h, Problem *p)
{
    u8 name[PARENT_NAME_BYTES];
    for (int n = 0; n < LOCATORS && !*v->parent; n++) {
        const u8 *l = h + HEADER_LOCATORS + n * LOCATOR_BYTES;
        u32 bytes = load32_be(l + 8);
        if (load32_be(l) != RELATIVE_NAME || !bytes || bytes > sizeof name) continue;
        if (host_file_read(&d->file, load64_be(l + 16), name, bytes)) return problem_set(p, "cannot be read");
        take_parent_name(v, name, bytes, false);
    }
    if (*v->parent) return true;
    take_parent_name(v, h + HEADER_PARENT_NAME, PARENT_NAME_BYTES, true);
    char *last = strrchr(v->parent, '/');
    if (last) memmove(v->parent, last + 1, strlen(last));
    return *v->parent || problem_set(p, "is damaged: its parent has no name");
}

static bool open_parent(Disk *d, Vpc *v, const u8 *h, Problem *p)
{
    memcpy(v->uuid_of_parent, h + HEADER_PARENT_UUID, UUID_BYTES);
    if (!table_cache_init(&v->bitmaps, &d->file, v->bitmap_bytes, BITMAP_CACHE_BYTES))
        return problem_set(p, "there is no memory for its tables");
    if (d->no_backing) return true;
    if (!find_parent(d, v, h, p) || !format_open_backing(d, v->parent, "vpc", p)) return false;
    const Vpc *parent = d->backing->state;
    return !memcmp(parent->footer + FOOTER_UUID, v->uuid_of_parent, UUID_BYTES) ||
           problem_set(p, "its parent '%.200s' is another image than it was made from", v->parent);
}

static bool open_dynamic(Disk *d, Vpc *v, bool at_end, Problem *p)
{
    u8 h[HEADER_BYTES];
    if (host_file_read(&d->file, load64_be(v->footer + FOOTER_DATA_OFFSET), h, sizeof h))
        return problem_set(p, "cannot be read");
    if (!take_header(d, v, h, p)) return false;
    v->bat = calloc(v->entries, sizeof *v->bat);
    if (!v->bat) return problem_set(p, "there is no memory for its table");
    if (host_file_read(&d->file, v->bat_offset, v->bat, v->entries * 4ull))
        return problem_set(p, "its table cannot be read");
    for (u32 n = 0; n < v->entries; n++) v->bat[n] = __builtin_bswap32(v->bat[n]);
    return check_bat(d, v, at_end, p) && (v->type == TYPE_DYNAMIC || open_parent(d, v, h, p));
}

static bool open_vpc(Disk *d, Problem *p)
{
    Vpc *v = d->state = calloc(1, sizeof *v);
    bool at_end = false;
    CHECK(v, "no memory");
    if (!read_footer(d, v, &at_end, p)) return false;
    v->type = load32_be(v->footer + FOOTER_TYPE);
    d->sectors = size_of(v->footer);
    if (!d->sectors || d->sectors > 1ull << 40)
        return problem_set(p, "is damaged: it has an impossible size");
    if (v->type == TYPE_FIXED) return open_fixed(d, at_end, p);
    if (v->type == TYPE_DYNAMIC || v->type == TYPE_DIFFERENCING) return open_dynamic(d, v, at_end, p);
    return problem_set(p, "is a VHD image of type %u, and 2, 3 and 4 are known", v->type);
}

static void close_vpc(Disk *d)
{
    Vpc *v = d->state;
    if (!v) return;
    table_cache_free(&v->bitmaps);
    free(v->bat);
    free(v);
}

/* --- sectors --------------------------------------------------------------------------------------------- */

static bool bit_of(const Table *t, u64 sector) { return t->bytes[sector / 8] >> (7 - sector % 8) & 1; }

/* In a differencing image: from here, or from the parent? */
static int look_at_bits(Disk *d, Vpc *v, u64 bitmap, u64 within, Extent *e)
{
    Table *t;
    int error = format_table_get(d, &v->bitmaps, bitmap, &t);
    if (error) return error;
    bool ours = bit_of(t, within);
    u64 n = 1;
    while (n < e->sectors && bit_of(t, within + n) == ours) n++;
    e->sectors = n;
    if (!ours) e->kind = EXTENT_BACKING;
    return 0;
}

static int find_vpc(Disk *d, u64 sector, u64 most, Extent *e)
{
    Vpc *v = d->state;
    *e = (Extent){EXTENT_DATA, true, &d->file, sector * SECTOR_BYTES, most};
    if (v->type == TYPE_FIXED) return 0;
    u64 within = sector % v->block_sectors, left = v->block_sectors - within;
    u32 place = v->bat[sector / v->block_sectors];
    if (e->sectors > left) e->sectors = left;
    e->kind = place != (u32)UNUSED ? EXTENT_DATA : v->type == TYPE_DYNAMIC ? EXTENT_ZERO : EXTENT_BACKING;
    e->offset = (u64)place * SECTOR_BYTES + v->bitmap_bytes + within * SECTOR_BYTES;
    bool has_bits = v->type == TYPE_DIFFERENCING && place != (u32)UNUSED;
    return has_bits ? look_at_bits(d, v, (u64)place * SECTOR_BYTES, within, e) : 0;
}

static int write_bitmap(Disk *d, const Vpc *v, u64 offset)
{
    u8 *bits = malloc(v->bitmap_bytes);
    if (!bits) return ENOMEM;
    memset(bits, v->type == TYPE_DYNAMIC ? 0xff : 0, v->bitmap_bytes);
    int error = host_file_write(&d->file, offset, bits, v->bitmap_bytes);
    free(bits);
    return error;
}

static int new_block(Disk *d, Vpc *v, u32 block)
{
    u64 offset = v->end, next = offset + v->bitmap_bytes + (u64)v->block_sectors * SECTOR_BYTES;
    if (offset / SECTOR_BYTES >= (u32)UNUSED) return EFBIG;
    int error = host_file_write(&d->file, next, v->footer, FOOTER_BYTES);
    if (!error) error = write_bitmap(d, v, offset);
    if (error) return error;
    bool dirty = v->dirty_first < v->dirty_end;
    v->bat[block] = (u32)(offset / SECTOR_BYTES);
    v->end = next;
    if (!dirty || block < v->dirty_first) v->dirty_first = block;
    if (!dirty || block >= v->dirty_end) v->dirty_end = block + 1;
    d->pending = true;
    return 0;
}

static int set_bits(Disk *d, Vpc *v, u64 bitmap, u64 within, u64 count)
{
    Table *t;
    int error = format_table_get(d, &v->bitmaps, bitmap, &t);
    for (u64 n = within; !error && n < within + count; n++) t->bytes[n / 8] |= (u8)(0x80 >> n % 8);
    if (error) return error;
    table_cache_touch(&v->bitmaps, t);
    d->pending = true;
    return 0;
}

static int allocate_vpc(Disk *d, u64 sector, const void *from, u64 count, u64 *done)
{
    Vpc *v = d->state;
    u64 within = sector % v->block_sectors, left = v->block_sectors - within;
    u32 block = (u32)(sector / v->block_sectors);
    *done = count < left ? count : left;
    int error = v->bat[block] == (u32)UNUSED ? new_block(d, v, block) : 0;
    if (error) return error;
    u64 bitmap = (u64)v->bat[block] * SECTOR_BYTES;
    error = host_file_write(&d->file, bitmap + v->bitmap_bytes + within * SECTOR_BYTES, from,
                            *done * SECTOR_BYTES);
    return error || v->type == TYPE_DYNAMIC ? error : set_bits(d, v, bitmap, within, *done);
}

static int write_bat(Disk *d, Vpc *v)
{
    u8 part[SECTOR_BYTES];
    int error = host_file_flush(&d->file);
    for (u32 at = v->dirty_first, n; at < v->dirty_end && !error; at += n) {
        n = v->dirty_end - at < sizeof part / 4 ? v->dirty_end - at : (u32)sizeof part / 4;
        for (u32 i = 0; i < n; i++) store32_be(part + i * 4, v->bat[at + i]);
        error = host_file_write(&d->file, v->bat_offset + at * 4ull, part, n * 4ull);
    }
    if (!error) v->dirty_first = v->dirty_end = 0;
    return error;
}

static int settle_vpc(Disk *d, bool durable)
{
    Vpc *v = d->state;
    int error = 0;
    if (v->bitmaps.dirty) error = host_file_flush(&d->file);
    if (!error && v->bitmaps.dirty) error = table_cache_write(&v->bitmaps);
    if (!error && v->dirty_first < v->dirty_end) error = write_bat(d, v);
    if (!error) d->pending = false;
    return error || !durable ? error : host_file_flush(&d->file);
}

/* --- making ---------------------------------------------------------------------------------------------- */

static const char *const vpc_options[] = {"subformat", "size", NULL};
enum {
    NEW_BLOCK_BYTES = 2 << 20,
    VERSION_1_0 = 0x10000,
    FEATURES = 2,
    TIME_BASE = 946684800
}; /* 2000-01-01 */

/* Cylinders, heads and sectors, as the specification's appendix finds them. */
static void put_geometry(u8 *g, u64 sectors)
{
    enum { LARGEST = 65535 * 16 * 255, LONG = 65535 * 16 * 63 };
    u32 all = sectors > LARGEST ? LARGEST : (u32)sectors, per_track = 17, heads, tracks = all / 17;
    if (all > LONG) {
        per_track = 255, heads = 16, tracks = all / per_track;
    } else {
        heads = (tracks + 1023) / 1024;
        if (heads < 4) heads = 4;
        if (tracks >= heads * 1024 || heads > 16) per_track = 31, heads = 16, tracks = all / per_track;
        if (tracks >= heads * 1024) per_track = 63, heads = 16, tracks = all / per_track;
    }
    store16_be(g, (u16)(tracks / heads));
    g[2] = (u8)heads;
    g[3] = (u8)per_track;
}

static void fill_footer(u8 *f, u64 sectors, bool fixed)
{
    memcpy(f, "conectix", 8);
    store32_be(f + 8, FEATURES);
    store32_be(f + 12, VERSION_1_0);
    store64_be(f + FOOTER_DATA_OFFSET, fixed ? ~0ull : FOOTER_BYTES);
    store32_be(f + 24, (u32)(time(NULL) - TIME_BASE));
    memcpy(f + FOOTER_CREATOR, "win ", 4); /* its size is meant, not its geometry */
    store32_be(f + 32, VERSION_1_0);
    memcpy(f + 36, "Wi2k", 4);
    store64_be(f + 40, sectors * SECTOR_BYTES);
    store64_be(f + FOOTER_SIZE, sectors * SECTOR_BYTES);
    put_geometry(f + FOOTER_GEOMETRY, sectors);
    store32_be(f + FOOTER_TYPE, fixed ? TYPE_FIXED : TYPE_DYNAMIC);
    store64_be(f + FOOTER_UUID, host_now_ns() * 0x9e3779b97f4a7c15ull);
    store64_be(f + FOOTER_UUID + 8, host_tsc() * 0xbf58476d1ce4e5b9ull);
    store32_be(f + FOOTER_CHECKSUM, checksum(f, FOOTER_BYTES, FOOTER_CHECKSUM));
}

/* Footer, header, BAT, footer. */
static int write_dynamic(HostFile *f, const u8 *footer, u64 sectors)
{
    u8 h[HEADER_BYTES] = {0};
    u32 entries = (u32)((sectors * SECTOR_BYTES + NEW_BLOCK_BYTES - 1) / NEW_BLOCK_BYTES);
    u64 bat = FOOTER_BYTES + HEADER_BYTES,
        bat_bytes = (entries * 4ull + SECTOR_BYTES - 1) / SECTOR_BYTES * SECTOR_BYTES;
    memcpy(h, "cxsparse", 8);
    store64_be(h + 8, ~0ull);
    store64_be(h + HEADER_TABLE, bat);
    store32_be(h + 24, VERSION_1_0);
    store32_be(h + HEADER_ENTRIES, entries);
    store32_be(h + HEADER_BLOCK_BYTES, NEW_BLOCK_BYTES);
    store32_be(h + HEADER_CHECKSUM, checksum(h, HEADER_BYTES, HEADER_CHECKSUM));
    u8 *table = malloc(bat_bytes);
    if (!table) return ENOMEM;
    memset(table, 0xff, bat_bytes);
    int error = host_file_write(f, bat, table, bat_bytes);
    free(table);
    if (!error) error = host_file_write(f, FOOTER_BYTES, h, sizeof h);
    if (!error) error = host_file_write(f, bat + bat_bytes, footer, FOOTER_BYTES);
    return error ? error : host_file_write(f, 0, footer, FOOTER_BYTES);
}

static bool create_vpc(HostFile *f, const DiskMake *m, Problem *p)
{
    static const u64 most = (2040ull << 30) / SECTOR_BYTES;
    u8 footer[FOOTER_BYTES] = {0};
    u64 sectors = m->bytes / SECTOR_BYTES;
    const char *kind = format_option(m, "subformat", "dynamic");
    bool fixed = !strcmp(kind, "fixed");
    if (!fixed && strcmp(kind, "dynamic"))
        return problem_set(p, "-o subformat=%.40s: it is dynamic or fixed", kind);
    if (!sectors || sectors > most) return problem_set(p, "a VHD image has at most 2040 GiB");
    fill_footer(footer, sectors, fixed);
    int error = fixed ? host_file_write(f, sectors * SECTOR_BYTES, footer, FOOTER_BYTES)
                      : write_dynamic(f, footer, sectors);
    return !error || problem_set(p, "%s", strerror(error));
}

static void info_vpc(const Disk *d, DiskInfo *info)
{
    static const char *const variants[] = {
        [TYPE_FIXED] = "fixed", [TYPE_DYNAMIC] = "dynamic", [TYPE_DIFFERENCING] = "differencing"};
    const Vpc *v = d->state;
    info->cluster_bytes = v->block_sectors * SECTOR_BYTES;
    info->variant = variants[v->type];
    if (*v->parent) info->backing = v->parent, info->backing_format = "vpc";
}

const DiskFormat format_vpc = {.word = "vpc",
                               .open = open_vpc,
                               .close = close_vpc,
                               .find = find_vpc,
                               .allocate = allocate_vpc,
                               .settle = settle_vpc,
                               .options = vpc_options,
                               .create = create_vpc,
                               .info = info_vpc};
