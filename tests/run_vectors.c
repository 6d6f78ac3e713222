/* run_vectors.c - hardware-captured single-instruction cases (SingleStepTests' MOO files) on ring3's engines.
 *
 *   run_vectors [--accel interp|translate] [--max N] [--stats 1] [--strict] FILE.MOO.gz...
 *
 * A case is the complete state of a real 80286 in real mode before and after one instruction and the HLT behind
 * it. The runner builds the smallest machine (a Pentium III, 16 MiB of RAM, no devices: IN reads all ones), sets
 * the state, runs to HLT and compares registers, FLAGS and all memory that real mode can reach. Memory is full
 * of HLTs where a case says nothing, so a wrong branch ends the case and a stray store is seen.
 *
 * A 286 is not a Pentium III:
 *  - Encodings that later processors define or refuse are left out (case_left_out).
 *  - Flags that the instruction table calls undefined are masked, in FLAGS and in the word that a fault pushes.
 * Two more differences are allowed for, and counted; --strict takes such cases as failures:
 *  - A 286 in real mode has no #SS: it reports a stack overrun as vector 13. The vectors 12 and 13 therefore get the
 *    same handler (vector_12_set); all else about the fault is compared. Intel's manual has vector 12 for every later
 *    processor (SDM vol. 3, 20.1.4), so ours must not do as the 286.
 *  - A string instruction that faults leaves SI, DI and CX of a 286 up to an element ahead. From the 386 on it can be
 *    restarted: the registers are those before the element that faulted (SDM vol. 3, 6.5). Software relies on it for
 *    page faults, so ours must not do as the 286 (register_near).
 * What is known to fail: AAM 0 (a 286 changes SZP before the #DE) and POP of memory that faults (it keeps SP moved).
 *
 * Exit code: 0 if at least 99.9 % passed, 1 if not, 2 if a file could not be read. --max N: the first N cases of each
 * file. */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "cpu/cpu.h"
#include "mmu/bus.h"
#include "mmu/phys.h"
#include "tests/vm.h"
#include "translator/audit/audit.h"
#include "translator/xlat.h"

enum { RAM_BYTES = 16 << 20, REACH = 0x110000 /* FFFF:FFFF, rounded up */, HLT = 0xf4, FLAGS_286 = 0x0fd5 };

/* --- MOO files ------------------------------------------------------------------------------------------- */

enum { R_AX, R_BX, R_CX, R_DX, R_CS, R_SS, R_DS, R_ES, R_SP, R_BP, R_SI, R_DI, R_IP, R_FLAGS, R_COUNT };
static const char *const reg_names[R_COUNT] = {"ax", "bx", "cx", "dx", "cs", "ss", "ds",
                                               "es", "sp", "bp", "si", "di", "ip", "flags"};

typedef struct Span { /* a piece of the file; chunks are cut off its front */
    const u8 *at, *end;
} Span;

typedef struct State {
    u16 regs[R_COUNT];
    Span ram; /* of 5-byte entries: address, value */
} State;

typedef struct Case {
    u32 index;
    char name[64];
    Span bytes;
    State init, final;
    bool faults;
    u8 vector; /* if `faults` */
} Case;

/* Cut the next chunk off `s`; false at the end or if it is broken. */
static bool chunk_next(Span *s, char tag[5], Span *payload)
{
    if (s->end - s->at < 8) return false;
    u32 length = load32(s->at + 4);
    memcpy(tag, s->at, 4);
    tag[4] = 0;
    if (length > (size_t)(s->end - s->at) - 8) return false;
    *payload = (Span){s->at + 8, s->at + 8 + length};
    s->at = payload->end;
    return true;
}

static u32 span_u32(Span *s)
{
    if (s->end - s->at < 4) return 0;
    s->at += 4;
    return load32(s->at - 4);
}

static u16 span_u16(Span *s)
{
    if (s->end - s->at < 2) return 0;
    s->at += 2;
    return load16(s->at - 2);
}

static void state_parse(State *to, Span s)
{
    char tag[5];
    Span p;
    while (chunk_next(&s, tag, &p)) {
        if (!strcmp(tag, "REGS")) {
            u16 present = span_u16(&p);
            for (int r = 0; r < R_COUNT; r++)
                if (present >> r & 1) to->regs[r] = span_u16(&p);
        } else if (!strcmp(tag, "RAM ")) {
            u32 n = span_u32(&p);
            if (n <= (size_t)(p.end - p.at) / 5) to->ram = (Span){p.at, p.at + 5 * (size_t)n};
        }
    }
}

static void case_parse(Case *c, Span s)
{
    char tag[5];
    Span p;
    memset(c, 0, sizeof *c);
    c->index = span_u32(&s);
    while (chunk_next(&s, tag, &p)) {
        if (!strcmp(tag, "NAME")) {
            u32 n = span_u32(&p);
            snprintf(c->name, sizeof c->name, "%.*s", (int)(n < sizeof c->name ? n : sizeof c->name),
                     (const char *)p.at);
        } else if (!strcmp(tag, "BYTS")) {
            span_u32(&p);
            c->bytes = p;
        } else if (!strcmp(tag, "INIT")) {
            state_parse(&c->init, p);
            memcpy(c->final.regs, c->init.regs, sizeof c->final.regs);
        } else if (!strcmp(tag, "FINA")) {
            state_parse(&c->final, p);
        } else if (!strcmp(tag, "EXCP")) {
            c->faults = true;
            c->vector = p.at < p.end ? *p.at : 0;
        }
    }
}

/* --- the machine ----------------------------------------------------------------------------------------- */

static Vcpu cpu;
static Phys *phys;
static u8 expected[REACH]; /* memory as it should be after the case */
static _Atomic u64 cases_run;

static void on_idle(void *ctx, u64 ns)
{
    (void)ctx, (void)ns;
    cpu.stop_reason = STOP_HLT;
    cpu_attention(&cpu, ATT_STOP);
}

static void on_service(void *ctx) { (void)ctx; }
static bool on_reset(void *ctx) { return ctx != NULL; }

/* A case that does not reach its HLT within two seconds and one of CPU time is stopped, and fails. */
static void *watchdog(void *ctx)
{
    u64 seen = 0;
    for (clock_t since = 0;;) {
        sleep(2);
        u64 now = cases_run;
        if (now != seen) {
            seen = now;
            since = clock();
        } else if (clock() - since > CLOCKS_PER_SEC) {
            cpu.stop_reason = STOP_QUIT;
            cpu_attention(&cpu, ATT_STOP);
        }
    }
    return ctx;
}

static const Engine *engine_new(const char *name)
{
    const char *why = "no such engine";
    const Engine *e = NULL;
    if (!strcmp(name, "interp")) e = &engine_interp;
    if (!strcmp(name, "translate")) {
        trace_mask |= TRACE_STATS; /* count instructions */
        e = xlat_new(&cpu, vm_xlat_options(), &why);
    }
    if (e) return e;
    fprintf(stderr, "run_vectors: --accel %s: %s\n", name, why);
    exit(2);
}

static void machine_init(const char *accel)
{
    pthread_t thread;
    Bus *bus = bus_new();
    phys = phys_new(bus, RAM_BYTES);
    if (!phys) {
        perror("run_vectors: guest memory");
        exit(2);
    }
    phys_set_kind(phys, 0, RAM_BYTES, PAGE_RAM);
    phys_set_a20(phys, true);
    memset(expected, HLT, REACH);
    phys_dma_write(phys, 0, expected, REACH);
    cpu_init(&cpu, cpu_model_find("pentium3"), bus, phys);
    cpu_reset(&cpu);
    cpu.engine = engine_new(accel);
    pthread_create(&thread, NULL, watchdog, NULL);
}

static void poke(u32 pa, u8 value)
{
    if (pa < REACH) phys_write(phys, pa, value, 1);
}

static void state_set(const State *s)
{
    static const u8 gprs[8] = {R_AX, R_CX, R_DX, R_BX, R_SP, R_BP, R_SI, R_DI};
    static const u8 segs[4] = {R_ES, R_CS, R_SS, R_DS};
    for (int r = 0; r < 8; r++) cpu.gpr[r] = s->regs[gprs[r]];
    for (int r = 0; r < 4; r++) {
        seg_load_real(&cpu, r, s->regs[segs[r]]);
        cpu.seg[r].limit = 0xffff;
    }
    cpu.eip = s->regs[R_IP];
    cpu.halted = cpu.inhibit = 0;
    cpu.stop_reason = STOP_NONE;
    cpu.attention = 0;
    eflags_write(&cpu, s->regs[R_FLAGS] & FLAGS_286, FL_ALL); /* a 286 has bits 12-15 clear in real mode */
    cpu_poll_update(&cpu);
}

static void state_get(u16 regs[R_COUNT])
{
    static const u8 gprs[8] = {R_AX, R_CX, R_DX, R_BX, R_SP, R_BP, R_SI, R_DI};
    static const u8 segs[4] = {R_ES, R_CS, R_SS, R_DS};
    for (int r = 0; r < 8; r++) regs[gprs[r]] = (u16)cpu.gpr[r];
    for (int r = 0; r < 4; r++) regs[segs[r]] = cpu.seg[r].sel;
    regs[R_IP] = (u16)cpu.eip;
    regs[R_FLAGS] = (u16)cpu.eflags;
}

static void memory_set(const Case *c)
{
    for (const u8 *e = c->init.ram.at; e < c->init.ram.end; e += 5) {
        poke(load32(e), e[4]);
        if (load32(e) < REACH) expected[load32(e)] = e[4];
    }
    for (const u8 *e = c->final.ram.at; e < c->final.ram.end; e += 5)
        if (load32(e) < REACH) expected[load32(e)] = e[4];
}

static bool strict;

/* Let vector 12 be what vector 13 is, unless the case says what it is. */
static void vector_12_set(const Case *c)
{
    if (strict || !c->faults || c->vector != EX_GP || load32(expected + 4 * EX_SS) != HLT * 0x01010101u)
        return;
    for (u32 n = 0; n < 4; n++) {
        u8 value = expected[4 * EX_GP + n];
        poke(4 * EX_SS + n, value);
        expected[4 * EX_SS + n] = value;
    }
}

static void memory_forget(Span entries)
{
    for (const u8 *e = entries.at; e < entries.end; e += 5) {
        poke(load32(e), HLT);
        if (load32(e) < REACH) expected[load32(e)] = HLT;
    }
}

static void vector_12_forget(void)
{
    for (u32 pa = 4 * EX_SS; pa < 4 * EX_SS + 4; pa++) poke(pa, expected[pa] = HLT);
}

/* --- one case -------------------------------------------------------------------------------------------- */

static bool is_prefix(u8 b)
{
    return b == 0xf0 || b == 0xf2 || b == 0xf3 || b == 0x26 || b == 0x2e || b == 0x36 || b == 0x3e;
}

/* What later processors do otherwise: LOCK where it is not allowed, more than the 286's ten bytes, and opcodes
 * that the 286 lacks. */
static bool case_left_out(const Case *c, const Insn *i, DecodeStatus status)
{
    const u8 *op = c->bytes.at;
    while (op < c->bytes.end && is_prefix(*op)) op++;
    if (op == c->bytes.end || *op == 0x0f || *op == 0xf1 || (*op >= 0x63 && *op <= 0x67)) return true;
    if ((*op == 0x8c || *op == 0x8e) && (i->reg == FS || i->reg == GS)) return true;
    if (status == DECODE_UD && (i->prefix & PREFIX_LOCK)) return true;
    return status == DECODE_TOO_LONG || i->len > 10;
}

typedef struct Report { /* prints the case's heading before its first difference */
    const char *file;
    const Case *c;
    unsigned differences;
    bool allowed_ss, allowed_string; /* differences of a 286 that were passed over */
} Report;

static void report(Report *r, const char *what, u32 got, u32 want)
{
    if (!r->differences++) {
        printf("%s %u \"%s\"", r->file, r->c->index, r->c->name);
        for (const u8 *b = r->c->bytes.at; b < r->c->bytes.end; b++)
            printf("%s%02x", b == r->c->bytes.at ? " " : "", *b);
        printf("\n");
    }
    printf("    %-8s %04x, should be %04x\n", what, got, want);
}

static bool row_is_string(const Row *row)
{
    return row && (row->cls == XC_STRING || (row->cls == XC_IO && (row->read & FL_D)));
}

/* After a string instruction faulted: an element of at most 2 bytes, two counts, less than the 286 got to. */
static bool register_near(const Case *c, const Row *row, int n, u16 got, u16 want)
{
    if (!c->faults || !row_is_string(row) || (n != R_SI && n != R_DI && n != R_CX)) return false;
    u16 ahead = (u16)(want - got);
    return ahead <= 2 || ahead >= 0xfffe;
}

static void compare_registers(Report *r, const Row *row, u32 undefined)
{
    u16 got[R_COUNT], mask;
    state_get(got);
    for (int n = 0; n < R_COUNT; n++) {
        u16 want = r->c->final.regs[n];
        mask = n == R_FLAGS ? (u16)(FLAGS_286 & ~undefined) : 0xffff;
        if (!((got[n] ^ want) & mask)) continue;
        if (!strict && register_near(r->c, row, n, got[n], want))
            r->allowed_string = true;
        else
            report(r, reg_names[n], got[n] & mask, want & mask);
    }
}

static void compare_memory(Report *r, u32 undefined)
{
    char where[16];
    const u16 *regs = r->c->final.regs; /* not EXCP's address: for an odd SP the files hold it rounded down */
    u32 flags_pa = r->c->faults ? regs[R_SS] * 16u + (u16)(regs[R_SP] + 4) : ~1u;
    if (!memcmp(phys->ram, expected, REACH)) return;
    for (u32 pa = 0; pa < REACH; pa++) {
        u8 mask = 0xff, got = phys->ram[pa];
        if (pa == flags_pa) mask = (u8)~undefined;
        if (pa == flags_pa + 1) mask = (u8) ~(undefined >> 8);
        if (!((got ^ expected[pa]) & mask)) continue;
        snprintf(where, sizeof where, "[%05x]", pa);
        report(r, where, got & mask, expected[pa] & mask);
    }
}

static void restore_all(void)
{
    memset(expected, HLT, REACH);
    phys_dma_write(phys, 0, expected, REACH);
}

static u64 passed, failed, left_out, allowed_ss, allowed_string, max_cases = ~0ull;

static void case_run(const char *file, const Case *c, const Row *row)
{
    u32 undefined = row ? row->undef : 0;
    static const RunHooks hooks = {.service = on_service, .idle = on_idle, .reset = on_reset};
    Report r = {.file = file, .c = c};
    memory_set(c);
    vector_12_set(c);
    state_set(&c->init);
    u64 stack_faults = cpu.int_count[0][EX_SS];
    StopReason why = cpu_run(&cpu, &hooks);
    cases_run++;
    if (why != STOP_HLT) report(&r, "stopped", why, STOP_HLT);
    compare_registers(&r, row, undefined);
    compare_memory(&r, undefined);
    if (r.differences) restore_all();
    memory_forget(c->init.ram);
    memory_forget(c->final.ram);
    vector_12_forget();
    r.allowed_ss = c->faults && c->vector == EX_GP && cpu.int_count[0][EX_SS] != stack_faults;
    passed += !r.differences;
    failed += !!r.differences;
    allowed_ss += !r.differences && r.allowed_ss;
    allowed_string += !r.differences && r.allowed_string && !r.allowed_ss;
}

/* --- files ----------------------------------------------------------------------------------------------- */

static u8 *file_read(const char *path, size_t *bytes)
{
    gzFile f = gzopen(path, "rb");
    size_t room = 1 << 20;
    u8 *data = f ? malloc(room) : NULL;
    *bytes = 0;
    for (int n; data && (n = gzread(f, data + *bytes, (unsigned)(room - *bytes))) != 0;) {
        if (n < 0) {
            free(data);
            data = NULL;
        } else if ((*bytes += (size_t)n) == room) {
            data = realloc(data, room *= 2);
        }
    }
    if (f) gzclose(f);
    return data;
}

static void case_count(const char *file, const Case *c)
{
    Insn i;
    DecodeMode mode = {.features = cpu.features};
    DecodeStatus status = insn_decode(&i, c->bytes.at, (unsigned)(c->bytes.end - c->bytes.at), mode);
    if (case_left_out(c, &i, status))
        left_out++;
    else
        case_run(file, c, i.row);
}

static bool file_run(const char *path)
{
    size_t bytes;
    u64 cases = 0;
    char tag[5];
    Case c;
    Span s, p;
    u8 *data = file_read(path, &bytes);
    const char *file = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    s = (Span){data, data + bytes};
    if (data && chunk_next(&s, tag, &p) && !strcmp(tag, "MOO ")) {
        while (cases < max_cases && chunk_next(&s, tag, &p)) {
            if (strcmp(tag, "TEST")) continue;
            case_parse(&c, p);
            case_count(file, &c);
            cases++;
        }
    }
    free(data);
    if (!cases) fprintf(stderr, "run_vectors: %s: not a readable MOO file\n", path);
    return cases != 0;
}

/* How much of it the translator did: a pass by the interpreter's hand proves nothing about it. */
static void print_share(void)
{
    u64 by_hand = 0, cases = passed + failed;
    if (cpu.engine == &engine_interp || !cases) return;
    for (unsigned n = 0; n < x86_row_count; n++)
        if (x86_rows[n].opcode != HLT) by_hand += cpu.row_hits[n];
    u64 native = cases > by_hand ? cases - by_hand : 0;
    printf("%llu.%llu %% of the cases ran as host code, the others through callouts or the interpreter\n",
           (unsigned long long)(native * 100 / cases), (unsigned long long)(native * 1000 / cases % 10));
}

static void print_result(void)
{
    if (!strict)
        printf("%llu of them passed by the 286 allowances (--strict: none): vector 12 for 13 %llu, registers "
               "of a faulting "
               "string instruction %llu\n",
               (unsigned long long)(allowed_ss + allowed_string), (unsigned long long)allowed_ss,
               (unsigned long long)allowed_string);
    printf("%llu passed, %llu failed, %llu left out\n", (unsigned long long)passed,
           (unsigned long long)failed, (unsigned long long)left_out);
}

static void stats_line(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    printf("\n");
}

static _Noreturn void usage(void)
{
    fprintf(
        stderr,
        "usage: run_vectors [--accel interp|translate] [--max N] [--stats 1] [--strict] FILE.MOO.gz...\n");
    exit(2);
}

int main(int argc, char **argv)
{
    const char *accel = "interp";
    bool readable = true, stats = false;
    int n = 1;
    audit_begin();
    for (; n < argc && argv[n][0] == '-'; n += 2) {
        if (!strcmp(argv[n], "--strict")) {
            strict = true;
            n--;
            continue;
        }
        if (n + 1 == argc) usage();
        if (!strcmp(argv[n], "--accel"))
            accel = argv[n + 1];
        else if (!strcmp(argv[n], "--max"))
            max_cases = strtoull(argv[n + 1], NULL, 10);
        else if (!strcmp(argv[n], "--stats"))
            stats = strtoull(argv[n + 1], NULL, 10);
        else
            usage();
    }
    if (n == argc) usage();
    machine_init(accel);
    cpu.row_hits = calloc(x86_row_count, sizeof *cpu.row_hits);
    for (; n < argc; n++) readable &= file_run(argv[n]);
    print_share();
    if (stats && cpu.engine != &engine_interp) xlat_print_stats(cpu.engine, stats_line);
    print_result();
    return !readable ? 2 : failed * 1000 > passed + failed;
}
