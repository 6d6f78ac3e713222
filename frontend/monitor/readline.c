/* readline.c - see readline.h.
 *
 * Keys: Backspace, Delete, arrows, Home, End, Tab, Ctrl-A/B/D/E/F/H/K/N/P/U/W, Enter (CR, LF or both). The terminal is moved
 * by backspaces and "erase to the end of the line" only, never by writing the prompt anew: programs that drive a
 * monitor wait for the prompt. What is too long for the line is ignored, and so is what is no character.
 */
#include "frontend/monitor/readline.h"

#include <stdlib.h>

enum { CTRL_A = 1, CTRL_B, CTRL_D = 4, CTRL_E, CTRL_F, CTRL_H = 8, TAB, LF, CTRL_K, CR = 13 };
enum { CTRL_N = 14, CTRL_P = 16, CTRL_U = 21, CTRL_W = 23, ESC = 27, DEL = 127 };

static void echo(Readline *r, const char *bytes, u32 n)
{
    if (n) r->echo(r->ctx, bytes, n);
}

static void echo_back(Readline *r, u32 n)
{
    while (n--) echo(r, "\b", 1);
}

/* Show the line from the cursor on, and leave the terminal's cursor there. */
static void show_rest(Readline *r)
{
    echo(r, r->line + r->cursor, r->length - r->cursor);
    echo(r, "\33[K", 3);
    echo_back(r, r->length - r->cursor);
}

static void insert(Readline *r, u8 byte)
{
    if (r->length + 1 >= READLINE_BYTES) return;
    memmove(r->line + r->cursor + 1, r->line + r->cursor, r->length - r->cursor);
    r->line[r->cursor++] = (char)byte;
    r->length++;
    echo(r, r->line + r->cursor - 1, 1);
    if (r->cursor < r->length) show_rest(r);
}

/* Take away n characters before the cursor. */
static void erase(Readline *r, u32 n)
{
    if (!n) return;
    memmove(r->line + r->cursor - n, r->line + r->cursor, r->length - r->cursor);
    r->cursor -= n;
    r->length -= n;
    echo_back(r, n);
    show_rest(r);
}

static void move_right(Readline *r, u32 n)
{
    if (n > r->length - r->cursor) n = r->length - r->cursor;
    echo(r, r->line + r->cursor, n);
    r->cursor += n;
}

static void move_left(Readline *r, u32 n)
{
    if (n > r->cursor) n = r->cursor;
    echo_back(r, n);
    r->cursor -= n;
}

static void erase_right(Readline *r)
{
    if (r->cursor == r->length) return;
    move_right(r, 1);
    erase(r, 1);
}

static void erase_word(Readline *r)
{
    u32 n = 0;
    while (n < r->cursor && r->line[r->cursor - n - 1] == ' ') n++;
    while (n < r->cursor && r->line[r->cursor - n - 1] != ' ') n++;
    erase(r, n);
}

static void erase_to_end(Readline *r)
{
    r->length = r->cursor;
    show_rest(r);
}

void readline_insert(Readline *r, const char *text, u32 n)
{
    while (n--) insert(r, (u8)*text++);
}

void readline_show(Readline *r)
{
    echo(r, r->line, r->length);
    echo_back(r, r->length - r->cursor);
}

static void complete(Readline *r)
{
    char begun[READLINE_BYTES];
    memcpy(begun, r->line, r->cursor);
    begun[r->cursor] = 0;
    if (r->complete) r->complete(r->ctx, begun);
}

/* --- history --------------------------------------------------------------------------------------------- */

static void remember(Readline *r)
{
    char *copy;
    if (!r->length || (r->kept && !strcmp(r->history[r->kept - 1], r->line))) return;
    if (!(copy = malloc(r->length + 1))) return;
    memcpy(copy, r->line, r->length + 1);
    if (r->kept == READLINE_HISTORY) {
        free(r->history[0]);
        memmove(r->history, r->history + 1, sizeof r->history - sizeof *r->history);
        r->kept--;
    }
    r->history[r->kept++] = copy;
}

static void recall(Readline *r, u32 which)
{
    if (which > r->kept) return;
    move_right(r, r->length);
    erase(r, r->length);
    r->recalled = which;
    for (const char *s = which < r->kept ? r->history[which] : ""; *s; s++) insert(r, (u8)*s);
}

/* --- keys ------------------------------------------------------------------------------------------------ */

static void enter(Readline *r)
{
    r->line[r->length] = 0;
    remember(r);
    echo(r, "\r\n", 2);
    r->run(r->ctx, r->line);
    readline_restart(r);
}

static void escape_key(Readline *r, u8 byte)
{
    if (r->escape == ESC && (byte == '[' || byte == 'O')) {
        r->escape = byte;
        r->parameter = 0;
        return;
    }
    if (r->escape == '[' && byte >= '0' && byte <= '9') {
        if (r->parameter < 10) r->parameter = (u8)(r->parameter * 10 + byte - '0');
        return;
    }
    bool sequence = r->escape != ESC;
    r->escape = 0;
    if (!sequence) return;
    switch (byte) {
    case 'A': recall(r, r->recalled - 1); break;
    case 'B': recall(r, r->recalled + 1); break;
    case 'C': move_right(r, 1); break;
    case 'D': move_left(r, 1); break;
    case 'H': move_left(r, r->cursor); break;
    case 'F': move_right(r, r->length); break;
    case '~':
        if (r->parameter == 3) erase_right(r);
        if (r->parameter == 1) move_left(r, r->cursor);
        if (r->parameter == 4) move_right(r, r->length);
        break;
    }
}

static void control_key(Readline *r, u8 byte)
{
    switch (byte) {
    case CR:
    case LF: enter(r); break;
    case DEL:
    case CTRL_H: erase(r, r->cursor > 0); break;
    case TAB: complete(r); break;
    case CTRL_U: erase(r, r->cursor); break;
    case CTRL_K: erase_to_end(r); break;
    case CTRL_W: erase_word(r); break;
    case CTRL_D: erase_right(r); break;
    case CTRL_A: move_left(r, r->cursor); break;
    case CTRL_E: move_right(r, r->length); break;
    case CTRL_B: move_left(r, 1); break;
    case CTRL_F: move_right(r, 1); break;
    case CTRL_P: recall(r, r->recalled - 1); break;
    case CTRL_N: recall(r, r->recalled + 1); break;
    case ESC: r->escape = ESC; break;
    }
}

void readline_key(Readline *r, u8 byte)
{
    bool second_half = r->after_cr && byte == LF;
    r->after_cr = byte == CR;
    if (second_half) return;
    if (r->escape)
        escape_key(r, byte);
    else if (byte < ' ' || byte == DEL)
        control_key(r, byte);
    else
        insert(r, byte);
}

void readline_restart(Readline *r)
{
    r->length = r->cursor = 0;
    r->recalled = r->kept;
    r->escape = 0;
}

void readline_init(Readline *r, void (*echo_)(void *ctx, const char *bytes, u32 n),
                   void (*run)(void *ctx, const char *line), void *ctx)
{
    *r = (Readline){.echo = echo_, .run = run, .ctx = ctx};
}
