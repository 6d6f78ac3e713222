#!/usr/bin/env python3
"""cage.py RING3 PROBE - what the machine's process has and may do while a guest runs."""
import errno
import os
import re
import signal
import subprocess
import sys
import tempfile
import termios
import time

from inject import CLONE, EXECVE, KILL, MMAP, MPROTECT, OPENAT, SOCKET, allowed as inject_is_allowed
from inject import inject, regions, syscall_instruction
from vm import Vm, check, children, deadline, free_port, main, skip

ring3, probe = sys.argv[1:3]
GUEST = ["-kernel", probe, "-append", "spin", "-m", "16", "-display", "none"]


def machine(*more, program=(), **how):
    vm = Vm([*program, ring3, *GUEST, *more], **how)
    vm.expect("probe")
    return vm


def threads(pid):
    return ["/proc/%d/task/%s/" % (pid, t) for t in os.listdir("/proc/%d/task" % pid)]


def status(place, name):
    return int(re.search(r"^%s:\s+(\d+)" % name, open(place + "status").read(), re.M).group(1))


def descriptors(pid):
    """{number: what it leads to}, from 3 on."""
    folder = "/proc/%d/fd/" % pid
    return {int(fd): os.readlink(folder + fd) for fd in os.listdir(folder) if int(fd) > 2}


def end(vm):
    vm.kill()


# not ring3-code, to map it once more
OURS = r"(anon_inode:\[(eventfd|userfaultfd)\]|/memfd:ring3-ram .*|socket:.*)$"


def test_descriptors():
    """Those of whoever started it are closed, wherever they are; one that an option names is open until it has been
    read."""
    with tempfile.NamedTemporaryFile() as secret, tempfile.NamedTemporaryFile() as image:
        image.truncate(1 << 20)
        for fd in 105, 177, 1000:
            os.dup2(secret.fileno(), fd, inheritable=True)
        os.dup2(image.fileno(), 109, inheritable=True)
        vm = Vm([ring3, *GUEST, "-serial", "stdio", "-hda", "/dev/fd/109"], close_fds=False)
        vm.expect("probe")
        found = descriptors(vm.process.pid)
        check(secret.name not in found.values(), "an inherited descriptor is open: %r" % found)
        check(list(found.values()).count(image.name) == 1, "the image: %r" % found)
        named = image.name, os.path.realpath(probe)
        others = [to for to in found.values() if to not in named and not re.match(OURS, to)]
        check(not others, "descriptors that are not ours: %r" % others)
        end(vm)
        for fd in 105, 109, 177, 1000:
            os.close(fd)


def test_closed_standard():
    """Started without standard input, output and error: no image gets their numbers."""
    with tempfile.TemporaryDirectory() as folder:
        path = folder + "/disk.img"
        with open(path, "wb") as f:
            f.truncate(1 << 20)
        vm = Vm(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", ring3, "-kernel", probe, "-append", "off", "-m", "16",
                 "-display", "none",
                 "-hda", path, "-serial", "stdio", "-d", "cpu_reset"])
        vm.expect_exit(0)
        check(not any(open(path, "rb").read()), "messages are in the image")


def wait_until(true, why):
    end = deadline(5)
    while not true():
        check(time.monotonic() < end, why)
        time.sleep(0.02)


def wait_for_cage(vm):
    """Shut, and the broker listens (Linux 5.7)."""
    listens = lambda: any("seccomp" in to for to in descriptors(children(vm.process.pid)["ring3-broker"]).values())
    wait_until(lambda: status("/proc/%d/" % vm.process.pid, "Seccomp") == 2 and listens(), "there is no cage")


def test_threads():
    """The machine's process and its broker: system calls filtered in each thread, no new privileges, no memory both
    written and run."""
    for accel in "translate", "translate,form=window", "interp":
        vm = machine("-serial", "stdio", "-accel", accel)
        wait_for_cage(vm)
        broker = children(vm.process.pid)["ring3-broker"]
        check(len(threads(vm.process.pid)) > 1, "it has one thread")
        for place in threads(vm.process.pid) + threads(broker):
            check(status(place, "NoNewPrivs") == 1, place + ": new privileges are possible")
            check(status(place, "Seccomp") == 2, place + ": system calls are not filtered")
        for first, last, rights, name in regions(vm.process.pid):
            check(not ("w" in rights and "x" in rights), "written and run: %x-%x %s" % (first, last, name))
        check(set(descriptors(broker)) <= {3, 4}, "the broker has %r" % descriptors(broker))
        end(vm)
        wait_until(lambda: not os.path.exists("/proc/%d" % broker), "the broker stays")


def family(pid):
    """A process and all that it started, and those."""
    found = [pid]
    for place in threads(pid):
        for child in open(place + "children").read().split():
            found += family(int(child))
    return found


def test_all_at_once():
    """With everything that has a process of its own: none has more than its cage allows, nor what somebody left open."""
    with tempfile.TemporaryDirectory() as folder:
        image, secret = folder + "/disk.img", open(folder + "/secret", "w")
        open(image, "wb").truncate(1 << 20)
        os.dup2(secret.fileno(), 105, inheritable=True)
        words = ["-hda", image, "-audio", "wav,model=sb16,path=" + folder + "/sound.wav", "-snapshots", folder,
                 "-gdb", "tcp:127.0.0.1:%d" % free_port(), "-qmp", "unix:" + folder + "/qmp,server,nowait"]
        expected = {"ring3", "ring3-broker", "ring3-saver"}
        if os.path.exists(ring3 + "-midi"):
            expected.add("ring3-midi")
        for name, option in (("vnc", ["-vnc", "127.0.0.1:%d" % (free_port() - 5900)]), ("net", ["-nic", "user"]),
                             ("inspect", ["-inspect", "127.0.0.1:%d" % free_port()])):
            if os.path.exists(ring3 + "-" + name):
                words += option
                expected.add("ring3-" + name)
        display = [] if "ring3-vnc" in expected else ["-display", "none"]
        vm = Vm([ring3, *GUEST[:-2], *display, *words, "-serial", "stdio"], close_fds=False)
        os.close(105)
        vm.expect("probe")
        wait_for_cage(vm)
        asleep = lambda place: open(place + "comm").read().strip() == "ring3-midi" # until the guest's first MIDI: tests/boot/midi.py
        ready = lambda place: (status(place, "Seccomp") == 2 or asleep(place)) and status(place, "NoNewPrivs") == 1
        all_threads = lambda: [place for pid in family(vm.process.pid) for place in threads(pid)]
        wait_until(lambda: all(map(ready, all_threads())), "a thread has no cage")
        names = {open("/proc/%d/comm" % pid).read().strip() for pid in family(vm.process.pid)}
        check(names == expected, "processes: %r, not %r" % (names, expected))
        for pid in family(vm.process.pid):
            for first, last, rights, name in regions(pid):
                check(not ("w" in rights and "x" in rights), "written and run: %x-%x %s" % (first, last, name))
            check(secret.name not in descriptors(pid).values(), "an inherited descriptor is open: %r" % descriptors(pid))
            if pid != vm.process.pid:
                own = r"(socket:|anon_inode:|/usr/share/sounds/)" # ring3-midi's SoundFont, to read
                others = [to for to in descriptors(pid).values() if not re.match(own, to)]
                check(not others, "a helper has a file: %r" % others)
        end(vm)
        secret.close()


def test_written_code():
    """The view by which the translator writes its code has neighbours without rights, and is elsewhere each time."""
    places = []
    for _ in range(3):
        vm = machine("-serial", "stdio")
        wait_for_cage(vm)
        around = regions(vm.process.pid)
        written = [n for n, (_, _, rights, name) in enumerate(around) if "memfd:ring3-code" in name and "w" in rights]
        check(len(written) == 1, "views to write: %r" % [around[n] for n in written])
        first, last, _, _ = around[written[0]]
        for neighbour, edge in (around[written[0] - 1], 1), (around[written[0] + 1], 0):
            check(neighbour[2].startswith("---") and neighbour[edge] in (first, last),
                  "its neighbour is %x-%x %s" % neighbour[:3])
        places.append(first - min(a for a, _, _, name in around if "/libc" in name))
        end(vm)
    check(min(abs(places[a] - places[b]) for a, b in ((0, 1), (0, 2), (1, 2))) > 1 << 20,
          "where it is can be guessed: %r" % places)


PROT_READ, PROT_EXEC, MAP_PRIVATE, MAP_ANONYMOUS = 1, 4, 2, 32
FORBIDDEN = [("execve", EXECVE, 0, 0, 0), ("mprotect with PROT_EXEC", MPROTECT, 0x10000, 4096, PROT_READ | PROT_EXEC),
             ("mmap with PROT_EXEC", MMAP, 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
             ("socket", SOCKET, 2, 1, 0),
             ("clone", CLONE, 17, 0, 0, 0, 0), ("kill", KILL, 1, 0), ("system call 319", 319, 0, 0),
             ("system call 1073741825", 0x40000001, 0)]


def is_sanitized():
    """The debug build, where the sanitizer may clone, open files and trace."""
    return b"__asan_init" in open(ring3, "rb").read()


def test_forbidden():
    """A call that the machine never makes ends it, with a sentence that names it."""
    with tempfile.TemporaryDirectory() as folder:
        for name, number, *arguments in FORBIDDEN:
            if name == "clone" and is_sanitized():
                continue
            vm = machine("-serial", "stdio", "-monitor", "unix:%s/mon,server=on,wait=off" % folder, "-pidfile",
                         folder + "/pid")
            wait_for_cage(vm)
            check(inject(vm.process.pid, number, *arguments) is None, name + " has returned")
            vm.expect(r"ring3: the machine's process was ended: [^\n]*\(%s\)" % re.escape(name))
            check(vm.wait() < 0, "%s: it ended with %d" % (name, vm.process.returncode))
            check(not os.listdir(folder), "%s: it leaves %r" % (name, os.listdir(folder)))


def test_forbidden_on_terminal():
    """The terminal is the shell's again."""
    vm = machine("-serial", "mon:stdio", tty=True)
    wait_for_cage(vm)
    check(termios.tcgetattr(vm.slave) != vm.settings, "the terminal is not raw")
    inject(vm.process.pid, EXECVE, 0, 0, 0)
    vm.expect("cage forbids")
    check(vm.wait() < 0, "it goes on")
    check(termios.tcgetattr(vm.slave) == vm.settings,
          "the terminal is not as it was: %r %r" % (termios.tcgetattr(vm.slave)[:6], vm.settings[:6]))


def test_allowed():
    """Files have no names for it, and it goes on; memory is what it has."""
    vm = machine("-serial", "stdio")
    wait_for_cage(vm)
    for _ in range(3):
        if not is_sanitized():
            check(inject(vm.process.pid, OPENAT, -100, syscall_instruction(vm.process.pid), 0, 0) == -errno.EACCES,
                  "openat")
        at = inject(vm.process.pid, MMAP, 0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        check(at > 0 and inject(vm.process.pid, MPROTECT, at, 4096, 3) == 0, "memory: %r" % at)
    check(vm.process.poll() is None, "it has ended")
    vm.signal(signal.SIGTERM)
    vm.expect_exit(143)


def test_off():
    vm = machine("-serial", "stdio", "-monitor", "pty", "-sandbox", "off")
    check(status("/proc/%d/" % vm.process.pid, "Seccomp") == 0 and "ring3-broker" not in children(vm.process.pid),
          "-sandbox off is ignored")
    end(vm)


def prompt(*more, cwd=None):
    vm = Vm(["env", "-C", cwd or ".", ring3, "-m", "16", "-display", "none", "-monitor", "stdio", *more])
    vm.expect(r"\(ring3\) ")
    return vm


def say(vm, line):
    vm.send(line + "\n")
    return vm.expect(r"\n?((?:.|\n)*)\(ring3\) ").group(1)


def image(path, kib=1440):
    with open(path, "wb") as f:
        f.truncate(kib << 10)
    return path


def test_files():
    """What the monitor opens and writes while the machine runs."""
    with tempfile.TemporaryDirectory() as folder:
        vm = prompt("-fda", image(folder + "/a.img"), "-snapshot", cwd=folder)
        wait_for_cage(vm)
        say(vm, "screendump screen.png")
        check(open(folder + "/screen.png", "rb").read(4) == b"\x89PNG", "screendump")
        say(vm, "pmemsave 0xf0000 65536 rom")
        check(os.path.getsize(folder + "/rom") == 65536, "pmemsave")
        say(vm, "change floppy0 %s" % image(folder + "/b.img"))
        check(folder + "/b.img" in say(vm, "info block"), "change")
        say(vm, "change ide1-cd0 b.img")
        check("ide1-cd0: b.img" in say(vm, "info block").replace("(raw)", "").replace("  ", " "),
              "a relative name: " + vm.output)
        check("No such file" in say(vm, "change floppy0 none.img"), "what is not there")
        check("is the image of a drive" in say(vm, "screendump b.img"), "an image as a picture")
        say(vm, "quit")
        vm.expect_exit(0)


def test_hidden_files():
    """What a machine that was taken over must not get, and what a person may have all the same."""
    with tempfile.TemporaryDirectory() as folder:
        os.makedirs(folder + "/.keys")
        os.makedirs(folder + "/.vm/here")
        image(folder + "/.keys/secret")
        image(folder + "/.vm/a.img")
        with open(folder + "/program", "w") as f:
            f.write("#!/bin/sh\n")
        vm = prompt("-fda", folder + "/.vm/a.img")
        wait_for_cage(vm)
        for word in "change floppy0 ", "screendump ":
            for name in ".keys/secret", ".keys/../.keys/secret", ".new":
                check("hidden" in say(vm, "%s%s/%s" % (word, folder, name)), word + name + vm.output)
        check("a program" in say(vm, "screendump %s/program" % folder), "a script is written")
        check("kernel" in say(vm, "change ide1-cd0 /proc/self/environ"), "a file of /proc")
        check(not os.path.exists(folder + "/.new"), "a hidden file was made")
        check(not say(vm, "screendump %s/.vm/screen.png" % folder).strip().endswith("hidden"),
              "beside an image of the command line")
        check(os.path.exists(folder + "/.vm/screen.png"), "beside an image of the command line")
        say(vm, "quit")
        vm.expect_exit(0)


def all_tests():
    here = subprocess.run([ring3, "-host"], stdout=subprocess.PIPE, universal_newlines=True).stdout
    if re.search("^  sandbox +none", here, re.M):
        skip("this host has no seccomp")
    traces = inject_is_allowed()
    for name, function in list(globals().items()):
        if name.startswith("test_") and (traces or function not in (test_forbidden, test_forbidden_on_terminal,
                                                                    test_allowed)):
            function()
            print(name, flush=True)
        elif name.startswith("test_"):
            print(name, "needs ptrace, which this host does not allow", flush=True)


main(all_tests)
