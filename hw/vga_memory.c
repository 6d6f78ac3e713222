/* vga_memory.c - the way from a0000-bffff to the four planes: sequencer and graphics controller.
 *
 * IBM VGA, "Sequencer Registers", "Graphics Controller Registers". Plane p of address a is byte 4 * a + p of video
 * memory, so the latches are one 32-bit load and whatever a write does to the planes is arithmetic on 32 bits with
 * masks that are made when a register is written (VgaMemory).
 *
 * Chain-4 (mode 13h, and every linear mode of the Bochs extension) is then the identity: byte n of the window is byte
 * n of video memory. After LINEAR_PATIENCE accesses that went this way, the pages themselves are mapped into the window,
 * and no access comes here any more; leaving the path unmaps them. The patience keeps programs that switch banks for every few
 * pixels from paying for a mapping each.
 *
 * Differences from an IBM VGA: chain-4 stores at address A >> 2 of a plane, not A & ~3 (so do most later chips, and
 * scanout.c's doubleword mode fits to it); reads in chain-4 load no latches once the pages are mapped; code that is executed in
 * one view of video memory and changed through another is not noticed.
 */
#include "hw/vga.h"

enum { LINEAR_PATIENCE = 64, LEGACY_PLANE_MASK = 0xffff };

static const u32 plane_bytes[16] = {0x00000000, 0x000000ff, 0x0000ff00, 0x0000ffff, 0x00ff0000, 0x00ff00ff,
                                    0x00ffff00, 0x00ffffff, 0xff000000, 0xff0000ff, 0xff00ff00, 0xff00ffff,
                                    0xffff0000, 0xffff00ff, 0xffffff00, 0xffffffff};

static u32 four(u8 v) { return v * 0x01010101u; }

/* --- from registers to masks ----------------------------------------------------------------------------- */

static void window_of(const ScreenState *s, VgaMemory *m)
{
    static const struct {
        u32 first, bytes;
    } maps[4] = {{0, 0x20000}, {0, 0x10000}, {0x10000, 0x8000}, {0x18000, 0x8000}};
    unsigned mm = (s->gfx[GFX_MISCELLANEOUS] & GR6_MM) >> 2;
    m->window_first = maps[mm].first;
    m->window_bytes = maps[mm].bytes;
}

static VgaPath write_path_of(const ScreenState *s, const VgaMemory *m)
{
    bool nothing_between = !m->write_mode && !m->rotate && m->replace && !m->enable_set_reset;
    if (s->seq[SEQ_MEMORY_MODE] & SR4_CH4)
        return nothing_between && m->map_mask == ~0u ? VGA_LINEAR : VGA_CHAIN4;
    if (s->seq[SEQ_MEMORY_MODE] & SR4_OE) return VGA_PLANAR;
    return nothing_between && m->map_mask == 0xffff && !m->keep_a0 ? VGA_TEXT : VGA_ODD_EVEN;
}

static VgaPath read_path_of(const ScreenState *s, const VgaMemory *m)
{
    if (s->seq[SEQ_MEMORY_MODE] & SR4_CH4) return m->read_compare ? VGA_CHAIN4 : VGA_LINEAR;
    if (!(s->gfx[GFX_MODE] & GR5_OE)) return VGA_PLANAR;
    return !m->read_compare && m->read_plane < 2 && !m->keep_a0 ? VGA_TEXT : VGA_ODD_EVEN;
}

static void masks_of(const ScreenState *s, VgaMemory *m)
{
    m->map_mask = plane_bytes[s->seq[SEQ_MAP_MASK] & 15];
    m->bit_mask = four(s->gfx[GFX_BIT_MASK]);
    m->set_reset = plane_bytes[s->gfx[GFX_SET_RESET] & 15];
    m->enable_set_reset = plane_bytes[s->gfx[GFX_ENABLE_SET_RESET] & 15];
    m->color_compare = plane_bytes[s->gfx[GFX_COLOR_COMPARE] & 15];
    m->color_dont_care = plane_bytes[s->gfx[GFX_COLOR_DONT_CARE] & 15];
    m->write_mode = s->gfx[GFX_MODE] & GR5_WM;
    m->read_compare = s->gfx[GFX_MODE] & GR5_RM;
    m->rotate = s->gfx[GFX_DATA_ROTATE] & 7;
    m->function = s->gfx[GFX_DATA_ROTATE] >> 3 & 3;
    m->read_plane = s->gfx[GFX_READ_MAP_SELECT] & 3;
    m->keep_a0 = !(s->gfx[GFX_MISCELLANEOUS] & GR6_OE);
    m->replace = !m->function && m->bit_mask == ~0u;
}

static void linear_unmap(Vga *v)
{
    if (v->mapped) phys_unmap_vram(v->phys, v->mapped_pa, v->mapped_bytes);
    v->mapped = false;
    v->linear_hits = 0;
}

static bool linear_both(const VgaMemory *m)
{
    return m->write_path == VGA_LINEAR && m->read_path == VGA_LINEAR;
}

static bool still_mapped(const Vga *v)
{
    const VgaMemory *m = &v->m;
    return linear_both(m) && v->mapped_pa == VGA_LEGACY_PA + m->window_first &&
           v->mapped_bytes == m->window_bytes && v->mapped_offset == m->bank;
}

void vga_memory_changed(Vga *v)
{
    const ScreenState *s = v->s;
    VgaMemory *m = &v->m;
    bool vbe = screen_vbe(s);
    u32 bank = vbe ? (u32)s->dispi[DISPI_BANK] << 16 & (v->vram_bytes - 1) : 0;
    if (bank != m->bank) v->linear_hits = 0;
    window_of(s, m);
    masks_of(s, m);
    m->bank = bank;
    m->address_mask = vbe ? v->vram_bytes / 4 - 1 : LEGACY_PLANE_MASK;
    m->write_path = write_path_of(s, m);
    m->read_path = read_path_of(s, m);
    if (vbe && s->dispi[DISPI_BPP] >= 8) {
        m->window_first = 0, m->window_bytes = 0x10000;
        m->write_path = m->read_path = VGA_LINEAR;
    }
    if (!(s->misc & MISC_ERAM)) m->write_path = m->read_path = VGA_CLOSED;
    if (!linear_both(m)) v->linear_hits = 0;
    if (v->mapped && !still_mapped(v)) linear_unmap(v);
}

static void linear_map(Vga *v)
{
    const VgaMemory *m = &v->m;
    v->mapped = true;
    v->mapped_pa = VGA_LEGACY_PA + m->window_first;
    v->mapped_bytes = m->window_bytes;
    v->mapped_offset = m->bank;
    phys_map_vram(v->phys, v->mapped_pa, v->mapped_bytes, v->mapped_offset);
}

/* Reset has unmapped what was mapped before. */
void vga_memory_loaded(Vga *v)
{
    bool mapped = v->mapped;
    u32 hits = v->linear_hits;
    v->mapped = false;
    vga_memory_changed(v);
    v->linear_hits = hits;
    if (mapped && linear_both(&v->m)) linear_map(v);
}

/* An access was linear: are there so many of them that the window should show the pages? */
static void linear_hit(Vga *v)
{
    if (++v->linear_hits < LINEAR_PATIENCE || v->mapped || !linear_both(&v->m)) return;
    linear_map(v);
}

/* --- addresses ------------------------------------------------------------------------------------------- */

static u8 *planes_at(const Vga *v, u32 address)
{
    return v->vram + ((address + v->m.bank) & v->m.address_mask) * 4;
}

/* In odd/even addressing bit 0 chooses the plane; A16 takes its place if the window has one. */
static u32 odd_even_address(const VgaMemory *m, u32 offset)
{
    return m->keep_a0 ? offset : (offset & ~1u) | (m->window_bytes == 0x20000 ? offset >> 16 & 1 : 0);
}

static u8 *linear_at(const Vga *v, u32 offset)
{
    return v->vram + ((v->m.bank + offset) & (v->vram_bytes - 1));
}

/* --- writes ---------------------------------------------------------------------------------------------- */

static u32 rotated(const VgaMemory *m, u8 value)
{
    return four((u8)(value >> m->rotate | value << (8 - m->rotate)));
}

static u32 logic(const Vga *v, u32 data)
{
    switch (v->m.function) {
    case 1: return data & v->latch;
    case 2: return data | v->latch;
    case 3: return data ^ v->latch;
    default: return data;
    }
}

/* What a byte from the CPU becomes in the four planes. */
static inline u32 graphics_controller(const Vga *v, unsigned write_mode, u8 value)
{
    const VgaMemory *m = &v->m;
    u32 data, mask = m->bit_mask;
    switch (write_mode) {
    case 0:
        data = (rotated(m, value) & ~m->enable_set_reset) | (m->set_reset & m->enable_set_reset);
        if (m->replace) return data;
        break;
    case 1: return v->latch;
    case 2:
        data = plane_bytes[value & 15];
        if (m->replace) return data;
        break;
    default:
        data = m->set_reset;
        mask &= rotated(m, value);
        break;
    }
    return (logic(v, data) & mask) | (v->latch & ~mask);
}

static void planes_store(u8 *at, u32 data, u32 map_mask)
{
    store32(at, (load32(at) & ~map_mask) | (data & map_mask));
}

static inline void planar_bytes(const Vga *v, unsigned mode, u32 offset, u32 value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        planes_store(planes_at(v, offset + i), graphics_controller(v, mode, (u8)(value >> 8 * i)),
                     v->m.map_mask);
}

static void planar_write(const Vga *v, u32 offset, u32 value, unsigned bytes)
{
    switch (v->m.write_mode) { /* each with its own loop */
    case 0: planar_bytes(v, 0, offset, value, bytes); return;
    case 1: planar_bytes(v, 1, offset, value, bytes); return;
    case 2: planar_bytes(v, 2, offset, value, bytes); return;
    default: planar_bytes(v, 3, offset, value, bytes); return;
    }
}

static void odd_even_write(const Vga *v, u32 offset, u8 value)
{
    u32 planes = offset & 1 ? 0xff00ff00 : 0x00ff00ff;
    planes_store(planes_at(v, odd_even_address(&v->m, offset)),
                 graphics_controller(v, v->m.write_mode, value), v->m.map_mask & planes);
}

static void chain4_write(const Vga *v, u32 offset, u8 value)
{
    planes_store(planes_at(v, offset >> 2), graphics_controller(v, v->m.write_mode, value),
                 v->m.map_mask & plane_bytes[BIT(offset & 3)]);
}

/* Character and attribute at an even address lie side by side. */
static void text_write(const Vga *v, u32 offset, u32 value, unsigned bytes)
{
    unsigned odd = offset & 1;
    if (bytes == 1 || odd) {
        for (unsigned i = 0; i < bytes; i++, offset++)
            planes_at(v, odd_even_address(&v->m, offset))[offset & 1] = (u8)(value >> 8 * i);
        return;
    }
    store16(planes_at(v, odd_even_address(&v->m, offset)), (u16)value);
    if (bytes == 4) store16(planes_at(v, odd_even_address(&v->m, offset + 2)), (u16)(value >> 16));
}

static void linear_write(Vga *v, u32 offset, u32 value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) *linear_at(v, offset + i) = (u8)(value >> 8 * i);
    linear_hit(v);
}

static void window_write(Vga *v, u32 offset, u32 value, unsigned bytes)
{
    switch (v->m.write_path) {
    case VGA_PLANAR: planar_write(v, offset, value, bytes); return;
    case VGA_TEXT: text_write(v, offset, value, bytes); return;
    case VGA_LINEAR: linear_write(v, offset, value, bytes); return;
    case VGA_ODD_EVEN:
        for (unsigned i = 0; i < bytes; i++) odd_even_write(v, offset + i, (u8)(value >> 8 * i));
        return;
    case VGA_CHAIN4:
        for (unsigned i = 0; i < bytes; i++) chain4_write(v, offset + i, (u8)(value >> 8 * i));
        return;
    case VGA_CLOSED: return;
    }
}

static void memory_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    Vga *v = dev;
    u32 at = offset - v->m.window_first;
    if (likely(at + bytes <= v->m.window_bytes && at < v->m.window_bytes)) {
        window_write(v, at, value, bytes);
        return;
    }
    for (unsigned i = 0; bytes > 1 && i < bytes; i++) memory_write(v, offset + i, value >> 8 * i, 1);
}

/* --- reads ----------------------------------------------------------------------------------------------- */

/* A byte of the latches: of one plane, or a bit for each pixel that has the colour asked for. */
static u8 latch_byte(const Vga *v, unsigned plane)
{
    const VgaMemory *m = &v->m;
    if (!m->read_compare) return (u8)(v->latch >> 8 * plane);
    u32 differs = (v->latch ^ m->color_compare) & m->color_dont_care;
    differs |= differs >> 16;
    return (u8) ~(differs | differs >> 8);
}

static u8 planar_read(Vga *v, u32 offset)
{
    v->latch = load32(planes_at(v, offset));
    return latch_byte(v, v->m.read_plane);
}

static u8 odd_even_read(Vga *v, u32 offset)
{
    v->latch = load32(planes_at(v, odd_even_address(&v->m, offset)));
    return latch_byte(v, (v->m.read_plane & 2) | (offset & 1));
}

static u8 chain4_read(Vga *v, u32 offset)
{
    v->latch = load32(planes_at(v, offset >> 2));
    return latch_byte(v, offset & 3);
}

static u32 text_read(Vga *v, u32 offset, unsigned bytes)
{
    if (bytes == 1 || offset & 1) {
        u32 value = 0;
        for (unsigned i = 0; i < bytes; i++) value |= (u32)odd_even_read(v, offset + i) << 8 * i;
        return value;
    }
    u32 value = (u16)(v->latch = load32(planes_at(v, odd_even_address(&v->m, offset))));
    if (bytes == 2) return value;
    v->latch = load32(planes_at(v, odd_even_address(&v->m, offset + 2)));
    return value | v->latch << 16;
}

static u32 linear_read(Vga *v, u32 offset, unsigned bytes)
{
    u32 value = 0;
    for (unsigned i = 0; i < bytes; i++) value |= (u32)*linear_at(v, offset + i) << 8 * i;
    v->latch = load32(linear_at(v, offset & ~3u));
    linear_hit(v);
    return value;
}

static u32 window_read(Vga *v, u32 offset, unsigned bytes)
{
    u32 value = 0;
    switch (v->m.read_path) {
    case VGA_PLANAR:
        for (unsigned i = 0; i < bytes; i++) value |= (u32)planar_read(v, offset + i) << 8 * i;
        return value;
    case VGA_TEXT: return text_read(v, offset, bytes);
    case VGA_LINEAR: return linear_read(v, offset, bytes);
    case VGA_ODD_EVEN:
        for (unsigned i = 0; i < bytes; i++) value |= (u32)odd_even_read(v, offset + i) << 8 * i;
        return value;
    case VGA_CHAIN4:
        for (unsigned i = 0; i < bytes; i++) value |= (u32)chain4_read(v, offset + i) << 8 * i;
        return value;
    default: return ~0u;
    }
}

static u32 memory_read(void *dev, u32 offset, unsigned bytes)
{
    Vga *v = dev;
    u32 at = offset - v->m.window_first, value = 0;
    if (likely(at + bytes <= v->m.window_bytes && at < v->m.window_bytes)) return window_read(v, at, bytes);
    if (bytes == 1) return 0xff;
    for (unsigned i = 0; i < bytes; i++) value |= memory_read(v, offset + i, 1) << 8 * i;
    return value;
}

/* --- life cycle ------------------------------------------------------------------------------------------ */

static const IoOps memory_ops = {memory_read, memory_write, 1, 4};

void vga_memory_init(Vga *v)
{
    bus_add_mmio(v->bus, VGA_LEGACY_PA, VGA_LEGACY_BYTES, &memory_ops, v, "vga-memory");
}
