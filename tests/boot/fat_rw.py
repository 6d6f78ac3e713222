#!/usr/bin/env python3
"""fat_rw.py RING3 FAT_APPLY [GUEST-SCRIPT GUEST-DIR] - a guest's changes to a folder that is a disk (fat:rw:DIR) go back to the folder.
Without a guest mtools makes the changes, which fat_apply writes to the disk: in one piece, in pieces with flushes between them, killed on
the way, as nonsense. Whatever it is: what the host had is in the folder or in .ring3-kept, and nothing outside changes. With the
Debian guest: its vfat writes, renames, deletes, makes folders."""
import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from linux_disks import boot, done
from vm import check, main, run_tests, skip

ring3, apply = sys.argv[1:3]
guest = sys.argv[3:5]
place = tempfile.TemporaryDirectory()
folder, image = place.name + "/folder", place.name + "/disk.img"
KEPT = ".ring3-kept"
BEGIN = {"ONE.TXT": b"one", "two with a long name.text": b"two" * 5000, "sub/big.bin": bytes(range(256)) * 400, "sub/deep/deep.txt": b"deep",
         "DELETE.ME": b"delete me", "b\u00fccher.txt": b"books", "empty": b"", "EVIL.TXT": b"evil"}
ROUNDS = os.environ.get("RING3_FUZZ_ROUNDS", "300")


def fill():
    shutil.rmtree(folder, ignore_errors=True)
    for name, data in BEGIN.items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(data)
    os.makedirs(folder + "/a folder")
    with open(folder + "/.hidden", "wb") as f:
        f.write(b"hidden")


def tree(top, hidden=False):
    found = {}
    for root, folders, names in os.walk(top):
        if not hidden:
            folders[:] = [n for n in folders if not n.startswith(".")]
        for name in names:
            if hidden or not name.startswith("."):
                with open(os.path.join(root, name), "rb") as f:
                    found[os.path.relpath(os.path.join(root, name), top)] = f.read()
    return found


def kept():
    return {name.split("/", 1)[1]: data for name, data in tree(folder + "/" + KEPT, True).items()}


def nothing_is_lost(before):
    now = set(tree(folder, True).values())
    lost = [name for name, data in before.items() if data not in now]
    check(not lost, "lost: %s" % lost)


def need(*programs):
    for p in programs:
        if not shutil.which(p):
            skip(p + " is not there")


def kind(word):
    return ("fat:" + word + folder, "fat:rw:" + word + folder, image + ("" if word.startswith("floppy") else "@@32256"))


def start_image(word):
    """As the guest will find the disk: with the room that rw has."""
    made = subprocess.run([ring3, "img", "convert", "-O", "raw", kind(word)[1], image], capture_output=True, text=True)
    check(made.returncode == 0, made.stderr)


def mtools(word, *words):
    done = subprocess.run([words[0], "-i", kind(word)[2], *words[1:]], capture_output=True, env={**os.environ, "MTOOLS_SKIP_CHECK": "1", "LC_ALL": "C.UTF-8"})
    check(done.returncode == 0, "%s: %s%s" % (words, done.stdout, done.stderr))


def put(word, name, data):
    with open(place.name + "/data", "wb") as f:
        f.write(data)
    mtools(word, "mcopy", "-o", place.name + "/data", "::" + name)


def carry(word, *images, between=None, input=None):
    with subprocess.Popen([apply, kind(word)[1], *(images or [image])], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as p:
        line = p.stdout.readline()
        check(line == b"ready\n", "%s%s" % (line, b"" if line == b"ready\n" else p.stderr.read()))
        if between:
            between()
        out, err = p.communicate(b"\n" * 9, timeout=300)
    check(p.returncode == 0, "%s %s" % (out, err))
    return out.decode(), err.decode()


def change(word):
    put(word, "ONE.TXT", b"another one")
    put(word, "sub/a new one with a long name.bin", b"n" * 100000)
    mtools(word, "mdel", "::DELETE.ME")
    mtools(word, "mmd", "::sub/New Folder")
    put(word, "sub/New Folder/\u00e4hnlich.txt", b"like")
    mtools(word, "mren", "::sub/deep/deep.txt", "::sub/deep/moved along.txt")


CHANGED = {**{n: d for n, d in BEGIN.items() if n not in ("DELETE.ME", "sub/deep/deep.txt")}, "ONE.TXT": b"another one",
           "sub/a new one with a long name.bin": b"n" * 100000, "sub/New Folder/\u00e4hnlich.txt": b"like", "sub/deep/moved along.txt": b"deep"}


def is_changed():
    now = tree(folder)
    wrong = sorted(n for n in set(now) | set(CHANGED) if now.get(n) != CHANGED.get(n))
    check(not wrong, "not as the guest has it: %s" % wrong)


def test_changes_go_back():
    need("mcopy", "fsck.fat")
    for word in "", "floppy:", "32:":
        fill()
        start_image(word)
        change(word)
        out, err = carry(word)
        check("error" not in out and KEPT in err, out + err)
        is_changed()
        check(kept() == {"ONE.TXT": b"one", "DELETE.ME": b"delete me", "sub/deep/deep.txt": b"deep"}, "kept: %s" % sorted(kept()))
        check(os.path.isdir(folder + "/a folder") and tree(folder, True)[".hidden"] == b"hidden", "other things have gone")
        check(not os.path.exists(folder + "/" + KEPT + "/new"), "half of a file is left")
        check(not os.stat(folder + "/ONE.TXT").st_mode & 0o111, "it is a program")


def test_nothing_changes_nothing():
    fill()
    start_image("")
    carry("")
    check(tree(folder) == BEGIN and not os.path.exists(folder + "/" + KEPT), "something has changed")


def test_folders():
    need("mcopy")
    fill()
    start_image("")
    mtools("", "mdeltree", "::sub")
    put("", "sub", b"now a file")
    mtools("", "mren", "::a folder", "::A renamed folder")
    out, err = carry("")
    check(tree(folder)["sub"] == b"now a file" and "error" not in out, out + err)
    check(os.path.isdir(folder + "/A renamed folder") and not os.path.exists(folder + "/a folder"), str(os.listdir(folder)))
    check(kept() == {"sub/big.bin": BEGIN["sub/big.bin"], "sub/deep/deep.txt": b"deep"}, "kept: %s" % sorted(kept()))


def test_the_host_changes_files_too():
    need("mcopy")
    fill()
    start_image("floppy:")
    change("floppy:")

    def host():
        for name, data in (("ONE.TXT", b"the host's one"), ("DELETE.ME", b"the host wants it"), ("sub/a new one with a long name.bin", b"host")):
            with open(folder + "/" + name, "wb") as f:
                f.write(data)
    out, err = carry("floppy:", between=host)
    now = tree(folder)
    check(now["ONE.TXT"] == b"the host's one" and now["ONE (guest).TXT"] == b"another one", str(sorted(now)))
    check(now["DELETE.ME"] == b"the host wants it", "what the host changed was deleted")
    check(now["sub/a new one with a long name.bin"] == b"host" and now["sub/a new one with a long name (guest).bin"] == b"n" * 100000, str(sorted(now)))
    check(err.count("beside") == 2 and "and stays" in err, err)
    nothing_is_lost({**BEGIN, "DELETE.ME": b"the host wants it", "ONE.TXT": b"the host's one"})


def test_in_pieces():
    """With flushes where the file system is half written: at the end all is there, and nothing was lost on the way."""
    need("mcopy")
    for flushes in 1, 50, 3000:
        fill()
        start_image("floppy:")
        change("floppy:")
        out, err = carry("floppy:", image + "@%d" % flushes)
        check("error" not in out, out)
        is_changed()
        nothing_is_lost(BEGIN)


def test_versions_of_the_guest():
    """Of what the guest writes again and again the last version is there, and what the host had."""
    need("mcopy")
    fill()
    start_image("floppy:")
    for n in range(4):
        put("floppy:", "ONE.TXT", b"version %d" % n)
        put("floppy:", "OWN.TXT", b"own %d" % n)
        shutil.copy(image, image + "%d" % n)
    mtools("floppy:", "mdel", "::OWN.TXT")
    shutil.copy(image, image + "4")
    carry("floppy:", *[image + "%d" % n for n in range(5)])
    check(tree(folder)["ONE.TXT"] == b"version 3" and "OWN.TXT" not in tree(folder), str(sorted(tree(folder))))
    check(kept() == {"ONE.TXT": b"one"}, "kept: %s" % kept())


def test_kill():
    need("mcopy")
    dice = random.Random(5)
    for n in range(25):
        fill()
        start_image("floppy:")
        change("floppy:")
        with subprocess.Popen([apply, kind("floppy:")[1], image + "@40"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as p:
            p.stdout.readline()
            p.stdin.write(b"\n")
            p.stdin.flush()
            time.sleep(dice.random() * 0.2)
            keeper = subprocess.run(["pgrep", "-P", str(p.pid)], capture_output=True, text=True).stdout.split()
            for pid in keeper + [str(p.pid)] if n % 2 else [str(p.pid)]:
                try:
                    os.kill(int(pid), signal.SIGKILL)
                except ProcessLookupError:
                    pass
        deadline = time.monotonic() + 30
        while any(os.path.exists("/proc/%s" % k) for k in keeper) and time.monotonic() < deadline:
            time.sleep(0.01)
        nothing_is_lost(BEGIN)
        now = tree(folder)
        wrong = [name for name, data in now.items() if data not in (BEGIN.get(name), CHANGED.get(name)) and name in BEGIN]
        check(not wrong, "neither old nor new: %s" % wrong)
        carry("floppy:", image) # what was left is put away, and it goes on
        nothing_is_lost(BEGIN)


def patch(old, new):
    with open(image, "r+b") as f:
        data = f.read(2 << 20)
        at = data.find(old)
        check(at >= 0, "%s is not on the disk" % old)
        f.seek(at)
        f.write(new)


def test_hostile_names():
    need("mcopy")
    outside = tree(place.name)
    for name in b"../X    TXT", b"..         ", b"/ETC    TXT", b"A\nB     TXT", b".HIDDEN TXT", b"\\\\X     TXT", b"CON        ", b"\xff\xfe\x01\x02\x03\x04   TXT":
        fill()
        with open(place.name + "/secret", "wb") as f:
            f.write(b"secret")
        start_image("floppy:")
        put("floppy:", "EVIL.TXT", b"changed")
        patch(b"EVIL    TXT", name)
        out, err = carry("floppy:")
        now = tree(folder, True)
        check(now.get(".hidden") == b"hidden" and now.get(".HIDDEN.TXT") is None, "a hidden file was written")
        check(sorted(os.listdir(place.name))[:1] and open(place.name + "/secret", "rb").read() == b"secret", "outside")
        check(all(not re.search(r"[\x00-\x1f]|(^|/)\.\.(/|$)", n) for n in now), str(sorted(now)))
        nothing_is_lost(BEGIN)
    check(set(tree(place.name)) - set(outside) <= {n for n in tree(place.name) if n.startswith("folder/") or n in ("secret", "disk.img", "data")}, "outside")


def test_another_file_system():
    need("mcopy", "mkfs.fat")
    fill()
    start_image("floppy:")
    subprocess.run(["mkfs.fat", "-F", "12", "-s", "4", image], capture_output=True, check=True)
    out, err = carry("floppy:")
    check("another file system" in err and tree(folder) == BEGIN, err)


def test_nonsense():
    """Whatever a guest writes. More by hand: RING3_FUZZ_ROUNDS."""
    for seed in range(12):
        fill()
        with open(place.name + "/secret", "wb") as f:
            f.write(b"secret")
        done = subprocess.run([apply, kind("floppy:" if seed % 3 else "")[1], "fuzz", str(seed), ROUNDS], capture_output=True, text=True, timeout=600)
        check(done.returncode == 0, "seed %d: %d %s %s" % (seed, done.returncode, done.stdout[-300:], done.stderr[-3000:]))
        check(open(place.name + "/secret", "rb").read() == b"secret" and tree(folder, True)[".hidden"] == b"hidden", "outside")
        check(set(os.listdir(place.name)) <= {"folder", "secret", "disk.img", "data"} | {"disk.img%d" % n for n in range(9)}, str(os.listdir(place.name)))
        nothing_is_lost(BEGIN)


def test_words():
    fill()
    with subprocess.Popen([apply, kind("")[1], image], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as p:
        p.stdout.readline()
        second = subprocess.run([ring3, "-drive", "file=" + kind("")[1], "-display", "none"], capture_output=True, text=True, timeout=60)
        check(second.returncode == 1 and "another ring3 writes to it" in second.stderr and second.stderr.count("\n") == 1, second.stderr)
        p.stdin.close()
        p.wait(60)


# --- Debian's kernel ----------------------------------------------------------------------------------------------------------

def test_linux_writes():
    if not guest:
        return
    fill()
    vm = boot(ring3, guest, "-drive", "file=fat:rw:%s,format=raw" % folder)
    done(vm, "mount -t vfat -o iocharset=utf8 /dev/sda1 /mnt && cd /mnt")
    done(vm, "echo another > ONE.TXT; rm DELETE.ME; mkdir -p 'new folder/in it'; cp sub/big.bin 'new folder/in it/a copy of big.bin'")
    done(vm, "mv sub/deep moved; echo more >> 'two with a long name.text'; dd if=/dev/zero bs=65536 count=100 | tr '\\0' z > large; echo hid > .guest")
    done(vm, "sync")
    files = {**BEGIN, "ONE.TXT": b"another\n", "new folder/in it/a copy of big.bin": BEGIN["sub/big.bin"], "moved/deep.txt": b"deep",
             "two with a long name.text": b"two" * 5000 + b"more\n", "large": b"z" * 6553600}
    del files["DELETE.ME"], files["sub/deep/deep.txt"]
    end = time.monotonic() + 30
    while tree(folder) != files and time.monotonic() < end: # sync() of vfat flushes no disk: ring3 looks a second after the last write
        time.sleep(0.2)
    now = tree(folder)
    check(now == files, "after sync: %s" % sorted(n for n in set(now) | set(files) if now.get(n) != files.get(n)))
    check(sorted(kept()) == ["DELETE.ME", "ONE.TXT", "sub/deep/deep.txt", "two with a long name.text"], "kept: %s" % sorted(kept()))
    check(not os.path.exists(folder + "/.guest"), "a hidden file was written")
    done(vm, "echo 3 > /proc/sys/vm/drop_caches; find . -type f ! -name .guest -exec md5sum {} + | cut -c1-32 | sort | md5sum",
            hashlib.md5("".join(sorted(hashlib.md5(d).hexdigest() + "\n" for d in files.values())).encode()).hexdigest())
    done(vm, "echo fsync | dd of=flushed.txt conv=fsync")
    check(tree(folder).get("flushed.txt") == b"fsync\n", "fsync() did not carry it back")
    files["flushed.txt"] = b"fsync\n"
    done(vm, "rm large; mv moved 'moved again'; cd /; umount /mnt")
    vm.send("poweroff -f\r")
    vm.expect_exit(0, 60)
    del files["large"]
    files["moved again/deep.txt"] = files.pop("moved/deep.txt")
    now = tree(folder)
    check(now == files, "at the end: %s" % sorted(n for n in set(now) | set(files) if now.get(n) != files.get(n)))
    nothing_is_lost(BEGIN)


main(lambda: run_tests(globals(), sys.argv[5:]))
