/* netboot.S - what a PXE ROM loads by TFTP to 0000:7C00 and calls: says so on port E9h, asks for the PXE stack that such programs
 * use (INT 1Ah 5650h), and returns.
 *
 * Source: Preboot Execution Environment 2.1, 3 and 4.4.
 */
        .code16
        .text
        .globl  _start
_start: pushw   %ds
        pushw   %es
        movw    $began, %si
        calll   say
        movw    $0x5650, %ax
        int     $0x1a
        jc      1f
        cmpw    $0x564e, %ax
        jne     1f
        cmpl    $0x4e455850, %es:(%bx)  /* PXENV+ */
        jne     1f
        movw    $found, %si
        calll   say
1:      popw    %es
        popw    %ds
        xorw    %ax, %ax                /* PXENV_STATUS_SUCCESS */
        lretw
say:    movb    %cs:(%si), %al
        incw    %si
        testb   %al, %al
        jz      1f
        outb    %al, $0xe9
        jmp     say
1:      retl
began:  .asciz  "NETBOOT begins\n"
found:  .asciz  "NETBOOT has PXENV+\n"
        .section .note.GNU-stack, "", @progbits
