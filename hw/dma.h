/* dma.h - the two 8237A DMA controllers and their page registers. See dma.c. */
#ifndef RING3_DMA_H
#define RING3_DMA_H

#include "hw/part.h"
#include "mmu/bus.h"
#include "mmu/phys.h"

typedef struct DmaChannel {
    u16 address, count;           /* current */
    u16 base_address, base_count; /* as last written: autoinitialization takes them again */
    u8 mode;
} DmaChannel;

typedef struct DmaChip {
    DmaChannel channel[4];
    u8 mask, command;
    u8 request;  /* DREQ by software (its only user, memory to memory, is not there) */
    u8 dreq;     /* DREQ by devices, for the status register */
    u8 terminal; /* channels that reached terminal count; cleared by reading the status */
    bool high;   /* byte pointer flip-flop: the next access is the high byte */
} DmaChip;

typedef struct Dma {
    DmaChip chip[2]; /* 8-bit channels 0-3, 16-bit channels 4-7 */
    u8 page[16];     /* 80h-8Fh; 80h is the POST code port */
    Phys *phys;
} Dma;

void dma_init(Dma *d, Bus *bus, Phys *phys);
void dma_reset(void *dev);
extern const PartKind dma_part;

/* From the memory's point of view, as the mode register has it. */
typedef enum DmaWay { DMA_WRITE_MEMORY = 1, DMA_READ_MEMORY = 2 } DmaWay;

/* dma_transfer - the device on `channel` moves up to `bytes` (even on channels 5-7) between `buffer` and memory. Returns
 * how many the controller took, which is fewer when the count ran out (*terminal becomes true) and 0 when it does not
 * serve the channel now. When the guest programmed the other direction, or "verify", bytes count but do not move. */
u32 dma_transfer(Dma *d, unsigned channel, DmaWay way, void *buffer, u32 bytes, bool *terminal);
/* dma_round - bytes after which the channel begins again by itself; 0: it does not. */
u32 dma_round(const Dma *d, unsigned channel);
/* dma_request - the device's DREQ line: what the status register shows. */
void dma_request(Dma *d, unsigned channel, bool level);

#endif
