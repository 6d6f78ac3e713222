/* monitor_memory.c - the monitor's words for memory and ports: x, xp, memsave, pmemsave, i, o, print.
 *
 * Memory is what the processor would see: RAM, ROM and devices, read as the guest reads them (a device's register may
 * change by that, as on a real bus analyser that drives the bus). Linear addresses go through the guest's page tables
 * without leaving accessed bits behind. Answers have QEMU's form to the column.
 */
#include <capstone/capstone.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "frontend/monitor.h"
#include "frontend/output.h"
#include "mmu/walk.h"

enum { INSN_BYTES = 15, ITEMS_MAX = 1000000 };
#define ADDRESSES (1ll << 32)

/* --- memory as the processor sees it --------------------------------------------------------------------- */

static bool to_physical(const Vcpu *c, bool linear, u32 *address)
{
    const Paging pg = {.cr3 = c->cr3,
                       .on = c->cr0 & CR0_PG,
                       .wp = c->cr0 & CR0_WP,
                       .pse = c->cr4 & CR4_PSE,
                       .pge = c->cr4 & CR4_PGE};
    if (!linear || !pg.on) return true;
    Walk w = mmu_walk(c->phys, &pg, *address, WALK_NO_AD);
    *address = w.pa;
    return w.ok;
}

/* n bytes within a page, at a physical address. */
static void read_page(Phys *p, u32 pa, u8 *to, u32 n)
{
    const u8 *ram = phys_hp(p, pa);
    if (ram) {
        memcpy(to, ram, n);
        return;
    }
    u32 last;
    if (!bus_mmio_owner(p->bus, pa & p->a20_mask, &last) && last - (pa & p->a20_mask) >= n - 1) {
        memset(to, 0xff, n); /* nobody there */
        return;
    }
    for (u32 step; n; pa += step, to += step, n -= step) {
        step = n >= 4 && !(pa & 3) ? 4 : n >= 2 && !(pa & 1) ? 2 : 1;
        u32 v = phys_read(p, pa, step);
        memcpy(to, &v, step);
    }
}

static bool read_memory(const Vcpu *c, bool linear, u64 address, void *to, u32 n)
{
    if (!linear && address + n > 1ull << 32) return false;
    for (u32 step, at = (u32)address; n; at += step, to = (u8 *)to + step, n -= step) {
        u32 pa = at;
        step = PAGE_BYTES - (at & PAGE_MASK);
        if (step > n) step = n;
        if (!to_physical(c, linear, &pa)) return false;
        read_page(c->phys, pa, to, step);
    }
    return true;
}

/* --- x and xp -------------------------------------------------------------------------------------------- */

static void dump_items(Command *c, const Format *f, u64 at, bool linear)
{
    char item[40];
    u32 per_line = f->bytes == 1 ? 8 : 16 / f->bytes;
    for (u32 n = 0; n < f->count && !command_cut_short(c); n++, at += f->bytes) {
        u64 v = 0;
        if (linear) at = (u32)at;
        if (n % per_line == 0) command_say(c, linear ? "%08llx:" : "%016llx:", (unsigned long long)at);
        if (!read_memory(&c->pc->cpu, linear, at, &v, f->bytes)) {
            command_say(c, " Cannot access memory\n");
            return;
        }
        format_item(item, sizeof item, f, v);
        command_say(c, " %s%s", item, n % per_line == per_line - 1 || n == f->count - 1 ? "\n" : "");
    }
}

/* Eight bytes of an instruction, then what it means, then its other bytes. */
static void show_insn(Command *c, u64 at, const u8 *bytes, u32 n, const char *mnemonic, const char *operands)
{
    enum { PER_LINE = 8 };
    command_say(c, "0x%08llx: ", (unsigned long long)at);
    for (u32 i = 0; i < PER_LINE; i++) {
        if (i < n)
            command_say(c, " %02x", bytes[i]);
        else
            command_say(c, "   ");
    }
    command_say(c, "  %-8s %s\n", mnemonic, operands);
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
    if (!read_memory(c, linear, at, to, n)) return 0;
    return n < INSN_BYTES && read_memory(c, linear, at + n, to + n, INSN_BYTES - n) ? INSN_BYTES : n;
}

static csh open_disassembler(const Vcpu *c)
{
    csh h = 0;
    if (cs_open(CS_ARCH_X86, cpu_code32(c) ? CS_MODE_32 : CS_MODE_16, &h) != CS_ERR_OK) return 0;
    cs_option(h, CS_OPT_SYNTAX, CS_OPT_SYNTAX_ATT);
    return h;
}

static void dump_insns(Command *c, u32 count, u64 at, bool linear)
{
    const Vcpu *cpu = &c->pc->cpu;
    csh h = open_disassembler(cpu);
    cs_insn *insn = h ? cs_malloc(h) : NULL;
    for (u32 n = 0; insn && n < count && !command_cut_short(c); n++) {
        u8 bytes[INSN_BYTES];
        u32 got = fetch(cpu, linear, linear ? (u32)at : at, bytes);
        const u8 *code = bytes;
        size_t left = got;
        u64 next = at;
        if (!got) {
            command_say(c, "0x%08llx:  Cannot access memory\n", (unsigned long long)at);
            break;
        }
        bool ok = cs_disasm_iter(h, &code, &left, &next, insn);
        show_insn(c, at, bytes, ok ? insn->size : 1, ok ? insn->mnemonic : ".byte", ok ? insn->op_str : "");
        at += ok ? insn->size : 1;
    }
    if (insn) cs_free(insn, 1);
    if (h) cs_close(&h);
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
        if (!read_memory(&c->pc->cpu, linear, at, chunk, step)) {
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
    u32 v = bus_port_in(machine_bus(c->pc->machine), port, f.bytes);
    command_say(c, "port%c[0x%04x] = 0x%0*x\n",
                f.bytes == 1   ? 'b'
                : f.bytes == 2 ? 'w'
                               : 'l',
                port, 2 * f.bytes, v);
}

void word_o(Command *c)
{
    Format f;
    u16 port;
    s64 v;
    if (!take_port(c, &f, &port) || !command_take_number(c, &v) || !command_take_end(c)) return;
    bus_port_out(machine_bus(c->pc->machine), port, (u32)v, f.bytes);
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
