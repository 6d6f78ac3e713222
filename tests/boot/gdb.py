"""gdb.py RING3 DEBUGGEE FLOPPY SCRIPT [ring3 options...] - the gdb server: Debian's gdb on a kernel of ours (tests/guests/debuggee.c) and on
a boot floppy, with and without docs/ring3.gdb; then a client of ours for what gdb does not say, and for what nobody should.
"""
import os
import random
import re
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time

from vm import PATIENCE, Vm, check, deadline, free_port, keeps_speed, main, run_tests, skip, tries

ring3, debuggee, floppy, script, *options = sys.argv[1:]
folder = tempfile.mkdtemp(prefix="ring3-gdb")
HIGH, ALIAS = 0xc0000000, 0x400000
KERNEL = ("-kernel", debuggee)
symbols = {f[2]: int(f[0], 16) for f in (line.split() for line in subprocess.check_output(["nm", debuggee], text=True).splitlines())
           if len(f) == 3}


class Machine:
    """ring3 with a gdb server and a monitor on sockets."""
    count = 0

    def __init__(self, *guest, stopped=True, ends=True):
        Machine.count += 1
        self.client = None
        self.gdb, self.monitor = ("%s/%s%d" % (folder, s, Machine.count) for s in ("gdb", "mon"))
        self.vm = Vm([ring3, "-display", "none", *(["-no-reboot"] if ends else []), "-gdb", "unix:%s,server=on,wait=off" % self.gdb, "-monitor",
                      "unix:%s,server=on,wait=off" % self.monitor, *(["-S"] if stopped else []), *guest, *options], stdin=False)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.vm.kill()

    def connect(self, path):
        end = deadline(20)
        while True:
            s = socket.socket(socket.AF_UNIX)
            try:
                s.connect(path)
                s.settimeout(20 * PATIENCE)
                return s
            except OSError:
                s.close()
                if time.monotonic() > end or self.vm.process.poll() is not None:
                    self.vm.read(0.2)
                    self.vm.fail("no socket %s; exit code %s" % (path, self.vm.process.poll()))
                time.sleep(0.05)

    def ask(self, words):
        """A line for the monitor; its answer."""
        if self.client: # it has one client at a time
            return self.client.say(words)
        s = self.connect(self.monitor)
        text = ""
        for line in ("", words):
            if line:
                s.sendall(line.encode() + b"\n")
            text = ""
            while not text.endswith("(ring3) "):
                data = s.recv(65536)
                if not data:
                    self.vm.fail("the monitor left")
                text += data.decode("latin1")
        s.close()
        return text

    def ask_to(self, words):
        """The same without an answer."""
        s = self.connect(self.monitor)
        s.sendall(words.encode() + b"\n")
        s.close()

    def rounds(self):
        return int(self.ask("xp/1xw 0x%x" % symbols["rounds"]).split("0x")[-1].split()[0], 16)

    def check_runs(self, why):
        before, end = self.rounds(), deadline(20)
        while self.rounds() == before:
            if time.monotonic() > end:
                self.vm.fail(why)
            time.sleep(0.02)

    def run_gdb(self, commands, *args):
        """What gdb says to the commands, which begin when it is connected."""
        self.connect(self.gdb).close() # until it is there
        path = folder + "/commands"
        with open(path, "w") as f:
            f.write("set pagination off\nset confirm off\ntarget remote %s\n%s\n" % (self.gdb, commands))
        try:
            p = subprocess.run(["gdb", "-nx", "-batch", *args, "-x", path], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               timeout=60 * PATIENCE)
        except subprocess.TimeoutExpired as e:
            self.vm.fail("gdb does not end:\n%s" % (e.stdout or b"").decode())
        return p.stdout


def ordered(text, *patterns):
    """They are in the text one after the other."""
    at = 0
    for pattern in patterns:
        found = re.compile(pattern, re.M).search(text, at)
        check(found, "%r is not in what gdb said, or not there:\n%s" % (pattern, text))
        at = found.end()


# --- gdb ---

def test_source():
    """What a hobby-OS writer does first."""
    with Machine(*KERNEL) as m:
        ordered(m.run_gdb("""
            break scale
            continue
            info args
            backtrace
            continue
            print n
            finish
            print counter
            next
            step
            print history
            print/x code_sum
            x/4xb &scale
            delete
            tbreak work
            jump work
            print/x code_sum = 0
            break work
            continue
            print/x code_sum
            info registers
            info vector
            monitor info status
            info threads
            detach""", debuggee),
                r"^Breakpoint 1, scale \(n=1\)", r"^n = 1$", r"^#1 .* in work \(\)", r"^#2 .* in debuggee_main \(\)", r"^Breakpoint 1, scale \(n=3\)",
                r"= 3$", r"^Value returned is .* = 7$", r"= 3$", r"history\[rounds", r"= \{7, 0, 0, 0, 0, 0, 0, 0\}", r"= 0x[0-9a-f]{6,8}$",
                r"<scale>:\t0x55\t0x89\t0xe5", r"^Temporary breakpoint 2, work", r"^Breakpoint 3, work", r"= 0x[0-9a-f]{6,8}$", r"^cr0 .* PG ", r"^cs_base ", r"^code_bits +0x20 ", r"^mxcsr ",
                r"VM status: paused", r"\* 1 +Thread 1 \(CPU\)",
                r"detached")
        m.check_runs("it does not run on after detach")


def test_watch():
    with Machine(*KERNEL) as m:
        ordered(m.run_gdb("""
            watch rounds
            continue
            continue
            delete
            rwatch history[0]
            awatch filled[3]
            continue
            continue
            delete
            watch counter if counter == 7
            continue
            print counter
            info breakpoints
            delete
            detach""", debuggee),
                "Hardware watchpoint 1: rounds", "^Old value = 0\nNew value = 1$", "^Old value = 1\nNew value = 2$",
                "Hardware access .*watchpoint 3: filled", "0x5a|90", "Hardware access .*watchpoint 3: filled", "New value = 7", "= 7$", "hw watchpoint")
        m.check_runs("it does not run on after detach")


def test_modes():
    """16-bit protected mode in a segment with a base, V86 mode and flat 32-bit code in one session."""
    with Machine(*KERNEL) as m:
        ordered(m.run_gdb("""
            tbreak code16_add
            continue
            x/i $pc
            print/x $ax
            print $code_bits
            printf "offset %x base %x cs %x\\n", $eip_offset, $cs_base, $cs
            stepi
            print/x $ax
            tbreak *0x20003
            continue
            x/3i $pc
            print $eflags
            printf "cpl %d offset %x cs %x\\n", $cpl, $eip_offset, $cs
            stepi
            stepi
            print/x $ax
            stack
            tbreak scale
            continue
            x/i $pc
            print n
            print $code_bits
            detach""", "-x", script, debuggee),
                r"code16_add>:\tadd +\$0x1111,%ax", r"= 0x1234$", r"= 16$", r"^offset 3 base %x cs 18$" % symbols["code16"], r"= 0x2345$",
                r"0x20003:\tadd +\$0x1111,%ax\n +0x20006:\tpush +%ax\n +0x20007:\tpop +%bx", r"= \[.*VM.*\]", r"^cpl 3 offset 3 cs 2000$",
                r"= 0x5432$", r"^0x300fe:\t0x5432", r"scale \(n=1\)", r"<scale\+6>:\tmov +0x8\(%ebp\),%eax", r"= 1$", r"= 32$")


def int13_of_floppy():
    with open(floppy, "rb") as f:
        return 0x7c00 + f.read(512).index(b"\xcd\x13")


def test_floppy():
    """A boot sector: its disassembly is right with nothing but gdb."""
    call = int13_of_floppy()
    with Machine("-fda", floppy, "-snapshot") as m:
        ordered(m.run_gdb("""
            x/i $pc
            break *0x7c00
            continue
            x/3i $pc
            tbreak *0x%x
            continue
            x/i $pc
            print/x $ax
            tbreak *$pc+2
            continue
            print $eflags
            print/x $cx
            detach""" % call),
                r"=> 0xfffffff0:\tljmp +\$0xf000,", r"^Breakpoint 1, 0x00007c00", r"=> 0x7c00:\tljmp +\$0x0,\$0x7c05\n +0x7c05:\tcli.*\n +0x7c06:\txor +%ax,%ax",
                r"=> 0x%x:\tint +\$0x13" % call, r"= 0x8[0-9a-f]{2}$", r"0x0*%x in" % (call + 2), r"= \[.*\]$", r"= 0x[0-9a-f]*12$")
    with Machine("-fda", floppy, "-snapshot") as m: # with the script, and symbols that are of 32-bit code
        ordered(m.run_gdb("""
            tbreak *0x%x
            continue
            over
            x/i $pc
            detach""" % call, "-x", script, debuggee), r"0x0*%x in" % call, r"=> 0x%x:\tint +\$0x13" % call, r"0x0*%x in" % (call + 2),
                r"=> 0x%x:\tjb " % (call + 2))


# --- a client of ours ---

class Client:
    def __init__(self, machine):
        self.machine, self.bytes = machine, b""
        self.socket = machine.connect(machine.gdb)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.socket.close()

    def send(self, text):
        text = text if isinstance(text, bytes) else text.encode()
        self.socket.sendall(b"$%s#%02x" % (text, sum(text) & 255))

    def receive(self):
        while True:
            found = re.search(rb"\$([^#]*)#(..)", self.bytes, re.S)
            if found:
                break
            try:
                data = self.socket.recv(65536)
            except socket.timeout:
                self.machine.vm.fail("no answer; there is %r" % self.bytes)
            if not data:
                self.machine.vm.fail("the connection ended")
            self.bytes += data
        self.bytes = self.bytes[found.end():]
        check(int(found[2], 16) == sum(found[1]) & 255, "a wrong sum: %r" % found[0])
        try:
            self.socket.sendall(b"+")
        except OSError:
            pass # it was the last
        return found[1].decode("latin1")

    def is_answered(self, seconds):
        """Does a packet come? (That the question was received is said at once.)"""
        while b"$" not in self.bytes:
            if not select.select([self.socket], [], [], seconds)[0]:
                return False
            data = self.socket.recv(65536)
            if not data:
                return False
            self.bytes += data
        return True

    def ask(self, text):
        self.send(text)
        return self.receive()

    def expect(self, text, answer):
        got = self.ask(text)
        check(re.fullmatch(answer, got), "%s: %s, not %s" % (text, got, answer))
        return got

    def eip(self):
        return int.from_bytes(bytes.fromhex(self.ask("p8")), "little")

    def ecx(self):
        return int.from_bytes(bytes.fromhex(self.ask("p1")), "little")

    def console(self, words):
        self.send("qRcmd," + words.encode().hex())
        return self.console_text()

    def console_text(self):
        text = ""
        while True:
            got = self.receive()
            if got == "OK" or got[0] != "O":
                return text
            text += bytes.fromhex(got[1:]).decode()

    def expect_end(self, when=""):
        end = deadline(10)
        while True:
            if not select.select([self.socket], [], [], 0.1)[0]:
                if time.monotonic() > end:
                    self.machine.vm.fail("the connection does not end " + when)
                continue
            try:
                if not self.socket.recv(65536):
                    return
            except OSError:
                return


TRAP, SWBREAK, HWBREAK = "T05thread:1;", "T05swbreak:;thread:1;", "T05hwbreak:;thread:1;"


def attached(m):
    c = Client(m)
    c.expect("qSupported:swbreak+;hwbreak+;xmlRegisters=i386", "PacketSize=4000;.*qXfer:features:read\\+.*")
    return c


def test_steps():
    """A repeated instruction is stepped by iterations; a breakpoint at it counts once."""
    rep = symbols["fill_rep"]
    with Machine(*KERNEL) as m, attached(m) as c:
        c.expect("Z0,%x,1" % rep, "OK")
        c.expect("c", SWBREAK)
        for left in 4, 3, 2, 1:
            c.expect("s", TRAP)
            check((c.eip(), c.ecx()) == (rep, left), "%x, ECX %d, not %d" % (c.eip(), c.ecx(), left))
        c.expect("vCont;s:1", TRAP)
        check((c.eip(), c.ecx()) == (rep + 2, 0), "behind the REP: %x, ECX %d" % (c.eip(), c.ecx()))
        c.expect("c", SWBREAK)
        check((c.eip(), c.ecx()) == (rep, 5), "the next round: %x, ECX %d" % (c.eip(), c.ecx()))
        c.expect("z0,%x,1" % rep, "OK")
        c.expect("Z1,%x,1" % rep, "OK")
        c.expect("c", HWBREAK)
        c.expect("D", "OK")
        m.check_runs("it does not run on after detach")


def test_linear():
    """The same physical code at two linear addresses: only the one with the breakpoint stops. Memory is linear, too."""
    scale, filled = symbols["scale"], symbols["filled"]
    with Machine(*KERNEL) as m, attached(m) as c:
        c.expect("Z0,%x,1" % symbols["fill_rep"], "OK")
        c.expect("c", SWBREAK) # paging is on, and everything was translated once
        c.expect("z0,%x,1" % symbols["fill_rep"], "OK")
        c.expect("Z0,%x,1" % (scale + HIGH), "OK")
        for _ in range(3):
            c.expect("c", SWBREAK)
            check(c.eip() == scale + HIGH, "stopped at %x" % c.eip())
        c.expect("z0,%x,1" % (scale + HIGH), "OK")
        c.expect("Z0,%x,1" % scale, "OK")
        for _ in range(5): # 4 calls in a round
            c.expect("c", SWBREAK)
            check(c.eip() == scale, "stopped at %x" % c.eip())
        code = c.ask("m%x,8" % scale)
        check(code == c.ask("m%x,8" % (scale + HIGH)) and code.startswith("5589e5"), "code is %s" % code)
        c.expect("M%x,3:010203" % filled, "OK")
        c.expect("m%x,3" % ALIAS, "010203")
        c.expect("X%x,2:}\x04\x05" % ALIAS, "OK") # an escape
        c.expect("m%x,3" % filled, "240503")
        c.expect("m%x,4" % (ALIAS + 0x1000), "E0e")
        c.expect("m%x,20" % (ALIAS + 0xff0), "(00){16}") # as far as it goes
        c.expect("M%x,20:%s" % (ALIAS + 0xff0, "11" * 32), "E0e")
        c.expect("m%x,10" % (ALIAS + 0xff0), "(00){16}") # all or nothing
        c.expect("qqemu.PhyMemMode", "0")
        c.expect("Qqemu.PhyMemMode:1", "OK")
        c.expect("m%x,8" % scale, code)
        c.expect("m%x,8" % (scale + HIGH), "ff" * 8)
        c.expect("Qqemu.PhyMemMode:0", "OK")
        c.expect("Mffffffff,1:00", "E0e")
        c.expect("Z5,0,1", "")
        c.expect("Z2,%x,0" % filled, "E1c")
        c.expect("m0", "E16")


def test_registers():
    with Machine(*KERNEL) as m, attached(m) as c:
        c.expect("Z0,%x,1" % symbols["_start"], "OK") # behind the BIOS, in 32-bit code
        c.expect("c", SWBREAK)
        c.expect("z0,%x,1" % symbols["_start"], "OK")
        c.expect("P0=78563412", "OK")
        c.expect("p0", "78563412")
        everything = c.ask("g")
        check(everything.startswith("78563412"), everything)
        c.expect("G" + everything, "OK")
        check(c.ask("g") == everything, "G with what g said changed something")
        c.expect("P20=" + "0123456789abcdef" * 2, "OK") # xmm0
        c.expect("p20", "0123456789abcdef" * 2)
        c.expect("P28=ffffffff", "OK") # mxcsr: what the processor has of it
        c.expect("p28", "ffff0000|bfff0000")
        c.expect("Pa=10000000", "E16|OK")
        c.expect("P9=ffffffff", "E16") # VM cannot be set
        c.expect("P29=00000000", "E16") # nor cr0
        c.expect("P999=00", "E16")
        c.expect("G00", "E16")
        c.expect("p", "E16")
        xml = ""
        while True:
            part = c.ask("qXfer:features:read:target.xml:%x,200" % len(xml))
            xml += part[1:]
            if part[0] == "l":
                break
        bits = sum(int(n) for n in re.findall(r'<reg [^>]*bitsize="(\d+)"', xml))
        check(xml.endswith("</target>\n") and "<architecture>" not in xml and bits == len(everything) * 4, xml)
        c.expect("qXfer:features:read:other.xml:0,200", "E00")
        c.expect("qXfer:features:read:target.xml:ffffff,200", "E16")
        c.expect("s", TRAP) # runs with all that
        for unknown in "vMustReplyEmpty", "qNothing", "!", "", "QNothing:1", "vFile:open:x":
            c.expect(unknown, "")


def test_life():
    """Stop and go: Ctrl-C, a client that goes, the next one, the monitor in between, kill."""
    with Machine(*KERNEL, stopped=False) as m:
        with Client(m):
            m.check_runs("a client that says nothing stops the machine")
        with attached(m) as c:
            check("paused" in m.ask("info status"), "gdb is there, and the machine runs")
            c.send("c")
            m.check_runs("it does not run after c")
            c.socket.sendall(b"\3")
            check(c.receive() == "T02thread:1;", "Ctrl-C")
            c.expect("?", "T02thread:1;")
            c.send("vCont;c")
            m.ask("stop")
            check(c.receive() == "T02thread:1;", "the monitor's stop")
            c.expect("QStartNoAckMode", "OK")
            check("paused" in c.console("info status"), "monitor info status")
            check("unknown command" in c.console("nonsense"), "monitor nonsense")
            c.expect("Z0,%x,1" % symbols["scale"], "OK")
        end = deadline(10)
        m.ask("cont")
        m.check_runs("a client's breakpoints stay when it has gone")
        with attached(m) as c:
            c.expect("Z0,%x,1" % symbols["scale"], "OK")
            c.expect("c", SWBREAK)
            c.send("k")
            m.vm.expect_exit(0)
    with Machine(*KERNEL) as m, attached(m) as c:
        c.expect("Z0,%x,1" % symbols["scale"], "OK")
        c.expect("c", SWBREAK)
        c.ask("z0,%x,1" % symbols["scale"])
        check("Disabled" in m.ask("gdbserver none"), "gdbserver none")
        c.expect_end()
        check("paused" in m.ask("info status"), "gdbserver none lets it run")
        check("-sandbox off" in m.ask("gdbserver"), "a new socket in the sandbox")
    with Machine(*KERNEL, "-sandbox", "off") as m:
        check("Disabled" in m.ask("gdbserver none"), "gdbserver none")
        check("Waiting for gdb" in m.ask("gdbserver unix:%s2,server=on,wait=off" % m.gdb), "gdbserver unix:...")
        m.gdb += "2"
        with attached(m) as c:
            c.expect("s", TRAP)
        check("Error: " in m.ask("gdbserver unix:%s/no/folder" % folder), "a socket nowhere")
        answers = [m.ask("gdbserver unix:%s" % m.gdb) for n in range(20)]
        check("Waiting for gdb" in answers[0] and "can no more" in answers[-1], "gdbserver without end: %s" % answers)
        check("paused" in m.ask("info status"), "gdbserver without end")


def test_end():
    """The machine ends while gdb waits: the exit code."""
    with Machine(*KERNEL) as m, attached(m) as c:
        c.send("c")
        m.ask_to("quit")
        check(c.receive() == "W00", "no W00")
        m.vm.expect_exit(0)


def test_random_packets():
    """Right sums, wrong contents: nothing that a client says ends or hangs ring3."""
    r = random.Random(1)
    heads = ["g", "G", "p", "P", "m", "M", "X", "Z0,", "Z1,", "Z2,", "Z3,", "Z4,", "z0,", "z2,", "s", "S05;", "vCont;s", "vCont", "qXfer:features:read:",
             "qXfer:features:read:target.xml:", "qRcmd,", "H", "T", "?", "Qqemu.PhyMemMode:", "qSupported:", "D", "v", "q"]
    numbers = ["0", "7c00", "ffffffff", "%x" % symbols["scale"], "%x" % symbols["filled"], "fffff000", "1000", "8", "29", "100000000", "", "-1", "zz"]
    words = ["info registers", "info gdt", "x /4xb 0xffffffff", "u /9 0xfffffffc", "lb 0x100000 if $eax", "watch w 0 99999999", "vb 0xffff:0", "info tab", "d 1", "n",
             "s 3", "info tss", "bt 9", "gdbserver x", "r"]
    with Machine(*KERNEL, ends=False) as m, attached(m) as c:
        for n in range(1500):
            head = r.choice(heads)
            text = head + "".join(r.choice(numbers) + r.choice([",", ":", ";", "=", "", "}"]) for _ in range(r.randrange(5)))
            if head == "qRcmd,":
                text = head + r.choice(words).encode().hex() + r.choice(["", "", "0", "zz"])
            elif head in "GPMX":
                text += "".join(r.choice("0123456789abcdef") for _ in range(r.randrange(1000)))
            c.send(text)
            if not c.is_answered(0.3):
                c.socket.sendall(b"\3") # a step of a HLT
            got = c.receive()
            while got[:1] == "O" and got != "OK":
                got = c.receive()
            if m.vm.process.poll() is not None:
                m.vm.fail("ended after %r" % text)
        c.expect("?", "T0.*")


def test_code_is_not_changed():
    """What the guest sees of its own code is the same with and without breakpoints."""
    with Machine(*KERNEL) as m, attached(m) as c:
        sums = set()
        for _ in range(2):
            c.expect("Z0,%x,1" % symbols["fill_rep"], "OK")
            for _ in range(2):
                c.expect("c", SWBREAK)
            sums.add(c.ask("m%x,4" % symbols["code_sum"]))
            c.expect("Z0,%x,1" % (symbols["fill_rep"] + 2), "OK")
            c.expect("c", SWBREAK)
            c.expect("Z1,%x,1" % (symbols["fill"]), "OK")
            c.expect("c", HWBREAK)
            sums.add(c.ask("m%x,4" % symbols["code_sum"]))
            for at, kind in (symbols["fill_rep"] + 2, 0), (symbols["fill"], 1):
                c.expect("z%d,%x,1" % (kind, at), "OK")
        check(len(sums) == 1, sums)


# --- the monitor's own debugger ---

class Monitor:
    PROMPT = "(ring3) "

    def __init__(self, machine):
        self.machine, self.text, self.socket = machine, "", machine.connect(machine.monitor)
        self.until(re.escape(self.PROMPT))
        machine.client = self

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.machine.client = None
        self.socket.close()

    def until(self, pattern):
        """The text up to the pattern and with it, which is taken."""
        while True:
            found = re.search(pattern, self.text, re.M)
            if found:
                text, self.text = self.text[:found.end()], self.text[found.end():]
                return text
            try:
                data = self.socket.recv(65536)
            except socket.timeout:
                data = b""
            if not data:
                self.machine.vm.fail("%r did not come; there is %r" % (pattern, self.text))
            self.text += data.decode("latin1").replace("\r", "")

    def say(self, words):
        """The answer to a line. (A machine that stops at once may say so in it.)"""
        self.socket.sendall(words.encode() + b"\n")
        return self.until(re.escape(words) + r"(.*\n)+?" + re.escape(self.PROMPT))

    def runs_to(self, words, where):
        """A line that lets the machine run until it stops and says where."""
        self.socket.sendall(words.encode() + b"\n")
        return self.until(where + r".*\n" + re.escape(self.PROMPT))


def at(name, off=0):
    return r"\[0x%08x\]" % (symbols[name] + off)


def test_monitor_steps():
    with Machine(*KERNEL) as m, Monitor(m) as d:
        check("breakpoint 1" in d.say("lb 0x%x" % symbols["fill_rep"]), "lb")
        ordered(d.runs_to("c", at("fill_rep")), "breakpoint 1", at("fill_rep") + " 0008:00[0-9a-f]{6}: rep stosb byte es:")
        for left in 4, 3:
            d.runs_to("s", at("fill_rep"))
            ordered(d.say("p $ecx"), "^%d$" % left)
        d.socket.sendall(b"s\np $ecx\ns\np $ecx\n") # in one portion: each line waits for the step before it
        ordered(d.until(r"p \$ecx\n1\n" + re.escape(d.PROMPT)), at("fill_rep"), "^2$", at("fill_rep"), "^1$")
        d.runs_to("n", at("fill_rep", 2))
        d.runs_to("s 2", at("fill_rep", 4) + "|" + r"\[0x0010[0-9a-f]{4}\]")
        ordered(d.say("bt"), r"^\(0\) 0x0010", r"^\(1\) 0x%08x  frame 0x" % return_of("_start", "debuggee_main"))
        check("breakpoint 2" in d.say("vb 0x18:3 if $ax == 0x1234 && $cs.base == 0x%x" % symbols["code16"]), "vb")
        ordered(d.runs_to("c", at("code16_add")), "breakpoint 2", "0018:00000003: add ax, 0x1111")
        ordered(d.say("u /2"), r"0x%08x: .*add ax, 0x1111" % symbols["code16_add"], "retf")
        ordered(d.say("sreg"), "^CS =0018 001.* 0000ffff", "^SS =0010", "^TR =", "^GDT=", "^IDT=")
        ordered(d.say("info break"), "^1 +linear +0x%08x +1$" % symbols["fill_rep"], r"^2 +linear .* 1  cs 0x0018  if \$ax == 0x1234 && ")
        check("breakpoint 3" in d.say("lb 0x%x if $ecx == 0" % (symbols["fill_rep"] + 2)), "lb")
        d.runs_to("c", at("fill_rep"))
        ordered(d.runs_to("s 1000", at("fill_rep", 2)), "breakpoint 3")
        d.say("d 3")
        d.say("d 1")
        d.say("delete 2")
        check("no breakpoints" in d.say("info break"), "d")
        d.say("c")
        d.say("s") # holds it, as QEMU's
        check("paused" in d.say("info status"), "s does not hold a machine that runs")


def return_of(caller, callee):
    """Behind the first call of a function in another."""
    text = subprocess.check_output(["objdump", "-d", "--no-show-raw-insn", debuggee], text=True)
    found = re.search(r"<%s>:\n(.*\n)*?.*call .*<%s>\n +([0-9a-f]+):" % (caller, callee), text)
    return int(found[2], 16)


def test_monitor_breaks():
    """Conditions, physical addresses, watchpoints."""
    with Machine(*KERNEL) as m, Monitor(m) as d:
        rounds, scale = symbols["rounds"], symbols["scale"]
        d.say("watch w 0x%x 4 if $eip > 0x100000" % rounds)
        ordered(d.runs_to("c", r"\[0x"), r"watchpoint 1: 0x%08x was written" % rounds)
        check(m.rounds() == 1, "it stops behind the write")
        d.say("d 1")
        d.say("lb 0x%x if $esp == 1" % scale) # never
        d.say("watch r 0x%x" % (symbols["history"] + 28))
        d.say("c")
        m.check_runs("it stops although no condition holds")
        hits = int(re.search(r"^2 .* (\d+)  if", d.say("info break"), re.M)[1])
        check(hits > 4, "a breakpoint whose condition does not hold counts: %d" % hits)
        d.say("stop")
        for n in 2, 3:
            d.say("d %d" % n)
        d.say("pb 0x%x" % scale) # at both addresses
        seen = set()
        for _ in range(6):
            seen.add(re.search(r"\[0x(\w+)\]", d.runs_to("c", r"\[0x"))[1])
        check(seen == {"%08x" % scale, "%08x" % (scale + HIGH)}, seen)
        check("unknown register" in d.say("lb 0 if $nothing"), "a condition that means nothing")
        check("only 'if CONDITION'" in d.say("lb 0 0"), "lb 0 0")
        check("Error" in d.say("d 77"), "d 77")
        check("Error" in d.say("vb 0x500:0"), "vb with a selector that is not there")
        with attached(m) as c: # gdb's stop where the condition does not hold
            d.say("d 4")
            d.say("lb 0x%x if $esp == 1" % scale)
            c.expect("Z0,%x,1" % scale, "OK")
            c.expect("c", SWBREAK)


def system_map():
    """The kernel's names as a System.map, which has nothing else of it."""
    path = folder + "/System.map"
    with open(path, "w") as f:
        for name, address in symbols.items():
            if name != "v86_end": # where scale() begins
                f.write("%08x T %s\n" % (address, name))
    return path


def test_monitor_names():
    """-symbols: in breakpoints and expressions, and wherever an address of code is shown."""
    with Machine(*KERNEL, "-symbols", system_map()) as m, Monitor(m) as d:
        check("breakpoint 1" in d.say("lb scale"), "lb scale")
        ordered(d.runs_to("c", r"\[0x%08x scale\]" % symbols["scale"]), "^breakpoint 1$", r" 0008:[0-9a-f]{8}: push ebp$")
        ordered(d.say("bt"), r"^\(0\) 0x%08x scale$" % symbols["scale"])
        d.runs_to("s 2", r"\[0x%08x scale\+0x3\]" % (symbols["scale"] + 3))
        ordered(d.say("bt"), r"^\(0\) 0x%08x scale\+0x3$" % (symbols["scale"] + 3), r"^\(1\) .* work\+0x", r"^\(2\) .* debuggee_main\+0x")
        ordered(d.say("info registers"), r"^EIP=%08x EFL=.* scale\+0x3$" % (symbols["scale"] + 3))
        ordered(d.say("u /40 work"), r"^work:$", r"^0x%08x:  55 " % symbols["work"], r"  call 0x[0-9a-f]+ <scale>$")
        ordered(d.say("u"), r"^scale\+0x3:$")
        ordered(d.say("info break"), "^1 .* 1  scale$")
        ordered(d.say("p /x scale+4*2"), "^0x%x$" % (symbols["scale"] + 8))
        ordered(d.say("x /1xw counter"), "^%08x: 0x" % symbols["counter"])
        check("there is no symbol 'wrok'; did you mean 'work'?" in d.say("lb wrok"), "a name that is none")
        d.say("d 1")
        d.say("c")
        if "interp" not in options:
            m.check_runs("it does not run")
            head = r"^block %08x <work>, physical " % symbols["work"]
            tries(lambda: time.sleep(0.2) or d.say("explain work"), lambda text: re.search(head, text, re.M), "it is translated, once it has run again")
            check('"symbol":"work"' in d.say("explain -j work"), "explain -j")


def test_gdb_names():
    """gdb with a System.map and nothing else of the kernel."""
    with Machine(*KERNEL) as m:
        ordered(m.run_gdb("""
            symbols %s
            break scale
            continue
            backtrace 3
            stepi
            backtrace 3
            stepi
            backtrace 3
            set step-mode on
            step
            finish
            tbreak work
            delete 1
            continue
            x/3i debuggee_main
            detach""" % system_map(), "-x", script),
                "^[0-9]+ symbols$", r"^Breakpoint 1, 0x0*%x in scale" % symbols["scale"],
                *[r"^#0 .* in scale \(\)\n#1 .* in work \(\)\n#2 .* in debuggee_main \(\)$"] * 3,
                r"in scale \(\)$", r"in work \(\)$", "^Temporary breakpoint 2, .* in work", r"<debuggee_main>:\tpush ", "detached")


def test_monitor_tables():
    with Machine(*KERNEL) as m, Monitor(m) as d:
        d.say("lb 0x%x" % symbols["fill_rep"])
        d.runs_to("c", at("fill_rep"))
        ordered(d.say("info gdt"), r"^GDT\[0x01\]: 32-bit code, readable, accessed, base 0x00000000, limit 0xffffffff, DPL 0$",
                r"^GDT\[0x02\]: data, writable, big, accessed", r"^GDT\[0x03\]: 16-bit code, .*base 0x%08x, limit 0x0000ffff" % symbols["code16"],
                r"^GDT\[0x04\]: busy 32-bit TSS, base 0x%08x" % symbols["tss"])
        ordered(d.say("info idt 0x40"), r"^IDT\[0x40\]: 32-bit interrupt gate, target 0x0008:0x%08x, DPL 3$" % symbols["v86_exit"])
        ordered(d.say("info tss"), r"^TR 0x0020, base 0x%08x, limit 0x00000067, busy 32-bit TSS" % symbols["tss"], r"esp0 .*ss0 .*")
        ordered(d.say("info tab"), r"^0x00000000-0x003fffff -> 0x00000000-0x003fffff$", r"^0x00400000-0x00400fff -> 0x%08x-" % symbols["filled"],
                r"^0xc0000000-0xc03fffff -> 0x00000000-0x003fffff$")
        ordered(d.say("info eflags"), r"eflags 0x[0-9a-f]{8}: id vip vif ac vm rf nt IOPL=0 ")
        check("no LDT" in d.say("info ldt"), "info ldt")
        check("EAX=" in d.say("r"), "r")
    with Machine("-fda", floppy, "-snapshot") as m, Monitor(m) as d:
        d.say("b 0x7c00")
        ordered(d.runs_to("c", r"\[0x00007c00\] 0000:00007c00: ljmp"), "breakpoint 1")
        ordered(d.say("info idt 0x13 0x14"), r"^INT\[0x13\]: 0xf000:0x", r"^INT\[0x14\]: 0xf000:0x")
        check("paging is off" in d.say("info tab"), "info tab without paging")
        d.say("lb 0x%x" % int13_of_floppy())
        d.runs_to("c", r"\[0x%08x\]" % int13_of_floppy())
        d.runs_to("n", r"\[0x%08x\]" % (int13_of_floppy() + 2)) # over the INT


# --- hostile clients ---

def test_strangers():
    """A browser, a port scanner: they are sent away, and the machine does not stop for them."""
    with Machine(*KERNEL, stopped=False) as m:
        for words in (b"POST / HTTP/1.1\r\nHost: x\r\n\r\n$k#6b", b"\0\1\2", b"\x16\x03\x01", b"$k#00$k#00", b"#", b"$" + b"a" * 100000 + b"#00"):
            with Client(m) as c:
                try:
                    c.socket.sendall(words)
                except OSError:
                    pass # it was sent away in the middle
                c.expect_end("after %r" % words[:20])
        with Client(m) as c:
            c.socket.sendall(b"+-+-\3\3\3") # harmless
            m.check_runs("an interrupt by somebody who is nobody stops the machine")
            c.socket.sendall(b"-" * 1000)
            c.expect_end()
        for words in b"+", b"\3", b"$", b"$m":
            with Client(m) as c: # each harmless, a flood of it not
                try:
                    c.socket.sendall(words + (words if len(words) == 1 else b"0") * 100000)
                except OSError:
                    pass
                c.expect_end("after a flood of %r" % words)
        m.check_runs("a stranger stopped the machine")
        with attached(m) as c: # a gdb goes mad
            c.send("c")
            c.socket.sendall(b"$g#67" * 2000)
            c.expect_end()
        m.check_runs("packets while it runs stopped the machine")


def test_flood_of_nonsense():
    """The same at the QMP port, by a client that says what is none of its words as fast as it is read; then it is asked properly."""
    flood = """
import select, socket, sys
words = [b"{]" * 500 + b"\\n", b'{"execute": "no-such-thing"}\\n' * 40, b'{"execute": "query-status", "arguments": 1}\\n' * 40, bytes(range(32, 127)) * 20 + b"\\n"]
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.setblocking(False)
n = 0
while True:
    readable, writable, _ = select.select([s], [s], [])
    if readable and not s.recv(65536): sys.exit("it was sent away")
    if writable:
        s.send(words[n % len(words)])
        n += 1
"""
    qmp = folder + "/qmp"
    with Machine(*KERNEL, "-qmp", "unix:%s,server=on,wait=off" % qmp, stopped=False) as m:
        m.check_runs("it does not begin")
        keeps_speed(m.vm, m.rounds, flood, qmp)
        s = m.connect(qmp)
        s.sendall(b'{"execute": "qmp_capabilities"}{"execute": "query-status"}')
        answer = b""
        while b'"running"' not in answer:
            piece = s.recv(65536)
            check(piece, "QMP answers %r" % answer)
            answer += piece
        s.close()


def test_flood():
    """Clients without end, of whom none is a gdb and most do not read: the guest keeps its speed."""
    flood = """
import socket, sys, time
words = [b"", b"GET / HTTP/1.1\\r\\n\\r\\n", b"+" * 100000, b"\\3" * 5000, b"$" + b"a" * 50000, b"$g#00" * 1000, bytes(range(256)) * 100]
clients = []
for n in range(1 << 30):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(0.02)
    try:
        s.connect(sys.argv[1])
        s.sendall(words[n % len(words)])
    except OSError:
        pass # nobody takes it
    clients.append(s)
    if len(clients) > 50: clients.pop(0).close()
    time.sleep(0.002)
"""
    with Machine(*KERNEL, stopped=False) as m:
        m.check_runs("it does not begin")
        keeps_speed(m.vm, m.rounds, flood, m.gdb)
        check("running" in m.ask("info status"), "it has stopped")


def test_no_reader():
    """A client that asks and does not read; one that goes in the middle."""
    with Machine(*KERNEL) as m:
        with attached(m) as c:
            c.socket.setblocking(False)
            sent = 0
            try:
                while sent < 1 << 20:
                    sent += c.socket.send(b"$m%x,2000#%02x" % (symbols["_start"], sum(b"m%x,2000" % symbols["_start"]) & 255))
            except BlockingIOError:
                pass
            check(sent < 1 << 20, "all was read of a client that does not read")
            check("paused" in m.ask("info status"), "the monitor does not answer")
        m.ask("cont")
        m.check_runs("a client that did not read and went holds the machine")
        with attached(m) as c:
            c.socket.sendall(b"$m1000")
        with attached(m) as c:
            c.expect("m%x,3" % symbols["scale"], "5589e5")


def test_slow_reader():
    """A client that reads late gets all of an answer that is larger than what is kept for it; one that never reads is sent away."""
    with Machine(*KERNEL) as m, attached(m) as c:
        whole = c.console("x /8000xb 0x%x" % symbols["_start"])
        c.send("qRcmd," + ("x /8000xb 0x%x" % symbols["_start"]).encode().hex())
        time.sleep(1.5)
        late = c.console_text()
        check(late == whole, "%d characters of %d, ...%r" % (len(late), len(whole), late[-100:]))
    with Machine(*KERNEL) as m:
        with attached(m) as c:
            c.expect("Z0,%x,1" % symbols["scale"], "OK")
            for _ in range(40):
                c.send("qRcmd," + b"x /8000xb 0".hex())
            time.sleep(7)
            check("paused" in m.ask("info status"), "the monitor does not answer")
            c.expect_end()
        m.ask("cont")
        m.check_runs("the breakpoints of who did not read stay")


def test_tcp():
    """127.0.0.1 unless told otherwise."""
    port = free_port()
    m = Vm([ring3, "-display", "none", "-gdb", "tcp::%d" % port, "-S", *KERNEL, *options], stdin=False)
    end = deadline(20)
    while True:
        try:
            s = socket.create_connection(("127.0.0.1", port))
            break
        except OSError:
            if time.monotonic() > end:
                m.fail("nobody listens")
            time.sleep(0.05)
    s.sendall(b"+$?#3f")
    s.settimeout(20 * PATIENCE)
    check(s.recv(1) == b"+", "no acknowledgement")
    with open("/proc/net/tcp") as f:
        listening = [line.split()[1] for line in f if line.split()[3] == "0A"]
    check("0100007F:%04X" % port in listening, listening)
    m.kill()


def all_tests():
    if not shutil.which("gdb"):
        skip("there is no gdb")
    try:
        run_tests(globals(), os.environ.get("ONLY", "").split())
    finally:
        shutil.rmtree(folder, ignore_errors=True)


main(all_tests)
