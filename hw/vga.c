/* vga.c - the registers of the VGA: Miscellaneous Output, sequencer, CRT controller, graphics controller, attribute
 * controller, DAC and the input status registers.
 *
 * IBM PS/2 Hardware Interface Technical Reference, "Video Subsystem". Ports: 3B4h-3B5h and 3D4h-3D5h (CRT controller:
 * one pair at a time answers, by the Miscellaneous Output register), 3BAh and 3DAh, 3C0h-3CFh.
 *
 * The device has four files: this one; vga_memory.c, the way from a0000-bffff to the planes; vga_dispi.c, the Bochs VBE
 * registers; vga_pci.c, the PCI function with frame buffer and ROM. It only keeps registers and memory; scanout.c makes
 * the picture of them, possibly in another process.
 *
 * Input Status 1 is computed when read, from guest time and the programmed frame: programs wait for its edges and
 * measure with them.
 *
 * Quirks that guests rely on: registers 0-7 of the CRT controller are read-only while CR11 bit 7 is set, but for the
 * line compare bit in CR7; reading 3DAh makes the next write of 3C0h an index; the palette can be written while the display
 * is on; 3C2h shows a colour monitor. The DAC (INMOS IMSG171 data sheet, "Writing to and reading from the look-up
 * table") has one address register and one latch: 3C7h fetches the entry and moves on to the next, as the third
 * component does, so that 3C8h reads one more and what is written then goes there; a written entry changes with its
 * third component.
 *
 * A retrace lasts 64 us. A guest that waits for one in a loop must not miss it because the host ran somebody else
 * meanwhile: what passed between two reads is seen by the second, once (retrace_missed).
 *
 * Not implemented: the vertical retrace interrupt (IRQ2; VGA cards seldom had it wired), the light pen, feature
 * connector, 3C3h and 46E8h as switches, the video status multiplexer (3DAh bits 4-5), bit-exact horizontal timing.
 */
#include "hw/vga.h"

enum { PORT_MONO = 0x3b0, PORT_COMMON = 0x3c0, PORT_COLOR = 0x3d0 };
enum { /* 3C0h on */
       ATTR_ADDRESS,
       ATTR_READ,
       MISC_WRITE,
       SUBSYSTEM_ENABLE,
       SEQ_ADDRESS,
       SEQ_DATA,
       PEL_MASK,
       PEL_READ_ADDRESS,
       PEL_ADDRESS,
       PEL_DATA,
       FEATURE_READ,
       MISC_READ = 0xc,
       GFX_ADDRESS = 0xe,
       GFX_DATA
};
enum { CRTC_ADDRESS = 4, CRTC_DATA = 5, STATUS_1 = 0xa }; /* 3B0h or 3D0h on */
enum { STATUS_0_SENSE = 0x10, STATUS_1_DE = 0x01, STATUS_1_VR = 0x08 };

/* --- timing ---------------------------------------------------------------------------------------------- */

static u32 crtc_bits(const ScreenState *s, unsigned reg, unsigned bit8,
                     unsigned bit9) /* with two bits of CR7 */
{
    u32 overflow = s->crtc[CRTC_OVERFLOW];
    return s->crtc[reg] | (overflow >> bit8 & 1) << 8 | (overflow >> bit9 & 1) << 9;
}

static u32 dot_clock_hz(const ScreenState *s)
{
    u32 hz = s->misc & MISC_CS ? 28322000 : 25175000;
    return s->seq[SEQ_CLOCKING_MODE] & SR1_DC ? hz / 2 : hz;
}

/* What no monitor would show gets the time of a text frame, so that a program that waits for an edge sees one. */
static void timing_default(Vga *v)
{
    v->frame_ns = 14268000; /* 70.09 Hz */
    v->chars = 100, v->chars_shown = 80;
    v->lines = 449, v->lines_shown = 400;
    v->retrace_first = 412, v->retrace_lines = 2;
}

static void timing_compute(Vga *v)
{
    enum { FRAME_MIN_NS = 1000000, FRAME_MAX_NS = 200000000 };
    const ScreenState *s = v->s;
    u32 dots = s->seq[SEQ_CLOCKING_MODE] & SR1_D89 ? 8 : 9;
    v->timing_known = v->polled_retrace = true; /* retraces of another timing do not count */
    v->chars = s->crtc[CRTC_HORIZONTAL_TOTAL] + 5u;
    v->chars_shown = s->crtc[CRTC_HORIZONTAL_DISPLAY_END] + 1u;
    v->lines = crtc_bits(s, CRTC_VERTICAL_TOTAL, 0, 5) + 2;
    v->lines_shown = crtc_bits(s, CRTC_VERTICAL_DISPLAY_END, 1, 6) + 1;
    v->retrace_first = crtc_bits(s, CRTC_VERTICAL_RETRACE_START, 2, 7);
    v->retrace_lines = (s->crtc[CRTC_VERTICAL_RETRACE_END] - v->retrace_first) & 15;
    v->frame_ns = (u64)v->chars * dots * v->lines * 1000000000u / dot_clock_hz(s);
    if (s->crtc[CRTC_MODE_CONTROL] & CR17_HRS) v->frame_ns *= 2;
    if (screen_vbe(s) || v->frame_ns < FRAME_MIN_NS || v->frame_ns > FRAME_MAX_NS ||
        v->lines_shown >= v->lines || v->retrace_first >= v->lines || !v->retrace_lines)
        timing_default(v);
}

/* Has one come and gone since a read that said that there is none? A guest that was away for longer than two frames did
 * not wait for it. */
static bool retrace_missed(Vga *v, u64 now, u32 line)
{
    u64 retraces = now / v->frame_ns + (line >= v->retrace_first + v->retrace_lines);
    bool missed =
        !v->polled_retrace && retraces != v->polled_retraces && now - v->polled_ns < 2 * v->frame_ns;
    v->polled_ns = now;
    v->polled_retraces = retraces;
    return missed;
}

static u8 status_1(Vga *v)
{
    if (!v->timing_known) timing_compute(v);
    u64 now = clock_now(v->clock), at = now % v->frame_ns * v->lines;
    u32 line = (u32)(at / v->frame_ns), ch = (u32)(at % v->frame_ns * v->chars / v->frame_ns);
    bool retrace = retrace_missed(v, now, line) || line - v->retrace_first < v->retrace_lines;
    v->polled_retrace = retrace;
    if (retrace) return STATUS_1_VR | STATUS_1_DE;
    bool off = line >= v->lines_shown || ch >= v->chars_shown;
    return off ? STATUS_1_DE : 0;
}

/* Until the retrace begins or ends. Display enable comes and goes with every line meanwhile. */
static u64 status_1_still(void *dev, u32 offset)
{
    Vga *v = ((const VgaPorts *)dev)->vga;
    (void)offset;
    if (!v->timing_known) return 0;
    u64 at = clock_now(v->clock) % v->frame_ns, begins = v->frame_ns * v->retrace_first / v->lines + 1;
    u64 ends = v->frame_ns * (v->retrace_first + v->retrace_lines) / v->lines + 1;
    return (at < begins ? begins : at < ends ? ends : v->frame_ns + begins) - at;
}

/* --- reads ----------------------------------------------------------------------------------------------- */

static void dac_fetch(Vga *v)
{
    memcpy(v->dac_latch, v->s->dac[v->dac_address++], 3);
    v->dac_component = 0;
}

static u8 dac_data_read(Vga *v)
{
    u8 value = v->dac_latch[v->dac_component];
    if (++v->dac_component == 3) dac_fetch(v);
    return value;
}

static u8 common_read(Vga *v, unsigned reg)
{
    const ScreenState *s = v->s;
    switch (reg) {
    case ATTR_ADDRESS: return s->attr_index;
    case ATTR_READ: return s->attr_index % 32 < ATTR_COUNT ? s->attr[s->attr_index % 32] : 0;
    case MISC_WRITE: return STATUS_0_SENSE;
    case SUBSYSTEM_ENABLE: return v->subsystem;
    case SEQ_ADDRESS: return v->seq_index;
    case SEQ_DATA: return v->seq_index < SEQ_COUNT ? s->seq[v->seq_index] : 0;
    case PEL_MASK: return s->pel_mask;
    case PEL_READ_ADDRESS: return v->dac_reading ? 3 : 0;
    case PEL_ADDRESS: return v->dac_address;
    case PEL_DATA: return dac_data_read(v);
    case FEATURE_READ: return v->feature;
    case MISC_READ: return s->misc;
    case GFX_ADDRESS: return v->gfx_index;
    case GFX_DATA: return v->gfx_index < GFX_COUNT ? s->gfx[v->gfx_index] : 0;
    default: return 0xff;
    }
}

static u8 crtc_side_read(Vga *v, unsigned reg)
{
    switch (reg) {
    case CRTC_ADDRESS: return v->crtc_index;
    case CRTC_DATA: return v->crtc_index < CRTC_COUNT ? v->s->crtc[v->crtc_index] : 0;
    case STATUS_1: v->attr_data = false; return status_1(v);
    default: return 0xff;
    }
}

static bool side_answers(const Vga *v, u16 port) /* 3Bxh or 3Dxh */
{
    return (port >= PORT_COLOR) == !!(v->s->misc & MISC_IOAS);
}

u32 vga_port_read(Vga *v, u16 port)
{
    if (port >= PORT_COMMON && port < PORT_COLOR) return common_read(v, port & 15);
    return side_answers(v, port) ? crtc_side_read(v, port & 15) : 0xff;
}

/* --- writes ---------------------------------------------------------------------------------------------- */

static void seq_write(Vga *v, u8 value)
{
    static const u8 writable[SEQ_COUNT] = {0x03, 0x3d, 0x0f, 0x3f, 0x0e};
    if (v->seq_index >= SEQ_COUNT) return;
    v->s->seq[v->seq_index] = value & writable[v->seq_index];
    if (v->seq_index == SEQ_CLOCKING_MODE) v->timing_known = false;
    if (v->seq_index == SEQ_MAP_MASK || v->seq_index == SEQ_MEMORY_MODE) vga_memory_changed(v);
}

static void gfx_write(Vga *v, u8 value)
{
    static const u8 writable[GFX_COUNT] = {0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff};
    if (v->gfx_index >= GFX_COUNT) return;
    v->s->gfx[v->gfx_index] = value & writable[v->gfx_index];
    vga_memory_changed(v);
}

static void crtc_write(Vga *v, u8 value)
{
    if (v->crtc_index >= CRTC_COUNT) return;
    u8 *reg = &v->s->crtc[v->crtc_index];
    if (v->crtc_index <= CRTC_OVERFLOW && v->s->crtc[CRTC_VERTICAL_RETRACE_END] & CR11_PR) {
        if (v->crtc_index == CRTC_OVERFLOW) *reg = (*reg & ~CR7_LC8) | (value & CR7_LC8);
        return;
    }
    *reg = value;
    v->timing_known = false;
}

static void attr_write(Vga *v, u8 value)
{
    static const u8 writable[ATTR_COUNT - 16] = {0xef, 0xff, 0x3f, 0x0f, 0x0f};
    ScreenState *s = v->s;
    unsigned index = s->attr_index & ATTR_INDEX_MASK;
    v->attr_data = !v->attr_data;
    if (v->attr_data)
        s->attr_index = value & (ATTR_PAS | ATTR_INDEX_MASK);
    else if (index < 16)
        s->attr[index] = value & 0x3f;
    else if (index < ATTR_COUNT)
        s->attr[index] = value & writable[index - 16];
}

static void dac_data_write(Vga *v, u8 value)
{
    bool wide = v->s->dispi[DISPI_ENABLE] & DISPI_8BIT_DAC;
    v->dac_latch[v->dac_component] = wide ? value : value & 0x3f;
    if (++v->dac_component < 3) return;
    memcpy(v->s->dac[v->dac_address++], v->dac_latch, 3);
    v->dac_component = 0;
}

static void dac_address_write(Vga *v, u8 value, bool reads)
{
    v->dac_address = value;
    v->dac_component = 0;
    v->dac_reading = reads;
    if (reads) dac_fetch(v);
}

static void misc_write(Vga *v, u8 value)
{
    v->s->misc = value;
    v->timing_known = false;
    vga_memory_changed(v);
}

static void common_write(Vga *v, unsigned reg, u8 value)
{
    switch (reg) {
    case ATTR_ADDRESS:
    case ATTR_READ: attr_write(v, value); return;
    case MISC_WRITE: misc_write(v, value); return;
    case SUBSYSTEM_ENABLE: v->subsystem = value & 1; return;
    case SEQ_ADDRESS: v->seq_index = value & 7; return;
    case SEQ_DATA: seq_write(v, value); return;
    case PEL_MASK: v->s->pel_mask = value; return;
    case PEL_READ_ADDRESS: dac_address_write(v, value, true); return;
    case PEL_ADDRESS: dac_address_write(v, value, false); return;
    case PEL_DATA: dac_data_write(v, value); return;
    case GFX_ADDRESS: v->gfx_index = value & 15; return;
    case GFX_DATA: gfx_write(v, value); return;
    }
}

static void crtc_side_write(Vga *v, unsigned reg, u8 value)
{
    switch (reg) {
    case CRTC_ADDRESS: v->crtc_index = value & 0x1f; return;
    case CRTC_DATA: crtc_write(v, value); return;
    case STATUS_1: v->feature = value & 0x0b; return;
    }
}

void vga_port_write(Vga *v, u16 port, u8 value)
{
    if (port >= PORT_COMMON && port < PORT_COLOR)
        common_write(v, port & 15, value);
    else if (side_answers(v, port))
        crtc_side_write(v, port & 15, value);
}

/* --- the bus --------------------------------------------------------------------------------------------- */

/* OUT DX,AX writes index and data at once: the usual way, so it comes whole. */
static u32 ports_read(void *dev, u32 offset, unsigned bytes)
{
    const VgaPorts *p = dev;
    u16 port = (u16)(p->first + offset);
    u32 low = vga_port_read(p->vga, port);
    return bytes == 1 ? low : low | vga_port_read(p->vga, port + 1) << 8;
}

static void ports_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    const VgaPorts *p = dev;
    u16 port = (u16)(p->first + offset);
    vga_port_write(p->vga, port, (u8)value);
    if (bytes == 2) vga_port_write(p->vga, port + 1, (u8)(value >> 8));
}

static void ports_init(Vga *v)
{
    static const IoOps ops = {ports_read, ports_write, 1, 2};
    static const struct {
        u16 first, count;
    } ranges[VGA_PORT_RANGES] = {{0x3b4, 2}, {0x3ba, 1}, {0x3c0, 16}, {0x3d4, 2}, {0x3da, 1}};
    for (unsigned i = 0; i < VGA_PORT_RANGES; i++) {
        v->ports[i] = (VgaPorts){v, ranges[i].first};
        int id = bus_add_ports(v->bus, ranges[i].first, ranges[i].count, &ops, &v->ports[i], "vga");
        if (ranges[i].count == 1 /* input status 1 */) bus_set_still(v->bus, id, status_1_still);
    }
}

/* --- life cycle ------------------------------------------------------------------------------------------ */

void vga_reset(void *dev)
{
    Vga *v = dev;
    memset(v->s, 0, sizeof *v->s);
    v->s->pel_mask = 0xff;
    v->feature = v->seq_index = v->crtc_index = v->gfx_index = 0;
    v->attr_data = v->dac_reading = v->timing_known = false;
    v->dac_address = v->dac_component = 0;
    memset(v->dac_latch, 0, sizeof v->dac_latch);
    v->subsystem = 1;
    v->latch = 0;
    vga_dispi_reset(v);
    vga_memory_changed(v);
    vga_pci_reset(v);
}

static void screen_state(ScreenState *r, State *s)
{
    state_u8(s, "misc", &r->misc);
    state_bytes(s, "seq", r->seq, sizeof r->seq);
    state_bytes(s, "crtc", r->crtc, sizeof r->crtc);
    state_bytes(s, "gfx", r->gfx, sizeof r->gfx);
    state_bytes(s, "attr", r->attr, sizeof r->attr);
    state_u8(s, "attr_index", &r->attr_index);
    state_u8(s, "pel_mask", &r->pel_mask);
    state_bytes(s, "dac", r->dac[0], sizeof r->dac);
    state_values(s, "dispi", r->dispi, 2, DISPI_COUNT);
}

static void vga_state(void *dev, State *s)
{
    Vga *v = dev;
    pci_function_state(&v->pci, s);
    screen_state(v->s, s);
    state_u8(s, "feature", &v->feature);
    state_u8(s, "seq_index", &v->seq_index);
    state_u8(s, "crtc_index", &v->crtc_index);
    state_u8(s, "gfx_index", &v->gfx_index);
    state_bool(s, "attr_data", &v->attr_data);
    state_u8(s, "dac_address", &v->dac_address);
    state_u8(s, "dac_component", &v->dac_component);
    state_check(s, v->dac_component < 3, "dac_component");
    state_bytes(s, "dac_latch", v->dac_latch, sizeof v->dac_latch);
    state_bool(s, "dac_reading", &v->dac_reading);
    state_u8(s, "subsystem", &v->subsystem);
    state_u16(s, "dispi_index", &v->dispi_index);
    state_u32(s, "latch", &v->latch);
    state_u32(s, "linear_hits", &v->linear_hits);
    state_bool(s, "mapped", &v->mapped);
    v->polled_retrace |= !v->timing_known; /* as timing_compute() will have it */
    state_u64(s, "polled_ns", &v->polled_ns);
    state_u64(s, "polled_retraces", &v->polled_retraces);
    state_bool(s, "polled_retrace", &v->polled_retrace);
}

static void vga_loaded(void *dev)
{
    Vga *v = dev;
    bool polled_retrace = v->polled_retrace;
    vga_dispi_fit(v);
    timing_compute(v);
    v->polled_retrace = polled_retrace;
    vga_memory_loaded(v);
    pci_function_loaded(&v->pci);
}

const PartKind vga_part = {.version = 1, .reset = vga_reset, .state = vga_state, .loaded = vga_loaded};

bool vga_init(Vga *v, Bus *bus, Pci *pci, Phys *phys, Clock *clock, ScreenState *shared)
{
    u32 page = phys_add_vram(phys, VGA_VRAM_BYTES);
    *v = (Vga){.bus = bus, .phys = phys, .clock = clock};
    if (!page) return false;
    v->s = shared ? shared : &v->own;
    v->vram = phys->ram + ((u64)page << PAGE_BITS);
    v->vram_bytes = VGA_VRAM_BYTES;
    ports_init(v);
    vga_memory_init(v);
    vga_dispi_init(v);
    vga_pci_init(v, pci);
    return true;
}
