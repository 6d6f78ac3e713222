#!/usr/bin/env python3
"""qmp.py RING3 VIDEO_FLOPPY PROBE - a program drives the machine by QEMU's Machine Protocol: a whole session, its errors,
events, clients that send nonsense, come and go."""
import json
import os
import select
import socket
import sys
import tempfile
import time

from vm import Vm, check, deadline, free_port, main, run_tests

ring3, floppy, probe = sys.argv[1:4]
folder = tempfile.mkdtemp(prefix="ring3-")
path = folder + "/qmp"
CRLF = b"\r\n"


class Refused(Exception):
    pass


class Client:
    """One that speaks the protocol as it is published: a text a line, events at any time."""

    def __init__(self, vm, address=path, family=socket.AF_UNIX, negotiate=True):
        self.vm, self.bytes, self.events, self.number = vm, b"", [], 0
        end = deadline(10)
        while True:
            self.socket = socket.socket(family)
            try:
                self.socket.connect(address)
                break
            except OSError:
                check(time.monotonic() < end, "no connection to %s" % (address,))
                time.sleep(0.05)
        self.greeting = self.take()
        if negotiate:
            self.run("qmp_capabilities")

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else json.dumps(data).encode() + b"\n")

    def take(self, timeout=60):
        """The next text, whatever it is; None at the end."""
        end = deadline(timeout)
        while CRLF not in self.bytes:
            if not select.select([self.socket], [], [], 0.2)[0]:
                if time.monotonic() > end:
                    self.vm.fail("nothing comes; there is %r" % self.bytes)
                continue
            piece = self.socket.recv(65536)
            if not piece:
                check(not self.bytes, "half a text at the end: %r" % self.bytes)
                return None
            self.bytes += piece
        line, self.bytes = self.bytes.split(CRLF, 1)
        return json.loads(line.decode())

    def answer(self, timeout=60):
        while True:
            got = self.take(timeout)
            check(got is not None, "the connection ends")
            if "event" not in got:
                return got
            stamp = got["timestamp"]
            check(abs(stamp["seconds"] - time.time()) < 3600 and 0 <= stamp["microseconds"] < 1000000, "time of %r" % got)
            self.events.append(got)

    def run(self, command, patience=60, **arguments):
        self.number += 1
        request = {"execute": command, "id": self.number}
        if arguments:
            request["arguments"] = {name.replace("_", "-"): value for name, value in arguments.items()}
        self.send(request)
        got = self.answer(patience)
        check(got.get("id") == self.number, "the id of %r is not %d" % (got, self.number))
        if "error" in got:
            raise Refused(got["error"]["class"], got["error"]["desc"])
        return got["return"]

    def refused(self, command, kind="GenericError", **arguments):
        try:
            got = self.run(command, **arguments)
        except Refused as e:
            check(e.args[0] == kind, "%s: %r" % (command, e.args))
            return e.args[1]
        self.vm.fail("%s %r is not refused: %r" % (command, arguments, got))

    def event(self, name, timeout=20):
        """Wait for an event, and forget those before."""
        end = deadline(timeout)
        while True:
            while self.events:
                got = self.events.pop(0)
                if got["event"] == name:
                    return got.get("data")
            got = self.take(timeout)
            check(got is not None and time.monotonic() < end, "no event %s" % name)
            self.events.append(got)

    def close(self):
        self.socket.close()


def start(*args):
    return Vm([ring3, "-display", "none", "-qmp", "unix:%s,server=on,wait=off" % path, *args])


def qcode(name):
    return {"type": "qcode", "data": name}


def press(name, down):
    return {"type": "key", "data": {"down": down, "key": qcode(name)}}


# --- a whole session ---

def test_session():
    vm = start("-m", "32", "-fda", floppy, "-snapshot", "-name", "n\u00e4me", "-uuid", "00112233-4455-6677-8899-aabbccddeeff")
    c = Client(vm, negotiate=False)
    greeting = c.greeting["QMP"]
    check(greeting["capabilities"] == [] and greeting["version"]["package"].startswith("ring3 ")
          and set(greeting["version"]["qemu"]) == {"major", "minor", "micro"}, "greeting: %r" % greeting)
    check("capabilities negotiation" in c.refused("query-status", "CommandNotFound"), "the greeting is not answered first")
    c.refused("qmp_capabilities", enable=["oob"])
    check(c.run("qmp_capabilities", enable=[]) == {}, "qmp_capabilities")
    c.refused("qmp_capabilities", "CommandNotFound")
    names = {word["name"] for word in c.run("query-commands")}
    check({"query-status", "stop", "cont", "quit", "wait-for", "human-monitor-command"} <= names, "commands: %r" % names)
    check(c.run("query-version") == greeting["version"], "query-version")
    check(c.run("query-name") == {"name": "n\u00e4me"}, "query-name: %r" % c.run("query-name"))
    check(c.run("query-memory-size-summary") == {"base-memory": 32 << 20}, "query-memory-size-summary")
    check(c.run("query-uuid") == {"UUID": "00112233-4455-6677-8899-aabbccddeeff"}, "query-uuid")
    check(c.run("query-kvm") == {"enabled": False, "present": False} and c.run("query-target") == {"arch": "i386"}, "kvm")
    cpus = c.run("query-cpus-fast")
    check(len(cpus) == 1 and cpus[0]["cpu-index"] == 0 and os.path.exists("/proc/%d" % cpus[0]["thread-id"]), "cpus: %r" % cpus)
    # The screen: wait for it, look at it, type.
    check(c.run("wait-for", text="Booting from", timeout=60) == {}, "wait-for")
    c.run("send-key", keys=[qcode("spc")], hold_time=20)
    c.run("wait-for", text="TTY")
    began = time.monotonic()
    check("did not come" in c.refused("wait-for", text="nothing", timeout=1) and time.monotonic() - began > 0.9, "time limit")
    screen = c.run("query-screen")
    check(screen["rows"] == 25 and screen["columns"] == 80 and not screen["graphics"] and len(screen["text"]) == 25
          and "♥" in screen["text"][1], "query-screen: %r" % screen)
    said = c.run("human-monitor-command", command_line="info screen")
    check(said.split("\n")[:25] == screen["text"], "info screen: %r" % said)
    check(c.run("human-monitor-command", command_line="wait-for TTY 5") == "", "wait-for as a line")
    check("did not come" in c.run("human-monitor-command", command_line="wait-for nothing 1"), "... with its time limit")
    check(c.run("human-monitor-command", command_line="bogus").startswith("unknown command"), "a line that is no word")
    c.run("input-send-event", events=[press("spc", True), press("spc", False)])
    # Memory, pictures.
    c.run("pmemsave", val=0xffff0, size=16, filename=folder + '/me "m"')
    check(open(folder + '/me "m"', "rb").read()[0] == 0xea, "the reset vector is no far jump")
    c.run("screendump", filename=folder + "/s.png", format="png")
    check(open(folder + "/s.png", "rb").read(4) == b"\x89PNG", "no PNG")
    check("No such file" in c.refused("screendump", filename=folder + "/none/x.ppm"), "a folder that is not there")
    # Drives.
    drives = {d["device"]: d for d in c.run("query-block")}
    check(drives["floppy0"]["inserted"]["image"]["virtual-size"] == 1474560 and drives["ide1-cd0"]["removable"], "%r" % drives)
    c.run("eject", device="floppy0")
    drives = {d["device"]: d for d in c.run("query-block")}
    check("inserted" not in drives["floppy0"], "eject")
    c.run("blockdev-change-medium", id="floppy0", filename=floppy, format="raw", read_only_mode="read-only")
    drives = {d["device"]: d for d in c.run("query-block")}
    check(drives["floppy0"]["inserted"]["file"] == floppy and drives["floppy0"]["inserted"]["ro"], "change: %r" % drives)
    check("not found" in c.refused("eject", device="floppy9"), "a drive that is not there")
    c.refused("eject")
    c.refused("eject", device="floppy0", id="floppy0")
    # Run states and events.
    check(c.run("query-status") == {"running": True, "singlestep": False, "status": "running"}, "query-status")
    c.events = []
    c.run("stop")
    c.event("STOP")
    check(c.run("query-status")["status"] == "paused", "stop")
    check("did not come" in c.refused("wait-for", text="nothing", timeout=1), "time limit while the machine is held")
    c.send({"execute": "wait-for", "arguments": {"text": "nothing", "timeout": 1}, "id": "waits"})
    time.sleep(0.3)
    c.send({"execute": "query-status", "id": "meanwhile"}) # nothing else wakes the machine afterwards
    check([c.answer()["id"] for _ in range(2)] == ["waits", "meanwhile"], "a request that came while another waited")
    c.run("cont")
    c.event("RESUME")
    c.run("system_reset")
    check(c.event("RESET") == {"guest": False, "reason": "host-qmp-system-reset"}, "reset")
    check("power button" in c.refused("system_powerdown"), "nobody listens to the power button")
    c.run("inject-nmi")
    c.run("quit")
    check(c.event("SHUTDOWN") == {"guest": False, "reason": "host-qmp-quit"}, "quit")
    vm.expect_exit(0)


def test_guest_events():
    """What the guest does by itself is told as such."""
    vm = start("-kernel", probe, "-append", "once reset=kbc", "-S")
    c = Client(vm)
    check(c.run("query-status")["status"] == "prelaunch", "-S")
    c.run("cont")
    check(c.event("RESET") == {"guest": True, "reason": "guest-reset"}, "the guest's reset")
    check(c.event("SHUTDOWN")["guest"], "the guest's end")
    vm.wait()
    vm = start("-kernel", probe, "-append", "off", "-S", "-no-shutdown")
    c = Client(vm)
    c.run("cont")
    check(c.event("SHUTDOWN") == {"guest": True, "reason": "guest-shutdown"}, "power off")
    c.event("STOP")
    check(c.run("query-status")["status"] == "shutdown", "after power off")
    check("Resetting" in c.refused("cont"), "cont after power off")
    vm.signal(15)
    check(c.event("SHUTDOWN") == {"guest": False, "reason": "host-signal"}, "a signal")
    vm.wait()


# --- errors, nonsense ---

def test_errors():
    vm = start("-kernel", probe, "-append", "halt")
    c = Client(vm)
    check("bogus" in c.refused("bogus", "CommandNotFound"), "an unknown command")
    check("'filename' is missing" in c.refused("screendump"), "a missing argument")
    check("'x' is unexpected" in c.refused("stop", x=1), "an unknown argument")
    check("expected: string" in c.refused("screendump", filename=7), "a wrong type")
    check("expected: integer" in c.refused("pmemsave", val=1.5, size=1, filename="x"), "a wrong number")
    for keys in ([qcode("bogus")], [qcode("0x39")], [{"type": "qcode"}], [{"type": "number", "data": 256}], [7], [qcode("a")] * 17):
        c.refused("send-key", keys=keys)
    for event in ({}, 5, {"type": "abs", "data": {"axis": "x", "value": 1}}, {"type": "rel", "data": {"axis": "z", "value": 1}},
                  {"type": "rel", "data": {"axis": "x", "value": 10 ** 12}}, {"type": "btn", "data": {"down": True, "button": "no"}},
                  {"type": "key", "data": {"down": True}}):
        c.refused("input-send-event", events=[event])
    check(c.run("query-mice") == [{"name": "PS/2 Mouse", "index": 0, "current": True, "absolute": False}], "no driver asks for places")
    c.run("input-send-event", events=[{"type": "rel", "data": {"axis": "x", "value": -5}},
                                      {"type": "btn", "data": {"down": True, "button": "left"}},
                                      {"type": "btn", "data": {"down": False, "button": "left"}}])
    for timeout in (-1, 10 ** 15):
        c.refused("wait-for", text="x", timeout=timeout)
    c.refused("wait-for", text="")
    c.refused("wait-for", text="x" * 256)
    c.refused("pmemsave", val=0, size=-1, filename=folder + "/x")
    c.refused("screendump", filename="x" * 5000)
    for data, why in ((b"[1]\n", "must be a JSON object"), (b"{}\n", "lacks member 'execute'"),
                      (b'{"execute": 5}\n', "must be a string"), (b'{"execute": "stop", "arguments": 5}\n', "must be an object"),
                      (b'{"execute": "stop", "more": 5}\n', "'more' is unexpected"), (b"hello\n", "JSON parse error"),
                      (b'{"execute": "sto\n', "JSON parse error"), (b'{"execute": "\xff\xff{"execute" x\n', "a colon is expected"),
                      (b"[" * 100 + b"\n", "nested too deeply"), (b"\x00\x01\x02\n", "JSON parse error"),
                      (b'{"x": "' + b"y" * 100000 + b'"}\n', "too long")):
        c.send(data)
        got = c.answer()
        check(got["error"]["class"] == "GenericError" and why in got["error"]["desc"], "%r: %r" % (data[:60], got))
        check(c.run("query-status")["running"], "after %r" % data[:60])
    # Any id comes back; several requests in one piece, and one in many.
    for number in (None, 1.5, "\u00e4\"", [1, {"a": [True]}], {}):
        c.send({"execute": "query-status", "id": number})
        got = c.answer()
        check("id" in got and got["id"] == number, "id %r: %r" % (number, got))
    c.send(b"".join(b'{"execute": "query-status", "id": %d}' % n for n in range(200)))
    check([c.answer()["id"] for n in range(200)] == list(range(200)), "several in a row")
    for byte in b'{ "execute" :\n "query-\\u0073tatus" ,\t"id": 7 }':
        c.send(bytes([byte]))
    check(c.answer()["id"] == 7, "a request in pieces")
    c.run("quit")
    vm.expect_exit(0)


def test_clients():
    vm = start("-kernel", probe, "-append", "halt")
    c = Client(vm)
    c.send({"execute": "wait-for", "arguments": {"text": "nothing", "timeout": 600}, "id": "old"})
    time.sleep(0.3)
    c.close()
    c = Client(vm, negotiate=False) # gets nothing of what the other one asked for
    check("QMP" in c.greeting, "greeting: %r" % c.greeting)
    c.refused("query-status", "CommandNotFound")
    c.run("qmp_capabilities")
    c.close()
    c = Client(vm) # sends all at once and reads later
    c.send(b'{"execute": "wait-for", "arguments": {"text": "nothing", "timeout": 1}, "id": 1}\n{"execute": "query-status", "id": 2}\n')
    c.socket.shutdown(socket.SHUT_WR)
    check("error" in c.answer() and c.answer()["id"] == 2, "answers after the client's last word")
    check(c.take() is None, "the connection ends")
    # One that reads nothing is sent away; the machine goes on.
    c = Client(vm)
    c.socket.setblocking(False)
    request, end, gone = b'{"execute": "human-monitor-command", "arguments": {"command-line": "help"}}\n' * 20, deadline(60), False
    while not gone:
        check(time.monotonic() < end, "a client that reads nothing is kept")
        try:
            c.socket.send(request)
        except BlockingIOError:
            time.sleep(0.1)
        except OSError:
            gone = True
    c = Client(vm)
    check(c.run("query-status")["running"], "the machine does not go on")
    c.run("quit")
    vm.expect_exit(0)


def test_what_who_left_has_sent():
    """Requests behind one that waits are nobody's when their client has gone: more of them than fit into ring3."""
    vm = start("-kernel", probe, "-append", "halt")
    c = Client(vm)
    c.send(b'{"execute": "wait-for", "arguments": {"text": "nothing", "timeout": 600}}\n' + b'{"execute": "stop"}\n' * 400 + b'{"execute": "quit"}\n')
    time.sleep(0.3)
    c.close()
    c = Client(vm)
    check(c.run("query-status")["running"], "what another one had sent was carried out")
    c.send({"execute": "wait-for", "arguments": {"text": "nothing", "timeout": 600}})
    c.send(b'{"execute": "half of')
    time.sleep(0.3)
    c.close()
    c = Client(vm)
    check(c.run("query-status")["running"] and not c.events, "it goes on where another one had begun: %r" % c.events)
    c.run("quit")
    vm.expect_exit(0)


def test_tcp():
    port = free_port()
    vm = Vm([ring3, "-display", "none", "-kernel", probe, "-append", "halt", "-qmp", "tcp:127.0.0.1:%d,server=on,wait=off" % port])
    c = Client(vm, ("127.0.0.1", port), socket.AF_INET)
    check(c.run("query-status")["running"], "query-status by TCP")
    c.run("quit")
    vm.expect_exit(0)


def test_hostile():
    """Random bytes in the middle of requests, for a while; then it is asked properly."""
    import random
    random.seed(5)
    vm = start("-kernel", probe, "-append", "halt")
    text = b'{"execute": "send-key", "arguments": {"keys": [{"type": "qcode", "data": "a"}]}, "id": {"x": [1, null]}}\n'
    for _ in range(20):
        c = Client(vm)
        for _ in range(100):
            data = bytearray(text)
            for _ in range(random.randrange(6)):
                data[random.randrange(len(data))] = random.randrange(256)
            c.send(bytes(data))
            while select.select([c.socket], [], [], 0)[0]:
                c.socket.recv(65536)
        c.close()
    c = Client(vm)
    check(c.run("query-status")["running"], "after random bytes")
    c.run("quit")
    vm.expect_exit(0)


main(lambda: run_tests(globals(), sys.argv[4:]))
