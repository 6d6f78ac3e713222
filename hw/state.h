/* state.h - a chip's guest state, named field by field in one function, and all that is done with it by that.
 *
 *     static void uart_state(void *dev, State *s)
 *     {
 *         Uart *u = dev;
 *         state_u8(s, "ier", &u->ier);
 *         state_u8(s, "count", &u->count);
 *         state_check(s, u->count <= UART_FIFO_BYTES, "count");
 *         state_timer(s, "timer", u->clock, &u->timer);
 *     }
 *
 * saves the chip, loads it, prints it, and gives the number that `info parts` shows (part_hash). Guest state is what the guest could notice; wires, bus ranges and what
 * follows from other fields are not named: they are there already, or made anew by the part's `loaded`.
 *
 * Saved, a machine is a row of sections, a section a row of fields; numbers are little-endian:
 *
 *     section   name, u16 version, u32 bytes of fields, the fields, u32 CRC-32 of all that
 *     field     name, u8 width (1, 2, 4, 8), u32 count, the values
 *     name      u8 length, 1-255, the characters
 *
 * Fields are found by their names: one that a saved section lacks keeps the value that it has (reset's), so that what
 * was saved before there was such a field loads; one that nobody asks for is refused, since it would be lost.
 */
#ifndef RING3_STATE_H
#define RING3_STATE_H

#include "cpu/base/base.h"
#include "hw/clock.h"

typedef enum StateWay { STATE_SAVE, STATE_LOAD, STATE_SHOW } StateWay;

/* Bytes that grow. Zeroed: empty. */
typedef struct StateBytes {
    u8 *at;
    u32 count, room;
} StateBytes;
void state_bytes_free(StateBytes *b);

enum { STATE_PATH = 64, STATE_NAME_MAX = 255, STATE_PROBLEM = 160 };

typedef struct State {
    StateWay way;
    bool trusted;          /* STATE_LOAD: what was saved a moment ago: nothing is impossible */
    char path[STATE_PATH]; /* in front of a field's name: "unit1." */
    u32 path_count;
    StateBytes *out; /* STATE_SAVE */
    u32 section;     /* ... where the present section begins */
    const u8 *fields, *fields_end,
        *next;  /* STATE_LOAD: of the present section; where the next field is likely to be */
    u32 wanted; /* ... how many of them were asked for */
    void (*line)(void *ctx, const char *text); /* STATE_SHOW */
    void *ctx;
    char problem[STATE_PROBLEM]; /* the first that went wrong, a sentence; empty: nothing did */
} State;

/* ---- by the chips ---- */

/* `count` numbers of `width` bytes, as they lie in memory. */
void state_values(State *s, const char *name, void *values, unsigned width, u32 count);
/* A loaded value is impossible: the load fails. (Saved values are possible: the chip saw to it.) */
void state_check(State *s, bool possible, const char *name);
/* The fields that follow are those of number `n` of a row of like things, until state_group_end(). */
void state_group(State *s, const char *name, unsigned n);
void state_group_end(State *s);

static inline void state_u8(State *s, const char *name, u8 *v) { state_values(s, name, v, 1, 1); }
static inline void state_u16(State *s, const char *name, u16 *v) { state_values(s, name, v, 2, 1); }
static inline void state_u32(State *s, const char *name, u32 *v) { state_values(s, name, v, 4, 1); }
static inline void state_u64(State *s, const char *name, u64 *v) { state_values(s, name, v, 8, 1); }
static inline void state_bytes(State *s, const char *name, u8 *v, u32 count)
{
    state_values(s, name, v, 1, count);
}
void state_bool(State *s, const char *name, bool *v); /* loaded: 0 or 1 */
/* An enum, or another number of 32 bits that is less than `limit`. */
#define state_enum(s, name, v, limit)                                                                        \
    do {                                                                                                     \
        _Static_assert(sizeof *(v) == 4, "an enum of 32 bits");                                              \
        state_values(s, name, v, 4, 1);                                                                      \
        state_check(s, (u32) * (v) < (u32)(limit), name);                                                    \
    } while (0)
/* A timer of `clock`: whether it is armed, until when, and its place among those that end with it. */
void state_timer(State *s, const char *name, Clock *clock, Timer *t);

/* ---- by part.c ---- */

/* False: the section is not there (STATE_LOAD), or something went wrong before. `from`, `count`: the checked sections. */
bool state_section(State *s, const char *name, u16 version, const u8 *from, u32 count);
void state_section_end(State *s);
/* Whether `from` is a row of whole, unharmed sections of different names; else *problem is a sentence. */
bool state_is_sound(const u8 *from, u32 count, char problem[STATE_PROBLEM]);
/* The names of sound sections, one a call, from *at (0 at first) on; false: there are no more. */
bool state_section_name(const u8 *from, u32 count, u32 *at, char name[STATE_NAME_MAX + 1]);
u32 state_crc(const u8 *from, u32 count); /* of a section up to its checksum */
void state_fail(State *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
