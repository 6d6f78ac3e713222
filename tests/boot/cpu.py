#!/usr/bin/env python3
"""cpu.py RING3 CPU_TEST - what -cpu gives: CPUID announces a feature exactly if its instruction works, in both
engines."""
import os
import re
import subprocess
import sys

from vm import check, main, run_tests

ring3, guest = sys.argv[1:3]
HOST = {"sse3": "pni", "ssse3": "ssse3", "sse4.1": "sse4_1", "sse4.2": "sse4_2", "popcnt": "popcnt"} # in /proc/cpuinfo
# each on the one before
BUILT = ["sse", "sse2", "sse3", "ssse3", "sse4.1", "sse4.2"]
SAME = {"fisttp": "sse3", "lddqu": "sse3", "pextrb": "sse4.1", "misaligned": "sse4.1", "crc32": "sse4.2"}
PENTIUM = {"tsc", "cx8"}
LATER = {"movbe", "rdtscp", "smap", "smep", "umip"}
PENTIUM2 = PENTIUM | {"cmov", "mmx", "fxsr"}


def host_has():
    with open("/proc/cpuinfo") as f:
        flags = re.search(r"^flags\s*:(.*)$", f.read(), re.M).group(1).split()
    return {name for name, flag in HOST.items() if flag in flags}


def run(cpu, accel, mask):
    env = dict(os.environ, RING3_HOST=mask) if mask else os.environ
    words = [ring3, "-kernel", guest, "-cpu", cpu, "-accel", accel, "-display", "none", "-serial", "stdio"]
    said = subprocess.run(words, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    check(said.returncode == 0 and "end" in said.stdout,
          "-cpu %s: exit code %d, %s %s" % (cpu, said.returncode, said.stdout, said.stderr))
    return {n: (a == "1", what) for n, a, what in re.findall(r"(\S+) announced=([01]) (\S+)", said.stdout)}


def expect(cpu, has, mask=None):
    for accel in "interp", "translate":
        found = run(cpu, accel, mask)
        check(len(found) == 24, "24 lines, not %d" % len(found))
        for name, (announced, what) in found.items():
            wanted = SAME.get(name, name) in has
            check(announced == wanted,
                  "-cpu %s, %s: %s is%s announced" % (cpu, accel, name, "" if announced else " not"))
            right = "gp" if name == "misaligned" else "works"
            if not wanted:
                right = "gp" if name in ("smep", "umip") else "ud" # those are bits of CR4
            check(what == right, "-cpu %s, %s: %s: %s, not %s" % (cpu, accel, name, what, right))


def refused(cpu, *words):
    said = subprocess.run([ring3, "-cpu", cpu, "-kernel", guest], capture_output=True, text=True, timeout=20)
    check(said.returncode == 1, "-cpu %s: exit code %d, not 1" % (cpu, said.returncode))
    for word in words:
        check(word in said.stderr, "-cpu %s: %r does not say %r" % (cpu, said.stderr, word))


def test_models():
    expect("pentium", PENTIUM)
    expect("ppro", PENTIUM | {"cmov"})
    expect("pentium2", PENTIUM2)
    expect("pentium3", PENTIUM2 | {"sse"})


def test_default():
    most = PENTIUM2 | {"clflush", "sse", "sse2"}
    has = most | host_has()
    expect("default", has)
    expect("default,-popcnt,+sse2", has - {"popcnt"})
    expect("default,sse4.1=off", has - {"sse4.1", "sse4.2"})
    expect("default,-sse", has - set(BUILT))
    expect("default", most, "none")
    expect("default", has - set(BUILT[4:]), "-sse4.1")
    expect("default,+smap", has | {"smap"})


def test_max():
    has = PENTIUM2 | {"clflush", "sse", "sse2"} | host_has() | LATER
    expect("max", has)
    expect("max,-smap,-umip,-movbe", has - {"smap", "umip", "movbe"})


def test_additions():
    expect("pentium,+mmx", PENTIUM | {"mmx"})
    expect("pentium2,+sse2,clflush=on", PENTIUM2 | {"sse", "sse2", "clflush"})
    expect("pentium,+smep,+rdtscp", PENTIUM | {"smep", "rdtscp"})
    if "ssse3" in host_has(): expect("pentium3,+ssse3", PENTIUM2 | set(BUILT[:4]))


def test_refused():
    refused("max,+sse9", "did you mean 'sse", "sse4.2")
    refused("max,-flags", "-cpu max,-flags: there is no such word", "popcnt")
    refused("max,+avx", "-cpu max,+avx", "leave it out")
    refused("386,+mmx", "386 has no CPUID")
    refused("pentum,+mmx", "did you mean 'pentium'")
    refused("max,sse=perhaps", "perhaps")


main(lambda: run_tests(globals()))
