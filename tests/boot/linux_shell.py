#!/usr/bin/env python3
"""linux_shell.py RING3 GUEST-SCRIPT GUEST-DIR ACCEL CPU [SLOW [OPTION...]] - Debian's kernel to a root shell,
commands, power-off.

SLOW multiplies the patience for boot and commands. On the way: the kernel finds nothing to complain about in ACPI,
sleep takes its time by the host's clock, Ctrl-C works, and a guest idle at the prompt costs next to nothing.
Interrupts come by the APICs, the tick by the local one's timer; with the option -no-apic by the 8259s. With -M
pc,hpet=on the kernel is told to take its time from there; without the local APIC its ticks come from there, too.
"""
import sys
import tempfile
import time

from vm import Vm, check, made, main, monitor, tries

ring3, script, folder, accel, cpu = sys.argv[1:6]
slow = float(sys.argv[6]) if len(sys.argv) > 6 else 1
options = sys.argv[7:]
has_hpet = "pc,hpet=on" in options
PROMPT = r"guest# "
COMPLAINTS = ("ACPI Error", "ACPI BIOS Error", "ACPI Warning", "ACPI Exception", "Oops", "BUG:", "WARNING:",
              "Call Trace", "irq 9: nobody")


def guest():
    made(script, folder)
    return folder + "/vmlinuz", folder + "/initramfs.gz"


def command(vm, text, pattern, timeout=20):
    vm.send(text + "\r")
    found = vm.expect(pattern, timeout * slow)
    vm.expect(PROMPT, timeout * slow)
    return found


def sleep_seconds(vm):
    vm.send("echo be''gin; sleep 2; echo en''d\r")
    vm.expect("begin", 20 * slow)
    began = time.monotonic()
    vm.expect("end", 20)
    seconds = time.monotonic() - began
    vm.expect(PROMPT, 20 * slow)
    return seconds


def timed_sleep(vm):
    most = 2.5 + 0.1 * slow
    tries(lambda: sleep_seconds(vm), lambda s: 1.9 < s < most, "sleep 2 takes 1.9 to %g s" % most)


def interrupt(vm):
    vm.send("sleep 1000\r")
    vm.expect("sleep 1000", 20 * slow)
    time.sleep(0.5)
    vm.send("\3")
    vm.expect(PROMPT, 5 * slow)


def keyboard(vm, socket_path):
    """The PS/2 keyboard, at the screen that nobody sees; the shell is at the serial line."""
    vm.send("read word </dev/tty1; echo tty1 said $word\r")
    vm.expect("echo tty1", 20 * slow)
    time.sleep(0.5)
    for key in "o", "k", "ret":
        monitor(socket_path, "sendkey %s 40" % key)
        time.sleep(0.2)
    vm.expect(r"\ntty1 said ok", 20 * slow)
    vm.expect(PROMPT, 20 * slow)


def idle(vm):
    time.sleep(3)
    # The goal of 3 % is a benchmark (docs/PERFORMANCE.md); here, on a machine that others share, a guest that spins
    # fails.
    share = vm.idle_share(3, 0.10, "a guest idle at the prompt")
    print("idle: %.2f %% of a core" % (share * 100))


def test():
    with tempfile.TemporaryDirectory() as place:
        boot(place + "/monitor")


def hpet(vm):
    """Its table is found, its counter is the time, IRQ8's alarms are its own, and, without the APIC, the ticks."""
    command(vm, "cat /sys/devices/system/clocksource/clocksource0/current_clocksource", r"\nhpet\r")
    command(vm, "grep HPET /proc/iomem", r"\nfed00000-fed003ff : HPET 0\r")
    command(vm, "dmesg | grep rtc_cmos", r"hpet irqs\r")
    command(vm, "cat /sys/devices/system/clockevents/clockevent0/current_device",
            r"\nhpet\r" if "-no-apic" in options else r"\nlapic\S*\r")


def boot(socket_path):
    kernel, initrd = guest()
    vm = Vm([ring3, "-m", "512", "-kernel", kernel, "-initrd", initrd, "-append",
             "console=ttyS0" + (" clocksource=hpet" if has_hpet else ""), "-serial", "stdio",
             "-display", "none", "-accel", accel, "-cpu", cpu, "-monitor", "unix:%s,server=on,wait=off" % socket_path,
             *options],
            tty=True)
    vm.expect("GUEST-READY", 120 * slow)
    print("init after %.1f s, %.1f s of CPU time" % (time.monotonic() - vm.started, vm.cpu_seconds()), flush=True)
    vm.expect(PROMPT, 20 * slow)
    command(vm, "dmesg -n 1", "\n") # the kernel's messages stay out of the commands' output
    flags = command(vm, "cat /proc/cpuinfo", r"flags\s*:([^\r\n]*)\r").group(1).split()
    check("fpu" in flags and ("sse2" in flags) == (cpu == "max"),
          "CPU flags with fpu and %s sse2: %s" % ("with" if cpu == "max" else "without", flags))
    ticks = r"LOC: +0 +Local timer" if "-no-apic" in options else r"LOC: +[1-9]\d+ +Local timer"
    command(vm, "grep -E '^ *4:|LOC' /proc/interrupts",
            r"\s4: +\d+ +%s[^\r\n]*ttyS0[\s\S]*%s" % ("XT-PIC" if "-no-apic" in options else "IO-APIC", ticks))
    if has_hpet:
        hpet(vm)
    command(vm, "ls -l /", r"\n-rwxr-xr-x +1 root +root +\d+ [^\r\n]* (\x1b\S*)?init")
    command(vm, "seq 1 1000 | grep 7 | sort -rn | head -2 | tr 7 x", "99x\r+\n98x")
    command(vm, "echo $((6 * 7)) > /tmp/a; wc -c < /tmp/a", r"\n3\r")
    timed_sleep(vm)
    interrupt(vm)
    keyboard(vm, socket_path)
    command(vm, "dmesg | wc -l", r"\n(\d+)\r")
    if slow < 3:
        idle(vm)
    vm.send("poweroff -f\r")
    vm.expect_exit(0, 30 * slow)
    for word in COMPLAINTS:
        check(word not in vm.output, "the kernel says %s:\n%s" % (word, vm.output))


main(test)
