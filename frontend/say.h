/* say.h - how ring3 speaks to the person: one line on stderr, whatever a file name or value contains. */
#ifndef RING3_SAY_H
#define RING3_SAY_H

#include "cpu/base/base.h"

/* "ring3: " and one line: control characters become '?', what is over-long is cut. */
void say(const char *fmt, ...) PRINTF(1, 2);

/* What went wrong with a file or a value, passed up to main as a sentence. */
typedef struct Problem {
    char text[400];
} Problem;
/* problem_set - fill in the sentence; returns false, so that `return problem_set(...)` reads well. */
bool problem_set(Problem *p, const char *fmt, ...) PRINTF(2, 3);

/* Before there are threads: */
/* say_about - each line is about this place ("old.ring3/machine.conf:12"), which stands before it; NULL: no more. */
void say_about(const char *place);
/* say_to - the first line goes to *p, and no other anywhere; NULL: no more. */
void say_to(Problem *p);

#endif
