/* front_migrate.c - a machine's memory and state over a socket: what the sender sends is what the receiver has, and
 * what strangers send is refused.
 *
 * A source and a target, threads of this process, over a socket pair; what they said is recorded. Then each mutation
 * of the recording (bytes changed, cut off, repeated, exchanged; also with the checksums put right again, so that
 * what lies behind them is reached) is sent to a receiver: it never writes outside of its memory (a debug build's
 * sanitizer sees to that, and guard pages), never takes a machine that is not whole, never writes to a disk what is
 * not of it, and never waits for ever. By hand: FUZZ_STEPS=100000 FUZZ_SEED=n.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include "frontend/image/changed.h"
#include "frontend/snapshot/migrate_receive.h"
#include "frontend/snapshot/migrate_send.h"

enum {
    RAM_PAGES = 150,
    VRAM_PAGES = 70,
    PAGES = RAM_PAGES + VRAM_PAGES,
    BYTES = PAGES * PAGE_BYTES,
    PARTS = 3000,
    CLUSTERS = 150, /* of a disk, which is drive DRIVE */
    DRIVE = 3,
    DISK_BYTES = CLUSTERS * CHANGED_CLUSTER_BYTES
};

static u64 seed = 88172645463325252ull;

static u32 rnd(void)
{
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return (u32)(seed >> 16);
}

/* Whole pages with a page without rights on either side. */
typedef struct Memory {
    int fd;
    u8 *at;
} Memory;

static Memory memory_new(void)
{
    Memory m = {.fd = memfd_create("guest", MFD_CLOEXEC)};
    assert_int_equal(ftruncate(m.fd, BYTES), 0);
    u8 *place = mmap(NULL, BYTES + 2 * PAGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    m.at = mmap(place + PAGE_BYTES, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, m.fd, 0);
    assert_ptr_equal(m.at, place + PAGE_BYTES);
    return m;
}

static void regions(const Memory *m, PageRegion r[2])
{
    r[0] = (PageRegion){.at = m->at, .pages = RAM_PAGES, .offset = 0, .fd = m->fd};
    r[1] = (PageRegion){.at = m->at + RAM_PAGES * PAGE_BYTES,
                        .pages = VRAM_PAGES,
                        .offset = RAM_PAGES * PAGE_BYTES,
                        .fd = m->fd};
}

/* Some pages never touched, some of zeros, some that pack, some that do not. */
static void scribble(u8 *at, u32 pages, u32 one_in)
{
    for (u32 n = 0; n < pages; n++, at += PAGE_BYTES) {
        if (rnd() % one_in) continue;
        u32 kind = rnd() % 4;
        for (u32 k = 0; k < PAGE_BYTES && kind; k++)
            at[k] = kind == 1 ? 0 : kind == 2 ? (u8)(k / 64) : (u8)rnd();
    }
}

/* --- one side of each ------------------------------------------------------------------------------------- */

typedef struct Target {
    pthread_t thread;
    Memory memory;
    MigrateShare *m;
    int fd;
    bool fits, ready;
    unsigned asked[4];
    u8 *disk;
    bool refuses_disk;
    bool lied; /* a piece was handed on that is none */
    ReceiveEnd end;
} Target;

/* As migrate_disks.c does; that is tested with machines (boot.migrate.disks). */
static bool take_piece(Target *t)
{
    const MigrateDisk *d = &t->m->disk;
    const u8 *from = d->data;
    u64 bits = d->present | d->zero;
    t->lied |= d->drive >= 32 || !(t->m->disks >> d->drive & 1) || d->present & d->zero ||
               __builtin_popcountll(d->present) > MIGRATE_DISK_CLUSTERS;
    if (d->drive != DRIVE || d->first >= CLUSTERS ||
        (CLUSTERS - d->first < 64 && bits >> (CLUSTERS - d->first)))
        return false;
    for (u32 n = 0; n < 64; n++) {
        u8 *to = t->disk + (size_t)(d->first + n) * CHANGED_CLUSTER_BYTES;
        if (d->zero >> n & 1) memset(to, 0, CHANGED_CLUSTER_BYTES);
        if (!(d->present >> n & 1)) continue;
        memcpy(to, from, CHANGED_CLUSTER_BYTES);
        from += CHANGED_CLUSTER_BYTES;
    }
    return true;
}

static bool target_asked(void *ctx, ReceiveQuestion q)
{
    Target *t = ctx;
    t->asked[q]++;
    bool yes = q == RECEIVE_FITS    ? t->fits
               : q == RECEIVE_READY ? t->ready
               : q == RECEIVE_DISK  ? take_piece(t) && !t->refuses_disk
                                    : true;
    if (!yes) snprintf(t->m->sentence, MIGRATE_SENTENCE, "no, because");
    return yes;
}

static void *target_run(void *ctx)
{
    Target *t = ctx;
    Receive r = {.interrupt = -1, .m = t->m, .ask = target_asked, .ctx = t};
    regions(&t->memory, r.region);
    t->end = receive_machine(&r, t->fd);
    close(t->fd);
    return NULL;
}

static MigrateShare *share_new(void)
{
    MigrateShare *m =
        mmap(NULL, sizeof *m, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_ptr_not_equal(m, MAP_FAILED);
    atomic_store(&m->downtime_limit_ns, 1000000000);
    return m;
}

static Target *target_new(int fd)
{
    Target *t = calloc(1, sizeof *t);
    t->memory = memory_new();
    t->disk = calloc(1, DISK_BYTES);
    t->m = share_new();
    t->fd = fd;
    t->fits = t->ready = true;
    return t;
}

static void target_free(Target *t)
{
    munmap(t->memory.at - PAGE_BYTES, BYTES + 2 * PAGE_BYTES);
    munmap(t->m, sizeof *t->m);
    close(t->memory.fd);
    free(t->disk);
    free(t);
}

/* Between two sockets; what goes from the first to the second is kept. */
typedef struct Tap {
    pthread_t thread;
    int fd[2];
    u8 *bytes;
    size_t count, room;
} Tap;

static void *tap_run(void *ctx)
{
    Tap *t = ctx;
    u8 piece[65536];
    for (;;) {
        struct pollfd p[] = {{t->fd[0], POLLIN, 0}, {t->fd[1], POLLIN, 0}};
        poll(p, 2, -1);
        for (int way = 0; way < 2; way++) {
            if (!p[way].revents) continue;
            ssize_t n = read(t->fd[way], piece, sizeof piece);
            if (n <= 0) {
                close(t->fd[0]);
                close(t->fd[1]);
                return NULL;
            }
            if (way == 0) {
                t->bytes = realloc(t->bytes, t->count + (size_t)n);
                memcpy(t->bytes + t->count, piece, (size_t)n);
                t->count += (size_t)n;
            }
            for (ssize_t done = 0, k; done<n; done += k> 0 ? k : 0) {
                k = send(t->fd[1 - way], piece + done, (size_t)(n - done), MSG_NOSIGNAL);
                if (k < 0) break;
            }
        }
    }
}

static void make_pair(int pair[2], bool blocks)
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    fcntl(pair[blocks ? 1 : 0], F_SETFL, O_NONBLOCK);
}

/* A source's disk; NULL: none goes along. */
static struct {
    u8 *at;
    Changed marked;
    MigrateShare *m;
    u32 writes; /* by the guest, while it is sent */
} disk;

static void write_cluster(u32 cluster)
{
    u8 *at = disk.at + (size_t)cluster * CHANGED_CLUSTER_BYTES;
    u32 kind = rnd() % 3;
    for (u32 k = 0; k < CHANGED_CLUSTER_BYTES; k++)
        at[k] = kind == 0 ? 0 : kind == 1 ? (u8)(k / 64) : (u8)rnd();
    changed_note(&disk.marked, (u64)cluster * CHANGED_CLUSTER_SECTORS, CHANGED_CLUSTER_SECTORS);
}

static bool next_piece(void *ctx, u32 drive, u32 from, u64 *ns)
{
    MigrateDisk *d = &disk.m->disk;
    u32 count = 0, at = (u32)changed_next(&disk.marked, from);
    (void)ctx;
    *ns = 0;
    d->later = rnd() % 16 == 0;
    *d = (MigrateDisk){.drive = drive, .first = at, .next = from, .later = d->later};
    if (d->later) return true;
    for (; at < CLUSTERS && at - d->first < 64 && count < MIGRATE_DISK_CLUSTERS;
         at = (u32)changed_next(&disk.marked, at + 1)) {
        const u8 *bytes = disk.at + (size_t)at * CHANGED_CLUSTER_BYTES;
        bool zero = !*bytes && !memcmp(bytes, bytes + 1, CHANGED_CLUSTER_BYTES - 1);
        changed_set(&disk.marked, at, false);
        if (!zero) memcpy(d->data + (size_t)count++ * CHANGED_CLUSTER_BYTES, bytes, CHANGED_CLUSTER_BYTES);
        *(zero ? &d->zero : &d->present) |= 1ull << (at - d->first);
    }
    d->next = at < CLUSTERS ? at : MIGRATE_DISK_END;
    if (disk.writes && rnd() % 4 == 0) {
        disk.writes--;
        write_cluster(rnd() % CLUSTERS);
    }
    return true;
}

static void disk_new(MigrateShare *m)
{
    disk.at = calloc(1, DISK_BYTES);
    disk.m = m;
    disk.writes = 20;
    assert_true(changed_begin(&disk.marked, CLUSTERS * CHANGED_CLUSTER_SECTORS, true));
    for (u32 n = 0; n < CLUSTERS; n++)
        if (rnd() % 16 == 0) write_cluster(n);
}

static void disk_end(void)
{
    free(disk.at);
    disk.at = NULL;
    changed_end(&disk.marked);
}

/* What a balloon does to pages. */
static void give_back(const Memory *m, u32 one_in)
{
    for (u32 n = 0; n < PAGES; n++)
        if (rnd() % one_in == 0)
            assert_int_equal(fallocate(m->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                       (off_t)n * PAGE_BYTES, PAGE_BYTES),
                             0);
}

/* What send_begin() and send_finish() make of it; the guest writes on in between. */
static SendEnd move(Memory *source, MigrateShare *m, int fd)
{
    u8 *copy = calloc(PAGES, PAGE_BYTES);
    u64 present[PAGES / 64 + 1] = {0};
    SendMemory memory = {
        .copy = copy, .present = present, .next_piece = next_piece, .disks = disk.at ? 1u << DRIVE : 0};
    Sender *s;
    SendEnd end = SEND_FAILED;
    regions(source, memory.region);
    m->parts_bytes = PARTS;
    for (u32 n = 0; n < PARTS; n++) m->parts[n] = (u8)n;
    if (send_begin(&s, &memory, fd, -1, m)) {
        scribble(source->at, PAGES, 5);
        if (disk.at) write_cluster(rnd() % CLUSTERS);
        give_back(source, 4);
        memset(m->parts, 0x77, PARTS);
        m->runs = true;
        end = send_finish(s);
    }
    send_end(s);
    free(copy);
    return end;
}

static u8 *recorded;
static size_t recorded_bytes;

static SendEnd move_to(Target *t, Memory *source, MigrateShare *m, bool record)
{
    int one[2], two[2];
    Tap tap = {.bytes = NULL};
    make_pair(one, false);
    make_pair(two, false);
    t->fd = two[0];
    tap.fd[0] = one[1];
    tap.fd[1] = two[1];
    fcntl(one[1], F_SETFL, 0);
    fcntl(two[1], F_SETFL, 0);
    pthread_create(&t->thread, NULL, target_run, t);
    pthread_create(&tap.thread, NULL, tap_run, &tap);
    SendEnd end = move(source, m, one[0]);
    pthread_join(t->thread, NULL);
    pthread_join(tap.thread, NULL);
    if (record) {
        recorded = tap.bytes;
        recorded_bytes = tap.count;
    } else {
        free(tap.bytes);
    }
    return end;
}

/* --- tests ------------------------------------------------------------------------------------------------ */

static void arrives_whole(void **state)
{
    (void)state;
    for (int n = 0; n < 8; n++) {
        Memory source = memory_new();
        MigrateShare *m = share_new();
        Target *t = target_new(-1);
        atomic_store(&m->max_bandwidth, n % 4 == 3 ? 20 << 20 : 0);
        scribble(source.at, PAGES, 2);
        memset(t->memory.at, 0x55, BYTES); /* the target's firmware was there */
        if (n % 2 == 0) disk_new(m);
        assert_int_equal(move_to(t, &source, m, n == 0), SEND_MOVED);
        assert_int_equal(t->end, RECEIVE_RUNS);
        assert_memory_equal(source.at, t->memory.at, BYTES);
        if (disk.at) assert_memory_equal(disk.at, t->disk, DISK_BYTES);
        assert_int_equal(t->m->disks, disk.at ? 1u << DRIVE : 0);
        disk_end();
        assert_int_equal(t->m->parts_bytes, PARTS);
        assert_int_equal(t->m->parts[17], 0x77);
        assert_true(t->m->runs);
        assert_true(t->asked[RECEIVE_FITS] == 1 && t->asked[RECEIVE_READY] == 1);
        target_free(t);
        munmap(source.at - PAGE_BYTES, BYTES + 2 * PAGE_BYTES);
        munmap(m, sizeof *m);
        close(source.fd);
    }
}

static void is_refused_with_a_sentence(void **state)
{
    (void)state;
    for (int n = 0; n < 2; n++) {
        Memory source = memory_new();
        MigrateShare *m = share_new();
        Target *t = target_new(-1);
        scribble(source.at, PAGES, 2);
        t->fits = n != 0;
        t->ready = n != 1;
        assert_int_equal(move_to(t, &source, m, false), SEND_FAILED);
        assert_int_equal(t->end, RECEIVE_FAILED);
        assert_string_equal(m->sentence, "the other side refuses: no, because");
        target_free(t);
        munmap(source.at - PAGE_BYTES, BYTES + 2 * PAGE_BYTES);
        munmap(m, sizeof *m);
        close(source.fd);
    }
}

/* --- strangers -------------------------------------------------------------------------------------------- */

static void put_right(u8 *bytes, size_t count)
{
    for (size_t at = 0; at + STREAM_HEAD_BYTES <= count;) {
        u32 n = load32(bytes + at + 4);
        if (n > count - at - STREAM_HEAD_BYTES) return;
        u32 crc = (u32)crc32(0, bytes + at, 32);
        store32(bytes + at + 32, n ? (u32)crc32(crc, bytes + at + STREAM_HEAD_BYTES, n) : crc);
        at += STREAM_HEAD_BYTES + n;
    }
}

/* Where the heads are. */
static unsigned find_heads(size_t heads[], unsigned most)
{
    unsigned count = 0;
    for (size_t at = 0; at + STREAM_HEAD_BYTES <= recorded_bytes && count < most; count++) {
        heads[count] = at;
        at += STREAM_HEAD_BYTES + load32(recorded + at + 4);
    }
    return count;
}

static size_t mutate(u8 *bytes, const size_t heads[], unsigned count)
{
    size_t n = recorded_bytes;
    memcpy(bytes, recorded, n);
    for (u32 changes = 1 + rnd() % 3; changes; changes--) {
        size_t head = heads[rnd() % count], other = heads[rnd() % count];
        switch (rnd() % 6) {
        case 0: bytes[rnd() % n] ^= (u8)(1 << rnd() % 8); break;
        case 1: store32(bytes + head + 4 * (rnd() % 8), rnd() % 3 ? rnd() >> rnd() % 32 : ~0u); break;
        case 2: bytes[head + rnd() % STREAM_HEAD_BYTES] = (u8)rnd(); break;
        case 3: memcpy(bytes + head, recorded + other, STREAM_HEAD_BYTES); break;
        case 4: bytes[head] = (u8)(1 + rnd() % STREAM_KINDS); break;
        default: n = n - rnd() % (n / 2); break;
        }
        if (n < recorded_bytes) break;
    }
    if (rnd() % 2) put_right(bytes, n);
    return n;
}

static void throw_at(Target *t, const u8 *bytes, size_t n)
{
    int pair[2];
    u8 answer[4096];
    make_pair(pair, false);
    t->fd = pair[0];
    fcntl(pair[1], F_SETFL, O_NONBLOCK);
    pthread_create(&t->thread, NULL, target_run, t);
    while (n) {
        struct pollfd p = {pair[1], POLLOUT | POLLIN, 0};
        poll(&p, 1, -1);
        if (p.revents & POLLIN && read(pair[1], answer, sizeof answer) <= 0) break;
        ssize_t done = send(pair[1], bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (done < 0 && p.revents & (POLLERR | POLLHUP)) break;
        if (done > 0) bytes += done, n -= (size_t)done;
    }
    shutdown(pair[1], SHUT_WR);
    while (read(pair[1], answer, sizeof answer) != 0) {
        struct pollfd p = {pair[1], POLLIN, 0};
        if (poll(&p, 1, 60000) < 1 || p.revents & POLLERR) break;
    }
    pthread_join(t->thread, NULL);
    close(pair[1]);
}

static void strangers_get_nowhere(void **state)
{
    static size_t heads[256];
    const char *text = getenv("FUZZ_STEPS"), *from = getenv("FUZZ_SEED");
    (void)state;
    u8 *bytes = malloc(recorded_bytes);
    u32 steps = text ? (u32)strtoul(text, NULL, 0) : 300, whole = 0;
    if (from) seed = strtoull(from, NULL, 0) * 2 + 1;
    unsigned count = find_heads(heads, ARRAY_LEN(heads));
    assert_true(count > 8);
    for (u32 n = 0; n < steps; n++) {
        Target *t = target_new(-1);
        size_t length = mutate(bytes, heads, count);
        throw_at(t, bytes, length);
        assert_false(t->lied);
        if (t->end == RECEIVE_RUNS) {
            whole++;
            assert_true(t->asked[RECEIVE_FITS] == 1 && t->asked[RECEIVE_READY] == 1);
        } else {
            assert_false(t->lied);
            assert_true(t->m->sentence[0] && memchr(t->m->sentence, 0, MIGRATE_SENTENCE));
        }
        target_free(t);
    }
    assert_true(whole < steps / 2); /* some mutations are of bytes of a page, put right */
    free(bytes);
}

/* The other side refuses while pieces are on their way: the source hears why, whatever is still unread. */
static void is_refused_on_the_way(void **state)
{
    (void)state;
    Memory source = memory_new();
    MigrateShare *m = share_new();
    Target *t = target_new(-1);
    disk_new(m);
    for (u32 n = 0; n < CLUSTERS; n++) write_cluster(n);
    t->refuses_disk = true;
    assert_int_equal(move_to(t, &source, m, false), SEND_FAILED);
    assert_int_equal(t->end, RECEIVE_FAILED);
    assert_string_equal(m->sentence, "the other side refuses: no, because");
    disk_end();
    target_free(t);
    munmap(source.at - PAGE_BYTES, BYTES + 2 * PAGE_BYTES);
    munmap(m, sizeof *m);
    close(source.fd);
}

static void marks_are_found(void **state)
{
    Changed c;
    (void)state;
    assert_true(changed_begin(&c, 1000 * CHANGED_CLUSTER_SECTORS + 1, true));
    assert_true(c.clusters == 1001 && c.count == 1001 && changed_next(&c, 0) == 0);
    changed_end(&c);
    assert_true(changed_begin(&c, 1000 * CHANGED_CLUSTER_SECTORS, false));
    assert_true(changed_next(&c, 0) == 1000 && c.count == 0);
    changed_note(&c, 5 * CHANGED_CLUSTER_SECTORS - 1, 2);
    changed_note(&c, 999 * CHANGED_CLUSTER_SECTORS, CHANGED_CLUSTER_SECTORS);
    changed_note(&c, 0, 0);
    assert_true(c.count == 3 && changed_next(&c, 0) == 4 && changed_next(&c, 5) == 5 &&
                changed_next(&c, 6) == 999);
    assert_true(changed_set(&c, 4, false) && !changed_set(&c, 4, false) && c.count == 2);
    changed_end(&c);
}

static void the_recording_itself_is_taken(void **state)
{
    Target *t = target_new(-1);
    (void)state;
    throw_at(t, recorded, recorded_bytes);
    assert_int_equal(t->end, RECEIVE_RUNS);
    target_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(arrives_whole),
                                       cmocka_unit_test(is_refused_with_a_sentence),
                                       cmocka_unit_test(is_refused_on_the_way),
                                       cmocka_unit_test(marks_are_found),
                                       cmocka_unit_test(the_recording_itself_is_taken),
                                       cmocka_unit_test(strangers_get_nowhere)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
