/* floppy.c - a floppy drive: which format a disk image has, where the head is, and the disk change line.
 *
 * An image is only its sectors, track by track, sides alternating; the format follows from its size. The table has the
 * formats of PCs and those that people made to get more onto a disk. An image of another size counts as the next
 * larger format, and the sectors that it lacks read as zeros and cannot be written: boot images are often cut short.
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
enum { DD = BIT(RATE_250K) | BIT(RATE_300K), HD = BIT(RATE_500K), ED = BIT(RATE_1M) };
enum { CMOS_360K = 1, CMOS_1200K, CMOS_720K, CMOS_1440K, CMOS_2880K };
enum { EIO_NO_SECTOR = 5 };

static const FloppyFormat formats[] = {
    {320, 40, 1, 8, DD, CMOS_360K},    {360, 40, 1, 9, DD, CMOS_360K},    /* 160K, 180K */
    {640, 40, 2, 8, DD, CMOS_360K},    {720, 40, 2, 9, DD, CMOS_360K},    /* 320K, 360K */
    {800, 40, 2, 10, DD, CMOS_360K},   {1280, 80, 2, 8, DD, CMOS_720K},   /* 400K, 640K */
    {1440, 80, 2, 9, DD, CMOS_720K},   {1476, 82, 2, 9, DD, CMOS_720K},   /* 720K, 738K */
    {1600, 80, 2, 10, DD, CMOS_720K},  {1640, 82, 2, 10, DD, CMOS_720K},  /* 800K, 820K */
    {1660, 83, 2, 10, DD, CMOS_720K},  {2080, 80, 2, 13, DD, CMOS_720K},  /* 830K, 1040K */
    {2240, 80, 2, 14, DD, CMOS_720K},  {2400, 80, 2, 15, HD, CMOS_1200K}, /* 1120K, 1.2M */
    {2880, 80, 2, 18, HD, CMOS_1440K}, {2952, 82, 2, 18, HD, CMOS_1440K}, /* 1.44M, 1.476M */
    {2988, 83, 2, 18, HD, CMOS_1440K}, {3200, 80, 2, 20, HD, CMOS_1440K}, /* 1.494M, 1.6M */
    {3280, 82, 2, 20, HD, CMOS_1440K}, {3320, 83, 2, 20, HD, CMOS_1440K}, /* 1.64M, 1.66M */
    {3360, 80, 2, 21, HD, CMOS_1440K}, {3444, 82, 2, 21, HD, CMOS_1440K}, /* 1.68M (DMF), 1.722M */
    {3486, 83, 2, 21, HD, CMOS_1440K}, {3520, 80, 2, 22, HD, CMOS_1440K}, /* 1.743M, 1.76M */
    {3680, 80, 2, 23, HD, CMOS_1440K}, {3840, 80, 2, 24, HD, CMOS_1440K}, /* 1.84M, 1.92M */
    {5760, 80, 2, 36, ED, CMOS_2880K}, {6240, 80, 2, 39, ED, CMOS_2880K}, /* 2.88M, 3.12M */
    {6400, 80, 2, 40, ED, CMOS_2880K}, {7040, 80, 2, 44, ED, CMOS_2880K}, /* 3.2M, 3.52M */
    {7680, 80, 2, 48, ED, CMOS_2880K},
};

/* Cut images of usual sizes belong to usual formats. */
static const u16 usual[] = {320, 720, 1440, 2880, 5760, 7680};

const FloppyFormat *floppy_format_by_size(u64 sectors)
{
    for (unsigned n = 0; n < ARRAY_LEN(formats); n++)
        if (formats[n].sectors == sectors) return &formats[n];
    unsigned u = 0;
    while (u + 1 < ARRAY_LEN(usual) && usual[u] < sectors) u++;
    for (unsigned n = 0; n < ARRAY_LEN(formats) - 1; n++)
        if (formats[n].sectors == usual[u]) return &formats[n];
    return &formats[ARRAY_LEN(formats) - 1];
}

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
