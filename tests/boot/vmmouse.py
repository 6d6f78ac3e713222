#!/usr/bin/env python3
"""vmmouse.py RING3 GUEST-SCRIPT GUEST-DIR - Debian's kernel with its own driver for VMware's pointer: what a viewer points at is
what /dev/input tells, to a pixel; buttons and wheel; a pause leaves no lag; the PS/2 mouse when it is asked for.
"""
import json
import os
import re
import socket
import struct
import subprocess
import sys
import tempfile
import time

from rfb import MOTION, NEW_SIZE, RAW, Rfb
from vm import Vm, check, main, monitor, skip

ring3, script, folder = sys.argv[1:4]
PROMPT = r"guest# "
MAX = 65535
EV_KEY, EV_REL, EV_ABS = 1, 2, 3
BTN_LEFT, REL_WHEEL = 0x110, 8


def guest():
    made = subprocess.run([script, folder], stderr=subprocess.PIPE)
    if made.returncode == 77:
        skip(made.stderr.decode().strip().split("\n")[-1])
    check(made.returncode == 0, "no guest: " + made.stderr.decode())
    return folder + "/vmlinuz", folder + "/initramfs-net.gz"


def command(vm, text, pattern, timeout=60):
    vm.send(text + "\r")
    found = vm.expect(pattern, timeout)
    vm.expect(PROMPT, 20)
    return found


def qmp(path, execute, **arguments):
    """What a command returns, or the error's sentence."""
    with socket.socket(socket.AF_UNIX) as s, s.makefile("rw") as f:
        s.connect(path)
        f.readline()
        for request in {"execute": "qmp_capabilities"}, {"execute": execute, "arguments": arguments}:
            f.write(json.dumps(request) + "\n")
            f.flush()
            answer = json.loads(f.readline())
        return answer["return"] if "return" in answer else answer["error"]["desc"]


def expected(at, size):
    return (at * MAX + (size - 1) // 2) // (size - 1)


def test():
    kernel, initrd = guest()
    if not os.path.exists(os.path.join(os.path.dirname(ring3), "ring3-vnc")):
        skip("built without libvncserver")
    with tempfile.TemporaryDirectory() as place:
        run(kernel, initrd, place)


def run(kernel, initrd, place):
    vm = Vm([ring3, "-m", "256", "-kernel", kernel, "-initrd", initrd, "-append", "console=ttyS0 quiet", "-serial", "stdio",
             "-cpu", "default,+hypervisor", "-vnc", "unix:%s/vnc" % place, "-monitor", "unix:%s/monitor,server=on,wait=off" % place,
             "-qmp", "unix:%s/qmp,server=on,wait=off" % place],
            tty=True)
    def do(text):
        return monitor(place + "/monitor", text)
    vm.expect("GUEST-READY", 120)
    vm.expect(PROMPT, 20)
    command(vm, "stty -echo; dmesg | grep -i hypervisor", "Hypervisor detected: VMware")
    check("vmmouse" not in do("info mice"), "a pointer without a driver")
    command(vm, "insmod /net/evdev.ko; insmod /net/psmouse.ko; sleep 3; grep -H . /sys/class/input/input*/name", r"VirtualPS/2 VMware VMMouse")
    found = command(vm, "for e in /sys/class/input/event*; do echo $(cat $e/device/name) = $(basename $e) =; done; echo en''d",
                    r"VMMouse = (event\d+) =[\s\S]*VMMouse = (event\d+) =[\s\S]*end")
    mice = do("info mice")
    check("* Mouse #1: vmmouse (absolute)" in mice, mice)
    v = Rfb(place + "/vnc", encodings=(RAW, NEW_SIZE, MOTION))
    v.wait(lambda v: v.signs.get(MOTION) == 1 and v.sent_pixels, "the sign that places are wanted")
    size = v.width, v.height
    vm.send("cd /dev/input; for e in %s %s; do hexdump -v -C $e & done\r" % found.groups())
    time.sleep(1)

    def events():
        """(kind, code, value) of what has come since the last call."""
        nonlocal seen
        while vm.read(0.2):
            pass
        text, seen = vm.output[seen:], len(vm.output)
        lines = re.findall(r"[0-9a-f]{8} ((?: +[0-9a-f]{2}){16})  \|", text) # time (8 bytes), kind, code, value
        return [struct.unpack("<HHi", bytes.fromhex(line)[8:]) for line in lines]

    seen = 0
    place_now = [None, None]
    buttons = []
    wheel = 0
    def follow():
        nonlocal wheel
        for kind, code, value in events():
            if kind == EV_ABS:
                place_now[code] = value
            elif kind == EV_KEY:
                buttons.append((code, value))
            elif (kind, code) == (EV_REL, REL_WHEEL):
                wheel += value
    events()
    for x, y in (1, 1), (719, 399), (0, 0), (360, 200), (17, 391), (18, 391), (18, 390):
        v.pointer(x, y)
        time.sleep(0.05)
        follow()
        want = [expected(x, size[0]), expected(y, size[1])]
        check(place_now == want, "at (%d, %d) the guest is told %s, not %s" % (x, y, place_now, want))
    v.pointer(18, 390, 1)
    v.pointer(18, 390, 0)
    v.pointer(18, 390, 8)
    v.pointer(18, 390, 0)
    v.pointer(18, 390, 16)
    v.pointer(18, 390, 0)
    v.pointer(18, 390, 16)
    v.pointer(18, 390, 0)
    time.sleep(0.3)
    follow()
    check(buttons == [(BTN_LEFT, 1), (BTN_LEFT, 0)], "a click is %s" % buttons)
    check(wheel == -1, "one notch up and two down are %d" % wheel)
    do("stop") # circling while nobody reads: no lag, and the last place is the one
    for n in range(2000):
        v.pointer(n % 700, n % 390)
    v.pointer(99, 77)
    time.sleep(0.3)
    do("cont")
    time.sleep(0.3)
    many = events()
    last = {code: value for kind, code, value in many if kind == EV_ABS}
    check((last.get(0), last.get(1)) == (expected(99, size[0]), expected(77, size[1])), "after the pause: %s" % last)
    check(len(many) < 50, "%d events are told behind a pause" % len(many))
    def place_event(axis, value):
        return {"type": "abs", "data": {"axis": axis, "value": value}}

    def press(down):
        return {"type": "btn", "data": {"button": "left", "down": down}}
    absolute = qmp(place + "/qmp", "query-mice")
    check([(m["name"], m["current"], m["absolute"]) for m in absolute] == [("PS/2 Mouse", False, False), ("vmmouse", True, True)],
          "query-mice: %s" % absolute)
    buttons.clear()
    for x, y in (0, 0), (0x7fff, 0x7fff), (1234, 31000):
        check(qmp(place + "/qmp", "input-send-event", events=[press(True), place_event("x", x), place_event("y", y)]) == {}, "a click at a place")
        check(qmp(place + "/qmp", "input-send-event", events=[press(False)]) == {}, "... and its end")
        time.sleep(0.1)
        follow()
        want = [(v * MAX + 0x3fff) // 0x7fff for v in (x, y)]
        check(place_now == want, "by QMP at (%d, %d) the guest is told %s, not %s" % (x, y, place_now, want))
    check(buttons == [(BTN_LEFT, 1), (BTN_LEFT, 0)] * 3, "clicks by QMP are %s" % buttons)
    check(qmp(place + "/qmp", "input-send-event", events=[place_event("y", 99)]) == {}, "one axis")
    time.sleep(0.1)
    follow()
    check(place_now == [want[0], (99 * MAX + 0x3fff) // 0x7fff], "... leaves the other: %s" % place_now)
    check("0 to 32767" in qmp(place + "/qmp", "input-send-event", events=[place_event("y", 32768)]), "a place beyond the edge is refused")
    do("mouse_set 0")
    check("no places" in qmp(place + "/qmp", "input-send-event", events=[place_event("y", 1)]), "places for a mouse that moves are refused")
    check("* Mouse #0" in do("info mice"), do("info mice"))
    do("mouse_set 1")
    do("system_reset")
    check("vmmouse" not in do("info mice"), "a reset does not take the pointer back")
    do("quit")
    vm.expect_exit(0)


main(test)
