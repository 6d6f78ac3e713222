/* value.c - see value.h. Ranges are kept far from overflow: what is wider than 62 bits is not known. */
#include "translator/audit/value.h"

enum { SAFE_BITS = 62 };

Value value_any(void) { return (Value){.origin = ORIGIN_ANY}; }

Value value_range(s64 low, s64 high)
{
    const s64 most = 1ll << SAFE_BITS;
    if (low < -most || high > most) return value_any();
    return (Value){.origin = ORIGIN_NUMBER, .low = low, .high = high};
}

Value value_of(Origin origin) { return (Value){.origin = origin}; }

Value value_add(const Value *a, const Value *b)
{
    if (a->origin == ORIGIN_ANY || b->origin == ORIGIN_ANY) return value_any();
    if (a->origin != ORIGIN_NUMBER && b->origin != ORIGIN_NUMBER) return value_any();
    Value r = value_range(a->low + b->low, a->high + b->high);
    if (r.origin == ORIGIN_NUMBER) r.origin = a->origin != ORIGIN_NUMBER ? a->origin : b->origin;
    return r;
}

Value value_scale(const Value *v, unsigned by)
{
    const s64 most = 1ll << (SAFE_BITS - 4);
    if (by == 1) return *v;
    if (v->origin != ORIGIN_NUMBER || v->low < -most || v->high > most) return value_any();
    return value_range(v->low * by, v->high * by);
}

Value value_not(const Value *v)
{
    return v->origin == ORIGIN_NUMBER ? value_range(~v->high, ~v->low) : value_any();
}

bool value_equal(const Value *a, const Value *b)
{
    return a->origin == b->origin && a->low == b->low && a->high == b->high && a->id == b->id &&
           a->relation == b->relation && a->n == b->n && a->of == b->of && a->open == b->open &&
           a->looked_up == b->looked_up;
}

static Value join_ranges(const Value *a, const Value *b, bool again)
{
    bool grows = b->low < a->low || b->high > a->high;
    if (a->origin != b->origin || a->origin == ORIGIN_ANY) return value_any();
    if (again && grows) return is_32(a) && is_32(b) ? value_32() : value_any();
    Value r = value_range(a->low < b->low ? a->low : b->low, a->high > b->high ? a->high : b->high);
    if (r.origin == ORIGIN_NUMBER) r.origin = a->origin;
    return r;
}

static u32 smaller(u32 a, u32 b) { return a < b ? a : b; }

Value value_join(const Value *a, const Value *b, bool again)
{
    Value r = join_ranges(a, b, again);
    r.id = a->id == b->id ? a->id : 0;
    r.open = smaller(a->open, b->open);
    r.looked_up = smaller(a->looked_up, b->looked_up);
    if (a->relation != b->relation || a->n != b->n || a->of != b->of) return r;
    r.relation = a->relation;
    r.n = a->n;
    r.of = a->of;
    return r;
}
