/* fuzz_decode.c - the decoder against Capstone: validity and length of random instructions.
 *
 *   fuzz_decode [COUNT [SEED]]     COUNT byte strings in each of 16- and 32-bit mode
 *
 * Both decode the same 15 bytes. They must agree on "is an instruction" and on its length, unless the difference has
 * a name in the list below: what Capstone 4.0 gets wrong for our processors, or knows of later ones. The report
 * counts each name; a difference without a name fails the test and is printed. */
#include <capstone/capstone.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/insn.h"

typedef struct Trial {
    u8 bytes[15];
    bool code32;
    DecodeStatus status;
    Insn ours;
    bool theirs_ok;
    unsigned theirs_len;
    unsigned op; /* as in the table: 0xnn, 0x0fnn, 0x38nn, 0x3ann */
    char theirs[80];
} Trial;

/* --- differences with a name ----------------------------------------------------------------------------- */

enum { OURS_ONLY = 1, THEIRS_ONLY = 2, LENGTH = 4 };

static bool any(const Trial *t) { return t != NULL; }
static bool lock_refused(const Trial *t) { return t->ours.row && (t->ours.prefix & PREFIX_LOCK); }
static bool register_form(const Trial *t) { return t->ours.mod == 3; }
static bool invalid_register(const Trial *t) { return t->ours.row != NULL; }
static bool mandatory_prefix(const Trial *t)
{
    return t->ours.prefix & (PREFIX_66 | PREFIX_REP | PREFIX_REPNE);
}
static bool prefix_66_and_repeat(const Trial *t)
{
    return (t->ours.prefix & PREFIX_66) && (t->ours.prefix & (PREFIX_REP | PREFIX_REPNE));
}

typedef struct Known {
    const char *name;
    int kinds;
    unsigned first, last; /* opcodes */
    bool (*when)(const Trial *t);
} Known;

/* clang-format off */
static const Known known[] = {
    {"LOCK on what cannot be locked: Capstone allows most of it",   THEIRS_ONLY, 0x00,   0xfff,  lock_refused},
    {"MOV CS: Capstone allows it",                                  THEIRS_ONLY, 0x8e,   0x8e,   invalid_register},
    {"MOV CR1, CR5..CR7: Capstone allows it",                       THEIRS_ONLY, 0xf20,  0xf22,  invalid_register},
    {"moffs behind 66 and F2 or F3: Capstone refuses",              OURS_ONLY,   0xa0,   0xa3,   prefix_66_and_repeat},
    {"CALL behind 66 and F2 or F3: Capstone forgets the 66",        LENGTH,      0xe8,   0xe8,   prefix_66_and_repeat},
    {"UD1 and UD0 have a ModRM byte; Capstone gives them none",     LENGTH,      0xfb9,  0xfb9,  any},
    {"UD1 and UD0 have a ModRM byte; Capstone gives them none",     LENGTH,      0xfff,  0xfff,  any},
    {"UD0 behind prefixes: Capstone refuses",                       OURS_ONLY,   0xfff,  0xfff,  any},
    {"hint NOPs of the P6: Capstone knows some",                    OURS_ONLY,   0xf0d,  0xf0d,  any},
    {"hint NOPs of the P6: Capstone knows some",                    OURS_ONLY,   0xf18,  0xf1f,  register_form},
    {"UNPCKLQDQ, UNPCKHQDQ: Capstone refuses most",                 OURS_ONLY,   0xf6c,  0xf6d,  mandatory_prefix},
    {"PSRLDQ, PSLLDQ: Capstone refuses most",                       OURS_ONLY,   0xf73,  0xf73,  mandatory_prefix},
    {"MOVQ, MOVQ2DQ, MOVDQ2Q: Capstone refuses most",               OURS_ONLY,   0xfd6,  0xfd6,  mandatory_prefix},
    {"CVTTPD2DQ and kin: Capstone refuses most",                    OURS_ONLY,   0xfe6,  0xfe6,  mandatory_prefix},
    {"fences with rm != 0: Capstone refuses",                       OURS_ONLY,   0xfae,  0xfae,  register_form},
    {"later: AVX-512 (BOUND with mod 3)",                           THEIRS_ONLY, 0x62,   0x62,   register_form},
    {"later: XOP (POP Ev, reg != 0)",                               THEIRS_ONLY, 0x8f,   0x8f,   any},
    {"later: AVX (LES, LDS with mod 3)",                            THEIRS_ONLY, 0xc4,   0xc5,   register_form},
    {"later: XABORT, XBEGIN",                                       THEIRS_ONLY, 0xc6,   0xc7,   register_form},
    {"later: VMX, SVM, SMAP, SGX in group 0F 01",                   THEIRS_ONLY, 0xf01,  0xf01,  register_form},
    {"later: SYSCALL, SYSRET",                                      THEIRS_ONLY, 0xf05,  0xf07,  any},
    {"later: 3DNow!",                                               THEIRS_ONLY, 0xf0e,  0xf0f,  any},
    {"later: GETSEC",                                               THEIRS_ONLY, 0xf37,  0xf37,  any},
    {"later: AES, SHA, MOVBE, ADX, INVEPT",                         THEIRS_ONLY, 0x3880, 0x38ff, any},
    {"later: PCLMULQDQ, SHA, AES",                                  THEIRS_ONLY, 0x3a44, 0x3adf, any},
    {"later: VMREAD, VMWRITE, EXTRQ, INSERTQ",                      THEIRS_ONLY, 0xf78,  0xf79,  any},
    {"SSE3: Capstone refuses most",                                 OURS_ONLY,   0xf7c,  0xf7d,  mandatory_prefix},
    {"SSE3: Capstone refuses most",                                 OURS_ONLY,   0xfd0,  0xff0,  mandatory_prefix},
    {"SSSE3 to SSE4.2: Capstone refuses most in 16-bit code",       OURS_ONLY,   0x3800, 0x3aff, any},
    {"later: VIA PadLock",                                          THEIRS_ONLY, 0xfa6,  0xfa7,  any},
    {"later: XSAVE and kin, CLFLUSHOPT",                            THEIRS_ONLY, 0xfae,  0xfae,  any},
    {"POPCNT behind more prefixes: Capstone refuses",               OURS_ONLY,   0xfb8,  0xfb8,  any},
    {"later: VMPTRLD and kin, RDRAND, XSAVES in group 0F C7",       THEIRS_ONLY, 0xfc7,  0xfc7,  any},
    {"66, F2 or F3 before SIMD that has no such form: Capstone skips it", THEIRS_ONLY, 0xf12, 0xf17, mandatory_prefix},
    {"66, F2 or F3 before SIMD that has no such form: Capstone skips it", THEIRS_ONLY, 0xf28, 0xf2f, mandatory_prefix},
    {"66, F2 or F3 before SIMD that has no such form: Capstone skips it", THEIRS_ONLY, 0xf50, 0xf7f, mandatory_prefix},
    {"66, F2 or F3 before SIMD that has no such form: Capstone skips it", THEIRS_ONLY, 0xfc2, 0xfc6, mandatory_prefix},
    {"66, F2 or F3 before SIMD that has no such form: Capstone skips it", THEIRS_ONLY, 0xfd0, 0xffe, mandatory_prefix},
    {"66, F2 or F3 before SIMD that has no such form: Capstone skips it", THEIRS_ONLY, 0x3800, 0x3aff, mandatory_prefix},
};
/* clang-format on */
static unsigned long known_count[ARRAY_LEN(known)];

static int difference(const Trial *t)
{
    bool ours_ok = t->status == DECODE_OK;
    if (ours_ok != t->theirs_ok) return ours_ok ? OURS_ONLY : THEIRS_ONLY;
    return ours_ok && t->ours.len != t->theirs_len ? LENGTH : 0;
}

static bool name_find(const Trial *t, int kind)
{
    for (size_t n = 0; n < ARRAY_LEN(known); n++) {
        const Known *k = &known[n];
        if (!(k->kinds & kind) || t->op < k->first || t->op > k->last || !k->when(t)) continue;
        known_count[n]++;
        return true;
    }
    return false;
}

/* --- random bytes that look like code: prefixes, then one of the maps ------------------------------------ */

static u64 rng_state = 1;
static u32 rng(void)
{
    rng_state = rng_state * 6364136223846793005u + 1442695040888963407u;
    return (u32)(rng_state >> 33);
}

static void bytes_make(u8 bytes[15])
{
    static const u8 prefixes[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66,
                                  0x66, 0x67, 0x67, 0xf0, 0xf2, 0xf3};
    unsigned at;
    for (at = 0; at < 15; at++) bytes[at] = (u8)rng();
    for (at = 0; at < 4 && rng() % 3 == 0; at++) bytes[at] = prefixes[rng() % sizeof prefixes];
    if (rng() % 2) return;
    bytes[at] = 0x0f;
    if (rng() % 8 == 0) bytes[at + 1] = 0x38 | (rng() & 2);
}

/* --- both decoders --------------------------------------------------------------------------------------- */

static csh engines[2];

static void decode_theirs(Trial *t, cs_insn *insn)
{
    const uint8_t *at = t->bytes;
    size_t left = sizeof t->bytes;
    uint64_t address = 0;
    t->theirs_ok = cs_disasm_iter(engines[t->code32], &at, &left, &address, insn);
    if (!t->theirs_ok) return;
    t->theirs_len = insn->size;
    snprintf(t->theirs, sizeof t->theirs, "%s %.40s", insn->mnemonic, insn->op_str);
}

static void decode_ours(Trial *t)
{
    DecodeMode mode = {.code32 = t->code32, .protected_mode = 1, .features = ~0u};
    t->status = insn_decode(&t->ours, t->bytes, sizeof t->bytes, mode);
    t->op = t->ours.opcode;
    const u8 *at = t->bytes + t->ours.op_at;
    if (at[0] == 0x0f) t->op |= (at[1] == 0x38 || at[1] == 0x3a ? at[1] : 0x0f) << 8;
}

static void print_trial(const Trial *t)
{
    printf("%d-bit", t->code32 ? 32 : 16);
    for (size_t n = 0; n < sizeof t->bytes; n++) printf(" %02x", t->bytes[n]);
    printf(": ours %s %d, Capstone %s %u\n", t->status == DECODE_OK ? t->ours.row->name : "none", t->ours.len,
           t->theirs_ok ? t->theirs : "none", t->theirs_len);
}

int main(int argc, char **argv)
{
    unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 10) : 300000, unnamed = 0;
    if (argc > 2) rng_state = strtoull(argv[2], NULL, 10);
    if (cs_open(CS_ARCH_X86, CS_MODE_16, &engines[0]) || cs_open(CS_ARCH_X86, CS_MODE_32, &engines[1]))
        return 2;
    cs_insn *insn = cs_malloc(engines[0]);
    for (unsigned long n = 0; n < 2 * count; n++) {
        Trial t = {.code32 = n & 1};
        bytes_make(t.bytes);
        decode_ours(&t);
        decode_theirs(&t, insn);
        int kind = difference(&t);
        if (kind && !name_find(&t, kind) && unnamed++ < 50) print_trial(&t);
    }
    for (size_t n = 0; n < ARRAY_LEN(known); n++) printf("%8lu  %s\n", known_count[n], known[n].name);
    printf("%lu byte strings, %lu differences without a name\n", 2 * count, unnamed);
    cs_free(insn, 1);
    return unnamed != 0;
}
