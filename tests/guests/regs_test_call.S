/* regs_test_call.S - for regs_test.c: an INT with every register set, on a stack of its own; the timer interrupt that
 * comes meanwhile; FS and GS with a base that no real-mode load gives them.
 */
        .code16
        .text
/* void regs_call(u8 number, const State *in, State *out) - AL, EDX, ECX. State (regs_test.c): eax ebx ecx edx esi edi
 * ebp, ds es fs gs, esp ss flags. FS and GS are not loaded (regs_unreal does that), but stored. */
        .globl  regs_call
regs_call:
        pushal
        pushw   %ds
        pushw   %es
        movb    %al, number
        movl    %ecx, out
        movl    %esp, own_esp
        cli
        movl    %edx, %esi
        lssl    36(%esi), %esp
        pushw   42(%esi)
        pushw   28(%esi)
        pushl   16(%esi)
        movl    (%esi), %eax
        movl    4(%esi), %ebx
        movl    8(%esi), %ecx
        movl    12(%esi), %edx
        movl    20(%esi), %edi
        movl    24(%esi), %ebp
        movw    30(%esi), %es
        popl    %esi
        popw    %ds
        popfw
        jmp     1f                      /* what is fetched behind it is new */
1:      .byte   0xcd
number: .byte   0
        pushfw
        cli
        call    look
        movl    %eax, %cs:now_eax
        movw    %ds, %cs:now_ds
        movl    %esi, %cs:now_esi
        xorw    %ax, %ax
        movw    %ax, %ds
        movl    out, %esi
        popw    42(%esi)
        movl    now_eax, %eax
        movl    %eax, (%esi)
        movl    %ebx, 4(%esi)
        movl    %ecx, 8(%esi)
        movl    %edx, 12(%esi)
        movl    now_esi, %eax
        movl    %eax, 16(%esi)
        movl    %edi, 20(%esi)
        movl    %ebp, 24(%esi)
        movw    now_ds, %ax
        movw    %ax, 28(%esi)
        movw    %es, 30(%esi)
        movw    %fs, 32(%esi)
        movw    %gs, 34(%esi)
        movl    %esp, 36(%esi)
        movw    %ss, 40(%esi)
        xorw    %ax, %ax
        movw    %ax, %ss
        movl    own_esp, %esp
        cld
        popw    %es
        popw    %ds
        popal
        sti
        retl

/* Are FS and GS the program's? */
look:   pushw   %ax
        movw    %fs, %ax
        cmpw    $8, %ax
        jne     2f
        movw    %gs, %ax
        cmpw    $8, %ax
        jne     2f
        cmpw    $0xaa55, %fs:0x7dfe     /* base 0, whatever the selector */
        jne     2f
        cmpw    $0xaa55, %gs:0x7dfe
        je      1f
2:      incl    %cs:times_wrong
1:      popw    %ax
        retw

        .globl  tick_hook
tick_hook:
        pushw   %ax
        pushw   %ds
        xorw    %ax, %ax
        movw    %ax, %ds
        cmpb    $0, watched
        je      1f
        incl    ticks_in_calls
        call    look
1:      decb    ticks_left
        jz      3f
        movb    $0x20, %al
        outb    %al, $0x20
        popw    %ds
        popw    %ax
        iretw
3:      movb    $TICKS, ticks_left
        popw    %ds
        popw    %ax
        ljmpw   *%cs:old_tick
        .globl  old_tick, watched, ticks_in_calls, times_wrong
        .set    TICKS, 32               /* the hook's a BIOS's */
        .balign 4
old_tick: .long 0
ticks_in_calls: .long 0
times_wrong: .long 0
watched: .byte  0
ticks_left: .byte TICKS

/* FS and GS get base 0 and a limit of 4 GiB, with a selector that would mean another base in real mode. */
        .balign 8
        .globl  regs_unreal
gdt:    .quad   0, 0x00cf93000000ffff
gdtr:   .word   15
        .long   gdt
regs_unreal:
        pushfl
        cli
        lgdtl   gdtr
        movl    %cr0, %eax
        orb     $1, %al
        movl    %eax, %cr0
        jmp     1f
1:      movw    $0x08, %cx
        movw    %cx, %fs
        movw    %cx, %gs
        andb    $0xfe, %al
        movl    %eax, %cr0
        jmp     1f
1:      popfl
        retl

        .globl  esc_isr, esc_chain_isr, esc_old
/* A game's INT 9: it reads the key itself, with the keyboard disabled meanwhile; Esc goes to BIOS, which it came from. */
esc_isr:
        pushw   %ax
        movb    $0xad, %al
        outb    %al, $0x64
        inb     $0x60, %al
        movb    %al, %cs:esc_seen
        cmpb    $0x01, %al
        je      1f
        movb    $0xae, %al
        outb    %al, $0x64
        movb    $0x20, %al
        outb    %al, $0x20
        popw    %ax
        iretw
1:      popw    %ax
        ljmpw   *%cs:esc_old
/* A resident program's: reads the key, and leaves the work to the BIOS. */
esc_chain_isr:
        pushw   %ax
        inb     $0x60, %al
        popw    %ax
        ljmpw   *%cs:esc_old
        .balign 4
esc_old: .long  0
        .globl  esc_seen
esc_seen: .byte 0

/* INT 15h: what 4Fh is called with; the flags are those that INT pushed. */
        .globl  hook15, old15, seen15_ds, seen15_flags
hook15: cmpb    $0x4f, %ah
        jne     1f
        movw    %ds, %cs:seen15_ds
        pushw   %bp
        movw    %sp, %bp
        pushw   6(%bp)
        popw    %cs:seen15_flags
        popw    %bp
1:      ljmpw   *%cs:old15
        .balign 4
old15:  .long   0
seen15_ds: .word 0
seen15_flags: .word 0

        .bss
        .balign 4
own_esp: .skip  4
out:    .skip   4
now_eax: .skip  4
now_esi: .skip  4
now_ds: .skip   2
        .section .note.GNU-stack, "", @progbits
