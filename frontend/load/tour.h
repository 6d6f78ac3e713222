/* tour.h - the guest of -tour, a Multiboot kernel that lies in the program itself (bios/tour/). See tour.c. */
#ifndef RING3_TOUR_H
#define RING3_TOUR_H

#include "frontend/load/image.h"

enum { TOUR_MIB = 16 }; /* of memory, at least: bios/tour/layout.h */

/* tour_image - a file that is nowhere but in memory, open for the machine's life. */
bool tour_image(Image *i, Problem *p);

#endif
