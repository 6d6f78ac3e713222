"""many_cost.py RING3 DEBIAN.SH DIR [COUNT [SECONDS]] - what COUNT (10) small Debian guests side by side need.

A benchmark, not a test: memory of one guest alone and of each among many (Pss of its processes), then how evenly the processors
are shared: each guest counts in its shell for some SECONDS (20).
"""
import re
import statistics
import sys
import time

from vm import Vm, children, made, main, process_cpu_seconds

ring3, script, folder = sys.argv[1:4]
count = int(sys.argv[4]) if len(sys.argv) > 4 else 10
seconds = int(sys.argv[5]) if len(sys.argv) > 5 else 20
PROMPT = r"guest# "


def start():
    return Vm([ring3, "-m", "64", "-kernel", folder + "/vmlinuz", "-initrd", folder + "/initramfs.gz", "-append", "console=ttyS0 quiet",
               "-display", "none", "-serial", "stdio", "-nic", "none", "-no-reboot"])


def tree(pid):
    return [pid] + [p for child in children(pid).values() for p in tree(child)]


def pss_mib(vm):
    total = 0
    for pid in tree(vm.process.pid):
        with open("/proc/%d/smaps_rollup" % pid) as f:
            total += int(re.search(r"(?m)^Pss: +(\d+)", f.read()).group(1))
    return total / 1024


def guest_mib(vm):
    """Of the guest's own memory, what it has touched."""
    with open("/proc/%d/smaps" % vm.process.pid) as f:
        text = f.read()
    inodes = {}
    for inode, pss in re.findall(r"(?m)^\w+-\w+ \S+ \w+ \S+ (\d+) +/memfd:[^\n]*\n(?:(?!^\w+-\w+ ).*\n)*?Pss: +(\d+)", text):
        inodes[inode] = inodes.get(inode, 0) + int(pss)
    return max(inodes.values()) / 1024 if inodes else 0


def spread(what, values, form):
    show = lambda v: form % v
    print("%s: median %s, %s to %s" % (what, show(statistics.median(values)), show(min(values)), show(max(values))), flush=True)


def test():
    made(script, folder)
    alone = start()
    alone.expect(PROMPT, 300)
    time.sleep(2)
    print("one alone: %.1f MiB, of it %.1f the guest's" % (pss_mib(alone), guest_mib(alone)), flush=True)
    alone.process.kill()
    alone.wait()
    began = time.monotonic()
    guests = [start() for _ in range(count)]
    for g in guests:
        g.expect(PROMPT, 900)
    print("%d to their shells: %.1f s" % (count, time.monotonic() - began), flush=True)
    time.sleep(2)
    spread("memory each, MiB", [pss_mib(g) for g in guests], "%.1f")
    print("together: %.0f MiB" % sum(pss_mib(g) for g in guests), flush=True)
    idle = [process_cpu_seconds(g.process.pid) for g in guests]
    time.sleep(10)
    spread("idle, percent of a core each", [(process_cpu_seconds(g.process.pid) - i) * 10 for g, i in zip(guests, idle)], "%.2f")
    before = [process_cpu_seconds(g.process.pid) for g in guests]
    for g in guests:
        g.send("n=0; while :; do n=$((n+1)); done\r")
    time.sleep(seconds)
    used = [process_cpu_seconds(g.process.pid) - b for g, b in zip(guests, before)]
    for g in guests:
        g.send("\3")
    for g in guests:
        g.expect(PROMPT, 900)
        g.send("echo cou''nt=$n\r")
    counted = [int(g.expect(r"count=(\d+)\r", 900).group(1)) for g in guests]
    spread("counted in %d s" % seconds, counted, "%d")
    spread("host CPU seconds meanwhile", used, "%.2f")
    print("fairness (Jain's index): %.4f of the counts, %.4f of the CPU time" % tuple(
        sum(v) ** 2 / (len(v) * sum(x * x for x in v)) for v in (counted, used)))
    for g in guests:
        g.process.kill()
        g.wait()


main(test)
