/* vmport.c - VMware's backdoor at port 5658h, with the commands that guests ask a PC for, and its absolute pointer.
 *
 * Sources: Linux, drivers/input/mouse/vmmouse.c and arch/x86/kernel/cpu/vmware.c; open-vm-tools, backdoor_def.h; the
 * description at sites.google.com/site/chitchatvmback. Not a chip: IN EAX, DX (or OUT) with 564D5868h in EAX is a call, with
 * the command in CX and a parameter in EBX, and the answer comes in EAX, EBX, ECX, EDX, ESI and EDI. Any other access is one
 * to a port that nobody has.
 *
 *   10 GETVERSION                EAX 6, EBX 564D5868h, ECX 4 (a workstation)
 *   20 GETMEMSIZE                EAX MiB
 *   23 GETTIME, 46 GETTIMEFULL   seconds since 1970 (UTC), microseconds: of the guest's clock, which the RTC shows, too
 *   39 ABSPOINTER_DATA           EBX words out of the queue, 1 to 6
 *   40 ABSPOINTER_STATUS         EAX words in the queue; FFFFxxxxh after an error
 *   41 ABSPOINTER_COMMAND        EBX 45414552h enable, with a version word in the queue; F5h disable; 53424152h places,
 *                                4C455252h movements
 *
 * A packet is four words: buttons (and bit 16: a movement), x, y, wheel. It is announced by the PS/2 mouse's interrupt, with a
 * packet of its own that says nothing. What has not been taken is added up: of places with the same buttons only the last is
 * kept, so that a slow driver never lags; clicks stay apart, 16 of them.
 *
 * Quirks: Linux from 4.3 on asks only under a hypervisor that it knows (-cpu ...,+hypervisor); a driver that leaves without F5h
 * leaves the pointer on, so the machine also looks whether the PS/2 mouse is enabled.
 *
 * Not implemented: the clipboard (6 to 9), RPC channels (30), ABSPOINTER_RESTRICT (86), and the rest: EAX becomes FFFFFFFFh.
 */
#include "hw/vmport.h"

#include "cpu/insn.h"
#include "hw/keys.h"

enum {
    CMD_GETVERSION = 10,
    CMD_GETMEMSIZE = 20,
    CMD_GETTIME = 23,
    CMD_ABSPOINTER_DATA = 39,
    CMD_ABSPOINTER_STATUS = 40,
    CMD_ABSPOINTER_COMMAND = 41,
    CMD_GETTIMEFULL = 46,
};
enum { VMX_VERSION = 6, VMX_WORKSTATION = 4, DATA_WORDS = 6, TIME_LAG_US = 1000000, WHEEL_MOST = 127 };
enum { ENABLE = 0x45414552, DISABLE = 0xf5, REQUEST_RELATIVE = 0x4c455252, REQUEST_ABSOLUTE = 0x53424152 };
enum {
    VERSION_ID = 0x3442554a,
    STATUS_ERROR = 0xffff,
    MOVEMENT = 0x10000,
    LEFT = 0x20,
    RIGHT = 0x10,
    MIDDLE = 8
};
#define MAGIC   0x564d5868u
#define UNKNOWN 0xffffffffu

/* --- the pointer ------------------------------------------------------------------------------------------ */

static void queue_clear(Vmport *v) { v->count = v->packets = 0; }

static u32 pointer_command(Vmport *v, u32 what)
{
    switch (what) {
    case ENABLE:
        v->enabled = true;
        v->absolute = v->failed = false;
        queue_clear(v);
        v->queue[v->count++] = VERSION_ID;
        return 0;
    case DISABLE:
        v->enabled = v->absolute = false;
        v->failed = true;
        queue_clear(v);
        return 0;
    case REQUEST_RELATIVE:
    case REQUEST_ABSOLUTE: v->absolute = v->enabled && what == REQUEST_ABSOLUTE; return 0;
    default: trace(UNIMP, "vmport: pointer command %08x", what); return UNKNOWN;
    }
}

static u32 pointer_status(const Vmport *v) { return (v->failed ? (u32)STATUS_ERROR << 16 : 0) | v->count; }

/* Words go to the registers in this order. */
static void pointer_data(Vmport *v, u32 *gpr, u32 words)
{
    static const u8 order[DATA_WORDS] = {EAX, EBX, ECX, EDX, ESI, EDI};
    if (!words || words > DATA_WORDS || words > v->count) {
        trace(GUEST_ERRORS, "vmport: %u words of the pointer's queue of %u", words, v->count);
        v->failed = true;
        return;
    }
    for (u32 n = 0; n < words; n++) gpr[order[n]] = v->queue[n];
    v->count -= words;
    memmove(v->queue, v->queue + words, v->count * sizeof v->queue[0]);
    if (v->packets > v->count / VMMOUSE_WORDS) v->packets = v->count / VMMOUSE_WORDS;
}

static s32 clamp(s64 n, s32 most) { return n > most ? most : n < -most ? -most : (s32)n; }

static u32 button_word(u8 buttons)
{
    return (buttons & MOUSE_LEFT ? LEFT : 0) | (buttons & MOUSE_RIGHT ? RIGHT : 0) |
           (buttons & MOUSE_MIDDLE ? MIDDLE : 0);
}

/* The last packet, if what happens now may be added to it; when there is no room, clicks are lost, not places. */
static u32 *packet_to_add_to(Vmport *v, u32 buttons)
{
    u32 *last = v->packets ? v->queue + v->count - VMMOUSE_WORDS : NULL;
    if (last && last[0] == buttons) return last;
    if (v->count + VMMOUSE_WORDS > VMMOUSE_QUEUE) {
        if (last && (last[0] ^ buttons) & MOVEMENT) last[1] = last[2] = 0;
        return last;
    }
    u32 *next = v->queue + v->count;
    v->count += VMMOUSE_WORDS;
    v->packets++;
    memset(next, 0, VMMOUSE_WORDS * sizeof *next);
    return next;
}

/* Of one kind, after the other: a wheel that is turned and a place are both kept. */
static void packet_put(Vmport *v, u32 head, s32 x, s32 y, int dz)
{
    enum { COUNTS = 1 << 20 };
    u32 *to = packet_to_add_to(v, head);
    if (!to) return;
    to[0] = head;
    to[1] = head & MOVEMENT ? (u32)clamp((s64)(s32)to[1] + x, COUNTS) : (u32)x;
    to[2] = head & MOVEMENT ? (u32)clamp((s64)(s32)to[2] + y, COUNTS) : (u32)y;
    to[3] = (u32)clamp((s64)(s32)to[3] - dz, WHEEL_MOST);
    v->lines.nudge(v->lines.ctx);
}

/* --- calls ------------------------------------------------------------------------------------------------ */

static u32 tell_time(const Vmport *v, u32 *gpr, bool full)
{
    u64 ns = clock_now(v->clock), seconds = (u64)v->rtc_base_unix_s + ns / 1000000000u;
    gpr[EBX] = (u32)(ns % 1000000000u / 1000);
    gpr[ECX] = TIME_LAG_US;
    gpr[EDX] = full ? (u32)seconds : 0; /* minutes west of Greenwich */
    if (full) gpr[ESI] = (u32)(seconds >> 32);
    return full ? MAGIC : (u32)seconds;
}

static void call(Vmport *v, u32 *gpr)
{
    u16 command = (u16)gpr[ECX];
    switch (command) {
    case CMD_GETVERSION:
        gpr[EAX] = VMX_VERSION;
        gpr[EBX] = MAGIC;
        gpr[ECX] = VMX_WORKSTATION;
        return;
    case CMD_GETMEMSIZE: gpr[EAX] = v->ram_bytes >> 20; return;
    case CMD_GETTIME:
    case CMD_GETTIMEFULL: gpr[EAX] = tell_time(v, gpr, command == CMD_GETTIMEFULL); return;
    case CMD_ABSPOINTER_DATA: pointer_data(v, gpr, gpr[EBX]); return;
    case CMD_ABSPOINTER_STATUS: gpr[EAX] = pointer_status(v); return;
    case CMD_ABSPOINTER_COMMAND: gpr[EAX] = pointer_command(v, gpr[EBX]); return;
    default: trace(UNIMP, "vmport: command %u", command); gpr[EAX] = UNKNOWN;
    }
}

/* The registers, if this access is a call. (A monitor's or a debugger's finds the guest's as they happen to be.) */
static u32 *caller(const Vmport *v, u32 offset, unsigned bytes)
{
    u32 *gpr = v->lines.registers(v->lines.ctx);
    return gpr && !offset && bytes == 4 && gpr[EAX] == MAGIC && (u16)gpr[EDX] == VMPORT_BASE ? gpr : NULL;
}

static u32 vmport_read(void *dev, u32 offset, unsigned bytes)
{
    u32 *gpr = caller(dev, offset, bytes);
    if (!gpr) return 0xffffffffu;
    call(dev, gpr);
    return gpr[EAX];
}

static void vmport_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    u32 *gpr = caller(dev, offset, bytes);
    (void)value;
    if (gpr) call(dev, gpr);
}

/* --- events ----------------------------------------------------------------------------------------------- */

bool vmport_pointer(Vmport *v, u32 x, u32 y, int dz, u8 buttons)
{
    if (v->absolute) packet_put(v, button_word(buttons), (s32)x, (s32)y, dz);
    return v->absolute;
}

bool vmport_move(Vmport *v, int dx, int dy, int dz, u8 buttons)
{
    if (v->enabled) packet_put(v, button_word(buttons) | MOVEMENT, dx, -dy, dz);
    return v->enabled;
}

/* --- life cycle ------------------------------------------------------------------------------------------- */

void vmport_reset(void *dev)
{
    Vmport *v = dev;
    v->enabled = v->absolute = v->failed = false;
    queue_clear(v);
}

static void vmport_state(void *dev, State *s)
{
    Vmport *v = dev;
    state_u64(s, "rtc_base_unix_s", (u64 *)&v->rtc_base_unix_s);
    state_bool(s, "enabled", &v->enabled);
    state_bool(s, "absolute", &v->absolute);
    state_check(s, v->enabled || !v->absolute, "absolute");
    state_bool(s, "failed", &v->failed);
    state_values(s, "queue", v->queue, sizeof v->queue[0], VMMOUSE_QUEUE);
    state_u32(s, "count", &v->count);
    state_check(s, v->count <= VMMOUSE_QUEUE, "count");
    state_u32(s, "packets", &v->packets);
    state_check(s, v->packets <= v->count / VMMOUSE_WORDS, "packets");
}

const PartKind vmport_part = {.version = 1, .reset = vmport_reset, .state = vmport_state};

static const IoOps ops = {vmport_read, vmport_write, 1, 4};

void vmport_init(Vmport *v, Bus *bus, Clock *clock, const VmportLines *lines)
{
    *v = (Vmport){.lines = *lines, .clock = clock};
    bus_add_ports(bus, VMPORT_BASE, 4, &ops, v, "vmport");
}
