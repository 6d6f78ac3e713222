/* fdc.h - the 82077AA floppy disk controller with up to two drives. See fdc.c. */
#ifndef RING3_FDC_H
#define RING3_FDC_H

#include "hw/clock.h"
#include "hw/dma.h"
#include "hw/floppy.h"
#include "hw/irq.h"
#include "hw/part.h"
#include "mmu/bus.h"

enum { FDC_UNITS = 4, FDC_DRIVES = 2, FDC_COMMAND_BYTES = 9, FDC_RESULT_BYTES = 10 };

typedef enum FdcPhase { FDC_RESET, FDC_COMMAND, FDC_EXECUTION, FDC_RESULT } FdcPhase;

typedef struct Fdc Fdc;

/* What the controller knows of one drive. */
typedef struct FdcUnit {
    Fdc *fdc;
    Floppy floppy;
    Timer timer; /* the head arrives */
    u8 number;
    u8 pcn;    /* present cylinder, as the controller counts it */
    u8 target; /* cylinder of the seek */
    bool recalibrates;
    bool seek_ended; /* SENSE INTERRUPT STATUS has this to tell */
    u8 st0;          /* with this */
} FdcUnit;

/* The data command that is being executed. */
typedef struct FdcTransfer {
    u8 command; /* low five bits of the command byte */
    bool multi_track, skip_deleted;
    u8 unit, head;
    u8 c, h, r, n;    /* sector ID, as in the command; what the result reports */
    u8 last;          /* EOT */
    u8 left;          /* sectors to verify or to format */
    u8 seen;          /* READ TRACK: sectors since the index hole */
    u8 st0, st1, st2; /* found on the way */
    bool to_host;     /* PIO: direction */
    u16 at, bytes;    /* PIO: at < bytes: the host's turn */
    bool held;        /* the medium takes what is in data later (MEDIUM_HELD) ... */
    bool terminal;    /* ... and it was the last of it */
    u8 data[SECTOR_BYTES];
} FdcTransfer;

struct Fdc {
    FdcUnit unit[FDC_UNITS];
    FdcPhase phase;
    u8 dor, tdr, dsr, rate;
    u8 specify[2];    /* as written: SRT/HUT, HLT/ND */
    u8 config;        /* CONFIGURE's second byte: EIS, EFIFO, POLL, FIFOTHR */
    u8 pretrk;        /* and its third */
    u8 perpendicular; /* as written */
    bool locked;      /* LOCK: a software reset leaves the FIFO settings */
    u8 reset_senses;  /* drives whose state change the reset has still to report, 4 to 0 */
    u8 command[FDC_COMMAND_BYTES], command_bytes, command_wanted;
    u8 result[FDC_RESULT_BYTES], result_bytes, result_next;
    FdcTransfer transfer;
    bool interrupt; /* INT, before the gate in DOR */
    Timer timer;    /* a sector has passed, a reset is over */
    Clock *clock;
    Dma *dma;
    IrqLine irq6;
};

void fdc_init(Fdc *f, Bus *bus, Clock *clock, Dma *dma, IrqLine irq6, Drive *a, Drive *b);
void fdc_reset(void *dev);
extern const PartKind fdc_part;

#endif
