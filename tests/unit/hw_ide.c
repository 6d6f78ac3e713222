/* hw_ide.c - channels, device selection, interrupts, and the commands of an ATA disk by PIO and by bus master. */
#include "ide_bench.h"

enum { P = 0x1f0, S = 0x170, SECTORS = 4096 };

static int setup(void **state)
{
    (void)state;
    bench_up();
    bays[0] = (Drive){.present = true, .medium = medium_make(0, SECTORS)};
    bays[3] = (Drive){.present = true, .medium = medium_make(3, 100)};
    ide_up();
    return 0;
}

static void regs(u16 base, u8 features, u8 count, u8 low, u8 mid, u8 high, u8 device)
{
    u8 v[] = {features, count, low, mid, high, device};
    for (u16 n = 0; n < 6; n++) out((u16)(base + 1 + n), v[n]);
}

static void lba_command(u16 base, u8 command, u32 lba, u8 count)
{
    regs(base, 0, count, (u8)lba, (u8)(lba >> 8), (u8)(lba >> 16), (u8)(0xe0 | lba >> 24));
    out((u16)(base + 7), command);
}

static u8 sector[65536];

static void a_disk_is_found_and_identified(void **state)
{
    (void)state;
    assert_int_equal(in(P + 7), 0x50);
    assert_true(in(P + 2) == 1 && in(P + 3) == 1 && in(P + 4) == 0 && in(P + 5) == 0);
    out(P + 6, 0xa0);
    out(P + 7, 0xec);
    assert_int_equal(alt(P) & BSY_BIT, BSY_BIT);
    assert_int_equal(irq14.rises, 0);
    clock_advance(&clk, MS);
    assert_int_equal(irq14.level, 1);
    assert_int_equal(alt(P) & (BSY_BIT | DRQ_BIT), DRQ_BIT);
    assert_int_equal(irq14.level, 1); /* the alternate status leaves it */
    in(P + 7);
    assert_int_equal(irq14.level, 0);
    data_get(P, sector, 512);
    assert_int_equal(in(P + 7), 0x50);
    assert_int_equal(load16(sector), 0x40);
    assert_memory_equal(sector + 54, "IRGN 3AHDRIDKS", 14);
    assert_int_equal(load32(sector + 120), SECTORS);
    assert_int_equal(load16(sector + 200), SECTORS);
    assert_true(load16(sector + 2) == 4 && load16(sector + 6) == 16 && load16(sector + 12) == 63);
    assert_int_equal(in16(P), 0); /* nothing more to read */
}

static void absent_drives_are_silent(void **state)
{
    (void)state;
    out(P + 6, 0xb0); /* no slave on the primary */
    assert_int_equal(in(P + 7), 0);
    out(P + 7, 0xec);
    assert_int_equal(wait(P), 0);
    assert_int_equal(irq14.rises, 0);
    out(S + 6, 0xa0); /* no master on the secondary, but a slave */
    assert_int_equal(in(S + 7), 0);
    out(S + 6, 0xb0);
    assert_int_equal(in(S + 7), 0x50);
    out(P + 6, 0xa0);
    assert_int_equal(in(P + 7), 0x50);
}

static void pio_reads_by_sector_and_by_block(void **state)
{
    (void)state;
    lba_command(P, 0x20, 5, 3);
    for (u32 n = 0; n < 3; n++) {
        assert_int_equal(wait(P) & 0x89, DRQ_BIT);
        data_get(P, sector, 512);
        assert_true(sector[0] == 6 + n && sector[511] == 6 + n);
    }
    assert_int_equal(irq14.rises, 3);
    assert_int_equal(wait(P), 0x50);
    assert_int_equal(irq14.rises, 3); /* none after the last block */
    regs(P, 0, 4, 0, 0, 0, 0xa0);
    out(P + 7, 0xc6);
    assert_int_equal(wait(P), 0x50);
    lba_command(P, 0xc4, 100, 6); /* blocks of 4 and 2 */
    assert_int_equal(wait(P) & DRQ_BIT, DRQ_BIT);
    data_get(P, sector, 4 * 512);
    assert_int_equal(wait(P) & DRQ_BIT, DRQ_BIT);
    for (u32 n = 0; n < 256; n++) store32(sector + 4 * n, bus_port_in(bus, P, 4)); /* 32 bits wide */
    assert_int_equal(sector[512], 106);
    assert_int_equal(wait(P), 0x50);
    regs(P, 0, 3, 0, 0, 0, 0xa0);
    out(P + 7, 0xc6); /* no power of two */
    assert_int_equal(wait(P) & ERR_BIT, ERR_BIT);
    assert_int_equal(in(P + 1), 0x04);
}

/* What REP INSW and OUTSW of a block come to: a run as long as the drive takes, the last access by itself. */
static void get_by_runs(u8 *to, u32 words)
{
    for (u32 n = 0, done; n < words; n += done) {
        done = bus_port_in_run(bus, P, 2, to + 2 * n, words - n < 100 ? words - n : 100);
        assert_true(done == (words - n > 100 ? 100 : words - n - 1));
        if (!done) {
            store16(to + 2 * n, in16(P));
            done = 1;
        }
    }
}

static void put_by_runs(const u8 *from, u32 words)
{
    u32 done = bus_port_out_run(bus, P, 2, from, words);
    assert_int_equal(done, words - 1);
    assert_int_equal(bus_port_out_run(bus, P, 2, from + 2 * done, 1), 0);
    bus_port_out(bus, P, load16(from + 2 * done), 2);
}

static void a_block_goes_in_runs(void **state)
{
    (void)state;
    assert_int_equal(bus_port_in_run(bus, P, 2, sector, 256), 0); /* no command */
    assert_int_equal(bus_port_in_run(bus, P + 1, 1, sector, 256), 0);
    lba_command(P, 0x20, 5, 2);
    for (u32 n = 0; n < 2; n++) {
        assert_int_equal(wait(P) & 0x89, DRQ_BIT);
        get_by_runs(sector, 256);
        assert_int_equal(bus_port_in_run(bus, P, 2, sector, 256), 0); /* the block is over */
        assert_true(sector[0] == 6 + n && sector[511] == 6 + n);
    }
    assert_int_equal(wait(P), 0x50);
    for (u32 n = 0; n < 1024; n++) sector[n] = (u8)(n * 3 + n / 256);
    lba_command(P, 0x30, 9, 2);
    for (u32 n = 0; n < 2; n++) {
        assert_int_equal(wait(P) & 0x89, DRQ_BIT);
        put_by_runs(sector + 512 * n, 256);
    }
    assert_int_equal(wait(P), 0x50);
    assert_memory_equal(media[0].bytes + 9 * 512, sector, 1024);
    assert_int_equal(media[0].bytes[11 * 512], 12);
}

static void data_may_come_before_they_are_asked_for(void **state)
{
    (void)state;
    memset(sector, 0x5a, sizeof sector);
    lba_command(P, 0x30, 20, 2);
    data_put(P, sector, 1024);
    assert_int_equal(alt(P) & BSY_BIT, BSY_BIT);
    clock_advance(&clk, MS);
    assert_int_equal(irq14.level, 1);
    assert_int_equal(in(P + 7), 0x50);
    assert_true(media[0].bytes[20 * 512] == 0x5a && media[0].bytes[22 * 512 - 1] == 0x5a &&
                media[0].bytes[22 * 512] == 23);
}

static void pio_writes(void **state)
{
    (void)state;
    memset(sector, 0xa5, sizeof sector);
    lba_command(P, 0x30, 9, 2);
    assert_int_equal(wait(P) & 0x89, DRQ_BIT);
    assert_int_equal(irq14.rises, 0); /* the first block is asked for without an interrupt */
    data_put(P, sector, 512);
    assert_int_equal(alt(P) & BSY_BIT, BSY_BIT);
    clock_advance(&clk, MS);
    assert_int_equal(irq14.level, 1);
    assert_int_equal(in(P + 7) & DRQ_BIT, DRQ_BIT);
    data_put(P, sector, 512);
    assert_int_equal(wait(P), 0x50);
    assert_int_equal(irq14.rises, 2);
    assert_true(media[0].bytes[9 * 512] == 0xa5 && media[0].bytes[11 * 512 - 1] == 0xa5 &&
                media[0].bytes[11 * 512] == 12 && media[0].bytes[9 * 512 - 1] == 9);
    out(P + 7, 0xe7);
    assert_int_equal(wait(P), 0x50);
    assert_int_equal(media[0].flushes, 1);
    out(P + 7, 0xe7); /* nothing was written since */
    wait(P);
    assert_int_equal(media[0].flushes, 1);
    regs(P, 0x82, 0, 0, 0, 0, 0xa0); /* write cache off: each write is safe when it ends */
    out(P + 7, 0xef);
    wait(P);
    lba_command(P, 0x30, 9, 1);
    wait(P);
    data_put(P, sector, 512);
    assert_int_equal(wait(P), 0x50);
    assert_int_equal(media[0].flushes, 2);
}

static void lba48_takes_two_writes_of_each_register(void **state)
{
    (void)state;
    regs(P, 0, 0, 0, 0, 0, 0xe0); /* high bytes */
    regs(P, 0, 2, 0x34, 0x02, 0, 0xe0);
    out(P + 7, 0x24);
    wait(P);
    data_get(P, sector, 512);
    assert_int_equal(sector[0], 0x35);
    wait(P);
    data_get(P, sector, 512);
    assert_int_equal(sector[0], 0x36);
    regs(P, 0, 0, 1, 0, 0, 0xe0); /* 1 << 24 */
    regs(P, 0, 1, 0, 0, 0, 0xe0);
    out(P + 7, 0x24);
    assert_int_equal(wait(P) & ERR_BIT, ERR_BIT);
    assert_int_equal(in(P + 1), 0x10);
    regs(P, 0, 1, 2, 3, 4, 0xe0);
    out(P + 6, 0xe0);
    out(P + 7, 0x27); /* READ NATIVE MAX EXT */
    wait(P);
    assert_true(in(P + 3) == 0xff && in(P + 4) == 0x0f && in(P + 5) == 0);
    out(0x3f6, 0x80);
    assert_true(in(P + 3) == 0 && in(P + 4) == 0 && in(P + 5) == 0);
    out(0x3f6, 0);
}

static void cylinders_heads_and_sectors(void **state)
{
    (void)state;
    regs(P, 0, 1, 1, 1, 0, 0xa2); /* cylinder 1, head 2, sector 1 */
    out(P + 7, 0x20);
    wait(P);
    data_get(P, sector, 512);
    assert_int_equal(sector[0], (u8)((16 + 2) * 63 + 1));
    regs(P, 0, 17, 0, 0, 0, 0xa3); /* 4 heads of 17 sectors */
    out(P + 7, 0x91);
    assert_int_equal(wait(P), 0x50);
    regs(P, 0, 1, 17, 0, 0, 0xa3);
    out(P + 7, 0x20);
    wait(P);
    data_get(P, sector, 512);
    assert_int_equal(sector[0], 4 * 17);
    out(P + 7, 0xec);
    wait(P);
    data_get(P, sector, 512);
    assert_true(load16(sector + 2) == 4 && load16(sector + 108) == SECTORS / 68 &&
                load16(sector + 110) == 4 && load16(sector + 112) == 17);
    static const u8 bad[][2] = {{0, 0xa0}, {18, 0xa0}, {1, 0xa4}};
    for (unsigned n = 0; n < ARRAY_LEN(bad); n++) {
        regs(P, 0, 1, bad[n][0], 0, 0, bad[n][1]);
        out(P + 7, 0x20);
        assert_int_equal(wait(P) & ERR_BIT, ERR_BIT);
        assert_int_equal(in(P + 1), 0x10);
    }
}

static void geometry_follows_the_partition_table(void **state)
{
    (void)state;
    Geometry g;
    u8 how, *mbr = media[0].bytes;
    memset(mbr, 0, 512);
    mbr[0x1be + 5] = 7, mbr[0x1be + 6] = 0x40 | 17, mbr[0x1be + 12] = 100; /* ends at head 7, sector 17 */
    store16(mbr + 510, 0xaa55);
    ide_reset(ide);
    assert_true(ide_geometry(ide, 0, &g, &how));
    assert_true(g.heads == 8 && g.sectors == 17 && g.cylinders == SECTORS / 136 &&
                how == IDE_TRANSLATION_NONE);
    mbr[0x1be + 5] = 254, mbr[0x1be + 6] = 63; /* the BIOS's doing: the drive has 16 */
    ide_reset(ide);
    assert_true(ide_geometry(ide, 0, &g, &how));
    assert_true(g.heads == 16 && g.sectors == 63 && how == IDE_TRANSLATION_LARGE);
    assert_false(ide_geometry(ide, 1, &g, &how));
}

static void errors_name_the_sector(void **state)
{
    (void)state;
    media[0].bad = 21;
    lba_command(P, 0x20, 20, 4);
    wait(P);
    data_get(P, sector, 512);
    assert_int_equal(wait(P) & 0x89, ERR_BIT);
    assert_int_equal(in(P + 1), 0x40);
    assert_int_equal(in(P + 3), 21);
    lba_command(P, 0x20, SECTORS - 1, 2); /* leaves the disk */
    assert_int_equal(wait(P) & 0x89, ERR_BIT);
    assert_int_equal(in(P + 1), 0x10);
    media[0].medium.readonly = true;
    lba_command(P, 0x30, 1, 1);
    assert_int_equal(wait(P) & 0x89, ERR_BIT);
    assert_int_equal(in(P + 1), 0x04);
    out(P + 7, 0xa1); /* IDENTIFY PACKET DEVICE */
    assert_int_equal(wait(P) & ERR_BIT, ERR_BIT);
    out(P + 7, 0x00);
    assert_int_equal(wait(P) & ERR_BIT, ERR_BIT);
}

static void resets_and_diagnosis(void **state)
{
    (void)state;
    lba_command(P, 0x20, 5, 3);
    out(0x3f6, 0x04);
    assert_int_equal(in(P + 7), BSY_BIT);
    out(0x3f6, 0x00);
    assert_int_equal(in(P + 7), 0x50);
    assert_true(in(P + 1) == 1 && in(P + 2) == 1 && in(P + 3) == 1 && in(P + 4) == 0 && in(P + 5) == 0);
    clock_advance(&clk, SEC);
    assert_int_equal(irq14.rises, 0); /* the read is forgotten */
    out(P + 6, 0xa0);
    out(P + 7, 0x90);
    assert_int_equal(wait(P), 0x50);
    assert_int_equal(irq14.rises, 1);
    assert_int_equal(in(P + 1), 1);
}

static void a_masked_interrupt_waits(void **state)
{
    (void)state;
    out(0x3f6, 0x02);
    out(P + 7, 0xec);
    assert_false(ide->channel[0].timer.armed); /* who polls needs no timer */
    while (alt(P) & BSY_BIT) {
    }
    assert_int_equal(irq14.rises, 0);
    out(0x3f6, 0x00);
    assert_int_equal(irq14.rises, 1);
    data_get(P, sector, 512);
    out(0x3f6, 0x02);
    out(P + 7, 0xec);
    clock_advance(&clk, MS); /* who looks late finds it done at once */
    assert_int_equal(in(P + 7) & (BSY_BIT | DRQ_BIT), DRQ_BIT);
}

/* --- bus master ------------------------------------------------------------------------------------------ */

static unsigned written_bytes;
static void on_written(void *ctx, u32 pa, u32 bytes, u8 watch)
{
    (void)ctx, (void)pa, (void)watch;
    written_bytes += bytes;
}

static void dma_scatters_and_gathers(void **state)
{
    (void)state;
    phys->on_written = on_written;
    for (u32 n = DMA_AT; n < DMA_AT + 0x100000; n += PAGE_BYTES) phys->watch[n >> PAGE_BITS] = WATCH_OTHER;
    written_bytes = 0;
    prd(0, DMA_AT + 0xffe, 100, false); /* across a page, and no whole sector */
    prd(1, DMA_AT + 0x3000, 2 * 512 - 100, false);
    prd(2, DMA_AT + 0x5000, 512, true);
    lba_command(P, 0xc8, 30, 3);
    assert_int_equal(alt(P) & BSY_BIT, BSY_BIT);
    bm_start(BM, true);
    assert_int_equal(in(BM + 2) & 5, 0); /* all moved; the interrupt is still to come */
    clock_advance(&clk, MS);
    assert_int_equal(irq14.level, 1);
    assert_int_equal(in(BM + 2) & 7, 4);
    assert_int_equal(in(P + 7), 0x50);
    out(BM, 0);
    out(BM + 2, 4);
    assert_int_equal(in(BM + 2) & 7, 0);
    assert_int_equal(written_bytes, 3 * 512);
    assert_int_equal(phys_read(phys, DMA_AT + 0xffe, 1), 31);
    assert_int_equal(phys_read(phys, DMA_AT + 0xffe + 99, 1), 31);
    assert_int_equal(phys_read(phys, DMA_AT + 0x3000 + 411, 1), 31);
    assert_int_equal(phys_read(phys, DMA_AT + 0x3000 + 412, 1), 32);
    assert_int_equal(phys_read(phys, DMA_AT + 0x5000, 4), 0x21212121);
    lba_command(P, 0xca, 200, 3);
    bm_start(BM, false);
    clock_advance(&clk, MS);
    assert_int_equal(in(P + 7), 0x50);
    assert_memory_equal(media[0].bytes + 200 * 512, media[0].bytes + 30 * 512, 3 * 512);
}

static void dma_may_be_started_before_the_command(void **state)
{
    (void)state;
    prd(0, DMA_AT, 0, true); /* 0: 64 KiB */
    bm_start(BM, true);
    assert_int_equal(in(BM + 2) & 1, 1);
    lba_command(P, 0xc8, 0, 128);
    clock_advance(&clk, MS);
    assert_int_equal(in(BM + 2) & 7, 4);
    assert_int_equal(phys_read(phys, DMA_AT + 127 * 512, 1), 128);
}

static void dma_of_unequal_lengths(void **state)
{
    (void)state;
    prd(0, DMA_AT, 4096, true); /* memory for more: stays active */
    lba_command(P, 0xc8, 0, 1);
    bm_start(BM, true);
    clock_advance(&clk, MS);
    assert_int_equal(in(BM + 2) & 7, 5);
    out(BM, 0);
    assert_int_equal(in(BM + 2) & 1, 0);
    in(P + 7);
    prd(0, DMA_AT, 512, true); /* memory for less: no interrupt */
    irq14.rises = 0;
    lba_command(P, 0xc8, 0, 2);
    bm_start(BM, true);
    clock_advance(&clk, MS);
    assert_int_equal(in(BM + 2) & 7, 0);
    assert_int_equal(irq14.rises, 0);
    out(BM, 0);
    media[0].bad = 7;
    prd(0, DMA_AT, 0x8000, true);
    lba_command(P, 0xc8, 0, 16);
    bm_start(BM, true);
    clock_advance(&clk, MS);
    assert_int_equal(in(P + 7) & ERR_BIT, ERR_BIT);
    assert_int_equal(in(P + 1), 0x40);
}

static void dma_outside_of_memory_does_no_harm(void **state)
{
    (void)state;
    static const u32 places[] = {0xa0000, 0xfffff000, 0x00fffe00, 0xfffffe00};
    for (unsigned n = 0; n < ARRAY_LEN(places); n++) {
        for (int to_memory = 0; to_memory < 2; to_memory++) {
            prd(0, places[n], 4096, true);
            lba_command(P, to_memory ? 0xc8 : 0xca, 8, 8);
            bm_start(BM, to_memory);
            assert_int_equal(wait(P), 0x50);
            out(BM, 0);
        }
    }
}

/* --- sectors that nobody needs ---------------------------------------------------------------------------- */

/* DATA SET MANAGEMENT with what lies at DMA_AT. */
static void trim_from(u32 bytes, u8 features, u8 blocks)
{
    out(BM, 0);
    prd(0, DMA_AT, bytes, true);
    regs(P, 0, 0, 0, 0, 0, 0xe0);
    regs(P, features, blocks, 0, 0, 0, 0xe0);
    out(P + 7, 0x06);
    bm_start(BM, false);
}
static void trim(u8 features, u8 blocks) { trim_from(blocks * 512u, features, blocks); }

static void range_put(u32 n, u64 lba, u32 count)
{
    phys_write(phys, DMA_AT + 8 * n, (u32)lba, 4);
    phys_write(phys, DMA_AT + 8 * n + 4, (u32)(lba >> 32) | count << 16, 4);
}

static void trim_is_offered_where_the_medium_takes_it(void **state)
{
    (void)state;
    range_put(0, 5, 2);
    trim(1, 1);
    assert_int_equal(wait(P) & ERR_BIT, ERR_BIT);
    for (int with = 0; with < 2; with++) {
        media[0].medium.discard = with ? test_discard : NULL;
        out(P + 7, 0xec);
        wait(P);
        data_get(P, sector, 512);
        assert_int_equal(load16(sector + 2 * 169), with);
        assert_int_equal(load16(sector + 2 * 105), with ? 8 : 0);
        assert_int_equal(load16(sector + 2 * 69), with ? 0x4000 : 0);
        assert_int_equal(load16(sector + 2 * 80), with ? 0x01fe : 0x7e);
    }
}

static void trim_discards_ranges(void **state)
{
    (void)state;
    media[0].medium.discard = test_discard;
    range_put(0, 5, 2);
    range_put(1, 9, 0); /* none */
    range_put(64, 20, 1);
    media[0].holds = 2;
    trim(1, 2);
    clock_advance(&clk, 40000);
    assert_int_equal(irq14.level, 0);
    clock_advance(&clk, MS);
    assert_int_equal(irq14.level, 1);
    assert_int_equal(in(BM + 2) & 7, 4);
    assert_int_equal(in(P + 7), 0x50);
    const u8 *b = media[0].bytes;
    assert_true(b[4 * 512] == 5 && !b[5 * 512] && !b[7 * 512 - 1] && b[7 * 512] == 8);
    assert_true(b[9 * 512] == 10 && b[19 * 512] == 20 && !b[20 * 512] && b[21 * 512] == 22);
    out(P + 7, 0xe7); /* it is to be flushed as a write is */
    wait(P);
    assert_int_equal(media[0].flushes, 1);
}

static void impossible_trims_do_nothing(void **state)
{
    (void)state;
    static const u64 lbas[] = {SECTORS, SECTORS - 1, 0xffffffffffff, 1ull << 32};
    media[0].medium.discard = test_discard;
    for (unsigned n = 0; n < ARRAY_LEN(lbas); n++) {
        range_put(0, 5, 1);
        range_put(1, lbas[n], 2);
        trim(1, 1);
        assert_int_equal(wait(P) & ERR_BIT, ERR_BIT);
        assert_int_equal(in(P + 1), 0x04);
        assert_int_equal(media[0].bytes[5 * 512], 6);
    }
    range_put(1, 0, 0);
    static const u8 bad[][2] = {{0, 1}, {2, 1}, {1, 0}, {1, 9}};
    for (unsigned n = 0; n < ARRAY_LEN(bad); n++) {
        trim(bad[n][0], bad[n][1]);
        assert_int_equal(wait(P) & ERR_BIT, ERR_BIT);
    }
    irq14.rises = 0;
    trim_from(512, 1, 2); /* memory for less: no interrupt */
    assert_int_equal(wait(P), 0x50);
    assert_true(irq14.rises == 0 && media[0].bytes[5 * 512] == 6);
    out(BM, 0);
    media[0].bad = 5;
    trim(1, 1);
    assert_int_equal(wait(P) & ERR_BIT, ERR_BIT);
    media[0].bad = UINT64_MAX;
    media[0].medium.readonly = true;
    trim(1, 1);
    assert_int_equal(wait(P) & ERR_BIT, ERR_BIT);
}

/* --- a host that cannot do it now ------------------------------------------------------------------------ */

enum { HELD_US = 45 }; /* of three steps of 15 us */

/* Busy, without an interrupt, while the medium holds it; then as if nothing had been. */
static void held_for_a_while(void)
{
    clock_advance(&clk, (HELD_US - 5) * 1000);
    assert_int_equal(irq14.level, 0);
    assert_true(media[0].holds < 3);
    clock_advance(&clk, MS);
    assert_int_equal(media[0].holds, 0);
    assert_int_equal(irq14.level, 1);
}

static void a_held_transfer_is_taken_up_again(void **state)
{
    (void)state;
    memset(sector, 0x5a, sizeof sector);
    lba_command(P, 0x30, 20, 2);
    assert_int_equal(wait(P) & DRQ_BIT, DRQ_BIT);
    media[0].holds = 3;
    data_put(P, sector, 512);
    held_for_a_while();
    assert_int_equal(in(P + 7) & (DRQ_BIT | ERR_BIT), DRQ_BIT);
    data_put(P, sector, 512);
    assert_int_equal(wait(P), 0x50);
    assert_true(media[0].bytes[20 * 512] == 0x5a && media[0].bytes[22 * 512 - 1] == 0x5a &&
                media[0].bytes[22 * 512] == 23);
    media[0].holds = 3;
    lba_command(P, 0x20, 5, 1);
    held_for_a_while();
    data_get(P, sector, 512);
    assert_int_equal(sector[0], 6);
    media[0].holds = 3;
    out(P + 7, 0xe7);
    held_for_a_while();
    assert_true(in(P + 7) == 0x50 && media[0].flushes == 1);
}

static void begin_slow_flush(void)
{
    media[0].medium.flush_later = test_flush_later;
    lba_command(P, 0x30, 20, 1);
    wait(P);
    data_put(P, sector, 512);
    assert_int_equal(wait(P), 0x50);
    media[0].flushing = true;
    out(P + 7, 0xe7);
}

/* The drive is busy, without an interrupt, for as long as the host takes; the guest hears of the end at once. */
static void a_flush_goes_on_beside_the_guest(void **state)
{
    (void)state;
    begin_slow_flush();
    for (int n = 0; n < 100; n++) assert_int_equal(wait(P) & BSY_BIT, BSY_BIT);
    assert_true(irq14.level == 0 && media[0].flushes == 0);
    media[0].flushing = false;
    ide_medium_done(ide);
    clock_advance(&clk, 50000);
    assert_true(irq14.level == 1 && media[0].flushes == 1);
    assert_int_equal(in(P + 7), 0x50);
    begin_slow_flush(); /* and if nobody says so, a little later */
    media[0].flushing = false;
    clock_advance(&clk, 20 * MS);
    assert_true(in(P + 7) == 0x50 && media[0].flushes == 2);
}

static void a_flush_that_goes_on_can_be_given_up(void **state)
{
    (void)state;
    begin_slow_flush();
    out(0x3f6, 0x04);
    out(0x3f6, 0x00);
    assert_int_equal(in(P + 7), 0x50);
    media[0].flushing = false;
    ide_medium_done(ide);
    clock_advance(&clk, SEC);
    assert_int_equal(irq14.level, 0);
    out(P + 7, 0xe7); /* what was written is still to be flushed */
    wait(P);
    assert_int_equal(media[0].flushes, 1);
}

static void held_dma_loses_no_byte(void **state)
{
    (void)state;
    prd(0, DMA_AT + 0xffe, 100, false); /* the first sector lies in two pieces */
    prd(1, DMA_AT + 0x3000, 2 * 512 - 100, true);
    for (u32 n = 0; n < 100; n++) phys_write(phys, DMA_AT + 0xffe + n, 0x11, 1);
    for (u32 n = 0; n < 2 * 512; n++) phys_write(phys, DMA_AT + 0x3000 + n, 0x22, 1);
    lba_command(P, 0xca, 100, 2);
    media[0].holds = 3;
    bm_start(BM, false);
    held_for_a_while();
    assert_true(in(P + 7) == 0x50 && (in(BM + 2) & 7) == 4);
    const u8 *to = media[0].bytes + 100 * 512;
    assert_true(to[0] == 0x11 && to[99] == 0x11 && to[100] == 0x22 && to[1023] == 0x22 && to[1024] == 103);
    out(BM, 0);
    lba_command(P, 0xc8, 30, 2);
    media[0].holds = 3;
    bm_start(BM, true);
    held_for_a_while();
    assert_true(in(P + 7) == 0x50 && (in(BM + 2) & 7) == 4);
    assert_int_equal(phys_read(phys, DMA_AT + 0xffe + 99, 1), 31);
    assert_int_equal(phys_read(phys, DMA_AT + 0x3000 + 2 * 512 - 101, 1), 32);
}

static void a_held_transfer_can_be_given_up(void **state)
{
    (void)state;
    prd(0, DMA_AT, 512, true);
    media[0].holds = 1000000;
    lba_command(P, 0xca, 100, 1);
    bm_start(BM, false);
    clock_advance(&clk, MS);
    out(BM, 0); /* the driver stops the bus master, and resets */
    unsigned left = media[0].holds;
    clock_advance(&clk, MS);
    assert_true(media[0].holds >= left - 1);
    out(P + 0x206, 4), out(P + 0x206, 0);
    media[0].holds = 0;
    assert_int_equal(wait(P), 0x50);
    assert_int_equal(media[0].bytes[100 * 512], 101);
}

static void a_failed_flush_is_not_forgotten(void **state)
{
    (void)state;
    memset(sector, 0x5a, sizeof sector);
    lba_command(P, 0x30, 20, 1);
    wait(P);
    data_put(P, sector, 512);
    assert_int_equal(wait(P), 0x50);
    media[0].flush_error = EIO;
    for (unsigned n = 0; n < 2; n++) {
        out(P + 7, 0xe7);
        assert_int_equal(wait(P) & ERR_BIT, ERR_BIT);
    }
    assert_int_equal(media[0].flushes, 2);
}

static void the_ports_go_when_decoding_is_switched_off(void **state)
{
    (void)state;
    bus_port_out(bus, 0xcf8, 0x80000940, 4);
    assert_int_equal(bus_port_in(bus, 0xcfc, 4), 0x80008000);
    bus_port_out(bus, 0xcfc, 0x8000, 4); /* the secondary goes */
    assert_true(in(S + 7) == 0xff && in(P + 7) == 0x50);
    bus_port_out(bus, 0xcf8, 0x80000920, 4);
    assert_int_equal(bus_port_in(bus, 0xcfc, 4), 0xc001);
    bus_port_out(bus, 0xcfc, 0xd001, 4);
    bus_port_out(bus, 0xd004, 0x12345678, 4);
    assert_int_equal(bus_port_in(bus, 0xd004, 4), 0x12345678);
    assert_int_equal(bus_port_in(bus, 0xc004, 4), ~0u);
}

static void an_interrupt_waits_until_its_drive_is_selected(void **state)
{
    (void)state;
    out(P + 6, 0xa0);
    out(P + 7, 0xec);
    out(P + 6, 0xb0);
    clock_advance(&clk, MS);
    assert_false(irq14.level);
    in(P + 7); /* the absent slave's status takes nothing away */
    out(P + 6, 0xa0);
    assert_true(irq14.level);
    assert_int_equal(in(P + 7) & DRQ_BIT, DRQ_BIT);
    assert_false(irq14.level);
}

static void modes_power_and_features(void **state)
{
    (void)state;
    regs(P, 0x03, 0x42, 0, 0, 0, 0xa0); /* Ultra DMA 2 */
    out(P + 7, 0xef);
    assert_int_equal(wait(P), 0x50);
    out(P + 7, 0xec);
    wait(P);
    data_get(P, sector, 512);
    assert_true(load16(sector + 176) == 0x043f && load16(sector + 126) == 0x0007);
    regs(P, 0x03, 0x47, 0, 0, 0, 0xa0);
    out(P + 7, 0xef);
    assert_int_equal(wait(P) & ERR_BIT, ERR_BIT);
    out(P + 7, 0xe5);
    wait(P);
    assert_int_equal(in(P + 2), 0xff);
    out(P + 7, 0xe0);
    wait(P);
    out(P + 7, 0xe5);
    wait(P);
    assert_int_equal(in(P + 2), 0x00);
    regs(P, 0xda, 0, 0, 0x4f, 0xc2, 0xa0); /* SMART RETURN STATUS */
    out(P + 7, 0xb0);
    assert_int_equal(wait(P), 0x50);
    assert_true(in(P + 4) == 0x4f && in(P + 5) == 0xc2);
    regs(P, 0xda, 0, 0, 0, 0, 0xa0);
    out(P + 7, 0xb0);
    assert_int_equal(wait(P) & ERR_BIT, ERR_BIT);
    static const u8 fine[] = {0x10, 0x1f, 0x70, 0x40, 0x41, 0xea, 0xe1, 0x95};
    for (unsigned n = 0; n < ARRAY_LEN(fine); n++) {
        lba_command(P, fine[n], 1, 1);
        assert_int_equal(wait(P), 0x50);
    }
}

#undef TEST
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, ide_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_disk_is_found_and_identified),
        TEST(absent_drives_are_silent),
        TEST(pio_reads_by_sector_and_by_block),
        TEST(data_may_come_before_they_are_asked_for),
        TEST(a_block_goes_in_runs),
        TEST(pio_writes),
        TEST(lba48_takes_two_writes_of_each_register),
        TEST(cylinders_heads_and_sectors),
        TEST(geometry_follows_the_partition_table),
        TEST(errors_name_the_sector),
        TEST(resets_and_diagnosis),
        TEST(a_masked_interrupt_waits),
        TEST(dma_scatters_and_gathers),
        TEST(dma_may_be_started_before_the_command),
        TEST(dma_of_unequal_lengths),
        TEST(dma_outside_of_memory_does_no_harm),
        TEST(trim_is_offered_where_the_medium_takes_it),
        TEST(trim_discards_ranges),
        TEST(impossible_trims_do_nothing),
        TEST(a_held_transfer_is_taken_up_again),
        TEST(a_flush_goes_on_beside_the_guest),
        TEST(a_flush_that_goes_on_can_be_given_up),
        TEST(held_dma_loses_no_byte),
        TEST(a_held_transfer_can_be_given_up),
        TEST(a_failed_flush_is_not_forgotten),
        TEST(the_ports_go_when_decoding_is_switched_off),
        TEST(an_interrupt_waits_until_its_drive_is_selected),
        TEST(modes_power_and_features),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
