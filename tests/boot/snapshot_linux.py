#!/usr/bin/env python3
"""snapshot_linux.py RING3 GUEST-SCRIPT GUEST-DIR [options of ring3's] - Debian's kernel under load (linux_load.py), saved and loaded
over and over: the machine is saved, goes back to this snapshot or an older one, and is deleted and started anew from one.
SNAPSHOT_CYCLES: how often (10).
"""
import os
import random
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


def test():
    made(script, guests)
    new_disk(image)
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
