/* entries.c - experiments with processor and translator: 1 to 4 and 9. entries_memory.c has those about memory. */
#include "bios/tour/entries.h"

void entry_loop(Result *r, Text *said)
{
    enum { ROUNDS = 1000000 };
    program_place(prog_loop, prog_loop_end, USER_CODE);
    result_begin(r);
    program_run(&(Frame){.ecx = ROUNDS});
    result_end(r);
    text_add(said, "%u rounds of 5 instructions took %T, which is %q ns a round. eax is %8x, edx %8x.",
             ROUNDS, result_ns(r), result_ns(r), ROUNDS, program.eax, program.edx);
    listing_head("the loop, in ring 3");
    listing_add(USER_CODE + (u32)(prog_loop_body - prog_loop));
}

void entry_popf(Result *r, Text *said)
{
    program_place(prog_popf, prog_popf_end, USER_CODE);
    result_begin(r);
    program_run(&(Frame){0});
    result_end(r);
    text_add(said, "Flags before %8x, popped %8x (IF 0, CF 1), after %8x: CF changed, ", program.eax,
             program.ecx, program.edx);
    text_add(said, program.edx & FL_IF ? "IF is still 1, and there was no exception." : "and IF, too.");
    listing_head("the program, in ring 3");
    listing_add_one(USER_CODE, USER_CODE + (u32)(prog_popf_itself - prog_popf));
}

void entry_sgdt(Result *r, Text *said)
{
    program_place(prog_sgdt, prog_sgdt_end, USER_CODE);
    result_begin(r);
    program_run(&(Frame){0});
    result_end(r);
    text_add(said, "Ring 3 read: GDT at %8x (limit %x), IDT at %8x, CR0 %8x, task register %x. ", program.eax,
             program.ecx, program.edx, program.ebx, program.esi & 0xffff);
    int guests = program.eax == gdt_base() && program.edx == idt_base();
    text_add(said, guests ? "These are the guest's own tables; no exception."
                          : "These are NOT the guest's tables!");
    listing_head("the program, in ring 3");
    listing_add(USER_CODE);
}

enum { CALLS = 1000 };

static u64 calls_timed(const u8 *from, const u8 *to)
{
    program_place(from, to, USER_CODE);
    u64 before = clock_ns();
    program_run(&(Frame){.esi = CALLS});
    return clock_ns() - before;
}

void entry_syscall(Result *r, Text *said)
{
    result_begin(r);
    u64 slow = calls_timed(prog_int80, prog_int80_end), fast = 0;
    u32 answer = program.eax;
    listing_head("INT 80h: the caller, in ring 3");
    listing_add(USER_CODE + (u32)(prog_int80_body - prog_int80));
    listing_head("its handler, in ring 0");
    listing_add((u32)syscall_int);
    if (has_sysenter()) fast = calls_timed(prog_sysenter, prog_sysenter_end);
    result_end(r);
    text_add(said, "%u calls by INT 80h and IRET: %q ns each. ", CALLS, slow, CALLS);
    if (fast)
        text_add(said, "By SYSENTER and SYSEXIT: %q ns each. ", fast, CALLS);
    else
        text_add(said, "This processor (-cpu) has no SYSENTER. ");
    text_add(said, "The last returned %u.", fast ? program.eax : answer);
    if (!fast) return;
    listing_head("SYSENTER: the caller, in ring 3");
    listing_add(USER_CODE);
    listing_head("its handler, in ring 0");
    listing_add((u32)syscall_fast);
}

void entry_v86(Result *r, Text *said)
{
    enum { WORDS = 1000 };
    program_place(prog_v86, prog_v86_end, V86_CODE);
    page_map(V86_DATA, page_new(), PTE_U | PTE_W | PTE_P);
    result_begin(r);
    program_run_v86(&(Frame){.ecx = WORDS});
    result_end(r);
    text_add(said, "In V86 mode, %x:0000, a loop of 16 bits wrote %u words at %x:0000 and ended with ax %4x.",
             V86_CODE >> 4, WORDS, V86_DATA >> 4, program.eax & 0xffff);
    listing_head("where it loads ES, in V86 mode");
    listing_add_16(V86_CODE, V86_CODE + (u32)(prog_v86_es - prog_v86));
    listing_head("its loop");
    listing_add_16(V86_CODE + (u32)(prog_v86_body - prog_v86), 0);
}
