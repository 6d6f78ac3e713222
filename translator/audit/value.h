/* value.h - what the auditor knows about a host register. See audit.c. */
#ifndef RING3_AUDIT_VALUE_H
#define RING3_AUDIT_VALUE_H

#include "cpu/base/base.h"

/* What it is relative to. */
typedef enum Origin {
    ORIGIN_ANY,    /* nothing is known */
    ORIGIN_NUMBER, /* 0: the range is the value itself */
    ORIGIN_WINDOW, /* r12 */
    ORIGIN_VCPU,   /* r15 */
    ORIGIN_POLL,   /* Vcpu.poll */
    ORIGIN_JUMPS,  /* Vcpu.jump_cache */
    ORIGIN_CLOCK,  /* Vcpu.tsc_scale */
    ORIGIN_RETURN, /* rsp */
} Origin;

/* How it came from another value, whose `id` is `of`. */
typedef enum Relation {
    REL_NONE,
    REL_LOW,     /* its low `n` bits */
    REL_NOT_LOW, /* ~ of that */
    REL_EXCESS,  /* it minus its low `n` bits: 0 if it is less than 2^n */
    REL_OPEN,    /* what the map of open bytes says about `n` bytes at it */
    REL_SHUT,    /* that minus what is said when all are open: 0 if they are */
    REL_PLUS,    /* it plus n, 32 bits */
} Relation;

typedef struct Value {
    Origin origin;
    s64 low, high; /* of value - origin; both included */
    u64 id;        /* the same id: the same value; 0: none has it */
    Relation relation;
    s64 n;
    u64 of;
    u32 open;      /* so many bytes of guest RAM from here on may be stored to */
    u32 looked_up; /* a host address: so many bytes from here on are what a gate looked up */
} Value;

#define NUMBER_32 0xffffffffll

/* New ones have no id. */
Value value_any(void);
Value value_range(s64 low, s64 high); /* a number */
Value value_of(Origin origin);
static inline Value value_32(void) { return value_range(0, NUMBER_32); }
static inline bool is_32(const Value *v)
{
    return v->origin == ORIGIN_NUMBER && v->low >= 0 && v->high <= NUMBER_32;
}
static inline bool is_constant(const Value *v) { return v->origin == ORIGIN_NUMBER && v->low == v->high; }
Value value_add(const Value *a, const Value *b);
Value value_scale(const Value *v, unsigned by);
Value value_not(const Value *v);
/* Where two ways meet; `again`: not for the first time, so that the range must not grow step by step. */
Value value_join(const Value *a, const Value *b, bool again);
bool value_equal(const Value *a, const Value *b);

#endif
