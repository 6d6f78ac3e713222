/* table_cache.h - the tables of an image that were used last, as they are in the file. See table_cache.c. */
#ifndef RING3_TABLE_CACHE_H
#define RING3_TABLE_CACHE_H

#include "frontend/image/host_file.h"

typedef struct Table {
    u64 offset; /* in the file; 0: none */
    u64 used;   /* when */
    bool dirty; /* newer than the file */
    u8 *bytes;
} Table;

typedef struct TableCache {
    HostFile *file;
    Table *table;
    u32 table_bytes, sets, dirty; /* dirty: how many */
    u64 clock;
} TableCache;

/* table_cache_init - tables of `table_bytes`, some `most_bytes` of them in all, but at least a few. */
bool table_cache_init(TableCache *c, HostFile *file, u32 table_bytes, u32 most_bytes);
void table_cache_free(TableCache *c);

/* Can the table at `offset` be had without writing one that is newer than the file? */
bool table_cache_has_room(TableCache *c, u64 offset);
/* table_cache_get - the table at `offset` (not 0), until the next get or make. EBUSY: there is no room. */
int table_cache_get(TableCache *c, u64 offset, Table **t);
/* The same for a table that is not in the file yet: zeros, and dirty. */
int table_cache_make(TableCache *c, u64 offset, Table **t);
void table_cache_touch(TableCache *c, Table *t); /* it is dirty now */
/* table_cache_drop - the table is no more, whatever it was. */
void table_cache_drop(TableCache *c, u64 offset);
/* Write all that are dirty. */
int table_cache_write(TableCache *c);

#endif
