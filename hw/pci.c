/* pci.c - PCI bus 0: configuration mechanism #1.
 *
 * PCI Local Bus Specification 2.1, 3.7.4.1; 82441FX datasheet 3.1. Ports: CF8h CONFADD (doubleword access only),
 * CFCh-CFFh CONFDATA (any size).
 *
 * A function is 256 bytes of configuration space and a mask of the bits that the guest may write; chips that act
 * on a write get a call afterwards.
 *
 * A base address register (2.1, 6.2.5) is the same: the address bits below its size are not writable, so that all ones
 * written read back as the size mask. What it decodes is computed anew after each write to the header, and the chip is
 * told when that changed. The expansion ROM's (6.2.5.2) has an enable bit of its own beside the command register's, and pci.c
 * serves what it decodes.
 *
 * Quirks that guests rely on: bytes and words at CF8h-CFBh are not CONFADD (CF9h is the reset register of the
 * PIIX3); functions that do not exist, and other buses, read all ones.
 *
 * Not implemented: bridges to other buses, configuration mechanism #2, special cycles, parity and error bits, 64-bit
 * and below-1-MiB memory registers.
 */
#include "hw/pci.h"

enum { CONFADD = 0xcf8, CONFDATA = 0xcfc };
enum { PCI_ROM_ENABLE = 1 };
enum { CONE = 1u << 31, CONFADD_WRITABLE = 0x80fffffc };

static PciFunction *addressed(const Pci *p)
{
    if (!(p->address & CONE) || p->address >> 16 & 0xff) return NULL;
    return p->function[p->address >> 8 & 0xff];
}

/* --- reads ----------------------------------------------------------------------------------------------- */

static u32 address_read(void *dev, u32 offset, unsigned bytes)
{
    return offset == 0 && bytes == 4 ? ((Pci *)dev)->address : ~0u;
}

static u32 data_read(void *dev, u32 offset, unsigned bytes)
{
    const Pci *p = dev;
    const PciFunction *f = addressed(p);
    u32 v = 0, reg = (p->address & 0xfc) + offset;
    if (!f) return ~0u;
    for (unsigned i = 0; i < bytes; i++) v |= (u32)f->config[reg + i] << (8 * i);
    return v;
}

/* --- base address registers ------------------------------------------------------------------------------ */

static u32 bar_reg(unsigned bar) { return bar == PCI_BAR_ROM ? PCI_ROM : PCI_BAR0 + 4 * bar; }

/* Does the register decode now, and where? */
static bool bar_decodes(const PciFunction *f, unsigned bar, u32 *base)
{
    const PciBar *b = &f->bar[bar];
    u32 v = load32(f->config + bar_reg(bar));
    bool io = b->kind == PCI_BAR_IO;
    *base = v & ~(b->bytes - 1);
    if (!(f->config[PCI_COMMAND] & (io ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY))) return false;
    if (bar == PCI_BAR_ROM && !(v & PCI_ROM_ENABLE)) return false;
    return *base && *base <= (io ? 0x10000 : ~0u) - b->bytes;
}

static void tell_moved(PciFunction *f, unsigned n)
{
    const PciBar *b = &f->bar[n];
    if (n == PCI_BAR_ROM && f->rom.bytes)
        bus_move(f->rom.bus, f->rom.range, b->enabled, b->base);
    else
        b->moved(f->dev, n, b->enabled, b->base);
}

static void bars_update(PciFunction *f)
{
    for (unsigned n = 0; n < PCI_BARS; n++) {
        PciBar *b = &f->bar[n];
        u32 base;
        if (!b->bytes) continue;
        bool enabled = bar_decodes(f, n, &base);
        if (!enabled) base = 0;
        if (enabled == b->enabled && base == b->base) continue;
        b->enabled = enabled;
        b->base = base;
        tell_moved(f, n);
    }
}

void pci_bar(PciFunction *f, unsigned bar, PciBarKind kind, u32 bytes, PciBarMoved *moved)
{
    u32 low = bar == PCI_BAR_ROM ? PCI_ROM_ENABLE : 0, reg = bar_reg(bar);
    CHECK(bytes >= 4 && !(bytes & (bytes - 1)), "base address register of %u bytes", bytes);
    f->bar[bar].bytes = bytes;
    f->bar[bar].kind = kind;
    f->bar[bar].moved = moved;
    pci_set32(f, reg, kind);
    store32(f->writable + reg, ~(bytes - 1) | low);
    f->writable[PCI_COMMAND] |= kind == PCI_BAR_IO ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY;
    bars_update(f);
}

void pci_bar_set(PciFunction *f, unsigned bar, u32 base)
{
    PciBarKind kind = f->bar[bar].kind;
    pci_set32(f, bar_reg(bar), base | kind | (bar == PCI_BAR_ROM ? PCI_ROM_ENABLE : 0));
    f->config[PCI_COMMAND] |= kind == PCI_BAR_IO ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY;
    bars_update(f);
}

/* --- the expansion ROM ----------------------------------------------------------------------------------- */

enum { ROM_MIN_BYTES = 2048 };

static u32 rom_read(void *dev, u32 offset, unsigned bytes)
{
    const PciRom *r = &((PciFunction *)dev)->rom;
    u32 value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value |= (u32)(offset + i < r->bytes ? r->image[offset + i] : 0xff) << 8 * i;
    return value;
}

static void rom_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    (void)dev, (void)offset, (void)value, (void)bytes;
}

static u32 rom_window(const PciRom *r) /* the power of two that holds it */
{
    u32 bytes = ROM_MIN_BYTES;
    while (bytes < r->bytes) bytes *= 2;
    return bytes;
}

static void rom_bar(PciFunction *f)
{
    if (f->rom.bytes) pci_bar(f, PCI_BAR_ROM, PCI_BAR_MEMORY, rom_window(&f->rom), NULL);
}

void pci_add_rom(PciFunction *f, Bus *bus, const u8 *image, u32 bytes, const char *name)
{
    static const IoOps ops = {rom_read, rom_write, 1, 4};
    f->rom = (PciRom){.image = image, .bytes = bytes, .bus = bus};
    f->rom.range = bus_add_mmio(bus, 0, rom_window(&f->rom), &ops, f, name);
    bus_move(bus, f->rom.range, false, 0);
    rom_bar(f);
}

void pci_name_rom(const PciFunction *f, u8 *image, u32 bytes)
{
    enum { PCIR_AT = 0x18, PCIR_VENDOR = 4, PCIR_BYTES = 0x18, SPARE = 6, IDS = 4 };
    if (bytes < PCIR_AT + 2 || load16(image) != 0xaa55) return;
    u32 at = load16(image + PCIR_AT);
    if (at < PCIR_AT + 2 || at + PCIR_BYTES > bytes || memcmp(image + at, "PCIR", 4) != 0) return;
    for (u32 n = 0; n < IDS; n++) {
        u8 *id = image + at + PCIR_VENDOR + n, right = f->config[PCI_VENDOR + n];
        image[SPARE] = (u8)(image[SPARE] + *id - right);
        *id = right;
    }
}

/* --- writes ---------------------------------------------------------------------------------------------- */

static void address_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    Pci *p = dev;
    if (offset == 0 && bytes == 4) p->address = value & CONFADD_WRITABLE;
}

static void data_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    const Pci *p = dev;
    PciFunction *f = addressed(p);
    u32 reg = (p->address & 0xfc) + offset;
    if (!f) return;
    for (unsigned i = 0; i < bytes; i++) {
        u8 mask = f->writable[reg + i];
        f->config[reg + i] = (f->config[reg + i] & ~mask) | ((u8)(value >> (8 * i)) & mask);
    }
    if (reg < PCI_INTERRUPT_LINE) bars_update(f);
    if (f->written) f->written(f->dev, reg, bytes);
}

/* --- life cycle ------------------------------------------------------------------------------------------ */

void pci_function_init(PciFunction *f, u16 vendor, u16 device, u32 class_code, u8 revision)
{
    memset(f->config, 0, sizeof f->config);
    memset(f->writable, 0, sizeof f->writable);
    pci_set16(f, PCI_VENDOR, vendor);
    pci_set16(f, PCI_DEVICE, device);
    pci_set32(f, PCI_REVISION, class_code << 8 | revision);
    pci_set16(f, PCI_SUBSYSTEM_VENDOR, 0x1af4); /* QEMU's: firmware for virtual boards looks for them */
    pci_set16(f, PCI_SUBSYSTEM, 0x1100);
    pci_allow(f, PCI_INTERRUPT_LINE, 1, 0xff);
    rom_bar(f);
}

void pci_add(Pci *p, unsigned fn, PciFunction *f) { p->function[fn & 0xff] = f; }

void pci_reset(void *dev) { ((Pci *)dev)->address = 0; }

static void pci_state(void *dev, State *s) { state_u32(s, "address", &((Pci *)dev)->address); }

const PartKind pci_part = {.version = 1, .reset = pci_reset, .state = pci_state};

/* What the guest can change, and what of it the chip changes by itself; the rest is the chip's own. */
void pci_function_state(PciFunction *f, State *s)
{
    u8 config[PCI_CONFIG_BYTES];
    memcpy(config, f->config, sizeof config);
    state_bytes(s, "config", config, sizeof config);
    for (u32 n = 0; n < sizeof config; n++)
        f->config[n] = (f->config[n] & ~f->writable[n]) | (config[n] & f->writable[n]);
}

void pci_function_loaded(PciFunction *f)
{
    for (unsigned n = 0; n < PCI_BARS; n++) {
        PciBar *b = &f->bar[n];
        u32 base;
        if (!b->bytes) continue;
        b->enabled = bar_decodes(f, n, &base);
        b->base = b->enabled ? base : 0;
        tell_moved(f, n);
    }
}

static const IoOps address_ops = {address_read, address_write, 1, 4};
static const IoOps data_ops = {data_read, data_write, 1, 4};

void pci_init(Pci *p, Bus *bus)
{
    *p = (Pci){0};
    bus_add_ports(bus, CONFADD, 4, &address_ops, p, "pci-address");
    bus_add_ports(bus, CONFDATA, 4, &data_ops, p, "pci-data");
}
