/* tty_escape.c - the key by which a person at a terminal reaches ring3: Ctrl-A, or what -echr names. In both of ring3's
 * processes; see tty.h. */
#include <stdio.h>

#include "frontend/host/tty.h"

static u8 escape_key = 1; /* Ctrl-A */

void tty_set_escape(u8 key) { escape_key = key; }

u8 tty_escape(void) { return escape_key; }

const char *tty_escape_name(void)
{
    static char name[8];
    if (escape_key < ' ')
        snprintf(name, sizeof name, "Ctrl-%c", '@' + escape_key);
    else
        snprintf(name, sizeof name, "%c", escape_key);
    return name;
}

TtyKey tty_key(TtyKeys *k, u8 byte)
{
    if (!k->escape) {
        k->escape = byte == escape_key;
        return k->escape ? TTY_NOTHING : TTY_KEY;
    }
    k->escape = false;
    switch (byte) {
    case 'x':
    case 'X': return TTY_QUIT;
    case 'c':
    case 'C': return TTY_SWITCH;
    case 'h':
    case 'H':
    case '?': return TTY_HELP;
    default: return byte == escape_key ? TTY_KEY : TTY_NOTHING;
    }
}
