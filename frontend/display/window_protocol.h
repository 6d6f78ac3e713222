/* window_protocol.h - what passes between the machine's process (ring3) and the window's (ring3-window).
 *
 * The window is the side that touches the desktop, its clipboard and its drivers, so the border between the two
 * processes is a security boundary, and neither side believes the other:
 *   - a socket (SOCK_SEQPACKET, so that a message is a message) carries WindowMessages of fixed size. Anything of
 *     another size or of an unknown kind is ignored, values are cut down to what they may be;
 *   - WindowShared is written by the machine only. It is sealed before it is passed on: the window cannot write it, and
 *     the machine cannot shrink it under the window (where the host has seals; else the window can only read it, and a
 *     machine that takes it away ends the window). What stands in it may change at any moment;
 *   - the names of media pass as text: to the machine in WINDOW_PATHs, 12 bytes each, to the window in WindowShared. The
 *     window may ask for any file that ring3 could open, as the person may: it runs as the same user. What it shows of a
 *     name is cleaned of all but printable characters;
 *   - so do the names of snapshots. The list that the window shows of them is a page of WindowShared.shot, written when it
 *     asks; a picture there has sizes and pixels, and no format that the window would have to read. Which one is meant it
 *     says by number and date, so that no other one of that number is taken. What ring3-vnc says of them is ignored, but it
 *     can see the page, as all of WindowShared;
 *   - for -display curses, a second socket is a client of the monitor, which Ctrl-A C shows. A window of the desktop
 *     closes it before it looks at the guest;
 *   - the guest's memory is passed as a descriptor for reading; the window maps the video memory in it, nothing else.
 * ring3-vnc (frontend/vnc/) speaks the same words for people who are elsewhere, but its word counts for less: it may send keys,
 * the mouse and who came and left; whatever else comes from it is ignored.
 * The window has opened its display by then: from the hello on it cannot start programs or touch other processes
 * (confine.c). The machine makes the first message (WINDOW_HELLO) when it has memory; with it go the two
 * descriptors. The end of the socket is how each side learns of the other's death.
 */
#ifndef RING3_WINDOW_PROTOCOL_H
#define RING3_WINDOW_PROTOCOL_H

#include <stdatomic.h>

#include "cpu/base/base.h"

enum {
    WINDOW_PROTOCOL = 8,
    WINDOW_SOCKET = 3,            /* the window's descriptor of the socket */
    WINDOW_MONITOR = 4,           /* ... of its connection to the monitor, if it may use the terminal */
    WINDOW_NO_DISPLAY = 3,        /* its exit code when nothing could be opened */
    WINDOW_VRAM_LIMIT = 64 << 20, /* more is refused */
    WINDOW_SCREEN_BYTES = 64 << 10,
    WINDOW_PATH_PART = 12,
    WINDOW_PATH_BYTES = 4096,
    WINDOW_DRIVES = 6, /* DriveId */
    WINDOW_NAME_BYTES = 240,
    WINDOW_NEWS_BYTES = 200,
    WINDOW_BLOCK_LINES = 40,
    WINDOW_SHOTS = 5, /* snapshots on a page of their list */
    WINDOW_SHOT_NAME = 48,
    WINDOW_SHOT_TEXT = 32,
    WINDOW_SHOT_WIDTH = 160, /* at most, of a picture there */
    WINDOW_SHOT_HEIGHT = 120,
    WINDOW_BLOCK_COLUMNS = 56,   /* and a zero */
    WINDOW_POINTER_MAX = 0xffff, /* the right and the lower edge */
    WINDOW_STICKS_MAX = 2,
    WINDOW_VIEWERS = 16,
    WINDOW_PASSWORD_BYTES = 8, /* more do not count in VNC's own authentication (RFC 6143, 7.2.2) */
    WINDOW_FRAMES = 16384,     /* a power of two; a third of a second */
    WINDOW_SOUNDS = 8192,      /* a power of two; digital sound makes 16,000 and more a second */
};

typedef enum WindowMessageKind {
    /* machine -> window */
    WINDOW_HELLO =
        1, /* a: WINDOW_PROTOCOL, b: bytes of video memory, c: its page in the guest's memory; two fds */
    WINDOW_LOOK,     /* status or speaker changed: look at WindowShared */
    WINDOW_BYE,      /* ring3 ends as it should */
    WINDOW_PASSWORD, /* to ring3-vnc; a, b: 8 bytes, zeros behind the word; none: nobody is let in */
    /* window -> machine */
    WINDOW_KEY = 32, /* a: hw/keys.h, b: 1 pressed, 0 released */
    WINDOW_MOUSE,    /* a: right, b: down, c: wheel away from the person; d: buttons */
    WINDOW_POWER,    /* the power button */
    WINDOW_QUIT,     /* end ring3 */
    WINDOW_PAUSE,    /* stop or resume */
    WINDOW_SPEED,    /* a: +1 faster, -1 slower */
    WINDOW_PATH,     /* a, b, c: the next d bytes of a file's name, at most WINDOW_PATH_PART */
    WINDOW_CHANGE,   /* a: a drive, which gets the file that was named; b: 1 by force. The name is used up */
    WINDOW_EJECT,    /* a: a drive; b: 1 by force */
    WINDOW_BLOCK,    /* write WindowShared.block anew */
    WINDOW_SNAPSHOT, /* a: WindowSnapshotWord; b: which one, c: its WindowShot.date */
    WINDOW_POINTER, /* where the pointer is, with WINDOW_ABSOLUTE. a, b: 0 to WINDOW_POINTER_MAX; c, d: as WINDOW_MOUSE */
    WINDOW_STICK, /* of the joystick with the number d: a: x, b: y, 16 bits with sign; c: 4 buttons, or -1: it is gone */
    WINDOW_VIEWER, /* ring3-vnc: a, b, c: the next d bytes of an address, as in WINDOW_PATH */
    WINDOW_CAME,   /* a: the number of the viewer whose address that was. It is used up */
    WINDOW_LEFT,   /* a: a viewer's number */
    WINDOW_SUSPEND, /* keep the machine, for its next start, and end ring3; where WINDOW_CAN_SUSPEND says it can be */
    WINDOW_SNAPSHOTS, /* write WindowShared.shot anew, from line a of the list; -1: where the current one is */
    WINDOW_DISKS, /* a: what becomes of undoable disks when ring3 ends: 1 undecided, 2 commit, 3 discard */
    WINDOW_ASKS,  /* it can ask for that when the guest has switched itself off */
} WindowMessageKind;

typedef enum WindowSnapshotWord {
    WINDOW_SNAPSHOT_KEEP,   /* the machine as it is now */
    WINDOW_SNAPSHOT_NEWEST, /* go back to the newest */
    WINDOW_SNAPSHOT_LOAD,   /* go back to b */
    WINDOW_SNAPSHOT_DELETE  /* b */
} WindowSnapshotWord;

typedef struct WindowMessage {
    u16 kind, d;
    s32 a, b, c;
} WindowMessage;
_Static_assert(sizeof(WindowMessage) == 16, "one size for both");

/* WindowShared.status: bits (trouble: it was stopped by an error of the host's disk), and where machine_leds() begins. */
enum {
    WINDOW_STOPPED = 1,
    WINDOW_TROUBLE = 2,
    WINDOW_ABSOLUTE = 4 /* the guest wants to know where the pointer is */,
    WINDOW_CAN_SUSPEND = 8 /* the machine has a place where it is kept */,
    WINDOW_STICKS = 16 /* the machine has a game port */,
    WINDOW_UNDECIDED = 32 /* it has undoable disks, and nobody has said what becomes of them */,
    WINDOW_OFF = 64 /* the guest has switched it off, and only that answer is waited for */,
    WINDOW_LEDS = 8
};

/* A SpeakerEvent (hw/speaker.h): guest time, and what the speaker does from then on. */
typedef struct WindowSound {
    _Atomic u64 at_ns;
    _Atomic u32 ticks, level;
} WindowSound;

/* A drive bay, as the person sees it. */
enum { DRIVE_IS_THERE = 1, DRIVE_IS_CD = 2, DRIVE_IS_FLOPPY = 4, DRIVE_IS_LOCKED = 8, DRIVE_IS_FULL = 16 };
typedef struct WindowDrive {
    _Atomic u32 is;
    char name[WINDOW_NAME_BYTES]; /* of the file in it; empty: none. What is longer begins with ... */
} WindowDrive;

/* A snapshot, as the list shows it. */
enum { SHOT_IS_CURRENT = 1, SHOT_IS_SPOILED = 2 };
typedef struct WindowShot {
    _Atomic u32 id; /* 0: the line is empty */
    _Atomic u32 is;
    _Atomic s32 date;  /* with the number, who it is: the low half of its Unix seconds */
    _Atomic u32 depth; /* how many it came from */
    char name[WINDOW_SHOT_NAME];
    char when[WINDOW_SHOT_TEXT], size[WINDOW_SHOT_TEXT];
    _Atomic u32 width, height;                         /* of the picture; 0: there is none */
    u32 pixel[WINDOW_SHOT_WIDTH * WINDOW_SHOT_HEIGHT]; /* 0x00RRGGBB */
} WindowShot;

typedef struct WindowShared {
    _Atomic u32 status;
    _Atomic u32 speed_mhz; /* 0: as fast as it goes */
    _Atomic u32 sounds;    /* how many were ever written: the next goes to sound[sounds % WINDOW_SOUNDS] */
    _Atomic u32
        keys_taken; /* how many WINDOW_KEYs had come when the guest had last read all that they made */
    WindowSound sound[WINDOW_SOUNDS];
    WindowDrive drive[WINDOW_DRIVES];
    _Atomic u32 news; /* counts the texts: */
    char news_text[WINDOW_NEWS_BYTES];
    _Alignas(PAGE_BYTES) u8 screen[WINDOW_SCREEN_BYTES]; /* a ScreenState */
    _Atomic u32 blocks; /* counts the texts: what runs now, for the pane beside the screen */
    char block[WINDOW_BLOCK_LINES][WINDOW_BLOCK_COLUMNS + 1];
    /* With a sound card, instead of the speaker's events: what the mixer plays, of the speaker, too. */
    _Atomic u32 frames; /* how many were ever written: the next goes to frame[frames % WINDOW_FRAMES] */
    _Atomic u32 frame[WINDOW_FRAMES]; /* 48,000 a second: left in bits 15-0, right in 31-16, signed */
    _Atomic u32 shots;                /* counts the pages: */
    _Atomic u32 shot_first, shot_total; /* the line of shot[0], and how many the list has */
    WindowShot shot[WINDOW_SHOTS];
} WindowShared;

#endif
