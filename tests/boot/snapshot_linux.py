#!/usr/bin/env python3
"""snapshot_linux.py RING3 GUEST-SCRIPT GUEST-DIR [options of ring3's] - Debian's kernel under load, saved and loaded over and over.

A shell writes files with checksums to an ext2 file system on an IDE disk, by DMA, and reads others back, while the machine
is saved, goes back to this snapshot or an older one, and is deleted and started anew from one. No checksum is ever
wrong, the kernel has nothing to say, and the host's e2fsck finds the file system clean.
SNAPSHOT_CYCLES: how often (10).
"""
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

from guest import Guest
from vm import check, made, main

ring3, script, guests = sys.argv[1:4]
engine = sys.argv[4:]
folder = tempfile.mkdtemp(prefix="ring3-snapshot")
image = folder + "/disk.img"
LOAD = """
i=0
while [ ! -e /tmp/end ]; do
i=$((i+1)); n=$((i%40))
dd if=/dev/urandom of=/mnt/f$n bs=4096 count=$((n+1)) 2>/dev/null
(cd /mnt && md5sum f$n > s$n)
[ $((i%5)) = 0 ] && sync && echo 3 > /proc/sys/vm/drop_caches
for k in /mnt/s*; do (cd /mnt && md5sum -c $k) > /dev/null 2>&1 || echo WR""ONG $k $i; break; done
echo $i > /tmp/rounds
done
echo ENDED
"""


def start(*args):
    return Guest(ring3, "-m", "128", "-kernel", guests + "/vmlinuz", "-initrd", guests + "/initramfs-disk.gz",
                 "-append", "console=ttyS0", "-hda", image, "-d", "stats", *engine, *args)


def command(g, text, timeout=60):
    begin = len(g.serial_text)
    g.send_serial(text + "; echo DO''NE\r")
    g.wait_serial("DONE", timeout, begin)
    return g.serial_text[begin:]


def prepare(g):
    g.wait_serial("guest# ", 120)
    command(g, "dmesg -n 1; mke2fs /dev/sda > /dev/null; mount /dev/sda /mnt; dmesg -c > /dev/null")
    for line in LOAD.strip().split("\n"):
        command(g, "echo '%s' >> /tmp/load" % line.replace("'", "'\\''"))
    g.send_serial("sh /tmp/load &\r")
    time.sleep(1)


def rounds(g):
    for _ in range(20):
        said = re.search(r"\n(\d+)", command(g, "cat /tmp/rounds"))
        if said: # else it is just being written
            return int(said.group(1))
    g.fail("it makes no rounds")


def cycles(g, count):
    """Back to the one just made or to any other. The names that there are at the end."""
    names = []
    for n in range(count):
        name = "s%d" % n
        check(g.do("savevm " + name) == "(ring3) ", "savevm")
        names.append(name)
        saved = rounds(g)
        time.sleep(random.random())
        back = name if n % 3 else random.choice(names)
        check(g.do("loadvm " + back) == "(ring3) ", "loadvm " + back)
        time.sleep(random.random())
        check(back != name or rounds(g) <= saved + 200, "it went on instead of back")
        if len(names) > 5:
            gone = names.pop(random.randrange(len(names) - 1))
            check(g.do("delvm " + gone) == "(ring3) ", "delvm")
        check("WRONG" not in g.serial_text, "a file is not what was written: " + g.serial_text[-500:])
    return names


def end(g):
    command(g, "touch /tmp/end")
    g.wait_serial("ENDED", 60)
    said = command(g, "umount /mnt; dmesg")
    check("WRONG" not in g.serial_text, "a file is not what was written: " + g.serial_text[-500:])
    bad = re.search(r"(?i)error|corrupt|bug|oops|call trace|lost|timeout|failed|stuck", said.replace("DO''NE", ""))
    check(not bad, "the kernel has something to say:\n" + said)
    g.quit()
    done = subprocess.run(["/sbin/e2fsck", "-fn", image], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    check(done.returncode == 0, "e2fsck: " + done.stdout.decode())


def test():
    made(script, guests)
    with open(image, "wb") as f:
        f.truncate(64 << 20)
    count = int(os.environ.get("SNAPSHOT_CYCLES", 10))
    try:
        with start() as g:
            prepare(g)
            names = cycles(g, count - 3)
            g.process.kill() # and nothing is lost
        with start("-loadvm", names[0]) as g:
            rounds(g)
            names = cycles(g, 3)
            end(g)
        for name in names[-2:]: # an older file system is as sound
            with start("-loadvm", name) as g:
                end(g)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


main(test)
