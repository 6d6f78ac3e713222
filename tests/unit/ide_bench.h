/* ide_bench.h - the IDE function on a bench: media in memory, channel accesses, bus master. For hw_ide.c and hw_atapi.c. */
#ifndef IDE_BENCH_H
#define IDE_BENCH_H

#include "hw_bench.h"

#include <errno.h>
#include <stdlib.h>

#include "hw/ide.h"

/* A medium in memory; sector n is full of n + 1. */
typedef struct TestMedium {
    Medium medium;
    u8 *bytes;
    u64 bad; /* this sector cannot be read or written */
    unsigned flushes;
    unsigned holds;  /* so often the next access is to be asked for again */
    int flush_error; /* what a flush gives */
    bool flushing;   /* a flush is under way */
} TestMedium;

static Pci pci;
static Phys *phys;
static Ide *ide;
static Drive bays[4];
static TestMedium media[4];
static Wire irq14, irq15;

enum { BM = 0xc000, PRD = 0x10000, DMA_AT = 0x20000 };
enum { BSY_BIT = 0x80, DRDY_BIT = 0x40, DRQ_BIT = 0x08, ERR_BIT = 0x01 };

static inline int test_read(Medium *m, u64 sector, void *to, u32 count)
{
    TestMedium *t = (TestMedium *)m;
    assert_true(sector + count <= m->sectors);
    if (t->holds) return t->holds--, MEDIUM_HELD;
    if (t->bad >= sector && t->bad < sector + count) return EIO;
    memcpy(to, t->bytes + sector * SECTOR_BYTES, (size_t)count * SECTOR_BYTES);
    return 0;
}

static inline int test_write(Medium *m, u64 sector, const void *from, u32 count)
{
    TestMedium *t = (TestMedium *)m;
    assert_true(sector + count <= m->sectors && !m->readonly);
    if (t->holds) return t->holds--, MEDIUM_HELD;
    if (t->bad >= sector && t->bad < sector + count) return EIO;
    memcpy(t->bytes + sector * SECTOR_BYTES, from, (size_t)count * SECTOR_BYTES);
    return 0;
}

static inline int test_flush(Medium *m)
{
    TestMedium *t = (TestMedium *)m;
    if (t->holds) return t->holds--, MEDIUM_HELD;
    t->flushes++;
    return t->flush_error;
}

/* Under way until a test clears `flushing`. */
static inline int test_flush_later(Medium *m)
{
    return ((TestMedium *)m)->flushing ? MEDIUM_LATER : test_flush(m);
}

static inline int test_discard(Medium *m, u64 sector, u32 count)
{
    TestMedium *t = (TestMedium *)m;
    assert_true(sector + count <= m->sectors && !m->readonly);
    if (t->holds) return t->holds--, MEDIUM_HELD;
    if (t->bad >= sector && t->bad < sector + count) return EIO;
    memset(t->bytes + sector * SECTOR_BYTES, 0, (size_t)count * SECTOR_BYTES);
    return 0;
}

static inline Medium *medium_make(int n, u32 sectors)
{
    TestMedium *t = &media[n];
    free(t->bytes);
    *t = (TestMedium){.medium = {.sectors = sectors,
                                 .name = "test",
                                 .read = test_read,
                                 .write = test_write,
                                 .flush = test_flush},
                      .bytes = malloc((size_t)sectors * SECTOR_BYTES),
                      .bad = UINT64_MAX};
    for (u32 s = 0; s < sectors; s++) memset(t->bytes + s * SECTOR_BYTES, (int)(s + 1) & 0xff, SECTOR_BYTES);
    return &t->medium;
}

/* The bays are filled; plug the function in. */
static inline void ide_up(void)
{
    irq14 = irq15 = (Wire){0};
    phys = phys_new(bus, 16 << 20);
    pci_init(&pci, bus);
    ide = calloc(1, sizeof *ide);
    ide_init(ide, &pci, bus, phys, &clk, bays, wire_line(&irq14), wire_line(&irq15), true);
    ide_reset(ide);
}

static inline int ide_down(void **state)
{
    for (int n = 0; n < 4; n++) free(media[n].bytes), media[n].bytes = NULL;
    memset(bays, 0, sizeof bays);
    phys_free(phys);
    free(ide);
    return bench_down(state);
}

/* --- a channel; base 1f0 or 170 --------------------------------------------------------------------------- */

static inline u8 alt(u16 base) { return in((u16)(base + 0x206)); }

/* Wait until it is no longer busy; the status. */
static inline u8 wait(u16 base)
{
    clock_advance(&clk, MS);
    return in((u16)(base + 7));
}

static inline u16 in16(u16 port) { return (u16)bus_port_in(bus, port, 2); }

static inline void data_get(u16 base, u8 *to, u32 bytes)
{
    for (u32 n = 0; n < bytes; n += 2) store16(to + n, in16(base));
}

static inline void data_put(u16 base, const u8 *from, u32 bytes)
{
    for (u32 n = 0; n < bytes; n += 2) bus_port_out(bus, base, load16(from + n), 2);
}

static inline void prd(u32 n, u32 pa, u32 bytes, bool last)
{
    phys_write(phys, PRD + 8 * n, pa, 4);
    phys_write(phys, PRD + 8 * n + 4, (bytes & 0xffff) | (last ? 0x80000000u : 0), 4);
}

static inline void bm_start(u16 bm, bool to_memory)
{
    bus_port_out(bus, (u16)(bm + 4), PRD, 4);
    out((u16)(bm + 2), 0x06);
    out(bm, to_memory ? 0x09 : 0x01);
}

#endif
