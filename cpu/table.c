/* table.c - x86_rows[]: cpu/x86.def, x87.def and simd.def as data.
 *
 * The rows are written in short words (see x86.def); here each word gets its value. The enumerators below are
 * private to this file, which holds nothing but the table, so that names as short as C or LOCK cannot collide.
 */
#include "cpu/insn.h"

/* clang-format off */
enum {
    __ = 0,
    /* flags */
    C = FL_C, P = FL_P, A = FL_A, Z = FL_Z, S = FL_S, O = FL_O, D = FL_D, I = FL_I,
    OSZAPC = FL_ARITH, OSZAP = O | S | Z | A | P, SZAPC = S | Z | A | P | C, OSAPC = O | S | A | P | C,
    SZAP = S | Z | A | P, OSAP = O | S | A | P, OSZP = O | S | Z | P, ZPC = Z | P | C, OSA = O | S | A,
    ALL = FL_ALL,
    /* checks */
    LOCK = CK_LOCK, CPL0 = CK_CPL0, IOPL = CK_IOPL, PROT = CK_PROT, FPU = CK_FPU, WAIT = CK_WAIT, MMX = CK_MMX,
    SSE = CK_SSE, ALIGN16 = CK_ALIGN16, ENDS = CK_ENDS,
    /* ext and pfx */
    MEM = EXT_MEM, REG = EXT_REG,
    D0 = EXT_D, D1, D2, D3, D4, D5, D6, D7,
    M0 = EXT_M, M1, M2, M3, M4, M5, M6, M7,
    R0 = EXT_R, R1, R2, R3, R4, R5, R6, R7,
    NP = PFX_NP, P66 = PFX_66, PF3 = PFX_F3, PF2 = PFX_F2,
    /* O_, W_ and HF_ are pasted to what the row says: here to __ */
    O___ = O__, W___ = 0,
    /* dest */
    W_1 = DEST_O1, W_12 = DEST_O1 | DEST_O2, W_A = BIT(EAX), W_C = BIT(ECX), W_D = BIT(EDX), W_SP = BIT(ESP),
    W_1A = W_1 | W_A, W_AD = W_A | W_D, W_1AD = W_1 | W_AD, W_ACD = W_AD | W_C, W_ABCD = W_ACD | BIT(EBX),
    W_1SP = W_1 | W_SP,
    W_SPBP = W_SP | BIT(EBP), W_CSI = W_C | BIT(ESI), W_CDI = W_C | BIT(EDI), W_CXI = W_CSI | W_CDI,
    W_1CSI = W_1 | W_CSI, W_ALL = DEST_REGS,
};
/* clang-format on */
#define B(modrm) (EXT_B + (modrm))

enum { FIRST_ID = __COUNTER__ + 1 };
#define X(opcode_, ext_, pfx_, name_, o1, o2, o3, dest_, read_, write_, undef_, checks_, need_, class_,      \
          host_, exec_)                                                                                      \
    {                                                                                                        \
        .opcode = opcode_,                                                                                   \
        .ext = ext_,                                                                                         \
        .pfx = pfx_,                                                                                         \
        .o = {O_##o1, O_##o2, O_##o3},                                                                       \
        .need = need_,                                                                                       \
        .cls = XC_##class_,                                                                                  \
        .host = HF_##host_,                                                                                  \
        .dest = W_##dest_,                                                                                   \
        .checks = checks_,                                                                                   \
        .read = read_,                                                                                       \
        .write = write_,                                                                                     \
        .undef = undef_,                                                                                     \
        .name = #name_,                                                                                      \
        .id = __COUNTER__ - FIRST_ID,                                                                        \
    },

const Row x86_rows[] = {
#include "cpu/x86.def"
};
const unsigned x86_row_count = ARRAY_LEN(x86_rows);
_Static_assert(__COUNTER__ - FIRST_ID == ARRAY_LEN(x86_rows), "Row.id is the index in x86_rows");
