/* atapi.h - between the packets' transport (atapi.c) and what they mean (mmc.c). */
#ifndef RING3_ATAPI_H
#define RING3_ATAPI_H

#include "hw/ide.h"

/* The medium in the closed tray, or NULL; its size in sectors of 2048 bytes. */
Medium *atapi_disc(const IdeDrive *d);
u32 atapi_disc_sectors(const IdeDrive *d);

/* A packet ends in one of these. */
void atapi_good(IdeDrive *d);
void atapi_check(IdeDrive *d, u8 key, u8 asc, u8 ascq);
bool atapi_disc_missing(IdeDrive *d); /* then it has ended so */
void atapi_take(IdeDrive *d, u32 bytes);
/* The buffer's first bytes, or as many of them as were allocated. */
void atapi_reply(IdeDrive *d, u32 bytes, u32 allocated);
/* Sectors of the disc; of each the parts that the FIELD_ bits say. */
void atapi_read(IdeDrive *d, u32 lba, u32 count, u8 fields);

void mmc_packet(IdeDrive *d, const u8 packet[12]);

enum { FIELD_SYNC = 0x80, FIELD_HEADER = 0x20, FIELD_USER = 0x10, FIELD_EDC = 0x08 };

/* Sense keys; additional sense codes */
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

enum { CD_SECTOR = 2048, PER_CD_SECTOR = CD_SECTOR / SECTOR_BYTES, CD_MOST = 99 * 60 * 75 };
enum { LEAD_OUT = 0xaa, PREGAP = 150, DATA_TRACK = 0x14 };

/* --- big-endian words ------------------------------------------------------------------------------------ */

static inline void put16(u8 *p, u32 v) { p[0] = (u8)(v >> 8), p[1] = (u8)v; }
static inline void put24(u8 *p, u32 v) { p[0] = (u8)(v >> 16), put16(p + 1, v); }
static inline void put32(u8 *p, u32 v) { put16(p, v >> 16), put16(p + 2, v); }
static inline u32 get16(const u8 *p) { return (u32)p[0] << 8 | p[1]; }
static inline u32 get24(const u8 *p) { return (u32)p[0] << 16 | get16(p + 1); }
static inline u32 get32(const u8 *p) { return get16(p) << 16 | get16(p + 2); }

static inline void put_msf(u8 *p, u32 lba) /* 4 bytes: 0, minute, second, frame */
{
    lba += PREGAP;
    p[0] = 0, p[1] = (u8)(lba / 75 / 60), p[2] = (u8)(lba / 75 % 60), p[3] = (u8)(lba % 75);
}

static inline u32 get_msf(const u8 *p) { return (p[0] * 60u + p[1]) * 75u + p[2] - PREGAP; }

static inline void put_address(u8 *p, u32 lba, bool msf)
{
    if (msf)
        put_msf(p, lba);
    else
        put32(p, lba);
}

#endif
