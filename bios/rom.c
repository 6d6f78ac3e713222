/* rom.c - option ROMs: the VGA's from its PCI BAR to c0000, other functions' from 2 KiB boundaries behind it, then
 * whatever already lies in c8000-dffff. Each is called at its offset 3 with AX = bus and function.
 *
 * e0000-effff is ours, variables and stacks of the services included, and must not look free to memory managers that take
 * E000 for their page frame. They look for ROM headers, or for memory that is all alike; so there is a header at
 * each of the two parts, the first with its checksum, and text where nothing else is.
 *
 * Source: PCI Local Bus Specification 2.1, 6.3 "PCI Expansion ROMs".
 * Not implemented: initialisation by PnP header (no $PnP structure, no BEV or BCV boot entries, no PMM).
 */
#include "bios32.h"

enum { VIDEO_ROM = 0xc0000, ROM_END = 0xe0000 };

static u32 rom_next; /* where the next one goes */

static u32 rom_bytes(u32 pa)
{
    volatile const u8 *p = FLAT(const u8, pa);
    if (p[0] != 0x55 || p[1] != 0xaa) return 0;
    u32 bytes = p[2] * 512u;
    u8 sum = 0;
    for (u32 i = 0; i < bytes; i++) sum = (u8)(sum + p[i]);
    return sum ? 0 : bytes;
}

static void rom_run(u32 pa, u32 fn)
{
    Regs r = {.ax = (u16)fn, .bx = 0xffff, .dx = 0xffff, .flags = FLAG_IF};
    real_call(pa >> 4 << 16 | 3, &r);
}

/* rom_of - copy a function's ROM to rom_next, if it has one; its length or 0. */
static u32 rom_of(u32 fn)
{
    u32 base = pci_read(fn, PCI_ROM, 4) & 0xfffff800;
    if (!base || base == 0xfffff800) return 0;
    pci_write(fn, PCI_ROM, 4, base | 1);
    volatile const u8 *p = FLAT(const u8, base);
    u32 bytes = 0;
    for (u32 image = base; p[0] == 0x55 && p[1] == 0xaa; p = FLAT(const u8, image)) {
        volatile const u8 *pcir = p + (p[0x18] | p[0x19] << 8);
        u32 length = (pcir[0x10] | pcir[0x11] << 8) * 512u;
        if (pcir[0x14] == 0) { /* PC-AT code */
            bytes = p[2] * 512u;
            if (rom_next + bytes > ROM_END) bytes = 0;
            for (u32 i = 0; i < bytes; i += 4) *FLAT(u32, rom_next + i) = *(volatile const u32 *)(p + i);
            break;
        }
        if (pcir[0x15] & 0x80 || !length) break;
        image += length;
    }
    pci_write(fn, PCI_ROM, 4, base);
    return bytes;
}

static void rom_take(u32 fn)
{
    if (!rom_of(fn)) return;
    u32 bytes = rom_bytes(rom_next);
    if (!bytes) return;
    rom_run(rom_next, fn);
    rom_next =
        align_up(rom_next + *FLAT(u8, rom_next + 2) * 512u, 2048); /* it may have made itself smaller */
}

static void each_function(bool vga)
{
    if (!LOW(shared).have_pci) return;
    for (u32 fn = 0; fn < 256; fn++) {
        if (fn & 7 && !(pci_read(fn & ~7u, PCI_HEADER, 1) & 0x80)) continue;
        u32 vendor = pci_read(fn, PCI_VENDOR, 2);
        if (vendor == 0xffff || (pci_read(fn, PCI_CLASS, 2) == PCI_CLASS_VGA) != vga) continue;
        if (vga && rom_next != VIDEO_ROM) continue;
        rom_take(fn);
    }
}

void rom_video(void)
{
    rom_next = VIDEO_ROM;
    each_function(true);
    if (rom_next == VIDEO_ROM && rom_bytes(VIDEO_ROM)) {
        rom_run(VIDEO_ROM, 0);
        rom_next = align_up(VIDEO_ROM + *FLAT(u8, VIDEO_ROM + 2) * 512u, 2048);
    }
}

/* What is free afterwards reads FF, as an empty bus does: memory managers look there for upper memory. */
void rom_others(void)
{
    each_function(false);
    for (u32 pa = rom_next; pa < ROM_END; pa += 2048) {
        u32 bytes = rom_bytes(pa);
        if (!bytes) {
            for (u32 i = 0; i < 2048; i += 4) *FLAT(u32, pa + i) = 0xffffffff;
            continue;
        }
        rom_run(pa, 0);
        pa += (bytes - 1) & ~2047u;
    }
}

/* --- our own --------------------------------------------------------------------------------------------- */

enum { ROM_OWN = 0xe0000, ROM_OWN_SUM = ROM_OWN + 4, STACKS = LOW_SEG * 16 + 0x1000, STACKS_END = 0xf0000 };

static void fill_with_text(u32 from, u32 to)
{
    static const char text[16] = "ring3 BIOS here ";
    for (u32 i = 0; from + i < to; i++) *FLAT(u8, from + i) = (u8)text[i % sizeof text];
}

void rom_own(void)
{
    extern char text32_end, tables_end;
    fill_with_text((u32)&text32_end, LOW_SEG * 16);
    fill_with_text(STACKS, STACKS_END);
    fill_with_text(memory_alloc_fseg(0, 16), (u32)&tables_end);
    *FLAT(u32, LOW_SEG * 16) = 0xcb20aa55; /* 16 KiB; RETF; a checksum of variables there is none */
    u8 sum = 0;
    for (u32 pa = ROM_OWN; pa < LOW_SEG * 16; pa++) sum = (u8)(sum + *FLAT(u8, pa));
    *FLAT(u8, ROM_OWN_SUM) = (u8)(*FLAT(u8, ROM_OWN_SUM) - sum);
}
