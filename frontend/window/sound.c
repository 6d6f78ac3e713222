/* sound.c - the PC's speaker, or the mixer's stream where there is a sound card, on the host's loudspeakers.
 *
 * The machine writes what the speaker does into shared memory, in guest time, and says so once when it begins. Samples are
 * made from that (hw/speaker_synth.c) a little behind the guest, so that what belongs into them is known: LAG_NS. They are
 * queued in small portions while something is heard; in silence the device is closed, and costs nothing.
 * A guest whose time goes slower than ours (it is paused, the host is busy) has its events come late: they are taken as
 * if they were now. If it has gone further, we skip to it.
 * A machine that is stopped in the middle of a tone is silent, and resumes it.
 */
#include "frontend/window/sound.h"

#include <SDL.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "hw/speaker_synth.h"

enum {
    LAG_NS = 60000000,
    QUEUED_SAMPLES = SPEAKER_HZ / 20,
    PORTION_NS = 10000000,
    LOST_NS = 250000000,
    CLOSE_AFTER_NS = 2000000000,
    CUSHION_FRAMES = SPEAKER_HZ / 25,
    FAR_FRAMES = SPEAKER_HZ / 10,
};

static struct {
    SDL_AudioDeviceID device; /* 0: closed */
    bool broken;              /* it could not be opened: never again */
    bool held;                /* the machine is stopped, and so is the sound */
    SpeakerSynth synth;
    u32 taken;   /* events that have become samples */
    bool stereo; /* the device plays the mixer's frames */
    u32 frames_taken;
    u64 last_news_ns; /* host time */
} sound;

/* The libraries beneath SDL say on stderr what they tried; on a host without sound that is eight lines. */
static void open_quietly(const SDL_AudioSpec *want)
{
    int kept = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (kept >= 0 && null >= 0) dup2(null, STDERR_FILENO);
    if (SDL_InitSubSystem(SDL_INIT_AUDIO) == 0) sound.device = SDL_OpenAudioDevice(NULL, 0, want, NULL, 0);
    if (kept >= 0 && null >= 0) dup2(kept, STDERR_FILENO);
    if (kept >= 0) close(kept);
    if (null >= 0) close(null);
}

static bool open_device(u8 channels)
{
    SDL_AudioSpec want = {.freq = SPEAKER_HZ, .format = AUDIO_S16SYS, .channels = channels, .samples = 512};
    open_quietly(&want);
    if (!sound.device) {
        fprintf(stderr, "ring3: no sound: %s\n", SDL_GetError());
        sound.broken = true;
        return false;
    }
    sound.stereo = channels == 2;
    SDL_PauseAudioDevice(sound.device, 0);
    return true;
}

void sound_end(void)
{
    if (sound.device) SDL_CloseAudioDevice(sound.device);
    sound.device = 0;
    sound.stereo = false;
}

/* Up to `most` events that have not been taken, oldest first. What was overwritten meanwhile is left out. */
static unsigned read_events(const WindowShared *shared, SpeakerEvent *to, unsigned most)
{
    u32 end = atomic_load(&shared->sounds);
    if (end - sound.taken > WINDOW_SOUNDS / 2) sound.taken = end - WINDOW_SOUNDS / 2;
    unsigned count = end - sound.taken < most ? end - sound.taken : most;
    for (unsigned n = 0; n < count; n++) {
        const WindowSound *from = &shared->sound[(sound.taken + n) % WINDOW_SOUNDS];
        to[n] = (SpeakerEvent){atomic_load(&from->at_ns), atomic_load(&from->ticks),
                               atomic_load(&from->level) & 1};
    }
    return count;
}

static void make_samples(const WindowShared *shared, unsigned samples)
{
    static SpeakerEvent events[WINDOW_SOUNDS / 2];
    static s16 out[QUEUED_SAMPLES];
    unsigned count = read_events(shared, events, ARRAY_LEN(events));
    u64 at_ns = sound.synth.at_sixths / 6;
    if (count && events[count - 1].at_ns > at_ns + LAG_NS + LOST_NS)
        speaker_synth_skip(&sound.synth, events[count - 1].at_ns - LAG_NS);
    sound.taken += speaker_synth(&sound.synth, events, count, out, samples);
    SDL_QueueAudio(sound.device, out, samples * sizeof *out);
}

static bool begin(const WindowShared *shared)
{
    SpeakerEvent first;
    if (sound.broken || !read_events(shared, &first, 1) || !open_device(1)) return false;
    speaker_synth_init(&sound.synth, first.at_ns > LAG_NS ? first.at_ns - LAG_NS : 0);
    return true;
}

static bool hold(const WindowShared *shared)
{
    bool stopped = atomic_load(&shared->status) & WINDOW_STOPPED;
    if (stopped != sound.held) SDL_PauseAudioDevice(sound.device, stopped);
    return sound.held = stopped;
}

/* --- the mixer's stream ---------------------------------------------------------------------------------- */

/* Up to `most` frames, oldest first; what was overwritten is left out. */
static u32 take_frames(const WindowShared *shared, u32 *to, u32 most)
{
    u32 end = atomic_load(&shared->frames), n = 0;
    if (end - sound.frames_taken > WINDOW_FRAMES / 2) sound.frames_taken = end - WINDOW_FRAMES / 2;
    for (; n < most && sound.frames_taken != end; n++)
        to[n] =
            atomic_load_explicit(&shared->frame[sound.frames_taken++ % WINDOW_FRAMES], memory_order_relaxed);
    return n;
}

/* After silence the stream begins with a cushion, and so it does when the guest was slower than time. When it is ahead of the
 * host's device by more than FAR_FRAMES, a portion is left out. */
static void play_frames(const WindowShared *shared)
{
    static const u32 cushion[CUSHION_FRAMES];
    static u32 out[WINDOW_FRAMES / 2];
    u32 queued = SDL_GetQueuedAudioSize(sound.device) / sizeof *out,
        n = take_frames(shared, out, ARRAY_LEN(out));
    if (!n || queued > FAR_FRAMES) return;
    if (!queued) SDL_QueueAudio(sound.device, cushion, sizeof cushion);
    SDL_QueueAudio(sound.device, out, n * sizeof *out);
}

static u64 stream_follow(const WindowShared *shared, u64 now_ns)
{
    bool news = atomic_load(&shared->frames) != sound.frames_taken;
    if (!sound.device && (sound.broken || !news || !open_device(2))) return UINT64_MAX;
    if (hold(shared)) return UINT64_MAX;
    if (news) sound.last_news_ns = now_ns;
    play_frames(shared);
    if (now_ns - sound.last_news_ns < CLOSE_AFTER_NS) return now_ns + PORTION_NS;
    sound_end();
    return UINT64_MAX;
}

u64 sound_follow(const WindowShared *shared, u64 now_ns)
{
    if (!shared) return UINT64_MAX;
    if (sound.stereo || (!sound.device && atomic_load(&shared->frames) != sound.frames_taken))
        return stream_follow(shared, now_ns);
    bool news = atomic_load(&shared->sounds) != sound.taken;
    if (!sound.device && (!news || !begin(shared))) return UINT64_MAX;
    if (hold(shared)) return UINT64_MAX; /* news comes when it resumes */
    if (news || !speaker_synth_silent(&sound.synth)) sound.last_news_ns = now_ns;
    unsigned queued = SDL_GetQueuedAudioSize(sound.device) / sizeof(s16);
    if (queued < QUEUED_SAMPLES) make_samples(shared, QUEUED_SAMPLES - queued);
    if (now_ns - sound.last_news_ns < CLOSE_AFTER_NS) return now_ns + PORTION_NS;
    sound_end();
    return UINT64_MAX;
}
