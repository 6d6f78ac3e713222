/* confine.h - what ring3-vnc may still do. See confine.c. */
#ifndef RING3_VNC_CONFINE_H
#define RING3_VNC_CONFINE_H

void vnc_confine(void);        /* the process that takes connections */
void vnc_confine_viewer(void); /* ... and what it starts for each of them */

#endif
