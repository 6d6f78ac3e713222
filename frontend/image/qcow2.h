/* qcow2.h - what the files of the qcow2 format share. See qcow2.c. */
#ifndef RING3_QCOW2_H
#define RING3_QCOW2_H

#include "frontend/host/big_endian.h"
#include "frontend/image/format.h"
#include "frontend/image/offset_set.h"

enum { QCOW2_V2_HEADER = 72, QCOW2_V3_HEADER = 104 };

/* Offsets in the header. */
enum {
    HEADER_VERSION = 4,
    HEADER_BACKING_OFFSET = 8,
    HEADER_BACKING_SIZE = 16,
    HEADER_CLUSTER_BITS = 20,
    HEADER_SIZE = 24,
    HEADER_CRYPT = 32,
    HEADER_L1_SIZE = 36,
    HEADER_L1_OFFSET = 40,
    HEADER_REFCOUNT_OFFSET = 48,
    HEADER_REFCOUNT_CLUSTERS = 56,
    HEADER_SNAPSHOTS = 60,
    HEADER_SNAPSHOTS_OFFSET = 64,
    HEADER_INCOMPATIBLE = 72,
    HEADER_COMPATIBLE = 80,
    HEADER_AUTOCLEAR = 88,
    HEADER_REFCOUNT_ORDER = 96,
    HEADER_LENGTH = 100
};
enum { EXTENSION_END = 0, EXTENSION_BACKING_FORMAT = (int)0xe2792aca, EXTENSION_BITMAPS = 0x23852875 };

enum { COMPRESSION_ZLIB = 0, COMPRESSION_ZSTD = 1 }; /* the byte behind QCOW2_V3_HEADER */

enum {
    INCOMPATIBLE_DIRTY = 1,
    INCOMPATIBLE_CORRUPT = 2,
    INCOMPATIBLE_DATA_FILE = 4,
    INCOMPATIBLE_COMPRESSION = 8,
    INCOMPATIBLE_EXTENDED_L2 = 16
};

#define QCOW2_COPIED     (1ull << 63)
#define QCOW2_COMPRESSED (1ull << 62)
#define QCOW2_ZERO       1ull
#define QCOW2_OFFSET     0x00fffffffffffe00ull

enum { L1_BYTES_MAX = 32 << 20, REFCOUNTS_BYTES_MAX = 8 << 20, FREED_MAX = 4096 };

/* A table in memory of which a part may be newer than the file. Numbers in the host's order. */
typedef struct MemoryTable {
    u64 *entry;
    u64 count, offset;          /* offset: of entry 0 in the file */
    u64 dirty_first, dirty_end; /* equal: none */
} MemoryTable;

typedef struct Qcow2 {
    Disk *disk;
    HostFile *file;
    u32 version, cluster_bits, refcount_order;
    u32 cluster_bytes, l2_bits; /* l2_bits: log2 of an L2 table's entries */
    u32 refcount_bits;          /* log2 of a refcount block's entries */
    u32 snapshots;
    bool has_bitmaps;
    bool zstd; /* compressed clusters are; else zlib's */
    u64 snapshots_offset, incompatible, size;
    MemoryTable l1, refcounts;
    TableCache l2, blocks;
    OffsetSet metadata; /* clusters that hold the header and tables in use; only if writable */
    u64 free_guess;     /* no cluster before it is free */
    u64 freed
        [FREED_MAX]; /* byte offsets of clusters that newer tables do not name any more; bit 0: punch it */
    u32 freed_count;
    u8 *bounce;   /* a cluster */
    u8 *unpacked; /* a cluster: what the compressed one at unpacked_entry has; NULL: none yet */
    u64 unpacked_entry;
    char backing_name[1024], backing_format[16];
} Qcow2;

/* qcow2_refcount.c. Clusters are numbers; all return 0 or an errno. */
int qcow2_refcounts_load(Qcow2 *q);
int qcow2_refcount(Qcow2 *q, u64 cluster, u64 *value);
/* qcow2_take - as many free clusters in a row as there are, up to `want`; their refcount is 1. */
int qcow2_take(Qcow2 *q, u64 want, u64 *first, u64 *got);
/* qcow2_give_back - lower a refcount that no table on the disk depends on. */
int qcow2_give_back(Qcow2 *q, u64 cluster);
/* qcow2_free_later - lower it as soon as the tables that named it are gone from the disk. There is room. */
void qcow2_free_later(Qcow2 *q, u64 offset, bool punch);
int qcow2_free_now(Qcow2 *q);
int qcow2_block_get(Qcow2 *q, u64 offset, Table **t);
u64 qcow2_refcount_in(const Qcow2 *q, const u8 *block, u64 index);
void qcow2_refcount_put(const Qcow2 *q, u8 *block, u64 index, u64 value);

/* qcow2_map.c */
int qcow2_find(Disk *d, u64 sector, u64 most, Extent *e);
int qcow2_allocate(Disk *d, u64 sector, const void *from, u64 count, u64 *done);
int qcow2_discard(Disk *d, u64 sector, u64 count);
int qcow2_read_packed(Disk *d, u64 sector, void *to, u64 count);
int qcow2_l2_get(Qcow2 *q, u64 offset, Table **t);
/* What the entry of a compressed cluster says: the byte where it begins, and how many sectors have some of it. */
typedef struct Packed {
    u64 offset;
    u32 sectors;
} Packed;
Packed qcow2_packed(const Qcow2 *q, u64 entry);

/* qcow2.c */
int qcow2_settle(Disk *d, bool durable);
int qcow2_table_read(const Qcow2 *q, MemoryTable *t); /* t->entry is the caller's to free, also after an error */
int qcow2_table_write(Qcow2 *q, MemoryTable *t);
void qcow2_table_touch(MemoryTable *t, u64 index);
int qcow2_damage(Qcow2 *q, const char *what); /* EIO */

/* qcow2_make.c, qcow2_check.c: as in format.h */
extern const char *const qcow2_options[];
bool qcow2_create(HostFile *f, const DiskMake *m, Problem *p);
bool qcow2_set_backing(Disk *d, const char *name, const char *format, Problem *p);
bool qcow2_resize(Disk *d, u64 sectors, Problem *p);
void qcow2_info(const Disk *d, DiskInfo *info);
int qcow2_check(Disk *d, DiskRepair repair, DiskCheck *result);

#endif
