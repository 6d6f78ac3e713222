/* fdc.c - 82077AA floppy disk controller in PC/AT mode.
 *
 * Datasheet: Intel 82077AA (290166), "Registers", "Command Set/Descriptions", "Status Register Encoding". Ports: 3F2h DOR,
 * 3F3h TDR, 3F4h MSR/DSR, 3F5h FIFO, 3F7h DIR/CCR; IRQ 6, DMA channel 2.
 *
 * The three phases of a command are FdcPhase. A data command goes sector by sector: the timer says that one has passed
 * under the head, sector_pass() finds it or says in ST1 and ST2 why not, and the data move through the DMA controller
 * at once, or, in non-DMA mode, byte by byte through the FIFO, until TC or the end of the track.
 *
 * Time is short, so that booting is: a sector takes SECTOR_NS, a seek SEEK_NS however far, and the motor is at speed
 * at once. What cannot be found (empty drive, motor off, another data rate or a track that was never formatted)
 * takes as long as two turns of the disk would be in that measure, and ends with "missing address mark", where a real
 * controller without index pulses would wait until it is reset.
 *
 * Quirks that guests rely on: after a reset, polling switched off or not, an interrupt comes and four SENSE INTERRUPT STATUS
 * each report a drive; in non-DMA mode a PC has no
 * TC, so a transfer ends with "end of cylinder"; SENSE INTERRUPT STATUS with nothing to report is an invalid command;
 * the change line falls with a step, so a recalibration at track 0 does not move it.
 *
 * Not implemented: PS/2 and Model 30 modes (ports 3F0h, 3F1h), sector sizes other than 512, deleted marks (WRITE DELETED
 * writes normal data), tape drives, power-down. FIFO thresholds only say how often non-DMA mode interrupts. Formatting
 * fills the sectors that the image has; it cannot give it another geometry.
 */
#include "hw/fdc.h"

enum { PORT_BASE = 0x3f2, PORT_DIR = 0x3f7, DMA_CHANNEL = 2 };
enum { REG_DOR, REG_TDR, REG_MSR, REG_FIFO }; /* from 3F2h */
enum { DOR_UNIT = 0x03, DOR_NOT_RESET = 0x04, DOR_DMA_GATE = 0x08, DOR_MOTOR_SHIFT = 4 };
enum { MSR_BUSY = 0x10, MSR_NON_DMA = 0x20, MSR_TO_HOST = 0x40, MSR_RQM = 0x80 };
enum { DSR_RESET = 0x80, DSR_RATE = 0x03, DIR_CHANGED = 0x80 };
enum { SPECIFY_NON_DMA = 0x01 };
enum { CONFIG_FIFOTHR = 0x0f, CONFIG_NO_FIFO = 0x20, CONFIG_IMPLIED_SEEK = 0x40 };
enum { ST0_HEAD = 0x04, ST0_EQUIPMENT = 0x10, ST0_SEEK_END = 0x20, ST0_ABNORMAL = 0x40, ST0_INVALID = 0x80 };
enum { ST0_READY_CHANGED = 0xc0 };
enum {
    ST1_MISSING_ADDRESS = 0x01,
    ST1_PROTECTED = 0x02,
    ST1_NO_DATA = 0x04,
    ST1_OVERRUN = 0x10,
    ST1_DATA_ERROR = 0x20,
    ST1_END_OF_CYLINDER = 0x80
};
enum {
    ST2_BAD_CYLINDER = 0x02,
    ST2_SCAN_NOT_SATISFIED = 0x04,
    ST2_SCAN_EQUAL = 0x08,
    ST2_WRONG_CYLINDER = 0x10,
    ST2_DATA_ERROR = 0x20,
    ST2_CONTROL_MARK = 0x40
};
enum { ST3_TWO_SIDED = 0x08, ST3_TRACK0 = 0x10, ST3_READY = 0x20, ST3_PROTECTED = 0x40 };
enum { COMMAND_MT = 0x80, COMMAND_MFM = 0x40, COMMAND_SK = 0x20, VERIFY_COUNTS = 0x80, SEEK_INWARD = 0x40 };
enum { SECTOR_512 = 2, RECALIBRATE_STEPS = 79, VERSION = 0x90, FIFO_BYTES = 16, FORMAT_ID_BYTES = 4 };
enum { SECTOR_NS = 100000, SEEK_NS = 300000, RESET_NS = 50000, NOTHING_NS = 4000000 };

/* commands, by their low five bits */
enum {
    READ_TRACK = 0x02,
    SPECIFY,
    SENSE_DRIVE,
    WRITE_DATA,
    READ_DATA,
    RECALIBRATE,
    SENSE_INTERRUPT,
    WRITE_DELETED,
    READ_ID,
    READ_DELETED = 0x0c,
    FORMAT_TRACK,
    DUMPREG,
    SEEK,
    GET_VERSION,
    SCAN_EQUAL,
    PERPENDICULAR,
    CONFIGURE,
    LOCK,
    VERIFY = 0x16,
    SCAN_LOW = 0x19,
    SCAN_HIGH = 0x1d
};

static void invalid(Fdc *f);

/* --- interrupt and phases -------------------------------------------------------------------------------- */

static void interrupt_set(Fdc *f, bool level)
{
    f->interrupt = level;
    irq_set(&f->irq6, level && f->dor & DOR_DMA_GATE);
}

/* What raised it has been served; a seek that ended meanwhile has not. */
static void interrupt_served(Fdc *f)
{
    bool more = false;
    for (unsigned n = 0; n < FDC_UNITS; n++) more |= f->unit[n].seek_ended;
    interrupt_set(f, more);
}

static void await_command(Fdc *f)
{
    f->phase = FDC_COMMAND;
    f->command_bytes = f->command_wanted = 0;
}

static void result_begin(Fdc *f)
{
    f->phase = FDC_RESULT;
    f->result_bytes = f->result_next = 0;
}

static void result_add(Fdc *f, u8 byte) { f->result[f->result_bytes++] = byte; }

static void result_one(Fdc *f, u8 byte)
{
    result_begin(f);
    result_add(f, byte);
}

static u8 unit_st0(const FdcUnit *u, u8 head) { return (u8)(u->number | (head ? ST0_HEAD : 0)); }

/* --- data commands: finding a sector --------------------------------------------------------------------- */

static void transfer_end(Fdc *f, u8 st0, u8 st1, u8 st2)
{
    FdcTransfer *t = &f->transfer;
    result_begin(f);
    result_add(f, t->st0 | st0 | unit_st0(t->unit, t->head));
    result_add(f, t->st1 | st1);
    result_add(f, t->st2 | st2);
    result_add(f, t->c), result_add(f, t->h), result_add(f, t->r), result_add(f, t->n);
    interrupt_set(f, true);
}

static void transfer_fail(Fdc *f, u8 st1, u8 st2) { transfer_end(f, ST0_ABNORMAL, st1, st2); }

/* The format of the disk under the head, if the head can read anything there. */
static const FloppyFormat *readable(const Fdc *f, const FdcUnit *u, u8 head)
{
    const FloppyFormat *format = floppy_format(&u->floppy);
    bool motor = f->dor >> (DOR_MOTOR_SHIFT + u->number) & 1, mfm = f->command[0] & COMMAND_MFM;
    if (!format || !motor || !mfm || !(format->rates & BIT(f->rate))) return NULL;
    return head < format->heads && floppy_cylinder(&u->floppy) < format->tracks ? format : NULL;
}

/* Is the sector that the command names on this track? If not, the command has ended. */
static bool sector_find(Fdc *f, const FloppyFormat *format)
{
    const FdcTransfer *t = &f->transfer;
    u8 st2 = 0;
    if (t->c != floppy_cylinder(&t->unit->floppy)) st2 = t->c == 0xff ? ST2_BAD_CYLINDER : ST2_WRONG_CYLINDER;
    if (!st2 && t->h == t->head && t->n == SECTOR_512 && t->r && t->r <= format->track_sectors) return true;
    transfer_fail(f, ST1_NO_DATA, st2);
    return false;
}

/* READ TRACK takes sectors as they come and only notes that their IDs are others. */
static u8 track_sector(FdcTransfer *t, const FloppyFormat *format)
{
    u8 sector = (u8)(t->seen % format->track_sectors + 1);
    if (sector != t->r || t->c != floppy_cylinder(&t->unit->floppy) || t->h != t->head) t->st1 |= ST1_NO_DATA;
    return sector;
}

/* The ID of the sector behind this one. False: it was the last, and the ID is the next cylinder's. */
static bool advance(FdcTransfer *t)
{
    t->seen++;
    if (t->command == READ_TRACK ? t->seen < t->last : t->r != t->last) {
        t->r++;
        return true;
    }
    t->r = 1;
    if (t->multi_track) {
        t->h ^= 1;
        t->head ^= 1;
        if (t->head) return true;
    }
    t->c++;
    return false;
}

static void next_sector(Fdc *f) { clock_arm(f->clock, &f->timer, clock_now(f->clock) + SECTOR_NS); }

/* --- data commands: moving the data ---------------------------------------------------------------------- */

static bool to_medium(const FdcTransfer *t) /* the host gives the data */
{
    return t->command == WRITE_DATA || t->command == WRITE_DELETED || t->command == FORMAT_TRACK ||
           (t->command & 0x13) == (SCAN_EQUAL & 0x13);
}

/* Whether the command goes on behind a sector; if not, it has ended. */
static void sector_done(Fdc *f, bool terminal)
{
    FdcTransfer *t = &f->transfer;
    bool more = advance(t);
    bool counted = t->command == VERIFY && f->command[1] & VERIFY_COUNTS;
    if (terminal || t->st2 & (ST2_CONTROL_MARK | ST2_SCAN_EQUAL) || (counted && !--t->left))
        transfer_end(f, 0, 0, 0);
    else if (more)
        next_sector(f);
    else if (t->command == READ_TRACK || (t->command == VERIFY && !counted))
        transfer_end(f, 0, 0, 0);
    else
        transfer_fail(f, ST1_END_OF_CYLINDER, 0);
}

static bool write_sector(Fdc *f, u8 sector, const u8 *data)
{
    FdcTransfer *t = &f->transfer;
    if (!floppy_format(&t->unit->floppy)) { /* taken out meanwhile */
        transfer_fail(f, ST1_MISSING_ADDRESS, 0);
        return false;
    }
    if (!floppy_write(&t->unit->floppy, t->head, sector, data)) return true;
    transfer_fail(f, ST1_DATA_ERROR, ST2_DATA_ERROR);
    return false;
}

/* One ID of FORMAT TRACK came from the host: the sector is filled, if the image has it. */
static void format_sector(Fdc *f, bool terminal)
{
    FdcTransfer *t = &f->transfer;
    const FloppyFormat *format = readable(f, t->unit, t->head);
    u8 id[FORMAT_ID_BYTES], filler = f->command[5];
    memcpy(id, t->data, sizeof id);
    memset(t->data, filler, sizeof t->data);
    bool exists = format && id[0] == floppy_cylinder(&t->unit->floppy) && id[1] == t->head &&
                  id[3] == SECTOR_512 && id[2] && id[2] <= format->track_sectors;
    if (exists && !write_sector(f, id[2], t->data)) return;
    if (--t->left && !terminal)
        next_sector(f);
    else
        transfer_end(f, 0, 0, 0);
}

/* Bytes of memory that are FFh match everything. */
static bool scan_matches(u8 command, const u8 *disk, const u8 *memory, bool *equal)
{
    bool matches = true;
    *equal = true;
    for (unsigned n = 0; n < SECTOR_BYTES; n++) {
        if (memory[n] == 0xff || disk[n] == memory[n]) continue;
        *equal = false;
        matches &= command == SCAN_LOW ? disk[n] < memory[n] : command == SCAN_HIGH && disk[n] > memory[n];
    }
    return matches;
}

static void scan_sector(Fdc *f, bool terminal)
{
    FdcTransfer *t = &f->transfer;
    u8 disk[SECTOR_BYTES];
    bool equal;
    if (!readable(f, t->unit, t->head) || floppy_read(&t->unit->floppy, t->head, t->r, disk)) {
        transfer_fail(f, ST1_DATA_ERROR, ST2_DATA_ERROR);
        return;
    }
    if (scan_matches(t->command, disk, t->data, &equal)) {
        transfer_end(f, 0, 0, equal ? ST2_SCAN_EQUAL : 0);
        return;
    }
    bool more = advance(t);
    if (f->command[8] == 2) more = more && advance(t); /* STP: every other sector */
    if (more && !terminal)
        next_sector(f);
    else
        transfer_end(f, 0, 0, ST2_SCAN_NOT_SATISFIED);
}

/* A piece has come from the host: a sector, or the ID of one. */
static void host_gave(Fdc *f, bool terminal)
{
    FdcTransfer *t = &f->transfer;
    if (t->command == FORMAT_TRACK)
        format_sector(f, terminal);
    else if (t->command == WRITE_DATA || t->command == WRITE_DELETED) {
        if (write_sector(f, t->r, t->data)) sector_done(f, terminal);
    } else
        scan_sector(f, terminal);
}

static void pio_begin(Fdc *f, u16 bytes, bool to_host)
{
    f->transfer.at = 0;
    f->transfer.bytes = bytes;
    f->transfer.to_host = to_host;
    interrupt_set(f, true);
}

static void host_takes(Fdc *f) /* a sector lies in t->data */
{
    FdcTransfer *t = &f->transfer;
    bool terminal;
    if (f->specify[1] & SPECIFY_NON_DMA) {
        pio_begin(f, SECTOR_BYTES, true);
        return;
    }
    u32 taken = dma_transfer(f->dma, DMA_CHANNEL, DMA_WRITE_MEMORY, t->data, SECTOR_BYTES, &terminal);
    if (taken < SECTOR_BYTES && !terminal)
        transfer_fail(f, ST1_OVERRUN, 0);
    else
        sector_done(f, terminal);
}

static void host_gives(Fdc *f, u16 bytes)
{
    FdcTransfer *t = &f->transfer;
    bool terminal;
    if (f->specify[1] & SPECIFY_NON_DMA) {
        pio_begin(f, bytes, false);
        return;
    }
    memset(t->data, 0, bytes); /* what the count leaves of the last sector is zeros */
    u32 given = dma_transfer(f->dma, DMA_CHANNEL, DMA_READ_MEMORY, t->data, bytes, &terminal);
    if (given < bytes && !terminal)
        transfer_fail(f, ST1_OVERRUN, 0);
    else
        host_gave(f, terminal);
}

/* --- data commands: the sector passes -------------------------------------------------------------------- */

static void read_pass(Fdc *f, u8 sector)
{
    FdcTransfer *t = &f->transfer;
    if (floppy_read(&t->unit->floppy, t->head, sector, t->data)) {
        transfer_fail(f, ST1_DATA_ERROR, ST2_DATA_ERROR);
        return;
    }
    bool deleted_wanted = t->command == READ_DELETED; /* and none is */
    if (t->command == VERIFY || (deleted_wanted && t->skip_deleted)) {
        sector_done(f, false);
        return;
    }
    if (deleted_wanted) t->st2 |= ST2_CONTROL_MARK;
    host_takes(f);
}

static void read_id_pass(Fdc *f, const FloppyFormat *format)
{
    FdcTransfer *t = &f->transfer;
    t->c = floppy_cylinder(&t->unit->floppy);
    t->h = t->head;
    t->r = (u8)(clock_now(f->clock) / SECTOR_NS % format->track_sectors + 1);
    t->n = SECTOR_512;
    transfer_end(f, 0, 0, 0);
}

static void sector_pass(Fdc *f)
{
    FdcTransfer *t = &f->transfer;
    const FloppyFormat *format = readable(f, t->unit, t->head);
    bool writes = t->command == WRITE_DATA || t->command == WRITE_DELETED || t->command == FORMAT_TRACK;
    if (!format)
        transfer_fail(f, ST1_MISSING_ADDRESS, 0);
    else if (writes && floppy_protected(&t->unit->floppy))
        transfer_fail(f, ST1_PROTECTED, 0);
    else if (t->command == READ_ID)
        read_id_pass(f, format);
    else if (t->command == FORMAT_TRACK)
        host_gives(f, FORMAT_ID_BYTES);
    else if (t->command == READ_TRACK)
        read_pass(f, track_sector(t, format));
    else if (!sector_find(f, format))
        return;
    else if (to_medium(t))
        host_gives(f, SECTOR_BYTES);
    else
        read_pass(f, t->r);
}

static void implied_seek(Fdc *f)
{
    FdcTransfer *t = &f->transfer;
    FdcUnit *u = t->unit;
    if (!(f->config & CONFIG_IMPLIED_SEEK) || t->c == u->pcn) return;
    floppy_step(&u->floppy, t->c - u->pcn);
    u->pcn = t->c;
    t->st0 = ST0_SEEK_END;
}

static void transfer_begin(Fdc *f)
{
    const u8 *p = f->command;
    FdcTransfer *t = &f->transfer;
    bool has_id = (p[0] & 31) != READ_ID && (p[0] & 31) != FORMAT_TRACK;
    *t = (FdcTransfer){.command = p[0] & 31, .unit = &f->unit[p[1] & 3], .head = p[1] >> 2 & 1};
    t->multi_track = p[0] & COMMAND_MT && t->command != READ_TRACK;
    t->skip_deleted = p[0] & COMMAND_SK;
    if (has_id) {
        t->c = p[2], t->h = p[3], t->r = p[4], t->n = p[5], t->last = p[6];
        t->left = p[8];
        implied_seek(f);
    }
    if (t->command == FORMAT_TRACK) t->n = p[2], t->left = p[3];
    f->phase = FDC_EXECUTION;
    bool found = readable(f, t->unit, t->head);
    clock_arm(f->clock, &f->timer, clock_now(f->clock) + (found ? SECTOR_NS : NOTHING_NS));
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
    interrupt_set(u->fdc, true);
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
    result_add(f, u->pcn);
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
    result_begin(f);
    for (unsigned n = 0; n < FDC_UNITS; n++) result_add(f, f->unit[n].pcn);
    result_add(f, f->specify[0]);
    result_add(f, f->specify[1]);
    result_add(f, f->transfer.last);
    result_add(f, (u8)((f->locked ? 0x80 : 0) | (f->perpendicular & 0x3f)));
    result_add(f, f->config);
    result_add(f, f->pretrk);
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
    {0x1f, READ_DATA, 8, transfer_begin},
    {0x1f, READ_DELETED, 8, transfer_begin},
    {0x3f, WRITE_DATA, 8, transfer_begin},
    {0x3f, WRITE_DELETED, 8, transfer_begin},
    {0x9f, READ_TRACK, 8, transfer_begin},
    {0x1f, VERIFY, 8, transfer_begin},
    {0x1f, SCAN_EQUAL, 8, transfer_begin},
    {0x1f, SCAN_LOW, 8, transfer_begin},
    {0x1f, SCAN_HIGH, 8, transfer_begin},
    {0xbf, FORMAT_TRACK, 5, transfer_begin},
    {0xbf, READ_ID, 1, transfer_begin},
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

/* --- non-DMA mode ---------------------------------------------------------------------------------------- */

/* One byte has gone through the FIFO: when the next interrupt comes is the threshold's matter. */
static void pio_moved(Fdc *f)
{
    FdcTransfer *t = &f->transfer;
    unsigned burst = f->config & CONFIG_NO_FIFO ? 1 : (unsigned)(FIFO_BYTES - (f->config & CONFIG_FIFOTHR));
    t->at++;
    interrupt_set(f, false);
    if (t->at < t->bytes) {
        if (t->at % burst == 0) interrupt_set(f, true);
    } else if (t->to_host) {
        sector_done(f, false);
    } else {
        host_gave(f, false);
    }
}

static bool host_turn(const Fdc *f, bool to_host)
{
    const FdcTransfer *t = &f->transfer;
    return f->phase == FDC_EXECUTION && t->at < t->bytes && t->to_host == to_host;
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
    f->transfer = (FdcTransfer){.unit = f->unit};
    f->perpendicular &= 0x3c;
    if (!f->locked) {
        f->config = (f->config & ~CONFIG_FIFOTHR) | CONFIG_NO_FIFO;
        f->pretrk = 0;
    }
    interrupt_set(f, false);
}

static void reset_leave(Fdc *f) { clock_arm(f->clock, &f->timer, clock_now(f->clock) + RESET_NS); }

static void reset_over(Fdc *f)
{
    await_command(f);
    f->reset_senses = FDC_UNITS;
    interrupt_set(f, true);
}

static void fdc_fire(void *fdc)
{
    Fdc *f = fdc;
    if (f->phase == FDC_RESET)
        reset_over(f);
    else if (f->phase == FDC_EXECUTION)
        sector_pass(f);
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
        if (host_turn(f, true)) msr |= MSR_RQM | MSR_TO_HOST;
        if (host_turn(f, false)) msr |= MSR_RQM;
        return msr | MSR_BUSY;
    }
}

static u8 read_fifo(Fdc *f)
{
    if (host_turn(f, true)) {
        u8 v = f->transfer.data[f->transfer.at];
        pio_moved(f);
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
    interrupt_set(f, f->interrupt);
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
    if (host_turn(f, false)) {
        f->transfer.data[f->transfer.at] = v;
        pio_moved(f);
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
void fdc_reset(Fdc *f)
{
    f->dor = f->tdr = f->dsr = 0;
    f->rate = RATE_250K;
    f->locked = false;
    f->config = CONFIG_NO_FIFO;
    f->perpendicular = 0;
    memset(f->specify, 0, sizeof f->specify);
    reset_enter(f);
}

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
