/* symbols.h - names of guest addresses, from -symbols: one table for all who show or take addresses. See symbols.c. */
#ifndef RING3_SYMBOLS_H
#define RING3_SYMBOLS_H

#include "frontend/say.h"

/* symbols_load - adds those of an i386 ELF file, a System.map or a saved /proc/kallsyms. False: *p names the file and
 * what is wrong with it. */
bool symbols_load(const char *path, Problem *p);
unsigned symbols_count(void);
/* symbols_find - NAME; the lowest address of those that have it. False: there is none. */
bool symbols_find(const char *name, u32 *address);
/* The nearest name to one that there is not, for "did you mean"; NULL: none is near. */
const char *symbols_suggest(const char *name);
/* symbols_at - "name+0x12", or "name"; false, and to is empty: none is near. */
enum { SYMBOL_TEXT = 270 }; /* room for the longest */
bool symbols_at(u32 address, char *to, size_t room);
/* symbols_beside - the same behind what is put in front of it (" "), for the end of a line: `lead`name`tail`. Empty:
 * none is near. */
void symbols_beside(u32 address, const char *lead, const char *tail, char *to, size_t room);

#endif
