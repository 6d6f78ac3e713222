/* video_entry.S - the ROM's header, its ways in, and the protected-mode interface of VBE function 4F0Ah. See video.h. */
        .code16
        .section .header, "ax"
        .globl  _start
_start: .word   0xaa55
        .byte   0                       /* size in 512-byte blocks; video_pack.c */
        jmp     init
        .org    0x18
        .word   pcir
        .word   0                       /* no PnP header */
        .org    0x1e
        .ascii  "IBM"                   /* programs look for it here: a VGA-compatible BIOS */
        .byte   0
        .ascii  " ring3 VGA BIOS "
        .byte   0
        .balign 4
pcir:   .ascii  "PCIR"
        .word   0x1234, 0x1111          /* vendor, device */
        .word   0                       /* no vital product data */
        .word   24                      /* length, revision of this structure */
        .byte   0
        .byte   0, 0, 3                 /* class 030000: VGA */
        .word   0                       /* image length in blocks; video_pack.c */
        .word   1
        .byte   0, 0x80                 /* PC code, last image */
        .word   0

        .text
init:   pushfl
        pushal
        pushw   %ds
        pushw   %es
        cld
        movw    %cs, %ax
        movw    %ax, %ds
        xorw    %ax, %ax
        movw    %ax, %es
        movzwl  %sp, %esp
        calll   video_init
        popw    %es
        popw    %ds
        popal
        popfl
        lretw

        .globl  int10_entry
int10_entry:
        sti
        cld
        pushal
        pushw   %ds
        pushw   %es
        subw    $16, %sp
        movw    %cs, %ax
        movw    %ax, %ds
        xorw    %ax, %ax
        movw    %ax, %es
        movzwl  %sp, %esp
        movl    %esp, %eax
        calll   int10
        addw    $16, %sp
        popw    %es
        popw    %ds
        popal
        iretw

/* The window function that mode information points to: far call, BH = 0 set DX, 1 get DX; as 4F05h. */
        .globl  vbe_window_far
vbe_window_far:
        testb   %bl, %bl
        jnz     9f
        cmpb    $1, %bh
        ja      9f
        pushw   %dx
        movw    $0x1ce, %dx
        movw    $5, %ax
        outw    %ax, %dx
        incw    %dx
        testb   %bh, %bh
        jnz     1f
        popw    %ax
        pushw   %ax
        outw    %ax, %dx
        popw    %dx
        jmp     8f
1:      inw     %dx, %ax
        popw    %dx
        movw    %ax, %dx
8:      movw    $0x004f, %ax
        lretw
9:      movw    $0x014f, %ax
        lretw

/* Tables of far pointers: IBM's save-pointer table, its second part and the display combinations. The segment is the one
 * that a VGA's ROM always has. */
        .section .rodata
        .balign 4
        .globl  video_save_pointers
video_save_pointers:
        .word   video_params, 0xc000, 0, 0, 0, 0, 0, 0, save_pointers2, 0xc000, 0, 0, 0, 0
save_pointers2:
        .word   26, dcc_table, 0xc000, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
dcc_table:
        .byte   8, 1, 8, 0              /* entries, version, largest code */
        .byte   0, 0,  0, 1,  0, 2,  2, 1,  0, 4,  4, 1,  0, 7,  0, 8
        .text

/* Protected mode, 32 bits, position-independent, called near with the registers of the real-mode functions. They use
 * ports only; AX, DX are theirs. */
        .code32
        .balign 4
        .globl  vbe_pm, vbe_pm_end
vbe_pm: .word   pm_window - vbe_pm, pm_start - vbe_pm, pm_palette - vbe_pm, pm_ports - vbe_pm

pm_window:                              /* DX: bank */
        pushl   %edx
        pushl   %edx
        movw    $0x1ce, %dx
        movw    $5, %ax
        outw    %ax, %dx
        incl    %edx
        popl    %eax
        outw    %ax, %dx
        popl    %edx
        movw    $0x004f, %ax
        ret

pm_start:                               /* DX:CX: address in dwords; BL 80h: at retrace */
        pushl   %ebx
        pushl   %ecx
        pushl   %edx
        shll    $16, %edx
        movw    %cx, %dx
        pushl   %edx
        testb   $0x80, %bl
        jz      2f
        movw    $0x3da, %dx
1:      inb     %dx, %al
        testb   $8, %al
        jnz     1b
3:      inb     %dx, %al
        testb   $8, %al
        jz      3b
2:      movw    $0x1ce, %dx             /* bytes of a line: virtual width * bits / 8 */
        movw    $6, %ax
        outw    %ax, %dx
        incl    %edx
        inw     %dx, %ax
        movzwl  %ax, %ebx
        decl    %edx
        movw    $3, %ax
        outw    %ax, %dx
        incl    %edx
        inw     %dx, %ax
        movzwl  %ax, %ecx
        addl    $7, %ecx
        shrl    $3, %ecx                /* bytes of a pixel */
        imull   %ecx, %ebx
        popl    %eax
        shll    $2, %eax
        testl   %ebx, %ebx
        jz      9f
        xorl    %edx, %edx
        divl    %ebx
        movl    %eax, %ebx              /* line */
        movl    %edx, %eax
        xorl    %edx, %edx
        divl    %ecx
        movl    %eax, %ecx              /* pixel */
        movw    $0x1ce, %dx
        movw    $8, %ax
        outw    %ax, %dx
        incl    %edx
        movl    %ecx, %eax
        outw    %ax, %dx
        decl    %edx
        movw    $9, %ax
        outw    %ax, %dx
        incl    %edx
        movl    %ebx, %eax
        outw    %ax, %dx
9:      popl    %edx
        popl    %ecx
        popl    %ebx
        movw    $0x004f, %ax
        ret

pm_palette:                             /* ES:EDI: B G R - a colour, CX colours from DX */
        cmpb    $0x80, %bl
        je      1f
        testb   %bl, %bl
        jnz     9f
1:      pushl   %ecx
        pushl   %edx
        pushl   %edi
        movzwl  %cx, %ecx
        movb    %dl, %al
        movw    $0x3c8, %dx
        outb    %al, %dx
        incl    %edx
        jecxz   3f
2:      movb    %es:2(%edi), %al
        outb    %al, %dx
        movb    %es:1(%edi), %al
        outb    %al, %dx
        movb    %es:(%edi), %al
        outb    %al, %dx
        addl    $4, %edi
        loop    2b
3:      popl    %edi
        popl    %edx
        popl    %ecx
        movw    $0x004f, %ax
        ret
9:      movw    $0x014f, %ax
        ret

pm_ports:                               /* ports used, then memory (none) */
        .word   0x1ce, 0x1cf, 0x3c8, 0x3c9, 0x3da, 0xffff, 0xffff
vbe_pm_end:
        .section .note.GNU-stack, "", @progbits
