#!/usr/bin/env python3
"""netboot.py RING3 GUEST-SCRIPT GUEST-DIR PROGRAM CARD [debian] - a machine boots from the network by the iPXE of its card's ROM
(Debian's ipxe-qemu): DHCP and TFTP by -nic user bring a program of ours (tests/guests/netboot.S), which finds the PXE
stack. With `debian` a script comes so, and then Debian's kernel by HTTP from a server on this host's loopback, to its shell.
"""
import functools
import http.server
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from guest import Guest
from vm import check, main, skip

ring3, script, guests, program, card = sys.argv[1:6]
ROM = "pxe-%s.rom" % card


class Server(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def kernel():
    made = subprocess.run([script, guests], stderr=subprocess.PIPE)
    if made.returncode == 77:
        skip(made.stderr.decode().strip().split("\n")[-1])
    check(made.returncode == 0, "no guest: " + made.stderr.decode())


def loads_a_program(place):
    """The card is the last to be tried, and the only one that can."""
    shutil.copy(program, place + "/netboot.bin")
    with Guest(ring3, "-m", "32", "-nic", "user,model=%s,tftp=%s,bootfile=netboot.bin" % (card, place), "-debugcon", "file:%s/said" % place) as g:
        g.wait_text(r"iPXE \(http://ipxe.org\) 00:03.0 C900 PCI2.10 PnP PMM", 20)
        g.wait_text(r"net0: 52:54:00:12:34:56 using \S+ on 0000:00:03.0", 60)
        g.wait_text(r"net0: 10\.0\.2\.15/255\.255\.255\.0 gw 10\.0\.2\.2.*netboot.bin\.*.*ok", 60)
        g.wait_text(r"No bootable device", 60) # it came back
        with open(place + "/said") as f:
            said = f.read()
        check("NETBOOT begins\nNETBOOT has PXENV+" in said, "the program was not there: " + said)
        g.quit()


def boots_debian(place):
    kernel()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Server, directory=guests))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with open(place + "/boot.ipxe", "w") as f:
        f.write("#!ipxe\nset base http://10.0.2.2:%d\nkernel ${base}/vmlinuz console=ttyS0\ninitrd ${base}/initramfs.gz\nboot\n"
                % server.server_address[1])
    began = time.monotonic()
    with Guest(ring3, "-m", "256", "-boot", "n", "-nic", "user,model=%s,tftp=%s,bootfile=boot.ipxe" % (card, place)) as g:
        g.wait_text(r"/initramfs.gz\.*.*ok", 60)
        g.wait_serial(r"guest# ", 120)
        print("%s: Debian's shell after %.1f s" % (card, time.monotonic() - began), flush=True)
        g.send_serial("cat /proc/cmdline; uname -m\n")
        g.wait_serial(r"console=ttyS0\s+i686", 20)
        g.send_serial("poweroff -f\n")
        g.expect_exit(0, 60)


def test():
    if not any(os.path.exists(d + "/" + ROM) for d in ["/usr/lib/ipxe/qemu", "/usr/share/qemu"]):
        skip("no boot ROM %s: Debian's package ipxe-qemu" % ROM)
    with tempfile.TemporaryDirectory() as place:
        if sys.argv[6:] == ["debian"]:
            boots_debian(place)
        else:
            loads_a_program(place)


main(test)
