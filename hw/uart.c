/* uart.c - NS16550A universal asynchronous receiver/transmitter with FIFOs.
 *
 * Datasheet: National Semiconductor PC16550D. Ports: base+0 .. base+7 (COM1 3F8h IRQ4, COM2 2F8h IRQ3).
 *
 * Transmission is instant: a byte written to THR goes to the backend and the transmitter is empty again, so
 * that a kernel's console costs no time; LSR always shows THRE and TEMT. The THRE *interrupt* is honoured: it comes
 * with every write and when IER enables it, and goes by reading IIR.
 *
 * Reception: bytes are taken from the backend only as the FIFO has room, so nothing is ever overrun from outside.
 * The far end honours the modem lines, as a terminal with RTS/CTS does: it sends while RTS is up. So what is typed
 * (or piped in) while a kernel boots is not lost in the FIFO resets of a driver's probing, but waits until the
 * port is opened. (DTR is no sign of that: Linux raises it with the console.) A guest that has not raised RTS since
 * reset is taken for one that knows three wires (xv6: MCR = 0, IER = 1): it gets input while the receive interrupt is
 * enabled, from SETTLE_NS after the first time on, which a driver that probes does not wait for; and if it never
 * touches MCR, when it looks at LSR.
 *
 * Quirks that guests rely on: interrupts pass only while MCR OUT2 is on (it gates the line on a PC) and not in
 * loopback, but for a guest that has not raised OUT2 since reset: such were written on emulators that have no gate.
 * IIR bits 6-7 show enabled FIFOs; IER bits 4-7 and MCR bits 5-7 stay 0; reads of the scratch register; DCD, DSR and
 * CTS are up if a backend is plugged in.
 *
 * Not implemented: line speed (the divisor only sets the character timeout), parity and framing errors, break
 * towards the backend.
 */
#include "hw/uart.h"

#include <string.h>

enum { RBR_THR_DLL, IER_DLM, IIR_FCR, LCR, MCR, LSR, MSR, SCR };
enum { IER_ERBFI = 0x01, IER_ETBEI = 0x02, IER_ELSI = 0x04, IER_EDSSI = 0x08, IER_WRITABLE = 0x0f };
enum {
    IIR_NONE = 0x01,
    IIR_MODEM = 0x00,
    IIR_THRE = 0x02,
    IIR_DATA = 0x04,
    IIR_LINE = 0x06,
    IIR_TIMEOUT = 0x0c,
    IIR_FIFOS = 0xc0
};
enum { FCR_ENABLE = 0x01, FCR_CLEAR_RX = 0x02, FCR_TRIGGER = 0xc0 };
enum { LCR_WLS = 0x03, LCR_STB = 0x04, LCR_PEN = 0x08, LCR_DLAB = 0x80 };
enum {
    MCR_DTR = 0x01,
    MCR_RTS = 0x02,
    MCR_OUT1 = 0x04,
    MCR_OUT2 = 0x08,
    MCR_LOOP = 0x10,
    MCR_WRITABLE = 0x1f
};
enum { LSR_DR = 0x01, LSR_OE = 0x02, LSR_THRE = 0x20, LSR_TEMT = 0x40 };
enum {
    MSR_DCTS = 0x01,
    MSR_DDSR = 0x02,
    MSR_TERI = 0x04,
    MSR_DDCD = 0x08,
    MSR_CTS = 0x10,
    MSR_DSR = 0x20,
    MSR_RI = 0x40,
    MSR_DCD = 0x80
};
enum { CRYSTAL_HZ = 1843200, CLOCKS_PER_BIT = 16, TIMEOUT_CHARS = 4, SETTLE_NS = 10000000 };

/* --- state as the guest sees it -------------------------------------------------------------------------- */

static u8 capacity(const Uart *u) { return u->fcr & FCR_ENABLE ? UART_FIFO_BYTES : 1; }

static u8 trigger_level(const Uart *u)
{
    static const u8 level[4] = {1, 4, 8, 14};
    return u->fcr & FCR_ENABLE ? level[u->fcr >> 6] : 1;
}

static u8 line_status(const Uart *u) { return LSR_THRE | LSR_TEMT | u->lsr_errors | (u->count ? LSR_DR : 0); }

static u8 modem_lines(const Uart *u)
{
    u8 m = u->mcr;
    if (!(m & MCR_LOOP)) return u->backend ? MSR_DCD | MSR_DSR | MSR_CTS : 0;
    return (u8)((m & MCR_RTS ? MSR_CTS : 0) | (m & MCR_DTR ? MSR_DSR : 0) | (m & MCR_OUT1 ? MSR_RI : 0) |
                (m & MCR_OUT2 ? MSR_DCD : 0));
}

/* The most urgent enabled interrupt, as IIR shows it. */
static u8 interrupt_id(const Uart *u)
{
    if (u->ier & IER_ELSI && u->lsr_errors) return IIR_LINE;
    if (u->ier & IER_ERBFI && u->count >= trigger_level(u)) return IIR_DATA;
    if (u->ier & IER_ERBFI && u->timed_out) return IIR_TIMEOUT;
    if (u->ier & IER_ETBEI && u->thre) return IIR_THRE;
    if (u->ier & IER_EDSSI && u->msr_deltas) return IIR_MODEM;
    return IIR_NONE;
}

static bool irq_passes(const Uart *u)
{
    return !(u->mcr & MCR_LOOP) && (u->mcr & MCR_OUT2 || !(u->raised & MCR_OUT2));
}

static void irq_update(Uart *u)
{
    bool level = irq_passes(u) && interrupt_id(u) != IIR_NONE;
    if (level != u->irq_level) irq_set(&u->irq, level);
    u->irq_level = level;
}

/* --- receiver -------------------------------------------------------------------------------------------- */

static u64 char_ns(const Uart *u)
{
    u32 bits = 1 + 5 + (u->lcr & LCR_WLS) + (u->lcr & LCR_PEN ? 1 : 0) + (u->lcr & LCR_STB ? 2 : 1);
    return muldiv64((u64)bits * CLOCKS_PER_BIT * (u->divisor ? u->divisor : 1), 1000000000u, CRYSTAL_HZ);
}

/* The receiver FIFO was read or filled: the character timeout starts anew. */
static void timeout_restart(Uart *u)
{
    u->timed_out = false;
    if (u->count && u->fcr & FCR_ENABLE && u->ier & IER_ERBFI)
        clock_arm(u->clock, &u->timer, clock_now(u->clock) + TIMEOUT_CHARS * char_ns(u));
    else
        clock_disarm(u->clock, &u->timer);
}

static void fifo_clear(Uart *u)
{
    u->count = 0;
    timeout_restart(u);
}

static void fifo_put(Uart *u, u8 byte)
{
    if (u->count < capacity(u))
        u->fifo[u->count++] = byte;
    else
        u->lsr_errors |= LSR_OE;
    timeout_restart(u);
}

static void pull(Uart *u)
{
    if (!u->backend || u->mcr & MCR_LOOP || u->count >= capacity(u)) return;
    u32 n = chardev_read(u->backend, u->fifo + u->count, (u32)(capacity(u) - u->count));
    if (!n) return;
    u->count += (u8)n;
    timeout_restart(u);
    irq_update(u);
}

static bool far_end_sends(const Uart *u)
{
    return u->raised & MCR_RTS ? u->mcr & MCR_RTS : u->listens && u->ier & IER_ERBFI;
}

void uart_receive(void *uart)
{
    Uart *u = uart;
    if (far_end_sends(u)) pull(u);
}

/* --- reads ----------------------------------------------------------------------------------------------- */

static u8 read_rbr(Uart *u)
{
    u8 v = u->fifo[0];
    if (!u->count) return 0;
    memmove(u->fifo, u->fifo + 1, --u->count);
    timeout_restart(u);
    if (!u->count) uart_receive(u);
    return v;
}

static u8 read_iir(Uart *u)
{
    u8 id = interrupt_id(u);
    if (id == IIR_THRE) u->thre = false;
    return id | (u->fcr & FCR_ENABLE ? IIR_FIFOS : 0);
}

static u8 read_lsr(Uart *u)
{
    if (!u->mcr_written && !u->count) pull(u);
    u8 v = line_status(u);
    u->lsr_errors = 0;
    return v;
}

static u8 read_msr(Uart *u)
{
    u8 v = modem_lines(u) | u->msr_deltas;
    u->msr_deltas = 0;
    return v;
}

static u8 read_register(Uart *u, u32 reg)
{
    bool dlab = u->lcr & LCR_DLAB;
    switch (reg) {
    case RBR_THR_DLL: return dlab ? (u8)u->divisor : read_rbr(u);
    case IER_DLM: return dlab ? (u8)(u->divisor >> 8) : u->ier;
    case IIR_FCR: return read_iir(u);
    case LCR: return u->lcr;
    case MCR: return u->mcr;
    case LSR: return read_lsr(u);
    case MSR: return read_msr(u);
    default: return u->scr;
    }
}

static u32 uart_read(void *dev, u32 offset, unsigned bytes)
{
    (void)bytes;
    u8 v = read_register(dev, offset);
    irq_update(dev);
    return v;
}

/* All but what takes something: a byte, or the THRE interrupt. */
static u64 uart_still(void *dev, u32 offset)
{
    (void)dev;
    return offset == RBR_THR_DLL || offset == IIR_FCR ? 0 : STILL_UNTIL_EVENT;
}

/* --- writes ---------------------------------------------------------------------------------------------- */

static void write_thr(Uart *u, u8 v)
{
    if (u->mcr & MCR_LOOP)
        fifo_put(u, v);
    else
        chardev_write(u->backend, &v, 1);
    u->thre = true;
}

/* The receive interrupt was switched. Is it by a driver that waits for input, or by one that probes? */
static void listen(Uart *u)
{
    if (u->ier & IER_ERBFI && !u->listens && !(u->raised & MCR_RTS))
        clock_arm(u->clock, &u->settle, clock_now(u->clock) + SETTLE_NS);
    else
        clock_disarm(u->clock, &u->settle);
    uart_receive(u);
}

/* Enabling ETBEI while the transmitter is empty interrupts at once. */
static void write_ier(Uart *u, u8 v)
{
    v &= IER_WRITABLE;
    if (v & ~u->ier & IER_ETBEI) u->thre = true;
    bool receiving_changed = (v ^ u->ier) & IER_ERBFI;
    u->ier = v;
    if (!receiving_changed) return;
    timeout_restart(u);
    listen(u);
}

static void write_fcr(Uart *u, u8 v)
{
    bool toggled = (v ^ u->fcr) & FCR_ENABLE;
    u->fcr = v & FCR_ENABLE ? v & (FCR_ENABLE | FCR_TRIGGER) : 0;
    if (toggled || (v & FCR_ENABLE && v & FCR_CLEAR_RX)) fifo_clear(u);
    if (toggled) u->lsr_errors = 0;
}

static void write_mcr(Uart *u, u8 v)
{
    u8 before = modem_lines(u);
    u->mcr = v & MCR_WRITABLE;
    u->mcr_written = true;
    if (!(v & MCR_LOOP)) u->raised |= u->mcr;
    u8 changed = before ^ modem_lines(u);
    u->msr_deltas |= (u8)((changed & MSR_CTS ? MSR_DCTS : 0) | (changed & MSR_DSR ? MSR_DDSR : 0) |
                          (changed & before & MSR_RI ? MSR_TERI : 0) | (changed & MSR_DCD ? MSR_DDCD : 0));
    uart_receive(u);
}

static void write_register(Uart *u, u32 reg, u8 v)
{
    bool dlab = u->lcr & LCR_DLAB;
    switch (reg) {
    case RBR_THR_DLL:
        if (dlab)
            u->divisor = (u16)((u->divisor & 0xff00) | v);
        else
            write_thr(u, v);
        return;
    case IER_DLM:
        if (dlab)
            u->divisor = (u16)((u->divisor & 0x00ff) | v << 8);
        else
            write_ier(u, v);
        return;
    case IIR_FCR: write_fcr(u, v); return;
    case LCR: u->lcr = v; return;
    case MCR: write_mcr(u, v); return;
    case SCR: u->scr = v; return;
    default: return; /* LSR and MSR: factory test only */
    }
}

static void uart_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    (void)bytes;
    write_register(dev, offset, (u8)value);
    irq_update(dev);
}

/* --- events ---------------------------------------------------------------------------------------------- */

static void uart_timeout(void *uart)
{
    Uart *u = uart;
    u->timed_out = u->count != 0;
    irq_update(u);
}

static void uart_settled(void *uart)
{
    Uart *u = uart;
    u->listens = true;
    uart_receive(u);
}

/* --- life cycle ------------------------------------------------------------------------------------------ */

void uart_reset(void *dev)
{
    Uart *u = dev;
    u->ier = u->fcr = u->lcr = u->mcr = u->scr = 0;
    u->lsr_errors = u->msr_deltas = 0;
    u->divisor = 12; /* 9600 baud, as firmware leaves it */
    u->thre = u->mcr_written = u->listens = false;
    u->raised = 0;
    clock_disarm(u->clock, &u->settle);
    fifo_clear(u);
    irq_update(u);
}

static void uart_state(void *dev, State *s)
{
    Uart *u = dev;
    state_u8(s, "ier", &u->ier);
    state_u8(s, "fcr", &u->fcr);
    state_u8(s, "lcr", &u->lcr);
    state_u8(s, "mcr", &u->mcr);
    state_u8(s, "scr", &u->scr);
    state_u8(s, "lsr_errors", &u->lsr_errors);
    state_u8(s, "msr_deltas", &u->msr_deltas);
    state_u16(s, "divisor", &u->divisor);
    state_bytes(s, "fifo", u->fifo, UART_FIFO_BYTES);
    state_u8(s, "count", &u->count);
    state_check(s, u->count <= capacity(u), "count");
    state_bool(s, "thre", &u->thre);
    state_bool(s, "timed_out", &u->timed_out);
    state_bool(s, "mcr_written", &u->mcr_written);
    state_u8(s, "raised", &u->raised);
    state_bool(s, "listens", &u->listens);
    state_bool(s, "irq_level", &u->irq_level);
    state_timer(s, "timer", u->clock, &u->timer);
    state_timer(s, "settle", u->clock, &u->settle);
}

const PartKind uart_part = {.version = 1, .reset = uart_reset, .state = uart_state};

static const IoOps uart_ops = {uart_read, uart_write, 1, 1};

void uart_init(Uart *u, Bus *bus, u16 port, Clock *clock, Chardev *backend, IrqLine irq, const char *name)
{
    *u = (Uart){.clock = clock, .backend = backend, .irq = irq};
    u->timer = (Timer){.fire = uart_timeout, .ctx = u};
    u->settle = (Timer){.fire = uart_settled, .ctx = u};
    uart_reset(u);
    bus_set_still(bus, bus_add_ports(bus, port, 8, &uart_ops, u, name), uart_still);
    if (!backend) return;
    backend->on_input = uart_receive;
    backend->dev = u;
}
