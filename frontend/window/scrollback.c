/* scrollback.c - see scrollback.h.
 *
 * The monitor's own editing (frontend/monitor/readline.c) moves by backspaces and erases by ESC [ K, so the line at hand is
 * kept as cells with a cursor until it ends. What goes beyond SCROLLBACK_COLUMNS is lost, and so are the oldest lines.
 * Bytes that are not ASCII, which are file names at most, stand as '?'.
 */
#include "frontend/window/scrollback.h"

#include <stdlib.h>

enum { TEXT, ESCAPE_BEGUN, SEQUENCE, ESC = 27 };

static struct {
    char *line[SCROLLBACK_LINES]; /* a ring */
    unsigned oldest, count;
    char now[SCROLLBACK_COLUMNS + 1];
    unsigned length, cursor;
    u8 state;
} s;

static void end_line(void)
{
    char *copy = malloc(s.length + 1);
    if (!copy) return;
    memcpy(copy, s.now, s.length + 1);
    if (s.count == SCROLLBACK_LINES - 1) { /* one is the line at hand */
        free(s.line[s.oldest]);
        s.oldest = (s.oldest + 1) % SCROLLBACK_LINES;
        s.count--;
    }
    s.line[(s.oldest + s.count++) % SCROLLBACK_LINES] = copy;
    s.length = s.cursor = 0;
    s.now[0] = 0;
}

static void put_character(u8 c)
{
    if (s.cursor == SCROLLBACK_COLUMNS) return;
    while (s.length < s.cursor) s.now[s.length++] = ' ';
    s.now[s.cursor++] = (char)(c < 0x7f ? c : '?');
    if (s.length < s.cursor) s.length = s.cursor;
    s.now[s.length] = 0;
}

static void erase_to_end(void)
{
    if (s.length <= s.cursor) return;
    s.length = s.cursor;
    s.now[s.length] = 0;
}

static void put_tab(void)
{
    unsigned stop = (s.cursor / 8 + 1) * 8;
    while (s.cursor < stop && s.cursor < SCROLLBACK_COLUMNS) put_character(' ');
}

static void put_text(u8 c)
{
    if (c == ESC)
        s.state = ESCAPE_BEGUN;
    else if (c == '\n')
        end_line();
    else if (c == '\r')
        s.cursor = 0;
    else if (c == '\b')
        s.cursor -= s.cursor > 0;
    else if (c == '\t')
        put_tab();
    else if (c >= ' ')
        put_character(c);
}

static void put(u8 c)
{
    if (s.state == TEXT) {
        put_text(c);
    } else if (s.state == ESCAPE_BEGUN) {
        s.state = c == '[' ? SEQUENCE : TEXT;
    } else if (c >= '@') {
        s.state = TEXT;
        if (c == 'K') erase_to_end();
    }
}

void scrollback_put(const char *bytes, size_t n)
{
    while (n--) put((u8)*bytes++);
}

unsigned scrollback_lines(void) { return s.count + 1; }

const char *scrollback_line(unsigned n)
{
    return n < s.count ? s.line[(s.oldest + n) % SCROLLBACK_LINES] : n == s.count ? s.now : "";
}
