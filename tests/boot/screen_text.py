#!/usr/bin/env python3
"""screen_text.py RING3 VIDEO_FLOPPY PROBE - the screen as text: `info screen` in every video mode, `wait-for`."""
import re
import select
import socket
import subprocess
import sys
import tempfile
import time

from guest import Guest
from vm import Vm, check, deadline, main, run_tests

ring3, floppy, probe = sys.argv[1:4]
PROMPT = "(ring3) "

HELLO = "  Graphics TTY: Hello, 437! "
# What the video test floppy draws (tests/guests/video_test): the last line of `info screen`, and the start of a row.
PICTURES = {
    "text-03h": ("80x25 characters, no cursor", 19, "  line, backspaCE"),
    "text-01h": ("40x25 characters, no cursor", 19, "  line, backspaCE"),
    "text-80x50": ("80x50 characters, no cursor", 19, "  line, backspaCE"),
    "cga-04h": ("40x25 characters, in graphics of 320x200", 0, HELLO),
    "cga-06h": ("80x25 characters, in graphics of 640x200", 0, HELLO),
    "ega-0dh": ("40x25 characters, in graphics of 320x200", 0, HELLO),
    "ega-10h": ("80x25 characters, in graphics of 640x350", 0, HELLO),
    "vga-12h": ("80x30 characters, in graphics of 640x480", 0, HELLO),
    "vga-13h": ("40x25 characters, in graphics of 320x200", 22, "bottom"), # the greeting is black on black
    "cga-palette": ("graphics, 320x200", 0, "graphics"),
    "mode-x": ("graphics, 320x240", 0, "graphics"),
    "vbe-102h": ("100x37 characters, in graphics of 800x600", 0, HELLO),
    "lfb-800x600x16": ("100x37 characters, in graphics of 800x600", 3, "     linear frame buffer"),
    "lfb-1024x768x32": ("128x48 characters, in graphics of 1024x768", 3, "     linear frame buffer"),
    "vbe-text-132x43": ("132x43 characters, no cursor", 19, "  line, backspaCE"),
}


def rows(g):
    """`info screen`, as it is meant: UTF-8."""
    answer = g.do("info screen").encode("latin1").decode().replace("\r\n", "\n")
    check(answer.endswith("\n" + PROMPT), "the answer ends with %r" % answer[-40:])
    return answer[: -len(PROMPT)].rstrip("\n").split("\n")


def check_picture(name, got):
    if name == "text-03h":
        table = "".join(row[38:70:2] for row in got[1:17])
        check(all(c in table for c in "☺♥!Aa~çé░│╬█αß≡²"), "the table of characters: %r" % table)
    if name not in PICTURES:
        return
    last, at, text = PICTURES.pop(name)
    check(got[-1] == last, "%s: the last line is %r" % (name, got[-1]))
    check(got[at].startswith(text), "%s: row %d is %r" % (name, at, got[at]))
    check(all(row == row.rstrip() for row in got), "%s: there are blanks behind a row" % name)


def test_every_mode():
    with tempfile.TemporaryDirectory(prefix="ring3-") as folder:
        console = folder + "/console"
        with Guest(ring3, "-m", "32", "-fda", floppy, "-snapshot", "-debugcon", "file:" + console) as g:
            seen, end = 0, deadline(120)
            while True:
                with open(console, errors="replace") as f:
                    text = f.read()
                names = re.findall(r"^step (.*)\n", text, re.M)
                if len(names) > seen:
                    time.sleep(0.1)
                    check_picture(names[seen], rows(g))
                    seen += 1
                    g.do("sendkey spc")
                elif text.endswith("done\n"):
                    break
                check(time.monotonic() < end, "nothing comes behind %r" % names[-1:])
                time.sleep(0.02)
            g.quit()
    check(not PICTURES, "pictures that were not seen: %r" % sorted(PICTURES))


# --- wait-for ---

def test_waiting():
    with Guest(ring3, "-m", "32", "-fda", floppy, "-snapshot") as g:
        check(g.do('wait-for "Graphics TTY" 1').startswith("Error: wait-for: 'Graphics TTY' did not come to the screen in time"),
              "there is no timeout")
        check(g.do('wait-for "Booting from" 20') == PROMPT, "text is not found in a text mode")
        g.do("sendkey spc 20")
        check(g.do("wait-for TTY 20") == PROMPT, "text that comes is not found")
        began = time.monotonic()
        check(g.do("wait-for TTY") == PROMPT and time.monotonic() - began < 5, "what is there already is not found at once")
        g.do("stop")
        check(g.do("wait-for nothing 1").startswith("Error"), "no timeout while the machine is held")
        g.monitor.sendall(b"wait-for nothing 1\ninfo ") # the rest comes while it waits, and nothing else wakes the machine
        time.sleep(0.3)
        g.monitor.sendall(b"status\n")
        said = g.reply() # of the one or of both
        said += "" if "VM status" in said else g.reply()
        check("Error" in said and "VM status: paused" in said, "what comes meanwhile is not read: %r" % said)
        g.do("cont")
        # Ctrl-C ends it, and so does the next client's coming when this one has gone.
        g.monitor.sendall(b"wait-for nothing 300\n")
        time.sleep(0.3)
        g.monitor.sendall(b"\3")
        check("interrupted" in g.reply(), "Ctrl-C does not end it")
        g.monitor.sendall(b"wait-for nothing 300\n")
        time.sleep(0.3)
        g.monitor.close()
        g.monitor = g.connect(g.folder + "/monitor")
        g.reply()
        # What is typed behind it waits; who sends no more still gets the answers.
        g.monitor.sendall(b"wait-for TTY\ninfo name\nwait-for nothing 1\ninfo status\n")
        g.monitor.shutdown(socket.SHUT_WR)
        text = b""
        while True:
            piece = g.monitor.recv(4096)
            if not piece:
                break
            text += piece
        check(re.search(rb"wait-for nothing 1.*Error: wait-for.*VM status: running", text, re.S), "answers: %r" % text)
        g.monitor = g.connect(g.folder + "/monitor")
        g.reply()
        for words, answer in (("wait-for", "text expected"), ("wait-for x y", "Try"), ("wait-for x -1", "number of seconds"),
                              ('wait-for ""', "text expected"), ("wait-for x 1 2", "extraneous"), ("wait-for " + "x" * 300, "more than")):
            check(answer in g.do(words), "%s: %r" % (words, g.do(words)))
        g.quit()


def test_graphics_are_waited_for():
    """Keys lead the floppy on, by a second monitor, while the first waits for the text of a graphics mode."""
    with tempfile.TemporaryDirectory(prefix="ring3-") as folder:
        second = folder + "/second"
        with Guest(ring3, "-m", "32", "-fda", floppy, "-snapshot", "-monitor", "unix:%s,server=on,wait=off" % second) as g:
            check(g.do("wait-for Booting") == PROMPT, "no text")
            keys = g.connect(second)
            g.reply(keys)
            g.monitor.sendall(b'wait-for "Graphics TTY: Hello" 60\n')
            said, end = b"", deadline(60)
            while not said.endswith(b"(ring3) "):
                check(time.monotonic() < end, "the text in graphics is not found: %r" % said)
                keys.sendall(b"sendkey spc 20\n")
                g.reply(keys)
                while select.select([g.monitor], [], [], 0.6)[0]:
                    said += g.monitor.recv(4096)
            check(b"Error" not in said, "the text in graphics is not found: %r" % said)
            check("in graphics of" in rows(g)[-1], "it is no graphics mode")
            g.quit()


def test_script():
    """Lines from a pipe: each waits for the one before."""
    done = subprocess.run([ring3, "-fda", floppy, "-snapshot", "-m", "32", "-display", "none", "-monitor", "stdio"],
                          input=b"wait-for Booting 60\nsendkey spc 20\nwait-for backspaCE 60\nwait-for nothing 0\ninfo screen\nquit\n", stdout=subprocess.PIPE, timeout=180)
    text = done.stdout.decode()
    check(done.returncode == 0 and "Error: wait-for: 'nothing'" in text and "80x25 characters" in text, text)


def test_no_screen():
    vm = Vm([ring3, "-kernel", probe, "-append", "halt", "-vga", "none", "-monitor", "stdio"])
    vm.expect(re.escape(PROMPT))
    vm.send("info screen\nwait-for x 1\nquit\n")
    vm.expect("Error: there is no screen(.|\n)*Error: there is no screen")
    vm.expect_exit(0)


def test_cost():
    """A guest that halts costs next to nothing while somebody waits for a text."""
    vm = Vm([ring3, "-kernel", probe, "-append", "text halt", "-display", "none", "-monitor", "stdio"])
    vm.expect(re.escape(PROMPT))
    vm.send("wait-for nothing 600\n")
    time.sleep(1)
    vm.idle_share(1, 0.03, "a machine whose screen somebody watches")
    vm.kill()


main(lambda: run_tests(globals(), sys.argv[4:]))
