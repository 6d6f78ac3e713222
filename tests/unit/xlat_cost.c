/* xlat_cost.c - what translating costs. The test: the blocks of a piece of code join, and every instruction is counted.
 *
 * RING3_TRANSLATE_BENCH=FILE prints nanoseconds instead; FILE is an i386 ELF program (Debian's static busybox),
 * whose code is translated from beginning to end and never run: for the first time, in memory that was never
 * touched, and again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

enum { SEGMENT_RUNS = PF_X };
#undef PF_R /* walk.h has others */
#undef PF_W
#undef PF_X

#include "tests/vm.h"

enum { CODE_AT = 1 << 20, CODE_MAX = 8 << 20, PIECE_BYTES = 64 << 10, ROUNDS = 20 };

typedef struct Cost {
    u64 insns, blocks, ns;
} Cost;

static void vm_place(Vm *v)
{
    memset(v, 0, sizeof *v);
    vm_start(v, true);
    context_update(v->xlat->ctx);
}

/* Block after block, from `pa` to `end` at least. Returns where the next one would begin. */
static u32 translate_piece(Xlat *x, u32 pa, u32 end, Cost *sum)
{
    u64 began = host_now_ns();
    while (pa < end) {
        u32 next_page = (pa | PAGE_MASK) + 1;
        const Block *b = translate(x, pa, pa, translate_straddles(x, pa) ? next_page : 0, false);
        sum->insns += b->insns;
        sum->blocks++;
        pa += b->bytes;
    }
    sum->ns += host_now_ns() - began;
    return pa;
}

static void print_cost(const char *what, const Cost *c)
{
    printf("%-32s %8llu instructions in %6llu blocks: %6.1f ns an instruction, %6.0f ns a block\n", what,
           (unsigned long long)c->insns, (unsigned long long)c->blocks, (double)c->ns / (double)c->insns,
           (double)c->ns / (double)c->blocks);
}

/* Each piece's best of some rounds, so that the host's other work does not count. */
static Cost cost_best(Xlat *x, u32 end)
{
    Cost sum = {0};
    for (u32 pa = CODE_AT, next; pa < end; pa = next) {
        Cost best = {.ns = UINT64_MAX};
        for (int round = 0; round < ROUNDS; round++) {
            Cost c = {0};
            block_flush_all(x);
            next = translate_piece(x, pa, pa + PIECE_BYTES, &c);
            if (c.ns < best.ns) best = c;
        }
        sum.insns += best.insns;
        sum.blocks += best.blocks;
        sum.ns += best.ns;
    }
    return sum;
}

/* The first executable segment into guest RAM. Returns its end there. */
static u32 code_load(Vm *v, const char *path)
{
    Elf32_Ehdr head;
    Elf32_Phdr segment = {0};
    FILE *f = fopen(path, "rb");
    if (!f || fread(&head, sizeof head, 1, f) != 1 || memcmp(head.e_ident, ELFMAG, SELFMAG))
        fail_msg("%s is no ELF program", path);
    fseek(f, head.e_phoff, SEEK_SET);
    while (!(segment.p_type == PT_LOAD && segment.p_flags & SEGMENT_RUNS))
        assert_int_equal(fread(&segment, sizeof segment, 1, f), 1);
    fseek(f, segment.p_offset, SEEK_SET);
    size_t bytes = segment.p_filesz < CODE_MAX ? segment.p_filesz : CODE_MAX;
    assert_int_equal(fread(v->phys->ram + CODE_AT, 1, bytes, f), bytes);
    fclose(f);
    return CODE_AT + ((u32)bytes & ~(u32)PAGE_MASK) - PIECE_BYTES;
}

static void bench(const char *path)
{
    static Vm v;
    vm_place(&v);
    u32 end = code_load(&v, path);
    Cost cold = {0};
    translate_piece(v.xlat->ctx, CODE_AT, end, &cold);
    print_cost("the first time:", &cold);
    Cost warm = cost_best(v.xlat->ctx, end);
    print_cost("again, at best:", &warm);
    vm_end(&v);
}

static void blocks_join(void **state)
{
    enum { CODE_BYTES = 3 * PAGE_BYTES, INSN_BYTES = 5 };
    static Vm v;
    (void)state;
    vm_place(&v);
    for (u32 at = 0; at < CODE_BYTES; at += INSN_BYTES)
        v.phys->ram[CODE_AT + at] = at % 3 ? 0x05 : 0xb8; /* add eax, imm32; mov eax, imm32 */
    Cost c = {0};
    u32 end = translate_piece(v.xlat->ctx, CODE_AT, CODE_AT + CODE_BYTES, &c);
    assert_true(end >= CODE_AT + CODE_BYTES);
    assert_int_equal(c.insns * INSN_BYTES, end - CODE_AT);
    assert_int_equal(((Xlat *)v.xlat->ctx)->stats.translated_insns, c.insns);
    vm_end(&v);
}

int main(void)
{
    const char *program = getenv("RING3_TRANSLATE_BENCH");
    if (program) {
        bench(program);
        return 0;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(blocks_join)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
