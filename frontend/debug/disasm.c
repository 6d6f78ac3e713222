/* disasm.c - see disasm.h. */
#include "frontend/debug/disasm.h"

#include <capstone/capstone.h>
#include <stdio.h>
#include <stdlib.h>

#include "frontend/debug/symbols.h"

static csh open_mode(unsigned bits)
{
    static csh handles[3];
    csh *h = &handles[bits == 16 ? 0 : bits == 32 ? 1 : 2];
    cs_mode mode = bits == 16 ? CS_MODE_16 : bits == 32 ? CS_MODE_32 : CS_MODE_64;
    if (!*h && cs_open(CS_ARCH_X86, mode, h) != CS_ERR_OK) *h = 0;
    return *h;
}

void disasm_each(const u8 *bytes, u32 n, u64 addr, unsigned bits, DisasmEach *each, void *ctx)
{
    csh h = open_mode(bits);
    const u8 *code = bytes;
    size_t left = n;
    cs_insn *insn = h ? cs_malloc(h) : NULL;
    while (left) {
        const u8 *at = code;
        u64 from = addr;
        if (insn && cs_disasm_iter(h, &code, &left, &addr, insn)) {
            each(ctx, from, at, insn->size, insn->mnemonic, insn->op_str);
        } else {
            each(ctx, addr++, code++, 1, "(byte)", "");
            left--;
        }
    }
    if (insn) cs_free(insn, 1);
}

/* --- guest instructions ---------------------------------------------------------------------------------- */

/* Operands without "ptr", which says nothing that "dword" does not. */
static size_t put_operands(char *to, size_t room, const char *operands)
{
    size_t n = 0;
    for (const char *at = operands; *at && n + 1 < room; at++) {
        if (!strncmp(at, "ptr ", 4))
            at += 3;
        else
            to[n++] = *at;
    }
    to[n] = 0;
    return n;
}

/* " <name>" of where a near jump, LOOP or call with an immediate goes. */
static void put_target(char *to, size_t room, u64 cs_base, const char *mnemonic, const char *operands)
{
    char name[SYMBOL_TEXT], *end;
    bool branches = *mnemonic == 'j' || !strcmp(mnemonic, "call") || !strncmp(mnemonic, "loop", 4);
    if (!branches || cs_base == CS_BASE_UNKNOWN || *operands < '0' || *operands > '9') return;
    u32 offset = (u32)strtoul(operands, &end, 0);
    if (*end || !symbols_at((u32)cs_base + offset, name, sizeof name)) return; /* "8:0x1234" is a far one */
    snprintf(to, room, " <%s>", name);
}

u32 disasm_guest(const u8 *bytes, u32 n, u32 eip, unsigned bits, u64 cs_base, char *to, size_t room)
{
    csh h = open_mode(bits);
    cs_insn *insn = h ? cs_malloc(h) : NULL;
    u64 addr = eip;
    size_t left = n, used;
    u32 length = 0;
    snprintf(to, room, "(byte)");
    if (insn && cs_disasm_iter(h, &bytes, &left, &addr, insn)) {
        length = insn->size;
        used = (size_t)snprintf(to, room, "%s%s", insn->mnemonic, *insn->op_str ? " " : "");
        if (used < room) used += put_operands(to + used, room - used, insn->op_str);
        if (used < room) put_target(to + used, room - used, cs_base, insn->mnemonic, insn->op_str);
    }
    if (insn) cs_free(insn, 1);
    return length;
}

/* --- traces ---------------------------------------------------------------------------------------------- */

static void trace_one(const char *prefix, u64 addr, const u8 *bytes, u32 n, const char *text)
{
    char hex[2 * 16 + 1] = "";
    for (u32 i = 0; i < n && i < 16; i++) snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
    trace_line("%-6s %8llx  %-24s %s", prefix, (unsigned long long)addr, hex, text);
}

static void trace_host(void *prefix, u64 addr, const u8 *bytes, u32 n, const char *mnemonic,
                       const char *operands)
{
    char text[200];
    snprintf(text, sizeof text, "%s %s", mnemonic, operands);
    trace_one(prefix, addr, bytes, n, text);
}

void disasm_trace(const char *prefix, const u8 *bytes, u32 n, u64 addr, unsigned bits, u32 cs_base)
{
    char text[200];
    if (bits == 64) {
        disasm_each(bytes, n, addr, bits, trace_host, (void *)(uintptr_t)prefix);
        return;
    }
    for (u32 at = 0, length; at < n; at += length) {
        length = disasm_guest(bytes + at, n - at, (u32)addr + at, bits, cs_base, text, sizeof text);
        if (!length) length = 1;
        trace_one(prefix, addr + at, bytes + at, length, text);
    }
}
