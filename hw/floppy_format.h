/* floppy_format.h - the formats of diskettes, by the size of an image. See floppy_format.c. */
#ifndef RING3_FLOPPY_FORMAT_H
#define RING3_FLOPPY_FORMAT_H

#include "cpu/base/base.h"

enum { FLOPPY_SECTORS_MAX = 7680 }; /* of the largest format that is known */

typedef enum FloppyRate { RATE_500K, RATE_300K, RATE_250K, RATE_1M } FloppyRate; /* as CCR has them */

/* Drives, as CMOS 10h names them. */
enum { CMOS_360K = 1, CMOS_1200K, CMOS_720K, CMOS_1440K, CMOS_2880K };

typedef struct FloppyFormat {
    u16 sectors; /* of the whole disk */
    u8 tracks, heads;
    u8 track_sectors;
    u8 rates;     /* data rates that read it, BIT(FloppyRate) */
    u8 cmos_type; /* the drive it belongs into, CMOS_ */
} FloppyFormat;

/* floppy_format_exact - the format whose disks have just so many sectors of 512 bytes; NULL: none has. */
const FloppyFormat *floppy_format_exact(u64 sectors);
/* floppy_format_by_size - the same, or for an image of another size the smallest usual format that holds it, or the
 * largest of all. */
const FloppyFormat *floppy_format_by_size(u64 sectors);

#endif
