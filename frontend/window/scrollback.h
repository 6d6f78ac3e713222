/* scrollback.h - what the monitor said, as lines, for whoever wants to read it again. See scrollback.c. */
#ifndef RING3_SCROLLBACK_H
#define RING3_SCROLLBACK_H

#include "cpu/base/base.h"

enum { SCROLLBACK_LINES = 4000, SCROLLBACK_COLUMNS = 1000 };

/* scrollback_put - n bytes as they go to the terminal. */
void scrollback_put(const char *bytes, size_t n);
/* scrollback_lines - how many lines there are, the last of them perhaps not ended; up to SCROLLBACK_LINES. */
unsigned scrollback_lines(void);
/* scrollback_line - the nth, the oldest first; no control characters are in it. */
const char *scrollback_line(unsigned n);

#endif
