#!/usr/bin/env python3
"""monitor.py RING3 PROBE - the monitor's words, hostile clients, and serial ports on sockets, terminals and ptys."""
import os
import random
import re
import select
import signal
import socket
import sys
import tempfile
import time

from vm import Vm, check, deadline, free_port, main, run_tests

ring3, probe = sys.argv[1:3]
folder = tempfile.mkdtemp(prefix="ring3-")
mon, ser = folder + "/mon", folder + "/ser"
PROMPT = "(ring3) "


started = []


def run(words, *more, **how):
    started.append(Vm([ring3, "-kernel", probe, "-append", words, "-display", "none", *more], **how))
    return started[-1]


class Client:
    """The far end of a socket or pty."""

    def __init__(self, vm, address=None, family=socket.AF_UNIX, fd=None):
        self.vm, self.text, self.fd = vm, "", fd
        end = deadline(10)
        while self.fd is None:
            try:
                self.socket = socket.socket(family)
                self.socket.connect(address)
                self.fd = self.socket.fileno()
            except OSError:
                self.socket.close()
                if time.monotonic() > end:
                    vm.fail("no connection to %s" % (address,))
                time.sleep(0.02)

    def send(self, text):
        os.write(self.fd, text.encode("latin1"))

    def read(self, timeout):
        """What came; "" when nothing did, None at the end."""
        if not select.select([self.fd], [], [], timeout)[0]:
            return ""
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            data = b""
        self.text += data.decode("latin1")
        return data.decode("latin1") if data else None

    def expect(self, pattern, timeout=20):
        """Wait for a pattern; returns the match and forgets what came up to it."""
        end = deadline(timeout)
        while True:
            found = re.search(pattern, self.text, re.S)
            if found:
                self.text = self.text[found.end():]
                return found
            if time.monotonic() > end or self.read(0.1) is None:
                self.vm.fail("%r did not come; there is %r" % (pattern, self.text[-2000:]))

    def expect_end(self):
        end = deadline(10)
        while self.read(0.1) is not None:
            if time.monotonic() > end:
                self.vm.fail("the connection does not end")

    def close(self):
        self.socket.close()


class Monitor(Client):
    def __init__(self, vm, address=mon):
        super().__init__(vm, address)
        self.expect(r"ring3 \S+ monitor - type 'help' for more information\r\n\(ring3\) $")

    def do(self, word):
        """The answer to a word, without echo and prompt."""
        self.send(word + "\n")
        self.expect(re.escape(word) + "\r\n")
        return self.expect(r"^(.*?)\(ring3\) $").group(1).replace("\r\n", "\n")

    def count(self):
        return int(self.do("xp /1xw 0x300004").split()[1], 16)


def monitored(words, *more, **how):
    vm = run(words, "-monitor", "unix:%s,server=on,wait=off" % mon, *more, **how)
    m = Monitor(vm)
    while "-S" not in more and "EIP=0010" not in m.do("info registers"): # the BIOS comes first
        time.sleep(0.01)
    return vm, m


def goes_on(m):
    before, end = m.count(), deadline(3)
    while time.monotonic() < end:
        if m.count() != before:
            return True
        time.sleep(0.02)
    return False


def stands(m):
    before = m.count()
    time.sleep(0.1)
    return m.count() == before


def test_full_file():
    """A file that takes no more is said once; the guest goes on."""
    vm = run("exit=3", "-serial", "file:/dev/full", "-device", "isa-debug-exit")
    vm.expect_exit(7)
    check(vm.output == "ring3: -serial file:/dev/full: No space left on device; what does not fit is lost\n", vm.output)


def numbers(vm, m):
    """What cannot be meant is refused at once; what is long ends by itself or by Ctrl-C."""
    path = folder + "/numbers"
    for words, answer in (("pmemsave 0 99999999999999 " + path, "the size is from 0 to 4294967296"),
                          ("pmemsave 0x%x 1 %s" % (1 << 32, path), "the address is below 4 GiB"),
                          ("pmemsave -1 1 " + path, "the address is below 4 GiB"),
                          ("pmemsave 0 (-1) " + path, "the size is from 0 to"), ("memsave 0xfffff000 4097 " + path, "the size is from 0 to 4096"),
                          ("x /99999999999i 0", "the count is at most"), ("xp /1000001xb 0", "the count is at most"),
                          ("x /99999999999999999999999i 0", "the count is at most"), ("i /b 0x10000", "the port is from 0 to 65535"),
                          ("o /b -1 0", "the port is from 0 to"), ("print 99999999999999999999", "number too large"),
                          ("xp /1xb 0x100000000", "Cannot access memory"), ("x /1xb %s1%s" % ("(" * 70, ")" * 70), "too deep")):
        began = time.monotonic()
        said = m.do(words)
        check(answer in said and time.monotonic() - began < 1, "%s: %s" % (words, said))
        check(not os.path.exists(path), words + " has made a file")
    m.do("pmemsave 0xfff00000 0x100000 " + path) # to the very end, and where nobody answers
    check(os.path.getsize(path) == 1 << 20, "pmemsave to 4 GiB")
    m.do("pmemsave 0x80000000 0x1000000 " + path)
    with open(path, "rb") as f:
        check(f.read() == b"\xff" * (1 << 24), "pmemsave of nothing")
    m.send("x /1000000i 0\n")
    m.expect("0x000000..: ")
    m.send("\x03")
    m.expect(r"interrupted\r\n\(ring3\) ")
    m.do("") # and the key itself is no more than an empty line
    os.unlink(path)


def test_words():
    vm, m = monitored("work")
    check(m.do("info status") == "VM status: running\n", "info status")
    check(goes_on(m), "the guest does not count")
    check(m.do("stop") == "" and m.do("info status") == "VM status: paused\n", "stop")
    check(stands(m), "the guest counts although it is stopped")
    vm.idle_share(0.5, 0.01, "a stopped machine")
    check(m.do("xp /1xw 0x300000") == "0000000000300000: 0x64206c6c\n", "xp of the mark")
    check(m.do("x /4xb 0x300000") == "00300000: 0x6c 0x6c 0x20 0x64\n", "x of the mark")
    check(m.do("x /4c 0x300000") == "00300000: 'l' 'l' ' ' 'd'\n", "x /c of the mark")
    check(re.match(r"0x001\w{5}:  (\w\w )+ +\w+ .*\n0x001\w{5}:  ", m.do("x /2i $pc")), "x /i")
    registers = m.do("info registers")
    check(re.search(r"^EIP=001\w{5} EFL=\w{8} \[.{7}\] CPL=0 II=0 A20=1 SMM=0 HLT=0$", registers, re.M), registers)
    check("CS =0010 00000000 ffffffff 00cf9b00 DPL=0 CS32 [-RA]\n" in registers, registers)
    eip = int(re.search(r"EIP=(\w+)", registers).group(1), 16)
    check(m.do("print /x $eip+0x10") == "0x%x\n" % (eip + 16), "print")
    m.do('pmemsave 0x2ffffe 8 "%s/memory"' % folder)
    with open(folder + "/memory", "rb") as f:
        check(f.read()[:6] == b"\0\0ll d", "pmemsave")
    numbers(vm, m)
    check("does not listen" in m.do("system_powerdown"), "a guest without ACPI and its power button")
    parts = m.do("info parts")
    hashes = dict(re.findall(r"(?m)^(\w+) +([0-9a-f]{16})\r?$", parts))
    check({"com1", "ide", "cpu"} <= set(hashes) and len(hashes) == len(parts.splitlines()), "info parts: " + parts)
    check(hashes["com1"] != hashes["com2"], "two parts of a kind, in other states")
    check(re.search(r"  mcr +[0-9a-f]{2}\r?\n", m.do("info parts com1")), "info parts com1")
    check("no part 'com9'" in m.do("info parts com9"), "info parts com9")
    pics = m.do("info pic")
    check("pic0: irr=" in pics and "ioapic: id=1" in pics, "info pic: " + pics)
    lapic = m.do("info lapic")
    check("lapic: base=0fee00900 version=00050014 id=00 svr=1ff" in lapic and "lint0=08700 lint1=00400" in lapic, "info lapic: " + lapic)
    check("00000000000003f8-00000000000003ff (prio 0, i/o): com1\n" in m.do("info mtree"), "info mtree")
    check("Host bridge: PCI device 8086:1237\n" in m.do("info pci"), "info pci")
    check("ide1-cd0: [not inserted]\n" in m.do("info block"), "info block")
    check(m.do("qiut") == "unknown command: 'qiut'; did you mean 'quit'?\n", "an unknown word")
    check(m.do("info statsu") == "unknown command: 'info statsu'; did you mean 'info status'?\n", "unknown info")
    check("help|?" in m.do("help") and "info status" in m.do("help info"), "help")
    check(m.do("cont") == "" and goes_on(m), "cont")
    m.send("quit\n")
    vm.expect_exit(0)
    check(not os.path.exists(mon), "the socket's file is still there")


def test_stopped_time():
    """Guest time stands still: the probe's machine is reset while it is stopped, and starts from its beginning."""
    vm, m = monitored("count work", "-S", "-serial", "stdio")
    check(m.do("info status") == "VM status: paused (prelaunch)\n", "-S")
    check(m.do("xp /1xw 0x300000").split()[1] == "0x00000000", "-S has run")
    m.do("cont")
    vm.expect("boots 00000001")
    m.do("stop")
    m.do("system_reset")
    time.sleep(0.2)
    check("boots 00000002" not in vm.output and m.do("info status") == "VM status: paused\n", "a reset starts a stopped machine")
    m.do("c")
    vm.expect("boots 00000002")
    m.do("system_reset")
    vm.expect("boots 00000003")
    m.do("stop")
    vm.signal(signal.SIGTERM)
    vm.expect_exit(143, 3)


def test_clock():
    """-rtc: what the clock chip shows at power-on."""
    vm, m = monitored("halt", "-S", "-rtc", "base=2006-06-17T16:01:21", "-name", "a name")
    shown = []
    for register in 0, 2, 4, 7, 8, 9:
        m.do("o /b 0x70 %d" % register)
        shown.append(int(m.do("i /b 0x71").split("= ")[1], 16))
    check(shown == [0x21, 1, 0x16, 0x17, 6, 6], "the clock shows %s" % [hex(n) for n in shown])
    check(m.do("info name") == "a name\n", "info name")
    vm.kill()


def test_keyboard():
    """Keys wait in the 8042 for a guest that does not look; the monitor looks in its stead."""
    vm, m = monitored("halt")
    m.do("o /b 0x64 0x60")
    m.do("o /b 0x60 0x40") # translate, no interrupts
    m.do("o /b 0x64 0xae")
    check(m.do("sendkey shift-a 1") == "", "sendkey")
    seen, wanted, end = [], [0x2A, 0x1E, 0x9E, 0xAA], deadline(5)
    while seen[-4:] != wanted and time.monotonic() < end:
        if int(m.do("i /b 0x64").split("= ")[1], 16) & 1:
            seen.append(int(m.do("i /b 0x60").split("= ")[1], 16))
        time.sleep(0.01)
    check(seen[-4:] == wanted, "scan codes %s, not %s" % ([hex(n) for n in seen], [hex(n) for n in wanted]))
    check(m.do("sendkey foo-a") == "invalid parameter: foo\n", "a key that is none")
    check(m.do("mouse_move 5 -5 -1") == "", "counts with signs")
    check(m.do("mouse_move 5 x") == "invalid parameter: x\n", "a count that is none")
    m.do("mouse_button 1")
    vm.kill()


def test_screendump():
    vm, m = monitored("halt")
    m.do("stop") # the cursor blinks
    for name in "s.ppm", "s.png", "t.ppm":
        check(m.do('screendump "%s/%s"' % (folder, name)) == "", "screendump")
    with open(folder + "/s.ppm", "rb") as a, open(folder + "/t.ppm", "rb") as b, open(folder + "/s.png", "rb") as png:
        ppm = a.read()
        width, height = (int(n) for n in re.match(rb"P6\n(\d+) (\d+)\n255\n", ppm).groups())
        check(len(ppm) == len(b"P6\n%d %d\n255\n" % (width, height)) + 3 * width * height, "the PPM's size")
        check(ppm == b.read(), "the same screen gives two pictures")
        check(png.read()[:24] == b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big"), "the PNG's head")
    check("No such file" in m.do("screendump /none/there"), "a name that cannot be")
    check(m.do("screendump") == 'screendump: filename expected\nTry "help screendump" for more information\n', "no name")
    m.do("o /b 0x3d4 0xe") # what the guest, and so the monitor, sees at the adapter's address
    check(m.do("xp /2xb 0xb8000").startswith("00000000000b8000: 0x"), "video memory")
    vm.kill()


def test_parallel():
    """What is strobed out of the printer port."""
    vm, m = monitored("halt", "-parallel", "file:%s/paper" % folder)
    for c in b"Hi":
        for port, value in (0x378, c), (0x37A, 0xD), (0x37A, 0xC):
            m.do("o /b 0x%x 0x%x" % (port, value))
    with open(folder + "/paper", "rb") as f:
        check(f.read() == b"Hi", "the printer's file")
    vm.kill()


def test_media():
    image = folder + "/floppy"
    with open(image, "wb") as f:
        f.truncate(1440 << 10)
    vm, m = monitored("halt")
    check(m.do("change floppy0 %s" % image) == "", "change")
    check("floppy0: %s (raw)\n" % image in m.do("info block"), "info block")
    for word in "screendump", "pmemsave 0 16", "memsave 0 16": # what is in a drive is not overwritten by a slip
        said = m.do("%s %s" % (word, image))
        check("it is the image of a drive" in said and os.path.getsize(image) == 1440 << 10, "%s: %s" % (word, said))
    check("filename of more than 1023 characters" in m.do("screendump " + "x" * 1024), "a longer name")
    check(m.do("eject floppy0") == "" and "floppy0: [not inserted]" in m.do("info block"), "eject")
    check("/none" in m.do("change floppy0 /none"), "change to what is not there")
    check("'floppy0'" in m.do("eject flopy0"), "a drive that is none")
    vm.kill()


def test_hostile_clients():
    random.seed(1)
    vm, m = monitored("work")
    m.do("")
    m.send("x" * 100000 + "\n")
    m.expect(r"unknown command: 'x{60}' *|unknown command: 'x+'")
    m.expect(r"\(ring3\) $")
    for _ in range(20):
        m.send("".join(chr(random.choice([*range(9), 11, 12, *range(14, 256)])) for _ in range(2000)))
        m.read(0)
    m.send("\x15\r")
    m.expect(r"\(ring3\) $")
    m.close()
    for text in "", "info sta", "x /1000xb 0\n" * 50, "\0" * 5000, "quit":
        m = Monitor(vm)
        m.send(text)
        m.close()
    m = Monitor(vm) # one that asks for much and does not read
    m.send("x /4000000xb 0\n")
    time.sleep(0.5)
    m.close()
    m = Monitor(vm)
    check(goes_on(m), "the guest stands still")
    m.send("quit\n")
    m.expect_end()
    vm.expect_exit(0)


def test_one_shot():
    """echo WORDS | socat: the client sends, closes its sending side, and gets the answers."""
    vm, m = monitored("work")
    m.close()
    for _ in range(5):
        m = Monitor(vm)
        m.send("info status\nprint 6*7\n")
        m.socket.shutdown(socket.SHUT_WR)
        m.expect("VM status: running\r\n.*\n42\r\n")
        m.expect_end()
        m.close()
    vm.kill()


def serial_works(c, word="hello"):
    c.send(word)
    c.expect(word)


def test_serial_unix():
    vm = run("echo", "-serial", "unix:%s,server=on,wait=off" % ser)
    for _ in range(3):
        c = Client(vm, ser)
        serial_works(c)
        c.close()
    text = "".join(chr(97 + n % 13) for n in range(50000)) # more than any buffer holds
    c = Client(vm, ser)
    sent = 0
    c.socket.setblocking(False)
    end = deadline(60)
    while len(c.text) < len(text) and time.monotonic() < end:
        try:
            sent += c.socket.send(text[sent:sent + 4096].encode())
        except BlockingIOError:
            pass
        c.read(0.01)
    check(c.text == text, "%d of %d bytes came back" % (len(c.text), len(text)))
    c.send("q")
    vm.expect_exit(0)


def test_serial_tcp():
    port = free_port()
    vm = run("echo", "-serial", "tcp:127.0.0.1:%d,server=on" % port) # and waits
    vm.expect("waiting for a connection")
    time.sleep(0.2)
    c = Client(vm, ("127.0.0.1", port), socket.AF_INET)
    c.expect("probe\r\n")
    serial_works(c)
    c.close()
    c = Client(vm, ("127.0.0.1", port), socket.AF_INET)
    serial_works(c)
    c.send("q")
    vm.expect_exit(0)


def test_wait_can_be_ended():
    vm = run("echo", "-serial", "unix:%s,server=on" % ser)
    vm.expect("waiting for a connection")
    vm.signal(signal.SIGINT)
    check(vm.wait(3) in (-signal.SIGINT, 130), "SIGINT while it waits")


def test_serial_connects():
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(ser + "2")
        s.listen()
        vm = run("echo", "-serial", "unix:" + ser + "2")
        with s.accept()[0] as c:
            client = Client(vm, fd=c.fileno())
            client.expect("probe\r\n")
            serial_works(client)
        time.sleep(0.1)
        check(vm.process.poll() is None, "a client that leaves ends ring3")
        vm.kill()


def test_serial_pty():
    vm = run("echo", "-serial", "pty")
    name = vm.expect(r"char device redirected to (/dev/pts/\d+) \(label serial0\)").group(1)
    for _ in range(2):
        fd = os.open(name, os.O_RDWR | os.O_NOCTTY)
        c = Client(vm, fd=fd)
        time.sleep(0.6) # it looks four times a second
        serial_works(c)
        os.close(fd)
        time.sleep(0.1)
    fd = os.open(name, os.O_RDWR | os.O_NOCTTY)
    time.sleep(0.6)
    os.write(fd, b"q")
    vm.expect_exit(0)
    os.close(fd)


def test_client_that_does_not_read():
    vm, m = monitored("flood", "-serial", "unix:%s,server=on,wait=off" % ser)
    c = Client(vm, ser)
    c.expect("n 0000")
    end = deadline(20)
    time.sleep(1)
    while not goes_on(m):
        check(time.monotonic() < end, "the guest waits for a client that does not read")
    c.text = ""
    for _ in range(100): # what was kept for it, then what comes now
        c.read(0.05)
    check(re.search(r"n \w{8}\r\nn \w{8}\r\n", c.text), "nothing comes any more")
    c.close()
    check(goes_on(m), "without a client")
    c = Client(vm, ser)
    c.expect(r"n \w{8}\r\n")
    m.send("quit\n")
    vm.expect_exit(0)


def test_shared_terminal():
    for how in {"tty": True}, {}:
        vm = run("echo", "-nographic", **how)
        vm.expect("echo\r+\n")
        vm.send("ab\1cinfo status\r")
        vm.expect(r"ring3 \S+ monitor - type 'help' for more information\r+\n\(ring3\) info status\r+\nVM status: running\r+\n\(ring3\) ")
        vm.send("\1c")
        vm.expect("\n")
        vm.send("cd\1\1e")
        vm.expect("cd\1e")
        vm.send("\1h")
        vm.expect("Ctrl-A C")
        vm.send("\1Cstop\rinfo status\r")
        vm.expect("VM status: paused\r+\n")
        vm.send("\1cf") # which waits
        time.sleep(0.2)
        vm.send("\1ccont\r\1c")
        vm.expect("f$")
        vm.send("\1x")
        vm.expect_exit(0, 3)


def test_shared_socket():
    vm = run("echo", "-serial", "mon:unix:%s,server=on" % ser)
    c = Client(vm, ser)
    for _ in range(2):
        serial_works(c)
        c.send("\1cinfo status\n")
        c.expect(r"monitor - type 'help'.*VM status: running\r\n\(ring3\) $")
        c.send("\1c")
        c.expect("\n")
        serial_works(c)
        c.close()
        c = Client(vm, ser)
    c.send("\1cquit\n")
    vm.expect_exit(0)


def test_monitor_on_stdio():
    vm = run("echo", "-monitor", "stdio", "-serial", "unix:%s,server=on,wait=off" % ser, tty=True)
    vm.expect(r"\(ring3\) ")
    vm.send("stpo\b\bop\rinfo status\r")
    vm.expect("VM status: paused")
    vm.send("info st\t\r") # completed
    vm.expect(r"info status \r+\nVM status: paused")
    vm.send("inf\tsa\b\bst\t\r")
    vm.expect(r"status \r+\nVM status: paused")
    vm.send("system_\t") # listed
    vm.expect(r"system_powerdown system_reset \r+\n\(ring3\) system_")
    vm.send("\25\33[A\r") # once more
    vm.expect("VM status: paused")
    vm.send("\3")
    vm.expect_exit(130, 3)
    vm = run("halt", "-nographic", "-serial", "null") # the monitor has the terminal
    vm.send("info status\nq\n")
    vm.expect("VM status: running")
    vm.expect_exit(0)


try:
    main(lambda: run_tests(globals(), sys.argv[3:]))
finally:
    for vm in started:
        vm.kill()
    for entry in os.listdir(folder):
        os.unlink(os.path.join(folder, entry))
    os.rmdir(folder)
