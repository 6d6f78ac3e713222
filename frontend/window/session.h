/* session.h - the window's end of the connection to the machine: what every kind of display shares. See session.c. */
#ifndef RING3_SESSION_H
#define RING3_SESSION_H

#include "frontend/typing.h"
#include "frontend/window_protocol.h"
#include "hw/scanout.h"

enum { TYPED_MAX = 16384 }; /* presses and releases that may wait */

typedef struct Session {
    int socket;
    const char *name; /* of the machine */
    const Layout *layout;
    bool full_screen;
    bool gone, said_bye;        /* the machine's end is closed; it was meant to be */
    const WindowShared *shared; /* NULL until the machine's hello */
    Scanout *scanout;
    u8 held[256 / 8]; /* keys that the guest believes are down */
    bool power_pressed;
    struct {
        KeyEdge edge[TYPED_MAX];
        u32 head, tail;
        u64 next_ns;
    } typed;
} Session;

/* Take all messages that have arrived; never blocks. `gone` is set at the end of the connection. */
void session_receive(Session *s);
void session_end(Session *s); /* says so if the machine died */

void session_send(Session *s, WindowMessageKind kind, s32 a, s32 b, s32 c, u16 d);
void session_key(Session *s, u8 key, bool down); /* a release of what is not held is dropped */
void session_release_keys(Session *s);
void session_ctrl_alt_delete(Session *s);
void session_close(Session *s); /* first the power button, then the end */

/* Text for the guest, typed at a pace that a keyboard interrupt handler can follow. */
void session_type(Session *s, Keystroke k);
void session_type_text(Session *s, const char *utf8);
/* Type what is due; returns when to come again (host ns; UINT64_MAX: nothing waits). */
u64 session_typing(Session *s, u64 now_ns);

/* ` - 33 MHz - paused`, or nothing. */
void session_describe(const Session *s, char *to, u32 bytes);

#endif
