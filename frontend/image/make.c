/* make.c - what can be done with an image file apart from being a disk: it is made, looked at, checked, resized, gets
 * another backing file. For `ring3 img` (frontend/image/img.c). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "frontend/image/format.h"
#include "frontend/options/option_words.h"

/* --- options --------------------------------------------------------------------------------------------- */

bool format_size(const char *text, u64 *bytes)
{
    static const char suffixes[] = "bkmgtp";
    char *end;
    errno = 0;
    *bytes = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || errno) return false;
    if (!*end) return *bytes < 1ull << 62;
    const char *suffix = strchr(suffixes, *end | 0x20);
    u32 shift = suffix ? (u32)(suffix - suffixes) * 10 : 0;
    if (!suffix || end[1] || *bytes >> (62 - shift)) return false;
    *bytes <<= shift;
    return true;
}

const char *format_option(const DiskMake *m, const char *key, const char *otherwise)
{
    static Pair pair;
    const char *at = m->options;
    const char *value = otherwise;
    static char copy[sizeof pair.value];
    while (at && pair_next(&at, NULL, &pair)) {
        if (strcmp(pair.key, key)) continue;
        snprintf(copy, sizeof copy, "%s", pair.value);
        value = copy;
    }
    return value;
}

static bool check_options(const DiskFormat *f, const DiskMake *m, Problem *p)
{
    Pair pair;
    const char *at = m->options;
    while (at && pair_next(&at, NULL, &pair)) {
        const char *const *known = f->options;
        while (known && *known && strcmp(*known, pair.key)) known++;
        if (!known || !*known)
            return problem_set(p, "-o %.60s=: the format %s has no such option", pair.key, f->word);
    }
    return true;
}

/* --- making ---------------------------------------------------------------------------------------------- */

static bool make_file(HostFile *f, const DiskFormat *format, const DiskMake *m, Problem *p)
{
    const char *lock = host_file_lock(f);
    if (lock) return problem_set(p, "Failed to get \"%s\" lock; is another process using it?", lock);
    int error = f->device ? 0 : host_file_resize(f, 0);
    if (error) return problem_set(p, "%s", strerror(error));
    return format->create(f, m, p);
}

bool disk_create(const DiskMake *m, Problem *p)
{
    const DiskFormat *format = format_by_word(m->format);
    HostFileSpec spec = {.path = m->path, .create = true};
    HostFile f;
    if (!format) return problem_set(p, "format %.40s is not known", m->format);
    if (!format->create) return problem_set(p, "no %s images are made", format->word);
    if (m->backing && !format->set_backing)
        return problem_set(p, "a %s image made here has no backing file", format->word);
    if (!check_options(format, m, p) || !host_file_open(&f, &spec, p)) return false;
    DiskMake whole = *m;
    whole.bytes = (m->bytes + SECTOR_BYTES - 1) / SECTOR_BYTES * SECTOR_BYTES;
    bool good = make_file(&f, format, &whole, p);
    host_file_close(&f);
    return good;
}

/* --- looking at it --------------------------------------------------------------------------------------- */

static u64 used_by(const HostFile *f)
{
    struct stat s;
    return fstat(f->fd, &s) ? 0 : (u64)s.st_blocks * 512;
}

void disk_info(const Disk *d, DiskInfo *info)
{
    *info = (DiskInfo){.bytes = d->sectors * SECTOR_BYTES, .used_bytes = used_by(&d->file)};
    for (unsigned n = 0; n < d->extents; n++) info->used_bytes += used_by(&d->extent[n]);
    if (d->format->info) d->format->info(d, info);
}

int disk_check(Disk *d, DiskRepair repair, DiskCheck *result)
{
    *result = (DiskCheck){0};
    d->trouble[0] = 0;
    return d->format->check ? d->format->check(d, repair, result) : ENOTSUP;
}

int disk_place(Disk *d, u64 sector, u64 *count, DiskPlace *place)
{
    Extent e;
    d->trouble[0] = 0;
    int error = d->format->find(d, sector, *count, &e);
    if (error) return error;
    *count = e.sectors;
    *place = e.kind == EXTENT_BACKING ? PLACE_BACKING : e.kind == EXTENT_ZERO ? PLACE_ZERO : PLACE_DATA;
    return 0;
}

int disk_reads_zero(Disk *d, u64 sector, u64 *count, bool *zero)
{
    DiskPlace place;
    int error = disk_place(d, sector, count, &place);
    *zero = place != PLACE_DATA;
    if (error || place != PLACE_BACKING || !d->backing || sector >= d->backing->sectors) return error;
    if (*count > d->backing->sectors - sector) *count = d->backing->sectors - sector;
    return disk_reads_zero(d->backing, sector, count, zero);
}

/* --- changing it ----------------------------------------------------------------------------------------- */

bool disk_resize(Disk *d, u64 bytes, Problem *p)
{
    if (!d->format->resize) return problem_set(p, "the size of a %s image is not changed", d->format->word);
    return d->format->resize(d, (bytes + SECTOR_BYTES - 1) / SECTOR_BYTES, p);
}

bool disk_set_backing(Disk *d, const char *name, const char *format, Problem *p)
{
    if (!d->format->set_backing)
        return problem_set(p, "a %s image gets no other backing file here", d->format->word);
    return d->format->set_backing(d, name, format, p);
}
