/* A page-table entry that changes counts from the next access on, also where it was present and in use and nothing
 * invalidates it: Windows 9x lives on that, and on many processors gets away with it. (SDM vol. 3, 4.10.4.3, lets a
 * processor do either.) The programs are in tests/guests/stale.S. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "cpu_guest.h"

#define PROGRAM(name) extern const u8 name[], name##_end[];
PROGRAM(stale_read)
PROGRAM(stale_write)
PROGRAM(stale_string)
PROGRAM(stale_code)
PROGRAM(stale_directory)
PROGRAM(stale_rights)
PROGRAM(stale_fault)
PROGRAM(stale_user)
PROGRAM(stale_service)
PROGRAM(stale_accessed)
PROGRAM(stale_linked)
#define PUT(g, at, name) guest_write(g, at, name, (u32)(name##_end - name))

/* The numbers of stale.S */
enum {
    PD_AT = 0x40000,
    PT_AT = 0x41000,
    PAGES_A = 0x42000,
    PAGES_B = 0x43000,
    PD_B_AT = 0x44000,
    A = 0x60000,
    B = 0x61000,
    ENTRY = 0x1f0,
    RETURNS = 16,
    ROUNDS = 500,
    FAULT_AT = 0x7000,
    SERVICE_AT = 0x7100
};

static void put_page(Guest *g, u32 at)
{
    guest_poke(g, at, at, 4);
    guest_poke(g, at + RETURNS, 0xb8, 1); /* mov eax, at; ret */
    guest_poke(g, at + RETURNS + 1, at, 4);
    guest_poke(g, at + RETURNS + 5, 0xc3, 1);
}

static void stale_guest(Guest *g, unsigned cpl)
{
    guest_protected(g, cpl);
    for (u32 n = 0; n < 512; n++) guest_poke(g, PT_AT + 4 * n, n << 12 | 7, 4);
    guest_poke(g, PD_AT, PT_AT | 7, 4), guest_poke(g, PD_AT + 4, PAGES_A | 7, 4);
    guest_poke(g, PAGES_A + 4 * ENTRY, A | 7, 4), guest_poke(g, PAGES_B + 4 * ENTRY, B | 7, 4);
    put_page(g, A), put_page(g, B);
    PUT(g, FAULT_AT, stale_fault), PUT(g, SERVICE_AT, stale_service);
    guest_gate(g, IDT_AT + 8 * EX_PF, CODE0, FAULT_AT, 0x8e, 0);
    guest_gate(g, IDT_AT + 8 * 0x40, CODE0, SERVICE_AT, 0xee, 0);
    g->c.cr3 = PD_AT;
    g->c.cr0 |= CR0_PG | CR0_WP;
    g->c.gpr[EBX] = 0;
}

/* All accesses saw the page that the entry named. */
static void sees_all(Guest *g, const u8 *program, u32 bytes)
{
    guest_write(g, CODE_AT, program, bytes);
    assert_int_equal(guest_run(g), STOP_HLT);
    assert_int_equal(g->c.eip, CODE_AT + bytes);
    assert_int_equal(g->c.gpr[EBX], 2 * ROUNDS);
}
#define SEES_ALL(g, name) (stale_guest(g, 0), sees_all(g, name, (u32)(name##_end - name)))

static void a_changed_entry_is_seen_by_reads(void **state) { SEES_ALL((Guest *)*state, stale_read); }
static void a_changed_entry_is_seen_by_writes(void **state) { SEES_ALL((Guest *)*state, stale_write); }
static void a_changed_entry_is_seen_by_strings(void **state) { SEES_ALL((Guest *)*state, stale_string); }
static void a_changed_entry_is_seen_by_fetches(void **state) { SEES_ALL((Guest *)*state, stale_code); }
static void a_changed_directory_is_seen(void **state) { SEES_ALL((Guest *)*state, stale_directory); }
static void accessed_and_dirty_come_back(void **state) { SEES_ALL((Guest *)*state, stale_accessed); }

static void a_right_that_went_faults(void **state)
{
    Guest *g = *state;
    stale_guest(g, 0);
    PUT(g, CODE_AT, stale_rights);
    assert_int_equal(guest_run(g), STOP_HLT);
    assert_int_equal(g->c.gpr[EDI], 2 * ROUNDS);
    assert_int_equal(g->c.gpr[EBX], 4 * ROUNDS);
}

static void ring_3_sees_what_ring_0_changed(void **state)
{
    Guest *g = *state;
    stale_guest(g, 3);
    guest_poke(g, PAGES_A + 4 * ENTRY, B | 7, 4); /* the first call makes it A */
    PUT(g, CODE_AT, stale_user);
    assert_int_equal(guest_vector(g), 0x41);
    assert_int_equal(g->c.gpr[EBX], 2 * ROUNDS);
}

/* A call in a page of ring 0's to another one, which is linked while CR0.WP is set, finds the page of the address space
 * that runs with WP clear; and the other way round. */
static void what_was_linked_with_wp_is_looked_up_without(void **state)
{
    enum { ACCESSED = 0x23 };
    Guest *g = *state;
    stale_guest(g, 0);
    guest_poke(g, PD_AT, PT_AT | ACCESSED, 4), guest_poke(g, PD_AT + 4, PAGES_A | ACCESSED, 4);
    guest_poke(g, PD_B_AT, PT_AT | ACCESSED, 4), guest_poke(g, PD_B_AT + 4, PAGES_B | ACCESSED, 4);
    sees_all(g, stale_linked, (u32)(stale_linked_end - stale_linked));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        GUEST_TEST(a_changed_entry_is_seen_by_reads),
        GUEST_TEST(a_changed_entry_is_seen_by_writes),
        GUEST_TEST(a_changed_entry_is_seen_by_strings),
        GUEST_TEST(a_changed_entry_is_seen_by_fetches),
        GUEST_TEST(a_changed_directory_is_seen),
        GUEST_TEST(accessed_and_dirty_come_back),
        GUEST_TEST(a_right_that_went_faults),
        GUEST_TEST(ring_3_sees_what_ring_0_changed),
        GUEST_TEST(what_was_linked_with_wp_is_looked_up_without),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
