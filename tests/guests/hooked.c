/* hooked.c - a guest to be hooked (tests/boot/hooks.py): functions of each convention, recursion, system calls from ring
 * 3, a slow memcpy. A Multiboot kernel with symbols, which does what its command line says and tells on port E9h:
 *
 *   calls      each function once, and what it returned
 *   factorial  of 5, by recursion
 *   user       ring 3: INT 80h, SYSENTER
 *   copy       slow_copy() of some lengths and places, and a sum of what was copied; copy=N: N times 1 MiB
 *   paging     with paging, from here on
 *   loop       slow_copy() for ever
 *
 * It ends by port 501h.
 */
#include "ports.h"

typedef unsigned long long u64;
enum { PAGE = 4096, MIB = 1 << 20, ALL = 7, FROM = 0x800000, TO = 0xa00000, HOLE = 0xc00000 };

void hooked_main(const u32 *info);
void run_user(void);
extern u32 user_results[2];

u32 add_cdecl(u32 a, u32 b, const char *s);
__attribute__((stdcall)) u32 add_stdcall(u32 a, u32 b, u32 c);
__attribute__((fastcall)) u32 add_fastcall(u32 a, u32 b, u32 c);
__attribute__((regparm(3))) u32 add_regparm(u32 a, u64 b, u32 c);
u32 wide(u64 a, float f, double g, signed char h, u16 i);
u64 long_result(void);
u32 factorial(u32 n);
void slow_copy(void *to, const void *from, u32 n);

static void put(char c) { out8(0xe9, (u8)c); }
static void print(const char *s)
{
    while (*s) put(*s++);
}
static void line(const char *what, u32 v)
{
    print(what);
    put(' ');
    for (int shift = 28; shift >= 0; shift -= 4) put("0123456789abcdef"[v >> shift & 15]);
    put('\n');
}

/* --- what is hooked --- */

#define HOOKED __attribute__((noinline, noclone))

HOOKED u32 add_cdecl(u32 a, u32 b, const char *s) { return a + b + (u8)*s; }
HOOKED __attribute__((stdcall)) u32 add_stdcall(u32 a, u32 b, u32 c) { return a + b + c; }
HOOKED __attribute__((fastcall)) u32 add_fastcall(u32 a, u32 b, u32 c) { return a + b + c; }
HOOKED __attribute__((regparm(3))) u32 add_regparm(u32 a, u64 b, u32 c) { return a + (u32)b + c; }
HOOKED u32 wide(u64 a, float f, double g, signed char h, u16 i)
{
    (void)f, (void)g;
    return (u32)(a >> 32) + (u32)(int)h + i;
}
HOOKED u64 long_result(void) { return 0x100000002ull; }
HOOKED u32 factorial(u32 n)
{
    volatile u32 frame = n; /* no loop instead */
    return frame < 2 ? 1 : frame * factorial(frame - 1);
}

/* A byte at a time, as small kernels and old libraries do. */
HOOKED void slow_copy(void *to, const void *from, u32 n)
{
    volatile u8 *d = to;
    const volatile u8 *s = from;
    while (n--) *d++ = *s++;
}

/* --- words --- */

static void calls(void)
{
    line("cdecl", add_cdecl(1, 2, "three"));
    line("stdcall", add_stdcall(1, 2, 3));
    line("fastcall", add_fastcall(1, 2, 3));
    line("regparm", add_regparm(1, 0x200000003ull, 4));
    line("wide", wide(0x500000006ull, 1.5f, -2.25, -3, 0xfffe));
    u64 both = long_result();
    line("long", (u32)both + (u32)(both >> 32));
}

static void user(void)
{
    run_user();
    line("int 80h", user_results[0]);
    line("sysenter", user_results[1]);
}

static u32 sum_of(const u8 *at, u32 n)
{
    u32 sum = 0;
    while (n--) sum = sum * 31 + *at++;
    return sum;
}

static void copy(void)
{
    static const u32 lengths[] = {0, 1, 5, 4095, 4096, 4097, 70000};
    for (u32 n = 0; n < MIB; n++) ((volatile u8 *)FROM)[n] = (u8)(n * 7 + (n >> 8));
    for (u32 n = 0; n < sizeof lengths / sizeof *lengths; n++)
        for (u32 offset = 0; offset < 4; offset += 3) {
            slow_copy((u8 *)TO + 3 * offset, (const u8 *)FROM + 17 * offset, lengths[n]);
            line("sum", sum_of((const u8 *)TO, 80000));
        }
    slow_copy((u8 *)TO + 1, (const u8 *)TO, 5000); /* what overlaps repeats the first byte */
    line("overlap", sum_of((const u8 *)TO, 6000));
}

static void copy_many(u32 times)
{
    while (times--) slow_copy((u8 *)TO, (const u8 *)FROM, MIB);
    line("copied", sum_of((const u8 *)TO, MIB));
}

static void paging(void)
{
    static u32 directory[1024] __attribute__((aligned(PAGE))), table[4][1024] __attribute__((aligned(PAGE)));
    for (u32 n = 0; n < 4096; n++) table[n / 1024][n % 1024] = n * PAGE | ALL;
    for (u32 n = 0; n < 4; n++) directory[n] = (u32)table[n] | ALL;
    __asm__ volatile("mov %0, %%cr3; mov %%cr0, %%eax; or $0x80010000, %%eax; mov %%eax, %%cr0"
                     :
                     : "r"(directory)
                     : "eax", "memory");
    table[HOLE / PAGE / 1024][HOLE / PAGE % 1024] = 0; /* nobody writes there */
}

static int is(const char **at, const char *word)
{
    const char *s = *at;
    while (*word && *s == *word) s++, word++;
    if (*word || (*s && *s != ' ' && *s != '=')) return 0;
    *at = s;
    return 1;
}

static void word(const char **at)
{
    u32 n = 0;
    if (is(at, "calls")) calls();
    if (is(at, "factorial")) line("factorial", factorial(5));
    if (is(at, "user")) user();
    if (is(at, "paging")) paging();
    if (is(at, "loop"))
        for (;;) slow_copy((u8 *)TO, (const u8 *)FROM, 100);
    if (!is(at, "copy")) return;
    if (**at != '=') {
        copy();
        return;
    }
    for (++*at; **at >= '0' && **at <= '9'; ++*at) n = n * 10 + (u32)(**at - '0');
    copy_many(n);
}

void hooked_main(const u32 *info)
{
    const char *at = (const char *)info[4];
    while (*at) {
        word(&at);
        while (*at && *at != ' ') at++;
        while (*at == ' ') at++;
    }
    print("end\n");
    out16(0x501, 16);
}
