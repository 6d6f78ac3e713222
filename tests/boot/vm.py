"""vm.py - start ring3 with a pipe or a terminal on standard input, wait for text, type, look at its CPU time.

A test is a script that ends with 0, with 77 (skipped, it says why) or with an exception that shows the output so far.

It must pass on a busy machine. So what is waited for may come late (every time limit is taken PATIENCE times, and only
a failure waits so long), and what is measured is measured again (tries) before it is called wrong.
"""
import atexit
import fcntl
import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import termios
import time
import traceback


PATIENCE = float(os.environ.get("RING3_PATIENCE", 3))
TRIES = 6


class Failed(Exception):
    pass


def deadline(seconds):
    return time.monotonic() + seconds * PATIENCE


def tries(measure, good, expected):
    """The first of TRIES measurements that is good: a busy neighbour spoils some of them."""
    seen = []
    for _ in range(TRIES):
        seen.append(measure())
        if good(seen[-1]):
            return seen[-1]
    raise Failed("%s; measured: %s"
                 % (expected, ", ".join("%.4g" % s if isinstance(s, float) else str(s) for s in seen)))


def skip(why):
    print("SKIPPED:", why)
    sys.exit(77)


def made(*words, **environment):
    """Run a script that makes what a test needs, once (tests/guests/debian.sh and others); where it cannot, the test is skipped."""
    p = subprocess.run(words, env=dict(os.environ, **environment), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said = p.stdout.decode(errors="replace").strip()
    if p.returncode == 77:
        skip(said.split("\n")[-1])
    check(p.returncode == 0, "%s: %s" % (" ".join(words), said))


def free_port():
    """A TCP port of 127.0.0.1 that nobody has now."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def process_cpu_seconds(pid):
    """Of all threads, those that ended too, exactly (/proc/PID/stat counts ticks): the clock that
    clock_getcpuclockid() names. A process that has ended has it until it is waited for."""
    return time.clock_gettime_ns(~pid << 3 | 2) / 1e9


def children(pid):
    """{name of a program: number of its process}"""
    found = open("/proc/%d/task/%d/children" % (pid, pid)).read().split()
    return {open("/proc/%s/comm" % child).read().strip(): int(child) for child in found}


def thread_line(folder):
    """A thread's name, state, CPU seconds and system call; "" when it has ended meanwhile."""
    try:
        name, stat, call = (open(folder + part).read().strip() for part in ("comm", "stat", "syscall"))
    except OSError:
        return ""
    state, *fields = stat.rpartition(")")[2].split()
    ticks = int(fields[10]) + int(fields[11])
    return "%s: %s, %.2f s of CPU, %s" % (name, state, ticks / os.sysconf("SC_CLK_TCK"), call)


def threads_of(pid):
    """What each thread is doing, and where gdb may look, by which calls it came there."""
    lines = [thread_line("/proc/%d/task/%s/" % (pid, task)) for task in sorted(os.listdir("/proc/%d/task" % pid))]
    if shutil.which("gdb"):
        try:
            seen = subprocess.run(["gdb", "-p", str(pid), "-batch", "-ex", "thread apply all backtrace 16"], text=True,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=30)
            lines += [line for line in seen.stdout.split("\n") if line.startswith(("#", "Thread"))]
        except subprocess.TimeoutExpired:
            lines.append("gdb does not answer")
    return "\n".join(lines) + "\n"


class Vm:
    def __init__(self, args, tty=False, stdin=True, window=False, close_fds=True):
        """stdin: True a pipe, False /dev/null; tty: a terminal instead of either, also for output. window: it may open
        one; else there is no display server for it."""
        self.output = ""
        self.tty = None
        preexec = None
        if tty:
            self.tty, slave = pty.openpty()
            preexec = lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0)
            into = out = slave
            self.settings = termios.tcgetattr(slave)
        else:
            into, out = (subprocess.PIPE if stdin else subprocess.DEVNULL), subprocess.PIPE
        environment = {k: v for k, v in os.environ.items() if window or k not in ("DISPLAY", "WAYLAND_DISPLAY")}
        self.started = time.monotonic()
        self.process = subprocess.Popen(args, env=environment, stdin=into, stdout=out, stderr=subprocess.STDOUT,
                                        start_new_session=True,
                                        preexec_fn=preexec, close_fds=close_fds)
        atexit.register(self.kill) # also when the test has failed
        if tty:
            self.slave = slave # kept open, so that the terminal's settings can be looked at afterwards
        self.reader = self.tty if tty else self.process.stdout.fileno()
        self.writer = self.tty if tty else (self.process.stdin.fileno() if stdin else None)

    def fail(self, why):
        """What waited in vain: where the threads stood says more than the time."""
        threads = "" if self.process.poll() is not None else "--- threads ---\n" + threads_of(self.process.pid)
        self.kill()
        raise Failed("%s\n%s--- output ---\n%s" % (why, threads, self.output[-6000:]))

    def read(self, timeout):
        """Some output, or "" when there was none in time or it has ended."""
        if not select.select([self.reader], [], [], max(timeout, 0))[0]:
            return ""
        try:
            data = os.read(self.reader, 65536)
        except OSError: # a terminal that its last user closed
            data = b""
        text = data.decode("latin1")
        self.output += text
        return text

    def expect(self, pattern, timeout=60):
        """Wait for a pattern in what has not been matched yet; returns the match."""
        end = deadline(timeout)
        rest = getattr(self, "seen", 0)
        while True:
            found = re.search(pattern, self.output[rest:])
            if found:
                self.seen = rest + found.end()
                return found
            if time.monotonic() > end:
                self.fail("%r did not come within %g s" % (pattern, timeout * PATIENCE))
            if not self.read(0.2) and self.process.poll() is not None and not self.read(0.05):
                self.fail("ended with %s before %r came" % (self.process.returncode, pattern))

    def send(self, text):
        os.write(self.writer, text.encode("latin1"))

    def close_stdin(self):
        self.process.stdin.close()

    def wait(self, timeout=20):
        """The exit code: negative for a signal that nobody caught."""
        end = deadline(timeout)
        while self.process.poll() is None:
            if time.monotonic() > end:
                self.fail("still runs after %g s" % (timeout * PATIENCE))
            self.read(0.02)
        while self.read(0.05):
            pass
        return self.process.returncode

    def expect_exit(self, code, timeout=20):
        got = self.wait(timeout)
        if got != code:
            self.fail("exit code %s, not %s" % (got, code))

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def signal(self, number):
        self.process.send_signal(number)

    def cpu_seconds(self):
        return process_cpu_seconds(self.process.pid)

    def idle_share(self, seconds, limit, what):
        """Share of a core that it takes in `seconds`, which must be below the limit."""
        return tries(lambda: self.share(seconds), lambda share: share < limit,
                     "%s takes less than %g of a core" % (what, limit))

    def share(self, seconds):
        cpu, began = self.cpu_seconds(), time.monotonic()
        while time.monotonic() < began + seconds:
            self.read(0.1)
        return (self.cpu_seconds() - cpu) / (time.monotonic() - began)


def check(condition, why):
    if not condition:
        raise Failed(why)


def monitor(path, text):
    """One command to the monitor at a socket, which must not refuse it: its answer."""
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(path)
        s.settimeout(10 * PATIENCE)
        answer = ""
        while not answer.endswith("(ring3) "):
            answer += s.recv(4096).decode()
        s.sendall(text.encode() + b"\n")
        while "(ring3) " not in answer.partition(text)[2]: # what the machine says by itself may come in front of the echo
            answer += s.recv(4096).decode()
    check("Error" not in answer, "monitor: " + answer)
    return answer


def rate(vm, rounds, cpu_seconds=0.2):
    """rounds() for each second of the machine's own CPU time: a busy neighbour does not count."""
    before, cpu, end = rounds(), vm.cpu_seconds(), deadline(20)
    while vm.cpu_seconds() < cpu + cpu_seconds:
        check(time.monotonic() < end, "the machine gets no time")
        time.sleep(0.05)
    after, used = rounds(), vm.cpu_seconds() - cpu
    return ((after - before) % (1 << 32)) / used


def keeps_speed(vm, rounds, flood, *words):
    """A guest that counts its rounds does 95 % of what it does alone while the Python text `flood` runs."""
    def share():
        alone = [rate(vm, rounds)]
        p = subprocess.Popen([sys.executable, "-c", flood, *words])
        time.sleep(0.4)
        loaded = [rate(vm, rounds), rate(vm, rounds)]
        check(p.poll() is None, "the flood has ended")
        p.kill()
        p.wait()
        alone.append(rate(vm, rounds))
        return max(loaded) / max(alone)
    return tries(share, lambda x: x > 0.95, "the guest keeps 95 % of its speed under a flood of clients")


def run_tests(module, only=()):
    """Every test_* of a script (its globals()), in the order in which they stand there, with its time; `only`: those with one of these
    words in their names."""
    for name, function in list(module.items()):
        if name.startswith("test_") and (not only or any(word in name for word in only)):
            began = time.monotonic()
            function()
            print("%-32s %.1f s" % (name, time.monotonic() - began), flush=True)


def main(function):
    """Run a test; a failure is a sentence, the line of the test and the output, not a traceback."""
    try:
        function()
    except (Failed, subprocess.TimeoutExpired) as e:
        frames = traceback.extract_tb(e.__traceback__)
        at = [frame for frame in frames if frame.name.startswith("test")] or frames
        print("FAILED, %s:%d: %s" % (os.path.basename(at[-1].filename), at[-1].lineno, e))
        sys.exit(1)
    print("passed")
