/* fast_pit.S - a Multiboot kernel with a timer tick each 1.7 us (PIT counter 0 at its fastest, mode 2, count 2): the
 * code that the ticks interrupt gets on all the same. It leaves by isa-debug-exit at port F4: exit code 3.
 */
#include "entry.h"
#include "multiboot.h"

        .set    CODE, 0x08
        .set    ROUNDS, 5000000

        .section .multiboot, "a"
        MULTIBOOT_HEADER 0

        .text
        .globl  _start
_start: mov     $stack_top, %esp
        FLAT_SEGMENTS gdt_pointer
        mov     $on_timer, %eax
        mov     %ax, idt + 0x20 * 8
        shr     $16, %eax
        mov     %ax, idt + 0x20 * 8 + 6
        lidt    idt_pointer
        mov     $icws, %esi             /* master: vectors 20h..27h, all but IRQ 0 masked; slave: all masked */
        mov     $(icws_end - icws) / 2, %ecx
3:      lodsw
        movzbl  %al, %edx
        mov     %ah, %al
        out     %al, %dx
        loop    3b
        sti
        mov     $ROUNDS, %ecx
4:      add     %ecx, sum               /* no delay loop, which would be paced */
        dec     %ecx
        jnz     4b
        cli
        mov     $1, %al
        cmpl    $0, ticks
        jne     5f
        inc     %eax                    /* no tick came: exit code 5 */
5:      out     %al, $0xf4
6:      hlt
        jmp     6b

on_timer:
        push    %eax
        incl    ticks
        mov     $0x20, %al
        out     %al, $0x20
        pop     %eax
        iret

        .data
icws:   .byte   0x20, 0x11, 0x21, 0x20, 0x21, 0x04, 0x21, 0x01, 0x21, 0xfe
        .byte   0xa0, 0x11, 0xa1, 0x28, 0xa1, 0x02, 0xa1, 0x01, 0xa1, 0xff
        .byte   0x43, 0x34, 0x40, 0x02, 0x40, 0x00
icws_end:
        .align  8
gdt:    .quad   0, 0x00cf9a000000ffff, 0x00cf92000000ffff
gdt_pointer:
        .word   gdt_pointer - gdt - 1
        .long   gdt
idt_pointer:
        .word   0x21 * 8 - 1
        .long   idt
        .align  8
idt:    .fill   0x20, 8, 0
        .word   0, CODE, 0x8e00, 0
        .bss
ticks:  .skip   4
sum:    .skip   4
        .skip   1024
stack_top:
