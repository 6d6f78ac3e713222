/* display.h - the machine's end of the window: starts its process, shows it the screen, takes its keys. See
 * display.c. */
#ifndef RING3_DISPLAY_H
#define RING3_DISPLAY_H

#include "frontend/say.h"
#include "hw/machine.h"
#include "hw/scanout.h"

typedef enum DisplayKind {
    DISPLAY_AUTO, /* a window; where there is none the terminal; else nothing */
    DISPLAY_NONE,
    DISPLAY_SDL,
    DISPLAY_CURSES
} DisplayKind;

typedef struct DisplayOptions {
    DisplayKind kind;
    bool full_screen;
    const char *layout, *name; /* NULL: not given */
    u8 escape_key;             /* on a terminal, instead of Ctrl-A; 0: not given */
} DisplayOptions;

/* display_start - start the window's process, if there is to be one. `terminal_used`: something else reads standard
 * input or writes the screen to standard output. */
bool display_start(const DisplayOptions *o, bool terminal_used, Problem *p);
/* Who shows the screen in the terminal is a client of the monitor, too: our end of that connection, or -1. */
int display_monitor(void);
/* Where the machine keeps what its picture depends on (MachineConfig.screen); NULL: nowhere in particular. */
ScreenState *display_screen(void);
/* display_attach - the machine is built: show the window the video memory. */
bool display_attach(const Phys *phys, Problem *p);
/* display_share - make what is shown to windows and viewers, if it is not there yet. */
bool display_share(Problem *p);
/* display_greet - the first message to a process that shows it: the machine is built. False: errno. */
bool display_greet(int socket, const Phys *phys);
void display_stop(
    void); /* take leave and wait until the terminal is the shell's again; may be called more than once */
int display_process(void); /* the window's; 0: there is none */

/* --- the I/O thread; hostio.c is the only caller --- */
enum { DISPLAY_INPUT = 1, DISPLAY_QUIT = 2, DISPLAY_DIED = 4 };
int display_fd(void);         /* to wait for, or -1 */
unsigned display_ready(void); /* what has come: DISPLAY_ bits */

/* --- the vCPU thread --- */
enum {
    ASKED_PAUSE = 1,
    ASKED_FASTER = 2,
    ASKED_SLOWER = 4,
    ASKED_BLOCK = 8,
    ASKED_POWER = 16,
    ASKED_SNAPSHOT = 32,
    ASKED_SUSPEND = 64
};
struct WindowMessage;
void display_act_mouse(const struct WindowMessage *w); /* a WINDOW_MOUSE or WINDOW_POINTER */
/* Keys and mouse go to the machine; ASKED_ bits. With ASKED_SNAPSHOT there may be more: display_act_snapshot(), and again. */
unsigned display_service(Machine *m);
void display_speaker(const SpeakerEvent *event);
/* The speaker's events are not to be heard: it is in the mixer's stream, or nothing is. */
void display_mute_speaker(void);
/* There is a window to be heard in. */
bool display_has_sound(void);
/* The mixer's next frames. */
void display_frames(const SoundFrame *frames, u32 count);
struct Pc;
void display_show_block(const struct Pc *pc); /* what the pane beside the screen says (ASKED_BLOCK) */
void display_act_snapshot(struct Pc *pc);     /* ASKED_SNAPSHOT */
/* Undoable disks wait for a decision; that alone keeps the machine from ending. */
void display_show_undecided(bool undecided, bool off);
bool display_asks(void); /* somebody is there who can be asked */
/* The window may offer to suspend the machine. Before display_attach(). */
void display_offer_suspend(void);
/* A line that the window shows for a moment: "what: text", or `text` where `what` is empty. */
void display_say(const char *what, const char *text);
/* For the title. trouble: it is stopped by an error of the host's disk; speed 0: as fast as it goes. */
void display_show_state(bool stopped, bool trouble, u32 speed_mhz);

#endif
