/* vnc.h - the machine's end of ring3-vnc, which shows the screen to viewers elsewhere. See vnc.c. */
#ifndef RING3_VNC_H
#define RING3_VNC_H

#include "frontend/say.h"
#include "hw/machine.h"

enum { VNC_WHERE = 300, VNC_PORT = 5900, VNC_DISPLAYS = 65535 - VNC_PORT };
typedef struct VncOptions {
    char where[VNC_WHERE]; /* [ADDR]:N or unix:PATH; empty: there is none */
    bool password;         /* who connects needs one; until one is set nobody is let in */
    u32 to;                /* the last display that may be taken if N is in use; 0: only N */
} VncOptions;

/* vnc_start - listen and start the process, after display_start(). */
bool vnc_start(const VncOptions *o, const char *name, const char *layout, Problem *p);
bool vnc_attach(const Phys *phys, Problem *p); /* the machine is built: show it the video memory */

/* --- the I/O thread; hostio.c is the only caller --- */
int vnc_fd(void);     /* to wait for, or -1 */
bool vnc_ready(void); /* true: something has come for the vCPU thread */

/* --- the vCPU thread --- */
void vnc_service(void); /* keys and mouse go to the machine */
/* For who connects from now on. Empty: nobody is let in. False: there is no VNC server, or it asks for no password. */
bool vnc_set_password(const char *password, Problem *p);
void vnc_show(void (*text)(void *ctx, const char *text), void *ctx); /* `info vnc` */

#endif
