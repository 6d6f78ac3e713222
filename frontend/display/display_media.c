/* display_media.c - see display_media.h.
 *
 * The window names a file in pieces (window_protocol.h), then the drive. What comes of it, and what the monitor and the
 * guest do to a drive, the window learns as news: a line of text that it shows for a moment.
 */
#include "frontend/display/display_media.h"

#include <stdio.h>

#include "frontend/host/files.h"
#include "frontend/image/media.h"
#include "frontend/options/drive_names.h"

static struct {
    bool snapshot;
    char path[WINDOW_PATH_BYTES];
    u32 used;    /* of it */
    bool shown;  /* the drives were shown at least once */
    u32 changes; /* media_changes() of what is shown */
    const Medium *medium[DRIVE_COUNT];
    u32 flags[DRIVE_COUNT];
} d;

void display_media_begin(bool snapshot) { d.snapshot = snapshot; }

void display_media_say(WindowShared *shared, const char *what, const char *text)
{
    snprintf(shared->news_text, sizeof shared->news_text, "%s%s%s", what, *what ? ": " : "", text);
    atomic_store(&shared->news, atomic_load(&shared->news) + 1);
}

/* --- what the window asks for ----------------------------------------------------------------------------- */

static void take_path(const WindowMessage *w)
{
    const s32 part[] = {w->a, w->b, w->c};
    if (w->d > WINDOW_PATH_PART || d.used + w->d >= sizeof d.path) return;
    memcpy(d.path + d.used, part, w->d);
    d.used += w->d;
}

static bool change(Machine *m, const WindowMessage *w, Problem *p)
{
    Drive *drive = machine_drive(m, (DriveId)w->a);
    if (!drive->present || !drive_is_removable(drive))
        return problem_set(p, "nothing can be put into this drive");
    if (w->kind == WINDOW_EJECT) return media_eject(drive, w->b & 1, p);
    d.path[d.used] = 0;
    if (!d.used) return problem_set(p, "no file was named");
    /* A file that may only be read is a diskette with its tab open. */
    MediaSpec s = {.path = d.path, .readonly = !file_may(FILE_WRITE, d.path), .snapshot = d.snapshot};
    return media_change(drive, &s, w->b & 1, p);
}

void display_media_act(Machine *m, WindowShared *shared, const WindowMessage *w)
{
    Problem p = {{0}};
    base_park_fpu();
    if (w->kind == WINDOW_PATH) {
        take_path(w);
        return;
    }
    bool known = w->a >= 0 && w->a < DRIVE_COUNT;
    if (known && !change(m, w, &p) && shared) display_media_say(shared, "", p.text);
    d.used = 0;
}

/* --- what it is shown -------------------------------------------------------------------------------------- */

static u32 flags_of(const Drive *drive)
{
    if (!drive->present) return 0;
    return DRIVE_IS_THERE | (drive->cdrom ? DRIVE_IS_CD : 0) | (drive->locked ? DRIVE_IS_LOCKED : 0) |
           (drive->floppy ? DRIVE_IS_FLOPPY : 0) | (drive->medium ? DRIVE_IS_FULL : 0);
}

static void show_name(WindowDrive *to, const char *name)
{
    size_t n = strlen(name), room = sizeof to->name - 1;
    bool fits = n <= room;
    snprintf(to->name, sizeof to->name, "%s%s", fits ? "" : "...", fits ? name : name + n - (room - 3));
}

static bool has_changed(Machine *m)
{
    bool changed = !d.shown || d.changes != media_changes();
    for (int id = 0; id < DRIVE_COUNT && !changed; id++) {
        const Drive *drive = machine_drive(m, (DriveId)id);
        changed = d.medium[id] != drive->medium || d.flags[id] != flags_of(drive);
    }
    return changed;
}

/* True: another medium than before. */
static bool show_drive(const Drive *drive, int id, WindowDrive *to)
{
    char before[WINDOW_NAME_BYTES];
    memcpy(before, to->name, sizeof before);
    show_name(to, drive->medium ? drive->medium->name : "");
    d.medium[id] = drive->medium;
    d.flags[id] = flags_of(drive);
    atomic_store(&to->is, d.flags[id]);
    return strcmp(before, to->name) != 0;
}

bool display_media_show(Machine *m, WindowShared *shared)
{
    char title[DRIVE_TITLE_BYTES];
    bool first = !d.shown;
    if (!has_changed(m)) return false;
    base_park_fpu();
    for (int id = 0; id < DRIVE_COUNT; id++) {
        const Drive *drive = machine_drive(m, (DriveId)id);
        if (!show_drive(drive, id, &shared->drive[id]) || first) continue;
        drive_title((DriveId)id, drive->cdrom, title);
        display_media_say(shared, title, *shared->drive[id].name ? shared->drive[id].name : "empty");
    }
    d.changes = media_changes();
    d.shown = true;
    return true;
}
