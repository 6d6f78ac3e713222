/* disasm.c - see disasm.h. */
#include "frontend/disasm.h"

#include <capstone/capstone.h>
#include <stdio.h>

static csh open_mode(unsigned bits)
{
    static csh handles[3];
    csh *h = &handles[bits == 16 ? 0 : bits == 32 ? 1 : 2];
    cs_mode mode = bits == 16 ? CS_MODE_16 : bits == 32 ? CS_MODE_32 : CS_MODE_64;
    if (!*h && cs_open(CS_ARCH_X86, mode, h) != CS_ERR_OK) *h = 0;
    return *h;
}

static void line(const char *prefix, u64 addr, const u8 *bytes, u32 n, const char *mnemonic,
                 const char *operands)
{
    char hex[2 * 16 + 1] = "";
    for (u32 i = 0; i < n && i < 16; i++) snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
    trace_line("%-6s %8llx  %-24s %s %s", prefix, (unsigned long long)addr, hex, mnemonic, operands);
}

void disasm_trace(const char *prefix, const u8 *bytes, u32 n, u64 addr, unsigned bits)
{
    csh h = open_mode(bits);
    const u8 *code = bytes;
    size_t left = n;
    cs_insn *insn = h ? cs_malloc(h) : NULL;
    while (left) {
        const u8 *at = code;
        u64 from = addr;
        if (insn && cs_disasm_iter(h, &code, &left, &addr, insn)) {
            line(prefix, from, at, insn->size, insn->mnemonic, insn->op_str);
        } else {
            line(prefix, addr++, code++, 1, "(byte)", "");
            left--;
        }
    }
    if (insn) cs_free(insn, 1);
}
