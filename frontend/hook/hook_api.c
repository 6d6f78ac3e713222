/* hook_api.c - see hook_api.h; ring3-hook.h has the contracts.
 *
 * A library is trusted as ring3 itself is, but it makes mistakes: what it asks for is checked like a person's words.
 */
#include "frontend/hook/hook_api.h"

#include <stdio.h>

#include "cpu/memory.h"
#include "frontend/debug/guest_memory.h"
#include "frontend/debug/symbols.h"
#include "frontend/hook/hook_count.h"
#include "frontend/inbox.h"
#include "mmu/walk.h"

enum { RANGES_MAX = 256, LINE_BYTES = 1024 };

static struct {
    Pc *pc;
    bool interrupt, pause_wanted;
    HookDeeds deeds;
    struct Range {
        u32 pa, bytes;
    } range[RANGES_MAX]; /* that ram() gave away to be written */
    unsigned ranges;
} api;

u32 hook_task(const Vcpu *c)
{
    u32 esp0 = 0, esp1 = 0;
    if (c->cpl != 3 || !cpu_protected(c)) return 0;
    guest_read(c, true, (u32)(c->tr.base + 4), &esp0, 4);
    guest_read(c, true, (u32)(c->tr.base + 12), &esp1, 4);
    return esp0 * 31 + esp1;
}

static Vcpu *cpu(void) { return api.pc ? &api.pc->cpu : NULL; }

/* --- registers ------------------------------------------------------------------------------------------- */

static const u8 segments[] = {ES, CS, SS, DS, FS, GS}; /* from RING3_ES on */

static u32 other_register(const Vcpu *c, Ring3Register which)
{
    switch (which) {
    case RING3_EIP: return c->eip;
    case RING3_EFLAGS: return c->eflags;
    case RING3_CR0: return c->cr0;
    case RING3_CR2: return c->cr2;
    case RING3_CR3: return c->cr3;
    case RING3_CR4: return c->cr4;
    case RING3_CPL: return c->cpl;
    case RING3_BITS: return cpu_code32(c) ? 32 : 16;
    case RING3_PC: return cpu_linear_pc(c);
    case RING3_TASK: return hook_task(c);
    default: return 0;
    }
}

static u32 api_get(Ring3Register which)
{
    const Vcpu *c = cpu();
    if (!c) return 0;
    if (which <= RING3_EDI) return c->gpr[which];
    if (which >= RING3_ES && which <= RING3_GS) return c->seg[segments[which - RING3_ES]].sel;
    return other_register(c, which);
}

static void api_set(Ring3Register which, u32 value)
{
    Vcpu *c = cpu();
    if (!c) return;
    if (which <= RING3_EDI) c->gpr[which] = value;
    if (which == RING3_EFLAGS) flags_set(c, FL_ARITH | FL_D, value);
    if (which != RING3_EIP) return;
    api.deeds.moved = true;
    if (api.interrupt)
        c->next_eip = value;
    else
        c->eip = value;
}

static u32 api_base(Ring3Register which)
{
    const Vcpu *c = cpu();
    return c && which >= RING3_ES && which <= RING3_GS ? c->seg[segments[which - RING3_ES]].base : 0;
}

/* --- memory ---------------------------------------------------------------------------------------------- */

static int api_read(u32 linear, void *to, u32 bytes)
{
    return cpu() && guest_read(cpu(), true, linear, to, bytes);
}
static int api_write(u32 linear, const void *from, u32 bytes)
{
    return cpu() && guest_write(cpu(), true, linear, from, bytes);
}
static int api_read_physical(u32 physical, void *to, u32 bytes)
{
    return cpu() && guest_read(cpu(), false, physical, to, bytes);
}
static int api_write_physical(u32 physical, const void *from, u32 bytes)
{
    return cpu() && guest_write(cpu(), false, physical, from, bytes);
}

static int api_string(u32 linear, char *to, u32 room)
{
    u32 n = 0;
    if (!room) return 0;
    while (n + 1 < room) {
        u32 piece = PAGE_BYTES - ((linear + n) & PAGE_MASK);
        if (piece > room - 1 - n) piece = room - 1 - n;
        if (!api_read(linear + n, to + n, piece)) {
            to[n] = 0;
            return 0;
        }
        if (memchr(to + n, 0, piece)) return 1;
        n += piece;
    }
    to[n] = 0;
    return 1;
}

static void *api_ram(u32 linear, u32 *bytes, int write)
{
    Vcpu *c = cpu();
    u32 room = PAGE_BYTES - (linear & PAGE_MASK);
    if (!c || (write && api.ranges == RANGES_MAX)) return NULL;
    Paging pg = cpu_paging(c);
    Walk w = mmu_walk(c->phys, &pg, linear, (write ? WALK_WRITE : 0u) | (c->cpl == 3 ? WALK_USER : 0u));
    u32 pa = w.pa & c->phys->a20_mask;
    if (!w.ok || c->phys->pages[pa >> PAGE_BITS].kind == PAGE_NONE) return NULL;
    if (write && c->phys->pages[pa >> PAGE_BITS].kind != PAGE_RAM) return NULL;
    *bytes = room;
    if (write) api.range[api.ranges++] = (struct Range){pa, room};
    return phys_hp(c->phys, pa);
}

/* --- the call and the machine ---------------------------------------------------------------------------- */

static void api_decline(void) { api.deeds.declined = true; }

static void api_say(const char *text)
{
    char line[LINE_BYTES];
    snprintf(line, sizeof line, "%s", text);
    for (char *s = line; *s; s++)
        if ((u8)*s < ' ' || *s == 0x7f) *s = '?';
    trace_line("%s", line);
}

/* The run loop comes behind the instruction at hand. */
static void leave(Vcpu *c, u32 attention)
{
    cpu_attention(c, attention);
    c->engine->leave(c->engine->ctx);
}

static void api_stop(int code)
{
    Vcpu *c = cpu();
    if (!c) return;
    c->exit_code = code & 0xff;
    c->stop_reason = STOP_DEBUG_EXIT;
    leave(c, ATT_STOP);
}

static void api_pause(void)
{
    if (!cpu()) return;
    api.pause_wanted = true;
    leave(cpu(), ATT_DEBUG);
}

static u64 api_time_ns(void) { return api.pc ? clock_now(machine_clock(api.pc->machine)) : 0; }

static int api_symbol(const char *name, u32 *address) { return symbols_find(name, address); }
static const char *api_symbol_at(u32 address, char *to, u32 room)
{
    symbols_at(address, to, room);
    return to;
}

const Ring3 hook_api = {
    .version = RING3_HOOK_VERSION,
    .bytes = sizeof hook_api,
    .get = api_get,
    .set = api_set,
    .base = api_base,
    .read = api_read,
    .write = api_write,
    .read_physical = api_read_physical,
    .write_physical = api_write_physical,
    .string = api_string,
    .ram = api_ram,
    .decline = api_decline,
    .say = api_say,
    .stop = api_stop,
    .pause = api_pause,
    .time_ns = api_time_ns,
    .symbol = api_symbol,
    .symbol_at = api_symbol_at,
    .on_translate = hook_on_translate,
    .counter = hook_counter,
    .count = hook_count,
    .on_execute = hook_on_execute,
};

void hook_api_attach(Pc *pc) { api.pc = pc; }

void hook_api_begin(bool interrupt)
{
    api.interrupt = interrupt;
    api.deeds = (HookDeeds){0};
    api.ranges = 0;
}

HookDeeds hook_api_end(void)
{
    for (unsigned n = 0; n < api.ranges; n++) phys_written(cpu()->phys, api.range[n].pa, api.range[n].bytes);
    api.ranges = 0;
    return api.deeds;
}

void hook_api_service(Pc *pc)
{
    if (!api.pause_wanted) return;
    api.pause_wanted = false;
    if (!pc->paused) inbox_deliver(&(InboxEvent){.kind = INBOX_STOP});
}
