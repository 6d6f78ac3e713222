/* probe_start.S - Multiboot header and entry of the probe guest (probe.c). */
#include "multiboot.h"
        .section .multiboot, "a"
        MULTIBOOT_HEADER MULTIBOOT_INFO

        .text
        .globl  _start
_start: mov     $stack_top, %esp
        push    %ebx                    /* information structure */
        push    %eax                    /* magic */
        call    probe_main
1:      hlt
        jmp     1b

        /* triple_fault - an interrupt with no interrupt table. */
        .globl  triple_fault
triple_fault:
        lidt    no_idt
        int3
no_idt: .word   0
        .long   0

        /* halt_with_interrupts - HLT with IF=1 and nothing that could wake it. */
        .globl  halt_with_interrupts
halt_with_interrupts:
        mov     $0xff, %al              /* the BIOS has left its interrupts open, and there is no table for them */
        out     %al, $0x21
        out     %al, $0xa1
1:      sti
        hlt
        jmp     1b

        .bss
        .align  16
        .skip   8192
stack_top:
        .section .note.GNU-stack, "", @progbits
