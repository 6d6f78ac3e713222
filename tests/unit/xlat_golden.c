/* xlat_golden.c - golden listings: what the emitter writes for the instructions in tests/golden, with counts. A
 * change of the emitter shows as a diff of these files; the totals are a speed gate without noise.
 *
 * A file holds comments, blank lines, `mode` lines (code32 stack32 real user open wide nobmi2,
 * SEG=flat|based|limited|64k; flat if not named) and instructions in hex. The rest of an instruction's line, and
 * the indented lines below it, are written by this test. RING3_ACCEPT=1 ctest -R golden writes the files anew: look
 * at the diff, then commit it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <capstone/capstone.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/vcpu.h"
#include "translator/operand.h"

#define OPEN_TABLE ((const u8 *)0x1000000)
#define GUEST_RAM  ((const u8 *)0x2000000)
enum { TEXT_BYTES = 1 << 16, FEATURES = (1u << NEED_COUNT) - 1 };

typedef struct Listing {
    BlockMode mode;
    MemForm form;
    bool wide;
    unsigned guest, host;
    u64 base; /* where the instruction's host code would lie */
    char text[TEXT_BYTES];
    size_t used;
} Listing;

static void put(Listing *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void put(Listing *l, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    l->used += (size_t)vsnprintf(l->text + l->used, sizeof l->text - l->used, fmt, ap);
    va_end(ap);
    assert_true(l->used < sizeof l->text);
}

static void set_segment(Listing *l, const char *word)
{
    static const char segs[SEG_COUNT][3] = {"es", "cs", "ss", "ds", "fs", "gs"};
    static const struct {
        const char *name;
        u8 form;
    } forms[] = {{"flat", SEGF_FLAT}, {"based", SEGF_BASED}, {"limited", SEGF_LIMITED}, {"64k", SEGF_64K}};
    for (int s = 0; s < SEG_COUNT; s++)
        for (unsigned f = 0; f < ARRAY_LEN(forms); f++)
            if (!strncmp(word, segs[s], 2) && !strcmp(word + 3, forms[f].name))
                l->mode.seg[s] = forms[f].form;
}

static void set_mode(Listing *l, const char *line)
{
    char words[256], *save;
    snprintf(words, sizeof words, "%s", line);
    l->mode = (BlockMode){.fpu_ok = 7};
    l->form = MEM_WINDOW;
    l->wide = false;
    host_features = (HostFeatures){.known = true, .bmi2 = true, .lahf = true};
    for (char *w = strtok_r(words, " \n", &save); w; w = strtok_r(NULL, " \n", &save)) {
        if (!strcmp(w, "code32"))
            l->mode.code32 = 1;
        else if (!strcmp(w, "stack32"))
            l->mode.stack32 = 1;
        else if (!strcmp(w, "real"))
            l->mode.real = 1;
        else if (!strcmp(w, "user"))
            l->form = MEM_USER;
        else if (!strcmp(w, "table"))
            l->form = MEM_TABLE;
        else if (!strcmp(w, "wrap"))
            l->form = MEM_WRAP;
        else if (!strcmp(w, "wide"))
            l->wide = true;
        else if (!strcmp(w, "open"))
            l->form = MEM_OPEN, l->mode.unpaged = 1;
        else if (!strcmp(w, "nobmi2"))
            host_features.bmi2 = false;
        else if (strlen(w) > 3 && w[2] == '=')
            set_segment(l, w);
    }
}

static unsigned hex_bytes(const char *line, u8 *to)
{
    unsigned n = 0, at = 0;
    int used;
    for (unsigned b; n < 15 && sscanf(line + at, "%2x%n", &b, &used) == 1; at += (unsigned)used)
        to[n++] = (u8)b;
    return n;
}

/* Fields of the Vcpu by name: their offsets are nobody's concern here. */
static const char *segment_field(unsigned offset)
{
    static const char segs[SEG_COUNT][3] = {"es", "cs", "ss", "ds", "fs", "gs"};
    static char name[16];
    unsigned in = (offset - (unsigned)offsetof(Vcpu, seg)) % sizeof(Segment);
    unsigned seg = (offset - (unsigned)offsetof(Vcpu, seg)) / sizeof(Segment);
    assert_true(seg < SEG_COUNT);
    assert_true(in == offsetof(Segment, base) || in == offsetof(Segment, limit));
    snprintf(name, sizeof name, "%s.%s", segs[seg], in == offsetof(Segment, base) ? "base" : "limit");
    return name;
}

static const char *gate_name(const u8 *at)
{
    static const struct {
        const u8 *bmi2, *plain;
        const char *name;
    } gates[] = {{xlat_table_read_bmi2, xlat_table_read_plain, "table_read"},
                 {xlat_table_write_bmi2, xlat_table_write_plain, "table_write"},
                 {xlat_table_write_wide_bmi2, xlat_table_write_wide_plain, "table_write_wide"},
                 {xlat_table_user_read_bmi2, xlat_table_user_read_plain, "table_user_read"},
                 {xlat_table_user_write_bmi2, xlat_table_user_write_plain, "table_user_write"}};
    for (unsigned n = 0; n < ARRAY_LEN(gates); n++)
        if (at == gates[n].bmi2 || at == gates[n].plain) return gates[n].name;
    fail_msg("a call of no gate");
    return NULL;
}

static void put_host_insn(Listing *l, const cs_insn *i)
{
    const char *vcpu = strstr(i->op_str, "dword ptr [r15 + ");
    int first = (int)strcspn(i->op_str, ",");
    if (!strcmp(i->mnemonic, "movabs"))
        put(l, "        lea %.*s, [limit_probe]\n", first, i->op_str);
    else if (!strcmp(i->mnemonic, "lea") && strstr(i->op_str, "[rip"))
        put(l, "        lea %.*s, [limit_probe]\n", first, i->op_str);
    else if (i->mnemonic[0] == 'j') /* from the instruction's start */
        put(l, "        %s %#llx\n", i->mnemonic, strtoull(i->op_str, NULL, 0) - l->base);
    else if (!strcmp(i->mnemonic, "call"))
        put(l, "        call %s\n", gate_name((const u8 *)strtoull(i->op_str, NULL, 0)));
    else if (strstr(i->op_str, "qword ptr [r15 + "))
        put(l, "        mov %.*s, tsc_offset\n", first, i->op_str);
    else if (vcpu)
        put(l, "        mov %.*s, %s\n", first, i->op_str,
            segment_field((unsigned)strtoul(vcpu + 17, NULL, 0)));
    else
        put(l, "        %s%s%s\n", i->mnemonic, i->op_str[0] ? " " : "", i->op_str);
}

static void put_host(Listing *l, const u8 *code, size_t bytes, s64 to_exec)
{
    csh cs;
    cs_insn *i;
    cs_open(CS_ARCH_X86, CS_MODE_64, &cs);
    l->base = (u64)(uintptr_t)code + (u64)to_exec;
    size_t n = bytes ? cs_disasm(cs, code, bytes, l->base, 0, &i) : 0;
    put(l, "  ; %zu\n", n);
    for (size_t k = 0; k < n; k++) put_host_insn(l, &i[k]);
    l->host += (unsigned)n;
    if (n) cs_free(i, n);
    cs_close(&cs);
}

static void put_guest_text(Listing *l, const u8 *bytes, unsigned len)
{
    csh cs;
    cs_insn *i;
    cs_open(CS_ARCH_X86, l->mode.code32 ? CS_MODE_32 : CS_MODE_16, &cs);
    size_t n = cs_disasm(cs, bytes, len, 0, 1, &i);
    for (unsigned k = 0; k < len; k++) put(l, "%s%02x", k ? " " : "", bytes[k]);
    if (n) put(l, "  ; %s%s%s", i->mnemonic, i->op_str[0] ? " " : "", i->op_str);
    if (n) cs_free(i, n);
    cs_close(&cs);
}

static void put_insn(Listing *l, const char *line)
{
    u8 bytes[16], code[EMIT_MAX_INSN];
    unsigned len = hex_bytes(line, bytes);
    Emit e = {.at = code, .end = code + sizeof code, .wide = l->wide, .open = OPEN_TABLE, .ram = GUEST_RAM};
    e.to_exec = xlat_table_read_bmi2 - code; /* within reach of the gates */
    DecodeMode mode = {.code32 = l->mode.code32, .protected_mode = !l->mode.real, .features = FEATURES};
    Insn i;
    put_guest_text(l, bytes, len);
    assert_int_equal(insn_decode(&i, bytes, len, mode), DECODE_OK);
    assert_int_equal(i.len, len);
    l->guest++;
    bool tsc = i.row->opcode == 0x0f31; /* the scaling; sens.c says when */
    if (tsc) emit_tsc(&e);
    if (!tsc && !emit_identity(&e, &i, &l->mode, l->form, 0x1000))
        put(l, "  ; interpreter\n");
    else
        put_host(l, code, (size_t)(e.at - code), e.to_exec);
}

static void put_line(Listing *l, const char *line)
{
    if (!strncmp(line, "mode", 4)) set_mode(l, line);
    if (strchr("0123456789abcdef", line[0]) && line[0])
        put_insn(l, line);
    else if (line[0] != ' ' && strncmp(line, "# total", 7))
        put(l, "%s", line);
}

static void read_file(const char *path, char *to, size_t size)
{
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    size_t n = fread(to, 1, size - 1, f);
    to[n] = 0;
    fclose(f);
}

static void accept_file(const char *path, const Listing *l)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fwrite(l->text, 1, l->used, f);
    fclose(f);
}

static bool check_file(const char *path)
{
    static char old[TEXT_BYTES];
    static Listing l;
    memset(&l, 0, sizeof l);
    read_file(path, old, sizeof old);
    if (!strstr(old, "\nmode ")) return false; /* somebody else's */
    for (char *at = old, *end; *at; at = end) {
        char line[256];
        end = strchr(at, '\n');
        end = end ? end + 1 : at + strlen(at);
        snprintf(line, sizeof line, "%.*s", (int)(end - at), at);
        put_line(&l, line);
    }
    put(&l, "# total: %u guest instructions, %u host instructions\n", l.guest, l.host);
    if (getenv("RING3_ACCEPT"))
        accept_file(path, &l);
    else if (strcmp(old, l.text))
        fail_msg("%s differs from what the emitter writes now:\n%s", path, l.text);
    return true;
}

static void test_listings(void **state)
{
    (void)state;
    DIR *d = opendir(TESTS_DIR "/golden");
    unsigned files = 0;
    assert_non_null(d);
    for (struct dirent *f; (f = readdir(d));) {
        char path[1024];
        if (!strstr(f->d_name, ".txt")) continue;
        snprintf(path, sizeof path, TESTS_DIR "/golden/%s", f->d_name);
        files += check_file(path);
    }
    closedir(d);
    assert_true(files >= 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_listings)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
