/* sound_pci_bench.h - a PCI sound card in slot 3: its ports, its INTA#, and the card saved and loaded as a part. */
#ifndef SOUND_PCI_BENCH_H
#define SOUND_PCI_BENCH_H

#include "sound_bench.h"

static Pci pci;
static Wire intx;
static Parts parts;

static inline u32 config(u32 reg, unsigned bytes)
{
    bus_port_out(bus, 0xcf8, 0x80001800 | (reg & 0xfc), 4);
    return bus_port_in(bus, (u16)(0xcfc + (reg & 3)), bytes);
}

static inline void config_set(u32 reg, u32 v, unsigned bytes)
{
    bus_port_out(bus, 0xcf8, 0x80001800 | (reg & 0xfc), 4);
    bus_port_out(bus, (u16)(0xcfc + (reg & 3)), v, bytes);
}

static inline u32 in4(u16 port) { return bus_port_in(bus, port, 4); }
static inline u16 in2(u16 port) { return (u16)bus_port_in(bus, port, 2); }
static inline void out4(u16 port, u32 v) { bus_port_out(bus, port, v, 4); }
static inline void out16(u16 port, u16 v) { bus_port_out(bus, port, v, 2); }

static inline void sound_pci_bench_up(void)
{
    sound_bench_up();
    memset(&intx, 0, sizeof intx);
    pci_init(&pci, bus);
    parts = (Parts){0};
    part_add(&parts, &clock_part, "clock", &clk);
}

static inline StateBytes card_saved(void)
{
    StateBytes b = {0};
    char problem[STATE_PROBLEM];
    assert_true(parts_save(&parts, &b, problem));
    return b;
}

static inline void card_load(StateBytes *b)
{
    char problem[STATE_PROBLEM] = "";
    assert_true(parts_load(&parts, b->at, b->count, problem));
    sound_restart(&mixer);
    state_bytes_free(b);
}

#endif
