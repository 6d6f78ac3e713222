/* pc.c - the wires between board (hw/), processor (cpu/), engine and host (hostio.c).
 *
 *   INTR -> cpu_set_intr    NMI, INIT -> attention    INTA cycle <- Vcpu.intr_ack    FERR# -> IRQ13
 *   IA32_APIC_BASE -> the local APIC
 *   reset, power-off, debug exit -> attention, and the run loop ends or resets
 *   earliest deadline -> a timer of the host -> ATT_CLOCK -> machine_service
 *   TSC = guest nanoseconds: a 1 GHz processor, in step with PIT, RTC and PM timer
 *
 * Everything here but pc_start runs on the vCPU thread.
 */
#include "frontend/pc.h"

#include "cpu/fpu.h"
#include "cpu/base/host.h"
#include "cpu/base/timeline.h"
#include "frontend/debug/debugger.h"
#include "frontend/debug/disasm.h"
#include "frontend/debug/gdb.h"
#include "frontend/debug/symbols.h"
#include "frontend/display/display.h"
#include "frontend/display/display_media.h"
#include "frontend/display/vnc.h"
#include "frontend/glass/inspect.h"
#include "frontend/hook/hooks.h"
#include "frontend/host_time.h"
#include "frontend/host/hostio.h"
#include "frontend/image/media.h"
#include "frontend/inbox.h"
#include "frontend/load/fwfiles.h"
#include "frontend/monitor/monitor.h"
#include "frontend/monitor/qmp.h"
#include "frontend/monitor/screen_wait.h"
#include "frontend/net.h"
#include "frontend/processor.h"
#include "frontend/serial.h"
#include "frontend/snapshot/migrate.h"
#include "frontend/snapshot/snapshots.h"
#include "frontend/vm/suspend.h"
#include "translator/audit/audit.h"
#include "translator/xlat.h"

#include <stdio.h>
#include <stdlib.h>

/* --- from the board -------------------------------------------------------------------------------------- */

static void on_intr(void *ctx, bool level) { cpu_set_intr(&((Pc *)ctx)->cpu, level); }
static u32 *on_registers(void *pc) { return ((Pc *)pc)->cpu.gpr; }

static void on_nmi(void *ctx) { cpu_attention(&((Pc *)ctx)->cpu, ATT_NMI); }
static void on_reset(void *ctx) { cpu_attention(&((Pc *)ctx)->cpu, ATT_RESET); }

static bool firmware_first(const Boot *b) { return !b || b->needs_firmware; }

/* At the reset vector there must be something. */
static void on_init(void *ctx)
{
    Pc *pc = ctx;
    cpu_attention(&pc->cpu, firmware_first(pc->boot) ? ATT_INIT : ATT_RESET);
}

static void stop(Pc *pc, StopReason why)
{
    pc->cpu.stop_reason = why;
    cpu_attention(&pc->cpu, ATT_STOP);
}

/* With -no-shutdown, or when a person is to say what becomes of its disks, the machine stands still as if it were
 * paused, and the person looks. */
static void on_poweroff(void *ctx)
{
    Pc *pc = ctx;
    bool must_ask = display_asks() && sessions_undecided();
    if (!pc->no_shutdown && !must_ask) {
        stop(pc, STOP_POWEROFF);
        return;
    }
    pc->is_off = true;
    cpu_attention(&pc->cpu, ATT_IO);
}

static void on_debug_exit(void *ctx, u32 value)
{
    Pc *pc = ctx;
    pc->cpu.exit_code = (int)(value << 1 | 1) & 0xff;
    stop(pc, STOP_DEBUG_EXIT);
}

static void on_speaker(void *ctx, const SpeakerEvent *event)
{
    (void)ctx;
    display_speaker(event);
}

static void on_a20(void *ctx, bool enabled)
{
    Vcpu *c = &((Pc *)ctx)->cpu;
    trace(MMU, "A20 update: a20=%d", enabled);
    if (c->engine) c->engine->paging_changed(c->engine->ctx, c, EV_A20);
}

static void on_deadline(void *ctx, u64 guest_ns)
{
    Pc *pc = ctx;
    if (!pc->machine) return; /* still being built; pc_run() asks */
    const Clock *k = machine_clock(pc->machine);
    hostio_set_deadline(guest_ns == UINT64_MAX ? UINT64_MAX : clock_to_host_ns(k, guest_ns));
}

static u64 tsc_now(void *ctx) { return clock_now(machine_clock(((Pc *)ctx)->machine)); }

/* --- from the run loop ----------------------------------------------------------------------------------- */

/* Without a kernel of ours the processor starts where reset left it: in the firmware. */
static bool place(Pc *pc, Problem *p)
{
    return firmware_first(pc->boot) || boot_place(pc->boot, &pc->cpu, machine_parts(pc->machine), p);
}

static void on_kernel_call(void *ctx)
{
    Pc *pc = ctx;
    pc->kernel_wanted = true;
    cpu_attention(&pc->cpu, ATT_IO);
}

/* The BIOS is in real mode. A guest that calls from elsewhere is not the BIOS. */
static void start_kernel(Pc *pc)
{
    pc->kernel_wanted = false;
    if (cpu_protected(&pc->cpu)) {
        trace(GUEST_ERRORS, "a kernel is wanted, but not from real mode");
        return;
    }
    if (!boot_place(pc->boot, &pc->cpu, machine_parts(pc->machine), &pc->problem)) stop(pc, STOP_QUIT);
}

static void trace_before_reset(const Vcpu *c)
{
    trace(CPU_RESET, "reset at %04x:%08x, cr0 %08x cr2 %08x cr3 %08x cr4 %08x eflags %08x", c->seg[CS].sel,
          c->eip, c->cr0, c->cr2, c->cr3, c->cr4, c->eflags);
    trace(CPU_RESET, "eax %08x ecx %08x edx %08x ebx %08x esp %08x ebp %08x esi %08x edi %08x", c->gpr[0],
          c->gpr[1], c->gpr[2], c->gpr[3], c->gpr[4], c->gpr[5], c->gpr[6], c->gpr[7]);
}

static bool reset(void *ctx)
{
    Pc *pc = ctx;
    if (!migrate_lets_reset()) return true; /* it is another process's machine */
    trace_before_reset(&pc->cpu);
    const char *reason = pc->reset_asked ? "host-qmp-system-reset" : "guest-reset";
    pc->reset_asked = false;
    if (pc->no_reboot) {
        pc->is_off = pc->no_shutdown;
        cpu_attention(&pc->cpu, ATT_IO); /* before the next instruction */
        return pc->no_shutdown;
    }
    qmp_tell(QMP_RESET, reason);
    pc->is_off = false;
    keyplay_reset(&pc->keys);
    machine_reset(pc->machine); /* and the processor, its last part */
    fwfiles_boot_order(pc->machine, pc->boot_order, pc->boot_strict,
                       pc->any_floppy); /* what "once" said is over */
    return place(pc, &pc->problem);
}

/* The next of a PC's speeds through the years, slower or faster; above them all: as fast as it goes. */
static u32 next_speed(u32 mhz, bool faster)
{
    static const u32 steps[] = {1, 2, 5, 8, 12, 16, 25, 33, 50, 66, 100, 133, 200, 300, 450, 700, 1000};
    unsigned n = 0;
    while (n < ARRAY_LEN(steps) && mhz && steps[n] < mhz + faster) n++;
    if (!mhz) n = ARRAY_LEN(steps);
    if (faster) return n < ARRAY_LEN(steps) ? steps[n] : 0;
    return steps[n ? n - 1 : 0];
}

static bool is_leaving(Pc *pc) { return atomic_load(&pc->cpu.attention) & ATT_STOP; }

static void happens(InboxKind kind) { inbox_deliver(&(InboxEvent){.kind = kind}); }

/* A signal, Ctrl-A X, a window that is closed. */
static void leave_by_host(Pc *pc)
{
    inbox_speaks(BY_HOST);
    if (!is_leaving(pc)) happens(INBOX_QUIT);
}

/* What the person did in the window. */
static void act_for_display(Pc *pc, unsigned asked)
{
    if (asked & (ASKED_FASTER | ASKED_SLOWER))
        inbox_deliver(
            &(InboxEvent){.kind = INBOX_SPEED, .mhz = next_speed(pc->speed_mhz, asked & ASKED_FASTER)});
    if (asked & ASKED_BLOCK) display_show_block(pc);
    if (asked & ASKED_SNAPSHOT) display_act_snapshot(pc);
    if (asked & ASKED_SUSPEND) suspend_begin(pc);
    if (asked & ASKED_POWER) happens(INBOX_POWER);
    if (asked & ASKED_PAUSE) happens(pc->paused ? INBOX_CONT : INBOX_STOP);
}

static void serve_vnc(Pc *pc)
{
    (void)pc;
    vnc_service();
}

static void serve_helpers(Pc *pc)
{
    snapshots_service(pc);
    migrate_service(pc);
    screen_waits_service();
}

static void serve_display(Pc *pc)
{
    unsigned asked;
    display_show_undecided(sessions_undecided(), pc->is_off && !pc->no_shutdown);
    do act_for_display(pc, asked = display_service(pc->machine));
    while (asked & ASKED_SNAPSHOT);
}

/* Whether the machine runs or is held. */
static void serve_people(Pc *pc)
{
    static const struct {
        InboxSpeaker who;
        void (*serve)(Pc *pc);
    } people[] = {{BY_MONITOR, monitors_service},
                  {BY_QMP, qmps_service},
                  {BY_GDB, gdb_service},
                  {BY_PAGE, inspect_service},
                  {BY_HOST, serve_helpers},
                  {BY_WINDOW, serve_display},
                  {BY_VNC, serve_vnc}};
    for (unsigned n = 0; n < ARRAY_LEN(people); n++) {
        inbox_speaks(people[n].who);
        people[n].serve(pc);
    }
}

/* The machine is held: time stands still, and only monitors and signals are listened to. */
static void park(Pc *pc)
{
    if (pc->paused && !pc->io_error) media_service(true);
    while (pc->paused && !is_leaving(pc)) {
        hostio_set_deadline(UINT64_MAX);
        hostio_idle();
        u32 bits = atomic_fetch_and(&pc->cpu.attention, ~(u32)(ATT_IO | ATT_CLOCK | ATT_RESET));
        if (bits & ATT_RESET && !reset(pc)) stop(pc, STOP_RESET);
        bool leave = hostio_stop_wanted(); /* what a person said before that is there by now */
        serve_people(pc);
        if (leave) leave_by_host(pc);
    }
}

static void show_state(const Pc *pc) { display_show_state(pc->paused, pc->io_error, pc->speed_mhz); }

/* --- trouble with the host's disk ------------------------------------------------------------------------- */

/* In the middle of a guest's access: the machine stops before the next instruction but a few. */
bool pc_media_trouble(void *ctx, const char *sentence, bool stops)
{
    Pc *pc = ctx;
    if (!stops) {
        say("%s", sentence);
        return false;
    }
    snprintf(pc->trouble, sizeof pc->trouble, "%s", sentence);
    cpu_attention(&pc->cpu, ATT_IO);
    return true;
}

static void serve_trouble(Pc *pc)
{
    if (!pc->trouble[0]) return;
    say("%s", pc->trouble);
    monitors_tell(pc->trouble);
    pc->trouble[0] = 0;
    pc->io_error = true;
    happens(INBOX_STOP);
}

static atomic_bool disk_flushed;

void pc_disk_flushed(void)
{
    atomic_store(&disk_flushed, true);
    hostio_call_service();
}

/* --- speed ------------------------------------------------------------------------------------------------ */

/* Instructions are handed out as guest time passes, at most a few slices at once. While none are left the thread
 * sleeps, a slice's worth or until a device wants something. */
enum { SPEED_SLICE_NS = 1000000, SPEED_SLICES_MAX = 5 };

static void speed_hand_out(Pc *pc)
{
    u64 now = clock_now(machine_clock(pc->machine)), ns = now - pc->speed_seen_ns;
    u64 most = (u64)SPEED_SLICES_MAX * SPEED_SLICE_NS;
    if (ns > most) ns = most;
    pc->speed_seen_ns = now;
    pc->cpu.speed_left += (s64)(ns * pc->speed_mhz / 1000);
    s64 full = (s64)(most * pc->speed_mhz / 1000);
    if (pc->cpu.speed_left > full) pc->cpu.speed_left = full;
}

static void speed_service(Pc *pc)
{
    if (!pc->cpu.speed_on) return;
    speed_hand_out(pc);
    s64 slice = (s64)SPEED_SLICE_NS * pc->speed_mhz / 1000;
    if (pc->cpu.speed_left > slice / 8) return; /* fewer are not worth the trap at their end */
    Clock *k = machine_clock(pc->machine);
    u64 enough = clock_now(k) + (u64)(slice - pc->cpu.speed_left) * 1000 / pc->speed_mhz;
    u64 next = clock_next_deadline(k);
    on_deadline(pc, next < enough ? next : enough);
    hostio_idle();
    speed_hand_out(pc);
    if (pc->cpu.speed_left <= slice / 8) cpu_attention(&pc->cpu, ATT_SPEED);
}

/* The guest waits in a loop: so may we, until a device wants something, but not for long. */
static void pause_service(Pc *pc)
{
    enum { NAP_NS = 50000 };
    Vcpu *c = &pc->cpu;
    if (!c->pause.wanted) return;
    bool interrupt = atomic_load(&c->attention) & ATT_INTR && c->eflags & FL_I;
    if (!interrupt) hostio_nap(NAP_NS);
    cpu_pause_over(c);
}

void pc_set_speed(Pc *pc, u32 mhz)
{
    if (mhz > SPEED_MHZ_MAX) mhz = SPEED_MHZ_MAX;
    pc->speed_mhz = mhz;
    pc->speed_seen_ns = clock_now(machine_clock(pc->machine));
    pc->cpu.speed_left = 0;
    pc->cpu.speed_on = mhz != 0;
    show_state(pc);
}

/* Under -no-shutdown. */
static void stay_off(Pc *pc)
{
    qmp_tell(QMP_SHUTDOWN, pc->no_reboot ? "guest-reset" : "guest-shutdown");
    pc_pause(pc);
}

/* What needs nobody's words, and only while the machine runs. */
static void serve_lines(Pc *pc)
{
    inbox_speaks(BY_LINE);
    serial_service();
    machine_service(pc->machine);
    media_service(false);
    inbox_speaks(BY_HOST);
    if (atomic_exchange(&disk_flushed, false)) happens(INBOX_FLUSHED);
}

/* Between two instructions: the inbox is open. */
static void service(void *ctx)
{
    Pc *pc = ctx;
    bool leave = hostio_stop_wanted();
    inbox_shut(false);
    if (!pc->paused) serve_lines(pc);
    inbox_speaks(BY_NETWORK);
    net_service();
    inbox_speaks(BY_HOST);
    serve_trouble(pc);
    if (pc->is_off && !pc->paused) stay_off(pc);
    if (pc->kernel_wanted) start_kernel(pc);
    inbox_speaks(BY_HOOK);
    hooks_service(pc);
    debugger_service(pc);
    serve_people(pc);
    park(pc);
    if (!is_leaving(pc)) {
        speed_service(pc);
        pause_service(pc);
    }
    on_deadline(pc, clock_next_deadline(machine_clock(pc->machine)));
    if (leave) leave_by_host(pc);
    inbox_shut(true);
}

static void idle(void *ctx, u64 ns)
{
    const Pc *pc = ctx;
    Clock *k = machine_clock(pc->machine);
    u64 next = clock_next_deadline(k), now = clock_now(k), since = timeline_now();
    timeline_away(pc->cpu.eip);
    if (ns == UINT64_MAX || next <= now || next - now <= ns)
        hostio_idle();
    else
        hostio_nap(ns);
    if (since) timeline_add(TIMELINE_IDLE, since, pc->cpu.halted ? "HLT" : "waiting loop", 0, 0);
}

/* --- the person's words ----------------------------------------------------------------------------------- */

void pc_pause(Pc *pc)
{
    if (!pc->paused) qmp_tell(QMP_STOP, NULL);
    pc->paused = true;
    debugger_settle(pc);
    break_stand(&pc->cpu);
    clock_stop(machine_clock(pc->machine));
    show_state(pc);
}

static void run_on(Pc *pc, bool step)
{
    Problem p;
    if (!migrate_lets_run(pc, &p)) {
        say("%s", p.text);
        return;
    }
    if (pc->paused) qmp_tell(QMP_RESUME, NULL);
    if (pc->paused || step) break_resume(&pc->cpu, step);
    pc->paused = pc->io_error = false;
    pc->started = true;
    clock_cont(machine_clock(pc->machine));
    host_time_follow(pc);
    show_state(pc);
}

void pc_continue(Pc *pc) { run_on(pc, false); }
void pc_step(Pc *pc) { run_on(pc, true); }

void pc_quit(Pc *pc)
{
    pc->quit_asked = !hostio_stop_wanted();
    stop(pc, STOP_QUIT);
}

void pc_fail(Pc *pc, const Problem *p)
{
    pc->problem = *p;
    stop(pc, STOP_QUIT);
}

void pc_reset(Pc *pc)
{
    pc->reset_asked = true;
    cpu_attention(&pc->cpu, ATT_RESET);
}

bool pc_power_button(Pc *pc)
{
    if (!machine_power_button(pc->machine)) return false;
    qmp_tell(QMP_POWERDOWN, NULL);
    return true;
}

void pc_jumped(Pc *pc)
{
    keyplay_reset(&pc->keys);
    pc->is_off = pc->kernel_wanted = false;
    cpu_loaded(&pc->cpu);
    host_time_jumped(pc);
    pc_set_speed(pc, pc->speed_mhz);
    on_deadline(pc, clock_next_deadline(machine_clock(pc->machine)));
}

static void press_key(void *ctx, u8 key, bool down)
{
    InboxSpeaker who = inbox_speaks(BY_KEYPLAY);
    (void)ctx;
    inbox_deliver(&(InboxEvent){.kind = INBOX_KEY, .key = {key, down}});
    inbox_speaks(who);
}

/* --- life ------------------------------------------------------------------------------------------------ */

/* Why translated code cannot run here at all; NULL: it can. (A mask does not take LAHF from the translator's gates.) */
static const char *translation_lacks(void)
{
    return host_get()->found & BIT(HOST_LAHF) ? NULL : "this processor has no LAHF in 64-bit code";
}

void pc_choose_engine(void)
{
    const char *lack = translation_lacks();
    if (lack)
        host_choice("engine", "-accel interp is needed: %s", lack);
    else
        host_choice("engine", "translate");
    xlat_choose();
}

/* For listings. */
static void symbol_behind(u32 va, char *to, size_t room) { symbols_beside(va, "  ", "", to, room); }

static bool choose_engine(Pc *pc, const Options *o, Problem *p)
{
    const char *why = translation_lacks();
    if (o->accel == ACCEL_INTERP) {
        pc->cpu.engine = &engine_interp;
        host_choice("engine", "interp, as -accel says");
        return true;
    }
    xlat_disasm = disasm_trace;
    if (symbols_count()) xlat_symbol = symbol_behind;
    if (!why) pc->engine = xlat_new(&pc->cpu, &o->xlat, &why);
    return pc->engine ? true
                      : problem_set(p, "-accel translate: %s; -accel interp does without, slowly",
                                    why ? why : "the host has no memory");
}

bool pc_start(Pc *pc, const Options *o, const MachineConfig *cfg, const Boot *boot, Problem *p)
{
    MachineEvents ev = {.ctx = pc,
                        .intr = on_intr,
                        .nmi = on_nmi,
                        .init = on_init,
                        .reset = on_reset,
                        .poweroff = on_poweroff,
                        .debug_exit = on_debug_exit,
                        .speaker = on_speaker,
                        .a20 = on_a20,
                        .registers = on_registers,
                        .deadline = on_deadline};
    pc->boot = boot;
    pc->no_reboot = o->no_reboot;
    pc->no_shutdown = o->no_shutdown;
    memcpy(pc->uuid, o->uuid, sizeof pc->uuid);
    pc->name = o->name;
    pc->snapshot = o->drives.snapshot;
    display_media_begin(pc->snapshot);
    pc->machine = machine_new(cfg, &ev);
    const char *lack = host_memory_lack();
    if (!pc->machine) return problem_set(p, "-m %u: %s", o->ram_bytes >> 20, lack ? lack : HOST_NO_MEMORY);
    inbox_begin(pc);
    if (firmware_first(boot) && !o->no_acpi) fwfiles_add_acpi(pc->machine, o->ram_bytes);
    if (firmware_first(boot)) machine_set_boot_menu(pc->machine, o->drives.boot_menu);
    machine_set_uuid(pc->machine, o->uuid);
    if (boot && boot->needs_firmware) fwfiles_add_kernel_call(pc->machine, on_kernel_call, pc);
    pc->any_floppy = o->no_fd_bootchk;
    pc->boot_strict = o->drives.boot_strict;
    fwfiles_boot_order(pc->machine, *o->drives.boot_once ? o->drives.boot_once : o->drives.boot_order,
                       pc->boot_strict, pc->any_floppy);
    pc->boot_order = o->drives.boot_order;
    media_on_trouble(pc_media_trouble, pc);
    keyplay_init(&pc->keys, machine_clock(pc->machine), press_key, pc);
    if (o->start_stopped) pc_pause(pc);
    pc->started = !pc->paused;
    Vcpu *c = &pc->cpu;
    cpu_init(c, &o->cpu, machine_bus(pc->machine), machine_phys(pc->machine));
    break_attach(c, &pc->breaks);
    c->intr_ack = machine_intr_ack;
    c->ferr = machine_ferr;
    c->apic_base_written = machine_set_apic_base;
    c->intr_ctx = c->ferr_ctx = c->apic_ctx = pc->machine;
    if (!cfg->lapic_version) c->features &= ~BIT(IAPIC);
    c->tsc_now = tsc_now;
    c->tsc_ctx = pc;
    c->tsc_scale = &machine_clock(pc->machine)->scale;
    pc_set_speed(pc, o->speed_mhz);
    if (trace_mask & TRACE_STATS) c->row_hits = calloc(x86_row_count, sizeof *c->row_hits);
    if (!choose_engine(pc, o, p)) return false;
    fpu_host_prepare();
    cpu_reset(c);
    part_add(machine_parts(pc->machine), &processor_part, "cpu", c);
    snapshots_attach(pc);
    host_time_begin(pc, o->rtc_by_host);
    hooks_start(pc);
    return place(pc, p) && (!o->loadvm || snapshot_load(pc, o->loadvm, false, p)) &&
           migrate_await(pc, o->start_stopped, p);
}

/* In QEMU's words. */
static const char *end_reason(const Pc *pc, StopReason why)
{
    if (pc->problem.text[0]) return "host-error";
    if (why == STOP_RESET) return "guest-reset";
    if (why != STOP_QUIT) return "guest-shutdown";
    return pc->quit_asked ? "host-qmp-quit" : hostio_exit_code() >= 128 ? "host-signal" : "host-ui";
}

/* A triple fault resets, as on a PC; so the run loop is entered again. */
int pc_run(Pc *pc)
{
    const RunHooks hooks = {.ctx = pc, .service = service, .idle = idle, .reset = reset};
    StopReason why;
    on_deadline(pc, clock_next_deadline(machine_clock(pc->machine)));
    cpu_attention(&pc->cpu, ATT_IO); /* monitors greet; -S parks */
    inbox_shut(true);
    do why = cpu_run(&pc->cpu, &hooks);
    while (why == STOP_SHUTDOWN && reset(pc));
    inbox_shut(false);
    fpu_park(&pc->cpu);
    qmp_tell(QMP_SHUTDOWN, end_reason(pc, why));
    if (pc->problem.text[0]) {
        say("%s", pc->problem.text);
        return 1;
    }
    int code = why == STOP_DEBUG_EXIT ? pc->cpu.exit_code : why == STOP_QUIT ? hostio_exit_code() : 0;
    gdb_end(code);
    return code;
}

/* --- statistics ------------------------------------------------------------------------------------------ */

typedef struct RowCount {
    u64 hits;
    const Row *row;
} RowCount;

static int more_hits(const void *a, const void *b)
{
    u64 x = ((const RowCount *)a)->hits, y = ((const RowCount *)b)->hits;
    return x < y ? 1 : x > y ? -1 : 0;
}

static void print_rows(const Vcpu *c)
{
    enum { SHOWN = 30 };
    RowCount *rows = calloc(x86_row_count, sizeof *rows);
    if (!rows || !c->row_hits) return;
    for (unsigned n = 0; n < x86_row_count; n++) rows[n] = (RowCount){c->row_hits[n], &x86_rows[n]};
    qsort(rows, x86_row_count, sizeof *rows, more_hits);
    trace_line("rows interpreted most often:");
    for (unsigned n = 0; n < SHOWN && n < x86_row_count && rows[n].hits; n++)
        trace_line("  %14llu  %04x %s", (unsigned long long)rows[n].hits, rows[n].row->opcode,
                   rows[n].row->name);
    free(rows);
}

const char *pc_run_state(const Pc *pc)
{
    const char *moving = migrate_run_state();
    if (moving) return moving;
    if (!pc->paused) return "running";
    if (pc->io_error) return "io-error";
    if (pc->is_off) return "shutdown";
    return pc->started ? "paused" : "prelaunch";
}

void pc_uuid_text(const Pc *pc, char to[UUID_TEXT])
{
    const u8 *u = pc->uuid;
    snprintf(to, UUID_TEXT, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0],
             u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]);
}

void pc_print_stats(const Pc *pc)
{
    const Wait *w = &pc->cpu.wait;
    trace_line("interpreted: %llu instructions", (unsigned long long)pc->cpu.insns_interp);
    trace_line("waiting loops: %llu looks, %llu sleeps", (unsigned long long)w->looks,
               (unsigned long long)w->sleeps);
    if (audit_blocks()) trace_line("audited: %llu blocks", (unsigned long long)audit_blocks());
    if (pc->engine)
        xlat_print_stats(pc->engine, trace_line);
    else
        print_rows(&pc->cpu);
}
