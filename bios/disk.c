/* disk.c - up to four IDE devices: finding them, PIO transfers, and INT 13h for hard disks (CHS and EDD).
 *
 * Transfers are PIO on purpose: a bus master writes physical addresses, and a caller in virtual-8086 mode (EMM386, Windows)
 * has others. A drive of more than 1024 cylinders is presented by "LBA assist": 63 sectors, as many heads as needed.
 * The status of the last call is at 40:74. Interrupts are on while a transfer waits.
 *
 * Sources: ANSI X3.298 (ATA-3), NCITS 317 (ATA/ATAPI-4); Phoenix Enhanced Disk Drive Specification 3.0; IBM BIOS
 * Interface Technical Reference, INT 13h.
 *
 * Not implemented: formatting (05h-07h succeed or refuse without doing anything), EDD device parameter table extension
 * (FFFF:FFFF), 64-bit buffer addresses, locking and ejecting hard disks.
 */
#include "bios16.h"

enum { REG_DATA, REG_ERROR, REG_COUNT, REG_LBA0, REG_LBA1, REG_LBA2, REG_DEVICE, REG_STATUS };
enum { ST_ERR = 0x01, ST_DRQ = 0x08, ST_DF = 0x20, ST_RDY = 0x40, ST_BSY = 0x80 };
enum { CONTROL_NIEN = 0x02, CONTROL_SRST = 0x04 };
enum {
    CMD_READ = 0x20,
    CMD_READ_EXT = 0x24,
    CMD_WRITE = 0x30,
    CMD_WRITE_EXT = 0x34,
    CMD_VERIFY = 0x40,
    CMD_VERIFY_EXT = 0x42,
    CMD_PACKET = 0xa0,
    CMD_IDENTIFY_PACKET = 0xa1,
    CMD_IDENTIFY = 0xec,
};
enum { /* INT 13h status */
       OK = 0x00,
       BAD_COMMAND = 0x01,
       NOT_FOUND = 0x04,
       NO_MEDIA_CHANGE = 0x06,
       NO_PARAMETERS = 0x07,
       DATA_ERROR = 0x10,
       CONTROLLER_ERROR = 0x20,
       TIMED_OUT = 0x80,
};
enum { RESET_MS = 10000, COMMAND_MS = 10000 };
typedef enum { READ, WRITE, VERIFY } Direction;

Shared shared;
Drive drive[DRIVES];
u8 disk_of[DRIVES], cd_of[DRIVES], disks, cds;

/* --- the registers --------------------------------------------------------------------------------------- */

/* Wait until (status & mask) == value, with BSY in mask; ms at most. */
static bool ide_wait(u16 base, u8 mask, u8 value, u32 ms)
{
    Deadline d;
    deadline_set(&d, ms * 1000);
    do {
        if ((inb((u16)(base + REG_STATUS)) & mask) == value) return true;
    } while (!deadline_over(&d));
    return false;
}

static void ide_pause(u16 control)
{
    for (u32 i = 0; i < 4; i++) inb(control); /* 400 ns */
}

static void ide_select(const Drive *d, u8 bits)
{
    u16 base = shared.ide_base[d->channel];
    ide_wait(base, ST_BSY | ST_DRQ, 0, 1000);
    outb((u16)(base + REG_DEVICE), (u8)(0xa0 | d->slave << 4 | bits));
    ide_pause(shared.ide_control[d->channel]);
}

static void pull(u16 port, u16 seg, u16 off, u32 words)
{
    __asm__ volatile("pushw %%es; movw %w3, %%es; rep insw (%%dx), %%es:(%%edi); popw %%es"
                     : "+c"(words), "=D"(off)
                     : "d"(port), "a"(seg), "1"((u32)off)
                     : "memory");
}

static void push(u16 port, u16 seg, u16 off, u32 words)
{
    __asm__ volatile("pushw %%ds; movw %w3, %%ds; rep outsw %%ds:(%%esi), (%%dx); popw %%ds"
                     : "+c"(words), "=S"(off)
                     : "d"(port), "a"(seg), "1"((u32)off)
                     : "memory");
}

static u8 status_of(u16 base)
{
    u8 st = inb((u16)(base + REG_STATUS));
    if (st & ST_DF) return CONTROLLER_ERROR;
    if (!(st & ST_ERR)) return OK;
    u8 error = inb((u16)(base + REG_ERROR));
    return error & 0x10 ? NOT_FOUND : error & 0x40 ? DATA_ERROR : BAD_COMMAND;
}

/* --- transfers ------------------------------------------------------------------------------------------- */

static void command(const Drive *d, u64 lba, u16 n, Direction dir)
{
    static const u8 opcode[2][3] = {{CMD_READ, CMD_WRITE, CMD_VERIFY},
                                    {CMD_READ_EXT, CMD_WRITE_EXT, CMD_VERIFY_EXT}};
    u16 base = shared.ide_base[d->channel];
    bool ext = lba + n > 0x0fffffff && d->lba48;
    u32 low = (u32)lba;
    outb(shared.ide_control[d->channel], CONTROL_NIEN);
    ide_select(d, (u8)(0x40 | (ext ? 0 : low >> 24 & 0xf)));
    if (ext) {
        outb((u16)(base + REG_COUNT), (u8)(n >> 8));
        outb((u16)(base + REG_LBA0), (u8)(low >> 24));
        outb((u16)(base + REG_LBA1), (u8)(lba >> 32));
        outb((u16)(base + REG_LBA2), (u8)(lba >> 40));
    }
    outb((u16)(base + REG_COUNT), (u8)n);
    outb((u16)(base + REG_LBA0), (u8)low);
    outb((u16)(base + REG_LBA1), (u8)(low >> 8));
    outb((u16)(base + REG_LBA2), (u8)(low >> 16));
    outb((u16)(base + REG_STATUS), opcode[ext][dir]);
    ide_pause(shared.ide_control[d->channel]);
}

/* `n` <= 128 sectors; *done counts. */
static u8 transfer_chunk(const Drive *d, u64 lba, u16 n, u16 seg, u16 off, Direction dir, u16 *done)
{
    u16 base = shared.ide_base[d->channel];
    u8 st = OK;
    command(d, lba, n, dir);
    for (u16 i = 0; i < n && dir != VERIFY; i++) {
        if (!ide_wait(base, ST_BSY, 0, COMMAND_MS)) return TIMED_OUT;
        st = status_of(base);
        if (st != OK) return st;
        if (!ide_wait(base, ST_BSY | ST_DRQ, ST_DRQ, 1000)) return TIMED_OUT;
        if (dir == READ)
            pull(base, seg, off, 256);
        else
            push(base, seg, off, 256);
        seg = (u16)(seg + 32);
        ++*done;
        ide_pause(shared.ide_control[d->channel]);
    }
    if (!ide_wait(base, ST_BSY | ST_DRQ, 0, COMMAND_MS)) return TIMED_OUT;
    st = status_of(base);
    if (dir == VERIFY && st == OK) *done = (u16)(*done + n);
    return st;
}

static u8 transfer(const Drive *d, u64 lba, u16 n, u16 seg, u16 off, Direction dir, u16 *done)
{
    *done = 0;
    if (lba + n > d->blocks) return NOT_FOUND;
    seg = (u16)(seg + (off >> 4)), off &= 0xf;
    u8 st = OK;
    while (n && st == OK) {
        u16 chunk = n < 128 ? n : 128, part = 0;
        st = transfer_chunk(d, lba, chunk, seg, off, dir, &part);
        *done = (u16)(*done + part);
        lba += chunk, n = (u16)(n - chunk), seg = (u16)(seg + chunk * 32);
    }
    outb(shared.ide_control[d->channel], 0);
    return st;
}

/* One SCSI command of an ATAPI drive, data (if any) to the far buffer, `bytes` at most. */
static u8 packet(const Drive *d, const u8 *cdb, u16 seg, u16 off, u32 bytes)
{
    u16 base = shared.ide_base[d->channel];
    u8 st = TIMED_OUT;
    outb(shared.ide_control[d->channel], CONTROL_NIEN);
    ide_select(d, 0);
    outb((u16)(base + REG_ERROR), 0);
    outb((u16)(base + REG_LBA1), 0x00);
    outb((u16)(base + REG_LBA2), 0x08); /* 2 KiB at a time */
    outb((u16)(base + REG_STATUS), CMD_PACKET);
    ide_pause(shared.ide_control[d->channel]);
    if (!ide_wait(base, ST_BSY | ST_DRQ, ST_DRQ, 1000)) goto out;
    push(base, low_seg(), (u16)(u32)cdb, 6);
    for (;;) {
        ide_pause(shared.ide_control[d->channel]);
        if (!ide_wait(base, ST_BSY, 0, COMMAND_MS)) goto out;
        u8 status = inb((u16)(base + REG_STATUS));
        if (status & (ST_ERR | ST_DF)) {
            st = CONTROLLER_ERROR;
            goto out;
        }
        if (!(status & ST_DRQ)) break;
        u32 n = inb((u16)(base + REG_LBA1)) | (u32)inb((u16)(base + REG_LBA2)) << 8,
            take = n < bytes ? n : bytes;
        seg = (u16)(seg + (off >> 4)), off &= 0xf;
        pull(base, seg, off, take / 2);
        off = (u16)(off + (take & ~1u)), bytes -= take;
        for (n = (n + 1) / 2, take /= 2; n > take; take++) inw(base);
    }
    st = OK;
out:
    outb(shared.ide_control[d->channel], 0);
    return st;
}

/* A CD just put in answers "unit attention" once, and "becoming ready" for a while. */
bool cd_ready(const Drive *d);
bool cd_ready(const Drive *d)
{
    static const u8 test_unit_ready[12] = {0x00}, request_sense[12] = {0x03, 0, 0, 0, 18};
    u8 sense[18];
    for (u32 i = 0; i < 40; i++) {
        if (packet(d, test_unit_ready, 0, 0, 0) == OK) return true;
        memset(sense, 0, sizeof sense);
        if (packet(d, request_sense, low_seg(), (u16)(u32)sense, sizeof sense) != OK) return false;
        if ((sense[2] & 0xf) == 0x02 && sense[12] == 0x3a) return false; /* no medium */
        if ((sense[2] & 0xf) != 0x06) wait_us(50000);
    }
    return false;
}

u8 drive_read(const Drive *d, u64 lba, u16 blocks, u16 seg, u16 off)
{
    u16 done;
    if (d->kind == DRIVE_DISK) return transfer(d, lba, blocks, seg, off, READ, &done);
    u8 st = OK;
    u32 at = (u32)lba;
    for (; blocks && st == OK; at++, blocks--) {
        const u8 read10[12] = {0x28, 0, (u8)(at >> 24), (u8)(at >> 16), (u8)(at >> 8), (u8)at, 0, 0, 1};
        st = packet(d, read10, seg, off, 2048);
        seg = (u16)(seg + 128);
    }
    return st;
}

/* --- finding them ---------------------------------------------------------------------------------------- */

static bool identify(Drive *d, u8 opcode, u16 *id)
{
    u16 base = shared.ide_base[d->channel];
    ide_select(d, 0);
    outb((u16)(base + REG_STATUS), opcode);
    ide_pause(shared.ide_control[d->channel]);
    if (!inb((u16)(base + REG_STATUS)) || !ide_wait(base, ST_BSY, 0, 5000)) return false;
    if (inb((u16)(base + REG_STATUS)) & (ST_ERR | ST_DF)) return false;
    if (!ide_wait(base, ST_BSY | ST_DRQ, ST_DRQ, 1000)) return false;
    pull(base, low_seg(), (u16)(u32)id, 256);
    for (u32 i = 0; i < 20; i++)
        d->model[2 * i] = (char)(id[27 + i] >> 8), d->model[2 * i + 1] = (char)id[27 + i];
    for (u32 i = 40; i && (d->model[i - 1] == ' ' || !d->model[i - 1]); i--) d->model[i - 1] = 0;
    return true;
}

static void translate(Drive *d)
{
    d->lcylinders = d->cylinders, d->lheads = d->heads, d->lsectors = d->sectors;
    if (d->cylinders <= 1024 && d->cylinders && d->heads && d->sectors) return;
    u32 total = d->blocks >> 32 ? 0xffffffff : (u32)d->blocks, tracks = total / 63, heads = 16;
    while (heads < 128 && tracks / heads > 1024) heads *= 2;
    if (tracks / heads > 1024) heads = 255;
    u32 cylinders = tracks / heads;
    d->lcylinders = (u16)(cylinders > 1024 ? 1024 : cylinders ? cylinders : 1);
    d->lheads = (u16)heads, d->lsectors = 63;
}

static void found_disk(Drive *d, const u16 *id)
{
    d->kind = DRIVE_DISK;
    d->sector_bytes = 512;
    d->cylinders = id[1], d->heads = id[3], d->sectors = id[6];
    d->lba48 = (id[83] & 0x4400) == 0x4400;
    d->blocks = id[60] | (u32)id[61] << 16;
    if (d->lba48) d->blocks = id[100] | (u32)id[101] << 16 | (u64)id[102] << 32;
    if (!d->blocks) d->blocks = (u32)d->cylinders * d->heads * d->sectors;
    translate(d);
    disk_of[disks++] = (u8)(d - drive);
}

static void detect(Drive *d)
{
    u16 base = shared.ide_base[d->channel], id[256];
    ide_select(d, 0);
    outb((u16)(base + REG_COUNT), 0x55), outb((u16)(base + REG_LBA0), 0xaa);
    if (inb((u16)(base + REG_COUNT)) != 0x55 || inb((u16)(base + REG_LBA0)) != 0xaa) return;
    if (inb((u16)(base + REG_STATUS)) == 0) { /* no device, or an ATAPI one that was reset */
        if (inb((u16)(base + REG_LBA1)) != 0x14 || inb((u16)(base + REG_LBA2)) != 0xeb) return;
    }
    if (identify(d, CMD_IDENTIFY, id))
        found_disk(d, id);
    else if (identify(d, CMD_IDENTIFY_PACKET, id) && (id[0] & 0x1f00) == 0x0500) {
        d->kind = DRIVE_CD;
        d->sector_bytes = 2048;
        cd_of[cds++] = (u8)(d - drive);
    }
}

/* The fixed disk parameter tables that INT 41h and 46h point at. */
static void parameter_table(u16 at, const Drive *d)
{
    u16 seg = ebda();
    bool translated = d->lheads != d->heads;
    far16_set(seg, at, d->lcylinders);
    far8_set(seg, (u16)(at + 2), (u8)d->lheads);
    far8_set(seg, (u16)(at + 3), translated ? 0xa0 : 0);
    far8_set(seg, (u16)(at + 4), translated ? (u8)d->sectors : 0);
    far16_set(seg, (u16)(at + 5), 0xffff);
    far8_set(seg, (u16)(at + 8), d->heads > 8 ? 0xc8 : 0xc0);
    far16_set(seg, (u16)(at + 9), d->cylinders);
    far8_set(seg, (u16)(at + 11), (u8)d->heads);
    far16_set(seg, (u16)(at + 12), d->lcylinders);
    far8_set(seg, (u16)(at + 14), (u8)d->lsectors);
    if (!translated) return;
    u8 sum = 0;
    for (u16 i = 0; i < 15; i++) sum = (u8)(sum + far8(seg, (u16)(at + i)));
    far8_set(seg, (u16)(at + 15), (u8)-sum);
}

static bool channel_present(u32 c)
{
    u16 base = shared.ide_base[c];
    if (inb((u16)(base + REG_STATUS)) == 0xff) return false;
    outb(shared.ide_control[c], CONTROL_NIEN | CONTROL_SRST);
    wait_us(10);
    outb(shared.ide_control[c], CONTROL_NIEN);
    wait_us(2000);
    return ide_wait(base, ST_BSY, 0, RESET_MS);
}

static void describe(const Drive *d, u32 i)
{
    print("%s %s: %s", d->channel ? "Secondary" : "Primary", d->slave ? "slave " : "master", d->model);
    if (d->kind == DRIVE_CD)
        print(" (CD)\n");
    else {
        u32 mib = (u32)(d->blocks >> 11);
        if (mib >= 10240)
            print(", %u GiB (disk %u)\n", mib >> 10, i);
        else if (mib)
            print(", %u MiB (disk %u)\n", mib, i);
        else
            print(", %u KiB (disk %u)\n", (u32)d->blocks / 2, i);
    }
}

void disk_setup(Regs *r);
void disk_setup(Regs *r)
{
    (void)r;
    sti();
    for (u8 c = 0; c < 2; c++) {
        if (!channel_present(c)) continue;
        for (u8 s = 0; s < 2; s++) {
            Drive *d = &drive[c * 2 + s];
            d->channel = c, d->slave = s;
            detect(d);
            if (d->kind) describe(d, disks);
        }
        ide_select(&drive[c * 2], 0);
        outb(shared.ide_control[c], 0);
    }
    BDA->disk_count = disks;
    if (disks) parameter_table(EBDA_FDPT0, &drive[disk_of[0]]);
    if (disks > 1) parameter_table(EBDA_FDPT1, &drive[disk_of[1]]);
}

/* --- INT 13h, CHS ---------------------------------------------------------------------------------------- */

static u8 chs_access(Regs *r, const Drive *d, Direction dir)
{
    u16 done, cylinder = (u16)(r->ch | (r->cl & 0xc0) << 2), sector = r->cl & 0x3f;
    u8 n = r->al;
    r->al = 0;
    if (!n || n > 128 || !sector) return BAD_COMMAND;
    if (cylinder >= d->lcylinders || r->dh >= d->lheads || sector > d->lsectors) return NOT_FOUND;
    u32 lba = ((u32)cylinder * d->lheads + r->dh) * d->lsectors + sector - 1;
    u8 st = transfer(d, lba, n, r->es, r->bx, dir, &done);
    r->al = (u8)done;
    return st;
}

static u8 parameters(Regs *r, const Drive *d)
{
    u16 last = (u16)(d->lcylinders - 1);
    if (last > 1023) last = 1023;
    r->al = 0;
    r->ch = (u8)last;
    r->cl = (u8)(d->lsectors | (last >> 2 & 0xc0));
    r->dh = (u8)(d->lheads - 1);
    r->dl = BDA->disk_count;
    return OK;
}

/* --- INT 13h, EDD ---------------------------------------------------------------------------------------- */

typedef struct PACKED AddressPacket {
    u8 bytes, reserved;
    u16 blocks, off, seg;
    u64 lba;
} AddressPacket;

static u8 edd_access(Regs *r, const Drive *d, Direction dir)
{
    AddressPacket p;
    u16 done = 0;
    far_copy_from(&p, r->ds, r->si, sizeof p);
    if (p.bytes < 16 || (p.seg == 0xffff && p.off == 0xffff)) return BAD_COMMAND;
    u8 st;
    if (d->kind == DRIVE_CD) {
        st = dir == READ ? drive_read(d, p.lba, p.blocks, p.seg, p.off) : BAD_COMMAND;
        done = st == OK ? p.blocks : 0;
    } else
        st = transfer(d, p.lba, p.blocks, p.seg, p.off, dir, &done);
    far16_set(r->ds, (u16)(r->si + 2), done);
    return st;
}

static u8 edd_seek(const Regs *r, const Drive *d)
{
    AddressPacket p;
    far_copy_from(&p, r->ds, r->si, sizeof p);
    return d->kind == DRIVE_DISK && p.lba >= d->blocks ? NOT_FOUND : OK;
}

typedef struct PACKED EddParameters {
    u16 bytes, flags;
    u32 cylinders, heads, sectors;
    u64 blocks;
    u16 block_bytes;
    u32 dpte;
    u16 key;
    u8 path_bytes, reserved[3];
    char bus[4], interface[8];
    u8 interface_path[8], device_path[8];
    u8 reserved2, checksum;
} EddParameters;

static u8 edd_parameters(const Regs *r, const Drive *d)
{
    u16 room = far16(r->ds, r->si);
    if (room < 0x1a) return BAD_COMMAND;
    EddParameters p = {
        .flags = d->kind == DRIVE_DISK ? 0x02 : 0x74, .block_bytes = d->sector_bytes, .dpte = 0xffffffff};
    p.bytes = room >= 0x42 ? 0x42 : room >= 0x1e ? 0x1e : 0x1a;
    p.cylinders = d->cylinders, p.heads = d->heads, p.sectors = d->sectors;
    p.blocks = d->kind == DRIVE_DISK ? d->blocks : 0xffffffffffffffff;
    if (d->blocks > 16383u * 16 * 63 && d->kind == DRIVE_DISK)
        p.cylinders = 16383, p.heads = 16, p.sectors = 63;
    p.key = 0xbedd, p.path_bytes = 0x24;
    memcpy(p.bus, shared.have_pci ? "PCI " : "ISA ", 4);
    memcpy(p.interface, d->kind == DRIVE_CD ? "ATAPI   " : "ATA     ", 8);
    if (shared.have_pci)
        p.interface_path[1] = 1, p.interface_path[2] = 1, p.interface_path[3] = d->channel;
    else
        p.interface_path[0] = (u8)shared.ide_base[d->channel],
        p.interface_path[1] = (u8)(shared.ide_base[d->channel] >> 8);
    p.device_path[0] = d->slave;
    u8 sum = 0;
    for (u32 i = 0x1e; i < 0x41; i++) sum = (u8)(sum + ((u8 *)&p)[i]);
    p.checksum = (u8)-sum;
    far_copy_to(r->ds, r->si, &p, p.bytes);
    return OK;
}

/* What a CD drive answers, too (eltorito.c). */
bool int13_edd(Regs *r, const Drive *d, u8 *st);
bool int13_edd(Regs *r, const Drive *d, u8 *st)
{
    switch (r->ah) {
    case 0x41:
        if (r->bx != 0x55aa) return false;
        r->bx = 0xaa55, r->cx = d->kind == DRIVE_CD ? 0x0007 : 0x0005;
        set_cf(r, false);
        r->ah = 0x30;
        BDA->disk_status = 0;
        return true;
    case 0x42: *st = edd_access(r, d, READ); break;
    case 0x43: *st = edd_access(r, d, WRITE); break;
    case 0x44: *st = edd_access(r, d, VERIFY); break;
    case 0x47: *st = edd_seek(r, d); break;
    case 0x48: *st = edd_parameters(r, d); break;
    case 0x49: *st = d->kind == DRIVE_CD ? NO_MEDIA_CHANGE : BAD_COMMAND; break;
    case 0x4e:
        *st = r->al == 3 || r->al == 4 || r->al == 6 || r->al <= 1 ? OK : BAD_COMMAND;
        break; /* PIO 0 stays */
    default: return false;
    }
    r->ah = *st;
    set_cf(r, *st != OK);
    BDA->disk_status = *st;
    return true;
}

static u8 chs_function(Regs *r, const Drive *d)
{
    switch (r->ah) {
    case 0x00: /* reset */
    case 0x05: /* format: nothing to do */
    case 0x09: /* geometry into the controller */
    case 0x0c: /* seek */
    case 0x0d:
    case 0x10:            /* ready? */
    case 0x11:            /* recalibrate */
    case 0x14: return OK; /* diagnostic */
    case 0x02:
    case 0x0a: return chs_access(r, d, READ);
    case 0x03:
    case 0x0b: return chs_access(r, d, WRITE);
    case 0x04: return chs_access(r, d, VERIFY);
    case 0x08: return parameters(r, d);
    default: return BAD_COMMAND;
    }
}

void int13_disk(Regs *r, const Drive *d)
{
    u8 st;
    if (int13_edd(r, d, &st)) return;
    if (r->ah == 0x01) { /* status of the last call */
        r->al = r->ah = st = BDA->disk_status;
        set_cf(r, st != OK);
        return;
    }
    if (r->ah == 0x15) {
        u32 n = (u32)d->lcylinders * d->lheads * d->lsectors;
        r->cx = (u16)(n >> 16), r->dx = (u16)n;
        r->ah = 3;
        set_cf(r, false);
        BDA->disk_status = 0;
        return;
    }
    r->ah = st = chs_function(r, d);
    set_cf(r, st != OK);
    BDA->disk_status = st;
}

/* --- dispatch -------------------------------------------------------------------------------------------- */

/* As an AT answers for a disk that it does not have: kinds are told without an error, parameters as zeros with one. */
static void no_disk(Regs *r)
{
    u8 st = r->ah == 0x15 ? OK : r->ah == 0x08 ? NO_PARAMETERS : BAD_COMMAND;
    if (r->ah == 0x08 || r->ah == 0x15) {
        r->al = 0;
        r->cx = r->dx = 0;
    }
    r->ah = st;
    set_cf(r, st != OK);
    BDA->disk_status = st;
}

void int40_service(Regs *r);
void int13_service(Regs *r);
void int13_service(Regs *r)
{
    r->flags |= FLAG_IF; /* as of an AT's, by STI and RETF 2 */
    if (cd_emulates(r->dl) || (r->ah >= 0x4a && r->ah <= 0x4d)) {
        sti();
        int13_cd(r);
        return;
    }
    if (r->dl < 0x80) {
        int40_service(r);
        return;
    }
    u8 n = (u8)(r->dl - 0x80 - (cd_drive_number() == 0x80));
    if (n < disks) {
        sti();
        int13_disk(r, &drive[disk_of[n]]);
        return;
    }
    no_disk(r);
}
