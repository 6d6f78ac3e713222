#!/usr/bin/env python3
"""hooks_linux.py RING3 GUEST-SCRIPT STRACE-SCRIPT GUEST-DIR HOOK-FILE [ring3 options...] - the tracer of system calls (docs/hooks/syscalls.c)
and Debian's strace in the same guest, of one and the same `ls -l /`: the same calls in the same order.
"""
import re
import sys
import tempfile

from vm import Vm, check, made, main

ring3, script, strace_script, folder, hook_file, *options = sys.argv[1:]
PROMPT = r"guest# "


PLAIN = "openat|open|close|access|faccessat|brk|lseek|_llseek|umask|exit_group|execve|getuid32|geteuid32|ioctl|write"


def plain(calls):
    """Lines of calls in which no structure is shown and no address differs from run to run; flags in alphabetical order."""
    return ["%s = %s" % (re.sub(r"\w+(\|\w+)+", lambda m: "|".join(sorted(m[0].split("|"))), call.strip()), result.strip())
            for call, result in calls if re.match("(%s)\\(" % PLAIN, call) and "0x" not in call + result and "{" not in call]


def test():
    made(script, folder)
    made(strace_script, folder)
    with tempfile.TemporaryDirectory() as place:
        initrd, trace = place + "/initrd", place + "/trace"
        with open(initrd, "wb") as f:
            for part in "initramfs.gz", "strace.gz":
                with open(folder + "/" + part, "rb") as g:
                    f.write(g.read())
        vm = Vm([ring3, "-m", "256", "-display", "none", "-serial", "stdio", "-kernel", folder + "/vmlinuz", "-initrd", initrd, "-append", "console=ttyS0 quiet",
                 "-hook", "load syscalls only=ls", "-hook", "file=" + hook_file, "-D", trace, *options])
        vm.expect(PROMPT, 120)
        vm.send("strace -o /tmp/calls ls -l /; echo en''d\r")
        vm.expect(r"\nend", 60)
        vm.expect(PROMPT, 20)
        before = vm.seen
        vm.send("cat /tmp/calls; echo en''d\r")
        vm.expect(r"\nend", 60)
        text = vm.output[before:vm.seen]
        vm.send("poweroff -f\r")
        vm.expect_exit(0, 60)
        with open(trace) as f:
            lines = f.read()
    theirs = re.findall(r"^(\w+)\(", text, re.M)
    found = re.findall(r"^\[(\d+) ls\] (\w+)\(.* = (.*)$", lines, re.M)
    ours = [name for task, name, result in found]
    check(theirs and theirs[0] == "execve" and theirs[-1] == "exit_group", "strace: %s" % theirs)
    check(ours == theirs, "strace has\n%s\nand ring3\n%s" % (" ".join(theirs), " ".join(ours)))
    check(len({task for task, name, result in found}) == 1, "more than one task:\n" + lines)
    check(re.search(r'^\[\d+ ls\] (statx|lstat64|stat64)\(.*"/', lines, re.M), "no path:\n" + lines)
    same = plain(re.findall(r"^(\w+\(.*) = (.*)$", text, re.M))
    shown = plain([(line, result) for line, result in re.findall(r"^\[\d+ ls\] (\w+\(.*) = (.*)$", lines, re.M)])
    check(len(same) > 5 and shown == same, "strace has\n%s\nand ring3\n%s" % ("\n".join(same), "\n".join(shown)))
    print("%d calls, %d of them the same to the letter" % (len(ours), len(same)))


main(test)
