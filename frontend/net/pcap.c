/* pcap.c - see pcap.h. The format is libpcap's of old (magic a1b2c3d4h, version 2.4), in the host's byte order, link type 1
 * (Ethernet), whole frames; times are the host's, in microseconds. */
#include "frontend/net/pcap.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

enum { MAGIC = 0xa1b2c3d4, MAJOR = 2, MINOR = 4, SNAP_LENGTH = 65535, ETHERNET = 1 };

static FILE *file;

void pcap_header(u8 to[PCAP_HEADER])
{
    memset(to, 0, PCAP_HEADER);
    store32(to, MAGIC);
    store16(to + 4, MAJOR);
    store16(to + 6, MINOR);
    store32(to + 16, SNAP_LENGTH);
    store32(to + 20, ETHERNET);
}

void pcap_record(u8 to[PCAP_RECORD], u64 unix_us, u32 n)
{
    store32(to, (u32)(unix_us / 1000000));
    store32(to + 4, (u32)(unix_us % 1000000));
    store32(to + 8, n);
    store32(to + 12, n);
}

bool pcap_open(const char *path, Problem *p)
{
    u8 header[PCAP_HEADER];
    if (!*path) return true;
    file = fopen(path, "wbe");
    if (!file) return problem_set(p, "dump=%.200s: %s", path, strerror(errno));
    pcap_header(header);
    if (fwrite(header, sizeof header, 1, file) == 1 && !fflush(file)) return true;
    return problem_set(p, "dump=%.200s: %s", path, strerror(errno));
}

/* A disk that is full ends the dump, not the network. */
static void give_up(void)
{
    fclose(file);
    file = NULL;
}

void pcap_frame(const u8 *frame, u32 n)
{
    u8 record[PCAP_RECORD];
    struct timespec t;
    if (!file) return;
    clock_gettime(CLOCK_REALTIME, &t);
    pcap_record(record, (u64)t.tv_sec * 1000000 + (u64)t.tv_nsec / 1000, n);
    if (fwrite(record, sizeof record, 1, file) != 1 || fwrite(frame, n, 1, file) != 1) give_up();
}

void pcap_flush(void)
{
    if (file && fflush(file)) give_up();
}
