/* parallel.c - a PS/2 class parallel port (SPP with a direction bit), and a printer that takes every byte at once.
 *
 * Manual: IBM PS/2 Hardware Interface Technical Reference, "Parallel Port Controller". Ports: +0 data, +1 status, +2 control.
 *
 * The byte in the data register goes to the backend when the strobe bit rises. The printer is never busy, out of
 * paper or in error; it answers with nACK low for ACK_NS, whose end is the interrupt, if the control register
 * lets it through. The interrupt stays until the status is read or the next byte is strobed.
 *
 * With the direction bit set the data register reads what the other side drives: nothing, all ones. That, and reading back
 * what was written otherwise, is how firmware and drivers find the port.
 *
 * Not implemented: EPP and ECP, input from the backend.
 */
#include "hw/parallel.h"

enum { DATA, STATUS, CONTROL, REGISTERS };
enum {
    STATUS_RESERVED = 0x03,
    STATUS_NO_IRQ = 0x04,
    STATUS_NO_ERROR = 0x08,
    STATUS_SELECTED = 0x10,
    STATUS_NO_ACK = 0x40,
    STATUS_NOT_BUSY = 0x80
};
enum {
    CONTROL_STROBE = 0x01,
    CONTROL_INIT = 0x04,
    CONTROL_SELECT = 0x08,
    CONTROL_IRQ = 0x10,
    CONTROL_INPUT = 0x20
};
enum { CONTROL_WRITABLE = 0x3f, CONTROL_RESERVED = 0xc0, ACK_NS = 5000 };

static void irq_update(Parallel *p) { irq_set(&p->irq, p->interrupt && p->control & CONTROL_IRQ); }

/* --- reads ----------------------------------------------------------------------------------------------- */

static u8 read_status(Parallel *p)
{
    u8 v = STATUS_RESERVED | STATUS_NO_ERROR | STATUS_SELECTED | STATUS_NOT_BUSY;
    if (!p->acking) v |= STATUS_NO_ACK;
    if (!p->interrupt) v |= STATUS_NO_IRQ;
    p->interrupt = false;
    irq_update(p);
    return v;
}

static u32 parallel_read(void *dev, u32 offset, unsigned bytes)
{
    Parallel *p = dev;
    (void)bytes;
    switch (offset) {
    case DATA: return p->control & CONTROL_INPUT ? 0xff : p->data;
    case STATUS: return read_status(p);
    case CONTROL: return p->control | CONTROL_RESERVED;
    default: return 0xff;
    }
}

/* --- writes ---------------------------------------------------------------------------------------------- */

static void strobe(Parallel *p)
{
    chardev_write(p->backend, &p->data, 1);
    p->interrupt = false;
    p->acking = true;
    clock_arm(p->clock, &p->timer, clock_now(p->clock) + ACK_NS);
}

static void write_control(Parallel *p, u8 v)
{
    bool rises = v & ~p->control & CONTROL_STROBE;
    p->control = v & CONTROL_WRITABLE;
    if (rises) strobe(p);
    irq_update(p);
}

static void parallel_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    Parallel *p = dev;
    (void)bytes;
    if (offset == DATA) p->data = (u8)value;
    if (offset == CONTROL) write_control(p, (u8)value);
}

/* --- events ---------------------------------------------------------------------------------------------- */

static void parallel_fire(void *parallel)
{
    Parallel *p = parallel;
    p->acking = false;
    p->interrupt = true;
    irq_update(p);
}

/* --- life cycle ------------------------------------------------------------------------------------------ */

void parallel_reset(void *dev)
{
    Parallel *p = dev;
    clock_disarm(p->clock, &p->timer);
    p->data = 0;
    p->control = CONTROL_INIT | CONTROL_SELECT;
    p->acking = p->interrupt = false;
    irq_update(p);
}

static void parallel_state(void *dev, State *s)
{
    Parallel *p = dev;
    state_u8(s, "data", &p->data);
    state_u8(s, "control", &p->control);
    state_bool(s, "acking", &p->acking);
    state_bool(s, "interrupt", &p->interrupt);
    state_timer(s, "timer", p->clock, &p->timer);
}

const PartKind parallel_part = {.version = 1, .reset = parallel_reset, .state = parallel_state};

static const IoOps parallel_ops = {parallel_read, parallel_write, 1, 1};

void parallel_init(Parallel *p, Bus *bus, u16 port, Clock *clock, Chardev *backend, IrqLine irq,
                   const char *name)
{
    *p = (Parallel){
        .clock = clock, .backend = backend, .irq = irq, .timer = {.fire = parallel_fire, .ctx = p}};
    parallel_reset(p);
    bus_add_ports(bus, port, REGISTERS, &parallel_ops, p, name);
}
