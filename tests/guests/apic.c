/* apic.c - a kernel that uses the local APIC and the I/O APIC as systems do: finds the tables, calibrates the timer,
 * takes interrupts of every kind. For tests/boot/apic.py.
 *
 * It talks on COM1: the tables' contents as lines "mp ..." and "madt ...", "ok NAME" for each test, "FAILED NAME" and
 * a number otherwise; "waits for NMI" asks whoever reads for one. It ends by port F4h: 0, or 1 after a failure. Where
 * CPUID shows no APIC it looks that there are no tables either, and says "no apic".
 *
 * Times are guest time by the TSC (1 GHz), so that a busy host makes it slow and not wrong.
 */
#include "serial.h"

enum { EXIT = 0xf4 };
enum { PIC1 = 0x20, PIC2 = 0xa0, PIC_EOI = 0x20, PIT = 0x40, PIT_CONTROL = 0x43, PORT_B = 0x61 };
enum { LAPIC = (int)0xfee00000, IOAPIC = (int)0xfec00000, TESTDEV_IRQ = 0x2000, MSR_APIC_BASE = 0x1b };
/* Registers of the local APIC. */
enum {
    ID = 0x20,
    VERSION = 0x30,
    TPR = 0x80,
    EOI = 0xb0,
    LDR = 0xd0,
    DFR = 0xe0,
    SVR = 0xf0,
    ESR = 0x280,
    ICR = 0x300,
    ICR_HIGH = 0x310,
    TIMER = 0x320,
    LINT0 = 0x350,
    LINT1 = 0x360,
    INITIAL = 0x380,
    CURRENT = 0x390,
    DIVIDE = 0x3e0
};
enum { MASKED = 1 << 16, PERIODIC = 1 << 17, LEVEL = 1 << 15, SELF = 1 << 18, BY_1 = 0xb };
enum { MS = 1000000 };
/* Vectors. The 8259s' are 20h to 2Fh. */
enum {
    NMI = 2,
    PIC_TICK = 0x20,
    ON_TIMER = 0x40,
    ON_LOW = 0x41,
    ON_TICK = 0x50,
    ON_HIGH = 0x51,
    ON_KEY = 0x52,
    ON_LEVEL = 0x53
};

void apic_main(void);
void isr(u32 vector);
extern u8 stubs[256][16];

static volatile u32 count[256], order[8], ordered;
static u32 failures;

/* --- talking --------------------------------------------------------------------------------------------- */

static void print_bytes(const char *what, const u8 *p, u32 n)
{
    print(what);
    for (u32 i = 0; i < n; i++) put(' '), print_hex(p[i], 2);
    print("\r\n");
}

static void expect(const char *name, int good, u32 seen)
{
    print(good ? "ok " : "FAILED ");
    print(name);
    if (!good) put(' '), print_hex(seen, 8);
    print("\r\n");
    failures += !good;
}

static void end(void)
{
    print("end\r\n");
    out32(EXIT, failures != 0);
}

/* --- the processor --------------------------------------------------------------------------------------- */

static inline void on(void) { __asm__ volatile("sti" : : : "memory"); }
static inline void off(void) { __asm__ volatile("cli" : : : "memory"); }
static inline void let_in(void) { __asm__ volatile("sti; nop; cli" : : : "memory"); }
static inline void halt(void) { __asm__ volatile("sti; hlt; cli" : : : "memory"); }

static inline u32 now(void) /* ns, wraps after 4 s */
{
    u32 low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return low;
}

static inline u32 cpuid_features(void)
{
    u32 a = 1, d;
    __asm__ volatile("cpuid" : "+a"(a), "=d"(d) : : "ebx", "ecx");
    return d;
}

static inline u32 base_read(void)
{
    u32 low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(MSR_APIC_BASE));
    return low;
}

static inline void base_write(u32 v)
{
    __asm__ volatile("wrmsr" : : "a"(v), "d"(0), "c"(MSR_APIC_BASE) : "memory");
}

static void idt_make(void)
{
    static u32 idt[256][2];
    static struct {
        u16 limit;
        u32 base;
    } __attribute__((packed)) pointer;
    for (u32 v = 0; v < 256; v++) {
        u32 at = (u32)stubs[v];
        idt[v][0] = 8 << 16 | (at & 0xffff);
        idt[v][1] = (at & 0xffff0000) | 0x8e00;
    }
    pointer.limit = sizeof idt - 1;
    pointer.base = (u32)idt;
    __asm__ volatile("lidt %0" : : "m"(pointer));
}

/* --- chips ----------------------------------------------------------------------------------------------- */

static inline u32 rd(u32 reg) { return *(volatile u32 *)(LAPIC + reg); }
static inline void wr(u32 reg, u32 v) { *(volatile u32 *)(LAPIC + reg) = v; }

static void pin(u32 n, u32 low)
{
    volatile u32 *select = (volatile u32 *)IOAPIC, *window = select + 4;
    *select = 0x11 + 2 * n, *window = 0;
    *select = 0x10 + 2 * n, *window = low;
}

static u32 ioapic_read(u32 reg)
{
    volatile u32 *select = (volatile u32 *)IOAPIC;
    *select = reg;
    return select[4];
}

static void pic_make(void)
{
    out8(PIC1, 0x11), out8(PIC1 + 1, PIC_TICK), out8(PIC1 + 1, 4), out8(PIC1 + 1, 1);
    out8(PIC2, 0x11), out8(PIC2 + 1, PIC_TICK + 8), out8(PIC2 + 1, 2), out8(PIC2 + 1, 1);
    out8(PIC1 + 1, 0xff), out8(PIC2 + 1, 0xff);
}

static void pit_periodic(u32 period)
{
    out8(PIT_CONTROL, 0x34), out8(PIT, (u8)period), out8(PIT, (u8)(period >> 8));
}

static void lapic_on(void)
{
    wr(SVR, 0x1ff), wr(TPR, 0), wr(DIVIDE, BY_1);
    wr(LINT0, MASKED | 0x700), wr(LINT1, 0x400), wr(TIMER, MASKED);
}

/* --- interrupts ------------------------------------------------------------------------------------------ */

void isr(u32 vector)
{
    if (vector < 32 && vector != NMI) {
        print("FAILED exception ");
        print_hex(vector, 2);
        print("\r\n");
        failures++;
        end();
    }
    count[vector]++;
    if (ordered < 8) order[ordered++] = vector;
    if (vector == ON_LEVEL && count[ON_LEVEL] == 3) out8(TESTDEV_IRQ + 11, 0); /* the device is content */
    if (vector >= 0x20 && vector < 0x30)
        out8(PIC1, PIC_EOI);
    else if (vector != NMI)
        wr(EOI, 0);
}

/* Until `vector` has come `n` times, with interrupts on; the most that this may take is 2 s. Returns how often it
 * came. */
static u32 wait_for(u32 vector, u32 n)
{
    u32 began = now();
    count[vector] = 0;
    on();
    while (count[vector] < n && now() - began < 2000u * MS) continue;
    off();
    return count[vector];
}

/* Whether `vector` stays away for a while, after one that was on its way. */
static int stays_away(u32 vector)
{
    let_in();
    u32 began = now();
    count[vector] = 0;
    on();
    while (now() - began < 20 * MS) continue;
    off();
    return !count[vector];
}

/* --- tables ---------------------------------------------------------------------------------------------- */

static int same(const u8 *p, const char *text)
{
    while (*text)
        if (*p++ != (u8)*text++) return 0;
    return 1;
}

static u8 sum(const u8 *p, u32 n)
{
    u8 s = 0;
    while (n--) s = (u8)(s + *p++);
    return s;
}

static u32 get32(const u8 *p) { return *(const u32 *)p; }

static const u8 *find(const char *signature, u32 from, u32 to, u32 bytes)
{
    for (u32 at = from; at + bytes <= to; at += 16)
        if (same((const u8 *)at, signature) && !sum((const u8 *)at, bytes)) return (const u8 *)at;
    return 0;
}

static const u8 *find_low(const char *signature, u32 bytes)
{
    u32 bda = 0x400;
    __asm__("" : "+r"(bda)); /* the compiler takes low addresses for null pointers */
    u32 ebda = *(volatile u16 *)(bda + 0xe) * 16u;
    const u8 *found = find(signature, ebda, ebda + 1024, bytes);
    return found ? found : find(signature, 0xe0000, 0x100000, bytes);
}

static void show_mp(const u8 *floating)
{
    const u8 *table = (const u8 *)get32(floating + 4), *e = table + 44;
    u32 bytes = *(const u16 *)(table + 4), n = *(const u16 *)(table + 34);
    expect("mp checksum", same(table, "PCMP") && !sum(table, bytes), bytes);
    expect("mp local apic", get32(table + 36) == (u32)LAPIC, get32(table + 36));
    print_bytes("mp mode", floating + 11, 5);
    for (; n; n--, e += e[0] ? 8 : 20) print_bytes("mp", e, e[0] ? 8 : 20);
    expect("mp length", e == table + bytes, (u32)(e - table));
}

static const u8 *acpi_table(const char *signature)
{
    const u8 *rsdp = find_low("RSD PTR ", 20), *rsdt = rsdp ? (const u8 *)get32(rsdp + 16) : 0;
    for (u32 n = 36; rsdt && n < get32(rsdt + 4); n += 4) {
        const u8 *t = (const u8 *)get32(rsdt + n);
        if (same(t, signature) && !sum(t, get32(t + 4))) return t;
    }
    return 0;
}

static void tables(void)
{
    const u8 *floating = find_low("_MP_", 16), *madt = acpi_table("APIC");
    expect("mp found", floating != 0, 0);
    if (floating) show_mp(floating);
    expect("madt found", madt != 0, 0);
    if (!madt) return;
    expect("madt local apic", get32(madt + 36) == (u32)LAPIC && get32(madt + 40) == 1, get32(madt + 36));
    for (const u8 *e = madt + 44; e < madt + get32(madt + 4); e += e[1]) print_bytes("madt", e, e[1]);
}

/* --- tests ----------------------------------------------------------------------------------------------- */

static void virtual_wire(void)
{
    pic_make();
    pit_periodic(1193);
    out8(PIC1 + 1, 0xfe);
    expect("tick by 8259 and LINT0", wait_for(PIC_TICK, 5) >= 5, count[PIC_TICK]);
    wr(LINT0, MASKED | 0x700);
    expect("LINT0 masked", stays_away(PIC_TICK), count[PIC_TICK]);
    out8(0x22, 0x70), out8(0x23, 0);
    expect("PIC mode by IMCR", wait_for(PIC_TICK, 5) >= 5, count[PIC_TICK]);
    out8(0x22, 0x70), out8(0x23, 1);
    expect("APIC mode by IMCR", stays_away(PIC_TICK), count[PIC_TICK]);
    out8(PIC1 + 1, 0xff);
}

/* Counts of the APIC's timer in 10 ms of the PIT's channel 2. */
static u32 timer_counts(void)
{
    enum { TICKS = 11932 };
    out8(PORT_B, (in8(PORT_B) & 0x0c) | 1);
    out8(PIT_CONTROL, 0xb0), out8(PIT + 2, TICKS & 0xff);
    wr(INITIAL, 0xffffffff);
    out8(PIT + 2, TICKS >> 8);
    while (!(in8(PORT_B) & 0x20)) continue;
    u32 counts = 0xffffffff - rd(CURRENT);
    wr(INITIAL, 0);
    return counts;
}

static void calibrate(void)
{
    u32 best = 0xffffffff;
    /* A host that is away at the end makes it longer, never shorter; a busy one often is. */
    for (int n = 0; n < 20 || (n < 1000 && best >= 10500000); n++) {
        u32 counts = timer_counts();
        if (counts < best) best = counts;
    }
    expect("timer against the PIT", best > 9900000 && best < 10500000, best);
}

/* A period of a nanosecond: does a loop come round `wanted` times in 20 ms? A busy host may be away for all of these, so
 * there are a hundred chances; where the interrupts themselves take all time, none is one. */
static int storm_leaves(u32 wanted)
{
    u32 rounds = 0;
    wr(TIMER, PERIODIC | ON_TIMER);
    wr(INITIAL, 1);
    for (int n = 0; n < 100 && rounds < wanted; n++) {
        u32 began = now();
        on();
        for (rounds = 0; now() - began < 20 * MS; rounds++) continue;
        off();
    }
    wr(INITIAL, 0), wr(TIMER, MASKED);
    let_in();
    return rounds >= wanted;
}

static void timer(void)
{
    wr(TIMER, ON_TIMER);
    count[ON_TIMER] = 0;
    u32 began = now();
    wr(INITIAL, 2 * MS);
    while (!count[ON_TIMER]) halt();
    expect("one-shot wakes HLT", now() - began >= 2 * MS, now() - began);
    expect("one-shot comes once", stays_away(ON_TIMER), count[ON_TIMER]);
    wr(TIMER, PERIODIC | ON_TIMER);
    began = now();
    wr(INITIAL, MS);
    wait_for(ON_TIMER, 20);
    expect("periodic", count[ON_TIMER] >= 20 && now() - began >= 20 * MS, count[ON_TIMER]);
    wr(TIMER, PERIODIC | MASKED | ON_TIMER);
    expect("timer masked", stays_away(ON_TIMER), count[ON_TIMER]);
    expect("a storm of ticks leaves time", storm_leaves(50), 0);
}

static void ipis(void)
{
    wr(ICR, SELF | ON_LOW);
    expect("IPI to self", wait_for(0, 0) == 0 && count[ON_LOW] == 1, count[ON_LOW]);
    wr(ICR_HIGH, rd(ID)), wr(ICR, ON_LOW);
    let_in();
    expect("IPI by ID", count[ON_LOW] == 2, count[ON_LOW]);
    wr(DFR, 0xffffffff), wr(LDR, 0x02000000), wr(ICR_HIGH, 0x02000000), wr(ICR, 0x800 | ON_LOW);
    let_in();
    expect("IPI by logical ID", count[ON_LOW] == 3, count[ON_LOW]);
    ordered = 0;
    wr(ICR, SELF | ON_LOW), wr(ICR, SELF | ON_HIGH);
    let_in();
    expect("the higher vector first", ordered == 2 && order[0] == ON_HIGH && order[1] == ON_LOW, order[0]);
    wr(TPR, 0x40);
    wr(ICR, SELF | ON_LOW);
    expect("TPR holds back", stays_away(ON_LOW), count[ON_LOW]);
    on();
    wr(TPR, 0);
    __asm__ volatile("nop");
    off();
    expect("TPR lets go", count[ON_LOW] == 1, count[ON_LOW]);
    wr(ICR, SELF | 0x400);
    expect("NMI to self", count[NMI] == 1, count[NMI]);
    wr(ICR, SELF | 0x600);
    wr(ESR, 0), rd(ESR);
    wr(ICR, SELF | 5);
    wr(ESR, 0);
    expect("illegal vector", rd(ESR) == 0x20, rd(ESR));
}

/* A byte from the keyboard, as the controller's command D2h says. */
static void key(void)
{
    while (in8(0x64) & 1) in8(0x60);
    out8(0x64, 0x60), out8(0x60, 0x01);
    out8(0x64, 0xd2), out8(0x60, 0x1e);
}

static void io_apic(void)
{
    expect("I/O APIC", (ioapic_read(1) & 0xff00ff) == 0x170011 && ioapic_read(0) == 1 << 24, ioapic_read(1));
    pin(2, ON_TICK);
    expect("PIT at pin 2", wait_for(ON_TICK, 5) >= 5, count[ON_TICK]);
    pin(2, MASKED | ON_TICK);
    expect("pin 2 masked", stays_away(ON_TICK), count[ON_TICK]);
    pin(1, ON_KEY);
    key();
    expect("keyboard at pin 1", wait_for(ON_KEY, 1) == 1, count[ON_KEY]);
    pin(1, MASKED | ON_KEY);
    in8(0x60);
    count[ON_LEVEL] = 0;
    pin(11, LEVEL | ON_LEVEL);
    out8(TESTDEV_IRQ + 11, 1);
    let_in();
    expect("a level comes until it falls", count[ON_LEVEL] == 3, count[ON_LEVEL]);
    pin(11, MASKED);
    count[NMI] = 0;
    pin(2, 0x400);
    u32 began = now();
    while (!count[NMI] && now() - began < 2000u * MS) continue;
    pin(2, MASKED);
    expect("NMI from a pin", count[NMI] > 0, count[NMI]);
}

static void disabling(void)
{
    u32 base = base_read();
    expect("IA32_APIC_BASE", base == 0xfee00900, base);
    base_write(base & ~(1u << 11));
    expect("switched off: CPUID", !(cpuid_features() & 1 << 9), cpuid_features());
    expect("switched off: registers", rd(VERSION) == 0xffffffff, rd(VERSION));
    out8(PIC1 + 1, 0xfe);
    expect("switched off: 8259", wait_for(PIC_TICK, 5) >= 5, count[PIC_TICK]);
    out8(PIC1 + 1, 0xff);
    base_write(0xfed00900);
    expect("moved",
           *(volatile u32 *)0xfed00030 == *(volatile u32 *)(0xfed00000 + VERSION) &&
               rd(VERSION) == 0xffffffff,
           rd(VERSION));
    base_write(base);
    expect("switched on", cpuid_features() & 1 << 9 && (rd(VERSION) & 0xf0) == 0x10, rd(VERSION));
    lapic_on();
    wr(TIMER, ON_TIMER), wr(INITIAL, MS);
    expect("switched on: timer", wait_for(ON_TIMER, 1) == 1, count[ON_TIMER]);
}

/* Anything in any register, interrupts off; then all of it must be as good as new. */
static void hostile(void)
{
    u32 seed = 1;
    for (u32 n = 0; n < 20000; n++) {
        seed = seed * 1664525 + 1013904223;
        u32 reg = (seed >> 8 & 0x3f) * 16, v = seed ^ seed >> 13;
        if (seed >> 30 == 0) *(volatile u32 *)IOAPIC = v >> 3 & 0x3f, *(volatile u32 *)(IOAPIC + 16) = v;
        if (seed >> 30 == 1) rd(reg);
        u32 mode = v >> 8 & 7;
        if (seed >> 30 > 1 && !(reg == ICR && (mode == 4 || mode == 5)))
            wr(reg, v); /* neither NMI nor INIT */
    }
    for (u32 n = 0; n < 24; n++) pin(n, MASKED);
    base_write(0xfee00100), base_write(0xfee00900);
    lapic_on();
    wr(TIMER, ON_TIMER), wr(INITIAL, MS);
    expect("after hostile writes: timer", wait_for(ON_TIMER, 1) == 1, count[ON_TIMER]);
    pin(2, ON_TICK);
    expect("after hostile writes: PIT", wait_for(ON_TICK, 2) >= 2, count[ON_TICK]);
    pin(2, MASKED);
}

static void nmi_button(void)
{
    count[NMI] = 0;
    print("waits for NMI\r\n");
    u32 began = now(), seconds = 0;
    while (!count[NMI] && seconds < 100)
        if (now() - began > 1000u * MS) began = now(), seconds++;
    expect("NMI at LINT1", count[NMI] == 1, count[NMI]);
}

static void fw_cfg(void)
{
    char signature[5] = "";
    out16(0x510, 0);
    for (int n = 0; n < 4; n++) signature[n] = (char)in8(0x511);
    out16(0x510, 5);
    u8 processors = in8(0x511);
    expect("fw_cfg", same((const u8 *)signature, "QEMU") && processors == 1, processors);
}

static void without(void)
{
    expect("no mp table", !find_low("_MP_", 16), 0);
    expect("no madt", !acpi_table("APIC"), 0);
    expect("no registers", rd(VERSION) == 0xffffffff && ioapic_read(1) == 0xffffffff, rd(VERSION));
    pic_make();
    pit_periodic(1193);
    out8(PIC1 + 1, 0xfe);
    expect("tick by 8259", wait_for(PIC_TICK, 5) >= 5, count[PIC_TICK]);
    print("no apic\r\n");
}

void apic_main(void)
{
    idt_make();
    fw_cfg();
    if (!(cpuid_features() & 1 << 9)) {
        without();
        end();
    }
    tables();
    virtual_wire();
    print("version "), print_hex(rd(VERSION), 8), print("\r\n");
    lapic_on();
    calibrate();
    timer();
    ipis();
    io_apic();
    nmi_button();
    if (cpuid_features() & 1 << 15) disabling(), hostile(); /* a P6 has the MSR */
    end();
}
