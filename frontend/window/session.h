/* session.h - the window's end of the connection to the machine: what every kind of display shares. See session.c. */
#ifndef RING3_SESSION_H
#define RING3_SESSION_H

#include "frontend/display/window_protocol.h"
#include "frontend/keyboard/typing.h"
#include "hw/scanout.h"

enum { TYPED_MAX = 1024 }; /* presses and releases that may wait; of a text, only the next */

typedef struct Session {
    int socket;
    int monitor;      /* a connection to the monitor; -1: none */
    const char *name; /* of the machine */
    const Layout *layout;
    bool full_screen;
    bool unsealed;              /* the host has no seals: the machine's memory may vanish (SIGBUS ends us) */
    bool gone, said_bye;        /* the machine's end is closed; it was meant to be */
    const WindowShared *shared; /* NULL until the machine's hello */
    Scanout *scanout;
    u8 held[256 / 8]; /* keys that the guest believes are down */
    u8 *held_by;      /* ... or they are noted here; NULL: there */
    void (*told)(struct Session *s, const WindowMessage *m); /* who wants other messages; NULL: nobody */
    u32 keys_sent;    /* WINDOW_KEYs */
    u64 looked_ns, screen_ns; /* when the screen was looked at; the time by which it is drawn */
    bool leds_seen;   /* the guest has lit one */
    struct {
        KeyEdge edge[TYPED_MAX];
        u32 head, tail;
        u64 next_ns, sent_ns;
        char *text;       /* what is typed when the edges are; NULL: none */
        const char *rest; /* of it */
        bool is_text;     /* some of it has not been typed */
        bool caps;        /* CapsLock was taken off for it */
    } typed;
} Session;

/* Take all messages that have arrived; never blocks. `gone` is set at the end of the connection. */
void session_receive(Session *s);
void session_confine(void);   /* give up what is not needed any more: confine.c */
void session_end(Session *s); /* says so if the machine died */

void session_send(Session *s, WindowMessageKind kind, s32 a, s32 b, s32 c, u16 d);
void session_key(Session *s, u8 key, bool down); /* a release of what is not held is dropped */
void session_release_keys(Session *s);
void session_ctrl_alt_delete(Session *s);
/* Put a file into a drive (DriveId), take out what is in it; by force: even if the guest has locked the drive. What came
 * of it is news. `as` stands before the file's whole path: "dir:", "fat:floppy:" for a folder, or "". */
void session_change(Session *s, s32 drive, const char *as, const char *path, bool force);
void session_eject(Session *s, s32 drive, bool force);

bool session_is_undecided(const Session *s); /* undoable disks: what becomes of them? */
bool session_is_off(const Session *s);       /* the guest has switched it off, and waits for that */
bool session_can_suspend(const Session *s); /* the machine has a place where it is kept */

/* Keystrokes for the guest, each when it has taken the one before. */
void session_type(Session *s, Keystroke k);
bool session_type_room(const Session *s); /* for a character */
void session_type_text(Session *s, const char *utf8);
bool session_types_text(const Session *s);
void session_type_stop(Session *s); /* what has not been typed yet is forgotten */
/* Type what is due; returns when to come again (host ns; UINT64_MAX: nothing waits). */
u64 session_typing(Session *s, u64 now_ns);

/* Lock keys that changed on the host while another window had the keyboard are pressed in the guest, if its lights do
 * not agree already. LOCK_ bits. */
enum { LOCK_SCROLL = 1, LOCK_NUM = 2, LOCK_CAPS = 4 };
void session_follow_locks(Session *s, u8 before, u8 now);

bool session_is_stopped(const Session *s);
/* The time by which the screen is drawn (scanout_update): the host's, without what passed while the machine stood
 * still, so that a picture at rest is a still one. Called whenever the screen is looked at. */
u64 session_screen_ns(Session *s, u64 now_ns);
/* The guest asks where the pointer is: WINDOW_POINTER, and no grab. */
bool session_wants_pointer(const Session *s);
/* ` - 33 MHz - paused`, ` - stopped: the host's disk is full or fails`, or nothing. */
void session_describe(const Session *s, char *to, u32 bytes);

#endif
