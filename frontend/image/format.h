/* format.h - what an image format is to disk.c: where a sector lies, and how a new place for it is found.
 *
 * A format answers find() with extents; disk.c reads and writes those that lie in a file as they are, takes the
 * others from the backing disk or makes zeros of them. So a format has code for its tables and for writes to places
 * that are not there yet, and for nothing else.
 *
 * The image is hostile: every offset, count and size that open() believes later was compared with the file's size in
 * 64 bits; tables that are only followed are checked where they are followed, and give EIO.
 */
#ifndef RING3_FORMAT_H
#define RING3_FORMAT_H

#include "frontend/image/disk.h"
#include "frontend/image/table_cache.h"

typedef enum ExtentKind {
    EXTENT_DATA,    /* in `file` at `offset` */
    EXTENT_ZERO,    /* zeros */
    EXTENT_BACKING, /* what the backing disk has; without one zeros */
    EXTENT_PACKED   /* the format's own read() */
} ExtentKind;

typedef struct Extent {
    ExtentKind kind;
    bool in_place; /* DATA: it may be overwritten where it is */
    HostFile *file;
    u64 offset;
    u64 sectors; /* from the one asked for on; 1 to as many as were asked for */
} Extent;

typedef struct DiskFormat {
    const char *word; /* QEMU's */
    /* Fills in d->sectors and d->state; d->file is open. False: *p; close() is called all the same. */
    bool (*open)(Disk *d, Problem *p);
    void (*close)(Disk *d);      /* what is pending has been written; NULL: nothing to do */
    int (*begin_write)(Disk *d); /* before the first write; NULL: nothing to do */
    int (*find)(Disk *d, u64 sector, u64 most, Extent *e);
    int (*read)(Disk *d, u64 sector, void *to, u64 count); /* EXTENT_PACKED */
    /* Write to where find() says that it is not in place; *done: as many sectors as were, 1 to count. NULL: the
     * format is only read. */
    int (*allocate)(Disk *d, u64 sector, const void *from, u64 count, u64 *done);
    int (*discard)(Disk *d, u64 sector, u64 count); /* NULL: where they lie becomes a hole in the file */
    /* Tables that are newer in memory go to the file; with `durable` what was written survives a crash of the host,
     * too. NULL: there are none. */
    int (*settle)(Disk *d, bool durable);
    /* Each NULL: the format does not do that. */
    const char *const *options;                                 /* that create() knows; ends with NULL */
    bool (*create)(HostFile *f, const DiskMake *m, Problem *p); /* the file is empty; m->bytes are whole sectors */
    void (*info)(const Disk *d, DiskInfo *info);                /* what is not the same for all */
    int (*check)(Disk *d, DiskRepair repair, DiskCheck *result);
    bool (*resize)(Disk *d, u64 sectors, Problem *p);
    bool (*set_backing)(Disk *d, const char *name, const char *format, Problem *p);
} DiskFormat;

/* format_table_get - a table of the image's, which may have to settle() for room: table_cache_get(). */
int format_table_get(Disk *d, TableCache *c, u64 offset, Table **t);

extern const DiskFormat format_raw, format_qcow2, format_vdi, format_vmdk, format_vpc, format_gzip,
    format_cue, format_fat, format_iso; /* the last two: of no file, but by the names fat:... and dir:... */

const DiskFormat *format_by_word(const char *word); /* NULL: there is none */

struct Disk {
    const DiskFormat *format;
    HostFile file;
    u64 sectors;
    Disk *backing;    /* read only; NULL: none */
    HostFile *extent; /* more files of the same disk */
    unsigned extents;
    bool writable;
    bool guessed; /* nobody said that it is this format */
    bool no_backing, repair;
    unsigned depth; /* how many disks stand on it */
    bool written;   /* by us, since it was opened */
    bool pending;   /* something waits for settle() */
    bool released;  /* disk_release(): it was writable */
    u64 stamp;      /* ... and looked like this */
    char trouble[160];
    char *path;  /* as it was named */
    void *state; /* the format's */
};

/* format_open_backing - the backing file that the image names, as d->backing. `format`: empty: by its content. Nothing
 * happens if the backing is not wanted. */
bool format_open_backing(Disk *d, const char *name, const char *format, Problem *p);
/* format_read_backing - sectors of a backing disk: zeros behind its end; NULL: all are zeros. */
int format_read_backing(Disk *backing, u64 sector, u8 *to, u64 count);
/* format_beside - where a file lies that an image names: relative names are beside the image. Freed by the caller. */
char *format_beside(const Disk *d, const char *name);

char *format_name_beside(const char *path, const char *name); /* the same for an image at `path` */
/* format_option - the value of one of m's options, or `otherwise`; valid until the next call. */
const char *format_option(const DiskMake *m, const char *key, const char *otherwise);
/* format_size - a number with k, M, G or T behind it; false: it is none, or too large. What it takes, for who reads why not: */
#define FORMAT_SIZE_TAKES "a number with k, M, G or T, less than 4194304T"
bool format_size(const char *text, u64 *bytes);

/* format_trouble - say why, for disk_trouble(); returns the errno. */
int format_trouble(Disk *d, int error, const char *fmt, ...) PRINTF(3, 4);

#endif
