/* reset_test_modes.S - ends that reset_test.c cannot write in 16-bit C: from protected mode with paging, and from code in the
 * VGA's memory. EAX is the way: 0 keyboard controller, 1 port 92h, 2 port CF9h, 3 triple fault, else a halt.
 */
        .macro  resets
        cmpl    $1, %eax
        jb      10f
        je      11f
        cmpl    $3, %eax
        jb      12f
        je      13f
        movw    $0xe9, %dx              /* "WAIT reset\n" */
        .irp    c, 'W', 'A', 'I', 'T', ' ', 'r', 'e', 's', 'e', 't', 10
        movb    $\c, %al
        outb    %al, %dx
        .endr
9:      cli
        hlt
        jmp     9b
10:     movb    $0xfe, %al
        outb    %al, $0x64
        jmp     9b
11:     inb     $0x92, %al
        orb     $1, %al
        outb    %al, $0x92
        jmp     9b
12:     movw    $0xcf9, %dx
        movb    $6, %al
        outb    %al, %dx
        jmp     9b
13:     pushl   $0
        pushl   $0
        movl    %esp, %ebx
        .endm

        .code16
        .text
        /* void protected_end(u32 way): an identity map of the low 4 MiB, and every other MiB is another one with A20 off */
        .globl  protected_end
protected_end:
        cli
        movw    $0x6000, %dx            /* tables at 60000, 61000 */
        movw    %dx, %es
        xorl    %edi, %edi
        movl    $0x61007, %es:(%edi)
        movl    $0x0007, %edx
        movl    $0x1000, %edi
1:      movl    %edx, %es:(%edi)
        addl    $0x1000, %edx
        addl    $4, %edi
        cmpl    $0x2000, %edi
        jb      1b
        movl    $0x60000, %edx
        movl    %edx, %cr3
        lgdtl   gdtr
        movl    %cr0, %edx
        orl     $0x80000001, %edx
        movl    %edx, %cr0
        ljmpl   $8, $1f
        .code32
1:      movw    $16, %dx
        movw    %dx, %ds
        movw    %dx, %es
        movw    %dx, %ss
        movl    $0x7000, %esp
        movl    %eax, 0x200000          /* lands in the first MiB if A20 is off */
        resets
        lidt    (%ebx)
        int3

        .code16
        .globl  vram_end, vram_end_after
vram_end:
        resets
        lidtl   %ss:(%ebx)
        int3
vram_end_after:
        .balign 8
gdt:    .quad   0
        .quad   0x00cf9b000000ffff
        .quad   0x00cf93000000ffff
gdtr:   .word   23
        .long   gdt
        .section .note.GNU-stack, "", @progbits
