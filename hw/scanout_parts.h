/* scanout_parts.h - what the files of the scanout share. See scanout.c. */
#ifndef RING3_SCANOUT_PARTS_H
#define RING3_SCANOUT_PARTS_H

#include "hw/scanout.h"
#include "hw/screen.h"

enum { MAX_COLUMNS = 256, MAX_PIXELS = CRTC_MAX_WIDTH * CRTC_MAX_HEIGHT, FONT_BYTES = 256 * 32 };
enum { LINE_PIXELS = VBE_MAX_XRES + 64, LINE_COPIES_BYTES = 4 << 20 };

/* Where the CRT controller is while it goes down the screen. */
typedef struct Beam {
    u32 y;
    u32 address; /* memory address counter at the start of the row */
    u32 scan;    /* row scan counter */
    u32 pan;     /* pixels by which the line is shifted to the left */
    u32 repeat;  /* lines that this value of `scan` has still to come, with double scanning */
    bool split;  /* below the line compare */
} Beam;

typedef enum ScreenKind { SCREEN_BLANK, SCREEN_TEXT, SCREEN_PLANES, SCREEN_LINEAR } ScreenKind;

struct Scanout {
    const ScreenState *state; /* may change at any time: read once, into `now` */
    const u8 *vram;
    u32 vram_mask;
    ScreenState now, drawn; /* without what does not count for the picture; and as the picture was drawn */
    ScreenKind kind, drawn_kind;
    bool redraw; /* all of it */
    Picture pic;
    u32 *pixels;        /* [MAX_PIXELS] */
    u32 rgb[256];       /* through PEL mask and DAC */
    u32 color[16];      /* through the attribute controller, too */
    u32 color_256[256]; /* the same in 256-colour modes */
    u64 unpacked[256];  /* byte k is bit 7 - k */
    /* text */
    u32 cursor;     /* address counter at which the cursor is */
    bool blink_off; /* blinking characters are dark now */
    bool cursor_on;
    u16 *cells;             /* [MAX_COLUMNS * CRTC_MAX_HEIGHT] */
    u32 *cell_drawn;        /* the same with CELL_ flags */
    bool cells_valid;       /* ... is what the picture shows */
    u8 font[2][FONT_BYTES]; /* map B, map A */
    bool one_font;          /* they are the same: only the first is used */
    /* graphics: what was fetched for each line, or the rows of a linear mode */
    u8 *copy;
    u32 line[LINE_PIXELS]; /* one line of pixels, and what panning pushes out */
};

/* The CRT controller's view, from s->now */
u32 scanout_columns(const ScreenState *r);
u32 scanout_lines(const ScreenState *r);
u32 scanout_start(const ScreenState *r); /* address counter at the first line */
u32 scanout_pitch(const ScreenState *r); /* what it advances by from row to row */
u32 scanout_dots(const ScreenState *r);  /* a character's width */
/* Byte offset in video memory of the four planes at address counter `ma`. */
u32 scanout_fetch_at(const Scanout *s, u32 ma, u32 scan);
Beam beam_start(const Scanout *s);
void beam_next(const Scanout *s, Beam *b);
void scanout_dirty(Scanout *s, u32 y, u32 rows);
/* s->line holds line y: into the picture, if it differs. */
void scanout_line_done(Scanout *s, u32 y, const u32 *from);

void text_init(Scanout *s);
void text_size(const Scanout *s, u32 *width, u32 *height);
void text_update(Scanout *s, u64 now_ns);
void planes_size(const Scanout *s, u32 *width, u32 *height);
void planes_update(Scanout *s);
void linear_size(const Scanout *s, u32 *width, u32 *height);
void linear_update(Scanout *s);

#endif
