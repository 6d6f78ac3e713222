/* devices.S - flat 32-bit loops over device memory and ports, for tests/unit/xlat_device.c. EDX = rounds; EBX = device
 * memory, EBP = RAM. They end at a HLT. */
#include "program.h"
        .section .rodata
        .code32

        PROGRAM device_stores
1:      movb    %dl, 5(%ebx)
        movw    %dx, 6(%ebx)
        dec     %edx
        jnz     1b
        END device_stores

        PROGRAM device_loads
1:      movzbl  5(%ebx), %ecx
        addw    6(%ebx), %ax
        add     %ecx, %eax
        dec     %edx
        jnz     1b
        END device_loads

        PROGRAM device_latch                    /* as planar VGA is copied: load, then store */
1:      movb    (%ebx), %al
        movb    %al, 100(%ebx)
        dec     %edx
        jnz     1b
        END device_latch

        PROGRAM device_rep_stosw
1:      mov     %ebx, %edi
        mov     %edx, %eax
        mov     $1000, %ecx
        rep stosw
        dec     %edx
        jnz     1b
        END device_rep_stosw

        PROGRAM device_rep_movsw_to
1:      mov     %ebx, %edi
        mov     %ebp, %esi
        mov     $1000, %ecx
        rep movsw
        dec     %edx
        jnz     1b
        END device_rep_movsw_to

        PROGRAM device_rep_movsw_from
1:      lea     1(%ebp), %edi
        lea     2(%ebx), %esi
        mov     $1000, %ecx
        rep movsw
        dec     %edx
        jnz     1b
        END device_rep_movsw_from

        PROGRAM device_rep_movsb_within
1:      lea     3000(%ebx), %edi
        mov     %ebx, %esi
        mov     $1000, %ecx
        rep movsb
        dec     %edx
        jnz     1b
        END device_rep_movsb_within

        PROGRAM device_rep_lodsb
1:      mov     %ebx, %esi
        mov     $1000, %ecx
        rep lodsb
        dec     %edx
        jnz     1b
        END device_rep_lodsb

        PROGRAM device_stosb_small              /* short runs, as a line of a character cell */
1:      mov     %ebx, %edi
        mov     $8, %ecx
        rep stosb
        dec     %edx
        jnz     1b
        END device_stosb_small

        PROGRAM device_ports
        mov     %edx, %ecx
        mov     $0x3da, %edx
1:      in      %dx, %al
        out     %al, %dx
        dec     %ecx
        jnz     1b
        END device_ports

        PROGRAM device_ports_immediate
1:      in      $0x61, %al
        outb    %al, $0x61
        dec     %edx
        jnz     1b
        END device_ports_immediate
        .section .note.GNU-stack, "", @progbits
