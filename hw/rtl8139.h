/* rtl8139.h - Realtek RTL8139C Fast Ethernet controller. See rtl8139.c. */
#ifndef RING3_RTL8139_H
#define RING3_RTL8139_H

#include "hw/clock.h"
#include "hw/ether.h"
#include "hw/irq.h"
#include "hw/net.h"
#include "hw/nic_pci.h"
#include "hw/part.h"
#include "mmu/phys.h"

enum { RTL8139_BYTES = 256, RTL8139_EEPROM_WORDS = 64 };

/* The 93C46's serial side. */
typedef struct Rtl8139Eeprom {
    u8 bits; /* how many came since the start bit, that one included; 0: it waits for one */
    u16 in;  /* ... the last of them */
    u32 out; /* what goes out, from bit 16 down: a zero and a word */
    bool clock;
} Rtl8139Eeprom;

typedef struct Rtl8139 {
    NicPci pci;          /* first */
    u8 r[RTL8139_BYTES]; /* registers at their offsets, but for what follows from others or from time */
    u8 next_tx;          /* transmit descriptor that is sent next, 0 to 3 */
    u16 cbr;             /* where in the ring the next frame begins */
    u64 timer_zero_ns;   /* guest time at which TCTR was 0 */
    Rtl8139Eeprom eeprom;
    bool frame_waits; /* the world was told that there is no room */
    u8 reminders;     /* ... and the guest was reminded so often since */
    Timer reminder, timer;
    NetPort port;
    Phys *phys;
    Clock *clock;
    IrqLine intx;
    u8 tx[NET_FRAME_MOST + ETHER_FCS], rx[4 + NET_FRAME_MOST + ETHER_FCS]; /* a frame on its way */
} Rtl8139;

void rtl8139_init(Rtl8139 *n, Pci *pci, unsigned slot, Bus *bus, Phys *phys, Clock *clock, IrqLine intx,
                  const u8 mac[ETHER_ADDRESS]);
void rtl8139_post(Rtl8139 *n, u32 io, u32 pa); /* as firmware leaves it: decoding there */
extern const PartKind rtl8139_part;

#endif
