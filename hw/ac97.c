/* ac97.c - Intel 82801AA (ICH) AC'97 audio controller, PCI 8086:2415.
 *
 * Datasheet: Intel 82801AA and 82801AB I/O Controller Hub (290655), 13 "AC'97 Audio Controller Registers". BAR 0: the
 * codec's mixer (NAM, ac97_codec.c), BAR 1: 64 ports of the bus master (NABM), INTA#. A stream plays a ring of 32 buffers,
 * each an address and a count of 16-bit samples, up to the last valid one, where it halts until that moves. PCM in and
 * out are stereo, the microphone is mono.
 *
 * Quirks that guests rely on: a stream that is stopped says DCH, and resumes in its buffer when it is started; setting
 * LVI wakes one that halted; the semaphore is taken by reading it and given by an access to the codec; the codec is
 * ready as soon as it is out of reset.
 *
 * Descriptors may be anything: empty buffers are over at once, up to the last valid one. The last frame of a buffer with
 * an odd count has silence on its right.
 *
 * Not implemented: recording (silence comes in), a second codec, 4 and 6 channels, 20 bits, S/PDIF, the modem function,
 * GPIO and resume interrupts, BUP (the last sample is not held), FIFOE (memory is never late).
 */
#include "hw/ac97.h"

#include <string.h>

enum { NAM_PORTS = 0x100, NABM_PORTS = 0x40, BUFFERS = 32, DESCRIPTOR_BYTES = 8 };
enum { BDBAR = 0x0, CIV = 0x4, LVI = 0x5, SR = 0x6, PICB = 0x8, PIV = 0xa, CR = 0xb, STREAM_PORTS = 0x10 };
enum { GLOB_CNT = 0x2c, GLOB_STA = 0x30, CAS = 0x34 };
enum {
    SR_DCH = 1,
    SR_CELV = 2,
    SR_LVBCI = 4,
    SR_BCIS = 8,
    SR_FIFOE = 16,
    SR_EVENTS = SR_LVBCI | SR_BCIS | SR_FIFOE
};
enum { CR_RPBM = 1, CR_RR = 2, CR_LVBIE = 4, CR_FEIE = 8, CR_IOCE = 16, CR_WRITABLE = 0x1f };
enum { CNT_GIE = 1, CNT_COLD = 2, CNT_WARM = 4, CNT_WRITABLE = 0x3f };
enum { STA_PIINT = 5 /* POINT, MINT behind it */, STA_PCR = 1 << 8 };
enum { DESCRIPTOR_IOC = 1u << 31 };
enum { VENDOR_INTEL = 0x8086, DEVICE_82801AA = 0x2415, CLASS_AUDIO = 0x040100, REVISION = 1 };

static const u8 formats[AC97_STREAMS] = {
    [AC97_PI] = PCM_STEREO | PCM_WIDE | PCM_INPUT,
    [AC97_PO] = PCM_STEREO | PCM_WIDE,
    [AC97_MC] = PCM_WIDE | PCM_INPUT,
};

static u32 channels(unsigned n) { return formats[n] & PCM_STEREO ? 2 : 1; }

/* --- interrupts ------------------------------------------------------------------------------------------ */

static bool interrupts(const Ac97Stream *t)
{
    return ((t->sr & SR_LVBCI) && (t->cr & CR_LVBIE)) || ((t->sr & SR_BCIS) && (t->cr & CR_IOCE)) ||
           ((t->sr & SR_FIFOE) && (t->cr & CR_FEIE));
}

static u32 global_status(const Ac97 *a)
{
    u32 v = a->control & CNT_COLD ? STA_PCR : 0;
    for (unsigned n = 0; n < AC97_STREAMS; n++) v |= (u32)interrupts(&a->stream[n]) << (STA_PIINT + n);
    return v;
}

/* --- buffers --------------------------------------------------------------------------------------------- */

static void buffer_load(Ac97 *a, Ac97Stream *t)
{
    u8 d[DESCRIPTOR_BYTES];
    t->civ = t->piv;
    t->piv = (t->civ + 1) % BUFFERS;
    phys_dma_read(a->phys, t->bdbar + t->civ * DESCRIPTOR_BYTES, d, sizeof d);
    t->pa = load32(d) & ~1u;
    t->picb = load16(d + 4);
    t->interrupts = load32(d + 4) & DESCRIPTOR_IOC;
}

/* True: another one follows. */
static bool buffer_over(Ac97Stream *t)
{
    t->has_buffer = false;
    if (t->interrupts) t->sr |= SR_BCIS;
    if (t->civ != t->lvi) return true;
    t->sr |= SR_LVBCI | SR_CELV;
    t->ended = true;
    return false;
}

/* Empty ones are over at once; that ends at the last valid one. */
static void buffer_next(Ac97 *a, Ac97Stream *t)
{
    t->ended = false;
    t->sr &= ~SR_CELV;
    do buffer_load(a, t);
    while (!t->picb && buffer_over(t));
    t->has_buffer = t->picb;
}

/* --- streams --------------------------------------------------------------------------------------------- */

static bool masters(const Ac97 *a) { return a->pci.config[PCI_COMMAND] & PCI_COMMAND_MASTER; }

/* After any change: the streams that run now, and the interrupt. */
static void follow(Ac97 *a)
{
    for (unsigned n = 0; n < AC97_STREAMS; n++) {
        Ac97Stream *t = &a->stream[n];
        bool wanted = masters(a) && (t->cr & CR_RPBM) && !t->ended;
        if (wanted && !t->has_buffer) buffer_next(a, t);
        pcm_follow(&t->pcm, wanted && t->has_buffer, ac97_codec_rate(a, n), formats[n]);
    }
    irq_set(&a->intx, global_status(a) >> STA_PIINT & 7);
}

static u32 frames_left(void *dev, unsigned n)
{
    const Ac97Stream *t = &((Ac97 *)dev)->stream[n];
    return (t->picb + channels(n) - 1) / channels(n);
}

static u32 samples_of(const Ac97Stream *t, unsigned n, u32 frames)
{
    u32 samples = frames * channels(n);
    return samples < t->picb ? samples : t->picb;
}

static void frames_move(void *dev, unsigned n, u8 *bytes, u32 count)
{
    Ac97 *a = dev;
    const Ac97Stream *t = &a->stream[n];
    u32 size = 2 * samples_of(t, n, count);
    if (formats[n] & PCM_INPUT)
        phys_dma_write(a->phys, t->pa, bytes, size);
    else
        phys_dma_read(a->phys, t->pa, bytes, size);
}

static bool frames_passed(void *dev, unsigned n, u32 count)
{
    Ac97 *a = dev;
    Ac97Stream *t = &a->stream[n];
    u32 samples = samples_of(t, n, count);
    t->pa += 2 * samples;
    t->picb = (u16)(t->picb - samples);
    if (t->picb) return false;
    if (buffer_over(t)) buffer_next(a, t);
    follow(a);
    return false; /* LVI is how far the guest has come */
}

static const PcmChip streams = {frames_left, frames_move, frames_passed};

/* RR: all but the interrupt enables. */
static void stream_reset(Ac97Stream *t)
{
    t->bdbar = t->pa = 0;
    t->civ = t->lvi = t->piv = t->sr = 0;
    t->picb = 0;
    t->has_buffer = t->interrupts = t->ended = false;
    t->cr &= CR_LVBIE | CR_FEIE | CR_IOCE;
    pcm_reset(&t->pcm);
}

/* --- reads ----------------------------------------------------------------------------------------------- */

static u8 stream_byte(const Ac97Stream *t, u32 reg)
{
    switch (reg) {
    case CIV: return t->civ;
    case LVI: return t->lvi;
    case SR: return t->sr | (t->pcm.runs ? 0 : SR_DCH);
    case PICB:
    case PICB + 1: return (u8)(t->picb >> 8 * (reg & 1));
    case PIV: return t->piv;
    case CR: return t->cr;
    default: return reg < CIV ? (u8)(t->bdbar >> 8 * reg) : 0;
    }
}

static u8 nabm_byte(Ac97 *a, u32 reg)
{
    u8 taken = a->semaphore;
    if (reg < AC97_STREAMS * STREAM_PORTS) {
        u32 at = reg % STREAM_PORTS; /* GLOB_CNT lies where MC has none */
        if (reg < GLOB_CNT) return stream_byte(&a->stream[reg / STREAM_PORTS], at);
        return (u8)(a->control >> 8 * (reg & 3));
    }
    if (reg < GLOB_STA + 4) return (u8)(global_status(a) >> 8 * (reg & 3));
    if (reg != CAS) return 0;
    a->semaphore = 1;
    return taken;
}

static u32 nabm_read(void *dev, u32 offset, unsigned bytes)
{
    u32 v = 0;
    for (u32 i = 0; i < bytes && offset + i < NABM_PORTS; i++) v |= (u32)nabm_byte(dev, offset + i) << 8 * i;
    return v;
}

static u32 nam_read(void *dev, u32 offset, unsigned bytes)
{
    Ac97 *a = dev;
    u32 v = ac97_codec_read(a, offset), more = bytes == 4 ? ac97_codec_read(a, offset + 2) : 0;
    a->semaphore = 0;
    return (v | more << 16) >> 8 * (offset & 1);
}

/* --- writes ---------------------------------------------------------------------------------------------- */

static void lvi_write(Ac97Stream *t, u8 v)
{
    bool moved = t->lvi != v % BUFFERS;
    t->lvi = v % BUFFERS;
    if (moved) t->ended = false;
}

/* A stream that is started again after its end takes the next buffer, whatever LVI says. */
static void cr_write(Ac97Stream *t, u8 v)
{
    bool starts = v & ~t->cr & CR_RPBM;
    t->cr = v & CR_WRITABLE & ~CR_RR;
    if (v & CR_RR) stream_reset(t);
    if (starts) t->ended = false;
}

static void stream_write(Ac97Stream *t, u32 reg, u8 v)
{
    switch (reg) {
    case LVI: lvi_write(t, v); return;
    case SR: t->sr &= ~(v & SR_EVENTS); return;
    case CR: cr_write(t, v); return;
    }
    if (reg >= CIV) return;
    t->bdbar = (t->bdbar & ~(0xffu << 8 * reg)) | (u32)v << 8 * reg;
    t->bdbar &= ~7u;
}

static void control_write(Ac97 *a, u8 v)
{
    bool reset = a->control & ~v & CNT_COLD;
    a->control = v & CNT_WRITABLE & ~CNT_WARM; /* which is over at once */
    if (!reset) return;
    ac97_codec_reset(a);
    for (unsigned n = 0; n < AC97_STREAMS; n++) stream_reset(&a->stream[n]);
}

static void nabm_byte_write(Ac97 *a, u32 reg, u8 v)
{
    if (reg < GLOB_CNT)
        stream_write(&a->stream[reg / STREAM_PORTS], reg % STREAM_PORTS, v);
    else if (reg == GLOB_CNT)
        control_write(a, v);
    else if (reg == CAS && !(v & 1))
        a->semaphore = 0;
}

static void nabm_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    Ac97 *a = dev;
    for (u32 i = 0; i < bytes && offset + i < NABM_PORTS; i++)
        nabm_byte_write(a, offset + i, (u8)(value >> 8 * i));
    follow(a);
}

/* The codec has words. */
static void nam_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    Ac97 *a = dev;
    a->semaphore = 0;
    if (bytes < 2 || offset & 1 || !(a->control & CNT_COLD)) {
        trace(GUEST_ERRORS, "ac97: write of %u bytes at codec register %02x", bytes, offset);
        return;
    }
    ac97_codec_write(a, offset, (u16)value);
    if (bytes == 4) ac97_codec_write(a, offset + 2, (u16)(value >> 16));
    follow(a);
}

/* --- PCI ------------------------------------------------------------------------------------------------- */

static void bar_moved(void *dev, unsigned bar, bool enabled, u32 base)
{
    Ac97 *a = dev;
    bus_move(a->bus, bar ? a->nabm : a->nam, enabled, base);
}

static void config_written(void *dev, u32 reg, unsigned bytes)
{
    (void)bytes;
    if (reg <= PCI_COMMAND) follow(dev);
}

/* --- life cycle ------------------------------------------------------------------------------------------ */

static void ac97_reset(void *dev)
{
    Ac97 *a = dev;
    PciFunction *f = &a->pci;
    pci_function_init(f, VENDOR_INTEL, DEVICE_82801AA, CLASS_AUDIO, REVISION);
    pci_set16(f, PCI_STATUS, 0x0280);
    pci_allow(f, PCI_COMMAND, 1, PCI_COMMAND_MASTER);
    pci_bar(f, 0, PCI_BAR_IO, NAM_PORTS, bar_moved);
    pci_bar(f, 1, PCI_BAR_IO, NABM_PORTS, bar_moved);
    f->config[PCI_INTERRUPT_PIN] = 1;
    a->control = 0;
    a->semaphore = 0;
    for (unsigned n = 0; n < AC97_STREAMS; n++) {
        a->stream[n].cr = 0;
        stream_reset(&a->stream[n]);
    }
    ac97_codec_reset(a);
    follow(a);
}

static void stream_state(Ac97Stream *t, State *s)
{
    state_u32(s, "bdbar", &t->bdbar);
    state_u8(s, "civ", &t->civ);
    state_u8(s, "lvi", &t->lvi);
    state_u8(s, "piv", &t->piv);
    state_check(s, t->civ < BUFFERS && t->lvi < BUFFERS && t->piv < BUFFERS, "civ");
    state_u8(s, "sr", &t->sr);
    state_check(s, !(t->sr & ~(SR_EVENTS | SR_CELV)), "sr");
    state_u8(s, "cr", &t->cr);
    state_check(s, !(t->cr & ~(CR_WRITABLE & ~CR_RR)), "cr");
    state_u16(s, "picb", &t->picb);
    state_u32(s, "pa", &t->pa);
    state_bool(s, "has_buffer", &t->has_buffer);
    state_check(s, t->picb || !t->has_buffer, "has_buffer");
    state_bool(s, "interrupts", &t->interrupts);
    state_bool(s, "ended", &t->ended);
    pcm_state(&t->pcm, s);
    state_check(s, t->has_buffer || !t->pcm.runs, "runs");
}

/* A rate that no register can have would be one that nobody checks. */
static void ac97_state(void *dev, State *s)
{
    Ac97 *a = dev;
    pci_function_state(&a->pci, s);
    state_u32(s, "control", &a->control);
    state_check(s, !(a->control & ~CNT_WRITABLE), "control");
    state_u8(s, "semaphore", &a->semaphore);
    state_check(s, a->semaphore <= 1, "semaphore");
    state_values(s, "codec", a->codec, 2, AC97_CODEC_WORDS);
    for (unsigned n = 0; n < AC97_STREAMS; n++) {
        u32 hz = ac97_codec_rate(a, n);
        state_check(s, hz >= PCM_HZ_MIN && hz <= PCM_HZ_MAX, "codec");
        state_group(s, "stream", n);
        stream_state(&a->stream[n], s);
        state_group_end(s);
    }
}

static void ac97_loaded(void *dev)
{
    Ac97 *a = dev;
    pci_function_loaded(&a->pci);
    ac97_codec_follow(a);
    follow(a);
}

const PartKind ac97_part = {.version = 1, .reset = ac97_reset, .state = ac97_state, .loaded = ac97_loaded};

void ac97_post(Ac97 *a, u32 nam, u32 nabm)
{
    pci_bar_set(&a->pci, 0, nam);
    pci_bar_set(&a->pci, 1, nabm);
}

static const IoOps nam_ops = {nam_read, nam_write, 1, 4};
static const IoOps nabm_ops = {nabm_read, nabm_write, 1, 4};

void ac97_init(Ac97 *a, Pci *pci, unsigned slot, Bus *bus, Phys *phys, Clock *clock, Sound *sound,
               IrqLine intx)
{
    *a = (Ac97){.bus = bus, .phys = phys, .intx = intx, .pci = {.dev = a, .written = config_written}};
    for (unsigned n = 0; n < AC97_STREAMS; n++) pcm_init(&a->stream[n].pcm, clock, sound, &streams, a, n);
    a->nam = bus_add_ports(bus, 0, NAM_PORTS, &nam_ops, a, "ac97-nam");
    a->nabm = bus_add_ports(bus, 0, NABM_PORTS, &nabm_ops, a, "ac97-nabm");
    bus_move(bus, a->nam, false, 0);
    bus_move(bus, a->nabm, false, 0);
    pci_add(pci, PCI_FN(slot, 0), &a->pci);
    ac97_reset(a);
}
