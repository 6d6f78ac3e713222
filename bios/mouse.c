/* mouse.c - the PS/2 pointing device: INT 15h C2h and IRQ12.
 *
 * Packets are collected in the extended BIOS data area, where drivers expect them, and handed to the driver's far
 * routine (C207h) as four words on the stack: status, X, Y, 0. Commands go out with both devices' interrupts off.
 *
 * Source: IBM Personal System/2 BIOS Interface Technical Reference, INT 15h C2h.
 * Not implemented: packets longer than three bytes reach a handler only by their first three.
 */
#include "bios16.h"

enum { OK = 0, BAD_FUNCTION = 1, BAD_INPUT = 2, INTERFACE_ERROR = 3, NO_HANDLER = 5 };
enum { HANDLER_SET = 0x80 };
enum { CCB_KBD_IRQ = 0x01, CCB_AUX_IRQ = 0x02, CCB_KBD_OFF = 0x10, CCB_AUX_OFF = 0x20 };

void mouse_call(u32 handler, const u16 *packet); /* entry.S */

static void kbc(u8 command)
{
    kbc_wait_write();
    outb(0x64, command);
}

static u8 command_byte(void)
{
    kbc(0x20);
    return kbc_wait_read() ? inb(0x60) : 0x65;
}

static void command_byte_set(u8 v)
{
    kbc(0x60);
    kbc_wait_write();
    outb(0x60, v);
}

static bool aux_get(u8 *v)
{
    for (u32 i = 0; i < 8 && kbc_wait_read(); i++) {
        bool aux = inb(0x64) & 0x20;
        *v = inb(0x60);
        if (aux) return true;
    }
    return false;
}

static bool aux_put(u8 v)
{
    u8 answer;
    kbc(0xd4);
    kbc_wait_write();
    outb(0x60, v);
    return aux_get(&answer) && answer == 0xfa;
}

/* Send bytes, then receive; interrupts of both devices are off meanwhile. */
static bool converse(const u8 *send, u32 n, u8 *receive, u32 m)
{
    u8 ccb = command_byte();
    bool good = true;
    command_byte_set((u8)((ccb | CCB_KBD_OFF) & ~(CCB_KBD_IRQ | CCB_AUX_IRQ | CCB_AUX_OFF)));
    for (u32 i = 0; good && i < n; i++) good = aux_put(send[i]);
    for (u32 i = 0; good && i < m; i++) good = aux_get(&receive[i]);
    command_byte_set(ccb);
    return good;
}

static bool send1(u8 a) { return converse(&a, 1, 0, 0); }
static bool send2(u8 a, u8 b) { return converse((const u8[]){a, b}, 2, 0, 0); }

static u8 enable(bool on)
{
    u8 flags = far8(ebda(), EBDA_MOUSE_FLAGS2);
    if (on && !(flags & HANDLER_SET)) return NO_HANDLER;
    far8_set(ebda(), EBDA_MOUSE_FLAGS1, 0);
    u8 ccb = command_byte();
    if (on)
        ccb = (u8)((ccb | CCB_AUX_IRQ) & ~CCB_AUX_OFF);
    else
        ccb = (u8)(ccb & ~CCB_AUX_IRQ);
    command_byte_set(ccb);
    if (on) outb(PIC2_MASK, inb(PIC2_MASK) & ~0x10);
    return send1(on ? 0xf4 : 0xf5) ? OK : INTERFACE_ERROR;
}

static u8 reset(Regs *r)
{
    u8 answer[2], c = 0xff;
    far8_set(ebda(), EBDA_MOUSE_FLAGS1, 0);
    if (!converse(&c, 1, answer, 2)) return INTERFACE_ERROR;
    r->bl = answer[0], r->bh = answer[1];
    return OK;
}

static u8 status(Regs *r)
{
    u8 answer[3], c = 0xe9;
    if (!converse(&c, 1, answer, 3)) return INTERFACE_ERROR;
    r->bl = answer[0], r->cl = answer[1], r->dl = answer[2];
    return OK;
}

static u8 set_rate(u8 n)
{
    static const u8 rate[] = {10, 20, 40, 60, 80, 100, 200};
    if (n >= ARRAY_LEN(rate)) return BAD_INPUT;
    return send2(0xf3, rate[n]) ? OK : INTERFACE_ERROR;
}

static u8 set_packet(Regs *r, u8 bytes)
{
    if (bytes < 1 || bytes > 8) return BAD_INPUT;
    u8 flags = far8(ebda(), EBDA_MOUSE_FLAGS2);
    far8_set(ebda(), EBDA_MOUSE_FLAGS2, (u8)((flags & ~7) | (bytes - 1)));
    u16 bx = r->bx;
    u8 st = reset(r);
    r->bx = bx;
    return st;
}

static u8 set_handler(const Regs *r)
{
    u8 flags = far8(ebda(), EBDA_MOUSE_FLAGS2);
    far16_set(ebda(), EBDA_MOUSE_HANDLER, r->bx);
    far16_set(ebda(), EBDA_MOUSE_HANDLER + 2, r->es);
    bool any = r->es || r->bx;
    if (!any && flags & HANDLER_SET) enable(false);
    far8_set(ebda(), EBDA_MOUSE_FLAGS2, (u8)(any ? flags | HANDLER_SET : flags & ~HANDLER_SET));
    return OK;
}

static u8 function(Regs *r)
{
    switch (r->al) {
    case 0x00: return r->bh > 1 ? BAD_INPUT : enable(r->bh);
    case 0x01: return reset(r);
    case 0x02: return set_rate(r->bh);
    case 0x03: return r->bh > 3 ? BAD_INPUT : send2(0xe8, r->bh) ? OK : INTERFACE_ERROR;
    case 0x04: {
        u8 c = 0xf2, id;
        if (!converse(&c, 1, &id, 1)) return INTERFACE_ERROR;
        r->bh = id;
        return OK;
    }
    case 0x05: return set_packet(r, r->bh);
    case 0x06:
        if (r->bh == 0) return status(r);
        return r->bh > 2 ? BAD_INPUT : send1(r->bh == 1 ? 0xe6 : 0xe7) ? OK : INTERFACE_ERROR;
    case 0x07: return set_handler(r);
    default: return BAD_FUNCTION;
    }
}

void mouse_service(Regs *r);
void mouse_service(Regs *r)
{
    r->ah = function(r);
    set_cf(r, r->ah != OK);
}

/* --- IRQ12 ----------------------------------------------------------------------------------------------- */

/* mouse_byte - collect; a complete packet is acknowledged and handed over, and true returned. */
static bool mouse_byte(u8 v)
{
    u16 seg = ebda(), packet[4] = {0};
    u8 flags2 = far8(seg, EBDA_MOUSE_FLAGS2), n = far8(seg, EBDA_MOUSE_FLAGS1) & 7, last = flags2 & 7;
    if (!(flags2 & HANDLER_SET)) return false;
    if (!n && last >= 2 && !(v & 0x08)) return false; /* out of step: a first byte has bit 3 */
    far8_set(seg, (u16)(EBDA_MOUSE_DATA + n), v);
    far8_set(seg, EBDA_MOUSE_FLAGS1, n < last ? (u8)(n + 1) : 0);
    if (n < last) return false;
    for (u16 i = 0; i < 3 && i <= last; i++) packet[i] = far8(seg, (u16)(EBDA_MOUSE_DATA + i));
    outb(PIC2, PIC_EOI);
    outb(PIC1, PIC_EOI);
    mouse_call(far32(seg, EBDA_MOUSE_HANDLER), packet);
    return true;
}

void mouse_irq(Regs *r);
void mouse_irq(Regs *r)
{
    (void)r;
    if ((inb(0x64) & 0x21) == 0x21 && mouse_byte(inb(0x60))) return;
    outb(PIC2, PIC_EOI);
    outb(PIC1, PIC_EOI);
}
