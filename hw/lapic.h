/* lapic.h - the processor's local APIC (xAPIC registers), one to a machine. See lapic.c. */
#ifndef RING3_LAPIC_H
#define RING3_LAPIC_H

#include "hw/clock.h"
#include "hw/irq.h"
#include "hw/part.h"
#include "mmu/bus.h"

enum { LAPIC_DEFAULT_PA = (int)0xfee00000, LAPIC_VERSION = 0x30 /* the register's offset */ };
enum { LAPIC_BASE_BSP = 1 << 8, LAPIC_BASE_ENABLE = 1 << 11 }; /* IA32_APIC_BASE */
/* What the version register says: the entries of the local vector table less one, and the APIC's version. */
enum { LAPIC_PENTIUM = 0x00030010, LAPIC_P6 = 0x00040011, LAPIC_PENTIUM_M = 0x00050014 };

/* Delivery modes, in ICR, LVT and the I/O APIC's entries alike. */
typedef enum ApicMode {
    APIC_FIXED,
    APIC_LOWEST,
    APIC_SMI,
    APIC_REMOTE_READ,
    APIC_NMI,
    APIC_INIT,
    APIC_STARTUP,
    APIC_EXTINT
} ApicMode;

/* An interrupt on its way over the APIC bus. */
typedef struct ApicMessage {
    u8 vector, mode; /* ApicMode */
    u8 dest;
    bool logical, level;
} ApicMessage;

enum {
    LAPIC_LVT_TIMER,
    LAPIC_LVT_THERMAL,
    LAPIC_LVT_PERF,
    LAPIC_LVT_LINT0,
    LAPIC_LVT_LINT1,
    LAPIC_LVT_ERROR,
    LAPIC_LVTS
};

/* Where the APIC's pins and its bus lead. */
typedef struct LapicLines {
    IrqLine intr;                      /* to the core: an interrupt waits */
    IrqLine nmi;                       /* to the core: rises for each NMI, and falls at once */
    IrqLine init;                      /* to the core: the same for each INIT */
    u8 (*inta)(void *ctx);             /* ExtINT is acknowledged: the 8259's vector */
    void (*eoi)(void *ctx, u8 vector); /* a level-triggered interrupt ended: to the I/O APIC */
    void (*accepts)(void *ctx);        /* switched on: what the I/O APIC could not deliver it may try again */
    void *ctx;
} LapicLines;

typedef struct Lapic {
    u32 version;
    u64 base; /* IA32_APIC_BASE */
    u32 id;   /* in bits 24-31, as in the register */
    u32 ldr, dfr, svr, tpr;
    u32 isr[8], tmr[8], irr[8]; /* vector v: bit v % 32 of word v / 32 */
    u32 errors, esr;            /* seen since, and shown from, the last write of ESR */
    u32 icr_low, icr_high;
    u32 lvt[LAPIC_LVTS];
    u32 initial, divide; /* timer: initial count, divide configuration */
    u32 from;            /* what it counted down from at start_ns */
    u64 start_ns;
    bool counting;
    u32 missed;      /* periodic interrupts that the host was too late for and the guest will still get */
    u64 catch_up_ns; /* guest time at which the next of them may be delivered */
    bool lint[2];    /* levels of the pins */
    bool extint;     /* an ExtINT message waits for its INTA cycle */
    bool direct;     /* IMCR: the 8259 and NMI lead to the core, past the APIC */
    bool intr_level;
    Clock *clock;
    Timer timer;
    Bus *bus;
    int mmio; /* the registers' range, for bus_move */
    LapicLines lines;
} Lapic;

void lapic_init(Lapic *l, u32 version, Bus *bus, Clock *clock, const LapicLines *lines);
void lapic_reset(void *dev);
extern const PartKind lapic_part;
/* IA32_APIC_BASE was written (no reserved bits set): moves the registers, switches the APIC off or on as after a reset.
 * Off, LINT0 and LINT1 are the core's INTR and NMI. */
void lapic_set_base(Lapic *l, u64 base);
void lapic_set_lint(void *lapic, int pin, bool level);    /* pin 0 or 1: an IrqLine.set */
void lapic_set_through(void *lapic, int n, bool through); /* IMCR bit 0: an IrqLine.set */
/* A message from the bus. False: it was for this APIC, or for nobody here, and was not accepted. */
bool lapic_accept(Lapic *l, const ApicMessage *m);
bool lapic_requested(const Lapic *l, u8 vector); /* it waits in IRR */
/* The core acknowledges: the most urgent vector, of the APIC's own or the 8259's. */
u8 lapic_ack(Lapic *l);

#endif
