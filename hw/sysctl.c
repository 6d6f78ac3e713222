/* sysctl.c - the odd glue ports that a chipset gathers from the AT and PS/2 boards.
 *
 * 61h  NMI status and control (82371SB 2.5.5): bit 0 gate of PIT channel 2, bit 1 speaker, bits 2-3 NMI disables;
 *      read: bit 4 toggles with DRAM refresh, bit 5 OUT2.
 * 92h  PS/2 system control port A: bit 0 fast reset (a rising edge resets), bit 1 A20.
 * F0h  coprocessor error: a write takes IRQ13 back (and on a real board asserts IGNNE#).
 * The A20 gate has two handles, here and in the keyboard controller. The last one moved wins, both show the gate;
 * machine.c joins them.
 *
 * Not implemented: NMI sources (61h bits 6-7 read 0).
 */
#include "hw/sysctl.h"

enum { PORT_A_RESET = 0x01, PORT_A_A20 = 0x02 };
enum {
    PORT_B_GATE2 = 0x01,
    PORT_B_SPEAKER = 0x02,
    PORT_B_WRITABLE = 0x0f,
    PORT_B_REFRESH = 0x10,
    PORT_B_OUT2 = 0x20
};

/* --- reads ----------------------------------------------------------------------------------------------- */

static u32 port_a_read(void *dev, u32 offset, unsigned bytes)
{
    (void)offset, (void)bytes;
    return ((Sysctl *)dev)->port_a;
}

static u32 port_b_read(void *dev, u32 offset, unsigned bytes)
{
    Sysctl *s = dev;
    (void)offset, (void)bytes;
    return s->port_b | (pit_refresh(s->pit) ? PORT_B_REFRESH : 0u) | (pit_out2(s->pit) ? PORT_B_OUT2 : 0u);
}

static u32 ferr_read(void *dev, u32 offset, unsigned bytes)
{
    (void)dev, (void)offset, (void)bytes;
    return 0xff;
}

/* --- writes ---------------------------------------------------------------------------------------------- */

static void port_a_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    Sysctl *s = dev;
    (void)offset, (void)bytes;
    bool reset = value & ~s->port_a & PORT_A_RESET;
    s->port_a = (u8)value;
    irq_set(&s->a20, value & PORT_A_A20);
    if (!reset) return;
    irq_set(&s->reset, true);
    irq_set(&s->reset, false);
}

static void port_b_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    Sysctl *s = dev;
    (void)offset, (void)bytes;
    s->port_b = value & PORT_B_WRITABLE;
    pit_set_gate2(s->pit, value & PORT_B_GATE2);
    speaker_set_data(s->speaker, value & PORT_B_SPEAKER);
}

static void ferr_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    Sysctl *s = dev;
    (void)offset, (void)value, (void)bytes;
    irq_set(&s->irq13, false);
}

/* --- events ---------------------------------------------------------------------------------------------- */

void sysctl_a20_changed(Sysctl *s, bool enabled)
{
    s->port_a = (s->port_a & ~PORT_A_A20) | (enabled ? PORT_A_A20 : 0);
}

/* IRQ13 is a latch: set by the error's edge, cleared by port F0h or when the error goes away. */
void sysctl_ferr(Sysctl *s, bool level)
{
    if (level == s->ferr) return;
    s->ferr = level;
    irq_set(&s->irq13, level);
}

/* --- life cycle ------------------------------------------------------------------------------------------ */

void sysctl_reset(void *dev)
{
    Sysctl *s = dev;
    s->port_a = PORT_A_A20;
    s->port_b = 0;
    s->ferr = false;
    pit_set_gate2(s->pit, false);
    speaker_set_data(s->speaker, false);
    irq_set(&s->irq13, false);
}

static void sysctl_state(void *dev, State *s)
{
    Sysctl *c = dev;
    state_u8(s, "port_a", &c->port_a);
    state_u8(s, "port_b", &c->port_b);
    state_bool(s, "ferr", &c->ferr);
}

const PartKind sysctl_part = {.version = 1, .reset = sysctl_reset, .state = sysctl_state};

static const IoOps port_a_ops = {port_a_read, port_a_write, 1, 1};
static const IoOps port_b_ops = {port_b_read, port_b_write, 1, 1};
static const IoOps ferr_ops = {ferr_read, ferr_write, 1, 1};

void sysctl_init(Sysctl *s, Bus *bus, Pit *pit, Speaker *speaker, IrqLine reset, IrqLine a20, IrqLine irq13)
{
    *s = (Sysctl){.pit = pit, .speaker = speaker, .reset = reset, .a20 = a20, .irq13 = irq13};
    sysctl_reset(s);
    bus_add_ports(bus, 0x61, 1, &port_b_ops, s, "port61");
    bus_add_ports(bus, 0x92, 1, &port_a_ops, s, "port92");
    bus_add_ports(bus, 0xf0, 1, &ferr_ops, s, "ferr");
}
