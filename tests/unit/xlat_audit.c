/* The audit of translated code: what the emitter writes passes (lockstep, chaos and the boot tests, with
 * RING3_AUDIT=1); here is what must not. Each case is host code by hand, placed where it would run.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <sys/mman.h>

#include "translator/audit/audit.h"
#include "translator/callout.h"
#include "translator/operand.h"

static u8 *code; /* near this program, as the cache is */
static u8 table[64];
#define MAP ((u8 *)(1ull << 44)) /* nothing is there: the code does not run */
#define RAM ((u8 *)(1ull << 45))
static AuditRules rules = {.below = 2ull << 30,
                           .above = (6ull << 30) + 16,
                           .read = {{table, sizeof table}, {MAP, OPEN_BYTES}},
                           .reads = 2,
                           .open = MAP,
                           .ram = RAM};
static char why[AUDIT_WHY_BYTES];

static bool passes(const Emit *e)
{
    u32 at = 0;
    why[0] = 0;
    return audit_code(&rules, code, (u32)(e->at - code), why, &at);
}

static Emit begin(void) { return (Emit){.at = code, .end = code + PAGE_BYTES}; }

static void leave(Emit *e)
{
    emit_mov_ri32(e, R8, 0x1234);
    emit_jmp(e, xlat_exit_indirect);
}

/* `n` bytes, and a proper end behind them. */
static bool passes_with(const void *bytes, unsigned n)
{
    Emit e = begin();
    emit_bytes(&e, bytes, n);
    leave(&e);
    return passes(&e);
}

#define PASSES(...)                                                                                          \
    do {                                                                                                     \
        const u8 b[] = {__VA_ARGS__};                                                                        \
        if (!passes_with(b, sizeof b)) fail_msg("refused: %s", why);                                         \
    } while (0)
#define REFUSED(reason, ...)                                                                                 \
    do {                                                                                                     \
        const u8 b[] = {__VA_ARGS__};                                                                        \
        assert_false(passes_with(b, sizeof b));                                                              \
        if (!strstr(why, reason)) fail_msg("refused, but: %s", why);                                         \
    } while (0)

static void windows(void **state)
{
    (void)state;
    PASSES(0x41, 0x8b, 0x04, 0x1c);                                    /* mov eax, [r12 + rbx] */
    PASSES(0x41, 0x8b, 0x84, 0x1c, 0xff, 0xff, 0xff, 0x7f);            /* mov eax, [r12 + rbx + 7fffffff] */
    PASSES(0x41, 0x8b, 0x84, 0x1c, 0x00, 0x00, 0x00, 0x80);            /* mov eax, [r12 + rbx - 80000000] */
    PASSES(0x43, 0x89, 0x04, 0x34);                                    /* mov [r12 + r14], eax */
    REFUSED("guards", 0x41, 0x8b, 0x04, 0x5c);                         /* mov eax, [r12 + rbx * 2] */
    REFUSED("neither", 0x8b, 0x03);                                    /* mov eax, [rbx] */
    REFUSED("which memory", 0x43, 0x8b, 0x04, 0x2c);                   /* mov eax, [r12 + r13] */
    REFUSED("which memory", 0x43, 0x8b, 0x04, 0x04);                   /* mov eax, [r12 + r8], r8 unknown */
    REFUSED("which memory", 0x48, 0xf7, 0xdb, 0x41, 0x8b, 0x04, 0x1c); /* neg rbx; mov eax, [r12 + rbx] */
    REFUSED("FS or GS", 0x65, 0x41, 0x8b, 0x04, 0x1c);
    REFUSED("bit", 0x41, 0x0f, 0xa3, 0x04, 0x1c); /* bt [r12 + rbx], eax */
}

/* Where 34 GiB lie behind the window, it may be an index times 8. */
static void wide_windows(void **state)
{
    static const u8 times_8[] = {0x41, 0x8b, 0x84, 0xdc,
                                 0xff, 0xff, 0xff, 0x7f}; /* mov eax, [r12 + rbx * 8 + 7fffffff] */
    (void)state;
    assert_false(passes_with(times_8, sizeof times_8));
    rules.above = (38ull << 30) + 16;
    assert_true(passes_with(times_8, sizeof times_8));
    rules.above = (6ull << 30) + 16;
}

static void host_memory(void **state)
{
    (void)state;
    PASSES(0x41, 0x8b, 0x47, 0x20);                            /* mov eax, [r15 + 32] */
    REFUSED("Vcpu", 0x41, 0x8b, 0x87, 0x00, 0x00, 0x00, 0x10); /* mov eax, [r15 + 10000000] */
    const u32 wait = offsetof(Vcpu, wait);
    REFUSED("Vcpu", 0x41, 0x8b, 0x87, (u8)wait, (u8)(wait >> 8), (u8)(wait >> 16),
            0);                                                   /* mov eax, [r15 + wait] */
    REFUSED("Vcpu", 0x41, 0x8b, 0x47, 0xff);                      /* mov eax, [r15 - 1] */
    REFUSED("which memory", 0x8b, 0x04, 0x24);                    /* mov eax, [rsp] */
    REFUSED("neither", 0x8b, 0x04, 0x25, 0x00, 0x10, 0x00, 0x00); /* mov eax, [1000] */
    REFUSED("neither", 0x8b, 0x05, 0x00, 0x00, 0x00, 0x00);       /* mov eax, [rip] */
    REFUSED("more than to poll", 0x4d, 0x8b, 0x47, 0x28, 0x41, 0x88,
            0x00); /* mov r8, [r15 + poll]; mov [r8], al */
}

static void registers(void **state)
{
    (void)state;
    REFUSED("r12 or r15", 0x49, 0x89, 0xc4);                      /* mov r12, rax */
    REFUSED("r12 or r15", 0x41, 0xff, 0xc7);                      /* inc r15d */
    REFUSED("host stack", 0x48, 0x83, 0xec, 0x08);                /* sub rsp, 8 */
    REFUSED("host stack", 0x48, 0x89, 0xc4);                      /* mov rsp, rax */
    REFUSED("host stack", 0x5c);                                  /* pop rsp */
    PASSES(0x41, 0x50, 0x41, 0x58);                               /* push r8; pop r8 */
    REFUSED("32 bits", 0x48, 0x8d, 0x04, 0x03);                   /* lea rax, [rbx + rax] */
    REFUSED("32 bits", 0x48, 0xff, 0xc9);                         /* dec rcx */
    REFUSED("32 bits", 0x41, 0x5e);                               /* pop r14 */
    PASSES(0x48, 0xff, 0xc9, 0x89, 0xc1);                         /* dec rcx; mov ecx, eax */
    PASSES(0x49, 0x89, 0xca, 0x48, 0xff, 0xc9, 0x4c, 0x89, 0xd1); /* mov r10, rcx; dec rcx; mov rcx, r10 */
    PASSES(0x66, 0xff, 0xc9);                                     /* dec cx */
}

static void kernel_and_jumps(void **state)
{
    (void)state;
    REFUSED("never has", 0x0f, 0x05);                   /* syscall */
    REFUSED("never has", 0xcd, 0x80);                   /* int 80 */
    REFUSED("never has", 0xf4);                         /* hlt */
    REFUSED("never has", 0xf3, 0x48, 0x0f, 0xae, 0xd0); /* wrfsbase rax */
    REFUSED("jump cache", 0xff, 0xe0);                  /* jmp rax */
    REFUSED("jump cache", 0x41, 0xff, 0x27);            /* jmp [r15] */
    REFUSED("indirect call", 0xff, 0xd0);               /* call rax */
    REFUSED("gate", 0xe9, 0x00, 0x00, 0x10, 0x00);      /* jmp elsewhere */
    REFUSED("gate", 0x0f, 0x84, 0x00, 0x00, 0x10, 0x00);
    REFUSED("no instruction", 0x06); /* push es */
    Emit e = begin();
    emit_mov_ri32(&e, R8, 1);
    assert_false(passes(&e)); /* it runs on */
    assert_non_null(strstr(why, "end"));
    e = begin();
    emit_mov_rr64(&e, R8, R13);
    emit_ret(&e);
    assert_false(passes(&e));
    assert_non_null(strstr(why, "r8"));
}

/* lea r8d, [rbx + 4]; lea r10d, [r8 + 3]; call the gate; an access of `bytes` at `disp`. */
static bool looks_up(unsigned last, unsigned bytes, s32 disp)
{
    Emit e = begin();
    emit_lea32(&e, R8, RBX, 4);
    emit_lea32(&e, R10, R8, (s32)last);
    emit_call(&e, xlat_table_write_bmi2);
    emit_op_mem(&e, (HostOp){.opcode = 0x89, .reg = RAX, .wide = bytes == 8},
                (HostMem){.base = R8, .index = REG_NONE, .disp = disp});
    leave(&e);
    return passes(&e);
}

static void gates(void **state)
{
    (void)state;
    assert_true(looks_up(3, 4, 0));
    assert_true(looks_up(7, 4, 4));
    assert_true(looks_up(7, 8, 0));
    assert_false(looks_up(2, 4, 0));
    assert_false(looks_up(3, 8, 0));
    assert_false(looks_up(3, 4, 1));
    assert_false(looks_up(3, 4, -1));
    Emit e = begin(); /* a callout whose function is none of ours */
    emit_mov_ri64(&e, R9, (u64)(uintptr_t)table);
    emit_mov_ri64(&e, R11, (u64)(uintptr_t)table);
    emit_call(&e, xlat_callout);
    leave(&e);
    assert_false(passes(&e));
    assert_non_null(strstr(why, "function"));
    e = begin();
    emit_mov_ri64(&e, R9, (u64)(uintptr_t)table);
    emit_mov_ri64(&e, R11, (u64)(uintptr_t)looks_up);
    emit_call(&e, xlat_callout);
    leave(&e);
    assert_true(passes(&e));
    e = begin(); /* r8 as a host address is gone behind a callout */
    emit_lea32(&e, R8, RBX, 4);
    emit_lea32(&e, R10, R8, 3);
    emit_call(&e, xlat_table_write_bmi2);
    emit_mov_ri64(&e, R9, (u64)(uintptr_t)table);
    emit_mov_ri64(&e, R11, (u64)(uintptr_t)looks_up);
    emit_call(&e, xlat_callout);
    emit_mov_rm32(&e, RAX, R8, 0);
    leave(&e);
    assert_false(passes(&e));
}

/* rep stosb at r12 + rdi with rcx = count, or as it is. */
static bool repeats(s64 count)
{
    Emit e = begin();
    if (count >= 0) emit_mov_ri32(&e, RCX, (u32)count);
    emit_lea64_index(&e, RDI, RDI, HOST_WINDOW, 0, 0);
    emit_u8(&e, 0xf3);
    emit_u8(&e, 0xaa);
    emit_mov_ri32(&e, RDI, 0);
    leave(&e);
    return passes(&e);
}

static void strings(void **state)
{
    (void)state;
    assert_true(repeats(0xffff));
    assert_true(repeats(0));
    assert_false(repeats(0x10000));
    assert_false(repeats(-1));
    assert_non_null(strstr(why, "bound"));
    REFUSED("neither", 0xaa); /* stosb, at a guest's number */
}

/* [ram + r8] behind a look at the map of open bytes: of `looked` bytes, and if `waits` only where they are open. */
static bool stores_open(unsigned looked, unsigned stored, bool waits)
{
    static const u16 load[] = {[1] = 0x0fb6, [2] = 0x0fb7, [4] = 0x8b};
    Emit e = begin();
    emit_mov_rr32(&e, R8, RBX);
    emit_mov_rr64(&e, R10, RCX);
    emit_mov_ri64(&e, R9, (u64)(uintptr_t)MAP);
    emit_op_mem(&e, (HostOp){.opcode = load[looked], .reg = RCX}, (HostMem){.base = R9, .index = R8});
    emit_lea64(&e, RCX, RCX, -(s32)(0x01010101u >> (32 - 8 * looked)));
    u8 *all = emit_jrcxz_hole(&e);
    if (waits) {
        emit_mov_rr64(&e, RCX, R10);
        leave(&e);
    }
    emit_patch8(all, e.at);
    emit_mov_rr64(&e, RCX, R10);
    emit_mov_ri64(&e, R9, (u64)(uintptr_t)RAM);
    HostOp store = {.opcode = stored == 1 ? 0x88 : 0x89, .reg = RAX, .pfx = stored == 2 ? 0x66 : 0};
    emit_op_mem(&e, store, (HostMem){.base = R9, .index = R8});
    leave(&e);
    return passes(&e);
}

static void open_bytes(void **state)
{
    (void)state;
    assert_true(stores_open(4, 4, true));
    assert_true(stores_open(4, 1, true));
    assert_true(stores_open(1, 1, true));
    assert_false(stores_open(2, 4, true));
    assert_false(stores_open(4, 4, false));
}

/* A loop does not end the search, and what only its first round knows is not believed. */
static void loops(void **state)
{
    (void)state;
    Emit e = begin();
    emit_mov_ri32(&e, R9, 0);
    u8 *top = e.at;
    emit_op_mem(&e, (HostOp){.opcode = 0x8b, .reg = RAX}, (HostMem){.base = HOST_WINDOW, .index = R9});
    emit_lea64(&e, R9, R9, 4); /* 64 bits: it will leave the window */
    emit_patch32(emit_jcc_hole(&e, 4), top);
    leave(&e);
    assert_false(passes(&e));
    e = begin();
    emit_mov_ri32(&e, R9, 0);
    top = e.at;
    emit_op_mem(&e, (HostOp){.opcode = 0x8b, .reg = RAX}, (HostMem){.base = HOST_WINDOW, .index = R9});
    emit_lea32(&e, R9, R9, 4);
    emit_patch32(emit_jcc_hole(&e, 4), top);
    leave(&e);
    assert_true(passes(&e));
}

/* What holds on the way from the start need not hold at a door. */
static void doors(void **state)
{
    (void)state;
    Emit e = begin();
    emit_mov_rr32(&e, R8, RAX);
    rules.door[0] = (u32)(e.at - code);
    emit_mov_rm32(&e, RCX, R12, 0);
    rules.doors = 1;
    emit_mov_rr32(&e, RDX, R8);
    leave(&e);
    assert_true(passes(&e)); /* edx is 32 bits of whatever r8 holds */
    e = begin();
    emit_mov_rr32(&e, R8, RAX);
    rules.door[0] = (u32)(e.at - code);
    emit_guest_load(&e, RCX, (HostMem){.base = R8, .index = REG_NONE, .guest = GUEST_WINDOW}, 4);
    leave(&e);
    assert_false(passes(&e)); /* r8 is a guest address behind the start only */
    rules.doors = 0;
    assert_true(passes(&e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows),   cmocka_unit_test(host_memory),      cmocka_unit_test(wide_windows),
        cmocka_unit_test(registers), cmocka_unit_test(kernel_and_jumps), cmocka_unit_test(gates),
        cmocka_unit_test(strings),   cmocka_unit_test(open_bytes),       cmocka_unit_test(loops),
        cmocka_unit_test(doors)};
    uintptr_t here = (uintptr_t)main & ~(uintptr_t)PAGE_MASK;
    code = mmap((void *)(here + (64 << 20)), PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                -1, 0);
    if (code == MAP_FAILED) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
