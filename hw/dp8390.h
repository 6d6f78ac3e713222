/* dp8390.h - National DP8390 network interface controller with a NE2000's memory and ports around it. See dp8390.c. */
#ifndef RING3_DP8390_H
#define RING3_DP8390_H

#include "hw/clock.h"
#include "hw/ether.h"
#include "hw/irq.h"
#include "hw/net.h"
#include "hw/state.h"
#include "mmu/bus.h"

enum { DP8390_PORTS = 32, DP8390_PROM_BYTES = 32, DP8390_RAM = 0x4000, DP8390_RAM_BYTES = 0x4000 };

typedef struct Dp8390 {
    u8 cr, isr, imr, dcr, tcr, tsr, rcr, rsr;
    u8 pstart, pstop, bnry, curr, tpsr; /* pages of 256 bytes */
    u8 tally;                           /* CNTR2, missed frames; the other two never count here */
    u16 tbcr, rsar, rbcr, clda;
    u8 par[ETHER_ADDRESS], mar[8];
    bool frame_waits;         /* the world was told that there is no room */
    u8 reminders;             /* the guest was reminded so often since it has read of the ring */
    u8 ram[DP8390_RAM_BYTES]; /* at DP8390_RAM */
    Timer reminder;
    NetPort port;
    Clock *clock;
    IrqLine irq;
    u8 prom[DP8390_PROM_BYTES]; /* at 0: each byte twice */
    u8 frame[NET_FRAME_MOST + ETHER_FCS];
    /* Page 3 is the card's: NULL where there is none. */
    u8 (*page3_read)(void *card, u32 reg);
    void (*page3_write)(void *card, u32 reg, u8 v);
    void *card;
    u16 id; /* reads at 0Ah and 0Bh of page 0 */
} Dp8390;

extern const IoOps dp8390_ops; /* DP8390_PORTS ports of a Dp8390 */
extern const IoRuns dp8390_runs;
void dp8390_init(Dp8390 *d, Clock *clock, IrqLine irq, const u8 mac[ETHER_ADDRESS]);
void dp8390_reset(Dp8390 *d);
void dp8390_state(Dp8390 *d, State *s);
void dp8390_loaded(Dp8390 *d);

#endif
