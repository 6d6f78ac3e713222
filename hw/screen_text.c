/* screen_text.c - see screen_text.h.
 *
 * A text mode's characters are the character generator's codes, whatever a loaded font draws for them; of two fonts with
 * 512 characters both have the same 256 codes.
 *
 * In graphics a character is a cell of 8 by 16, 14 or 8 pixels, counted from the upper left corner, in which two colours,
 * whichever they are, draw a glyph of that font of our video BIOS. A cell of one colour is a blank (a full block, too), and so is
 * one that draws anything else. Which of two colours is the background matters where a font has both a glyph and its
 * reverse: it is the one that the cells before had. The font with the most letters and digits is the screen's; with
 * fewer than LETTERS_LEAST it is a picture without text. Where a guest's line was doubled (line_repeat) one of the two
 * is looked at.
 *
 * Not recognised: fonts that the guest brings itself, text that does not stand in the grid of cells, and two sizes of
 * text on one screen.
 */
#include "hw/screen_text.h"

#include <stdlib.h>

#include "bios/font.h"
#include "hw/cp437.h"

enum { GLYPHS = 256, SLOTS = 1024, CELL_WIDTH = 8, CELL_HEIGHT = 16, LETTERS_LEAST = 2, BLANK = ' ' };

typedef struct Glyph { /* the rows of a cell, the rest zeros */
    u64 half[2];
} Glyph;

typedef struct FontIndex { /* open addressing */
    const u8 *font;
    u32 height;
    Glyph glyph[SLOTS];
    u8 code[SLOTS];
    bool used[SLOTS];
} FontIndex;

enum { FONTS = 3 };

struct ScreenText {
    u32 columns, rows;
    u8 code[SCREEN_TEXT_CELLS];
    FontIndex index[FONTS];
};

/* --- the fonts ------------------------------------------------------------------------------------------- */

static u32 glyph_hash(const Glyph *g)
{
    u64 mixed = (g->half[0] ^ (g->half[1] << 29 | g->half[1] >> 35)) * 0x9e3779b97f4a7c15ull;
    return (u32)(mixed >> 54);
}

static bool glyph_equals(const Glyph *a, const Glyph *b)
{
    return a->half[0] == b->half[0] && a->half[1] == b->half[1];
}

/* Where it is, or would be: more than half of the slots are free. */
static u32 index_slot(const FontIndex *f, const Glyph *g)
{
    u32 at = glyph_hash(g) % SLOTS;
    while (f->used[at] && !glyph_equals(&f->glyph[at], g)) at = (at + 1) % SLOTS;
    return at;
}

/* Of codes that look alike the first one counts. */
static void index_add(FontIndex *f, u32 code)
{
    Glyph g = {{0, 0}};
    memcpy(&g, f->font + code * f->height, f->height);
    u32 at = index_slot(f, &g);
    if (f->used[at]) return;
    f->used[at] = true;
    f->glyph[at] = g;
    f->code[at] = (u8)code;
}

static void index_make(FontIndex *f, const u8 *font, u32 height)
{
    f->font = font;
    f->height = height;
    for (u32 n = 0; n < GLYPHS; n++) index_add(f, (n + BLANK) % GLYPHS); /* ASCII first */
}

static bool index_find(const FontIndex *f, const Glyph *g, u8 *code)
{
    u32 at = index_slot(f, g);
    *code = f->code[at];
    return f->used[at];
}

/* --- a cell of graphics ---------------------------------------------------------------------------------- */

typedef struct Cell {
    u32 color[2]; /* where the glyph's bits are 0 and 1; equal: there is only one */
    Glyph glyph;
} Cell;

/* `at`: its upper left pixel, `pitch`: pixels from one of its rows to the next. False: it has more than two colours. */
static bool cell_take(Cell *c, const u32 *at, size_t pitch, u32 height)
{
    u8 rows[CELL_HEIGHT] = {0};
    c->color[0] = c->color[1] = at[0];
    for (u32 y = 0; y < height; y++, at += pitch) {
        for (u32 x = 0; x < CELL_WIDTH; x++) {
            if (at[x] == c->color[0]) continue;
            if (c->color[1] == c->color[0]) c->color[1] = at[x];
            if (at[x] != c->color[1]) return false;
            rows[y] |= (u8)(0x80 >> x);
        }
    }
    memcpy(&c->glyph, rows, sizeof c->glyph);
    return true;
}

static void cell_reverse(Cell *c, u32 height)
{
    u32 color = c->color[0];
    u8 rows[CELL_HEIGHT];
    memcpy(rows, &c->glyph, sizeof rows);
    for (u32 y = 0; y < height; y++) rows[y] ^= 0xff;
    memcpy(&c->glyph, rows, sizeof rows);
    c->color[0] = c->color[1];
    c->color[1] = color;
}

/* *background is that of the cells before, and becomes this one's if there is no doubt. */
static u8 cell_code(Cell *c, const FontIndex *f, u32 *background)
{
    u8 code, reversed;
    if (c->color[0] == c->color[1]) return BLANK;
    if (c->color[1] == *background) cell_reverse(c, f->height);
    bool found = index_find(f, &c->glyph, &code);
    cell_reverse(c, f->height);
    bool found_reversed = index_find(f, &c->glyph, &reversed);
    if (found && found_reversed) return code;
    if (found) *background = c->color[1];
    if (found_reversed) *background = c->color[0];
    return found ? code : found_reversed ? reversed : BLANK;
}

/* --- a screen -------------------------------------------------------------------------------------------- */

static bool is_letter(u8 code)
{
    return (code >= '0' && code <= '9') || (code >= 'A' && code <= 'Z') || (code >= 'a' && code <= 'z');
}

static void take_size(ScreenText *t, u32 columns, u32 rows)
{
    t->columns = columns < SCREEN_TEXT_COLUMNS ? columns : SCREEN_TEXT_COLUMNS;
    t->rows = rows;
    if (t->columns && t->rows > SCREEN_TEXT_CELLS / t->columns) t->rows = SCREEN_TEXT_CELLS / t->columns;
}

/* How many letters and digits there are in this font. */
static u32 graphics_read(ScreenText *t, const Picture *p, const FontIndex *f)
{
    u32 repeat = p->line_repeat ? p->line_repeat : 1, background = p->pixels[0], letters = 0;
    size_t pitch = (size_t)p->width * repeat;
    u8 *to = t->code;
    take_size(t, p->width / CELL_WIDTH, p->height / repeat / f->height);
    for (u32 row = 0; row < t->rows; row++) {
        const u32 *at = p->pixels + row * f->height * pitch;
        for (u32 x = 0; x < t->columns; x++) {
            Cell c;
            bool plain = cell_take(&c, at + x * CELL_WIDTH, pitch, f->height);
            *to = plain ? cell_code(&c, f, &background) : BLANK;
            letters += is_letter(*to++);
        }
    }
    return letters;
}

static bool graphics_find(ScreenText *t, const Picture *p)
{
    u32 best = 0, most = 0, letters = 0;
    for (u32 n = 0; n < FONTS; n++) {
        letters = graphics_read(t, p, &t->index[n]);
        if (letters <= most) continue;
        most = letters;
        best = n;
    }
    if (most < LETTERS_LEAST) {
        take_size(t, 0, 0);
        return false;
    }
    if (best != FONTS - 1) graphics_read(t, p, &t->index[best]);
    return true;
}

bool screen_text_read(ScreenText *t, const Picture *p)
{
    if (!p->is_text) return graphics_find(t, p);
    take_size(t, p->columns, p->rows);
    for (u32 row = 0; row < t->rows; row++)
        for (u32 x = 0; x < t->columns; x++)
            t->code[row * t->columns + x] = (u8)p->cells[row * p->columns + x];
    return true;
}

/* --- what was read --------------------------------------------------------------------------------------- */

u32 screen_text_columns(const ScreenText *t) { return t->columns; }
u32 screen_text_rows(const ScreenText *t) { return t->rows; }

u8 screen_text_code(const ScreenText *t, u32 row, u32 column)
{
    return row < t->rows && column < t->columns ? t->code[row * t->columns + column] : BLANK;
}

static u32 put_utf8(char *to, u16 c)
{
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        to[0] = (char)(0xc0 | c >> 6);
        to[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    to[0] = (char)(0xe0 | c >> 12);
    to[1] = (char)(0x80 | (c >> 6 & 0x3f));
    to[2] = (char)(0x80 | (c & 0x3f));
    return 3;
}

u32 screen_text_row(const ScreenText *t, u32 n, bool cut, char to[SCREEN_TEXT_ROW_BYTES])
{
    u32 bytes = 0, end = 0;
    for (u32 x = 0; n < t->rows && x < t->columns; x++) {
        u16 c = cp437[t->code[n * t->columns + x]];
        bytes += put_utf8(to + bytes, c);
        if (c != BLANK) end = bytes;
    }
    if (!cut) end = bytes;
    to[end] = 0;
    return end;
}

char *screen_text_all(const ScreenText *t)
{
    char row[SCREEN_TEXT_ROW_BYTES];
    size_t bytes = 0, end = 0;
    char *all = malloc((size_t)t->rows * (3 * t->columns + 1) + 1);
    for (u32 n = 0; all && n < t->rows; n++) {
        u32 length = screen_text_row(t, n, true, row);
        memcpy(all + bytes, row, length);
        bytes += length;
        all[bytes++] = '\n';
        if (length) end = bytes;
    }
    if (all) all[end] = 0;
    return all;
}

/* --- life cycle ------------------------------------------------------------------------------------------ */

ScreenText *screen_text_new(void)
{
    ScreenText *t = calloc(1, sizeof *t);
    if (!t) return NULL;
    index_make(&t->index[0], font_8x16, 16);
    index_make(&t->index[1], font_8x14, 14);
    index_make(&t->index[2], font_8x8, 8);
    return t;
}

void screen_text_free(ScreenText *t) { free(t); }
