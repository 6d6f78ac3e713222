/* bmdma.h - one channel of the PIIX's bus master: registers and the walk along its descriptors. See bmdma.c. */
#ifndef RING3_BMDMA_H
#define RING3_BMDMA_H

#include "hw/state.h"
#include "mmu/phys.h"

typedef struct Bmdma {
    Phys *phys;
    u8 command;   /* BMIC */
    u8 status;    /* BMIS */
    u32 table;    /* BMIDTP */
    u32 next;     /* pa of the next descriptor */
    u32 pa, left; /* what is left of the current one */
    bool last;    /* there is none after the current one */
} Bmdma;
enum { BMIC_SSBM = 0x01, BMIC_RWCON = 0x08 };
enum { BMIS_ACTIVE = 0x01, BMIS_ERROR = 0x02, BMIS_INTERRUPT = 0x04, BMIS_DMA_CAPABLE = 0x60 };

void bmdma_reset(Bmdma *b);
void bmdma_state(Bmdma *b, State *s);
u8 bmdma_register_read(const Bmdma *b, u32 offset); /* 0-7 */
/* True: the guest has just started the bus master. */
bool bmdma_register_write(Bmdma *b, u32 offset, u8 value);

/* Has the guest started it, in this direction? */
static inline bool bmdma_started(const Bmdma *b) { return b->status & BMIS_ACTIVE; }

/* bmdma_piece - the next stretch of RAM, at most `max` bytes, that is contiguous in host memory, without taking it;
 * *bytes 0: the descriptors end here. NULL and *bytes not 0: no RAM there. */
u8 *bmdma_piece(Bmdma *b, u32 max, u32 *bytes);
/* bmdma_take - n bytes of the last piece were moved; `written` tells the memory's watchers. */
void bmdma_take(Bmdma *b, u32 n, bool written);
/* Copy to or from guest memory, as far as the descriptors go: how many bytes. */
u32 bmdma_put(Bmdma *b, const u8 *from, u32 n);
u32 bmdma_get(Bmdma *b, u8 *to, u32 n);
/* bmdma_finish - the drive has no more: the bus master stops if its descriptors end here, too. */
void bmdma_finish(Bmdma *b);

#endif
