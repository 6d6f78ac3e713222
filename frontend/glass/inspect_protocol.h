/* inspect_protocol.h - what passes between the machine's process (ring3) and the live page's server (ring3-inspect).
 *
 * The server speaks with browsers, so it is a process of its own, and the border between the two is a security border
 * as the window's is (window_protocol.h): neither side believes the other.
 *   - a socket (SOCK_SEQPACKET) carries InspectMessages of fixed size; what has another size or kind is ignored;
 *   - the server asks, one question at a time, and the machine answers when it comes to it: it reads no second question
 *     before the first is answered, and none for a while after one that took long (inspect.c). It never waits;
 *   - InspectShared is written by the machine only, before the message that says so; it is sealed as the window's is.
 *     The answer in it is JSON, which the server passes on as it stands: the page takes it for text and numbers;
 *   - the guest's memory is passed as a descriptor for reading; the server maps the video memory in it, nothing else,
 *     and draws the screen itself.
 * The listening socket is the machine's gift, too: from the hello on the server can neither open files nor make
 * sockets (frontend/inspect/confine.c).
 */
#ifndef RING3_INSPECT_PROTOCOL_H
#define RING3_INSPECT_PROTOCOL_H

#include "cpu/base/base.h"

enum {
    INSPECT_PROTOCOL = 1,
    INSPECT_SOCKET = 3,   /* the server's descriptor of the socket */
    INSPECT_LISTENER = 4, /* ... and of the one that browsers come to */
    INSPECT_VRAM_LIMIT = 64 << 20,
    INSPECT_SCREEN_BYTES = 64 << 10,
    INSPECT_ANSWER_BYTES = 1 << 20,
};

typedef enum InspectKind {
    INSPECT_HELLO =
        1,          /* machine -> server; id: INSPECT_PROTOCOL, a: bytes of video memory, b: its page in the
                        * guest's memory; two fds */
    INSPECT_ANSWER, /* machine -> server; id: of the question, a: how many bytes of InspectShared.answer; 0: there
                        * is no such thing */
    INSPECT_ASK, /* server -> machine; what: InspectView, id: not 0, a, b, mode: see there */
} InspectKind;

typedef enum InspectView {
    INSPECT_NOW,   /* the processor, counters, and (paused) the code at hand; InspectShared.screen is true */
    INSPECT_CACHE, /* the regions of the code cache */
    INSPECT_PAGES, /* a: 0 by 4 MiB, 1 the pages of the 4 MiB at b */
    INSPECT_DEVICES, /* interrupts, ports and device memory by count */
    INSPECT_HOT,     /* the hottest blocks; a: how many at most */
    INSPECT_BLOCK,   /* the block at linear address a; b 1: that of physical address a and `mode` */
    INSPECT_DO, /* a: InspectVerb; the answer, INSPECT_NOW's, comes when it is done, or with the next question */
    INSPECT_VIEWS
} InspectView;

typedef enum InspectVerb {
    VERB_PAUSE,
    VERB_CONTINUE,
    VERB_STEP,      /* one instruction */
    VERB_BRANCH,    /* until a jump, call, return or interrupt has been taken */
    VERB_BLOCK,     /* until the block at hand is left */
    VERB_EXIT,      /* until an instruction is at hand that translated code does not do by itself */
    VERB_SENSITIVE, /* until one of the unprivileged, but sensitive ones is at hand: POPF, SGDT ... */
    VERB_COUNT,     /* blocks count their runs from now on */
    VERB_UNCOUNT,   /* ... no more */
    VERBS
} InspectVerb;

typedef struct InspectMessage {
    u16 kind, what;
    u32 id, a, b;
    u64 mode;
} InspectMessage;
_Static_assert(sizeof(InspectMessage) == 24, "one size for both");

typedef struct InspectShared {
    _Alignas(PAGE_BYTES) u8 screen[INSPECT_SCREEN_BYTES]; /* a ScreenState */
    char answer[INSPECT_ANSWER_BYTES];
} InspectShared;

#endif
