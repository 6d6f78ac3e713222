#!/usr/bin/env python3
"""snapshot_linux.py RING3 GUEST-SCRIPT GUEST-DIR [options of ring3's] - Debian's kernel under load (linux_load.py), saved and loaded
over and over: the machine is saved, goes back to this snapshot or an older one, and is deleted and started anew from one. The
guest's clock stands still while a snapshot is loaded.
SNAPSHOT_CYCLES: how often (10).
"""
import os
import random
import re
import shutil
import sys
import tempfile
import time

from linux_load import LoadedLinux, new_disk
from vm import check, made, main

ring3, script, guests = sys.argv[1:4]
engine = sys.argv[4:]
folder = tempfile.mkdtemp(prefix="ring3-snapshot")
image = folder + "/disk.img"


def start(*args):
    return LoadedLinux(ring3, guests, image, "-d", "stats", *engine, *args)


def cycles(g, count):
    """Back to the one just made or to any other. The names that there are at the end."""
    names = []
    for n in range(count):
        name = "s%d" % n
        check(g.do("savevm " + name) == "(ring3) ", "savevm")
        names.append(name)
        saved = g.rounds()
        time.sleep(random.random())
        back = name if n % 3 else random.choice(names)
        check(g.do("loadvm " + back) == "(ring3) ", "loadvm " + back)
        time.sleep(random.random())
        check(back != name or g.rounds() <= saved + 200, "it went on instead of back")
        if len(names) > 5:
            gone = names.pop(random.randrange(len(names) - 1))
            check(g.do("delvm " + gone) == "(ring3) ", "delvm")
        g.check_files()
    return names


def vm_clock(g, name):
    h, m, s = re.search(r" %s[ *].* (\d+):(\d+):([\d.]+)" % name, g.do("info snapshots")).groups()
    return int(h) * 3600 + int(m) * 60 + float(s)


def clock_stands_still(g):
    """While a disk goes back by a thousand clusters, the guest's time does not pass."""
    g.wait_serial("guest# ", 120)
    g.command("dmesg -n 1")
    g.do("savevm before")
    g.command("dd if=/dev/urandom of=/dev/sda bs=1M count=62; sync")
    g.monitor.sendall(b"loadvm before\nstop\n")
    if g.reply().count("(ring3)") < 2:
        g.reply()
    g.do("savevm after")
    g.stderr.seek(0)
    took = int(re.findall(r"loadvm: (\d+) us", g.stderr.read())[-1]) / 1e6
    passed = vm_clock(g, "after") - vm_clock(g, "before")
    print("loadvm of 992 clusters: %.0f ms; %.0f ms of the guest's" % (took * 1000, passed * 1000))
    check(passed < took / 2, "the guest's clock went on while the snapshot was loaded")
    g.do("delvm before"), g.do("delvm after")


def test():
    made(script, guests)
    new_disk(image)
    with start() as g:
        clock_stands_still(g)
    count = int(os.environ.get("SNAPSHOT_CYCLES", 10))
    try:
        with start() as g:
            g.prepare()
            names = cycles(g, count - 3)
            g.process.kill() # and nothing is lost
        with start("-loadvm", names[0]) as g:
            g.rounds()
            names = cycles(g, 3)
            g.end()
        for name in names[-2:]: # an older file system is as sound
            with start("-loadvm", name) as g:
                g.end()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


main(test)
