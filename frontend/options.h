/* options.h - the command line, in the words that QEMU's users have in their fingers. See options.c. */
#ifndef RING3_OPTIONS_H
#define RING3_OPTIONS_H

#include "cpu/cpu.h"
#include "frontend/charspec.h"
#include "frontend/display.h"
#include "frontend/drive_options.h"
#include "translator/xlat.h"

typedef enum Accel { ACCEL_TRANSLATE, ACCEL_INTERP } Accel;

enum { RAM_MIN_MIB = 1, RAM_MAX_MIB = 3072, RAM_DEFAULT_MIB = 128, SERIAL_PORTS = 2, MONITORS = 2 };

typedef struct Options {
    u32 ram_bytes;
    const char *kernel, *initrd, *append; /* NULL: not given */
    const char *bios, *vga_rom;           /* NULL: ring3's own; vga_rom "": none */
    CharSpec serial[SERIAL_PORTS];
    int serial_count; /* given with -serial */
    CharSpec monitor[MONITORS];
    int monitor_count;
    CharSpec debugcon, parallel;
    bool has_debugcon, has_parallel;
    const char *name;                       /* NULL: not given; else guest_name */
    char guest_name[128], process_name[16]; /* empty: not given */
    DisplayOptions display;
    bool start_stopped;
    bool rtc_given;
    s64 rtc_base_unix_s;
    u16 debugcon_port;
    u32 speed_mhz;                              /* 0: max */
    bool nographic, no_reboot, no_vga, has_vga; /* has_vga: it was asked for */
    bool no_shutdown;                           /* a guest that powers off leaves ring3 standing, paused */
    bool no_acpi, no_fd_bootchk, no_defaults;
    bool daemonize;
    const char *pidfile; /* NULL: not given */
    u8 uuid[16];
    bool has_uuid;
    u8 escape_key; /* of a terminal, instead of Ctrl-A; 0: not given */
    Accel accel;
    XlatOptions xlat;
    const CpuModel *cpu;
    u32 trace_mask;
    const char *trace_path;
    DriveOptions drives;
    bool debug_exit;
    u16 debug_exit_iobase;
    u8 debug_exit_iosize;
} Options;

typedef enum OptionsResult {
    OPTIONS_RUN,
    OPTIONS_DONE, /* help or version was printed: exit 0 */
    OPTIONS_BAD,  /* said on stderr: exit 1 */
} OptionsResult;

/* "33" or "max" (0); false: neither. */
enum { SPEED_MHZ_MAX = 10000 };
bool speed_parse(const char *text, u32 *mhz);

OptionsResult options_parse(Options *o, int argc, char **argv);

#endif
