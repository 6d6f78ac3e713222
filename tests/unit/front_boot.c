/* The loaders' hand-over: where a Linux kernel and its initial RAM disk lie, what boot_params and registers say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "frontend/load/boot.h"
#include "frontend/load/firmware.h"

enum { SETUP_BYTES = 1024, CODE_BYTES = 5000, INITRD_BYTES = 9000, RAM = 64 << 20 };

static char kernel[] = "/tmp/ring3-kernel-XXXXXX", initrd[] = "/tmp/ring3-initrd-XXXXXX";

static const Parts no_parts; /* none that tables would announce */

static void write_file(char *name, const void *bytes, u32 n)
{
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, n), n);
    close(fd);
}

/* Protocol 2.12, one setup sector; code and disk are bytes that tell where they come from. */
static int make_files(void **state)
{
    static u8 k[SETUP_BYTES + CODE_BYTES], d[INITRD_BYTES];
    (void)state;
    k[0x1f1] = 1;
    store32(k + 0x1f4, CODE_BYTES / 16);
    store16(k + 0x1fe, 0xaa55);
    k[0x201] = 0x66;
    memcpy(k + 0x202, "HdrS", 4);
    store16(k + 0x206, 0x20c);
    k[0x211] = 1;
    store32(k + 0x214, 0x100000);
    store32(k + 0x22c, 0x7fffffff);
    store32(k + 0x238, 2047);
    store64(k + 0x258, 16 << 20);
    store32(k + 0x260, 8 << 20);
    for (u32 n = 0; n < CODE_BYTES; n++) k[SETUP_BYTES + n] = (u8)(n * 7);
    for (u32 n = 0; n < INITRD_BYTES; n++) d[n] = (u8)(n * 5);
    write_file(kernel, k, sizeof k);
    write_file(initrd, d, sizeof d);
    return 0;
}

static int remove_files(void **state)
{
    (void)state;
    unlink(kernel);
    unlink(initrd);
    return 0;
}

static void linux_hand_over(void **state)
{
    static Boot b;
    static Vcpu c;
    Problem p = {""};
    (void)state;
    Bus *bus = bus_new();
    Phys *phys = phys_new(bus, RAM);
    cpu_init(&c, cpu_model_find("max"), bus, phys);
    assert_true(boot_open(&b, RAM, kernel, initrd, "console=ttyS0", &p));
    assert_true(boot_place(&b, &c, &no_parts, &p));

    const u8 *bp = phys->ram + c.gpr[ESI];
    assert_int_equal(c.eip, 0x100000);
    assert_int_equal(c.seg[CS].sel, 0x10);
    assert_int_equal(c.seg[DS].sel, 0x18);
    assert_int_equal(c.seg[SS].limit, 0xffffffff);
    assert_int_equal(c.gpr[EBP] | c.gpr[EDI] | c.gpr[EBX], 0);
    assert_int_equal(c.eflags & FL_I, 0);
    assert_int_equal(c.cr0 & (CR0_PE | CR0_PG), CR0_PE);
    assert_int_equal(phys->ram[0x100000 + 11], 77);
    assert_int_equal(bp[0x210], 0xff);
    assert_string_equal(phys->ram + load32(bp + 0x228), "console=ttyS0");
    u32 disk = load32(bp + 0x218);
    assert_int_equal(load32(bp + 0x21c), INITRD_BYTES);
    assert_int_equal(disk, (RAM - INITRD_BYTES) & ~PAGE_MASK);
    assert_int_equal(phys->ram[disk + INITRD_BYTES - 1], (u8)((INITRD_BYTES - 1) * 5));
    assert_int_equal(bp[0x1e8], 4);
    assert_int_equal(load64(bp + 0x2d0 + 3 * 20), 0x100000);
    assert_int_equal(load64(bp + 0x2d0 + 3 * 20 + 8), RAM - 0x100000);
    assert_int_equal(load64(phys->ram + c.gdtr.base + 0x10) >> 40 & 0xff, 0x9b);
    phys_free(phys);
    bus_free(bus);
}

/* A kernel without a 32-bit entry is started in real mode, when the firmware is ready. */
static void linux_real_hand_over(void **state)
{
    static Boot b;
    static Vcpu c;
    Problem p = {""};
    (void)state;
    int fd = open(kernel, O_RDWR);
    u32 no_entry = 0, entry = 0x100000;
    assert_int_equal(pwrite(fd, &no_entry, 4, 0x214), 4);
    Bus *bus = bus_new();
    Phys *phys = phys_new(bus, RAM);
    cpu_init(&c, cpu_model_find("max"), bus, phys);
    assert_true(boot_open(&b, RAM, kernel, initrd, "a=b", &p));
    assert_true(b.needs_firmware);
    assert_true(boot_place(&b, &c, &no_parts, &p));
    assert_int_equal(c.seg[CS].sel, 0x1020);
    assert_int_equal(c.seg[CS].base, 0x10200);
    assert_int_equal(c.seg[SS].sel, 0x1000);
    assert_int_equal(c.eip, 0);
    assert_int_equal(c.cr0 & CR0_PE, 0);
    assert_memory_equal(phys->ram + 0x10202, "HdrS", 4);
    assert_int_equal(phys->ram[0x10211], 0x81);
    assert_string_equal(phys->ram + load32(phys->ram + 0x10228), "a=b");
    assert_int_equal(phys->ram[0x100000 + 11], 77);
    assert_int_equal(phys->ram[load32(phys->ram + 0x10218) + 1], 5);
    assert_int_equal(pwrite(fd, &entry, 4, 0x214), 4);
    close(fd);
    phys_free(phys);
    bus_free(bus);
}

/* And so is one whose processor may lack something. */
static void linux_checks_an_old_processor(void **state)
{
    static Boot b;
    Problem p = {""};
    (void)state;
    assert_true(boot_open(&b, RAM, kernel, initrd, "a=b", &p));
    assert_false(b.needs_firmware);
    boot_let_check_processor(&b);
    assert_true(b.needs_firmware);
}

static void too_little_memory(void **state)
{
    static Boot b;
    Problem p = {""};
    (void)state;
    assert_false(boot_open(&b, 16 << 20, kernel, NULL, NULL, &p));
    assert_non_null(strstr(p.text, "24 MiB"));
    assert_false(boot_open(&b, 24 << 20, kernel, initrd, NULL, &p));
    assert_non_null(strstr(p.text, "-initrd"));
    assert_true(boot_open(&b, 25 << 20, kernel, initrd, NULL, &p));
}

static void memory_map_of_every_size(void **state)
{
    E820 map[E820_MAX];
    (void)state;
    for (u32 mib = 1; mib <= 3072; mib++) {
        u64 ram = 0;
        unsigned n = firmware_e820(mib << 20, map);
        for (unsigned i = 0; i < n; i++) {
            if (i) assert_true(map[i - 1].base + map[i - 1].bytes <= map[i].base);
            if (map[i].type == E820_RAM) ram += map[i].bytes;
        }
        assert_int_equal(ram, ((u64)mib << 20) - HIGH_BASE + LOW_END);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linux_hand_over),
        cmocka_unit_test(linux_real_hand_over),
        cmocka_unit_test(linux_checks_an_old_processor),
        cmocka_unit_test(too_little_memory),
        cmocka_unit_test(memory_map_of_every_size),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
