#!/usr/bin/env python3
"""bare.py RING3-BARE - a machine without floppy controller, serial and parallel ports boots, and its firmware finds none."""
import re
import sys

from vm import Vm, check, main, run_tests

ring3 = sys.argv[1]


class Monitor:
    def __init__(self, *words):
        self.vm = Vm([ring3, "-display", "none", "-nic", "none", "-monitor", "stdio", *words])
        self.vm.expect(r"\(ring3\) ")

    def do(self, line):
        self.vm.send(line + "\n")
        return self.vm.expect(r"(?s)(.*?)\(ring3\) $").group(1)


def test_it_boots():
    m = Monitor("-m", "32")
    check("did not come" not in m.do("wait-for \"No bootable device\" 60"), "the firmware comes to its end")
    parts = re.findall(r"(?m)^(\w+)", m.do("info parts"))
    check("pit" in parts and not {"fdc", "com1", "com2", "lpt1"} & set(parts), "parts: %r" % parts)
    words = re.findall(r"0x([0-9a-f]{4})\b", m.do("xp /9xh 0x400"))
    check(words[:4] == ["0000"] * 4 and words[4:7] == ["0000"] * 3, "serial and parallel ports in the data area: %r" % words)
    equipment = int(re.findall(r": 0x([0-9a-f]{4})\b", m.do("xp /1xh 0x410"))[0], 16)
    check(not equipment & 0xcec1, "the equipment word: %04x" % equipment)
    m.vm.send("quit\n")
    m.vm.expect_exit(0, 10)


main(lambda: run_tests(globals()))
