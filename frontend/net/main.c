/* main.c - ring3-net: one card's network, in a process of its own.
 *
 * ring3 starts it with a socket to the machine as descriptor 3 and the memory that they share as descriptor 4:
 *     ring3-net KIND[,...]           in the words of -netdev
 * and a person, by `ring3 switch`, as
 *     ring3-net switch PATH [...]    see switch_main.c
 * It says nothing and ends with the machine. frontend/net_protocol.h is how the two talk.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/host/filter.h"
#include "frontend/host/leave_signals.h"
#include "frontend/host/silence.h"
#include "frontend/net/confine.h"
#include "frontend/net/link.h"
#include "frontend/net/pcap.h"
#include "frontend/net/switch.h"

static const Backend *const backends[NET_KINDS] = {
    [NET_USER] = &backend_user,   [NET_STREAM] = &backend_stream,
    [NET_DGRAM] = &backend_dgram, [NET_TAP] = &backend_tap,
#ifdef HAVE_VDE
    [NET_VDE] = &backend_vde,
#endif
};

/* --- the loop -------------------------------------------------------------------------------------------- */

static void run(const Backend *b)
{
    Polls polls = {NULL, 0, 0};
    for (;;) {
        int ms = -1;
        link_take(b);
        pcap_flush();
        polls.count = 0;
        link_wait(&polls);
        bool open = !link_is_backed_up();
        if (open) b->fill(&polls, &ms);
        bool sleeps = link_sleep();
        if (poll(polls.at, polls.count, sleeps ? ms : 0) < 0)
            for (unsigned n = 0; n < polls.count; n++) polls.at[n].revents = 0;
        if (!link_wake(&polls, b)) return;
        if (open) b->serve(&polls);
    }
}

/* --- starting -------------------------------------------------------------------------------------------- */

static bool is_socket(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

/* Each connection of the guest's is a descriptor here, for ten seconds after its end, too, and two buffers of 128 KiB, of
 * which most touch a page or two. From a heap that is used again and again they would come with all of their pages. A guest
 * that fills as many as it can has little more than a GiB of the host. */
static void expect_connections(void)
{
    enum { LARGE = 64 << 10, DESCRIPTORS = 4096 };
    struct rlimit l;
    mallopt(M_MMAP_THRESHOLD, LARGE);
    if (getrlimit(RLIMIT_NOFILE, &l)) return;
    l.rlim_cur = l.rlim_max < DESCRIPTORS ? l.rlim_max : DESCRIPTORS;
    setrlimit(RLIMIT_NOFILE, &l);
}

static int fail(const char *text)
{
    link_answer(NET_FAILED, 0, text);
    return 1;
}

static int serve(NetSpec *s)
{
    const Backend *b = backends[s->kind];
    char about[300] = "";
    Problem p;
    if (!link_begin(&s->fd)) return 1;
    if (!b) return fail("this ring3 was built without it: libvdeplug-dev was not there");
    if (!b->open(s, &p) || !pcap_open(s->dump, &p)) return fail(p.text);
    b->about(s, about, sizeof about);
    silence(STDOUT_FILENO,
            filter_sanitized ? STDOUT_FILENO : STDERR_FILENO); /* a sanitizer may have to speak */
    net_confine(s);
    link_answer(NET_READY, 0, about);
    run(b);
    pcap_flush();
    return 0;
}

/* What -nic says of the card is the machine's. */
static OptionsResult skip_card_key(void *ctx, const char *key, const char *value, bool *taken)
{
    (void)ctx, (void)value;
    *taken =
        !strcmp(key, "model") || !strcmp(key, "mac") || !strcmp(key, "macaddr") || !strcmp(key, "romfile");
    return OPTIONS_RUN;
}

int main(int argc, char **argv)
{
    static NetSpec spec;
    if (argc > 1 && !strcmp(argv[1], "switch")) return switch_main(argc - 2, argv + 2);
    if (argc != 2 || !is_socket(NET_SOCKET)) {
        fprintf(stderr, "ring3-net: ring3 starts this program; it does nothing by itself\n");
        return 1;
    }
    leave_signals();
    expect_connections();
    return net_spec_parse(&spec, skip_card_key, NULL, "ring3-net", argv[1]) ? 1 : serve(&spec);
}
