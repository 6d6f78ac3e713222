/* hw_vga.c - the VGA's registers, its way to memory against a slow model of the manual, Bochs VBE, the PCI function. */
#include "hw_bench.h"

#include <stdlib.h>

#include "hw/machine.h"
#include "hw/scanout.h"
#include "hw/vga.h"
#include "tests/random.h"

static Machine *m;
static Phys *phys;
static u8 *vram;
static const ScreenState *regs;
static const u8 rom[3000] = {0x55, 0xaa, 6, 0xcb};

static Machine *board(bool firmware)
{
    const MachineEvents events = {0};
    MachineConfig c = {.ram_bytes = 4 << 20,
                       .manual_clock = true,
                       .has_firmware = firmware,
                       .vga_rom = rom,
                       .vga_rom_bytes = sizeof rom};
    return machine_new(&c, &events);
}

static int setup(void **state)
{
    u32 bytes;
    (void)state;
    m = board(false);
    if (!m) return -1;
    bus = machine_bus(m);
    phys = machine_phys(m);
    regs = machine_screen(m);
    machine_vram(m, &bytes);
    assert_int_equal(bytes, 16 << 20);
    vram = phys->ram + machine_vram_offset(m);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    machine_free(m);
    return 0;
}

static u32 rd(u32 pa, unsigned bytes) { return phys_read(phys, pa, bytes); }
static void wr(u32 pa, u32 value, unsigned bytes) { phys_write(phys, pa, value, bytes); }

static void seq(u8 index, u8 value) { bus_port_out(bus, 0x3c4, (u32)(value << 8 | index), 2); }
static void gfx(u8 index, u8 value) { bus_port_out(bus, 0x3ce, (u32)(value << 8 | index), 2); }
static void crtc(u8 index, u8 value) { bus_port_out(bus, 0x3d4, (u32)(value << 8 | index), 2); }
static void dispi(u16 index, u16 value)
{
    bus_port_out(bus, 0x1ce, index, 2), bus_port_out(bus, 0x1cf, value, 2);
}
static u16 dispi_in(u16 index) { return bus_port_out(bus, 0x1ce, index, 2), (u16)bus_port_in(bus, 0x1cf, 2); }

static u8 indexed(u16 port, u8 index) { return out(port, index), in((u16)(port + 1)); }

/* What a video BIOS programs for the memory path of its modes. */
static void planar_mode(void) { seq(2, 15), seq(4, 6), gfx(5, 0), gfx(6, 5), gfx(7, 15); }
static void chain4_mode(void) { seq(2, 15), seq(4, 14), gfx(5, 0x40), gfx(6, 5), gfx(7, 15); }

/* --- registers ------------------------------------------------------------------------------------------- */

static void registers_read_back(void **state)
{
    (void)state;
    for (u8 n = 1; n < 5; n++) {
        static const u8 mask[] = {3, 0x3d, 15, 0x3f, 14};
        seq(n, 0xff);
        assert_int_equal(indexed(0x3c4, n), mask[n]);
        seq(n, 0);
        assert_int_equal(indexed(0x3c4, n), 0);
    }
    for (u8 n = 0; n < 9; n++) {
        gfx(n, 0xa5);
        assert_int_equal(indexed(0x3ce, n) & ~0xa5, 0);
    }
    assert_int_equal(indexed(0x3ce, 8), 0xa5);
    assert_int_equal(indexed(0x3c4, 7), 0);
    out(0x3c2, 0x63);
    assert_int_equal(in(0x3cc), 0x63);
    out(0x3da, 0x03);
    assert_int_equal(in(0x3ca), 0x03);
}

static void crtc_is_protected_but_for_line_compare(void **state)
{
    (void)state;
    assert_int_equal(indexed(0x3d4, 0x11) & 0x80, 0x80);
    crtc(0, 0x11), crtc(7, 0x0f);
    assert_int_equal(indexed(0x3d4, 0), 0x5f);
    assert_int_equal(indexed(0x3d4, 7), 0x0f);
    crtc(7, 0xff);
    assert_int_equal(indexed(0x3d4, 7), 0x1f);
    crtc(0x11, 0x0e);
    crtc(0, 0x11), crtc(7, 0xff);
    assert_int_equal(indexed(0x3d4, 0), 0x11);
    assert_int_equal(indexed(0x3d4, 7), 0xff);
    crtc(0x18, 0x7b), crtc(0x1f, 0x33);
    assert_int_equal(indexed(0x3d4, 0x18), 0x7b);
    assert_int_equal(indexed(0x3d4, 0x1f), 0);
}

static void one_side_of_the_crtc_answers(void **state)
{
    (void)state;
    assert_int_equal(in(0x3b5), 0xff);
    assert_int_equal(in(0x3ba), 0xff);
    out(0x3c2, 0x66);
    out(0x3b4, 0x0f), out(0x3b5, 0x42);
    assert_int_equal(in(0x3b5), 0x42);
    assert_int_equal(in(0x3d5), 0xff);
    assert_int_not_equal(in(0x3ba), 0xff);
}

static void attribute_flip_flop(void **state)
{
    (void)state;
    in(0x3da);
    out(0x3c0, 0x31);
    assert_int_equal(in(0x3c0), 0x31);
    out(0x3c0, 0x05);
    assert_int_equal(regs->attr[0x11], 0x05);
    assert_int_equal(in(0x3c1), 0x05);
    out(0x3c0, 0x13);
    in(0x3da); /* not data: an index again */
    out(0x3c0, 0x14);
    out(0x3c0, 0x0c);
    assert_int_equal(regs->attr[0x14], 0x0c);
    assert_int_equal(regs->attr[0x13], 0x08);
    out2(0x3c0, 0x1f, 0xff); /* nobody there */
    assert_int_equal(in(0x3c1), 0);
}

static void dac_counts_by_itself(void **state)
{
    (void)state;
    out(0x3c8, 0xff);
    assert_int_equal(in(0x3c7), 0);
    for (u8 n = 1; n <= 6; n++) out(0x3c9, n);
    out(0x3c9, 0x3f); /* one component alone changes nothing */
    out(0x3c7, 0xff);
    assert_int_equal(in(0x3c7), 3);
    for (u8 n = 1; n <= 6; n++) assert_int_equal(in(0x3c9), n);
    assert_int_equal(regs->dac[1][0], 0x00);
    assert_int_equal(in(0x3c8), 2); /* entry 1 has been fetched */
    assert_int_equal(in(0x3c6), 0xff);
    out(0x3c8, 0), out(0x3c9, 0xff), out(0x3c9, 0xff), out(0x3c9, 0xff);
    assert_int_equal(regs->dac[0][0], 0x3f);
}

static void the_dac_has_one_address(void **state)
{
    (void)state;
    out(0x3c8, 0x30);
    for (u8 n = 1; n <= 6; n++) out(0x3c9, n);
    out(0x3c7, 0x30);
    assert_int_equal(in(0x3c8), 0x31);
    for (u8 n = 1; n <= 3; n++) assert_int_equal(in(0x3c9), n);
    assert_int_equal(in(0x3c8), 0x32);
    out(0x3c7, 0x30);
    for (u8 n = 11; n <= 13; n++) out(0x3c9, n); /* into 31 */
    assert_true(regs->dac[0x30][0] == 1 && regs->dac[0x31][0] == 11 && regs->dac[0x31][2] == 13);
    assert_int_equal(in(0x3c8), 0x32);
    out(0x3c7, 0x30);
    assert_true(in(0x3c9) == 1 && in(0x3c9) == 2);
    out(0x3c8, 0x40); /* an address forgets the component */
    for (u8 n = 21; n <= 23; n++) out(0x3c9, n);
    assert_true(regs->dac[0x40][0] == 21 && regs->dac[0x40][2] == 23 && in(0x3c8) == 0x41);
}

/* --- timing ---------------------------------------------------------------------------------------------- */

static void retrace_comes_seventy_times_a_second(void **state)
{
    (void)state;
    enum { STEP = 5000 };
    unsigned edges = 0, retrace = 0, active = 0, n = SEC / STEP;
    bool was = false;
    for (unsigned i = 0; i < n; i++) {
        u8 status = in(0x3da);
        if (status & 8 && !was) edges++;
        was = status & 8;
        retrace += was;
        active += !(status & 1);
        if (status & 8) assert_true(status & 1);
        clock_advance(machine_clock(m), STEP);
    }
    assert_in_range(edges, 69, 71);
    assert_in_range(retrace * 449, 1 * n, 3 * n); /* 2 lines of 449 */
    assert_in_range(active * 100 / n, 68, 74);    /* 80 of 100 characters, 400 of 449 lines */
}

static bool retrace(void) { return in(0x3da) & 8; }
static void ns_pass(u64 ns) { clock_advance(machine_clock(m), ns); }

/* Wait for the end of a retrace and for the next, by a processor that the host takes away for 3 of 4 ms. */
static void a_guest_that_was_away_sees_its_retrace(void **state)
{
    (void)state;
    const u64 end = clock_now(machine_clock(m)) + SEC;
    unsigned frames = 0, reads = 0;
    for (bool want = false; clock_now(machine_clock(m)) < end; reads++) {
        if (retrace() == want) {
            frames += want;
            want = !want;
        }
        ns_pass(reads % 200 == 199 ? 3 * MS : 5000);
    }
    assert_in_range(frames, 68, 71);
}

static void a_retrace_that_nobody_waited_for_is_over(void **state)
{
    (void)state;
    while (!retrace()) ns_pass(5000);
    while (retrace()) ns_pass(5000);
    ns_pass(5 * MS);
    assert_false(retrace()); /* none has passed */
    ns_pass(12 * MS);
    assert_true(retrace()); /* one has, and is seen once */
    assert_false(retrace());
    ns_pass(100 * MS);
    assert_false(retrace()); /* nobody waits for so long */
    while (!retrace()) ns_pass(5000);
    ns_pass(10 * MS); /* what was seen is not seen again */
    assert_false(retrace());
    crtc(0x11, 0);
    ns_pass(5 * MS);
    assert_false(retrace());
}

/* What the board says of how long 3DAh stays is when the retrace bit changes, to a microsecond. */
static void the_next_edge_of_the_retrace_is_known(void **state)
{
    (void)state;
    in(0x3da);
    for (unsigned n = 0; n < 7; n++) {
        bool before = in(0x3da) & 8;
        u64 still = bus_port_still(bus, 0x3da, 1);
        assert_in_range(still, 1, 15000000);
        clock_advance(machine_clock(m), still > 1000 ? still - 1000 : 0);
        assert_int_equal(!!(in(0x3da) & 8), before);
        clock_advance(machine_clock(m), 2000);
        assert_int_equal(!!(in(0x3da) & 8), !before);
    }
    assert_int_equal(bus_port_still(bus, 0x3c9, 1), 0);
}

static void any_registers_have_a_retrace(void **state)
{
    (void)state;
    crtc(0x11, 0);
    for (u8 n = 0; n < 0x19; n++) crtc(n, 0);
    bool seen = false;
    for (unsigned i = 0; i < 20000 && !seen; i++) {
        seen = in(0x3da) & 8;
        clock_advance(machine_clock(m), 1000);
    }
    assert_true(seen);
}

/* --- memory: what the manual says, byte by byte ---------------------------------------------------------- */

static struct {
    u8 plane[4][0x10000], latch[4];
} model;

static u8 model_logic(u8 data, u8 latch)
{
    switch (regs->gfx[3] >> 3 & 3) {
    case 1: return data & latch;
    case 2: return data | latch;
    case 3: return data ^ latch;
    default: return data;
    }
}

static u8 model_rotate(u8 v)
{
    for (int n = regs->gfx[3] & 7; n; n--) v = (u8)(v >> 1 | v << 7);
    return v;
}

static u8 model_plane_data(unsigned p, u8 value)
{
    const u8 *g = regs->gfx;
    u8 latch = model.latch[p], set = g[0] >> p & 1 ? 0xff : 0, data, mask = g[8];
    switch (g[5] & 3) {
    case 0: data = model_logic(g[1] >> p & 1 ? set : model_rotate(value), latch); break;
    case 1: return latch;
    case 2: data = model_logic(value >> p & 1 ? 0xff : 0, latch); break;
    default: mask &= model_rotate(value); data = model_logic(set, latch);
    }
    return (u8)((data & mask) | (latch & ~mask));
}

typedef struct Where {
    u32 at;
    unsigned planes; /* those that may be written */
    unsigned read;   /* the one that is read */
} Where;

static Where model_where(u32 a, bool reading)
{
    bool odd_even = reading ? regs->gfx[5] & 0x10 : !(regs->seq[4] & 4);
    if (regs->seq[4] & 8) return (Where){a >> 2, 1u << (a & 3), a & 3};
    if (!odd_even) return (Where){a, 15, regs->gfx[4] & 3u};
    return (Where){a & ~1u, a & 1 ? 10 : 5, (regs->gfx[4] & 2u) | (a & 1)};
}

static void model_write(u32 a, u8 value)
{
    Where w = model_where(a, false);
    for (unsigned p = 0; p < 4; p++)
        if (regs->seq[2] & w.planes & 1u << p) model.plane[p][w.at] = model_plane_data(p, value);
}

static u8 model_read(u32 a)
{
    Where w = model_where(a, true);
    u8 same = 0xff;
    for (unsigned p = 0; p < 4; p++) {
        model.latch[p] = model.plane[p][w.at];
        u8 want = regs->gfx[2] >> p & 1 ? 0xff : 0;
        if (regs->gfx[7] >> p & 1) same &= (u8) ~(model.latch[p] ^ want);
    }
    return regs->gfx[5] & 8 ? same : model.latch[w.read];
}

static void model_access(u32 window)
{
    unsigned bytes = 1u << rnd() % 3;
    u32 a = rnd() % 0x7ff0, value = rnd() * 2654435761u;
    if (rnd() & 1) {
        wr(window + a, value, bytes);
        for (unsigned i = 0; i < bytes; i++) model_write(a + i, (u8)(value >> 8 * i));
        return;
    }
    u32 expected = 0;
    for (unsigned i = 0; i < bytes; i++) expected |= (u32)model_read(a + i) << 8 * i;
    assert_int_equal(rd(window + a, bytes), expected);
}

static void model_compare(void)
{
    for (u32 a = 0; a < 0x8000; a++)
        for (unsigned p = 0; p < 4; p++)
            if (vram[4 * a + p] != model.plane[p][a]) fail_msg("plane %u at %x: %02x", p, a, vram[4 * a + p]);
}

static void model_start(void)
{
    memset(vram, 0, 4 * 0x10000);
    memset(&model, 0, sizeof model);
    for (u32 a = 0; a < 0x8000 * 4; a++) vram[a] = model.plane[a & 3][a >> 2] = (u8)rnd();
    seq(4, 6), gfx(5, 0), gfx(6, 5);
    rd(0xa0000, 1); /* latches agree */
    for (unsigned p = 0; p < 4; p++) model.latch[p] = vram[p];
}

static u8 often(u8 usual, u8 mask) { return rnd() & 1 ? usual : (u8)(rnd() & mask); }

static void memory_does_what_the_manual_says(void **state)
{
    (void)state;
    model_start();
    for (unsigned round = 0; round < 4000; round++) {
        static const u32 windows[] = {0xa0000, 0xa0000, 0xb0000, 0xb8000};
        bool odd_even = rnd() & 1;
        u8 mm = (u8)(rnd() & 3), chain4 = rnd() % 4 == 0 ? 8 : 0;
        if (!mm) mm = 1; /* A16 is tried below */
        seq(2, often(odd_even ? 3 : 15, 15)), seq(4, (odd_even ? 2 : 6) | chain4);
        gfx(0, (u8)rnd()), gfx(1, often(0, 15)), gfx(2, (u8)rnd()), gfx(3, often(0, 0x1f)), gfx(4, (u8)rnd());
        gfx(5, (u8)((odd_even ? 0x10 : 0) | often(0, 0x0b)));
        gfx(6, (u8)(1 | mm << 2 | (odd_even ? 2 : 0))), gfx(7, often(15, 15)), gfx(8, often(0xff, 0xff));
        for (unsigned n = rnd() % 60; n; n--) { /* too few for linear reads to skip the latches */
            if (chain4 && !(regs->gfx[5] & 8)) {
                u32 a = rnd() % 0x7ff0;
                assert_int_equal(rd(windows[mm] + a, 1), model_read(a));
            } else {
                model_access(windows[mm]);
            }
        }
    }
    model_compare();
}

static void windows_open_where_they_are_told(void **state)
{
    (void)state;
    planar_mode();
    wr(0xa1234, 0x77, 1);
    assert_int_equal(rd(0xa1234, 1), 0x77);
    assert_int_equal(rd(0xb1234, 1), 0xff);
    wr(0xaffff, 0x1234, 2); /* the second byte falls outside */
    assert_int_equal(vram[4 * 0xffff], 0x34);
    gfx(6, 0x09);
    assert_int_equal(rd(0xb1234, 1), 0x77);
    assert_int_equal(rd(0xb8000, 1), 0xff);
    assert_int_equal(rd(0xa1234, 4), ~0u);
    gfx(6, 0x0d);
    assert_int_equal(rd(0xb9234, 1), 0x77);
    gfx(6, 0x01);
    assert_int_equal(rd(0xb1234, 1), 0x77); /* 128 KiB, and planes of 64 */
    out(0x3c2, 0x65);
    wr(0xa1234, 0x11, 1);
    assert_int_equal(rd(0xa1234, 1), 0xff);
    out(0x3c2, 0x67);
    assert_int_equal(rd(0xa1234, 1), 0x77);
}

static void text_memory(void **state)
{
    (void)state;
    wr(0xb8000, 0x1f411e42, 4);
    wr(0xb8005, 0x55, 1);
    assert_int_equal(rd(0xb8000, 4), 0x1f411e42);
    assert_int_equal(rd(0xb8001, 2), 0x411e);
    assert_int_equal(vram[0], 0x42);
    assert_int_equal(vram[1], 0x1e);
    assert_int_equal(vram[8], 0x41);
    assert_int_equal(vram[4 * 4 + 1], 0x55);
    wr(0xb9001, 0xabcd, 2);
    assert_int_equal(rd(0xb9001, 2), 0xabcd);
}

/* --- chain-4 --------------------------------------------------------------------------------------------- */

static void chain4_maps_pages_and_agrees_with_the_planes(void **state)
{
    (void)state;
    chain4_mode();
    assert_null(phys_hp(phys, 0xa0000));
    for (u32 n = 0; n < 100; n++) wr(0xa0000 + n, n, 1);
    assert_ptr_equal(phys_hp(phys, 0xa0000), vram);
    assert_ptr_equal(phys_hp(phys, 0xaf000), vram + 0xf000);
    assert_null(phys_hp(phys, 0xb0000));
    for (u32 n = 0; n < 100; n++) assert_int_equal(rd(0xa0000 + n, 1), n);
    wr(0xa0100, 0x44332211, 4);
    planar_mode(); /* as mode X does */
    assert_null(phys_hp(phys, 0xa0000));
    for (u8 p = 0; p < 4; p++) {
        gfx(4, p);
        assert_int_equal(rd(0xa0040, 1), 0x11 * (p + 1));
    }
    seq(2, 4);
    wr(0xa0040, 0x99, 1);
    chain4_mode();
    assert_int_equal(rd(0xa0100, 4), 0x44992211);
    for (u32 n = 0; n < 100; n++) rd(0xa0000, 4);
    assert_non_null(phys_hp(phys, 0xa0000));
    gfx(8, 0x0f); /* something comes between */
    assert_null(phys_hp(phys, 0xa0000));
    wr(0xa0000, 0xff, 1);
    gfx(8, 0xff);
    assert_int_equal(rd(0xa0000, 1) & 0x0f, 0x0f);
    for (u32 n = 0; n < 100; n++) rd(0xa0000, 4);
    machine_reset(m);
    assert_null(phys_hp(phys, 0xa0000));
}

/* --- Bochs VBE ------------------------------------------------------------------------------------------- */

static void dispi_modes(void **state)
{
    (void)state;
    assert_int_equal(dispi_in(0), 0xb0c5);
    dispi(0, 0xb0c2);
    assert_int_equal(dispi_in(0), 0xb0c2);
    dispi(0, 0x1234);
    assert_int_equal(dispi_in(0), 0xb0c2);
    assert_int_equal(dispi_in(10), 256);
    vram[5] = 1;
    dispi(1, 1024), dispi(2, 768), dispi(3, 16), dispi(4, 0x41);
    assert_int_equal(vram[5], 0);
    assert_int_equal(dispi_in(6), 1024);
    assert_int_equal(dispi_in(7), 8192);
    dispi(6, 2048), dispi(9, 800), dispi(8, 2000);
    assert_int_equal(dispi_in(6), 2048);
    assert_int_equal(dispi_in(7), 4096);
    assert_int_equal(dispi_in(8), 1024); /* as far right as it goes */
    assert_int_equal(dispi_in(9), 800);
    dispi(1, 640);
    assert_int_equal(dispi_in(1), 1024); /* not while it is on */
    dispi(4, 0x43);
    assert_int_equal(dispi_in(1), VBE_MAX_XRES);
    assert_int_equal(dispi_in(3), 32);
    vram[5] = 1;
    dispi(4, 0), dispi(1, 0xffff), dispi(2, 0xffff), dispi(3, 77), dispi(4, 0xc1);
    assert_int_equal(vram[5], 1);
    assert_int_equal(dispi_in(1), VBE_MAX_XRES);
    assert_int_equal(dispi_in(2), VBE_MAX_YRES);
    assert_int_equal(dispi_in(3), 8);
    assert_int_equal(bus_port_in(bus, 0x1d0, 2), 8);
    dispi(4, 0x21);
    out(0x3c8, 0), out(0x3c9, 0xff);
    out(0x3c9, 0xfe), out(0x3c9, 0xfd);
    assert_int_equal(regs->dac[0][0], 0xff);
}

static void banks_show_the_frame_buffer(void **state)
{
    (void)state;
    dispi(1, 800), dispi(2, 600), dispi(3, 32), dispi(4, 0x41);
    for (u16 bank = 0; bank < 3; bank++) {
        dispi(5, bank);
        for (u32 n = 0; n < 200; n++) wr(0xa0000 + 4 * n, (u32)bank << 24 | n, 4);
        assert_ptr_equal(phys_hp(phys, 0xa0000), vram + bank * 0x10000);
    }
    assert_int_equal(rd(VGA_LFB_PA + 0x20000 + 400, 4), 0x02000064);
    wr(VGA_LFB_PA + 0x10000, 0xabcdef, 4);
    dispi(5, 1);
    assert_int_equal(rd(0xa0000, 4), 0xabcdef);
    dispi(5, 0xffff); /* more than there is: wraps */
    assert_int_equal(rd(0xa0000, 1), 0);
    dispi(4, 0);
    assert_int_equal(rd(0xa0000, 4), ~0u); /* text mode's window is b8000 */
}

/* --- PCI ------------------------------------------------------------------------------------------------- */

static u32 config_in(u32 reg)
{
    return bus_port_out(bus, 0xcf8, 0x80001000 | reg, 4), bus_port_in(bus, 0xcfc, 4);
}
static void config_out(u32 reg, u32 value)
{
    bus_port_out(bus, 0xcf8, 0x80001000 | reg, 4), bus_port_out(bus, 0xcfc, value, 4);
}

static void firmware_places_the_function(void **state)
{
    (void)state;
    machine_free(m);
    m = board(true);
    bus = machine_bus(m), phys = machine_phys(m);
    vram = phys->ram + machine_vram_offset(m);
    assert_int_equal(config_in(0), 0x11111234);
    assert_int_equal(config_in(8) >> 8, 0x030000);
    config_out(0x10, ~0u), config_out(0x18, ~0u), config_out(0x30, ~0u);
    assert_int_equal(config_in(0x10), 0xff000008);
    assert_int_equal(config_in(0x18), 0xfffff000);
    assert_int_equal(config_in(0x30), 0xfffff001);
    config_out(0x10, 0xfd000000), config_out(0x18, 0xfebf0000), config_out(0x30, 0xfebe0001);
    assert_null(phys_hp(phys, 0xfd000000));
    config_out(0x04, 2);
    assert_ptr_equal(phys_hp(phys, 0xfd000000), vram);
    assert_ptr_equal(phys_hp(phys, 0xfdfff000), vram + (16 << 20) - 4096);
    assert_int_equal(rd(0xfebe0000, 4), 0xcb06aa55);
    assert_int_equal(rd(0xfebe0fff, 1), 0xff);
    wr(0xfebf0500, 0xb0c0, 2);
    assert_int_equal(rd(0xfebf0500, 2), 0xb0c0);
    wr(0xfebf040e, 0x5a08, 2); /* 3CEh */
    assert_int_equal(rd(0xfebf040f, 1), 0x5a);
    rd(0xfebf0000, 4), wr(0xfebf0000, 0, 4), rd(0xfebf041f, 2), wr(0xfebf041f, 0, 2);
    config_out(0x10, 0xc0000000);
    assert_null(phys_hp(phys, 0xfd000000));
    assert_ptr_equal(phys_hp(phys, 0xc0000000), vram);
    config_out(0x10, 0x00000000);
    assert_null(phys_hp(phys, 0xc0000000));
    assert_ptr_equal(phys_hp(phys, 0), phys->ram);
    config_out(0x10, 0xff000000); /* over the firmware and others: what is there already stays */
    config_out(0x04, 0);
    assert_null(phys_hp(phys, 0xff000000));
}

static void registers_may_be_shared(void **state)
{
    const MachineEvents events = {0};
    ScreenState *shared = calloc(1, sizeof *shared);
    MachineConfig c = {.ram_bytes = 4 << 20, .manual_clock = true, .screen = shared};
    Machine *other = machine_new(&c, &events);
    (void)state;
    assert_ptr_equal(machine_screen(other), shared);
    assert_int_equal(shared->crtc[CRTC_OFFSET], 40);
    machine_free(other);
    free(shared);
    c = (MachineConfig){.ram_bytes = 4 << 20, .manual_clock = true, .no_vga = true};
    other = machine_new(&c, &events);
    assert_null(machine_screen(other));
    assert_int_equal(bus_port_in(machine_bus(other), 0x3cc, 1), 0xff);
    machine_free(other);
}

/* --- the fuzzer: ports, configuration space, every window, and pictures of what comes of it ----------------- */

static u32 some_port(void)
{
    static const u16 home[] = {0x3c0, 0x3c4, 0x3c5, 0x3c8, 0x3ce, 0x3cf, 0x3d4, 0x3d5, 0x1ce, 0x1cf};
    return rnd() % 4 ? home[rnd() % ARRAY_LEN(home)] : 0x3b0 + rnd() % 0x30;
}

static u32 some_address(void)
{
    static const u32 home[] = {0xa0000,    0xa0000,   0xb8000, VGA_LFB_PA, VGA_LFB_PA + 0xfff000,
                               0xfebf0400, 0xfebf0500};
    return (home[rnd() % ARRAY_LEN(home)] + (rnd() % 4 ? rnd() % 0x40 : rnd() % 0x8000)) & ~3u;
}

static void random_access(void)
{
    unsigned bytes = 1u << rnd() % 3;
    switch (rnd() % 16) {
    case 0: config_out(rnd() % 64 & ~3u, rnd() * 2654435761u); break;
    case 1: dispi((u16)(rnd() % 12), (u16)(rnd() & rnd())); break;
    case 2:
    case 3: crtc((u8)(rnd() % 32), (u8)rnd()); break;
    case 4:
    case 5: bus_port_in(bus, (u16)some_port(), bytes); break;
    case 6:
    case 7:
    case 8:
    case 9: bus_port_out(bus, (u16)some_port(), rnd(), bytes); break;
    case 10:
    case 11: rd(some_address(), bytes); break;
    default: wr(some_address(), rnd(), bytes);
    }
}

static void random_accesses_do_no_harm(void **state)
{
    const char *count = getenv("FUZZ_PORTS"), *from = getenv("FUZZ_SEED");
    u32 n = count ? (u32)strtoul(count, NULL, 0) : 200000, vram_bytes;
    const u8 *memory = machine_vram(m, &vram_bytes);
    Scanout *scan = scanout_new(regs, memory, vram_bytes);
    (void)state;
    seed = from ? strtoull(from, NULL, 0) : 1;
    for (u32 i = 0; i < n; i++) {
        random_access();
        if (rnd() % 2048 == 0) scanout_update(scan, i * 1000000ull);
        if (rnd() % 65536 == 0) machine_reset(m);
        if (rnd() % 64 == 0) clock_advance(machine_clock(m), rnd() % 100000);
    }
    scanout_free(scan);
    machine_reset(m);
    wr(0xb8000, 0x0742, 2);
    assert_int_equal(rd(0xb8000, 2), 0x0742);
}

#undef TEST
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(registers_read_back),
        TEST(crtc_is_protected_but_for_line_compare),
        TEST(one_side_of_the_crtc_answers),
        TEST(attribute_flip_flop),
        TEST(dac_counts_by_itself),
        TEST(the_dac_has_one_address),
        TEST(the_next_edge_of_the_retrace_is_known),
        TEST(a_guest_that_was_away_sees_its_retrace),
        TEST(a_retrace_that_nobody_waited_for_is_over),
        TEST(retrace_comes_seventy_times_a_second),
        TEST(any_registers_have_a_retrace),
        TEST(memory_does_what_the_manual_says),
        TEST(windows_open_where_they_are_told),
        TEST(text_memory),
        TEST(chain4_maps_pages_and_agrees_with_the_planes),
        TEST(dispi_modes),
        TEST(banks_show_the_frame_buffer),
        TEST(firmware_places_the_function),
        TEST(registers_may_be_shared),
        TEST(random_accesses_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
