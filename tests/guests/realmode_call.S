/* realmode_call.S - from a Multiboot kernel back to real mode, for a BIOS call; see realmode.c.
 *
 * The 16-bit part runs at LOW, where real mode reaches it; real_install() copies it there. Registers lie at REGS, in the order of
 * realmode.c's `Regs`.
 */
        .set    LOW, 0x2000
        .set    REGS, 0x3000
        .set    STACK16, 0x8000
        .set    CODE32, 0x08
        .set    DATA32, 0x10
        .set    CODE16, 0x18
        .set    DATA16, 0x20

        .macro  load_segments selector
        movw    $\selector, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %fs
        movw    %ax, %gs
        movw    %ax, %ss
        .endm

        .text
        /* void real_install(void): the 16-bit part to its place, the kernel's own descriptors */
        .globl  real_install
real_install:
        pushl   %esi
        pushl   %edi
        movl    $low_begin, %esi
        movl    $LOW, %edi
        movl    $low_end - low_begin, %ecx
        rep movsb
        lgdtl   LOW + gdt_register - low_begin
        ljmp    $CODE32, $1f
1:      load_segments DATA32
        popl    %edi
        popl    %esi
        ret

        /* void real_call(u8 number) */
        .globl  real_call
real_call:
        pushal
        movb    36(%esp), %al
        movb    %al, LOW + number - low_begin
        movl    %esp, saved_esp
        lidtl   LOW + idt_register - low_begin
        ljmp    $CODE16, $LOW + enter16 - low_begin
        /* void init_self(u8 code): INIT with a shutdown code in CMOS 0Fh; with 0Ah the BIOS goes on at 40:67 */
        .globl  init_self
init_self:
        pushal
        movl    %esp, saved_esp
        movl    $LOW + resume16 - low_begin, 0x467
        movb    $0x0f, %al
        outb    %al, $0x70
        movb    36(%esp), %al
        outb    %al, $0x71
        movl    $0x44500, 0xfee00300
1:      hlt
        jmp     1b

back32: load_segments DATA32
        movl    saved_esp, %esp
        popal
        ret

        .bss
saved_esp: .long 0

        .data
low_begin:
        .code16
enter16:
        load_segments DATA16
        movl    %cr0, %eax
        andb    $0xfe, %al
        movl    %eax, %cr0
        ljmp    $0, $LOW + 1f - low_begin
1:      xorw    %ax, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %fs
        movw    %ax, %gs
        movw    %ax, %ss
        movl    $STACK16, %esp
        movl    REGS, %eax
        movl    REGS + 4, %ebx
        movl    REGS + 8, %ecx
        movl    REGS + 12, %edx
        movl    REGS + 16, %edi
        sti
        .byte   0xcd
number: .byte   0
        pushfw
        cli
        popw    %cs:REGS + 20
        movl    %eax, %cs:REGS
        movl    %ebx, %cs:REGS + 4
        movl    %ecx, %cs:REGS + 8
        movl    %edx, %cs:REGS + 12
        movl    %edi, %cs:REGS + 16
resume16:
        lgdtl   %cs:LOW + gdt_register - low_begin
        movl    %cr0, %eax
        orb     $1, %al
        movl    %eax, %cr0
        ljmpl   $CODE32, $back32
        .balign 8
gdt:    .quad   0
        .quad   0x00cf9b000000ffff
        .quad   0x00cf93000000ffff
        .quad   0x00009b000000ffff
        .quad   0x000093000000ffff
gdt_register:
        .word   39
        .long   LOW + gdt - low_begin
idt_register:
        .word   0x3ff
        .long   0
low_end:
        .section .note.GNU-stack, "", @progbits
