/* front_processor.c - the processor as a part: saved, loaded and saved again it is the same, and it runs on alike.
 *
 * A guest program (arithmetic, stack, FPU, SSE, segments) is stopped at a random instruction and loaded into a second
 * processor with memory copied; both run on and end with the same registers and memory, in each engine and across them.
 * Random registers that a guest could have are saved whole; forged ones are refused, change nothing, or run without harm.
 * By hand: FUZZ_STEPS=1000000 FUZZ_SEED=n.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "cpu/fpu.h"
#include "frontend/processor.h"
#include "tests/vm.h"
#include "tests/random.h"

enum { RAM = 1 << 20, CODE_AT = 0x10000 };

static Vm one, other;
/* --- machines with a processor and nothing else ------------------------------------------------------------ */

static void vm_new(Vm *v, bool translate)
{
    memset(v, 0, sizeof *v);
    v->bus = bus_new();
    v->phys = phys_new(v->bus, RAM);
    assert_non_null(v->phys);
    vm_start(v, translate);
}

static StateBytes saved(Vm *v)
{
    Parts parts = {0};
    StateBytes b = {0};
    char problem[STATE_PROBLEM] = "";
    part_add(&parts, &processor_part, "cpu", &v->c);
    assert_true(parts_save(&parts, &b, problem));
    return b;
}

static bool loads(Vm *v, const u8 *from, u32 count)
{
    Parts parts = {0};
    char problem[STATE_PROBLEM] = "";
    part_add(&parts, &processor_part, "cpu", &v->c);
    bool good = parts_load(&parts, from, count, problem);
    assert_int_equal(good, !problem[0]);
    return good;
}

static void assert_saved_equal(Vm *a, Vm *b)
{
    StateBytes x = saved(a), y = saved(b);
    assert_int_equal(x.count, y.count);
    assert_memory_equal(x.at, y.at, x.count);
    state_bytes_free(&x), state_bytes_free(&y);
}

/* All memory is written anew, as loading does. */
static void copy_memory(Vm *to, const Vm *from)
{
    memcpy(to->phys->ram, from->phys->ram, RAM);
    for (u32 pa = 0; pa < RAM; pa += PAGE_BYTES)
        if (to->phys->watch[pa >> PAGE_BITS]) phys_written(to->phys, pa, PAGE_BYTES);
}

/* --- a guest ---------------------------------------------------------------------------------------------- */

static const u8 program[] = {
    0xb9, 0x10,
    0x27, 0,
    0, /* 00 mov ecx, 10000 */
    0x69, 0xc0,
    0x0d, 0x66,
    0x19, 0x00, /* 05 l: imul eax, eax, 0x19660d */
    0x05, 0x5f,
    0xf3, 0x6e,
    0x3c, /* 0b add eax, 0x3c6ef35f */
    0x50, /* 10 push eax */
    0x9c, /* 11 pushfd */
    0x8f, 0x05,
    0x00, 0x00,
    0x02, 0x00, /* 12 pop [0x20000] */
    0x89, 0xc3, /* 18 mov ebx, eax */
    0x81, 0xe3,
    0xfc, 0xff,
    0x00, 0x00, /* 1a and ebx, 0xfffc */
    0x31, 0x83,
    0x00, 0x00,
    0x03, 0x00, /* 20 xor [ebx + 0x30000], eax */
    0xdb, 0x04,
    0x24, /* 26 fild dword [esp] */
    0xdc, 0x05,
    0x00, 0x00,
    0x05, 0x00, /* 29 fadd qword [0x50000] */
    0xdd, 0x1d,
    0x00, 0x00,
    0x05, 0x00, /* 2f fstp qword [0x50000] */
    0x66, 0x0f,
    0xef, 0x05,
    0,    0,
    0x03, 0,               /* 35 pxor xmm0, [0x30000] */
    0x8e, 0xc0 + 0x20 + 2, /* 3d mov fs, dx */
    0x5e,                  /* 3f pop esi */
    0x01, 0xf7,            /* 40 add edi, esi */
    0xe2, 0xc1,            /* 42 loop l */
    0xf4,                  /* 44 hlt */
};

static void place_program(Vm *v)
{
    memcpy(v->phys->ram + CODE_AT, program, sizeof program);
    v->c.cr4 = CR4_OSFXSR;
    v->c.cr0 = CR0_PE | CR0_ET | CR0_NE;
    v->c.gpr[EAX] = 12345;
    v->c.gpr[EDX] = 0; /* a selector that may always be loaded */
    v->c.engine->paging_changed(v->c.engine->ctx, &v->c, EV_CR0 | EV_CR4);
}

/* The host wants something now and then, at which the processor is between two instructions. */
static u32 services_left;
static void service(void *ctx)
{
    Vcpu *c = ctx;
    if (!services_left) {
        cpu_attention(c, ATT_STOP);
        return;
    }
    services_left--;
    cpu_attention(c, ATT_IO);
}

static void run_to_hlt(Vm *v)
{
    const RunHooks none = {.ctx = &v->c};
    assert_int_equal(cpu_run(&v->c, &none), STOP_HLT);
}

/* So many instructions, by the interpreter's steps. */
static void run_some(Vm *v, u32 insns)
{
    while (insns-- && !v->c.halted) interp_one(&v->c);
}

static void goes_on_alike(bool from_translated, bool to_translated)
{
    Vm whole;
    vm_new(&one, from_translated), vm_new(&other, to_translated), vm_new(&whole, false);
    place_program(&whole);
    run_to_hlt(&whole);
    for (u32 n = random_steps(3000) / 500; n; n--) {
        vm_flat32(&one.c);
        memset(one.phys->ram, 0, RAM), copy_memory(&one, &one);
        place_program(&one);
        run_some(&one, rnd() % 100000);
        StateBytes b = saved(&one);
        copy_memory(&other, &one);
        assert_true(loads(&other, b.at, b.count));
        state_bytes_free(&b);
        assert_saved_equal(&one, &other);
        run_to_hlt(&other); /* which has run other rounds of the same code before */
        run_to_hlt(&one);
        assert_saved_equal(&one, &other);
        assert_int_equal(other.c.gpr[EDI], whole.c.gpr[EDI]);
        assert_memory_equal(other.phys->ram, whole.phys->ram, RAM);
        assert_memory_equal(other.c.fpu.xmm, whole.c.fpu.xmm, 16);
    }
    vm_end(&one), vm_end(&other), vm_end(&whole);
}

static void an_interpreted_guest_goes_on(void **state)
{
    (void)state;
    goes_on_alike(false, false);
}
static void a_translated_guest_goes_on(void **state)
{
    (void)state;
    goes_on_alike(true, true);
}
static void a_guest_goes_on_in_the_other_engine(void **state)
{
    (void)state;
    goes_on_alike(true, false);
    goes_on_alike(false, true);
}

/* --- any registers ---------------------------------------------------------------------------------------- */

/* Values that guest code could bring about. */
static void randomize(Vcpu *c)
{
    u8 *fpu = (u8 *)&c->fpu;
    cpu_reset(c);
    for (unsigned n = 0; n < 8; n++) c->gpr[n] = rnd();
    c->eip = rnd();
    c->eflags = (rnd() & FL_ALL & ~(u32)FL_VM) | 2;
    c->cr0 = CR0_ET | (rnd() & (CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_NE | CR0_WP | CR0_AM));
    c->cr2 = rnd(), c->cr3 = rnd();
    c->cr4 = rnd() & (CR4_VME | CR4_PSE | CR4_PAE | CR4_PGE | CR4_OSFXSR | CR4_TSD | CR4_DE);
    c->cpl = c->cr0 & CR0_PE ? rnd() & 3 : 0;
    for (unsigned n = 0; n < SEG_COUNT + 2; n++) {
        Segment *s = n < SEG_COUNT ? &c->seg[n] : n == SEG_COUNT ? &c->ldtr : &c->tr;
        *s = (Segment){rnd(), rnd(), (rnd() & 0xf0ff) | (rnd() % 8 ? 0 : SEG_UNUSABLE), (u16)rnd(), 0};
    }
    c->gdtr.base = rnd(), c->gdtr.limit = (u16)rnd(), c->idtr.base = rnd(), c->idtr.limit = (u16)rnd();
    for (unsigned n = 0; n < 4; n++) c->pdpte[n] = (rnd() & 0xfffff000u) | 1, c->dr[n] = rnd();
    c->dr[6] |= rnd() & 0xe00f;
    c->tsc_offset = rnd() * 0x100000001ull, c->tsc_aux = rnd(), c->sysenter_cs = rnd();
    c->sysenter_esp = rnd(), c->sysenter_eip = rnd();
    for (unsigned n = 0; n < 11; n++) c->mtrr_fix[n] = 0x0606060605050404ull;
    for (unsigned n = 0; n < sizeof c->fpu; n++) fpu[n] = (u8)rnd();
    c->fpu.mxcsr = rnd() & 0xffff;
    c->inhibit = rnd() & 3, c->halted = rnd() & 1;
    c->nmi_blocked = rnd() & 1, c->rep_stopped = rnd() & 1, c->db_pending = rnd() & 0xe00f;
    if (rnd() & 1) cpu_attention(c, ATT_NMI);
}

static void any_registers_are_saved_whole(void **state)
{
    (void)state;
    vm_new(&one, false), vm_new(&other, true);
    for (u32 n = random_steps(500); n; n--) {
        randomize(&one.c);
        assert_null(cpu_impossible(&one.c));
        StateBytes b = saved(&one);
        assert_true(loads(&other, b.at, b.count));
        state_bytes_free(&b);
        assert_saved_equal(&one, &other);
        assert_memory_equal(one.c.gpr, other.c.gpr, sizeof one.c.gpr);
        assert_memory_equal(one.c.seg, other.c.seg, sizeof one.c.seg);
        assert_int_equal(one.c.cr3, other.c.cr3);
        assert_int_equal(atomic_load(&one.c.attention) & ATT_NMI, atomic_load(&other.c.attention) & ATT_NMI);
        assert_int_equal(!!(atomic_load(&other.c.attention) & ATT_TRAP),
                         (other.c.eflags & FL_T) || (other.c.dr[7] & 0xff) || other.c.db_pending);
    }
    vm_end(&one), vm_end(&other);
}

/* --- what is not a processor ------------------------------------------------------------------------------- */

static void forge(StateBytes *b)
{
    u32 head = 1u + b->at[0] + 6, body = b->count - head - 4;
    for (u32 changes = 1 + rnd() % 8; changes; changes--)
        b->at[head + rnd() % body] = rnd() & 1 ? (u8)rnd() : (u8)(rnd() & 1 ? 0xff : 0);
    store32(b->at + b->count - 4, state_crc(b->at, b->count - 4));
}

static void what_is_forged_does_no_harm(void **state)
{
    u32 loaded = 0, refused = 0;
    (void)state;
    vm_new(&one, false), vm_new(&other, true);
    place_program(&one);
    run_some(&one, 5000);
    copy_memory(&other, &one);
    for (u32 n = random_steps(2000); n; n--) {
        StateBytes before = saved(&other), b = saved(&one);
        forge(&b);
        bool good = loads(&other, b.at, b.count);
        loaded += good, refused += !good;
        state_bytes_free(&b);
        if (!good) {
            StateBytes after = saved(&other);
            assert_int_equal(before.count, after.count);
            assert_memory_equal(before.at, after.at, before.count);
            state_bytes_free(&after);
        } else {
            const RunHooks hooks = {.ctx = &other.c, .service = service};
            services_left = 20;
            cpu_attention(&other.c, ATT_IO);
            cpu_run(&other.c, &hooks);
            fpu_park(&other.c);
            StateBytes fresh = saved(&one);
            assert_true(loads(&other, fresh.at, fresh.count));
            state_bytes_free(&fresh);
        }
        state_bytes_free(&before);
    }
    assert_true(loaded > 100 && refused > 100);
    vm_end(&one), vm_end(&other);
}

static void what_is_truncated_is_refused(void **state)
{
    (void)state;
    vm_new(&one, false), vm_new(&other, false);
    random_steps(0);
    randomize(&one.c);
    StateBytes b = saved(&one), before = saved(&other);
    for (u32 n = 0; n < b.count; n++) assert_false(loads(&other, b.at, n));
    StateBytes after = saved(&other);
    assert_int_equal(before.count, after.count);
    assert_memory_equal(before.at, after.at, before.count);
    state_bytes_free(&b), state_bytes_free(&before), state_bytes_free(&after);
    vm_end(&one), vm_end(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_interpreted_guest_goes_on),
        cmocka_unit_test(a_translated_guest_goes_on),
        cmocka_unit_test(a_guest_goes_on_in_the_other_engine),
        cmocka_unit_test(any_registers_are_saved_whole),
        cmocka_unit_test(what_is_forged_does_no_harm),
        cmocka_unit_test(what_is_truncated_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
