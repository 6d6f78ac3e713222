/* probe_start.S - Multiboot header and entry of the probe guest (probe.c). */
        .set    FLAGS, 3                /* modules on pages, memory information */
        .set    MAGIC, 0x1badb002
        .section .multiboot, "a"
        .align  4
        .long   MAGIC, FLAGS, -(MAGIC + FLAGS)

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
        sti
        hlt
        jmp     halt_with_interrupts

        .bss
        .align  16
        .skip   8192
stack_top:
        .section .note.GNU-stack, "", @progbits
