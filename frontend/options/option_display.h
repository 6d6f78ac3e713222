/* option_display.h - the options of the screen. See option_display.c. Each takes the value and says what is wrong with it. */
#ifndef RING3_OPTION_DISPLAY_H
#define RING3_OPTION_DISPLAY_H

#include "frontend/options/options.h"

OptionsResult set_display(Options *o, const char *value);
OptionsResult set_vnc(Options *o, const char *value);
OptionsResult set_sdl(Options *o, const char *value);
OptionsResult set_curses(Options *o, const char *value);
OptionsResult set_layout(Options *o, const char *value); /* of the guest's keyboard */
OptionsResult set_vga(Options *o, const char *value);

#endif
