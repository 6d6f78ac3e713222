#!/usr/bin/env python3
"""realmode.py RING3 KERNEL - a Multiboot kernel goes back to real mode and calls the BIOS, and sends INIT to itself
(tests/guests/realmode.c)."""
import sys
import tempfile

from vm import Vm, check, main

ring3, kernel = sys.argv[1:3]
WORK = "mode", "character", "mode 13h", "ticks", "read", "map", "map's length", "INT 12h", "INT 15h 8Ah", "firmware file"

INIT = "INIT, FPU", "INIT, CR4", "INIT, CR0", "INIT, APIC", "ACPI"
STARTS = 7 # by INIT


def run(*more, init=True):
    with tempfile.NamedTemporaryFile() as disk:
        disk.write(bytes(512) + b"ring" + bytes((1 << 20) - 516))
        disk.flush()
        vm = Vm([ring3, "-kernel", kernel, "-hda", disk.name, "-snapshot", "-serial", "stdio", "-display", "none", *more])
        vm.expect("end")
        vm.expect_exit(0)
    for name in WORK + INIT if init else WORK:
        check("\n%s works\r" % name in vm.output, "%s: %s\n%s" % (more, name, vm.output))
    check("WRONG" not in vm.output and "sector 676e6972" in vm.output, "%s: %s" % (more, vm.output))
    check(vm.output.count("magic 2badb002") == (STARTS if init else 1), "%s: %s" % (more, vm.output))


def all_tests():
    for accel in "interp", "translate", "translate,form=window", "translate,form=table":
        run("-accel", accel)
    for memory in "2", "8", "3072":
        run("-m", memory)
    run("-no-acpi", "-no-apic", "-cpu", "pentium", init=False)


main(all_tests)
