/* atapi.c - CD drives: packets and their replies, by PIO or DMA.
 *
 * ATA/ATAPI-6 (T13 1410D) 8.23 PACKET and 9.8; SFF-8020i 2.6 (INF-8020i). What the packets mean is in mmc.c. A reply is
 * either in the buffer or so many sectors of the medium, which pass through the buffer (PIO) or go straight to guest
 * memory (DMA). With PIO the guest says how large a block of data may be; blocks are whole sectors where that allows it.
 *
 * Quirks that guests rely on: IDENTIFY DEVICE and READ SECTORS are refused with the ATAPI signature in the registers; the
 * status after a reset is 00, and its SERV bit always 0; the interrupt reason is 2 while data wait, those of IDENTIFY PACKET
 * DEVICE, too (TEAC's DOS driver asks); an image need not end with a whole sector.
 *
 * Not implemented: error correction bytes of raw sectors (zero), overlapped commands, parameters by DMA.
 */
#include "hw/atapi.h"

/* ATA commands */

enum {
    NOP = 0x00,
    READ_SECTORS = 0x20,
    PACKET = 0xa0,
    IDENTIFY_PACKET = 0xa1,
    IDENTIFY = 0xec,
    SET_FEATURES = 0xef
};
enum {
    STANDBY_IMMEDIATE = 0xe0,
    IDLE_IMMEDIATE = 0xe1,
    CHECK_POWER = 0xe5,
    SLEEP = 0xe6,
    FLUSH_CACHE = 0xe7
};

/* --- the disc -------------------------------------------------------------------------------------------- */

Medium *atapi_disc(const IdeDrive *d) { return d->bay->tray_open ? NULL : d->bay->medium; }

u32 atapi_disc_sectors(const IdeDrive *d)
{
    u64 n = atapi_disc(d) ? (atapi_disc(d)->sectors + PER_CD_SECTOR - 1) / PER_CD_SECTOR : 0;
    return n < UINT32_MAX ? (u32)n : UINT32_MAX;
}

enum { ENO_DISC = 1 }; /* taken out meanwhile; an errno like those of a medium */

/* n sectors of 2048 bytes; an image need not end with a whole one. 0, or an errno. */
static int disc_read(const IdeDrive *d, u32 lba, u8 *to, u32 n)
{
    Medium *m = atapi_disc(d);
    u64 at = (u64)lba * PER_CD_SECTOR, wanted = (u64)n * PER_CD_SECTOR;
    u64 there = at >= m->sectors ? 0 : m->sectors - at;
    if (there >= wanted) return medium_read(m, at, to, (u32)wanted);
    memset(to + there * SECTOR_BYTES, 0, (wanted - there) * SECTOR_BYTES);
    return there ? medium_read(m, at, to, (u32)there) : 0;
}

/* --- the end of a packet --------------------------------------------------------------------------------- */

static void registers_for(IdeDrive *d, u8 reason, u32 bytes)
{
    d->reg.count = reason;
    d->reg.mid = (u8)bytes;
    d->reg.high = (u8)(bytes >> 8);
}

static void complete(IdeDrive *d)
{
    u8 key = d->atapi.sense.key;
    d->reg.count = REASON_IO | REASON_CD;
    ide_complete(d, key ? (u8)(key << 4 | ERROR_ABRT) : 0);
}

static void end(IdeDrive *d)
{
    d->atapi.bytes = d->atapi.at = d->atapi.sectors = 0;
    ide_busy(d, ATAPI_COMPLETE);
}

void atapi_good(IdeDrive *d)
{
    d->atapi.sense = (Sense){0};
    end(d);
}

void atapi_check(IdeDrive *d, u8 key, u8 asc, u8 ascq)
{
    d->atapi.sense = (Sense){key, asc, ascq};
    end(d);
}

bool atapi_disc_missing(IdeDrive *d)
{
    if (atapi_disc(d)) return false;
    atapi_check(d, NOT_READY, ASC_NO_MEDIUM, d->bay->tray_open ? 2 : 1);
    return true;
}

/* --- replies --------------------------------------------------------------------------------------------- */

static void start_reply(IdeDrive *d)
{
    d->atapi.sense = (Sense){0};
    if (d->atapi.dma)
        ide_wait_dma(d, ATAPI_DMA);
    else
        ide_busy(d, ATAPI_DATA_IN);
}

/* The buffer's first `bytes`, or as many as the guest allocated. */
void atapi_reply(IdeDrive *d, u32 bytes, u32 allocated)
{
    CHECK(bytes <= IDE_BUFFER_BYTES, "a reply of %u bytes", bytes);
    if (bytes > allocated) bytes = allocated;
    if (!bytes) {
        atapi_good(d);
        return;
    }
    d->atapi.at = d->atapi.sectors = 0;
    d->atapi.bytes = bytes;
    start_reply(d);
}

/* What READ CD's byte 9 selects of a mode 1 sector, in bytes; 0: nothing. */
static u32 selected_bytes(u8 fields)
{
    return (fields & FIELD_SYNC ? 12 : 0) + (fields & FIELD_HEADER ? 4 : 0) +
           (fields & FIELD_USER ? CD_SECTOR : 0) + (fields & FIELD_EDC ? 288 : 0);
}

/* A sector of user data at `user` becomes the selected parts at `to`, which is not behind `user`. */
static void sector_dress(u8 *to, const u8 *user, u32 lba, u8 fields)
{
    if (fields & FIELD_SYNC) {
        memset(to, 0xff, 12);
        to[0] = to[11] = 0;
        to += 12;
    }
    if (fields & FIELD_HEADER) {
        u8 msf[4];
        put_msf(msf, lba);
        for (int n = 0; n < 3; n++) to[n] = (u8)(msf[n + 1] / 10 << 4 | msf[n + 1] % 10);
        to[3] = 1; /* mode */
        to += 4;
    }
    if (fields & FIELD_USER) {
        memmove(to, user, CD_SECTOR);
        to += CD_SECTOR;
    }
    if (fields & FIELD_EDC) memset(to, 0, 288);
}

/* The next n sectors into the buffer, as the guest wants them. */
static int sectors_load(IdeDrive *d, u32 n)
{
    Atapi *a = &d->atapi;
    u8 user[CD_SECTOR];
    int error = 0;
    CHECK(n <= IDE_BUFFER_BYTES / a->sector_bytes, "%u sectors of %u bytes", n, a->sector_bytes);
    if (a->sector_bytes == CD_SECTOR)
        error = disc_read(d, a->lba, d->buffer, n);
    else
        for (u32 i = 0; i < n && !error; i++) {
            error = disc_read(d, a->lba + i, user, 1);
            sector_dress(d->buffer + i * a->sector_bytes, user, a->lba + i, a->fields);
        }
    if (error) return error;
    a->lba += n;
    a->sectors -= n;
    a->at = 0;
    a->bytes = n * a->sector_bytes;
    return error;
}

void atapi_read(IdeDrive *d, u32 lba, u32 count, u8 fields)
{
    Atapi *a = &d->atapi;
    if (atapi_disc_missing(d)) return;
    if (lba >= atapi_disc_sectors(d) || count > atapi_disc_sectors(d) - lba) {
        atapi_check(d, ILLEGAL_REQUEST, ASC_OUT_OF_RANGE, 0);
        return;
    }
    if (!count || !selected_bytes(fields)) {
        atapi_good(d);
        return;
    }
    a->at = a->bytes = 0;
    a->lba = lba;
    a->sectors = count;
    a->fields = fields;
    a->sector_bytes = selected_bytes(fields);
    start_reply(d);
}

/* `again`: the step to take if the medium wants to be asked once more. */
static void read_failed(IdeDrive *d, int error, IdeStep again)
{
    if (error == MEDIUM_HELD)
        ide_busy(d, again);
    else
        atapi_check(d, MEDIUM_ERROR, ASC_READ_ERROR, 0);
}

static u32 at_least_1(u32 n) { return n ? n : 1; }

/* PIO: the next block of data, or the end. */
static void data_in(IdeDrive *d)
{
    Atapi *a = &d->atapi;
    if (a->at == a->bytes && a->sectors) {
        u32 n = at_least_1(a->limit / a->sector_bytes), room = IDE_BUFFER_BYTES / a->sector_bytes;
        if (n > room) n = room;
        if (n > a->sectors) n = a->sectors;
        if (ide_paced(d, false, (u64)n * CD_SECTOR, ATAPI_DATA_IN)) return;
        int error = atapi_disc(d) ? sectors_load(d, n) : ENO_DISC;
        if (error) {
            read_failed(d, error, ATAPI_DATA_IN);
            return;
        }
    }
    u32 left = a->bytes - a->at, n = left < a->limit ? left : a->limit;
    if (!left) {
        complete(d);
        return;
    }
    registers_for(d, REASON_IO, n);
    ide_data(d, a->at + n, ATAPI_DATA_TAKEN);
    d->at = a->at;
    a->at += n;
    ide_interrupt(d);
}

/* DMA: as many sectors as fit go from the medium to a piece of guest memory. */
static bool dma_some(IdeDrive *d, int *error)
{
    Atapi *a = &d->atapi;
    Bmdma *b = &d->channel->bm;
    u32 bytes;
    u8 *hp = bmdma_piece(b, CD_SECTOR << 9, &bytes);
    u32 n = bytes / CD_SECTOR;
    if (n > a->sectors) n = a->sectors;
    if (hp && n && a->sector_bytes == CD_SECTOR) {
        *error = disc_read(d, a->lba, hp, n);
        if (*error) return true;
        bmdma_take(b, n * CD_SECTOR, true);
        a->lba += n;
        a->sectors -= n;
        return true;
    }
    *error = sectors_load(d, 1);
    return *error || bmdma_put(b, d->buffer, a->bytes) == a->bytes;
}

static void dma_run(IdeDrive *d)
{
    Atapi *a = &d->atapi;
    Bmdma *b = &d->channel->bm;
    bool enough = true;
    int error = 0;
    if (!bmdma_started(b)) { /* the guest has stopped it while the transfer was held */
        ide_wait_dma(d, ATAPI_DMA);
        return;
    }
    if (a->sectors && ide_paced(d, false, (u64)a->sectors * CD_SECTOR, ATAPI_DMA)) return;
    if (!a->sectors) enough = bmdma_put(b, d->buffer, a->bytes) == a->bytes;
    while (a->sectors && enough && !error) {
        error = atapi_disc(d) ? 0 : ENO_DISC;
        if (!error) enough = dma_some(d, &error);
    }
    if (error == MEDIUM_HELD) {
        ide_busy(d, ATAPI_DMA);
        return;
    }
    bmdma_finish(b);
    if (!enough) b->status &= ~BMIS_ACTIVE;
    if (error)
        read_failed(d, error, ATAPI_DMA);
    else
        ide_busy(d, enough ? ATAPI_COMPLETE : IDE_END);
}

/* atapi_take - parameters come by PIO; they are taken and forgotten. */
void atapi_take(IdeDrive *d, u32 bytes)
{
    CHECK(bytes <= IDE_BUFFER_BYTES, "%u bytes of parameters", bytes);
    registers_for(d, 0, bytes);
    ide_data(d, bytes, ATAPI_DATA_OUT);
    ide_interrupt(d);
}

static void packet(IdeDrive *d)
{
    Atapi *a = &d->atapi;
    memcpy(a->packet, d->buffer, sizeof a->packet);
    a->at = a->bytes = a->sectors = 0;
    mmc_packet(d, a->packet);
}

/* --- ATA commands ---------------------------------------------------------------------------------------- */

static void identify(IdeDrive *d)
{
    u8 *w = d->buffer;
    char serial[] = "R3CD0000";
    serial[7] = (char)('0' + d->number);
    memset(w, 0, SECTOR_BYTES);
    store16(w, 0x85c0); /* ATAPI CD-ROM, removable, DRQ within 50 us, packets of 12 bytes */
    ide_text(w + 2 * 10, 20, serial);
    ide_text(w + 2 * 23, 8, "1.0");
    ide_text(w + 2 * 27, 40, "RING3 CD-ROM");
    ide_identify_modes(d, w);
    store16(w + 2 * 71, 30);
    store16(w + 2 * 72, 30);
    store16(w + 2 * 80, 0x007e);
    store16(w + 2 * 82, 0x0210); /* PACKET, DEVICE RESET */
    store16(w + 2 * 83, 0x4000);
    store16(w + 2 * 84, 0x4000);
    store16(w + 2 * 85, 0x0210);
    store16(w + 2 * 87, 0x4000);
    store16(w + 2 * 93, (u16)(0x6000 | (d->number & 1 ? 0x0b00 : 0x000b)));
    ide_busy(d, ATA_REPLY);
}

static void packet_begin(IdeDrive *d)
{
    enum { FEATURE_DMA = 1, FEATURE_OVERLAP = 2, LARGEST = 0xfffe };
    Atapi *a = &d->atapi;
    u32 limit = (u32)d->reg.high << 8 | d->reg.mid;
    if (d->reg.features & FEATURE_OVERLAP) {
        d->reg.count = REASON_IO | REASON_CD;
        ide_fail(d, ERROR_ABRT);
        return;
    }
    a->dma = d->reg.features & FEATURE_DMA;
    a->limit = !limit || limit > LARGEST ? LARGEST : limit > 1 ? limit & ~1u : 1;
    d->reg.count = REASON_CD;
    ide_data(d, sizeof a->packet, ATAPI_PACKET);
}

void atapi_command(IdeDrive *d, u8 command)
{
    switch (command) {
    case PACKET: packet_begin(d); break;
    case IDENTIFY_PACKET: identify(d); break;
    case SET_FEATURES: ata_set_features(d); break;
    case CHECK_POWER:
        d->reg.count = 0xff;
        ide_fail(d, 0);
        break;
    case STANDBY_IMMEDIATE:
    case IDLE_IMMEDIATE:
    case SLEEP:
    case FLUSH_CACHE: ide_fail(d, 0); break;
    case IDENTIFY:
    case READ_SECTORS:
        ide_signature(d);
        ide_fail(d, ERROR_ABRT);
        break;
    default:
        if (command != NOP) trace(UNIMP, "atapi: command %02x", command);
        ide_fail(d, ERROR_ABRT);
    }
}

void atapi_step(IdeDrive *d, IdeStep step)
{
    switch (step) {
    case ATAPI_PACKET: packet(d); break;
    case ATAPI_DATA_IN: data_in(d); break;
    case ATAPI_DATA_TAKEN: ide_busy(d, ATAPI_DATA_IN); break;
    case ATAPI_DATA_OUT: atapi_good(d); break;
    case ATAPI_DMA: dma_run(d); break;
    case ATAPI_COMPLETE: complete(d); break;
    case ATA_REPLY:
        d->reg.count = REASON_IO;
        ide_data(d, SECTOR_BYTES, IDE_END);
        ide_interrupt(d);
        break;
    default: break;
    }
}

/* --- events and life cycle ------------------------------------------------------------------------------- */

void atapi_moved(void *drive)
{
    IdeDrive *d = drive;
    Atapi *a = &d->atapi;
    if (d->bay->eject_wanted) {
        a->eject_asked = true;
        return;
    }
    a->removed = true;
    a->inserted = atapi_disc(d) != NULL;
    a->attention |= ATTENTION_GONE | (atapi_disc(d) ? ATTENTION_CHANGED : 0);
}

void atapi_reset(IdeDrive *d)
{
    d->atapi = (Atapi){.attention = d->atapi.attention,
                       .removed = d->atapi.removed,
                       .inserted = d->atapi.inserted,
                       .sector_bytes = CD_SECTOR};
    d->bay->locked = false;
    d->mode = 0x22;
}

/* --- state ----------------------------------------------------------------------------------------------- */

void atapi_state(IdeDrive *d, State *s)
{
    Atapi *a = &d->atapi;
    state_bytes(s, "sense", (u8 *)&a->sense, sizeof a->sense);
    state_bytes(s, "packet", a->packet, sizeof a->packet);
    state_bool(s, "by_dma", &a->dma);
    state_u32(s, "limit", &a->limit);
    state_u32(s, "reply_at", &a->at);
    state_u32(s, "reply_bytes", &a->bytes);
    state_check(s, a->at <= a->bytes && a->bytes <= IDE_BUFFER_BYTES, "reply_at");
    state_u32(s, "cd_lba", &a->lba);
    state_u32(s, "cd_sectors", &a->sectors);
    state_u32(s, "sector_bytes", &a->sector_bytes);
    state_u8(s, "fields", &a->fields);
    state_check(
        s, a->sector_bytes == CD_SECTOR || (a->sector_bytes && a->sector_bytes == selected_bytes(a->fields)),
        "sector_bytes");
    state_u8(s, "attention", &a->attention);
    state_bool(s, "removed", &a->removed);
    state_bool(s, "inserted", &a->inserted);
    state_bool(s, "eject_asked", &a->eject_asked);
}
