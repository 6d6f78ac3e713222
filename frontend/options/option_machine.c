/* option_machine.c - see option_machine.h.
 *
 * Values are QEMU's lists of key=value. What there is only one of may be said (-smp 1, -machine pc,usb=off); of what
 * cannot be had, the message says why.
 *
 * Differences from QEMU: -rtc clock= takes host, rt and vm, and all are the guest's time, which stands while the machine
 * is paused; a list of engines (accel=kvm:tcg) takes the first that is here.
 */
#include "frontend/options/option_machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "frontend/options/option_words.h"
#include "frontend/say.h"

#define NO_SUCH_ENGINE                                                                                       \
    "ring3 uses no such engine of the host, it translates the guest's code: leave it out, or say tcg"

/* --- engine ---------------------------------------------------------------------------------------------- */

static OptionsResult set_form(Options *o, const char *value)
{
    static const char *const names[] = {
        [FORM_AUTO] = "auto", [FORM_WINDOW] = "window", [FORM_TABLE] = "table"};
    unsigned form = 0;
    OptionsResult r = words_choose("-accel translate,form=", value, names, ARRAY_LEN(names), &form);
    if (r == OPTIONS_RUN) o->xlat.form = (FormPolicy)form;
    return r;
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

/* One engine; tcg is what QEMU calls a translator. */
static OptionsResult set_engine(Options *o, const char *word)
{
    static const char *const names[] = {
        [ACCEL_TRANSLATE] = "translate", [ACCEL_INTERP] = "interp", [ACCEL_INTERP + 1] = "tcg"};
    static const Absent others[] = {{"kvm", NO_SUCH_ENGINE},
                                    {"xen", NO_SUCH_ENGINE},
                                    {"hax", NO_SUCH_ENGINE},
                                    {"hvf", NO_SUCH_ENGINE},
                                    {"whpx", NO_SUCH_ENGINE},
                                    {"nvmm", NO_SUCH_ENGINE},
                                    {NULL, NULL}};
    unsigned engine = 0;
    if (absent_why(others, word)) return absent_refuse("-accel", word, absent_why(others, word));
    OptionsResult r = words_choose("-accel", word, names, ARRAY_LEN(names), &engine);
    if (r == OPTIONS_RUN) o->accel = engine == ACCEL_INTERP ? ACCEL_INTERP : ACCEL_TRANSLATE;
    return r;
}

/* kvm:tcg: the first that there is. */
static OptionsResult set_engines(Options *o, const char *list)
{
    static const char *const ours[] = {"tcg", "translate", "interp"};
    char word[PAIR_VALUE_BYTES];
    for (const char *at = list; *at && strchr(list, ':'); at += *at == ':') {
        size_t n = strcspn(at, ":");
        for (unsigned k = 0; k < ARRAY_LEN(ours); k++)
            if (strlen(ours[k]) == n && !strncmp(ours[k], at, n)) return set_engine(o, ours[k]);
        at += n;
    }
    snprintf(word, sizeof word, "%.*s", (int)strcspn(list, ":"), list);
    return set_engine(o, word);
}

static OptionsResult set_accel_pair(Options *o, const Pair *p)
{
    static const char *const threads[] = {"single", "multi"}, *const off[] = {"off"};
    static const char *const keys[] = {"form=", "cache=", "tb-size=", "thread=", NULL};
    unsigned unused;
    if (p->is_word || !strcmp(p->key, "accel")) return set_engines(o, p->value);
    if (!strcmp(p->key, "form")) return set_form(o, p->value);
    if (!strcmp(p->key, "cache") || !strcmp(p->key, "tb-size")) return set_cache(o, p->value);
    if (!strcmp(p->key, "thread")) /* of one processor there is one */
        return words_choose("-accel thread=", p->value, threads, ARRAY_LEN(threads), &unused);
    if (!strcmp(p->key, "split-wx")) return OPTIONS_RUN; /* the code cache is never writable where it runs */
    if (!strcmp(p->key, "one-insn-per-tb"))
        return words_choose("-accel one-insn-per-tb=", p->value, off, 1, &unused);
    return pair_refuse_key(p, "-accel translate,", keys);
}

static bool has_empty_word(const char *value)
{
    size_t n = strlen(value);
    return !n || *value == ',' || value[n - 1] == ',' || strstr(value, ",,");
}

OptionsResult set_accel(Options *o, const char *value)
{
    Pair pair;
    OptionsResult r = OPTIONS_RUN;
    if (has_empty_word(value)) {
        say("-accel \"%.80s\": a word is missing; give translate or interp, then form= or cache=", value);
        return OPTIONS_BAD;
    }
    for (const char *at = value; r == OPTIONS_RUN && pair_next(&at, "accel", &pair);)
        r = set_accel_pair(o, &pair);
    return r;
}

/* --- machine --------------------------------------------------------------------------------------------- */

static OptionsResult set_board(const char *value)
{
    static const Absent others[] = {
        {"q35*", "no Q35 chipset: leave it out, for a PC with the i440FX (pc)"},
        {"pc-q35*", "no Q35 chipset: leave it out, for a PC with the i440FX (pc)"},
        {"isapc", "no PC without PCI: leave it out; the ISA devices are on pc, too"},
        {"microvm", "a PC with all that firmware expects: leave it out, or say pc"},
        {"none", "no machine without a board: leave it out, or say pc"},
        {"xen*", "not a Xen domain: leave it out, or say pc"},
        {NULL, NULL}};
    static const char *const names[] = {"pc", "pc-" MACHINE_VERSION};
    unsigned unused;
    if (!strncmp(value, "pc-i440fx-", 10)) return OPTIONS_RUN; /* of whatever version */
    const char *why = absent_why(others, value);
    return why ? absent_refuse("-M", value, why)
               : words_choose("-M", value, names, ARRAY_LEN(names), &unused);
}

/* What a board could have besides: it may be said that it is not wanted. */
static const struct {
    const char *key;
    bool here; /* so it is; NULL in `why`: either will do */
    const char *why;
} board_switches[] = {
    {"usb", false, NULL}, /* without devices it does nothing */
    {"dump-guest-core", false, NULL},
    {"smm", false, NULL}, /* that firmware of ring3's needs none of it is all that a guest sees */
    {"nvdimm", false, "memory is one piece: leave it out"},
    {"hmat", false, "memory is one piece: leave it out"},
    {"suppress-vmdesc", false, NULL},
    {"kernel_irqchip", false, NULL},
    {"kernel-irqchip", false, NULL},
    {"enforce-config-section", false, NULL},
    {"igd-passthru", false, "no devices of the host in the guest: leave it out"},
    {"graphics", true, "-vga none is a machine without a graphics card"},
    {"i8042", true, "a PC has its keyboard controller: leave it out"},
    {"pit", true, "a PC has its timer: leave it out"},
    {"fd-bootchk", true, "say -no-fd-bootchk"},
};

/* A wish that this kernel does not fulfil for memory with more than one view (docs/HOSTS.md). */
static OptionsResult note_merge(const Pair *p)
{
    bool on = false;
    OptionsResult r = pair_switch(p, "-machine", &on);
    if (r == OPTIONS_RUN && on)
        say("-machine mem-merge=on: nothing is merged: the host does so with private memory only, and a guest's is shared "
            "between ring3's views of it");
    return r;
}

static OptionsResult set_board_switch(Options *o, const Pair *p)
{
    char name[80];
    bool on;
    snprintf(name, sizeof name, "-machine %.31s=", p->key);
    for (unsigned n = 0; n < ARRAY_LEN(board_switches); n++) {
        if (strcmp(p->key, board_switches[n].key)) continue;
        if (!board_switches[n].why) return OPTIONS_RUN;
        OptionsResult r = pair_switch(p, "-machine", &on);
        if (r != OPTIONS_RUN || on == board_switches[n].here) return r;
        return absent_refuse(name, p->value, board_switches[n].why);
    }
    if (!strcmp(p->key, "acpi")) {
        OptionsResult r = pair_switch(p, "-machine", &on);
        o->no_acpi = r == OPTIONS_RUN && !on;
        return r;
    }
    if (!strcmp(p->key, "mem-merge")) return note_merge(p);
    if (!strcmp(p->key, "hpet")) return pair_switch(p, "-machine", &o->hpet);
    if (!strcmp(p->key, "vmport") && strcmp(p->value, "auto")) {
        OptionsResult r = pair_switch(p, "-machine", &on);
        o->no_vmport = r == OPTIONS_RUN && !on;
        return r;
    }
    if (!strcmp(p->key, "vmport")) return o->no_vmport = false, OPTIONS_RUN;
    static const char *const keys[] = {"type", "accel", "acpi", "hpet", "usb", "vmport", NULL};
    return pair_refuse_key(p, "-machine", keys);
}

OptionsResult set_machine(Options *o, const char *value)
{
    Pair pair;
    OptionsResult r = OPTIONS_RUN;
    const char *implied = "type";
    if (!*value) return set_board(value);
    for (; r == OPTIONS_RUN && pair_next(&value, implied, &pair); implied = NULL) {
        if (!strcmp(pair.key, "type"))
            r = set_board(pair.value);
        else if (!strcmp(pair.key, "accel"))
            r = set_engines(o, pair.value);
        else
            r = set_board_switch(o, &pair);
    }
    return r;
}

static OptionsResult refuse_m(const char *value, const char *why)
{
    say("-m %.80s: %s", value, why);
    return OPTIONS_BAD;
}

static u64 parse_size(const char *text, bool *ok) /* to bytes; a plain number is MiB */
{
    static const char units[] = "kmgt";
    const char *s = text;
    u32 n = 0;
    *ok = parse_number(&s, &n);
    const char *unit = *s ? strchr(units, *s | 0x20) : units + 1;
    if (*s) s++;
    if (*s == 'B' || *s == 'b') s++;
    *ok &= unit && !*s;
    return *ok ? (u64)n << 10 * (unit - units + 1) : 0;
}

OptionsResult set_m(Options *o, const char *value)
{
    Pair p;
    bool ok = false;
    u64 bytes = 0;
    const char *at = value, *implied = "size";
    for (; pair_next(&at, implied, &p); implied = NULL) {
        if (!strcmp(p.key, "size"))
            bytes = parse_size(p.value, &ok);
        else if (strcmp(p.key, "slots") || strcmp(p.value, "0"))
            return refuse_m(value, "memory is one piece, none can be added later: give only its size");
    }
    if (!ok) return refuse_m(value, "not a memory size; give MiB, or a number with K, M or G");
    if (bytes < (u64)RAM_MIN_MIB << 20 || bytes > (u64)RAM_MAX_MIB << 20) {
        say("-m %.80s: out of range; %u to %u MiB are possible", value, RAM_MIN_MIB, RAM_MAX_MIB);
        return OPTIONS_BAD;
    }
    o->ram_bytes = (u32)(bytes & ~0xfffffull);
    return OPTIONS_RUN;
}

OptionsResult set_smp(Options *o, const char *value)
{
    static const char *const keys[] = {"cpus",  "sockets", "dies",    "clusters",
                                       "cores", "threads", "maxcpus", NULL};
    const char *at = value, *implied = "cpus";
    Pair p;
    (void)o;
    for (; pair_next(&at, implied, &p); implied = NULL) {
        unsigned n = 0;
        while (keys[n] && strcmp(keys[n], p.key)) n++;
        if (!keys[n]) return pair_refuse_key(&p, "-smp", keys);
        if (!strcmp(p.value, "1")) continue;
        say("-smp %.80s: ring3 has one processor: leave it out, or say -smp 1", value);
        return OPTIONS_BAD;
    }
    return OPTIONS_RUN;
}

/* --- clock ----------------------------------------------------------------------------------------------- */

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

static OptionsResult set_rtc_base(Options *o, const char *base, const char *option, const char *value)
{
    time_t now = time(NULL);
    struct tm t;
    o->rtc_given = true;
    if (!strcmp(base, "utc"))
        o->rtc_base_unix_s = now;
    else if ((!strcmp(base, "localtime") || !strcmp(base, "localtime_r")) && localtime_r(&now, &t))
        o->rtc_base_unix_s = timegm(&t);
    else if (!parse_date(base, &o->rtc_base_unix_s)) {
        say("%s %.80s: takes base=utc, base=localtime or a date as in base=2006-06-17T16:01:21", option,
            value);
        return OPTIONS_BAD;
    }
    return OPTIONS_RUN;
}

OptionsResult set_rtc(Options *o, const char *value)
{
    static const char *const clocks[] = {"host", "rt", "vm"}, *const fixes[] = {"none", "slew"};
    const char *at = value;
    Pair p;
    unsigned clock = 0, unused;
    OptionsResult r = *value ? OPTIONS_RUN : set_rtc_base(o, "", "-rtc", value);
    while (r == OPTIONS_RUN && pair_next(&at, NULL, &p)) {
        if (!strcmp(p.key, "clock")) {
            r = words_choose("-rtc clock=", p.value, clocks, ARRAY_LEN(clocks), &clock);
            o->rtc_by_host = r == OPTIONS_RUN && !strcmp(p.value, "host");
        } else if (!strcmp(p.key, "driftfix")) /* ticks that came late are made up for, always */
            r = words_choose("-rtc driftfix=", p.value, fixes, ARRAY_LEN(fixes), &unused);
        else
            r = set_rtc_base(o, strcmp(p.key, "base") ? "" : p.value, "-rtc", value);
    }
    return r;
}

OptionsResult set_startdate(Options *o, const char *value)
{
    return set_rtc_base(o, strcmp(value, "now") ? value : "utc", "-startdate", value);
}

OptionsResult set_localtime(Options *o, const char *value)
{
    (void)value;
    return set_rtc_base(o, "localtime", "-localtime", "");
}

/* --- names and ends -------------------------------------------------------------------------------------- */

static const char *keep(char *to, size_t bytes, const char *value)
{
    snprintf(to, bytes, "%.*s", (int)bytes - 1, value);
    return to;
}

OptionsResult set_name(Options *o, const char *value)
{
    static const char *const keys[] = {"guest", "process", "debug-threads", NULL};
    const char *implied = "guest";
    Pair p;
    bool unused;
    for (; pair_next(&value, implied, &p); implied = NULL) {
        OptionsResult r = OPTIONS_RUN;
        if (!strcmp(p.key, "guest"))
            o->name = keep(o->guest_name, sizeof o->guest_name, p.value);
        else if (!strcmp(p.key, "process"))
            keep(o->process_name, sizeof o->process_name, p.value);
        else if (!strcmp(p.key, "debug-threads"))
            r = pair_switch(&p, "-name", &unused);
        else
            r = pair_refuse_key(&p, "-name", keys);
        if (r != OPTIONS_RUN) return r;
    }
    return OPTIONS_RUN;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* 550e8400-e29b-41d4-a716-446655440000: 4, 2, 2, 2 and 6 bytes, in the order they are written. */
OptionsResult set_uuid(Options *o, const char *value)
{
    const char *s = value;
    for (unsigned n = 0; n < sizeof o->uuid; n++) {
        if (n == 4 || n == 6 || n == 8 || n == 10) s += *s == '-' ? 1 : 0;
        int high = hex_digit(*s), low = high < 0 ? -1 : hex_digit(s[1]);
        if (low < 0) break;
        o->uuid[n] = (u8)(high << 4 | low);
        s += 2;
        if (n + 1 < sizeof o->uuid || *s || s - value != 36) continue;
        o->has_uuid = true;
        return OPTIONS_RUN;
    }
    say("-uuid %.80s: takes a number as in 550e8400-e29b-41d4-a716-446655440000", value);
    return OPTIONS_BAD;
}

/* What is done when something ends; a panic and a watchdog's bite cannot be told to this board. */
OptionsResult set_action(Options *o, const char *value)
{
    static const char *const reboots[] = {"reset", "shutdown"}, *const shutdowns[] = {"poweroff", "pause"};
    static const char *const keys[] = {"reboot", "shutdown", "panic", "watchdog", NULL};
    Pair p;
    OptionsResult r = OPTIONS_RUN;
    while (r == OPTIONS_RUN && pair_next(&value, NULL, &p)) {
        unsigned which = 0;
        if (!strcmp(p.key, "reboot")) {
            r = words_choose("-action reboot=", p.value, reboots, 2, &which);
            o->no_reboot = which;
        } else if (!strcmp(p.key, "shutdown")) {
            r = words_choose("-action shutdown=", p.value, shutdowns, 2, &which);
            o->no_shutdown = which;
        } else if (strcmp(p.key, "panic") && strcmp(p.key, "watchdog")) {
            r = pair_refuse_key(&p, "-action", keys);
        }
    }
    return r;
}

/* --- the cage -------------------------------------------------------------------------------------------- */

/* QEMU's further words give back what its own filter would take. The machine here needs none of it, but that programs may be started
 * for it (spawn). */
OptionsResult set_sandbox(Options *o, const char *value)
{
    static const char *const keys[] = {"enable", "obsolete",        "elevateprivileges",
                                       "spawn",  "resourcecontrol", NULL};
    static const char *const words[] = {"allow", "deny", "children"};
    const char *implied = "enable";
    Pair p;
    OptionsResult r = OPTIONS_RUN;
    for (; r == OPTIONS_RUN && pair_next(&value, implied, &p); implied = NULL) {
        char option[60];
        bool known = false, on = true;
        unsigned which = 0;
        for (unsigned n = 1; keys[n]; n++) known |= !strcmp(p.key, keys[n]);
        snprintf(option, sizeof option, "-sandbox %s=", p.key);
        if (!strcmp(p.key, "enable")) {
            r = pair_switch(&p, "-sandbox", &on);
            o->sandbox = on ? SANDBOX_ON : SANDBOX_OFF;
        } else if (known) {
            r = words_choose(option, p.value, words, ARRAY_LEN(words), &which);
            if (!strcmp(p.key, "spawn")) o->spawn = which == 0;
        } else {
            r = pair_refuse_key(&p, "-sandbox", keys);
        }
    }
    return r;
}
