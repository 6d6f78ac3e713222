/* fwfiles.c - ACPI tables for firmware, with the commands that place them ("linker/loader" files, as QEMU has them).
 *
 * etc/acpi/rsdp and etc/acpi/tables hold what acpi.c builds, with addresses as offsets into the latter. etc/table-loader is a
 * list of 128-byte commands: allocate a file's memory, add a file's address to a field, make a checksum right again.
 */
#include "frontend/load/fwfiles.h"

#include <stdio.h>

#include "frontend/load/acpi.h"
#include "frontend/load/firmware.h"

enum { COMMAND_BYTES = 128, NAME_BYTES = 56, COMMANDS = 11 };
enum { ALLOCATE = 1, ADD_POINTER = 2, ADD_CHECKSUM = 3 };
enum { ZONE_HIGH = 1, ZONE_FSEG = 2 };
static const char rsdp_file[] = "etc/acpi/rsdp", tables_file[] = "etc/acpi/tables";

typedef struct Loader {
    u8 bytes[COMMANDS * COMMAND_BYTES];
    u32 used;
} Loader;

static u8 *command(Loader *l, u32 which, const char *file)
{
    CHECK(l->used < sizeof l->bytes, "more loader commands than there is room for");
    u8 *c = l->bytes + l->used;
    l->used += COMMAND_BYTES;
    store32(c, which);
    memcpy(c + 4, file, strlen(file));
    return c + 4 + NAME_BYTES;
}

static void allocate(Loader *l, const char *file, u32 alignment, u8 zone)
{
    u8 *c = command(l, ALLOCATE, file);
    store32(c, alignment);
    c[4] = zone;
}

/* The 32-bit field at `offset` of `file` points into tables_file. */
static void add_pointer(Loader *l, const char *file, u32 offset)
{
    u8 *c = command(l, ADD_POINTER, file);
    memcpy(c, tables_file, sizeof tables_file);
    store32(c + NAME_BYTES, offset);
    c[NAME_BYTES + 4] = 4;
}

static void add_checksum(Loader *l, const char *file, u32 at, u32 start, u32 bytes)
{
    u8 *c = command(l, ADD_CHECKSUM, file);
    store32(c, at);
    store32(c + 4, start);
    store32(c + 8, bytes);
}

static void build_commands(Loader *l, const AcpiBoard *b)
{
    enum { FADT = ACPI_FADT_AT - ACPI_RSDT_AT };
    allocate(l, rsdp_file, 16, ZONE_FSEG);
    allocate(l, tables_file, 64, ZONE_HIGH);
    add_pointer(l, tables_file, FADT + ACPI_FADT_FACS);
    add_pointer(l, tables_file, FADT + ACPI_FADT_DSDT);
    add_checksum(l, tables_file, FADT + 9, FADT, ACPI_FADT_BYTES);
    add_pointer(l, tables_file, ACPI_RSDT_FADT);
    for (u32 at = ACPI_RSDT_MORE; at < acpi_rsdt_bytes(b); at += 4) add_pointer(l, tables_file, at);
    add_checksum(l, tables_file, 9, 0, acpi_rsdt_bytes(b));
    add_pointer(l, rsdp_file, ACPI_RSDP_RSDT);
    add_checksum(l, rsdp_file, 8, 0, ACPI_RSDP_BYTES);
}

void fwfiles_add_acpi(Machine *m, u32 ram_bytes)
{
    static u8 acpi[ACPI_ROOM];
    static Loader loader;
    AcpiBoard board = firmware_acpi_board(ram_bytes, machine_parts(m));
    u32 used = acpi_build(&board, 0u - ACPI_RSDT_AT, acpi);
    build_commands(&loader, &board);
    machine_add_firmware_file(m, rsdp_file, acpi, ACPI_RSDP_BYTES);
    machine_add_firmware_file(m, tables_file, acpi + ACPI_RSDT_AT, used - ACPI_RSDT_AT);
    machine_add_firmware_file(m, "etc/table-loader", loader.bytes, loader.used);
}

/* CMOS 3Dh and 38h hold three nibbles, as Bochs has them and its successors read them: 1 floppy, 2 disk, 3 CD, 4 network.
 * Bit 0 of 38h: a floppy's boot sector needs no mark; bit 1, ring3's own: no others are tried. */
void fwfiles_boot_order(Machine *m, const char *order, bool strict, bool any_floppy)
{
    enum { CMOS_FIRST_TWO = 0x3d, CMOS_THIRD = 0x38, PLACES = 3 };
    static const char letters[] = "acdn";
    u8 place[PLACES] = {0};
    for (int n = 0; n < PLACES && order[n]; n++) {
        const char *at = strchr(letters, order[n]);
        place[n] = at ? (u8)(at - letters + 1) : 0;
    }
    machine_set_cmos(m, CMOS_FIRST_TWO, (u8)(place[1] << 4 | place[0]));
    machine_set_cmos(m, CMOS_THIRD, (u8)(place[2] << 4 | strict << 1 | any_floppy));
}

void fwfiles_add_rom(Machine *m, const char *path, const u8 *bytes, u32 count)
{
    char name[64];
    const char *slash = strrchr(path, '/');
    snprintf(name, sizeof name, "genroms/%.40s", slash ? slash + 1 : path);
    machine_add_firmware_file(m, name, bytes, count);
}

void fwfiles_add_kernel_call(Machine *m, void (*ready)(void *ctx), void *ctx)
{
    machine_add_firmware_call(m, "etc/ring3/kernel", ready, ctx);
}
