/* inbox.h - the one door by which what happens outside reaches the machine. See inbox.c.
 *
 * Whoever has heard something outside (a key, bytes on a serial line, a frame, a word of the monitor's) and is in the
 * service hook of pc.c makes an InboxEvent of it and calls inbox_deliver(), which stamps it with guest time and a number
 * and hands it to the chip, drive or processor that it is for. Nothing else in frontend/ does that: `inbox.door` looks.
 * `-d events` shows each; with -trace they have a track.
 *
 * All on the vCPU thread, between two guest instructions; both are checked (inbox_shut). So a list of the events, each
 * with the moment at which it came, is all that people, networks and media did to a guest: where somebody records and
 * replays it is the call of note(), in inbox.c. That has not been built. Beside the list it would need:
 *   - the machine at the beginning: its command line, RTC, CMOS and images, or a snapshot. With a snapshot also what
 *     serial.c holds between line and chip, which is no part's state;
 *   - the moment as a number of instructions. The stamp is a time, which two runs do not reach at the same instruction;
 *   - time itself. The guest's clock follows the host's (hw/clock.c): each clock_now() of a chip, each RDTSC, also of
 *     translated code, and when machine_service() fires which timers would have to come from the list, or all from the
 *     number of instructions; so would -speed and the sleeps in waiting loops (cpu/wait.c);
 *   - the host's answers to what the guest asks in the midst of an instruction: errors of a disk, MEDIUM_LATER and
 *     MEDIUM_HELD, whether a printer or terminal takes its bytes; the glass box's counters; and what the functions of
 *     -hook do, which change registers and memory at the instruction they are tied to, as a part of the program;
 *   - looks at the memory of devices (x, gdb's m, guest_read()), by which some change, as by PORT_IN. A look at RAM is
 *     none of the guest's business; at a device it would have to be a kind of its own.
 */
#ifndef RING3_INBOX_H
#define RING3_INBOX_H

#include "hw/drive.h"
#include "hw/gameport.h"

/* id, word in a trace, what it is (docs/ARCHITECTURE.md has the same list) */
#define INBOX_LIST(T)                                                                                        \
    T(KEY, "key", "a key goes down or up")                                                                   \
    T(MOUSE, "mouse", "the mouse moves, turns its wheel, has buttons down")                                  \
    T(POINTER, "pointer", "the same, where the guest wants places on the screen")                            \
    T(MOUSE_MODE, "mouse mode", "movements or places: which of the two mice moves")                          \
    T(STICK, "joystick", "one is moved, plugged in or unplugged")                                            \
    T(SERIAL, "serial", "bytes arrive on a serial line")                                                     \
    T(FRAME, "frame", "a network card is offered a frame, and takes it")                                     \
    T(CABLE, "cable", "a network card's carrier comes or goes")                                              \
    T(MEDIUM, "medium", "one is put into a drive or taken out")                                              \
    T(EJECT_BUTTON, "eject button", "of a drive that the guest has locked")                                  \
    T(FLUSHED, "flushed", "the host's disk has what the guest wanted flushed")                               \
    T(POWER, "power button", "pressed for a moment")                                                         \
    T(RESET, "reset", "the reset button")                                                                    \
    T(NMI, "nmi", "a non-maskable interrupt")                                                                \
    T(STOP, "stop", "the machine is held: guest time stands still")                                          \
    T(CONT, "cont", "it runs on")                                                                            \
    T(STEP, "step", "it runs on for an instruction")                                                         \
    T(SPEED, "speed", "the limit of instructions in a microsecond")                                          \
    T(PORT_IN, "port read", "an I/O port is read, which may change it")                                      \
    T(PORT_OUT, "port written", "an I/O port is written")                                                    \
    T(MEMORY, "memory written", "memory or a device's registers in it")                                      \
    T(REGISTER, "register written", "one of the processor's, by gdb's number")                               \
    T(DATE, "date", "the RTC is moved to the host's time, for a machine that was held, saved or away")       \
    T(LOADED, "loaded", "the machine has become another: a snapshot, or one that moved here")                \
    T(QUIT, "quit", "ring3 is to end")
typedef enum InboxKind {
#define T(id, word, help) INBOX_##id,
    INBOX_LIST(T)
#undef T
        INBOX_KINDS
} InboxKind;

/* Whose words or deeds are being carried out. */
#define INBOX_SPEAKERS(T)                                                                                    \
    T(HOST, "host") /* disks, signals, the start, helpers that end */                                        \
    T(WINDOW, "window")                                                                                      \
    T(VNC, "vnc")                                                                                            \
    T(MONITOR, "monitor")                                                                                    \
    T(QMP, "qmp")                                                                                            \
    T(GDB, "gdb")                                                                                            \
    T(PAGE, "live page")                                                                                     \
    T(KEYPLAY, "sendkey") /* keys that a monitor's word has put into a queue, in guest time */               \
    T(LINE, "line")       /* what a serial port leads to */                                                  \
    T(NETWORK, "network")                                                                                    \
    T(HOOK, "hook")
typedef enum InboxSpeaker {
#define T(id, word) BY_##id,
    INBOX_SPEAKERS(T)
#undef T
        INBOX_SPEAKER_COUNT
} InboxSpeaker;

typedef struct InboxEvent {
    InboxKind kind;
    InboxSpeaker by; /* this and the next two by inbox_deliver() */
    u64 at_ns;       /* guest time */
    u64 number;      /* of this run's events, from 1 on */
    union {          /* of the kind in question; bytes are the deliverer's, for the length of the call */
        struct {
            u8 code; /* hw/keys.h */
            bool down;
        } key;
        struct {
            int dx, dy, dz;
            u8 buttons;
        } mouse;
        struct {
            u32 x, y;
            int dz;
            u8 buttons;
        } pointer;
        bool movements; /* MOUSE_MODE */
        struct {
            u32 n;
            Stick now;
        } stick;
        struct { /* SERIAL, FRAME: the n-th port or card */
            u32 n, count;
            const u8 *bytes;
        } data;
        struct {
            u32 n;
            bool up;
        } cable;
        struct {
            Drive *drive;
            Medium *medium; /* NULL: what is in is taken out; whom it belongs to closes it afterwards */
        } medium;           /* EJECT_BUTTON: only the drive */
        u32 mhz;
        s64 seconds; /* DATE: by how many */
        struct {
            u16 at;
            u8 bytes;  /* 1, 2 or 4 */
            u32 value; /* PORT_IN: filled in */
        } port;
        struct {
            bool linear;
            u64 at;
            u32 count;
            const u8 *bytes;
        } memory; /* as guest_write() */
        struct {
            u32 n;
            const u8 *bytes;
        } reg; /* as gdb_register_write() */
    };
} InboxEvent;

/* inbox_deliver - now. False: it was not taken: by a card without room, a guest that does not listen to its power button,
 * memory that is not there, a register that cannot be. Such a frame will be offered again, and counts for nothing. */
bool inbox_deliver(InboxEvent *e);
/* inbox_speaks - who is being served from now on; returns who was. */
InboxSpeaker inbox_speaks(InboxSpeaker who);
/* inbox_begin - events are for this machine. Its thread is the caller's. */
struct Pc;
void inbox_begin(struct Pc *pc);
/* inbox_shut - a guest instruction may be under way (true), or none is. What is delivered while it is shut is a CHECK. */
void inbox_shut(bool shut);

#endif
