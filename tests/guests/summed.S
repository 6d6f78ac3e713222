/* summed.S - a guest whose every line follows from the one before, for tests/boot/snapshot.py: a Multiboot kernel with paging
 * that stirs 16 KiB of memory, an x87 sum and disk sectors, and counts ticks. A round's line on COM1:
 *
 *     r ROUND SUM FLOAT TICKS D        in hexadecimal; D is '+', or 'X' when a sector was not what was written last
 *
 * Every eighth round one of four sectors is read, compared with what memory says was written there, and written anew: a
 * machine that went back without its disk, or the other way round, is found out.
 */
#include "entry.h"
#include "multiboot.h"

        .set    WORDS, 4096
        .set    COM1, 0x3f8
        .section .multiboot, "a"
        MULTIBOOT_HEADER MULTIBOOT_INFO

        .text
        .globl  _start
        .code32
_start: mov     $stack_top, %esp
        FLAT_SEGMENTS gdt_pointer

        mov     $table, %edi            /* 4 MiB, each address itself */
        mov     $3, %eax
        mov     $1024, %ecx
1:      mov     %eax, (%edi)
        add     $4, %edi
        add     $4096, %eax
        loop    1b
        movl    $table + 3, directory
        mov     $directory, %eax
        mov     %eax, %cr3
        mov     %cr0, %eax
        or      $0x80000000, %eax
        mov     %eax, %cr0

        mov     $idt + 8 * 8, %edi      /* IRQ0 is vector 8 */
        mov     $tick, %eax
        movw    %ax, (%edi)
        movw    $8, 2(%edi)
        movw    $0x8e00, 4(%edi)
        shr     $16, %eax
        movw    %ax, 6(%edi)
        lidt    idt_pointer
        mov     $0x34, %al              /* 1000 ticks a second */
        out     %al, $0x43
        mov     $1193 & 0xff, %al
        out     %al, $0x40
        mov     $1193 >> 8, %al
        out     %al, $0x40
        mov     $0xfe, %al
        out     %al, $0x21
        fninit
        fldz
        sti

round:  incl    number
        mov     sum, %eax
        mov     $16, %ebp               /* how often memory is stirred in a round */
1:      mov     $block, %esi
        mov     $WORDS, %ecx
2:      mov     (%esi), %edx
        imul    $1664525, %edx, %edx
        lea     1013904223(%edx, %eax), %edx
        mov     %edx, (%esi)
        rol     $5, %eax
        xor     %edx, %eax
        add     $4, %esi
        loop    2b
        dec     %ebp
        jnz     1b
        mov     %eax, sum

        fmuls   factor
        fiaddl  number
        fstl    float

        testl   $7, number
        jnz     1f
        call    disk
1:      mov     $'r', %al
        call    put
        mov     number, %edx
        call    put_number
        mov     sum, %edx
        call    put_number
        mov     float + 2, %edx
        call    put_number
        mov     ticks, %edx
        call    put_number
        mov     $' ', %al
        call    put
        mov     state, %al
        call    put
        mov     $'\n', %al
        call    put
        jmp     round

tick:   push    %eax
        incl    ticks
        mov     $0x20, %al
        out     %al, $0x20
        pop     %eax
        iret

/* --- the line --- */

put_number:                             /* a space and EDX */
        mov     $' ', %al
        call    put
        mov     $8, %ecx
1:      rol     $4, %edx
        mov     %dl, %al
        and     $15, %al
        add     $'0', %al
        cmp     $'9', %al
        jbe     2f
        add     $'a' - '0' - 10, %al
2:      call    put
        loop    1b
        ret

put:    push    %edx
        push    %eax
        mov     $COM1 + 5, %edx
1:      in      %dx, %al
        test    $0x20, %al
        jz      1b
        pop     %eax
        mov     $COM1, %edx
        out     %al, %dx
        pop     %edx
        ret

/* --- the disk: primary master, by PIO --- */

disk:   mov     number, %ebx            /* EBX: which of the four sectors */
        shr     $3, %ebx
        and     $3, %ebx
        mov     $0x20, %ah
        call    command
        mov     $sector, %edi
        mov     $256, %ecx
        mov     $0x1f0, %edx
        rep insw
        mov     sector, %eax
        cmpl    $0, written(, %ebx, 8)  /* what an earlier run left */
        je      2f
        cmp     written(, %ebx, 8), %eax
        jne     1f
        mov     sector + 508, %eax
        cmp     written + 4(, %ebx, 8), %eax
        je      2f
1:      movb    $'X', state
2:      mov     number, %eax
        mov     %eax, sector
        mov     %eax, written(, %ebx, 8)
        mov     sum, %eax
        mov     %eax, sector + 508
        mov     %eax, written + 4(, %ebx, 8)
        mov     $0x30, %ah
        call    command
        mov     $sector, %esi
        mov     $256, %ecx
        mov     $0x1f0, %edx
        rep outsw
        mov     $0x1f7, %edx
1:      in      %dx, %al
        test    $0x80, %al
        jnz     1b
        ret

command:                                /* AH to sector 128 * EBX; back when it wants data */
        mov     $0x1f2, %edx
        mov     $1, %al
        out     %al, %dx
        inc     %edx
        mov     %bl, %al
        shl     $7, %al
        out     %al, %dx
        inc     %edx
        mov     %bl, %al
        shr     $1, %al
        out     %al, %dx
        inc     %edx
        mov     $0, %al
        out     %al, %dx
        inc     %edx
        mov     $0xe0, %al
        out     %al, %dx
        inc     %edx
        mov     %ah, %al
        out     %al, %dx
1:      in      %dx, %al
        and     $0x88, %al
        cmp     $0x08, %al
        jne     1b
        ret

        .data
        .align  8
gdt:    .quad   0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdt_pointer:
        .word   23
        .long   gdt
idt_pointer:
        .word   16 * 8 - 1
        .long   idt
factor: .float  0.999
state:  .byte   '+'

        .bss
        .align  4096
directory:
        .skip   4096
table:  .skip   4096
block:  .skip   4 * WORDS
idt:    .skip   16 * 8
written:
        .skip   4 * 8
number: .skip   4
sum:    .skip   4
ticks:  .skip   4
        .align  8
float:  .skip   8
sector: .skip   512
        .skip   4096
stack_top:
        .section .note.GNU-stack, "", @progbits
