/* ACPI tables as a kernel's parser meets them: signatures, checksums, pointers, and AML whose packages nest exactly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "frontend/load/acpi.h"
#include "frontend/load/aml.h"

static const PartKind kind = {.version = 1};
static Parts isa; /* the parts that are on the ISA bus */
static const char *const isa_parts[] = {"kbc", "rtc", "fdc", "lpt1", "com1", "com2"};

static const AcpiBoard board = {.pm1_evt = 0x600,
                                .pm1_cnt = 0x604,
                                .pm_tmr = 0x608,
                                .gpe0 = 0x60c,
                                .sci_irq = 9,
                                .smi_cmd = 0xb2,
                                .acpi_enable = 0xf1,
                                .acpi_disable = 0xf0,
                                .slp_typ_s5 = 5,
                                .parts = &isa,
                                .pirq = {10, 10, 11, 11},
                                .ram_bytes = 512u << 20};
static u8 image[ACPI_ROOM];

static int setup(void **state)
{
    (void)state;
    for (unsigned n = 0; n < ARRAY_LEN(isa_parts); n++) part_add(&isa, &kind, isa_parts[n], NULL);
    return 0;
}

/* The ISA bus's parts and others. */
static const Parts *with_parts(const char *one, const char *other)
{
    static Parts all;
    all = isa;
    if (one) part_add(&all, &kind, one, NULL);
    if (other) part_add(&all, &kind, other, NULL);
    return &all;
}

static const u8 *at(u32 pa) { return image + (pa - ACPI_PA); }

static u8 sum(const u8 *p, u32 n)
{
    u8 s = 0;
    while (n--) s = (u8)(s + *p++);
    return s;
}

static const u8 *table(u32 pa, const char *signature)
{
    const u8 *t = at(pa);
    assert_memory_equal(t, signature, 4);
    assert_int_equal(sum(t, load32(t + 4)), 0);
    return t;
}

static bool holds(const u8 *bytes, u32 count, const u8 *what, u32 n)
{
    for (u32 i = 0; i + n <= count; i++)
        if (!memcmp(bytes + i, what, n)) return true;
    return false;
}

static void tables_point_at_each_other(void **state)
{
    (void)state;
    u32 used = acpi_build(&board, ACPI_PA, image);
    assert_true(used < ACPI_ROOM);
    assert_memory_equal(image, "RSD PTR ", 8);
    assert_int_equal(sum(image, 20), 0);
    const u8 *rsdt = table(load32(image + 16), "RSDT");
    assert_int_equal(load32(rsdt + 4), 40);
    const u8 *fadt = table(load32(rsdt + 36), "FACP");
    assert_int_equal(load32(fadt + 4), 116);
    assert_int_equal(load16(fadt + 46), 9);
    assert_int_equal(load32(fadt + 56), 0x600);
    assert_int_equal(load32(fadt + 64), 0x604);
    assert_int_equal(load32(fadt + 76), 0x608);
    const u8 *facs = at(load32(fadt + 36));
    assert_memory_equal(facs, "FACS", 4);
    assert_int_equal(load32(fadt + 36) % 64, 0);
    const u8 *dsdt = table(load32(fadt + 40), "DSDT");
    assert_int_equal((u32)(dsdt - image) + load32(dsdt + 4), used);
}

/* With APICs there is a MADT besides: a processor, an I/O APIC, IRQ0 at pin 2, the SCI a level, NMI at LINT1. */
static void apics_have_their_table(void **state)
{
    static const u8 entries[] = {0, 8,  0,    0, 1, 0, 0,    0,                   /* processor */
                                 1, 12, 1,    0, 0, 0, 0xc0, 0xfe, 0,    0, 0, 0, /* I/O APIC */
                                 2, 10, 0,    0, 2, 0, 0,    0,    0,    0,       /* IRQ0 */
                                 2, 10, 0,    9, 9, 0, 0,    0,    0x0d, 0,       /* SCI */
                                 4, 6,  0xff, 0, 0, 1};
    AcpiBoard with = board;
    (void)state;
    with.parts = with_parts("ioapic", NULL);
    u32 used = acpi_build(&with, ACPI_PA, image);
    const u8 *rsdt = table(load32(image + 16), "RSDT");
    assert_int_equal(load32(rsdt + 4), 44);
    const u8 *fadt = table(load32(rsdt + 36), "FACP"), *madt = table(load32(rsdt + 40), "APIC");
    assert_int_equal(load32(madt + 4), 44 + sizeof entries);
    assert_int_equal(load32(madt + 36), 0xfee00000);
    assert_int_equal(load32(madt + 40), 1);
    assert_memory_equal(madt + 44, entries, sizeof entries);
    const u8 *dsdt = table(load32(fadt + 40), "DSDT");
    assert_true(madt + load32(madt + 4) <= dsdt);
    assert_int_equal((u32)(dsdt - image) + load32(dsdt + 4), used);
}

/* With a HPET there is its table (IA-PC HPET 1.0a, 3.2.4), and a device whose only resource is its memory. */
static void a_hpet_has_its_table(void **state)
{
    static const u8 memory[] = {0x86, 9, 0, 1, 0, 0, 0xd0, 0xfe, 0, 4, 0, 0};
    (void)state;
    for (int apic = 0; apic < 2; apic++) {
        AcpiBoard with = board;
        with.parts = with_parts("hpet", apic ? "ioapic" : NULL);
        acpi_build(&with, ACPI_PA, image);
        const u8 *rsdt = table(load32(image + 16), "RSDT");
        assert_int_equal(load32(rsdt + 4), 44 + 4 * apic);
        const u8 *hpet = table(load32(rsdt + 40 + 4 * apic), "HPET"),
                 *dsdt = table(load32(table(load32(rsdt + 36), "FACP") + 40), "DSDT");
        assert_int_equal(load32(hpet + 4), 56);
        assert_int_equal(load32(hpet + 36), 0x8086a201);
        assert_int_equal(hpet[40], 0); /* memory */
        assert_int_equal(load32(hpet + 44), 0xfed00000);
        assert_int_equal(load32(hpet + 48), 0);
        assert_true(holds(dsdt, load32(dsdt + 4), memory, sizeof memory));
    }
    acpi_build(&board, ACPI_PA, image);
    assert_false(holds(image, ACPI_ROOM, memory, sizeof memory));
}

/* The DSDT has a device for each part that is there, and none for one that is not. */
static void only_parts_that_are_there_are_devices(void **state)
{
    static const char *const device[] = {"KBD_", "RTC_", "FDC0", "LPT1", "COM1", "COM2"};
    (void)state;
    for (unsigned left_out = 0; left_out <= ARRAY_LEN(isa_parts); left_out++) {
        AcpiBoard with = board;
        Parts some = {0};
        for (unsigned n = 0; n < ARRAY_LEN(isa_parts); n++)
            if (n != left_out) part_add(&some, &kind, isa_parts[n], NULL);
        with.parts = &some;
        u32 used = acpi_build(&with, ACPI_PA, image);
        for (unsigned n = 0; n < ARRAY_LEN(device); n++)
            assert_int_equal(holds(image, used, (const u8 *)device[n], 4), n != left_out);
        assert_int_equal(holds(image, used, (const u8 *)"MOU_", 4),
                         left_out != 0); /* at the same controller */
    }
}

/* The fields that acpi.h names are all that depends on where the tables lie. */
static void tables_move_by_the_named_fields(void **state)
{
    enum { MOVED = 0x1000 };
    static u8 other[ACPI_ROOM];
    static const u32 fields[] = {ACPI_RSDP_RSDT,
                                 ACPI_RSDT_AT + ACPI_RSDT_FADT,
                                 ACPI_FADT_AT + ACPI_FADT_FACS,
                                 ACPI_RSDT_AT + ACPI_RSDT_MORE,
                                 ACPI_RSDT_AT + ACPI_RSDT_MORE + 4,
                                 ACPI_FADT_AT + ACPI_FADT_DSDT};
    AcpiBoard with = board;
    (void)state;
    with.parts = with_parts("ioapic", "hpet");
    acpi_build(&with, 0, image);
    acpi_build(&with, MOVED, other);
    for (unsigned n = 0; n < ARRAY_LEN(fields); n++)
        store32(image + fields[n], load32(image + fields[n]) + MOVED);
    image[8] = (u8)(image[8] - sum(image, ACPI_RSDP_BYTES));
    u8 *rsdt = image + ACPI_RSDT_AT, *fadt = image + ACPI_FADT_AT;
    rsdt[9] = (u8)(rsdt[9] - sum(rsdt, acpi_rsdt_bytes(&with)));
    fadt[9] = (u8)(fadt[9] - sum(fadt, ACPI_FADT_BYTES));
    assert_memory_equal(image, other, ACPI_ROOM);
}

/* \_S5_ = Package(4) {5, 5, 0, 0}, as bytes: NameOp \ _S5_ PackageOp length 4 ... */
static void s5_has_the_sleep_type(void **state)
{
    static const u8 s5[] = {0x08, '\\', '_', 'S', '5', '_', 0x12, 8, 4, 0x0a, 5, 0x0a, 5, 0, 0};
    (void)state;
    u32 used = acpi_build(&board, ACPI_PA, image);
    assert_memory_equal(image + used - sizeof s5, s5, sizeof s5);
}

/* The PkgLength at p (ACPI 1.0b, 16.2.3); *n: its own bytes. */
static u32 package_length(const u8 *p, u32 *n)
{
    u32 more = p[0] >> 6, v = more ? p[0] & 15 : p[0] & 63;
    for (u32 i = 1; i <= more; i++) v |= (u32)p[i] << (8 * i - 4);
    *n = more + 1;
    return v;
}

static void package_lengths_of_every_size(void **state)
{
    static u8 bytes[70000];
    static const u32 contents[] = {0,     1,      0x3e,   0x3f,   0x40,   0xffc, 0xffd,
                                   0xffe, 0x1000, 0xfffc, 0xfffd, 0xfffe, 65000};
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(contents); i++) {
        Aml a;
        u32 n;
        aml_init(&a, bytes, sizeof bytes);
        aml_package(&a, 0);
        for (u32 k = 1; k < contents[i]; k++) aml_u8(&a, (u8)k);
        aml_end(&a);
        u32 length = package_length(bytes + 1, &n);
        assert_int_equal(length, a.used - 1);
        assert_int_equal(bytes[1 + n], 0);
        if (contents[i] > 1) assert_int_equal(bytes[a.used - 1], (u8)(contents[i] - 1));
    }
}

static void integers_and_ids(void **state)
{
    u8 bytes[64];
    static const u8 expected[] = {0x00, 0x01, 0x0a, 2,   0x0b, 0,    1,    0x0c, 0,    0,
                                  1,    0, /* 0 1 2 100h 10000h */
                                  0x08, '_',  'H',  'I', 'D',  0x0c, 0x41, 0xd0, 0x0a, 0x03};
    Aml a;
    (void)state;
    aml_init(&a, bytes, sizeof bytes);
    aml_int(&a, 0);
    aml_int(&a, 1);
    aml_int(&a, 2);
    aml_int(&a, 0x100);
    aml_int(&a, 0x10000);
    aml_name_eisa(&a, "_HID", "PNP0A03");
    assert_int_equal(a.used, sizeof expected);
    assert_memory_equal(bytes, expected, sizeof expected);
}

static void resource_templates(void **state)
{
    u8 bytes[64];
    static const u8 expected[] = {0x11, 16, 0x0b, 13, 0,    0x47, 1, 0x70, 0,
                                  0x70, 0,  1,    2,  0x22, 0,    1, 0x79, 0};
    Aml a;
    (void)state;
    aml_init(&a, bytes, sizeof bytes);
    aml_resources(&a);
    aml_io(&a, 0x70, 2);
    aml_irq(&a, 8);
    aml_resources_end(&a);
    assert_int_equal(a.used, sizeof expected);
    assert_int_equal(bytes[1], sizeof expected - 1);
    assert_memory_equal(bytes + 2, expected + 2, sizeof expected - 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_point_at_each_other),
        cmocka_unit_test(apics_have_their_table),
        cmocka_unit_test(a_hpet_has_its_table),
        cmocka_unit_test(tables_move_by_the_named_fields),
        cmocka_unit_test(s5_has_the_sleep_type),
        cmocka_unit_test(package_lengths_of_every_size),
        cmocka_unit_test(integers_and_ids),
        cmocka_unit_test(resource_templates),
        cmocka_unit_test(only_parts_that_are_there_are_devices),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
