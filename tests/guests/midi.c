/* midi.c - a guest that finds an MPU-401 at 330h, makes it a UART and plays two notes of an ocarina; then it writes as fast
 * as it can for a while, and says how much of that was taken. tests/boot/midi.py knows what it plays.
 */
#include "delay.h"
#include "serial.h"

enum { DATA = 0x330, COMMAND = 0x331, NO_DATA = 0x80, NO_ROOM = 0x40, FLOOD = 100000 };

void probe_main(u32 magic, const u32 *info);

static u8 command(u8 v)
{
    while (in8(COMMAND) & NO_ROOM) continue;
    out8(COMMAND, v);
    for (u32 n = 0; n < 1000; n++)
        if (!(in8(COMMAND) & NO_DATA)) return in8(DATA);
    return 0;
}

static void send(u8 v)
{
    while (in8(COMMAND) & NO_ROOM) continue;
    out8(DATA, v);
}

static void note(u8 key)
{
    send(0x90), send(key), send(100);
    wait_us(900000);
    send(key), send(0); /* running status: a note of no velocity ends it */
    wait_us(600000);
}

static u32 flood(void)
{
    u32 taken = 0;
    for (u32 n = 0; n < FLOOD; n++) {
        taken += !(in8(COMMAND) & NO_ROOM);
        out8(DATA, 0xfe); /* active sensing */
    }
    return taken;
}

void probe_main(u32 magic, const u32 *info)
{
    (void)magic, (void)info;
    line("reset", command(0xff));
    line("uart", command(0x3f));
    send(0xc0), send(79);
    wait_us(300000);
    note(69), note(57);
    line("taken", flood() < FLOOD / 2);
    print("end\r\n");
    out16(0x604, 1 << 13);
    for (;;) continue;
}
