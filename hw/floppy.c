/* floppy.c - a floppy drive: which format a disk image has, where the head is, and the disk change line.
 *
 * An image is only its sectors, track by track, sides alternating; the format follows from its size (floppy_format.c).
 * The sectors that a cut image lacks read as zeros and cannot be written.
 *
 * The drive takes any disk, whatever its size in inches; the CMOS type, by which firmware chooses data rate and geometry, fits
 * the disk that is in at power-on. If that makes it a 1.2 MB drive, a 40-track disk that is put in later has tracks of
 * twice the width, and its cylinders are two steps apart.
 *
 * DSKCHG is a latch in the drive: set by opening the door, cleared by a step pulse while a disk is in.
 *
 * Not implemented: sector sizes other than 512, deleted data marks, interleave, copy protections, single-density disks.
 */
#include "hw/floppy.h"

enum { LAST_TRACK = 85, WIDE_TRACKS = 42 };
enum { EIO_NO_SECTOR = 5 };

bool floppy_present(const Floppy *f) { return f->bay && f->bay->present; }

const FloppyFormat *floppy_format(const Floppy *f)
{
    return floppy_present(f) && f->bay->medium ? floppy_format_by_size(f->bay->medium->sectors) : NULL;
}

bool floppy_protected(const Floppy *f)
{
    return floppy_present(f) && f->bay->medium && f->bay->medium->readonly;
}

u8 floppy_cmos_type(const Drive *bay)
{
    if (!bay->present) return 0;
    return bay->medium ? floppy_format_by_size(bay->medium->sectors)->cmos_type : CMOS_1440K;
}

/* --- head and sectors ------------------------------------------------------------------------------------ */

void floppy_step(Floppy *f, int tracks)
{
    int to = f->track + tracks;
    if (!tracks || !floppy_present(f)) return;
    f->track = (u8)(to < 0 ? 0 : to > LAST_TRACK ? LAST_TRACK : to);
    if (f->bay->medium) f->changed = false;
}

u8 floppy_cylinder(const Floppy *f)
{
    const FloppyFormat *format = floppy_format(f);
    bool wide_tracks = f->type == CMOS_1200K && format && format->tracks <= WIDE_TRACKS;
    return wide_tracks ? f->track / 2 : f->track;
}

static u64 sector_number(const Floppy *f, u8 head, u8 sector)
{
    const FloppyFormat *format = floppy_format(f);
    return ((u64)floppy_cylinder(f) * format->heads + head) * format->track_sectors + sector - 1;
}

int floppy_read(Floppy *f, u8 head, u8 sector, u8 *to)
{
    u64 n = sector_number(f, head, sector);
    if (n < f->bay->medium->sectors) return medium_read(f->bay->medium, n, to, 1);
    memset(to, 0, SECTOR_BYTES);
    return 0;
}

int floppy_write(Floppy *f, u8 head, u8 sector, const u8 *from)
{
    u64 n = sector_number(f, head, sector);
    return n < f->bay->medium->sectors ? medium_write(f->bay->medium, n, from, 1) : EIO_NO_SECTOR;
}

/* --- life cycle ------------------------------------------------------------------------------------------ */

static void floppy_moved(void *floppy) { ((Floppy *)floppy)->changed = true; }

void floppy_init(Floppy *f, Drive *bay)
{
    *f = (Floppy){.bay = bay};
    if (!bay) return;
    f->type = floppy_cmos_type(bay);
    f->changed = bay->present;
    bay->moved = floppy_moved;
    bay->ctx = f;
}
