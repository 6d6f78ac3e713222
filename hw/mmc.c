/* mmc.c - what packet commands mean to a CD drive.
 *
 * SFF-8020i 2.6 (INF-8020i); MMC-3 (T10 1363D); SPC-2. The disc is one data track (mode 1). Up to 99 minutes it is a
 * CD-ROM, larger ones are a DVD-ROM.
 *
 * A medium that was changed is told as a person's hands would do it: first NOT READY / MEDIUM NOT PRESENT, then UNIT
 * ATTENTION / MEDIUM MAY HAVE CHANGED, each to one command that asks; and as media events, removal and arrival. A drive
 * that the guest locked reports an eject request instead.
 *
 * Quirks that guests rely on: INQUIRY, REQUEST SENSE, GET CONFIGURATION and GET EVENT STATUS NOTIFICATION are served while
 * an attention waits; allocation lengths cut replies short; READ TOC takes its format from either of two places.
 *
 * Not implemented: audio tracks and playing, several sessions, subchannel data in READ CD, recording, DVD keys, changers,
 * mode parameters (MODE SELECT takes and forgets them).
 */
#include "hw/atapi.h"

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
enum { PROFILE_NONE = 0x00, PROFILE_CD_ROM = 0x08, PROFILE_DVD_ROM = 0x10 };

static u32 profile(const IdeDrive *d)
{
    return !atapi_disc(d)                     ? PROFILE_NONE
           : atapi_disc_sectors(d) <= CD_MOST ? PROFILE_CD_ROM
                                              : PROFILE_DVD_ROM;
}

static void invalid_field(IdeDrive *d) { atapi_check(d, ILLEGAL_REQUEST, ASC_INVALID_FIELD, 0); }

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
        atapi_reply(d, 36, p[4]);
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
    atapi_reply(d, 18, p[4]);
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

static u8 medium_type(const IdeDrive *d) { return d->bay->tray_open ? 0x71 : !atapi_disc(d) ? 0x70 : 0x01; }

static void mode_sense(IdeDrive *d, const u8 *p, u32 header, u32 allocated)
{
    static const u8 pages[] = {PAGE_ERROR, PAGE_AUDIO, PAGE_POWER, PAGE_CAPABILITIES};
    u8 *b = d->buffer, wanted = p[2] & 0x3f;
    u32 n = header;
    memset(b, 0, header);
    if (p[2] >> 6 == 3) {
        atapi_check(d, ILLEGAL_REQUEST, ASC_SAVING, 0);
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
    atapi_reply(d, n, allocated);
}

/* Parameters are taken and forgotten. */
static void mode_select(IdeDrive *d, u32 bytes)
{
    if (!bytes || d->atapi.dma)
        atapi_good(d);
    else
        atapi_take(d, bytes);
}

static void start_stop(IdeDrive *d, const u8 *p)
{
    enum { START = 1, LOAD_EJECT = 2 };
    Drive *bay = d->bay;
    bool open = !(p[4] & START);
    if (p[4] & LOAD_EJECT && open && bay->locked) {
        atapi_check(d, bay->medium ? ILLEGAL_REQUEST : NOT_READY, ASC_REMOVAL_PREVENTED, 2);
        return;
    }
    if (p[4] & LOAD_EJECT && open != bay->tray_open) {
        bay->tray_open = open;
        bay->eject_wanted = d->atapi.eject_asked = false;
        if (open) d->atapi.removed = bay->medium;
        if (!open) d->atapi.inserted = bay->medium;
        if (!open && bay->medium) d->atapi.attention |= ATTENTION_CHANGED;
    }
    atapi_good(d);
}

static void mechanism_status(IdeDrive *d, const u8 *p)
{
    memset(d->buffer, 0, 8);
    if (d->bay->tray_open) d->buffer[1] = 0x10; /* door open */
    atapi_reply(d, 8, get16(p + 8));
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
        atapi_reply(d, 4, get16(p + 7));
    } else {
        put16(b, 6);
        b[2] = MEDIA_CLASS;
        if (get16(p + 7) > 4) b[4] = next_event(&d->atapi);
        b[5] = (u8)((d->bay->tray_open ? 1 : 0) | (atapi_disc(d) ? 2 : 0));
        atapi_reply(d, 8, get16(p + 7));
    }
}

/* Profile 0: current whatever is in; ANY_DISC: with a disc. */
typedef struct Feature {
    u8 code, flags, bytes, data[8];
    u8 profile;
} Feature;
enum { CURRENT = 1, PERSISTENT = 2, CORE_VERSION_2 = 8, ANY_DISC = 0xff };
static const Feature features[] = {
    {0x00, PERSISTENT, 8, {0, PROFILE_DVD_ROM, 0, 0, 0, PROFILE_CD_ROM, 0, 0}, 0}, /* profiles */
    {0x01, PERSISTENT | CORE_VERSION_2, 8, {0, 0, 0, 2 /* ATAPI */, 1}, 0},
    {0x03, PERSISTENT, 4, {0x29 /* a tray that locks and ejects */}, 0},
    {0x10, 0, 8, {0, 0, CD_SECTOR >> 8, 0, 0, 16}, ANY_DISC}, /* random reading */
    {0x1e, 0, 4, {0}, PROFILE_CD_ROM},
    {0x1f, 0, 4, {0}, PROFILE_DVD_ROM},
};

static u32 feature_put(const Feature *f, u8 *b, u32 now)
{
    memset(b, 0, 2);
    b[1] = f->code;
    b[2] = f->flags;
    b[3] = f->bytes;
    memcpy(b + 4, f->data, f->bytes);
    if (!f->profile || f->profile == now || (f->profile == ANY_DISC && now)) b[2] |= CURRENT;
    for (u32 n = 4; !f->code && n < f->bytes + 4u; n += 4) b[n + 2] = b[n + 1] == now;
    return f->bytes + 4u;
}

static void get_configuration(IdeDrive *d, const u8 *p)
{
    enum { ALL, ALL_CURRENT, ONE };
    u8 *b = d->buffer, wanted = p[1] & 3;
    u32 n = 8, now = profile(d), first = get16(p + 2);
    memset(b, 0, 8);
    put16(b + 6, now);
    for (const Feature *f = features; f < features + ARRAY_LEN(features); f++) {
        if (wanted == ONE ? f->code != first : f->code < first) continue;
        u32 bytes = feature_put(f, b + n, now);
        if (wanted != ALL_CURRENT || b[n + 2] & CURRENT) n += bytes;
    }
    put32(b, n - 4);
    atapi_reply(d, n, get16(p + 7));
}

/* --- commands about the disc ----------------------------------------------------------------------------- */

static void read_capacity(IdeDrive *d)
{
    put32(d->buffer, atapi_disc_sectors(d) - 1);
    put32(d->buffer + 4, CD_SECTOR);
    atapi_reply(d, 8, 8);
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
    put_address(b + n + 4, atapi_disc_sectors(d), msf);
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
            put_address(e + 7, points[n] == 0xa2 ? atapi_disc_sectors(d) : 0,
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
    atapi_reply(d, n, get16(p + 7));
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
    atapi_reply(d, n, get16(p + 7));
}

static void read_header(IdeDrive *d, const u8 *p)
{
    u32 lba = get32(p + 2);
    if (lba >= atapi_disc_sectors(d)) {
        atapi_check(d, ILLEGAL_REQUEST, ASC_OUT_OF_RANGE, 0);
        return;
    }
    memset(d->buffer, 0, 4);
    d->buffer[0] = 1; /* mode 1 */
    put_address(d->buffer + 4, lba, p[1] & 2);
    atapi_reply(d, 8, get16(p + 7));
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
    atapi_reply(d, 34, get16(p + 7));
}

static void track_information(IdeDrive *d, const u8 *p)
{
    u8 *b = d->buffer;
    u32 number = get32(p + 2);
    bool ok = (p[1] & 3) == 0 ? number < atapi_disc_sectors(d) : number == 1;
    if (!ok) {
        invalid_field(d);
        return;
    }
    memset(b, 0, 36);
    put16(b, 34);
    b[2] = b[3] = 1;
    b[5] = 0x04; /* data */
    b[6] = 0x01; /* mode 1 */
    put32(b + 24, atapi_disc_sectors(d));
    atapi_reply(d, 36, get16(p + 7));
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
        put24(b + 13, FIRST_SECTOR + atapi_disc_sectors(d) - 1);
    }
    atapi_reply(d, n, get16(p + 8));
}

/* Expected sector type (bits 4-2 of byte 1): any, or mode 1; byte 9: parts. */
static void read_cd(IdeDrive *d, const u8 *p, u32 lba, u32 count)
{
    u8 type = p[1] >> 2 & 7;
    if ((type != 0 && type != 2) || p[10] & 7) {
        atapi_check(d, ILLEGAL_REQUEST, type && type != 2 ? ASC_ILLEGAL_MODE : ASC_INVALID_FIELD, 0);
        return;
    }
    atapi_read(d, lba, count, p[9] & (FIELD_SYNC | FIELD_HEADER | FIELD_USER | FIELD_EDC));
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
        atapi_check(d, UNIT_ATTENTION, ASC_RESET, 0);
    } else if (a->attention & ATTENTION_GONE) {
        a->attention &= ~ATTENTION_GONE;
        atapi_check(d, NOT_READY, ASC_NO_MEDIUM, 2);
    } else {
        a->attention &= ~ATTENTION_CHANGED;
        if (!atapi_disc(d)) return false;
        atapi_check(d, UNIT_ATTENTION, ASC_MEDIUM_CHANGED, 0);
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
        atapi_good(d);
        break;
    case GET_CONFIGURATION: get_configuration(d, p); break;
    case GET_EVENT_STATUS: event_status(d, p); break;
    case MECHANISM_STATUS: mechanism_status(d, p); break;
    case SET_CD_SPEED:
    case SYNCHRONIZE_CACHE: atapi_good(d); break;
    default:
        trace(UNIMP, "atapi: packet command %02x", p[0]);
        atapi_check(d, ILLEGAL_REQUEST, ASC_INVALID_COMMAND, 0);
    }
}

static void disc_command(IdeDrive *d, const u8 *p)
{
    if (atapi_disc_missing(d)) return;
    switch (p[0]) {
    case READ_CAPACITY: read_capacity(d); break;
    case READ_10: atapi_read(d, get32(p + 2), get16(p + 7), FIELD_USER); break;
    case READ_12: atapi_read(d, get32(p + 2), get32(p + 6), FIELD_USER); break;
    case READ_CD: read_cd(d, p, get32(p + 2), get24(p + 6)); break;
    case READ_CD_MSF: read_cd_msf(d, p); break;
    case READ_TOC: read_toc(d, p); break;
    case READ_SUBCHANNEL: read_subchannel(d, p); break;
    case READ_HEADER: read_header(d, p); break;
    case READ_DISC_INFORMATION: disc_information(d, p); break;
    case READ_TRACK_INFORMATION: track_information(d, p); break;
    case READ_DVD_STRUCTURE: dvd_structure(d, p); break;
    case SEEK_10:
        if (get32(p + 2) >= atapi_disc_sectors(d))
            atapi_check(d, ILLEGAL_REQUEST, ASC_OUT_OF_RANGE, 0);
        else
            atapi_good(d);
        break;
    default: atapi_good(d); /* TEST UNIT READY, STOP PLAY */
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

void mmc_packet(IdeDrive *d, const u8 packet[12])
{
    if (attention_told(d, packet[0])) return;
    if (is_about_disc(packet[0]))
        disc_command(d, packet);
    else
        drive_command(d, packet);
}
