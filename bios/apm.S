/* apm.S - Advanced Power Management 1.2: INT 15h AH=53h in real mode, and the same functions for callers in 16- and
 * 32-bit protected mode, who connect with 5302h and 5303h and then call by far pointer, AL the function. No variables are
 * used, so that the code needs no data segment; the text is assembled once for each code size.
 *
 * Source: Intel/Microsoft APM BIOS Interface Specification 1.2.
 * Not implemented: suspend and standby (succeed at once), batteries, resume timers, events (there never is one).
 */
#include "seg.h"
        .set    PM1_CNT, 0x604
        .set    SLP_S5, 0x2000          /* SLP_EN, SLP_TYP 0 */

        .macro  apm_body name
\name:  cmpb    $0x10, %al
        ja      8f
        cmpb    $0x00, %al
        je      10f
        cmpb    $0x05, %al
        je      15f
        cmpb    $0x07, %al
        je      17f
        cmpb    $0x0a, %al
        je      20f
        cmpb    $0x0b, %al
        je      21f
        cmpb    $0x0c, %al
        je      22f
        cmpb    $0x0e, %al
        je      24f
        cmpb    $0x10, %al
        je      26f
        cmpb    $0x02, %al
        je      12f
        cmpb    $0x03, %al
        je      13f
        xorb    %ah, %ah                /* connect, disconnect, busy, enable, defaults, engage: nothing to do */
        ret
10:     movw    $0x0102, %ax            /* version; BX 'PM'; 16- and 32-bit interfaces */
        movw    $0x504d, %bx
        movw    $0x0003, %cx
        clc
        ret
12:     movw    $0xf000, %ax
        movw    $apm_entry16, %bx
        movw    %ax, %cx
        movw    $0xffff, %si
        movw    %si, %di
        clc
        ret
13:     movw    $0xf000, %ax
        movl    $apm_entry32, %ebx
        movw    %ax, %cx
        movw    %ax, %dx
        movl    $0xffffffff, %esi
        movw    %si, %di
        clc
        ret
15:     sti                             /* idle */
        hlt
        xorb    %ah, %ah
        ret
17:     cmpw    $0x0003, %cx            /* off? */
        jne     1f
        cmpw    $0x0001, %bx
        jne     1f
        pushw   %dx
        pushw   %ax
        movw    $PM1_CNT, %dx
        movw    $SLP_S5, %ax
        outw    %ax, %dx
        popw    %ax
        popw    %dx
1:      xorb    %ah, %ah
        ret
20:     cmpw    $0x0001, %bx
        jne     9f
        movw    $0x01ff, %bx            /* on line; battery unknown: there is none */
        movw    $0x80ff, %cx
        movw    $0xffff, %dx
        xorb    %ah, %ah
        ret
21:     movb    $0x80, %ah              /* no event */
        stc
        ret
22:     xorw    %cx, %cx
        xorb    %ah, %ah
        ret
24:     movw    $0x0102, %ax
        clc
        ret
26:     xorw    %bx, %bx
        xorw    %cx, %cx
        xorb    %ah, %ah
        ret
8:      movb    $0x0c, %ah              /* function not supported */
        stc
        ret
9:      movb    $0x09, %ah              /* unrecognised device */
        stc
        ret
        .endm

        .text
        .code16
        apm_body apm16
        .globl  apm_real, iret_with_cf
apm_real:
        call    apm16
iret_with_cf:                           /* the caller's CF becomes ours */
        pushw   %bp
        movw    %sp, %bp
        jc      1f
        andb    $0xfe, 6(%bp)
        popw    %bp
        iretw
1:      orb     $0x01, 6(%bp)
        popw    %bp
        iretw
apm_entry16:
        call    apm16
        lretw

        .code32
        apm_body apm32
apm_entry32:
        call    apm32
        lretl
        .section .note.GNU-stack, "", @progbits
