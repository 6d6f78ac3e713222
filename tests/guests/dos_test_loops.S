/* dos_test_loops.S - loops in which programs and DOS kernels wait for a key (dos_test.c, "i"). Each is a function that returns
 * the key's ASCII code in AL. And a memory manager, as far as such loops notice one.
 */
        .code16
        .text

#define VECTOR(n) (4 * (n))

/* Ends of the loops: the key that is there. */
        .macro  take_key
        movb    $0, %ah
        int     $0x16
        movzbl  %al, %eax
        retl
        .endm

        /* INT 16h 01h. */
        .globl  loop_bios, loop_com, loop_dos, loop_data, loop_ticks, loop_ports, loop_retrace, loop_seed, loop_halt
loop_bios:
1:      movb    $1, %ah
        int     $0x16
        jz      1b
        take_key

        /* The same with the stack a few bytes behind the code, as in a .COM file, and some work in between: variables beside the code. */
loop_com:
        pushl   %esi
        movl    %esp, com_esp
        movw    $com_stack, %sp
1:      movw    $com_table, %si
        movw    $8, %cx
        movw    $0, com_sum
2:      pushw   %cx
        movw    (%si), %ax
        addw    %ax, com_sum
        addw    $2, %si
        popw    %cx
        loop    2b
        movb    $11, %ah
        xchgb   %ah, com_function
        movb    $1, %ah
        int     $0x16
        jz      1b
        movl    com_esp, %esp
        popl    %esi
        take_key
com_esp: .long  0
com_sum: .word  0
com_function: .byte 0
        .balign 2
com_table: .word 1, 2, 3, 4, 5, 6, 7, 8
        .skip   160
com_stack:

        /* INT 21h 0Bh of a kernel with stacks and variables among its code; INT 2Fh 1680h and INT 28h while there is none. */
loop_dos:
        movw    $kernel, VECTOR(0x21)
        movw    %cs, VECTOR(0x21) + 2
        movw    $chained, VECTOR(0x2f)
        movw    %cs, VECTOR(0x2f) + 2
        movw    $idle, VECTOR(0x28)
        movw    %cs, VECTOR(0x28) + 2
1:      movb    $0x0b, %ah
        int     $0x21
        testb   %al, %al
        jnz     2f
        movw    $0x1680, %ax
        int     $0x2f
        jmp     1b
2:      take_key

kernel: incb    %cs:in_dos
        movw    %sp, %cs:user_sp
        movw    %ss, %cs:user_ss
        pushw   %cs
        popw    %ss
        movw    $dos_stack, %sp
        pushaw
        pushw   %ds
        pushw   %es
        pushw   %cs
        popw    %ds
        movw    %ax, dos_request
        int     $0x28
        movb    $0x11, %ah
        int     $0x16
        movb    $0, dos_status
        jz      1f
        movb    $0xff, dos_status
1:      popw    %es
        popw    %ds
        popaw
        movb    %cs:dos_status, %al
        movw    %cs:user_ss, %ss
        movw    %cs:user_sp, %sp
        decb    %cs:in_dos
        iretw
chained: cmpw   $0x1680, %ax
        jne     1f
        sti
        xorb    %al, %al
1:      iretw
idle:   pushw   %ax
        movb    $2, %ah                 /* a resident program that looks at Shift */
        int     $0x16
        movb    %al, %cs:shift_seen
        popw    %ax
        iretw
in_dos: .byte   0
dos_status: .byte 0
shift_seen: .byte 0
        .balign 2
user_sp: .word  0
user_ss: .word  0
dos_request: .word 0
        .skip   384
dos_stack:

        /* The BIOS's buffer itself. */
loop_data:
1:      movw    0x41a, %ax
        cmpw    0x41c, %ax
        je      1b
        take_key

        /* The tick count, and a look for a key at each. */
loop_ticks:
1:      movl    0x46c, %eax
2:      cmpl    0x46c, %eax
        je      2b
        movb    $1, %ah
        int     $0x16
        jz      1b
        take_key

        /* The keyboard controller, interrupts off; what INT 9 does with the byte comes afterwards. */
loop_ports:
        cli
1:      inb     $0x64, %al
        testb   $1, %al
        jz      1b
        sti
2:      movb    $1, %ah
        int     $0x16
        jz      2b
        take_key

        /* A frame at a time: the end of a retrace, the beginning of the next, a key? */
loop_retrace:
        movw    $0x3da, %dx
1:      inb     %dx, %al
        testb   $8, %al
        jnz     1b
2:      inb     %dx, %al
        testb   $8, %al
        jz      2b
        incl    frames
        movb    $1, %ah
        int     $0x16
        jz      1b
        take_key
        .globl  frames
frames: .long   0

        /* A seed for random numbers: how often it had to ask. */
loop_seed:
1:      incl    seed
        movb    $1, %ah
        int     $0x16
        jz      1b
        take_key
seed:   .long   0

loop_halt:
1:      hlt
        movb    $1, %ah
        int     $0x16
        jz      1b
        take_key

/* --- a resident program ----------------------------------------------------------------------------------
 *
 * Looks for its hot key as EMM386 2.06 and many others do: INT 9 reads port 60h and leaves the key to who was there before. */
        .globl  resident_load, hot_keys /* void (void) */
resident_load:
        cli
        movl    VECTOR(9), %eax
        movl    %eax, int9_before
        movw    $int9_resident, VECTOR(9)
        movw    %cs, VECTOR(9) + 2
        sti
        retl
int9_resident:
        pushw   %ax
        inb     $0x60, %al
        cmpb    $0x25, %al              /* k */
        jne     1f
        incl    %cs:hot_keys
1:      popw    %ax
        ljmpw   *%cs:int9_before
        .balign 4
int9_before: .long 0
hot_keys: .long 0

/* --- a memory manager ------------------------------------------------------------------------------------
 *
 * From manager_load on the processor is in V86 mode with IOPL 0 and paging on: INT, IRET, CLI, STI, PUSHF, POPF and HLT trap, and a
 * monitor in ring 0 does what they do; interrupts go through it, too. (Vectors 8 and 9, ticks and keys, are all that comes.) */
#define PAGE_DIRECTORY 0x60000
#define PAGE_TABLE     0x61000
#define MONITOR_STACK  0x63000
#define IDT            0x64000
        .globl  manager_load            /* void (void): returns in V86 mode */
manager_load:
        cli
        movw    $PAGE_DIRECTORY >> 4, %dx
        movw    %dx, %es
        movl    $PAGE_TABLE + 7, %es:0
        movl    $7, %edx
        movl    $PAGE_TABLE - PAGE_DIRECTORY, %edi
1:      movl    %edx, %es:(%edi)
        addl    $0x1000, %edx
        addl    $4, %edi
        cmpl    $0x2000, %edi
        jb      1b
        movw    $IDT >> 4, %dx
        movw    %dx, %es
        xorl    %edi, %edi
        movl    $stubs, %edx
2:      movw    %dx, %es:(%edi)
        movl    $0x8e000008, %es:2(%edi)
        movw    $0, %es:6(%edi)
        movw    $0x8e00, %es:4(%edi)
        addl    $STUB_BYTES, %edx
        addl    $8, %edi
        cmpl    $0x800, %edi
        jb      2b
        movl    $PAGE_DIRECTORY, %edx
        movl    %edx, %cr3
        lgdtl   v86_gdtr
        lidtl   v86_idtr
        movl    %esp, %ecx              /* at the return address */
        movl    %cr0, %edx
        orl     $0x80000001, %edx
        movl    %edx, %cr0
        ljmpl   $8, $1f
        .code32
1:      movw    $16, %dx
        movw    %dx, %ds
        movw    %dx, %es
        movw    %dx, %ss
        movl    $MONITOR_STACK, %esp
        movw    $24, %dx
        ltr     %dx
        pushl   $0                      /* gs fs ds es */
        pushl   $0
        pushl   $0
        pushl   $0x40
        pushl   $0                      /* ss:esp, eflags: VM and IF, cs:eip */
        pushl   %ecx
        pushl   $0x20202
        pushl   $0
        pushl   $2f
        iretl
        .code16
2:      retl

        .code32
        .balign 8
/* Vector 13 pushes an error code; 8 and 9 are interrupts. */
stubs:  .set    n, 0
        .rept   256
3:      .if     n != 13
        pushl   $0
        .else
        nop
        nop
        .endif
        pushl   $n
        .byte   0xe9                    /* jmp monitor */
        .long   monitor - . - 4
        .org    3b + 12, 0x90
        .set    n, n + 1
        .endr
        .set    STUB_BYTES, 12

/* Of the frame behind PUSHAL, DS and ES. */
#define F_VECTOR 40
#define F_EIP    48
#define F_CS     52
#define F_EFLAGS 56
#define F_ESP    60
#define F_SS     64
#define FLAG_IF  0x200
monitor:
        pushal
        pushl   %ds
        pushl   %es
        movw    $16, %ax
        movw    %ax, %ds
        movw    %ax, %es
        cld
        movl    F_VECTOR(%esp), %eax
        cmpl    $13, %eax
        jne     reflect
        movzwl  F_CS(%esp), %esi
        shll    $4, %esi
        movzwl  F_EIP(%esp), %ecx
        addl    %ecx, %esi              /* the instruction */
        movzwl  F_SS(%esp), %edi
        shll    $4, %edi                /* the stack's segment */
        movzwl  F_ESP(%esp), %edx
        movzbl  (%esi), %eax
        incw    F_EIP(%esp)
        cmpb    $0xcd, %al
        je      do_int
        cmpb    $0xcf, %al
        je      do_iret
        cmpb    $0xfa, %al
        je      do_cli
        cmpb    $0xfb, %al
        je      do_sti
        cmpb    $0x9c, %al
        je      do_pushf
        cmpb    $0x9d, %al
        je      do_popf
        cmpb    $0xf4, %al
        je      do_hlt
        movb    $'?', %al               /* nothing that it knows */
        outb    %al, $0xe9
        movl    %esi, %eax
        cli
        hlt
do_int: incw    F_EIP(%esp)
        movzbl  1(%esi), %eax
reflect:                                /* EAX: vector */
        movzwl  F_SS(%esp), %edi
        shll    $4, %edi
        movzwl  F_ESP(%esp), %edx
        movw    F_EFLAGS(%esp), %cx
        subw    $2, %dx
        movw    %cx, (%edi,%edx)
        movw    F_CS(%esp), %cx
        subw    $2, %dx
        movw    %cx, (%edi,%edx)
        movw    F_EIP(%esp), %cx
        subw    $2, %dx
        movw    %cx, (%edi,%edx)
        movw    %dx, F_ESP(%esp)
        andl    $~(FLAG_IF | 0x100), F_EFLAGS(%esp)
        movzwl  (,%eax,4), %ecx
        movl    %ecx, F_EIP(%esp)
        movzwl  2(,%eax,4), %ecx
        movl    %ecx, F_CS(%esp)
        jmp     leave_monitor
do_iret:
        movzwl  (%edi,%edx), %ecx
        movl    %ecx, F_EIP(%esp)
        addw    $2, %dx
        movzwl  (%edi,%edx), %ecx
        movl    %ecx, F_CS(%esp)
        addw    $2, %dx
do_popf:
        movw    (%edi,%edx), %cx
        andw    $0x0fd5, %cx
        addw    $2, %dx
        andw    $~0x0fd5, F_EFLAGS(%esp)
        orw     %cx, F_EFLAGS(%esp)
        movw    %dx, F_ESP(%esp)
        jmp     leave_monitor
do_pushf:
        movw    F_EFLAGS(%esp), %cx
        subw    $2, %dx
        movw    %cx, (%edi,%edx)
        movw    %dx, F_ESP(%esp)
        jmp     leave_monitor
do_cli: andl    $~FLAG_IF, F_EFLAGS(%esp)
        jmp     leave_monitor
do_hlt:                                 /* as a NOP: many managers do no more */
        jmp     leave_monitor
do_sti: orl     $FLAG_IF, F_EFLAGS(%esp)
leave_monitor:
        popl    %es
        popl    %ds
        popal
        addl    $8, %esp
        iretl

        .balign 8
v86_gdt: .quad  0
        .quad   0x00cf9b000000ffff
        .quad   0x00cf93000000ffff
        .word   tss_end - tss, tss      /* TSS */
        .byte   0, 0x89, 0, 0
v86_gdtr: .word 31
        .long   v86_gdt
v86_idtr: .word 0x7ff
        .long   IDT
        .balign 4
tss:    .long   0, MONITOR_STACK, 16
        .skip   104 - 14
        .word   104                     /* all ports are the guest's */
        .skip   8192
        .byte   0xff
tss_end:
        .section .note.GNU-stack, "", @progbits
