/* img_copy.c - what is in an image, somewhere else: `ring3 img convert`, `commit` and `rebase`.
 *
 * Zeros are not written, be it that tables say so or that 64 KiB are found to be zeros. A commit or a rebase that ends
 * in the middle has changed nothing that a guest sees: the image still has all that it had, and may be done again.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "frontend/host/bytes.h"
#include "frontend/image/format.h"
#include "frontend/image/img.h"
#include "frontend/image/vmdk_stream.h"

enum { PIECE = 2048, GRAIN = 128 }; /* sectors */

static u8 buffer[PIECE * SECTOR_BYTES], other[PIECE * SECTOR_BYTES];

static u64 piece_of(u64 sector, u64 all)
{
    u64 n = PIECE - sector % PIECE;
    return n < all - sector ? n : all - sector;
}

/* --- convert --------------------------------------------------------------------------------------------- */

static int write_what_is_not_zero(Disk *to, u64 sector, u64 count)
{
    int error = 0;
    for (u64 at = 0, n, end; at < count && !error; at += n) {
        n = count - at < GRAIN ? count - at : GRAIN;
        if (bytes_are_zero(buffer + at * SECTOR_BYTES, n * SECTOR_BYTES)) continue;
        for (end = at + n; end < count; end += n) { /* as much as there is in a row */
            n = count - end < GRAIN ? count - end : GRAIN;
            if (bytes_are_zero(buffer + end * SECTOR_BYTES, n * SECTOR_BYTES)) break;
        }
        n = end - at;
        error = disk_write(to, sector + at, buffer + at * SECTOR_BYTES, n);
    }
    return error;
}

static int copy_all(const ImgWords *w, Disk *from, Disk *to)
{
    u64 all = disk_sectors(from);
    for (u64 at = 0, n; at < all; at += n) {
        bool zero;
        n = all - at;
        int error = disk_reads_zero(from, at, &n, &zero);
        if (!error && zero) continue;
        if (n > piece_of(at, all)) n = piece_of(at, all);
        if (!error) error = disk_read(from, at, buffer, n);
        if (error) return img_error(w->file[0], from, "reading", error);
        error = write_what_is_not_zero(to, at, n);
        if (error) return img_error(w->file[1], to, "writing", error);
    }
    int error = disk_flush(to);
    return error ? img_error(w->file[1], to, "writing", error) : 0;
}

/* -o subformat=streamOptimized: a form that is written in one go. */
static int convert_to_stream(const ImgWords *w, Disk *from)
{
    HostFileSpec s = {.path = w->file[1], .create = true};
    const char *slash = strrchr(w->file[1], '/'), *name = slash ? slash + 1 : w->file[1];
    HostFile to;
    Problem p;
    if (strpbrk(name, "\"\r\n")) return img_fail(w->file[1], "a VMDK image cannot have this name");
    if (!host_file_open(&to, &s, &p)) return img_fail(w->file[1], "%s", p.text);
    const char *lock = host_file_lock(&to);
    int error = lock ? EBUSY : host_file_resize(&to, 0);
    if (!error) error = vmdk_stream(from, &to, name);
    host_file_close(&to);
    return error ? img_error(w->file[1], from, "writing", error) : 0;
}

static int convert_to(const ImgWords *w, Disk *from)
{
    DiskMake m = {.path = w->file[1],
                  .format = w->to_format ? w->to_format : "raw",
                  .bytes = disk_sectors(from) * SECTOR_BYTES,
                  .options = w->options};
    DiskSpec s = {.path = w->file[1], .format = m.format, .writable = true};
    Problem p;
    const char *kind = format_option(&m, "subformat", "");
    if (!strcmp(m.format, "vmdk") && !strcmp(kind, "streamOptimized")) return convert_to_stream(w, from);
    if (!disk_create(&m, &p)) return img_fail(w->file[1], "%s", p.text);
    Disk *to = img_open(&s);
    if (!to) return 1;
    int code = disk_sectors(to) >= disk_sectors(from) ? copy_all(w, from, to)
                                                      : img_fail(w->file[1], "it is smaller than its source");
    disk_close(to);
    return code;
}

int img_convert(const ImgWords *w)
{
    DiskSpec s = {.path = w->file[0], .format = w->format};
    Disk *from = img_open(&s);
    if (!from) return 1;
    int code = convert_to(w, from);
    disk_close(from);
    return code;
}

/* --- commit ---------------------------------------------------------------------------------------------- */

/* What the image has itself goes to its backing file. */
static int commit_to(const ImgWords *w, Disk *top, Disk *base, const char *base_path)
{
    u64 all = disk_sectors(top);
    for (u64 at = 0, n; at < all; at += n) {
        DiskPlace place;
        n = piece_of(at, all);
        int error = disk_place(top, at, &n, &place);
        if (!error && place == PLACE_BACKING) continue;
        if (!error) error = disk_read(top, at, buffer, n);
        if (error) return img_error(w->file[0], top, "reading", error);
        error = disk_write(base, at, buffer, n);
        if (error) return img_error(base_path, base, "writing", error);
    }
    int error = disk_flush(base);
    if (error) return img_error(base_path, base, "writing", error);
    if (w->keep) return 0;
    error = disk_discard(top, 0, all);
    if (!error) error = disk_flush(top);
    return error ? img_error(w->file[0], top, "emptying", error) : 0;
}

static int commit_into(const ImgWords *w, Disk *top, const DiskSpec *s)
{
    Problem p;
    Disk *base = img_open(s);
    if (!base) return 1;
    int code = 0;
    if (disk_sectors(base) < disk_sectors(top) && !disk_resize(base, disk_sectors(top) * SECTOR_BYTES, &p))
        code = img_fail(s->path, "%s", p.text);
    if (!code) code = commit_to(w, top, base, s->path);
    disk_close(base);
    if (!code && !w->quiet) printf("Image committed.\n");
    return code;
}

int img_commit(const ImgWords *w)
{
    DiskSpec s = {.path = w->file[0], .format = w->format, .writable = true, .no_backing = true};
    DiskInfo i;
    Disk *top = img_open(&s);
    if (!top) return 1;
    disk_info(top, &i);
    int code = 1;
    if (!i.backing)
        img_fail(w->file[0], "it has no backing file");
    else {
        char *base = format_name_beside(w->file[0], i.backing);
        DiskSpec to = {.path = base, .format = i.backing_format, .writable = true};
        code = commit_into(w, top, &to);
        free(base);
    }
    disk_close(top);
    return code;
}

/* --- rebase ---------------------------------------------------------------------------------------------- */

/* What the new backing file has otherwise than the old one becomes the image's own. */
static int take_differences(const ImgWords *w, Disk *d, Disk *base)
{
    u64 all = disk_sectors(d);
    for (u64 at = 0, n; at < all; at += n) {
        DiskPlace place;
        n = piece_of(at, all);
        if (n > GRAIN) n = GRAIN;
        int error = disk_place(d, at, &n, &place);
        if (!error && place != PLACE_BACKING) continue;
        if (!error) error = disk_read(d, at, buffer, n);
        if (!error) error = format_read_backing(base, at, other, n);
        if (!error && memcmp(buffer, other, n * SECTOR_BYTES)) error = disk_write(d, at, buffer, n);
        if (error) return img_error(w->file[0], d, "copying", error);
    }
    int error = disk_flush(d);
    return error ? img_error(w->file[0], d, "writing", error) : 0;
}

static int rebase_on(const ImgWords *w, Disk *d)
{
    Problem p;
    Disk *base = NULL;
    bool none = !*w->base;
    if (!w->unsafe && !none) {
        char *whole = format_name_beside(w->file[0], w->base);
        DiskSpec s = {.path = whole, .format = w->base_format};
        base = img_open(&s);
        free(whole);
        if (!base) return 1;
    }
    int code = w->unsafe ? 0 : take_differences(w, d, base);
    disk_close(base);
    if (!code && !disk_set_backing(d, none ? NULL : w->base, w->base_format, &p))
        code = img_fail(w->file[0], "%s", p.text);
    return code;
}

int img_rebase(const ImgWords *w)
{
    DiskSpec s = {.path = w->file[0], .format = w->format, .writable = true, .no_backing = w->unsafe};
    if (!w->base) return img_fail(w->file[0], "-b is missing: the new backing file, or '' for none");
    if (*w->base && !w->base_format)
        return img_fail(w->file[0], "-b needs -F: which format the backing file has");
    Disk *d = img_open(&s);
    if (!d) return 1;
    int code = rebase_on(w, d);
    disk_close(d);
    return code;
}
