/* nvram.h - the board's CMOS memory in a file: -nvram FILE. See nvram.c. */
#ifndef RING3_NVRAM_H
#define RING3_NVRAM_H

#include "frontend/say.h"

enum { NVRAM_BYTES = 128 };

/* nvram_open - what the file has, *cmos (NULL: it is new), which stays valid; the file is made if need be. False: *p. */
bool nvram_open(const char *path, const u8 **cmos, Problem *p);
/* nvram_end - the machine is at its end: what its CMOS memory has goes to the file. False: it could not be written. */
bool nvram_end(const u8 cmos[NVRAM_BYTES]);

#endif
