/* fmnote.c - `fmnote CLIENT KEY` under Linux, without a library: gives snd-opl3-synth an instrument (a sine that lasts) by its
 * hwdep device, and lets the ALSA sequencer's client CLIENT play a note for a second. Numbers and structures:
 * of the sequencer's and the FM hwdep's headers in Linux, as a 32-bit program has them.
 */
#include "linux.h"

enum { EXIT = 1, WRITE = 4, OPEN = 5, CLOSE = 6, IOCTL = 54, NANOSLEEP = 162, O_RDWR = 2 };
enum { NOTE_ON = 6, NOTE_OFF = 7, PROGRAM = 11, DIRECT_QUEUE = 253, MY_PORT = 0 };
enum { MAY_BE_READ = 1, MAY_BE_SUBSCRIBED = 1 << 5, IS_GENERIC_MIDI = 1 << 1, IS_APPLICATION = 1 << 20 };
#define CLIENT_ID   0x80045301u
#define CREATE_PORT 0xc0a45320u
#define SUBSCRIBE   0x40505330u

typedef struct Address {
    u8 client, port;
} Address;

static struct Port {
    Address address;
    char name[64];
    u32 may, type, channels, voices, synth_voices, reads, writes, kernel, flags;
    u8 time_queue, reserved[59];
} port = {.name = "fmnote", .may = MAY_BE_READ | MAY_BE_SUBSCRIBED, .type = IS_GENERIC_MIDI | IS_APPLICATION};

static struct Subscription {
    Address from, to;
    u32 voices, flags;
    u8 queue, reserved[67];
} subscription;

static struct Event {
    u8 type, flags, tag, queue;
    u32 time[2];
    Address from, to;
    u8 channel, key, velocity, off;
    u32 parameter, value;
} event;

/* Two operators: the first is silent, the second a sine that is there at once and stays. */
static const struct Instrument {
    u8 program, bank;
    char key[4], name[25], extension[7];
    u8 data[32];
} sine = {.key = {'2', 'O', 'P', 26},
          .name = "sine",
          .data = {0x21, 0x21, 0x3f, 0, 0xf0, 0xf0, 0x0f, 0x0f, 0, 0, 0}};

void fmnote_main(int count, char **argument) __attribute__((noreturn));
LINUX_START(fmnote_main)

static __attribute__((noreturn)) void leave(int code)
{
    for (;;) call(EXIT, (u32)code, 0, 0);
}

/* What fails ends it: `code` says which it was. */
static int must(int result, int code)
{
    if (result < 0) leave(code);
    return result;
}

static u8 number(const char *p)
{
    u32 v = 0;
    for (; *p; p++) v = v * 10 + (u32)(*p - '0');
    return (u8)v;
}

static void send(int seq, u8 type, u8 key, u8 velocity)
{
    event.type = type;
    event.key = key;
    event.velocity = velocity;
    must(call(WRITE, (u32)seq, (u32)&event, sizeof event), 6);
}

void fmnote_main(int count, char **argument)
{
    static const u32 second[] = {1, 0};
    u32 client;
    if (count != 3) leave(1);
    int chip = must(call(OPEN, (u32) "/dev/snd/hwC0D0", O_RDWR, 0), 2);
    must(call(WRITE, (u32)chip, (u32)&sine, sizeof sine), 3);
    call(CLOSE, (u32)chip, 0, 0);
    int seq = must(call(OPEN, (u32) "/dev/snd/seq", O_RDWR, 0), 4);
    must(call(IOCTL, (u32)seq, CLIENT_ID, (u32)&client), 5);
    port.address.client = subscription.from.client = event.from.client = (u8)client;
    must(call(IOCTL, (u32)seq, CREATE_PORT, (u32)&port), 7);
    subscription.from.port = event.from.port = port.address.port;
    subscription.to.client = event.to.client = number(argument[1]);
    must(call(IOCTL, (u32)seq, SUBSCRIBE, (u32)&subscription), 8);
    event.queue = DIRECT_QUEUE;
    send(seq, PROGRAM, 0, 0);
    send(seq, NOTE_ON, number(argument[2]), 127);
    call(NANOSLEEP, (u32)second, 0, 0);
    send(seq, NOTE_OFF, number(argument[2]), 0);
    leave(0);
}
