/* Lines of -hook and files of -symbols: what they mean, and that no text at all does harm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cpu/cpu.h"
#include "frontend/hook/hook_line.h"
#include "frontend/debug/symbols.h"

static HookLine line;
static Problem problem;

static void parse(const char *text)
{
    problem.text[0] = 0;
    bool ok = hook_line_parse(&line, text, &problem);
    assert_string_equal(problem.text, "");
    assert_true(ok);
}

static void refuses(const char *text)
{
    problem.text[0] = 0;
    assert_false(hook_line_parse(&line, text, &problem));
    assert_true(strstr(problem.text, "-hook") == problem.text);
}

static void where(void **state)
{
    (void)state;
    parse("at 0xc0123456 call a:f()");
    assert_int_equal(line.where, HOOK_AT);
    assert_int_equal(line.address, 0xc0123456u);
    parse("  at 0f000h:0e987h replace a:f() ");
    assert_int_equal(line.address, 0xfe987);
    parse("at schedule+10h cpl=0 ecx=5 after ./lib.so:f(u32 result)");
    assert_string_equal(line.symbol, "schedule");
    assert_int_equal(line.address, 16);
    assert_int_equal(line.conditions, 2);
    assert_string_equal(line.condition[1].name, "ecx");
    assert_string_equal(line.library, "./lib.so");
    parse("int 21h ah=3dh call /a:b/c:f(str ds:dx, u16 bx)");
    assert_int_equal(line.vector, 0x21);
    assert_int_equal(line.condition[0].value, 0x3d);
    assert_string_equal(line.library, "/a:b/c");
    assert_int_equal(line.param[0].source, SOURCE_ADDRESS);
    assert_int_equal(line.param[1].source, SOURCE_REGISTER);
    parse("syscall nr=5 call a:f(u32 nr, str)");
    assert_int_equal(line.where, HOOK_SYSCALL);
    assert_string_equal(line.condition[0].name, "eax");
    assert_int_equal(line.param[0].source, SOURCE_NUMBER);
    assert_int_equal(line.param[1].place.reg, EBX);
    parse("load a words, (and more)");
    assert_string_equal(line.arguments, "words, (and more)");
}

static void stack_place(unsigned n, u16 in32, u16 in16)
{
    assert_int_equal(line.param[n].place.reg, -1);
    assert_int_equal(line.param[n].place.offset[1], in32);
    assert_int_equal(line.param[n].place.offset[0], in16);
}

static void places(void **state)
{
    (void)state;
    parse("at 1 call a:f(u8, u64 wide, str text, f64, u32 arg7, u32 behind)");
    stack_place(0, 0, 0);
    stack_place(1, 4, 2);
    stack_place(2, 12, 10);
    stack_place(3, 16, 12);
    stack_place(4, 32, 28); /* arguments 5 and 6 have 4 bytes each */
    stack_place(5, 36, 32);
    parse("at 1 call a:f(u32, u64, u32, u32) fastcall");
    assert_int_equal(line.param[0].place.reg, ECX);
    stack_place(1, 0, 0);
    assert_int_equal(line.param[2].place.reg, EDX);
    stack_place(3, 8, 8);
    assert_int_equal(line.stack_bytes[1], 12);
    parse("at 1 call a:f(u64, f32, u16, u32) regparm3");
    assert_int_equal(line.param[0].place.reg, EAX);
    assert_int_equal(line.param[0].place.high, EDX);
    stack_place(1, 0, 0);
    assert_int_equal(line.param[2].place.reg, ECX);
    stack_place(3, 4, 4);
    parse("int 2fh call a:f(u16, u16)");
    assert_int_equal(line.param[0].place.reg, EAX);
    assert_int_equal(line.param[1].place.reg, EBX);
}

static void refused(void **state)
{
    static const char *const bad[] = {"",
                                      " ",
                                      "at",
                                      "at 1",
                                      "at 1 call",
                                      "at 1 call a",
                                      "at 1 call a:",
                                      "at 1 call :f()",
                                      "at 1 call a:f",
                                      "at 1 call a:f(",
                                      "at 1 call a:f(u32",
                                      "at 1 call a:f(u32,)",
                                      "at 1 call a:f(void)",
                                      "at 1 call a:f() x",
                                      "at 1 call a:f() cdecl x",
                                      "at 1 replace a:f() -> str",
                                      "at 1 replace a:f() ->",
                                      "at 1:2:3 call a:f()",
                                      "at 10000h:0 call a:f()",
                                      "at 100000000h call a:f()",
                                      "at 99999999999999999999999999 call a:f()",
                                      "at 0x call a:f()",
                                      "at 12x call a:f()",
                                      "int call a:f()",
                                      "int 21h a=1 b=2 call a:f()",
                                      "int 21h al=1 al=1 al=1 al=1 al=1 call a:f()",
                                      "at 1 call a:f(u32 arg0x)x",
                                      "at 1 call a:f(u32 arg17)",
                                      "at 1 call a:f(str ax:bx)",
                                      "load",
                                      "load "};
    (void)state;
    for (unsigned n = 0; n < ARRAY_LEN(bad); n++) refuses(bad[n]);
}

/* Words of the grammar in any order, and bytes. */
static void fuzz(void **state)
{
    static const char *const words[] = {
        "at",    "int", "syscall", "load", "call", "replace",      "after", "a:f",      "(",
        ")",     ",",   "u32",     "str",  "u64",  "f64",          "eax",   "ds",       ":",
        "dx",    "=",   "3dh",     "0x7",  "nr",   "result",       "arg3",  "->",       "regs",
        "cdecl", "+",   "name",    "\xff", "%s%n", "999999999999", "\t",    "fastcall", "regparm3"};
    unsigned good = 0;
    (void)state;
    srand(9);
    for (unsigned round = 0; round < 200000; round++) {
        char text[700] = "";
        size_t n = 0;
        for (unsigned k = (unsigned)rand() % 24; k-- && n < sizeof text - 40;)
            n += (size_t)snprintf(text + n, sizeof text - n, "%s%s",
                                  words[(unsigned)rand() % ARRAY_LEN(words)], rand() % 3 ? " " : "");
        if (rand() % 4 == 0)
            snprintf(text, sizeof text, "at 1 call a:f(u32 %c%c%c", rand() % 255 + 1, rand() % 255 + 1,
                     rand() % 255 + 1);
        if (hook_line_parse(&line, text, &problem)) {
            good++;
            assert_true(line.params <= HOOK_PARAMS && line.conditions <= HOOK_CONDITIONS);
        } else {
            assert_true(strlen(problem.text) > 0);
        }
    }
    assert_true(good > 20);
}

/* --- symbols --------------------------------------------------------------------------------------------- */

static bool load(const void *bytes, size_t n)
{
    char path[] = "/tmp/ring3-symbols-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, bytes, n) == (ssize_t)n);
    close(fd);
    bool ok = symbols_load(path, &problem);
    unlink(path);
    return ok;
}

/* An ELF file with two symbols: header, sections at 64, .symtab at 200, names at 300. */
static void make_elf(u8 f[400])
{
    memset(f, 0, 400);
    memcpy(f, "\177ELF\1\1\1", 7);
    store16(f + 18, 3);
    store32(f + 32, 64);
    store16(f + 46, 40);
    store16(f + 48, 3);
    u8 *symtab = f + 64 + 40, *strtab = f + 64 + 80;
    store32(symtab + 4, 2), store32(symtab + 16, 200), store32(symtab + 20, 48), store32(symtab + 24, 2);
    store32(strtab + 4, 3), store32(strtab + 16, 300), store32(strtab + 20, 20);
    store32(f + 216, 1), store32(f + 220, 0x1000), f[228] = 0x12, store16(f + 230, 1);
    store32(f + 232, 7), store32(f + 236, 0x2000), f[244] = 0x11, store16(f + 246, 1);
    memcpy(f + 300, "\0first\0second", 14);
}

static void symbols(void **state)
{
    static const char map[] = "c1000000 T startup_32\nc1000123 t helper\t[module]\nc1000000 T alias\n";
    char text[80];
    u8 elf[400];
    u32 at;
    (void)state;
    assert_true(load(map, sizeof map - 1));
    assert_true(symbols_find("helper", &at));
    assert_int_equal(at, 0xc1000123u);
    assert_true(symbols_at(0xc1000010u, text, sizeof text));
    assert_string_equal(text, "startup_32+0x10");
    assert_true(symbols_at(0xc1000123u, text, sizeof text));
    assert_string_equal(text, "helper");
    assert_false(symbols_at(0xc0ffffffu, text, sizeof text));
    assert_string_equal(text, "");
    assert_false(symbols_at(0xd0000000u, text, sizeof text));
    assert_false(symbols_find("nobody", &at));
    make_elf(elf);
    assert_true(load(elf, sizeof elf));
    assert_true(symbols_find("second", &at));
    assert_int_equal(at, 0x2000);
    assert_true(symbols_at(0x1004, text, sizeof text));
    assert_string_equal(text, "first+0x4");
}

static void hostile_files(void **state)
{
    u8 elf[400];
    (void)state;
    srand(11);
    for (unsigned round = 0; round < 3000; round++) {
        make_elf(elf);
        for (unsigned k = (unsigned)rand() % 6; k--;) elf[4 + (unsigned)rand() % 390] = (u8)rand();
        load(elf, (unsigned)rand() % 8 ? sizeof elf : (unsigned)rand() % sizeof elf);
    }
    for (unsigned round = 0; round < 1000; round++) {
        char text[64];
        for (unsigned k = 0; k < sizeof text; k++) text[k] = "0123abcT tx\n\0\xff"[(unsigned)rand() % 14];
        load(text, sizeof text);
    }
    assert_false(load("", 0));
    assert_false(load("c1000000 T", 10));
    assert_false(load("1c1000000 T far\n", 16));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where), cmocka_unit_test(places),  cmocka_unit_test(refused),
        cmocka_unit_test(fuzz),  cmocka_unit_test(symbols), cmocka_unit_test(hostile_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
