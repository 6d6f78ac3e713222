/* i440fx.h - 82441FX host bridge: what the guest sees at c0000-fffff. See i440fx.c. */
#ifndef RING3_I440FX_H
#define RING3_I440FX_H

#include "hw/part.h"
#include "hw/pci.h"
#include "mmu/phys.h"

enum { I440FX_SEGMENTS = 13 };

typedef struct I440fx {
    PciFunction pci; /* 00:00.0 */
    bool configured; /* reset leaves the PAM registers as firmware leaves them for a kernel: everything RAM */
    Phys *phys;
    PageKind kind[I440FX_SEGMENTS]; /* of each PAM segment as last set; PAGE_NONE: not yet */
} I440fx;

void i440fx_init(I440fx *h, Pci *pci, Phys *phys, bool configured);
void i440fx_reset(void *dev);
extern const PartKind i440fx_part;

#endif
