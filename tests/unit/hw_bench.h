/* hw_bench.h - the test bench of device tests: a bus, a manual clock, recorded wires and a scripted chardev. No
 * CPU: tests drive a chip through its ports as a driver would. */
#ifndef HW_BENCH_H
#define HW_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "hw/chardev.h"
#include "hw/clock.h"
#include "hw/irq.h"
#include "mmu/bus.h"

enum { US = 1000, MS = 1000000, SEC = 1000000000 };

static Bus *bus;
static Clock clk;

/* A wire's other end. */
typedef struct Wire {
    bool level;
    unsigned rises, falls;
} Wire;

static inline void wire_set(void *ctx, int n, bool level)
{
    Wire *w = (Wire *)ctx + n;
    if (level && !w->level) w->rises++;
    if (!level && w->level) w->falls++;
    w->level = level;
}

static inline IrqLine wire_line(Wire *w) { return (IrqLine){wire_set, w, 0}; }

static inline u8 in(u16 port) { return (u8)bus_port_in(bus, port, 1); }
static inline void out(u16 port, u8 v) { bus_port_out(bus, port, v, 1); }
static inline void out2(u16 port, u8 a, u8 b) { out(port, a), out(port, b); }

static inline u16 in_twice(u16 port) /* low byte first, as counters are read */
{
    u16 low = in(port);
    return (u16)(low | in(port) << 8);
}

/* A chardev that gives `input` and keeps what it gets. */
typedef struct Script {
    Chardev dev;
    const char *input;
    char output[4096];
    u32 out_bytes;
} Script;

static inline void script_write(Chardev *d, const u8 *bytes, u32 n)
{
    Script *s = (Script *)d;
    for (u32 i = 0; i < n && s->out_bytes + 1 < sizeof s->output; i++)
        s->output[s->out_bytes++] = (char)bytes[i];
}

static inline u32 script_read(Chardev *d, u8 *bytes, u32 space)
{
    Script *s = (Script *)d;
    u32 n = 0;
    while (n < space && s->input && *s->input) bytes[n++] = (u8)*s->input++;
    return n;
}

static inline void script_init(Script *s, const char *input)
{
    *s = (Script){.dev = {.write = script_write, .read = script_read}, .input = input};
}

static inline void bench_up(void)
{
    bus = bus_new();
    clock_init_manual(&clk);
}

static inline int bench_down(void **state)
{
    (void)state;
    bus_free(bus);
    return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, bench_down)

#endif
