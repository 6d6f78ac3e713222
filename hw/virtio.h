/* virtio.h - what virtio devices have in common: the legacy PCI interface of virtio 0.9.5, and its rings. See virtio.c. */
#ifndef RING3_VIRTIO_H
#define RING3_VIRTIO_H

#include "hw/irq.h"
#include "hw/part.h"
#include "hw/pci.h"
#include "mmu/phys.h"

enum { VIRTIO_QUEUES_MAX = 4, VIRTIO_QUEUE_SIZE = 128 };

/* A ring, and the buffer that the device has taken from it and not given back: a chain of descriptors, of which it has
 * come to a place. */
typedef struct VirtioQueue {
    u32 pfn;         /* of the ring; 0: there is none */
    u16 avail, used; /* buffers that were taken, and given back, modulo 2^16 */
    bool open;       /* a buffer is taken: */
    u16 head, at;    /* its first descriptor, the present one */
    u16 links;       /* how many came before that one */
    u32 offset;      /* the next byte in it */
} VirtioQueue;

typedef struct Virtio Virtio;
typedef struct VirtioKind {
    u16 id; /* of the device: 5 is a balloon */
    unsigned queues;
    u32 config_bytes; /* of the device's own registers */
    u8 (*config_read)(void *dev, u32 offset);
    void (*config_write)(void *dev, u32 offset, u8 v);
    void (*notified)(void *dev, unsigned queue); /* there are buffers, or not: the guest says so */
    void (*reset)(void *dev);                    /* the driver reset the device */
} VirtioKind;

struct Virtio {
    PciFunction pci;
    u32 guest_features;
    u16 select; /* the queue that the registers show */
    u8 status, isr;
    bool broken; /* the driver broke a rule: nothing happens until it resets the device */
    VirtioQueue queue[VIRTIO_QUEUES_MAX];
    /* wires */
    const VirtioKind *kind;
    void *dev;
    u32 host_features;
    Bus *bus;
    Phys *phys;
    IrqLine intx;
    int io; /* range of BAR 0 */
};

/* Where the device is on the board. */
typedef struct VirtioSlot {
    Pci *pci;
    unsigned slot;
    Bus *bus;
    Phys *phys;
    IrqLine intx;
} VirtioSlot;

void virtio_init(Virtio *v, const VirtioKind *kind, void *dev, u32 host_features, const VirtioSlot *at);
void virtio_power_on(Virtio *v); /* in the device's reset */
void virtio_post(Virtio *v, u32 io);
void virtio_state(Virtio *v, State *s);
void virtio_loaded(Virtio *v);

static inline bool virtio_has(const Virtio *v, u32 feature) { return v->guest_features & feature; }
bool virtio_driver_runs(const Virtio *v); /* it said DRIVER_OK */
void virtio_config_changed(Virtio *v);    /* the device's own registers are not what they were */

/* virtio_open - takes the next buffer of a queue, which has none open; false: there is none. */
bool virtio_open(Virtio *v, unsigned queue);
/* Bytes of guest memory, what is left of a descriptor. */
typedef struct VirtioPiece {
    u32 pa, bytes;
    bool is_writable; /* the device may write there, and need not read */
} VirtioPiece;
/* virtio_piece - what comes next in the open buffer, not empty; false: it has ended. The guest may change what it says as
 * long as it likes: a buffer ends after VIRTIO_QUEUE_SIZE descriptors all the same. */
bool virtio_piece(Virtio *v, unsigned queue, VirtioPiece *piece);
void virtio_skip(Virtio *v, unsigned queue, u32 bytes); /* of what virtio_piece() said */
/* virtio_close - gives the open buffer back, with so many bytes written to it. */
void virtio_close(Virtio *v, unsigned queue, u32 bytes);

#endif
