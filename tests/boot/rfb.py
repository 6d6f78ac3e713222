"""rfb.py - a small VNC viewer (RFC 6143, RFB 3.8): raw pictures, NewFBSize, keys, pointer, and what QEMU adds."""
import ctypes
import socket
import struct
import time

from vm import Failed, deadline

RAW, NEW_SIZE, MOTION, EXTENDED_KEY = 0, -223, -257, -258


class Rfb:
    def __init__(self, address, password=None, encodings=(RAW, NEW_SIZE)):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family)
        self.socket.settimeout(20)
        self.socket.connect(address)
        self.encodings = encodings
        self.signs = {} # pseudo-encodings that came: the x of the last rectangle
        self.updates = self.sent_pixels = 0
        self.refused = None
        version = self.take(12)
        if version != b"RFB 003.008\n":
            raise Failed("version %r" % version)
        self.socket.sendall(version)
        self.types = self.take(self.take(1)[0])
        wanted = 2 if password is not None else 1
        if wanted not in self.types:
            raise Failed("security types %r, not %d" % (self.types, wanted))
        self.socket.sendall(bytes([wanted]))
        if password is not None:
            self.socket.sendall(encipher(self.take(16), password))
        if struct.unpack(">I", self.take(4))[0]:
            self.refused = self.take(struct.unpack(">I", self.take(4))[0]).decode()
            self.socket.close()
            return
        self.socket.sendall(b"\1") # shared
        self.width, self.height = struct.unpack(">HH", self.take(4))
        self.format = self.take(16)
        self.name = self.take(struct.unpack(">I", self.take(4))[0]).decode()
        self.picture = bytearray(4 * self.width * self.height)
        self.socket.sendall(struct.pack(">BxxxBBBBHHHBBBxxx", 0, 32, 24, 0, 1, 255, 255, 255, 16, 8, 0))
        self.socket.sendall(struct.pack(">BxH%di" % len(encodings), 2, len(encodings), *encodings))

    def take(self, count):
        got = b""
        while len(got) < count:
            piece = self.socket.recv(count - len(got))
            if not piece:
                raise EOFError("the server has hung up")
            got += piece
        return got

    # --- picture ---

    def ask(self, incremental=True):
        self.socket.sendall(struct.pack(">BBHHHH", 3, incremental, 0, 0, self.width, self.height))

    def rectangle(self):
        x, y, width, height, encoding = struct.unpack(">HHHHi", self.take(12))
        if encoding == NEW_SIZE:
            self.width, self.height = width, height
            self.picture = bytearray(4 * width * height)
        elif encoding == RAW:
            self.sent_pixels += width * height
            data = self.take(4 * width * height)
            for row in range(height):
                at = 4 * ((y + row) * self.width + x)
                self.picture[at:at + 4 * width] = data[4 * width * row:4 * width * (row + 1)]
        elif encoding in (MOTION, EXTENDED_KEY):
            self.signs[encoding] = x
        else:
            raise Failed("a rectangle in encoding %d" % encoding)

    def update(self):
        """The next FramebufferUpdate; whatever else comes is passed over."""
        while True:
            kind = self.take(1)[0]
            if kind == 0:
                for _ in range(struct.unpack(">xH", self.take(3))[0]):
                    self.rectangle()
                self.updates += 1
                return
            if kind == 3:
                self.take(struct.unpack(">xxxI", self.take(7))[0])
            elif kind != 2:
                raise Failed("message %d" % kind)

    def rgb(self):
        """The picture as a PPM has it."""
        p = self.picture
        out = bytearray(3 * self.width * self.height)
        out[0::3], out[1::3], out[2::3] = p[2::4], p[1::4], p[0::4]
        return self.width, self.height, bytes(out)

    def wait(self, condition, what, seconds=20, incremental=True):
        """Ask and take pictures until condition(self) holds."""
        end = deadline(seconds)
        self.ask(incremental=False)
        self.socket.settimeout(1)
        pending = True
        while not condition(self):
            if time.monotonic() > end:
                raise Failed("no picture with %s" % what)
            try:
                if not pending:
                    self.ask(incremental)
                pending = True
                self.update()
                pending = False
            except socket.timeout:
                continue
        self.socket.settimeout(20)

    # --- person ---

    def key(self, keysym, down):
        self.socket.sendall(struct.pack(">BBxxI", 4, down, keysym))

    def press(self, *keysyms):
        for keysym in keysyms:
            self.key(keysym, True)
        for keysym in reversed(keysyms):
            self.key(keysym, False)

    def scancode(self, code, down):
        self.socket.sendall(struct.pack(">BBHII", 255, 0, down, 0, code))

    def pointer(self, x, y, buttons=0):
        self.socket.sendall(struct.pack(">BBHH", 5, buttons, x, y))

    def close(self):
        self.socket.close()


def encipher(challenge, password):
    """DES, by the library that the server has."""
    answer = ctypes.create_string_buffer(challenge, 16)
    ctypes.CDLL("libvncserver.so.1").rfbEncryptBytes(answer, password.encode())
    return answer.raw
