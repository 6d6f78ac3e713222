/* front_undo.c - the layer that keeps what snapshots need of a disk, against a model that keeps whole copies.
 *
 * Random writes, marks, restores, deletions and reopenings: every mark's contents are what they were. Then the same with
 * the host crashing at a random write: of what was written since each file's last fdatasync(), a random part is lost, sector by
 * sector, and every mark is still whole. (pwrite, ftruncate, fdatasync and fsync of this program are the test's.) And
 * with kill -9, which loses nothing that was written. By hand: FUZZ_STEPS=100000 FUZZ_SEED=n.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "frontend/host/files.h"
#include "frontend/snapshot/undo.h"
#include "tests/random.h"

/* 12 clusters and a bit. */
enum { SECTORS = 12 * 128 + 5, BYTES = SECTORS * SECTOR_BYTES, MARKS = 6, JOURNAL = 4096 };

static char folder[64], image[80];
/* --- a host that may crash -------------------------------------------------------------------------------- */

typedef struct Lost {
    int fd;
    u64 at;
    u32 count;
    u8 was[SECTOR_BYTES];
} Lost;
static Lost journal[JOURNAL];
static unsigned journaled;
static u32 writes_left; /* until it crashes; 0: it does not */
static bool crashed;    /* what is written now does not reach the disk any more, though nobody hears of it */

static void remember(int fd, u64 at, u64 n)
{
    for (u64 end = at + n; at < end && journaled < JOURNAL;) {
        u64 next = (at / SECTOR_BYTES + 1) * SECTOR_BYTES;
        if (next > end) next = end;
        Lost *l = &journal[journaled++];
        *l = (Lost){.fd = fd, .at = at, .count = (u32)(next - at)};
        (void)!syscall(SYS_pread64, fd, l->was, l->count, at);
        at = next;
    }
}

ssize_t pwrite(int fd, const void *from, size_t n, off_t at)
{
    if (crashed) return (ssize_t)n;
    if (writes_left) remember(fd, (u64)at, n);
    if (writes_left && !--writes_left) crashed = true;
    return syscall(SYS_pwrite64, fd, from, n, at);
}

int ftruncate(int fd, off_t bytes) { return crashed ? 0 : (int)syscall(SYS_ftruncate, fd, bytes); }

static unsigned syncs;

static int synced(int fd)
{
    unsigned kept = 0;
    if (crashed) return 0;
    syncs++;
    for (unsigned n = 0; n < journaled; n++)
        if (journal[n].fd != fd) journal[kept++] = journal[n];
    journaled = kept;
    return 0;
}
int fdatasync(int fd) { return synced(fd); }
int fsync(int fd) { return synced(fd); }

/* Of what was not synced, a random part never reached the disk. */
static void lose(void)
{
    while (journaled) {
        const Lost *l = &journal[--journaled];
        if (rnd() & 1) (void)!syscall(SYS_pwrite64, l->fd, l->was, l->count, l->at);
    }
}

/* --- a disk ----------------------------------------------------------------------------------------------- */

static int disk_fd = -1;

static int disk_read(Medium *m, u64 sector, void *to, u32 count)
{
    (void)m;
    size_t n = (size_t)count * SECTOR_BYTES;
    return pread(disk_fd, to, n, (off_t)(sector * SECTOR_BYTES)) == (ssize_t)n ? 0 : EIO;
}
static int disk_write(Medium *m, u64 sector, const void *from, u32 count)
{
    (void)m;
    size_t n = (size_t)count * SECTOR_BYTES;
    return pwrite(disk_fd, from, n, (off_t)(sector * SECTOR_BYTES)) == (ssize_t)n ? 0 : EIO;
}
/* Some sectors become zeros, as in an image of clusters. */
static int disk_discard(Medium *m, u64 sector, u32 count)
{
    static const u8 zeros[SECTOR_BYTES];
    for (u64 at = sector; at < sector + count; at++)
        if (at % 16 && disk_write(m, at, zeros, 1)) return EIO;
    return 0;
}
static int disk_flush(Medium *m) { return (void)m, fdatasync(disk_fd); }

static Medium disk = {.sectors = SECTORS,
                      .name = "disk",
                      .read = disk_read,
                      .write = disk_write,
                      .flush = disk_flush,
                      .discard = disk_discard};

/* --- the model -------------------------------------------------------------------------------------------- */

static struct Model {
    u8 live[BYTES];
    u8 old[MARKS][BYTES];
    u64 mark[MARKS];
    unsigned count;
} * model; /* shared with children that are killed */
static Undo *undo;

static Medium *medium(void) { return undo_medium(undo); }

static void begin(void)
{
    char command[200];
    snprintf(command, sizeof command, "rm -rf %s/*", folder);
    assert_int_equal(system(command), 0);
    disk_fd = open(image, O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_true(disk_fd >= 0 && !ftruncate(disk_fd, BYTES));
    memset(model, 0, sizeof *model);
    undo = undo_new(&disk, "disk");
    journaled = 0;
}

static void end(void)
{
    undo_free(undo);
    close(disk_fd);
}

static void reopen(void)
{
    Problem p;
    undo = undo_new(&disk, "disk");
    assert_non_null(undo);
    if (model->count && !undo_open(undo, model->mark, model->count, &p)) fail_msg("%s", p.text);
}

static void write_some(void)
{
    static u8 bytes[300 * SECTOR_BYTES];
    u32 count = rnd() % 4 ? 1 + rnd() % 16 : 1 + rnd() % 300, sector = rnd() % SECTORS;
    if (count > SECTORS - sector) count = SECTORS - sector;
    u8 fill = (u8)(rnd() % 3 ? rnd() : 0);
    for (u32 n = 0; n < count * SECTOR_BYTES; n++) bytes[n] = (u8)(fill + (fill ? n / 100 : 0));
    assert_int_equal(medium()->write(medium(), sector, bytes, count), 0);
    memcpy(model->live + sector * SECTOR_BYTES, bytes, count * SECTOR_BYTES);
}

static void discard_some(void)
{
    u32 sector = rnd() % SECTORS, count = 1 + rnd() % (SECTORS - sector);
    assert_int_equal(medium()->discard(medium(), sector, count), 0);
    assert_int_equal(medium()->read(medium(), sector, model->live + sector * SECTOR_BYTES, count), 0);
}

static void mark_now(void)
{
    Problem p;
    if (model->count == MARKS) return;
    assert_true(undo_mark(undo, &model->mark[model->count], &p));
    assert_int_equal(medium()->flush(medium()), 0);
    memcpy(model->old[model->count++], model->live, BYTES);
}

static void delete_one(void)
{
    if (!model->count) return;
    unsigned n = rnd() % model->count;
    model->count--;
    model->mark[n] = model->mark[model->count];
    memcpy(model->old[n], model->old[model->count], BYTES);
    undo_keep(undo, model->mark, model->count);
}

static void check_live(void)
{
    static u8 all[BYTES];
    assert_int_equal(medium()->read(medium(), 0, all, SECTORS), 0);
    assert_memory_equal(all, model->live, BYTES);
}

static void go_back(unsigned n)
{
    assert_int_equal(undo_restore(undo, model->mark[n]), 0);
    memcpy(model->live, model->old[n], BYTES);
    check_live();
}

static void check_all(void)
{
    for (unsigned n = 0; n < model->count; n++) go_back(n);
}

static void do_something(void)
{
    u32 what = rnd() % 42;
    if (what < 30)
        write_some();
    else if (what >= 40)
        discard_some();
    else if (what < 33)
        mark_now();
    else if (what < 35 && model->count)
        go_back(rnd() % model->count);
    else if (what == 35)
        delete_one();
    else if (what == 36)
        assert_int_equal(medium()->flush(medium()), 0);
    else if (what == 37) {
        undo_free(undo);
        reopen();
    }
}

/* --- tests ------------------------------------------------------------------------------------------------ */

static void each_mark_stays_what_it_was(void **state)
{
    (void)state;
    begin();
    for (u32 n = random_steps(4000); n; n--) {
        do_something();
        if (n % 16 == 0) check_live();
        if (n % 256 == 0) check_all();
    }
    check_all();
    while (model->count) delete_one();
    assert_int_equal(undo_bytes(undo), 0);
    struct stat st;
    char path[100];
    snprintf(path, sizeof path, "%s/disk.undo", folder);
    assert_true(!stat(path, &st) && st.st_size <= 4096); /* the host has its room back */
    end();
}

/* What is not synced is lost in part; marks were synced. Torn or not, what the disk lost is the guest's business. */
static void a_host_that_crashes_loses_no_mark(void **state)
{
    (void)state;
    begin();
    mark_now();
    for (u32 n = random_steps(600); n; n--) {
        for (u32 k = rnd() % 8; k; k--) do_something();
        if (!model->count) mark_now();
        assert_int_equal(medium()->flush(medium()), 0);
        unsigned goes_to = rnd() % model->count;
        writes_left = 1 + rnd() % 60;
        while (!crashed && rnd() % 10) rnd() % 5 ? write_some() : discard_some();
        int error = crashed ? 0 : undo_restore(undo, model->mark[goes_to]);
        assert_true(!error || crashed);
        undo_free(undo);
        crashed = false;
        writes_left = 0;
        lose();
        reopen();
        check_all();
    }
    end();
}

static void kill_9_loses_nothing(void **state)
{
    (void)state;
    begin();
    for (u32 n = random_steps(4000) / 50; n; n--) {
        for (u32 k = rnd() % 8; k; k--) do_something();
        if (!model->count) mark_now();
        undo_free(undo);
        u64 from = seed;
        pid_t child = fork();
        if (!child) {
            reopen();
            seed = from;
            for (;;) rnd() % 20 ? write_some() : (void)undo_restore(undo, model->mark[rnd() % model->count]);
        }
        usleep(rnd() % 5000);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        rnd();
        reopen();
        check_all();
    }
    end();
}

static void a_file_of_another_disk_is_refused(void **state)
{
    Problem p;
    char path[100];
    (void)state;
    begin();
    random_steps(0);
    mark_now(), write_some();
    undo_free(undo);
    disk.sectors--;
    undo = undo_new(&disk, "disk");
    assert_false(undo_open(undo, model->mark, 1, &p));
    undo_free(undo);
    disk.sectors++;
    snprintf(path, sizeof path, "%s/disk.undo", folder);
    for (u32 n = 0; n < 300;
         n++) { /* flipped, cut: refused, or the marks are as good as may be, and nothing is harmed */
        int fd = open(path, O_RDWR);
        u8 byte = (u8)rnd();
        (void)!syscall(SYS_pwrite64, fd, &byte, 1, (off_t)(rnd() % 2 ? rnd() % 8192 : rnd() % (1 << 20)));
        if (rnd() % 20 == 0) assert_int_equal(ftruncate(fd, rnd() % (1 << 20)), 0);
        close(fd);
        undo = undo_new(&disk, "disk");
        if (undo_open(undo, model->mark, 1, &p)) {
            write_some();
            (void)undo_restore(undo, model->mark[0]);
        }
        undo_free(undo);
    }
    unlink(path);
    undo = undo_new(&disk, "disk");
    assert_false(undo_open(undo, model->mark, 1, &p));
    end();
}

/* A sync of the host's disk takes as long as copying many clusters: scattered ones share it, too. */
static void going_back_syncs_few_times(void **state)
{
    u8 sector[SECTOR_BYTES] = {1};
    (void)state;
    begin();
    mark_now();
    for (u32 n = 0; n < SECTORS; n += 2 * UNDO_CLUSTER_BYTES / SECTOR_BYTES)
        assert_int_equal(medium()->write(medium(), n, sector, 1), 0);
    assert_int_equal(medium()->read(medium(), 0, model->live, SECTORS), 0);
    mark_now(); /* what goes back has to be copied for this one */
    syncs = 0;
    go_back(0);
    assert_int_equal(syncs, 2); /* of the copies and of the disk */
    go_back(1);
    end();
}

/* What no mark needs goes when a mark does, and the file is no longer than before. */
static void keeping_the_same_marks_changes_nothing(void **state)
{
    (void)state;
    begin();
    random_steps(0);
    mark_now(), write_some(), mark_now(), write_some();
    u64 bytes = undo_bytes(undo);
    undo_keep(undo, model->mark, model->count);
    undo_keep(undo, model->mark, model->count);
    assert_int_equal(undo_bytes(undo), bytes);
    check_all();
    undo_keep(undo, model->mark, 0);
    assert_int_equal(undo_bytes(undo), 0);
    end();
}

static int setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/ring3-undo-XXXXXX");
    if (!mkdtemp(folder)) return -1;
    snprintf(image, sizeof image, "%s/image", folder);
    file_state_folder = folder;
    model = mmap(NULL, sizeof *model, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return model == MAP_FAILED ? -1 : 0;
}

static int teardown(void **state)
{
    char command[100];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_mark_stays_what_it_was),
        cmocka_unit_test(a_host_that_crashes_loses_no_mark),
        cmocka_unit_test(kill_9_loses_nothing),
        cmocka_unit_test(a_file_of_another_disk_is_refused),
        cmocka_unit_test(going_back_syncs_few_times),
        cmocka_unit_test(keeping_the_same_marks_changes_nothing),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
