/* mouse.c - a PS/2 mouse: movement and buttons become packets of three or four bytes.
 *
 * Manuals: IBM PS/2 Hardware Interface Technical Reference, "Mouse": commands, status, packet; Microsoft's
 * description of the IntelliMouse packet: sample rates 200, 100, 80 in a row turn id 0 into 3 (a wheel byte),
 * 200, 200, 80 into 4 (five buttons).
 *
 * In stream mode a packet goes out when something happened and the time of one sample has passed. If the guest is
 * slow, movement is added up, but what happened with one state of the buttons stays apart, so that no click is lost;
 * 16 such states are kept. A packet carries 255 counts a direction, what is left goes into the next one, and
 * the overflow bits say when even that (BACKLOG) was not enough. A command that comes in the middle of a packet
 * is answered at once and the packet starts anew.
 *
 * The host's counts are passed on one to one: the resolution is remembered and shown, but scales nothing.
 *
 * Not implemented: the error answer FCh; the power-on self-test's AA 00 without a command.
 */
#include "hw/mouse.h"

enum {
    MOUSE_SCALE_1_1 = 0xe6,
    MOUSE_SCALE_2_1 = 0xe7,
    MOUSE_RESOLUTION = 0xe8,
    MOUSE_STATUS = 0xe9,
    MOUSE_STREAM = 0xea,
    MOUSE_READ = 0xeb,
    MOUSE_UNWRAP = 0xec,
    MOUSE_WRAP = 0xee,
    MOUSE_REMOTE = 0xf0,
    MOUSE_IDENTIFY = 0xf2,
    MOUSE_RATE = 0xf3,
    MOUSE_ENABLE = 0xf4,
    MOUSE_DISABLE = 0xf5,
    MOUSE_DEFAULTS = 0xf6,
    MOUSE_RESEND = 0xfe,
    MOUSE_RESET = 0xff,
    MOUSE_ACK = 0xfa,
    MOUSE_TEST_OK = 0xaa,
};
enum {
    PACKET_ALWAYS = 0x08,
    PACKET_X_SIGN = 0x10,
    PACKET_Y_SIGN = 0x20,
    PACKET_X_OVER = 0x40,
    PACKET_Y_OVER = 0x80
};
enum { STATUS_REMOTE = 0x40, STATUS_ENABLED = 0x20, STATUS_2_1 = 0x10 };
enum { RATE_DEFAULT = 100, RESOLUTION_DEFAULT = 2, ID_WHEEL = 3, ID_FIVE_BUTTONS = 4 };
enum { MOST_COUNTS = 255, MOST_WHEEL = 7, BACKLOG = 4096, THREE_BUTTONS = 7, FIVE_BUTTONS = 31 };

/* --- queues ---------------------------------------------------------------------------------------------- */

static void answer(Mouse *m, u8 byte)
{
    if (m->answer_count == MOUSE_ANSWERS) { /* a system that never reads them */
        memmove(m->answers, m->answers + 1, MOUSE_ANSWERS - 1);
        m->answer_count--;
    }
    m->answers[m->answer_count++] = byte;
}

static void forget_moves(Mouse *m)
{
    m->move_count = m->packet_bytes = m->packet_sent = 0;
    clock_disarm(m->clock, &m->timer);
}

bool mouse_has_byte(const Mouse *m) { return m->answer_count || m->packet_bytes; }

/* --- packets --------------------------------------------------------------------------------------------- */

static s32 clamp(s32 v, s32 most) { return v > most ? most : v < -most ? -most : v; }

static s32 scaled(const Mouse *m, s32 v)
{
    static const u8 small[] = {0, 1, 1, 3, 6, 9};
    s32 size = v < 0 ? -v : v;
    if (!m->scale_2_1 || m->remote) return v;
    size = size < (s32)ARRAY_LEN(small) ? small[size] : size * 2;
    return v < 0 ? -size : size;
}

/* As many counts as a packet holds are taken out of *counts; the rest stays for the next. */
static s32 take_counts(const Mouse *m, s32 *counts)
{
    s32 taken = clamp(*counts, m->scale_2_1 && !m->remote ? MOST_COUNTS / 2 : MOST_COUNTS);
    *counts -= taken;
    return scaled(m, taken);
}

static u8 wheel_byte(const Mouse *m, MouseMove *move)
{
    s32 dz = clamp(move->dz, MOST_WHEEL);
    move->dz -= dz;
    return m->id == ID_WHEEL ? (u8)dz : (u8)((dz & 15) | (move->buttons & ~THREE_BUTTONS) << 1);
}

static void packet_make(Mouse *m)
{
    MouseMove none = {.buttons = m->buttons}, *move = m->move_count ? &m->moves[0] : &none;
    bool x_over = move->dx == BACKLOG || move->dx == -BACKLOG;
    bool y_over = move->dy == BACKLOG || move->dy == -BACKLOG;
    s32 dx = take_counts(m, &move->dx), dy = take_counts(m, &move->dy);
    m->packet[0] =
        (u8)(PACKET_ALWAYS | (move->buttons & THREE_BUTTONS) | (dx < 0 ? PACKET_X_SIGN : 0) |
             (dy < 0 ? PACKET_Y_SIGN : 0) | (x_over ? PACKET_X_OVER : 0) | (y_over ? PACKET_Y_OVER : 0));
    m->packet[1] = (u8)dx;
    m->packet[2] = (u8)dy;
    if (m->id)
        m->packet[3] = wheel_byte(m, move);
    else
        move->dz = 0;
    m->packet_bytes = m->id ? 4 : 3;
    m->packet_sent = 0;
    m->told_buttons = move->buttons;
    if (!m->move_count || move->dx || move->dy || move->dz) return;
    m->move_count--;
    memmove(m->moves, m->moves + 1, m->move_count * sizeof m->moves[0]);
}

/* Stream mode: send what happened, or wait for the next sample. */
static void stream(Mouse *m)
{
    if (!m->enabled || m->remote || m->wrap || m->packet_bytes || !m->move_count) return;
    u64 now = clock_now(m->clock);
    if (now < m->next_ns) {
        clock_arm(m->clock, &m->timer, m->next_ns);
        return;
    }
    m->next_ns = now + 1000000000u / m->rate;
    packet_make(m);
    m->ready(m->ctx);
}

static u8 take_answer(Mouse *m)
{
    u8 byte = m->answers[0];
    m->answer_count--;
    memmove(m->answers, m->answers + 1, m->answer_count);
    return byte;
}

static u8 take_packet(Mouse *m)
{
    u8 byte = m->packet[m->packet_sent++];
    if (m->packet_sent == m->packet_bytes) {
        m->packet_bytes = m->packet_sent = 0;
        stream(m);
    }
    return byte;
}

u8 mouse_take(Mouse *m)
{
    if (m->answer_count)
        m->last_sent = take_answer(m);
    else if (m->packet_bytes)
        m->last_sent = take_packet(m);
    return m->last_sent;
}

/* --- events ---------------------------------------------------------------------------------------------- */

static void mouse_fire(void *mouse) { stream(mouse); }

static MouseMove *move_to_add_to(Mouse *m, u8 buttons)
{
    MouseMove *last = m->move_count ? &m->moves[m->move_count - 1] : NULL;
    if (last && (last->buttons == buttons || m->move_count == MOUSE_MOVES)) return last;
    m->moves[m->move_count] = (MouseMove){0};
    return &m->moves[m->move_count++];
}

void mouse_move(Mouse *m, int dx, int dy, int dz, u8 buttons)
{
    buttons &= FIVE_BUTTONS;
    m->buttons = buttons;
    if (!m->enabled && !m->remote) return;
    if (!m->id) dz = 0;
    if (!dx && !dy && !dz && !m->move_count && buttons == m->told_buttons) return;
    MouseMove *move = move_to_add_to(m, buttons);
    move->buttons = buttons;
    move->dx = clamp(move->dx + clamp(dx, BACKLOG), BACKLOG);
    move->dy = clamp(move->dy - clamp(dy, BACKLOG), BACKLOG);
    move->dz = clamp(move->dz - clamp(dz, BACKLOG), BACKLOG);
    stream(m);
}

void mouse_nudge(Mouse *m)
{
    if (!m->enabled || m->remote || m->wrap || m->move_count) return;
    m->moves[m->move_count++] = (MouseMove){.buttons = m->buttons};
    stream(m);
}

/* --- commands -------------------------------------------------------------------------------------------- */

static void mouse_defaults(Mouse *m)
{
    forget_moves(m);
    m->rate = RATE_DEFAULT;
    m->resolution = RESOLUTION_DEFAULT;
    m->enabled = m->remote = m->wrap = m->scale_2_1 = false;
}

static void mouse_power_on(Mouse *m)
{
    mouse_defaults(m);
    m->id = m->awaiting = m->answer_count = m->rates[0] = m->rates[1] = 0;
    m->last_sent = m->buttons = m->told_buttons = 0;
    m->next_ns = 0;
}

static void answer_status(Mouse *m)
{
    u8 b = m->buttons; /* here left is bit 2, middle 1, right 0 */
    answer(m, (u8)((b & MOUSE_LEFT ? 4 : 0) | (b & MOUSE_MIDDLE ? 2 : 0) | (b & MOUSE_RIGHT ? 1 : 0) |
                   (m->scale_2_1 ? STATUS_2_1 : 0) | (m->enabled ? STATUS_ENABLED : 0) |
                   (m->remote ? STATUS_REMOTE : 0)));
    answer(m, m->resolution);
    answer(m, m->rate);
}

static void answer_packet(Mouse *m)
{
    packet_make(m);
    for (unsigned n = 0; n < m->packet_bytes; n++) answer(m, m->packet[n]);
    m->packet_bytes = 0;
}

static void set_rate(Mouse *m, u8 rate)
{
    if (rate == 80 && m->rates[0] == 200 && m->rates[1] == 100) m->id = ID_WHEEL;
    if (rate == 80 && m->rates[0] == 200 && m->rates[1] == 200) m->id = ID_FIVE_BUTTONS;
    m->rates[0] = m->rates[1];
    m->rates[1] = m->rate = rate;
}

static void write_parameter(Mouse *m, u8 v)
{
    u8 command = m->awaiting;
    m->awaiting = 0;
    if (command == MOUSE_RATE ? v == 0 || v > 200 : v > 3) {
        trace(GUEST_ERRORS, "mouse: %02x with %02x", command, v);
        m->awaiting = command;
        answer(m, MOUSE_RESEND);
        return;
    }
    if (command == MOUSE_RATE)
        set_rate(m, v);
    else
        m->resolution = v;
    answer(m, MOUSE_ACK);
}

static void set_mode(Mouse *m, bool *mode, bool on)
{
    forget_moves(m);
    *mode = on;
}

static void write_command(Mouse *m, u8 v)
{
    m->packet_sent = 0;
    if (v == MOUSE_RESEND) {
        answer(m, m->last_sent);
        return;
    }
    answer(m, MOUSE_ACK);
    switch (v) {
    case MOUSE_SCALE_1_1: m->scale_2_1 = false; return;
    case MOUSE_SCALE_2_1: m->scale_2_1 = true; return;
    case MOUSE_RESOLUTION:
    case MOUSE_RATE: m->awaiting = v; return;
    case MOUSE_STATUS: answer_status(m); return;
    case MOUSE_STREAM: set_mode(m, &m->remote, false); return;
    case MOUSE_READ: answer_packet(m); return;
    case MOUSE_UNWRAP: return;
    case MOUSE_WRAP: set_mode(m, &m->wrap, true); return;
    case MOUSE_REMOTE: set_mode(m, &m->remote, true); return;
    case MOUSE_IDENTIFY: answer(m, m->id); return;
    case MOUSE_ENABLE: set_mode(m, &m->enabled, true); return;
    case MOUSE_DISABLE: set_mode(m, &m->enabled, false); return;
    case MOUSE_DEFAULTS: mouse_defaults(m); return;
    case MOUSE_RESET:
        mouse_power_on(m);
        answer(m, MOUSE_ACK), answer(m, MOUSE_TEST_OK), answer(m, 0);
        return;
    default: trace(GUEST_ERRORS, "mouse: command %02x", v); m->answers[m->answer_count - 1] = MOUSE_RESEND;
    }
}

static void write_wrapped(Mouse *m, u8 v)
{
    if (v != MOUSE_UNWRAP) {
        answer(m, v);
        return;
    }
    m->wrap = false;
    answer(m, MOUSE_ACK);
}

void mouse_write(Mouse *m, u8 v)
{
    if (m->wrap && v != MOUSE_RESET)
        write_wrapped(m, v);
    else if (m->awaiting && v < MOUSE_SCALE_1_1)
        write_parameter(m, v);
    else
        m->awaiting = 0, write_command(m, v);
    m->ready(m->ctx);
    stream(m);
}

/* --- state ----------------------------------------------------------------------------------------------- */

static void move_state(State *s, MouseMove *m)
{
    state_u32(s, "dx", (u32 *)&m->dx);
    state_u32(s, "dy", (u32 *)&m->dy);
    state_u32(s, "dz", (u32 *)&m->dz);
    state_u8(s, "buttons", &m->buttons);
}

void mouse_state(Mouse *m, State *s)
{
    for (unsigned n = 0; n < MOUSE_MOVES; n++) {
        state_group(s, "move", n);
        move_state(s, &m->moves[n]);
        state_group_end(s);
    }
    state_u8(s, "move_count", &m->move_count);
    state_check(s, m->move_count <= MOUSE_MOVES, "move_count");
    state_u8(s, "buttons", &m->buttons);
    state_u8(s, "told_buttons", &m->told_buttons);
    state_bytes(s, "packet", m->packet, sizeof m->packet);
    state_u8(s, "packet_bytes", &m->packet_bytes);
    state_check(s, m->packet_bytes <= MOUSE_PACKET, "packet_bytes");
    state_u8(s, "packet_sent", &m->packet_sent);
    state_check(s, m->packet_sent <= m->packet_bytes, "packet_sent");
    state_bytes(s, "answers", m->answers, sizeof m->answers);
    state_u8(s, "answer_count", &m->answer_count);
    state_check(s, m->answer_count <= MOUSE_ANSWERS, "answer_count");
    state_u8(s, "last_sent", &m->last_sent);
    state_u8(s, "awaiting", &m->awaiting);
    state_u8(s, "id", &m->id);
    state_u8(s, "rate", &m->rate);
    state_check(s, m->rate, "rate");
    state_u8(s, "resolution", &m->resolution);
    state_bytes(s, "rates", m->rates, sizeof m->rates);
    state_bool(s, "enabled", &m->enabled);
    state_bool(s, "remote", &m->remote);
    state_bool(s, "wrap", &m->wrap);
    state_bool(s, "scale_2_1", &m->scale_2_1);
    state_u64(s, "next_ns", &m->next_ns);
    state_timer(s, "timer", m->clock, &m->timer);
}

/* --- life cycle ------------------------------------------------------------------------------------------ */

void mouse_reset(Mouse *m) { mouse_power_on(m); }

void mouse_init(Mouse *m, Clock *clock, void (*ready)(void *ctx), void *ctx)
{
    *m = (Mouse){.clock = clock, .ready = ready, .ctx = ctx};
    m->timer = (Timer){.fire = mouse_fire, .ctx = m};
    mouse_power_on(m);
}
