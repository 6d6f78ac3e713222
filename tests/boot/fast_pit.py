#!/usr/bin/env python3
"""fast_pit.py RING3 GUEST [ring3 options...] - a timer that ticks faster than ring3 can deliver: the guest gets on."""
import sys
import time

from vm import Vm, main

ring3, guest, *options = sys.argv[1:]


def test():
    began = time.monotonic()
    vm = Vm([ring3, "-display", "none", "-no-reboot", "-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-kernel", guest, *options], stdin=False)
    vm.expect_exit(3, 60)
    print("%.1f s" % (time.monotonic() - began))


main(test)
