/* chaos.c - hostile guests: random code, random tables, random state, in every mode, through one engine. ring3 must
 * neither crash nor hang nor stop listening; what the guest computes does not matter.
 *
 *   chaos interp|translate [ROUNDS [SEED [board|flood]]]     0 rounds: endless
 *
 * With `flood` the guest fills tables instead (docs/BOUNDS.md): hundreds of thousands of tiny functions that call,
 * patch and store beside each other, in dozens of address spaces and code segments; ids are close to their end now
 * and then. RING3_CACHE=4 makes regions small.
 *
 * With `board` the processor sits on the whole board: code has many IN and OUT to ports of chips, code and data lie
 * in the VGA's memory as well as in RAM, page tables show both, interrupts of all chips come, disks, network and sound
 * cards move memory by DMA, into code as well, VMware's port changes registers, and the guest moves base addresses under
 * its own feet. Resets and power-off happen as they do on a PC.
 *
 * Each round fills the low megabyte with instructions of all classes (system ones included), descriptor and page
 * tables with plausible and implausible entries, and lets the processor run until it halts, triple-faults, or a
 * second thread stops it after a few milliseconds. If a round does not end within ten seconds of the stop, and has
 * had five seconds of CPU time meanwhile (a busy machine starves a low priority), the test fails; it does after two
 * minutes anyhow.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "hw/hpet.h"
#include "hw/ioapic.h"
#include "hw/machine.h"
#include "tests/insn_gen.h"
#include "tests/vm.h"
#include "translator/audit/audit.h"

enum {
    CODE = 0x1000,
    CODE_BYTES = 0x7000,
    GDT = 0x10000,
    IDT = 0x11000,
    TSS = 0x12000,
    PAGE_DIR = 0x14000,
    PAGE_TABLES = 0x15000,
    PDPT = TSS + 0x800,
    ROUND_US = 3000,
    STUCK_US = 10 * 1000 * 1000,
    STUCK_CPU_US = 5 * 1000 * 1000,
    STUCK_ANYHOW_US = 120 * 1000 * 1000
};
enum { PCNET, RTL8139, NE2K_PCI, NICS };
enum { CARD_IO = 0xd000, CARD_PORTS = 0x100, CARDS = NICS + 3 }; /* AC97 is two of them */

static Vm vm;
static Machine *board; /* NULL: a processor with RAM */
static bool floods;
static u64 first_seed;
static _Atomic u64 round_now;

static u64 cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (u64)t.tv_sec * 1000000 + (u64)t.tv_nsec / 1000;
}

static const char *word(const char *variable)
{
    const char *v = getenv(variable);
    return v ? v : "";
}

/* Which round, and how to see it again. What one does depends on those before it too, and on when it was stopped. */
static void say_round(void)
{
    unsigned long long n = atomic_load(&round_now), first = first_seed;
    fflush(stdout);
    fprintf(stderr, "chaos: round %llu, seed %llu, at %04x:%08x, attention %x\n", n, first + n - 1,
            vm.c.seg[CS].sel, vm.c.eip, atomic_load(&vm.c.attention));
    fprintf(stderr, "again: RING3_FORM=%s RING3_HOST=%s RING3_CACHE=%s chaos %s %llu %llu %s\n",
            word("RING3_FORM"), word("RING3_HOST"), word("RING3_CACHE"), vm.xlat ? "translate" : "interp", n,
            first,
            board    ? "board"
            : floods ? "flood"
                     : "");
}

static void stuck(void)
{
    printf("chaos: a round that does not stop\n0 passed, 1 failed\n");
    say_round();
    if (getenv("CHAOS_WAIT")) sleep(600); /* for a debugger */
    _exit(1);
}

/* Stops round after round; ends the process when one does not obey. */
static void *watchdog(void *arg)
{
    (void)arg;
    u64 seen = 0, since_us = 0, cpu_then = 0;
    for (;;) {
        usleep(ROUND_US);
        u64 now = atomic_load(&round_now);
        since_us = now == seen ? since_us + ROUND_US : 0;
        seen = now;
        if (!since_us) cpu_then = cpu_us();
        if (since_us > STUCK_ANYHOW_US || (since_us > STUCK_US && cpu_us() - cpu_then > STUCK_CPU_US))
            stuck();
        if (since_us) cpu_attention(&vm.c, !board || since_us > 2 * ROUND_US ? ATT_STOP : ATT_CLOCK);
    }
    return NULL;
}

/* --- the board ------------------------------------------------------------------------------------------- */

static int zeros(Medium *d, u64 sector, void *to, u32 count)
{
    CHECK(sector + count <= d->sectors, "sector %llu", (unsigned long long)sector);
    memset(to, (int)sector, (size_t)count * SECTOR_BYTES);
    return 0;
}
static int lost(Medium *d, u64 sector, const void *from, u32 count)
{
    CHECK(sector + count <= d->sectors && from, "sector %llu", (unsigned long long)sector);
    return 0;
}
static int flushed(Medium *d) { return (void)d, 0; }

static int forgotten(Medium *d, u64 sector, u32 count)
{
    CHECK(sector + count <= d->sectors, "sector %llu", (unsigned long long)sector);
    return 0;
}

static Medium floppy = {2880, false, "floppy", "raw", zeros, lost, flushed, NULL, NULL},
              disk = {100000, false, "disk", "raw", zeros, lost, flushed, NULL, forgotten},
              cd = {4000, true, "cd", "raw", zeros, lost, flushed, NULL, NULL};

static void on_intr(void *c, bool level) { (void)c, cpu_set_intr(&vm.c, level); }
static void on_nmi(void *c) { (void)c, cpu_attention(&vm.c, ATT_NMI); }
static void on_init(void *c) { (void)c, cpu_attention(&vm.c, ATT_INIT); }
static void on_reset(void *c) { (void)c, cpu_attention(&vm.c, ATT_RESET); }
static void on_poweroff(void *c) { (void)c, cpu_attention(&vm.c, ATT_STOP); }
static void on_a20(void *ctx, bool on)
{
    Vcpu *c = &vm.c;
    (void)ctx, (void)on;
    if (c->engine) c->engine->paging_changed(c->engine->ctx, c, EV_A20);
}

static u32 *on_registers(void *ctx) { return (void)ctx, vm.c.gpr; }

/* The network cards hear what any of them has sent last. */
static u8 frame[NET_FRAME_MOST];
static u32 frame_bytes;
static u64 frames;

static void on_frame(NetPort *p, const u8 *bytes, u32 n)
{
    CHECK(n <= sizeof frame, "a frame of %u bytes", n);
    (void)p;
    memcpy(frame, bytes, frame_bytes = n);
    memset(frame, 0xff, 6); /* to all */
    frames++;
    cpu_attention(&vm.c, ATT_CLOCK);
}

static void frames_come(void)
{
    for (u32 n = 0; frame_bytes && n < NICS; n++) {
        NetPort *p = machine_net(board, n);
        p->receive(p->dev, frame, frame_bytes);
    }
}

/* A PC with code in place of a BIOS. */
static void board_start(void)
{
    static const MachineEvents events = {.intr = on_intr,
                                         .nmi = on_nmi,
                                         .init = on_init,
                                         .reset = on_reset,
                                         .poweroff = on_poweroff,
                                         .a20 = on_a20,
                                         .registers = on_registers};
    MachineConfig cfg = {.ram_bytes = 16 << 20,
                         .lapic_version = LAPIC_P6,
                         .hpet = true,
                         .vmport = true,
                         .nic = {[PCNET] = {NIC_PCNET, {2, 0, 0, 0, 0, 1}, 0, 0},
                                 [RTL8139] = {NIC_RTL8139, {2, 0, 0, 0, 0, 2}, 0, 0},
                                 [NE2K_PCI] = {NIC_NE2K_PCI, {2, 0, 0, 0, 0, 3}, 0, 0}},
                         .sb16 = {true, 0x220, 5, 1, 5},
                         .es1370 = true,
                         .ac97 = true,
                         .drive = {[DRIVE_FLOPPY_A] = {.present = true, .medium = &floppy},
                                   [DRIVE_IDE_0] = {.present = true, .medium = &disk},
                                   [DRIVE_IDE_2] = {.present = true, .cdrom = true, .medium = &cd}}};
    board = machine_new(&cfg, &events);
    CHECK(board, "no memory");
    vm.bus = machine_bus(board);
    vm.phys = machine_phys(board);
    for (u32 n = 0; n < NICS; n++) machine_net(board, n)->send = on_frame;
}

static void port_out(u16 port, u32 value, unsigned bytes) { bus_port_out(vm.bus, port, value, bytes); }

static u16 some_port(InsnGen *g)
{
    static const u16 home[] = {0x00,  0x20,  0x40,  0x60,   0x61,  0x64,  0x70,  0x80,  0x92,  0xa0,
                               0xc0,  0xf0,  0x170, 0x1ce,  0x1f0, 0x2f8, 0x376, 0x378, 0x3b4, 0x3c0,
                               0x3c4, 0x3ce, 0x3d4, 0x3f2,  0x3f6, 0x3f8, 0x4d0, 0x604, 0xcf8, 0xcfc,
                               0x1cf, 0x3c5, 0x3cf, 0xc000, 0x220, 0x224, 0x22c, 0x388};
    if (gen_chance(g, 20)) return (u16)(CARD_IO + gen_below(g, CARDS * CARD_PORTS));
    return gen_chance(g, 90) ? (u16)(home[gen_below(g, ARRAY_LEN(home))] + gen_below(g, 3))
                             : (u16)gen_random(g);
}

/* MOV DX, port, sometimes MOV EAX, value; IN or OUT, sometimes INS or OUTS with REP. */
static unsigned port_access(InsnGen *g, u8 *b)
{
    static const u8 ops[] = {0xec, 0xed, 0xee, 0xef, 0x6c, 0x6d, 0x6e, 0x6f};
    unsigned n = 0;
    u16 port = some_port(g);
    b[n++] = 0xba, b[n++] = (u8)port, b[n++] = (u8)(port >> 8);
    if (g->mode.code32) b[n++] = 0, b[n++] = 0;
    if (gen_chance(g, 50)) b[n++] = 0xb0, b[n++] = (u8)gen_random(g);
    if (gen_chance(g, 10)) b[n++] = 0xf3;
    b[n++] = ops[gen_below(g, gen_chance(g, 80) ? 4 : 8)];
    return n;
}

static unsigned mov_dword(const InsnGen *g, u8 *b, unsigned reg, u32 v)
{
    unsigned n = 0;
    if (!g->mode.code32) b[n++] = 0x66;
    b[n++] = (u8)(0xb8 + reg);
    store32(b + n, v);
    return n + 4;
}

/* A call of VMware's backdoor, which changes up to six registers. */
static unsigned vmware_call(InsnGen *g, u8 *b)
{
    static const u8 commands[] = {10, 20, 23, 39, 39, 40, 41, 41, 46};
    static const u32 words[] = {0x45414552, 0x53424152, 0x4c455252, 0xf5, 1, 4, 6};
    unsigned n = mov_dword(g, b, EAX, 0x564d5868);
    n += mov_dword(g, b + n, ECX, commands[gen_below(g, ARRAY_LEN(commands))]);
    n += mov_dword(g, b + n, EBX, words[gen_below(g, ARRAY_LEN(words))]);
    n += mov_dword(g, b + n, EDX, 0x5658);
    if (!g->mode.code32) b[n++] = 0x66;
    b[n++] = gen_chance(g, 70) ? 0xed : 0xef;
    return n;
}

/* A frame that the RTL8139 sends: all cards put it into memory, under the guest's feet. */
static unsigned frame_send(InsnGen *g, u8 *b)
{
    unsigned n = mov_dword(g, b, EAX, 60 + gen_below(g, 1450));
    n += mov_dword(g, b + n, EDX, CARD_IO + CARD_PORTS * RTL8139 + 0x10 + 4 * gen_below(g, 4));
    if (!g->mode.code32) b[n++] = 0x66;
    b[n++] = 0xef;
    return n;
}

/* Where cards find and put what they move: in the code, mostly. */
static u32 moved_pa(InsnGen *g)
{
    return gen_chance(g, 70)   ? CODE + gen_below(g, CODE_BYTES)
           : gen_chance(g, 70) ? 0xa0000 + gen_below(g, 0x20000)
                               : gen_random(g);
}

static void rtl8139_prepare(InsnGen *g, u16 io)
{
    port_out(io + 0x37, 0x0c, 1);                            /* CR: both sides */
    port_out(io + 0x30, moved_pa(g), 4);                     /* RBSTART */
    port_out(io + 0x44, 0x0f | (gen_random(g) & 0x1880), 4); /* RCR */
    for (u16 n = 0; n < 16; n += 4) {
        port_out(io + 0x20 + n, moved_pa(g), 4);             /* TSAD */
        port_out(io + 0x10 + n, 60 + gen_below(g, 1450), 4); /* TSD: go */
    }
}

static void pcnet_csr(u16 io, u16 n, u16 v) { port_out(io + 0x12, n, 2), port_out(io + 0x10, v, 2); }

/* Promiscuous, rings of four descriptors, of 16 bytes each. */
static void pcnet_prepare(InsnGen *g, u16 io)
{
    enum { BLOCK = 0xb000, RINGS = 0xb100, RING = 0x40 };
    bus_port_in(vm.bus, io + 0x14, 2); /* reset */
    port_out(io + 0x12, 20, 2), port_out(io + 0x16, 2, 2);
    phys_write(vm.phys, BLOCK, 0x20208000, 4);
    phys_write(vm.phys, BLOCK + 20, RINGS, 4), phys_write(vm.phys, BLOCK + 24, RINGS + RING, 4);
    for (u32 at = RINGS; at < RINGS + 2 * RING; at += 16) {
        phys_write(vm.phys, at, moved_pa(g), 4);
        phys_write(vm.phys, at + 4, 0x8300f000 | (gen_random(g) & 0xfff), 4);
    }
    pcnet_csr(io, 1, BLOCK), pcnet_csr(io, 2, 0);
    pcnet_csr(io, 0, 0x43); /* INIT, STRT, interrupts */
}

/* All streams run; what is recorded is silence, over code. */
static void sound_prepare(InsnGen *g, u16 es1370, u16 nabm)
{
    enum { LIST = 0xb200 };
    for (u32 n = 0; n < 6; n++) {
        port_out(es1370 + 0x0c, n < 4 ? 0xc : 0xd, 4);
        port_out(es1370 + 0x30 + 4 * (n & 3), n & 1 ? gen_below(g, 0x100) : moved_pa(g), 4);
    }
    for (u16 n = 0x24; n < 0x30; n += 4) port_out(es1370 + n, gen_below(g, 2) ? 0 : gen_below(g, 100), 4);
    port_out(es1370 + 0x20, 0x0700 | (gen_random(g) & 0x3f), 4);
    port_out(es1370, 0x70, 4);
    for (u32 n = 0; n < 32; n++) {
        phys_write(vm.phys, LIST + 8 * n, moved_pa(g), 4);
        phys_write(vm.phys, LIST + 8 * n + 4, gen_below(g, 200) | 1u << 31, 4);
    }
    port_out(nabm + 0x2c, 2, 4);
    for (u16 n = 0; n < 0x30; n += 0x10) {
        port_out(nabm + n, LIST, 4), port_out(nabm + n + 5, 31, 1);
        port_out(nabm + n + 11, 0x15, 1);
    }
}

/* Each where its slot says, and master of the bus. */
static void cards_prepare(InsnGen *g)
{
    enum { FIRST_SLOT = 3, ES1370 = NICS, AC97, AC97_NABM };
    for (u32 n = 0; n <= AC97; n++) {
        u32 function = 0x80000000 | (FIRST_SLOT + n) << 11;
        port_out(0xcf8, function | 0x10, 4), port_out(0xcfc, CARD_IO + CARD_PORTS * n, 4);
        if (n == AC97)
            port_out(0xcf8, function | 0x14, 4), port_out(0xcfc, CARD_IO + CARD_PORTS * AC97_NABM, 4);
        port_out(0xcf8, function | 4, 4), port_out(0xcfc, 7, 2);
    }
    rtl8139_prepare(g, CARD_IO + CARD_PORTS * RTL8139);
    pcnet_prepare(g, CARD_IO + CARD_PORTS * PCNET);
    sound_prepare(g, CARD_IO + CARD_PORTS * ES1370, CARD_IO + CARD_PORTS * AC97_NABM);
}

/* Both APICs on, with a timer of any period and entries of any kind; the guest's stores may hit them all. */
static void apics_prepare(InsnGen *g)
{
    u32 lapic = (u32)LAPIC_DEFAULT_PA, ioapic = (u32)IOAPIC_PA;
    phys_write(vm.phys, lapic + 0xf0, 0x1ff, 4);
    phys_write(vm.phys, lapic + 0x320, gen_random(g) & 0x300ff, 4);
    phys_write(vm.phys, lapic + 0x380, gen_below(g, 4) ? gen_below(g, 100000) : gen_random(g), 4);
    for (u32 n = gen_below(g, 10); n; n--) {
        phys_write(vm.phys, ioapic, 0x10 + 2 * gen_below(g, IOAPIC_PINS), 4);
        phys_write(vm.phys, ioapic + 0x10, gen_random(g) & 0x1a7ff, 4);
    }
}

/* The HPET runs, its timers with any configuration and matches that are near. */
static void hpet_prepare(InsnGen *g)
{
    u32 pa = (u32)HPET_PA;
    phys_write(vm.phys, pa + 0x10, 1 | (gen_chance(g, 50) ? 2 : 0), 4);
    for (u32 n = 0; n < HPET_TIMERS; n++) {
        phys_write(vm.phys, pa + 0x100 + 0x20 * n, gen_random(g) & 0x3f4e, 4);
        phys_write(vm.phys, pa + 0x108 + 0x20 * n, phys_read(vm.phys, pa + 0xf0, 4) + gen_below(g, 20000), 4);
    }
}

/* The VGA's memory becomes plain memory in one of a few ways; the frame buffer lies where it does on a PC, or
 * elsewhere. */
static void board_prepare(InsnGen *g)
{
    static const u32 frame_buffers[] = {0xe0000000, 0xe0000000, 0x00000000, 0x00800000, 0x01000000};
    if (gen_chance(g, 20)) machine_reset(board);
    port_out(0x92, 2, 1);
    port_out(0xcf8, 0x80001010, 4), port_out(0xcfc, frame_buffers[gen_below(g, ARRAY_LEN(frame_buffers))], 4);
    port_out(0xcf8, 0x80001004, 4), port_out(0xcfc, 3, 2);
    port_out(0x3c4, 0x0604 | (gen_chance(g, 70) ? 0x0800 : 0), 2), port_out(0x3c4, 0x0f02, 2);
    port_out(0x3ce, 0x0005 | gen_below(g, 8) << 12, 2), port_out(0x3ce, 0x0506 & ~(gen_below(g, 4) << 10), 2);
    port_out(0x1ce, 1, 2), port_out(0x1cf, 640, 2), port_out(0x1ce, 2, 2), port_out(0x1cf, 480, 2);
    port_out(0x1ce, 3, 2), port_out(0x1cf, 8, 2), port_out(0x1ce, 4, 2),
        port_out(0x1cf, gen_chance(g, 60) ? 0xc1 : 0, 2);
    port_out(0x21, gen_random(g) & 0xf8, 1), port_out(0xa1, gen_random(g), 1);
    apics_prepare(g);
    if (gen_chance(g, 50)) hpet_prepare(g);
    if (gen_chance(g, 50)) cards_prepare(g);
}

/* Code is in the VGA's window, too; some of the pages that tables show are the VGA's. */
static void board_fill(InsnGen *g, u8 *ram)
{
    static const u32 apics[] = {(u32)LAPIC_DEFAULT_PA, (u32)LAPIC_DEFAULT_PA, (u32)IOAPIC_PA, (u32)HPET_PA};
    for (u32 at = 0; at < CODE_BYTES; at += 4)
        phys_write(vm.phys, 0xa0000 + CODE + at, load32(ram + CODE + at), 4);
    for (u32 n = 0; n < 40; n++) {
        u32 pa = gen_chance(g, 70) ? 0xa0000 + gen_below(g, 32) * PAGE_BYTES
                                   : 0xe0000000 + gen_below(g, 64) * PAGE_BYTES;
        if (gen_chance(g, 20)) pa = apics[gen_below(g, ARRAY_LEN(apics))];
        store32(ram + PAGE_TABLES + 4 * gen_below(g, 64), pa | 7);
    }
}

static void board_aim(InsnGen *g, Vcpu *c)
{
    static const u32 data[] = {
        0xa0000, 0xa8000, 0xb0000, 0xb8000, 0xe0000000, 0xc0000, (u32)LAPIC_DEFAULT_PA};
    if (gen_chance(g, 40))
        for (int s = 0; s < SEG_COUNT; s++)
            if (s != CS && s != SS && gen_chance(g, 60)) c->seg[s].base = data[gen_below(g, ARRAY_LEN(data))];
    if (gen_chance(g, 40)) c->seg[CS].base = 0xa0000;
}

static void board_service(void *ctx)
{
    static u32 times;
    (void)ctx;
    machine_service(board);
    frames_come();
    if (++times % 64 == 0) machine_pointer(board, times * 7919 & 0xffff, times & 0xffff, 0, times >> 6 & 7);
}

/* A reset, and code at once where the firmware would be; now and then the end of the round. */
static bool board_reset(void *ctx)
{
    static u32 resets;
    (void)ctx;
    machine_reset(board);
    cpu_reset(&vm.c);
    vm.c.seg[CS].base = resets++ % 2 ? 0 : 0xa0000;
    vm.c.eip = CODE + resets % CODE_BYTES;
    return resets % 8;
}

static void board_run(void)
{
    const RunHooks hooks = {.ctx = &vm.c, .service = board_service, .idle = vm_idle, .reset = board_reset};
    vm.c.halted = 0;
    vm.c.stop_reason = STOP_NONE;
    cpu_run(&vm.c, &hooks);
}

/* --- what the guest consists of -------------------------------------------------------------------------- */

static void fill_code(InsnGen *g, u8 *ram)
{
    for (u32 at = CODE; at < CODE + CODE_BYTES;) {
        Insn i;
        u8 b[2 * INSN_GEN_MAX]; /* a call of VMware's is five instructions */
        unsigned n = gen_chance(g, 3) ? (gen_random(g) & 7) + 1 : insn_gen_any(g, b, &i);
        if (board && gen_chance(g, 20)) {
            n = gen_chance(g, 5)   ? vmware_call(g, b)
                : gen_chance(g, 5) ? frame_send(g, b)
                                   : port_access(g, b);
            memcpy(ram + at, b, n);
            at += n;
            continue;
        }
        if (n > 8 || gen_chance(g, 97))
            memcpy(ram + at, b, n);
        else
            for (unsigned k = 0; k < n; k++) ram[at + k] = (u8)gen_random(g);
        at += n;
    }
}

/* Descriptors: flat ones, odd ones, gates into the code, task gates; the TSSs are random with sane stacks. */
static void fill_tables(InsnGen *g, u8 *ram)
{
    for (u32 n = 0; n < 512; n++) {
        u64 d = (u64)gen_random(g) << 32 | gen_random(g);
        if (gen_chance(g, 60)) d = 0x00cf92000000ffffull | (u64)(gen_random(g) & 0x6f) << 40;
        store64(ram + GDT + 8 * n, d);
        u64 gate = (u64)(CODE + gen_below(g, CODE_BYTES)) | 8u << 16 |
                   (u64)(0x8e00 | (gen_random(g) & 0x6100)) << 32;
        if (gen_chance(g, 10)) gate ^= (u64)1 << (32 + gen_below(g, 16));
        store64(ram + IDT + 8 * n, gate);
    }
    store64(ram + GDT, 0);
    store64(ram + GDT + 8, 0x00cf9b000000ffffull);
    store64(ram + GDT + 16, 0x00cf93000000ffffull);
    for (u32 n = 0; n < 0x200; n += 4) store32(ram + TSS + n, gen_chance(g, 50) ? 0x9000 : gen_value(g));
}

static void fill_pages(InsnGen *g, u8 *ram)
{
    for (u32 n = 0; n < 1024; n++) {
        u32 e = (PAGE_TABLES + (n & 3) * PAGE_BYTES) | 7;
        if (n && gen_chance(g, 30)) e = gen_random(g);
        store32(ram + PAGE_DIR + 4 * n, e);
        for (u32 t = 0; t < 4; t++)
            store32(ram + PAGE_TABLES + t * PAGE_BYTES + 4 * n,
                    n << 12 | (gen_chance(g, 90) ? 7 : gen_random(g) & 0xfff));
    }
}

/* The same with PAE: directories and tables lie among the tables of the others. Some entries have odd high halves. */
static void fill_pages_pae(InsnGen *g, u8 *ram)
{
    for (u32 n = 0; n < 4; n++) {
        u64 e = (PAGE_DIR + (gen_chance(g, 80) ? 0 : gen_below(g, 4)) * PAGE_BYTES) | 1;
        store64(ram + PDPT + 8 * n, gen_chance(g, 95) ? e : e ^ (u64)1 << gen_below(g, 64));
    }
    for (u32 n = 0; n < 512; n++) {
        u64 e = (PAGE_TABLES + (n & 3) * PAGE_BYTES) | 7;
        if (n && gen_chance(g, 30)) e = gen_chance(g, 50) ? gen_random(g) : e ^ (u64)1 << gen_below(g, 64);
        store64(ram + PAGE_DIR + 8 * n, e);
        for (u32 t = 0; t < 4; t++) {
            e = n << 12 | (gen_chance(g, 90) ? 7 : gen_random(g) & 0xfff);
            store64(ram + PAGE_TABLES + t * PAGE_BYTES + 8 * n,
                    gen_chance(g, 90) ? e : e ^ (u64)1 << (32 + gen_below(g, 32)));
        }
    }
}

/* By the instructions' own way, since the table may be one that cannot be loaded. */
static void pae_on(InsnGen *g, Vcpu *c)
{
    u32 cr0 = c->cr0;
    c->cr0 &= ~(u32)CR0_PG;
    c->cr4 |= CR4_PAE;
    c->efer = gen_chance(g, 70) ? EFER_NXE : 0;
    c->cr3 = PDPT;
    if (!setjmp(c->fault_jmp)) cpu_set_cr(c, 0, cr0);
}

static void random_mode(InsnGen *g, Vcpu *c, bool pae)
{
    vm_flat32(c);
    unsigned kind = gen_below(g, 4); /* 0, 1: flat with paging; 2: real; 3: 16-bit protected */
    c->cr4 = CR4_OSFXSR | CR4_OSXMMEXCPT | (gen_chance(g, 50) ? CR4_PSE : 0);
    c->cr3 = PAGE_DIR;
    if (kind < 2) c->cr0 |= CR0_PG | (gen_chance(g, 50) ? CR0_WP : 0);
    if (kind < 2 && pae) pae_on(g, c);
    if (kind == 2) c->cr0 &= ~(u32)CR0_PE;
    for (int s = 0; s < SEG_COUNT && kind >= 2; s++)
        c->seg[s] = (Segment){.base = kind == 2 ? 0 : gen_random(g) & 0xffff0,
                              .limit = 0xffff,
                              .sel = s == CS ? 8 : 16,
                              .attr = s == CS ? 0x9b : 0x93};
    if (kind >= 2) c->seg[CS].base = 0;
    c->gdtr.base = GDT, c->gdtr.limit = 0xfff;
    c->idtr.base = kind == 2 ? 0 : IDT, c->idtr.limit = 0x7ff;
    c->tr = (Segment){.base = TSS, .limit = 0x1ff, .attr = 0x8b};
    c->eip = CODE + gen_below(g, CODE_BYTES / 2);
    c->eflags = 2 | (gen_random(g) & (FL_ARITH | FL_D | FL_I));
    for (int r = 0; r < 8; r++) c->gpr[r] = gen_value(g);
    if (gen_chance(g, 80)) c->gpr[ESP] = 0x9000;
}

/* --- floods ---------------------------------------------------------------------------------------------- */

enum {
    FLOOD_FROM = 0x200000,
    FLOOD_TO = 0xf00000,
    FLOOD_DIRS = 0x100000,
    FLOOD_DIR_COUNT = 200,
    FLOOD_ROUNDS = 40
};

/* A function of at most 16 bytes. */
static unsigned flood_function(InsnGen *g, u32 at, u8 *b)
{
    unsigned n = 0;
    u32 near_by = (at & ~(u32)PAGE_MASK) + gen_below(g, PAGE_BYTES);
    switch (gen_below(g, 6)) {
    case 0: b[n++] = 0x40; break;                                            /* inc eax */
    case 1: b[n++] = 0x83, b[n++] = 0xc0, b[n++] = (u8)gen_random(g); break; /* add eax, ... */
    case 2: b[n++] = 0xa2, store32(b + n, near_by), n += 4; break;           /* mov [near by], al */
    case 3: b[n++] = 0xc6, b[n++] = 0x05, store32(b + n, at + 8), n += 4, b[n++] = 0x90; break; /* itself */
    case 4: b[n++] = 0xa1, store32(b + n, gen_random(g) & 0xffffff), n += 4; break; /* mov eax, [...] */
    default: b[n++] = 0x75, b[n++] = 0x00; break;                                   /* jnz: an exit */
    }
    b[n++] = 0xc3;
    return n;
}

static void flood_fill(InsnGen *g, u8 *ram, u32 stride)
{
    for (u32 at = FLOOD_FROM; at < FLOOD_TO; at += stride) {
        u8 b[16] = {0};
        memcpy(ram + at, b, flood_function(g, at, b));
        memcpy(ram + at, b, stride < 16 ? stride : 16);
    }
    for (u32 d = 0; d < FLOOD_DIR_COUNT; d++)
        for (u32 n = 0; n < 1024; n++) {
            u32 e = n < 4 ? n << 22 | 0xe3 : gen_chance(g, 10) ? (gen_random(g) & 0xc00000) | 0xe7 : 0;
            store32(ram + FLOOD_DIRS + d * PAGE_BYTES + 4 * n, e);
        }
    phys_written(vm.phys, 0, 16 << 20);
}

/* mov edi, from; again: call edi; add edi, stride; cmp edi, to; jb; mov cr3, esi; jmp to the start */
static void flood_main(u8 *ram, u32 from, u32 stride)
{
    static const u8 code[] = {0xbf, 0, 0,    0,    0, 0xff, 0xd7, 0x81, 0xc7, 0,    0,
                              0,    0, 0x81, 0xff, 0, 0,    0,    0,    0x72, 0xf0, 0x81,
                              0xc6, 0, 0x10, 0,    0, 0x0f, 0x22, 0xde, 0xeb, 0xe0};
    memcpy(ram + CODE, code, sizeof code);
    store32(ram + CODE + 1, from);
    store32(ram + CODE + 9, stride);
    store32(ram + CODE + 15, from + 64 * stride);
    phys_written(vm.phys, CODE, sizeof code);
}

static void flood_ids(InsnGen *g)
{
    Xlat *x = vm.xlat ? vm.xlat->ctx : NULL;
    if (x && gen_chance(g, 5)) x->ctx_next = UINT32_MAX - (1u << 24) - gen_below(g, 50);
}

static void flood_round(u64 seed)
{
    static u32 stride;
    InsnGen g = {.seed = seed * 0x9e3779b97f4a7c15ull | 1};
    Vcpu *c = &vm.c;
    u8 *ram = vm.phys->ram;
    atomic_fetch_and(&c->attention, ~(u32)(ATT_STOP | ATT_RESET));
    if (!stride || seed % FLOOD_ROUNDS == 0) flood_fill(&g, ram, stride = 8u << gen_below(&g, 4));
    vm_flat32(c);
    bool paged = gen_chance(&g, 70);
    c->cr3 = FLOOD_DIRS;
    c->cr4 = CR4_PSE;
    if (paged) c->cr0 |= CR0_PG;
    flood_main(ram, FLOOD_FROM + gen_below(&g, (FLOOD_TO - FLOOD_FROM) / stride - 64) * stride, stride);
    c->eip = CODE;
    c->gpr[ESI] = FLOOD_DIRS + gen_below(&g, FLOOD_DIR_COUNT / 2) * PAGE_BYTES;
    c->gpr[ESP] = 0x9000 + gen_below(&g, 4) * 2;
    if (gen_chance(&g, 30)) /* another code segment: another context, the same bytes */
        c->seg[CS].base = gen_below(&g, 256) * 16, c->eip -= c->seg[CS].base;
    flood_ids(&g);
    c->engine->paging_changed(c->engine->ctx, c, EV_CR0 | EV_CR3 | EV_CR4);
    vm_run(&vm);
}

static void one_round(u64 seed)
{
    if (floods) {
        flood_round(seed);
        return;
    }
    InsnGen g = {.seed = seed * 0x9e3779b97f4a7c15ull | 1,
                 .classes = ~0u,
                 .seg_count = SEG_COUNT,
                 .data_bytes = 0x8000};
    Vcpu *c = &vm.c;
    g.mode = (DecodeMode){.code32 = (u8)gen_chance(&g, 60), .protected_mode = true, .features = ~0u};
    bool pae = gen_chance(&g, 40);
    atomic_fetch_and(&c->attention, ~(u32)(ATT_STOP | ATT_RESET));
    if (board) board_prepare(&g);
    fill_code(&g, vm.phys->ram);
    fill_tables(&g, vm.phys->ram);
    if (pae)
        fill_pages_pae(&g, vm.phys->ram);
    else
        fill_pages(&g, vm.phys->ram);
    if (board) board_fill(&g, vm.phys->ram);
    phys_written(vm.phys, 0, 0x100000);
    random_mode(&g, c, pae);
    if (board) board_aim(&g, c);
    c->engine->paging_changed(c->engine->ctx, c, EV_CR0 | EV_CR3 | EV_CR4);
    if (board)
        board_run();
    else
        vm_run(&vm);
}

int main(int argc, char **argv)
{
    bool translate = argc > 1 && argv[1][0] == 't';
    u64 rounds = argc > 2 ? strtoull(argv[2], NULL, 0) : 1000,
        seed = argc > 3 ? strtoull(argv[3], NULL, 0) : 1;
    pthread_t dog;
    first_seed = seed;
    base_on_panic = say_round;
    floods = argc > 4 && argv[4][0] == 'f';
    if (argc > 4 && !floods) board_start();
    audit_begin();
    vm_start(&vm, translate);
    if (board)
        vm.c.intr_ack = machine_intr_ack, vm.c.ferr = machine_ferr,
        vm.c.apic_base_written = machine_set_apic_base;
    vm.c.intr_ctx = vm.c.ferr_ctx = vm.c.apic_ctx = board;
    pthread_create(&dog, NULL, watchdog, NULL);
    for (u64 n = 0; !rounds || n < rounds; n++) {
        atomic_store(&round_now, n + 1);
        if (getenv("CHAOS_VERBOSE")) fprintf(stderr, "seed %llu\n", (unsigned long long)(seed + n));
        one_round(seed + n);
    }
    if (board) printf("%llu frames sent\n", (unsigned long long)frames);
    if (audit_blocks()) printf("%llu blocks audited\n", (unsigned long long)audit_blocks());
    if (floods && vm.xlat) {
        const XlatStats *s = &((Xlat *)vm.xlat->ctx)->stats;
        printf("%llu blocks, %llu regions emptied, ids begun anew %llu times\n",
               (unsigned long long)s->translated_blocks, (unsigned long long)s->flushes,
               (unsigned long long)s->renewals);
    }
    printf("%llu passed, 0 failed\n", (unsigned long long)rounds);
    if (board) {
        if (vm.xlat) xlat_free(vm.xlat);
        machine_free(board);
    } else {
        vm_end(&vm);
    }
    return 0;
}
