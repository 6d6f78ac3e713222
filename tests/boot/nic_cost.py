#!/usr/bin/env python3
"""nic_cost.py GUEST-SCRIPT GUEST-DIR PROGRAM=MEGABYTES ... - what a network card's traffic costs, by hand: nic.py with each card and each
program in turn (build/ring3=200 qemu-system-i386=20), and a table of MB/s and MB for each second of host CPU time, all
processes counted."""
import os
import re
import subprocess
import sys

here = os.path.dirname(os.path.abspath(__file__))
script, folder, *programs = sys.argv[1:]
CARDS = ("pcnet", "rtl8139", "ne2k_pci", "ne2k_isa")
LINE = r"^\w+ (download|upload): .*: ([\d.]+) MB/s, ([\d.]+) MB per CPU second"


def measure(program, megabytes, card):
    run = subprocess.run([sys.executable, "-B", here + "/nic.py", program, script, folder, card, megabytes], stdout=subprocess.PIPE, text=True)
    return {way: (float(rate), float(per_second)) for way, rate, per_second in re.findall(LINE, run.stdout, re.M)}


print("| card | " + " | ".join("%s, MB/s | MB per CPU second" % os.path.basename(p.partition("=")[0]) for p in programs) + " | ratio |")
for card in CARDS:
    found = [measure(*program.split("="), card) for program in programs]
    for way in "download", "upload":
        rows = [f.get(way, (0, 0)) for f in found]
        ratio = "%.1f" % (rows[0][1] / rows[-1][1]) if rows[-1][1] else "-"
        print("| %s %s | %s | %s |" % (card, way, " | ".join("%.1f | %.1f" % r for r in rows), ratio), flush=True)
