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

#include "frontend/audio.h"
#include "frontend/debug/gdb.h"
#include "frontend/debug/symbols.h"
#include "frontend/debug/timeline_json.h"
#include "frontend/display/display.h"
#include "frontend/display/vnc.h"
#include "frontend/glass/explain_exit.h"
#include "frontend/glass/glass.h"
#include "frontend/glass/inspect.h"
#include "frontend/hook/hooks.h"
#include "frontend/host/broker.h"
#include "frontend/host/cage.h"
#include "frontend/host/channel.h"
#include "frontend/host/daemon.h"
#include "frontend/host/helper.h"
#include "frontend/host/host_report.h"
#include "frontend/host/hostio.h"
#include "frontend/host/output.h"
#include "frontend/host/starter.h"
#include "frontend/host/tty.h"
#include "frontend/image/disk.h"
#include "frontend/image/flusher.h"
#include "frontend/image/img.h"
#include "frontend/load/fwfiles.h"
#include "frontend/load/rom.h"
#include "frontend/monitor/monitor.h"
#include "frontend/monitor/qmp.h"
#include "frontend/midi.h"
#include "frontend/net.h"
#include "frontend/pc.h"
#include "frontend/serial.h"
#include "frontend/snapshot/migrate.h"
#include "frontend/snapshot/saver.h"
#include "frontend/snapshot/snapshots.h"
#include "frontend/vm/nvram.h"
#include "frontend/vm/vm.h"
#include "hw/lapic.h"
#include "translator/audit/audit.h"

static void trace_cut(int error)
{
    char text[120];
    snprintf(text, sizeof text, "the trace is cut: the file takes no more: %s", strerror(error));
    say("%s", text);
    monitors_tell(text);
}

static bool open_trace(const Options *o, Problem *p)
{
    const char *why;
    int fd = o->trace_path ? output_open(o->trace_path, &why) : -1;
    if (o->trace_path && fd < 0) return problem_set(p, "-D %.200s: %s", o->trace_path, why);
    if (!trace_to(fd)) return problem_set(p, "-D %.200s: the host has no memory", o->trace_path);
    base_trace_cut = trace_cut;
    trace_mask = o->trace_mask;
    trace_filter = o->trace_filter;
    return !*o->timeline_path || timeline_file_open(o->timeline_path, o->timeline_events, p);
}

/* A serial port, and a monitor on it if it is shared (mon:...). */
static Chardev *open_serial(const CharSpec *spec, int n, Problem *p)
{
    static const char *const labels[SERIAL_PORTS] = {"serial0", "serial1"};
    Channel *c = channel_open(spec, "-serial", labels[n], SIDE_GUEST, p);
    if (c && spec->mux) monitor_new(c);
    return serial_open((u32)n, c);
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

static bool open_qmps(const Options *o, Problem *p)
{
    p->text[0] = 0;
    for (int n = 0; n < o->qmp_count && !p->text[0]; n++) {
        Channel *c = channel_open(&o->qmp[n], "-qmp", n ? "qmp1" : "qmp0", SIDE_MONITOR, p);
        if (c) qmp_new(c);
    }
    return !p->text[0];
}

static bool open_backends(Pc *pc, const Options *o, MachineConfig *cfg, Problem *p)
{
    p->text[0] = 0;
    for (int n = 0; n < SERIAL_PORTS && !p->text[0]; n++) cfg->serial[n] = open_serial(&o->serial[n], n, p);
    if (!p->text[0] && o->has_debugcon)
        cfg->debugcon = channel_chardev(channel_open(&o->debugcon, "-debugcon", "debugcon", SIDE_GUEST, p));
    if (!p->text[0] && o->has_parallel)
        cfg->parallel = channel_chardev(channel_open(&o->parallel, "-parallel", "parallel0", SIDE_GUEST, p));
    return !p->text[0] && open_monitors(o, p) && open_qmps(o, p) && gdb_serve(pc, &o->gdb, p) &&
           inspect_start(o->inspect, p) && net_start(&o->net, p);
}

static bool open_video_bios(const Options *o, MachineConfig *cfg, Problem *p)
{
    static Rom rom; /* its bytes live as long as the process */
    if (o->no_vga || (o->vga_rom && !*o->vga_rom)) return true;
    if (!rom_open_option(&rom, "-device VGA,romfile", o->vga_rom, "vgabios.bin", p)) return false;
    cfg->vga_rom = rom.bytes;
    cfg->vga_rom_bytes = rom.count;
    return true;
}

/* Of network cards: those that were named and, where firmware could start them, those that are installed. */
static bool open_card_roms(const Options *o, bool installed, MachineConfig *cfg, Problem *p)
{
    static Rom rom[NICS_MAX];
    for (unsigned n = 0; n < o->net.cards; n++) {
        const NicSpec *nic = &o->net.card[n].nic;
        bool ok = true;
        if (*nic->romfile)
            ok = rom_open_extra(&rom[n], "romfile", nic->romfile, p);
        else if (installed && !nic->has_romfile && nic_has_rom(nic->config.model))
            ok = rom_open_card(&rom[n], nic->model, p);
        if (!ok) return false;
        cfg->nic[n].rom = rom[n].bytes;
        cfg->nic[n].rom_bytes = rom[n].count;
    }
    return true;
}

static Rom option_rom[OPTION_ROMS];

static bool open_roms(const Options *o, bool has_firmware, MachineConfig *cfg, Problem *p)
{
    for (unsigned n = 0; n < o->option_rom_count; n++)
        if (!rom_open_extra(&option_rom[n], "-option-rom", o->option_rom[n], p)) return false;
    if (!open_card_roms(o, has_firmware, cfg, p)) return false;
    /* A kernel that starts without firmware may still look at the card's ROM, if one was named. */
    return (!has_firmware && !o->vga_rom) || open_video_bios(o, cfg, p);
}

static bool has_kernel(const Options *o) { return o->kernel || o->tour; }

/* What the processor runs first: a kernel that ring3 loads itself, or firmware. */
static bool open_first_code(const Options *o, Boot *boot, MachineConfig *cfg, Problem *p)
{
    static Rom bios;
    if (o->tour && !boot_open_tour(boot, o->ram_bytes, p)) return false;
    if (o->kernel && !boot_open(boot, o->ram_bytes, o->kernel, o->initrd, o->append, p)) return false;
    if (o->kernel && !(o->cpu.features & BIT(IPAE))) boot_let_check_processor(boot);
    boot->no_acpi = o->no_acpi;
    if (o->kernel && !boot->needs_firmware) return open_roms(o, false, cfg, p);
    if (!rom_open_bios(&bios, o->bios, p)) return false;
    cfg->has_firmware = true;
    cfg->bios = bios.bytes;
    cfg->bios_bytes = bios.count;
    return open_roms(o, true, cfg, p);
}

static void add_option_roms(Pc *pc, const Options *o)
{
    for (unsigned n = 0; n < o->option_rom_count; n++)
        fwfiles_add_rom(pc->machine, o->option_rom[n], option_rom[n].bytes, option_rom[n].count);
}

static bool start_threads(Pc *pc, Problem *p)
{
    cage_leave_files();
    return hostio_start(&pc->cpu, p) && flusher_start(pc_disk_flushed, p);
}

/* Before start_threads(), which leaves a machine's folder to others. */
static void forget_resumed(const Options *o)
{
    Problem p;
    const char *spent = vm_resumed(o->loadvm);
    if (spent && snapshot_exists(spent) && !snapshot_delete(spent, &p)) say("%s", p.text);
}

/* Everything that may be wrong comes first, the window next, and while it opens, the machine. */
static bool start_machine(Pc *pc, const Options *o, MachineConfig *cfg, const Boot *boot, Problem *p)
{
    DisplayOptions display = o->display;
    display.name = o->name;
    display.escape_key = o->escape_key;
    if (o->no_vga) display.kind = DISPLAY_NONE;
    if (!display_start(&display, options_use_stdio(o), p)) return false;
    if (o->snapshots) display_offer_suspend();
    if (display_monitor() >= 0) monitor_new(channel_adopt(display_monitor()));
    if (!vnc_start(&o->vnc, o->name, o->display.layout, p)) return false;
    cfg->screen = display_screen();
    if (!pc_start(pc, o, cfg, boot, p)) {
        vm_explain(o->loadvm, p);
        return false;
    }
    add_option_roms(pc, o);
    if (!display_attach(machine_phys(pc->machine), p) || !vnc_attach(machine_phys(pc->machine), p) ||
        !inspect_attach(pc->machine, p) || !net_attach(pc, p))
        return false;
    forget_resumed(o);
    return start_threads(pc, p);
}

/* As the processor that -cpu names had it; 0: it has none. */
static u32 lapic_version(const Options *o)
{
    if (o->no_apic || !(o->cpu.features & BIT(IAPIC))) return 0;
    if (o->cpu.family < 6) return LAPIC_PENTIUM;
    return o->cpu.model < 9 ? LAPIC_P6 : LAPIC_PENTIUM_M;
}

static bool open_hooks(const Options *o, Problem *p)
{
    for (unsigned n = 0; n < o->symbols_count; n++)
        if (!symbols_load(o->symbols[n], p)) return false;
    return hooks_load(o->hook, o->hook_count, p);
}

static bool begin_audio(Pc *pc, const Options *o, Problem *p)
{
    bool has_card = sound_option_card(&o->sound);
    if (o->sound.silent) display_mute_speaker();
    if (has_card && !o->sound.silent && display_has_sound()) audio_to_window(pc->machine);
    midi_begin(pc->machine);
    return audio_begin(pc->machine, p);
}

static bool start(Pc *pc, const Options *o, Boot *boot, Problem *p)
{
    const GlassboxSource glassbox = glass_source(pc);
    MachineConfig cfg = {.ram_bytes = o->ram_bytes,
                         .no_vga = o->no_vga,
                         .debugcon_port = o->debugcon_port,
                         .debug_exit = o->debug_exit,
                         .debug_exit_iobase = o->debug_exit_iobase,
                         .debug_exit_iosize = o->debug_exit_iosize,
                         .postcode = o->postcode,
                         .postcode_port = o->postcode_port,
                         .testdev = o->testdev,
                         .sb16 = o->sound.sb16,
                         .adlib = o->sound.adlib,
                         .es1370 = o->sound.es1370,
                         .ac97 = o->sound.ac97,
                         .mpu401 = o->sound.mpu401,
                         .gameport = o->gameport,
                         .balloon = o->balloon,
                         .hpet = o->hpet,
                         .vmport = !o->no_vmport,
                         .glassbox = o->glassbox ? &glassbox : NULL,
                         .lapic_version = lapic_version(o),
                         .rtc_base_unix_s = o->rtc_given ? o->rtc_base_unix_s : (s64)time(NULL)};
    net_configure(&o->net, cfg.nic);
    return migrate_open(o, p) && (!o->nvram || nvram_open(o->nvram, &cfg.cmos, p)) &&
           open_first_code(o, boot, &cfg, p) && snapshots_claim(o, p) &&
           drives_open(&o->drives, cfg.drive, p) && snapshots_open(o, cfg.drive, p) &&
           open_backends(pc, o, &cfg, p) && open_trace(o, p) && /* which must not empty an image */
           (!*o->sound.wav || audio_open(o->sound.wav, p)) && midi_open(&o->sound, p) && open_hooks(o, p) &&
           explain_open(&o->explain, p) && start_machine(pc, o, &cfg, has_kernel(o) ? boot : NULL, p) &&
           begin_audio(pc, o, p) && explain_begin(&o->explain, pc, p);
}

/* Beside which files hidden ones are not hidden: see broker_serve.c. */
static bool start_cage(const Options *o, Problem *p)
{
    const char *named[DRIVE_COUNT + 4];
    unsigned count = 0;
    for (int n = 0; n < DRIVE_COUNT; n++)
        if (o->drives.drive[n].path) {
            const char *folder = disk_folder(o->drives.drive[n].path);
            named[count++] = folder ? folder : o->drives.drive[n].path;
        }
    if (o->kernel) named[count++] = o->kernel;
    if (*o->sound.wav) named[count++] = o->sound.wav;
    if (o->trace_path) named[count++] = o->trace_path;
    if (*o->explain.path) named[count++] = o->explain.path;
    return cage_start(o->sandbox, named, count, p);
}

/* Somebody may say `migrate`. */
static bool may_be_told(const Options *o)
{
    bool told =
        o->monitor_count || o->qmp_count || o->gdb.kind != CHAR_NULL || o->display.kind == DISPLAY_CURSES;
    for (int n = 0; n < SERIAL_PORTS; n++) told |= o->serial[n].mux;
    return told;
}

/* Before host_start(), so that the broker stays small, but with the file that holds this process's number. */
static bool prepare(const Options *o, Problem *p)
{
    file_state_folder = snapshots_folder(o);
    if (file_state_folder || o->incoming || may_be_told(o)) saver_start();
    int gate = saver_take_gate();
    if (gate >= 0 && !may_be_told(o)) close(gate);
    broker_gate = may_be_told(o) ? gate : -1;
    if (o->spawn || o->sandbox == SANDBOX_OFF) starter_start(broker_gate, o->daemonize);
    return (!o->pidfile || pidfile_write(o->pidfile, p)) && start_cage(o, p);
}

static int give_up(const Problem *p)
{
    display_stop();
    snapshots_disclaim();
    say("%s", p->text);
    broker_leave();
    return 1;
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
    audit_begin();
    if (!prepare(o, &p) || !host_start(&p) || !start(&pc, o, &boot, &p)) return give_up(&p);
    migrate_set_downtime(MIGRATE_DOWNTIME_MS);
    host_warn_of_memory(o->ram_bytes);
    daemon_detach();
    if (!cage_shut(display_process(), &p)) {
        daemon_failed(&p);
        return give_up(&p);
    }
    daemon_started();
    int code = pc_run(&pc);
    audio_end(pc.machine);
    hostio_stop();
    snapshots_settle(&pc);
    if (!nvram_end(machine_cmos(pc.machine))) say("-nvram %.200s: it could not be written", o->nvram);
    media_end();
    snapshots_end();
    bool complete = timeline_file_close(); /* takes as long as it takes: nobody ends us any more */
    broker_leave();
    if (!hooks_end()) code = 1;
    if (trace_mask & TRACE_STATS) pc_print_stats(&pc);
    complete = explain_end(&o->explain, &pc) && complete;
    complete = trace_flush() && complete;
    fflush(NULL);
    return code || complete ? code : 1;
}

/* ring3 switch PATH ...: a program of its own. */
static int become_switch(char **argv)
{
    Problem p;
    helper_become("ring3-net", argv, &p);
    say("switch: %s", p.text);
    return 1;
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "switch")) return become_switch(argv);
    int code;
    if (argc > 1 && !strcmp(argv[1], "vm")) {
        if (!vm_main(&argc, &argv, &code)) return code;
    } else if (!vm_start_folder(&argc, &argv))
        return 1;
    cage_enter(argc, argv);
    if (argc > 1 && !strcmp(argv[1], "img")) return img_main(argc - 1, argv + 1);
    Options o;
    OptionsResult r = options_parse(&o, argc, argv);
    code = r == OPTIONS_RUN ? run(&o) : r == OPTIONS_BAD;
    drive_options_free(&o.drives);
    return code;
}
