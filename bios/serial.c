/* serial.c - INT 14h, the serial ports, and INT 17h, the parallel ports: polled, with the timeouts of 40:78 and 40:7C.
 *
 * Source: IBM BIOS Interface Technical Reference, INT 14h, 17h.
 */
#include "bios16.h"

enum { UART_DATA, UART_IER, UART_IIR, UART_LCR, UART_MCR, UART_LSR, UART_MSR };
enum { TIMEOUT = 0x80 };

/* Wait for (port & mask) == mask, `units` quarters of a second; the last value read, TIMEOUT-tagged in *late. */
static u8 wait_port(u16 port, u8 mask, u8 units, bool *late)
{
    u8 v = 0;
    for (u32 i = 0; i < (units ? units : 1) * 2500u; i++) {
        v = inb(port);
        if ((v & mask) == mask) return v;
        wait_us(100);
    }
    *late = true;
    return v;
}

static void uart_set(u16 base, u16 divisor, u8 lcr)
{
    outb((u16)(base + UART_LCR), 0x80);
    outb(base, (u8)divisor), outb((u16)(base + 1), (u8)(divisor >> 8));
    outb((u16)(base + UART_LCR), lcr & 0x7f);
    outb((u16)(base + UART_IER), 0);
}

static void uart_status(Regs *r, u16 base)
{
    r->ah = inb((u16)(base + UART_LSR));
    r->al = inb((u16)(base + UART_MSR));
}

static void uart_send(Regs *r, u16 base, u8 units)
{
    bool late = false;
    outb((u16)(base + UART_MCR), inb((u16)(base + UART_MCR)) | 3);
    u8 st = wait_port((u16)(base + UART_LSR), 0x20, units, &late);
    if (!late) outb(base, r->al);
    r->ah = (u8)(late ? st | TIMEOUT : st & 0x7f);
}

static void uart_receive(Regs *r, u16 base, u8 units)
{
    bool late = false;
    outb((u16)(base + UART_MCR), inb((u16)(base + UART_MCR)) | 1);
    u8 st = wait_port((u16)(base + UART_LSR), 0x01, units, &late);
    r->ah = (u8)(late ? st | TIMEOUT : st & 0x1e);
    if (!late) r->al = inb(base);
}

static u16 divisor_of(u8 code)
{
    static const u16 divisor[] = {1047, 768, 384, 192, 96, 48, 24, 12, 6, 3, 2, 1};
    return divisor[code < ARRAY_LEN(divisor) ? code : 7];
}

void int14_service(Regs *r);
void int14_service(Regs *r)
{
    u16 base = r->dx < 4 ? BDA->com[r->dx] : 0;
    u8 units = r->dx < 4 ? BDA->com_timeout[r->dx] : 0;
    if (!base) return;
    sti();
    switch (r->ah) {
    case 0x00:
        uart_set(base, divisor_of(r->al >> 5), r->al & 0x1f);
        uart_status(r, base);
        break;
    case 0x01: uart_send(r, base, units); break;
    case 0x02: uart_receive(r, base, units); break;
    case 0x03: uart_status(r, base); break;
    case 0x04: /* BH parity, BL stop bits, CH data bits, CL rate, AL break */
        uart_set(base, divisor_of(r->cl),
                 (u8)(r->ch | r->bl << 2 | (r->bh ? r->bh * 16 - 8 : 0) | (r->al ? 0x40 : 0)));
        uart_status(r, base);
        break;
    case 0x05:
        if (r->al == 1) outb((u16)(base + UART_MCR), r->bl);
        r->bl = inb((u16)(base + UART_MCR));
        uart_status(r, base);
        break;
    }
}

void int17_service(Regs *r);
void int17_service(Regs *r)
{
    u16 base = r->dx < 3 ? BDA->lpt[r->dx] : 0;
    bool late = false;
    if (!base || r->ah > 2) {
        r->ah = r->ah > 2 ? r->ah : 0x01;
        return;
    }
    sti();
    if (r->ah == 0x00) {
        outb(base, r->al);
        wait_port((u16)(base + 1), 0x80, BDA->lpt_timeout[r->dx], &late);
        u8 control = inb((u16)(base + 2));
        outb((u16)(base + 2), control | 1); /* strobe */
        wait_us(1);
        outb((u16)(base + 2), control & ~1);
    } else if (r->ah == 0x01) {
        outb((u16)(base + 2), 0x08);
        wait_us(50);
        outb((u16)(base + 2), 0x0c);
    }
    r->ah = (u8)(((inb((u16)(base + 1)) ^ 0x48) & 0xf8) | (late ? 1 : 0));
}
