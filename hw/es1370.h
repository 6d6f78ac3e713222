/* es1370.h - Ensoniq ES1370 (AudioPCI) with its codec AK4531. See es1370.c. */
#ifndef RING3_ES1370_H
#define RING3_ES1370_H

#include "hw/irq.h"
#include "hw/part.h"
#include "hw/pci.h"
#include "hw/pcm.h"
#include "mmu/phys.h"

enum { ES1370_DAC1, ES1370_DAC2, ES1370_ADC, ES1370_STREAMS };
enum { ES1370_PAGES = 16, ES1370_PAGE_WORDS = 4, AK4531_REGISTERS = 0x1a };

typedef struct Es1370Stream {
    u32 buffer_pa;
    u16 size, at;    /* of the buffer, in doublewords: how many less one, and the one that is next */
    u8 offset;       /* of the next byte in it, 0 to 3 */
    u16 count, left; /* frames to the interrupt, less one: as written, and now */
    bool ended;      /* of one that is not to loop: the count ran out */
    u32 unanswered;  /* frames since the interrupt that the guest has not taken */
    Pcm pcm;
} Es1370Stream;

typedef struct Es1370 {
    PciFunction pci;
    u32 control, sctrl; /* 00h, 20h */
    u8 status;          /* bits 0-2 of 04h */
    u8 uart_control, page;
    u32 memory[ES1370_PAGES][ES1370_PAGE_WORDS]; /* the pages whose words mean nothing to us */
    u8 codec[AK4531_REGISTERS];
    Es1370Stream stream[ES1370_STREAMS];
    /* wires */
    Bus *bus;
    Phys *phys;
    IrqLine intx;
    int io; /* range of BAR 0 */
} Es1370;

void es1370_init(Es1370 *e, Pci *pci, unsigned slot, Bus *bus, Phys *phys, Clock *clock, Sound *sound,
                 IrqLine intx);
void es1370_post(Es1370 *e, u32 io); /* as firmware leaves it: decoding there */
extern const PartKind es1370_part;

#endif
