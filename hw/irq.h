/* irq.h - a wire from a device to somebody's input pin. Level semantics; edge-triggered inputs see the edge. */
#ifndef RING3_IRQ_H
#define RING3_IRQ_H

#include "cpu/base/base.h"

typedef struct IrqLine {
    void (*set)(void *ctx, int n, bool level);
    void *ctx;
    int n;
} IrqLine;
static inline void irq_set(const IrqLine *l, bool level)
{
    if (l->set) l->set(l->ctx, l->n, level);
}

#endif
