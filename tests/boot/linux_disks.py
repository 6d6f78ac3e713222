"""Debian's kernel and busybox with the modules for disks, for tests that talk to its shell."""
import re
import subprocess

from vm import Vm, check, skip


def boot(ring3, guest, *more):
    """guest: debian.sh and its folder."""
    made = subprocess.run(guest, stderr=subprocess.PIPE)
    if made.returncode == 77:
        skip(made.stderr.decode().strip().split("\n")[-1])
    check(made.returncode == 0, "no guest: " + made.stderr.decode())
    vm = Vm([ring3, "-m", "128", "-kernel", guest[1] + "/vmlinuz", "-initrd", guest[1] + "/initramfs-disk.gz", "-append",
             "console=ttyS0 quiet", "-serial", "stdio", "-display", "none", "-nic", "none", *more], tty=True)
    vm.expect("GUEST-READY", 240)
    vm.expect("guest# ", 20)
    return vm


def command(vm, text, pattern="", timeout=120):
    """Its exit code, and what it said, in which the pattern must be."""
    vm.send(text + "; echo co''de $?\r")
    found = vm.expect("(?s)(.*)code (\\d+)", timeout)
    vm.expect("guest# ", 20)
    check(re.search(pattern, found.group(1)), "%s: %s" % (text, found.group(1)))
    return int(found.group(2)), found.group(1)


def done(vm, text, pattern=""):
    """The same of one that must succeed."""
    code, said = command(vm, text, pattern)
    check(code == 0, "%s: %s" % (text, said))
