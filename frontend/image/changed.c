/* changed.c - see changed.h. */
#include "frontend/image/changed.h"

#include <stdlib.h>

bool changed_begin(Changed *c, u64 sectors, bool all)
{
    *c = (Changed){.clusters = (sectors + CHANGED_CLUSTER_SECTORS - 1) / CHANGED_CLUSTER_SECTORS};
    c->bit = calloc(c->clusters / 64 + 1, sizeof *c->bit);
    if (!c->bit) return false;
    if (all) changed_note(c, 0, sectors);
    return true;
}

void changed_end(Changed *c)
{
    free(c->bit);
    *c = (Changed){0};
}

bool changed_is(const Changed *c, u64 cluster) { return c->bit[cluster / 64] >> cluster % 64 & 1; }

bool changed_set(Changed *c, u64 cluster, bool marked)
{
    if (changed_is(c, cluster) == marked) return false;
    c->bit[cluster / 64] ^= 1ull << cluster % 64;
    c->count += marked ? 1 : -1ull;
    return true;
}

void changed_note(Changed *c, u64 sector, u64 count)
{
    if (!count) return;
    u64 last = (sector + count - 1) / CHANGED_CLUSTER_SECTORS;
    for (u64 n = sector / CHANGED_CLUSTER_SECTORS; n <= last && n < c->clusters; n++) changed_set(c, n, true);
}

u64 changed_next(const Changed *c, u64 from)
{
    while (from < c->clusters) {
        u64 bits = c->bit[from / 64] >> from % 64;
        if (bits) return from + (u64)__builtin_ctzll(bits);
        from = (from / 64 + 1) * 64;
    }
    return c->clusters;
}
