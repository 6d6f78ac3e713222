/* suggest.h - "did you mean": the nearest of a list of words to one that nobody knows. */
#ifndef RING3_SUGGEST_H
#define RING3_SUGGEST_H

#include "cpu/base/base.h"

/* Edit distance (insert, delete, replace, swap of neighbours), case ignored, of the first 31 characters. */
unsigned suggest_distance(const char *a, const char *b);

typedef struct Suggest {
    const char *word, *best;
    unsigned distance;
} Suggest;
void suggest_begin(Suggest *s, const char *word);
void suggest_offer(Suggest *s, const char *candidate);
/* The nearest candidate offered, or NULL if none is near enough to be a slip of the fingers. */
const char *suggest_result(const Suggest *s);

#endif
