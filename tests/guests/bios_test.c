/* bios_test.c - every service of our BIOS but INT 10h, called as programs call it. Each check is a line on the screen
 * and on port E9, "PASS name" or "FAIL name"; port 501h (isa-debug-exit) ends the emulator with 10h if all passed,
 * else 11h.
 *
 * Keys come from the keyboard controller's command D2h, which puts a byte where the keyboard's would stand. The
 * last sector of the floppy and sector 100 of the first disk are written: run it with -snapshot.
 */
#include "bios/bios16.h"

extern char count_tick, count_alarm, count_break, mouse_routine;
volatile u32 ticks_seen, alarms_seen, breaks_seen, mouse_calls;
volatile u16 mouse_seen[3];
static u32 failures, checks;
static u8 sector[512], other[512];

void bios_test(u32 drive_number);

/* --- telling --------------------------------------------------------------------------------------------- */

static void put(char c)
{
    outb(PORT_DEBUG, (u8)c);
    Regs r = {.ax = (u16)(0x0e00 | (u8)c), .bx = 7};
    if (c == '\n') put('\r');
    int_call(0x10, &r);
}

static void say(const char *s)
{
    while (*s) put(*s++);
}

static void hex(u32 v)
{
    for (int i = 28; i >= 0; i -= 4) put("0123456789abcdef"[v >> i & 0xf]);
}

/* One check; what was seen is told when it fails. */
static void expect(const char *name, bool good, u32 seen)
{
    checks++;
    say(good ? "PASS " : "FAIL ");
    say(name);
    if (!good) {
        failures++;
        say(" saw ");
        hex(seen);
    }
    say("\n");
}

static bool carry(const Regs *r) { return r->flags & FLAG_CF; }

/* INT n with some registers and interrupts on. */
static Regs call(u8 n, u16 ax, u16 bx, u16 cx, u16 dx)
{
    Regs r = {.ax = ax, .bx = bx, .cx = cx, .dx = dx};
    int_call(n, &r);
    return r;
}

static void set_vector(u8 n, const void *handler)
{
    cli();
    far32_set(0, n * 4, (u32)handler);
    sti();
}

/* --- INT 11h, 12h, areas --------------------------------------------------------------------------------- */

static void test_areas(void)
{
    Regs r = call(0x11, 0, 0, 0, 0);
    expect("11 equipment: a floppy, 80x25 colour", (r.ax & 0x31) == 0x21, r.ax);
    r = call(0x12, 0, 0, 0, 0);
    expect("12 memory", r.ax == 639, r.ax);
    expect("EBDA", far16(0x40, 0x0e) == 0x9fc0 && far8(0x9fc0, 0) == 1, far16(0x40, 0x0e));
    expect("model byte", far8(0xf000, 0xfffe) == 0xfc, far8(0xf000, 0xfffe));
    u8 before = far8(0xf000, 0xfff5);
    far8_set(0xf000, 0xfff5, (u8)~before);
    expect("F000:FA6E font", far32(0xf000, 0xfa76) == 0xbd81a57e || far32(0xf000, 0xfa76) == 0x81a5817e,
           far32(0xf000, 0xfa76));
    expect("F000 is read-only", far8(0xf000, 0xfff5) == before, before);
    u32 wrong = 0;
    for (u16 seg = 0xca00; seg < 0xe000; seg = (u16)(seg + 0x80)) {
        far32_set(seg, 0, 0);
        if (far32(seg, 0) != 0xffffffff) wrong = seg;
    }
    expect("CA00-DFFF look empty", !wrong, wrong);
}

/* Sum of `n` bytes of segment F000. */
static u8 sum(u16 off, u32 n)
{
    u8 s = 0;
    while (n--) s = (u8)(s + far8(0xf000, off++));
    return s;
}

static u32 find(u32 signature, u16 step)
{
    for (u32 off = 0; off < 0x10000; off += step)
        if (far32(0xf000, (u16)off) == signature) return off;
    return 0;
}

static void test_tables(void)
{
    u16 at = (u16)find(0x5f32335f, 16); /* _32_ */
    expect("BIOS32 directory", at && !sum(at, 16) && far32(0xf000, (u16)(at + 4)) >= 0xe0000, at);
    at = (u16)find(0x52495024, 16); /* $PIR */
    expect("$PIR table", at && !sum(at, far16(0xf000, (u16)(at + 6))), at);
    at = (u16)find(0x5f4d535f, 16); /* _SM_ */
    expect("SMBIOS", at && !sum(at, far8(0xf000, (u16)(at + 5))), at);
    at = (u16)find(0x20445352, 16); /* RSD PTR */
    expect("ACPI root pointer", at && !sum(at, 20) && far32(0xf000, (u16)(at + 16)), at);
}

/* --- INT 08h, 1Ah, 70h ----------------------------------------------------------------------------------- */

static u32 ticks(void)
{
    Regs r = call(0x1a, 0, 0, 0, 0);
    return (u32)r.cx << 16 | r.dx;
}

static bool bcd(u8 v, u8 low, u8 high) { return (v & 0xf) < 10 && v >= low && v <= high; }

static void test_time(void)
{
    u32 start = ticks();
    set_vector(0x1c, &count_tick);
    while (ticks() - start < 4) sti_hlt();
    expect("08 calls 1C", ticks_seen >= 3 && ticks_seen <= 6, ticks_seen);
    far32_set(0x40, 0x6c, 0x1800af);
    while (far32(0x40, 0x6c) > 100) sti_hlt();
    Regs r = call(0x1a, 0, 0, 0, 0);
    expect("1A 00 midnight", r.al == 1 && !r.cx, r.ax);
    r = call(0x1a, 0, 0, 0, 0);
    expect("1A 00 midnight is told once", r.al == 0, r.ax);
    call(0x1a, 0x0100, 0, 0x0012, 0x3456);
    r = call(0x1a, 0, 0, 0, 0);
    expect("1A 01 set", r.cx == 0x12 && r.dx >= 0x3456 && r.dx < 0x3460, r.dx);
    r = call(0x1a, 0x0200, 0, 0, 0);
    expect("1A 02 time", !carry(&r) && bcd(r.ch, 0, 0x23) && bcd(r.cl, 0, 0x59) && bcd(r.dh, 0, 0x59), r.ecx);
    r = call(0x1a, 0x0400, 0, 0, 0);
    expect("1A 04 date", !carry(&r) && bcd(r.ch, 0x19, 0x20) && bcd(r.dh, 1, 0x12) && bcd(r.dl, 1, 0x31),
           r.ecx);
    call(0x1a, 0x0300, 0, 0x1234, 0x5600);
    r = call(0x1a, 0x0200, 0, 0, 0);
    expect("1A 03 set time", r.cx == 0x1234 && r.dh >= 0x56, r.cx);
    set_vector(0x4a, &count_alarm);
    r = call(0x1a, 0x0600, 0, 0x1234, (u16)(((r.dh + 1) & 0xff) << 8));
    start = ticks();
    while (!alarms_seen && ticks() - start < 40) sti_hlt();
    expect("1A 06 alarm calls 4A", !carry(&r) && alarms_seen == 1, alarms_seen);
    call(0x1a, 0x0700, 0, 0, 0);
}

/* --- INT 15h --------------------------------------------------------------------------------------------- */

static void test_waits(void)
{
    Regs r;
    u32 start, gone = 0;
    /* A host that was away in between makes it longer. */
    for (int n = 0; n < 8 && (gone < 3 || gone > 5); n++) {
        start = ticks();
        r = call(0x15, 0x8600, 0, 3, 0x0d40); /* 200 ms */
        gone = ticks() - start;
    }
    expect("15 86 wait", !carry(&r) && gone >= 3 && gone <= 5, gone);
    static volatile u8 flag;
    r = (Regs){.ax = 0x8300, .dx = 50000};
    r.bx = (u16)(u32)&flag;
    int_call(0x15, &r);
    start = ticks();
    while (!flag && ticks() - start < 10) sti_hlt();
    expect("15 83 event", !carry(&r) && flag == 0x80, flag);
}

static bool wraps(void)
{
    far8_set(0, 0x600, 0x11);
    far8_set(0xffff, 0x610, 0x22);
    return far8(0, 0x600) == 0x22;
}

static void test_a20(void)
{
    Regs r = call(0x15, 0x2400, 0, 0, 0);
    bool off = wraps();
    expect("15 24 A20 off", !carry(&r) && off, r.ax);
    call(0x15, 0x2401, 0, 0, 0);
    r = call(0x15, 0x2402, 0, 0, 0);
    expect("15 24 A20 on", !carry(&r) && r.al == 1 && !wraps(), r.ax);
}

static Regs move(u32 from, u32 to, u16 words)
{
    static u8 table[48];
    memset(table, 0, sizeof table);
    for (u32 i = 0; i < 2; i++) {
        u8 *d = table + 16 + 8 * i;
        u32 base = i ? to : from;
        d[0] = d[1] = 0xff, d[2] = (u8)base, d[3] = (u8)(base >> 8), d[4] = (u8)(base >> 16), d[5] = 0x93,
        d[7] = (u8)(base >> 24);
    }
    Regs r = {.ax = 0x8700, .cx = words, .si = (u16)(u32)table};
    int_call(0x15, &r);
    return r;
}

static void test_move(void)
{
    for (u32 i = 0; i < 512; i++) sector[i] = (u8)(i * 7);
    memset(other, 0, 512);
    Regs r = move((u32)sector, 0x234567, 256), s = move(0x234567, (u32)other, 256);
    expect("15 87 move", !carry(&r) && !carry(&s) && !r.ah && !memcmp(sector, other, 512), r.ax);
}

static void test_memory(void)
{
    Regs r = call(0x15, 0xe801, 0, 0, 0);
    u32 kib = r.ax + r.bx * 64u;
    expect("15 E801", !carry(&r) && kib >= 1024 && r.ax == r.cx && r.bx == r.dx, kib);
    r = call(0x15, 0x8800, 0, 0, 0);
    expect("15 88", r.ax == (kib < 0xfc00 ? kib : 0xfc00) || kib > 15360, r.ax);
    r = call(0x15, 0x8a00, 0, 0, 0);
    expect("15 8A", !carry(&r) && ((u32)r.dx << 16 | r.ax) == kib, r.ax);
    E820 e = {0};
    u32 next = 0, n = 0, ram = 0;
    do {
        r = (Regs){.eax = 0xe820, .edx = 0x534d4150, .ebx = next, .ecx = 20, .di = (u16)(u32)&e};
        int_call(0x15, &r);
        if (carry(&r) || r.eax != 0x534d4150) break;
        if (e.type == E820_RAM && e.base >= 0x100000) ram += (u32)e.bytes >> 10;
        next = r.ebx, n++;
    } while (next && n < 32);
    expect("15 E820", !next && n >= 4 && ram == kib, ram);
}

static void test_system(void)
{
    Regs r = call(0x15, 0xc000, 0, 0, 0);
    expect("15 C0 configuration", !carry(&r) && far8(r.es, (u16)(r.bx + 2)) == 0xfc, r.ax);
    r = call(0x15, 0xc100, 0, 0, 0);
    expect("15 C1 EBDA", !carry(&r) && r.es == 0x9fc0, r.es);
    r = call(0x15, 0x9000, 0, 0, 0);
    expect("15 90 busy", !carry(&r) && !r.ah, r.ax);
    r = call(0x15, 0x5300, 0, 0, 0);
    expect("15 53 APM", !carry(&r) && r.bx == 0x504d && r.ax == 0x0102, r.ax);
    r = call(0x15, 0x5301, 0, 0, 0);
    expect("15 53 connect", !carry(&r), r.ax);
    u32 start = ticks();
    r = call(0x15, 0x5305, 0, 0, 0);
    expect("15 53 idle", !carry(&r) && ticks() - start < 3, r.ax);
    r = call(0x15, 0x5303, 0, 0, 0);
    expect("15 53 connect, 32 bits", !carry(&r) && r.ax == 0xf000 && r.ebx && r.ebx < 0x10000, r.ebx);
    r = call(0x15, 0xbf00, 0, 0, 0);
    expect("15 unknown", carry(&r) && r.ah == 0x86, r.ax);
}

/* --- INT 15h C2h ----------------------------------------------------------------------------------------- */

static void from_mouse(u8 v)
{
    while (inb(0x64) & 2) {
    }
    outb(0x64, 0xd3);
    while (inb(0x64) & 2) {
    }
    outb(0x60, v);
    wait_us(0);
}

static void test_mouse(void)
{
    Regs r = call(0x15, 0xc205, 0x0300, 0, 0);
    expect("15 C205 initialise", !carry(&r), r.ax);
    r = call(0x15, 0xc201, 0, 0, 0);
    expect("15 C201 reset", !carry(&r) && r.bl == 0xaa && r.bh == 0, r.bx);
    r = call(0x15, 0xc202, 0x0500, 0, 0);
    expect("15 C202 rate", !carry(&r), r.ax);
    r = call(0x15, 0xc203, 0x0300, 0, 0);
    expect("15 C203 resolution", !carry(&r), r.ax);
    r = call(0x15, 0xc204, 0, 0, 0);
    expect("15 C204 type", !carry(&r) && r.bh == 0, r.bx);
    r = call(0x15, 0xc206, 0, 0, 0);
    expect("15 C206 status", !carry(&r) && r.cl == 3 && r.dl == 100, r.edx);
    r = call(0x15, 0xc200, 0x0100, 0, 0);
    expect("15 C200 wants a routine", carry(&r) && r.ah == 5, r.ax);
    r = call(0x15, 0xc207, (u16)(u32)&mouse_routine, 0, 0);
    expect("15 C207 routine", !carry(&r), r.ax);
    r = call(0x15, 0xc200, 0x0100, 0, 0);
    expect("15 C200 enable", !carry(&r), r.ax);
    from_mouse(0x09), from_mouse(0x05), from_mouse(0xfe);
    expect("74 calls the routine",
           mouse_calls == 1 && mouse_seen[0] == 0x09 && mouse_seen[1] == 0x05 && mouse_seen[2] == 0xfe,
           mouse_calls);
    r = call(0x15, 0xc200, 0x0000, 0, 0);
    expect("15 C200 disable", !carry(&r), r.ax);
}

/* --- INT 09h, 16h ---------------------------------------------------------------------------------------- */

void wait_us(u32 us)
{
    (void)us;
    for (u32 i = 0; i < 3000 && inb(0x64) & 1; i++) inb(0x80); /* until the interrupt took it */
}

static void scan(u8 v)
{
    while (inb(0x64) & 2) {
    }
    outb(0x64, 0xd2);
    while (inb(0x64) & 2) {
    }
    outb(0x60, v);
    wait_us(0);
}

static void keys(const u8 *codes)
{
    while (*codes) scan(*codes++);
}

static u16 read_key(u16 ax)
{
    Regs r = call(0x16, (u16)(ax | 0x0100), 0, 0, 0);
    if (r.flags & FLAG_ZF) return 0;
    return call(0x16, ax, 0, 0, 0).ax;
}

static void test_keyboard(void)
{
    static const struct {
        const char *name;
        const u8 codes[9];
        u16 function, key;
    } t[] = {
        {"09 a", {0x1e, 0x9e}, 0x0000, 0x1e61},
        {"09 Shift a", {0x2a, 0x1e, 0x9e, 0xaa}, 0x0000, 0x1e41},
        {"09 Ctrl a", {0x1d, 0x1e, 0x9e, 0x9d}, 0x0000, 0x1e01},
        {"09 Alt a", {0x38, 0x1e, 0x9e, 0xb8}, 0x0000, 0x1e00},
        {"09 Shift 1", {0x36, 0x02, 0x82, 0xb6}, 0x0000, 0x0221},
        {"09 Enter", {0x1c, 0x9c}, 0x0000, 0x1c0d},
        {"09 Ctrl Enter", {0x1d, 0x1c, 0x9c, 0x9d}, 0x0000, 0x1c0a},
        {"09 Shift Tab", {0x2a, 0x0f, 0x8f, 0xaa}, 0x0000, 0x0f00},
        {"09 F1", {0x3b, 0xbb}, 0x0000, 0x3b00},
        {"09 Alt F10", {0x38, 0x44, 0xc4, 0xb8}, 0x0000, 0x7100},
        {"09 F12 (10h)", {0x58, 0xd8}, 0x1000, 0x8600},
        {"09 F12 (00h) is passed over", {0x58, 0xd8}, 0x0000, 0},
        {"09 grey Up (10h)", {0xe0, 0x48, 0xe0, 0xc8}, 0x1000, 0x48e0},
        {"09 grey Up (00h)", {0xe0, 0x48, 0xe0, 0xc8}, 0x0000, 0x4800},
        {"09 keypad Enter (00h)", {0xe0, 0x1c, 0xe0, 0x9c}, 0x0000, 0x1c0d},
        {"09 keypad / (00h)", {0xe0, 0x35, 0xe0, 0xb5}, 0x0000, 0x352f},
        {"09 keypad 8", {0x48, 0xc8}, 0x0000, 0x4800},
        {"09 Shift keypad 8", {0x2a, 0x48, 0xc8, 0xaa}, 0x0000, 0x4838},
        {"09 Ctrl Left", {0x1d, 0xe0, 0x4b, 0xe0, 0xcb, 0x9d}, 0x0000, 0x7300},
        {"09 right Alt x", {0xe0, 0x38, 0x2d, 0xad, 0xe0, 0xb8}, 0x0000, 0x2d00},
        {"09 Alt 6 5", {0x38, 0x4d, 0xcd, 0x4c, 0xcc, 0xb8}, 0x0000, 0x0041},
        {"09 key 102", {0x56, 0xd6}, 0x0000, 0x565c},
    };
    while (read_key(0x1000)) {
    }
    for (u32 i = 0; i < ARRAY_LEN(t); i++) {
        keys(t[i].codes);
        u16 key = read_key(t[i].function);
        expect(t[i].name, key == t[i].key, key);
    }
    keys((const u8[]){0x3a, 0xba, 0x1e, 0x9e, 0});
    u16 key = read_key(0);
    expect("09 Caps Lock", key == 0x1e41 && far8(0x40, 0x17) & 0x40, key);
    keys((const u8[]){0x3a, 0xba, 0});
    keys((const u8[]){0x2a, 0x38, 0});
    Regs r = call(0x16, 0x0200, 0, 0, 0), s = call(0x16, 0x1200, 0, 0, 0);
    expect("16 02 flags", r.al == 0x0a, r.al);
    expect("16 12 flags", s.al == 0x0a && s.ah == 0x02, s.ax);
    keys((const u8[]){0xaa, 0xb8, 0});
    set_vector(0x1b, &count_break);
    keys((const u8[]){0x1d, 0xe0, 0x46, 0xe0, 0xc6, 0x9d, 0});
    expect("09 Ctrl-Break calls 1B", breaks_seen == 1 && far8(0x40, 0x71) & 0x80, breaks_seen);
    expect("09 Ctrl-Break leaves a 0",
           (call(0x16, 0x0100, 0, 0, 0).flags & FLAG_ZF) == 0 && call(0x16, 0, 0, 0, 0).ax == 0, 0);
    r = call(0x16, 0x0900, 0, 0, 0);
    expect("16 09 functions", r.al == 0x34, r.al);
    r = call(0x16, 0x0500, 0, 0x1234, 0);
    key = read_key(0);
    expect("16 05 store", !r.al && key == 0x1234, key);
    u32 n = 0;
    while (n < 40 && !call(0x16, 0x0500, 0, 0x1e61, 0).al) n++;
    expect("16 05 full after 15", n == 15, n);
    while (read_key(0x1000)) {
    }
}

/* --- INT 13h --------------------------------------------------------------------------------------------- */

static Regs disk(u16 ax, u16 cx, u16 dx, void *buffer) { return call(0x13, ax, (u16)(u32)buffer, cx, dx); }

static void test_floppy(void)
{
    outb(0x70, 0x10);
    u8 drive_b = inb(0x71) & 0x0f; /* its type */
    Regs r = disk(0x0000, 0, 0, 0);
    expect("13 00 reset", !carry(&r), r.ax);
    r = disk(0x0201, 0x0001, 0x0000, sector);
    expect("13 02 read", !carry(&r) && r.al == 1 && sector[510] == 0x55 && sector[511] == 0xaa, r.ax);
    r = disk(0x0401, 0x0001, 0x0000, sector);
    expect("13 04 verify", !carry(&r) && r.al == 1, r.ax);
    for (u32 i = 0; i < 512; i++) sector[i] = (u8)(i ^ 0x5a);
    r = disk(0x0301, 0x4f12, 0x0100, sector);
    memset(other, 0, 512);
    Regs s = disk(0x0201, 0x4f12, 0x0100, other);
    expect("13 03 write", !carry(&r) && !carry(&s) && !memcmp(sector, other, 512), r.ax);
    r = disk(0x0201, 0x0013, 0x0000, other);
    expect("13 02 no such sector", carry(&r) && r.ah == 0x04, r.ax);
    r = disk(0x0100, 0, 0, 0);
    expect("13 01 status", r.ah == 0x04 && carry(&r), r.ax);
    r = call(0x13, 0x0202, 0xff00, 0x0001, 0x0000);
    expect("13 02 across 64 KiB", carry(&r) && r.ah == 0x09, r.ax);
    r = disk(0x0800, 0, 0, 0);
    expect("13 08 parameters",
           !carry(&r) && r.bl == 4 && r.cx == 0x4f12 && r.dh == 1 && r.dl == 1 + (drive_b != 0), r.ecx);
    expect("13 08 table", far8(r.es, (u16)(r.di + 4)) == 18, r.di);
    r = disk(0x1500, 0, 0, 0);
    expect("13 15 change line", !carry(&r) && r.ah == 2, r.ax);
    r = disk(0x1600, 0, 0, 0);
    expect("13 16 not changed", !carry(&r) && r.ah == 0, r.ax);
    r = disk(0x1500, 0, 1, 0);
    expect("13 15 drive B", !carry(&r) && r.ah == (drive_b ? drive_b == 1 ? 1 : 2 : 0), r.ax);
    r = disk(0x1600, 0, 1, 0);
    if (drive_b < 2) expect("13 16 drive B", carry(&r) && r.ah == (drive_b ? 0x06 : 0x80), r.ax);
    r = disk(0x1800, 0x4f12, 0, 0);
    expect("13 18 format of 1.44 MB", !carry(&r) && far8(r.es, (u16)(r.di + 4)) == 18, r.ax);
    for (u8 i = 0; i < 18; i++)
        sector[4 * i] = 79, sector[4 * i + 1] = 1, sector[4 * i + 2] = (u8)(i + 1), sector[4 * i + 3] = 2;
    r = disk(0x0512, 0x4f01, 0x0100, sector);
    s = disk(0x0201, 0x4f12, 0x0100, other);
    expect("13 05 format", !carry(&r) && !carry(&s) && other[7] == 0xf6, r.ax);
}

static u8 packet[16];

static Regs edd(u8 function, u32 lba, u16 blocks, void *buffer)
{
    u16 off = (u16)(u32)buffer;
    memset(packet, 0, 16);
    packet[0] = 16, packet[2] = (u8)blocks;
    memcpy(packet + 4, &off, 2);
    memcpy(packet + 8, &lba, 4);
    Regs r = {.ax = (u16)(function << 8), .dx = 0x80, .si = (u16)(u32)packet};
    int_call(0x13, &r);
    return r;
}

static void test_no_disk(void)
{
    Regs r = disk(0x0200, 0x0001, 0x0087, other);
    expect("13 no such drive", carry(&r) && r.ah == 1, r.ax);
    r = disk(0x01ff, 0, 0x80, 0);
    if (far8(0x40, 0x75)) expect("13 01 last status", carry(&r) && r.ah == 1 && r.al == 1, r.ax);
    r = disk(0x08ff, 0x1234, 0x0087, other);
    expect("13 08 no such drive", carry(&r) && r.ax == 0x0700 && !r.cx && !r.dx, r.ax);
    r = disk(0x15ff, 0x1234, 0x0087, other);
    expect("13 15 no such drive", !carry(&r) && !r.ax && !r.cx && !r.dx, r.ax);
}

static void test_disk(void)
{
    Regs r = disk(0x0800, 0, 0x80, 0);
    if (!far8(0x40, 0x75)) {
        expect("13 08 no disk", carry(&r), r.ax);
        return;
    }
    u32 heads = r.dh + 1u, sectors = r.cl & 0x3f;
    expect("13 08 disk", !carry(&r) && heads <= 255 && sectors && r.dl == far8(0x40, 0x75), r.ecx);
    r = disk(0x1500, 0, 0x80, 0);
    expect("13 15 disk", !carry(&r) && r.ah == 3 && ((u32)r.cx << 16 | r.dx) > 100, r.dx);
    r = call(0x13, 0x4100, 0x55aa, 0, 0x80);
    expect("13 41 EDD", !carry(&r) && r.bx == 0xaa55 && r.cx & 1, r.bx);
    for (u32 i = 0; i < 512; i++) sector[i] = (u8)(i * 3);
    r = edd(0x43, 100, 1, sector);
    memset(other, 0, 512);
    u32 track = 100 / sectors;
    Regs s = disk(0x0201, (u16)((track / heads) << 8 | (100 % sectors + 1)),
                  (u16)((track % heads) << 8 | 0x80), other);
    expect("13 43 written, 02 read", !carry(&r) && !carry(&s) && !memcmp(sector, other, 512), r.ax);
    memset(other, 0, 512);
    r = edd(0x42, 100, 1, other);
    expect("13 42 read", !carry(&r) && !memcmp(sector, other, 512), r.ax);
    r = edd(0x42, 0xfffffff0, 1, other);
    expect("13 42 beyond the end", carry(&r) && !packet[2], r.ax);
    static u8 info[0x42];
    info[0] = sizeof info;
    r = (Regs){.ax = 0x4800, .dx = 0x80, .si = (u16)(u32)info};
    int_call(0x13, &r);
    expect("13 48 parameters", !carry(&r) && info[0] >= 0x1a && info[24] == 0 && info[25] == 2, r.ax);
}

/* --- PCI BIOS, serial and parallel ports ------------------------------------------------------------------- */

static void test_pci(void)
{
    Regs r = call(0x1a, 0xb101, 0, 0, 0);
    expect("1A B101 present", !carry(&r) && !r.ah && r.edx == 0x20494350, r.edx);
    r = call(0x1a, 0xb102, 0, 0x7000, 0x8086);
    expect("1A B102 find device", !carry(&r) && r.bx == 0x0008, r.bx);
    r = call(0x1a, 0xb102, 0, 0x1234, 0x8086);
    expect("1A B102 none", carry(&r) && r.ah == 0x86, r.ax);
    r = (Regs){.ax = 0xb103, .ecx = 0x060100};
    int_call(0x1a, &r);
    expect("1A B103 find class", !carry(&r) && r.bx == 0x0008, r.bx);
    r = (Regs){.ax = 0xb10a, .bx = 0x0008, .di = 0};
    int_call(0x1a, &r);
    expect("1A B10A read", !carry(&r) && r.ecx == 0x70008086, r.ecx);
    r = (Regs){.ax = 0xb109, .bx = 0x0008, .di = 1};
    int_call(0x1a, &r);
    expect("1A B109 odd register", carry(&r) && r.ah == 0x87, r.ax);
    static u8 routes[256];
    u8 request[6] = {0, 1};
    u16 off = (u16)(u32)routes;
    memcpy(request + 2, &off, 2);
    r = (Regs){.ax = 0xb10e, .di = (u16)(u32)request};
    int_call(0x1a, &r);
    expect("1A B10E routing", !carry(&r) && request[0] >= 16 && routes[1] == 0x08 && routes[2] == 0x60, r.ax);
}

static void test_ports(void)
{
    expect("COM1 found", far16(0x40, 0) == 0x3f8, far16(0x40, 0));
    Regs r = call(0x14, 0x00e3, 0, 0, 0);
    expect("14 00 initialise", (r.ah & 0x60) == 0x60, r.ax);
    outb(0x3fc, 0x10); /* loop */
    call(0x14, 0x0155, 0, 0, 0);
    outb(0x3fc, 0x10), outb(0x3f8, 0x55);
    r = call(0x14, 0x0200, 0, 0, 0);
    expect("14 02 receive", r.al == 0x55 || r.ah & 0x80, r.ax);
    outb(0x3fc, 0x03);
    r = call(0x14, 0x0300, 0, 0, 0);
    expect("14 03 status", (r.ah & 0x60) == 0x60, r.ax);
    if (!far16(0x40, 8)) return;
    r = call(0x17, 0x0100, 0, 0, 0);
    expect("17 01 initialise", (r.ah & 0x90) == 0x90, r.ax);
    r = call(0x17, 0x0041, 0, 0, 0);
    expect("17 00 print", !(r.ah & 0x29), r.ax);
}

void bios_test(u32 drive_number)
{
    expect("booted from floppy A", drive_number == 0, drive_number);
    test_areas();
    test_tables();
    test_floppy();
    test_no_disk();
    test_disk();
    test_keyboard();
    test_mouse();
    test_a20();
    test_memory();
    test_move();
    test_waits();
    test_system();
    test_pci();
    test_ports();
    test_time();
    say(failures ? "SOME FAILED\n" : "ALL PASSED\n");
    outb(0x501, failures ? 0x11 : 0x10);
    for (;;) sti_hlt();
}
