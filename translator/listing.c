/* listing.c - what -d in_asm and -d out_asm print for a new block: each guest instruction with its class, and the
 * host code made from it. Disassembly is the frontend's (Capstone): it registers xlat_disasm. */
#include "translator/xlat.h"

XlatDisasm *xlat_disasm;

static const char *const class_words[XC_COUNT] = {"IDENT", "MEM", "STACK", "FLOW", "STRING", "FPU",   "SENS",
                                                  "PRIV",  "IO",  "SEG",   "FAR",  "UD",     "INTERP"};

static const char *class_at(const Xlat *x, const Block *b, u32 offset)
{
    DecodeMode dm = {.code32 = !!(b->mode & MODE_CODE32),
                     .protected_mode = !!(b->mode & MODE_PROT),
                     .features = x->c->features};
    Insn i;
    const u8 *hp = phys_hp(x->phys, b->pa + offset);
    return insn_decode(&i, hp, b->bytes - offset, dm) == DECODE_OK ? class_words[i.row->cls] : "-";
}

void listing_block(Xlat *x, const Block *b, u32 eip)
{
    if (!xlat_disasm) return;
    fpu_park(x->c);
    unsigned bits = b->mode & MODE_CODE32 ? 32 : 16;
    trace_line("block eip %08x pa %08x mode %06x: %u instructions, %u bytes -> %u bytes", eip, b->pa,
               (u32)b->mode, b->insns, b->bytes, b->hbytes);
    for (unsigned n = 0; n < b->insns; n++) {
        u32 from = b->map[n].guest, to = n + 1 < b->insns ? b->map[n + 1].guest : b->bytes;
        u32 hfrom = b->map[n].host, hto = n + 1 < b->insns ? b->map[n + 1].host : b->hbytes;
        if (trace_mask & TRACE_IN_ASM) {
            const u8 *hp = phys_hp(x->phys, b->pa + from);
            xlat_disasm(class_at(x, b, from), hp, to - from, eip + from, bits);
        }
        if (trace_mask & TRACE_OUT_ASM)
            xlat_disasm("   |", b->hpc + hfrom, hto - hfrom, (u64)(uintptr_t)b->hpc + hfrom, 64);
    }
}
