/* glassbox.h - a device through which a guest sees what ring3's translator makes of it. See glassbox.c. */
#ifndef RING3_GLASSBOX_H
#define RING3_GLASSBOX_H

#include "hw/glassbox_ports.h"
#include "hw/part.h"
#include "mmu/bus.h"

/* Who knows the answers. `write` puts at most `room` bytes at `to`, and returns how many it put; `argument` is the
 * guest's, and may be anything. */
typedef struct GlassboxSource {
    u32 (*write)(void *ctx, u32 what, u32 argument, u8 *to, u32 room);
    void *ctx;
} GlassboxSource;

enum { GLASSBOX_BYTES = 24 << 10 };

typedef struct Glassbox {
    GlassboxSource source;
    u32 what;     /* selected: GLASSBOX_IDENTITY ... */
    u32 used, at; /* of the answer: how much there is, how much has been read */
    u8 answer[GLASSBOX_BYTES];
} Glassbox;

void glassbox_init(Glassbox *g, Bus *bus, const GlassboxSource *source);
void glassbox_reset(void *dev);
extern const PartKind glassbox_part;

#endif
