#!/usr/bin/env python3
"""probe.py RING3 PROBE ACCEL - ends, resets, signals, terminal and Multiboot hand-over, with our own small guest."""
import os
import signal
import sys
import tempfile
import termios
import time

from vm import Vm, check, children, deadline, main, run_tests, tries

ring3, probe, accel = sys.argv[1:4]


def run(words, *more, **how):
    return Vm([ring3, "-kernel", probe, "-append", words, "-serial", "stdio", "-display", "none", "-accel", accel, *more], **how)


def test_info():
    with tempfile.NamedTemporaryFile(suffix=",x") as m:
        m.write(b"\1\2\3")
        m.flush()
        name = m.name.replace(",", ",,")
        vm = run("info", "-m", "64", "-initrd", "%s one,%s two  words" % (name, name))
        vm.expect("magic 2badb002")
        vm.expect("upper 0000fb00")
        vm.expect("cmdline .*probe info\r\n")
        vm.expect("module %s one sum 00000006" % m.name)
        vm.expect("module %s two  words sum 00000006" % m.name)
        vm.expect("map 00000000 \\+0009fc00 type 00000001")
        vm.expect("map 000e0000 \\+00020000 type 00000002")
        vm.expect("map 00100000 \\+03ec0000 type 00000001")
        vm.expect("map 03fc0000 \\+00040000 type 00000002")
        vm.expect("end")
        vm.expect_exit(0)


def test_exit_codes():
    for words, code in ("off", 0), ("exit=0", 1), ("exit=20", 41), ("exit=127", 255):
        run(words, "-device", "isa-debug-exit").expect_exit(code)
    vm = run("exit=3 off") # no such device: nothing happens
    vm.expect_exit(0)
    run("exit=3 off", "-device", "isa-debug-exit,iobase=0x500,iosize=1").expect_exit(0)


def test_resets():
    for how in "reset=cf9", "reset=kbc", "reset=p92", "triple":
        vm = run("count once %s spin" % how)
        vm.expect("boots 00000001")
        vm.expect("boots 00000002")
        vm.expect("end")
        vm.expect_exit(0)
        vm = run("count %s spin" % how, "-no-reboot")
        vm.expect_exit(0)
        check("00000002" not in vm.output, how + " came up again under -no-reboot")


def test_signals():
    for words in "spin", "halt", "hlt":
        for number in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
            vm = run(words)
            vm.expect("probe")
            vm.signal(number)
            vm.expect_exit(128 + number, 3)


def test_signal_to_all():
    """A signal to the whole process group comes to ring3's helpers, too, perhaps before it comes to ring3: none is missed."""
    with tempfile.TemporaryDirectory() as folder:
        for screen in [], ["-vnc", "unix:%s/vnc" % folder, "-inspect", "unix:%s/inspect" % folder]:
            vm = run("hlt", "-nic", "user", *screen)
            vm.expect("probe")
            helpers = children(vm.process.pid)
            check("ring3-net" in helpers and len(helpers) >= 1 + len(screen) // 2, str(helpers))
            for helper in helpers.values():
                os.kill(helper, signal.SIGTERM)
            time.sleep(0.3)
            check(children(vm.process.pid) == helpers, "a helper ended by itself: %s, %s" % (helpers, children(vm.process.pid)))
            os.killpg(vm.process.pid, signal.SIGTERM)
            vm.expect_exit(143)
            check("runs on" not in vm.output and "ended" not in vm.output, vm.output)


def test_stdin():
    vm = run("echo")
    vm.expect("echo\r\n")
    vm.send("hello, \1xq")
    vm.expect("hello, \1xq") # escape keys only on a terminal
    vm.expect_exit(0)
    text = "".join(chr(97 + n % 13) for n in range(20000)) # more than any buffer holds
    vm = run("echo")
    vm.expect("echo\r\n")
    vm.send(text)
    vm.send("q")
    vm.expect(text + "q", 120)
    vm.expect_exit(0)


def test_end_of_stdin():
    vm = run("halt", stdin=False)
    vm.expect("probe")
    vm.idle_share(0.5, 0.03, "idle with stdin at its end")
    vm.signal(signal.SIGTERM)
    vm.expect_exit(143)


def test_terminal():
    for end, code in ("\1x", 0), (None, 130):
        vm = run("echo", tty=True)
        vm.expect("echo\r+\n")
        check(not termios.tcgetattr(vm.tty)[3] & (termios.ICANON | termios.ECHO | termios.ISIG), "the terminal is not raw")
        vm.send("a\3b\1\1c")
        vm.expect("a\3b\1c") # Ctrl-C and Ctrl-A reach the guest
        vm.send("\1h")
        vm.expect("Ctrl-A X")
        vm.send(end) if end else vm.signal(signal.SIGINT)
        vm.expect_exit(code, 3)
        check(termios.tcgetattr(vm.tty) == vm.settings, "the terminal is not restored")


def test_full_output():
    vm = run("echo")
    vm.expect("echo\r\n")
    os.set_blocking(vm.writer, False)
    try:
        for _ in range(100):
            vm.send("x" * 4096) # nobody reads the answers
            time.sleep(0.02)
    except BlockingIOError:
        pass
    vm.signal(signal.SIGTERM)
    end = deadline(5)
    while vm.process.poll() is None and time.monotonic() < end:
        time.sleep(0.05)
    check(vm.process.returncode == 143, "blocked output: exit code %s, not 143" % vm.process.returncode)


def test_debugcon():
    with tempfile.NamedTemporaryFile() as f:
        run("debug off", "-debugcon", "file:" + f.name).expect_exit(0)
        said = f.read()
        check(said == b"hi\n", "the debug console's file has %r, not hi" % said)
    with tempfile.NamedTemporaryFile() as f:
        Vm([ring3, "-kernel", probe, "-append", "off", "-serial", "file:" + f.name, "-accel", accel]).expect_exit(0)
        said = f.read()
        check(said == b"probe\r\n", "the serial port's file has %r, not probe" % said)


def loops(mhz):
    """How far from nominal the delay loops' rates are, each at its best of three; and the share of a core that it takes."""
    vm = run("loops off", "-speed", str(mhz))
    off = {"dec": [], "loop": []}
    for _ in range(3):
        for name, insns in ("dec", 2), ("loop", 1):
            rate, nominal = int(vm.expect(name + " ([0-9a-f]{8})").group(1), 16), mhz * 1000 / insns
            off[name].append(abs(rate / nominal - 1))
    share = vm.cpu_seconds() / (time.monotonic() - vm.started)
    vm.expect_exit(0)
    return max(min(rates) for rates in off.values()), share


def test_speed():
    """Delay loops take the time that the option says, and the rest of it the guest sleeps."""
    mhz = 4 if accel == "interp" else 33
    most = 2 if accel == "interp" else 0.5
    off, share = tries(lambda: loops(mhz), lambda got: got[0] < 0.1 and got[1] < most,
                       "at %d MHz delay loops are less than 0.1 off and take less than %g of a core (off, share)" % (mhz, most))
    print("speed %d MHz: %.0f %% off, %.0f %% of a core" % (mhz, off * 100, share * 100))


def test_full_speed():
    """Windows 9x divides by the milliseconds that 1,048,576 LOOPs take: at full speed more than 2."""
    vm = run("loops off")
    most = max(int(vm.expect(name + " ([0-9a-f]{8})").group(1), 16) for _ in range(3) for name in ("dec", "loop"))
    vm.expect_exit(0)
    print("full speed: 1,048,576 rounds in %.1f ms" % ((1 << 20) / most))
    check(most < 1 << 19, "a delay loop runs fewer than 524288 rounds in a millisecond; measured: %d" % most)


main(lambda: run_tests(globals()))
