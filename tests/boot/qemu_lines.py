#!/usr/bin/env python3
"""qemu_lines.py RING3 TABLE PROBE - a line that starts QEMU starts ring3, or says why not and what to do.

The lines are in TABLE (qemu_lines.txt). Each drive holds a program that ends the machine by isa-debug-exit, so a line
that boots is known by its exit code. What an accepted option promises is looked at below: files, clock, tables, Telnet.
"""
import concurrent.futures
import os
import re
import shlex
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

from kernel_image import linux_image
from vm import PATIENCE, Vm, check, deadline, free_port, main, run_tests

ring3, table, probe = map(os.path.abspath, sys.argv[1:4])
REAL = bytes.fromhex("ba0105b80300efbaf400efebfe")               # 16 bits: 3 to ports 501h and F4h, for ever
FLAT = bytes.fromhex("ba01050000b80300000066efbaf400000066efebfe") # 32 bits
EXIT = 7


def sectors(bytes_, first=b""):
    """An image whose first sector runs REAL."""
    return (first or REAL.ljust(510, b"\0") + b"\x55\xaa").ljust(bytes_, b"\0")


def cd_image():
    """El Torito, no emulation (its specification, figures 2, 3 and 7): the catalog in sector 19, REAL in sector 20."""
    image = bytearray(2048 * 64)
    image[16 * 2048:16 * 2048 + 7] = b"\1CD001\1"
    image[17 * 2048:17 * 2048 + 39] = b"\0CD001\1" + b"EL TORITO SPECIFICATION".ljust(32, b"\0")
    image[17 * 2048 + 0x47:17 * 2048 + 0x4b] = struct.pack("<I", 19)
    image[18 * 2048:18 * 2048 + 7] = b"\xffCD001\1"
    entry = struct.pack("<BBH24sHBB", 1, 0, 0, b"ring3", 0, 0x55, 0xaa)
    total = -sum(struct.unpack("<16H", entry)) & 0xffff
    catalog = entry[:28] + struct.pack("<H", total) + entry[30:] + struct.pack("<BBHBBHI", 0x88, 0, 0, 0, 0, 4, 20)
    image[19 * 2048:19 * 2048 + len(catalog)] = catalog
    image[20 * 2048:20 * 2048 + len(REAL)] = REAL
    return bytes(image)


def multiboot_image():
    """A Multiboot kernel with address fields (specification 3.1.3), loaded at 1 MiB."""
    flags, at, head = 0x10000, 0x100000, 48
    return (struct.pack("<III", 0x1badb002, flags, -(0x1badb002 + flags) & 0xffffffff) +
            struct.pack("<IIIII", at, at, 0, 0, at + head)).ljust(head, b"\0") + FLAT.ljust(4096, b"\0")


def make_files(folder):
    files = {"disk.img": sectors(1 << 20), "other.img": bytes(1 << 20), "third.img": bytes(1 << 20),
             "cd.iso": cd_image(),
             "floppy.img": sectors(1440 * 1024), "bzImage": linux_image(4096, 4096, FLAT), "initrd.img": bytes(4096),
             "kernel.bin": multiboot_image()}
    for name, data in files.items():
        with open(os.path.join(folder, name), "wb") as f:
            f.write(data)


def run(args, folder, tty=True):
    return Vm(["/bin/sh", "-c", 'cd "$0" && exec "$@"', folder, ring3, *args], tty=tty)


def boots(args, folder):
    run([*args, "-device", "isa-debug-exit"], folder).expect_exit(EXIT, 30)


def stands(args, folder):
    vm = run(args, folder)
    time.sleep(1)
    if vm.process.poll() is not None:
        vm.fail("it ended with %s" % vm.process.returncode)
    vm.kill()


def finished(args, folder):
    return subprocess.run([ring3, *args], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE,
                          timeout=60, universal_newlines=True)


def lists(args, folder):
    p = finished(args, folder)
    check(p.returncode == 0 and p.stdout and not p.stderr, "exit code %s: %r %r" % (p.returncode, p.stdout, p.stderr))


def refused(args, folder, words):
    p = finished(args, folder)
    check(p.returncode == 1 and not p.stdout and 1 <= p.stderr.count("\n") <= 3,
          "exit code %s: %s%s" % (p.returncode, p.stdout, p.stderr))
    check(not re.search(r"=  |= \w", p.stderr), "a stray space: " + p.stderr)
    for word in words:
        check(word in p.stderr, "%r is not said: %s" % (word, p.stderr))


def judge(line):
    kind, rest = line.split(" ", 1)
    with tempfile.TemporaryDirectory() as folder:
        make_files(folder)
        try:
            if kind == "refused":
                words, rest = rest.split(": ", 1)
                refused(shlex.split(rest)[1:], folder, words.split(", "))
            else:
                {"boots": boots, "stands": stands, "lists": lists}[kind](shlex.split(rest)[1:], folder)
        except Exception as e:
            return "%s: %s" % (line, e)
    return None


def test_lines():
    with open(table) as f:
        lines = [line.strip() for line in f if line.strip() and not line.startswith("#")]
    check(len(lines) >= 116, "only %d lines" % len(lines))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        wrong = [w for w in pool.map(judge, lines) if w]
    check(not wrong, "%d of %d lines:\n%s" % (len(wrong), len(lines), "\n".join(wrong)))
    print("%d lines" % len(lines))


# --- what accepted options promise ---------------------------------------------------------------------------

class Monitor:
    """A machine that stands in its BIOS or kernel, and its monitor on standard input."""
    def __init__(self, *args, folder="/"):
        self.vm = Vm(["/bin/sh", "-c", 'cd "$0" && exec "$@"', folder, ring3, "-display", "none", "-monitor", "stdio",
                      *args])
        self.vm.expect(r"\(ring3\) ")

    def ask(self, line):
        self.vm.send(line + "\n")
        begin = self.vm.seen
        self.vm.expect(r"\(ring3\) ")
        return self.vm.output[begin:self.vm.seen]

    def quit(self, code=0):
        self.vm.send("quit\n")
        self.vm.expect_exit(code)


def test_pidfile():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "pid")
        m = Monitor("-pidfile", path)
        check(open(path).read() == "%d\n" % m.vm.process.pid, "the file has %r" % open(path).read())
        second = finished(["-pidfile", path, "-display", "none"], folder)
        check(second.returncode == 1 and "a running process has it" in second.stderr, second.stderr)
        m.quit()
        check(not os.path.exists(path), "the file stays")


def ended(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    with open("/proc/%d/stat" % pid) as f:
        return f.read().rsplit(")", 1)[1].split()[0] == "Z"


def wait_until(what, why, seconds=10):
    end = deadline(seconds)
    while not what():
        check(time.monotonic() < end, why)
        time.sleep(0.05)


def unix_monitor(path):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(20 * PATIENCE)
    s.connect(path)
    return s


def test_daemonize():
    with tempfile.TemporaryDirectory() as folder:
        make_files(folder)
        args = ["-daemonize", "-pidfile", "pid", "-display", "none", "-monitor", "unix:mon,server=on,wait=off"]
        p = finished([*args, "-hda", "other.img"], folder)
        check(p.returncode == 0 and not p.stdout + p.stderr, "exit code %s: %s" % (p.returncode, p.stdout + p.stderr))
        pid = int(open(os.path.join(folder, "pid")).read())
        check(os.getsid(pid) == pid, "it is in the session of its parent")
        for fd in 0, 1, 2:
            check(os.readlink("/proc/%d/fd/%d" % (pid, fd)) == "/dev/null", "descriptor %d is still ours" % fd)
        s = unix_monitor(os.path.join(folder, "mon"))
        s.sendall(b"change floppy0 floppy.img\nquit\n")
        wait_until(lambda: ended(pid), "it does not end")
        said = b""
        while True:
            data = s.recv(4096)
            if not data:
                break
            said += data
        check(b"Error" not in said, "a name in the folder is not found: %r" % said)
        check(not os.path.exists(os.path.join(folder, "pid")), "its number's file stays")
        p = finished([*args, "-hda", "missing.img"], folder)
        check(p.returncode == 1 and "missing.img" in p.stderr, "what is wrong is not said: %r" % (p,))
        check(not os.path.exists(os.path.join(folder, "pid")), "the number's file of one that did not start stays")


def rtc(m):
    """Hours and minutes of the guest's clock."""
    def register(n):
        m.ask("o /b 0x70 %d" % n)
        value = int(re.search(r"= 0x(..)", m.ask("i /b 0x71")).group(1), 16)
        return (value >> 4) * 10 + (value & 15)
    return register(4), register(2)


def test_clock():
    os.environ["TZ"] = "EST+05:30"
    try:
        for args, shift in (["-localtime"], -330), (["-rtc", "base=localtime,clock=host"],
                                                    -330), (["-rtc", "base=utc"], 0), ([], 0):
            m = Monitor("-S", *args)
            now = time.gmtime(time.time() + shift * 60)
            hours, minutes = rtc(m)
            apart = (hours * 60 + minutes - now.tm_hour * 60 - now.tm_min) % 1440
            check(apart in (0, 1439),
                  "%s: %02d:%02d, and it is %02d:%02d" % (args, hours, minutes, now.tm_hour, now.tm_min))
            m.quit()
    finally:
        del os.environ["TZ"]
    m = Monitor("-S", "-startdate", "2006-06-17T16:01:21")
    check(rtc(m) == (16, 1), "-startdate: %r" % (rtc(m),))
    m.quit()


def has_tables(folder, *args):
    m = Monitor(*args, folder=folder)
    path = os.path.join(folder, "low")
    def mark():
        m.ask("pmemsave 0 0x100000 low")
        with open(path, "rb") as f:
            low = f.read()
        return b"_SM_" in low or b"HLT" in args or args and "-kernel" in args, b"RSD PTR " in low
    wait_until(lambda: mark()[0], "the firmware does not come so far")
    time.sleep(0.3)
    found = mark()[1]
    m.quit()
    return found


def test_no_acpi():
    """The firmware's tables and, without it, those of -kernel."""
    with tempfile.TemporaryDirectory() as folder:
        kernel = ["-kernel", probe, "-append", "spin"]
        for args in [], kernel:
            check(has_tables(folder, *args), "no ACPI tables: %r" % args)
            check(not has_tables(folder, "-no-acpi", *args), "ACPI tables in spite of -no-acpi: %r" % args)
        check(not has_tables(folder, "-machine", "pc,acpi=off"), "ACPI tables in spite of acpi=off")


def has_hpet_table(folder, *args):
    """Of 16 MiB, where the firmware or -kernel's loader has put the tables; and what is at the HPET's address."""
    m = Monitor("-m", "16", *args, folder=folder)
    path = os.path.join(folder, "all")
    def memory():
        m.ask("pmemsave 0 0x1000000 all")
        with open(path, "rb") as f:
            return f.read()
    wait_until(lambda: b"FACP" in memory()[:-1], "no ACPI tables")
    time.sleep(0.3)
    found = [at.start() for at in re.finditer(b"HPET\x38\0\0\0", memory())]
    said = m.ask("xp /1xw 0xfed00000")
    m.quit()
    check(("0x8086a201" in said) == bool(found), "%r: tables at %r, registers: %s" % (args, found, said))
    return bool(found)


def test_hpet():
    with tempfile.TemporaryDirectory() as folder:
        for way in [], ["-kernel", probe, "-append", "spin"]:
            check(not has_hpet_table(folder, *way), "a HPET that nobody asked for: %r" % way)
            check(has_hpet_table(folder, "-M", "pc,hpet=on", *way), "no HPET in spite of hpet=on: %r" % way)
            check(not has_hpet_table(folder, "-M", "pc,hpet=on", "-no-hpet", *way), "a HPET in spite of -no-hpet: %r" % way)


def test_uuid():
    with tempfile.TemporaryDirectory() as folder:
        m = Monitor("-uuid", "01020304-0506-0708-090a-0b0c0d0e0f10", folder=folder)
        check("01020304-0506-0708-090a-0b0c0d0e0f10" in m.ask("info uuid"), "info uuid")
        def smbios():
            m.ask("pmemsave 0xe0000 0x20000 high")
            with open(os.path.join(folder, "high"), "rb") as f:
                return bytes(range(1, 17)) in f.read()
        wait_until(smbios, "the number is not in the SMBIOS structures")
        m.quit()


def test_no_shutdown():
    m = Monitor("-no-shutdown", "-kernel", probe, "-append", "once off")
    wait_until(lambda: "paused (shutdown)" in m.ask("info status"), "it does not stand")
    check("Resetting the Virtual Machine is required" in m.ask("cont"), "cont is possible")
    m.ask("system_reset")
    wait_until(lambda: "shutdown" not in m.ask("info status"), "a reset does not help")
    m.ask("cont")
    wait_until(lambda: "paused (shutdown)" in m.ask("info status"), "it does not run to its end again")
    m.quit()
    for args in ["-no-reboot", "-no-shutdown"], ["-action", "reboot=shutdown,shutdown=pause"]:
        m = Monitor(*args, "-kernel", probe, "-append", "triple")
        wait_until(lambda: "paused (shutdown)" in m.ask("info status"), "a triple fault does not stand")
        m.quit()


def test_nodefaults():
    m = Monitor("-nodefaults")
    block, pci = m.ask("info block"), m.ask("info pci")
    check("floppy0" not in block and "cd0" not in block, "empty drives: " + block)
    check("VGA" not in pci, "a graphics card: " + pci)
    m.quit()
    m = Monitor("-nodefaults", "-vga", "std", "-drive", "if=floppy")
    block, pci = m.ask("info block"), m.ask("info pci")
    check("floppy0" in block and "cd0" not in block, "what was asked for: " + block)
    check("VGA" in pci, "no graphics card: " + pci)
    m.quit()


def test_named_card():
    """A card that -device names is there whatever -vga says of the PC's own, with the ROM that was named."""
    function, at = 0x80001000, 0xfeb00000 # 00:02.0; for its ROM
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "some.rom"), "wb") as f:
            f.write(b"\x55\xaa\x02\xcb".ljust(1024, b"\x5a"))
        card = ["-device", "VGA,romfile=some.rom"]
        for others in ["-vga", "none"], ["-nodefaults"], ["-vga", "none", "-kernel", probe, "-append", "spin"]:
            for line in [*others, *card], [*card, *others]:
                m = Monitor("-S", *line, folder=folder)
                for register, value in (0x30, at | 1), (0x04, 2):
                    m.ask("o /wx 0xcf8 %#x" % (function | register))
                    m.ask("o /wx 0xcfc %#x" % value)
                check("0x55 0xaa 0x02 0xcb" in m.ask("xp /4xb %#x" % at), "%s: the ROM is not there" % line)
                m.quit()
                refused([w.replace("some", "no") for w in line], folder, ["romfile no.rom"])
    m = Monitor("-vga", "none", "-device", "VGA")
    check("VGA" in m.ask("info pci"), "no graphics card")
    m.quit()


def test_process_name():
    m = Monitor("-name", "guest=some pc,process=some-pc")
    check("some pc" in m.ask("info name"), "info name")
    with open("/proc/%d/comm" % m.vm.process.pid) as f:
        check(f.read() == "some-pc\n", "the process has another name")
    m.quit()


def test_echr():
    vm = Vm([ring3, "-kernel", probe, "-append", "echo", "-nographic", "-echr", "0x14"], tty=True)
    vm.expect("probe")
    vm.send("\x01x")
    time.sleep(0.3)
    check(vm.process.poll() is None, "Ctrl-A is still ring3's key")
    vm.send("\x14h")
    vm.expect("Ctrl-T X +end ring3")
    vm.send("\x14x")
    vm.expect_exit(0)


def test_telnet():
    """RFC 854: our offers, a client's wishes, 255 in both directions, Enter."""
    port = free_port()
    vm = Vm([ring3, "-kernel", probe, "-append", "echo", "-display", "none", "-serial",
             "telnet:127.0.0.1:%d,server=on" % port])
    vm.expect("waiting for a connection")
    s = socket.create_connection(("127.0.0.1", port), timeout=20 * PATIENCE)
    got = b""
    def until(what):
        nonlocal got
        while what not in got:
            data = s.recv(4096)
            check(data, "%r did not come: %r" % (what, got))
            got += data
        got = got[got.index(what) + len(what):]
    until(b"\xff\xfb\1\xff\xfb\3\xff\xfb\0\xff\xfd\0")
    until(b"echo\r\n")
    s.sendall(b"\xff\xfd\1\xff\xfd\3\xff\xfb\x18\xff\xfd\x21") # agreed twice; terminal type, flow control: neither
    until(b"\xff\xfe\x18\xff\xfc\x21")
    check(got == b"", "agreement is answered: %r" % got)
    s.sendall(b"\xff\xfa\x18\0abc\xff\xf0a\r\0b\xff\xff\xff\xf1c") # a subnegotiation, Enter, 255, a command
    until(b"a\rb\xff\xffc")
    s.sendall(b"\xff\xfb\0d\r\0e") # in binary a NUL is a NUL
    until(b"d\r\0e")
    s.close()
    s = socket.create_connection(("127.0.0.1", port), timeout=20 * PATIENCE)
    got = b""
    until(b"\xff\xfb\1\xff\xfb\3\xff\xfb\0\xff\xfd\0")
    s.sendall(b"x\r\0y")
    until(b"x\ry")
    vm.kill()


def test_hints():
    for args, bad in (["-kdb", "x"], "hdb"), (["-fdz", "x"], "fda"), (["-accel", "kvm"], "form="):
        p = finished(args, "/")
        check(p.returncode == 1 and bad not in p.stderr, p.stderr)
    p = finished(["-accel", "translate,form=tabel"], "/")
    check("form=tabel: did you mean 'table'?" in p.stderr, p.stderr)


main(lambda: run_tests(globals(), sys.argv[4:]))
