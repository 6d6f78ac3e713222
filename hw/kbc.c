/* kbc.c - 8042 keyboard controller of a PS/2 class PC: keyboard and mouse behind one output buffer.
 *
 * Manuals: IBM PS/2 Hardware Interface Technical Reference, "Keyboard and Auxiliary Device Controller". Ports: 60h
 * data, 64h command/status. The devices are in keyboard.c and mouse.c.
 *
 * The controller answers its own commands at once; a byte from a device takes BYTE_NS, about what eleven bits
 * take on the wire, so that drivers that read port 60h twice in one interrupt see one byte. Bytes of the keyboard
 * go through the set 2 to set 1 translation while the command byte says so: F0h vanishes and sets bit 7 of the next.
 * When both devices have something to say, the keyboard goes first: it cannot flood, the mouse can.
 *
 * Quirks that guests rely on: a byte written to a disabled device switches it on; F0h-FFh pulse output
 * port bits, so every even one resets the machine; the keyboard identifies as AB 83 (AB 41 when translated); the
 * A20 bit of the output port shows the gate even if port 92h moved it.
 *
 * Not implemented: security (A4 says "no password"; A5, A6), parity errors, input port straps other than the keylock.
 */
#include "hw/kbc.h"

#include <string.h>

enum { STATUS_OBF = 0x01, STATUS_SYS = 0x04, STATUS_A2 = 0x08, STATUS_UNLOCKED = 0x10, STATUS_AUX = 0x20 };
enum {
    CB_INT = 0x01,
    CB_AUX_INT = 0x02,
    CB_SYS = 0x04,
    CB_DISABLE = 0x10,
    CB_AUX_DISABLE = 0x20,
    CB_XLATE = 0x40
};
/* controller commands */
enum {
    CMD_READ_RAM = 0x20,
    CMD_WRITE_RAM = 0x60,
    CMD_TEST_PASSWORD = 0xa4,
    CMD_AUX_DISABLE = 0xa7,
    CMD_AUX_ENABLE = 0xa8,
    CMD_AUX_TEST = 0xa9,
    CMD_SELF_TEST = 0xaa,
    CMD_INTERFACE_TEST = 0xab,
    CMD_DISABLE = 0xad,
    CMD_ENABLE = 0xae,
    CMD_READ_INPORT = 0xc0,
    CMD_READ_OUTPORT = 0xd0,
    CMD_WRITE_OUTPORT = 0xd1,
    CMD_WRITE_OUT = 0xd2,
    CMD_WRITE_AUX_OUT = 0xd3,
    CMD_WRITE_AUX = 0xd4,
    CMD_A20_OFF = 0xdd,
    CMD_A20_ON = 0xdf,
    CMD_READ_TEST = 0xe0,
    CMD_PULSE = 0xf0,
};
enum { SELF_TEST_OK = 0x55, NO_PASSWORD = 0xf1, INPORT_UNLOCKED = 0x80, BYTE_NS = 700000, SET2_BREAK = 0xf0 };

/* --- the output buffer ----------------------------------------------------------------------------------- */

static void lines_update(Kbc *k)
{
    u8 cb = k->ram[0];
    bool full1 = k->out_full && !k->out_aux, full12 = k->out_full && k->out_aux;
    irq_set(&k->irq1, full1 && cb & CB_INT);
    irq_set(&k->irq12, full12 && cb & CB_AUX_INT);
}

static void out_load(Kbc *k, u8 byte, bool aux)
{
    k->out = byte;
    k->out_full = true;
    k->out_aux = aux;
}

static bool keyboard_may_send(const Kbc *k)
{
    return !(k->ram[0] & CB_DISABLE) && keyboard_has_byte(&k->keyboard);
}

static bool mouse_may_send(const Kbc *k)
{
    return !(k->ram[0] & CB_AUX_DISABLE) && mouse_has_byte(&k->mouse);
}

/* A device may send: a byte is on the wire until the timer fires. */
static void wire_start(Kbc *k)
{
    if (!k->out_full && !k->timer.armed && (keyboard_may_send(k) || mouse_may_send(k)))
        clock_arm(k->clock, &k->timer, clock_now(k->clock) + BYTE_NS);
}

/* The buffer is free: an answer of the controller goes first. */
static void out_next(Kbc *k)
{
    if (!k->out_full && k->reply_waits) {
        k->reply_waits = false;
        out_load(k, k->reply, k->reply_aux);
    }
    wire_start(k);
    lines_update(k);
}

static void kbc_reply(Kbc *k, u8 byte, bool aux)
{
    k->reply = byte;
    k->reply_aux = aux;
    k->reply_waits = true;
    out_next(k);
}

/* --- reads ----------------------------------------------------------------------------------------------- */

static u8 read_data(Kbc *k)
{
    u8 v = k->out;
    k->out_full = false;
    lines_update(k); /* the line falls, so that the next byte makes an edge */
    out_next(k);
    return v;
}

static u8 read_status(const Kbc *k)
{
    u8 s = STATUS_UNLOCKED | (k->ram[0] & CB_SYS ? STATUS_SYS : 0);
    if (k->last_was_command) s |= STATUS_A2;
    if (!k->out_full) return s;
    return s | STATUS_OBF | (k->out_aux ? STATUS_AUX : 0);
}

static u32 data_read(void *dev, u32 offset, unsigned bytes)
{
    (void)offset, (void)bytes;
    return read_data(dev);
}

static u32 status_read(void *dev, u32 offset, unsigned bytes)
{
    (void)offset, (void)bytes;
    return read_status(dev);
}

/* An empty buffer shows the last byte again. */
static u64 data_still(void *dev, u32 offset)
{
    const Kbc *k = dev;
    (void)offset;
    return k->out_full ? 0 : STILL_UNTIL_EVENT;
}

static u64 status_still(void *dev, u32 offset)
{
    (void)dev, (void)offset;
    return STILL_UNTIL_EVENT;
}

/* --- writes ---------------------------------------------------------------------------------------------- */

static void pulse_reset(Kbc *k)
{
    irq_set(&k->reset, true);
    irq_set(&k->reset, false);
}

static void set_a20(Kbc *k, bool enabled)
{
    kbc_a20_changed(k, enabled);
    irq_set(&k->a20, enabled);
}

static void write_outport(Kbc *k, u8 v)
{
    k->outport = v;
    set_a20(k, v & KBC_P2_A20);
    if (!(v & KBC_P2_RESET)) pulse_reset(k);
}

static u8 read_outport(const Kbc *k)
{
    u8 v = k->outport & ~(KBC_P2_IRQ1 | KBC_P2_IRQ12);
    if (k->out_full) v |= k->out_aux ? KBC_P2_IRQ12 : KBC_P2_IRQ1;
    return v;
}

static void write_ram(Kbc *k, u8 index, u8 v)
{
    k->ram[index] = v;
    out_next(k);
}

static void set_command_bits(Kbc *k, u8 clear, u8 set) { write_ram(k, 0, (k->ram[0] & ~clear) | set); }

/* Commands whose data byte comes through port 60h next. */
static bool takes_data(u8 cmd)
{
    return (cmd & 0xe0) == CMD_WRITE_RAM || (cmd >= CMD_WRITE_OUTPORT && cmd <= CMD_WRITE_AUX);
}

static void write_command(Kbc *k, u8 cmd)
{
    k->last_was_command = true;
    k->command = takes_data(cmd) ? cmd : 0;
    if (k->command) return;
    if ((cmd & 0xe0) == CMD_READ_RAM) {
        kbc_reply(k, k->ram[cmd & 31], false);
        return;
    }
    switch (cmd) {
    case CMD_TEST_PASSWORD: kbc_reply(k, NO_PASSWORD, false); return;
    case CMD_AUX_DISABLE: set_command_bits(k, 0, CB_AUX_DISABLE); return;
    case CMD_AUX_ENABLE: set_command_bits(k, CB_AUX_DISABLE, 0); return;
    case CMD_AUX_TEST:
    case CMD_INTERFACE_TEST: kbc_reply(k, 0, false); return;
    case CMD_SELF_TEST:
        set_command_bits(k, 0, CB_SYS);
        kbc_reply(k, SELF_TEST_OK, false);
        return;
    case CMD_DISABLE: set_command_bits(k, 0, CB_DISABLE); return;
    case CMD_ENABLE: set_command_bits(k, CB_DISABLE, 0); return;
    case CMD_READ_INPORT: kbc_reply(k, INPORT_UNLOCKED, false); return;
    case CMD_READ_OUTPORT: kbc_reply(k, read_outport(k), false); return;
    case CMD_A20_OFF:
    case CMD_A20_ON: set_a20(k, cmd == CMD_A20_ON); return;
    case CMD_READ_TEST: kbc_reply(k, 0, false); return;
    default:
        if (cmd < CMD_PULSE)
            trace(UNIMP, "kbc: command %02x", cmd);
        else if (!(cmd & KBC_P2_RESET))
            pulse_reset(k);
    }
}

static void write_data(Kbc *k, u8 v)
{
    u8 cmd = k->command;
    k->last_was_command = false;
    k->command = 0;
    if ((cmd & 0xe0) == CMD_WRITE_RAM) {
        write_ram(k, cmd & 31, v);
        return;
    }
    switch (cmd) {
    case CMD_WRITE_OUTPORT: write_outport(k, v); return;
    case CMD_WRITE_OUT: kbc_reply(k, v, false); return;
    case CMD_WRITE_AUX_OUT: kbc_reply(k, v, true); return;
    case CMD_WRITE_AUX:
        k->ram[0] &= ~CB_AUX_DISABLE;
        mouse_write(&k->mouse, v);
        return;
    }
    k->ram[0] &= ~CB_DISABLE;
    keyboard_write(&k->keyboard, v);
}

static void data_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    (void)offset, (void)bytes;
    write_data(dev, (u8)value);
}

static void command_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    (void)offset, (void)bytes;
    write_command(dev, (u8)value);
}

/* --- events ---------------------------------------------------------------------------------------------- */

/* The next byte of the keyboard as the guest sees it. False: it was but the first half of a translated break code. */
static bool keyboard_byte(Kbc *k, u8 *byte)
{
    *byte = keyboard_take(&k->keyboard);
    if (!(k->ram[0] & CB_XLATE)) return true;
    if (*byte == SET2_BREAK) {
        k->break_next = true;
        if (!keyboard_has_byte(&k->keyboard)) return false;
        *byte = keyboard_take(&k->keyboard);
    }
    *byte = keyboard_set2_to_set1(*byte) | (k->break_next ? 0x80 : 0);
    k->break_next = false;
    return true;
}

/* A byte has come over the wire; the guest may have stopped its device meanwhile. */
static void kbc_fire(void *kbc)
{
    Kbc *k = kbc;
    u8 byte;
    if (k->out_full) return;
    if (keyboard_may_send(k)) {
        if (keyboard_byte(k, &byte)) out_load(k, byte, false);
    } else if (mouse_may_send(k)) {
        out_load(k, mouse_take(&k->mouse), true);
    }
    out_next(k);
}

static void device_ready(void *kbc) { wire_start(kbc); }

void kbc_key(Kbc *k, u8 key, bool down) { keyboard_key(&k->keyboard, key, down); }

bool kbc_keys_taken(const Kbc *k) { return keyboard_idle(&k->keyboard) && !(k->out_full && !k->out_aux); }

void kbc_mouse(Kbc *k, int dx, int dy, int dz, u8 buttons) { mouse_move(&k->mouse, dx, dy, dz, buttons); }

void kbc_nudge(Kbc *k) { mouse_nudge(&k->mouse); }

void kbc_a20_changed(Kbc *k, bool enabled)
{
    k->outport = (k->outport & ~KBC_P2_A20) | (enabled ? KBC_P2_A20 : 0);
}

/* --- life cycle ------------------------------------------------------------------------------------------ */

/* As after the firmware's self-test: keyboard enabled and translating, interrupts on. */
void kbc_reset(void *dev)
{
    Kbc *k = dev;
    clock_disarm(k->clock, &k->timer);
    memset(k->ram, 0, sizeof k->ram);
    k->ram[0] = CB_INT | CB_SYS | CB_XLATE | CB_AUX_DISABLE;
    k->outport = KBC_P2_RESET | KBC_P2_A20;
    k->out = 0;
    k->out_full = k->out_aux = k->reply_waits = k->last_was_command = k->break_next = false;
    k->command = 0;
    keyboard_reset(&k->keyboard);
    mouse_reset(&k->mouse);
    lines_update(k);
}

static void kbc_state(void *dev, State *s)
{
    Kbc *k = dev;
    state_bytes(s, "ram", k->ram, sizeof k->ram);
    state_u8(s, "outport", &k->outport);
    state_u8(s, "out", &k->out);
    state_bool(s, "out_full", &k->out_full);
    state_bool(s, "out_aux", &k->out_aux);
    state_u8(s, "reply", &k->reply);
    state_bool(s, "reply_waits", &k->reply_waits);
    state_bool(s, "reply_aux", &k->reply_aux);
    state_u8(s, "command", &k->command);
    state_bool(s, "last_was_command", &k->last_was_command);
    state_bool(s, "break_next", &k->break_next);
    state_timer(s, "timer", k->clock, &k->timer);
    state_group(s, "keyboard", 0);
    keyboard_state(&k->keyboard, s);
    state_group_end(s);
    state_group(s, "mouse", 0);
    mouse_state(&k->mouse, s);
    state_group_end(s);
}

const PartKind kbc_part = {.version = 1, .reset = kbc_reset, .state = kbc_state};

static const IoOps data_ops = {data_read, data_write, 1, 1};
static const IoOps command_ops = {status_read, command_write, 1, 1};

void kbc_init(Kbc *k, Bus *bus, Clock *clock, const KbcLines *lines)
{
    *k = (Kbc){
        .clock = clock, .irq1 = lines->irq1, .irq12 = lines->irq12, .reset = lines->reset, .a20 = lines->a20};
    k->timer = (Timer){.fire = kbc_fire, .ctx = k};
    keyboard_init(&k->keyboard, clock, device_ready, k);
    mouse_init(&k->mouse, clock, device_ready, k);
    kbc_reset(k);
    bus_set_still(bus, bus_add_ports(bus, 0x60, 1, &data_ops, k, "kbc-data"), data_still);
    bus_set_still(bus, bus_add_ports(bus, 0x64, 1, &command_ops, k, "kbc-command"), status_still);
}
