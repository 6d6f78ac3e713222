"""video.py RING3 FLOPPY PICTURES [ring3 options...] - the video test floppy (tests/guests/video_test), picture by
picture.

The floppy names each picture on the debug console when it is drawn, then waits for a key. PICTURES lists their names,
sizes and hashes; equal neighbouring lines and columns count once, so that it does not matter how a program that shows a
320x200 screen enlarges it. With UPDATE=FILE in the environment the list is written there instead (it was made so, with
our video BIOS on qemu-system-i386 where that draws the mode as the VGA does, and looked at). KEEP=FOLDER keeps the
pictures.
"""
import hashlib
import os
import re
import sys
import tempfile
import time

from guest import Guest
from vm import check, main, skip

program, floppy, pictures, *options = sys.argv[1:]


def reduced(path):
    """Size and hash of a PPM file without repeated lines and columns, of five bits a colour: less is a matter of
    taste."""
    with open(path, "rb") as f:
        magic, size, depth, data = f.read().split(b"\n", 3)
    data = data.translate(bytes(n >> 3 for n in range(256)))
    width, height = map(int, size.split())
    while width % 2 == 0 and all(data[n::6] == data[n + 3 :: 6] for n in range(3)):
        half = bytearray(len(data) // 2)
        for n in range(3):
            half[n::3] = data[n::6]
        data, width = bytes(half), width // 2
    row = 3 * width
    while height % 2 == 0 and all(data[y * row : y * row + row] == data[y * row + row : y * row
                                                                        + 2 * row] for y in range(0, height, 2)):
        data, height = b"".join(data[y * row : y * row + row] for y in range(0, height, 2)), height // 2
    return "%dx%d %s" % (width, height, hashlib.md5(data).hexdigest())


def walk(g, console):
    """All pictures as (name, size and hash)."""
    found, seen, last = [], 0, time.monotonic()
    keep = os.environ.get("KEEP")
    while True:
        with open(console, errors="replace") as f:
            text = f.read()
        names = re.findall(r"^step (.*)\n", text, re.M)
        if len(names) > seen:
            path = os.path.join(keep or g.folder, "%02d-%s.ppm" % (seen, names[seen]))
            time.sleep(0.1) # a display may draw after us
            g.do('screendump "%s"' % path)
            if seen: # the first is the firmware's
                found.append((names[seen], reduced(path)))
            if not keep:
                os.unlink(path)
            seen, last = seen + 1, time.monotonic()
            g.do("sendkey spc")
        elif text.endswith("done\n"):
            return found, re.findall(r"^fail .*", text, re.M)
        elif time.monotonic() - last > 90:
            g.fail("nothing new since %s" % names[-1:])
        else:
            time.sleep(0.05)


def test():
    with tempfile.TemporaryDirectory(prefix="ring3-video") as folder:
        console = folder + "/console"
        with Guest(program, "-m", "32", "-fda", floppy, "-snapshot", "-debugcon", "file:" + console, *options) as g:
            found, failed = walk(g, console)
            g.quit()
    lines = ["%s %s" % picture for picture in found]
    if "UPDATE" in os.environ:
        with open(os.environ["UPDATE"], "w") as f:
            f.write("\n".join(lines) + "\n")
        print("\n".join(failed))
        return
    with open(pictures) as f:
        expected = [line.strip() for line in f if line.strip() and not line.startswith("#")]
    wrong = ["%s\n    not %s" % (got, want) for got, want in zip(lines, expected) if got != want]
    check(not failed, "\n".join(failed))
    check(not wrong and len(lines) == len(expected),
          "%d of %d pictures differ:\n%s" % (len(wrong), len(expected), "\n".join(wrong)))


firmware = [o for n, o in enumerate(options) if n and options[n - 1] == "-bios"]
if firmware and not os.path.exists(firmware[0]):
    skip(firmware[0] + " is not there")
main(test)
