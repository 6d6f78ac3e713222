/* sb16.c - Sound Blaster 16: the DSP's commands, ports.
 *
 * Manual: Creative, Sound Blaster Series Hardware Programming Guide, "DSP Commands" (DSP 4.05). Ports from 220h on:
 * 0-3 OPL3, 4-5 mixer (sb16_mixer.c), 6 reset, 8-9 the OPL3's first bank, Ah answers, Ch commands, Eh and Fh status
 * and interrupt acknowledge; 330h or 300h the MPU-401 (mpu401.c), whose interrupt is bit 2 of the mixer's 82h. IRQ and
 * DMA channels are what the mixer's 80h and 81h say, at power-on as -device has them.
 *
 * The DSP answers at once. A rate is what was asked for, within 4,000 to 45,454 frames a second, not the nearest that a
 * crystal gives. D1h and D3h (speaker) change what D8h says, nothing else, as on this card.
 *
 * Not implemented: input is silence. ADPCM (16h, 17h, 74h-7Fh) takes its time but is not decoded. ASP/CSP, the joystick port, ISA PnP,
 * MIDI by DSP commands, the stereo bit of a Sound Blaster Pro's mixer (0Eh).
 */
#include "hw/sb16.h"

#include <string.h>

enum {
    PORT_MIXER_INDEX = 0x4,
    PORT_MIXER_DATA = 0x5,
    PORT_RESET = 0x6,
    PORT_FM = 0x8,
    PORT_READ = 0xa,
    PORT_COMMAND = 0xc,
    PORT_STATUS = 0xe,
    PORT_ACK_16BIT = 0xf,
    PORTS = 16
};
enum { VERSION_MAJOR = 4, VERSION_MINOR = 5, READY = 0xaa, HAS_ANSWER = 0x80, NO_BITS = 0x7f };
enum { MODE_STEREO = 0x20, MODE_SIGNED = 0x10, BLOCK_INPUT = 0x08, BLOCK_REPEATS = 0x04 };
enum { RATE_MIN = 4000, RATE_MAX = 45454, DMA_SUM = 0xaa, DMA_KEY = 0x96 };

/* --- interrupts ------------------------------------------------------------------------------------------ */

/* Another source that nobody has acknowledged does not hide the edge of this one. */
void sb16_raise(Sb16 *s, u8 status)
{
    u8 others = s->irq_status;
    if (!(others & status)) sb16_lower(s, others);
    s->irq_status = others | status;
    sb16_lines_follow(s);
}

void sb16_lower(Sb16 *s, u8 status)
{
    s->irq_status &= (u8)~status;
    sb16_lines_follow(s);
}

static void mpu_moved(void *sb16, int n, bool level)
{
    (void)n;
    if (level)
        sb16_raise(sb16, SB16_IRQ_MPU);
    else
        sb16_lower(sb16, SB16_IRQ_MPU);
}

/* --- answers --------------------------------------------------------------------------------------------- */

static void answer(Sb16 *s, u8 v)
{
    if (s->answers < SB16_ANSWERS) s->answer[s->answers++] = v;
}

static u8 answer_take(Sb16 *s)
{
    if (!s->answers) return s->last_answer;
    s->last_answer = s->answer[0];
    memmove(s->answer, s->answer + 1, --s->answers);
    return s->last_answer;
}

/* --- commands -------------------------------------------------------------------------------------------- */

static u32 word(const u8 *low_first) { return load16(low_first); }

static u32 rate_now(const Sb16 *s)
{
    u32 hz = s->rate ? s->rate : 1000000 / (256 - s->time_constant);
    return hz < RATE_MIN ? RATE_MIN : hz > RATE_MAX ? RATE_MAX : hz;
}

/* Cxh and Bxh: mode, then the count of samples less one. */
static void play_generic(Sb16 *s)
{
    u8 mode = s->parameter[0];
    Sb16Transfer t = {.runs = SB16_DMA_BLOCK,
                      .wide = s->command < 0xc0,
                      .is_signed = mode & MODE_SIGNED,
                      .stereo = mode & MODE_STEREO,
                      .input = s->command & BLOCK_INPUT,
                      .repeats = s->command & BLOCK_REPEATS,
                      .block = word(s->parameter + 1) + 1,
                      .hz = rate_now(s)};
    sb16_play(s, &t);
}

/* The commands of older cards: 8 bits, unsigned, mono. The block is the parameters', or 48h's where it repeats. */
static void play_8bit(Sb16 *s, bool input, bool repeats, bool adpcm)
{
    Sb16Transfer t = {.runs = SB16_DMA_BLOCK,
                      .input = input,
                      .muted = adpcm,
                      .repeats = repeats,
                      .block = (s->parameters ? word(s->parameter) : s->block) + 1,
                      .hz = rate_now(s)};
    sb16_play(s, &t);
}

static void play_silence(Sb16 *s)
{
    Sb16Transfer t = {.runs = SB16_SILENCE, .block = word(s->parameter) + 1, .hz = rate_now(s)};
    sb16_play(s, &t);
}

/* E2h: a byte that only a card gives, by DMA. It is a sum of what was asked with, turned by keys. */
static void identify_by_dma(Sb16 *s)
{
    bool terminal;
    u32 channel = sb16_channel(s, false);
    s->dma_sum = (u8)(s->dma_sum + (s->parameter[0] ^ s->dma_key));
    s->dma_key = (u8)(s->dma_key >> 2 | s->dma_key << 6);
    if (channel < 8) dma_transfer(s->dma, channel, DMA_WRITE_MEMORY, &s->dma_sum, 1, &terminal);
}

static void say_copyright(Sb16 *s)
{
    static const char text[] = "COPYRIGHT (C) CREATIVE TECHNOLOGY LTD, 1992.";
    for (u32 n = 0; n < sizeof text; n++) answer(s, (u8)text[n]);
}

/* How many parameters follow a command. */
static u32 parameters_of(u8 command)
{
    if (command >= 0xb0 && command <= 0xcf) return 3;
    switch (command) {
    case 0x04:
    case 0x0f:
    case 0x10:
    case 0x38:
    case 0x40:
    case 0xe0:
    case 0xe2:
    case 0xe4:
    case 0xf9: return 1;
    case 0x05:
    case 0x0e:
    case 0x14:
    case 0x15:
    case 0x16:
    case 0x17:
    case 0x24:
    case 0x41:
    case 0x42:
    case 0x48:
    case 0x74:
    case 0x75:
    case 0x76:
    case 0x77:
    case 0x80: return 2;
    default: return 0;
    }
}

static void command_play(Sb16 *s)
{
    switch (s->command) {
    case 0x14:
    case 0x15:
    case 0x91: play_8bit(s, false, false, false); return;
    case 0x1c:
    case 0x90: play_8bit(s, false, true, false); return;
    case 0x16:
    case 0x17:
    case 0x74:
    case 0x75:
    case 0x76:
    case 0x77: play_8bit(s, false, false, true); return;
    case 0x1f:
    case 0x7d:
    case 0x7f: play_8bit(s, false, true, true); return;
    case 0x24:
    case 0x99: play_8bit(s, true, false, false); return;
    case 0x2c:
    case 0x98: play_8bit(s, true, true, false); return;
    case 0x80: play_silence(s); return;
    case 0xd0:
    case 0xd5: sb16_pause(s); return;
    case 0xd4:
    case 0xd6: sb16_resume(s); return;
    case 0xd9:
    case 0xda: s->transfer.repeats = false; return; /* the present block is the last */
    }
    if (s->command >= 0xb0 && s->command <= 0xcf) play_generic(s);
}

static void command_run(Sb16 *s)
{
    switch (s->command) {
    case 0x10: sb16_direct(s, s->parameter[0]); return;
    case 0x20: answer(s, 0x80); return; /* direct input: silence */
    case 0x40:
        s->time_constant = s->parameter[0];
        s->rate = 0;
        return;
    case 0x41:
    case 0x42: s->rate = (u16)(s->parameter[0] << 8 | s->parameter[1]); return;
    case 0x48: s->block = (u16)word(s->parameter); return;
    case 0xd1: s->speaker = true; return;
    case 0xd3: s->speaker = false; return;
    case 0xd8: answer(s, s->speaker ? 0xff : 0); return;
    case 0xe0: answer(s, (u8)~s->parameter[0]); return;
    case 0xe1:
        answer(s, VERSION_MAJOR);
        answer(s, VERSION_MINOR);
        return;
    case 0xe2: identify_by_dma(s); return;
    case 0xe3: say_copyright(s); return;
    case 0xe4: s->test = s->parameter[0]; return;
    case 0xe8: answer(s, s->test); return;
    case 0xf2: sb16_raise(s, SB16_IRQ_8BIT); return;
    case 0xf3: sb16_raise(s, SB16_IRQ_16BIT); return;
    case 0x0f:
    case 0xf8:
    case 0xf9: answer(s, 0); return;
    default: command_play(s);
    }
}

static void command_byte(Sb16 *s, u8 v)
{
    if (!s->command) {
        s->command = v;
        s->parameters = 0;
    } else {
        s->parameter[s->parameters++] = v;
    }
    if (s->parameters < parameters_of(s->command)) return;
    command_run(s);
    s->command = s->parameters = 0;
}

static void dsp_reset(Sb16 *s)
{
    sb16_stop(s);
    sb16_lower(s, SB16_IRQ_8BIT | SB16_IRQ_16BIT);
    s->command = s->parameters = s->answers = 0;
    s->speaker = false;
    s->rate = s->block = 0;
    s->time_constant = 165; /* 11,025 Hz */
    s->dma_key = DMA_KEY;
    s->dma_sum = DMA_SUM;
    s->direct = 0x80;
}

/* Ready is said when the bit falls. */
static void reset_write(Sb16 *s, bool high)
{
    if (high) dsp_reset(s);
    if (s->in_reset && !high) answer(s, READY);
    s->in_reset = high;
}

/* --- ports ----------------------------------------------------------------------------------------------- */

static u32 sb16_read(void *dev, u32 offset, unsigned bytes)
{
    Sb16 *s = dev;
    (void)bytes;
    switch (offset) {
    case PORT_MIXER_INDEX: return s->mixer_index;
    case PORT_MIXER_DATA: return sb16_mixer_read(s, s->mixer_index);
    case PORT_READ: return answer_take(s);
    case PORT_COMMAND: return NO_BITS; /* never busy */
    case PORT_STATUS: sb16_lower(s, SB16_IRQ_8BIT); return NO_BITS | (s->answers ? HAS_ANSWER : 0u);
    case PORT_ACK_16BIT: sb16_lower(s, SB16_IRQ_16BIT); return 0xff;
    default: return 0xff;
    }
}

static void sb16_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    Sb16 *s = dev;
    (void)bytes;
    switch (offset) {
    case PORT_MIXER_INDEX: s->mixer_index = (u8)value; return;
    case PORT_MIXER_DATA: sb16_mixer_write(s, s->mixer_index, (u8)value); return;
    case PORT_RESET: reset_write(s, value & 1); return;
    case PORT_COMMAND:
        if (!s->in_reset) command_byte(s, (u8)value);
        return;
    }
}

/* --- life cycle ------------------------------------------------------------------------------------------ */

/* What the jumpers, or the PnP chip, chose. */
static void resources_set(Sb16 *s)
{
    const Sb16Config *c = &s->config;
    s->mixer[0x80] = c->irq == 5 ? 2 : c->irq == 7 ? 4 : c->irq == 10 ? 8 : 1;
    s->mixer[0x81] = (u8)(BIT(c->dma) | BIT(c->hdma));
}

static void sb16_reset(void *dev)
{
    Sb16 *s = dev;
    fm_reset(&s->fm);
    dsp_reset(s);
    memset(s->parameter, 0, sizeof s->parameter);
    memset(s->answer, 0, sizeof s->answer);
    memset(s->mixer, 0, sizeof s->mixer);
    s->in_reset = false;
    s->last_answer = s->test = s->mixer_index = 0;
    mpu401_reset(&s->mpu);
    resources_set(s);
    sb16_mixer_reset(s);
}

static void sb16_state(void *dev, State *to)
{
    Sb16 *s = dev;
    state_u8(to, "command", &s->command);
    state_bytes(to, "parameter", s->parameter, sizeof s->parameter);
    state_u8(to, "parameters", &s->parameters);
    state_check(to, s->command ? s->parameters < parameters_of(s->command) : !s->parameters, "parameters");
    state_bytes(to, "answer", s->answer, sizeof s->answer);
    state_u8(to, "answers", &s->answers);
    state_check(to, s->answers <= SB16_ANSWERS, "answers");
    state_u8(to, "last_answer", &s->last_answer);
    state_u8(to, "test", &s->test);
    state_u8(to, "dma_key", &s->dma_key);
    state_u8(to, "dma_sum", &s->dma_sum);
    state_bool(to, "in_reset", &s->in_reset);
    state_bool(to, "speaker", &s->speaker);
    state_u16(to, "rate", &s->rate);
    state_u8(to, "time_constant", &s->time_constant);
    state_u16(to, "block_48h", &s->block);
    state_u8(to, "mixer_index", &s->mixer_index);
    state_bytes(to, "mixer", s->mixer, sizeof s->mixer);
    state_u8(to, "irq_status", &s->irq_status);
    mpu401_state(&s->mpu, to);
    state_u8(to, "direct", &s->direct);
    sb16_play_state(s, to);
    fm_state(&s->fm, to);
}

static void sb16_loaded(void *dev)
{
    Sb16 *s = dev;
    fm_loaded(&s->fm);
    mpu401_loaded(&s->mpu);
    sb16_mixer_follow(s);
}

const PartKind sb16_part = {.version = 2, .reset = sb16_reset, .state = sb16_state, .loaded = sb16_loaded};

static const IoOps sb16_ops = {sb16_read, sb16_write, 1, 1};

void sb16_init(Sb16 *s, const Sb16Config *config, Bus *bus, Clock *clock, Dma *dma, Sound *sound,
               const MidiOut *midi, const IrqLine irq[SB16_IRQS])
{
    *s = (Sb16){.config = *config, .clock = clock, .dma = dma, .sound = sound};
    memcpy(s->irq, irq, sizeof s->irq);
    u16 base = config->iobase;
    sb16_play_init(s);
    bus_add_ports(bus, base, PORTS, &sb16_ops, s, "sb16");
    fm_init(&s->fm, bus, clock, sound);
    fm_add_ports(&s->fm, bus, base, OPL3_PORTS);
    fm_add_ports(&s->fm, bus, (u16)(base + PORT_FM), 2);
    mpu401_init(&s->mpu, bus, config->mpu, clock, midi, (IrqLine){mpu_moved, s, 0});
    sb16_reset(s);
}
