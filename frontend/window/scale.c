/* scale.c - scaling by coverage: a pixel of the window shows what it covers of the picture.
 *
 * At whole factors that is a plain repetition. In between, only the pixels that lie across an edge are mixed, in
 * proportion; all others stay pure, so that text and pixel art are sharp and even at any window size. When the window is
 * smaller than the picture, the two pixels nearest to the centre are mixed.
 */
#include "frontend/window/scale.h"

#include <stdlib.h>

enum { LOW_WIDTH = 400, TEXT_WIDTH = 720, ONE = 256, NO_ROW = ~0u };

void scale_shape(u32 width, u32 height, u32 *to_width, u32 *to_height)
{
    bool square = width >= SHAPE_WIDTH && height >= SHAPE_HEIGHT && width != TEXT_WIDTH;
    *to_width = square ? width : SHAPE_WIDTH;
    *to_height = square ? height : SHAPE_HEIGHT;
}

void scale_actual_size(u32 width, u32 height, u32 *to_width, u32 *to_height)
{
    *to_width = width <= LOW_WIDTH ? 2 * width : width;
    *to_height = height;
}

static Rect in_the_middle(u32 w, u32 h, u32 window_width, u32 window_height)
{
    return (Rect){(s32)(window_width - w) / 2, (s32)(window_height - h) / 2, (s32)w, (s32)h};
}

Rect scale_fit(u32 width, u32 height, u32 window_width, u32 window_height, bool whole)
{
    u32 w, h;
    if (!width || !height) return (Rect){0, 0, 0, 0};
    scale_actual_size(width, height, &w, &h);
    u32 times = window_width / w < window_height / h ? window_width / w : window_height / h;
    if (whole && times) return in_the_middle(w * times, h * times, window_width, window_height);
    scale_shape(width, height, &w, &h);
    if ((u64)window_width * h < (u64)window_height * w) {
        h = (u32)(((u64)h * window_width + w / 2) / w);
        w = window_width;
    } else {
        w = (u32)(((u64)w * window_height + h / 2) / h);
        h = window_height;
    }
    return in_the_middle(w, h, window_width, window_height);
}

/* --- taps ------------------------------------------------------------------------------------------------ */

static Tap enlarging(u32 n, u32 from, u32 to) /* [n, n+1) of `to` covers at most two of `from` */
{
    u64 begin = (u64)n * from, end = begin + from; /* in units of 1/to pixels */
    u32 first = (u32)(begin / to), last = (u32)((end - 1) / to);
    u64 in_last = first == last ? 0 : end - (u64)last * to;
    return (Tap){(u16)first, (u16)(in_last * ONE / from)};
}

static Tap shrinking(u32 n, u32 from, u32 to)
{
    u64 centre = ((2ull * n + 1) * from * ONE / to - ONE) / 2; /* 8 bits of fraction; never negative here */
    u32 first = (u32)(centre / ONE);
    return (Tap){(u16)first, (u16)(first + 1 < from ? centre % ONE : 0)};
}

static Tap *taps_new(u32 from, u32 to)
{
    Tap *t = malloc(to * sizeof *t);
    for (u32 n = 0; t && n < to; n++) t[n] = to >= from ? enlarging(n, from, to) : shrinking(n, from, to);
    return t;
}

/* --- set-up ---------------------------------------------------------------------------------------------- */

void scaler_free(Scaler *s)
{
    free(s->columns);
    free(s->rows);
    free(s->line[0]);
    free(s->line[1]);
    *s = (Scaler){0};
}

bool scaler_setup(Scaler *s, u32 width, u32 height, Rect to)
{
    scaler_free(s);
    if (!width || !height || width > UINT16_MAX || height > UINT16_MAX || to.w <= 0 || to.h <= 0)
        return false;
    *s = (Scaler){.from_width = width, .from_height = height, .to = to};
    s->columns = taps_new(width, (u32)to.w);
    s->rows = taps_new(height, (u32)to.h);
    for (int n = 0; n < 2; n++) s->line[n] = malloc((u32)to.w * sizeof(u32));
    if (s->columns && s->rows && s->line[0] && s->line[1]) return true;
    scaler_free(s);
    return false;
}

/* --- drawing --------------------------------------------------------------------------------------------- */

static u32 mix(u32 a, u32 b, u32 weight) /* both halves of the channels at once */
{
    u32 rb = ((a & 0xff00ff) * (ONE - weight) + (b & 0xff00ff) * weight) >> 8 & 0xff00ff;
    u32 g = ((a & 0x00ff00) * (ONE - weight) + (b & 0x00ff00) * weight) >> 8 & 0x00ff00;
    return rb | g;
}

static void scale_line(const Scaler *s, const u32 *from, u32 *to)
{
    const Tap *t = s->columns;
    for (u32 x = 0; x < (u32)s->to.w; x++) {
        u32 a = from[t[x].first];
        to[x] = t[x].weight ? mix(a, from[t[x].first + 1], t[x].weight) : a;
    }
}

/* Row `row` of the picture in the window's width, kept for the next that asks. */
static const u32 *line_get(Scaler *s, const u32 *pixels, u32 row)
{
    u32 slot = row & 1;
    if (s->line_row[slot] != row) {
        scale_line(s, pixels + (size_t)row * s->from_width, s->line[slot]);
        s->line_row[slot] = row;
    }
    return s->line[slot];
}

static void draw_row(Scaler *s, const u32 *pixels, u32 y, u32 *to)
{
    Tap t = s->rows[y];
    const u32 *a = line_get(s, pixels, t.first);
    if (!t.weight) {
        memcpy(to, a, (u32)s->to.w * sizeof *to);
        return;
    }
    const u32 *b = line_get(s, pixels, t.first + 1u);
    for (u32 x = 0; x < (u32)s->to.w; x++) to[x] = mix(a[x], b[x], t.weight);
}

static bool touches(Tap t, u32 top, u32 end) /* does it show a row of [top, end)? */
{
    return t.first < end && t.first + (t.weight ? 1u : 0u) >= top;
}

Rect scaler_draw(Scaler *s, const u32 *pixels, u32 top, u32 count, u32 *window, u32 pitch_pixels)
{
    u32 end = top + count < s->from_height ? top + count : s->from_height;
    u32 y = top < s->from_height ? (u32)((u64)top * (u32)s->to.h / s->from_height) : (u32)s->to.h;
    s->line_row[0] = s->line_row[1] = NO_ROW;
    y = y > 2 ? y - 2 : 0;
    while (y < (u32)s->to.h && !touches(s->rows[y], top, end)) y++;
    u32 first = y;
    for (; y < (u32)s->to.h && touches(s->rows[y], top, end); y++)
        draw_row(s, pixels, y, window + (size_t)(s->to.y + (s32)y) * pitch_pixels + s->to.x);
    return (Rect){s->to.x, s->to.y + (s32)first, s->to.w, (s32)(y - first)};
}
