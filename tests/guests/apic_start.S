/* apic_start.S - entry of the APIC test kernel (apic.c), at 100000h, with its Multiboot header; a stub for each of
 * the 256 vectors, all of which lead to isr(vector).
 */
#include "multiboot.h"
        .section .multiboot, "ax"
        .globl  _start
_start: jmp     1f
        MULTIBOOT_HEADER 0
1:      mov     $stack_top, %esp
        lgdt    gdt_pointer
        ljmp    $8, $2f
2:      mov     $16, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        cld
        call    apic_main
3:      hlt
        jmp     3b

        .text
/* Exceptions never come back, so that an error code on the stack does no harm. */
common: pusha
        mov     32(%esp), %eax
        push    %eax
        cld
        call    isr
        add     $4, %esp
        popa
        add     $4, %esp
        iret

        .set    vector, 0
        .rept   256
        .align  16
        .if     vector == 0
        .globl  stubs
stubs:
        .endif
        push    $vector
        jmp     common
        .set    vector, vector + 1
        .endr

        .section .rodata
        .align  8
gdt:    .quad   0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdt_pointer:
        .word   23
        .long   gdt

        .bss
        .align  16
        .skip   8192
stack_top:
        .section .note.GNU-stack, "", @progbits
