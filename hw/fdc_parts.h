/* fdc_parts.h - what the floppy controller's two files share: fdc.c (registers, phases, seeks) and fdc_transfer.c (data
 * commands). Nobody else includes it.
 */
#ifndef RING3_FDC_PARTS_H
#define RING3_FDC_PARTS_H

#include "hw/fdc.h"

enum { SPECIFY_NON_DMA = 0x01 };
enum { CONFIG_FIFOTHR = 0x0f, CONFIG_NO_FIFO = 0x20, CONFIG_IMPLIED_SEEK = 0x40 };
enum { ST0_HEAD = 0x04, ST0_SEEK_END = 0x20, ST0_ABNORMAL = 0x40 };
enum { FDC_SECTOR_NS = 100000 };

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

/* --- fdc.c --- */

void fdc_interrupt(Fdc *f, bool level); /* INT; DOR's gate decides whether IRQ 6 follows */
void fdc_result_begin(Fdc *f);          /* the result phase, with no bytes so far */
void fdc_result_add(Fdc *f, u8 byte);

/* --- fdc_transfer.c --- */

void fdc_transfer_begin(Fdc *f); /* the data command whose bytes are in f->command */
void fdc_sector_pass(Fdc *f);    /* the timer of the execution phase: a sector is under the head */

/* Non-DMA mode: the host is to read (to_host) or to write transfer.data[transfer.at]; it has done so. */
bool fdc_host_turn(const Fdc *f, bool to_host);
void fdc_pio_moved(Fdc *f);

#endif
