/* fpu_host.c - one guest x87, MMX or SSE instruction, run by the host's own.
 *
 * An instruction's host form is its row's prefix and opcode with a ModRM byte in which a memory operand is
 * [rdi] and a general register is EAX (PCMPxSTRx has EAX, ECX and EDX, which it does not name); XMM, MMX and x87
 * registers keep their numbers. Such a snippet is a function of (row, ModRM, immediate) alone, is built once from these
 * fields, never from guest bytes, and lives in a small arena that is mapped twice: writable here, executable there. A
 * full arena is emptied.
 *
 * The host's FPU gets the whole guest state before (FXRSTOR) and yields it afterwards (FXSAVE, FNINIT).
 * Between them runs a single instruction. An x87 exception that it raises only becomes pending, and FXSAVE
 * and FNINIT do not wait: so x87 instructions run with the guest's own masks and the host does exactly what
 * the manual says for masked and unmasked responses, without a signal. An exception that was pending before
 * is hidden while the snippet runs; only instructions that ignore it get here (SSE; x87 under IGNNE#). SSE
 * exceptions fault at once, so the caller masks them.
 *
 * One arena per host thread: no locks, and two machines may run side by side.
 *
 * SDM vol. 1, 8.5-8.6 (x87 exceptions), 8.7.1 (FERR# and IGNNE#); vol. 3, 8.1.3 (cross-modifying code).
 */
#define _GNU_SOURCE
#include "cpu/fpu.h"
#include "cpu/base/host.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* --- operands ------------------------------------------------------------------------------------------- */

static const u8 mem_bytes[O_COUNT] = {
    [O_Ew] = 2, [O_Ed] = 4, [O_Mb] = 1, [O_Mw] = 2,  [O_Md] = 4,  [O_Mq] = 8, [O_Mt] = 10, [O_Mdq] = 16,
    [O_Qd] = 4, [O_Qq] = 8, [O_Ww] = 2, [O_Wss] = 4, [O_Wsd] = 8, [O_Wq] = 8, [O_Wx] = 16,
};

int fpu_mem_operand(const Insn *i)
{
    if (!i->is_mem) return -1;
    for (int n = 0; n < 3; n++)
        if (mem_bytes[i->row->o[n]]) return n;
    return -1;
}

unsigned fpu_mem_bytes(const Insn *i)
{
    int n = fpu_mem_operand(i);
    return n < 0 ? 0 : mem_bytes[i->row->o[n]];
}

static bool is_gpr_reg(u8 o) { return o == O_Gd; }
static bool is_gpr_rm(u8 o) { return o == O_Ed || o == O_Ew; }

int fpu_gpr_operand(const Insn *i)
{
    for (int n = 0; n < 3; n++) {
        u8 o = i->row->o[n];
        if (is_gpr_reg(o) || (is_gpr_rm(o) && !i->is_mem)) return n;
    }
    return -1;
}

/* --- snippets ------------------------------------------------------------------------------------------- */

enum { SNIPPET_BYTES = 16, SNIPPETS = 4096, ARENA_BYTES = SNIPPET_BYTES * SNIPPETS, SLOTS = 2 * SNIPPETS };

static _Thread_local struct Arena {
    u8 *write;
    const u8 *exec;
    unsigned count;
    u32 key[SLOTS]; /* open addressing; 0: free */
    u16 snippet[SLOTS];
} arena;

static void arena_map(void)
{
    int fd = host_memory_open("ring3-fpu", ARENA_BYTES, HOST_MEMORY_CODE);
    CHECK(fd >= 0, "no memory for FPU instructions");
    void *w = host_map_hidden(fd, ARENA_BYTES);
    void *x = mmap(NULL, ARENA_BYTES, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    CHECK(w && x != MAP_FAILED, "the host allows no executable memory");
    close(fd);
    arena.write = w;
    arena.exec = x;
}

void fpu_host_prepare(void)
{
    if (!arena.write) arena_map();
}

static void arena_empty(void)
{
    u32 eax = 0, ecx = 0;
    memset(arena.key, 0, sizeof arena.key);
    arena.count = 0;
    /* What was executed is about to be written through another mapping: serialize. */
    __asm__ volatile("cpuid" : "+a"(eax), "+c"(ecx) : : "ebx", "edx", "memory");
}

static u8 host_modrm(const Insn *i)
{
    unsigned reg = i->reg, rm = i->rm;
    for (int n = 0; n < 3; n++) {
        if (is_gpr_reg(i->row->o[n])) reg = EAX;
        if (is_gpr_rm(i->row->o[n])) rm = EAX;
    }
    return (u8)(i->is_mem ? reg << 3 | EDI : 0xc0 | reg << 3 | rm);
}

static bool has_imm8(const Insn *i) { return i->row->o[1] == O_Ib || i->row->o[2] == O_Ib; }

static void snippet_build(u8 *p, const Insn *i, u8 modrm)
{
    static const u8 prefix[] = {[PFX_66] = 0x66, [PFX_F3] = 0xf3, [PFX_F2] = 0xf2};
    u16 opcode = i->row->opcode;
    CHECK(opcode > 0xff ? opcode != 0x0f05 : opcode >= 0xd8 && opcode <= 0xdf, "row %s is not the FPU's",
          i->row->name);
    if (i->row->pfx > PFX_NP) *p++ = prefix[i->row->pfx];
    p = opcode_put(p, opcode);
    if (i->has_modrm) *p++ = modrm;
    if (has_imm8(i)) *p++ = (u8)i->imm;
    *p = 0xc3;
}

static const u8 *snippet_get(const Insn *i)
{
    u8 modrm = host_modrm(i);
    u32 key = (i->row->id + 1u) << 16 | (u32)modrm << 8 | (has_imm8(i) ? (u8)i->imm : 0);
    u32 slot = key * 0x9e3779b1u >> 19;
    _Static_assert(SLOTS == 1 << 13, "the hash has as many bits");
    fpu_host_prepare();
    for (; arena.key[slot]; slot = (slot + 1) % SLOTS)
        if (arena.key[slot] == key) return arena.exec + arena.snippet[slot] * SNIPPET_BYTES;
    if (arena.count == SNIPPETS) {
        arena_empty();
        slot = key * 0x9e3779b1u >> 19;
    }
    arena.key[slot] = key;
    arena.snippet[slot] = (u16)arena.count;
    snippet_build(arena.write + arena.count * SNIPPET_BYTES, i, modrm);
    return arena.exec + arena.count++ * SNIPPET_BYTES;
}

/* --- running ------------------------------------------------------------------------------------------- */

static void host_call(const u8 *code, HostRun *r)
{
    static const u32 host_mxcsr = MXCSR_INIT;
    u64 flags = (r->eflags & FL_ARITH) | 2, eax = r->gpr, ecx = r->ecx, edx = r->edx;
    /* No snippet touches another register. Behind rsp may be the compiler's red zone. */
    __asm__ volatile("lea -128(%%rsp), %%rsp\n\t"
                     "fxrstor (%[fpu])\n\t"
                     "push %[flags]\n\t"
                     "popfq\n\t"
                     "call *%[code]\n\t"
                     "pushfq\n\t"
                     "pop %[flags]\n\t"
                     "fxsave (%[fpu])\n\t"
                     "fninit\n\t"
                     "ldmxcsr (%[mxcsr])\n\t"
                     "lea 128(%%rsp), %%rsp"
                     : [flags] "+r"(flags), "+a"(eax), "+c"(ecx), "+d"(edx)
                     : [code] "r"(code), [fpu] "r"(&r->fpu), "D"(r->mem), [mxcsr] "r"(&host_mxcsr)
                     : "memory", "cc");
    r->eflags = (r->eflags & ~(u32)FL_ARITH) | ((u32)flags & FL_ARITH);
    r->gpr = (u32)eax;
    r->ecx = (u32)ecx;
}

void fpu_host_run(const Insn *i, HostRun *r)
{
    FpuImage pointers;
    u16 fcw = r->fpu.fcw;
    bool pending = fpu_has_error(&r->fpu);
    fpu_copy_pointers(&pointers, &r->fpu);
    r->fpu.mxcsr &= 0xffff; /* a reserved bit would be a fault of ours */
    if (pending) {
        r->fpu.fcw |= FPU_EXCEPTIONS;
        r->fpu.fsw &= (u16) ~(FSW_ES | FSW_B);
    }
    host_call(snippet_get(i), r);
    if (pending) {
        r->fpu.fcw = fcw;
        fpu_update_summary(&r->fpu);
    }
    fpu_copy_pointers(&r->fpu, &pointers);
}
