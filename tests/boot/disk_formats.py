#!/usr/bin/env python3
"""disk_formats.py RING3 GUEST-SCRIPT GUEST-DIR - Debian's kernel on disks of every format that grows, each with a file system.

Discards (fstrim) and writes of zeros make the images smaller. What the guest synced is there after a SIGKILL of ring3, for ring3 and, in the end, for qemu-img and the host's e2fsck. A CD
that is packed by gzip, or whose raw sectors a CUE sheet names, is put in while the guest runs, by the caged process.
"""
import gzip
import hashlib
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile

from vm import Vm, check, made, main, monitor

ring3, script, guests = sys.argv[1:4]
BIG_MIB = 12
PROMPT = r"guest# "
DRIVES = ("sda", "qcow2"), ("sdb", "vdi"), ("sdc", "vpc"), ("sdd", "vmdk")


def run(*words):
    p = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    check(p.returncode == 0, "%s: %s" % (" ".join(words), p.stdout.decode(errors="replace")))


def start(*args):
    vm = Vm([ring3, "-m", "256", "-kernel", guests + "/vmlinuz", "-initrd", guests + "/initramfs-disk.gz", "-append", "console=ttyS0", "-serial",
             "stdio", "-display", "none", *args], tty=True)
    vm.expect("GUEST-READY", 120)
    vm.expect(PROMPT, 20)
    command(vm, "dmesg -n 1")
    return vm


def command(vm, text, pattern=None, timeout=120):
    vm.send(text + "\r")
    begin = vm.seen
    vm.expect(r"\n(?s:.*)" + PROMPT, timeout)
    output = vm.output[begin:vm.seen].split("\n", 1)[1]
    check(pattern is None or re.search(pattern, output), "%r is not in the output of %s:\n%s" % (pattern, text, output))
    return output


def disks(folder):
    with open(folder + "/base", "wb") as f:
        f.write(random.Random(1).randbytes(24 << 20))
    run(ring3, "img", "create", "-q", "-f", "qcow2", "-b", "base", "-F", "raw", folder + "/qcow2", "64M")
    for _, fmt in DRIVES[1:]:
        run(ring3, "img", "create", "-q", "-f", fmt, folder + "/" + fmt, "64M")
    return [w for n, (_, fmt) in enumerate(DRIVES)
            for w in ("-drive", "file=%s/%s,index=%d,discard=unmap,detect-zeroes=unmap" % (folder, fmt, n))]


def writing(args):
    vm = start(*args)
    for name, fmt in DRIVES:
        command(vm, "mke2fs /dev/%s && mkdir -p /m/%s && mount -t ext4 /dev/%s /m/%s && cp -a /bin /modules /m/%s && echo %s > /m/%s/word"
                % (name, name, name, name, name, fmt, name))
        command(vm, "cd /m/%s && md5sum bin/busybox modules/* > sums; cd /" % name)
    command(vm, "sync; echo do''ne", "done")
    command(vm, "for d in /m/*; do dd if=/dev/zero of=$d/unsynced bs=1M count=2; done")
    vm.kill()  # SIGKILL: nobody gets the chance to save anything


def reading(args):
    """The kernel numbers the disks as it finds them, which may differ from boot to boot."""
    vm = start(*args)
    words = []
    for name, _ in DRIVES:
        words += command(vm, "mkdir -p /m/%s && mount -t ext4 /dev/%s /m/%s && cd /m/%s && cat word" % ((name,) * 4)).split()[:1]
        command(vm, "md5sum -c sums | grep -vc OK", r"^0\r")
        command(vm, "rm -f unsynced; cd /; umount /m/%s" % name)
    check(sorted(words) == sorted(fmt for _, fmt in DRIVES), "not all are there: %s" % words)
    command(vm, "sync")
    vm.send("poweroff -f\r")
    vm.expect_exit(0, 30)


def room(folder):
    return {fmt: os.stat(folder + "/" + fmt).st_blocks * 512 for _, fmt in DRIVES}


def trimming(args, folder):
    """What a file took goes back to the host when the guest discards it, and zeros take no room."""
    vm = start(*args)
    for name, _ in DRIVES:
        command(vm, "mkdir -p /m/%s && mount -t ext4 /dev/%s /m/%s" % ((name,) * 3))
        command(vm, "dd if=/dev/urandom of=/m/%s/big bs=1M count=%d; sync; echo do''ne" % (name, BIG_MIB), "done")
    full = room(folder)
    command(vm, "rm /m/*/big; sync; for d in /m/*; do fstrim -v $d; done; sync; echo do''ne", "done")
    for _ in range(5): # the file system's own writes share clusters with the zeros, more of them in some runs than in others
        trimmed = room(folder)
        for name, _ in DRIVES:
            command(vm, "dd if=/dev/zero of=/m/%s/zeros bs=1M count=%d; sync; echo do''ne" % (name, BIG_MIB), "done")
        zeros = room(folder)
        if all(zeros[fmt] - trimmed[fmt] < BIG_MIB << 18 for _, fmt in DRIVES):
            break
        print("qcow2 grew by %d KiB" % ((zeros["qcow2"] - trimmed["qcow2"]) >> 10))
        command(vm, "rm /m/*/zeros; sync; for d in /m/*; do fstrim -v $d; done; sync; echo do''ne", "done")
    for _, fmt in DRIVES:
        print("%s: %d KiB with a file of %d MiB, %d without it, %d with zeros"
              % (fmt, full[fmt] >> 10, BIG_MIB, trimmed[fmt] >> 10, zeros[fmt] >> 10))
        check(full[fmt] - trimmed[fmt] > BIG_MIB << 19, fmt + " has not become smaller")
        check(zeros[fmt] - trimmed[fmt] < BIG_MIB << 18, fmt + " has room for zeros")
    for name, _ in DRIVES:
        command(vm, "cd /m/%s; md5sum -c sums | grep -vc OK" % name, r"^0\r")
        command(vm, "rm zeros; cd /; umount /m/%s" % name)
    vm.send("poweroff -f\r")
    vm.expect_exit(0, 30)


def outside(folder):
    e2fsck = shutil.which("e2fsck") or "/sbin/e2fsck"
    if not shutil.which("qemu-img"):
        return
    for _, fmt in DRIVES:
        image = folder + "/" + fmt
        if fmt == "qcow2":
            run("qemu-img", "check", image)
        run("qemu-img", "convert", "-f", fmt, "-O", "raw", image, folder + "/raw")
        if os.path.exists(e2fsck):
            run(e2fsck, "-fn", folder + "/raw")


def discs(folder):
    """The processor's thread is in its cage: no file is opened by it."""
    data = random.Random(2).randbytes(2 << 20)
    total = hashlib.md5(data).hexdigest()
    with gzip.open(folder + "/packed.gz", "wb") as f:
        f.write(data)
    with open(folder + "/cd.bin", "wb") as f:
        for at in range(0, len(data), 2048):
            f.write(bytes(16) + data[at : at + 2048] + bytes(288))
    with open(folder + "/cd.cue", "w") as f:
        f.write('FILE "cd.bin" BINARY\n  TRACK 01 MODE1/2352\n    INDEX 01 00:00:00\n')
    socket_path = folder + "/monitor"
    vm = start("-monitor", "unix:%s,server=on,wait=off" % socket_path)
    for name in "packed.gz", "cd.cue":
        monitor(socket_path, 'change ide1-cd0 "%s/%s"' % (folder, name))
        command(vm, "dd if=/dev/sr0 of=/dev/null count=1")  # the first to look hears of the change
        command(vm, "md5sum /dev/sr0", total)
    vm.send("poweroff -f\r")
    vm.expect_exit(0, 30)


def test():
    made(script, guests)
    folder = tempfile.mkdtemp(prefix="ring3-formats-")
    try:
        args = disks(folder)
        writing(args)
        reading(args)
        trimming(args, folder)
        outside(folder)
        discs(folder)
    finally:
        shutil.rmtree(folder)


main(test)
