/* part.h - the parts of a machine: the one list that reset, save, load, `info parts`, tests and the fuzzer walk.
 *
 * A chip says what it is by a PartKind beside its code; the board adds it where it wires it (machine.c). Leave out an
 * optional chip's lines there and the machine builds, boots and does not announce it.
 */
#ifndef RING3_PART_H
#define RING3_PART_H

#include "hw/state.h"

typedef struct PartKind PartKind;
struct PartKind {
    u16 version;              /* of the layout of its state; 1 at first */
    void (*reset)(void *dev); /* to its state at power-on; NULL: the part has no reset (a battery keeps it) */
    void (*state)(void *dev, State *s); /* names every field of guest state (state.h); NULL: it has none */
    void (*loaded)(
        void *dev); /* after all parts are loaded: make anew what follows from them; NULL: nothing does */
};

typedef struct Part {
    const PartKind *kind;
    const char *name; /* of its section: short, never changed once released */
    void *dev;
} Part;

enum { PARTS_MAX = 64 };
typedef struct Parts { /* in the order in which they are reset and loaded */
    Part part[PARTS_MAX];
    unsigned count;
} Parts;

void part_add(Parts *p, const PartKind *kind, const char *name, void *dev);
const Part *part_find(const Parts *p, const char *name); /* NULL: no such part */

void parts_reset(const Parts *p);
/* Appends the state of all parts; false: no memory (*problem). */
bool parts_save(const Parts *p, StateBytes *to, char problem[STATE_PROBLEM]);
/* All of it, or, with a sentence in *problem, nothing: what is impossible, damaged or foreign leaves the parts as they
 * were. Loading begins with a reset, so that what the saved state does not name has a known value. */
bool parts_load(const Parts *p, const u8 *from, u32 count, char problem[STATE_PROBLEM]);
/* A number that follows from a part's whole state, to compare machines by: it is the same as long as no field differs.
 * 0: it has no state, or the host no memory. */
u64 part_hash(const Part *p);
/* Prints every field of a part's state, a line each. */
void part_show(const Part *p, void (*line)(void *ctx, const char *text), void *ctx);

#endif
