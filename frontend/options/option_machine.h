/* option_machine.h - the options that say what the machine is: memory, engine, processors, clock, names, cage. See
 * option_machine.c. Each takes the option's value and says what is wrong with it. */
#ifndef RING3_OPTION_MACHINE_H
#define RING3_OPTION_MACHINE_H

#include "frontend/options/options.h"
#include "hw/machine.h"

OptionsResult set_machine(Options *o, const char *value);
OptionsResult set_m(Options *o, const char *value);
OptionsResult set_smp(Options *o, const char *value);
OptionsResult set_accel(Options *o, const char *value);
OptionsResult set_rtc(Options *o, const char *value);
OptionsResult set_startdate(Options *o, const char *value);
OptionsResult set_localtime(Options *o, const char *value);
OptionsResult set_name(Options *o, const char *value);
OptionsResult set_uuid(Options *o, const char *value);
OptionsResult set_action(Options *o, const char *value);
OptionsResult set_sandbox(Options *o, const char *value);

#endif
