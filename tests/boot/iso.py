#!/usr/bin/env python3
"""iso.py RING3 PROBE [GUEST-SCRIPT GUEST-DIR] - a folder as a CD (dir:DIR): xorriso and isoinfo read what `ring3 img convert` makes
of it, in all three trees of names, with every file's bytes; names that nobody should have; too much; files that go. `change` puts
one in. With the Debian guest: its kernel mounts it by Rock Ridge, Joliet and plain names, with the same checksums."""
import hashlib
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

from linux_disks import boot, command
from vm import Vm, check, main, run_tests, skip

ring3, probe = sys.argv[1:3]
guest = sys.argv[3:5]
place = tempfile.TemporaryDirectory()
folder, out = place.name + "/Some Folder", place.name + "/cd.iso"
BLOCK = 2048
NAMES = ["README.TXT", "Mixed.Case", "no extension", "a.b.c", "empty", "two  spaces.x", "\u00fcml\u00e4ut, \N{SNOWMAN} and \U0001f4be.text",
         "x" * 200 + ".bin", "program files.exe", "program files2.exe", "semi;colon*.txt"]


def put(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data)


def clear():
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)


def fill():
    """{name: bytes} of what is in the folder and may be seen."""
    clear()
    dice, files = random.Random(11), {}
    names = NAMES + ["sub/" + n for n in NAMES] + ["sub/deep/" + "/".join("d%d" % n for n in range(20)) + "/file"] + ["many/%d.dat" % n for n in range(400)]
    for n, name in enumerate(names):
        size = 0 if name == "empty" else [3 << 20, 1, BLOCK - 1, BLOCK, BLOCK + 1][n] if n < 5 else dice.randrange(1, 9000)
        files[name] = dice.randbytes(size)
        put(os.path.join(folder, name), files[name])
    os.chmod(folder + "/Mixed.Case", 0o750)
    os.makedirs(folder + "/empty folder")
    put(folder + "/.hidden", b"secret")
    put(place.name + "/outside", b"outside")
    os.symlink(place.name + "/outside", folder + "/link")
    os.symlink("/", folder + "/sub/root")
    os.mkfifo(folder + "/fifo")
    return files


def img(name):
    return subprocess.run([ring3, "img", "convert", "-O", "raw", name, out], capture_output=True, text=True)


def convert():
    made = img("dir:" + folder)
    check(made.returncode == 0, made.stdout + made.stderr)


def tool(*words):
    done = subprocess.run(words, capture_output=True)
    check(done.returncode == 0, "%s: %s%s" % (words[0], done.stdout, done.stderr))
    return done.stdout


def need(*programs):
    for p in programs:
        if not shutil.which(p):
            skip(p + " is not there")


# --- our own reader of ECMA-119, for the order of records and what lies where --------------------------------------------

def both(data, at, width):
    little, big = int.from_bytes(data[at:at + width], "little"), int.from_bytes(data[at + width:at + 2 * width], "big")
    check(little == big, "a number is %d and %d" % (little, big))
    return little


class Cd:
    def __init__(self, data, joliet):
        self.data, self.joliet = data, joliet
        self.volume = data[(17 if joliet else 16) * BLOCK:][:BLOCK]
        check(self.volume[:7] == (b"\2" if joliet else b"\1") + b"CD001\1", "no descriptor")
        check(both(self.volume, 80, 4) * BLOCK == len(data), "the volume's size")
        self.files, self.folders, self.extents = {}, {"": both(self.volume, 158, 4)}, []
        self.walk("", both(self.volume, 158, 4), both(self.volume, 166, 4), 0)
        self.tables()

    def name(self, id):
        if self.joliet:
            id = id.decode("utf-16-be")
        else:
            id = id.decode("ascii")
            check(re.fullmatch(r"[A-Z0-9_]{1,8}(\.[A-Z0-9_]{0,3};1)?", id), "not of level 1: " + id)
        return id[:-2].rstrip(".") if id.endswith(";1") else id

    def walk(self, path, block, size, depth):
        directory, at, before = self.data[block * BLOCK:block * BLOCK + size], 0, None
        check(size % BLOCK == 0 and depth < 40, "a directory of %d bytes" % size)
        self.extents.append((block, block + size // BLOCK))
        count = 0
        while at < size:
            n = directory[at]
            if not n:
                at = at // BLOCK * BLOCK + BLOCK
                continue
            r = directory[at:at + n]
            check(at % BLOCK + n <= BLOCK, "a record crosses a block")
            at, count, where, bytes_ = at + n, count + 1, both(r, 2, 4), both(r, 10, 4)
            id = r[33:33 + r[32]]
            if count <= 2:
                check(id == bytes([count - 1]) and (count == 2 or where == block), "no . and ..")
                continue
            check(before is None or self.key(before) < self.key(id), "%r before %r" % (before, id))
            before, whole = id, path + "/" + self.name(id)
            if r[25] & 2:
                check(whole not in self.folders, whole + " twice")
                self.folders[whole] = where
                self.walk(whole, where, bytes_, depth + 1)
            else:
                check(whole not in self.files and where * BLOCK + bytes_ <= len(self.data), whole)
                self.files[whole] = self.data[where * BLOCK:where * BLOCK + bytes_]
                if bytes_:
                    self.extents.append((where, where + (bytes_ + BLOCK - 1) // BLOCK))

    def key(self, id):
        return id[:-4] if self.joliet and id.endswith(b"\0;\x001") else id[:-2] if id.endswith(b";1") else id

    def tables(self):
        size = both(self.volume, 132, 4)
        for order, at in (("little", 140), ("big", 148)):
            where, at, found = int.from_bytes(self.volume[at:at + 4], order) * BLOCK, 0, []
            while at < size:
                r = self.data[where + at:where + at + 8 + 255]
                parent = int.from_bytes(r[6:8], order)
                path = "" if not found else found[parent - 1] + "/" + self.name(r[8:8 + r[0]])
                check(self.folders.get(path) == int.from_bytes(r[2:6], order), "the path table's %r" % path)
                found.append(path)
                at += 8 + r[0] + r[0] % 2
            check(sorted(found) == sorted(self.folders), "path tables")


def trees():
    with open(out, "rb") as f:
        data = f.read()
    plain, joliet = Cd(data, False), Cd(data, True)
    extents = sorted(set(plain.extents + joliet.extents))
    check(all(a[1] <= b[0] for a, b in zip(extents, extents[1:])), "what lies on the CD overlaps")
    return plain, joliet


# --- tests ------------------------------------------------------------------------------------------------------------------

def test_the_cd_is_the_folder():
    need("xorriso")
    files = fill()
    convert()
    plain, joliet = trees()
    check(sorted(plain.files.values()) == sorted(files.values()), "other files in the plain tree")
    wide = {re.sub(r"[;*]", "_", "/" + n): data for n, data in files.items()}
    shorten = lambda n: n if len(n) <= 64 else n[:60] + n[-4:]
    cut = {os.path.join(os.path.dirname(n), shorten(os.path.basename(n))): data for n, data in wide.items()}
    check(joliet.files == cut, "other files in Joliet: %s" % sorted(set(joliet.files) ^ set(cut)))
    copy = place.name + "/copy"
    tool("xorriso", "-osirrox", "on", "-indev", out, "-extract", "/", copy)
    got = {}
    for root, _, names in os.walk(copy):
        for name in names:
            with open(os.path.join(root, name), "rb") as f:
                got[os.path.relpath(os.path.join(root, name), copy)] = f.read()
    check(got == files, "Rock Ridge: other files: %s" % sorted(set(got) ^ set(files)))
    check(os.path.isdir(copy + "/empty folder"), "no empty folder")
    check([os.stat(copy + "/" + n).st_mode & 0o777 for n in ("Mixed.Case", "README.TXT")] == [0o555, 0o444], "modes")
    same_time = [int(os.stat(d + "/README.TXT").st_mtime) for d in (copy, folder)]
    check(same_time[0] == same_time[1], "times %s" % same_time)
    subprocess.run(["chmod", "-R", "u+w", copy])
    shutil.rmtree(copy)


def test_isoinfo_agrees():
    need("isoinfo")
    files = fill()
    convert()
    rock = {n.decode() for n in tool("isoinfo", "-R", "-f", "-i", out).splitlines()}
    check({"/" + n for n in files} <= rock, "isoinfo's Rock Ridge: %s" % sorted({"/" + n for n in files} - rock))
    check(tool("isoinfo", "-R", "-x", "/README.TXT", "-i", out) == files["README.TXT"], "isoinfo reads other bytes")
    check(len(tool("isoinfo", "-J", "-f", "-i", out).splitlines()) == len(rock), "isoinfo's Joliet has another number of names")
    said = tool("isoinfo", "-d", "-i", out)
    check(b"SOME_FOLDER" in said and b"Joliet with UCS level 3" in said and b"Rock Ridge" in said, said.decode())


def test_hostile_names():
    need("xorriso")
    clear()
    names = [b"new\nline", b"\xff\xfe.bin", b"\xc3", b"y" * 255, b"y" * 254 + b"z", b"tab\t", b"CON", b"..x"[1:] + b"~1", b"FILE.TXT", b"file.txt",
             b"File.txt", b"a?b", b"a*b", b"-rf", b" ", b"%s%n", b"semi;1", "\u00e9".encode() * 127, "\U0001f600".encode() * 60]
    names = [n for n in names if not n.startswith(b".")]
    for n in names:
        put(folder.encode() + b"/" + n, n)
    convert()
    plain, joliet = trees()
    for tree in plain, joliet:
        check(sorted(tree.files.values()) == sorted(names), "not each name once")
    check(all(len(n) <= 65 for n in joliet.files), "Joliet's names are too long")
    copy = place.name + "/copy"
    tool("xorriso", "-osirrox", "on", "-indev", out, "-extract", "/", copy)
    got = sorted(os.listdir(copy.encode()))
    check(got == sorted(names), "Rock Ridge's names: %s" % (set(got) ^ set(names)))
    subprocess.run(["chmod", "-R", "u+w", copy])
    shutil.rmtree(copy)


def test_many_files():
    """Of which all begin with the same letters."""
    clear()
    for n in range(100000):
        os.close(os.open(folder + "/the same name, but for %d.text" % n, os.O_CREAT | os.O_WRONLY))
    begin = time.monotonic()
    convert()
    took = time.monotonic() - begin
    plain, joliet = trees()
    check(len(plain.files) == len(joliet.files) == 100000, "%d and %d" % (len(plain.files), len(joliet.files)))
    print("100,000 files: %.1f s" % took)
    check(took < 60, "it took %.1f s" % took)
    shutil.rmtree(folder)


def test_too_much():
    clear()
    deep = folder
    for n in range(33):
        deep += "/d"
        os.mkdir(deep)
    put(place.name + "/big/big", b"")
    os.truncate(place.name + "/big/big", 1 << 32)
    put(place.name + "/file", b"")
    for name, why in (("dir:/nowhere", "No such file"), ("dir:" + place.name + "/file", "is no folder"), ("dir:", "names no folder"),
                      ("dir:" + folder, "too deep"), ("dir:" + place.name + "/big", "4 GiB")):
        made = img(name)
        check(made.returncode and why in made.stderr and made.stderr.count("\n") <= 3, "%s: %s" % (name, made.stderr))
    started = subprocess.run([ring3, "-hda", "dir:" + place.name + "/big", "-display", "none"], capture_output=True, text=True, timeout=60)
    check(started.returncode == 1 and started.stderr.count("\n") == 1 and "4 GiB" in started.stderr, started.stderr)


def ask(vm, words):
    vm.send(words + "\r")
    return vm.expect(r"(?s)\n(.*?)\(ring3\) ", 60).group(1)


def test_change_puts_it_in():
    """While the machine runs in its cage."""
    fill()
    vm = Vm([ring3, "-kernel", probe, "-append", "spin", "-monitor", "stdio", "-display", "none", "-nic", "none"], tty=True)
    vm.expect(r"\(ring3\) ", 60)
    hidden, small = place.name + "/.hidden", place.name + "/small"
    put(hidden + "/file", b"secret")
    put(small + "/file", b"file")
    for words, said in (("ide1-cd0 dir:" + folder, ""), ("ide1-cd0 dir:" + small + "/nothing", "No such file"), ("ide1-cd0 dir:" + hidden, "hidden"),
                        ("ide1-cd0 dir:/proc", "kernel's"), ("floppy0 fat:floppy:" + small, "")):
        answer = ask(vm, "change " + words.replace(" dir:", ' "dir:').replace(" fat:", ' "fat:') + '"')
        check(said in answer if said else "Error" not in answer, "%s: %s" % (words, answer))
    answer = ask(vm, "info block")
    check("dir:" + folder in answer and "fat:floppy:" + small in answer, "they are not in the drives: " + answer)
    vm.send("quit\r")
    vm.expect_exit(0, 60)


# --- Debian's kernel ----------------------------------------------------------------------------------------------------------

def test_linux_mounts_it():
    if not guest:
        return
    files = fill()
    vm = boot(ring3, guest, "-cdrom", "dir:" + folder)
    code, said = command(vm, "mount -t iso9660 -o ro /dev/sr0 /mnt")
    if code and "No such" in said:
        skip("the guest has no iso9660: " + said)
    check(code == 0, said)
    sums = sorted(("%s  ./%s\n" % (hashlib.md5(data).hexdigest(), name)).encode() for name, data in files.items())
    command(vm, "cd /mnt; find . -type f -exec md5sum {} + | sort | md5sum", hashlib.md5(b"".join(sums)).hexdigest())
    command(vm, "stat -c 'mode=%a' Mixed.Case README.TXT", "mode=555\\s+mode=444")
    bytes_ = sorted(hashlib.md5(d).hexdigest() for d in files.values())
    for options, name in (("norock,iocharset=utf8", "Mixed.Case"), ("norock,nojoliet", "mixed.cas")):
        code, said = command(vm, "cd /; umount /mnt; mount -t iso9660 -o ro,%s /dev/sr0 /mnt; ls /mnt/%s" % (options, name))
        check(code == 0, said)
        command(vm, "cd /mnt; find . -type f -exec md5sum {} + | cut -c1-32 | sort | md5sum",
                hashlib.md5(b"".join(b.encode() + b"\n" for b in bytes_)).hexdigest())
    command(vm, "cd /; umount /mnt; mount -t iso9660 -o ro /dev/sr0 /mnt")
    os.remove(folder + "/README.TXT")
    os.truncate(folder + "/sub/a.b.c", 0)
    os.remove(folder + "/sub/Mixed.Case")
    os.symlink(place.name + "/outside", folder + "/sub/Mixed.Case")
    for name in "README.TXT", "sub/a.b.c", "sub/Mixed.Case":
        code, said = command(vm, "cat /mnt/%s > /dev/null" % name, timeout=240)
        check(code, "%s could be read: %s" % (name, said))
    code, said = command(vm, "cat '/mnt/no extension' | md5sum", hashlib.md5(files["no extension"]).hexdigest())
    vm.send("poweroff -f\r")
    vm.expect_exit(0, 60)


main(lambda: run_tests(globals(), sys.argv[5:]))
