/* ide.c - the IDE function of the 82371SB (PIIX3), 00:01.1: two channels, their registers, and who is selected.
 *
 * ATA/ATAPI-6 (T13 1410D) chapters 6-9; 82371SB datasheet (290550) 2.3, 2.7. Ports: 1F0-1F7 and 3F6 (IRQ14), 170-177
 * and 376 (IRQ15); 16 bus master ports at BAR4. What disks and CD drives do with a command is in ata.c,
 * atapi.c and mmc.c; the bus master in bmdma.c.
 *
 * A command makes the drive busy; after BUSY_NS, or when the guest has looked at a status register twice, it takes its
 * next step (IdeStep): offer a block of data, or end. A guest that polls needs no timer (nIEN): none is armed for
 * it. The medium is read and written synchronously when a step is taken; a flush goes on beside the guest, and the
 * drive is busy until it is done.
 *
 * Both drives of a channel hear what is written to the task file; the selected one answers. A slave that does not
 * exist is answered for by the master with status 0; a channel without drives reads as 0.
 *
 * Quirks that guests rely on: reading the status register ends the interrupt, the alternate one does not; a command
 * ends it, too. Data written without waiting for DRQ end the busy time. The register file keeps two writes of each
 * register (LBA48). The legacy ports decode from reset on (IDETIM comes up with its decode bits set), so that firmware
 * need not know this chip; clearing the bits takes the ports away.
 *
 * A drive with limits (pace.h) stays busy before it moves data until it may, however often the guest looks; the thread
 * never waits. The guest's time goes on as ever: it has a slower disk.
 *
 * Not implemented: native mode, timings (stored), the tri-state of a channel, overlapped commands, Ultra DMA
 * timing registers (PIIX4).
 */
#include "hw/ide.h"

enum { BUSY_NS = 15000, LATER_NS = 10000000, POLLS = 2 };
enum { DATA, ERROR_FEATURES, COUNT, LOW, MID, HIGH, DEVICE, STATUS_COMMAND };
enum { NIEN = 0x02, SRST = 0x04, HOB = 0x80 };
enum { DEVICE_RESET = 0x08, DIAGNOSTIC = 0x90 };
enum { IDETIM = 0x40, IDETIM_DECODE = 0x80 /* of the high byte */, BMIBA = 4, SIDETIM = 0x44 };
static const u16 command_port[] = {0x1f0, 0x170}, control_port[] = {0x3f6, 0x376};

static u8 unit_of(const IdeDrive *d) { return d->number & 1; } /* on its channel */
static IdeDrive *selected(IdeChannel *c) { return &c->drive[c->selected]; }

/* --- interrupts ------------------------------------------------------------------------------------------ */

/* Only the selected drive drives the line; what another has to tell waits. */
static void line_update(IdeChannel *c) { irq_set(&c->irq, selected(c)->intrq && !(c->control & NIEN)); }

static void intrq_clear(IdeChannel *c)
{
    selected(c)->intrq = false;
    line_update(c);
}

void ide_interrupt(IdeDrive *d)
{
    IdeChannel *c = d->channel;
    d->intrq = true;
    c->bm.status |= BMIS_INTERRUPT;
    line_update(c);
}

/* --- being busy ------------------------------------------------------------------------------------------ */

static void timer_update(IdeChannel *c)
{
    if (c->busy != IDE_NOBODY && !(c->control & NIEN))
        clock_arm(c->clock, &c->timer, c->busy_until_ns);
    else
        clock_disarm(c->clock, &c->timer);
}

static void be_busy(IdeDrive *d, IdeStep next, u64 ns)
{
    IdeChannel *c = d->channel;
    d->status = BSY | ide_ready(d);
    d->at = d->end = 0;
    if (c->dma == unit_of(d)) c->dma = IDE_NOBODY;
    c->busy = unit_of(d);
    d->next = next;
    c->polls = 0;
    c->paced = false;
    c->busy_until_ns = clock_now(c->clock) + ns;
    timer_update(c);
}

void ide_busy(IdeDrive *d, IdeStep next) { be_busy(d, next, BUSY_NS); }
void ide_later(IdeDrive *d, IdeStep next) { be_busy(d, next, LATER_NS); }

bool ide_paced(IdeDrive *d, bool writes, u64 bytes, IdeStep again)
{
    IdeChannel *c = d->channel;
    bool paid = d->paid;
    d->paid = false;
    if (paid || !limits_are_set(&d->bay->limits)) return false;
    u64 now = clock_now(c->clock), begins = pace_take(&d->bay->pace, &d->bay->limits, writes, bytes, now);
    if (begins <= now) return false;
    be_busy(d, again, begins - now);
    c->paced = d->paid = true;
    return true;
}

static void step(IdeDrive *d, IdeStep s)
{
    switch (s) {
    case IDE_IDLE: break;
    case IDE_COMPLETE: ide_complete(d, d->result); break;
    case IDE_END: d->status = ide_ready(d); break;
    default:
        if (ide_is_cd(d))
            atapi_step(d, s);
        else
            ata_step(d, s);
    }
}

static void busy_over(void *channel)
{
    IdeChannel *c = channel;
    IdeDrive *d = &c->drive[c->busy];
    if (c->busy == IDE_NOBODY) return;
    c->busy = IDE_NOBODY;
    clock_disarm(c->clock, &c->timer);
    step(d, d->next);
}

void ide_medium_done(Ide *x)
{
    for (int n = 0; n < IDE_CHANNELS; n++) {
        IdeChannel *c = &x->channel[n];
        if (c->busy != IDE_NOBODY && c->drive[c->busy].next == ATA_FLUSH) busy_over(c);
    }
}

/* The guest looks whether it is done. */
static void polled(IdeChannel *c)
{
    if (c->busy == IDE_NOBODY) return;
    if ((!c->paced && ++c->polls >= POLLS) || clock_now(c->clock) >= c->busy_until_ns) busy_over(c);
}

/* --- for the drives -------------------------------------------------------------------------------------- */

void ide_complete(IdeDrive *d, u8 error)
{
    d->error = error;
    d->status = ide_ready(d) | (error ? ERR : 0);
    ide_interrupt(d);
}

void ide_fail(IdeDrive *d, u8 error)
{
    d->result = error;
    ide_busy(d, IDE_COMPLETE);
}

void ide_data(IdeDrive *d, u32 bytes, IdeStep after)
{
    CHECK(bytes <= IDE_BUFFER_BYTES, "a block of %u bytes", bytes);
    d->at = 0;
    d->end = bytes;
    d->after = after;
    d->status = ide_ready(d) | DRQ;
}

static void dma_run(IdeChannel *c)
{
    if (c->dma == IDE_NOBODY || !bmdma_started(&c->bm)) return;
    IdeDrive *d = &c->drive[c->dma];
    c->dma = IDE_NOBODY;
    step(d, d->next);
}

void ide_wait_dma(IdeDrive *d, IdeStep next)
{
    IdeChannel *c = d->channel;
    d->status = BSY | ide_ready(d);
    if (c->busy == unit_of(d)) c->busy = IDE_NOBODY;
    c->dma = unit_of(d);
    d->next = next;
    dma_run(c);
}

void ide_signature(IdeDrive *d)
{
    d->reg.count = d->reg.low = 1;
    d->reg.mid = ide_is_cd(d) ? 0x14 : 0;
    d->reg.high = ide_is_cd(d) ? 0xeb : 0;
    d->device &= ~0x0f;
}

void ide_text(u8 *words, u32 bytes, const char *text)
{
    for (u32 i = 0; i < bytes; i++) words[i ^ 1] = *text ? (u8)*text++ : ' ';
}

/* --- transfer modes -------------------------------------------------------------------------------------- */

enum {
    MODE_PIO_FLOW = 0x08,
    MODE_MWDMA = 0x20,
    MODE_UDMA = 0x40,
    PIO_BEST = 4,
    MWDMA_BEST = 2,
    UDMA_BEST = 5
};

bool ide_set_mode(IdeDrive *d, u8 mode)
{
    u8 kind = mode & 0xf8, n = mode & 7;
    bool ok = mode <= 1 || (kind == MODE_PIO_FLOW && n <= PIO_BEST) ||
              (kind == MODE_MWDMA && n <= MWDMA_BEST) || (kind == MODE_UDMA && n <= UDMA_BEST);
    if (ok && kind >= MODE_MWDMA) d->mode = mode;
    return ok;
}

void ide_identify_modes(const IdeDrive *d, u8 *words)
{
    u16 bit = (u16)(0x100 << (d->mode & 7));
    bool udma = (d->mode & 0xf8) == MODE_UDMA;
    store16(words + 2 * 49, 0x0b00); /* LBA, DMA, IORDY */
    store16(words + 2 * 51, 0x0200);
    store16(words + 2 * 53, 0x0006); /* words 64-70 and 88 are valid */
    store16(words + 2 * 63, 0x0007 | (udma ? 0 : bit));
    store16(words + 2 * 64, 0x0003);
    for (u32 n = 65; n <= 68; n++) store16(words + 2 * n, 120); /* ns a cycle */
    store16(words + 2 * 88, 0x003f | (udma ? bit : 0));
}

/* --- reset and diagnosis --------------------------------------------------------------------------------- */

/* Code 01h: passed. A CD drive shows no DRDY until it gets a command. */
static void drive_diagnosed(IdeDrive *d)
{
    ide_signature(d);
    d->error = 0x01;
    d->status = ide_is_cd(d) ? 0 : ide_ready(d);
    d->at = d->end = 0;
}

static void channel_stop(IdeChannel *c)
{
    c->busy = c->dma = IDE_NOBODY;
    clock_disarm(c->clock, &c->timer);
    c->drive[0].intrq = c->drive[1].intrq = false;
    line_update(c);
}

static void software_reset(IdeChannel *c)
{
    channel_stop(c);
    c->selected = 0;
    for (int n = 0; n < 2; n++) {
        IdeDrive *d = &c->drive[n];
        d->device = 0;
        if (!ide_exists(d)) continue;
        if (ide_is_cd(d))
            atapi_reset(d);
        else
            ata_reset(d);
        drive_diagnosed(d);
    }
}

static void diagnostic(IdeChannel *c)
{
    c->selected = 0;
    for (int n = 0; n < 2; n++) {
        c->drive[n].device &= ~DEVICE_DEV;
        if (ide_exists(&c->drive[n])) drive_diagnosed(&c->drive[n]);
    }
    if (ide_exists(&c->drive[0]) || ide_exists(&c->drive[1])) ide_interrupt(&c->drive[0]);
}

static void device_reset(IdeDrive *d)
{
    channel_stop(d->channel);
    drive_diagnosed(d);
}

/* --- reads ----------------------------------------------------------------------------------------------- */

static u32 data_read(IdeChannel *c, unsigned bytes)
{
    IdeDrive *d = selected(c);
    u32 v = 0;
    if (d->end - d->at < bytes || !(d->status & DRQ)) {
        for (unsigned i = 0; i < bytes && d->at < d->end; i++) v |= (u32)d->buffer[d->at++] << (8 * i);
    } else {
        v = bytes == 2   ? load16(d->buffer + d->at)
            : bytes == 4 ? load32(d->buffer + d->at)
                         : d->buffer[d->at];
        d->at += bytes;
    }
    if (d->at == d->end && d->status & DRQ) {
        d->status &= ~DRQ;
        step(d, d->after);
    }
    return v;
}

/* All of a block but its last access, which is what ends it. */
static u32 block_run(const IdeDrive *d, unsigned bytes, u32 count)
{
    u32 left = d->status & DRQ && d->at < d->end ? (d->end - d->at - 1) / bytes : 0;
    return left < count ? left : count;
}

static u32 data_read_run(void *channel, u32 offset, unsigned bytes, void *to, u32 count)
{
    IdeDrive *d = selected(channel);
    u32 n = offset == DATA ? block_run(d, bytes, count) : 0;
    memcpy(to, d->buffer + d->at, n * bytes);
    d->at += n * bytes;
    return n;
}

static u32 data_write_run(void *channel, u32 offset, unsigned bytes, const void *from, u32 count)
{
    IdeChannel *c = channel;
    IdeDrive *d = selected(c);
    u32 n = offset == DATA && c->busy != unit_of(d) ? block_run(d, bytes, count) : 0;
    memcpy(d->buffer + d->at, from, n * bytes);
    d->at += n * bytes;
    return n;
}

static u8 status_read(IdeChannel *c)
{
    const IdeDrive *d = selected(c);
    polled(c);
    if (c->control & SRST) return ide_exists(&c->drive[0]) || ide_exists(&c->drive[1]) ? BSY : 0;
    return ide_exists(d) ? d->status : 0;
}

static u8 register_read(IdeChannel *c, u32 offset)
{
    const IdeDrive *d = selected(c);
    const TaskFile *r = c->control & HOB ? &d->hob : &d->reg;
    u8 status;
    if (!ide_exists(&c->drive[0]) && !ide_exists(&c->drive[1])) return 0;
    switch (offset) {
    case ERROR_FEATURES: return ide_exists(d) ? d->error : 0;
    case COUNT: return r->count;
    case LOW: return r->low;
    case MID: return r->mid;
    case HIGH: return r->high;
    case DEVICE: return d->device | 0xa0;
    default:
        status = status_read(c);
        intrq_clear(c);
        return status;
    }
}

static u32 command_block_read(void *channel, u32 offset, unsigned bytes)
{
    u32 v = 0;
    if (offset == DATA) return data_read(channel, bytes);
    for (unsigned i = 0; i < bytes; i++) v |= (u32)register_read(channel, (offset + i) & 7) << (8 * i);
    return v;
}

static u32 control_block_read(void *channel, u32 offset, unsigned bytes)
{
    (void)offset, (void)bytes;
    return status_read(channel);
}

static u32 master_read(void *dev, u32 offset, unsigned bytes)
{
    Ide *x = dev;
    u32 v = 0;
    for (unsigned i = 0; i < bytes; i++) {
        IdeChannel *c = &x->channel[(offset + i) >> 3 & 1];
        if (((offset + i) & 7) == 2) polled(c);
        v |= (u32)bmdma_register_read(&c->bm, (offset + i) & 7) << (8 * i);
    }
    return v;
}

/* --- writes ---------------------------------------------------------------------------------------------- */

static void data_write(IdeChannel *c, u32 value, unsigned bytes)
{
    IdeDrive *d = selected(c);
    if (c->busy == unit_of(d) && !c->paced) busy_over(c);
    if (!(d->status & DRQ)) return;
    if (d->end - d->at >= bytes && bytes == 2) {
        store16(d->buffer + d->at, (u16)value);
        d->at += 2;
    } else {
        for (unsigned i = 0; i < bytes && d->at < d->end; i++) d->buffer[d->at++] = (u8)(value >> (8 * i));
    }
    if (d->at != d->end) return;
    d->status &= ~DRQ;
    step(d, d->after);
}

static void command_write(IdeChannel *c, u8 command)
{
    IdeDrive *d = selected(c);
    if (command == DIAGNOSTIC) {
        channel_stop(c);
        diagnostic(c);
        return;
    }
    if (!ide_exists(d)) return;
    intrq_clear(c);
    if (command == DEVICE_RESET && ide_is_cd(d)) {
        device_reset(d);
        return;
    }
    if (d->status & (BSY | DRQ)) {
        trace(GUEST_ERRORS, "ide: command %02x while drive %u has status %02x", command, d->number,
              d->status);
        if (d->status & BSY) return;
    }
    d->error = d->result = 0;
    d->paid = false;
    d->at = d->end = 0;
    d->command = command;
    if (ide_is_cd(d))
        atapi_command(d, command);
    else
        ata_command(d, command);
}

static void task_file_write(IdeDrive *d, u32 offset, u8 value)
{
    u8 *now = offset == ERROR_FEATURES ? &d->reg.features
              : offset == COUNT        ? &d->reg.count
              : offset == LOW          ? &d->reg.low
              : offset == MID          ? &d->reg.mid
                                       : &d->reg.high;
    u8 *before = (u8 *)&d->hob + (now - (u8 *)&d->reg);
    *before = *now;
    *now = value;
}

static void register_write(IdeChannel *c, u32 offset, u8 value)
{
    c->control &= ~HOB;
    if (offset == STATUS_COMMAND) {
        command_write(c, value);
        return;
    }
    if (c->control & SRST) return;
    for (int n = 0; n < 2; n++) {
        if (offset == DEVICE)
            c->drive[n].device = value;
        else if (!(c->drive[n].status & BSY))
            task_file_write(&c->drive[n], offset, value);
    }
    if (offset != DEVICE) return;
    c->selected = value >> 4 & 1;
    line_update(c);
}

static void command_block_write(void *channel, u32 offset, u32 value, unsigned bytes)
{
    if (offset == DATA) {
        data_write(channel, value, bytes);
        return;
    }
    for (unsigned i = 0; i < bytes; i++) register_write(channel, (offset + i) & 7, (u8)(value >> (8 * i)));
}

static void control_block_write(void *channel, u32 offset, u32 value, unsigned bytes)
{
    IdeChannel *c = channel;
    u8 old = c->control;
    (void)offset, (void)bytes;
    c->control = value & (NIEN | SRST | HOB);
    if (c->control & ~old & SRST) software_reset(c);
    if ((c->control ^ old) & NIEN) timer_update(c);
    line_update(c);
}

static void master_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    Ide *x = dev;
    for (unsigned i = 0; i < bytes; i++) {
        IdeChannel *c = &x->channel[(offset + i) >> 3 & 1];
        if (bmdma_register_write(&c->bm, (offset + i) & 7, (u8)(value >> (8 * i)))) dma_run(c);
    }
}

/* --- PCI ------------------------------------------------------------------------------------------------- */

static void decode_update(Ide *x)
{
    for (int n = 0; n < IDE_CHANNELS; n++) {
        bool on = x->pci.config[IDETIM + 2 * n + 1] & IDETIM_DECODE;
        bus_move(x->bus, x->command_range[n], on, command_port[n]);
        bus_move(x->bus, x->control_range[n], on, control_port[n]);
    }
}

static void config_written(void *dev, u32 reg, unsigned bytes)
{
    if (reg < IDETIM + 4 && reg + bytes > IDETIM) decode_update(dev);
}

static void master_moved(void *dev, unsigned bar, bool enabled, u32 base)
{
    Ide *x = dev;
    (void)bar;
    bus_move(x->bus, x->master_range, enabled, base);
}

/* --- life cycle ------------------------------------------------------------------------------------------ */

static void config_reset(Ide *x)
{
    enum { FIRMWARE_BMIBA = 0xc000 };
    PciFunction *f = &x->pci;
    pci_function_init(f, 0x8086, 0x7010, 0x010180, 0x00);
    pci_set16(f, PCI_STATUS, 0x0280);
    f->config[PCI_INTERRUPT_LINE] = 14;
    pci_allow(f, PCI_COMMAND, 1, PCI_COMMAND_MASTER);
    pci_allow(f, PCI_LATENCY, 1, 0xf0);
    pci_allow(f, IDETIM, 5, 0xff);
    f->config[IDETIM + 1] = f->config[IDETIM + 3] = IDETIM_DECODE;
    pci_bar(f, BMIBA, PCI_BAR_IO, 16, master_moved);
    if (x->configured) {
        f->config[PCI_COMMAND] |= PCI_COMMAND_MASTER;
        pci_bar_set(f, BMIBA, FIRMWARE_BMIBA);
    }
    decode_update(x);
}

void ide_reset(void *dev)
{
    Ide *x = dev;
    config_reset(x);
    for (int n = 0; n < IDE_CHANNELS; n++) {
        IdeChannel *c = &x->channel[n];
        c->control = 0;
        bmdma_reset(&c->bm);
        for (int i = 0; i < 2; i++)
            if (ide_exists(&c->drive[i]) && !ide_is_cd(&c->drive[i])) {
                ata_init(&c->drive[i]);
                c->bm.status |= (u8)(0x20 << i); /* DMA capable, as firmware says */
            }
        for (int i = 0; i < 2; i++) {
            c->drive[i].bay->pace = (Pace){0};
            c->drive[i].paid = false;
        }
        software_reset(c);
    }
}

static const IoOps command_ops = {command_block_read, command_block_write, 1, 4};
static const IoRuns data_runs = {data_read_run, data_write_run};
static const IoOps control_ops = {control_block_read, control_block_write, 1, 1};
static const IoOps master_ops = {master_read, master_write, 1, 4};

static void task_file_state(State *s, const char *name, TaskFile *t)
{
    state_bytes(s, name, (u8 *)t, sizeof *t);
}

static void geometry_state(State *s, const char *name, Geometry *g)
{
    state_values(s, name, g, 4, 3);
    state_check(s, g->heads && g->heads <= 256 && g->sectors && g->sectors <= 255, name);
}

/* A disk's place in a transfer, on the medium that it has now. */
static void transfer_state(IdeDrive *d, State *s)
{
    u64 sectors = d->bay->medium ? d->bay->medium->sectors : 0;
    state_u64(s, "lba", &d->lba);
    state_u32(s, "left", &d->left);
    state_check(s, d->left <= 0x10000, "left");
    state_check(s, ide_is_cd(d) || !d->left || (d->left <= sectors && d->lba <= sectors - d->left), "lba");
    state_u32(s, "block", &d->block);
    state_check(s, d->block <= IDE_BUFFER_BYTES / SECTOR_BYTES, "block");
    state_bool(s, "writes", &d->writes);
    state_bool(s, "written", &d->written);
    state_u32(s, "at", &d->at);
    state_u32(s, "end", &d->end);
    state_check(s, d->at <= d->end && d->end <= IDE_BUFFER_BYTES, "at");
    state_enum(s, "after", &d->after, IDE_STEPS);
    state_enum(s, "next", &d->next, IDE_STEPS);
    state_bytes(s, "buffer", d->buffer, sizeof d->buffer);
}

static void drive_state(IdeDrive *d, State *s)
{
    state_u8(s, "status", &d->status);
    state_u8(s, "error", &d->error);
    state_u8(s, "device", &d->device);
    task_file_state(s, "reg", &d->reg);
    task_file_state(s, "hob", &d->hob);
    state_bool(s, "intrq", &d->intrq);
    state_u8(s, "command", &d->command);
    state_u8(s, "result", &d->result);
    state_bool(s, "held", &d->held);
    state_bool(s, "paid", &d->paid);
    pace_state(&d->bay->pace, s);
    state_bool(s, "locked", &d->bay->locked);
    state_bool(s, "tray_open", &d->bay->tray_open);
    state_u8(s, "mode", &d->mode);
    state_bool(s, "standby", &d->standby);
    transfer_state(d, s);
    if (ide_is_cd(d)) {
        atapi_state(d, s);
        return;
    }
    geometry_state(s, "physical", &d->physical);
    geometry_state(s, "logical", &d->logical);
    state_u8(s, "multiple", &d->multiple);
    state_check(s, d->multiple <= IDE_BUFFER_BYTES / SECTOR_BYTES, "multiple");
    state_bool(s, "write_cache", &d->write_cache);
    state_bool(s, "look_ahead", &d->look_ahead);
    state_bool(s, "smart", &d->smart);
}

static void channel_state(IdeChannel *c, State *s)
{
    state_u8(s, "selected", &c->selected);
    state_check(s, c->selected <= 1, "selected");
    state_u8(s, "control", &c->control);
    state_u8(s, "busy", &c->busy);
    state_check(s, c->busy <= IDE_NOBODY, "busy");
    state_u8(s, "dma", &c->dma);
    state_check(s, c->dma <= IDE_NOBODY, "dma");
    state_u64(s, "busy_until_ns", &c->busy_until_ns);
    state_u8(s, "polls", &c->polls);
    state_bool(s, "paced", &c->paced);
    bmdma_state(&c->bm, s);
    state_timer(s, "timer", c->clock, &c->timer);
}

static void ide_state(void *dev, State *s)
{
    Ide *x = dev;
    pci_function_state(&x->pci, s);
    for (unsigned n = 0; n < IDE_CHANNELS; n++) {
        state_group(s, "channel", n);
        channel_state(&x->channel[n], s);
        state_group_end(s);
    }
    for (unsigned n = 0; n < 2 * IDE_CHANNELS; n++) {
        IdeDrive *d = &x->channel[n >> 1].drive[n & 1];
        state_group(s, "drive", n);
        if (ide_exists(d)) drive_state(d, s);
        state_group_end(s);
    }
}

static void ide_loaded(void *dev)
{
    Ide *x = dev;
    pci_function_loaded(&x->pci);
    decode_update(x);
}

const PartKind ide_part = {.version = 1, .reset = ide_reset, .state = ide_state, .loaded = ide_loaded};

static void channel_init(Ide *x, int n, Phys *phys, Clock *clock, Drive *bays, IrqLine irq)
{
    IdeChannel *c = &x->channel[n];
    c->irq = irq;
    c->clock = clock;
    c->bm.phys = phys;
    c->timer = (Timer){.fire = busy_over, .ctx = c};
    for (unsigned i = 0; i < 2; i++) {
        IdeDrive *d = &c->drive[i];
        d->bay = &bays[2 * n + (int)i];
        d->channel = c;
        d->number = 2 * (unsigned)n + i;
        if (!ide_exists(d) || !ide_is_cd(d)) continue;
        d->bay->moved = atapi_moved;
        d->bay->ctx = d;
    }
    x->command_range[n] = bus_add_ports(x->bus, command_port[n], 8, &command_ops, c, n ? "ide1" : "ide0");
    bus_set_runs(x->bus, x->command_range[n], &data_runs);
    x->control_range[n] = bus_add_ports(x->bus, control_port[n], 1, &control_ops, c, n ? "ide1" : "ide0");
}

void ide_init(Ide *x, Pci *pci, Bus *bus, Phys *phys, Clock *clock, Drive bays[4], IrqLine irq14,
              IrqLine irq15, bool configured)
{
    memset(x, 0, sizeof *x);
    x->configured = configured;
    x->bus = bus;
    x->pci = (PciFunction){.dev = x, .written = config_written};
    channel_init(x, 0, phys, clock, bays, irq14);
    channel_init(x, 1, phys, clock, bays, irq15);
    x->master_range = bus_add_ports(bus, 0xc000, 16, &master_ops, x, "ide-bus-master");
    bus_move(bus, x->master_range, false, 0xc000);
    pci_add(pci, PCI_FN(1, 1), &x->pci);
    ide_reset(x);
}

bool ide_geometry(const Ide *x, unsigned drive, Geometry *g, u8 *translation)
{
    const IdeDrive *d = &x->channel[drive >> 1 & 1].drive[drive & 1];
    if (!ide_exists(d) || ide_is_cd(d)) return false;
    *g = d->physical;
    *translation = d->translation;
    return true;
}
