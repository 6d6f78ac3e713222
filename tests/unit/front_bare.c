/* front_bare.c - a board from which the lines of floppy controller, serial and parallel ports were taken away
 * (tests/CMakeLists.txt) works and announces none of them: not to ACPI, not in CMOS, not to a kernel by -kernel.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "frontend/load/firmware.h"
#include "hw/machine.h"

enum { RAM = 4 << 20, BDA = 0x400, CMOS_FLOPPIES = 0x10, CMOS_EQUIPMENT = 0x14 };

static const MachineEvents nobody;
static const char *const absent[] = {"fdc", "com1", "com2", "lpt1"};
static u8 tables[ACPI_ROOM];

static Machine *bare(bool hpet)
{
    MachineConfig c = {.ram_bytes = RAM, .manual_clock = true, .lapic_version = 0x14, .hpet = hpet};
    c.drive[DRIVE_FLOPPY_A] = (Drive){.present = true, .floppy = true};
    Machine *m = machine_new(&c, &nobody);
    assert_non_null(m);
    return m;
}

static bool announces(Machine *m, const char *name)
{
    AcpiBoard b = firmware_acpi_board(RAM, machine_parts(m));
    u32 used = acpi_build(&b, ACPI_PA, tables);
    for (u32 n = 0; n + 4 <= used; n++)
        if (!memcmp(tables + n, name, 4)) return true;
    return false;
}

static void what_is_not_there_is_not_announced(void **state)
{
    static const char *const devices[] = {"FDC0", "COM1", "COM2", "LPT1"};
    Machine *m = bare(false);
    (void)state;
    for (unsigned n = 0; n < ARRAY_LEN(absent); n++) {
        assert_null(part_find(machine_parts(m), absent[n]));
        assert_false(announces(m, devices[n]));
    }
    assert_true(announces(m, "RTC_"));
    assert_true(announces(m, "KBD_"));
    assert_int_equal(machine_cmos(m)[CMOS_FLOPPIES], 0);
    assert_int_equal(machine_cmos(m)[CMOS_EQUIPMENT] & 0xc1, 0);
    machine_free(m);
}

static void a_hpet_is_announced_where_it_is(void **state)
{
    (void)state;
    for (int hpet = 0; hpet < 2; hpet++) {
        Machine *m = bare(hpet);
        assert_int_equal(announces(m, "HPET"), hpet);
        assert_int_equal(announces(m, "APIC"), true);
        machine_free(m);
    }
}

static void its_ports_are_nobodys(void **state)
{
    static const u16 ports[] = {0x3f8, 0x3fd, 0x2f8, 0x378, 0x3f4, 0x3f7};
    Machine *m = bare(false);
    (void)state;
    for (unsigned n = 0; n < ARRAY_LEN(ports); n++) {
        u32 last;
        assert_null(bus_port_owner(machine_bus(m), ports[n], &last));
    }
    machine_free(m);
}

static void it_is_served_reset_saved_and_loaded(void **state)
{
    StateBytes b = {0};
    char problem[STATE_PROBLEM] = "";
    Machine *m = bare(false);
    (void)state;
    machine_service(m);
    machine_reset(m);
    assert_true(parts_save(machine_parts(m), &b, problem));
    assert_true(parts_load(machine_parts(m), b.at, b.count, problem));
    state_bytes_free(&b);
    machine_free(m);
}

static void a_kernel_finds_no_ports(void **state)
{
    static Vcpu c;
    Machine *m = bare(false);
    Phys *p = machine_phys(m);
    (void)state;
    cpu_init(&c, cpu_model_find("max"), machine_bus(m), p);
    firmware_prepare(&c, machine_parts(m), true);
    assert_int_equal(load32(p->ram + BDA), 0);
    assert_memory_equal(p->ram + ACPI_PA, "RSD PTR ", 8);
    machine_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_there_is_not_announced),
        cmocka_unit_test(a_hpet_is_announced_where_it_is),
        cmocka_unit_test(its_ports_are_nobodys),
        cmocka_unit_test(it_is_served_reset_saved_and_loaded),
        cmocka_unit_test(a_kernel_finds_no_ports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
