/* lockstep_program.c - see lockstep_program.h. Items are appended one after the other; jumps name labels, which are
 * patched in at the end. */
#include "tests/lockstep_program.h"

#include <string.h>

#include "cpu/vcpu.h"
#include "mmu/walk.h"

const FlavourTraits flavours[FLAVOURS] = {
    [FLAT32_RING0] = {"flat 32-bit ring 0", .code32 = 1, .stack32 = 1, .flat = 1, .paging = 1,
                      .protected_mode = 1},
    [FLAT32_RING3] = {"flat 32-bit ring 3", .code32 = 1, .stack32 = 1, .flat = 1, .paging = 1,
                      .protected_mode = 1, .ring = 3},
    [PROT32_STACK16] = {"32-bit code, 16-bit stack", .code32 = 1, .protected_mode = 1},
    [PROT16] = {"16-bit protected", .protected_mode = 1},
    [PROT16_RING3] = {"16-bit protected ring 3", .paging = 1, .protected_mode = 1, .ring = 3},
    [REAL] = {"real"},
    [V86] = {"V86", .paging = 1, .ring = 3, .v86 = 1},
};

enum { SHORT, NEAR, ABSOLUTE };
typedef struct Fix {
    u16 pos;
    u8 kind, label;
} Fix;

typedef struct Prog {
    InsnGen *g;
    Case *k;
    const FlavourTraits *f;
    u16 label[PROGRAM_LABELS]; /* offsets in code; 0xffff: not placed yet */
    unsigned labels;
    Fix fix[256];
    unsigned fixes;
    unsigned vars, depth, first_function; /* functions from first_function on may be called */
    u8 functions[3], function_count;
} Prog;

/* ---- bytes, labels, variables ---- */

static bool full(const Prog *p)
{
    return p->k->bytes > PROGRAM_ROOM - 256 || p->fixes > 240 || p->labels > PROGRAM_LABELS - 8;
}

static void put(Prog *p, const void *b, unsigned n)
{
    memcpy(p->k->code + p->k->bytes, b, n);
    p->k->bytes += n;
}

static void put8(Prog *p, u32 v) { p->k->code[p->k->bytes++] = (u8)v; }
static void put16(Prog *p, u32 v) { put(p, &v, 2); }
static void putv(Prog *p, u32 v) { put(p, &v, p->f->code32 ? 4 : 2); }

static u8 label_new(Prog *p)
{
    p->label[p->labels] = 0xffff;
    return (u8)p->labels++;
}
static void label_here(Prog *p, u8 l) { p->label[l] = (u16)p->k->bytes; }

static void put_fix(Prog *p, u8 kind, u8 label)
{
    p->fix[p->fixes++] = (Fix){(u16)p->k->bytes, kind, label};
    if (kind == SHORT)
        put8(p, 0);
    else
        putv(p, 0);
}

static u32 offset_of(const Prog *p, unsigned pos) { return (p->f->flat ? CODE : 0) + p->k->at + pos; }
static u32 var_offset(const Prog *p, unsigned n) { return (p->f->flat ? VARS : VARS - CODE) + 4 * n; }

/* FS: op /digit [offset] */
static void put_at_fs(Prog *p, u8 op, unsigned digit, u32 off)
{
    put8(p, 0x64);
    put8(p, op);
    put8(p, digit << 3 | (p->f->code32 ? 5 : 6));
    putv(p, off);
}

static void put_mov(Prog *p, unsigned reg, u32 v)
{
    put8(p, 0xb8 + reg);
    putv(p, v);
}

static void put_mov_label(Prog *p, unsigned reg, u8 label)
{
    put8(p, 0xb8 + reg);
    put_fix(p, ABSOLUTE, label);
}

static void patch(Prog *p)
{
    unsigned n = p->f->code32 ? 4 : 2;
    for (unsigned i = 0; i < p->fixes; i++) {
        Fix x = p->fix[i];
        u32 to = p->label[x.label], v = to - (x.pos + (x.kind == SHORT ? 1 : n));
        if (x.kind == ABSOLUTE) v = offset_of(p, to);
        if (x.kind == SHORT && (s32)v != (s8)v) v = 0; /* too far: it goes on behind itself */
        memcpy(p->k->code + x.pos, &v, x.kind == SHORT ? 1 : n);
    }
}

/* ---- any instruction ---- */

/* Encodings whose results the architecture leaves open, or that stop the test; and the FPU images that hold the last
 * instruction's address, which translated code does not keep. */
static bool unwanted(const Insn *i)
{
    const char *n = i->row->name;
    static const char *const names[] = {
        "hlt",   "div",   "idiv",    "bsf",     "bsr",     "shld",    "shrd",    "aam",   "aad",
        "aaa",   "aas",   "daa",     "das",     "rsqrtps", "rsqrtss", "rcpps",   "rcpss", "f2xm1",
        "fsin",  "fcos",  "fsincos", "fptan",   "fpatan",  "fyl2x",   "fyl2xp1", "fldcw", "ldmxcsr",
        "fbstp", "fprem", "fprem1",  "clflush", "fnstenv", "fnsave",  "fxsave"};
    for (unsigned k = 0; k < ARRAY_LEN(names); k++)
        if (!strcmp(n, names[k])) return true;
    return i->is_mem &&
           !strncmp(n, "cvtpi2p", 7); /* with a pending #MF: hosts do not agree with the manual */
}

static void item_any(Prog *p)
{
    static const u8 cmp_ecx_edx[] = {0x39, 0xd1};
    InsnGen *g = p->g;
    u8 b[INSN_GEN_MAX];
    Insn i;
    unsigned n;
    do n = insn_gen_any(g, b, &i);
    while (unwanted(&i));
    if (i.is_mem && i.base != REG_NONE && i.base != ESP && gen_chance(g, 93)) { /* mov base, near the data */
        u32 want = g->data + gen_below(g, g->data_bytes) - i.disp;
        u8 mov[6] = {0x66, (u8)(0xb8 + i.base)};
        store32(mov + 2, want);
        put(p, mov + (p->f->code32 ? 1 : 0), p->f->code32 ? 5 : 6);
    }
    put(p, b, n);
    if (i.row->undef) put(p, cmp_ecx_edx, 2);
}

static void item(Prog *p, unsigned first_function);

/* Up to `most` items, which may have items inside. */
static void some(Prog *p, unsigned most)
{
    p->depth++;
    for (unsigned n = gen_below(p->g, most + 1); n && !full(p); n--) {
        if (p->depth < 3 && gen_chance(p->g, 30))
            item(p, p->first_function);
        else
            item_any(p);
    }
    p->depth--;
}

/* ---- control flow ---- */

static void item_jcc_forward(Prog *p)
{
    u8 l = label_new(p);
    bool near_form = gen_chance(p->g, 40);
    if (near_form) {
        put8(p, 0x0f);
        put8(p, 0x80 + gen_below(p->g, 16));
        put_fix(p, NEAR, l);
    } else {
        put8(p, 0x70 + gen_below(p->g, 16));
        put_fix(p, SHORT, l);
    }
    some(p, near_form ? 4 : 2);
    label_here(p, l);
}

static void item_jmp_forward(Prog *p)
{
    u8 l = label_new(p);
    put8(p, 0xe9);
    put_fix(p, NEAR, l);
    some(p, 2);
    label_here(p, l);
}

/* The body, then `dec fs:[var]; jnz`. */
static void item_loop_counted(Prog *p)
{
    u8 l = label_new(p);
    u32 var = var_offset(p, p->vars++);
    put_at_fs(p, 0xc7, 0, var);
    putv(p, 2 + gen_below(p->g, 4));
    label_here(p, l);
    some(p, 3);
    put_at_fs(p, 0xff, 1, var);
    put8(p, 0x0f);
    put8(p, 0x85);
    put_fix(p, NEAR, l);
}

/* mov cx, n; alu; loop back */
static void item_loop(Prog *p)
{
    static const u8 bodies[][2] = {{0x01, 0xc8}, {0x39, 0xca}, {0x90, 0x90}, {0x11, 0xc3}, {0x47, 0x4a}};
    u8 l = label_new(p);
    u32 count = gen_chance(p->g, 20) && !p->f->code32 ? gen_below(p->g, 300) : 1 + gen_below(p->g, 20);
    if (p->f->code32 || gen_chance(p->g, 60))
        put_mov(p, ECX, count);
    else
        put8(p, 0xb5), put8(p, 0), put8(p, 0xb1), put8(p, count); /* upper half left as it is */
    label_here(p, l);
    put(p, bodies[gen_below(p->g, ARRAY_LEN(bodies))], 2);
    if (gen_chance(p->g, 15) && p->f->code32) put8(p, 0x67); /* counts in CX */
    put8(p, 0xe0 + gen_below(p->g, 3));
    put_fix(p, SHORT, l);
}

static void item_jcxz(Prog *p)
{
    u8 l = label_new(p);
    if (gen_chance(p->g, 50)) put_mov(p, ECX, gen_chance(p->g, 50) ? 0 : 0x10000);
    if (gen_chance(p->g, 30)) put8(p, 0x67);
    put8(p, 0xe3);
    put_fix(p, SHORT, l);
    some(p, 2);
    label_here(p, l);
}

/* The other operand size: 16-bit jumps cut EIP, 32-bit ones leave a 64 KiB segment. */
static void put_sometimes_66(Prog *p)
{
    if (gen_chance(p->g, 6)) put8(p, 0x66);
}

static void item_jmp_indirect(Prog *p)
{
    u8 l = label_new(p), r = (u8)gen_below(p->g, 8);
    if (r == ESP) r = EAX;
    if (gen_chance(p->g, 50)) {
        put_mov_label(p, r, l);
        put_sometimes_66(p);
        put8(p, 0xff);
        put8(p, 0xe0 + r);
    } else {
        u32 var = var_offset(p, p->vars++);
        put_at_fs(p, 0xc7, 0, var);
        put_fix(p, ABSOLUTE, l);
        put_at_fs(p, 0xff, 4, var);
    }
    some(p, 2);
    label_here(p, l);
}

/* A stack that CALL can use. */
static void put_stack_reset(Prog *p)
{
    if (gen_chance(p->g, 60)) put_mov(p, ESP, p->f->flat ? STACK + 0x200 : 0x1200);
}

static void item_call(Prog *p, unsigned first)
{
    if (first >= p->function_count) return;
    u8 l = p->functions[first + gen_below(p->g, p->function_count - first)];
    put_stack_reset(p);
    switch (gen_below(p->g, 4)) {
    case 0:
        put_mov_label(p, EBX, l);
        put_sometimes_66(p);
        put8(p, 0xff);
        put8(p, 0xd3);
        break;
    case 1: {
        u32 var = var_offset(p, p->vars++);
        put_at_fs(p, 0xc7, 0, var);
        put_fix(p, ABSOLUTE, l);
        put_at_fs(p, 0xff, 2, var);
        break;
    }
    default:
        put8(p, 0xe8);
        put_fix(p, NEAR, l);
        break;
    }
}

/* push label; ret */
static void item_push_ret(Prog *p)
{
    u8 l = label_new(p);
    put_stack_reset(p);
    put8(p, 0x68);
    put_fix(p, ABSOLUTE, l);
    put8(p, 0xc3);
    some(p, 1);
    label_here(p, l);
}

/* ---- system ---- */

static u16 own_selector(const Prog *p, int seg)
{
    static const u16 real[] = {DATA >> 4, CODE >> 4, STACK >> 4, DATA >> 4, CODE >> 4, DATA >> 4};
    if (!p->f->protected_mode) return real[seg];
    return (u16)((GDT_SEG_FIRST + seg) * 8 + p->f->ring);
}

static u16 any_selector(Prog *p)
{
    static const u16 real[] = {0x1000, 0x2000, 0x2001, 0x20f8, 0x2fff, 0x3000, 0x0800};
    if (!p->f->protected_mode) return real[gen_below(p->g, ARRAY_LEN(real))];
    if (gen_chance(p->g, 10)) return (u16)gen_below(p->g, 4);
    return (u16)(gen_below(p->g, GDT_COUNT + 1) * 8 +
                 (gen_chance(p->g, 80) ? p->f->ring : gen_below(p->g, 4)));
}

static void item_load_sreg(Prog *p)
{
    static const u8 which[] = {ES, DS, GS, SS, ES, DS};
    u8 seg = which[gen_below(p->g, ARRAY_LEN(which))];
    u16 sel = gen_chance(p->g, 60) ? own_selector(p, seg) : any_selector(p);
    put_mov(p, EAX, sel);
    if (gen_chance(p->g, 60)) {
        put8(p, 0x8e);
        put8(p, 0xc0 | seg << 3);
    } else if (seg == GS) {
        put(p, (const u8[]){0x50, 0x0f, 0xa9}, 3);
    } else {
        put8(p, 0x50);
        put8(p, 0x07 | seg << 3);
    }
}

static void item_read_sreg(Prog *p)
{
    static const u8 pushes[] = {0x06, 0x0e, 0x16, 0x1e};
    if (gen_chance(p->g, 50)) {
        put8(p, 0x8c);
        put8(p, 0xc0 | gen_below(p->g, 6) << 3 | gen_below(p->g, 4));
    } else {
        put8(p, pushes[gen_below(p->g, 4)]);
    }
}

/* les, lds, lgs from a variable */
static void item_load_far_pointer(Prog *p)
{
    u32 var = var_offset(p, p->vars++), seg = gen_below(p->g, 2) ? DS : ES;
    p->vars++;
    put_at_fs(p, 0xc7, 0, var + (p->f->code32 ? 4 : 2));
    putv(p, gen_chance(p->g, 70) ? own_selector(p, (int)seg) : any_selector(p));
    put_at_fs(p, seg == DS ? 0xc5 : 0xc4, gen_below(p->g, 4), var);
}

static void item_flags(Prog *p)
{
    u32 keep = gen_chance(p->g, 10) ? 0x3f7fd5 : gen_chance(p->g, 20) ? 0x47ed5 : 0x200ed5;
    put_stack_reset(p);
    switch (gen_below(p->g, 4)) {
    case 0: put(p, (const u8[]){0x9c, 0x9d}, 2); break;
    case 1: put8(p, 0x9c); break;
    case 2:
        put8(p, 0x68);
        putv(p, gen_random(p->g) & keep);
        put8(p, 0x9d);
        break;
    default:
        put8(p, 0x9c);
        put8(p, 0x58 + EDX);
        put8(p, 0x81);
        put8(p, 0xf2);
        putv(p, gen_random(p->g) & keep);
        put8(p, 0x52);
        put8(p, 0x9d);
        break;
    }
}

static void item_system(Prog *p)
{
    static const u8 plain[][4] = {
        {1, 0xfa},
        {1, 0xfb},
        {1, 0xfa},
        {1, 0xfb},
        {1, 0x9f},
        {1, 0x9e},
        {2, 0x0f, 0x06}, /* cli sti lahf sahf clts */
        {3, 0x0f, 0x01, 0xe0},
        {3, 0x0f, 0x00, 0xc8},
        {3, 0x0f, 0x00, 0xc0},
        {3, 0x0f, 0x20, 0xc0}, /* smsw str sldt mov eax,cr0 */
        {3, 0x0f, 0x22, 0xc0},
        {2, 0x0f, 0x08},
        {3, 0x0f, 0x02, 0xd0},
        {3, 0x0f, 0x03, 0xd0}, /* mov cr0,eax invd lar lsl */
        {3, 0x0f, 0x00, 0xe0},
        {3, 0x0f, 0x00, 0xe8},
        {2, 0xe4, 0x80},
        {2, 0xe6, 0x80},
        {1, 0xce},
        {1, 0xcc},
        {2, 0xcd, 0x40},
    };
    const u8 *b = plain[gen_below(p->g, ARRAY_LEN(plain))];
    if (b[0] == 3 && b[1] == 0x0f && b[2] == 0x22)
        put(p, (const u8[]){0x0f, 0x20, 0xc0}, 3); /* the same value */
    if (b[0] == 3 && (b[2] == 2 || b[2] == 3 || (b[2] == 0 && b[3] >= 0xe0)))
        put_mov(p, EAX, any_selector(p));
    put(p, b + 1, b[0]);
}

/* A data breakpoint, or none, in the program's data. */
static void item_debug(Prog *p)
{
    u32 dr7 = gen_chance(p->g, 70) ? 0x000d0401u | gen_below(p->g, 4) << 18 : 0x400;
    for (unsigned n = 0; n < 2; n++) {
        if (!p->f->code32) put8(p, 0x66);
        put8(p, 0xb8);
        u32 v = n ? dr7 : DATA + gen_below(p->g, 0x2000);
        put(p, &v, 4);
        put(p, n ? (const u8[]){0x0f, 0x23, 0xf8} : (const u8[]){0x0f, 0x23, 0xc0}, 3); /* mov dr7/dr0, eax */
    }
}

/* A far jump, call or return to the program's own code segment, or an IRET there. */
static void item_far(Prog *p)
{
    u8 l = label_new(p);
    u16 cs = own_selector(p, CS);
    put_stack_reset(p);
    switch (gen_below(p->g, 4)) {
    case 0:
    case 1:
        put8(p, gen_below(p->g, 2) ? 0xea : 0x9a);
        put_fix(p, ABSOLUTE, l);
        put16(p, cs);
        break;
    case 2:
        put(p, (const u8[]){0x0e, 0x68}, 2);
        put_fix(p, ABSOLUTE, l);
        put8(p, 0xcb);
        break;
    default:
        put(p, (const u8[]){0x9c, 0x0e, 0x68}, 3);
        put_fix(p, ABSOLUTE, l);
        put8(p, 0xcf);
        break;
    }
    some(p, 1);
    label_here(p, l);
}

/* An immediate byte of an instruction that comes soon, or came before in a loop, is written. */
/* The data's pages lose and regain rights, with and without INVLPG; CR3 is loaded. */
static void item_paging(Prog *p)
{
    u32 page = gen_below(p->g, 4), pte = PAGE_TABLE + (p->k->pae ? 8 : 4) * (DATA / PAGE_BYTES + page);
    bool nx = p->k->pae && gen_chance(p->g, 30);
    static const u8 reload_cr3[] = {0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8};
    if (!p->f->flat || p->f->ring) return;
    put(p, (const u8[]){0x80, 0x35}, 2); /* xor byte [pte], bit */
    putv(p, nx ? pte + 7 : pte);
    put8(p, nx ? (u32)(PTE_NX >> 56) : gen_chance(p->g, 60) ? PTE_W : gen_chance(p->g, 60) ? PTE_U : PTE_P);
    if (gen_chance(p->g, 30)) put(p, reload_cr3, sizeof reload_cr3);
    if (gen_chance(p->g, 50)) return;
    put(p, (const u8[]){0x0f, 0x01, 0x3d}, 3); /* invlpg */
    putv(p, DATA + page * PAGE_BYTES);
}

static void item_self_modifying(Prog *p)
{
    u8 loop = label_new(p), target = label_new(p);
    u32 var = var_offset(p, p->vars++);
    bool before = gen_chance(p->g, 50);
    put_at_fs(p, 0xc7, 0, var);
    putv(p, 2 + gen_below(p->g, 3));
    label_here(p, loop);
    for (int n = 0; n < 2; n++) {
        if (n == before) { /* fs: add byte [target], imm */
            put(p, (const u8[]){0x64, 0x80, p->f->code32 ? 0x05 : 0x06}, 3);
            put_fix(p, ABSOLUTE, target);
            put8(p, gen_random(p->g));
            if (gen_chance(p->g, 30)) some(p, 1);
        } else {
            put8(p, 0xb8 + gen_below(p->g, 4));
            label_here(p, target);
            putv(p, gen_random(p->g));
        }
    }
    put_at_fs(p, 0xff, 1, var);
    put(p, (const u8[]){0x0f, 0x85}, 2);
    put_fix(p, NEAR, loop);
}

/* ---- programs ---- */

static void item(Prog *p, unsigned first_function)
{
    p->first_function = first_function;
    switch (gen_below(p->g, 40)) {
    case 0:
    case 1: item_jcc_forward(p); break;
    case 2: item_jmp_forward(p); break;
    case 3:
    case 4: item_loop_counted(p); break;
    case 5: item_loop(p); break;
    case 6: item_jcxz(p); break;
    case 7: item_jmp_indirect(p); break;
    case 8:
    case 9:
    case 10: item_call(p, first_function); break;
    case 11: item_push_ret(p); break;
    case 12: item_load_sreg(p); break;
    case 13: item_read_sreg(p); break;
    case 14: item_load_far_pointer(p); break;
    case 15:
    case 16: item_flags(p); break;
    case 17:
        if (gen_chance(p->g, 50)) item_system(p);
        break;
    case 18: item_far(p); break;
    case 19: item_self_modifying(p); break;
    case 20: item_paging(p); break;
    case 21:
        if (gen_chance(p->g, 20)) item_debug(p);
        break;
    default: item_any(p); break;
    }
}

static void add_function(Prog *p, unsigned n)
{
    label_here(p, p->functions[n]);
    for (unsigned items = gen_below(p->g, 5); items && !full(p); items--) item(p, n + 1);
    put_sometimes_66(p);
    if (gen_chance(p->g, 30)) {
        put8(p, 0xc2);
        put16(p, gen_below(p->g, 3) * 4);
    } else {
        put8(p, 0xc3);
    }
}

static void set_registers(InsnGen *g, Case *k, const FlavourTraits *f)
{
    for (int r = 0; r < 8; r++) k->gpr[r] = gen_value(g);
    k->gpr[ECX] &= 0x1ff;
    k->gpr[ESP] = f->flat ? STACK + gen_below(g, 0x100) * 4 : 0x1000 + gen_below(g, 0x100) * 2;
    if (!f->stack32 && gen_chance(g, 10)) k->gpr[ESP] = gen_below(g, 9); /* wraps */
    if (!f->stack32 && gen_chance(g, 20)) k->gpr[ESP] |= gen_random(g) << 16;
    k->gpr[ESI] = g->data + gen_below(g, 0x800);
    k->gpr[EDI] = g->data + gen_below(g, 0x800);
    k->eflags = 2 | (gen_random(g) & (FL_HOST | FL_I));
    if (gen_chance(g, 50)) k->eflags |= FL_IOPL;
    if (f->v86) k->eflags |= FL_VM;
    k->user_pages = f->ring == 3 || gen_chance(g, 30);
    k->cr0_bits = gen_chance(g, 5) ? CR0_AM : 0;
    if (k->cr0_bits && gen_chance(g, 50)) k->eflags |= FL_AC;
    if (gen_chance(g, 80)) k->cr0_bits |= CR0_WP;
    if (gen_chance(g, 3)) k->cr0_bits |= CR0_TS;
    if (gen_chance(g, 2)) k->cr0_bits |= CR0_EM;
    k->cr4_bits = (gen_chance(g, 10) ? CR4_UMIP : 0) | (gen_chance(g, 3) ? CR4_SMEP : 0);
    if (gen_chance(g, 15)) { /* a kernel whose data are in user pages may mostly reach them */
        k->cr4_bits |= CR4_SMAP;
        if (gen_chance(g, 80)) k->eflags |= FL_AC;
    }
}

void program_make(InsnGen *g, Case *k, Flavour flavour)
{
    static const u32 classes = BIT(XC_IDENT) | BIT(XC_MEM) | BIT(XC_STRING) | BIT(XC_FPU) | BIT(XC_INTERP);
    const FlavourTraits *f = &flavours[flavour];
    Prog p = {.g = g, .k = k, .f = f, .function_count = (u8)gen_below(g, 4)};
    k->flavour = flavour;
    k->paging = f->paging || (f->protected_mode && gen_chance(g, 30));
    k->pae = k->paging && gen_chance(g, 40);
    g->mode = (DecodeMode){.code32 = f->code32, .protected_mode = f->protected_mode, .features = ~0u};
    g->classes = classes | (gen_chance(g, 50) ? BIT(XC_STACK) : 0);
    g->seg_first = 0;
    g->seg_count = SEG_COUNT;
    g->data = f->flat ? DATA : 0;
    g->data_bytes = f->flat ? DATA_BYTES : 0x2000;
    k->bytes = 0;
    k->at = gen_chance(g, 50) ? 0 : PAGE_BYTES - 1 - gen_below(g, 100); /* half of them straddle two pages */
    if (!f->flat && gen_chance(g, 5)) k->at = 0xffff - gen_below(g, 200); /* up to the segment's end */
    for (unsigned n = 0; n < p.function_count; n++) p.functions[n] = label_new(&p);
    for (unsigned n = 1 + gen_below(g, 24); n && !full(&p); n--) item(&p, 0);
    put8(&p, 0xf4);
    for (unsigned n = 0; n < p.function_count; n++) add_function(&p, n);
    put8(&p, 0xf4);
    patch(&p);
    k->cs_limit = f->flat ? 0xffffffff : 0xffff;
    if (!f->flat && f->protected_mode && gen_chance(g, 15)) k->cs_limit = k->at + gen_below(g, k->bytes + 20);
    set_registers(g, k, f);
    for (unsigned n = 0; n < DATA_BYTES; n++) k->data[n] = (u8)gen_random(g);
}
