/* pcnet.h - AMD Am79C970A (PCnet-PCI II) Ethernet controller. See pcnet.c and pcnet_ring.c. */
#ifndef RING3_PCNET_H
#define RING3_PCNET_H

#include "hw/clock.h"
#include "hw/ether.h"
#include "hw/irq.h"
#include "hw/net.h"
#include "hw/nic_pci.h"
#include "hw/part.h"
#include "mmu/phys.h"

enum { PCNET_CSRS = 128, PCNET_BCRS = 32, PCNET_APROM_BYTES = 16, PCNET_FRAME = NET_FRAME_MOST + ETHER_FCS };

typedef struct Pcnet {
    NicPci pci;          /* first */
    u16 csr[PCNET_CSRS]; /* by their numbers; CSR0's INTR and ERR are always up to date */
    u16 bcr[PCNET_BCRS];
    u8 aprom[PCNET_APROM_BYTES];
    u8 rap;            /* the CSR or BCR that RDP and BDP show */
    bool init_wanted;  /* CSR0.INIT was set, and the chip has not had the bus yet */
    bool start_wanted; /* likewise CSR0.STRT */
    bool frame_waits;  /* the world was told that there is no room */
    u8 refusals;       /* polls since then that found no descriptor, at most PCNET_REFUSALS_MAX */
    u8 idle_polls;     /* transmit polls in a row that found nothing, at most PCNET_IDLE_MAX */
    Timer poll;
    NetPort port;
    Phys *phys;
    Clock *clock;
    IrqLine intx;
    u8 tx[PCNET_FRAME], rx[PCNET_FRAME]; /* a frame while it is put together */
} Pcnet;
enum { PCNET_IDLE_MAX = 5, PCNET_REFUSALS_MAX = 255 };

void pcnet_init(Pcnet *c, Pci *pci, unsigned slot, Bus *bus, Phys *phys, Clock *clock, IrqLine intx,
                const u8 mac[ETHER_ADDRESS]);
/* As firmware leaves it: decoding at `io` and `pa`, with its line. */
void pcnet_post(Pcnet *c, u32 io, u32 pa);
extern const PartKind pcnet_part;

/* --- between pcnet.c and pcnet_ring.c -------------------------------------------------------------------- */

enum { CSR0 = 0, CSR1, CSR2, CSR3, CSR4, CSR5, CSR6, CSR8 = 8, CSR12 = 12, CSR15 = 15 };
enum {
    BADR = 24, /* base of the receive ring; low half, then high half */
    CRDA = 28, /* current receive descriptor */
    BADX = 30, /* base of the transmit ring */
    CXDA = 34, /* current transmit descriptor */
    POLLINT = 47,
    SWS = 58,
    RCVRC =
        72, /* receive ring counter: descriptors to the ring's end, two's complement, as are the next three */
    XMTRC = 74,
    RCVRL = 76, /* receive ring length */
    XMTRL = 78,
    MFC = 112,
};
enum {
    CSR0_INIT = 0x0001,
    CSR0_STRT = 0x0002,
    CSR0_STOP = 0x0004,
    CSR0_TDMD = 0x0008,
    CSR0_TXON = 0x0010,
    CSR0_RXON = 0x0020,
    CSR0_IENA = 0x0040,
    CSR0_INTR = 0x0080,
    CSR0_IDON = 0x0100,
    CSR0_TINT = 0x0200,
    CSR0_RINT = 0x0400,
    CSR0_MERR = 0x0800,
    CSR0_MISS = 0x1000,
    CSR0_CERR = 0x2000,
    CSR0_BABL = 0x4000,
    CSR0_ERR = 0x8000,
};
enum { CSR3_DXSUFLO = 0x0040 };
enum {
    CSR4_TXSTRT = 0x0008,
    CSR4_UINT = 0x0040,
    CSR4_UINTCMD = 0x0080,
    CSR4_MFCO = 0x0200,
    CSR4_ASTRP_RCV = 0x0400,
    CSR4_TXDPOLL = 0x1000,
    CSR4_FLAGS = 0x026a,
    CSR4_WRITABLE = 0xdd15,
    CSR4_MASKS = 0x0115,
};
enum {
    CSR5_SPND = 0x0001,
    CSR5_LTINTEN = 0x4000,
    CSR5_TOKINTD = 0x8000,
    CSR5_FLAGS = 0x0a90,
    CSR5_WRITABLE = 0xc56f,
    CSR5_ENABLES = 0x0548,
};
enum {
    MODE_DRX = 0x0001,
    MODE_DTX = 0x0002,
    MODE_LOOP = 0x0004,
    MODE_DXMTFCS = 0x0008,
    MODE_DRCVPA = 0x2000,
    MODE_DRCVBC = 0x4000,
    MODE_PROM = 0x8000,
};
enum { BCR_MC = 2, BCR_LNKST = 4, BCR_LED3 = 7, BCR_BSBC = 18, BCR_EECAS = 19, BCR_SWS = 20, BCR_PLAT = 22 };
enum { SWS_SSIZE32 = 0x0100, SWS_CSRPCNET = 0x0200 };

static inline u32 pcnet_csr32(const Pcnet *c, unsigned n) { return c->csr[n] | (u32)c->csr[n + 1] << 16; }
static inline void pcnet_set_csr32(Pcnet *c, unsigned n, u32 v)
{
    c->csr[n] = (u16)v;
    c->csr[n + 1] = (u16)(v >> 16);
}
static inline bool pcnet_ssize32(const Pcnet *c) { return c->bcr[BCR_SWS] & SWS_SSIZE32; }

/* pcnet_run - whatever the chip wants of memory now: the initialization block, frames to send, room for one that
 * waits. Ends with the interrupt line and the poll timer as they should be. */
void pcnet_run(Pcnet *c);
/* pa of the current descriptor of a ring: BADR, RCVRC or BADX, XMTRC. */
u32 pcnet_descriptor_pa(const Pcnet *c, unsigned base, unsigned counter);
bool pcnet_receive(void *dev, const u8 *frame, u32 n); /* NetPort.receive */
void pcnet_poll(void *dev);                            /* Timer.fire */
void pcnet_interrupt(Pcnet *c);                        /* CSR0.INTR, CSR0.ERR and the line follow */

#endif
