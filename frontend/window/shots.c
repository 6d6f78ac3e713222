/* shots.c - see shots.h.
 *
 * The machine is not believed: the page is copied when it has come, texts are ended, and a picture counts only with sizes
 * that have room. What changes under our hands is wrong for a moment.
 */
#include "frontend/window/shots.h"

#include <stdio.h>
#include <string.h>

enum { PICTURE_COLUMNS = 10, TEXT_COLUMN = 12, INDENT_MAX = 16, LINES = 4 };

typedef struct Shot {
    u32 id, is, depth, width, height;
    s32 date;
    char name[WINDOW_SHOT_NAME], when[WINDOW_SHOT_TEXT], size[WINDOW_SHOT_TEXT];
    u32 pixel[WINDOW_SHOT_WIDTH * WINDOW_SHOT_HEIGHT];
} Shot;

static struct {
    Shot shot[WINDOW_SHOTS];
    u32 count, first, total;
    u32 seen;   /* WindowShared.shots */
    s64 wanted; /* the list's line that is to be chosen; -1: the current one's */
} k;

void shots_ask(Session *s, s32 first)
{
    if (first < 0) k.wanted = -1;
    session_send(s, WINDOW_SNAPSHOTS, first, 0, 0, 0);
}

static void take_text(char *to, const char *from, size_t bytes)
{
    memcpy(to, from, bytes);
    to[bytes - 1] = 0;
}

static void take(Shot *to, const WindowShot *from)
{
    to->id = atomic_load(&from->id);
    to->is = atomic_load(&from->is);
    to->date = atomic_load(&from->date);
    to->depth = atomic_load(&from->depth);
    to->width = atomic_load(&from->width);
    to->height = atomic_load(&from->height);
    if (to->width > WINDOW_SHOT_WIDTH || to->height > WINDOW_SHOT_HEIGHT) to->width = 0;
    take_text(to->name, from->name, sizeof to->name);
    take_text(to->when, from->when, sizeof to->when);
    take_text(to->size, from->size, sizeof to->size);
    memcpy(to->pixel, from->pixel, sizeof to->pixel);
}

bool shots_came(const Session *s)
{
    u32 now = atomic_load(&s->shared->shots);
    if (now == k.seen) return false;
    k.seen = now;
    k.first = atomic_load(&s->shared->shot_first);
    k.total = atomic_load(&s->shared->shot_total);
    for (k.count = 0; k.count < WINDOW_SHOTS; k.count++) {
        take(&k.shot[k.count], &s->shared->shot[k.count]);
        if (!k.shot[k.count].id) break;
    }
    return true;
}

static void add_one(Menu *m, const Shot *shot, s32 action)
{
    u32 indent = shot->depth < INDENT_MAX / 2 ? 2 * shot->depth : INDENT_MAX;
    int column = (int)(indent + TEXT_COLUMN);
    menu_add(m, action, 0, "%*s%.40s%s", column, "", shot->name, shot->is & SHOT_IS_CURRENT ? " *" : "");
    menu_add_picture(
        m, &(OverlayPicture){shot->width, shot->height, shot->pixel, indent, PICTURE_COLUMNS, LINES});
    menu_add(m, MENU_MORE, 0, "%*s%s", column, "", shot->when);
    menu_add(m, MENU_MORE, 0, "%*s%s", column, "", shot->size);
    menu_add(m, MENU_MORE, 0, "%*s%s", column, "", shot->is & SHOT_IS_SPOILED ? "does not fit its disk" : "");
}

/* The line of the page that is chosen. */
static u32 chosen(void)
{
    if (k.wanted >= k.first && k.wanted < (s64)k.first + k.count) return (u32)(k.wanted - k.first);
    for (u32 n = 0; n < k.count; n++)
        if (k.wanted < 0 && k.shot[n].is & SHOT_IS_CURRENT) return n;
    return k.count ? k.count - 1 : 0;
}

void shots_add_to(Menu *m, s32 action)
{
    char title[MENU_COLUMNS + 1];
    snprintf(title, sizeof title, "Snapshots %u to %u of %u", k.first + 1, k.first + k.count, k.total);
    menu_add(m, MENU_TEXT, 0, "%-*s", MENU_COLUMNS, k.count ? title : "Snapshots");
    menu_add(m, MENU_TEXT, 0, "%s", "");
    for (u32 n = 0; n < k.count; n++) add_one(m, &k.shot[n], action + (s32)n);
    if (!k.count) menu_add(m, MENU_TEXT, 0, "There is none yet: Ctrl-Alt-K keeps the machine as it is.");
    if (!k.count) menu_add(m, MENU_TEXT, 0, "%s", "");
    menu_add(m, MENU_TEXT, 0, "%s",
             k.count ? "Enter goes back to it, Del deletes it, Esc leaves" : "Esc leaves");
    shots_choose(chosen());
    for (u32 n = 0; n < m->count && k.count; n++)
        if (m->line[n].action == action + (s32)chosen()) m->chosen = (s32)n;
}

void shots_choose(u32 n) { k.wanted = (s64)k.first + n; }

bool shots_scroll(Session *s, u32 n, s32 by)
{
    s64 to = (s64)k.first + n + by;
    if (to >= k.total) to = (s64)k.total - 1;
    if (to < 0) to = 0;
    k.wanted = to;
    if (to >= k.first && to < (s64)k.first + k.count) return false;
    s64 first = by < 0 ? to : to - (WINDOW_SHOTS - 1);
    shots_ask(s, (s32)(first < 0 ? 0 : first));
    return true;
}

const char *shots_name(u32 n) { return n < k.count ? k.shot[n].name : ""; }

void shots_send(Session *s, u32 n, WindowSnapshotWord word)
{
    if (n >= k.count) return;
    session_send(s, WINDOW_SNAPSHOT, (s32)word, (s32)k.shot[n].id, k.shot[n].date, 0);
    if (word == WINDOW_SNAPSHOT_DELETE) shots_ask(s, (s32)k.first);
}
