/* options.c - one table of options; parser, help and suggestions read it.
 *
 * The words and their meaning are QEMU's: one dash (two are taken as well), the value in the next argument; an argument
 * without a dash is an image (boot_guess.c). What is wrong is said in at most two lines that name option and value, with
 * the nearest word that would be right. Options of QEMU's that are not in this table are in qemu_words.c.
 * Setters with lists as values are in option_machine.c, option_display.c and drive_options.c.
 *
 * Differences from QEMU: without -serial the ports are connected to nothing, without -monitor there is none;
 * -debugcon stdio and -parallel stdio may share standard output with -serial stdio, since they never read.
 */
#define _GNU_SOURCE
#include "frontend/options/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cpu/base/timeline.h"
#include "frontend/debug/trace_words.h"
#include "frontend/host/host_report.h"
#include "frontend/image/img.h"
#include "frontend/load/boot_guess.h"
#include "frontend/load/tour.h"
#include "frontend/options/option_balloon.h"
#include "frontend/options/option_cpu.h"
#include "frontend/options/option_display.h"
#include "frontend/options/option_explain.h"
#include "frontend/options/option_machine.h"
#include "frontend/options/option_words.h"
#include "frontend/options/qemu_words.h"
#include "frontend/say.h"
#include "frontend/vm/vm.h"

typedef struct Option {
    const char *name, *value; /* value: what help calls it; NULL: takes none */
    OptionsResult (*set)(Options *o, const char *value);
    const char *help;
} Option;

/* --- values ---------------------------------------------------------------------------------------------- */

bool speed_parse(const char *text, u32 *mhz)
{
    const char *s = text;
    if (!strcmp(text, "max")) return *mhz = 0, true;
    return parse_number(&s, mhz) && !*s && *mhz && *mhz <= SPEED_MHZ_MAX;
}

static OptionsResult set_speed(Options *o, const char *value)
{
    if (speed_parse(value, &o->speed_mhz)) return OPTIONS_RUN;
    say("-speed %.80s: not a speed; give 1 to %u MHz, or max", value, SPEED_MHZ_MAX);
    return OPTIONS_BAD;
}

static OptionsResult parse_char(CharSpec *to, const char *option, const char *value, CharUse use)
{
    return charspec_parse(to, option, value, use) ? OPTIONS_RUN : OPTIONS_BAD;
}

/* One more of those that may be given several times. */
static OptionsResult add_char(CharSpec *list, int *count, int most, const char *option, const char *value,
                              CharUse use)
{
    if (*count < most) return parse_char(&list[(*count)++], option, value, use);
    say("%s %.80s: only %d are possible", option, value, most);
    return OPTIONS_BAD;
}

static OptionsResult set_serial(Options *o, const char *value)
{
    return add_char(o->serial, &o->serial_count, SERIAL_PORTS, "-serial", value, USE_SERIAL);
}

static OptionsResult set_monitor(Options *o, const char *value)
{
    return add_char(o->monitor, &o->monitor_count, MONITORS, "-monitor", value, USE_MONITOR);
}

static OptionsResult set_qmp(Options *o, const char *value)
{
    return add_char(o->qmp, &o->qmp_count, MONITORS, "-qmp", value, USE_MONITOR);
}

static OptionsResult set_parallel(Options *o, const char *value)
{
    if (o->has_parallel) {
        say("-parallel %.80s: there is only one parallel port", value);
        return OPTIONS_BAD;
    }
    o->has_parallel = true;
    return parse_char(&o->parallel, "-parallel", value, USE_OUTPUT);
}

static OptionsResult set_debugcon(Options *o, const char *value)
{
    o->has_debugcon = true;
    return parse_char(&o->debugcon, "-debugcon", value, USE_OUTPUT);
}

static OptionsResult set_gdb(Options *o, const char *value)
{
    return parse_char(&o->gdb, "-gdb", value, USE_GDB);
}

static OptionsResult set_gdb_default(Options *o, const char *value)
{
    (void)value;
    return set_gdb(o, GDB_DEFAULT);
}

static OptionsResult set_inspect(Options *o, const char *value)
{
    const char *port = strrchr(value, ':');
    bool unix_path = !strncmp(value, "unix:", 5) && value[5];
    port = port ? port + 1 : value;
    u32 n;
    const char *s = port;
    o->inspect = value;
    if (unix_path || (parse_number(&s, &n) && !*s && n <= 0xffff)) return OPTIONS_RUN;
    say("-inspect %.80s: takes [ADDR:]PORT, such as 8086, or unix:PATH", value);
    return OPTIONS_BAD;
}

static OptionsResult set_stopped(Options *o, const char *value)
{
    (void)value;
    return o->start_stopped = true, OPTIONS_RUN;
}

/* "file" is also the first word of QEMU's -trace. */
static OptionsResult set_trace(Options *o, const char *value)
{
    static const char *const keys[] = {"file", "events", NULL};
    static const char end[] = ".json";
    Pair pair;
    o->timeline_events = TIMELINE_EVENTS;
    while (pair_next(&value, "file", &pair)) {
        const char *s = pair.value;
        size_t n = strlen(s);
        if (!strcmp(pair.key, "events")) {
            u32 least = TIMELINE_EVENTS_MIN, most = TIMELINE_EVENTS_MAX;
            bool is_number = parse_number(&s, &o->timeline_events) && !*s;
            if (is_number && o->timeline_events >= least && o->timeline_events <= most) continue;
            say("-trace events=%.80s: takes how many events are kept, %u to %u", pair.value, least, most);
            return OPTIONS_BAD;
        }
        if (strcmp(pair.key, "file")) return pair_refuse_key(&pair, "-trace", keys);
        if (n < sizeof end || strcmp(s + n - (sizeof end - 1), end) || n >= sizeof o->timeline_path) {
            say("-trace %.80s: takes FILE.json, for Perfetto or chrome://tracing; QEMU's events are not there, "
                "-d WORD,... traces",
                s);
            return OPTIONS_BAD;
        }
        memcpy(o->timeline_path, s, n + 1);
    }
    if (*o->timeline_path) return OPTIONS_RUN;
    say("-trace: takes FILE.json[,events=N]");
    return OPTIONS_BAD;
}

static OptionsResult set_nic(Options *o, const char *value) { return net_option_nic(&o->net, value); }
static OptionsResult set_netdev(Options *o, const char *value) { return net_option_netdev(&o->net, value); }
static OptionsResult set_net(Options *o, const char *value) { return net_option_net(&o->net, value); }

/* --- traces, devices -------------------------------------------------------------------------- */

static OptionsResult trace_help(void)
{
    for (unsigned n = 0; n < TRACE_COUNT; n++)
        printf("  %-14s %s\n", trace_words[n].word, trace_words[n].help);
    return OPTIONS_DONE;
}

static OptionsResult refuse_trace_word(const char *word)
{
    static const char why[] = "there is no such trace: leave it out; -d help lists what there is";
    static const Absent others[] = {{"cpu", why}, {"op*", why},     {"fpu", why},    {"page", why},
                                    {"tid", why}, {"nochain", why}, {"plugin", why}, {"strace", why},
                                    {"vpu", why}, {"trace:*", why}, {NULL, NULL}};
    Words w;
    if (absent_why(others, word)) return absent_refuse("-d", word, why);
    words_begin(&w, word);
    for (unsigned n = 0; n < TRACE_COUNT; n++) words_offer(&w, trace_words[n].word);
    return words_refuse(&w, "-d", word);
}

static OptionsResult set_d(Options *o, const char *value)
{
    char bad[40];
    u32 mask;
    if (!strcmp(value, "help")) return trace_help();
    if (!trace_words_parse(value, &mask, bad, sizeof bad)) return refuse_trace_word(bad);
    o->trace_mask |= mask;
    return OPTIONS_RUN;
}

static OptionsResult set_dfilter(Options *o, const char *value)
{
    Problem p;
    if (trace_ranges_parse(value, &o->trace_filter, &p)) return OPTIONS_RUN;
    say("-dfilter %s", p.text);
    return OPTIONS_BAD;
}

/* The part of a -device value behind its name: ,iobase=N,iosize=N; the latter only with `size`. */
static bool parse_ports(const char *s, u16 *iobase, u8 *size)
{
    while (*s) {
        u32 n;
        bool base = !strncmp(s, ",iobase=", 8);
        if (!base && (!size || strncmp(s, ",iosize=", 8))) return false;
        s += 8;
        if (!parse_number(&s, &n) || n > 0xffff) return false;
        if (!base && n != 1 && n != 2 && n != 4) return false;
        if (base)
            *iobase = (u16)n;
        else
            *size = (u8)n;
    }
    return *iobase + (size ? *size : 1) <= 0x10000;
}

/* NULL: it is not this device; else what stands behind the name. */
static const char *device_rest(const char *value, const char *name)
{
    size_t n = strlen(name);
    return strncmp(value, name, n) || (value[n] && value[n] != ',') ? NULL : value + n;
}

static OptionsResult refuse_ports(const char *value, const char *takes)
{
    say("-device %.80s: takes %s", value, takes);
    return OPTIONS_BAD;
}

static OptionsResult set_debug_exit(Options *o, const char *value, const char *rest)
{
    o->debug_exit = true;
    if (parse_ports(rest, &o->debug_exit_iobase, &o->debug_exit_iosize)) return OPTIONS_RUN;
    return refuse_ports(value, "iobase=0..0xffff and iosize=1, 2 or 4");
}

static OptionsResult set_postcode(Options *o, const char *value, const char *rest)
{
    o->postcode = true;
    return parse_ports(rest, &o->postcode_port, NULL) ? OPTIONS_RUN : refuse_ports(value, "iobase=0..0xffff");
}

/* Of a device of QEMU's, with or without driver= before it and properties behind. */
static const char *device_why(const char *value)
{
    Pair p;
    return pair_next(&value, "driver", &p) ? absent_why(qemu_devices, p.value) : NULL;
}

static OptionsResult set_device(Options *o, const char *value)
{
    static const char debug_exit[] = "isa-debug-exit", post[] = "post", vga[] = "VGA,romfile=";
    const char *rest;
    Words w;
    bool rom_named = !strncmp(value, vga, sizeof vga - 1);
    if (rom_named) o->vga_rom = value + sizeof vga - 1;
    if (rom_named || !strcmp(value, "VGA")) {
        o->vga_device = true;
        return OPTIONS_RUN;
    }
    if ((rest = device_rest(value, debug_exit))) return set_debug_exit(o, value, rest);
    if ((rest = device_rest(value, post))) return set_postcode(o, value, rest);
    if (!strcmp(value, "pc-testdev")) {
        o->testdev = true;
        return OPTIONS_RUN;
    }
    if (!strcmp(value, "vmmouse")) { /* it is there unless the port is not */
        o->vmmouse_given = true;
        return OPTIONS_RUN;
    }
    if (!strcmp(value, "glassbox")) {
        o->glassbox = true;
        return OPTIONS_RUN;
    }
    if (!strcmp(value, "gameport")) {
        o->gameport = true;
        return OPTIONS_RUN;
    }
    OptionsResult card;
    if (net_option_device(&o->net, value, &card)) return card;
    if (sound_option_device(&o->sound, value, &card)) return card;
    if (balloon_option_device(&o->balloon, value, &card)) return card;
    const char *why = device_why(value);
    if (why) return absent_refuse("-device", value, why);
    words_begin(&w, value);
    words_offer(&w, debug_exit);
    words_offer(&w, post);
    words_offer(&w, "pc-testdev");
    words_offer(&w, "glassbox");
    words_offer(&w, "vmmouse");
    words_offer(&w, "VGA");
    words_offer(&w, "VGA,romfile=FILE");
    words_offer(&w, "pcnet,netdev=ID");
    words_offer(&w, "sb16");
    words_offer(&w, "ES1370");
    words_offer(&w, "AC97");
    words_offer(&w, "adlib");
    words_offer(&w, "mpu401");
    words_offer(&w, "gameport");
    words_offer(&w, "virtio-balloon-pci");
    return words_refuse(&w, "-device", value);
}

static OptionsResult set_balloon(Options *o, const char *value) { return balloon_option(&o->balloon, value); }

static OptionsResult set_global(Options *o, const char *value)
{
    static const char name[] = "isa-debugcon.iobase=";
    const char *s = value + sizeof name - 1;
    u32 port;
    if (!strncmp(value, name, sizeof name - 1) && parse_number(&s, &port) && !*s && port <= 0xffff)
        return o->debugcon_port = (u16)port, OPTIONS_RUN;
    say("-global %.80s: only isa-debugcon.iobase=0..0xffff can be set", value);
    return OPTIONS_BAD;
}

static OptionsResult set_audio(Options *o, const char *value) { return sound_option_audio(&o->sound, value); }

static OptionsResult set_audiodev(Options *o, const char *value)
{
    return sound_option_audiodev(&o->sound, value);
}

static OptionsResult set_soundhw(Options *o, const char *value)
{
    return sound_option_soundhw(&o->sound, value);
}

static OptionsResult set_tour(Options *o, const char *value)
{
    (void)value;
    o->tour = o->glassbox = true;
    return OPTIONS_RUN;
}

static OptionsResult set_string(const char **to, const char *option, const char *value)
{
    if (*value) {
        *to = value;
        return OPTIONS_RUN;
    }
    say("%s '': an empty name", option);
    return OPTIONS_BAD;
}

static OptionsResult set_kernel(Options *o, const char *value)
{
    return set_string(&o->kernel, "-kernel", value);
}
static OptionsResult set_initrd(Options *o, const char *value)
{
    return set_string(&o->initrd, "-initrd", value);
}
static OptionsResult set_bios(Options *o, const char *value) { return set_string(&o->bios, "-bios", value); }
static OptionsResult set_option_rom(Options *o, const char *value)
{
    static const char implied[] = "romfile=";
    if (!strncmp(value, implied, sizeof implied - 1)) value += sizeof implied - 1;
    if (o->option_rom_count < OPTION_ROMS)
        return set_string(&o->option_rom[o->option_rom_count++], "-option-rom", value);
    say("-option-rom %.80s: at most %d", value, OPTION_ROMS);
    return OPTIONS_BAD;
}
static OptionsResult set_trace_path(Options *o, const char *value)
{
    return set_string(&o->trace_path, "-D", value);
}
static OptionsResult set_pidfile(Options *o, const char *value)
{
    return set_string(&o->pidfile, "-pidfile", value);
}
static OptionsResult set_hook(Options *o, const char *value)
{
    if (o->hook_count < HOOK_OPTIONS) return set_string(&o->hook[o->hook_count++], "-hook", value);
    say("-hook %.80s: at most %d; file=FILE has more lines", value, HOOK_OPTIONS);
    return OPTIONS_BAD;
}
static OptionsResult set_symbols(Options *o, const char *value)
{
    if (o->symbols_count < SYMBOL_OPTIONS)
        return set_string(&o->symbols[o->symbols_count++], "-symbols", value);
    say("-symbols %.80s: at most %d files", value, SYMBOL_OPTIONS);
    return OPTIONS_BAD;
}
static OptionsResult set_append(Options *o, const char *value) { return o->append = value, OPTIONS_RUN; }
/* Ctrl-A's successor: a character's number, as in -echr 0x14 for Ctrl-T. */
static OptionsResult set_echr(Options *o, const char *value)
{
    const char *s = value;
    u32 n;
    if (parse_number(&s, &n) && !*s && n && n < 128) {
        o->escape_key = (u8)n;
        return OPTIONS_RUN;
    }
    say("-echr %.80s: takes the number of an ASCII character, such as 0x14 for Ctrl-T", value);
    return OPTIONS_BAD;
}
#define SWITCH(field)                                                                                        \
    static OptionsResult set_##field(Options *o, const char *value)                                          \
    {                                                                                                        \
        (void)value;                                                                                         \
        o->field = true;                                                                                     \
        return OPTIONS_RUN;                                                                                  \
    }
SWITCH(no_reboot)
SWITCH(no_shutdown)
SWITCH(no_acpi)
SWITCH(no_apic)
SWITCH(no_fd_bootchk)
SWITCH(no_defaults)
SWITCH(daemonize)
static OptionsResult set_no_hpet(Options *o, const char *value)
{
    (void)value;
    o->hpet = false;
    return OPTIONS_RUN;
}
static OptionsResult set_nographic(Options *o, const char *value)
{
    (void)value;
    o->display.kind = DISPLAY_NONE;
    o->display_given = true;
    return o->nographic = true, OPTIONS_RUN;
}
static OptionsResult set_full_screen(Options *o, const char *value)
{
    (void)value;
    return o->display.full_screen = true, OPTIONS_RUN;
}
/* Drives: drive_options.c says what is wrong. */
static OptionsResult said(bool ok, const Problem *p)
{
    if (!ok) say("%s", p->text);
    return ok ? OPTIONS_RUN : OPTIONS_BAD;
}

#define BAY_OPTION(name, id, cdrom)                                                                          \
    static OptionsResult set_##name(Options *o, const char *value)                                           \
    {                                                                                                        \
        Problem p;                                                                                           \
        return said(drive_option_bay(&o->drives, id, cdrom, "-" #name, value, &p), &p);                      \
    }
BAY_OPTION(fda, DRIVE_FLOPPY_A, false)
BAY_OPTION(fdb, DRIVE_FLOPPY_B, false)
BAY_OPTION(hda, DRIVE_IDE_0, false)
BAY_OPTION(hdb, DRIVE_IDE_1, false)
BAY_OPTION(hdc, DRIVE_IDE_2, false)
BAY_OPTION(hdd, DRIVE_IDE_3, false)
BAY_OPTION(cdrom, DRIVE_IDE_2, true)

static OptionsResult set_drive(Options *o, const char *value)
{
    Problem p;
    return said(drive_option_drive(&o->drives, value, &p), &p);
}
static OptionsResult set_boot(Options *o, const char *value)
{
    Problem p;
    return said(drive_option_boot(&o->drives, value, &p), &p);
}
static OptionsResult set_snapshot(Options *o, const char *value)
{
    (void)value;
    return o->drives.snapshot = true, OPTIONS_RUN;
}

static OptionsResult set_loadvm(Options *o, const char *value)
{
    return set_string(&o->loadvm, "-loadvm", value);
}
static OptionsResult set_incoming(Options *o, const char *value)
{
    o->drives.incoming = true;
    return set_string(&o->incoming, "-incoming", value);
}
static OptionsResult set_snapshots(Options *o, const char *value)
{
    return set_string(&o->snapshots, "-snapshots", value);
}

static OptionsResult set_nvram(Options *o, const char *value)
{
    return set_string(&o->nvram, "-nvram", value);
}

static OptionsResult show_help(Options *o, const char *value);
static OptionsResult show_host(Options *o, const char *value);
static OptionsResult show_version(Options *o, const char *value);

/* --- the table ------------------------------------------------------------------------------------------- */

static const Option options[] = {
    {"m", "SIZE", set_m, "memory in MiB, or with suffix M or G (1 to 3072; default 128)"},
    {"kernel", "FILE", set_kernel,
     "Linux bzImage (or what looks like one, such as ipxe.lkrn) or Multiboot ELF to boot"},
    {"initrd", "FILE", set_initrd, "initial RAM disk; Multiboot: modules, \"file args,file args\""},
    {"append", "TEXT", set_append, "kernel command line"},
    {"bios", "FILE", set_bios, "firmware other than ring3's own (SeaBIOS's bios.bin works)"},
    {"option-rom", "FILE", set_option_rom,
     "a ROM that the firmware starts, of no card that is there (a card's own: romfile=)"},
    {"hda", "FILE", set_hda, "disk image or block device: primary master (-hdb slave, -hdc, -hdd secondary)"},
    {"hdb", "FILE", set_hdb, NULL},
    {"hdc", "FILE", set_hdc, NULL},
    {"hdd", "FILE", set_hdd, NULL},
    {"cdrom", "FILE|dir:DIR", set_cdrom,
     "CD image, or a folder as a CD: in the CD drive, the secondary master"},
    {"fda", "FILE", set_fda, "floppy image: in drive A (-fdb: in drive B)"},
    {"fdb", "FILE", set_fdb, NULL},
    {"drive", "file=FILE|fat:DIR,...", set_drive,
     "an image, or a folder as a FAT disk (to read; fat:rw:DIR: to write); if=ide|floppy, index=N, media=disk|cdrom, format=, "
     "mode=undoable, snapshot=on, readonly=on, discard=unmap, detect-zeroes=, werror=, rerror=, throttling.bps-total="},
    {"snapshot", NULL, set_snapshot, "writes go to temporary files: images stay as they are"},
    {"loadvm", "NAME", set_loadvm, "go on from a snapshot (the monitor's savevm makes them)"},
    {"incoming", "URI", set_incoming,
     "take over a machine that another ring3 sends (the monitor's migrate) to tcp:HOST:PORT, unix:PATH or "
     "exec:COMMAND"},
    {"snapshots", "DIR", set_snapshots,
     "the folder of snapshots (default: beside the first hard disk's image, with .snapshots behind its "
     "name)"},
    {"nvram", "FILE", set_nvram, "the CMOS memory is kept in a file of 128 bytes"},
    {"boot", "[order=]cad", set_boot,
     "a floppy, c disk, d CD, n network, then the others; also ,once=n, ,menu=on and ,strict=on (no others)"},
    {"serial", "DEV", set_serial, "where a serial port leads; the first is COM1, the second COM2"},
    {"parallel", "DEV", set_parallel, "where the parallel port leads"},
    {"monitor", "DEV", set_monitor, "where the monitor is; its word 'help' lists what it does"},
    {"qmp", "DEV", set_qmp, "where programs drive the machine: QEMU's Machine Protocol (docs/MONITOR.md)"},
    {"gdb", "DEV", set_gdb, "wait for gdb at tcp:[HOST]:PORT (127.0.0.1 unless told) or unix:PATH"},
    {"s", NULL, set_gdb_default, "the same as -gdb " GDB_DEFAULT},
    {"inspect", "[ADDR:]PORT", set_inspect,
     "show the translator at work at http://127.0.0.1:PORT/ (also unix:PATH)"},
    {"symbols", "FILE", set_symbols,
     "names of the guest's addresses: an i386 ELF, System.map or saved /proc/kallsyms"},
    {"hook", "TEXT", set_hook,
     "call a function of a library of yours: 'int 21h call LIB:f(u8 ah)', file=FILE (docs/HOOKS.md)"},
    {"S", NULL, set_stopped, "do not start; gdb's 'continue' does, or the monitor's word 'cont'"},
    {"name", "NAME", set_name, "the machine's name; also guest=NAME,process=NAME"},
    {"uuid", "UUID", set_uuid, "the machine's number, for its firmware and the monitor's 'info uuid'"},
    {"rtc", "base=BASE,clock=vm|host", set_rtc,
     "the clock at power-on: utc (default), localtime or 2006-06-17[T16:01:21]; after loadvm it goes on "
     "where it was, or is the host's"},
    {"localtime", NULL, set_localtime, "the clock at power-on shows local time (-rtc base=localtime)"},
    {"startdate", "DATE", set_startdate, NULL},
    {"display", "sdl|curses|none|vnc=...", set_display,
     "the screen in a window, in the terminal or nowhere (default: the first that is possible)"},
    {"vnc", "[ADDR]:N[,...]", set_vnc,
     "show the screen to VNC viewers, at port 5900+N of 127.0.0.1 unless told (also unix:PATH); password=on, "
     "to=N"},
    {"full-screen", NULL, set_full_screen, "the window takes the whole screen"},
    {"k", "LAYOUT", set_layout,
     "keyboard of the guest for text that is typed: en-us (default), en-gb, de, fr"},
    {"nographic", NULL, set_nographic, "no window; serial port and monitor on the terminal (mon:stdio)"},
    {"sdl", NULL, set_sdl, NULL},
    {"curses", NULL, set_curses, NULL},
    {"echr", "NUMBER", set_echr, "the key that begins ring3's own on a terminal, instead of 1 for Ctrl-A"},
    {"M", "pc[,...]", set_machine,
     "the machine: an i440FX/PIIX3 PC, now pc-" MACHINE_VERSION
     " (also -machine); accel=tcg|interp, acpi=off, hpet=on, vmport=off"},
    {"machine", "pc[,...]", set_machine, NULL},
    {"smp", "1", set_smp, "one processor, which it has"},
    {"nic", "KIND[,model=CARD]...", set_nic,
     "a network card and its cable: user (default, with pcnet), tap, vde, stream, dgram, socket or none "
     "(docs/NETWORK.md); model=help"},
    {"netdev", "KIND,id=ID...", set_netdev,
     "a cable, which -device CARD,netdev=ID[,mac=ADDR] plugs into a card"},
    {"net", "nic|KIND...", set_net, "the same in old words: -net nic,model=CARD -net user"},
    {"audio", "none|sdl|wav:FILE[,model=CARD][,soundfont=FILE]", set_audio,
     "where sound goes: nowhere, the window, or a file of all that is played; a card to play it: sb16, "
     "es1370, ac97; what MIDI is played with"},
    {"audiodev", "KIND,id=ID[,path=FILE]", set_audiodev, NULL},
    {"soundhw", "sb16|es1370|ac97|adlib", set_soundhw, "a sound card, in old words"},
    {"vga", "std|none", set_vga, "the graphics card: VGA with Bochs VBE (default), or none"},
    {"no-reboot", NULL, set_no_reboot, "exit when the guest resets"},
    {"no-shutdown", NULL, set_no_shutdown, "when the guest powers off, stay, paused; the monitor can look"},
    {"action", "EVENT=...", set_action, "reboot=reset|shutdown, shutdown=poweroff|pause: the same"},
    {"no-acpi", NULL, set_no_acpi, "no ACPI tables for the guest"},
    {"no-apic", NULL, set_no_apic,
     "a processor without its local APIC, and no I/O APIC: interrupts by the 8259s only"},
    {"no-hpet", NULL, set_no_hpet, NULL},
    {"no-fd-bootchk", NULL, set_no_fd_bootchk,
     "boot a floppy without the mark 55AAh in its first sector, too"},
    {"nodefaults", NULL, set_no_defaults, "no graphics card and no empty drives, unless they are asked for"},
    {"daemonize", NULL, set_daemonize, "go into the background when the machine has started"},
    {"sandbox", "on|off[,spawn=allow]", set_sandbox,
     "the cage that the machine's process runs in (default on, where the host has seccomp); spawn=allow: "
     "'migrate exec:' "
     "may start programs"},
    {"pidfile", "FILE", set_pidfile,
     "the number of ring3's process goes to FILE, which is removed at the end"},
    {"accel", "translate|interp[,form=auto|window|table][,cache=MIB]", set_accel,
     "how guest code runs (default translate), by which form it reaches memory, how large the code cache is"},
    {"cpu", "MODEL[,+FEATURE][,-FEATURE]", set_cpu,
     "386 to pentium3, max (default); help lists models and features"},
    {"speed", "MHZ|max", set_speed, "instructions in a microsecond, for old programs (default max)"},
    {"d", "WORD,...", set_d, "what to trace; help lists the words"},
    {"dfilter", "RANGE,...", set_dfilter,
     "in_asm, out_asm and exec of these addresses only: START..END, START+LENGTH, START-LENGTH"},
    {"D", "FILE", set_trace_path, "traces go to FILE, not to stderr"},
    {"explain", "PC|hot|all[,file=FILE][,json][,count=off]", set_explain,
     "at the end: how guest code was translated, and which ran most; help says more"},
    {"trace", "FILE.json[,events=N]", set_trace,
     "exits, translations, interrupts, devices by time, the first and last N (default 524288): for Perfetto"},
    {"debugcon", "DEV", set_debugcon, "debug console at port 0xe9"},
    {"global", "isa-debugcon.iobase=PORT", set_global, "the debug console's port (SeaBIOS speaks at 0x402)"},
    {"device", "isa-debug-exit", set_device, "with [,iobase=0x501][,iosize=2]: a port that ends ring3"},
    {"", NULL, NULL, "VGA,romfile=FILE: a video BIOS other than ring3's own (empty: none)"},
    {"", NULL, NULL,
     "post[,iobase=0x80]: each byte written to the port is a line on stderr, or where -D says"},
    {"", NULL, NULL, "pc-testdev: interrupt lines, ports and memory for kvm-unit-tests"},
    {"", NULL, NULL,
     "pcnet, ne2k_isa, ne2k_pci, rtl8139: a network card, with netdev=ID, mac=ADDR, romfile=FILE"},
    {"", NULL, NULL, "sb16[,iobase=0x220][,irq=5][,dma=1][,hdma=5][,mpu=0x330]: a Sound Blaster 16;"},
    {"", NULL, NULL, "mpu401[,iobase=0x330][,irq=9]: a MIDI port alone;"},
    {"", NULL, NULL, "gameport: joysticks and gamepads of the host's, while the window has the keyboard;"},
    {"", NULL, NULL, "ES1370, AC97: PCI sound cards; adlib: an OPL3 alone"},
    {"", NULL, NULL,
     "virtio-balloon-pci[,deflate-on-oom=on][,free-page-reporting=on]: memory that comes back to the host"},
    {"", NULL, NULL,
     "vmmouse: the pointer that needs no grab, which is there anyway (-machine vmport=off: not)"},
    {"", NULL, NULL, "glassbox: the guest may read what its code is translated to, and counters"},
    {"balloon", "virtio|none", set_balloon, "virtio-balloon-pci, in old words"},
    {"tour", NULL, set_tour,
     "a guest of ring3's own that shows its translation, in ten experiments (also without options)"},
    {"h", NULL, show_help, "this text (also -help)"},
    {"help", NULL, show_help, NULL},
    {"host", NULL, show_host, "what the host has, what it costs, and what ring3 uses of it"},
    {"version", NULL, show_version, "the version"},
};

/* What ring3 does besides. */
static const struct {
    const char *name, *takes, *help;
} commands[] = {
    {"vm", "COMMAND ...", "machines in folders: create, list, start, stop, clone ... ('ring3 vm help')"},
    {"img", "COMMAND ...", "image files: create, convert, check ... ('ring3 img help')"},
    {"switch", "PATH ...", "a network between machines, which -nic stream plugs into (docs/NETWORK.md)"},
};

static const char *command_name(unsigned n) { return n < ARRAY_LEN(commands) ? commands[n].name : NULL; }

static OptionsResult show_help(Options *o, const char *value)
{
    (void)o, (void)value;
    printf("usage: ring3 [options] [disk, CD or floppy image]\n"
           "       ring3 [NAME.ring3] [options]    a machine in a folder\n");
    for (unsigned n = 0; n < ARRAY_LEN(commands); n++)
        printf("       ring3 %s %-*s    %s\n", commands[n].name, 17 - (int)strlen(commands[n].name),
               commands[n].takes, commands[n].help);
    printf("Runs a 32-bit PC with its operating system as an ordinary process.\n\n");
    for (unsigned n = 0; n < ARRAY_LEN(options); n++) {
        char left[60];
        if (!options[n].help) continue;
        snprintf(left, sizeof left, "%s%s %s", *options[n].name ? "-" : "", options[n].name,
                 options[n].value ? options[n].value : "");
        printf("  %-30s %s\n", left, options[n].help);
    }
    printf("\nDEV is stdio, pty, file:PATH, unix:PATH[,server=on,wait=off], "
           "tcp:HOST:PORT[,server=on,wait=off], telnet:... or null;\n"
           "for -serial also mon:stdio, which is shared with the monitor: Ctrl-A C switches.\n");
    printf("\nIn the window: Ctrl-Alt-H lists the keys; a click takes the mouse, Ctrl-Alt-G releases it.\n"
           "On a terminal: Ctrl-A X ends ring3, Ctrl-A H lists the keys; all others go to the guest.\n"
           "Exit code: 0 power-off, quit or reset under -no-reboot; 1 bad usage; 128+n signal n; from\n"
           "isa-debug-exit (value << 1) | 1.\n");
    return OPTIONS_DONE;
}

static OptionsResult show_version(Options *o, const char *value)
{
    (void)o, (void)value;
    printf("ring3 " RING3_VERSION "\n");
    return OPTIONS_DONE;
}

static void print_line(void *ctx, const char *text)
{
    (void)ctx;
    puts(text);
}

static OptionsResult show_host(Options *o, const char *value)
{
    Problem p;
    (void)o, (void)value;
    if (!host_start(&p)) return said(false, &p);
    host_report(print_line, NULL, true);
    return OPTIONS_DONE;
}

/* --- the parser ------------------------------------------------------------------------------------------ */

static const Option *option_find(const char *arg)
{
    if (*arg != '-') return NULL;
    arg += arg[1] == '-' ? 2 : 1;
    for (unsigned n = 0; n < ARRAY_LEN(options); n++)
        if (options[n].set && !strcmp(arg, options[n].name)) return &options[n];
    return NULL;
}

/* NULL: the table has no more. */
static const char *option_name(unsigned n) { return n < ARRAY_LEN(options) ? options[n].name : NULL; }

/* The nearest of a list of words, with its distance. */
static const char *nearest(const char *word, const char *(*name)(unsigned n), unsigned *distance)
{
    Suggest s;
    suggest_begin(&s, word);
    for (unsigned n = 0; name(n); n++) suggest_offer(&s, name(n));
    *distance = s.distance;
    return suggest_result(&s);
}

/* -hda=FILE, --help-me: the word in front is one. */
static const Option *option_in_front(const char *arg)
{
    char front[40];
    size_t dashes = strspn(arg, "-"), n = dashes + strcspn(arg + dashes, "=-");
    if (n >= sizeof front || !arg[n]) return NULL;
    snprintf(front, sizeof front, "%.*s", (int)n, arg);
    const Option *found = option_find(front);
    return found && (n > dashes + 1 || arg[n] == '=') ? found : NULL;
}

static OptionsResult refuse_option(const char *arg)
{
    unsigned distance;
    const char *near = nearest(arg + (arg[1] == '-' ? 2 : 1), option_name, &distance);
    const Option *front = option_in_front(arg);
    if (front && front->value && strchr(arg, '='))
        say("%.80s: no such option; did you mean -%s %.80s?", arg, front->name, strchr(arg, '=') + 1);
    else if (near || front)
        say("%.80s: no such option; did you mean -%s?", arg, near ? near : front->name);
    else
        say("%.80s: no such option; -h lists them", arg);
    return OPTIONS_BAD;
}

/* A word alone that is no file: an option without its dash, a command, or what stands behind one. False: it is near to none. */
static bool refuse_lone_word(const char *word)
{
    static const struct {
        const char *before, *(*name)(unsigned n);
    } lists[] = {
        {"ring3 ", command_name}, {"-", option_name}, {"ring3 vm ", vm_verb}, {"ring3 img ", img_verb}};
    const char *best = NULL;
    unsigned distance, least = ~0u, which = 0;
    if (strpbrk(word, "./") || !access(word, F_OK)) return false;
    for (unsigned n = 0; n < ARRAY_LEN(lists); n++) {
        const char *near = nearest(word, lists[n].name, &distance);
        if (!near || distance >= least) continue;
        best = near;
        least = distance;
        which = n;
    }
    if (best) say("%.80s: there is no such file; did you mean %s%s?", word, lists[which].before, best);
    return best;
}

/* "help" as a value lists what there is; where a value may be any text, it is that text. */
static bool asks_for_help(const Option *opt, const char *value)
{
    static const char *const free_text[] = {"FILE", "TEXT", "NAME", "DIR"};
    for (unsigned n = 0; n < ARRAY_LEN(free_text); n++)
        if (!strcmp(opt->value, free_text[n])) return false;
    return !strcmp(value, "help") || !strcmp(value, "?");
}

static OptionsResult show_option(const Option *opt)
{
    const Option *of = opt;
    while (of > options && !of->help) of--; /* a second name stands behind the first */
    printf("-%s %s: %s\n", opt->name, opt->value, of->help);
    return OPTIONS_DONE;
}

/* `next`: what stands in its place; NULL: nothing. */
static OptionsResult missing_value(const char *name, const char *value, const char *next)
{
    say("-%s: the value is missing%s%s%s%s%.80s%s", name, value ? " (" : "", value ? value : "",
        value ? ")" : "", next ? "; " : "", next ? next : "", next ? " is an option of its own" : "");
    return OPTIONS_BAD;
}

static bool is_option(const char *arg)
{
    return option_find(arg) || (*arg == '-' && qemu_word_find(arg + (arg[1] == '-' ? 2 : 1)));
}

/* Only a text, which is the guest's or another program's, may look like one. */
static bool lacks_value(const Option *opt, const char *next)
{
    return opt->value && next && strcmp(opt->value, "TEXT") && is_option(next);
}

static OptionsResult take_option(Options *o, const Option *opt, const char *value)
{
    if (!opt->value) return opt->set(o, NULL);
    if (!value) return missing_value(opt->name, opt->value, NULL);
    bool lists = opt->set == set_cpu || opt->set == set_d || opt->set == set_explain;
    return asks_for_help(opt, value) && !lists ? show_option(opt) : opt->set(o, value);
}

/* One argument, or two; *n is moved to the last of them. */
static OptionsResult take_argument(Options *o, int argc, char **argv, int *n)
{
    const char *arg = argv[*n], *value = *n + 1 < argc ? argv[*n + 1] : NULL;
    const Option *opt = option_find(arg);
    if (*arg != '-') return refuse_lone_word(arg) ? OPTIONS_BAD : boot_guess(o, arg);
    if (opt && lacks_value(opt, value)) return missing_value(opt->name, opt->value, value);
    if (opt) {
        *n += opt->value && value;
        return take_option(o, opt, value);
    }
    const QemuWord *q = qemu_word_find(arg + (arg[1] == '-' ? 2 : 1));
    if (!q) return refuse_option(arg);
    bool takes = qemu_word_takes_value(q);
    if (takes && (!value || is_option(value))) return missing_value(q->name, NULL, value);
    *n += takes;
    return qemu_word_judge(q, takes ? value : NULL);
}

/* The file that the first arguments are from. */
static struct {
    const char *file;
    const u16 *line;
    int count;
} from;

void options_come_from(const char *file, const u16 *line, int count)
{
    from.file = file;
    from.line = line;
    from.count = count;
}

static void name_place(int n)
{
    static char place[300];
    bool is_from_file = n < from.count && from.line[n];
    if (is_from_file) snprintf(place, sizeof place, "%.250s:%u", from.file, from.line[n]);
    say_about(is_from_file ? place : NULL);
}

static OptionsResult parse_all(Options *o, int argc, char **argv)
{
    OptionsResult r = OPTIONS_RUN;
    for (int n = 1; n < argc && r == OPTIONS_RUN; n++) {
        name_place(n);
        r = take_argument(o, argc, argv, &n);
    }
    say_about(from.count == argc ? from.file : NULL); /* how they go together */
    return r;
}

static int readers_of_stdin(const Options *o)
{
    int n = 0;
    for (int i = 0; i < SERIAL_PORTS; i++) n += o->serial[i].kind == CHAR_STDIO;
    for (int i = 0; i < MONITORS; i++)
        n += (o->monitor[i].kind == CHAR_STDIO) + (o->qmp[i].kind == CHAR_STDIO);
    return n;
}

bool options_use_stdio(const Options *o)
{
    return readers_of_stdin(o) || o->debugcon.kind == CHAR_STDIO || o->parallel.kind == CHAR_STDIO;
}

static bool needs_terminal(const Options *o)
{
    return options_use_stdio(o) || o->nographic || o->display.kind == DISPLAY_CURSES;
}

static const char *contradiction(const Options *o)
{
    if (o->tour && (o->kernel || o->bios)) return "-tour: a guest of its own: not with -kernel and -bios";
    if (o->tour && o->no_vga) return "-tour: shows itself on the screen: leave the graphics card in";
    if (o->tour && o->ram_bytes >> 20 < TOUR_MIB)
        return "-tour: needs 16 MiB of memory: leave -m out, or -m 16";
    if (!o->kernel && o->initrd) return "-initrd: only with -kernel";
    if (!o->kernel && o->append) return "-append: only with -kernel";
    if (o->kernel && o->bios) return "-bios: not with -kernel, which comes with what firmware it needs";
    if (o->vmmouse_given && o->no_vmport)
        return "-device vmmouse: lies behind the port that -machine vmport=off takes away";
    if (*o->vnc.where && o->no_vga) return "-vnc: there is no graphics card (-vga none), so nothing to show";
    if (o->daemonize && needs_terminal(o))
        return "-daemonize: a process in the background has no terminal: leave -nographic, curses and stdio "
               "out";
    if (readers_of_stdin(o) > 1)
        return "stdio: given more than once to -serial, -monitor and -qmp, and there is only one standard input";
    return NULL;
}

/* As in QEMU: with -nographic serial port and monitor share the terminal, or one has it if the other is elsewhere. Beside
 * -serial mon:stdio there is nothing to add, nor beside -serial stdio. */
static void default_terminal(Options *o)
{
    CharSpec stdio = {.kind = CHAR_STDIO, .reads = true, .mux = !o->serial_count && !o->monitor_count};
    if (!o->serial_count)
        o->serial[o->serial_count++] = stdio;
    else if (!o->monitor_count && !readers_of_stdin(o))
        o->monitor[o->monitor_count++] = stdio;
}

/* Who says nothing may not know what to say. */
static OptionsResult begin_tour(Options *o)
{
    say("this is the tour, as with -tour; ring3 -h lists the options, ring3 FILE starts a disk, CD or floppy "
        "image");
    return set_tour(o, NULL);
}

static OptionsResult parse(Options *o, int argc, char **argv)
{
    *o = (Options){.ram_bytes = (u32)RAM_DEFAULT_MIB << 20,
                   .cpu = *cpu_model_find("default"),
                   .debugcon_port = 0xe9,
                   .debug_exit_iobase = 0x501,
                   .debug_exit_iosize = 2,
                   .postcode_port = 0x80};
    drive_options_init(&o->drives);
    net_options_init(&o->net);
    OptionsResult r = argc > 1 ? parse_all(o, argc, argv) : begin_tour(o);
    if (r != OPTIONS_RUN) return r;
    if (o->nographic) default_terminal(o);
    if (o->no_defaults && !o->has_vga) o->no_vga = true;
    if (o->vga_device) o->no_vga = false; /* -vga is about the card that a PC has by itself */
    o->drives.no_empty = o->no_defaults;
    if (*o->vnc.where && !o->display_given) o->display.kind = DISPLAY_NONE;
    const char *wrong = contradiction(o);
    Problem p;
    if (!wrong && !net_options_finish(&o->net, o->no_defaults, &p)) wrong = p.text;
    if (!wrong) return OPTIONS_RUN;
    say("%s", wrong);
    return OPTIONS_BAD;
}

OptionsResult options_parse(Options *o, int argc, char **argv)
{
    OptionsResult r = parse(o, argc, argv);
    say_about(NULL);
    return r;
}
