/* hw_fdc.c - the 82077AA: reset, seeks, every command by its datasheet, DMA and non-DMA mode, status bits, formats. */
#include "hw_bench.h"

#include <stdio.h>

#include "hw/fdc.h"

/* A disk in memory: each sector begins with its number. */
typedef struct Disk {
    Medium medium;
    u8 bytes[7680 * SECTOR_BYTES];
    int error;      /* what an access gives */
    unsigned holds; /* so often the next is to be asked for again */
} Disk;

static Disk disk_a, disk_b;
static Drive bay_a, bay_b;
static Fdc fdc;
static Dma dma;
static Phys *phys;
static Wire irq6;

enum { DOR = 0x3f2, MSR = 0x3f4, FIFO = 0x3f5, DIR = 0x3f7 };
enum { RQM = 0x80, TO_HOST = 0x40, NON_DMA = 0x20, BUSY = 0x10 };
enum { BUFFER = 0x10000 };

static int disk_read(Medium *m, u64 sector, void *to, u32 count)
{
    Disk *d = (Disk *)m;
    assert_true(sector + count <= m->sectors);
    if (d->holds) return d->holds--, MEDIUM_HELD;
    memcpy(to, d->bytes + sector * SECTOR_BYTES, count * SECTOR_BYTES);
    return d->error;
}

static int disk_write(Medium *m, u64 sector, const void *from, u32 count)
{
    Disk *d = (Disk *)m;
    assert_true(sector + count <= m->sectors && !m->readonly);
    if (d->holds) return d->holds--, MEDIUM_HELD;
    memcpy(d->bytes + sector * SECTOR_BYTES, from, count * SECTOR_BYTES);
    return d->error;
}

static int disk_flush(Medium *m) { return m->readonly; }

static void disk_make(Disk *d, u32 sectors)
{
    d->medium = (Medium){
        .sectors = sectors, .read = disk_read, .write = disk_write, .flush = disk_flush, .name = "test"};
    d->error = 0;
    d->holds = 0;
    for (u32 n = 0; n < sectors; n++) {
        memset(d->bytes + n * SECTOR_BYTES, (int)(n * 7), SECTOR_BYTES);
        store32(d->bytes + n * SECTOR_BYTES, n);
    }
}

static u32 disk_sector(const Disk *d, u32 n) { return load32(d->bytes + n * SECTOR_BYTES); }

static void wait_ms(u32 ms) { clock_advance(&clk, (u64)ms * MS); }

static void command(const u8 *bytes, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(in(MSR) & (RQM | TO_HOST), RQM);
        out(FIFO, bytes[i]);
    }
}
#define COMMAND(...) command((const u8[]){__VA_ARGS__}, sizeof((const u8[]){__VA_ARGS__}))

static char said[64]; /* the result phase, in hex */

static const char *result(void)
{
    size_t n = 0;
    said[0] = 0;
    while ((in(MSR) & (RQM | TO_HOST | BUSY)) == (RQM | TO_HOST | BUSY) && n < 40)
        n += (size_t)snprintf(said + n, sizeof said - n, n ? " %02x" : "%02x", in(FIFO));
    return said;
}

static const char *finished(void) /* a command with interrupt */
{
    wait_ms(100);
    assert_true(irq6.level);
    return result();
}

static const char *sense(void)
{
    COMMAND(0x08);
    return result();
}

static void controller_on(void)
{
    out(DOR, 0x00), out(DOR, 0x1c); /* motor and drive A, interrupts and DMA */
    wait_ms(1);
    for (int n = 0; n < 4; n++) sense();
    out(DIR, 0); /* 500 kbit/s */
    COMMAND(0x03, 0xdf, 0x02);
}

static int setup(void **state)
{
    (void)state;
    bench_up();
    irq6 = (Wire){0};
    phys = phys_new(bus, 4 << 20);
    if (!phys) return -1;
    disk_make(&disk_a, 2880);
    disk_make(&disk_b, 1440);
    bay_a = (Drive){.present = true, .medium = &disk_a.medium};
    bay_b = (Drive){.present = true, .medium = &disk_b.medium};
    dma_init(&dma, bus, phys);
    fdc_init(&fdc, bus, &clk, &dma, wire_line(&irq6), &bay_a, &bay_b);
    out(0xd6, 0xc0), out(0xd4, 0x00);
    controller_on();
    return 0;
}

static int teardown(void **state)
{
    phys_free(phys);
    return bench_down(state);
}

static void dma_program(u8 mode, u32 bytes)
{
    out(0x0a, 0x06), out(0x0c, 0), out(0x0b, mode | 2);
    out2(0x04, BUFFER & 0xff, (u8)(BUFFER >> 8)), out(0x81, BUFFER >> 16);
    out2(0x05, (u8)(bytes - 1), (u8)((bytes - 1) >> 8)), out(0x0a, 0x02);
}
static void dma_in(u32 bytes) { dma_program(0x44, bytes); }
static void dma_out(u32 bytes) { dma_program(0x48, bytes); }

static u8 *memory(u32 offset) { return phys_hp(phys, BUFFER + offset); }
static u32 got_sector(u32 n) { return load32(memory(n * SECTOR_BYTES)); }

static const char *seek_a(u8 track)
{
    COMMAND(0x0f, 0x00, track);
    wait_ms(100);
    assert_true(irq6.level);
    return sense();
}

/* --- reset, registers, seeks ------------------------------------------------------------------------------- */

static void reset_reports_four_drives(void **state)
{
    (void)state;
    out(DOR, 0x00);
    assert_int_equal(in(MSR), 0);
    assert_false(irq6.level);
    out(DOR, 0x0c);
    wait_ms(1);
    assert_true(irq6.level);
    assert_int_equal(in(MSR), RQM);
    assert_string_equal(sense(), "c0 00");
    assert_false(irq6.level);
    assert_string_equal(sense(), "c1 00");
    assert_string_equal(sense(), "c2 00");
    assert_string_equal(sense(), "c3 00");
    assert_string_equal(sense(), "80");
    assert_int_equal(in(MSR), RQM);
    out(MSR, 0x80); /* DSR: by software, clears itself */
    wait_ms(1);
    assert_true(irq6.level);
    assert_string_equal(sense(), "c0 00");
}

static void the_gate_in_dor_holds_the_interrupt(void **state)
{
    (void)state;
    out(DOR, 0x10), out(DOR, 0x14);
    wait_ms(1);
    assert_false(irq6.level);
    out(DOR, 0x1c);
    assert_true(irq6.level);
    assert_int_equal(in(DOR), 0x1c);
}

static void the_chip_says_what_it_is(void **state)
{
    (void)state;
    COMMAND(0x10);
    assert_string_equal(result(), "90");
    COMMAND(0x18); /* PART ID is the 82078's */
    assert_string_equal(result(), "80");
    COMMAND(0x1f);
    assert_string_equal(result(), "80");
    COMMAND(0x94);
    assert_string_equal(result(), "10");
    COMMAND(0x14);
    assert_string_equal(result(), "00");
}

static void dumpreg_shows_what_was_set(void **state)
{
    (void)state;
    COMMAND(0x13, 0x00, 0x57, 0x0a);
    COMMAND(0x12, 0x84);
    COMMAND(0x12, 0x01); /* without OW the drive bits stay */
    seek_a(5);
    COMMAND(0x94);
    result();
    COMMAND(0x0e);
    assert_string_equal(result(), "05 00 00 00 df 02 00 85 57 0a");
    out(MSR, 0x80);
    wait_ms(1);              /* locked: FIFO settings survive */
    assert_true(irq6.level); /* though polling is off: Linux waits for it */
    COMMAND(0x0e);
    assert_string_equal(result(), "00 00 00 00 df 02 00 84 57 0a");
}

static void seek_recalibrate_and_sense(void **state)
{
    (void)state;
    COMMAND(0x0f, 0x00, 40);
    assert_int_equal(in(MSR), RQM | 1); /* drive A is moving, the controller is free */
    wait_ms(1);
    assert_true(irq6.level);
    assert_string_equal(sense(), "20 28");
    assert_false(irq6.level);
    COMMAND(0x04, 0x00);
    assert_string_equal(result(), "28");
    COMMAND(0x07, 0x00);
    wait_ms(1);
    assert_string_equal(sense(), "20 00");
    COMMAND(0x04, 0x04);
    assert_string_equal(result(), "3c"); /* track 0, head 1 */
    COMMAND(0xcf, 0x00, 7);              /* relative, inward */
    wait_ms(1);
    assert_string_equal(sense(), "20 07");
    COMMAND(0x8f, 0x00, 3);
    wait_ms(1);
    assert_string_equal(sense(), "20 04");
    COMMAND(0x07, 0x02); /* no such drive: no track 0 */
    wait_ms(1);
    assert_string_equal(sense(), "72 00");
    COMMAND(0x0f, 0x00, 1), COMMAND(0x0f, 0x01, 2); /* two at once */
    wait_ms(1);
    assert_string_equal(sense(), "20 01");
    assert_true(irq6.level);
    assert_string_equal(sense(), "21 02");
    assert_false(irq6.level);
}

static void the_change_line_falls_with_a_step(void **state)
{
    (void)state;
    assert_int_equal(in(DIR), 0x80);
    COMMAND(0x07, 0x00); /* at track 0: no step */
    wait_ms(1), sense();
    assert_int_equal(in(DIR), 0x80);
    seek_a(1);
    assert_int_equal(in(DIR), 0);
    drive_change(&bay_a, NULL);
    assert_int_equal(in(DIR), 0x80);
    seek_a(0);
    assert_int_equal(in(DIR), 0x80); /* still empty */
    drive_change(&bay_a, &disk_a.medium);
    assert_int_equal(in(DIR), 0x80);
    seek_a(1);
    assert_int_equal(in(DIR), 0);
    out(DOR, 0x1d); /* the other drive has its own */
    assert_int_equal(in(DIR), 0x80);
}

/* --- data ------------------------------------------------------------------------------------------------- */

static void reading_by_dma_until_terminal_count(void **state)
{
    (void)state;
    dma_in(3 * SECTOR_BYTES);
    COMMAND(0xe6, 0x00, 0, 0, 5, 2, 18, 0x1b, 0xff);
    assert_int_equal(in(MSR), BUSY);
    assert_string_equal(finished(), "00 00 00 00 00 08 02");
    assert_false(irq6.level);
    assert_int_equal(in(MSR), RQM);
    for (u32 n = 0; n < 3; n++) assert_int_equal(got_sector(n), 4 + n);
    assert_int_equal(got_sector(3), 0);
}

static void a_whole_cylinder_by_multi_track(void **state)
{
    (void)state;
    seek_a(10);
    dma_in(36 * SECTOR_BYTES);
    COMMAND(0xe6, 0x00, 10, 0, 1, 2, 18, 0x1b, 0xff);
    assert_string_equal(finished(), "00 00 00 0b 00 01 02"); /* the next ID is cylinder 11's */
    for (u32 n = 0; n < 36; n++) assert_int_equal(got_sector(n), 360 + n);
    dma_in(18 * SECTOR_BYTES);
    COMMAND(0xe6, 0x00, 10, 0, 1, 2, 18, 0x1b, 0xff);
    assert_string_equal(finished(), "04 00 00 0a 01 01 02");
    dma_in(18 * SECTOR_BYTES); /* without MT */
    COMMAND(0x46, 0x04, 10, 1, 1, 2, 18, 0x1b, 0xff);
    assert_string_equal(finished(), "04 00 00 0b 01 01 02");
    assert_int_equal(got_sector(0), 378);
}

static void the_end_of_the_cylinder_comes_before_terminal_count(void **state)
{
    (void)state;
    dma_in(4 * SECTOR_BYTES);
    COMMAND(0x66, 0x00, 0, 0, 17, 2, 18, 0x1b, 0xff);
    assert_string_equal(finished(), "40 80 00 01 00 01 02");
}

static void writing_by_dma(void **state)
{
    (void)state;
    for (u32 n = 0; n < 2 * SECTOR_BYTES; n++) *memory(n) = (u8)(n * 3 + 1);
    dma_out(SECTOR_BYTES + 100); /* ends within the second sector: zeros follow */
    seek_a(2);
    COMMAND(0xc5, 0x04, 2, 1, 18, 2, 18, 0x1b, 0xff);
    assert_string_equal(finished(), "40 80 00 03 00 01 02"); /* MT from head 1: no further side */
    assert_memory_equal(disk_a.bytes + (2 * 36 + 35) * SECTOR_BYTES, memory(0), SECTOR_BYTES);
    dma_out(SECTOR_BYTES + 100);
    COMMAND(0xc5, 0x00, 2, 0, 18, 2, 18, 0x1b, 0xff);
    assert_string_equal(finished(), "04 00 00 02 01 02 02");
    const u8 *second = disk_a.bytes + (2 * 36 + 18) * SECTOR_BYTES;
    assert_memory_equal(second, memory(SECTOR_BYTES), 100);
    assert_int_equal(second[100] | second[511], 0);
    COMMAND(0x49, 0x00, 2, 0, 1, 2, 18, 0x1b, 0xff); /* deleted data, but nobody serves DMA: overrun */
    assert_string_equal(finished(), "40 10 00 02 00 01 02");
}

static void what_cannot_be_found(void **state)
{
    (void)state;
    dma_in(SECTOR_BYTES);
    COMMAND(0x66, 0x00, 0, 0, 19, 2, 36, 0x1b, 0xff); /* no such sector */
    assert_string_equal(finished(), "40 04 00 00 00 13 02");
    COMMAND(0x66, 0x00, 3, 0, 1, 2, 18, 0x1b, 0xff); /* head is on track 0 */
    assert_string_equal(finished(), "40 04 10 03 00 01 02");
    COMMAND(0x66, 0x00, 255, 0, 1, 2, 18, 0x1b, 0xff);
    assert_string_equal(finished(), "40 04 02 ff 00 01 02");
    COMMAND(0x66, 0x00, 0, 1, 1, 2, 18, 0x1b, 0xff); /* the ID says head 0 */
    assert_string_equal(finished(), "40 04 00 00 01 01 02");
    COMMAND(0x66, 0x00, 0, 0, 1, 3, 18, 0x1b, 0xff); /* 1024 bytes */
    assert_string_equal(finished(), "40 04 00 00 00 01 03");
    COMMAND(0x26, 0x00, 0, 0, 1, 2, 18, 0x1b, 0xff); /* single density */
    assert_string_equal(finished(), "40 01 00 00 00 01 02");
    out(DIR, 2); /* 250 kbit/s */
    COMMAND(0x66, 0x00, 0, 0, 1, 2, 18, 0x1b, 0xff);
    assert_string_equal(finished(), "40 01 00 00 00 01 02");
    out(DIR, 0), out(DOR, 0x0c); /* the motor is off */
    COMMAND(0x4a, 0x00);
    assert_string_equal(finished(), "40 01 00 00 00 00 00");
    out(DOR, 0x1c);
    drive_change(&bay_a, NULL);
    COMMAND(0x66, 0x00, 0, 0, 1, 2, 18, 0x1b, 0xff);
    assert_string_equal(finished(), "40 01 00 00 00 01 02");
}

static void protection_overrun_and_media_errors(void **state)
{
    (void)state;
    disk_a.medium.readonly = true;
    COMMAND(0x04, 0x00);
    assert_string_equal(result(), "78");
    dma_out(SECTOR_BYTES);
    COMMAND(0x45, 0x00, 0, 0, 1, 2, 18, 0x1b, 0xff);
    assert_string_equal(finished(), "40 02 00 00 00 01 02");
    COMMAND(0x4d, 0x00, 2, 18, 0x54, 0xf6);
    assert_string_equal(finished(), "40 02 00 00 00 00 02");
    out(0x0a, 0x06); /* DMA masked */
    COMMAND(0x46, 0x00, 0, 0, 1, 2, 18, 0x1b, 0xff);
    assert_string_equal(finished(), "40 10 00 00 00 01 02");
    dma_in(SECTOR_BYTES);
    disk_a.error = 5;
    COMMAND(0x46, 0x00, 0, 0, 1, 2, 18, 0x1b, 0xff);
    assert_string_equal(finished(), "40 20 20 00 00 01 02");
}

static void implied_seek(void **state)
{
    (void)state;
    COMMAND(0x13, 0x00, 0x60, 0x00);
    dma_in(SECTOR_BYTES);
    COMMAND(0x66, 0x00, 33, 0, 1, 2, 18, 0x1b, 0xff);
    assert_string_equal(finished(), "20 00 00 21 00 02 02");
    assert_int_equal(got_sector(0), 33 * 36);
}

static void read_id_verify_and_read_track(void **state)
{
    (void)state;
    seek_a(4);
    COMMAND(0x4a, 0x04);
    finished();
    assert_memory_equal(said, "04 00 00 04 01 ", 15);
    COMMAND(0x56, 0x00, 4, 0, 1, 2, 18, 0x1b, 0xff);
    assert_string_equal(finished(), "00 00 00 05 00 01 02");
    COMMAND(0xd6, 0x80, 4, 0, 17, 2, 18, 0x1b, 4); /* four sectors, over to the other side */
    assert_string_equal(finished(), "04 00 00 04 01 03 02");
    COMMAND(0x56, 0x80, 4, 0, 17, 2, 18, 0x1b, 4); /* two are not there */
    assert_string_equal(finished(), "40 80 00 05 00 01 02");
    dma_in(64 << 10);
    COMMAND(0x42, 0x00, 4, 0, 1, 2, 18, 0x1b, 0xff);
    assert_string_equal(finished(), "00 00 00 05 00 01 02");
    assert_int_equal(got_sector(17), 4 * 36 + 17);
    dma_in(64 << 10);
    COMMAND(0x42, 0x00, 4, 0, 7, 2, 3, 0x1b, 0xff); /* IDs differ: noted, read all the same */
    finished();
    assert_memory_equal(said, "00 04 00 ", 9);
    assert_int_equal(got_sector(2), 4 * 36 + 2);
}

static void deleted_data_is_never_found(void **state)
{
    (void)state;
    dma_in(4 * SECTOR_BYTES);
    COMMAND(0x4c, 0x00, 0, 0, 1, 2, 18, 0x1b, 0xff);
    assert_string_equal(finished(), "00 00 40 00 00 02 02"); /* one sector, control mark */
    COMMAND(0x6c, 0x00, 0, 0, 1, 2, 18, 0x1b, 0xff);
    assert_string_equal(finished(), "40 80 00 01 00 01 02"); /* skipped them all */
}

static void formatting_a_track(void **state)
{
    (void)state;
    seek_a(7);
    for (u8 n = 0; n < 18; n++) memcpy(memory(n * 4u), (const u8[]){7, 1, (u8)(n + 1), 2}, 4);
    dma_out(18 * 4);
    COMMAND(0x4d, 0x04, 2, 18, 0x54, 0xf6);
    finished();
    assert_memory_equal(said, "04 00 00 ", 9);
    for (u32 n = 0; n < 18; n++) assert_int_equal(disk_sector(&disk_a, 7 * 36 + 18 + n), 0xf6f6f6f6);
    assert_int_equal(disk_sector(&disk_a, 7 * 36 + 17), 7 * 36 + 17);
    assert_int_equal(disk_sector(&disk_a, 8 * 36), 8 * 36);
}

static void scanning(void **state)
{
    (void)state;
    for (u32 n = 0; n < 4; n++)
        memcpy(memory(n * SECTOR_BYTES), disk_a.bytes + 4 * SECTOR_BYTES, SECTOR_BYTES);
    dma_out(4 * SECTOR_BYTES);
    COMMAND(0x51, 0x00, 0, 0, 3, 2, 18, 0x1b, 1);
    assert_string_equal(finished(), "00 00 08 00 00 05 02"); /* found where it is */
    dma_out(2 * SECTOR_BYTES);
    COMMAND(0x51, 0x00, 0, 0, 7, 2, 18, 0x1b, 1);
    finished();
    assert_memory_equal(said, "00 00 04 ", 9);
    dma_out(4 * SECTOR_BYTES);
    COMMAND(0x59, 0x00, 0, 0, 3, 2, 18, 0x1b, 1); /* lower */
    finished();
    assert_memory_equal(said, "00 00 00 ", 9);
}

/* --- non-DMA mode ------------------------------------------------------------------------------------------ */

static void reading_byte_by_byte(void **state)
{
    (void)state;
    COMMAND(0x03, 0xdf, 0x03);
    COMMAND(0x46, 0x00, 0, 0, 17, 2, 18, 0x1b, 0xff);
    for (u32 n = 0; n < 2 * SECTOR_BYTES; n++) {
        if (n % SECTOR_BYTES == 0) wait_ms(1);
        assert_true(irq6.level);
        assert_int_equal(in(MSR), RQM | TO_HOST | NON_DMA | BUSY);
        assert_int_equal(in(FIFO), disk_a.bytes[16 * SECTOR_BYTES + n]);
    }
    assert_string_equal(result(), "40 80 00 01 00 01 02"); /* there is no TC */
}

static void writing_byte_by_byte_with_a_fifo(void **state)
{
    (void)state;
    COMMAND(0x03, 0xdf, 0x03);
    COMMAND(0x13, 0x00, 0x08, 0x00);
    COMMAND(0x45, 0x00, 0, 0, 18, 2, 18, 0x1b, 0xff);
    wait_ms(1);
    unsigned rises = irq6.rises;
    for (u32 n = 0; n < SECTOR_BYTES; n++) {
        assert_int_equal(in(MSR), RQM | NON_DMA | BUSY);
        out(FIFO, (u8)n);
    }
    assert_int_equal(irq6.rises - rises,
                     SECTOR_BYTES / 8); /* one every eight bytes; the last is the result's */
    assert_string_equal(result(), "40 80 00 01 00 01 02");
    assert_int_equal(disk_sector(&disk_a, 17), 0x03020100);
}

/* --- disks ------------------------------------------------------------------------------------------------- */

static void every_format_ends_where_its_image_ends(void **state)
{
    (void)state;
    static const struct {
        u32 kib;
        u8 tracks, heads, sectors, rate, cmos;
    } disks[] = {{160, 40, 1, 8, 2, 1},   {180, 40, 1, 9, 2, 1},   {320, 40, 2, 8, 2, 1},
                 {360, 40, 2, 9, 1, 1},   {720, 80, 2, 9, 2, 3},   {800, 80, 2, 10, 2, 3},
                 {820, 82, 2, 10, 2, 3},  {1200, 80, 2, 15, 0, 2}, {1440, 80, 2, 18, 0, 4},
                 {1680, 80, 2, 21, 0, 4}, {1722, 82, 2, 21, 0, 4}, {2880, 80, 2, 36, 3, 5}};
    for (unsigned n = 0; n < ARRAY_LEN(disks); n++) {
        u8 track = disks[n].tracks - 1, head = disks[n].heads - 1, last = disks[n].sectors;
        disk_make(&disk_a, disks[n].kib * 2);
        drive_change(&bay_a, &disk_a.medium);
        assert_int_equal(floppy_cmos_type(&bay_a), disks[n].cmos);
        seek_a(track);
        out(DIR, disks[n].rate);
        dma_in(SECTOR_BYTES);
        COMMAND(0x46, head << 2, track, head, last, 2, last, 0x1b, 0xff);
        finished();
        assert_memory_equal(said + 2, " 00 00", 6);
        assert_int_equal(got_sector(0), disks[n].kib * 2 - 1);
        COMMAND(0x46, head << 2, track, head, last + 1, 2, 63, 0x1b, 0xff);
        finished();
        assert_memory_equal(said + 2, " 04 00", 6);
    }
}

static void an_image_that_was_cut_short(void **state)
{
    (void)state;
    disk_make(&disk_a, 2000);
    drive_change(&bay_a, &disk_a.medium);
    memset(memory(0), 0x55, 2 * SECTOR_BYTES);
    seek_a(55);
    dma_in(2 * SECTOR_BYTES);
    COMMAND(0x46, 0x04, 55, 1, 2, 2, 18, 0x1b, 0xff); /* sectors 1999 and 2000 */
    assert_string_equal(finished(), "04 00 00 37 01 04 02");
    assert_int_equal(got_sector(0), 1999);
    assert_int_equal(got_sector(1), 0);
    dma_out(SECTOR_BYTES);
    COMMAND(0x45, 0x04, 55, 1, 3, 2, 18, 0x1b, 0xff);
    assert_string_equal(finished(), "44 20 20 37 01 03 02");
    assert_int_equal(floppy_format_by_size(0)->sectors, 320);
    assert_int_equal(floppy_format_by_size(1000000)->sectors, 7680);
}

static void a_40_track_disk_in_an_80_track_drive(void **state)
{
    (void)state;
    disk_make(&disk_a, 2400);
    fdc_init(&fdc, bus, &clk, &dma, wire_line(&irq6), &bay_a, &bay_b);
    controller_on();
    disk_make(&disk_b, 720);
    drive_change(&bay_a, &disk_b.medium);
    out(DIR, 1);
    seek_a(2 * 20);
    dma_in(SECTOR_BYTES);
    COMMAND(0x46, 0x04, 20, 1, 3, 2, 9, 0x1b, 0xff);
    assert_string_equal(finished(), "04 00 00 14 01 04 02");
    assert_int_equal(got_sector(0), 20 * 18 + 9 + 2);
}

static void the_second_drive(void **state)
{
    (void)state;
    out(DOR, 0x2d), out(DIR, 2);
    dma_in(SECTOR_BYTES);
    COMMAND(0x46, 0x01, 0, 0, 9, 2, 9, 0x1b, 0xff);
    assert_string_equal(finished(), "01 00 00 01 00 01 02");
    assert_int_equal(got_sector(0), 8);
}

static void a_reset_in_the_middle(void **state)
{
    (void)state;
    dma_in(36 * SECTOR_BYTES);
    COMMAND(0xe6, 0x00, 0, 0, 1, 2, 18, 0x1b, 0xff);
    clock_advance(&clk, 250 * US);
    out(DOR, 0x18), out(DOR, 0x1c);
    wait_ms(10);
    assert_int_equal(in(MSR), RQM);
    assert_string_equal(sense(), "c0 00");
}

static void what_the_medium_holds_is_taken_up_again(void **state)
{
    (void)state;
    for (u32 n = 0; n < 2 * SECTOR_BYTES; n++) *memory(n) = (u8)(n * 3 + n / SECTOR_BYTES);
    dma_out(2 * SECTOR_BYTES);
    disk_a.holds = 3;
    COMMAND(0x45, 0x00, 0, 0, 5, 2, 18, 0x1b, 0xff);
    assert_string_equal(finished(), "00 00 00 00 00 07 02");
    assert_memory_equal(disk_a.bytes + 4 * SECTOR_BYTES, memory(0), 2 * SECTOR_BYTES);
    dma_in(SECTOR_BYTES);
    disk_a.holds = 3;
    COMMAND(0x46, 0x00, 0, 0, 1, 2, 18, 0x1b, 0xff);
    assert_string_equal(finished(), "00 00 00 00 00 02 02");
    assert_int_equal(got_sector(0), 0);
    for (u8 n = 0; n < 4; n++) store32(memory(4 * n), 0x02010000u + (u32)n * 0x10000); /* C, H, R, N */
    dma_out(16);
    disk_a.holds = 3;
    COMMAND(0x4d, 0x00, 2, 4, 0x1b, 0xf6);
    finished();
    for (u32 n = 0; n < 4; n++) assert_int_equal(disk_sector(&disk_a, n), 0xf6f6f6f6u);
    disk_a.holds = 1000000; /* and a reset gives it up */
    dma_out(SECTOR_BYTES);
    COMMAND(0x45, 0x00, 0, 0, 5, 2, 18, 0x1b, 0xff);
    wait_ms(5);
    out(DOR, 0x00), out(DOR, 0x1c);
    unsigned left = disk_a.holds;
    wait_ms(5);
    assert_int_equal(disk_a.holds, left);
}

static void a_disk_that_leaves_in_the_middle(void **state)
{
    (void)state;
    COMMAND(0x03, 0xdf, 0x03);
    COMMAND(0x45, 0x00, 0, 0, 1, 2, 18, 0x1b, 0xff);
    wait_ms(1);
    drive_change(&bay_a, NULL);
    for (u32 n = 0; n < SECTOR_BYTES; n++) out(FIFO, 0);
    assert_string_equal(result(), "40 01 00 00 00 01 02");
}

#undef TEST
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reset_reports_four_drives),
        TEST(the_gate_in_dor_holds_the_interrupt),
        TEST(the_chip_says_what_it_is),
        TEST(dumpreg_shows_what_was_set),
        TEST(seek_recalibrate_and_sense),
        TEST(the_change_line_falls_with_a_step),
        TEST(reading_by_dma_until_terminal_count),
        TEST(a_whole_cylinder_by_multi_track),
        TEST(the_end_of_the_cylinder_comes_before_terminal_count),
        TEST(writing_by_dma),
        TEST(what_cannot_be_found),
        TEST(protection_overrun_and_media_errors),
        TEST(implied_seek),
        TEST(read_id_verify_and_read_track),
        TEST(deleted_data_is_never_found),
        TEST(formatting_a_track),
        TEST(scanning),
        TEST(reading_byte_by_byte),
        TEST(writing_byte_by_byte_with_a_fifo),
        TEST(every_format_ends_where_its_image_ends),
        TEST(an_image_that_was_cut_short),
        TEST(a_40_track_disk_in_an_80_track_drive),
        TEST(the_second_drive),
        TEST(a_reset_in_the_middle),
        TEST(what_the_medium_holds_is_taken_up_again),
        TEST(a_disk_that_leaves_in_the_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
