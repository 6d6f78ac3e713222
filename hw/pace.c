/* pace.c - limits on a drive's speed: a bucket that leaks, for each limit.
 *
 * A limit of r a second has a time up to which what was moved would have taken; each command puts it off by amount / r.
 * As long as that is less than BURST_NS ahead of now, a command may begin at once, as in QEMU; else when it is. So a guest
 * gets r a second over any longer time, and after a pause BURST_NS' worth at once. All of it is guest time: a machine
 * that is stopped, or that moves to another host, is neither held up by it nor let off.
 */
#include "hw/pace.h"

#include "hw/clock.h"

enum { NS_A_SECOND = 1000000000, BURST_NS = NS_A_SECOND / 10 };
#define COST_NS_MAX (3600ull * NS_A_SECOND) /* of one command, however low the limit */

static u64 bucket_take(u64 *due_ns, u64 rate, u64 amount, u64 now_ns)
{
    if (!rate) return now_ns;
    u64 begins_ns = *due_ns > now_ns + BURST_NS ? *due_ns - BURST_NS : now_ns;
    u64 cost_ns =
        amount / rate < COST_NS_MAX / NS_A_SECOND ? muldiv64(amount, NS_A_SECOND, rate) : COST_NS_MAX;
    *due_ns = (*due_ns > now_ns ? *due_ns : now_ns) + cost_ns;
    return begins_ns;
}

u64 pace_take(Pace *p, const DriveLimits *l, bool writes, u64 bytes, u64 now_ns)
{
    const int kinds[] = {LIMIT_TOTAL, writes ? LIMIT_WRITE : LIMIT_READ};
    u64 begins_ns = now_ns;
    for (unsigned n = 0; n < ARRAY_LEN(kinds); n++) {
        int k = kinds[n];
        u64 by_bytes = bucket_take(&p->bytes_due_ns[k], l->bytes[k], bytes, now_ns);
        u64 by_commands = bucket_take(&p->commands_due_ns[k], l->commands[k], 1, now_ns);
        if (by_bytes > begins_ns) begins_ns = by_bytes;
        if (by_commands > begins_ns) begins_ns = by_commands;
    }
    return begins_ns;
}

void pace_state(Pace *p, State *s)
{
    state_values(s, "bytes_due_ns", p->bytes_due_ns, 8, LIMIT_KINDS);
    state_values(s, "commands_due_ns", p->commands_due_ns, 8, LIMIT_KINDS);
    for (int k = 0; k < LIMIT_KINDS; k++) {
        state_check(s, p->bytes_due_ns[k] < CLOCK_NS_MAX, "bytes_due_ns");
        state_check(s, p->commands_due_ns[k] < CLOCK_NS_MAX, "commands_due_ns");
    }
}
