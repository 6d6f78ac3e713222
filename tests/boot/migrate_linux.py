#!/usr/bin/env python3
"""migrate_linux.py RING3 GUEST-SCRIPT GUEST-DIR [options of ring3's] - Debian's kernel under load moves, over and over.

A shell writes files with checksums to an ext2 file system on an IDE disk, by DMA, and reads others back, and keeps sums of files in
memory, while the machine goes from process to process over TCP and Unix sockets, and now and then the other side is killed on
the way. No checksum is ever wrong, the kernel has nothing to say, and the host's e2fsck finds the file system clean.
MIGRATE_CYCLES: how often (6).
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
from vm import check, deadline, free_port, made, main

ring3, script, guests = sys.argv[1:4]
engine = sys.argv[4:]
folder = tempfile.mkdtemp(prefix="ring3-migrate")
image = folder + "/disk.img"
started = []
LOAD = """
i=0
while [ ! -e /tmp/end ]; do
i=$((i+1)); n=$((i%40))
dd if=/dev/urandom of=/mnt/f$n bs=4096 count=$((n+1)) 2>/dev/null
(cd /mnt && md5sum f$n > s$n)
cp /mnt/f$n /tmp/m$n; cp /mnt/s$n /tmp/t$n
[ $((i%5)) = 0 ] && sync && echo 3 > /proc/sys/vm/drop_caches
for k in /mnt/s*; do (cd /mnt && md5sum -c $k) > /dev/null 2>&1 || echo WR""ONG $k $i; break; done
[ "$(md5sum < /tmp/m$n | cut -c1-32)" = "$(cut -c1-32 /tmp/t$n)" ] || echo WR""ONG memory $i
echo $i > /tmp/rounds
done
echo ENDED
"""


def start(*args):
    g = Guest(ring3, "-m", "128", "-kernel", guests + "/vmlinuz", "-initrd", guests + "/initramfs-disk.gz",
              "-append", "console=ttyS0", "-hda", image, *engine, *args)
    started.append(g)
    return g


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


def move(g, n):
    uri = "tcp:127.0.0.1:%d" % free_port() if n % 2 else "unix:%s/move%d" % (folder, n)
    before = rounds(g)
    new = start("-incoming", uri)
    if n % 3 == 2: # the first try fails: the other side is killed on the way
        g.do("migrate_set_parameter max-bandwidth 40M")
        g.do("migrate -d " + uri)
        time.sleep(random.random() * 0.5)
        new.process.kill()
        end = deadline(20)
        while "status: active" in g.do("info migrate"):
            check(time.monotonic() < end, "it is still on its way")
        check("failed" in g.do("info migrate") and rounds(g) >= before, "it does not run on: " + g.do("info migrate"))
        g.do("migrate_set_parameter max-bandwidth 0")
        new = start("-incoming", uri)
    said = g.do("migrate " + uri)
    check(said == "(ring3) ", "migrate: " + said)
    took = re.search(r"downtime: (\d+) ms", g.do("info migrate")).group(1)
    after = rounds(new)
    check(after >= before, "round %d follows %d" % (after, before))
    g.quit()
    check("WRONG" not in g.serial_text + new.serial_text, "a file is not what was written: " + new.serial_text[-500:])
    return new, int(took)


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
    try:
        g, stood = start(), []
        prepare(g)
        for n in range(int(os.environ.get("MIGRATE_CYCLES", 6))):
            g, took = move(g, n)
            stood.append(took)
        end(g)
        print("it stood still for", stood, "ms")
    finally:
        for g in started:
            g.__exit__()
        shutil.rmtree(folder, ignore_errors=True)


main(test)
