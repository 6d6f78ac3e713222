/* monitor_balloon.c - the monitor's words for the memory balloon: balloon, info balloon. */
#include "frontend/monitor/monitor.h"

static const char nobody[] = "Error: No balloon device has been activated\n";

void word_balloon(Command *c)
{
    s64 mib;
    if (!command_take_within(c, &mib, 1, 1 << 20, "memory in MiB") || !command_take_end(c)) return;
    if (!machine_balloon_ask(c->pc->machine, (u64)mib << 20)) command_put(c, nobody);
}

static void say_size(Command *c, const BalloonInfo *b, unsigned which, const char *name)
{
    if (b->stats_told >> which & 1)
        command_say(c, " %s=%llu MiB", name, (unsigned long long)(b->stats[which] >> 20));
}

/* What the guest told last; it is asked anew. */
static void say_stats(Command *c, const BalloonInfo *b)
{
    if (!b->stats_told) return;
    command_say(c, "guest, %llu s ago:", (unsigned long long)(b->stats_age_ns / 1000000000));
    say_size(c, b, BALLOON_TOTAL, "total");
    say_size(c, b, BALLOON_FREE, "free");
    say_size(c, b, BALLOON_AVAILABLE, "available");
    say_size(c, b, BALLOON_CACHES, "caches");
    command_say(c, "\n");
}

void info_balloon(Command *c)
{
    BalloonInfo b;
    if (!command_take_end(c)) return;
    if (!machine_balloon_info(c->pc->machine, &b)) {
        command_put(c, nobody);
        return;
    }
    command_say(c, "balloon: actual=%llu\n", (unsigned long long)(b.guest_bytes >> 20));
    if (b.guest_bytes != b.target_bytes)
        command_say(c, "asked for: %llu\n", (unsigned long long)(b.target_bytes >> 20));
    say_stats(c, &b);
    machine_balloon_ask_stats(c->pc->machine);
}
