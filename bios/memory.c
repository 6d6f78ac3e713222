/* memory.c - how much RAM there is, the map that INT 15h E820h reports, and what POST takes of it.
 *
 * The board writes its memory size into CMOS before power-on: 34h-35h counts 64 KiB above 16 MiB, 30h-31h KiB above 1 MiB. The top
 * HIGH_BYTES of it are reserved for ACPI tables. In segment F000 what is free behind the code takes small tables that must be
 * found by a search.
 */
#include "bios32.h"

enum { HIGH_BYTES = 0x40000 };

u32 memory_top;
static u32 high_next, high_end, fseg_next;
extern char tables_start, tables_end;

static void e820_add(u32 base, u32 bytes, u32 type)
{
    Shared *s = &LOW(shared);
    if (bytes && s->e820_count < E820_MAX) s->e820[s->e820_count++] = (E820){base, bytes, type};
}

void memory_setup(void)
{
    u32 units = cmos_read(CMOS_EXT_HIGH) | (u32)cmos_read(CMOS_EXT_HIGH + 1) << 8;
    u32 kib = cmos_read(CMOS_EXT_LOW) | (u32)cmos_read(CMOS_EXT_LOW + 1) << 8;
    memory_top = units ? 0x1000000 + (units << 16) : 0x100000 + (kib << 10);
    high_end = memory_top;
    u32 reserve = memory_top >= 0x800000 ? HIGH_BYTES : memory_top > 0x180000 ? 0x10000 : 0;
    high_next = memory_top - reserve;
    LOW(shared).ext_kib = (memory_top - 0x100000) >> 10;
    fseg_next = (u32)&tables_start;
    e820_add(0, 0x9fc00, E820_RAM);
    e820_add(0x9fc00, 0x400, E820_RESERVED);
    e820_add(0xe0000, 0x20000, E820_RESERVED);
    e820_add(0x100000, high_next - 0x100000, E820_RAM);
    e820_add(high_next, reserve, E820_RESERVED);
    e820_add(0xfffc0000, 0x40000, E820_RESERVED);
    LOW(shared).ext_kib = (high_next - 0x100000) >> 10;
}

static u32 take(u32 *next, u32 end, u32 bytes, u32 align)
{
    u32 at = align_up(*next, align ? align : 1);
    if (at > end || end - at < bytes) return 0;
    *next = at + bytes;
    return at;
}

u32 memory_alloc_high(u32 bytes, u32 align) { return take(&high_next, high_end, bytes, align); }
u32 memory_alloc_fseg(u32 bytes, u32 align) { return take(&fseg_next, (u32)&tables_end, bytes, align); }
