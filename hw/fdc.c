/* fdc.c - 82077AA floppy disk controller in PC/AT mode: registers, the phases of a command, seeks, and commands without data.
 *
 * Datasheet: Intel 82077AA (290166), "Registers", "Command Set/Descriptions", "Status Register Encoding". Ports: 3F2h DOR,
 * 3F3h TDR, 3F4h MSR/DSR, 3F5h FIFO, 3F7h DIR/CCR; IRQ 6, DMA channel 2. Data commands are in fdc_transfer.c.
 *
 * Time is short, so that booting is: a sector takes FDC_SECTOR_NS, a seek SEEK_NS however far, and the motor is at speed
 * at once.
 *
 * Quirks that guests rely on: after a reset, polling switched off or not, an interrupt comes and four SENSE INTERRUPT STATUS
 * each report a drive; SENSE INTERRUPT STATUS with nothing to report is an invalid command; the change line falls with a
 * step, so a recalibration at track 0 does not move it.
 *
 * Not implemented: PS/2 and Model 30 modes (ports 3F0h, 3F1h), tape drives, power-down. FIFO thresholds only say how often
 * non-DMA mode interrupts.
 */
#include "hw/fdc_parts.h"

enum { PORT_BASE = 0x3f2, PORT_DIR = 0x3f7 };
enum { REG_DOR, REG_TDR, REG_MSR, REG_FIFO }; /* from 3F2h */
enum { DOR_UNIT = 0x03, DOR_NOT_RESET = 0x04, DOR_DMA_GATE = 0x08 };
enum { MSR_BUSY = 0x10, MSR_NON_DMA = 0x20, MSR_TO_HOST = 0x40, MSR_RQM = 0x80 };
enum { DSR_RESET = 0x80, DSR_RATE = 0x03, DIR_CHANGED = 0x80 };
enum { ST0_EQUIPMENT = 0x10, ST0_INVALID = 0x80, ST0_READY_CHANGED = 0xc0 };
enum { ST3_TWO_SIDED = 0x08, ST3_TRACK0 = 0x10, ST3_READY = 0x20, ST3_PROTECTED = 0x40 };
enum { SEEK_INWARD = 0x40, RECALIBRATE_STEPS = 79, VERSION = 0x90 };
enum { SEEK_NS = 300000, RESET_NS = 50000 };

static void invalid(Fdc *f);

/* --- interrupt and phases -------------------------------------------------------------------------------- */

void fdc_interrupt(Fdc *f, bool level)
{
    f->interrupt = level;
    irq_set(&f->irq6, level && f->dor & DOR_DMA_GATE);
}

/* What raised it has been served; a seek that ended meanwhile has not. */
static void interrupt_served(Fdc *f)
{
    bool more = false;
    for (unsigned n = 0; n < FDC_UNITS; n++) more |= f->unit[n].seek_ended;
    fdc_interrupt(f, more);
}

static void await_command(Fdc *f)
{
    f->phase = FDC_COMMAND;
    f->command_bytes = f->command_wanted = 0;
}

void fdc_result_begin(Fdc *f)
{
    f->phase = FDC_RESULT;
    f->result_bytes = f->result_next = 0;
}

void fdc_result_add(Fdc *f, u8 byte)
{
    CHECK(f->result_bytes < FDC_RESULT_BYTES, "a result of more than %d bytes", FDC_RESULT_BYTES);
    f->result[f->result_bytes++] = byte;
}

static void result_one(Fdc *f, u8 byte)
{
    fdc_result_begin(f);
    fdc_result_add(f, byte);
}

/* --- seeks ----------------------------------------------------------------------------------------------- */

static void seek_begin(Fdc *f, u8 target, bool recalibrates)
{
    FdcUnit *u = &f->unit[f->command[1] & 3];
    u->target = target;
    u->recalibrates = recalibrates;
    u->seek_ended = false;
    clock_arm(f->clock, &u->timer, clock_now(f->clock) + SEEK_NS);
    await_command(f);
}

static void relative_seek(Fdc *f)
{
    int by = f->command[0] & SEEK_INWARD ? f->command[2] : -f->command[2];
    seek_begin(f, (u8)(f->unit[f->command[1] & 3].pcn + by), false);
}

static u8 recalibrate(FdcUnit *u)
{
    Floppy *d = &u->floppy;
    u->pcn = 0;
    floppy_step(d, d->track < RECALIBRATE_STEPS ? -d->track : -RECALIBRATE_STEPS);
    return floppy_present(d) && !d->track ? ST0_SEEK_END : ST0_SEEK_END | ST0_ABNORMAL | ST0_EQUIPMENT;
}

static void unit_fire(void *unit)
{
    FdcUnit *u = unit;
    if (u->recalibrates) {
        u->st0 = recalibrate(u) | u->number;
    } else {
        floppy_step(&u->floppy, u->target - u->pcn);
        u->pcn = u->target;
        u->st0 = ST0_SEEK_END | u->number;
    }
    u->seek_ended = true;
    fdc_interrupt(u->fdc, true);
}

/* --- commands without data ------------------------------------------------------------------------------- */

static void sense_interrupt(Fdc *f)
{
    FdcUnit *u = f->unit;
    if (f->reset_senses) {
        u = &f->unit[FDC_UNITS - f->reset_senses--];
        u->st0 = ST0_READY_CHANGED | u->number;
    } else {
        while (u < f->unit + FDC_UNITS && !u->seek_ended) u++;
        if (u == f->unit + FDC_UNITS) {
            invalid(f);
            return;
        }
        u->seek_ended = false;
    }
    interrupt_served(f);
    result_one(f, u->st0);
    fdc_result_add(f, u->pcn);
}

static void sense_drive(Fdc *f)
{
    const FdcUnit *u = &f->unit[f->command[1] & 3];
    u8 st3 = (u8)(ST3_READY | ST3_TWO_SIDED | (f->command[1] & 7));
    if (floppy_present(&u->floppy) && !u->floppy.track) st3 |= ST3_TRACK0;
    if (floppy_protected(&u->floppy)) st3 |= ST3_PROTECTED;
    result_one(f, st3);
}

static void dump_registers(Fdc *f)
{
    fdc_result_begin(f);
    for (unsigned n = 0; n < FDC_UNITS; n++) fdc_result_add(f, f->unit[n].pcn);
    fdc_result_add(f, f->specify[0]);
    fdc_result_add(f, f->specify[1]);
    fdc_result_add(f, f->transfer.last);
    fdc_result_add(f, (u8)((f->locked ? 0x80 : 0) | (f->perpendicular & 0x3f)));
    fdc_result_add(f, f->config);
    fdc_result_add(f, f->pretrk);
}

static void specify(Fdc *f)
{
    f->specify[0] = f->command[1];
    f->specify[1] = f->command[2];
    await_command(f);
}

static void configure(Fdc *f)
{
    f->config = f->command[2] & 0x7f;
    f->pretrk = f->command[3];
    await_command(f);
}

/* The drive bits stay unless OW is set. */
static void perpendicular(Fdc *f)
{
    u8 v = f->command[1], drives = (v & 0x80 ? v : f->perpendicular) & 0x3c;
    f->perpendicular = (u8)(drives | (v & 0x03));
    await_command(f);
}

static void lock(Fdc *f)
{
    f->locked = f->command[0] & 0x80;
    result_one(f, f->locked ? 0x10 : 0x00);
}

static void invalid(Fdc *f) { result_one(f, ST0_INVALID); }

static void version(Fdc *f) { result_one(f, VERSION); }
static void seek(Fdc *f) { seek_begin(f, f->command[2], false); }
static void recalibration(Fdc *f) { seek_begin(f, 0, true); }

/* --- the command phase ----------------------------------------------------------------------------------- */

/* Opcodes under their mask (the free bits are MT, MFM, SK and the like), with the bytes that follow. */
static const struct {
    u8 mask, opcode, parameters;
    void (*run)(Fdc *f);
} commands[] = {
    {0x1f, READ_DATA, 8, fdc_transfer_begin},
    {0x1f, READ_DELETED, 8, fdc_transfer_begin},
    {0x3f, WRITE_DATA, 8, fdc_transfer_begin},
    {0x3f, WRITE_DELETED, 8, fdc_transfer_begin},
    {0x9f, READ_TRACK, 8, fdc_transfer_begin},
    {0x1f, VERIFY, 8, fdc_transfer_begin},
    {0x1f, SCAN_EQUAL, 8, fdc_transfer_begin},
    {0x1f, SCAN_LOW, 8, fdc_transfer_begin},
    {0x1f, SCAN_HIGH, 8, fdc_transfer_begin},
    {0xbf, FORMAT_TRACK, 5, fdc_transfer_begin},
    {0xbf, READ_ID, 1, fdc_transfer_begin},
    {0xff, RECALIBRATE, 1, recalibration},
    {0xff, SENSE_INTERRUPT, 0, sense_interrupt},
    {0xff, SPECIFY, 2, specify},
    {0xff, SENSE_DRIVE, 1, sense_drive},
    {0xff, CONFIGURE, 3, configure},
    {0xff, SEEK, 2, seek},
    {0xbf, SEEK | 0x80, 2, relative_seek},
    {0xff, DUMPREG, 0, dump_registers},
    {0xff, GET_VERSION, 0, version},
    {0xff, PERPENDICULAR, 1, perpendicular},
    {0x7f, LOCK, 0, lock},
};

static unsigned command_find(u8 opcode)
{
    unsigned n = 0;
    while (n < ARRAY_LEN(commands) && (opcode & commands[n].mask) != commands[n].opcode) n++;
    return n;
}

static void write_command_byte(Fdc *f, u8 v)
{
    unsigned n = command_find(f->command_bytes ? f->command[0] : v);
    CHECK(f->command_bytes < FDC_COMMAND_BYTES, "command %02x has no end", f->command[0]);
    f->command[f->command_bytes++] = v;
    if (n == ARRAY_LEN(commands)) {
        trace(GUEST_ERRORS, "fdc: command %02x", v);
        invalid(f);
        return;
    }
    f->command_wanted = commands[n].parameters + 1;
    if (f->command_bytes < f->command_wanted) return;
    if (commands[n].opcode != SENSE_INTERRUPT) f->reset_senses = 0;
    commands[n].run(f);
}

/* --- reset ----------------------------------------------------------------------------------------------- */

static void reset_enter(Fdc *f)
{
    clock_disarm(f->clock, &f->timer);
    for (unsigned n = 0; n < FDC_UNITS; n++) {
        clock_disarm(f->clock, &f->unit[n].timer);
        f->unit[n].seek_ended = false;
        f->unit[n].pcn = 0;
    }
    f->phase = FDC_RESET;
    f->reset_senses = 0;
    f->transfer = (FdcTransfer){0};
    f->perpendicular &= 0x3c;
    if (!f->locked) {
        f->config = (f->config & ~CONFIG_FIFOTHR) | CONFIG_NO_FIFO;
        f->pretrk = 0;
    }
    fdc_interrupt(f, false);
}

static void reset_leave(Fdc *f) { clock_arm(f->clock, &f->timer, clock_now(f->clock) + RESET_NS); }

static void reset_over(Fdc *f)
{
    await_command(f);
    f->reset_senses = FDC_UNITS;
    fdc_interrupt(f, true);
}

static void fdc_fire(void *fdc)
{
    Fdc *f = fdc;
    if (f->phase == FDC_RESET)
        reset_over(f);
    else if (f->phase == FDC_EXECUTION)
        fdc_sector_pass(f);
}

/* --- reads ----------------------------------------------------------------------------------------------- */

static u8 read_msr(const Fdc *f)
{
    u8 msr = 0;
    for (unsigned n = 0; n < FDC_UNITS; n++) msr |= (u8)(f->unit[n].timer.armed << n);
    switch (f->phase) {
    case FDC_RESET: return 0;
    case FDC_COMMAND: return msr | MSR_RQM | (f->command_bytes ? MSR_BUSY : 0);
    case FDC_RESULT: return msr | MSR_RQM | MSR_TO_HOST | MSR_BUSY;
    default:
        if (f->specify[1] & SPECIFY_NON_DMA) msr |= MSR_NON_DMA;
        if (fdc_host_turn(f, true)) msr |= MSR_RQM | MSR_TO_HOST;
        if (fdc_host_turn(f, false)) msr |= MSR_RQM;
        return msr | MSR_BUSY;
    }
}

static u8 read_fifo(Fdc *f)
{
    if (fdc_host_turn(f, true)) {
        u8 v = f->transfer.data[f->transfer.at];
        fdc_pio_moved(f);
        return v;
    }
    if (f->phase != FDC_RESULT) {
        trace(GUEST_ERRORS, "fdc: FIFO read in phase %u", f->phase);
        return 0;
    }
    bool is_data_result = f->result_bytes == 7;
    if (is_data_result && !f->result_next) interrupt_served(f);
    u8 v = f->result[f->result_next++];
    if (f->result_next == f->result_bytes) await_command(f);
    return v;
}

static u32 fdc_read(void *dev, u32 offset, unsigned bytes)
{
    Fdc *f = dev;
    (void)bytes;
    switch (offset) {
    case REG_DOR: return f->dor;
    case REG_TDR: return f->tdr;
    case REG_MSR: return read_msr(f);
    default: return read_fifo(f);
    }
}

/* Bits 0-6 are the hard disk's on an AT. */
static u32 dir_read(void *dev, u32 offset, unsigned bytes)
{
    const Fdc *f = dev;
    (void)offset, (void)bytes;
    return f->unit[f->dor & DOR_UNIT].floppy.changed ? DIR_CHANGED : 0;
}

/* --- writes ---------------------------------------------------------------------------------------------- */

static void write_dor(Fdc *f, u8 v)
{
    bool was_running = f->dor & DOR_NOT_RESET;
    f->dor = v;
    if (!(v & DOR_NOT_RESET))
        reset_enter(f);
    else if (!was_running)
        reset_leave(f);
    fdc_interrupt(f, f->interrupt);
}

static void write_dsr(Fdc *f, u8 v)
{
    f->dsr = v & ~DSR_RESET;
    f->rate = v & DSR_RATE;
    if (!(v & DSR_RESET)) return;
    reset_enter(f);
    if (f->dor & DOR_NOT_RESET) reset_leave(f);
}

static void write_fifo(Fdc *f, u8 v)
{
    if (fdc_host_turn(f, false)) {
        f->transfer.data[f->transfer.at] = v;
        fdc_pio_moved(f);
    } else if (f->phase == FDC_COMMAND) {
        write_command_byte(f, v);
    } else {
        trace(GUEST_ERRORS, "fdc: FIFO write of %02x in phase %u", v, f->phase);
    }
}

static void fdc_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    Fdc *f = dev;
    (void)bytes;
    switch (offset) {
    case REG_DOR: write_dor(f, (u8)value); return;
    case REG_TDR: f->tdr = value & 3; return;
    case REG_MSR: write_dsr(f, (u8)value); return;
    default: write_fifo(f, (u8)value);
    }
}

static void ccr_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    (void)offset, (void)bytes;
    ((Fdc *)dev)->rate = value & DSR_RATE;
}

/* --- life cycle ------------------------------------------------------------------------------------------ */

/* RESET pin: DOR is cleared, which keeps the controller in reset until firmware writes it. */
void fdc_reset(void *dev)
{
    Fdc *f = dev;
    f->dor = f->tdr = f->dsr = 0;
    f->rate = RATE_250K;
    f->locked = false;
    f->config = CONFIG_NO_FIFO;
    f->perpendicular = 0;
    memset(f->specify, 0, sizeof f->specify);
    reset_enter(f);
}

static void unit_state(Fdc *f, FdcUnit *u, State *s)
{
    state_u8(s, "pcn", &u->pcn);
    state_u8(s, "target", &u->target);
    state_bool(s, "recalibrates", &u->recalibrates);
    state_bool(s, "seek_ended", &u->seek_ended);
    state_u8(s, "st0", &u->st0);
    state_u8(s, "type", &u->floppy.type);
    state_u8(s, "track", &u->floppy.track);
    state_bool(s, "changed", &u->floppy.changed);
    state_timer(s, "timer", f->clock, &u->timer);
}

static void transfer_state(FdcTransfer *t, State *s)
{
    state_u8(s, "transfer.command", &t->command);
    state_bool(s, "transfer.multi_track", &t->multi_track);
    state_bool(s, "transfer.skip_deleted", &t->skip_deleted);
    state_u8(s, "transfer.unit", &t->unit);
    state_check(s, t->unit < FDC_UNITS, "transfer.unit");
    state_u8(s, "transfer.head", &t->head);
    state_check(s, t->head <= 1, "transfer.head");
    state_u8(s, "transfer.c", &t->c);
    state_u8(s, "transfer.h", &t->h);
    state_u8(s, "transfer.r", &t->r);
    state_u8(s, "transfer.n", &t->n);
    state_u8(s, "transfer.last", &t->last);
    state_u8(s, "transfer.left", &t->left);
    state_u8(s, "transfer.seen", &t->seen);
    state_u8(s, "transfer.st0", &t->st0);
    state_u8(s, "transfer.st1", &t->st1);
    state_u8(s, "transfer.st2", &t->st2);
    state_bool(s, "transfer.to_host", &t->to_host);
    state_u16(s, "transfer.at", &t->at);
    state_u16(s, "transfer.bytes", &t->bytes);
    state_check(s, t->at <= t->bytes && t->bytes <= SECTOR_BYTES, "transfer.at");
    state_bool(s, "transfer.held", &t->held);
    state_bool(s, "transfer.terminal", &t->terminal);
    state_bytes(s, "transfer.data", t->data, sizeof t->data);
}

static void fdc_state(void *dev, State *s)
{
    Fdc *f = dev;
    for (unsigned n = 0; n < FDC_UNITS; n++) {
        state_group(s, "unit", n);
        unit_state(f, &f->unit[n], s);
        state_group_end(s);
    }
    state_enum(s, "phase", &f->phase, FDC_RESULT + 1);
    state_u8(s, "dor", &f->dor);
    state_u8(s, "tdr", &f->tdr);
    state_u8(s, "dsr", &f->dsr);
    state_u8(s, "rate", &f->rate);
    state_check(s, f->rate <= DSR_RATE, "rate");
    state_bytes(s, "specify", f->specify, sizeof f->specify);
    state_u8(s, "config", &f->config);
    state_u8(s, "pretrk", &f->pretrk);
    state_u8(s, "perpendicular", &f->perpendicular);
    state_bool(s, "locked", &f->locked);
    state_u8(s, "reset_senses", &f->reset_senses);
    state_check(s, f->reset_senses <= FDC_UNITS, "reset_senses");
    state_bytes(s, "command", f->command, sizeof f->command);
    state_u8(s, "command_bytes", &f->command_bytes);
    state_check(s, f->command_bytes < FDC_COMMAND_BYTES + (f->phase != FDC_COMMAND), "command_bytes");
    state_u8(s, "command_wanted", &f->command_wanted);
    state_bytes(s, "result", f->result, sizeof f->result);
    state_u8(s, "result_bytes", &f->result_bytes);
    state_check(s, f->result_bytes <= FDC_RESULT_BYTES, "result_bytes");
    state_u8(s, "result_next", &f->result_next);
    state_check(s, f->result_next < f->result_bytes + (f->phase != FDC_RESULT), "result_next");
    transfer_state(&f->transfer, s);
    state_bool(s, "interrupt", &f->interrupt);
    state_timer(s, "timer", f->clock, &f->timer);
}

const PartKind fdc_part = {.version = 1, .reset = fdc_reset, .state = fdc_state};

static const IoOps fdc_ops = {fdc_read, fdc_write, 1, 1};
static const IoOps dir_ops = {dir_read, ccr_write, 1, 1};

void fdc_init(Fdc *f, Bus *bus, Clock *clock, Dma *dma, IrqLine irq6, Drive *a, Drive *b)
{
    *f = (Fdc){.clock = clock, .dma = dma, .irq6 = irq6};
    f->timer = (Timer){.fire = fdc_fire, .ctx = f};
    for (unsigned n = 0; n < FDC_UNITS; n++) {
        FdcUnit *u = &f->unit[n];
        *u = (FdcUnit){.fdc = f, .number = (u8)n, .timer = {.fire = unit_fire, .ctx = u}};
        floppy_init(&u->floppy, n == 0 ? a : n == 1 ? b : NULL);
    }
    fdc_reset(f);
    bus_add_ports(bus, PORT_BASE, 4, &fdc_ops, f, "fdc");
    bus_add_ports(bus, PORT_DIR, 1, &dir_ops, f, "fdc-dir");
}
