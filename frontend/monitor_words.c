/* monitor_words.c - the monitor's words that drive the machine, and the table of all words.
 *
 * Names, arguments and answers are QEMU's. Not there: snapshots, migration, hot plug, networks, block jobs.
 */
#include <stdlib.h>

#include "frontend/keynames.h"
#include "frontend/media.h"
#include "frontend/monitor.h"
#include "frontend/screenshot.h"
#include "frontend/suggest.h"
#include "hw/keys.h"

/* --- run state ------------------------------------------------------------------------------------------- */

static void word_stop(Command *c)
{
    if (command_take_end(c)) pc_pause(c->pc);
}
static void word_cont(Command *c)
{
    if (!command_take_end(c)) return;
    if (c->pc->is_off)
        command_say(c, "Error: Resetting the Virtual Machine is required\n");
    else
        pc_continue(c->pc);
}
static void word_quit(Command *c)
{
    if (command_take_end(c)) pc_quit(c->pc);
}
static void word_system_reset(Command *c)
{
    if (command_take_end(c)) cpu_attention(&c->pc->cpu, ATT_RESET);
}
static void word_system_powerdown(Command *c)
{
    if (command_take_end(c)) machine_power_button(c->pc->machine);
}
static void word_nmi(Command *c)
{
    if (command_take_end(c)) cpu_attention(&c->pc->cpu, ATT_NMI);
}

/* --- keyboard and mouse ---------------------------------------------------------------------------------- */

static void refuse_key(Command *c, const char *bad, size_t n)
{
    char name[40];
    if (n >= sizeof name) n = sizeof name - 1;
    memcpy(name, bad, n);
    name[n] = 0;
    const char *near = keyname_nearest(name);
    if (near)
        command_say(c, "invalid parameter: %s; did you mean '%s'?\n", name, near);
    else
        command_say(c, "invalid parameter: %s\n", name);
}

static void word_sendkey(Command *c)
{
    enum { HOLD_MS = 100 };
    char text[256];
    u8 keys[CHORD_KEYS];
    s64 hold_ms = HOLD_MS;
    const char *bad;
    size_t bad_length;
    if (!command_take_text(c, text, sizeof text, "keys") ||
        (!command_at_end(c) && !command_take_number(c, &hold_ms)) || !command_take_end(c))
        return;
    unsigned n = keyname_chord(text, keys, &bad, &bad_length);
    if (!n)
        refuse_key(c, bad, bad_length);
    else if (!keyplay_chord(&c->pc->keys, keys, n,
                            hold_ms < 0       ? HOLD_MS
                            : hold_ms > 60000 ? 60000
                                              : (u32)hold_ms))
        command_say(c, "Error: too many keys wait to be pressed\n");
}

static int counts(s64 n) { return n < -4096 ? -4096 : n > 4096 ? 4096 : (int)n; }

/* A word of its own: "5 -3" are two counts, not a difference. */
static bool take_count(Command *c, s64 *n)
{
    char text[24], *end;
    if (!command_take_text(c, text, sizeof text, "number")) return false;
    *n = strtoll(text, &end, 0);
    if (*end || end == text) command_say(c, "invalid parameter: %s\n", text);
    return !*end && end != text;
}

static void word_mouse_move(Command *c)
{
    s64 dx, dy, dz = 0;
    if (!take_count(c, &dx) || !take_count(c, &dy) || (!command_at_end(c) && !take_count(c, &dz)) ||
        !command_take_end(c))
        return;
    machine_mouse(c->pc->machine, counts(dx), counts(dy), counts(dz), c->pc->mouse_buttons);
}

static void word_mouse_button(Command *c)
{
    s64 state;
    if (!command_take_number(c, &state) || !command_take_end(c)) return;
    c->pc->mouse_buttons = (u8)(state & (MOUSE_LEFT | MOUSE_RIGHT | MOUSE_MIDDLE));
    machine_mouse(c->pc->machine, 0, 0, 0, c->pc->mouse_buttons);
}

/* --- drives ---------------------------------------------------------------------------------------------- */

const char *drive_name(const Drive *d, DriveId id)
{
    static const char *const disks[DRIVE_COUNT] = {"floppy0",  "floppy1",  "ide0-hd0",
                                                   "ide0-hd1", "ide1-hd0", "ide1-hd1"};
    static const char *const cds[DRIVE_COUNT] = {"floppy0",  "floppy1",  "ide0-cd0",
                                                 "ide0-cd1", "ide1-cd0", "ide1-cd1"};
    return (d->cdrom ? cds : disks)[id];
}

/* The drive whose name comes next; NULL: there is none, and that was said. */
static Drive *take_drive(Command *c, DriveId *which)
{
    char name[40];
    Suggest s;
    if (!command_take_text(c, name, sizeof name, "device")) return NULL;
    suggest_begin(&s, name);
    for (int id = 0; id < DRIVE_COUNT; id++) {
        Drive *d = machine_drive(c->pc->machine, (DriveId)id);
        if (!d->present) continue;
        suggest_offer(&s, drive_name(d, (DriveId)id));
        *which = (DriveId)id;
        if (!strcmp(name, drive_name(d, (DriveId)id))) return d;
    }
    const char *near = suggest_result(&s);
    command_say(c, "Error: Device '%s' not found%s%s%s\n", name, near ? "; did you mean '" : "",
                near ? near : "", near ? "'?" : "");
    return NULL;
}

static bool removable(Command *c, const Drive *d, DriveId id)
{
    if (d->cdrom || id == DRIVE_FLOPPY_A || id == DRIVE_FLOPPY_B) return true;
    command_say(c, "Error: Device '%s' is not removable\n", drive_name(d, id));
    return false;
}

static void word_eject(Command *c)
{
    bool force = command_take_flag(c, 'f');
    DriveId id = DRIVE_FLOPPY_A;
    Problem p;
    Drive *d = take_drive(c, &id);
    if (!d || !command_take_end(c) || !removable(c, d, id)) return;
    if (!media_eject(d, force, &p)) command_say(c, "Error: %s\n", p.text);
}

/* [raw [retain|read-only|read-write]] */
static bool take_change_format(Command *c, MediaSpec *spec)
{
    char word[40];
    if (command_at_end(c)) return true;
    if (!command_take_text(c, word, sizeof word, "format")) return false;
    if (strcmp(word, "raw")) {
        command_say(c, "Error: Unknown driver '%s'; the format is raw\n", word);
        return false;
    }
    spec->raw = true;
    if (command_at_end(c)) return true;
    if (!command_take_text(c, word, sizeof word, "read-only mode")) return false;
    if (!strcmp(word, "read-only")) spec->readonly = true;
    if (!strcmp(word, "read-only") || !strcmp(word, "read-write") || !strcmp(word, "retain"))
        return command_take_end(c);
    command_say(c, "Error: invalid parameter value: %s; it is retain, read-only or read-write\n", word);
    return false;
}

static void word_change(Command *c)
{
    bool force = command_take_flag(c, 'f');
    char path[1024];
    DriveId id = DRIVE_FLOPPY_A;
    Problem p;
    Drive *d = take_drive(c, &id);
    if (!d || !command_take_text(c, path, sizeof path, "filename") || !removable(c, d, id)) return;
    MediaSpec spec = {.path = path, .readonly = d->cdrom, .snapshot = c->pc->snapshot};
    if (!take_change_format(c, &spec)) return;
    if (!media_change(d, &spec, force, &p)) command_say(c, "Error: %s\n", p.text);
}

static void word_screendump(Command *c)
{
    char path[1024];
    Problem p;
    if (!command_take_text(c, path, sizeof path, "filename") || !command_take_end(c)) return;
    if (!screenshot_write(c->pc->machine, path, &p)) command_say(c, "Error: %s\n", p.text);
}

static void word_speed(Command *c)
{
    char text[16];
    u32 mhz;
    if (!command_at_end(c)) {
        if (!command_take_text(c, text, sizeof text, "speed") || !command_take_end(c)) return;
        if (!speed_parse(text, &mhz)) {
            command_say(c, "Error: speed is 1 to %u MHz, or max\n", SPEED_MHZ_MAX);
            return;
        }
        pc_set_speed(c->pc, mhz);
        return;
    }
    if (c->pc->speed_mhz)
        command_say(c, "%u MHz\n", c->pc->speed_mhz);
    else
        command_say(c, "max\n");
}

/* --- the table ------------------------------------------------------------------------------------------- */

static void word_help(Command *c);

const Word monitor_words[] = {
    {"change", NULL, "[-f] device filename [raw [read-only-mode]]", "put another medium into a drive",
     word_change},
    {"cont", "c", "", "let the machine run on", word_cont},
    {"eject", NULL, "[-f] device", "take the medium out of a drive; -f: even if the guest has locked it",
     word_eject},
    {"help", "?", "[word]", "what the monitor does", word_help},
    {"i", NULL, "/fmt addr", "read an I/O port", word_i},
    {"info", NULL, "[what]", "show something; 'info help' lists what", word_info},
    {"memsave", NULL, "addr size file", "write memory at a linear address to a file", word_memsave},
    {"mouse_button", NULL, "state", "press and release mouse buttons: 1 left, 2 right, 4 middle",
     word_mouse_button},
    {"mouse_move", NULL, "dx dy [dz]", "move the mouse, turn its wheel", word_mouse_move},
    {"nmi", NULL, "", "raise a non-maskable interrupt", word_nmi},
    {"o", NULL, "/fmt addr value", "write an I/O port", word_o},
    {"pmemsave", NULL, "addr size file", "write memory at a physical address to a file", word_pmemsave},
    {"print", "p", "/fmt expr", "the value of an expression; $eax, $eip, $cs.base are registers", word_print},
    {"quit", "q", "", "end ring3", word_quit},
    {"screendump", NULL, "file", "write the screen to a file: PNG if its name ends with .png, PPM otherwise",
     word_screendump},
    {"sendkey", NULL, "keys [hold_ms]", "press keys, such as ctrl-alt-f1; for 100 ms unless told otherwise",
     word_sendkey},
    {"speed", NULL, "[mhz|max]", "show or cap how many instructions run in a microsecond", word_speed},
    {"stop", "s", "", "hold the machine", word_stop},
    {"system_powerdown", NULL, "", "press the power button: the guest may power off", word_system_powerdown},
    {"system_reset", NULL, "", "reset the machine", word_system_reset},
    {"x", NULL, "/fmt addr", "show memory at a linear address; fmt: count, x d u o c or i, size b h w or g",
     word_x},
    {"xp", NULL, "/fmt addr", "show memory at a physical address", word_xp},
    {NULL, NULL, NULL, NULL, NULL},
};

static void show_word(Command *c, const char *prefix, const Word *w)
{
    command_say(c, "%s%s%s%s%s%s -- %s\n", prefix, w->name, w->alias ? "|" : "", w->alias ? w->alias : "",
                *w->args ? " " : "", w->args, w->help);
}

static void word_help(Command *c)
{
    char name[40];
    bool found = false;
    if (command_at_end(c)) {
        for (const Word *w = monitor_words; w->name; w++) show_word(c, "", w);
        return;
    }
    if (!command_take_text(c, name, sizeof name, "name")) return;
    if (!strcmp(name, "info")) {
        for (const Word *w = info_words; w->name; w++) show_word(c, "info ", w);
        return;
    }
    for (const Word *w = monitor_words; w->name; w++) {
        if (strcmp(name, w->name) && (!w->alias || strcmp(name, w->alias))) continue;
        show_word(c, "", w);
        found = true;
    }
    if (!found) command_say(c, "unknown command: '%s'\n", name);
}
