/* floppy.c - diskettes: INT 13h below 80h (INT 40h), by the 82077AA and channel 2 of the 8237.
 *
 * What a drive is comes from CMOS 10h; what is in it is found by trying data rates until a sector ID can be read, and kept in 40:90
 * until the change line says otherwise. Timing and format parameters come from the table at INT 1Eh, which DOS
 * replaces. The controller's interrupt sets bit 7 of 40:3E. DOS and boot sectors retry, as they must with real drives: a
 * change is reported once as error 06h.
 *
 * Sources: Intel 82077AA datasheet (290166), 8237A datasheet; IBM BIOS Interface Technical Reference, INT 13h.
 * Not implemented: motor start-up is not waited for; drives on a second controller; function 20h (media sense).
 */
#include "bios16.h"

enum { FDC_DOR = 0x3f2, FDC_MSR = 0x3f4, FDC_DATA = 0x3f5, FDC_DIR = 0x3f7, FDC_CCR = 0x3f7 };
enum { MSR_RQM = 0x80, MSR_DIO = 0x40 };
enum {
    FDC_SPECIFY = 0x03,
    FDC_RECALIBRATE = 0x07,
    FDC_SENSE = 0x08,
    FDC_SEEK = 0x0f,
    FDC_READ_ID = 0x4a,
    FDC_READ = 0xe6,
    FDC_WRITE = 0xc5,
    FDC_FORMAT = 0x4d
};
enum { DMA_VERIFY = 0x42, DMA_TO_MEMORY = 0x46, DMA_FROM_MEMORY = 0x4a };
enum { /* INT 13h status */
       OK = 0x00,
       BAD_COMMAND = 0x01,
       NO_ADDRESS_MARK = 0x02,
       WRITE_PROTECTED = 0x03,
       NOT_FOUND = 0x04,
       CHANGED = 0x06,
       DMA_OVERRUN = 0x08,
       DMA_BOUNDARY = 0x09,
       BAD_MEDIA = 0x0c,
       BAD_CRC = 0x10,
       CONTROLLER_ERROR = 0x20,
       SEEK_FAILED = 0x40,
       TIMED_OUT = 0x80,
};
enum { RATE_1M = 3 };
enum { MEDIA_KNOWN = 0x10, MEDIA_DOUBLE_STEP = 0x20 }; /* 40:90 */
enum {
    DPT_SPECIFY1,
    DPT_SPECIFY2,
    DPT_MOTOR_OFF,
    DPT_SIZE,
    DPT_SECTORS,
    DPT_GAP,
    DPT_LENGTH,
    DPT_FORMAT_GAP,
    DPT_FILL,
    DPT_SETTLE,
    DPT_START,
    DPT_BYTES
};

/* What a drive of a CMOS type takes at most, and the data rates that its media have (CCR values; ff ends). */
typedef struct Kind {
    u8 tracks, sectors, rate[3];
    u8 dpt[DPT_BYTES];
} Kind;
static const Kind kinds[] = {
    {0, 0, {0xff}, {0}},
    {40, 9, {2, 0xff, 0xff}, {0xdf, 0x02, 0x25, 2, 9, 0x2a, 0xff, 0x50, 0xf6, 0x0f, 0x08}}, /* 360 KB */
    {80, 15, {0, 1, 0xff}, {0xdf, 0x02, 0x25, 2, 15, 0x1b, 0xff, 0x54, 0xf6, 0x0f, 0x08}},  /* 1.2 MB */
    {80, 9, {2, 0xff, 0xff}, {0xdf, 0x02, 0x25, 2, 9, 0x2a, 0xff, 0x50, 0xf6, 0x0f, 0x08}}, /* 720 KB */
    {80, 18, {0, 2, 0xff}, {0xaf, 0x02, 0x25, 2, 18, 0x1b, 0xff, 0x6c, 0xf6, 0x0f, 0x08}},  /* 1.44 MB */
    {80, 36, {3, 0, 2}, {0xaf, 0x02, 0x25, 2, 36, 0x1b, 0xff, 0x54, 0xf6, 0x0f, 0x08}},     /* 2.88 MB */
};

u8 floppies;

u8 floppy_type(u8 unit)
{
    if (unit > 1) return 0;
    u8 v = cmos_read(CMOS_FLOPPY), type = unit ? v & 0xf : v >> 4;
    return type < ARRAY_LEN(kinds) ? type : type == 6 ? 5 : 0;
}

static u8 dpt(u8 field)
{
    u16 off = far16(0, 0x1e * 4), seg = far16(0, 0x1e * 4 + 2);
    return far8(seg, (u16)(off + field));
}

/* --- the controller -------------------------------------------------------------------------------------- */

static bool fdc_put(u8 v)
{
    for (u32 i = 0; i < 2000; i++) {
        if ((inb(FDC_MSR) & (MSR_RQM | MSR_DIO)) == MSR_RQM) {
            outb(FDC_DATA, v);
            return true;
        }
        wait_us(10);
    }
    return false;
}

static bool fdc_get(u8 *v)
{
    for (u32 i = 0; i < 2000; i++) {
        if ((inb(FDC_MSR) & (MSR_RQM | MSR_DIO)) == (MSR_RQM | MSR_DIO)) {
            *v = inb(FDC_DATA);
            return true;
        }
        wait_us(10);
    }
    return false;
}

static bool fdc_command(const u8 *bytes, u32 n)
{
    BDA->floppy_recalibrated &= 0x7f;
    for (u32 i = 0; i < n; i++)
        if (!fdc_put(bytes[i])) return false;
    return true;
}

static bool fdc_interrupt(u32 ms)
{
    Deadline d;
    sti();
    deadline_set(&d, ms * 1000);
    do {
        if (BDA->floppy_recalibrated & 0x80) {
            BDA->floppy_recalibrated &= 0x7f;
            return true;
        }
    } while (!deadline_over(&d));
    return false;
}

static bool fdc_results(u32 n)
{
    for (u32 i = 0; i < n; i++) {
        u8 v;
        if (!fdc_get(&v)) return false;
        BDA->floppy_result[i] = v;
    }
    return true;
}

static bool fdc_sense(void) { return fdc_put(FDC_SENSE) && fdc_results(2); }

static bool fdc_specify(void)
{
    return fdc_command((const u8[]){FDC_SPECIFY, dpt(DPT_SPECIFY1), (u8)(dpt(DPT_SPECIFY2) & 0xfe)}, 3);
}

static u8 fdc_reset(void)
{
    u8 dor = (u8)(BDA->floppy_motor << 4 | 0x08 | (BDA->floppy_motor >> 4 & 3));
    BDA->floppy_recalibrated = 0;
    outb(FDC_DOR, dor);
    wait_us(5);
    outb(FDC_DOR, dor | 0x04);
    if (!fdc_interrupt(500)) return TIMED_OUT;
    for (u32 i = 0; i < 4; i++)
        if (!fdc_sense()) return CONTROLLER_ERROR;
    return fdc_specify() ? OK : CONTROLLER_ERROR;
}

static void motor_on(u8 unit)
{
    cli();
    BDA->floppy_motor_timeout = 0xff; /* not now */
    BDA->floppy_motor = (u8)(1u << unit | unit << 4);
    outb(FDC_DOR, (u8)(0x10u << unit | 0x0c | unit));
    sti();
}

static void motor_run_out(void) { BDA->floppy_motor_timeout = dpt(DPT_MOTOR_OFF); }

/* --- arm and medium -------------------------------------------------------------------------------------- */

static u8 recalibrate(u8 unit)
{
    for (u32 i = 0; i < 2; i++) { /* 80 steps do not always do from beyond track 79 */
        if (!fdc_command((const u8[]){FDC_RECALIBRATE, unit}, 2) || !fdc_interrupt(3000)) return TIMED_OUT;
        if (!fdc_sense()) return CONTROLLER_ERROR;
        if ((BDA->floppy_result[0] & 0xf0) == 0x20) {
            BDA->floppy_recalibrated |= (u8)(1u << unit);
            BDA->floppy_track[unit] = 0;
            return OK;
        }
    }
    return SEEK_FAILED;
}

static u8 seek(u8 unit, u8 head, u8 track)
{
    if (!(BDA->floppy_recalibrated & 1u << unit)) {
        u8 st = recalibrate(unit);
        if (st != OK) return st;
    }
    u8 physical = BDA->floppy_media[unit] & MEDIA_DOUBLE_STEP ? (u8)(track * 2) : track;
    if (BDA->floppy_track[unit] == physical) return OK;
    if (!fdc_command((const u8[]){FDC_SEEK, (u8)(head << 2 | unit), physical}, 3) || !fdc_interrupt(3000))
        return TIMED_OUT;
    if (!fdc_sense()) return CONTROLLER_ERROR;
    if ((BDA->floppy_result[0] & 0xe0) != 0x20) return SEEK_FAILED;
    BDA->floppy_track[unit] = physical;
    return OK;
}

/* The change latch is cleared by moving the arm; if it stays there is no diskette. */
static u8 check_change(u8 unit)
{
    if (floppy_type(unit) == 1 || !(inb(FDC_DIR) & 0x80)) return OK;
    BDA->floppy_media[unit] &= (u8) ~(MEDIA_KNOWN | MEDIA_DOUBLE_STEP);
    BDA->floppy_recalibrated &= (u8) ~(1u << unit);
    u8 st = fdc_reset();
    if (st == OK) st = recalibrate(unit);
    if (st == OK) BDA->floppy_track[unit] = 0xff, st = seek(unit, 0, 1);
    if (st == OK) st = seek(unit, 0, 0);
    if (st != OK) return st;
    return inb(FDC_DIR) & 0x80 ? TIMED_OUT : CHANGED;
}

static bool read_id(u8 unit)
{
    return fdc_command((const u8[]){FDC_READ_ID, unit}, 2) && fdc_interrupt(600) && fdc_results(7) &&
           !(BDA->floppy_result[0] & 0xc0);
}

static u8 find_media(u8 unit)
{
    u8 media = BDA->floppy_media[unit];
    if (media & MEDIA_KNOWN) {
        outb(FDC_CCR, media >> 6);
        return OK;
    }
    const Kind *k = &kinds[floppy_type(unit)];
    u8 st = fdc_reset();
    if (st != OK) return st;
    for (u32 i = 0; i < 3 && k->rate[i] != 0xff; i++) {
        outb(FDC_CCR, k->rate[i]);
        st = recalibrate(unit);
        if (st != OK) return st;
        if (!read_id(unit)) continue;
        media = (u8)(k->rate[i] << 6 | MEDIA_KNOWN | 0x07);
        if (floppy_type(unit) == 2)
            media = (u8)((media & ~7) | (k->rate[i] == 1 ? MEDIA_DOUBLE_STEP | 0x04 : 0x05));
        if (floppy_type(unit) == 1) media = (u8)((media & ~7) | 0x03);
        BDA->floppy_media[unit] = media;
        outb(FDC_CCR, k->rate[i]);
        return OK;
    }
    return NO_ADDRESS_MARK;
}

static u8 prepare(u8 unit)
{
    motor_on(unit);
    u8 st = check_change(unit);
    return st == OK ? find_media(unit) : st;
}

/* --- transfers ------------------------------------------------------------------------------------------- */

/* What INT 13h asks for, and how far it is. */
typedef struct Transfer {
    u8 opcode, mode;
    u8 track, head, sector, left; /* sectors */
    u8 last;                      /* sector of a track */
    u32 pa;
} Transfer;

static void dma_setup(u8 mode, u32 pa, u32 bytes)
{
    cli();
    outb(0x0a, 0x06);
    outb(0x0c, 0);
    outb(0x0b, mode);
    outb(0x04, (u8)pa), outb(0x04, (u8)(pa >> 8));
    outb(0x81, (u8)(pa >> 16));
    outb(0x05, (u8)(bytes - 1)), outb(0x05, (u8)((bytes - 1) >> 8));
    outb(0x0a, 0x02);
    sti();
}

/* The buffer's address; a transfer in 64 KiB of its own, which the DMA controller cannot leave? */
static bool dma_address(u32 *pa, u8 mode, u16 seg, u16 off, u32 bytes)
{
    *pa = mode == DMA_VERIFY ? 0 : (u32)seg * 16 + off;
    return (*pa & 0xffff) + bytes <= 0x10000;
}

static u8 result_status(void)
{
    u8 st0 = BDA->floppy_result[0], st1 = BDA->floppy_result[1];
    if (!(st0 & 0xc0)) return OK;
    if (st0 & 0x08) return TIMED_OUT;
    if (st1 & 0x80) return NOT_FOUND;
    if (st1 & 0x20) return BAD_CRC;
    if (st1 & 0x10) return DMA_OVERRUN;
    if (st1 & 0x04) return NOT_FOUND;
    if (st1 & 0x02) return WRITE_PROTECTED;
    if (st1 & 0x01) return NO_ADDRESS_MARK;
    return CONTROLLER_ERROR;
}

static u8 run(const u8 *bytes, u32 n)
{
    if (!fdc_command(bytes, n)) {
        fdc_reset();
        return TIMED_OUT;
    }
    if (!fdc_interrupt(3000)) {
        BDA->floppy_recalibrated = 0;
        fdc_reset();
        return TIMED_OUT;
    }
    return fdc_results(7) ? result_status() : CONTROLLER_ERROR;
}

/* Sectors to the cylinder's end, if the transfer begins within the track: at head 0 one command goes on with head 1. */
static u8 cylinder_rest(const Transfer *t)
{
    if (t->sector > t->last) return t->left;
    u32 rest = t->last - t->sector + 1u + (t->head ? 0 : t->last);
    return rest < t->left ? (u8)rest : t->left;
}

static u8 transfer_part(u8 unit, const Transfer *t, u8 n)
{
    u8 size = dpt(DPT_SIZE) & 7, st = seek(unit, t->head, t->track);
    if (st != OK) return st;
    u8 last = t->sector > t->last ? (u8)(t->sector + n - 1) : t->last;
    const u8 c[9] = {
        t->opcode,      (u8)(t->head << 2 | unit), t->track, t->head, t->sector, size, last, dpt(DPT_GAP),
        dpt(DPT_LENGTH)};
    dma_setup(t->mode, t->pa, (u32)n * (128u << size));
    return run(c, 9);
}

/* An AT's controller ends with the cylinder; boot sectors rely on those of emulators, which step on to the next. */
static u8 transfer(u8 unit, Transfer *t)
{
    u8 st = OK;
    while (t->left) {
        u8 n = cylinder_rest(t);
        st = transfer_part(unit, t, n);
        if (st != OK) break;
        t->left = (u8)(t->left - n);
        t->track++, t->head = 0, t->sector = 1;
        if (t->mode != DMA_VERIFY) t->pa += (u32)n * (128u << (dpt(DPT_SIZE) & 7));
    }
    return st;
}

static u8 access(Regs *r, u8 unit, u8 opcode, u8 mode)
{
    Transfer t = {
        .opcode = opcode, .mode = mode, .track = r->ch, .head = r->dh, .sector = r->cl, .left = r->al};
    u8 n = r->al;
    r->al = 0;
    if (!n || t.head > 1 || !t.sector) return BAD_COMMAND;
    u8 st = prepare(unit);
    if (st != OK) return st;
    if (!dma_address(&t.pa, mode, r->es, r->bx, (u32)n * (128u << (dpt(DPT_SIZE) & 7)))) return DMA_BOUNDARY;
    t.last = dpt(DPT_SECTORS);
    if (BDA->floppy_media[unit] >> 6 == RATE_1M && t.last < 36) t.last = 36;
    st = transfer(unit, &t);
    r->al = (u8)(n - t.left);
    if (st == NO_ADDRESS_MARK) BDA->floppy_media[unit] &= (u8)~MEDIA_KNOWN;
    return st;
}

static u8 format(Regs *r, u8 unit)
{
    u8 sectors = dpt(DPT_SECTORS);
    motor_on(unit);
    u8 st = check_change(unit);
    if (st != OK) return st;
    if (!(BDA->floppy_media[unit] & MEDIA_KNOWN))
        BDA->floppy_media[unit] = (u8)(kinds[floppy_type(unit)].rate[0] << 6 | MEDIA_KNOWN | 7);
    outb(FDC_CCR, BDA->floppy_media[unit] >> 6);
    u32 pa;
    if (!dma_address(&pa, DMA_FROM_MEMORY, r->es, r->bx, sectors * 4u)) return DMA_BOUNDARY;
    st = seek(unit, r->dh, r->ch);
    if (st != OK) return st;
    dma_setup(DMA_FROM_MEMORY, pa, sectors * 4u);
    const u8 c[6] = {FDC_FORMAT, (u8)(r->dh << 2 | unit), dpt(DPT_SIZE),
                     sectors,    dpt(DPT_FORMAT_GAP),     dpt(DPT_FILL)};
    return run(c, 6);
}

/* --- what the drive is ----------------------------------------------------------------------------------- */

static void table_pointer(Regs *r, const u8 *table)
{
    r->es = 0xf000, r->di = (u16)((u32)table - (0xf0000 - LOW_SEG * 16));
}

static u8 parameters(Regs *r, u8 unit)
{
    u8 type = floppy_type(unit);
    const Kind *k = &kinds[type];
    r->ax = r->bx = r->cx = r->dx = 0;
    r->dl = floppies;
    r->es = r->di = 0;
    if (!type) return OK;
    r->bl = type;
    r->ch = (u8)(k->tracks - 1), r->cl = k->sectors, r->dh = 1;
    table_pointer(r, k->dpt);
    return OK;
}

/* 17h, 18h: what is about to be formatted. */
static u8 set_media(u8 unit, u8 rate, bool double_step)
{
    motor_on(unit);
    u8 st = check_change(unit);
    if (st == TIMED_OUT) return st;
    BDA->floppy_media[unit] = (u8)(rate << 6 | MEDIA_KNOWN | 0x07 | (double_step ? MEDIA_DOUBLE_STEP : 0));
    return OK;
}

static u8 set_type(const Regs *r, u8 unit)
{
    switch (r->al) {
    case 1: return set_media(unit, 2, false);
    case 2: return set_media(unit, 1, true);
    case 3: return set_media(unit, 0, false);
    case 4: return set_media(unit, 2, false);
    default: return BAD_COMMAND;
    }
}

static u8 set_format(Regs *r, u8 unit)
{
    u8 type = floppy_type(unit), tracks = (u8)(r->ch + 1);
    for (u8 i = 1; i < ARRAY_LEN(kinds); i++) {
        const Kind *k = &kinds[i];
        if (k->sectors != (r->cl & 0x3f) || k->tracks != tracks || k->tracks > kinds[type].tracks ||
            k->sectors > kinds[type].sectors)
            continue;
        u8 rate = type == 2 && i == 1 ? 1 : k->rate[0];
        u8 st = set_media(unit, rate, type == 2 && i == 1);
        if (st == OK) table_pointer(r, k->dpt);
        return st;
    }
    return BAD_MEDIA;
}

/* A drive without the line may have another diskette by now, for all that is known. */
static u8 change_line(u8 unit)
{
    if (floppy_type(unit) == 1) return CHANGED;
    motor_on(unit);
    return check_change(unit);
}

/* --- INT 13h --------------------------------------------------------------------------------------------- */

static u8 function(Regs *r, u8 unit)
{
    switch (r->ah) {
    case 0x00: BDA->floppy_recalibrated = 0; return floppies ? fdc_reset() : TIMED_OUT;
    case 0x02: return access(r, unit, FDC_READ, DMA_TO_MEMORY);
    case 0x03: return access(r, unit, FDC_WRITE, DMA_FROM_MEMORY);
    case 0x04: return access(r, unit, FDC_READ, DMA_VERIFY);
    case 0x05: return format(r, unit);
    case 0x16: return change_line(unit);
    case 0x17: return set_type(r, unit);
    case 0x18: return set_format(r, unit);
    default: return BAD_COMMAND;
    }
}

void int40_service(Regs *r);
void int40_service(Regs *r)
{
    u8 unit = (u8)(r->dl - (cd_drive_number() == 0)), st;
    r->flags |= FLAG_IF; /* as of an AT's, by STI and RETF 2 */
    switch (r->ah) {
    case 0x01: st = BDA->floppy_status; break;
    case 0x08: st = unit < 0x80 ? parameters(r, unit) : BAD_COMMAND; break;
    case 0x15:
        r->ah = floppy_type(unit) ? (floppy_type(unit) == 1 ? 1 : 2) : 0;
        set_cf(r, false);
        BDA->floppy_status = 0;
        return;
    default:
        if (r->ah > 0x18)
            st = BAD_COMMAND;
        else if (r->ah && !floppy_type(unit))
            st = TIMED_OUT;
        else {
            sti();
            st = function(r, unit);
            motor_run_out();
        }
    }
    if (r->ah >= 0x08 && r->ah != 0x16 && r->ah != 0x08 && st == BAD_COMMAND) r->al = 0;
    BDA->floppy_status = st;
    r->ah = st;
    set_cf(r, st != OK);
}

/* POST: how many drives, and a controller in order. */
void floppy_setup(Regs *r);
void floppy_setup(Regs *r)
{
    static const char *const name[] = {
        "", "360 KB 5.25\"", "1.2 MB 5.25\"", "720 KB 3.5\"", "1.44 MB 3.5\"", "2.88 MB 3.5\""};
    (void)r;
    if (inb(FDC_MSR) == 0xff) return;
    for (u8 unit = 0; unit < 2; unit++)
        if (floppy_type(unit)) {
            print("Floppy %c: %s\n", 'A' + unit, name[floppy_type(unit)]);
            floppies++;
        }
    if (!floppies) return;
    BDA->equipment = (u16)((BDA->equipment & ~0xc1) | 1 | (floppies - 1) << 6);
    BDA->floppy_info = 0x77;
    if (fdc_reset() != OK) print("Floppy controller error\n");
    outb(FDC_DOR, 0x0c);
    BDA->floppy_motor = 0;
}
