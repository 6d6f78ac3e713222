/* front_pages.c - memory as chunks in a file and back: equal, thin, and nothing of an enemy's file is believed.
 *
 * By hand: FUZZ_STEPS=100000 FUZZ_SEED=n.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "frontend/snapshot/pages.h"
#include "frontend/snapshot/two.h"
#include "tests/random.h"

enum { PAGES_0 = 300, PAGES_1 = 70, GAP = 5, FILE_PAGES = PAGES_0 + GAP + PAGES_1, HEAD = 24, AT = 100 };

typedef struct Memory {
    int fd;
    u8 *at;
    PageRegion region[2];
} Memory;

static u8 page[PAGE_BYTES];

static Memory memory_new(void)
{
    Memory m = {.fd = memfd_create("memory", 0)};
    assert_int_equal(ftruncate(m.fd, FILE_PAGES * PAGE_BYTES), 0);
    m.at = mmap(NULL, FILE_PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, m.fd, 0);
    assert_true(m.at != MAP_FAILED);
    u64 second = (PAGES_0 + GAP) * PAGE_BYTES;
    m.region[0] = (PageRegion){.at = m.at, .pages = PAGES_0, .fd = m.fd};
    m.region[1] = (PageRegion){.at = m.at + second, .pages = PAGES_1, .offset = second, .fd = m.fd};
    return m;
}

static void memory_free(Memory *m)
{
    munmap(m->at, FILE_PAGES * PAGE_BYTES);
    close(m->fd);
}

/* Holes, zeros, text, noise. */
static void fill(Memory *m)
{
    u32 kind = rnd() % 4, n = rnd() % FILE_PAGES, count = 1 + rnd() % 40;
    for (; count-- && n < FILE_PAGES; n++) {
        for (u32 k = 0; k < PAGE_BYTES && kind; k++)
            page[k] = kind == 1 ? 0 : kind == 2 ? (u8)(k / 50 + n) : (u8)rnd();
        if (kind) memcpy(m->at + n * PAGE_BYTES, page, PAGE_BYTES);
    }
}

static u64 blocks(const Memory *m)
{
    struct stat st;
    assert_int_equal(fstat(m->fd, &st), 0);
    return (u64)st.st_blocks;
}

static int saved(const Memory *m, u64 *end)
{
    int fd = memfd_create("file", 0);
    *end = AT;
    assert_int_equal(pages_save(m->region, 2, fd, end), 0);
    return fd;
}

static void assert_same(const Memory *a, const Memory *b)
{
    for (unsigned n = 0; n < 2; n++)
        assert_memory_equal(a->region[n].at, b->region[n].at, a->region[n].pages * PAGE_BYTES);
}

static void what_is_loaded_is_what_was_saved(void **state)
{
    Memory a = memory_new(), b = memory_new();
    Problem p;
    u64 end;
    (void)state;
    for (u32 n = random_steps(150); n; n--) {
        fill(&a), fill(&b);
        if (n % 8 == 0) { /* a fresh machine */
            memory_free(&b);
            b = memory_new();
        }
        u64 before = blocks(&a);
        int fd = saved(&a, &end);
        assert_int_equal(before, blocks(&a)); /* nobody touched its holes */
        assert_true(pages_check(b.region, 2, fd, AT, &p));
        assert_true(pages_load(b.region, 2, fd, AT, &p));
        assert_same(&a, &b);
        if (n % 8 == 0) assert_true(blocks(&b) <= before);
        close(fd);
    }
    memory_free(&a), memory_free(&b);
}

static void what_is_damaged_is_refused_and_touches_nothing(void **state)
{
    Memory a = memory_new(), b = memory_new(), c = memory_new();
    Problem p;
    u64 end;
    (void)state;
    for (u32 n = random_steps(300); n; n--) {
        if (n % 30 == 0) fill(&a), fill(&b);
        memcpy(c.at, b.at, FILE_PAGES * PAGE_BYTES);
        int fd = saved(&a, &end);
        if (n & 1) {
            u8 byte;
            off_t at = AT + rnd() % (end - AT);
            assert_int_equal(pread(fd, &byte, 1, at), 1);
            byte ^= (u8)(1u << rnd() % 8);
            assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        } else {
            assert_int_equal(ftruncate(fd, AT + rnd() % (end - AT)), 0);
        }
        assert_false(pages_check(b.region, 2, fd, AT, &p));
        assert_true(strstr(p.text, "damaged"));
        assert_memory_equal(b.at, c.at, FILE_PAGES * PAGE_BYTES);
        close(fd);
    }
    memory_free(&a), memory_free(&b), memory_free(&c);
}

/* Heads with any values and right checksums, in front of sound ones. */
static void what_is_forged_stays_in_its_regions(void **state)
{
    Memory a = memory_new();
    Problem p;
    u32 sound = 0;
    u8 head[HEAD], body[PAGE_BYTES];
    (void)state;
    for (u32 n = random_steps(3000); n; n--) {
        int fd = memfd_create("file", 0);
        u64 at = AT;
        for (u32 k = 1 + rnd() % 3; k; k--) {
            u32 count = rnd() % 2 ? PAGE_BYTES : rnd() % PAGE_BYTES;
            for (u32 i = 0; i < count; i++) body[i] = (u8)rnd();
            store32(head, rnd() % 4 ? rnd() % 3 : rnd());
            store32(head + 4, rnd() % 4 ? rnd() % 6 * 64 : rnd());
            store64(head + 8, rnd() % 2 ? 1ull << rnd() % 64 : (u64)rnd() << 32 | rnd());
            store32(head + 16, rnd() % 8 ? count : rnd());
            store32(head + 20, (u32)crc32(crc32(0, head, 20), body, count));
            assert_int_equal(pwrite(fd, head, HEAD, (off_t)at), HEAD);
            assert_int_equal(pwrite(fd, body, count, (off_t)at + HEAD), count);
            at += HEAD + count;
        }
        memset(head, 0, HEAD);
        store32(head, UINT32_MAX);
        store32(head + 20, (u32)crc32(0, head, 20));
        assert_int_equal(pwrite(fd, head, HEAD, (off_t)at), HEAD);
        memset(a.at + PAGES_0 * PAGE_BYTES, 0xa5, GAP * PAGE_BYTES);
        if (pages_check(a.region, 2, fd, AT, &p)) {
            sound++;
            assert_true(pages_load(a.region, 2, fd, AT, &p));
        }
        for (u32 k = 0; k < GAP * PAGE_BYTES; k++) assert_int_equal(a.at[PAGES_0 * PAGE_BYTES + k], 0xa5);
        close(fd);
    }
    assert_true(sound);
    memory_free(&a);
}

/* The same by two threads, if there are two processors. */
static void two_threads_save_the_same(void **state)
{
    two_start();
    what_is_loaded_is_what_was_saved(state);
    what_is_damaged_is_refused_and_touches_nothing(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_loaded_is_what_was_saved),
        cmocka_unit_test(what_is_damaged_is_refused_and_touches_nothing),
        cmocka_unit_test(what_is_forged_stays_in_its_regions),
        cmocka_unit_test(two_threads_save_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
