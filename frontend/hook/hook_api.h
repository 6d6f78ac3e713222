/* hook_api.h - the functions of ring3-hook.h, and what a library did with them in the call at hand. See hook_api.c. */
#ifndef RING3_HOOK_API_H
#define RING3_HOOK_API_H

#include "frontend/hook/ring3-hook.h"
#include "frontend/pc.h"

/* What libraries are given. */
extern const Ring3 hook_api;

/* hook_task - in ring 3: which task runs, by the stacks for rings 0 and 1 in its TSS, which systems with threads change
 * when they switch (Linux: both, or the latter). Elsewhere 0. */
u32 hook_task(const Vcpu *c);

/* hook_api_attach - the machine is there. Until then its functions answer 0. */
void hook_api_attach(Pc *pc);

/* hook_api_begin - a call of a library begins: at an instruction that has not run; `interrupt`: within it, with next_eip
 * behind it. hook_api_end: it is over, and what was written by pointers is told. */
typedef struct HookDeeds {
    bool declined;
    bool moved; /* it set EIP */
} HookDeeds;
void hook_api_begin(bool interrupt);
HookDeeds hook_api_end(void);

/* hook_api_service - in the service hook: the machine is held if a library asked for it. */
void hook_api_service(Pc *pc);

#endif
