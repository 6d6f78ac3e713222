/* disasm.h - every disassembly that a person sees, by Capstone. */
#ifndef RING3_DISASM_H
#define RING3_DISASM_H

#include "cpu/base.h"

/* disasm_trace - n bytes at `addr`, one trace line an instruction, each with the prefix. bits: 16, 32 or 64. What is
 * no instruction is listed as bytes. Has the form of XlatDisasm (translator/xlat.h). */
void disasm_trace(const char *prefix, const u8 *bytes, u32 n, u64 addr, unsigned bits);

#endif
