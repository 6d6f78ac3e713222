/* seg.h - for assembly: the numbers of bios.h, and struct Regs on the stack. */
#define LOW_SEG    0xec00
#define LOW_FLAT   0xec000
#define BDA_SEG    0x40
#define SLOT       0xc00 /* one stack in LOW_SEG */
#define STACKS_TOP 0x4000
#define REGS_FLAGS 36
#define REGS_SIZE  40 /* bytes of struct Regs */
#define PIC_EOI    0x20

/* clang-format off */

/* A struct Regs, and behind it the far address where they are wanted. */
        .macro  regs_load_and_go
        popw    %gs
        popw    %fs
        regs_load_rest_and_go
        .endm
        .macro  regs_load_rest_and_go
        popw    %es
        popw    %ds
        popl    %edi
        popl    %esi
        popl    %ebp
        popl    %ebx
        popl    %edx
        popl    %ecx
        popl    %eax
        popfw
        leal    2(%esp), %esp
        lretw
        .endm

/* A struct Regs of the registers as they are. */
        .macro  regs_store
        pushw   $0
        pushfw
        pushl   %eax
        pushl   %ecx
        pushl   %edx
        pushl   %ebx
        pushl   %ebp
        pushl   %esi
        pushl   %edi
        pushw   %ds
        pushw   %es
        pushw   %fs
        pushw   %gs
        .endm
