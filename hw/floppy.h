/* floppy.h - a floppy drive and the disk in it: formats by image size, head position, change line. See floppy.c. */
#ifndef RING3_FLOPPY_H
#define RING3_FLOPPY_H

#include "hw/drive.h"
#include "hw/floppy_format.h"

typedef struct Floppy {
    Drive *bay;   /* NULL: the controller has a place for a drive, but none is there */
    u8 type;      /* of the drive: CMOS type at power-on */
    u8 track;     /* where the head is, in steps from the outermost */
    bool changed; /* DSKCHG: the door was open since the last step */
} Floppy;

void floppy_init(Floppy *f, Drive *bay);
bool floppy_present(const Floppy *f);               /* there is a drive */
const FloppyFormat *floppy_format(const Floppy *f); /* of the disk in it; NULL: empty */
bool floppy_protected(const Floppy *f);
void floppy_step(Floppy *f, int tracks); /* move the head; > 0: inward */
u8 floppy_cylinder(const Floppy *f);     /* of the disk, under the head */
/* One sector under the head, which the caller knows to exist. 0, an errno, or MEDIUM_HELD. */
int floppy_read(Floppy *f, u8 head, u8 sector, u8 *to);
int floppy_write(Floppy *f, u8 head, u8 sector, const u8 *from);
/* CMOS 10h nibble for a bay at power-on: fits the disk in it; an empty drive takes 1.44 MB. 0: no drive. */
u8 floppy_cmos_type(const Drive *bay);

#endif
