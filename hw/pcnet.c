/* pcnet.c - AMD Am79C970A, PCnet-PCI II: registers, reset, configuration. pcnet_ring.c moves the frames.
 *
 * Datasheet: Am79C970A (19436), "User Accessible Registers", "Slave I/O Transfers", "Software Access". PCI 1022:2000;
 * BAR 0: 32 ports, BAR 1: the same in memory, INTA#. Offsets: 00h APROM (address, 57h 57h, checksum), then in word
 * mode (WIO) 10h RDP, 12h RAP, 14h reset, 16h BDP; in doubleword mode (DWIO) 10h, 14h, 18h, 1Ch.
 *
 * Quirks that guests rely on: a doubleword written to 10h switches to DWIO until the next H_RESET; reading the reset
 * register is a software reset, writing it does nothing; STOP clears all of CSR0; flags of CSR0, 4 and 5 are cleared by
 * ones. The chip moves memory only while its bus master bit is set; INIT waits for it. BCR4 shows the link.
 *
 * Not implemented: the serial EEPROM's own wires (BCR19), the ILACC's layout of CSR3 and CSR4 (SWSTYLE 1 has its
 * descriptors only), what CSR18-67 tell of the frame in progress (they keep what is written; CSR28-29 and 34-35, the
 * current descriptors, tell), LAPP, magic packets, burst and bus timers, LEDs other than the link, collisions, JTAG,
 * PCI error bits, byte writes to registers.
 */
#include "hw/pcnet.h"

enum { IO_BYTES = 32, RDP = 0x10 };
enum { MC_APROMWE = 0x0100, BSBC_DWIO = 0x0080, LED_LNKSTE = 0x0040, LEDOUT = 0x8000 };
enum { CSR0_CLEARABLE = 0x7f00, CSR3_WRITABLE = 0x5f7c };
enum { ID_LOW = 88, ID_HIGH = 89, XMTTDR = 94, RCC = 114 };
enum { VENDOR_AMD = 0x1022, DEVICE_PCNET = 0x2000 };
static const NicPciIds ids = {VENDOR_AMD, DEVICE_PCNET, 0x10, 0x06, 0xff, IO_BYTES, "pcnet", "pcnet-mmio"};

/* --- interrupt ------------------------------------------------------------------------------------------- */

void pcnet_interrupt(Pcnet *c)
{
    u16 s = c->csr[CSR0], s4 = c->csr[CSR4], s5 = c->csr[CSR5];
    bool wanted = s & ~c->csr[CSR3] & 0x5f00; /* all flags but CERR have a mask there */
    wanted |= s4 >> 1 & ~s4 & CSR4_MASKS;     /* a flag is the bit above its mask */
    wanted |= s4 & CSR4_UINT;
    wanted |= s5 >> 1 & s5 & CSR5_ENABLES; /* ... or above its enable bit */
    s &= ~(CSR0_INTR | CSR0_ERR);
    if (wanted) s |= CSR0_INTR;
    if (s & (CSR0_BABL | CSR0_CERR | CSR0_MISS | CSR0_MERR)) s |= CSR0_ERR;
    c->csr[CSR0] = s;
    irq_set(&c->intx, wanted && s & CSR0_IENA);
}

/* --- control and status registers ------------------------------------------------------------------------ */

static void stop(Pcnet *c)
{
    c->csr[CSR0] = CSR0_STOP;
    c->csr[CSR4] &= ~CSR4_FLAGS;
    c->csr[CSR5] &= ~(CSR5_FLAGS | CSR5_SPND);
    c->init_wanted = c->start_wanted = false;
}

static void csr0_write(Pcnet *c, u16 v)
{
    u16 *s = &c->csr[CSR0];
    *s = (*s & ~((v & CSR0_CLEARABLE) | CSR0_IENA)) | (v & CSR0_IENA);
    if (v & CSR0_STOP) {
        stop(c);
        return;
    }
    if (v & CSR0_INIT && !(*s & CSR0_INIT)) {
        *s = (*s & ~CSR0_STOP) | CSR0_INIT;
        c->init_wanted = true;
    }
    if (v & CSR0_STRT && !(*s & CSR0_STRT)) {
        *s = (*s & ~CSR0_STOP) | CSR0_STRT;
        c->start_wanted = true;
    }
    *s |= v & CSR0_TDMD;
}

static void csr4_write(Pcnet *c, u16 v)
{
    u16 flags = c->csr[CSR4] & CSR4_FLAGS & ~v;
    c->csr[CSR4] = flags | (v & CSR4_WRITABLE);
    if (v & CSR4_UINTCMD) c->csr[CSR4] |= CSR4_UINT;
}

static void csr5_write(Pcnet *c, u16 v)
{
    c->csr[CSR5] = (c->csr[CSR5] & CSR5_FLAGS & ~v) | (v & CSR5_WRITABLE);
}

static void software_style_write(Pcnet *c, u16 v)
{
    u8 style = v & 0xff;
    if (style > 3) trace(GUEST_ERRORS, "pcnet: software style %u", style);
    u16 form = style == 1                 ? SWS_SSIZE32
               : style == 2 || style == 3 ? SWS_SSIZE32 | SWS_CSRPCNET
                                          : SWS_CSRPCNET;
    c->bcr[BCR_SWS] = form | style;
}

static bool is_at_rest(const Pcnet *c) { return c->csr[CSR0] & CSR0_STOP || c->csr[CSR5] & CSR5_SPND; }

static bool csr_is_read_only(unsigned n)
{
    return n == CSR6 || n == 7 || n == ID_LOW || n == ID_HIGH || n == XMTTDR || n >= 125;
}

static void csr_write(Pcnet *c, unsigned n, u16 v)
{
    switch (n) {
    case CSR0: csr0_write(c, v); break;
    case CSR3: c->csr[CSR3] = v & CSR3_WRITABLE; break;
    case CSR4: csr4_write(c, v); break;
    case CSR5: csr5_write(c, v); break;
    default:
        if (csr_is_read_only(n) || !is_at_rest(c)) return;
        if (n == SWS)
            software_style_write(c, v);
        else if (n == 16 || n == 17)
            c->csr[n - 15] = v; /* CSR1 and 2 by other names */
        else
            c->csr[n] = v;
    }
    pcnet_run(c);
}

static u16 csr_read(const Pcnet *c, unsigned n)
{
    switch (n) {
    case 16:
    case 17: return c->csr[n - 15];
    case CRDA: return (u16)pcnet_descriptor_pa(c, BADR, RCVRC);
    case CRDA + 1: return (u16)(pcnet_descriptor_pa(c, BADR, RCVRC) >> 16);
    case CXDA: return (u16)pcnet_descriptor_pa(c, BADX, XMTRC);
    case CXDA + 1: return (u16)(pcnet_descriptor_pa(c, BADX, XMTRC) >> 16);
    case SWS: return c->bcr[BCR_SWS];
    default: return c->csr[n];
    }
}

/* --- bus configuration registers ------------------------------------------------------------------------- */

static void bcr_write(Pcnet *c, unsigned n, u16 v)
{
    static const u16 writable[PCNET_BCRS] = {
        [BCR_MC] = 0xe182,   [4] = 0x43ff,         [5] = 0x43ff,        [6] = 0x43ff,
        [7] = 0x43ff,        [9] = 0x0003,         [16] = 0xffe0,       [17] = 0xffff,
        [BCR_BSBC] = 0xff7f, [BCR_EECAS] = 0x0017, [BCR_PLAT] = 0xffff,
    };
    if (n >= PCNET_BCRS) return;
    if (n != BCR_SWS)
        c->bcr[n] = (c->bcr[n] & ~writable[n]) | (v & writable[n]);
    else if (is_at_rest(c))
        software_style_write(c, v);
}

static u16 bcr_read(const Pcnet *c, unsigned n)
{
    if (n >= PCNET_BCRS) return 0;
    u16 v = c->bcr[n];
    if (n >= BCR_LNKST && n <= BCR_LED3 && v & LED_LNKSTE && net_link(&c->port)) v |= LEDOUT;
    return v;
}

/* --- ports ----------------------------------------------------------------------------------------------- */

static bool has_dwords(const Pcnet *c) { return c->bcr[BCR_BSBC] & BSBC_DWIO; }
static void software_reset(Pcnet *c);

enum { REG_RDP, REG_RAP, REG_RESET, REG_BDP };

static u16 register_read(Pcnet *c, u32 n)
{
    switch (n) {
    case REG_RDP: return csr_read(c, c->rap);
    case REG_RAP: return c->rap;
    case REG_RESET: software_reset(c); return 0;
    case REG_BDP: return bcr_read(c, c->rap);
    default: return 0xffff;
    }
}

static void register_write(Pcnet *c, u32 n, u16 v)
{
    if (n == REG_RDP) csr_write(c, c->rap, v);
    if (n == REG_RAP) c->rap = v & (PCNET_CSRS - 1);
    if (n == REG_BDP) bcr_write(c, c->rap, v);
}

static u32 aprom_read(const Pcnet *c, u32 offset, unsigned bytes)
{
    u32 v = 0;
    for (u32 i = 0; i < bytes; i++)
        v |= (u32)(offset + i < PCNET_APROM_BYTES ? c->aprom[offset + i] : 0xff) << 8 * i;
    return v;
}

static u32 pcnet_read(void *dev, u32 offset, unsigned bytes)
{
    Pcnet *c = dev;
    if (offset < RDP) return aprom_read(c, offset, bytes);
    if (has_dwords(c)) return (u32)register_read(c, (offset - RDP) / 4) >> 8 * (offset & 3);
    u32 v = (u32)register_read(c, (offset - RDP) / 2) >> 8 * (offset & 1);
    if (bytes == 4 && offset + 2 < IO_BYTES) v |= (u32)register_read(c, (offset - RDP) / 2 + 1) << 16;
    return v;
}

static void pcnet_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    Pcnet *c = dev;
    if (offset < RDP) {
        for (u32 i = 0; i < bytes && c->bcr[BCR_MC] & MC_APROMWE; i++)
            if (offset + i < PCNET_APROM_BYTES) c->aprom[offset + i] = (u8)(value >> 8 * i);
        return;
    }
    if (bytes == 4 && offset == RDP) c->bcr[BCR_BSBC] |= BSBC_DWIO;
    if (has_dwords(c)) {
        if (bytes == 4 && !(offset & 3)) register_write(c, (offset - RDP) / 4, (u16)value);
    } else if (bytes == 2 && !(offset & 1)) {
        register_write(c, (offset - RDP) / 2, (u16)value);
    }
}

/* --- PCI and the cable ----------------------------------------------------------------------------------- */

static void config_written(void *dev, u32 reg, unsigned bytes)
{
    (void)bytes;
    if (nic_pci_is_command(reg)) pcnet_run(dev);
}

/* --- life cycle ------------------------------------------------------------------------------------------ */

static void frames_may_come(Pcnet *c)
{
    bool waited = c->frame_waits;
    c->frame_waits = false;
    c->refusals = 0;
    if (waited) net_ready(&c->port);
}

/* S_RESET: leaves BCRs, addresses, ring pointers and the software style alone. */
static void software_reset(Pcnet *c)
{
    stop(c);
    c->csr[CSR3] = 0;
    c->csr[CSR4] = CSR4_MASKS;
    c->csr[CSR5] = 0;
    c->csr[CSR15] = 0;
    c->csr[80] = 0x1410;
    c->csr[100] = 0x0200;
    c->csr[122] = c->csr[124] = 0;
    c->csr[MFC] = c->csr[RCC] = 0;
    c->idle_polls = 0;
    pcnet_interrupt(c);
    clock_disarm(c->clock, &c->poll);
    frames_may_come(c);
}

static void aprom_load(Pcnet *c)
{
    u16 sum = 0;
    memset(c->aprom, 0, sizeof c->aprom);
    memcpy(c->aprom, c->port.mac, ETHER_ADDRESS);
    c->aprom[9] = 0x11; /* a PCnet: AMD's drivers ask for it */
    c->aprom[14] = c->aprom[15] = 'W';
    for (u32 i = 0; i < PCNET_APROM_BYTES; i++) sum += c->aprom[i];
    store16(c->aprom + 12, sum);
}

/* H_RESET */
static void pcnet_reset(void *dev)
{
    static const struct {
        u8 n;
        u16 value;
    } defaults[] = {
        {0, 0x0005},       {1, 0x0005}, {BCR_MC, 0x0002},   {4, 0x00c0},         {5, 0x0084},
        {6, 0x0088},       {7, 0x0090}, {BCR_BSBC, 0x9001}, {BCR_EECAS, 0x8002}, {BCR_SWS, SWS_CSRPCNET},
        {BCR_PLAT, 0xff06}};
    Pcnet *c = dev;
    nic_pci_reset(&c->pci, &ids);
    memset(c->csr, 0, sizeof c->csr);
    memset(c->bcr, 0, sizeof c->bcr);
    for (u32 i = 0; i < ARRAY_LEN(defaults); i++) c->bcr[defaults[i].n] = defaults[i].value;
    aprom_load(c);
    memcpy(&c->csr[CSR12], c->aprom, ETHER_ADDRESS);
    for (u32 n = RCVRC; n <= XMTRL; n += 2) c->csr[n] = 0xffff; /* rings of one */
    c->csr[ID_LOW] = 0x1003;                                    /* part 2621h, AMD */
    c->csr[ID_HIGH] = 0x0262;
    c->rap = 0;
    software_reset(c);
}

static void pcnet_state(void *dev, State *s)
{
    Pcnet *c = dev;
    pci_function_state(&c->pci.f, s);
    state_values(s, "csr", c->csr, 2, PCNET_CSRS);
    state_values(s, "bcr", c->bcr, 2, PCNET_BCRS);
    state_bytes(s, "aprom", c->aprom, sizeof c->aprom);
    state_u8(s, "rap", &c->rap);
    state_check(s, c->rap < PCNET_CSRS, "rap");
    state_bool(s, "init_wanted", &c->init_wanted);
    state_bool(s, "start_wanted", &c->start_wanted);
    state_bool(s, "frame_waits", &c->frame_waits);
    state_u8(s, "refusals", &c->refusals);
    state_u8(s, "idle_polls", &c->idle_polls);
    state_check(s, c->idle_polls <= PCNET_IDLE_MAX, "idle_polls");
    state_timer(s, "poll", c->clock, &c->poll);
}

static void pcnet_loaded(void *dev)
{
    Pcnet *c = dev;
    pci_function_loaded(&c->pci.f);
    net_ready(&c->port); /* which knows nothing of what was loaded: it may offer again */
}

const PartKind pcnet_part = {
    .version = 1, .reset = pcnet_reset, .state = pcnet_state, .loaded = pcnet_loaded};

void pcnet_post(Pcnet *c, u32 io, u32 pa) { nic_pci_post(&c->pci, io, pa); }

static const IoOps pcnet_ops = {pcnet_read, pcnet_write, 1, 4};

void pcnet_init(Pcnet *c, Pci *pci, unsigned slot, Bus *bus, Phys *phys, Clock *clock, IrqLine intx,
                const u8 mac[ETHER_ADDRESS])
{
    *c = (Pcnet){.phys = phys, .clock = clock, .intx = intx};
    c->port = (NetPort){.receive = pcnet_receive, .dev = c, .up = true};
    memcpy(c->port.mac, mac, ETHER_ADDRESS);
    c->poll = (Timer){.fire = pcnet_poll, .ctx = c};
    nic_pci_init(&c->pci, pci, slot, bus, &ids, &pcnet_ops, c, config_written);
    pcnet_reset(c);
}
