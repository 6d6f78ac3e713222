/* start.S - boot sector of the video test floppy, and its way to INT. See video_test.c. */
        .code16
        .section .boot, "ax"
        .globl  _start
_start: jmp     1f
        nop
        .org    62                      /* where a BIOS may look for a parameter block */
1:      ljmp    $0, $2f
2:      xorw    %ax, %ax
        movw    %ax, %ss
        movw    $0x7c00, %sp
        movw    %ax, %ds
        movb    %dl, drive
        movw    $0x1000, %ax            /* program: segment 1000h, from sector 2 on, one sector at a time */
        movw    %ax, %es
        movw    $1, %si
3:      movw    %si, %ax
        movb    $18, %bl
        divb    %bl                     /* al: track * 2 + head, ah: sector */
        movb    %ah, %cl
        incb    %cl
        movb    %al, %ch
        shrb    $1, %ch
        movb    %al, %dh
        andb    $1, %dh
        movb    drive, %dl
        xorw    %bx, %bx
        movw    $0x0201, %ax
        int     $0x13
        jc      9f
        movw    %es, %ax
        addw    $0x20, %ax
        movw    %ax, %es
        incw    %si
        cmpw    $sectors + 1, %si
        jbe     3b
        movw    $0x1000, %ax
        movw    %ax, %ds
        movw    %ax, %es
        cli
        movw    %ax, %ss
        movl    $0xfff0, %esp
        sti
        ljmp    $0x1000, $start
9:      movb    $'!', %al
        outb    %al, $0xe9
        hlt
        jmp     9b
drive:  .byte   0
        .org    510
        .word   0xaa55

        .text
        .globl  start, int_call
start:  cld
        movw    $bss_start, %di
        movw    $bss_end, %cx
        subw    %di, %cx
        xorb    %al, %al
        rep stosb
        calll   test_main
1:      hlt
        jmp     1b

/* void int_call(u8 n, Regs *r): eax, edx */
int_call:
        pushal
        movb    %al, 2f + 1
        movl    %edx, %ebp
        pushl   %ebp
        movl    (%ebp), %eax
        movl    4(%ebp), %ebx
        movl    8(%ebp), %ecx
        movl    12(%ebp), %edx
        movl    16(%ebp), %esi
        movl    20(%ebp), %edi
        movw    28(%ebp), %es
        movl    24(%ebp), %ebp
        jmp     2f
2:      int     $0
        cld
        pushl   %ebp
        movl    4(%esp), %ebp
        movl    %eax, (%ebp)
        movl    %ebx, 4(%ebp)
        movl    %ecx, 8(%ebp)
        movl    %edx, 12(%ebp)
        movl    %esi, 16(%ebp)
        movl    %edi, 20(%ebp)
        popl    24(%ebp)
        movw    %es, 28(%ebp)
        pushfw
        popw    30(%ebp)
        popl    %ebp
        pushw   %ds
        popw    %es
        popal
        retl
        .section .note.GNU-stack, "", @progbits
