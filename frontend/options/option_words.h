/* option_words.h - what the values of options are made of: one word of a few, numbers, lists of key=value. See
 * option_words.c. */
#ifndef RING3_OPTION_WORDS_H
#define RING3_OPTION_WORDS_H

#include "cpu/base/base.h"
#include "frontend/options/options_result.h"
#include "frontend/options/suggest.h"

/* The words that a value may be, as they are offered: for "one of" and for the nearest. */
typedef struct Words {
    char list[400];
    Suggest near;
} Words;

void words_begin(Words *w, const char *value);
void words_offer(Words *w, const char *word);
/* Says that `value` is none of them; the option's name may end with "key=". The value "help" lists them: OPTIONS_DONE. */
OptionsResult words_refuse(const Words *w, const char *option, const char *value);
/* The place of `value` in names[count], to *to; else as words_refuse(). A NULL among the names is nobody's. */
OptionsResult words_choose(const char *option, const char *value, const char *const *names, unsigned count,
                           unsigned *to);

/* A word that stands for something ring3 does not have, and what to do instead. */
typedef struct Absent {
    const char *word; /* "usb-*": all that begin so */
    const char *why;
} Absent;
/* NULL: it is not in the list, which ends with a word of NULL. */
const char *absent_why(const Absent *list, const char *word);
OptionsResult absent_refuse(const char *option, const char *value, const char *why);

/* Decimal or 0x number at *s, moving *s behind it; false: none, or over 2^32 - 1. */
bool parse_number(const char **s, u32 *n);

/* One key=value of a list with commas between; a comma of the value's own is written twice. */
enum { PAIR_VALUE_BYTES = 4096 };
typedef struct Pair {
    char key[32], value[PAIR_VALUE_BYTES];
    bool is_word; /* it had no '=' */
} Pair;
/* The next pair of *s, moving *s behind it; false: no more. A word without '=' is a value for `implied`, or, with
 * NULL, "on" for its own name ("off" for noNAME is the caller's business). */
bool pair_next(const char **s, const char *implied, Pair *pair);
/* Says that the key is none of `keys`, which end with NULL; "help" as the key lists them. */
OptionsResult pair_refuse_key(const Pair *pair, const char *option, const char *const *keys);
/* "on" or "off" (also yes, no, true, false, y, n), to *on. */
OptionsResult pair_switch(const Pair *pair, const char *option, bool *on);

#endif
