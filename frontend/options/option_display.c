/* option_display.c - the options that say where the screen is seen: -display and its old names, -k, -vga.
 *
 * QEMU's other displays and cards are refused with what would do instead.
 */
#include "frontend/options/option_display.h"

#include <stdio.h>

#include "frontend/keyboard/typing.h"
#include "frontend/options/option_words.h"
#include "frontend/say.h"

/* The window's own words: what it does anyway may be said. */
static OptionsResult set_display_pair(Options *o, const Pair *p)
{
    static const char *const keys[] = {"full-screen", "gl", "show-cursor", "window-close", "charset"};
    unsigned which = 0;
    bool on = false;
    OptionsResult r = words_choose("-display sdl,", p->key, keys, ARRAY_LEN(keys), &which);
    if (r != OPTIONS_RUN || which == 4) return r; /* a terminal's charset is its locale's */
    if (which == 1 && (!strcmp(p->value, "core") || !strcmp(p->value, "es")))
        return absent_refuse("-display gl=", p->value, "the window needs no graphics driver: leave it out");
    r = pair_switch(p, "-display", &on);
    if (which == 0) o->display.full_screen = on;
    if (r == OPTIONS_RUN && which == 1 && on)
        return absent_refuse("-display gl=", "on", "the window needs no graphics driver: leave it out");
    if (r == OPTIONS_RUN && which == 3 && !on)
        return absent_refuse("-display window-close=", "off", "closing the window asks first: leave it out");
    return r;
}

OptionsResult set_display(Options *o, const char *value)
{
    static const char *const names[] = {
        [DISPLAY_NONE] = "none", [DISPLAY_SDL] = "sdl", [DISPLAY_CURSES] = "curses"};
    static const Absent others[] = {
        {"gtk", "ring3's window is SDL's: say -display sdl, or nothing; none is no window"},
        {"cocoa", "ring3's window is SDL's: say -display sdl, or nothing; none is no window"},
        {"window", "the window is called sdl: say -display sdl, or nothing"},
        {"x11", "the window is SDL's, which speaks X and Wayland: say -display sdl, or nothing"},
        {"wayland", "the window is SDL's, which speaks X and Wayland: say -display sdl, or nothing"},
        {"terminal", "the screen in the terminal is called curses: say -display curses"},
        {"headless", "no screen is called none: say -display none"},
        {"spice-app", "no SPICE: -vnc :N shows the screen elsewhere, -display sdl is a window"},
        {"dbus", "no screen by D-Bus: -vnc :N shows it elsewhere, -display sdl is a window"},
        {"egl-headless", "the screen needs no graphics driver: -display none, and the monitor's screendump"},
        {NULL, NULL}};
    Pair p;
    unsigned kind = 0;
    if (!strncmp(value, "vnc=", 4)) return set_vnc(o, value + 4);
    const char *at = value, *why = absent_why(others, value);
    if (!pair_next(&at, "type", &p)) p.value[0] = 0;
    if (!why) why = absent_why(others, p.value);
    if (why) return absent_refuse("-display", value, why);
    OptionsResult r = words_choose("-display", p.value, names, ARRAY_LEN(names), &kind);
    while (r == OPTIONS_RUN && pair_next(&at, NULL, &p)) r = set_display_pair(o, &p);
    if (r == OPTIONS_RUN) o->display.kind = (DisplayKind)kind;
    o->display_given = true;
    return r;
}

/* --- elsewhere -------------------------------------------------------------------------------------------- */

static OptionsResult refuse_vnc(const char *value)
{
    say("-vnc %.80s: takes [ADDR]:N, such as :1 or [::1]:0, with N from 0 to %d, unix:PATH or none", value,
        VNC_DISPLAYS);
    return OPTIONS_BAD;
}

static bool parse_display_number(const char *s, u32 *n)
{
    return parse_number(&s, n) && !*s && *n <= VNC_DISPLAYS;
}

/* QEMU's other words: what changes nothing here may be said. */
static OptionsResult set_vnc_pair(Options *o, const Pair *p)
{
    static const char *const shares[] = {"ignore", "force-shared"};
    static const char *const keys[] = {"password=on", "to=", "share=ignore", NULL};
    static const char no_tls[] = "no TLS: leave it out; an SSH tunnel to 127.0.0.1 does that";
    static const Absent others[] = {
        {"tls*", no_tls},
        {"x509*", no_tls},
        {"sasl*", "no SASL: leave it out, or say password=on and use an SSH tunnel"},
        {"acl", "no access lists: leave it out"},
        {"websocket", "no port for browsers: leave it out, or use a viewer"},
        {"reverse", "viewers connect to ring3: leave it out"},
        {"password-secret", "no secrets on the command line: password=on, and the monitor's set_password"},
        {"audiodev", "no sound by VNC: leave it out"},
        {NULL, NULL}};
    static const char *const ignored[] = {"lossy", "non-adaptive", "key-delay-ms", "power-control"};
    unsigned unused;
    if (absent_why(others, p->key)) return absent_refuse("-vnc", p->key, absent_why(others, p->key));
    for (unsigned n = 0; n < ARRAY_LEN(ignored); n++)
        if (!strcmp(p->key, ignored[n])) return OPTIONS_RUN;
    if (!strcmp(p->key, "password")) return pair_switch(p, "-vnc", &o->vnc.password);
    if (!strcmp(p->key, "share"))
        return words_choose("-vnc share=", p->value, shares, ARRAY_LEN(shares), &unused);
    if (strcmp(p->key, "to")) return pair_refuse_key(p, "-vnc", keys);
    return parse_display_number(p->value, &o->vnc.to) ? OPTIONS_RUN : refuse_vnc(p->value);
}

OptionsResult set_vnc(Options *o, const char *value)
{
    Pair p;
    const char *at = value;
    OptionsResult r = OPTIONS_RUN;
    u32 n;
    o->vnc = (VncOptions){.where = ""};
    if (!pair_next(&at, "to", &p) || strlen(p.value) >= sizeof o->vnc.where) return refuse_vnc(value);
    if (!strcmp(p.value, "none")) return OPTIONS_RUN;
    const char *colon = strrchr(p.value, ':');
    bool is_unix = !strncmp(p.value, "unix:", 5) && p.value[5];
    if (!is_unix && (!colon || !parse_display_number(colon + 1, &n))) return refuse_vnc(value);
    snprintf(o->vnc.where, sizeof o->vnc.where, "%.*s", VNC_WHERE - 1, p.value);
    while (r == OPTIONS_RUN && pair_next(&at, NULL, &p)) r = set_vnc_pair(o, &p);
    return r;
}

OptionsResult set_sdl(Options *o, const char *value) { return (void)value, set_display(o, "sdl"); }
OptionsResult set_curses(Options *o, const char *value)
{
    (void)value;
    return set_display(o, "curses");
}

OptionsResult set_layout(Options *o, const char *value)
{
    Words w;
    o->display.layout = value;
    if (layout_find(value)) return OPTIONS_RUN;
    words_begin(&w, value);
    for (unsigned n = 0; layout_name(n); n++) words_offer(&w, layout_name(n));
    return words_refuse(&w, "-k", value);
}

OptionsResult set_vga(Options *o, const char *value)
{
    static const char *const names[] = {"std", "none"};
    static const Absent others[] = {
        {"cirrus", "no Cirrus card yet: leave it out, for VGA with Bochs VBE (std)"},
        {"vmware", "no such card: leave it out, for VGA with Bochs VBE (std)"},
        {"qxl", "no such card: leave it out, for VGA with Bochs VBE (std)"},
        {"virtio", "no such card: leave it out, for VGA with Bochs VBE (std)"},
        {"xenfb", "no such card: leave it out, for VGA with Bochs VBE (std)"},
        {NULL, NULL}};
    unsigned none = 0;
    if (absent_why(others, value)) return absent_refuse("-vga", value, absent_why(others, value));
    OptionsResult r = words_choose("-vga", value, names, ARRAY_LEN(names), &none);
    if (r != OPTIONS_RUN) return r;
    o->no_vga = none;
    o->has_vga = !none;
    return r;
}
