/* panels.c - see panels.h.
 *
 * Closing the window asks: nothing that is done by one key too many ends a machine. What was answered the last time is
 * chosen already. Media are shown as the machine last told them (WindowShared), which is not believed: text is cleaned by
 * menu.c, and numbers only choose among drives.
 */
#include "frontend/window/panels.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/options/drive_names.h"
#include "frontend/window/menu.h"
#include "frontend/window/recent.h"
#include "frontend/window/remember.h"
#include "frontend/window/shots.h"

#define MESSAGE_NS           1000000000ull /* and for each character of it: */
#define MESSAGE_CHARACTER_NS 50000000ull
enum { OPEN_DRIVE = 0x100, EJECT = 0x200, FORCE = 0x300, PUT_RECENT = 0x400, PUT_DROPPED = 0x500 };
enum { LOAD_SHOT = 0x600, DELETE_SHOT = 0x700, DISKS = 0x800 };
enum { CANCEL = 1, POWER, SUSPEND, END, BACK, SNAPSHOTS, KIND = 0xf00, WHICH = 0xff };

static struct {
    Session *s;
    Menu menu;
    s32 drive; /* whose menu is shown */
    bool listing; /* the list of snapshots is shown, or has been asked for */
    bool awaits;  /* ... a page of it: what is shown is the one before */
    char dropped[WINDOW_PATH_BYTES];
    char message[200];
    u64 message_until_ns; /* 0: none */
    bool changed;
    bool suspending; /* the person asked for it */
    s32 ending;      /* what the person wants when it is said what becomes of the disks */
    bool undecided, off; /* what the machine says of them */
    bool stopped;    /* as the machine last said: */
    u32 speed_mhz, news;
    bool followed;
} p;

void panels_begin(Session *s)
{
    p.s = s;
    recent_load();
}

bool panels_open(void) { return p.menu.count != 0; }

void panels_close(void)
{
    p.menu.count = 0;
    p.listing = false;
    p.changed = true;
}

static void begin_menu(const char *title)
{
    menu_begin(&p.menu);
    p.listing = false;
    menu_add(&p.menu, MENU_TEXT, 0, "%s", title);
    menu_add(&p.menu, MENU_TEXT, 0, "%s", "");
    p.changed = true;
}

void panels_say(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(p.message, sizeof p.message, fmt, ap);
    va_end(ap);
    for (char *at = p.message; *at; at++)
        if (*at < ' ' || *at == 0x7f) *at = '?';
    p.message_until_ns = host_now_ns() + MESSAGE_NS + strlen(p.message) * MESSAGE_CHARACTER_NS;
    p.changed = true;
}

/* --- the keys' list, the end ------------------------------------------------------------------------------- */

void panels_help(void)
{
    static const char *const lines[] = {"G    take or release mouse and keyboard",
                                        "F    full screen",
                                        "U    actual size, and back",
                                        "I    only whole multiples of it",
                                        "M    media: disks, CDs and floppies in the drives",
                                        "D    Ctrl-Alt-Delete for the guest",
                                        "V    type the clipboard's text",
                                        "C    copy the screen's text to the clipboard",
                                        "S    screenshot, a PNG file",
                                        "P    pause, resume",
                                        "K    keep the machine as it is now",
                                        "R    return to the newest that was kept",
                                        "N    all that were kept: go back to one, delete it",
                                        "B    what runs now, beside the screen",
                                        "+ -  faster, slower",
                                        "Q    power off, suspend or end, as closing the window"};
    begin_menu("With Ctrl and Alt held:");
    for (unsigned n = 0; n < ARRAY_LEN(lines); n++) menu_add(&p.menu, MENU_TEXT, 0, "%s", lines[n]);
}

void panels_ask_close(void)
{
    begin_menu("Close the machine?");
    menu_add(&p.menu, POWER, 'p', "P  press the power button: the guest shuts down, if it can");
    if (session_can_suspend(p.s))
        menu_add(&p.menu, SUSPEND, 's', "S  suspend: the machine is kept, and resumed where it was");
    menu_add(&p.menu, END, 'e', "E  end ring3 now, like pulling the plug");
    menu_add(&p.menu, CANCEL, 'c', "C  cancel: the machine runs on");
    menu_choose(&p.menu, remember_answer());
}

/* --- media ------------------------------------------------------------------------------------------------- */

static u32 drive_is(s32 n) { return p.s->shared ? atomic_load(&p.s->shared->drive[n].is) : 0; }

static bool is_removable(s32 n)
{
    u32 is = drive_is(n);
    return is & DRIVE_IS_THERE && is & (DRIVE_IS_CD | DRIVE_IS_FLOPPY);
}

/* The name may be changing while it is read. */
static void drive_file(s32 n, char to[WINDOW_NAME_BYTES])
{
    memcpy(to, p.s->shared->drive[n].name, WINDOW_NAME_BYTES);
    to[WINDOW_NAME_BYTES - 1] = 0;
}

static const char *title_of(s32 n, char to[DRIVE_TITLE_BYTES])
{
    return drive_title((DriveId)n, drive_is(n) & DRIVE_IS_CD, to);
}

static void add_drive(s32 n, s32 action)
{
    char file[WINDOW_NAME_BYTES], name[48], title[DRIVE_TITLE_BYTES];
    drive_file(n, file);
    menu_add(&p.menu, action, 0, "%-24s %s", title_of(n, title), *file ? menu_name(file, name) : "(empty)");
}

void panels_media(void)
{
    begin_menu("Media");
    for (s32 n = 0; n < WINDOW_DRIVES; n++)
        if (is_removable(n)) add_drive(n, OPEN_DRIVE + n);
    for (s32 n = 0; n < WINDOW_DRIVES; n++)
        if (drive_is(n) & DRIVE_IS_THERE && !is_removable(n)) add_drive(n, MENU_TEXT);
    menu_add(&p.menu, MENU_TEXT, 0, "%s", "");
    menu_add(&p.menu, MENU_TEXT, 0, "Drop a file or a folder on the window to put it into a drive.");
    menu_add(&p.menu, CANCEL, 'c', "C  cancel");
}

static ImageKind kind_for(s32 n) { return drive_is(n) & DRIVE_IS_CD ? IMAGE_CD : IMAGE_FLOPPY; }

static void show_drive(s32 n)
{
    char file[WINDOW_NAME_BYTES], name[48], title[DRIVE_TITLE_BYTES];
    const char *path;
    p.drive = n;
    drive_file(n, file);
    begin_menu(title_of(n, title));
    menu_add(&p.menu, MENU_TEXT, 0, "in it: %s", *file ? menu_name(file, name) : "nothing");
    menu_add(&p.menu, MENU_TEXT, 0, "%s", "");
    if (drive_is(n) & DRIVE_IS_FULL) menu_add(&p.menu, EJECT, 'e', "E  eject");
    if (drive_is(n) & DRIVE_IS_LOCKED)
        menu_add(&p.menu, FORCE, 'f', "F  eject, although the guest has locked the drive");
    for (unsigned i = 0; (path = recent_get(kind_for(n), i)); i++)
        menu_add(&p.menu, PUT_RECENT + (s32)i, i < 9 ? (char)('1' + i) : 0, "%c  %s",
                 i < 9 ? '1' + (char)i : ' ', menu_name(path, name));
    menu_add(&p.menu, BACK, 'b', "B  back");
}

static void put_in(s32 n, const char *path)
{
    bool is_folder = path && image_kind(path) == IMAGE_FOLDER;
    const char *as = !is_folder ? "" : drive_is(n) & DRIVE_IS_CD ? "dir:" : "fat:floppy:";
    if (path) session_change(p.s, n, as, path, drive_is(n) & DRIVE_IS_LOCKED);
}

/* The drive that an image is surely for, or -1. A folder is one for a CD drive, if there is a single one. */
static s32 only_drive_for(ImageKind kind)
{
    s32 found = -1;
    if (kind == IMAGE_FOLDER) kind = IMAGE_CD;
    for (s32 n = 0; n < WINDOW_DRIVES; n++) {
        if (!is_removable(n) || kind_for(n) != kind) continue;
        if (found >= 0) return -1;
        found = n;
    }
    return found;
}

void panels_drop(const char *path)
{
    char name[48];
    ImageKind kind = image_kind(path);
    if (kind == IMAGE_OTHER) {
        panels_say("%s is not a file that can be put into a drive", menu_name(path, name));
        return;
    }
    s32 n = only_drive_for(kind);
    if (n >= 0) {
        put_in(n, path);
        return;
    }
    snprintf(p.dropped, sizeof p.dropped, "%s", path);
    begin_menu("Which drive is it for?");
    menu_add(&p.menu, MENU_TEXT, 0, "%s", menu_name(path, name));
    menu_add(&p.menu, MENU_TEXT, 0, "%s", "");
    for (s32 k = 0; k < WINDOW_DRIVES; k++)
        if (is_removable(k)) add_drive(k, PUT_DROPPED + k);
    menu_add(&p.menu, CANCEL, 'c', "C  none");
}

/* --- snapshots --------------------------------------------------------------------------------------------- */

static void await_list(void)
{
    begin_menu("Snapshots");
    p.listing = p.awaits = true;
}

void panels_snapshots(void)
{
    await_list();
    shots_ask(p.s, -1);
}

static void show_list(void)
{
    menu_begin(&p.menu);
    shots_add_to(&p.menu, LOAD_SHOT);
    p.changed = true;
    p.awaits = false;
}

static void ask_delete(s32 n)
{
    begin_menu("Delete this snapshot?");
    menu_add(&p.menu, MENU_TEXT, 0, "%s", shots_name((u32)n));
    menu_add(&p.menu, MENU_TEXT, 0, "%s", "");
    menu_add(&p.menu, SNAPSHOTS, 'c', "C  cancel");
    menu_add(&p.menu, DELETE_SHOT + n, 'd', "D  delete it; those that came from it stay");
}

static void delete_shot(s32 n)
{
    await_list();
    shots_send(p.s, (u32)n, WINDOW_SNAPSHOT_DELETE);
}

/* True: the key was for the list, which may be longer than the page that is shown. */
static bool list_key(PanelKey key)
{
    static const s32 by[PANEL_OTHER] = {
        [PANEL_UP] = -1, [PANEL_DOWN] = 1, [PANEL_PAGE_UP] = -WINDOW_SHOTS, [PANEL_PAGE_DOWN] = WINDOW_SHOTS};
    s32 action = menu_action(&p.menu), n = action & WHICH;
    if (p.listing && p.awaits) return key != PANEL_ESCAPE;
    if (!p.listing || action < 0) return false;
    if (key == PANEL_DELETE)
        ask_delete(n);
    else if (key >= PANEL_OTHER || !by[key])
        return false;
    else if (shots_scroll(p.s, (u32)n, by[key]))
        p.awaits = true;
    else
        show_list();
    return true;
}

/* --- choosing ---------------------------------------------------------------------------------------------- */

/* What becomes of undoable disks, before `ending` is done. */
static void ask_disks(const char *title, s32 ending)
{
    p.ending = ending;
    begin_menu(title);
    menu_add(&p.menu, MENU_TEXT, 0, "What was written to its undoable disks:");
    menu_add(&p.menu, MENU_TEXT, 0, "%s", "");
    menu_add(&p.menu, DISKS + 1, 'u', "U  stays, undecided: the question comes again the next time");
    menu_add(&p.menu, DISKS + 2, 'k', "K  is kept for good (commit)");
    menu_add(&p.menu, DISKS + 3, 'd', "D  is discarded: the disks are as they were before");
    menu_add(&p.menu, CANCEL, 'c', "C  cancel");
}

/* How the person wants the machine to end; the next time that answer is chosen already. */
static void end_machine(s32 action)
{
    switch (action) {
    case POWER:
        remember_keep_answer('p');
        session_send(p.s, WINDOW_POWER, 0, 0, 0, 0);
        panels_say("the power button was pressed; Ctrl-Alt-Q and E end a guest that ignores it");
        return;
    case SUSPEND:
        remember_keep_answer('s');
        p.suspending = true;
        session_send(p.s, WINDOW_SUSPEND, 0, 0, 0, 0);
        return;
    case END:
        remember_keep_answer('e');
        session_send(p.s, WINDOW_QUIT, 0, 0, 0, 0);
        return;
    default: return;
    }
}

static void act(s32 action)
{
    s32 which = action & WHICH;
    panels_close();
    if ((action == POWER || action == END) && session_is_undecided(p.s)) {
        ask_disks("Before it ends:", action);
        return;
    }
    switch (action & KIND) {
    case OPEN_DRIVE: show_drive(which); return;
    case EJECT:
    case FORCE: session_eject(p.s, p.drive, (action & KIND) == FORCE); return;
    case PUT_RECENT: put_in(p.drive, recent_get(kind_for(p.drive), (unsigned)which)); return;
    case PUT_DROPPED: put_in(which, p.dropped); return;
    case LOAD_SHOT: shots_send(p.s, (u32)which, WINDOW_SNAPSHOT_LOAD); return;
    case DELETE_SHOT: delete_shot(which); return;
    case DISKS:
        session_send(p.s, WINDOW_DISKS, which, 0, 0, 0);
        end_machine(p.ending);
        return;
    default: break;
    }
    if (action == BACK) panels_media();
    if (action == SNAPSHOTS) panels_snapshots();
    end_machine(action);
}

void panels_key(PanelKey key, char letter)
{
    s32 action = key == PANEL_ENTER ? menu_action(&p.menu) : menu_key(&p.menu, letter);
    p.changed = true;
    if (list_key(key)) return;
    if (key == PANEL_UP || key == PANEL_DOWN) {
        menu_move(&p.menu, key == PANEL_UP ? -1 : 1);
        if (menu_action(&p.menu) != MENU_TEXT) return;
    }
    if (action != MENU_TEXT)
        act(action);
    else if (key == PANEL_ESCAPE || menu_action(&p.menu) == MENU_TEXT)
        panels_close(); /* a list of keys goes with any of them */
}

void panels_click(const Canvas *c, s32 x, s32 y)
{
    s32 action = menu_action_at(&p.menu, c, x, y);
    if (p.listing && p.awaits) return;
    if (action != MENU_TEXT)
        act(action);
    else if (menu_action(&p.menu) == MENU_TEXT)
        panels_close();
}

/* --- what the machine tells -------------------------------------------------------------------------------- */

static void show_news(void)
{
    char text[WINDOW_NEWS_BYTES];
    memcpy(text, p.s->shared->news_text, sizeof text);
    text[sizeof text - 1] = 0;
    panels_say("%s", text);
}

static void remember_media(void)
{
    static char known[WINDOW_DRIVES][WINDOW_NAME_BYTES];
    char file[WINDOW_NAME_BYTES];
    for (s32 n = 0; n < WINDOW_DRIVES; n++) {
        if (!is_removable(n)) continue;
        drive_file(n, file);
        if (!strcmp(file, known[n])) continue;
        memcpy(known[n], file, sizeof file);
        if (*file) recent_add(file);
    }
}

static void say_stopped(bool stopped) { panels_say(stopped ? "paused: Ctrl-Alt-P resumes" : "resumed"); }

void panels_remind(void)
{
    if (session_is_stopped(p.s)) say_stopped(true);
}

static void say_state(bool stopped, u32 speed_mhz)
{
    if (stopped != p.stopped) {
        bool kept = p.suspending && stopped;
        if (kept)
            panels_say("suspending ...");
        else
            say_stopped(stopped);
        p.suspending = kept;
    }
    if (speed_mhz != p.speed_mhz && speed_mhz) panels_say("%u MHz", speed_mhz);
    if (speed_mhz != p.speed_mhz && !speed_mhz) panels_say("full speed");
}

/* The machine has to know that it may wait for an answer. */
static void follow_disks(void)
{
    bool undecided = session_is_undecided(p.s), off = session_is_off(p.s);
    if (undecided && !p.undecided) session_send(p.s, WINDOW_ASKS, 0, 0, 0, 0);
    if (off && !p.off) ask_disks("The guest has switched itself off.", END);
    p.undecided = undecided;
    p.off = off;
}

bool panels_follow(void)
{
    if (!p.s->shared) return false;
    bool stopped = session_is_stopped(p.s), was = p.stopped;
    u32 speed_mhz = atomic_load(&p.s->shared->speed_mhz), news = atomic_load(&p.s->shared->news);
    if (p.followed) say_state(stopped, speed_mhz);
    if (news != p.news) show_news();
    if (shots_came(p.s) && p.listing) show_list();
    follow_disks();
    remember_media();
    p.followed = true;
    p.stopped = stopped;
    p.speed_mhz = speed_mhz;
    p.news = news;
    return stopped && !was;
}

/* --- drawing ------------------------------------------------------------------------------------------------ */

bool panels_visible(void) { return panels_open() || p.message_until_ns; }

void panels_draw(const Canvas *c)
{
    if (panels_open()) menu_draw(&p.menu, c);
    if (p.message_until_ns) overlay_message(c, p.message);
}

bool panels_changed(u64 now_ns, u64 *next)
{
    if (p.message_until_ns && now_ns >= p.message_until_ns) {
        p.message_until_ns = 0;
        p.changed = true;
    }
    *next = p.message_until_ns ? p.message_until_ns : UINT64_MAX;
    bool changed = p.changed;
    p.changed = false;
    return changed;
}
