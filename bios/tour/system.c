/* system.c - descriptors, page tables, interrupts: as little of a kernel as ring 3, V86 mode and page faults need. */
#include "bios/tour/tour.h"

enum { GDT_ENTRIES = 6, IDT_ENTRIES = 256, IDENTITY_TABLES = POOL_END >> 22, USER_SLOT = USER_CODE >> 22 };
enum { MSR_SYSENTER_CS = 0x174, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP, CPUID_SEP = 1 << 11 };
enum { PIC1 = 0x20, PIC1_DATA = 0x21, PIC2 = 0xa0, PIC2_DATA = 0xa1, PIC_EOI = 0x20 };

typedef struct __attribute__((packed)) TableAt {
    u16 limit;
    u32 base;
} TableAt;

extern const u8 trap_stubs[], trap_end[], syscall_int[], syscall_fast[];
u32 tss[26];
static u64 gdt[GDT_ENTRIES], idt[IDT_ENTRIES];
static u32 __attribute__((aligned(4096))) directory[1024], identity[IDENTITY_TABLES][1024], user_table[1024];
static u32 pool = POOL_FIRST;
static int cpuid, sysenter; /* the processor has them */

/* --- descriptors ----------------------------------------------------------------------------------------- */

static u64 segment(u32 base, u32 limit, u32 access, u32 flags)
{
    return (limit & 0xffff) | (u64)(base & 0xffffff) << 16 | (u64)access << 40 |
           (u64)(limit >> 16 & 15) << 48 | (u64)flags << 52 | (u64)(base >> 24) << 56;
}

static void gate(u32 vector, const void *to, u32 dpl)
{
    u32 at = (u32)to;
    idt[vector] = (at & 0xffff) | KERNEL_CS << 16 | (u64)(0x8e00 | dpl << 13) << 32 | (u64)(at >> 16) << 48;
}

static void descriptors_init(void)
{
    enum { CODE = 0x9b, DATA = 0x93, DPL3 = 0x60, TSS32 = 0x89, BIG_PAGES = 0xc };
    gdt[1] = segment(0, 0xfffff, CODE, BIG_PAGES);
    gdt[2] = segment(0, 0xfffff, DATA, BIG_PAGES);
    gdt[3] = segment(0, 0xfffff, CODE | DPL3, BIG_PAGES);
    gdt[4] = segment(0, 0xfffff, DATA | DPL3, BIG_PAGES);
    gdt[5] = segment((u32)tss, sizeof tss - 1, TSS32, 0);
    tss[2] = KERNEL_DS;
    TableAt g = {sizeof gdt - 1, (u32)gdt}, i = {sizeof idt - 1, (u32)idt};
    for (u32 n = 0; n < 48; n++) gate(n, trap_stubs + 16 * n, 0);
    gate(VECTOR_SYSCALL, syscall_int, 3);
    gate(VECTOR_END, trap_end, 3);
    __asm__ volatile(
        "lgdt %0\n\tlidt %1\n\tljmp %2, $1f\n1:\tmov %3, %%ss\n\tmov %4, %%ds\n\tmov %4, %%es\n\t"
        "mov %4, %%fs\n\tmov %4, %%gs\n\tltr %w5"
        :
        : "m"(g), "m"(i), "i"(KERNEL_CS), "r"(KERNEL_DS), "r"(USER_DS), "r"(TSS_SELECTOR)
        : "memory");
}

u32 gdt_base(void) { return (u32)gdt; }
u32 idt_base(void) { return (u32)idt; }

/* --- SYSENTER -------------------------------------------------------------------------------------------- */

static void write_msr(u32 msr, u32 v) { __asm__ volatile("wrmsr" : : "c"(msr), "a"(v), "d"(0)); }

/* CPUID is there if bit 21 of EFLAGS can be changed. */
static int has_cpuid(void)
{
    u32 before, after;
    __asm__ volatile(
        "pushf\n\tpop %0\n\tmov %0, %1\n\txor $0x200000, %1\n\tpush %1\n\tpopf\n\tpushf\n\tpop %1"
        : "=&r"(before), "=&r"(after)
        :
        : "cc");
    return ((before ^ after) & 0x200000) != 0;
}

static void sysenter_init(void)
{
    u32 eax = 1, ebx, ecx, edx;
    cpuid = has_cpuid();
    if (!cpuid) return;
    __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "=c"(ecx), "=d"(edx));
    sysenter = (edx & CPUID_SEP) != 0;
    if (!sysenter) return;
    write_msr(MSR_SYSENTER_CS, KERNEL_CS);
    write_msr(MSR_SYSENTER_EIP, (u32)syscall_fast);
    write_msr(MSR_SYSENTER_ESP, (u32)&tss[25]); /* the handler uses no stack */
}

int has_sysenter(void) { return sysenter; }

/* --- pages ----------------------------------------------------------------------------------------------- */

static void paging_init(void)
{
    for (u32 n = 0; n < IDENTITY_TABLES * 1024; n++) identity[n >> 10][n & 1023] = n << 12 | PTE_W | PTE_P;
    for (u32 n = 0; n < IDENTITY_TABLES; n++) directory[n] = (u32)identity[n] | PTE_U | PTE_W | PTE_P;
    directory[USER_SLOT] = (u32)user_table | PTE_U | PTE_W | PTE_P;
    __asm__ volatile(
        "mov %0, %%cr3\n\tmov %%cr0, %%eax\n\tor $0x80010000, %%eax\n\tmov %%eax, %%cr0\n\tjmp 1f\n1:"
        :
        : "r"(directory)
        : "eax", "memory");
}

u32 read_cr0(void)
{
    u32 v;
    __asm__ volatile("mov %%cr0, %0" : "=r"(v));
    return v;
}

u32 page_new(void)
{
    u32 pa = pool;
    pool = pool + 4096 == POOL_END ? POOL_FIRST : pool + 4096;
    memset((void *)pa, 0x90, 4096);
    return pa;
}

u32 *page_entry(u32 va)
{
    return va >> 22 == USER_SLOT ? &user_table[va >> 12 & 1023] : &identity[va >> 22][va >> 12 & 1023];
}

/* A 386 has no INVLPG. */
void page_flush(u32 va)
{
    if (cpuid)
        __asm__ volatile("invlpg (%0)" : : "r"(va) : "memory");
    else
        __asm__ volatile("mov %%cr3, %%eax\n\tmov %%eax, %%cr3" : : : "eax", "memory");
}

void page_map(u32 va, u32 pa, u32 flags)
{
    *page_entry(va) = pa | flags;
    page_flush(va);
}

/* --- interrupts ------------------------------------------------------------------------------------------ */

static void pics_init(void)
{
    port_out8(PIC1, 0x11), port_out8(PIC1_DATA, VECTOR_IRQ0), port_out8(PIC1_DATA, 4),
        port_out8(PIC1_DATA, 1);
    port_out8(PIC2, 0x11), port_out8(PIC2_DATA, VECTOR_IRQ0 + 8), port_out8(PIC2_DATA, 2),
        port_out8(PIC2_DATA, 1);
    port_out8(PIC2_DATA, 0xff);
    interrupts_mask(1);
}

void interrupts_mask(int all) { port_out8(PIC1_DATA, all ? 0xff : 0xfd); }

/* --- the timer ------------------------------------------------------------------------------------------- */

static volatile u32 ticks;

/* One interrupt of counter 0; nothing after it. */
static void timer_shoot(u32 count)
{
    enum { PIT_CONTROL = 0x43, PIT_COUNTER0 = 0x40, COUNTER0_ONCE = 0x30 };
    port_out8(PIT_CONTROL, COUNTER0_ONCE);
    port_out8(PIT_COUNTER0, (u8)count), port_out8(PIT_COUNTER0, (u8)(count >> 8));
}

void timer_wait(void)
{
    enum { COUNT = 240, ONLY_IRQ0 = 0xfe };
    ticks = 0;
    port_out8(PIC1_DATA, ONLY_IRQ0);
    timer_shoot(COUNT);
    __asm__ volatile("sti");
    while (!ticks) {
    }
    __asm__ volatile("cli");
    interrupts_mask(1);
}

int trap(Frame *f)
{
    if (f->cs & 3 || f->eflags & FL_VM) return program_trap(f);
    if (f->vector < VECTOR_IRQ0) fatal("an exception in the tour itself", f);
    if (f->vector == VECTOR_IRQ0) ticks++;
    if (f->vector == VECTOR_IRQ0 + 1) keyboard_interrupt();
    port_out8(PIC1, PIC_EOI);
    return 1;
}

void fatal(const char *why, const Frame *f)
{
    TEXT(t, COLUMNS);
    screen_row(0, WRONG);
    if (f)
        text_add(&t, " %s: vector %x error %x at %8x", why, f->vector, f->error, f->eip);
    else
        text_add(&t, " %s", why);
    screen_put(0, 0, WRONG, t_bytes);
    for (;;) __asm__ volatile("cli; hlt");
}

void system_init(void)
{
    descriptors_init();
    pics_init();
    timer_shoot(1); /* and no tick from then on */
    sysenter_init();
    paging_init();
}
