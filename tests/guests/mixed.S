/* mixed.S - real-mode programs as DOS has them: code and variables side by side, code that patches itself, code that
 * writes code. tests/unit/xlat_mixed.c runs each at offset 0 of segment 1000h, with DS = ES and SS:SP either there, too,
 * or elsewhere. DX = rounds. They end at a HLT. */
#include "program.h"
        .section .rodata
        .code16

/* Variables next to a tight loop. */
        PROGRAM mixed_variables
1:      mov     $100, %cx
2:      incw    (8f - mixed_variables)
        add     %cx, (8f - mixed_variables + 2)
        mov     %cl, (8f - mixed_variables + 4)
        mov     (8f - mixed_variables), %ax
        add     %ax, %bx
        mov     %ax, (8f - mixed_variables + 5)
        movl    %eax, (8f - mixed_variables + 8)
        dec     %cx
        jnz     2b
        dec     %dx
        jnz     1b
        hlt
8:      .skip   16
        END mixed_variables

/* A loop that patches an immediate of its own, a displacement and an opcode. */
        PROGRAM mixed_patch
1:      mov     $100, %cx
2:      mov     %cx, (3f - mixed_patch + 1)
3:      mov     $0x1234, %ax
        add     %ax, %bx
        dec     %cx
        jnz     2b
        dec     %dx
        jnz     1b
        END mixed_patch

/* The same with a jump's target, an opcode and INT's number (the handlers of vectors 60h and 61h are set by the test). */
        PROGRAM mixed_patch_more
1:      xorb    $8, (3f - mixed_patch_more)     /* inc bx, dec bx: 43h, 4bh */
        xorb    $1, (4f - mixed_patch_more + 1)
        xorb    $2, (5f - mixed_patch_more + 1)
3:      inc     %bx
4:      int     $0x60
5:      jmp     6f
        nop
        nop
6:      add     %bx, %ax
        dec     %dx
        jnz     1b
        END mixed_patch_more

/* Writes a routine with STOSB, runs it, writes another over it; at last REP MOVSB over what follows itself. */
        PROGRAM mixed_unpack
1:      mov     $(7f - mixed_unpack), %di
        mov     $0xe9ab, %ax                    /* not executed: AX is counted */
        test    $1, %dl
        mov     $(8f - mixed_unpack), %si
        jz      2f
        mov     $(9f - mixed_unpack), %si
2:      mov     $6, %cx
3:      lodsb   %cs:(%si), %al
        stosb
        loop    3b
        call    7f
        dec     %dx
        jnz     1b
        mov     $(8f - mixed_unpack), %si
        mov     $(4f - mixed_unpack), %di
        mov     $5, %cx
        rep movsb %cs:(%si), %es:(%di)
4:      dec     %bx
        dec     %bx
        dec     %bx
        dec     %bx
        nop
        hlt
7:      .skip   8
8:      add     $5, %bx
        inc     %bx
        nop
        ret
9:      sub     $3, %bx
        dec     %bx
        nop
        ret
        END mixed_unpack

/* INT 62h to a handler that counts in its own code segment; CS:BP = its variables. */
        PROGRAM mixed_handler
1:      int     $0x62
        dec     %dx
        jnz     1b
        hlt
        .globl  mixed_handler_entry
mixed_handler_entry:
        push    %ax
        push    %ds
        push    %cs
        pop     %ds
        incw    %ds:(%bp)
        mov     %ds:(%bp), %ax
        mov     %ax, %ds:2(%bp)
        add     %ax, %cs:4(%bp)
        pop     %ds
        pop     %ax
        iret
        .globl  mixed_handler_variables
mixed_handler_variables:
        .skip   16
        END mixed_handler

/* Calls, pushes and pops. */
        PROGRAM mixed_stack
1:      call    2f
        dec     %dx
        jnz     1b
        hlt
2:      push    %bp
        mov     %sp, %bp
        push    %dx
        pushw   $7
        push    %es
        pop     %es
        pop     %ax
        add     2(%bp), %bx
        pop     %ax
        add     %ax, %bx
        pop     %bp
        ret
        .skip   64
        .globl  mixed_stack_top
mixed_stack_top:
        .skip   16
        END mixed_stack
/* Far calls, jumps and returns of every form between two views of the segment: 1000h and, 100h bytes lower, 0FF0h. */
        PROGRAM mixed_far
1:      lcall   $0x1000, $(3f - mixed_far)
        lcall   $0x0ff0, $(3f - mixed_far + 0x100)
        lcall   *%cs:(7f - mixed_far)
        push    %dx
        push    %cs
        mov     $(2f - mixed_far), %ax
        push    %ax
        ljmp    *%cs:(8f - mixed_far)
2:      ljmp    $0x1000, $(6f - mixed_far)
        nop
6:      dec     %dx
        jnz     1b
        hlt
3:      mov     %cs, %ax
        add     %ax, %bx
        call    9f
        calll   5f                              /* as gcc -m16 has them */
        mov     %cs, %ax
        cmp     $0x1000, %ax
        mov     $(5f - mixed_far), %eax
        je      1f
        mov     $(5f - mixed_far + 0x100), %eax
1:      calll   *%eax
        lret
5:      movw    %ss, %cs:(4f - mixed_far - 4)   /* beside code */
        add     %cs:(4f - mixed_far - 4), %bx
        movw    %sp, %cs:(4f - mixed_far - 6)
        lss     %cs:(4f - mixed_far - 6), %sp
        retl
        nop
        .word   0, 0, 0
4:      mov     %cs, %ax
        add     %ax, %bx
        lret    $2
9:      inc     %bx
        ret
7:      .word   3b - mixed_far + 0x100, 0x0ff0
8:      .word   4b - mixed_far + 0x100, 0x0ff0
        END mixed_far

/* Flags and stacks: an interrupt by hand, as drivers chain; CLI, STI, POPF; SS. */
        PROGRAM mixed_flags
1:      stc
        pushf
        cli
        lcall   $0x1000, $(3f - mixed_flags)
        pushf
        pop     %ax
        add     %ax, %bx
        sti
        pushf
        pop     %ax
        add     %ax, %bx
        std
        pushf
        cld
        popf
        pushf
        cli
        mov     %ss, %cx
        mov     %sp, %bp
        mov     $0x2000, %ax
        mov     %ax, %ss
        mov     $0x400, %sp
        push    %cx
        push    %bx
        pop     %bx
        pop     %ss
        mov     %bp, %sp
        popf
        pushf
        pop     %ax
        add     %ax, %bx
        cld
        sub     %dx, %ax
        pushf
        pop     %ax
        add     %ax, %bx
        dec     %dx
        jnz     1b
        hlt
3:      inc     %bx
        cmp     $1, %bl
        iret
        END mixed_flags
        .section .note.GNU-stack, "", @progbits
