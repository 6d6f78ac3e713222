/* sound_bench.h - the mixer with a listener that keeps what it hears, by the stream's frame; memory; and, for PCI cards, a
 * bus with the card in slot 3. */
#ifndef SOUND_BENCH_H
#define SOUND_BENCH_H

#include "hw_bench.h"

#include <math.h>
#include <stdlib.h>

#include "hw/part.h"
#include "hw/pci.h"
#include "hw/sound.h"
#include "mmu/phys.h"

enum { HEARD = SOUND_HZ * 3, SOUND_RAM = 2 << 20 };

static Phys *phys;
static Sound mixer;
static SoundFrame heard[HEARD];
static u64 heard_last;
static u32 heard_calls;

static inline void listen(void *ctx, u64 frame, const SoundFrame *frames, u32 count)
{
    (void)ctx;
    heard_calls++;
    for (u32 n = 0; n < count; n++)
        if (frame + n < HEARD) heard[frame + n] = frames[n];
    assert_true(frame >= heard_last);
    heard_last = frame + count;
}

static inline void sound_bench_up(void)
{
    bench_up();
    memset(heard, 0, sizeof heard);
    heard_last = heard_calls = 0;
    phys = phys_new(bus, SOUND_RAM);
    sound_init(&mixer, &clk);
    sound_listen(&mixer, listen, NULL);
}

static inline int sound_bench_down(void **state)
{
    phys_free(phys);
    return bench_down(state);
}

/* Correlation of the left channel with a sine of that pitch, whatever its phase, between two frames; its level in
 * *top. */
static inline double likeness(u32 from, u32 to, double hz, double *top)
{
    double re = 0, im = 0, all = 0, turns = floor((to - from) * hz / SOUND_HZ); /* whole ones */
    to = from + (u32)lround(turns * SOUND_HZ / hz);
    double count = to - from;
    for (u32 n = from; n < to; n++) {
        double v = heard[n].left;
        re += v * cos(2 * M_PI * hz * n / SOUND_HZ), im += v * sin(2 * M_PI * hz * n / SOUND_HZ),
            all += v * v;
    }
    *top = 2 * hypot(re, im) / count;
    return sqrt(2 * (re * re + im * im) / count / all);
}

/* Frames of 16 bits from `pa` on: a sine on the left, and its opposite on the right. */
static inline void write_sine16(u32 pa, double per_turn, u32 frames, double top)
{
    for (u32 n = 0; n < frames; n++) {
        u16 v = (u16)(s16)lround(top * sin(2 * M_PI * n / per_turn));
        phys_write(phys, pa + 4 * n, v, 2), phys_write(phys, pa + 4 * n + 2, (u16)(0 - v), 2);
    }
}

static inline void sides_are_opposite(u32 from, u32 to)
{
    for (u32 n = from; n < to; n++) assert_true(abs(heard[n].left + heard[n].right) < 4);
}

/* The host is away for so long: what is due comes at once, before the guest can do anything. */
static inline void host_sleeps(u64 ns)
{
    clk.manual_ns += ns;
    clock_run_due(&clk);
}

static inline void silence_between(u32 from, u32 to)
{
    for (u32 n = from; n < to; n++) assert_int_equal(heard[n].left | heard[n].right, 0);
}

#define SOUND_TEST(f) cmocka_unit_test_setup_teardown(f, setup, sound_bench_down)

#endif
