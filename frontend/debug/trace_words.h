/* trace_words.h - the words of -d and of the monitor's `log`, and the ranges of -dfilter. See trace_words.c. */
#ifndef RING3_TRACE_WORDS_H
#define RING3_TRACE_WORDS_H

#include "cpu/base/base.h"
#include "frontend/say.h"

/* The categories, in the order of their bits. */
typedef struct TraceWord {
    const char *word, *help;
} TraceWord;
extern const TraceWord trace_words[TRACE_COUNT];

/* trace_words_parse - the mask that "int,exec" stands for, to *mask. False: bad[] is the first that is none of them,
 * as much as fits. */
bool trace_words_parse(const char *text, u32 *mask, char *bad, size_t room);

/* trace_ranges_parse - START..END, START+LENGTH or START-LENGTH (which ends with START), with commas between; numbers
 * as in C. They are added to *to. */
bool trace_ranges_parse(const char *text, TraceFilter *to, Problem *p);

#endif
