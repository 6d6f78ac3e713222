/* apic_boot.S - the APIC test kernel on a floppy: bios_test_start.S loads this, and it copies the kernel to 1 MiB and
 * starts it, in flat protected mode.
 */
        .code16
        .text
        .globl  bios_test
bios_test:
        cli
        inb     $0x92, %al              /* A20 */
        orb     $2, %al
        outb    %al, $0x92
        lgdtl   gdt_pointer
        movl    %cr0, %eax
        orl     $1, %eax
        movl    %eax, %cr0
        ljmpl   $8, $1f
        .code32
1:      movl    $16, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        movl    $kernel, %esi
        movl    $0x100000, %edi
        movl    $(kernel_end - kernel), %ecx
        rep movsb
        movl    $0x100000, %eax
        jmp     *%eax

        .align  8
gdt:    .quad   0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdt_pointer:
        .word   23
        .long   gdt
kernel: .incbin "apic.bin"
kernel_end:
        .section .note.GNU-stack, "", @progbits
