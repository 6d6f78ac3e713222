/* screenshot.c - see screenshot.h.
 *
 * Always drawn at the same moment of the blinking, when cursor and blinking characters are visible, so that the same
 * screen gives the same file.
 */
#include "frontend/display/screenshot.h"

#include "cpu/base/host.h"
#include "frontend/display/png.h"
#include "hw/scanout.h"

Scanout *screen_open(const Machine *m, Problem *p)
{
    u32 bytes = 0;
    const ScreenState *state = machine_screen(m);
    const u8 *vram = machine_vram(m, &bytes);
    Scanout *s = state && vram ? scanout_new(state, vram, bytes) : NULL;
    if (!s) problem_set(p, state && vram ? HOST_NO_MEMORY : "there is no screen");
    return s;
}

bool screenshot_write(Machine *m, const char *path, Problem *p)
{
    Scanout *s = screen_open(m, p);
    if (!s) return false;
    bool ok = picture_save(path, scanout_update(s, 0), p);
    scanout_free(s);
    return ok;
}
