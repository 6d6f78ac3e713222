/* recent.h - the images that were last in a drive, across machines: a file of the user's. See recent.c. */
#ifndef RING3_RECENT_H
#define RING3_RECENT_H

#include "frontend/load/image_kind.h"

enum { RECENT_FILES = 12 };

void recent_load(void);
/* A medium that was put into a drive; only what is there, by its whole path, is kept. */
void recent_add(const char *path);
/* The n-th, newest first, that is of a kind and still there; NULL: no more. */
const char *recent_get(ImageKind kind, unsigned n);

#endif
