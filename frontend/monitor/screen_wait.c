/* screen_wait.c - see screen_wait.h.
 *
 * While somebody waits, the I/O thread wakes the vCPU thread for each look (hostio_remind): so the host's time counts,
 * also while the machine is held. All who wait share one look, at most LOOKS a second. It draws what changed of the screen
 * since the last look, and only if something did, reads its text. The pause behind a look is at least SHARE times as
 * long as the look took: a large graphics mode costs the guest some 3 %, and a text mode nothing that could be measured.
 *
 * The screen is drawn at the moment at which cursor and blinking characters are visible, so blinking is no change.
 */
#include "frontend/monitor/screen_wait.h"

#include <stdio.h>

#include "cpu/base/host.h"
#include "frontend/display/screenshot.h"
#include "frontend/host/hostio.h"

enum { LOOKS = 10, SHARE = 30, WAITS = 16 };
#define LOOK_NS (1000000000ull / LOOKS)

typedef struct ScreenWait {
    char text[SCREEN_WAIT_BYTES];
    u64 until_ns;
    ScreenWaiter who;
    bool waits;
} ScreenWait;

static struct {
    ScreenLook look; /* picture NULL: nobody waits */
    ScreenWait wait[WAITS];
    u64 next_ns; /* the next look */
    bool fresh;  /* somebody has come who has not seen the screen as it is */
} w;

/* --- a look ---------------------------------------------------------------------------------------------- */

bool screen_look(const Machine *m, ScreenLook *l, Problem *p)
{
    *l = (ScreenLook){.scanout = screen_open(m, p)};
    if (!l->scanout) return false;
    l->text = screen_text_new();
    if (!l->text) {
        screen_look_end(l);
        return problem_set(p, HOST_NO_MEMORY);
    }
    l->picture = scanout_update(l->scanout, 0);
    screen_text_read(l->text, l->picture);
    return true;
}

void screen_look_end(ScreenLook *l)
{
    scanout_free(l->scanout);
    screen_text_free(l->text);
    *l = (ScreenLook){.picture = NULL};
}

/* True: the screen is not what it was, or somebody has not seen it. */
static bool look_again(void)
{
    bool changed = w.fresh;
    w.fresh = false;
    w.look.picture = scanout_update(w.look.scanout, 0);
    if (!w.look.picture->dirty_rows && !w.look.picture->resized) return changed;
    screen_text_read(w.look.text, w.look.picture);
    return true;
}

static bool stands_there(const char *text)
{
    char row[SCREEN_TEXT_ROW_BYTES];
    for (u32 n = 0; n < screen_text_rows(w.look.text); n++) {
        screen_text_row(w.look.text, n, false, row);
        if (strstr(row, text)) return true;
    }
    return false;
}

/* --- waiting --------------------------------------------------------------------------------------------- */

bool screen_wait(const Machine *m, const char *text, u32 seconds, const ScreenWaiter *who, Problem *p)
{
    ScreenWait *to = w.wait;
    while (to < w.wait + WAITS && to->waits) to++;
    if (to == w.wait + WAITS) return problem_set(p, "too many wait for a text already");
    if (!w.look.picture && !screen_look(m, &w.look, p)) return false;
    *to = (ScreenWait){.until_ns = host_now_ns() + seconds * 1000000000ull, .who = *who, .waits = true};
    snprintf(to->text, sizeof to->text, "%s", text);
    w.fresh = true;
    w.next_ns = host_now_ns();
    hostio_remind(w.next_ns);
    return true;
}

static void end_wait(ScreenWait *x, ScreenWaitEnd how)
{
    char text[SCREEN_WAIT_BYTES];
    snprintf(text, sizeof text, "%s", x->text);
    x->waits = false; /* who is told may wait again */
    x->who.done(x->who.ctx, how, text);
}

static void serve(ScreenWait *x, bool changed, u64 now_ns)
{
    if (x->who.has_left(x->who.ctx))
        end_wait(x, SCREEN_WAIT_LEFT);
    else if (changed && stands_there(x->text))
        end_wait(x, SCREEN_WAIT_FOUND);
    else if (now_ns >= x->until_ns)
        end_wait(x, SCREEN_WAIT_TIMEOUT);
}

static bool anybody_waits(void)
{
    for (unsigned n = 0; n < WAITS; n++)
        if (w.wait[n].waits) return true;
    return false;
}

void screen_waits_service(void)
{
    if (!w.look.picture) return;
    u64 began = host_now_ns();
    if (began < w.next_ns) {
        hostio_remind(w.next_ns);
        return;
    }
    bool changed = look_again();
    for (unsigned n = 0; n < WAITS; n++)
        if (w.wait[n].waits) serve(&w.wait[n], changed, began);
    if (!anybody_waits()) {
        screen_look_end(&w.look);
        return;
    }
    u64 ended = host_now_ns(), pause = (ended - began) * SHARE;
    w.next_ns = ended + (w.fresh ? 0 : pause < LOOK_NS ? LOOK_NS : pause);
    hostio_remind(w.next_ns);
}
