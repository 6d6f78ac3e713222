/* explain_exit.h - -explain: what is shown when the machine has ended. See explain_exit.c. */
#ifndef RING3_EXPLAIN_EXIT_H
#define RING3_EXPLAIN_EXIT_H

#include "frontend/pc.h"

/* explain_open - the file that it goes to, before the cage shuts. False: *p says why. */
bool explain_open(const ExplainOptions *o, Problem *p);
/* explain_begin - before the first guest instruction. False: *p says why. */
bool explain_begin(const ExplainOptions *o, Pc *pc, Problem *p);
/* explain_end - show it: the machine has ended, its state is still there. False: it could not be written, which was
 * said. */
bool explain_end(const ExplainOptions *o, Pc *pc);

#endif
