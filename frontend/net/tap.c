/* tap.c - the other end of the cable is a network device of the host's: a tap, which may be in a bridge. By its name where this
 * user may open it (docs/NETWORK.md says how), or as a descriptor that is open already (tap,fd=N): any that passes a frame
 * with each read() and write(). */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "frontend/net/backend.h"
#include "frontend/net/link.h"

enum { BURST = 64 };

static int tap_fd = -1, place;

static bool tap_open(const NetSpec *s, Problem *p)
{
    struct ifreq r = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    if (s->fd >= 0) {
        tap_fd = s->fd;
        int flags = fcntl(tap_fd, F_GETFL);
        if (flags >= 0 && !fcntl(tap_fd, F_SETFL, flags | O_NONBLOCK)) return true;
        return problem_set(p, "tap,fd=: %s", strerror(errno));
    }
    strcpy(r.ifr_name, s->ifname);
    tap_fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (tap_fd < 0) return problem_set(p, "/dev/net/tun: %s", strerror(errno));
    if (ioctl(tap_fd, TUNSETIFF, &r) == 0) return true;
    return problem_set(p,
                       "tap device %s: %s; 'ip tuntap add %s mode tap user NAME', as root, makes one for you",
                       s->ifname, strerror(errno), s->ifname);
}

static void tap_about(const NetSpec *s, char *to, size_t room)
{
    if (*s->ifname)
        snprintf(to, room, "ifname=%s", s->ifname);
    else
        snprintf(to, room, "fd=given");
}

static void tap_send(const u8 *frame, u32 n) { (void)!write(tap_fd, frame, n); }

static void tap_fill(Polls *p, int *ms)
{
    (void)ms;
    place = tap_fd < 0 ? -1 : polls_add(p, tap_fd, POLLIN);
}

static void tap_serve(const Polls *p)
{
    u8 frame[NET_FRAME_MOST + 1];
    if (place < 0 || !p->at[place].revents) return;
    for (int n = 0; n < BURST; n++) {
        ssize_t bytes = read(tap_fd, frame, sizeof frame);
        if (bytes < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (bytes <= 0) { /* the device is gone */
            close(tap_fd);
            tap_fd = -1;
            return;
        }
        link_deliver(frame, (u32)bytes);
    }
}

const Backend backend_tap = {tap_open, tap_about, tap_send, tap_fill, tap_serve, NULL};
