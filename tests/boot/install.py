#!/usr/bin/env python3
"""install.py RING3 PROBE CMAKE BUILD - what `cmake --install` puts in place works from there."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

from vm import Vm, check, main

ring3, probe, cmake, build = sys.argv[1:5]


def test():
    with tempfile.TemporaryDirectory() as prefix:
        subprocess.run([cmake, "--install", build, "--prefix", prefix], check=True, stdout=subprocess.DEVNULL)
        there = os.path.join(prefix, "bin/ring3")
        vm = Vm([there, "-kernel", probe, "-append", "off", "-serial", "stdio", "-display", "none"])
        vm.expect("probe")
        vm.expect_exit(0)
        vm = Vm([there, "-m", "16", "-display", "none", "-monitor", "stdio"]) # its own firmware, and its video BIOS
        vm.expect(r"\(ring3\) ")
        vm.send("info status\n")
        vm.expect("running")
        vm.send("quit\n")
        vm.expect_exit(0)
        if os.path.exists(os.path.join(os.path.dirname(ring3), "ring3-window")):
            # no server here
            vm = Vm([there, "-kernel", probe, "-append", "halt", "-serial", "stdio", "-display", "sdl"])
            vm.expect("ring3: -display sdl: no window: ")
            vm.expect_exit(1)
        vm = Vm([there, "-kernel", probe, "-append", "off", "-display", "none", "-inspect", "127.0.0.1:0"])
        vm.expect("live page is at http://127.0.0.1:")
        vm.expect_exit(0)
        manual = os.path.join(prefix, "share/man/man1/ring3.1")
        if shutil.which("man") and shutil.which("groff"):
            shown = subprocess.run(["man", "--warnings", "-l", manual], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   universal_newlines=True, env={**os.environ, "MANWIDTH": "100", "LC_ALL": "C.UTF-8"})
            check(shown.returncode == 0 and not shown.stderr, "the manual page: " + shown.stderr)
            for section in "EXAMPLES", "FILES", "LIMITS", "SEE ALSO":
                check(re.search("^%s$" % section, shown.stdout, re.M), "the manual page has no section " + section)
        with open(manual) as f:
            page = f.read().replace("\\-", "-")
        listed = subprocess.run([there, "-h"], stdout=subprocess.PIPE, universal_newlines=True).stdout
        for option in re.findall(r"^  (-[^ ]+)", listed, re.M):
            check(".BR %s " % option in page, "the manual page has no " + option)
        with open(os.path.join(prefix, "share/applications/ring3.desktop")) as f:
            check("Exec=ring3 " in f.read(), "the .desktop file starts nothing")
        check(os.path.exists(os.path.join(prefix, "share/icons/hicolor/scalable/apps/ring3.svg")),
              "the icon is missing")


main(test)
