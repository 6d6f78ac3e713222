/* rom.c - option ROMs: the VGA's from its PCI BAR to c0000; behind it, on 2 KiB boundaries, those of other PCI functions and
 * those that the board has by fw_cfg (genroms/, QEMU's -option-rom); then whatever already lies in c8000-dffff. Each is called at its
 * offset 3 with AX = bus and function, ES:DI = the PnP installation check structure, and keeps as much room as it then says
 * it needs.
 *
 * A ROM that wants to boot says so in a PnP expansion header. Its boot entry (BEV) is one more device for INT 19h (boot.c), at
 * most BEVS; a boot connection (BCV), which adds disks to INT 13h, is called when all ROMs have been. While ROMs initialise,
 * segment F000 has the structures that they look for: $PnP, with the function that tells of BBS, and $PMM (pmm.c). They are gone
 * before a system starts: one that found $PnP would expect the board's devices from it, and Windows 95 would then not look
 * for PCI itself.
 *
 * A ROM is a stranger: what its header says of sizes and places is looked at before it is believed, one whose checksum is
 * wrong or that finds no room is left out with a line on the screen, and A20 is on again after each call.
 *
 * e0000-effff is ours, variables and stacks of the services included, and must not look free to memory managers that take
 * E000 for their page frame. They look for ROM headers, or for memory that is all alike; so there is a header at
 * each of the two parts, the first with its checksum, and text where nothing else is.
 *
 * Sources: PCI Local Bus Specification 2.2, 6.3 "PCI Expansion ROMs"; PCI Firmware Specification 3.0, 5.1 (device lists); Plug and
 * Play BIOS Specification 1.0A, 3 and 4.4; BIOS Boot Specification 1.01.
 * Not implemented: Plug and Play functions but 60h, disconnect vectors, static resources, ROMs made for PCI 3.0's two addresses.
 */
#include "bios32.h"

enum { VIDEO_ROM = 0xc0000, ROM_END = 0xe0000, ROM_STEP = 2048 };
enum { ROM_UNIT = 512, ROM_ENTRY = 3, ROM_PCIR = 0x18, ROM_PNP = 0x1a, ROM_HEADER = 0x1c };
enum { /* PCI data structure */
       PCIR_IDS = 0x04,
       PCIR_DEVICES = 0x08, /* of revision 3 */
       PCIR_REVISION = 0x0c,
       PCIR_UNITS = 0x10,
       PCIR_CODE = 0x14,
       PCIR_LAST = 0x15,
       PCIR_BYTES = 0x18,
};
enum { /* PnP expansion header */
       PNP_UNITS = 0x05,
       PNP_NEXT = 0x06,
       PNP_PRODUCT = 0x10,
       PNP_BCV = 0x16,
       PNP_BEV = 0x1a,
       PNP_BYTES = 0x20,
};

static u32 rom_next; /* where the next one goes */

typedef struct Connection {
    u32 vector, fn;
} Connection;
static Connection connection[8];
static u32 connections;

static u16 word_at(u32 pa) { return *FLAT(const u16, pa); }
static u32 long_at(u32 pa) { return *FLAT(const u32, pa); }
static bool is_at(u32 pa, const char *four) { return !memcmp((const void *)pa, four, 4); }

static u8 sum_at(u32 pa, u32 bytes)
{
    u8 sum = 0;
    while (bytes--) sum = (u8)(sum + *FLAT(const u8, pa++));
    return sum;
}

/* What lies at pa as a ROM: its length; 0: it is none, or damaged, or does not end before `end`. */
static u32 rom_bytes(u32 pa, u32 end)
{
    u32 bytes = word_at(pa) == 0xaa55 ? *FLAT(const u8, pa + 2) * ROM_UNIT : 0;
    return bytes && bytes <= end - pa && !sum_at(pa, bytes) ? bytes : 0;
}

/* --- structures for ROMs to find ------------------------------------------------------------------------- */

static u32 found_at; /* in segment F000, where tables come later */
enum { FOUND_BYTES = 64, PMM_AT = 48 };

static void found_make(void)
{
    extern char pnp_entry, pmm_entry;
    struct PACKED {
        char signature[4];
        u8 revision, bytes;
        u16 control;
        u8 checksum;
        u32 event_flag;
        u16 real_offset, real_segment, protected_offset;
        u32 protected_base, oem;
        u16 real_data;
        u32 protected_data;
    } pnp = {"$PnP",  0x10, sizeof pnp, 0,           0, 0, OFFSET(pnp_entry), 0xf000, OFFSET(pnp_entry),
             0xf0000, 0,    LOW_SEG,    LOW_SEG * 16};
    struct PACKED {
        char signature[4];
        u8 revision, bytes, checksum;
        u16 offset, segment;
        u8 reserved[5];
    } pmm = {"$PMM", 0x01, sizeof pmm, 0, OFFSET(pmm_entry), 0xf000, {0}};
    _Static_assert(sizeof pnp == 0x21 && sizeof pmm == 0x10 && sizeof pnp <= PNP_STRUCTURE, "layouts");
    pnp.checksum = (u8)-sum_at((u32)&pnp, sizeof pnp);
    pmm.checksum = (u8)-sum_at((u32)&pmm, sizeof pmm);
    memcpy(LOW(shared).pnp, &pnp, sizeof pnp); /* what a boot entry gets */
    found_at = memory_alloc_fseg(0, 16);
    memcpy((void *)found_at, &pnp, sizeof pnp);
    memcpy((void *)(found_at + PMM_AT), &pmm, sizeof pmm);
}

static void found_take_away(void) { memset((void *)found_at, 0, FOUND_BYTES); }

/* --- calling them ---------------------------------------------------------------------------------------- */

static u32 vector_at(u32 pa, u32 offset) { return pa >> 4 << 16 | offset; }

static void rom_call(u32 vector, u32 fn)
{
    Regs r = {.ax = (u16)fn, .bx = 0xffff, .dx = 0xffff, .es = 0xf000, .di = (u16)found_at, .flags = FLAG_IF};
    real_call_big(vector, &r);
    outb(PORT_A20, (u8)((inb(PORT_A20) | 2) & ~1));
}

static void name_entry(BootEntry *e, u32 pa, u32 bytes, u32 from)
{
    u32 n = 0;
    while (from && from < bytes && n < sizeof e->name - 1) {
        u8 c = *FLAT(const u8, pa + from++);
        if (c < 0x20 || c > 0x7e) break;
        e->name[n++] = (char)c;
    }
    if (!n) memcpy(e->name, "a card's ROM", 13);
}

static void take_header(u32 pa, u32 bytes, u32 header, u32 fn)
{
    Shared *s = &LOW(shared);
    u16 bcv = word_at(header + PNP_BCV), bev = word_at(header + PNP_BEV);
    if (bcv && bcv < bytes && connections < ARRAY_LEN(connection))
        connection[connections++] = (Connection){vector_at(pa, bcv), fn};
    if (!bev || bev >= bytes || s->bevs == BEVS) return;
    BootEntry *e = &s->bev[s->bevs++];
    e->vector = vector_at(pa, bev);
    e->fn = (u16)fn;
    name_entry(e, pa, bytes, word_at(header + PNP_PRODUCT));
}

/* Its PnP expansion headers are a chain, forwards or backwards; HEADERS of them are believed. */
static void take_headers(u32 pa, u32 bytes, u32 fn)
{
    enum { HEADERS = 8 };
    u32 at = word_at(pa + ROM_PNP);
    for (u32 n = 0; n < HEADERS && at && at + PNP_BYTES <= bytes && is_at(pa + at, "$PnP"); n++) {
        u32 length = *FLAT(const u8, pa + at + PNP_UNITS) * 16u;
        if (length < PNP_BYTES || at + length > bytes || sum_at(pa + at, length)) return;
        take_header(pa, bytes, pa + at, fn);
        at = word_at(pa + at + PNP_NEXT);
    }
}

/* The ROM that lies at rom_next runs, and may make itself smaller, or go. */
static void rom_run(u32 fn, bool boots)
{
    u32 pa = rom_next, most = rom_bytes(pa, ROM_END);
    if (!most) return;
    rom_call(vector_at(pa, ROM_ENTRY), fn);
    u32 bytes = word_at(pa) == 0xaa55 ? *FLAT(u8, pa + 2) * ROM_UNIT : 0;
    if (bytes > most) bytes = most;
    if (boots) take_headers(pa, bytes, fn);
    rom_next = align_up(pa + bytes, ROM_STEP);
}

/* --- PCI ------------------------------------------------------------------------------------------------- */

static void say_left_out(u32 fn, const char *why)
{
    print("The ROM of PCI device %02x.%u %s\n", fn >> 3, fn & 7, why);
}

/* Is `id` (vendor, device) in the list of revision 3? */
static bool lists(u32 pcir, u32 end, u32 id)
{
    u32 at = word_at(pcir + PCIR_DEVICES);
    if (*FLAT(const u8, pcir + PCIR_REVISION) < 3 || !at || word_at(pcir + PCIR_IDS) != (id & 0xffff))
        return false;
    for (at += pcir; at + 2 <= end && word_at(at); at += 2)
        if (word_at(at) == id >> 16) return true;
    return false;
}

static bool is_for(u32 fn, u32 pcir, u32 end)
{
    u32 id = pci_read(fn, PCI_VENDOR, 4);
    if (pci_read(fn, PCI_CLASS, 2) == PCI_CLASS_VGA) return true; /* a VGA's BIOS may be another VGA's */
    return long_at(pcir + PCIR_IDS) == id || lists(pcir, end, id);
}

/* The image for a PC and this function among those between `at` and `end`; 0: there is none. */
static u32 pci_image(u32 fn, u32 at, u32 end)
{
    while (end - at >= ROM_HEADER && word_at(at) == 0xaa55) {
        u32 offset = word_at(at + ROM_PCIR), pcir = at + offset;
        if (offset < ROM_HEADER || offset + PCIR_BYTES > end - at || !is_at(pcir, "PCIR")) return 0;
        if (*FLAT(const u8, pcir + PCIR_CODE) == 0 && is_for(fn, pcir, end)) return at;
        u32 length = word_at(pcir + PCIR_UNITS) * ROM_UNIT;
        if (*FLAT(const u8, pcir + PCIR_LAST) & 0x80 || !length || length >= end - at) return 0;
        at += length;
    }
    return 0;
}

/* To rom_next, if there is room; as one block, which is one access of the board's. False: it was left out. */
static bool rom_copy(u32 fn, u32 image, u32 end)
{
    u32 from = image, to = rom_next, bytes = *FLAT(const u8, image + 2) * ROM_UNIT, count = bytes / 4;
    if (!bytes || bytes > end - image) {
        say_left_out(fn, "is damaged");
        return false;
    }
    if (bytes > ROM_END - rom_next) {
        say_left_out(fn, "finds no room");
        return false;
    }
    __asm__ volatile("rep movsl" : "+S"(from), "+D"(to), "+c"(count)::"memory");
    if (rom_bytes(rom_next, ROM_END)) return true;
    say_left_out(fn, "is damaged");
    return false;
}

static void rom_take(u32 fn, bool vga)
{
    u32 base = pci_read(fn, PCI_ROM, 4) & 0xfffff800;
    if (!base || base == 0xfffff800) return;
    pci_write(fn, PCI_ROM, 4, 0xfffff800);
    u32 end = base - (pci_read(fn, PCI_ROM, 4) & 0xfffff800);
    pci_write(fn, PCI_ROM, 4, base | 1);
    u32 image = pci_image(fn, base, end);
    bool copied = image && rom_copy(fn, image, end);
    pci_write(fn, PCI_ROM, 4, base);
    if (copied) rom_run(fn, !vga);
}

static void each_function(bool vga)
{
    if (!LOW(shared).have_pci) return;
    for (u32 fn = 0; fn < 256; fn++) {
        if (fn & 7 && !(pci_read(fn & ~7u, PCI_HEADER, 1) & 0x80)) continue;
        u32 vendor = pci_read(fn, PCI_VENDOR, 2);
        if (vendor == 0xffff || (pci_read(fn, PCI_CLASS, 2) == PCI_CLASS_VGA) != vga) continue;
        if (vga && rom_next != VIDEO_ROM) continue;
        rom_take(fn, vga);
    }
}

void rom_video(void)
{
    found_make();
    rom_next = VIDEO_ROM;
    each_function(true);
    if (rom_next == VIDEO_ROM) rom_run(0, false);
}

/* --- the others ------------------------------------------------------------------------------------------ */

/* -option-rom: files of the board's. */
static void files(void)
{
    u16 key;
    u32 bytes;
    for (u32 n = 0; (bytes = fwcfg_find_nth("genroms/", n, &key)); n++) {
        if (bytes > ROM_END - rom_next) {
            print("An option ROM of %u KiB finds no room\n", bytes / 1024);
            continue;
        }
        fwcfg_read(key, (void *)rom_next, bytes);
        if (rom_bytes(rom_next, rom_next + bytes))
            rom_run(0, true);
        else
            print("An option ROM of %u KiB is damaged\n", bytes / 1024);
    }
}

/* What is free afterwards reads FF, as an empty bus does: memory managers look there for upper memory. */
static void whatever_lies_there(void)
{
    while (rom_next < ROM_END) {
        u32 pa = rom_next;
        rom_run(0, true);
        if (rom_next != pa) continue;
        for (; rom_next < pa + ROM_STEP; rom_next += 4) *FLAT(u32, rom_next) = 0xffffffff;
    }
}

void rom_others(void)
{
    each_function(false);
    files();
    whatever_lies_there();
    for (u32 n = 0; n < connections; n++) rom_call(connection[n].vector, connection[n].fn);
    found_take_away();
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
