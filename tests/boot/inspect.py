"""inspect.py RING3 GLASS [ring3 options...] - the live page by HTTP: its views agree with the monitor, slow motion goes through POPF, and who is not
a browser that the person has pointed at it is refused. tests/guests/glass.S is the guest.
"""
import http.client
import json
import os
import random
import re
import socket
import struct
import subprocess
import sys
import tempfile
import time

from vm import PATIENCE, TRIES, Vm, check, children, deadline, keeps_speed, main, monitor, run_tests, tries

ring3, glass, *options = sys.argv[1:]
translates = not any("interp" in o for o in options)
symbols = {f[2]: int(f[0], 16) for f in (line.split() for line in subprocess.check_output(["nm", glass], text=True).splitlines()) if len(f) == 3}
OURS = {"X-Ring3": "1"}
SLOW_STEPS_MAX = 200000 # frontend/glass/slow_motion.h


class Page:
    """ring3 with a page on a port that the kernel chose, and a monitor."""

    def __init__(self, *more, where="127.0.0.1:0"):
        self.folder = tempfile.TemporaryDirectory(prefix="ring3-inspect")
        self.monitor = self.folder.name + "/mon"
        self.vm = Vm([ring3, "-display", "none", "-kernel", glass, "-m", "16", "-inspect", where, "-monitor", "unix:%s,server=on,wait=off" % self.monitor, *options, *more],
                     stdin=False)
        if not where.startswith("unix:"):
            self.port = int(self.vm.expect(r"live page is at http://[^\n]*:(\d+)/\n").group(1))

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.vm.kill()
        self.folder.cleanup()

    def ask(self, path, method="GET", headers={}, host=None):
        """Status, headers, body."""
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20 * PATIENCE)
        c.putrequest(method, path, skip_host=True)
        c.putheader("Host", host if host is not None else "127.0.0.1:%d" % self.port)
        for name, value in headers.items():
            c.putheader(name, value)
        c.endheaders()
        r = c.getresponse()
        body = r.read()
        c.close()
        return r.status, r.headers, body

    def get(self, path):
        for _ in range(TRIES): # a machine that a busy host does not let run is unavailable
            status, headers, body = self.ask(path)
            if status != 503:
                break
        check(status == 200 and headers["Content-Type"] == "application/json", "%s: %d %r" % (path, status, body[:200]))
        return json.loads(body)

    def do(self, verb):
        status, _, body = self.ask("/api/do?verb=" + verb, "POST", OURS)
        check(status in (200, 202), "%s: %d %r" % (verb, status, body[:200]))
        now, end = json.loads(body), deadline(30)
        while status == 202 and not now.get("paused"): # many steps, on a busy host
            check(time.monotonic() < end, "%s does not end" % verb)
            time.sleep(0.05)
            now = self.get("/api/now")
        return now

    def rounds(self):
        return int(monitor(self.monitor, "xp/1xw 0x%x" % symbols["rounds"]).split("0x")[-1].split()[0], 16)

    def wait_until_it_runs(self):
        end = deadline(20)
        while not self.rounds():
            check(time.monotonic() < end, "the guest does not come up")
            time.sleep(0.05)

    def check_runs(self, why):
        before, end = self.rounds(), deadline(20)
        while self.rounds() == before:
            check(time.monotonic() < end, why)
            time.sleep(0.02)

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=20 * PATIENCE)


def registers_of_monitor(page):
    text = monitor(page.monitor, "info registers")
    return {name.lower(): int(value, 16) for name, value in re.findall(r"\b(E[A-DSIE][XIP]|E[BS]P|EFL|CR[0234])=([0-9a-f]{8})", text)}


def test_views():
    with Page() as page:
        page.wait_until_it_runs()
        now = page.get("/api/now")
        check(now["state"] == "running" and not now["paused"] and now["mode"] == "protected mode, 32-bit code" and now["paging"] == "off", repr(now))
        check(now["ring"] == 3 and len(now["code"]) == 1 and now["code"][0]["symbol"] is None, repr(now))
        check(("translator" in now) == translates, "translator: %r" % now.get("translator"))
        if translates:
            check(now["translator"]["blocks"] > 0, repr(now))
            now = tries(lambda: time.sleep(0.5) or page.get("/api/now"), lambda n: n["translator"]["polls"] > 0, "the clock's polls")
            exits = dict(now["translator"]["exits"])
            check(0 < now["translator"]["polls"] <= exits["trap"] and now["wait_sleeps"] <= now["wait_looks"], repr(now))
            cache = page.get("/api/cache")
            check(len(cache["regions"]) == 16 and cache["regions"][cache["now"]]["blocks"] > 0 and cache["regions"][0]["used"] <= cache["region_bytes"], repr(cache))
        paused = page.do("pause")
        check(paused["state"] == "paused", repr(paused))
        theirs, ours = registers_of_monitor(page), paused["registers"]
        for name, value in theirs.items():
            check(ours["eflags" if name == "efl" else name] == value, "%s is %x at the monitor, %x on the page" % (name, value, ours["eflags" if name == "efl" else name]))
        for line in paused["code"]: # as memory has it
            n = len(line["bytes"]) // 2
            text = monitor(page.monitor, "x/%dxb 0x%x" % (n, line["va"]))
            check("".join(re.findall(r"0x([0-9a-f]{2})\b", text)) == line["bytes"], "%r; the monitor: %s" % (line, text))
        before = page.rounds()
        time.sleep(0.2)
        check(page.rounds() == before, "it runs while it is paused")
        check(page.do("continue")["state"] == "running" and page.rounds() >= before, "it does not go on")
        page.vm.signal(15)
        page.vm.expect_exit(143)


def test_pages_and_devices():
    with Page() as page:
        page.wait_until_it_runs()
        times = lambda d: (sum(n for vector, n in d["vectors"] if vector == 0x30), sum(r["count"] for r in d["ranges"] if r["base"] == 0x80 and not r["memory"]))
        end, seen, post = deadline(20), set(), set()
        while len(seen) < 3: # the kernel was called, and wrote to port 80h, as the BIOS did before
            check(time.monotonic() < end, "INT 30h and port 80h are counted: %r" % seen)
            called, written = times(page.get("/api/devices"))
            seen.add(called)
            post.add(written - called)
            time.sleep(0.1)
        devices = page.get("/api/devices")
        check(dict(devices["real_vectors"]).get(0x10, 0) > 0 and 0x30 not in dict(devices["real_vectors"]), "INT 10h of the BIOS is real mode's")
        check(0x10 not in dict(devices["vectors"]), "... and no #MF")
        check(max(post) - min(post) <= 1, "writes that were not counted, or twice: %r" % post) # one call may be under way

        pages = page.get("/api/pages")
        detail = page.get("/api/pages?at=0x%x" % symbols["user"])
        if translates:
            check(pages["parts"] and detail["at"] == symbols["user"] & ~0x3fffff, repr(pages))
            user = {n: (kind, pfn) for n, kind, pfn in detail["pages"]}
            kind, pfn = user[(symbols["user"] & 0x3fffff) >> 12]
            check(kind & 64 and pfn == symbols["user"] >> 12, "the page with code: %r" % ((kind, pfn),))
        for path in "/api/pages?at=nonsense", "/api/pages?at=-1", "/api/pages?at=99999999999":
            check("pages" not in page.get(path), path)


def test_blocks():
    """What -explain knows: the hottest, and one block, whose bytes are memory's and the monitor's."""
    with Page() as page:
        page.wait_until_it_runs()
        if not translates:
            check("error" in page.get("/api/hot") and "error" in page.get("/api/block?pc=0x%x" % symbols["user"]), "the interpreter has blocks")
            return
        end = deadline(20)
        ours = lambda hot: [b for b in hot["blocks"] if b["live"] and symbols["user"] <= int(b["eip"], 16) < symbols["call_gate"]]
        while not ours(page.get("/api/hot")): # samples come while somebody asks
            check(time.monotonic() < end, "no samples of the loop: %r" % page.get("/api/hot"))
            time.sleep(0.1)
        hot = page.get("/api/hot")
        first = ours(hot)[0]
        check(hot["by"] == "samples" and not hot["counting"] and len(page.get("/api/hot?most=1")["blocks"]) == 1, repr(hot))
        block = page.get("/api/block?pa=0x%s&mode=0x%s" % (first["pa"], first["mode"]))
        check(block["eip"] == first["eip"], repr(block))
        block = page.get("/api/block?pc=0x%x" % symbols["user"])
        check(any(i["text"].startswith("popf") and i["class"] == "SENS" for i in block["insns"]), repr(block["insns"]))
        for insn in block["insns"]: # as memory has it
            n = len(insn["bytes"]) // 2
            text = monitor(page.monitor, "x/%dxb 0x%s" % (n, insn["eip"]))
            check("".join(re.findall(r"0x([0-9a-f]{2})\b", text)) == insn["bytes"], "%r; the monitor: %s" % (insn, text))
            check(insn["host"] or insn["why"], repr(insn))
        page.do("pause") # links come and go
        block = page.get("/api/block?pc=0x%x" % symbols["user"])
        theirs = monitor(page.monitor, "explain -j 0x%x" % symbols["user"])
        theirs = json.loads(theirs[theirs.index("{"):theirs.rindex("}") + 1])
        differ = [what for what in theirs if what != "age_ms" and theirs[what] != block.get(what)]
        check(not differ and theirs.keys() == block.keys(), "explain at the monitor: %r; the page: %r" % tuple({w: one.get(w) for w in differ} for one in (theirs, block)))
        page.do("continue")
        check(page.get("/api/block?pc=0x%x" % symbols["user_popf"])["eip"], "a block by an instruction within it")
        check("error" in page.get("/api/block?pc=0xfffff000"), "a block where nothing is")
        for query in "", "?pc=x", "?pa=0x100000", "?mode=0x1", "?pa=1&mode=0x10000000000000000":
            check(page.ask("/api/block" + query)[0] == 404, query)
        page.do("count")
        end = deadline(20)
        while not page.get("/api/hot")["counting"] or not page.get("/api/hot")["blocks"][0]["runs"]:
            check(time.monotonic() < end, "runs are not counted")
            time.sleep(0.05)
        page.do("uncount")
        check(not page.get("/api/hot")["counting"], "it counts on")


def test_picture():
    with Page() as page:
        page.wait_until_it_runs()
        status, headers, png = page.ask("/screen.png")
        check(status == 200 and headers["Content-Type"] == "image/png" and png.startswith(b"\x89PNG"), "%d %r" % (status, png[:20]))
        path = page.folder.name + "/dump.png"
        monitor(page.monitor, "screendump " + path)
        with open(path, "rb") as f:
            dump = f.read()
        check(struct.unpack(">II", png[16:24]) == struct.unpack(">II", dump[16:24]), "%r is not %r" % (png[16:24], dump[16:24]))
        number = headers["X-Ring3-Screen"]
        page.get("/api/now")
        check(page.ask("/screen.png")[1]["X-Ring3-Screen"] == number, "a still screen has another number")
    with Page("-vga", "none") as page:
        check(page.ask("/screen.png")[0] == 404 and page.get("/api/now")["state"], "without a screen")


def test_files():
    """The page is whole: what it names is there, and nothing is from outside."""
    with Page() as page:
        status, headers, html = page.ask("/")
        check(status == 200 and headers["Content-Type"].startswith("text/html"), "%d" % status)
        check("default-src 'self'" in headers["Content-Security-Policy"] and headers["X-Frame-Options"] == "DENY", str(headers))
        names = re.findall(rb'(?:src|href)="([^"]+)"', html)
        check(len(names) >= 4, repr(names))
        for name in names:
            check(name.startswith(b"/"), "from outside: %r" % name)
            check(name == b"/screen.png" or page.ask(name.decode())[0] == 200, repr(name))
        for path in "/nothing", "/page.html", "/../etc/passwd", "/api", "/api/", "/api/do", "//", "/%2e%2e/x":
            check(page.ask(path)[0] == 404, path)


def test_slow_motion():
    """Through POPF in ring 3: CF is its to change, IF is not."""
    CF, IF = 1, 0x200
    with Page("-symbols", glass) as page:
        page.wait_until_it_runs()
        check(page.do("pause")["paused"], "pause")
        popf = None
        for _ in range(4): # PUSHF and POPF are both
            now = page.do("sensitive")
            check(now["paused"] and now["arrived"] and now["code"][0]["class"] == "SENS", repr(now["code"][0]))
            if now["pc"] == symbols["user_popf"]:
                popf = now
        check(popf, "it never came to POPF: %r" % now["code"][0])
        check(popf["code"][0]["symbol"] == "user_popf" and popf["code"][1]["symbol"] == "user_popf+0x1", "names: %r" % popf["code"][:2])
        while now["pc"] != symbols["user_popf"]:
            now = page.do("sensitive")
        stack = now["registers"]["esp"]
        image = int(monitor(page.monitor, "x/1xw 0x%x" % stack).split("0x")[-1].split()[0], 16)
        check(image & CF and not image & IF and now["ring"] == 3, "the image is %x" % image)
        after = page.do("step")
        check(after["steps"] == 1 and after["pc"] == symbols["user_popf"] + 1 and after["registers"]["esp"] == stack + 4, repr(after["registers"]))
        check(after["registers"]["eflags"] & CF and after["registers"]["eflags"] & IF, "flags are %x" % after["registers"]["eflags"])
        branch = page.do("branch")
        check(branch["pc"] == symbols["user"] and branch["arrived"] and branch["steps"] == 3, repr((branch["pc"], branch["steps"])))
        block = page.do("block")
        expected = (symbols["user"], 9) if translates else (symbols["user_popf"] + 1, 6) # the interpreter has no blocks: POPF would end one
        check(block["arrived"] and (block["pc"], block["steps"]) == expected, repr((block["pc"], block["steps"])))
        monitor(page.monitor, "stop")
        exits = page.do("exit") # INT 30h comes every 65536 rounds of 9 instructions: perhaps not within the most that a step takes
        if exits["code"][0]["class"] == "SENS": # a host without BMI2: C does POPF
            check(os.environ.get("RING3_HOST") and exits["pc"] == symbols["user_popf"], repr(exits["code"][0]))
            return
        check(exits["code"][0]["class"] == "FAR" or exits["steps"] >= SLOW_STEPS_MAX - 1 and not exits["arrived"], repr((exits["code"][0], exits["steps"])))
        while not exits["arrived"]:
            exits = page.do("exit")
        check(exits["code"][0]["text"].split()[0] == "int", repr(exits["code"][0]))
        kernel = page.do("step")
        check(kernel["ring"] == 0 and kernel["interrupts"] == exits["interrupts"] + 1, repr((kernel["ring"], kernel["interrupts"])))
        page.do("step")
        check(page.do("step")["pc"] == symbols["kernel_popf"] + 1, "the kernel's POPF")
        check(page.get("/api/now")["registers"]["eflags"] & IF and not kernel["registers"]["eflags"] & IF, "ring 0 sets IF")
        page.do("exit")
        out = page.do("step") # port 80h
        check(out["ring"] == 0, repr(out["code"]))
        check(page.do("continue")["state"] == "running", "continue")
        page.check_runs("it does not run on")
        check(page.ask("/api/do?verb=fly", "POST", OURS)[0] == 404, "a verb that there is not")


def test_reset_and_end():
    """Paused by the monitor, stepped by the page; an end while it is paused."""
    with Page("-S") as page:
        now = page.get("/api/now")
        check(now["paused"] and now["pc"] == 0xfffffff0 and now["mode"] == "real mode", repr(now["pc"])) # the firmware comes first
        step = page.do("step")
        check(step["pc"] < 1 << 20 and step["segments"]["cs"]["sel"] == 0xf000 and step["steps"] == 1, "the first step: %r" % step["pc"])
        monitor(page.monitor, "s 3")
        end = deadline(10)
        while not page.get("/api/now")["paused"]:
            check(time.monotonic() < end, "the monitor's step does not end")
        monitor(page.monitor, "cont")
        page.wait_until_it_runs()
        page.do("pause")
        server = children(page.vm.process.pid)["ring3-inspect"]
        page.vm.signal(15)
        page.vm.expect_exit(143)
        end = deadline(5)
        while os.path.exists("/proc/%d" % server):
            check(time.monotonic() < end, "the server outlives the machine")
            time.sleep(0.02)


# --- hostile ---

def test_strangers():
    """Other sites' pages, names that are made to point here, forms, bodies."""
    with Page() as page:
        page.wait_until_it_runs()
        ours = "http://127.0.0.1:%d" % page.port
        refused = [("GET", "/api/now", {}, "evil.example:%d" % page.port, 421), ("GET", "/", {}, "evil.example", 421), ("GET", "/", {}, "", 421),
                   ("GET", "/api/now", {"Origin": "http://evil.example"}, None, 403), ("GET", "/api/now", {"Sec-Fetch-Site": "cross-site"}, None, 403),
                   ("GET", "/screen.png", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, None, 403),
                   ("POST", "/api/do?verb=pause", {}, None, 403), ("POST", "/api/do?verb=pause", {**OURS, "Origin": "http://evil.example"}, None, 403),
                   ("POST", "/api/do?verb=pause", {**OURS, "Origin": "null"}, None, 403), ("POST", "/api/do?verb=pause", OURS, "evil.example", 421),
                   ("OPTIONS", "/api/do?verb=pause", {"Origin": "http://evil.example", "Access-Control-Request-Headers": "x-ring3"}, None, 405),
                   ("GET", "/api/do?verb=pause", OURS, None, 404), ("DELETE", "/", {}, None, 405), ("POST", "/api/do?verb=pause", {**OURS, "Content-Length": "100"}, None, 413)]
        for method, path, headers, host, expected in refused:
            status, answer, _ = page.ask(path, method, headers, host)
            check(status == expected, "%s %s %r %r: %d, not %d" % (method, path, headers, host, status, expected))
            check("Access-Control-Allow-Origin" not in answer, "others are let in")
        check(not page.get("/api/now")["paused"], "a stranger has paused it")
        check(page.ask("/api/now", headers={"Origin": ours, "Sec-Fetch-Site": "same-origin"})[0] == 200, "the page itself is refused")
        check(page.ask("/", headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"})[0] == 200, "a link to the page is refused")


def answer_to(page, data):
    """What a connection says to these bytes, until it ends."""
    with page.connect() as s:
        got = b""
        try:
            s.sendall(data)
        except OSError:
            pass # it was cut
        try:
            while True:
                some = s.recv(65536)
                if not some:
                    return got
                got += some
        except OSError:
            return got


def test_garbage():
    with Page() as page:
        page.wait_until_it_runs()
        host = b"Host: 127.0.0.1\r\n"
        check(answer_to(page, b"GET / HTTP/1.1\r\n" + host + b"A: " + b"x" * (1 << 20) + b"\r\n\r\n").startswith(b"HTTP/1.1 431"), "1 MB of head")
        check(answer_to(page, b"POST /api/do?verb=pause HTTP/1.1\r\n" + host + b"X-Ring3: 1\r\nContent-Length: 1048576\r\n\r\n" + b"y" * (1 << 20)).startswith(b"HTTP/1.1 413"),
              "1 MB of body")
        check(answer_to(page, b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\n" + host + b"\r\n").startswith(b"HTTP/1.1 414"), "a long path")
        random.seed(9)
        for _ in range(40):
            answer_to(page, bytes(random.randrange(256) for _ in range(random.randrange(1, 3000))) + b"\r\n\r\n")
        valid = b"GET /api/pages?at=0xc0000000 HTTP/1.1\r\n" + host + b"Origin: http://127.0.0.1\r\nSec-Fetch-Site: none\r\n\r\n"
        for _ in range(100): # nearly right
            spoilt = bytearray(valid)
            for _ in range(random.randrange(1, 4)):
                spoilt[random.randrange(len(spoilt) - 4)] = random.randrange(256)
            answer_to(page, bytes(spoilt))
        check(page.get("/api/now")["state"] == "running", "garbage has done something")


def test_slow_clients():
    """More connections than there are places, none of which says anything: a browser is served all the same, and they are cut."""
    with Page() as page:
        page.wait_until_it_runs()
        idle = [page.connect() for _ in range(60)]
        check(page.get("/api/now")["state"] == "running", "idle connections keep others out")
        end = deadline(10)
        for s in idle:
            s.settimeout(max(0.1, end - time.monotonic()))
            check(s.recv(1) == b"", "it has said something")
            s.close()
        trickle = page.connect() # a byte now and then
        began = time.monotonic()
        try:
            while time.monotonic() < deadline(10):
                trickle.sendall(b"G")
                time.sleep(0.2)
        except OSError:
            pass
        check(time.monotonic() - began < 9 * PATIENCE, "who trickles is not cut")


def test_cost():
    """Clients that ask without end, and some that do not read what they get: the guest keeps its speed."""
    flood = """
import socket, sys, time
end = time.monotonic() + float(sys.argv[2])
deaf = []
while time.monotonic() < end:
    try:
        s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    except OSError:
        continue
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    s.sendall(b"GET /%s HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\n\\r\\n" % [b"api/now", b"api/pages", b"page.js", b"api/hot", b"screen.png", b"api/devices", b"api/block?pc=0x100000"][len(deaf) % 7])
    deaf.append(s)
    try:
        if len(deaf) % 2: s.settimeout(1); s.recv(1 << 16)
    except OSError:
        pass # late, or cut
    if len(deaf) > 100: deaf.pop(0).close()
    time.sleep(0.005)
"""
    with Page() as page:
        page.wait_until_it_runs()
        keeps_speed(page.vm, page.rounds, flood, str(page.port), "100")
        check(page.get("/api/now")["state"] == "running", "it has stopped")


def test_server_dies():
    """The machine runs on without its page."""
    with Page() as page:
        page.wait_until_it_runs()
        os.kill(children(page.vm.process.pid)["ring3-inspect"], 9)
        page.vm.expect("live page's process ended")
        page.check_runs("the machine does not run on")
        page.vm.signal(15)
        page.vm.expect_exit(143)


def status(pid, name):
    return int(re.search(r"^%s:\s+(\d+)" % name, open("/proc/%d/status" % pid).read(), re.M).group(1))


def test_confined():
    with Page() as page:
        page.get("/api/now")
        server = children(page.vm.process.pid)["ring3-inspect"]
        check(status(server, "Seccomp") == 2 and status(server, "NoNewPrivs") == 1, "the server is not confined")
        fds = lambda: {int(fd) for fd in os.listdir("/proc/%d/fd" % server)}
        end = deadline(5)
        while not fds() <= {0, 1, 2, 3, 4}: # the client above goes
            check(time.monotonic() < end, "its descriptors: %r" % fds())
            time.sleep(0.05)



def test_unix():
    with tempfile.TemporaryDirectory() as folder:
        path = folder + "/page"
        with Page(where="unix:" + path) as page:
            with socket.socket(socket.AF_UNIX) as s:
                end = deadline(10)
                while s.connect_ex(path): # until it listens
                    check(time.monotonic() < end, "no socket")
                    time.sleep(0.02)
                s.sendall(b"GET /api/now HTTP/1.1\r\nHost: localhost\r\n\r\n")
                got = b""
                while True:
                    some = s.recv(65536)
                    if not some:
                        break
                    got += some
            check(got.startswith(b"HTTP/1.1 200") and b'"state"' in got, repr(got[:200]))
            page.vm.signal(15)
            page.vm.expect_exit(143)
        check(not os.path.exists(path), "its socket stays")


def test_daemon():
    """Who waits for the end of ring3's output does not wait for the page's server."""
    with tempfile.TemporaryDirectory() as folder, open(ring3, "rb") as program:
        other = subprocess.DEVNULL if b"libasan" in program.read() else subprocess.STDOUT # where a sanitizer may have to speak, to the end
        p = subprocess.run([ring3, "-display", "none", "-kernel", glass, "-m", "16", "-inspect", "unix:" + folder + "/page", "-daemonize", "-pidfile", folder + "/pid"],
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=other, timeout=30 * PATIENCE)
        pid = int(open(folder + "/pid").read())
        try:
            check(p.returncode == 0 and not p.stdout, "%d %r" % (p.returncode, p.stdout))
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(folder + "/page")
                s.sendall(b"GET /page.css HTTP/1.1\r\nHost: localhost\r\n\r\n")
                check(s.recv(100).startswith(b"HTTP/1.1 200"), "no page")
        finally:
            os.kill(pid, 15)
        end = deadline(10)
        while os.path.exists(folder + "/page"):
            check(time.monotonic() < end, "its socket stays")
            time.sleep(0.02)


def test_refused_options():
    for value, sentence in [("x", "takes"), ("70000", "takes"), ("127.0.0.1:", "takes"), ("unix:", "takes"), ("256.1.1.1:80", "-inspect 256.1.1.1:80: "),
                            ("unix:/nowhere/at/all", "No such file")]:
        vm = Vm([ring3, "-display", "none", "-kernel", glass, "-inspect", value], stdin=False)
        vm.expect_exit(1)
        check(sentence in vm.output and vm.output.count("\n") == 1, "%s: %r" % (value, vm.output))
    with Page() as page:
        vm = Vm([ring3, "-display", "none", "-kernel", glass, "-inspect", str(page.port)], stdin=False)
        vm.expect_exit(1)
        check("Address already in use" in vm.output, vm.output)


main(lambda: run_tests(globals(), os.environ.get("ONLY", "").split()))
