/* pc.h - one PC: board, processor, engine and kernel, wired together and run. See pc.c. */
#ifndef RING3_PC_H
#define RING3_PC_H

#include "cpu/breakpoint.h"
#include "frontend/keyboard/keyplay.h"
#include "frontend/load/boot.h"
#include "frontend/options/options.h"
#include "hw/machine.h"

typedef struct Pc {
    Machine *machine;
    Vcpu cpu;
    const Engine *engine;
    const Boot *boot;       /* NULL: firmware boots */
    bool kernel_wanted;     /* the firmware is ready for a kernel that needs it */
    const char *boot_order; /* of all starts but the first */
    bool no_reboot, no_shutdown;
    bool reset_asked, quit_asked; /* by a person or a program, not by the guest */
    bool
        is_off; /* it has powered off, under -no-shutdown or until somebody has decided about its disks: only a reset
                        * brings it back */
    bool any_floppy;   /* -no-fd-bootchk */
    bool boot_strict;
    bool paused;       /* by -S, the monitor or an error of the host's disk: guest time stands still */
    bool io_error;     /* ... by the last */
    char trouble[500]; /* why it is about to be; empty: it is not */
    bool started;      /* it has run at all */
    bool snapshot;     /* -snapshot holds for media put in later, too */
    const char *name;  /* NULL: it has none */
    u8 uuid[16];       /* zeros: it has none */
    u32 speed_mhz;     /* 0: as fast as it goes */
    u64 speed_seen_ns; /* guest time up to which instructions have been handed out */
    KeyPlay keys;
    Breakpoints breaks; /* a debugger's */
    u8 mouse_buttons;   /* as the monitor holds them */
    u16 pointer_x, pointer_y; /* as QMP's events have moved it, 65535: the right and lower edge */
    Problem problem;    /* why a reset failed, or the machine did not come; empty: nothing did */
} Pc;

/* Whose a breakpoint is. */
enum { OWNER_GDB, OWNER_GDB_HARDWARE, OWNER_MONITOR, OWNER_NEXT };

/* What this host makes of -accel, as a line of `ring3 -host`; the place for the engine's form and the size of its
 * cache. */
void pc_choose_engine(void);
/* pc_start - everything up to the first instruction. cfg: memory and backends are filled in by the caller. */
bool pc_start(Pc *pc, const Options *o, const MachineConfig *cfg, const Boot *boot, Problem *p);
/* pc_run - run until the guest or the person ends it; returns the exit code. */
int pc_run(Pc *pc);
/* For inbox.c, which does it in a person's name, and for what stops or moves the machine of its own accord; on the vCPU
 * thread in the service hook. */
void pc_pause(Pc *pc);
void pc_continue(Pc *pc);
void pc_step(Pc *pc); /* one instruction, then paused again */
void pc_quit(Pc *pc);
void pc_fail(Pc *pc, const Problem *p); /* ring3 ends, with the sentence and exit code 1 */
void pc_reset(Pc *pc);                  /* before the next instruction */
bool pc_power_button(Pc *pc);           /* pressed for a moment; false: the guest does not listen */
/* The machine is another one: it was loaded. */
void pc_jumped(Pc *pc);
/* For media_on_trouble(); ctx: a Pc. */
void pc_disk_flushed(void); /* for any thread: a flush that went on beside the guest is over */
bool pc_media_trouble(void *ctx, const char *sentence, bool stops);
/* Instructions per microsecond from now on, the meaning of a MHz in docs/PERFORMANCE.md; 0: as many as it can. */
void pc_set_speed(Pc *pc, u32 mhz);
/* In QEMU's words: "running", "paused", "io-error", "shutdown", "prelaunch", and migrate_run_state()'s. */
const char *pc_run_state(const Pc *pc);
enum { UUID_TEXT = 37 };
void pc_uuid_text(const Pc *pc, char to[UUID_TEXT]);
/* pc_print_stats - what -d stats shows, to the trace. */
void pc_print_stats(const Pc *pc);

#endif
