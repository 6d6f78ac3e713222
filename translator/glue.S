/* glue.S - the gates between C and translated code.
 *
 * xlat_enter    C -> cache: guest registers and flags into the host's
 * xlat_exit_*   cache -> C: xlat_enter returns a reason (layout.h)
 * xlat_callout  cache -> C function -> cache: one guest instruction done in C
 *
 * Two stacks: C's, and the host return stack on which translated CALLs and RETs pair. The gates switch RSP, so
 * that neither sees the other's frames. All gates are "light": they leave x87/SSE alone (DESIGN section 3).
 */
#include "translator/layout.h"

        .text

/* Guest GPRs to Vcpu; flags too. Then C's stack. Keeps r8-r11. */
.macro SAVE_GUEST
        movl    %eax, VCPU_GPR(0)(%r15)
        movl    %ecx, VCPU_GPR(1)(%r15)
        movl    %edx, VCPU_GPR(2)(%r15)
        movl    %ebx, VCPU_GPR(3)(%r15)
        movl    %r14d, VCPU_GPR(4)(%r15)
        movl    %ebp, VCPU_GPR(5)(%r15)
        movl    %esi, VCPU_GPR(6)(%r15)
        movl    %edi, VCPU_GPR(7)(%r15)
        movq    %rsp, VCPU_RET_RSP(%r15)
        movq    VCPU_HOST_RSP(%r15), %rsp
        pushfq
        popq    %rax
        cld
        movl    VCPU_EFLAGS(%r15), %ecx
        andl    $HOST_FLAGS, %eax
        andl    $~HOST_FLAGS, %ecx
        orl     %ecx, %eax
        movl    %eax, VCPU_EFLAGS(%r15)
.endm

/* The inverse; ends on the return stack. */
.macro LOAD_GUEST
        movq    VCPU_CTX(%r15), %r12
        movq    VCPU_WIN_USER(%r15), %r13
        movl    VCPU_EFLAGS(%r15), %eax
        andl    $HOST_FLAGS, %eax
        orl     $0x202, %eax
        pushq   %rax
        popfq
        movl    VCPU_GPR(0)(%r15), %eax
        movl    VCPU_GPR(1)(%r15), %ecx
        movl    VCPU_GPR(2)(%r15), %edx
        movl    VCPU_GPR(3)(%r15), %ebx
        movl    VCPU_GPR(4)(%r15), %r14d
        movl    VCPU_GPR(5)(%r15), %ebp
        movl    VCPU_GPR(6)(%r15), %esi
        movl    VCPU_GPR(7)(%r15), %edi
        movq    VCPU_RET_RSP(%r15), %rsp
.endm

/* int xlat_enter(Vcpu *c, const u8 *hpc) */
        .globl  xlat_enter
        .type   xlat_enter, @function
xlat_enter:
        pushq   %rbx
        pushq   %rbp
        pushq   %r12
        pushq   %r13
        pushq   %r14
        pushq   %r15
        subq    $8, %rsp                /* aligns the frame for calls from the gates */
        movq    %rdi, %r15
        movq    %rsi, %r9
        movq    %rsp, VCPU_HOST_RSP(%r15)
        LOAD_GUEST
        jmp     *%r9
        .size   xlat_enter, . - xlat_enter

/* Back to C with reason eax; RSP is C's, as xlat_enter left it. The signal handler resumes here, too. */
        .globl  xlat_leave
xlat_leave:
        addq    $8, %rsp
        popq    %r15
        popq    %r14
        popq    %r13
        popq    %r12
        popq    %rbp
        popq    %rbx
        ret

/* A direct exit that is not linked: r9 = Link. */
        .globl  xlat_exit_link
xlat_exit_link:
        movq    %r9, VCPU_EXIT_ARG(%r15)
        SAVE_GUEST
        movl    $EXIT_LINK, %eax
        jmp     xlat_leave

/* An indirect transfer that the jump cache does not know: r8d = target EIP. */
        .globl  xlat_exit_indirect
xlat_exit_indirect:
        movl    %r8d, VCPU_EIP(%r15)
        SAVE_GUEST
        movl    $EXIT_INDIRECT, %eax
        jmp     xlat_leave

/* Interpret one instruction at r8d (limit violations, straddles), then dispatch. */
        .globl  xlat_exit_interp
xlat_exit_interp:
        movl    %r8d, VCPU_EIP(%r15)
        SAVE_GUEST
        movl    $EXIT_INTERP, %eax
        jmp     xlat_leave

/* Bottom of the return stack: a RET without its CALL. */
        .globl  xlat_ret_bottom
xlat_ret_bottom:
        movq    VCPU_RET_BOTTOM(%r15), %rsp
        /* fall through */

/* A RET whose prediction failed, r8d = target EIP: probe the jump cache. Polls, since no loop may avoid it. */
        .globl  xlat_ret_miss
xlat_ret_miss:
        movq    VCPU_POLL(%r15), %r9
        .globl  xlat_ret_miss_poll
xlat_ret_miss_poll:
        movzbl  (%r9), %r9d
        movzwl  %r8w, %r9d
        movq    VCPU_JUMP_CACHE(%r15), %r11
        movq    %rcx, %r10
        movq    (%r11, %r9, 8), %rcx
        leaq    (%rcx, %r8), %rcx
        leaq    (%rcx, %r12), %rcx      /* stored key is negated: 0 on a hit */
        jrcxz   1f
        movq    %r10, %rcx
        jmp     xlat_exit_indirect
1:      movq    %r10, %rcx
        jmp     *JUMP_CACHE_HPC(%r11, %r9, 8)

/* A C function for one guest instruction: r9 = argument, r11 = int (*)(Vcpu *, void *). 0: go on behind the
 * call; else: back to C with that reason. The way back waits on C's stack: what is left on the return stack when C
 * does not come back (a fault, another context) would be taken for a landing by the next RET. */
        .globl  xlat_callout
xlat_callout:
        popq    %r10
        SAVE_GUEST
        pushq   %r10
        subq    $8, %rsp
        movq    %r15, %rdi
        movq    %r9, %rsi
        call    *%r11
        addq    $8, %rsp
        popq    %r10
        testl   %eax, %eax
        jnz     xlat_leave
        LOAD_GUEST
        pushq   %r10                    /* a RET, since the host's predictor saw the CALL */
        ret

        .section .note.GNU-stack, "", @progbits
