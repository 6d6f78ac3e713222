"""boot_cost.py RING3 MEDIA.SH DIR [OTHER] [ROUNDS] - what the Debian disk's boot to its login costs, in seconds of
host CPU.

A benchmark, not a test: ring3 and OTHER (qemu-system-i386) take turns; prints each run, the medians and their ratio.
"""
import os
import statistics
import subprocess
import sys

from guest import Guest
from vm import process_cpu_seconds

ring3, media_sh, folder = sys.argv[1:4]
other = sys.argv[4] if len(sys.argv) > 4 else "qemu-system-i386"
rounds = int(sys.argv[5]) if len(sys.argv) > 5 else 3


def boot(program):
    with Guest(program, "-m", "512", "-snapshot", "-hda", os.path.join(folder, "debian.img")) as g:
        g.wait_serial("LOGGED-IN /dev/ttyS0", 300)
        cost = process_cpu_seconds(g.process.pid)
        g.quit()
    return cost


subprocess.run([media_sh, folder, "debian.img"], env=dict(os.environ, RING3=ring3), check=True)
costs = {ring3: [], other: []}
for _ in range(rounds):
    for program in costs:
        costs[program].append(boot(program))
        print("%s: %.2f s" % (os.path.basename(program), costs[program][-1]), flush=True)
mine, theirs = statistics.median(costs[ring3]), statistics.median(costs[other])
print("medians: %.2f and %.2f s, ratio %.2f" % (mine, theirs, mine / theirs))
