/* ioapic.c - 82093AA I/O Advanced Programmable Interrupt Controller.
 *
 * Datasheet: Intel 82093AA (290566), 3.1 "Memory mapped registers", 3.2 "I/O APIC registers". Memory: FEC00000h
 * IOREGSEL, FEC00010h IOWIN; registers 00h ID, 01h version, 02h arbitration, 10h-3Fh redirection entries.
 *
 * An edge on a masked pin is lost, as the datasheet says. A level-triggered entry sends once, sets remote IRR, and
 * sends again after the EOI message if its line is still asserted. Making an entry edge-triggered clears remote IRR,
 * by which systems end an interrupt without an EOI.
 *
 * Quirks: polarity is kept without effect, since a line of this board says whether it is asserted, not whether it is
 * high. A message is accepted at once or waits in `pending` until the processor's APIC is switched on.
 *
 * Not implemented: relocation by the PIIX3's APICBASE register, EOI register of later versions; the 8259's INTR is
 * wired to LINT0 of the processor and to no pin here.
 */
#include "hw/ioapic.h"

enum { IOREGSEL = 0x00, IOWIN = 0x10 };
enum { REG_ID = 0x00, REG_VERSION = 0x01, REG_ARBITRATION = 0x02, REG_ENTRIES = 0x10 };
enum { VERSION = (IOAPIC_PINS - 1) << 16 | 0x11, ID_WRITABLE = 0x0f000000 };
enum {
    ENTRY_LOGICAL = 1 << 11,
    ENTRY_REMOTE_IRR = 1 << 14,
    ENTRY_LEVEL = 1 << 15,
    ENTRY_LOW_WRITABLE = 0x1afff,
};
#define ENTRY_HIGH_WRITABLE 0xff000000u

static ApicMode mode_of(u64 entry) { return (ApicMode)(entry >> 8 & 7); }

/* Only fixed and lowest-priority interrupts can be levels (3.2.4, "Delivery Mode"). */
static bool is_level(u64 entry) { return entry & ENTRY_LEVEL && mode_of(entry) <= APIC_LOWEST; }

/* --- messages -------------------------------------------------------------------------------------------- */

static bool wants(const Ioapic *a, int pin)
{
    u64 e = a->entry[pin];
    if (e & IOAPIC_MASKED) return false;
    if (is_level(e)) return a->lines & BIT(pin) && !(e & ENTRY_REMOTE_IRR);
    return a->pending & BIT(pin);
}

static void service(Ioapic *a, int pin)
{
    u64 *e = &a->entry[pin];
    if (!wants(a, pin)) return;
    ApicMessage m = {.vector = (u8)*e,
                     .mode = (u8)mode_of(*e),
                     .dest = (u8)(*e >> 56),
                     .logical = *e & ENTRY_LOGICAL,
                     .level = is_level(*e)};
    if (!lapic_accept(a->lapic, &m)) return;
    a->pending &= ~BIT(pin);
    if (m.level) *e |= ENTRY_REMOTE_IRR;
}

void ioapic_retry(Ioapic *a)
{
    for (int pin = 0; pin < IOAPIC_PINS; pin++) service(a, pin);
}

void ioapic_eoi(Ioapic *a, u8 vector)
{
    for (int pin = 0; pin < IOAPIC_PINS; pin++) {
        if (!(a->entry[pin] & ENTRY_REMOTE_IRR) || (u8)a->entry[pin] != vector) continue;
        a->entry[pin] &= ~(u64)ENTRY_REMOTE_IRR;
        service(a, pin);
    }
}

void ioapic_set_irq(void *ioapic, int pin, bool level)
{
    Ioapic *a = ioapic;
    bool rose = level && !(a->lines & BIT(pin));
    a->lines = (a->lines & ~BIT(pin)) | (u32)level << pin;
    if (rose && !(a->entry[pin] & IOAPIC_MASKED) && !is_level(a->entry[pin])) a->pending |= BIT(pin);
    service(a, pin);
}

bool ioapic_waits(const Ioapic *a, int pin)
{
    u64 e = a->entry[pin];
    return !(e & IOAPIC_MASKED) && mode_of(e) <= APIC_LOWEST && lapic_requested(a->lapic, (u8)e);
}

/* --- reads ----------------------------------------------------------------------------------------------- */

static bool is_entry(u32 reg) { return reg >= REG_ENTRIES && reg < REG_ENTRIES + 2 * IOAPIC_PINS; }

static u32 read_register(const Ioapic *a)
{
    u32 reg = a->select;
    if (is_entry(reg)) return (u32)(a->entry[(reg - REG_ENTRIES) / 2] >> (reg & 1 ? 32 : 0));
    switch (reg) {
    case REG_ID:
    case REG_ARBITRATION: return a->id;
    case REG_VERSION: return VERSION;
    default: trace(GUEST_ERRORS, "ioapic: read of register %02x", reg); return 0;
    }
}

static u32 ioapic_read(void *dev, u32 offset, unsigned bytes)
{
    const Ioapic *a = dev;
    (void)bytes;
    return offset == IOREGSEL ? a->select : offset == IOWIN ? read_register(a) : 0;
}

/* --- writes ---------------------------------------------------------------------------------------------- */

static void write_entry_half(Ioapic *a, u32 reg, u32 v)
{
    int pin = (int)(reg - REG_ENTRIES) / 2;
    u64 *e = &a->entry[pin];
    if (reg & 1) {
        *e = (u32)*e | (u64)(v & ENTRY_HIGH_WRITABLE) << 32;
        return;
    }
    *e = (*e & ~(u64)ENTRY_LOW_WRITABLE) | (v & ENTRY_LOW_WRITABLE);
    if (!is_level(*e)) *e &= ~(u64)ENTRY_REMOTE_IRR;
    service(a, pin);
}

static void write_register(Ioapic *a, u32 v)
{
    u32 reg = a->select;
    if (is_entry(reg))
        write_entry_half(a, reg, v);
    else if (reg == REG_ID)
        a->id = v & ID_WRITABLE;
    else
        trace(GUEST_ERRORS, "ioapic: write of %08x to register %02x", v, reg);
}

static void ioapic_write(void *dev, u32 offset, u32 v, unsigned bytes)
{
    Ioapic *a = dev;
    (void)bytes;
    if (offset == IOREGSEL)
        a->select = (u8)v;
    else if (offset == IOWIN)
        write_register(a, v);
}

/* --- life cycle ------------------------------------------------------------------------------------------ */

void ioapic_reset(void *dev)
{
    Ioapic *a = dev;
    a->id = a->pending = 0;
    a->select = 0;
    for (int pin = 0; pin < IOAPIC_PINS; pin++) a->entry[pin] = IOAPIC_MASKED;
}

static void ioapic_state(void *dev, State *s)
{
    Ioapic *a = dev;
    state_u8(s, "select", &a->select);
    state_u32(s, "id", &a->id);
    state_values(s, "entries", a->entry, 8, IOAPIC_PINS);
    state_u32(s, "lines", &a->lines);
    state_u32(s, "pending", &a->pending);
}

const PartKind ioapic_part = {.version = 1, .reset = ioapic_reset, .state = ioapic_state};

static const IoOps ioapic_ops = {ioapic_read, ioapic_write, 4, 4};

void ioapic_init(Ioapic *a, Bus *bus, Lapic *lapic)
{
    *a = (Ioapic){.lapic = lapic};
    bus_add_mmio(bus, (u32)IOAPIC_PA, PAGE_BYTES, &ioapic_ops, a, "ioapic");
    ioapic_reset(a);
}
