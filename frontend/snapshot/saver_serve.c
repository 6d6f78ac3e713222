/* saver_serve.c - the saver's process: see saver.h.
 *
 * PREPARE copies memory while the guest runs: what that copy is worth is that its pages are there, so that COPY, for
 * which the guest stands still, is nothing but memcpy. WRITE then takes as long as it takes. Holes of the memory's
 * file, which nobody has touched, are not looked at.
 *
 * A machine that moves (migrate.c) is sent by migrate_send.c, from a copy that is made as it is sent, and comes by
 * migrate_receive.c, into the memory of one that has not run yet.
 *
 * Its cage: no file but those it is given, nothing to execute, no socket but those that come by the gate or as
 * listener, and are accepted from that. Of a machine that runs the memory is only read. It ends with its parent.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "frontend/host/broker.h"
#include "frontend/host/filter.h"
#include "frontend/host/silence.h"
#include "frontend/snapshot/migrate_receive.h"
#include "frontend/snapshot/migrate_send.h"
#include "frontend/snapshot/saver.h"
#include "frontend/snapshot/two.h"

enum { IMAGES = 8, PAGES_MAX = 1 << 20, STRIPE_PAGES = 256 };

static struct {
    int socket;
    int memory;      /* its file; -1: none */
    u8 *from, *copy; /* of the regions, one behind the other in `copy` */
    u64 bytes;       /* of the file */
    u64 copy_bytes;
    u64 *present; /* a bit for each page of the copy */
    u32 pages[SAVER_REGIONS];
    u64 offset[SAVER_REGIONS];
    int image[IMAGES];
    unsigned images;
    MigrateShare *share;
    Sender *sender; /* NULL: no machine is on its way */
    int listener;   /* -1: none */
    bool is_called; /* ... which is connected already, and to one only */
} s = {.memory = -1, .listener = -1};

static void forget(void)
{
    send_end(s.sender);
    s.sender = NULL;
    if (s.from) munmap(s.from, s.bytes);
    if (s.copy) munmap(s.copy, s.copy_bytes);
    free(s.present);
    if (s.memory >= 0) close(s.memory);
    while (s.images) close(s.image[--s.images]);
    s.from = s.copy = NULL;
    s.present = NULL;
    s.memory = -1;
}

/* Memory from..to of the file, which is in one region, to its place in the copy: as far as it is this thread's, every other
 * STRIPE_PAGES. `present` false: it is a hole, also where it was copied before and the host has it back since (a balloon). */
static void copy_run(u64 from, u64 to, u64 first_page, u64 region_at, unsigned who, bool present)
{
    u64 page = first_page + ((from - region_at) >> PAGE_BITS), end = page + ((to - from) >> PAGE_BITS);
    while (page < end) {
        u64 next = (page / STRIPE_PAGES + 1) * STRIPE_PAGES, count = (next < end ? next : end) - page;
        bool ours = page / STRIPE_PAGES % two_count() == who;
        if (ours && present) memcpy(s.copy + (page << PAGE_BITS), s.from + from, count << PAGE_BITS);
        for (u64 n = page; ours && n < page + count; n++) {
            u64 bit = 1ull << n % 64;
            s.present[n / 64] = present ? s.present[n / 64] | bit : s.present[n / 64] & ~bit;
        }
        from += count << PAGE_BITS;
        page += count;
    }
}

static void copy_region(u64 at, u64 end, u64 first_page, unsigned who)
{
    for (u64 region_at = at; at < end;) {
        off_t data = lseek(s.memory, (off_t)at, SEEK_DATA);
        off_t hole = data < 0 ? -1 : lseek(s.memory, data, SEEK_HOLE);
        u64 from = hole < 0 || (u64)data > end ? end : (u64)data;
        copy_run(at, from, first_page, region_at, who, false);
        at = hole < 0 || (u64)hole > end ? end : (u64)hole;
        copy_run(from, at, first_page, region_at, who, true);
    }
}

static void copy_half(void *ctx, unsigned who)
{
    u64 first = 0;
    (void)ctx;
    for (unsigned n = 0; n < SAVER_REGIONS; n++) {
        copy_region(s.offset[n], s.offset[n] + ((u64)s.pages[n] << PAGE_BITS), first, who);
        first += s.pages[n];
    }
}

static void copy_all(void) { two_run(copy_half, NULL); }

/* Memory is there, and room for a copy. `how`: whether it is written to. */
static int take_memory(const SaverRequest *r, int fd, int how)
{
    u64 pages = 0;
    if (fd < 0) return EINVAL;
    s.memory = fd;
    for (unsigned n = 0; n < SAVER_REGIONS; n++) {
        s.pages[n] = r->pages[n];
        s.offset[n] = r->offset[n];
        pages += r->pages[n];
        if (r->pages[n] > PAGES_MAX || r->offset[n] > r->bytes ||
            (u64)r->pages[n] << PAGE_BITS > r->bytes - r->offset[n])
            return EINVAL;
    }
    s.bytes = r->bytes;
    s.copy_bytes = pages << PAGE_BITS;
    s.present = calloc(pages / 64 + 1, sizeof *s.present);
    s.from = mmap(NULL, s.bytes, how, MAP_SHARED | MAP_NORESERVE, fd, 0);
    s.copy =
        mmap(NULL, s.copy_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (s.from == MAP_FAILED) s.from = NULL;
    if (s.copy == MAP_FAILED) s.copy = NULL;
    if (!s.present || !s.from || !s.copy) return ENOMEM;
    madvise(s.copy, s.copy_bytes, MADV_HUGEPAGE);
    return 0;
}

static int prepare(const SaverRequest *r, int fd)
{
    forget();
    int error = take_memory(r, fd, PROT_READ);
    if (!error) copy_all();
    return error;
}

static int write_copy(u64 *end, int fd)
{
    PageRegion regions[SAVER_REGIONS];
    u64 first = 0;
    for (unsigned n = 0; n < SAVER_REGIONS; n++) {
        regions[n] = (PageRegion){.at = s.copy + (first << PAGE_BITS),
                                  .pages = s.pages[n],
                                  .fd = -1,
                                  .present = s.present,
                                  .present_at = first};
        first += s.pages[n];
    }
    int error = pages_save(regions, SAVER_REGIONS, fd, end);
    if (!error && fsync(fd)) error = errno;
    for (unsigned n = 0; n < s.images && !error; n++)
        if (fdatasync(s.image[n])) error = errno;
    return error;
}

/* --- a machine that moves --------------------------------------------------------------------------------- */

static void fill_regions(PageRegion regions[SAVER_REGIONS])
{
    for (unsigned n = 0; n < SAVER_REGIONS; n++)
        regions[n] = (PageRegion){
            .at = s.from + s.offset[n], .pages = s.pages[n], .offset = s.offset[n], .fd = s.memory};
}

static int fail(int error, const char *why)
{
    snprintf(s.share->sentence, sizeof s.share->sentence, "%s", why);
    return error;
}

/* Whoever made it has sent it before we were asked. */
static int take_connection(void)
{
    char word;
    int fd = -1;
    struct pollfd p = {.fd = BROKER_GATE, .events = POLLIN};
    if (poll(&p, 1, 0) > 0) broker_receive(BROKER_GATE, &word, 1, 1, &fd);
    return fd;
}

/* The machine's answer; its end is ours. *yes is false, too, if it has something else to say, which cancels what is
 * under way. */
static bool ask(const SaverAnswer *a, bool *yes)
{
    SaverRequest r;
    int fd;
    if (!broker_send(BROKER_SOCKET, a, sizeof *a, -1) ||
        !broker_receive(BROKER_SOCKET, &r, sizeof r, sizeof r, &fd))
        _exit(0);
    if (fd >= 0) close(fd);
    *yes = r.word == a->word && r.at;
    return r.word == a->word;
}

static u64 now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (u64)t.tv_sec * 1000000000 + (u64)t.tv_nsec;
}

static bool next_piece(void *ctx, u32 drive, u32 from, u64 *ns)
{
    const SaverAnswer a = {.word = SAVER_DISK, .end = (u64)drive << 32 | from};
    u64 since = now_ns();
    bool yes;
    (void)ctx;
    if (!ask(&a, &yes)) return fail(ECANCELED, "it was cancelled"), false;
    *ns = now_ns() - since;
    return yes;
}

/* Images came before by SAVER_SYNC. */
static int begin_sending(const SaverRequest *r, int fd)
{
    int connection = take_connection();
    send_end(s.sender);
    s.sender = NULL;
    int error = take_memory(r, fd, PROT_READ);
    if (error || connection < 0) {
        if (connection >= 0) close(connection);
        return fail(error ? error : EINVAL,
                    error ? "the host has no memory for a copy of the guest's" : "no connection");
    }
    SendMemory memory = {.copy = s.copy,
                         .present = s.present,
                         .image = s.image,
                         .images = s.images,
                         .disks = s.share->disks,
                         .next_piece = next_piece,
                         .patient = r->at != 0};
    fill_regions(memory.region);
    if (send_begin(&s.sender, &memory, connection, BROKER_SOCKET, s.share)) return 0;
    forget(); /* the other side is not left waiting */
    return EIO;
}

static int finish_sending(u64 *end)
{
    *end = s.sender ? send_finish(s.sender) : SEND_FAILED;
    return 0;
}

/* The machine's word on a question. */
static bool ask_machine(void *ctx, ReceiveQuestion q)
{
    static const SaverWord words[] = {[RECEIVE_FITS] = SAVER_FITS,
                                      [RECEIVE_READY] = SAVER_READY,
                                      [RECEIVE_DISK] = SAVER_DISK,
                                      [RECEIVE_SETTLE] = SAVER_SETTLE};
    const SaverAnswer a = {.word = words[q]};
    bool yes;
    (void)ctx;
    ask(&a, &yes);
    return yes;
}

/* -1: the machine has something else to say. */
static int next_caller(void)
{
    for (;;) {
        struct pollfd p[] = {{.fd = s.listener, .events = POLLIN}, {.fd = BROKER_SOCKET, .events = POLLIN}};
        if (poll(p, ARRAY_LEN(p), -1) < 0) continue;
        if (p[1].revents) return -1;
        int fd = accept4(s.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) return fd;
    }
}

static void stop_listening(void)
{
    close(s.listener);
    s.listener = -1;
}

/* The command that -incoming names leads to one, who may come at any time. */
static int receive_one(Receive *r)
{
    r->patient = true;
    ReceiveEnd end = receive_machine(r, s.listener);
    stop_listening();
    return end == RECEIVE_RUNS ? 0 : EIO;
}

/* Until one has come and gone who is a ring3. */
static int receive(const SaverRequest *q, int fd)
{
    ReceiveEnd end = RECEIVE_STRANGER;
    int error = take_memory(q, fd, PROT_READ | PROT_WRITE);
    if (error || s.listener < 0) return fail(EINVAL, "the host has no memory");
    Receive r = {.interrupt = BROKER_SOCKET, .m = s.share, .ask = ask_machine};
    fill_regions(r.region);
    if (s.is_called) return receive_one(&r);
    while (end == RECEIVE_STRANGER) {
        int caller = next_caller();
        if (caller < 0) return fail(ECANCELED, "it was cancelled");
        end = receive_machine(&r, caller);
        close(caller);
    }
    stop_listening();
    return end == RECEIVE_RUNS ? 0 : EIO;
}

static void carry_out(const SaverRequest *r, int fd, SaverAnswer *a)
{
    a->word = r->word;
    switch (r->word) {
    case SAVER_PREPARE: a->error = prepare(r, fd); return;
    case SAVER_COPY:
        if (s.copy) copy_all();
        a->error = s.copy ? 0 : EINVAL;
        return;
    case SAVER_WRITE:
        a->end = r->at;
        a->error = s.copy && fd >= 0 ? write_copy(&a->end, fd) : EINVAL;
        if (fd >= 0) close(fd);
        return;
    case SAVER_SEND: a->error = begin_sending(r, fd); return;
    case SAVER_FINISH: a->error = finish_sending(&a->end); return;
    case SAVER_LISTEN: a->error = receive(r, fd); return;
    default: return;
    }
}

static void confine(void)
{
    static const u32 advices[] = {MADV_HUGEPAGE, MADV_DONTNEED, MADV_FREE};
    static const Call calls[] = {
        {.number = SYS_recvmsg},
        {.number = SYS_sendmsg},
        {.number = SYS_pwrite64},
        {.number = SYS_lseek},
        {.number = SYS_close},
        {.number = SYS_fsync},
        {.number = SYS_fdatasync},
        {.number = SYS_sync_file_range},
        {.number = SYS_munmap},
        {.number = SYS_mremap},
        {.number = SYS_brk},
        {.number = SYS_getrandom},
        {.number = SYS_write},
        {.number = SYS_futex},
        {.number = SYS_exit_group},
        {.number = SYS_restart_syscall},
        /* a machine that moves */
        {.number = SYS_poll},
        {.number = SYS_recvfrom},
        {.number = SYS_accept4},
        {.number = SYS_getsockopt},
        {.number = SYS_fallocate},
        {.number = SYS_clock_gettime},
        {.number = SYS_clock_nanosleep},
        {.number = SYS_nanosleep},
        {SYS_madvise, CALL_THIRD, advices, ARRAY_LEN(advices)},
        {SYS_mmap, CALL_NO_EXEC, NULL, 0},
        {SYS_mprotect, CALL_NO_EXEC, NULL, 0},
    };
    filter_install_for_good(FILTER_REFUSES, calls, ARRAY_LEN(calls));
}

/* Descriptors that come along with a word, and words that are not answered. */
static bool is_noted(const SaverRequest *r, int fd)
{
    if (r->word == SAVER_SYNC && fd >= 0 && s.images < IMAGES) {
        s.image[s.images++] = fd;
        return true;
    }
    if (r->word == SAVER_LISTENER && s.listener < 0) {
        s.listener = fd;
        s.is_called = r->at != 0;
        return true;
    }
    if (r->word == SAVER_FORGET || r->word == SAVER_CANCEL) forget();
    bool answered = r->word == SAVER_PREPARE || r->word == SAVER_COPY || r->word == SAVER_WRITE ||
                    r->word == SAVER_SEND || r->word == SAVER_FINISH || r->word == SAVER_LISTEN;
    if (!answered && fd >= 0) close(fd);
    return !answered;
}

_Noreturn void saver_serve(int socket, int gate, MigrateShare *share)
{
    broker_become("ring3-saver", socket, gate);
    s.share = share;
    /* It has nothing to say, and who waits for the end of ring3's output (-daemonize) does not wait for it. */
    silence(STDIN_FILENO, STDERR_FILENO);
    two_start();
    confine();
    for (;;) {
        SaverRequest r = {0};
        SaverAnswer a = {0};
        int fd;
        if (!broker_receive(BROKER_SOCKET, &r, sizeof r, sizeof r, &fd)) _exit(0);
        if (is_noted(&r, fd)) continue;
        carry_out(&r, fd, &a);
        if (!broker_send(BROKER_SOCKET, &a, sizeof a, -1)) _exit(0);
        if (r.word == SAVER_WRITE || r.word == SAVER_FINISH || r.word == SAVER_LISTEN)
            forget(); /* which takes as long as nobody should wait */
    }
}
