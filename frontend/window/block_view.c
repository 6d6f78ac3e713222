/* block_view.c - see block_view.h.
 *
 * The machine writes the lines (frontend/glass/block_pane.c), and only when it is asked: a pane that is closed costs nothing.
 * What it writes is cleaned, as all of its texts are.
 */
#include "frontend/window/block_view.h"

#include <string.h>

enum { ASK_NS = 250000000 };

static struct {
    bool shown;
    u64 next_ns;
    u32 seen; /* WindowShared.blocks */
} v;

void block_view_toggle(void)
{
    v.shown = !v.shown;
    v.next_ns = 0;
}

u32 block_view_width(void) { return v.shown ? overlay_column_width(WINDOW_BLOCK_COLUMNS) : 0; }

u64 block_view_follow(Session *s, u64 now_ns)
{
    if (!v.shown || !s->shared) return UINT64_MAX;
    if (now_ns < v.next_ns) return v.next_ns;
    session_send(s, WINDOW_BLOCK, 0, 0, 0, 0);
    return v.next_ns = now_ns + ASK_NS;
}

bool block_view_changed(const Session *s)
{
    u32 now = s->shared ? atomic_load(&s->shared->blocks) : v.seen;
    bool changed = v.shown && now != v.seen;
    v.seen = now;
    return changed;
}

/* The machine may write meanwhile: a torn text is right the next time. */
static void take_line(const Session *s, unsigned n, char to[WINDOW_BLOCK_COLUMNS + 1])
{
    memset(to, 0, WINDOW_BLOCK_COLUMNS + 1);
    if (s->shared) memcpy(to, s->shared->block[n], WINDOW_BLOCK_COLUMNS);
    for (char *at = to; *at; at++)
        if (*at < ' ' || *at == 0x7f) *at = '?';
}

void block_view_draw(const Session *s, const Canvas *c)
{
    char text[WINDOW_BLOCK_LINES][WINDOW_BLOCK_COLUMNS + 1];
    const char *lines[WINDOW_BLOCK_LINES];
    u32 width = block_view_width();
    if (!width) return;
    for (unsigned n = 0; n < WINDOW_BLOCK_LINES; n++) {
        take_line(s, n, text[n]);
        lines[n] = text[n];
    }
    overlay_column(c, c->width > width ? (s32)(c->width - width) : 0, lines, WINDOW_BLOCK_LINES);
}
