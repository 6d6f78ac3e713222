#!/usr/bin/env python3
"""apic.py RING3 KERNEL FLOPPY [ring3 options...] - tests/guests/apic.c by -kernel and from a floppy over the BIOS.

Both ways it finds the same MP table and MADT. With -no-apic there is none.
"""
import sys
import tempfile
import time

from guest import Guest
from vm import check, deadline, main

ring3, kernel, floppy, *options = sys.argv[1:]
DEVICES = ["-m", "32", "-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-device", "pc-testdev", *options]
WAYS = ["-kernel", kernel], ["-fda", floppy, "-boot", "a", "-snapshot"]
VERSIONS = {"pentium": "00030010", "pentium2": "00040011", "max": "00050014"}


def run(*args):
    """What it said, as lines."""
    with tempfile.NamedTemporaryFile("r", newline="") as said:
        with Guest(ring3, "-S", *DEVICES, "-serial", "file:" + said.name, *args, serial=False) as g:
            text, asked, end = "", False, deadline(120)
            g.monitor.sendall(b"cont\n")
            while g.process.poll() is None and time.monotonic() < end:
                text += said.read()
                if "waits for NMI" in text and not asked:
                    g.monitor.sendall(b"nmi\n")
                    asked = True
                time.sleep(0.02)
            code = g.process.poll()
        lines = (text + said.read()).replace("\r", "").split("\n")
    check(code == 1 and "end" in lines and not any(line.startswith("FAILED") for line in lines),
          "%s: exit code %s\n%s" % (args, code, "\n".join(lines)))
    return lines


def tables(lines):
    """The MP table without the processor's own entry, and the MADT."""
    return [line for line in lines if line.startswith(("mp ", "madt ")) and not line.startswith("mp 00 ")]


def with_apics():
    first = None
    for way in WAYS:
        for cpu, version in VERSIONS.items():
            lines = run(*way, "-cpu", cpu)
            check("version " + version in lines, "%s %s: no version %s" % (way, cpu, version))
            check(len([line for line in lines if line.startswith("mp 03")]) == 28 + 13, "interrupt entries: %s" % lines)
            first = first or tables(lines)
            check(tables(lines) == first, "%s %s: tables differ:\n%s\n%s" % (way, cpu, tables(lines), first))
    check("madt 02 0a 00 00 02 00 00 00 00 00" in first and "madt 02 0a 00 09 09 00 00 00 0d 00" in first,
          "overrides: %s" % first)


def without_apics():
    for way in WAYS:
        check("no apic" in run(*way, "-no-apic"), "-no-apic")


def all_tests():
    with_apics()
    without_apics()


main(all_tests)
