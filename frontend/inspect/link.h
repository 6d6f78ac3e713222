/* link.h - the live page's connection to the machine: one question at a time, and the screen. See link.c. */
#ifndef RING3_INSPECT_LINK_H
#define RING3_INSPECT_LINK_H

#include "frontend/glass/inspect_protocol.h"

typedef struct Question {
    InspectView view;
    u32 a, b;
    u64 mode;
} Question;

/* link_begin - wait for the machine's hello. False: it is none, or the machine is gone. */
bool link_begin(bool unsealed);
/* link_ask - the machine shall answer this; the question before it is forgotten. */
void link_ask(const Question *q);
/* link_receive - read what has come. 1: the answer, *bytes of *text (0: there is no such view); 0: none; -1: the machine
 * is gone. */
int link_receive(const char **text, u32 *bytes);

/* link_picture - the screen as a PNG, as it was at the last answer to INSPECT_NOW; NULL: there is none. The bytes hold
 * until the next call. */
const u8 *link_picture(size_t *bytes);
/* Changes when the picture has changed; 0: there is none. */
u32 link_picture_number(void);

#endif
