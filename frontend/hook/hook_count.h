/* hook_count.h - libraries that want to see blocks: counters and calls in translated code, and for what is interpreted. See
 * hook_count.c. */
#ifndef RING3_HOOK_COUNT_H
#define RING3_HOOK_COUNT_H

#include "frontend/hook/ring3-hook.h"
#include "frontend/pc.h"

/* The functions of ring3-hook.h. */
int hook_on_translate(void (*f)(void *context, const Ring3Block *block), void *context);
uint64_t *hook_counter(void);
int hook_count(uint32_t n, uint64_t *counter);
int hook_on_execute(uint32_t n, void (*g)(void *context, uint32_t address), void *context);

/* hook_count_start - the machine has not run yet: if a library wants to see blocks, it does from here on. */
void hook_count_start(Pc *pc);

#endif
