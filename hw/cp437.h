/* cp437.h - what the PC's character generator draws for a code, as Unicode: code page 437 with its pictures below 20h. */
#ifndef RING3_CP437_H
#define RING3_CP437_H

#include "cpu/base/base.h"

extern const u16 cp437[256];

#endif
