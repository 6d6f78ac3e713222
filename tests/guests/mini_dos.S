/* mini_dos.S - a floppy of ours that does as DOS does, as far as tests/boot/hooks.py needs it: a boot sector with an INT
 * 21h handler of a few functions, which loads the .COM program in the sectors behind it at 1000:0100 and runs it.
 */
        .code16
        .globl  _start
        .set    COM_SEGMENT, 0x1000
        .set    COM_SECTORS, 2
_start: jmp     1f
        nop
        .org    62
1:      ljmp    $0, $2f
2:      xor     %ax, %ax
        mov     %ax, %ds
        mov     %ax, %ss
        mov     $0x7c00, %sp
        mov     $COM_SEGMENT, %ax
        mov     %ax, %es
        mov     $0x100, %bx
        mov     $0x0200 + COM_SECTORS, %ax
        mov     $2, %cx
        xor     %dh, %dh
        int     $0x13
        movw    $dos, 0x21 * 4
        movw    $0, 0x21 * 4 + 2
        movw    $COM_SEGMENT, %ax
        mov     %ax, %ds
        mov     %ax, %es
        mov     %ax, %ss
        mov     $0xfffe, %sp
        movw    $0, 0xfffe
        ljmp    $COM_SEGMENT, $0x100

/* INT 21h. The flags of the caller are at SS:SP + 4. */
dos:    cmp     $0x02, %ah
        je      dos_char
        cmp     $0x09, %ah
        je      dos_string
        cmp     $0x30, %ah
        je      dos_version
        cmp     $0x3d, %ah
        je      dos_open
        cmp     $0x4c, %ah
        je      dos_exit
        mov     $1, %ax                 /* invalid function */
fail:   push    %bp
        mov     %sp, %bp
        orb     $1, 6(%bp)
        pop     %bp
        iret
dos_char:
        mov     %dl, %al
        outb    %al, $0xe9
        iret
dos_string:
        push    %si
        mov     %dx, %si
1:      lodsb
        cmp     $'$', %al
        je      2f
        outb    %al, $0xe9
        jmp     1b
2:      pop     %si
        iret
dos_version:
        mov     $0x0005, %ax
        iret
dos_open:                               /* "THERE.TXT" is there */
        mov     %dx, %bx
        mov     $2, %ax
        cmpb    $'T', (%bx)
        jne     fail
        mov     $5, %ax
        push    %bp
        mov     %sp, %bp
        andb    $0xfe, 6(%bp)
        pop     %bp
        iret
dos_exit:
        mov     $0x501, %dx
        outw    %ax, %dx
        hlt
        .org    510
        .word   0xaa55

/* The program: at offset 0x100 of its segment. */
com:    mov     $0x30, %ah
        int     $0x21
        add     $'0', %al
        mov     %al, %dl
        mov     $0x02, %ah
        int     $0x21
        mov     $hello - com + 0x100, %dx
        mov     $0x09, %ah
        int     $0x21
        mov     $there - com + 0x100, %dx
        mov     $0x3d00, %ax
        int     $0x21
        mov     $missing - com + 0x100, %dx
        mov     $0x3d00, %ax
        int     $0x21
        jnc     1f
        mov     $0x99, %ah
        int     $0x21
1:      mov     $0x4c07, %ax
        int     $0x21
hello:  .ascii  " hello\n$"
there:  .asciz  "THERE.TXT"
missing:
        .asciz  "MISSING.TXT"
        .org    512 * (1 + COM_SECTORS)
        .section .note.GNU-stack, "", @progbits
