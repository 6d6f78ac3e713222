/* kbc.c - 8042 keyboard controller of a PS/2 class PC, and an MF-2 keyboard that nobody types on.
 *
 * Manuals: IBM PS/2 Hardware Interface Technical Reference, "Keyboard and Auxiliary Device Controller"; IBM
 * Keyboard reference, "Commands from the System". Ports: 60h data, 64h command/status.
 *
 * The controller answers its own commands at once; a byte from the keyboard takes BYTE_NS, about what eleven bits
 * take on the wire, so that drivers that read port 60h twice in one interrupt see one byte. Bytes of the keyboard
 * go through the set 2 to set 1 translation while the command byte says so.
 *
 * Quirks that guests rely on: a byte written to port 60h switches a disabled keyboard on; F0h-FFh pulse output
 * port bits, so every even one resets the machine; the keyboard identifies as AB 83 (AB 41 when translated); the
 * A20 bit of the output port shows the gate even if port 92h moved it.
 *
 * The AUX port is there (A7, A8, A9, D3, D4 work), but no mouse: what is sent to it comes back as FEh with the
 * timeout bit in the status, as from a controller that waited in vain.
 *
 * Not implemented: keystrokes (there is no window yet), typematic, scan code sets 1 and 3 (accepted, set 2 is
 * sent), security (A4-A6), parity errors, input port straps other than the keylock.
 */
#include "hw/kbc.h"

#include <string.h>

enum {
    STATUS_OBF = 0x01,
    STATUS_SYS = 0x04,
    STATUS_A2 = 0x08,
    STATUS_UNLOCKED = 0x10,
    STATUS_AUX = 0x20,
    STATUS_TIMEOUT = 0x40
};
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
/* keyboard commands and answers */
enum {
    KBD_LEDS = 0xed,
    KBD_ECHO = 0xee,
    KBD_SCAN_SET = 0xf0,
    KBD_IDENTIFY = 0xf2,
    KBD_RATE = 0xf3,
    KBD_ENABLE = 0xf4,
    KBD_DISABLE = 0xf5,
    KBD_DEFAULTS = 0xf6,
    KBD_RESEND = 0xfe,
    KBD_RESET = 0xff,
    KBD_ACK = 0xfa,
    KBD_TEST_OK = 0xaa,
};
enum { SELF_TEST_OK = 0x55, INPORT_UNLOCKED = 0x80, BYTE_NS = 700000, RATE_DEFAULT = 0x2b };

/* Scan code set 2 to set 1, as the 8042's ROM has it. From 88h on a byte stays what it is. */
static const u8 set2_to_set1[0x88] = {
    0xff, 0x43, 0x41, 0x3f, 0x3d, 0x3b, 0x3c, 0x58, 0x64, 0x44, 0x42, 0x40, 0x3e, 0x0f, 0x29, 0x59, /* 00 */
    0x65, 0x38, 0x2a, 0x70, 0x1d, 0x10, 0x02, 0x5a, 0x66, 0x71, 0x2c, 0x1f, 0x1e, 0x11, 0x03, 0x5b, /* 10 */
    0x67, 0x2e, 0x2d, 0x20, 0x12, 0x05, 0x04, 0x5c, 0x68, 0x39, 0x2f, 0x21, 0x14, 0x13, 0x06, 0x5d, /* 20 */
    0x69, 0x31, 0x30, 0x23, 0x22, 0x15, 0x07, 0x5e, 0x6a, 0x72, 0x32, 0x24, 0x16, 0x08, 0x09, 0x5f, /* 30 */
    0x6b, 0x33, 0x25, 0x17, 0x18, 0x0b, 0x0a, 0x60, 0x6c, 0x34, 0x35, 0x26, 0x27, 0x19, 0x0c, 0x61, /* 40 */
    0x6d, 0x73, 0x28, 0x74, 0x1a, 0x0d, 0x62, 0x6e, 0x3a, 0x36, 0x1c, 0x1b, 0x75, 0x2b, 0x63, 0x76, /* 50 */
    0x55, 0x56, 0x77, 0x78, 0x79, 0x7a, 0x0e, 0x7b, 0x7c, 0x4f, 0x7d, 0x4b, 0x47, 0x7e, 0x7f, 0x6f, /* 60 */
    0x52, 0x53, 0x50, 0x4c, 0x4d, 0x48, 0x01, 0x45, 0x57, 0x4e, 0x51, 0x4a, 0x37, 0x49, 0x46, 0x54, /* 70 */
    0x80, 0x81, 0x82, 0x41, 0x54, 0x85, 0x86, 0x87,                                                 /* 80 */
};

/* --- the output buffer ----------------------------------------------------------------------------------- */

static void lines_update(Kbc *k)
{
    u8 cb = k->ram[0];
    bool full1 = k->out_full && !k->out_aux, full12 = k->out_full && k->out_aux;
    irq_set(&k->irq1, full1 && cb & CB_INT);
    irq_set(&k->irq12, full12 && cb & CB_AUX_INT);
}

static u8 translate(const Kbc *k, u8 byte)
{
    return k->ram[0] & CB_XLATE && byte < sizeof set2_to_set1 ? set2_to_set1[byte] : byte;
}

static void out_load(Kbc *k, u8 byte, bool aux, bool timed_out)
{
    k->out = byte;
    k->out_full = true;
    k->out_aux = aux;
    k->out_timeout = timed_out;
}

/* The keyboard may send: a byte is on the wire until the timer fires. */
static void keyboard_start(Kbc *k)
{
    if (k->keyboard.count && !k->out_full && !(k->ram[0] & CB_DISABLE) && !k->timer.armed)
        clock_arm(k->clock, &k->timer, clock_now(k->clock) + BYTE_NS);
}

/* The buffer is free: an answer of the controller goes first. */
static void out_next(Kbc *k)
{
    if (!k->out_full && k->reply_waits) {
        k->reply_waits = false;
        out_load(k, k->reply, k->reply_aux, k->reply_timeout);
    }
    keyboard_start(k);
    lines_update(k);
}

static void kbc_reply(Kbc *k, u8 byte, bool aux, bool timed_out)
{
    k->reply = byte;
    k->reply_aux = aux;
    k->reply_timeout = timed_out;
    k->reply_waits = true;
    out_next(k);
}

/* --- the keyboard ---------------------------------------------------------------------------------------- */

static void keyboard_send(Keyboard *kb, u8 byte)
{
    if (kb->count < sizeof kb->queue) kb->queue[kb->count++] = byte;
}

static void keyboard_defaults(Keyboard *kb)
{
    kb->rate = RATE_DEFAULT;
    kb->set = 2;
}

static void keyboard_parameter(Keyboard *kb, u8 v)
{
    u8 command = kb->awaiting;
    kb->awaiting = 0;
    keyboard_send(kb, KBD_ACK);
    if (command == KBD_LEDS) kb->leds = v & 7;
    if (command == KBD_RATE) kb->rate = v & 0x7f;
    if (command != KBD_SCAN_SET) return;
    if (v == 0)
        keyboard_send(kb, kb->set);
    else if (v <= 3)
        kb->set = v;
    if (kb->set != 2) trace(UNIMP, "keyboard: scan code set %u", kb->set);
}

static void keyboard_reset(Keyboard *kb)
{
    kb->count = 0;
    kb->leds = 0;
    kb->scanning = true;
    keyboard_defaults(kb);
    keyboard_send(kb, KBD_ACK);
    keyboard_send(kb, KBD_TEST_OK);
}

static void keyboard_identify(Keyboard *kb)
{
    keyboard_send(kb, KBD_ACK);
    keyboard_send(kb, 0xab);
    keyboard_send(kb, 0x83);
}

static void keyboard_command(Keyboard *kb, u8 v)
{
    if (kb->awaiting && v < KBD_LEDS) {
        keyboard_parameter(kb, v);
        return;
    }
    kb->awaiting = 0;
    switch (v) {
    case KBD_ECHO: keyboard_send(kb, KBD_ECHO); return;
    case KBD_RESEND: keyboard_send(kb, kb->last_sent); return;
    case KBD_RESET: keyboard_reset(kb); return;
    case KBD_IDENTIFY: keyboard_identify(kb); return;
    case KBD_LEDS:
    case KBD_SCAN_SET:
    case KBD_RATE: kb->awaiting = v; break;
    case KBD_ENABLE: kb->scanning = true; break;
    case KBD_DISABLE:
        kb->scanning = false;
        keyboard_defaults(kb);
        break;
    case KBD_DEFAULTS: keyboard_defaults(kb); break;
    default:
        if (v >= 0xf7 && v <= 0xfd) break; /* set 3 key types: accepted */
        trace(GUEST_ERRORS, "keyboard: command %02x", v);
        keyboard_send(kb, KBD_RESEND);
        return;
    }
    keyboard_send(kb, KBD_ACK);
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
    return s | STATUS_OBF | (k->out_aux ? STATUS_AUX : 0) | (k->out_timeout ? STATUS_TIMEOUT : 0);
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
        kbc_reply(k, k->ram[cmd & 31], false, false);
        return;
    }
    switch (cmd) {
    case CMD_AUX_DISABLE: set_command_bits(k, 0, CB_AUX_DISABLE); return;
    case CMD_AUX_ENABLE: set_command_bits(k, CB_AUX_DISABLE, 0); return;
    case CMD_AUX_TEST:
    case CMD_INTERFACE_TEST: kbc_reply(k, 0, false, false); return;
    case CMD_SELF_TEST:
        set_command_bits(k, 0, CB_SYS);
        kbc_reply(k, SELF_TEST_OK, false, false);
        return;
    case CMD_DISABLE: set_command_bits(k, 0, CB_DISABLE); return;
    case CMD_ENABLE: set_command_bits(k, CB_DISABLE, 0); return;
    case CMD_READ_INPORT: kbc_reply(k, INPORT_UNLOCKED, false, false); return;
    case CMD_READ_OUTPORT: kbc_reply(k, read_outport(k), false, false); return;
    case CMD_A20_OFF:
    case CMD_A20_ON: set_a20(k, cmd == CMD_A20_ON); return;
    case CMD_READ_TEST: kbc_reply(k, 0, false, false); return;
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
    case CMD_WRITE_OUT: kbc_reply(k, v, false, false); return;
    case CMD_WRITE_AUX_OUT: kbc_reply(k, v, true, false); return;
    case CMD_WRITE_AUX: kbc_reply(k, KBD_RESEND, true, true); return;
    }
    k->ram[0] &= ~CB_DISABLE;
    keyboard_command(&k->keyboard, v);
    out_next(k);
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

/* A byte of the keyboard has come over the wire; the guest may have stopped it meanwhile. */
static void kbc_fire(void *kbc)
{
    Kbc *k = kbc;
    Keyboard *kb = &k->keyboard;
    if (!k->out_full && kb->count && !(k->ram[0] & CB_DISABLE)) {
        kb->last_sent = kb->queue[0];
        kb->count--;
        memmove(kb->queue, kb->queue + 1, kb->count);
        out_load(k, translate(k, kb->last_sent), false, false);
    }
    out_next(k);
}

void kbc_a20_changed(Kbc *k, bool enabled)
{
    k->outport = (k->outport & ~KBC_P2_A20) | (enabled ? KBC_P2_A20 : 0);
}

/* --- life cycle ------------------------------------------------------------------------------------------ */

/* As after the firmware's self-test: keyboard enabled and translating, interrupts on. */
void kbc_reset(Kbc *k)
{
    clock_disarm(k->clock, &k->timer);
    memset(k->ram, 0, sizeof k->ram);
    k->ram[0] = CB_INT | CB_SYS | CB_XLATE | CB_AUX_DISABLE;
    k->outport = KBC_P2_RESET | KBC_P2_A20;
    k->out = 0;
    k->out_full = k->out_aux = k->out_timeout = k->reply_waits = k->last_was_command = false;
    k->command = 0;
    k->keyboard = (Keyboard){.rate = RATE_DEFAULT, .set = 2, .scanning = true};
    lines_update(k);
}

static const IoOps data_ops = {data_read, data_write, 1, 1};
static const IoOps command_ops = {status_read, command_write, 1, 1};

void kbc_init(Kbc *k, Bus *bus, Clock *clock, const KbcLines *lines)
{
    *k = (Kbc){
        .clock = clock, .irq1 = lines->irq1, .irq12 = lines->irq12, .reset = lines->reset, .a20 = lines->a20};
    k->timer = (Timer){.fire = kbc_fire, .ctx = k};
    kbc_reset(k);
    bus_add_ports(bus, 0x60, 1, &data_ops, k, "kbc-data");
    bus_add_ports(bus, 0x64, 1, &command_ops, k, "kbc-command");
}
