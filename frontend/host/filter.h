/* filter.h - a list of the system calls that a process may make (seccomp). See filter.c. */
#ifndef RING3_FILTER_H
#define RING3_FILTER_H

#include "cpu/base/base.h"

typedef enum CallTest {
    CALL_ALWAYS,
    CALL_NO_EXEC, /* unless the third argument has PROT_EXEC */
    CALL_FIRST,   /* the first argument is one of `values` (of its lower 32 bits) */
    CALL_SECOND,
    CALL_THIRD,
    CALL_REFUSED, /* not made, with EACCES: what a C library may ask for by the way, and does without */
} CallTest;

typedef struct Call {
    unsigned number; /* SYS_ */
    CallTest test;
    const u32 *values;
    unsigned count;
} Call;

/* What happens to a call that is in no list. */
typedef enum FilterEnd {
    FILTER_KILLS,   /* the kernel ends the process by SIGSYS */
    FILTER_REFUSES, /* it is not made: ENOSYS */
    FILTER_TELLS,   /* the call waits until whoever has the descriptor has ended the process (Linux 5.7) */
} FilterEnd;

/* filter_available - what this host can do; false: nothing. */
bool filter_available(FilterEnd *best);

/* filter_install - for all threads of this process, for good. Which calls come first costs nothing where the kernel
 * keeps the answers that no argument changes (Linux 5.11); before that, and for tested calls, it is a comparison
 * each. Returns FILTER_TELLS' descriptor, else 0; -1: errno. */
int filter_install(FilterEnd end, const Call *calls, unsigned count);
/* The same for a process that ends in the ordinary way: with what a sanitizer, if it is built with one, does at its
 * end. */
int filter_install_for_good(FilterEnd end, const Call *calls, unsigned count);
/* filter_confine - the same with FILTER_REFUSES where the host has it, and no new privileges in any case: for a process
 * beside the machine. With `ends_with_parent` its parent's end is its own. */
void filter_confine(const Call *calls, unsigned count, bool ends_with_parent);
/* It is built with one. */
extern const bool filter_sanitized;

/* filter_next - of FILTER_TELLS' descriptor, when it can be read: the call that waits. False: there is none. */
typedef struct FilterCall {
    u32 number;
    u64 argument[6];
} FilterCall;
bool filter_next(int fd, FilterCall *call);

/* Its name, for people; NULL: one that has no business here at all. */
const char *filter_call_name(u32 number);

#endif
