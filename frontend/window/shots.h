/* shots.h - the list of snapshots, as lines of a menu. See shots.c. */
#ifndef RING3_WINDOW_SHOTS_H
#define RING3_WINDOW_SHOTS_H

#include "frontend/window/menu.h"
#include "frontend/window/session.h"

/* Ask the machine for a page of it; `first`: the line it begins with, negative: where the current snapshot is. */
void shots_ask(Session *s, s32 first);
/* A page has come that was not looked at yet: now it is. */
bool shots_came(const Session *s);
/* Its lines; the action of the n-th snapshot is `action` + n. The one that was chosen stays so; else the current one is. */
void shots_add_to(Menu *m, s32 action);
void shots_choose(u32 n);
/* Where the arrows lead from the n-th: a line of the page, or another page is asked for. `by`: lines. False: that line is
 * on the page. */
bool shots_scroll(Session *s, u32 n, s32 by);
const char *shots_name(u32 n); /* as it is shown */
/* Go back to the n-th, or delete it. */
void shots_send(Session *s, u32 n, WindowSnapshotWord word);

#endif
