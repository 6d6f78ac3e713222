/* tty.h - the terminal on standard input: raw while the guest has it, restored on every way out; escape keys. */
#ifndef RING3_TTY_H
#define RING3_TTY_H

#include "cpu/base.h"

/* tty_guard - see that every way out restores the terminal. Before the engine, which takes some signals over. */
void tty_guard(void);
/* tty_raw - keys go to the guest one by one, Ctrl-C included. Nothing happens unless standard input is a terminal
 * and ring3 is in the foreground. True: the terminal is raw now. */
bool tty_raw(void);
/* Async-signal-safe; idempotent; any thread. */
void tty_restore(void);

/* Escape keys: bytes typed go in, what is for the guest comes out in place. */
typedef struct TtyKeys {
    bool escape; /* the last byte was Ctrl-A */
    bool quit;   /* Ctrl-A X was typed */
} TtyKeys;
u32 tty_filter(TtyKeys *k, u8 *bytes, u32 n); /* returns how many are left */

#endif
