#!/usr/bin/env python3
"""migrate_linux.py RING3 GUEST-SCRIPT GUEST-DIR [options of ring3's] - Debian's kernel under load (linux_load.py) moves, over and over.

The machine goes from process to process over TCP and Unix sockets, every other time with what is on its disk (-b), and now and then
the other side is killed on the way.
MIGRATE_CYCLES: how often (6).
"""
import os
import random
import re
import shutil
import sys
import tempfile
import time

from linux_load import LoadedLinux, new_disk
from vm import check, deadline, free_port, made, main

ring3, script, guests = sys.argv[1:4]
engine = sys.argv[4:]
folder = tempfile.mkdtemp(prefix="ring3-migrate")
started = []


def start(image, *args):
    g = LoadedLinux(ring3, guests, image, *engine, *args)
    started.append(g)
    return g


def move(g, n):
    uri = "tcp:127.0.0.1:%d" % free_port() if n % 2 else "unix:%s/move%d" % (folder, n)
    word = "migrate -b " if n % 2 else "migrate "
    before = g.rounds()

    def awaiting(name):
        image = folder + name if n % 2 else g.image
        if n % 2:
            new_disk(image)
        return start(image, "-incoming", uri)

    new = awaiting("/first%d" % n)
    if n % 3 == 2: # the first try fails: the other side is killed on the way
        g.do("migrate_set_parameter max-bandwidth 40M")
        g.do(word.replace(" ", " -d ", 1) + uri)
        time.sleep(random.random() * 0.5)
        new.process.kill()
        end = deadline(20)
        while "status: active" in g.do("info migrate"):
            check(time.monotonic() < end, "it is still on its way")
        check("failed" in g.do("info migrate") and g.rounds() >= before, "it does not run on: " + g.do("info migrate"))
        g.do("migrate_set_parameter max-bandwidth 0")
        new = awaiting("/second%d" % n)
    said = g.do(word + uri)
    check(said == "(ring3) ", "migrate: " + said)
    took = re.search(r"downtime: (\d+) ms", g.do("info migrate")).group(1)
    after = new.rounds()
    check(after >= before, "round %d follows %d" % (after, before))
    g.quit()
    g.check_files()
    new.check_files()
    return new, int(took)


def test():
    made(script, guests)
    new_disk(folder + "/disk.img")
    try:
        g, stood = start(folder + "/disk.img"), []
        g.prepare(memory=True)
        for n in range(int(os.environ.get("MIGRATE_CYCLES", 6))):
            g, took = move(g, n)
            stood.append(took)
        g.end()
        print("it stood still for", stood, "ms")
    finally:
        for g in started:
            g.__exit__()
        shutil.rmtree(folder, ignore_errors=True)


main(test)
