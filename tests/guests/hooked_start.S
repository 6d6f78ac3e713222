/* hooked_start.S - Multiboot header, tables and ring 3 of hooked.c: INT 80h and SYSENTER as Linux's vDSO makes them. */
#include "entry.h"
#include "multiboot.h"
        .set    TSS_SELECTOR, 0x28
        .section .multiboot, "a"
        MULTIBOOT_HEADER MULTIBOOT_INFO

        .text
        .globl  _start
_start: mov     $stack_top, %esp
        mov     %ebx, %esi
        FLAT_SEGMENTS gdtr
        TASK_REGISTER TSS_SELECTOR
        lea     from_80, %eax
        mov     $0x80, %ecx
        call    gate
        lea     from_81, %eax
        mov     $0x81, %ecx
        call    gate
        lidt    idtr
        mov     $0x174, %ecx            /* SYSENTER_CS, _ESP, _EIP */
        mov     $8, %eax
        xor     %edx, %edx
        wrmsr
        inc     %ecx
        mov     $trap_stack_top, %eax
        wrmsr
        inc     %ecx
        mov     $from_sysenter, %eax
        wrmsr
        push    %esi
        call    hooked_main
1:      cli
        hlt
        jmp     1b

/* Gate ecx, which ring 3 may use, leads to eax. */
gate:   lea     idt(, %ecx, 8), %edx
        mov     %ax, (%edx)
        movw    $8, 2(%edx)
        movw    $0xee00, 4(%edx)
        shr     $16, %eax
        mov     %ax, 6(%edx)
        ret

from_80:
        add     $100, %eax
        iret
from_sysenter:
        add     $200, %eax
        mov     $landing, %edx
        mov     %ebp, %ecx
        sysexit

/* void run_user(void): the ring 3 program, until its INT 81h */
        .globl  run_user
run_user:
        pusha
        mov     %esp, kernel_esp
        pushl   $0x23
        pushl   $user_stack_top
        pushl   $2
        pushl   $0x1b
        pushl   $user
        mov     $0x23, %eax
        mov     %eax, %ds
        mov     %eax, %es
        iret
from_81:
        mov     $0x10, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     kernel_esp, %esp
        popa
        ret

        .globl  user_int
user:   mov     $7, %eax
        mov     $text, %ebx
        mov     $2, %ecx
        mov     $3, %edx
        mov     $4, %esi
        mov     $5, %edi
        mov     $6, %ebp
user_int:
        int     $0x80
        mov     %eax, user_results
        mov     $8, %eax
        call    vsyscall
        mov     %eax, user_results + 4
        int     $0x81
vsyscall:
        push    %ecx
        push    %edx
        push    %ebp
        mov     %esp, %ebp
        sysenter
        int     $0x80
landing:
        pop     %ebp
        pop     %edx
        pop     %ecx
        ret

        .data
text:   .asciz  "from ring 3"
        .globl  user_results
        .align  4
user_results:
        .long   0, 0
gdtr:   .word   gdt_end - gdt - 1
        .long   gdt
idtr:   .word   0x82 * 8 - 1
        .long   idt
        .align  8
gdt:    .quad   0, 0x00cf9a000000ffff, 0x00cf92000000ffff, 0x00cffa000000ffff, 0x00cff2000000ffff
        .quad   0x0000890000000067      /* TSS_SELECTOR */
gdt_end:
tss:    .long   0, trap_stack_top, 0x10
        .fill   22, 4, 0
        .word   0, 104
        .bss
        .align  8
idt:    .fill   0x82, 8, 0
kernel_esp:
        .long   0
        .fill   4096, 1, 0
user_stack_top:
        .fill   4096, 1, 0
trap_stack_top:
        .fill   8192, 1, 0
stack_top:
        .section .note.GNU-stack, "", @progbits
