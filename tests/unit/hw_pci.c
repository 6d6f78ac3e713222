/* hw_pci.c - PCI configuration, host bridge segments, ISA bridge with its reset register; debug ports. */
#include "hw_bench.h"

#include "hw/debugcon.h"
#include "hw/debugexit.h"
#include "hw/i440fx.h"
#include "hw/piix3.h"

static Pci pci;
static Phys *phys;
static I440fx host;
static Piix3 isa;
static Wire reset, pic_in[16];

static int setup(void **state)
{
    (void)state;
    bench_up();
    reset = (Wire){0};
    memset(pic_in, 0, sizeof pic_in);
    phys = phys_new(bus, 16 << 20);
    pci_init(&pci, bus);
    i440fx_init(&host, &pci, phys, false);
    i440fx_reset(&host);
    piix3_init(&isa, &pci, bus, wire_line(&reset), wire_line(pic_in));
    return phys ? 0 : -1;
}

static int teardown(void **state)
{
    phys_free(phys);
    return bench_down(state);
}

static void address(unsigned device, unsigned function, unsigned reg)
{
    bus_port_out(bus, 0xcf8, 0x80000000u | device << 11 | function << 8 | (reg & 0xfc), 4);
}

static u32 get(unsigned device, unsigned function, unsigned reg, unsigned bytes)
{
    address(device, function, reg);
    return bus_port_in(bus, (u16)(0xcfc + (reg & 3)), bytes);
}

static void set(unsigned device, unsigned function, unsigned reg, u32 v, unsigned bytes)
{
    address(device, function, reg);
    bus_port_out(bus, (u16)(0xcfc + (reg & 3)), v, bytes);
}

static void functions_are_found_by_probing(void **state)
{
    (void)state;
    bus_port_out(bus, 0xcf8, 0x80000000u, 4); /* how mechanism #1 is detected */
    assert_int_equal(bus_port_in(bus, 0xcf8, 4), 0x80000000u);
    assert_int_equal(get(0, 0, 0, 4), 0x12378086);
    assert_int_equal(get(1, 0, 0, 4), 0x70008086);
    assert_int_equal(get(1, 0, 8, 4), 0x06010000);
    assert_int_equal(get(1, 0, 0x0e, 1), 0x80);
    unsigned found = 0;
    for (unsigned d = 0; d < 32; d++)
        for (unsigned f = 0; f < 8; f++) found += get(d, f, 0, 4) != ~0u;
    assert_int_equal(found, 2);
    bus_port_out(bus, 0xcf8, 0x80010000u, 4); /* bus 1 */
    assert_int_equal(bus_port_in(bus, 0xcfc, 4), ~0u);
    bus_port_out(bus, 0xcf8, 0, 4); /* not enabled */
    assert_int_equal(bus_port_in(bus, 0xcfc, 4), ~0u);
}

static void bytes_and_words_reach_their_registers(void **state)
{
    (void)state;
    assert_int_equal(get(0, 0, 0x02, 2), 0x1237);
    assert_int_equal(get(0, 0, 0x01, 1), 0x80);
    set(1, 0, 0x62, 0x0b, 1);
    assert_int_equal(get(1, 0, 0x60, 4), 0x800b8080);
    set(0, 0, 0x00, 0xffffffff, 4); /* read-only */
    assert_int_equal(get(0, 0, 0, 4), 0x12378086);
    set(0, 0, 0x3c, 0x0b, 1);
    assert_int_equal(get(0, 0, 0x3c, 1), 0x0b);
}

static void address_register_takes_doublewords_only(void **state)
{
    (void)state;
    address(1, 0, 0);
    bus_port_out(bus, 0xcf8, 0x12, 1);
    bus_port_out(bus, 0xcfa, 0x1234, 2);
    assert_int_equal(bus_port_in(bus, 0xcf8, 4), 0x80000800u);
    bus_port_out(bus, 0xcf8, 0xffffffff, 4);
    assert_int_equal(bus_port_in(bus, 0xcf8, 4), 0x80fffffc);
    bus_port_in(bus, 0xcff, 1);
}

static void the_reset_register_fires_on_bit_2_rising(void **state)
{
    (void)state;
    out(0xcf9, 0x02);
    assert_int_equal(reset.rises, 0);
    out(0xcf9, 0x06);
    assert_int_equal(reset.rises, 1);
    assert_int_equal(in(0xcf9), 0x06);
    out(0xcf9, 0x0e);
    assert_int_equal(reset.rises, 1);
    out(0xcf9, 0x00), out(0xcf9, 0x04);
    assert_int_equal(reset.rises, 2);
}

/* --- a function with base address registers -------------------------------------------------------------- */

static PciFunction card;
static struct {
    unsigned calls;
    bool enabled;
    u32 base;
} told[PCI_BARS];

static void moved(void *dev, unsigned bar, bool enabled, u32 base)
{
    assert_ptr_equal(dev, &card);
    told[bar].calls++;
    told[bar].enabled = enabled;
    told[bar].base = base;
}

static void card_reset(void)
{
    pci_function_init(&card, 0x1234, 0x1111, 0x030000, 2);
    pci_bar(&card, 0, PCI_BAR_PREFETCHABLE, 16 << 20, moved);
    pci_bar(&card, 2, PCI_BAR_MEMORY, 4096, moved);
    pci_bar(&card, 4, PCI_BAR_IO, 16, moved);
    pci_bar(&card, PCI_BAR_ROM, PCI_BAR_MEMORY, 65536, moved);
}

static void card_plug(void)
{
    memset(told, 0, sizeof told);
    card = (PciFunction){.dev = &card};
    card_reset();
    pci_add(&pci, PCI_FN(2, 0), &card);
}

static u32 sized(unsigned reg)
{
    set(2, 0, reg, ~0u, 4);
    u32 mask = get(2, 0, reg, 4);
    set(2, 0, reg, 0, 4);
    return mask;
}

static void base_registers_tell_their_sizes(void **state)
{
    (void)state;
    card_plug();
    set(2, 0, 4, 3, 2); /* even while decoding: nothing may appear over the BIOS */
    assert_int_equal(sized(0x10), 0xff000008);
    assert_int_equal(sized(0x14), 0);
    assert_int_equal(sized(0x18), 0xfffff000);
    assert_int_equal(sized(0x20), 0xfffffff1);
    assert_int_equal(sized(0x30), 0xffff0001);
    for (unsigned n = 0; n < PCI_BARS; n++) assert_int_equal(told[n].calls, 0);
}

static void base_registers_move_what_they_decode(void **state)
{
    (void)state;
    card_plug();
    set(2, 0, 0x10, 0xe0000000, 4);
    set(2, 0, 0x20, 0xc000, 4);
    assert_int_equal(told[0].calls + told[4].calls, 0);
    set(2, 0, 4, 1, 2);
    assert_true(told[4].enabled && told[4].base == 0xc000 && !told[0].enabled);
    set(2, 0, 4, 3, 2);
    assert_true(told[0].enabled && told[0].base == 0xe0000000);
    set(2, 0, 0x12, 0xfd00, 2); /* by halves */
    assert_true(told[0].enabled && told[0].base == 0xfd000000 && told[0].calls == 2);
    set(2, 0, 0x30, 0xfebf0000, 4);
    assert_int_equal(told[6].calls, 0);
    set(2, 0, 0x30, 0xfebf0001, 4);
    assert_true(told[6].enabled && told[6].base == 0xfebf0000);
    set(2, 0, 0x20, 0xffff0000, 4); /* leaves the 64 KiB of ports */
    assert_false(told[4].enabled);
    set(2, 0, 4, 0, 2);
    assert_true(!told[0].enabled && !told[6].enabled);
    set(2, 0, 4, 7, 2);
    assert_int_equal(get(2, 0, 4, 2), 3); /* no bus master: that bit is the chip's to allow */
    card_reset();
    assert_true(!told[0].enabled && !told[6].enabled && told[6].base == 0);
    assert_int_equal(get(2, 0, 0x10, 4), 8);
    pci_bar_set(&card, 4, 0xd000);
    assert_true(told[4].enabled && told[4].base == 0xd000);
    assert_int_equal(get(2, 0, 0x20, 4), 0xd001);
}

/* By a card whose chip knows nothing of it. */
static void an_expansion_rom_answers_while_both_bits_are_set(void **state)
{
    (void)state;
    static const u8 image[3000] = {0x55, 0xaa, 6, 0xcb, [2999] = 0x77};
    card = (PciFunction){.dev = &card};
    pci_function_init(&card, 0x1022, 0x2000, 0x020000, 0);
    pci_add(&pci, PCI_FN(2, 0), &card);
    assert_int_equal(sized(0x30), 0);
    pci_add_rom(&card, bus, image, sizeof image, "rom");
    for (int resets = 0; resets < 2; resets++) {
        assert_int_equal(sized(0x30), 0xfffff001); /* 4 KiB */
        set(2, 0, 0x30, 0xfeb00001, 4);
        assert_int_equal(bus_mmio_read(bus, 0xfeb00000, 4), ~0u);
        set(2, 0, 4, 2, 2);
        assert_int_equal(bus_mmio_read(bus, 0xfeb00000, 4), 0xcb06aa55);
        assert_int_equal(bus_mmio_read(bus, 0xfeb00bb6, 2), 0x7700);
        assert_int_equal(bus_mmio_read(bus, 0xfeb00bb7, 2), 0xff77); /* and nothing behind its end */
        assert_int_equal(bus_mmio_read(bus, 0xfeb00ffc, 4), ~0u);
        bus_mmio_write(bus, 0xfeb00000, 0, 4);
        assert_int_equal(bus_mmio_read(bus, 0xfeb00001, 1), 0xaa);
        set(2, 0, 0x30, 0xfeb00000, 4);
        assert_int_equal(bus_mmio_read(bus, 0xfeb00000, 4), ~0u);
        set(2, 0, 0x30, 0xfec00001, 4);
        assert_int_equal(bus_mmio_read(bus, 0xfec00000, 4), 0xcb06aa55);
        pci_function_init(&card, 0x1022, 0x2000, 0x020000, 0); /* a reset takes it away */
        assert_int_equal(bus_mmio_read(bus, 0xfec00000, 4), ~0u);
        assert_int_equal(get(2, 0, 0x30, 4), 0);
    }
}

static void a_rom_is_named_and_its_sum_stays(void **state)
{
    (void)state;
    u8 image[512] = {0x55, 0xaa, 1, [0x18] = 0x1c, [0x1c] = 'P', 'C', 'I', 'R', 0x34, 0x12}, sum = 0,
       before[512];
    pci_function_init(&card, 0x10ec, 0x8029, 0x020000, 0);
    image[6] = 0x99;
    for (unsigned n = 0; n < sizeof image; n++) sum += image[n];
    pci_name_rom(&card, image, sizeof image);
    for (unsigned n = 0; n < sizeof image; n++) sum -= image[n];
    assert_int_equal(sum, 0);
    assert_int_equal(load32(image + 0x20), 0x802910ec);
    for (u32 at = 0; at < 0x10000; at += 7) { /* no such structure: not a byte changes */
        store16(image + 0x18, (u16)at);
        if (at == 0x1c) continue;
        memcpy(before, image, sizeof image);
        pci_name_rom(&card, image, sizeof image);
        assert_memory_equal(image, before, sizeof image);
    }
    pci_name_rom(&card, image, 3);
}

static void pci_interrupts_are_routed_and_shared(void **state)
{
    (void)state;
    IrqLine a2 = piix3_pci_irq(&isa, 2, 1), a3 = piix3_pci_irq(&isa, 3, 1), d3 = piix3_pci_irq(&isa, 3, 4);
    IrqLine isa11 = piix3_isa_irq(&isa, 11), tick = piix3_isa_irq(&isa, 0);
    irq_set(&a2, true); /* slot 2 INTA# is PIRQB: routed nowhere */
    for (unsigned n = 0; n < 16; n++) assert_false(pic_in[n].level);
    set(1, 0, 0x61, 0x0b, 1);
    assert_true(pic_in[11].level);
    irq_set(&d3, true); /* shares PIRQB */
    irq_set(&a2, false);
    assert_true(pic_in[11].level);
    set(1, 0, 0x62, 0x0b, 1); /* PIRQC to the same input */
    irq_set(&a3, true);
    irq_set(&d3, false);
    assert_true(pic_in[11].level);
    irq_set(&isa11, true);
    irq_set(&a3, false);
    assert_true(pic_in[11].level);
    irq_set(&isa11, false);
    assert_int_equal(pic_in[11].falls, 1);
    irq_set(&a3, true);
    set(1, 0, 0x62, 0x05, 1); /* routed elsewhere while it is up */
    assert_true(!pic_in[11].level && pic_in[5].level);
    set(1, 0, 0x62, 0x00, 1); /* the timer's input takes no PIRQ */
    assert_true(!pic_in[5].level && !pic_in[0].level);
    irq_set(&tick, true);
    assert_true(pic_in[0].level);
    set(1, 0, 0x62, 0x05, 1);
    piix3_reset(&isa);
    assert_true(!pic_in[5].level && pic_in[0].level);
}

static void a_card_and_a_chip_share_an_isa_line(void **state)
{
    (void)state;
    IrqLine chip = piix3_isa_irq(&isa, 9), isa_card = piix3_card_irq(&isa, 9);
    irq_set(&chip, true), irq_set(&isa_card, true), irq_set(&chip, false);
    assert_true(pic_in[9].level);
    irq_set(&isa_card, false);
    assert_int_equal(pic_in[9].falls, 1);
}

static unsigned remaps;
static void remapped(void *ctx, u32 pa, u32 bytes)
{
    (void)ctx, (void)pa, (void)bytes;
    remaps++;
}

static bool writable(u32 pa)
{
    u32 old = phys_read(phys, pa, 4);
    phys_write(phys, pa, old ^ 0x55, 4);
    return phys_read(phys, pa, 4) == (old ^ 0x55);
}

static void pam_registers_protect_and_open_segments(void **state)
{
    (void)state;
    assert_false(writable(0xc0000));
    assert_false(writable(0xffffc));
    phys->on_remap = remapped;
    remaps = 0;
    set(0, 0, 0x59, 0x30, 1);
    assert_int_equal(remaps, 1);
    assert_true(writable(0xf0000));
    assert_true(writable(0xffffc));
    assert_false(writable(0xec000));
    set(0, 0, 0x5a, 0x31, 1); /* c0000 read-only, c4000 RAM */
    set(0, 0, 0x5d, 0x33, 1); /* d8000 and dc000 RAM */
    assert_false(writable(0xc0000));
    assert_true(writable(0xc4000));
    assert_false(writable(0xc8000));
    assert_true(writable(0xd8000));
    assert_true(writable(0xdc000));
    set(0, 0, 0x59, 0x10, 1); /* shadow copy made: protect it */
    assert_false(writable(0xf0000));
    remaps = 0;
    set(0, 0, 0x59, 0x10, 1);
    assert_int_equal(remaps, 0); /* nothing changed, nobody disturbed */
    host.configured = true;
    i440fx_reset(&host);
    for (u32 pa = 0xc0000; pa < 0x100000; pa += 0x1000) assert_true(writable(pa));
    assert_int_equal(get(0, 0, 0x58, 4), 0x33333000);
    assert_int_equal(get(0, 0, 0x5c, 4), 0x33333333);
}

static void debug_console(void **state)
{
    (void)state;
    Debugcon d;
    Script s;
    script_init(&s, "");
    debugcon_init(&d, bus, 0xe9, &s.dev);
    assert_int_equal(in(0xe9), 0xe9);
    out(0xe9, 'h'), out(0xe9, 'i');
    assert_memory_equal(s.output, "hi", 3);
}

static u32 exit_value;
static unsigned exits;
static void exited(void *ctx, u32 v)
{
    (void)ctx;
    exit_value = v;
    exits++;
}

static void debug_exit_takes_all_sizes(void **state)
{
    (void)state;
    Debugexit two, four;
    debugexit_init(&two, bus, 0x501, 2, exited, NULL);
    debugexit_init(&four, bus, 0xf4, 4, exited, NULL);
    static const struct {
        u16 port;
        u32 value;
        unsigned bytes;
        u32 seen;
    } writes[] = {
        {0x501, 0x31, 1, 0x31},         {0x501, 0x1234, 2, 0x1234},
        {0x501, 0x00010203, 4, 0x0203}, /* wider than the port: its low part */
        {0xf4, 0x10, 1, 0x10},          {0xf4, 0x12345678, 4, 0x12345678},
    };
    for (unsigned i = 0; i < ARRAY_LEN(writes); i++) {
        exits = 0;
        bus_port_out(bus, writes[i].port, writes[i].value, writes[i].bytes);
        assert_int_equal(exits, 1);
        assert_int_equal(exit_value, writes[i].seen);
    }
    assert_int_equal(bus_port_in(bus, 0xf4, 4), 0);
    debugexit_init(&four, bus, 0xffff, 4, exited, NULL); /* the last port there is */
    out(0xffff, 7);
    assert_int_equal(exit_value, 7);
}

#undef TEST
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(functions_are_found_by_probing),
        TEST(bytes_and_words_reach_their_registers),
        TEST(address_register_takes_doublewords_only),
        TEST(the_reset_register_fires_on_bit_2_rising),
        TEST(base_registers_tell_their_sizes),
        TEST(base_registers_move_what_they_decode),
        TEST(an_expansion_rom_answers_while_both_bits_are_set),
        TEST(a_rom_is_named_and_its_sum_stays),
        TEST(pci_interrupts_are_routed_and_shared),
        TEST(a_card_and_a_chip_share_an_isa_line),
        TEST(pam_registers_protect_and_open_segments),
        TEST(debug_console),
        TEST(debug_exit_takes_all_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
