/* audio.c - the machine's sound goes into files: -audio wav:FILE, and the monitor's wavcapture.
 *
 * A file's frame n is guest time: n / 48,000 s after its begin, so that silence has its length. It is not written:
 * where nothing was played the file has a hole. The header says how much there is at each second, so that a file whose
 * ring3 was killed is a file still.
 */
#include "frontend/audio.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "frontend/display/display.h"
#include "frontend/host/output.h"

enum { HEADER_BYTES = 44, FRAME_BYTES = 4, FRAMES_MAX = 0x3fffff00 };

typedef struct Capture {
    bool open;
    int fd;
    char path[1024];
    u64 begin;  /* frame of the stream */
    u64 frames; /* in the file so far */
    u64 told;   /* ... by its header */
} Capture;

static Capture captures[AUDIO_CAPTURES];
static const char *first_path; /* of -audio wav: opened before the cage is shut */
static int first_fd;
static bool to_window;

/* --- a file ---------------------------------------------------------------------------------------------- */

static bool header_write(Capture *c)
{
    u32 bytes = (u32)c->frames * FRAME_BYTES;
    u8 h[HEADER_BYTES] = "RIFF....WAVEfmt ....";
    store32(h + 4, bytes + HEADER_BYTES - 8);
    store32(h + 16, 16);
    store16(h + 20, 1); /* PCM */
    store16(h + 22, 2);
    store32(h + 24, SOUND_HZ);
    store32(h + 28, SOUND_HZ * FRAME_BYTES);
    store16(h + 32, FRAME_BYTES);
    store16(h + 34, 16);
    memcpy(h + 36, "data", 4);
    store32(h + 40, bytes);
    c->told = c->frames;
    return pwrite(c->fd, h, sizeof h, 0) == sizeof h;
}

static void capture_close(Capture *c)
{
    close(c->fd);
    c->open = false;
}

static void capture_fail(Capture *c)
{
    say("%.200s: cannot be written: the capture ends here", c->path);
    capture_close(c);
}

static void capture_frames(Capture *c, u64 frame, const SoundFrame *frames, u32 count)
{
    u32 before = frame < c->begin ? (u32)(c->begin - frame < count ? c->begin - frame : count) : 0;
    frames += before;
    count -= before;
    u64 at = frame + before - c->begin;
    if (!count) return;
    if (at + count > FRAMES_MAX) {
        capture_fail(c);
        return;
    }
    ssize_t bytes = (ssize_t)count * FRAME_BYTES;
    c->frames = at + count;
    bool good = pwrite(c->fd, frames, (size_t)bytes, (off_t)(HEADER_BYTES + at * FRAME_BYTES)) == bytes;
    if (!good || (c->frames - c->told >= SOUND_HZ && !header_write(c))) capture_fail(c);
}

/* --- the stream ------------------------------------------------------------------------------------------ */

static void heard(void *ctx, u64 frame, const SoundFrame *frames, u32 count)
{
    (void)ctx;
    if (to_window) display_frames(frames, count);
    for (u32 n = 0; n < AUDIO_CAPTURES; n++)
        if (captures[n].open) capture_frames(&captures[n], frame, frames, count);
}

static u64 frame_now(Machine *m) { return muldiv64(clock_now(machine_clock(m)), SOUND_HZ, 1000000000); }

static bool anybody(void)
{
    if (to_window) return true;
    for (u32 n = 0; n < AUDIO_CAPTURES; n++)
        if (captures[n].open) return true;
    return false;
}

static int file_for(const char *path, Problem *p)
{
    const char *why;
    int fd = output_open(path, &why);
    if (fd < 0) problem_set(p, "%.200s: %s", path, why);
    return fd;
}

static int capture_begin(Machine *m, int fd, const char *path, Problem *p)
{
    int n = 0;
    while (n < AUDIO_CAPTURES && captures[n].open) n++;
    if (n == AUDIO_CAPTURES) {
        problem_set(p, "%d captures are as many as there may be", AUDIO_CAPTURES);
        return -1;
    }
    Capture *c = &captures[n];
    *c = (Capture){.fd = fd, .begin = frame_now(m)};
    snprintf(c->path, sizeof c->path, "%s", path);
    if (!header_write(c)) {
        problem_set(p, "%.200s: a capture needs a file, in which it can go back", path);
        return -1;
    }
    if (!anybody()) sound_listen(machine_sound(m), heard, NULL);
    c->open = true;
    return n;
}

int audio_capture(Machine *m, const char *path, Problem *p)
{
    int fd = file_for(path, p);
    if (fd < 0) return -1;
    int n = capture_begin(m, fd, path, p);
    if (n < 0) close(fd);
    return n;
}

bool audio_open(const char *path, Problem *p)
{
    first_path = path;
    first_fd = file_for(path, p);
    return first_fd >= 0;
}

bool audio_begin(Machine *m, Problem *p)
{
    return !first_path || capture_begin(m, first_fd, first_path, p) >= 0;
}

bool audio_stop(Machine *m, unsigned n)
{
    if (n >= AUDIO_CAPTURES || !captures[n].open) return false;
    Capture *c = &captures[n];
    sound_flush(machine_sound(m));
    if (!c->open) return true; /* the last frames did not fit */
    u64 now = frame_now(m) - c->begin;
    if (now > c->frames && now <= FRAMES_MAX) c->frames = now;
    if (ftruncate(c->fd, (off_t)(HEADER_BYTES + c->frames * FRAME_BYTES)) || !header_write(c))
        capture_fail(c);
    else
        capture_close(c);
    if (!anybody()) sound_listen(machine_sound(m), NULL, NULL);
    return true;
}

void audio_to_window(Machine *m)
{
    to_window = true;
    display_mute_speaker();
    sound_listen(machine_sound(m), heard, NULL);
}

void audio_end(Machine *m)
{
    for (unsigned n = 0; n < AUDIO_CAPTURES; n++) audio_stop(m, n);
}
