#!/usr/bin/env python3
"""fat.py RING3 [GUEST-SCRIPT GUEST-DIR] - a folder as a disk (fat:DIR): mtools and fsck.fat read what `ring3 img convert` makes of
it, as FAT16, FAT32 and floppy disk, file by file; names, links, hidden files, files that change or go; wrong words. With the
Debian guest: its kernel mounts the disk and has the same checksums."""
import hashlib
import os
import random
import re
import subprocess
import sys
import tempfile

from linux_disks import boot, command
from vm import check, main, run_tests, skip

ring3 = sys.argv[1]
guest = sys.argv[2:4]
place = tempfile.TemporaryDirectory()
folder, out = place.name + "/folder", place.name + "/disk.img"
LONG = "A name that is long, with spaces and. dots (and ümläuts, and \N{SNOWMAN}).text"
NAMES = ["README.TXT", "readme2.txt", "Mixed.Case", "no extension", "a.b.c", "empty", "two  spaces.x", LONG, "x" * 200 + ".bin", "TRAILING~1.TXT",
         "program files.exe", "program files2.exe", "program files3.exe", "program files4.exe", "program files5.exe", "program files6.exe"]


def put(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data)


def fill(most):
    """{name: bytes} of what is in the folder and may be seen."""
    subprocess.run(["rm", "-rf", folder], check=True)
    dice, files = random.Random(7), {}
    names = NAMES + ["sub/" + n for n in NAMES[:8]] + ["sub/deep/er/%d.dat" % n for n in range(300)]
    for n, name in enumerate(names):
        files[name] = dice.randbytes(0 if name == "empty" else most if n == 2 else dice.randrange(1, 3000))
    for name, data in files.items():
        put(os.path.join(folder, name), data)
    os.makedirs(folder + "/empty folder")
    put(folder + "/.hidden", b"secret")
    put(folder + "/sub/.hidden/x", b"secret")
    put(place.name + "/outside", b"outside")
    os.symlink(place.name + "/outside", folder + "/link")
    os.symlink("/", folder + "/sub/root")
    os.mkfifo(folder + "/fifo")
    return files


def img(*words):
    return subprocess.run([ring3, "img", *words], capture_output=True, text=True)


def convert(name):
    made = img("convert", "-O", "raw", name, out)
    check(made.returncode == 0, made.stdout + made.stderr)


def tool(*words):
    done = subprocess.run(words, capture_output=True, env={**os.environ, "MTOOLS_SKIP_CHECK": "1", "LC_ALL": "C.UTF-8"})
    check(done.returncode == 0, "%s: %s%s" % (words[0], done.stdout.decode(), done.stderr.decode()))
    return done.stdout.decode()


def need(*programs):
    for p in programs:
        if not any(os.access(os.path.join(d, p), os.X_OK) for d in os.environ["PATH"].split(":") + ["/usr/sbin", "/sbin"]):
            skip(p + " is not there")


def same_as_folder(files, at, kind):
    copy = place.name + "/copy"
    subprocess.run(["rm", "-rf", copy], check=True)
    os.mkdir(copy)
    volume = out
    if at:
        volume = place.name + "/volume.img"
        with open(out, "rb") as f, open(volume, "wb") as to:
            table = f.read(512)
            begin, count = (int.from_bytes(table[n:n + 4], "little") for n in (454, 458))
            check(begin == at, "the partition begins at %d" % begin)
            check(begin + count == os.path.getsize(out) // 512, "the partition does not end with the disk")
            subprocess.run(["dd", "if=" + out, "of=" + volume, "bs=1M", "iflag=skip_bytes", "skip=%d" % (at * 512), "conv=sparse", "status=none"], check=True)
    said = tool("/usr/sbin/fsck.fat", "-n", "-v", volume)
    check(re.search(kind, said), "fsck.fat saw no %s: %s" % (kind, said))
    tool("mcopy", "-s", "-i", volume, "::", copy)
    got = {}
    for root, _, names in os.walk(copy):
        for name in names:
            with open(os.path.join(root, name), "rb") as f:
                got[os.path.relpath(os.path.join(root, name), copy)] = f.read()
    check(sorted(got) == sorted(files), "other files: %s" % sorted(set(got) ^ set(files)))
    check(all(got[n] == files[n] for n in files), "other bytes")
    check(os.path.isdir(copy + "/empty folder"), "no empty folder")
    return volume


def test_the_disk_is_the_folder():
    need("mcopy", "fsck.fat")
    files = fill(5 << 20)
    for name, at, kind in (("fat:", 63, "16 bit"), ("fat:16:", 63, "16 bit"), ("fat:32:", 63, "32 bit")):
        convert(name + folder)
        volume = same_as_folder(files, at, kind)
    short = tool("mdir", "-i", volume, "::")
    for word in ("README   TXT", "README2  TXT", "EMPTY  ", "PROGRA~1 EXE", "PROGRA~4 EXE", "SUB  "):
        check(word in short, "no short name '%s': %s" % (word, short))
    files = fill(300 << 10)
    convert("fat:floppy:" + folder)
    check(os.path.getsize(out) == 1440 << 10, "no disk of 1.44 MB")
    same_as_folder(files, 0, "12 bit")
    files = fill(2000 << 10)
    convert("fat:floppy:" + folder)
    check(os.path.getsize(out) == 2880 << 10, "no disk of 2.88 MB")
    same_as_folder(files, 0, "12 bit")


def test_names_that_differ_in_case():
    need("mcopy")
    subprocess.run(["rm", "-rf", folder], check=True)
    for name in "file.txt", "FILE.TXT", "File.txt", "fi:le*.txt":
        put(folder + "/" + name, name.encode())
    put((folder + "/").encode() + b"\xff\xfe.bin", b"no UTF-8")
    convert("fat:floppy:" + folder)
    said = tool("mdir", "-b", "-i", out, "::")
    check(len(said.split("\n")) == 6 and "fi_le_.txt" in said, said)


def test_wrong_words():
    fill(1000)
    put(place.name + "/big/big", b"")
    os.truncate(place.name + "/big/big", 1 << 32)
    os.truncate(put(place.name + "/full/x", b"") or place.name + "/full/x", 3 << 30)
    for name, why in (("fat:/nowhere", "No such file"), ("fat:" + folder + "/empty", "is no folder"), ("fat:", "names no folder"),
                      ("fat:12:" + folder, "FAT12"), ("fat:floppy:16:" + folder, "FAT12"),
                      ("fat:" + place.name + "/big", "4 GiB"), ("fat:16:" + place.name + "/full", "too large for FAT16"),
                      ("fat:floppy:" + place.name + "/full", "too large for a floppy")):
        made = img("convert", "-O", "raw", name, out)
        check(made.returncode and why in made.stderr and made.stderr.count("\n") <= 3, "%s: %s" % (name, made.stderr))


def test_linux_mounts_it():
    if not guest:
        return
    files = fill(3 << 20)
    vm = boot(ring3, guest, "-drive", "file=fat:%s,format=raw" % folder)
    code, said = command(vm, "mount -t vfat -o ro,iocharset=utf8 /dev/sda1 /mnt")
    check(code == 0, said)
    command(vm, "cd /mnt; find . -type f -exec md5sum {} + > /tmp/sums; wc -l < /tmp/sums", r"\b%d\b" % len(files), 120)
    sums = sorted(("%s  ./%s\n" % (hashlib.md5(data).hexdigest(), name)).encode() for name, data in files.items())
    command(vm, "sort /tmp/sums | md5sum", hashlib.md5(b"".join(sums)).hexdigest())
    changes(vm)
    code, _ = command(vm, "dd if=/dev/zero of=/dev/sda1 bs=4096 count=1 conv=fsync")
    check(code, "the disk can be written")
    vm.send("poweroff -f\r")
    vm.expect_exit(0, 60)


def changes(vm):
    """Files that have gone, shrunk, changed, become links: the guest, which has nothing of them in memory, finds out."""
    command(vm, "cd /; umount /mnt; echo 3 > /proc/sys/vm/drop_caches; mount -t vfat -o ro,iocharset=utf8 /dev/sda1 /mnt")
    os.remove(folder + "/README.TXT")
    os.truncate(folder + "/a.b.c", 0)
    put(folder + "/readme2.txt", b"z" * 100000)
    os.remove(folder + "/Mixed.Case")
    os.symlink(place.name + "/outside", folder + "/Mixed.Case")
    for name in "README.TXT", "a.b.c", "Mixed.Case":
        code, said = command(vm, "cat /mnt/%s > /dev/null" % name, timeout=120)
        check(code, "%s could be read: %s" % (name, said))
    command(vm, "cat /mnt/readme2.txt | tr -d z | wc -c", r"\b0\b")


def test_with_a_snapshot_it_is_written():
    if not guest:
        return
    fill(1000)
    vm = boot(ring3, guest, "-drive", "file=fat:32:%s,snapshot=on" % folder)
    code, said = command(vm, "mount -t vfat -o iocharset=utf8 /dev/sda1 /mnt && echo new > /mnt/new && sync && cat /mnt/new", "new")
    check(code == 0, said)
    vm.send("poweroff -f\r")
    vm.expect_exit(0, 60)
    check(not os.path.exists(folder + "/new"), "the folder was written")


main(lambda: run_tests(globals(), sys.argv[4:]))
