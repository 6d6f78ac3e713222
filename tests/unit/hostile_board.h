/* hostile_board.h - a whole board, and a driver on it that does what makes sense to the chips and harm to a careless one:
 * random sequences, so that states are reached which single random accesses (hw_machine.c) hardly ever see.
 *
 * PCI base addresses are moved over RAM, ROM, ports of other chips and each other; IDE and ATAPI commands run with
 * bus master tables anywhere; floppy commands with DMA to anywhere; network cards have rings and buffers anywhere and
 * frames come meanwhile; sound cards play from anywhere, with lists that lie; a balloon takes memory away; the VBE and
 * VGA registers change while memory is written in every way a processor or a chip can; the picture is drawn between. The
 * board may answer what it likes.
 * What happens follows from `seed` and the board's state alone.
 */
#ifndef HOSTILE_BOARD_H
#define HOSTILE_BOARD_H

#include "hw_bench.h"

#include <stdlib.h>

#include "hw/lapic.h"
#include "hw/machine.h"
#include "tests/random.h"

enum { RAM_BYTES = 16 << 20, ROM_BYTES = 128 << 10, VGA_ROM_BYTES = 37 * 1024 };

static Machine *m;
static Phys *phys;
static Script com1, com2, lpt, con;
static u8 *bios, *vga_rom;
static bool intr_level;

static void intr(void *c, bool level) { (void)c, intr_level = level; }

/* --- dice ------------------------------------------------------------------------------------------------ */

#define PICK(list) ((list)[rnd() % ARRAY_LEN(list)])

/* Where something is, or where something ends. */
static u32 some_pa(void)
{
    static const u32 places[] = {0,          0x1000,     0x9f000,    0xa0000,
                                 0xa8000,    0xb0000,    0xb8000,    0xbf000,
                                 0xc0000,    0xc8000,    0xdf000,    0xe0000,
                                 0xf0000,    0xff000,    0x100000,   RAM_BYTES - 0x1000,
                                 RAM_BYTES,  0xe0000000, 0xe0fff000, 0xfd000000,
                                 0xfebf0000, 0xfec00000, 0xfee00000, 0xff000000,
                                 0xfffe0000, 0xfffff000, 0x80000000, 0x00f00000};
    u32 r = rnd();
    if (r % 8 == 0) return rnd();
    if (r % 8 == 1) return rnd() % RAM_BYTES;
    if (r % 8 == 2) return 0xa0000 + rnd() % 0x20000;
    return PICK(places) + rnd() % 0x1000;
}

/* --- media ----------------------------------------------------------------------------------------------- */

/* Mostly well; else an errno, or MEDIUM_HELD: once, or for longer than a guest is patient. */
static u32 held;
static int rough(int error)
{
    if (held) return held--, MEDIUM_HELD;
    u32 r = rnd() % 256;
    if (r < 4) return error;
    if (r > 7) return 0;
    held = r == 4 ? rnd() % 1000 : 0;
    return MEDIUM_HELD;
}

static int rough_read(Medium *d, u64 sector, void *to, u32 count)
{
    assert_true(sector + count <= d->sectors);
    memset(to, (int)sector, (size_t)count * SECTOR_BYTES);
    return rough(5);
}

static int rough_write(Medium *d, u64 sector, const void *from, u32 count)
{
    u32 sum = 0;
    assert_true(sector + count <= d->sectors && !d->readonly);
    for (u32 i = 0; i < count * SECTOR_BYTES; i++) sum += ((const u8 *)from)[i];
    return rough(sum ? 28 : 5);
}

static int rough_discard(Medium *d, u64 sector, u32 count)
{
    assert_true(sector + count <= d->sectors && !d->readonly);
    return rough(5);
}

static int rough_flush(Medium *d) { return (void)d, rnd() % 8 ? 0 : rough(5); }

static Medium floppy = {2880, false, "floppy", "raw", rough_read, rough_write, rough_flush, NULL, NULL},
              locked = {1440, true, "locked", "raw", rough_read, rough_write, rough_flush, NULL, NULL},
              disk = {300007,      false,       "disk", "raw",        rough_read,
                      rough_write, rough_flush, NULL,   rough_discard},
              big = {1ull << 32,  true,        "big", "raw",        rough_read,
                     rough_write, rough_flush, NULL,  rough_discard},
              cd = {4001, true, "cd", "raw", rough_read, rough_write, rough_flush, NULL, NULL};

static void change_media(void)
{
    static Medium *const floppies[] = {&floppy, &locked, NULL}, *const cds[] = {&cd, NULL};
    if (rnd() & 1)
        machine_drive(m, DRIVE_FLOPPY_A + rnd() % 2)->medium = PICK(floppies);
    else
        machine_drive(m, DRIVE_IDE_2)->medium = PICK(cds);
}

/* --- PCI ------------------------------------------------------------------------------------------------- */

static void pci_write_some(void)
{
    static const u8 functions[] = {0x00, 0x08, 0x09, 0x0b, 0x10, 0x18, 0x20, 0x28, 0x38, 0x40, 0x48},
                    registers[] = {0x04, 0x10, 0x14, 0x18, 0x20, 0x30, 0x3c, 0x40, 0x44,
                                   0x58, 0x59, 0x5c, 0x60, 0x72, 0x80, 0x90, 0xd0};
    u32 values[] = {rnd(), ~0u, 0, some_pa(), some_pa() | 1, (rnd() & 0xffff) | 1, 7, 0x33333333};
    bus_port_out(bus, 0xcf8, 0x80000000 | (u32)PICK(functions) << 8 | (PICK(registers) & 0xfc), 4);
    bus_port_out(bus, (u16)(0xcfc + rnd() % 4), PICK(values), 1u << rnd() % 3);
    bus_port_in(bus, 0xcfc, 4);
}

/* --- memory ---------------------------------------------------------------------------------------------- */

static u8 buffer[70000];
static void memory_access(void)
{
    unsigned bytes = 1u << rnd() % 3;
    u32 pa = some_pa(), n = rnd() % 64;
    if ((pa & PAGE_MASK) + bytes > PAGE_BYTES) pa -= bytes;
    switch (rnd() % 8) {
    case 0: phys_dma_read(phys, pa, buffer, rnd() % sizeof buffer); break;
    case 1: phys_dma_write(phys, pa, buffer, rnd() % (rnd() & 1 ? 64 : sizeof buffer)); break;
    case 2: phys_read(phys, pa, bytes); break;
    case 3: {
        const IoRange *io = bus_mmio_run(bus, pa, bytes, &n);
        for (u32 i = 0; io && i < n; i++)
            if (rnd() & 1)
                bus_range_write(io, pa + i * bytes - io->base, rnd(), bytes);
            else
                bus_range_read(io, pa + i * bytes - io->base, bytes);
        break;
    }
    default: phys_write(phys, pa, rnd(), bytes);
    }
}

static void screen_access(void)
{
    unsigned bytes = 1u << rnd() % 3;
    u32 pa = (0xa0000 + rnd() % 0x20000) & ~(bytes - 1);
    for (u32 i = rnd() % 32; i; i--, pa = 0xa0000 + (pa + bytes) % 0x20000)
        if (rnd() & 3)
            phys_write(phys, pa, rnd(), bytes);
        else
            phys_read(phys, pa, bytes);
}

/* --- VGA ------------------------------------------------------------------------------------------------- */

static void vbe_register(void)
{
    static const u16 values[] = {0,    1,    2,    3,   4,   8,   15,  16,   24,   32,   0x40,  0x41,
                                 0xc1, 0x61, 0xe1, 255, 320, 640, 800, 1024, 1600, 2560, 0xffff};
    u16 index = (u16)(rnd() % 12);
    bus_port_out(bus, 0x1ce, index, 2);
    if (rnd() & 3)
        bus_port_out(bus, (u16)(0x1cf + rnd() % 2), rnd() & 7 ? PICK(values) : rnd(), 2);
    else
        bus_port_in(bus, (u16)(0x1cf + rnd() % 2), 2);
}

static void vga_register(void)
{
    static const u16 ports[] = {0x3c4, 0x3ce, 0x3d4, 0x3b4};
    if (rnd() % 4 == 0) {
        bus_port_in(bus, 0x3da, 1);
        bus_port_out(bus, 0x3c0, rnd(), 1), bus_port_out(bus, 0x3c0, rnd(), 1);
    } else {
        bus_port_out(bus, PICK(ports), rnd() % 0x1a | rnd() << 8, 2);
    }
    if (rnd() % 8 == 0) bus_port_out(bus, (u16)(0x3c0 + rnd() % 32), rnd(), 1);
}

/* --- disks ----------------------------------------------------------------------------------------------- */

static u16 bus_master(void)
{
    bus_port_out(bus, 0xcf8, 0x80000920, 4);
    return (u16)(bus_port_in(bus, 0xcfc, 4) & ~3u);
}

static void ide_command(void)
{
    static const u8 commands[] = {0xc8, 0xca, 0x25, 0x35, 0x20, 0x30, 0x24, 0x34, 0xc4,
                                  0xc5, 0x29, 0x39, 0xc6, 0xec, 0xa1, 0xa0, 0xa0, 0xa0,
                                  0x08, 0xef, 0x40, 0xe7, 0x91, 0x90, 0xf8, 0xe0, 0x06};
    static const u8 packets[] = {0x28, 0xa8, 0xbe, 0x43, 0x12, 0x5a, 0x1a, 0x03, 0x00,
                                 0x1b, 0x1e, 0x25, 0x42, 0x46, 0x4a, 0x51, 0xb9, 0x2b};
    u16 base = rnd() & 1 ? 0x1f0 : 0x170, bm = (u16)(bus_master() + (base == 0x170 ? 8 : 0));
    u32 table = some_pa();
    for (u32 i = rnd() % 20; i && table < RAM_BYTES - 4096; i--, table += 8) {
        phys_write(phys, table & ~3u, some_pa(), 4);
        phys_write(phys, (table & ~3u) + 4, (rnd() % 8 ? rnd() & 0xffff : 0) | (rnd() % 4 ? 0 : 0x80000000),
                   4);
    }
    bus_port_out(bus, (u16)(bm + 4), rnd() % 4 ? table - 8 * (rnd() % 20) : some_pa(), 4);
    out((u16)(base + 6), (u8)(0xa0 | (rnd() & 0x5f)));
    for (u16 r = 1; r < 6; r++) out((u16)(base + r), rnd() & 1 ? (u8)rnd() : (u8)(rnd() & 3));
    for (u16 r = 2; r < 6 && rnd() & 1; r++) out((u16)(base + r), (u8)(rnd() & 1));
    out((u16)(base + 7), rnd() % 16 ? PICK(commands) : (u8)rnd());
    if (rnd() & 1) { /* a packet, in case that it waits for one */
        u8 packet[12] = {PICK(packets),   (u8)rnd(), 0,        0, (u8)(rnd() & 15), (u8)rnd(), 0,
                         (u8)(rnd() & 1), (u8)rnd(), (u8)rnd()};
        for (u32 i = 0; i < 12; i += 2) bus_port_out(bus, base, load16(packet + i), 2);
    }
    if (rnd() % 4) out(bm, (u8)(1 | (rnd() & 8)));
    for (u32 i = rnd() % 600; i; i--)
        if (rnd() & 1)
            bus_port_in(bus, base, 2u << rnd() % 2);
        else
            bus_port_out(bus, base, rnd(), 2u << rnd() % 2);
    if (rnd() % 8 == 0) out(base == 0x1f0 ? 0x3f6 : 0x376, (u8)rnd());
    if (rnd() % 8 == 0) out(bm, 0);
}

/* One to the CD drive as a driver gives it, with odd fields. */
static void packet_command(void)
{
    static const u8 operations[] = {0x00, 0x03, 0x12, 0x15, 0x1a, 0x1b, 0x1e, 0x25, 0x28, 0x2b,
                                    0x42, 0x43, 0x44, 0x46, 0x4a, 0x51, 0x52, 0x55, 0x5a, 0xa8,
                                    0xad, 0xb9, 0xbb, 0xbd, 0xbe, 0xbf, 0x35, 0xa4};
    static const u8 pages[] = {0x00, 0x01, 0x0d, 0x0e, 0x1a, 0x2a, 0x3f, 0x6a, 0xaa, 0xff};
    u8 packet[12] = {PICK(operations)};
    for (u32 i = 1; i < 12; i++)
        packet[i] = rnd() % 3 ? (u8)(rnd() & 3) : rnd() & 1 ? (u8)rnd() : PICK(pages);
    if (rnd() & 1) packet[2] = PICK(pages);
    u16 bm = (u16)(bus_master() + 8);
    out(0x376, 0), out(0x176, 0xa0), out(0x171, rnd() & 1), out2(0x174, (u8)rnd(), (u8)(rnd() & 3)),
        out(0x175, 8);
    out(0x177, 0xa0);
    clock_advance(machine_clock(m), MS);
    for (u32 i = 0; i < 12; i += 2) bus_port_out(bus, 0x170, load16(packet + i), 2);
    clock_advance(machine_clock(m), rnd() % (4 * MS));
    if (rnd() & 1) bus_port_out(bus, (u16)(bm + 4), some_pa(), 4), out(bm, 9);
    for (u32 i = rnd() % 1200; i && in(0x177) & 8; i--)
        if (in(0x172) & 2)
            bus_port_in(bus, 0x170, 2u << rnd() % 2);
        else
            bus_port_out(bus, 0x170, rnd(), 2);
    if (rnd() & 1) clock_advance(machine_clock(m), 10 * MS), in(0x177);
}

static void floppy_command(void)
{
    static const u8 commands[] = {0x46, 0x45, 0xe6, 0xc5, 0x4d, 0x4a, 0x42, 0x03, 0x04,
                                  0x07, 0x08, 0x0f, 0x10, 0x12, 0x13, 0x14, 0x18, 0x56,
                                  0x51, 0x59, 0x5d, 0x49, 0x4c, 0x16, 0x0e, 0x8f, 0xcf};
    static const u8 counts[] = {0, 1, 255};
    if (rnd() % 8 == 0) out(0x3f2, (u8)rnd());
    if (rnd() % 4 == 0) out(0x3f2, 0x3c), out(0x3f7, (u8)(rnd() & 3));
    out(0x0a, 6), out(0x0c, 0), out(0x0b, (u8)(rnd() & 0xfc) | 2);
    out2(0x04, (u8)rnd(), (u8)rnd()), out(0x81, (u8)rnd()), out2(0x05, PICK(counts), (u8)rnd());
    if (rnd() % 8) out(0x0a, 2);
    out(0x3f5, rnd() % 16 ? PICK(commands) : (u8)rnd());
    for (u32 i = rnd() % 10; i; i--) out(0x3f5, rnd() % 4 ? (u8)(rnd() % 20) : (u8)rnd());
    for (u32 i = rnd() % 600; i; i--)
        if (rnd() & 1)
            in(0x3f5);
        else
            out(0x3f5, (u8)rnd());
}

/* Motor, recalibrate, and a transfer that nearly makes sense. */
static void floppy_transfer(void)
{
    static const u8 commands[] = {0xe6, 0xc5, 0x46, 0x45, 0x42, 0x4d, 0x51, 0xcc, 0xd6};
    u8 unit = rnd() & 1, track = (u8)(rnd() % 4), head = rnd() & 1, sector = (u8)(1 + rnd() % 19);
    out(0x3f2, 0), out(0x3f2, (u8)(0x3c | unit));
    clock_advance(machine_clock(m), MS);
    for (u32 i = 0; i < 4; i++) out(0x3f5, 0x08), in(0x3f5), in(0x3f5);
    out2(0x3f5, 0x03, 0xdf), out(0x3f5, rnd() & 1 ? 0x02 : 0x03);
    out(0x3f5, 0x0f), out2(0x3f5, (u8)(head << 2 | unit), track);
    clock_advance(machine_clock(m), SEC);
    out(0x3f5, 0x08), in(0x3f5), in(0x3f5);
    out(0x0a, 6), out(0x0c, 0), out(0x0b, (u8)(0x42 | (rnd() & 0x3c)));
    out2(0x04, (u8)rnd(), (u8)rnd()), out(0x81, (u8)rnd()), out2(0x05, 0xff, (u8)(rnd() & 0x3f)),
        out(0x0a, 2);
    u8 bytes[] = {PICK(commands), (u8)(head << 2 | unit), track, head, sector, 2, 18, 0x1b, 0xff};
    if (bytes[0] == 0x4d) bytes[2] = 2, bytes[3] = 18, bytes[4] = 0x54;
    for (u32 i = 0; i < (bytes[0] == 0x4d ? 6 : sizeof bytes); i++) out(0x3f5, bytes[i]);
    for (u32 i = rnd() % 40; i; i--) clock_advance(machine_clock(m), rnd() % (20 * MS)), in(0x3f5);
}

/* --- network --------------------------------------------------------------------------------------------- */

enum { CARDS = 4, PCNET = 0, RTL8139 = 1, NE2K_PCI = 2, NE2K_ISA = 3, NE2K_ISA_IO = 0x300 };
static u32 frames_sent;

static void frame_sent(NetPort *p, const u8 *frame, u32 n)
{
    (void)p;
    assert_in_range(n, 60, NET_FRAME_MOST);
    for (u32 i = 0; i < n; i++) frames_sent += frame[i]; /* all of it must be there */
}

/* Where a card of slot 3 + n decodes ports, which it mostly does. */
static u16 card_io(u32 n)
{
    if (n == NE2K_ISA) return NE2K_ISA_IO;
    u32 fn = 0x80000000 | (3 + n) << 11;
    bus_port_out(bus, 0xcf8, fn | 4, 4);
    if (rnd() % 16) bus_port_out(bus, 0xcfc, 7, 2);
    bus_port_out(bus, 0xcf8, fn | 0x10, 4);
    if (rnd() % 16) bus_port_out(bus, 0xcfc, 0xd000 + 0x100 * n, 4);
    return (u16)(bus_port_in(bus, 0xcfc, 4) & ~3u);
}

static void frames_come(u32 n)
{
    static const u8 all[6] = {255, 255, 255, 255, 255, 255};
    NetPort *p = machine_net(m, n);
    for (u32 i = rnd() % 8; i; i--) {
        u32 bytes = rnd() % 8 ? 14 + rnd() % 1505 : rnd() % 2000;
        memcpy(buffer, rnd() & 1 ? all : p->mac, 6);
        p->receive(p->dev, buffer, bytes);
    }
    if (rnd() % 64 == 0) net_carrier(p, rnd() & 3);
}

static void csr_write(u16 io, u32 n, u32 v)
{
    bus_port_out(bus, (u16)(io + 0x12), n, 2), bus_port_out(bus, (u16)(io + 0x10), v, 2);
    bus_port_out(bus, (u16)(io + 0x14), n, 4), bus_port_out(bus, (u16)(io + 0x10), v, rnd() % 256 ? 2 : 4);
}

static void pcnet_rings(void)
{
    u16 io = card_io(PCNET);
    u32 block = some_pa(), ring[2] = {some_pa(), some_pa()};
    u32 bits = rnd() % 16;
    csr_write(io, 0, 4);
    bus_port_out(bus, (u16)(io + 0x12), 20, 2), bus_port_out(bus, (u16)(io + 0x16), rnd() % 5, 2);
    for (u32 i = 0; i < 28 && block < RAM_BYTES - 64; i += 4)
        phys_write(phys, (block & ~3u) + i, rnd() & 1 ? rnd() : 0, 4);
    if (block < RAM_BYTES - 64) {
        phys_write(phys, block & ~3u, (rnd() & 0xa00c) | bits << 20 | (rnd() & 15) << 28, 4);
        phys_write(phys, (block & ~3u) + 20, ring[0], 4), phys_write(phys, (block & ~3u) + 24, ring[1], 4);
    }
    for (u32 side = 0; side < 2; side++)
        for (u32 i = 0; i < 16 && ring[side] < RAM_BYTES - 4096; i++) {
            u32 pa = (ring[side] & ~15u) + 16 * i;
            for (u32 w = 0; w < 16; w += 4) phys_write(phys, pa + w, some_pa(), 4);
            phys_write(phys, pa + 4,
                       (rnd() & 0x83ff0000) | (rnd() & 1 ? 0xf000 | (rnd() & 0xfff) : rnd() & 0x1000), 4);
        }
    csr_write(io, 1, block & ~3u), csr_write(io, 2, block >> 16);
    if (rnd() % 4 == 0)
        for (u32 i = 0; i < 8; i++) csr_write(io, rnd() % 128, rnd() & 1 ? rnd() : rnd() % 4 - 2);
    csr_write(io, 0, 0x43);
    frames_come(PCNET);
    for (u32 i = rnd() % 16; i; i--) csr_write(io, rnd() % 6, rnd() & 1 ? 0x7f48 : rnd());
    csr_write(io, 0, 0x48);
}

static void ne2k_rings(void)
{
    static const u8 pages[] = {0, 0x3f, 0x40, 0x46, 0x47, 0x7f, 0x80, 0xff};
    u32 n = NE2K_PCI + rnd() % 2;
    u16 io = card_io(n);
    out(io, 0x21);
    for (u32 i = 1; i < 16; i++) out((u16)(io + i), rnd() & 1 ? PICK(pages) : (u8)rnd());
    out((u16)(io + 0x0c), 0x1c), out((u16)(io + 0x0d), rnd() & 1 ? 0 : (u8)rnd()), out(io, 0x62);
    out((u16)(io + 7), PICK(pages)), out(io, (u8)(0x02 | (rnd() & 0x1c)));
    frames_come(n);
    for (u32 i = rnd() % 800; i; i--)
        if (rnd() & 1)
            bus_port_in(bus, (u16)(io + 0x10), 1u << rnd() % 3);
        else
            bus_port_out(bus, (u16)(io + 0x10), rnd(), 1u << rnd() % 3);
    for (u32 i = rnd() % 8; i; i--) out((u16)(io + rnd() % 32), (u8)rnd()), in((u16)(io + rnd() % 32));
}

static void rtl8139_rings(void)
{
    u16 io = card_io(RTL8139);
    out((u16)(io + 0x37), rnd() & 1 ? 0x10 : 0), out((u16)(io + 0x37), 0x0c);
    bus_port_out(bus, (u16)(io + 0x44), (rnd() & 0x1880) | 0x0f, 4);
    bus_port_out(bus, (u16)(io + 0x40), rnd() % 4 ? 0 : rnd(), 4);
    bus_port_out(bus, (u16)(io + 0x30), some_pa(), 4);
    for (u32 i = 0; i < 4; i++) {
        bus_port_out(bus, (u16)(io + 0x20 + 4 * i), some_pa(), 4);
        bus_port_out(bus, (u16)(io + 0x10 + 4 * i), rnd() & (rnd() & 1 ? 0x7ff : ~0u), 4);
    }
    frames_come(RTL8139);
    bus_port_out(bus, (u16)(io + 0x38), rnd(), 2);
    frames_come(RTL8139);
    for (u32 i = rnd() % 8; i; i--) bus_port_out(bus, (u16)(io + rnd() % 256), rnd(), 1u << rnd() % 3);
    for (u32 i = rnd() % 64; i; i--) out((u16)(io + 0x50), (u8)(0x88 | (rnd() & 6))), in((u16)(io + 0x50));
}

/* --- the rest -------------------------------------------------------------------------------------------- */

static void fw_cfg(void)
{
    bus_port_out(bus, 0x510, rnd() % 4 ? rnd() % 48 : rnd(), 2);
    for (u32 i = rnd() % 300; i; i--) bus_port_in(bus, (u16)(0x510 + rnd() % 12), 1u << rnd() % 3);
    bus_port_out(bus, (u16)(0x510 + rnd() % 12), rnd(), 1u << rnd() % 3);
}

/* The processor's registers, for VMware's port. */
static u32 gpr[8];
static u32 *registers(void *ctx) { return (void)ctx, gpr; }

static void vmware_port(void)
{
    static const u32 commands[] = {10, 20, 23, 39, 39, 40, 41, 41, 46},
                     words[] = {0x45414552, 0x53424152, 0x4c455252, 0xf5};
    for (u32 i = rnd() % 16; i; i--) {
        for (u32 n = 0; n < 8; n++) gpr[n] = rnd();
        gpr[0] = rnd() % 16 ? 0x564d5868 : rnd();                            /* EAX */
        gpr[1] = rnd() % 16 ? PICK(commands) : rnd();                        /* ECX */
        gpr[2] = rnd() % 16 ? 0x5658 : rnd();                                /* EDX */
        gpr[3] = gpr[1] == 41 ? PICK(words) : rnd() & 1 ? rnd() % 8 : rnd(); /* EBX */
        if (rnd() & 1)
            gpr[0] = bus_port_in(bus, (u16)(0x5658 + rnd() % 8 / 7), 4 >> rnd() % 8 / 6);
        else
            bus_port_out(bus, 0x5658, gpr[0], 4);
        machine_pointer(m, rnd(), rnd(), (int)rnd(), (u8)rnd());
        machine_mouse(m, (int)rnd(), (int)rnd(), (int)rnd(), (u8)rnd());
        if (rnd() % 8 == 0) machine_prefer_movement(m, rnd() & 1);
        if (rnd() % 4 == 0) out2(0x64, 0xd4, 0), out(0x60, 0xf4); /* the mouse sends */
    }
}

/* Registers of both APICs with values that mean something, and pulses of NMI; the timer's periods come to be tiny. */
static void apics(void)
{
    static const u16 low[] = {0x31, 0x8051, 0x400, 0x700, 0x9ff, 0xa000, 0x105};
    static const u64 bases[] = {0xfee00900, 0xfee00900, 0xfee00900, 0xfee00100, 0x900, 0xf0900, 0xfec00900};
    u32 lapic = 0xfee00000, ioapic = 0xfec00000;
    phys_write(phys, lapic + 0xf0, rnd() % 16 ? 0x1ff : rnd(), 4);
    for (u32 i = rnd() % 16; i; i--)
        phys_write(phys, lapic + (rnd() % 64) * 16, PICK(low) | (rnd() & 0x70000), 4);
    for (u32 i = rnd() % 16; i; i--) {
        phys_write(phys, ioapic, rnd() % 64, 4);
        phys_write(phys, ioapic + 16, rnd() & 1 ? PICK(low) : rnd(), 4);
    }
    phys_write(phys, lapic + 0x380, rnd() % 4 ? rnd() % 100000 : rnd() % 3, 4);
    phys_write(phys, lapic + 0xb0, 0, 4);
    if (rnd() % 32 == 0) machine_set_apic_base(m, PICK(bases));
    if (rnd() % 32 == 0) out(0x22, 0x70), out(0x23, (u8)rnd());
    machine_nmi(m);
}

/* Registers of the HPET, halves in any order, with values around its counter: periods come to be tiny, matches far. */
static void hpet(void)
{
    static const u16 registers[] = {0x000, 0x010, 0x010, 0x020, 0x0f0, 0x0f4, 0x100, 0x108, 0x108, 0x10c,
                                    0x110, 0x120, 0x128, 0x12c, 0x140, 0x148, 0x14c, 0x160, 0x3fc};
    static const u32 configs[] = {0x004, 0x00e, 0x04c, 0x14c, 0x2904, 0x2806, 0x2e0c, 0x2c4e, 0x104};
    u32 pa = 0xfed00000, count = phys_read(phys, pa + 0xf0, 4);
    for (u32 i = rnd() % 20; i; i--) {
        u32 reg = PICK(registers), v = rnd() & 1 ? count + rnd() % 100000 : rnd();
        if (reg == 0x010) v = rnd() % 8 ? 1 | (rnd() & 2) : rnd();
        if (reg >= 0x100 && !(reg & 0x1f)) v = rnd() % 4 ? PICK(configs) : rnd();
        if (rnd() % 4)
            phys_write(phys, pa + reg, v, 4);
        else
            phys_read(phys, pa + reg + rnd() % 4, 1u << rnd() % 3);
        if (rnd() % 8 == 0) clock_advance(machine_clock(m), rnd() % MS);
    }
}

static void anything(void)
{
    static const u16 home[] = {0x00,  0x20,  0x40,   0x60,   0x70,  0x80,  0x92,  0xa0,  0xb2,
                               0xc0,  0xd0,  0xe9,   0xf0,   0x2f8, 0x378, 0x3b0, 0x3f0, 0x3f8,
                               0x402, 0x4d0, 0x2000, 0x2008, 0x510, 0x600, 0x608, 0x700, 0xcf8};
    u16 port = (u16)(rnd() % 8 ? PICK(home) + rnd() % 8 : rnd());
    if (rnd() & 1)
        bus_port_out(bus, port, rnd(), 1u << rnd() % 3);
    else
        bus_port_in(bus, port, 1u << rnd() % 3);
}

static void mouse_command(void)
{
    static const u8 bytes[] = {0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xeb, 0xec, 0xee, 0xf0, 0xf2, 0xf3,
                               0xf4, 0xf5, 0xf6, 0xff, 200,  100,  80,   3,    0xa8, 0xd4};
    if (rnd() % 8) out(0x64, 0xd4);
    out(0x60, PICK(bytes));
    clock_advance(machine_clock(m), rnd() % (30 * MS));
    for (u32 i = rnd() % 5; i; i--)
        in(0x60), machine_mouse(m, (int)(rnd() % 1000) - 500, (int)rnd(), 1, (u8)rnd());
}

/* A Sound Blaster's commands with DMA from and to anywhere, in blocks of any length, and an OPL3's registers. */
static void sound_blaster(void)
{
    static const u8 commands[] = {0x10, 0x14, 0x1c, 0x24, 0x2c, 0x40, 0x41, 0x48, 0x80, 0x90, 0xb0,
                                  0xb4, 0xb6, 0xb8, 0xc0, 0xc4, 0xc6, 0xcc, 0xd0, 0xd1, 0xd4, 0xd5,
                                  0xd6, 0xd8, 0xd9, 0xda, 0xe0, 0xe1, 0xe2, 0xe3, 0xe8, 0xf2, 0xf3},
                    lengths[] = {0, 0, 1, 2, 255};
    if (rnd() % 4 == 0) out(0x226, 1), out(0x226, 0);
    if (rnd() % 4 == 0) out(0x224, (u8)(rnd() & 1 ? 0x80 + rnd() % 3 : rnd())), out(0x225, (u8)rnd());
    out(0x0a, 5), out(0x0c, 0), out(0x0b, (u8)(rnd() & 0xfc) | 1), out(0x83, (u8)rnd());
    out2(0x02, (u8)rnd(), (u8)rnd()), out2(0x03, PICK(lengths), PICK(lengths));
    out(0xd4, 5), out(0xd8, 0), out(0xd6, (u8)(rnd() & 0xfc) | 1), out(0x8b, (u8)rnd());
    out2(0xc4, (u8)rnd(), (u8)rnd()), out2(0xc6, PICK(lengths), PICK(lengths));
    if (rnd() % 8) out(0x0a, 1), out(0xd4, 1);
    for (u32 n = rnd() % 4; n; n--) {
        out(0x22c, rnd() % 16 ? PICK(commands) : (u8)rnd());
        for (u32 k = rnd() % 4; k; k--) out(0x22c, rnd() & 1 ? PICK(lengths) : (u8)rnd());
    }
    for (u32 n = rnd() % 64; n; n--) out((u16)(0x220 + rnd() % 4), (u8)rnd());
    out(0x388, (u8)(0xb0 + rnd() % 16)), out(0x389, (u8)rnd());
    out((u16)(0x330 + rnd() % 2), rnd() & 1 ? 0x3f : 0xff);
    for (u32 n = rnd() % 24; n; n--) in((u16)(0x220 + rnd() % 16)), in((u16)(0x330 + rnd() % 2));
    clock_advance(machine_clock(m), rnd() % (20 * MS));
}

enum { ES1370_CARD = 4, AC97_CARD = 5, BALLOON_CARD = 6, AC97_NABM = 0xd700 }; /* by card_io() */

/* Streams of any size from and to anywhere, with counts of a few frames or many. */
static void es1370(void)
{
    static const u16 counts[] = {0, 1, 44, 0xffff};
    u16 io = card_io(ES1370_CARD);
    for (u32 n = 0; n < 8; n++) {
        out((u16)(io + 0x0c), (u8)(rnd() & 1 ? 0xc + n / 4 : rnd()));
        bus_port_out(bus, (u16)(io + 0x30 + 4 * (n & 3)),
                     n & 1 ? rnd() & (rnd() & 1 ? 0xff : ~0u) : some_pa(), 4);
    }
    for (u16 n = 0; n < 3; n++) bus_port_out(bus, (u16)(io + 0x24 + 4 * n), PICK(counts), 4);
    for (u32 n = rnd() % 4; n; n--) bus_port_out(bus, (u16)(io + 0x10), rnd() & 0x1fff, 2);
    bus_port_out(bus, (u16)(io + 0x20), rnd(), 4);
    bus_port_out(bus, io, rnd(), 4);
    clock_advance(machine_clock(m), rnd() % (20 * MS));
    for (u32 n = rnd() % 8; n; n--) bus_port_out(bus, (u16)(io + rnd() % 64), rnd(), 1u << rnd() % 3);
    for (u32 n = rnd() % 8; n; n--) bus_port_in(bus, (u16)(io + rnd() % 64), 1u << rnd() % 3);
}

static void ac97(void)
{
    static const u32 lengths[] = {0, 0, 1, 2, 97, 0xffff};
    u16 nam = card_io(AC97_CARD);
    u32 list = some_pa() & ~7u;
    bus_port_out(bus, 0xcf8, 0x80000000 | (3 + AC97_CARD) << 11 | 0x14, 4);
    bus_port_out(bus, 0xcfc, AC97_NABM, 4);
    bus_port_out(bus, AC97_NABM + 0x2c, rnd() % 16 ? 2 : rnd(), 4);
    for (u32 n = rnd() % 33; n; n--) {
        u32 at = list + 8 * (n - 1);
        if (at >= RAM_BYTES) continue;
        phys_write(phys, at, some_pa(), 4);
        phys_write(phys, at + 4, PICK(lengths) | (rnd() & 3u << 30), 4);
    }
    for (u16 s = AC97_NABM; s < AC97_NABM + 0x30; s += 16) {
        if (rnd() & 1) out((u16)(s + 11), 2);
        bus_port_out(bus, s, rnd() % 4 ? list : some_pa(), 4);
        out((u16)(s + 5), (u8)rnd()), out((u16)(s + 11), (u8)rnd());
    }
    for (u32 n = rnd() % 8; n; n--) bus_port_out(bus, (u16)(nam + rnd() % 128), rnd(), 2u << rnd() % 2);
    clock_advance(machine_clock(m), rnd() % (20 * MS));
    for (u32 n = rnd() % 8; n; n--) bus_port_out(bus, (u16)(AC97_NABM + rnd() % 64), rnd(), 1u << rnd() % 3);
    for (u32 n = rnd() % 8; n; n--) bus_port_in(bus, (u16)(AC97_NABM + rnd() % 64), 1u << rnd() % 3);
    for (u32 n = rnd() % 8; n; n--) bus_port_in(bus, (u16)(nam + rnd() % 256), 1u << rnd() % 3);
}

/* Rings and buffers anywhere, also over each other; the host asks for memory now and then. */
static void balloon(void)
{
    u16 io = card_io(BALLOON_CARD);
    u32 ring = some_pa() & ~(u32)PAGE_MASK, queue = rnd() % 4, first = rnd() % 8;
    bus_port_out(bus, (u16)(io + 18), rnd() % 16 ? 7 : 0, 1);
    bus_port_out(bus, (u16)(io + 4), rnd(), 4);
    bus_port_out(bus, (u16)(io + 14), rnd() % 16 ? queue : rnd(), 2);
    if (rnd() & 1) bus_port_out(bus, (u16)(io + 8), rnd() % 32 ? ring >> PAGE_BITS : rnd(), 4);
    for (u32 n = 0; n < 8 && ring < RAM_BYTES - 2 * PAGE_BYTES; n++) {
        u32 at = ring + 16 * (first + n);
        phys_write(phys, at, rnd() & 1 ? ring : some_pa(), 4),
            phys_write(phys, at + 4, rnd() % 32 ? 0 : rnd(), 4);
        phys_write(phys, at + 8, rnd() % 8 ? rnd() % 3000 : rnd(), 4);
        phys_write(phys, at + 12, (rnd() & 3) | (rnd() % 16 ? first + n + 1 : rnd()) << 16, 4);
        phys_write(phys, ring + 2052 + 2 * n, first, 2);
    }
    if (ring < RAM_BYTES - 2 * PAGE_BYTES) phys_write(phys, ring + 2050, rnd() % 16 ? rnd() % 8 : rnd(), 2);
    if (rnd() % 4 == 0) machine_balloon_ask(m, rnd()), machine_balloon_ask_stats(m);
    bus_port_out(bus, (u16)(io + 16), rnd() % 16 ? queue : rnd(), 2);
    clock_advance(machine_clock(m), rnd() % MS);
    for (u32 n = rnd() % 8; n; n--) bus_port_out(bus, (u16)(io + 20 + rnd() % 44), rnd(), 1u << rnd() % 3);
    for (u32 n = rnd() % 8; n; n--) bus_port_in(bus, (u16)(io + rnd() % 64), 1u << rnd() % 3);
}

static void time_and_people(void)
{
    clock_advance(machine_clock(m), rnd() % 16 ? rnd() % 200000 : rnd());
    com1.input = "input for the first port";
    machine_service(m);
    if (intr_level) machine_intr_ack(m);
    if (rnd() & 1) out(0xa0, 0x20), out(0x20, 0x20);
    for (u32 n = rnd() % 64 ? 1 : rnd() % 100; n; n--) { /* or more than any queue holds */
        machine_key(m, (u8)rnd(), rnd() & 1);
        machine_mouse(m, (int)rnd(), (int)rnd(), (int)rnd(), (u8)rnd());
    }
    machine_stick(m, rnd() % 3, &(Stick){rnd() & 1, (s16)rnd(), (s16)rnd(), (u8)rnd()});
    if (rnd() & 1) out(0x201, 0);
    in(0x201);
    com1.out_bytes = com2.out_bytes = lpt.out_bytes = con.out_bytes = 0;
}

/* --- the board ----------------------------------------------------------------------------------------------- */

static void images_init(void)
{
    bios = malloc(ROM_BYTES), vga_rom = malloc(VGA_ROM_BYTES);
    memset(bios, 0x5a, ROM_BYTES), memset(vga_rom, 0xa5, VGA_ROM_BYTES);
}

static void images_free(void) { free(bios), free(vga_rom); }

/* The board that the driver drives from now on. */
static void board_use(Machine *board)
{
    m = board;
    bus = machine_bus(m);
    phys = machine_phys(m);
}

static Machine *board_new(void)
{
    static const MachineEvents events = {.intr = intr, .registers = registers};
    script_init(&com1, ""), script_init(&com2, ""), script_init(&lpt, ""), script_init(&con, "");
    MachineConfig c = {.ram_bytes = RAM_BYTES,
                       .serial = {&com1.dev, &com2.dev},
                       .parallel = &lpt.dev,
                       .debugcon = &con.dev,
                       .debugcon_port = 0x402,
                       .debug_exit = true,
                       .debug_exit_iobase = 0x501,
                       .debug_exit_iosize = 2,
                       .lapic_version = LAPIC_P6,
                       .testdev = true,
                       .hpet = true,
                       .vmport = true,
                       .manual_clock = true,
                       .has_firmware = true,
                       .bios = bios,
                       .bios_bytes = ROM_BYTES,
                       .vga_rom = vga_rom,
                       .vga_rom_bytes = VGA_ROM_BYTES,
                       .nic = {[PCNET] = {NIC_PCNET, {2, 0, 0, 0, 0, 1}, 0, 0},
                               [RTL8139] = {NIC_RTL8139, {2, 0, 0, 0, 0, 2}, 0, 0},
                               [NE2K_PCI] = {NIC_NE2K_PCI, {2, 0, 0, 0, 0, 3}, 0, 0},
                               [NE2K_ISA] = {NIC_NE2K_ISA, {2, 0, 0, 0, 0, 4}, 0, 0}},
                       .sb16 = {true, 0x220, 5, 1, 5, 0x330},
                       .gameport = true,
                       .es1370 = true,
                       .ac97 = true,
                       .balloon = {true, true, true},
                       .drive = {[DRIVE_FLOPPY_A] = {.present = true, .medium = &floppy},
                                 [DRIVE_FLOPPY_B] = {.present = true, .medium = &locked},
                                 [DRIVE_IDE_0] = {.present = true, .medium = &disk},
                                 [DRIVE_IDE_1] = {.present = true, .medium = &big},
                                 [DRIVE_IDE_2] = {.present = true, .cdrom = true, .medium = &cd}}};
    Machine *board = machine_new(&c, &events);
    if (board) machine_add_firmware_file(board, "etc/some", "file", 4);
    for (u32 n = 0; board && n < CARDS; n++) machine_net(board, n)->send = frame_sent;
    return board;
}

static void hostile_step(void)
{
    static void (*const what[])(void) = {
        pci_write_some, memory_access,   screen_access, vbe_register,   vga_register, ide_command,
        floppy_command, fw_cfg,          anything,      packet_command, vbe_register, time_and_people,
        mouse_command,  floppy_transfer, apics,         hpet,           pcnet_rings,  ne2k_rings,
        rtl8139_rings,  sound_blaster,   es1370,        ac97,           vmware_port,  balloon};
    PICK(what)();
    if (rnd() % 512 == 0) change_media();
}

#endif
