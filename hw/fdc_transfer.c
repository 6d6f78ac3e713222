/* fdc_transfer.c - the 82077AA's data commands: finding sectors, moving their data, formatting and comparing.
 *
 * Datasheet: Intel 82077AA (290166), "Data Transfer Commands", "Status Register Encoding". A data command goes sector by
 * sector: the timer says that one has passed under the head, fdc_sector_pass() finds it or says in ST1 and ST2 why not, and
 * the data move through the DMA controller at once, or, in non-DMA mode, byte by byte through the FIFO, until TC or
 * the end of the track.
 *
 * What cannot be found (empty drive, motor off, another data rate or a track that was never formatted) takes as long as
 * two turns of the disk would be in fdc.c's measure of time, and ends with "missing address mark", where a real
 * controller without index pulses would wait until it is reset.
 *
 * Quirk that guests rely on: in non-DMA mode a PC has no TC, so a transfer ends with "end of cylinder".
 *
 * Not implemented: sector sizes other than 512, deleted marks (WRITE DELETED writes normal data). Formatting fills the
 * sectors that the image has; it cannot give it another geometry.
 */
#include "hw/fdc_parts.h"

enum { DMA_CHANNEL = 2, DOR_MOTOR_SHIFT = 4 };
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
enum { COMMAND_MT = 0x80, COMMAND_MFM = 0x40, COMMAND_SK = 0x20, VERIFY_COUNTS = 0x80 };
enum { ENO_SECTOR = 5 }; /* like an errno of a medium */
enum { SECTOR_512 = 2, FIFO_BYTES = 16, FORMAT_ID_BYTES = 4, NOTHING_NS = 4000000 };

/* --- finding a sector ------------------------------------------------------------------------------------- */

static FdcUnit *unit_of(Fdc *f) { return &f->unit[f->transfer.unit]; }

static u8 unit_st0(const FdcUnit *u, u8 head) { return (u8)(u->number | (head ? ST0_HEAD : 0)); }

static void transfer_end(Fdc *f, u8 st0, u8 st1, u8 st2)
{
    FdcTransfer *t = &f->transfer;
    fdc_result_begin(f);
    fdc_result_add(f, t->st0 | st0 | unit_st0(unit_of(f), t->head));
    fdc_result_add(f, t->st1 | st1);
    fdc_result_add(f, t->st2 | st2);
    fdc_result_add(f, t->c), fdc_result_add(f, t->h), fdc_result_add(f, t->r), fdc_result_add(f, t->n);
    fdc_interrupt(f, true);
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
    if (t->c != floppy_cylinder(&unit_of(f)->floppy))
        st2 = t->c == 0xff ? ST2_BAD_CYLINDER : ST2_WRONG_CYLINDER;
    if (!st2 && t->h == t->head && t->n == SECTOR_512 && t->r && t->r <= format->track_sectors) return true;
    transfer_fail(f, ST1_NO_DATA, st2);
    return false;
}

/* READ TRACK takes sectors as they come and only notes that their IDs are others. */
static u8 track_sector(Fdc *f, const FloppyFormat *format)
{
    FdcTransfer *t = &f->transfer;
    u8 sector = (u8)(t->seen % format->track_sectors + 1);
    if (sector != t->r || t->c != floppy_cylinder(&unit_of(f)->floppy) || t->h != t->head)
        t->st1 |= ST1_NO_DATA;
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

static void next_sector(Fdc *f) { clock_arm(f->clock, &f->timer, clock_now(f->clock) + FDC_SECTOR_NS); }

/* --- moving the data -------------------------------------------------------------------------------------- */

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

/* The medium did not do it: what the host gave is kept if it will do it later. */
static void medium_failed(Fdc *f, int error, bool terminal)
{
    FdcTransfer *t = &f->transfer;
    if (error == MEDIUM_HELD) {
        t->held = true;
        t->terminal = terminal;
        next_sector(f);
        return;
    }
    transfer_fail(f, ST1_DATA_ERROR, ST2_DATA_ERROR);
}

static bool write_sector(Fdc *f, u8 sector, const u8 *data, bool terminal)
{
    FdcTransfer *t = &f->transfer;
    if (!floppy_format(&unit_of(f)->floppy)) { /* taken out meanwhile */
        transfer_fail(f, ST1_MISSING_ADDRESS, 0);
        return false;
    }
    int error = floppy_write(&unit_of(f)->floppy, t->head, sector, data);
    if (error) medium_failed(f, error, terminal);
    return !error;
}

/* One ID of FORMAT TRACK came from the host: the sector is filled, if the image has it. */
static void format_sector(Fdc *f, bool terminal)
{
    FdcTransfer *t = &f->transfer;
    const FloppyFormat *format = readable(f, unit_of(f), t->head);
    const u8 *id = t->data;
    u8 filled[SECTOR_BYTES];
    memset(filled, f->command[5], sizeof filled);
    bool exists = format && id[0] == floppy_cylinder(&unit_of(f)->floppy) && id[1] == t->head &&
                  id[3] == SECTOR_512 && id[2] && id[2] <= format->track_sectors;
    if (exists && !write_sector(f, id[2], filled, terminal)) return;
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
    bool equal, there = readable(f, unit_of(f), t->head);
    int error = there ? floppy_read(&unit_of(f)->floppy, t->head, t->r, disk) : ENO_SECTOR;
    if (error) {
        medium_failed(f, error, terminal);
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
        if (write_sector(f, t->r, t->data, terminal)) sector_done(f, terminal);
    } else
        scan_sector(f, terminal);
}

static void pio_begin(Fdc *f, u16 bytes, bool to_host)
{
    f->transfer.at = 0;
    f->transfer.bytes = bytes;
    f->transfer.to_host = to_host;
    fdc_interrupt(f, true);
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

/* --- the sector passes ------------------------------------------------------------------------------------ */

static void read_pass(Fdc *f, u8 sector)
{
    FdcTransfer *t = &f->transfer;
    int error = floppy_read(&unit_of(f)->floppy, t->head, sector, t->data);
    if (error == MEDIUM_HELD) {
        next_sector(f);
        return;
    }
    if (error) {
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
    t->c = floppy_cylinder(&unit_of(f)->floppy);
    t->h = t->head;
    t->r = (u8)(clock_now(f->clock) / FDC_SECTOR_NS % format->track_sectors + 1);
    t->n = SECTOR_512;
    transfer_end(f, 0, 0, 0);
}

void fdc_sector_pass(Fdc *f)
{
    FdcTransfer *t = &f->transfer;
    const FloppyFormat *format = readable(f, unit_of(f), t->head);
    bool writes = t->command == WRITE_DATA || t->command == WRITE_DELETED || t->command == FORMAT_TRACK;
    if (t->held) {
        t->held = false;
        host_gave(f, t->terminal);
        return;
    }
    if (!format)
        transfer_fail(f, ST1_MISSING_ADDRESS, 0);
    else if (writes && floppy_protected(&unit_of(f)->floppy))
        transfer_fail(f, ST1_PROTECTED, 0);
    else if (t->command == READ_ID)
        read_id_pass(f, format);
    else if (t->command == FORMAT_TRACK)
        host_gives(f, FORMAT_ID_BYTES);
    else if (t->command == READ_TRACK)
        read_pass(f, track_sector(f, format));
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
    FdcUnit *u = unit_of(f);
    if (!(f->config & CONFIG_IMPLIED_SEEK) || t->c == u->pcn) return;
    floppy_step(&u->floppy, t->c - u->pcn);
    u->pcn = t->c;
    t->st0 = ST0_SEEK_END;
}

void fdc_transfer_begin(Fdc *f)
{
    const u8 *p = f->command;
    FdcTransfer *t = &f->transfer;
    bool has_id = (p[0] & 31) != READ_ID && (p[0] & 31) != FORMAT_TRACK;
    *t = (FdcTransfer){.command = p[0] & 31, .unit = p[1] & 3, .head = p[1] >> 2 & 1};
    t->multi_track = p[0] & COMMAND_MT && t->command != READ_TRACK;
    t->skip_deleted = p[0] & COMMAND_SK;
    if (has_id) {
        t->c = p[2], t->h = p[3], t->r = p[4], t->n = p[5], t->last = p[6];
        t->left = p[8];
        implied_seek(f);
    }
    if (t->command == FORMAT_TRACK) t->n = p[2], t->left = p[3];
    f->phase = FDC_EXECUTION;
    bool found = readable(f, unit_of(f), t->head);
    clock_arm(f->clock, &f->timer, clock_now(f->clock) + (found ? FDC_SECTOR_NS : NOTHING_NS));
}

/* --- non-DMA mode ---------------------------------------------------------------------------------------- */

/* One byte has gone through the FIFO: when the next interrupt comes is the threshold's matter. */
void fdc_pio_moved(Fdc *f)
{
    FdcTransfer *t = &f->transfer;
    unsigned burst = f->config & CONFIG_NO_FIFO ? 1 : (unsigned)(FIFO_BYTES - (f->config & CONFIG_FIFOTHR));
    t->at++;
    fdc_interrupt(f, false);
    if (t->at < t->bytes) {
        if (t->at % burst == 0) fdc_interrupt(f, true);
    } else if (t->to_host) {
        sector_done(f, false);
    } else {
        host_gave(f, false);
    }
}

bool fdc_host_turn(const Fdc *f, bool to_host)
{
    const FdcTransfer *t = &f->transfer;
    return f->phase == FDC_EXECUTION && t->at < t->bytes && t->to_host == to_host;
}
