/* pit.h - the 8254 interval timer: channel 0 ticks IRQ0, 1 refreshes DRAM, 2 drives the speaker. See pit.c. */
#ifndef RING3_PIT_H
#define RING3_PIT_H

#include "hw/clock.h"
#include "hw/irq.h"
#include "hw/part.h"
#include "mmu/bus.h"

typedef struct PitChannel {
    u8 mode;          /* 0-5 */
    u8 rw;            /* control word RW: 1 LSB, 2 MSB, 3 LSB then MSB */
    bool bcd;         /* count in four decimal digits */
    bool gate;        /* level of the GATE input */
    bool lsb_written; /* RW 3: the next write is the MSB, lsb holds the other half */
    u8 lsb;
    bool msb_next;       /* RW 3: the next read is the MSB */
    bool latched;        /* `latch` waits to be read */
    u16 latch;           /* output latch, as the guest reads it */
    bool status_latched; /* `status` waits to be read; comes before the count */
    u8 status;
    u32 cr;          /* count register: the count last written, 1..65536; 0: none since the control word */
    u32 count;       /* the count that the counting element was last loaded with; 0: not loaded yet */
    u64 start;       /* tick of that load */
    u64 reload;      /* modes 2, 3: tick at which a new cr takes effect; 0: none waits */
    bool stopped;    /* not counting: GATE low, no trigger yet, half a count written */
    u64 held;        /* ticks counted when it was stopped */
    bool null_count; /* modes 1, 5: cr not yet loaded, for want of a trigger */
} PitChannel;

typedef struct Pit {
    PitChannel channel[3];
    Clock *clock;
    IrqLine irq0;                  /* OUT0 */
    Timer timer;                   /* the next rising edge of OUT0 that the guest must see */
    u64 edge;                      /* tick of OUT0's next rising edge; PIT_NEVER: none */
    u64 catch_up;                  /* tick at which a missed edge may be delivered, if any */
    u32 missed;                    /* edges that were due and that the guest will still get */
    bool (*tick_waits)(void *ctx); /* IRQ0 is enabled and its last edge not yet taken; NULL: not known */
    void *tick_ctx;
    void (*channel2_changed)(void *ctx); /* NULL: nobody listens */
    void *channel2_ctx;
} Pit;
#define PIT_NEVER UINT64_MAX

void pit_init(Pit *p, Bus *bus, Clock *clock, IrqLine irq0);
void pit_reset(void *dev);
extern const PartKind pit_part;
/* Let the timer see whether a tick still waits in the interrupt controller: the next one then comes after it. */
void pit_watch_tick(Pit *p, bool (*tick_waits)(void *ctx), void *ctx);
void pit_set_gate2(Pit *p, bool level); /* port 61h bit 0 */
bool pit_out2(Pit *p);                  /* level of OUT2 now */
/* What OUT2 does from now on if nobody interferes, as hw/speaker.h describes it: returns ticks, sets *level. */
u32 pit_wave2(Pit *p, bool *level);
/* Call `changed` whenever pit_wave2 may have changed for another reason than time. */
void pit_watch_channel2(Pit *p, void (*changed)(void *ctx), void *ctx);
bool pit_refresh(Pit *p); /* port 61h bit 4: toggles with every refresh request, 15.085 us */
/* Input clock ticks (1.193182 MHz) since power-on, and the first nanosecond of a tick. */
u64 pit_ticks(u64 ns);
u64 pit_tick_ns(u64 tick);

#endif
