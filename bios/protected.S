/* protected.S - INT 15h 87h and 89h: the two services that go through protected mode, by descriptor tables of the caller's.
 *
 * entry.S jumps here without `enter`: they run on the caller's stack, with interrupts off. Memory managers take them
 * over, since nothing of this works in virtual-8086 mode. A20 is on meanwhile; after 87h it is as it was, and DS and
 * ES have the limits of real mode again.
 *
 * Source: IBM PS/2 and PC BIOS Interface Technical Reference, INT 15h.
 */
#include "seg.h"

        .code16
        .text
/* 87h: CX words from descriptor 2 to descriptor 3 of the table at ES:SI; descriptors 1, 4 and 5 are ours to fill. */
        .globl  move_block
move_block:
        cli
        cld
        pushal
        pushw   %ds
        pushw   %es
        movw    %es, %ax
        movw    %ax, %ds
        movzwl  %si, %esi
        movzwl  %cx, %ecx
        inb     $0x92, %al
        movb    %al, %bl
        orb     $2, %al
        andb    $0xfe, %al
        outb    %al, $0x92
        /* descriptor 1: the table itself */
        xorl    %eax, %eax
        movw    %ds, %ax
        shll    $4, %eax
        addl    %esi, %eax
        movw    $47, 8(%esi)
        movl    %eax, 10(%esi)
        shrl    $16, %eax
        movb    %al, 12(%esi)
        movb    $0x93, 13(%esi)
        movw    $0, 14(%esi)
        /* descriptor 4: code at F0000 */
        movl    $0x0000ffff, 32(%esi)
        movl    $0x00009b0f, 36(%esi)
        /* descriptor 5: the stack; also what DS and ES are left with */
        xorl    %eax, %eax
        movw    %ss, %ax
        shll    $4, %eax
        movw    $0xffff, 40(%esi)
        movw    %ax, 42(%esi)
        shrl    $16, %eax
        movb    %al, 44(%esi)
        movb    $0x93, 45(%esi)
        movw    $0, 46(%esi)
        lgdtw   8(%esi)
        lidtl   %cs:real_idt
        movw    %ss, %dx
        movl    %cr0, %eax
        orb     $1, %al
        movl    %eax, %cr0
        ljmpw   $0x20, $1f
1:      movw    $0x10, %ax
        movw    %ax, %ds
        movw    $0x18, %ax
        movw    %ax, %es
        xorl    %esi, %esi
        xorl    %edi, %edi
        shrl    $1, %ecx
        rep movsl %ds:(%esi), %es:(%edi)
        adcl    %ecx, %ecx
        rep movsw %ds:(%esi), %es:(%edi)
        movw    $0x28, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movl    %cr0, %eax
        andb    $0xfe, %al
        movl    %eax, %cr0
        ljmpw   $0xf000, $1f
1:      movw    %dx, %ss
        movb    %bl, %al
        andb    $0xfe, %al
        outb    %al, $0x92
        popw    %es
        popw    %ds
        popal
        movb    $0, %ah
        pushw   %bp
        movw    %sp, %bp
        andb    $0xbe, 6(%bp)           /* CF 0 ... */
        orb     $0x40, 6(%bp)           /* ... ZF 1 */
        popw    %bp
        iretw

/* 89h: to stay in protected mode. ES:SI: eight descriptors; BH, BL: vectors of the two interrupt controllers. */
        .globl  enter_protected
enter_protected:
        cli
        popw    %dx                     /* return offset */
        addw    $4, %sp
        movb    $0x11, %al
        outb    %al, $0x20
        outb    %al, $0xa0
        movb    %bh, %al
        outb    %al, $0x21
        movb    %bl, %al
        outb    %al, $0xa1
        movb    $4, %al
        outb    %al, $0x21
        movb    $2, %al
        outb    %al, $0xa1
        movb    $1, %al
        outb    %al, $0x21
        outb    %al, $0xa1
        movb    $0xff, %al
        outb    %al, $0x21
        outb    %al, $0xa1
        inb     $0x92, %al
        orb     $2, %al
        andb    $0xfe, %al
        outb    %al, $0x92
        movw    $0xffff, %es:0x38(%si)  /* descriptor 7: the BIOS's code, for a moment */
        movw    $0x0000, %es:0x3a(%si)
        movw    $0x9b0f, %es:0x3c(%si)
        movw    $0x0000, %es:0x3e(%si)
        lgdtw   %es:0x08(%si)
        lidtw   %es:0x10(%si)
        movl    %cr0, %eax
        orb     $1, %al
        movl    %eax, %cr0
        ljmpw   $0x38, $1f
1:      movw    $0x18, %ax
        movw    %ax, %ds
        movw    $0x20, %ax
        movw    %ax, %es
        movw    $0x28, %ax
        movw    %ax, %ss
        xorw    %ax, %ax
        pushw   $0x30
        pushw   %dx
        lretw

        .globl  real_idt
        .balign 4
real_idt: .word 0x3ff
        .long   0

        .section .note.GNU-stack, "", @progbits
