/* link.c - see link.h.
 *
 * The machine is not believed (frontend/glass/inspect_protocol.h): sizes are looked at before they are used, and what it
 * writes is copied before it is looked at twice. The screen is drawn here, from a copy of its registers and from the
 * video memory, which the guest may change meanwhile: a torn picture is right the next time.
 */
#define _GNU_SOURCE
#include "frontend/inspect/link.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frontend/display/png.h"
#include "frontend/host/shared_memory.h"
#include "hw/scanout.h"
#include "hw/screen.h"

_Static_assert(sizeof(ScreenState) <= INSPECT_SCREEN_BYTES, "a ScreenState fits into InspectShared");

static struct {
    const InspectShared *shared;
    u32 id; /* of the question that waits; ids begin with 1 */
    bool waits, is_now;
    ScreenState state;
    Scanout *scanout; /* NULL: the machine has no screen */
    const Picture *picture;
    u32 number, packed_number; /* of the picture; of the one in `png` */
    u8 *png;
    size_t png_bytes;
} l;

/* --- messages -------------------------------------------------------------------------------------------- */

/* 1: a message, with its descriptors if it has two (kind 0: no proper one); 0: none; -1: the machine is gone. */
static int receive(InspectMessage *m, int fd[2])
{
    char control[CMSG_SPACE(2 * sizeof(int))];
    struct iovec part = {m, sizeof *m};
    struct msghdr h = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    fd[0] = fd[1] = -1;
    ssize_t n = recvmsg(INSPECT_SOCKET, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    if (n <= 0) return -1;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&h); c; c = CMSG_NXTHDR(&h, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
            memcpy(fd, CMSG_DATA(c),
                   c->cmsg_len == CMSG_LEN(2 * sizeof(int)) ? 2 * sizeof(int) : sizeof(int));
    if (n != sizeof *m || h.msg_flags & MSG_TRUNC) m->kind = 0;
    return 1;
}

static bool hello(const InspectMessage *m, const int fd[2], bool unsealed)
{
    u64 bytes = m->a, offset = (u64)m->b << PAGE_BITS;
    if (m->kind != INSPECT_HELLO || m->id != INSPECT_PROTOCOL || fd[1] < 0 || bytes > INSPECT_VRAM_LIMIT)
        return false;
    if (!unsealed && !shared_memory_is_sealed(fd[0])) return false;
    l.shared = shared_memory_map(fd[0], 0, sizeof *l.shared);
    const u8 *vram = l.shared && bytes ? shared_memory_map(fd[1], offset, bytes) : NULL;
    if (vram) l.scanout = scanout_new(&l.state, vram, (u32)bytes);
    return l.shared != NULL;
}

bool link_begin(bool unsealed)
{
    struct pollfd p = {INSPECT_SOCKET, POLLIN, 0};
    InspectMessage m;
    int fd[2], got = 0;
    while (!got) {
        if (poll(&p, 1, -1) < 0 && errno != EINTR) return false;
        got = receive(&m, fd);
    }
    bool ok = got > 0 && hello(&m, fd, unsealed);
    for (int n = 0; n < 2; n++)
        if (fd[n] >= 0) close(fd[n]);
    return ok;
}

void link_ask(const Question *q)
{
    if (!++l.id) l.id = 1;
    l.waits = true;
    l.is_now = q->view == INSPECT_NOW || q->view == INSPECT_DO;
    InspectMessage m = {INSPECT_ASK, (u16)q->view, l.id, q->a, q->b, q->mode};
    (void)!send(INSPECT_SOCKET, &m, sizeof m, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* --- the screen ------------------------------------------------------------------------------------------ */

static void look_at_screen(void)
{
    if (!l.scanout) return;
    memcpy(&l.state, l.shared->screen, sizeof l.state);
    l.picture = scanout_update(l.scanout, 0);
    if (l.picture->resized || l.picture->dirty_rows) l.number++;
}

u32 link_picture_number(void) { return l.picture && l.picture->width ? l.number : 0; }

const u8 *link_picture(size_t *bytes)
{
    const Picture *p = l.picture;
    if (!link_picture_number()) return NULL;
    if (l.packed_number != l.number) {
        free(l.png);
        l.png = png_pack(p->width, p->height, p->pixels, &l.png_bytes);
        l.packed_number = l.png ? l.number : 0;
    }
    *bytes = l.png_bytes;
    return l.png;
}

int link_receive(const char **text, u32 *bytes)
{
    InspectMessage m;
    int fd[2], got;
    while ((got = receive(&m, fd)) > 0) {
        for (int n = 0; n < 2; n++)
            if (fd[n] >= 0) close(fd[n]);
        if (m.kind != INSPECT_ANSWER || m.id != l.id || !l.waits || m.a > INSPECT_ANSWER_BYTES) continue;
        l.waits = false;
        if (l.is_now) look_at_screen();
        *text = l.shared->answer;
        *bytes = m.a;
        return 1;
    }
    return got;
}
