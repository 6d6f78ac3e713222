/* main.c - ring3-midi: the guest's MIDI is played by FluidSynth.
 *
 * ring3 starts it with a socket to the machine as descriptor 3 and a SoundFont as descriptor 4 (frontend/midi_protocol.h).
 * It sleeps until the machine says something; then it makes a synthesizer, shuts itself in, and only then reads: the
 * SoundFont first, which is as foreign as what the guest writes. It says nothing and ends with the machine.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <fluidsynth.h>
#include <poll.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "frontend/host/filter.h"
#include "frontend/host/leave_signals.h"
#include "frontend/host/landlock.h"
#include "frontend/host/silence.h"
#include "frontend/midi/parser.h"
#include "frontend/midi_protocol.h"

enum { HEAP_BYTES = 1 << 30, POLYPHONY = 128 };

static fluid_synth_t *synth;
static MidiParser parser;
static bool is_heard;

/* --- shut in --------------------------------------------------------------------------------------------- */

static const u32 fcntls[] = {F_GETFL, F_SETFL, F_GETFD};
static const Call calls[] = {
    {.number = SYS_read},
    {.number = SYS_fstat},
    {.number = SYS_newfstatat},
    {.number = SYS_recvfrom},
    {.number = SYS_sendto},
    {.number = SYS_write},
    {.number = SYS_poll},
    {.number = SYS_close},
    {SYS_fcntl, CALL_SECOND, fcntls, ARRAY_LEN(fcntls)},
    {.number = SYS_brk},
    {SYS_mmap, CALL_NO_EXEC, NULL, 0},
    {.number = SYS_munmap},
    {.number = SYS_mremap},
    {.number = SYS_madvise},
    {.number = SYS_mlock},
    {.number = SYS_munlock},
    {.number = SYS_futex},
    {.number = SYS_clock_gettime},
    {.number = SYS_gettimeofday},
    {.number = SYS_getrandom},
    {.number = SYS_getpid},
    {.number = SYS_rt_sigreturn},
    {.number = SYS_restart_syscall},
    {.number = SYS_exit},
    {.number = SYS_exit_group},
};

static void confine(void)
{
    const struct rlimit heap = {HEAP_BYTES, HEAP_BYTES};
    int landlock = landlock_version();
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); /* which Landlock asks for */
    if (!filter_sanitized) setrlimit(RLIMIT_DATA, &heap);
    if (landlock) landlock_enter(landlock, true);
    filter_confine(calls, ARRAY_LEN(calls), true);
}

/* --- the SoundFont, which is memory instead of a name ----------------------------------------------------- */

static struct {
    const u8 *at;
    fluid_long_long_t bytes, next;
} sounds;

/* It is read two bytes at a time: not by system calls. A file that is cut short meanwhile is our end (SIGBUS). */
static bool sounds_map(void)
{
    struct stat st;
    if (fstat(MIDI_SOUNDS, &st) || st.st_size <= 0) return false;
    const void *at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, MIDI_SOUNDS, 0);
    sounds.at = at;
    sounds.bytes = st.st_size;
    return at != MAP_FAILED;
}

static void *sounds_open(const char *name)
{
    (void)name;
    sounds.next = 0;
    return &sounds;
}

static int sounds_read(void *to, fluid_long_long_t count, void *handle)
{
    (void)handle;
    if (count < 0 || count > sounds.bytes - sounds.next) return FLUID_FAILED;
    memcpy(to, sounds.at + sounds.next, (size_t)count);
    sounds.next += count;
    return FLUID_OK;
}

static int sounds_seek(void *handle, fluid_long_long_t by, int from)
{
    fluid_long_long_t base = from == SEEK_SET ? 0 : from == SEEK_CUR ? sounds.next : sounds.bytes;
    (void)handle;
    if (by < -base || by > sounds.bytes - base) return FLUID_FAILED;
    sounds.next = base + by;
    return FLUID_OK;
}

static fluid_long_long_t sounds_tell(void *handle)
{
    (void)handle;
    return sounds.next;
}

static int sounds_close(void *handle)
{
    (void)handle;
    return FLUID_OK;
}

/* --- the synthesizer ------------------------------------------------------------------------------------- */

/* FluidSynth would read a SoundFont by OpenMP's threads, which this process cannot start any more. */
static void use_one_thread(void)
{
    void (*set)(int);
    *(void **)&set = dlsym(RTLD_DEFAULT, "omp_set_num_threads");
    if (set) set(1);
}

static bool synth_make(void)
{
    fluid_settings_t *settings;
    use_one_thread();
    for (int level = 0; level < LAST_LOG_LEVEL; level++) fluid_set_log_function(level, NULL, NULL);
    settings = new_fluid_settings();
    if (!settings) return false;
    fluid_settings_setnum(settings, "synth.sample-rate", SOUND_HZ);
    fluid_settings_setint(settings, "synth.polyphony", POLYPHONY);
    fluid_settings_setint(settings, "synth.cpu-cores", 1);
    fluid_settings_setint(settings, "synth.threadsafe-api", 0);
    fluid_settings_setstr(settings, "synth.midi-bank-select", "gs");
    synth = new_fluid_synth(settings);
    if (!synth) return false;
    fluid_sfloader_t *loader = new_fluid_defsfloader(settings);
    if (!loader) return false;
    fluid_sfloader_set_callbacks(loader, sounds_open, sounds_read, sounds_seek, sounds_tell, sounds_close);
    fluid_synth_add_sfloader(synth, loader);
    return true;
}

static void channel_word(const MidiWord *w)
{
    int channel = w->status & 15;
    switch (w->status & 0xf0) {
    case 0x80: fluid_synth_noteoff(synth, channel, w->a); return;
    case 0x90:
        if (is_heard || !w->b) fluid_synth_noteon(synth, channel, w->a, w->b);
        return;
    case 0xa0: fluid_synth_key_pressure(synth, channel, w->a, w->b); return;
    case 0xb0: fluid_synth_cc(synth, channel, w->a, w->b); return;
    case 0xc0: fluid_synth_program_change(synth, channel, w->a); return;
    case 0xd0: fluid_synth_channel_pressure(synth, channel, w->a); return;
    case 0xe0: fluid_synth_pitch_bend(synth, channel, w->b << 7 | w->a); return;
    }
}

static void byte_take(u8 byte)
{
    MidiWord word;
    if (!midi_parse(&parser, byte, &word)) return;
    if (word.status == MIDI_SYSEX)
        fluid_synth_sysex(synth, (const char *)word.sysex, (int)word.sysex_bytes, NULL, NULL, NULL, 0);
    else if (word.status > MIDI_SYSEX)
        fluid_synth_system_reset(synth);
    else
        channel_word(&word);
}

/* --- the machine ----------------------------------------------------------------------------------------- */

static bool frames_send(u32 count)
{
    static MidiFrames m;
    m.count = count;
    if (count && fluid_synth_write_s16(synth, (int)count, m.frame, 0, 2, m.frame, 1, 2) != FLUID_OK)
        return false;
    size_t bytes = sizeof m.count + count * sizeof *m.frame;
    return send(MIDI_SOCKET, &m, bytes, MSG_NOSIGNAL) == (ssize_t)bytes;
}

static bool frames_make(u32 count)
{
    for (u32 n; count; count -= n) {
        n = count < MIDI_FRAMES ? count : MIDI_FRAMES;
        if (!frames_send(n)) return false;
    }
    return true;
}

/* False: the machine is gone, or is none of ours. */
static bool ask_take(void)
{
    static MidiAsk ask;
    ssize_t n = recv(MIDI_SOCKET, &ask, sizeof ask, 0);
    u32 frames = 0;
    if (n < (ssize_t)offsetof(MidiAsk, event) || ask.events > MIDI_EVENTS) return false;
    if (n != (ssize_t)(offsetof(MidiAsk, event) + ask.events * sizeof *ask.event)) return false;
    is_heard = ask.is_heard;
    if (ask.silence) fluid_synth_all_sounds_off(synth, -1);
    for (u32 k = 0; k < ask.events; k++) {
        frames += ask.event[k].frames;
        if (frames > MIDI_AHEAD || !frames_make(ask.event[k].frames)) return false;
        if (ask.event[k].has_byte) byte_take(ask.event[k].byte);
    }
    return true;
}

/* A file whose sounds cannot be read is the end, which the machine says. */
int main(void)
{
    struct pollfd wait = {MIDI_SOCKET, POLLIN, 0};
    struct stat st;
    if (fstat(MIDI_SOCKET, &st) || !S_ISSOCK(st.st_mode)) {
        fprintf(stderr, "ring3-midi: ring3 starts this program; it does nothing by itself\n");
        return 1;
    }
    leave_signals();
    silence(STDOUT_FILENO, filter_sanitized ? STDOUT_FILENO : STDERR_FILENO);
    while (poll(&wait, 1, -1) < 0) continue;
    if (!(wait.revents & POLLIN) || !sounds_map() || !synth_make()) return 1;
    confine();
    if (fluid_synth_sfload(synth, "SoundFont", 1) == FLUID_FAILED || !frames_send(0)) return 1;
    while (ask_take()) continue;
    return 0;
}
