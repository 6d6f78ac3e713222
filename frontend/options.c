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
#include "frontend/options.h"

#include <stdio.h>
#include <stdlib.h>

#include "frontend/boot_guess.h"
#include "frontend/host_report.h"
#include "frontend/option_display.h"
#include "frontend/option_machine.h"
#include "frontend/option_words.h"
#include "frontend/qemu_words.h"
#include "frontend/say.h"

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

static OptionsResult set_serial(Options *o, const char *value)
{
    if (o->serial_count == SERIAL_PORTS) {
        say("-serial %.80s: there are only %d serial ports", value, SERIAL_PORTS);
        return OPTIONS_BAD;
    }
    return parse_char(&o->serial[o->serial_count++], "-serial", value, USE_SERIAL);
}

static OptionsResult set_monitor(Options *o, const char *value)
{
    if (o->monitor_count == MONITORS) {
        say("-monitor %.80s: only %d monitors are possible", value, MONITORS);
        return OPTIONS_BAD;
    }
    return parse_char(&o->monitor[o->monitor_count++], "-monitor", value, USE_MONITOR);
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

static OptionsResult set_stopped(Options *o, const char *value)
{
    (void)value;
    return o->start_stopped = true, OPTIONS_RUN;
}

static OptionsResult set_nic(Options *o, const char *value)
{
    (void)o;
    if (!strcmp(value, "none")) return OPTIONS_RUN; /* and that is all there is */
    return absent_refuse("-nic", value, NO_NETWORK_CARD);
}

/* --- processor, traces, devices -------------------------------------------------------------------------- */

static OptionsResult set_cpu(Options *o, const char *value)
{
    Words w;
    if (!strcmp(value, "help")) {
        for (const CpuModel *m = cpu_models; m->name; m++) printf("  %-10s %s\n", m->name, m->about);
        return OPTIONS_DONE;
    }
    if ((o->cpu = cpu_model_find(value))) return OPTIONS_RUN;
    const char *why = absent_why(qemu_cpus, value);
    if (why) return absent_refuse("-cpu", value, why);
    words_begin(&w, value);
    for (const CpuModel *m = cpu_models; m->name; m++) words_offer(&w, m->name);
    return words_refuse(&w, "-cpu", value);
}

static const struct {
    const char *word, *help;
} trace_words[] = {
#define T(id, word, help) {word, help},
    TRACE_LIST(T)
#undef T
};

static OptionsResult trace_help(void)
{
    for (unsigned n = 0; n < ARRAY_LEN(trace_words); n++)
        printf("  %-14s %s\n", trace_words[n].word, trace_words[n].help);
    return OPTIONS_DONE;
}

static OptionsResult set_trace_word(Options *o, const char *word)
{
    static const char why[] = "there is no such trace: leave it out; -d help lists what there is";
    static const Absent others[] = {{"cpu", why},    {"op*", why}, {"fpu", why},     {"page", why},
                                    {"pcall", why},  {"tid", why}, {"nochain", why}, {"plugin", why},
                                    {"strace", why}, {"vpu", why}, {"trace:*", why}, {NULL, NULL}};
    Words w;
    if (absent_why(others, word)) return absent_refuse("-d", word, why);
    words_begin(&w, word);
    for (unsigned n = 0; n < ARRAY_LEN(trace_words); n++) {
        if (!strcmp(word, trace_words[n].word)) {
            o->trace_mask |= 1u << n;
            return OPTIONS_RUN;
        }
        words_offer(&w, trace_words[n].word);
    }
    return words_refuse(&w, "-d", word);
}

static OptionsResult set_d(Options *o, const char *value)
{
    if (!strcmp(value, "help")) return trace_help();
    do {
        char word[40];
        size_t n = strcspn(value, ",");
        snprintf(word, sizeof word, "%.*s", (int)(n < sizeof word ? n : sizeof word - 1), value);
        OptionsResult r = set_trace_word(o, word);
        if (r != OPTIONS_RUN) return r;
        value += n;
    } while (*value++ == ',');
    return OPTIONS_RUN;
}

/* The part of a -device value behind its name: ,iobase=N,iosize=N. */
static bool parse_debug_exit(Options *o, const char *s)
{
    while (*s) {
        u32 n;
        bool base = !strncmp(s, ",iobase=", 8);
        if (!base && strncmp(s, ",iosize=", 8)) return false;
        s += 8;
        if (!parse_number(&s, &n) || n > 0xffff) return false;
        if (!base && n != 1 && n != 2 && n != 4) return false;
        if (base)
            o->debug_exit_iobase = (u16)n;
        else
            o->debug_exit_iosize = (u8)n;
    }
    return o->debug_exit_iobase + o->debug_exit_iosize <= 0x10000;
}

/* Of a device of QEMU's, with or without driver= before it and properties behind. */
static const char *device_why(const char *value)
{
    Pair p;
    return pair_next(&value, "driver", &p) ? absent_why(qemu_devices, p.value) : NULL;
}

static OptionsResult set_device(Options *o, const char *value)
{
    static const char name[] = "isa-debug-exit", vga[] = "VGA,romfile=";
    Words w;
    size_t n = sizeof name - 1;
    if (!strncmp(value, vga, sizeof vga - 1)) return o->vga_rom = value + sizeof vga - 1, OPTIONS_RUN;
    if (!strcmp(value, "VGA")) return set_vga(o, "std");
    if (!strncmp(value, name, n) && (!value[n] || value[n] == ',')) {
        o->debug_exit = true;
        if (parse_debug_exit(o, value + n)) return OPTIONS_RUN;
        say("-device %.80s: takes iobase=0..0xffff and iosize=1, 2 or 4", value);
        return OPTIONS_BAD;
    }
    const char *why = device_why(value);
    if (why) return absent_refuse("-device", value, why);
    words_begin(&w, value);
    words_offer(&w, name);
    words_offer(&w, "VGA");
    words_offer(&w, "VGA,romfile=FILE");
    return words_refuse(&w, "-device", value);
}

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
static OptionsResult set_trace_path(Options *o, const char *value)
{
    return set_string(&o->trace_path, "-D", value);
}
static OptionsResult set_pidfile(Options *o, const char *value)
{
    return set_string(&o->pidfile, "-pidfile", value);
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
SWITCH(no_fd_bootchk)
SWITCH(no_defaults)
SWITCH(daemonize)
static OptionsResult set_nographic(Options *o, const char *value)
{
    (void)value;
    o->display.kind = DISPLAY_NONE;
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
    {"hda", "FILE", set_hda, "disk image or block device: primary master (-hdb slave, -hdc, -hdd secondary)"},
    {"hdb", "FILE", set_hdb, NULL},
    {"hdc", "FILE", set_hdc, NULL},
    {"hdd", "FILE", set_hdd, NULL},
    {"cdrom", "FILE", set_cdrom, "CD image: in the CD drive, the secondary master"},
    {"fda", "FILE", set_fda, "floppy image: in drive A (-fdb: in drive B)"},
    {"fdb", "FILE", set_fdb, NULL},
    {"drive", "file=FILE,...", set_drive,
     "if=ide|floppy, index=N, media=disk|cdrom, format=raw, snapshot=on, readonly=on, werror=, rerror="},
    {"snapshot", NULL, set_snapshot, "writes go to temporary files: images stay as they are"},
    {"boot", "[order=]cad", set_boot, "a floppy, c disk, d CD; also ,once=d and ,menu=on"},
    {"serial", "DEV", set_serial, "where a serial port leads; the first is COM1, the second COM2"},
    {"parallel", "DEV", set_parallel, "where the parallel port leads"},
    {"monitor", "DEV", set_monitor, "where the monitor is; its word 'help' lists what it does"},
    {"S", NULL, set_stopped, "do not start; the monitor's word 'cont' does"},
    {"name", "NAME", set_name, "the machine's name; also guest=NAME,process=NAME"},
    {"uuid", "UUID", set_uuid, "the machine's number, for its firmware and the monitor's 'info uuid'"},
    {"rtc", "base=BASE", set_rtc, "the clock at power-on: utc (default), localtime or 2006-06-17[T16:01:21]"},
    {"localtime", NULL, set_localtime, "the clock at power-on shows local time (-rtc base=localtime)"},
    {"startdate", "DATE", set_startdate, NULL},
    {"display", "sdl|curses|none", set_display,
     "the screen in a window, in the terminal or nowhere (default: the first that is possible)"},
    {"full-screen", NULL, set_full_screen, "the window takes the whole screen"},
    {"k", "LAYOUT", set_layout,
     "keyboard of the guest for text that is typed: en-us (default), en-gb, de, fr"},
    {"nographic", NULL, set_nographic, "no window; serial port and monitor on the terminal (mon:stdio)"},
    {"sdl", NULL, set_sdl, NULL},
    {"curses", NULL, set_curses, NULL},
    {"echr", "NUMBER", set_echr, "the key that begins ring3's own on a terminal, instead of 1 for Ctrl-A"},
    {"M", "pc[,...]", set_machine,
     "the machine: an i440FX/PIIX3 PC, the only one (also -machine); accel=tcg|interp, acpi=off"},
    {"machine", "pc[,...]", set_machine, NULL},
    {"smp", "1", set_smp, "one processor, which it has"},
    {"nic", "none", set_nic, "no network card, which there is not yet (also -net none)"},
    {"net", "none", set_nic, NULL},
    {"vga", "std|none", set_vga, "the graphics card: VGA with Bochs VBE (default), or none"},
    {"no-reboot", NULL, set_no_reboot, "exit when the guest resets"},
    {"no-shutdown", NULL, set_no_shutdown, "when the guest powers off, stay, paused; the monitor can look"},
    {"action", "EVENT=...", set_action, "reboot=reset|shutdown, shutdown=poweroff|pause: the same"},
    {"no-acpi", NULL, set_no_acpi, "no ACPI tables for the guest"},
    {"no-fd-bootchk", NULL, set_no_fd_bootchk,
     "boot a floppy without the mark 55AAh in its first sector, too"},
    {"nodefaults", NULL, set_no_defaults, "no graphics card and no empty drives, unless they are asked for"},
    {"daemonize", NULL, set_daemonize, "go into the background when the machine has started"},
    {"pidfile", "FILE", set_pidfile,
     "the number of ring3's process goes to FILE, which is removed at the end"},
    {"accel", "translate|interp[,form=auto|window|table][,cache=MIB]", set_accel,
     "how guest code runs (default translate), by which form it reaches memory, how large the code cache is"},
    {"cpu", "MODEL", set_cpu, "386, 486, pentium, ppro, pentium2, pentium3, max (default); help lists them"},
    {"speed", "MHZ|max", set_speed, "instructions in a microsecond, for old programs (default max)"},
    {"d", "WORD,...", set_d, "what to trace; help lists the words"},
    {"D", "FILE", set_trace_path, "traces go to FILE, not to stderr"},
    {"debugcon", "DEV", set_debugcon, "debug console at port 0xe9"},
    {"global", "isa-debugcon.iobase=PORT", set_global, "the debug console's port (SeaBIOS speaks at 0x402)"},
    {"device", "isa-debug-exit", set_device, "with [,iobase=0x501][,iosize=2]: a port that ends ring3"},
    {"", NULL, NULL, "VGA,romfile=FILE: a video BIOS other than ring3's own (empty: none)"},
    {"h", NULL, show_help, "this text (also -help)"},
    {"help", NULL, show_help, NULL},
    {"host", NULL, show_host, "what the host has, what it costs, and what ring3 uses of it"},
    {"version", NULL, show_version, "the version"},
};

static OptionsResult show_help(Options *o, const char *value)
{
    (void)o, (void)value;
    printf("usage: ring3 [options] [disk, CD or floppy image]\n"
           "Runs a 32-bit PC with its operating system as an ordinary process.\n\n");
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
    printf("\nIn the window: Ctrl+Alt+H lists the keys; a click takes the mouse, Ctrl+Alt+G releases it.\n"
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

static OptionsResult refuse_option(const char *arg)
{
    Suggest s;
    suggest_begin(&s, arg + (arg[1] == '-' ? 2 : 1));
    for (unsigned n = 0; n < ARRAY_LEN(options); n++) suggest_offer(&s, options[n].name);
    const char *near = suggest_result(&s);
    if (near)
        say("%.80s: no such option; did you mean -%s?", arg, near);
    else
        say("%.80s: no such option; -h lists them", arg);
    return OPTIONS_BAD;
}

/* "help" as a value lists what there is; where a value may be any text, it is that text. */
static bool asks_for_help(const Option *opt, const char *value)
{
    static const char *const free_text[] = {"FILE", "TEXT", "NAME"};
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

static OptionsResult missing_value(const char *name, const char *value)
{
    say("-%s: the value is missing%s%s%s", name, value ? " (" : "", value ? value : "", value ? ")" : "");
    return OPTIONS_BAD;
}

static OptionsResult take_option(Options *o, const Option *opt, const char *value)
{
    if (!opt->value) return opt->set(o, NULL);
    if (!value) return missing_value(opt->name, opt->value);
    bool lists = opt->set == set_cpu || opt->set == set_d;
    return asks_for_help(opt, value) && !lists ? show_option(opt) : opt->set(o, value);
}

/* One argument, or two; *n is moved to the last of them. */
static OptionsResult take_argument(Options *o, int argc, char **argv, int *n)
{
    const char *arg = argv[*n], *value = *n + 1 < argc ? argv[*n + 1] : NULL;
    const Option *opt = option_find(arg);
    if (*arg != '-') return boot_guess(o, arg);
    if (opt) {
        *n += opt->value && value;
        return take_option(o, opt, value);
    }
    const QemuWord *q = qemu_word_find(arg + (arg[1] == '-' ? 2 : 1));
    if (!q) return refuse_option(arg);
    bool takes = qemu_word_takes_value(q);
    if (takes && !value) return missing_value(q->name, NULL);
    *n += takes;
    return qemu_word_judge(q, takes ? value : NULL);
}

static OptionsResult parse_all(Options *o, int argc, char **argv)
{
    OptionsResult r = OPTIONS_RUN;
    for (int n = 1; n < argc && r == OPTIONS_RUN; n++) r = take_argument(o, argc, argv, &n);
    return r;
}

static int readers_of_stdin(const Options *o)
{
    int n = 0;
    for (int i = 0; i < SERIAL_PORTS; i++) n += o->serial[i].kind == CHAR_STDIO;
    for (int i = 0; i < MONITORS; i++) n += o->monitor[i].kind == CHAR_STDIO;
    return n;
}

static bool uses_stdio(const Options *o)
{
    return readers_of_stdin(o) || o->debugcon.kind == CHAR_STDIO || o->parallel.kind == CHAR_STDIO ||
           o->nographic || o->display.kind == DISPLAY_CURSES;
}

static const char *contradiction(const Options *o)
{
    if (!o->kernel && o->initrd) return "-initrd: only with -kernel";
    if (!o->kernel && o->append) return "-append: only with -kernel";
    if (o->kernel && o->bios) return "-bios: not with -kernel, which comes with what firmware it needs";
    if (o->daemonize && uses_stdio(o))
        return "-daemonize: a process in the background has no terminal: leave -nographic, curses and stdio "
               "out";
    if (readers_of_stdin(o) > 1)
        return "stdio: given more than once to -serial and -monitor, and there is only one standard input";
    return NULL;
}

/* As in QEMU: with -nographic serial port and monitor share the terminal, or one has it if the other is elsewhere. */
static void default_terminal(Options *o)
{
    CharSpec stdio = {.kind = CHAR_STDIO, .reads = true, .mux = !o->serial_count && !o->monitor_count};
    if (!o->serial_count)
        o->serial[o->serial_count++] = stdio;
    else if (!o->monitor_count)
        o->monitor[o->monitor_count++] = stdio;
}

OptionsResult options_parse(Options *o, int argc, char **argv)
{
    *o = (Options){.ram_bytes = (u32)RAM_DEFAULT_MIB << 20,
                   .cpu = cpu_model_find("max"),
                   .debugcon_port = 0xe9,
                   .debug_exit_iobase = 0x501,
                   .debug_exit_iosize = 2};
    drive_options_init(&o->drives);
    OptionsResult r = parse_all(o, argc, argv);
    if (r != OPTIONS_RUN) return r;
    if (o->nographic) default_terminal(o);
    if (o->no_defaults && !o->has_vga) o->no_vga = true;
    o->drives.no_empty = o->no_defaults;
    const char *wrong = contradiction(o);
    if (!wrong) return OPTIONS_RUN;
    say("%s", wrong);
    return OPTIONS_BAD;
}
