/* dma.h - the two 8237A DMA controllers' registers and the page registers. See dma.c. */
#ifndef RING3_DMA_H
#define RING3_DMA_H

#include "mmu/bus.h"

typedef struct DmaChip {
    u16 address[4], count[4]; /* current; the base registers have the same value as nothing ever transfers */
    u8 mode[4], mask, request, command;
    bool high; /* byte pointer flip-flop: the next access is the high byte */
} DmaChip;

typedef struct Dma {
    DmaChip chip[2]; /* 8-bit channels 0-3, 16-bit channels 4-7 */
    u8 page[16];     /* 80h-8Fh; 80h is the POST code port */
} Dma;

void dma_init(Dma *d, Bus *bus);
void dma_reset(Dma *d);

#endif
