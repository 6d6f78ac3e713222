/* tty.h - the terminal on standard input: raw while the guest has it, restored on every way out; escape keys. */
#ifndef RING3_TTY_H
#define RING3_TTY_H

#include "cpu/base/base.h"

/* tty_guard - see that every way out restores the terminal. Before the engine, which takes some signals over. */
void tty_guard(void);
/* tty_raw - keys come one by one, Ctrl-C included unless `signals` keep their keys. Nothing happens unless standard
 * input is a terminal and ring3 is in the foreground. True: the terminal is raw now. */
bool tty_raw(bool signals);
/* Async-signal-safe; idempotent; any thread. */
void tty_restore(void);

/* Escape keys: what a byte that was typed means. */
typedef struct TtyKeys {
    bool escape; /* the last byte was Ctrl-A */
} TtyKeys;
/* Another key than Ctrl-A, by its character; and what that is called ("Ctrl-T"). */
void tty_set_escape(u8 key);
u8 tty_escape(void);
const char *tty_escape_name(void);
typedef enum TtyKey { TTY_NOTHING, TTY_KEY /* pass it on */, TTY_QUIT, TTY_SWITCH, TTY_HELP } TtyKey;
TtyKey tty_key(TtyKeys *k, u8 byte);

#endif
