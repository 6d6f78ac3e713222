/* sdl_keys.h - SDL's name for a key's place on the keyboard -> hw/keys.h; 0: the PC has no such key. */
#ifndef RING3_SDL_KEYS_H
#define RING3_SDL_KEYS_H

#include <SDL.h>

#include "cpu/base/base.h"

u8 sdl_key(SDL_Scancode code);

#endif
