/* vmport.h - VMware's backdoor, and the pointer behind it that knows where it is. See vmport.c. */
#ifndef RING3_VMPORT_H
#define RING3_VMPORT_H

#include "hw/clock.h"
#include "hw/part.h"
#include "mmu/bus.h"

enum {
    VMPORT_BASE = 0x5658,
    VMPORT_POINTER_MAX = 0xffff,
    VMMOUSE_WORDS = 4,
    VMMOUSE_QUEUE = 16 * VMMOUSE_WORDS
};

typedef struct VmportLines {
    u32 *(*registers)(
        void *ctx); /* the processor's eight general registers, by their numbers, during an access */
    void (*nudge)(void *ctx); /* the PS/2 mouse is to send a packet, whose interrupt calls the driver */
    void *ctx;
} VmportLines;

typedef struct Vmport {
    VmportLines lines;
    Clock *clock;
    u32 ram_bytes;
    s64 rtc_base_unix_s;    /* UTC at power-on */
    bool enabled, absolute; /* the driver reads the queue; it wants places, not movements */
    bool failed;            /* the status says so: nothing is enabled, or more was asked for than there is */
    u32 queue[VMMOUSE_QUEUE]; /* words that the driver has not taken, oldest first */
    u32 count;                /* of them; at the end whole packets: */
    u32 packets;              /* how many */
} Vmport;

void vmport_init(Vmport *v, Bus *bus, Clock *clock, const VmportLines *lines);
void vmport_reset(void *dev);
extern const PartKind vmport_part;

/* vmport_pointer - x, y: 0 to VMPORT_POINTER_MAX, the edges of the screen; dz: wheel away from the person. False: the guest
 * does not ask for places. */
bool vmport_pointer(Vmport *v, u32 x, u32 y, int dz, u8 buttons);
/* vmport_move - counts as in mouse_move(). False: the driver does not read the queue, the PS/2 mouse is to be used. */
bool vmport_move(Vmport *v, int dx, int dy, int dz, u8 buttons);

#endif
