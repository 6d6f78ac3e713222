/* entries.h - the experiments, and labels in their programs (programs.S). */
#ifndef TOUR_ENTRIES_H
#define TOUR_ENTRIES_H

#include "bios/tour/tour.h"

#define PROGRAM(name) extern const u8 prog_##name[], prog_##name##_end[];
PROGRAM(loop)
PROGRAM(popf)
PROGRAM(sgdt)
PROGRAM(int80)
PROGRAM(sysenter)
PROGRAM(touch)
PROGRAM(read)
PROGRAM(smc)
PROGRAM(storm)
PROGRAM(loads)
PROGRAM(v86)
#undef PROGRAM
extern const u8 prog_loop_body[], prog_int80_body[], prog_touch_body[], prog_smc_body[], prog_storm_body[],
    prog_loads_body[], prog_v86_body[], prog_v86_es[], prog_popf_itself[], prog_smc_patched[], syscall_int[],
    syscall_fast[];

static inline u64 result_ns(const Result *r) { return r->after.value[0] - r->before.value[0]; }

void entry_loop(Result *r, Text *said);
void entry_popf(Result *r, Text *said);
void entry_sgdt(Result *r, Text *said);
void entry_syscall(Result *r, Text *said);
void entry_fault(Result *r, Text *said);
void entry_pte(Result *r, Text *said);
void entry_smc(Result *r, Text *said);
void entry_storm(Result *r, Text *said);
void entry_v86(Result *r, Text *said);
void entry_forms(Result *r, Text *said);

#endif
