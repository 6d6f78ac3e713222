/* programs.S - what the experiments run. Each is copied to a page of its own (program.c) and runs there, at USER_CODE in
 * ring 3, at V86_CODE in V86 mode; it ends with INT VECTOR_END. Labels name what is explained.
 */
#include "layout.h"
        .macro  program name
        .balign 16
        .globl  prog_\name, prog_\name\()_end
prog_\name:
        .endm
        .macro  done name
        int     $VECTOR_END
prog_\name\()_end:
        .endm
        .macro  at name                 /* an instruction that has a name */
        .globl  prog_\name
prog_\name:
        .endm

        .section .rodata
        program nothing
        done    nothing

/* ecx: rounds -> eax, edx */
        program loop
        xor     %eax, %eax
        xor     %edx, %edx
        at      loop_body
1:      add     %ecx, %eax
        xor     %eax, %edx
        lea     1(%edx,%eax,2), %eax
        dec     %ecx
        jnz     1b
        done    loop

/* -> eax: flags before, ecx: what is popped, edx: flags after */
        program popf
        pushf
        pop     %eax
        mov     %eax, %ecx
        and     $~0x200, %ecx           /* IF = 0 */
        or      $1, %ecx                /* CF = 1 */
        push    %ecx
        at      popf_itself
        popf
        pushf
        pop     %edx
        done    popf

/* -> eax, ecx: base and limit of the GDT; edx: base of the IDT; ebx: CR0; esi: task register */
        program sgdt
        sub     $8, %esp
        sgdt    (%esp)
        mov     2(%esp), %eax
        movzwl  (%esp), %ecx
        sidt    (%esp)
        mov     2(%esp), %edx
        smsw    %ebx
        str     %esi
        done    sgdt

/* esi: calls -> eax: what the last returned */
        program int80
        at      int80_body
1:      mov     $SYS_GETPID, %eax
        int     $VECTOR_SYSCALL
        dec     %esi
        jnz     1b
        done    int80

        program sysenter
1:      mov     $SYS_GETPID, %eax
        mov     %esp, %ecx
        mov     $USER_CODE + (2f - prog_sysenter), %edx
        sysenter
        at      sysenter_back
2:      dec     %esi
        jnz     1b
        done    sysenter

/* ebx: the first page, ecx: pages */
        program touch
        at      touch_body
1:      incl    (%ebx)
        add     $4096, %ebx
        dec     %ecx
        jnz     1b
        done    touch

/* ebx: where -> eax: what is there */
        program read
        mov     (%ebx), %eax
        done    read

/* ecx: rounds -> edx: their sum, by an instruction whose immediate is patched */
        program smc
        xor     %edx, %edx
        at      smc_body
1:      mov     %ecx, USER_CODE + (2f - prog_smc) + 1
        at      smc_patched
2:      mov     $0x11111111, %eax
        add     %eax, %edx
        dec     %ecx
        jnz     1b
        done    smc

/* In ring 0, called: ecx stores of ax, which counts, to (edi) */
        program storm
        at      storm_body
1:      mov     %ax, (%edi)
        inc     %eax
        dec     %ecx
        jnz     1b
        ret
        .globl  prog_storm_end
prog_storm_end:

/* esi: a page, ecx: loads -> edx: their sum */
        program loads
        xor     %edx, %edx
        xor     %edi, %edi
        at      loads_body
1:      add     (%esi,%edi,4), %edx
        add     $5, %edi
        and     $1023, %edi
        dec     %ecx
        jnz     1b
        done    loads

/* V86 mode, DS = V86_DATA / 16: cx words are filled -> ax: their sum */
        .code16
        program v86
        mov     $V86_DATA >> 4, %ax
        at      v86_es
        mov     %ax, %es
        xor     %ax, %ax
        xor     %di, %di
        at      v86_body
1:      add     %cx, %ax
        mov     %ax, %es:(%di)
        add     $2, %di
        loop    1b
        done    v86
        .code32
        .section .note.GNU-stack, "", @progbits
