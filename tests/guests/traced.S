/* traced.S - a Multiboot kernel that does one of each thing that -d traces, at places that have names.
 *
 * It leaves by isa-debug-exit at port F4: with 1 if all went as it should (exit code 3), else with 2.
 */
#include "multiboot.h"

        .set    CODE, 0x08
        .set    DATA, 0x10
        .set    CODE3, 0x1b
        .set    DATA3, 0x23
        .set    TSS, 0x28
        .set    GATE, 0x30
        .set    FIRST_PAGE, 0x200000    /* eight of them, used by x87 code when they are first met */
        .set    PAGES, 8
        .set    MISSING, 0x3ff123       /* in a page that is not present */

        .section .multiboot, "ax"
        .globl  _start
_start: jmp     1f
        MULTIBOOT_HEADER 0
1:      mov     $stack_top, %esp
        lgdt    gdt_pointer
        ljmp    $CODE, $2f
2:      mov     $DATA3, %eax             /* good for all rings */
        mov     %eax, %ds
        mov     %eax, %es
        mov     $DATA, %eax
        mov     %eax, %ss
        cld
        call    make_tables
        ltr     %ax
        call    paging
        call    x87
        call    far_calls
        call    devices
        call    timer
        jmp     ring3

        .text
/* Descriptors whose addresses the linker splits in no way that they want. */
make_tables:
        mov     $tss, %eax
        mov     %ax, gdt + TSS + 2
        shr     $16, %eax
        mov     %al, gdt + TSS + 4
        mov     $gate_target, %eax
        mov     %ax, gdt + GATE
        shr     $16, %eax
        mov     %ax, gdt + GATE + 6
        mov     $0x0d, %ecx
        mov     $on_gp, %eax
        call    set_gate
        mov     $0x0e, %ecx
        mov     $on_pf, %eax
        call    set_gate
        mov     $0x20, %ecx
        mov     $on_timer, %eax
        call    set_gate
        mov     $0x80, %ecx
        mov     $on_call, %eax
        call    set_gate
        mov     $0x81, %ecx
        mov     $on_end, %eax
        call    set_gate
        lidt    idt_pointer
        mov     $TSS, %eax
        ret

/* Vector ecx leads to eax, from all rings. */
set_gate:
        mov     %ax, idt(,%ecx,8)
        movw    $CODE, idt + 2(,%ecx,8)
        movw    $0xee00, idt + 4(,%ecx,8)
        shr     $16, %eax
        mov     %ax, idt + 6(,%ecx,8)
        ret

/* 4 MiB as they are, for all rings but the pages of the x87 code, and without one page. */
paging: mov     $page_table, %edi
        mov     $7, %eax
1:      mov     %eax, (%edi)
        add     $4, %edi
        add     $0x1000, %eax
        cmp     $0x400007, %eax
        jne     1b
        mov     $PAGES, %ecx
2:      andb    $~4, page_table + (FIRST_PAGE >> 12) * 4 - 4(,%ecx,4)
        loop    2b
        movl    $page_table + 7, page_directory
        andl    $~1, page_table + (MISSING >> 12) * 4
        mov     $page_directory, %eax
        mov     %eax, %cr3
        mov     %cr0, %eax
        or      $0x80000000, %eax
        mov     %eax, %cr0
        .globl  faulting
faulting:
        mov     MISSING, %edx           /* the handler maps it */
        mov     %cr3, %eax
        mov     %eax, %cr3
        ret
on_pf:  push    %eax
        mov     %cr2, %eax
        shr     $12, %eax
        orl     $1, page_table(,%eax,4)
        pop     %eax
        add     $4, %esp
        iret

/* What the FPU holds while pages are mapped is the guest's, traced or not. */
x87:    fninit
        fldz
        mov     $FIRST_PAGE, %esi
        mov     $PAGES, %ecx
1:      movl    $0x3f800000, (%esi)     /* 1.0f */
        fadds   (%esi)
        in      $0x61, %al              /* C runs */
        add     $0x1000, %esi
        .globl  loop_end
loop_end:
        loop    1b
        fistpl  result
        cmpl    $PAGES, result
        jne     wrong
        ret

far_calls:
        lcall   $CODE, $far_target
        .globl  at_gate
at_gate:
        lcall   $GATE, $0
        ret
        .globl  far_target, gate_target
far_target:
        lret
gate_target:
        lret

/* A port that nobody answers at, an MSR that is not there (#GP: the handler skips its two bytes). */
devices:
        mov     $0x5678, %dx
        in      %dx, %al
        mov     $0x12345, %ecx
        .globl  bad_msr
bad_msr:
        rdmsr
        ret
on_gp:  addl    $2, 4(%esp)
        add     $4, %esp
        iret

/* Interrupts of the timer, to vector 20h, until one came while the processor stood. */
timer:  mov     $0x11, %al
        out     %al, $0x20
        mov     $0x20, %al
        out     %al, $0x21
        mov     $4, %al
        out     %al, $0x21
        mov     $1, %al
        out     %al, $0x21
        mov     $0xfe, %al
        out     %al, $0x21
        mov     $0x34, %al
        out     %al, $0x43
        xor     %eax, %eax
        out     %al, $0x40
        mov     $0x20, %al
        out     %al, $0x40
1:      sti
        hlt
        cli
        cmpl    $2, ticks
        jb      1b
        mov     $0xff, %al
        out     %al, $0x21
        ret
on_timer:
        push    %eax
        incl    ticks
        mov     $0x20, %al
        out     %al, $0x20
        pop     %eax
        iret

/* Ring 3 calls ring 0 five times: what the translator repeats without the interpreter. */
ring3:  pushl   $DATA3
        pushl   $stack3_top
        pushl   $2
        pushl   $CODE3
        pushl   $user
        iret
        .globl  user, system_call
user:   mov     $5, %ebx
system_call:
        int     $0x80
        dec     %ebx
        jnz     system_call
        int     $0x81
on_call:
        incl    calls
        iret
on_end: mov     $1, %eax
        cmpl    $5, calls
        je      1f
wrong:  mov     $2, %eax
1:      mov     $0xf4, %dx
        out     %al, %dx
2:      hlt
        jmp     2b

        .data
        .align  8
gdt:    .quad   0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00cffb000000ffff, 0x00cff3000000ffff
        .quad   0x0000890000000067, 0x0000ec0000080000
gdt_pointer:
        .word   gdt_pointer - gdt - 1
        .long   gdt
idt_pointer:
        .word   256 * 8 - 1
        .long   idt
        .align  4
tss:    .long   0, stack0_top, DATA
        .skip   0x68 - 12
result: .long   0
ticks:  .long   0
calls:  .long   0

        .bss
        .align  4096
page_directory:
        .skip   4096
page_table:
        .skip   4096
idt:    .skip   256 * 8
        .skip   4096
stack_top:
        .skip   4096
stack0_top:
        .skip   4096
stack3_top:
        .section .note.GNU-stack, "", @progbits
