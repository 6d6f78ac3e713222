#!/usr/bin/env python3
"""screens.py RING3 SCREENS [ENGINE] - what the guest `screens` draws in each video mode is what `screendump` sees.

By hand, `screens.py RING3 SCREENS speed [QEMU]` says how long its drawing loops take, in QEMU's TCG, too.
"""
import os
import re
import subprocess
import sys
import tempfile
import time

from vm import Vm, check, main

ring3, screens = sys.argv[1:3]
engine = sys.argv[3] if len(sys.argv) > 3 else "translate"
folder = None if engine == "speed" else tempfile.mkdtemp(prefix="ring3-")


def six(v):
    return (v & 0x3f) << 2 | (v & 0x3f) >> 4


def palette(n): # as the guest loads it
    return six(n), six(n >> 2), six(n * 7)


def plain(v):
    return v >> 16 & 255, v >> 8 & 255, v & 255


EGA = [0, 1, 2, 3, 4, 5, 0x14, 7, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f]
CGA = [0, 0x13, 0x15, 0x17]
MODES = { # size, and the colour of pixel (x, y)
    "12": (640, 480, lambda x, y: palette(EGA[x + 3 * y & 15])),
    "13": (320, 200, lambda x, y: palette(x + 3 * y & 255)),
    "x": (320, 200, lambda x, y: palette(x + 3 * y & 255)),
    "4": (320, 200, lambda x, y: palette(CGA[x + 3 * y & 3])),
    "vbe8": (640, 400, lambda x, y: palette(x + 3 * y & 255)),
    "vbe32": (800, 600, lambda x, y: plain((x + 3 * y) * 0x010305)),
}


def dump(word):
    path = "%s/%s.ppm" % (folder, word)
    vm = Vm([ring3, "-accel", engine, "-m", "32", "-kernel", screens, "-append", word, "-display", "none", "-serial",
             "mon:stdio"])
    vm.expect("ready " + word, 120)
    vm.send("\x01c")
    vm.expect(re.escape("(ring3) "))
    vm.send("screendump %s\n" % path)
    vm.expect(re.escape("(ring3) "))
    vm.send("quit\n")
    vm.expect_exit(0)
    data = open(path, "rb").read()
    magic, width, height, most, pixels = re.match(rb"(P6)\s+(\d+)\s+(\d+)\s+(\d+)\s(.*)", data, re.S).groups()
    return int(width), int(height), pixels


def graphics(word):
    width, height, colour = MODES[word]
    got = dump(word)
    check(got[:2] == (width, height), "%s: %ux%u, not %ux%u" % (word, *got[:2], width, height))
    for y in range(height):
        row = bytes(c for x in range(width) for c in colour(x, y))
        if row != got[2][3 * width * y:3 * width * (y + 1)]:
            check(False, "mode %s: line %u differs" % (word, y))


def text():
    """Backgrounds by their attributes; a character has foreground pixels, but not only."""
    width, height, pixels = dump("text")
    check((width, height) == (720, 400), "text: %ux%u, not 720x400" % (width, height))
    for n in range(2000):
        at = bytes(c for y in range(16) for c in pixels[3 * (width * (n // 80 * 16 + y) + n % 80 * 9):][:27])
        colours = {tuple(at[i:i + 3]) for i in range(0, len(at), 3)}
        attribute = n * 5 & 0x7f
        fore, back = palette(EGA[attribute & 15]), palette(EGA[attribute >> 4])
        check(colours == {fore, back}, "cell %u has %s, not %s" % (n, colours, {fore, back}))


def spent(command):
    rounds = ("text_scroll=3000 text_scroll_long=3000 text_put=3000 fill_13=2000 copy_13=2000 pixels_13=300 "
              "planar_fill=300 planar_rectangle=500 planar_scroll=200 planar_pixels=300 planar_text=1000 "
              "planar_copy=50 planar_read=50 x_pixels=500 x_copy=200 vbe_fill=100 vbe_pixels=30 vbe_banks=30 "
              "palette_load=200 status_poll=300 off")
    result, begun = {}, 0
    p = subprocess.Popen([*command, "-m", "32", "-display", "none", "-serial", "stdio", "-monitor", "null", "-kernel",
                          screens,
                          "-append", rounds], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                         errors="replace")
    for line in p.stdout:
        found = re.search(r"(begin|end) (\w+)", line)
        if found and found[1] == "begin":
            begun = time.monotonic()
        elif found:
            result[found[2]] = time.monotonic() - begun
    p.wait()
    return result


def speed(qemu):
    ours, theirs = spent([ring3]), spent([qemu, "-accel", "tcg"]) if qemu else {}
    for name in ours:
        print("%-18s %7.1f ms" % (name, ours[name] * 1e3), end="")
        print("  QEMU %7.1f ms, %.1f times" % (theirs[name] * 1e3, theirs[name] / ours[name]) if name in theirs else "")


def tests():
    text()
    for word in MODES:
        graphics(word)


if engine == "speed":
    speed(sys.argv[4] if len(sys.argv) > 4 else None)
else:
    try:
        main(tests)
    finally:
        for entry in os.listdir(folder):
            os.unlink(os.path.join(folder, entry))
        os.rmdir(folder)
