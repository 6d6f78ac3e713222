/* disasm.h - every disassembly that a person sees, by Capstone: one instruction has one name everywhere, Intel's, with
 * operands in Intel's order. */
#ifndef RING3_DISASM_H
#define RING3_DISASM_H

#include "cpu/base/base.h"

/* disasm_each - n bytes at `addr`, an instruction at a time; what is none comes as single bytes, "(byte)". bits: 16,
 * 32 or 64. For host code. */
typedef void DisasmEach(void *ctx, u64 addr, const u8 *bytes, u32 n, const char *mnemonic,
                        const char *operands);
void disasm_each(const u8 *bytes, u32 n, u64 addr, unsigned bits, DisasmEach *each, void *ctx);

/* disasm_guest - the first guest instruction of n bytes, which is at `eip` of its code segment: "popfd", or
 * "call 0xc0123456 <do_fork>" if symbols.h has a name for that place. cs_base: where the segment begins, without which
 * nothing is named. bits: 16 or 32. Returns its length; 0, and "(byte)": it is none. */
#define CS_BASE_UNKNOWN UINT64_MAX
u32 disasm_guest(const u8 *bytes, u32 n, u32 eip, unsigned bits, u64 cs_base, char *to, size_t room);

/* disasm_trace - n bytes at `addr`, one trace line an instruction, each with the prefix. bits: 16, 32 or 64; 64 is host
 * code, for which cs_base says nothing. Has the form of XlatDisasm (translator/xlat.h). */
void disasm_trace(const char *prefix, const u8 *bytes, u32 n, u64 addr, unsigned bits, u32 cs_base);

#endif
