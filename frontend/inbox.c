/* inbox.c - see inbox.h. First what becomes of an event, then how it is written down. */
#include "frontend/inbox.h"

#include <pthread.h>
#include <stdio.h>

#include "cpu/base/timeline.h"
#include "frontend/debug/gdb_registers.h"
#include "frontend/debug/guest_memory.h"
#include "frontend/keyboard/keynames.h"
#include "frontend/options/drive_names.h"
#include "frontend/pc.h"
#include "frontend/serial.h"
#include "mmu/bus.h"

static struct {
    Pc *pc; /* NULL: none yet. Drives may be tested without */
    pthread_t thread;
    InboxSpeaker speaker;
    bool shut;
    u64 events;
} inbox;

/* --- what becomes of it ---------------------------------------------------------------------------------- */

static bool take_frame(const InboxEvent *e)
{
    NetPort *port = machine_net(inbox.pc->machine, e->data.n);
    return port && port->receive(port->dev, e->data.bytes, e->data.count);
}

static bool take_cable(const InboxEvent *e)
{
    NetPort *port = machine_net(inbox.pc->machine, e->cable.n);
    if (port) net_carrier(port, e->cable.up);
    return port;
}

static void take_medium(Drive *d, Medium *medium)
{
    d->locked = d->eject_wanted = false;
    if (medium) {
        drive_change(d, medium);
        return;
    }
    d->medium = NULL;
    d->tray_open = d->cdrom;
    if (d->moved) d->moved(d->ctx);
}

static void press_eject(Drive *d)
{
    d->eject_wanted = true;
    if (d->moved) d->moved(d->ctx);
}

/* Of a person's hands. */
static bool take_input(const InboxEvent *e)
{
    Machine *m = inbox.pc->machine;
    switch (e->kind) {
    case INBOX_KEY: machine_key(m, e->key.code, e->key.down); return true;
    case INBOX_MOUSE: machine_mouse(m, e->mouse.dx, e->mouse.dy, e->mouse.dz, e->mouse.buttons); return true;
    case INBOX_POINTER:
        machine_pointer(m, e->pointer.x, e->pointer.y, e->pointer.dz, e->pointer.buttons);
        return true;
    case INBOX_MOUSE_MODE: machine_prefer_movement(m, e->movements); return true;
    default: machine_stick(m, e->stick.n, &e->stick.now); return true;
    }
}

/* Of who looks into the machine and changes it. */
static bool take_change(InboxEvent *e)
{
    Pc *pc = inbox.pc;
    Bus *bus = machine_bus(pc->machine);
    switch (e->kind) {
    case INBOX_PORT_IN: e->port.value = bus_port_in(bus, e->port.at, e->port.bytes); return true;
    case INBOX_PORT_OUT: bus_port_out(bus, e->port.at, e->port.value, e->port.bytes); return true;
    case INBOX_MEMORY:
        return guest_write(&pc->cpu, e->memory.linear, e->memory.at, e->memory.bytes, e->memory.count);
    case INBOX_REGISTER: return gdb_register_write(&pc->cpu, e->reg.n, e->reg.bytes);
    case INBOX_DATE: machine_move_time(pc->machine, e->seconds); return true;
    default: pc_jumped(pc); return true;
    }
}

/* Of the machine's buttons, and what ring3 has in their place. */
static bool take_button(const InboxEvent *e)
{
    Pc *pc = inbox.pc;
    switch (e->kind) {
    case INBOX_POWER: return pc_power_button(pc);
    case INBOX_RESET: pc_reset(pc); return true;
    case INBOX_NMI: machine_nmi(pc->machine); return true;
    case INBOX_STOP: pc_pause(pc); return true;
    case INBOX_CONT: pc_continue(pc); return true;
    case INBOX_STEP: pc_step(pc); return true;
    case INBOX_SPEED: pc_set_speed(pc, e->mhz); return true;
    default: pc_quit(pc); return true;
    }
}

static bool take(InboxEvent *e)
{
    switch (e->kind) {
    case INBOX_SERIAL: serial_arrive(e->data.n, e->data.bytes, e->data.count); return true;
    case INBOX_FRAME: return take_frame(e);
    case INBOX_CABLE: return take_cable(e);
    case INBOX_MEDIUM: take_medium(e->medium.drive, e->medium.medium); return true;
    case INBOX_EJECT_BUTTON: press_eject(e->medium.drive); return true;
    case INBOX_FLUSHED: machine_disk_flushed(inbox.pc->machine); return true;
    case INBOX_KEY:
    case INBOX_MOUSE:
    case INBOX_POINTER:
    case INBOX_MOUSE_MODE:
    case INBOX_STICK: return take_input(e);
    case INBOX_PORT_IN:
    case INBOX_PORT_OUT:
    case INBOX_MEMORY:
    case INBOX_REGISTER:
    case INBOX_DATE:
    case INBOX_LOADED: return take_change(e);
    default: return take_button(e);
    }
}

/* --- how it is written down ------------------------------------------------------------------------------ */

enum { DETAIL_BYTES = 400 };

/* Of bytes as many as fit, as text where they are some. */
static void tell_bytes(char *to, size_t room, const u8 *bytes, u32 count)
{
    enum { SHOWN = 40 };
    size_t n = (size_t)snprintf(to, room, "%u byte%s \"", count, count == 1 ? "" : "s");
    for (u32 i = 0; i < count && i < SHOWN && n + 8 < room; i++) {
        bool plain = bytes[i] >= ' ' && bytes[i] < 0x7f && bytes[i] != '"' && bytes[i] != '\\';
        n += (size_t)snprintf(to + n, room - n, plain ? "%c" : "\\x%02x", bytes[i]);
    }
    snprintf(to + n, room - n, "\"%s", count > SHOWN ? "..." : "");
}

static void tell_frame(char *to, size_t room, const u8 *f, u32 count)
{
    if (count < 14) {
        snprintf(to, room, "%u bytes", count);
        return;
    }
    snprintf(to, room, "%u bytes from %02x:%02x:%02x:%02x:%02x:%02x, type %02x%02x", count, f[6], f[7], f[8],
             f[9], f[10], f[11], f[12], f[13]);
}

static const char *name_of(const Drive *d)
{
    for (int id = 0; inbox.pc && id < DRIVE_COUNT; id++)
        if (machine_drive(inbox.pc->machine, (DriveId)id) == d) return drive_name((DriveId)id, d->cdrom);
    return "drive";
}

static void tell_stick(char *to, size_t room, const InboxEvent *e)
{
    const Stick *s = &e->stick.now;
    if (s->present)
        snprintf(to, room, "%u at %d %d, buttons %x", e->stick.n, s->x, s->y, s->buttons);
    else
        snprintf(to, room, "%u is gone", e->stick.n);
}

static void tell_key(char *to, size_t room, const InboxEvent *e)
{
    const char *name = keyname_of(e->key.code), *how = e->key.down ? "down" : "up";
    if (name)
        snprintf(to, room, "%s %s", name, how);
    else
        snprintf(to, room, "0x%02x %s", e->key.code, how);
}

static void tell(char *to, size_t room, const InboxEvent *e)
{
    char bytes[DETAIL_BYTES / 2];
    *to = 0;
    switch (e->kind) {
    case INBOX_KEY: tell_key(to, room, e); return;
    case INBOX_MOUSE:
        snprintf(to, room, "%+d %+d, wheel %+d, buttons %x", e->mouse.dx, e->mouse.dy, e->mouse.dz,
                 e->mouse.buttons);
        return;
    case INBOX_POINTER:
        snprintf(to, room, "at %u %u, wheel %+d, buttons %x", e->pointer.x, e->pointer.y, e->pointer.dz,
                 e->pointer.buttons);
        return;
    case INBOX_MOUSE_MODE: snprintf(to, room, "%s", e->movements ? "movements" : "places"); return;
    case INBOX_STICK: tell_stick(to, room, e); return;
    case INBOX_SERIAL:
        tell_bytes(bytes, sizeof bytes, e->data.bytes, e->data.count);
        snprintf(to, room, "%u: %s", e->data.n, bytes);
        return;
    case INBOX_FRAME:
        tell_frame(bytes, sizeof bytes, e->data.bytes, e->data.count);
        snprintf(to, room, "for card %u: %s", e->data.n, bytes);
        return;
    case INBOX_CABLE: snprintf(to, room, "of card %u is %s", e->cable.n, e->cable.up ? "in" : "out"); return;
    case INBOX_MEDIUM:
        snprintf(to, room, "%s: %.300s", name_of(e->medium.drive),
                 e->medium.medium ? e->medium.medium->name : "taken out");
        return;
    case INBOX_EJECT_BUTTON: snprintf(to, room, "%s", name_of(e->medium.drive)); return;
    case INBOX_SPEED:
        if (e->mhz)
            snprintf(to, room, "%u MHz", e->mhz);
        else
            snprintf(to, room, "max");
        return;
    case INBOX_PORT_IN:
    case INBOX_PORT_OUT:
        snprintf(to, room, "%04x: %0*x", e->port.at, 2 * e->port.bytes, e->port.value);
        return;
    case INBOX_MEMORY:
        tell_bytes(bytes, sizeof bytes, e->memory.bytes, e->memory.count);
        snprintf(to, room, "%08llx%s: %s", (unsigned long long)e->memory.at,
                 e->memory.linear ? "" : " (physical)", bytes);
        return;
    case INBOX_DATE: snprintf(to, room, "%+lld s", (long long)e->seconds); return;
    case INBOX_REGISTER: snprintf(to, room, "%u", e->reg.n); return;
    default: return;
    }
}

static const char *const kinds[INBOX_KINDS] = {
#define T(id, word, help) word,
    INBOX_LIST(T)
#undef T
};

static void note(const InboxEvent *e, bool taken)
{
    static const char *const speakers[INBOX_SPEAKER_COUNT] = {
#define T(id, word) word,
        INBOX_SPEAKERS(T)
#undef T
    };
    char detail[DETAIL_BYTES];
    base_park_fpu(); /* the C library formats */
    tell(detail, sizeof detail, e);
    for (char *at = detail; *at; at++) /* a file may have any name */
        if ((u8)*at < ' ' || *at == 0x7f) *at = '?';
    trace_line("event %llu at %llu.%09llu s, %s: %s%s%s%s", (unsigned long long)e->number,
               (unsigned long long)(e->at_ns / 1000000000), (unsigned long long)(e->at_ns % 1000000000),
               speakers[e->by], kinds[e->kind], *detail ? " " : "", detail, taken ? "" : ", not taken");
}

/* --- the door -------------------------------------------------------------------------------------------- */

bool inbox_deliver(InboxEvent *e)
{
    CHECK(!inbox.shut, "an event from outside (kind %d) in the midst of an instruction", e->kind);
    CHECK(!inbox.pc || pthread_equal(inbox.thread, pthread_self()), "an event (kind %d) on another thread",
          e->kind);
    e->by = inbox.speaker;
    e->at_ns = inbox.pc ? clock_now(machine_clock(inbox.pc->machine)) : 0;
    u64 since = timeline_now();
    bool taken = take(e);
    if (!taken && e->kind == INBOX_FRAME) return false;
    e->number = ++inbox.events;
    if (unlikely(since)) timeline_add(TIMELINE_OUTSIDE, since, kinds[e->kind], 0, 0);
    if (unlikely(trace_mask & TRACE_EVENTS)) note(e, taken);
    return taken;
}

InboxSpeaker inbox_speaks(InboxSpeaker who)
{
    InboxSpeaker was = inbox.speaker;
    inbox.speaker = who;
    return was;
}

void inbox_begin(Pc *pc)
{
    inbox.pc = pc;
    inbox.thread = pthread_self();
}

void inbox_shut(bool shut) { inbox.shut = shut; }
