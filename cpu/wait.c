/* wait.c - a guest that waits in a loop: a DOS at its prompt, a program that looks for a key, a tick, a retrace.
 *
 * Whether it waits is seen by what it does, never by how long it took. Now and then (wait_event) the guest runs for
 * LOOK_INSNS instructions in the interpreter, and is watched. It waits if it comes back to where it was with nothing
 * changed: the same registers and the same memory, no device written or read in a way that changes it. Then it will
 * go on like this for ever, whatever the loop looks like, until an interrupt or a device changes something; so its
 * processor may sleep until then, as in HLT. The look is repeated after each event, so a tick costs such a guest a
 * few hundred instructions. What counts, in a register or in memory, does not wait: delay loops and programs that
 * compute keep their speed.
 *
 * The place to come back to is chosen anew after 1, 2, 4, 8 ... instructions (Brent's search for cycles), so any
 * loop of up to a quarter of LOOK_INSNS is found, its outermost one included: INT 21h, 28h, 2Fh and 16h under a
 * memory manager in V86 mode. Memory that is written meanwhile is copied, page by page, before its first write.
 *
 * Ports: the device says how long a read tells the same and changes nothing (IoRange.still). For a while only (3DAh,
 * until the next edge of the vertical retrace): the processor sleeps no longer than that. Bits may come and go faster
 * (display enable): a loop that has gone on for SETTLE_NS does not look at them.
 *
 * A program that asks for a key may count meanwhile (a seed for its random numbers), or read the time-stamp counter
 * and leave times around in its memory (GRUB): a few bytes may differ then, and it naps (nap_ns) instead of sleeping
 * until an event.
 *
 * A look that finds nothing makes the next one come later, up to LOOK_REST_NS << LOOK_FAILS_MAX.
 */
#include "cpu/wait.h"

#include "cpu/breakpoint.h"
#include "mmu/phys.h"

enum { LOOK_INSNS = 1 << 15, LOOK_REST_NS = 50000000, LOOK_FAILS_MAX = 5 };
enum { SETTLE_NS = 70000 /* more than two lines */, SETTLE_INSNS = 8192, SLEEP_MIN_NS = 100000 };
enum { NAP_MIN_NS = 500000, NAP_MAX_NS = 5000000, CLOCK_BYTES = 32, COUNTER_BYTES = 2 };
enum { BDA_KEYS = 0x41a, BDA_KEYS_END = 0x41e, KBC_DATA = 0x60, KBC_STATUS = 0x64 };

/* Everything that instructions change, but for memory and the registers ahead of it. */
#define STATE_FIRST offsetof(Vcpu, seg)
#define STATE_BYTES (offsetof(Vcpu, fault_jmp) - STATE_FIRST)
_Static_assert(STATE_BYTES <= sizeof((Wait *)0)->state, "Wait.state holds it");

/* --- memory ---------------------------------------------------------------------------------------------- */

static u8 *page_hp(Vcpu *c, u32 pa) { return phys_hp(c->phys, pa & ~(u32)PAGE_MASK); }

/* Before a write, as the page was when the loop was entered. */
static void page_keep(Vcpu *c, u32 pa)
{
    Wait *w = &c->wait;
    u32 page = pa >> PAGE_BITS;
    for (unsigned n = 0; n < w->page_count; n++)
        if (w->page[n] == page) return;
    if (w->page_count == WAIT_PAGES) {
        w->disturbed = true;
        return;
    }
    w->page[w->page_count] = page;
    memcpy(w->was[w->page_count++], page_hp(c, pa), PAGE_BYTES);
}

/* How many bytes of those pages are not as they were; most + 1: more than `most`. */
static u32 bytes_changed(Vcpu *c, u32 most)
{
    const Wait *w = &c->wait;
    u32 changed = 0;
    for (unsigned n = 0; n < w->page_count; n++) {
        const u8 *is = page_hp(c, w->page[n] << PAGE_BITS), *was = w->was[n];
        if (!is) return most + 1;
        if (!memcmp(is, was, PAGE_BYTES)) continue;
        for (unsigned k = 0; k < PAGE_BYTES; k++)
            if (is[k] != was[k] && ++changed > most) return changed;
    }
    return changed;
}

void wait_touches(Vcpu *c, u32 pa, bool writes)
{
    pa &= c->phys->a20_mask;
    if (pa >= BDA_KEYS && pa < BDA_KEYS_END) c->wait.key_wanted = true;
    switch (c->phys->pages[pa >> PAGE_BITS].kind) {
    case PAGE_NONE: c->wait.disturbed = true; break;
    case PAGE_RAM:
        if (writes) page_keep(c, pa);
        break;
    case PAGE_ROM: break;
    }
}

/* --- time ------------------------------------------------------------------------------------------------ */

static u64 guest_ns(const Vcpu *c) { return c->tsc_now ? c->tsc_now(c->tsc_ctx) : 0; }

void wait_reads_port(Vcpu *c, u16 port, unsigned bytes)
{
    Wait *w = &c->wait;
    u64 still = bus_port_still(c->bus, port, bytes), until;
    if (port == KBC_DATA || port == KBC_STATUS) w->key_wanted = true;
    if (!still) w->disturbed = true;
    if (still == STILL_UNTIL_EVENT) return;
    until = guest_ns(c) + still;
    if (until < w->until_ns) w->until_ns = until;
}

/* --- looking --------------------------------------------------------------------------------------------- */

static void look_anew(Wait *w) { w->insns = w->closed_insns = 0; }

static void look_begin(Vcpu *c)
{
    c->wait.left = LOOK_INSNS;
    c->wait.looks++;
    c->wait.waits_ns = 0;
    look_anew(&c->wait);
}

static void look_end(Vcpu *c, unsigned fails)
{
    Wait *w = &c->wait;
    w->left = 0;
    w->fails = (u8)(fails < LOOK_FAILS_MAX ? fails : LOOK_FAILS_MAX);
    w->next_ns = host_now_ns() + ((u64)LOOK_REST_NS << w->fails);
}

void wait_reset(Vcpu *c) { look_end(c, 0); }

void wait_event(Vcpu *c)
{
    Wait *w = &c->wait;
    if (w->left)
        look_anew(w); /* what it came from may have changed */
    else if (!c->halted && host_now_ns() >= w->next_ns)
        look_begin(c);
}

static void remember(Vcpu *c)
{
    Wait *w = &c->wait;
    fpu_park(c);
    memcpy(w->gpr, c->gpr, sizeof w->gpr);
    memcpy(w->state, (const u8 *)c + STATE_FIRST, STATE_BYTES);
    w->eip = c->eip;
    w->eflags = c->eflags;
    w->cpl = c->cpl;
    w->page_count = 0;
    w->disturbed = w->clock_read = w->key_wanted = false;
    w->until_ns = UINT64_MAX;
}

static bool registers_back(Vcpu *c)
{
    const Wait *w = &c->wait;
    if (c->eip != w->eip || c->eflags != w->eflags || c->cpl != w->cpl ||
        memcmp(c->gpr, w->gpr, sizeof w->gpr))
        return false;
    fpu_park(c);
    return !memcmp((const u8 *)c + STATE_FIRST, w->state, STATE_BYTES);
}

/* How many bytes may differ. */
static u32 bytes_allowed(const Wait *w)
{
    if (!w->key_wanted) return 0;
    return w->clock_read ? CLOCK_BYTES : COUNTER_BYTES;
}

static bool is_back(Vcpu *c)
{
    Wait *w = &c->wait;
    if (w->disturbed || (w->clock_read && !w->key_wanted) || !registers_back(c)) return false;
    u32 most = bytes_allowed(w), changed = bytes_changed(c, most);
    w->naps = w->clock_read || changed;
    return changed <= most;
}

/* Whoever counts or looks at the clock may wait for a time: it is late by half a millisecond at first, by five when
 * it has waited for long. */
static u64 nap_ns(u64 waited_ns)
{
    u64 ns = waited_ns / 4;
    return ns < NAP_MIN_NS ? NAP_MIN_NS : ns > NAP_MAX_NS ? NAP_MAX_NS : ns;
}

/* Back again. Is that enough to sleep, and until when? */
static bool settled(Vcpu *c)
{
    Wait *w = &c->wait;
    bool ports_change = w->until_ns != UINT64_MAX;
    w->wake_ns = w->until_ns;
    if (!ports_change && !w->naps) return true;
    u64 now = guest_ns(c);
    if (now >= w->until_ns) {
        look_anew(w);
        return false;
    }
    if (!w->closed_insns) w->closed_ns = now;
    w->closed_insns = w->insns;
    if (!w->waits_ns) w->waits_ns = now;
    u64 nap = now + nap_ns(now - w->waits_ns);
    if (w->naps && nap < w->wake_ns) w->wake_ns = nap;
    return !ports_change || (now - w->closed_ns >= SETTLE_NS && w->wake_ns > now + SLEEP_MIN_NS);
}

/* Between two instructions; true: it waits. */
static bool look(Vcpu *c)
{
    Wait *w = &c->wait;
    if (w->insns && is_back(c) && settled(c)) return true;
    if (w->closed_insns && w->insns - w->closed_insns > SETTLE_INSNS)
        look_anew(w); /* it has gone elsewhere */
    if (!w->closed_insns && !(w->insns & (w->insns - 1))) remember(c);
    w->insns++;
    return false;
}

bool wait_run(Vcpu *c)
{
    Wait *w = &c->wait;
    while (w->left && !c->halted && !c->inhibit && !cpu_polled(c)) {
        w->left--;
        if (unlikely(c->breaking) && break_hook(c)) continue;
        interp_one(c);
        cpu_count_speed(c);
        if (!c->halted && !c->inhibit && look(c)) return true;
    }
    if (c->halted)
        look_end(c, 0);
    else if (!w->left)
        look_end(c, w->fails + 1u);
    return false;
}

u64 wait_sleep_ns(Vcpu *c)
{
    u64 wake = c->wait.wake_ns, now = guest_ns(c);
    if (wake == UINT64_MAX) return UINT64_MAX;
    return wake > now ? wake - now : 0;
}

void wait_slept(Vcpu *c)
{
    Wait *w = &c->wait;
    w->left = LOOK_INSNS;
    w->fails = 0;
    w->sleeps++;
    if (w->until_ns != UINT64_MAX) look_anew(w); /* ports tell something else now */
}
