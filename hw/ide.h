/* ide.h - the PIIX3's IDE function: two channels with two drives each. See ide.c (channels and registers), ata.c (disks),
 * atapi.c and mmc.c (CD drives), bmdma.c (bus master).
 */
#ifndef RING3_IDE_H
#define RING3_IDE_H

#include "hw/bmdma.h"
#include "hw/clock.h"
#include "hw/drive.h"
#include "hw/irq.h"
#include "hw/part.h"
#include "hw/pci.h"

enum { IDE_BUFFER_BYTES = 65536, IDE_CHANNELS = 2, IDE_NOBODY = 2 };

/* What a drive does when its busy time is over, or when the guest has moved a block through the data port. */
typedef enum IdeStep {
    IDE_IDLE,
    IDE_COMPLETE,     /* the command ends; interrupt */
    IDE_END,          /* the command ends without an interrupt: its last data was read */
    ATA_READ_BLOCK,   /* PIO read: the next block */
    ATA_READ_TAKEN,   /* ... was taken */
    ATA_WRITE_FIRST,  /* PIO write: room for the first block */
    ATA_WRITE_BLOCK,  /* ... was filled */
    ATA_WRITE_DONE,   /* ... is on the medium */
    ATA_DMA,          /* the bus master was started */
    ATA_REPLY,        /* one sector that is in the buffer */
    ATA_FLUSH,        /* is it flushed now? */
    ATAPI_PACKET,     /* the packet has come */
    ATAPI_DATA_IN,    /* the next part of the reply */
    ATAPI_DATA_TAKEN, /* ... was taken */
    ATAPI_DATA_OUT,   /* parameters have come */
    ATAPI_DMA,
    ATAPI_COMPLETE,
    ATA_TRIM_RANGES, /* the bus master was started: which sectors nobody needs */
    ATA_TRIM,        /* the next range of them */
    IDE_STEPS
} IdeStep;

typedef struct TaskFile {
    u8 features, count, low, mid,
        high; /* LBA 7:0, 15:8, 23:16, or sector, cylinder; ATAPI: mid, high are a byte count */
} TaskFile;

typedef struct Geometry {
    u32 cylinders, heads, sectors;
} Geometry;

/* What a packet command left to tell. */
typedef struct Sense {
    u8 key, asc, ascq;
} Sense;

typedef struct Atapi {
    Sense sense;
    u8 packet[12];
    bool dma;                            /* of this packet: features bit 0 */
    u32 limit;                           /* largest data block that the guest wants */
    u32 at, bytes;                       /* the reply in the buffer: what has been handed out, and its size */
    u32 lba, sectors;                    /* CD sectors that are still to be read from the medium */
    u32 sector_bytes;                    /* of each: 2048, or as READ CD asked */
    u8 fields;                           /* READ CD: which parts of a sector */
    u8 attention;                        /* power-on or change: unit attentions to come, one bit each */
    bool removed, inserted, eject_asked; /* media events to come */
} Atapi;

typedef struct IdeChannel IdeChannel;

typedef struct IdeDrive {
    Drive *bay; /* !present: no drive here */
    IdeChannel *channel;
    unsigned number; /* 0-3 */
    u8 status, error, device;
    TaskFile reg, hob; /* as written last, and before that */
    bool intrq;        /* an interrupt is pending: on the line while the drive is selected, unless nIEN */
    u8 command;
    u8 result;                  /* error register of a command that is still busy */
    bool held;                  /* the medium asked to be asked again (MEDIUM_HELD) */
    bool paid;                  /* the command has waited as the limits want it */
    Geometry physical, logical; /* logical: as INITIALIZE DEVICE PARAMETERS left it */
    u8 translation;             /* IDE_TRANSLATION_: what the BIOS should do */
    u8 multiple;                /* sectors a block of READ and WRITE MULTIPLE; 0: not set */
    u8 mode;                    /* transfer mode as SET FEATURES gave it */
    bool write_cache, look_ahead, smart, standby;
    u64 lba; /* of the command: where it goes on, and how many sectors are left */
    u32 left, block;
    bool writes, written; /* DMA: direction; the medium was changed since the last flush */
    u32 at, end;          /* the data port's place in the buffer, and the block's end */
    IdeStep after;        /* when it gets there */
    IdeStep next;         /* when its busy time or wait for the bus master is over */
    Atapi atapi;
    u8 buffer[IDE_BUFFER_BYTES];
} IdeDrive;

struct IdeChannel {
    IdeDrive drive[2];
    u8 selected, control;
    u8 busy; /* the drive that shows BSY until the timer fires, then takes its `next`: 0, 1, or IDE_NOBODY */
    u8 dma;  /* the drive that waits for the bus master, then takes its `next` */
    u64 busy_until_ns;
    u8 polls; /* of the status since it is busy */
    bool paced; /* it is busy because of a limit: looking at the status does not shorten it */
    Bmdma bm;
    Clock *clock;
    Timer timer;
    IrqLine irq;
};

typedef struct Ide {
    PciFunction pci; /* 00:01.1 */
    bool configured; /* reset leaves it as firmware does */
    IdeChannel channel[IDE_CHANNELS];
    Bus *bus;
    int command_range[IDE_CHANNELS], control_range[IDE_CHANNELS], master_range;
} Ide;

void ide_init(Ide *x, Pci *pci, Bus *bus, Phys *phys, Clock *clock, Drive bays[4], IrqLine irq14,
              IrqLine irq15, bool configured);
void ide_reset(void *dev);
extern const PartKind ide_part;
/* ide_medium_done - a medium has done what it said MEDIUM_LATER to: the drive that waits for it asks again. */
void ide_medium_done(Ide *x);

/* What CMOS says of a disk (QEMU's convention at index 39h): how the BIOS should translate its geometry. */
enum { IDE_TRANSLATION_NONE, IDE_TRANSLATION_LBA, IDE_TRANSLATION_LARGE };
/* ide_geometry - cylinders, heads, sectors of drive 0-3; false: no disk there. */
bool ide_geometry(const Ide *x, unsigned drive, Geometry *g, u8 *translation);

/* --- between ide.c, ata.c and atapi.c --- */
enum {
    ERR = 0x01,
    DRQ = 0x08,
    DSC = 0x10, /* disks; of a CD drive it is SERV, and none asks for service */
    DF = 0x20,
    DRDY = 0x40,
    BSY = 0x80
};
enum { ERROR_ABRT = 0x04, ERROR_IDNF = 0x10, ERROR_UNC = 0x40 };
enum { DEVICE_LBA = 0x40, DEVICE_DEV = 0x10 };
enum { REASON_CD = 1, REASON_IO = 2 };

static inline bool ide_is_cd(const IdeDrive *d) { return d->bay->cdrom; }
static inline u8 ide_ready(const IdeDrive *d) { return ide_is_cd(d) ? DRDY : DRDY | DSC; }
static inline bool ide_exists(const IdeDrive *d) { return d->bay && d->bay->present; }
void ide_busy(IdeDrive *d, IdeStep next);             /* BSY for a moment, then `next` */
void ide_later(IdeDrive *d, IdeStep next);            /* BSY until the medium has done it (MEDIUM_LATER) */
/* ide_paced - the limits of its bay want the drive to wait before it moves `bytes`: it is BSY, then `again`, where this is false. */
bool ide_paced(IdeDrive *d, bool writes, u64 bytes, IdeStep again);
void ide_interrupt(IdeDrive *d);                      /* INTRQ, as soon as the drive is selected */
void ide_complete(IdeDrive *d, u8 error);             /* the command ends; interrupt */
void ide_fail(IdeDrive *d, u8 error);                 /* the same after a moment */
void ide_data(IdeDrive *d, u32 bytes, IdeStep after); /* DRQ for that much of the buffer */
void ide_wait_dma(IdeDrive *d, IdeStep step);         /* until the bus master is started */
void ide_signature(IdeDrive *d);
void ide_text(u8 *words, u32 bytes,
              const char *text);         /* as IDENTIFY has it: bytes swapped, padded with spaces */
bool ide_set_mode(IdeDrive *d, u8 mode); /* SET FEATURES 03h; false: no such mode */
void ide_identify_modes(const IdeDrive *d, u8 *words); /* words 49-53 and 63-68, 88 */

void ata_init(IdeDrive *d);
void ata_reset(IdeDrive *d); /* SRST or power-on */
void ata_command(IdeDrive *d, u8 command);
void ata_step(IdeDrive *d, IdeStep step);
void ata_set_features(IdeDrive *d);

void atapi_reset(IdeDrive *d);
void atapi_command(IdeDrive *d, u8 command);
void atapi_step(IdeDrive *d, IdeStep step);
void atapi_moved(void *drive); /* Drive.moved */
void atapi_state(IdeDrive *d, State *s);

#endif
