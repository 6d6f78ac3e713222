#!/usr/bin/env python3
"""nic.py RING3 GUEST-SCRIPT GUEST-DIR CARD [MEGABYTES [OPTION...]] - Debian's kernel and its driver over a network card.

The driver finds the card and its address; DHCP gives an address; pings of all sizes return; a file comes from a server
on this host's loopback and another goes there, with their checksums; the interface counts no errors and its interrupts
come by the line that firmware and the card agree on.
"""
import hashlib
import os
import re
import socket
import sys
import threading
import time

from vm import Vm, check, children, made, main, process_cpu_seconds

ring3, script, folder, card = sys.argv[1:5]
megabytes = int(sys.argv[5]) if len(sys.argv) > 5 else 10
options = sys.argv[6:]
PROMPT = r"guest# "
MAC = "52:54:00:ab:cd:ef"
CARDS = { # model: options, modules, the driver's words, interrupt line
    "pcnet": ("", "mii pcnet32", r"PCnet/PCI II 79C970A at .*%s assigned IRQ 11" % MAC, 11),
    "ne2k_pci": ("", "8390 ne2k-pci", r"RealTek RTL-8029\(AS\) found at .* IRQ 11, %s" % MAC, 11),
    "ne2k_isa": (",iobase=0x320,irq=5", "8390p ne:io=0x320:irq=5", r"%s[\s\S]*NE2000 found at 0x320, using IRQ 5" % MAC, 5),
    "rtl8139": ("", "mii 8139too", r"RealTek RTL8139 at .*%s, IRQ 11" % MAC, 11),
}


if "qemu" in os.path.basename(ring3): # whose chip is the one after ours
    CARDS["rtl8139"] = ("", "mii 8139cp", r"RTL-8139C\+ at .*%s, IRQ 11" % MAC, 11)


def guest():
    made(script, folder)
    return folder + "/vmlinuz", folder + "/initramfs-net.gz"


def command(vm, text, pattern, timeout=30):
    vm.send(text + "\r")
    found = vm.expect(pattern, timeout)
    vm.expect(PROMPT, timeout)
    return found


class Server:
    """Of one connection: sends `data`, or takes all that comes."""

    def __init__(self, data=None):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.data = data
        self.got = hashlib.md5()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        c, _ = self.socket.accept()
        if self.data is not None:
            c.sendall(self.data)
        else:
            while True:
                piece = c.recv(1 << 16)
                if not piece:
                    break
                self.got.update(piece)
        c.close()


def all_cpu(vm):
    pids = [vm.process.pid] + list(children(vm.process.pid).values())
    return sum(process_cpu_seconds(p) for p in pids)


def timed(vm, what, text, pattern):
    began, cpu = time.monotonic(), all_cpu(vm)
    found = command(vm, text, pattern, 60 + 3 * megabytes)
    seconds, cpu = time.monotonic() - began, all_cpu(vm) - cpu
    print("%s %s: %d MB in %.2f s, %.2f s of CPU: %.1f MB/s, %.1f MB per CPU second"
          % (card, what, megabytes, seconds, cpu, megabytes / seconds, megabytes / cpu), flush=True)
    return found


def transfers(vm):
    data = os.urandom(1 << 20) * megabytes
    down = Server(data)
    sum_down = timed(vm, "download", "nc 10.0.2.2 %d | md5sum" % down.port, r"\n([0-9a-f]{32}) ").group(1)
    check(sum_down == hashlib.md5(data).hexdigest(), "%d MB come as they were sent" % megabytes)
    up = Server()
    command(vm, "dd if=/dev/urandom of=/tmp/part bs=64k count=16 2>&1 | tail -1; md5sum /tmp/part", r"\n[0-9a-f]{32} ")
    timed(vm, "upload", "for i in $(seq %d); do cat /tmp/part; done | nc 10.0.2.2 %d; echo do''ne" % (megabytes, up.port),
          r"\ndone")
    up.thread.join(30)
    expected = command(vm, "for i in $(seq %d); do cat /tmp/part; done | md5sum" % megabytes, r"\n([0-9a-f]{32}) ", 120)
    check(up.got.hexdigest() == expected.group(1), "%d MB go as they were" % megabytes)


def test():
    more, modules, words, line = CARDS[card]
    kernel, initrd = guest()
    device = "user,model=%s,mac=%s" % (card, MAC)
    words_of_card = ["-nic", device]
    if more:
        words_of_card = ["-netdev", "user,id=n", "-device", "%s,netdev=n,mac=%s%s" % (card, MAC, more)]
    vm = Vm([ring3, "-m", "256", "-kernel", kernel, "-initrd", initrd, "-append", "console=ttyS0", "-serial", "stdio",
             "-display", "none", *words_of_card, *options], tty=True)
    vm.expect("GUEST-READY", 120)
    vm.expect(PROMPT, 30)
    for m in modules.split():
        name, *values = m.split(":")
        command(vm, "insmod /net/%s.ko %s" % (name, " ".join(values)), "\n")
    command(vm, "dmesg | tail -5; dmesg -n 1", words)
    command(vm, "ip link set eth0 up; udhcpc -n -q -i eth0 -s /bin/true", r"lease of 10\.0\.2\.15 obtained", 60)
    command(vm, "ip addr add 10.0.2.15/24 dev eth0", "\n")
    for size in 0, 1, 56, 1000, 1472, 4000: # the last in pieces
        command(vm, "ping -c 3 -s %d 10.0.2.2" % size, "[23] packets received")
    transfers(vm)
    seen = command(vm, "grep eth0 /proc/net/dev", r"eth0:([\d ]+)\r").group(1).split()
    check(int(seen[1]) > 500 and int(seen[9]) > 500, "frames are counted: %s" % seen)
    check(seen[2:7] == ["0"] * 5 and seen[10:16] == ["0"] * 6, "and no errors: %s" % seen) # [7]: multicasts
    # The ISA driver asks for its line by another name than the interface's.
    count = command(vm, "grep -E ' *5:|eth0' /proc/interrupts", r"\n *(\d+): +(\d+) [^\r\n]* \S+\r")
    check(int(count.group(1)) == line and int(count.group(2)) > 100, "interrupts come by line %d: %s" % (line, count.group(0)))
    vm.send("poweroff -f\r")
    vm.expect_exit(0, 30)
    check(not re.search(r"irq \d+: nobody|BUG:|WARNING:|NETDEV WATCHDOG", vm.output), "the kernel complains:\n" + vm.output)


main(test)
