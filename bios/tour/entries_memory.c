/* entries_memory.c - experiments with memory: page faults, page tables, code that changes, devices, forms. */
#include "bios/tour/entries.h"

void entry_fault(Result *r, Text *said)
{
    for (u32 n = 0; n < DEMAND_PAGES; n++) page_map(USER_DEMAND + n * 4096, 0, 0);
    program_place(prog_touch, prog_touch_end, USER_CODE);
    result_begin(r);
    program_run(&(Frame){.ebx = USER_DEMAND, .ecx = DEMAND_PAGES});
    result_end(r);
    u32 pte = *page_entry(USER_DEMAND);
    text_add(said, "%u pages that were not present were touched: %u page faults, in %T. ", DEMAND_PAGES,
             program_faults, result_ns(r));
    text_add(said, "The handler wrote the first entry as %8x; now it is %8x: the processor's A and D bits.",
             pte & ~(PTE_A | PTE_D), pte);
    listing_head("the program's loop, in ring 3");
    listing_add(USER_CODE + (u32)(prog_touch_body - prog_touch));
}

void pte_store(u32 *pte, u32 value) __attribute__((regparm(2)));

/* How often the program sees at once the page that the entry has just been changed to. */
static u32 changes_seen(u32 changes, int flush, const u32 page[2])
{
    u32 seen = 0;
    for (u32 n = 0; n < changes; n++) {
        u32 pa = page[n & 1];
        pte_store(page_entry(USER_DATA), pa | PTE_U | PTE_W | PTE_P);
        if (flush) page_flush(USER_DATA);
        program_run(&(Frame){.ebx = USER_DATA});
        seen += program.eax == *(u32 *)pa;
    }
    return seen;
}

void entry_pte(Result *r, Text *said)
{
    enum { CHANGES = 8 };
    u32 page[2] = {page_new(), page_new()};
    *(u32 *)page[0] = 0xaaaaaaaa;
    *(u32 *)page[1] = 0xbbbbbbbb;
    program_place(prog_read, prog_read_end, USER_CODE);
    page_map(USER_DATA, page[1], PTE_U | PTE_W | PTE_P);
    program_run(&(Frame){.ebx = USER_DATA});
    result_begin(r);
    u32 without = changes_seen(CHANGES, 0, page), with = changes_seen(CHANGES, 1, page);
    result_end(r);
    text_add(said,
             "Of %u changes of a page-table entry without INVLPG the next read saw %u, with INVLPG %u. ",
             CHANGES, without, with);
    text_add(said, "A processor's TLB may still hold the old entry without it.");
    listing_head("the read, in ring 3");
    listing_add(USER_CODE);
    listing_head("the store to the page table, in ring 0");
    listing_add((u32)pte_store);
}

void entry_smc(Result *r, Text *said)
{
    enum { FEW = 3, MANY = 1000 };
    u32 at = USER_CODE + (u32)(prog_smc_body - prog_smc);
    program_place(prog_smc, prog_smc_end, USER_CODE);
    result_begin(r);
    program_run(&(Frame){.ecx = FEW});
    listing_head("after 3 rounds: the last store has killed it again");
    listing_add_one(at, at);
    u64 before = clock_ns();
    program_run(&(Frame){.ecx = MANY});
    u64 ns = clock_ns() - before;
    result_end(r);
    listing_head("after 1,003 rounds: the store");
    listing_add_one(at, at);
    listing_head("... and what it patches");
    at = USER_CODE + (u32)(prog_smc_patched - prog_smc);
    listing_add_one(at, at);
    text_add(said,
             "A loop that patches its own MOV's immediate: the sum of 1 to %u is %u, as it should be (%u). ",
             MANY, program.edx, MANY * (MANY + 1) / 2);
    text_add(said, "%T a round.", divide(ns, MANY, &(u32){0}));
}

/* Ring 0, so that the first form is the window. */
static void storm(u32 code, volatile u16 *to, u32 n)
{
    u32 eax = 0x0700;
    __asm__ volatile("call *%3" : "+a"(eax), "+c"(n), "+D"(to) : "b"(code) : "memory", "cc");
}

static u64 storm_timed(u32 code, volatile u16 *to, u32 n)
{
    u64 before = clock_ns();
    storm(code, to, n);
    return clock_ns() - before;
}

void entry_storm(Result *r, Text *said)
{
    enum { MANY = 100000 };
    u32 code = program_place(prog_storm, prog_storm_end, 0);
    volatile u16 *device = screen_cell(0, COLUMNS - 1), *ram = (volatile u16 *)page_new();
    storm(code, ram, 1);
    listing_head("before: it has met nothing but RAM");
    listing_add_one(code, code);
    result_begin(r);
    u64 first = storm_timed(code, device, 1), second = storm_timed(code, device, 1),
        rest = storm_timed(code, device, MANY);
    result_end(r);
    listing_head("after: it has trapped at the screen's memory");
    listing_add(code);
    text_add(said, "A store to the screen's memory (top right): the first took %T, the second %T, ", first,
             second);
    text_add(said, "each of the next %u %q ns.", MANY, rest, MANY);
}

void entry_forms(Result *r, Text *said)
{
    enum { FEW = 50, MANY = 2000000 };
    u32 at = USER_CODE + (u32)(prog_loads_body - prog_loads), data = page_new();
    program_place(prog_loads, prog_loads_end, USER_CODE);
    page_map(USER_DATA, data, PTE_U | PTE_W | PTE_P);
    result_begin(r);
    program_run(&(Frame){.esi = USER_DATA, .ecx = FEW});
    listing_head("after 50 loads");
    listing_add_one(at, at);
    u64 before = clock_ns();
    program_run(&(Frame){.esi = USER_DATA, .ecx = MANY});
    u64 ns = clock_ns() - before;
    result_end(r);
    listing_head("after 2,000,050 loads");
    listing_add(at);
    if (engine_form[0] == 'a')
        text_add(said, "A young loop loads by the table; one that has proved its worth goes to the window. ");
    else if (engine_translates())
        text_add(said, "This machine has one form for all: -accel translate,form=%s. ", engine_form);
    text_add(said, "2,000,000 loads took %T, %q ns a round.", ns, ns, MANY);
}
