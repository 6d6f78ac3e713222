/* window_scale.c - frontend/window/scale.c and pace.h: sharp pixels, only changed rows, seldom looks at a still screen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "frontend/window/pace.h"
#include "frontend/window/scale.h"

enum { W = 16, H = 12, PITCH = 100, ROWS = 80, OUTSIDE = 0x00abcdef };

static u32 picture[W * H];
static u32 window[PITCH * ROWS];

static void fill(void)
{
    for (u32 n = 0; n < W * H; n++) picture[n] = (n * 2654435761u) & 0xffffff;
    for (u32 n = 0; n < PITCH * ROWS; n++) window[n] = OUTSIDE;
}

static void test_whole_factors_repeat(void **state)
{
    Scaler s = {0};
    (void)state;
    for (u32 times = 1; times <= 5; times++) {
        fill();
        Rect to = {3, 2, (s32)(W * times), (s32)(H * times)};
        assert_true(scaler_setup(&s, W, H, to));
        Rect r = scaler_draw(&s, picture, 0, H, window, PITCH);
        assert_memory_equal(&r, &to, sizeof r);
        for (u32 y = 0; y < ROWS; y++) {
            for (u32 x = 0; x < PITCH; x++) {
                bool in = x >= 3 && x < 3 + W * times && y >= 2 && y < 2 + H * times;
                u32 expected = in ? picture[(y - 2) / times * W + (x - 3) / times] : OUTSIDE;
                assert_int_equal(window[y * PITCH + x], expected);
            }
        }
    }
    scaler_free(&s);
}

/* Any part that is drawn again gives what the whole gives, and says so. */
static void test_parts_are_as_the_whole(void **state)
{
    static u32 whole[PITCH * ROWS];
    Scaler s = {0};
    (void)state;
    srand(1);
    for (int round = 0; round < 300; round++) {
        fill();
        Rect to = {(s32)(rand() % 4), (s32)(rand() % 4), 1 + rand() % 90, 1 + rand() % 70};
        assert_true(scaler_setup(&s, W, H, to));
        scaler_draw(&s, picture, 0, H, window, PITCH);
        u32 top = (u32)rand() % H, count = 1 + (u32)rand() % (H - top);
        for (u32 n = top * W; n < (top + count) * W; n++) picture[n] ^= 0xffffff;
        Rect r = scaler_draw(&s, picture, top, count, window, PITCH);
        assert_true(r.h == 0 || (r.y >= to.y && r.y + r.h <= to.y + to.h));
        for (u32 n = 0; n < PITCH * ROWS; n++) whole[n] = OUTSIDE;
        scaler_draw(&s, picture, 0, H, whole, PITCH);
        assert_memory_equal(window, whole, sizeof whole);
    }
    scaler_free(&s);
}

static void test_edges_only_are_mixed(void **state)
{
    static const u32 two[2] = {0x000000, 0xffffff};
    u32 out[5];
    Scaler s = {0};
    (void)state;
    assert_true(scaler_setup(&s, 2, 1, (Rect){0, 0, 5, 1}));
    scaler_draw(&s, two, 0, 1, out, 5);
    assert_int_equal(out[0], 0);
    assert_int_equal(out[1], 0);
    assert_int_equal(out[2], 0x7f7f7f);
    assert_int_equal(out[3], 0xffffff);
    assert_int_equal(out[4], 0xffffff);
    scaler_free(&s);
}

static void test_where_it_goes(void **state)
{
    u32 w, h;
    (void)state;
    scale_actual_size(720, 400, &w, &h);
    assert_true(w == 720 && h == 400);
    scale_actual_size(320, 400, &w, &h);
    assert_true(w == 640 && h == 400);
    static const u16 vga[][2] = {{720, 400}, {640, 400}, {320, 400}, {360, 400}, {640, 350}, {640, 480},
                                 {320, 480}, {360, 480}, {720, 350}, {720, 480}, {1056, 400}};
    for (unsigned n = 0; n < ARRAY_LEN(vga); n++) { /* a monitor's screen is filled by each of them */
        scale_shape(vga[n][0], vga[n][1], &w, &h);
        assert_true(w == 640 && h == 480);
        Rect same = scale_fit(vga[n][0], vga[n][1], 1280, 1000, false);
        assert_true(same.w == 1280 && same.h == 960 && same.y == 20);
    }
    scale_shape(1280, 1024, &w, &h); /* square pixels */
    assert_true(w == 1280 && h == 1024);
    Rect r = scale_fit(640, 480, 1920, 1080, false);
    assert_true(r.w == 1440 && r.h == 1080 && r.x == 240 && r.y == 0);
    r = scale_fit(640, 480, 1920, 1080, true);
    assert_true(r.w == 1280 && r.h == 960 && r.x == 320 && r.y == 60);
    r = scale_fit(720, 400, 1500, 1000, true); /* pixel by pixel */
    assert_true(r.w == 1440 && r.h == 800);
    r = scale_fit(1600, 1200, 800, 700, true); /* does not fit: made smaller all the same */
    assert_true(r.w == 800 && r.h == 600 && r.y == 50);
    r = scale_fit(320, 400, 640, 480, false);
    assert_true(r.w == 640 && r.h == 480 && r.x == 0 && r.y == 0);
}

static void test_refuses_nonsense(void **state)
{
    Scaler s = {0};
    (void)state;
    assert_false(scaler_setup(&s, 0, 5, (Rect){0, 0, 5, 5}));
    assert_false(scaler_setup(&s, 5, 5, (Rect){0, 0, 0, 5}));
    assert_false(scaler_setup(&s, 70000, 5, (Rect){0, 0, 5, 5}));
    assert_true(scaler_setup(&s, W, H, (Rect){0, 0, W, H}));
    Rect r = scaler_draw(&s, picture, H, 4, window, PITCH);
    assert_int_equal(r.h, 0);
    scaler_free(&s);
}

/* Looks in a second of an unchanging or changing screen. */
static u32 looks(Pace *p, u64 *now, u64 cost_ns, u32 rows)
{
    u32 count = 0;
    for (u64 end = *now + 1000000000; *now < end; count++) {
        *now = p->next_ns > *now ? p->next_ns : *now;
        pace_looked(p, *now, cost_ns, rows);
    }
    return count;
}

static void test_pace(void **state)
{
    Pace p = {0};
    u64 now = 1000000000;
    (void)state;
    looks(&p, &now, 10000, 0);
    assert_in_range(looks(&p, &now, 10000, 0), 18, 22);  /* a text screen */
    assert_in_range(looks(&p, &now, 10000, 16), 18, 22); /* with a blinking cursor */
    assert_in_range(looks(&p, &now, 300000, 0), 6, 8);   /* 800x600: 2 permille of a core */
    assert_in_range(looks(&p, &now, 3000000, 0), 4, 6);  /* never less */
    looks(&p, &now, 300000, 480);
    assert_in_range(looks(&p, &now, 300000, 480), 59, 62);   /* a game */
    assert_in_range(looks(&p, &now, 20000000, 480), 24, 27); /* half a core at most */
    looks(&p, &now, 10000, 0);
    pace_input(&p, now);
    assert_in_range(looks(&p, &now, 10000, 0), 36, 44); /* half a second at 60, then 20 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_factors_repeat), cmocka_unit_test(test_parts_are_as_the_whole),
        cmocka_unit_test(test_edges_only_are_mixed), cmocka_unit_test(test_where_it_goes),
        cmocka_unit_test(test_refuses_nonsense),     cmocka_unit_test(test_pace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
