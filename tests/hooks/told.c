/* told.c - a hook library for tests/boot/hooks.py: functions that say what they were given, and some that go wrong. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/socket.h>

#include "frontend/hook/ring3-hook.h"

static const Ring3 *ring3;
#define SAY(...) ring3_say(ring3, __VA_ARGS__)

int ring3_hook_open(const Ring3 *r, const char *arguments);
void each_translated(void *context, const Ring3Block *b);
void each_executes(void *context, uint32_t address);
void ring3_hook_close(void);

/* "each SYMBOL [crash]": say when it is executed. */
static uint32_t each;
static int each_crashes;

void each_executes(void *context, uint32_t address)
{
    char name[80];
    (void)context;
    if (each_crashes) *(volatile int *)(uintptr_t)(16 * each_crashes) = 1;
    SAY("executes %s", ring3->symbol_at(address, name, sizeof name));
}

void each_translated(void *context, const Ring3Block *b)
{
    for (uint32_t n = 0; n < b->count; n++)
        if (b->insn[n].address == each) ring3->on_execute(n, each_executes, context);
}

static int watch_each(const char *arguments)
{
    char name[80], word[8] = "";
    sscanf(arguments, "%79s %7s", name, word);
    each_crashes = *word != 0;
    return !ring3->symbol(name, &each) || !ring3->on_translate(each_translated, NULL);
}

int ring3_hook_open(const Ring3 *r, const char *arguments)
{
    ring3 = r;
    if (!strncmp(arguments, "each ", 5)) return watch_each(arguments + 5);
    if (!strcmp(arguments, "refuse")) return 3;
    if (!strcmp(arguments, "crash")) abort();
    if (!strcmp(arguments, "leave")) exit(0);
    if (*arguments) SAY("opened with '%s'", arguments);
    return r->version != RING3_HOOK_VERSION || r->bytes != sizeof *r;
}

void ring3_hook_close(void) { SAY("closed"); }

void three(uint32_t a, uint32_t b, const char *s) { SAY("three %u %u %s", a, b, s ? s : "(null)"); }
void numbers(uint32_t a, uint32_t b, uint32_t c) { SAY("numbers %u %u %u", a, b, c); }
void mixed(uint32_t a, uint64_t b, uint32_t c) { SAY("mixed %u 0x%llx %u", a, (unsigned long long)b, c); }
void wide(uint64_t a, float f, double g, int8_t h, uint16_t i)
{
    SAY("wide 0x%llx %g %g %d %u", (unsigned long long)a, (double)f, g, h, i);
}
void system_call(uint32_t nr, const char *s, uint32_t b, uint32_t c, uint32_t d, uint32_t e, uint32_t f)
{
    SAY("system call %u %s %u %u %u %u %u", nr, s ? s : "(null)", b, c, d, e, f);
}
void returned(uint32_t n, uint32_t result) { SAY("returned %u: %u", n, result); }
void here(void)
{
    char name[80];
    SAY("at %s, cpl %u", ring3->symbol_at(ring3->get(RING3_PC), name, sizeof name), ring3->get(RING3_CPL));
}

/* --- instead of the guest's --- */

uint32_t times(uint32_t a, uint32_t b) { return a * b; }
uint64_t long_times(uint64_t a) { return a * 3; }
uint32_t unless_two(uint32_t a, uint32_t b)
{
    if (b == 2) ring3->decline();
    return a * 1000;
}
void past_int(void) { ring3->set(RING3_EAX, 55), ring3->set(RING3_EIP, ring3->get(RING3_EIP) + 2); }
void stop(void) { ring3->stop(77); }
void pause_it(void) { ring3->pause(); }

/* Memory, through each door. */
void memory(uint32_t from, uint32_t n)
{
    enum { TO = 0x9fff00, HOLE = 0xc00000 };
    char bytes[8] = "", again[8] = "";
    uint32_t room = 0, none = 0;
    void *p = ring3->ram(TO, &room, 1);
    int ok = ring3->read(from, bytes, 5) && ring3->write(TO, bytes, 5) && ring3->read_physical(TO, again, 5);
    ok = ok && p && !memcmp(p, bytes, 5) && !memcmp(p, again, 5) && ring3->write_physical(TO + 1, "?", 1);
    SAY("memory %s: %.5s, %u to the end, hole %s, %u", ok ? "agrees" : "differs", p ? (char *)p : "", room,
        ring3->ram(HOLE, &none, 0) || ring3->read(HOLE, bytes, 5) ? "there" : "absent", n);
}

/* --- what goes wrong --- */

static volatile int zero;

void null_pointer(void) { *(volatile int *)(uintptr_t)(16 + zero) = 1; }
void give_up(void) { abort(); }
void leaves(void) { exit(0); }
static int deeper(volatile char *above, int n)
{
    volatile char here_too[4096];
    here_too[0] = above[0];
    return n == 1 << 30 ? 0 : deeper(here_too, n + 1) + here_too[0];
}
void endless(void)
{
    volatile char c[1] = {1};
    zero = deeper(c, zero);
}
void divide(void) { SAY("%d", (zero + 7) / zero); }
/* What a function has to leave as it was. */
void sets_df(void) { __asm__ volatile("std"); }
void sets_ac(void) { __asm__ volatile("pushfq; orl $0x40000, (%rsp); popfq"); }
void changes_registers(void)
{
    __asm__ volatile("mov $1, %ebx; mov $2, %r15d");
} /* unknown to the compiler */
void changes_control_words(void)
{
    static const unsigned mxcsr = 0x5f80;
    static const unsigned short fcw = 0x27f;
    __asm__ volatile("ldmxcsr %0; fldcw %1" : : "m"(mxcsr), "m"(fcw));
}
__asm__(".text; .globl loses_stack; loses_stack: ret $16");

void connect_out(void) { (void)!socket(AF_INET, SOCK_STREAM, 0); }
