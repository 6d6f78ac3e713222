/* es1370.c - Ensoniq ES1370 (AudioPCI), PCI 1274:5000, and the AK4531 that it plays through.
 *
 * Datasheet: Ensoniq ES1370 AudioPCI, "Host Interface", "Memory map", "Serial Interface"; Asahi Kasei AK4531, "Control
 * registers". BAR 0: 64 ports, INTA#. Two outputs and an input fetch from memory, or put there, as bus master: a buffer
 * of doublewords that begins again at its end, and a count of frames to the interrupt, which does so, too. DAC1 has one
 * of four rates and comes to the codec's FM input, DAC2 1,411,200 / (PCLKDIV + 2) Hz and VOICE; the input has DAC2's rate.
 * Where the buffers are is behind a window of four doublewords, whose page is chosen.
 *
 * Quirks that guests rely on: a status bit stays until the interrupt's enable is 0; the upper half of a buffer's size is
 * where the card is and can be written; writing a count begins it anew. A position beyond the size runs on to FFFFh.
 *
 * Rates are held within 4,000 and 48,000 Hz, as the datasheet has them. A stream fetches portions of a millisecond, not
 * into the 64-byte FIFOs of pages 0-Bh, which are plain memory here.
 *
 * Not implemented: recording (silence comes in), MIDI (the UART takes bytes and drops them, and has no interrupt), game
 * port, MPEG input, the CCB interrupt, SERR#, P2_ST_INC and P2_END_INC other than the format's, the codec's inputs but
 * FM and VOICE, its power-down and its mono output.
 */
#include "hw/es1370.h"

#include <string.h>

enum {
    CONTROL = 0x00,
    STATUS = 0x04,
    UART = 0x08,
    PAGE = 0x0c,
    CODEC = 0x10,
    SCTRL = 0x20,
    COUNT_0 = 0x24, /* of DAC1; DAC2's and the ADC's follow */
    WINDOW = 0x30,
    PORTS = 0x40
};
enum {
    DAC1_EN = 1 << 6,
    DAC2_EN = 1 << 5,
    ADC_EN = 1 << 4,
    WTSRSEL = 12,
    PCLKDIV = 16,
    PCLKDIV_MASK = 0x1fff
};
enum { STATUS_DAC1 = 4, STATUS_DAC2 = 2, STATUS_ADC = 1 };
#define STATUS_INTR (1u << 31)
enum { UART_TXRDY = 2, UART_DATA = 0, UART_STATUS = 1 };
enum { SCTRL_WRITABLE = 0x3fffff, P1_SCT_RLD = 1 << 7 };
enum { PAGE_DACS = 0xc, PAGE_ADC = 0xd };
enum { PCLK_HZ = 1411200, FRAMES_MAX = 1 << 16 };
enum {
    AK_MASTER = 0x00,
    AK_VOICE = 0x02,
    AK_FM = 0x04,
    AK_MONO_OUT = 0x0f,
    AK_OUT_SW1 = 0x10,
    AK_OUT_SW2 = 0x11,
    AK_RESET = 0x16,
    AK_MUTE = 0x80,
    AK_NRST = 0x01
};
enum { VENDOR_ENSONIQ = 0x1274, DEVICE_ES1370 = 0x5000, CLASS_AUDIO = 0x040100, PCI_MIN_GNT = 0x3e };

/* Where a stream's bits are. */
static const struct {
    u32 enable, pause, stops, interrupt; /* of the control register; of SCTRL */
    u8 format, status;                   /* the place of its two bits in SCTRL; its bit */
} wired[ES1370_STREAMS] = {
    [ES1370_DAC1] = {DAC1_EN, 1 << 11, 1 << 13, 1 << 8, 0, STATUS_DAC1},
    [ES1370_DAC2] = {DAC2_EN, 1 << 12, 1 << 14, 1 << 9, 2, STATUS_DAC2},
    [ES1370_ADC] = {ADC_EN, 0, 1 << 15, 1 << 10, 4, STATUS_ADC},
};

/* --- streams --------------------------------------------------------------------------------------------- */

static u32 rate(const Es1370 *e, unsigned n)
{
    static const u16 dac1[] = {5512, 11025, 22050, 44100};
    u32 hz = PCLK_HZ / ((e->control >> PCLKDIV & PCLKDIV_MASK) + 2);
    if (n == ES1370_DAC1) return dac1[e->control >> WTSRSEL & 3];
    return hz < PCM_HZ_MIN ? PCM_HZ_MIN : hz > PCM_HZ_MAX ? PCM_HZ_MAX : hz;
}

static u8 format(const Es1370 *e, unsigned n)
{
    u32 bits = e->sctrl >> wired[n].format & 3; /* stereo, 16 bits */
    return (u8)(bits | (n == ES1370_ADC ? PCM_INPUT : 0));
}

/* After any change: the streams that run now, and the interrupt. */
static void follow(Es1370 *e)
{
    bool masters = e->pci.config[PCI_COMMAND] & PCI_COMMAND_MASTER;
    for (unsigned n = 0; n < ES1370_STREAMS; n++) {
        Es1370Stream *t = &e->stream[n];
        if (!(e->control & wired[n].enable)) t->ended = false;
        if (!(e->sctrl & wired[n].interrupt)) e->status &= ~wired[n].status;
        bool runs = masters && (e->control & wired[n].enable) && !(e->sctrl & wired[n].pause) && !t->ended;
        pcm_follow(&t->pcm, runs, rate(e, n), format(e, n));
    }
    irq_set(&e->intx, e->status);
}

static u32 frames_left(void *dev, unsigned n) { return ((Es1370 *)dev)->stream[n].left + 1u; }

/* To or from the buffer; at its end it begins again. */
static void frames_move(void *dev, unsigned n, u8 *bytes, u32 count)
{
    Es1370 *e = dev;
    Es1370Stream *t = &e->stream[n];
    u8 bits = format(e, n);
    u32 todo = count << !!(bits & PCM_STEREO) << !!(bits & PCM_WIDE);
    while (todo) {
        u32 end = t->at <= t->size ? t->size + 1u : FRAMES_MAX, room = 4 * (end - t->at) - t->offset;
        u32 now = todo < room ? todo : room, pa = t->buffer_pa + 4u * t->at + t->offset;
        if (bits & PCM_INPUT)
            phys_dma_write(e->phys, pa, bytes, now);
        else
            phys_dma_read(e->phys, pa, bytes, now);
        u32 next = t->at + (t->offset + now) / 4;
        t->offset = (u8)((t->offset + now) % 4);
        t->at = (u16)(next == end ? 0 : next);
        bytes += now;
        todo -= now;
    }
}

/* The guest has taken no interrupt while all of the buffer was played. */
static bool buffer_is_stale(const Es1370 *e, Es1370Stream *t, unsigned n)
{
    u32 period = t->count + 1u, bytes = 1u << (format(e, n) & PCM_STEREO) << !!(format(e, n) & PCM_WIDE);
    if (!(e->status & wired[n].status)) {
        t->unanswered = 0;
        return false;
    }
    if (t->unanswered + period >= (t->size + 1u) * 4 / bytes) return true;
    t->unanswered += period;
    return false;
}

static bool frames_passed(void *dev, unsigned n, u32 count)
{
    Es1370 *e = dev;
    Es1370Stream *t = &e->stream[n];
    if (count <= t->left) {
        t->left = (u16)(t->left - count);
        return false;
    }
    bool stale = buffer_is_stale(e, t, n);
    t->left = t->count;
    t->ended = e->sctrl & wired[n].stops;
    e->status |= wired[n].status; /* which follow() takes back where it is not enabled */
    follow(e);
    return stale;
}

static const PcmChip streams = {frames_left, frames_move, frames_passed};

/* --- codec ----------------------------------------------------------------------------------------------- */

/* Attenuations of 2 dB each, of which the source's begin at 12 dB above; 6 dB are a factor of two. */
static u32 gain(const Es1370 *e, u32 source, u32 side, bool through)
{
    u8 master = e->codec[AK_MASTER + side], own = e->codec[source + side];
    if (!through || (master | own) & AK_MUTE) return 0;
    return sound_attenuation(((master & 31) + (own & 31)) * 256 / 3) << 2;
}

static void codec_follow(Es1370 *e)
{
    for (u32 side = 0; side < 2; side++) {
        bool fm = e->codec[AK_OUT_SW1] & (side ? 0x20 : 0x40),
             voice = e->codec[AK_OUT_SW2] & (side ? 0x04 : 0x08);
        e->stream[ES1370_DAC1].pcm.gain[side] = gain(e, AK_FM, side, fm);
        e->stream[ES1370_DAC2].pcm.gain[side] = gain(e, AK_VOICE, side, voice);
    }
}

static void codec_reset(Es1370 *e)
{
    memset(e->codec, 0, sizeof e->codec);
    memset(e->codec, AK_MUTE | 6, AK_MONO_OUT); /* muted, at 0 dB */
    e->codec[AK_MASTER] = e->codec[AK_MASTER + 1] = e->codec[AK_MONO_OUT] = AK_MUTE;
}

static void codec_write(Es1370 *e, u8 index, u8 v)
{
    if (index == AK_RESET && !(v & AK_NRST)) codec_reset(e);
    if (index < AK4531_REGISTERS)
        e->codec[index] = v;
    else
        trace(GUEST_ERRORS, "es1370: codec register %02x", index);
    codec_follow(e);
}

/* --- reads ----------------------------------------------------------------------------------------------- */

static u32 window_read(const Es1370 *e, u32 word)
{
    const Es1370Stream *t = &e->stream[e->page == PAGE_ADC ? ES1370_ADC : word / 2];
    if (e->page != PAGE_DACS && (e->page != PAGE_ADC || word >= 2)) return e->memory[e->page][word];
    return word & 1 ? t->size | (u32)t->at << 16 : t->buffer_pa;
}

static u32 register_read(const Es1370 *e, u32 reg)
{
    switch (reg) {
    case CONTROL: return e->control;
    case STATUS: return e->status | (e->status ? STATUS_INTR : 0);
    case UART: return UART_TXRDY << 8; /* nothing has come, and what is sent is gone at once */
    case PAGE: return e->page;
    case SCTRL: return e->sctrl;
    case COUNT_0:
    case COUNT_0 + 4:
    case COUNT_0 + 8: {
        const Es1370Stream *t = &e->stream[(reg - COUNT_0) / 4];
        return t->count | (u32)t->left << 16;
    }
    default: return reg >= WINDOW ? window_read(e, (reg - WINDOW) / 4) : 0;
    }
}

static u32 es1370_read(void *dev, u32 offset, unsigned bytes)
{
    (void)bytes;
    return register_read(dev, offset & ~3u) >> 8 * (offset & 3);
}

/* --- writes ---------------------------------------------------------------------------------------------- */

static void window_write(Es1370 *e, u32 word, u32 v)
{
    Es1370Stream *t = &e->stream[e->page == PAGE_ADC ? ES1370_ADC : word / 2];
    if (e->page != PAGE_DACS && (e->page != PAGE_ADC || word >= 2)) {
        e->memory[e->page][word] = v;
    } else if (word & 1) {
        t->size = (u16)v;
        t->at = (u16)(v >> 16);
        t->offset = 0;
    } else {
        t->buffer_pa = v;
    }
}

static void count_write(Es1370Stream *t, u16 count)
{
    t->count = t->left = count;
    t->ended = false;
}

static void sctrl_write(Es1370 *e, u32 v)
{
    if (v & ~e->sctrl & P1_SCT_RLD) count_write(&e->stream[ES1370_DAC1], e->stream[ES1370_DAC1].count);
    e->sctrl = v & SCTRL_WRITABLE;
}

static void uart_write(Es1370 *e, u32 byte, u8 v)
{
    if (byte == UART_DATA) trace(UNIMP, "es1370: MIDI byte %02x", v);
    if (byte == UART_STATUS) e->uart_control = v;
}

/* A write of less than a doubleword leaves the register's other bytes. */
static void es1370_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    Es1370 *e = dev;
    u32 reg = offset & ~3u, shift = 8 * (offset & 3),
        mask = (bytes == 4 ? ~0u : (1u << 8 * bytes) - 1) << shift;
    u32 v = (register_read(e, reg) & ~mask) | (value << shift & mask);
    switch (reg) {
    case CONTROL: e->control = v; break;
    case UART: uart_write(e, offset & 3, (u8)value); break;
    case PAGE: e->page = v & (ES1370_PAGES - 1); break;
    case CODEC:
        if (!shift && bytes > 1) codec_write(e, (u8)(v >> 8), (u8)v);
        break;
    case SCTRL: sctrl_write(e, v); break;
    case COUNT_0:
    case COUNT_0 + 4:
    case COUNT_0 + 8: count_write(&e->stream[(reg - COUNT_0) / 4], (u16)v); break;
    default:
        if (reg >= WINDOW) window_write(e, (reg - WINDOW) / 4, v);
    }
    follow(e);
}

/* --- PCI ------------------------------------------------------------------------------------------------- */

static void bar_moved(void *dev, unsigned bar, bool enabled, u32 base)
{
    (void)bar;
    bus_move(((Es1370 *)dev)->bus, ((Es1370 *)dev)->io, enabled, base);
}

static void config_written(void *dev, u32 reg, unsigned bytes)
{
    (void)bytes;
    if (reg <= PCI_COMMAND) follow(dev);
}

/* --- life cycle ------------------------------------------------------------------------------------------ */

static void es1370_reset(void *dev)
{
    Es1370 *e = dev;
    PciFunction *f = &e->pci;
    pci_function_init(f, VENDOR_ENSONIQ, DEVICE_ES1370, CLASS_AUDIO, 0);
    pci_set16(f, PCI_STATUS, 0x0400); /* slow DEVSEL# */
    pci_set16(f, PCI_SUBSYSTEM_VENDOR, 0x4942);
    pci_set16(f, PCI_SUBSYSTEM, 0x4c4c);
    pci_allow(f, PCI_COMMAND, 1, PCI_COMMAND_MASTER);
    pci_allow(f, PCI_COMMAND + 1, 1, 0x01);
    pci_allow(f, PCI_LATENCY, 1, 0xff);
    pci_bar(f, 0, PCI_BAR_IO, PORTS, bar_moved);
    f->config[PCI_INTERRUPT_PIN] = 1;
    f->config[PCI_MIN_GNT] = 0x0c;
    f->config[PCI_MIN_GNT + 1] = 0x80;
    e->control = 1; /* SERR_DISABLE */
    e->sctrl = 0;
    e->status = e->uart_control = e->page = 0;
    memset(e->memory, 0, sizeof e->memory);
    for (unsigned n = 0; n < ES1370_STREAMS; n++) {
        Es1370Stream *t = &e->stream[n];
        t->buffer_pa = 0;
        t->size = t->at = t->count = t->left = 0;
        t->offset = 0;
        t->ended = false;
        t->unanswered = 0;
        pcm_reset(&t->pcm);
    }
    codec_reset(e);
    codec_follow(e);
    follow(e);
}

static void stream_state(Es1370Stream *t, State *s)
{
    state_u32(s, "buffer_pa", &t->buffer_pa);
    state_u16(s, "size", &t->size);
    state_u16(s, "at", &t->at);
    state_u8(s, "offset", &t->offset);
    state_check(s, t->offset < 4, "offset");
    state_u16(s, "count", &t->count);
    state_u16(s, "left", &t->left);
    state_bool(s, "ended", &t->ended);
    state_u32(s, "unanswered", &t->unanswered);
    state_check(s, t->unanswered <= 4 * FRAMES_MAX, "unanswered");
    pcm_state(&t->pcm, s);
}

static void es1370_state(void *dev, State *s)
{
    Es1370 *e = dev;
    pci_function_state(&e->pci, s);
    state_u32(s, "control", &e->control);
    state_u32(s, "sctrl", &e->sctrl);
    state_u8(s, "status", &e->status);
    state_check(s, e->status < 8, "status");
    state_u8(s, "uart_control", &e->uart_control);
    state_u8(s, "page", &e->page);
    state_check(s, e->page < ES1370_PAGES, "page");
    state_values(s, "memory", e->memory, 4, ES1370_PAGES * ES1370_PAGE_WORDS);
    state_bytes(s, "codec", e->codec, sizeof e->codec);
    for (unsigned n = 0; n < ES1370_STREAMS; n++) {
        state_group(s, "stream", n);
        stream_state(&e->stream[n], s);
        state_group_end(s);
    }
}

static void es1370_loaded(void *dev)
{
    Es1370 *e = dev;
    pci_function_loaded(&e->pci);
    codec_follow(e);
    follow(e);
}

const PartKind es1370_part = {
    .version = 1, .reset = es1370_reset, .state = es1370_state, .loaded = es1370_loaded};

void es1370_post(Es1370 *e, u32 io) { pci_bar_set(&e->pci, 0, io); }

static const IoOps es1370_ops = {es1370_read, es1370_write, 1, 4};

void es1370_init(Es1370 *e, Pci *pci, unsigned slot, Bus *bus, Phys *phys, Clock *clock, Sound *sound,
                 IrqLine intx)
{
    *e = (Es1370){.bus = bus, .phys = phys, .intx = intx, .pci = {.dev = e, .written = config_written}};
    for (unsigned n = 0; n < ES1370_STREAMS; n++) pcm_init(&e->stream[n].pcm, clock, sound, &streams, e, n);
    e->io = bus_add_ports(bus, 0, PORTS, &es1370_ops, e, "es1370");
    bus_move(bus, e->io, false, 0);
    pci_add(pci, PCI_FN(slot, 0), &e->pci);
    es1370_reset(e);
}
