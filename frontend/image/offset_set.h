/* offset_set.h - which places of a file are taken: a set of numbers. See offset_set.c. */
#ifndef RING3_OFFSET_SET_H
#define RING3_OFFSET_SET_H

#include "cpu/base/base.h"

typedef struct OffsetSet {
    u64 *place; /* number + 1; 0: free */
    u64 size, count;
} OffsetSet;

/* False: there is no memory. *was: it was in it already; may be NULL. */
bool offset_set_add(OffsetSet *s, u64 number, bool *was);
bool offset_set_has(const OffsetSet *s, u64 number);
void offset_set_remove(OffsetSet *s, u64 number);
void offset_set_free(OffsetSet *s);

#endif
