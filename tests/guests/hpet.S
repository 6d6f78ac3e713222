/* hpet.S - a Multiboot kernel that looks at the HPET (-M pc,hpet=on): its clock against the TSC, which counts 1 ns, a
 * periodic and a one-shot timer by legacy replacement, and a level that is acknowledged. It leaves by isa-debug-exit at
 * port F4 with exit code 2 * n + 1: n is 1 if all is right, 2 if there is no HPET, else the number of what is wrong.
 */
#include "entry.h"
#include "multiboot.h"

        .set    CODE, 0x08
        .set    HPET, 0xfed00000
        .set    CAPABILITIES, HPET
        .set    CONFIG, HPET + 0x10
        .set    STATUS, HPET + 0x20
        .set    COUNTER, HPET + 0xf0
        .set    TIMER_0, HPET + 0x100
        .set    TIMER_1, HPET + 0x120
        .set    MS, 100000              /* in ticks of 10 ns */
        .set    TICKS, 20

        .macro  want condition, n
        mov     $\n, %bl
        j\condition 99f
        jmp     leave
99:
        .endm

        .section .multiboot, "a"
        MULTIBOOT_HEADER 0

        .text
        .globl  _start
_start: mov     $stack_top, %esp
        FLAT_SEGMENTS gdt_pointer
        mov     $on_tick, %eax
        mov     $on_once, %edx
        mov     %ax, idt + 0x20 * 8
        mov     %dx, idt + 0x28 * 8
        shr     $16, %eax
        shr     $16, %edx
        mov     %ax, idt + 0x20 * 8 + 6
        mov     %dx, idt + 0x28 * 8 + 6
        lidt    idt_pointer
        mov     $icws, %esi             /* vectors 20h to 2Fh; open: IRQ 0, 2 and 8 */
        mov     $(icws_end - icws) / 2, %ecx
1:      lodsw
        movzbl  %al, %edx
        mov     %ah, %al
        out     %al, %dx
        loop    1b

        cmpl    $10000000, CAPABILITIES + 4     /* femtoseconds */
        want    e, 2
        movl    $0, CONFIG
        movl    $0, COUNTER
        movl    $0, COUNTER + 4
        mov     COUNTER, %eax
        test    %eax, %eax                      /* halted it stands */
        want    z, 3

        /* 20 ms by the counter are 20,000,000 of the TSC, to 1 %. */
        movl    $1, CONFIG
        call    both
        mov     %eax, %esi
        mov     %edx, %edi
2:      call    both
        sub     %edi, %edx
        cmp     $20 * MS, %edx
        jb      2b
        sub     %esi, %eax
        imul    $10, %edx, %edx
        sub     %edx, %eax
        jns     3f
        neg     %eax
3:      cmp     $200000, %eax
        want    b, 4

        /* Timer 0 each millisecond, as IRQ 0; timer 1 once, after 5, as IRQ 8. */
        movl    $0, CONFIG
        movl    $0, COUNTER
        movl    $0x14c, TIMER_0                 /* interrupts, periodic, 32 bits; the next write sets the comparator */
        movl    $MS, TIMER_0 + 8
        movl    $MS, TIMER_0 + 8                /* and the period */
        movl    $0x104, TIMER_1
        movl    $5 * MS, TIMER_1 + 8
        movl    $3, CONFIG
        sti
4:      cmpl    $TICKS, ticks
        jb      4b
        cli
        mov     COUNTER, %eax
        cmp     $TICKS * MS, %eax               /* no tick comes early */
        want    ae, 5
        cmpl    $1, once
        want    e, 6
        cmpl    $5 * MS, once_at
        want    ae, 7
        cmpl    $MS, first_at
        want    ae, 8

        /* A level stands in the status until it is written back. */
        movl    $0, CONFIG
        movl    $0, TIMER_0
        movl    $0x106, TIMER_1                 /* level */
        movl    $0, COUNTER
        movl    $MS, TIMER_1 + 8
        movl    $1, CONFIG
5:      cmpl    $2 * MS, COUNTER
        jb      5b
        testl   $2, STATUS
        want    nz, 9
        movl    $2, STATUS
        testl   $2, STATUS
        want    z, 10
        mov     $1, %bl
leave:  mov     %bl, %al
        out     %al, $0xf4
6:      hlt
        jmp     6b

/* EAX: the TSC, EDX: the counter, of one moment: 100 us at most lie between them, also on a host that is busy. */
both:   rdtsc
        mov     %eax, %ecx
        mov     COUNTER, %ebx
        rdtsc
        sub     %ecx, %eax
        cmp     $100000, %eax
        ja      both
        mov     %ecx, %eax
        mov     %ebx, %edx
        ret

on_tick:
        push    %eax
        mov     COUNTER, %eax
        cmpl    $0, ticks
        jne     7f
        mov     %eax, first_at
7:      incl    ticks
        mov     $0x20, %al
        out     %al, $0x20
        pop     %eax
        iret

on_once:
        push    %eax
        mov     COUNTER, %eax
        mov     %eax, once_at
        incl    once
        mov     $0x20, %al
        out     %al, $0xa0
        out     %al, $0x20
        pop     %eax
        iret

        .data
icws:   .byte   0x20, 0x11, 0x21, 0x20, 0x21, 0x04, 0x21, 0x01, 0x21, 0xfa
        .byte   0xa0, 0x11, 0xa1, 0x28, 0xa1, 0x02, 0xa1, 0x01, 0xa1, 0xfe
icws_end:
        .align  8
gdt:    .quad   0, 0x00cf9a000000ffff, 0x00cf92000000ffff
gdt_pointer:
        .word   gdt_pointer - gdt - 1
        .long   gdt
idt_pointer:
        .word   0x29 * 8 - 1
        .long   idt
        .align  8
idt:    .fill   0x20, 8, 0
        .word   0, CODE, 0x8e00, 0
        .fill   7, 8, 0
        .word   0, CODE, 0x8e00, 0
        .bss
ticks:  .skip   4
once:   .skip   4
once_at: .skip  4
first_at: .skip 4
        .skip   1024
stack_top:
