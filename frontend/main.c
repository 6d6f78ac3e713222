/* main.c - from the command line to the exit code.
 *
 * Everything that the person may have got wrong is found before the guest starts; it is said in one or two lines
 * and ends with 1. Exit codes otherwise: options.c, show_help().
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "frontend/channel.h"
#include "frontend/daemon.h"
#include "frontend/display.h"
#include "frontend/host_report.h"
#include "frontend/hostio.h"
#include "frontend/monitor.h"
#include "frontend/output.h"
#include "frontend/pc.h"
#include "frontend/rom.h"
#include "frontend/tty.h"

static bool open_trace(const Options *o, Problem *p)
{
    const char *why;
    int fd = o->trace_path ? output_open(o->trace_path, &why) : -1;
    if (o->trace_path && fd < 0) return problem_set(p, "-D %.200s: %s", o->trace_path, why);
    if (fd >= 0) close(fd);
    trace_open(o->trace_path);
    trace_mask = o->trace_mask;
    return true;
}

/* A serial port, and a monitor on it if it is shared (mon:...). */
static Chardev *open_serial(const CharSpec *spec, int n, Problem *p)
{
    static const char *const labels[SERIAL_PORTS] = {"serial0", "serial1"};
    Channel *c = channel_open(spec, "-serial", labels[n], SIDE_GUEST, p);
    if (c && spec->mux) monitor_new(c);
    return channel_chardev(c);
}

static bool open_monitors(const Options *o, Problem *p)
{
    p->text[0] = 0;
    for (int n = 0; n < o->monitor_count && !p->text[0]; n++) {
        Channel *c =
            channel_open(&o->monitor[n], "-monitor", n ? "monitor1" : "compat_monitor0", SIDE_MONITOR, p);
        if (c) monitor_new(c);
    }
    return !p->text[0];
}

static bool open_backends(const Options *o, MachineConfig *cfg, Problem *p)
{
    p->text[0] = 0;
    for (int n = 0; n < SERIAL_PORTS && !p->text[0]; n++) cfg->serial[n] = open_serial(&o->serial[n], n, p);
    if (!p->text[0] && o->has_debugcon)
        cfg->debugcon = channel_chardev(channel_open(&o->debugcon, "-debugcon", "debugcon", SIDE_GUEST, p));
    if (!p->text[0] && o->has_parallel)
        cfg->parallel = channel_chardev(channel_open(&o->parallel, "-parallel", "parallel0", SIDE_GUEST, p));
    return !p->text[0] && open_monitors(o, p);
}

static bool open_video_bios(const Options *o, MachineConfig *cfg, Problem *p)
{
    Rom rom;
    if (o->no_vga || (o->vga_rom && !*o->vga_rom)) return true;
    if (!rom_open_option(&rom, "-device VGA,romfile", o->vga_rom, "vgabios.bin", p)) return false;
    cfg->vga_rom = rom.bytes;
    cfg->vga_rom_bytes = rom.count;
    return true;
}

/* What the processor runs first: a kernel that ring3 loads itself, or firmware. */
static bool open_first_code(const Options *o, Boot *boot, MachineConfig *cfg, Problem *p)
{
    Rom bios;
    if (o->kernel && !boot_open(boot, o->ram_bytes, o->kernel, o->initrd, o->append, p)) return false;
    boot->no_acpi = o->no_acpi;
    if (o->kernel && !boot->needs_firmware) return true;
    if (!rom_open_bios(&bios, o->bios, p)) return false;
    cfg->has_firmware = true;
    cfg->bios = bios.bytes;
    cfg->bios_bytes = bios.count;
    return open_video_bios(o, cfg, p);
}

static bool uses_terminal(const Options *o)
{
    bool used = o->debugcon.kind == CHAR_STDIO || o->parallel.kind == CHAR_STDIO;
    for (int n = 0; n < SERIAL_PORTS; n++) used |= o->serial[n].kind == CHAR_STDIO;
    for (int n = 0; n < o->monitor_count; n++) used |= o->monitor[n].kind == CHAR_STDIO;
    return used;
}

/* Everything that may be wrong comes first, the window next, and while it opens, the machine. */
static bool start_machine(Pc *pc, const Options *o, MachineConfig *cfg, const Boot *boot, Problem *p)
{
    DisplayOptions display = o->display;
    display.name = o->name;
    if (o->no_vga) display.kind = DISPLAY_NONE;
    if (!display_start(&display, uses_terminal(o), p)) return false;
    cfg->screen = display_screen();
    return pc_start(pc, o, cfg, boot, p) && display_attach(machine_phys(pc->machine), p) &&
           hostio_start(&pc->cpu, p);
}

static bool start(Pc *pc, const Options *o, Boot *boot, Problem *p)
{
    MachineConfig cfg = {.ram_bytes = o->ram_bytes,
                         .no_vga = o->no_vga,
                         .debugcon_port = o->debugcon_port,
                         .debug_exit = o->debug_exit,
                         .debug_exit_iobase = o->debug_exit_iobase,
                         .debug_exit_iosize = o->debug_exit_iosize,
                         .rtc_base_unix_s = o->rtc_given ? o->rtc_base_unix_s : (s64)time(NULL)};
    return (!o->pidfile || pidfile_write(o->pidfile, p)) && open_first_code(o, boot, &cfg, p) &&
           drives_open(&o->drives, cfg.drive, p) && open_backends(o, &cfg, p) &&
           open_trace(o, p) && /* which must not empty an image */
           start_machine(pc, o, &cfg, o->kernel ? boot : NULL, p);
}

static int run(const Options *o)
{
    static Pc pc;
    static Boot boot;
    Problem p;
    if (*o->process_name) prctl(PR_SET_NAME, o->process_name);
    if (o->escape_key) tty_set_escape(o->escape_key);
    if (o->daemonize && !daemon_fork(&p)) {
        say("%s", p.text);
        return 1;
    }
    hostio_block_signals();
    tty_guard();
    if (!host_start(&p) || !start(&pc, o, &boot, &p)) {
        display_stop();
        say("%s", p.text);
        pidfile_remove();
        return 1;
    }
    host_warn_of_memory(o->ram_bytes);
    daemon_started();
    int code = pc_run(&pc);
    hostio_stop();
    pidfile_remove();
    if (trace_mask & TRACE_STATS) pc_print_stats(&pc);
    fflush(NULL);
    return code;
}

int main(int argc, char **argv)
{
    Options o;
    OptionsResult r = options_parse(&o, argc, argv);
    int code = r == OPTIONS_RUN ? run(&o) : r == OPTIONS_BAD;
    drive_options_free(&o.drives);
    return code;
}
