/* The integer instructions against a real processor: random instructions from the table, with random operands, run
 * here in 32-bit compatibility mode and in the interpreter; registers, defined flags, memory and #DE must agree.
 *
 * The host process maps a few pages low in its address space, at addresses that are guest RAM too. They hold
 * the trampoline into 32-bit code, the register state, a stack and the data; before each case the data is the same on
 * both sides. RING3_CASES=n sets the number of cases. Exit code 77: the host runs no 32-bit code.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>

#include "cpu_flat.h"
#include "tests/random.h"

enum {
    LOW = 0x240000,
    LOW_BYTES = 0x8000,
    TRAMPOLINE = LOW,
    STATE = LOW + 0x1000,
    SAVED_RSP = LOW + 0x1800,
    DATA = LOW + 0x2000,
    DATA_BYTES = 0x4000,
    MIDDLE = DATA + DATA_BYTES / 2
};
enum { USER32_CS = 0x23, USER_DS = 0x2b, USER_CS = 0x33 };

typedef struct HostState { /* at STATE */
    u32 gpr[8], flags;
} HostState;
#define HOST ((volatile HostState *)(uintptr_t)STATE)

/* --- the trampoline --- */

static u8 *out;
static void put(const void *p, size_t n)
{
    memcpy(out, p, n);
    out += n;
}
#define PUT(...) put((const u8[]){__VA_ARGS__}, sizeof((const u8[]){__VA_ARGS__}))
static void put32(u32 v) { put(&v, 4); }

static void build_trampoline(const u8 *insn, unsigned len)
{
    out = (u8 *)(uintptr_t)TRAMPOLINE;
    PUT(0x53, 0x55, 0x41, 0x54, 0x41, 0x55, 0x41, 0x56, 0x41, 0x57); /* push rbx rbp r12-r15 */
    PUT(0x48, 0x89, 0x24, 0x25);
    put32(SAVED_RSP); /* mov [SAVED_RSP], rsp */
    PUT(0x6a, USER32_CS, 0x68);
    put32((u32)(uintptr_t)out + 6); /* push cs; push after retfq */
    PUT(0x48, 0xcb);                /* retfq */
    PUT(0xb8);
    put32(USER_DS); /* 32-bit code from here */
    PUT(0x8e, 0xd8, 0x8e, 0xc0, 0xbc);
    put32(STATE + 32); /* mov ds, eax; mov es, eax; mov esp, &flags */
    PUT(0x9d);         /* popfd */
    for (u8 r = 0; r < 8; r++) {
        PUT(0x8b, 0x05 | r << 3);
        put32(STATE + 4 * r);
    }
    put(insn, len);
    for (u8 r = 0; r < 8; r++) {
        PUT(0x89, 0x05 | r << 3);
        put32(STATE + 4 * r);
    }
    PUT(0xbc);
    put32(STATE + 36); /* mov esp, &flags + 4 */
    PUT(0x9c, 0xfc, 0xea);
    put32((u32)(uintptr_t)out + 6); /* pushfd; cld; jmp far */
    PUT(USER_CS, 0);
    PUT(0x48, 0x8b, 0x24, 0x25);
    put32(SAVED_RSP); /* 64-bit code again */
    PUT(0x41, 0x5f, 0x41, 0x5e, 0x41, 0x5d, 0x41, 0x5c, 0x5d, 0x5b, 0xc3);
}

static sigjmp_buf host_fault;
static void on_signal(int n) { siglongjmp(host_fault, n); }

/* 0, or the signal that the instruction ended in. */
static int host_run(const u8 *insn, unsigned len)
{
    build_trampoline(insn, len);
    int n = sigsetjmp(host_fault, 1);
    if (n == 0) ((void (*)(void))(uintptr_t)TRAMPOLINE)();
    return n;
}

/* In the test itself too: cmocka has its own handlers there. */
static void take_signals(void)
{
    static u8 stack[64 << 10];
    stack_t alt = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK | SA_NODEFER};
    static const int signals[] = {SIGFPE, SIGSEGV, SIGILL, SIGBUS, SIGTRAP};
    sigaltstack(&alt, NULL);
    for (unsigned n = 0; n < ARRAY_LEN(signals); n++) sigaction(signals[n], &sa, NULL);
}

static bool host_setup(void)
{
    void *at = mmap((void *)(uintptr_t)LOW, LOW_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (at != (void *)(uintptr_t)LOW) return false;
    take_signals();
    HOST->flags = 2;
    HOST->gpr[EAX] = 41;
    return host_run((const u8[]){0x40} /* inc eax: REX in 64-bit code */, 1) == 0 && HOST->gpr[EAX] == 42;
}

/* --- random cases --- */

static u32 rnd_value(void)
{
    static const u32 edges[] = {0,      1,          2,          0x7f,       0x80, 0xff, 0x7fff, 0x8000,
                                0xffff, 0x7fffffff, 0x80000000, 0xffffffff, 31,   32,   33};
    u32 k = rnd() % 4;
    return k == 0   ? edges[rnd() % ARRAY_LEN(edges)]
           : k == 1 ? rnd() >> (rnd() & 31)
           : k == 2 ? 0u - (rnd() >> (rnd() & 31))
                    : rnd();
}

typedef struct Case {
    const Row *row;
    Insn insn;
    u8 bytes[16];
    unsigned len;
    u32 gpr[8], flags;
} Case;

static bool is_stack(const Row *r) { return r->cls == XC_STACK; }
static bool is_string(const Row *r) { return r->cls == XC_STRING; }

/* Rows that mean the same in a flat user segment, need no privilege and do not branch. */
static bool row_wanted(const Row *r)
{
    static const char *const interp_ok[] = {"daa",  "das", "aaa", "aas", "aam", "aad",  "salc",
                                            "xlat", "bt",  "bts", "btr", "btc", "bound"};
    if (r->opcode >= 0xa0 && r->opcode <= 0xa3) return true;
    if (r->checks & (CK_FPU | CK_MMX | CK_SSE | CK_WAIT)) return false;
    if (r->cls == XC_IDENT || r->cls == XC_MEM) return r->pfx == PFX_ANY && r->need <= ICMOV;
    if (is_stack(r) || is_string(r)) return true;
    for (unsigned n = 0; n < ARRAY_LEN(interp_ok); n++)
        if (r->cls == XC_INTERP && r->opcode != 0x82 && strcmp(r->name, interp_ok[n]) == 0) return true;
    return false;
}

static bool row_has_modrm(const Row *r)
{
    if (r->ext != EXT_ANY) return true;
    for (int n = 0; n < 3; n++)
        if (r->o[n] >= O_Eb && r->o[n] <= O_Rd) return true;
    return false;
}

static u8 rnd_modrm(const Row *r)
{
    u8 m = (u8)rnd(), kind = r->ext & 0xf0;
    if (r->ext & EXT_B) return r->ext & 0xff;
    if (kind) m = (m & 0xc7) | (r->ext & 7) << 3;
    if (r->ext == EXT_MEM || kind == EXT_M) m &= 0x7f;
    if (r->ext == EXT_REG || kind == EXT_R) m |= 0xc0;
    return m;
}

static void add_bytes(Case *k, u32 v, unsigned n)
{
    memcpy(k->bytes + k->len, &v, n);
    k->len += n;
}

static unsigned imm_bytes(u8 operand, bool p66)
{
    switch (operand) {
    case O_Ib:
    case O_Ibs: return 1;
    case O_Iw: return 2;
    case O_Iv: return p66 ? 2 : 4;
    case O_Ob:
    case O_Ov: return 4;
    default: return 0;
    }
}

static u32 data_address(void) { return MIDDLE - 256 + rnd() % 512; }

/* Memory operands: registers hold addresses amid the data, displacements and index are small. */
static void add_modrm(Case *k, u8 m)
{
    u8 mod = m >> 6, rm = m & 7;
    k->bytes[k->len++] = m;
    if (mod == 3) return;
    u8 sib = (u8)rnd();
    if (rm == 4) {
        u8 index = sib >> 3 & 7, base = sib & 7;
        if (index == base && index != 4) sib ^= 8, index ^= 1;
        k->bytes[k->len++] = sib;
        if (index != 4) k->gpr[index] = rnd() % 64;
        rm = base;
    }
    if (mod == 0 && rm == 5) {
        add_bytes(k, data_address(), 4);
        return;
    }
    k->gpr[rm] = data_address();
    if (mod) add_bytes(k, (u32)(s8)rnd(), mod == 1 ? 1 : 4);
}

static void limit_registers(Case *k)
{
    const Row *r = k->row;
    if (is_stack(r)) k->gpr[EBP] = data_address();
    if (is_stack(r)) k->gpr[ESP] = data_address();
    if (is_string(r)) {
        k->gpr[ESI] = data_address();
        k->gpr[EDI] = data_address();
        k->gpr[ECX] = rnd() % 40;
    }
    if (strcmp(r->name, "xlat") == 0) k->gpr[EBX] = data_address();
}

static void case_make(Case *k, const Row *r)
{
    memset(k, 0, sizeof *k);
    k->row = r;
    for (int n = 0; n < 8; n++) k->gpr[n] = rnd_value();
    k->flags = (rnd() & FL_ARITH) | 2 | (is_string(r) ? rnd() & FL_D : 0);
    bool p66 = rnd() & 1;
    if (p66) k->bytes[k->len++] = 0x66;
    if (is_string(r) && rnd() % 4) k->bytes[k->len++] = rnd() & 1 ? 0xf2 : 0xf3;
    if (r->opcode >= 0xf00) k->bytes[k->len++] = 0x0f;
    k->bytes[k->len++] = (u8)r->opcode;
    if (row_has_modrm(r)) add_modrm(k, rnd_modrm(r));
    for (int n = 0; n < 3; n++) {
        unsigned w = imm_bytes(r->o[n], p66);
        add_bytes(k, r->o[n] == O_Ob || r->o[n] == O_Ov ? data_address() : w ? rnd_value() : 0, w);
    }
    if (r->opcode == 0xc8) k->bytes[k->len - 2] &= 3, k->bytes[k->len - 1] &= 7; /* ENTER: stay in the data */
    limit_registers(k);
}

/* Cases whose memory operand a limited register has moved out of the data are dropped, as are those through FS/GS. */
static bool case_in_data(const Case *k, Vcpu *c)
{
    if (!k->insn.is_mem || k->row->o[1] == O_M) return true;
    u32 at = insn_ea(c, &k->insn);
    if (k->row->o[1] == O_Gv && (k->row->opcode & 0xfe7) == 0xfa3) { /* bit string */
        u32 offset = sign_extend(k->gpr[k->insn.reg], k->insn.opsize);
        at += (u32)((s32)offset >> (k->insn.opsize == 2 ? 4 : 5)) * k->insn.opsize;
    }
    return at >= DATA + 64 && at < DATA + DATA_BYTES - 64;
}

/* The masked count of a shift or rotation; -1 for other instructions. */
static int shift_count_of(const Case *k)
{
    unsigned op = k->row->opcode;
    bool is_double = (op & 0xff6) == 0xfa4,
         is_single = op == 0xc0 || op == 0xc1 || (op >= 0xd0 && op <= 0xd3);
    if (!is_double && !is_single) return -1;
    u8 letter = k->row->o[is_double ? 2 : 1];
    return letter == O_I1 ? 1 : (letter == O_CL ? k->gpr[ECX] : k->insn.imm) & 31;
}

/* SHLD and SHRD of words by more than 16: the result itself is undefined. */
static bool case_defined(const Case *k)
{
    return (k->row->opcode & 0xff6) != 0xfa4 || shift_count_of(k) <= 8 * k->insn.opsize;
}

/* More exactly than the table: a count of 0 changes nothing, 1 defines OF, beyond the width SHL and SHR leave CF. */
static u32 undefined_flags(const Case *k)
{
    int count = shift_count_of(k);
    bool rotates = !(k->row->write & FL_Z);
    if (count == 0) return 0;
    if (count == 1) return k->row->undef & ~(u32)FL_O;
    if (count > 8 * (int)op_bytes(&k->insn, 0) && !rotates) return k->row->undef | FL_C;
    return k->row->undef;
}

static void describe(const Case *k, const Vcpu *c, u32 undef)
{
    char line[64] = "";
    for (unsigned n = 0; n < k->len; n++) snprintf(line + 3 * n, sizeof line - 3 * n, "%02x ", k->bytes[n]);
    print_message("%s: %s flags in %03x\n", k->row->name, line, k->flags);
    for (int n = 0; n < 8; n++)
        print_message("  r%d in %08x host %08x ours %08x\n", n, k->gpr[n], HOST->gpr[n], c->gpr[n]);
    print_message("  flags host %03x ours %03x undefined %03x\n", HOST->flags & FL_HOST, c->eflags & FL_HOST,
                  undef);
}

static u8 data[DATA_BYTES];
static u64 undefined_differs[0x1000], compared;

static void case_run(const Case *k, Vcpu *c)
{
    memcpy((void *)(uintptr_t)DATA, data, DATA_BYTES);
    memcpy(flat_ram(c, DATA), data, DATA_BYTES);
    for (int n = 0; n < 8; n++) HOST->gpr[n] = k->gpr[n];
    HOST->flags = k->flags;
    int signal = host_run(k->bytes, k->len), vector = flat_step(c);
    u32 undef = undefined_flags(k);
    bool same = (signal == SIGFPE) == (vector == EX_DE) && (signal == SIGSEGV) == (vector == EX_BR) &&
                (signal == 0) == (vector == NO_FAULT);
    if (same && vector == NO_FAULT) {
        for (int n = 0; n < 8; n++) same &= HOST->gpr[n] == c->gpr[n];
        same &= ((HOST->flags ^ c->eflags) & FL_HOST & ~undef) == 0;
        same &= memcmp((void *)(uintptr_t)DATA, flat_ram(c, DATA), DATA_BYTES) == 0;
        same &= c->eip == FLAT_CODE + k->len;
        if ((HOST->flags ^ c->eflags) & FL_HOST) undefined_differs[k->row->opcode]++;
        compared++;
    }
    if (same) return;
    print_message("signal %d, vector %d\n", signal, vector);
    describe(k, c, undef);
    fail();
}

static void one_random(Vcpu *c, const Row *r)
{
    Case k;
    case_make(&k, r);
    flat_reset(c);
    memcpy(c->gpr, k.gpr, sizeof k.gpr);
    c->eflags = k.flags;
    flat_code(c, k.bytes, k.len);
    DecodeMode mode = {.code32 = 1, .protected_mode = 1, .features = c->features};
    if (insn_decode(&k.insn, k.bytes, k.len, mode) != DECODE_OK || k.insn.row != r || !case_in_data(&k, c) ||
        !case_defined(&k))
        return;
    case_run(&k, c);
}

static void test_random(void **state)
{
    (void)state;
    Vcpu *c = flat_new();
    const char *env = getenv("RING3_CASES");
    unsigned rounds = env ? (unsigned)atoi(env) : 200;
    for (unsigned n = 0; n < DATA_BYTES; n++) data[n] = (u8)rnd();
    take_signals();
    for (unsigned round = 0; round < rounds; round++)
        for (unsigned n = 0; n < x86_row_count; n++)
            if (row_wanted(&x86_rows[n])) one_random(c, &x86_rows[n]);
    print_message("%llu cases agree\n", (unsigned long long)compared);
    if (env)
        for (unsigned n = 0; n < 0x1000; n++)
            if (undefined_differs[n])
                print_message("undefined flags differ: %x %llu\n", n,
                              (unsigned long long)undefined_differs[n]);
    flat_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random)};
    if (!host_setup()) {
        printf("SKIPPED: this host runs no 32-bit code\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
