/* bus.h - the I/O bus: port ranges and memory-mapped regions, both served by one kind of map.
 *
 * A device gets an *offset* into its range and the access size; the bus splits what a range cannot take
 * (IoOps.min_bytes/max_bytes), as the PIIX does for ISA. Unclaimed ports read all ones and ignore writes (traced).
 * Not thread-safe: the vCPU thread only.
 */
#ifndef RING3_BUS_H
#define RING3_BUS_H

#include "cpu/base/base.h"

typedef struct IoOps {
    u32 (*read)(void *dev, u32 offset, unsigned bytes); /* value in the low bits */
    void (*write)(void *dev, u32 offset, u32 value, unsigned bytes);
    u8 min_bytes, max_bytes; /* 1, 2 or 4 */
} IoOps;

/* How long, in ns of guest time, a read at this offset goes on to tell the same and to change nothing but what it has
 * changed once; 0: it does not. Bits that come and go within 64 us do not count. */
typedef u64 IoStill(void *dev, u32 offset);
#define STILL_UNTIL_EVENT UINT64_MAX /* until a Timer fires, input comes or somebody writes */

/* Of a data port: as many of `count` accesses in a row at this offset as do no more than move bytes between a buffer of
 * the device and memory; 0: none. The access that ends a block is never one of them. */
typedef struct IoRuns {
    u32 (*read)(void *dev, u32 offset, unsigned bytes, void *to, u32 count);
    u32 (*write)(void *dev, u32 offset, unsigned bytes, const void *from, u32 count);
} IoRuns;

typedef struct IoRange {
    u32 base, length; /* ports: 0..0xffff; memory: pa */
    const IoOps *ops;
    void *dev;
    const char *name; /* static; for traces and `info mtree` */
    IoStill *still;   /* NULL: nothing is known of reads */
    const IoRuns *runs; /* NULL: one access at a time */
} IoRange;

typedef struct Bus Bus;
Bus *bus_new(void);
void bus_free(Bus *b);

/* Register a range. Later ranges win where they overlap. Returns an id for bus_move (BARs, chip selects). */
int bus_add_ports(Bus *b, u32 port, u32 count, const IoOps *ops, void *dev, const char *name);
int bus_add_mmio(Bus *b, u32 pa, u32 bytes, const IoOps *ops, void *dev, const char *name);
void bus_move(Bus *b, int id, bool enabled, u32 base);
void bus_set_runs(Bus *b, int id, const IoRuns *runs);
/* Who waits at these ports in a loop may sleep: see cpu/wait.c. The answer is of an access of 1, 2 or 4 bytes; ports
 * that nobody has stay as they are until an event. */
void bus_set_still(Bus *b, int id, IoStill *still);
u64 bus_port_still(const Bus *b, u16 port, unsigned bytes);

/* Who serves an address now, and in *last up to where that stays so; NULL: nobody. For people who look. */
const IoRange *bus_port_owner(const Bus *b, u16 port, u32 *last);
const IoRange *bus_mmio_owner(const Bus *b, u32 pa, u32 *last);

/* Count accesses by range from now on (runs as one). For people, too: bus_counts() tells of each range
 * how many there were. */
void bus_count(Bus *b);
void bus_counts(const Bus *b, void (*tell)(void *ctx, const IoRange *r, bool mmio, u64 count), void *ctx);

/* 1, 2 or 4 bytes at a port; straddling ranges is handled bytewise. */
u32 bus_port_in(Bus *b, u16 port, unsigned bytes);
void bus_port_out(Bus *b, u16 port, u32 value, unsigned bytes);
/* REP INS and OUTS: the first so many of `count` accesses, as the device takes them in one go; 0: one at a time,
 * please. What it does not take it knows nothing of. */
u32 bus_port_in_run(Bus *b, u16 port, unsigned bytes, void *to, u32 count);
u32 bus_port_out_run(Bus *b, u16 port, unsigned bytes, const void *from, u32 count);
/* Memory-mapped access, 1, 2 or 4 bytes within one page. Unclaimed: all ones. */
u32 bus_mmio_read(Bus *b, u32 pa, unsigned bytes);
void bus_mmio_write(Bus *b, u32 pa, u32 value, unsigned bytes);

/* For runs of accesses to device memory (REP MOVS and STOS): the range that takes an access of `bytes` at pa whole,
 * and *n cut to the accesses from there upwards that it takes, too. NULL: one at a time, please. Offsets are pa -
 * base. */
const IoRange *bus_mmio_run(Bus *b, u32 pa, unsigned bytes, u32 *n);
u32 bus_range_read(const IoRange *io, u32 offset, unsigned bytes);
void bus_range_write(const IoRange *io, u32 offset, u32 value, unsigned bytes);

#endif
