/* front_glass.c - what the glass box answers of a machine, also to a guest that asks anything: no more than there is room
 * for, and no number that could be an address of the host's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "frontend/glass/glass.h"

enum { CODE_AT = 0x10000, ROOM = GLASSBOX_BYTES };

/* POPF, memory by several addresses, a jump to each: what listings may have in them. */
static const u8 program[] = {
    0x9c,                            /* pushfd */
    0x9d,                            /* popfd */
    0x0f, 0x31,                      /* rdtsc */
    0x8b, 0x04, 0x8d, 0,    0, 2, 0, /* mov eax, [ecx*4 + 0x20000] */
    0x0f, 0x01, 0x45, 0x00,          /* sgdt [ebp] */
    0xd9, 0xe8,                      /* fld1 */
    0xdd, 0x1d, 0,    0,    3, 0,    /* fstp qword [0x30000] */
    0xe8, 0x02, 0,    0,    0,       /* call over the next */
    0xeb, 0x01,                      /* jmp to the hlt */
    0xc3,                            /* ret */
    0xf4,                            /* hlt */
};

static Pc pc;
static u8 bytes[ROOM + 1];

static void idle(void *ctx, u64 ns)
{
    Vcpu *c = ctx;
    (void)ns;
    c->stop_reason = STOP_HLT;
    cpu_attention(c, ATT_STOP);
}

static void service(void *ctx) { (void)ctx; }

/* A board whose processor has run the program, in flat 32-bit protected mode. */
static void start(bool translate)
{
    static const MachineEvents none;
    const MachineConfig cfg = {.ram_bytes = 16 << 20, .manual_clock = true, .no_vga = true};
    const char *why = "";
    memset(&pc, 0, sizeof pc);
    pc.machine = machine_new(&cfg, &none);
    assert_non_null(pc.machine);
    Vcpu *c = &pc.cpu;
    cpu_init(c, cpu_model_find("max"), machine_bus(pc.machine), machine_phys(pc.machine));
    if (translate)
        pc.engine = xlat_new(c, NULL, &why);
    else
        c->engine = &engine_interp;
    assert_true(!translate || pc.engine);
    cpu_reset(c);
    c->cr0 = CR0_PE | CR0_ET | CR0_NE;
    for (int s = 0; s < SEG_COUNT; s++)
        c->seg[s] = (Segment){
            .limit = 0xffffffff, .sel = s == CS ? 8 : 16, .attr = (s == CS ? 0x9b : 0x93) | SEG_DB | SEG_G};
    c->eip = CODE_AT;
    c->gpr[ESP] = 0x80000;
    c->gpr[EBP] = 0x40000;
    memcpy(c->phys->ram + CODE_AT, program, sizeof program);
    if (c->engine->paging_changed) c->engine->paging_changed(c->engine->ctx, c, EV_CR0);
    const RunHooks hooks = {.ctx = c, .service = service, .idle = idle};
    assert_int_equal(cpu_run(c, &hooks), STOP_HLT);
}

static void end(void)
{
    if (pc.engine) xlat_free(pc.engine);
    machine_free(pc.machine);
}

/* An answer as text, closed by a zero. */
static char *ask(u32 what, u32 argument, u32 room)
{
    GlassboxSource s = glass_source(&pc);
    memset(bytes, 0xcc, sizeof bytes);
    u32 n = s.write(s.ctx, what, argument, bytes, room);
    assert_true(n <= room);
    for (u32 i = n; i < sizeof bytes; i++) assert_int_equal(bytes[i], 0xcc);
    bytes[n] = 0;
    return (char *)bytes;
}

/* Eight digits at most in any number, 80 columns at most in any line. */
static void check_listing(const char *text)
{
    unsigned digits = 0, column = 0;
    for (const char *s = text; *s; s++) {
        bool digit = strchr("0123456789abcdef", *s) != NULL;
        digits = digit ? digits + 1 : 0;
        column = *s == '\n' ? 0 : column + 1;
        assert_true(digits <= 8);
        assert_true(column <= GLASSBOX_COLUMNS);
    }
}

static void a_block_is_listed(void **state)
{
    (void)state;
    start(true);
    char *text = ask(GLASSBOX_EXPLAIN, CODE_AT, ROOM);
    check_listing(text);
    static const char *const wanted[] = {" 000 pushfd", " 001 popfd", "SENS",          "rdtsc",
                                         "sgdt",        "[window",    "<xlat_callout>"};
    for (unsigned n = 0; n < ARRAY_LEN(wanted); n++)
        if (!strstr(text, wanted[n])) fail_msg("no %s in\n%s", wanted[n], text);
    assert_string_equal(ask(GLASSBOX_IDENTITY, 0, ROOM), "glassbox 1\ntranslate\nauto\n");
    end();
}

static void interpreted_code_is_listed(void **state)
{
    (void)state;
    start(false);
    char *text = ask(GLASSBOX_EXPLAIN, CODE_AT, ROOM);
    check_listing(text);
    assert_non_null(strstr(text, "exec_popf()"));
    assert_null(strstr(text, "exec_ret()")); /* behind the call */
    text = ask(GLASSBOX_EXPLAIN_16, CODE_AT, ROOM);
    assert_non_null(strstr(text, " 000 pushf "));
    assert_string_equal(ask(GLASSBOX_IDENTITY, 0, ROOM), "glassbox 1\ninterp\nnone\n");
    end();
}

static unsigned lines_of(const char *text)
{
    unsigned n = 0;
    for (; *text; text++) n += *text == '\n';
    return n;
}

static void counters_have_names(void **state)
{
    (void)state;
    start(true);
    unsigned names = lines_of(ask(GLASSBOX_NAMES, 0, ROOM));
    GlassboxSource s = glass_source(&pc);
    assert_int_equal(s.write(s.ctx, GLASSBOX_COUNTERS, 0, bytes, ROOM), names * 8);
    const Xlat *x = pc.engine->ctx;
    assert_true(x->stats.translated_blocks > 0);
    assert_int_equal(load64(bytes + 8), x->stats.translated_blocks); /* the second */
    end();
}

/* Questions of all kinds, at addresses in the program, at its edges and anywhere, with room for any part. */
static void anything_may_be_asked(void **state)
{
    static const u32 likely[] = {0, 0xfff, 0xa0000, 0xfffff, 0x00fffff8, 0x01000000, 0xfee00000, UINT32_MAX};
    (void)state;
    for (int translate = 0; translate < 2; translate++) {
        start(translate);
        srand(1);
        for (unsigned n = 0; n < 3000; n++) {
            u32 r = (u32)rand(), what = r % 7 ? r % 5 : (u32)rand() * 4u;
            u32 at = n % 3 == 0   ? CODE_AT + r / 7 % 40 - 4
                     : n % 3 == 1 ? likely[r / 7 % ARRAY_LEN(likely)]
                                  : r * 2654435761u;
            char *text = ask(what, at, n % 4 ? (u32)rand() % 3000 : ROOM);
            if (what == GLASSBOX_EXPLAIN || what == GLASSBOX_EXPLAIN_16) check_listing(text);
        }
        end();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_is_listed),
        cmocka_unit_test(interpreted_code_is_listed),
        cmocka_unit_test(counters_have_names),
        cmocka_unit_test(anything_may_be_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
