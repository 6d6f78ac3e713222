/* gdb_registers.c - see gdb_registers.h.
 *
 * One table makes the target description and the layout of the packets g, G, p and P. Its first two features are gdb's
 * own (GDB manual, "i386 Features"), in the order that gdb expects; the third is ring3's: control registers, bases and
 * limits of segments and tables. Groups are not described: gdb has its own for i386, where the third's are `general`.
 *
 * gdb knows one kind of address and one program counter. So its `eip` is the *linear* address CS.base + EIP:
 * breakpoints, disassembly and symbols then are right in real mode, V86 mode and segments of any base. The offset in
 * the segment is in `eip_offset`. `esp` is the register itself: `x/8xh $ss_base+$sp` shows the stack.
 *
 * The description names 16-bit code's architecture (i8086) if the processor is in such code when gdb asks, which is
 * once: then gdb disassembles that. With a file of symbols gdb takes the file's; docs/ring3.gdb switches at each
 * stop, which it could not if the description named i386.
 *
 * What can be written: general registers, eip, the flags but VM, RF, VIF and VIP, FPU and SSE state, and (in real and
 * V86 mode) segment registers, as a MOV would load them. In protected mode a selector stands for a descriptor, and a
 * load may fault; control registers have checks of their own. Those are the guest's business.
 */
#include "frontend/debug/gdb_registers.h"

#include <stdarg.h>
#include <stdio.h>

#include "cpu/fpu.h"

typedef enum RegKind {
    REG_GPR,
    REG_EIP,
    REG_EFLAGS,
    REG_SEG,
    REG_ST,
    REG_FPU,
    REG_XMM,
    REG_MXCSR,
    REG_BASE, /* from here on: to be read only */
    REG_LIMIT,
    REG_WORD,
    REG_EIP_OFFSET,
    REG_CPL,
    REG_CODE_BITS,
} RegKind;
enum { FPU_FCTRL, FPU_FSTAT, FPU_FTAG, FPU_FISEG, FPU_FIOFF, FPU_FOSEG, FPU_FOOFF, FPU_FOP };

typedef struct Reg {
    const char *name, *type;
    u8 bits;
    RegKind kind;
    u32 which; /* number of its kind; REG_WORD: where it is in the Vcpu */
} Reg;

#define GPR(name, type, n)                                                                                   \
    {                                                                                                        \
        name, type, 32, REG_GPR, n                                                                           \
    }
#define SEG(name, n)                                                                                         \
    {                                                                                                        \
        name, "int32", 32, REG_SEG, n                                                                        \
    }
#define ST(n)                                                                                                \
    {                                                                                                        \
        "st" #n, "i387_ext", 80, REG_ST, n                                                                   \
    }
#define FPU(name, n)                                                                                         \
    {                                                                                                        \
        name, "int", 32, REG_FPU, n                                                                          \
    }
#define XMM(n)                                                                                               \
    {                                                                                                        \
        "xmm" #n, "vec128", 128, REG_XMM, n                                                                  \
    }
#define BASE(name, n)                                                                                        \
    {                                                                                                        \
        name, "data_ptr", 32, REG_BASE, n                                                                    \
    }
#define LIMIT(name, n)                                                                                       \
    {                                                                                                        \
        name, "uint32", 32, REG_LIMIT, n                                                                     \
    }
#define WORD(name, type, f)                                                                                  \
    {                                                                                                        \
        name, type, 32, REG_WORD, offsetof(Vcpu, f)                                                          \
    }

/* clang-format off */
static const Reg core[] = {
    GPR("eax", "int32", EAX), GPR("ecx", "int32", ECX), GPR("edx", "int32", EDX), GPR("ebx", "int32", EBX),
    GPR("esp", "data_ptr", ESP), GPR("ebp", "data_ptr", EBP), GPR("esi", "int32", ESI), GPR("edi", "int32", EDI),
    {"eip", "code_ptr", 32, REG_EIP, 0}, {"eflags", "eflags", 32, REG_EFLAGS, 0},
    SEG("cs", CS), SEG("ss", SS), SEG("ds", DS), SEG("es", ES), SEG("fs", FS), SEG("gs", GS),
    ST(0), ST(1), ST(2), ST(3), ST(4), ST(5), ST(6), ST(7),
    FPU("fctrl", FPU_FCTRL), FPU("fstat", FPU_FSTAT), FPU("ftag", FPU_FTAG), FPU("fiseg", FPU_FISEG),
    FPU("fioff", FPU_FIOFF), FPU("foseg", FPU_FOSEG), FPU("fooff", FPU_FOOFF), FPU("fop", FPU_FOP),
};
static const Reg sse[] = {
    XMM(0), XMM(1), XMM(2), XMM(3), XMM(4), XMM(5), XMM(6), XMM(7), {"mxcsr", "int32", 32, REG_MXCSR, 0},
};
enum { GDTR = SEG_COUNT, IDTR, LDTR, TR };
static const Reg system_regs[] = {
    WORD("cr0", "cr0", cr0), WORD("cr2", "data_ptr", cr2), WORD("cr3", "int32", cr3), WORD("cr4", "cr4", cr4),
    BASE("cs_base", CS), BASE("ss_base", SS), BASE("ds_base", DS), BASE("es_base", ES), BASE("fs_base", FS), BASE("gs_base", GS),
    LIMIT("cs_limit", CS), LIMIT("ss_limit", SS), LIMIT("ds_limit", DS), LIMIT("es_limit", ES), LIMIT("fs_limit", FS), LIMIT("gs_limit", GS),
    BASE("gdt", GDTR), LIMIT("gdt_limit", GDTR), BASE("idt", IDTR), LIMIT("idt_limit", IDTR),
    {"ldtr", "int32", 32, REG_SEG, LDTR}, BASE("ldt", LDTR), LIMIT("ldt_limit", LDTR),
    {"tr", "int32", 32, REG_SEG, TR}, BASE("tss", TR), LIMIT("tss_limit", TR),
    WORD("efer", "int32", efer),
    WORD("dr0", "data_ptr", dr[0]), WORD("dr1", "data_ptr", dr[1]), WORD("dr2", "data_ptr", dr[2]), WORD("dr3", "data_ptr", dr[3]),
    WORD("dr6", "int32", dr[6]), WORD("dr7", "int32", dr[7]),
    {"eip_offset", "int32", 32, REG_EIP_OFFSET, 0}, {"cpl", "int32", 32, REG_CPL, 0}, {"code_bits", "int32", 32, REG_CODE_BITS, 0},
};

typedef struct Field { const char *name; u8 bit, last; } Field;
static const Field eflags_fields[] = {
    {"CF", 0, 0}, {"", 1, 1}, {"PF", 2, 2}, {"AF", 4, 4}, {"ZF", 6, 6}, {"SF", 7, 7}, {"TF", 8, 8}, {"IF", 9, 9}, {"DF", 10, 10}, {"OF", 11, 11},
    {"NT", 14, 14}, {"RF", 16, 16}, {"VM", 17, 17}, {"AC", 18, 18}, {"VIF", 19, 19}, {"VIP", 20, 20}, {"ID", 21, 21}, {0},
};
static const Field cr0_fields[] = {
    {"PE", 0, 0}, {"MP", 1, 1}, {"EM", 2, 2}, {"TS", 3, 3}, {"ET", 4, 4}, {"NE", 5, 5}, {"WP", 16, 16}, {"AM", 18, 18}, {"NW", 29, 29}, {"CD", 30, 30},
    {"PG", 31, 31}, {0},
};
static const Field cr4_fields[] = {
    {"VME", 0, 0}, {"PVI", 1, 1}, {"TSD", 2, 2}, {"DE", 3, 3}, {"PSE", 4, 4}, {"PAE", 5, 5}, {"MCE", 6, 6}, {"PGE", 7, 7}, {"PCE", 8, 8},
    {"OSFXSR", 9, 9}, {"OSXMMEXCPT", 10, 10}, {"UMIP", 11, 11}, {"SMEP", 20, 20}, {"SMAP", 21, 21}, {0},
};
/* clang-format on */

enum { CORE = ARRAY_LEN(core), SSE = ARRAY_LEN(sse), SYSTEM = ARRAY_LEN(system_regs) };

static const Reg *reg_get(unsigned n)
{
    return n < CORE ? &core[n] : n < CORE + SSE ? &sse[n - CORE] : &system_regs[n - CORE - SSE];
}

unsigned gdb_register_count(void) { return CORE + SSE + SYSTEM; }
unsigned gdb_register_bytes(unsigned n) { return reg_get(n)->bits / 8u; }

/* --- reading --------------------------------------------------------------------------------------------- */

static u32 fpu_read(const FpuImage *f, unsigned which)
{
    switch (which) {
    case FPU_FCTRL: return f->fcw;
    case FPU_FSTAT: return f->fsw;
    case FPU_FTAG: return fpu_tag_word(f);
    case FPU_FISEG: return f->fcs;
    case FPU_FIOFF: return f->fip;
    case FPU_FOSEG: return f->fds;
    case FPU_FOOFF: return f->fdp;
    default: return f->fop;
    }
}

static const Segment *segment_of(const Vcpu *c, u32 which)
{
    return which == LDTR ? &c->ldtr : which == TR ? &c->tr : &c->seg[which];
}

static u32 base_of(const Vcpu *c, u32 which)
{
    return which == GDTR ? c->gdtr.base : which == IDTR ? c->idtr.base : segment_of(c, which)->base;
}

static u32 limit_of(const Vcpu *c, u32 which)
{
    return which == GDTR ? c->gdtr.limit : which == IDTR ? c->idtr.limit : segment_of(c, which)->limit;
}

static u32 word_read(const Vcpu *c, const Reg *r)
{
    switch (r->kind) {
    case REG_GPR: return c->gpr[r->which];
    case REG_EIP: return c->seg[CS].base + c->eip;
    case REG_EFLAGS: return c->eflags;
    case REG_SEG: return segment_of(c, r->which)->sel;
    case REG_FPU: return fpu_read(&c->fpu, r->which);
    case REG_MXCSR: return c->fpu.mxcsr;
    case REG_BASE: return base_of(c, r->which);
    case REG_LIMIT: return limit_of(c, r->which);
    case REG_WORD: return load32((const u8 *)c + r->which);
    case REG_EIP_OFFSET: return c->eip;
    case REG_CPL: return c->cpl;
    default: return cpu_code32(c) ? 32 : 16;
    }
}

void gdb_register_read(const Vcpu *c, unsigned n, u8 to[GDB_REGISTER_BYTES])
{
    const Reg *r = reg_get(n);
    memset(to, 0, GDB_REGISTER_BYTES);
    if (r->kind == REG_ST)
        memcpy(to, c->fpu.st[r->which], 10);
    else if (r->kind == REG_XMM)
        memcpy(to, c->fpu.xmm[r->which], 16);
    else
        store32(to, word_read(c, r));
}

/* --- writing --------------------------------------------------------------------------------------------- */

/* As if it had always been there: nothing of the instruction that was next is left. */
static void set_eip(Vcpu *c, u32 linear)
{
    c->eip = c->next_eip = linear - c->seg[CS].base;
    c->halted = c->inhibit = 0;
    c->rep_stopped = false;
}

static void fpu_write(FpuImage *f, unsigned which, u32 v)
{
    switch (which) {
    case FPU_FCTRL: fpu_set_fcw(f, (u16)v); return;
    case FPU_FSTAT: fpu_set_fsw(f, (u16)v); return;
    case FPU_FTAG: f->ftw = fpu_tag_byte((u16)v); return;
    case FPU_FISEG: f->fcs = (u16)v; return;
    case FPU_FIOFF: f->fip = v; return;
    case FPU_FOSEG: f->fds = (u16)v; return;
    case FPU_FOOFF: f->fdp = v; return;
    default: f->fop = (u16)(v & 0x7ff); return;
    }
}

static bool set_segment(Vcpu *c, u32 which, u32 v)
{
    if (which >= SEG_COUNT || v > 0xffff || (cpu_protected(c) && !cpu_v86(c))) return false;
    seg_load_real(c, (int)which, (u16)v);
    return true;
}

/* VM stands for another kind of segments. */
static bool set_flags(Vcpu *c, u32 v)
{
    if ((v ^ c->eflags) & FL_VM) return false;
    eflags_write(c, v, FL_ARITH | FL_T | FL_I | FL_D | FL_IOPL | FL_NT | FL_AC | FL_ID);
    return true;
}

static bool word_write(Vcpu *c, const Reg *r, u32 v)
{
    switch (r->kind) {
    case REG_GPR: c->gpr[r->which] = v; return true;
    case REG_EIP: set_eip(c, v); return true;
    case REG_EFLAGS: return set_flags(c, v);
    case REG_SEG: return set_segment(c, r->which, v);
    case REG_FPU: fpu_write(&c->fpu, r->which, v); return true;
    case REG_MXCSR: c->fpu.mxcsr = v & fpu_mxcsr_mask(c); return true;
    default: return false;
    }
}

bool gdb_register_write(Vcpu *c, unsigned n, const u8 from[GDB_REGISTER_BYTES])
{
    const Reg *r = reg_get(n);
    if (r->kind == REG_ST)
        memcpy(c->fpu.st[r->which], from, 10);
    else if (r->kind == REG_XMM)
        memcpy(c->fpu.xmm[r->which], from, 16);
    else
        return load32(from) == word_read(c, r) || word_write(c, r, load32(from));
    return true;
}

/* --- the description ------------------------------------------------------------------------------------- */

enum { XML_BYTES = 12288 };
typedef struct Xml {
    char text[XML_BYTES];
    u32 n;
} Xml;

static void PRINTF(2, 3) put(Xml *x, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    x->n += (u32)vsnprintf(x->text + x->n, sizeof x->text - x->n, fmt, ap);
    va_end(ap);
    CHECK(x->n < sizeof x->text, "the target description is longer than %d bytes", XML_BYTES);
}

static void put_flags(Xml *x, const char *id, const Field *f)
{
    put(x, "<flags id=\"%s\" size=\"4\">", id);
    for (; f->name; f++) put(x, "<field name=\"%s\" start=\"%u\" end=\"%u\"/>", f->name, f->bit, f->last);
    put(x, "</flags>\n");
}

static void put_registers(Xml *x, const Reg *r, unsigned count)
{
    for (; count; count--, r++)
        put(x, "<reg name=\"%s\" bitsize=\"%u\" type=\"%s\"/>\n", r->name, r->bits, r->type);
    put(x, "</feature>\n");
}

static void put_vector(Xml *x, const char *id, const char *of, unsigned count)
{
    put(x, "<vector id=\"%s\" type=\"%s\" count=\"%u\"/>\n", id, of, count);
}

static void put_sse_types(Xml *x)
{
    put_vector(x, "v4f", "ieee_single", 4);
    put_vector(x, "v2d", "ieee_double", 2);
    put_vector(x, "v16i8", "int8", 16);
    put_vector(x, "v8i16", "int16", 8);
    put_vector(x, "v4i32", "int32", 4);
    put_vector(x, "v2i64", "int64", 2);
    put(x,
        "<union id=\"vec128\"><field name=\"v4_float\" type=\"v4f\"/><field name=\"v2_double\" type=\"v2d\"/>"
        "<field name=\"v16_int8\" type=\"v16i8\"/><field name=\"v8_int16\" type=\"v8i16\"/>"
        "<field name=\"v4_int32\" type=\"v4i32\"/><field name=\"v2_int64\" type=\"v2i64\"/>"
        "<field name=\"uint128\" type=\"uint128\"/></union>\n");
}

static void describe(Xml *x, bool code16)
{
    x->n = 0;
    put(x,
        "<?xml version=\"1.0\"?>\n<!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n<target>\n"
        "%s<osabi>none</osabi>\n<feature name=\"org.gnu.gdb.i386.core\">\n",
        code16 ? "<architecture>i8086</architecture>\n" : "");
    put_flags(x, "eflags", eflags_fields);
    put_registers(x, core, CORE);
    put(x, "<feature name=\"org.gnu.gdb.i386.sse\">\n");
    put_sse_types(x);
    put_registers(x, sse, SSE);
    put(x, "<feature name=\"org.ring3.i386.system\">\n");
    put_flags(x, "cr0", cr0_fields);
    put_flags(x, "cr4", cr4_fields);
    put_registers(x, system_regs, SYSTEM);
    put(x, "</target>\n");
}

const char *gdb_target_xml(const Vcpu *c)
{
    static Xml xml;
    describe(&xml, !cpu_code32(c));
    return xml.text;
}
