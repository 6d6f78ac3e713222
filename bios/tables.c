/* tables.c - what systems find by searching segment F000: BIOS32 directory (_32_), PCI interrupt routing ($PIR), the
 * MultiProcessor table (_MP_, one processor), SMBIOS (_SM_). ACPI comes from the board (loader.c).
 *
 * Sources: BIOS32 Service Directory 0.4; Microsoft PCI IRQ Routing Table Specification 1.0; Intel MultiProcessor
 * Specification 1.4; DMTF System Management BIOS 2.4.
 * The MP table is made where an I/O APIC answers at fec00000; it says the same as frontend/load/mptable.c's.
 * $PnP is rom.c's, and there for option ROMs only.
 */
#include "bios32.h"

static u8 sum_of(const void *p, u32 n)
{
    u8 sum = 0;
    for (const u8 *q = p; n--; q++) sum = (u8)(sum + *q);
    return sum;
}

/* --- BIOS32 ---------------------------------------------------------------------------------------------- */

static void bios32_directory(void)
{
    extern char bios32_entry;
    struct PACKED {
        char signature[4];
        u32 entry;
        u8 revision, paragraphs, checksum, reserved[5];
    } *t = (void *)memory_alloc_fseg(sizeof *t, 16);
    memset(t, 0, sizeof *t);
    memcpy(t->signature, "_32_", 4);
    t->entry = 0xf0000 + OFFSET(bios32_entry);
    t->paragraphs = 1;
    t->checksum = (u8)-sum_of(t, sizeof *t);
}

/* --- PCI interrupt routing ------------------------------------------------------------------------------- */

enum { PIR_SLOTS = 6 };

typedef struct PACKED PirSlot {
    u8 bus, device;
    struct PACKED {
        u8 link;
        u16 irqs;
    } pin[4];
    u8 slot, reserved;
} PirSlot;

static void pci_routing(void)
{
    struct PACKED {
        char signature[4];
        u16 version, bytes;
        u8 router_bus, router_devfn;
        u16 exclusive;
        u32 compatible, miniport;
        u8 reserved[11], checksum;
        PirSlot slot[PIR_SLOTS];
    } *t = (void *)memory_alloc_fseg(sizeof *t, 16);
    memset(t, 0, sizeof *t);
    memcpy(t->signature, "$PIR", 4);
    t->version = 0x0100;
    t->bytes = sizeof *t;
    t->router_devfn = PCI_FN(1, 0);
    t->compatible = 0x122e8086; /* PIIX, which routes alike */
    for (u32 i = 0; i < PIR_SLOTS; i++) {
        PirSlot *s = &t->slot[i];
        u32 device = i + 1;
        s->device = (u8)(device << 3);
        s->slot = (u8)(device == 1 ? 0 : i);
        for (u32 pin = 0; pin < 4; pin++) {
            s->pin[pin].link = (u8)(0x60 + ((device - 1 + pin) & 3));
            s->pin[pin].irqs = 0xdef8;
        }
    }
    t->checksum = (u8)-sum_of(t, sizeof *t);
    LOW(shared).pir_slots = (u16)((u32)t->slot - 0xf0000);
    LOW(shared).pir_slots_bytes = sizeof t->slot;
}

/* --- MultiProcessor -------------------------------------------------------------------------------------- */

static u8 *mp_entry(u8 *p, const void *e, u32 n)
{
    memcpy(p, e, n);
    return p + n;
}

static u8 *mp_interrupt(u8 *p, u8 kind, u16 flags, u8 bus, u8 irq, u8 apic, u8 pin)
{
    const u8 e[8] = {kind < 0x10 ? 3 : 4, kind & 0xf, (u8)flags, (u8)(flags >> 8), bus, irq, apic, pin};
    return mp_entry(p, e, 8);
}

static bool io_apic_present(void)
{
    *FLAT(u32, IOAPIC) = 1; /* version */
    u32 v = *FLAT(u32, IOAPIC + 0x10);
    return (v & 0xff) >= 0x10 && v != 0xffffffff;
}

static void mp_table(void)
{
    if (!cpu_has_apic() || !io_apic_present()) return;
    u8 *base = (u8 *)memory_alloc_fseg(512, 16), *p = base + 44, *floating = (u8 *)memory_alloc_fseg(16, 16);
    u16 entries = 0;
    if (!base || !floating) return;
    memset(base, 0, 512);
    u32 sig, b, c, features;
    __asm__ volatile("cpuid" : "=a"(sig), "=b"(b), "=c"(c), "=d"(features) : "a"(1));
    u8 cpu[20] = {0, 0, *FLAT(u8, LAPIC + 0x30), 3}; /* enabled, bootstrap processor */
    memcpy(cpu + 4, &sig, 4), memcpy(cpu + 8, &features, 4);
    p = mp_entry(p, cpu, 20), entries++;
    p = mp_entry(p, "\1\0PCI   ", 8), entries++;
    p = mp_entry(p, "\1\1ISA   ", 8), entries++;
    const u8 ioapic[8] = {2, 1, 0x11, 1, 0x00, 0x00, 0xc0, 0xfe};
    *FLAT(u32, IOAPIC) = 0, *FLAT(u32, IOAPIC + 0x10) = 1u << 24; /* its ID */
    p = mp_entry(p, ioapic, 8), entries++;
    for (u8 device = 1; device < 8;
         device++) /* as pci_setup() routed them: lines 10 and 11, level, active high */
        for (u8 pin = 0; pin < 4; pin++)
            p = mp_interrupt(p, 0, 0x0d, 0, (u8)(device << 2 | pin), 1, pci_irq_of_pin(device, pin + 1u)),
            entries++;
    for (u8 irq = 0; irq < 16; irq++) {
        if (irq == 2 || irq == 10 || irq == 11) continue;
        p = mp_interrupt(p, 0, irq == 9 ? 0x0d : 0, 1, irq, 1, irq ? irq : 2), entries++;
    }
    p = mp_interrupt(p, 0x13, 0, 1, 0, 0xff, 0), entries++; /* LINT0: 8259 */
    p = mp_interrupt(p, 0x11, 0, 1, 0, 0xff, 1), entries++; /* LINT1: NMI */
    u16 bytes = (u16)(p - base);
    u32 lapic = LAPIC;
    memcpy(base, "PCMP", 4), memcpy(base + 4, &bytes, 2), base[6] = 4;
    memcpy(base + 8, "RING3   PC          ", 20);
    memcpy(base + 34, &entries, 2), memcpy(base + 36, &lapic, 4);
    base[7] = (u8)-sum_of(base, bytes);
    u32 at = (u32)base;
    memset(floating, 0, 16);
    memcpy(floating, "_MP_", 4), memcpy(floating + 4, &at, 4);
    floating[8] = 1, floating[9] = 4;
    floating[10] = (u8)-sum_of(floating, 16);
}

/* --- SMBIOS ---------------------------------------------------------------------------------------------- */

typedef struct Writer {
    u8 *start, *p;
    u16 structures, largest;
} Writer;

/* One structure: `n` bytes that begin with type, length and handle, then strings (each with its NUL, in one literal). */
static void smbios_add(Writer *w, const void *data, u32 n, const char *strings, u32 strings_bytes)
{
    u8 *begin = w->p;
    memcpy(w->p, data, n), w->p += n;
    memcpy(w->p, strings, strings_bytes), w->p += strings_bytes;
    if (!strings_bytes) *w->p++ = 0;
    *w->p++ = 0;
    w->structures++;
    if (w->p - begin > w->largest) w->largest = (u16)(w->p - begin);
}

#define STRINGS(s) s, sizeof(s)

enum { FWCFG_UUID = 2 };

static void smbios_structures(Writer *w)
{
    u8 bios[24] = {
        0, 24, 0, 0, 1, 2, 0x00, 0xe0, 3, 1, [10] = 0x90, 0xda, 0x01, [18] = 0x01, 0x00, 1, 0, 0xff, 0xff};
    u8 machine[27] = {1, 27, 0, 1, 1, 2, 3, 0, [24] = 6};
    u8 chassis[13] = {3, 13, 0, 3, 1, 3, 0, 0, 0, 3, 3, 3, 2};
    u8 cpu[35] = {4, 35, 0, 4, 1, 3, 0x01, 2, [24] = 0x41, 0x01};
    u8 array[15] = {16, 15, 0, 0x10, 3, 3, 3, [11] = 0xfe, 0xff, 1, 0};
    u8 module[27] = {17, 27, 0, 0x11, 0x00, 0x10, 0xfe, 0xff, 64, 0, 64, 0, [14] = 9, 0, 1, 0, 7};
    u8 mapped[15] = {19, 15, 0, 0x13, [12] = 0x00, 0x10, 1};
    u32 kib = memory_top >> 10, mib = memory_top >> 20, last = kib - 1;
    memcpy(array + 7, &kib, 4);
    fwcfg_read(FWCFG_UUID, machine + 8, 16);
    u16 size = (u16)mib;
    memcpy(module + 12, &size, 2);
    memcpy(mapped + 8, &last, 4);
    smbios_add(w, bios, sizeof bios,
               STRINGS("ring3\0" BIOS_VERSION "\0"
                       "11/22/2026"));
    smbios_add(w, machine, sizeof machine, STRINGS("ring3\0PC (i440FX + PIIX3)\0" BIOS_VERSION));
    smbios_add(w, chassis, sizeof chassis, STRINGS("ring3"));
    smbios_add(w, cpu, sizeof cpu, STRINGS("CPU\0x86"));
    smbios_add(w, array, sizeof array, "", 0);
    smbios_add(w, module, sizeof module, STRINGS("DIMM 0"));
    smbios_add(w, mapped, sizeof mapped, "", 0);
    static const u8 boot[11] = {32, 11, 0, 0x20}, end[4] = {127, 4, 0, 0x7f};
    smbios_add(w, boot, sizeof boot, "", 0);
    smbios_add(w, end, sizeof end, "", 0);
}

static void smbios(void)
{
    u8 *e = (u8 *)memory_alloc_fseg(32, 16), *room = (u8 *)memory_alloc_fseg(768, 16);
    if (!e || !room) return;
    Writer w = {room, room, 0, 0};
    smbios_structures(&w);
    u32 at = (u32)room;
    u16 bytes = (u16)(w.p - room);
    memset(e, 0, 32);
    memcpy(e, "_SM_", 4), e[5] = 0x1f, e[6] = 2, e[7] = 4;
    memcpy(e + 8, &w.largest, 2);
    memcpy(e + 16, "_DMI_", 5);
    memcpy(e + 22, &bytes, 2), memcpy(e + 24, &at, 4), memcpy(e + 28, &w.structures, 2);
    e[30] = 0x24;
    e[21] = (u8)-sum_of(e + 16, 15);
    e[4] = (u8)-sum_of(e, 31);
}

void tables_make(void)
{
    if (LOW(shared).have_pci) {
        bios32_directory();
        pci_routing();
    }
    mp_table();
    smbios();
    loader_run();
}
