/* boot.c - which kind of kernel it is; the rest is in boot_linux.c and boot_multiboot.c. */
#include "frontend/boot.h"

#include "frontend/firmware.h"

bool boot_open(Boot *b, u32 ram_bytes, const char *kernel, const char *initrd, const char *append, Problem *p)
{
    *b = (Boot){.append = append ? append : "", .ram_bytes = ram_bytes};
    if (!image_open(&b->kernel, "-kernel", kernel, p)) return false;
    u32 n = b->kernel.bytes < sizeof b->linux_.header ? b->kernel.bytes : (u32)sizeof b->linux_.header;
    if (!image_read(&b->kernel, 0, b->linux_.header, n, p)) return false;
    if (linux_recognise(b)) return linux_open(b, initrd, p);
    p->text[0] = 0;
    b->multiboot = multiboot_recognise(b, p);
    if (b->multiboot) return multiboot_open(b, initrd, p);
    if (p->text[0]) return false;
    return problem_set(p, "-kernel %.200s: neither a Linux bzImage nor a Multiboot kernel", kernel);
}

bool boot_place(const Boot *b, Vcpu *c, Problem *p)
{
    if (b->needs_firmware) return linux_place_real(b, c, p);
    firmware_prepare(c->bus, c->phys, !b->no_acpi);
    firmware_flat(c, b->entry);
    return b->multiboot ? multiboot_place(b, c, p) : linux_place(b, c, p);
}
