/* screenshot.h - what is on the guest's screen now, as a file. */
#ifndef RING3_SCREENSHOT_H
#define RING3_SCREENSHOT_H

#include "frontend/say.h"
#include "hw/machine.h"

typedef struct Scanout Scanout;
/* screen_open - the guest's screen, to be drawn; scanout_free ends it. NULL: *p says why. */
Scanout *screen_open(const Machine *m, Problem *p);
/* screenshot_write - PNG if the name ends with .png, else PPM. On the vCPU thread in the service hook. False: *p says
 * why. */
bool screenshot_write(Machine *m, const char *path, Problem *p);

#endif
