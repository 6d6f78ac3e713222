/* gameport.c - game control adapter: four one-shots and four buttons at port 201h.
 *
 * Manual: IBM, Options and Adapters Technical Reference, "Game Control Adapter". A write of anything starts the
 * one-shots: bits 0-3 (first stick's x and y, second's) are high for 24.2 us + 0.011 us for each ohm of the axis's
 * resistor, 0 to 100 kilohms; a program counts how long. Bits 4-7 are the buttons, low while pressed. A stick that is
 * not there has no resistor: its bits stay high for ever. Without the adapter the port reads FFh.
 *
 * A bit's time is settled when it is started, by where the axis is then. There are no timers: bits are computed when
 * they are read.
 *
 * Not implemented: ports beside 201h, which some adapters answer, too; MIDI at the connector (mpu401.c).
 */
#include "hw/gameport.h"

enum { PORT = 0x201, BEGIN_NS = 24200, OHM_NS = 11, OHMS = 100000, BUTTONS = 0xf0 };

/* --- read ------------------------------------------------------------------------------------------------ */

static u8 pressed(const Gameport *g)
{
    const Stick *first = &g->stick[0], *second = &g->stick[1];
    return (u8)((first->buttons & 3) | (second->present ? (second->buttons & 3) << 2 : first->buttons & 12));
}

static u32 gameport_read(void *dev, u32 offset, unsigned bytes)
{
    const Gameport *g = dev;
    u64 now = clock_now(g->clock);
    u32 v = BUTTONS & ~((u32)pressed(g) << 4);
    (void)offset, (void)bytes;
    for (u32 n = 0; n < GAMEPORT_AXES; n++) v |= (u32)(now < g->until_ns[n]) << n;
    return v;
}

/* --- write ----------------------------------------------------------------------------------------------- */

static u64 until(u64 now, const Stick *s, s16 axis)
{
    u32 ohms = (u32)((u64)(axis + 32768) * OHMS / 65535);
    return s->present ? now + BEGIN_NS + ohms * OHM_NS : UINT64_MAX;
}

static void gameport_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    Gameport *g = dev;
    u64 now = clock_now(g->clock);
    (void)offset, (void)value, (void)bytes;
    for (u32 n = 0; n < GAMEPORT_STICKS; n++) {
        const Stick *s = &g->stick[n];
        g->until_ns[2 * n] = until(now, s, s->x);
        g->until_ns[2 * n + 1] = until(now, s, s->y);
    }
}

void gameport_move(Gameport *g, unsigned stick, const Stick *now)
{
    if (stick < GAMEPORT_STICKS) g->stick[stick] = *now;
    if (stick < GAMEPORT_STICKS && !now->present) g->stick[stick] = (Stick){.present = false};
}

/* --- life cycle ------------------------------------------------------------------------------------------ */

/* The sticks are not the machine's. */
static void gameport_reset(void *dev)
{
    Gameport *g = dev;
    for (u32 n = 0; n < GAMEPORT_AXES; n++) g->until_ns[n] = 0;
}

static void gameport_state(void *dev, State *s)
{
    Gameport *g = dev;
    state_values(s, "until_ns", g->until_ns, sizeof *g->until_ns, GAMEPORT_AXES);
    for (u32 n = 0; n < GAMEPORT_STICKS; n++) {
        Stick *stick = &g->stick[n];
        state_bool(s, n ? "second_present" : "first_present", &stick->present);
        state_values(s, n ? "second_x" : "first_x", &stick->x, sizeof stick->x, 1);
        state_values(s, n ? "second_y" : "first_y", &stick->y, sizeof stick->y, 1);
        state_u8(s, n ? "second_buttons" : "first_buttons", &stick->buttons);
    }
}

const PartKind gameport_part = {.version = 1, .reset = gameport_reset, .state = gameport_state};

static const IoOps gameport_ops = {gameport_read, gameport_write, 1, 1};

void gameport_init(Gameport *g, Bus *bus, Clock *clock)
{
    *g = (Gameport){.clock = clock};
    bus_add_ports(bus, PORT, 1, &gameport_ops, g, "gameport");
}
