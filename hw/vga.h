/* vga.h - the VGA with its Bochs VBE extension, PCI function 00:02.0. See vga.c; the picture is made by scanout.c. */
#ifndef RING3_VGA_H
#define RING3_VGA_H

#include "hw/clock.h"
#include "hw/part.h"
#include "hw/pci.h"
#include "hw/screen.h"
#include "mmu/phys.h"

enum {
    VGA_VRAM_BYTES = 16 << 20,
    VGA_LEGACY_PA = 0xa0000,
    VGA_LEGACY_BYTES = 0x20000,
    VGA_LFB_PA = 0xe0000000
};

/* How the CPU's accesses to a0000-bffff reach the planes. */
typedef enum VgaPath {
    VGA_CLOSED,   /* RAM disabled */
    VGA_LINEAR,   /* chain-4 or VBE with nothing in between: the pages are mapped, no access comes here */
    VGA_CHAIN4,   /* chain-4 through the graphics controller */
    VGA_TEXT,     /* odd/even, write mode 0, planes 0 and 1, nothing in between */
    VGA_ODD_EVEN, /* odd/even through the graphics controller */
    VGA_PLANAR
} VgaPath;

/* Registers of sequencer and graphics controller as masks over the four planes of an address: byte n is plane n. */
typedef struct VgaMemory {
    VgaPath write_path, read_path;
    u32 window_first, window_bytes; /* offsets from a0000 */
    u32 bank;                       /* added to the plane address */
    u32 address_mask;               /* of plane addresses */
    u32 map_mask, bit_mask, set_reset, enable_set_reset;
    u32 color_compare, color_dont_care;
    u8 write_mode, rotate, function, read_plane;
    bool read_compare, keep_a0;
    bool replace; /* function REPLACE and all bits: the latches do not count in write modes 0 and 2 */
} VgaMemory;

enum { VGA_PORT_RANGES = 5 };
typedef struct Vga Vga;
typedef struct VgaPorts {
    Vga *vga;
    u16 first;
} VgaPorts;

struct Vga {
    ScreenState *s;  /* every register that the picture depends on */
    ScreenState own; /* ... here, unless it is shared */
    u8 *vram;        /* plane p of address a is byte 4 * a + p */
    u32 vram_bytes;
    Bus *bus;
    Phys *phys;
    Clock *clock;
    PciFunction pci;
    int legacy, mmio; /* bus ranges: a0000, BAR 2 */
    VgaPorts ports[VGA_PORT_RANGES];
    u8 feature; /* 3DAh write */
    u8 seq_index, crtc_index, gfx_index;
    bool attr_data;                /* the next write of 3C0h is data */
    u8 dac_address, dac_component; /* the PEL address register; which of red, green, blue is next */
    u8 dac_latch[3];               /* an entry on its way out, or written components until blue comes */
    bool dac_reading;              /* 3C7h reads 3 */
    u8 subsystem;                  /* 3C3h */
    u16 dispi_index;
    u32 latch; /* the four planes as last read */
    VgaMemory m;
    u32 linear_hits; /* accesses to the legacy window since it last became linear */
    bool mapped;     /* VRAM pages are shown in the legacy window ... */
    u32 mapped_pa, mapped_bytes, mapped_offset;
    u32 lfb_pa;        /* BAR 0; 0: nowhere */
    bool timing_known; /* the fields below follow the registers */
    u64 frame_ns;
    u32 lines, chars, lines_shown, chars_shown, retrace_first, retrace_lines;
    u64 polled_ns;       /* when 3DAh was read last ... */
    u64 polled_retraces; /* how many retraces had passed then ... */
    bool polled_retrace; /* and whether it said that there is one */
};

/* vram of VGA_VRAM_BYTES is taken from `phys`. shared: where the registers shall lie, or NULL. False: no room. */
bool vga_init(Vga *v, Bus *bus, Pci *pci, Phys *phys, Clock *clock, ScreenState *shared);
/* Once, after init: the option ROM; stays the caller's. */
void vga_set_rom(Vga *v, const u8 *image, u32 bytes);
void vga_reset(void *dev);
extern const PartKind vga_part;
/* As firmware leaves it: 80x25 text, standard palette, `font` of 256 characters of 16 lines (NULL: none) loaded. */
void vga_post(Vga *v, const u8 *font);

/* Within the device */
void vga_memory_init(Vga *v);
void vga_memory_loaded(Vga *v);
void vga_memory_changed(Vga *v); /* a register that the memory path depends on was written */
void vga_dispi_init(Vga *v);
void vga_dispi_reset(Vga *v);
void vga_dispi_fit(
    Vga *v); /* registers that were loaded: a mode that is on is one that the guest could have set */
u16 vga_dispi_read(Vga *v, unsigned index);
void vga_dispi_write(Vga *v, unsigned index, u16 value);
void vga_pci_init(Vga *v, Pci *pci);
void vga_pci_reset(Vga *v);
void vga_pci_post(Vga *v);
u32 vga_port_read(Vga *v, u16 port);
void vga_port_write(Vga *v, u16 port, u8 value);

#endif
