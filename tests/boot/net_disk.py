#!/usr/bin/env python3
"""net_disk.py RING3 MEDIA.SH DIR [MEGABYTES [CONNECTIONS [CARD...]]] - Debian as it is on its disk, with all four network cards in it, one
after the other in use: an address by DHCP, a file from a web server of this host and one to it with their sums while a ping
runs, a service of the guest's through hostfwd, many small connections by IPv4 and IPv6, after which ring3-net is no larger.

What Debian's base system has not (wget, ping) comes as busybox on a disc, in a tar (of two disks either may be sda). Any program that takes QEMU's words may be
RING3: nic_cost.py compares them.
"""
import hashlib
import http.server
import io
import os
import re
import socket
import sys
import tarfile
import tempfile
import threading
import time

from guest import Guest
from vm import PATIENCE, check, free_port, made, main, process_cpu_seconds
from web import Web

ring3, media_sh, folder = sys.argv[1:4]
megabytes = int(sys.argv[4]) if len(sys.argv) > 4 else 8
connections = int(sys.argv[5]) if len(sys.argv) > 5 else 300
is_qemu = "qemu" in os.path.basename(ring3)
CARDS = ("pcnet", "rtl8139", "ne2k_pci", "ne2k_isa")
wanted = sys.argv[6:] or CARDS
NET_KIB, NET_DESCRIPTORS = 40000, 300 # what ring3-net may have at the end

LEASE = """#!/bin/sh
[ $1 = bound ] || exit 0
/tmp/t/busybox ifconfig $interface $ip netmask $subnet
/tmp/t/busybox route add default gw $router
echo LEASE $ip $router
"""
# Connections in a row, each of which says its number and hears it again.
CLIENT = """use Socket qw(:all);
my ($family, $to, $port, $count) = @ARGV;
my $six = $family == 6;
my $at = $six ? pack_sockaddr_in6($port, inet_pton(AF_INET6, $to)) : pack_sockaddr_in($port, inet_aton($to));
for my $n (1 .. $count) {
    socket(my $s, $six ? AF_INET6 : AF_INET, SOCK_STREAM, 0) or die "socket $n: $!";
    connect($s, $at) or die "connect $n: $!";
    syswrite($s, "$n\\n");
    my $got = "";
    while (sysread($s, $got, 100, length $got)) {}
    $got eq "$n\\n" or die "connection $n heard '$got'";
}
print "ALL-", $count, "\\n";
"""
# The service: an answer of what comes, in capitals.
SERVICE = """use Socket;
$| = 1;
socket(my $l, AF_INET, SOCK_STREAM, 0);
setsockopt($l, SOL_SOCKET, SO_REUSEADDR, 1);
bind($l, pack_sockaddr_in(7, INADDR_ANY)) && listen($l, 64) or die "listen: $!";
print "SERV", "ING\\n";
while (accept(my $c, $l)) { sysread($c, my $line, 100); syswrite($c, uc $line); close $c; }
"""


class Echo:
    """Says what it hears, once in each connection."""

    def __init__(self, address, family):
        self.socket = socket.socket(family)
        self.socket.bind((address, 0))
        self.socket.listen(128)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            c, _ = self.socket.accept()
            with c:
                c.sendall(c.recv(100))


def sum_of_next(listener, to):
    c, _ = listener.accept()
    digest = hashlib.md5()
    while data := c.recv(1 << 16):
        digest.update(data)
    c.close()
    to.append(digest.hexdigest())


def tools_disc(path):
    """A tar with busybox and the programs."""
    with tarfile.open(path, "w") as t:
        t.add(folder + "/busybox", "busybox")
        for name, text in ("lease", LEASE), ("client", CLIENT), ("service", SERVICE):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text), 0o755
            t.addfile(entry, io.BytesIO(text.encode()))
    os.truncate(path, (os.path.getsize(path) + (1 << 20)) // 4096 * 4096) # a CD's sectors, and room to read ahead


def tree(pid):
    """The process and those that it started: one ring3-net for each card."""
    started = open("/proc/%d/task/%d/children" % (pid, pid)).read().split()
    return [pid] + [p for child in started for p in tree(int(child))]


class Debian:
    def __init__(self, g):
        self.g, self.at = g, 0
        g.wait_serial("LOGGED-IN /dev/ttyS0", 300)
        g.send_serial("exec sh\nstty -echo; PS1='gue''st# '; dmesg -n 1\n")
        self.expect("guest# ", 120)
        self.run("mkdir /tmp/t; tar -xf /dev/sr0 -C /tmp/t && cd /tmp/t && echo unpack''ed", "unpacked")

    def expect(self, pattern, timeout):
        found = self.g.wait_serial(pattern, timeout, self.at)
        self.at += found.end()
        return found

    def run(self, command, pattern, timeout=60):
        self.g.send_serial(command + "\n")
        found = self.expect(pattern, timeout)
        self.expect("guest# ", timeout)
        return found

    def cpu_seconds(self):
        return sum(process_cpu_seconds(p) for p in tree(self.g.process.pid))

    def timed(self, line, amount, unit, command, pattern):
        """Runs it and says how much of what it took."""
        began, cpu = time.monotonic(), self.cpu_seconds()
        found = self.run(command, pattern, 120 + 3 * megabytes + connections // 10)
        seconds, cpu = time.monotonic() - began, self.cpu_seconds() - cpu
        print("%s: %d %s in %.2f s, %.2f s of CPU: %.1f %s/s, %.1f %s per CPU second"
              % (line, amount, unit, seconds, cpu, amount / seconds, unit, amount / cpu, unit), flush=True)
        return found


def up(d, n, card):
    """The card gets its driver and its address; the others' interfaces are down."""
    if card == "ne2k_isa":
        d.run("modprobe ne io=0x320 irq=5; echo load''ed", "loaded")
    mac = "52:54:00:00:00:%02x" % (n + 1)
    d.run("for i in 1 2 3 4 5 6 7 8 9; do grep -q %s /sys/class/net/*/address && break; sleep 1; done; "
          "i=$(grep -l %s /sys/class/net/*/address | cut -d/ -f5); echo interf''ace=$i=" % (mac, mac), r"interface=\w+=")
    d.run("./busybox ifconfig $i up; ./busybox udhcpc -i $i -n -q -s ./lease", r"LEASE 10\.0\.2\.15 10\.0\.2\.2", 60)


def transfers(d, card, web):
    Web.content = os.urandom(1 << 20) * megabytes
    d.run("(./busybox ping -q -i 1 10.0.2.2 >ping 2>&1 &)", "")
    d.timed(card + " download", megabytes, "MB", "./busybox wget -q -O - http://10.0.2.2:%d/ >file; echo do''ne" % web, "done")
    got = d.run("md5sum file", r"([0-9a-f]{32}) ", 120).group(1)
    check(got == hashlib.md5(Web.content).hexdigest(), "%s: the file that was downloaded is the same" % card)
    listener, sums = socket.create_server(("127.0.0.1", 0)), []
    thread = threading.Thread(target=sum_of_next, args=(listener, sums), daemon=True)
    thread.start()
    d.timed(card + " upload", megabytes, "MB", "./busybox nc 10.0.2.2 %d <file; echo do''ne" % listener.getsockname()[1], "done")
    thread.join(20 * PATIENCE)
    check(sums == [got], "%s: the file that was uploaded is the same" % card)
    pings = d.run("./busybox killall -INT busybox; sleep 1; cat ping; rm file; echo pi''nged",
                  r"(\d+) packets transmitted, (\d+) packets received[^\n]*\n(round-trip [^\n]*ms)?[\s\S]*pinged")
    # One a second, so that 8 MB may be over after the first; the last one may be on its way.
    print("%s ping under load: %s of %s, %s" % (card, pings.group(2), pings.group(1), pings.group(3)), flush=True)
    check(int(pings.group(2)) >= max(1, int(pings.group(1)) - 1), "%s: pings under load are answered: %s" % (card, pings.group(0)))


def forwarded(d, card, port):
    d.run("(perl service >serving 2>&1 &); until grep SERVING serving; do sleep 1; done", "SERVING")
    for n in range(20):
        with socket.create_connection(("127.0.0.1", port), 20 * PATIENCE) as c:
            c.sendall(b"hello %d" % n)
            check(c.recv(100) == b"HELLO %d" % n, "%s: the guest's service answers through hostfwd" % card)
    d.run("./busybox killall perl; echo end''ed", "ended")


def many(d, card):
    v4, v6 = Echo("127.0.0.1", socket.AF_INET), Echo("::1", socket.AF_INET6)
    d.timed(card + " connections", connections, "connections", "perl client 4 10.0.2.2 %d %d" % (v4.port, connections), "ALL-%d" % connections)
    d.run("for n in 1 2 3 4 5 6 7 8 9; do ./busybox ifconfig $i | grep -q fec0 && break; sleep 1; done; echo addr''essed", "addressed")
    d.timed(card + " connections by IPv6", connections, "connections", "perl client 6 fec0::2 %d %d" % (v6.port, connections), "ALL-%d" % connections)


def bounded(d):
    """All of ring3-net's processes."""
    nets = [p for p in tree(d.g.process.pid) if open("/proc/%d/comm" % p).read().strip() == "ring3-net"]
    for p in nets:
        kib = int(re.search(r"VmRSS:\s*(\d+)", open("/proc/%d/status" % p).read()).group(1))
        fds = len(os.listdir("/proc/%d/fd" % p))
        check(kib < NET_KIB and fds < NET_DESCRIPTORS, "ring3-net is bounded: %d KiB, %d descriptors" % (kib, fds))
        print("ring3-net: %d KiB, %d descriptors" % (kib, fds), flush=True)


def use(d, n, card, web, port):
    up(d, n, card)
    transfers(d, card, web)
    forwarded(d, card, port)
    many(d, card)
    d.run("./busybox route del default; ./busybox ifconfig $i down; ./busybox ifconfig $i 0.0.0.0; ./busybox ifconfig $i down; echo dow''n", "down")


def test():
    made(media_sh, folder, "debian.img", RING3=ring3)
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Web)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as place:
        tools_disc(place + "/tools.iso")
        words, ports = [], {}
        for n, card in enumerate(wanted):
            ports[card] = free_port()
            isa = ",iobase=0x320,irq=5" if card == "ne2k_isa" else ""
            words += ["-netdev", "user,id=n%d,hostfwd=tcp:127.0.0.1:%d-:7" % (n, ports[card]),
                      "-device", "%s,netdev=n%d,mac=52:54:00:00:00:%02x%s" % (card, n, n + 1, isa)]
        with Guest(ring3, "-m", "1024", "-snapshot", "-hda", folder + "/debian.img",
                   "-drive", "file=%s/tools.iso,format=raw,media=cdrom,index=2" % place, *words) as g:
            d = Debian(g)
            for n, card in enumerate(wanted):
                use(d, n, card, web.server_address[1], ports[card])
            if not is_qemu:
                time.sleep(3)
                bounded(d)
            g.send_serial("poweroff\n")
            g.expect_exit(0, 120)


main(test)
