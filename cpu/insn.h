/* insn.h - one decoded guest instruction, and the instruction table's row.
 *
 * THE table is cpu/x86.def (integer and system), which includes cpu/x87.def and cpu/simd.def. A row is data,
 * never code: an encoding form in the manual's letters, what it does to flags, what it must check, what the
 * translator does with it (its class) and the interpreter function that is always right. Decoder,
 * interpreter, translator, listings, flag liveness and the test generator all read the same rows.
 *
 *   X(opcode, ext, pfx, name, o1, o2, o3, dest, read, write, undef, checks, need, class, host, exec)
 *
 *   opcode   0x00..0xff, 0x0f00..0x0fff for the two-byte map, 0x3800.. and 0x3a00.. for those behind 0F 38, 0F 3A
 *   ext      __ | MEM | REG (any reg field, memory or register form only)
 *            | D0..D7 (reg field is that digit) | M0..M7 | R0..R7 (same, memory / register form only)
 *            | B(0xc0..0xff): the whole ModRM byte (x87, 0F 01 C1 ...)
 *   pfx      __ any | NP none of 66/F3/F2 | P66 | PF3 | PF2 (mandatory prefix of the SSE maps)
 *   o1..o3   operand letters, enum Operand
 *   dest     what it may write of general registers and memory: __ | 1, 2 (the operand of that number, where it is one
 *            of those), and registers by their letters: A EAX, B EBX, C ECX, D EDX, SP, BP, CSI ECX and ESI, CDI, CXI
 *            (ECX, ESI and EDI) | ALL. `1A` is operand 1 and EAX. tests/unit/xlat_writes.c compares it with exec.
 *   read, write, undef   flags: FL_ masks; `undef` = architecturally undefined afterwards (masked in tests)
 *   checks   CK_ bits    need   the CPUID feature that the encoding came with    class   XC_ value
 *   host     how the translator writes it, HF_ value; __: by its class, or not at all
 *   exec     exec_<name> in cpu/: void exec_x(Vcpu *, const Insn *)
 */
#ifndef RING3_INSN_H
#define RING3_INSN_H

#include "cpu/base/base.h"

/* clang-format off */

typedef struct Vcpu Vcpu;
typedef struct Insn Insn;
typedef void ExecFn(Vcpu *c, const Insn *i);

enum { EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI, REG_NONE = 0xff };
enum { ES, CS, SS, DS, FS, GS, SEG_COUNT };

/* Operands, in the letters of the SDM's opcode maps. */
typedef enum Operand {
    O__ = 0,                        /* none */
    O_Eb, O_Ew, O_Ed, O_Ev,         /* ModRM register or memory; v = word or dword by operand size */
    O_Gb, O_Gw, O_Gd, O_Gv,         /* register in ModRM.reg */
    O_Rd,                           /* register in ModRM.rm whatever mod says (MOV CRn/DRn) */
    O_M, O_Mb, O_Mw, O_Md, O_Mq, O_Mt, O_Mdq, /* memory only; O_M: address only, or size left to exec */
    O_Ma, O_Mp, O_Ms,               /* BOUND pair; far pointer 16:v; pseudo-descriptor 2+4 */
    O_Ib, O_Iw, O_Iv,               /* immediate */
    O_Ibs,                          /* Ib sign-extended to operand size */
    O_Jb, O_Jv,                     /* relative branch */
    O_Ob, O_Ov,                     /* moffs */
    O_Ap,                           /* ptr16:16/32 */
    O_Zb, O_Zv,                     /* register in opcode bits 0-2 */
    O_Sw,                           /* segment register in ModRM.reg */
    O_Cd, O_Dd,                     /* control, debug register in ModRM.reg */
    O_AL, O_CL, O_AX, O_DX, O_eAX,  /* fixed registers; eAX = AX or EAX by operand size */
    O_I1,                           /* the constant 1 */
    O_ES, O_CS, O_SS, O_DS, O_FS, O_GS,
    O_Xb, O_Xv, O_Yb, O_Yv,         /* string: seg:[eSI], ES:[eDI] */
    O_ST0, O_STi,                   /* x87 stack */
    O_Pq, O_Qd, O_Qq, O_Nq,         /* MMX reg; mm/mem; mm register only in rm */
    O_Vx, O_Ww, O_Wss, O_Wsd, O_Wq, O_Wx, O_Ux, /* XMM reg; xmm or 2/4/8/8/16-byte memory; xmm register only in rm */
    O_COUNT
} Operand;

/* Flags, at their places in EFLAGS. */
enum {
    FL_C = 0x001, FL_P = 0x004, FL_A = 0x010, FL_Z = 0x040, FL_S = 0x080, FL_T = 0x100, FL_I = 0x200,
    FL_D = 0x400, FL_O = 0x800, FL_IOPL = 0x3000, FL_NT = 0x4000, FL_RF = 0x10000, FL_VM = 0x20000,
    FL_AC = 0x40000, FL_VIF = 0x80000, FL_VIP = 0x100000, FL_ID = 0x200000,
    FL_ARITH = FL_C | FL_P | FL_A | FL_Z | FL_S | FL_O, /* OSZAPC: live in host EFLAGS in translated code */
    FL_HOST = FL_ARITH | FL_D,
    FL_ALL = 0x3f7fd5,
};

/* What to check before (or while) executing. The decoder itself raises #UD for CK_PROT, CK_MEM.., LOCK. */
enum {
    CK_LOCK = 1 << 0, /* LOCK allowed (memory destination forms only); else LOCK is #UD */
    CK_CPL0 = 1 << 1, /* #GP(0) unless CPL 0 (V86 counts as CPL 3) */
    CK_IOPL = 1 << 2, /* sensitive to IOPL: exec decides */
    CK_PROT = 1 << 3, /* #UD in real and V86 mode */
    CK_FPU = 1 << 4,  /* x87: #NM if CR0.EM or TS; pending #MF before waiting forms */
    CK_WAIT = 1 << 5, /* x87 waiting form: deliver pending unmasked exception first */
    CK_MMX = 1 << 6,  /* #UD if CR0.EM; #NM if TS; pending #MF */
    CK_SSE = 1 << 7,  /* #UD if CR0.EM or !CR4.OSFXSR; #NM if TS */
    CK_ALIGN16 = 1 << 8, /* 16-byte memory operand must be aligned: #GP(0) */
    CK_ENDS = 1 << 9, /* may change mode, mapping or control flow: a block may be left behind it */
};

/* Which processors have the encoding (others: #UD). Tested against Vcpu.features. IPAE (CR4.PAE) and INX (EFER) have no
 * encodings of their own. From ISSE3 on the host's own instructions do the work, in both engines: a guest has them only
 * where the host does. */
typedef enum Need {
    I386, I486, IP5, ICX8, ICMOV, ISEP, IMMX, IFXSR, ISSE, ISSE2, ITSC, IMSR, IUD2, INOP, ICLFSH, IPAE, INX,
    ISSE3, ISSSE3, ISSE41, ISSE42, IPOPCNT,
    IRDTSCP, IMOVBE, ISMAP,
    IUMIP, ISMEP, /* no encodings: bits of CR4 */
    IHYPERVISOR, /* no encodings: CPUID says that a hypervisor is there, by the name that Linux looks for */
    IAPIC, /* no encodings: a local APIC, whose bit CPUID shows while it is enabled */
    NEED_COUNT
} Need;

/* What the translator does with a row. A class is a promise about the encoding; see docs/TRANSLATOR.md. */
typedef enum Class {
    XC_IDENT,  /* registers only; copied */
    XC_MEM,    /* one explicit ModRM operand, register or memory; register forms are copied, memory rewritten */
    XC_STACK,  /* PUSH, POP, PUSHA, POPA, ENTER, LEAVE: explicit mov + lea */
    XC_FLOW,   /* near control transfer */
    XC_STRING, /* string instructions, with or without REP */
    XC_FPU,    /* x87/MMX/SSE, one explicit ModRM operand or none; needs the fpu_ok test */
    XC_SENS,   /* unprivileged but sensitive (POPF, PUSHF, SGDT, SMSW, STR, LAR, MOV from Sreg ...) */
    XC_PRIV,   /* privileged */
    XC_IO,     /* port access */
    XC_SEG,    /* loads a segment register */
    XC_FAR,    /* far transfer, INT, IRET, SYSENTER */
    XC_UD,     /* defined to raise #UD */
    XC_INTERP, /* none of the above: always the interpreter */
    XC_COUNT
} Class;

/* How the translator writes a row: the functions are in translator/ident.c, stack.c, flow.c and sens.c. */
typedef enum HostForm {
    HF___,     /* by its class alone, or by the interpreter */
    /* ident.c */
    HF_COPY,   /* as it is: a ModRM operand, immediates */
    HF_NOP,    /* as nothing */
    HF_PLAIN,  /* its opcode, no operand */
    HF_SIZED,  /* its opcode, an operand size */
    HF_ACC,    /* AL or eAX and an immediate */
    HF_AS80,   /* 82 as 80 */
    HF_SHIFT, HF_SHXD, HF_GRP3, HF_BITS, HF_XCHG, HF_LEA, HF_XLAT,
    HF_INC,    /* 40-4F as FF */
    HF_XCHGA,  /* 91-97 as 87 */
    HF_MOVIB, HF_MOVI, HF_MOFFS, HF_BSWAP, HF_AHF, HF_FENCE,
    /* stack.c */
    HF_PUSHR, HF_PUSHI, HF_PUSHM, HF_POPR, HF_POPM, HF_PUSHA, HF_POPA, HF_ENTER, HF_LEAVE,
    /* flow.c */
    HF_JMP, HF_JMPI /* indirect */, HF_CALL, HF_CALLI, HF_RET, HF_JCC, HF_LOOP,
    /* sens.c */
    HF_CLI, HF_STI, HF_PUSHF, HF_POPF, HF_RDTSC, HF_SREG /* MOV from one */, HF_PUSHS /* PUSH of one */,
    HF_COUNT
} HostForm;

enum { DEST_O1 = 1 << 8, DEST_O2 = 1 << 9, DEST_REGS = 0xff /* bits by number */ };

typedef struct Row {
    u16 opcode;
    u16 ext;        /* EXT_ value */
    u8 pfx;         /* PFX_ value */
    u8 o[3];        /* enum Operand */
    u8 need, cls;
    u8 host;        /* enum HostForm */
    u16 dest;       /* DEST_ bits */
    u16 checks;
    u32 read, write, undef;
    const char *name; /* mnemonic, lower case, Intel's */
    u16 id; /* index in the table: x86_exec[id] interprets it, statistics are kept per row */
} Row;

enum { PFX_ANY, PFX_NP, PFX_66, PFX_F3, PFX_F2 };
enum { /* Row.ext */
    EXT_ANY = 0, EXT_MEM = 1, EXT_REG = 2,
    EXT_D = 0x10, /* +digit */ EXT_M = 0x20, /* +digit */ EXT_R = 0x30, /* +digit */
    EXT_B = 0x100, /* +ModRM byte */
};

/* Prefixes seen. The last of a group wins, as on hardware. */
enum { PREFIX_LOCK = 1, PREFIX_REP = 2, PREFIX_REPNE = 4, PREFIX_66 = 8, PREFIX_67 = 16 };

struct Insn {
    const Row *row;
    union {
        struct {             /* what the ModRM byte says: decode.c copies these eight bytes from a table */
            u8 has_modrm, modrm;
            u8 mod, reg, rm; /* fields of modrm; for rows without ModRM, reg = opcode & 7 (Zb, Zv) */
            u8 is_mem;       /* operand is memory: ModRM with mod != 3, or moffs (base and index REG_NONE) */
            u8 base, index;  /* GPR numbers or REG_NONE */
        };
        u64 modrm_says;
    };
    u8 scale;        /* 0..3: index << scale */
    u8 len;          /* bytes, prefixes included; 1..15 */
    u8 opcode;       /* last opcode byte (after 0F, 0F 38 or 0F 3A) */
    u8 prefix;       /* PREFIX_ bits; PREFIX_REP/REPNE: last of F3/F2 wins */
    u8 opsize;       /* 2 or 4 */
    u8 adsize;       /* 2 or 4 */
    u8 seg;          /* effective segment of the memory operand, of moffs and of the string source */
    u8 seg_override; /* the prefix itself (ES..GS) or REG_NONE */
    u32 disp;        /* sign-extended; moffs; 16-bit forms sign-extended too (truncate EA to 16 bits) */
    u32 imm;         /* Iv, Iw, Ib (zero-extended), Ibs and J (sign-extended), Ap's and CALLF's offset */
    u16 imm2;        /* Ap: selector; ENTER: nesting level */
    u8 op_at;        /* offset of the opcode byte (of 0F, in the two-byte map) in the instruction */
    u8 place[3];     /* where the operands are: 0 from the decoder; the interpreter fills it in (cpu/operand.h) */
};

/* The bytes of a Row.opcode to to[0..2]; returns behind them. */
static inline u8 *opcode_put(u8 *to, u16 opcode)
{
    if (opcode >> 8) *to++ = 0x0f;
    if (opcode >> 8 > 0x0f) *to++ = (u8)(opcode >> 8);
    *to++ = (u8)opcode;
    return to;
}

/* Decoder result when there is no instruction. */
typedef enum DecodeStatus {
    DECODE_OK,
    DECODE_UD,       /* undefined opcode, LOCK on an unlockable form, wrong mode or CPU: i->len is valid */
    DECODE_TOO_LONG, /* more than 15 bytes: #GP(0) */
    DECODE_MORE,     /* ran out of bytes before the end (only if avail < 15) */
} DecodeStatus;

typedef struct DecodeMode {
    u8 code32;    /* CS.D */
    u8 protected_mode; /* CR0.PE && !EFLAGS.VM */
    u16 reserved;
    u32 features; /* BIT(Need), see Vcpu.features */
} DecodeMode;

/* insn_decode - decode one instruction from `bytes`, of which `avail` are readable (more than 15 never belong to
 * it). Fills *i except on DECODE_MORE. Pure: no memory but its arguments. */
DecodeStatus insn_decode(Insn *i, const u8 *bytes, unsigned avail, DecodeMode mode);

/* Bytes accessed by operand `n` when it is memory; 0 if not fixed by the row (exec decides). */
unsigned insn_operand_bytes(const Insn *i, int n);

/* The general registers that i may write, as bits by number: by its row, with ESP. */
u8 insn_written(const Insn *i);

extern const Row x86_rows[];            /* cpu/table.c */
extern const unsigned x86_row_count;
extern ExecFn *const x86_exec[];        /* cpu/exec_table.c, by Row.id: linked with the interpreter only */
extern const char *const x86_exec_name[]; /* likewise: "popf" of exec_popf */

/* clang-format on */
#endif
