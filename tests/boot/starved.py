#!/usr/bin/env python3
"""starved.py RING3 GUEST-SCRIPT GUEST-DIR [options of ring3's] - a guest that gets a tenth of a processor keeps its time: Debian's kernel,
computing, on a processor that nine other programs want as well. Its clock counts ticks (clocksource=jiffies), of
which none may be lost: those that came while it did not run are made up for while it does.
"""
import atexit
import os
import re
import subprocess
import sys
import time

from vm import Vm, check, main, made, process_cpu_seconds, tries

ring3, script, guests = sys.argv[1:4]
engine = sys.argv[4:]
PROMPT = r"guest# "
SECONDS, OTHERS = 6, 9


def crowd(vm):
    """Programs that compute on one processor, which they share with the guest and this test."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    for task in os.listdir("/proc/%d/task" % vm.process.pid):
        os.sched_setaffinity(int(task), os.sched_getaffinity(0))
    busy = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(OTHERS)]
    atexit.register(lambda: [p.kill() for p in busy])


def uptime(vm):
    vm.send("cut -d' ' -f1 /proc/uptime\n")
    return float(vm.expect(r"\n(\d+\.\d\d)\r", 60).group(1))


def kept(vm):
    """Seconds of the guest's clock for one of the host's."""
    cpu, guest, host = process_cpu_seconds(vm.process.pid), uptime(vm), time.monotonic()
    time.sleep(SECONDS)
    guest, host = uptime(vm) - guest, time.monotonic() - host
    print("%.2f s of the guest's in %.2f s, with %.2f s of a processor" % (guest, host, process_cpu_seconds(vm.process.pid) - cpu), flush=True)
    return guest / host


def test():
    made(script, guests)
    vm = Vm([ring3, "-m", "64", "-kernel", guests + "/vmlinuz", "-initrd", guests + "/initramfs.gz", "-append",
             "console=ttyS0 quiet tsc=unstable clocksource=jiffies", "-display", "none", "-serial", "stdio", "-nic", "none", *engine])
    vm.expect("GUEST-READY", 120)
    vm.expect(PROMPT)
    vm.send("cat /sys/devices/system/clocksource/clocksource0/current_clocksource; (while :; do :; done) &\n")
    check(vm.expect(r"\n(\S*jiffies)\r", 60), "no clock of ticks")
    crowd(vm)
    tries(lambda: kept(vm), lambda r: 0.93 < r < 1.07, "the guest's clock keeps its time")
    vm.kill()


main(test)
