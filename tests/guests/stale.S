/* stale.S - page-table entries that change while they are in use, without INVLPG or a CR3 load, as Windows 9x changes
 * them. tests/unit/cpu_stale.c runs each at CODE with paging on, and says where its pages are (the names in capitals
 * below are its numbers). They count in EBX what was as it should be, and end at a HLT. The page at VA is that at A and
 * that at B in turn; each holds its own address, and code that returns it in EAX. */
#include "program.h"
        .section .rodata
        .code32

        .set    VA, 0x5f0000            /* entry 1f0h of the second table */
        .set    A, 0x60000
        .set    B, 0x61000
        .set    PDE, 0x40004            /* of VA */
        .set    PTE, 0x427c0            /* its entry in the table at 42000; the table at 43000 has B there */
        .set    RETURNS, 16             /* offset of the code in A and B */
        .set    PAGES_A, 0x42000
        .set    PAGES_B, 0x43000
        .set    SPACE_A, 0x40000
        .set    SPACE_B, 0x44000        /* a directory that has the table at 43000 for the one at 42000 */
        .set    CODE, 0x1000
        .set    ROUNDS, 500

        .macro  BOTH change, use
        mov     $ROUNDS, %ecx
7:      \change A
        \use    A
        \change B
        \use    B
        dec     %ecx
        jnz     7b
        .endm

        .macro  ENTRY page
        movl    $(\page + 7), PTE
        .endm
        .macro  READ page
        cmpl    $\page, VA
        COUNT_IF_EQUAL
        .endm
        PROGRAM stale_read
        BOTH    ENTRY, READ
        END     stale_read

        .macro  WRITE page
        mov     %ecx, VA + 4
        cmp     %ecx, \page + 4
        COUNT_IF_EQUAL
        .endm
        PROGRAM stale_write
        BOTH    ENTRY, WRITE
        END     stale_write

        /* the entry is changed by an XCHG, and used by a string instruction and by the stack */
        .macro  ENTRY_XCHG page
        mov     $(\page + 7), %eax
        xchg    %eax, PTE
        .endm
        .macro  STRING page
        mov     $VA, %esi
        mov     $0x30000, %edi
        push    %ecx
        mov     $1, %ecx
        rep     movsl
        pop     %ecx
        cmpl    $\page, 0x30000
        jne     8f
        xchg    %esp, %esi
        lea     VA, %esp
        pop     %eax
        xchg    %esp, %esi
        cmp     $\page, %eax
8:
        COUNT_IF_EQUAL
        .endm
        PROGRAM stale_string
        BOTH    ENTRY_XCHG, STRING
        END     stale_string

        .macro  FETCH page
        mov     $(VA + RETURNS), %eax
        call    *%eax
        cmp     $\page, %eax
        COUNT_IF_EQUAL
        .endm
        PROGRAM stale_code
        BOTH    ENTRY, FETCH
        END     stale_code

        /* the same by the entry of the directory */
        .macro  DIRECTORY page
        movl    $(\page - A + PAGES_A + 7), PDE
        .endm
        .macro  ALL page
        cmpl    $\page, VA
        jne     8f
        mov     %ecx, VA + 4
        cmp     %ecx, \page + 4
        jne     8f
        mov     $(VA + RETURNS), %eax
        call    *%eax
        cmp     $\page, %eax
8:
        COUNT_IF_EQUAL
        .endm
        PROGRAM stale_directory
        BOTH    DIRECTORY, ALL
        END     stale_directory

        /* rights that go: the handler of #PF counts in EDI, and gives the right back */
        .macro  TAKE_WRITE page
        movl    $(\page + 5), PTE
        mov     %ecx, VA + 4
        .endm
        .macro  TAKE_PRESENT page
        movl    $(\page + 6), PTE
        mov     VA, %eax
        .endm
        .macro  NOTHING page
        .endm
        PROGRAM stale_rights
        xor     %edi, %edi
        BOTH    TAKE_WRITE, NOTHING
        mov     %edi, %ebx
        xor     %edi, %edi
        BOTH    TAKE_PRESENT, READ
        END     stale_rights
        PROGRAM stale_fault             /* #PF */
        inc     %edi
        orl     $7, PTE
        add     $4, %esp
        iret
        END     stale_fault

        /* ring 3: INT 40h changes the entry */
        .macro  SERVICE page
        int     $0x40
        .endm
        PROGRAM stale_user
        BOTH    SERVICE, ALL
        int     $0x41
        END     stale_user
        PROGRAM stale_service           /* INT 40h: A, B, A ... */
        xorl    $(A ^ B), PTE
        iret
        END     stale_service

        /* A and D appear at the first use, again after they were cleared */
        .macro  CLEAR page
        movl    $(\page + 7), PTE
        .endm
        .macro  ACCESSED page
        mov     VA, %eax
        testb   $0x40, PTE
        jnz     9f
        testb   $0x20, PTE
        jz      9f
        movl    %eax, VA
        testb   $0x40, PTE
        jz      9f
        inc     %ebx
9:
        .endm
        PROGRAM stale_accessed
        BOTH    CLEAR, ACCESSED
        END     stale_accessed

        /* two address spaces, CR0.WP set in one and clear in the other; a direct call reaches the page in both */
        .macro  WRITE_PROTECT bit
        mov     %cr0, %eax
        btr     $16, %eax
        or      $(\bit << 16), %eax
        mov     %eax, %cr0
        .endm
        .macro  SPACE directory, wp, page
        WRITE_PROTECT \wp
        mov     $\directory, %eax
        mov     %eax, %cr3
        call    6b
        cmp     $\page, %eax
        COUNT_IF_EQUAL
        .endm
        PROGRAM stale_linked
        mov     $ROUNDS, %ecx
        jmp     7f
6:      .byte   0xe8                    /* call VA + RETURNS */
        .long   VA + RETURNS - CODE - (8f - stale_linked)
8:      ret
7:      SPACE   SPACE_A, 1, A
        SPACE   SPACE_B, 0, B
        dec     %ecx
        jnz     7b
        END     stale_linked

        .section .note.GNU-stack, "", @progbits
