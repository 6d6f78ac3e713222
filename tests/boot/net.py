"""net.py RING3 RING3-NET - ring3-net alone, driven frame by frame (net_machine.py): DHCP, ARP, ping, TCP both ways by
sockets of this host and by hostfwd, TFTP, 10,000 connections in bounded memory, rubbish of every kind, and what its cage
forbids."""
import os
import random
import resource
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

import net_machine
from net_machine import ACK, FIN, Host, NetMachine, Tcp, accept
from vm import Vm, free_port, process_cpu_seconds

ring3, program = sys.argv[1:3]
folder = tempfile.mkdtemp(prefix="ring3-net-")


def check(ok, what):
    if not ok:
        raise SystemExit("net.py: " + what)
    print("ok:", what.split(":")[0])


def start(words):
    net = NetMachine(program, words)
    check(net.kind == net_machine.READY, "starts with %s: %s" % (words.replace(folder, "DIR"), net.about))
    return net, Host(net)


def listener():
    s = socket.create_server(("127.0.0.1", 0), backlog=128)
    return s, s.getsockname()[1]


def memory_kib(pid):
    with open("/proc/%d/status" % pid) as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


def test_default_card():
    """A card that nobody asked for is there, and does not stop a machine whose ring3-net is not."""
    def network(binary, *words):
        vm = Vm([binary, "-S", "-display", "none", "-monitor", "stdio", *words])
        vm.expect(r"\(ring3\) ", 20)
        vm.send("info network\n")
        vm.expect(r"info network[\s\S]*\(ring3\) ", 20)
        vm.send("quit\n")
        vm.expect_exit(0)
        return vm.output
    said = network(ring3)
    check("model=pcnet,macaddr=52:54:00:12:34:56" in said and "type=user" in said and "link=on" in said, "pcnet and -nic user are the default: " + said)
    for words in ["-nic", "none"], ["-net", "none"], ["-nodefaults"]:
        check("macaddr" not in network(ring3, *words), "no card with %s" % words)
    check("type=user" not in network(ring3, "-device", "pcnet"), "a card that was named has the cable that was named")
    alone, build = os.path.join(folder, "alone"), os.path.dirname(ring3)
    os.makedirs(alone + "/bios")
    for name in "ring3", "bios/bios.bin", "bios/vgabios.bin":
        shutil.copy(os.path.join(build, name), os.path.join(alone, name))
    said = network(alone + "/ring3")
    check("no network: its program, ring3-net, is not there; the card has no cable" in said and "macaddr" in said and "type=user" not in said,
          "without ring3-net there is a card without a cable: " + said)
    p = subprocess.run([alone + "/ring3", "-S", "-display", "none", "-nic", "user"], capture_output=True, text=True, timeout=60)
    check(p.returncode == 1 and "ring3-net, is not there" in p.stderr, "... and one that was asked for is missed: " + p.stderr)


def test_basics():
    net, host = start("user")
    options = host.dhcp()
    check(host.ip == "10.0.2.15" and options[3] == socket.inet_aton("10.0.2.2"), "DHCP gives 10.0.2.15: %s" % options)
    check(host.arp("10.0.2.2") and host.arp("10.0.2.3"), "the router answers by ARP")
    check(host.ping("10.0.2.2"), "the router answers a ping")
    check("net=10.0.2.0,restrict=off" in net.about, "about: " + net.about)
    check("Protocol" in net.ask("connections"), "its connections are shown")
    check(net.ask("nonsense") == "", "a question that it does not know has an empty answer")
    check(net.end() == 0, "ends with the machine, by itself")


def test_fragments():
    """A datagram of 4,000 bytes in three pieces, there and back."""
    net, host = start("user")
    host.dhcp()
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    server.settimeout(10)
    host.arp("10.0.2.2")
    host.macs[host.router] = host.arp("10.0.2.2")
    data = os.urandom(4000)
    udp = struct.pack("!HHHH", 4000, server.getsockname()[1], 8 + len(data), 0) + data
    for at in range(0, len(udp), 1480):
        part = udp[at:at + 1480]
        word = (0x2000 if at + 1480 < len(udp) else 0) | at // 8
        head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(part), 7, word, 64, 17, 0, net_machine.ip_bytes(host.ip), net_machine.ip_bytes("10.0.2.2"))
        host.ethernet(host.macs[host.router], 0x800, head[:10] + struct.pack("!H", net_machine.checksum(head)) + head[12:] + part)
    got, peer = server.recvfrom(9000)
    check(got == data, "a datagram in three fragments arrives whole")
    server.sendto(data[:1400], peer)
    check(host.want_udp(4000) == data[:1400], "... and is answered")
    net.end()


def test_tcp_out():
    net, host = start("user")
    host.dhcp()
    server, port = listener()
    sent = os.urandom(300000)
    got = []

    def serve():
        c, _ = server.accept()
        data = b""
        while len(data) < len(sent):
            data += c.recv(65536)
        got.append(data)
        c.sendall(sent)
        c.close()
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    t = Tcp(host, "10.0.2.2", port, 3000)
    check(t.connect(), "a connection to the host's loopback, at 10.0.2.2")
    t.write(sent)
    check(t.read(len(sent)) == sent, "300,000 bytes there and back are the same")
    thread.join(10)
    check(got == [sent], "... and there, too")
    t.close()
    check(t.closed, "it closes")
    t = Tcp(host, "10.0.2.2", free_port(), 3001)
    check(not t.connect(), "a port where nobody listens refuses")
    net.end()


def test_hostfwd():
    port, later, udp = free_port(), free_port(), free_port()
    net, host = start("user,hostfwd=tcp:127.0.0.1:%d-:22,hostfwd=udp:127.0.0.1:%d-:53" % (port, udp))
    host.dhcp()

    def talk(port, own):
        c = socket.create_connection(("127.0.0.1", port), 10)
        t = accept(host, own)
        check(t, "a connection to the host's port reaches the guest's")
        c.sendall(b"hello guest")
        check(t.read(11) == b"hello guest", "the guest reads what the host's client wrote")
        t.write(b"x" * 5000)
        data = b""
        while len(data) < 5000:
            data += c.recv(5000)
        check(data == b"x" * 5000, "... and the other way round")
        c.close()
    talk(port, 22)
    check(net.ask("hostfwd_add tcp:127.0.0.1:%d-:80" % later) == "", "hostfwd_add")
    talk(later, 80)
    check(net.ask("hostfwd_remove tcp:127.0.0.1:%d" % later) == "", "hostfwd_remove")
    check("not found" in net.ask("hostfwd_remove tcp:127.0.0.1:%d" % later), "... and again")
    c = socket.socket()
    check(c.connect_ex(("127.0.0.1", later)) != 0, "a port that was removed is closed")
    taken, number = listener()
    check("cannot be listened" in net.ask("hostfwd_add tcp:127.0.0.1:%d-:80" % number), "a port that is in use is refused")
    check("invalid" in net.ask("hostfwd_add tcp:x"), "a rule that is none is refused")
    c = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    c.sendto(b"question", ("127.0.0.1", udp))
    check(host.want_udp(53) == b"question", "a datagram to the host's port reaches the guest's")
    net.end()
    net = NetMachine(program, "user,hostfwd=tcp:127.0.0.1:%d-:22" % number)
    check(net.kind == net_machine.FAILED and "in use" in net.about, "at the start, too: %s" % net.about)
    net.end()


def test_restrict():
    net, host = start("user,restrict=on")
    host.dhcp()
    server, port = listener()
    t = Tcp(host, "10.0.2.2", port, 3000)
    check(not t.connect(), "restrict=on: no connection to the host")
    net.end()


def test_settings():
    net, host = start("user,net=192.168.9.0/24,dhcpstart=192.168.9.50,hostname=ringer,bootfile=boot.0,domainname=example")
    host.router = "192.168.9.2"
    options = host.dhcp()
    check(host.ip == "192.168.9.50" and options["file"] == "boot.0" and options[12] == b"ringer", "net=, dhcpstart=, hostname=, bootfile=: %s" % options)
    check(host.ping("192.168.9.2"), "its router answers")
    net.end()


def tftp(host, name, own):
    """The file's bytes; None: refused."""
    host.send_udp("10.0.2.2", 69, b"\0\1" + name.encode() + b"\0octet\0", own)
    data, block = b"", 1
    while True:
        got = host.want_udp(own)
        if not got:
            check(False, "TFTP does not answer")
        if got[:2] != b"\0\3":
            return None
        if got[2:4] != struct.pack("!H", block):
            check(False, "TFTP's blocks are out of order")
        data += got[4:]
        host.send_udp("10.0.2.2", 69, b"\0\4" + got[2:4], own)
        if len(got) < 516:
            return data
        block += 1


def test_tftp():
    shared = os.path.join(folder, "tftp")
    os.mkdir(shared)
    content = os.urandom(5000)
    for name, data in [(shared + "/boot.0", content), (folder + "/secret", b"secret")]:
        with open(name, "wb") as f:
            f.write(data)
    os.symlink("../secret", shared + "/link")
    os.symlink("boot.0", shared + "/inside")
    os.mkfifo(shared + "/fifo")
    net, host = start("user,tftp=" + shared)
    host.dhcp()
    check(tftp(host, "/boot.0", 5001) == content, "TFTP reads a file")
    check(tftp(host, "inside", 5002) == content, "... by a link that stays in the folder")
    check(tftp(host, "link", 5003) is None, "... but not by one that leads out of it")
    check(tftp(host, "../secret", 5004) is None, "... nor by dots")
    check(tftp(host, "fifo", 5005) is None, "... nor a pipe, which would stop it")
    check(tftp(host, "none", 5006) is None, "... nor what is not there")
    check(host.ping("10.0.2.2"), "it lives")
    net.end()
    net = NetMachine(program, "user,tftp=" + folder + "/none")
    check(net.kind == net_machine.FAILED and "No such file" in net.about, "a folder that is not there is said: " + net.about)


def test_guestfwd():
    path = folder + "/fwd"
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen(5)
    plain, port = listener()
    net, host = start("user,guestfwd=tcp:10.0.2.100:7-unix:%s,guestfwd=tcp:10.0.2.101:8-tcp:127.0.0.1:%d" % (path, port))
    host.dhcp()
    for own in 6000, 6001: # each its own
        t = Tcp(host, "10.0.2.100", 7, own)
        check(t.connect(), "guestfwd: a connection to 10.0.2.100")
        c, _ = server.accept()
        t.write(b"ping")
        check(c.recv(10) == b"ping", "guestfwd: reaches the unix socket")
        c.sendall(b"pong")
        check(t.read(4) == b"pong", "guestfwd: and back")
    c, _ = plain.accept()
    t = Tcp(host, "10.0.2.101", 8, 6002)
    check(t.connect(), "guestfwd: a connection to 10.0.2.101")
    t.write(b"ping")
    check(c.recv(10) == b"ping", "guestfwd: reaches the TCP port")
    c.sendall(b"pong")
    check(t.read(4) == b"pong", "guestfwd: and back")
    net.end()


def serve_echo(address, family):
    """Says what it hears and hangs up, in each connection; its port."""
    server = socket.socket(family)
    server.bind((address, 0))
    server.listen(128)

    def serve():
        while True:
            c, _ = server.accept()
            c.sendall(c.recv(100))
            c.close()
    threading.Thread(target=serve, daemon=True).start()
    return server.getsockname()[1]


def connections(net, count, connect):
    """connect(n) makes and ends one, which libslirp ends first; memory and descriptors are bounded."""
    after = {}
    began = time.monotonic()
    for n in range(count):
        connect(n)
        if n in (count // 10, count - 1):
            after[n] = memory_kib(net.process.pid)
    print("%d connections in %.1f s" % (count, time.monotonic() - began), after)
    check(after[count - 1] < 40000, "%d connections, one after the other: memory is bounded: %s" % (count, after))
    # libslirp keeps each for ten seconds after its end; here only the last few are there a second later.
    time.sleep(1.2)
    net.ask("connections")
    time.sleep(0.2)
    left = len(os.listdir("/proc/%d/fd" % net.process.pid))
    check(left < 100, "... and few are left: %d descriptors" % left)
    net.end()


def guest_connects(host, peer, port, n):
    t = Tcp(host, peer, port, 1024 + n % 60000)
    t.seq = n * 0x1357911 & 0xffffffff # whichever half of the numbers
    if not t.connect():
        check(False, "connection %d is refused" % n)
    t.write(b"%06d" % n)
    if t.read(6) != b"%06d" % n:
        check(False, "connection %d loses its bytes" % n)
    t.close()


def test_many(count=2000): # 10000 by hand: many=10000
    net, host = start("user,ipv6=off")
    host.dhcp()
    port = serve_echo("127.0.0.1", socket.AF_INET)
    connections(net, count, lambda n: guest_connects(host, "10.0.2.2", port, n))


def test_many6(count=500):
    net, host = start("user")
    check(host.solicit("fec0::1234"), "the router answers by IPv6")
    try:
        port = serve_echo("::1", socket.AF_INET6)
    except OSError as e:
        print("not tried: IPv6 of this host:", e)
        return
    connections(net, count, lambda n: guest_connects(host, "fec0::2", port, n))


def test_many_forwarded(count=500):
    """By hostfwd, ended by the host's side first."""
    port = free_port()
    net, host = start("user,ipv6=off,hostfwd=tcp:127.0.0.1:%d-:80" % port)
    host.dhcp()

    def connect(n):
        c = socket.create_connection(("127.0.0.1", port), 10)
        t = accept(host, 80)
        if not t:
            check(False, "connection %d does not come" % n)
        c.sendall(b"%06d" % n)
        if t.read(6) != b"%06d" % n:
            check(False, "connection %d loses its bytes" % n)
        c.close()
        while not t.closed and t.want_segment(10):
            pass
        t.send_segment(FIN | ACK)
        if not t.want_segment(10):
            check(False, "connection %d does not end" % n)
    connections(net, count, connect)


def test_full():
    """A guest that takes all descriptors: nobody can be accepted, which costs nothing, and the rest goes on."""
    port = free_port()
    net, host = start("user,ipv6=off,hostfwd=tcp:127.0.0.1:%d-:80" % port)
    pid = net.process.pid
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    check(soft <= 4096, "what connections can take of the host's memory is bounded: %d descriptors" % soft)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (300, hard))
    host.dhcp()
    for n in range(400):
        host.send_udp("10.0.2.2", 9, b"x", 1024 + n)
    while net.receive(1):
        pass
    check(len(os.listdir("/proc/%d/fd" % pid)) == 300, "the guest takes all descriptors")
    with socket.create_connection(("127.0.0.1", port)):
        before = process_cpu_seconds(pid)
        time.sleep(2)
        used = process_cpu_seconds(pid) - before
        check(used < 0.05, "whoever waits for one costs nothing: %.3f s of CPU in 2 s" % used)
        check(host.ping("10.0.2.2"), "the rest goes on")
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
        check(accept(host, 80, 20), "... and is accepted when there is one")
    net.end()


def test_rubbish():
    """Whatever the guest sends, it lives or ends in order; nothing is as bad as a signal."""
    random.seed(11)
    net, host = start("user")
    host.dhcp()
    mac = host.arp("10.0.2.2")
    good = [mac + net.mac + b"\x08\0" + bytes([0x45, 0, 0, 60, 0, 1, 0x40, 0, 64, p, 0, 0, 10, 0, 2, 15, 10, 0, 2, d]) + bytes(40)
            for p in (1, 6, 17, 2, 41, 50) for d in (2, 3, 4, 255)]
    good += [mac + net.mac + b"\x86\xdd" + b"\x60" + bytes(5) + bytes([n, 255]) + bytes.fromhex("fe80" + "00" * 14) + bytes.fromhex("ff02" + "00" * 13 + "02") + bytes([133 + n % 5]) + bytes(40)
             for n in (6, 17, 58, 44, 0)]
    for n in range(60000):
        kind = n % 4
        if kind == 0: # rubbish altogether
            frame = os.urandom(random.randint(14, 1518))
        else:
            frame = bytearray(random.choice(good))
            for _ in range(random.randint(1, 6)):
                frame[random.randrange(12, len(frame))] = random.randrange(256)
            frame = bytes(frame) + os.urandom(random.choice([0, 0, 1, 40, 700, 1400]))
            if kind == 2: # a header whose sum is right, so that more is read
                head = bytearray(frame[14:34])
                head[10:12] = b"\0\0"
                head[10:12] = struct.pack("!H", net_machine.checksum(bytes(head)))
                frame = frame[:14] + bytes(head) + frame[34:]
        net.send(frame[:1518])
        if n % 64 == 0:
            while net.receive(0):
                pass
    check(net.process.poll() is None, "60,000 frames of rubbish: it lives")
    while net.receive(0.1):
        pass
    host.rest = []
    check(host.ping("10.0.2.2"), "... and answers")
    memory = memory_kib(net.process.pid)
    print("memory then: %d KiB" % memory)
    net.end()


def test_hostile_machine():
    """Positions and lengths that cannot be end ring3-net, by itself."""
    def lie(what):
        net, _ = start("user")
        what(net)
        net.wake()
        try:
            code = net.process.wait(10)
        except Exception:
            code = "it runs on"
        check(code == 0, "ends at a lie: %s" % code)
    lie(lambda n: n.word(0, net_machine.HEAD, 513))
    lie(lambda n: n.word(0, net_machine.HEAD, -1))

    def bad_length(n):
        struct.pack_into("<I", n.shared, net_machine.FRAMES, 0xffffffff)
        n.word(0, net_machine.HEAD, 1)
    lie(bad_length)
    net, host = start("user")
    net.word(1, net_machine.TAIL, 1000)
    host.ethernet(net_machine.ALL, 0x806, b"\0\1\x08\0\6\4\0\1" + net.mac + bytes(10) + socket.inet_aton("10.0.2.2"))
    check(net.process.wait(10) == 0, "ends at a lie")
    net, host = start("user")
    for data in (b"", b"x", b"\4\0\0\0", struct.pack("<II", 99, 1) + b"hostfwd_add tcp::1-:2\0", b"A" * 32008, os.urandom(20)):
        if data:
            net.socket.send(data)
    check(net.ask("connections"), "messages that are none are ignored")
    before = len(os.listdir("/proc/%d/fd" % net.process.pid))
    for n in range(100): # descriptors that nobody asked for
        net.socket.sendmsg([struct.pack("<II", 4, n) + b"nonsense\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("6i", *[0] * 6)[:4 * (1 + n % 6)])])
        net.answer()
    after = len(os.listdir("/proc/%d/fd" % net.process.pid))
    check(after == before, "descriptors that come with questions are closed: %d, %d" % (before, after))
    net.end()


def test_no_reader():
    """A guest that takes nothing: memory is bounded, and what it takes later is whole."""
    net, host = start("user")
    host.dhcp()
    server, port = listener()
    sent = os.urandom(4 << 20)

    def serve():
        c, _ = server.accept()
        try:
            c.sendall(sent)
        except OSError:
            pass
    threading.Thread(target=serve, daemon=True).start()
    t = Tcp(host, "10.0.2.2", port, 3000)
    check(t.connect(), "a connection")
    for n in range(20000): # answers come, nobody takes them
        echo = struct.pack("!BBHHH", 8, 0, 0, 77, n) + bytes(1000)
        host.send_ip("10.0.2.2", 1, echo[:2] + struct.pack("!H", net_machine.checksum(echo)) + echo[4:])
    memory = memory_kib(net.process.pid)
    check(memory < 40000, "20,000 answers that nobody takes: %d KiB" % memory)
    while net.receive(0.3):
        pass
    check(host.ping("10.0.2.2"), "... and it answers again")
    net.end()


def pair(one, other):
    """Two machines whose cables lead to each other: frames pass both ways, and survive the other's end."""
    a, b = NetMachine(program, one), NetMachine(program, other, mac=bytes.fromhex("525400123457"))
    check(a.kind == b.kind == net_machine.READY, "starts %s: %s; %s" % (one.replace(folder, "DIR"), a.about, b.about))
    host_a, host_b = Host(a, "10.1.0.1"), Host(b, "10.1.0.2")
    time.sleep(0.3)
    for n in range(300):
        frame = b.mac + a.mac + b"\x88\xb5" + os.urandom(random.randint(46, 1500))
        a.send(frame)
        check(b.receive(5) == frame, "a frame passes") if n == 0 else None
        if n and b.receive(5) != frame:
            check(False, "frame %d passes" % n)
    frame = a.mac + b.mac + b"\x88\xb5" + bytes(60)
    b.send(frame)
    check(a.receive(5) == frame, "... and the other way")
    return a, b


def test_stream():
    path = folder + "/stream"
    a, b = pair("stream,server=on,addr.type=unix,addr.path=" + path, "stream,addr.type=unix,addr.path=%s,reconnect=1" % path)
    check(a.end() == 0, "the listener ends")
    a = NetMachine(program, "stream,server=on,addr.type=unix,addr.path=" + path)
    frame = a.mac + b.mac + b"\x88\xb5" + bytes(60)
    end = time.monotonic() + 10
    while time.monotonic() < end:
        b.send(frame)
        if a.receive(0.3) == frame:
            break
    check(time.monotonic() < end, "reconnect=1: it comes again")
    b.end()
    c = socket.socket(socket.AF_UNIX) # a stranger
    c.connect(path)
    c.sendall(struct.pack("!I", 60) + frame[:60] + struct.pack("!I", 2000) + bytes(2000) + struct.pack("!I", 60) + frame[:60])
    check(a.receive(5) == frame[:60] and a.receive(5) == frame[:60], "QEMU's framing; a frame too long is skipped")
    c.sendall(b"\xff" * 100)
    c.settimeout(5)
    check(c.recv(10) == b"", "a length that cannot be ends the connection")
    a.end()
    port = free_port()
    a, b = pair("socket,listen=127.0.0.1:%d" % port, "socket,connect=127.0.0.1:%d" % port)
    a.end(), b.end()
    none = NetMachine(program, "stream,addr.type=unix,addr.path=%s/none" % folder)
    check(none.kind == net_machine.FAILED and "No such file" in none.about, "nobody there: " + none.about)


def test_dgram():
    one, other = folder + "/dgram1", folder + "/dgram2"
    words = "dgram,local.type=unix,local.path=%s,remote.type=unix,remote.path=%s"
    a, b = pair(words % (one, other), words % (other, one))
    a.end(), b.end()
    p, q = free_port(), free_port()
    words = "socket,udp=127.0.0.1:%d,localaddr=127.0.0.1:%d"
    a, b = pair(words % (p, q), words % (q, p))
    a.end(), b.end()


def test_tap():
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) # a read is a frame, as from a tap
    net = NetMachine(program, "tap,fd=3", device=theirs.fileno())
    check(net.kind == net_machine.READY, "tap,fd=: " + net.about)
    frame = bytes(12) + b"\x88\xb5" + bytes(50)
    net.send(frame)
    check(ours.recv(2000) == frame, "tap: a frame of the guest's")
    ours.send(frame * 2)
    check(net.receive() == frame * 2, "tap: a frame for the guest")
    net.end()
    for words in "tap,fd=%d", "type=tap,fd=%d": # the machine leaves it open until it is ring3-net's
        command = [ring3, "-display", "none", "-S", "-monitor", "stdio", "-nic", words % theirs.fileno()]
        run = subprocess.run(command, input="info network\nquit\n", capture_output=True, text=True, pass_fds=[theirs.fileno()], timeout=60)
        check(run.returncode == 0 and "fd=given" in run.stdout, "ring3 -nic %s: %s" % (words % 0, run.stderr.strip()))
    none = NetMachine(program, "tap,ifname=ring3none%d" % (os.getpid() % 1000))
    print("tap by name:", none.kind == net_machine.READY or none.about)
    none.end()


def test_switch():
    path = folder + "/sw"
    switch = subprocess.Popen([ring3, "switch", path, "10", "20", "trunk", "dump=" + folder + "/sw.pcap"], stdout=subprocess.PIPE, text=True)
    lines = [switch.stdout.readline() for _ in range(3)]
    check("VLAN 10" in lines[0] and "VLAN 20" in lines[1] and "trunk" in lines[2], "ring3 switch says where it listens")

    def join(where, number):
        net = NetMachine(program, "stream,addr.type=unix,addr.path=%s.%s" % (path, where), mac=bytes.fromhex("52540000000%d" % number))
        check(net.kind == net_machine.READY, "joins at " + where)
        return net
    a, b, c, d = join("10", 1), join("10", 2), join("20", 3), join("trunk", 4)
    time.sleep(0.2)
    frame = net_machine.ALL + a.mac + b"\x88\xb5" + os.urandom(60)
    a.send(frame)
    check(b.receive(5) == frame, "the same VLAN sees it")
    check(d.receive(5) == frame[:12] + b"\x81\0\0\x0a" + frame[12:], "the trunk, with a tag")
    check(c.receive(0.3) is None, "another VLAN does not")
    frame = c.mac + d.mac + b"\x81\0\0\x14\x88\xb5" + bytes(60)
    d.send(frame)
    check(c.receive(5) == frame[:12] + frame[16:], "from the trunk into its tag's VLAN")
    frame = b.mac + a.mac + b"\x88\xb5" + bytes(60)
    b.send(a.mac + b.mac + b"\x88\xb5" + bytes(60))
    a.receive(5)
    a.send(frame)
    check(b.receive(5) == frame and d.receive(0.3) is None, "who is known gets it alone")
    strange = socket.socket(socket.AF_UNIX)
    strange.connect(path + ".10")
    strange.sendall(os.urandom(100000))
    a.send(frame)
    check(b.receive(5) == frame, "a stranger's rubbish changes nothing")
    for net in a, b, c, d:
        net.end()
    switch.terminate()
    check(switch.wait(5) == 0 and not os.path.exists(path + ".10"), "it ends, and its sockets go")
    with open(folder + "/sw.pcap", "rb") as f:
        data = f.read()
    check(data[:4] == b"\xd4\xc3\xb2\xa1" and len(data) > 24 + 5 * 80, "its dump has the frames")
    if shutil.which("tcpdump"):
        shown = subprocess.run(["tcpdump", "-nn", "-r", folder + "/sw.pcap"], capture_output=True, text=True).stdout
        check("0x88b5" in shown, "tcpdump reads it")


def test_knobs():
    path = folder + "/knobs"
    switch = subprocess.Popen([ring3, "switch", path, "loss=30", "delay=50", "rate=8"], stdout=subprocess.PIPE, text=True)
    switch.stdout.readline()
    a = NetMachine(program, "stream,addr.type=unix,addr.path=" + path)
    b = NetMachine(program, "stream,addr.type=unix,addr.path=" + path, mac=bytes.fromhex("525400123457"))
    time.sleep(0.2)
    began = time.monotonic()
    for n in range(300):
        a.send(net_machine.ALL + a.mac + b"\x88\xb5" + struct.pack("!I", n) + bytes(982))
    got = []
    while frame := b.receive(1):
        if not got:
            check(time.monotonic() - began >= 0.05, "delay=50")
        got.append(struct.unpack_from("!I", frame, 14)[0])
        took = time.monotonic() - began
    check(150 < len(got) < 260, "loss=30: %d of 300 arrive" % len(got))
    check(got == sorted(got), "... in order")
    check(len(got) * 0.001 <= took < len(got) * 0.001 + 1.5, "rate=8: a kilobyte a millisecond: %.2f s" % took)
    a.end(), b.end()
    switch.terminate()
    switch.wait(5)
    for words in ["switch"], ["switch", path, "0"], ["switch", path, "5000"], ["switch", path, "loss=101"], ["switch", folder + "/no/sw"]:
        r = subprocess.run([ring3, *words], capture_output=True, text=True)
        check(r.returncode == 1 and r.stderr.count("\n") == 1 and r.stderr.startswith("ring3: switch"), "refused: " + r.stderr.strip())


def vde_manage(manage, words):
    manage.sendall(words.encode() + b"\n")
    answer = b""
    while b"1000 " not in answer: # "1000 Success"
        more = manage.recv(4096)
        check(more, "vde_switch: %s: %s" % (words, answer))
        answer += more


def test_vde():
    """Frames go both ways, one after another; VLANs of the switch part the two."""
    if not shutil.which("vde_switch"):
        print("not tried: Debian's package vde-switch is not installed")
        return
    path, manage = folder + "/vde", folder + "/vdemgmt"
    switch = subprocess.Popen(["vde_switch", "-s", path, "-M", manage], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    end = time.monotonic() + 20
    while not (os.path.exists(path + "/ctl") and os.path.exists(manage)) and time.monotonic() < end:
        time.sleep(0.05)
    a = NetMachine(program, "vde,port=2,sock=" + path)
    if "built without" in a.about:
        print("not tried: this build is without libvdeplug-dev")
        switch.kill()
        return
    b = NetMachine(program, "vde,port=3,sock=" + path, mac=bytes.fromhex("525400123457"))
    check(a.kind == b.kind == net_machine.READY, "vde: " + a.about + b.about)
    frames = [lambda to, of, n=n: to.mac + of.mac + b"\x88\xb5" + bytes([n]) * 60 for n in range(20)]
    for frame in frames:
        a.send(frame(b, a))
        check(b.receive(20) == frame(b, a), "vde: a frame passes the switch")
        b.send(frame(a, b))
        check(a.receive(20) == frame(a, b), "vde: ... and comes back")
    control = socket.socket(socket.AF_UNIX)
    control.settimeout(20)
    control.connect(manage)
    for words in "vlan/create 10", "vlan/create 20", "port/setvlan 2 10", "port/setvlan 3 20":
        vde_manage(control, words)
    a.send(frames[1](b, a))
    check(b.receive(1) is None, "vde: another VLAN's frames do not come")
    vde_manage(control, "port/setvlan 3 10")
    a.send(frames[2](b, a))
    check(b.receive(20) == frames[2](b, a), "vde: ... those of its own do")
    a.end()
    b.end()
    switch.kill()
    switch.wait()


def test_cage():
    """Its children of misfortune: what the process may do is looked at from outside."""
    net, host = start("user")
    with open("/proc/%d/status" % net.process.pid) as f:
        status = dict(line.split(":", 1) for line in f if ":" in line)
    check(status["Seccomp"].strip() == "2" and status["NoNewPrivs"].strip() == "1", "it has a list of system calls, and no new privileges")
    check(status["Threads"].strip() == "1", "one thread")
    fds = sorted(os.readlink("/proc/%d/fd/%s" % (net.process.pid, fd)) for fd in os.listdir("/proc/%d/fd" % net.process.pid))
    check(all(f.startswith(("socket:", "anon_inode:", "/dev/null", "pipe:", "/memfd", "/dev/pts", "/dev/tty")) or f.startswith("/") and "w" not in f for f in fds),
          "its descriptors are sockets and events: %s" % fds)
    net.end()


tests = {name[5:]: f for name, f in list(globals().items()) if name.startswith("test_")}
for name in sys.argv[3:] or tests:
    print("---", name, flush=True)
    name, _, count = name.partition("=")
    tests[name](*([int(count)] if count else []))
