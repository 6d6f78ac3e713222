/* boot.c - what starts: the screen at the end of POST, the boot menu, INT 19h and INT 18h.
 *
 * The order is CMOS 3Dh (low nibble first) and 38h: 1 floppy, 2 disk, 3 CD, 4 network. What it does not name comes after it, the
 * network last, unless bit 1 of 38h is set. A boot sector must end in 55 AA, but a floppy's need not if bit 0 of CMOS 38h is
 * set. Of several disks or CDs the first that has a boot sector is taken. The network is every option ROM with a boot
 * entry (rom.c), one after another: a ROM that cannot boot returns, or calls INT 18h. A kernel that ring3 loads itself comes
 * before all of them. The menu is offered when the board asks for it (-boot menu=on) or when F12 or Escape lies in the keyboard
 * buffer.
 *
 * Source: BIOS Boot Specification 1.01.
 * Not implemented: its functions 61h and up, by which ROMs learn of the order and change it.
 */
#include "bios16.h"

enum { DISKS_MAX = 8 };

typedef struct Choice {
    u8 kind, index; /* BOOT_*, which of them */
} Choice;

static Choice chosen; /* by the menu; kind 0: none */
static u8 boot_try;   /* INT 18h goes on with the next device */
static u8 bev_try;    /* ... or with the next ROM's entry */

void cd_forget(void);
bool cd_ready(const Drive *d);                /* disk.c */
_Noreturn void boot_jump(u16 segment, u8 dl); /* entry.S; segment 0: 0000:7C00 */
_Noreturn void bev_jump(u32 vector, u16 fn, const u8 *pnp); /* entry.S */
void boot_service(Regs *r);
void boot_failed(Regs *r);

/* --- the menu -------------------------------------------------------------------------------------------- */

static u16 key_get(void)
{
    Regs r = {0};
    int_call(0x16, &r);
    return r.ax;
}

/* Ours come first; an option ROM may have added some (40:75). */
static u8 disks_in_all(void)
{
    u8 n = BDA->disk_count;
    return n < disks ? disks : n > DISKS_MAX ? DISKS_MAX : n;
}

static u32 choices(Choice *c, bool show)
{
    u32 n = 0;
    for (u8 i = 0; i < disks_in_all(); i++) {
        if (show)
            print("  %u  Disk %u: %s\n", n + 1, i + 1,
                  i < disks ? drive[disk_of[i]].model : "by an option ROM");
        c[n++] = (Choice){BOOT_DISK, i};
    }
    for (u8 i = 0; i < cds; i++) {
        if (show) print("  %u  CD: %s\n", n + 1, drive[cd_of[i]].model);
        c[n++] = (Choice){BOOT_CD, i};
    }
    if (floppies) {
        if (show) print("  %u  Floppy A\n", n + 1);
        c[n++] = (Choice){BOOT_FLOPPY, 0};
    }
    for (u8 i = 0; i < shared.bevs; i++) {
        if (show) print("  %u  Network: %s\n", n + 1, shared.bev[i].name);
        c[n++] = (Choice){BOOT_NETWORK, i};
    }
    return n;
}

static void menu(void)
{
    Choice c[DISKS_MAX + DRIVES + 1 + BEVS];
    print("\nBoot from:\n\n");
    u32 n = choices(c, true);
    print("\n");
    for (;;) {
        u16 key = key_get();
        u32 digit = (u32)(key & 0xff) - '1';
        if (digit < n && digit < 9) {
            chosen = c[digit];
            return;
        }
        if ((key & 0xff) == 0x1b || (key & 0xff) == 0x0d) return;
    }
}

static bool wanted_key(u16 key) { return key == 0x8600 || key == 0x011b; }

void boot_screen(Regs *r);
void boot_screen(Regs *r)
{
    (void)r;
    u16 key = 0;
    u32 ticks = BDA->ticks, wait = shared.boot_menu ? shared.boot_menu_wait_ms / 55u + 1 : 0;
    if (shared.boot_menu) print("\nPress F12 or Esc for the boot menu\n");
    sti();
    bool wanted = false;
    for (;;) {
        if (BDA->kbd_head != BDA->kbd_tail) { /* by function 11h: F12 is not an 84-key key */
            Regs k = {.ax = 0x1000};
            int_call(0x16, &k);
            key = k.ax;
            wanted = wanted_key(key);
            break;
        }
        if (BDA->ticks - ticks >= wait) break;
        sti_hlt();
    }
    cli();
    if (wanted) menu();
    print("\n");
}

/* --- booting --------------------------------------------------------------------------------------------- */

static bool load_sector(u8 dl)
{
    for (u32 i = 0; i < 4; i++) { /* a floppy reports its change first, and wants retries */
        Regs r = {.ax = 0x0201, .cx = 0x0001, .bx = 0x7c00};
        r.dl = dl;
        int_call(0x13, &r);
        if (!(r.flags & FLAG_CF)) return true;
        if (dl >= 0x80 || r.ah == 0x80) return false;
        r = (Regs){0};
        r.dl = dl;
        int_call(0x13, &r);
    }
    return false;
}

static void say_trying(const char *what) { print("Booting from %s...\n", what); }

static void try_sector(u8 dl, const char *what)
{
    say_trying(what);
    if (!load_sector(dl)) {
        print(dl < 0x80 && BDA->floppy_status == 0x80 ? "  no diskette\n" : "  could not be read\n");
        return;
    }
    bool lenient = dl < 0x80 && cmos_read(CMOS_BOOT_ORDER1) & 1;
    if (!lenient && far16(0, 0x7dfe) != 0xaa55) {
        print("  is not bootable\n");
        return;
    }
    boot_jump(0, dl);
}

static void try_cd(u8 index)
{
    const Drive *d = &drive[cd_of[index]];
    say_trying("CD");
    if (!cd_ready(d)) {
        print("  no disc\n");
        return;
    }
    u16 segment = cd_boot(d);
    if (!segment)
        print("  is not bootable\n");
    else
        boot_jump(segment == 0x7c0 ? 0 : segment, cd_drive_number());
}

static void try_network(u8 index)
{
    const BootEntry *e = &shared.bev[index];
    print("Booting from network: %s...\n", e->name);
    bev_jump(e->vector, e->fn, shared.pnp);
}

static void try_choice(Choice c)
{
    static const char disk_name[DISKS_MAX][8] = {"disk",   "disk 2", "disk 3", "disk 4",
                                                 "disk 5", "disk 6", "disk 7", "disk 8"};
    switch (c.kind) {
    case BOOT_FLOPPY:
        if (floppies) try_sector(0, "floppy");
        break;
    case BOOT_DISK:
        for (u8 i = c.index; i < disks_in_all(); i++) try_sector((u8)(0x80 + i), disk_name[i]);
        break;
    case BOOT_CD:
        for (u8 i = c.index; i < cds; i++) try_cd(i);
        break;
    case BOOT_NETWORK:
        if (c.index < shared.bevs) try_network(c.index);
        break;
    }
}

static bool is_named(u8 kind)
{
    for (u32 i = 0; i < ARRAY_LEN(shared.boot_order); i++)
        if (shared.boot_order[i] == kind) return true;
    return false;
}

/* The kind of device that is tried as number n. */
static u8 kind_of_try(u32 n)
{
    static const u8 unnamed[] = {BOOT_FLOPPY, BOOT_DISK, BOOT_CD, BOOT_NETWORK};
    u32 named = ARRAY_LEN(shared.boot_order);
    if (n < named) return shared.boot_order[n];
    u8 kind = unnamed[n - named];
    return shared.boot_strict || is_named(kind) ? BOOT_NONE : kind;
}

static void try_rest(void)
{
    enum { TRIES = ARRAY_LEN(shared.boot_order) + 4 };
    while (boot_try < TRIES) {
        Choice c = {kind_of_try(boot_try), 0};
        if (c.kind == BOOT_NETWORK && bev_try < shared.bevs)
            c.index = bev_try++;
        else if (boot_try++, c.kind == BOOT_NETWORK)
            continue;
        try_choice(c);
    }
}

static void try_all(void)
{
    for (;;) {
        try_rest();
        print("\nNo bootable device.\n\n"
              "ring3's options -hda FILE, -cdrom FILE and -fda FILE give this PC a disk, a CD\n"
              "and a diskette. Press a key to try again.\n");
        key_get();
        print("\n");
        boot_try = bev_try = 0;
    }
}

/* ring3 loads a kernel itself (-kernel): say that the machine is ready for it; the processor goes on in there. EBX is the
 * physical address of the memory map, ECX how many entries it has. */
static void hand_over(void)
{
    enum { SELECTOR = 0x510, DATA = 0x511 };
    u32 map = LOW_SEG * 16 + (u32)shared.e820;
    print("Starting the kernel...\n\n");
    cli();
    outw(SELECTOR, shared.kernel_key);
    for (;;) __asm__ volatile("outb %0, %1; hlt" ::"a"((u8)1), "d"(DATA), "b"(map), "c"(shared.e820_count));
}

void boot_service(Regs *r)
{
    (void)r;
    sti();
    if (shared.kernel_key) hand_over();
    boot_try = bev_try = 0;
    cd_forget();
    if (chosen.kind) {
        Choice c = chosen;
        chosen.kind = 0;
        try_choice(c);
    }
    try_all();
}

/* INT 18h: a boot sector gave up. */
void boot_failed(Regs *r)
{
    (void)r;
    sti();
    print("\nBoot failed\n");
    try_all();
}
