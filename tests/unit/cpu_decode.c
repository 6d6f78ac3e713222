/* cpu_decode.c - the decoder by golden cases, one group a rule.
 *
 * A case is mode, bytes and the expected text: status if not OK, else mnemonic, length, then what the bytes hold:
 * "o16"/"a16" sizes that differ from the mode's, the memory operand seg:[base+index<<scale+disp], "i" immediate,
 * "j" second immediate, "r" the reg field of rows with ModRM.
 *
 * RING3_DECODE_BENCH=FILE prints what an instruction costs instead; FILE is an i386 ELF program (Debian's static
 * busybox, a kernel), whose code is decoded from beginning to end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/insn.h"

enum { P3 = 0x7fffffff };
static const DecodeMode mode16 = {.features = P3},
                        mode32 = {.code32 = 1, .protected_mode = 1, .features = P3};

typedef struct Case {
    const char *bytes, *expect;
} Case;

static unsigned hex_bytes(const char *text, u8 *to)
{
    unsigned n = 0;
    for (char *end; *text; text = end) {
        to[n] = (u8)strtoul(text, &end, 16);
        if (end == text) break;
        n++;
    }
    return n;
}

static void show_memory(const Insn *i, char *to, size_t size)
{
    static const char *const segs[] = {"es", "cs", "ss", "ds", "fs", "gs"};
    static const char *const regs[] = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};
    int n = snprintf(to, size, " %s:[", segs[i->seg]);
    if (i->base != REG_NONE) n += snprintf(to + n, size - n, "%s+", regs[i->base]);
    if (i->index != REG_NONE) n += snprintf(to + n, size - n, "%s<<%d+", regs[i->index], i->scale);
    snprintf(to + n, size - n, "%x]", i->disp);
}

static void show(const Insn *i, DecodeStatus status, bool code32, char *to, size_t size)
{
    static const char *const words[] = {"ok", "ud", "too long", "more"};
    char memory[64] = "";
    int n;
    if (status != DECODE_OK) {
        n = snprintf(to, size, "%s", words[status]);
        if (status == DECODE_UD) snprintf(to + n, size - n, " %u", i->len);
        return;
    }
    n = snprintf(to, size, "%s %u", i->row->name, i->len);
    if (i->opsize != (code32 ? 4 : 2)) n += snprintf(to + n, size - n, " o%d", i->opsize * 8);
    if (i->adsize != (code32 ? 4 : 2)) n += snprintf(to + n, size - n, " a%d", i->adsize * 8);
    if (i->is_mem) show_memory(i, memory, sizeof memory);
    n += snprintf(to + n, size - n, "%s", memory);
    if (i->has_modrm) n += snprintf(to + n, size - n, " r%d", i->reg);
    if (i->imm) n += snprintf(to + n, size - n, " i%x", i->imm);
    if (i->imm2) n += snprintf(to + n, size - n, " j%x", i->imm2);
}

static void check_cases(const Case *c, size_t count, DecodeMode mode)
{
    for (; count--; c++) {
        u8 bytes[32] = {0};
        char got[160];
        Insn i;
        DecodeStatus status = insn_decode(&i, bytes, hex_bytes(c->bytes, bytes), mode);
        show(&i, status, mode.code32, got, sizeof got);
        if (strcmp(got, c->expect)) fail_msg("%s: got \"%s\", expected \"%s\"", c->bytes, got, c->expect);
    }
}
#define CHECK_CASES(mode, ...)                                                                               \
    do {                                                                                                     \
        static const Case cases[] = {__VA_ARGS__};                                                           \
        check_cases(cases, ARRAY_LEN(cases), mode);                                                          \
    } while (0)

/* clang-format off */
static void addresses_of_32_bits(void **state)
{
    (void)state;
    CHECK_CASES(mode32,
        {"8b 00",                "mov 2 ds:[eax+0] r0"},
        {"8b 0d 78 56 34 12",    "mov 6 ds:[12345678] r1"},
        {"8b 55 fc",             "mov 3 ss:[ebp+fffffffc] r2"},
        {"8b 95 00 01 00 00",    "mov 6 ss:[ebp+100] r2"},
        {"8b 04 24",             "mov 3 ss:[esp+0] r0"},
        {"8b 44 24 08",          "mov 4 ss:[esp+8] r0"},
        {"8b 04 8b",             "mov 3 ds:[ebx+ecx<<2+0] r0"},
        {"8b 04 2b",             "mov 3 ds:[ebx+ebp<<0+0] r0"},       /* an EBP index stays in DS */
        {"8b 04 c5 10 00 00 00", "mov 7 ds:[eax<<3+10] r0"},
        {"8b 04 25 10 00 00 00", "mov 7 ds:[10] r0"},                 /* neither base nor index */
        {"8b 04 e0",             "mov 3 ds:[eax+0] r0"},              /* no index: the scale is nothing */
        {"8b 44 cd 80",          "mov 4 ss:[ebp+ecx<<3+ffffff80] r0"},
        {"67 8b 46 80",          "mov 4 a16 ss:[ebp+ffffff80] r0"},
        {"a1 78 56 34 12",       "mov 5 ds:[12345678]"},
        {"67 a1 34 f2",          "mov 4 a16 ds:[f234]"},
        {"8b c1",                "mov 2 r0"});
}

static void addresses_of_16_bits(void **state)
{
    (void)state;
    CHECK_CASES(mode16,
        {"8a 00",                "mov 2 ds:[ebx+esi<<0+0] r0"},
        {"8a 01",                "mov 2 ds:[ebx+edi<<0+0] r0"},
        {"8a 02",                "mov 2 ss:[ebp+esi<<0+0] r0"},
        {"8a 03",                "mov 2 ss:[ebp+edi<<0+0] r0"},
        {"8a 04",                "mov 2 ds:[esi+0] r0"},
        {"8a 05",                "mov 2 ds:[edi+0] r0"},
        {"8a 06 34 f2",          "mov 4 ds:[fffff234] r0"},
        {"8a 07",                "mov 2 ds:[ebx+0] r0"},
        {"8a 46 00",             "mov 3 ss:[ebp+0] r0"},
        {"8a 80 00 80",          "mov 4 ds:[ebx+esi<<0+ffff8000] r0"},
        {"67 8b 04 24",          "mov 4 a32 ss:[esp+0] r0"},
        {"66 67 a1 78 56 34 12", "mov 7 o32 a32 ds:[12345678]"},
        {"a2 34 12",             "mov 3 ds:[1234]"});
}

static void immediates(void **state)
{
    (void)state;
    CHECK_CASES(mode32,
        {"b8 78 56 34 12",       "mov 5 i12345678"},
        {"66 b8 34 f2",          "mov 4 o16 if234"},
        {"b0 ff",                "mov 2 iff"},
        {"83 c0 ff",             "add 3 r0 iffffffff"},
        {"66 83 c0 ff",          "add 4 o16 r0 iffffffff"},
        {"6a 80",                "push 2 iffffff80"},
        {"81 45 08 78 56 34 12", "add 7 ss:[ebp+8] r0 i12345678"},
        {"66 81 45 08 78 56",    "add 6 o16 ss:[ebp+8] r0 i5678"},
        {"69 c0 00 01 00 00",    "imul 6 r0 i100"},
        {"6b c0 fe",             "imul 3 r0 ifffffffe"},
        {"c8 34 12 1f",          "enter 4 i1234 j1f"},
        {"c2 08 00",             "ret 3 i8"},
        {"9a 78 56 34 12 1b 00", "callf 7 i12345678 j1b"},
        {"66 ea 78 56 1b 00",    "jmpf 6 o16 i5678 j1b"},
        {"eb fe",                "jmp 2 ifffffffe"},
        {"e9 00 ff ff ff",       "jmp 5 iffffff00"},
        {"66 e9 00 ff",          "jmp 4 o16 iffffff00"},             /* IP of 16 bits */
        {"0f 84 10 00 00 00",    "je 6 i10"},
        {"cd 80",                "int 2 i80"},
        {"e4 ff",                "in 2 iff"},
        {"f6 00 12",             "test 3 ds:[eax+0] r0 i12"},
        {"f6 08 12",             "test 3 ds:[eax+0] r1 i12"},        /* the undocumented /1 */
        {"f6 10",                "not 2 ds:[eax+0] r2"},
        {"f7 c1 78 56 34 12",    "test 6 r0 i12345678"},
        {"0f a4 c1 05",          "shld 4 r0 i5"},
        {"0f ba e0 1f",          "bt 4 r4 i1f"});
    CHECK_CASES(mode16,
        {"b8 34 12",             "mov 3 i1234"},
        {"66 b8 78 56 34 12",    "mov 6 o32 i12345678"},
        {"e9 75 fe",             "jmp 3 ifffffe75"},
        {"9a 34 12 00 f0",       "callf 5 i1234 jf000"},
        {"66 ea 78 56 34 12 1b 00", "jmpf 8 o32 i12345678 j1b"});
}

static void prefixes_in_any_order(void **state)
{
    (void)state;
    CHECK_CASES(mode32,
        {"26 8b 00",             "mov 3 es:[eax+0] r0"},
        {"2e 8b 45 00",          "mov 4 cs:[ebp+0] r0"},
        {"36 8b 00",             "mov 3 ss:[eax+0] r0"},
        {"3e 8b 45 00",          "mov 4 ds:[ebp+0] r0"},
        {"64 a1 18 00 00 00",    "mov 6 fs:[18]"},
        {"65 66 64 8b 00",       "mov 5 o16 fs:[eax+0] r0"},         /* the last override wins */
        {"66 66 8b 00",          "mov 4 o16 ds:[eax+0] r0"},         /* twice is once */
        {"67 66 f0 2e 01 07",    "add 6 o16 a16 cs:[ebx+0] r0"},
        {"f3 66 a5",             "movs 3 o16"},
        {"f2 f3 a6",             "cmps 3"},
        {"f3 90",                "pause 2"},
        {"66 90",                "nop 2 o16"},
        {"f3 0f bc c1",          "bsf 4 r0"},                         /* no TZCNT here */
        {"2e 75 00",             "jne 3"});
}

static unsigned rep_of(const char *text)
{
    u8 bytes[32];
    Insn i;
    assert_int_equal(insn_decode(&i, bytes, hex_bytes(text, bytes), mode32), DECODE_OK);
    return i.prefix & (PREFIX_REP | PREFIX_REPNE);
}

static void last_repeat_wins(void **state)
{
    (void)state;
    assert_int_equal(rep_of("a4"), 0);
    assert_int_equal(rep_of("f3 a4"), PREFIX_REP);
    assert_int_equal(rep_of("f3 f2 a4"), PREFIX_REPNE);
    assert_int_equal(rep_of("f2 f3 a4"), PREFIX_REP);
}

static void fifteen_bytes(void **state)
{
    (void)state;
    CHECK_CASES(mode32,
        {"66 66 66 66 66 66 66 66 66 66 66 66 66 66 90",    "nop 15 o16"},
        {"66 66 66 66 66 66 66 66 66 66 66 66 66 66 66 90", "too long"},
        {"2e 2e 2e 2e 2e 2e 2e 2e 2e 2e b8 00 00 00 00",    "mov 15"},
        {"2e 2e 2e 2e 2e 2e 2e 2e 2e 2e 2e b8 00 00 00 00", "too long"},
        {"2e 2e 2e 2e 2e 2e 2e 2e 2e 2e 2e 8b 04 24 90",    "mov 14 cs:[esp+0] r0"},
        {"2e 2e 2e 2e 2e 2e 2e 2e 2e 81 84 24 00 00 00 00", "too long"});
}

static void more_bytes_wanted(void **state)
{
    (void)state;
    CHECK_CASES(mode32,
        {"",            "more"}, {"66",       "more"}, {"0f",          "more"}, {"8b", "more"},
        {"8b 04",       "more"}, {"8b 45",    "more"}, {"81 c0 00 00", "more"}, {"e8 00 00 00", "more"},
        {"c8 00 00",    "more"}, {"ea 00 00 00 00 08", "more"});
}

static void lock_only_where_allowed(void **state)
{
    (void)state;
    CHECK_CASES(mode32,
        {"f0 01 00",             "add 3 ds:[eax+0] r0"},
        {"f0 01 c0",             "ud 3"},                             /* register destination */
        {"f0 03 00",             "ud 3"},                             /* memory is the source */
        {"f0 38 00",             "ud 3"},                             /* CMP writes nothing */
        {"f0 83 38 01",          "ud 4"},
        {"f0 83 28 01",          "sub 4 ds:[eax+0] r5 i1"},
        {"f0 ff 00",             "inc 3 ds:[eax+0] r0"},
        {"f0 40",                "ud 2"},
        {"f0 f7 10",             "not 3 ds:[eax+0] r2"},
        {"f0 f7 20",             "ud 3"},
        {"f0 87 00",             "xchg 3 ds:[eax+0] r0"},
        {"f0 87 c0",             "ud 3"},
        {"f0 0f b1 0b",          "cmpxchg 4 ds:[ebx+0] r1"},
        {"f0 0f c1 0b",          "xadd 4 ds:[ebx+0] r1"},
        {"f0 0f c7 0b",          "cmpxchg8b 4 ds:[ebx+0] r1"},
        {"f0 0f ab 0b",          "bts 4 ds:[ebx+0] r1"},
        {"f0 0f a3 0b",          "ud 4"},
        {"f0 0f ba 2b 01",       "bts 5 ds:[ebx+0] r5 i1"},
        {"f0 0f ba 23 01",       "ud 5"},
        {"f0 8b 00",             "ud 3"},
        {"f0 90",                "ud 2"},
        {"f0 a4",                "ud 2"},
        {"f0 0f 20 c0",          "ud 4"});                            /* MOV CR8 on others */
}

static void undefined_encodings(void **state)
{
    (void)state;
    CHECK_CASES(mode32,
        {"0f 0b", "ud2 2"},  {"0f 04", "ud 2"},    {"0f 0a", "ud 2"},    {"0f 24 c0", "ud 2"}, {"0f 38 ff", "ud 3"},
        {"c6 c8 01",    "ud 2"}, {"c7 08",    "ud 2"}, {"8f c8",    "ud 2"}, {"8f 08", "ud 2"},
        {"fe d0",       "ud 2"}, {"ff f8",    "ud 2"}, {"ff 38",    "ud 2"}, {"ff d8", "ud 2"}, {"ff e8", "ud 2"},
        {"8d c0",       "ud 2"}, {"c4 c0",    "ud 2"}, {"c5 c0",    "ud 2"}, {"62 c0", "ud 2"},
        {"0f b2 c0",    "ud 3"}, {"0f b4 c0", "ud 3"}, {"0f b5 c0", "ud 3"}, {"0f c7 c8", "ud 3"},
        {"0f 00 f0",    "ud 3"}, {"0f 00 f8", "ud 3"}, {"0f 01 c0", "ud 3"}, {"0f 01 d0", "ud 3"},
        {"0f 01 f8",    "ud 3"}, {"0f 01 e8", "ud 3"}, {"0f 01 28", "ud 3"}, {"0f ba c0", "ud 3"},
        {"0f b9 44 24 08", "ud1 5 ss:[esp+8] r0"});
}

static void registers_that_do_not_exist(void **state)
{
    (void)state;
    CHECK_CASES(mode32,
        {"8e d8",       "mov 2 r3"}, {"8e c8",    "ud 2"}, {"8e f0", "ud 2"}, {"8e f8", "ud 2"},
        {"8c c8",       "mov 2 r1"}, {"8c f0",    "ud 2"}, {"8c 38", "ud 2"},
        {"0f 20 c0",    "mov 3 r0"}, {"0f 20 c8", "ud 3"}, {"0f 22 d0", "mov 3 r2"}, {"0f 22 d8", "mov 3 r3"},
        {"0f 22 e0",    "mov 3 r4"}, {"0f 20 e8", "ud 3"}, {"0f 22 f0", "ud 3"},     {"0f 22 f8", "ud 3"},
        {"0f 21 e0",    "mov 3 r4"}, {"0f 23 f8", "mov 3 r7"},
        {"0f 20 04 24", "mov 3 r0"});                                 /* mod is taken for 3: no SIB follows */
}

static void protected_mode_only(void **state)
{
    static const DecodeMode v86 = {.features = P3}, prot16 = {.protected_mode = 1, .features = P3};
    (void)state;
    CHECK_CASES(v86,
        {"63 c0",    "ud 2"}, {"0f 00 d8", "ud 3"}, {"0f 00 c0", "ud 3"}, {"0f 02 c0", "ud 3"}, {"0f 03 00", "ud 3"},
        {"0f 01 10", "lgdt 3 ds:[ebx+esi<<0+0] r2"}, {"0f 01 e0", "smsw 3 r4"});
    CHECK_CASES(prot16,
        {"63 c0", "arpl 2 r0"}, {"0f 00 d8", "ltr 3 r3"}, {"0f 00 c0", "sldt 3 r0"}, {"0f 02 c0", "lar 3 r0"});
}

static void processors(void **state)
{
    static const DecodeMode m386 = {.code32 = 1, .protected_mode = 1};
    static const DecodeMode m486 = {.code32 = 1, .protected_mode = 1, .features = BIT(I486)};
    (void)state;
    CHECK_CASES(m386,
        {"0f c8", "ud 2"}, {"0f b1 44 24 08", "ud 5"}, {"0f 31", "ud 2"}, {"0f 44 c0", "ud 3"}, {"0f a2", "ud 2"},
        {"0f 1f 44 00 00", "ud 5"}, {"0f 22 e0", "ud 3"}, {"0f 01 38", "ud 3"}, {"0f b6 c0", "movzx 3 r0"});
    CHECK_CASES(m486,
        {"0f c9", "bswap 2"}, {"0f b1 44 24 08", "cmpxchg 5 ss:[esp+8] r0"}, {"0f 31", "ud 2"},
        {"0f 01 38", "invlpg 3 ds:[eax+0] r7"});
    CHECK_CASES(mode32,
        {"0f 44 c0", "cmove 3 r0"}, {"0f 31", "rdtsc 2"}, {"0f 34", "sysenter 2"},
        {"0f 1f 44 00 00", "nop 5 ds:[eax+eax<<0+0] r0"}, {"66 2e 0f 1f 84 00 00 00 00 00", "nop 10 o16 cs:[eax+eax<<0+0] r0"});
}

/* 0F 38 and 0F 3A lead to maps of their own; on processors without them the length is the same. */
static void maps_of_three_bytes(void **state)
{
    static const DecodeMode p3 = {.code32 = 1, .protected_mode = 1, .features = BIT(I486) | BIT(ISSE)};
    (void)state;
    CHECK_CASES(mode32,
        {"0f 38 00 c1",             "pshufb 4 r0"},
        {"66 0f 38 00 43 10",       "pshufb 6 o16 ds:[ebx+10] r0"},
        {"66 0f 38 22 0b",          "pmovsxbq 5 o16 ds:[ebx+0] r1"},
        {"66 0f 3a 0f c1 04",       "palignr 6 o16 r0 i4"},
        {"0f 3a 0f 03 04",          "palignr 5 ds:[ebx+0] r0 i4"},
        {"66 0f 3a 14 43 08 02",    "pextrb 7 o16 ds:[ebx+8] r0 i2"},
        {"66 0f 3a 63 04 24 0c",    "pcmpistri 7 o16 ss:[esp+0] r0 ic"},
        {"f2 0f 38 f0 c3",          "crc32 5 r0"},
        {"66 f2 0f 38 f1 c3",       "crc32 6 o16 r0"},
        {"f3 0f b8 c3",             "popcnt 4 r0"},
        {"66 f3 0f b8 c3",          "popcnt 5 o16 r0"},
        {"db 0b",                   "fisttp 2 ds:[ebx+0] r1"},
        {"f2 0f f0 03",             "lddqu 4 ds:[ebx+0] r0"},
        {"0f 38 10 c1",             "ud 4"}, /* PBLENDVB takes 66 */
        {"f3 0f 38 00 c1",          "ud 5"},
        {"66 0f 38 2a c1",          "ud 5"}, /* MOVNTDQA of a register */
        {"f2 0f f0 c3",             "ud 4"},
        {"0f b8 c3",                "ud 3"},
        {"f0 0f 38 00 03",          "ud 5"},
        {"0f 38 f0 03",             "movbe 4 ds:[ebx+0] r0"},
        {"66 0f 38 f1 03",          "movbe 5 o16 ds:[ebx+0] r0"},
        {"0f 38 f0 c3",             "ud 4"}, /* MOVBE of a register */
        {"0f 01 c8",                "ud 3"}, /* MONITOR */
        {"0f 3a ff 00",             "ud 3"});
    CHECK_CASES(p3,
        {"66 0f 3a 0f c1 04", "ud 6"}, {"f3 0f b8 c3", "ud 4"}, {"db 0b", "ud 2"}, {"f2 0f 38 f0 c3", "ud 5"}, {"0f 38 f0 03", "ud 4"});
    CHECK_CASES(mode16, {"66 0f 38 40 47 10", "pmulld 6 o32 ds:[ebx+10] r0"});
}

static void undocumented_aliases(void **state)
{
    (void)state;
    CHECK_CASES(mode32,
        {"82 c0 ff", "add 3 r0 iff"}, {"d6", "salc 1"}, {"f1", "int1 1"}, {"c0 f0 01", "shl 3 r6 i1"},
        {"d1 f0", "shl 2 r6"}, {"f7 c8 01 00 00 00", "test 6 r1 i1"});
}
/* clang-format on */

static void operand_sizes(void **state)
{
    static const struct {
        const char *bytes;
        int operand;
        unsigned size;
    } cases[] = {
        {"00 00", 0, 1},    {"01 00", 0, 4}, {"66 01 00", 0, 2}, {"0f b7 00", 1, 2},       {"c4 00", 1, 6},
        {"66 c4 00", 1, 4}, {"62 00", 1, 8}, {"0f c7 08", 0, 8}, {"0f 01 10", 0, 6},       {"66 ff 28", 0, 4},
        {"8d 00", 1, 0},    {"a4", 0, 1},    {"a5", 1, 4},       {"a3 00 00 00 00", 0, 4}, {"8c 00", 0, 2},
    };
    (void)state;
    for (size_t n = 0; n < ARRAY_LEN(cases); n++) {
        u8 bytes[32];
        Insn i;
        assert_int_equal(insn_decode(&i, bytes, hex_bytes(cases[n].bytes, bytes), mode32), DECODE_OK);
        if (insn_operand_bytes(&i, cases[n].operand) != cases[n].size) fail_msg("%s", cases[n].bytes);
    }
}

/* Properties of the table itself: what every reader of the rows relies on. */
static void rows_are_sound(void **state)
{
    (void)state;
    for (unsigned n = 0; n < x86_row_count; n++) {
        const Row *r = &x86_rows[n];
        bool ends = r->cls == XC_FLOW || r->cls == XC_FAR || r->cls == XC_UD || r->cls == XC_SEG;
        assert_int_equal(r->id, n);
        u8 escape = r->opcode >> 8;
        assert_true(escape == 0 || escape == 0x0f || escape == 0x38 || escape == 0x3a);
        assert_true(r->cls < XC_COUNT && r->need < NEED_COUNT);
        if (r->undef & ~r->write) fail_msg("%s %x: undefined flags are written flags", r->name, r->opcode);
        if (ends && !(r->checks & CK_ENDS)) fail_msg("%s %x must end a block", r->name, r->opcode);
    }
}

/* Same bytes, fewer of them: never OK with a length beyond what was given, and MORE until it is enough. */
static void short_reads_agree(void **state)
{
    (void)state;
    srandom(1);
    for (int round = 0; round < 200000; round++) {
        u8 bytes[15];
        Insn whole = {0}, part = {0};
        for (unsigned n = 0; n < sizeof bytes; n++) bytes[n] = (u8)random();
        DecodeMode mode = round & 1 ? mode32 : mode16;
        DecodeStatus status = insn_decode(&whole, bytes, 15, mode);
        if (status == DECODE_TOO_LONG) continue;
        assert_in_range(whole.len, 1, 15);
        assert_int_equal(insn_decode(&part, bytes, whole.len, mode), status);
        assert_memory_equal(&part, &whole, sizeof whole);
        assert_int_equal(insn_decode(&part, bytes, whole.len - 1u, mode), DECODE_MORE);
    }
}

/* --- what an instruction costs: RING3_DECODE_BENCH=FILE ---------------------------------------------------- */

static u8 *file_read(const char *path, size_t *bytes)
{
    FILE *f = fopen(path, "rb");
    if (!f) fail_msg("%s cannot be opened", path);
    fseek(f, 0, SEEK_END);
    *bytes = (size_t)ftell(f);
    rewind(f);
    u8 *image = calloc(1, *bytes + 64);
    assert_non_null(image);
    assert_int_equal(fread(image, 1, *bytes, f), *bytes);
    fclose(f);
    return image;
}

/* The first executable segment of an i386 ELF file. */
static const u8 *code_find(const u8 *image, size_t image_bytes, u32 *bytes)
{
    const Elf32_Ehdr *head = (const void *)image;
    const Elf32_Phdr *segment = (const void *)(image + head->e_phoff), *end = segment + head->e_phnum;
    if (memcmp(head->e_ident, ELFMAG, SELFMAG) || (const u8 *)end > image + image_bytes) return NULL;
    while (segment < end && !(segment->p_type == PT_LOAD && segment->p_flags & PF_X)) segment++;
    if (segment == end || (u64)segment->p_offset + segment->p_filesz > image_bytes) return NULL;
    *bytes = segment->p_filesz;
    return image + segment->p_offset;
}

/* Every instruction from `from` on that begins before `to`, as a translator meets them: what is none is stepped
 * over. */
static unsigned decode_piece(const u8 *from, const u8 *to, const u8 *end)
{
    unsigned count = 0;
    for (; from < to; count++) {
        Insn i;
        DecodeStatus status = insn_decode(&i, from, (unsigned)(end - from), mode32);
        from += status == DECODE_OK ? i.len : 1;
    }
    return count;
}

/* Each piece's best of some rounds, so that the host's other work does not count. */
static void bench(const char *path)
{
    enum { PIECE_BYTES = 64 << 10, ROUNDS = 20 };
    size_t image_bytes;
    u32 bytes = 0;
    u8 *image = file_read(path, &image_bytes);
    const u8 *code = code_find(image, image_bytes, &bytes), *end = code + bytes;
    if (!code) fail_msg("%s is no i386 ELF program", path);
    u64 total_ns = 0, count = 0;
    for (const u8 *piece = code; end - piece > PIECE_BYTES; piece += PIECE_BYTES) {
        u64 best_ns = UINT64_MAX;
        for (int round = 0; round < ROUNDS; round++) {
            u64 start = host_now_ns();
            unsigned n = decode_piece(piece, piece + PIECE_BYTES, end);
            u64 ns = host_now_ns() - start;
            if (ns < best_ns) best_ns = ns;
            if (round == 0) count += n;
        }
        total_ns += best_ns;
    }
    printf("%llu instructions: %.1f ns each\n", (unsigned long long)count, (double)total_ns / (double)count);
    free(image);
}

int main(void)
{
    const char *program = getenv("RING3_DECODE_BENCH");
    if (program) {
        bench(program);
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_of_32_bits), cmocka_unit_test(addresses_of_16_bits),
        cmocka_unit_test(immediates),           cmocka_unit_test(prefixes_in_any_order),
        cmocka_unit_test(last_repeat_wins),     cmocka_unit_test(fifteen_bytes),
        cmocka_unit_test(more_bytes_wanted),    cmocka_unit_test(lock_only_where_allowed),
        cmocka_unit_test(undefined_encodings),  cmocka_unit_test(registers_that_do_not_exist),
        cmocka_unit_test(protected_mode_only),  cmocka_unit_test(processors),
        cmocka_unit_test(maps_of_three_bytes),  cmocka_unit_test(undocumented_aliases),
        cmocka_unit_test(operand_sizes),        cmocka_unit_test(rows_are_sound),
        cmocka_unit_test(short_reads_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
