/* scanout.h - what a monitor on the VGA connector would show: registers and video memory become pixels.
 *
 * Needs no machine and no bus: the window's process runs it on shared memory, `screendump` in the machine's. It reads
 * registers and memory while the guest writes them and must survive any values: a torn picture is right the next time.
 */
#ifndef RING3_SCANOUT_H
#define RING3_SCANOUT_H

#include "cpu/base/base.h"

typedef struct ScreenState
    ScreenState; /* hw/screen.h: every register that the picture depends on; plain data */

typedef struct Picture {
    u32 width, height; /* pixels; as the guest programmed it (720x400, 320x200 doubled to 320x400, ...) */
    const u32 *pixels; /* 0x00RRGGBB, rows of `width` */
    u32 line_repeat; /* graphics, blanked ones too: each row of the guest's is that many rows here, as a rule (2 in
                        * mode 13h); else 1 */
    u32 dirty_top, dirty_rows; /* what the last update changed; 0 rows: nothing */
    bool resized;              /* the last update changed width or height */
    bool is_text;              /* then `columns` x `rows` cells: character low byte, attribute high byte */
    u32 columns, rows;
    const u16 *cells;
    u32 cursor_column, cursor_row; /* cursor_column == columns: no cursor */
} Picture;

typedef struct Scanout Scanout;
Scanout *scanout_new(const ScreenState *state, const u8 *vram, u32 vram_bytes); /* NULL: no memory */
void scanout_free(Scanout *s);
/* Draw anew what changed since the last call; now_ns (any monotonic clock) drives blinking. */
const Picture *scanout_update(Scanout *s, u64 now_ns);

#endif
