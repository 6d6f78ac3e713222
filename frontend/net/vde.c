/* vde.c - the other end of the cable is a port of a vde_switch, by Debian's libvdeplug. Only in builds that found it.
 *
 * The library hands its `flags` on to nobody: that sending and receiving do not wait is a property of its socket.
 */
#include <errno.h>
#include <fcntl.h>
#include <libvdeplug.h>
#include <stdio.h>

#include "frontend/net/backend.h"
#include "frontend/net/link.h"

enum { BURST = 64 };

static VDECONN *plug;
static int place;

static bool vde_is_open(const NetSpec *s, Problem *p)
{
    static char path[NET_PATH], group[NET_NAME], name[] = "ring3";
    struct vde_open_args args = {.port = (int)s->vde_port,
                                 .group = *s->group ? group : NULL,
                                 .mode = s->vde_mode ? (mode_t)s->vde_mode : 0700};
    strcpy(path, s->vde);
    strcpy(group, s->group);
    plug = vde_open(*path ? path : NULL, name, &args);
    if (!plug)
        return problem_set(p, "vde switch at %.200s: %s", *path ? path : "its default place",
                           strerror(errno));
    int flags = fcntl(vde_datafd(plug), F_GETFL);
    bool set = flags >= 0 && !fcntl(vde_datafd(plug), F_SETFL, flags | O_NONBLOCK);
    return set || problem_set(p, "vde: %s", strerror(errno));
}

static void vde_about(const NetSpec *s, char *to, size_t room)
{
    snprintf(to, room, "sock=%s,port=%u", *s->vde ? s->vde : "(default)", s->vde_port);
}

static void vde_give(const u8 *frame, u32 n) { (void)!vde_send(plug, frame, n, 0); }

static void vde_fill(Polls *p, int *ms)
{
    (void)ms;
    place = polls_add(p, vde_datafd(plug), POLLIN);
}

static void vde_serve(const Polls *p)
{
    u8 frame[NET_FRAME_MOST + 1];
    if (place < 0 || !p->at[place].revents) return;
    for (int n = 0; n < BURST; n++) {
        ssize_t bytes = vde_recv(plug, frame, sizeof frame, 0);
        if (bytes <= 0) return;
        link_deliver(frame, (u32)bytes);
    }
}

const Backend backend_vde = {vde_is_open, vde_about, vde_give, vde_fill, vde_serve, NULL};
