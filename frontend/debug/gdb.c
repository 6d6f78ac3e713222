/* gdb.c - see gdb.h. (GDB manual, appendix "GDB Remote Serial Protocol".)
 *
 * Everything runs on the vCPU thread between two guest instructions, like a monitor: a packet sees the machine as it is
 * and needs no lock. One processor is one thread, number 1. All-stop: while the machine runs at gdb's wish nothing but
 * Ctrl-C is heard.
 *
 * The machine stops when the first packet with a right sum has come, not when somebody connects. Before it anything
 * but a packet ends the connection: a browser that was talked into speaking to this port is sent away by its first
 * byte. So is a client that sends more bytes than any packet has, or JUNK_MAX while it waits for a stop, or NAKS_MAX
 * times asks for the last answer again; the next may come a while later. So a flood of anything costs next to
 * nothing. Who stops reading loses answers (channel.c). When a client goes, its breakpoints go with it; whether the
 * machine runs stays as it is, since the person may want to look at it: the monitor's `cont`, or the next gdb, lets
 * it run on. D, gdb's `detach`, lets it run.
 *
 * A client that is let in may do everything that the guest's ring 0 can and more, but to the guest only: what it writes
 * is checked where ring3 relies on it (gdb_registers.c, guest_memory.c).
 *
 * Not implemented: reverse execution, non-stop mode, memory maps, extended-remote, file transfer.
 */
#include "frontend/debug/gdb.h"

#include <stdarg.h>
#include <stdio.h>

#include "cpu/breakpoint.h"
#include "frontend/debug/gdb_packet.h"
#include "frontend/debug/gdb_registers.h"
#include "frontend/debug/guest_memory.h"
#include "frontend/host/hostio.h"
#include "frontend/inbox.h"
#include "frontend/monitor/monitor.h"

enum { PORTION_BYTES = 2048, JUNK_MAX = 4096, PACKET_MOST = 3 * GDB_PACKET_BYTES, NAKS_MAX = 16 };
enum { SIG_INT = 2, SIG_TRAP = 5 };
enum { E_ACCESS = 14, E_INVALID = 22, E_FULL = 28 }; /* Linux's EFAULT, EINVAL, ENOSPC */

static struct {
    Channel *channel; /* NULL: not served */
    bool attached;    /* this client has sent a packet */
    bool waiting;     /* ... and let the machine run: it is owed a stop reply */
    bool no_acks, knows_swbreak, physical;
    bool deaf; /* it was hung up */
    bool lost; /* it went, or did not read */
    u32 bytes; /* since the last packet that was taken */
    u32 naks;
    GdbParser parser;
    char reply[GDB_PACKET_BYTES + 1], frame[GDB_FRAME_BYTES];
    u32 reply_bytes, frame_bytes; /* the frame: for a NAK */
} gdb;

/* --- answers --------------------------------------------------------------------------------------------- */

static void send_text(const char *text, u32 n)
{
    if (!gdb.channel || gdb.deaf) return;
    channel_answer(gdb.channel, (const u8 *)text, n);
    gdb.lost = !channel_is_connected(gdb.channel);
}

static void send_packet(const char *text, u32 n)
{
    gdb.frame_bytes = gdb_frame(gdb.frame, text, n);
    send_text(gdb.frame, gdb.frame_bytes);
}

static void PRINTF(1, 2) answer(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(gdb.reply, sizeof gdb.reply, fmt, ap);
    va_end(ap);
    gdb.reply_bytes = n < (int)sizeof gdb.reply ? (u32)n : GDB_PACKET_BYTES;
}

static void answer_error(unsigned number) { answer("E%02x", number); }
static void answer_ok(bool ok, unsigned error)
{
    if (ok)
        answer("OK");
    else
        answer_error(error);
}

static void append_bytes(const u8 *from, u32 n)
{
    gdb_put_bytes(gdb.reply + gdb.reply_bytes, from, n);
    gdb.reply_bytes += 2 * n;
}

/* --- stops ----------------------------------------------------------------------------------------------- */

static bool has_breakpoint(const Breakpoints *b, u32 va, u8 owner)
{
    for (unsigned n = 0; n < b->count; n++)
        if (b->at[n].va == va && b->at[n].kind == BREAK_EXEC && b->at[n].owner == owner) return true;
    return false;
}

static void happens(InboxKind kind) { inbox_deliver(&(InboxEvent){.kind = kind}); }

static void answer_stop(const Pc *pc)
{
    static const char *const watch[BREAK_KINDS] = {
        [BREAK_WRITE] = "watch", [BREAK_READ] = "rwatch", [BREAK_ACCESS] = "awatch"};
    const DebugStop *why = &pc->breaks.stop;
    char reason[40] = "";
    if (why->kind == DEBUG_WATCH)
        snprintf(reason, sizeof reason, "%s:%x;", watch[why->access], why->va);
    else if (why->kind == DEBUG_BREAK && gdb.knows_swbreak && has_breakpoint(&pc->breaks, why->va, OWNER_GDB))
        snprintf(reason, sizeof reason, "swbreak:;");
    else if (why->kind == DEBUG_BREAK && gdb.knows_swbreak &&
             has_breakpoint(&pc->breaks, why->va, OWNER_GDB_HARDWARE))
        snprintf(reason, sizeof reason, "hwbreak:;");
    answer("T%02x%sthread:1;", why->kind ? SIG_TRAP : SIG_INT, reason);
}

static bool register_write(unsigned n, const u8 *from)
{
    return inbox_deliver(&(InboxEvent){.kind = INBOX_REGISTER, .reg = {n, from}});
}

static bool memory_write(u32 at, const void *from, u32 n)
{
    return inbox_deliver(&(InboxEvent){.kind = INBOX_MEMORY, .memory = {!gdb.physical, at, n, from}});
}

static void resume(const Pc *pc, bool step)
{
    gdb.waiting = true;
    if (pc->is_off) return; /* it stands still, and says so at once */
    happens(step ? INBOX_STEP : INBOX_CONT);
}

/* c, s, C, S: [signal;][address]. The guest knows no signals. */
static void cmd_resume(Pc *pc, const char *s)
{
    u8 to[GDB_REGISTER_BYTES] = {0};
    bool step = *s == 's' || *s == 'S', has_signal = *s == 'C' || *s == 'S';
    u64 number;
    s++;
    if (has_signal && (!gdb_take_number(&s, &number) || (*s && *s++ != ';'))) {
        answer_error(E_INVALID);
        return;
    }
    if (gdb_take_number(&s, &number)) {
        store32(to, (u32)number);
        enum { EIP_NUMBER = 8 };
        register_write(EIP_NUMBER, to);
    }
    resume(pc, step);
}

/* vCont;ACTION[:THREAD]...: the first is for our only thread. */
static void cmd_vcont(Pc *pc, const char *s)
{
    if (*s == '?')
        answer("vCont;c;C;s;S");
    else if (*s == ';' && s[1] && strchr("cCsS", s[1]))
        resume(pc, s[1] == 's' || s[1] == 'S');
    else
        answer_error(E_INVALID);
}

/* --- registers and memory -------------------------------------------------------------------------------- */

static void read_all(const Vcpu *c)
{
    u8 bytes[GDB_REGISTER_BYTES];
    for (unsigned n = 0; n < gdb_register_count(); n++) {
        gdb_register_read(c, n, bytes);
        append_bytes(bytes, gdb_register_bytes(n));
    }
}

/* What cannot be changed stays; segments first, since eip is linear. */
static void write_all(const char *s)
{
    static u8 image[64 * GDB_REGISTER_BYTES + 64 * 4];
    u8 *at = image;
    enum { EIP_NUMBER = 8 };
    for (unsigned n = 0; n < gdb_register_count(); n++) {
        unsigned bytes = gdb_register_bytes(n);
        CHECK(at + bytes <= image + sizeof image - GDB_REGISTER_BYTES, "more registers than room");
        if (!gdb_take_bytes(&s, at, bytes)) {
            answer_error(E_INVALID);
            return;
        }
        at += bytes;
    }
    const u8 *eip = NULL;
    at = image;
    for (unsigned n = 0; n < gdb_register_count(); at += gdb_register_bytes(n++)) {
        if (n == EIP_NUMBER)
            eip = at;
        else
            register_write(n, at);
    }
    register_write(EIP_NUMBER, eip);
    answer("OK");
}

static void read_one(const Vcpu *c, const char *s)
{
    u8 bytes[GDB_REGISTER_BYTES];
    u64 n;
    if (!gdb_take_number(&s, &n) || n >= gdb_register_count()) {
        answer_error(E_INVALID);
        return;
    }
    gdb_register_read(c, (unsigned)n, bytes);
    append_bytes(bytes, gdb_register_bytes((unsigned)n));
}

static void write_one(const char *s)
{
    u8 bytes[GDB_REGISTER_BYTES] = {0};
    u64 n;
    bool ok = gdb_take_number(&s, &n) && n < gdb_register_count() && *s++ == '=' &&
              gdb_take_bytes(&s, bytes, gdb_register_bytes((unsigned)n)) && !*s &&
              register_write((unsigned)n, bytes);
    answer_ok(ok, E_INVALID);
}

/* ADDRESS,LENGTH; gdb may write addresses with their sign extended to 64 bits. */
static bool take_range(const char **s, u32 *address, u32 *n)
{
    u64 at, count;
    if (!gdb_take_number(s, &at) || *(*s)++ != ',' || !gdb_take_number(s, &count) || count > UINT32_MAX)
        return false;
    *address = (u32)at;
    *n = (u32)count;
    return true;
}

/* As much of it as there is. */
static void read_memory(Pc *pc, const char *s)
{
    u8 page[256];
    u32 at, n;
    if (!take_range(&s, &at, &n)) {
        answer_error(E_INVALID);
        return;
    }
    if (n > GDB_PACKET_BYTES / 2) n = GDB_PACKET_BYTES / 2;
    u32 left = guest_readable(&pc->cpu, !gdb.physical, at, n);
    if (n && !left) {
        answer_error(E_ACCESS);
        return;
    }
    for (u32 step; left; at += step, left -= step) {
        step = left < sizeof page ? left : (u32)sizeof page;
        if (!guest_read(&pc->cpu, !gdb.physical, at, page, step)) return;
        append_bytes(page, step);
    }
}

static void write_memory(const char *s)
{
    static u8 bytes[GDB_PACKET_BYTES / 2];
    u32 at, n;
    if (!take_range(&s, &at, &n) || *s++ != ':' || n > sizeof bytes || !gdb_take_bytes(&s, bytes, n))
        answer_error(E_INVALID);
    else
        answer_ok(memory_write(at, bytes, n), E_ACCESS);
}

/* The same with bytes as they are. */
static void write_binary(const char *s)
{
    u32 at, n;
    if (!take_range(&s, &at, &n) || *s++ != ':' || n > gdb.parser.n - (u32)(s - gdb.parser.text))
        answer_error(E_INVALID);
    else
        answer_ok(memory_write(at, s, n), E_ACCESS);
}

/* Z and z: TYPE,ADDRESS,LENGTH. */
static void set_breakpoint(Vcpu *c, const char *s)
{
    static const struct {
        BreakKind kind;
        u8 owner;
    } types[] = {{BREAK_EXEC, OWNER_GDB},
                 {BREAK_EXEC, OWNER_GDB_HARDWARE},
                 {BREAK_WRITE, OWNER_GDB},
                 {BREAK_READ, OWNER_GDB},
                 {BREAK_ACCESS, OWNER_GDB}};
    bool add = *s++ == 'Z';
    u32 va, n;
    unsigned type = (u8)(*s - '0');
    if (type >= ARRAY_LEN(types)) return; /* empty: not known */
    if (*++s != ',' || (s++, !take_range(&s, &va, &n))) {
        answer_error(E_INVALID);
        return;
    }
    if (add) {
        answer_ok(break_add(c, va, n, types[type].kind, types[type].owner), E_FULL);
    } else {
        break_remove(c, va, n, types[type].kind, types[type].owner);
        answer("OK");
    }
}

/* --- queries --------------------------------------------------------------------------------------------- */

/* target.xml:OFFSET,LENGTH */
static void read_features(const Vcpu *c, const char *s)
{
    static const char name[] = "target.xml:";
    const char *xml = gdb_target_xml(c);
    u32 at, n, total = (u32)strlen(xml);
    if (strncmp(s, name, sizeof name - 1)) {
        answer("E00"); /* there is no such document */
        return;
    }
    s += sizeof name - 1;
    if (!take_range(&s, &at, &n) || at > total) {
        answer_error(E_INVALID);
        return;
    }
    if (n > GDB_PACKET_BYTES / 2) n = GDB_PACKET_BYTES / 2;
    bool last = n >= total - at;
    answer("%c%.*s", last ? 'l' : 'm', last ? (int)(total - at) : (int)n, xml + at);
}

/* What a monitor's word says goes to gdb's console, in packets of its own. */
static void console(void *ctx, const char *text, u32 n)
{
    enum { PART = 512 };
    char packet[1 + 2 * PART + 1] = "O";
    (void)ctx;
    for (u32 step; n; text += step, n -= step) {
        step = n < PART ? n : PART;
        gdb_put_bytes(packet + 1, (const u8 *)text, step);
        send_packet(packet, 1 + 2 * step);
    }
}

static void cmd_monitor(Pc *pc, const char *s)
{
    char line[512];
    u32 n = (u32)strlen(s) / 2;
    if (n >= sizeof line || !gdb_take_bytes(&s, (u8 *)line, n) || *s) {
        answer_error(E_INVALID);
        return;
    }
    line[n] = 0;
    monitor_run(pc, line, console, NULL);
    answer("OK");
}

static const char *after(const char *s, const char *prefix)
{
    size_t n = strlen(prefix);
    return strncmp(s, prefix, n) ? NULL : s + n;
}

static void query(Pc *pc, const char *s)
{
    const char *rest;
    if ((rest = after(s, "qSupported"))) {
        gdb.knows_swbreak = strstr(rest, "swbreak+") && strstr(rest, "hwbreak+");
        answer("PacketSize=%x;qXfer:features:read+;vContSupported+;QStartNoAckMode+;swbreak+;hwbreak+",
               GDB_PACKET_BYTES);
    } else if ((rest = after(s, "qXfer:features:read:"))) {
        read_features(&pc->cpu, rest);
    } else if ((rest = after(s, "qRcmd,"))) {
        cmd_monitor(pc, rest);
    } else if (after(s, "qThreadExtraInfo,")) {
        append_bytes((const u8 *)"CPU", 3);
    } else if (!strcmp(s, "qC")) {
        answer("QC1");
    } else if (!strcmp(s, "qfThreadInfo")) {
        answer("m1");
    } else if (!strcmp(s, "qsThreadInfo")) {
        answer("l");
    } else if (after(s, "qAttached")) {
        answer("1"); /* gdb leaves without ending the machine */
    } else if (after(s, "qSymbol")) {
        answer("OK");
    } else if (!strcmp(s, "qqemu.PhyMemMode")) {
        answer("%d", gdb.physical);
    } else if ((rest = after(s, "Qqemu.PhyMemMode:")) && *rest && strchr("01", *rest) && !rest[1]) {
        gdb.physical = *rest == '1';
        answer("OK");
    } else if (!strcmp(s, "QStartNoAckMode")) {
        answer("OK");
        gdb.no_acks = true;
    }
}

/* --- packets --------------------------------------------------------------------------------------------- */

static void drop_breakpoints(Pc *pc)
{
    break_remove_all(&pc->cpu, OWNER_GDB);
    break_remove_all(&pc->cpu, OWNER_GDB_HARDWARE);
}

/* The machine is no gdb's any more. */
static void let_go(Pc *pc)
{
    if (gdb.attached) drop_breakpoints(pc);
    gdb.attached = gdb.waiting = gdb.no_acks = gdb.knows_swbreak = gdb.physical = false;
    gdb.bytes = gdb.naks = gdb.frame_bytes = 0;
    gdb.parser = (GdbParser){0};
}

static void cmd_detach(Pc *pc)
{
    drop_breakpoints(pc);
    answer("OK");
    gdb.attached = false; /* the next packet attaches again */
    if (!pc->is_off) happens(INBOX_CONT);
}

static void cmd_v(Pc *pc, const char *s)
{
    const char *rest;
    if ((rest = after(s, "vCont"))) {
        cmd_vcont(pc, rest);
    } else if (after(s, "vKill")) {
        answer("OK");
        happens(INBOX_QUIT);
    }
}

static void dispatch(Pc *pc, const char *s)
{
    Vcpu *c = &pc->cpu;
    switch (*s) {
    case '?': answer_stop(pc); return;
    case 'g': read_all(c); return;
    case 'G': write_all(s + 1); return;
    case 'p': read_one(c, s + 1); return;
    case 'P': write_one(s + 1); return;
    case 'm': read_memory(pc, s + 1); return;
    case 'M': write_memory(s + 1); return;
    case 'X': write_binary(s + 1); return;
    case 'Z':
    case 'z': set_breakpoint(c, s); return;
    case 'c':
    case 's':
    case 'C':
    case 'S': cmd_resume(pc, s); return;
    case 'v': cmd_v(pc, s); return;
    case 'q':
    case 'Q': query(pc, s); return;
    case 'H':
    case 'T': answer("OK"); return;
    case 'D': cmd_detach(pc); return;
    case 'k': happens(INBOX_QUIT); return;
    default: return; /* an empty answer: not known */
    }
}

static void hang_up(Pc *pc)
{
    channel_hang_up(gdb.channel);
    gdb.deaf = true;
    gdb.lost = false;
    let_go(pc);
}

static void take_packet(Pc *pc)
{
    if (!channel_is_connected(gdb.channel)) { /* what is left of a client that did not wait for its answers */
        hang_up(pc);
        return;
    }
    bool acks = !gdb.no_acks;
    if (!pc->paused) happens(INBOX_STOP);
    gdb.attached = true;
    gdb.bytes = gdb.naks = 0;
    gdb.reply_bytes = 0;
    if (acks) send_text("+", 1);
    dispatch(pc, gdb.parser.text);
    if (!gdb.waiting && gdb.parser.text[0] != 'k') send_packet(gdb.reply, gdb.reply_bytes);
}

static void take_nak(Pc *pc)
{
    if (++gdb.naks > NAKS_MAX)
        hang_up(pc);
    else if (gdb.frame_bytes)
        send_text(gdb.frame, gdb.frame_bytes);
}

/* Nobody's words, or not in their turn. */
static void take_junk(Pc *pc)
{
    if (!gdb.attached) hang_up(pc);
}

static void take_event(Pc *pc, GdbEvent e)
{
    switch (e) {
    case GDB_PACKET:
        if (gdb.waiting)
            take_junk(pc);
        else
            take_packet(pc);
        return;
    case GDB_LONG:
    case GDB_DAMAGED:
        take_junk(pc);
        if (!gdb.no_acks && channel_takes(gdb.channel)) send_text("-", 1);
        return;
    case GDB_NAK: take_nak(pc); return;
    case GDB_INTERRUPT:
        if (gdb.attached && gdb.waiting && !pc->paused) happens(INBOX_STOP);
        return;
    case GDB_JUNK: take_junk(pc); return;
    default: return;
    }
}

/* --- service --------------------------------------------------------------------------------------------- */

static void look_around(Pc *pc)
{
    if (!channel_meet(gdb.channel)) return;
    gdb.deaf = gdb.lost = false;
    let_go(pc);
}

/* The machine stands: who let it run hears of it. */
static void tell_stop(Pc *pc)
{
    if (!gdb.waiting || !pc->paused) return;
    gdb.waiting = false;
    answer_stop(pc);
    send_packet(gdb.reply, gdb.reply_bytes);
}

void gdb_service(Pc *pc)
{
    u8 bytes[PORTION_BYTES];
    if (!gdb.channel) return;
    look_around(pc);
    tell_stop(pc);
    u32 n = channel_read(gdb.channel, SIDE_MONITOR, bytes, sizeof bytes);
    for (u32 i = 0; i < n && gdb.channel && !gdb.deaf; i++) {
        if (++gdb.bytes > (gdb.waiting ? JUNK_MAX : PACKET_MOST)) {
            hang_up(pc);
            break;
        }
        take_event(pc, gdb_parse(&gdb.parser, bytes[i]));
        tell_stop(pc);
    }
    if (n == sizeof bytes) cpu_attention(&pc->cpu, ATT_IO);
    if (gdb.channel && gdb.lost) hang_up(pc);
    if (gdb.channel && channel_read_all(gdb.channel)) let_go(pc);
}

void gdb_end(int code)
{
    if (!gdb.channel || !gdb.waiting) return;
    answer("W%02x", code & 0xff);
    send_packet(gdb.reply, gdb.reply_bytes);
}

bool gdb_is_served(void) { return gdb.channel != NULL; }

bool gdb_serve(Pc *pc, const CharSpec *spec, Problem *p)
{
    p->text[0] = 0;
    if (gdb.channel) {
        let_go(pc);
        channel_close(gdb.channel);
        gdb.channel = NULL;
    }
    gdb.deaf = false;
    gdb.channel = channel_open(spec, "-gdb", "gdb", SIDE_MONITOR, p);
    if (gdb.channel) channel_keep_whole(gdb.channel);
    hostio_kick();
    return !p->text[0];
}
