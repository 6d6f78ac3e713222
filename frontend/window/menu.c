/* menu.c - see menu.h. It knows nothing of keys and of what the actions mean. */
#include "frontend/window/menu.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void menu_begin(Menu *m) { *m = (Menu){.chosen = OVERLAY_NONE}; }

/* The font has other pictures than a terminal for what is not ASCII, and names may come from anybody. */
static void clean(char *s)
{
    for (; *s; s++)
        if (*s < ' ' || *s == 0x7f) *s = '?';
}

void menu_add(Menu *m, s32 action, char key, const char *fmt, ...)
{
    va_list ap;
    if (m->count == MENU_LINES) return;
    char *text = m->line[m->count].text;
    va_start(ap, fmt);
    vsnprintf(text, MENU_COLUMNS + 1, fmt, ap);
    va_end(ap);
    clean(text);
    m->line[m->count].action = action;
    m->line[m->count].key = key;
    m->line[m->count].picture = (OverlayPicture){0};
    if (action >= 0 && m->chosen == OVERLAY_NONE) m->chosen = (s32)m->count;
    m->count++;
}

void menu_add_picture(Menu *m, const OverlayPicture *p)
{
    if (m->count) m->line[m->count - 1].picture = *p;
}

const char *menu_name(const char *path, char to[48])
{
    size_t n = strlen(path);
    if (n <= 47)
        snprintf(to, 48, "%s", path);
    else
        snprintf(to, 48, "...%s", path + n - 44);
    return to;
}

void menu_choose(Menu *m, char key)
{
    for (u32 n = 0; n < m->count; n++)
        if (key && m->line[n].key == key) m->chosen = (s32)n;
}

void menu_move(Menu *m, int by)
{
    s32 to = m->chosen;
    if (to == OVERLAY_NONE) return;
    do to = (to + by + (s32)m->count) % (s32)m->count;
    while (m->line[to].action < 0);
    m->chosen = to;
}

s32 menu_action(const Menu *m) { return m->chosen == OVERLAY_NONE ? MENU_TEXT : m->line[m->chosen].action; }

s32 menu_key(const Menu *m, char key)
{
    for (u32 n = 0; n < m->count; n++)
        if (key && m->line[n].key == key) return m->line[n].action;
    return MENU_TEXT;
}

static void texts_of(const Menu *m, const char *texts[MENU_LINES])
{
    for (u32 n = 0; n < m->count; n++) texts[n] = m->line[n].text;
}

s32 menu_action_at(const Menu *m, const Canvas *c, s32 x, s32 y)
{
    const char *texts[MENU_LINES];
    texts_of(m, texts);
    s32 line = overlay_line_at(c, texts, m->count, x, y);
    while (line > 0 && m->line[line].action == MENU_MORE) line--;
    return line == OVERLAY_NONE ? MENU_TEXT : m->line[line].action;
}

void menu_draw(const Menu *m, const Canvas *c)
{
    const char *texts[MENU_LINES];
    texts_of(m, texts);
    u32 chosen_count = 1, chosen = (u32)m->chosen;
    if (m->chosen != OVERLAY_NONE)
        while (chosen + chosen_count < m->count && m->line[chosen + chosen_count].action == MENU_MORE)
            chosen_count++;
    overlay_panel(c, texts, m->count, m->chosen, chosen_count);
    for (u32 n = 0; n < m->count; n++) overlay_picture(c, texts, m->count, n, &m->line[n].picture);
}
