/* lockstep_program.h - random programs for lockstep.c: instructions, control flow, system instructions, code that
 * writes into itself.
 *
 * A program is a main part that ends in HLT and up to three functions. Loops count in variables behind FS, which no
 * program reloads, so that nearly all programs end; the others are stopped by lockstep's watchdog.
 *
 * Offsets: flat flavours address everything linearly; in the others CS and FS begin at CODE, SS at STACK, the rest at
 * DATA.
 */
#ifndef RING3_TESTS_LOCKSTEP_PROGRAM_H
#define RING3_TESTS_LOCKSTEP_PROGRAM_H

#include "tests/insn_gen.h"

/* clang-format off */

enum { CODE = 0x10000, VARS = CODE + 0x8000, DATA = 0x20000, DATA_BYTES = 0x3000, STACK = 0x30000, PAGE_TABLE = 0x101000 };

typedef enum Flavour { FLAT32_RING0, FLAT32_RING3, PROT32_STACK16, PROT16, PROT16_RING3, REAL, V86, FLAVOURS } Flavour;
typedef struct FlavourTraits {
    const char *words;
    u8 code32, stack32, flat, paging, protected_mode, ring, v86;
} FlavourTraits;
extern const FlavourTraits flavours[FLAVOURS];

/* Descriptors: index in the GDT. The program's own segments come first, as SEG_FIRST + ES .. GS. */
enum { GDT_KERNEL_CODE = 1, GDT_KERNEL_DATA, GDT_TSS, GDT_SEG_FIRST, GDT_READ_ONLY = GDT_SEG_FIRST + 6, GDT_DOWN, GDT_64K, GDT_ABSENT,
       GDT_EXEC_ONLY, GDT_DATA_BASED, GDT_COUNT };

enum { PROGRAM_ROOM = 0x1800, PROGRAM_LABELS = 64 };
typedef struct Case {
    Flavour flavour;
    u8 code[PROGRAM_ROOM];
    unsigned bytes, at; /* length; offset of the first byte from CODE */
    u32 gpr[8], eflags, cs_limit, cr0_bits, cr4_bits;
    bool paging;
    bool pae;        /* with three levels, and NX on the data's pages */
    bool user_pages; /* ring 0 finds its data in user pages */
    u8 data[DATA_BYTES];
} Case;

void program_make(InsnGen *g, Case *k, Flavour f);

/* clang-format on */
#endif
