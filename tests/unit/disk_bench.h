/* disk_bench.h - a folder of its own for each test of image formats, and what these tests have in common. */
#ifndef RING3_DISK_BENCH_H
#define RING3_DISK_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/image/disk.h"

static char folder[] = "/tmp/ring3-disk-XXXXXX";
static char path[4][64]; /* image0 ... image3 */
static Problem problem;

static int bench_setup(void **state)
{
    (void)state;
    strcpy(folder + sizeof folder - 7, "XXXXXX");
    if (!mkdtemp(folder)) return -1;
    for (int n = 0; n < 4; n++) snprintf(path[n], sizeof path[n], "%s/image%d", folder, n);
    problem.text[0] = 0;
    return 0;
}

static int bench_teardown(void **state)
{
    (void)state;
    for (int n = 0; n < 4; n++) unlink(path[n]);
    return rmdir(folder);
}

static inline Disk *bench_open(int which, const char *format, bool writable)
{
    DiskSpec s = {.path = path[which], .format = format, .writable = writable};
    problem.text[0] = 0;
    return disk_open(&s, &problem);
}

/* A disk that must be there. */
static inline Disk *bench_get(int which, const char *format, bool writable)
{
    Disk *d = bench_open(which, format, writable);
    if (!d) fail_msg("%s", problem.text);
    return d;
}

static inline void bench_refused(int which, const char *format, bool writable, const char *word)
{
    if (bench_open(which, format, writable)) fail_msg("opened, without a word of %s", word);
    if (!strstr(problem.text, word)) fail_msg("%s: %s", word, problem.text);
}

static inline void bench_put(int which, u64 at, const void *bytes, size_t n)
{
    int fd = open(path[which], O_RDWR | O_CREAT, 0600);
    assert_int_equal(pwrite(fd, bytes, n, (off_t)at), n);
    close(fd);
}

static inline void bench_size(int which, u64 bytes)
{
    int fd = open(path[which], O_RDWR | O_CREAT, 0600);
    assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
    close(fd);
}

#define BENCH_TEST(f) cmocka_unit_test_setup_teardown(f, bench_setup, bench_teardown)

#endif
