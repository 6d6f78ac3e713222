/* boot.c - which kind of kernel it is; the rest is in boot_linux.c and boot_multiboot.c. */
#include "frontend/load/boot.h"

#include "frontend/load/firmware.h"
#include "frontend/load/tour.h"

static bool open_kernel(Boot *b, const char *initrd, Problem *p)
{
    u32 n = b->kernel.bytes < sizeof b->linux_.header ? b->kernel.bytes : (u32)sizeof b->linux_.header;
    if (!image_read(&b->kernel, 0, b->linux_.header, n, p)) return false;
    if (linux_recognise(b)) return linux_open(b, initrd, p);
    p->text[0] = 0;
    b->multiboot = multiboot_recognise(b, p);
    if (b->multiboot) return multiboot_open(b, initrd, p);
    if (p->text[0]) return false;
    return problem_set(p, "-kernel %.200s: neither a Linux bzImage nor a Multiboot kernel", b->kernel.path);
}

bool boot_open(Boot *b, u32 ram_bytes, const char *kernel, const char *initrd, const char *append, Problem *p)
{
    *b = (Boot){.append = append ? append : "", .ram_bytes = ram_bytes};
    return image_open(&b->kernel, "-kernel", kernel, p) && open_kernel(b, initrd, p);
}

bool boot_open_tour(Boot *b, u32 ram_bytes, Problem *p)
{
    *b = (Boot){.append = "", .ram_bytes = ram_bytes};
    return tour_image(&b->kernel, p) && open_kernel(b, NULL, p);
}

void boot_let_check_processor(Boot *b) { b->needs_firmware = true; }

bool boot_place(const Boot *b, Vcpu *c, const Parts *parts, Problem *p)
{
    if (b->multiboot) return multiboot_place(b, c, p);
    if (b->needs_firmware) return linux_place_real(b, c, p);
    firmware_prepare(c, parts, !b->no_acpi);
    firmware_flat(c, b->entry);
    return linux_place(b, c, p);
}
