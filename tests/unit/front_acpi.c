/* ACPI tables as a kernel's parser meets them: signatures, checksums, pointers, and AML whose packages nest exactly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "frontend/acpi.h"
#include "frontend/aml.h"

static const AcpiBoard board = {.pm1_evt = 0x600,
                                .pm1_cnt = 0x604,
                                .pm_tmr = 0x608,
                                .gpe0 = 0x60c,
                                .sci_irq = 9,
                                .smi_cmd = 0xb2,
                                .acpi_enable = 0xf1,
                                .acpi_disable = 0xf0,
                                .slp_typ_s5 = 5,
                                .pirq = {10, 10, 11, 11},
                                .ram_bytes = 512u << 20};
static u8 image[ACPI_ROOM];

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

/* The fields that acpi.h names are all that depends on where the tables lie. */
static void tables_move_by_the_named_fields(void **state)
{
    enum { MOVED = 0x1000 };
    static u8 other[ACPI_ROOM];
    static const u32 fields[] = {ACPI_RSDP_RSDT, ACPI_RSDT_AT + ACPI_RSDT_FADT, ACPI_FADT_AT + ACPI_FADT_FACS,
                                 ACPI_FADT_AT + ACPI_FADT_DSDT};
    (void)state;
    acpi_build(&board, 0, image);
    acpi_build(&board, MOVED, other);
    for (unsigned n = 0; n < ARRAY_LEN(fields); n++)
        store32(image + fields[n], load32(image + fields[n]) + MOVED);
    image[8] = (u8)(image[8] - sum(image, ACPI_RSDP_BYTES));
    u8 *rsdt = image + ACPI_RSDT_AT, *fadt = image + ACPI_FADT_AT;
    rsdt[9] = (u8)(rsdt[9] - sum(rsdt, ACPI_RSDT_BYTES));
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
        cmocka_unit_test(tables_point_at_each_other), cmocka_unit_test(tables_move_by_the_named_fields),
        cmocka_unit_test(s5_has_the_sleep_type),      cmocka_unit_test(package_lengths_of_every_size),
        cmocka_unit_test(integers_and_ids),           cmocka_unit_test(resource_templates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
