/* viewer.h - one viewer, in a process of its own. See viewer.c. */
#ifndef RING3_VIEWER_H
#define RING3_VIEWER_H

#include "frontend/window/session.h"

typedef struct ViewerConfig {
    bool wants_password;
    char password[WINDOW_PASSWORD_BYTES + 1]; /* empty: nobody is let in */
} ViewerConfig;

/* viewer_prepare - once, before anything is given up: what the libraries open at their first use. */
void viewer_prepare(void);
/* viewer_run - serve the viewer at the other end of `fd` until one of the two goes. The machine is s->socket. */
void viewer_run(Session *s, int fd, const ViewerConfig *c);

#endif
