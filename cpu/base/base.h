/* base.h - what every folder may use: integer words, CHECK, traces.
 *
 * Four kinds of address have four spellings throughout ring3:
 *   va   guest linear address          pa   guest physical address
 *   hp   host pointer into guest RAM   pc / hpc   guest / host code address
 *
 * Everything under cpu/, mmu/, translator/ and hw/ is compiled with -mgeneral-regs-only: while translated
 * code is interrupted for a callout, the guest's x87/SSE state may still be live in the host's FPU, so
 * nothing there may touch it unless it called base_park_fpu() or fpu_park() (cpu/vcpu.h) first. The same folders call no libc
 * function that might use vector registers; base.c carries their memcpy and friends.
 */
#ifndef RING3_BASE_H
#define RING3_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h> /* memcpy, memmove, memset, memcmp: base.c has them; no others in core code */

/* clang-format off */

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;

#define ARRAY_LEN(a) (sizeof(a) / sizeof(*(a)))
#define BIT(n)       (1u << (n))
#define likely(x)    __builtin_expect(!!(x), 1)
#define unlikely(x)  __builtin_expect(!!(x), 0)
#define PRINTF(f, a) __attribute__((format(printf, f, a)))

enum { PAGE_BITS = 12, PAGE_BYTES = 1 << PAGE_BITS, PAGE_MASK = PAGE_BYTES - 1 };

/* Unaligned little-endian access to host memory (guest RAM, images). */
static inline u16 load16(const void *p) { u16 v; __builtin_memcpy(&v, p, 2); return v; }
static inline u32 load32(const void *p) { u32 v; __builtin_memcpy(&v, p, 4); return v; }
static inline u64 load64(const void *p) { u64 v; __builtin_memcpy(&v, p, 8); return v; }
static inline void store16(void *p, u16 v) { __builtin_memcpy(p, &v, 2); }
static inline void store32(void *p, u32 v) { __builtin_memcpy(p, &v, 4); }
static inline void store64(void *p, u64 v) { __builtin_memcpy(p, &v, 8); }

/* CHECK: we are wrong. Prints the sentence with file and line, restores the terminal (base_on_panic) and
 * aborts; also in release builds. What a guest does wrong is never a CHECK. */
#define CHECK(cond, ...)                                                                                     \
    do {                                                                                                     \
        if (unlikely(!(cond))) base_panic(__FILE__, __LINE__, __VA_ARGS__);                                  \
    } while (0)
_Noreturn void base_panic(const char *file, int line, const char *fmt, ...) PRINTF(3, 4);
extern void (*base_on_panic)(void); /* set by the frontend; may be NULL */

/* Trace categories: QEMU's words for -d. The one list; `-d help` prints it. */
#define TRACE_LIST(T)                                                                                        \
    T(IN_ASM, "in_asm", "guest code of every translated block")                                             \
    T(OUT_ASM, "out_asm", "host code of every translated block")                                            \
    T(INT, "int", "interrupts and exceptions delivered")                                                    \
    T(EXEC, "exec", "every block entered (slow); every instruction interpreted")                            \
    T(MMU, "mmu", "control registers of paging, page faults; shadow page tables: fills, drops")             \
    T(PCALL, "pcall", "protected mode: far calls, jumps and returns, gates, SYSENTER")                      \
    T(IO, "io", "port and memory-mapped device access")                                                     \
    T(EVENTS, "events", "what reaches the guest from outside: keys, bytes, frames, media, a person's words")  \
    T(CPU_RESET, "cpu_reset", "the processor as it was before each reset")                                  \
    T(UNIMP, "unimp", "what the guest asked for and ring3 does not implement")                              \
    T(GUEST_ERRORS, "guest_errors", "what the guest did wrong")                                             \
    T(STATS, "stats", "counters, printed at exit")
enum {
#define T(id, word, help) TRACE_BIT_##id,
    TRACE_LIST(T)
#undef T
        TRACE_COUNT
};
enum {
#define T(id, word, help) TRACE_##id = 1u << TRACE_BIT_##id,
    TRACE_LIST(T)
#undef T
};
extern u32 trace_mask; /* TRACE_ bits that are on */

/* -dfilter: in_asm, out_asm and exec are of code at these linear addresses only; no range: at all. */
enum { TRACE_RANGES_MAX = 64 };
typedef struct TraceRange {
    u32 first, last;
} TraceRange;
typedef struct TraceFilter {
    unsigned count;
    TraceRange range[TRACE_RANGES_MAX];
} TraceFilter;
extern TraceFilter trace_filter;
bool trace_wants(u32 va);

/* trace(IO, "uart %04x", x): one line (newline added) to the trace file, if the category is on. Safe with the
 * guest's FPU state live: base.c parks it. */
#define trace(cat, ...)                                                                                      \
    do {                                                                                                     \
        if (unlikely(trace_mask & TRACE_##cat)) trace_line(__VA_ARGS__);                                     \
    } while (0)
void trace_line(const char *fmt, ...) PRINTF(1, 2);
bool trace_to(int fd);  /* from now on to this file, which is then ours; -1: stderr. False: as it was */
bool trace_flush(void); /* what was traced is in the file; false: something did not get there */
/* Called once for each file that takes no more (its disk is full): nothing is traced into it any more. NULL: nobody. */
extern void (*base_trace_cut)(int error);

/* base_park_fpu - before code that is not core (the C library, zlib): it may use the FPU, in which the guest's
 * state may be live. Nothing where no translator runs. Needs not be undone: the translator loads it again. */
extern void (*base_fpu_park)(void); /* set by the translator; NULL: none */
static inline void base_park_fpu(void)
{
    if (base_fpu_park) base_fpu_park();
}

u64 host_now_ns(void); /* CLOCK_MONOTONIC, nanoseconds */

/* Guest time from the host's time-stamp counter: ((tsc + minus_tsc) * mult >> 64) + ns. hw/clock.c keeps it true;
 * C code and translated RDTSC read the same words, so that they cannot disagree. */
typedef struct TscScale {
    u64 minus_tsc; /* two's complement of the counter at time ns */
    u64 mult;      /* nanoseconds a tick, 0.64 bits */
    u64 ns;
    u64 off;       /* not 0: not in use, ask the clock */
} TscScale;
static inline u64 host_tsc(void)
{
    u32 lo, hi;
    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
    return (u64)hi << 32 | lo;
}
static inline u64 tsc_scale_at(const TscScale *t, u64 tsc)
{
    return (u64)((unsigned __int128)(tsc + t->minus_tsc) * t->mult >> 64) + t->ns;
}
/* The host's counter runs at one rate above 1 GHz on all CPUs, and its kernel keeps time by it. */
bool host_tsc_is_clock(void);

/* clang-format on */
#endif
