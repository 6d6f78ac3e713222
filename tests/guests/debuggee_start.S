/* debuggee_start.S - Multiboot header and entry of the debuggee, and the code that C cannot be: a 16-bit segment with a
 * base, a V86 program, a REP.
 */
#include "debuggee.h"
#include "entry.h"
#include "multiboot.h"
        .section .multiboot, "a"
        MULTIBOOT_HEADER MULTIBOOT_INFO

        .text
        .globl  _start
_start: mov     $stack_top, %esp
        FLAT_SEGMENTS gdtr
        TASK_REGISTER TSS_SELECTOR
        lea     v86_exit, %ecx          /* the gate of V86_EXIT, which ring 3 may use */
        mov     %cx, idt + 8 * V86_EXIT
        movl    $0xee000008 >> 16 << 16, idt + 8 * V86_EXIT + 4
        movw    $8, idt + 8 * V86_EXIT + 2
        movb    $0xee, idt + 8 * V86_EXIT + 5
        shr     $16, %ecx
        mov     %cx, idt + 8 * V86_EXIT + 6
        lidt    idtr
        lea     code16, %ecx            /* where the 16-bit segment begins */
        mov     %cx, gdt + CODE16_SELECTOR + 2
        shr     $16, %ecx
        mov     %cl, gdt + CODE16_SELECTOR + 4
        mov     %ch, gdt + CODE16_SELECTOR + 7
        call    debuggee_main
1:      cli
        hlt
        jmp     1b

/* void fill(void *to, unsigned n): one REP of n */
        .globl  fill, fill_rep
        .type   fill, @function
fill:   push    %edi
        mov     8(%esp), %edi
        mov     12(%esp), %ecx
        mov     $0x5a, %al
fill_rep:
        rep stosb
        pop     %edi
        ret

/* void call16(void) */
        .globl  call16
        .type   call16, @function
call16: lcall   $CODE16_SELECTOR, $0
        ret

/* The segment begins here: offset 0. */
        .globl  code16, code16_add
        .code16
code16: mov     $0x1234, %ax
code16_add:
        add     $0x1111, %ax
        lretl
        .code32

/* void call_v86(void): it ends with INT V86_EXIT */
        .globl  call_v86
        .type   call_v86, @function
call_v86:
        pushal
        mov     %esp, tss + 4
        movl    $0x10, tss + 8
        mov     $v86, %esi
        mov     $V86_CS << 4, %edi
        mov     $v86_end - v86, %ecx
        rep movsb
        xor     %eax, %eax
        push    %eax                    /* GS, FS, DS, ES */
        push    %eax
        push    %eax
        push    %eax
        push    $V86_SS
        push    $V86_SP
        push    $0x23002                /* VM, IOPL 3 */
        push    $V86_CS
        push    %eax
        iret
v86_exit:
        mov     $0x10, %eax             /* null, coming from there */
        mov     %eax, %ds
        mov     %eax, %es
        mov     tss + 4, %esp
        popal
        ret

        .code16
v86:    mov     $0x4321, %ax
        add     $0x1111, %ax
        push    %ax
        pop     %bx
        int     $V86_EXIT
v86_end:
        .code32

        .data
        .align  8
gdt:    .quad   0
        .quad   0x00cf9b000000ffff
        .quad   0x00cf93000000ffff
        .quad   0x00009b000000ffff      /* CODE16_SELECTOR */
        .quad   0x0000890000000067      /* TSS_SELECTOR */
gdtr:   .word   . - gdt - 1
        .long   gdt
idtr:   .word   8 * 0x80 - 1
        .long   idt
        .bss
        .align  16
idt:    .skip   8 * 0x80
tss:    .skip   0x68
        .skip   8192
stack_top:
        .section .note.GNU-stack, "", @progbits
