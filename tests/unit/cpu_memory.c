/* Guest memory as instructions see it: limits, types, page rights, straddles, devices, alignment. */
#include "cpu_flat.h"

static int fault_of(Vcpu *c, void (*access)(Vcpu *c, u32 off, unsigned bytes), u32 off, unsigned bytes)
{
    if (setjmp(c->fault_jmp)) return c->fault.vector;
    access(c, off, bytes);
    return NO_FAULT;
}

static void read_ds(Vcpu *c, u32 off, unsigned bytes) { mem_read(c, DS, off, bytes); }
static void write_ds(Vcpu *c, u32 off, unsigned bytes) { mem_write(c, DS, off, 0x11223344, bytes); }
static void rmw_ds(Vcpu *c, u32 off, unsigned bytes) { mem_read_rmw(c, DS, off, bytes); }
static void read_ss(Vcpu *c, u32 off, unsigned bytes) { mem_read(c, SS, off, bytes); }
static void read_cs(Vcpu *c, u32 off, unsigned bytes) { mem_read(c, CS, off, bytes); }
static void write_cs(Vcpu *c, u32 off, unsigned bytes) { mem_write(c, CS, off, 0, bytes); }
static void write16_ds(Vcpu *c, u32 off, unsigned bytes)
{
    static const u8 ones[512] = {1};
    mem_write_bytes(c, DS, off, ones, bytes);
}

static void test_limit(void **state)
{
    Vcpu *c = *state;
    c->seg[DS].limit = c->seg[SS].limit = 0xffff;
    assert_int_equal(fault_of(c, read_ds, 0xffff, 1), NO_FAULT);
    assert_int_equal(fault_of(c, read_ds, 0xfffe, 2), NO_FAULT);
    assert_int_equal(fault_of(c, read_ds, 0xffff, 2), EX_GP);
    assert_int_equal(fault_of(c, read_ds, 0xfffd, 4), EX_GP);
    assert_int_equal(fault_of(c, write_ds, 0x10000, 1), EX_GP);
    assert_int_equal(fault_of(c, read_ss, 0xffff, 2), EX_SS);
    assert_true(c->fault.has_error);
    assert_int_equal(c->fault.error, 0);
    c->seg[DS].limit = 0;
    assert_int_equal(fault_of(c, read_ds, 0, 1), NO_FAULT);
    assert_int_equal(fault_of(c, read_ds, 0, 2), EX_GP);
}

static void test_expand_down(void **state)
{
    Vcpu *c = *state;
    c->seg[DS].attr = SEG_P | SEG_S | SEG_WRITABLE | SEG_DOWN; /* 16-bit: offsets limit+1 .. ffff */
    c->seg[DS].limit = 0x0fff;
    assert_int_equal(fault_of(c, read_ds, 0x0fff, 1), EX_GP);
    assert_int_equal(fault_of(c, read_ds, 0x1000, 4), NO_FAULT);
    assert_int_equal(fault_of(c, read_ds, 0xfffc, 4), NO_FAULT);
    assert_int_equal(fault_of(c, read_ds, 0xfffd, 4), EX_GP);
    assert_int_equal(fault_of(c, read_ds, 0x10000, 1), EX_GP);
    c->seg[DS].attr |= SEG_DB;
    assert_int_equal(fault_of(c, read_ds, 0x10000, 1), NO_FAULT);
    assert_int_equal(fault_of(c, read_ds, 0xfffffffd, 4), EX_GP);
}

static void test_types(void **state)
{
    Vcpu *c = *state;
    c->seg[DS].attr &= ~(u32)SEG_WRITABLE;
    assert_int_equal(fault_of(c, read_ds, 0, 4), NO_FAULT);
    assert_int_equal(fault_of(c, write_ds, 0, 4), EX_GP);
    assert_int_equal(fault_of(c, rmw_ds, 0, 4), EX_GP);
    assert_int_equal(fault_of(c, read_cs, 0, 4), NO_FAULT);
    assert_int_equal(fault_of(c, write_cs, 0, 4), EX_GP);
    c->seg[CS].attr &= ~(u32)SEG_READABLE;
    assert_int_equal(fault_of(c, read_cs, 0, 4), EX_GP);
    c->cr0 &= ~(u32)CR0_PE; /* real mode looks at limits only */
    assert_int_equal(fault_of(c, write_cs, 0, 4), NO_FAULT);
    c->cr0 |= CR0_PE;
    c->seg[DS].attr = SEG_UNUSABLE;
    assert_int_equal(fault_of(c, read_ds, 0, 1), EX_GP);
}

static void test_page_rights(void **state)
{
    Vcpu *c = *state;
    flat_paging(c);
    store32(flat_pte(c, 0x5000), 0x5000 | PTE_P | PTE_U);
    assert_int_equal(fault_of(c, read_ds, 0x5000, 4), NO_FAULT);
    assert_int_equal(load32(flat_pte(c, 0x5000)) & (PTE_A | PTE_D), PTE_A);
    assert_int_equal(fault_of(c, rmw_ds, 0x5004, 4), EX_PF);
    assert_int_equal(c->cr2, 0x5004);
    assert_int_equal(c->fault.error, PF_P | PF_W);
    c->cr0 &= ~(u32)CR0_WP;
    assert_int_equal(fault_of(c, write_ds, 0x5004, 4), NO_FAULT);
    assert_int_equal(load32(flat_pte(c, 0x5000)) & PTE_D, PTE_D);
    c->cpl = 3;
    assert_int_equal(fault_of(c, write_ds, 0x5008, 4), EX_PF);
    assert_int_equal(c->fault.error, PF_P | PF_W | PF_U);
    store32(flat_pte(c, 0x6000), 0x6000 | PTE_P | PTE_W);
    assert_int_equal(fault_of(c, read_ds, 0x6000, 1), EX_PF);
    assert_int_equal(c->fault.error, PF_P | PF_U);
    c->cpl = 0;
    store32(flat_pte(c, 0x6000), 0x7000 | PTE_P | PTE_W); /* remapped: counts at once, without INVLPG */
    store32(flat_ram(c, 0x7010), 0xcafe);
    assert_int_equal(mem_read(c, DS, 0x6010, 4), 0xcafe);
}

static void test_large_page(void **state)
{
    Vcpu *c = *state;
    flat_paging(c);
    c->cr4 |= CR4_PSE;
    store32(flat_ram(c, FLAT_PD + 4), 0 | PTE_P | PTE_W | PTE_PS); /* 4 MiB .. 8 MiB shows 0 .. 4 MiB */
    store32(flat_ram(c, 0x9000), 0x1234);
    assert_int_equal(mem_read(c, DS, 0x409000, 4), 0x1234);
    assert_int_equal(load32(flat_ram(c, FLAT_PD + 4)) & (PTE_A | PTE_D), PTE_A);
    mem_write(c, DS, 0x409004, 0x77, 1);
    assert_int_equal(load32(flat_ram(c, FLAT_PD + 4)) & PTE_D, PTE_D);
    assert_int_equal(*flat_ram(c, 0x9004), 0x77);
    mem_write(c, DS, 0x409005, 0x78, 1);
    assert_int_equal(*flat_ram(c, 0x9005), 0x78);
}

static void test_straddle(void **state)
{
    Vcpu *c = *state;
    flat_paging(c);
    store32(flat_pte(c, 0x8000), 0xb000 | PTE_P | PTE_W);
    mem_write(c, DS, 0x7ffe, 0xaabbccdd, 4);
    assert_int_equal(load16(flat_ram(c, 0x7ffe)), 0xccdd);
    assert_int_equal(load16(flat_ram(c, 0xb000)), 0xaabb);
    assert_int_equal(mem_read(c, DS, 0x7ffe, 4), 0xaabbccdd);
    store32(flat_pte(c, 0x8000), 0);
    assert_int_equal(fault_of(c, write_ds, 0x7ffd, 4), EX_PF);
    assert_int_equal(c->cr2, 0x8000);
    assert_int_equal(load16(flat_ram(c, 0x7ffe)), 0xccdd); /* nothing was written */
    assert_int_equal(fault_of(c, write16_ds, 0x7f00, 512), EX_PF);
    assert_int_equal(*flat_ram(c, 0x7f00), 0);
    store32(flat_pte(c, 0x7000), 0);
    assert_int_equal(fault_of(c, read_ds, 0x7ffe, 4), EX_PF);
    assert_int_equal(c->cr2, 0x7ffe);
}

static void test_bytes(void **state)
{
    Vcpu *c = *state;
    u8 out[512], in[512];
    for (unsigned n = 0; n < sizeof in; n++) in[n] = (u8)(n * 7);
    static const unsigned sizes[] = {1, 3, 6, 8, 10, 16, 28, 108, 512};
    for (unsigned n = 0; n < ARRAY_LEN(sizes); n++)
        for (u32 off = 0x7f00 - 3; off < 0x8001; off += 61) {
            mem_write_bytes(c, DS, off, in, sizes[n]);
            mem_read_bytes(c, DS, off, out, sizes[n]);
            assert_memory_equal(in, out, sizes[n]);
        }
    mem_write64(c, DS, 0x8ffd, 0x1122334455667788);
    assert_true(mem_read64(c, DS, 0x8ffd) == 0x1122334455667788);
}

static void test_wrap_at_4g(void **state)
{
    Vcpu *c = *state;
    assert_int_equal(fault_of(c, read_ds, 0xfffffffe, 4), NO_FAULT);
    c->seg[DS].base = 0xfffff000; /* bases wrap */
    mem_write(c, DS, 0x2000, 0x55, 1);
    assert_int_equal(*flat_ram(c, 0x1000), 0x55);
}

static void test_alignment(void **state)
{
    Vcpu *c = *state;
    c->cr0 |= CR0_AM;
    c->eflags |= FL_AC;
    assert_int_equal(fault_of(c, read_ds, 0x1001, 4), NO_FAULT);
    c->cpl = 3;
    assert_int_equal(fault_of(c, read_ds, 0x1001, 4), EX_AC);
    assert_int_equal(fault_of(c, write_ds, 0x1002, 4), EX_AC);
    assert_int_equal(fault_of(c, write_ds, 0x1002, 2), NO_FAULT);
    assert_int_equal(fault_of(c, read_ds, 0x1003, 1), NO_FAULT);
    c->seg[DS].base = 1; /* the linear address counts */
    assert_int_equal(fault_of(c, read_ds, 0x1003, 4), NO_FAULT);
}

static u32 mmio_last, mmio_size;
static u32 mmio_read(void *dev, u32 off, unsigned bytes)
{
    (void)dev;
    mmio_size = bytes;
    return 0xa0 + off;
}
static void mmio_write(void *dev, u32 off, u32 v, unsigned bytes)
{
    (void)dev;
    (void)off;
    mmio_last = v;
    mmio_size = bytes;
}

static void test_devices_and_rom(void **state)
{
    Vcpu *c = *state;
    static const IoOps ops = {mmio_read, mmio_write, 1, 4};
    bus_add_mmio(c->bus, 0xfe000000, 0x1000, &ops, NULL, "test");
    assert_int_equal(mem_read(c, DS, 0xfe000004, 2), 0xa4);
    assert_int_equal(mmio_size, 2);
    mem_write(c, DS, 0xfe000000, 0x12345678, 4);
    assert_int_equal(mmio_last, 0x12345678);
    static const u8 image[0x1000] = {0x42};
    phys_add_rom(c->phys, 0xf0000, image, sizeof image);
    mem_write(c, DS, 0xf0000, 0x99, 1);
    assert_int_equal(mem_read(c, DS, 0xf0000, 1), 0x42);
}

static u32 written_pa, written_bytes;
static void on_written(void *ctx, u32 pa, u32 bytes, u8 watch)
{
    (void)ctx;
    (void)watch;
    written_pa = pa;
    written_bytes = bytes;
}

static void test_watchers_hear(void **state)
{
    Vcpu *c = *state;
    c->phys->on_written = on_written;
    c->phys->watch[0x9] = WATCH_CODE;
    mem_write(c, DS, 0x9010, 1, 4);
    assert_int_equal(written_pa, 0x9010);
    assert_int_equal(written_bytes, 4);
    c->phys->watch[0x9] = 0;
    c->phys->on_written = NULL;
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, flat_setup, flat_teardown)
    const struct CMUnitTest tests[] = {
        T(test_limit),      T(test_expand_down),     T(test_types),         T(test_page_rights),
        T(test_large_page), T(test_straddle),        T(test_bytes),         T(test_wrap_at_4g),
        T(test_alignment),  T(test_devices_and_rom), T(test_watchers_hear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
