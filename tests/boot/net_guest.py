#!/usr/bin/env python3
"""net_guest.py RING3 GUEST-SCRIPT GUEST-DIR MODEL [MEGABYTES] - Debian's kernel, with its own driver, on a network card of ours and
-nic user: an address by DHCP, files from and to a server of this host with their sums, a service of the guest's through
hostfwd, the monitor's words, the cable out and in again, a dump that is one. And ring3-net dies: the machine runs on.
"""
import hashlib
import http.server
import os
import signal
import socket
import sys
import tempfile
import threading
import time

from vm import Vm, check, children, free_port, made, main, monitor, process_cpu_seconds
from web import Web

ring3, script, folder, model = sys.argv[1:5]
megabytes = int(sys.argv[5]) if len(sys.argv) > 5 else 20
PROMPT = r"guest# "
DRIVERS = {"pcnet": "mii pcnet32", "ne2k_pci": "8390 ne2k-pci", "ne2k_isa": "8390p ne", "rtl8139": "mii 8139cp 8139too"}
DHCP = ("echo '[ $1 = bound ] && ifconfig $interface $ip netmask $subnet && route add default gw $router && "
        "echo LEASE $ip $router $dns' >/tmp/lease; chmod +x /tmp/lease; sed -i '1i#!/bin/sh' /tmp/lease")


def guest():
    made(script, folder)
    return folder + "/vmlinuz", folder + "/initramfs-net.gz"


def command(vm, text, pattern, timeout=60):
    vm.send(text + "\r")
    found = vm.expect(pattern, timeout)
    vm.expect(PROMPT, 20)
    return found


def sum_of_next(listener, to):
    """The MD5 of what the next client sends."""
    c, _ = listener.accept()
    digest = hashlib.md5()
    while data := c.recv(1 << 16):
        digest.update(data)
    c.close()
    to.append(digest.hexdigest())


def transfer(vm, port, net):
    Web.content = os.urandom(megabytes << 20)
    cpu, helper, began = vm.cpu_seconds(), process_cpu_seconds(net), time.monotonic()
    command(vm, "cd /tmp; wget -q -O file http://10.0.2.2:%d/ && echo do''ne" % port, r"\ndone", 120)
    seconds = time.monotonic() - began
    print("%s: %d MiB down in %.1f s, %.1f s of CPU time, ring3-net %.1f s" %
          (model, megabytes, seconds, vm.cpu_seconds() - cpu, process_cpu_seconds(net) - helper), flush=True)
    got = command(vm, "md5sum file", r"\n([0-9a-f]{32}) ").group(1)
    check(got == hashlib.md5(Web.content).hexdigest(), "the file that was downloaded is the same")
    began = time.monotonic()
    up, sums = socket.create_server(("127.0.0.1", 0)), []
    thread = threading.Thread(target=sum_of_next, args=(up, sums), daemon=True)
    thread.start()
    command(vm, "nc 10.0.2.2 %d <file; echo do''ne" % up.getsockname()[1], r"\ndone", 120)
    thread.join(10)
    print("%s: ... and up in %.1f s" % (model, time.monotonic() - began), flush=True)
    check(sums == [got], "the file that was uploaded is the same")


def forwarded(port):
    for _ in range(50):
        try:
            with socket.create_connection(("127.0.0.1", port), 10) as c:
                data = b""
                while more := c.recv(1000):
                    data += more
                if data:
                    return data
        except OSError:
            pass
        time.sleep(0.2)
    return None


def carrier(vm, expected):
    """The driver has been told, or looks; an NE2000 has nothing that tells it."""
    if model in ("pcnet", "rtl8139"):
        command(vm, "for n in 1 2 3 4 5 6 7 8 9; do [ $(cat /sys/class/net/eth0/carrier) = %s ] && break; sleep 1; done; "
                    "echo carr''ier $(cat /sys/class/net/eth0/carrier)" % expected, "carrier " + expected)


def asked_meanwhile(vm, net, path):
    """An answer that takes longer than the guest's next tick, which is a signal to the thread that waits for it."""
    answers = []
    os.kill(net, signal.SIGSTOP)
    try:
        thread = threading.Thread(target=lambda: answers.append(monitor(path, "info usernet")), daemon=True)
        thread.start()
        for _ in range(5):
            time.sleep(0.1)
            os.kill(vm.process.pid, signal.SIGRTMIN)
    finally:
        os.kill(net, signal.SIGCONT)
    thread.join(20)
    check(answers and "TCP" in answers[0], "ring3-net answers late: %s" % answers)


def boot(place):
    kernel, initrd = guest()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Web)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    first, second, path = free_port(), free_port(), place + "/monitor"
    vm = Vm([ring3, "-m", "256", "-kernel", kernel, "-initrd", initrd, "-append", "console=ttyS0 quiet", "-serial", "stdio",
             "-display", "none", "-monitor", "unix:%s,server=on,wait=off" % path,
             "-nic", "user,model=%s,id=net,hostfwd=tcp:127.0.0.1:%d-:7,dump=%s/dump.pcap" % (model, first, place)], tty=True)
    vm.expect("GUEST-READY", 240)
    vm.expect(PROMPT, 20)
    command(vm, "dmesg -n 1", "\n")
    options = " io=0x300 irq=9" if model == "ne2k_isa" else ""
    command(vm, "for m in %s; do insmod /net/$m.ko$([ $m = ne ] && echo '%s'); done; echo loa''ded" % (DRIVERS[model], options), "loaded")
    command(vm, "cat /sys/class/net/eth0/address", "52:54:00:12:34:56")
    command(vm, DHCP, "\n")
    command(vm, "ifconfig eth0 up; udhcpc -i eth0 -n -q -s /tmp/lease", r"LEASE 10\.0\.2\.15 10\.0\.2\.2 10\.0\.2\.3")
    command(vm, "ping -c 3 10.0.2.2", "3 packets received")
    net = children(vm.process.pid)["ring3-net"]
    transfer(vm, server.server_address[1], net)
    command(vm, "(while :; do echo from the guest | nc -l -p 7; done) >/dev/null 2>&1 &", "\n")
    check(forwarded(first) == b"from the guest\n", "hostfwd reaches the guest's port 7")
    check("Error" not in monitor(path, "hostfwd_add net tcp:127.0.0.1:%d-:7" % second), "hostfwd_add")
    check(forwarded(second) == b"from the guest\n", "... and so does one that is added")
    shown = monitor(path, "info network")
    check("model=%s,macaddr=52:54:00:12:34:56" % model in shown and "net=10.0.2.0,restrict=off" in shown, shown)
    check("TCP" in monitor(path, "info usernet"), "info usernet shows the listening ports")
    asked_meanwhile(vm, net, path)
    check("removed" in monitor(path, "hostfwd_remove net tcp:127.0.0.1:%d" % second), "hostfwd_remove")
    monitor(path, "set_link net off")
    check("link=off" in monitor(path, "info network"), "the cable is out")
    carrier(vm, "0")
    command(vm, "ping -c 2 -W 1 10.0.2.2; echo pi''nged", r"100% packet loss[\s\S]*pinged")
    monitor(path, "set_link net on")
    carrier(vm, "1")
    command(vm, "for n in 1 2 3 4 5 6 7 8 9; do ping -c 1 -W 1 10.0.2.2 >/dev/null && break; done; ping -c 2 10.0.2.2", "2 packets received")
    with open(place + "/dump.pcap", "rb") as f:
        check(f.read(4) == b"\xd4\xc3\xb2\xa1" and os.path.getsize(place + "/dump.pcap") > megabytes << 20, "the dump has it all")
    os.kill(net, 9)
    vm.expect("ended: its cable is out, the machine runs on", 20)
    vm.send("\r")
    vm.expect(PROMPT, 20)
    check("its process ended" in monitor(path, "info network"), "info network says so")
    command(vm, "ping -c 1 -W 1 10.0.2.2; echo pi''nged", r"100% packet loss[\s\S]*pinged")
    vm.send("poweroff -f\r")
    vm.expect_exit(0, 60)


def test():
    with tempfile.TemporaryDirectory() as place:
        boot(place)


main(test)
