/* register_names.h - what $eax, $ip, $cs.base, $pc and their like stand for in the monitor's expressions. */
#ifndef RING3_REGISTER_NAMES_H
#define RING3_REGISTER_NAMES_H

#include "cpu/cpu.h"

/* register_named - an ExprRegister (expr.h) whose context is the Vcpu. $pc is linear. */
bool register_named(void *cpu, const char *name, s64 *value);

#endif
