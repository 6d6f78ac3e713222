/* eltorito.c - booting CDs, and the drives that such a CD may pretend to be.
 *
 * The boot record volume descriptor (sector 17) names the boot catalog; its first entry after the validation entry is
 * loaded. Without emulation the program sees the CD as drive E0h with 2048-byte blocks (EDD); with emulation an image
 * on the CD appears read-only as drive 00h (floppy) or 80h (disk), and the machine's own drives move up by one.
 *
 * Source: "El Torito" Bootable CD-ROM Format Specification 1.0.
 * Not implemented: catalogs with more entries than the first (section headers), 4Ch (boot from an image at run time), SCSI images.
 */
#include "bios16.h"

enum { MEDIA_NONE, MEDIA_1200, MEDIA_1440, MEDIA_2880, MEDIA_DISK };
enum { OK = 0x00, BAD_COMMAND = 0x01, WRITE_PROTECTED = 0x03, NOT_FOUND = 0x04 };

static struct {
    u8 active, media, number;
    const Drive *cd;
    u32 lba; /* of the image, in 2048-byte blocks */
    u16 segment, load_sectors;
    u16 cylinders, heads, sectors;
} cd;

bool cd_ready(const Drive *d);
bool int13_edd(Regs *r, const Drive *d, u8 *st);

bool cd_emulates(u8 dl) { return cd.active && dl == cd.number; }
u8 cd_drive_number(void) { return cd.active ? cd.number : 0xff; }

static u8 block_buffer[2048]; /* too large for a stack */

static u32 get32(const u8 *p) { return p[0] | (u32)p[1] << 8 | (u32)p[2] << 16 | (u32)p[3] << 24; }

/* --- the image's sectors, 512 bytes each ----------------------------------------------------------------- */

static u8 image_read(u32 sector, u16 n, u16 seg, u16 off)
{
    for (u32 held = 0xffffffff; n; n--, sector++) {
        u32 block = cd.lba + sector / 4;
        seg = (u16)(seg + (off >> 4)), off &= 0xf;
        if (sector % 4 == 0 && n >= 4) { /* whole blocks go straight to their place */
            u8 st = drive_read(cd.cd, block, 1, seg, off);
            if (st != OK) return st;
            seg = (u16)(seg + 128), n = (u16)(n - 3), sector += 3;
            continue;
        }
        if (block != held) {
            u8 st = drive_read(cd.cd, block, 1, low_seg(), (u16)(u32)block_buffer);
            if (st != OK) return st;
            held = block;
        }
        far_copy_to(seg, off, block_buffer + sector % 4 * 512, 512);
        seg = (u16)(seg + 32);
    }
    return OK;
}

/* --- booting --------------------------------------------------------------------------------------------- */

/* The partition's end, or its beginning, has the same sector number in CHS (chs[0..2] as in the table) and as LBA. */
static bool fits(const u8 *chs, u32 lba, u16 heads, u16 sectors)
{
    u32 cylinder = chs[2] | (chs[1] & 0xc0u) << 2;
    return chs[0] < heads && (cylinder * heads + chs[0]) * sectors + (chs[1] & 0x3fu) - 1 == lba;
}

/* A disk image's geometry is where its first partition ends, as the specification has it, if that agrees with the LBA
 * numbers there; today's tools end a partition anywhere, with one of the common geometries in mind. */
static void disk_geometry(const u8 *entry)
{
    static const u16 common[][2] = {{255, 63}, {16, 63}, {128, 63}, {64, 63}, {32, 63}, {64, 32}};
    u32 first = get32(entry + 8), end = first + get32(entry + 12);
    cd.heads = (u16)(entry[5] + 1);
    cd.sectors = entry[6] & 0x3f;
    cd.cylinders = (u16)((entry[7] | (entry[6] & 0xc0) << 2) + 1);
    if (fits(entry + 1, first, cd.heads, cd.sectors)) return;
    for (unsigned i = 0; i < sizeof common / sizeof *common; i++) {
        u16 heads = common[i][0], sectors = common[i][1];
        if (!fits(entry + 1, first, heads, sectors) || !fits(entry + 5, end - 1, heads, sectors)) continue;
        cd.heads = heads, cd.sectors = sectors;
        return;
    }
}

static void set_geometry(const u8 *mbr_entry)
{
    static const u8 sectors[] = {0, 15, 18, 36};
    if (cd.media == MEDIA_DISK)
        disk_geometry(mbr_entry);
    else
        cd.cylinders = 80, cd.heads = 2, cd.sectors = sectors[cd.media];
}

static bool read_catalog(const Drive *d, u8 *entry)
{
    u8 *sector = block_buffer;
    if (drive_read(d, 17, 1, low_seg(), (u16)(u32)sector) != OK) return false;
    if (sector[0] || memcmp(sector + 1, "CD001\1EL TORITO SPECIFICATION", 29)) return false;
    if (drive_read(d, get32(sector + 0x47), 1, low_seg(), (u16)(u32)sector) != OK) return false;
    if (sector[0] != 1 || sector[0x1e] != 0x55 || sector[0x1f] != 0xaa || sector[0x20] != 0x88) return false;
    memcpy(entry, sector + 0x20, 16);
    return true;
}

/* INT 19h begins anew. */
void cd_forget(void);
void cd_forget(void)
{
    if (cd.active && cd.media == MEDIA_DISK) BDA->disk_count--;
    cd.active = 0;
}

u16 cd_boot(const Drive *d)
{
    u8 entry[16], mbr[16];
    cd_forget();
    if (!cd_ready(d) || !read_catalog(d, entry)) return 0;
    cd.cd = d;
    cd.media = entry[1] & 0xf;
    if (cd.media > MEDIA_DISK) return 0;
    cd.segment = (u16)(entry[2] | entry[3] << 8);
    if (!cd.segment) cd.segment = 0x7c0;
    cd.load_sectors = (u16)(entry[6] | entry[7] << 8);
    cd.lba = get32(entry + 8);
    cd.number = cd.media == MEDIA_NONE ? 0xe0 : cd.media == MEDIA_DISK ? 0x80 : 0x00;
    u16 n = cd.media == MEDIA_NONE ? (cd.load_sectors ? cd.load_sectors : 4)
            : cd.load_sectors      ? cd.load_sectors
                                   : 1;
    if (cd.media == MEDIA_NONE && n > (0xa0000 - cd.segment * 16u) / 512)
        n = (u16)((0x9f000 - cd.segment * 16u) / 512);
    if (image_read(0, n, cd.segment, 0) != OK) return 0;
    far_copy_from(mbr, cd.segment, 0x1be, 16);
    set_geometry(mbr);
    if (cd.media && cd.media < MEDIA_DISK) BDA->equipment |= 0x01;
    if (cd.media == MEDIA_DISK) BDA->disk_count++;
    cd.active = 1;
    return cd.segment;
}

/* --- INT 13h --------------------------------------------------------------------------------------------- */

static u8 emulated_read(Regs *r, bool copy)
{
    u16 cylinder = (u16)(r->ch | (r->cl & 0xc0) << 2), sector = r->cl & 0x3f;
    u8 n = r->al;
    r->al = 0;
    if (!n || !sector) return BAD_COMMAND;
    if (cylinder >= cd.cylinders || r->dh >= cd.heads || sector > cd.sectors) return NOT_FOUND;
    u8 st =
        copy ? image_read(((u32)cylinder * cd.heads + r->dh) * cd.sectors + sector - 1, n, r->es, r->bx) : OK;
    if (st == OK) r->al = n;
    return st;
}

static u8 emulated_parameters(Regs *r)
{
    static const u8 type[] = {0, 2, 4, 5};
    extern const u8 diskette_table[];
    u16 last = (u16)(cd.cylinders - 1);
    r->al = 0;
    r->ch = (u8)last, r->cl = (u8)(cd.sectors | (last >> 2 & 0xc0));
    r->dh = (u8)(cd.heads - 1);
    r->dl = cd.media == MEDIA_DISK ? BDA->disk_count : (u8)(floppies + 1);
    if (cd.media == MEDIA_DISK) return OK; /* BX, ES and DI stay */
    r->bx = type[cd.media];
    r->es = 0xf000, r->di = (u16)(u32)diskette_table;
    return OK;
}

/* The specification packet that 4Bh and 4Dh fill. */
static u8 emulation_status(const Regs *r)
{
    u8 p[0x13] = {0x13, cd.media, cd.number, cd.cd->channel};
    u32 lba = cd.lba;
    memcpy(p + 4, &lba, 4);
    p[8] = cd.cd->slave;
    memcpy(p + 12, &cd.segment, 2);
    memcpy(p + 14, &cd.load_sectors, 2);
    if (cd.media)
        p[16] = (u8)cd.cylinders, p[17] = (u8)(cd.sectors | (cd.cylinders >> 2 & 0xc0)),
        p[18] = (u8)(cd.heads - 1);
    far_copy_to(r->ds, r->si, p, sizeof p);
    return OK;
}

static u8 terminate(Regs *r)
{
    if (!cd.active) return BAD_COMMAND;
    u8 st = emulation_status(r);
    if (r->al == 0) cd_forget();
    return st;
}

static u8 emulated_function(Regs *r)
{
    switch (r->ah) {
    case 0x00:
    case 0x09:
    case 0x0c:
    case 0x0d:
    case 0x10:
    case 0x11:
    case 0x14:
    case 0x16: return OK;
    case 0x02: return cd.media ? emulated_read(r, true) : BAD_COMMAND;
    case 0x04: return cd.media ? emulated_read(r, false) : BAD_COMMAND;
    case 0x03:
    case 0x05: return WRITE_PROTECTED;
    case 0x08: return cd.media ? emulated_parameters(r) : BAD_COMMAND;
    case 0x4b: return terminate(r);
    case 0x4d: return emulation_status(r);
    default: return BAD_COMMAND;
    }
}

static u8 catalog_read(const Regs *r) /* 4Dh: part of the boot catalog */
{
    u8 *sector = block_buffer;
    u16 seg = far16(r->ds, (u16)(r->si + 4)), off = far16(r->ds, (u16)(r->si + 2)),
        first = far16(r->ds, (u16)(r->si + 6));
    u8 n = far8(r->ds, (u16)(r->si + 1));
    if (drive_read(cd.cd, 17, 1, low_seg(), (u16)(u32)sector) != OK) return NOT_FOUND;
    return drive_read(cd.cd, get32(sector + 0x47) + first, n, seg, off);
}

void int13_cd(Regs *r)
{
    u8 st;
    if (r->ah >= 0x4a && r->ah <= 0x4d) {
        if (!cd.active)
            st = BAD_COMMAND;
        else if (r->ah == 0x4b)
            st = terminate(r);
        else
            st = r->ah == 0x4d ? catalog_read(r) : BAD_COMMAND;
    } else if (r->ah == 0x15) {
        r->ah = cd.media == MEDIA_DISK ? 3 : cd.media ? 1 : 0;
        if (r->ah == 3) {
            u32 n = (u32)cd.cylinders * cd.heads * cd.sectors;
            r->cx = (u16)(n >> 16), r->dx = (u16)n;
        }
        set_cf(r, false);
        return;
    } else if (r->ah == 0x01)
        st = BDA->disk_status;
    else if (!cd.media && int13_edd(r, cd.cd, &st))
        return;
    else
        st = emulated_function(r);
    r->ah = st;
    set_cf(r, st != OK);
    BDA->disk_status = st;
}
