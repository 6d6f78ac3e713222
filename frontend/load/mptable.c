/* mptable.c - MP floating pointer and MP configuration table (Intel MultiProcessor Specification 1.4, chapter 4).
 *
 * One processor, the buses PCI 0 and ISA 1, an I/O APIC, and every interrupt line that can come: those of PCI slots 1
 * to 7 at the inputs that the PIRQs are routed to (firmware.c), the ISA bus's, and the processor's own two. The mode
 * is virtual wire: the IMCR need not be written (hw/imcr.c). Our BIOS makes the same table (bios/tables.c).
 */
#include "frontend/load/mptable.h"

enum { FLOATING_BYTES = 16, HEADER_BYTES = 44 };
enum { PROCESSOR, BUS, IO_APIC, IO_INTERRUPT, LOCAL_INTERRUPT }; /* entry types */
enum { INT, NMI, SMI, EXTINT };                                  /* interrupt types */
enum { CPU_ENABLED = 1, CPU_BOOTSTRAP = 2, IO_APIC_ENABLED = 1 };
enum { CONFORMS = 0, LEVEL_HIGH = 0x0d };
enum { PCI_BUS, ISA_BUS, ALL_LAPICS = 0xff };

typedef struct Table {
    u8 *start, *p;
    u16 entries;
} Table;

static u8 *entry(Table *t, u8 type, u32 bytes)
{
    u8 *e = t->p;
    t->p += bytes;
    t->entries++;
    e[0] = type;
    return e;
}

static void processor(Table *t, const MpBoard *b)
{
    u8 *e = entry(t, PROCESSOR, 20);
    e[2] = b->lapic_version;
    e[3] = CPU_ENABLED | CPU_BOOTSTRAP;
    store32(e + 4, b->processor);
    store32(e + 8, b->features);
}

static void bus(Table *t, u8 id, const char name[6])
{
    u8 *e = entry(t, BUS, 8);
    e[1] = id;
    memcpy(e + 2, name, 6);
}

static void io_apic(Table *t)
{
    u8 *e = entry(t, IO_APIC, 8);
    e[1] = IOAPIC_ID;
    e[2] = 0x11;
    e[3] = IO_APIC_ENABLED;
    store32(e + 4, (u32)IOAPIC_PA);
}

static void interrupt(Table *t, u8 type, u8 kind, u16 flags, u8 from_bus, u8 irq, u8 apic, u8 pin)
{
    u8 *e = entry(t, type, 8);
    e[1] = kind;
    store16(e + 2, flags);
    e[4] = from_bus;
    e[5] = irq;
    e[6] = apic;
    e[7] = pin;
}

static bool is_routed(const MpBoard *b, u8 irq)
{
    for (int n = 0; n < 4; n++)
        if (b->pirq[n] == irq) return true;
    return false;
}

static void interrupts(Table *t, const MpBoard *b)
{
    enum { CASCADE = 2, LAST_SLOT = 7 };
    for (u8 slot = 1; slot <= LAST_SLOT; slot++)
        for (u8 pin = 0; pin < 4; pin++)
            interrupt(t, IO_INTERRUPT, INT, LEVEL_HIGH, PCI_BUS, (u8)(slot << 2 | pin), IOAPIC_ID,
                      b->pirq[(slot - 1 + pin) % 4]);
    for (u8 irq = 0; irq < 16; irq++)
        if (irq != CASCADE && !is_routed(b, irq))
            interrupt(t, IO_INTERRUPT, INT, irq == b->sci_irq ? LEVEL_HIGH : CONFORMS, ISA_BUS, irq,
                      IOAPIC_ID, irq ? irq : IOAPIC_TIMER_PIN);
    interrupt(t, LOCAL_INTERRUPT, EXTINT, CONFORMS, ISA_BUS, 0, ALL_LAPICS, 0);
    interrupt(t, LOCAL_INTERRUPT, NMI, CONFORMS, ISA_BUS, 0, ALL_LAPICS, 1);
}

static u8 checksum(const u8 *p, u32 n)
{
    u8 sum = 0;
    while (n--) sum = (u8)(sum + *p++);
    return (u8)-sum;
}

static void header(const Table *t)
{
    u8 *h = t->start;
    u32 bytes = (u32)(t->p - h);
    memcpy(h, "PCMP", 4);
    store16(h + 4, (u16)bytes);
    h[6] = 4; /* version 1.4 */
    memcpy(h + 8, "RING3   PC          ", 20);
    store16(h + 34, t->entries);
    store32(h + 36, (u32)LAPIC_DEFAULT_PA);
    h[7] = checksum(h, bytes);
}

static void floating_pointer(u8 *f, u32 table_pa)
{
    memcpy(f, "_MP_", 4);
    store32(f + 4, table_pa);
    f[8] = 1; /* in paragraphs */
    f[9] = 4;
    f[10] = checksum(f, FLOATING_BYTES);
}

u32 mptable_build(const MpBoard *b, u32 base, u8 out[MPTABLE_ROOM])
{
    Table t = {.start = out + FLOATING_BYTES, .p = out + FLOATING_BYTES + HEADER_BYTES};
    memset(out, 0, MPTABLE_ROOM);
    processor(&t, b);
    bus(&t, PCI_BUS, "PCI   ");
    bus(&t, ISA_BUS, "ISA   ");
    io_apic(&t);
    interrupts(&t, b);
    header(&t);
    floating_pointer(out, base + FLOATING_BYTES);
    return (u32)(t.p - out);
}
