/* vmdk.h - what the files of the VMDK format share. See vmdk.c. */
#ifndef RING3_VMDK_H
#define RING3_VMDK_H

#include "frontend/image/format.h"

enum { VMDK_EXTENTS_MAX = 512, VMDK_NAME_BYTES = 256, VMDK_DESCRIPTOR_MAX = 64 << 10 };

typedef enum VmdkKind { VMDK_FLAT, VMDK_SPARSE, VMDK_ZERO } VmdkKind;

/* An extent: a row of the disk's sectors in one file, or in none. */
typedef struct VmdkExtent {
    VmdkKind kind;
    u64 first, sectors; /* of the disk */
    HostFile *file;
    bool own_file; /* it is d->file */
    u64 flat_offset;
    /* sparse */
    bool compressed, has_zeros; /* has_zeros: an entry of 1 means zeros */
    u32 grain_sectors, table_entries, tables;
    u64 data_begins;            /* no grain lies before it; bytes */
    u32 *directory, *redundant; /* sectors of the grain tables and of their copies; redundant: NULL: none */
    TableCache cache, copies;
} VmdkExtent;

typedef struct Vmdk {
    VmdkExtent *extent;
    unsigned extents;
    u64 descriptor_offset; /* in d->file */
    u64 cid_offset;        /* of the eight digits; 0: none */
    u8 *unpacked;          /* a grain of a compressed extent */
    u64 unpacked_at;       /* where it lies in the file; 0: none */
    char parent[VMDK_NAME_BYTES];
    u32 parent_cid, cid;
    bool has_parent;
} Vmdk;

/* vmdk_descriptor.c: the text. `bytes` end with 0. */
bool vmdk_read_descriptor(Disk *d, Vmdk *v, const char *text, Problem *p);

/* vmdk_make.c: one file that grows. */
extern const char *const vmdk_options[];
bool vmdk_create(HostFile *f, const DiskMake *m, Problem *p);

/* vmdk_sparse.c */
bool vmdk_sparse_open(Disk *d, VmdkExtent *x, Problem *p);
void vmdk_sparse_close(VmdkExtent *x);
int vmdk_sparse_find(Disk *d, VmdkExtent *x, u64 sector, u64 most, Extent *e); /* sector: of the extent */
int vmdk_sparse_allocate(Disk *d, VmdkExtent *x, u64 sector, const void *from, u64 count, u64 *done);
int vmdk_sparse_read(Disk *d, VmdkExtent *x, u64 sector, void *to, u64 count);
int vmdk_sparse_settle(VmdkExtent *x);

#endif
