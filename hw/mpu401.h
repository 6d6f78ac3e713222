/* mpu401.h - an MPU-401 as a UART for MIDI, on a Sound Blaster 16 or alone. See mpu401.c. */
#ifndef RING3_MPU401_H
#define RING3_MPU401_H

#include "hw/clock.h"
#include "hw/irq.h"
#include "hw/part.h"
#include "mmu/bus.h"

/* What hangs on the MIDI cable: who plugs it in fills this in. NULL: nothing. All on the vCPU thread. */
typedef struct MidiOut {
    void (*begin)(void *ctx);         /* the guest is going to write */
    void (*byte)(void *ctx, u8 byte); /* at most 3,125 a second, in bursts of MPU401_FIFO */
    void (*quiet)(void *ctx);         /* a reset, or another state was loaded: what sounds, ends */
    void *ctx;
} MidiOut;

/* Alone; on a Sound Blaster its IRQ is the card's. */
typedef struct Mpu401Config {
    bool present;
    u16 iobase; /* 330h, 300h */
    u8 irq;     /* 9, 5, 7, 10 */
} Mpu401Config;

enum { MPU401_IOBASE = 0x330, MPU401_IRQ = 9, MPU401_FIFO = 256 };

typedef struct Mpu401 {
    /* guest state */
    u8 answer;
    bool has_answer, uart;
    u64 sent_ns; /* guest time at which the last byte is through the cable */
    /* wires */
    Clock *clock;
    const MidiOut *out;
    IrqLine irq; /* high while a byte waits to be read */
} Mpu401;

void mpu401_init(Mpu401 *m, Bus *bus, u16 iobase, Clock *clock, const MidiOut *out, IrqLine irq);
void mpu401_reset(void *dev);
void mpu401_state(void *dev, State *s);
void mpu401_loaded(void *dev);
extern const PartKind mpu401_part;

#endif
