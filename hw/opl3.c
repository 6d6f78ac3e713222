/* opl3.c - YMF262 (OPL3): registers, timers, and the sound of 36 operators.
 *
 * Datasheet: Yamaha YMF262 (LSI-4MF2622), "Register Contents", "FM Synthesis"; YM3812 Application Manual for the
 * tables of envelope times and key scaling. The two ROMs, the widths of the sums, the noise and how the rhythm
 * section makes its phases are from measurements of the chip that were published. The ROMs are made by their formulas:
 *     log_sine[n] = round(-log2(sin((n + 0.5) pi / 512)) * 256)
 *     exponent[n] = round((2^(n / 256) - 1) * 1024)
 *
 * An operator adds its attenuations (envelope, level, key scaling, tremolo) to the logarithm of its wave and takes the
 * power: a signed sample of 13 bits, which is the next operator's phase, or is heard. The envelope moves by
 * (4 + rate % 4) / 8 * 2^(rate / 4 - 12) steps of 0.1875 dB a sample; in an attack, by an eighth of itself for each.
 *
 * Ports: 4, at 388h. Status bits 1 and 2 are 0, by which drivers know it from a YM3812. While NEW (105h bit 0) is 0 the
 * second bank's only register is 105h.
 *
 * Timers need no deadline: their flags are computed when the status is read. The IRQ pin leads nowhere on a PC's cards.
 *
 * Quirk that guests rely on: an access takes a cycle of the ISA bus, and drivers wait by it: they find the card by a
 * hundred reads of the status, in which timer 1 must count its 80 us. Here a read takes a fifth of that. So each access
 * puts the timers BUS_NS ahead, AHEAD_NS of the clock at most, which catches up when there are none; a timer that starts
 * begins with the clock. In the long run they are as fast as it.
 *
 * Not implemented: the test register, CSM (speech), the DAC's outputs C and D, the busy times after a write. Envelopes
 * step from key-on, not from the chip's common counter, so the first step may come up to one step later.
 */
#include "hw/opl3.h"

#include <string.h>

#include "hw/fixed_math.h"
#include "hw/sound.h"

enum {
    TIMER_1 = 0x02,
    TIMER_2 = 0x03,
    TIMER_CONTROL = 0x04,
    KEYBOARD_SPLIT = 0x08,
    RHYTHM = 0xbd,
    FOUR_OPERATORS = 0x104,
    MODE_NEW = 0x105
};
enum { IRQ_RESET = 0x80, FLAG_1 = 0x40, FLAG_2 = 0x20 };
enum { BD_TREMOLO_DEEP = 0x80, BD_VIBRATO_DEEP = 0x40, BD_RHYTHM = 0x20 };
enum { KEY_NOTE = 1, KEY_RHYTHM = 2 };
enum { SILENT = 511, ENVELOPE_ONE = 1 << 15, PHASE_MASK = (1 << 19) - 1 };
enum { RATE_MAX = 60, BANK_CHANNELS = 9, BANK_OPERATORS = 18 };
enum { TREMOLO_STEP = 64, TREMOLO_STEPS = 210, VIBRATO_STEP = 1024 };

/* --- tables ---------------------------------------------------------------------------------------------- */

static void tables_make(Opl3 *o)
{
    enum { LOG_ONE = 60 << 24 };
    for (u32 n = 0; n < 256; n++) {
        u32 turn = (2 * n + 1) << 21; /* (n + 0.5) / 1024 of a turn */
        o->log_sine[n] = (u16)((LOG_ONE - fixed_log2((u64)fixed_sin(turn)) + (1 << 15)) >> 16);
        o->exponent[n] = (u16)((fixed_exp2(n) - (1ull << 60) + (1ull << 49)) >> 50);
    }
}

/* An operator's registers are at its bank's 20h, 40h ... plus this. */
static u32 operator_offset(u32 op) { return op % 6 + op / 6 * 8; }

/* The first operator of a channel; the second is three further on. */
static u32 first_operator(u32 channel)
{
    u32 n = channel % BANK_CHANNELS;
    return channel / BANK_CHANNELS * BANK_OPERATORS + n / 3 * 6 + n % 3;
}

static u32 channel_of(u32 op)
{
    u32 n = op % BANK_OPERATORS;
    return op / BANK_OPERATORS * BANK_CHANNELS + n / 6 * 3 + n % 3;
}

static bool is_new(const Opl3 *o) { return o->reg[MODE_NEW] & 1; }
static bool has_rhythm(const Opl3 *o) { return o->reg[RHYTHM] & BD_RHYTHM; }

/* --- what follows from the registers ---------------------------------------------------------------------- */

/* Bits 0-2 of 104h join channels 0-2 with 3-5, bits 3-5 those of the second bank. */
static Opl3Kind channel_kind(const Opl3 *o, u32 channel)
{
    u32 n = channel % BANK_CHANNELS, bit = channel / BANK_CHANNELS * 3 + n % 3;
    if (has_rhythm(o) && channel >= 6 && channel < BANK_CHANNELS) return OPL3_RHYTHM;
    if (n >= 6 || !is_new(o) || !(o->reg[FOUR_OPERATORS] & BIT(bit))) return OPL3_TWO;
    return n < 3 ? OPL3_FOUR : OPL3_FOUR_REST;
}

static void channel_refresh(Opl3 *o, u32 n)
{
    Opl3Channel *c = &o->channel[n];
    u32 bank = n / BANK_CHANNELS * 256, at = n % BANK_CHANNELS;
    u8 c0 = o->reg[bank + 0xc0 + at];
    c->kind = channel_kind(o, n);
    c->left = !is_new(o) || (c0 & 0x10);
    c->right = !is_new(o) || (c0 & 0x20);
    c->feedback = c0 >> 1 & 7;
    c->connection = c0 & 1;
    if (c->kind == OPL3_FOUR) c->connection |= (u8)((o->reg[bank + 0xc0 + at + 3] & 1) << 1);
    if (c->kind == OPL3_FOUR_REST) at -= 3; /* the first half's pitch is all four's */
    c->f_number = (u16)(o->reg[bank + 0xa0 + at] | (o->reg[bank + 0xb0 + at] & 3) << 8);
    c->block = o->reg[bank + 0xb0 + at] >> 2 & 7;
}

/* Attenuation of high notes, in steps of 0.1875 dB; KSL 1: 3 dB an octave, 2: 1.5, 3: 6. */
static u32 key_scale_level(const Opl3Channel *c, u32 ksl)
{
    static const u8 octave_7[16] = {/* in 0.375 dB, by the F-number's high bits, for 3 dB an octave */
                                    0, 24, 32, 37, 40, 43, 45, 47, 48, 50, 51, 52, 53, 54, 55, 56};
    s32 scaled = 2 * octave_7[c->f_number >> 6] - 16 * (7 - c->block);
    if (!ksl || scaled <= 0) return 0;
    return (u32)(ksl == 1 ? scaled : ksl == 2 ? scaled / 2 : scaled * 2);
}

static u8 rate_of(u32 four_bits, u32 key_scale)
{
    u32 rate = 4 * four_bits + key_scale;
    return !four_bits ? 0 : rate > RATE_MAX ? RATE_MAX : (u8)rate;
}

static void operator_refresh(Opl3 *o, u32 n)
{
    static const u8 twice[16] = {1, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 20, 24, 24, 30, 30};
    Opl3Operator *op = &o->op[n];
    const Opl3Channel *c = &o->channel[channel_of(n)];
    const u8 *reg = o->reg + n / BANK_OPERATORS * 256 + operator_offset(n % BANK_OPERATORS);
    u32 split = o->reg[KEYBOARD_SPLIT] & 0x40 ? 8 : 9;
    u32 key_code = (u32)c->block << 1 | (c->f_number >> split & 1);
    u32 scale = reg[0x20] & 0x10 ? key_code : key_code >> 2;
    bool holds = reg[0x20] & 0x20;
    op->tremolo = reg[0x20] & 0x80;
    op->vibrato = reg[0x20] & 0x40;
    op->twice_multiple = twice[reg[0x20] & 15];
    op->level = (u16)((reg[0x40] & 63) * 4 + key_scale_level(c, reg[0x40] >> 6));
    op->rate[OPL3_ATTACK] = rate_of(reg[0x60] >> 4, scale);
    op->rate[OPL3_DECAY] = rate_of(reg[0x60] & 15, scale);
    op->rate[OPL3_RELEASE] = rate_of(reg[0x80] & 15, scale);
    op->rate[OPL3_SUSTAIN] = holds ? 0 : op->rate[OPL3_RELEASE];
    op->sustain = reg[0x80] >> 4 == 15 ? 31 : reg[0x80] >> 4;
    op->wave = reg[0xe0] & (is_new(o) ? 7 : 3);
}

static void refresh(Opl3 *o)
{
    if (!o->stale) return;
    o->stale = false;
    for (u32 n = 0; n < OPL3_CHANNELS; n++) channel_refresh(o, n);
    for (u32 n = 0; n < OPL3_OPERATORS; n++) operator_refresh(o, n);
}

/* --- keys ------------------------------------------------------------------------------------------------ */

static void key_set(Opl3 *o, u32 n, u8 who, bool down)
{
    Opl3Operator *op = &o->op[n];
    u8 keys = down ? op->keys | who : op->keys & ~who;
    if (keys && !op->keys) {
        op->stage = OPL3_ATTACK;
        op->phase = op->fraction = 0;
    } else if (!keys && op->keys) {
        op->stage = OPL3_RELEASE;
    }
    op->keys = keys;
}

static void note_key(Opl3 *o, u32 channel)
{
    u32 at = channel / BANK_CHANNELS * 256 + 0xb0 + channel % BANK_CHANNELS;
    Opl3Kind kind = channel_kind(o, channel);
    if (kind == OPL3_FOUR_REST) return;
    for (u32 half = 0; half < (kind == OPL3_FOUR ? 2 : 1); half++)
        for (u32 n = 0; n < 2; n++)
            key_set(o, first_operator(channel + 3 * half) + 3 * n, KEY_NOTE, o->reg[at] & 0x20);
}

static void rhythm_keys(Opl3 *o)
{
    u8 on = has_rhythm(o) ? o->reg[RHYTHM] : 0;
    key_set(o, first_operator(6), KEY_RHYTHM, on & 0x10); /* bass drum: both */
    key_set(o, first_operator(6) + 3, KEY_RHYTHM, on & 0x10);
    key_set(o, first_operator(7), KEY_RHYTHM, on & 0x01);     /* high hat */
    key_set(o, first_operator(7) + 3, KEY_RHYTHM, on & 0x08); /* snare drum */
    key_set(o, first_operator(8), KEY_RHYTHM, on & 0x04);     /* tom-tom */
    key_set(o, first_operator(8) + 3, KEY_RHYTHM, on & 0x02); /* top cymbal */
}

/* --- envelopes and phases --------------------------------------------------------------------------------- */

static void envelope_attack(Opl3Operator *op, u32 steps)
{
    if (op->rate[OPL3_ATTACK] == RATE_MAX)
        op->attenuation = 0;
    else
        for (; steps && op->attenuation; steps--) op->attenuation -= (u16)((op->attenuation + 8) / 8);
    if (!op->attenuation) op->stage = OPL3_DECAY;
}

static void envelope_step(Opl3Operator *op)
{
    u32 rate = op->rate[op->stage];
    if (!rate) return;
    u32 sum = op->fraction + ((4 + rate % 4) << rate / 4), steps = sum / ENVELOPE_ONE;
    op->fraction = (u16)(sum % ENVELOPE_ONE);
    if (op->stage == OPL3_ATTACK) {
        envelope_attack(op, steps);
        return;
    }
    op->attenuation = (u16)(op->attenuation + steps > SILENT ? SILENT : op->attenuation + steps);
}

/* The decay ends at the sustain level, which may be where it begins. */
static void envelope_advance(Opl3Operator *op)
{
    if (op->stage == OPL3_DECAY && op->attenuation >> 4 >= op->sustain) op->stage = OPL3_SUSTAIN;
    envelope_step(op);
}

/* The F-number goes up and down by up to an eighth of its three high bits, in 8 steps. */
static u32 vibrato_moved(const Opl3 *o, u32 f_number)
{
    u32 range = f_number >> 7, at = o->vibrato_at;
    if (!(at & 3)) return f_number;
    if (at & 1) range >>= 1;
    if (!(o->reg[RHYTHM] & BD_VIBRATO_DEEP)) range >>= 1;
    return at & 4 ? f_number - range : f_number + range;
}

static void phase_advance(const Opl3 *o, Opl3Operator *op, const Opl3Channel *c)
{
    u32 f = op->vibrato ? vibrato_moved(o, c->f_number) : c->f_number;
    op->phase = (op->phase + ((f << c->block >> 1) * op->twice_multiple >> 1)) & PHASE_MASK;
}

static void operator_advance(Opl3 *o, u32 n)
{
    Opl3Operator *op = &o->op[n];
    envelope_advance(op);
    phase_advance(o, op, &o->channel[channel_of(n)]);
}

/* --- waves ----------------------------------------------------------------------------------------------- */

enum { NOTHING = 0x1000 };

/* The logarithm of the wave at a phase of 10 bits, in 1/256 of a power of two. */
static u32 quarter_log(const Opl3 *o, u32 phase)
{
    return o->log_sine[phase & 0x100 ? ~phase & 0xff : phase & 0xff];
}

static u32 wave_log(const Opl3 *o, u32 wave, u32 phase, bool *negative)
{
    bool second = phase & 0x200;
    *negative = second && (wave == 0 || wave == 6 || wave == 7);
    switch (wave) {
    case 0:
    case 2: return quarter_log(o, phase);
    case 1: return second ? NOTHING : quarter_log(o, phase);
    case 3: return phase & 0x100 ? NOTHING : quarter_log(o, phase);
    case 4: *negative = phase & 0x100; return second ? NOTHING : quarter_log(o, phase << 1);
    case 5: return second ? NOTHING : quarter_log(o, phase << 1);
    case 6: return 0;
    default: return (second ? ~phase & 0x1ff : phase) << 3;
    }
}

static s32 operator_wave(const Opl3 *o, Opl3Operator *op, u32 phase)
{
    bool negative;
    u32 attenuation = op->attenuation + op->level + (op->tremolo ? o->tremolo : 0u);
    u32 log = wave_log(o, op->wave, phase & 0x3ff, &negative) + attenuation * 8;
    s32 v = log >= NOTHING ? 0 : (s32)((o->exponent[~log & 0xff] + 1024u) << 1 >> (log >> 8));
    op->out[1] = op->out[0];
    op->out[0] =
        (s16)(negative && v ? ~v : v); /* the chip's -1 of a silent half would be a click at the end */
    return op->out[0];
}

static s32 operator_out(Opl3 *o, u32 n, s32 modulation)
{
    Opl3Operator *op = &o->op[n];
    return operator_wave(o, op, (op->phase >> 9) + (u32)modulation);
}

/* --- channels -------------------------------------------------------------------------------------------- */

static s32 fed_back(Opl3 *o, u32 n, u32 feedback)
{
    const Opl3Operator *op = &o->op[n];
    return operator_out(o, n, feedback ? (op->out[0] + op->out[1]) >> (9 - feedback) : 0);
}

static s32 two_operators(Opl3 *o, const Opl3Channel *c, u32 n)
{
    s32 first = fed_back(o, n, c->feedback);
    return c->connection ? first + operator_out(o, n + 3, 0) : operator_out(o, n + 3, first);
}

/* Four in a row; 1 beside a row of three; two rows of two; 1 beside a row of two beside 4. */
static s32 four_operators(Opl3 *o, const Opl3Channel *c, u32 n)
{
    bool alone = c->connection & 1, parted = c->connection & 2;
    s32 first = fed_back(o, n, c->feedback), heard = alone ? first : 0;
    s32 second = operator_out(o, n + 3, alone ? 0 : first);
    if (parted && !alone) {
        heard += second;
        second = 0;
    }
    s32 third = operator_out(o, n + 6, second);
    if (parted && alone) {
        heard += third;
        third = 0;
    }
    return heard + operator_out(o, n + 9, third);
}

/* The bass drum is a channel of which only the second operator is heard. The other four take their phases from those of
 * the high hat and the cymbal and from noise. All are twice as loud as notes. */
static s32 rhythm_section(Opl3 *o)
{
    u32 drum = first_operator(6), hat = first_operator(7), tom = first_operator(8);
    const Opl3Channel *c = &o->channel[6];
    u32 a = o->op[hat].phase >> 9, b = o->op[tom + 3].phase >> 9, noise = o->noise & 1;
    u32 mixed = ((a >> 2 ^ a >> 7) | (a >> 3 ^ b >> 5) | (b >> 3 ^ b >> 5)) & 1, high = a >> 8 & 1;
    s32 first = fed_back(o, drum, c->feedback);
    s32 heard = operator_out(o, drum + 3, c->connection ? 0 : first);
    heard += operator_wave(o, &o->op[hat], mixed << 9 | (mixed ^ noise ? 0xd0 : 0x34));
    heard += operator_wave(o, &o->op[hat + 3], high << 9 | (high ^ noise) << 8);
    heard += operator_out(o, tom, 0);
    heard += operator_wave(o, &o->op[tom + 3], mixed << 9 | 0x80);
    return 2 * heard;
}

static bool operator_heard(const Opl3Operator *op)
{
    return op->attenuation < SILENT || (op->stage == OPL3_ATTACK && op->rate[OPL3_ATTACK]);
}

static bool channel_heard(const Opl3 *o, u32 channel)
{
    const Opl3Channel *c = &o->channel[channel];
    u32 n = first_operator(channel);
    bool first_counts = c->kind != OPL3_TWO || c->connection;
    return operator_heard(&o->op[n + 3]) || (first_counts && operator_heard(&o->op[n]));
}

typedef struct Sum {
    s32 left, right;
} Sum;

static void channel_render(Opl3 *o, u32 channel, Sum *sum)
{
    const Opl3Channel *c = &o->channel[channel];
    u32 n = first_operator(channel), count = c->kind == OPL3_FOUR ? 4 : 2;
    s32 v = c->kind == OPL3_FOUR ? four_operators(o, c, n) : two_operators(o, c, n);
    for (u32 k = 0; k < count; k++) operator_advance(o, n + 3 * k);
    if (c->left) sum->left += v;
    if (c->right) sum->right += v;
}

static void rhythm_render(Opl3 *o, Sum *sum)
{
    const Opl3Channel *c = &o->channel[6];
    s32 v = rhythm_section(o);
    for (u32 n = 0; n < 6; n++) operator_advance(o, first_operator(6) + n);
    if (c->left) sum->left += v;
    if (c->right) sum->right += v;
}

/* --- samples --------------------------------------------------------------------------------------------- */

/* Tremolo is a triangle of 3.7 Hz, 1 or 4.8 dB deep; vibrato has 6.1 Hz. */
static void oscillators_set(Opl3 *o)
{
    u32 at = (u32)(o->samples / TREMOLO_STEP % TREMOLO_STEPS);
    u32 height = at < TREMOLO_STEPS / 2 ? at : TREMOLO_STEPS - 1 - at;
    o->tremolo = (u16)(o->reg[RHYTHM] & BD_TREMOLO_DEEP ? height >> 2 : height >> 4);
    o->vibrato_at = o->samples / VIBRATO_STEP & 7;
}

static void noise_step(Opl3 *o)
{
    u32 bit = (o->noise ^ o->noise >> 14) & 1;
    o->noise = o->noise >> 1 | bit << 22;
}

/* The channels in which something is to be done, and whether the rhythm section is. */
static u32 channels_heard(const Opl3 *o)
{
    u32 heard = 0;
    for (u32 n = 0; n < OPL3_CHANNELS; n++) {
        Opl3Kind kind = o->channel[n].kind;
        if (!channel_heard(o, n)) continue;
        heard |= BIT(kind == OPL3_FOUR_REST ? n - 3 : kind == OPL3_RHYTHM ? 6 : n);
    }
    return heard;
}

static void sample_render(Opl3 *o, u32 heard, s16 *stereo)
{
    Sum sum = {0, 0};
    if (!(o->samples % TREMOLO_STEP)) oscillators_set(o);
    for (; heard; heard &= heard - 1) {
        u32 n = (u32)__builtin_ctz(heard);
        if (o->channel[n].kind == OPL3_RHYTHM)
            rhythm_render(o, &sum);
        else
            channel_render(o, n, &sum);
    }
    noise_step(o);
    o->samples++;
    stereo[0] = sound_clipped(sum.left);
    stereo[1] = sound_clipped(sum.right);
}

void opl3_render(Opl3 *o, s16 *stereo, u32 count)
{
    enum { LOOK_EVERY = 64 };
    u32 heard = 0;
    refresh(o);
    oscillators_set(o);
    for (u32 n = 0; n < count; n++) {
        if (n % LOOK_EVERY == 0) heard = channels_heard(o);
        sample_render(o, heard, stereo + 2 * n);
    }
}

bool opl3_silent(Opl3 *o)
{
    refresh(o);
    return !channels_heard(o);
}

/* --- timers ---------------------------------------------------------------------------------------------- */

enum { BUS_NS = 1000, AHEAD_NS = 1000000 };

/* What time the timers have. */
static u64 timers_now(const Opl3 *o)
{
    u64 now = clock_now(o->clock);
    return o->ahead_ns > now ? o->ahead_ns : now;
}

static void bus_cycle(Opl3 *o)
{
    u64 then = timers_now(o) + BUS_NS, most = clock_now(o->clock) + AHEAD_NS;
    o->ahead_ns = then < most ? then : most;
}

/* Timer 1 counts 4 samples (80 us), timer 2 counts 16. */
static u64 timer_period_ns(const Opl3 *o, u32 n)
{
    u64 samples = (256u - o->reg[TIMER_1 + n]) * (n ? 16u : 4u);
    return muldiv64(samples, 1000000000ull * OPL3_CLOCKS_PER_SAMPLE, OPL3_CRYSTAL_HZ);
}

static void timers_follow(Opl3 *o)
{
    u64 now = timers_now(o);
    for (u32 n = 0; n < 2; n++) {
        Opl3Timer *t = &o->timer[n];
        u8 flag = (u8)(FLAG_1 >> n);
        if (!t->runs || now < t->next_ns) continue;
        u64 period = timer_period_ns(o, n);
        t->next_ns += ((now - t->next_ns) / period + 1) * period;
        if (!(o->reg[TIMER_CONTROL] & flag)) o->flags |= flag;
    }
}

static void timers_control(Opl3 *o, u8 v)
{
    timers_follow(o);
    if (v & IRQ_RESET) {
        o->flags = 0;
        return;
    }
    o->reg[TIMER_CONTROL] = v;
    o->flags &= (u8)~v;
    for (u32 n = 0; n < 2; n++) {
        bool runs = v & BIT(n);
        if (runs && !o->timer[n].runs) {
            o->ahead_ns = 0;
            o->timer[n].next_ns = clock_now(o->clock) + timer_period_ns(o, n);
        }
        o->timer[n].runs = runs;
    }
}

/* --- ports ----------------------------------------------------------------------------------------------- */

static u32 opl3_read(void *dev, u32 offset, unsigned bytes)
{
    Opl3 *o = dev;
    (void)bytes;
    bus_cycle(o);
    if (offset & 1) return 0xff;
    timers_follow(o);
    return o->flags ? 0x80u | o->flags : 0;
}

static void register_write(Opl3 *o, u32 at, u8 v)
{
    u32 low = at & 0xff, channel = at / 256 * BANK_CHANNELS + (low & 15);
    if (at == TIMER_CONTROL) {
        timers_control(o, v);
        return;
    }
    timers_follow(o);
    o->reg[at] = v;
    o->stale = true;
    if (at == RHYTHM) rhythm_keys(o);
    if (low >= 0xb0 && low < 0xb0 + BANK_CHANNELS) note_key(o, channel);
}

static void opl3_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    Opl3 *o = dev;
    (void)bytes;
    bus_cycle(o);
    if (offset & 1)
        register_write(o, o->address, (u8)value);
    else
        o->address = (u16)((value & 0xff) |
                           (offset & 2 && (is_new(o) || (value & 0xff) == (MODE_NEW & 0xff)) ? 0x100 : 0));
}

const IoOps opl3_ops = {opl3_read, opl3_write, 1, 1};

/* --- life cycle ------------------------------------------------------------------------------------------ */

void opl3_reset(void *dev)
{
    Opl3 *o = dev;
    memset(o->reg, 0, sizeof o->reg);
    memset(o->op, 0, sizeof o->op);
    memset(o->timer, 0, sizeof o->timer);
    for (u32 n = 0; n < OPL3_OPERATORS; n++) o->op[n].attenuation = SILENT;
    o->address = o->flags = 0;
    o->ahead_ns = 0;
    o->samples = 0;
    o->noise = 1;
    o->stale = true;
}

static void operator_state(Opl3Operator *op, State *s)
{
    state_u16(s, "attenuation", &op->attenuation);
    state_check(s, op->attenuation <= SILENT, "attenuation");
    state_u16(s, "fraction", &op->fraction);
    state_check(s, op->fraction < ENVELOPE_ONE, "fraction");
    state_u32(s, "phase", &op->phase);
    state_check(s, op->phase <= PHASE_MASK, "phase");
    state_enum(s, "stage", &op->stage, OPL3_STAGES);
    state_u8(s, "keys", &op->keys);
    state_values(s, "out", op->out, 2, 2);
}

void opl3_state(void *dev, State *s)
{
    Opl3 *o = dev;
    state_bytes(s, "reg", o->reg, sizeof o->reg);
    state_u16(s, "address", &o->address);
    state_check(s, o->address < sizeof o->reg, "address");
    state_u8(s, "flags", &o->flags);
    state_u64(s, "samples", &o->samples);
    state_u32(s, "noise", &o->noise);
    for (u32 n = 0; n < 2; n++) {
        state_group(s, "timer", n);
        state_u64(s, "next_ns", &o->timer[n].next_ns);
        state_bool(s, "runs", &o->timer[n].runs);
        state_group_end(s);
    }
    for (u32 n = 0; n < OPL3_OPERATORS; n++) {
        state_group(s, "op", n);
        operator_state(&o->op[n], s);
        state_group_end(s);
    }
}

void opl3_loaded(void *dev)
{
    Opl3 *o = dev;
    o->stale = true;
    o->ahead_ns = 0;
}

void opl3_init(Opl3 *o, Clock *clock)
{
    *o = (Opl3){.clock = clock};
    tables_make(o);
    opl3_reset(o);
}
