/* mpu401.c - MPU-401: MIDI out, as a UART.
 *
 * Manual: Roland, MPU-401 Technical Reference, "UART mode"; Creative, Sound Blaster Series Hardware Programming Guide,
 * "MPU-401". Two ports, at 330h or 300h: data, and behind it status (read: bit 7 DSR, low while a byte waits to be
 * read; bit 6 DRR, low while there is room) and command (write). FFh is reset, 3Fh the UART mode; both are acknowledged
 * by FEh, but for a reset of the UART.
 *
 * A byte takes 320 us on the cable. It is told as it comes, and only where the guest is more than MPU401_FIFO bytes
 * ahead of the cable is there no room: what it writes then is lost. So whoever listens has a bound.
 *
 * Not implemented: the intelligent mode (its commands are acknowledged, and nothing follows), MIDI in.
 */
#include "hw/mpu401.h"

enum { DATA, COMMAND, PORTS, ACK = 0xfe, RESET = 0xff, UART = 0x3f };
enum { NO_DATA = 0x80, NO_ROOM = 0x40, OTHER_BITS = 0x3f, BYTE_NS = 320000 };

/* --- read ------------------------------------------------------------------------------------------------ */

static bool has_room(const Mpu401 *m)
{
    return m->sent_ns + BYTE_NS <= clock_now(m->clock) + (u64)MPU401_FIFO * BYTE_NS;
}

static void answer_set(Mpu401 *m, bool has_answer)
{
    m->has_answer = has_answer;
    irq_set(&m->irq, has_answer);
}

static u32 mpu401_read(void *dev, u32 offset, unsigned bytes)
{
    Mpu401 *m = dev;
    (void)bytes;
    if (offset == COMMAND) return OTHER_BITS | (m->has_answer ? 0u : NO_DATA) | (has_room(m) ? 0u : NO_ROOM);
    answer_set(m, false);
    return m->answer;
}

/* --- write ----------------------------------------------------------------------------------------------- */

static void midi_write(Mpu401 *m, u8 v)
{
    u64 now = clock_now(m->clock);
    if (!m->uart || !has_room(m)) return;
    m->sent_ns = (m->sent_ns > now ? m->sent_ns : now) + BYTE_NS;
    if (m->out && m->out->byte) m->out->byte(m->out->ctx, v);
}

/* As a UART it knows reset only, and does not acknowledge it. */
static void command_write(Mpu401 *m, u8 v)
{
    if (m->uart && v != RESET) return;
    m->answer = ACK;
    answer_set(m, !m->uart);
    m->uart = v == UART;
    if (m->uart && m->out && m->out->begin) m->out->begin(m->out->ctx);
}

static void mpu401_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    Mpu401 *m = dev;
    (void)bytes;
    if (offset == DATA)
        midi_write(m, (u8)value);
    else
        command_write(m, (u8)value);
}

/* --- life cycle ------------------------------------------------------------------------------------------ */

static void quiet(const Mpu401 *m)
{
    if (m->out && m->out->quiet) m->out->quiet(m->out->ctx);
}

void mpu401_reset(void *dev)
{
    Mpu401 *m = dev;
    m->answer = 0;
    m->sent_ns = 0;
    m->uart = false;
    answer_set(m, false);
    quiet(m);
}

void mpu401_state(void *dev, State *s)
{
    Mpu401 *m = dev;
    state_u8(s, "mpu_answer", &m->answer);
    state_bool(s, "mpu_has_answer", &m->has_answer);
    state_bool(s, "mpu_uart", &m->uart);
    state_u64(s, "mpu_sent_ns", &m->sent_ns);
    state_check(s, m->sent_ns < CLOCK_NS_MAX, "mpu_sent_ns");
}

void mpu401_loaded(void *dev)
{
    Mpu401 *m = dev;
    irq_set(&m->irq, m->has_answer);
    quiet(m);
}

const PartKind mpu401_part = {
    .version = 1, .reset = mpu401_reset, .state = mpu401_state, .loaded = mpu401_loaded};

static const IoOps mpu401_ops = {mpu401_read, mpu401_write, 1, 1};

void mpu401_init(Mpu401 *m, Bus *bus, u16 iobase, Clock *clock, const MidiOut *out, IrqLine irq)
{
    *m = (Mpu401){.clock = clock, .out = out, .irq = irq};
    bus_add_ports(bus, iobase, PORTS, &mpu401_ops, m, "mpu401");
}
