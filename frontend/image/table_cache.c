/* table_cache.c - see table_cache.h.
 *
 * Four places a set; the set is the table's number in the file. Memory is taken when a place is first used and is as
 * large as the cache at most, whatever the image and the guest do. Which table may be written when is the format's
 * business: a dirty table is never written to make room.
 */
#include "frontend/image/table_cache.h"

#include <errno.h>
#include <stdlib.h>

enum { WAYS = 4, SETS_MAX = 512 };

bool table_cache_init(TableCache *c, HostFile *file, u32 table_bytes, u32 most_bytes)
{
    u32 sets = most_bytes / table_bytes / WAYS;
    if (sets < 2) sets = 2;
    if (sets > SETS_MAX) sets = SETS_MAX;
    *c = (TableCache){.file = file, .table_bytes = table_bytes, .sets = sets};
    c->table = calloc((size_t)sets * WAYS, sizeof *c->table);
    return c->table != NULL;
}

void table_cache_free(TableCache *c)
{
    for (u32 n = 0; c->table && n < c->sets * WAYS; n++) free(c->table[n].bytes);
    free(c->table);
    c->table = NULL;
}

static Table *set_of(TableCache *c, u64 offset)
{
    return &c->table[offset / c->table_bytes % c->sets * WAYS];
}

static Table *find(TableCache *c, u64 offset)
{
    Table *set = set_of(c, offset);
    for (int n = 0; n < WAYS; n++)
        if (set[n].offset == offset) return &set[n];
    return NULL;
}

/* Which one goes; NULL: all are dirty. */
static Table *victim(TableCache *c, u64 offset)
{
    Table *set = set_of(c, offset), *oldest = NULL;
    for (int n = 0; n < WAYS; n++)
        if (!set[n].dirty && (!oldest || set[n].used < oldest->used)) oldest = &set[n];
    return oldest;
}

bool table_cache_has_room(TableCache *c, u64 offset) { return find(c, offset) || victim(c, offset); }

static int take_place(TableCache *c, u64 offset, Table **t)
{
    *t = victim(c, offset);
    if (!*t) return EBUSY;
    if (!(*t)->bytes) (*t)->bytes = malloc(c->table_bytes);
    if (!(*t)->bytes) return ENOMEM;
    (*t)->offset = 0;
    return 0;
}

int table_cache_get(TableCache *c, u64 offset, Table **t)
{
    *t = find(c, offset);
    if (!*t) {
        int error = take_place(c, offset, t);
        if (!error) error = host_file_read(c->file, offset, (*t)->bytes, c->table_bytes);
        if (error) return error;
        (*t)->offset = offset;
    }
    (*t)->used = ++c->clock;
    return 0;
}

int table_cache_make(TableCache *c, u64 offset, Table **t)
{
    table_cache_drop(c, offset);
    int error = take_place(c, offset, t);
    if (error) return error;
    memset((*t)->bytes, 0, c->table_bytes);
    (*t)->offset = offset;
    (*t)->used = ++c->clock;
    table_cache_touch(c, *t);
    return 0;
}

void table_cache_touch(TableCache *c, Table *t)
{
    c->dirty += !t->dirty;
    t->dirty = true;
}

static void is_clean(TableCache *c, Table *t)
{
    c->dirty -= t->dirty;
    t->dirty = false;
}

void table_cache_drop(TableCache *c, u64 offset)
{
    Table *t = find(c, offset);
    if (!t) return;
    is_clean(c, t);
    t->offset = t->used = 0;
}

int table_cache_write(TableCache *c)
{
    for (u32 n = 0; c->dirty && n < c->sets * WAYS; n++) {
        Table *t = &c->table[n];
        if (!t->dirty) continue;
        int error = host_file_write(c->file, t->offset, t->bytes, c->table_bytes);
        if (error) return error;
        is_clean(c, t);
    }
    return 0;
}
