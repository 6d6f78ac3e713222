"""dos.py RING3 FLOPPY [ring3 options...] - a floppy that does as a DOS does (tests/guests/dos_test.c): it waits for
keys by asking for them over and over, writes and reads drive A, and looks for changed diskettes, while a person
changes them.
"""
import concurrent.futures
import os
import re
import shutil
import sys
import tempfile

from guest import Guest
from vm import check, main, process_cpu_seconds, tries

ring3, floppy, *options = sys.argv[1:]
SECTOR = ((40 * 2 + 1) * 18 + 8) * 512
KEYS = "Keys: w0-w9 r l c d u i f t k m"
READY = "Keys: w0"


def share(g, seconds):
    before = process_cpu_seconds(g.process.pid)
    try:
        g.process.wait(seconds)
    except Exception:
        pass
    return (process_cpu_seconds(g.process.pid) - before) / seconds


def idle(g, name):
    share(g, 1)
    cost = tries(lambda: share(g, 1.5), lambda s: s < 0.05,
                 "%s: a prompt that waits for a key costs less than 0.05 of a core" % name)
    print("%s: a prompt costs %.2f %% of a core" % (name, cost * 100), flush=True)


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


def computed(g):
    """Speed of a program that computes and looks for a key, in per cent of one that only computes."""
    before = len(re.findall("computed", "\n".join(g.lines())))
    g.type("c")
    text = g.wait_text(r"(?s)(.*computed \d{3}){%d}" % (before + 1)).group(0)
    return int(text[-3:])


def prompt_is_idle():
    with Guest(ring3, "-fda", floppy, "-snapshot", *options, serial=False) as g:
        g.wait_text(READY)
        idle(g, "full speed")
        percent = tries(lambda: computed(g), lambda p: p > 60,
                        "a program that computes and looks for a key has more than 60 % of its speed")
        print("a program that computes and looks for a key: %d %% of its speed" % percent, flush=True)
        idle(g, "after that")
        if "interp" not in options:
            rounds = calibrated(g)
            check(rounds < 0xffff,
                  "at full speed a loop that waits for a tick runs fewer than 65535 rounds in a millisecond (Turbo "
                  "Pascal's "
                  "runtime error 200); measured: %d" % rounds)
            print("full speed: %d rounds in a millisecond" % rounds, flush=True)
        ask(g, "u", "loops took [0-9a-f]{6}")
        took = int(re.findall("loops took ([0-9a-f]{6})", "\n".join(g.lines()))[-1], 16)
        check(took >= 1000,
              "1,048,576 LOOPs take a millisecond at least, by which Windows 9x divides; measured: %d us" % took)
        g.quit()
    with Guest(ring3, "-fda", floppy, "-snapshot", "-speed", "33", *options, serial=False) as g:
        g.wait_text(READY)
        idle(g, "33 MHz")
        rounds = sorted(calibrated(g) for _ in range(6))
        while rounds[-2] <= 0.9 * rounds[-1] and len(rounds) < 16: # as many as the screen has room for
            rounds = sorted([*rounds, calibrated(g)])
        print("33 MHz: rounds in a millisecond", rounds, flush=True)
        check(rounds[-1] < 33000,
              "a delay loop at 33 MHz runs fewer than 33000 rounds in a millisecond; measured: %s" % rounds)
        check(rounds[-2] > 0.9 * rounds[-1],
              "a delay loop at 33 MHz is as fast twice, within a tenth; measured: %s" % rounds)
        g.quit()


LOOPS = {"b": "INT 16h 01h", "c": "the same, stack and variables beside the code", "d": "INT 21h 0Bh, 28h, 2Fh 1680h",
         "a": "40:1A",
         "t": "40:6C", "p": "port 64h", "r": "port 3DAh", "s": "counting", "h": "HLT"}


def loops_are_idle(how, *more):
    """Whatever loop a program waits in costs next to nothing, and a key ends it; also under a memory manager."""
    with Guest(ring3, "-fda", floppy, "-snapshot", *options, *more, serial=False) as g:
        g.wait_text(READY)
        for manager in False, True:
            if manager:
                g.type("m")
                g.wait_text("managed")
            for letter, name in LOOPS.items():
                name = how + ", " + name + (" under a memory manager" if manager else "")
                g.type("i" + letter)
                g.wait_text("loop %s\n*$" % letter, 20)
                share(g, 0.5)
                cost = tries(lambda: share(g, 1), lambda s: s < 0.05, name + " costs less than 0.05 of a core")
                print("%s: %.2f %%" % (name, cost * 100), flush=True)
                g.type("q")
                g.wait_text(r"ended by q\n*$", 20)
        g.quit()


def resident_program():
    """Keys reach the prompt and the program that looks at all of them first, in real mode and under a memory
    manager."""
    with Guest(ring3, "-fda", floppy, "-snapshot", *options, serial=False) as g:
        g.wait_text(READY)
        ask(g, "k", "k's seen: 00")
        ask(g, "t", "resident")
        ask(g, "k", "k's seen: 01")
        ask(g, "w1", "write status 00")
        ask(g, "kkk", "k's seen: 04")
        ask(g, "m", "managed")
        ask(g, "w2", "write status 00")
        ask(g, "r", "read status 00 2")
        ask(g, "kk", "k's seen: 06")
        g.quit()


def retraces_are_seen():
    """A program that waits for each retrace misses none."""
    with Guest(ring3, "-fda", floppy, "-snapshot", *options, serial=False) as g:
        g.wait_text(READY)

        def counted():
            before = len(re.findall("frames", "\n".join(g.lines())))
            g.type("f")
            return int(g.wait_text(r"(?s)(.*frames [0-9a-f]{2}){%d}" % (before + 1)).group(0)[-2:], 16)

        frames = tries(counted, lambda n: 134 <= n <= 142, "36 ticks have 138 or 139 retraces, 70.09 a second")
        print("retraces in 36 ticks: %d" % frames, flush=True)
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
            g.wait_text(KEYS + r"\n*$", 30) # nothing behind it: it was booted anew
            ask(g, "r", "read status 00 1")
            g.do("system_reset")
            g.wait_text(KEYS + r"\n*$", 30)
            g.do("change floppy0 %s raw read-write" % a)
            g.type("l")
            ask(g, "w4", "write status (00|06)")
            ask(g, "w5", "write status 00")
            g.process.kill()
            g.process.wait()
        check(byte_at(a) == b"5" * 512, "what was written is lost when ring3 is killed")


def test():
    prompt_is_idle()
    loops = [("full speed",)]
    if "interp" not in options:
        loops.append(("the interpreter", "-accel", "interp"))
    with concurrent.futures.ThreadPoolExecutor() as pool: # most of their time is waiting
        list(pool.map(lambda how: loops_are_idle(*how), loops))
    retraces_are_seen()
    resident_program()
    changed_diskettes()


main(test)
