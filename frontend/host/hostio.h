/* hostio.h - the I/O thread: it waits for keys, signals and the clock while the vCPU thread runs. See hostio.c. */
#ifndef RING3_HOSTIO_H
#define RING3_HOSTIO_H

#include "cpu/vcpu.h"
#include "frontend/say.h"

/* hostio_block_signals - first thing in main, before any thread: only the I/O thread takes signals that are not of
 * the running code's own making. */
void hostio_block_signals(void);

/* hostio_start - raw terminal and thread, for all channels that are open. False: *p says why. */
bool hostio_start(Vcpu *c, Problem *p);
/* hostio_stop - end the thread, restore the terminal. */
void hostio_stop(void);

/* hostio_call_service - the vCPU thread shall come to its service hook. For any thread. */
void hostio_call_service(void);

/* --- for the vCPU thread --- */
void hostio_idle(void);  /* block until attention */
void hostio_nap(u64 ns); /* the same, but no longer than ns (UINT64_MAX: for ever); the deadline stays */
void hostio_set_deadline(u64 host_ns); /* raise ATT_CLOCK then (CLOCK_MONOTONIC); UINT64_MAX: never */
void hostio_kick(void);                /* the I/O thread should look at its channels */
/* Call the service hook at a time of the host's, once, whether the guest runs or is held; UINT64_MAX: not any more. */
void hostio_remind(u64 host_ns);
/* Stop translated code every so many milliseconds, for samples of what runs (translator/count.h); 0: no more. */
void hostio_sample(unsigned every_ms);
void hostio_sample_for_page(unsigned every_ms); /* the same for inspect.c: the more frequent of the two holds */
bool hostio_stop_wanted(void); /* Ctrl-A X or a signal: the machine must stop */
int hostio_exit_code(void);    /* then: 0, or 128 + signal */

#endif
