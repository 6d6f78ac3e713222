/* glass.h - what the glass box (hw/glassbox.h) tells its guest of this machine. See glass.c. */
#ifndef RING3_GLASS_H
#define RING3_GLASS_H

#include "frontend/pc.h"
#include "hw/glassbox.h"

/* For MachineConfig.glassbox. The machine may still have to be built; its guest may ask once it runs. */
GlassboxSource glass_source(Pc *pc);

/* An answer in the making; what does not fit is left out. */
typedef struct GlassOut {
    u8 *to;
    u32 used, room;
} GlassOut;
PRINTF(2, 3) void glass_put(GlassOut *o, const char *fmt, ...);
/* What became of the code at linear address va, in the present address space. code16: of how many bits it is, where
 * nothing says so. The FPU is parked. */
void glass_listing(GlassOut *o, Pc *pc, u32 va, bool code16);

#endif
