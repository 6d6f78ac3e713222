/* program.c - programs of ring 3 and V86 mode. Every run of an experiment has its code and data in pages that were not used
 * before, so that the translator knows nothing of them: neither blocks, nor which instructions trapped. */
#include "bios/tour/tour.h"

Frame program;
u32 program_faults;
void program_enter(const Frame *f);

u32 program_place(const u8 *from, const u8 *to, u32 va)
{
    u32 pa = page_new();
    memcpy((void *)pa, from, (u32)(to - from));
    if (!va) return pa;
    page_map(va, pa, PTE_U | PTE_W | PTE_P);
    page_map(USER_STACK_PAGE, page_new(), PTE_U | PTE_W | PTE_P);
    return va;
}

void program_run(const Frame *start)
{
    Frame f = *start;
    f.eip = USER_CODE, f.cs = USER_CS, f.eflags = FL_IF | 2, f.esp = USER_STACK, f.ss = USER_DS;
    program_faults = 0;
    program_enter(&f);
}

/* IOPL 3, so that its INT goes through the gate; with less, it would be a #GP first. */
void program_run_v86(const Frame *start)
{
    Frame f = *start;
    f.eip = 0, f.cs = V86_CODE >> 4, f.eflags = FL_VM | FL_IOPL3 | FL_IF | 2;
    f.esp = 0x1000, f.ss = V86_DATA >> 4;
    f.es = f.ds = f.fs = f.gs = 0;
    program_faults = 0;
    program_enter(&f);
}

/* A page on demand, as a kernel brings one. */
static int page_demanded(void)
{
    u32 va;
    __asm__ volatile("mov %%cr2, %0" : "=r"(va));
    if (va < USER_DEMAND || va >= USER_DEMAND + DEMAND_PAGES * 4096) return 0;
    program_faults++;
    *page_entry(va) = page_new() | PTE_U | PTE_W | PTE_P;
    return 1;
}

int program_trap(Frame *f)
{
    if (f->vector == VECTOR_PF && page_demanded()) return 1;
    if (f->vector != VECTOR_END) fatal("an exception in a program", f);
    program = *f;
    return 0;
}
