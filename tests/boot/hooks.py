#!/usr/bin/env python3
"""hooks.py RING3 HOOKED MINI-DOS TOLD HOOK-FOLDER [ring3 options...] - host functions at places in the guest (-hook): a kernel of ours with
functions of each convention, recursion, ring 3 (tests/guests/hooked.c); a floppy that does as DOS does; the libraries of docs/hooks; and what
goes wrong: libraries and lines that are bad, functions that crash.
"""
import os
import re
import struct
import subprocess
import sys
import tempfile
import time

from vm import Vm, check, main, run_tests

ring3, hooked, floppy, told, hook_folder, *options = sys.argv[1:]
folder = tempfile.mkdtemp(prefix="ring3-hooks")
END = 33 # of the guest's: 16 << 1 | 1
symbols = {f[2]: int(f[0], 16) for f in (line.split() for line in subprocess.check_output(["nm", hooked], text=True).splitlines())
           if len(f) == 3}


def run(words, *hooks, code=END, extra=(), symbol_file=hooked):
    """What the kernel and the hooks say, line by line."""
    given = [w for h in hooks for w in ("-hook", h.replace("LIB", told))]
    vm = Vm([ring3, "-display", "none", "-debugcon", "stdio", "-device", "isa-debug-exit", "-no-reboot", "-kernel", hooked, "-append", words,
             *(["-symbols", symbol_file] if symbol_file else []), *given, *extra, *options], stdin=False)
    got = vm.wait(60)
    if got != code:
        vm.fail("exit code %s, not %s" % (got, code))
    return vm.output.split("\n")[:-1]


def has(lines, *wanted):
    """These lines, in this order."""
    at = 0
    for w in wanted:
        check(w in lines[at:], "%r is not there, or not in its place:\n%s" % (w, "\n".join(lines)))
        at = lines.index(w, at) + 1


def test_conventions():
    plain = run("calls factorial user paging calls user")
    lines = run("calls factorial user paging calls user", "at add_cdecl call LIB:three(u32 a, u32, str arg3)", "at add_stdcall call LIB:numbers(u32,u32,u32) stdcall",
                "at add_fastcall call LIB:numbers(u32, u32, u32) fastcall", "at add_regparm call LIB:mixed(u32,u64,u32) regparm3",
                "at wide call LIB:wide(u64,f32,f64,s8,u16)", "at 0x%x after LIB:returned(u32 n, u32 result) cdecl" % symbols["factorial"],
                "at user_int call LIB:here()",
                "syscall call LIB:system_call(u32 nr,str,u32,u32,u32,u32,u32)", "syscall after LIB:returned(u32 nr, u32 result)")
    calls = ["three 1 2 three", "cdecl 00000077", "numbers 1 2 3", "stdcall 00000006", "numbers 1 2 3", "fastcall 00000006", "mixed 1 0x200000003 4",
             "regparm 00000008", "wide 0x500000006 1.5 -2.25 -3 65534", "wide 00010000", "long 00000003"]
    user = ["at user_int, cpl 3", "system call 7 from ring 3 2 3 4 5 6", "returned 7: 107", "system call 8 from ring 3 2 3 4 5 6", "returned 8: 208", "int 80h 0000006b",
            "sysenter 000000d0"]
    recursion = ["returned %d: %d" % (n, f) for n, f in ((1, 1), (2, 2), (3, 6), (4, 24), (5, 120))] + ["factorial 00000078"]
    check(lines == calls + recursion + user + calls + user + ["end", "closed"], "not what was called:\n" + "\n".join(lines))
    seen = [line for line in lines if line in plain]
    check(seen == plain, "the guest noticed:\n%s\n---\n%s" % ("\n".join(plain), "\n".join(lines)))


def test_replaced():
    lines = run("calls", "at add_cdecl replace LIB:times(u32, u32)", "at add_stdcall replace LIB:times(u32 arg2, u32 arg3, u32 arg1) stdcall",
                "at add_fastcall replace LIB:unless_two(u32, u32) fastcall", "at add_regparm replace LIB:long_times(u64 arg2) -> u32 regparm3",
                "at long_result replace LIB:long_times(u64 eax) -> u64", "at wide ecx=0x12345678 replace LIB:times(u32, u32)")
    has(lines, "cdecl 00000002", "stdcall 00000006", "fastcall 00000006", "regparm 00000009", "wide 00010000")
    lines = run("user", "int 80h eax=7 replace LIB:times(u32 ecx, u32 edx)", "syscall nr=8 replace LIB:times(u32 nr, u32 nr)")
    has(lines, "int 80h 00000006", "sysenter 00000040", "end")
    has(run("user", "int 80h call LIB:past_int()"), "int 80h 00000037", "sysenter 000000d0", "end")
    run("loop", "at slow_copy call LIB:stop()", code=77)


def test_memory():
    has(run("paging calls", "at add_cdecl call LIB:memory(u32 arg3, u32 arg1)"), "memory agrees: t?ree, 256 to the end, hole absent, 1", "cdecl 00000077")


def test_copy():
    """The host's memcpy does the same, and takes less time."""
    line = "at slow_copy replace %s:copy(u32,u32,u32) -> void" % (hook_folder + "/fastcopy")
    for words in "copy", "paging copy":
        plain, replaced = run(words), run(words, line)
        check(plain == replaced, "not the same bytes:\n%s\n---\n%s" % ("\n".join(plain), "\n".join(replaced)))
    if "interp" not in options:
        begun = time.monotonic()
        plain = run("paging copy=32")
        between = time.monotonic()
        check(run("paging copy=32", line) == plain, "not the same bytes")
        check(time.monotonic() - between < (between - begun) * 2 / 3, "it is not faster")


def counts_of(words, engine_options):
    """{mnemonic: how often it began}, and the rest of what `mix` says, of the kernel's own code."""
    path = folder + "/mix"
    vm = Vm([ring3, "-display", "none", "-debugcon", "null", "-device", "isa-debug-exit", "-no-reboot", "-kernel", hooked, "-append", words, "-symbols", hooked,
             "-hook", "load %s/mix %s 100000 1fffff" % (hook_folder, path), *engine_options], stdin=False)
    vm.expect_exit(END, 60)
    with open(path) as f:
        text = f.read()
    counts = {name: int(n) for n, name in re.findall(r"^ *[0-9.]+ % +(\d+) (\S+)$", text, re.M)}
    check(sum(counts.values()) == int(text.split()[1]), "not all instructions have a name: " + text)
    return counts, text


def test_mix():
    """The sum of all kinds is what the interpreter retires, whatever translated code is left by: traps, callouts, polls."""
    words = "calls factorial user copy paging calls user copy=1"
    counts, text = counts_of(words, options)
    expected, _ = counts_of(words, ("-accel", "interp"))
    check(counts == expected, "not as the interpreter counts: %s\n%s" % (counts, expected))
    check(counts["sysenter"] == 2 and counts["int"] == 4 and counts["wrmsr"] == 3, text)
    check(re.search(r"^ +1\d{6} \w{8} \d+ instructions slow_copy", text, re.M), text)


def test_drcov():
    path = folder + "/cov"
    run("calls", "load %s/drcov %s 100000 1fffff" % (hook_folder, path))
    with open(path, "rb") as f:
        data = f.read()
    head, found, blocks = data.partition(b" bbs\n")
    check(found and head.startswith(b"DRCOV VERSION: 2\nDRCOV FLAVOR: "), str(data[:300]))
    check(re.search(rb"^Module Table: version 2, count 1\nColumns: id, base, end, entry, checksum, timestamp, path\n 0, 0x00100000, 0x001fffff,", head, re.M), str(head))
    count = int(head.split()[-1])
    check(len(blocks) == 8 * count and count > 20, "%d blocks, %d bytes" % (count, len(blocks)))
    ran = set()
    for start, length, module in struct.iter_unpack("<IHH", blocks):
        check(module == 0 and 0 < length < 4096, "a block of %d bytes in module %d" % (length, module))
        ran.update(range(start + 0x100000, start + 0x100000 + length))
    for name in "add_cdecl", "wide", "hooked_main":
        check(symbols[name] in ran, name + " ran")
    for name in "factorial", "slow_copy", "run_user":
        check(symbols[name] not in ran, name + " did not run")


def test_execute():
    lines = run("calls factorial", "load LIB each factorial")
    check(lines.count("executes factorial") == 5, "\n".join(lines))
    has(lines, "cdecl 00000077", "executes factorial", "factorial 00000078")
    lines = run("calls", "load LIB each add_cdecl crash", code=1)
    check("told.so:each_executes crashed" in lines[-1] and "0x10 (SIGSEGV)" in lines[-1], lines[-1])
    refused("load %s/mix /none/there/x" % hook_folder, "mix", "said 1")


def test_files():
    path = folder + "/some.hook"
    with open(path, "w") as f:
        f.write("# a comment\n\n  at add_cdecl call %s:three(u32,u32,str)   \r\nat add_stdcall call %s:numbers(u32,u32,u32) stdcall\n" % (told, told))
    has(run("calls", "load LIB some words", "file=" + path), "opened with 'some words'", "three 1 2 three", "numbers 1 2 3", "closed")
    with open(path, "a") as f:
        f.write("at add_cdecl calls x:y()\n")
    lines = run("calls", "file=" + path, code=1)
    check(path + ":5: " in lines[0] and "did you mean 'call'" in lines[0], lines[0])
    maps = folder + "/System.map"
    with open(maps, "w") as f:
        f.write("".join("%08x T %s\n" % (symbols[s], s) for s in ("_start", "add_cdecl")) + "00200000 t other\t[module]\n")
    has(run("calls", "at add_cdecl call LIB:three(u32,u32,str)", symbol_file=maps), "three 1 2 three")


def refused(hook, *words, symbol_file=hooked):
    lines = run("calls", hook, code=1, symbol_file=symbol_file)
    check(len(lines) <= 2, "%s: %s" % (hook, lines))
    for w in words:
        check(w in lines[0], "%s: %r is not in %s" % (hook, w, lines))


def test_refused():
    refused("at add_cdecl call ./none:f()", "no library ./none")
    refused("at add_cdecl call %s:f()" % hooked, hooked.split("/")[-1])
    refused("at add_cdecl call LIB:thre(u32)", "has no function thre")
    refused("at add_cdec call LIB:three(u32)", "did you mean 'add_cdecl'")
    refused("at nowhere_at_all call LIB:three(u32)", "no symbol nowhere_at_all")
    refused("at add_cdecl call LIB:three(u32)", "-symbols", symbol_file=None)
    refused("int 256 call LIB:three(u32)", "interrupt")
    refused("int 21h ax=x call LIB:three(u32)", "a number")
    refused("int 21h zx=1 call LIB:three(u32)", "zx", "register")
    refused("int 21h call LIB:three(u33)", "a type", "u32")
    refused("int 21h call LIB:three(u32 ds:)", "SEGMENT:REGISTER")
    refused("int 21h call LIB:three(u32 result)", "after")
    refused("int 21h call LIB:three(u32 ebx", "')'")
    refused("int 21h call LIB:three(u32) stdcall", "regs")
    refused("int 80h call LIB:three(u32 arg7)", "argument 7")
    refused("at 1 call LIB:three(u32) pascal", "cdecl")
    refused("at 1 call LIB:three() -> u32", "replace")
    refused("at 1 call LIB", "LIBRARY:FUNCTION")
    refused("at 1 call LIB:three(%s)" % ",".join(["u32"] * 17), "16")
    refused("x" * 600, "511")
    refused("", "empty")
    refused("nowhere", "where")
    refused("load LIB refuse", "said 3")
    refused("load LIB crash", "crashed in ring3_hook_open", "SIGABRT")
    refused("load LIB leave", "ends ring3 in ring3_hook_open", "it called exit()")
    refused("load %s/fastcopy x" % hook_folder, "fastcopy", "said 1")
    refused("file=/none/there", "/none/there")
    os.mkfifo(folder + "/fifo")
    for name in folder, folder + "/fifo", "/dev/zero": # nothing of which a line could come
        refused("file=" + name, "no file that can be read")
    with open(folder + "/nul", "wb") as f:
        f.write(b"\0\0at add_cdecl call LIB:here()\n")
    refused("file=%s/nul" % folder, "nul:1", "no text")
    for name, data in ("random", os.urandom(3000)), ("empty", b""), ("zeros", b"00000000 T a\n00000000 T b\n"), ("elf", b"\x7fELF" + os.urandom(200)):
        with open(folder + "/" + name, "wb") as f:
            f.write(data)
        lines = run("calls", "at 1 call LIB:here()", code=1, symbol_file=folder + "/" + name)
        check(len(lines) == 1 and "-symbols" in lines[0], "%s: %s" % (name, lines))


def test_crashes():
    """A sentence that names line, library and function; the disk has what the guest wrote."""
    for function, how in ("null_pointer", "0x10 (SIGSEGV)"), ("give_up", "SIGABRT"), ("endless", "(SIGSEGV)"), ("divide", "SIGFPE"):
        for where in "at add_cdecl", "int 80h":
            lines = run("calls user", "%s call LIB:%s()" % (where, function), code=1)
            check("%s:%s crashed" % (told, function) in lines[-1] and how in lines[-1] and where in lines[-1], lines[-1])
            check("disks are flushed" in lines[-1], lines[-1])
    for function, how in ("sets_df", "DF set"), ("sets_ac", "AC set"), ("changes_registers", "RBX changed, R15 changed"), \
            ("changes_control_words", "MXCSR changed, the x87 control word changed"), ("loses_stack", "RSP wrong"):
        lines = run("calls user", "at add_cdecl call LIB:%s()" % function, code=1)
        check("%s:%s broke the calling convention: it came back with %s; the guest's disks are flushed" % (told, function, how) in lines[-1], lines[-1])
    lines = run("calls user", "at add_cdecl call LIB:leaves()", code=1)
    check("%s:leaves ends ring3: it called exit(); the guest's disks are flushed" % told in lines[-1], lines[-1])
    if "-sandbox" not in options: # the cage holds for libraries, too
        vm = Vm([ring3, "-display", "none", "-kernel", hooked, "-append", "calls", "-symbols", hooked, "-hook", "at add_cdecl call %s:connect_out()" % told, *options],
                stdin=False)
        code = vm.wait(60)
        if code not in (-9, -31):
            vm.fail("a library made a socket in the sandbox: exit code %d" % code)


def test_dos():
    vm = Vm([ring3, "-display", "none", "-debugcon", "null", "-device", "isa-debug-exit", "-fda", floppy, "-snapshot", "-hook", "file=%s/int21h.hook" %
             os.path.dirname(os.path.abspath(sys.argv[0])).replace("tests/boot", "docs/hooks"), *options], stdin=False)
    vm.expect_exit(15, 60)
    lines = re.findall(r"^1000:\w{4} (\w+) .*?(?: \"(.*)\")? = (.*)$", vm.output, re.M)
    check(lines == [("GetVersion", "", "0005"), ("DisplayChar", "", "0235"), ("DisplayString", " hello?", "0924"), ("OpenFile", "THERE.TXT", "0005"),
                    ("OpenFile", "MISSING.TXT", "0002 carry"), ("Function", "", "0001 carry"), ("Exit", "", "?")], vm.output)


main(lambda: run_tests(globals(), os.environ.get("ONLY", "").split()))
