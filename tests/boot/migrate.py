#!/usr/bin/env python3
"""migrate.py RING3 SUMMED BIOS-FLOPPY moves|refusals|disks|cuts [options of ring3's] - migrate, -incoming.

SUMMED is a guest of which every line follows from the one before (tests/guests/summed.S): memory, FPU, disk, ticks. moves:
it goes from process to process, over Unix sockets, TCP and commands, from one engine to the other, and writes the lines that it
would have written. refusals: what does not fit is refused in a sentence on both sides, and it runs on. cuts: the
connection ends at any byte of either direction, or the other side is killed (MIGRATE_CUTS: how often, 12): one of the two
has the machine, never both, never neither. disks: what is on its disks goes along (-b), likewise.
"""
import os
import random
import re
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time

from guest import Guest
from proxy import Proxy
from vm import Failed, check, deadline, free_port, main, run_tests

ring3, summed, floppy, part = sys.argv[1:5]
engine = sys.argv[5:]
other = ["-accel", "translate" if "interp" in engine else "interp"]
LINE = re.compile(r"^r ([0-9a-f]{8}) ([0-9a-f]{8}) ([0-9a-f]{8}) ([0-9a-f]{8}) (.)\r?$", re.M)
folder = tempfile.mkdtemp(prefix="ring3-migrate")
image = folder + "/disk.img"
started = [] # all of them; what a failed test leaves is ended
known = {} # round: (sum, float), whichever process said so


def start(*args, memory="16", accel=None, disk=None):
    g = Guest(ring3, "-m", memory, "-kernel", summed, "-drive", "file=%s,index=0" % (disk or image), *(accel or engine), *args)
    started.append(g)
    return g


def awaiting(uri, **kw):
    g = start("-incoming", uri, **kw)
    check("inmigrate" in g.do("info status"), "it does not wait")
    return g


def rounds(g, count=5, timeout=60, gaps=False):
    """[(round, ticks)] of all that it has written, `count` at least; what the lines say is checked. gaps: nobody read for a
    while, and lines were lost."""
    end = deadline(timeout)
    while len(LINE.findall(g.serial_text)) <= count:
        if time.monotonic() > end or g.process.poll() is not None:
            g.fail("no lines")
        g.read_serial(0.1)
    out = []
    for number, total, real, ticks, disk in LINE.findall(g.serial_text):
        n = int(number, 16)
        check(disk == "+", "round %d: the disk is not what the guest wrote" % n)
        check(known.setdefault(n, (total, real)) == (total, real), "round %d: %s, which was %s" % (n, (total, real), known[n]))
        out.append((n, int(ticks, 16)))
    for before, after in zip(out, out[1:]):
        check((gaps or after[0] == before[0] + 1) and after[1] >= before[1], "%s follows %s" % (after, before))
    return out


def drain(g):
    n = -1
    while len(g.serial_text) != n:
        n = len(g.serial_text)
        g.read_serial(0.1)


def is_running(g):
    """Whether there are new lines."""
    if g.process.poll() is not None:
        return False
    for _ in range(30): # what waits in the socket from before comes to its end
        g.serial_text = ""
        g.read_serial(1.5 if "interp" in engine else 0.3)
        if not g.serial_text:
            return False
    return True


def follows(old, new):
    """The machine went on there where it had been here: no round is missing but that whose line was on its way."""
    drain(old)
    last, ticks = rounds(old)[-1]
    first, first_ticks = rounds(new)[0]
    check(last < first <= last + 3, "round %d there follows round %d here" % (first, last))
    check(ticks <= first_ticks < ticks + 1000, "ticks %d follow %d" % (first_ticks, ticks))


def move(old, uri, **kw):
    new = awaiting(uri, **kw)
    rounds(old)
    said = old.do("migrate " + uri)
    check(said == "(ring3) ", "migrate: " + said)
    check("postmigrate" in old.do("info status"), "it is not gone")
    end = deadline(5)
    while "running" not in new.do("info status"):
        check(time.monotonic() < end, "it does not run")
    check("Migration status: completed" in old.do("info migrate"), old.do("info migrate"))
    follows(old, new)
    return new


def moves():
    g = start()
    rounds(g)
    for uri, kw in (("unix:%s/one" % folder, {}), ("tcp:127.0.0.1:%d" % free_port(), {"accel": other}),
                    ("tcp:localhost:%d" % free_port(), {})):
        new = move(g, uri, **kw)
        check("Error: " + image in g.do("cont"), "both could run")
        check("moved" in g.do("savevm x"), "a snapshot of what is gone")
        g.quit()
        g = new
    check(g.do("savevm x") == "(ring3) ", "no snapshot after moving")
    check(g.do("delvm x") == "(ring3) ", "delvm")
    g.quit()


CABLE = """
import os, select, socket, sys
way, path = sys.argv[1:]
s = socket.socket(socket.AF_UNIX)
if way == "listen":
    s.bind(path)
    s.listen()
    s = s.accept()[0]
else:
    s.connect(path)
while True:
    for fd in select.select([0, s], [], [])[0]:
        data = os.read(0, 65536) if fd == 0 else s.recv(65536)
        if not data:
            sys.exit()
        s.sendall(data) if fd == 0 else sys.stdout.buffer.write(data)
        sys.stdout.flush()
"""


def cable(way):
    path = folder + "/cable.py"
    with open(path, "w") as f:
        f.write(CABLE)
    return "exec:exec %s %s %s %s/cable" % (sys.executable, path, way, folder)


def commands_lead_there():
    """exec: on both sides; a command that ends at once, one that says nothing, and one that stays are no machine's end."""
    spawn = ("-sandbox", "on,spawn=allow")
    path = folder + "/cable"
    if os.path.exists(path):
        os.unlink(path)
    g = start(*spawn)
    rounds(g)
    for command, pattern in (("exec:", "names no command"), ("exec:true", "closed the connection"), ("exec:/nowhere/x", "closed the connection"),
                             ("exec:echo 220 mail.example, and more than a head is long", "not a ring3's")):
        said = g.do('migrate "%s"' % command)
        check(re.search("Error: .*" + pattern, said), "%s: %r, not %r" % (command, said, pattern))
    g.do('migrate -d "exec:echo $$ >%s/pid; exec sleep 1000"' % folder)
    check(is_running(g), "it does not run meanwhile")
    g.do("migrate_cancel")
    settle(g)
    check("cancelled" in g.do("info migrate"), g.do("info migrate"))
    new = awaiting(cable("listen"))
    end = deadline(10)
    while not os.path.exists(path):
        check(time.monotonic() < end, "the command does not listen")
        time.sleep(0.05)
    said = g.do('migrate "%s"' % cable("call"))
    check(said == "(ring3) ", "migrate: " + said)
    while "running" not in new.do("info status"):
        check(time.monotonic() < end, "it does not run")
    follows(g, new)
    with open(folder + "/pid") as f:
        pid = int(f.read())
    while os.path.exists("/proc/%d" % pid):
        check(time.monotonic() < end, "the command before is still there")
        time.sleep(0.05)
    g.quit()
    check(is_running(new), "it ends with the command's other side")
    new.quit()


def held_ones_stay_held():
    with start() as g, awaiting("unix:%s/held" % folder) as new:
        rounds(g)
        g.do("stop")
        check(g.do("migrate unix:%s/held" % folder) == "(ring3) ", "migrate")
        check("paused" in new.do("info status") and not is_running(new), "it was held, and runs")
        new.do("cont")
        follows(g, new)


def a_qcow2_disk():
    """Its tables are written before the other side reads them. Needs qemu-img."""
    global image
    if not shutil.which("qemu-img"):
        return
    raw, image = image, folder + "/disk.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "8M"], check=True)
    g = start()
    for n in range(3):
        new = move(g, "unix:%s/qcow2" % folder)
        g.quit()
        g = new
    g.quit()
    done = subprocess.run(["qemu-img", "check", image], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    check(done.returncode == 0, "qemu-img check: " + done.stdout.decode())
    image = raw


def limits():
    """A connection of 4 MB/s is shown on its way, and cancelled."""
    port = free_port()
    with start() as g, awaiting("tcp:127.0.0.1:%d" % port) as new:
        rounds(g)
        check(g.do("migrate_set_parameter max-bandwidth 500K") == "(ring3) ", "max-bandwidth")
        check("500K" in g.do("migrate_set_parameter downtime-limit 500K"), "a time in kilobytes")
        check("no parameter 'x'" in g.do("migrate_set_parameter x 1"), "a parameter that there is not")
        check("max-bandwidth: 512000 bytes" in g.do("info migrate_parameters"), g.do("info migrate_parameters"))
        check(g.do("migrate -d tcp:127.0.0.1:%d" % port) == "(ring3) ", "migrate -d")
        check("in progress" in g.do("migrate -d unix:/x"), "two at once")
        check("moving" in g.do("savevm x"), "a snapshot meanwhile")
        time.sleep(0.2)
        said = g.do("info migrate")
        check("status: active" in said and re.search(r"transferred ram: [1-9]\d* kbytes", said), said)
        check(is_running(g), "it does not run meanwhile")
        g.do("migrate_cancel")
        end = deadline(5)
        while "cancelled" not in g.do("info migrate") and time.monotonic() < end:
            time.sleep(0.05)
        check("status: cancelled" in g.do("info migrate"), g.do("info migrate"))
        check(is_running(g), "it does not run on")
        new.expect_exit(1)


# --- disks that go along ---

DISK = 8 << 20
CLUSTER = 64 << 10


def an_image(name, kind="raw"):
    """A new one; of a kind that is not raw by ring3's own `img create`."""
    path = "%s/%s.%s" % (folder, name, kind)
    if os.path.exists(path):
        os.unlink(path)
        shutil.rmtree(path + ".snapshots", ignore_errors=True)
    subprocess.run([ring3, "img", "create", "-q", "-f", kind, path, str(DISK)], check=True, stdout=subprocess.DEVNULL)
    return path


def contents(path):
    raw = folder + "/contents"
    subprocess.run([ring3, "img", "convert", "-q", "-O", "raw", path, raw], check=True, stdout=subprocess.DEVNULL)
    with open(raw, "rb") as f:
        return f.read()


def scribbled():
    """An image of which two thirds are something; the guest writes to its first megabytes."""
    path = an_image("from")
    with open(path, "r+b") as f:
        for at in range(DISK // 4, DISK, CLUSTER):
            f.seek(at)
            f.write((b"", random.randbytes(CLUSTER), b"x" * CLUSTER)[at // CLUSTER % 3])
    return path


def move_along(old, uri, **kw):
    new = awaiting(uri, **kw)
    rounds(old)
    said = old.do("migrate -b " + uri)
    check(said == "(ring3) ", "migrate -b: " + said)
    check("postmigrate" in old.do("info status"), "it is not gone")
    end = deadline(5)
    while "running" not in new.do("info status"):
        check(time.monotonic() < end, "it does not run")
    said = old.do("info migrate")
    check(re.search(r"transferred disk: [1-9]\d* kbytes", said) and "remaining disk: 0 kbytes" in said and "total disk: 8192 kbytes" in said, said)
    check("moved" in old.do("cont"), "both could run")
    follows(old, new)
    return new


def disks_go_along():
    """From format to format and engine to engine; also with a snapshot, which stays."""
    path = scribbled()
    rest, images = contents(path)[DISK // 4:], []
    g = start(disk=path)
    rounds(g)
    check(g.do("savevm x") == "(ring3) ", "savevm")
    for n, (kind, kw) in enumerate((("qcow2", {}), ("vmdk", {"accel": other}), ("raw", {}))):
        to = an_image("to%d" % n, kind)
        new = move_along(g, "unix:%s/along" % folder, disk=to, **kw)
        g.quit()
        images.append(to)
        g = new
    g.quit()
    for at in images:
        check(contents(at)[DISK // 4:] == rest, "what the guest did not write to is not the same in " + at)


def held_disks_are_the_same():
    """Nobody writes to them any more: byte for byte. What is zeros takes no room."""
    path, to = scribbled(), an_image("held")
    with start(disk=path) as g, awaiting("unix:%s/held" % folder, disk=to) as new:
        rounds(g)
        g.do("stop")
        check(g.do("migrate -b unix:%s/held" % folder) == "(ring3) ", "migrate -b")
        new.quit()
        g.quit()
    check(contents(path) == contents(to), "they differ")
    check(os.stat(to).st_blocks * 512 <= os.stat(path).st_blocks * 512 + CLUSTER * 4, "zeros take room")


def slow_ones_are_cancelled():
    """By a limit on bandwidth it would take minutes: shown on its way, the guest runs and writes, its disk stays good; cancelled, and again."""
    path = scribbled()
    with start(disk=path) as g:
        rounds(g)
        before = contents_of_rest(path)
        for n in range(2):
            port = free_port()
            with awaiting("tcp:127.0.0.1:%d" % port, disk=an_image("slow")) as new:
                check(g.do("migrate_set_parameter max-bandwidth 300K") == "(ring3) ", "max-bandwidth")
                check(g.do("migrate -d -b tcp:127.0.0.1:%d" % port) == "(ring3) ", "migrate -d -b")
                time.sleep(0.5)
                check(is_running(g), "it does not run meanwhile")
                said = g.do("info migrate")
                sent = re.search(r"transferred disk: (\d+) kbytes", said)
                check("status: active" in said and sent and 0 < int(sent.group(1)) < DISK >> 10, said)
                check(re.search(r"remaining disk: [1-9]\d* kbytes", said), said)
                g.do("migrate_cancel")
                settle(g)
                check("status: cancelled" in g.do("info migrate"), g.do("info migrate"))
                check(is_running(g), "it does not run on")
                new.expect_exit(1)
        check(contents_of_rest(path) == before, "its disk is not what it was")
        g.do("migrate_set_parameter max-bandwidth 0")
        move_along(g, "unix:%s/again" % folder, disk=an_image("again")).quit()


def contents_of_rest(path):
    with open(path, "rb") as f:
        f.seek(DISK // 4)
        return f.read()


def refused_along(g, pattern, path):
    with awaiting("unix:%s/refused" % folder, disk=path) as new:
        said = g.do("migrate -b unix:%s/refused" % folder)
        check(re.search(r"Error: .*" + pattern, said), "%r, not %r" % (said, pattern))
        ends_with(new, pattern)
    check(is_running(g), "it does not run on: " + pattern)


def disks_that_are_refused():
    """One with something in it, which stays as it is; the source's own; one of another size; a target's disk that is full."""
    path = scribbled()
    with start(disk=path) as g:
        rounds(g)
        kept = an_image("kept")
        with open(kept, "r+b") as f:
            f.seek(DISK - 512)
            f.write(b"!")
        before = contents(kept)
        refused_along(g, "is not empty", kept)
        check(contents(kept) == before, "somebody's disk was written to")
        refused_along(g, 'Failed to get "write" lock', path)
        small = an_image("small")
        os.truncate(small, DISK // 2)
        refused_along(g, "sectors", small)
        with start("-incoming", "unix:%s/full" % folder, disk=an_image("full")) as new:
            check("inmigrate" in new.do("info status"), "it does not wait")
            resource.prlimit(new.process.pid, resource.RLIMIT_FSIZE, (DISK // 2, DISK // 2))
            said = g.do("migrate -b unix:%s/full" % folder)
            check(re.search("Error: .*writing ide0-hd0 .*: File too large", said), said)
            ends_with(new, "File too large")
        check(is_running(g), "it does not run on")
        said = g.do("migrate -b unix:%s/nobody" % folder)
        check("No such file" in said, said)


RUN, RUNS = b"\x0a\x4d\x33\x52", b"\x0b\x4d\x33\x52" # frontend/snapshot/stream.c


def cut_along(g, path, lengths, n):
    """As cut_once(), where each side has its own disk: if RUN may have been said, the source stays held until `cont`."""
    port, to = free_port(), an_image("cut%d" % (n % 2))
    new = awaiting("tcp:127.0.0.1:%d" % port, disk=to)
    forward, back = lengths
    at = {0: (random.randrange(forward), None), 1: (None, random.randrange(back + 1)), 2: (None, None, (RUN, b"")), 3: (None, None, (b"", RUNS))}[n % 4]
    proxy = Proxy(port, *at)
    g.do("migrate -d -b tcp:127.0.0.1:%d" % proxy.port)
    settle(g)
    end = deadline(15)
    while min(proxy.moved) >= HEAD and waits(new) and proxy.was_cut and time.monotonic() < end:
        time.sleep(0.05)
    unsure = "has not said that it does" in g.do("info migrate")
    here, there = is_running(g), is_running(new)
    what = "cut %s: %s\n%s" % (at, g.do("info migrate"), g.do("info status"))
    check(not (here and there), "both run: " + what)
    check(not (unsure and here), "it runs, and is not sure: " + what)
    check(here or there or unsure, "neither runs: " + what)
    check(n % 4 != 2 or (unsure and not there), "it was not told to run, and runs: " + what)
    check(n % 4 != 3 or (unsure and there), "it was told to run, and does not: " + what)
    where = "there" if there else "here" if here else "held"
    if where == "held":
        g.do("cont")
        check(is_running(g), "'cont' does not let it go on: " + what)
    gone, left = (g, new) if there else (new, g)
    gone.process.kill()
    gone.__exit__()
    return (left, to if there else path), where


def cuts_with_disks():
    random.seed(os.environ.get("MIGRATE_SEED"))
    path = scribbled()
    g, port = start(disk=path), free_port()
    rounds(g)
    to = an_image("length")
    new = awaiting("tcp:127.0.0.1:%d" % port, disk=to)
    proxy = Proxy(port)
    check(g.do("migrate -b tcp:127.0.0.1:%d" % proxy.port) == "(ring3) ", "migrate -b")
    g.quit()
    g, path, seen = new, to, {"here": 0, "there": 0, "held": 0}
    for n in range(int(os.environ.get("MIGRATE_CUTS", 8))):
        (g, path), where = cut_along(g, path, proxy.moved, n)
        seen[where] += 1
        rounds(g, gaps=True)
    g.quit()
    print(", ".join("%s %d" % item for item in seen.items()))


# --- refusals ---


def ends_with(g, pattern):
    g.expect_exit(1)
    g.stderr.seek(0)
    said = g.stderr.read()
    check(re.search(pattern, said) and said.count("\n") == 1, "it ends with %r, not %r" % (said, pattern))


def refused(g, pattern, *args, **kw):
    """The other side is started so, and does not fit."""
    with awaiting("unix:%s/refused" % folder, **kw) if not args else start("-incoming", "unix:%s/refused" % folder, *args, **kw) as new:
        said = g.do("migrate unix:%s/refused" % folder)
        check(re.search(r"Error: .*" + pattern, said), "%r, not %r" % (said, pattern))
        ends_with(new, pattern)
    check(is_running(g), "it does not run on: " + pattern)


def a_copy(**kw):
    path = folder + "/copy.img"
    with open(path, "wb") as f:
        f.truncate(kw.get("bytes", os.path.getsize(image)))
    return path


def refusals():
    with start() as g:
        rounds(g)
        refused(g, "saved with -m 16, and this machine has -m 20", memory="20")
        refused(g, "-cpu", "-cpu", "486")
        refused(g, "sectors", disk=a_copy(bytes=4 << 20))
        refused(g, "floppy drive", "-nodefaults", "-vga", "std")
        with start(disk=a_copy()) as third: # its own path, but somebody has it
            rounds(third)
            refused(g, 'Failed to get "write" lock', disk=folder + "/copy.img")
        for uri, pattern in (("exec:cat", "spawn=allow"), ("fd:5", "socat"), ("tcp:1", "an address is tcp:HOST:PORT"), ("x", "is not tcp:HOST:PORT"),
                             ("tcp:example.invalid:1", "by its number"), ("tcp:127.0.0.1:70000", "from 1 to 65535"),
                             ("unix:" + "x" * 200, "107"), ("unix:%s/nobody" % folder, "No such file"),
                             ("tcp:127.0.0.1:%d" % free_port(), "Connection refused"),
                             ("unix:/proc/x", "kernel's"), ("unix:%s/.hidden/x" % folder, "No such|hidden")):
            said = g.do("migrate " + uri)
            check(re.search("Error: .*" + pattern, said), "%s: %r, not %r" % (uri, said, pattern))
        check(g.do("savevm x") == "(ring3) ", "savevm")
        check("1 snapshot " in g.do("migrate unix:%s/nobody" % folder), "snapshots do not move")
        g.do("delvm x")
        g.do("change floppy0 %s" % a_copy(bytes=1474560))
        check("floppy0" in g.do("migrate unix:%s/nobody" % folder), "a floppy that is written to")
        check(is_running(g), "it does not run on")
        g.quit()
    with start("-snapshot") as g:
        check("snapshot=on" in g.do("migrate unix:%s/nobody" % folder), "a disk that forgets")


def bad_words():
    for args, pattern in ((("-incoming", "defer"), "listens from its start"), (("-incoming", "exec:true"), "closed the connection"), (("-incoming", "exec:"), "names no command"),
                          (("-incoming", "tcp:0:0"), "from 1 to"), (("-incoming", "unix:/nowhere/x"), "No such file"),
                          (("-incoming", "unix:%s/x" % folder, "-loadvm", "x"), "-loadvm")):
        p = subprocess.run([ring3, "-display", "none", "-kernel", summed, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True, timeout=60)
        check(p.returncode == 1 and re.search(pattern, p.stdout), "%s: %d, %r" % (args, p.returncode, p.stdout))


def strangers():
    """Who calls and is no ring3 is sent away, and the right one is let in."""
    port = free_port()
    with start() as g, awaiting("tcp:127.0.0.1:%d" % port) as new:
        rounds(g)
        for words in (b"GET / HTTP/1.0\r\n\r\n" + b" " * 40, b"", b"\0" * 100):
            with socket.create_connection(("127.0.0.1", port)) as s:
                s.sendall(words)
        check("inmigrate" in new.do("info status"), "it does not wait any more")
        for word, said in (("cont", "has not come yet"), ("system_reset", "on its way"), ("savevm x", "moving"), ("migrate unix:/x", "incoming")):
            check(said in new.do(word), "%s: %s" % (word, new.do(word)))
        check(g.do("migrate tcp:127.0.0.1:%d" % port) == "(ring3) ", "migrate")
        follows(g, new)


def no_ring3_there():
    """Who does not greet as a ring3 gets not one byte."""
    with socket.create_server(("127.0.0.1", 0)) as listener, start() as g:
        rounds(g)
        g.do("migrate -d tcp:127.0.0.1:%d" % listener.getsockname()[1])
        s = listener.accept()[0]
        s.sendall(b"220 mail.example ESMTP, and more than a head is long\r\n")
        s.settimeout(30)
        try:
            got = s.recv(1000)
        except ConnectionError:
            got = b""
        check(got == b"", "it was sent %r" % got)
        end = deadline(5)
        while "not a ring3's" not in g.do("info migrate"):
            check(time.monotonic() < end, g.do("info migrate"))
        check(is_running(g), "it does not run on")


# --- cuts ---

HEAD = 36


def whole_length():
    """Bytes that a move takes, each way."""
    port = free_port()
    g = start()
    rounds(g)
    new = awaiting("tcp:127.0.0.1:%d" % port)
    proxy = Proxy(port)
    check(g.do("migrate tcp:127.0.0.1:%d" % proxy.port) == "(ring3) ", "migrate")
    g.quit()
    return new, proxy.moved


def settle(g):
    """Until it is not on its way any more."""
    end = deadline(30)
    while re.search("active|device|finish-migrate", g.do("info migrate") + g.do("info status")):
        if time.monotonic() > end:
            g.fail("it is still on its way")
        time.sleep(0.05)


def waits(g):
    """It may be just about to end."""
    try:
        return g.process.poll() is None and "inmigrate" in g.do("info status")
    except (OSError, Failed):
        return False


def cut_once(g, lengths, n):
    """Who has the machine then; what was done."""
    port = free_port()
    new = awaiting("tcp:127.0.0.1:%d" % port)
    forward, back = lengths
    kill = n % 4 == 3
    at = {0: (random.randrange(forward), None), 1: (None, random.randrange(back + 1)),
          2: (max(forward - random.randrange(4 * HEAD), 0), None), 3: (None, None)}[n % 4]
    at = (None, back // HEAD * HEAD - HEAD + random.randrange(HEAD)) if n % 8 == 5 else at
    proxy = Proxy(port, *at)
    g.do("migrate -d tcp:127.0.0.1:%d" % proxy.port)
    if kill:
        time.sleep(random.random() * 0.15)
        new.process.kill()
        new.process.wait()
    settle(g)
    end = deadline(10)
    greeted = min(proxy.moved) >= HEAD # else the target has heard from a stranger, and waits on
    while greeted and waits(new) and proxy.was_cut and time.monotonic() < end:
        time.sleep(0.05)
    here, there = is_running(g), is_running(new)
    what = "cut %s, killed %s: %s\n%s" % (at, kill, g.do("info migrate"), g.do("info status"))
    check(not (here and there), "both run: " + what)
    if kill and not here:
        check("completed" in what or "written to" in g.do("cont"), "neither runs: " + what)
        return None, what
    check(here or there, "neither runs: " + what)
    if here and not greeted and waits(new):
        new.process.kill()
    elif here:
        new.expect_exit(-9 if kill else 1)
    if there:
        check("Error" in g.do("cont"), "both could run: " + what)
    gone, left = (g, new) if there else (new, g)
    gone.process.kill()
    gone.__exit__()
    return left, ("there" if there else "here")


def cuts():
    random.seed(os.environ.get("MIGRATE_SEED"))
    count = int(os.environ.get("MIGRATE_CUTS", 12))
    g, lengths = whole_length()
    seen = {"here": 0, "there": 0, "killed": 0}
    for n in range(count):
        left, where = cut_once(g, lengths, n)
        if left is None:
            seen["killed"] += 1
            g.process.kill()
            g.__exit__()
            left = start()
        else:
            seen[where] += 1
        g = left
        rounds(g, gaps=True)
    g.quit()
    print(", ".join("%s %d" % item for item in seen.items()))


def test():
    with open(image, "wb") as f:
        f.truncate(8 << 20)
    try:
        parts = {"moves": (moves, commands_lead_there, held_ones_stay_held, a_qcow2_disk, limits), "refusals": (refusals, bad_words, strangers, no_ring3_there), "cuts": (cuts,),
                 "disks": (disks_go_along, held_disks_are_the_same, slow_ones_are_cancelled, disks_that_are_refused, cuts_with_disks)}
        run_tests({"test_" + f.__name__: f for f in parts[part]})
    finally:
        for g in started:
            g.__exit__()
        shutil.rmtree(folder, ignore_errors=True)


main(test)
