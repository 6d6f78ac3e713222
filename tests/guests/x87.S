/* x87.S - programs for unit/xlat_x87.c, which runs each at X87_CODE: after its HLT the last x87 instruction is known.
 *
 * PROGRAM name begins one; LAST fop, operand, label ends it and says what FOP, FDP and FIP must be then.
 */
        .set    CODE, 0x10000           /* as in xlat_x87.c */
        .set    DATA, 0x20000
        .set    MISSING, 0x21000        /* a page that is not present */
        .set    FAULTS, 0x80000000      /* with FOP: it ends by #PF, where there is paging */
        .section .rodata
        .code32

        .macro  PROGRAM name
        .globl  x87_\name
        .p2align 4
x87_\name:
        .long   8f - 7f, 9f - 7f
7:
        .endm
        .macro  LAST fop, operand, label
        hlt
8:
        .long   \fop, \operand, CODE + \label
9:
        .endm
        /* Offset of a local label from the program's start. */
        .macro  AT label, name
        .set    \name, \label - 7b
        .endm

PROGRAM alone
3:      fldz
AT 3b, l_alone
LAST 0x1ee, 0, l_alone

PROGRAM operand
3:      fldl    DATA + 8
AT 3b, l_operand
LAST 0x505, DATA+8, l_operand

/* The address moves on by constants until the block is left. */
PROGRAM moving
        mov     $DATA, %eax
        mov     $50, %ecx
1:      fldl    (%eax)
3:      fstpl   0x400(%eax)
        add     $8, %eax
        lea     -4(%eax), %eax
        dec     %ecx
        jnz     1b
AT 3b, l_moving
LAST 0x598, DATA+0x400+49*4, l_moving

/* ... in front of the operand, too, and as an index. */
PROGRAM index
        xor     %eax, %eax
        mov     $50, %ecx
1:      inc     %eax
        fldl    DATA(, %eax, 8)
3:      fstpl   DATA + 0x400(%eax, %eax, 8)
        sub     $-1, %eax
        dec     %ecx
        jnz     1b
AT 3b, l_index
LAST 0x59c, DATA+0x400+99*9, l_index

/* The address is gone before the block is left; and twice in a loop. */
PROGRAM replaced
        mov     $DATA, %eax
        mov     $3, %edx
1:      mov     $DATA, %ebx
        fldl    (%eax)
        mov     %edx, %eax
        nop
3:      fstpl   16(%ebx)
        xchg    %ebx, %eax
        mov     $DATA + 8, %eax
        xor     %ebx, %ebx
        dec     %edx
        jnz     1b
AT 3b, l_replaced
LAST 0x55b, DATA+16, l_replaced

/* The operand is of an earlier block than the last instruction. */
PROGRAM two_blocks
        mov     $DATA + 24, %ebx
        fldl    (%ebx)
        jmp     1f
        nop
1:      xor     %ebx, %ebx
3:      fld1
        jmp     2f
        nop
2:      fnstsw  %ax
        fnstcw  DATA + 0x800
        jmp     4f
        nop
4:
AT 3b, l_two
LAST 0x1e8, DATA+24, l_two

PROGRAM called
        fld1
        call    1f
        jmp     2f
1:      mov     $DATA, %eax
3:      fadds   4(%eax)
        ret
2:      xor     %eax, %eax
AT 3b, l_called
LAST 0x040, DATA+4, l_called

/* The x87 loop is left by a jump in its middle; behind that jump there are others. */
PROGRAM side_exit
        mov     $DATA, %eax
        mov     $20, %ecx
1:      fldl    (%eax)
3:      fstpl   0x400(%eax)
        dec     %ecx
        jz      2f
        fldz
        fstpl   0x800(%eax)
        add     $8, %eax
        jmp     1b
2:      xor     %eax, %eax
AT 3b, l_side
LAST 0x598, DATA+0x400+19*8, l_side

/* What the guest wrote there afterwards does not count. */
PROGRAM rewritten
3:      fldl    DATA
        jmp     1f
        nop
1:      movw    $0xc0d9, CODE + l_rewritten
        xor     %eax, %eax
AT 3b, l_rewritten
LAST 0x505, DATA, l_rewritten

/* A pending exception: of the instruction that raised it. */
PROGRAM pending
        movw    $0x33b, DATA + 0x800    /* #Z unmasked */
        fldcw   DATA + 0x800
        mov     $DATA + 0x900, %eax
        fld1
3:      fdivl   (%eax)
        xor     %eax, %eax
        jmp     1f
        nop
1:      fnclex
AT 3b, l_pending
LAST 0x430, DATA+0x900, l_pending

PROGRAM initialized
        fldl    DATA
        jmp     1f
        nop
1:      fninit
        fnstcw  DATA + 0x800
LAST 0, 0, -CODE

/* A string instruction moves the address away. */
PROGRAM string
        mov     $DATA, %edi
        mov     $8, %ecx
        xor     %eax, %eax
3:      fldl    (%edi)
        rep stosl
        jmp     1f
        nop
1:      nop
AT 3b, l_string
LAST 0x507, DATA, l_string

/* Loops that end by a fault in front of the round's first x87 instruction: what the round before did counts. */
PROGRAM carried
        mov     $DATA, %esi
        mov     $MISSING-12, %edx
        jmp     1f
        .p2align 4
1:      add     $8, %esi
        cmpl    $0, (%edx)
        fldl    (%esi)
3:      fstpl   0x400(%esi)
        lea     4(%edx), %edx
        test    %edx, %edx
        jnz     1b
AT 3b, l_carried
LAST FAULTS+0x59e, DATA+0x400+24, l_carried

PROGRAM carried_once
        mov     $DATA, %esi
        mov     $MISSING-4, %edx
        mov     $1, %eax
1:      cmpl    $0, (%edx)
        add     $8, %esi
        fldl    (%esi)
3:      fstpl   0x400(%esi)
        add     $4, %edx
        test    %edx, %edx
        jnz     1b
AT 3b, l_once
LAST FAULTS+0x59e, DATA+0x400+8, l_once

PROGRAM carried_spilled
        xor     %edi, %edi
        mov     $MISSING-20, %edx
1:      lea     DATA(, %edi, 8), %esi
        cmpl    $0, (%edx)
        fldl    (%esi)
3:      fstpl   0x400(%esi)
        inc     %edi
        add     $4, %edx
        test    %edx, %edx
        jnz     1b
AT 3b, l_cspilled
LAST FAULTS+0x59e, DATA+0x400+4*8, l_cspilled

PROGRAM carried_without_operand
        mov     $DATA+40, %esi
        mov     $MISSING-20, %edx
        fldl    (%esi)
        xor     %esi, %esi
1:      cmpl    $0, (%edx)
        fchs
3:      fabs
        add     $4, %edx
        test    %edx, %edx
        jnz     1b
AT 3b, l_cwithout
LAST FAULTS+0x1e1, DATA+40, l_cwithout

/* Two jumps back to one place, from behind different instructions. */
PROGRAM carried_from_two
        mov     $DATA, %esi
        mov     $MISSING-28, %edx
        mov     $7, %ecx
1:      cmpl    $0, (%edx)
        add     $4, %edx
        fldl    (%esi)
        fstpl   0x400(%esi)
        dec     %ecx
        test    $1, %cl
        jnz     1b
3:      fldl    0x10(%esi)
        fstp    %st(0)
        add     $8, %esi
        test    %edx, %edx
        jnz     1b
AT 3b+3, l_two_jumps
LAST FAULTS+0x5d8, DATA+0x10+3*8, l_two_jumps

/* Nested: the outer loop's x87 instruction is the last one at the fault. */
PROGRAM nested
        mov     $DATA, %esi
        mov     $MISSING-8, %edx
2:      mov     $5, %ecx
        cmpl    $0, (%edx)
1:      fldl    (%esi)
        fstpl   0x400(%esi)
        add     $8, %esi
        dec     %ecx
        jnz     1b
        fldl    (%esi)
3:      fstpl   0x800(%esi)
        add     $4, %edx
        test    %edx, %edx
        jnz     2b
AT 3b, l_nested
LAST FAULTS+0x59e, DATA+0x800+10*8, l_nested

        .section .note.GNU-stack, "", @progbits
