/* vmdk_make.c - a new VMDK image: one file that grows (monolithicSparse), with all its grain tables and their copies.
 *
 * Header and descriptor, the second directory and its tables, the first directory and its tables, grains from 64 KiB
 * on.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "frontend/image/vmdk.h"

const char *const vmdk_options[] = {"subformat", "size", NULL};

enum {
    GRAIN = 128,
    ENTRIES = 512,
    TABLE_SECTORS = 4,
    DESCRIPTOR_SECTORS = 20,
    SECOND_DIRECTORY = 1 + DESCRIPTOR_SECTORS
};

typedef struct Plan {
    u64 sectors, tables, directory_sectors, first_directory, overhead;
} Plan;

static bool plan(Plan *n, const DiskMake *m, Problem *p)
{
    const char *kind = format_option(m, "subformat", "monolithicSparse");
    if (strcmp(kind, "monolithicSparse"))
        return problem_set(
            p, "-o subformat=%.40s: only monolithicSparse is made, and by convert streamOptimized", kind);
    n->sectors = m->bytes / SECTOR_BYTES;
    if (!n->sectors || n->sectors > 1ull << 32) return problem_set(p, "a VMDK image has at most 2 TiB");
    n->tables = (n->sectors + GRAIN * ENTRIES - 1) / (GRAIN * ENTRIES);
    n->directory_sectors = (n->tables * 4 + SECTOR_BYTES - 1) / SECTOR_BYTES;
    n->first_directory = SECOND_DIRECTORY + n->directory_sectors + n->tables * TABLE_SECTORS;
    n->overhead = n->first_directory + n->directory_sectors + n->tables * TABLE_SECTORS;
    n->overhead = (n->overhead + GRAIN - 1) / GRAIN * GRAIN;
    return true;
}

static void fill_header(u8 *h, const Plan *n)
{
    memcpy(h, "KDMV", 4);
    store32(h + 4, 1);
    store32(h + 8, 3); /* lines end as they should; there are two directories */
    store64(h + 12, (n->sectors + GRAIN - 1) / GRAIN * GRAIN);
    store64(h + 20, GRAIN);
    store64(h + 28, 1);
    store64(h + 36, DESCRIPTOR_SECTORS);
    store32(h + 44, ENTRIES);
    store64(h + 48, SECOND_DIRECTORY);
    store64(h + 56, n->first_directory);
    store64(h + 64, n->overhead);
    memcpy(h + 73, "\n \r\n", 4); /* a transfer as text would change them */
}

static void fill_descriptor(char *to, size_t room, const char *path, const Plan *n)
{
    const char *slash = strrchr(path, '/');
    u64 cylinders = n->sectors / (16 * 63);
    snprintf(
        to, room,
        "# Disk DescriptorFile\nversion=1\nCID=%08x\nparentCID=ffffffff\ncreateType=\"monolithicSparse\"\n\n"
        "# Extent description\nRW %llu SPARSE \"%.255s\"\n\n"
        "# The Disk Data Base\n#DDB\n\nddb.virtualHWVersion = \"4\"\nddb.geometry.cylinders = \"%llu\"\n"
        "ddb.geometry.heads = \"16\"\nddb.geometry.sectors = \"63\"\nddb.adapterType = \"ide\"\n",
        (u32)(host_now_ns() * 0x9e3779b97f4a7c15ull >> 32) & ~1u, (unsigned long long)n->sectors,
        slash ? slash + 1 : path, (unsigned long long)(cylinders > 16383 ? 16383 : cylinders));
}

static int write_directory(HostFile *f, const Plan *n, u64 at)
{
    u32 *entry = calloc(n->tables, 4);
    if (!entry) return ENOMEM;
    for (u64 t = 0; t < n->tables; t++) entry[t] = (u32)(at + n->directory_sectors + t * TABLE_SECTORS);
    int error = host_file_write(f, at * SECTOR_BYTES, entry, n->tables * 4);
    free(entry);
    return error;
}

bool vmdk_create(HostFile *f, const DiskMake *m, Problem *p)
{
    Plan n;
    u8 h[SECTOR_BYTES] = {0};
    char text[DESCRIPTOR_SECTORS * SECTOR_BYTES] = "";
    if (!plan(&n, m, p)) return false;
    const char *name = strrchr(m->path, '/') ? strrchr(m->path, '/') + 1 : m->path;
    if (strpbrk(name, "\"\r\n") || strlen(name) >= VMDK_NAME_BYTES)
        return problem_set(p, "a VMDK image cannot have this name");
    fill_header(h, &n);
    fill_descriptor(text, sizeof text, m->path, &n);
    int error = host_file_resize(f, n.overhead * SECTOR_BYTES);
    if (!error) error = host_file_write(f, SECTOR_BYTES, text, sizeof text);
    if (!error) error = write_directory(f, &n, SECOND_DIRECTORY);
    if (!error) error = write_directory(f, &n, n.first_directory);
    if (!error) error = host_file_write(f, 0, h, sizeof h);
    return !error || problem_set(p, "%s", strerror(error));
}
