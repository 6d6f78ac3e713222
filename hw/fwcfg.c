/* fwcfg.c - QEMU's firmware configuration device, as far as firmware for the PC reads it.
 *
 * Not a real chip: QEMU's docs/specs/fw_cfg describe it. A 16-bit write to port 510h selects an item; each byte read
 * from port 511h is the item's next, and zeros follow its end. Items 00h-1Fh are fixed; item 19h is the directory of
 * the files, which have selectors from 20h on. Numbers are little-endian but for the directory's.
 *
 * Ours and SeaBIOS find here: memory size, the machine's UUID, the boot menu's wish, boot order, ACPI and SMBIOS
 * tables. Test kernels that are loaded with -kernel read sizes and the number of processors; for them there are no
 * files.
 *
 * One file of ours is a call: a write to it says that the firmware is ready for a kernel (frontend/load/fwfiles.c).
 *
 * Not implemented: the DMA interface (item 1 says so), other writable items, legacy items for kernels, NUMA and HPET.
 */
#include "hw/fwcfg.h"

enum { SELECTOR_PORT = 0x510, DATA_PORT = 0x511 };
enum {
    SIGNATURE = 0x00,
    ID = 0x01,
    UUID = 0x02,
    RAM_SIZE = 0x03,
    NB_CPUS = 0x05,
    BOOT_MENU = 0x0e,
    MAX_CPUS = 0x0f,
    FILE_DIR = 0x19
};
enum { ID_TRADITIONAL = 1, DIRECTORY_ENTRY = 64 };

static const u8 id_bytes[4] = {ID_TRADITIONAL};

/* --- reads ----------------------------------------------------------------------------------------------- */

static FwcfgItem selected(const Fwcfg *f)
{
    u32 n = f->selector - FWCFG_FIRST_FILE;
    switch (f->selector) {
    case SIGNATURE: return (FwcfgItem){.bytes = "QEMU", .count = 4};
    case ID: return (FwcfgItem){.bytes = id_bytes, .count = sizeof id_bytes};
    case UUID: return (FwcfgItem){.bytes = f->uuid, .count = sizeof f->uuid};
    case RAM_SIZE: return (FwcfgItem){.bytes = f->ram_bytes, .count = sizeof f->ram_bytes};
    case NB_CPUS:
    case MAX_CPUS: return (FwcfgItem){.bytes = f->cpus, .count = sizeof f->cpus};
    case BOOT_MENU: return (FwcfgItem){.bytes = f->menu, .count = sizeof f->menu};
    case FILE_DIR: return (FwcfgItem){.bytes = f->directory, .count = sizeof f->directory};
    }
    if (f->selector >= FWCFG_FIRST_FILE && n < f->files) return f->file[n];
    return (FwcfgItem){0};
}

static u8 next_byte(Fwcfg *f)
{
    FwcfgItem item = selected(f);
    return f->offset < item.count ? ((const u8 *)item.bytes)[f->offset++] : 0;
}

static u32 data_read(void *dev, u32 offset, unsigned bytes)
{
    (void)offset, (void)bytes;
    return next_byte(dev);
}

static u32 selector_read(void *dev, u32 offset, unsigned bytes)
{
    (void)bytes;
    return offset ? next_byte(dev) : 0xff;
}

/* --- writes ---------------------------------------------------------------------------------------------- */

static void selector_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    Fwcfg *f = dev;
    if (offset || bytes != 2) return;
    f->selector = (u16)value;
    f->offset = 0;
}

static void data_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    FwcfgItem item = selected(dev);
    (void)offset, (void)bytes;
    if (item.written)
        item.written(item.ctx);
    else
        trace(UNIMP, "fwcfg: write of %02x to item %x", value, ((Fwcfg *)dev)->selector);
}

/* --- life cycle ------------------------------------------------------------------------------------------ */

static void put_be(u8 *to, u32 v, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) to[i] = (u8)(v >> 8 * (bytes - 1 - i));
}

void fwcfg_add(Fwcfg *f, const char *name, const void *bytes, u32 count)
{
    CHECK(f->files < FWCFG_FILES, "too many firmware files at %s", name);
    FwcfgItem *item = &f->file[f->files];
    u8 *entry = f->directory + 4 + f->files * DIRECTORY_ENTRY;
    *item = (FwcfgItem){.bytes = bytes, .count = count};
    for (u32 i = 0; name[i] && i < FWCFG_NAME_BYTES - 1; i++) item->name[i] = name[i];
    put_be(entry, count, 4);
    put_be(entry + 4, FWCFG_FIRST_FILE + f->files, 2);
    memcpy(entry + 8, item->name, FWCFG_NAME_BYTES);
    put_be(f->directory, ++f->files, 4);
}

void fwcfg_add_call(Fwcfg *f, const char *name, void (*written)(void *ctx), void *ctx)
{
    fwcfg_add(f, name, "", 1);
    f->file[f->files - 1].written = written;
    f->file[f->files - 1].ctx = ctx;
}

void fwcfg_set_menu(Fwcfg *f, bool wanted) { f->menu[0] = wanted; }

void fwcfg_set_uuid(Fwcfg *f, const u8 uuid[16]) { memcpy(f->uuid, uuid, sizeof f->uuid); }

void fwcfg_reset(void *dev)
{
    Fwcfg *f = dev;
    f->selector = 0;
    f->offset = 0;
}

static void fwcfg_state(void *dev, State *s)
{
    Fwcfg *f = dev;
    state_u16(s, "selector", &f->selector);
    state_u32(s, "offset", &f->offset);
}

const PartKind fwcfg_part = {.version = 1, .reset = fwcfg_reset, .state = fwcfg_state};

static const IoOps selector_ops = {selector_read, selector_write, 1, 2};
static const IoOps data_ops = {data_read, data_write, 1, 1};

void fwcfg_init(Fwcfg *f, Bus *bus, u32 ram_bytes)
{
    *f = (Fwcfg){.cpus = {1}};
    store32(f->ram_bytes, ram_bytes);
    bus_add_ports(bus, SELECTOR_PORT, 2, &selector_ops, f, "fwcfg");
    bus_add_ports(bus, DATA_PORT, 1, &data_ops, f, "fwcfg-data");
}
