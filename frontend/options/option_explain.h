/* option_explain.h - what -explain says. See option_explain.c. */
#ifndef RING3_OPTION_EXPLAIN_H
#define RING3_OPTION_EXPLAIN_H

#include "frontend/options/options.h"

OptionsResult set_explain(Options *o, const char *value);

#endif
