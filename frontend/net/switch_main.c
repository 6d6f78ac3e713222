/* switch_main.c - ring3 switch: several machines on one wire, over UNIX sockets.
 *
 *     ring3 switch PATH [VLAN...] [trunk] [loss=PERCENT] [delay=MS] [rate=MBIT] [dump=FILE.pcap]
 *
 * Without VLANs it listens at PATH; with them at PATH.10 for VLAN 10 and so on, and with `trunk` at PATH.trunk, where frames have
 * tags. A machine comes by -nic stream,addr.type=unix,addr.path=PATH; each connection is a port, up to SWITCH_PORTS.
 * loss, delay and rate are of each port's way out: a frame is lost by chance, waits, and takes its time on the wire; up to QUEUE
 * wait. dump has every frame that came in.
 *
 * The peers are strangers: wire.c takes their frames apart, and this process can do little else but that.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "frontend/host/filter.h"
#include "frontend/net/address.h"
#include "frontend/net/backend.h"
#include "frontend/net/pcap.h"
#include "frontend/net/switch.h"
#include "frontend/net/wire.h"

enum { SOCKETS = 32, QUEUE = 512 };

typedef struct Waiting {
    u64 due_ns;
    u32 bytes;
    u8 frame[NET_FRAME_MOST];
} Waiting;

typedef struct Port {
    Wire wire;
    int place;
    u64 busy_ns; /* its wire is busy until then */
    u32 first, waits;
    Waiting queue[QUEUE];
} Port;

static struct {
    Switch sw;
    Port port[SWITCH_PORTS];
    struct {
        int fd, place;
        u16 vlan;
        NetAddress address;
    } door[SOCKETS];
    unsigned doors;
    u32 loss_ppm, delay_ms, rate_mbit;
    u64 chance;
} w;

static volatile sig_atomic_t ended;
static void on_end(int number)
{
    (void)number;
    ended = 1;
}

/* --- the command line ------------------------------------------------------------------------------------ */

static bool usage(void)
{
    say("switch: takes PATH [VLAN...] [trunk] [loss=PERCENT] [delay=MS] [rate=MBIT] [dump=FILE.pcap]");
    return false;
}

static bool add_door(const char *path, const char *suffix, u16 vlan)
{
    if (w.doors == SOCKETS) {
        say("switch: at most %d VLANs", SOCKETS);
        return false;
    }
    NetAddress *a = &w.door[w.doors].address;
    a->is_unix = true;
    int n = snprintf(a->path, sizeof a->path, "%s%s%s", path, *suffix ? "." : "", suffix);
    w.door[w.doors++].vlan = vlan;
    if (n > 0 && n < 107) return true;
    say("switch %.80s: too long for a socket's name", path);
    return false;
}

/* "2.5" percent and its like: a number with up to four places behind the point, in millionths of `unit`. */
static bool take_number(const char *text, double most, double *to)
{
    char *end;
    *to = strtod(text, &end);
    return end != text && !*end && *to >= 0 && *to <= most;
}

/* 0: it is none of these; 1: taken; -1: wrong. */
static int take_knob(const char *word, const char **dump)
{
    static const struct {
        const char *name;
        double most;
    } knobs[] = {{"loss=", 100}, {"delay=", 10000}, {"rate=", 100000}};
    double n;
    if (!strncmp(word, "dump=", 5)) {
        *dump = word + 5;
        return 1;
    }
    for (unsigned k = 0; k < ARRAY_LEN(knobs); k++) {
        size_t length = strlen(knobs[k].name);
        if (strncmp(word, knobs[k].name, length)) continue;
        if (!take_number(word + length, knobs[k].most, &n)) {
            say("switch %.60s: takes 0 to %.0f", word, knobs[k].most);
            return -1;
        }
        if (k == 0) w.loss_ppm = (u32)(n * 10000);
        if (k == 1) w.delay_ms = (u32)n;
        if (k == 2) w.rate_mbit = (u32)n;
        return 1;
    }
    return 0;
}

static bool take_word(const char *path, const char *word, const char **dump)
{
    char *end;
    int knob = take_knob(word, dump);
    if (knob) return knob > 0;
    if (!strcmp(word, "trunk")) return add_door(path, word, VLAN_TRUNK);
    unsigned long vlan = strtoul(word, &end, 10);
    if (*word >= '0' && *word <= '9' && !*end && vlan && vlan <= VLAN_MAX)
        return add_door(path, word, (u16)vlan);
    say("switch %.60s: not a VLAN (1 to %d), nor trunk, loss=, delay=, rate= or dump=", word, VLAN_MAX);
    return false;
}

static bool parse(int argc, char **argv, const char **dump)
{
    if (argc < 1 || !*argv[0] || *argv[0] == '-') return usage();
    for (int n = 1; n < argc; n++)
        if (!take_word(argv[0], argv[n], dump)) return false;
    return w.doors || add_door(argv[0], "", VLAN_NATIVE);
}

/* --- frames ---------------------------------------------------------------------------------------------- */

static u64 now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (u64)t.tv_sec * 1000000000 + (u64)t.tv_nsec;
}

static bool is_lost(void)
{
    w.chance = w.chance * 6364136223846793005ull + 1442695040888963407ull;
    return w.loss_ppm && (w.chance >> 33) % 1000000 < w.loss_ppm;
}

static void put_out(void *ctx, unsigned number, const u8 *frame, u32 n)
{
    Port *p = &w.port[number];
    (void)ctx;
    if (is_lost()) return;
    if (!w.delay_ms && !w.rate_mbit) {
        wire_send(&p->wire, frame, n);
        return;
    }
    if (p->waits == QUEUE || n > NET_FRAME_MOST) return;
    u64 now = now_ns(), begins = p->busy_ns > now ? p->busy_ns : now;
    p->busy_ns = begins + (w.rate_mbit ? (u64)n * 8000 / w.rate_mbit : 0);
    Waiting *q = &p->queue[(p->first + p->waits++) % QUEUE];
    q->due_ns = p->busy_ns + (u64)w.delay_ms * 1000000;
    q->bytes = n;
    memcpy(q->frame, frame, n);
}

static void got(void *ctx, const u8 *frame, u32 n)
{
    pcap_frame(frame, n);
    switch_frame(&w.sw, (unsigned)((Port *)ctx - w.port), frame, n, (u32)(now_ns() / 1000000000), put_out,
                 NULL);
}

/* What is due leaves; the time until the next, or -1. */
static int send_due(void)
{
    u64 now = now_ns(), next = UINT64_MAX;
    for (unsigned n = 0; n < SWITCH_PORTS; n++) {
        Port *p = &w.port[n];
        while (p->waits && p->queue[p->first].due_ns <= now) {
            wire_send(&p->wire, p->queue[p->first].frame, p->queue[p->first].bytes);
            p->first = (p->first + 1) % QUEUE;
            p->waits--;
        }
        if (p->waits && p->queue[p->first].due_ns < next) next = p->queue[p->first].due_ns;
    }
    return next == UINT64_MAX ? -1 : (int)((next - now) / 1000000) + 1;
}

/* --- ports ----------------------------------------------------------------------------------------------- */

static void take_port(unsigned door)
{
    int fd = accept4(w.door[door].fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    for (unsigned n = 0; n < SWITCH_PORTS; n++) {
        if (w.port[n].wire.fd >= 0) continue;
        wire_open(&w.port[n].wire, fd);
        w.port[n].waits = 0;
        switch_open_port(&w.sw, n, w.door[door].vlan);
        return;
    }
    close(fd); /* all ports are in use */
}

static void serve(const Polls *polls)
{
    for (unsigned n = 0; n < SWITCH_PORTS; n++) {
        Port *p = &w.port[n];
        if (p->place < 0 || !polls->at[p->place].revents) continue;
        if (!wire_serve(&p->wire, polls->at[p->place].revents, got, p)) switch_close_port(&w.sw, n);
    }
    for (unsigned n = 0; n < w.doors; n++)
        if (polls->at[w.door[n].place].revents) take_port(n);
}

static void run(void)
{
    Polls polls = {NULL, 0, 0};
    while (!ended) {
        int ms = send_due();
        pcap_flush();
        polls.count = 0;
        for (unsigned n = 0; n < w.doors; n++) w.door[n].place = polls_add(&polls, w.door[n].fd, POLLIN);
        for (unsigned n = 0; n < SWITCH_PORTS; n++) {
            const Wire *wire = &w.port[n].wire;
            w.port[n].place = wire->fd < 0 ? -1 : polls_add(&polls, wire->fd, wire_events(wire));
        }
        if (poll(polls.at, polls.count, ms) > 0) serve(&polls);
    }
}

/* --- starting -------------------------------------------------------------------------------------------- */

static bool open_doors(void)
{
    Problem p;
    for (unsigned n = 0; n < w.doors; n++) {
        w.door[n].fd = address_listen(&w.door[n].address, SOCK_STREAM, &p);
        if (w.door[n].fd < 0) {
            say("switch: %s", p.text);
            return false;
        }
        if (w.door[n].vlan == VLAN_TRUNK)
            printf("%s: a trunk\n", w.door[n].address.path);
        else
            printf("%s: VLAN %u\n", w.door[n].address.path, w.door[n].vlan);
    }
    fflush(stdout);
    return true;
}

/* Its sockets, those that come, its dump; and taking its sockets away at the end. */
static void confine(void)
{
    static const Call calls[] = {
        {.number = SYS_poll},          {.number = SYS_recvfrom},     {.number = SYS_sendto},
        {.number = SYS_accept4},       {.number = SYS_close},        {.number = SYS_write},
        {.number = SYS_clock_gettime}, {.number = SYS_brk},          {SYS_mmap, CALL_NO_EXEC, NULL, 0},
        {.number = SYS_munmap},        {.number = SYS_mremap},       {.number = SYS_madvise},
        {.number = SYS_unlink},        {.number = SYS_rt_sigreturn}, {.number = SYS_restart_syscall},
        {.number = SYS_exit_group},    {.number = SYS_exit},         {.number = SYS_fstat},
        {.number = SYS_newfstatat},    {.number = SYS_lseek},        {.number = SYS_getrandom},
    };
    filter_confine(calls, ARRAY_LEN(calls), false);
}

int switch_main(int argc, char **argv)
{
    const char *dump = "";
    Problem p;
    struct sigaction end = {.sa_handler = on_end};
    if (!parse(argc, argv, &dump) || !open_doors()) return 1;
    if (!pcap_open(dump, &p)) {
        say("switch: %s", p.text);
        return 1;
    }
    for (unsigned n = 0; n < SWITCH_PORTS; n++) w.port[n].wire.fd = -1;
    w.chance = now_ns();
    sigaction(SIGINT, &end, NULL);
    sigaction(SIGTERM, &end, NULL);
    signal(SIGPIPE, SIG_IGN);
    confine();
    run();
    pcap_flush();
    for (unsigned n = 0; n < w.doors; n++) unlink(w.door[n].address.path);
    return 0;
}
