#!/usr/bin/env python3
"""window.py RING3 PROBE - the window under Xvfb and the terminal's screen: what they show, what they send, how they end.

The X server writes its screen into a file (-fbdir, an XWD image), so the picture is compared without another program.
"""
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

import fake_machine
from fake_machine import FakeMachine
from vm import PATIENCE, Vm, check, children, deadline, main, run_tests, skip, tries
from xdnd import Source

ring3, probe = sys.argv[1:3]
program = os.path.join(os.path.dirname(ring3), "ring3-window")
folder = tempfile.TemporaryDirectory()
# A build with sanitizers looks for leaks; these are the desktop's libraries', which keep something to their end.
suppressions = os.path.join(folder.name, "suppressions")
with open(suppressions, "w") as f:
    f.write("leak:libdbus-1.so\n")
os.environ["LSAN_OPTIONS"] = "suppressions=%s:print_suppressions=0" % suppressions


class XServer:
    def __init__(self):
        reader, writer = os.pipe()
        self.process = subprocess.Popen(["Xvfb", "-displayfd", str(writer), "-screen", "0", "1280x1024x24", "-fbdir", folder.name,
                                         "-nolisten", "tcp", "-noreset", "-r"], pass_fds=[writer], stderr=subprocess.DEVNULL)
        os.close(writer)
        number = os.read(reader, 20).decode().strip()
        check(number, "Xvfb does not start")
        os.environ["DISPLAY"] = ":" + number
        os.environ.pop("WAYLAND_DISPLAY", None)
        os.environ["SDL_AUDIODRIVER"] = "dummy"
        os.environ["XDG_STATE_HOME"] = os.path.join(folder.name, "state")

    def screen(self):
        """Width, and a function from x, y to 0xRRGGBB."""
        with open(os.path.join(folder.name, "Xvfb_screen0"), "rb") as f:
            data = f.read()
        header = struct.unpack(">25I", data[:100])
        start = header[0] + 12 * header[19] # header, colour map
        line, little = header[12], header[7] == 0
        def row(x, y, count):
            pixels = struct.unpack("%s%dI" % ("<" if little else ">", count), data[start + y * line + x * 4:][:count * 4])
            return [p & 0xffffff for p in pixels]
        return row


def xdotool(*words):
    done = subprocess.run(["xdotool", *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, universal_newlines=True)
    return done.stdout.strip()


def wait_for(what, seconds, why):
    end = deadline(seconds)
    while time.monotonic() < end:
        got = what()
        if got:
            return got
        time.sleep(0.05)
    check(False, why() if callable(why) else why)


def window():
    """x, y, width, height, title of ring3's window, or None."""
    text = xdotool("search", "--onlyvisible", "--name", "^ring3", "getwindowgeometry", "--shell", "getwindowname")
    found = re.search(r"X=(\d+)\nY=(\d+)\nWIDTH=(\d+)\nHEIGHT=(\d+)\n(?:SCREEN=\d+\n)?(.*)", text)
    return found and tuple(int(n) for n in found.groups()[:4]) + (found.group(5),)


def wait_title(words):
    return wait_for(lambda: (window() or ("",))[-1].find(words) >= 0, 10,
                    lambda: "the title does not become %r: %r" % (words, window()))


def wait_size(width, height):
    return wait_for(lambda: (lambda w: w if w and w[2:4] == (width, height) else None)(window()), 10,
                    lambda: "no window of %d x %d: %r" % (width, height, window()))


def wait_picture(expected, at, why):
    """expected: rows of 0xRRGGBB at the place `at` of the screen."""
    def same():
        row = server.screen()
        return all(row(at[0], at[1] + y, len(line)) == line for y, line in enumerate(expected))
    wait_for(same, 10, why)


def run(words, *more, **how):
    return Vm([ring3, "-kernel", probe, "-append", words, "-serial", "stdio", "-display", "sdl", "-name", "window test", *more],
              window=True, **how)


def ask(path, line, answer=b"(ring3) "):
    """One line to a monitor."""
    import socket
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(20 * PATIENCE)
    wait_for(lambda: os.path.exists(path), 10, "no monitor")
    s.connect(path)
    got = b""
    s.sendall(line.encode() + b"\n")
    while got.count(answer) < 2:
        got += s.recv(4096)
    s.close()
    return got.decode()


def blink_pictures(x, y):
    """How many different pictures of 720 x 400 are there in a second and a bit: more than two cursor and character blinks."""
    seen, end = set(), time.monotonic() + 1.2
    while time.monotonic() < end:
        row = server.screen()
        seen.add(hash(tuple(pixel for line in range(400) for pixel in row(x, y + line, 720))))
        time.sleep(0.03)
    return len(seen)


def test_screen_and_keys():
    monitor, picture = os.path.join(folder.name, "monitor"), os.path.join(folder.name, "screen.ppm")
    vm = run("text keys spin", "-monitor", "unix:%s,server=on,wait=off" % monitor)
    vm.expect("keys\r\n")
    wait_size(640, 480) # 4:3, as every mode of the VGA
    wait_title("ring3 - window test")
    focus_window()
    xdotool("key", "ctrl+alt+u")
    x, y, *_ = wait_size(720, 400)
    def same():
        ask(monitor, "screendump " + picture) # again and again: characters blink
        row = server.screen() # at once
        with open(picture, "rb") as f:
            ppm = f.read()
        shown = b"".join(pixel.to_bytes(3, "big") for line in range(400) for pixel in row(x, y + line, 720))
        return re.match(rb"P6\s+720\s+400\s", ppm) and ppm.endswith(shown)
    wait_for(same, 20, "the window does not show what screendump has")
    xdotool("mousemove", x + 100, y + 100, "keydown", "a")
    vm.expect("key 0000001e")
    xdotool("keyup", "a")
    vm.expect("key 0000009e")
    xdotool("key", "Page_Up")
    for byte in "e0", "49", "e0", "c9":
        vm.expect("key 000000" + byte)
    xdotool("click", 1)
    wait_title("releases the mouse")
    xdotool("mousemove_relative", 20, 10)
    vm.expect("mouse 00000028\r\nmouse 00000014\r\nmouse 000000f6") # 20 to the right, 10 down
    xdotool("click", 3)
    vm.expect("mouse 0000000a\r\nmouse 00000000\r\nmouse 00000000")
    xdotool("key", "ctrl+alt+g")
    wait_title("click to use the mouse")
    wait_for(lambda: blink_pictures(x, y) > 1, 10, "nothing blinks in a machine that runs")
    xdotool("key", "ctrl+alt+p")
    wait_title("paused")
    wait_for(lambda: blink_pictures(x, y) == 1, 15, "the picture of a paused machine is not a still one") # behind its message
    check("VM status: paused" in ask(monitor, "info status"), "the machine is not paused")
    xdotool("key", "ctrl+alt+p")
    wait_for(lambda: "paused" not in window()[-1], 5, lambda: "the machine does not go on: %r" % (window(),))
    wait_for(lambda: blink_pictures(x, y) > 1, 10, "nothing blinks any more")
    end(vm)


def focus_window():
    """The window may still be on its way, and what is typed before it has the focus is nobody's."""
    def is_focused():
        found = xdotool("search", "--onlyvisible", "--name", "^ring3").split()
        if not found:
            return False
        xdotool("windowfocus", found[-1])
        return xdotool("getwindowfocus", "-f") == found[-1]
    wait_for(is_focused, 20, "the window does not take the focus")


def end(vm):
    focus_window()
    xdotool("key", "ctrl+alt+q", "key", "e")
    vm.expect_exit(0, 5)
    wait_for(lambda: not window(), 5, "the window stays")


def test_block_pane():
    """Ctrl-Alt-B: a column of text beside the screen, whose counters move; and away again."""
    PAPER, INK, WIDTH = 0x20242e, 0xd8dee9, 56 * 8 + 24
    vm = run("work")
    vm.expect("probe")
    x, y, *_ = wait_size(640, 480)
    focus_window()
    xdotool("key", "ctrl+alt+b")
    x, y, width, height, _ = wait_for(lambda: (lambda w: w if w and w[2] > 640 else None)(window()), 10, lambda: "no pane: %r" % (window(),))
    def pane():
        row = server.screen()
        return [row(x + width - WIDTH, y + line, WIDTH) for line in range(12, height - 12)]
    def has_text():
        pixels = [p for row in pane() for p in row]
        return {PAPER, INK} >= set(pixels) and pixels.count(INK) > 1000
    wait_for(has_text, 10, "there is no text in the pane")
    before = pane()
    wait_for(lambda: pane() != before, 10, "no counter moves")
    for key in "m", "q": # menus stand beside it, over the picture
        xdotool("key", "ctrl+alt+" + key)
        strip = lambda at: [server.screen()(x + at, y + line, 4) for line in range(height)]
        wait_for(lambda: [PAPER] * 4 in strip(320), 10, "no menu over the picture")
        check([PAPER] * 4 not in strip(width - WIDTH - 4), "a menu over the pane's edge")
        xdotool("key", "Escape")
        wait_for(lambda: [PAPER] * 4 not in strip(320), 10, "the menu stays")
    xdotool("key", "ctrl+alt+b")
    wait_size(640, 480)
    end(vm)


def test_snapshot_keys():
    """Ctrl-Alt-K keeps the machine, Ctrl-Alt-R returns: what was typed in between never was."""
    monitor = os.path.join(folder.name, "monitor")
    vm = run("text keys spin", "-snapshots", os.path.join(folder.name, "kept"), "-monitor", "unix:%s,server=on,wait=off" % monitor)
    vm.expect("keys\r\n")
    focus_window()
    xdotool("key", "ctrl+alt+r")
    vm.expect("there is no snapshot available")
    before = ask(monitor, "xp /64xw 0xb8000")
    xdotool("key", "ctrl+alt+k")
    wait_for(lambda: " vm-2" in ask(monitor, "info snapshots"), 60, "there is no snapshot")
    clock = lambda: int(re.search(r"now_ns +(\w+)", ask(monitor, "info parts clock")).group(1), 16)
    time.sleep(1)
    late = clock()
    xdotool("key", "ctrl+alt+r")
    wait_for(lambda: clock() < late, 20, "its time does not go back")
    xdotool("key", "b")
    vm.expect("key 00000030")
    check(ask(monitor, "xp /64xw 0xb8000") == before, "another screen")
    end(vm)


def vm_state(name):
    return re.search(r"(?m)^%s +(\S+)" % name, subprocess.run([ring3, "vm", "list", folder.name], stdout=subprocess.PIPE, check=True,
                                                               universal_newlines=True).stdout).group(1)


def key_reaches(vm, key, code):
    focus_window()
    xdotool("key", key)
    vm.expect("key 000000" + code)


def test_suspend():
    """A machine's folder is offered suspending when its window is closed; its next start resumes it. The answer is chosen the next time."""
    box = os.path.join(folder.name, "box.ring3")
    subprocess.run([ring3, "vm", "create", box, "--disk", "none"], stdout=subprocess.DEVNULL, check=True)
    start = lambda: Vm([ring3, "vm", "start", box, "-kernel", probe, "-append", "text keys spin", "-serial", "stdio", "-display", "sdl"], window=True)
    vm = start()
    vm.expect("keys\r\n")
    key_reaches(vm, "b", "30")
    xdotool("key", "ctrl+alt+q", "key", "s")
    vm.expect_exit(0, 60)
    check(vm_state("box") == "suspended", "not suspended")
    check(open(box + "/screenshot.png", "rb").read(4) == b"\x89PNG", "no screenshot")
    for _ in range(2): # resumed where it was, and suspended by the answer of before
        vm = start()
        wait_size(640, 480)
        wait_for(lambda: vm_state("box") == "running", 10, "it does not run")
        key_reaches(vm, "c", "2e")
        check("probe" not in vm.output and "keys" not in vm.output, "it was booted: " + vm.output)
        xdotool("key", "ctrl+alt+q", "key", "Return")
        vm.expect_exit(0, 60)
        check(vm_state("box") == "suspended", "not suspended again")
    os.unlink(box + "/suspended") # then it boots
    vm = start()
    vm.expect("keys\r\n")
    end(vm)
    check(vm_state("box") == "off", "suspended by the plug")


def test_suspend_with_snapshots():
    """Without a folder of its own: -snapshots says where; the person learns what resumes it. Where it cannot be, it is not offered, and runs on."""
    place = ["-snapshots", os.path.join(folder.name, "place")]
    vm = run("text keys spin", *place)
    vm.expect("keys\r\n")
    focus_window()
    xdotool("key", "ctrl+alt+q", "key", "s")
    vm.expect("suspended; with -loadvm suspended it is resumed")
    vm.expect_exit(0, 60)
    vm = run("text keys spin", *place, "-loadvm", "suspended")
    wait_size(640, 480)
    key_reaches(vm, "b", "30")
    check("keys" not in vm.output, "it was booted: " + vm.output)
    end(vm)
    vm = run("text keys spin") # no place: S is no answer, the question stays until Escape
    vm.expect("keys\r\n")
    focus_window()
    xdotool("key", "ctrl+alt+q", "key", "s", "key", "Escape")
    key_reaches(vm, "b", "30")
    end(vm)
    image = os.path.join(folder.name, "forgotten.img")
    with open(image, "wb") as f:
        f.truncate(1 << 20)
    vm = run("text keys spin", *place, "-drive", "file=%s,format=raw,snapshot=on" % image)
    vm.expect("keys\r\n")
    focus_window()
    xdotool("key", "ctrl+alt+q", "key", "s")
    vm.expect("ring3: not suspended: .*snapshot")
    key_reaches(vm, "b", "30")
    end(vm)


# In the window's place: asks for snapshots, and prints the news that come.
ASKS = """#!%s
import os, socket, struct, sys
NEWS, SNAPSHOT = %d, %d
s = socket.socket(fileno=3)
fds, told = [], 0
while not fds: # the hello
    data, fds, *_ = socket.recv_fds(s, 64, 4)
for back in 1, 0, 1:
    s.send(struct.pack("<HHiii", SNAPSHOT, 0, back, 0, 0))
    while s.recv(64): # else the machine has gone
        news = os.pread(fds[0], 204, NEWS)
        count, text = struct.unpack_from("<I", news)[0], news[4:].split(b"\\0")[0].decode()
        if count != told:
            told = count
            print("news:", text, flush=True)
            if not text.endswith("..."):
                break
    else:
        sys.exit()
print("asked", flush=True)
s.recv(64)
"""


def other_window(name, script):
    """ring3 with another program in its window's place."""
    place = os.path.join(folder.name, name)
    os.mkdir(place)
    shutil.copy(ring3, place)
    os.symlink(os.path.join(os.path.dirname(ring3), "bios"), os.path.join(place, "bios"))
    with open(os.path.join(place, "ring3-window"), "w") as f:
        f.write(script)
    os.chmod(os.path.join(place, "ring3-window"), 0o755)
    return os.path.join(place, "ring3")


def test_snapshot_news():
    """The window is told what came of it, when it is known: that it is done, or why not."""
    program = other_window("asks", ASKS % (sys.executable, fake_machine.NEWS, fake_machine.SNAPSHOT))
    line = [program, "-kernel", probe, "-append", "spin", "-serial", "null", "-display", "sdl"]
    vm = Vm(line + ["-snapshots", os.path.join(folder.name, "told")], window=True)
    for news in "not gone back: there is no snapshot available", "kept: vm-2\\d+", "back to: vm-2\\d+", "asked":
        vm.expect(news, 60)
    vm.kill()
    vm = Vm(line, window=True)
    vm.expect("news: no snapshot: there is no place for snapshots", 60)
    vm.kill()


def leave_function_keys():
    """Ctrl-Alt-F1 to F12 are the X server's, which switches its host's consoles by them; this one has none, and is to let go of them."""
    subprocess.run(["setxkbmap", "-option", "srvrkeys:none"], stderr=subprocess.DEVNULL, check=True)


def snapshots_of(monitor):
    """{name: depth} of info snapshots, in its order; the current one."""
    lines = re.findall(r"(?m)^\d+ {9}( *)(\S+)( \*)?", ask(monitor, "info snapshots"))
    return {name: len(indent) // 2 for indent, name, _ in lines}, [name for _, name, star in lines if star]


def pixels_at(geometry, width, height):
    """Of the whole window."""
    row = server.screen()
    x, y = geometry[:2]
    return [row(x, y + line, width) for line in range(height)]


def test_snapshot_list():
    """Ctrl-Alt-F5 and Ctrl-Alt-N: kept, listed with pictures, gone back to, deleted after a question; Esc leaves all as it is."""
    monitor, kept = os.path.join(folder.name, "list-monitor"), os.path.join(folder.name, "listed")
    vm = run("text keys spin", "-snapshots", kept, "-monitor", "unix:%s,server=on,wait=off" % monitor)
    vm.expect("keys\r\n")
    place = wait_size(640, 480)
    focus_window()
    for name in "first", "second", "third", "fourth", "fifth", "sixth":
        said = ask(monitor, "savevm " + name)
        check("Error" not in said, said)
    os.unlink(os.path.join(kept, "2.png")) # as of an older ring3
    with open(os.path.join(kept, "3.png"), "r+b") as f: # damaged
        f.seek(60)
        f.write(b"damaged")
    check(sorted(os.listdir(kept)) == sorted(["index", "lock"] + ["%d.state" % n for n in range(1, 7)] + ["%d.png" % n for n in (1, 3, 4, 5, 6)]),
          "the folder: %r" % os.listdir(kept))
    leave_function_keys()
    names = list(snapshots_of(monitor)[0])
    check(names == ["first", "second", "third", "fourth", "fifth", "sixth"], "%r" % names)
    panel = lambda: any(row[320 - 280:320 - 276] == [0x20242e] * 4 for row in pixels_at(place, 640, 480))
    xdotool("key", "ctrl+alt+n") # the sixth is chosen, the second to the sixth are on the page
    wait_for(panel, 10, "no list is shown")
    wait_for(lambda: len(set(p for row in pixels_at(place, 640, 480) for p in row)) > 8, 10, "there is no picture in the list")
    xdotool("key", "Escape")
    wait_for(lambda: not panel(), 10, "the list stays")
    check(snapshots_of(monitor) == ({name: n for n, name in enumerate(names)}, ["sixth"]), "Escape changes something")
    key_reaches(vm, "b", "30")
    xdotool("key", "ctrl+alt+n")
    wait_for(panel, 10, "no list is shown")
    time.sleep(0.5)
    xdotool("key", "Up", "key", "Up", "key", "Return") # the fourth
    wait_for(lambda: snapshots_of(monitor)[1] == ["fourth"], 20, lambda: "not gone back: %r" % (snapshots_of(monitor),))
    check("running" in ask(monitor, "info status"), "it ran before")
    key_reaches(vm, "c", "2e")
    for answer, there in ("c", True), ("d", False): # of the third
        xdotool("key", "ctrl+alt+n")
        wait_for(panel, 10, "no list is shown")
        time.sleep(0.5)
        xdotool("key", "Up", "key", "Delete", "key", answer)
        time.sleep(0.5)
        xdotool("key", "Escape")
        wait_for(lambda: ("third" in snapshots_of(monitor)[0]) == there, 10, lambda: "%s: %r" % (answer, snapshots_of(monitor)))
    check(not os.path.exists(os.path.join(kept, "3.png")) and not os.path.exists(os.path.join(kept, "3.state")), "its files stay")
    xdotool("key", "ctrl+alt+F5")
    wait_for(lambda: any(name.startswith("vm-2") for name in snapshots_of(monitor)[0]), 30, "Ctrl-Alt-F5 keeps nothing")
    xdotool("key", "ctrl+alt+p")
    wait_title("paused")
    xdotool("key", "ctrl+alt+F9")
    wait_for(panel, 10, "no list is shown")
    time.sleep(0.5)
    for key in "Prior", "Prior", "Return": # the first, which is not on the page; keys do nothing before a page is there
        xdotool("key", key)
        time.sleep(0.5)
    wait_for(lambda: snapshots_of(monitor)[1] == ["first"], 20, lambda: "not gone back: %r" % (snapshots_of(monitor),))
    check("paused" in ask(monitor, "info status"), "a machine that stood still does not any more")
    end(vm)


def test_shared_size():
    vm = run("spin")
    vm.expect("probe")
    wait_size(640, 480)
    check("sdl" not in open("/proc/%d/maps" % vm.process.pid).read().lower(), "ring3 itself has SDL in memory")
    vm.signal(signal.SIGTERM)
    vm.expect_exit(143, 5)
    check("window" not in vm.output, "a normal end is no news: " + vm.output)


def test_confined():
    """Once it shows the guest's memory, the window has video memory of it and no descriptor, and cannot start programs."""
    vm = run("spin")
    vm.expect("probe")
    wait_size(640, 480)
    pid = window_of(vm.process.pid)
    status = lambda name: int(re.search(r"^%s:\s+(\d+)" % name, open("/proc/%d/status" % pid).read(), re.M).group(1))
    wait_for(lambda: status("Seccomp") == 2 and status("NoNewPrivs") == 1, 5, "it is not confined")
    for task in os.listdir("/proc/%d/task" % pid):
        mode = re.search(r"^Seccomp:\s+(\d+)", open("/proc/%d/task/%s/status" % (pid, task)).read(), re.M)
        check(not mode or mode.group(1) == "2", "a thread is not confined")
    links = [os.readlink("/proc/%d/fd/%s" % (pid, fd)) for fd in os.listdir("/proc/%d/fd" % pid)]
    check(not [l for l in links if "memfd" in l], "the window keeps memory's descriptors: %r" % links)
    parts = re.findall(r"^(\w+)-(\w+) (\S+) .*memfd:", open("/proc/%d/maps" % pid).read(), re.M)
    sizes = sorted(int(b, 16) - int(a, 16) for a, b, _ in parts)
    check(len(parts) == 2 and sizes[0] < 1 << 20 and sizes[1] <= 64 << 20 and all(p[2].startswith("r--s") for p in parts),
          "the window's part of the guest's memory: %r" % parts)
    vm.signal(signal.SIGTERM)
    vm.expect_exit(143, 5)


def window_of(pid):
    return children(pid)["ring3-window"]


def test_either_dies():
    vm = run("spin")
    vm.expect("probe")
    wait_size(640, 480)
    os.kill(window_of(vm.process.pid), signal.SIGTERM) # which comes to the whole process group, and is ring3's
    time.sleep(0.3)
    check(window(), "the window ends by itself")
    os.kill(window_of(vm.process.pid), signal.SIGKILL)
    vm.expect("ring3: the window's process was ended by signal 9; ring3 ends")
    vm.expect_exit(1, 5)
    vm = run("spin")
    vm.expect("probe")
    wait_size(640, 480)
    vm.process.kill()
    vm.expect("ring3-window: ring3 ended without a word; the window closes")
    wait_for(lambda: not window(), 5, "the window stays")
    vm.wait()


def test_no_server():
    good = os.environ["DISPLAY"]
    os.environ["DISPLAY"] = ":99999"
    try:
        vm = run("spin")
        vm.expect("ring3: -display sdl: no window: .*")
        vm.expect_exit(1, 5)
        environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR")}
        for name in "DISPLAY", "WAYLAND_DISPLAY":
            done = subprocess.run([ring3, "-display", "sdl"], env=dict(environment, **{name: ":99999"}), stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
            said = done.stdout.decode()
            check(re.fullmatch("ring3: -display sdl: no window: .*\n", said), "a library speaks: " + said)
        vm = Vm([ring3, "-kernel", probe, "-append", "halt", "-serial", "stdio"], window=True)
        vm.expect("running without a screen")
        vm.signal(signal.SIGTERM)
        vm.expect_exit(143, 5)
        del os.environ["DISPLAY"]
        vm = Vm([ring3, "-kernel", probe, "-append", "off", "-serial", "stdio"], window=True)
        vm.expect("no display server: running without a screen")
        vm.expect_exit(0, 5)
    finally:
        os.environ["DISPLAY"] = good


def colours(width, height, seed):
    return [[(x * 40503 ^ y * 60493 ^ seed * 0x10101) & 0xffffff for x in range(width)] for y in range(height)]


def test_modes_and_idle():
    m = FakeMachine(program, "-display", "sdl", "-name", "fake", cwd=folder.name)
    m.hello()
    for width, height in (640, 480), (800, 600):
        rows = colours(width, height, width)
        m.mode(width, height)
        for y, line in enumerate(rows):
            m.row(y, line)
        x, y, *_ = wait_size(width, height)
        wait_picture(rows, (x, y), "%d x %d is not as it was drawn" % (width, height))
    rows[100:110] = colours(width, 10, 5)
    for n in range(100, 110):
        m.row(n, rows[n])
    wait_picture(rows, (x, y), "changed rows do not show")
    xdotool("search", "--name", "^ring3", "windowmove", 0, 0, "windowsize", 1280, 1000) # 1.6 times, black above and below
    wait_for(lambda: (lambda row: row(0, 20, 1) == [rows[0][0]] and row(0, 19, 1) == [0] and row(1279, 979, 1) == [rows[599][799]])
             (server.screen()), 5, "a larger window is not filled in its aspect")
    xdotool("key", "ctrl+alt+i")
    wait_for(lambda: server.screen()(240, 200, 800) == rows[0], 5, "whole multiples")
    xdotool("key", "ctrl+alt+i", "key", "ctrl+alt+u")
    wait_size(800, 600)
    x, y, *_ = window()
    xdotool("key", "ctrl+alt+h")
    wait_for(lambda: server.screen()(x + 400, y + 300, 1) != [rows[300][400]], 5, "no list of keys")
    xdotool("key", "ctrl")
    wait_picture(rows, (x, y), "the list of keys stays")
    time.sleep(1)
    share = tries(lambda: m.cpu_share(1), lambda s: s < 0.01, "a still screen takes less than 0.01 of a core")
    print("a still 800 x 600 screen: %.2f %% of a core" % (share * 100))
    xdotool("key", "ctrl+alt+s")
    shots = lambda: [n for n in os.listdir(folder.name) if re.fullmatch(r"ring3-\d{8}-\d{6}.png", n)]
    header = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 800, 600)
    wait_for(lambda: any(open(os.path.join(folder.name, n), "rb").read(24) == header for n in shots()), 5, "no screenshot of 800 x 600")
    m.messages(0.05)
    xdotool("key", "ctrl+alt+d")
    wanted = [(0x1d, 1), (0x38, 1), (0xd3, 1), (0xd3, 0), (0x38, 0), (0x1d, 0)]
    keys_come(m, lambda keys: keys[-6:] == wanted, "Ctrl-Alt-Delete gives %r" % wanted)
    leave(m)


def stroke(key, *held):
    edges = [(k, 1) for k in held] + [(key, 1), (key, 0)] + [(k, 0) for k in reversed(held)]
    return edges


def keys_of(messages):
    return [k[1:3] for k in messages if k[0] == fake_machine.KEY]


def keys_come(m, good, expected):
    """What the window sends until it is good."""
    got, end = [], deadline(5)
    while not good(got):
        got += keys_of(m.messages(0.4))
        check(time.monotonic() < end or good(got), "%s; there came %r" % (expected, got))
    return got


def focus(m):
    found = wait_for(lambda: xdotool("search", "--onlyvisible", "--pid", m.process.pid), 5, "no window of %d" % m.process.pid)
    xdotool("windowfocus", "--sync", found.split()[0])


def test_typed_text():
    """The clipboard is typed as fast as the guest takes it; what no key gives is left out, and said."""
    if not shutil.which("xclip"):
        print("xclip is not installed: no typed text")
        return
    m = FakeMachine(program, "-display", "sdl", "-name", "typing", stderr=subprocess.PIPE)
    m.hello()
    wait_size(640, 480)
    focus(m)
    def paste(text):
        owner = subprocess.Popen(["xclip", "-selection", "clipboard", "-quiet", "-i"], stdin=subprocess.PIPE,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        owner.stdin.write(text.encode())
        owner.stdin.close()
        wait_for(lambda: subprocess.run(["xclip", "-selection", "clipboard", "-o"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                        timeout=10).stdout == text.encode(), 5, "xclip does not have the text")
        xdotool("key", "ctrl+alt+v")
        return owner
    owner = paste("aB\r\n\u20acc\n")
    shortcut = keys_of([m.take() for _ in range(4)])
    check(shortcut == [(0x1d, 1), (0x38, 1), (0x1d, 0), (0x38, 0)], "the shortcut: %r" % shortcut)
    check(not select.select([m.socket], [], [], 0.2)[0], "the window does not wait for the guest")
    wait_title("typing the clipboard")
    m.taken()
    first = keys_of([m.take()])
    check(first == [(0x1e, 1)], "typed text begins with %r" % first)
    check(not select.select([m.socket], [], [], 0.2)[0], "the window does not wait for each key")
    m.taken()
    wanted = [(0x1e, 0)] + stroke(0x30, 0x2a) + stroke(0x1c) + stroke(0x2e) + stroke(0x1c)
    keys_come(m, lambda keys: keys == wanted, "the rest is %r" % wanted)
    check(not m.messages(0.4), "more is typed than the text has")
    wait_title("click to use the mouse")
    owner.kill()
    owner = paste("x" * 20000)
    wait_title("typing the clipboard")
    tries(lambda: len(m.messages_for(0.5)), lambda count: count > 20, "more than 20 keys are typed in half a second")
    xdotool("key", "ctrl+alt+v")
    wait_title("click to use the mouse")
    m.messages(0.2)
    check(not m.messages(0.3), "typing does not stop")
    owner.kill()
    m.send(fake_machine.BYE)
    m.socket.shutdown(2)
    said = m.process.communicate(timeout=5 * PATIENCE)[1].decode()
    check(said == "ring3: not on the keyboard (-k), so left out: 1 character of the text\n", said)


def test_copied_text():
    """Ctrl-Alt-C: the text of a picture in the BIOS's font is in the clipboard; a picture without text leaves it as it is."""
    if not shutil.which("xclip"):
        print("xclip is not installed: no copied text")
        return
    def clipboard():
        return subprocess.run(["xclip", "-selection", "clipboard", "-o"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              timeout=10).stdout.decode()
    source = open(os.path.join(os.path.dirname(__file__), "../../bios/font.h")).read().split("font_8x16[")[1].split("};")[0]
    font = bytes(int(x, 16) for x in re.findall(r"0x([0-9a-f]{2})", source)) # rows of glyphs
    m = FakeMachine(program, "-display", "sdl", "-name", "copying")
    m.mode(640, 480)
    def write(row, text):
        for y in range(16):
            bits = "".join("{:08b}".format(font[16 * ord(c) + y]) for c in text.ljust(80))
            m.row(16 * row + y, [0xffff00 if bit == "1" else 0x0000aa for bit in bits])
    for row in range(30):
        write(row, "")
    write(1, "  Hello, clipboard 1")
    write(3, "last row")
    m.hello()
    wait_size(640, 480)
    focus(m)
    def copied():
        xdotool("key", "ctrl+alt+c")
        time.sleep(0.3)
        return clipboard() == "\n  Hello, clipboard 1\n\nlast row\n"
    wait_for(copied, 20, "the text is not in the clipboard")
    for row in range(30):
        write(row, "")
    time.sleep(0.5)
    xdotool("key", "ctrl+alt+c")
    time.sleep(0.5)
    check(clipboard().endswith("last row\n"), "a picture without text took the clipboard: %r" % clipboard())
    m.send(fake_machine.BYE)
    m.socket.shutdown(2)
    m.process.wait(10 * PATIENCE)


def test_locks():
    """CapsLock that was pressed while another window had the keyboard is made up for, unless the guest knows."""
    a = FakeMachine(program, "-display", "sdl", "-name", "a")
    b = FakeMachine(program, "-display", "sdl", "-name", "b")
    for m in a, b:
        m.hello()
        focus(m)
    for m in a, b, a:
        focus(m)
        time.sleep(0.2)
    for m in a, b:
        m.messages(0.1)
    def caps_in_b():
        focus(b)
        time.sleep(0.2)
        xdotool("key", "Caps_Lock")
        keys_come(b, lambda keys: (0x3a, 1) in keys and (0x3a, 0) in keys, "CapsLock comes")
        focus(a)
    caps_in_b()
    keys_come(a, lambda keys: keys == [(0x3a, 1), (0x3a, 0)], "CapsLock is made up for")
    a.leds(0)
    a.leds(4)
    xdotool("key", "x")
    a.messages(0.2)
    a.leds(0)
    caps_in_b() # off again: the guest's light says so already
    got = keys_of(a.messages(0.4))
    check(got == [], "a guest that agrees is bothered: %r" % got)
    for m in a, b:
        m.send(fake_machine.BYE)
        m.socket.shutdown(2)
        m.process.wait(5 * PATIENCE)


def heard():
    """Cycles of a tone of a fifth of a second, and how many seconds it was heard. SDL can write its sound into a file."""
    path = os.path.join(folder.name, "sound")
    os.environ["SDL_AUDIODRIVER"], os.environ["SDL_DISKAUDIOFILE"] = "disk", path
    vm = run("beep spin")
    os.environ["SDL_AUDIODRIVER"] = "dummy"
    vm.expect("beep\r\n")
    time.sleep(0.5)
    xdotool("mousemove", 640, 512)
    xdotool("key", "ctrl+alt+minus")
    wait_title("1000 MHz")
    xdotool("key", "ctrl+alt+minus")
    wait_title("700 MHz")
    xdotool("key", "ctrl+alt+plus")
    wait_title("1000 MHz")
    xdotool("key", "ctrl+alt+plus")
    wait_for(lambda: "MHz" not in window()[-1], 5, lambda: "not as fast as it goes: %r" % (window(),))
    end(vm)
    with open(path, "rb") as f:
        data = f.read()
    samples = struct.unpack("<%dh" % (len(data) // 2), data)
    loud = [n for n, s in enumerate(samples) if abs(s) > 4000]
    check(loud, "nothing is heard")
    tone = samples[loud[0]:loud[-1]]
    return sum(a < 0 <= b for a, b in zip(tone, tone[1:])), (loud[-1] - loud[0]) / 48000


def test_speaker():
    """200 cycles of a tone, silence before and behind."""
    # A busy host leaves a gap in the sound, but no cycle out; and it may make the guest's fifth of a second longer.
    tries(heard, lambda got: 190 < got[0] < 400 and 0.19 < got[1] < 0.8, "190 to 400 cycles in 0.19 to 0.8 s")


def test_held_tone():
    """A machine that is stopped in the middle of a tone is silent, and goes on with it."""
    path = os.path.join(folder.name, "held")
    os.environ["SDL_AUDIODRIVER"], os.environ["SDL_DISKAUDIOFILE"] = "disk", path
    m = FakeMachine(program, "-display", "sdl", "-name", "held", stderr=subprocess.DEVNULL)
    os.environ["SDL_AUDIODRIVER"] = "dummy"
    m.hello()
    wait_size(640, 480)
    def sounds(loud):
        """Are the last 50 ms that were written so?"""
        with open(path, "rb") as f:
            data = f.read()[-4800:]
        samples = struct.unpack("<%dh" % (len(data) // 2), data)
        return len(samples) == 2400 and (max(samples, default=0) > 4000 if loud else not any(samples))
    m.sounds([(1000000000, 1193, 1)])
    wait_for(lambda: os.path.exists(path) and sounds(True), 5, "no tone")
    m.stopped(True)
    wait_for(lambda: sounds(False), 5, "a stopped machine is heard")
    m.stopped(False)
    wait_for(lambda: sounds(True), 5, "the tone does not go on")
    m.send(fake_machine.BYE)
    m.socket.shutdown(2)
    m.process.wait(5 * PATIENCE)


def fake(name):
    m = FakeMachine(program, "-display", "sdl", "-name", name) # what it says is said by the test
    m.hello()
    wait_size(640, 480)
    focus(m)
    return m


def leave(m):
    m.send(fake_machine.BYE)
    m.socket.shutdown(2)
    code = m.process.wait(5 * PATIENCE)
    check(code == 0, "the window ends with %s when the machine does, not with 0" % code)


def asks(m):
    """What the window wants of the machine, without keys and mouse."""
    return [k for k in m.messages(0.4) if k[0] not in (fake_machine.KEY, fake_machine.MOUSE, fake_machine.ASKS)]


def test_close_asks():
    """No key ends a machine by itself, however often it is pressed; each answer does what it says, and is chosen already the next time."""
    answer = os.path.join(folder.name, "state", "ring3", "closing")
    if os.path.exists(answer):
        os.unlink(answer)
    m = fake("close")
    for keys in ["ctrl+alt+q"], ["ctrl+alt+q"], ["Escape"], ["ctrl+alt+q", "c"], ["ctrl+alt+q", "Down", "Down", "Return"]:
        xdotool(*[w for k in keys for w in ("key", k)])
        got = asks(m)
        check(got == [], "%s: %r" % (keys, got))
    xdotool("key", "x")
    keys_come(m, lambda keys: (0x2d, 1) in keys, "the guest has its keys back")
    for keys, wanted in (["ctrl+alt+q", "p"], fake_machine.POWER), (["ctrl+alt+q", "Return"], fake_machine.POWER), \
            (["ctrl+alt+q", "e"], fake_machine.QUIT), (["ctrl+alt+q", "Return"], fake_machine.QUIT), (["ctrl+alt+q", "p"], fake_machine.POWER):
        xdotool(*[w for k in keys for w in ("key", k)])
        got = [k[0] for k in asks(m)]
        check(got == [wanted], "%s: %r" % (keys, got))
    leave(m)


def test_undoable_disks():
    """Before a machine with undoable disks ends it is asked what becomes of them; also when the guest has switched itself off."""
    m = fake("undoable")
    m.status(fake_machine.UNDECIDED)
    time.sleep(0.3)
    for keys, wanted in (["ctrl+alt+q", "e", "Escape"], []), (["ctrl+alt+q", "p", "c"], []), \
            (["ctrl+alt+q", "e", "d"], [(fake_machine.DISKS, 3), (fake_machine.QUIT, 0)]), \
            (["ctrl+alt+q", "p", "k"], [(fake_machine.DISKS, 2), (fake_machine.POWER, 0)]), \
            (["ctrl+alt+q", "p", "Return"], [(fake_machine.DISKS, 1), (fake_machine.POWER, 0)]):
        xdotool(*[w for k in keys for w in ("key", k)])
        got = [k[:2] for k in asks(m)]
        check(got == wanted, "%s: %r" % (keys, got))
    m.status(fake_machine.UNDECIDED | fake_machine.OFF)
    time.sleep(0.3)
    xdotool("key", "d")
    got = [k[:2] for k in asks(m)]
    check(got == [(fake_machine.DISKS, 3), (fake_machine.QUIT, 0)], "off: %r" % got)
    leave(m)
    image, place = os.path.join(folder.name, "undoable.img"), os.path.join(folder.name, "undoable")
    with open(image, "wb") as f:
        f.truncate(1 << 20)
    monitor = os.path.join(folder.name, "undoable-monitor")
    def start():
        vm = run("text keys off", "-snapshots", place, "-drive", "file=%s,format=raw,mode=undoable" % image, "-monitor", "unix:%s,server=on,wait=off" % monitor)
        vm.expect("keys\r\n")
        focus_window()
        time.sleep(0.3)
        return vm
    vm = start()
    xdotool("key", "ctrl+alt+q", "key", "e", "key", "u")
    vm.expect("undoable.img: what was written since .* stays, undecided")
    vm.expect_exit(0, 20)
    vm = start()
    check("is undecided still" in vm.output, "at the start: " + vm.output)
    xdotool("key", "ctrl+alt+q", "key", "e", "key", "d")
    vm.expect_exit(0, 20)
    check("session" not in open(place + "/index").read(), "the session goes on")
    vm = start()
    xdotool("key", "Escape") # the guest's, which switches itself off
    wait_for(lambda: "shutdown" in ask(monitor, "info status"), 10, "it is not off")
    time.sleep(0.5)
    xdotool("key", "Escape") # not yet
    time.sleep(0.5)
    check("shutdown" in ask(monitor, "info status"), "it ended without an answer")
    xdotool("key", "ctrl+alt+q", "key", "e", "key", "k")
    vm.expect_exit(0, 20)
    check("session" not in open(place + "/index").read(), "what was committed is undecided")
    vm = start()
    check(ask(monitor, "discard all").count("Error") == 0, "discard")
    xdotool("key", "Escape") # decided: it ends
    vm.expect_exit(0, 20)


def test_pause_and_messages():
    """A machine that pauses gives the mouse back, and the picture says so for as long as it takes to read it."""
    m = fake("pause")
    rows = colours(640, 480, 3)
    m.mode(640, 480)
    for y, line in enumerate(rows):
        m.row(y, line)
    x, y, *_ = wait_size(640, 480)
    wait_picture(rows, (x, y), "the picture")
    changed = lambda: server.screen()(x + 300, y + 450, 40) != rows[450][300:340]
    xdotool("mousemove", x + 100, y + 100, "click", 1)
    wait_title("releases the mouse")
    for tell, back in (lambda: m.stopped(True), True), (lambda: m.speed(33), False), (lambda: m.news(1, "CD drive: a.iso"), False):
        tell()
        wait_for(changed, 5, "no message")
        if back:
            wait_title("Ctrl-Alt-P resumes")
            for act in ("click", 1), ("key", "a"):
                xdotool("mousemove", 1270, 1010) # the pointer is part of the picture
                wait_picture(rows, (x, y), "the message stays")
                xdotool("mousemove", x + 100, y + 100, *act)
                wait_for(changed, 5, "whoever uses a paused machine is not told")
            check("releases" not in window()[-1], "a machine that is paused takes the mouse")
            xdotool("mousemove", 1270, 1010)
        wait_picture(rows, (x, y), "the message stays")
    m.news(2, "no snapshot: " + "there is no place " * 6)
    wait_for(lambda: server.screen()(x + 300, y + 415, 40) != rows[415][300:340], 5, "a long message has no second line")
    wait_picture(rows, (x, y), "the long message stays")
    leave(m)


def test_one_size():
    """Modes of the VGA share one window; a larger one has its own while it lasts."""
    m = fake("sizes")
    for mode, size in ((320, 200), (640, 480)), ((800, 600), (800, 600)), ((640, 400), (640, 480)), ((720, 400), (640, 480)):
        m.mode(*mode)
        m.row(0, [1] * mode[0])
        time.sleep(0.5)
        x, y, *_ = wait_size(*size)
        check(x >= 0 and y >= 0, "the window is at %d, %d" % (x, y))
    xdotool("search", "--name", "^ring3", "windowmove", 700, 600)
    wait_for(lambda: window()[:2] == (700, 600), 5, "the window is not moved")
    time.sleep(0.3) # until it has heard of that
    m.mode(1024, 768)
    wait_size(1024, 768)
    wait_for(lambda: all(0 <= at <= 256 for at in window()[:2]), 5, lambda: "the window is at %d, %d" % window()[:2])
    leave(m)


def test_media():
    """The menu asks for what was chosen; the real machine does it, says so, and the file is among the recent ones."""
    image = os.path.join(folder.name, "a floppy.img")
    with open(image, "wb") as f:
        f.truncate(1440 * 1024)
    m = fake("media")
    m.drive(0, 1 | 4 | 16, image)
    m.drive(4, 1 | 2 | 8 | 16, "locked.iso")
    m.send(fake_machine.LOOK)
    time.sleep(0.3)
    for keys, wanted in (["ctrl+alt+m", "Return", "e"], (fake_machine.EJECT, 0, 0)), (["ctrl+alt+m", "Down", "Return", "f"], (fake_machine.EJECT, 4, 1)):
        xdotool(*[w for k in keys for w in ("key", k)])
        got = [k[:3] for k in asks(m)]
        check(got == [wanted], "%s: %r" % (keys, got))
    xdotool("key", "ctrl+alt+m", "key", "Return", "key", "1")
    got = asks(m)
    name = b"".join(struct.pack("<iii", *k[1:4])[:k[4]] for k in got if k[0] == fake_machine.PATH)
    check(name == os.path.realpath(image).encode() and got[-1][:3] == (fake_machine.CHANGE, 0, 0), "the recent file: %r" % got)
    leave(m)
    monitor = os.path.join(folder.name, "media-monitor")
    vm = run("spin", "-monitor", "unix:%s,server=on,wait=off" % monitor)
    vm.expect("probe")
    wait_size(640, 480)
    focus_window()
    time.sleep(0.3)
    xdotool("key", "ctrl+alt+m", "key", "Return", "key", "1")
    wait_for(lambda: "a floppy.img" in ask(monitor, "info block"), 5, "the file is not in the drive")
    xdotool("key", "ctrl+alt+m", "key", "Return", "key", "e")
    wait_for(lambda: "a floppy.img" not in ask(monitor, "info block"), 5, "the file stays in the drive")
    end(vm)


def test_snapshots_of_a_fake():
    """The list asks for what was chosen, by number and date, and for other pages; what the machine shows there is not believed."""
    ask_page = lambda first: (fake_machine.SNAPSHOTS, first)
    asked = lambda m: [k[:2] for k in asks(m)]
    leave_function_keys()
    m = fake("list")
    xdotool("key", "ctrl+alt+n")
    got = asked(m)
    check(got == [ask_page(-1)], "the list is asked for: %r" % got)
    for n in range(5):
        m.shot(n, 12 + n, n == 2, 1000 + n, n, b"shot %d" % n, colour=0x102030 * (n + 1))
    m.page(1, 2, 20)
    place = window()
    coloured = lambda: {p for row in pixels_at(place, 640, 480) for p in row} >= {0x102030 * (n + 1) for n in range(5)}
    wait_for(coloured, 10, "the pictures are not in the list")
    xdotool("key", "Down", "key", "Down")
    check(asked(m) == [], "lines of the page are there")
    xdotool("key", "Down")
    got = asked(m)
    check(got == [ask_page(3)], "the page from the next line on: %r" % got)
    m.page(2, 3, 20) # the same shots, by chance
    time.sleep(0.3)
    xdotool("key", "Return") # the last of the page is chosen
    got = [k[:4] for k in asks(m)]
    check(got == [(fake_machine.SNAPSHOT, fake_machine.SNAPSHOT_LOAD, 16, 1004)], "Return: %r" % got)
    xdotool("key", "ctrl+alt+F9")
    asks(m)
    m.page(3, 2, 20)
    time.sleep(0.3)
    xdotool("key", "Delete", "key", "Return") # no, back to the list
    got = asked(m)
    check(got == [ask_page(-1)], "cancel: %r" % got)
    m.page(4, 2, 20)
    time.sleep(0.3)
    xdotool("key", "Delete", "key", "d")
    got = [k[:4] for k in asks(m)]
    check(got == [(fake_machine.SNAPSHOT, fake_machine.SNAPSHOT_DELETE, 14, 1002), (fake_machine.SNAPSHOTS, 2, 0, 0)], "d: %r" % got)
    count = 5
    for first, total, lines in (0, 0, 0), (2 ** 32 - 1, 2 ** 32 - 1, 5), (0, 2 ** 32 - 1, 5), (2 ** 31, 3, 5), (7, 0, 1):
        for n in range(5):
            m.shot(n, n < lines, 2 ** 32 - 1, -1, 2 ** 32 - 1, b"\xff\1%s" * 12, "x" * 32, "%n" * 16, *[(2 ** 32 - 1, 1), (161, 120), (1, 2 ** 31), (160, 1), (1, 120)][n])
        m.page(count, first, total)
        count += 1
        time.sleep(0.2)
        xdotool("key", "Up", "key", "Prior", "key", "Next", "key", "Down", "key", "Delete", "key", "Escape", "key", "ctrl+alt+n")
        m.page(count, first, total)
        count += 1
        time.sleep(0.2)
        check(m.process.poll() is None, "a page of %r ends it" % ((first, total, lines),))
        m.messages(0.2)
    xdotool("key", "Escape")
    leave(m)


def test_drop():
    """A file from a file manager goes into the drive that it is for; what is for none, or for two, is asked or said."""
    monitor = os.path.join(folder.name, "drop-monitor")
    floppy, cd = (os.path.join(folder.name, name) for name in ("100% \u00e4 floppy #1.img", "some cd.iso"))
    with open(floppy, "wb") as f:
        f.truncate(1440 * 1024)
    with open(cd, "wb") as f:
        f.truncate(16 * 2048)
        f.seek(16 * 2048)
        f.write(b"\1CD001\1".ljust(2048, b"\0"))
    vm = run("spin", "-monitor", "unix:%s,server=on,wait=off" % monitor)
    vm.expect("probe")
    wait_size(640, 480)
    focus_window()
    number = int(xdotool("search", "--onlyvisible", "--name", "^ring3"))
    source = Source()
    has = lambda drive, path: wait_for(lambda: re.search("^%s.*%s" % (drive, re.escape(path)), ask(monitor, "info block"), re.M), 5,
                                       lambda: "%s is not in %s: %s" % (path, drive, ask(monitor, "info block")))
    source.drop(number, floppy)
    has("floppy0", floppy)
    source.drop(number, cd)
    has("ide1-cd0", cd)
    source.drop(number, folder.name)
    has("ide1-cd0", "dir:" + os.path.realpath(folder.name))
    before = ask(monitor, "info block")
    source.drop(number, program) # a program: for no drive, so it is asked; Escape
    time.sleep(0.5)
    xdotool("key", "Escape")
    check(ask(monitor, "info block") == before, "what is no medium changes the drives: " + ask(monitor, "info block"))
    end(vm)


def test_no_sound_card():
    """One line, not what the libraries tried."""
    os.environ["SDL_AUDIODRIVER"] = "alsa"
    vm = run("beep spin")
    os.environ["SDL_AUDIODRIVER"] = "dummy"
    vm.expect("beep\r\n")
    time.sleep(1)
    end(vm)
    check("ALSA lib" not in vm.output and vm.output.count("\n") <= 4, vm.output)


def test_without_a_grab():
    """A guest that asks for places is told where the pointer is; nothing is taken, and a grab ends by itself."""
    m = FakeMachine(program, "-display", "sdl")
    m.hello()
    m.mode(640, 480)
    x, y, *_ = wait_size(640, 480)
    wait_title("click to use the mouse")
    xdotool("mousemove", x + 320, y + 240, "click", "1")
    wait_title("releases the mouse")
    m.wants_pointer(True)
    wait_title("the mouse is free")
    m.messages(0.3)
    for place, told in ((0, 0), (0, 0)), ((639, 479), (65535, 65535)), ((100, 399), (10256, 54590)):
        xdotool("mousemove", x + place[0], y + place[1])
        got = [k for k in m.messages(0.3) if k[0] == fake_machine.POINTER]
        check(got and got[-1][1:] == told + (0, 0), "at %s the guest is told %s" % (place, got))
    xdotool("click", "1")
    got = [k[1:] for k in m.messages(0.3) if k[0] == fake_machine.POINTER]
    check(got == [(10256, 54590, 0, 1), (10256, 54590, 0, 0)], "a click: %s" % got)
    xdotool("click", "4")
    got = [k[3] for k in m.messages(0.3) if k[0] == fake_machine.POINTER]
    check(sum(got) == 1, "the wheel: %s" % got)
    xdotool("mousemove", x + 640 + 50, y + 100) # out of it, freely
    m.messages(0.3)
    xdotool("mousemove", x + 640 + 90, y + 120)
    check(not m.messages(0.3), "the pointer outside is told")
    m.wants_pointer(False)
    wait_title("click to use the mouse")
    xdotool("mousemove", x + 320, y + 240)
    check(not m.messages(0.3), "the pointer is told without a grab")
    m.send(fake_machine.BYE)
    m.socket.close()
    m.process.wait(5 * PATIENCE)


def test_bad_machines():
    """Nonsense from the machine's side is refused, not believed."""
    m = FakeMachine(program, "-display", "sdl", stderr=subprocess.DEVNULL)
    wait_size(640, 480)
    m.send(77)
    m.socket.send(b"short")
    m.send(fake_machine.HELLO) # without descriptors
    m.send(fake_machine.HELLO, fake_machine.PROTOCOL, 1 << 30, 0, fds=[m.shared, m.vram])
    m.send(fake_machine.HELLO, fake_machine.PROTOCOL, fake_machine.VRAM_BYTES, 100, fds=[m.shared, m.vram]) # beyond its end
    m.send(fake_machine.HELLO, fake_machine.PROTOCOL, 4096, 0, fds=[m.vram, m.shared]) # not sealed
    time.sleep(0.3)
    check(m.process.poll() is None, "it ended with %s" % m.process.returncode)
    m.hello()
    m.mode(640, 480)
    wait_size(640, 480)
    os.ftruncate(m.vram, 4096)
    check(m.process.wait(5 * PATIENCE) == 1, "memory that vanishes")


HOSTILE = """#!%s
import os, random, socket, struct, time
s = socket.socket(fileno=3)
s.settimeout(0.01)
end = time.monotonic() + 3
while time.monotonic() < end:
    kind = random.choice([0, 1, 2, 3, 32, 33, 33, 34, 36, 36, 37, 38, 49, 255, 65535])
    numbers = [random.choice([0, 1, -1, 2 ** 31 - 1, -2 ** 31, random.randrange(-300, 300)]) for _ in range(3)]
    data = struct.pack("<HHiii", kind, random.randrange(65536), *numbers)
    if random.randrange(20) == 0:
        data = data[:random.randrange(17)] + b"x" * random.choice([0, 0, 1, 3000])
    try:
        s.send(data) if data else None
    except OSError:
        time.sleep(0.001)
s.send(struct.pack("<HHiii", 34, 0, 0, 0, 0))
time.sleep(1)
os._exit(7)
"""


def test_bad_windows():
    """A window that sends anything at all does no harm; then it ends, and so does ring3."""
    vm = Vm([other_window("bad", HOSTILE % sys.executable), "-kernel", probe, "-append", "keys spin", "-serial", "null", "-display", "sdl"], window=True)
    vm.expect("ring3: the window's process ended; ring3 ends", 20)
    vm.expect_exit(1, 5)


class Terminal:
    """The screen that a terminal would show: cursor movement and text, no more than ncurses' TERM=ansi needs."""
    def __init__(self, args, kind="xterm"):
        self.pid, self.fd = pty.fork()
        if not self.pid:
            os.environ["TERM"] = kind
            os.environ["LC_ALL"] = "C.UTF-8"
            os.environ["LINES"], os.environ["COLUMNS"] = "30", "100"
            os.environ.pop("DISPLAY", None)
            os.execv(args[0], args)
        self.output = ""

    def expect(self, pattern, seconds=10):
        end = deadline(seconds)
        while not re.search(pattern, self.output, re.S):
            check(time.monotonic() < end, "%r did not come: %r" % (pattern, self.output[-3000:]))
            if select.select([self.fd], [], [], 0.2)[0]:
                try:
                    self.output += os.read(self.fd, 65536).decode("utf8", "replace")
                except OSError:
                    check(re.search(pattern, self.output, re.S), "%r did not come: %r" % (pattern, self.output[-3000:]))

    def send(self, text):
        self.output = ""
        os.write(self.fd, text.encode())

    def wait(self, seconds=5):
        return wait_for(lambda: (lambda r: (os.waitstatus_to_exitcode(r[1]),) if r[0] else None)(os.waitpid(self.pid, os.WNOHANG)),
                        seconds, "does not end")[0]


def curses(words, serial, *more, **how):
    return Terminal([ring3, "-kernel", probe, "-append", words, "-serial", "file:" + serial, *more], **how)


def test_curses():
    serial = os.path.join(folder.name, "serial")
    said = lambda: open(serial, newline="").read()
    t = curses("text keys spin", serial)
    t.expect("PQRSTUVW.*\u2663\u2660") # letters, pictures
    t.expect("Ctrl-A H: keys") # 30 lines: the status has room
    wait_for(lambda: "keys\r\n" in said(), 10, "the guest is not there")
    t.send("A\x1b[A\x03")
    wait_for(lambda: re.findall(r"key 000000(..)", said()) ==
             "2a 1e 9e aa e0 48 e0 c8 1d 2e ae 9d".split(), 10, lambda: "keys: " + said())
    t.send("\x1b[1;5C\x1b[5;2~\x1bOP\x1bx") # Ctrl-Right, Shift-PageUp, F1, Alt-X
    wait_for(lambda: re.findall(r"key 000000(..)", said())[12:] ==
             "1d e0 4d e0 cd 9d 2a e0 aa e0 49 e0 c9 e0 2a aa 3b bb 38 2d ad b8".split(), 10, lambda: "keys: " + said())
    t.send("\x01h")
    t.expect("Ctrl-A X  *end ring3")
    t.send(" \x01x")
    t.expect(r"\x1b\[\?1049l")
    check(t.wait() == 0, "the end by Ctrl-A X")


def test_curses_monitor():
    """Ctrl-A C switches between the guest's screen and the monitor, which has the terminal as it was before."""
    serial = os.path.join(folder.name, "serial")
    said = lambda: open(serial, newline="").read()
    for kind, ours, name, more in ("xterm", "\x01", "Ctrl-A", []), ("linux", "\x14", "Ctrl-T", ["-echr", "0x14"]):
        t = curses("text keys spin", serial, *more, kind=kind)
        t.expect("PQRSTUVW")
        t.expect(name + " H: keys")
        wait_for(lambda: "keys\r\n" in said(), 10, "the guest is not there")
        t.send(ours + "c")
        t.expect(r"(\x1b\[\?1049l.*)?type 'help'.*\(ring3\) $" if kind == "xterm" else r"\x1b\[J.*\(ring3\) $")
        t.send("info staX\x7ftus\r")
        t.expect(r"VM status: running\r\n\(ring3\) $")
        t.send(ours + "h")
        t.expect(name + " C  .*monitor")
        t.send("info blo" + ours + "cA") # the rest is the guest's
        t.expect("PQRSTUVW")
        wait_for(lambda: re.findall(r"key 000000(..)", said()) == "2a 1e 9e aa".split(), 10, lambda: "keys: " + said())
        t.send(ours + "C")
        t.expect(r"\x1b\[\?1049l" if kind == "xterm" else r"\(ring3\) $")
        t.send("ck\r" if kind == "xterm" else "info block\r") # the line that was begun
        t.expect(r"floppy0.*\(ring3\) $")
        t.send(ours + ours + "#\x05\r" if ours == "\x01" else "#\r") # Ctrl-A goes to the line's beginning
        t.expect(r"unknown command: '#")
        t.send(ours + "s")
        wait_for(lambda: (t.send("info status\r"), t.expect("VM status: [^\r]*\r"), "paused" in t.output)[2], 10, "not paused")
        t.send("quit\r")
        check(t.wait() == 0, "the end by quit")
        t.expect(r"quit.*\n.*\n$")


def test_curses_end():
    """The shell's prompt comes below what the monitor left, and where there was none, and another screen, where it was."""
    for kind, monitor, end in ("xterm", True, r"\x1b\[\?1049l.*\n$"), ("xterm", False, r"\x1b\[\?1049l[^\n]*$"), ("linux", False, r"\n$"):
        t = curses("spin", os.path.join(folder.name, "serial"), kind=kind)
        t.expect("Ctrl-A H: keys")
        if monitor:
            t.send("\x01c")
            t.expect(r"\(ring3\) $")
            t.send("\x01c")
            t.expect("Ctrl-A H: keys")
        t.send("\x01x")
        check(t.wait() == 0, "the end by Ctrl-A X")
        t.expect(end)


def test_curses_scroll():
    """PageUp in the monitor: what it said before, and the right of lines that are wider than the terminal."""
    t = curses("spin", os.path.join(folder.name, "serial"))
    t.expect("Ctrl-A H: keys")
    t.send("\x01c")
    t.expect(r"\(ring3\) $")
    for n in range(40):
        t.send("print %d\r" % (1000 + n))
        t.expect(r"\r\n%d\r\n\(ring3\) $" % (1000 + n))
    t.send("info registers\rexplain -x\r")
    t.expect("XMM06.*help explain")
    t.send("\x1b[5~")
    t.expect(r"\x1b\[\?1049h.*lines \d+-\d+ of 1\d\d, columns 1-100 ")
    t.send("\x1b[5~" * 9)
    t.expect("1013.*1-29")
    t.send("\x1b[6~")
    t.expect("30-58")
    t.send("q")
    t.expect(r"\x1b\[\?1049l")
    t.send("print 4711\r")
    t.expect(r"4711\r\n\(ring3\) $")
    t.send("\x1b[A\r") # other keys with an escape are the line editor's
    t.expect(r"4711\r\n\(ring3\) $")
    wide = "print " + "+".join(str(n) for n in range(100, 140))
    t.send(wide + "\r")
    t.expect(r"\(ring3\) $")
    t.send("\x1b[5~\x1b[F\x1b[C")
    t.expect("26-125")
    t.send("\x01c") # to the guest's screen at once
    t.expect("Ctrl-A H: keys")
    t.send("\x01x")
    check(t.wait() == 0, "the end by Ctrl-A X")


def test_curses_killed():
    serial = os.path.join(folder.name, "serial")
    t = curses("text spin", serial)
    t.expect("PQRSTUVW")
    os.kill(window_of(t.pid), signal.SIGKILL)
    t.expect(r"\x1b\[\?1049l.*ring3: the window's process was ended by signal 9; ring3 ends")
    check(t.wait() == 1, "the exit code")
    t = curses("text spin", serial)
    t.expect("PQRSTUVW")
    os.kill(t.pid, signal.SIGKILL)
    t.expect(r"\x1b\[\?1049l.*ring3-window: ring3 ended without a word")


for tool in "Xvfb", "xdotool":
    if not shutil.which(tool):
        skip(tool + " is not installed")
if not os.path.exists(program):
    skip("ring3 was built without its window (libsdl2-dev, libncurses-dev)")
server = XServer()
try:
    # by name: those that compare pictures come before those that move the pointer, which is part of the picture
    main(lambda: run_tests(dict(sorted(globals().items())), sys.argv[3:]))
finally:
    server.process.terminate()
    server.process.wait()
