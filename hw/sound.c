/* sound.c - the board's mixer.
 *
 * A chip opens its voice when it begins to play and pushes frames at its own rate. A frame of the stream is a sum of
 * 32 of the chip's around it, under a sinc of 0.45 of the chip's rate in a Blackman window, whose 256 phases are a
 * table and between which lies a straight line. Voices add up in a ring; every 10 ms of guest time what is 10 ms old,
 * and so whole, is given to the listener. With no voice open there is no timer, and the listener hears of nothing.
 *
 * Time is the guest's. The stream is the same, frame for frame, however late the host was.
 */
#include "hw/sound.h"

#include <string.h>

#include "hw/fixed_math.h"

enum { TICK_NS = 10000000, LAG_NS = 10000000, NS_PER_S = 1000000000 };
#define LATE_NS 10000000000ull
enum { HALF = SOUND_TAPS / 2, ONE = 1 << 15, CUTOFF_PERCENT = 90, PORTION = 512 };
#define FRAME_Q32 (1ll << 32)

/* --- the kernel ------------------------------------------------------------------------------------------ */

/* sin(pi x) / (pi x) for x = n / 2^24, in units of 2^-30 */
static s64 sinc(s64 n)
{
    const s64 pi_q30 = 3373259426;
    if (!n) return 1 << 30;
    s64 sine = fixed_sin((u32)n << 7) >> 30, x = (s64)((__int128)pi_q30 * n >> 24);
    return sine * (1 << 30) / x;
}

/* Blackman's window at n / 2^24 taps from the middle, in units of 2^-30. */
static s64 window(s64 n)
{
    u32 turn = (u32)((n + ((s64)HALF << 24)) * 256 / SOUND_TAPS), quarter = 1u << 30;
    s64 once = fixed_sin(turn + quarter) >> 30, twice = fixed_sin(2 * turn + quarter) >> 30;
    return (42 * (1ll << 30) - 50 * once + 8 * twice) / 100;
}

/* The taps of a phase add up to one. */
static void kernel_make(Sound *s)
{
    if (s->has_kernel) return;
    s->has_kernel = true;
    for (u32 phase = 0; phase <= SOUND_PHASES; phase++) {
        s64 taps[SOUND_TAPS], sum = 0;
        for (s32 n = 0; n < SOUND_TAPS; n++) {
            s64 x = (s64)(n - HALF + 1) * (1 << 24) - ((s64)phase << 16);
            taps[n] = sinc(x * CUTOFF_PERCENT / 100) * window(x) >> 30;
            sum += taps[n];
        }
        for (u32 n = 0; n < SOUND_TAPS; n++) s->kernel[phase][n] = (s16)(taps[n] * (ONE - 1) / sum);
    }
}

u32 sound_attenuation(u32 n)
{
    u32 octaves = (n + 255) / 256;
    return octaves > 16 ? 0 : (u32)(fixed_exp2(octaves * 256 - n) >> 44 >> octaves);
}

static u64 frame_at(u64 ns) { return muldiv64(ns, SOUND_HZ, NS_PER_S); }
/* The first frame to which voices may still add something. */
static u64 frame_open(u64 now_ns) { return frame_at(now_ns > LAG_NS ? now_ns - LAG_NS : 0); }

/* --- voices ---------------------------------------------------------------------------------------------- */

/* The frame at `fraction` between the two in the middle of the history, added to the stream's. */
static void frame_make(Sound *s, const SoundVoice *v, u32 fraction)
{
    const s16 *low = s->kernel[fraction >> 24], *high = s->kernel[(fraction >> 24) + 1];
    s32 between = (s32)(fraction >> 8 & 0xffff);
    s64 left = 0, right = 0;
    for (u32 n = 0; n < SOUND_TAPS; n++) {
        const SoundFrame *f = &v->history[(v->newest + n) % SOUND_TAPS];
        s32 tap = low[n] + ((high[n] - low[n]) * between >> 16);
        left += tap * f->left;
        right += tap * f->right;
    }
    if (v->next < s->given || v->next - s->given >= SOUND_ROOM) return;
    s->mix[v->next % SOUND_ROOM][0] += (s32)(left >> 15);
    s->mix[v->next % SOUND_ROOM][1] += (s32)(right >> 15);
}

void sound_push(Sound *s, SoundVoice *v, SoundFrame frame)
{
    if (!v->open) return;
    v->pushed++;
    v->history[v->newest] = frame;
    v->newest = (v->newest + 1) % SOUND_TAPS;
    v->ahead_q32 -= FRAME_Q32;
    while (v->ahead_q32 >> 32 <= -HALF - 1) {
        frame_make(s, v, (u32)v->ahead_q32);
        v->ahead_q32 += (s64)v->step_q32;
        v->next++;
    }
}

u64 sound_owed(const SoundVoice *v, u64 now_ns)
{
    if (!v->open || now_ns < v->since_ns) return 0;
    u64 due = muldiv64(now_ns - v->since_ns, v->hz, (u64)v->parts * NS_PER_S);
    return due > v->pushed ? due - v->pushed : 0;
}

/* Between the last tick and now there was silence. */
static void tick_arm(Sound *s)
{
    u64 now = clock_now(s->clock), whole = frame_open(now);
    if (s->tick.armed) return;
    if (s->given < whole) s->given = whole;
    s->tick_ns = now + TICK_NS;
    clock_arm(s->clock, &s->tick, s->tick_ns);
}

/* The first frame of the stream that the first of the chip reaches. */
void sound_begin(Sound *s, SoundVoice *v, u64 at_ns, u32 hz, u32 parts)
{
    u64 reach_ns = muldiv64((u64)HALF * NS_PER_S, parts, hz),
        from_ns = at_ns > reach_ns ? at_ns - reach_ns : 0;
    if (!sound_wanted(s)) return;
    v->next = muldiv64(from_ns, SOUND_HZ, NS_PER_S) + 1;
    s64 after_ns_q16 = (s64)(muldiv64(v->next, (u64)NS_PER_S << 16, SOUND_HZ) - (at_ns << 16));
    v->ahead_q32 = (s64)((__int128)after_ns_q16 * hz * 65536 / ((s64)parts * NS_PER_S));
    v->step_q32 = muldiv64((u64)hz << 32, 1, (u64)parts * SOUND_HZ);
    memset(v->history, 0, sizeof v->history);
    v->since_ns = at_ns;
    v->pushed = 0;
    v->hz = hz;
    v->parts = parts;
    v->open = true;
    tick_arm(s);
}

void sound_end(Sound *s, SoundVoice *v)
{
    if (!v->open) return;
    for (u32 n = 0; n < SOUND_TAPS; n++) sound_push(s, v, (SoundFrame){0, 0});
    v->open = false;
}

void sound_add(Sound *s, SoundVoice *v, void (*pull)(void *ctx, u64 now_ns), void *ctx)
{
    *v = (SoundVoice){.pull = pull, .ctx = ctx};
    CHECK(s->voices < SOUND_VOICES, "a place for each voice of the board");
    s->voice[s->voices++] = v;
}

/* --- the stream ------------------------------------------------------------------------------------------ */

static void portion_give(Sound *s, u32 count)
{
    SoundFrame out[PORTION];
    for (u32 n = 0; n < count; n++) {
        s32 *from = s->mix[(s->given + n) % SOUND_ROOM];
        out[n] = (SoundFrame){sound_clipped(from[0]), sound_clipped(from[1])};
        from[0] = from[1] = 0;
    }
    s->given += count;
    s->listener(s->ctx, s->given - count, out, count);
}

/* Voices that were closed or slept for longer than the ring is long left nothing in it. */
static void give_until(Sound *s, u64 frame)
{
    if (frame > s->given + SOUND_ROOM) s->given = frame - SOUND_ROOM;
    while (s->given < frame) portion_give(s, frame - s->given < PORTION ? (u32)(frame - s->given) : PORTION);
}

static bool pull_all(Sound *s, u64 now_ns)
{
    bool open = false;
    for (u32 n = 0; n < s->voices; n++) {
        s->voice[n]->pull(s->voice[n]->ctx, now_ns);
        open |= s->voice[n]->open;
    }
    return open;
}

/* The last ticks give what is in the ring when all voices have ended. A tick that comes late is of the time at which it
 * was due: chips' timers and the ticks fire in their order. After a host's sleep nobody wants to hear what was missed. */
static void ticked(void *sound)
{
    Sound *s = sound;
    u64 now = s->tick_ns;
    if (clock_now(s->clock) > now + LATE_NS) {
        sound_restart(s);
        return;
    }
    bool rest = pull_all(s, now);
    if (!sound_wanted(s)) return;
    u64 until = frame_open(now);
    for (u32 n = 0; n < s->voices; n++) rest |= s->voice[n]->next > until;
    give_until(s, until);
    s->tick_ns += TICK_NS;
    if (rest) clock_arm(s->clock, &s->tick, s->tick_ns);
}

void sound_flush(Sound *s)
{
    if (!sound_wanted(s)) return;
    u64 now = clock_now(s->clock);
    pull_all(s, now);
    give_until(s, frame_at(now));
}

static void silence(Sound *s)
{
    clock_disarm(s->clock, &s->tick);
    memset(s->mix, 0, sizeof s->mix);
    for (u32 n = 0; n < s->voices; n++) {
        s->voice[n]->open = false;
        s->voice[n]->next = 0;
    }
    s->given = frame_open(clock_now(s->clock));
}

void sound_listen(Sound *s, void (*listener)(void *ctx, u64 frame, const SoundFrame *frames, u32 count),
                  void *ctx)
{
    s->listener = listener;
    s->ctx = ctx;
    if (listener) kernel_make(s);
    sound_restart(s);
}

/* --- life cycle ------------------------------------------------------------------------------------------ */

void sound_restart(Sound *s)
{
    silence(s);
    if (s->listener) pull_all(s, clock_now(s->clock));
}

void sound_init(Sound *s, Clock *clock)
{
    *s = (Sound){.clock = clock};
    s->tick = (Timer){.fire = ticked, .ctx = s};
}
