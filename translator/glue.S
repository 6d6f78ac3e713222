/* glue.S - the gates between C and translated code.
 *
 * xlat_enter    C -> cache: guest registers and flags into the host's
 * xlat_exit_*   cache -> C: xlat_enter returns a reason (layout.h)
 * xlat_callout  cache -> C function -> cache: one guest instruction done in C
 * xlat_table_*  guest address -> host address, by the table form
 * xlat_seg_load a segment register load as it went the last time, else the callout
 *
 * Two stacks: C's, and the host return stack on which translated CALLs and RETs pair. The gates switch RSP, so that
 * neither sees the other's frames. All gates are "light": they leave x87/SSE alone (docs/ARCHITECTURE.md, "The FPU").
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
        movq    %r13, VCPU_HERE(%r15)
        movq    %rsp, VCPU_RET_RSP(%r15)
        movq    VCPU_HOST_RSP(%r15), %rsp
        pushfq
        popq    %rax
        movl    VCPU_EFLAGS(%r15), %ecx
        andl    $HOST_FLAGS, %eax
        andl    $~HOST_FLAGS, %ecx
        orl     %eax, %ecx
        movl    %ecx, VCPU_EFLAGS(%r15)
        testl   $FLAG_D, %eax           /* CLD and POPFQ are slow */
        jz      9f
        cld
9:
.endm

/* The inverse; ends on the return stack. */
.macro LOAD_GUEST
        movq    VCPU_WINDOW(%r15), %r12
        movq    VCPU_HERE(%r15), %r13
        movl    VCPU_EFLAGS(%r15), %eax
        testl   $FLAG_D, %eax
        jz      9f
        std
9:      movl    %eax, %ecx
        movb    %al, %ah                /* SF ZF AF PF CF, by SAHF */
        shrl    $11, %ecx
        andb    $1, %cl
        addb    $0x7f, %cl              /* OF */
        sahf
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

/* Back to C with reason eax; RSP is C's, as xlat_enter left it. */
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

/* void xlat_leave_handler(void *host_rsp, const void *fpu_image): the signal handler ends here, without sigreturn. The
 * kernel gave it a fresh FPU; the guest's state is in the signal frame. */
        .globl  xlat_leave_handler
        .type   xlat_leave_handler, @function
xlat_leave_handler:
        fxrstor64 (%rsi)
        movq    %rdi, %rsp
        movl    $EXIT_TRAP, %eax
        jmp     xlat_leave
        .size   xlat_leave_handler, . - xlat_leave_handler

/* Entry of the jump cache for EIP r8d -> r11; rcx waits in r10; r9 clobbered. rcx = 0: it is the one. */
.macro JUMP_PROBE load
        movzwl  %r8w, %r9d
        movq    VCPU_JUMP_CACHE(%r15), %r11
        leaq    (, %r9, 4), %r9
        leaq    (%r11, %r9, 8), %r11
        movq    %rcx, %r10
\load:
        movq    JUMP_KEY(%r11), %rcx    /* traps when aimed at jump_trap */
        leaq    (%rcx, %r8), %rcx
        movq    VCPU_CTX(%r15), %r9
        leaq    (%rcx, %r9), %rcx
.endm
.macro JUMP_TAKE
        movq    %r10, %rcx
        movq    JUMP_HERE(%r11), %r13
        jmp     *JUMP_HPC(%r11)
.endm

/* A link of ring 3 to another page whose context is not the present one, r9 = Link, r8d = target EIP: perhaps the
 * jump cache knows it. If that happens often the link is made anew. */
        .globl  xlat_exit_link_probe
xlat_exit_link_probe:
        movq    %r9, VCPU_EXIT_ARG(%r15)
        .globl  xlat_probe_link
        JUMP_PROBE xlat_probe_link
        jrcxz   1f
2:      movq    %r10, %rcx
        movq    VCPU_EXIT_ARG(%r15), %r9
        jmp     xlat_exit_link
1:      movq    VCPU_LINK_USES(%r15), %rcx
        leaq    -1(%rcx), %rcx
        movq    %rcx, VCPU_LINK_USES(%r15)
        jrcxz   2b                      /* now and then: it may be worth a link to here */
        JUMP_TAKE

/* A direct exit that is not linked: r9 = Link. */
        .globl  xlat_exit_link
xlat_exit_link:
        movq    %r9, VCPU_EXIT_ARG(%r15)
        SAVE_GUEST
        movl    $EXIT_LINK, %esi
        jmp     xlat_next

/* An indirect transfer that the jump cache does not know: r8d = target EIP. */
        .globl  xlat_exit_indirect
xlat_exit_indirect:
        movl    %r8d, VCPU_EIP(%r15)
        SAVE_GUEST
        movl    $EXIT_INDIRECT, %esi

/* esi: why. C knows where to go on, or leaves it to the dispatcher. */
xlat_next:
        movq    %r15, %rdi
        pushq   %rsi
        subq    $8, %rsp
        call    *VCPU_NEXT(%r15)
        addq    $8, %rsp
        popq    %rcx
        testq   %rax, %rax
        jz      1f
        movq    %rax, %r9
        LOAD_GUEST
        jmp     *%r9
1:      movl    %ecx, %eax
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

/* A RET whose prediction failed, r8d = target EIP: probe the jump cache. */
        .globl  xlat_ret_miss
xlat_ret_miss:
        .globl  xlat_probe
        JUMP_PROBE xlat_probe
        jrcxz   1f
        movq    %r10, %rcx
        jmp     xlat_exit_indirect
1:      JUMP_TAKE

/* A C function for one guest instruction: r9 = argument, r11 = CalloutFn; its answer: callout.h. The way back waits on
 * C's stack: what is left on the return stack when C does not come back (a fault, another context) would be taken
 * for a landing by the next RET. */
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
        testq   %rax, %rax
        jnz     1f
        LOAD_GUEST
        pushq   %r10                    /* a RET, since the host's predictor saw the CALL */
        ret
1:      cmpq    $EXIT_REASONS, %rax
        jb      xlat_leave
        movq    %rax, %r10
        LOAD_GUEST
        jmp     *%r10

/* The table form (mmu/shadow.h, TableEntry): r8 = linear address, r10d = address of the last byte. Leaves the host
 * address in r8; r9 and r10 clobbered, flags kept. What the table does not know, and now and then a use that counts
 * as a sample, goes to C (form.c). `code`: a write of up to 4 bytes beside code looks at the map of code bytes.
 * `other`: the table to look at then, for instructions of rings 0-2 that meet both kinds of pages. */
.macro PAGE_NUMBERS_bmi2
        movl    $12, %ecx
        shrxl   %ecx, %r8d, %r9d
        shrxl   %ecx, %r10d, %r10d
.endm
.macro PAGE_NUMBERS_plain
        movq    %rax, VCPU_SPILL+8(%r15)
        lahf
        seto    %al
        movl    %r8d, %r9d
        shrl    $12, %r9d
        shrl    $12, %r10d
        addb    $0x7f, %al
        sahf
        movq    VCPU_SPILL+8(%r15), %rax
.endm
/* r9 = the entry, rcx = 0 if it allows the access. */
.macro TABLE_ENTRY table, field
        movq    \table(%r15), %rcx
        leaq    (%r9, %r9), %r9
        leaq    (%rcx, %r9, 8), %r9
        movl    \field(%r9), %ecx
        leal    1(%rcx, %r10), %ecx
.endm
.macro TABLE_GATE name, shift, table, field, write, code, other=0
        .globl  \name\()_\shift
        .p2align 5
\name\()_\shift:
        movq    %rcx, VCPU_SPILL(%r15)
        PAGE_NUMBERS_\shift
        movq    VCPU_TABLE_USES(%r15), %rcx
        leaq    -1(%rcx), %rcx
        movq    %rcx, VCPU_TABLE_USES(%r15)
        jrcxz   2f
.if \other
        movq    %r9, VCPU_SPILL+8(%r15)
.endif
        TABLE_ENTRY \table, \field
        jrcxz   1f
.if \code
        leal    -TABLE_CODE(%rcx), %ecx
        jrcxz   3f
.endif
.if \other
        movq    VCPU_SPILL+8(%r15), %r9
        TABLE_ENTRY \other, \field
        jrcxz   1f
.endif
2:      movl    $\write, %r9d
        jmp     xlat_table_miss
1:      movq    ENTRY_ADD(%r9), %r9
        movq    VCPU_SPILL(%r15), %rcx
        leaq    (%r8, %r9), %r8
        ret
.if \code
3:      movq    ENTRY_ADD(%r9), %r9
        leaq    (%r8, %r9), %r9
        movq    VCPU_CODE_MAP(%r15), %rcx
        movl    (%rcx, %r9), %ecx
        leal    -0x01010101(%rcx), %ecx
        jrcxz   4f
        jmp     2b
4:      movq    VCPU_SPILL(%r15), %rcx
        movq    %r9, %r8
        ret
.endif
.endm
.macro TABLE_GATES shift
        TABLE_GATE xlat_table_read, \shift, VCPU_TABLE, ENTRY_READ, 0, 0
        TABLE_GATE xlat_table_write, \shift, VCPU_TABLE, ENTRY_WRITE, 1, 1
        TABLE_GATE xlat_table_write_wide, \shift, VCPU_TABLE, ENTRY_WRITE, 2, 0
        TABLE_GATE xlat_table_user_read, \shift, VCPU_USER_TABLE, ENTRY_READ, 0, 0, VCPU_TABLE
        TABLE_GATE xlat_table_user_write, \shift, VCPU_USER_TABLE, ENTRY_WRITE, 2, 0, VCPU_TABLE
.endm
        TABLE_GATES bmi2
        TABLE_GATES plain

/* r9d: is it a write (1: of up to 4 bytes by the current table); r10d: the last byte's page. C answers with the host
 * address, or 0: the reason is in Xlat.trap. */
xlat_table_miss:
        movq    VCPU_SPILL(%r15), %rcx
        movq    %r11, VCPU_SPILL+8(%r15)
        popq    %r11
        SAVE_GUEST
        pushq   %r11
        subq    $8, %rsp
        movq    %r15, %rdi
        movl    %r8d, %esi
        movl    %r10d, %edx
        movl    %r9d, %ecx
        movq    %r11, %r8
        call    *VCPU_TABLE_SLOW(%r15)
        addq    $8, %rsp
        popq    %r11
        testq   %rax, %rax
        jz      1f
        movq    %rax, %r8
        LOAD_GUEST
        pushq   %r11
        movq    VCPU_SPILL+8(%r15), %r11
        ret
1:      movl    $EXIT_TRAP, %eax
        jmp     xlat_leave

/* A segment register load that does what it did last time: r8d = selector, r9 = SegSite (callout.h). Flags wait in AH
 * and AL, EAX in r10. Anything unexpected: the callout. */
.macro FLAGS_BACK
        addb    $0x7f, %al
        sahf
        movq    %r10, %rax
.endm
        .globl  xlat_seg_load
xlat_seg_load:
        movq    %rax, %r10
        lahf
        seto    %al
        cmpl    SITE_SEL(%r9), %r8d
        jne     xlat_seg_miss
        cmpq    SITE_CTX(%r9), %r13
        jne     xlat_seg_miss
        cmpq    $0, VCPU_X87(%r15)      /* selectors of the last x87 instruction are still to be looked at */
        jne     xlat_seg_miss
        movq    VCPU_GDTR(%r15), %r11
        cmpq    SITE_GDTR(%r9), %r11
        jne     xlat_seg_miss
        movl    SITE_VA(%r9), %r11d
        .globl  xlat_seg_peek
xlat_seg_peek:
        movq    (%r12, %r11), %r11
        cmpq    SITE_DESC(%r9), %r11
        jne     xlat_seg_miss
        movl    SITE_REG(%r9), %r8d
        movq    SITE_CACHE(%r9), %r11
        movq    %r11, (%r15, %r8)
        movq    SITE_CACHE+8(%r9), %r11
        movq    %r11, 8(%r15, %r8)
        addl    SITE_POP(%r9), %r14d
        movq    SITE_AFTER(%r9), %r11
        cmpq    %r13, %r11
        jne     1f
        FLAGS_BACK
        ret
        /* Another context: frames of this one must not be returned to. Vcpu.ctx says where we are; the rest of
         * the translator's notion of it follows in context_update(). */
1:      movq    %r11, VCPU_CTX(%r15)
        movq    VCPU_RET_BOTTOM(%r15), %rsp
        movl    SITE_NEXT(%r9), %r8d
        FLAGS_BACK
        jmp     xlat_ret_miss

        .globl  xlat_seg_miss
xlat_seg_miss:
        FLAGS_BACK
        movq    SITE_SLOW(%r9), %r11
        jmp     xlat_callout

        .section .note.GNU-stack, "", @progbits
