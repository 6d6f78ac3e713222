/* A guest that waits in a loop sleeps as in HLT (cpu/wait.c), and no other does. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "cpu_guest.h"
#include "mmu/bus.h"

enum {
    PORT = 0x300,
    PORT_STILL = 0x301,
    PORT_SOON = 0x302,
    DEVICE_AT = 0xb0000,
    MOST = 100000,
    SOON_NS = 1000000
};

static struct {
    Vcpu *c;
    u64 slept_ns; /* of the last sleep; 0: none */
    u64 now;
    unsigned sleeps, sleeps_wanted, touched;
} seen;

/* What does not wait is ended by what it uses. */
static void touch(void)
{
    if (++seen.touched == MOST) cpu_attention(seen.c, ATT_STOP);
}

static u32 device_read(void *dev, u32 offset, unsigned bytes)
{
    (void)dev, (void)offset, (void)bytes;
    touch();
    return 0;
}

static void device_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    (void)dev, (void)offset, (void)value, (void)bytes;
    touch();
}

static u64 still_soon(void *dev, u32 offset)
{
    (void)dev, (void)offset;
    return SOON_NS - seen.now % SOON_NS;
}

static u64 still(void *dev, u32 offset)
{
    (void)dev, (void)offset;
    return STILL_UNTIL_EVENT;
}

static u64 time_passes(void *ctx)
{
    (void)ctx;
    touch();
    return seen.now += 100;
}

static void service(void *ctx) { (void)ctx; }

static void idle(void *ctx, u64 ns)
{
    Vcpu *c = ctx;
    if (c->halted) {
        cpu_attention(c, ATT_STOP);
        return;
    }
    seen.slept_ns = ns;
    if (++seen.sleeps == seen.sleeps_wanted) cpu_attention(c, ATT_STOP);
    cpu_attention(c, ATT_CLOCK);
}

/* How long it would sleep, ns; 0: not at all. A timer interrupt at the beginning makes the run loop look. */
static u64 sleeps(Guest *g, const u8 *code, u32 bytes)
{
    static const IoOps ops = {device_read, device_write, 1, 4};
    const RunHooks hooks = {.ctx = &g->c, .service = service, .idle = idle};
    memset(&seen, 0, sizeof seen);
    seen.c = &g->c;
    seen.sleeps_wanted = 1;
    bus_add_ports(g->bus, PORT, 1, &ops, NULL, "unknown");
    bus_set_still(g->bus, bus_add_ports(g->bus, PORT_STILL, 1, &ops, NULL, "still"), still);
    bus_set_still(g->bus, bus_add_ports(g->bus, PORT_SOON, 1, &ops, NULL, "soon"), still_soon);
    bus_add_mmio(g->bus, DEVICE_AT, 4096, &ops, NULL, "device");
    g->c.tsc_now = time_passes;
    guest_code(g, code, bytes);
    guest_engine_init(&g->c);
    g->c.engine->paging_changed(g->c.engine->ctx, &g->c, EV_CR0 | EV_CR3 | EV_CR4);
    g->c.wait.next_ns = 0; /* it is long since the reset */
    cpu_attention(&g->c, ATT_CLOCK);
    assert_int_equal(cpu_run(&g->c, &hooks), STOP_QUIT);
    return seen.slept_ns;
}

#define SLEEPS(...)  sleeps(*state, (const u8[]){__VA_ARGS__}, sizeof((const u8[]){__VA_ARGS__}))
#define MOV_DX(port) 0xba, (port)&0xff, (port) >> 8
#define COMPARE_KEYS 0xa1, 0x1a, 0x04, 0x3b, 0x06, 0x1c, 0x04 /* mov ax, [41a]; cmp ax, [41c] */

static void who_looks_at_memory_waits(void **state)
{
    assert_int_equal(SLEEPS(COMPARE_KEYS, 0x74, 0xf7), UINT64_MAX);
}

static void what_it_pushes_and_puts_back_does_not_matter(void **state)
{
    /* push ax; call f; pop ax; jmp; f: inc word [500]; dec word [500]; ret */
    assert_int_equal(SLEEPS(0x50, 0xe8, 0x03, 0x00, 0x58, 0xeb, 0xf9, 0xff, 0x06, 0x00, 0x05, 0xff, 0x0e,
                            0x00, 0x05, 0xc3),
                     UINT64_MAX);
}

static void a_loop_around_loops_is_seen_whole(void **state)
{
    /* xor bx, bx; mov cx, 200; inc bx; loop; jmp */
    assert_int_equal(SLEEPS(0x31, 0xdb, 0xb9, 0xc8, 0x00, 0x43, 0xe2, 0xfd, 0xeb, 0xf6), UINT64_MAX);
}

static void who_counts_in_a_register_does_not_wait(void **state)
{
    assert_int_equal(SLEEPS(0x31, 0xc9, 0x90, 0x49, 0x75, 0xfc, 0xf4),
                     0); /* xor cx, cx; nop; dec cx; jnz; hlt */
}

static void who_counts_in_memory_does_not_wait(void **state)
{
    assert_int_equal(SLEEPS(0xff, 0x06, 0x00, 0x05, 0x75, 0xfa, 0xf4), 0); /* inc word [500]; jnz; hlt */
}

static void who_counts_and_asks_for_a_key_naps(void **state)
{
    assert_in_range(SLEEPS(0xff, 0x06, 0x00, 0x05, COMPARE_KEYS, 0x74, 0xf3), 1,
                    5000000); /* inc word [500] */
}

static void who_moves_through_memory_does_not_wait(void **state)
{
    /* mov di, 9000; mov ax, 1; stosw; cmp di, f000; jb; hlt */
    assert_int_equal(
        SLEEPS(0xbf, 0x00, 0x90, 0xb8, 0x01, 0x00, 0xab, 0x81, 0xff, 0x00, 0xf0, 0x72, 0xf9, 0xf4), 0);
}

/* Reads a port that stays, and adds 0 to a byte of `pages` pages from 20000h on: always as it was, but only a few are
 * kept. */
static u64 writes_pages(Guest *g, u32 pages)
{
    u8 code[4 + 10 * (WAIT_PAGES + 1) + 3] = {MOV_DX(PORT_STILL), 0xec};
    u32 n = 4;
    for (u32 page = 0; page < pages; page++) {
        const u8 add[] = {0xb8, 0x00, (u8)(0x20 + page), 0x8e, 0xd8, 0x80, 0x06, 0x00, 0x01, 0x00};
        memcpy(code + n, add, sizeof add);
        n += sizeof add;
    }
    code[n++] = 0xe9; /* jmp */
    store16(code + n, (u16) - (int)(n + 2));
    return sleeps(g, code, n + 2);
}

static void who_writes_a_few_pages_waits(void **state)
{
    assert_int_equal(writes_pages(*state, WAIT_PAGES), UINT64_MAX);
}

static void who_writes_many_is_busy(void **state)
{
    assert_int_equal(writes_pages(*state, WAIT_PAGES + 1), 0);
}

static void who_writes_a_port_does_not_wait(void **state)
{
    assert_int_equal(SLEEPS(MOV_DX(PORT_STILL), 0xee, 0xeb, 0xfd), 0); /* out dx, al; jmp */
}

static void who_reads_a_port_that_changes_does_not_wait(void **state)
{
    assert_int_equal(SLEEPS(MOV_DX(PORT), 0xec, 0xeb, 0xfd), 0); /* in al, dx; jmp */
}

static void who_reads_a_port_that_stays_waits(void **state)
{
    assert_int_equal(SLEEPS(MOV_DX(PORT_STILL), 0xec, 0xeb, 0xfd), UINT64_MAX);
}

static void a_port_that_stays_for_a_while_lets_sleep_so_long(void **state)
{
    assert_in_range(SLEEPS(MOV_DX(PORT_SOON), 0xec, 0xeb, 0xfd), 1, SOON_NS);
    assert_true(seen.now > 64000); /* bits that come and go faster would have been seen */
}

static void who_reads_a_device_s_memory_does_not_wait(void **state)
{
    /* mov ax, b000; mov ds, ax; mov al, [0]; jmp */
    assert_int_equal(SLEEPS(0xb8, 0x00, 0xb0, 0x8e, 0xd8, 0xa0, 0x00, 0x00, 0xeb, 0xfb), 0);
}

static void who_looks_at_the_clock_does_not_wait(void **state)
{
    assert_int_equal(SLEEPS(0x0f, 0x31, 0x66, 0x31, 0xc0, 0x66, 0x31, 0xd2, 0xeb, 0xf6),
                     0); /* rdtsc; xor eax, eax; xor edx, edx; jmp */
}

static void who_looks_at_the_clock_and_asks_for_a_key_naps(void **state)
{
    /* ... xor eax, eax; xor edx, edx; keys; je */
    assert_in_range(SLEEPS(0x0f, 0x31, 0x66, 0x31, 0xc0, 0x66, 0x31, 0xd2, COMPARE_KEYS, 0x74, 0xef), 1,
                    5000000);
}

/* A handler that counts ticks does not make its program busy, and the program is looked at again after each. */
static void it_sleeps_again_after_each_event(void **state)
{
    Guest *g = *state;
    static const u8 code[] = {COMPARE_KEYS, 0x74, 0xf7};
    const RunHooks hooks = {.ctx = &g->c, .service = service, .idle = idle};
    assert_int_equal(sleeps(g, code, sizeof code), UINT64_MAX);
    u64 looks = g->c.wait.looks;
    seen.sleeps = 0;
    seen.sleeps_wanted = 20;
    assert_int_equal(cpu_run(&g->c, &hooks), STOP_QUIT);
    assert_int_equal(seen.sleeps, 20);
    assert_int_equal(g->c.wait.looks, looks);
}

/* What nobody waits in is looked at ever less. */
static void a_busy_guest_is_left_alone(void **state)
{
    Guest *g = *state;
    assert_int_equal(SLEEPS(0x31, 0xc9, 0x90, 0x49, 0x75, 0xfc, 0xf4), 0);
    assert_int_equal(g->c.wait.left, 0);
    assert_true(g->c.wait.next_ns > host_now_ns() + 10000000);
    assert_int_equal(g->c.wait.looks, 1);
}

/* The look ends within a long repeated instruction, the rest of which the engine does. */
static void who_copies_a_lot_does_not_wait(void **state)
{
    Guest *g = *state;
    /* std; mov cx, ffff; mov si, cx; mov di, cx; rep lodsb; cld; hlt */
    assert_int_equal(SLEEPS(0xfd, 0xb9, 0xff, 0xff, 0x89, 0xce, 0x89, 0xcf, 0xf3, 0xac, 0xfc, 0xf4), 0);
    assert_int_equal(g->c.gpr[ECX] & 0xffff, 0);
    assert_int_equal(g->c.wait.looks, 1);
    assert_int_equal(g->c.wait.fails, 1);
    assert_true(g->c.wait.next_ns > host_now_ns());
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, guest_setup, guest_teardown)
    const struct CMUnitTest tests[] = {
        T(who_looks_at_memory_waits),
        T(what_it_pushes_and_puts_back_does_not_matter),
        T(a_loop_around_loops_is_seen_whole),
        T(who_counts_in_a_register_does_not_wait),
        T(who_counts_in_memory_does_not_wait),
        T(who_counts_and_asks_for_a_key_naps),
        T(who_moves_through_memory_does_not_wait),
        T(who_writes_a_few_pages_waits),
        T(who_writes_many_is_busy),
        T(who_writes_a_port_does_not_wait),
        T(who_reads_a_port_that_changes_does_not_wait),
        T(who_reads_a_port_that_stays_waits),
        T(a_port_that_stays_for_a_while_lets_sleep_so_long),
        T(who_reads_a_device_s_memory_does_not_wait),
        T(who_looks_at_the_clock_does_not_wait),
        T(who_looks_at_the_clock_and_asks_for_a_key_naps),
        T(it_sleeps_again_after_each_event),
        T(who_copies_a_lot_does_not_wait),
        T(a_busy_guest_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
