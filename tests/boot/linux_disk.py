#!/usr/bin/env python3
"""linux_disk.py RING3 GUEST-SCRIPT GUEST-DIR [speed OTHER] - Debian's kernel on an IDE disk and a CD: DMA, contents,
durability, speed.

What the guest wrote and synced is in the image after a SIGKILL of ring3; its file system is clean for the host's
e2fsck; a snapshot leaves the image alone; a CD that is changed through the monitor is noticed; a host that has no more
room stops the machine, and `cont` takes the write up again. With `speed`: the rate of reading and
writing beside OTHER's (qemu-system-i386), alternating.
"""
import hashlib
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile

from vm import Vm, check, made, main, monitor

ring3, script, guests = sys.argv[1:4]
PROMPT = r"guest# "
DISK_MIB, CD_BYTES = 96, 5 * 2048 * 1000 + 512 # the CD ends with a quarter of a sector


def start(*args, program=None):
    vm = Vm([program or ring3, "-m", "256", "-kernel", guests + "/vmlinuz", "-initrd", guests + "/initramfs-disk.gz",
             "-append",
             "console=ttyS0", "-serial", "stdio", "-display", "none", *args], tty=True)
    vm.expect("GUEST-READY", 120)
    vm.expect(PROMPT, 20)
    command(vm, "dmesg -n 1")
    return vm


def command(vm, text, pattern=None, timeout=60):
    """Type it; the match of the pattern in its output, once the prompt is back."""
    vm.send(text + "\r")
    begin = vm.seen
    vm.expect(r"\n(?s:.*)" + PROMPT, timeout)
    output = vm.output[begin:vm.seen].split("\n", 1)[1]
    if pattern is None:
        return output
    found = re.search(pattern, output)
    check(found, "%r is not in the output of %s:\n%s" % (pattern, text, output))
    return found


def random_file(path, count):
    data = random.Random(count).randbytes(count)
    with open(path, "wb") as f:
        f.write(data)
    return hashlib.md5(data + bytes(-count % 2048)).hexdigest()


def md5(path):
    with open(path, "rb") as f:
        return hashlib.md5(f.read()).hexdigest()


def changing(vm, socket_path, folder):
    other = folder + "/other"
    total = random_file(other, 3 << 20)
    monitor(socket_path, 'change ide1-cd0 "%s"' % other)
    # nobody polls in this guest: the first to look hears of the change
    command(vm, "dd if=/dev/sr0 of=/dev/null count=1")
    command(vm, "md5sum /dev/sr0", total)
    monitor(socket_path, "eject ide1-cd0")
    command(vm, "dd if=/dev/sr0 of=/dev/null count=1", "No medium found")


def reading(folder, disk, cd):
    sums = random_file(disk, DISK_MIB << 20), random_file(cd, CD_BYTES)
    socket_path = folder + "/monitor"
    vm = start("-hda", disk, "-cdrom", cd, "-monitor", "unix:%s,server=on,wait=off" % socket_path)
    found = command(vm, "dmesg")
    check("ata1.00: ATA-6: RING3 HARDDISK" in found and "ata2.00: ATAPI: RING3 CD-ROM" in found, "no drives:\n" + found)
    command(vm, "cat /sys/class/ata_device/dev1.0/dma_mode", "DMA")
    command(vm, "md5sum /dev/sda /dev/sr0", r"%s  /dev/sda\s+%s  /dev/sr0" % sums)
    count = int(command(vm, "grep ata_piix /proc/interrupts", r"14: +(\d+)").group(1))
    check(count < DISK_MIB * 20 + 500,
          "%d interrupts for %d MiB, not below %d: no DMA" % (count, DISK_MIB, DISK_MIB * 20 + 500))
    rate = command(vm, "time dd if=/dev/sda of=/dev/null bs=1M iflag=direct", r"real\s+0m ([\d.]+)s").group(1)
    print("read: %d MiB in %s s" % (DISK_MIB, rate))
    command(vm, "blockdev --getsz /dev/sr0", str((CD_BYTES + 2047) // 2048 * 4))
    changing(vm, socket_path, folder)
    check(md5(disk) == sums[0], "reading changed the image")
    vm.send("poweroff -f\r")
    vm.expect_exit(0, 30)


def writing(disk):
    vm = start("-hda", disk)
    command(vm, "mke2fs /dev/sda && mount -t ext4 /dev/sda /mnt && cp -a /bin /modules /mnt && echo kept > /mnt/word")
    command(vm, "cd /mnt && md5sum bin/busybox modules/* > sums; cd /; sync; echo do''ne", "done")
    command(vm, "dd if=/dev/zero of=/mnt/unsynced bs=1M count=4")
    vm.kill() # SIGKILL: nobody gets the chance to save anything
    e2fsck = shutil.which("e2fsck") or "/sbin/e2fsck"
    vm = start("-hda", disk)
    command(vm, "mount -t ext4 /dev/sda /mnt && cd /mnt && cat word", "kept")
    command(vm, "md5sum -c sums | grep -vc OK", r"^0\r")
    command(vm, "cd /; rm -f /mnt/unsynced; umount /mnt; sync")
    vm.send("poweroff -f\r")
    vm.expect_exit(0, 30)
    if os.path.exists(e2fsck):
        fsck = subprocess.run([e2fsck, "-fn", disk], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        check(fsck.returncode == 0, "e2fsck: " + fsck.stdout.decode())


def snapshot(disk):
    before = md5(disk)
    vm = start("-drive", "file=%s,format=raw,snapshot=on" % disk)
    command(vm, "mount -t ext4 /dev/sda /mnt && echo lost > /mnt/word && umount /mnt && mount -t ext4 /dev/sda /mnt")
    command(vm, "cat /mnt/word", "lost")
    vm.kill()
    check(md5(disk) == before, "the snapshot changed the image")
    vm = start("-drive", "file=%s,format=raw,readonly=on" % disk)
    command(vm, "dd if=/dev/zero of=/dev/sda bs=512 count=1 conv=fsync; echo = $?", r"= 1\r")
    vm.kill()
    check(md5(disk) == before, "a write reached a read-only image")


def full_host(folder, disk):
    """A limit on the size of files, set while it runs, is a full disk that needs no file system of its own."""
    socket_path = folder + "/monitor2"
    with open(disk, "wb") as f:
        f.truncate(DISK_MIB << 20)
    vm = start("-hda", disk, "-monitor", "unix:%s,server=on,wait=off" % socket_path)
    no_limit = resource.prlimit(vm.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(vm.process.pid, resource.RLIMIT_FSIZE, (4 << 20, no_limit[1]))
    vm.send("dd if=/dev/urandom of=/tmp/a bs=1M count=8; dd if=/tmp/a of=/dev/sda bs=1M conv=fsync; echo = $?; "
            "dd if=/dev/sda bs=1M count=8 | cmp - /tmp/a && echo sa''me; dmesg | grep -c 'I/O error'\r")
    for again in range(2): # the second time after a `cont` without room
        vm.expect("ring3: -hda .*: writing failed: the host's limit on the size of files \\(ulimit -f\\) is reached; "
                  "the machine is stopped", 60)
        status = monitor(socket_path, "info status")
        check("VM status: paused (io-error)" in status, "it is not paused: %r" % status)
        if again:
            resource.prlimit(vm.process.pid, resource.RLIMIT_FSIZE, no_limit)
        monitor(socket_path, "cont")
    vm.expect(r"= 0\r(?s:.*)same\r(?s:.*)\n0\r", 60)
    vm.kill()
    with open(disk, "rb") as f:
        check(f.read(8 << 20).count(b"\0") < 1 << 18, "what was flushed is not in the image")


def speed(other):
    work = (("read", "if=/dev/sda of=/dev/null iflag=direct"), ("read, cached", "if=/dev/sda of=/dev/null"),
            ("write", "if=/dev/zero of=/dev/sda oflag=direct"))
    with tempfile.TemporaryDirectory() as folder:
        with open(folder + "/disk", "wb") as f:
            for n in range(400):
                f.write(os.urandom(1 << 20))
        for turn in range(3):
            for program in ring3, other:
                vm = start("-drive", "file=%s/disk,format=raw" % folder, program=program)
                for name, how in work:
                    seconds = float(command(vm, "time dd bs=1M count=400 " + how, r"real\s+0m ([\d.]+)s").group(1))
                    print("%-20s %-12s %5.0f MB/s"
                          % (os.path.basename(program), name, (400 << 20) / 1e6 / max(seconds, 0.01)), flush=True)
                vm.kill()


def all_tests():
    made(script, guests)
    if sys.argv[4:]:
        return speed(sys.argv[5])
    with tempfile.TemporaryDirectory() as folder:
        disk, cd = folder + "/disk", folder + "/cd"
        reading(folder, disk, cd)
        writing(disk)
        snapshot(disk)
        full_host(folder, disk)


main(all_tests)
