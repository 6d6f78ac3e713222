/* monitor_screen.c - the monitor's words for what stands on the screen: `info screen`, `wait-for`. QEMU has neither. */
#include <stdio.h>
#include <stdlib.h>

#include "frontend/monitor/monitor.h"
#include "frontend/monitor/screen_wait.h"

static u32 shown_height(const Picture *p) { return p->height / (p->line_repeat ? p->line_repeat : 1); }

/* The last line. */
static void say_where(Command *c, const ScreenLook *l)
{
    const Picture *p = l->picture;
    u32 columns = screen_text_columns(l->text), rows = screen_text_rows(l->text);
    if (!p->is_text)
        command_say(c, "%ux%u characters, in graphics of %ux%u\n", columns, rows, p->width, shown_height(p));
    else if (p->cursor_column >= p->columns)
        command_say(c, "%ux%u characters, no cursor\n", columns, rows);
    else
        command_say(c, "%ux%u characters, cursor in column %u of row %u, from 0\n", columns, rows,
                    p->cursor_column, p->cursor_row);
}

void info_screen(Command *c)
{
    char row[SCREEN_TEXT_ROW_BYTES];
    ScreenLook l;
    Problem p;
    if (!command_take_end(c)) return;
    if (!screen_look(c->pc->machine, &l, &p)) {
        command_say(c, "Error: %s\n", p.text);
        return;
    }
    for (u32 n = 0; n < screen_text_rows(l.text); n++) {
        screen_text_row(l.text, n, true, row);
        command_put(c, row);
        command_put(c, "\n");
    }
    if (screen_text_rows(l.text))
        say_where(c, &l);
    else
        command_say(c, "graphics, %ux%u\n", l.picture->width, shown_height(l.picture));
    screen_look_end(&l);
}

/* --- waiting --------------------------------------------------------------------------------------------- */

static bool has_left(void *monitor) { return monitor_has_left(monitor); }

static void waited(void *monitor, ScreenWaitEnd how, const char *text)
{
    char said[SCREEN_WAIT_BYTES + 80] = "";
    if (how == SCREEN_WAIT_TIMEOUT)
        snprintf(said, sizeof said, "Error: wait-for: '%s' did not come to the screen in time\n", text);
    if (how == SCREEN_WAIT_LEFT) snprintf(said, sizeof said, "Error: wait-for: interrupted\n");
    monitor_release(monitor, said);
}

void word_wait_for(Command *c)
{
    char text[SCREEN_WAIT_BYTES];
    s64 seconds = SCREEN_WAIT_SECONDS;
    Problem p;
    if (!command_take_text(c, text, sizeof text, "text") ||
        (!command_at_end(c) &&
         !command_take_within(c, &seconds, 0, SCREEN_WAIT_SECONDS_MOST, "number of seconds")) ||
        !command_take_end(c))
        return;
    if (!*text) {
        command_refuse(c, "a text expected");
        return;
    }
    Monitor *m = command_hold(c);
    if (!m) {
        command_say(c, "Error: wait-for: this client cannot wait\n");
        return;
    }
    ScreenWaiter who = {.has_left = has_left, .done = waited, .ctx = m};
    if (screen_wait(c->pc->machine, text, (u32)seconds, &who, &p)) return;
    command_say(c, "Error: %s\n", p.text);
    monitor_release(m, "");
}
