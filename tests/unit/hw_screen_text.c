/* hw_screen_text.c - hw/screen_text.c: a text mode's codes as UTF-8; glyphs of the BIOS's fonts found in graphics, in any two
 * colours; pictures that are none. Pictures are made here, of the fonts' own bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bios/font.h"
#include "hw/screen_text.h"

enum { WIDTH = 648, HEIGHT = 490 }; /* neither is a multiple of every cell's */

static u32 pixels[WIDTH * HEIGHT];
static char row[SCREEN_TEXT_ROW_BYTES];

static Picture graphics(u32 repeat)
{
    return (Picture){.width = WIDTH, .height = HEIGHT, .pixels = pixels, .line_repeat = repeat};
}

static void fill(u32 color)
{
    for (u32 n = 0; n < WIDTH * HEIGHT; n++) pixels[n] = color;
}

static void draw(const u8 *font, u32 height, u32 repeat, u32 column, u32 line, const char *text, u32 fg,
                 u32 bg)
{
    for (; *text; text++, column++) {
        const u8 *glyph = font + (u8)*text * height;
        for (u32 y = 0; y < height * repeat; y++)
            for (u32 x = 0; x < 8; x++)
                pixels[(line * height * repeat + y) * WIDTH + column * 8 + x] =
                    glyph[y / repeat] >> (7 - x) & 1 ? fg : bg;
    }
}

/* --- text modes ------------------------------------------------------------------------------------------ */

static void test_codes_become_utf8(void **state)
{
    u16 cells[2 * 16];
    ScreenText *t = screen_text_new();
    (void)state;
    for (u32 n = 0; n < 32; n++) cells[n] = 0x0720;
    for (u32 n = 0; n < 16; n++) cells[n] = (u16)(0x1700 | "\x00\x01 A\x7f\x80\xb3\xc4\xdb\xfe\xff  \0 "[n]);
    cells[16 + 3] = 0x8f00 | 'x'; /* blinks */
    Picture p = {.width = 128, .height = 32, .is_text = true, .columns = 16, .rows = 2, .cells = cells};
    assert_true(screen_text_read(t, &p));
    assert_int_equal(screen_text_columns(t), 16);
    assert_int_equal(screen_text_rows(t), 2);
    screen_text_row(t, 0, true, row);
    assert_string_equal(row, " \u263a A\u2302\u00c7\u2502\u2500\u2588\u25a0");
    assert_int_equal(screen_text_row(t, 1, true, row), 4);
    assert_string_equal(row, "   x");
    assert_int_equal(screen_text_row(t, 1, false, row), 16);
    assert_int_equal(screen_text_row(t, 2, false, row), 0);
    assert_int_equal(screen_text_code(t, 0, 5), 0x80);
    char *all = screen_text_all(t);
    assert_string_equal(all, " \u263a A\u2302\u00c7\u2502\u2500\u2588\u25a0\n   x\n");
    free(all);
    screen_text_free(t);
}

/* A text mode of nonsense: one line a row. More than there is room for is left out. */
static void test_too_many_cells(void **state)
{
    enum { COLUMNS = 256, ROWS = 2048 };
    u16 *cells = calloc(COLUMNS * ROWS, sizeof *cells);
    ScreenText *t = screen_text_new();
    (void)state;
    for (u32 n = 0; n < COLUMNS * ROWS; n++) cells[n] = 0xdb;
    Picture p = {
        .width = 2048, .height = ROWS, .is_text = true, .columns = COLUMNS, .rows = ROWS, .cells = cells};
    assert_true(screen_text_read(t, &p));
    assert_int_equal(screen_text_rows(t), SCREEN_TEXT_CELLS / COLUMNS);
    assert_int_equal(screen_text_row(t, 0, true, row), 3 * COLUMNS);
    p.columns = 0;
    assert_true(screen_text_read(t, &p));
    assert_int_equal(screen_text_row(t, 0, true, row), 0);
    screen_text_free(t);
    free(cells);
}

/* --- graphics -------------------------------------------------------------------------------------------- */

static void read_font(const u8 *font, u32 height, u32 repeat)
{
    ScreenText *t = screen_text_new();
    fill(0x123456);
    draw(font, height, repeat, 0, 0, "Welcome, user 1!", 0xffffff, 0x123456);
    draw(font, height, repeat, 3, 2, "green on red", 0x00ff00, 0xff0000);
    draw(font, height, repeat, 15, 2, " reverse ", 0x123456, 0xaaaaaa);
    draw(font, height, repeat, 79, 3, "x", 0, 0x123456);
    for (u32 n = 0; n < 64; n++)
        pixels[(4 * height * repeat + n / 8 * repeat) * WIDTH + n % 8] = n * 0x10203; /* a picture */
    Picture p = graphics(repeat);
    assert_true(screen_text_read(t, &p));
    assert_int_equal(screen_text_columns(t), WIDTH / 8);
    assert_int_equal(screen_text_rows(t), HEIGHT / repeat / height);
    screen_text_row(t, 0, true, row);
    assert_string_equal(row, "Welcome, user 1!");
    assert_int_equal(screen_text_row(t, 1, true, row), 0);
    screen_text_row(t, 2, true, row);
    assert_string_equal(row, "   green on red reverse");
    assert_int_equal(screen_text_row(t, 3, true, row), 80);
    assert_int_equal(screen_text_row(t, 4, true, row), 0);
    screen_text_free(t);
}

static void test_fonts_are_found(void **state)
{
    (void)state;
    read_font(font_8x16, 16, 1);
    read_font(font_8x14, 14, 1);
    read_font(font_8x8, 8, 1);
    read_font(font_8x8, 8, 2); /* as in mode 13h */
}

/* Every code is found, or one that looks the same. */
static void test_every_glyph(void **state)
{
    static const u8 *const fonts[] = {font_8x16, font_8x14, font_8x8};
    static const u32 heights[] = {16, 14, 8};
    ScreenText *t = screen_text_new();
    (void)state;
    for (u32 f = 0; f < 3; f++) {
        u32 height = heights[f];
        fill(0);
        draw(fonts[f], height, 1, 0, 10, "letters", 7, 0);
        for (u32 n = 1; n < 256; n++)
            draw(fonts[f], height, 1, n % 64, n / 64, (char[]){(char)n, 0}, 0xffff, 0);
        Picture p = graphics(1);
        assert_true(screen_text_read(t, &p));
        for (u32 n = 1; n < 256; n++) {
            const u8 *is = fonts[f] + screen_text_code(t, n / 64, n % 64) * height,
                     *drawn = fonts[f] + n * height;
            bool full = true; /* one colour: a blank */
            for (u32 y = 0; y < height; y++) full &= drawn[y] == 0xff;
            if (!full) assert_memory_equal(is, drawn, height);
        }
    }
    screen_text_free(t);
}

static void test_pictures_have_no_text(void **state)
{
    ScreenText *t = screen_text_new();
    Picture p = graphics(1);
    (void)state;
    fill(0xff);
    assert_false(screen_text_read(t, &p));
    assert_int_equal(screen_text_rows(t), 0);
    assert_int_equal(screen_text_row(t, 0, true, row), 0);
    for (u32 n = 0; n < WIDTH * HEIGHT; n++) pixels[n] = (n * 2654435761u) >> 8;
    assert_false(screen_text_read(t, &p));
    for (u32 n = 0; n < WIDTH * HEIGHT; n++) pixels[n] = (n * 2654435761u) >> 31; /* two colours */
    assert_false(screen_text_read(t, &p));
    for (u32 n = 0; n < WIDTH * HEIGHT; n++)
        pixels[n] = n % WIDTH > 200 && n % WIDTH < 300 && n / WIDTH > 99 ? 1 : 0; /* a box */
    assert_false(screen_text_read(t, &p));
    /* Text beside the grid of cells is not seen. */
    fill(0);
    draw(font_8x16, 16, 1, 2, 2, "shifted text", 7, 0);
    memmove(pixels + 3, pixels, sizeof pixels - 12);
    assert_false(screen_text_read(t, &p));
    /* Smaller than a cell. */
    p.width = 7, p.height = 7;
    assert_false(screen_text_read(t, &p));
    screen_text_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codes_become_utf8),     cmocka_unit_test(test_too_many_cells),
        cmocka_unit_test(test_fonts_are_found),       cmocka_unit_test(test_every_glyph),
        cmocka_unit_test(test_pictures_have_no_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
