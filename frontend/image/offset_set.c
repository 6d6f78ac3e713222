/* offset_set.c - see offset_set.h. Open addressing, at most half full; what is removed is closed up again. */
#include "frontend/image/offset_set.h"

#include <stdlib.h>

static u64 home(const OffsetSet *s, u64 number)
{
    return number * 0x9e3779b97f4a7c15ull >> 20 & (s->size - 1);
}

/* Where it is, or would be. */
static u64 place_of(const OffsetSet *s, u64 number)
{
    u64 at = home(s, number);
    while (s->place[at] && s->place[at] != number + 1) at = (at + 1) & (s->size - 1);
    return at;
}

static bool grow(OffsetSet *s)
{
    OffsetSet n = {.size = s->size ? s->size * 2 : 64, .count = s->count};
    n.place = calloc(n.size, sizeof *n.place);
    if (!n.place) return false;
    for (u64 i = 0; i < s->size; i++)
        if (s->place[i]) n.place[place_of(&n, s->place[i] - 1)] = s->place[i];
    free(s->place);
    *s = n;
    return true;
}

bool offset_set_add(OffsetSet *s, u64 number, bool *was)
{
    if (s->count * 2 >= s->size && !grow(s)) return false;
    u64 at = place_of(s, number);
    if (was) *was = s->place[at];
    s->count += !s->place[at];
    s->place[at] = number + 1;
    return true;
}

bool offset_set_has(const OffsetSet *s, u64 number) { return s->size && s->place[place_of(s, number)]; }

void offset_set_remove(OffsetSet *s, u64 number)
{
    if (!offset_set_has(s, number)) return;
    u64 mask = s->size - 1, hole = place_of(s, number);
    s->count--;
    for (u64 at = (hole + 1) & mask; s->place[at]; at = (at + 1) & mask) {
        u64 way = (at - home(s, s->place[at] - 1)) & mask;
        if (way < ((at - hole) & mask)) continue;
        s->place[hole] = s->place[at];
        hole = at;
    }
    s->place[hole] = 0;
}

void offset_set_free(OffsetSet *s)
{
    free(s->place);
    *s = (OffsetSet){0};
}
