/* option_cpu.h - what -cpu says. See option_cpu.c. */
#ifndef RING3_OPTION_CPU_H
#define RING3_OPTION_CPU_H

#include "frontend/options/options.h"

OptionsResult set_cpu(Options *o, const char *value);

#endif
