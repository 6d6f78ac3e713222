/* pcnet_ring.c - how the PCnet-PCI II moves frames: initialization block, descriptor rings, address filter, polling.
 *
 * Datasheet: Am79C970A (19436), "Initialization", "Buffer Management Unit", "Descriptor Ring Access Mechanism", "Address
 * Matching", "Loopback Operation"; layouts by software style in "Initialization Block" and "Descriptors".
 *
 * Memory is the guest's: a descriptor or buffer may lie anywhere, over another, over the registers (which DMA does
 * not reach: reads give ones, writes are lost) or in ROM, and may say the same again for ever. So a run sends at most
 * TX_BURST frames and then waits for the poll timer; a frame has at most CHAIN_MAX descriptors.
 *
 * A frame from the world for which there is no descriptor waits outside, and the chip looks each millisecond whether there is
 * one, or whenever the driver writes a register. Drivers that leave frames in the ring count on the interrupt of the next
 * one, so RINT comes again meanwhile, later and later. So a slow guest loses nothing that the world can keep, and MISS
 * is only of loopback.
 *
 * Transmit polling (a driver need not set TDMD) begins with CSR47's interval and slows down by half a time while it finds
 * nothing, down to 1/32: a guest at rest costs next to nothing.
 *
 * Choices: every frame on the cable has at least 60 bytes, zeros behind the guest's. An underflow is a chain whose next
 * descriptor the chip does not own; it turns the transmitter off unless DXSUFLO. A frame of more than 1518 bytes
 * without FCS is not sent, and is BABL.
 */
#include "hw/pcnet.h"

enum { TX_BURST = 64, CHAIN_MAX = 512 };
enum {
    PAUSE_NS = 20000,
    RX_POLL_NS = 1000000,
    RX_POLL_SLOW_NS = 32000000,
    POLL_MIN_NS = 100000,
    PCI_CLOCK_NS = 30
};
enum { BCNT_MAX = 4096, RING_MAX_BITS = 9 };

/* --- descriptors ----------------------------------------------------------------------------------------- */

/* As 32-bit styles have them: status above, byte count below. */
enum {
    OWN = 1u << 31,
    ERR = 1u << 30,
    STP = 1u << 25,
    ENP = 1u << 24, /* both kinds */
    BUFF = 1u << 26,
    PAM = 1u << 22,
    LAFM = 1u << 21,
    BAM = 1u << 20, /* receive */
    ADD_FCS = 1u << 29,
    LTINT = 1u << 28,
    MORE = 1u << 28,
    ONE = 1u << 27,
    DEF = 1u << 26, /* transmit */
};
enum { TMD2_BUFF = 1u << 31, TMD2_UFLO = 1u << 30, TMD2_LCAR = 1u << 27 };

typedef struct Descriptor {
    u32 pa;
    u32 buffer, bytes;
    u32 status; /* upper half of RMD1, TMD1 */
} Descriptor;

static u32 descriptor_bytes(const Pcnet *c) { return pcnet_ssize32(c) ? 16 : 8; }
static bool is_style_3(const Pcnet *c) { return (c->bcr[BCR_SWS] & 0xff) == 3; }
/* Address bits 31-24 of 16-bit structures. */
static u32 upper_address(const Pcnet *c) { return (u32)(c->csr[CSR2] & 0xff00) << 16; }

static u32 from_complement(u16 v) { return 0x10000u - v; }

u32 pcnet_descriptor_pa(const Pcnet *c, unsigned base, unsigned counter)
{
    u32 length = from_complement(c->csr[counter + 4]), left = from_complement(c->csr[counter]);
    u32 index = left <= length ? length - left : 0;
    return pcnet_csr32(c, base) + index * descriptor_bytes(c);
}

/* The next descriptor of a ring becomes the current one. */
static void ring_advance(Pcnet *c, unsigned counter)
{
    if (++c->csr[counter] == 0) c->csr[counter] = c->csr[counter + 4];
}

static Descriptor descriptor_at(Pcnet *c, u32 pa)
{
    u8 b[16];
    Descriptor d = {.pa = pa};
    phys_dma_read(c->phys, pa, b, descriptor_bytes(c));
    if (!pcnet_ssize32(c)) {
        d.buffer = load16(b) | (u32)b[2] << 16 | upper_address(c);
        d.status = (u32)b[3] << 24;
    } else {
        d.buffer = load32(b + (is_style_3(c) ? 8 : 0));
        d.status = load32(b + 4) & 0xffff0000;
    }
    d.bytes = BCNT_MAX - (load16(b + 4) & 0xfff);
    return d;
}

static Descriptor current(Pcnet *c, unsigned base, unsigned counter)
{
    return descriptor_at(c, pcnet_descriptor_pa(c, base, counter));
}

/* Give it back: `more` is what stands in RMD2 (message byte count) or TMD2 (errors), in the 32-bit styles' layout. */
static void descriptor_return(Pcnet *c, const Descriptor *d, u32 more, bool transmit)
{
    u8 b[4];
    if (!pcnet_ssize32(c)) {
        store16(b, (u16)(transmit ? more >> 16 : more));
        phys_dma_write(c->phys, d->pa + 6, b, 2);
        b[0] = (u8)(d->status >> 24);
        phys_dma_write(c->phys, d->pa + 3, b, 1);
        return;
    }
    store32(b, more);
    phys_dma_write(c->phys, d->pa + (is_style_3(c) ? 0 : 8), b, 4);
    store16(b, (u16)(d->status >> 16));
    phys_dma_write(c->phys, d->pa + 6, b, 2);
}

/* --- initialization block -------------------------------------------------------------------------------- */

static void ring_take(Pcnet *c, unsigned base, unsigned counter, u32 pa, unsigned bits)
{
    if (bits > RING_MAX_BITS) bits = RING_MAX_BITS;
    pcnet_set_csr32(c, base, pa & ~(descriptor_bytes(c) - 1));
    c->csr[counter] = c->csr[counter + 4] = (u16)(0u - BIT(bits));
}

static void init_block_read(Pcnet *c)
{
    u8 b[28];
    bool wide = pcnet_ssize32(c);
    phys_dma_read(c->phys, pcnet_csr32(c, CSR1) & (wide ? ~3u : ~1u), b, wide ? 28 : 24);
    c->csr[CSR15] = load16(b);
    memcpy(&c->csr[CSR12], b + (wide ? 4 : 2), ETHER_ADDRESS);
    memcpy(&c->csr[CSR8], b + (wide ? 12 : 8), 8);
    if (wide) {
        c->csr[CSR6] = (u16)((b[2] >> 4 << 8) | (b[3] >> 4 << 12));
        ring_take(c, BADR, RCVRC, load32(b + 20), b[2] >> 4);
        ring_take(c, BADX, XMTRC, load32(b + 24), b[3] >> 4);
    } else {
        c->csr[CSR6] = (u16)((b[19] >> 5 << 8) | (b[23] >> 5 << 12));
        ring_take(c, BADR, RCVRC, (load32(b + 16) & 0xffffff) | upper_address(c), b[19] >> 5);
        ring_take(c, BADX, XMTRC, (load32(b + 20) & 0xffffff) | upper_address(c), b[23] >> 5);
    }
    c->csr[CSR0] |= CSR0_IDON;
    c->init_wanted = false;
}

/* --- receive --------------------------------------------------------------------------------------------- */

static bool is_working(const Pcnet *c, u16 side)
{
    return c->csr[CSR0] & side && !(c->csr[CSR5] & CSR5_SPND) && !c->init_wanted && nic_pci_masters(&c->pci);
}

static bool has_group(const Pcnet *c, const u8 *address)
{
    u32 bit = ether_crc(address, ETHER_ADDRESS) >> 26;
    return c->csr[CSR8 + bit / 16] >> bit % 16 & 1;
}

/* How a frame's destination matches: a bit of RMD1, OWN for none but promiscuous mode, 0 if not at all. */
static u32 address_match(const Pcnet *c, const u8 *address)
{
    u16 mode = c->csr[CSR15];
    if (ether_is_broadcast(address)) {
        if (!(mode & MODE_DRCVBC)) return BAM;
    } else if (ether_is_group(address)) {
        if (has_group(c, address)) return LAFM;
    } else if (!(mode & MODE_DRCVPA) && ether_same(address, (const u8 *)&c->csr[CSR12])) {
        return PAM;
    }
    return mode & MODE_PROM ? OWN : 0;
}

/* A frame whose length field says that it was padded loses padding and FCS, if the guest wants that. */
static u32 stripped(const Pcnet *c, u32 n)
{
    u32 length = (u32)c->rx[12] << 8 | c->rx[13];
    if (!(c->csr[CSR4] & CSR4_ASTRP_RCV) || length >= ETHER_WIRE_MIN - NET_FRAME_MIN) return n + ETHER_FCS;
    return NET_FRAME_MIN + length;
}

/* Into the current descriptor, which the chip owns, and into those that follow while they are the chip's, too. */
static void frame_store(Pcnet *c, u32 n, u32 match)
{
    u32 start = STP, done = 0;
    for (;;) {
        Descriptor d = current(c, BADR, RCVRC);
        if (start && !(d.status & OWN)) return;
        u32 piece = n - done < d.bytes ? n - done : d.bytes;
        phys_dma_write(c->phys, d.buffer, c->rx + done, piece);
        done += piece;
        d.status = start;
        start = 0;
        ring_advance(c, RCVRC);
        if (done == n) {
            d.status |= ENP | (pcnet_ssize32(c) ? match & (PAM | LAFM | BAM) : 0);
            descriptor_return(c, &d, n, false);
            return;
        }
        descriptor_return(c, &d, 0, false);
        if (current(c, BADR, RCVRC).status & OWN) continue;
        d.status |= ERR | BUFF;
        descriptor_return(c, &d, 0, false);
        return;
    }
}

static bool has_room(Pcnet *c) { return current(c, BADR, RCVRC).status & OWN; }

static void frame_missed(Pcnet *c)
{
    c->csr[CSR0] |= CSR0_MISS;
    if (++c->csr[MFC] == 0) c->csr[CSR4] |= CSR4_MFCO;
}

/* A frame has come that the filter lets pass. */
static void frame_take(Pcnet *c, const u8 *frame, u32 n, u32 match)
{
    u32 wire = ether_put(c->rx, frame, n);
    frame_store(c, stripped(c, wire), match);
    c->csr[CSR0] |= CSR0_RINT;
}

static void timer_set(Pcnet *c);

bool pcnet_receive(void *dev, const u8 *frame, u32 n)
{
    Pcnet *c = dev;
    if (n < NET_FRAME_MIN || n > NET_FRAME_MOST || !net_link(&c->port)) return true;
    if (!is_working(c, CSR0_RXON) || c->csr[CSR15] & MODE_LOOP) return true;
    u32 match = address_match(c, frame);
    if (!match) return true;
    if (has_room(c)) {
        frame_take(c, frame, n, match);
        pcnet_interrupt(c);
        return true;
    }
    c->frame_waits = true;
    timer_set(c);
    return false;
}

static void frame_loops(Pcnet *c, u32 n)
{
    u32 match = address_match(c, c->tx);
    if (!(c->csr[CSR0] & CSR0_RXON) || !match) return;
    if (has_room(c))
        frame_take(c, c->tx, n, match);
    else
        frame_missed(c);
}

/* The world may offer again what it was refused: there is room, or nobody listens. */
static void frames_may_come(Pcnet *c)
{
    if (!c->frame_waits) return;
    if (is_working(c, CSR0_RXON) && !has_room(c)) return;
    c->frame_waits = false;
    c->refusals = 0;
    net_ready(&c->port);
}

/* --- transmit -------------------------------------------------------------------------------------------- */

/* The frame's bytes are in c->tx. Returns errors for TMD2. */
static u32 frame_send(Pcnet *c, u32 n, bool has_fcs)
{
    c->csr[CSR4] |= CSR4_TXSTRT;
    if (has_fcs) n = n > ETHER_FCS ? n - ETHER_FCS : 0;
    if (n > NET_FRAME_MOST) {
        c->csr[CSR0] |= CSR0_BABL;
        return 0;
    }
    if (n < NET_FRAME_MIN) return 0; /* no frame: nobody would take it */
    n = ether_pad(c->tx, n);
    if (c->csr[CSR15] & MODE_LOOP) {
        frame_loops(c, n);
        return 0;
    }
    if (!net_link(&c->port)) {
        c->csr[CSR0] |= CSR0_CERR;
        return TMD2_LCAR;
    }
    net_send(&c->port, c->tx, n);
    return 0;
}

/* The last descriptor of a frame, well or not, goes back to the guest. */
static void transmit_end(Pcnet *c, Descriptor *d, u32 errors)
{
    u16 control = c->csr[CSR5];
    bool told = errors || (control & CSR5_LTINTEN ? d->status & LTINT : !(control & CSR5_TOKINTD));
    d->status &= ~(OWN | ERR | ONE | DEF | (control & CSR5_LTINTEN ? 0 : MORE));
    if (errors) d->status |= ERR;
    descriptor_return(c, d, errors, true);
    if (told) c->csr[CSR0] |= CSR0_TINT;
}

static void underflow(Pcnet *c, Descriptor *d)
{
    if (!(c->csr[CSR3] & CSR3_DXSUFLO)) c->csr[CSR0] &= ~CSR0_TXON;
    transmit_end(c, d, TMD2_BUFF | TMD2_UFLO);
}

/* Adds the descriptor's buffer to the n bytes in c->tx: how many there are then, or PCNET_FRAME + 1 for too many. */
static u32 gather(Pcnet *c, const Descriptor *d, u32 n)
{
    u32 room = PCNET_FRAME - (n < PCNET_FRAME ? n : PCNET_FRAME), piece = d->bytes < room ? d->bytes : room;
    phys_dma_read(c->phys, d->buffer, c->tx + n, piece);
    n += d->bytes;
    return n <= PCNET_FRAME ? n : PCNET_FRAME + 1;
}

/* One frame, or a descriptor that begins none; false: the current one is not the chip's. */
static bool transmit_one(Pcnet *c)
{
    Descriptor d = current(c, BADX, XMTRC), next;
    if (!(d.status & OWN)) return false;
    bool begins = d.status & STP, has_fcs = c->csr[CSR15] & MODE_DXMTFCS && !(d.status & ADD_FCS);
    u32 n = begins ? gather(c, &d, 0) : 0;
    for (u32 count = 1; begins && !(d.status & ENP); count++) {
        ring_advance(c, XMTRC);
        next = current(c, BADX, XMTRC);
        if (!(next.status & OWN) || next.pa == d.pa || count == CHAIN_MAX) {
            underflow(c, &d);
            return true;
        }
        d.status &= ~OWN;
        descriptor_return(c, &d, 0, true);
        d = next;
        n = gather(c, &d, n < PCNET_FRAME ? n : PCNET_FRAME);
    }
    ring_advance(c, XMTRC);
    if (begins) {
        transmit_end(c, &d, frame_send(c, n, has_fcs));
    } else {
        d.status &= ~OWN;
        descriptor_return(c, &d, 0, true);
    }
    return true;
}

/* Up to TX_BURST frames; true: there are more. */
static bool transmit(Pcnet *c)
{
    u32 left = TX_BURST;
    bool demanded = c->csr[CSR0] & CSR0_TDMD;
    c->csr[CSR0] &= ~CSR0_TDMD;
    while (left && is_working(c, CSR0_TXON) && transmit_one(c)) left--;
    if (left < TX_BURST && !demanded) c->idle_polls = 0; /* a driver that relies on being polled */
    return !left;
}

/* --- when ------------------------------------------------------------------------------------------------ */

static u64 transmit_poll_ns(const Pcnet *c)
{
    u64 ns = (u64)from_complement(c->csr[POLLINT]) * PCI_CLOCK_NS;
    return (ns < POLL_MIN_NS ? POLL_MIN_NS : ns) << c->idle_polls;
}

static void timer_by(Pcnet *c, u64 in_ns)
{
    u64 then = clock_now(c->clock) + in_ns;
    if (!c->poll.armed || then < c->poll.deadline_ns) clock_arm(c->clock, &c->poll, then);
}

static void timer_set(Pcnet *c)
{
    bool polls = is_working(c, CSR0_TXON) && !(c->csr[CSR4] & CSR4_TXDPOLL);
    if (!polls && !c->frame_waits) {
        clock_disarm(c->clock, &c->poll);
        return;
    }
    if (polls) timer_by(c, transmit_poll_ns(c));
    if (c->frame_waits) timer_by(c, c->refusals < PCNET_REFUSALS_MAX ? RX_POLL_NS : RX_POLL_SLOW_NS);
}

static void sides_start(Pcnet *c)
{
    u16 mode = c->csr[CSR15];
    c->start_wanted = false;
    if (!(mode & MODE_DTX)) c->csr[CSR0] |= CSR0_TXON;
    if (!(mode & MODE_DRX)) c->csr[CSR0] |= CSR0_RXON;
}

void pcnet_run(Pcnet *c)
{
    bool more = false;
    if (nic_pci_masters(&c->pci)) {
        if (c->init_wanted) init_block_read(c);
        if (c->start_wanted) sides_start(c);
        more = transmit(c);
    }
    frames_may_come(c);
    pcnet_interrupt(c);
    timer_set(c);
    if (more) timer_by(c, PAUSE_NS);
}

void pcnet_poll(void *dev)
{
    Pcnet *c = dev;
    if (c->idle_polls < PCNET_IDLE_MAX) c->idle_polls++;
    if (c->frame_waits && c->refusals < PCNET_REFUSALS_MAX) {
        c->refusals++;
        if (!(c->refusals & (c->refusals - 1))) c->csr[CSR0] |= CSR0_RINT; /* 1, 2, 4, 8 ms later */
    }
    pcnet_run(c);
}
