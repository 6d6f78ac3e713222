/* multiboot.h - the Multiboot header of a test kernel (Multiboot Specification 0.6.96, 3.1): MULTIBOOT_HEADER flags,
 * in the section that probe.ld puts first. */
        .set    MULTIBOOT_MAGIC, 0x1badb002
        .macro  MULTIBOOT_HEADER flags
        .align  4
        .long   MULTIBOOT_MAGIC, \flags, -(MULTIBOOT_MAGIC + \flags)
        .endm
        .set    MULTIBOOT_INFO, 3       /* modules on pages, memory information */
