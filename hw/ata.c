/* ata.c - hard disks: the commands of an ATA drive.
 *
 * ATA/ATAPI-6 (T13 1410D) chapter 8, "Command descriptions", and 9, "Protocol". A transfer is `lba`, `left` and, with
 * PIO, `block` sectors at a time through the drive's buffer; with DMA the medium is read and written straight
 * into and out of the pieces of guest memory that the bus master hands out.
 *
 * Errors: an address behind the end or sector 0 is IDNF; a read that the host refuses UNC; a write DF and ABRT; what a
 * drive does not know, and any write to a medium that is read-only, ABRT. Where the medium says MEDIUM_HELD the drive
 * stays busy and takes the same step again: nothing of it has reached the guest.
 *
 * Geometry: as the partition table in the first sector was made for, if that has at most 16 heads, so that disks of
 * old systems look as they did where they were made; else 16 heads of 63 sectors.
 *
 * Quirks that guests rely on: IDENTIFY's words 54-58 follow INITIALIZE DEVICE PARAMETERS, which does not change words 1, 3
 * and 6; a sector count of 0 is 256 (65536 in LBA48); after the last block of a PIO read there is no interrupt, after the
 * last block of a PIO write there is one; a transfer that ends in the middle of a bus master's table leaves ACTIVE on.
 *
 * A medium that takes discards (discard=unmap) makes a drive with DATA SET MANAGEMENT (ACS-2): TRIM, by DMA. Each
 * step gives one range to the medium, so that the guest does not wait long, and makes it 0 in the buffer. What was
 * discarded reads as zeros or as before, the same until it is written.
 *
 * Not implemented: READ/WRITE LONG, FORMAT TRACK, security, host protected area (SET MAX), queued commands, microcode
 * download, SMART logs and self-tests; power modes are remembered, nothing spins down.
 */
#include "hw/ide.h"

enum {
    NOP = 0x00,
    DATA_SET_MANAGEMENT = 0x06,
    RECALIBRATE = 0x10,
    READ_SECTORS = 0x20,
    READ_SECTORS_EXT = 0x24,
    READ_DMA_EXT = 0x25,
    READ_NATIVE_MAX_EXT = 0x27,
    READ_MULTIPLE_EXT = 0x29,
    WRITE_SECTORS = 0x30,
    WRITE_SECTORS_EXT = 0x34,
    WRITE_DMA_EXT = 0x35,
    WRITE_MULTIPLE_EXT = 0x39,
    VERIFY = 0x40,
    VERIFY_EXT = 0x42,
    SEEK = 0x70,
    INITIALIZE_PARAMETERS = 0x91,
    SMART = 0xb0,
    READ_MULTIPLE = 0xc4,
    WRITE_MULTIPLE = 0xc5,
    SET_MULTIPLE = 0xc6,
    READ_DMA = 0xc8,
    WRITE_DMA = 0xca,
    STANDBY_IMMEDIATE = 0xe0,
    IDLE_IMMEDIATE = 0xe1,
    STANDBY = 0xe2,
    IDLE = 0xe3,
    READ_BUFFER = 0xe4,
    CHECK_POWER = 0xe5,
    SLEEP = 0xe6,
    FLUSH_CACHE = 0xe7,
    WRITE_BUFFER = 0xe8,
    FLUSH_CACHE_EXT = 0xea,
    IDENTIFY = 0xec,
    SET_FEATURES = 0xef,
    READ_NATIVE_MAX = 0xf8,
};
enum { RANGE_BYTES = 8, RANGE_BLOCKS_MAX = 8 }; /* DATA SET MANAGEMENT: LBA and count; blocks of 512 bytes */
enum { LBA28_SECTORS = 0x0fffffff, MULTIPLE_MAX = 16, POWER_STANDBY = 0x00, POWER_ACTIVE = 0xff };

static u64 capacity(const IdeDrive *d) { return d->bay->medium ? d->bay->medium->sectors : 0; }

/* --- addresses ------------------------------------------------------------------------------------------- */

static u64 address28(const IdeDrive *d)
{
    const TaskFile *r = &d->reg;
    const Geometry *g = &d->logical;
    if (d->device & DEVICE_LBA)
        return (u32)(d->device & 0xf) << 24 | (u32)r->high << 16 | (u32)r->mid << 8 | r->low;
    u32 cylinder = (u32)r->high << 8 | r->mid, head = d->device & 0xf;
    if (!r->low || r->low > g->sectors || head >= g->heads) return UINT64_MAX;
    return ((u64)cylinder * g->heads + head) * g->sectors + r->low - 1;
}

static u64 address48(const IdeDrive *d)
{
    const TaskFile *r = &d->reg, *h = &d->hob;
    return (u64)h->high << 40 | (u64)h->mid << 32 | (u64)h->low << 24 | (u32)r->high << 16 |
           (u32)r->mid << 8 | r->low;
}

/* Where it went wrong, in the way the command gave its address. */
static void report_address(IdeDrive *d, bool ext)
{
    TaskFile *r = &d->reg, *h = &d->hob;
    const Geometry *g = &d->logical;
    u64 lba = d->lba;
    u32 track = (u32)(lba / g->sectors), cylinder = track / g->heads;
    if (!ext && !(d->device & DEVICE_LBA)) {
        r->low = (u8)(lba % g->sectors + 1);
        r->mid = (u8)cylinder;
        r->high = (u8)(cylinder >> 8);
        d->device = (u8)((d->device & 0xf0) | track % g->heads);
        return;
    }
    r->low = (u8)lba, r->mid = (u8)(lba >> 8), r->high = (u8)(lba >> 16);
    if (ext)
        h->low = (u8)(lba >> 24), h->mid = (u8)(lba >> 32), h->high = (u8)(lba >> 40);
    else
        d->device = (u8)((d->device & 0xf0) | (lba >> 24 & 0xf));
}

static bool is_ext(u8 command)
{
    return (command >= READ_SECTORS_EXT && command <= READ_MULTIPLE_EXT) ||
           (command >= WRITE_SECTORS_EXT && command <= WRITE_MULTIPLE_EXT) || command == VERIFY_EXT;
}

/* Take address and count from the registers; false: the command has failed. */
static bool transfer_begin(IdeDrive *d)
{
    bool ext = is_ext(d->command);
    u64 lba = ext ? address48(d) : address28(d);
    u32 count = ext ? (u32)d->hob.count << 8 | d->reg.count : d->reg.count;
    if (!count) count = ext ? 0x10000 : 0x100;
    if (lba >= capacity(d) || count > capacity(d) - lba) {
        ide_fail(d, ERROR_IDNF);
        return false;
    }
    d->lba = lba;
    d->left = count;
    return true;
}

static void advance(IdeDrive *d, u32 sectors)
{
    d->lba += sectors;
    d->left -= sectors;
}

/* What the medium said, as the error register has it. */
static void result_take(IdeDrive *d, int error, u8 code)
{
    d->held = error == MEDIUM_HELD;
    if (error && !d->held) d->result = code;
}

/* What was written stays to be flushed until a flush has succeeded. */
static void flush_over(IdeDrive *d, int error)
{
    result_take(d, error, ERROR_ABRT);
    d->written = d->written && error;
}

static void flush_now(IdeDrive *d) { flush_over(d, d->written ? medium_flush(d->bay->medium) : 0); }

/* With the write cache off a write is safe before it is reported. */
static void wrote(IdeDrive *d)
{
    d->written = true;
    if (!d->write_cache && !d->result) flush_now(d);
}

/* --- PIO ------------------------------------------------------------------------------------------------- */

static void fault(IdeDrive *d, u8 error)
{
    report_address(d, is_ext(d->command));
    ide_complete(d, error);
    if (error == ERROR_ABRT) d->status |= DF;
}

static u32 block_sectors(const IdeDrive *d) { return d->left < d->block ? d->left : d->block; }

static void read_block(IdeDrive *d)
{
    u32 n = block_sectors(d);
    if (ide_paced(d, false, (u64)n * SECTOR_BYTES, ATA_READ_BLOCK)) return;
    result_take(d, medium_read(d->bay->medium, d->lba, d->buffer, n), ERROR_UNC);
    if (d->held) {
        ide_busy(d, ATA_READ_BLOCK);
        return;
    }
    if (d->result) {
        fault(d, d->result);
        return;
    }
    advance(d, n);
    ide_data(d, n * SECTOR_BYTES, ATA_READ_TAKEN);
    ide_interrupt(d);
}

static void read_taken(IdeDrive *d)
{
    if (d->left)
        ide_busy(d, ATA_READ_BLOCK);
    else
        d->status = ide_ready(d);
}

static void write_room(IdeDrive *d) { ide_data(d, block_sectors(d) * SECTOR_BYTES, ATA_WRITE_BLOCK); }

static void write_block(IdeDrive *d)
{
    u32 n = block_sectors(d);
    if (ide_paced(d, true, (u64)n * SECTOR_BYTES, ATA_WRITE_BLOCK)) return;
    result_take(d, medium_write(d->bay->medium, d->lba, d->buffer, n), ERROR_ABRT);
    if (!d->held) wrote(d);
    if (!d->held && !d->result) advance(d, n);
    ide_busy(d, d->held ? ATA_WRITE_BLOCK : ATA_WRITE_DONE);
}

static void write_done(IdeDrive *d)
{
    if (d->result)
        fault(d, d->result);
    else if (d->left) {
        write_room(d);
        ide_interrupt(d);
    } else {
        ide_complete(d, 0);
    }
}

static void pio_command(IdeDrive *d, u32 block, bool writes)
{
    d->block = block;
    if (!block || (writes && d->bay->medium->readonly))
        ide_fail(d, ERROR_ABRT);
    else if (transfer_begin(d))
        ide_busy(d, writes ? ATA_WRITE_FIRST : ATA_READ_BLOCK);
}

/* --- DMA ------------------------------------------------------------------------------------------------- */

/* Between medium and memory; false: it failed, or is held. */
static bool move(IdeDrive *d, u8 *hp, u32 sectors)
{
    Medium *m = d->bay->medium;
    int error = d->writes ? medium_write(m, d->lba, hp, sectors) : medium_read(m, d->lba, hp, sectors);
    result_take(d, error, d->writes ? ERROR_ABRT : ERROR_UNC);
    return !error;
}

/* One sector that lies in several pieces, or in no RAM; false: the descriptors have ended. */
static bool dma_odd_sector(IdeDrive *d)
{
    Bmdma *b = &d->channel->bm, before = *b;
    if (d->writes && bmdma_get(b, d->buffer, SECTOR_BYTES) < SECTOR_BYTES) return false;
    if (!move(d, d->buffer, 1)) {
        if (d->held) *b = before;
        return true;
    }
    if (!d->writes && bmdma_put(b, d->buffer, SECTOR_BYTES) < SECTOR_BYTES) return false;
    advance(d, 1);
    return true;
}

static bool dma_some(IdeDrive *d)
{
    Bmdma *b = &d->channel->bm;
    u32 bytes, wanted = d->left * SECTOR_BYTES;
    u8 *hp = bmdma_piece(b, wanted, &bytes);
    u32 n = bytes / SECTOR_BYTES;
    if (!bytes) return false;
    if (!hp || !n) return dma_odd_sector(d);
    if (!move(d, hp, n)) return true;
    bmdma_take(b, n * SECTOR_BYTES, !d->writes);
    advance(d, n);
    return true;
}

/* The whole transfer, at once. Descriptors that are too short end it without an interrupt. */
static void dma_run(IdeDrive *d)
{
    Bmdma *b = &d->channel->bm;
    bool enough = true;
    if (!bmdma_started(b)) { /* the guest has stopped it while the transfer was held */
        ide_wait_dma(d, ATA_DMA);
        return;
    }
    if (ide_paced(d, d->writes, (u64)d->left * SECTOR_BYTES, ATA_DMA)) return;
    d->held = false;
    while (d->left && enough && !d->result && !d->held) enough = dma_some(d);
    if (d->writes && !d->held) wrote(d);
    if (d->held) {
        ide_busy(d, ATA_DMA);
        return;
    }
    bmdma_finish(b);
    if (d->result) report_address(d, is_ext(d->command));
    if (!enough) b->status &= ~BMIS_ACTIVE;
    ide_busy(d, enough ? IDE_COMPLETE : IDE_END);
}

static void dma_command(IdeDrive *d, bool writes)
{
    d->writes = writes;
    if (writes && d->bay->medium->readonly)
        ide_fail(d, ERROR_ABRT);
    else if (transfer_begin(d))
        ide_wait_dma(d, ATA_DMA);
}

/* --- DATA SET MANAGEMENT --------------------------------------------------------------------------------- */

static bool takes_trim(const IdeDrive *d) { return d->bay->medium->discard != NULL; }

static u64 range_lba(const u8 *range) { return load64(range) & 0xffffffffffffull; }
static u32 range_count(const u8 *range) { return load16(range + 6); } /* 0: there is no range */

static bool ranges_are_possible(const IdeDrive *d)
{
    for (u32 at = 0; at < d->block * SECTOR_BYTES; at += RANGE_BYTES) {
        u64 lba = range_lba(d->buffer + at), count = range_count(d->buffer + at);
        if (count && (lba >= capacity(d) || count > capacity(d) - lba)) return false;
    }
    return true;
}

static void trim_ranges(IdeDrive *d)
{
    Bmdma *b = &d->channel->bm;
    u32 bytes = d->block * SECTOR_BYTES;
    bool enough = bmdma_get(b, d->buffer, bytes) == bytes;
    bmdma_finish(b);
    if (!enough) {
        b->status &= ~BMIS_ACTIVE;
        ide_busy(d, IDE_END);
    } else if (ranges_are_possible(d))
        ide_busy(d, ATA_TRIM);
    else
        ide_fail(d, ERROR_ABRT);
}

/* The first range that is not done, if there is one. */
static void trim(IdeDrive *d)
{
    u32 at = 0, bytes = d->block * SECTOR_BYTES;
    while (at < bytes && !range_count(d->buffer + at)) at += RANGE_BYTES;
    if (at >= bytes || !ranges_are_possible(d)) { /* impossible ones: of a forged snapshot */
        d->held = false;
        wrote(d);
        if (d->held)
            ide_busy(d, ATA_TRIM);
        else
            ide_fail(d, d->result);
        return;
    }
    u8 *range = d->buffer + at;
    result_take(d, medium_discard(d->bay->medium, range_lba(range), range_count(range)), ERROR_ABRT);
    if (!d->held) store64(range, 0);
    if (d->result)
        fault(d, d->result);
    else
        ide_busy(d, ATA_TRIM);
}

static void data_set_management(IdeDrive *d)
{
    enum { TRIM = 0x01 };
    u32 blocks = (u32)d->hob.count << 8 | d->reg.count;
    bool known = takes_trim(d) && d->reg.features == TRIM && blocks && blocks <= RANGE_BLOCKS_MAX;
    if (!known || d->bay->medium->readonly) {
        ide_fail(d, ERROR_ABRT);
        return;
    }
    d->block = blocks;
    d->writes = true;
    d->lba = d->left = 0;
    ide_wait_dma(d, ATA_TRIM_RANGES);
}

/* --- identification -------------------------------------------------------------------------------------- */

static void identify_geometry(const IdeDrive *d, u8 *w)
{
    const Geometry *g = &d->physical, *l = &d->logical;
    u64 sectors = capacity(d), chs = (u64)l->cylinders * l->heads * l->sectors;
    store16(w + 2 * 1, (u16)g->cylinders);
    store16(w + 2 * 3, (u16)g->heads);
    store16(w + 2 * 4, (u16)(g->sectors * SECTOR_BYTES));
    store16(w + 2 * 5, SECTOR_BYTES);
    store16(w + 2 * 6, (u16)g->sectors);
    store16(w + 2 * 53, load16(w + 2 * 53) | 1); /* words 54-58 are valid */
    store16(w + 2 * 54, (u16)l->cylinders);
    store16(w + 2 * 55, (u16)l->heads);
    store16(w + 2 * 56, (u16)l->sectors);
    store32(w + 2 * 57, (u32)chs);
    store32(w + 2 * 60, sectors < LBA28_SECTORS ? (u32)sectors : LBA28_SECTORS);
    store64(w + 2 * 100, sectors);
}

static void identify_features(const IdeDrive *d, u8 *w)
{
    u16 on = (u16)((d->smart ? 1 : 0) | 0x0008 /* power management */ | (d->write_cache ? 0x20 : 0) |
                   (d->look_ahead ? 0x40 : 0) | 0x7000 /* buffers, NOP */);
    store16(w + 2 * 80, 0x007e); /* ATA-1 to ATA-6 */
    store16(w + 2 * 82, 0x7069); /* NOP, buffers, look-ahead, write cache, power management, SMART */
    store16(w + 2 * 83, 0x7400); /* FLUSH CACHE (EXT), LBA48 */
    store16(w + 2 * 84, 0x4000);
    store16(w + 2 * 85, on);
    store16(w + 2 * 86, 0x3400);
    store16(w + 2 * 87, 0x4000);
    store16(w + 2 * 93,
            (u16)(0x6000 | (d->number & 1 ? 0x0b00 : 0x000b))); /* 80-wire cable, device number by jumper */
}

static void identify_trim(u8 *w)
{
    store16(w + 2 * 69, 0x4000); /* what was trimmed reads the same each time */
    store16(w + 2 * 80, 0x01fe); /* ATA-1 to ATA8-ACS: who knows TRIM looks here first */
    store16(w + 2 * 105, RANGE_BLOCKS_MAX);
    store16(w + 2 * 169, 0x0001);
}

static void identify(IdeDrive *d)
{
    u8 *w = d->buffer;
    char serial[] = "R3HD0000";
    serial[7] = (char)('0' + d->number);
    memset(w, 0, SECTOR_BYTES);
    store16(w, 0x0040); /* fixed */
    ide_text(w + 2 * 10, 20, serial);
    store16(w + 2 * 20, 3); /* a buffer with a cache */
    store16(w + 2 * 21, 512);
    store16(w + 2 * 22, 4);
    ide_text(w + 2 * 23, 8, "1.0");
    ide_text(w + 2 * 27, 40, "RING3 HARDDISK");
    store16(w + 2 * 47, 0x8000 | MULTIPLE_MAX);
    store16(w + 2 * 48, 1);
    ide_identify_modes(d, w);
    store16(w + 2 * 59, d->multiple ? 0x100 | d->multiple : 0);
    identify_geometry(d, w);
    identify_features(d, w);
    if (takes_trim(d)) identify_trim(w);
}

/* --- other commands -------------------------------------------------------------------------------------- */

static void reply(IdeDrive *d) /* the buffer's first sector */
{
    ide_data(d, SECTOR_BYTES, IDE_END);
    ide_interrupt(d);
}

static void set_multiple(IdeDrive *d)
{
    u8 n = d->reg.count;
    if (n > MULTIPLE_MAX || n & (n - 1))
        ide_fail(d, ERROR_ABRT);
    else
        d->multiple = n, ide_fail(d, 0);
}

static void initialize_parameters(IdeDrive *d)
{
    u32 heads = (d->device & 0xf) + 1u, sectors = d->reg.count;
    if (!sectors) {
        ide_fail(d, ERROR_ABRT);
        return;
    }
    u64 cylinders = capacity(d) / (heads * sectors);
    d->logical = (Geometry){cylinders < 0xffff ? (u32)cylinders : 0xffff, heads, sectors};
    ide_fail(d, 0);
}

/* The guest runs on until it is done. */
static void flush(IdeDrive *d)
{
    int error = d->written ? medium_flush_later(d->bay->medium) : 0;
    if (error == MEDIUM_LATER) {
        ide_later(d, ATA_FLUSH);
        return;
    }
    flush_over(d, error);
    if (d->held)
        ide_busy(d, ATA_FLUSH);
    else
        ide_fail(d, d->result);
}

/* The last address of the medium, in the registers. */
static void native_max(IdeDrive *d, bool ext)
{
    u64 last = capacity(d) - 1;
    if (!(d->device & DEVICE_LBA)) {
        ide_fail(d, ERROR_ABRT);
        return;
    }
    d->lba = ext || last < LBA28_SECTORS ? last : LBA28_SECTORS - 1;
    d->left = 0;
    report_address(d, ext);
    ide_fail(d, 0);
}

void ata_set_features(IdeDrive *d)
{
    enum {
        WRITE_CACHE_ON = 0x02,
        SET_MODE = 0x03,
        LOOK_AHEAD_OFF = 0x55,
        KEEP_SETTINGS = 0x66,
        WRITE_CACHE_OFF = 0x82,
        LOOK_AHEAD_ON = 0xaa,
        DEFAULTS = 0xcc
    };
    bool ok = true;
    switch (d->reg.features) {
    case WRITE_CACHE_ON:
    case WRITE_CACHE_OFF: d->write_cache = d->reg.features == WRITE_CACHE_ON; break;
    case LOOK_AHEAD_ON:
    case LOOK_AHEAD_OFF: d->look_ahead = d->reg.features == LOOK_AHEAD_ON; break;
    case SET_MODE: ok = ide_set_mode(d, d->reg.count); break;
    case KEEP_SETTINGS:
    case DEFAULTS: break;
    default: ok = false; trace(UNIMP, "ata: SET FEATURES %02x", d->reg.features);
    }
    ide_fail(d, ok ? 0 : ERROR_ABRT);
}

/* Enough for tools to find a healthy drive without attributes. */
static void smart(IdeDrive *d)
{
    enum { READ_DATA = 0xd0, READ_THRESHOLDS, AUTOSAVE, OFFLINE = 0xd4, ENABLE = 0xd8, DISABLE, STATUS };
    enum { SMART_MID = 0x4f, SMART_HIGH = 0xc2 };
    u8 sub = d->reg.features;
    bool known = d->reg.mid == SMART_MID && d->reg.high == SMART_HIGH && (d->smart || sub == ENABLE);
    if (known && (sub == READ_DATA || sub == READ_THRESHOLDS)) {
        memset(d->buffer, 0, SECTOR_BYTES);
        store16(d->buffer, 0x0010);
        d->buffer[511] = 0xf0; /* all bytes sum to 0 */
        ide_busy(d, ATA_REPLY);
        return;
    }
    if (known && (sub == ENABLE || sub == DISABLE)) d->smart = sub == ENABLE;
    known &= sub == ENABLE || sub == DISABLE || sub == STATUS || sub == AUTOSAVE || sub == OFFLINE;
    ide_fail(d, known ? 0 : ERROR_ABRT); /* STATUS: mid and high stay as they are: no threshold was passed */
}

static void power(IdeDrive *d, u8 command)
{
    if (command == CHECK_POWER)
        d->reg.count = d->standby ? POWER_STANDBY : POWER_ACTIVE;
    else
        d->standby = command == STANDBY || command == STANDBY_IMMEDIATE || command == SLEEP;
    ide_fail(d, 0);
}

/* Commands of classes 1x and 7x, and old names of others. */
static u8 canonical(u8 command)
{
    static const u8 old_power[] = {STANDBY_IMMEDIATE, IDLE_IMMEDIATE, STANDBY, IDLE, CHECK_POWER, SLEEP};
    if (command >> 4 == RECALIBRATE >> 4) return RECALIBRATE;
    if (command >> 4 == SEEK >> 4) return SEEK;
    if (command >= 0x94 && command <= 0x99) return old_power[command - 0x94];
    switch (command) {
    case READ_SECTORS + 1:
    case WRITE_SECTORS + 1:
    case VERIFY + 1:
    case READ_DMA + 1:
    case WRITE_DMA + 1: return command - 1; /* without retries */
    default: return command;
    }
}

static void other_command(IdeDrive *d, u8 command)
{
    switch (command) {
    case RECALIBRATE: ide_fail(d, 0); break;
    case SEEK: ide_fail(d, address28(d) < capacity(d) ? 0 : ERROR_IDNF); break;
    case VERIFY:
    case VERIFY_EXT:
        if (transfer_begin(d)) ide_fail(d, 0);
        break;
    case INITIALIZE_PARAMETERS: initialize_parameters(d); break;
    case SET_MULTIPLE: set_multiple(d); break;
    case SET_FEATURES: ata_set_features(d); break;
    case SMART: smart(d); break;
    case IDENTIFY:
        identify(d);
        ide_busy(d, ATA_REPLY);
        break;
    case READ_BUFFER: ide_busy(d, ATA_REPLY); break;
    case WRITE_BUFFER: ide_data(d, SECTOR_BYTES, IDE_COMPLETE); break;
    case FLUSH_CACHE:
    case FLUSH_CACHE_EXT: flush(d); break;
    case READ_NATIVE_MAX: native_max(d, false); break;
    case READ_NATIVE_MAX_EXT: native_max(d, true); break;
    case STANDBY_IMMEDIATE:
    case IDLE_IMMEDIATE:
    case STANDBY:
    case IDLE:
    case CHECK_POWER:
    case SLEEP: power(d, command); break;
    default:
        if (command != NOP) trace(UNIMP, "ata: command %02x", command);
        ide_fail(d, ERROR_ABRT);
    }
}

void ata_command(IdeDrive *d, u8 command)
{
    if (!d->bay->medium) {
        ide_fail(d, ERROR_ABRT);
        return;
    }
    command = d->command = canonical(command);
    switch (command) {
    case READ_SECTORS:
    case READ_SECTORS_EXT: pio_command(d, 1, false); break;
    case WRITE_SECTORS:
    case WRITE_SECTORS_EXT: pio_command(d, 1, true); break;
    case READ_MULTIPLE:
    case READ_MULTIPLE_EXT: pio_command(d, d->multiple, false); break;
    case WRITE_MULTIPLE:
    case WRITE_MULTIPLE_EXT: pio_command(d, d->multiple, true); break;
    case READ_DMA:
    case READ_DMA_EXT: dma_command(d, false); break;
    case WRITE_DMA:
    case WRITE_DMA_EXT: dma_command(d, true); break;
    case DATA_SET_MANAGEMENT: data_set_management(d); break;
    default: other_command(d, command);
    }
}

void ata_step(IdeDrive *d, IdeStep step)
{
    if (!d->bay->medium) {
        ide_complete(d, ERROR_ABRT);
        return;
    }
    switch (step) {
    case ATA_READ_BLOCK: read_block(d); break;
    case ATA_READ_TAKEN: read_taken(d); break;
    case ATA_WRITE_FIRST: write_room(d); break;
    case ATA_WRITE_BLOCK: write_block(d); break;
    case ATA_WRITE_DONE: write_done(d); break;
    case ATA_DMA: dma_run(d); break;
    case ATA_REPLY: reply(d); break;
    case ATA_FLUSH: flush(d); break;
    case ATA_TRIM_RANGES: trim_ranges(d); break;
    case ATA_TRIM: trim(d); break;
    default: break;
    }
}

/* --- geometry -------------------------------------------------------------------------------------------- */

/* The heads and sectors that a partition table was made for; false: there is none that tells. */
static bool partitioned_geometry(const u8 *mbr, Geometry *g)
{
    enum { TABLE = 0x1be, ENTRY_BYTES = 16, END_HEAD = 5, END_SECTOR = 6, COUNT = 12 };
    if (load16(mbr + 510) != 0xaa55) return false;
    for (u32 n = 0; n < 4; n++) {
        const u8 *e = mbr + TABLE + ENTRY_BYTES * n;
        if (!load32(e + COUNT) || !e[END_HEAD] || !(e[END_SECTOR] & 63)) continue;
        g->heads = e[END_HEAD] + 1u;
        g->sectors = e[END_SECTOR] & 63;
        return true;
    }
    return false;
}

static u32 cylinders_of(u64 sectors, const Geometry *g)
{
    enum { LAST = 16383 };
    u64 n = sectors / (g->heads * g->sectors);
    return n < 1 ? 1 : n > LAST ? LAST : (u32)n;
}

static void choose_geometry(IdeDrive *d)
{
    enum { BIOS_CYLINDERS = 1024, LARGE_TRACKS = 131072 };
    Geometry g, *p = &d->physical;
    bool guessed = !medium_read(d->bay->medium, 0, d->buffer, 1) && partitioned_geometry(d->buffer, &g);
    *p = (Geometry){.heads = 16, .sectors = 63};
    if (guessed && g.heads <= 16) *p = g;
    p->cylinders = cylinders_of(capacity(d), p);
    if (guessed && g.heads <= 16)
        d->translation = IDE_TRANSLATION_NONE;
    else if (guessed)
        d->translation =
            p->cylinders * p->heads <= LARGE_TRACKS ? IDE_TRANSLATION_LARGE : IDE_TRANSLATION_LBA;
    else
        d->translation = p->cylinders <= BIOS_CYLINDERS ? IDE_TRANSLATION_NONE : IDE_TRANSLATION_LBA;
}

/* --- life cycle ------------------------------------------------------------------------------------------ */

/* A software reset keeps geometry, modes and multiple, as drives do (SET FEATURES 66h is their default). */
void ata_reset(IdeDrive *d)
{
    d->left = 0;
    d->standby = false;
}

void ata_init(IdeDrive *d)
{
    d->physical = (Geometry){1, 16, 63};
    if (d->bay->medium) choose_geometry(d);
    d->logical = d->physical;
    d->multiple = MULTIPLE_MAX;
    d->mode = 0x22; /* multiword DMA 2 */
    d->write_cache = d->look_ahead = d->smart = true;
}
