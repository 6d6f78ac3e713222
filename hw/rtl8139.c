/* rtl8139.c - Realtek RTL8139C Fast Ethernet controller, PCI 10EC:8139 revision 10h.
 *
 * Datasheet: RTL8139C(L) 1.4, "Register Descriptions", "EEPROM Contents", "Packet Transmission", "Packet Reception".
 * BAR 0: 256 ports, BAR 1: the same in memory, INTA#. Four transmit descriptors are registers, sent in turn. The
 * receive ring is 8 to 64 KiB of memory at RBSTART: a header (status, length with FCS), the frame and its FCS, to the
 * next doubleword. CBR is where the chip writes, CAPR + 16 where the guest reads.
 *
 * Quirks that guests rely on: CAPR is 16 behind; with WRAP a frame runs over the ring's end instead of being split;
 * enabling the receiver empties the ring; the address is read from a 93C46 through 9346CR's wires; the PHY's registers
 * lie at 62h-6Ah and the link in MSR; in CSCR, whose bits 10 and 11 the datasheet leaves out, cards show the link and
 * (until it is read) that it changed, without which Linux does not look at it.
 *
 * Whatever the pointers say, they are taken modulo the ring, and memory may be anything (pcnet_ring.c has more on this).
 * A frame for which there is no room waits outside until CAPR moves, and ROK comes again while it waits, later and
 * later: drivers that leave frames in the ring count on the interrupt of the next one. So RXOVW is only of loopback.
 *
 * TCTR counts the 33 MHz of the bus from its last write, and is computed when it is read. TIMERINT, if not 0, sets
 * ISR.TimeOut each time that TCTR comes by it.
 *
 * Not implemented: the C+ mode (descriptor rings, checksum offload: revision 20h, the 8139cp driver), early receive and
 * transmit thresholds, power management and wake-up, writing the EEPROM, VPD, flash and boot ROM, flow control,
 * negotiation (always 100BASE-TX full duplex), errors of the wire, PHY test registers (they keep what is written).
 */
#include "hw/rtl8139.h"

enum {
    IDR0 = 0x00,
    MAR0 = 0x08,
    TSD0 = 0x10,
    TSAD0 = 0x20,
    RBSTART = 0x30,
    CR = 0x37,
    CAPR = 0x38,
    CBR = 0x3a,
    IMR = 0x3c,
    ISR = 0x3e,
    TCR = 0x40,
    RCR = 0x44,
    TCTR = 0x48,
    MPC = 0x4c,
    EECR = 0x50,
    CONFIG0 = 0x51,
    CONFIG1 = 0x52,
    TIMERINT = 0x54,
    MSR = 0x58,
    CONFIG3 = 0x59,
    CONFIG4 = 0x5a,
    MULINT = 0x5c,
    TSAD = 0x60,
    BMCR = 0x62,
    BMSR = 0x64,
    ANAR = 0x66,
    ANLPAR = 0x68,
    ANER = 0x6a,
    CSCR = 0x74,
    CONFIG5 = 0xd8,
};
enum { CR_BUFE = 0x01, CR_TE = 0x04, CR_RE = 0x08, CR_RST = 0x10 };
enum { ISR_ROK = 0x0001, ISR_TOK = 0x0004, ISR_RXOVW = 0x0010, ISR_LINK = 0x0020, ISR_TIMEOUT = 0x4000 };
enum { TSD_SIZE = 0x1fff, TSD_OWN = 0x2000, TSD_TOK = 0x8000, TSD_WRITABLE = 0x003f3fff };
#define TSD_CRS 0x80000000u
enum { TCR_CRC = 1 << 16, TCR_LBK = 3 << 17, TCR_HWVERID = 0x74000000 };
enum { RCR_AAP = 0x01, RCR_APM = 0x02, RCR_AM = 0x04, RCR_AB = 0x08, RCR_WRAP = 0x80, RCR_RBLEN = 11 };
enum { RX_ROK = 0x0001, RX_BAR = 0x2000, RX_PAM = 0x4000, RX_MAR = 0x8000, RX_HEADER = 4 };
enum {
    EECR_MODE = 0xc0,
    EECR_PROGRAM = 0x80,
    EECR_CONFIG = 0xc0,
    EECS = 0x08,
    EESK = 0x04,
    EEDI = 0x02,
    EEDO = 0x01
};
enum { BMSR_UP = 0x0024, MSR_LINKB = 0x04, CSCR_LINK = 0x0400, CSCR_LINK_CHANGED = 0x0800 };
enum { VENDOR_REALTEK = 0x10ec, DEVICE_RTL8139 = 0x8139 };
static const NicPciIds ids = {VENDOR_REALTEK, DEVICE_RTL8139, 0x10,      0x20,
                              0x40,           RTL8139_BYTES,  "rtl8139", "rtl8139-mmio"};
enum { TIMER_HZ = 33000000, TX_DESCRIPTORS = 4, CAPR_BEHIND = 16, REMIND_NS = 500000, REMIND_DOUBLINGS = 11 };

static u16 get16(const Rtl8139 *n, u32 reg) { return load16(n->r + reg); }
static u32 get32(const Rtl8139 *n, u32 reg) { return load32(n->r + reg); }

static bool masters(const Rtl8139 *n) { return nic_pci_masters(&n->pci); }

/* --- interrupt ------------------------------------------------------------------------------------------- */

static void interrupt(Rtl8139 *n, u16 flags)
{
    u16 isr = get16(n, ISR) | flags;
    store16(n->r + ISR, isr);
    irq_set(&n->intx, isr & get16(n, IMR));
}

/* --- timer ----------------------------------------------------------------------------------------------- */

/* Since TCTR was 0; its lower 32 bits are TCTR. */
static u64 timer_ticks(const Rtl8139 *n)
{
    return muldiv64(clock_now(n->clock) - n->timer_zero_ns, TIMER_HZ, 1000000000u);
}

/* When TCTR comes by TIMERINT next. */
static void timer_arm(Rtl8139 *n)
{
    u32 wanted = get32(n, TIMERINT);
    if (!wanted) {
        clock_disarm(n->clock, &n->timer);
        return;
    }
    u64 ticks = timer_ticks(n), then = (ticks & ~0xffffffffull) + wanted;
    if (then <= ticks) then += 1ull << 32;
    clock_arm(n->clock, &n->timer, n->timer_zero_ns + muldiv64(then, 1000000000u, TIMER_HZ) + 1);
}

static void timer_fires(void *dev)
{
    interrupt(dev, ISR_TIMEOUT);
    timer_arm(dev);
}

/* --- receive --------------------------------------------------------------------------------------------- */

static u32 ring_bytes(const Rtl8139 *n) { return 8192u << (get32(n, RCR) >> RCR_RBLEN & 3); }
static u32 ring_used(const Rtl8139 *n)
{
    return (n->cbr - (get16(n, CAPR) + CAPR_BEHIND)) & (ring_bytes(n) - 1);
}

/* How the destination matches, a bit of the header's status or ROK; 0: not at all. */
static u16 address_match(const Rtl8139 *n, const u8 *address)
{
    u32 rcr = get32(n, RCR);
    if (ether_is_broadcast(address)) return rcr & RCR_AB ? RX_BAR : 0;
    if (ether_is_group(address)) return rcr & RCR_AM && ether_has_group(n->r + MAR0, address) ? RX_MAR : 0;
    if (rcr & RCR_APM && ether_same(address, n->r + IDR0)) return RX_PAM;
    return rcr & RCR_AAP ? RX_ROK : 0;
}

static u32 room_for(u32 wire) { return (RX_HEADER + wire + ETHER_FCS + 3) & ~3u; }
static bool has_room(const Rtl8139 *n, u32 wire) { return ring_used(n) + room_for(wire) < ring_bytes(n); }

/* n->rx to the ring, over its end or around it. */
static void ring_put(Rtl8139 *n, u32 bytes)
{
    u32 rcr = get32(n, RCR), size = ring_bytes(n), base = get32(n, RBSTART), at = n->cbr & (size - 1);
    bool over = rcr & RCR_WRAP && size < 0x10000;
    u32 first = over || bytes < size - at ? bytes : size - at;
    phys_dma_write(n->phys, base + at, n->rx, first);
    if (first < bytes) phys_dma_write(n->phys, base, n->rx + first, bytes - first);
}

static void frame_take(Rtl8139 *n, const u8 *frame, u32 bytes, u16 match)
{
    u32 wire = ether_put(n->rx + RX_HEADER, frame, bytes);
    store16(n->rx, RX_ROK | match);
    store16(n->rx + 2, (u16)(wire + ETHER_FCS));
    ring_put(n, RX_HEADER + wire + ETHER_FCS);
    n->cbr = (u16)((n->cbr + room_for(wire)) & (ring_bytes(n) - 1));
    interrupt(n, ISR_ROK);
}

static void frame_missed(Rtl8139 *n)
{
    u32 missed = (get32(n, MPC) & 0xffffff) + 1;
    if (missed < 0x1000000) store32(n->r + MPC, (get32(n, MPC) & 0xff000000) | missed);
    interrupt(n, ISR_RXOVW);
}

static void remind_later(Rtl8139 *n)
{
    clock_arm(n->clock, &n->reminder, clock_now(n->clock) + ((u64)REMIND_NS << n->reminders));
}

static void remind(void *dev)
{
    Rtl8139 *n = dev;
    if (!n->frame_waits) return;
    if (n->reminders < REMIND_DOUBLINGS) n->reminders++;
    interrupt(n, ISR_ROK);
    remind_later(n);
}

static bool receive(void *dev, const u8 *frame, u32 bytes)
{
    Rtl8139 *n = dev;
    u32 wire = bytes < ETHER_WIRE_MIN ? ETHER_WIRE_MIN : bytes;
    if (bytes < NET_FRAME_MIN || bytes > NET_FRAME_MOST || !net_link(&n->port)) return true;
    if (!(n->r[CR] & CR_RE) || !masters(n) || get32(n, TCR) & TCR_LBK) return true;
    u16 match = address_match(n, frame);
    if (!match) return true;
    if (has_room(n, wire)) {
        frame_take(n, frame, bytes, match);
        return true;
    }
    n->frame_waits = true;
    remind_later(n);
    return false;
}

/* The world may offer again what it was refused. */
static void frames_may_come(Rtl8139 *n)
{
    if (!n->frame_waits) return;
    n->frame_waits = false;
    n->reminders = 0;
    clock_disarm(n->clock, &n->reminder);
    net_ready(&n->port);
}

/* --- transmit -------------------------------------------------------------------------------------------- */

static void frame_loops(Rtl8139 *n, u32 bytes)
{
    u16 match = address_match(n, n->tx);
    if (!(n->r[CR] & CR_RE) || !match) return;
    if (has_room(n, bytes))
        frame_take(n, n->tx, bytes, match);
    else
        frame_missed(n);
}

/* Returns the errors for TSD. */
static u32 frame_send(Rtl8139 *n, u32 pa, u32 bytes)
{
    u32 tcr = get32(n, TCR), fcs = tcr & TCR_CRC ? ETHER_FCS : 0;
    bytes = bytes > fcs ? bytes - fcs : 0;
    if (bytes < NET_FRAME_MIN || bytes > NET_FRAME_MOST) {
        trace(GUEST_ERRORS, "rtl8139: a frame of %u bytes", bytes);
        return 0;
    }
    phys_dma_read(n->phys, pa, n->tx, bytes);
    bytes = ether_pad(n->tx, bytes);
    if (tcr & TCR_LBK)
        frame_loops(n, bytes);
    else if (!net_link(&n->port))
        return TSD_CRS;
    else
        net_send(&n->port, n->tx, bytes);
    return 0;
}

/* Descriptors in turn, while they are the chip's; each is the guest's afterwards, so this ends. */
static void transmit(Rtl8139 *n)
{
    while (n->r[CR] & CR_TE && masters(n)) {
        u32 at = TSD0 + 4u * n->next_tx, tsd = get32(n, at);
        if (tsd & TSD_OWN) return;
        store32(n->r + at, tsd | TSD_OWN);
        u32 errors = frame_send(n, get32(n, TSAD0 + 4u * n->next_tx), tsd & TSD_SIZE);
        store32(n->r + at, (tsd & TSD_WRITABLE) | TSD_OWN | TSD_TOK | errors);
        n->next_tx = (n->next_tx + 1) % TX_DESCRIPTORS;
        interrupt(n, ISR_TOK);
    }
}

static u16 transmit_summary(const Rtl8139 *n) /* TSAD */
{
    u16 v = 0;
    for (u32 i = 0; i < TX_DESCRIPTORS; i++) {
        u32 tsd = get32(n, TSD0 + 4 * i);
        v |= (u16)((tsd & TSD_OWN ? 1 : 0) << i | (tsd & TSD_TOK ? 1 : 0) << (i + 12));
    }
    return v;
}

/* --- EEPROM ---------------------------------------------------------------------------------------------- */

static u16 eeprom_word(const Rtl8139 *n, u32 at)
{
    static const u16 words[] = {0x8129, VENDOR_REALTEK, DEVICE_RTL8139, 0x1100, 0x1af4, 0x4020, 0xe512};
    if (at < ARRAY_LEN(words)) return words[at];
    return at < 10 ? load16(n->port.mac + 2 * (at - 7)) : 0;
}

/* Start bit, two bits of operation (10: read), six of address; then a zero and the word, one bit a clock. */
static void eeprom_clock(Rtl8139 *n, bool data)
{
    enum { COMMAND_BITS = 9, READ = 6 };
    Rtl8139Eeprom *e = &n->eeprom;
    if (e->bits == COMMAND_BITS) {
        e->out <<= 1;
        return;
    }
    if (!e->bits && !data) return;
    e->in = (u16)(e->in << 1 | data);
    e->bits++;
    if (e->bits == COMMAND_BITS && (e->in >> 6 & 7) == READ) e->out = eeprom_word(n, e->in & 63);
}

static void eecr_write(Rtl8139 *n, u8 v)
{
    bool clock = v & EESK;
    n->r[EECR] = v & (EECR_MODE | EECS | EESK | EEDI);
    if ((v & EECR_MODE) != EECR_PROGRAM || !(v & EECS))
        n->eeprom = (Rtl8139Eeprom){0};
    else if (clock && !n->eeprom.clock)
        eeprom_clock(n, v & EEDI);
    n->eeprom.clock = clock;
}

/* --- registers ------------------------------------------------------------------------------------------- */

static void registers_reset(Rtl8139 *n)
{
    static const struct {
        u8 reg;
        u16 value;
    } defaults[] = {{CONFIG1, 0x0c}, {CONFIG3, 0x01}, {BMCR, 0x3100},
                    {BMSR, 0x7809},  {ANAR, 0x05e1},  {CAPR, 0xfff0}};
    u8 mac[ETHER_ADDRESS], mar[8];
    memcpy(mac, n->r + IDR0, sizeof mac); /* these stay */
    memcpy(mar, n->r + MAR0, sizeof mar);
    memset(n->r, 0, sizeof n->r);
    memcpy(n->r + IDR0, mac, sizeof mac);
    memcpy(n->r + MAR0, mar, sizeof mar);
    for (u32 i = 0; i < ARRAY_LEN(defaults); i++) store16(n->r + defaults[i].reg, defaults[i].value);
    for (u32 i = 0; i < TX_DESCRIPTORS; i++) store32(n->r + TSD0 + 4 * i, TSD_OWN);
    n->next_tx = 0;
    n->cbr = 0;
    n->eeprom = (Rtl8139Eeprom){0};
    n->timer_zero_ns = clock_now(n->clock);
    timer_arm(n);
    interrupt(n, 0);
    frames_may_come(n);
}

static void command_write(Rtl8139 *n, u8 v)
{
    if (v & CR_RST) {
        registers_reset(n);
        return;
    }
    u8 on = v & ~n->r[CR];
    n->r[CR] = v & (CR_RE | CR_TE);
    if (on & CR_RE) {
        n->cbr = 0;
        store16(n->r + CAPR, (u16)-CAPR_BEHIND);
    }
    if (on & CR_TE) n->next_tx = 0;
    if (!(v & CR_RE)) frames_may_come(n);
}

/* Bits that the guest may change where nothing else happens. */
static u8 writable(const Rtl8139 *n, u32 reg)
{
    bool unlocked = (n->r[EECR] & EECR_MODE) == EECR_CONFIG;
    if (reg < IDR0 + 6 || (reg >= MAR0 && reg < TSD0)) return 0xff;
    if (reg >= TSAD0 && reg < RBSTART + 4) return 0xff;
    if (reg >= TSD0 && reg < TSAD0) return (u8)((u32)TSD_WRITABLE >> 8 * (reg & 3));
    if (reg >= RCR && reg < RCR + 4) return (u8)(0x0f03ffbfu >> 8 * (reg & 3));
    if (reg >= TCR && reg < TCR + 4) return (u8)(0x030707f0u >> 8 * (reg & 3));
    switch (reg) {
    case CAPR:
    case CAPR + 1:
    case IMR:
    case MULINT:
    case BMCR:
    case ANAR:
    case ANAR + 1: return 0xff;
    case IMR + 1: return 0xe0;
    case MULINT + 1: return 0x0f;
    case BMCR + 1: return 0x31;
    case CSCR + 1: return 0;
    case CONFIG1: return unlocked ? 0xf3 : 0;
    case CONFIG3:
    case CONFIG4:
    case CONFIG5: return unlocked ? 0xff : 0;
    default: return reg >= TIMERINT && reg < TIMERINT + 4 ? 0xff : reg >= 0x70 && reg < 0xd0 ? 0xff : 0;
    }
}

static void byte_write(Rtl8139 *n, u32 reg, u8 v)
{
    switch (reg) {
    case CR: command_write(n, v); break;
    case ISR:
    case ISR + 1: n->r[reg] &= ~v; break;
    case EECR: eecr_write(n, v); break;
    case MPC:
    case MPC + 1:
    case MPC + 2: memset(n->r + MPC, 0, 3); break;
    default: n->r[reg] = (n->r[reg] & ~writable(n, reg)) | (v & writable(n, reg));
    }
}

static bool touches(u32 offset, unsigned bytes, u32 reg, u32 length)
{
    return offset < reg + length && offset + bytes > reg;
}

static void write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    Rtl8139 *n = dev;
    for (u32 i = 0; i < bytes && offset + i < RTL8139_BYTES; i++)
        byte_write(n, offset + i, (u8)(value >> 8 * i));
    for (u32 i = 0; i < TX_DESCRIPTORS; i++) /* status of an earlier frame goes */
        if (touches(offset, bytes, TSD0 + 4 * i, 4))
            store32(n->r + TSD0 + 4 * i, get32(n, TSD0 + 4 * i) & TSD_WRITABLE);
    if (touches(offset, bytes, TCTR, 4)) n->timer_zero_ns = clock_now(n->clock);
    if (touches(offset, bytes, TCTR, 4) || touches(offset, bytes, TIMERINT, 4)) timer_arm(n);
    if (touches(offset, bytes, CAPR, 2) || touches(offset, bytes, RCR, 4)) frames_may_come(n);
    transmit(n);
    interrupt(n, 0);
}

/* The doubleword at offset `at`, with what follows from time, the link and other registers. */
static u32 register32(const Rtl8139 *n, u32 at)
{
    u32 v = get32(n, at);
    bool up = net_link(&n->port);
    switch (at) {
    case CR & ~3: return (v & ~((u32)CR_BUFE << 24)) | (ring_used(n) ? 0 : (u32)CR_BUFE << 24);
    case CAPR: return (v & 0xffff) | (u32)n->cbr << 16;
    case TCR: return (v & 0x03ffffff) | TCR_HWVERID;
    case TCTR: return (u32)timer_ticks(n);
    case EECR: return (v & ~(u32)EEDO) | (n->eeprom.out >> 16 & 1 ? EEDO : 0);
    case MSR: return (v & ~0xffu) | (up ? 0 : MSR_LINKB);
    case TSAD: return (v & 0xffff0000) | transmit_summary(n);
    case BMSR: return (v & 0xffff0000) | (up ? 0x7809 | BMSR_UP : 0x7809);
    case CSCR: return (v & ~(u32)CSCR_LINK) | (up ? CSCR_LINK : 0);
    case ANLPAR: return up ? 0x000145e1 : 0; /* and ANER */
    default: return v;
    }
}

static u32 read(void *dev, u32 offset, unsigned bytes)
{
    Rtl8139 *n = dev;
    u32 at = offset & ~3u, shift = 8 * (offset & 3);
    u64 v = register32(n, at);
    if (shift / 8 + bytes > 4 && at + 4 < RTL8139_BYTES) v |= (u64)register32(n, at + 4) << 32;
    if (touches(offset, bytes, CSCR + 1, 1)) store16(n->r + CSCR, get16(n, CSCR) & ~CSCR_LINK_CHANGED);
    return (u32)(v >> shift);
}

/* --- PCI and the cable ----------------------------------------------------------------------------------- */

static void config_written(void *dev, u32 reg, unsigned bytes)
{
    (void)bytes;
    if (nic_pci_is_command(reg)) transmit(dev);
}

static void link_changed(void *dev)
{
    Rtl8139 *n = dev;
    store16(n->r + CSCR, get16(n, CSCR) | CSCR_LINK_CHANGED);
    interrupt(n, ISR_LINK);
}

/* --- life cycle ------------------------------------------------------------------------------------------ */

static void rtl8139_reset(void *dev)
{
    Rtl8139 *n = dev;
    nic_pci_reset(&n->pci, &ids);
    memcpy(n->r + IDR0, n->port.mac, ETHER_ADDRESS);
    memset(n->r + MAR0, 0, 8);
    registers_reset(n);
}

static void rtl8139_state(void *dev, State *s)
{
    Rtl8139 *n = dev;
    pci_function_state(&n->pci.f, s);
    for (u32 at = 0; s->way != STATE_LOAD && at < RTL8139_BYTES; at += 4)
        store32(n->r + at, register32(n, at));
    state_bytes(s, "registers", n->r, sizeof n->r);
    state_u8(s, "next_tx", &n->next_tx);
    state_check(s, n->next_tx < TX_DESCRIPTORS, "next_tx");
    state_u16(s, "cbr", &n->cbr);
    state_check(s, !(n->cbr & 3), "cbr");
    state_u64(s, "timer_zero_ns", &n->timer_zero_ns);
    state_u8(s, "eeprom_bits", &n->eeprom.bits);
    state_u16(s, "eeprom_in", &n->eeprom.in);
    state_u32(s, "eeprom_out", &n->eeprom.out);
    state_bool(s, "eeprom_clock", &n->eeprom.clock);
    state_bool(s, "frame_waits", &n->frame_waits);
    state_u8(s, "reminders", &n->reminders);
    if (n->reminders > REMIND_DOUBLINGS) n->reminders = REMIND_DOUBLINGS; /* earlier versions counted on */
    state_timer(s, "reminder", n->clock, &n->reminder);
    state_timer(s, "timer", n->clock, &n->timer);
}

static void rtl8139_loaded(void *dev)
{
    Rtl8139 *n = dev;
    pci_function_loaded(&n->pci.f);
    net_ready(&n->port); /* which knows nothing of what was loaded: it may offer again */
}

const PartKind rtl8139_part = {
    .version = 1, .reset = rtl8139_reset, .state = rtl8139_state, .loaded = rtl8139_loaded};

void rtl8139_post(Rtl8139 *n, u32 io, u32 pa) { nic_pci_post(&n->pci, io, pa); }

static const IoOps rtl8139_ops = {read, write, 1, 4};

void rtl8139_init(Rtl8139 *n, Pci *pci, unsigned slot, Bus *bus, Phys *phys, Clock *clock, IrqLine intx,
                  const u8 mac[ETHER_ADDRESS])
{
    *n = (Rtl8139){.phys = phys, .clock = clock, .intx = intx};
    n->port = (NetPort){.receive = receive, .link = link_changed, .dev = n, .up = true};
    memcpy(n->port.mac, mac, ETHER_ADDRESS);
    n->reminder = (Timer){.fire = remind, .ctx = n};
    n->timer = (Timer){.fire = timer_fires, .ctx = n};
    nic_pci_init(&n->pci, pci, slot, bus, &ids, &rtl8139_ops, n, config_written);
    rtl8139_reset(n);
}
