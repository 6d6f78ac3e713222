/* drive_limits.h - how fast a drive may be, in -drive's words. See drive_limits.c. */
#ifndef RING3_DRIVE_LIMITS_H
#define RING3_DRIVE_LIMITS_H

#include "frontend/options/option_words.h"
#include "frontend/say.h"
#include "hw/pace.h"

/* drive_limit_take - whether the pair is about limits; then it is in *l, or *p says what is wrong with it: else empty. */
bool drive_limit_take(const Pair *pair, DriveLimits *l, Problem *p);
/* QEMU's rule: a limit of all and one of reads or writes are not given together. */
bool drive_limits_agree(const DriveLimits *l);
extern const char drive_limits_differ[];    /* what to say where they do not */
#define DRIVE_LIMIT_MAX 1000000000000000ull /* QEMU's */

#endif
