/* atapi.c - CD drives: packets by PIO or DMA, and the MMC commands in them.
 *
 * ATA/ATAPI-6 (T13 1410D) 8.23 PACKET and 9.8; SFF-8020i 2.6 (INF-8020i); MMC-2 and MMC-3 (T10 1363D). A reply is either
 * in the buffer or so many sectors of the medium, which pass through the buffer (PIO) or go straight to guest memory
 * (DMA). With PIO the guest says how large a block of data may be; blocks are whole sectors where that allows it.
 *
 * A medium that was changed is told as a person's hands would do it: first NOT READY / MEDIUM NOT PRESENT, then UNIT
 * ATTENTION / MEDIUM MAY HAVE CHANGED, each to one command that asks; and as media events, removal and arrival.
 * A drive that the guest locked reports an eject request instead.
 *
 * The disc is one data track (mode 1). Up to 99 minutes it is a CD-ROM, larger ones are a DVD-ROM.
 *
 * Quirks that guests rely on: INQUIRY, REQUEST SENSE and GET EVENT STATUS NOTIFICATION are served while a unit attention
 * waits; IDENTIFY DEVICE and READ SECTORS are refused with the ATAPI signature in the registers; allocation lengths cut
 * replies short; status after a reset is 00.
 *
 * Not implemented: audio tracks and playing, several sessions, error correction bytes of raw sectors (zero),
 * subchannel data in READ CD, recording, DVD keys, changers, overlapped commands.
 */
#include "hw/ide.h"

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

/* Packet commands */
enum {
    TEST_UNIT_READY = 0x00,
    REQUEST_SENSE = 0x03,
    INQUIRY = 0x12,
    MODE_SELECT_6 = 0x15,
    MODE_SENSE_6 = 0x1a,
    START_STOP_UNIT = 0x1b,
    PREVENT_ALLOW = 0x1e,
    READ_CAPACITY = 0x25,
    READ_10 = 0x28,
    SEEK_10 = 0x2b,
    SYNCHRONIZE_CACHE = 0x35,
    READ_SUBCHANNEL = 0x42,
    READ_TOC = 0x43,
    READ_HEADER = 0x44,
    GET_CONFIGURATION = 0x46,
    GET_EVENT_STATUS = 0x4a,
    STOP_PLAY = 0x4e,
    READ_DISC_INFORMATION = 0x51,
    READ_TRACK_INFORMATION = 0x52,
    MODE_SELECT_10 = 0x55,
    MODE_SENSE_10 = 0x5a,
    READ_12 = 0xa8,
    READ_DVD_STRUCTURE = 0xad,
    READ_CD_MSF = 0xb9,
    SET_CD_SPEED = 0xbb,
    MECHANISM_STATUS = 0xbd,
    READ_CD = 0xbe,
};

enum { NO_SENSE = 0, NOT_READY = 2, MEDIUM_ERROR = 3, ILLEGAL_REQUEST = 5, UNIT_ATTENTION = 6 };
enum {
    ASC_READ_ERROR = 0x11,
    ASC_INVALID_COMMAND = 0x20,
    ASC_OUT_OF_RANGE = 0x21,
    ASC_INVALID_FIELD = 0x24,
    ASC_MEDIUM_CHANGED = 0x28,
    ASC_RESET = 0x29,
    ASC_SAVING = 0x39,
    ASC_NO_MEDIUM = 0x3a,
    ASC_REMOVAL_PREVENTED = 0x53,
    ASC_ILLEGAL_MODE = 0x64,
};
enum { ATTENTION_RESET = 1, ATTENTION_GONE = 2, ATTENTION_CHANGED = 4 };

enum {
    CD_SECTOR = 2048,
    RAW_SECTOR = 2352,
    PER_CD_SECTOR = CD_SECTOR / SECTOR_BYTES,
    CD_MOST = 99 * 60 * 75
};
enum { LEAD_OUT = 0xaa, PREGAP = 150, DATA_TRACK = 0x14 };
enum { PROFILE_NONE = 0x00, PROFILE_CD_ROM = 0x08, PROFILE_DVD_ROM = 0x10 };

/* --- big-endian words ------------------------------------------------------------------------------------ */

static void put16(u8 *p, u32 v) { p[0] = (u8)(v >> 8), p[1] = (u8)v; }
static void put24(u8 *p, u32 v) { p[0] = (u8)(v >> 16), put16(p + 1, v); }
static void put32(u8 *p, u32 v) { put16(p, v >> 16), put16(p + 2, v); }
static u32 get16(const u8 *p) { return (u32)p[0] << 8 | p[1]; }
static u32 get24(const u8 *p) { return (u32)p[0] << 16 | get16(p + 1); }
static u32 get32(const u8 *p) { return get16(p) << 16 | get16(p + 2); }

static void put_msf(u8 *p, u32 lba) /* 4 bytes: 0, minute, second, frame */
{
    lba += PREGAP;
    p[0] = 0, p[1] = (u8)(lba / 75 / 60), p[2] = (u8)(lba / 75 % 60), p[3] = (u8)(lba % 75);
}

static u32 get_msf(const u8 *p) { return (p[0] * 60u + p[1]) * 75u + p[2] - PREGAP; }

static void put_address(u8 *p, u32 lba, bool msf)
{
    if (msf)
        put_msf(p, lba);
    else
        put32(p, lba);
}

/* --- the disc -------------------------------------------------------------------------------------------- */

static Medium *disc(const IdeDrive *d) { return d->bay->tray_open ? NULL : d->bay->medium; }

static u32 disc_sectors(const IdeDrive *d)
{
    u64 n = disc(d) ? (disc(d)->sectors + PER_CD_SECTOR - 1) / PER_CD_SECTOR : 0;
    return n < UINT32_MAX ? (u32)n : UINT32_MAX;
}

static u32 profile(const IdeDrive *d)
{
    return !disc(d) ? PROFILE_NONE : disc_sectors(d) <= CD_MOST ? PROFILE_CD_ROM : PROFILE_DVD_ROM;
}

/* n sectors of 2048 bytes; an image need not end with a whole one. 0, or an errno. */
static int disc_read(const IdeDrive *d, u32 lba, u8 *to, u32 n)
{
    Medium *m = disc(d);
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

static void good(IdeDrive *d)
{
    d->atapi.sense = (Sense){0};
    end(d);
}

static void check(IdeDrive *d, u8 key, u8 asc, u8 ascq)
{
    d->atapi.sense = (Sense){key, asc, ascq};
    end(d);
}

static void invalid_field(IdeDrive *d) { check(d, ILLEGAL_REQUEST, ASC_INVALID_FIELD, 0); }

static bool disc_missing(IdeDrive *d)
{
    if (disc(d)) return false;
    check(d, NOT_READY, ASC_NO_MEDIUM, d->bay->tray_open ? 2 : 1);
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
static void reply(IdeDrive *d, u32 bytes, u32 allocated)
{
    if (bytes > allocated) bytes = allocated;
    if (!bytes) {
        good(d);
        return;
    }
    d->atapi.at = d->atapi.sectors = 0;
    d->atapi.bytes = bytes;
    start_reply(d);
}

enum { FIELD_SYNC = 0x80, FIELD_SUBHEADER = 0x60, FIELD_HEADER = 0x20, FIELD_USER = 0x10, FIELD_EDC = 0x08 };

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
    if (a->sector_bytes == CD_SECTOR)
        error = disc_read(d, a->lba, d->buffer, n);
    else
        for (u32 i = 0; i < n && !error; i++) {
            error = disc_read(d, a->lba + i, user, 1);
            sector_dress(d->buffer + i * a->sector_bytes, user, a->lba + i, a->fields);
        }
    a->lba += n;
    a->sectors -= n;
    a->at = 0;
    a->bytes = n * a->sector_bytes;
    return error;
}

static void read_sectors(IdeDrive *d, u32 lba, u32 count, u8 fields)
{
    Atapi *a = &d->atapi;
    if (disc_missing(d)) return;
    if (lba >= disc_sectors(d) || count > disc_sectors(d) - lba) {
        check(d, ILLEGAL_REQUEST, ASC_OUT_OF_RANGE, 0);
        return;
    }
    if (!count || !selected_bytes(fields)) {
        good(d);
        return;
    }
    a->at = a->bytes = 0;
    a->lba = lba;
    a->sectors = count;
    a->fields = fields;
    a->sector_bytes = selected_bytes(fields);
    start_reply(d);
}

static void read_failed(IdeDrive *d) { check(d, MEDIUM_ERROR, ASC_READ_ERROR, 0); }

static u32 at_least_1(u32 n) { return n ? n : 1; }

/* PIO: the next block of data, or the end. */
static void data_in(IdeDrive *d)
{
    Atapi *a = &d->atapi;
    if (a->at == a->bytes && a->sectors) {
        u32 n = at_least_1(a->limit / a->sector_bytes), room = IDE_BUFFER_BYTES / a->sector_bytes;
        if (n > room) n = room;
        if (!disc(d) || sectors_load(d, n < a->sectors ? n : a->sectors)) {
            read_failed(d);
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
static bool dma_some(IdeDrive *d, bool *error)
{
    Atapi *a = &d->atapi;
    Bmdma *b = &d->channel->bm;
    u32 bytes;
    u8 *hp = bmdma_piece(b, CD_SECTOR << 9, &bytes);
    u32 n = bytes / CD_SECTOR;
    if (n > a->sectors) n = a->sectors;
    if (hp && n && a->sector_bytes == CD_SECTOR) {
        *error = disc_read(d, a->lba, hp, n) != 0;
        bmdma_take(b, n * CD_SECTOR, true);
        a->lba += n;
        a->sectors -= n;
        return true;
    }
    *error = sectors_load(d, 1) != 0;
    return bmdma_put(b, d->buffer, a->bytes) == a->bytes;
}

static void dma_run(IdeDrive *d)
{
    Atapi *a = &d->atapi;
    Bmdma *b = &d->channel->bm;
    bool enough = true, error = false;
    if (!a->sectors) enough = bmdma_put(b, d->buffer, a->bytes) == a->bytes;
    while (a->sectors && enough && !error) {
        error = !disc(d);
        if (!error) enough = dma_some(d, &error);
    }
    bmdma_finish(b);
    if (!enough) b->status &= ~BMIS_ACTIVE;
    if (error)
        read_failed(d);
    else
        ide_busy(d, enough ? ATAPI_COMPLETE : IDE_END);
}

/* --- commands about the drive ---------------------------------------------------------------------------- */

static void inquiry(IdeDrive *d, const u8 *p)
{
    u8 *b = d->buffer;
    memset(b, 0, 36);
    b[0] = 0x05; /* CD-ROM */
    b[1] = 0x80; /* removable */
    b[3] = 0x21; /* ATAPI 2, response format 1 */
    b[4] = 36 - 5;
    memcpy(b + 8, "RING3   ", 8);
    memcpy(b + 16, "RING3 CD-ROM    ", 16);
    memcpy(b + 32, "1.0 ", 4);
    if (p[1] & 1)
        invalid_field(d); /* vital product data */
    else
        reply(d, 36, p[4]);
}

static void request_sense(IdeDrive *d, const u8 *p)
{
    Atapi *a = &d->atapi;
    u8 *b = d->buffer;
    memset(b, 0, 18);
    b[0] = 0x70;
    b[2] = a->sense.key;
    b[7] = 10;
    b[12] = a->sense.asc;
    b[13] = a->sense.ascq;
    reply(d, 18, p[4]);
}

enum { PAGE_ERROR = 0x01, PAGE_AUDIO = 0x0e, PAGE_POWER = 0x1a, PAGE_CAPABILITIES = 0x2a, PAGE_ALL = 0x3f };

static u32 mode_page(const IdeDrive *d, u8 page, u8 *b)
{
    static const u8 error[] = {PAGE_ERROR, 6, 0, 5, 0, 0, 0, 0};
    static const u8 audio[] = {PAGE_AUDIO, 14, 4, 0, 0, 0, 0, 75, 1, 0xff, 2, 0xff, 0, 0, 0, 0};
    static const u8 power[] = {PAGE_POWER, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    static const u8 capabilities[] = {PAGE_CAPABILITIES,
                                      18,
                                      0x3b,
                                      0,
                                      0x71,
                                      0x60,
                                      0x29,
                                      0,
                                      0x16,
                                      0x08,
                                      0,
                                      2,
                                      0x02,
                                      0,
                                      0x16,
                                      0x08,
                                      0,
                                      0,
                                      0,
                                      0};
    const u8 *from = page == PAGE_ERROR   ? error
                     : page == PAGE_AUDIO ? audio
                     : page == PAGE_POWER ? power
                                          : capabilities;
    u32 n = from[1] + 2u;
    memcpy(b, from, n);
    if (page == PAGE_CAPABILITIES && d->bay->locked) b[6] |= 2;
    return n;
}

static u8 medium_type(const IdeDrive *d) { return d->bay->tray_open ? 0x71 : !disc(d) ? 0x70 : 0x01; }

static void mode_sense(IdeDrive *d, const u8 *p, u32 header, u32 allocated)
{
    static const u8 pages[] = {PAGE_ERROR, PAGE_AUDIO, PAGE_POWER, PAGE_CAPABILITIES};
    u8 *b = d->buffer, wanted = p[2] & 0x3f;
    u32 n = header;
    memset(b, 0, header);
    if (p[2] >> 6 == 3) {
        check(d, ILLEGAL_REQUEST, ASC_SAVING, 0);
        return;
    }
    for (unsigned i = 0; i < ARRAY_LEN(pages); i++) {
        if (wanted != PAGE_ALL && wanted != pages[i]) continue;
        u32 bytes = mode_page(d, pages[i], b + n);
        if (p[2] >> 6 == 1) memset(b + n + 2, 0, bytes - 2); /* what may be changed: nothing */
        n += bytes;
    }
    if (n == header) {
        invalid_field(d);
        return;
    }
    if (header == 8)
        put16(b, n - 2), b[2] = medium_type(d);
    else
        b[0] = (u8)(n - 1), b[1] = medium_type(d);
    reply(d, n, allocated);
}

/* Parameters are taken and forgotten. */
static void mode_select(IdeDrive *d, u32 bytes)
{
    if (!bytes || d->atapi.dma) {
        good(d);
        return;
    }
    registers_for(d, 0, bytes);
    ide_data(d, bytes < IDE_BUFFER_BYTES ? bytes : IDE_BUFFER_BYTES, ATAPI_DATA_OUT);
    ide_interrupt(d);
}

static void start_stop(IdeDrive *d, const u8 *p)
{
    enum { START = 1, LOAD_EJECT = 2 };
    Drive *bay = d->bay;
    bool open = !(p[4] & START);
    if (p[4] & LOAD_EJECT && open && bay->locked) {
        check(d, bay->medium ? ILLEGAL_REQUEST : NOT_READY, ASC_REMOVAL_PREVENTED, 2);
        return;
    }
    if (p[4] & LOAD_EJECT && open != bay->tray_open) {
        bay->tray_open = open;
        bay->eject_wanted = d->atapi.eject_asked = false;
        if (open) d->atapi.removed = bay->medium;
        if (!open) d->atapi.inserted = bay->medium;
        if (!open && bay->medium) d->atapi.attention |= ATTENTION_CHANGED;
    }
    good(d);
}

static void mechanism_status(IdeDrive *d, const u8 *p)
{
    memset(d->buffer, 0, 8);
    if (d->bay->tray_open) d->buffer[1] = 0x10; /* door open */
    reply(d, 8, get16(p + 8));
}

/* One event a time: eject request, then removal, then arrival. */
static u8 next_event(Atapi *a)
{
    enum { NO_CHANGE, EJECT_REQUEST, NEW_MEDIA, MEDIA_REMOVAL };
    bool *flags[] = {&a->eject_asked, &a->removed, &a->inserted};
    static const u8 codes[] = {EJECT_REQUEST, MEDIA_REMOVAL, NEW_MEDIA};
    for (unsigned n = 0; n < ARRAY_LEN(flags); n++)
        if (*flags[n]) return *flags[n] = false, codes[n];
    return NO_CHANGE;
}

static void event_status(IdeDrive *d, const u8 *p)
{
    enum { POLLED = 1, MEDIA_CLASS = 4, SUPPORTED = BIT(MEDIA_CLASS), NO_EVENT = 0x80 };
    u8 *b = d->buffer;
    memset(b, 0, 8);
    b[3] = SUPPORTED;
    if (!(p[1] & POLLED)) {
        invalid_field(d);
    } else if (!(p[4] & SUPPORTED)) {
        put16(b, 2);
        b[2] = NO_EVENT;
        reply(d, 4, get16(p + 7));
    } else {
        put16(b, 6);
        b[2] = MEDIA_CLASS;
        if (get16(p + 7) > 4) b[4] = next_event(&d->atapi);
        b[5] = (u8)((d->bay->tray_open ? 1 : 0) | (disc(d) ? 2 : 0));
        reply(d, 8, get16(p + 7));
    }
}

static u32 feature(u8 *b, u32 code, u8 flags, u32 bytes)
{
    put16(b, code);
    b[2] = flags;
    b[3] = (u8)bytes;
    memset(b + 4, 0, bytes);
    return bytes + 4;
}

/* Features: profiles, core, removable medium, random reading, CD or DVD reading, in the order of their codes. */
static void get_configuration(IdeDrive *d, const u8 *p)
{
    enum { CURRENT = 1, PERSISTENT = 2, VERSION_1 = 4 };
    static const u16 codes[] = {0x0000, 0x0001, 0x0003, 0x0010, 0x001e, 0x001f};
    u8 *b = d->buffer, kind = p[1] & 3;
    u32 n = 8, now = profile(d), first = get16(p + 2);
    memset(b, 0, 8);
    put16(b + 6, now);
    for (unsigned i = 0; i < ARRAY_LEN(codes); i++) {
        u8 *f = b + n;
        u32 code = codes[i];
        bool reads = code >= 0x10, current = !reads || (code == 0x1f   ? now == PROFILE_DVD_ROM
                                                        : code == 0x1e ? now == PROFILE_CD_ROM
                                                                       : now != PROFILE_NONE);
        if (kind == 2 ? code != first : code < first) continue;
        if (kind == 1 && !current) continue;
        n += feature(f, code, (u8)((current ? CURRENT : 0) | (reads ? 0 : PERSISTENT)),
                     code == 0x1f || code == 0x1e ? 4 : 8);
        if (code == 0x0000) {
            put16(f + 4, PROFILE_DVD_ROM), put16(f + 8, PROFILE_CD_ROM);
            f[6] = now == PROFILE_DVD_ROM, f[10] = now == PROFILE_CD_ROM;
        } else if (code == 0x0001) {
            f[2] |= VERSION_1 << 1;
            put32(f + 4, 2); /* ATAPI */
            f[8] = 1;        /* device busy events */
        } else if (code == 0x0003) {
            f[3] = 4, n -= 4;
            f[4] = 0x29; /* tray, eject, lock */
        } else if (code == 0x0010) {
            put32(f + 4, CD_SECTOR);
            put16(f + 8, 16);
        }
    }
    put32(b, n - 4);
    reply(d, n, get16(p + 7));
}

/* --- commands about the disc ----------------------------------------------------------------------------- */

static void read_capacity(IdeDrive *d)
{
    put32(d->buffer, disc_sectors(d) - 1);
    put32(d->buffer + 4, CD_SECTOR);
    reply(d, 8, 8);
}

static u32 toc_tracks(IdeDrive *d, u8 first, bool msf)
{
    u8 *b = d->buffer;
    u32 n = 4;
    b[2] = b[3] = 1; /* first and last track */
    if (first <= 1) {
        memset(b + n, 0, 8);
        b[n + 1] = DATA_TRACK, b[n + 2] = 1;
        put_address(b + n + 4, 0, msf);
        n += 8;
    }
    memset(b + n, 0, 8);
    b[n + 1] = DATA_TRACK, b[n + 2] = LEAD_OUT;
    put_address(b + n + 4, disc_sectors(d), msf);
    return n + 8;
}

static u32 toc_session(IdeDrive *d, bool msf)
{
    u8 *b = d->buffer;
    memset(b, 0, 12);
    b[2] = b[3] = 1; /* first and last session */
    b[5] = DATA_TRACK, b[6] = 1;
    put_address(b + 8, 0, msf);
    return 12;
}

/* The lead-in's entries: points A0, A1, A2 and track 1. */
static u32 toc_raw(IdeDrive *d, bool msf)
{
    static const u8 points[] = {0xa0, 0xa1, 0xa2, 1};
    u8 *b = d->buffer, *e = b + 4;
    memset(b, 0, 4 + 11 * ARRAY_LEN(points));
    b[2] = b[3] = 1;
    for (unsigned n = 0; n < ARRAY_LEN(points); n++, e += 11) {
        e[0] = 1, e[1] = DATA_TRACK, e[3] = points[n];
        if (points[n] == 0xa0 || points[n] == 0xa1)
            e[8] = 1;
        else
            put_address(e + 7, points[n] == 0xa2 ? disc_sectors(d) : 0,
                        msf || points[n] == 0xa2 || points[n] == 1);
    }
    return 4 + 11 * ARRAY_LEN(points);
}

static void read_toc(IdeDrive *d, const u8 *p)
{
    u8 format = p[2] & 0xf ? p[2] & 0xf : p[9] >> 6; /* SFF-8020 had it in the last byte */
    bool msf = p[1] & 2;
    u32 n;
    if ((format == 0 && p[6] > 1 && p[6] != LEAD_OUT) || format > 2) {
        invalid_field(d);
        return;
    }
    n = format == 0 ? toc_tracks(d, p[6], msf) : format == 1 ? toc_session(d, msf) : toc_raw(d, msf);
    put16(d->buffer, n - 2);
    reply(d, n, get16(p + 7));
}

static void read_subchannel(IdeDrive *d, const u8 *p)
{
    u8 *b = d->buffer;
    u32 n = 4;
    memset(b, 0, 24);
    b[1] = 0x15; /* no audio status */
    if (p[2] & 0x40) {
        if (p[3] == 1) {
            n = 16;
            b[5] = DATA_TRACK, b[6] = b[7] = 1;
            put_address(b + 8, 0, p[1] & 2);
            put_address(b + 12, 0, p[1] & 2);
        } else if (p[3] == 2 || p[3] == 3) {
            n = 24;
        } else {
            invalid_field(d);
            return;
        }
        b[4] = p[3];
    }
    put16(b + 2, n - 4);
    reply(d, n, get16(p + 7));
}

static void read_header(IdeDrive *d, const u8 *p)
{
    u32 lba = get32(p + 2);
    if (lba >= disc_sectors(d)) {
        check(d, ILLEGAL_REQUEST, ASC_OUT_OF_RANGE, 0);
        return;
    }
    memset(d->buffer, 0, 4);
    d->buffer[0] = 1; /* mode 1 */
    put_address(d->buffer + 4, lba, p[1] & 2);
    reply(d, 8, get16(p + 7));
}

static void disc_information(IdeDrive *d, const u8 *p)
{
    u8 *b = d->buffer;
    memset(b, 0, 34);
    put16(b, 32);
    b[2] = 0x0e; /* complete, last session complete */
    b[3] = b[4] = b[5] = b[6] = 1;
    b[7] = 0x20; /* unrestricted use */
    memset(b + 16, 0xff, 8);
    reply(d, 34, get16(p + 7));
}

static void track_information(IdeDrive *d, const u8 *p)
{
    u8 *b = d->buffer;
    u32 number = get32(p + 2);
    bool ok = (p[1] & 3) == 0 ? number < disc_sectors(d) : number == 1;
    if (!ok) {
        invalid_field(d);
        return;
    }
    memset(b, 0, 36);
    put16(b, 34);
    b[2] = b[3] = 1;
    b[5] = 0x04; /* data */
    b[6] = 0x01; /* mode 1 */
    put32(b + 24, disc_sectors(d));
    reply(d, 36, get16(p + 7));
}

/* The physical format of a DVD-ROM: one layer of as many sectors as the image has. */
static void dvd_structure(IdeDrive *d, const u8 *p)
{
    enum { PHYSICAL, COPYRIGHT, MANUFACTURER = 4, FIRST_SECTOR = 0x30000 };
    u8 *b = d->buffer;
    u32 n = p[7] == PHYSICAL || p[7] == MANUFACTURER ? 2052 : 8;
    if (profile(d) != PROFILE_DVD_ROM || (p[7] > COPYRIGHT && p[7] != MANUFACTURER)) {
        invalid_field(d);
        return;
    }
    memset(b, 0, n);
    put16(b, n - 2);
    if (p[7] == PHYSICAL) {
        b[4] = 0x01; /* DVD-ROM, version 1 */
        b[5] = 0x0f; /* 120 mm, any rate */
        b[6] = 0x01; /* one layer, stamped */
        put24(b + 9, FIRST_SECTOR);
        put24(b + 13, FIRST_SECTOR + disc_sectors(d) - 1);
    }
    reply(d, n, get16(p + 8));
}

/* Expected sector type (bits 4-2 of byte 1): any, or mode 1; byte 9: parts. */
static void read_cd(IdeDrive *d, const u8 *p, u32 lba, u32 count)
{
    u8 type = p[1] >> 2 & 7;
    if ((type != 0 && type != 2) || p[10] & 7) {
        check(d, ILLEGAL_REQUEST, type && type != 2 ? ASC_ILLEGAL_MODE : ASC_INVALID_FIELD, 0);
        return;
    }
    read_sectors(d, lba, count, p[9] & (FIELD_SYNC | FIELD_HEADER | FIELD_USER | FIELD_EDC));
}

static void read_cd_msf(IdeDrive *d, const u8 *p)
{
    u32 from = get_msf(p + 3), to = get_msf(p + 6);
    if (to < from)
        invalid_field(d);
    else
        read_cd(d, p, from, to - from);
}

/* --- dispatch -------------------------------------------------------------------------------------------- */

/* An attention that waits is told to this command, which is not executed. */
static bool attention_told(IdeDrive *d, u8 op)
{
    Atapi *a = &d->atapi;
    if (!a->attention || op == INQUIRY || op == REQUEST_SENSE || op == GET_EVENT_STATUS ||
        op == GET_CONFIGURATION)
        return false;
    if (a->attention & ATTENTION_RESET) {
        a->attention &= ~ATTENTION_RESET;
        check(d, UNIT_ATTENTION, ASC_RESET, 0);
    } else if (a->attention & ATTENTION_GONE) {
        a->attention &= ~ATTENTION_GONE;
        check(d, NOT_READY, ASC_NO_MEDIUM, 2);
    } else {
        a->attention &= ~ATTENTION_CHANGED;
        if (!disc(d)) return false;
        check(d, UNIT_ATTENTION, ASC_MEDIUM_CHANGED, 0);
    }
    return true;
}

static void drive_command(IdeDrive *d, const u8 *p)
{
    switch (p[0]) {
    case REQUEST_SENSE: request_sense(d, p); break;
    case INQUIRY: inquiry(d, p); break;
    case MODE_SENSE_6: mode_sense(d, p, 4, p[4]); break;
    case MODE_SENSE_10: mode_sense(d, p, 8, get16(p + 7)); break;
    case MODE_SELECT_6: mode_select(d, p[4]); break;
    case MODE_SELECT_10: mode_select(d, get16(p + 7)); break;
    case START_STOP_UNIT: start_stop(d, p); break;
    case PREVENT_ALLOW:
        d->bay->locked = p[4] & 1;
        good(d);
        break;
    case GET_CONFIGURATION: get_configuration(d, p); break;
    case GET_EVENT_STATUS: event_status(d, p); break;
    case MECHANISM_STATUS: mechanism_status(d, p); break;
    case SET_CD_SPEED:
    case SYNCHRONIZE_CACHE: good(d); break;
    default:
        trace(UNIMP, "atapi: packet command %02x", p[0]);
        check(d, ILLEGAL_REQUEST, ASC_INVALID_COMMAND, 0);
    }
}

static void disc_command(IdeDrive *d, const u8 *p)
{
    if (disc_missing(d)) return;
    switch (p[0]) {
    case READ_CAPACITY: read_capacity(d); break;
    case READ_10: read_sectors(d, get32(p + 2), get16(p + 7), FIELD_USER); break;
    case READ_12: read_sectors(d, get32(p + 2), get32(p + 6), FIELD_USER); break;
    case READ_CD: read_cd(d, p, get32(p + 2), get24(p + 6)); break;
    case READ_CD_MSF: read_cd_msf(d, p); break;
    case READ_TOC: read_toc(d, p); break;
    case READ_SUBCHANNEL: read_subchannel(d, p); break;
    case READ_HEADER: read_header(d, p); break;
    case READ_DISC_INFORMATION: disc_information(d, p); break;
    case READ_TRACK_INFORMATION: track_information(d, p); break;
    case READ_DVD_STRUCTURE: dvd_structure(d, p); break;
    case SEEK_10:
        if (get32(p + 2) >= disc_sectors(d))
            check(d, ILLEGAL_REQUEST, ASC_OUT_OF_RANGE, 0);
        else
            good(d);
        break;
    default: good(d); /* TEST UNIT READY, STOP PLAY */
    }
}

static bool is_about_disc(u8 op)
{
    static const u8 ops[] = {TEST_UNIT_READY,
                             READ_CAPACITY,
                             READ_10,
                             READ_12,
                             READ_CD,
                             READ_CD_MSF,
                             READ_TOC,
                             READ_SUBCHANNEL,
                             READ_HEADER,
                             READ_DISC_INFORMATION,
                             READ_TRACK_INFORMATION,
                             READ_DVD_STRUCTURE,
                             SEEK_10,
                             STOP_PLAY};
    for (unsigned n = 0; n < ARRAY_LEN(ops); n++)
        if (ops[n] == op) return true;
    return false;
}

static void packet(IdeDrive *d)
{
    Atapi *a = &d->atapi;
    memcpy(a->packet, d->buffer, sizeof a->packet);
    a->at = a->bytes = a->sectors = 0;
    if (attention_told(d, a->packet[0])) return;
    if (is_about_disc(a->packet[0]))
        disc_command(d, a->packet);
    else
        drive_command(d, a->packet);
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
    case ATAPI_DATA_OUT: good(d); break;
    case ATAPI_DMA: dma_run(d); break;
    case ATAPI_COMPLETE: complete(d); break;
    case ATA_REPLY:
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
    a->inserted = disc(d) != NULL;
    a->attention |= ATTENTION_GONE | (disc(d) ? ATTENTION_CHANGED : 0);
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
