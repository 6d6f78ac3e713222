"""dos.py RING3 FLOPPY [ring3 options...] - a floppy that does as a DOS does (tests/guests/dos_test.c): it waits for keys by asking
for them over and over, writes and reads drive A, and looks for changed diskettes, while a person changes them.
"""
import os
import re
import shutil
import sys
import tempfile

from guest import Guest
from vm import check, main

ring3, floppy, *options = sys.argv[1:]
SECTOR = ((40 * 2 + 1) * 18 + 8) * 512
READY = "Keys: w0"


def cpu_seconds(g):
    with open("/proc/%d/stat" % g.process.pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def share(g, seconds):
    before = cpu_seconds(g)
    try:
        g.process.wait(seconds)
    except Exception:
        pass
    return (cpu_seconds(g) - before) / seconds


def idle(g, name):
    share(g, 1)
    best = min(share(g, 1.5) for _ in range(3))
    print("%s: a prompt costs %.2f %% of a core" % (name, best * 100), flush=True)
    check(best < 0.05, "%s: a prompt that waits for a key costs %.1f %% of a core" % (name, best * 100))


def ask(g, keys, answer):
    """Type, and wait until the last line that is not empty matches."""
    g.type(keys)
    g.wait_text(r"(^|\n)" + answer + r"\n*$", 20)


def calibrated(g):
    """Rounds of a loop in a millisecond, as the guest sees it; 65535: too many for it."""
    before = len(re.findall("millisecond is", "\n".join(g.lines())))
    g.type("d")
    text = g.wait_text(r"(?s)(.*a millisecond is ....){%d}\n" % (before + 1)).group(0)
    return int(text.strip()[-4:], 16)


def prompt_is_idle():
    with Guest(ring3, "-fda", floppy, "-snapshot", *options, serial=False) as g:
        g.wait_text(READY)
        idle(g, "full speed")
        g.type("c")
        percent = int(g.wait_text(r"computed (\d{3})").group(1))
        print("a program that computes and looks for a key: %d %% of its speed" % percent, flush=True)
        check(percent > 60, "a program that computes and looks for a key is halted: %d %% of its speed" % percent)
        idle(g, "after that")
        if "interp" not in options:
            check(calibrated(g) == 0xffff, "this loop fits into 16 bits even at full speed")
        g.quit()
    with Guest(ring3, "-fda", floppy, "-snapshot", "-speed", "33", *options, serial=False) as g:
        g.wait_text(READY)
        idle(g, "33 MHz")
        rounds = sorted(calibrated(g) for _ in range(6))
        print("33 MHz: rounds in a millisecond", rounds, flush=True)
        check(rounds[-1] < 33000, "a delay loop overflows at 33 MHz: %s" % rounds)
        check(rounds[-2] > 0.9 * rounds[-1], "a delay loop at 33 MHz varies: %s" % rounds)
        g.quit()


def byte_at(path):
    with open(path, "rb") as f:
        f.seek(SECTOR)
        return f.read(512)


def changed_diskettes():
    with tempfile.TemporaryDirectory() as place:
        a, b = place + "/a.img", place + "/b.img"
        shutil.copy(floppy, a)
        with open(b, "wb") as f:
            f.truncate(1474560)
        with Guest(ring3, "-fda", a, *options, serial=False) as g:
            g.wait_text(READY)
            ask(g, "w1", "write status 00")
            check(byte_at(a) == b"1" * 512, "what was written is not in the image")
            ask(g, "l", "line status 00")
            g.do("change floppy0 " + b)
            ask(g, "l", "line status 06")
            ask(g, "l", "line status 00") # told once
            ask(g, "w2", "write status 00")
            ask(g, "r", "read status 00 2")
            check(byte_at(b) == b"2" * 512 and byte_at(a) == b"1" * 512, "the wrong diskette was written")
            g.do("eject floppy0")
            ask(g, "r", r"read status (06|80|31) \?")
            ask(g, "r", r"read status (80|31) \?")
            g.do("change floppy0 %s raw read-only" % a)
            ask(g, "r", r"read status 06 \?")
            ask(g, "r", "read status 00 1")
            ask(g, "w3", "write status 03")
            check(byte_at(a) == b"1" * 512, "a write-protected diskette was written")
            g.keys("ctrl-alt-delete")
            g.wait_text(r"Keys: w0-w9 r l c d\n*$", 30) # nothing behind it: it was booted anew
            ask(g, "r", "read status 00 1")
            g.do("system_reset")
            g.wait_text(r"Keys: w0-w9 r l c d\n*$", 30)
            g.do("change floppy0 %s raw read-write" % a)
            g.type("l")
            ask(g, "w4", "write status (00|06)")
            ask(g, "w5", "write status 00")
            g.process.kill()
            g.process.wait()
        check(byte_at(a) == b"5" * 512, "what was written is lost when ring3 is killed")


def test():
    prompt_is_idle()
    changed_diskettes()


main(test)
