/* sticks.h - the host's joysticks and gamepads, for the machine's game port. See sticks.c. */
#ifndef RING3_STICKS_H
#define RING3_STICKS_H

#include <SDL.h>

#include "frontend/window/session.h"

/* From the first call on for a machine that has a game port, the host's sticks are open. */
void sticks_follow(Session *s);
void sticks_event(Session *s, const SDL_Event *e);

#endif
