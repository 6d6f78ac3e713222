/* screen_text.h - the characters on a picture: those of a text mode, or in graphics those that look like the video BIOS's.
 *
 * Works on a Picture (scanout.h) alone, so the window's process can use it as the monitor does. See screen_text.c.
 */
#ifndef RING3_SCREEN_TEXT_H
#define RING3_SCREEN_TEXT_H

#include "hw/scanout.h"

enum {
    SCREEN_TEXT_CELLS = 1 << 17,
    SCREEN_TEXT_COLUMNS = 512,
    SCREEN_TEXT_ROW_BYTES = 3 * SCREEN_TEXT_COLUMNS + 1
};

typedef struct ScreenText ScreenText;
ScreenText *screen_text_new(void); /* NULL: no memory */
void screen_text_free(ScreenText *t);
/* screen_text_read - false: graphics, and no text was recognised; then there are no rows. */
bool screen_text_read(ScreenText *t, const Picture *p);
u32 screen_text_columns(const ScreenText *t);
u32 screen_text_rows(const ScreenText *t);
/* screen_text_row - row n (from 0) as UTF-8 with a zero at the end; how many bytes without it. `cut`: without the blanks at
 * its end. A row that does not exist is empty. */
u32 screen_text_row(const ScreenText *t, u32 n, bool cut, char to[SCREEN_TEXT_ROW_BYTES]);
/* screen_text_all - all rows, each cut and with a newline, without empty rows at the end; to be freed. NULL: no memory. */
char *screen_text_all(const ScreenText *t);
/* What stands there: the code, 0 to 255; of graphics that is no character: a blank. */
u8 screen_text_code(const ScreenText *t, u32 row, u32 column);

#endif
