/* debuggee.c - a guest to be debugged (tests/boot/gdb.py): a loop with a function and variables to watch, then code in
 * other modes, over and over. A Multiboot kernel with debug information, compiled without optimisation.
 *
 * The low 4 MiB lie at their addresses, and again from HIGH on: the same code runs at both. Of the 4 MiB at ALIAS
 * only the first page is there, which is where `filled` lies.
 *
 * code_sum is what the guest sees of its own code: breakpoints must not change it.
 */
extern const char _start[];
void fill(void *to, unsigned n);
void call16(void);
void call_v86(void);
void debuggee_main(void);

enum { HIGH = 0xc0000000, ALIAS = 0x400000, PAGE = 4096, ALL = 7 /* present, writable, user */ };

unsigned directory[1024] __attribute__((aligned(PAGE))), low[1024] __attribute__((aligned(PAGE)));
unsigned alias[1024] __attribute__((aligned(PAGE)));

volatile unsigned counter = 1, rounds, code_sum;
unsigned history[8];
unsigned char filled[16] __attribute__((aligned(PAGE)));

static unsigned scale(unsigned n)
{
    unsigned doubled = n * 2;
    return doubled + 1;
}

static void sum_code(void)
{
    unsigned sum = 0;
    for (const char *at = _start; at < (const char *)debuggee_main; at++) sum = sum * 31 + (unsigned char)*at;
    code_sum = sum;
}

static void work(void)
{
    for (unsigned i = 0; i < 4; i++) {
        counter = scale(counter);
        history[rounds % 8] = counter;
    }
}

static void map(void)
{
    for (unsigned n = 0; n < 1024; n++) low[n] = n * PAGE | ALL;
    alias[0] = (unsigned)filled | ALL;
    directory[0] = directory[HIGH >> 22] = (unsigned)low | ALL;
    directory[ALIAS >> 22] = (unsigned)alias | ALL;
    __asm__ volatile("mov %0, %%cr3; mov %%cr0, %%eax; or $0x80000000, %%eax; mov %%eax, %%cr0"
                     :
                     : "r"(directory)
                     : "eax");
}

static void work_high(void)
{
    unsigned (*scale_high)(unsigned) = (unsigned (*)(unsigned))((unsigned)scale + HIGH);
    counter = scale_high(100);
}

void debuggee_main(void)
{
    map();
    for (;;) {
        counter = 1;
        sum_code();
        work();
        work_high();
        fill(filled, 5);
        call16();
        call_v86();
        rounds++;
    }
}
