/* disk.c - see disk.h.
 *
 * The format is what was said, or what the content looks like (foreign.c); a file that looks like nothing is raw.
 *
 * Files that an image refers to are named by the image, which may come from anywhere. They are opened for reading
 * only, before the guest runs or, later, by the broker, whose rules hold for them (broker_serve.c): a name leads to
 * no hidden file and to nothing in /proc and /sys, unless the image lies there itself. Parts of the same disk (VMDK,
 * CUE) must lie beside it.
 */
#define _GNU_SOURCE
#include "frontend/image/disk.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "frontend/image/fat.h"
#include "frontend/image/foreign.h"
#include "frontend/image/format.h"
#include "frontend/image/iso.h"

static const DiskFormat *const formats[] = {&format_raw, &format_qcow2, &format_vmdk, &format_vpc,
                                            &format_vdi, &format_gzip,  &format_cue};

const char *const *disk_formats(void)
{
    static const char *words[ARRAY_LEN(formats) + 1];
    for (unsigned n = 0; n < ARRAY_LEN(formats); n++) words[n] = formats[n]->word;
    return words;
}

const DiskFormat *format_by_word(const char *word)
{
    for (unsigned n = 0; n < ARRAY_LEN(formats); n++)
        if (!strcmp(formats[n]->word, word)) return formats[n];
    return NULL;
}

int format_trouble(Disk *d, int error, const char *fmt, ...)
{
    va_list list;
    va_start(list, fmt);
    vsnprintf(d->trouble, sizeof d->trouble, fmt, list);
    va_end(list);
    return error;
}

const char *disk_trouble(const Disk *d) { return d->trouble[0] ? d->trouble : NULL; }
const char *disk_format(const Disk *d) { return d->format->word; }
u64 disk_sectors(const Disk *d) { return d->sectors; }
u64 disk_raw_bytes(const Disk *d) { return d->format == &format_raw && !d->file.device ? d->file.bytes : 0; }
bool disk_is_pending(const Disk *d) { return d->pending; }

/* --- opening --------------------------------------------------------------------------------------------- */

static const ForeignFormat *look_at(const HostFile *f)
{
    u8 head[FOREIGN_HEAD], tail[FOREIGN_TAIL];
    u32 head_bytes = f->bytes < sizeof head ? (u32)f->bytes : (u32)sizeof head;
    u32 tail_bytes = f->bytes < sizeof tail ? (u32)f->bytes : (u32)sizeof tail;
    if (host_file_read(f, 0, head, head_bytes) || host_file_read(f, f->bytes - tail_bytes, tail, tail_bytes))
        return NULL; /* it cannot be read: the guest will find out */
    return foreign_find(head, head_bytes, tail, tail_bytes);
}

static bool refuse_foreign(const Disk *d, const ForeignFormat *f, Problem *p)
{
    char remedy[150];
    foreign_remedy(f, d->path, remedy, sizeof remedy);
    return problem_set(p, "is %s, not a raw image (%s; format=raw would take it as it is)", f->name, remedy);
}

static bool choose_format(Disk *d, const DiskSpec *s, Problem *p)
{
    d->guessed = !s->format;
    const ForeignFormat *f = s->format ? NULL : look_at(&d->file);
    if (f && !f->format) return refuse_foreign(d, f, p);
    const char *word = s->format ? s->format : f ? f->format : "raw";
    d->format = format_by_word(word);
    return d->format || problem_set(p, "format %.40s is not known", word);
}

const char *disk_folder(const char *path)
{
    const char *folder = fat_folder(path);
    return folder ? folder : iso_folder(path);
}

bool disk_folder_is_written(const char *path) { return fat_is_written(path); }

/* There is no file that could be written, or be of another format. */
static bool open_folder(Disk *d, const DiskSpec *s, Problem *p)
{
    d->format = fat_folder(s->path) ? &format_fat : &format_iso;
    if (s->format && strcmp(s->format, "raw")) return problem_set(p, "is a folder: format=raw, or none");
    if (s->writable && !fat_is_written(s->path))
        return problem_set(p, "is only read; readonly=on or snapshot=on would do");
    return d->format->open(d, p);
}

static bool open_all(Disk *d, const DiskSpec *s, Problem *p)
{
    if (disk_folder(s->path)) return open_folder(d, s, p);
    HostFileSpec file = {.path = s->path, .writable = s->writable, .sync = s->sync};
    if (!host_file_open(&d->file, &file, p) || !choose_format(d, s, p)) return false;
    if (s->writable && !d->format->allocate)
        return problem_set(p, "a %s image is only read; readonly=on or snapshot=on would do",
                           d->format->word);
    return d->format->open(d, p);
}

static void release(Disk *d)
{
    if (d->format && d->format->close) d->format->close(d);
    disk_close(d->backing);
    for (unsigned n = 0; n < d->extents; n++) host_file_close(&d->extent[n]);
    free(d->extent);
    host_file_close(&d->file);
    free(d->path);
    free(d);
}

Disk *disk_open(const DiskSpec *s, Problem *p)
{
    Disk *d = calloc(1, sizeof *d);
    CHECK(d, "no memory");
    d->file.fd = -1;
    d->writable = s->writable;
    d->no_backing = s->no_backing;
    d->depth = s->depth;
    d->repair = s->repair;
    d->path = strdup(s->path);
    CHECK(d->path, "no memory");
    if (open_all(d, s, p)) return d;
    release(d);
    return NULL;
}

void disk_close(Disk *d)
{
    if (!d) return;
    if (d->writable && d->format->settle && !d->format->settle(d, true))
        d->format->settle(d, false); /* counts of what is free now that the rest is on the disk */
    release(d);
}

/* --- files that the image names -------------------------------------------------------------------------- */

enum { CHAIN_MAX = 32 };

char *format_name_beside(const char *path, const char *name)
{
    const char *slash = strrchr(path, '/');
    char *whole = NULL;
    if (!strncmp(name, "file:", 5)) name += 5;
    int n = *name == '/' || !slash ? asprintf(&whole, "%s", name)
                                   : asprintf(&whole, "%.*s/%s", (int)(slash - path), path, name);
    CHECK(n >= 0, "no memory");
    return whole;
}

char *format_beside(const Disk *d, const char *name) { return format_name_beside(d->path, name); }

/* A word and a colon before any slash: what QEMU takes for the name of a protocol. */
static bool has_protocol(const char *name)
{
    size_t n = strcspn(name, ":/");
    return n && name[n] == ':';
}

/* NULL, or why an image may not name such a file. */
static const char *why_not_named(const Disk *d, const char *name)
{
    const char *folder = strrchr(d->path, '/');
    bool beside = *name != '/' || (folder && !strncmp(name, d->path, (size_t)(folder - d->path) + 1));
    if (!*name) return "has no name";
    if (has_protocol(name)) return "is no file";
    if (!strncmp(name, "/proc/", 6) || !strncmp(name, "/sys/", 5)) return "is a file of the kernel's";
    if (!beside && strstr(name, "/.")) return "is hidden (a link to it that is not will do)";
    for (const char *s = name; beside && (s = strstr(s, "/.")); s += 2)
        if (s[2] != '.' && s[2] != '/') return "is hidden";
    return NULL;
}

bool format_open_backing(Disk *d, const char *name, const char *format, Problem *p)
{
    if (d->no_backing) return true;
    if (!strncmp(name, "file:", 5)) name += 5;
    const char *refused = why_not_named(d, name);
    if (refused) return problem_set(p, "its backing file '%.200s' %s", name, refused);
    if (d->depth >= CHAIN_MAX)
        return problem_set(p, "has a chain of more than %d backing files, or one that leads back to itself",
                           CHAIN_MAX);
    char *whole = format_beside(d, name);
    DiskSpec spec = {.path = whole, .format = *format ? format : NULL, .depth = d->depth + 1};
    Problem why;
    d->backing = disk_open(&spec, &why);
    free(whole);
    if (d->backing) return true;
    bool deeper = !strncmp(why.text, "has a chain", 11) || !strncmp(why.text, "its backing", 11);
    return deeper ? problem_set(p, "%s", why.text)
                  : problem_set(p, "its backing file '%.120s': %.200s", name, why.text);
}

/* --- other users of the files ---------------------------------------------------------------------------- */

static bool uses(const Disk *d, const HostFile *f)
{
    for (; d; d = d->backing) {
        if ((f->writable || d->file.writable) && host_file_same(f, &d->file)) return true;
        for (unsigned n = 0; n < d->extents; n++)
            if ((f->writable || d->extent[n].writable) && host_file_same(f, &d->extent[n])) return true;
    }
    return false;
}

bool disk_clashes(const Disk *a, const Disk *b)
{
    for (; a; a = a->backing) {
        if (uses(b, &a->file)) return true;
        for (unsigned n = 0; n < a->extents; n++)
            if (uses(b, &a->extent[n])) return true;
    }
    return false;
}

const char *disk_lock(const Disk *d)
{
    const char *refused = NULL;
    for (; d && !refused; d = d->backing) {
        refused = host_file_lock(&d->file);
        for (unsigned n = 0; n < d->extents && !refused; n++) refused = host_file_lock(&d->extent[n]);
    }
    return refused;
}

void disk_unlock(const Disk *d)
{
    for (; d; d = d->backing) {
        host_file_unlock(&d->file);
        for (unsigned n = 0; n < d->extents; n++) host_file_unlock(&d->extent[n]);
    }
}

/* --- sectors --------------------------------------------------------------------------------------------- */

int format_read_backing(Disk *b, u64 sector, u8 *to, u64 count)
{
    u64 there = !b || sector >= b->sectors ? 0 : b->sectors - sector;
    if (there > count) there = count;
    memset(to + there * SECTOR_BYTES, 0, (count - there) * SECTOR_BYTES);
    return there ? disk_read(b, sector, to, there) : 0;
}

static int read_extent(Disk *d, const Extent *e, u64 sector, u8 *to)
{
    u64 bytes = e->sectors * SECTOR_BYTES;
    switch (e->kind) {
    case EXTENT_DATA: return host_file_read(e->file, e->offset, to, bytes);
    case EXTENT_BACKING: return format_read_backing(d->backing, sector, to, e->sectors);
    case EXTENT_PACKED: return d->format->read(d, sector, to, e->sectors);
    default: memset(to, 0, bytes); return 0;
    }
}

int format_table_get(Disk *d, TableCache *c, u64 offset, Table **t)
{
    int error = table_cache_has_room(c, offset) ? 0 : d->format->settle(d, false);
    return error ? error : table_cache_get(c, offset, t);
}

int disk_read(Disk *d, u64 sector, void *to, u64 count)
{
    u8 *at = to;
    Extent e;
    d->trouble[0] = 0;
    for (; count; sector += e.sectors, count -= e.sectors, at += e.sectors * SECTOR_BYTES) {
        int error = d->format->find(d, sector, count, &e);
        if (!error) error = read_extent(d, &e, sector, at);
        if (error) return error;
    }
    return 0;
}

/* Before anything changes. */
static int begin_write(Disk *d)
{
    d->trouble[0] = 0;
    if (!d->writable) return EROFS;
    int error = d->format->begin_write && !d->written ? d->format->begin_write(d) : 0;
    if (!error) d->written = true;
    return error;
}

int disk_write(Disk *d, u64 sector, const void *from, u64 count)
{
    const u8 *at = from;
    int error = begin_write(d);
    for (u64 done; count && !error; sector += done, count -= done, at += done * SECTOR_BYTES) {
        Extent e;
        error = d->format->find(d, sector, count, &e);
        if (error) return error;
        done = e.sectors;
        if (e.kind == EXTENT_DATA && e.in_place)
            error = host_file_write(e.file, e.offset, at, done * SECTOR_BYTES);
        else
            error = d->format->allocate(d, sector, at, count, &done);
    }
    return error;
}

/* --- sectors that nobody needs ---------------------------------------------------------------------------- */

/* What has a place of its own in a file becomes a hole there; the tables stay. Zeros that hide a backing file which was
 * left out would be another thing than nothing. */
static int forget_in_place(Disk *d, u64 sector, u64 count)
{
    Extent e = {0};
    int error = 0;
    if (d->no_backing) return 0;
    for (; count && !error; sector += e.sectors, count -= e.sectors) {
        error = d->format->find(d, sector, count, &e);
        if (!error && e.kind == EXTENT_DATA && e.in_place)
            error = host_file_forget(e.file, e.offset, e.sectors * SECTOR_BYTES);
    }
    return error;
}

int disk_discard(Disk *d, u64 sector, u64 count)
{
    int error = begin_write(d);
    if (error || !count) return error;
    return d->format->discard ? d->format->discard(d, sector, count) : forget_in_place(d, sector, count);
}

static bool is_blank(const Disk *d, const Extent *e)
{
    return e->kind == EXTENT_ZERO || (e->kind == EXTENT_BACKING && !d->backing);
}

int disk_write_zeros(Disk *d, u64 sector, const void *zeros, u64 count, bool unmap)
{
    Extent e = {0};
    int error = unmap ? disk_discard(d, sector, count) : begin_write(d);
    for (; count && !error; sector += e.sectors, count -= e.sectors) {
        error = d->format->find(d, sector, count, &e);
        if (error || is_blank(d, &e)) continue;
        if (unmap && e.kind == EXTENT_DATA && e.in_place)
            error = host_file_punch(e.file, e.offset, e.sectors * SECTOR_BYTES);
        else
            error = disk_write(d, sector, zeros, e.sectors);
    }
    return error;
}

/* --- what is safe ----------------------------------------------------------------------------------------- */

int disk_settle(Disk *d)
{
    d->trouble[0] = 0;
    return d->writable && d->pending ? d->format->settle(d, false) : 0;
}

bool disk_flush_failed(const Disk *d)
{
    bool failed = d->file.flush_failed;
    for (unsigned n = 0; n < d->extents; n++) failed |= d->extent[n].flush_failed != 0;
    return failed;
}

int disk_flush(Disk *d)
{
    int error = 0;
    d->trouble[0] = 0;
    if (!d->writable) return 0;
    if (d->format->settle) return d->format->settle(d, true);
    error = host_file_flush(&d->file);
    for (unsigned n = 0; n < d->extents; n++) {
        int other = host_file_flush(&d->extent[n]);
        if (!error) error = other;
    }
    return error;
}
