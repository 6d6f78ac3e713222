#!/usr/bin/env python3
"""hpet.py RING3 GUEST [ring3 options...] - tests/guests/hpet.S with a HPET, with and without APICs, and without one."""
import sys

from vm import Vm, main

ring3, guest, *options = sys.argv[1:]
RIGHT, NONE = 3, 5 # exit codes


def test():
    for words, code in (["-M", "pc,hpet=on"], RIGHT), (["-M", "pc,hpet=on", "-no-apic"], RIGHT), ([], NONE):
        vm = Vm([ring3, "-display", "none", "-no-reboot", "-m", "16", "-device", "isa-debug-exit,iobase=0xf4,iosize=4",
                 "-kernel", guest, *words, *options], stdin=False)
        vm.expect_exit(code, 60)


main(test)
