/* host_time.h - -rtc clock=host: the guest's RTC goes on with the host's clock. See host_time.c. */
#ifndef RING3_HOST_TIME_H
#define RING3_HOST_TIME_H

#include "frontend/pc.h"

/* host_time_begin - the machine is built. Without `follow` the RTC goes by guest time, and the rest does nothing. */
void host_time_begin(Pc *pc, bool follow);
/* host_time_follow - guest time stood still, or is about to be saved: the RTC catches up. */
void host_time_follow(Pc *pc);
/* host_time_jumped - guest time is another one, of a machine whose RTC is right. */
void host_time_jumped(Pc *pc);
/* host_time_loaded - the machine is as it was at that time of the host's (Unix seconds, and nanoseconds) and of the guest's. */
void host_time_loaded(Pc *pc, s64 unix_s, u32 ns, u64 clock_ns);

#endif
