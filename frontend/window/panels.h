/* panels.h - what the window says and asks over the guest's screen: messages, the keys' list, media, the end. See
 * panels.c. */
#ifndef RING3_PANELS_H
#define RING3_PANELS_H

#include "frontend/window/overlay.h"
#include "frontend/window/session.h"

void panels_begin(Session *s);

/* Menus. While one is shown, keys and clicks are its own. */
void panels_ask_close(void);
void panels_media(void);
void panels_help(void);
void panels_snapshots(void);
void panels_drop(const char *path); /* a file or a folder was dropped on the window */
bool panels_open(void);             /* a menu is shown */
void panels_close(void);

typedef enum PanelKey {
    PANEL_UP,
    PANEL_DOWN,
    PANEL_PAGE_UP,
    PANEL_PAGE_DOWN,
    PANEL_ENTER,
    PANEL_ESCAPE,
    PANEL_DELETE,
    PANEL_OTHER
} PanelKey;
void panels_key(PanelKey key, char letter); /* letter: a small one, of PANEL_OTHER; else 0 */
void panels_click(const Canvas *c, s32 x, s32 y);

/* A line for two seconds. */
void panels_say(const char *fmt, ...) PRINTF(1, 2);
/* Somebody typed or clicked: one that stands still says so again, for in full screen nothing else does. */
void panels_remind(void);
/* Look at what the machine has written: paused, speed, media. True: it was stopped just now. */
bool panels_follow(void);

/* Something is to be drawn over the picture. */
bool panels_visible(void);
void panels_draw(const Canvas *c);
/* True once after what is drawn has changed. *next: when to ask again (host ns); UINT64_MAX: not by itself. */
bool panels_changed(u64 now_ns, u64 *next);

#endif
