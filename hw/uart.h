/* uart.h - a 16550A serial port. See uart.c. */
#ifndef RING3_UART_H
#define RING3_UART_H

#include "hw/chardev.h"
#include "hw/clock.h"
#include "hw/irq.h"
#include "hw/part.h"
#include "mmu/bus.h"

enum { UART_FIFO_BYTES = 16 };

typedef struct Uart {
    u8 ier, fcr, lcr, mcr, scr; /* as written; fcr: enable and trigger bits only */
    u8 lsr_errors;              /* OE, PE, FE, BI: cleared by reading LSR */
    u8 msr_deltas;              /* DCTS, DDSR, TERI, DDCD: cleared by reading MSR */
    u16 divisor;                /* DLL, DLM: of 1.8432 MHz / 16 */
    u8 fifo[UART_FIFO_BYTES];   /* receiver, oldest first; one byte of it when FIFOs are off */
    u8 count;                   /* bytes in it */
    bool thre;                  /* "transmitter holding register empty" is to be reported */
    bool timed_out;             /* character timeout: bytes below the trigger level lie there too long */
    bool mcr_written; /* the guest programs the modem lines: it gets input only when it asks for it */
    u8 raised;        /* MCR bits that it has set since reset, loopback aside */
    bool listens;     /* the receive interrupt was once enabled for long enough to be meant */
    bool irq_level;
    Chardev *backend; /* NULL: nothing is plugged in */
    Clock *clock;
    Timer timer;  /* character timeout */
    Timer settle; /* until it listens */
    IrqLine irq;
} Uart;

void uart_init(Uart *u, Bus *bus, u16 port, Clock *clock, Chardev *backend, IrqLine irq, const char *name);
void uart_reset(void *dev);
extern const PartKind uart_part;
void uart_receive(void *uart); /* take input from the backend, as far as there is room (Chardev.on_input) */

#endif
