/* leave_signals.h - signals that are ring3's, not its helpers'. */
#ifndef RING3_LEAVE_SIGNALS_H
#define RING3_LEAVE_SIGNALS_H

#include <signal.h>

/* leave_signals - keys of the terminal and signals to the whole process group come to a helper, too. They are for ring3, whose end a
 * helper sees by its socket: one that ended first would be missed. */
static inline void leave_signals(void)
{
    static const int ignored[] = {SIGINT, SIGQUIT, SIGHUP, SIGTERM, SIGPIPE};
    for (unsigned n = 0; n < sizeof ignored / sizeof *ignored; n++) signal(ignored[n], SIG_IGN);
}

#endif
