/* options.h - the command line, in the words that QEMU's users have in their fingers. See options.c. */
#ifndef RING3_OPTIONS_H
#define RING3_OPTIONS_H

#include "cpu/cpu.h"
#include "frontend/display/display.h"
#include "frontend/display/vnc.h"
#include "frontend/host/cage.h"
#include "frontend/host/charspec.h"
#include "frontend/options/drive_options.h"
#include "frontend/options/net_options.h"
#include "frontend/options/option_balloon.h"
#include "frontend/options/options_result.h"
#include "frontend/options/sound_options.h"
#include "translator/xlat.h"

typedef enum Accel { ACCEL_TRANSLATE, ACCEL_INTERP } Accel;

enum { RAM_MIN_MIB = 1, RAM_MAX_MIB = 3072, RAM_DEFAULT_MIB = 128, SERIAL_PORTS = 2, MONITORS = 2 };

enum { HOOK_OPTIONS = 64, SYMBOL_OPTIONS = 8 };
enum { EXPLAIN_PCS = 16, OPTION_ROMS = 4 };
typedef struct ExplainOptions { /* -explain */
    bool hot, all, json, uncounted;
    u32 pc[EXPLAIN_PCS];
    unsigned pcs;
    char path[1024]; /* empty: standard output */
} ExplainOptions;

#define GDB_DEFAULT "tcp::1234"
typedef struct Options {
    u32 ram_bytes;
    const char *kernel, *initrd, *append; /* NULL: not given */
    const char *bios, *vga_rom;           /* NULL: ring3's own; vga_rom "": none */
    const char *option_rom[OPTION_ROMS];
    unsigned option_rom_count;
    CharSpec serial[SERIAL_PORTS];
    int serial_count; /* given with -serial */
    CharSpec monitor[MONITORS];
    int monitor_count;
    CharSpec qmp[MONITORS];
    int qmp_count;
    CharSpec debugcon, parallel, gdb;
    const char *inspect; /* [ADDR:]PORT or unix:PATH; NULL: not given */
    bool has_debugcon, has_parallel;
    const char *name;                       /* NULL: not given; else guest_name */
    char guest_name[128], process_name[16]; /* empty: not given */
    DisplayOptions display;
    VncOptions vnc;
    bool display_given; /* by -display or its old names: -vnc does not take its place */
    bool start_stopped;
    bool rtc_given;
    s64 rtc_base_unix_s;
    bool rtc_by_host; /* -rtc clock=host: it goes on with the host's clock while guest time stands still */
    u16 debugcon_port;
    u32 speed_mhz;                              /* 0: max */
    bool nographic, no_reboot, no_vga, has_vga; /* has_vga: it was asked for by -vga */
    bool vga_device;                            /* ... by -device */
    bool no_shutdown;                           /* a guest that powers off leaves ring3 standing, paused */
    bool no_acpi, no_apic, hpet, no_fd_bootchk, no_defaults, no_vmport, vmmouse_given;
    bool daemonize;
    Sandbox sandbox;
    bool spawn;          /* -sandbox spawn=allow */
    const char *pidfile; /* NULL: not given */
    u8 uuid[16];
    bool has_uuid;
    u8 escape_key; /* of a terminal, instead of Ctrl-A; 0: not given */
    Accel accel;
    XlatOptions xlat;
    CpuModel cpu;
    u32 trace_mask;
    TraceFilter trace_filter;
    char timeline_path[1024]; /* empty: not given */
    u32 timeline_events;
    const char *trace_path;
    const char *hook[HOOK_OPTIONS], *symbols[SYMBOL_OPTIONS];
    unsigned hook_count, symbols_count;
    ExplainOptions explain;
    DriveOptions drives;
    NetOptions net;
    SoundOptions sound;
    BalloonConfig balloon;
    const char *loadvm;    /* the snapshot to start from; NULL: not given */
    const char *snapshots; /* their folder; NULL: not given */
    const char *nvram;     /* the file of the CMOS memory; NULL: not given */
    const char *incoming;  /* where the machine comes from (snapshot/migrate_address.h); NULL: from here */
    bool debug_exit;
    u16 debug_exit_iobase;
    u8 debug_exit_iosize;
    bool postcode, testdev, glassbox, gameport;
    bool tour; /* with the glass box; see tour.h */
    u16 postcode_port;
} Options;

/* "33" or "max" (0); false: neither. */
enum { SPEED_MHZ_MAX = 10000 };
bool speed_parse(const char *text, u32 *mhz);

OptionsResult options_parse(Options *o, int argc, char **argv);
/* options_come_from - the first `count` arguments are words of a file, argument n of line[n] (0: of none): what is wrong with
 * them is said with its place. All of it stays. */
void options_come_from(const char *file, const u16 *line, int count);

/* A serial port, a monitor or the like is on standard input or output. */
bool options_use_stdio(const Options *o);

#endif
