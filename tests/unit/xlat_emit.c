/* xlat_emit.c - the emitter against the interpreter: random encodings of every identity row, in every mode and
 * segment form, run on the host and in C from the same state; registers, flags, memory and FPU must agree, and a
 * fault must leave all of them as they were. RING3_EMIT_CASES sets the number of cases, RING3_EMIT_SEED the seed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <capstone/capstone.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/cpu.h"
#include "cpu/fpu.h"
#include "cpu/operand.h"
#include "tests/host_run.h"
#include "tests/insn_gen.h"
#include "translator/operand.h"
#include "translator/xlat.h"

static const u8 class_tested[XC_COUNT] = {[XC_IDENT] = 1, [XC_MEM] = 1, [XC_STACK] = 1, [XC_FPU] = 1};
static bool row_tested(const Row *r)
{
    return class_tested[r->cls] || r->opcode == 0xd7 || r->opcode == 0x82 || (r->opcode & 0xffe7) == 0x0fa3;
}

/* --- one case --- */

typedef struct Case {
    World *w;
    InsnGen gen;
    BlockMode mode;
    MemForm form;
    bool wide, hoist; /* wide guards; r9 has the index, or the base */
    u8 bytes[INSN_GEN_MAX];
    unsigned len;
    Insn insn;
    Vcpu before;
    u8 memory[WORLD_DATA_BYTES];
    /* after the interpreter */
    Vcpu interp;
    u8 interp_memory[WORLD_DATA_BYTES];
    int vector; /* -1: none */
    /* after the host */
    Vcpu host;
    HostResult result;
    u8 *code_end;
} Case;

static Segment segment_flat(unsigned attr) { return (Segment){.base = 0, .limit = ~0u, .attr = attr}; }

static void random_segment(Case *t, int seg)
{
    InsnGen *g = &t->gen;
    u32 attr =
        seg == CS ? 0x9b | (t->mode.code32 ? SEG_DB : 0) : 0x93 | (seg == SS && t->mode.stack32 ? SEG_DB : 0);
    Segment *s = &t->before.seg[seg];
    static const u8 forms[] = {SEGF_FLAT, SEGF_FLAT, SEGF_BASED, SEGF_LIMITED, SEGF_64K};
    u8 form = forms[gen_below(g, ARRAY_LEN(forms))];
    if (t->mode.real) form = gen_below(g, 4) ? SEGF_64K : SEGF_LIMITED;
    if (t->mode.real) attr = 0x93;
    *s = segment_flat(attr);
    s->sel = (u16)gen_random(g);
    t->mode.seg[seg] = form;
    if (form != SEGF_FLAT)
        s->base = gen_below(g, WORLD_LINEAR_BYTES - 0x10000) & (gen_chance(g, 80) ? ~15u : ~0u);
    if (form == SEGF_LIMITED) s->limit = gen_below(g, gen_chance(g, 50) ? 0x100 : 0x10000);
    if (form == SEGF_64K) s->limit = 0xffff;
}

static void random_mode(Case *t)
{
    InsnGen *g = &t->gen;
    memset(&t->mode, 0, sizeof t->mode);
    t->mode.code32 = gen_chance(g, 60);
    t->mode.stack32 = gen_chance(g, 20) ? !t->mode.code32 : t->mode.code32;
    t->mode.real = !t->mode.code32 && !t->mode.stack32 && gen_chance(g, 50);
    t->mode.fpu_ok = 7;
    t->form = gen_chance(g, 60) ? MEM_WINDOW : (MemForm)gen_below(g, MEM_USER + 1);
    t->wide = gen_chance(g, 70);
    t->hoist = t->wide && gen_chance(g, 60);
    for (int seg = 0; seg < SEG_COUNT; seg++) random_segment(t, seg);
    t->before.cr0 = (t->mode.real ? 0 : CR0_PE) | CR0_NE;
    t->before.cr4 = CR4_OSFXSR | CR4_OSXMMEXCPT;
    world_attach(t->w, &t->before);
    g->mode = (DecodeMode){
        .code32 = t->mode.code32, .protected_mode = !t->mode.real, .features = cpu_features_possible()};
    host_features_get();
    host_features.bmi2 = gen_chance(g, 70) && __builtin_cpu_supports("bmi2");
}

/* An offset in `seg` that mostly hits mapped memory, often at an edge of a page or of the limit. */
static u32 random_offset(Case *t, int seg)
{
    InsnGen *g = &t->gen;
    const Segment *s = &t->before.seg[seg];
    u32 linear = gen_below(g, WORLD_LINEAR_BYTES);
    if (gen_chance(g, 25)) linear = (linear & ~(u32)PAGE_MASK) - 8 + gen_below(g, 16);
    if (gen_chance(g, 70)) linear &= ~15u;
    if (s->limit == ~0u) return linear - s->base;
    if (gen_chance(g, 25)) return s->limit - gen_below(g, 18) + 2;
    return gen_below(g, s->limit + 1);
}

static void random_fpu(Case *t)
{
    InsnGen *g = &t->gen;
    FpuImage *f = &t->before.fpu;
    for (unsigned n = 0; n < sizeof f->st + 8 * sizeof f->xmm[0]; n += 4)
        store32((u8 *)f->st + n, gen_value(g));
    for (int n = 0; n < 8; n++) {
        memset(f->st[n] + 10, 0, 6);
        if (gen_chance(g, 80))
            store16(f->st[n] + 8, (u16)(gen_below(g, 2) << 15 | (0x3ff0 + gen_below(g, 32))));
        if (gen_chance(g, 90)) f->st[n][7] |= 0x80;
    }
    f->fcw = gen_chance(g, 70) ? (u16)(0x7f | gen_below(g, 16) << 8) : (u16)(0x40 | (gen_random(g) & 0xf3f));
    f->fsw = (u16)(gen_below(g, 8) << 11 | (gen_random(g) & 0x4700));
    f->ftw = (u8)(gen_chance(g, 60) ? 0xff : gen_random(g));
    f->mxcsr = gen_chance(g, 70) ? 0x1f80 : gen_random(g) & 0xffbf;
}

/* Registers, the memory operand and the stack aimed at something. */
static void random_state(Case *t)
{
    InsnGen *g = &t->gen;
    Vcpu *c = &t->before;
    c->features = cpu_features_possible();
    c->eip = gen_random(g);
    c->eflags = (gen_random(g) & FL_HOST) | 2;
    for (int r = 0; r < 8; r++) c->gpr[r] = gen_value(g);
    c->gpr[ESP] = random_offset(t, SS) + (t->mode.stack32 ? 0 : gen_random(g) << 16);
    c->gpr[EBP] = t->insn.row->opcode == 0xc9 ? random_offset(t, SS) : c->gpr[EBP];
    if (t->insn.is_mem) {
        u32 off = random_offset(t, t->insn.seg);
        insn_gen_aim(g, &t->insn, c->gpr, &off);
    }
    bool bit_string = t->insn.is_mem && (t->insn.row->opcode & 0xffe7) == 0x0fa3, addresses = false;
    for (int r = 0; r < 8; r++)
        addresses |= r == t->insn.reg && (r == t->insn.base || r == t->insn.index || r == ESP);
    if (bit_string && !addresses && gen_chance(g, 80)) c->gpr[t->insn.reg] = gen_below(g, 4096) - 2048;
    if (t->insn.row->opcode == 0xd7) c->gpr[EBX] = random_offset(t, t->insn.seg) - gen_below(g, 256);
    if (t->insn.row->cls == XC_FPU) random_fpu(t);
}

static void run_interp(Case *t)
{
    static Vcpu c; /* outlives the longjmp */
    c = t->before;
    c.next_eip = c.eip + t->insn.len;
    t->vector = -1;
    if (setjmp(c.fault_jmp) == 0)
        x86_exec[t->insn.row->id](&c, &t->insn);
    else
        t->vector = c.fault.vector;
    fpu_park(&c);
    t->interp = c;
    memcpy(t->interp_memory, t->w->data, WORLD_DATA_BYTES);
}

static u8 *put_end(Emit *e)
{
    emit_ret(e);
    u8 *fail = e->at;
    emit_mov_mi32(e, R15, offsetof(Vcpu, exit_arg), 1);
    emit_ret(e);
    return fail;
}

/* --- memory safety: what Capstone sees in emitted code --- */

static csh disassembler;

static bool window_register(x86_reg r)
{
    static const x86_reg ok[] = {X86_REG_INVALID, X86_REG_RAX, X86_REG_RCX, X86_REG_RDX,
                                 X86_REG_RBX,     X86_REG_RBP, X86_REG_RSI, X86_REG_RDI,
                                 X86_REG_R8,      X86_REG_R9,  X86_REG_R14, X86_REG_RIZ};
    for (unsigned n = 0; n < ARRAY_LEN(ok); n++)
        if (ok[n] == r) return true;
    return false;
}

/* [r12 + r64 + disp], and with wide guards a scale; [r9 + r64 + disp] behind a lea of the window and an index; [r8 +
 * disp] in code that calls a table's gate; a field of the Vcpu or a limit check's probe. */
static bool looked_up, hoisted, wide;

static bool operand_safe(const cs_insn *i, const x86_op_mem *m)
{
    const cs_x86 *x = &i->detail->x86;
    bool marked = m->segment == X86_REG_DS && i->bytes[0] == LOAD_TO_STORE;
    if ((m->segment != X86_REG_INVALID && !marked) || x->addr_size != 8) return false;
    if (i->id == X86_INS_MOVZX && (m->base == X86_REG_R10 || m->base == X86_REG_R9) &&
        i->detail->x86.operands[0].reg == X86_REG_R10D)
        return true;
    if (m->base == X86_REG_R12) return (m->scale == 1 || wide) && window_register(m->index);
    if (m->base == X86_REG_R9)
        return hoisted && m->scale == 1 && m->index != X86_REG_R9 && window_register(m->index);
    if (m->base == X86_REG_R8) return looked_up && m->index == X86_REG_INVALID && (u64)m->disp < 32;
    return m->base == X86_REG_R15 && m->index == X86_REG_INVALID && (u64)m->disp < sizeof(Vcpu);
}

/* The only calls are those of the gates. */
static bool gate_called(const cs_insn *i, const u8 *behind)
{
    const u8 *to = behind + (s32)load32(behind - 4);
    looked_up = i->bytes[0] == 0xe8 && to >= xlat_table_read_bmi2 && to <= xlat_table_user_write_plain;
    return looked_up;
}

static bool insn_safe(const cs_insn *i, const u8 *behind)
{
    const cs_detail *d = i->detail;
    const cs_x86_op *o = d->x86.operands;
    if (i->id == X86_INS_LEA && o[0].reg == X86_REG_R9 && o[1].mem.base == X86_REG_R12)
        hoisted = wide && window_register(o[1].mem.index) && o[1].mem.disp == 0;
    else if (d->x86.op_count && o[0].type == X86_OP_REG &&
             (o[0].reg == X86_REG_R9 || o[0].reg == X86_REG_R9D))
        hoisted = false;
    if (i->id == X86_INS_CALL) return gate_called(i, behind);
    for (int n = 0; n < d->regs_read_count + d->regs_write_count; n++)
        if ((n < d->regs_read_count ? d->regs_read[n] : d->regs_write[n - d->regs_read_count]) == X86_REG_RSP)
            return false;
    for (int n = 0; n < d->x86.op_count && i->id != X86_INS_LEA; n++)
        if (d->x86.operands[n].type == X86_OP_MEM && !operand_safe(i, &d->x86.operands[n].mem)) return false;
    return i->id != X86_INS_MASKMOVQ && i->id != X86_INS_MASKMOVDQU;
}

/* Returns the offending instruction's text, or NULL. Capstone stops at what is not valid in 64-bit mode. */
static const char *code_unsafe(const u8 *code, const u8 *end)
{
    static char text[64];
    cs_insn *i = cs_malloc(disassembler);
    size_t left = (size_t)(end - code);
    u64 address = 0;
    text[0] = 0;
    looked_up = hoisted = false;
    while (left && !text[0])
        if (!cs_disasm_iter(disassembler, &code, &left, &address, i))
            strcpy(text, "invalid");
        else if (!insn_safe(i, code))
            snprintf(text, sizeof text, "%.16s %.40s", i->mnemonic, i->op_str);
    cs_free(i, 1);
    return text[0] ? text : NULL;
}

/* --- running it --- */

/* As an operand before may have left it. */
static void hoist(Case *t, Emit *e)
{
    bool two = t->insn.is_mem && t->insn.index != REG_NONE && t->insn.base != REG_NONE && t->insn.adsize == 4;
    if (!t->hoist || !two) return;
    bool base = !t->insn.scale && t->insn.base != ESP && t->insn.modrm & 8;
    e->hoisted = true;
    e->hoist_index = base ? t->insn.base : t->insn.index;
    e->hoist_scale = base ? 0 : t->insn.scale;
    emit_lea64_index(e, R9, HOST_WINDOW, e->hoist_index, e->hoist_scale, 0);
}

static bool emit_case(Case *t)
{
    Emit e = {.at = t->w->code + WORLD_STUB_BYTES, .end = t->w->code + WORLD_CODE_BYTES, .wide = t->wide};
    hoist(t, &e);
    const u8 *start = e.at;
    if (!emit_identity(&e, &t->insn, &t->mode, t->form, t->before.eip + t->insn.len)) {
        assert_ptr_equal(e.at, start);
        return false;
    }
    t->code_end = e.at;
    wide = t->wide;
    const char *unsafe = code_unsafe(t->w->code + WORLD_STUB_BYTES, e.at);
    if (unsafe) fail_msg("%s emits %s", t->insn.row->name, unsafe);
    assert_true(e.at - (t->w->code + WORLD_STUB_BYTES) < EMIT_MAX_INSN);
    put_end(&e);
    return true;
}

static void run_host(Case *t)
{
    memcpy(t->w->data, t->memory, WORLD_DATA_BYTES);
    t->host = t->before;
    host_run(t->w, &t->host, t->w->code + WORLD_STUB_BYTES, t->insn.row->cls == XC_FPU, &t->result);
    for (int r = 0; r < 8; r++) t->host.gpr[r] = (u32)t->result.reg[r];
    t->host.eflags = (u32)t->result.flags & FL_HOST;
}

/* --- showing a case --- */

static void show_code(const u8 *code, size_t bytes, cs_mode mode, const char *title)
{
    csh cs;
    cs_insn *insn;
    cs_open(CS_ARCH_X86, mode, &cs);
    size_t n = cs_disasm(cs, code, bytes, 0, 0, &insn);
    print_message("  %s:", title);
    for (size_t k = 0; k < n; k++)
        print_message("%s %s %s\n", k ? "       " : "", insn[k].mnemonic, insn[k].op_str);
    if (!n) print_message(" ?\n");
    cs_free(insn, n);
    cs_close(&cs);
}

static void show_case(const Case *t)
{
    static const char *const names[] = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};
    const u8 *code = t->w->code + WORLD_STUB_BYTES;
    print_message(
        "code%d stack%d real%d form%d bmi2 %d, vector %d cr2 %x, host outcome %d va %llx write %d fail %d\n",
        t->mode.code32 ? 32 : 16, t->mode.stack32 ? 32 : 16, t->mode.real, t->form, host_features.bmi2,
        t->vector, t->interp.cr2, t->result.outcome, (unsigned long long)t->result.fault_va,
        t->result.fault_write, (int)t->host.exit_arg);
    show_code(t->bytes, t->len, t->mode.code32 ? CS_MODE_32 : CS_MODE_16, "guest");
    show_code(code, (size_t)(t->code_end - code), CS_MODE_64, "host");
    if (t->insn.is_mem)
        print_message("  segment %d form %d base %x limit %x\n", t->insn.seg, t->mode.seg[t->insn.seg],
                      t->before.seg[t->insn.seg].base, t->before.seg[t->insn.seg].limit);
    for (int r = 0; r < 8; r++)
        print_message("  %s %08x: interp %08x host %08llx\n", names[r], t->before.gpr[r], t->interp.gpr[r],
                      (unsigned long long)t->result.reg[r]);
    print_message("  fl  %08x: interp %08x host %08x\n", t->before.eflags, t->interp.eflags, t->host.eflags);
    for (unsigned n = 0; n < WORLD_DATA_BYTES; n++)
        if (t->interp_memory[n] != t->w->data[n])
            print_message("  memory %x: before %02x interp %02x host %02x\n", n, t->memory[n],
                          t->interp_memory[n], t->w->data[n]);
}

#define EXPECT(t, cond)                                                                                      \
    do {                                                                                                     \
        if (!(cond)) {                                                                                       \
            show_case(t);                                                                                    \
            fail_msg("%s", #cond);                                                                           \
        }                                                                                                    \
    } while (0)

/* --- comparing --- */

/* DPPS, DPPD: the steps raise apart from each other (SDM vol. 2), and how far they come beside an unmasked exception is
 * the processor's affair. */
static bool is_dot_product(const Case *t) { return (t->insn.row->opcode & ~1) == 0x3a40; }

static bool is_mmx_store(const Case *t)
{
    return t->insn.row->checks & CK_MMX && fpu_mem_operand(&t->insn) == 0;
}

/* An instruction of MMX and SSE operands that raises #XM may or may not have made the x87 stack an MMX file. */
static void expect_fpu(Case *t, const FpuImage *want)
{
    u16 both = CK_MMX | CK_SSE;
    if (t->vector >= 0 && (t->insn.row->checks & both) == both) return;
    FpuImage a = *want, b = t->host.fpu;
    fpu_copy_pointers(&a, &b);
    bool operand_faults = t->vector == EX_PF || t->vector == EX_GP || t->vector == EX_SS;
    if (operand_faults && is_mmx_store(t)) fpu_set_fsw(&b, b.fsw & (u16) ~(7 << 11)); /* simd_exec.c */
    a.mxcsr_mask = b.mxcsr_mask;
    if (t->vector == EX_XM) a.mxcsr |= FPU_PE, b.mxcsr |= FPU_PE; /* unmasked underflow: inexact or not */
    if (t->vector == EX_XM && is_dot_product(t)) a.mxcsr |= FPU_UE, b.mxcsr |= FPU_UE;
    for (int n = 0; n < 8; n++) memset(a.st[n] + 10, 0, 6), memset(b.st[n] + 10, 0, 6);
    if (memcmp(&a, &b, offsetof(FpuImage, xmm) + 8 * 16) == 0) return;
    for (unsigned n = 0; n < offsetof(FpuImage, xmm) + 8 * 16; n++)
        if (((u8 *)&a)[n] != ((u8 *)&b)[n])
            print_message("  fpu image %u: before %02x interp %02x host %02x\n", n, ((u8 *)&t->before.fpu)[n],
                          ((u8 *)&a)[n], ((u8 *)&b)[n]);
    EXPECT(t, !"the FPU state differs");
}

static void expect_done(Case *t)
{
    u32 flags = FL_HOST & ~t->insn.row->undef;
    EXPECT(t, t->result.outcome == HOST_DONE);
    for (int r = 0; r < 8; r++) EXPECT(t, t->result.reg[r] == t->interp.gpr[r]);
    EXPECT(t, ((t->host.eflags ^ t->interp.eflags) & flags) == 0);
    EXPECT(t, memcmp(t->w->data, t->interp_memory, WORLD_DATA_BYTES) == 0);
    if (t->insn.row->cls == XC_FPU) expect_fpu(t, &t->interp.fpu);
}

/* Nothing is stored before a fault, either; but without paging, where it is the interpreter that then does it all,
 * PUSHA does not look at its far end first. */
static void expect_unchanged(Case *t)
{
    bool open = t->insn.row->opcode == 0x60 && t->mode.unpaged && t->result.outcome != HOST_GP;
    for (int r = 0; r < 8; r++) EXPECT(t, t->result.reg[r] == t->before.gpr[r]);
    EXPECT(t, ((t->host.eflags ^ t->before.eflags) & FL_HOST) == 0);
    if (!open) EXPECT(t, memcmp(t->w->data, t->memory, WORLD_DATA_BYTES) == 0);
}

/* POPA, PUSHA, ENTER and x87 stores of 10 bytes look at both ends in another order than the processor, and one end may
 * lie beyond 4 GiB though the other does not. */
static bool has_two_ends(const Case *t)
{
    u16 op = t->insn.row->opcode;
    bool stores_ten =
        t->insn.is_mem && ((op == 0xdb && t->insn.reg == 7) || (op == 0xdf && t->insn.reg == 6));
    return op == 0x60 || op == 0x61 || op == 0xc8 || stores_ten;
}

static void expect_page_fault(Case *t)
{
    bool two_ends = has_two_ends(t);
    EXPECT(t, t->result.outcome == HOST_SEGV ||
                  (two_ends && (t->result.outcome == HOST_GP || t->result.outcome == HOST_WRAP)));
    if (two_ends) return;
    EXPECT(t, t->result.fault_va >> PAGE_BITS == t->interp.cr2 >> PAGE_BITS);
    EXPECT(t, t->result.fault_write == ((t->interp.fault.error & 2) != 0));
}

/* An x87 store with an unmasked exception stores nothing; whether it still faults on its operand is open: processors
 * differ, and FISTTP from the others. */
static bool store_suppressed(const Case *t)
{
    bool faults = t->vector == EX_PF,
         stopped = t->result.outcome == HOST_SEGV || t->result.outcome == HOST_GP;
    const FpuImage *other = faults ? &t->host.fpu : &t->interp.fpu; /* of the one that went on */
    if ((t->vector >= 0 && !faults) || faults == stopped) return false;
    return t->insn.row->checks & CK_FPU && t->insn.is_mem && other->fsw & FSW_ES;
}

static void compare(Case *t)
{
    u16 op = t->insn.row->opcode;
    bool failed = t->host.exit_arg || t->result.outcome == HOST_GP;
    EXPECT(t, t->result.reg[R13] == WORLD_CONTEXT && t->result.reg[R12] == (u64)t->w->window);
    if (store_suppressed(t)) return;
    if (failed && t->vector < 0) EXPECT(t, op == 0x60 || op == 0x61);
    if (t->vector < 0 && !failed) {
        expect_done(t);
        return;
    }
    if (t->vector == EX_PF)
        expect_page_fault(t);
    else if (t->vector == EX_GP || t->vector == EX_SS)
        EXPECT(t, failed || t->result.outcome == HOST_GP || has_two_ends(t));
    else if (t->vector >= 0)
        EXPECT(t, t->result.outcome == HOST_FPE);
    expect_unchanged(t);
    if (t->vector >= 0 && t->insn.row->cls == XC_FPU) expect_fpu(t, &t->interp.fpu);
}

/* --- the tests --- */

static u64 seed(void)
{
    const char *s = getenv("RING3_EMIT_SEED");
    return s ? strtoull(s, NULL, 0) : 20260101;
}

static unsigned case_count(unsigned otherwise)
{
    const char *s = getenv("RING3_EMIT_CASES");
    return s ? (unsigned)strtoul(s, NULL, 0) : otherwise;
}

static Case *case_new(bool holes)
{
    Case *t = calloc(1, sizeof *t);
    t->w = world_new(holes);
    t->gen.seed = seed();
    t->gen.seg_count = SEG_COUNT;
    t->gen.data_bytes = 0xfff0;
    for (unsigned n = 0; n < WORLD_DATA_BYTES; n += 4) store32(t->w->data + n, gen_value(&t->gen));
    return t;
}

static void case_free(Case *t)
{
    world_free(t->w);
    free(t);
}

/* What the interpreter changed is what the table says (xlat_writes.c), in all modes. */
static void compare_writes(const Case *t)
{
    for (int r = 0; r < 8; r++)
        EXPECT(t, t->interp.gpr[r] == t->before.gpr[r] || insn_written(&t->insn) >> r & 1);
}

/* Returns false if the row has no encoding in this mode or no host form. */
static bool run_case(Case *t, const Row *row)
{
    random_mode(t);
    t->len = insn_gen_row(&t->gen, row, t->bytes, &t->insn);
    if (!t->len) return false;
    random_state(t);
    memcpy(t->memory, t->w->data, WORLD_DATA_BYTES);
    if (!emit_case(t)) return false;
    run_interp(t);
    compare_writes(t);
    run_host(t);
    if (t->result.outcome == HOST_WRAP) { /* as the translator does after such a trap */
        EXPECT(t, !memcmp(t->w->data, t->memory, WORLD_DATA_BYTES));
        EXPECT(t, !memcmp(t->host.gpr, t->before.gpr, sizeof t->before.gpr));
        if (t->form == MEM_WRAP) { /* across 4 GiB: a callout from now on */
            EXPECT(t, has_two_ends(t));
            return true;
        }
        t->form = MEM_WRAP;
        assert_true(emit_case(t));
        run_host(t);
    }
    if (t->result.outcome == HOST_SLOW) { /* the interpreter's */
        EXPECT(t, t->form >= MEM_TABLE && (t->result.straddles || t->vector >= 0));
        EXPECT(t, t->result.straddles || t->vector != EX_PF || has_two_ends(t) ||
                      t->interp.cr2 >> PAGE_BITS == t->result.fault_va >> PAGE_BITS);
        EXPECT(t, !memcmp(t->host.gpr, t->before.gpr, sizeof t->before.gpr));
        EXPECT(t, !((t->result.flags ^ t->before.eflags) & FL_HOST));
        return true;
    }
    compare(t);
    return true;
}

static void run_rows(bool holes, unsigned count)
{
    Case *t = case_new(holes);
    unsigned ran = 0, faults = 0;
    for (unsigned n = 0; n < count;) {
        const Row *row = &x86_rows[gen_below(&t->gen, x86_row_count)];
        if (!row_tested(row)) continue;
        n++;
        if (!run_case(t, row)) continue;
        ran++;
        faults += t->vector >= 0;
    }
    print_message("%u cases ran, %u of them faulted\n", ran, faults);
    assert_true(ran > count / 2);
    case_free(t);
}

static void test_mapped(void **state)
{
    (void)state;
    run_rows(false, case_count(60000));
}

static void test_holes(void **state)
{
    (void)state;
    run_rows(true, case_count(60000));
}

/* Rows whose class promises a host form, and that have none even in flat 32-bit mode. */
static void test_every_row_has_a_form(void **state)
{
    (void)state;
    Case *t = case_new(false);
    char without[1024] = "";
    for (unsigned n = 0; n < x86_row_count; n++) {
        const Row *row = &x86_rows[n];
        bool found = !row_tested(row) || !(cpu_features_possible() >> row->need & 1);
        for (int tries = 0; !found && tries < 200; tries++) found = run_case(t, row);
        if (!found) snprintf(without + strlen(without), sizeof without - strlen(without), "%s ", row->name);
    }
    assert_string_equal(without, host_features_get()->lahf ? "clflush " : "sahf lahf clflush ");
    case_free(t);
}

/* --- the pieces that other files build on --- */

static void begin_piece(Case *t, bool memory_operand)
{
    static const Row *mov;
    for (const Row *r = x86_rows; !mov; r++)
        if (r->opcode == 0x8b) mov = r;
    random_mode(t);
    do t->len = insn_gen_row(&t->gen, mov, t->bytes, &t->insn);
    while (!t->len || t->insn.is_mem != memory_operand);
    random_state(t);
    memcpy(t->memory, t->w->data, WORLD_DATA_BYTES);
}

static void end_piece(Case *t, Emit *e)
{
    t->code_end = e->at;
    put_end(e);
    run_host(t);
}

/* What the interpreter's own functions do, as run_interp(). */
typedef enum Piece { PIECE_PUSH_IMM, PIECE_PUSH_REG, PIECE_POP, PIECE_LINEAR, PIECE_LOAD, PIECES } Piece;
typedef struct PieceArgs {
    Piece what;
    int reg;   /* host register: source or destination */
    u32 value; /* immediate, or what the scratch register holds */
    unsigned bytes;
    u32 extra;
} PieceArgs;

/* Not inline: its caller has a setjmp. */
__attribute__((noinline)) static u32 piece_ea(const Vcpu *c, const Insn *i) { return insn_ea(c, i); }

static u32 piece_reference(Case *t, PieceArgs a)
{
    static Vcpu c;
    static u32 v;
    c = t->before;
    v = 0;
    t->vector = -1;
    u32 off = a.what >= PIECE_LINEAR ? piece_ea(&c, &t->insn) : 0;
    u32 pushed = a.what == PIECE_PUSH_REG && a.reg < R8 ? c.gpr[a.reg] : a.reg == R14 ? c.gpr[ESP] : a.value;
    if (setjmp(c.fault_jmp))
        t->vector = c.fault.vector;
    else if (a.what <= PIECE_PUSH_REG)
        push(&c, pushed, a.bytes);
    else if (a.what == PIECE_POP)
        v = pop(&c, a.bytes), stack_add(&c, (s32)a.extra);
    else if (a.what == PIECE_LINEAR)
        v = seg_linear(&c, t->insn.seg, off, a.bytes, ACC_READ);
    else
        v = mem_read(&c, t->insn.seg, off, a.bytes);
    t->interp = c;
    memcpy(t->interp_memory, t->w->data, WORLD_DATA_BYTES);
    return v;
}

static bool emit_piece(Case *t, Emit *e, PieceArgs a)
{
    if (a.what == PIECE_PUSH_REG && a.reg >= R8 && a.reg != R14) emit_mov_ri32(e, a.reg, a.value);
    switch (a.what) {
    case PIECE_PUSH_IMM: return emit_push_imm(e, a.value, a.bytes, &t->mode, t->form);
    case PIECE_PUSH_REG: return emit_push_reg(e, a.reg, a.bytes, &t->mode, t->form);
    case PIECE_POP: return emit_pop_reg(e, a.reg, a.bytes, a.extra, &t->mode, t->form);
    case PIECE_LINEAR: return emit_linear(e, a.reg, &t->insn, &t->mode, a.bytes);
    default: return emit_load_operand(e, a.reg, &t->insn, &t->mode, t->form, a.bytes);
    }
}

static PieceArgs random_piece(Case *t)
{
    static const u8 regs[] = {RAX, RCX, RDX, RBX, RBP, RSI, RDI, R8, R9, R10, R11, R14};
    InsnGen *g = &t->gen;
    PieceArgs a = {.what = gen_below(g, PIECES), .value = gen_value(g), .bytes = 2u << gen_below(g, 2)};
    a.reg = regs[gen_below(g, a.what == PIECE_PUSH_REG ? ARRAY_LEN(regs) : ARRAY_LEN(regs) - 1)];
    if (gen_chance(g, 50)) a.extra = gen_below(g, 0x10000);
    if (a.what >= PIECE_LINEAR) a.bytes = 1u << gen_below(g, 3);
    return a;
}

static bool host_piece(Case *t, PieceArgs a)
{
    Emit e = {.at = t->w->code + WORLD_STUB_BYTES, .end = t->w->code + WORLD_CODE_BYTES};
    if (!emit_piece(t, &e, a)) return false;
    if (a.what >= PIECE_POP) emit_mov_mr64(&e, R15, offsetof(Vcpu, scratch), a.reg);
    end_piece(t, &e);
    return true;
}

static void run_piece(Case *t)
{
    PieceArgs a = random_piece(t);
    begin_piece(t, a.what >= PIECE_LINEAR);
    u32 v = piece_reference(t, a);
    if (!host_piece(t, a)) return;
    if (t->result.outcome == HOST_WRAP) {
        t->form = MEM_WRAP;
        host_piece(t, a);
    }
    if (t->result.outcome == HOST_SLOW) {
        EXPECT(t, t->form >= MEM_TABLE && (t->result.straddles || t->vector == EX_PF));
        return;
    }
    if (t->vector < 0) {
        EXPECT(t, t->result.outcome == HOST_DONE && !t->host.exit_arg);
        EXPECT(t, a.what < PIECE_POP || t->host.scratch[0] == v);
        EXPECT(t, memcmp(t->w->data, t->interp_memory, WORLD_DATA_BYTES) == 0);
        for (int r = 0; r < 8; r++)
            EXPECT(t, (r == a.reg && a.what >= PIECE_POP) || t->result.reg[r] == t->interp.gpr[r]);
        EXPECT(t, t->host.eflags == (t->before.eflags & FL_HOST));
    } else if (a.what != PIECE_LINEAR || t->vector != EX_PF) {
        EXPECT(t, t->vector == EX_PF ? t->result.outcome == HOST_SEGV
                                     : t->host.exit_arg || t->result.outcome == HOST_GP);
        expect_unchanged(t);
    }
}

static void test_pieces(void **state)
{
    (void)state;
    Case *t = case_new(true);
    for (unsigned n = case_count(30000); n--;) run_piece(t);
    case_free(t);
}

/* --- the plain writers --- */

static void expect_text(Emit *e, u8 *from, const char *text)
{
    cs_insn *i;
    char got[64] = "";
    size_t n = cs_disasm(disassembler, from, (size_t)(e->at - from), 0, 1, &i);
    if (n) snprintf(got, sizeof got, "%.16s %.40s", i[0].mnemonic, i[0].op_str);
    assert_string_equal(got, text);
    assert_int_equal(i[0].size, e->at - from);
    cs_free(i, n);
    e->at = from;
}

static void test_writers(void **state)
{
    (void)state;
    static u8 code[512];
    Emit e = {.at = code, .end = code + sizeof code};
#define WRITES(call, text) (call, expect_text(&e, code, text))
    WRITES(emit_mov_rr32(&e, R14, RDI), "mov r14d, edi");
    WRITES(emit_mov_rr64(&e, RCX, R10), "mov rcx, r10");
    WRITES(emit_mov_ri32(&e, R9, 0x80000000), "mov r9d, 0x80000000");
    WRITES(emit_mov_ri64(&e, RAX, 5), "mov eax, 5");
    WRITES(emit_mov_ri64(&e, R8, 0xffffffff80000000), "mov r8, -0x80000000");
    WRITES(emit_mov_ri64(&e, R13, 0x123456789abcdef0), "movabs r13, 0x123456789abcdef0");
    WRITES(emit_mov_rm32(&e, RAX, R13, 0), "mov eax, dword ptr [r13]");
    WRITES(emit_mov_rm32(&e, R12, RSP, 0), "mov r12d, dword ptr [rsp]");
    WRITES(emit_mov_rm64(&e, RBX, R12, 0x80), "mov rbx, qword ptr [r12 + 0x80]");
    WRITES(emit_mov_rm64(&e, RBX, RBP, -128), "mov rbx, qword ptr [rbp - 0x80]");
    WRITES(emit_mov_mr32(&e, R15, 32, RSI), "mov dword ptr [r15 + 0x20], esi");
    WRITES(emit_mov_mr64(&e, R15, 0x1000, R11), "mov qword ptr [r15 + 0x1000], r11");
    WRITES(emit_mov_mi32(&e, R15, 4, 7), "mov dword ptr [r15 + 4], 7");
    WRITES(emit_lea32(&e, R14, R14, -4), "lea r14d, [r14 - 4]");
    WRITES(emit_lea64(&e, RCX, R8, 0x12345), "lea rcx, [r8 + 0x12345]");
    WRITES(emit_lea64_index(&e, RCX, RAX, RBP, 1, 1), "lea rcx, [rax + rbp*2 + 1]");
    WRITES(emit_not64(&e, R10), "not r10");
    WRITES(emit_movzx16(&e, R8, RSP), "movzx r8d, sp");
    WRITES(emit_bswap64(&e, R10), "bswap r10");
    WRITES(emit_call(&e, code + 0x105), "call 0x105");
    WRITES(emit_jmp(&e, code), "jmp 0");
    WRITES(emit_patch8(emit_jrcxz_hole(&e), code + 0x7f), "jrcxz 0x7f");
    WRITES(emit_patch32(emit_jcc_hole(&e, 5), code), "jne 0");
    WRITES(emit_ret(&e), "ret ");
#undef WRITES
}

static int setup(void **state)
{
    (void)state;
    cs_open(CS_ARCH_X86, CS_MODE_64, &disassembler);
    cs_option(disassembler, CS_OPT_DETAIL, CS_OPT_ON);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writers),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_mapped),
        cmocka_unit_test(test_holes),
        cmocka_unit_test(test_every_row_has_a_form),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
