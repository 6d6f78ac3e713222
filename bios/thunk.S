/* thunk.S - POST's own assembly: from reset to 32-bit C, and back to real mode for a call.
 *
 * Reset enters at post_entry. Shadow RAM is made first, since everything else needs variables: c0000-fffff becomes RAM
 * (i440FX PAM registers), with the image copied by way of low memory, because a PAM segment that reads ROM and writes RAM is not
 * something that every emulated bridge can do. A reset with shutdown code 05h, 09h or 0Ah (CMOS 0Fh) that finds the shadow
 * RAM of a finished POST goes on at 40:67 instead, touching no memory.
 */
#include "seg.h"

        .set    CODE32, 0x08
        .set    DATA32, 0x10
        .set    CODE16, 0x18            /* base F0000 */
        .set    DATA16, 0x20            /* base 0 */
        .set    MAGIC, 0x33676e72
        .set    BUFFER, 0x20000         /* where the image waits while e0000-fffff changes from ROM to RAM */

        .code16
        .section .text16, "ax"
        .globl  post_entry
post_entry:
        cli
        cld
        movb    $0x8f, %al
        outb    %al, $0x70
        inb     $0x71, %al
        movb    %al, %bl                /* shutdown code, once */
        movb    $0x8f, %al
        outb    %al, $0x70
        xorb    %al, %al
        outb    %al, $0x71
        lidtl   %cs:real_idt
        lgdtl   %cs:post_gdtr
        movl    %cr0, %eax
        andl    $0x1ffffffe, %eax       /* caches on */
        orb     $1, %al
        movl    %eax, %cr0
        ljmpl   $CODE32, $start32

        .balign 8
post_gdt:
        .quad   0
        .quad   0x00cf9b000000ffff
        .quad   0x00cf93000000ffff
        .quad   0x00009b0f0000ffff
        .quad   0x000093000000ffff
post_gdtr: .word 39
        .long   0xf0000 + post_gdt

/* From 16-bit protected mode to real mode; SS has its limits, DS, ES, FS and GS those of `data`; selectors that are to be
 * replaced. */
        .macro  real_mode data
        movw    $DATA16, %ax
        movw    %ax, %ss
        movw    \data, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %fs
        movw    %ax, %gs
        movl    %cr0, %eax
        andb    $0xfe, %al
        movl    %eax, %cr0
        ljmpw   $0xf000, $1f
1:      lidtl   %cs:real_idt
        .endm

/* Real mode again, with the stack of POST (SS = 0): registers, target and return address lie on it. */
thunk_real:
        real_mode %bx
        xorw    %ax, %ax
        movw    %ax, %ss
        regs_load_and_go

thunk_back:
        regs_store
        cli
        cld
        movw    $LOW_SEG, %ax
        movw    %ax, %ds
        movzwl  %sp, %esp
        movl    %esp, thunk_regs
        lgdtl   %cs:post_gdtr
        movl    %cr0, %eax
        orb     $1, %al
        movl    %eax, %cr0
        ljmpl   $CODE32, $thunk_back32

/* resume - 40:67, with the interrupt controllers as they are (BL = 5: after an EOI). */
resume_real:
        real_mode $DATA16
        movw    $BDA_SEG, %ax
        movw    %ax, %ds
        xorw    %ax, %ax
        movw    %ax, %ss
        movw    $0x400, %sp
        cmpb    $0x09, %bl
        je      2f
        cmpb    $0x05, %bl
        jne     1f
        movb    $PIC_EOI, %al
        outb    %al, $0x20
1:      ljmpw   *0x67
2:      lssw    0x67, %sp               /* 09h: the end of a block move by reset */
        popw    %es
        popw    %ds
        popaw
        movb    $0, %ah
        iretw

        .section .rom_header, "ax"      /* rom.c completes it */
        .word   0xaa55
        .byte   0x60                    /* 48 KiB */
        lretw
        .long   0

        .code32
        .section .text32, "ax"
start32:
        movw    $DATA32, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %fs
        movw    %ax, %gs
        movw    %ax, %ss
        inb     $0x92, %al              /* A20 on */
        orb     $2, %al
        andb    $0xfe, %al
        outb    %al, $0x92
        cmpb    $0x05, %bl
        je      1f
        cmpb    $0x09, %bl
        je      1f
        cmpb    $0x0a, %bl
        jne     cold
1:      movb    $0x33, %dl
        movl    $1f, %ebp
        jmp     pam_all
1:      cmpl    $MAGIC, shared + LOW_FLAT
        jne     2f
        movl    $0x7000, %esp
        pushl   %ebx
        call    pam_lock
        popl    %ebx
        ljmpl   $CODE16, $resume_real
2:      xorb    %dl, %dl
        movl    $cold, %ebp
        jmp     pam_all
cold:   movl    $0xfffe0000, %esi       /* e0000 may still be RAM, after an INIT, with what POST wrote there */
        movl    $BUFFER, %edi
        movl    $0x8000, %ecx
        rep movsl
        movl    $BUFFER + in_buffer - 0xe0000, %eax
        jmp     *%eax
in_buffer:                              /* the code under us changes now */
        movb    $0x33, %dl
        movl    $BUFFER + shadowed - 0xe0000, %ebp
        jmp     pam_all
shadowed:
        movl    $BUFFER, %esi
        movl    $0xe0000, %edi
        movl    $0x8000, %ecx
        rep movsl
        movl    $in_shadow, %eax
        jmp     *%eax
in_shadow:
        movl    $LOW_FLAT, %edi
        movl    $0x1000, %ecx
        xorl    %eax, %eax
        rep stosl
        movl    $STACKS_TOP, stack_next + LOW_FLAT
        movl    $0x7000, %esp
        call    post_main
1:      hlt
        jmp     1b

/* pam_all - DL to all PAM registers: 33h RAM, 00h ROM. There is no stack yet: it returns to EBP. */
pam_all:
        movl    $0x80000058, %eax
        movw    $0xcf8, %cx
        xchgw   %cx, %dx
        outl    %eax, %dx
        movw    $0xcfd, %dx
        movb    %cl, %al
        outb    %al, %dx                /* 59h */
        incl    %edx
        outb    %al, %dx
        incl    %edx
        outb    %al, %dx
        movw    $0xcf8, %dx
        movl    $0x8000005c, %eax
        outl    %eax, %dx
        movb    %cl, %al
        movw    $0xcfc, %dx
        outb    %al, %dx
        incl    %edx
        outb    %al, %dx
        incl    %edx
        outb    %al, %dx
        incl    %edx
        outb    %al, %dx
        jmp     *%ebp

/* void real_call(u32 target, Regs *r) - far call of segment << 16 | offset (EAX) in real mode with r's registers, flags
 * included; it may return by RETF or IRET. real_call_big does it in "big real mode": limits of 4 GiB but for the stack, which
 * ROMs with memory from the PMM rely on (PMM 1.01; BBS 1.01). */
        .globl  real_call, real_call_big
real_call_big:
        pushl   %ebx
        movl    $DATA32, %ebx
        jmp     1f
real_call:
        pushl   %ebx
        movl    $DATA16, %ebx
1:      pushl   %esi
        pushl   %edi
        pushl   %ebp
        pushl   %edx
        movl    %esp, thunk_esp + LOW_FLAT
        pushw   $0x0002                 /* flags, should it be IRET */
        pushw   $0xf000
        pushw   $thunk_back
        pushl   %eax
        subl    $REGS_SIZE, %esp
        movl    %edx, %esi
        movl    %esp, %edi
        movl    $REGS_SIZE / 4, %ecx
        rep movsl
        ljmpl   $CODE16, $thunk_real
thunk_back32:
        movw    $DATA32, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %fs
        movw    %ax, %gs
        movw    %ax, %ss
        movl    thunk_esp + LOW_FLAT, %esp
        movl    (%esp), %edi
        movl    thunk_regs + LOW_FLAT, %esi
        movl    $REGS_SIZE / 4, %ecx
        rep movsl
        popl    %edx
        popl    %ebp
        popl    %edi
        popl    %esi
        popl    %ebx
        ret
        .section .note.GNU-stack, "", @progbits
