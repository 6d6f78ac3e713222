/* suspend.h - a running machine suspends itself, as `ring3 vm suspend` does it from outside. See suspend.c. */
#ifndef RING3_VM_SUSPEND_H
#define RING3_VM_SUSPEND_H

#include "frontend/pc.h"

/* suspend_begin - hold the machine, keep it, end ring3. If it cannot be kept, that is said, and it runs on. On the vCPU
 * thread in the service hook. */
void suspend_begin(Pc *pc);

#endif
