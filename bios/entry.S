/* entry.S - every way into the firmware: reset, the INT services, the hardware interrupts, and what of them is better
 * said in assembly than in C.
 *
 * Most services are C functions `void service(Regs *r)`. A vector's stub pushes the function and jumps to `enter`, which
 * leaves the caller's stack (DOS programs have tiny ones) for one of ours in LOW_SEG, builds a Regs there, and
 * calls; on return the registers and flags go back as the service left them. Ten bytes of the caller's stack are used.
 *
 * Nesting: a call from a foreign stack takes the next slot of SLOT bytes; a call from our own stack (a hook, or the
 * firmware calling itself) goes on where it is. Services run with interrupts off unless they switch them on.
 * Nothing here is privileged: it all runs in virtual-8086 mode, too. (INT 15h 87h and 89h are in protected.S.)
 *
 * The addresses F000:E05B and so on are those of the IBM AT; programs jump to them.
 */
#include "seg.h"

        .code16

/* --- variables ------------------------------------------------------------------------------------------- */

        .section .low, "aw", @nobits
        .balign 4
        .globl  stack_next
stack_next: .skip 4     /* where the next foreign caller's stack begins */
s_esp:  .skip   4       /* for a few instructions with interrupts off; s_esp and s_ss adjoin for LSS */
s_ss:   .skip   4
s_eax:  .skip   4
s_ds:   .skip   2
s_handler: .skip 2
        .globl  thunk_regs, thunk_esp
thunk_regs: .skip 4
thunk_esp:  .skip 4

/* --- C services ------------------------------------------------------------------------------------------ */

        .text
        .globl  enter, leave_iret
enter:  cli                             /* TSRs chain by PUSHF and a far call, with interrupts on */
        cld                             /* stack: function, ip, cs, flags */
        pushw   %ds
        pushw   $LOW_SEG
        popw    %ds
        movl    %eax, s_eax
        popw    s_ds
        popw    s_handler
        movl    %esp, s_esp
        movw    %ss, %ax
        movw    %ax, s_ss
        cmpw    $LOW_SEG, %ax
        je      1f
        movw    %ds, %ax
        movw    %ax, %ss
        movl    stack_next, %esp
        subl    $SLOT, stack_next
1:      movzwl  %sp, %esp
        pushl   s_esp
        pushl   s_ss
        pushl   $0                      /* flags, pad */
        pushl   s_eax
        pushl   %ecx
        pushl   %edx
        pushl   %ebx
        pushl   %ebp
        pushl   %esi
        pushl   %edi
        pushw   s_ds
        pushw   %es
        pushl   $0                      /* FS and GS stay the caller's */
        movw    s_ss, %es
        movzwl  s_esp, %ebx
        movw    %es:4(%ebx), %ax
        movw    %ax, REGS_FLAGS(%esp)
        movw    $BDA_SEG, %ax
        movw    %ax, %es
        movzwl  s_handler, %edx
        movl    %esp, %eax
        calll   *%edx
        cli
        cld
        movw    REGS_SIZE(%esp), %es    /* the caller's ss, esp */
        movzwl  REGS_SIZE+4(%esp), %ebx
        movw    REGS_FLAGS(%esp), %ax
        movw    %ax, %es:4(%ebx)
        addw    $4, %sp
        popw    %es
        popw    s_ds
        popl    %edi
        popl    %esi
        popl    %ebp
        popl    %ebx
        popl    %edx
        popl    %ecx
        popl    s_eax
        addw    $4, %sp
        popl    s_ss
        popl    s_esp
        cmpw    $LOW_SEG, s_ss
        je      1f
        addl    $SLOT, stack_next
1:      lssl    s_esp, %esp
        movl    s_eax, %eax
        movw    s_ds, %ds
leave_iret:
        iretw

/* service NAME, FUNCTION - the stub a vector points to */
        .macro  service name, function
        .globl  \name
\name:  pushw   $\function
        jmp     enter
        .endm

        service int05, print_screen
        service int13, int13_service
        service int14, int14_service
        service int17, int17_service
        service int18, boot_failed
        service int19, boot_service
        service int40, int40_service
        service int74, mouse_irq
        service int70, rtc_irq
        service kbd_key, kbd_irq
        service int15_c, int15_service
        service int16_c, int16_service
        service int1a_c, int1a_service

        /* Services of option ROMs: far calls with arguments on the stack, as C of 16 bits passes them. */
        .globl  pmm_entry, pnp_entry
pmm_entry:
        pushfw
        pushw   %cs
        pushw   $1f
        pushw   $pmm_service
        jmp     enter
1:      lretw

        /* Plug and Play BIOS, in real mode and with 16-bit selectors: function 60h, which says that BBS 1.01 is followed. */
pnp_entry:
        pushw   %bp
        movw    %sp, %bp                /* bp, ip, cs, function, far pointer to the version */
        movw    $0x82, %ax              /* FUNCTION_NOT_SUPPORTED */
        cmpw    $0x60, 6(%bp)
        jne     1f
        pushw   %es
        pushw   %bx
        lesw    8(%bp), %bx
        movw    $0x0101, %es:(%bx)
        popw    %bx
        popw    %es
        xorw    %ax, %ax
1:      popw    %bp
        lretw

        /* c16_entry - for POST: call the C function at AX */
        .globl  c16_entry
c16_entry:
        pushw   %ax
        jmp     enter

        .globl  int11, int12, int15, int16, int1a, iret_only
int11:  pushw   %ds
        pushw   $BDA_SEG
        popw    %ds
        movw    0x10, %ax
        popw    %ds
        iretw

int12:  pushw   %ds
        pushw   $BDA_SEG
        popw    %ds
        movw    0x13, %ax
        popw    %ds
iret_only:
        iretw

int15:  cmpb    $0x53, %ah
        je      apm_real
        cmpb    $0x87, %ah
        je      move_block
        cmpb    $0x89, %ah
        je      enter_protected
        jmp     int15_c

int1a:  cmpb    $0xb1, %ah
        jne     int1a_c
        jmp     pci_real

/* INT 16h: the reads wait here, on the caller's stack, so that whoever switches tasks meanwhile finds ours free. */
int16:  testb   $0xee, %ah              /* 00h, 01h, 10h, 11h */
        jne     int16_c
        testb   $1, %ah
        jnz     poll
        pushw   %ds
        pushw   %ax
        pushw   $BDA_SEG
        popw    %ds
        movw    0x1a, %ax
        cmpw    0x1c, %ax
        jne     2f
        movw    $0x9002, %ax            /* device busy: keyboard */
        sti
        int     $0x15
1:      cli
        movw    0x1a, %ax
        cmpw    0x1c, %ax
        jne     2f
        sti
        hlt
        jmp     1b
2:      popw    %ax
        popw    %ds
        jmp     int16_c

/* 01h, 11h: is there a key? Asked in loops, so "no" is answered without a change of stacks. (Such a loop costs the host
 * next to nothing: cpu/wait.c.) */
poll:   pushw   %ds
        pushw   %ax
        pushw   %bp
        movw    %sp, %bp                /* bp, ax, ds, ip, cs, flags */
        movw    $BDA_SEG, %ax
        movw    %ax, %ds
        movw    0x1a, %ax
        cmpw    0x1c, %ax
        jne     1f
        orw     $0x0240, 10(%bp)        /* ZF and IF */
        popw    %bp
        popw    %ax
        popw    %ds
        iretw
1:      popw    %bp
        popw    %ax
        popw    %ds
        jmp     int16_c

/* --- hardware interrupts --------------------------------------------------------------------------------- */

        .globl  int08, int09, int0e, int71, int75, int76, irq_master, irq_slave, int02
        /* IRQ0: the tick. Midnight is 1800B0h ticks. */
int08:  pushl   %eax
        pushw   %dx
        pushw   %ds
        pushw   $BDA_SEG
        popw    %ds
        incl    0x6c
        cmpl    $0x1800b0, 0x6c
        jb      1f
        movl    $0, 0x6c
        movb    $1, 0x70
1:      cmpb    $0, 0x40                /* floppy motors run out */
        je      2f
        decb    0x40
        jnz     2f
        andb    $0xf0, 0x3f
        movw    $0x3f2, %dx
        movb    $0x0c, %al
        outb    %al, %dx
2:      int     $0x1c
        cli
        movb    $PIC_EOI, %al
        outb    %al, $0x20
        popw    %ds
        popw    %dx
        popl    %eax
        iretw

        /* IRQ1: scan code, through INT 15h 4Fh, into the buffer; what a special key asks for is done after EOI. As IBM's
         * does it: port 64h is not asked whether there is a byte, since a program that hooked INT 9 has read it before it
         * goes on here, and the controller repeats it; INT 15h 4Fh finds DS = 0040 and interrupts on; at the end the keyboard is
         * enabled, which such a program may have disabled. */
int09:  pushw   %ax
        pushw   %ds
        cld
        pushw   $BDA_SEG
        popw    %ds
        inb     $0x60, %al
        movb    $0x4f, %ah
        sti
        stc
        int     $0x15
        cli
        movb    $0, %ah
        jnc     8f
        pushfw
        pushw   %cs
        call    kbd_key                 /* AL: what to do */
        cli
        movb    %al, %ah
8:      movb    $0xae, %al
        outb    %al, $0x64
        movb    $PIC_EOI, %al
        outb    %al, $0x20
        cmpb    $1, %ah
        jb      9f
        ja      1f
        int     $0x1b
        jmp     9f
1:      cmpb    $3, %ah
        ja      2f
        je      3f
        int     $0x05
        jmp     9f
2:      cmpb    $5, %ah
        ja      4f
        je      5f
        movw    $0x8501, %ax            /* SysRq released */
        jmp     6f
3:      movw    $0x8500, %ax
6:      int     $0x15
        jmp     9f
4:      movb    $0xfe, %al              /* Ctrl-Alt-Del */
        outb    %al, $0x64
7:      hlt
        jmp     7b
5:      sti                             /* Pause: until a key ends it */
        hlt
        testb   $8, 0x18
        jnz     5b
9:      popw    %ds
        popw    %ax
        iretw

        /* IRQ6: the floppy controller is done. */
int0e:  pushw   %ax
        pushw   %ds
        pushw   $BDA_SEG
        popw    %ds
        orb     $0x80, 0x3e
        popw    %ds
        movb    $PIC_EOI, %al
        outb    %al, $0x20
        movw    $0x9101, %ax
        int     $0x15
        popw    %ax
        iretw

        /* IRQ14: the disk is done. */
int76:  pushw   %ax
        pushw   %ds
        pushw   $BDA_SEG
        popw    %ds
        movb    $0xff, 0x8e
        popw    %ds
        movb    $PIC_EOI, %al
        outb    %al, $0xa0
        outb    %al, $0x20
        movw    $0x9100, %ax
        int     $0x15
        popw    %ax
        iretw

        /* IRQ9 stands for the XT's IRQ2. */
int71:  pushw   %ax
        movb    $PIC_EOI, %al
        outb    %al, $0xa0
        popw    %ax
        int     $0x0a
        iretw

        /* IRQ13: FPU error, which the PC knew as NMI. */
int75:  pushw   %ax
        xorb    %al, %al
        outb    %al, $0xf0
        movb    $PIC_EOI, %al
        outb    %al, $0xa0
        outb    %al, $0x20
        popw    %ax
        int     $0x02
int02:  iretw

irq_slave:
        pushw   %ax
        movb    $PIC_EOI, %al
        outb    %al, $0xa0
        jmp     1f
        /* Nobody's interrupt: acknowledged if it is one, and noted at 40:6B. */
irq_master:
        pushw   %ax
1:      movb    $0x0b, %al
        outb    %al, $0x20
        inb     $0x20, %al
        pushw   %ds
        pushw   $BDA_SEG
        popw    %ds
        movb    %al, 0x6b
        popw    %ds
        testb   %al, %al
        jz      1f
        movb    $PIC_EOI, %al
        outb    %al, $0x20
1:      popw    %ax
        iretw

/* --- C calls out ----------------------------------------------------------------------------------------- */

/* void int_call16(u8 number, Regs *r) - number in AL, r in EDX. The caller's FS and GS pass through: whoever interrupts the
 * service called finds them there, too. */
        .globl  int_call16
int_call16:
        pushl   %ebx
        pushl   %esi
        pushl   %edi
        pushl   %ebp
        pushl   %edx
        xorw    %cx, %cx
        movw    %cx, %es
        movzbl  %al, %eax
        movl    %es:(,%eax,4), %ecx
        pushw   %ss
        popw    %es
        pushfw
        pushw   %cs
        pushw   $int_call_back
        pushl   %ecx
        subl    $REGS_SIZE, %esp
        movl    %edx, %esi
        movl    %esp, %edi
        movl    $REGS_SIZE/4, %ecx
        rep movsl %ds:(%esi), %es:(%edi)
        addw    $4, %sp
        regs_load_rest_and_go
int_call_back:
        regs_store
        cld
        movw    %ss, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movzwl  %sp, %esp
        movl    %esp, %esi
        movl    REGS_SIZE(%esp), %edi
        movl    $REGS_SIZE/4, %ecx
        rep movsl %ds:(%esi), %es:(%edi)
        movw    $BDA_SEG, %ax
        movw    %ax, %es
        leal    REGS_SIZE(%esp), %esp
        popl    %edx
        popl    %ebp
        popl    %edi
        popl    %esi
        popl    %ebx
        retl

/* void mouse_call(u32 handler, const u16 packet[4]) - far call with status, x, y and z on the stack. */
        .globl  mouse_call
mouse_call:
        pushl   %ebx
        pushl   %esi
        pushl   %edi
        pushl   %ebp
        pushl   %eax
        movl    %esp, %ebp
        pushw   0(%edx)
        pushw   2(%edx)
        pushw   4(%edx)
        pushw   6(%edx)
        sti
        lcallw  *0(%ebp)
        cli
        cld
        movw    %ss, %ax
        movw    %ax, %ds
        movw    $BDA_SEG, %ax
        movw    %ax, %es
        movzwl  %sp, %esp
        addl    $12, %esp               /* the words and the pointer */
        popl    %ebp
        popl    %edi
        popl    %esi
        popl    %ebx
        retl

/* _Noreturn void boot_jump(u16 segment, u8 dl) - to segment:offset as a boot sector wants it. */
        .globl  boot_jump
boot_jump:
        cli
        movw    %ax, %cx                /* 0000:7C00 or segment:0000 */
        movl    $STACKS_TOP, stack_next /* we do not come back */
        xorl    %eax, %eax
        movw    %ax, %ss
        movl    $0x7c00, %esp
        movzbl  %dl, %edx
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %fs
        movw    %ax, %gs
        pushw   $0x0202
        testw   %cx, %cx
        jz      1f
        pushw   %cx
        pushw   $0
        jmp     2f
1:      pushw   $0
        pushw   $0x7c00
2:      xorl    %ebx, %ebx
        xorl    %ecx, %ecx
        xorl    %esi, %esi
        xorl    %edi, %edi
        xorl    %ebp, %ebp
        movl    $0xaa55, %eax
        iretw

/* _Noreturn void bev_jump(u32 vector, u16 fn, const u8 *pnp) - to a ROM's boot entry, with a boot sector's stack. One that returns could not
 * boot. */
        .globl  bev_jump
bev_jump:
        cli
        movl    $STACKS_TOP, stack_next /* we do not come back */
        movl    %ecx, %edi
        xorl    %ecx, %ecx
        movw    %cx, %ss
        movl    $0x7c00, %esp
        pushw   $0xf000
        pushw   $1f
        pushl   %eax
        movzwl  %dx, %eax               /* bus, device, function */
        pushw   %ds                     /* ES:DI: $PnP */
        popw    %es
        movw    %cx, %ds
        sti
        lretw
1:      int     $0x18

/* --- fixed addresses ------------------------------------------------------------------------------------- */

        .macro  at address, target
        .org    \address - 0xe000
        jmp     \target
        .endm

        .section .fixed, "ax"
        .ascii  "ring3 BIOS "
        .ascii  RING3_VERSION
        at      0xe05b, post_entry
        at      0xe2c3, int02
        at      0xe3fe, int13
        at      0xe6f2, int19
        .org    0x06f5                  /* system configuration, INT 15h C0h */
        .globl  system_configuration
system_configuration:
        .word   8
        .byte   0xfc, 0x00, 0x01        /* model, submodel, revision: AT */
        .byte   0x74                    /* second PIC, RTC, INT 15h 4Fh, EBDA */
        .byte   0x40, 0, 0, 0           /* INT 16h 09h */
        .org    0x0729                  /* baud rate divisors */
        .word   1047, 768, 384, 192, 96, 48, 24, 12
        at      0xe739, int14
        at      0xe82e, int16
        at      0xe987, int09
        at      0xec59, int40
        at      0xef57, int0e
        .org    0x0fc7                  /* diskette parameters, INT 1Eh */
        .globl  diskette_table
diskette_table:
        .byte   0xaf, 0x02, 0x25, 0x02, 18, 0x1b, 0xff, 0x6c, 0xf6, 0x0f, 0x08
        at      0xefd2, int17
        at      0xf045, iret_only
        at      0xf065, iret_only
        .org    0x10a4                  /* 6845 parameters, INT 1Dh: 40x25, 80x25, graphics, monochrome */
        .globl  video_table
video_table:
        .byte   0x38, 0x28, 0x2d, 0x0a, 0x1f, 6, 0x19, 0x1c, 2, 7, 6, 7, 0, 0, 0, 0
        .byte   0x71, 0x50, 0x5a, 0x0a, 0x1f, 6, 0x19, 0x1c, 2, 7, 6, 7, 0, 0, 0, 0
        .byte   0x38, 0x28, 0x2d, 0x0a, 0x7f, 6, 0x64, 0x70, 2, 1, 6, 7, 0, 0, 0, 0
        .byte   0x61, 0x50, 0x52, 0x0f, 0x19, 6, 0x19, 0x19, 2, 0x0d, 0x0b, 0x0c, 0, 0, 0, 0
        .word   0x0800, 0x1000, 0x4000, 0x4000
        .byte   40, 80, 40, 80, 40, 80, 80, 80
        .byte   0x2c, 0x28, 0x2d, 0x29, 0x2a, 0x2e, 0x1e, 0x29
        at      0xf841, int12
        at      0xf84d, int11
        at      0xf859, int15
        .org    0x1a6e                  /* the 8x8 font's first half */
        .globl  font_low
font_low:
        at      0xfe6e, int1a
        at      0xfea5, int08
        .org    0x1ef3                  /* vectors 00h-1Fh */
        .globl  vectors_low
vectors_low:
        .word   iret_only, iret_only, int02, iret_only, iret_only, int05, iret_only, iret_only
        .word   int08, int09, irq_master, irq_master, irq_master, irq_master, int0e, irq_master
        .word   iret_only, int11, int12, int13, int14, int15, int16, int17
        .word   int18, int19, int1a, iret_only, iret_only, 0xf0a4, 0xefc7, 0
        .org    0x1f53
        iretw
        jmp     int05
        .globl  vectors_high
vectors_high:                           /* 70h-77h */
        .word   int70, int71, irq_slave, irq_slave, int74, int75, int76, irq_slave
        .org    0x1ff0
        ljmpw   $0xf000, $0xe05b
        .ascii  "11/22/26"
        .org    0x1ffe
        .byte   0xfc, 0x00
        .section .note.GNU-stack, "", @progbits
