/* explained.S - ten instructions to look at with -explain: docs/TRANSLATOR.md walks through what is shown of them, and
 * tests/boot/explain.py holds that it is still shown. A Multiboot kernel in flat segments, without paging, that runs
 * them some thousand times and resets the machine.
 */
#include "multiboot.h"

        .section .multiboot, "a"
        MULTIBOOT_HEADER MULTIBOOT_INFO

        .text
        .globl  _start
        .align  16
        .code32
_start: mov     $stack_top, %esp
        mov     $cells, %ebx
        mov     $20000, %ecx
        .align  16
top:    mov     (%ebx), %eax            /* at 0x100020 */
        add     %ecx, %eax
        mov     %eax, 4(%ebx)
        push    %eax
        call    count_down
        pop     %edx
        pushf
        popf
        sgdt    8(%ebx)
        jmp     top

count_down:
        dec     %ecx
        jz      done
        ret

done:   mov     $0xfe, %al              /* the keyboard controller's reset line */
        out     %al, $0x64
1:      hlt
        jmp     1b

        .bss
        .align  4096
cells:  .skip   4096
        .skip   4096
stack_top:
        .section .note.GNU-stack, "", @progbits
