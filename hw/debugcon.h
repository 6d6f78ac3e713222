/* debugcon.h - the debug console at port E9h. See debugcon.c. */
#ifndef RING3_DEBUGCON_H
#define RING3_DEBUGCON_H

#include "hw/chardev.h"
#include "mmu/bus.h"

typedef struct Debugcon {
    Chardev *backend;
} Debugcon;

void debugcon_init(Debugcon *d, Bus *bus, u16 port, Chardev *backend);

#endif
