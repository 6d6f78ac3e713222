/* kbc.h - the 8042 keyboard controller with a keyboard and a mouse behind it. See kbc.c. */
#ifndef RING3_KBC_H
#define RING3_KBC_H

#include "hw/clock.h"
#include "hw/irq.h"
#include "hw/keyboard.h"
#include "hw/mouse.h"
#include "hw/part.h"
#include "mmu/bus.h"

typedef struct Kbc {
    u8 ram[32];    /* 8042 RAM; [0] is the command byte */
    u8 outport;    /* output port P2: KBC_P2_ bits */
    u8 out;        /* output buffer */
    bool out_full; /* OBF */
    bool out_aux;  /* it came from the AUX port */
    u8 reply;      /* answer of the controller that waits for the buffer */
    bool reply_waits, reply_aux;
    u8 command;            /* controller command whose data byte comes next; 0: none */
    bool last_was_command; /* status A2 */
    bool break_next;       /* translation: F0 was taken, the next code is a release */
    Keyboard keyboard;
    Mouse mouse;
    Clock *clock;
    Timer timer; /* the next byte of a device has arrived */
    IrqLine irq1, irq12, reset, a20;
} Kbc;
enum { KBC_P2_RESET = 0x01 /* active low */, KBC_P2_A20 = 0x02, KBC_P2_IRQ1 = 0x10, KBC_P2_IRQ12 = 0x20 };

typedef struct KbcLines {
    IrqLine irq1, irq12; /* output buffer full: keyboard, AUX */
    IrqLine reset;       /* pulsed high to reset the machine */
    IrqLine a20;         /* the guest moved the A20 gate */
} KbcLines;

void kbc_init(Kbc *k, Bus *bus, Clock *clock, const KbcLines *lines);
void kbc_reset(void *dev);
extern const PartKind kbc_part;
void kbc_key(Kbc *k, u8 key, bool down);                    /* keyboard_key() */
void kbc_mouse(Kbc *k, int dx, int dy, int dz, u8 buttons); /* mouse_move() */
void kbc_nudge(Kbc *k);                                     /* mouse_nudge() */
bool kbc_keys_taken(const Kbc *k);                          /* what was typed has reached the guest */
void kbc_a20_changed(Kbc *k, bool enabled); /* somebody moved the gate: what output port reads show */

#endif
