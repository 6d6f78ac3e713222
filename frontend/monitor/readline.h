/* readline.h - a line typed key by key, with echo, editing and history; for terminals and for sockets. See readline.c. */
#ifndef RING3_READLINE_H
#define RING3_READLINE_H

#include "cpu/base/base.h"

enum { READLINE_BYTES = 4096, READLINE_HISTORY = 32 };

typedef struct Readline {
    void (*echo)(void *ctx, const char *bytes, u32 n);
    void (*run)(void *ctx, const char *line);       /* the line is done; it may not be changed meanwhile */
    void (*complete)(void *ctx, const char *begun); /* Tab, with the line up to the cursor; NULL: nothing */
    void *ctx;
    char line[READLINE_BYTES];
    u32 length, cursor;
    char *history[READLINE_HISTORY]; /* oldest first */
    u32 kept, recalled;              /* recalled == kept: the line is a new one */
    u8 escape;                       /* within an escape sequence: ESC, '[' or 'O' */
    u8 parameter;                    /* its number */
    bool after_cr;                   /* a line feed would be the second half of a line end */
} Readline;

void readline_init(Readline *r, void (*echo)(void *ctx, const char *bytes, u32 n),
                   void (*run)(void *ctx, const char *line), void *ctx);
void readline_restart(Readline *r); /* forget the line that is being typed */
void readline_key(Readline *r, u8 byte);
/* For `complete`: as if typed; and show the line again, after something else was written. */
void readline_insert(Readline *r, const char *text, u32 n);
void readline_show(Readline *r);

#endif
