/* option_balloon.h - the memory balloon, from the command line. See option_balloon.c. */
#ifndef RING3_OPTION_BALLOON_H
#define RING3_OPTION_BALLOON_H

#include "frontend/options/options_result.h"
#include "hw/balloon.h"

/* -device virtio-balloon-pci with properties: false: another device, and nothing was done. */
bool balloon_option_device(BalloonConfig *b, const char *value, OptionsResult *result);
OptionsResult balloon_option(BalloonConfig *b, const char *value); /* -balloon virtio or none */

#endif
