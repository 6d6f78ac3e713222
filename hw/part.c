/* part.c - the list of a machine's parts: see part.h. */
#include "hw/part.h"

#include <stdio.h>
#include <string.h>

void part_add(Parts *p, const PartKind *kind, const char *name, void *dev)
{
    CHECK(p->count < PARTS_MAX && !part_find(p, name), "no place for the part %s", name);
    p->part[p->count++] = (Part){kind, name, dev};
}

const Part *part_find(const Parts *p, const char *name)
{
    for (unsigned n = 0; n < p->count; n++)
        if (!strcmp(p->part[n].name, name)) return &p->part[n];
    return NULL;
}

void parts_reset(const Parts *p)
{
    for (unsigned n = 0; n < p->count; n++)
        if (p->part[n].kind->reset) p->part[n].kind->reset(p->part[n].dev);
}

/* --- save and load ---------------------------------------------------------------------------------------- */

static void visit(const Part *p, State *s, const u8 *from, u32 count)
{
    if (!p->kind->state || !state_section(s, p->name, p->kind->version, from, count)) return;
    p->kind->state(p->dev, s);
    state_section_end(s);
}

static bool visit_all(const Parts *p, State *s, const u8 *from, u32 count, char problem[STATE_PROBLEM])
{
    for (unsigned n = 0; n < p->count && !s->problem[0]; n++) visit(&p->part[n], s, from, count);
    if (s->problem[0]) memcpy(problem, s->problem, STATE_PROBLEM);
    return !s->problem[0];
}

bool parts_save(const Parts *p, StateBytes *to, char problem[STATE_PROBLEM])
{
    State s = {.way = STATE_SAVE, .out = to};
    base_park_fpu(); /* zlib is host code, where the guest's state may be live */
    return visit_all(p, &s, NULL, 0, problem);
}

static bool load(const Parts *p, const u8 *from, u32 count, bool trusted, char problem[STATE_PROBLEM])
{
    State s = {.way = STATE_LOAD, .trusted = trusted};
    base_park_fpu();
    parts_reset(p);
    return visit_all(p, &s, from, count, problem);
}

/* Every section is a part of this machine's. */
static bool knows_all(const Parts *p, const u8 *from, u32 count, char problem[STATE_PROBLEM])
{
    char name[STATE_NAME_MAX + 1];
    for (u32 at = 0; state_section_name(from, count, &at, name);) {
        const Part *part = part_find(p, name);
        if (part && part->kind->state) continue;
        snprintf(problem, STATE_PROBLEM, "the saved state has '%.64s', which this machine does not have",
                 name);
        return false;
    }
    return true;
}

static void tell_loaded(const Parts *p)
{
    for (unsigned n = 0; n < p->count; n++)
        if (p->part[n].kind->loaded) p->part[n].kind->loaded(p->part[n].dev);
}

bool parts_load(const Parts *p, const u8 *from, u32 count, char problem[STATE_PROBLEM])
{
    StateBytes before = {0};
    char of_before[STATE_PROBLEM];
    if (!state_is_sound(from, count, problem) || !knows_all(p, from, count, problem) ||
        !parts_save(p, &before, problem)) {
        state_bytes_free(&before);
        return false;
    }
    bool good = load(p, from, count, false, problem);
    if (!good && !load(p, before.at, before.count, true, of_before))
        CHECK(false, "a part does not load its own state: %s", of_before);
    tell_loaded(p);
    state_bytes_free(&before);
    return good;
}

/* FNV-1a (RFC draft-eastlake-fnv), of 64 bits: no defence against anybody, but two states hardly ever share it. */
static u64 fnv1a(const u8 *from, u32 count)
{
    u64 hash = 0xcbf29ce484222325;
    for (u32 n = 0; n < count; n++) hash = (hash ^ from[n]) * 0x100000001b3;
    return hash;
}

u64 part_hash(const Part *p)
{
    StateBytes bytes = {0};
    State s = {.way = STATE_SAVE, .out = &bytes};
    base_park_fpu(); /* as in parts_save() */
    visit(p, &s, NULL, 0);
    u64 hash = bytes.count && !s.problem[0] ? fnv1a(bytes.at, bytes.count) : 0;
    state_bytes_free(&bytes);
    return hash;
}

void part_show(const Part *p, void (*line)(void *ctx, const char *text), void *ctx)
{
    State s = {.way = STATE_SHOW, .line = line, .ctx = ctx};
    visit(p, &s, NULL, 0);
}
