/* debug.c - debug registers and debug exceptions (SDM vol. 3, chapter 17).
 *
 * Engines know nothing of TF and breakpoints: while either is armed, ATT_TRAP keeps them out and the run loop
 * steps with interp_one(), asking debug_fetch_hit() before and collecting DR6 bits in Vcpu.db_pending after each
 * instruction. Data and I/O accesses report themselves. Pending bits become one #DB trap before the next
 * instruction; DR6 accumulates, as on hardware.
 *
 * Not implemented: exact DR6 for conditions that match but are not enabled; last-branch recording. The reserved length
 * code (2) is taken as 8 bytes, as later processors do.
 */
#include "cpu/breakpoint.h"
#include "cpu/protect.h"

enum { RW_EXEC, RW_WRITE, RW_IO, RW_ACCESS };
enum { DR6_FIXED = 0xffff0ff0u, DR6_WRITABLE = 0xe00f, DR7_FIXED = 0x400, DR7_ZERO = 0xd800 };

static bool is_enabled(const Vcpu *c, unsigned n) { return c->dr[7] >> 2 * n & 3; }
static unsigned bp_kind(const Vcpu *c, unsigned n) { return c->dr[7] >> (16 + 4 * n) & 3; }

static u32 bp_bytes(const Vcpu *c, unsigned n)
{
    unsigned len = c->dr[7] >> (18 + 4 * n) & 3;
    return len == 2 ? 8 : len + 1;
}

/* TF and breakpoints need steps, as does a debugger outside; pending bits need a delivery. */
void debug_update(Vcpu *c)
{
    bool steps = c->breaks && c->breaks->mode != BREAK_RUN;
    bool care = c->eflags & FL_T || c->dr[7] & DR7_ENABLES || c->db_pending || steps;
    if (care == !!(atomic_load(&c->attention) & ATT_TRAP)) return;
    if (care) {
        cpu_attention(c, ATT_TRAP);
        return;
    }
    atomic_fetch_and(&c->attention, ~(u32)ATT_TRAP);
    cpu_poll_update(c);
}

static bool overlaps(const Vcpu *c, unsigned n, u32 at, u32 bytes)
{
    u32 len = bp_bytes(c, n), start = c->dr[n] & ~(len - 1);
    return at - start < len || start - at < bytes;
}

bool debug_fetch_hit(Vcpu *c)
{
    u32 va = c->seg[CS].base + c->eip, hit = 0;
    if (c->eflags & FL_RF) return false;
    for (unsigned n = 0; n < 4; n++)
        if (is_enabled(c, n) && bp_kind(c, n) == RW_EXEC && c->dr[n] == va) hit |= BIT(n);
    c->db_pending |= hit;
    return hit;
}

void debug_data_access(Vcpu *c, u32 va, unsigned bytes, bool write)
{
    if (c->watching) break_data(c, va, bytes, write);
    for (unsigned n = 0; n < 4; n++) {
        unsigned kind = bp_kind(c, n);
        if (is_enabled(c, n) && (kind == RW_ACCESS || (kind == RW_WRITE && write)) &&
            overlaps(c, n, va, bytes))
            c->db_pending |= BIT(n);
    }
}

void debug_io_access(Vcpu *c, u16 port, unsigned bytes)
{
    if (!(c->cr4 & CR4_DE)) return;
    for (unsigned n = 0; n < 4; n++)
        if (is_enabled(c, n) && bp_kind(c, n) == RW_IO && overlaps(c, n, port, bytes))
            c->db_pending |= BIT(n);
}

bool debug_possible(const Vcpu *c)
{
    const u32 pending = DR6_B | DR6_BD | DR6_BS | DR6_BT;
    return (c->dr[6] & ~(u32)DR6_WRITABLE) == DR6_FIXED && !(c->dr[7] & DR7_ZERO) && c->dr[7] & DR7_FIXED &&
           !(c->db_pending & ~pending);
}

/* --- MOV DRn --- */

void debug_fault_on_gd(Vcpu *c)
{
    if (!(c->dr[7] & DR7_GD)) return;
    c->db_pending |= DR6_BD;
    cpu_raise(c, EX_DB);
}

/* DR4 and DR5 are other names of DR6 and DR7, unless debug extensions are on. */
static unsigned dr_number(Vcpu *c, const Insn *i)
{
    if (i->reg != 4 && i->reg != 5) return i->reg;
    if (c->cr4 & CR4_DE) raise_ud(c);
    return i->reg + 2u;
}

void exec_mov_from_dr(Vcpu *c, const Insn *i)
{
    unsigned n = dr_number(c, i);
    debug_fault_on_gd(c);
    c->gpr[i->rm] = c->dr[n];
}

void exec_mov_to_dr(Vcpu *c, const Insn *i)
{
    unsigned n = dr_number(c, i);
    u32 v = c->gpr[i->rm];
    debug_fault_on_gd(c);
    if (n == 6) v = DR6_FIXED | (v & DR6_WRITABLE);
    if (n == 7) v = DR7_FIXED | (v & ~(u32)DR7_ZERO);
    c->dr[n] = v;
    debug_update(c);
}
