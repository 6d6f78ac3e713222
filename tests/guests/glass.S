/* glass.S - a guest to be looked at (tests/boot/inspect.py): ring 3 runs a loop with POPF in it, and calls the kernel now
 * and then. A Multiboot kernel without paging.
 *
 * The loop: PUSHF, its image changed (CF set, IF taken away, which ring 3 may not), POPF. `rounds` counts them.
 * Every 65536 rounds INT 30h: the kernel pops flags, too, with IF set; writes port 80h, counts in `calls`, and returns.
 */
#include "entry.h"
#include "multiboot.h"
        .set    USER_CODE, 0x1b
        .set    USER_DATA, 0x23
        .set    TSS_SELECTOR, 0x28
        .section .multiboot, "a"
        MULTIBOOT_HEADER MULTIBOOT_INFO

        .text
        .globl  _start
_start: mov     $stack_top, %esp
        mov     $0xff, %al              /* no interrupts: there is nobody for them */
        out     %al, $0x21
        out     %al, $0xa1
        FLAT_SEGMENTS gdtr
        movl    $stack_top, tss + 4
        movl    $0x10, tss + 8
        TASK_REGISTER TSS_SELECTOR
        lea     call_gate, %ecx
        mov     %cx, idt + 8 * 0x30
        movw    $8, idt + 8 * 0x30 + 2
        movw    $0xee00, idt + 8 * 0x30 + 4
        shr     $16, %ecx
        mov     %cx, idt + 8 * 0x30 + 6
        lidt    idtr
        mov     $USER_DATA, %eax
        mov     %eax, %ds
        mov     %eax, %es
        push    %eax
        push    $user_top
        push    $0x202                  /* IF, IOPL 0 */
        push    $USER_CODE
        push    $user
        iret

        .globl  user, user_popf, kernel_popf, rounds, calls
user:   pushf
        pop     %eax
        and     $~0x200, %eax           /* IF: ring 3 may not, and is not told */
        or      $1, %eax                /* CF: it may */
        push    %eax
user_popf:
        popf
        adcl    $0, rounds              /* CF counts */
        testw   $0xffff, rounds
        jnz     user
        int     $0x30
        jmp     user

call_gate:                              /* an interrupt gate: IF is clear */
        push    $0x202
kernel_popf:
        popf                            /* ... and set: ring 0 may */
        incl    calls
        out     %al, $0x80
        iret

        .data
        .align  8
gdt:    .quad   0
        .quad   0x00cf9b000000ffff
        .quad   0x00cf93000000ffff
        .quad   0x00cffb000000ffff      /* USER_CODE */
        .quad   0x00cff3000000ffff      /* USER_DATA */
        .quad   0x0000890000000067      /* TSS_SELECTOR */
gdtr:   .word   . - gdt - 1
        .long   gdt
idtr:   .word   8 * 0x31 - 1
        .long   idt
rounds: .long   0
calls:  .long   0
        .bss
        .align  16
idt:    .skip   8 * 0x31
tss:    .skip   0x68
        .skip   4096
stack_top:
        .skip   4096
user_top:
        .section .note.GNU-stack, "", @progbits
