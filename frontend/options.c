/* options.c - one table of options; parser, help and suggestions read it.
 *
 * The words and their meaning are QEMU's: one dash (two are taken as well), the value in the next argument. What is
 * wrong is said in at most two lines that name option and value, with the nearest word that would be right.
 *
 * Differences from QEMU: without -serial the ports are connected to nothing, without -monitor there is none;
 * -debugcon stdio and -parallel stdio may share standard output with -serial stdio, since they never read.
 */
#define _GNU_SOURCE
#include "frontend/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "frontend/host_report.h"
#include "frontend/say.h"
#include "frontend/suggest.h"
#include "frontend/typing.h"

typedef struct Option {
    const char *name, *value; /* value: what help calls it; NULL: takes none */
    OptionsResult (*set)(Options *o, const char *value);
    const char *help;
} Option;

/* --- values ---------------------------------------------------------------------------------------------- */

/* The words that a value may be, as they are offered: for "one of" and for the nearest. */
typedef struct Words {
    char list[200];
    Suggest near;
} Words;

static void words_begin(Words *w, const char *value)
{
    w->list[0] = 0;
    suggest_begin(&w->near, value);
}

static void words_offer(Words *w, const char *word)
{
    size_t n = strlen(w->list);
    snprintf(w->list + n, sizeof w->list - n, "%s%s", n ? ", " : "", word);
    suggest_offer(&w->near, word);
}

static OptionsResult words_refuse(const Words *w, const char *option, const char *value)
{
    const char *near = suggest_result(&w->near);
    if (near)
        say("%s %.80s: did you mean '%s'?", option, value, near);
    else
        say("%s %.80s: no such value", option, value);
    say("%s takes one of: %s", option, w->list);
    return OPTIONS_BAD;
}

/* Decimal or 0x number at *s, moving *s behind it; false: none, or over 2^32 - 1. */
static bool parse_number(const char **s, u32 *n)
{
    char *end;
    if (**s < '0' || **s > '9') return false;
    unsigned long long v = strtoull(*s, &end, strncmp(*s, "0x", 2) ? 10 : 16);
    if (end == *s || v > UINT32_MAX) return false;
    *n = (u32)v;
    *s = end;
    return true;
}

static OptionsResult set_m(Options *o, const char *value)
{
    const char *s = value;
    u32 n = 0;
    bool ok = parse_number(&s, &n);
    u32 unit = *s == 'G' || *s == 'g' ? 1024 : 1;
    if (*s == 'M' || *s == 'm' || *s == 'G' || *s == 'g') s++;
    if (!ok || *s) {
        say("-m %.80s: not a memory size; give MiB, or a number with M or G", value);
        return OPTIONS_BAD;
    }
    u64 mib = (u64)n * unit;
    if (mib < RAM_MIN_MIB || mib > RAM_MAX_MIB) {
        say("-m %.80s: out of range; %u to %u MiB are possible", value, RAM_MIN_MIB, RAM_MAX_MIB);
        return OPTIONS_BAD;
    }
    o->ram_bytes = (u32)mib << 20;
    return OPTIONS_RUN;
}

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

/* 2006-06-17 or 2006-06-17T16:01:21, to seconds since 1970. */
static bool parse_date(const char *s, s64 *unix_s)
{
    struct tm t = {0}, back;
    int end = 0;
    if (sscanf(s, "%4d-%2d-%2d%n", &t.tm_year, &t.tm_mon, &t.tm_mday, &end) < 3) return false;
    if (s[end] == 'T') {
        s += end + 1;
        end = 0;
        if (sscanf(s, "%2d:%2d:%2d%n", &t.tm_hour, &t.tm_min, &t.tm_sec, &end) < 3) return false;
    }
    t.tm_year -= 1900;
    t.tm_mon -= 1;
    back = t;
    time_t when = timegm(&back); /* which puts the 30th of February right */
    *unix_s = when;
    return !end == !*s && !s[end] && back.tm_mday == t.tm_mday && back.tm_mon == t.tm_mon &&
           back.tm_hour == t.tm_hour && back.tm_min == t.tm_min && back.tm_sec == t.tm_sec;
}

static OptionsResult set_rtc(Options *o, const char *value)
{
    time_t now = time(NULL);
    struct tm t;
    const char *base = strncmp(value, "base=", 5) ? "" : value + 5;
    o->rtc_given = true;
    if (!strcmp(base, "utc"))
        o->rtc_base_unix_s = now;
    else if (!strcmp(base, "localtime") && localtime_r(&now, &t))
        o->rtc_base_unix_s = timegm(&t);
    else if (!parse_date(base, &o->rtc_base_unix_s)) {
        say("-rtc %.80s: takes base=utc, base=localtime or a date as in base=2006-06-17T16:01:21", value);
        return OPTIONS_BAD;
    }
    return OPTIONS_RUN;
}

static OptionsResult set_name(Options *o, const char *value)
{
    return o->name = strncmp(value, "guest=", 6) ? value : value + 6, OPTIONS_RUN;
}

static OptionsResult set_stopped(Options *o, const char *value)
{
    (void)value;
    return o->start_stopped = true, OPTIONS_RUN;
}

static OptionsResult set_display(Options *o, const char *value)
{
    static const char *const names[] = {
        [DISPLAY_NONE] = "none", [DISPLAY_SDL] = "sdl", [DISPLAY_CURSES] = "curses"};
    Words w;
    words_begin(&w, value);
    for (unsigned n = DISPLAY_NONE; n < ARRAY_LEN(names); n++) {
        if (!strcmp(value, names[n])) {
            o->display.kind = (DisplayKind)n;
            return OPTIONS_RUN;
        }
        words_offer(&w, names[n]);
    }
    return words_refuse(&w, "-display", value);
}

static OptionsResult set_layout(Options *o, const char *value)
{
    Words w;
    o->display.layout = value;
    if (layout_find(value)) return OPTIONS_RUN;
    words_begin(&w, value);
    for (unsigned n = 0; layout_name(n); n++) words_offer(&w, layout_name(n));
    return words_refuse(&w, "-k", value);
}

/* What there is only one of: said as in QEMU, it changes nothing. */
static OptionsResult only(const char *option, const char *value, const char *possible)
{
    Words w;
    if (!strcmp(value, possible)) return OPTIONS_RUN;
    words_begin(&w, value);
    words_offer(&w, possible);
    return words_refuse(&w, option, value);
}

static OptionsResult set_machine(Options *o, const char *value)
{
    (void)o;
    return only("-M", value, "pc");
}

static OptionsResult set_nic(Options *o, const char *value)
{
    (void)o;
    return only("-nic", value, "none");
}

static OptionsResult set_vga(Options *o, const char *value)
{
    Words w;
    o->no_vga = !strcmp(value, "none");
    if (o->no_vga || !strcmp(value, "std")) return OPTIONS_RUN;
    words_begin(&w, value);
    words_offer(&w, "std");
    words_offer(&w, "none");
    return words_refuse(&w, "-vga", value);
}

/* form=FORM of -accel translate. */
static OptionsResult set_form(Options *o, const char *value)
{
    static const char *const names[] = {
        [FORM_AUTO] = "auto", [FORM_WINDOW] = "window", [FORM_TABLE] = "table"};
    Words w;
    words_begin(&w, value);
    for (unsigned n = 0; n < ARRAY_LEN(names); n++) {
        if (!strcmp(value, names[n])) {
            o->xlat.form = (FormPolicy)n;
            return OPTIONS_RUN;
        }
        words_offer(&w, names[n]);
    }
    return words_refuse(&w, "-accel translate,form=", value);
}

/* cache=MIB, or QEMU's word for it. */
static OptionsResult set_cache(Options *o, const char *value)
{
    const char *s = value;
    u32 mib;
    if (parse_number(&s, &mib) && !*s && mib >= XLAT_CACHE_MIN_MIB && mib <= XLAT_CACHE_MAX_MIB) {
        o->xlat.cache_mib = mib;
        return OPTIONS_RUN;
    }
    say("-accel translate,cache=%.80s: not a size; give %u to %u MiB", value, XLAT_CACHE_MIN_MIB,
        XLAT_CACHE_MAX_MIB);
    return OPTIONS_BAD;
}

static OptionsResult set_accel_word(Options *o, const char *word)
{
    static const char *const names[] = {[ACCEL_TRANSLATE] = "translate", [ACCEL_INTERP] = "interp"};
    Words w;
    if (!strncmp(word, "form=", 5)) return set_form(o, word + 5);
    if (!strncmp(word, "cache=", 6)) return set_cache(o, word + 6);
    if (!strncmp(word, "tb-size=", 8)) return set_cache(o, word + 8);
    words_begin(&w, word);
    for (unsigned n = 0; n < ARRAY_LEN(names); n++) {
        if (!strcmp(word, names[n])) {
            o->accel = (Accel)n;
            return OPTIONS_RUN;
        }
        words_offer(&w, names[n]);
    }
    words_offer(&w, "form=");
    words_offer(&w, "cache=");
    return words_refuse(&w, "-accel", word);
}

static OptionsResult set_accel(Options *o, const char *value)
{
    char word[80];
    OptionsResult r = OPTIONS_RUN;
    for (const char *at = value; r == OPTIONS_RUN; at++) {
        size_t n = strcspn(at, ",");
        if (!n) {
            say("-accel \"%.80s\": a word is missing; give translate or interp, then form= or cache=", value);
            return OPTIONS_BAD;
        }
        snprintf(word, sizeof word, "%.*s", n < sizeof word ? (int)n : (int)sizeof word - 1, at);
        r = set_accel_word(o, word);
        at += n;
        if (!*at) break;
    }
    return r;
}

static OptionsResult set_cpu(Options *o, const char *value)
{
    Words w;
    if (!strcmp(value, "help")) {
        for (const CpuModel *m = cpu_models; m->name; m++) printf("  %-10s %s\n", m->name, m->about);
        return OPTIONS_DONE;
    }
    if ((o->cpu = cpu_model_find(value))) return OPTIONS_RUN;
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
    Words w;
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

static OptionsResult set_device(Options *o, const char *value)
{
    static const char name[] = "isa-debug-exit", vga[] = "VGA,romfile=";
    Words w;
    size_t n = sizeof name - 1;
    if (!strncmp(value, vga, sizeof vga - 1)) return o->vga_rom = value + sizeof vga - 1, OPTIONS_RUN;
    if (!strncmp(value, name, n) && (!value[n] || value[n] == ',')) {
        o->debug_exit = true;
        if (parse_debug_exit(o, value + n)) return OPTIONS_RUN;
        say("-device %.80s: takes iobase=0..0xffff and iosize=1, 2 or 4", value);
        return OPTIONS_BAD;
    }
    words_begin(&w, value);
    words_offer(&w, name);
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
static OptionsResult set_append(Options *o, const char *value) { return o->append = value, OPTIONS_RUN; }
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
static OptionsResult set_no_reboot(Options *o, const char *value)
{
    (void)value;
    return o->no_reboot = true, OPTIONS_RUN;
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
    {"name", "NAME", set_name, "the machine's name"},
    {"rtc", "base=BASE", set_rtc, "the clock at power-on: utc (default), localtime or 2006-06-17[T16:01:21]"},
    {"display", "sdl|curses|none", set_display,
     "the screen in a window, in the terminal or nowhere (default: the first that is possible)"},
    {"full-screen", NULL, set_full_screen, "the window takes the whole screen"},
    {"k", "LAYOUT", set_layout,
     "keyboard of the guest for text that is typed: en-us (default), en-gb, de, fr"},
    {"nographic", NULL, set_nographic, "no window; serial port and monitor on the terminal (mon:stdio)"},
    {"M", "pc", set_machine, "the machine: an i440FX/PIIX3 PC, the only one (also -machine)"},
    {"machine", "pc", set_machine, NULL},
    {"nic", "none", set_nic, "no network card, which there is not yet (also -net none)"},
    {"net", "none", set_nic, NULL},
    {"vga", "std|none", set_vga, "the graphics card: VGA with Bochs VBE (default), or none"},
    {"no-reboot", NULL, set_no_reboot, "exit when the guest resets"},
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
    printf("usage: ring3 [options]\n"
           "Runs a 32-bit PC with its operating system as an ordinary process.\n\n");
    for (unsigned n = 0; n < ARRAY_LEN(options); n++) {
        char left[60];
        if (!options[n].help) continue;
        snprintf(left, sizeof left, "%s%s %s", *options[n].name ? "-" : "", options[n].name,
                 options[n].value ? options[n].value : "");
        printf("  %-30s %s\n", left, options[n].help);
    }
    printf("\nDEV is stdio, pty, file:PATH, unix:PATH[,server=on,wait=off], "
           "tcp:HOST:PORT[,server=on,wait=off] or null;\n"
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

static OptionsResult refuse_argument(const char *arg)
{
    Suggest s;
    if (*arg != '-') {
        say("'%.80s': not an option (a kernel is given with -kernel); -h lists the options", arg);
        return OPTIONS_BAD;
    }
    suggest_begin(&s, arg + (arg[1] == '-' ? 2 : 1));
    for (unsigned n = 0; n < ARRAY_LEN(options); n++) suggest_offer(&s, options[n].name);
    const char *near = suggest_result(&s);
    if (near)
        say("%.80s: no such option; did you mean -%s?", arg, near);
    else
        say("%.80s: no such option; -h lists them", arg);
    return OPTIONS_BAD;
}

static OptionsResult parse_all(Options *o, int argc, char **argv)
{
    for (int n = 1; n < argc; n++) {
        const Option *opt = option_find(argv[n]);
        if (!opt) return refuse_argument(argv[n]);
        if (opt->value && n + 1 == argc) {
            say("-%s: the value is missing (%s)", opt->name, opt->value);
            return OPTIONS_BAD;
        }
        OptionsResult r = opt->set(o, opt->value ? argv[++n] : NULL);
        if (r != OPTIONS_RUN) return r;
    }
    return OPTIONS_RUN;
}

static int readers_of_stdin(const Options *o)
{
    int n = 0;
    for (int i = 0; i < SERIAL_PORTS; i++) n += o->serial[i].kind == CHAR_STDIO;
    for (int i = 0; i < MONITORS; i++) n += o->monitor[i].kind == CHAR_STDIO;
    return n;
}

static const char *contradiction(const Options *o)
{
    if (!o->kernel && o->initrd) return "-initrd: only with -kernel";
    if (!o->kernel && o->append) return "-append: only with -kernel";
    if (o->kernel && o->bios) return "-bios: not with -kernel, which comes with what firmware it needs";
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
    const char *wrong = contradiction(o);
    if (!wrong) return OPTIONS_RUN;
    say("%s", wrong);
    return OPTIONS_BAD;
}
