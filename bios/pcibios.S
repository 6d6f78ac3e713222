/* pcibios.S - PCI BIOS 2.1: INT 1Ah AH=B1h, and the same functions for 32-bit callers, who find the entry by the BIOS32
 * directory (_32_, tables.c). Only registers and the stack are used, so that one text serves both code sizes and works
 * wherever the 32-bit caller maps it.
 *
 * Source: PCI BIOS Specification 2.1; "Standard BIOS 32-bit Service Directory Proposal" 0.4.
 * Not implemented: special cycles (06h), setting interrupts (0Fh); 0Eh in 32-bit mode.
 */
        .set    ADDRESS, 0xcf8
        .set    DATA, 0xcfc

        .macro  pci_body name
        /* \name: AL is the function; AH the status, CF set on error */
\name:  cmpb    $0x01, %al
        je      10f
        cmpb    $0x02, %al
        je      20f
        cmpb    $0x03, %al
        je      30f
        cmpb    $0x08, %al
        jb      8f
        cmpb    $0x0d, %al
        jbe     40f
8:      movb    $0x81, %ah              /* FUNC_NOT_SUPPORTED */
        stc
        ret
10:     movw    $0x0001, %ax            /* mechanism #1 */
        movw    $0x0210, %bx
        movb    $0, %cl                 /* last bus */
        movl    $0x20494350, %edx
        clc
        ret

        /* 02h: CX device, DX vendor, SI index; 03h: ECX class. Both compare a shifted register of every function. */
20:     cmpw    $0xffff, %dx
        movb    $0x83, %ah              /* BAD_VENDOR_ID */
        je      29f
        pushl   %edx
        pushl   %ecx
        pushl   %edi
        shll    $16, %ecx
        movw    %dx, %cx
        movl    %ecx, %edi
        xorl    %ecx, %ecx              /* CL: shift; CH: register */
        jmp     21f
30:     pushl   %edx
        pushl   %ecx
        pushl   %edi
        movl    %ecx, %edi
        andl    $0x00ffffff, %edi
        movw    $0x0808, %cx
21:     pushl   %esi
        pushl   %eax
        movzwl  %si, %esi
        xorw    %bx, %bx
22:     movzwl  %bx, %eax
        shll    $8, %eax
        movb    %ch, %al
        orl     $0x80000000, %eax
        movw    $ADDRESS, %dx
        outl    %eax, %dx
        movw    $DATA, %dx
        inl     %dx, %eax
        shrl    %cl, %eax
        cmpl    %edi, %eax
        jne     23f
        decl    %esi
        js      24f
23:     incb    %bl
        jnz     22b
        popl    %eax
        movb    $0x86, %ah              /* DEVICE_NOT_FOUND */
        stc
        jmp     25f
24:     popl    %eax
        xorb    %ah, %ah
25:     popl    %esi
        popl    %edi
        popl    %ecx
        popl    %edx
        ret
29:     stc
        ret

        /* 08h-0Dh: bit 2 of AL: write is 0Bh-0Dh. BX function, DI register, CL/CX/ECX value. */
40:     pushl   %edx
        pushl   %eax
        movw    %di, %dx
        cmpb    $0x08, %al
        je      41f
        cmpb    $0x0b, %al
        je      41f
        testb   $0x01, %dl
        jnz     48f
        cmpb    $0x09, %al
        je      41f
        cmpb    $0x0c, %al
        je      41f
        testb   $0x03, %dl
        jnz     48f
41:     cmpw    $0x00ff, %dx
        ja      48f
        movzwl  %bx, %eax
        shll    $8, %eax
        movb    %dl, %al
        andb    $0xfc, %al
        orl     $0x80000000, %eax
        pushl   %edx
        movw    $ADDRESS, %dx
        outl    %eax, %dx
        popl    %edx
        andw    $0x0003, %dx
        addw    $DATA, %dx
        popl    %eax
        pushl   %eax
        cmpb    $0x09, %al
        jb      42f
        je      43f
        cmpb    $0x0b, %al
        jb      44f
        je      45f
        cmpb    $0x0c, %al
        je      46f
        movl    %ecx, %eax
        outl    %eax, %dx
        jmp     47f
42:     inb     %dx, %al
        movb    %al, %cl
        jmp     47f
43:     inw     %dx, %ax
        movw    %ax, %cx
        jmp     47f
44:     inl     %dx, %eax
        movl    %eax, %ecx
        jmp     47f
45:     movb    %cl, %al
        outb    %al, %dx
        jmp     47f
46:     movw    %cx, %ax
        outw    %ax, %dx
47:     popl    %eax
        popl    %edx
        xorb    %ah, %ah
        ret
48:     popl    %eax
        popl    %edx
        movb    $0x87, %ah              /* BAD_REGISTER_NUMBER */
        stc
        ret
        .endm

        .text
        .code16
        pci_body pci16
        .globl  pci_real
pci_real:
        cmpb    $0x0e, %al              /* interrupt routing: time.c hands it to C */
        je      int1a_c
        cld
        call    pci16
        jmp     iret_with_cf

        .code32
        pci_body pci32
pci_entry32:
        pushfl
        cli
        call    pci32
        jc      1f
        popfl
        clc
        lretl
1:      popfl
        stc
        lretl

        .globl  bios32_entry
bios32_entry:
        cmpl    $0x49435024, %eax       /* $PCI */
        movb    $0x80, %al              /* no such service */
        jne     1f
        testb   %bl, %bl
        movb    $0x81, %al              /* no such function */
        jne     1f
        movl    $0xf0000, %ebx
        movl    $0x10000, %ecx
        movl    $pci_entry32, %edx
        movb    $0, %al
1:      lretl
        .section .note.GNU-stack, "", @progbits
