/* bmdma.c - bus master IDE: registers of one channel, and scatter-gather memory as a stream.
 *
 * Programming Interface for Bus Master IDE Controller 1.0; 82371SB datasheet 2.7. Offsets in the I/O block of a
 * channel: 0 BMIC command, 2 BMIS status, 4-7 BMIDTP physical address of the descriptor table.
 *
 * A descriptor (PRD) is the address and size of a piece of memory; size 0 is 64 KiB; the last one is marked. The drive
 * moves its data at once when it is ready and the guest has started the bus master: pieces are handed out as host
 * pointers, so that an image's bytes go straight into guest RAM.
 *
 * Quirks that guests rely on: ACTIVE goes off when the table ends, and stays on when the drive ends before the table;
 * with a table too short there is no interrupt.
 *
 * Not implemented: simplex mode, transfers to device memory (reads give ones, writes are lost), the function's bus
 * master enable bit (ignored).
 */
#include "hw/bmdma.h"

enum { BMIC = 0, BMIS = 2, BMIDTP = 4, PRD_BYTES = 8, PRD_EOT = 0x80000000 };

/* --- registers ------------------------------------------------------------------------------------------- */

u8 bmdma_register_read(const Bmdma *b, u32 offset)
{
    switch (offset) {
    case BMIC: return b->command;
    case BMIS: return b->status;
    case 1:
    case 3: return 0;
    default: return (u8)(b->table >> (8 * (offset - BMIDTP)));
    }
}

static bool command_write(Bmdma *b, u8 value)
{
    bool started = value & ~b->command & BMIC_SSBM;
    b->command = value & (BMIC_SSBM | BMIC_RWCON);
    if (!(value & BMIC_SSBM)) b->status &= ~BMIS_ACTIVE;
    if (!started) return false;
    b->status |= BMIS_ACTIVE;
    b->next = b->table;
    b->left = 0;
    b->last = false;
    return true;
}

bool bmdma_register_write(Bmdma *b, u32 offset, u8 value)
{
    if (offset == BMIC) return command_write(b, value);
    if (offset == BMIS) {
        u8 keep = b->status & ~(value & (BMIS_ERROR | BMIS_INTERRUPT));
        b->status = (keep & ~BMIS_DMA_CAPABLE) | (value & BMIS_DMA_CAPABLE);
    } else if (offset >= BMIDTP) {
        unsigned shift = 8 * (offset - BMIDTP);
        b->table = ((b->table & ~(0xffu << shift)) | (u32)value << shift) & ~3u;
    }
    return false;
}

/* --- descriptors ----------------------------------------------------------------------------------------- */

/* Make sure that the current descriptor has bytes left; false: the table has ended. */
static bool descriptor_load(Bmdma *b)
{
    u8 prd[PRD_BYTES];
    if (b->left) return true;
    if (b->last) return false;
    phys_dma_read(b->phys, b->next, prd, PRD_BYTES);
    b->next += PRD_BYTES;
    b->pa = load32(prd) & ~1u;
    b->left = load16(prd + 4) & ~1u;
    if (!b->left) b->left = 0x10000;
    b->last = load32(prd + 4) & PRD_EOT;
    return true;
}

static bool is_ram(const Phys *p, u32 pa)
{
    return p->pages[(pa & p->a20_mask) >> PAGE_BITS].kind == PAGE_RAM;
}

u8 *bmdma_piece(Bmdma *b, u32 max, u32 *bytes)
{
    *bytes = 0;
    if (!descriptor_load(b)) return NULL;
    u32 limit = b->left < max ? b->left : max, n = PAGE_BYTES - (b->pa & PAGE_MASK);
    u8 *hp = is_ram(b->phys, b->pa) ? phys_hp(b->phys, b->pa) : NULL;
    while (hp && n < limit && is_ram(b->phys, b->pa + n) && phys_hp(b->phys, b->pa + n) == hp + n)
        n += PAGE_BYTES;
    *bytes = n < limit ? n : limit;
    return hp;
}

void bmdma_take(Bmdma *b, u32 n, bool written)
{
    if (written) phys_written(b->phys, b->pa, n);
    b->pa += n;
    b->left -= n;
}

u32 bmdma_put(Bmdma *b, const u8 *from, u32 n)
{
    u32 done = 0, piece;
    for (; done < n; done += piece) {
        u8 *hp = bmdma_piece(b, n - done, &piece);
        if (!piece) break;
        if (hp) memcpy(hp, from + done, piece);
        bmdma_take(b, piece, hp);
    }
    return done;
}

u32 bmdma_get(Bmdma *b, u8 *to, u32 n)
{
    u32 done = 0, piece;
    for (; done < n; done += piece) {
        const u8 *hp = bmdma_piece(b, n - done, &piece);
        if (!piece) break;
        if (hp)
            memcpy(to + done, hp, piece);
        else
            phys_dma_read(b->phys, b->pa, to + done, piece);
        bmdma_take(b, piece, false);
    }
    return done;
}

void bmdma_finish(Bmdma *b)
{
    if (!b->left && b->last) b->status &= ~BMIS_ACTIVE;
}

/* --- life cycle ------------------------------------------------------------------------------------------ */

void bmdma_reset(Bmdma *b) { *b = (Bmdma){.phys = b->phys}; }

void bmdma_state(Bmdma *b, State *s)
{
    state_u8(s, "bmic", &b->command);
    state_u8(s, "bmis", &b->status);
    state_u32(s, "bmidtp", &b->table);
    state_u32(s, "next_prd", &b->next);
    state_u32(s, "prd_pa", &b->pa);
    state_u32(s, "prd_left", &b->left);
    state_check(s, b->left <= 0x10000, "prd_left");
    state_bool(s, "prd_last", &b->last);
}
