/* gameport.h - the game control adapter: two joysticks at port 201h. See gameport.c. */
#ifndef RING3_GAMEPORT_H
#define RING3_GAMEPORT_H

#include "hw/clock.h"
#include "hw/part.h"
#include "mmu/bus.h"

enum { GAMEPORT_STICKS = 2, GAMEPORT_AXES = 2 * GAMEPORT_STICKS };

typedef struct Stick {
    bool present;
    s16 x, y;   /* left and up are less */
    u8 buttons; /* bits 0-1; of the first stick 2-3, too, which are the second's where that is absent */
} Stick;

typedef struct Gameport {
    /* guest state */
    u64 until_ns[GAMEPORT_AXES]; /* guest time at which the one-shot's bit falls; UINT64_MAX: never */
    Stick stick[GAMEPORT_STICKS];
    /* wires */
    Clock *clock;
} Gameport;

void gameport_init(Gameport *g, Bus *bus, Clock *clock);
void gameport_move(Gameport *g, unsigned stick, const Stick *now);
extern const PartKind gameport_part;

#endif
