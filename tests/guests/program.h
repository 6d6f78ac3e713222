/* program.h - macros of the programs that unit tests run as data (devices.S, mixed.S, smc.S, stale.S): PROGRAM name,
 * code, END name; a C file finds it between the symbols `name` and `name_end`. It ends at a HLT.
 */
        .macro  PROGRAM name
        .globl  \name, \name\()_end
        .p2align 4
\name:
        .endm
        .macro  END name
        hlt
\name\()_end:
        .endm
/* of programs that count in EBX how often they were right */
        .macro  COUNT_IF_EQUAL
        jne     9f
        inc     %ebx
9:
        .endm
