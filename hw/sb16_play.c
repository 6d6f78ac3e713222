/* sb16_play.c - samples of the Sound Blaster 16: by DMA, with an interrupt after the last of a block, and directly.
 *
 * Samples move in portions of up to a millisecond, when their last one is due, so that a guest which reads the DMA
 * controller's count sees them go by; the interrupt comes at its sample's time. Where the controller does not serve the
 * channel they wait. If the guest has taken no interrupt while all of the DMA controller's buffer was played, and the
 * host is late, time begins anew: blocks are not lost.
 *
 * Input is silence. ADPCM blocks take their time and their DMA, and are silent (sb16.c).
 */
#include "hw/sb16.h"

#include <string.h>

enum { PORTION_PER_S = 1000, PORTION_MAX = 256, WAIT_NS = 1000000, LATE_NS = 2000000, NS_PER_S = 1000000000 };
enum { DIRECT_HZ = SOUND_HZ, DIRECT_END_NS = 100000000 };

/* --- frames ---------------------------------------------------------------------------------------------- */

static s16 sample_of(const Sb16Transfer *t, const u8 *from, u32 n)
{
    u16 bits = t->wide ? load16(from + 2 * n) : (u16)(from[n] << 8);
    return (s16)(t->is_signed ? bits : bits ^ 0x8000);
}

static void frame_push(Sb16 *s, s16 left, s16 right)
{
    sound_push(s->sound, &s->voice, sound_scaled(left, right, s->gain));
}

static void samples_push(Sb16 *s, const u8 *from, u32 count)
{
    Sb16Transfer *t = &s->transfer;
    for (u32 n = 0; n < count; n++) {
        s16 v = t->muted || t->input ? 0 : sample_of(t, from, n);
        if (!t->stereo) {
            frame_push(s, v, v);
        } else if (t->has_other) {
            frame_push(s, t->other, v);
            t->has_other = false;
        } else {
            t->other = v;
            t->has_other = true;
        }
    }
}

/* --- blocks ---------------------------------------------------------------------------------------------- */

static u32 samples_per_s(const Sb16Transfer *t) { return t->stereo ? 2 * t->hz : t->hz; }

static u32 portion(const Sb16Transfer *t)
{
    u32 most = samples_per_s(t) / PORTION_PER_S;
    return t->left < most ? t->left : most;
}

static u64 time_of(const Sb16Transfer *t, u64 samples)
{
    return t->since_ns + muldiv64(samples, NS_PER_S, samples_per_s(t));
}

static void begin_at(Sb16 *s, u64 at_ns)
{
    Sb16Transfer *t = &s->transfer;
    sound_end(s->sound, &s->voice);
    t->since_ns = at_ns;
    t->done = 0;
    t->has_other = false;
    if (t->runs == SB16_DMA_BLOCK && !t->input) sound_begin(s->sound, &s->voice, at_ns, t->hz, 1);
}

static void portion_arm(Sb16 *s)
{
    clock_arm(s->clock, &s->timer, time_of(&s->transfer, s->transfer.done + portion(&s->transfer)));
}

/* What comes next the guest cannot have filled yet. */
static bool buffer_is_stale(Sb16 *s)
{
    Sb16Transfer *t = &s->transfer;
    u32 channel = sb16_channel(s, t->wide), round = channel < 8 ? dma_round(s->dma, channel) >> t->wide : 0;
    if (!s->irq_status) {
        t->unanswered = 0;
        return false;
    }
    if (t->unanswered + t->block >= round) return true;
    t->unanswered += t->block;
    return false;
}

static void block_end(Sb16 *s)
{
    Sb16Transfer *t = &s->transfer;
    bool late = buffer_is_stale(s) && clock_now(s->clock) > time_of(t, t->done) + LATE_NS;
    t->left = t->block;
    if (!t->repeats) {
        t->runs = SB16_IDLE;
        sound_end(s->sound, &s->voice);
    } else if (late) {
        begin_at(s, clock_now(s->clock));
    }
    sb16_raise(s, t->wide ? SB16_IRQ_16BIT : SB16_IRQ_8BIT);
}

/* How many of the samples the controller moved; a 16-bit sample that goes by bytes is whole. */
static u32 samples_move(Sb16 *s, u8 *bytes, u32 count)
{
    const Sb16Transfer *t = &s->transfer;
    u32 channel = sb16_channel(s, t->wide), size = t->wide ? 2 : 1;
    bool terminal;
    if (t->runs == SB16_SILENCE) return count;
    if (channel > 7) return 0;
    memset(bytes, t->is_signed ? 0 : 0x80, count * size);
    DmaWay way = t->input ? DMA_WRITE_MEMORY : DMA_READ_MEMORY;
    u32 moved = 0, more = 1;
    while (more &&
           moved < count * size) { /* where the controller's count runs out and repeats it begins anew */
        more = dma_transfer(s->dma, channel, way, bytes + moved, count * size - moved, &terminal);
        moved += more;
    }
    return moved / size;
}

static void portion_due(void *sb16)
{
    Sb16 *s = sb16;
    Sb16Transfer *t = &s->transfer;
    u8 bytes[2 * PORTION_MAX];
    u32 count = portion(t), moved = samples_move(s, bytes, count);
    samples_push(s, bytes, moved);
    t->done += moved;
    t->left -= moved;
    if (!t->left) block_end(s);
    if (t->runs == SB16_IDLE) return;
    if (moved == count) {
        portion_arm(s);
        return;
    }
    begin_at(s, clock_now(s->clock) + WAIT_NS);
    clock_arm(s->clock, &s->timer, t->since_ns);
}

/* --- what the DSP asks for --------------------------------------------------------------------------------- */

void sb16_play(Sb16 *s, const Sb16Transfer *t)
{
    sb16_stop(s);
    s->transfer = *t;
    s->transfer.left = t->block;
    begin_at(s, clock_now(s->clock));
    portion_arm(s);
}

void sb16_pause(Sb16 *s)
{
    if (s->transfer.runs == SB16_IDLE || s->transfer.paused) return;
    s->transfer.paused = true;
    clock_disarm(s->clock, &s->timer);
    sound_end(s->sound, &s->voice);
}

void sb16_resume(Sb16 *s)
{
    if (s->transfer.runs == SB16_IDLE || !s->transfer.paused) return;
    s->transfer.paused = false;
    begin_at(s, clock_now(s->clock));
    portion_arm(s);
}

void sb16_stop(Sb16 *s)
{
    clock_disarm(s->clock, &s->timer);
    sound_end(s->sound, &s->voice);
    s->transfer = (Sb16Transfer){.hz = 11025};
}

/* --- direct ---------------------------------------------------------------------------------------------- */

static void direct_until(Sb16 *s, u64 now)
{
    s16 v = (s16)((s->direct ^ 0x80) << 8);
    for (u64 owed = sound_owed(&s->direct_voice, now); owed; owed--)
        sound_push(s->sound, &s->direct_voice, sound_scaled(v, v, s->gain));
}

/* A level that nobody changes for a tenth of a second is no sound. */
static void direct_pull(void *sb16, u64 now)
{
    Sb16 *s = sb16;
    if (!s->direct_voice.open) return;
    direct_until(s, now);
    if (now > s->direct_written_ns + DIRECT_END_NS) sound_end(s->sound, &s->direct_voice);
}

void sb16_direct(Sb16 *s, u8 level)
{
    u64 now = clock_now(s->clock);
    s->direct_written_ns = now;
    if (s->direct_voice.open) {
        direct_until(s, now);
    } else if (sound_wanted(s->sound)) {
        sound_begin(s->sound, &s->direct_voice, now, DIRECT_HZ, 1);
    }
    s->direct = level;
}

/* --- life cycle ------------------------------------------------------------------------------------------ */

/* Somebody began to listen in the middle of a block. */
static void block_pull(void *sb16, u64 now)
{
    Sb16 *s = sb16;
    const Sb16Transfer *t = &s->transfer;
    (void)now;
    if (s->voice.open || t->runs != SB16_DMA_BLOCK || t->paused || t->input || !sound_wanted(s->sound))
        return;
    sound_begin(s->sound, &s->voice, time_of(t, t->done), t->hz, 1);
}

void sb16_play_state(Sb16 *s, State *to)
{
    Sb16Transfer *t = &s->transfer;
    state_u8(to, "runs", &t->runs);
    state_check(to, t->runs < SB16_RUNS, "runs");
    state_bool(to, "paused", &t->paused);
    state_bool(to, "wide", &t->wide);
    state_bool(to, "signed", &t->is_signed);
    state_bool(to, "stereo", &t->stereo);
    state_bool(to, "input", &t->input);
    state_bool(to, "muted", &t->muted);
    state_bool(to, "repeats", &t->repeats);
    state_u32(to, "left", &t->left);
    state_u32(to, "block", &t->block);
    state_check(to,
                t->left <= 0x10000 && t->block <= 0x10000 && (t->runs == SB16_IDLE || (t->left && t->block)),
                "left");
    state_u32(to, "hz", &t->hz);
    state_check(to, t->hz >= 3900 && t->hz <= 46000, "hz");
    state_u64(to, "since_ns", &t->since_ns);
    state_u64(to, "done", &t->done);
    state_check(to, t->since_ns < CLOCK_NS_MAX && t->done < 1ull << 48, "done");
    state_u32(to, "unanswered", &t->unanswered);
    state_check(to, t->unanswered <= 1 << 17, "unanswered");
    state_values(to, "other", &t->other, 2, 1);
    state_bool(to, "has_other", &t->has_other);
    state_timer(to, "timer", s->clock, &s->timer);
    state_check(to, s->timer.armed == (t->runs != SB16_IDLE && !t->paused), "timer");
}

void sb16_play_init(Sb16 *s)
{
    s->timer = (Timer){.fire = portion_due, .ctx = s};
    sound_add(s->sound, &s->voice, block_pull, s);
    sound_add(s->sound, &s->direct_voice, direct_pull, s);
}
