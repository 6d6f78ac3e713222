/* hook_thunk.S - a library's function called as the System V ABI for x86-64 says, and looked at when it returns: what it
 * had to leave as it was (section 3.2.1: RBX, RBP, R12 to R15, RSP, the control words; DF clear), and AC. What was kept is
 * given back, so that ring3 can say what happened. See hook_guard.c, whose HookAbi this is.
 *
 * Called in place of the function, with its arguments, however many and wherever they are: so its stack may not move, and
 * the way back is kept elsewhere. RAX, RDX, XMM0 and XMM1 are the function's results.
 */
#include "frontend/hook/hook_thunk.h"

        .intel_syntax noprefix
        .text
        .globl  hook_thunk
        .hidden hook_thunk
        .type   hook_thunk, @function
hook_thunk:
        mov     [rip + hook_abi + HOOK_ABI_KEPT], rbx
        mov     [rip + hook_abi + HOOK_ABI_KEPT + 8], rbp
        mov     [rip + hook_abi + HOOK_ABI_KEPT + 16], r12
        mov     [rip + hook_abi + HOOK_ABI_KEPT + 24], r13
        mov     [rip + hook_abi + HOOK_ABI_KEPT + 32], r14
        mov     [rip + hook_abi + HOOK_ABI_KEPT + 40], r15
        stmxcsr [rip + hook_abi + HOOK_ABI_MXCSR]
        fnstcw  [rip + hook_abi + HOOK_ABI_FCW]
        pop     qword ptr [rip + hook_abi + HOOK_ABI_BACK]
        mov     [rip + hook_abi + HOOK_ABI_KEPT + 48], rsp
        lea     r11, [rip + 1f]
        push    r11
        jmp     qword ptr [rip + hook_abi + HOOK_ABI_TARGET]

1:      mov     [rip + hook_abi + HOOK_ABI_FOUND + 48], rsp
        mov     rsp, [rip + hook_abi + HOOK_ABI_KEPT + 48]
        pushfq
        pop     r11
        mov     [rip + hook_abi + HOOK_ABI_FLAGS], r11
        and     r11, ~(HOOK_FLAG_DF | HOOK_FLAG_AC)
        push    r11
        popfq
        mov     [rip + hook_abi + HOOK_ABI_FOUND], rbx
        mov     [rip + hook_abi + HOOK_ABI_FOUND + 8], rbp
        mov     [rip + hook_abi + HOOK_ABI_FOUND + 16], r12
        mov     [rip + hook_abi + HOOK_ABI_FOUND + 24], r13
        mov     [rip + hook_abi + HOOK_ABI_FOUND + 32], r14
        mov     [rip + hook_abi + HOOK_ABI_FOUND + 40], r15
        stmxcsr [rip + hook_abi + HOOK_ABI_MXCSR_FOUND]
        fnstcw  [rip + hook_abi + HOOK_ABI_FCW_FOUND]
        mov     rbx, [rip + hook_abi + HOOK_ABI_KEPT]
        mov     rbp, [rip + hook_abi + HOOK_ABI_KEPT + 8]
        mov     r12, [rip + hook_abi + HOOK_ABI_KEPT + 16]
        mov     r13, [rip + hook_abi + HOOK_ABI_KEPT + 24]
        mov     r14, [rip + hook_abi + HOOK_ABI_KEPT + 32]
        mov     r15, [rip + hook_abi + HOOK_ABI_KEPT + 40]
        ldmxcsr [rip + hook_abi + HOOK_ABI_MXCSR]
        fldcw   [rip + hook_abi + HOOK_ABI_FCW]
        jmp     qword ptr [rip + hook_abi + HOOK_ABI_BACK]
        .size   hook_thunk, . - hook_thunk

        .section .note.GNU-stack, "", @progbits
