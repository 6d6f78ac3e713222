#!/usr/bin/env python3
"""trace.py RING3 TRACED PROBE [ring3 options...] - what -d traces, item by item, with tests/guests/traced.S; -dfilter, -D, and the
monitor's `log` and `logfile`."""
import os
import re
import socket
import struct
import sys
import tempfile
import time

from vm import Vm, check, deadline, main, monitor, run_tests, tries

ring3, traced, probe, *options = sys.argv[1:]
translates = "interp" not in options
folder = tempfile.mkdtemp(prefix="ring3-")


def symbols(path):
    """{name: address} of an ELF32 file."""
    data = open(path, "rb").read()
    offset, (size, count) = struct.unpack_from("<I", data, 32)[0], struct.unpack_from("<HH", data, 46)
    heads = [struct.unpack_from("<10I", data, offset + n * size) for n in range(count)]
    found = {}
    for head in heads:
        if head[1] != 2: # SHT_SYMTAB
            continue
        names = heads[head[6]][4]
        for at in range(head[4], head[4] + head[5], 16):
            name, value = struct.unpack_from("<II", data, at)
            found[data[names + name:data.index(b"\0", names + name)].decode()] = value
    return found


AT = symbols(traced)
KERNEL = "-dfilter", "0x100000+0x10000" # without the BIOS before it, which is long


def trace(items, *more):
    """The lines that one run of the guest traces."""
    path = folder + "/log"
    vm = Vm([ring3, "-display", "none", "-kernel", traced, "-device", "isa-debug-exit,iobase=0xf4,iosize=1", "-d", items, "-D", path,
             *options, *more])
    vm.expect_exit(3) # the guest found all as it should be, the FPU too
    return open(path).read().split("\n")[:-1]


def trace_translated(pattern, items, *more):
    """The same; where there is a translator, with such a line. (Looking for waiting loops, the run loop interprets for a while.)"""
    return tries(lambda: trace(items, *more), lambda lines: bool(having(lines, pattern)) == translates, pattern)


def having(lines, pattern):
    return [line for line in lines if re.search(pattern, line)]


def test_int():
    lines = trace("int")
    delivered = [re.match(r" *(\d+): v=(..) e=(....) i=(.) cpl=(.) IP=(....):(.{8}) pc=(.{8}) SP=(....):(.{8}) (CR2|EAX)=(.{8})$", line)
                 for line in lines if not line.startswith("Servicing")]
    check(all(delivered), "\n".join(lines))
    check([int(m[1]) for m in delivered] == list(range(len(delivered))), "they are numbered")
    delivered = [m for m in delivered if m[6] in ("0008", "001b")] # those before are the BIOS's
    fault, bad = delivered[0], delivered[1]
    check(fault.group(2, 3, 4, 5, 6, 9, 11, 12) == ("0e", "0000", "0", "0", "0008", "0010", "CR2", "003ff123"), fault[0])
    check(int(fault[7], 16) == AT["faulting"] == int(fault[8], 16), fault[0])
    check(bad[2] == "0d" and int(bad[7], 16) == AT["bad_msr"] and bad[11] == "EAX", bad[0])
    calls = [m for m in delivered if m[2] == "80"]
    check(len(calls) == 5, "all five INT 80h: %d" % len(calls))
    for m in calls:
        check(m.group(4, 5, 6, 9) == ("1", "3", "001b", "0023") and int(m[7], 16) == AT["system_call"], m[0])
        check(int(m[10], 16) == AT["stack3_top"], m[0])
    ticks = [m for m in delivered if m[2] == "20"]
    check(len(ticks) >= 2 and len(having(lines, "^Servicing hardware INT=0x20$")) >= len(ticks), "\n".join(lines))


def test_exec():
    lines = trace_translated("^Trace 0", "exec", *KERNEL)
    blocks = having(lines, r"^Trace 0: 0x[0-9a-f]+ \[[0-9a-f]{8}/[0-9a-f]{8}/[0-9a-f]+\]$")
    single = having(lines, r"^interp \[[0-9a-f]{8}/[0-9a-f]{8}\] \w+$")
    check(len(lines) == len(blocks) + len(single), "\n".join(lines[:100]))
    for name, times in ("far_target", 1), ("gate_target", 1), ("user", 1), ("at_gate", 1), ("loop_end", 1):
        seen = len(having(lines, "/%08x[]/]" % AT[name]))
        check(seen >= times or (translates and name == "loop_end"), "%s: %d times" % (name, seen))
    first = next(n for n, line in enumerate(lines) if "/%08x" % AT["user"] in line)
    entered = having(lines[first:], "/%08x[]/]" % AT["on_call"]) # once more where an access traps
    check(5 <= len(entered) <= 8, "every call's block is there, linked or not: %s" % entered)


def test_filter():
    """Only what is asked for, in each of the three ways to say it."""
    at = AT["on_call"]
    for said in "%#x..%#x" % (at, at), "%d+1" % at, "%#x-1" % at, "0x7..0x8,%#x..%#x,0x80000000+0x1000" % (at, at):
        lines = trace("exec", "-dfilter", said)
        check(5 <= len(lines) <= 8 and having(lines, "/%08x[]/]" % at) == lines, "%s: %s" % (said, lines))
    lines = trace_translated("^block eip", "in_asm,out_asm", "-dfilter", "%#x+1" % at)
    if translates:
        check(having(lines, r"^block eip %08x" % at) and having(lines, r"inc dword ptr") and having(lines, r"^   \|"), "\n".join(lines))
    check(having(lines, "^block eip") == having(lines, "^block eip %08x" % at), "\n".join(lines))
    check(trace("exec", "-dfilter", "0x80000000..0xefffffff") == [], "nothing is there")


def test_mmu():
    lines = trace_translated("^(fill|table) va 0020[0-7]000: .*pa 0020[0-7]000 rw", "mmu")
    check(having(lines, "^CR0 update: CR0=8000001[1-9]$"), "\n".join(lines))
    check(len(having(lines, "^CR3 update: CR3=%08x$" % AT["page_directory"])) == 2, "\n".join(lines))
    check(having(lines, "^page fault 003ff123 e=0000 at 0008:%08x cpl=0$" % AT["faulting"]), "\n".join(lines))


def test_pcall():
    lines = trace("pcall")
    for pattern in ("^ljmp 0008:[0-9a-f]{8} s=1 from 0010:",
                    "^lcall 0008:%08x s=1 from 0008:%08x SP=0010:[0-9a-f]{8} cpl=0$" % (AT["far_target"], AT["far_calls"]),
                    "^lcall 0030:00000000 s=1 from 0008:%08x " % AT["at_gate"],
                    "^gate 0008:%08x s=1 from 0008:%08x " % (AT["gate_target"], AT["at_gate"]),
                    "^lret new 0008:%08x s=1 from 0008:%08x " % (AT["at_gate"], AT["far_target"]),
                    "^gate v=0e new 0008:%08x s=1 SP=0010:[0-9a-f]{8} cpl=0$" % AT["on_pf"],
                    "^iret new 001b:%08x s=1 from 0008:" % AT["user"]):
        check(having(lines, pattern), "%s in\n%s" % (pattern, "\n".join(lines)))
    check(len(having(lines, "^gate v=80 new 0008:%08x s=1 SP=0010:%08x cpl=0$" % (AT["on_call"], AT["stack0_top"] - 20))) == 5,
          "\n".join(lines))
    check(len(having(lines, "^iret new 001b:.* cpl=0$")) == 6, "\n".join(lines))


def test_devices():
    lines = trace("unimp,guest_errors")
    check("port 5678: nobody there" in lines and "rdmsr 12345: no such register" in lines, "\n".join(lines))
    lines = trace("io")
    check("in   5678 1 -> ff  nobody" in lines and having(lines, "^out  00f4 1 <- 01  "), "\n".join(lines))


def test_events():
    """What a person does, as lines with guest time, each once and in order; and nothing else."""
    path, mon, qmp, com = (folder + "/" + name for name in ("events", "emon", "eqmp", "ecom"))
    vm = Vm([ring3, "-display", "none", "-kernel", probe, "-append", "work", "-d", "events", "-D", path, "-nic", "none", "-S",
             "-serial", "unix:%s,server=on,wait=off" % com, "-monitor", "unix:%s,server=on,wait=off" % mon,
             "-qmp", "unix:%s,server=on,wait=off" % qmp, *options])
    runs, end, line = False, deadline(20), socket.socket(socket.AF_UNIX)
    while not runs and time.monotonic() < end:
        try:
            monitor(mon, "cont")
            runs = True
        except OSError: # it does not listen yet
            time.sleep(0.02)
    line.connect(com)
    line.sendall(b"hello")
    end = deadline(20)
    while "line: serial 0" not in monitor(mon, "log events") + open(path).read() and time.monotonic() < end:
        time.sleep(0.02)
    asked = socket.socket(socket.AF_UNIX)
    asked.connect(qmp)
    with asked.makefile("rw") as q:
        q.readline()
        for text in ('{"execute": "qmp_capabilities"}', '{"execute": "input-send-event", "arguments": {"events": '
                     '[{"type": "rel", "data": {"axis": "x", "value": 7}}]}}'):
            q.write(text + "\n")
            q.flush()
            while '"return"' not in q.readline():
                pass
    for words in ("mouse_move 3 -2", "o /b 0x80 0x5a", "info status", "speed 100", "sendkey shift-a 1"):
        monitor(mon, words)
    end = deadline(20)
    while len(re.findall("sendkey: key (a|shift) up", monitor(mon, "info status") + open(path).read())) < 2 and time.monotonic() < end:
        time.sleep(0.02)
    monitor(mon, "eject ide1-cd0")
    monitor(mon, "stop")
    monitor(mon, "quit")
    vm.expect_exit(0)
    lines = open(path).read().split("\n")[:-1]
    found = [re.match(r"event (\d+) at (\d+\.\d{9}) s, (.*)$", one) for one in lines]
    check(all(found), "\n".join(lines))
    check([m[3] for m in found] == ["monitor: cont", 'line: serial 0: 5 bytes "hello"', "qmp: mouse +7 +0, wheel +0, buttons 0",
                                    "monitor: mouse +3 -2, wheel +0, buttons 0", "monitor: port written 0080: 5a",
                                    "monitor: speed 100 MHz", "sendkey: key shift down", "sendkey: key a down", "sendkey: key a up",
                                    "sendkey: key shift up", "monitor: medium ide1-cd0: taken out", "monitor: stop", "monitor: quit"],
          "\n".join(lines))
    check([int(m[1]) for m in found] == list(range(1, len(found) + 1)), "they are numbered")
    times = [float(m[2]) for m in found]
    check(times == sorted(times) and times[8] - times[7] >= 0.001, "in guest time: %s" % times)


def test_together():
    """In the order in which it happens."""
    lines = trace("int,exec,mmu,pcall,unimp,guest_errors", *KERNEL)
    order = ["CR3 update", "page fault 003ff123", ": v=0e .* IP=0008", "lcall 0008:", "lcall 0030:", "port 5678", "rdmsr 12345", ": v=0d .* IP=0008",
             ": v=20 .* IP=0008", ": v=80 .* IP=001b", ": v=81 "]
    first = [next((n for n, line in enumerate(lines) if re.search(word, line)), None) for word in order]
    check(None not in first and first == sorted(first), "%s\n%s" % (first, "\n".join(lines)))


def test_full_disk():
    """Once a sentence, and the guest runs on."""
    if not os.path.exists("/dev/full"):
        return
    vm = Vm([ring3, "-display", "none", "-kernel", probe, "-append", "work", "-d", "io,exec", "-D", "/dev/full", "-monitor", "stdio", *options])
    vm.expect("the trace is cut")
    vm.send("info status\nquit\n")
    vm.expect_exit(1)
    check("VM status: running" in vm.output, vm.output)
    check(vm.output.count("the trace is cut") == 1 and "ring3: the trace is cut: the file takes no more: No space left on device" in vm.output, vm.output)


def test_monitor():
    """log and logfile in a running machine; the guest goes on, at its speed when it is over."""
    mon, one, two, three = (folder + "/" + name for name in ("mon", "one", "two", "three"))
    vm = Vm([ring3, "-display", "none", "-kernel", probe, "-append", "work", "-d", "cpu_reset", "-D", one, "-monitor",
             "unix:%s,server=on,wait=off" % mon, *options])

    def counted():
        return int(re.search(r"300004: 0x(\w+)", monitor(mon, "xp /1xw 0x300004"))[1], 16)

    before, end = None, deadline(20)
    while before is None and time.monotonic() < end:
        try:
            before = counted()
        except OSError: # it does not listen yet
            time.sleep(0.02)
    monitor(mon, "logfile " + two)
    monitor(mon, "log exec")
    end = deadline(20)
    while os.path.getsize(two) < 10000 and time.monotonic() < end:
        time.sleep(0.02)
        check("exec           (on) " in monitor(mon, "log help"), "it is on")
    monitor(mon, "log none")
    size = os.path.getsize(two)
    lines = open(two).read().split("\n")
    check(size >= 10000 and all(re.match(r"Trace 0: |interp ", line) for line in lines[:-1]), lines[:5])
    monitor(mon, "logfile " + three)
    monitor(mon, "log int")
    monitor(mon, "system_reset")
    monitor(mon, "log cpu_reset")
    monitor(mon, "system_reset")
    end = deadline(20)
    while not having(open(three).read().split("\n"), "^reset at") and time.monotonic() < end:
        time.sleep(0.05)
        monitor(mon, "info status")
    check(os.path.getsize(two) == size, "nothing more comes to a file that is left")
    check(having(open(three).read().split("\n"), "^reset at"), open(three).read())
    check(open(one).read() == "", "nor to the first")
    end = deadline(20)
    while counted() == before and time.monotonic() < end:
        time.sleep(0.05)
    check(counted() != before, "the guest counts")
    vm.signal(15)
    vm.expect_exit(143)


def test_monitor_refuses():
    vm = Vm([ring3, "-display", "none", "-kernel", probe, "-append", "spin", "-monitor", "stdio", *options])
    for said, answer in (("log int,nonsense", "Error: log: there is no item 'nonsense'; 'log help' lists them"),
                         ("log ,", "Error: log: there is no item ''"), ("log stats", "Error: stats counts from the start on"),
                         ("log", "items expected"), ("logfile /none/there", "Error: logfile /none/there: No such file or directory"),
                         ("log int exec", "")):
        vm.send(said + "\n")
        vm.expect(re.escape(answer) + r"[\s\S]*\(ring3\) ")
    vm.send("quit\n")
    vm.expect_exit(0)


main(lambda: run_tests(globals()))
