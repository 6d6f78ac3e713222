/* base.c - panic, traces, the host clock, and the only memcpy/memset that core code may call. */
#include "cpu/base/base.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void (*base_on_panic)(void);
void (*base_fpu_park)(void);
void (*base_trace_cut)(int error);
u32 trace_mask;
TraceFilter trace_filter;
static FILE *trace_file;
static bool trace_is_cut;

void base_panic(const char *file, int line, const char *fmt, ...)
{
    va_list ap;
    if (base_on_panic) base_on_panic();
    fprintf(stderr, "ring3: internal error at %s:%d: ", file, line);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    abort();
}

bool trace_wants(u32 va)
{
    for (unsigned n = 0; n < trace_filter.count; n++)
        if (va >= trace_filter.range[n].first && va <= trace_filter.range[n].last) return true;
    return !trace_filter.count;
}

bool trace_to(int fd)
{
    FILE *f = fd >= 0 ? fdopen(fd, "w") : stderr;
    if (!f) return false;
    if (trace_file && trace_file != stderr) fclose(trace_file);
    trace_file = f;
    trace_is_cut = false;
    return true;
}

static void look_for_cut(void)
{
    if (likely(!ferror(trace_file)) || trace_is_cut || trace_file == stderr) return;
    trace_is_cut = true;
    if (base_trace_cut) base_trace_cut(errno);
}

bool trace_flush(void)
{
    if (!trace_file) return true;
    fflush(trace_file);
    look_for_cut();
    return !trace_is_cut;
}

void trace_line(const char *fmt, ...)
{
    va_list ap;
    base_park_fpu();
    if (!trace_file) trace_file = stderr;
    if (unlikely(trace_is_cut)) return;
    va_start(ap, fmt);
    vfprintf(trace_file, fmt, ap);
    va_end(ap);
    fputc('\n', trace_file);
    look_for_cut();
}

u64 host_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (u64)t.tv_sec * 1000000000u + (u64)t.tv_nsec;
}

static void cpuid(u32 leaf, u32 r[4])
{
    __asm__ volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "a"(leaf), "c"(0));
}

static bool file_has(const char *path, const char *word)
{
    char line[8192];
    bool found = false;
    FILE *f = fopen(path, "r");
    if (!f) return false;
    while (!found && fgets(line, sizeof line, f)) found = strstr(line, word);
    fclose(f);
    return found;
}

/* CPUID 80000007 EDX bit 8 promises one rate in all states; that all CPUs agree is what the kernel has found out.
 * Under a hypervisor its clock may be kvm-clock, which is the same counter, scaled: tsc_reliable says that it stays
 * so. */
bool host_tsc_is_clock(void)
{
    static const char source[] = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    u32 r[4];
    cpuid(0x80000000u, r);
    if (r[0] < 0x80000007u) return false;
    cpuid(0x80000007u, r);
    if (!(r[3] & 1 << 8)) return false;
    return file_has(source, "tsc\n") ||
           (file_has(source, "kvm-clock\n") && file_has("/proc/cpuinfo", " tsc_reliable"));
}

/* gcc emits calls to these even in freestanding code, and glibc's use vector registers, which would destroy
 * the guest's. Hidden, so that shared libraries keep their own. */
#define OURS __attribute__((visibility("hidden"), used))
OURS void *memcpy(void *restrict d, const void *restrict s, size_t n);
OURS void *memmove(void *d, const void *s, size_t n);
OURS void *memset(void *d, int c, size_t n);
OURS int memcmp(const void *a, const void *b, size_t n);

/* A few words are moved faster than the processor starts a string instruction (10 to 20 ns). Without the empty asm gcc
 * would make calls of memcpy and memset from these loops. */
enum { SMALL_MIN = 8, SMALL_MAX = 192 };

static void copy_small(u8 *d, const u8 *s, size_t n)
{
    u64 last = load64(s + n - 8);
    for (size_t at = 0; at + 8 < n; at += 8) {
        store64(d + at, load64(s + at));
        __asm__ volatile("");
    }
    store64(d + n - 8, last);
}

static void fill_small(u8 *d, u8 byte, size_t n)
{
    u64 v = byte * 0x0101010101010101u;
    for (size_t at = 0; at + 8 < n; at += 8) {
        store64(d + at, v);
        __asm__ volatile("");
    }
    store64(d + n - 8, v);
}

void *memcpy(void *restrict d, const void *restrict s, size_t n)
{
    void *r = d;
    if (n >= SMALL_MIN && n <= SMALL_MAX) {
        copy_small(d, s, n);
        return r;
    }
    __asm__ volatile("rep movsb" : "+D"(d), "+S"(s), "+c"(n) : : "memory");
    return r;
}

void *memmove(void *d, const void *s, size_t n)
{
    if ((uintptr_t)d - (uintptr_t)s >= n) return memcpy(d, s, n);
    for (u8 *to = (u8 *)d + n, *end = d; to > end; n--) *--to = ((const u8 *)s)[n - 1];
    return d;
}

void *memset(void *d, int c, size_t n)
{
    void *r = d;
    if (n >= SMALL_MIN && n <= SMALL_MAX) {
        fill_small(d, (u8)c, n);
        return r;
    }
    __asm__ volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(c) : "memory");
    return r;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const u8 *x = a, *y = b;
    while (n >= 8 && load64(x) == load64(y)) x += 8, y += 8, n -= 8;
    for (; n; x++, y++, n--)
        if (*x != *y) return *x - *y;
    return 0;
}
