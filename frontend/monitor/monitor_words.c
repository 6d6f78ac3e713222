/* monitor_words.c - the monitor's words that drive the machine, and the table of all words.
 *
 * Names, arguments and answers are QEMU's. Not there: hot plug, block jobs.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "frontend/audio.h"
#include "frontend/debug/gdb.h"
#include "frontend/debug/timeline_json.h"
#include "frontend/debug/trace_words.h"
#include "frontend/display/screenshot.h"
#include "frontend/host/cage.h"
#include "frontend/host/output.h"
#include "frontend/image/disk.h"
#include "frontend/image/media.h"
#include "frontend/inbox.h"
#include "frontend/keyboard/keynames.h"
#include "frontend/monitor/monitor.h"
#include "frontend/options/drive_limits.h"
#include "frontend/options/drive_names.h"
#include "frontend/options/option_words.h"
#include "frontend/options/suggest.h"
#include "frontend/snapshot/migrate.h"
#include "hw/keys.h"

/* --- run state ------------------------------------------------------------------------------------------- */

static void happens(InboxKind kind) { inbox_deliver(&(InboxEvent){.kind = kind}); }

static void word_stop(Command *c)
{
    if (command_take_end(c)) happens(INBOX_STOP);
}
static void word_cont(Command *c)
{
    if (!command_take_end(c)) return;
    Problem p;
    if (c->pc->is_off)
        command_say(c, "Error: Resetting the Virtual Machine is required\n");
    else if (!migrate_lets_run(c->pc, &p))
        command_say(c, "Error: %s\n", p.text);
    else
        happens(INBOX_CONT);
}
static void word_quit(Command *c)
{
    if (command_take_end(c)) happens(INBOX_QUIT);
}
static void word_system_reset(Command *c)
{
    if (!command_take_end(c)) return;
    if (migrate_lets_reset())
        happens(INBOX_RESET);
    else
        command_say(c, "Error: the machine is on its way (migrate), or has moved\n");
}
static void word_system_powerdown(Command *c)
{
    if (!command_take_end(c) || inbox_deliver(&(InboxEvent){.kind = INBOX_POWER})) return;
    command_say(c,
                "the guest does not listen to its power button (it has no ACPI driver); 'quit' ends ring3\n");
}
static void word_nmi(Command *c)
{
    if (command_take_end(c)) happens(INBOX_NMI);
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
    inbox_deliver(&(InboxEvent){.kind = INBOX_MOUSE,
                                .mouse = {counts(dx), counts(dy), counts(dz), c->pc->mouse_buttons}});
}

static void word_mouse_button(Command *c)
{
    s64 state;
    if (!command_take_number(c, &state) || !command_take_end(c)) return;
    c->pc->mouse_buttons = (u8)(state & (MOUSE_LEFT | MOUSE_RIGHT | MOUSE_MIDDLE));
    inbox_deliver(&(InboxEvent){.kind = INBOX_MOUSE, .mouse.buttons = c->pc->mouse_buttons});
}

/* --- drives ---------------------------------------------------------------------------------------------- */

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
        suggest_offer(&s, drive_name((DriveId)id, d->cdrom));
        *which = (DriveId)id;
        if (!strcmp(name, drive_name((DriveId)id, d->cdrom))) return d;
    }
    const char *near = suggest_result(&s);
    command_say(c, "Error: Device '%s' not found%s%s%s\n", name, near ? "; did you mean '" : "",
                near ? near : "", near ? "'?" : "");
    return NULL;
}

static bool removable(Command *c, const Drive *d, DriveId id)
{
    if (drive_is_removable(d)) return true;
    command_say(c, "Error: Device '%s' is not removable\n", drive_name(id, d->cdrom));
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

/* [FORMAT [retain|read-only|read-write]] */
static bool take_change_format(Command *c, MediaSpec *spec)
{
    char word[40];
    if (command_at_end(c)) return true;
    if (!command_take_text(c, word, sizeof word, "format")) return false;
    const char *const *known = disk_formats();
    while (*known && strcmp(*known, word)) known++;
    if (!*known) {
        command_say(c, "Error: Unknown driver '%s'\n", word);
        return false;
    }
    spec->format = *known;
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
    if (change_vnc(c)) return;
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

static void word_block_set_io_throttle(Command *c)
{
    DriveId id = DRIVE_FLOPPY_A;
    DriveLimits l;
    Drive *d = take_drive(c, &id);
    if (!d) return;
    for (unsigned n = 0; n < 2 * LIMIT_KINDS; n++) {
        s64 amount;
        if (!command_take_within(c, &amount, 0, DRIVE_LIMIT_MAX, "limit a second (0: none)")) return;
        *(n < LIMIT_KINDS ? &l.bytes[n] : &l.commands[n - LIMIT_KINDS]) = (u64)amount;
    }
    if (!command_take_end(c)) return;
    if (d->floppy)
        command_say(c, "Error: a floppy drive has its own speed, and no limits\n");
    else if (!drive_limits_agree(&l))
        command_say(c, "Error: %s\n", drive_limits_differ);
    else {
        d->limits = l;
        d->pace = (Pace){0};
    }
}

static void word_screendump(Command *c)
{
    char path[1024];
    Problem p;
    if (!command_take_text(c, path, sizeof path, "filename") || !command_take_end(c)) return;
    if (!screenshot_write(c->pc->machine, path, &p)) command_say(c, "Error: %s\n", p.text);
}

static void word_wavcapture(Command *c)
{
    char path[1024];
    Problem p;
    if (!command_take_text(c, path, sizeof path, "filename") || !command_take_end(c)) return;
    int n = audio_capture(c->pc->machine, path, &p);
    if (n < 0)
        command_say(c, "Error: %s\n", p.text);
    else
        command_say(c, "capture %d; stopcapture %d ends it\n", n, n);
}

static void word_stopcapture(Command *c)
{
    char text[16];
    const char *at = text;
    u32 n;
    if (!command_take_text(c, text, sizeof text, "capture") || !command_take_end(c)) return;
    if (!parse_number(&at, &n) || *at || !audio_stop(c->pc->machine, n))
        command_say(c, "Error: there is no capture %s\n", text);
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
        inbox_deliver(&(InboxEvent){.kind = INBOX_SPEED, .mhz = mhz});
        return;
    }
    if (c->pc->speed_mhz)
        command_say(c, "%u MHz\n", c->pc->speed_mhz);
    else
        command_say(c, "max\n");
}

static void word_gdbserver(Command *c)
{
    char device[256] = GDB_DEFAULT;
    CharSpec spec;
    Problem p;
    if (!command_at_end(c) && !command_take_text(c, device, sizeof device, "device")) return;
    if (!command_take_end(c)) return;
    if (!charspec_parse(&spec, "gdbserver", device, USE_GDB))
        command_say(c, "Error: gdbserver takes tcp:[HOST]:PORT, unix:PATH or none\n");
    else if (spec.kind != CHAR_NULL && cage_is_shut())
        command_say(c, "Error: the sandbox of a running machine has no way to a new socket: "
                       "start ring3 with -gdb, or with -sandbox off\n");
    else if (!gdb_serve(c->pc, &spec, &p))
        command_say(c, "Error: %s\n", p.text);
    else if (gdb_is_served())
        command_say(c, "Waiting for gdb connection on device '%s'\n", device);
    else
        command_say(c, "Disabled gdbserver\n");
}

/* What counts from the start on cannot begin later. */
static void set_log(Command *c, u32 mask)
{
    u32 late = mask & ~trace_mask & TRACE_STATS;
    if (late) command_say(c, "Error: stats counts from the start on: start ring3 with -d stats\n");
    trace_mask = (mask & ~late) | (trace_mask & (TRACE_STATS | TRACE_TIMELINE));
}

static void word_log(Command *c)
{
    char text[256], bad[40];
    u32 mask = 0;
    if (!command_take_text(c, text, sizeof text, "items") || !command_take_end(c)) return;
    if (!strcmp(text, "help")) {
        for (unsigned n = 0; n < TRACE_COUNT; n++)
            command_say(c, "%-14s %s%s\n", trace_words[n].word, trace_mask >> n & 1 ? "(on) " : "",
                        trace_words[n].help);
        return;
    }
    if (strcmp(text, "none") && !trace_words_parse(text, &mask, bad, sizeof bad)) {
        command_say(c, "Error: log: there is no item '%s'; 'log help' lists them\n", bad);
        return;
    }
    set_log(c, mask);
}

static void word_logfile(Command *c)
{
    char path[1024];
    const char *why = NULL;
    int fd = -1;
    if (!command_at_end(c)) {
        if (!command_take_text(c, path, sizeof path, "filename") || !command_take_end(c)) return;
        fd = output_open(path, &why);
        if (why) {
            command_say(c, "Error: logfile %.200s: %s\n", path, why);
            return;
        }
    }
    if (trace_to(fd)) return;
    close(fd);
    command_say(c, "Error: logfile: the host has no memory\n");
}

static void write_timeline(Command *c, const char *path)
{
    const char *why;
    u64 lost;
    int fd = -1;
    if (!timeline_count(&lost)) {
        command_say(c, "Error: trace: nothing was recorded; 'trace on' begins\n");
        return;
    }
    fd = output_open(path, &why);
    FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!f || !timeline_json_write(f))
        command_say(c, "Error: trace %.200s: %s\n", path, fd < 0 ? why : strerror(errno));
    if (f)
        fclose(f);
    else if (fd >= 0)
        close(fd);
}

static void word_trace(Command *c)
{
    char text[1024];
    u64 lost;
    bool on = trace_mask & TRACE_TIMELINE;
    if (command_at_end(c)) {
        u32 count = timeline_count(&lost);
        command_say(c, "%s; %u events, %llu in between are lost\n", on ? "on" : "off", count,
                    (unsigned long long)lost);
        return;
    }
    if (!command_take_text(c, text, sizeof text, "on, off or filename") || !command_take_end(c)) return;
    if (!strcmp(text, "off"))
        timeline_stop();
    else if (strcmp(text, "on"))
        write_timeline(c, text);
    else if (!timeline_resume())
        command_say(c, "Error: trace: the host has no memory\n");
}

/* --- the table ------------------------------------------------------------------------------------------- */

static void word_help(Command *c);

const Word monitor_words[] = {
    {"balloon", NULL, "mib", "how much memory the guest shall have: it gives the rest (virtio-balloon-pci)",
     word_balloon},
    {"block_set_io_throttle", NULL, "device bps bps_rd bps_wr iops iops_rd iops_wr",
     "how many bytes and commands a second a disk or CD drive may do, all, reads and writes; 0: no limit",
     word_block_set_io_throttle},
    {"bt", NULL, "[count]", "the callers, by their frames (EBP)", word_bt},
    {"change", NULL, "[-f] device filename [raw [read-only-mode]]",
     "put another medium into a drive; 'change vnc password WORD': as set_password", word_change},
    {"commit", NULL, "device|all",
     "what was written to a disk with mode=undoable lasts; the next session begins", word_commit},
    {"cont", "c", "", "let the machine run on", word_cont},
    {"d", "delete", "number", "take a breakpoint or watchpoint away", word_d},
    {"delvm", NULL, "name", "delete a snapshot", word_delvm},
    {"discard", NULL, "device|all", "what is written to a disk with mode=undoable goes when ring3 ends",
     word_discard},
    {"eject", NULL, "[-f] device", "take the medium out of a drive; -f: even if the guest has locked it",
     word_eject},
    {"explain", NULL, "[-j] [-p [-m mode]] here|addr|hot [count]|count [on|off|clear]|sample on|off",
     "how guest code is translated, and which runs most; -j: as JSON, -p: at a physical address",
     word_explain},
    {"gdbserver", NULL, "[device|none]",
     "wait for gdb at tcp:[HOST]:PORT (" GDB_DEFAULT " unless told) or unix:PATH", word_gdbserver},
    {"help", "?", "[word]", "what the monitor does", word_help},
    {"hostfwd_add", NULL, "[id] [tcp|udp]:[hostaddr]:hostport-[guestaddr]:guestport",
     "connections to a port of the host are the guest's (-nic user)", word_hostfwd_add},
    {"hostfwd_remove", NULL, "[id] [tcp|udp]:[hostaddr]:hostport", "... no more", word_hostfwd_remove},
    {"i", NULL, "/fmt addr", "read an I/O port", word_i},
    {"info", NULL, "[what]", "show something; 'info help' lists what", word_info},
    {"lb", NULL, "[addr [if cond]]", "stop before the instruction at a linear address; without one: list",
     word_lb},
    {"loadvm", NULL, "[-f] name", "go back to a snapshot; -f: even if somebody else changed a disk since",
     word_loadvm},
    {"log", NULL, "items|none", "what to trace, as -d: int,exec ...; 'log help' lists the items", word_log},
    {"logfile", NULL, "[file]", "traces go to the file from now on; without one: to stderr", word_logfile},
    {"memsave", NULL, "addr size file", "write memory at a linear address to a file", word_memsave},
    {"migrate", NULL, "[-d] [-b] uri",
     "move the machine to another ring3, which waits for it (-incoming) at tcp:HOST:PORT, unix:PATH or "
     "\"exec:COMMAND\"; -b: with what is on its disks; -d: say no more",
     word_migrate},
    {"migrate_cancel", NULL, "", "... no more: the machine stays here", word_migrate_cancel},
    {"migrate_set_parameter", NULL, "parameter value",
     "max-bandwidth: bytes a second, also 100M; downtime-limit: milliseconds that the guest may stand still",
     word_migrate_set_parameter},
    {"mouse_button", NULL, "state", "press and release mouse buttons: 1 left, 2 right, 4 middle",
     word_mouse_button},
    {"mouse_move", NULL, "dx dy [dz]", "move the mouse, turn its wheel", word_mouse_move},
    {"mouse_set", NULL, "index", "which mouse moves when a person's does (info mice)", word_mouse_set},
    {"n", "next", "", "one instruction, or over a call, INT, loop or REP", word_n},
    {"nmi", NULL, "", "raise a non-maskable interrupt", word_nmi},
    {"o", NULL, "/fmt addr value", "write an I/O port", word_o},
    {"pb", "b", "[addr [if cond]]", "the same at a physical address", word_pb},
    {"pmemsave", NULL, "addr size file", "write memory at a physical address to a file", word_pmemsave},
    {"print", "p", "/fmt expr", "the value of an expression; $eax, $eip, $cs.base are registers", word_print},
    {"quit", "q", "", "end ring3", word_quit},
    {"r", "reg", "", "the processor's registers", word_r},
    {"s", "step", "[count]", "run one instruction or more of a machine that is held; hold one that runs",
     word_s},
    {"savevm", NULL, "[name]", "keep the whole machine as it is now: a snapshot", word_savevm},
    {"screendump", NULL, "file", "write the screen to a file: PNG if its name ends with .png, PPM otherwise",
     word_screendump},
    {"sendkey", NULL, "keys [hold_ms]", "press keys, such as ctrl-alt-f1; for 100 ms unless told otherwise",
     word_sendkey},
    {"set_link", NULL, "name on|off", "plug the cable of a network card in or out", word_set_link},
    {"set_password", NULL, "vnc password [keep]", "what viewers must know from now on (-vnc ...,password=on)",
     word_set_password},
    {"speed", NULL, "[mhz|max]", "show or cap how many instructions run in a microsecond", word_speed},
    {"sreg", NULL, "", "the segment registers and table registers", word_sreg},
    {"stop", NULL, "", "hold the machine", word_stop},
    {"stopcapture", NULL, "number", "end a capture of sound: the file is whole", word_stopcapture},
    {"system_powerdown", NULL, "", "press the power button: the guest may power off", word_system_powerdown},
    {"system_reset", NULL, "", "reset the machine", word_system_reset},
    {"trace", NULL, "[on|off|file]",
     "record exits, interrupts, devices by time (-trace), or write what was recorded to a file; how much it "
     "is",
     word_trace},
    {"u", NULL, "/count [addr]", "instructions at a linear address, or at $pc", word_u},
    {"vb", NULL, "seg:off [if cond]", "stop before the instruction at an offset of a segment", word_vb},
    {"wait-for", NULL, "text [seconds]",
     "wait until a text stands in a row of the screen, 60 seconds unless told otherwise", word_wait_for},
    {"watch", NULL, "[r|w|a addr [bytes] [if cond]]",
     "stop behind a read, a write or either of a linear address", word_watch},
    {"wavcapture", NULL, "file",
     "write what is played from now on to a WAV file; its number is for stopcapture", word_wavcapture},
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
