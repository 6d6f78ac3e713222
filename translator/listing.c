/* listing.c - what -d in_asm and -d out_asm print for a new block: each guest instruction with its class, and the
 * host code made from it. Disassembly (Capstone) and symbols are the frontend's: it registers xlat_disasm and
 * xlat_symbol. */
#include "cpu/fpu.h"
#include "translator/callout.h"
#include "translator/explain.h"

XlatDisasm *xlat_disasm;
XlatSymbol *xlat_symbol;
void (*xlat_audit)(Xlat *x, const Block *b, u32 eip);

enum { NAME_BYTES = 300 };

static const char *name_of(u32 va, char name[NAME_BYTES])
{
    *name = 0;
    if (xlat_symbol) xlat_symbol(va, name, NAME_BYTES);
    return name;
}

void listing_block(Xlat *x, const Block *b, u32 eip)
{
    if (!xlat_disasm) return;
    fpu_park(x->c);
    char name[NAME_BYTES];
    unsigned bits = b->mode & MODE_CODE32 ? 32 : 16;
    trace_line("block eip %08x pa %08x mode %06x: %u instructions, %u bytes -> %u bytes%s", eip, b->pa,
               (u32)b->mode, b->insns, b->bytes, b->hbytes, name_of(x->cs_base + eip, name));
    for (unsigned n = 0; n < b->insns; n++) {
        ExplainInsn i;
        explain_insn(x, b, n, &i);
        u32 hfrom = b->map[n].host, hto = n + 1 < b->insns ? b->map[n + 1].host : b->hbytes;
        if (trace_mask & TRACE_IN_ASM)
            xlat_disasm(i.cls, i.bytes, i.length, eip + (i.pa - b->pa), bits, x->cs_base);
        if (trace_mask & TRACE_OUT_ASM)
            xlat_disasm("   |", b->hpc + hfrom, hto - hfrom, (u64)(uintptr_t)b->hpc + hfrom, 64, 0);
    }
}

/* As QEMU writes it: where the code is, CS.base, linear address, mode, symbol. */
static u64 exec_line(Vcpu *c, void *block)
{
    const Block *b = block;
    char name[NAME_BYTES];
    u32 va = c->seg[CS].base + c->eip;
    if (!trace_wants(va)) return 0;
    fpu_park(c);
    trace_line("Trace 0: %p [%08x/%08x/%06x]%s", (const void *)b->hpc, c->seg[CS].base, va, (u32)b->mode,
               name_of(va, name));
    fpu_unpark(c);
    return 0;
}

void listing_emit_exec(Tx *t, u32 eip)
{
    /* A block that floats may be anywhere. */
    if (t->floats || trace_wants(t->x->cs_base + eip)) callout_emit_call_at(t, eip, exec_line, t->b);
}
