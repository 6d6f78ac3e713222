/* screenshot.c - see screenshot.h.
 *
 * Always drawn at the same moment of the blinking, when cursor and blinking characters are visible, so that the same
 * screen gives the same file.
 */
#include "frontend/display/screenshot.h"

#include "cpu/host.h"
#include "frontend/display/png.h"
#include "hw/scanout.h"

bool screenshot_write(Machine *m, const char *path, Problem *p)
{
    u32 bytes = 0;
    const ScreenState *state = machine_screen(m);
    const u8 *vram = machine_vram(m, &bytes);
    if (!state || !vram) return problem_set(p, "there is no screen");
    Scanout *s = scanout_new(state, vram, bytes);
    if (!s) return problem_set(p, HOST_NO_MEMORY);
    const Picture *now = scanout_update(s, 0);
    bool ok = picture_save(path, now, p);
    scanout_free(s);
    return ok;
}
