/* pcm.c - a PCI sound card's stream: samples move in portions of up to a millisecond, when their last one is due, so that
 * a guest which reads where the card is sees it move; an event comes at its frame's time.
 *
 * Where the host is late the card runs on through what the guest has filled, as a real one would. Only when the guest has
 * had no chance to fill what comes next, time begins anew. A stream that does not run has no timer. Input is silence.
 */
#include "hw/pcm.h"

#include <string.h>

enum { PORTIONS_PER_S = 1000, PORTION_MAX = PCM_HZ_MAX / PORTIONS_PER_S, NS_PER_S = 1000000000 };
enum { LATE_NS = 2000000, LOST_NS = NS_PER_S };

static u64 time_of(const Pcm *p, u64 frames) { return p->since_ns + muldiv64(frames, NS_PER_S, p->hz); }

/* --- frames ---------------------------------------------------------------------------------------------- */

static u32 frame_bytes(const Pcm *p) { return 1u << !!(p->format & PCM_STEREO) << !!(p->format & PCM_WIDE); }

static s16 sample(const Pcm *p, const u8 *bytes, u32 n)
{
    return (s16)(p->format & PCM_WIDE ? load16(bytes + 2 * n) : (bytes[n] ^ 0x80) << 8);
}

static void frames_push(Pcm *p, const u8 *bytes, u32 count)
{
    bool stereo = p->format & PCM_STEREO;
    if (!p->voice.open) return;
    for (u32 n = 0; n < count; n++) {
        s16 left = sample(p, bytes, n << stereo), right = sample(p, bytes, (n << stereo) + stereo);
        sound_push(p->sound, &p->voice, sound_scaled(left, right, p->gain));
    }
}

/* --- time ------------------------------------------------------------------------------------------------ */

static void begin_at(Pcm *p, u64 at_ns)
{
    sound_end(p->sound, &p->voice);
    p->since_ns = at_ns;
    p->done = 0;
    if (!(p->format & PCM_INPUT)) sound_begin(p->sound, &p->voice, at_ns, p->hz, 1);
}

static void portion_arm(Pcm *p)
{
    u32 left = p->ops->left(p->chip, p->n), most = p->hz / PORTIONS_PER_S;
    p->portion = left < most ? left : most;
    clock_arm(p->clock, &p->timer, time_of(p, p->done + p->portion));
}

static void portion_due(void *pcm)
{
    Pcm *p = pcm;
    u8 bytes[PORTION_MAX * PCM_FRAME_BYTES];
    u32 left = p->ops->left(p->chip, p->n), count = p->portion < left ? p->portion : left;
    memset(bytes, p->format & PCM_WIDE ? 0 : 0x80, count * frame_bytes(p));
    p->ops->move(p->chip, p->n, bytes, count);
    frames_push(p, bytes, count);
    p->done += count;
    bool stale = p->ops->passed(p->chip, p->n, count);
    if (!p->runs) return;
    u64 now = clock_now(p->clock);
    if (now > time_of(p, p->done) + (stale ? LATE_NS : LOST_NS)) begin_at(p, now);
    portion_arm(p);
}

void pcm_follow(Pcm *p, bool runs, u32 hz, u8 format)
{
    if (runs && p->runs && hz == p->hz && format == p->format) return;
    p->runs = runs;
    if (!runs) {
        clock_disarm(p->clock, &p->timer);
        sound_end(p->sound, &p->voice);
        return;
    }
    p->hz = hz;
    p->format = format;
    begin_at(p, clock_now(p->clock));
    portion_arm(p);
}

/* Somebody began to listen in the middle, or the stream was loaded. */
static void pcm_pull(void *pcm, u64 now_ns)
{
    Pcm *p = pcm;
    (void)now_ns;
    if (p->voice.open || !p->runs || p->format & PCM_INPUT) return;
    sound_begin(p->sound, &p->voice, time_of(p, p->done), p->hz, 1);
}

/* --- life cycle ------------------------------------------------------------------------------------------ */

void pcm_reset(Pcm *p)
{
    pcm_follow(p, false, 0, 0);
    p->hz = PCM_HZ_MAX;
    p->format = 0;
    p->portion = 0;
    p->since_ns = p->done = 0;
}

void pcm_state(Pcm *p, State *s)
{
    state_bool(s, "runs", &p->runs);
    state_u8(s, "format", &p->format);
    state_check(s, p->format < PCM_FORMATS, "format");
    state_u32(s, "hz", &p->hz);
    state_check(s, p->hz >= PCM_HZ_MIN && p->hz <= PCM_HZ_MAX, "hz");
    state_u32(s, "portion", &p->portion);
    state_check(s, p->portion <= PORTION_MAX && (p->portion || !p->runs), "portion");
    state_u64(s, "since_ns", &p->since_ns);
    state_u64(s, "done", &p->done);
    state_check(s, p->since_ns < CLOCK_NS_MAX && p->done < 1ull << 48, "done");
    state_timer(s, "timer", p->clock, &p->timer);
    state_check(s, p->timer.armed == p->runs, "timer");
}

void pcm_init(Pcm *p, Clock *clock, Sound *sound, const PcmChip *ops, void *chip, unsigned n)
{
    *p = (Pcm){.clock = clock, .sound = sound, .ops = ops, .chip = chip, .n = n};
    p->timer = (Timer){.fire = portion_due, .ctx = p};
    sound_add(sound, &p->voice, pcm_pull, p);
    pcm_reset(p);
}
