/* breakpoint.c - see breakpoint.h.
 *
 * Breakpoints are linear addresses, or physical ones. The run loop asks before each instruction that it runs itself,
 * the interpreter before all of them (if there are any), and the translator ends blocks at them (translator/break.c),
 * so that the rest of the guest runs at full speed. Watchpoints are looked at by whatever accesses memory in C;
 * translated code does not reach the pages that hold them.
 *
 * A stop is noted in Breakpoints.stop; ATT_DEBUG brings the run loop to its service hook before the next instruction.
 * Hooks (frontend/hook/hooks.c) are breakpoints at which a function is called, right before the instruction runs, and
 * nothing stops.
 *
 * Resuming at a breakpoint runs one instruction by itself first (BREAK_PASS): otherwise it would be met at once.
 *
 * A breakpoint on an instruction that faults, or on a repeated one that an interrupt divides, is met again when the
 * handler returns to it: the processor is in front of it once more (docs/DEBUG.md). A step does not take interrupts, so that the person stays in the code at hand.
 */
#include "cpu/breakpoint.h"

#include "cpu/protect.h"
#include "mmu/phys.h"

void break_attach(Vcpu *c, Breakpoints *b)
{
    *b = (Breakpoints){0};
    c->breaks = b;
}

/* --- the set --- */

static int order(const Breakpoint *a, const Breakpoint *b)
{
    if (a->va != b->va) return a->va < b->va ? -1 : 1;
    if (a->kind != b->kind) return a->kind < b->kind ? -1 : 1;
    if (a->bytes != b->bytes) return a->bytes < b->bytes ? -1 : 1;
    return a->owner - b->owner;
}

/* The first that is not before p. */
static unsigned place_of(const Breakpoints *b, const Breakpoint *p)
{
    unsigned n = 0;
    while (n < b->count && order(&b->at[n], p) < 0) n++;
    return n;
}

static bool is_at(const Breakpoints *b, unsigned n, const Breakpoint *p)
{
    return n < b->count && !order(&b->at[n], p);
}

bool break_add(Vcpu *c, u32 va, u32 bytes, BreakKind kind, u8 owner)
{
    Breakpoints *b = c->breaks;
    Breakpoint p = {.va = va, .bytes = break_is_data((u8)kind) ? bytes : 1, .kind = (u8)kind, .owner = owner};
    unsigned n = place_of(b, &p);
    if (is_at(b, n, &p)) return true;
    if (b->count == BREAKPOINTS_MAX || !p.bytes || p.bytes > WATCH_BYTES_MAX) return false;
    memmove(&b->at[n + 1], &b->at[n], (b->count - n) * sizeof p);
    b->at[n] = p;
    b->count++;
    return true;
}

static void take_out(Breakpoints *b, unsigned n)
{
    b->count--;
    memmove(&b->at[n], &b->at[n + 1], (b->count - n) * sizeof b->at[0]);
}

bool break_remove(Vcpu *c, u32 va, u32 bytes, BreakKind kind, u8 owner)
{
    Breakpoints *b = c->breaks;
    Breakpoint p = {.va = va, .bytes = break_is_data((u8)kind) ? bytes : 1, .kind = (u8)kind, .owner = owner};
    unsigned n = place_of(b, &p);
    if (!is_at(b, n, &p)) return false;
    take_out(b, n);
    return true;
}

void break_remove_all(Vcpu *c, u8 owner)
{
    for (unsigned n = c->breaks->count; n-- > 0;)
        if (c->breaks->at[n].owner == owner) take_out(c->breaks, n);
}

/* The run loop and the engines look at Vcpu.breaking and Vcpu.watching first. */
void break_apply(Vcpu *c)
{
    const Breakpoints *b = c->breaks;
    bool same = b->count == b->known_count && !memcmp(b->at, b->known, b->count * sizeof b->at[0]);
    c->breaking = c->watching = c->breaks->stops = false;
    for (unsigned n = 0; n < b->count; n++) {
        if (break_is_data(b->at[n].kind))
            c->watching = true;
        else
            c->breaking = true;
        c->breaks->stops |= !break_is_hook(b->at[n].owner);
    }
    if (same) return;
    memcpy(c->breaks->known, b->at, sizeof b->known);
    c->breaks->known_count = b->count;
    c->engine->breaks_changed(c->engine->ctx, c);
}

/* --- running --- */

void break_stand(Vcpu *c)
{
    if (c->breaks) c->breaks->stood = cpu_linear_pc(c);
}

void break_resume(Vcpu *c, bool step)
{
    Breakpoints *b = c->breaks;
    if (!b) return;
    break_apply(c);
    b->stop = (DebugStop){0};
    b->begun = false;
    b->mode = BREAK_RUN;
    if (step) {
        b->mode = BREAK_STEP;
        b->begun = c->halted; /* the next one is the handler's first */
    } else if (c->breaking && !c->halted && b->stood == cpu_linear_pc(c)) {
        b->mode = BREAK_PASS;
    }
    debug_update(c);
}

static void stop(Vcpu *c, DebugStop why)
{
    c->breaks->stop = why;
    break_stand(c);
    cpu_attention(c, ATT_DEBUG);
    c->engine->leave(c->engine->ctx);
}

bool break_hit(Vcpu *c)
{
    const Breakpoints *b = c->breaks;
    u32 va = cpu_linear_pc(c), pa;
    for (unsigned n = 0; n < b->known_count; n++) {
        const Breakpoint *p = &b->known[n];
        if (break_is_hook(p->owner)) continue;
        bool hit = (p->kind == BREAK_EXEC && p->va == va) ||
                   (p->kind == BREAK_PHYSICAL && !((p->va ^ va) & PAGE_MASK) && lin_peek(c, va, &pa) &&
                    (pa & c->phys->a20_mask) == p->va);
        if (!hit) continue;
        stop(c, (DebugStop){.kind = DEBUG_BREAK, .access = (BreakKind)p->kind, .va = p->va});
        return true;
    }
    return false;
}

/* --- hooks --- */

static bool is_hooked(const Breakpoints *b, u32 va)
{
    unsigned low = 0, high = b->known_count;
    while (low < high) {
        unsigned mid = (low + high) / 2;
        if (b->known[mid].va < va)
            low = mid + 1;
        else
            high = mid;
    }
    for (; low < b->known_count && b->known[low].va == va; low++)
        if (b->known[low].kind == BREAK_EXEC && break_is_hook(b->known[low].owner)) return true;
    return false;
}

static bool same_place(const struct BreakPlace *a, const struct BreakPlace *b)
{
    return a->set && b->set && a->va == b->va && a->esp == b->esp && a->cr3 == b->cr3;
}

/* It faulted when it was hooked, and is repeated now. */
static bool comes_again(Breakpoints *b)
{
    for (unsigned n = 0; n < BREAK_AGAIN; n++) {
        if (!same_place(&b->again[n], &b->hooked)) continue;
        b->again[n].set = false;
        return true;
    }
    return false;
}

bool break_hook(Vcpu *c)
{
    Breakpoints *b = c->breaks;
    u32 va = cpu_linear_pc(c);
    if (!b->hook || !is_hooked(b, va)) return false;
    b->hooked = (struct BreakPlace){.va = va, .esp = c->gpr[ESP], .cr3 = c->cr3, .set = true};
    if (comes_again(b)) return false;
    if (!b->hook(b->hook_ctx, c)) return false;
    b->hooked.set = false;
    return true;
}

void break_expect(Vcpu *c, u32 va) { c->engine->break_expected(c->engine->ctx, c, va); }

bool break_before(Vcpu *c, bool at_start)
{
    Breakpoints *b = c->breaks;
    if (b->stop.kind) return true;
    if (likely(b->mode == BREAK_RUN)) return at_start && c->breaking && break_hit(c);
    if (!b->begun) {
        b->begun = true;
        return false;
    }
    bool stepped = b->mode == BREAK_STEP;
    b->mode = BREAK_RUN;
    debug_update(c);
    if (stepped) stop(c, (DebugStop){.kind = DEBUG_STEP, .va = cpu_linear_pc(c)});
    return stepped || (at_start && c->breaking && break_hit(c));
}

bool break_holds(const Vcpu *c) { return c->breaks && c->breaks->mode != BREAK_RUN && !c->halted; }

/* Do two ranges of linear addresses, which may wrap around, meet? */
static bool overlaps(u32 va, u32 bytes, u32 other, u32 other_bytes)
{
    return va - other < other_bytes || other - va < bytes;
}

void break_data(Vcpu *c, u32 va, unsigned bytes, bool write)
{
    const Breakpoints *b = c->breaks;
    if (b->stop.kind) return; /* the first access counts */
    for (unsigned n = 0; n < b->known_count; n++) {
        const Breakpoint *p = &b->known[n];
        if (!break_is_data(p->kind) || p->kind == (write ? BREAK_READ : BREAK_WRITE)) continue;
        if (!overlaps(va, bytes, p->va, p->bytes)) continue;
        stop(c, (DebugStop){.kind = DEBUG_WATCH, .access = (BreakKind)p->kind, .va = p->va});
        return;
    }
}

void break_faulted(Vcpu *c)
{
    Breakpoints *b = c->breaks;
    if (!b) return;
    if (b->stop.kind == DEBUG_WATCH) b->stop = (DebugStop){0};
    if (!b->hooked.set || b->hooked.va != cpu_linear_pc(c)) return;
    b->again[b->next_again] = b->hooked;
    b->next_again = (b->next_again + 1) % BREAK_AGAIN;
}
