/* chardev.h - a byte stream between a guest device (UART, debug console) and the host.
 *
 * The frontend implements it (stdio, file, null); the device only sees this. Both directions run on the vCPU
 * thread; a backend that waits for host input does so in its own thread and uses cpu_attention(ATT_IO).
 */
#ifndef RING3_CHARDEV_H
#define RING3_CHARDEV_H

#include "cpu/base/base.h"

typedef struct Chardev Chardev;
struct Chardev {
    void (*write)(Chardev *d, const u8 *bytes, u32 count); /* guest -> host; must not block for long */
    u32 (*read)(Chardev *d, u8 *bytes, u32 space);         /* host -> guest: bytes available now, may be 0 */
    /* Set by the device: host input arrived (or: call when the device has room again). */
    void (*on_input)(void *dev);
    void *dev;
};
/* Backends are host code that may use the FPU, where the guest's state may be live. */
static inline void chardev_park(void)
{
    base_park_fpu();
}
static inline void chardev_write(Chardev *d, const u8 *b, u32 n)
{
    chardev_park();
    if (d && d->write) d->write(d, b, n);
}
static inline u32 chardev_read(Chardev *d, u8 *b, u32 n)
{
    chardev_park();
    return d && d->read ? d->read(d, b, n) : 0;
}

#endif
