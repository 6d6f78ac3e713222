/* pages.h - guest memory as a row of chunks in a file, and back. See pages.c for the layout. */
#ifndef RING3_SNAPSHOT_PAGES_H
#define RING3_SNAPSHOT_PAGES_H

#include "frontend/say.h"

/* What is saved of a memory: named by its number, in whole pages. */
typedef struct PageRegion {
    u8 *at;
    u32 pages;
    u64 offset; /* in `fd`, of its first byte */
    int fd;     /* the memory's file, whose holes read as zeros; -1: none */
    const u64
        *present;   /* instead of the file's holes: bits of the pages that are not zeros; NULL: not known */
    u64 present_at; /* ... which of these is the first page's */
} PageRegion;

/* What is known of the file's holes: the data from here to there. Zeroed: nothing. Pages are asked for in ascending order. */
typedef struct PageHoles {
    u64 data, hole;
} PageHoles;
/* page_has_memory - whether anybody ever wrote to the page at `at` (of the file). */
bool page_has_memory(const PageRegion *r, PageHoles *h, u64 at);
bool page_is_zero(const u8 *page);

/* pages_save - to `fd` from *end on, which is moved behind it. 0 or an errno. */
int pages_save(const PageRegion *regions, unsigned count, int fd, u64 *end);
/* pages_check - whether what lies at `at` is a whole row of chunks that fit into the regions; nothing is changed.
 * False: *p says what is wrong. */
bool pages_check(const PageRegion *regions, unsigned count, int fd, u64 at, Problem *p);
/* pages_load - what pages_check() found sound: all of the regions' pages, those that were not saved as zeros. */
bool pages_load(const PageRegion *regions, unsigned count, int fd, u64 at, Problem *p);

#endif
