/* rom_test.S - an option ROM that says on port E9h what a BIOS gives it: registers, $PnP with BBS, memory from the PMM in big real
 * mode; it makes itself smaller and offers a boot entry and a boot connection. tests/boot/roms.py makes checksums, and bad
 * ROMs of it.
 *
 * Sources: PCI Local Bus 2.2, 6.3; Plug and Play BIOS 1.0A, 3.2; BBS 1.01; PMM 1.01.
 */
        .set    ROM_BYTES, 8192
        .set    KEPT_UNITS, 4
        .set    HANDLE, 0x54534554
        .set    PARAGRAPHS, 0x1000

        .code16
        .text
        .globl  _start
_start:
rom:    .word   0xaa55
        .byte   ROM_BYTES / 512
        .byte   0xe9                    /* jmp init */
        .word   init - rom - 6
        .byte   0                       /* 06h: what is missing for the checksum */
        .byte   KEPT_UNITS              /* 07h: its size after init */
        .org    0x18
        .word   pcir - rom, pnp - rom
        .balign 4
pcir:   .ascii  "PCIR"
        .long   0                       /* vendor and device: the board's business */
        .word   0, 0x18
        .byte   0, 0, 0, 2              /* revision; class: Ethernet */
        .word   ROM_BYTES / 512, 1
        .byte   0, 0x80
        .word   0
        .balign 16
pnp:    .ascii  "$PnP"
        .byte   1, 2
        .word   0
        .byte   0, 0                    /* checksum at 09h */
        .long   0
        .word   maker - rom, product - rom
        .byte   0, 0, 2, 0x94
        .word   connect - rom, 0, boot - rom, 0, 0
maker:  .asciz  "ring3"
product: .asciz "Test ROM"

        .macro  says text
        pushw   %si
        movw    $9f, %si
        calll   say
        popw    %si
        jmp     8f
9:      .asciz  "\text"
8:
        .endm

say:    pushw   %ax
1:      movb    %cs:(%si), %al
        incw    %si
        testb   %al, %al
        jz      1f
        outb    %al, $0xe9
        jmp     1b
1:      popw    %ax
        retl

word:   pushw   %ax                     /* AX in hex */
        pushw   %cx
        movw    $4, %cx
1:      rolw    $4, %ax
        pushw   %ax
        andb    $15, %al
        cmpb    $10, %al
        sbbb    $0x69, %al
        das
        outb    %al, $0xe9
        popw    %ax
        loop    1b
        popw    %cx
        popw    %ax
        retl

/* ES:DI: is it $PnP? Then its function 60h is asked. */
installation:
        cmpl    $0x506e5024, %es:(%di)
        je      1f
        says    " pnp=none"
        retl
1:      says    " pnp=yes bbs="
        pushw   %bp
        movw    %sp, %bp
        pushw   $0                      /* the version comes here */
        pushw   %es:0x1b(%di)
        pushw   %ss
        leaw    -2(%bp), %ax
        pushw   %ax
        pushw   $0x60
        lcallw  *%es:0x0d(%di)
        addw    $8, %sp
        popw    %dx
        popw    %bp
        orw     %dx, %ax
        calll   word
        retl

/* CF: no $PMM between E0000 and FFFFF; else ES is its segment. */
pmm_find:
        movw    $0xdfff, %bx
1:      incw    %bx
        jz      2f
        movw    %bx, %es
        cmpl    $0x4d4d5024, %es:0
        jne     1b
        xorw    %si, %si
        xorb    %ah, %ah
        movzbw  %es:5, %cx
3:      lodsb   %es:(%si), %al
        addb    %al, %ah
        loop    3b
        jnz     1b
        clc
        retl
2:      stc
        retl

        .macro  pmm words:vararg        /* pushed in this order; DX:AX to EAX */
        .irp    w, \words
        \w
        .endr
        lcallw  *%es:7
        pushw   %dx
        pushw   %ax
        popl    %eax
        .endm
allocate:                               /* ECX paragraphs, EBX handle, DX flags */
        pmm     "pushw %dx", "pushl %ebx", "pushl %ecx", "pushw $0"
        addw    $12, %sp
        retl
find:   pmm     "pushl %ebx", "pushw $1"
        addw    $6, %sp
        retl
release: pmm    "pushl %edi", "pushw $2"
        addw    $6, %sp
        retl

memory: calll   pmm_find
        jnc     1f
        says    " pmm=none"
        retl
1:      movl    $HANDLE, %ebx
        movl    $PARAGRAPHS, %ecx
        movw    $6, %dx                 /* extended, on a boundary of its size */
        calll   allocate
        movl    %eax, %edi
        testw   %ax, %ax                /* 64 KiB */
        jnz     2f
        cmpl    $0x100000, %eax
        jb      2f
        pushw   %es
        xorw    %ax, %ax
        movw    %ax, %es
        movl    $0x12345678, %es:(%edi) /* big real mode */
        cmpl    $0x12345678, %es:(%edi)
        popw    %es
        jne     2f
        movw    $6, %dx
        calll   allocate                /* the handle is taken */
        testl   %eax, %eax
        jnz     2f
        calll   find
        cmpl    %edi, %eax
        jne     2f
        calll   release
        testl   %eax, %eax
        jnz     2f
        calll   find
        testl   %eax, %eax
        jnz     2f
        calll   release                 /* it is gone already */
        testl   %eax, %eax
        jz      2f
        xorl    %ecx, %ecx              /* how much there is */
        movw    $2, %dx
        calll   allocate
        cmpl    $0x20000, %eax
        jb      2f
        movl    $-1, %ebx               /* twice without a name, below 640 KiB */
        movl    $0x100, %ecx
        movw    $1, %dx
        calll   allocate
        movl    %eax, %edi
        movw    $1, %dx
        calll   allocate
        cmpl    %edi, %eax
        je      2f
        cmpl    $0xa0000, %edi
        jae     2f
        calll   release
        testl   %eax, %eax
        jnz     2f
        says    " pmm=yes"
        retl
2:      says    " pmm=wrong"
        retl

init:   pushal
        pushw   %ds
        pushw   %es
        cld
        says    "ROM init ax="
        calll   word
        calll   installation
        calll   memory
        says    " cs="
        movw    %cs, %ax
        calll   word
        movw    %cs, %ax                /* smaller: the copy is writable yet */
        movw    %ax, %ds
        movb    0x07, %al
        movb    %al, 0x02
        movzbw  %al, %cx
        shlw    $9, %cx
        xorw    %si, %si
        xorb    %ah, %ah
        jcxz    2f
1:      lodsb
        addb    %al, %ah
        loop    1b
        subb    %ah, 0x06
2:      says    " done\n"
        popw    %es
        popw    %ds
        popal
        lretw

connect: pushal
        says    "ROM connection ax="
        calll   word
        calll   installation
        says    "\n"
        popal
        lretw

boot:   says    "ROM boots ax="
        calll   word
        calll   installation
        pushw   %es
        calll   pmm_find
        popw    %es
        jc      1f
        says    " pmm=left"
1:      says    "\n"
        lretw                           /* it cannot: the next device */
        .org    ROM_BYTES
        .section .note.GNU-stack, "", @progbits
