#!/usr/bin/env python3
"""vnc.py RING3 SCREENS PROBE VIDEO_TEST_IMG PART - the screen from afar (-vnc), seen by a viewer of our own (rfb.py).

PART is picture, input, password, hostile or options.
"""
import os
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

from guest import Guest
from rfb import EXTENDED_KEY, MOTION, NEW_SIZE, RAW, Rfb
from vm import Failed, check, children, deadline, skip

ring3, screens, probe, video_test, part = sys.argv[1:6]
SHIFT = 0xffe1
STEPS = 14 # of the video test: text and graphics of the VGA


class Machine(Guest):
    """A guest whose screen is at a socket in its folder."""
    def __init__(self, *args, vnc="", **more):
        self.number = random.randrange(1000, 50000)
        where = "127.0.0.1:%d,to=%d" % (self.number, self.number + 100) + vnc
        super().__init__(ring3, "-m", "32", "-vnc", where, *args, listened=True, **more)
        found = re.search(r"Server: 127.0.0.1:(\d+) \(ipv4\)", self.do("info vnc"))
        self.address = "127.0.0.1", int(found.group(1))

    def viewer(self, *args, **more):
        return Rfb(self.address, *args, **more)

    def same(self, viewer):
        return viewer.rgb() == self.picture()

    def wait_same(self, viewer, what, seconds=20):
        viewer.wait(self.same, "what screendump has: " + what, seconds)

    def server(self):
        return children(self.process.pid)["ring3-vnc"]

    def servers_of_viewers(self):
        pid = self.server()
        with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
            return [int(child) for child in f.read().split()]

    def wait_viewers(self, count):
        end = deadline(20)
        while self.do("info vnc").count("Client:") != count:
            check(time.monotonic() < end, "info vnc has not %d viewers: %s" % (count, self.do("info vnc")))
            time.sleep(0.05)

    def runs(self):
        """The machine goes on: its clock does, and its monitor answers."""
        began = time.monotonic()
        check("running" in self.do("info status"), "the machine does not run")
        check(time.monotonic() - began < 1, "the monitor took long")


def test_picture():
    for word, size in ("text", (720, 400)), ("13", (320, 200)), ("vbe32", (800, 600)):
        with Machine("-kernel", screens, "-append", word) as g:
            g.wait_serial("ready " + word)
            v = g.viewer()
            check((v.width, v.height) == size, "%s: %dx%d" % (word, v.width, v.height))
            g.wait_same(v, word)
            still = v.sent_pixels
            if word != "text": # whose cursor blinks
                v.ask()
                v.socket.settimeout(0.5)
                try:
                    v.update()
                    check(v.sent_pixels == still, "%s: a still picture was sent again" % word)
                except socket.timeout:
                    pass
            g.quit()


def test_resize():
    """Two viewers through the modes of the video test; one does not know that a picture can change its size."""
    with tempfile.TemporaryDirectory(prefix="ring3-vnc") as folder, \
            Machine("-fda", video_test, "-snapshot", "-debugcon", "file:" + folder + "/console") as g:
        a, b = g.viewer(), g.viewer(encodings=(RAW,))
        first = b.width, b.height
        def cut(picture): # to that size, with black beside it
            width, height, data = picture
            pixels, rows = min(width, first[0]), min(height, first[1])
            lines = [data[3 * width * y:3 * (width * y + pixels)] + bytes(3 * (first[0] - pixels)) for y in range(rows)]
            return first + (b"".join(lines) + bytes(3 * first[0] * (first[1] - rows)),)
        sizes, shown, end = set(), 0, deadline(60)
        while shown < STEPS:
            check(time.monotonic() < end, "only %d steps of the video test" % shown)
            with open(folder + "/console", errors="replace") as f:
                names = re.findall(r"^step (.*)\n", f.read(), re.M)
            if len(names) <= shown:
                time.sleep(0.02)
                continue
            g.wait_same(a, names[shown])
            b.wait(lambda v: v.rgb() == cut(g.picture()), "the same, cut to its size: " + names[shown])
            sizes.add((a.width, a.height))
            shown += 1
            g.do("sendkey spc")
        check(len(sizes) >= 5, "only these sizes came: %s" % sorted(sizes))
        g.wait_viewers(2)
        a.close()
        b.close()
        g.wait_viewers(0)
        g.quit()


def wait_bytes(g, kind, *bytes_):
    pattern = r"\s+".join("%s %08x" % (kind, b) for b in bytes_)
    at = len(g.serial_text)
    found = g.wait_serial(pattern, 20, g.seen)
    g.seen += found.end()
    return at


def test_keys():
    with Machine("-kernel", probe, "-append", "text keys spin") as g:
        g.wait_serial("keys")
        g.seen = len(g.serial_text)
        v = g.viewer(encodings=(RAW, NEW_SIZE, EXTENDED_KEY))
        v.press(ord("a"))
        wait_bytes(g, "key", 0x1e, 0x9e)
        v.press(SHIFT, ord("A"))
        wait_bytes(g, "key", 0x2a, 0x1e, 0x9e, 0xaa)
        v.press(ord("A")) # a viewer whose own layout needs no Shift: it is pressed for the moment
        wait_bytes(g, "key", 0x2a, 0x1e, 0xaa, 0x9e)
        v.press(SHIFT, ord("/")) # as on a German keyboard: lifted for the moment
        wait_bytes(g, "key", 0x2a, 0xaa, 0x35, 0x2a, 0xb5, 0xaa)
        v.press(0xff51)
        wait_bytes(g, "key", 0xe0, 0x4b, 0xe0, 0xcb)
        v.press(0xffc9)
        wait_bytes(g, "key", 0x58, 0xd8)
        v.wait(lambda v: EXTENDED_KEY in v.signs and v.sent_pixels, "the extended key event's sign")
        v.scancode(0x56, True) # the key beside the left Shift, which no keysym names
        v.scancode(0x56, False)
        wait_bytes(g, "key", 0x56, 0xd6)
        v.scancode(0x9d, True) # held when the viewer goes
        wait_bytes(g, "key", 0xe0, 0x1d)
        v.close()
        wait_bytes(g, "key", 0xe0, 0x9d)
        v = g.viewer()
        v.key(ord("x"), True)
        wait_bytes(g, "key", 0x2d)
        for pid in g.servers_of_viewers(): # its process dies
            os.kill(pid, signal.SIGKILL)
        wait_bytes(g, "key", 0xad)
        g.runs()
        g.quit()


def test_mouse():
    with Machine("-kernel", probe, "-append", "text keys spin") as g:
        g.wait_serial("keys")
        g.seen = len(g.serial_text)
        v = g.viewer()
        v.pointer(100, 100)
        time.sleep(0.1)
        v.pointer(120, 110)
        wait_bytes(g, "mouse", 0x28, 20, 0xf6) # 20 to the right, 10 down
        v.pointer(120, 110, 1)
        wait_bytes(g, "mouse", 0x09, 0, 0)
        v.close() # with the button down
        wait_bytes(g, "mouse", 0x08, 0, 0)
        v = g.viewer(encodings=(RAW, NEW_SIZE, MOTION)) # which tells movements
        v.wait(lambda v: MOTION in v.signs and v.sent_pixels, "the sign of pointer motion")
        check(v.signs[MOTION] == 0, "it says that places are wanted")
        v.pointer(0x7fff + 3, 0x7fff - 4)
        wait_bytes(g, "mouse", 0x08, 3, 4)
        check("* Mouse #0: PS/2 Mouse" in g.do("info mice"), g.do("info mice"))
        g.quit()


def test_two():
    with Machine("-kernel", probe, "-append", "text keys spin") as g:
        g.wait_serial("keys")
        g.seen = len(g.serial_text)
        a, b = g.viewer(), g.viewer()
        g.wait_viewers(2)
        g.wait_same(a, "the first viewer")
        g.wait_same(b, "the second viewer")
        a.press(ord("1"))
        wait_bytes(g, "key", 2, 0x82)
        b.press(ord("2"))
        wait_bytes(g, "key", 3, 0x83)
        g.quit()


def test_password():
    with Machine("-kernel", screens, "-append", "13", vnc=",password=on") as g:
        g.wait_serial("ready 13")
        check(g.viewer(password="").refused, "without a password set, an empty one is let in")
        check("nobody is let in" in g.do("info vnc"), g.do("info vnc"))
        try:
            g.viewer()
            check(False, "it does without a password")
        except Failed as e:
            check("security types" in str(e), str(e))
        check("Error" not in g.do("change vnc password secret"), "change vnc password: " + g.do("info vnc"))
        check(g.viewer(password="wrong").refused, "a wrong password is let in")
        v = g.viewer(password="secret")
        check(not v.refused, "the right password is refused")
        g.wait_same(v, "after the password")
        check("Error" not in g.do("set_password vnc another1"), "set_password")
        check(g.viewer(password="secret").refused, "the old password is let in")
        check(not g.viewer(password="another1").refused, "the new password is refused")
        g.wait_same(v, "who was in stays in")
        check("Error" in g.do("set_password spice x"), "a password for SPICE")
        g.do("set_password vnc \"\"")
        check(g.viewer(password="").refused, "an empty password is let in")
        check("Auth: vnc" in g.do("info vnc"), g.do("info vnc"))
        g.quit()
    with Machine("-kernel", screens, "-append", "13") as g:
        check("password=on" in g.do("change vnc password x"), "a password that nobody asks for")
        g.quit()


def rss_kib(pid):
    with open("/proc/%d/status" % pid) as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))


def test_stalled():
    """Four viewers ask and read nothing, the picture changes all the time: the fifth sees it, the machine runs on."""
    with Machine("-fda", video_test, "-boot", "a") as g:
        stalled = [g.viewer() for _ in range(4)]
        for v in stalled:
            v.socket.sendall(struct.pack(">BBHHHH", 3, 0, 0, 0, v.width, v.height) * 2000)
        g.wait_viewers(4)
        v = g.viewer()
        for _ in range(10):
            g.keys("spc")
            v.ask(False)
            v.update()
        g.do("stop")
        g.wait_same(v, "beside four that are stalled")
        g.do("cont")
        g.runs()
        for pid in g.servers_of_viewers():
            check(rss_kib(pid) < 64 << 10, "a stalled viewer has %d KiB" % rss_kib(pid))
        g.quit()


def garbage(g, rng):
    s = socket.create_connection(g.address)
    s.settimeout(2)
    kind = rng.randrange(4)
    try:
        if kind == 0: # from the first byte on
            s.sendall(rng.randbytes(rng.randrange(1, 5000)))
        else: # behind a greeting
            s.recv(12)
            s.sendall(b"RFB 003.008\n")
            s.recv(2)
            s.sendall(b"\1")
            s.recv(4)
            s.sendall(b"\1")
            s.recv(200)
            first = bytes([rng.choice((0, 2, 3, 4, 5, 6, 8, 10, 11, 14, 250, 251, 253, 254, 255))])
            if kind == 1:
                s.sendall(first + rng.randbytes(rng.randrange(1, 5000)))
            elif kind == 2: # the largest of everything
                s.sendall(first + b"\xff" * 5000)
            else: # pixel formats and areas that cannot be, then a picture of it
                s.sendall(b"\0\0\0\0" + rng.randbytes(16) + struct.pack(">BBHHHH", 3, 0, 0xffff, 0xffff, 0xffff, 0xffff) +
                          struct.pack(">BBHHHH", 3, 0, 0, 0, 0xffff, 0xffff))
        if rng.randrange(2):
            s.recv(1000)
    except OSError:
        pass
    return s


def test_garbage():
    rng = random.Random(1)
    with Machine("-kernel", screens, "-append", "13") as g:
        g.wait_serial("ready 13")
        server = g.server()
        kept = []
        for n in range(80):
            kept.append(garbage(g, rng))
            if len(kept) > 10:
                kept.pop(0).close()
        g.runs()
        for s in kept:
            s.close()
        g.wait_viewers(0)
        check(g.server() == server, "another ring3-vnc")
        v = g.viewer()
        g.wait_same(v, "after the garbage")
        g.quit()


def test_crowd():
    """As many as there is room for; the next waits until one goes."""
    with Machine("-kernel", screens, "-append", "13") as g:
        g.wait_serial("ready 13")
        crowd = [g.viewer() for _ in range(16)]
        late = socket.create_connection(g.address)
        late.settimeout(0.3)
        try:
            check(False, "a seventeenth viewer hears %r" % late.recv(12))
        except socket.timeout:
            pass
        crowd[3].close()
        late.settimeout(20)
        check(late.recv(12) == b"RFB 003.008\n", "who waits is not let in when one has gone")
        g.runs()
        g.quit()


def test_confined():
    """What the processes are, from the outside: a filter, no privileges to come, no file but those that they were given."""
    with Machine("-kernel", screens, "-append", "13") as g:
        g.wait_serial("ready 13")
        v = g.viewer()
        g.wait_same(v, "a confined viewer's")
        for pid in [g.server()] + g.servers_of_viewers():
            with open("/proc/%d/status" % pid) as f:
                status = f.read()
            check(re.search(r"NoNewPrivs:\s+1", status), "%d may get privileges" % pid)
            check(re.search(r"Seccomp:\s+2", status), "%d has no filter" % pid)
            for fd in os.listdir("/proc/%d/fd" % pid):
                to = os.readlink("/proc/%d/fd/%s" % (pid, fd))
                check(re.match(r"socket:|/dev/null|pipe:", to), "%d has %s open" % (pid, to))
        os.kill(g.server(), signal.SIGKILL) # its end is not the machine's
        g.wait_serial("", 1)
        end = deadline(10)
        while "None" not in g.do("info vnc"):
            check(time.monotonic() < end, "info vnc does not say that it is gone")
        g.runs()
        g.quit()


LIAR = """#!%s
import os, random, socket, struct, time
s = socket.socket(fileno=3)
s.settimeout(0.01)
def send(kind, d=0, a=0, b=0, c=0):
    try:
        s.send(struct.pack("<HHiii", kind, d, a, b, c))
    except OSError:
        time.sleep(0.001)
path = %r.encode()
for at in range(0, len(path), 12): # what only a window may: a file into a drive, the end of ring3, a snapshot, the power
    piece = path[at:at + 12]
    send(37, len(piece), *struct.unpack("<iii", piece.ljust(12, b"\\0")))
for kind in 38, 39, 35, 34, 42, 36, 40:
    send(kind)
rng = random.Random(2)
end = time.monotonic() + 2
while time.monotonic() < end: # and anything at all
    kind = rng.choice([0, 1, 2, 3, 4, 32, 33, 43, 44, 45, 46, 255, 65535])
    send(kind, rng.randrange(65536), *[rng.choice([0, 1, -1, 2 ** 31 - 1, -2 ** 31, rng.randrange(-300, 300)]) for _ in range(3)])
time.sleep(3)
"""


def test_liar():
    """A ring3-vnc that somebody has taken over: keys and mouse are all that it has."""
    with tempfile.TemporaryDirectory(prefix="ring3-vnc") as folder:
        for name in os.listdir(os.path.dirname(ring3)):
            if name.startswith(("ring3-", "bios", "vgabios")):
                os.symlink(os.path.join(os.path.dirname(ring3), name), os.path.join(folder, name))
        shutil.copy(ring3, folder)
        secret = folder + "/secret.img"
        with open(secret, "wb") as f:
            f.truncate(1474560)
        os.unlink(folder + "/ring3-vnc")
        with open(folder + "/ring3-vnc", "w") as f:
            f.write(LIAR % (sys.executable, secret))
        os.chmod(folder + "/ring3-vnc", 0o755)
        with Guest(folder + "/ring3", "-m", "32", "-vnc", "unix:%s/vnc" % folder, "-kernel", screens, "-append", "13",
                   listened=True) as g:
            g.wait_serial("ready 13")
            time.sleep(3)
            check("secret" not in g.do("info block"), "a stranger puts a file into a drive")
            check("running" in g.do("info status"), "a stranger stops the machine")
            check(all(" " < c < "\x7f" or c in " \r\n" for c in g.do("info vnc")), "addresses are not cleaned")
            g.quit()


def test_options():
    def said(*args):
        p = subprocess.run([ring3, *args], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
        check(p.returncode == 1, "%s: exit code %d" % (args, p.returncode))
        return p.stderr
    with Machine("-kernel", screens, "-append", "13", "-name", "afar") as g:
        number = g.address[1] - 5900
        check("in use" in said("-vnc", ":%d" % number), "a display that is taken")
        v = g.viewer()
        check(v.name == "ring3 - afar", v.name)
        other = g.folder + "/vnc"
        with Guest(ring3, "-vnc", "127.0.0.1:%d,to=%d" % (number, number + 50), "-kernel", screens, "-append", "13") as h:
            check("127.0.0.1:" in h.do("info vnc"), "to= finds no other display")
            h.quit()
        with Guest(ring3, "-vnc", "unix:%s" % other, "-kernel", screens, "-append", "13", listened=True) as h:
            h.wait_serial("ready 13")
            u = Rfb(other)
            u.wait(lambda v: v.rgb() == h.picture(), "what screendump has, by a UNIX socket")
            check("Server: unix:" in h.do("info vnc"), h.do("info vnc"))
            h.quit()
        check(not os.path.exists(other), "the socket is left behind")
        g.quit()
    check("password" in said("-vnc", ":1,pasword=on"), "a word that is none")


PARTS = {"picture": (test_picture, test_resize), "input": (test_keys, test_mouse, test_two), "password": (test_password,),
         "hostile": (test_stalled, test_garbage, test_crowd, test_confined, test_liar), "options": (test_options,)}
if not os.path.exists(os.path.join(os.path.dirname(ring3), "ring3-vnc")):
    skip("built without libvncserver")
for test in PARTS[part]:
    began = time.monotonic()
    test()
    print("%s: %.1f s" % (test.__name__, time.monotonic() - began))
