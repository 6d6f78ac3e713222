/* option_display.c - the options that say where the screen is seen: -display and its old names, -k, -vga.
 *
 * QEMU's other displays and cards are refused with what would do instead.
 */
#include "frontend/options/option_display.h"

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
        {"vnc*", "no remote screen: -display sdl is a window, curses this terminal, none no screen"},
        {"spice-app", "no remote screen: -display sdl is a window, curses this terminal, none no screen"},
        {"dbus", "no remote screen: -display sdl is a window, curses this terminal, none no screen"},
        {"egl-headless", "the screen needs no graphics driver: -display none, and the monitor's screendump"},
        {NULL, NULL}};
    Pair p;
    unsigned kind = 0;
    const char *at = value, *why = absent_why(others, value);
    if (!pair_next(&at, "type", &p)) p.value[0] = 0;
    if (!why) why = absent_why(others, p.value);
    if (why) return absent_refuse("-display", value, why);
    OptionsResult r = words_choose("-display", p.value, names, ARRAY_LEN(names), &kind);
    while (r == OPTIONS_RUN && pair_next(&at, NULL, &p)) r = set_display_pair(o, &p);
    if (r == OPTIONS_RUN) o->display.kind = (DisplayKind)kind;
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
