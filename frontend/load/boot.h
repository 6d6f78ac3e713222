/* boot.h - -kernel: a Linux bzImage or a Multiboot image with its initial RAM disk or modules. See boot.c. */
#ifndef RING3_BOOT_H
#define RING3_BOOT_H

#include "cpu/cpu.h"
#include "frontend/load/image.h"
#include "hw/part.h"

enum { BOOT_MODULES = 32 };

typedef struct BootModule {
    Image image;
    const char *args; /* "file args", as the guest sees it */
    u32 pa;
} BootModule;

/* Everything that is known about a kernel before the guest exists; a reset places it again. */
typedef struct Boot {
    const char *append; /* "" if none */
    u32 ram_bytes;
    Image kernel;
    bool multiboot;
    bool no_acpi;        /* no tables for it; set by the caller of boot_open() */
    bool needs_firmware; /* started when the firmware is ready for it */
    u32 entry;
    BootModule modules[BOOT_MODULES]; /* Linux: [0] is the initial RAM disk */
    unsigned module_count;
    struct {              /* boot_linux.c */
        u8 header[0x300]; /* the file's first bytes: the setup header is in there */
        u32 setup_bytes;  /* real-mode code, which is not used */
    } linux_;
    struct {           /* boot_multiboot.c */
        u32 header_at; /* offset in the file */
        u32 flags;
        bool has_addresses; /* load by the header's fields, not as ELF */
        u32 load_from, load_pa, load_bytes, bss_end;
        u32 start, end; /* of the kernel in memory */
        u32 info_pa;
    } mb;
} Boot;

/* boot_open - open and check all files, decide what goes where. */
bool boot_open(Boot *b, u32 ram_bytes, const char *kernel, const char *initrd, const char *append,
               Problem *p);
/* boot_open_tour - likewise for the guest of -tour, which is in the program. */
bool boot_open_tour(Boot *b, u32 ram_bytes, Problem *p);
/* The kernel may want more of the processor than it has: it shall look, and say so. A Linux kernel's real-mode part
 * does; it is started when the firmware is ready. After boot_open(). */
void boot_let_check_processor(Boot *b);
/* boot_place - load everything into RAM and put the processor at the entry point. After machine and CPU reset, or, if
 * it needs firmware, when that is ready: in real mode, with the memory map as bios/boot.c hands it over. */
bool boot_place(const Boot *b, Vcpu *c, const Parts *parts, Problem *p);

/* boot_linux.c, boot_multiboot.c: `open` has the kernel's image and completes *b; `place` as above. */
bool linux_recognise(const Boot *b);
bool linux_open(Boot *b, const char *initrd, Problem *p);
bool linux_place(const Boot *b, Vcpu *c, Problem *p);
bool linux_place_real(const Boot *b, Vcpu *c, Problem *p); /* by the 16-bit boot protocol */
bool multiboot_recognise(Boot *b, Problem *p);
bool multiboot_open(Boot *b, const char *initrd, Problem *p);
bool multiboot_place(const Boot *b, Vcpu *c, Problem *p);

#endif
