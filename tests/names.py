#!/usr/bin/env python3
"""names.py SOURCE BUILD - names that README, docs/ and the sources' comments mention are there: files, tests, functions.

A file with a folder is looked for from the top, from docs/ and from beside who mentions it; one without may be anywhere. A test may be
written with a star. A function is a word of C with () behind it, in backticks or in a comment.
"""
import fnmatch
import os
import re
import sys

source, build = sys.argv[1:3]
ENDINGS = "c|h|S|py|md|sh|def|js|ld|cmake"
FILE = re.compile(r"(?<![\w./*<>{}$-])((?:[\w-]+/)*[\w-]+\.(?:%s))(?![\w/*({-]|\.\w)" % ENDINGS)
TEST = re.compile(r"`((?:unit|boot|fuzz|lockstep|vectors|guest|image|bios|docs|audit|chaos|inbox)\.[\w.*]*[\w*])`")
CALL = re.compile(r"(?<![\w.>-])([a-z]\w*_\w+)\(\)")
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
# Examples, other projects' files, and what only looks like a name.
OTHERS = {"mine.c", "VDICore.h", "keysymdef.h", "curses.h", "vmware.c", "vmmouse.c", "backdoor_def.h", "to.h"}
TREE = [os.path.relpath(os.path.join(folder, name), source) for top in ("bios", "cpu", "docs", "frontend", "hw", "mmu", "tests", "translator", ".ci")
        for folder, _, names in os.walk(os.path.join(source, top)) for name in names]
TREE += [name for name in os.listdir(source) if os.path.isfile(os.path.join(source, name))]
BASES = {os.path.basename(path) for path in TREE}


def text_of(path):
    with open(os.path.join(source, path), encoding="utf-8", errors="replace") as f:
        return f.read()


def tests_there():
    """Those of this build, and what tests/CMakeLists.txt has of those that it lacks (a library is not there), with stars."""
    with open(os.path.join(build, "tests", "CTestTestfile.cmake")) as f:
        names = re.findall(r"(?m)^ *add_test\((?:\[=*\[)?([^\s\]]+)", f.read())
    names += ["unit." + base[:-2] for base in os.listdir(os.path.join(source, "tests", "unit")) if base.endswith(".c")]
    for word in re.findall(r"boot_test\((\S+)", text_of("tests/CMakeLists.txt")):
        pattern = "boot." + re.sub(r"\$\{\w+\}", "*", word)
        if not fnmatch.filter(names, pattern):
            names.append(pattern)
    return names


def file_is_there(name, by):
    base = os.path.basename(name)
    if base in OTHERS or re.search("[A-Z]{4}", base):  # hw_NAME.c
        return True
    if "/" not in name:
        return name in BASES
    places = ("", "docs", os.path.dirname(by))
    return any(os.path.exists(os.path.join(source, place, name)) for place in places) or any(path.endswith("/" + name) for path in TREE)


def lacks(path, text, tests, words):
    for name in sorted(set(FILE.findall(text))):
        if not file_is_there(name, path):
            yield "%s: there is no file %s" % (path, name)
    for name in sorted(set(TEST.findall(text))):
        pattern = re.sub("[A-Z]{4,}", "*", name)
        if not fnmatch.filter(tests, pattern) and name not in BASES and not name.endswith((".bin", ".json", ".cov")):
            yield "%s: there is no test %s" % (path, name)
    for name in sorted(set(CALL.findall(text))):
        if name not in words:
            yield "%s: there is no function %s()" % (path, name)


def main():
    sources = [path for path in TREE if path.endswith((".c", ".h", ".S", ".def"))]
    code = {path: text_of(path) for path in sources}
    words = set()
    for text in code.values():
        words.update(re.findall(r"\w+", COMMENT.sub("", text)))
    for path in TREE:
        if path.endswith((".py", ".sh")):
            words.update(re.findall(r"\w+", text_of(path)))
    tests = tests_there()
    prose = {path: text_of(path) for path in TREE if path.endswith(".md")}
    prose.update((path, "\n".join(COMMENT.findall(text))) for path, text in code.items())
    wrong = [line for path in sorted(prose) for line in lacks(path, prose[path], tests, words)]
    print("\n".join(wrong) if wrong else "all names in %d files exist" % len(prose))
    return bool(wrong)


sys.exit(main())
