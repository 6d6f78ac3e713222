// The fonts' compiler, run at build time by a person who changed a drawing: font16.txt and font8.txt in, font.h out.
// With a third argument it draws the fonts as a PGM sheet instead, to be looked at.
//
// The 8x14 font is the 8x16 one without its last row and without one row of the zone in which small letters are drawn:
// the first that equals its neighbour, or resembles it most. Box-drawing characters are made by rule for each height,
// so that they join.

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 16, GLYPHS = 256, MARKS = 64 };

typedef struct {
    uint8_t row[ROWS];
} Glyph;

typedef struct {
    int height;
    Glyph glyph[GLYPHS];
    char box[GLYPHS][5];
    Glyph mark[MARKS];
    char mark_name[MARKS][24];
    int marks;
} Font;

static void fail(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, what);
    exit(1);
}

static void ink(Glyph *g, int row, int from, int to)
{
    for (int x = from; x <= to; x++) g->row[row] |= (uint8_t)(0x80 >> x);
}

static void column(Glyph *g, int x, int from, int to)
{
    for (int y = from; y <= to; y++) ink(g, y, x, x + 1);
}

// Arms u, d, l, r meet around the rows top/mid/bottom and the columns 2-3, 3-4, 5-6; double strokes are cut where
// another one's inside passes.
static void draw_box(Glyph *g, const char *arms, int height)
{
    int mid = height == 8 ? 3 : height / 2 - 1;
    int top = mid - 1, bottom = mid + 1, end = height - 1;
    int u = arms[0] - '0', d = arms[1] - '0', l = arms[2] - '0', r = arms[3] - '0';
    if (u <= 1 && d <= 1) {
        int dbl = l == 2 || r == 2;
        if (u || d)
            column(g, 3, u ? 0 : (dbl ? (l && r ? bottom : top) : mid),
                   d ? end : (dbl ? (l && r ? top : bottom) : mid));
        int from = l ? 0 : 3, to = r ? 7 : 4;
        if (dbl) {
            ink(g, top, from, to);
            ink(g, bottom, from, to);
        } else if (l || r) {
            ink(g, mid, from, to);
        }
    } else if (l <= 1 && r <= 1) {
        column(g, 2, u ? 0 : mid, d ? end : mid);
        column(g, 5, u ? 0 : mid, d ? end : mid);
        if (l || r) ink(g, mid, l ? 0 : (u && d ? 5 : 2), r ? 7 : (u && d ? 3 : 6));
    } else {
        if (u) column(g, 2, 0, l ? top : (d ? end : bottom));
        if (d) column(g, 2, l ? bottom : (u ? 0 : top), end);
        if (u) column(g, 5, 0, r ? top : (d ? end : bottom));
        if (d) column(g, 5, r ? bottom : (u ? 0 : top), end);
        if (l) ink(g, top, 0, u ? 3 : (r ? 7 : 6));
        if (r) ink(g, top, u ? 5 : (l ? 0 : 2), 7);
        if (l) ink(g, bottom, 0, d ? 3 : (r ? 7 : 6));
        if (r) ink(g, bottom, d ? 5 : (l ? 0 : 2), 7);
    }
}

static void draw_blocks(Font *f)
{
    static const uint8_t shade[3][2] = {{0x22, 0x88}, {0x55, 0xaa}, {0xdd, 0x77}};
    for (int y = 0; y < f->height; y++) {
        for (int i = 0; i < 3; i++) f->glyph[0xb0 + i].row[y] = shade[i][y & 1];
        f->glyph[0xdb].row[y] = 0xff;
        f->glyph[0xdc].row[y] = y >= f->height / 2 ? 0xff : 0;
        f->glyph[0xdd].row[y] = 0xf0;
        f->glyph[0xde].row[y] = 0x0f;
        f->glyph[0xdf].row[y] = y < f->height / 2 ? 0xff : 0;
    }
}

static Glyph mirror(Glyph g, char way)
{
    Glyph m = {{0}};
    int first = ROWS, last = 0, left = 8, right = 0;
    for (int y = 0; y < ROWS; y++) {
        if (!g.row[y]) continue;
        if (first == ROWS) first = y;
        last = y;
        for (int x = 0; x < 8; x++) {
            if (!(g.row[y] & 0x80 >> x)) continue;
            if (x < left) left = x;
            if (x > right) right = x;
        }
    }
    for (int y = first; y <= last; y++) {
        if (way == 'v') m.row[first + last - y] = g.row[y];
        for (int x = left; way == 'h' && x <= right; x++)
            if (g.row[y] & 0x80 >> x) ink(&m, y, left + right - x, left + right - x);
    }
    return m;
}

static Glyph *mark_find(Font *f, const char *name)
{
    for (int i = 0; i < f->marks; i++)
        if (!strcmp(f->mark_name[i], name)) return &f->mark[i];
    return NULL;
}

// "HH = BASE MARK..": small letters with a dot do not occur as a base.
static void compose(Font *f, int code, char *rest, const char *file, int line)
{
    char *word = strtok(rest, " ");
    Glyph g = f->glyph[strtol(word ? word : "20", NULL, 16) & 255];
    while ((word = strtok(NULL, " ")) != NULL) {
        Glyph *m = mark_find(f, word);
        if (!m) fail(file, line, "no such mark");
        for (int y = 0; y < ROWS; y++) g.row[y] |= m->row[y];
    }
    f->glyph[code] = g;
}

static void font_read(Font *f, const char *file, int height)
{
    FILE *in = fopen(file, "r");
    if (!in) fail(file, 0, "cannot be opened");
    memset(f, 0, sizeof *f);
    f->height = height;
    char s[256];
    Glyph *g = NULL;
    int y = 0;
    for (int line = 1; fgets(s, sizeof s, in); line++) {
        s[strcspn(s, "\r\n")] = 0;
        char name[24], way[8], arms[5];
        unsigned code;
        int top, n = 0;
        if (!s[0] || s[0] == ';') continue;
        if (s[0] == '.' || s[0] == '#') {
            if (!g || y >= height || strlen(s) != 8)
                fail(file, line, "a row of eight columns is wanted within a glyph");
            for (int x = 0; x < 8; x++)
                if (s[x] == '#') ink(g, y, x, x);
            y++;
        } else if (sscanf(s, "mark %23s %d", name, &top) == 2) {
            if (f->marks == MARKS) fail(file, line, "too many marks");
            strcpy(f->mark_name[f->marks], name);
            g = &f->mark[f->marks++];
            y = top;
        } else if (sscanf(s, "%2x box %4s", &code, arms) == 2) {
            memcpy(f->box[code], arms, sizeof arms);
            draw_box(&f->glyph[code], arms, height);
        } else if (sscanf(s, "%2x = %n", &code, &n) == 1 && n) {
            compose(f, (int)code, s + n, file, line);
        } else if (sscanf(s, "%2x < %x %7s", &code, (unsigned *)&top, way) == 3) {
            f->glyph[code] = mirror(f->glyph[top & 255], way[0]);
        } else if (sscanf(s, "%2x %d", &code, &top) == 2 && top >= 0 && top < height) {
            g = &f->glyph[code];
            y = top;
        } else {
            fail(file, line, "not understood");
        }
    }
    fclose(in);
    draw_blocks(f);
}

static int bits(unsigned v) { return __builtin_popcount(v); }

static void font_shrink(Font *f14, const Font *f16)
{
    memset(f14, 0, sizeof *f14);
    f14->height = 14;
    for (int c = 0; c < GLYPHS; c++) {
        const Glyph *g = &f16->glyph[c];
        if (f16->box[c][0]) {
            draw_box(&f14->glyph[c], f16->box[c], 14);
            continue;
        }
        int cut = 7, best = 99;
        for (int y = 6; y < 11; y++) {
            int cost = 2 * bits(g->row[y] ^ g->row[y + 1]) + (g->row[y] != 0); // rather an empty row
            if (cost < best) best = cost, cut = y;
        }
        // The row that leaves above capitals is the first, if nothing is drawn there: then descenders keep theirs.
        int drop_last = !g->row[15] || g->row[0];
        for (int y = drop_last ? 0 : 1, out = 0; out < 14; y++)
            if (y != cut) f14->glyph[c].row[out++] = g->row[y];
    }
    draw_blocks(f14);
}

static void font_write(const Font *f, FILE *out)
{
    fprintf(out, "\nstatic const unsigned char font_8x%d[256 * %d] = {\n", f->height, f->height);
    for (int c = 0; c < GLYPHS; c++) {
        fputs("    ", out);
        for (int y = 0; y < f->height; y++)
            fprintf(out, "0x%02x,%s", f->glyph[c].row[y], y + 1 < f->height ? " " : "");
        fprintf(out, " // %02x\n", c);
    }
    fputs("};\n", out);
}

static void sheet_write(const Font *fonts, FILE *out)
{
    enum { ZOOM = 2, W = 32 * 9 * ZOOM };
    int lines = 0;
    for (int i = 0; i < 3; i++) lines += 8 * (fonts[i].height + 1);
    fprintf(out, "P5 %d %d 255\n", W, lines * ZOOM);
    for (int i = 0; i < 3; i++)
        for (int y = 0; y < 8 * (fonts[i].height + 1) * ZOOM; y++)
            for (int x = 0; x < W; x++) {
                int cell = fonts[i].height + 1, gy = y / ZOOM % cell, gx = x / ZOOM % 9;
                int c = y / ZOOM / cell * 32 + x / ZOOM / 9;
                int on = gx < 8 && gy < fonts[i].height && fonts[i].glyph[c].row[gy] & 0x80 >> gx;
                fputc(on ? 255 : (gx == 8 || gy == fonts[i].height ? 40 : 0), out);
            }
}

int main(int argc, char **argv)
{
    static Font fonts[3];
    if (argc < 3) {
        fputs("usage: font_gen FONT16 FONT8 [sheet] >OUT\n", stderr);
        return 2;
    }
    font_read(&fonts[0], argv[1], 16);
    font_shrink(&fonts[1], &fonts[0]);
    font_read(&fonts[2], argv[2], 8);
    if (argc > 3) {
        sheet_write(fonts, stdout);
        return 0;
    }
    puts("// The fonts of the video BIOS, code page 437: 256 glyphs of 16, 14 and 8 rows, bit 7 leftmost.\n"
         "// Made by bios/font_gen.c of font16.txt and font8.txt: change those, then\n"
         "//   cc -o font_gen bios/font_gen.c && ./font_gen bios/font16.txt bios/font8.txt >bios/font.h\n"
         "// clang-format off\n"
         "#ifndef RING3_BIOS_FONT_H\n#define RING3_BIOS_FONT_H");
    for (int i = 0; i < 3; i++) font_write(&fonts[i], stdout);
    puts("\n#endif");
    return 0;
}
