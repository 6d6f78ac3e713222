/* bios_test_start.S - boot sector of the floppy that tries every BIOS service (bios_test.c): loads the rest behind itself by
 * INT 13h, clears variables, and calls C with CS = DS = SS = 0 and ES = 0040. Then what C cannot say: INT n with given registers,
 * and two interrupt handlers that count.
 */
#include "bios/seg.h"

        .code16
        .section .boot, "ax"
        .globl  _start
_start: ljmpw   $0, $1f
1:      cli
        xorw    %ax, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        movl    $0x7c00, %esp
        sti
        cld
        movb    %dl, boot_drive
        movb    $8, %ah                 /* of a hard disk as well */
        int     $0x13
        jc      failed
        xorw    %ax, %ax
        movw    %ax, %es
        andb    $0x3f, %cl
        movb    %cl, track
        incb    %dh
        movb    %dh, heads
        movw    $1, %si                 /* sector */
        movw    $0x7e00, %bx
load:   movw    %si, %ax
        divb    track                   /* AH: sector, AL: track */
        movb    %ah, %cl
        incb    %cl
        xorb    %ah, %ah
        divb    heads
        movb    %al, %ch
        movb    %ah, %dh
        movb    boot_drive, %dl
        movw    $0x0201, %ax
        int     $0x13
        jc      failed
        incw    %si
        addw    $512, %bx
        cmpw    $image_end, %bx
        jb      load
        movw    $image_end, %di
        movw    $bss_end, %cx
        subw    %di, %cx
        xorb    %al, %al
        rep stosb
        movw    $0x40, %ax
        movw    %ax, %es
        movzbl  boot_drive, %eax
        movl    $0xfff0, %esp
        calll   bios_test
1:      hlt
        jmp     1b
failed: movb    $'F', %al
        outb    %al, $0xe9
        jmp     1b
boot_drive: .byte 0
track:  .byte   0
heads:  .byte   0
        .org    510
        .word   0xaa55

        .text
        /* void int_call16(u8 number, Regs *r) */
        .globl  int_call16
int_call16:
        pushl   %ebx
        pushl   %esi
        pushl   %edi
        pushl   %ebp
        pushl   %edx
        movzbl  %al, %eax
        movl    (,%eax,4), %ecx
        pushw   %ss
        popw    %es
        pushfw
        pushw   $0
        pushw   $back
        pushl   %ecx
        subl    $40, %esp
        movl    %edx, %esi
        movl    %esp, %edi
        movl    $10, %ecx
        rep movsl %ds:(%esi), %es:(%edi)
        regs_load_and_go
back:        regs_store
        cld
        xorw    %ax, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movzwl  %sp, %esp
        movl    %esp, %esi
        movl    40(%esp), %edi
        movl    $10, %ecx
        rep movsl %ds:(%esi), %es:(%edi)
        movw    $0x40, %ax
        movw    %ax, %es
        leal    40(%esp), %esp
        popl    %edx
        popl    %ebp
        popl    %edi
        popl    %esi
        popl    %ebx
        retl

        /* Handlers for vectors that C fills in, if it counts (reset_test.c does not). */
        .weak   ticks_seen, alarms_seen, breaks_seen, mouse_seen, mouse_calls
        .globl  count_tick, count_alarm, count_break, mouse_routine
count_tick:
        incl    %cs:ticks_seen
        iretw
count_alarm:
        incl    %cs:alarms_seen
        iretw
count_break:
        incl    %cs:breaks_seen
        iretw
mouse_routine:                          /* far call: ip cs z y x status */
        pushw   %bp
        movw    %sp, %bp
        pushw   %ax
        movw    12(%bp), %ax
        movw    %ax, %cs:mouse_seen
        movw    10(%bp), %ax
        movw    %ax, %cs:mouse_seen + 2
        movw    8(%bp), %ax
        movw    %ax, %cs:mouse_seen + 4
        incl    %cs:mouse_calls
        popw    %ax
        popw    %bp
        lretw
        .section .note.GNU-stack, "", @progbits
