/* bytes.c - see bytes.h. */
#define _GNU_SOURCE
#include "frontend/host/bytes.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

bool bytes_are_zero(const void *bytes, size_t n)
{
    const u8 *b = bytes;
    return !n || (!*b && !memcmp(b, b + 1, n - 1));
}

int bytes_write(int fd, u64 at, const void *from, u64 n)
{
    const u8 *next = from;
    while (n) {
        ssize_t put = pwrite(fd, next, n, (off_t)at);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return errno;
        next += put, at += (u64)put, n -= (u64)put;
    }
    return 0;
}

static int read_up_to(int fd, u64 at, u8 *to, u64 *n)
{
    while (*n) {
        ssize_t got = pread(fd, to, *n, (off_t)at);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return errno;
        if (!got) return 0;
        to += got, at += (u64)got, *n -= (u64)got;
    }
    return 0;
}

int bytes_read(int fd, u64 at, void *to, u64 n)
{
    int error = read_up_to(fd, at, to, &n);
    return error ? error : n ? EIO : 0;
}

int bytes_read_some(int fd, u64 at, void *to, u64 n)
{
    u64 left = n;
    int error = read_up_to(fd, at, to, &left);
    memset((u8 *)to + (n - left), 0, left);
    return error;
}
