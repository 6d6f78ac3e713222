/* chardevs.h - where serial ports and the debug console lead (hw/chardev.h). */
#ifndef RING3_CHARDEVS_H
#define RING3_CHARDEVS_H

#include "frontend/options.h"
#include "frontend/say.h"
#include "hw/chardev.h"

/* chardev_open - what -serial or -debugcon named. CHAR_NULL: NULL. A problem: NULL and p->text is not empty.
 * Never freed: they live as long as the process. */
Chardev *chardev_open(const CharSpec *spec, const char *option, Problem *p);

#endif
