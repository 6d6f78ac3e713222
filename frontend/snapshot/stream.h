/* stream.h - messages between two ring3 over a socket while a machine moves from one to the other. See stream.c. */
#ifndef RING3_SNAPSHOT_STREAM_H
#define RING3_SNAPSHOT_STREAM_H

#include "cpu/base/base.h"

/* STREAM_VERSION_DISKS: contents of disks come along. */
enum { STREAM_VERSION = 1, STREAM_VERSION_DISKS = 2, STREAM_HEAD_BYTES = 36, STREAM_CHUNK_PAGES = 64 };

typedef enum StreamKind {
    STREAM_WELCOME = 1, /* target, at once: nothing is sent to whoever does not say that */
    STREAM_HELLO,  /* source: `first` its version, `region` bits of drives whose contents come along; the body: u32 pages
                      of each region, the parts' state */
    STREAM_ACCEPT, /* target: it could be that machine */
    STREAM_REFUSE, /* target, at any time: the body is a sentence */
    STREAM_PAGES,  /* source */
    STREAM_SYNC,   /* source: is all of it there? */
    STREAM_SYNCED, /* target: it is */
    STREAM_PARTS,  /* source: the last; `first`: it is to run. The body: the parts' state */
    STREAM_READY,  /* target: it has loaded the machine and has its disks */
    STREAM_RUN,    /* source: run. From here on it is the target's */
    STREAM_RUNS,   /* target */
    STREAM_DISK,   /* source, version 2: of the 64 clusters of the drive `region` from `first` on; as pages */
    STREAM_KINDS
} StreamKind;

typedef struct StreamHead {
    StreamKind kind;
    u32 bytes; /* of the body */
    u32 region, first;
    u64 present,
        zero; /* STREAM_PAGES: of the pages from `first` on those in the body, and those that are zeros now */
} StreamHead;

typedef struct Stream {
    int fd;        /* a socket that does not block */
    int interrupt; /* when this descriptor is readable, waiting for the other side ends; -1: none */
    bool interrupted;
    u64 sent_bytes;
    u32 head_crc, wanted_crc; /* of the message that is being received */
    char why[120];            /* what went wrong, as the end of a sentence */
} Stream;

/* All: false: *why. The time is from the last byte that moved on. */
bool stream_send(Stream *s, const StreamHead *h, const void *body, unsigned silence_ms);
/* What comes next; its body, if it has one, is stream_body()'s to fetch. `most`: of the body's bytes. */
bool stream_head(Stream *s, StreamHead *h, u32 most, unsigned silence_ms);
bool stream_body(Stream *s, const StreamHead *h, void *to, unsigned silence_ms);
/* stream_interrupted - look, without waiting. */
bool stream_interrupted(Stream *s);
/* stream_has_word - something has come, or the other side is gone. Does not wait. */
bool stream_has_word(Stream *s);
/* stream_drain - what still comes is forgotten, until the other side closes the connection or for so long: one that
 * is closed with bytes unread may take back what was sent last. */
void stream_drain(Stream *s, unsigned patience_ms);
/* stream_connected - whether a connection that is being made is there; waits for it. */
bool stream_connected(Stream *s, unsigned patience_ms);

#endif
