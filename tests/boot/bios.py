"""bios.py RING3 FLOPPY REGISTERS [ring3 options...] - our BIOS, by a floppy that calls every service
(tests/guests/bios_test.c), and one that calls it with every register set and looks at what comes back (regs_test.c),
in both engines."""
import os
import subprocess
import sys
import tempfile

from vm import check, main

ring3, floppy, registers, *options = sys.argv[1:]


def run(said, *drives, before=()):
    """The process's end, and what the floppy said."""
    command = [*before, ring3, "-m", "32", *drives, "-display", "none", "-serial", "null", "-debugcon", "file:" + said,
               "-device", "isa-debug-exit,iobase=0x501,iosize=1", *options]
    p = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=90)
    return p, open(said, encoding="latin-1").read() if os.path.exists(said) else ""


def all_pass(image, *more):
    with tempfile.TemporaryDirectory() as place:
        disk, said = place + "/disk", place + "/said"
        with open(disk, "wb") as f:
            f.truncate(20 << 20)
        p, text = run(said, "-fda", image, "-hda", disk, "-snapshot", *more)
        failed = [line for line in text.splitlines() if line.startswith("FAIL")]
        check(not failed, "\n".join(failed))
        check("ALL PASSED" in text and p.returncode == 33, "it ended with %s, not 33 after ALL PASSED, and said\n%s%s"
              % (p.returncode, text[-1500:], p.stdout.decode()))


FULL = """
mount -t tmpfs -o size=16k none "$1" && truncate -s 20M "$1/disk" || exit 77
head -c 16384 /dev/zero >"$1/fill" 2>/dev/null
shift
exec "$@"
"""


def host_disk_full():
    """The image is sparse and the host has no room for it. Where the machine shall not stop then (werror=report), the
    guest gets a write error, and all else goes on."""
    with tempfile.TemporaryDirectory() as place:
        small, said = place + "/small", place + "/said"
        os.mkdir(small)
        p, text = run(said, "-drive", "if=floppy,snapshot=on,file=" + floppy, "-drive",
                      "werror=report,file=" + small + "/disk",
                      before=["unshare", "-rm", "sh", "-c", FULL, "sh", small])
        if not text:
            return # no mounts of one's own here
        failed = [line for line in text.splitlines() if line.startswith("FAIL")]
        check(p.returncode == 35 and failed and all(line.startswith("FAIL 13 4") for line in failed),
              "it ended with %s and said\n%s%s" % (p.returncode, text[-1500:], p.stdout.decode()))


def all_tests():
    all_pass(floppy)
    with tempfile.TemporaryDirectory() as place: # a drive that has no change line
        with open(place + "/360", "wb") as f:
            f.truncate(360 << 10)
        all_pass(floppy, "-fdb", place + "/360")
    for engine in "translate", "interp":
        all_pass(registers, "-accel", engine)
    host_disk_full()


main(all_tests)
