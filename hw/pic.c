/* pic.c - 8259A Programmable Interrupt Controller, master and slave, with the PIIX's edge/level registers.
 *
 * Datasheet: Intel 8259A (231468), "Initialization/Operation Command Words"; 82371SB (PIIX3) 2.5.7-2.5.8, 3.8.
 * Ports: 20h-21h master, A0h-A1h slave, 4D0h-4D1h ELCR.
 *
 * Requests: IRR is a latch in front of which an edge-sensitive input must also still be high, as in the real
 * chip: a line that falls before the INTA cycle takes its request back, and the CPU then gets the spurious
 * vector 7. ICW1 resets the edge detectors: a line that is high then gives no request until it rises again.
 *
 * Quirks that guests rely on: spurious IRQ7 sets no ISR bit, spurious IRQ15 sets the master's bit 2 only (both
 * are told from real ones by reading ISR); ELCR bits of IRQ 0, 1, 2, 8 and 13 stay clear; ICW1.LTIM is ignored
 * in favour of ELCR; INT is held low between ICW1 and the last initialisation word.
 *
 * Not implemented: buffered mode (ICW4.BUF), MCS-80/85 mode, slaves elsewhere than on IR2.
 */
#include "hw/pic.h"

enum { ICW1_IC4 = 0x01, ICW1_SNGL = 0x02, ICW1_LTIM = 0x08, ICW1_INIT = 0x10 };
enum { ICW4_UPM = 0x01, ICW4_AEOI = 0x02, ICW4_SFNM = 0x10 };
enum { OCW2_EOI = 0x20, OCW2_SL = 0x40, OCW2_R = 0x80, OCW2_LEVEL = 0x07 };
enum { OCW3_RIS = 0x01, OCW3_RR = 0x02, OCW3_P = 0x04, OCW3_ID = 0x08, OCW3_SMM = 0x20, OCW3_ESMM = 0x40 };
enum { POLL_INT = 0x80, CASCADE = 2, SPURIOUS = 7 };
enum { MASTER, SLAVE };
static const u8 ELCR_WRITABLE[2] = {0xf8, 0xde};

/* --- priorities ------------------------------------------------------------------------------------------ */

/* The input whose request would be served now, or -1. In special fully nested mode a busy cascade input still
 * lets more urgent requests of the slave through. */
static int chip_request(const PicChip *c)
{
    if (c->next_icw) return -1;
    u8 ready = c->irr & ~c->imr;
    u8 busy = c->special_mask ? c->isr & ~c->imr : c->isr;
    if (!ready) return -1;
    for (unsigned i = 1; i <= 8; i++) {
        int n = (c->lowest + i) & 7;
        bool nested = n == CASCADE && c->icw4 & ICW4_SFNM;
        if (ready & BIT(n) && (nested || !(busy & BIT(n)))) return n;
        if (busy & BIT(n)) return -1;
    }
    return -1;
}

static void chip_set_line(PicChip *c, int n, bool level)
{
    u8 bit = (u8)BIT(n);
    if (!level) {
        c->lines &= ~bit;
        c->irr &= ~bit;
    } else {
        if (!(c->lines & bit) || c->elcr & bit) c->irr |= bit;
        c->lines |= bit;
    }
}

static void update(Pic *p)
{
    chip_set_line(&p->chip[MASTER], CASCADE, chip_request(&p->chip[SLAVE]) >= 0);
    bool level = chip_request(&p->chip[MASTER]) >= 0;
    if (level == p->intr_level) return;
    p->intr_level = level;
    irq_set(&p->intr, level);
}

/* Input n was acknowledged: it is in service, unless the chip ends interrupts by itself. */
static void chip_ack(PicChip *c, int n)
{
    if (!(c->elcr & BIT(n))) c->irr &= ~BIT(n);
    if (!(c->icw4 & ICW4_AEOI))
        c->isr |= (u8)BIT(n);
    else if (c->rotate_aeoi)
        c->lowest = (u8)n;
}

/* --- reads ----------------------------------------------------------------------------------------------- */

static u8 chip_poll(Pic *p, PicChip *c)
{
    int n = chip_request(c);
    c->poll = false;
    if (n < 0) return 0;
    chip_ack(c, n);
    if (c == &p->chip[SLAVE]) chip_set_line(&p->chip[MASTER], CASCADE, false);
    update(p);
    return (u8)(POLL_INT | n);
}

static u32 pic_read(void *dev, u32 offset, unsigned bytes, int which)
{
    Pic *p = dev;
    PicChip *c = &p->chip[which];
    (void)bytes;
    if (c->poll) return chip_poll(p, c);
    if (offset) return c->imr;
    return c->read_isr ? c->isr : c->irr;
}

static u32 master_read(void *dev, u32 offset, unsigned bytes) { return pic_read(dev, offset, bytes, MASTER); }
static u32 slave_read(void *dev, u32 offset, unsigned bytes) { return pic_read(dev, offset, bytes, SLAVE); }

/* The masks. (Requests come with edges of lines that nobody announces.) */
static u64 mask_still(void *dev, u32 offset)
{
    (void)dev;
    return offset ? STILL_UNTIL_EVENT : 0;
}

static u32 elcr_read(void *dev, u32 offset, unsigned bytes)
{
    (void)bytes;
    return ((Pic *)dev)->chip[offset].elcr;
}

/* --- writes ---------------------------------------------------------------------------------------------- */

static void write_icw1(PicChip *c, u8 v)
{
    c->icw1 = v;
    c->irr = c->lines & c->elcr;
    c->imr = c->isr = 0;
    c->lowest = 7;
    c->icw4 = 0;
    c->special_mask = c->rotate_aeoi = c->poll = c->read_isr = false;
    c->next_icw = 2;
}

static u8 icw_after(const PicChip *c, u8 n)
{
    if (n < 3 && !(c->icw1 & ICW1_SNGL)) return 3;
    return n < 4 && c->icw1 & ICW1_IC4 ? 4 : 0;
}

static void write_icw(PicChip *c, u8 v)
{
    switch (c->next_icw) {
    case 2: c->icw2 = v & 0xf8; break;
    case 3: c->icw3 = v; break;
    default:
        c->icw4 = v;
        if (!(v & ICW4_UPM)) trace(GUEST_ERRORS, "pic: ICW4 %02x asks for MCS-80 mode", v);
    }
    c->next_icw = icw_after(c, c->next_icw);
}

/* The in-service input that a non-specific EOI ends, or -1. */
static int highest_in_service(const PicChip *c)
{
    u8 isr = c->special_mask ? c->isr & ~c->imr : c->isr;
    for (unsigned i = 1; i <= 8; i++)
        if (isr & BIT((c->lowest + i) & 7)) return (int)((c->lowest + i) & 7);
    return -1;
}

static void write_ocw2(PicChip *c, u8 v)
{
    bool eoi = v & OCW2_EOI, specific = v & OCW2_SL, rotate = v & OCW2_R;
    int n = specific ? v & OCW2_LEVEL : highest_in_service(c);
    if (!eoi) {
        if (!specific)
            c->rotate_aeoi = rotate;
        else if (rotate)
            c->lowest = (u8)n;
        return;
    }
    if (n < 0) return;
    c->isr &= ~BIT(n);
    if (rotate) c->lowest = (u8)n;
}

static void write_ocw3(PicChip *c, u8 v)
{
    if (v & OCW3_ESMM) c->special_mask = v & OCW3_SMM;
    if (v & OCW3_P)
        c->poll = true;
    else if (v & OCW3_RR)
        c->read_isr = v & OCW3_RIS;
}

static void pic_write(void *dev, u32 offset, u32 value, int which)
{
    Pic *p = dev;
    PicChip *c = &p->chip[which];
    u8 v = (u8)value;
    if (!offset && v & ICW1_INIT)
        write_icw1(c, v);
    else if (offset && c->next_icw)
        write_icw(c, v);
    else if (offset)
        c->imr = v;
    else if (v & OCW3_ID)
        write_ocw3(c, v);
    else
        write_ocw2(c, v);
    update(p);
}

static void master_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    (void)bytes;
    pic_write(dev, offset, value, MASTER);
}

static void slave_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    (void)bytes;
    pic_write(dev, offset, value, SLAVE);
}

static void elcr_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    Pic *p = dev;
    PicChip *c = &p->chip[offset];
    (void)bytes;
    u8 to_level = value & ELCR_WRITABLE[offset] & ~c->elcr, to_edge = c->elcr & ~value;
    c->elcr = value & ELCR_WRITABLE[offset];
    c->irr = (c->irr & ~to_edge) | (c->lines & to_level);
    update(p);
}

/* --- events ---------------------------------------------------------------------------------------------- */

void pic_set_irq(void *pic, int irq, bool level)
{
    Pic *p = pic;
    if (irq == CASCADE) return;
    chip_set_line(&p->chip[irq >> 3 & 1], irq & 7, level);
    update(p);
}

bool pic_irq0_waits(void *pic)
{
    const PicChip *c = &((Pic *)pic)->chip[MASTER];
    return c->irr & ~c->imr & BIT(0);
}

static u8 slave_ack(Pic *p)
{
    PicChip *c = &p->chip[SLAVE];
    int n = chip_request(c);
    if (n >= 0) chip_ack(c, n);
    chip_set_line(&p->chip[MASTER], CASCADE,
                  false); /* INT falls at INTA; update() raises it for the next one */
    return (u8)(c->icw2 | (n < 0 ? SPURIOUS : n));
}

u8 pic_ack(Pic *p)
{
    PicChip *c = &p->chip[MASTER];
    int n = chip_request(c);
    u8 vector = (u8)(c->icw2 | (n < 0 ? SPURIOUS : n));
    if (n >= 0) chip_ack(c, n);
    if (n == CASCADE && !(c->icw1 & ICW1_SNGL)) vector = slave_ack(p);
    update(p);
    return vector;
}

/* --- life cycle ------------------------------------------------------------------------------------------ */

/* Power-on: nothing is pending whatever the lines say, and nothing gets through before ICW1. */
void pic_reset(void *dev)
{
    Pic *p = dev;
    for (int i = 0; i < 2; i++) p->chip[i] = (PicChip){.lines = p->chip[i].lines, .lowest = 7, .imr = 0xff};
    p->chip[MASTER].lines &= ~BIT(CASCADE);
    update(p);
}

static void pic_state(void *dev, State *s)
{
    Pic *p = dev;
    for (unsigned n = 0; n < 2; n++) {
        PicChip *c = &p->chip[n];
        state_group(s, "chip", n);
        state_u8(s, "lines", &c->lines);
        state_u8(s, "irr", &c->irr);
        state_u8(s, "isr", &c->isr);
        state_u8(s, "imr", &c->imr);
        state_u8(s, "elcr", &c->elcr);
        state_u8(s, "lowest", &c->lowest);
        state_check(s, c->lowest < 8, "lowest");
        state_u8(s, "icw1", &c->icw1);
        state_u8(s, "icw2", &c->icw2);
        state_u8(s, "icw3", &c->icw3);
        state_u8(s, "icw4", &c->icw4);
        state_u8(s, "next_icw", &c->next_icw);
        state_check(s, c->next_icw <= 4 && c->next_icw != 1, "next_icw");
        state_bool(s, "special_mask", &c->special_mask);
        state_bool(s, "rotate_aeoi", &c->rotate_aeoi);
        state_bool(s, "poll", &c->poll);
        state_bool(s, "read_isr", &c->read_isr);
        state_group_end(s);
    }
    state_bool(s, "intr_level", &p->intr_level);
}

const PartKind pic_part = {.version = 1, .reset = pic_reset, .state = pic_state};

static const IoOps master_ops = {master_read, master_write, 1, 1};
static const IoOps slave_ops = {slave_read, slave_write, 1, 1};
static const IoOps elcr_ops = {elcr_read, elcr_write, 1, 1};

void pic_init(Pic *p, Bus *bus, IrqLine intr)
{
    *p = (Pic){.intr = intr};
    pic_reset(p);
    bus_set_still(bus, bus_add_ports(bus, 0x20, 2, &master_ops, p, "pic-master"), mask_still);
    bus_set_still(bus, bus_add_ports(bus, 0xa0, 2, &slave_ops, p, "pic-slave"), mask_still);
    bus_add_ports(bus, 0x4d0, 2, &elcr_ops, p, "elcr");
}
