/* front_inbox.c - every kind of event reaches what it is for, with guest time and a number, and is a line of -d events.
 * On a board without a guest that runs: its chips are looked at through their ports. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "frontend/inbox.h"
#include "frontend/pc.h"
#include "frontend/serial.h"
#include "hw/keys.h"
#include "mmu/bus.h"

enum { COM1 = 0x3f8, GAME = 0x201, KBC = 0x60, PM = 0x600, CHECKPOINT = 0x80 };

static Pc pc;
static int nmis, log_fd;
static off_t read_to;
static u64 last_number;

/* --- the board ------------------------------------------------------------------------------------------- */

static void on_nmi(void *ctx)
{
    (void)ctx;
    nmis++;
}

static int set_up(void **state)
{
    const MachineEvents ev = {.nmi = on_nmi};
    CharSpec spec = {.kind = CHAR_NULL};
    Problem p;
    (void)state;
    assert_true(charspec_parse(&spec, "-serial", "file:/dev/null", USE_SERIAL));
    MachineConfig cfg = {.ram_bytes = 16 << 20, .manual_clock = true, .no_vga = true, .gameport = true};
    cfg.serial[0] = serial_open(0, channel_open(&spec, "-serial", "serial0", SIDE_GUEST, &p));
    assert_non_null(cfg.serial[0]);
    cfg.nic[0].model = NIC_PCNET;
    cfg.drive[DRIVE_FLOPPY_A] = (Drive){.present = true, .floppy = true};
    cfg.drive[DRIVE_IDE_2] = (Drive){.present = true, .cdrom = true};
    pc.machine = machine_new(&cfg, &ev);
    assert_non_null(pc.machine);
    cpu_init(&pc.cpu, cpu_model_find("max"), machine_bus(pc.machine), machine_phys(pc.machine));
    pc.cpu.engine = &engine_interp;
    break_attach(&pc.cpu, &pc.breaks);
    inbox_begin(&pc);
    log_fd = memfd_create("log", 0);
    assert_true(log_fd >= 0 && trace_to(dup(log_fd)));
    trace_mask = TRACE_EVENTS;
    clock_advance(machine_clock(pc.machine), 2000000007);
    return 0;
}

static u32 in(u16 port) { return bus_port_in(machine_bus(pc.machine), port, 1); }
static void out(u16 port, u32 value) { bus_port_out(machine_bus(pc.machine), port, value, 1); }

/* --- looking --------------------------------------------------------------------------------------------- */

/* What was traced since the last call: one line at most. */
static const char *line(void)
{
    static char text[1000];
    trace_flush();
    ssize_t n = pread(log_fd, text, sizeof text - 1, read_to);
    assert_true(n >= 0);
    text[n] = 0;
    read_to += n;
    char *end = strchr(text, '\n');
    assert_true(!end || !end[1]);
    if (end) *end = 0;
    return text;
}

static bool seen[INBOX_KINDS];

/* Delivered, and told as "... SPEAKER: `told`". Returns what inbox_deliver() does. */
static bool deliver(InboxEvent *e, const char *told)
{
    char whole[600];
    seen[e->kind] = true;
    clock_advance(machine_clock(pc.machine), 1000);
    u64 now = clock_now(machine_clock(pc.machine));
    bool taken = inbox_deliver(e);
    assert_int_equal(e->number, ++last_number);
    assert_int_equal(e->at_ns, now);
    assert_int_equal(e->by, BY_MONITOR);
    snprintf(whole, sizeof whole, "event %llu at %llu.%09llu s, monitor: %s", (unsigned long long)e->number,
             (unsigned long long)(now / 1000000000), (unsigned long long)(now % 1000000000), told);
    assert_string_equal(line(), whole);
    return taken;
}

static bool happens(InboxKind kind, const char *told) { return deliver(&(InboxEvent){.kind = kind}, told); }

/* --- kinds ----------------------------------------------------------------------------------------------- */

static void input(void **state)
{
    (void)state;
    inbox_speaks(BY_MONITOR);
    while (in(KBC + 4) & 1) in(KBC);
    assert_true(machine_keys_taken(pc.machine));
    assert_true(deliver(&(InboxEvent){.kind = INBOX_KEY, .key = {0x1e, true}}, "key a down"));
    assert_false(machine_keys_taken(pc.machine));
    assert_true(deliver(&(InboxEvent){.kind = INBOX_KEY, .key = {0x7f, false}}, "key 0x7f up"));
    assert_true(deliver(&(InboxEvent){.kind = INBOX_MOUSE, .mouse = {5, -3, 0, MOUSE_LEFT}},
                        "mouse +5 -3, wheel +0, buttons 1"));
    assert_true(deliver(&(InboxEvent){.kind = INBOX_POINTER, .pointer = {1, 65535, -1, 0}},
                        "pointer at 1 65535, wheel -1, buttons 0"));
    assert_true(deliver(&(InboxEvent){.kind = INBOX_MOUSE_MODE, .movements = true}, "mouse mode movements"));
    assert_int_equal(in(GAME)&0x30, 0x30);
    assert_true(deliver(&(InboxEvent){.kind = INBOX_STICK, .stick = {0, {true, 0, 0, 1}}},
                        "joystick 0 at 0 0, buttons 1"));
    assert_int_equal(in(GAME)&0x30, 0x20); /* the button is down */
    assert_true(deliver(&(InboxEvent){.kind = INBOX_STICK}, "joystick 0 is gone"));
    assert_int_equal(in(GAME)&0x30, 0x30);
}

/* Bytes wait in the line until the guest listens, and all of them come out, however slowly it reads. */
static void serial(void **state)
{
    u8 bytes[100];
    (void)state;
    for (unsigned n = 0; n < sizeof bytes; n++) bytes[n] = (u8)n;
    out(COM1 + 4, 0); /* no RTS */
    assert_true(deliver(&(InboxEvent){.kind = INBOX_SERIAL, .data = {0, 3, (const u8 *)"a\"\n"}},
                        "serial 0: 3 bytes \"a\\x22\\x0a\""));
    assert_true(inbox_deliver(&(InboxEvent){.kind = INBOX_SERIAL, .data = {0, sizeof bytes, bytes}}));
    last_number++;
    const char *told = line();
    assert_non_null(strstr(told, "serial 0: 100 bytes \"\\x00\\x01"));
    assert_non_null(strstr(told, "&'\"..."));
    assert_false(in(COM1 + 5) & 1);
    out(COM1 + 4, 0x0b);
    assert_int_equal(in(COM1), 'a');
    in(COM1);
    in(COM1);
    for (unsigned n = 0; n < sizeof bytes; n++) {
        assert_true(in(COM1 + 5) & 1);
        assert_int_equal(in(COM1), n);
    }
    assert_false(in(COM1 + 5) & 1);
}

static bool has_room;
static u32 received;

static bool receive(void *dev, const u8 *frame, u32 n)
{
    (void)dev, (void)frame;
    if (has_room) received = n;
    return has_room;
}

static void network(void **state)
{
    u8 frame[60] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0xfe, 8, 0};
    InboxEvent e = {.kind = INBOX_FRAME, .data = {0, sizeof frame, frame}};
    NetPort *port = machine_net(pc.machine, 0);
    (void)state;
    port->receive = receive;
    assert_false(inbox_deliver(&e)); /* no room: it was not here */
    assert_string_equal(line(), "");
    has_room = true;
    assert_true(deliver(&e, "frame for card 0: 60 bytes from 02:00:00:00:00:fe, type 0800"));
    assert_int_equal(received, 60);
    assert_true(deliver(&(InboxEvent){.kind = INBOX_CABLE, .cable = {0, true}}, "cable of card 0 is in"));
    assert_true(port->up);
    assert_true(deliver(&(InboxEvent){.kind = INBOX_CABLE}, "cable of card 0 is out"));
    assert_false(port->up);
    assert_false(
        deliver(&(InboxEvent){.kind = INBOX_CABLE, .cable.n = 3}, "cable of card 3 is out, not taken"));
}

static int moves;
static void moved(void *ctx)
{
    (void)ctx;
    moves++;
}

static void drives(void **state)
{
    Medium disk = {.name = "a\n.img", .sectors = 2880};
    Drive *a = machine_drive(pc.machine, DRIVE_FLOPPY_A), *cd = machine_drive(pc.machine, DRIVE_IDE_2);
    (void)state;
    a->moved = cd->moved = moved;
    assert_true(deliver(&(InboxEvent){.kind = INBOX_MEDIUM, .medium = {a, &disk}}, "medium floppy0: a?.img"));
    assert_true(a->medium == &disk && moves == 1);
    assert_true(
        deliver(&(InboxEvent){.kind = INBOX_MEDIUM, .medium = {a, NULL}}, "medium floppy0: taken out"));
    assert_true(!a->medium && !a->tray_open && moves == 2);
    cd->locked = true;
    assert_true(
        deliver(&(InboxEvent){.kind = INBOX_EJECT_BUTTON, .medium.drive = cd}, "eject button ide1-cd0"));
    assert_true(cd->eject_wanted && cd->locked && moves == 3);
    assert_true(
        deliver(&(InboxEvent){.kind = INBOX_MEDIUM, .medium = {cd, NULL}}, "medium ide1-cd0: taken out"));
    assert_true(cd->tray_open && !cd->locked && !cd->eject_wanted && moves == 4);
    assert_true(happens(INBOX_FLUSHED, "flushed")); /* nobody waits for it: nothing happens */
}

static u32 attention(void) { return atomic_load(&pc.cpu.attention); }

static void buttons(void **state)
{
    (void)state;
    bus_port_out(machine_bus(pc.machine), PM + 2, 0, 2);
    assert_false(happens(INBOX_POWER, "power button, not taken"));
    bus_port_out(machine_bus(pc.machine), PM + 2, 0x100, 2); /* the guest wants to hear of it */
    assert_true(happens(INBOX_POWER, "power button"));
    assert_true(bus_port_in(machine_bus(pc.machine), PM, 2) & 0x100);
    assert_true(happens(INBOX_NMI, "nmi"));
    assert_int_equal(nmis, 1);
    assert_true(happens(INBOX_RESET, "reset"));
    assert_true(attention() & ATT_RESET && pc.reset_asked);
}

static void running(void **state)
{
    Clock *k = machine_clock(pc.machine);
    (void)state;
    assert_true(happens(INBOX_STOP, "stop"));
    assert_true(pc.paused && k->stopped);
    assert_true(happens(INBOX_CONT, "cont"));
    assert_true(!pc.paused && !k->stopped);
    assert_true(happens(INBOX_STOP, "stop"));
    assert_true(happens(INBOX_STEP, "step"));
    assert_false(pc.paused);
    assert_true(deliver(&(InboxEvent){.kind = INBOX_SPEED, .mhz = 33}, "speed 33 MHz"));
    assert_true(pc.cpu.speed_on && pc.speed_mhz == 33);
    assert_true(deliver(&(InboxEvent){.kind = INBOX_SPEED}, "speed max"));
    assert_false(pc.cpu.speed_on);
    out(0x70, 0);
    u32 second = in(0x71);
    assert_true(deliver(&(InboxEvent){.kind = INBOX_DATE, .seconds = 7}, "date +7 s"));
    assert_int_not_equal(in(0x71), second);
    pc.kernel_wanted = true;
    assert_true(happens(INBOX_LOADED, "loaded"));
    assert_false(pc.kernel_wanted);
    assert_true(happens(INBOX_QUIT, "quit"));
    assert_true(attention() & ATT_STOP && pc.quit_asked);
}

static void changes(void **state)
{
    u8 four[4] = {0x78, 0x56, 0x34, 0x12};
    enum { EBX_NUMBER = 3 };
    (void)state;
    assert_true(
        deliver(&(InboxEvent){.kind = INBOX_PORT_OUT, .port = {COM1 + 7, 1, 0x5a}}, "port written 03ff: 5a"));
    assert_int_equal(in(COM1 + 7), 0x5a);
    InboxEvent e = {.kind = INBOX_PORT_IN, .port = {.at = COM1 + 7, .bytes = 1}};
    assert_true(deliver(&e, "port read 03ff: 5a"));
    assert_int_equal(e.port.value, 0x5a);
    assert_true(deliver(&(InboxEvent){.kind = INBOX_MEMORY, .memory = {false, 0x5000, 4, four}},
                        "memory written 00005000 (physical): 4 bytes \"xV4\\x12\""));
    assert_int_equal(load32((const u8 *)phys_hp(machine_phys(pc.machine), 0x5000)), 0x12345678);
    assert_false(deliver(&(InboxEvent){.kind = INBOX_MEMORY, .memory = {false, 1ull << 32, 1, four}},
                         "memory written 100000000 (physical): 1 byte \"x\", not taken"));
    assert_true(
        deliver(&(InboxEvent){.kind = INBOX_REGISTER, .reg = {EBX_NUMBER, four}}, "register written 3"));
    assert_int_equal(pc.cpu.gpr[EBX], 0x12345678);
}

static void all_kinds(void **state)
{
    (void)state;
    for (int n = 0; n < INBOX_KINDS; n++)
        if (!seen[n]) fail_msg("no test of kind %d", n);
}

/* --- where none may be ----------------------------------------------------------------------------------- */

static void silent(void **state)
{
    (void)state;
    trace_mask = 0;
    InboxEvent e = {.kind = INBOX_NMI};
    assert_true(inbox_deliver(&e) && e.number == ++last_number);
    assert_string_equal(line(), "");
}

static void *elsewhere(void *unused)
{
    inbox_deliver(&(InboxEvent){.kind = INBOX_NMI});
    return unused;
}

/* How a process ends that does so. */
static int end_of(bool shut)
{
    int status;
    pid_t child = fork();
    if (!child) {
        pthread_t t;
        freopen("/dev/null", "w", stderr);
        inbox_shut(shut);
        if (shut)
            elsewhere(NULL);
        else if (!pthread_create(&t, NULL, elsewhere, NULL))
            pthread_join(t, NULL);
        _exit(0);
    }
    waitpid(child, &status, 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}

static void never(void **state)
{
    (void)state;
    assert_int_equal(end_of(true), SIGABRT);
    assert_int_equal(end_of(false), SIGABRT);
    inbox_shut(true);
    inbox_shut(false);
    assert_true(inbox_deliver(&(InboxEvent){.kind = INBOX_NMI}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(input),   cmocka_unit_test(serial),
                                       cmocka_unit_test(network), cmocka_unit_test(drives),
                                       cmocka_unit_test(buttons), cmocka_unit_test(changes),
                                       cmocka_unit_test(running), cmocka_unit_test(all_kinds),
                                       cmocka_unit_test(silent),  cmocka_unit_test(never)};
    return cmocka_run_group_tests(tests, set_up, NULL);
}
