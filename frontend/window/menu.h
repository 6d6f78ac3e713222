/* menu.h - a list of lines over the guest's screen, some of which can be chosen. See menu.c. */
#ifndef RING3_MENU_H
#define RING3_MENU_H

#include "frontend/window/overlay.h"

enum { MENU_LINES = 24, MENU_COLUMNS = 72 };
enum {
    MENU_TEXT = -1,
    MENU_MORE = -2
}; /* a line that cannot be chosen; one that goes with the line above it */

typedef struct Menu {
    u32 count; /* of lines; 0: it is not shown */
    s32 chosen;
    struct {
        char text[MENU_COLUMNS + 1];
        s32 action;
        char key; /* chooses it at once; 0: none */
        OverlayPicture picture;
    } line[MENU_LINES];
} Menu;

void menu_begin(Menu *m);
/* A line; its text is cleaned and cut to MENU_COLUMNS. What is too many is left out. */
void menu_add(Menu *m, s32 action, char key, const char *fmt, ...) PRINTF(4, 5);
/* A picture in the lines from the last one on. Its pixels stay the caller's, and where they are. */
void menu_add_picture(Menu *m, const OverlayPicture *p);
/* The end of a name that is too long for a line, with dots before it. */
const char *menu_name(const char *path, char to[48]);
void menu_choose(Menu *m, char key); /* the line of that key, if there is one */
void menu_move(Menu *m, int by);     /* to the next line that can be chosen */
/* The action of the chosen line; of the one that a key or a place stands for; MENU_TEXT: none. */
s32 menu_action(const Menu *m);
s32 menu_key(const Menu *m, char key);
s32 menu_action_at(const Menu *m, const Canvas *c, s32 x, s32 y);
void menu_draw(const Menu *m, const Canvas *c);

#endif
