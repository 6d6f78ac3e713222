#!/usr/bin/env python3
"""pictures.py RING3 [FOLDER] - the pictures of docs/TOUR.md, taken from the tour itself: docs/tour/*.png, or FOLDER's.

It starts the tour without a window and presses keys as a person would; each picture is the monitor's `screendump`, with its 16 colours
as a palette.
"""
import os
import re
import struct
import sys
import time
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../tests/boot"))
from guest import Guest

PICTURES = [ # (its name, keys before it, what is then on the screen)
    ("menu", [], "a look into the glass box"),
    ("loop", ["1"], "A loop in ring 3.*Esc menu"),
    ("popf", ["2"], "POPF in ring 3.*Esc menu"),
    ("popf_all", ["tab"], "would show the host's IF"),
    ("sgdt", ["3"], "SGDT.*Esc menu"),
    ("syscall", ["4"], "A system call.*Esc menu"),
    ("fault", ["5"], "A page fault.*Esc menu"),
    ("pte", ["6"], "A page-table entry.*Esc menu"),
    ("smc", ["7"], "Code that changes itself.*Esc menu"),
    ("storm", ["8"], "A storm of stores.*Esc menu"),
    ("v86", ["9"], "16-bit code.*Esc menu"),
    ("forms", ["0"], "Table form and window form.*Esc menu"),
]
# What a host that is left alone shows: a picture with other figures is taken again, up to TRIES times.
LIKELY = {"loop": r" [0-4]\.\d+ ns a\s+round", "syscall": r"IRET: \d\d\.\d+ ns.*SYSEXIT:\s+\d\d\.\d+\s+ns", "storm": r"100,000 \d\d\.\d+ ns",
          "forms": r" [01]\.\d+ ns a\s+round"}
TRIES = 40
LARGEST_BYTES = 60 << 10


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def write_png(path, width, height, pixels):
    """An indexed PNG of four bits a pixel (PNG specification, 11.2)."""
    colours = [pixels[n : n + 3] for n in range(0, len(pixels), 3)]
    palette = sorted(set(colours))
    if len(palette) > 16:
        raise SystemExit("%s has %d colours: no text screen" % (path, len(palette)))
    number = {colour: n for n, colour in enumerate(palette)}
    rows = b"".join(b"\0" + bytes(number[colours[at + x]] << 4 | number[colours[at + x + 1]] for x in range(0, width, 2))
                    for at in range(0, width * height, width))
    with open(path, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 4, 3, 0, 0, 0))
                + chunk(b"PLTE", b"".join(palette)) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))


def main():
    ring3, folder = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else HERE
    with Guest(ring3, "-tour", serial=False) as guest:
        for name, keys, sign in PICTURES:
            guest.keys(*keys)
            guest.wait_text(sign)
            time.sleep(0.3)
            for _ in range(TRIES):
                if re.search(LIKELY.get(name, ""), "\n".join(guest.lines()[:4]), re.S):
                    break
                guest.keys("ret")
                guest.wait_text(sign)
                time.sleep(0.3)
            path = os.path.join(folder, name + ".png")
            write_png(path, *guest.picture())
            if os.path.getsize(path) > LARGEST_BYTES:
                guest.fail("%s is too large for the source" % path)
        guest.quit()


main()
