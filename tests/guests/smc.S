/* smc.S - real-mode code that is changed as it runs, in ways that old programs and protections have.
 * tests/unit/cpu_smc.c runs each program at 0000:1000 and finds in EBX how often it was right; each ends at a HLT. */
#include "program.h"
        .section .rodata
        .code16

        .set    CODE, 0x1000            /* where the programs run */
        .set    FAR, 0x9ffc             /* an instruction that crosses a page */

/* of a label of the running program */
#define AT(label) (CODE + (label) - here)
        .macro  COUNTING name
        PROGRAM \name
        .set    here, \name
        xor     %ebx, %ebx
        .endm

        /* An immediate on both sides of a page end is changed 1,000 times, then its half in the second page. */
        COUNTING smc_across
        mov     $AT(2f), %si
        mov     $FAR, %di
        mov     $(3f - 2f), %cx
        rep     movsb
        mov     $1000, %cx
1:      mov     %ecx, FAR + 2
        mov     $FAR, %ax
        call    *%ax
        cmp     %ecx, %eax
        COUNT_IF_EQUAL
        loop    1b
        movl    $0x11111111, FAR + 2
        movw    $0x2222, FAR + 4
        mov     $FAR, %ax
        call    *%ax
        cmp     $0x22221111, %eax
        COUNT_IF_EQUAL
        hlt
2:      movl    $0, %eax
        ret
3:
        END     smc_across

        /* EB FF C0 is JMP to its own second byte, and that is INC AX. */
        COUNTING smc_overlap
        mov     $100, %cx
1:      xor     %ax, %ax
        .byte   0xeb, 0xff, 0xc0
        inc     %ax
        cmp     $2, %ax
        COUNT_IF_EQUAL
        loop    1b
        END     smc_overlap

        /* A store into what comes next: behind a jump, and without one, as a P6 sees it. */
        COUNTING smc_ahead
        mov     $100, %cx
1:      movb    %cl, AT(2f) + 1
        jmp     2f
2:      mov     $1, %al
        cmp     %cl, %al
        COUNT_IF_EQUAL
        movb    %cl, AT(3f) + 1
3:      mov     $1, %al
        cmp     %cl, %al
        COUNT_IF_EQUAL
        loop    1b
        END     smc_ahead

        /* A loop decrypts what follows it and falls into it; then that is encrypted again with another key. */
        COUNTING smc_decrypt
        mov     $100, %dx
        movb    $0x5a, %ah
1:      mov     $AT(3f), %si
        mov     $(4f - 3f), %cx
2:      xorb    %ah, (%si)
        inc     %si
        loop    2b
3:      .byte   0xbf ^ 0x5a, 0x34 ^ 0x5a, 0x12 ^ 0x5a, 0x90 ^ 0x5a      /* mov $0x1234, %di; nop */
4:      cmp     $0x1234, %di
        COUNT_IF_EQUAL
        xor     %di, %di
        mov     %dl, %ah
        mov     $AT(3b), %si
        mov     $(4b - 3b), %cx
5:      xorb    %ah, (%si)
        inc     %si
        loop    5b
        dec     %dx
        jnz     1b
        END     smc_decrypt

        /* REP MOVSB replaces itself by itself, and what follows by something else. */
        COUNTING smc_string
        mov     $AT(3f), %si
        mov     $AT(1f), %di
        mov     $(4f - 3f), %cx
1:      rep     movsb
        mov     $1, %ax
        nop
2:      cmp     $0x77, %ax
        COUNT_IF_EQUAL
        hlt
3:      rep     movsb
        mov     $0x77, %ax
        nop
4:
        END     smc_string

        /* JMP at FFFE goes to 0001. */
        COUNTING smc_wrap
        mov     $0x3000, %ax
        mov     %ax, %es
        movw    $0x01eb, %es:0xfffe
        movb    $0xf4, %es:0            /* hlt */
        movb    $0xcb, %es:1            /* retf */
        lcall   $0x3000, $0xfffe
        inc     %bx
        lcall   $0x3000, $0xfffe
        inc     %bx
        END     smc_wrap

        /* For DMA: MOV AX, n; RET at B000, changed by the test between two runs. */
        COUNTING smc_dma
        mov     $50, %cx
1:      mov     $0xb000, %ax
        call    *%ax
        cmp     0xb001, %ax
        COUNT_IF_EQUAL
        loop    1b
        END     smc_dma

        .section .note.GNU-stack, "", @progbits
