/* saver.c - the machine's side of the saver: see saver.h.
 *
 * Why a process: compressing a guest's memory takes seconds, and a second busy thread in the machine's process would
 * make every mapping change of the guest's an interrupt to the other core (docs/ARCHITECTURE.md). It is forked before
 * there is a machine, so that it is small, and has no more than a socket until the first savevm.
 */
#define _GNU_SOURCE
#include "frontend/snapshot/saver.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frontend/host/broker.h"
#include "frontend/host/hostio.h"

static struct {
    int socket; /* -1: there is no saver */
    int gate;   /* -1: somebody has taken it */
    MigrateShare *share;
    atomic_bool told;
} v = {.socket = -1, .gate = -1};

static MigrateShare *make_share(void)
{
    void *at = mmap(NULL, sizeof *v.share, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE,
                    -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

bool saver_start(void)
{
    int pair[2], gate[2];
    if (!(v.share = make_share()) || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return false;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, gate) < 0) gate[0] = gate[1] = -1;
    pid_t child = fork();
    if (!child) {
        close(pair[0]);
        saver_serve(pair[1], gate[1], v.share);
    }
    close(pair[1]);
    if (gate[1] >= 0) close(gate[1]);
    v.socket = pair[0];
    v.gate = gate[0];
    if (child < 0) {
        close(pair[0]);
        v.socket = -1;
    }
    return child > 0;
}

int saver_take_gate(void)
{
    int gate = v.gate;
    v.gate = -1;
    return gate;
}

MigrateShare *saver_share(void) { return v.socket >= 0 ? v.share : NULL; }

bool saver_is_there(void) { return v.socket >= 0; }

int saver_fd(void) { return atomic_load(&v.told) ? -1 : v.socket; }

bool saver_ready(void)
{
    atomic_store(&v.told, true);
    return true;
}

static void lose(void)
{
    close(v.socket);
    v.socket = -1;
}

bool saver_ask(const SaverRequest *r, int fd)
{
    if (v.socket < 0) return false;
    if (broker_send(v.socket, r, sizeof *r, fd)) return true;
    lose();
    return false;
}

bool saver_answered(SaverAnswer *a, bool wait)
{
    int fd;
    *a = (SaverAnswer){.error = EPIPE};
    if (v.socket < 0) return false;
    struct pollfd p = {.fd = v.socket, .events = POLLIN};
    int ready;
    do ready = poll(&p, 1, wait ? -1 : 0);
    while (ready < 0 && errno == EINTR);
    if (ready <= 0) { /* it was taken already when the I/O thread told of it: that looks again */
        if (atomic_exchange(&v.told, false)) hostio_kick();
        return false;
    }
    bool got = broker_receive(v.socket, a, sizeof *a, sizeof *a, &fd);
    if (got && fd >= 0) close(fd);
    if (!got) lose();
    atomic_store(&v.told, false);
    hostio_kick();
    return got;
}
