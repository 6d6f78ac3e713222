/* host_report.h - the host as ring3 sees it, for the person: `ring3 -host`, the monitor's `info host`. */
#ifndef RING3_HOST_REPORT_H
#define RING3_HOST_REPORT_H

#include "cpu/base/host.h"
#include "frontend/say.h"

/* Looks at the host, and lets everybody choose. First of all in main: it takes SIGSEGV for two milliseconds. False:
 * RING3_HOST says what nobody understands. */
bool host_start(Problem *p);

/* Warn of memory that the guest may come to use and the host will not give: the kernel would end ring3 then. */
void host_warn_of_memory(u32 ram_bytes);

typedef void HostLine(void *ctx, const char *text);
/* All of it, a line at a time. try_code32: also whether the host runs 32-bit code, which takes a fork. */
void host_report(HostLine *line, void *ctx, bool try_code32);

#endif
