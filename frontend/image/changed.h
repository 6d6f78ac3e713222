/* changed.h - which clusters of a disk were written to since somebody looked: a bit for each. See changed.c. */
#ifndef RING3_CHANGED_H
#define RING3_CHANGED_H

#include "cpu/base/base.h"

enum { CHANGED_CLUSTER_SECTORS = 128, CHANGED_CLUSTER_BYTES = CHANGED_CLUSTER_SECTORS * 512 };

typedef struct Changed {
    u64 clusters; /* of the disk; the last may be shorter */
    u64 count;    /* of those that are marked */
    u64 *bit;
} Changed;

/* changed_begin - for a disk of `sectors`; `all`: all are marked. False: no memory. */
bool changed_begin(Changed *c, u64 sectors, bool all);
void changed_end(Changed *c);
/* changed_note - sectors of the disk are, or are about to be, something else. */
void changed_note(Changed *c, u64 sector, u64 count);
bool changed_is(const Changed *c, u64 cluster);
/* changed_set - true: it was not so before. */
bool changed_set(Changed *c, u64 cluster, bool marked);
/* changed_next - the first that is marked, from this one on; c->clusters: none is. */
u64 changed_next(const Changed *c, u64 from);

#endif
