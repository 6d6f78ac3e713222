/* dp8390.c - National DP8390 with what a NE2000 puts around it: 16 KiB of memory at 4000h for packets, an address PROM at
 * 0, a data port for remote DMA, a reset port.
 *
 * Datasheet: DP8390D/NS32490D (TL/F/8582), "Registers", "Buffer Ring", "Remote DMA", "Packet Reception"; NE2000 as in
 * National's AN-729. Ports: 00h-0Fh registers of the page in CR, 10h-17h data, 18h-1Fh reset (a read).
 *
 * The receive ring is pages PSTART to PSTOP - 1. A page counter that reaches PSTOP goes on at PSTART; whatever the
 * guest has put into PSTART, PSTOP, CURR, BNRY and RSAR, they only ever count through 64 KiB of addresses, of which
 * those without memory read as ones and lose what is written.
 *
 * Quirks that guests rely on: a remote DMA of no bytes is complete at once; in word mode a byte read takes two; RST in
 * ISR tells that the chip has stopped, and raises no interrupt. STP stops it and STA without STP starts it: between the
 * two a command that has neither changes nothing, and Linux writes such ones while it reads the ring.
 *
 * Frames come as fast as there is room, not at the wire's 10 Mbit/s, and one for which there is none waits outside until
 * BNRY moves: the ring does not overflow. A PRX for each, as the chip gives it, would so come while the driver still
 * reads. Drivers that read some frames, acknowledge PRX and leave the rest to the interrupt of the next would wait for
 * ever. So PRX comes again after an acknowledgement that leaves frames in the ring: at once while one waits outside,
 * else REMIND_NS later, as if it had come then; and twice as late each time that nothing is read in between.
 * Frames are sent at once, and all have at least 60 bytes.
 *
 * Not implemented: OVW (above), loopback's FIFO (a frame in loopback is sent nowhere), collisions and errors of the wire
 * with their counters, byte order and DMA timing bits of DCR, frames shorter or longer than Ethernet's.
 */
#include "hw/dp8390.h"

enum { CR, BNRY = 0x03, ISR = 0x07, CURR = 0x07, DATA = 0x10, RESET = 0x18, PAGE = 256 };
enum {
    CR_STP = 0x01,
    CR_STA = 0x02,
    CR_TXP = 0x04,
    CR_RD = 0x38,
    CR_READ = 0x08,
    CR_WRITE = 0x10,
    CR_SEND = 0x18,
    CR_ABORT = 0x20
};
enum { ISR_PRX = 0x01, ISR_PTX = 0x02, ISR_CNT = 0x20, ISR_RDC = 0x40, ISR_RST = 0x80 };
enum { DCR_WTS = 0x01, DCR_LS = 0x08, TCR_LB = 0x06 };
enum { RCR_AB = 0x04, RCR_AM = 0x08, RCR_PRO = 0x10, RCR_MON = 0x20 };
enum { RSR_PRX = 0x01, RSR_PHY = 0x20 };
enum { TSR_PTX = 0x01, TSR_CRS = 0x10, TSR_CDH = 0x40 };
enum { HEADER = 4, TALLY_MAX = 192, REMIND_NS = 100000, REMIND_DOUBLINGS = 13 };

static void interrupt(Dp8390 *d) { irq_set(&d->irq, d->isr & d->imr & ~ISR_RST); }

static bool is_running(const Dp8390 *d) { return !(d->isr & ISR_RST); }

/* --- the card's memory ----------------------------------------------------------------------------------- */

static u8 memory_get(const Dp8390 *d, u16 at)
{
    if (at < DP8390_PROM_BYTES) return d->prom[at];
    u32 offset = (u32)at - DP8390_RAM;
    return offset < DP8390_RAM_BYTES ? d->ram[offset] : 0xff;
}

static void memory_set(Dp8390 *d, u16 at, u8 v)
{
    u32 offset = (u32)at - DP8390_RAM;
    if (offset < DP8390_RAM_BYTES) d->ram[offset] = v;
}

/* `bytes` from `at` on, if they are in one page, and that in RAM. */
static u8 *ram_run(Dp8390 *d, u16 at, u32 bytes)
{
    u32 offset = (u32)at - DP8390_RAM;
    return offset < DP8390_RAM_BYTES && (at & (PAGE - 1)) + bytes <= PAGE ? d->ram + offset : NULL;
}

static u8 page_after(const Dp8390 *d, u8 page)
{
    page++;
    return page == d->pstop ? d->pstart : page;
}

/* --- receive --------------------------------------------------------------------------------------------- */

static bool address_matches(const Dp8390 *d, const u8 *address)
{
    if (ether_is_broadcast(address)) return d->rcr & RCR_AB;
    if (ether_is_group(address)) return d->rcr & RCR_AM && ether_has_group(d->mar, address);
    return d->rcr & RCR_PRO || ether_same(address, d->par);
}

static u8 pages_of(u32 n) { return (u8)((HEADER + n + ETHER_FCS + PAGE - 1) / PAGE); }

/* Drivers write the page before the one that they read next, and before PSTART lies the ring's last. */
static u8 boundary(const Dp8390 *d) { return d->bnry == (u8)(d->pstart - 1) ? (u8)(d->pstop - 1) : d->bnry; }

static bool has_room(const Dp8390 *d, u32 n)
{
    u8 page = d->curr, end = boundary(d);
    for (u8 left = pages_of(n); left; left--) {
        page = page_after(d, page);
        if (page == end) return false;
    }
    return true;
}

/* Frames that nobody has read. BNRY is the page before the next one to read, or, as the datasheet has it, that page. */
static bool holds_frames(const Dp8390 *d)
{
    u8 end = boundary(d);
    return d->curr != end && d->curr != page_after(d, end);
}

/* Where the byte behind address `at` of the ring goes. */
static u16 ring_after(const Dp8390 *d, u16 at)
{
    at++;
    return at & (PAGE - 1) ? at : (u16)(page_after(d, (u8)((at >> 8) - 1)) << 8);
}

/* n bytes and FCS are in d->frame. */
static void frame_store(Dp8390 *d, u32 n)
{
    u8 next = d->curr;
    for (u8 left = pages_of(n); left; left--) next = page_after(d, next);
    u16 at = (u16)(d->curr << 8), count = (u16)(n + ETHER_FCS);
    d->rsr = RSR_PRX | (ether_is_group(d->frame) ? RSR_PHY : 0);
    const u8 header[HEADER] = {d->rsr, next, (u8)count, (u8)(count >> 8)};
    for (u32 i = 0; i < HEADER; i++) memory_set(d, at++, header[i]);
    for (u32 i = 0, run; i < count; i += run) {
        run = PAGE - (u32)(at & (PAGE - 1));
        if (run > count - i) run = count - i;
        u8 *to = ram_run(d, at, run);
        if (to) memcpy(to, d->frame + i, run);
        at = ring_after(d, (u16)(at + run - 1));
    }
    d->clda = at;
    d->curr = next;
    d->isr |= ISR_PRX;
}

static void frame_missed(Dp8390 *d)
{
    if (d->tally < TALLY_MAX) d->tally++;
    if (d->tally & 0x80) d->isr |= ISR_CNT;
}

static bool is_looped(const Dp8390 *d) { return !(d->dcr & DCR_LS) || d->tcr & TCR_LB; }

/* The driver has acknowledged PRX, or nothing is set that would make it look. */
static void remind_later(Dp8390 *d)
{
    u64 wait_ns = (u64)REMIND_NS << (d->reminders < REMIND_DOUBLINGS ? d->reminders : REMIND_DOUBLINGS);
    if (is_running(d) && holds_frames(d)) clock_arm(d->clock, &d->reminder, clock_now(d->clock) + wait_ns);
}

static void remind(void *dev)
{
    Dp8390 *d = dev;
    if (!is_running(d) || !holds_frames(d)) return;
    if (d->reminders < REMIND_DOUBLINGS) d->reminders++;
    d->isr |= ISR_PRX;
    interrupt(d);
}

static void prx_acknowledged(Dp8390 *d)
{
    if (d->frame_waits && !d->reminders)
        remind(d);
    else
        remind_later(d);
}

static bool receive(void *dev, const u8 *frame, u32 n)
{
    Dp8390 *d = dev;
    u32 wire = n < ETHER_WIRE_MIN ? ETHER_WIRE_MIN : n;
    if (n < NET_FRAME_MIN || n > NET_FRAME_MOST || !net_link(&d->port)) return true;
    if (!is_running(d) || d->tcr & TCR_LB || !address_matches(d, frame)) return true;
    if (d->rcr & RCR_MON) {
        frame_missed(d);
    } else if (has_room(d, wire)) {
        frame_store(d, ether_put(d->frame, frame, n));
    } else {
        d->frame_waits = true;
        if (!(d->isr & ISR_PRX)) remind_later(d);
        return false;
    }
    interrupt(d);
    return true;
}

/* The world may offer again what it was refused. */
static void frames_may_come(Dp8390 *d)
{
    d->reminders = 0;
    if (!is_running(d) || !holds_frames(d)) clock_disarm(d->clock, &d->reminder);
    if (!d->frame_waits) return;
    d->frame_waits = false;
    net_ready(&d->port);
}

/* --- transmit -------------------------------------------------------------------------------------------- */

static void transmit(Dp8390 *d)
{
    u32 n = d->tbcr <= NET_FRAME_MOST ? d->tbcr : 0;
    for (u32 i = 0, run; i < n; i += run) {
        u16 at = (u16)((d->tpsr << 8) + i);
        run = n - i < PAGE ? n - i : PAGE;
        const u8 *from = ram_run(d, at, run);
        for (u32 k = 0; k < run; k++) d->frame[i + k] = from ? from[k] : memory_get(d, (u16)(at + k));
    }
    if (n < NET_FRAME_MIN) trace(GUEST_ERRORS, "dp8390: a frame of %u bytes", d->tbcr);
    d->tsr = TSR_PTX;
    if (!is_looped(d) && !net_link(&d->port)) d->tsr |= TSR_CRS | TSR_CDH;
    d->cr &= ~CR_TXP;
    d->isr |= ISR_PTX;
    if (n >= NET_FRAME_MIN && !is_looped(d) && net_link(&d->port))
        net_send(&d->port, d->frame, ether_pad(d->frame, n));
}

/* --- remote DMA ------------------------------------------------------------------------------------------ */

static void remote_done(Dp8390 *d)
{
    if ((d->cr & CR_RD) == CR_SEND) d->bnry = memory_get(d, (u16)(d->bnry << 8 | 1));
    d->cr = (d->cr & ~CR_RD) | CR_ABORT;
    d->isr |= ISR_RDC;
}

static void remote_begin(Dp8390 *d)
{
    if ((d->cr & CR_RD) == CR_SEND) {
        d->rsar = (u16)(d->bnry << 8);
        d->rbcr = (u16)(memory_get(d, d->rsar + 2) | memory_get(d, d->rsar + 3) << 8);
    }
    if (!d->rbcr) remote_done(d);
}

/* An access to the data port has moved `bytes`. */
static void remote_count(Dp8390 *d, u32 bytes)
{
    if (d->rbcr > bytes) {
        d->rbcr = (u16)(d->rbcr - bytes);
        return;
    }
    d->rbcr = 0;
    remote_done(d);
    interrupt(d);
}

static u32 access_bytes(const Dp8390 *d, unsigned bytes)
{
    return d->dcr & DCR_WTS && bytes == 1 ? 2 : bytes;
}

static u32 data_read(Dp8390 *d, unsigned bytes)
{
    u32 v = 0, moved = access_bytes(d, bytes);
    if ((d->cr & CR_RD) != CR_READ && (d->cr & CR_RD) != CR_SEND) return ~0u;
    const u8 *from = ram_run(d, d->rsar, moved + 1);
    for (u32 i = 0; i < moved; i++) {
        v |= (u32)(from ? from[i] : memory_get(d, d->rsar)) << 8 * i;
        d->rsar = from ? d->rsar + 1 : ring_after(d, d->rsar);
    }
    remote_count(d, moved);
    return v;
}

static void data_write(Dp8390 *d, u32 v, unsigned bytes)
{
    u32 moved = access_bytes(d, bytes);
    if ((d->cr & CR_RD) != CR_WRITE) return;
    for (u32 i = 0; i < moved; i++) {
        if (i < bytes) memory_set(d, d->rsar, (u8)(v >> 8 * i));
        d->rsar = ring_after(d, d->rsar);
    }
    remote_count(d, moved);
}

/* As many as stay within a page of the RAM and leave something for the access that ends the transfer. *at: where. */
static u32 remote_run(Dp8390 *d, u32 offset, unsigned bytes, u32 count, u8 **at)
{
    u32 in_page = (PAGE - 1u) - (d->rsar & (PAGE - 1)), n = d->rbcr ? (d->rbcr - 1u) / bytes : 0;
    if (offset < DATA || offset >= RESET || access_bytes(d, bytes) != bytes) return 0;
    if (n > in_page / bytes) n = in_page / bytes;
    if (n > count) n = count;
    *at = ram_run(d, d->rsar, n * bytes);
    return *at ? n : 0;
}

static void remote_ran(Dp8390 *d, u32 bytes)
{
    d->rsar = (u16)(d->rsar + bytes);
    d->rbcr = (u16)(d->rbcr - bytes);
}

static u32 read_run(void *dev, u32 offset, unsigned bytes, void *to, u32 count)
{
    Dp8390 *d = dev;
    u8 *at = NULL;
    bool reads = (d->cr & CR_RD) == CR_READ || (d->cr & CR_RD) == CR_SEND;
    u32 n = reads ? remote_run(d, offset, bytes, count, &at) : 0;
    if (n) memcpy(to, at, n * bytes);
    remote_ran(d, n * bytes);
    return n;
}

static u32 write_run(void *dev, u32 offset, unsigned bytes, const void *from, u32 count)
{
    Dp8390 *d = dev;
    u8 *at = NULL;
    u32 n = (d->cr & CR_RD) == CR_WRITE ? remote_run(d, offset, bytes, count, &at) : 0;
    if (n) memcpy(at, from, n * bytes);
    remote_ran(d, n * bytes);
    return n;
}

/* --- registers ------------------------------------------------------------------------------------------- */

static u8 page0_read(Dp8390 *d, u32 reg)
{
    u8 v;
    switch (reg) {
    case 0x01: return (u8)d->clda;
    case 0x02: return (u8)(d->clda >> 8);
    case BNRY: return d->bnry;
    case 0x04: return d->tsr;
    case ISR: return d->isr;
    case 0x08: return (u8)d->rsar;
    case 0x09: return (u8)(d->rsar >> 8);
    case 0x0a: return (u8)d->id;
    case 0x0b: return (u8)(d->id >> 8);
    case 0x0c: return d->rsr;
    case 0x0f:
        v = d->tally;
        d->tally = 0;
        return v;
    default: return 0; /* NCR, FIFO, the other tallies */
    }
}

static u8 page2_read(const Dp8390 *d, u32 reg)
{
    switch (reg) {
    case 0x01: return d->pstart;
    case 0x02: return d->pstop;
    case 0x04: return d->tpsr;
    case 0x0c: return d->rcr | 0xc0;
    case 0x0d: return d->tcr | 0xe0;
    case 0x0e: return d->dcr | 0x80;
    case 0x0f: return d->imr | 0x80;
    default: return 0xff;
    }
}

static u8 register_read(Dp8390 *d, u32 reg)
{
    if (reg == CR) return d->cr;
    switch (d->cr >> 6) {
    case 0: return page0_read(d, reg);
    case 1: return reg == CURR ? d->curr : reg < CURR ? d->par[reg - 1] : d->mar[reg - 8];
    case 2: return page2_read(d, reg);
    default: return d->page3_read ? d->page3_read(d->card, reg) : 0xff;
    }
}

static void command_write(Dp8390 *d, u8 v)
{
    d->cr = v & ~CR_TXP;
    if (v & CR_STP) {
        d->isr |= ISR_RST;
        frames_may_come(d);
    } else if (v & CR_STA) {
        d->isr &= ~ISR_RST;
    }
    if (!(v & CR_ABORT) && v & CR_RD) remote_begin(d);
    if (v & CR_TXP && is_running(d)) transmit(d);
}

static void set_low(u16 *r, u8 v) { *r = (u16)((*r & 0xff00) | v); }
static void set_high(u16 *r, u8 v) { *r = (u16)((*r & 0x00ff) | v << 8); }

static void page0_write(Dp8390 *d, u32 reg, u8 v)
{
    switch (reg) {
    case 0x01: d->pstart = v; break;
    case 0x02: d->pstop = v; break;
    case BNRY: d->bnry = v; break;
    case 0x04: d->tpsr = v; break;
    case 0x05: set_low(&d->tbcr, v); break;
    case 0x06: set_high(&d->tbcr, v); break;
    case ISR:
        d->isr &= ~(v & ~ISR_RST);
        if (v & ISR_PRX) prx_acknowledged(d);
        break;
    case 0x08: set_low(&d->rsar, v); break;
    case 0x09: set_high(&d->rsar, v); break;
    case 0x0a: set_low(&d->rbcr, v); break;
    case 0x0b: set_high(&d->rbcr, v); break;
    case 0x0c: d->rcr = v & 0x3f; break;
    case 0x0d: d->tcr = v & 0x1f; break;
    case 0x0e: d->dcr = v & 0x7f; break;
    case 0x0f: d->imr = v & 0x7f; break;
    }
    if (reg == BNRY) frames_may_come(d);
}

static void page1_write(Dp8390 *d, u32 reg, u8 v)
{
    if (reg < CURR) d->par[reg - 1] = v;
    if (reg == CURR) d->curr = v;
    if (reg > CURR) d->mar[reg - 8] = v;
}

static void register_write(Dp8390 *d, u32 reg, u8 v)
{
    if (reg == CR)
        command_write(d, v);
    else if (d->cr >> 6 == 0)
        page0_write(d, reg, v);
    else if (d->cr >> 6 == 1)
        page1_write(d, reg, v);
    else if (d->cr >> 6 == 3 && d->page3_write)
        d->page3_write(d->card, reg, v);
    interrupt(d);
}

/* The reset pin: the chip stops; addresses and the ring stay. */
static void chip_reset(Dp8390 *d)
{
    d->cr = CR_ABORT | CR_STP;
    d->isr = ISR_RST;
    d->imr = 0;
    d->tcr = 0;
    interrupt(d);
    frames_may_come(d);
}

static u32 read(void *dev, u32 offset, unsigned bytes)
{
    Dp8390 *d = dev;
    u32 v = 0;
    if (offset >= RESET) {
        chip_reset(d);
        return 0xffffffff;
    }
    if (offset >= DATA) return data_read(d, bytes);
    for (u32 i = 0; i < bytes && offset + i < DATA; i++) v |= (u32)register_read(d, offset + i) << 8 * i;
    return v;
}

static void write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    Dp8390 *d = dev;
    if (offset >= RESET) return;
    if (offset >= DATA) {
        data_write(d, value, bytes);
        return;
    }
    for (u32 i = 0; i < bytes && offset + i < DATA; i++) register_write(d, offset + i, (u8)(value >> 8 * i));
}

const IoOps dp8390_ops = {read, write, 1, 4};
const IoRuns dp8390_runs = {read_run, write_run};

/* --- life cycle ------------------------------------------------------------------------------------------ */

void dp8390_reset(Dp8390 *d)
{
    d->dcr = 0x04; /* LAS */
    d->tsr = d->rcr = d->rsr = 0;
    d->pstart = d->pstop = d->bnry = d->curr = d->tpsr = d->tally = 0;
    d->tbcr = d->rsar = d->rbcr = d->clda = 0;
    memset(d->par, 0, sizeof d->par);
    memset(d->mar, 0, sizeof d->mar);
    memset(d->ram, 0, sizeof d->ram);
    chip_reset(d);
}

void dp8390_state(Dp8390 *d, State *s)
{
    u8 *const bytes[] = {&d->cr,  &d->isr,    &d->imr,   &d->dcr,  &d->tcr,  &d->tsr,  &d->rcr,
                         &d->rsr, &d->pstart, &d->pstop, &d->bnry, &d->curr, &d->tpsr, &d->tally};
    static const char *const names[] = {"cr",  "isr",    "imr",   "dcr",  "tcr",  "tsr",  "rcr",
                                        "rsr", "pstart", "pstop", "bnry", "curr", "tpsr", "tally"};
    for (u32 n = 0; n < ARRAY_LEN(names); n++) state_u8(s, names[n], bytes[n]);
    state_u16(s, "tbcr", &d->tbcr);
    state_u16(s, "rsar", &d->rsar);
    state_u16(s, "rbcr", &d->rbcr);
    state_u16(s, "clda", &d->clda);
    state_bytes(s, "par", d->par, sizeof d->par);
    state_bytes(s, "mar", d->mar, sizeof d->mar);
    state_bytes(s, "ram", d->ram, sizeof d->ram);
    state_bool(s, "frame_waits", &d->frame_waits);
    state_u8(s, "reminders", &d->reminders);
    state_timer(s, "reminder", d->clock, &d->reminder);
}

/* The world's side knows nothing of what was loaded: it may offer again. */
void dp8390_loaded(Dp8390 *d) { net_ready(&d->port); }

void dp8390_init(Dp8390 *d, Clock *clock, IrqLine irq, const u8 mac[ETHER_ADDRESS])
{
    *d = (Dp8390){.clock = clock, .irq = irq};
    d->port = (NetPort){.receive = receive, .dev = d, .up = true};
    memcpy(d->port.mac, mac, ETHER_ADDRESS);
    d->reminder = (Timer){.fire = remind, .ctx = d};
    for (u32 n = 0; n < DP8390_PROM_BYTES; n++) d->prom[n] = n < 12 ? mac[n / 2] : n >= 28 ? 'W' : 0;
    dp8390_reset(d);
}
