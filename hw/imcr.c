/* imcr.c - Interrupt Mode Configuration Register (Intel MultiProcessor Specification 1.4, 3.6.2.1).
 *
 * Ports: 22h selects (70h is the register), 23h is its data. Bit 0 leads the 8259's INTR and NMI through the local
 * APIC (1), or past it to the processor (0: PIC mode).
 *
 * Quirk: it comes up as 1, in virtual wire mode, which the MP table tells as well, so that systems and firmware which
 * do not know the register find LINT0 and LINT1 working. The specification's power-on value is 0.
 */
#include "hw/imcr.h"

enum { SELECT_PORT = 0x22, IMCR = 0x70, IMCR_THROUGH = 0x01 };

static u32 imcr_read(void *dev, u32 offset, unsigned bytes)
{
    const Imcr *i = dev;
    (void)bytes;
    if (!offset) return i->select;
    return i->select == IMCR ? i->imcr : 0xff;
}

static void imcr_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    Imcr *i = dev;
    (void)bytes;
    if (!offset) {
        i->select = (u8)value;
    } else if (i->select == IMCR) {
        i->imcr = value & IMCR_THROUGH;
        irq_set(&i->through, i->imcr);
    }
}

void imcr_reset(void *dev)
{
    Imcr *i = dev;
    i->select = 0;
    i->imcr = IMCR_THROUGH;
    irq_set(&i->through, true);
}

static void imcr_state(void *dev, State *s)
{
    Imcr *i = dev;
    state_u8(s, "select", &i->select);
    state_u8(s, "imcr", &i->imcr);
}

const PartKind imcr_part = {.version = 1, .reset = imcr_reset, .state = imcr_state};

static const IoOps imcr_ops = {imcr_read, imcr_write, 1, 1};

void imcr_init(Imcr *i, Bus *bus, IrqLine through)
{
    *i = (Imcr){.through = through};
    imcr_reset(i);
    bus_add_ports(bus, SELECT_PORT, 2, &imcr_ops, i, "imcr");
}
