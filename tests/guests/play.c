/* play.c - `play FILE TIMES PCM` under Linux, without a library: a WAV file (stereo, 16 bits) to /dev/dsp, as programs of the
 * OSS time do it, after the mixer's volumes (PCM in percent). It says which rate the card took, and "played" when all was heard.
 */
#include "linux.h"

enum { EXIT = 1, READ = 3, WRITE = 4, OPEN = 5, LSEEK = 19, NICE = 34, IOCTL = 54 };
enum { WAV_HEADER = 44, WAV_RATE = 24, O_WRONLY = 1, AFMT_S16_LE = 0x10 };
enum { DSP_SYNC = 0x5001 };
#define DSP_SPEED    0xc0045002u
#define DSP_SETFMT   0xc0045005u
#define DSP_CHANNELS 0xc0045006u
#define MIXER_VOLUME 0xc0044d00u
#define MIXER_PCM    0xc0044d04u

void play_main(int count, char **argument) __attribute__((noreturn));
LINUX_START(play_main)

static void print(const char *s)
{
    u32 n = 0;
    while (s[n]) n++;
    call(WRITE, 1, (u32)s, n);
}

static void print_number(u32 v)
{
    char text[12] = "", *to = text + sizeof text - 1;
    do *--to = (char)('0' + v % 10);
    while (v /= 10);
    print(to);
}

static __attribute__((noreturn)) void leave(int code)
{
    for (;;) call(EXIT, (u32)code, 0, 0);
}

static int open_file(const char *path, u32 flags)
{
    int fd = call(OPEN, (u32)path, flags, 0);
    if (fd >= 0) return fd;
    print("play: cannot open "), print(path), print("\n");
    leave(1);
}

static u32 set(int fd, u32 what, u32 v) { return call(IOCTL, (u32)fd, what, (u32)&v) < 0 ? 0 : v; }

static void play(int file, int dsp)
{
    static u8 bytes[8192];
    int got;
    call(LSEEK, (u32)file, WAV_HEADER, 0);
    while ((got = call(READ, (u32)file, (u32)bytes, sizeof bytes)) > 0)
        for (int at = 0, n; at < got; at += n)
            if ((n = call(WRITE, (u32)dsp, (u32)bytes + (u32)at, (u32)(got - at))) <= 0) leave(2);
}

static u32 number(const char *p)
{
    u32 v = 0;
    for (; *p; p++) v = v * 10 + (u32)(*p - '0');
    return v;
}

void play_main(int count, char **argument)
{
    u8 header[WAV_HEADER];
    call(NICE, (u32)-10, 0, 0); /* as players do, beside what computes */
    if (count != 4) leave(3);
    u32 times = number(argument[2]), pcm = number(argument[3]);
    int mixer = open_file("/dev/mixer", O_WRONLY), file = open_file(argument[1], 0);
    set(mixer, MIXER_VOLUME, 100 << 8 | 100);
    set(mixer, MIXER_PCM, pcm << 8 | pcm);
    int dsp = open_file("/dev/dsp", O_WRONLY);
    call(READ, (u32)file, (u32)header, sizeof header);
    u32 rate = header[WAV_RATE] | (u32)header[WAV_RATE + 1] << 8;
    int good = set(dsp, DSP_SETFMT, AFMT_S16_LE) == AFMT_S16_LE && set(dsp, DSP_CHANNELS, 2) == 2;
    print(good ? "format taken, rate " : "format refused, rate ");
    print_number(set(dsp, DSP_SPEED, rate));
    print("\n");
    while (times--) play(file, dsp);
    call(IOCTL, (u32)dsp, DSP_SYNC, 0);
    print("played\n");
    leave(0);
}
