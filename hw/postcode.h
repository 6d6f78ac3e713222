/* postcode.h - a port whose written bytes are told one by one: the codes of a power-on self test. See postcode.c. */
#ifndef RING3_POSTCODE_H
#define RING3_POSTCODE_H

#include "hw/part.h"
#include "mmu/bus.h"

typedef struct Postcode {
    u8 code;
} Postcode;

void postcode_init(Postcode *p, Bus *bus, u16 port);
extern const PartKind postcode_part;

#endif
