/* midi.c - what the guest writes to its MPU-401 is played by ring3-midi, whose frames are a voice of the mixer.
 *
 * Each tick of the mixer (10 ms of guest time) one MidiAsk says how far time has come and which bytes were written when,
 * and what has come back meanwhile is pushed. The frames that the guest hears are so at least a tick old: CUSHION is
 * put before the first. Where ring3-midi is late there is a gap, and what follows is later by it; but no more than
 * MIDI_AHEAD frames are under way, so that neither the delay nor a queue grows.
 *
 * After a second of silence the voice is closed, and nothing has a timer. While nobody listens bytes are passed on as they
 * come, for the instruments that they choose. ring3-midi sleeps, without its sounds, until the guest takes the port.
 * Without it, or without a SoundFont, MIDI is silent, which is said when the guest first writes some.
 */
#define _GNU_SOURCE
#include "frontend/midi.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/host/helper.h"
#include "frontend/midi_protocol.h"

enum { CUSHION = SOUND_HZ * 3 / 100, SILENCE_FRAMES = SOUND_HZ, SILENT_LEVEL = 2 };

static struct {
    int socket;        /* -1: there is no synthesizer, or no longer */
    Problem why;       /* ... and why; empty: it was said */
    bool is_wanted;    /* the machine has a port */
    bool is_loaded;    /* it answers */
    bool must_silence; /* in the next MidiAsk */
    bool has_begun;    /* it was woken */
    Sound *sound;
    SoundVoice voice;
    u64 asked_at;                 /* frames of the open voice up to which all was asked for, or skipped */
    u32 asked;                    /* frames that are to come */
    SoundFrame ready[MIDI_AHEAD]; /* a ring of those that came */
    u32 first, count;
    u32 silent_frames; /* played in a row, since the last byte */
    MidiAsk ask;
} s = {.socket = -1};

/* The C library may use the FPU, where the guest's state may be live. */
static void park(void)
{
    base_park_fpu();
}

/* --- starting -------------------------------------------------------------------------------------------- */

/* Where Debian, Fedora, Arch and others put the one that is to be taken if no other is named. */
static int find_sounds(void)
{
    static const char *const places[] = {
        "/usr/share/sounds/sf2/default-GM.sf2",       "/usr/share/sounds/sf3/default-GM.sf3",
        "/usr/share/soundfonts/default.sf2",          "/usr/share/sounds/sf2/FluidR3_GM.sf2",
        "/usr/share/soundfonts/FluidR3_GM.sf2",       "/usr/share/sounds/sf2/TimGM6mb.sf2",
        "/usr/share/sounds/sf3/MuseScore_General.sf3"};
    for (unsigned n = 0; n < ARRAY_LEN(places); n++) {
        int fd = open(places[n], O_RDONLY | O_CLOEXEC);
        if (fd >= 0) return fd;
    }
    return -1;
}

static int open_sounds(const char *named)
{
    int fd;
    if (!*named) {
        fd = find_sounds();
        if (fd < 0) problem_set(&s.why, "there is no SoundFont (Debian: package timgm6mb-soundfont)");
        return fd;
    }
    struct stat st;
    fd = open(named, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        problem_set(&s.why, "%s", strerror(errno));
        return -1;
    }
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) return fd;
    problem_set(&s.why, "is no file");
    close(fd);
    return -1;
}

/* A descriptor that is not in the way of those that the program gets (helper_start). */
static int move_up(int fd)
{
    if (fd < 0 || fd > MIDI_SOUNDS) return fd;
    int up = fcntl(fd, F_DUPFD_CLOEXEC, MIDI_SOUNDS + 1);
    close(fd);
    return up;
}

static bool start_process(int sounds)
{
    static const char *const argv[] = {"ring3-midi", NULL};
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return problem_set(&s.why, "%s", strerror(errno));
    if (!helper_start("ring3-midi", argv, (int[HELPER_FDS]){pair[1], sounds}, false, &s.why))
        close(pair[0]);
    else
        s.socket = pair[0];
    close(pair[1]);
    return s.socket >= 0;
}

bool midi_open(const SoundOptions *o, Problem *p)
{
    s.is_wanted = o->sb16.present || o->mpu401.present;
    if (!s.is_wanted)
        return !*o->soundfont || problem_set(p, "soundfont= needs a card with MIDI: -device sb16 or mpu401");
    int sounds = move_up(open_sounds(o->soundfont));
    bool good = sounds >= 0 && start_process(sounds);
    if (sounds >= 0) close(sounds);
    if (good || !*o->soundfont) return true;
    return problem_set(p, "-audio soundfont=%.200s: %.150s", o->soundfont, s.why.text);
}

/* --- to ring3-midi --------------------------------------------------------------------------------------- */

static void end(const char *why)
{
    if (s.socket < 0) return;
    close(s.socket);
    s.socket = -1;
    s.asked = s.count = 0;
    say("the guest's MIDI is silent from here on: %s", why);
}

/* What was collected is not sent. */
static void ask_drop(void)
{
    for (u32 n = 0; n < s.ask.events; n++) s.asked -= s.ask.event[n].frames;
    s.ask.events = 0;
}

static void ask_send(void)
{
    MidiAsk *a = &s.ask;
    a->silence = s.must_silence;
    a->is_heard = s.voice.open;
    ssize_t n = send(s.socket, a, offsetof(MidiAsk, event) + a->events * sizeof *a->event,
                     MSG_DONTWAIT | MSG_NOSIGNAL);
    bool is_full = n < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOBUFS);
    if (n < 0) ask_drop();
    a->events = 0;
    s.must_silence = is_full;
    if (n < 0 && !is_full) end("ring3-midi has ended");
}

/* The frames that time has brought since the last call; where too many are under way they are left out. */
static u16 frames_due(u64 now)
{
    if (!s.voice.open) return 0;
    u64 reached = s.voice.pushed + sound_owed(&s.voice, now), due = reached - s.asked_at;
    u32 room = MIDI_AHEAD - (s.asked + s.count < MIDI_AHEAD ? s.asked + s.count : MIDI_AHEAD);
    s.asked_at = reached;
    if (!s.is_loaded) return 0;
    due = due < room ? due : room;
    s.asked += (u32)due;
    return (u16)due;
}

static void ask_add(MidiEvent event)
{
    if (s.socket < 0) return;
    if (s.ask.events == MIDI_EVENTS) ask_send();
    if (s.socket >= 0) s.ask.event[s.ask.events++] = event;
}

/* --- from ring3-midi ------------------------------------------------------------------------------------- */

/* False: no more, for now or for ever. */
static bool receive(void)
{
    static MidiFrames m;
    if (s.socket < 0) return false;
    ssize_t n = recv(s.socket, &m, sizeof m, MSG_DONTWAIT | MSG_TRUNC);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    if (n <= 0) {
        end("ring3-midi has ended");
        return false;
    }
    bool sound_size = n >= (ssize_t)sizeof m.count && m.count <= MIDI_FRAMES;
    if (!sound_size || n != (ssize_t)(sizeof m.count + m.count * sizeof *m.frame) || m.count > s.asked) {
        end("ring3-midi broke the protocol");
        return false;
    }
    s.is_loaded = true;
    s.asked -= m.count;
    for (u32 k = 0; k < m.count; k++) s.ready[(s.first + s.count++) % ARRAY_LEN(s.ready)] = m.frame[k];
    return true;
}

/* --- the voice ------------------------------------------------------------------------------------------- */

static bool is_silent(SoundFrame f)
{
    return f.left >= -SILENT_LEVEL && f.left <= SILENT_LEVEL && f.right >= -SILENT_LEVEL &&
           f.right <= SILENT_LEVEL;
}

static SoundFrame frame_take(void)
{
    SoundFrame f = {0, 0};
    if (s.count && s.voice.pushed >= CUSHION) {
        f = s.ready[s.first];
        s.first = (s.first + 1) % ARRAY_LEN(s.ready);
        s.count--;
    }
    s.silent_frames = is_silent(f) ? s.silent_frames + 1 : 0;
    return f;
}

static void voice_end(void)
{
    sound_end(s.sound, &s.voice);
    if (s.socket >= 0 && s.ask.events) ask_send();
}

static void midi_pull(void *ctx, u64 now)
{
    (void)ctx;
    if (!s.voice.open) return;
    park();
    ask_add((MidiEvent){.frames = frames_due(now)});
    if (s.socket >= 0) ask_send();
    while (receive()) continue;
    for (u64 owed = sound_owed(&s.voice, now); owed; owed--) sound_push(s.sound, &s.voice, frame_take());
    if (s.socket < 0 || s.silent_frames > SILENCE_FRAMES) voice_end();
}

static void voice_begin(u64 now)
{
    if (s.voice.open) return;
    sound_begin(s.sound, &s.voice, now, SOUND_HZ, 1);
    s.asked_at = 0;
}

/* --- the cable ------------------------------------------------------------------------------------------- */

static void say_why_silent(void)
{
    if (*s.why.text) say("the guest's MIDI is silent: %s", s.why.text);
    *s.why.text = 0;
}

static void midi_woken(void *ctx)
{
    (void)ctx;
    if (s.socket < 0 || s.has_begun) return;
    park();
    s.has_begun = true;
    ask_send();
}

static void midi_byte(void *ctx, u8 byte)
{
    park();
    if (s.socket < 0) {
        say_why_silent();
        return;
    }
    u64 now = clock_now(s.sound->clock);
    midi_woken(ctx);
    voice_begin(now);
    s.silent_frames = 0;
    ask_add((MidiEvent){frames_due(now), 1, byte});
    if (!s.voice.open && s.socket >= 0) ask_send();
}

static void midi_quiet(void *ctx)
{
    (void)ctx;
    if (s.socket < 0 || !s.has_begun) return;
    park();
    ask_drop();
    s.must_silence = true;
    ask_send();
}

void midi_begin(Machine *m)
{
    if (!s.is_wanted) return;
    s.sound = machine_sound(m);
    sound_add(s.sound, &s.voice, midi_pull, NULL);
    *machine_midi(m) = (MidiOut){midi_woken, midi_byte, midi_quiet, NULL};
}
