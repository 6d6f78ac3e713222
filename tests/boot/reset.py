"""reset.py RING3 FLOPPY [ring3 options...] - after every kind of reset, from every state, the BIOS starts as at
power-on.

The guest (tests/guests/reset_test.c) looks at screen, chips, memory and services at every boot and tells what it sees
on port E9; here the boots are compared with the first one. Further: memory sizes and processor models.
"""
import os
import struct
import sys
import tempfile
import time

from guest import Guest
from vm import check, deadline, main

ring3, image, *options = sys.argv[1:]


def floppy_cd(path):
    """A CD whose El Torito catalog names the floppy image, to be shown as drive A."""
    with open(image, "rb") as f:
        floppy = f.read()
    cd = bytearray(20 * 2048)
    cd[16 * 2048 : 16 * 2048 + 7] = b"\x01CD001\x01"
    cd[17 * 2048 : 17 * 2048 + 30] = b"\x00CD001\x01EL TORITO SPECIFICATION"
    cd[17 * 2048 + 71 : 17 * 2048 + 75] = struct.pack("<I", 19)
    cd[18 * 2048 : 18 * 2048 + 7] = b"\xffCD001\x01"
    check_entry = bytearray(b"\x01" + bytes(29) + b"\x55\xaa")
    check_entry[28:30] = struct.pack("<H", -sum(struct.unpack("<16H", check_entry)) & 0xFFFF)
    entry = struct.pack("<BBHBBHI20x", 0x88, 2, 0, 0, 0, 1, 20)
    cd[19 * 2048 : 19 * 2048 + 64] = check_entry + entry
    with open(path, "wb") as f:
        f.write(cd + floppy)


class Resets(Guest):
    """The guest's lines are followed as they come; what it asks for is done."""

    def __init__(self, folder, *args):
        self.told = folder + "/told"
        if os.path.exists(self.told):
            os.unlink(self.told)
        super().__init__(ring3, "-m", "32", "-debugcon", "file:" + self.told, "-device",
                         "isa-debug-exit,iobase=0x501,iosize=1",
                         *args, *options, serial=False)

    def boots(self, timeout, first_only=False):
        """[(step's words, [name=value])] until it ends by itself, or of the first boot alone."""
        boots, step, seen, end = [], "power-on", [], deadline(timeout)
        with open(self.told, encoding="latin-1") as f:
            rest = ""
            while True:
                ended = self.process.poll() is not None # before the last look
                rest += f.read()
                *lines, rest = rest.split("\n")
                for line in lines:
                    if line == "BOOT":
                        seen = []
                        boots.append((step, seen))
                    elif line.startswith("STEP"):
                        step = line
                    elif line == "WAIT key" and first_only:
                        return boots
                    elif line == "WAIT key":
                        self.do("sendkey a 40")
                    elif line == "WAIT reset":
                        self.do("system_reset")
                    elif line == "DONE":
                        self.expect_exit(33)
                        return boots
                    elif line.startswith("FAIL"):
                        self.fail("%s: %s" % (step, line))
                    elif "=" in line:
                        seen.append(line)
                if not lines:
                    time.sleep(0.01)
                    if time.monotonic() > end:
                        self.fail("after %s it got as far as %s" % (step, seen[-2:]))
                    if ended:
                        self.fail("ended with %s after %s" % (self.process.returncode, step))


def compare(what, boots):
    first = boots[0][1]
    wrong = ["%s, %s: %s, not %s" % (what, step, a, b) for step, seen in boots for a, b in zip(seen, first) if a != b]
    check(not wrong, "\n".join(wrong))
    check(all(len(seen) == len(first) for _, seen in boots), "the lists differ in length")
    told = dict(line.split("=", 1) for line in first if not line.startswith("int 15 e820"))
    expected = {"cr0": 0, "ticks": 1, "read": 0, "mouse": 0, "key": 0x1E61, "vbe": 0, "idt": 0x3FF, "mode": 0x185003}
    for name, value in expected.items():
        check(int(told[name], 16) == value, "%s: %s is %s, not %x" % (what, name, told[name], value))


def resets():
    with tempfile.TemporaryDirectory() as folder:
        cd, disk = folder + "/cd", folder + "/disk"
        floppy_cd(cd)
        with open(disk, "wb") as f:
            f.truncate(20 << 20)
        media = {"floppy": ["-fda", image, "-hda", disk], "hard disk": ["-hda", image],
                 "CD": ["-boot", "d", "-cdrom", cd]}
        for what, args in media.items():
            with Resets(folder, "-snapshot", *args) as g:
                compare(what, g.boots(150))


def first_boot(folder, *args):
    with Resets(folder, "-snapshot", "-fda", image, *args) as g:
        lines = g.boots(30, True)[0][1]
        g.quit()
        return lines


def memory_sizes(folder):
    """What is told by INT 12h and INT 15h 88h, E801h and E820h, in KiB; the BIOS keeps its tables above the RAM
    told."""
    for mib in 1, 2, 4, 8, 16, 64, 2048, 3072:
        lines = first_boot(folder, "-m", str(mib))
        told = {k: int(v, 16) for k, v in (line.split("=") for line in lines if "e820" not in line)}
        ranges = [[int(w, 16) for w in line.split("=")[1].split()] for line in lines if "e820" in line]
        ram = [(r[0] >> 10, r[2] >> 10) for r in ranges if r[4] == 1]
        above = mib * 1024 - 1024
        tables = above - sum(n for at, n in ram if at >= 1024)
        check(told["int 12"] == 639 and ram[0] == (0, 639), "-m %d: %s" % (mib, lines))
        check(0 <= tables <= 256 and len(ram) == 1 + (mib > 1), "-m %d: %s" % (mib, lines))
        check(told["int 15 88"] == min(above - tables, 63 << 10), "-m %d: %s" % (mib, lines))
        low, high = told["int 15 e801"] & 0xFFFF, told["int 15 e801"] >> 16
        check(low == min(above - tables, 15 << 10) and high == max(above - tables - (15 << 10), 0) // 64,
              "-m %d: %s" % (mib, lines))
        ends = sorted((r[0], r[0] + r[2]) for r in ranges)
        check(all(a[1] <= b[0] for a, b in zip(ends, ends[1:])), "-m %d: ranges overlap: %s" % (mib, lines))


def processors(folder):
    """All see the same, but for the sum of segment F000, where the MP table names the processor if that has an APIC."""
    def table_free(lines):
        return [line for line in lines if not line.startswith("bios=")]
    first, without = first_boot(folder), first_boot(folder, "-no-apic")
    for name in "386", "486", "pentium", "ppro", "pentium2", "pentium3":
        lines = first_boot(folder, "-cpu", name)
        check(table_free(lines) == table_free(first),
              "-cpu %s: %s" % (name, [x for x in zip(lines, first) if x[0] != x[1]]))
        if name in ("386", "486", "pentium3"):
            lines = first_boot(folder, "-cpu", name, "-no-apic")
            check(lines == without, "-cpu %s -no-apic: %s" % (name, [x for x in zip(lines, without) if x[0] != x[1]]))


def all_tests():
    resets()
    with tempfile.TemporaryDirectory() as folder:
        memory_sizes(folder)
        processors(folder)


main(all_tests)
