/* pmm.c - POST Memory Manager: memory above 1 MiB for option ROMs, by a far call, while POST lasts.
 *
 * A ROM finds $PMM (rom.c) and gets blocks by handles that it chooses, in real mode, from memory that nobody uses before a system
 * starts. iPXE unpacks itself there and keeps 4 KiB of 74 in the ROM area. Nothing marks the blocks in the memory map: when a system
 * has started they are its own, and a ROM that boots takes them out of INT 15h E820h itself.
 *
 * Source: POST Memory Manager Specification 1.01.
 * Not implemented: nothing; at most PMM_BLOCKS blocks.
 */
#include "bios16.h"

enum { PMM_ALLOCATE = 0, PMM_FIND = 1, PMM_DEALLOCATE = 2 };
enum { PMM_CONVENTIONAL = 1, PMM_EXTENDED = 2, PMM_ALIGNED = 4 };
enum { PMM_BLOCKS = 16, PARAGRAPH = 16 };
#define PMM_ANONYMOUS     0xffffffffu
#define PMM_NOT_SUPPORTED 0xffffffffu

typedef struct Block {
    u32 at, bytes, handle; /* bytes 0: free */
} Block;
static Block block[PMM_BLOCKS];

typedef struct Region {
    u32 from, end;
} Region;

static Region conventional(void) { return (Region){0x10000, 0x90000}; } /* POST's stack lies below */

static Region extended(void)
{
    u32 from = 0x110000, end = 0x100000 + (shared.ext_kib << 10); /* behind what real mode reaches */
    return (Region){from, end < from ? from : end};
}

static const Block *overlapping(u32 at, u32 bytes)
{
    for (u32 i = 0; i < PMM_BLOCKS; i++)
        if (block[i].bytes && at < block[i].at + block[i].bytes && block[i].at < at + bytes) return &block[i];
    return NULL;
}

/* The highest place for `bytes`, on a boundary of `align`; 0: none. */
static u32 place(Region r, u32 bytes, u32 align)
{
    for (u32 end = r.end; end - r.from >= bytes;) {
        u32 at = (end - bytes) & ~(align - 1);
        if (at < r.from) return 0;
        const Block *other = overlapping(at, bytes);
        if (!other) return at;
        end = other->at;
        if (end < r.from) return 0;
    }
    return 0;
}

/* In paragraphs: what PMM_ALLOCATE could give at once. By halves: a size fits or not as room for it is found. */
static u32 largest(Region r)
{
    u32 fits = 0, over = (r.end - r.from) / PARAGRAPH + 1;
    while (over - fits > 1) {
        u32 n = fits + (over - fits) / 2;
        if (place(r, n * PARAGRAPH, PARAGRAPH))
            fits = n;
        else
            over = n;
    }
    return fits;
}

static Block *find(u32 handle)
{
    for (u32 i = 0; i < PMM_BLOCKS; i++)
        if (block[i].bytes && block[i].handle == handle) return &block[i];
    return NULL;
}

static Block *unused(void)
{
    for (u32 i = 0; i < PMM_BLOCKS; i++)
        if (!block[i].bytes) return &block[i];
    return NULL;
}

static u32 allocate(u32 paragraphs, u32 handle, u16 flags)
{
    u32 align = flags & PMM_ALIGNED ? (paragraphs & -paragraphs) * PARAGRAPH : PARAGRAPH,
        bytes = paragraphs * PARAGRAPH;
    u32 low = 0, high = 0;
    if (!paragraphs) {
        if (flags & PMM_CONVENTIONAL) low = largest(conventional());
        if (flags & PMM_EXTENDED) high = largest(extended());
        return low > high ? low : high;
    }
    Block *b = unused();
    if (!b || paragraphs > 0xfffffff || (handle != PMM_ANONYMOUS && find(handle))) return 0;
    if (flags & PMM_CONVENTIONAL) low = place(conventional(), bytes, align);
    if (!low && flags & PMM_EXTENDED) low = place(extended(), bytes, align);
    if (low) *b = (Block){low, bytes, handle};
    return low;
}

/* 0: done. */
static u32 deallocate(u32 at)
{
    for (u32 i = 0; i < PMM_BLOCKS; i++) {
        if (!block[i].bytes || block[i].at != at) continue;
        block[i].bytes = 0;
        return 0;
    }
    return 1;
}

void pmm_service(Regs *r);
void pmm_service(Regs *r)
{
    u32 at = caller_arguments(r), result = PMM_NOT_SUPPORTED, first = caller_long(r, at + 2);
    switch (caller_word(r, at)) {
    case PMM_ALLOCATE: result = allocate(first, caller_long(r, at + 6), caller_word(r, at + 10)); break;
    case PMM_FIND: {
        const Block *b = first == PMM_ANONYMOUS ? NULL : find(first);
        result = b ? b->at : 0;
        break;
    }
    case PMM_DEALLOCATE: result = deallocate(first); break;
    }
    r->ax = (u16)result;
    r->dx = (u16)(result >> 16);
}
