/* pause.c - PAUSE (F3 90): a program tells the processor that it waits in a loop (SDM vol. 2B, "PAUSE").
 *
 * Kernels wait so for milliseconds until the time-stamp counter has moved on, or a device is ready. A loop that has
 * done little else for SPIN_NS asks its host to sleep for a moment (ATT_PAUSE), as processors with pause-loop exiting
 * ask a hypervisor (SDM vol. 3C, 25.1.3). Whether it is tight is looked at once in LOOK times, after such a nap sooner.
 */
#include "cpu/cpu.h"

enum { LOOK = 64, LOOK_AGAIN = 8, TIGHT_NS = LOOK * 1000, SPIN_NS = 100000 };

void cpu_pause(Vcpu *c)
{
    if (++c->pause.count % LOOK) return;
    u64 now = host_now_ns();
    if (now - c->pause.last_ns > TIGHT_NS) c->pause.since_ns = now;
    c->pause.last_ns = now;
    if (now - c->pause.since_ns < SPIN_NS) return;
    c->pause.wanted = true;
    cpu_attention(c, ATT_PAUSE);
}

void cpu_pause_over(Vcpu *c)
{
    c->pause.wanted = false;
    c->pause.count = LOOK - LOOK_AGAIN;
    c->pause.last_ns = host_now_ns();
}
