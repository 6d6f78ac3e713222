"""net_machine.py - the machine's end of frontend/net_protocol.h, for tests of ring3-net without a guest: a small host with
ARP, DHCP, ICMP, UDP and TCP, frame by frame."""
import array
import atexit
import fcntl
import mmap
import os
import select
import socket
import struct
import subprocess
import time

PROTOCOL = 1
HELLO, READY, FAILED, ASK, ANSWER = 1, 2, 3, 4, 5
SLOTS, SLOT = 512, 1536
HEAD, WANTS_ROOM, TAIL, SLEEPS, FRAMES = 0, 4, 64, 68, 128 # in a NetRing
RING = FRAMES + SLOTS * SLOT
F_ADD_SEALS, F_SEAL_SHRINK, F_SEAL_GROW = 1033, 2, 4
MAC = bytes.fromhex("525400123456")
ALL = b"\xff" * 6
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


def ip_bytes(text):
    return socket.inet_pton(socket.AF_INET6, text) if ":" in text else socket.inet_aton(text)


def checksum(data):
    if len(data) & 1:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


class NetMachine:
    """The cable: ring3-net with its rings. send() and receive() are of whole frames."""

    def __init__(self, program, words, mac=MAC, device=None, **how):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket, self.mac = ours, mac
        memory = os.memfd_create("net", os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC)
        os.ftruncate(memory, 2 * RING)
        fcntl.fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW)
        self.shared = mmap.mmap(memory, 2 * RING)
        self.to_net, self.to_machine = os.eventfd(0, os.EFD_NONBLOCK), os.eventfd(0, os.EFD_NONBLOCK)
        self.words = memoryview(self.shared).cast("I")
        self.head, self.tail, self.number, self.kept = 0, 0, 0, []

        def fds():
            a, b = fcntl.fcntl(theirs.fileno(), fcntl.F_DUPFD, 20), fcntl.fcntl(memory, fcntl.F_DUPFD, 20)
            os.dup2(a, 3)
            os.dup2(b, 4)
            os.closerange(5, 64)
        self.process = subprocess.Popen([program, words], close_fds=False, preexec_fn=fds, **how)
        atexit.register(self.end)
        theirs.close()
        os.close(memory)
        self.message(HELLO, PROTOCOL, "", [self.to_net, self.to_machine] + ([device] if device is not None else []))
        self.kind, _, self.about = self.answer(20)

    # --- messages

    def message(self, kind, a, text, fds=()):
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.socket.sendmsg([struct.pack("<II", kind, a) + text.encode() + b"\0"], rights)

    def answer(self, seconds=5):
        self.socket.settimeout(seconds)
        data = self.socket.recv(40000)
        if not data:
            return 0, 0, "it ended"
        kind, a = struct.unpack_from("<II", data)
        return kind, a, data[8:].rstrip(b"\0").decode()

    def ask(self, text):
        self.number += 1
        self.message(ASK, self.number, text)
        kind, number, answer = self.answer()
        assert (kind, number) == (ANSWER, self.number), (kind, number, answer)
        return answer

    def end(self):
        self.socket.close()
        try:
            return self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    # --- the rings; 32-bit words of shared memory are read and written at once

    def word(self, ring, at, value=None):
        place = (ring * RING + at) // 4
        if value is not None:
            self.words[place] = value & 0xffffffff
        return self.words[place]

    def wake(self):
        os.eventfd_write(self.to_net, 1)

    def send(self, frame):
        end = time.monotonic() + 20
        while (self.head - self.word(0, TAIL)) & 0xffffffff >= SLOTS:
            assert time.monotonic() < end, "ring3-net takes no frames"
            self.wake()
            time.sleep(0.001)
        at = FRAMES + self.head % SLOTS * SLOT
        self.shared[at:at + 4 + len(frame)] = struct.pack("<I", len(frame)) + frame
        self.head += 1
        self.word(0, HEAD, self.head)
        if self.word(0, SLEEPS):
            self.word(0, SLEEPS, 0)
            self.wake()

    def receive(self, seconds=5):
        """The next frame, or None."""
        end = time.monotonic() + seconds
        while True:
            if self.word(1, HEAD) != self.tail & 0xffffffff:
                at = RING + FRAMES + self.tail % SLOTS * SLOT
                n, = struct.unpack_from("<I", self.shared, at)
                assert 14 <= n <= 1518, n
                frame = bytes(self.shared[at + 4:at + 4 + n])
                self.tail += 1
                self.word(1, TAIL, self.tail)
                if self.word(1, WANTS_ROOM):
                    self.word(1, WANTS_ROOM, 0)
                    self.wake()
                return frame
            self.word(1, SLEEPS, 1)
            left = end - time.monotonic()
            if self.word(1, HEAD) != self.tail & 0xffffffff:
                continue
            if left <= 0:
                return None
            if select.select([self.to_machine], [], [], min(left, 0.5))[0]:
                os.eventfd_read(self.to_machine)


class Host:
    """A host on the cable, with one address."""

    def __init__(self, net, ip="0.0.0.0", router="10.0.2.2"):
        self.net, self.ip, self.router, self.macs, self.rest, self.ip6 = net, ip, router, {}, [], None

    def ethernet(self, to, kind, data):
        self.net.send((to + self.net.mac + struct.pack("!H", kind) + data).ljust(60, b"\0"))

    def want(self, test, seconds=5):
        """The first frame for which test(frame) is true; ARP for us is answered meanwhile, others are kept."""
        for frame in self.rest:
            got = test(frame)
            if got:
                self.rest.remove(frame)
                return got
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            frame = self.net.receive(end - time.monotonic())
            if not frame:
                break
            if frame[12:14] == b"\x08\x06" and frame[20:22] == b"\0\1" and frame[38:42] == ip_bytes(self.ip):
                self.ethernet(frame[6:12], 0x806, b"\0\1\x08\0\6\4\0\2" + self.net.mac + frame[38:42] + frame[22:32])
                continue
            if self.ip6 and self.answers_neighbour(frame):
                continue
            got = test(frame)
            if got:
                return got
            self.rest.append(frame)
            del self.rest[:-200]
        return None

    def arp(self, ip):
        """The address that answers for ip, or None."""
        self.ethernet(ALL, 0x806, b"\0\1\x08\0\6\4\0\1" + self.net.mac + ip_bytes(self.ip) + bytes(6) + ip_bytes(ip))

        def is_answer(f):
            return f[12:14] == b"\x08\x06" and f[20:22] == b"\0\2" and f[28:32] == ip_bytes(ip) and f[22:28]
        return self.want(is_answer)

    def send_ip(self, to, protocol, data):
        mac = ALL if to == "255.255.255.255" else self.macs.get(self.router) or self.arp(self.router)
        self.macs[self.router] = mac
        head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(data), 1, 0x4000, 64, protocol, 0, ip_bytes(self.ip), ip_bytes(to))
        head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
        self.ethernet(mac, 0x800, head + data)

    # --- IPv6: its own address is what solicit() says

    def send_ip6(self, to, protocol, data, mac=None):
        head = struct.pack("!IHBB", 6 << 28, len(data), protocol, 255) + ip_bytes(self.ip6) + ip_bytes(to)
        self.ethernet(mac or self.macs[self.router6], 0x86dd, head + data)

    def icmp6(self, to, kind, data, mac=None):
        packet = struct.pack("!BBH", *kind, 0) + data
        pseudo = ip_bytes(self.ip6) + ip_bytes(to) + struct.pack("!II", len(packet), 58)
        self.send_ip6(to, 58, packet[:2] + struct.pack("!H", checksum(pseudo + packet)) + packet[4:], mac)

    def solicit(self, ip6, router6="fec0::2"):
        """Takes an address, and asks for the router's; None: it does not answer."""
        self.ip6, self.router6 = ip6, router6
        last = ip_bytes(router6)[-3:]
        everybody = socket.inet_ntop(socket.AF_INET6, ip_bytes("ff02::1:ff00:0")[:-3] + last)
        self.icmp6(everybody, (135, 0), bytes(4) + ip_bytes(router6) + b"\1\1" + self.net.mac, b"\x33\x33\xff" + last)

        def is_answer(f):
            return f[12:14] == b"\x86\xdd" and f[20] == 58 and f[54] == 136 and f[62:78] == ip_bytes(router6) and f[6:12]
        self.macs[router6] = self.want(is_answer)
        return self.macs[router6]

    def answers_neighbour(self, frame):
        """Somebody asks for our address by IPv6."""
        if frame[12:14] != b"\x86\xdd" or frame[20] != 58 or frame[54] != 135 or frame[62:78] != ip_bytes(self.ip6):
            return False
        self.macs.setdefault(self.router6, frame[6:12])
        self.icmp6(socket.inet_ntop(socket.AF_INET6, frame[22:38]), (136, 0), b"\x60\0\0\0" + ip_bytes(self.ip6) + b"\2\1" + self.net.mac)
        return True

    def want_ip(self, protocol, test, seconds=5):
        """test(source, payload) of packets for us."""
        def of_frame(f):
            if f[12:14] == b"\x86\xdd" and f[20] == protocol:
                return test(socket.inet_ntop(socket.AF_INET6, f[22:38]), f[54:54 + struct.unpack_from("!H", f, 18)[0]])
            if f[12:14] != b"\x08\0" or f[23] != protocol:
                return None
            length, = struct.unpack_from("!H", f, 16)
            return test(socket.inet_ntoa(f[26:30]), f[14 + (f[14] & 15) * 4:14 + length])
        return self.want(of_frame, seconds)

    def ping(self, to, data=b"ring3" * 8):
        echo = struct.pack("!BBHHH", 8, 0, 0, 77, 1) + data
        self.send_ip(to, 1, echo[:2] + struct.pack("!H", checksum(echo)) + echo[4:])
        return self.want_ip(1, lambda source, p: source == to and p[0] == 0 and p[8:] == data)

    def send_udp(self, to, port, data, own=4000):
        self.send_ip(to, 17, struct.pack("!HHHH", own, port, 8 + len(data), 0) + data)

    def want_udp(self, own, test=lambda data: data, seconds=5):
        """The data of the next datagram to port `own`."""
        return self.want_ip(17, lambda source, p: struct.unpack_from("!H", p, 2)[0] == own and test(p[8:]), seconds)

    def dhcp(self):
        """Ask for an address, take it; the options of the answer."""
        def ask(kind, more=b""):
            fixed = struct.pack("!BBBBIHH16s16s", 1, 1, 6, 0, 0x1234, 0, 0, bytes(16), self.net.mac)
            options = b"\x63\x82\x53\x63" + b"\x35\1" + bytes([kind]) + more + b"\xff"
            self.send_udp("255.255.255.255", 67, fixed + bytes(192) + options, own=68)
            data = self.want_udp(68)
            assert data, "no answer by DHCP"
            options, at = {}, 240
            while data[at] != 255:
                options[data[at]] = data[at + 2:at + 2 + data[at + 1]]
                at += 2 + data[at + 1]
            return data, options
        data, _ = ask(1)
        data, options = ask(3, b"\x32\4" + data[16:20] + b"\x36\4" + data[20:24])
        assert options[53] == b"\5", options
        self.ip = socket.inet_ntoa(data[16:20])
        options["file"] = data[108:236].rstrip(b"\0").decode()
        return options


class Tcp:
    """A connection of the host's, without retransmission: the cable loses nothing."""

    def __init__(self, host, peer, port, own):
        self.host, self.peer, self.port, self.own = host, peer, port, own
        self.seq, self.ack, self.data, self.closed, self.window = 1000, 0, b"", False, 65535

    def send_segment(self, flags, data=b""):
        head = struct.pack("!HHIIBBHHH", self.own, self.port, self.seq & 0xffffffff, self.ack & 0xffffffff, 0x50, flags, 65535, 0, 0)
        six = ":" in self.peer
        pseudo = ip_bytes(self.host.ip6 if six else self.host.ip) + ip_bytes(self.peer) + struct.pack("!II", 6, len(head) + len(data))
        total = checksum(pseudo + head + data)
        send = self.host.send_ip6 if six else self.host.send_ip
        send(self.peer, 6, head[:16] + struct.pack("!H", total) + head[18:] + data)
        self.seq += len(data) + bool(flags & SYN) + bool(flags & FIN)

    def want_segment(self, seconds=5):
        """(flags, data) of the next segment in order."""
        def test(source, p):
            from_port, to_port, seq, ack = struct.unpack_from("!HHII", p)
            if source != self.peer or (from_port, to_port) != (self.port, self.own):
                return None
            return p[13], p[p[12] // 16 * 4:], seq, ack
        got = self.host.want_ip(6, test, seconds)
        if not got:
            return None
        flags, data, seq, self.acked = got
        if flags & SYN:
            self.ack = seq + 1
        elif seq == self.ack & 0xffffffff:
            self.ack += len(data) + bool(flags & FIN)
            self.data += data
            self.closed |= bool(flags & (FIN | RST))
        return flags, data

    def connect(self):
        self.send_segment(SYN)
        flags, _ = self.want_segment() or (0, b"")
        if flags & (SYN | ACK) != SYN | ACK:
            return False
        self.send_segment(ACK)
        return True

    def read(self, n, seconds=20):
        end = time.monotonic() + seconds
        while len(self.data) < n and not self.closed and time.monotonic() < end:
            got = self.want_segment(end - time.monotonic())
            if got and (got[1] or got[0] & FIN):
                self.send_segment(ACK)
        data, self.data = self.data[:n], self.data[n:]
        return data

    def write(self, data):
        for at in range(0, len(data), 1400):
            self.send_segment(ACK | PSH, data[at:at + 1400])
            while at + 1400 < len(data) and (self.seq - self.acked_by_peer()) & 0xffffffff > 20000:
                if not self.want_segment():
                    raise AssertionError("the peer acknowledges nothing")

    def acked_by_peer(self):
        return getattr(self, "acked", 1001)

    def close(self):
        self.send_segment(FIN | ACK)
        end = time.monotonic() + 10
        while not self.closed and time.monotonic() < end:
            if self.want_segment(1) and self.closed:
                self.send_segment(ACK)


def accept(host, own, seconds=5):
    """A connection that comes to the host's port `own`."""
    def test(source, p):
        from_port, to_port, seq = struct.unpack_from("!HHI", p)
        return p[13] & (SYN | ACK) == SYN and to_port == own and (source, from_port, seq)
    got = host.want_ip(6, test, seconds)
    if not got:
        return None
    t = Tcp(host, got[0], got[1], own)
    t.ack = got[2] + 1
    t.send_segment(SYN | ACK)
    return t if t.want_segment() else None
