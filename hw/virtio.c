/* virtio.c - the legacy PCI interface of virtio 0.9.5 and its rings.
 *
 * "Virtio PCI Card Specification v0.9.5", sections 2.1 to 2.4 and appendix on the virtqueue's layout. Registers are ports
 * behind BAR 0, the device's own ones behind the first twenty; INTA#, no MSI-X.
 *
 *     descriptors   16 bytes each: u64 address, u32 bytes, u16 flags, u16 next
 *     available     u16 flags, u16 index, u16 of each buffer's first descriptor         the driver writes
 *     used          at the next page: u16 flags, u16 index, {u32 first, u32 bytes}      the device writes
 *
 * The rings are the guest's memory: a chain may be endless, may lie over its own ring, anywhere or nowhere, and may be
 * another one each time it is read. What breaks a rule (an index out of range, more buffers than the ring has, a chain
 * of more descriptors than the ring has, an address above 4 GiB) is traced, and the device does nothing until the driver
 * resets it. A driver may use the device without having made it bus master, as old ones do.
 *
 * *Not implemented*: indirect descriptors, event indices, NOTIFY_ON_EMPTY (none is offered); MSI-X; virtio 1.0.
 */
#include "hw/virtio.h"

enum {
    VENDOR = 0x1af4,
    DEVICE_FIRST = 0x0ffd,
    CLASS_OTHER = 0x00ff00
}; /* device: 0ffdh + id, of the old ones */
enum {
    HOST_FEATURES = 0,
    GUEST_FEATURES = 4,
    QUEUE_ADDRESS = 8,
    QUEUE_SIZE = 12,
    QUEUE_SELECT = 14,
    QUEUE_NOTIFY = 16,
    STATUS = 18,
    ISR = 19,
    CONFIG = 20
};
enum { DRIVER_OK = 4 };
enum { ISR_QUEUE = 1, ISR_CONFIG = 2 };
enum { DESC_NEXT = 1, DESC_WRITE = 2, DESC_INDIRECT = 4 };
enum { AVAIL_NO_INTERRUPT = 1 };
/* Of a ring of VIRTIO_QUEUE_SIZE. */
enum {
    DESC_BYTES = 16,
    AVAIL_AT = DESC_BYTES * VIRTIO_QUEUE_SIZE,
    USED_AT = (AVAIL_AT + 6 + 2 * VIRTIO_QUEUE_SIZE + PAGE_MASK) & ~PAGE_MASK,
    RING_PAGES = (USED_AT + 6 + 8 * VIRTIO_QUEUE_SIZE + PAGE_MASK) >> PAGE_BITS
};

/* --- interrupts ------------------------------------------------------------------------------------------ */

static void interrupt(Virtio *v, u8 why)
{
    v->isr |= why;
    irq_set(&v->intx, v->isr);
}

bool virtio_driver_runs(const Virtio *v) { return v->status & DRIVER_OK && !v->broken; }

void virtio_config_changed(Virtio *v)
{
    if (virtio_driver_runs(v)) interrupt(v, ISR_CONFIG);
}

/* --- rings ----------------------------------------------------------------------------------------------- */

static bool broke(Virtio *v, const char *how)
{
    trace(GUEST_ERRORS, "virtio %u: %s", v->kind->id, how);
    v->broken = true;
    return false;
}

static u32 ring_pa(const VirtioQueue *q) { return q->pfn << PAGE_BITS; }

static bool has_ring(const VirtioQueue *q) { return q->pfn && q->pfn < (1u << 20) - RING_PAGES; }

static u16 read16(const Virtio *v, u32 pa)
{
    u16 value;
    phys_dma_read(v->phys, pa, &value, sizeof value);
    return value;
}

bool virtio_open(Virtio *v, unsigned queue)
{
    VirtioQueue *q = &v->queue[queue];
    if (v->broken || q->open || !has_ring(q)) return false;
    u32 avail = ring_pa(q) + AVAIL_AT;
    u16 waiting = (u16)(read16(v, avail + 2) - q->avail);
    if (!waiting) return false;
    if (waiting > VIRTIO_QUEUE_SIZE) return broke(v, "more buffers than its ring holds");
    u16 head = read16(v, avail + 4 + 2 * (q->avail % VIRTIO_QUEUE_SIZE));
    if (head >= VIRTIO_QUEUE_SIZE) return broke(v, "a buffer without a descriptor");
    q->avail++;
    q->open = true;
    q->head = q->at = head;
    q->links = 0;
    q->offset = 0;
    return true;
}

typedef struct Descriptor {
    u64 pa;
    u32 bytes;
    u16 flags, next;
} Descriptor;

static Descriptor descriptor(const Virtio *v, const VirtioQueue *q)
{
    Descriptor d;
    phys_dma_read(v->phys, ring_pa(q) + DESC_BYTES * q->at, &d, sizeof d);
    return d;
}

/* On to the next descriptor of the chain; false: there is none. */
static bool follow_link(Virtio *v, VirtioQueue *q, const Descriptor *d)
{
    if (!(d->flags & DESC_NEXT)) return false;
    if (++q->links >= VIRTIO_QUEUE_SIZE || d->next >= VIRTIO_QUEUE_SIZE)
        return broke(v, "a chain of descriptors that leads nowhere");
    q->at = d->next;
    q->offset = 0;
    return true;
}

bool virtio_piece(Virtio *v, unsigned queue, VirtioPiece *piece)
{
    VirtioQueue *q = &v->queue[queue];
    if (v->broken || !q->open) return false;
    Descriptor d = descriptor(v, q);
    while (q->offset >= d.bytes) {
        if (!follow_link(v, q, &d)) return false;
        d = descriptor(v, q);
    }
    if (d.flags & DESC_INDIRECT) return broke(v, "an indirect descriptor");
    if (d.pa + d.bytes < d.pa || d.pa + d.bytes > 1ull << 32) return broke(v, "an address above 4 GiB");
    *piece = (VirtioPiece){(u32)d.pa + q->offset, d.bytes - q->offset, d.flags & DESC_WRITE};
    return true;
}

void virtio_skip(Virtio *v, unsigned queue, u32 bytes) { v->queue[queue].offset += bytes; }

void virtio_close(Virtio *v, unsigned queue, u32 bytes)
{
    VirtioQueue *q = &v->queue[queue];
    if (v->broken || !q->open) return;
    u32 used = ring_pa(q) + USED_AT;
    u8 entry[8];
    store32(entry, q->head);
    store32(entry + 4, bytes);
    phys_dma_write(v->phys, used + 4 + 8 * (q->used % VIRTIO_QUEUE_SIZE), entry, sizeof entry);
    q->used++;
    q->open = false;
    phys_dma_write(v->phys, used + 2, &q->used, sizeof q->used);
    if (!(read16(v, ring_pa(q) + AVAIL_AT) & AVAIL_NO_INTERRUPT)) interrupt(v, ISR_QUEUE);
}

/* --- registers ------------------------------------------------------------------------------------------- */

static VirtioQueue *selected(Virtio *v) /* NULL: there is no such queue */
{
    return v->select < v->kind->queues ? &v->queue[v->select] : NULL;
}

static void driver_reset(Virtio *v)
{
    v->guest_features = 0;
    v->select = 0;
    v->status = v->isr = 0;
    v->broken = false;
    memset(v->queue, 0, sizeof v->queue);
    irq_set(&v->intx, false);
    v->kind->reset(v->dev);
}

static u8 isr_read(Virtio *v)
{
    u8 isr = v->isr;
    v->isr = 0;
    irq_set(&v->intx, false);
    return isr;
}

/* The common registers as a row of bytes; those that are written only read as they were written. */
static u8 register_byte(Virtio *v, u32 offset)
{
    const VirtioQueue *q = selected(v);
    if (offset < GUEST_FEATURES) return (u8)(v->host_features >> 8 * offset);
    if (offset < QUEUE_ADDRESS) return (u8)(v->guest_features >> 8 * (offset - GUEST_FEATURES));
    if (offset < QUEUE_SIZE) return (u8)(q ? q->pfn >> 8 * (offset - QUEUE_ADDRESS) : 0);
    if (offset < QUEUE_SELECT) return (u8)(q ? VIRTIO_QUEUE_SIZE >> 8 * (offset - QUEUE_SIZE) : 0);
    if (offset < QUEUE_NOTIFY) return (u8)(v->select >> 8 * (offset - QUEUE_SELECT));
    if (offset < STATUS) return 0;
    if (offset == STATUS) return v->status;
    if (offset == ISR) return isr_read(v);
    offset -= CONFIG;
    return offset < v->kind->config_bytes ? v->kind->config_read(v->dev, offset) : 0;
}

static u32 virtio_read(void *dev, u32 offset, unsigned bytes)
{
    u32 value = 0;
    for (unsigned n = 0; n < bytes; n++) value |= (u32)register_byte(dev, offset + n) << 8 * n;
    return value;
}

static void queue_move(Virtio *v, u32 pfn)
{
    VirtioQueue *q = selected(v);
    if (q) *q = (VirtioQueue){.pfn = pfn};
}

static void notify(Virtio *v, u32 queue)
{
    if (queue < v->kind->queues && !v->broken) v->kind->notified(v->dev, queue);
}

static void register_write(Virtio *v, u32 reg, u32 value)
{
    switch (reg) {
    case GUEST_FEATURES: v->guest_features = value & v->host_features; break;
    case QUEUE_ADDRESS: queue_move(v, value); break;
    case QUEUE_SELECT: v->select = (u16)value; break;
    case QUEUE_NOTIFY: notify(v, value & 0xffff); break;
    case STATUS:
        v->status = (u8)value;
        if (!v->status) driver_reset(v);
        break;
    default: trace(GUEST_ERRORS, "virtio %u: a write to register %02x", v->kind->id, reg);
    }
}

static void virtio_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    Virtio *v = dev;
    if (offset < CONFIG) {
        register_write(v, offset, value);
        return;
    }
    for (u32 n = 0; n < bytes; n++)
        if (offset - CONFIG + n < v->kind->config_bytes)
            v->kind->config_write(v->dev, offset - CONFIG + n, (u8)(value >> 8 * n));
}

/* --- PCI ------------------------------------------------------------------------------------------------- */

static void bar_moved(void *dev, unsigned bar, bool enabled, u32 base)
{
    Virtio *v = dev;
    (void)bar;
    bus_move(v->bus, v->io, enabled, base);
}

/* --- life cycle ------------------------------------------------------------------------------------------ */

static u32 port_count(const Virtio *v)
{
    u32 count = 32;
    while (count < CONFIG + v->kind->config_bytes) count *= 2;
    return count;
}

void virtio_power_on(Virtio *v)
{
    PciFunction *f = &v->pci;
    pci_function_init(f, VENDOR, (u16)(DEVICE_FIRST + v->kind->id), CLASS_OTHER, 0);
    pci_set16(f, PCI_SUBSYSTEM_VENDOR, VENDOR);
    pci_set16(f, PCI_SUBSYSTEM, v->kind->id);
    pci_allow(f, PCI_COMMAND, 1, PCI_COMMAND_MASTER);
    pci_allow(f, PCI_LATENCY, 1, 0xff);
    pci_bar(f, 0, PCI_BAR_IO, port_count(v), bar_moved);
    f->config[PCI_INTERRUPT_PIN] = 1;
    driver_reset(v);
}

void virtio_post(Virtio *v, u32 io) { pci_bar_set(&v->pci, 0, io); }

static void queue_state(VirtioQueue *q, State *s)
{
    state_u32(s, "pfn", &q->pfn);
    state_u16(s, "avail", &q->avail);
    state_u16(s, "used", &q->used);
    state_bool(s, "open", &q->open);
    state_u16(s, "head", &q->head);
    state_u16(s, "at", &q->at);
    state_u16(s, "links", &q->links);
    state_u32(s, "offset", &q->offset);
    state_check(s, q->head < VIRTIO_QUEUE_SIZE, "head");
    state_check(s, q->at < VIRTIO_QUEUE_SIZE, "at");
    state_check(s, q->links <= VIRTIO_QUEUE_SIZE, "links");
    state_check(s, has_ring(q) || !q->open, "open");
}

void virtio_state(Virtio *v, State *s)
{
    pci_function_state(&v->pci, s);
    state_u32(s, "guest_features", &v->guest_features);
    state_check(s, !(v->guest_features & ~v->host_features), "guest_features");
    state_u16(s, "select", &v->select);
    state_u8(s, "status", &v->status);
    state_u8(s, "isr", &v->isr);
    state_bool(s, "broken", &v->broken);
    for (unsigned n = 0; n < v->kind->queues; n++) {
        state_group(s, "queue", n);
        queue_state(&v->queue[n], s);
        state_group_end(s);
    }
}

void virtio_loaded(Virtio *v)
{
    pci_function_loaded(&v->pci);
    irq_set(&v->intx, v->isr);
}

static const IoOps virtio_ops = {virtio_read, virtio_write, 1, 4};

void virtio_init(Virtio *v, const VirtioKind *kind, void *dev, u32 host_features, const VirtioSlot *at)
{
    *v = (Virtio){.kind = kind,
                  .dev = dev,
                  .host_features = host_features,
                  .bus = at->bus,
                  .phys = at->phys,
                  .intx = at->intx,
                  .pci = {.dev = v}};
    CHECK(kind->queues <= VIRTIO_QUEUES_MAX, "a virtio device with %u queues", kind->queues);
    v->io = bus_add_ports(at->bus, 0, port_count(v), &virtio_ops, v, "virtio");
    bus_move(at->bus, v->io, false, 0);
    pci_add(at->pci, PCI_FN(at->slot, 0), &v->pci);
}
