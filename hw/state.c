/* state.c - what a chip's naming of its fields does: see state.h for the contract and for the layout.
 *
 * Loading trusts nothing. state_is_sound() has seen each section's bounds and checksum before a field is touched; field
 * headers are read within their section only, since a checksum is no proof of good will. Whoever loads (part.c) puts
 * back what was there if anything fails.
 */
#include "hw/state.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { CRC_BYTES = 4, SECTION_HEAD = 2 + 4 };

void state_fail(State *s, const char *fmt, ...)
{
    va_list args;
    if (s->problem[0]) return;
    va_start(args, fmt);
    vsnprintf(s->problem, sizeof s->problem, fmt, args);
    va_end(args);
}

u32 state_crc(const u8 *from, u32 count) { return (u32)crc32(0, from, count); }

/* --- bytes that grow ------------------------------------------------------------------------------------- */

void state_bytes_free(StateBytes *b)
{
    free(b->at);
    *b = (StateBytes){0};
}

/* Room for `count` more bytes, which are counted; NULL: no memory. */
static u8 *grow(State *s, u32 count)
{
    StateBytes *b = s->out;
    if (count > b->room - b->count) {
        u64 room = ((u64)b->room + count) * 2;
        u8 *at = room <= UINT32_MAX ? realloc(b->at, room) : NULL;
        if (!at) {
            state_fail(s, "the host has no memory for the machine's state");
            return NULL;
        }
        b->at = at;
        b->room = (u32)room;
    }
    b->count += count;
    return b->at + b->count - count;
}

static void put(State *s, const void *from, u32 count)
{
    u8 *to = grow(s, count);
    if (to) memcpy(to, from, count);
}

static void put_number(State *s, u64 v, u32 bytes) { put(s, &v, bytes); /* the host is little-endian, too */ }

static void put_name(State *s, const char *name)
{
    put_number(s, strlen(name), 1);
    put(s, name, (u32)strlen(name));
}

/* --- names and heads, as they are read -------------------------------------------------------------------- */

typedef struct Reader {
    const u8 *at, *end;
} Reader;

static const u8 *take(Reader *r, u64 count)
{
    if ((u64)(r->end - r->at) < count) return NULL;
    r->at += count;
    return r->at - count;
}

static bool take_number(Reader *r, u32 bytes, u32 *v)
{
    const u8 *from = take(r, bytes);
    *v = 0;
    if (from) memcpy(v, from, bytes);
    return from;
}

typedef struct Name {
    const u8 *at;
    u32 count;
} Name;

static bool take_name(Reader *r, Name *n)
{
    return take_number(r, 1, &n->count) && n->count && (n->at = take(r, n->count));
}

static bool is_name(const Name *n, const char *text)
{
    return n->count == strlen(text) && !memcmp(n->at, text, n->count);
}

typedef struct Field {
    Name name;
    u32 width, count;
    const u8 *values;
} Field;

static bool take_field(Reader *r, Field *f)
{
    if (!take_name(r, &f->name) || !take_number(r, 1, &f->width) || !take_number(r, 4, &f->count))
        return false;
    return f->width && f->width <= 8 && (f->values = take(r, (u64)f->width * f->count));
}

typedef struct Section {
    Name name;
    u32 version, bytes;
    const u8 *fields;
} Section;

static bool take_section(Reader *r, Section *c)
{
    const u8 *start = r->at;
    u32 crc;
    if (!take_name(r, &c->name) || !take_number(r, 2, &c->version) || !take_number(r, 4, &c->bytes))
        return false;
    if (!(c->fields = take(r, c->bytes))) return false;
    u32 body = (u32)(r->at - start);
    return take_number(r, CRC_BYTES, &crc) && crc == state_crc(start, body);
}

static bool find_section(const u8 *from, u32 count, const char *name, Section *c)
{
    Reader r = {from, from + count};
    while (r.at < r.end && take_section(&r, c))
        if (is_name(&c->name, name)) return true;
    return false;
}

/* A name before `here` that is the same as `n`. */
static bool is_repeated(const u8 *from, const u8 *here, const Name *n)
{
    Reader r = {from, here};
    Section c;
    while (r.at < r.end && take_section(&r, &c))
        if (c.name.count == n->count && !memcmp(c.name.at, n->at, n->count)) return true;
    return false;
}

bool state_is_sound(const u8 *from, u32 count, char problem[STATE_PROBLEM])
{
    Reader r = {from, from + count};
    Section c;
    while (r.at < r.end) {
        const u8 *start = r.at;
        if (!take_section(&r, &c)) {
            snprintf(problem, STATE_PROBLEM, "the saved state is damaged %u bytes from its start",
                     (u32)(start - from));
            return false;
        }
        if (!is_repeated(from, start, &c.name)) continue;
        snprintf(problem, STATE_PROBLEM, "the saved state has two sections '%.*s'", (int)c.name.count,
                 (const char *)c.name.at);
        return false;
    }
    return true;
}

bool state_section_name(const u8 *from, u32 count, u32 *at, char name[STATE_NAME_MAX + 1])
{
    Reader r = {from + *at, from + count};
    Section c;
    if (r.at == r.end || !take_section(&r, &c)) return false;
    memcpy(name, c.name.at, c.name.count);
    name[c.name.count] = 0;
    *at = (u32)(r.at - from);
    return true;
}

/* --- sections --------------------------------------------------------------------------------------------- */

static bool load_section(State *s, const char *name, u16 version, const u8 *from, u32 count)
{
    Section c;
    if (!find_section(from, count, name, &c)) {
        state_fail(s, "the saved state has no '%s', which this machine has", name);
        return false;
    }
    if (c.version > version) {
        state_fail(s, "'%s' was saved by a newer ring3: its layout is %u, this one knows up to %u", name,
                   c.version, version);
        return false;
    }
    s->fields = s->next = c.fields;
    s->fields_end = c.fields + c.bytes;
    s->wanted = 0;
    return true;
}

bool state_section(State *s, const char *name, u16 version, const u8 *from, u32 count)
{
    if (s->problem[0]) return false;
    s->path_count = 0;
    switch (s->way) {
    case STATE_LOAD: return load_section(s, name, version, from, count);
    case STATE_SHOW: return true;
    case STATE_SAVE: break;
    }
    s->section = s->out->count;
    put_name(s, name);
    put_number(s, version, 2);
    put_number(s, 0, 4);
    return !s->problem[0];
}

static void check_all_wanted(State *s)
{
    Reader r = {s->fields, s->fields_end};
    Field f;
    u32 count = 0;
    while (r.at < r.end && take_field(&r, &f)) count++;
    if (r.at < r.end)
        state_fail(s, "the saved state is damaged behind a field's name");
    else if (count != s->wanted)
        state_fail(s, "the saved state has %u fields in a section where this ring3 knows %u", count,
                   s->wanted);
}

void state_section_end(State *s)
{
    if (s->problem[0] || s->way == STATE_SHOW) return;
    if (s->way == STATE_LOAD) {
        check_all_wanted(s);
        return;
    }
    u8 *start = s->out->at + s->section;
    u32 head = 1u + start[0] + SECTION_HEAD, bytes = s->out->count - s->section - head;
    store32(start + head - 4, bytes);
    put_number(s, state_crc(start, head + bytes), CRC_BYTES);
}

/* --- fields ----------------------------------------------------------------------------------------------- */

void state_group(State *s, const char *name, unsigned n)
{
    int count = snprintf(s->path + s->path_count, sizeof s->path - s->path_count, "%s%u.", name, n);
    CHECK(count > 0 && (u32)count < sizeof s->path - s->path_count, "a path of names is too long: %s",
          s->path);
    s->path_count += (u32)count;
}

void state_group_end(State *s)
{
    CHECK(s->path_count, "left more than entered");
    do s->path_count--;
    while (s->path_count && s->path[s->path_count - 1] != '.');
}

static void whole_name(const State *s, const char *name, char whole[STATE_NAME_MAX + 1])
{
    int count = snprintf(whole, STATE_NAME_MAX + 1, "%.*s%s", (int)s->path_count, s->path, name);
    CHECK(count <= STATE_NAME_MAX, "a name is too long: %s", whole);
}

static bool find_field(State *s, const char *name, Field *f)
{
    Reader r = {s->next, s->fields_end};
    if (take_field(&r, f) && is_name(&f->name, name)) {
        s->next = r.at;
        return true;
    }
    for (r.at = s->fields; r.at < r.end && take_field(&r, f);)
        if (is_name(&f->name, name)) {
            s->next = r.at;
            return true;
        }
    return false;
}

static void load_values(State *s, const char *name, void *values, unsigned width, u32 count)
{
    Field f;
    if (!find_field(s, name, &f)) return;
    s->wanted++;
    if (f.width != width || f.count != count)
        state_fail(s, "'%s' was saved as %u numbers of %u bytes, and is %u of %u here", name, f.count,
                   f.width, count, width);
    else
        memcpy(values, f.values, (size_t)width * count);
}

static void show_values(State *s, const char *name, const void *values, unsigned width, u32 count)
{
    enum { SHOWN = 16 };
    char text[STATE_NAME_MAX + 16 + SHOWN * 17];
    int at = snprintf(text, sizeof text, "  %-24s", name);
    for (u32 n = 0; n < count && n < SHOWN; n++) {
        u64 v = 0;
        memcpy(&v, (const u8 *)values + (size_t)n * width, width);
        at +=
            snprintf(text + at, sizeof text - (size_t)at, " %0*llx", (int)(2 * width), (unsigned long long)v);
    }
    if (count > SHOWN) snprintf(text + at, sizeof text - (size_t)at, " ... (%u)", count);
    s->line(s->ctx, text);
}

void state_values(State *s, const char *name, void *values, unsigned width, u32 count)
{
    char whole[STATE_NAME_MAX + 1];
    if (s->problem[0]) return;
    whole_name(s, name, whole);
    switch (s->way) {
    case STATE_LOAD: load_values(s, whole, values, width, count); return;
    case STATE_SHOW: show_values(s, whole, values, width, count); return;
    case STATE_SAVE: break;
    }
    put_name(s, whole);
    put_number(s, width, 1);
    put_number(s, count, 4);
    put(s, values, width * count);
}

void state_check(State *s, bool possible, const char *name)
{
    if (s->way == STATE_LOAD && !possible && !s->trusted)
        state_fail(s, "the saved state has an impossible '%.*s%s'", (int)s->path_count, s->path, name);
}

void state_bool(State *s, const char *name, bool *v)
{
    u8 byte = *v;
    state_u8(s, name, &byte);
    state_check(s, byte <= 1, name);
    *v = byte & 1;
}

void state_timer(State *s, const char *name, Clock *clock, Timer *t)
{
    u64 at[2] = {t->armed ? t->deadline_ns : UINT64_MAX, t->armed ? t->rank : 0};
    state_values(s, name, at, 8, 2);
    if (s->way != STATE_LOAD || s->problem[0]) return;
    if (at[0] == UINT64_MAX)
        clock_disarm(clock, t);
    else
        clock_arm_at_rank(clock, t, at[0], at[1]);
}
