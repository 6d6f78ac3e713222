#!/usr/bin/env python3
"""drive_limits.py RING3 GUEST-SCRIPT GUEST-DIR [options of ring3's] - Debian's kernel reads and writes a disk with limits on
its speed: by the guest's clock and by the host's it has the pace that was asked for, `info block` says so, and
block_set_io_throttle changes it. Meanwhile the guest computes and sleeps as ever.
"""
import os
import re
import socket
import sys
import tempfile
import time

from vm import Vm, check, main, made, monitor, tries

ring3, script, guests = sys.argv[1:4]
engine = sys.argv[4:]
folder = tempfile.mkdtemp(prefix="ring3-limits")
image = folder + "/disk.img"
PROMPT = r"guest# "
MIB = 1 << 20


def command(vm, line, timeout=120):
    at = len(vm.output)
    vm.send(line + "; echo DO''NE $?\n")
    m = vm.expect(r"DONE (\d+)[\s\S]*?" + PROMPT, timeout)
    check(m.group(1) == "0", "%s: %s" % (line, vm.output[at:]))
    return vm.output[at:]


def seconds(vm, line):
    """What a command takes by the guest's clock, and by the host's."""
    began = time.monotonic()
    said = command(vm, "a=$(cut -d' ' -f1 /proc/uptime); %s; b=$(cut -d' ' -f1 /proc/uptime); echo TO''OK $a $b" % line)
    host = time.monotonic() - began
    a, b = re.search(r"TOOK ([\d.]+) ([\d.]+)", said).groups()
    return float(b) - float(a), host


def rate(vm, line, mib):
    guest, host = seconds(vm, line)
    print("%s: %d MiB in %.2f s of the guest's, %.2f of the host's" % (line, mib, guest, host), flush=True)
    return mib / guest


def test():
    made(script, guests)
    with open(image, "wb") as f:
        f.truncate(64 * MIB)
    vm = Vm([ring3, "-kernel", guests + "/vmlinuz", "-initrd", guests + "/initramfs-disk.gz", "-append", "console=ttyS0 quiet",
             "-m", "128", "-display", "none", "-nic", "none", "-serial", "stdio", "-monitor", "unix:%s/monitor,server=on,wait=off" % folder,
             "-drive", "file=%s,format=raw,throttling.bps-total=4M,throttling.iops-total=2000" % image, *engine])
    vm.expect("GUEST-READY", 120)
    vm.expect(PROMPT)
    read = "dd if=/dev/sda of=/dev/null bs=1M count=12 iflag=direct 2>/dev/null"
    write = "dd if=/dev/zero of=/dev/sda bs=1M count=12 oflag=direct 2>/dev/null"
    said = monitor(folder + "/monitor", "info block")
    check("bps=4194304 bps_rd=0 bps_wr=0 iops=2000" in said, said)
    # at the begin a tenth of a second's worth goes at once, and nobody waits for the last command's time to pass: 1.4 of 12 MiB
    for line in read, write:
        tries(lambda: rate(vm, line, 12), lambda r: 3 < r < 4.7, "%s: 4 MiB a second" % line)
    # the processor is free meanwhile
    guest, host = seconds(vm, "(%s &) ; n=0; while [ $n -lt 20000 ]; do n=$((n + 1)); done" % read)
    print("counting meanwhile: %.2f s of the guest's" % guest, flush=True)
    command(vm, "sleep 3; sync")
    began = time.monotonic()
    guest, host = seconds(vm, "(%s &); sleep 2" % read)
    check(2 <= guest < 2.6, "sleep 2 took %.2f s of the guest's" % guest)
    command(vm, "sleep 2")
    monitor(folder + "/monitor", "block_set_io_throttle ide0-hd0 0 0 1048576 0 0 0")
    check("bps_wr=1048576" in monitor(folder + "/monitor", "info block"), "info block")
    tries(lambda: rate(vm, read, 12), lambda r: r > 8, "no limit on reads any more")
    tries(lambda: rate(vm, write.replace("12", "8"), 8), lambda r: 0.7 < r < 1.2, "1 MiB a second written")
    monitor(folder + "/monitor", "block_set_io_throttle ide0-hd0 0 0 0 0 0 0")
    check("throttling" not in monitor(folder + "/monitor", "info block"), "info block")
    vm.send("poweroff -f\n")
    vm.expect_exit(0, 30)


main(test)
