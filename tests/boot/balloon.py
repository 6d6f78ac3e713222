#!/usr/bin/env python3
"""balloon.py RING3 GUEST-SCRIPT GUEST-DIR [options of ring3's] - Debian's kernel with its own driver virtio_balloon. The guest
fills memory with files and deletes them; then it is asked, by the monitor and by QMP, to give memory back: the host's
memory of the process (Pss) and the guest's memory in it (its file's blocks) fall by what was asked for, and the guest
is told of it. It is saved in mid-inflation and goes on in a fresh process. Given its memory back, the guest fills it
again, its checksums are right and its kernel says nothing. With free-page-reporting=on memory comes back by itself.
"""
import json
import os
import re
import socket
import sys
import tempfile
import time

from vm import Failed, Vm, check, deadline, made, main, monitor

ring3, script, guests = sys.argv[1:4]
engine = sys.argv[4:]
folder = tempfile.mkdtemp(prefix="ring3-balloon")
MIB = 1 << 20
RAM, FILLED, GIVEN = 256, 180, 128 # MiB
PROMPT = r"guest# "
DRIVERS = "for m in virtio virtio_ring virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_balloon; do insmod /virtio/$m.ko; done"


def pss(vm):
    """MiB of the host's memory that the process has, shared pages in part."""
    with open("/proc/%d/smaps_rollup" % vm.process.pid) as f:
        return int(re.search(r"^Pss:\s+(\d+) kB", f.read(), re.M).group(1)) / 1024


def guest_memory(vm):
    """MiB of it that are the guest's memory, by its file's blocks; None where the host has no memfd."""
    for fd in os.listdir("/proc/%d/fd" % vm.process.pid):
        path = "/proc/%d/fd/%s" % (vm.process.pid, fd)
        if "memfd:ring3-ram" in os.readlink(path):
            return os.stat(path).st_blocks * 512 / MIB
    return None


def boot(device, *args):
    made(script, guests)
    vm = Vm([ring3, "-kernel", guests + "/vmlinuz", "-initrd", guests + "/initramfs-virtio.gz", "-append", "console=ttyS0 quiet loglevel=4",
             "-m", str(RAM), "-display", "none", "-serial", "stdio", "-snapshots", folder + "/snapshots",
             "-monitor", "unix:%s/monitor,server=on,wait=off" % folder, "-qmp", "unix:%s/qmp,server=on,wait=off" % folder,
             "-nic", "none", *device, *engine, *args])
    end = deadline(30)
    while not listens():
        check(time.monotonic() < end and vm.process.poll() is None, "nobody listens: " + vm.output)
        vm.read(0.1)
    return vm


def listens():
    with socket.socket(socket.AF_UNIX) as s:
        return s.connect_ex(folder + "/monitor") == 0


def begin(vm):
    vm.expect("GUEST-READY", 120)
    vm.expect(PROMPT)
    command(vm, DRIVERS)


def command(vm, line, timeout=60):
    """What a line of the guest's shell prints."""
    at = len(vm.output)
    vm.send(line + "; echo DO''NE $?\n")
    m = vm.expect(r"DONE (\d+)[\s\S]*?" + PROMPT, timeout)
    check(m.group(1) == "0", "%s: %s" % (line, vm.output[at:]))
    return vm.output[at:]


def word(line):
    return monitor(folder + "/monitor", line)


def actual():
    return int(re.search(r"balloon: actual=(\d+)", word("info balloon")).group(1))


def wait_actual(vm, mib, within=0):
    end = deadline(60)
    while abs(actual() - mib) > within:
        check(time.monotonic() < end, "the balloon comes to %d MiB, not %d: %s" % (actual(), mib, word("info balloon")))
        vm.read(0.1)


def wait_memory(vm, good, what):
    """The host has its memory at once, but the guest's kernel may touch some meanwhile."""
    end = deadline(20)
    while not good():
        check(time.monotonic() < end, what())
        vm.read(0.2)


class Qmp:
    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(folder + "/qmp")
        self.file = self.socket.makefile("rw")
        self.events = []
        self.take()
        self.run("qmp_capabilities")

    def take(self):
        return json.loads(self.file.readline())

    def run(self, name, **arguments):
        self.file.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
        self.file.flush()
        while True:
            answer = self.take()
            if "event" not in answer:
                return answer
            self.events.append(answer)


def fill(vm):
    """Files of random bytes; their sums are kept."""
    command(vm, "umount /mnt 2>/dev/null; mount -t tmpfs -o size=90%% none /mnt; for n in 1 2 3; do dd if=/dev/urandom of=/mnt/$n bs=1M count=%d 2>/dev/null; done; "
            "cat /mnt/? | md5sum >/tmp/sum" % (FILLED // 3), 300)


def intact(vm):
    command(vm, "cat /mnt/? | md5sum | cmp - /tmp/sum", 300)


def quiet(vm):
    said = command(vm, "dmesg -r | grep '^<[0-4]>' | grep -iE 'balloon|virtio|bug|oops|oom|bad page|corrupt' || true")
    check(not re.search(r"^<[0-4]>", said, re.M), "the guest's kernel complains: " + said)


def memory_comes_and_goes():
    vm = boot(["-balloon", "virtio"])
    begin(vm)
    qmp = Qmp()
    check(actual() == RAM, "at first: " + word("info balloon"))
    fill(vm)
    command(vm, "rm /mnt/2 /mnt/3; cat /mnt/1 | md5sum >/tmp/sum")
    full, full_guest = pss(vm), guest_memory(vm)
    began = time.monotonic()
    word("balloon %d" % (RAM - GIVEN))
    wait_actual(vm, RAM - GIVEN)
    took = time.monotonic() - began
    command(vm, "true")
    slack = 16 # MiB that the kernel touches meanwhile
    # of what was given, the deleted files were the host's memory; the rest nobody had touched
    wait_memory(vm, lambda: pss(vm) < full - 2 * FILLED / 3 + slack,
                lambda: "Pss was %.1f MiB, and is %.1f with %d MiB given" % (full, pss(vm), GIVEN))
    small, small_guest = pss(vm), guest_memory(vm)
    print("Pss %.1f MiB, with %d of %d MiB given %.1f; the guest's memory %.1f, %.1f; %.2f s"
          % (full, GIVEN, RAM, small, full_guest, small_guest, took), flush=True)
    check(small_guest <= RAM - GIVEN + 1, "the guest has %.1f MiB of the host's, with %d given" % (small_guest, GIVEN))
    intact(vm)
    free = int(re.search(r"MemTotal:\s+(\d+)", command(vm, "grep MemTotal /proc/meminfo")).group(1)) / 1024
    check(free < RAM - GIVEN, "the guest still sees %.1f MiB" % free)
    check(re.search(r"guest, \d+ s ago: total=\d+ MiB free=\d+ MiB", word("info balloon")), word("info balloon"))
    check(qmp.run("query-balloon") == {"return": {"actual": (RAM - GIVEN) * MIB}}, "query-balloon")
    check("error" in qmp.run("balloon", value=0), "balloon of nothing")
    check(qmp.run("balloon", value=RAM * MIB) == {"return": {}}, "balloon")
    wait_actual(vm, RAM)
    check([e["data"]["actual"] for e in qmp.events if e["event"] == "BALLOON_CHANGE"], "no event: %s" % qmp.events)
    fill(vm)
    intact(vm)
    print("given back and filled again: Pss %.1f MiB" % pss(vm), flush=True)
    check(pss(vm) > small + 2 * FILLED / 3 - slack, "Pss is %.1f MiB, was %.1f" % (pss(vm), small))
    quiet(vm)
    vm.send("poweroff -f\n")
    vm.expect_exit(0, 30)


def saved_in_mid_inflation():
    vm = boot(["-device", "virtio-balloon-pci,deflate-on-oom=on"])
    begin(vm)
    fill(vm)
    command(vm, "rm /mnt/2 /mnt/3; cat /mnt/1 | md5sum >/tmp/sum")
    word("balloon %d" % (RAM - GIVEN))
    word("savevm half")
    vm.kill()
    vm = boot(["-device", "virtio-balloon-pci,deflate-on-oom=on"], "-loadvm", "half")
    wait_actual(vm, RAM - GIVEN)
    vm.send("\n")
    vm.expect(PROMPT)
    intact(vm)
    check(guest_memory(vm) <= RAM - GIVEN + 1, "the guest has %.1f MiB of the host's" % guest_memory(vm))
    word("balloon %d" % RAM)
    wait_actual(vm, RAM)
    fill(vm)
    intact(vm)
    quiet(vm)
    vm.send("poweroff -f\n")
    vm.expect_exit(0, 30)


def free_memory_comes_back():
    vm = boot(["-device", "virtio-balloon-pci,free-page-reporting=on"])
    begin(vm)
    fill(vm)
    full = guest_memory(vm)
    command(vm, "rm /mnt/2 /mnt/3; cat /mnt/1 | md5sum >/tmp/sum")
    # whole blocks of 4 MiB, 2 s after they are free
    wait_memory(vm, lambda: guest_memory(vm) < full - FILLED / 3,
                lambda: "the guest's memory was %.1f MiB, and is %.1f with %d MiB free" % (full, guest_memory(vm), 2 * FILLED / 3))
    print("reports: the guest's memory was %.1f MiB, is %.1f" % (full, guest_memory(vm)), flush=True)
    check(actual() == RAM, word("info balloon"))
    intact(vm)
    fill(vm)
    intact(vm)
    quiet(vm)
    vm.send("poweroff -f\n")
    vm.expect_exit(0, 30)


def nobody_has_one():
    vm = boot([])
    vm.expect("GUEST-READY", 120)
    for line in "info balloon", "balloon 100":
        try:
            said = word(line)
        except Failed as e:
            said = str(e)
        check("No balloon device has been activated" in said, "%s: %s" % (line, said))
    vm.kill()


def test():
    nobody_has_one()
    memory_comes_and_goes()
    saved_in_mid_inflation()
    free_memory_comes_back()


main(test)
