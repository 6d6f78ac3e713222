"""bios.py RING3 FLOPPY [ring3 options...] - our BIOS, by a floppy that calls every service (tests/guests/bios_test.c)."""
import os
import subprocess
import sys
import tempfile

from vm import check, main

ring3, floppy, *options = sys.argv[1:]


def bios_services():
    with tempfile.TemporaryDirectory() as place:
        disk, said = place + "/disk", place + "/said"
        with open(disk, "wb") as f:
            f.truncate(20 << 20)
        command = [ring3, "-m", "32", "-fda", floppy, "-hda", disk, "-snapshot", "-display", "none", "-serial", "null",
                   "-debugcon", "file:" + said, "-device", "isa-debug-exit,iobase=0x501,iosize=1"]
        p = subprocess.run(command + options, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           timeout=90)
        text = open(said, encoding="latin-1").read() if os.path.exists(said) else ""
        failed = [line for line in text.splitlines() if line.startswith("FAIL")]
        check(not failed, "\n".join(failed))
        check("ALL PASSED" in text and p.returncode == 33, "it ended with %s and said\n%s%s" % (p.returncode, text[-1500:], p.stdout.decode()))


main(bios_services)
