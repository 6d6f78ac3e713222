/* base_memory.c - memcpy, memmove and memset of base.c: every size up to where they change their ways, at every
 * distance of overlap, with nothing written beside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cpu/base/base.h"

enum { AT = 320, SIZE_MAX_TESTED = 300, ARENA = 1024 };

static u8 got[ARENA], expected[ARENA];

static void arenas_fill(void)
{
    for (unsigned n = 0; n < ARENA; n++) got[n] = expected[n] = (u8)(n * 7 + n / 256);
}

static void check(unsigned size)
{
    for (unsigned n = 0; n < ARENA; n++)
        if (got[n] != expected[n]) fail_msg("%u bytes: byte %u differs", size, n);
}

static void sets(void **state)
{
    (void)state;
    for (volatile unsigned size = 0; size <= SIZE_MAX_TESTED; size++) {
        arenas_fill();
        for (unsigned n = 0; n < size; n++) expected[AT + n] = 0xa5;
        assert_ptr_equal(memset(got + AT, 0x1a5, size), got + AT);
        check(size);
    }
}

static void copies(void **state)
{
    (void)state;
    for (volatile unsigned size = 0; size <= SIZE_MAX_TESTED; size++) {
        arenas_fill();
        for (unsigned n = 0; n < size; n++) expected[AT + SIZE_MAX_TESTED + n] = got[n + 3];
        assert_ptr_equal(memcpy(got + AT + SIZE_MAX_TESTED, got + 3, size), got + AT + SIZE_MAX_TESTED);
        check(size);
    }
}

static void moves_overlap(void **state)
{
    (void)state;
    for (volatile unsigned size = 0; size <= SIZE_MAX_TESTED; size += size < 40 ? 1 : 13)
        for (int distance = -AT; distance <= AT; distance++) {
            arenas_fill();
            for (unsigned n = 0; n < size; n++) expected[AT + distance + (int)n] = got[AT + n];
            memmove(got + AT + distance, got + AT, size);
            check(size);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets),
        cmocka_unit_test(copies),
        cmocka_unit_test(moves_overlap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
