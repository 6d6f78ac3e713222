/* glassbox_ports.h - the glass box as its guests see it. See glassbox.c. */
#ifndef RING3_GLASSBOX_PORTS_H
#define RING3_GLASSBOX_PORTS_H

#define GLASSBOX_NAME "glassbox 1"
enum { GLASSBOX_SELECT = 0x540, GLASSBOX_DATA = 0x544, GLASSBOX_PORTS = 8 };

/* What can be selected. */
enum {
    GLASSBOX_IDENTITY = 0,   /* text: GLASSBOX_NAME, the engine, how it reaches memory */
    GLASSBOX_NAMES = 1,      /* text: what the counters count, one a line */
    GLASSBOX_COUNTERS = 2,   /* 64 bits each, all of one moment */
    GLASSBOX_EXPLAIN = 3,    /* text: what became of the code at a linear address */
    GLASSBOX_EXPLAIN_16 = 4, /* likewise; where nothing is translated, it is code of 16 bits */
};

/* A line of such a text: what it is, in its first character; then up to column 79. In lines of code the guest's
 * instruction (its address in the page first) ends before CLASS_AT, where the class stands; at BAR_AT is a bar, behind it
 * host code, by its offset in the block's. */
#define GLASSBOX_LINE_CODE    ' '
#define GLASSBOX_LINE_TAIL    '+' /* host code out of line */
#define GLASSBOX_LINE_WHY     ':' /* why the instruction above is done so */
#define GLASSBOX_LINE_HISTORY '!' /* what happened to it */
enum { GLASSBOX_CLASS_AT = 31, GLASSBOX_BAR_AT = 38, GLASSBOX_COLUMNS = 80 };

#endif
