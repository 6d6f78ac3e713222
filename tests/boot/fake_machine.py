"""fake_machine.py - the machine's end of frontend/display/window_protocol.h, for tests of ring3-window without a guest."""
import array
import atexit
import fcntl
import os
import select
import socket
import struct
import subprocess
import time

PROTOCOL = 8
HELLO, LOOK, BYE = 1, 2, 3
KEY, MOUSE, POWER, QUIT, PAUSE, SPEED, PATH, CHANGE, EJECT, BLOCK, SNAPSHOT, POINTER = range(32, 44)
SNAPSHOTS, DISKS, ASKS = range(49, 52)
UNDECIDED, OFF = 32, 64 # of the status
SNAPSHOT_LOAD, SNAPSHOT_DELETE = 2, 3
ABSOLUTE = 4 # of the status
PAGE = 4096
SOUNDS = 8192
DRIVES, DRIVE_BYTES = 16 + 16 * SOUNDS, 244 # WindowShared.drive
NEWS = DRIVES + 6 * DRIVE_BYTES
SCREEN = (NEWS + 4 + 200 + PAGE - 1) // PAGE * PAGE # where the ScreenState is in WindowShared
BLOCKS, BLOCK_LINES, BLOCK_COLUMNS = SCREEN + 65536, 40, 56
SHOTS = BLOCKS + 4 + BLOCK_LINES * (BLOCK_COLUMNS + 1) + 4 + 4 * 16384
SHOTS_ON_A_PAGE, SHOT_WIDTH, SHOT_HEIGHT = 5, 160, 120
SHOT = "<IIiI48s32s32sII" # and the pixels
SHOT_BYTES = struct.calcsize(SHOT) + 4 * SHOT_WIDTH * SHOT_HEIGHT
SHARED_BYTES = (SHOTS + 12 + SHOTS_ON_A_PAGE * SHOT_BYTES + PAGE - 1) // PAGE * PAGE
SEQ_RESET, ATTR_INDEX, DISPI = SCREEN + 1, SCREEN + 61, SCREEN + 832 # in ScreenState
VRAM_BYTES = 16 << 20
F_ADD_SEALS, F_SEAL_SHRINK = 1033, 2


class FakeMachine:
    def __init__(self, program, *args, **how):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket = ours
        self.process = subprocess.Popen([program, *args], close_fds=False,
                                        preexec_fn=lambda: os.dup2(theirs.fileno(), 3), **how)
        atexit.register(self.process.kill)
        theirs.close()
        self.keys = 0
        self.shared = os.memfd_create("shared", os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC)
        self.vram = os.memfd_create("vram", os.MFD_CLOEXEC)
        os.ftruncate(self.shared, SHARED_BYTES)
        os.ftruncate(self.vram, VRAM_BYTES)
        fcntl.fcntl(self.shared, F_ADD_SEALS, F_SEAL_SHRINK)

    def send(self, kind, a=0, b=0, c=0, d=0, fds=()):
        data = struct.pack("<HHiii", kind, d, a, b, c)
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.socket.sendmsg([data], rights)

    def hello(self):
        self.send(HELLO, PROTOCOL, VRAM_BYTES, 0, fds=[self.shared, self.vram])

    def mode(self, width, height):
        """A VBE mode of 32 bits a pixel."""
        os.pwrite(self.shared, b"\3", SEQ_RESET) # runs
        os.pwrite(self.shared, b"\x20", ATTR_INDEX) # the display is on
        os.pwrite(self.shared,
                  struct.pack("<11H", 0xb0c5, width, height, 32, 0x41, 0, width, height, 0, 0, VRAM_BYTES >> 16), DISPI)
        self.width, self.height = width, height

    def row(self, y, pixels):
        os.pwrite(self.vram, struct.pack("<%dI" % len(pixels), *pixels), y * self.width * 4)

    def sounds(self, events):
        """(guest ns, ticks, level) each"""
        for n, event in enumerate(events):
            os.pwrite(self.shared, struct.pack("<QII", *event), 16 + 16 * n)
        os.pwrite(self.shared, struct.pack("<I", len(events)), 8)
        self.send(LOOK)

    def stopped(self, yes):
        os.pwrite(self.shared, struct.pack("<I", yes), 0)
        self.send(LOOK)

    def status(self, bits):
        os.pwrite(self.shared, struct.pack("<I", bits), 0)
        self.send(LOOK)

    def wants_pointer(self, yes):
        os.pwrite(self.shared, struct.pack("<I", ABSOLUTE if yes else 0), 0)
        self.send(LOOK)

    def drive(self, number, flags, name):
        data = struct.pack("<I", flags) + name.encode().ljust(DRIVE_BYTES - 4, b"\0")
        os.pwrite(self.shared, data, DRIVES + number * DRIVE_BYTES)

    def shot(self, n, ident, flags, date, depth, name, when="", size="", width=SHOT_WIDTH, height=SHOT_HEIGHT, colour=0):
        data = struct.pack(SHOT, ident, flags, date, depth, name, when.encode(), size.encode(), width, height)
        os.pwrite(self.shared, data + struct.pack("<I", colour) * (SHOT_WIDTH * SHOT_HEIGHT), SHOTS + 12 + n * SHOT_BYTES)

    def page(self, count, first, total):
        """The shots are there."""
        os.pwrite(self.shared, struct.pack("<III", count, first, total), SHOTS)
        self.send(LOOK)

    def news(self, count, text):
        os.pwrite(self.shared, struct.pack("<I", count) + text.encode().ljust(200, b"\0"), NEWS)
        self.send(LOOK)

    def speed(self, mhz):
        os.pwrite(self.shared, struct.pack("<I", mhz), 4)
        self.send(LOOK)

    def leds(self, lit):
        os.pwrite(self.shared, struct.pack("<I", lit << 8), 0)

    def take(self):
        """One message; the guest does not read its keys yet."""
        self.socket.settimeout(30)
        kind, d, a, b, c = struct.unpack("<HHiii", self.socket.recv(64))
        self.keys += kind == KEY
        return kind, a, b, c, d

    def taken(self):
        os.pwrite(self.shared, struct.pack("<I", self.keys), 12)

    def messages_for(self, seconds):
        end, got = time.monotonic() + seconds, []
        while time.monotonic() < end and select.select([self.socket], [], [], 0.1)[0]:
            got.append(self.take())
            self.taken()
        return got

    def messages(self, seconds):
        """What the window has sent until nothing came for so long; the guest reads its keys at once."""
        got = []
        while select.select([self.socket], [], [], seconds)[0]:
            got.append(self.take())
            self.taken()
        return got

    def cpu_share(self, seconds):
        def used():
            total = 0
            for thread in os.listdir("/proc/%d/task" % self.process.pid):
                with open("/proc/%d/task/%s/schedstat" % (self.process.pid, thread)) as f:
                    total += int(f.read().split()[0])
            return total / 1e9
        before = used()
        time.sleep(seconds)
        return (used() - before) / seconds
