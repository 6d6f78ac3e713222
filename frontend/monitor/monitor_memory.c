/* monitor_memory.c - the monitor's words for memory and ports: x, xp, memsave, pmemsave, i, o, print.
 *
 * Memory is what the processor would see (guest_memory.h). Answers have QEMU's form to the column; but instructions are
 * in Intel's words and order, as everywhere here (disasm.h), not in AT&T's.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "frontend/debug/disasm.h"
#include "frontend/debug/guest_memory.h"
#include "frontend/debug/symbols.h"
#include "frontend/host/output.h"
#include "frontend/inbox.h"
#include "frontend/monitor/monitor.h"

enum { INSN_BYTES = 15, ITEMS_MAX = 1000000 };
#define ADDRESSES (1ll << 32)

/* --- x and xp -------------------------------------------------------------------------------------------- */

static void dump_items(Command *c, const Format *f, u64 at, bool linear)
{
    char item[40];
    u32 per_line = f->bytes == 1 ? 8 : 16 / f->bytes;
    for (u32 n = 0; n < f->count && !command_cut_short(c); n++, at += f->bytes) {
        u64 v = 0;
        if (linear) at = (u32)at;
        if (n % per_line == 0) command_say(c, linear ? "%08llx:" : "%016llx:", (unsigned long long)at);
        if (!guest_read(&c->pc->cpu, linear, at, &v, f->bytes)) {
            command_say(c, " Cannot access memory\n");
            return;
        }
        format_item(item, sizeof item, f, v);
        command_say(c, " %s%s", item, n % per_line == per_line - 1 || n == f->count - 1 ? "\n" : "");
    }
}

/* Eight bytes of an instruction, then what it means, then its other bytes. */
static void show_insn(Command *c, u64 at, const u8 *bytes, u32 n, const char *text)
{
    enum { PER_LINE = 8 };
    command_say(c, "0x%08llx: ", (unsigned long long)at);
    for (u32 i = 0; i < PER_LINE; i++) {
        if (i < n)
            command_say(c, " %02x", bytes[i]);
        else
            command_say(c, "   ");
    }
    command_say(c, "  %s\n", text);
    for (u32 i = PER_LINE; i < n; i++) {
        if (i % PER_LINE == 0) command_say(c, "0x%08llx: ", (unsigned long long)at + i);
        command_say(c, " %02x%s", bytes[i], i % PER_LINE == PER_LINE - 1 || i == n - 1 ? "\n" : "");
    }
}

/* How many bytes can be read at `at`, up to an instruction's. */
static u32 fetch(const Vcpu *c, bool linear, u64 at, u8 *to)
{
    u32 n = PAGE_BYTES - (u32)(at & PAGE_MASK);
    if (n > INSN_BYTES) n = INSN_BYTES;
    if (!guest_read(c, linear, at, to, n)) return 0;
    return n < INSN_BYTES && guest_read(c, linear, at + n, to + n, INSN_BYTES - n) ? INSN_BYTES : n;
}

/* A line of its own at the first instruction, and where a symbol begins. */
static void show_symbol(Command *c, u32 va, bool first)
{
    char name[SYMBOL_TEXT];
    if (symbols_at(va, name, sizeof name) && (first || !strchr(name, '+'))) command_say(c, "%s:\n", name);
}

static void dump_insns(Command *c, u32 count, u64 at, bool linear)
{
    const Vcpu *cpu = &c->pc->cpu;
    bool code32 = cpu_code32(cpu);
    u64 base = linear && code32 ? 0 : CS_BASE_UNKNOWN; /* all numbers here are linear */
    for (u32 n = 0; n < count && !command_cut_short(c); n++) {
        u8 bytes[INSN_BYTES];
        char text[500];
        u32 got = fetch(cpu, linear, linear ? (u32)at : at, bytes);
        if (!got) {
            command_say(c, "0x%08llx:  Cannot access memory\n", (unsigned long long)at);
            break;
        }
        if (linear) show_symbol(c, (u32)at, n == 0);
        u32 length = disasm_guest(bytes, got, (u32)at, code32 ? 32 : 16, base, text, sizeof text);
        show_insn(c, at, bytes, length ? length : 1, text);
        at += length ? length : 1;
    }
}

/* Letter and size of the last dump hold for the next. */
static Format last_format = {.letter = 'x', .bytes = 4};

static void dump(Command *c, bool linear)
{
    Format f = {1, last_format.letter, last_format.bytes};
    s64 at;
    if (!command_take_format(c, &f) || !command_take_number(c, &at) || !command_take_end(c)) return;
    if (f.count > ITEMS_MAX) {
        command_refuse(c, "the count is at most %d", ITEMS_MAX);
        return;
    }
    last_format = f;
    if (f.letter == 'c') f.bytes = 1;
    u64 address = linear ? (u32)at : (u64)at;
    if (f.letter == 'i')
        dump_insns(c, f.count, address, linear);
    else
        dump_items(c, &f, address, linear);
}

/* u [/COUNT] [ADDRESS] */
void word_u(Command *c)
{
    Format f = {.count = 1, .letter = 'i', .bytes = 4};
    s64 at = cpu_linear_pc(&c->pc->cpu);
    if (!command_take_format(c, &f) || (!command_at_end(c) && !command_take_number(c, &at)) ||
        !command_take_end(c))
        return;
    if (f.count > ITEMS_MAX)
        command_refuse(c, "the count is at most %d", ITEMS_MAX);
    else
        dump_insns(c, f.count, (u32)at, true);
}

void word_x(Command *c) { dump(c, true); }
void word_xp(Command *c) { dump(c, false); }

/* --- memsave and pmemsave -------------------------------------------------------------------------------- */

enum { CHUNK_BYTES = 1 << 18 };

static bool write_all(int fd, const u8 *from, u32 n)
{
    while (n) {
        ssize_t put = write(fd, from, n);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return false;
        from += put;
        n -= (u32)put;
    }
    return true;
}

/* If it ends before all n bytes are written, that is said. */
static void save_all(Command *c, int fd, u64 at, u64 n, bool linear, const char *path)
{
    static u8 chunk[CHUNK_BYTES];
    for (u32 step; n; at += step, n -= step) {
        step = n < sizeof chunk ? (u32)n : (u32)sizeof chunk;
        if (command_interrupted(c)) return;
        if (!guest_read(&c->pc->cpu, linear, at, chunk, step)) {
            command_say(c, "Error: Invalid addr 0x%016llx/size %llu specified\n", (unsigned long long)at,
                        (unsigned long long)n);
            return;
        }
        if (write_all(fd, chunk, step)) continue;
        command_say(c, "Error: writing memory to '%s' failed: %s\n", path, strerror(errno));
        return;
    }
}

static void save(Command *c, bool linear)
{
    char path[1024];
    s64 at, n;
    if (!command_take_number(c, &at)) return;
    if (linear) at = (u32)at;
    if (!linear && (at < 0 || at >= ADDRESSES)) {
        command_refuse(c, "the address is below 4 GiB");
        return;
    }
    if (!command_take_within(c, &n, 0, ADDRESSES - at, "size")) return;
    if (!command_take_text(c, path, sizeof path, "filename") || !command_take_end(c)) return;
    const char *why;
    int fd = output_open(path, &why);
    if (fd < 0) {
        command_say(c, "Error: Could not open '%s': %s\n", path, why);
        return;
    }
    save_all(c, fd, (u64)at, (u64)n, linear, path);
    close(fd);
}

void word_memsave(Command *c) { save(c, true); }
void word_pmemsave(Command *c) { save(c, false); }

/* --- ports ----------------------------------------------------------------------------------------------- */

static bool take_port(Command *c, Format *f, u16 *port)
{
    s64 n;
    *f = (Format){1, 'x', 1};
    if (!command_take_format(c, f) || !command_take_within(c, &n, 0, 0xffff, "port")) return false;
    *port = (u16)n;
    if (f->bytes == 8) f->bytes = 4;
    return true;
}

void word_i(Command *c)
{
    Format f;
    u16 port;
    if (!take_port(c, &f, &port) || !command_take_end(c)) return;
    InboxEvent e = {.kind = INBOX_PORT_IN, .port = {.at = port, .bytes = f.bytes}};
    inbox_deliver(&e);
    command_say(c, "port%c[0x%04x] = 0x%0*x\n",
                f.bytes == 1   ? 'b'
                : f.bytes == 2 ? 'w'
                               : 'l',
                port, 2 * f.bytes, e.port.value);
}

void word_o(Command *c)
{
    Format f;
    u16 port;
    s64 v;
    if (!take_port(c, &f, &port) || !command_take_number(c, &v) || !command_take_end(c)) return;
    inbox_deliver(&(InboxEvent){.kind = INBOX_PORT_OUT, .port = {port, f.bytes, (u32)v}});
}

/* --- print ----------------------------------------------------------------------------------------------- */

void word_print(Command *c)
{
    Format f = {1, 'd', 8};
    s64 v;
    if (!command_take_format(c, &f) || !command_take_number(c, &v) || !command_take_end(c)) return;
    switch (f.letter) {
    case 'x': command_say(c, "0x%llx\n", (unsigned long long)v); break;
    case 'o': command_say(c, "0%llo\n", (unsigned long long)v); break;
    case 'u': command_say(c, "%llu\n", (unsigned long long)v); break;
    case 'c': command_say(c, "'%c'\n", v >= 32 && v <= 126 ? (char)v : '?'); break;
    default: command_say(c, "%lld\n", (long long)v); break;
    }
}
