/* xlat_bounds.c - guests that fill the translator's and the shadow's tables, and ids that run out (docs/BOUNDS.md).
 * What the guest computes stays right. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "mmu/shadow_parts.h"
#include "tests/vm.h"

enum { RAM_BYTES = 64 << 20, CODE = 0x10000, PLAIN = 0x1000000 };

static Vm vm;

static Xlat *xlat(void) { return vm.xlat->ctx; }

static void begin(void)
{
    memset(&vm, 0, sizeof vm);
    vm.bus = bus_new();
    vm.phys = phys_new(vm.bus, RAM_BYTES);
    vm_start(&vm, true);
}

static void put(u32 at, const void *bytes, u32 n)
{
    memcpy(vm.phys->ram + at, bytes, n);
    phys_written(vm.phys, at, n);
}

/* Run the code at CODE to its HLT, from EAX = 0 on: EAX. */
static u32 run(const void *code, u32 n)
{
    put(CODE, code, n);
    vm.c.gpr[EAX] = 0;
    vm.c.eip = CODE;
    assert_int_equal(vm_run(&vm), STOP_HLT);
    return vm.c.gpr[EAX];
}

/* Flat code that calls `count` functions of `bytes` bytes each, one after the other. */
static u32 call_all(u32 from, u32 bytes, u32 count)
{
    u8 code[] = {0xbf, 0,    0,   0, 0,    /* mov edi, from */
                 0xff, 0xd7,               /* call edi */
                 0x81, 0xc7, 0,   0, 0, 0, /* add edi, bytes */
                 0x81, 0xff, 0,   0, 0, 0, /* cmp edi, end */
                 0x72, 0xf0, 0xf4};        /* jb; hlt */
    store32(code + 1, from);
    store32(code + 9, bytes);
    store32(code + 15, from + bytes * count);
    return run(code, sizeof code);
}

static void more_blocks_than_the_cache_holds(void **state)
{
    enum { COUNT = 250000 };
    static const u8 function[] = {0x83, 0xc0, 0x03, 0x40,
                                  0x31, 0xc9, 0xc3, 0x90}; /* EAX += 4, in a block of eight bytes */
    (void)state;
    begin();
    for (u32 n = 0; n < COUNT; n++) memcpy(vm.phys->ram + PLAIN + 8 * n, function, sizeof function);
    for (unsigned round = 0; round < 2; round++) assert_int_equal(call_all(PLAIN, 8, COUNT), 4 * COUNT);
    assert_true(xlat()->stats.translated_blocks >= 2 * COUNT);
    assert_true(xlat()->stats.flushes > CACHE_REGIONS);
    vm_end(&vm);
}

/* Each function stores beside itself: more sites than the table has, and more pages than may be open. */
static void more_sites_and_open_pages_than_there_are(void **state)
{
    enum { PAGES = OPENED_MAX + 300, EACH = 4, COUNT = PAGES * EACH, STEP = PAGE_BYTES / EACH };
    (void)state;
    begin();
    assert_true(COUNT > (int)SITE_HASH);
    for (u32 n = 0; n < COUNT; n++) {
        u8 f[] = {0x40, 0xa3, 0, 0, 0, 0, 0xc3}; /* inc eax; mov [...], eax; ret */
        store32(f + 2, PLAIN + n * STEP + 512);
        memcpy(vm.phys->ram + PLAIN + n * STEP, f, sizeof f);
    }
    for (unsigned round = 0; round < 2; round++) {
        assert_int_equal(call_all(PLAIN, STEP, COUNT), COUNT);
        for (u32 n = 0; n < COUNT; n++)
            assert_int_equal(load32(vm.phys->ram + PLAIN + n * STEP + 512), n + 1);
        assert_true(xlat()->opened <= OPENED_MAX);
    }
    vm_end(&vm);
}

static void calls_without_returns(void **state)
{
    enum { COUNT = 300000 };
    /* mov ecx, COUNT; call next; next: pop edx; inc eax; dec ecx; jnz; hlt */
    u8 code[] = {0xb9, 0, 0, 0, 0, 0xe8, 0, 0, 0, 0, 0x5a, 0x40, 0x49, 0x75, 0xf6, 0xf4};
    (void)state;
    begin();
    store32(code + 1, COUNT);
    assert_int_equal(run(code, sizeof code), COUNT);
    assert_int_equal(vm.c.gpr[EDX], CODE + 10);
    assert_int_equal(vm.c.gpr[ESP], 0x80000);
    vm_end(&vm);
}

/* --- contexts: real mode, a far call into each of many code segments ------------------------------------- */

enum { POINTER = 0x9000 };

static u8 addend(u32 first, u32 n) { return (u8)((first >> 12) * 10 + n % 7); }

/* Function n is at segment first + 3 n, offset 16 n. */
static void put_functions(u16 first, u32 count)
{
    for (u32 n = 0; n < count; n++) {
        const u8 f[] = {0x66, 0x83, 0xc0, addend(first, n), 0xcb}; /* add eax, ...; retf */
        put((first + 3 * n) * 16 + 16 * n, f, sizeof f);
    }
}

static void call_segments(u16 first, u32 count)
{
    u8 code[] = {0xba,
                 0,
                 0, /* mov dx, first */
                 0x31,
                 0xdb, /* xor bx, bx */
                 0x89,
                 0x1e,
                 POINTER & 0xff,
                 POINTER >> 8, /* mov [pointer], bx */
                 0x89,
                 0x16,
                 (POINTER + 2) & 0xff,
                 POINTER >> 8, /* mov [pointer + 2], dx */
                 0xff,
                 0x1e,
                 POINTER & 0xff,
                 POINTER >> 8, /* call far [pointer] */
                 0x83,
                 0xc2,
                 0x03,
                 0x83,
                 0xc3,
                 0x10, /* add dx, 3; add bx, 16 */
                 0x81,
                 0xfb,
                 0,
                 0,
                 0x75,
                 0xe8,
                 0xf4}; /* cmp bx, end; jne; hlt */
    u32 sum = 0;
    store16(code + 1, first);
    store16(code + 25, (u16)(16 * count));
    for (u32 n = 0; n < count; n++) sum += addend(first, n);
    cpu_reset(&vm.c);
    seg_load_real(&vm.c, CS, 0);
    vm.c.gpr[ESP] = 0x8000;
    put(0x7000, code, sizeof code);
    vm.c.eip = 0x7000;
    vm.c.gpr[EAX] = 0;
    vm.c.engine->paging_changed(vm.c.engine->ctx, &vm.c, EV_CR0 | EV_CR3 | EV_CR4);
    assert_int_equal(vm_run(&vm), STOP_HLT);
    assert_int_equal(vm.c.gpr[EAX], sum);
}

static void more_contexts_than_the_table_has(void **state)
{
    enum { COUNT = 4 * CTX_HASH - 1 };
    (void)state;
    begin();
    put_functions(0x1000, COUNT);
    for (unsigned round = 0; round < 3; round++) call_segments(0x1000, COUNT);
    assert_true(xlat()->ctx_next > COUNT);
    vm_end(&vm);
}

/* The ids begin anew at once, and go to other segments in the same order: nothing may know the first ones. And in the
 * middle. */
static void context_ids_run_out(void **state)
{
    enum { COUNT = 400 };
    (void)state;
    begin();
    put_functions(0x2000, COUNT);
    put_functions(0x6000, COUNT);
    call_segments(0x2000, COUNT);
    u32 used = xlat()->ctx_next;
    for (unsigned round = 0; round < 4; round++) {
        xlat()->ctx_next = UINT32_MAX - (1u << 24) + 1 - (round & 2 ? COUNT / 2 : 0);
        call_segments(round & 1 ? 0x2000 : 0x6000, COUNT);
        assert_int_equal(xlat()->stats.renewals, round + 1);
        assert_true(xlat()->ctx_next <= used);
    }
    vm_end(&vm);
}

/* --- address spaces -------------------------------------------------------------------------------------- */

enum { DIRECTORIES = 0x800000, CR4_NOW = CR4_PSE, SHOWN = 0x400000, FIRST_USER = 0x400000 };

/* Directory n: the first 4 MiB as they are; then `users` large user pages that all show the same memory. */
static void put_directories(u32 count, u32 users)
{
    for (u32 n = 0; n < count; n++) {
        u8 *d = vm.phys->ram + DIRECTORIES + n * PAGE_BYTES;
        store32(d, PTE_P | PTE_W | PTE_A | PTE_D | PTE_PS);
        for (u32 k = 1; k <= users; k++) store32(d + 4 * k, SHOWN | PTE_P | PTE_W | PTE_U | PTE_PS);
    }
    phys_written(vm.phys, DIRECTORIES, count * PAGE_BYTES);
}

static void paging_on(void)
{
    vm_flat32(&vm.c);
    vm.c.cr3 = DIRECTORIES;
    vm.c.cr4 = CR4_NOW;
    vm.c.cr0 |= CR0_PG | CR0_WP;
    vm.c.engine->paging_changed(vm.c.engine->ctx, &vm.c, EV_CR0 | EV_CR3 | EV_CR4);
}

/* Load each directory in turn; in each, add up the first word of all of its user pages. */
static u32 visit(u32 count, u32 users)
{
    u8 code[] = {0xbe, 0,    0,    0,    0,       /* mov esi, first directory */
                 0x0f, 0x22, 0xde,                /* mov cr3, esi */
                 0xbf, 0,    0,    0,    0,       /* mov edi, first user page */
                 0x03, 0x07,                      /* add eax, [edi] */
                 0x81, 0xc7, 0,    0,    0x40, 0, /* add edi, 4 MiB */
                 0x81, 0xff, 0,    0,    0,    0, /* cmp edi, end */
                 0x72, 0xf0,                      /* jb */
                 0x81, 0xc6, 0,    0x10, 0,    0, /* add esi, 4096 */
                 0x81, 0xfe, 0,    0,    0,    0, /* cmp esi, end */
                 0x72, 0xda, 0xf4};               /* jb; hlt */
    store32(code + 1, DIRECTORIES);
    store32(code + 9, FIRST_USER);
    store32(code + 23, FIRST_USER * (users + 1));
    store32(code + 37, DIRECTORIES + count * PAGE_BYTES);
    return run(code, sizeof code);
}

static void more_spaces_and_slots_than_there_are(void **state)
{
    enum { COUNT = WINDOWS_MAX + 50, USERS = 20 };
    (void)state;
    begin();
    assert_true(COUNT * USERS > (int)SLOTS_MAX);
    put_directories(COUNT, USERS);
    store32(vm.phys->ram + SHOWN, 3);
    paging_on();
    for (unsigned round = 0; round < 2; round++) assert_int_equal(visit(COUNT, USERS), 3 * COUNT * USERS);
    assert_true(shadow_stats(xlat()->shadow)->evictions + shadow_stats(xlat()->shadow)->slots_dropped > 0);
    vm_end(&vm);
}

/* Ids of address spaces end while directories are loaded, by code that never leaves its block's links. */
static void space_ids_run_out(void **state)
{
    enum { COUNT = 200, USERS = 2 };
    (void)state;
    begin();
    put_directories(COUNT, USERS);
    store32(vm.phys->ram + SHOWN, 5);
    paging_on();
    assert_int_equal(visit(COUNT, USERS), 5 * COUNT * USERS);
    Shadow *s = xlat()->shadow;
    for (unsigned round = 0; round < 3; round++) {
        spaces_drop(s);
        space_select(s);
        s->next_id = UINT32_MAX - IDS_LEFT - COUNT / 2;
        assert_int_equal(visit(COUNT, USERS), 5 * COUNT * USERS);
        assert_int_equal(xlat()->stats.renewals, round + 1);
        assert_true(s->next_id < 2 * WINDOWS_MAX + COUNT);
        for (u32 a = 0; a < s->windows_max; a++)
            for (u32 b = 0; b < a; b++) assert_int_not_equal(s->windows[a].id, s->windows[b].id);
    }
    vm_end(&vm);
}

/* What address spaces agreed with before the stamps of K begin anew does not count. */
static void stamps_run_out(void **state)
{
    (void)state;
    begin();
    put_directories(3, 1);
    paging_on();
    visit(3, 1);
    Shadow *s = xlat()->shadow;
    for (unsigned i = WINDOW_U; i < s->window_count; i++) s->windows[i].agreed[1] = 1;
    s->windows[WINDOW_K1].stamp = UINT32_MAX;
    stamp_next(s, &s->windows[WINDOW_K1]);
    assert_int_equal(s->windows[WINDOW_K1].stamp, 1);
    for (unsigned i = WINDOW_U; i < s->window_count; i++) assert_int_equal(s->windows[i].agreed[1], 0);
    vm_end(&vm);
}

/* --- arrays ---------------------------------------------------------------------------------------------- */

static sigjmp_buf hit;
static void on_fault(int number)
{
    (void)number;
    siglongjmp(hit, 1);
}

static bool faults(volatile u8 *at)
{
    struct sigaction a = {.sa_handler = on_fault, .sa_flags = SA_NODEFER}, old;
    sigaction(SIGSEGV, &a, &old);
    bool caught = true;
    if (!sigsetjmp(hit, 1)) {
        *at = 1;
        caught = false;
    }
    sigaction(SIGSEGV, &old, NULL);
    return caught;
}

static void nothing_lies_beside_a_table(void **state)
{
    (void)state;
    u8 *t = xlat_array(3 * PAGE_BYTES, 1);
    assert_true(faults(t - 1));
    assert_true(faults(t + 3 * PAGE_BYTES));
    assert_false(faults(t + 3 * PAGE_BYTES - 1));
    xlat_array_free(t, 3 * PAGE_BYTES, 1);
    Cache k;
    assert_true(cache_init(&k, XLAT_CACHE_MIN_MIB << 20));
    assert_true(faults(k.rw - 1));
    assert_true(faults(k.rw + k.bytes));
    assert_false(faults(k.rw + k.bytes - 1));
    cache_fini(&k);
}

int main(void)
{
    setenv("RING3_CACHE", "4", 1); /* regions of 256 KiB */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(more_blocks_than_the_cache_holds),
        cmocka_unit_test(more_sites_and_open_pages_than_there_are),
        cmocka_unit_test(calls_without_returns),
        cmocka_unit_test(more_contexts_than_the_table_has),
        cmocka_unit_test(context_ids_run_out),
        cmocka_unit_test(more_spaces_and_slots_than_there_are),
        cmocka_unit_test(space_ids_run_out),
        cmocka_unit_test(stamps_run_out),
        cmocka_unit_test(nothing_lies_beside_a_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
