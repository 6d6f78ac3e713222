"""guest.py - a guest with a screen and a keyboard, driven through the monitor as a person would: look, wait, press
keys.

The monitor's words are QEMU's, so that a test can be tried on qemu-system-i386, too: give it as the program.
"""
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time

from vm import PATIENCE, Failed, deadline

KEYS = {" ": "spc", "\n": "ret", "/": "slash", ".": "dot", "-": "minus", ",": "comma", ";": "semicolon", "=": "equal",
        "'": "apostrophe", "\\": "backslash", ":": "shift-semicolon", "_": "shift-minus", "*": "shift-8",
        ">": "shift-dot",
        "<": "shift-comma", "|": "shift-backslash", "&": "shift-7", '"': "shift-apostrophe", "?": "shift-slash"}


class Guest:
    def __init__(self, program, *args, serial=True, listened=False):
        """listened: it begins when the serial port is listened to, since it speaks there in milliseconds (not for -S)."""
        self.folder = tempfile.mkdtemp(prefix="ring3-test")
        self.serial_text = ""
        monitor = self.folder + "/monitor"
        command = [program, "-display", "none", "-monitor", "unix:%s,server=on,wait=off" % monitor]
        if serial:
            command += ["-serial", "unix:%s/serial,server=on,wait=off" % self.folder]
        if "qemu" in os.path.basename(program):
            command += ["-accel", "tcg", "-no-user-config", "-nic", "none"]
        if listened:
            command += ["-S"]
        self.stderr = open(self.folder + "/stderr", "w+")
        self.process = subprocess.Popen(command + list(args), stdin=subprocess.DEVNULL, stdout=self.stderr,
                                        stderr=self.stderr)
        self.monitor = self.connect(monitor)
        self.serial = self.connect(self.folder + "/serial") if serial else None
        self.reply()
        if listened:
            self.do("cont")

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def connect(self, path):
        for _ in range(int(200 * PATIENCE)):
            try:
                s = socket.socket(socket.AF_UNIX)
                s.connect(path)
                s.settimeout(10 * PATIENCE)
                return s
            except OSError:
                time.sleep(0.05)
            if self.process.poll() is not None:
                break
        self.fail("no socket " + os.path.basename(path))

    def fail(self, why):
        self.stderr.seek(0)
        said = self.stderr.read()
        screen = ""
        if self.process.poll() is None:
            try:
                screen = "\n".join(line for line in self.lines() if line.strip("\0 \xa0"))
            except OSError:
                pass
        raise Failed("%s\n--- stderr ---\n%s\n--- serial ---\n%s\n--- screen ---\n%s"
                     % (why, said, self.serial_text[-3000:], screen))

    # --- the monitor ---

    def reply(self, connection=None):
        """What the monitor says up to its prompt; `connection`: to another monitor."""
        text = b""
        while not re.search(rb"\(\w+\) $", text):
            try:
                piece = (connection or self.monitor).recv(65536)
            except socket.timeout:
                piece = b""
            if not piece:
                self.fail("the monitor is silent; it said %r" % text)
            text += piece
        return text.decode("latin1")

    def do(self, command):
        self.monitor.sendall(command.encode("latin1") + b"\n")
        text = self.reply()
        return text.split("\n", 1)[1] if "\n" in text else text

    def quit(self):
        self.monitor.sendall(b"quit\n")
        self.expect_exit(0)

    def expect_exit(self, code, timeout=20):
        try:
            got = self.process.wait(timeout * PATIENCE)
        except subprocess.TimeoutExpired:
            self.fail("still runs after %g s" % (timeout * PATIENCE))
        if got != code:
            self.fail("exit code %s, not %s" % (got, code))

    # --- the serial line ---

    def read_serial(self, wait=0.05):
        self.serial.settimeout(wait)
        try:
            self.serial_text += self.serial.recv(65536).decode("latin1")
        except (socket.timeout, ConnectionError):
            pass

    def wait_serial(self, pattern, timeout=60, since=0):
        """The match in what came over the serial line from character `since` on."""
        end = deadline(timeout)
        while True:
            self.read_serial()
            found = re.search(pattern, self.serial_text[since:], re.S)
            if found:
                return found
            if time.monotonic() > end:
                self.fail("%r did not come over the serial line within %g s" % (pattern, timeout * PATIENCE))
            if self.process.poll() is not None:
                self.fail("ended with %s before %r came" % (self.process.returncode, pattern))

    def send_serial(self, text):
        self.serial.settimeout(10 * PATIENCE)
        self.serial.sendall(text.encode("latin1"))

    # --- screen ---

    def memory(self, pa, count):
        path = self.folder + "/memory"
        self.do('pmemsave 0x%x %d "%s"' % (pa, count, path))
        with open(path, "rb") as f:
            return f.read()

    def lines(self):
        """All of text memory as rows of 80, wherever the screen begins in it."""
        data = self.memory(0xb8000, 32768)
        return [data[n : n + 160 : 2].decode("cp437").rstrip("\0 ") for n in range(0, len(data) - 159, 160)]

    def wait_text(self, pattern, timeout=60):
        end = deadline(timeout)
        while True:
            text = "\n".join(self.lines())
            found = re.search(pattern, text, re.S)
            if found:
                return found
            if time.monotonic() > end:
                self.fail("%r did not appear on the screen within %g s" % (pattern, timeout * PATIENCE))
            if self.process.poll() is not None:
                self.fail("ended with %s before %r appeared" % (self.process.returncode, pattern))
            time.sleep(0.2)

    def picture(self):
        """(width, height, pixel bytes) of a screenshot."""
        path = self.folder + "/picture.ppm"
        if os.path.exists(path):
            os.unlink(path)
        self.do("screendump " + path)
        for _ in range(50): # QEMU writes it later
            if os.path.exists(path) and os.path.getsize(path):
                break
            time.sleep(0.02)
        with open(path, "rb") as f:
            data = f.read()
        head = re.match(rb"P6\s+(\d+)\s+(\d+)\s+255\s", data)
        width, height = int(head.group(1)), int(head.group(2))
        pixels = data[head.end() :]
        if len(pixels) != 3 * width * height:
            self.fail("a screenshot of %d x %d has %d bytes" % (width, height, len(pixels)))
        return width, height, pixels

    def wait_picture(self, condition, what, timeout=60):
        """Wait until condition(width, height, pixels) is true."""
        end = deadline(timeout)
        while True:
            p = self.picture()
            if condition(*p):
                return p
            if time.monotonic() > end:
                self.fail("no picture with %s within %g s; the last was %d x %d"
                          % (what, timeout * PATIENCE, p[0], p[1]))
            time.sleep(0.3)

    # --- keyboard ---

    def keys(self, *names):
        for name in names:
            self.do("sendkey %s 40" % name)
            time.sleep(0.1)

    def type(self, text):
        self.keys(*(KEYS.get(c) or ("shift-" + c.lower() if c.isupper() else c) for c in text))
