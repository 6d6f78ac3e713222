/* display_snapshots.c - see display_snapshots.h.
 *
 * The list is shown page by page: the window says from which line on, and the machine writes the lines and their pictures to
 * WindowShared.shot. What comes of the other words the window learns as news.
 */
#include "frontend/display/display_snapshots.h"

#include <stdio.h>

#include "frontend/display/display.h"
#include "frontend/snapshot/snapshots.h"
#include "frontend/snapshot/thumbnail.h"

_Static_assert((int)THUMBNAIL_WIDTH <= (int)WINDOW_SHOT_WIDTH, "it has room");
_Static_assert((int)THUMBNAIL_PIXELS <= WINDOW_SHOT_WIDTH * WINDOW_SHOT_HEIGHT, "it has room");

/* --- the list ---------------------------------------------------------------------------------------------- */

static void show_picture(WindowShot *to, u32 id)
{
    static Thumbnail t;
    thumbnail_read(id, &t);
    memcpy(to->pixel, t.pixel, (size_t)t.width * t.height * sizeof *t.pixel);
    atomic_store(&to->width, t.width);
    atomic_store(&to->height, t.height);
}

static void show_shot(WindowShot *to, const SnapshotRow *row)
{
    char clock[SNAPSHOT_TEXT], size[SNAPSHOT_TEXT], date[SNAPSHOT_TEXT];
    snapshot_clock_text(row, clock);
    clock[strlen(clock) - 4] = 0; /* seconds are enough */
    snapshot_size_text(row->state_bytes, size);
    snapshot_date_text(row, date);
    snprintf(to->name, sizeof to->name, "%.*s", WINDOW_SHOT_NAME - 1, row->name);
    snprintf(to->when, sizeof to->when, "%.31s", date);
    snprintf(to->size, sizeof to->size, "%.12s at %.15s", size, clock);
    atomic_store(&to->id, row->id);
    atomic_store(&to->date, (s32)row->date_unix_s);
    atomic_store(&to->depth, row->depth);
    atomic_store(&to->is, (row->is_current ? SHOT_IS_CURRENT : 0) | (row->is_spoiled ? SHOT_IS_SPOILED : 0));
    show_picture(to, row->id);
}

/* A page that begins with `first`, as far as there are lines for all of it; negative: one with the current one. */
static void show_list(WindowShared *shared, s32 first)
{
    SnapshotRow rows[WINDOW_SHOTS];
    unsigned got, current, total = snapshots_tree(rows, 0, 0, &got, &current);
    unsigned from =
        first < 0 ? (current < WINDOW_SHOTS / 2 ? 0 : current - WINDOW_SHOTS / 2) : (unsigned)first;
    unsigned last = total > WINDOW_SHOTS ? total - WINDOW_SHOTS : 0;
    if (from > last) from = last;
    snapshots_tree(rows, from, WINDOW_SHOTS, &got, &current);
    for (unsigned n = 0; n < WINDOW_SHOTS; n++)
        if (n < got)
            show_shot(&shared->shot[n], &rows[n]);
        else
            atomic_store(&shared->shot[n].id, 0);
    atomic_store(&shared->shot_first, from);
    atomic_store(&shared->shot_total, total);
    atomic_store(&shared->shots, atomic_load(&shared->shots) + 1);
}

/* --- words ------------------------------------------------------------------------------------------------- */

static void say_saved(void *ctx, const Problem *p)
{
    (void)ctx;
    if (p) say("savevm: %s", p->text);
    display_say(p ? "no snapshot" : "kept", p ? p->text : snapshots_newest());
}

static void keep(Pc *pc)
{
    Problem p;
    display_say("", "keeping a snapshot ...");
    if (!snapshot_save(pc, "", say_saved, pc, &p)) say_saved(pc, &p);
}

static void go_back(Pc *pc, const char *name)
{
    Problem p;
    bool good =
        *name ? snapshot_load(pc, name, false, &p) : problem_set(&p, "there is no snapshot available");
    if (!good) say("loadvm: %s", p.text);
    display_say(good ? "back to" : "not gone back", good ? name : p.text);
}

static void delete (const char *name)
{
    Problem p;
    bool good = *name ? snapshot_delete(name, &p) : problem_set(&p, "there is no such snapshot any more");
    if (!good) say("delvm: %s", p.text);
    display_say(good ? "deleted" : "not deleted", good ? name : p.text);
}

/* The one that the window means; "": it is not there any more. */
static const char *meant_by(const WindowMessage *w)
{
    s64 date_unix_s = 0;
    if (w->a == WINDOW_SNAPSHOT_NEWEST) return snapshots_newest();
    const char *name = snapshot_by_id((u32)w->b, &date_unix_s);
    return (s32)date_unix_s == w->c ? name : "";
}

void display_snapshots_act(Pc *pc, WindowShared *shared, const WindowMessage *w)
{
    char name[128];  /* it is forgotten with its snapshot */
    base_park_fpu(); /* the C library formats, zlib unpacks */
    if (w->kind == WINDOW_DISKS && w->a >= SESSION_KEEP && w->a <= SESSION_DISCARD)
        sessions_decide((SessionEnd)w->a);
    if (w->kind == WINDOW_DISKS) return;
    if (w->kind == WINDOW_SNAPSHOTS) {
        show_list(shared, w->a);
        return;
    }
    snprintf(name, sizeof name, "%s", meant_by(w));
    switch (w->a) {
    case WINDOW_SNAPSHOT_KEEP: keep(pc); return;
    case WINDOW_SNAPSHOT_NEWEST:
    case WINDOW_SNAPSHOT_LOAD: go_back(pc, name); return;
    case WINDOW_SNAPSHOT_DELETE: delete (name); return;
    default: return;
    }
}
