/* monitor_snapshots.c - the monitor's words savevm, loadvm, delvm, info snapshots and commit, as QEMU has them, and discard. */
#include <stdio.h>
#include <string.h>

#include "frontend/monitor/monitor.h"
#include "frontend/options/drive_names.h"
#include "frontend/snapshot/snapshots.h"

enum { NAME_BYTES = 200 };

static void saved(void *monitor, const Problem *p)
{
    char text[sizeof p->text + 20] = "";
    if (p) snprintf(text, sizeof text, "Error: %s\n", p->text);
    monitor_release(monitor, text);
}

/* As in QEMU the prompt comes back when it is done; the guest runs on meanwhile. */
void word_savevm(Command *c)
{
    char name[NAME_BYTES] = "";
    Problem p;
    if (!command_at_end(c) && !command_take_text(c, name, sizeof name, "name")) return;
    if (!command_take_end(c)) return;
    Monitor *m = command_hold(c);
    if (snapshot_save(c->pc, name, m ? saved : NULL, m, &p)) return;
    command_say(c, "Error: %s\n", p.text);
    if (m) monitor_release(m, "");
}

void word_loadvm(Command *c)
{
    char name[NAME_BYTES];
    bool force = command_take_flag(c, 'f');
    Problem p;
    if (!command_take_text(c, name, sizeof name, "name") || !command_take_end(c)) return;
    if (!snapshot_load(c->pc, name, force, &p)) command_say(c, "Error: %s\n", p.text);
}

void word_delvm(Command *c)
{
    char name[NAME_BYTES];
    Problem p;
    if (!command_take_text(c, name, sizeof name, "name") || !command_take_end(c)) return;
    if (!snapshot_delete(name, &p)) command_say(c, "Error: %s\n", p.text);
}

/* commit, discard: of one undoable disk or of all. */
static void for_sessions(Command *c, bool (*act)(DriveId id, Problem *p))
{
    char name[NAME_BYTES];
    bool any = false, all;
    Problem p;
    if (!command_take_text(c, name, sizeof name, "device or all") || !command_take_end(c)) return;
    all = !strcmp(name, "all");
    for (int n = 0; n < DRIVE_COUNT; n++) {
        if (all ? !session_is_open((DriveId)n) : strcmp(name, drive_name((DriveId)n, false)) != 0) continue;
        any = true;
        if (!act((DriveId)n, &p)) command_say(c, "Error: %s\n", p.text);
    }
    if (any) return;
    if (all)
        command_say(c, "Error: no disk is undoable: -drive file=FILE,mode=undoable makes one so\n");
    else
        command_say(c, "Error: Device '%s' not found\n", name);
}

void word_commit(Command *c) { for_sessions(c, session_commit); }
void word_discard(Command *c) { for_sessions(c, session_discard); }

static void say_line(void *ctx, const char *text) { command_say(ctx, "%s\n", text); }

void info_snapshots(Command *c)
{
    if (command_take_end(c)) snapshots_list(say_line, c);
}
