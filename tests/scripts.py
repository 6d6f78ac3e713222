#!/usr/bin/env python3
"""scripts.py SETUP - what ./demo and ./check are made of (.ci/setup.sh), in a project of three files: a folder that was copied with
its build/ is built anew, progress is shown, and each skipped test has its reason before CTest's closing lines."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

PROJECT = """
cmake_minimum_required(VERSION 3.20)
project(toy C)
add_executable(toy toy.c part.h)
enable_testing()
add_test(NAME good COMMAND toy)
add_test(NAME no.vectors COMMAND sh -c "echo looking; echo 'SKIPPED no.vectors: none are here'; exit 77")
add_test(NAME no.guest COMMAND sh -c "echo 'no guest: see (the log)' >&2; exit 77")
add_test(NAME silent COMMAND sh -c "exit 77")
add_test(NAME bad COMMAND sh -c "exit 1")
set_tests_properties(no.vectors no.guest silent PROPERTIES SKIP_RETURN_CODE 77)
"""
PRESETS = """{"version": 3, "configurePresets": [{"name": "release", "binaryDir": "${sourceDir}/build"}],
"testPresets": [{"name": "release", "configurePreset": "release"}]}"""
SKIPS = """Why tests were skipped:
\tno.vectors: none are here
\tno.guest: no guest: see (the log)
\tsilent: it does not say why

The following tests did not run:
"""
setup = os.path.abspath(sys.argv[1])


def run(folder, script, code=0):
    p = subprocess.run(["bash", "-c", 'set -euo pipefail; cd "$0"; . "$1"; ' + script, folder, setup], stdin=subprocess.DEVNULL,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True, timeout=240)
    assert p.returncode == code, "%s: exit code %s: %s" % (script, p.returncode, p.stdout)
    return p.stdout


def write(folder, **files):
    for name, text in files.items():
        with open(os.path.join(folder, name.replace("_", ".")), "w") as f:
            f.write(text)


def test_build(first, second):
    os.mkdir(first)
    write(first, CMakeLists_txt=PROJECT, CMakePresets_json=PRESETS, part_h="", toy_c='#include "part.h"\nint main(void) { return 0; }\n')
    said = run(first, "build toy")
    assert re.search(r"^building, \d+ %$", said, re.M) and "from" not in said, said
    said = run(first, "build toy")
    assert said == "", "nothing is built, and it says: " + said
    shutil.copytree(first, second)
    shutil.rmtree(first) # whatever names it fails
    said = run(second, "build toy")
    assert said.startswith("build/ is from %s: building anew\n" % first), said
    assert "anew" not in run(second, "build toy"), "it is not its own after that"
    write(second, part_h="#error broken\n") # the dependencies are those of this folder, too
    said = run(second, "build toy", 1)
    assert "#error broken" in said, said
    write(second, part_h="")
    run(second, "build toy")


def test_skips(folder):
    said = run(folder, "ctest --preset release 2>/dev/null | explain_skips", 8)
    assert SKIPS in said, said
    assert said.endswith("\t  5 - bad (Failed)\n"), said
    said = run(folder, "ctest --preset release -E bad | explain_skips")
    assert SKIPS in said and said.endswith("\t  4 - silent (Skipped)\n"), said
    said = run(folder, "ctest --preset release -R good | explain_skips")
    assert "100% tests passed" in said and "skipped" not in said, said


with tempfile.TemporaryDirectory() as folder:
    one, other = (os.path.join(os.path.realpath(folder), name) for name in ("one", "other one"))
    test_build(one, other)
    test_skips(other)
print("passed")
