/* screen_wait.h - what stands on the guest's screen, and waiting until something does. See screen_wait.c.
 *
 * All on the vCPU thread, in the service hook.
 */
#ifndef RING3_SCREEN_WAIT_H
#define RING3_SCREEN_WAIT_H

#include "frontend/pc.h"
#include "hw/screen_text.h"

typedef struct ScreenLook { /* the screen once */
    const Picture *picture;
    ScreenText *text; /* without rows: graphics without any */
    struct Scanout *scanout;
} ScreenLook;

/* screen_look - to be ended by screen_look_end(); false: *p says why not. */
bool screen_look(const Machine *m, ScreenLook *l, Problem *p);
void screen_look_end(ScreenLook *l);

typedef enum ScreenWaitEnd { SCREEN_WAIT_FOUND, SCREEN_WAIT_TIMEOUT, SCREEN_WAIT_LEFT } ScreenWaitEnd;
typedef struct ScreenWaiter {
    bool (*has_left)(void *ctx); /* who waits has gone: stop waiting */
    void (*done)(void *ctx, ScreenWaitEnd how, const char *text);
    void *ctx;
} ScreenWaiter;

enum { SCREEN_WAIT_BYTES = 256, SCREEN_WAIT_SECONDS = 60, SCREEN_WAIT_SECONDS_MOST = 7 * 24 * 3600 };
/* screen_wait - call w->done once, in a later service hook, when `text` (UTF-8, of less than SCREEN_WAIT_BYTES) stands in
 * a row of the screen, or so many seconds of the host's time later, or when w->has_left says so. */
bool screen_wait(const Machine *m, const char *text, u32 seconds, const ScreenWaiter *w, Problem *p);
void screen_waits_service(void);

#endif
