/* balloon.h - the virtio memory balloon, by which a guest gives memory back to the host. See balloon.c. */
#ifndef RING3_BALLOON_H
#define RING3_BALLOON_H

#include "hw/clock.h"
#include "hw/virtio.h"

typedef struct BalloonConfig {
    bool present;
    bool deflate_on_oom; /* the guest may take memory back when it has none left */
    bool reports_free;   /* the guest may tell which of its memory is free (free-page-reporting) */
} BalloonConfig;

/* What the guest tells of its memory (2.5, "Memory Statistics"). */
enum {
    BALLOON_SWAP_IN,
    BALLOON_SWAP_OUT,
    BALLOON_MAJOR_FAULTS,
    BALLOON_MINOR_FAULTS,
    BALLOON_FREE,      /* bytes */
    BALLOON_TOTAL,     /* bytes */
    BALLOON_AVAILABLE, /* bytes, newer */
    BALLOON_CACHES,    /* bytes, newer */
    BALLOON_STATS = 16 /* and others */
};

enum { BALLOON_CONFIG_BYTES = 16 };

typedef struct Balloon {
    Virtio virtio;
    u32 target_pages;         /* that the host wants to have */
    u32 actual_pages;         /* that the guest says it gave */
    u32 poison;               /* what the guest fills free pages with */
    u8 word[4], word_bytes;   /* the first bytes of a page number whose others are in the next piece */
    u64 stats[BALLOON_STATS]; /* as the guest told them last */
    u32 stats_told;           /* which of them, a bit each */
    u64 stats_ns;             /* guest time of that */
    Timer timer;              /* to go on with a long buffer */
    /* wires */
    Clock *clock;
    u32 ram_pages;
} Balloon;

void balloon_init(Balloon *b, const BalloonConfig *c, const VirtioSlot *at, Clock *clock, u32 ram_bytes);
void balloon_post(Balloon *b, u32 io); /* as firmware leaves it: decoding there */
extern const PartKind balloon_part;
/* How much memory the guest shall have: it is asked to give the rest. */
void balloon_ask(Balloon *b, u64 guest_bytes);
/* The guest is asked for new statistics, which come when it has time. */
void balloon_ask_stats(Balloon *b);

#endif
