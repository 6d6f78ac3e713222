/* start.S - Multiboot header, entry, interrupt stubs, and the ways into a program and out of it. */
#include "layout.h"
        .set    FLAGS, 3                /* memory information */
        .set    MAGIC, 0x1badb002
        .section .multiboot, "a"
        .align  4
        .long   MAGIC, FLAGS, -(MAGIC + FLAGS)

        .text
        .globl  _start
_start: cld
        mov     $stack_top, %esp
        call    tour_main
1:      hlt
        jmp     1b

/* --- programs ---------------------------------------------------------------------------------------------- */

/* void program_enter(const struct Frame *f): load what *f says and IRET there. Comes back when trap() has said that the
 * program is over. */
        .globl  program_enter
program_enter:
        pushal
        mov     36(%esp), %esi
        mov     %esp, program_back
        mov     %esp, tss + 4           /* where ring 0's stack goes on */
        sub     $FRAME_BYTES, %esp
        mov     %esp, %edi
        mov     $FRAME_BYTES / 4, %ecx
        rep movsl
        popal
        add     $8, %esp                /* vector, error */
        iret

/* Every program ends by a trap, which has left its registers in `program`. */
program_leave:
        mov     program_back, %esp
        popal
        ret

/* --- interrupts -------------------------------------------------------------------------------------------- */

/* Each stub pushes an error code if the processor did not, and its vector. */
        .macro  stub vector, error
        .balign 16
        .if     \error == 0
        push    $0
        .endif
        push    $\vector
        jmp     trap_common
        .endm

        .balign 16
        .globl  trap_stubs
trap_stubs:
        .altmacro
        .set    n, 0
        .rept   48
        .if     n == 8 || (n >= 10 && n <= 14) || n == 17
        stub    %n, 1
        .else
        stub    %n, 0
        .endif
        .set    n, n + 1
        .endr
        .noaltmacro
        .globl  trap_end
        .balign 16
trap_end:
        push    $0
        push    $VECTOR_END
trap_common:
        pushal
        mov     $USER_DS, %eax          /* V86 mode has left zeros; ring 0 uses them, too */
        mov     %eax, %ds
        mov     %eax, %es
        cld
        push    %esp
        call    trap
        pop     %ecx
        test    %eax, %eax
        jz      program_leave
        popal
        add     $8, %esp
        iret

/* --- system calls ------------------------------------------------------------------------------------------ */

        .globl  syscall_int
        .balign 16
syscall_int:
        cmp     $SYS_GETPID, %eax
        jne     1f
        mov     $TOUR_PID, %eax
        iret
1:      mov     $-38, %eax              /* ENOSYS */
        iret

/* The program has left its ESP in ecx and where to go on in edx. */
        .globl  syscall_fast
        .balign 16
syscall_fast:
        mov     $TOUR_PID, %eax
        sti
        sysexit

/* --- pieces of experiment 6 -------------------------------------------------------------------------------- */

/* void pte_store(u32 *pte, u32 value), in registers: eax, edx */
        .globl  pte_store
        .balign 16
pte_store:
        mov     %edx, (%eax)
        ret

        .bss
        .balign 16
        .skip   16384
stack_top:
program_back:
        .long   0
        .section .note.GNU-stack, "", @progbits
