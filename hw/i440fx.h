/* i440fx.h - 82441FX host bridge: what the guest sees at c0000-fffff. See i440fx.c. */
#ifndef RING3_I440FX_H
#define RING3_I440FX_H

#include "hw/pci.h"
#include "mmu/phys.h"

enum { I440FX_SEGMENTS = 13 };

typedef struct I440fx {
    PciFunction pci; /* 00:00.0 */
    Phys *phys;
    PageKind kind[I440FX_SEGMENTS]; /* of each PAM segment as last set; PAGE_NONE: not yet */
} I440fx;

void i440fx_init(I440fx *h, Pci *pci, Phys *phys);
/* Reset; `shadowed`: with the PAM registers as firmware leaves them for a kernel, everything RAM. */
void i440fx_reset(I440fx *h, bool shadowed);

#endif
