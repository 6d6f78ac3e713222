#!/usr/bin/env python3
"""hosts.py RING3 PROBE masks|limits|sandbox - poor hosts: ring3 starts there, or says in one sentence what would."""
import os
import re
import subprocess
import sys
import tempfile

import sandbox
from vm import Vm, check, main, skip

ring3, probe, what = sys.argv[1:4]
FEATURES = "bmi2 lahf fsgsbase memfd memfd_seals seal_future_write userfaultfd populate guard noreplace".split()


def with_mask(mask, *args):
    return ["env", "RING3_HOST=" + mask, ring3, *args]


def guest(*more):
    return ["-kernel", probe, "-append", "info off", "-m", "64", "-serial", "stdio", "-display", "none", *more]


def runs(command):
    vm = Vm(command)
    vm.expect("magic 2badb002", 120)
    vm.expect("map 00100000 \\+03ec0000")
    vm.expect_exit(0, 60)


def host(command):
    """What -host says: {word: value}."""
    p = subprocess.run([*command, "-host"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, timeout=20)
    check(p.returncode == 0 and not p.stderr, "-host: %s" % p)
    return dict(re.findall(r"^  (\S+) +(no limit|yes, masked|yes|no|[0-9.]+)", p.stdout, re.M))


def test_report():
    said = host([ring3])
    for word in FEATURES:
        check(said[word] in ("yes", "no"), "%s: %s" % (word, said))
    for word in "syscall_ns signal_ns mmap_ns table_ns mprotect_ns fault_ns max_map_count".split():
        check(int(said[word]) > 0, "%s: %s" % (word, said))
    masked = host(with_mask("none,max_map_count=1000,signal_ns=15000,mmap_ns=14000"))
    for word in FEATURES:
        check(masked[word] == ("yes, masked" if said[word] == "yes" else "no"), "%s: %s" % (word, masked))
    check(masked["max_map_count"] == "1000" and masked["fault_ns"] == "29000", "numbers: %s" % masked)


def test_monitor():
    vm = Vm([ring3, "-m", "16", "-display", "none", "-monitor", "stdio", "-S"])
    vm.expect(r"\(ring3\) ")
    vm.send("info host\n")
    vm.expect(r"Linux [0-9][^\n]*\n(?:[^\n]*\n)*  memfd +yes(?:[^\n]*\n)*chosen:")
    vm.send("quit\n")
    vm.expect_exit(0)


def test_mistakes():
    for mask in "bmi2", "-bmi3", "none,-", "signal_ns=fast":
        for more in ["-host"], guest():
            p = subprocess.run(with_mask(mask, *more), stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=20)
            said = p.stderr.decode()
            check(p.returncode == 1 and said.count("\n") == 1 and mask.split(",")[-1] in said, "%s: %s" % (mask, p))


def test_little_memory():
    vm = Vm(with_mask("cgroup_bytes=33554432", *guest()))
    vm.expect("ring3: -m 64: this control group may use 32 MiB; should")
    vm.expect_exit(0)
    vm = Vm(with_mask("cgroup_bytes=67108864", *guest()))
    vm.expect_exit(0)
    check("-m 64" not in vm.output, "a warning without need: " + vm.output)


def test_masks():
    for mask in "none", "none,max_map_count=1000", "max_map_count=64", *("-" + f for f in FEATURES):
        runs(with_mask(mask, *guest()))
    runs(with_mask("none", *guest("-accel", "interp")))


def curses(command, pattern):
    vm = Vm(["env", "TERM=xterm", "LC_ALL=C.UTF-8", *command, "-m", "16", "-display", "curses"], tty=True)
    vm.expect(pattern, 60)
    vm.send("\x01x")
    vm.expect_exit(0)


def test_screen():
    """The memory that is shared with the window's process: sealed as far as there are seals."""
    if not os.path.exists(os.path.join(os.path.dirname(ring3), "ring3-window")):
        return
    for mask in "-seal_future_write", "-memfd_seals", "none":
        curses(["env", "RING3_HOST=" + mask, ring3], "ring3")


def limited(limit, accel):
    p = subprocess.run(["prlimit", limit, ring3, *guest("-accel", accel)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, universal_newlines=True, timeout=120)
    if p.returncode == 0:
        check("magic 2badb002" in p.stdout, "%s: %s" % (limit, p))
        return True
    check(p.returncode == 1 and p.stderr.count("\n") == 1, "%s: %s" % (limit, p))
    check(accel == "translate" and "-accel interp" in p.stderr, "%s: %s" % (limit, p))
    return False


def test_file_size():
    """RLIMIT_FSIZE counts memory files, too: for the guest's memory, or only for the code cache."""
    for limit, accel in (20 << 20, "interp"), (20 << 20, "translate"), (110 << 20, "translate"):
        p = subprocess.run(["prlimit", "--fsize=%d" % limit, ring3, *guest("-accel", accel + ",cache=256" * (accel == "translate"))],
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, timeout=60)
        check(p.returncode == 1 and p.stderr.count("\n") == 1 and "(ulimit -f)" in p.stderr, "%d: %s" % (limit, p))


def test_limits():
    """RLIMIT_DATA counts what a host with vm.overcommit_memory=2 counts: private memory that may be written."""
    gib = 1 << 30
    if subprocess.run(["prlimit", "--as=%d" % (300 * gib), ring3, "-version"], stderr=subprocess.DEVNULL).returncode:
        skip("a build with sanitizers takes more address space than any limit here leaves")
    check(limited("--as=%d" % (300 * gib), "translate"), "translation in 300 GiB of address space")
    check(limited("--data=%d" % (16 * gib), "translate"), "translation in 16 GiB of counted memory")
    for limit in "as=%d" % (64 * gib), "as=%d" % (16 * gib), "as=%d" % (2 * gib), "data=%d" % gib, "data=%d" % (gib // 4):
        works = limited("--" + limit, "translate")
        check(limited("--" + limit, "interp"), "the interpreter under " + limit)
        print("  %s: %s" % (limit, "translates" if works else "refused, and interprets"))


def test_sandbox():
    said = host(sandbox.command([ring3]))
    check(said["userfaultfd"] == "no", "the filter lets userfaultfd through")
    runs(sandbox.command([ring3, *guest()]))
    runs(sandbox.command([ring3, *guest("-accel", "interp")]))
    runs(sandbox.command(with_mask("none", *guest())))
    if os.path.exists(os.path.join(os.path.dirname(ring3), "ring3-window")):
        curses(sandbox.command([ring3]), "ring3")


def test_no_cage():
    """Without seccomp there is none: by default ring3 does without and `info host` says so; who asks for one is told."""
    seccomp = [317]
    runs(sandbox.command([ring3, *guest()], refused=seccomp))
    p = subprocess.run(sandbox.command([ring3, "-host"], refused=seccomp), stdout=subprocess.PIPE, universal_newlines=True, timeout=20)
    check(re.search(r"^  sandbox +none: this host has no seccomp$", p.stdout, re.M), p.stdout)
    p = subprocess.run(sandbox.command([ring3, *guest("-sandbox", "on")], refused=seccomp), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       universal_newlines=True, timeout=20)
    check(p.returncode == 1 and p.stderr == "ring3: -sandbox on: this host has no seccomp\n", "%s" % p)


def test_sandbox_screenshot():
    with tempfile.TemporaryDirectory() as folder:
        program = [ring3, "-m", "16", "-display", "none", "-monitor", "stdio"]
        vm = Vm(sandbox.command(program, "--bind", folder, folder))
        vm.expect(r"\(ring3\) ")
        vm.send("screendump %s/screen.png\n" % folder)
        vm.expect(r"\(ring3\) ")
        vm.send("quit\n")
        vm.expect_exit(0)
        with open(folder + "/screen.png", "rb") as f:
            check(f.read(4) == b"\x89PNG", "the screenshot")


def all_tests():
    parts = {"masks": (test_report, test_monitor, test_mistakes, test_little_memory, test_masks, test_screen), "limits": (test_limits, test_file_size),
             "sandbox": (test_sandbox, test_no_cage, test_sandbox_screenshot)}
    for function in parts[what]:
        function()
        print(function.__name__, flush=True)


if what == "sandbox" and sandbox.lacking():
    skip(sandbox.lacking())
main(all_tests)
