/* curses_scroll.c - see curses_scroll.h.
 *
 * Lines are not broken: `explain` writes 120 columns side by side, and a terminal of 80 shows them part by part, with
 * the arrows to the left and to the right. '>' at the edge says that a line goes on. What the monitor says meanwhile
 * comes in below, and what is being read stays where it is.
 */
#include "frontend/window/curses_scroll.h"

#include <curses.h>
#include <string.h>

#include "frontend/window/scrollback.h"

static struct {
    int top, left;
} v;

static int page(void) { return LINES > 1 ? LINES - 1 : 1; }

static int last_top(void)
{
    int lines = (int)scrollback_lines();
    return lines > page() ? lines - page() : 0;
}

static int longest(void)
{
    size_t most = 0;
    for (int n = v.top; n < v.top + page(); n++) {
        size_t length = strlen(scrollback_line((unsigned)n));
        if (length > most) most = length;
    }
    return (int)most;
}

static void keep_within(void)
{
    if (v.top > last_top()) v.top = last_top();
    if (v.top < 0) v.top = 0;
    if (v.left > longest() - COLS) v.left = longest() - COLS;
    if (v.left < 0) v.left = 0;
}

void scroll_begin(void)
{
    v.left = 0;
    v.top = last_top() - page();
    keep_within();
}

static void draw_line(int y)
{
    const char *line = scrollback_line((unsigned)(v.top + y));
    int length = (int)strlen(line);
    if (length > v.left) mvaddnstr(y, 0, line + v.left, COLS);
    if (length > v.left + COLS) mvaddch(y, COLS - 1, '>' | A_REVERSE);
}

static void draw_status(void)
{
    char text[160];
    snprintf(text, sizeof text,
             " lines %d-%d of %u, columns %d-%d   PageUp PageDown arrows Home End, Q: back ", v.top + 1,
             v.top + page() < (int)scrollback_lines() ? v.top + page() : (int)scrollback_lines(),
             scrollback_lines(), v.left + 1, v.left + COLS);
    attrset(A_REVERSE);
    mvaddnstr(LINES - 1, 0, text, COLS - 1); /* the last cell would scroll */
    attrset(A_NORMAL);
}

void scroll_draw(void)
{
    keep_within();
    curs_set(0);
    erase();
    for (int y = 0; y < page(); y++) draw_line(y);
    if (LINES > 1) draw_status();
    refresh();
}

bool scroll_key(int kind, unsigned key)
{
    if (kind != KEY_CODE_YES) {
        if (key == ' ') v.top += page();
        return key == ' ' || (key != 'q' && key != 'Q' && key != '\r' && key != '\n' && key != 27);
    }
    switch (key) {
    case KEY_PPAGE: v.top -= page(); break;
    case KEY_NPAGE:
        if (v.top >= last_top()) return false; /* beyond the end is the prompt */
        v.top += page();
        break;
    case KEY_UP: v.top--; break;
    case KEY_DOWN: v.top++; break;
    case KEY_LEFT: v.left -= COLS / 4; break;
    case KEY_RIGHT: v.left += COLS / 4; break;
    case KEY_HOME: v.top = 0; break;
    case KEY_END: v.top = last_top(); break;
    default: break;
    }
    keep_within();
    return true;
}
