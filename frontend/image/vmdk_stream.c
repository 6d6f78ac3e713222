/* vmdk_stream.c - a disk as a stream-optimized VMDK, the form in which virtual machines travel (OVF, DSP0243).
 *
 * (VMware's "Virtual Disk Format 5.0", "Stream-Optimized Compressed Sparse Extents".) Written from front to back: a
 * header, which says that the directory is at the end; the descriptor; grains of 64 KiB, each behind its number and
 * packed by zlib, but for those of zeros; behind each 512 of them their table; the directory; the header again, which says
 * where the directory is; and a sector of zeros. Each part but the grains stands behind a sector that names it.
 */
#include "frontend/image/vmdk_stream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "frontend/host/bytes.h"

enum { GRAIN = 128, ENTRIES = 512, DESCRIPTOR_SECTORS = 20, OVERHEAD = 128 }; /* sectors, but for ENTRIES */
enum { GRAIN_BYTES = GRAIN * SECTOR_BYTES, MARKER_BYTES = 12 };
enum { MARKER_TABLE = 1, MARKER_DIRECTORY, MARKER_FOOTER };
#define AT_END       0xffffffffffffffffull
#define SECTORS_MAX  (1ull << 32)
#define VERSION_3    3
#define FLAGS_STREAM 0x30001 /* lines end as they should; grains are packed, and parts have markers */

typedef struct Stream {
    Disk *from;
    HostFile *to;
    u64 sectors, at; /* at: where the next part goes; bytes */
    u32 *directory, tables;
    u8 table[ENTRIES * 4], grain[GRAIN_BYTES];
    u8 *packed; /* a marker and a packed grain */
    uLong room;
    bool has_grains; /* the table */
} Stream;

static int put(Stream *s, const void *bytes, u64 n)
{
    int error = host_file_write(s->to, s->at, bytes, n);
    s->at += n;
    return error;
}

static int put_marker(Stream *s, u32 type, u64 sectors)
{
    u8 marker[SECTOR_BYTES] = {0};
    store64(marker, sectors);
    store32(marker + 12, type);
    return put(s, marker, sizeof marker);
}

static int put_header(Stream *s, u64 directory_at)
{
    u8 h[SECTOR_BYTES] = "KDMV";
    store32(h + 4, VERSION_3);
    store32(h + 8, FLAGS_STREAM);
    store64(h + 12, s->sectors);
    store64(h + 20, GRAIN);
    store64(h + 28, 1);
    store64(h + 36, DESCRIPTOR_SECTORS);
    store32(h + 44, ENTRIES);
    store64(h + 56, directory_at);
    store64(h + 64, OVERHEAD);
    memcpy(h + 73, "\n \r\n", 4);
    store16(h + 77, 1); /* deflate */
    return put(s, h, sizeof h);
}

static int put_descriptor(Stream *s, const char *name)
{
    char text[(OVERHEAD - 1) * SECTOR_BYTES] = "";
    u64 cylinders = s->sectors / (16 * 63);
    snprintf(
        text, DESCRIPTOR_SECTORS * SECTOR_BYTES,
        "# Disk DescriptorFile\nversion=1\nCID=%08x\nparentCID=ffffffff\ncreateType=\"streamOptimized\"\n\n"
        "# Extent description\nRW %llu SPARSE \"%.255s\"\n\n# The Disk Data Base\n#DDB\n\n"
        "ddb.virtualHWVersion = \"4\"\nddb.geometry.cylinders = \"%llu\"\nddb.geometry.heads = \"16\"\n"
        "ddb.geometry.sectors = \"63\"\nddb.adapterType = \"ide\"\n",
        (u32)(host_now_ns() * 0x9e3779b97f4a7c15ull >> 32) & ~1u, (unsigned long long)s->sectors, name,
        (unsigned long long)(cylinders > 16383 ? 16383 : cylinders));
    return put(s, text, sizeof text);
}

static int put_grain(Stream *s, u64 sector)
{
    uLongf n = s->room;
    u64 place = s->at / SECTOR_BYTES;
    if (compress2(s->packed + MARKER_BYTES, &n, s->grain, GRAIN_BYTES, Z_DEFAULT_COMPRESSION) != Z_OK)
        return ENOMEM;
    store64(s->packed, sector);
    store32(s->packed + 8, (u32)n);
    u64 whole = (MARKER_BYTES + n + SECTOR_BYTES - 1) / SECTOR_BYTES * SECTOR_BYTES;
    memset(s->packed + MARKER_BYTES + n, 0, whole - MARKER_BYTES - n);
    store32(s->table + sector / GRAIN % ENTRIES * 4, (u32)place);
    s->has_grains = true;
    return place > UINT32_MAX ? EFBIG : put(s, s->packed, whole);
}

static int put_table(Stream *s, u64 table)
{
    if (!s->has_grains) return 0;
    int error = put_marker(s, MARKER_TABLE, sizeof s->table / SECTOR_BYTES);
    s->directory[table] = (u32)(s->at / SECTOR_BYTES);
    if (!error) error = put(s, s->table, sizeof s->table);
    memset(s->table, 0, sizeof s->table);
    s->has_grains = false;
    return error;
}

static int put_piece(Stream *s, u64 sector)
{
    u64 left = s->sectors - sector, n = left < GRAIN ? left : GRAIN;
    memset(s->grain, 0, sizeof s->grain);
    int error = disk_read(s->from, sector, s->grain, n);
    return error || bytes_are_zero(s->grain, sizeof s->grain) ? error : put_grain(s, sector);
}

static int put_grains(Stream *s)
{
    int error = 0;
    for (u32 t = 0; t < s->tables && !error; t++) {
        u64 at = (u64)t * GRAIN * ENTRIES, end = at + GRAIN * ENTRIES;
        if (end > s->sectors) end = s->sectors;
        while (at < end && !error) {
            u64 n = end - at;
            bool zero;
            error = disk_reads_zero(s->from, at, &n, &zero);
            if (!error && zero && at % GRAIN == 0 && n >= GRAIN) {
                at += n / GRAIN * GRAIN;
                continue;
            }
            if (!error) error = put_piece(s, at);
            at += GRAIN;
        }
        if (!error) error = put_table(s, t);
    }
    return error;
}

static int put_end(Stream *s)
{
    u64 bytes = (s->tables * 4ull + SECTOR_BYTES - 1) / SECTOR_BYTES * SECTOR_BYTES;
    u8 *directory = calloc(1, bytes), zeros[SECTOR_BYTES] = {0};
    if (!directory) return ENOMEM;
    for (u32 n = 0; n < s->tables; n++) store32(directory + n * 4ull, s->directory[n]);
    int error = put_marker(s, MARKER_DIRECTORY, bytes / SECTOR_BYTES);
    u64 at = s->at / SECTOR_BYTES;
    if (!error) error = put(s, directory, bytes);
    if (!error) error = put_marker(s, MARKER_FOOTER, 1);
    if (!error) error = put_header(s, at);
    if (!error) error = put(s, zeros, sizeof zeros);
    free(directory);
    return error;
}

static int put_all(Stream *s, const char *name)
{
    int error = put_header(s, AT_END);
    if (!error) error = put_descriptor(s, name);
    if (!error) error = put_grains(s);
    if (!error) error = put_end(s);
    return error ? error : host_file_flush(s->to);
}

int vmdk_stream(Disk *from, HostFile *to, const char *name)
{
    Stream *s = calloc(1, sizeof *s);
    if (!s) return ENOMEM;
    s->from = from;
    s->to = to;
    s->sectors = disk_sectors(from);
    s->tables = (u32)((s->sectors + GRAIN * ENTRIES - 1) / (GRAIN * ENTRIES));
    s->room = compressBound(GRAIN_BYTES);
    s->packed = malloc(MARKER_BYTES + s->room + SECTOR_BYTES);
    s->directory = calloc(s->tables + 1, sizeof *s->directory);
    int error = s->packed && s->directory ? 0 : ENOMEM;
    if (!error && (!s->sectors || s->sectors > SECTORS_MAX)) error = EFBIG;
    if (!error) error = put_all(s, name);
    free(s->packed);
    free(s->directory);
    free(s);
    return error;
}
