#!/usr/bin/env python3
"""snapshot.py RING3 SUMMED BIOS-FLOPPY [options of ring3's] - savevm, loadvm, delvm and -loadvm.

SUMMED is a guest of which every line follows from the one before (tests/guests/summed.S): memory, FPU, disk, ticks. Saved
in its midst and loaded, in the same process and in others, it writes the lines that it would have written. kill -9
during savevm and loadvm leaves the old or the new, never less. Its RTC stays, or follows the host's. What does not fit, is damaged or was changed by
somebody else is refused in a sentence, and the guest runs on.
"""
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from guest import Guest
from vm import check, children, deadline, main

ring3, summed, floppy = sys.argv[1:4]
engine = sys.argv[4:]
LINE = re.compile(r"^r ([0-9a-f]{8}) ([0-9a-f]{8}) ([0-9a-f]{8}) ([0-9a-f]{8}) (.)\r?$", re.M)
folder = tempfile.mkdtemp(prefix="ring3-snapshot")
image = folder + "/disk.img"
known = {} # round: (sum, float), whichever process said so


def start(*args, memory="16", accel=None):
    return Guest(ring3, "-m", memory, "-kernel", summed, "-hda", image, *(accel or engine), *args)


def lines(g, count, timeout=60):
    """[(round, ticks)] of the next whole lines from here on; what they say is checked."""
    begin = len(g.serial_text)
    end = deadline(timeout)
    while True:
        found = LINE.findall(g.serial_text[begin:])
        if len(found) > count: # the first may be of two pieces
            break
        check(time.monotonic() < end and g.process.poll() is None, "no lines: " + g.serial_text[-300:])
        g.read_serial(0.2)
    out = []
    for number, total, real, ticks, disk in found:
        n = int(number, 16)
        check(disk == "+", "round %d: the disk is not what the guest wrote" % n)
        check(known.setdefault(n, (total, real)) == (total, real),
              "round %d: %s, which was %s" % (n, (total, real), known[n]))
        out.append((n, int(ticks, 16)))
    for before, after in zip(out, out[1:]):
        check(after[0] == before[0] + 1 and after[1] >= before[1], "%s follows %s" % (after, before))
    return out


def save(g, name):
    """Rounds between which it was."""
    before = lines(g, 3)[-1]
    said = g.do("savevm " + name)
    check(said == "(ring3) ", "savevm: " + said)
    after = lines(g, 3)[-1]
    return before, after


def load(g, name, where, flag=""):
    """Held meanwhile, so that it is known what was sent before the machine went back."""
    g.do("stop")
    drain(g)
    said = g.do("loadvm %s%s" % (flag, name))
    check(said == "(ring3) ", "loadvm: " + said)
    check("paused" in g.do("info status"), "it runs, and was held")
    g.serial_text = ""
    g.do("cont")
    went_on(lines(g, 20), where)


def drain(g):
    n = -1
    while len(g.serial_text) != n:
        n = len(g.serial_text)
        g.read_serial(0.3)


def went_on(got, where):
    (low, low_ticks), (high, high_ticks) = where
    check(low <= got[0][0] <= high + 2000, "round %d follows a snapshot of rounds %d to %d" % (got[0][0], low, high))
    check(got[0][1] >= low_ticks, "ticks %d, saved at %d to %d" % (got[0][1], low_ticks, high_ticks))


def fresh(name, where, *args, **kw):
    g = start("-loadvm", name, *args, **kw)
    got = lines(g, 20)
    went_on(got, where)
    return g


def it_goes_on_as_if_nothing_had_been():
    with start() as g:
        lines(g, 20)
        one = save(g, "one")
        lines(g, 100)
        two = save(g, "two")
        lines(g, 50)
        load(g, "one", one)
        three = save(g, "three")
        listed = g.do("info snapshots")
        check(re.search(r"\n\d+ +one .*\n\d+   +two .*\n\d+   +three \*", "\n" + listed), "the tree:\n" + listed)
        load(g, "two", two)
        load(g, "three", three)
        g.quit()
    with fresh("one", one) as g:
        load(g, "two", two)
        g.process.kill()
    other = ["-accel", "translate" if "interp" in engine else "interp"]
    with fresh("two", two, accel=other) as g: # after a kill -9, in another engine
        g.quit()
    with fresh("three", three) as g:
        check("held" not in g.do("loadvm three"), "again")
        g.quit()
    return one


def hashes(g):
    found = dict(re.findall(r"(?m)^(\w+) +([0-9a-f]{16})\r?$", g.do("info parts")))
    check({"cpu", "clock", "ide", "vga"} <= set(found), "info parts: %r" % found)
    return found


def every_part_is_the_saved_one():
    """By the hashes of `info parts`: of a machine that is held, of itself later, and of the one that is loaded elsewhere."""
    other = ["-accel", "translate" if "interp" in engine else "interp"]
    with start() as g:
        lines(g, 10)
        moves = hashes(g)
        lines(g, 5)
        g.do("stop")
        held = hashes(g)
        check(held["clock"] != moves["clock"], "a machine that runs keeps its state")
        check(g.do("savevm held") == "(ring3) ", "savevm")
        check(hashes(g) == held, "savevm changes the machine")
        g.quit()
    for accel in engine, other:
        with start("-S", "-loadvm", "held", accel=accel) as g:
            now = hashes(g)
            check(now == held, "loaded by %s, these differ: %s" % (accel, [n for n in held if now.get(n) != held[n]]))
            g.do("cont")
            lines(g, 10)
            g.quit()


def a_qcow2_disk():
    """The same over a format that grows, which stays sound for its own tool. Needs qemu-img."""
    global image
    if not shutil.which("qemu-img"):
        return
    raw, image = image, folder + "/disk.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "8M"], check=True)
    it_goes_on_as_if_nothing_had_been()
    done = subprocess.run(["qemu-img", "check", image], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    check(done.returncode in (0, 3), "qemu-img check: " + done.stdout.decode()) # 3: leaked clusters, after a kill -9
    image = raw


def the_same_name_replaces():
    with start() as g:
        lines(g, 10)
        where = save(g, "one")
        listed = g.do("info snapshots")
        check(len(re.findall(r" one ", listed)) == 1, listed)
        said = g.do("savevm")
        check(re.search(r" vm-\d{14} ", g.do("info snapshots")), "savevm without a name: " + said)
        g.quit()
    return where


def without_its_saver():
    """The process that writes snapshots is gone: the guest waits, and it is there all the same."""
    with start() as g:
        lines(g, 10)
        save(g, "before")
        saver = children(g.process.pid)["ring3-saver"]
        threads = len(os.listdir("/proc/%d/task" % saver))
        check(threads == min(2, len(os.sched_getaffinity(0))), "it has %d threads" % threads)
        check(g.do("delvm before") == "(ring3) ", "delvm")
        os.kill(saver, signal.SIGKILL)
        where = save(g, "alone")
        load(g, "alone", where)
        g.quit()
    with fresh("alone", where) as g:
        check(g.do("delvm alone") == "(ring3) ", "delvm")
        g.quit()


def what_does_not_fit_is_refused(one):
    for args, memory, sentence in [(["-loadvm", "one"], "32", "-m 16, and this machine has -m 32"),
                                   (["-loadvm", "none"], "16", "Snapshot 'none' does not exist"),
                                   (["-loadvm", "one", "-cpu", "486"], "16", "-cpu"),
                                   (["-loadvm", "one", "-snapshots", folder + "/empty"], "16", "does not exist")]:
        done = subprocess.run([ring3, "-display", "none", "-m", memory, "-kernel", summed, "-hda", image, *engine, *args],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        text = done.stdout.decode()
        check(done.returncode == 1 and sentence in text and text.count("\n") == 1, "%s: %s" % (args, text))
    with start() as g:
        lines(g, 5)
        for word, sentence in [("loadvm none", "Snapshot 'none' does not exist"), ("delvm none", "does not exist"),
                               ("loadvm", "name expected"), ('savevm "a\\nb"', "printable characters")]:
            check(sentence in g.do(word), word)
        lines(g, 5)
        g.quit()
    with Guest(ring3, "-kernel", summed) as g:
        check("-snapshots DIR" in g.do("savevm x"), "no place for it")
        g.quit()
    with Guest(ring3, "-kernel", summed, "-hda", image, "-snapshot") as g:
        check("snapshots" in g.do("savevm x"), "nothing to go back to")
        g.quit()


def what_is_damaged_changes_nothing(one):
    state = sorted(f for f in os.listdir(image + ".snapshots") if f.endswith(".state"))[0]
    path = image + ".snapshots/" + state
    good = open(path, "rb").read()
    name = re.search(r"snapshot %s\nname (.*)\n" % state.split(".")[0], open(image + ".snapshots/index").read()).group(1)
    with start() as g:
        lines(g, 5)
        for n in range(12):
            bad = bytearray(good)
            if n % 2:
                bad = bad[: random.randrange(len(bad))]
            else:
                bad[random.randrange(len(bad))] ^= 1 << random.randrange(8)
            open(path, "wb").write(bad)
            said = g.do('loadvm "%s"' % name)
            check(said.startswith("Error: ") and said.count("\n") == 1, "damaged: " + said)
            lines(g, 5)
        open(path, "wb").write(good)
        g.quit()


def killed_at_any_moment_it_is_old_or_new(rounds):
    """kill -9 during savevm, and during loadvm: the next start goes on, and every snapshot is whole."""
    with start() as g:
        lines(g, 5)
        places = {"base": save(g, "base")}
        lines(g, 60)
        places["far"] = save(g, "far")
        g.quit()
    for n in range(rounds):
        with fresh("base", places["base"]) as g:
            lines(g, random.randrange(1, 20))
            before = lines(g, 2)[-1]
            word = "savevm new" if n % 2 else "loadvm far"
            g.monitor.sendall(word.encode() + b"\n")
            time.sleep(random.random() * 0.3)
            g.process.send_signal(signal.SIGKILL)
            g.process.wait()
        with start() as g: # completes what was begun, if anything was
            listed = g.do("info snapshots")
            check("base" in listed and "far" in listed, listed)
            g.quit()
        for name, where in places.items():
            with fresh(name, where) as g:
                g.quit()
        if " new " in listed:
            with fresh("new", (before, (before[0] + 100000, before[1]))) as g:
                check(g.do("delvm new") == "(ring3) ", "delvm")
                g.quit()


def field(g, part, name):
    return int(re.search(r"(?m)^ *%s +([0-9a-f]+)" % name, g.do("info parts " + part)).group(1), 16)


def rtc_of(g):
    """What its RTC says, in Unix seconds; the machine is held."""
    return field(g, "rtc", "base_s") + (field(g, "clock", "now_ns") + field(g, "rtc", "phase_ns")) / 1e9


def its_rtc_stays_or_follows():
    """After loadvm it goes on where it was, or, by -rtc clock=host, is what it would be if the machine had run; so it is after cont."""
    index, day = image + ".snapshots/index", 86400
    with start("-rtc", "clock=host") as g:
        lines(g, 5)
        g.do("stop")
        check(g.do("savevm clock") == "(ring3) ", "savevm")
        saved = rtc_of(g)
        lead = time.time() - saved # what the clock is behind the host's is a part of a second, and the time that we took
        check(-0.1 < lead < 60, "at first it is %.3f s behind" % lead)
        time.sleep(3)
        g.do("cont")
        g.do("stop")
        now = rtc_of(g)
        check(2 <= now - saved < 60, "held for 3 s, it moved by %.3f" % (now - saved))
        for _ in range(5): # no second is lost or won on the way
            check(g.do("loadvm clock") == "(ring3) ", "loadvm")
            error = time.time() - rtc_of(g)
            check(-0.2 < error < lead + 20, "after loadvm it is %.3f s behind, before %.3f" % (error, lead))
        g.quit()
    text = open(index).read()
    found = re.search(r"name clock\nparent \d+\ndate (\d+) [-0-9]+ [:0-9]+\.\d{9}\n", text)
    check(found, "no date: " + text)
    with open(index, "w") as f: # as if it had been kept a day before
        f.write(text.replace("date " + found.group(1), "date %d" % (int(found.group(1)) - day)))
    for words, low, high in ([], 0, 0), (["-rtc", "clock=vm"], 0, 0), (["-rtc", "clock=host"], day, day + 120):
        with start("-S", "-loadvm", "clock", *words) as g:
            moved = rtc_of(g) - saved
            check(low <= moved <= high, "%s: it moved by %.3f s" % (words, moved))
            g.do("cont")
            lines(g, 5)
            g.quit()
    text = open(index).read()
    with open(index, "w") as f: # of a ring3 that wrote no fraction
        f.write(re.sub(r"(?m)^(date .*)\.\d{9}$", r"\1", text))
    with start("-loadvm", "clock") as g:
        lines(g, 5)
        check(g.do("delvm clock") == "(ring3) ", "delvm")
        g.quit()


def contents():
    with open(image, "rb") as f:
        return f.read()


def undoable(*words, mode=",mode=undoable"):
    return Guest(ring3, "-m", "16", "-kernel", summed, "-drive", "file=%s,format=raw%s" % (image, mode), *engine, *words)


def said_by(g):
    g.stderr.seek(0)
    return g.stderr.read()


def ends(g, *words):
    """What the image is after these words and the end; and what was said."""
    for word in words:
        check(g.do(word) == "(ring3) ", word)
    g.quit()
    g.process.wait()
    return contents(), said_by(g)


def until_it_wrote(g, known):
    """The image is another one than `known` (the guest writes what rounds there were)."""
    end = deadline(60)
    while contents() == known:
        check(time.monotonic() < end, "the guest writes nothing")
        lines(g, 5)


def an_undoable_disk(rounds):
    """mode=undoable: what was written stays undecided over ends, starts and kill -9, until it is committed or discarded."""
    index = image + ".snapshots/index"
    first = contents()
    with undoable() as g:
        until_it_wrote(g, first)
        check(re.search(r"ide0-hd0: what was written since [-0-9]+ [:0-9]+: undecided", g.do("info snapshots")), "info snapshots")
        now, said = ends(g)
        check("stays, undecided" in said, "at the end: " + said)
    with undoable(mode="") as g: # it is still so
        check("is undecided still" in said_by(g), "at the start: " + said_by(g))
        until_it_wrote(g, first)
        check("will be discarded" in (g.do("discard all"), g.do("info snapshots"))[1], "discard")
        lines(g, 5)
        now, said = ends(g)
        check(now == first and "undecided" not in said.split("\n")[-2:], "not as it was before: " + said)
    check("session" not in open(index).read(), "a session without an end")
    with undoable() as g:
        until_it_wrote(g, first)
        g.do("stop")
        check(g.do("commit ide0-hd0") == "(ring3) ", "commit")
        second = contents()
        g.do("cont")
        until_it_wrote(g, second)
        check(ends(g, "discard ide0-hd0")[0] == second, "not as it was committed")
    with undoable() as g: # a snapshot from within a session outlives it, and the session what it goes back to
        until_it_wrote(g, second)
        where = save(g, "within")
        check(ends(g, "discard all")[0] == second, "with a snapshot: not as it was")
    with undoable() as g:
        load(g, "within", where)
        check(ends(g, "delvm within", "discard all")[0] == second, "loaded: not as it was")
    for n in range(rounds):
        with undoable() as g:
            until_it_wrote(g, second)
            if n % 2:
                check(g.do("discard all") == "(ring3) ", "discard")
                g.monitor.sendall(b"quit\n")
                time.sleep(random.random() * 0.1)
            g.process.send_signal(signal.SIGKILL)
            g.process.wait()
        with undoable() as g:
            check(ends(g, "discard all")[0] == second, "killed: not as it was")
    with undoable() as g: # as if it had died when the index said that it discards, and before the disk was back
        until_it_wrote(g, second)
        g.process.send_signal(signal.SIGKILL)
        g.process.wait()
    text, count = re.subn(r"(?m)^(session ide0-hd0 \d+ \d+) 0$", r"\1 1", open(index).read())
    check(count == 1, "no session: " + text)
    with open(index, "w") as f:
        f.write(text)
    with undoable("-S", mode="") as g:
        check("cut off, and is completed now" in said_by(g), said_by(g))
        check("undecided" not in g.do("info snapshots") and contents() == second, "it is not completed")
        g.quit()
    with undoable() as g:
        for word, sentence in [("commit", "device or all expected"), ("commit ide9", "not found"), ("discard ide0-hd1", "is not undoable"),
                               ("commit all x", "extraneous"), ("migrate unix:%s/none" % folder, "mode=undoable")]:
            check(sentence in g.do(word), "%s: %s" % (word, g.do(word)))
        lines(g, 5)
        g.quit()
    with open(image, "r+b") as f:
        f.seek(4 << 20)
        f.write(b"somebody else")
    with undoable(mode="") as g:
        check("can no longer be discarded" in said_by(g), said_by(g))
        check("no disk is undoable" in g.do("commit all"), "there is a session still")
        g.quit()
    for words, sentence in [(["file=%s,mode=undoable,snapshot=on" % image], "only for hard disks that are written to"),
                            (["file=%s,mode=undoable,media=cdrom" % image], "only for hard disks that are written to"),
                            (["file=%s,mode=redo" % image], "one of: persistent, undoable, nonpersistent"),
                            (["file=%s,mode=undoable" % image, "-snapshot"], "-snapshot and mode=undoable")]:
        done = subprocess.run([ring3, "-display", "none", "-drive", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=60)
        text = done.stdout.decode()
        check(done.returncode and sentence in text and text.count("\n") == 1, "%s: %s" % (words, text))


def somebody_else_is_noticed(one):
    with start() as g:
        lines(g, 5)
        g.quit()
    with open(image, "r+b") as f:
        f.seek(4 << 20)
        f.write(b"somebody else")
    with start() as g:
        g.stderr.seek(0)
        check("was changed by somebody else" in g.stderr.read(), "not noticed")
        check("does not fit any more" in g.do("loadvm base"), "loaded all the same")
        check(g.do("loadvm -f base") == "(ring3) ", "forced")
        g.quit()


def what_is_deleted_gives_its_room_back():
    for name in "7777.state", "7777.png", "7778.state.new", "mine.state": # as if a savevm had been cut off; and a person's
        open(image + ".snapshots/" + name, "w").close()
    with start() as g:
        names = re.findall(r"^\d+ +(\S+)", g.do("info snapshots"), re.M)
        check(len(names) > 2, names)
        for name in names:
            check(g.do("delvm " + name) == "(ring3) ", name)
        check("There is no snapshot available" in g.do("info snapshots"), "some are left")
        os.unlink(image + ".snapshots/mine.state")
        left = {f: os.path.getsize(image + ".snapshots/" + f) for f in os.listdir(image + ".snapshots")}
        check(set(left) <= {"index", "lock", "ide0-hd0.undo"} and left["ide0-hd0.undo"] <= 4096, left)
        lines(g, 5)
        g.quit()


def a_machine_in_its_bios():
    """Saved while the BIOS waits for a key in its boot menu; in a fresh process the key is taken, and the floppy boots."""
    place = ["-snapshots", folder + "/bios", "-drive", "file=%s,if=floppy,readonly=on,format=raw" % floppy, "-boot", "menu=on"]
    with Guest(ring3, *engine, *place) as g:
        g.wait_text(r"(?i)press|boot", 30)
        g.keys("esc")
        g.wait_text(r"(?i)floppy", 30)
        before = g.picture()
        check(g.do("savevm menu") == "(ring3) ", "savevm")
        g.quit()
    with Guest(ring3, *engine, *place, "-loadvm", "menu", "-S") as g:
        check(g.picture()[2] == before[2], "another picture")
        g.do("cont")
        text = "\n".join(g.lines())
        g.keys("1")
        end = deadline(20)
        while "\n".join(g.lines()) == text:
            check(time.monotonic() < end, "the key does nothing:\n" + text)
            time.sleep(0.1)
        g.quit()


def test():
    with open(image, "wb") as f:
        f.truncate(8 << 20)
    try:
        one = it_goes_on_as_if_nothing_had_been()
        every_part_is_the_saved_one()
        one = the_same_name_replaces()
        without_its_saver()
        a_qcow2_disk()
        what_does_not_fit_is_refused(one)
        what_is_damaged_changes_nothing(one)
        killed_at_any_moment_it_is_old_or_new(int(os.environ.get("SNAPSHOT_KILLS", 6)))
        its_rtc_stays_or_follows()
        an_undoable_disk(int(os.environ.get("SNAPSHOT_KILLS", 6)) // 2)
        somebody_else_is_noticed(one)
        what_is_deleted_gives_its_room_back()
        a_machine_in_its_bios()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


main(test)
