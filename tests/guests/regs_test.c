/* regs_test.c - what every BIOS service leaves alone. Each row of the table below is called with all registers set,
 * twice, on a small stack of its own, while the timer interrupts 600 times a second; what the service does not
 * document as output must come back: general registers to their upper halves, segments (FS and GS with a base that no
 * real-mode load would give them), flags, the stack above and far below, the BIOS data area but for what is the
 * service's, the masks of the interrupt controllers, the clock's index port. The timer's interrupt sees FS and GS,
 * too, wherever it comes.
 *
 * Then INT 9: with resident programs and games before it, and what INT 15h 4Fh is called with.
 *
 * Says what bios_test.c says, and ends as it. The video BIOS and the drives are called, too: run it with -snapshot.
 */
#include "bios/bios16.h"

typedef struct PACKED State {
    u32 eax, ebx, ecx, edx, esi, edi, ebp;
    u16 ds, es, fs, gs;
    u32 esp;
    u16 ss, flags;
} State;
_Static_assert(offsetof(State, esp) == 36 && offsetof(State, flags) == 42, "regs_test_call.S");

/* What a service may change; the upper halves only where E is said. */
enum {
    AL = 1 << 0,
    AH = 1 << 1,
    BL = 1 << 2,
    BH = 1 << 3,
    CL = 1 << 4,
    CH = 1 << 5,
    DL = 1 << 6,
    DH = 1 << 7,
    AX = AL | AH,
    BX = BL | BH,
    CX = CL | CH,
    DX = DL | DH,
    SI = 1 << 8,
    DI = 1 << 9,
    BP = 1 << 10,
    ES = 1 << 11,
    CF = 1 << 12,
    ZF = 1 << 13,
    IF = 1 << 14, /* comes back set */
    E = 1 << 15,
};

typedef struct Row {
    u8 n;
    u16 ax, may;
    u16 bx, cx, dx;
} Row;

/* ES:BX, ES:DI, DS:SI and ES:BP are buffers, where BX is 0. */
static const Row rows[] = {
    {0x10, 0x0003, AL, 0, 0, 0},
    {0x10, 0x0100, 0, 0, 0x0607, 0},
    {0x10, 0x0200, 0, 0, 0, 0x0304},
    {0x10, 0x0300, CX | DX, 0, 0, 0},
    {0x10, 0x0500, 0, 0, 0, 0},
    {0x10, 0x0601, 0, 0x0700, 0x0a00, 0x0c4f},
    {0x10, 0x0701, 0, 0x0700, 0x0a00, 0x0c4f},
    {0x10, 0x0800, AX, 0, 0, 0},
    {0x10, 0x0941, 0, 0x0007, 3, 0},
    {0x10, 0x0a41, 0, 0x0007, 3, 0},
    {0x10, 0x0b00, 0, 0x0000, 0, 0},
    {0x10, 0x0e41, 0, 0x0007, 0, 0},
    {0x10, 0x0e0a, 0, 0x0007, 0, 0},
    {0x10, 0x0f00, AX | BH, 0, 0, 0},
    {0x10, 0x1000, 0, 0x0000, 0, 0},
    {0x10, 0x1001, 0, 0x0000, 0, 0},
    {0x10, 0x1003, 0, 0x0001, 0, 0},
    {0x10, 0x1007, BH, 0x0001, 0, 0},
    {0x10, 0x1008, BH, 0x0000, 0, 0},
    {0x10, 0x1009, 0, 0, 0, 0},
    {0x10, 0x1010, 0, 0x0010, 0x1020, 0x3000},
    {0x10, 0x1015, DH | CX, 0x0010, 0, 0},
    {0x10, 0x1017, 0, 0x0000, 4, 0},
    {0x10, 0x1018, 0, 0x00ff, 0, 0},
    {0x10, 0x101a, BX, 0x0000, 0, 0},
    {0x10, 0x101b, 0, 0x0000, 1, 0},
    {0x10, 0x1103, 0, 0x0000, 0, 0},
    {0x10, 0x1114, 0, 0x0000, 0, 0},
    {0x10, 0x1130, CX | DL | ES | BP, 0x0600, 0, 0},
    {0x10, 0x1200, BX | CX, 0x0010, 0, 0},
    {0x10, 0x1200, AL, 0x0034, 0, 0},
    {0x10, 0x1202, AL, 0x0030, 0, 0},
    {0x10, 0x1300, 0, 0x0007, 2, 0x0101},
    {0x10, 0x1a00, AL | BX, 0, 0, 0},
    {0x10, 0x1b00, AL, 0x0000, 0, 0},
    {0x10, 0x1c00, AL | BX, 0, 7, 0},
    {0x10, 0xee00, 0, 0, 0, 0},
    {0x10, 0x4f00, AX, 0, 0, 0},
    {0x10, 0x4f01, AX, 0, 0x0101, 0},
    {0x10, 0x4f03, AX | BX, 0, 0, 0},
    {0x10, 0x4f04, AX | BX, 0, 0x000f, 0x0000},
    {0x10, 0x4f09, AX, 0x0001, 4, 0},
    {0x10, 0x4f0a, AX | ES | DI | CX, 0x0000, 0, 0},
    {0x10, 0x4f10, AX | BX, 0x0000, 0, 0},
    {0x10, 0x4f15, AX | BX | CX, 0x0000, 0, 0},
    {0x10, 0x4f15, AX, 0x0001, 0, 0},
    {0x10, 0x0012, AL, 0, 0, 0},
    {0x10, 0x0c05, 0, 0x0000, 100, 100},
    {0x10, 0x0d00, AL, 0x0000, 100, 100},
    {0x10, 0x0941, 0, 0x0007, 2, 0},
    {0x10, 0x0601, 0, 0x0700, 0x0000, 0x1d4f},
    {0x10, 0x4f02, AX, 0x0101, 0, 0},
    {0x10, 0x4f05, AX | DX, 0x0100, 0, 0},
    {0x10, 0x4f06, AX | BX | CX | DX, 0x0001, 0, 0},
    {0x10, 0x4f07, AX | BX | CX | DX, 0x0001, 0, 0},
    {0x10, 0x4f08, AX | BX, 0x0001, 0, 0},
    {0x10, 0x0c05, 0, 0x0000, 600, 400},
    {0x10, 0x0003, AL, 0, 0, 0},
    {0x11, 0x0000, AX, 0, 0, 0},
    {0x12, 0x0000, AX, 0, 0, 0},
    {0x13, 0x0000, AH | CF | IF, 0, 0, 0},
    {0x13, 0x0100, AX | CF | IF, 0, 0, 0},
    {0x13, 0x0201, AX | CF | IF, 0, 0x0001, 0},
    {0x13, 0x0224, AX | CF | IF, 0, 0x0a05, 0x0100},
    {0x13, 0x0301, AX | CF | IF, 0, 0x4e01, 0},
    {0x13, 0x0401, AX | CF | IF, 0, 0x0001, 0},
    {0x13, 0x0201, AX | CF | IF, 0, 0x0013, 0},
    {0x13, 0x0501, AX | CF | IF, 0, 0x4f01, 0x0100},
    {0x13, 0x0800, AX | BX | CX | DX | ES | DI | CF | IF, 0, 0, 0},
    {0x13, 0x1500, AX | CF | IF, 0, 0, 0},
    {0x13, 0x1600, AH | CF | IF, 0, 0, 0},
    {0x13, 0x1704, AH | CF | IF, 0, 0, 0},
    {0x13, 0x1800, AH | ES | DI | CF | IF, 0, 0x4f12, 0},
    {0x13, 0x3300, AX | CF | IF, 0, 0, 0},
    {0x40, 0x0201, AX | CF | IF, 0, 0x0001, 0},
    {0x13, 0x0000, AH | CF | IF, 0, 0, 0x0080},
    {0x13, 0x0100, AX | CF | IF, 0, 0, 0x0080},
    {0x13, 0x0202, AX | CF | IF, 0, 0x0001, 0x0080},
    {0x13, 0x0301, AX | CF | IF, 0, 0x0009, 0x0080},
    {0x13, 0x0401, AX | CF | IF, 0, 0x0001, 0x0080},
    {0x13, 0x0800, AX | CX | DX | CF | IF, 0x1234, 0, 0x0080},
    {0x13, 0x0900, AH | CF | IF, 0, 0, 0x0080},
    {0x13, 0x0c00, AH | CF | IF, 0, 0x0101, 0x0080},
    {0x13, 0x0d00, AH | CF | IF, 0, 0, 0x0080},
    {0x13, 0x1000, AH | CF | IF, 0, 0, 0x0080},
    {0x13, 0x1100, AH | CF | IF, 0, 0, 0x0080},
    {0x13, 0x1400, AX | CF | IF, 0, 0, 0x0080},
    {0x13, 0x1500, AX | CX | DX | CF | IF, 0x1234, 0, 0x0080},
    {0x13, 0x4100, AX | BX | CX | CF | IF, 0x55aa, 0, 0x0080},
    {0x13, 0x4200, AH | CF | IF, 0x1234, 0, 0x0080},
    {0x13, 0x4300, AH | CF | IF, 0x1234, 0, 0x0080},
    {0x13, 0x4400, AH | CF | IF, 0x1234, 0, 0x0080},
    {0x13, 0x4700, AH | CF | IF, 0x1234, 0, 0x0080},
    {0x13, 0x4800, AH | CF | IF, 0x1234, 0, 0x0080},
    {0x13, 0x4a00, AX | CF | IF, 0x1234, 0, 0x0080},
    {0x13, 0x0201, AX | CF | IF, 0, 0x0001, 0x0085},
    {0x14, 0x00e3, AX, 0, 0, 0},
    {0x14, 0x0141, AH, 0, 0, 0},
    {0x14, 0x0200, AX, 0, 0, 0},
    {0x14, 0x0300, AX, 0, 0, 0},
    {0x14, 0x0400, AX, 0x0000, 0x0307, 0},
    {0x14, 0x0500, AX | BL, 0x0000, 0, 0},
    {0x14, 0x0300, AX, 0, 0, 0x0007},
    {0x15, 0x2402, AX | CF, 0, 0, 0},
    {0x15, 0x2403, AH | BX | CF, 0, 0, 0},
    {0x15, 0x4f1e, AL | CF, 0, 0, 0},
    {0x15, 0x5300, AX | BX | CX | CF, 0, 0, 0},
    {0x15, 0x5305, AH | CF, 0, 0, 0},
    {0x15, 0x530a, AH | BX | CX | DX | SI | CF, 0x0001, 0, 0},
    {0x15, 0x8000, AH | CF, 0, 0, 0},
    {0x15, 0x8300, AX | CF, 0, 0, 2000},
    {0x15, 0x8301, AX | CF, 0, 0, 0},
    {0x15, 0x8500, AH | CF, 0, 0, 0},
    {0x15, 0x8600, AH | CF, 0, 0, 1000},
    {0x15, 0x8600, AH | CF, 0, 0, 20000},
    {0x15, 0x8700, AH | CF | ZF, 0, 8, 0},
    {0x15, 0x8800, AX | CF, 0, 0, 0},
    {0x15, 0x8a00, AX | DX | CF, 0, 0, 0},
    {0x15, 0x9002, AH | CF, 0, 0, 0},
    {0x15, 0x9102, AH | CF, 0, 0, 0},
    {0x15, 0xc000, AH | BX | ES | CF, 0, 0, 0},
    {0x15, 0xc100, ES | CF, 0, 0, 0},
    {0x15, 0xc205, AH | CF, 0x0300, 0, 0},
    {0x15, 0xc201, AH | BX | CF, 0, 0, 0},
    {0x15, 0xc202, AH | CF, 0x0200, 0, 0},
    {0x15, 0xc203, AH | CF, 0x0200, 0, 0},
    {0x15, 0xc204, AH | BH | CF, 0, 0, 0},
    {0x15, 0xc206, AH | BL | CL | DL | CF, 0x0000, 0, 0},
    {0x15, 0xe801, AX | BX | CX | DX | CF, 0, 0, 0},
    {0x15, 0xe820, E | AX | BX | CX | CF, 0, 0, 0},
    {0x15, 0xe881, E | AX | BX | CX | DX | CF, 0, 0, 0},
    {0x15, 0xbf00, AH | CF, 0, 0, 0},
    {0x16, 0x0500, AL, 0, 0x1e61, 0},
    {0x16, 0x0100, AX | ZF | IF, 0, 0, 0},
    {0x16, 0x1100, AX | ZF | IF, 0, 0, 0},
    {0x16, 0x0000, AX, 0, 0, 0},
    {0x16, 0x0100, ZF | IF, 0, 0, 0},
    {0x16, 0x1100, ZF | IF, 0, 0, 0},
    {0x16, 0x0500, AL, 0, 0x1e61, 0},
    {0x16, 0x1000, AX, 0, 0, 0},
    {0x16, 0x0200, AL, 0, 0, 0},
    {0x16, 0x1200, AX, 0, 0, 0},
    {0x16, 0x0305, 0, 0x0100, 0, 0},
    {0x16, 0x0900, AL, 0, 0, 0},
    {0x16, 0x0a00, BX, 0, 0, 0},
    {0x17, 0x0041, AH, 0, 0, 0},
    {0x17, 0x0100, AH, 0, 0, 0},
    {0x17, 0x0200, AH, 0, 0, 0},
    {0x1a, 0x0000, AX | CX | DX | CF, 0, 0, 0},
    {0x1a, 0x0200, AH | CX | DX | CF, 0, 0, 0},
    {0x1a, 0x0300, AH | CF, 0, 0x1122, 0x3300},
    {0x1a, 0x0400, AH | CX | DX | CF, 0, 0, 0},
    {0x1a, 0x0500, AH | CF, 0, 0x2026, 0x0101},
    {0x1a, 0x0600, AH | CF, 0, 0x2359, 0x5900},
    {0x1a, 0x0700, AH | CF, 0, 0, 0},
    {0x1a, 0xb101, E | AX | BX | CL | DX | CF, 0, 0, 0},
    {0x1a, 0xb102, AH | BX | CF, 0, 0x7000, 0x8086},
    {0x1a, 0xb108, AH | CL | CF, 0x0008, 0, 0},
    {0x1a, 0xb109, AH | CX | CF, 0x0008, 0, 0},
    {0x1a, 0xb10a, E | AH | CX | CF, 0x0008, 0, 0},
    {0x1a, 0xee00, AH | CF, 0, 0, 0},
};

enum { STACK_SEG = 0x2000, STACK_BYTES = 0x300, BUFFER = 0x30000, CANARY = 0x5c };
enum { PIT_HZ_DIVISOR = 2048, FLAGS_SEEN = 0x0cd5 }; /* OF DF SF ZF AF PF CF */

extern volatile u32 ticks_in_calls, times_wrong, old_tick, esc_old, old15;
extern volatile u16 seen15_ds, seen15_flags;
extern volatile u8 watched, esc_seen;
extern char tick_hook, esc_isr, esc_chain_isr, hook15;
static u32 failures;
static u32 deepest[256];

void bios_test(u32 drive_number);
void regs_call(u8 n, const State *in, State *out);
void regs_unreal(void);

/* --- telling --------------------------------------------------------------------------------------------- */

static void put(char c) { outb(PORT_DEBUG, (u8)c); }

static void say(const char *s)
{
    while (*s) put(*s++);
}

static void hex(u32 v, int digits)
{
    while (digits--) put("0123456789abcdef"[v >> 4 * digits & 0xf]);
}

static void fail(const char *what, const Row *row, u32 seen)
{
    failures++;
    say("FAIL ");
    if (row) {
        hex(row->n, 2);
        put(' ');
        hex(row->ax, 4);
        put(' ');
    }
    say(what);
    say(" saw ");
    hex(seen, 8);
    put('\n');
}

static void expect(const char *what, bool good, u32 seen)
{
    if (!good)
        fail(what, 0, seen);
    else {
        say("PASS ");
        say(what);
        put('\n');
    }
}

/* --- one call -------------------------------------------------------------------------------------------- */

static u32 parts(u16 may, u32 low, u32 high)
{
    return (may & low ? 0x00ff : 0) | (may & high ? 0xff00 : 0) |
           (may & E && may & (low | high) ? 0xffff0000 : 0);
}

static void same(const char *what, const Row *row, u32 before, u32 after, u32 allowed)
{
    if ((before ^ after) & ~allowed) fail(what, row, after);
}

static void compare(const Row *row, const State *in, const State *out)
{
    u16 may = row->may;
    same("EAX", row, in->eax, out->eax, parts(may, AL, AH));
    same("EBX", row, in->ebx, out->ebx, parts(may, BL, BH));
    same("ECX", row, in->ecx, out->ecx, parts(may, CL, CH));
    same("EDX", row, in->edx, out->edx, parts(may, DL, DH));
    same("ESI", row, in->esi, out->esi, may & SI ? 0xffff : 0);
    same("EDI", row, in->edi, out->edi, may & DI ? 0xffff : 0);
    same("EBP", row, in->ebp, out->ebp, may & BP ? 0xffff : 0);
    same("DS", row, in->ds, out->ds, 0);
    same("ES", row, in->es, out->es, may & ES ? 0xffff : 0);
    same("FS", row, in->fs, out->fs, 0);
    same("GS", row, in->gs, out->gs, 0);
    same("SS:ESP", row, in->esp, out->esp, 0);
    same("SS", row, in->ss, out->ss, 0);
    same("flags", row, in->flags & FLAGS_SEEN, out->flags & FLAGS_SEEN,
         (may & CF ? FLAG_CF : 0u) | (may & ZF ? FLAG_ZF : 0u));
    u16 wanted = may & IF ? FLAG_IF : in->flags & FLAG_IF;
    same("IF", row, wanted, out->flags & FLAG_IF, 0);
}

/* Bytes of the BIOS data area that change by themselves or belong to what was called. */
static bool data_may_change(u8 n, u32 at)
{
    if (at == 0x3f || at == 0x40 || (at >= 0x6b && at <= 0x70)) return true; /* motors, strays, ticks */
    if (n == 0x10)
        return (at >= 0x49 && at <= 0x66) || (at >= 0x84 && at <= 0x8a) || at == 0xba || at == 0xbb;
    if (n == 0x13 || n == 0x40) return (at >= 0x3e && at <= 0x48) || at == 0x74 || (at >= 0x8b && at <= 0x95);
    if (n == 0x15) return at >= 0x98 && at <= 0xa0;
    if (n == 0x16) return at >= 0x1a && at <= 0x3d;
    return false;
}

static u8 data_before[0x100];

static void data_compare(const Row *row)
{
    for (u16 at = 0; at < 0x100; at++)
        if (far8(BDA_SEG, at) != data_before[at] && !data_may_change(row->n, at)) {
            fail("40:", row, at);
            data_before[at] = far8(BDA_SEG, at);
        }
}

/* The packets and tables that some services read from their buffer. */
static void buffer_fill(const Row *row)
{
    u16 seg = BUFFER >> 4;
    for (u16 i = 0; i < 64; i += 2) far16_set(seg, i, 0);
    if (row->n == 0x13 && row->ax >> 8 >= 0x42) {
        far16_set(seg, 0, row->ax == 0x4800 ? 0x42 : 16), far16_set(seg, 2, 1);
        far16_set(seg, 4, 0x100), far16_set(seg, 6, seg), far16_set(seg, 8, 3);
    } else if (row->ax == 0x8700)
        for (u16 i = 0; i < 2; i++) /* both descriptors: the buffer, 1 KiB further */
            far16_set(seg, (u16)(16 + 8 * i), 0xffff),
                far32_set(seg, (u16)(18 + 8 * i), 0x93000000 | (BUFFER + 0x400));
}

static State prepared(const Row *row, bool second)
{
    u32 high = second ? 0xa5f00000 : 0x5a0f0000;
    State s = {.eax = high | row->ax,
               .ebx = high | row->bx,
               .ecx = high | row->cx,
               .edx = high | row->dx,
               .esi = second ? 0 : 0xdead0000,
               .edi = second ? 0x00010000 : 0xbeef0000,
               .ebp = high,
               .ds = BUFFER >> 4,
               .es = BUFFER >> 4,
               .fs = 8,
               .gs = 8,
               .esp = STACK_BYTES,
               .ss = STACK_SEG};
    s.flags = (u16)(second ? 0x0ad7 | 0x0400
                           : 0x0202); /* all, DF included, or none; IF the other way at services with CLI */
    if (row->ax == 0xe820) s.ebx = 0, s.ecx = 20, s.edx = 0x534d4150;
    return s;
}

static void stack_compare(const Row *row)
{
    u16 low = 0;
    while (low < STACK_BYTES && far8(STACK_SEG, low) == CANARY) low++;
    u32 used = STACK_BYTES - low;
    if (used > deepest[row->n]) deepest[row->n] = used;
    for (u16 i = 0; i < 64; i++)
        if (far8(STACK_SEG, (u16)(STACK_BYTES + i)) != CANARY) {
            fail("stack above SP", row, i);
            return;
        }
}

static void try_row(const Row *row, bool second, bool closed)
{
    State in = prepared(row, second), out;
    if (closed) in.flags &= (u16)~FLAG_IF;
    buffer_fill(row);
    for (u16 i = 0; i < STACK_BYTES + 64; i++) far8_set(STACK_SEG, i, CANARY);
    for (u16 i = 0; i < 0x100; i++) data_before[i] = far8(BDA_SEG, i);
    u8 mask1 = inb(PIC1_MASK), mask2 = inb(PIC2_MASK), port61 = inb(0x61);
    u32 wrong = times_wrong;
    regs_unreal();
    watched = 1;
    regs_call(row->n, &in, &out);
    watched = 0;
    u8 valid = inb(PORT_CMOS_DATA);
    compare(row, &in, &out);
    if (times_wrong != wrong) fail("FS or GS, now or in an interrupt", row, times_wrong - wrong);
    stack_compare(row);
    data_compare(row);
    same("8259 mask", row, mask1, inb(PIC1_MASK), 0);
    if (row->n != 0x15 && row->n != 0x1a) same("second 8259 mask", row, mask2, inb(PIC2_MASK), 0);
    same("port 61", row, port61, inb(0x61), 0x30);
    if (valid != 0x80) fail("70h left at register", row, valid);
}

static void test_rows(void)
{
    for (u32 i = 0; i < ARRAY_LEN(rows); i++)
        for (u32 way = 0; way < 4; way++) {
            const Row *row = &rows[i];
            bool waits = row->n == 0x16 && !(row->ax & 0xef00);
            if (waits && way) continue; /* there is one key */
            if (row->n == 0x16 && row->ax == 0x0500 && way) continue;
            try_row(row, way & 1, way & 2 && row->ax != 0x5305);
        }
    expect("every service leaves what is not its own", !failures, failures);
    expect("timer interrupts came in services", ticks_in_calls > 20, ticks_in_calls);
    for (u32 n = 0; n < 256; n++)
        if (n != 0x10 && deepest[n] > 80) fail("stack used by INT", 0, n << 16 | deepest[n]);
    expect("INT 10h uses less than 400 bytes of stack", deepest[0x10] < 400, deepest[0x10]);
}

static void timer_start(void)
{
    cli();
    old_tick = far32(0, 8 * 4);
    far32_set(0, 8 * 4, (u32)&tick_hook);
    outb(0x43, 0x36), outb(0x40, (u8)PIT_HZ_DIVISOR), outb(0x40, PIT_HZ_DIVISOR >> 8);
    sti();
}

static void timer_stop(void)
{
    cli();
    far32_set(0, 8 * 4, old_tick);
    outb(0x43, 0x36), outb(0x40, 0), outb(0x40, 0);
    sti();
}

/* --- INT 9 ----------------------------------------------------------------------------------------------- */

static void scan(u8 v)
{
    while (inb(0x64) & 2) {
    }
    outb(0x64, 0xd2);
    while (inb(0x64) & 2) {
    }
    outb(0x60, v);
    for (u32 i = 0; i < 3000 && inb(0x64) & 1; i++) inb(0x80);
}

static u16 read_key(void)
{
    Regs r = {.ax = 0x0100};
    int_call(0x16, &r);
    if (r.flags & FLAG_ZF) return 0;
    r = (Regs){0};
    int_call(0x16, &r);
    return r.ax;
}

/* The key that waits first when this one has been typed. */
static u16 typed(u8 code)
{
    scan(code), scan(code | 0x80);
    return read_key();
}

static void vector(u8 n, u32 handler)
{
    cli();
    far32_set(0, n * 4, handler);
    sti();
}

static bool keyboard_enabled(void)
{
    cli();
    outb(0x64, 0x20);
    while (!(inb(0x64) & 1)) {
    }
    u8 command = inb(0x60);
    sti();
    return !(command & 0x10);
}

static void test_keyboard(void)
{
    esc_old = far32(0, 9 * 4);
    vector(9, (u32)&esc_chain_isr);
    u16 key = typed(0x1e);
    expect("09 behind a program that read port 60h", key == 0x1e61, key);
    vector(9, (u32)&esc_isr);
    key = typed(0x1e);
    expect("09 a game keeps its keys", !key && esc_seen == 0x9e, esc_seen);
    scan(0x01);
    vector(9, esc_old);
    scan(0x81);
    expect("09 Esc ends the game", esc_seen == 0x01, esc_seen);
    expect("09 and the keyboard is enabled", keyboard_enabled(), 0);
    key = typed(0x1e);
    expect("09 which the BIOS sees, too", key == 0x011b, key);
    key = typed(0x39);
    expect("09 what is typed afterwards arrives", key == 0x1e61, key);
    read_key();
    old15 = far32(0, 0x15 * 4);
    vector(0x15, (u32)&hook15);
    typed(0x1e);
    vector(0x15, old15);
    expect("15 4F has DS = 40", seen15_ds == 0x40, seen15_ds);
    expect("15 4F has CF and IF", (seen15_flags & (FLAG_CF | FLAG_IF)) == (FLAG_CF | FLAG_IF), seen15_flags);
}

/* --- floppies, memory --------------------------------------------------------------------------------------- */

static void test_cylinders(void)
{
    Regs r = {.ax = 0x0232, .cx = 0x0002, .es = BUFFER >> 4};
    int_call(0x13, &r);
    expect("13 50 sectors from the second on", !(r.flags & FLAG_CF) && r.ax == 50, r.ax);
    u32 wrong = 0;
    for (u16 i = 0; i < 50; i++) {
        u16 at = (u16)(i + 1);
        r = (Regs){.ax = 0x0201, .es = STACK_SEG, .bx = 0x1000};
        r.ch = (u8)(at / 36), r.dh = (u8)(at / 18 % 2), r.cl = (u8)(at % 18 + 1);
        int_call(0x13, &r);
        for (u16 n = 0; n < 512; n += 4)
            wrong += far32(STACK_SEG, (u16)(0x1000 + n)) != far32(BUFFER >> 4, (u16)(i * 512 + n));
    }
    expect("13 they are those that follow on the disk", !wrong, wrong);
}

static bool all_alike(u32 pa, u32 bytes)
{
    u32 first = far32((u16)(pa >> 4), 0);
    for (u32 i = 4; i < bytes; i += 4)
        if (far32((u16)((pa + i) >> 4), (u16)(i & 0xf)) != first) return false;
    return true;
}

static void test_upper_memory(void)
{
    u32 free = 0;
    for (u32 pa = 0xe0000; pa < 0x100000; pa += 4096)
        if (all_alike(pa, 4096)) free = pa;
    expect("no page of E000-FFFF looks free", !free, free);
    u8 sum = 0;
    for (u32 i = 0; i < 0xc000; i++) sum = (u8)(sum + far8((u16)(0xe000 + (i >> 4)), (u16)(i & 0xf)));
    expect("E000 has a ROM's header of 48 KiB", far32(0xe000, 0) << 8 == 0x60aa5500u && !sum,
           far32(0xe000, 0));
    expect("EC00 has one of 16 KiB", far32(0xec00, 0) << 8 == 0x20aa5500u, far32(0xec00, 0));
}

void bios_test(u32 drive_number)
{
    (void)drive_number;
    cmos_read(CMOS_STATUS_D);
    test_keyboard();
    test_cylinders();
    test_upper_memory();
    timer_start();
    test_rows();
    timer_stop();
    say(failures ? "SOME FAILED\n" : "ALL PASSED\n");
    outb(0x501, failures ? 0x11 : 0x10);
    for (;;) sti_hlt();
}
