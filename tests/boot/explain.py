#!/usr/bin/env python3
"""explain.py RING3 EXPLAINED GUIDE GLASS README - how code is translated, as a person and a program ask: the monitor's `explain`, and -explain at the end.

The guest is a boot sector of ours, so what it is made of is known; what is said about it is compared with memory. GUIDE
shows a listing of the kernel EXPLAINED, README one of GLASS: they are what ring3 says."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import vm as vm_module
from vm import check, deadline, main

ring3, explained, guide, glass, readme = sys.argv[1:]
folder = tempfile.mkdtemp(prefix="ring3-")
floppy = folder + "/loop.img"
PROMPT = "(ring3) "
# 7c00: pushf; popf; mov [8000], ax; inc ax; jmp 7c00        7c08: a byte that nothing jumps to
CODE = bytes.fromhex("9c9da3008040ebf8cc")
LOOP = 0x7C00


def write_floppy():
    with open(floppy, "wb") as f:
        f.write(CODE.ljust(510, b"\0") + b"\x55\xaa")
        f.truncate(1440 * 1024)


class Vm(vm_module.Vm):
    def wait_until(self, good, why, timeout=30):
        """It becomes true."""
        end = deadline(timeout)
        while not good():
            if time.monotonic() > end:
                self.fail(why)
            time.sleep(0.02)


def start(*more):
    vm = Vm([ring3, "-display", "none", "-serial", "null", "-monitor", "stdio", *more, floppy], stdin=True)
    vm.expect(re.escape(PROMPT))
    vm.wait_until(lambda: "00007c0" in ask(vm, "info registers") and "0x00000000" not in ask(vm, "x /1xw 0x8000"), "the floppy does not boot")
    return vm


def ask(vm, words):
    """The answer to a word: standard input is a pipe, so there is no echo."""
    vm.send(words + "\n")
    return vm.expect(r"((?:.|\n)*?)\(ring3\) ").group(1)


def ask_json(vm, words):
    answer = ask(vm, words)
    return json.loads(answer[answer.index("{"):])


def memory(vm, address, n):
    words = re.findall(r"0x([0-9a-f]{2})\b", ask(vm, "xp /%dxb 0x%x" % (n, address)))
    return "".join(words)


def test_block():
    vm = start()
    text = ask(vm, "explain 0x7c01")
    popf = re.search(r"^00007c01 popf *9d \| SENS +(.*)$", text, re.M)
    check(popf, text)
    column = " ".join(line.split("|")[1].strip() for line in text.splitlines() if line.count("|") == 2)
    check("ring 3 leaves IF and IOPL as they are and says nothing: inline; what that does not cover goes to C (exec_popf)" in column, column)
    check(all(len(line) <= 120 for line in text.splitlines()), text)
    check(re.search(r"call <xlat_callout>", text) and "[vcpu.eflags]" in text and "<callout_ends>" in text, text)
    block = ask_json(vm, "explain -j 0x7c00")
    check(block["eip"] == "00007c00" and block["bits"] == 16 and block["runs"] is None, block)
    check([i["class"] for i in block["insns"][:4]] == ["SENS", "SENS", "MEM", "IDENT"], block)
    check("".join(i["bytes"] for i in block["insns"]) == memory(vm, LOOP, block["bytes"]) == CODE[:block["bytes"]].hex(), block)
    check(sum(len(h["bytes"]) // 2 for i in block["insns"] for h in i["host"]) + sum(len(h["bytes"]) // 2 for h in block["out_of_line"]) ==
          block["host_bytes"], block)
    at = [h["at"] for i in block["insns"] for h in i["host"]] + [h["at"] for h in block["out_of_line"]]
    check(at == sorted(at) and at[0] == 0, at)
    check(any(l["eip"] == "00007c00" and l["linked"] for l in block["links_out"]), block)
    same = ask_json(vm, "explain -j -p -m %s 0x%s" % (block["mode"], block["pa"]))
    check(same["host"] == block["host"], same)
    here = ask_json(vm, "explain -j here")
    check(any(int(i["eip"], 16) in range(LOOP, LOOP + 8) for i in here["insns"]), here)
    vm.send("quit\n")
    vm.expect_exit(0)


def test_counts():
    vm = start()
    ask(vm, "explain sample on")
    vm.wait_until(lambda: ask_json(vm, "explain -j hot 1")["blocks"], "no samples")
    check(ask_json(vm, "explain -j hot 1")["by"] == "samples", "samples")
    ask(vm, "explain sample off")
    ask(vm, "explain count on")
    vm.wait_until(lambda: ask_json(vm, "explain -j hot 5")["by"] == "runs", "no counts")
    hot = ask_json(vm, "explain -j hot 5")
    best = hot["blocks"][0]
    check(hot["counting"] and int(best["pa"], 16) in range(LOOP, LOOP + 8) and best["permille"] > 500, hot)
    ask(vm, "stop")
    before = ask_json(vm, "explain -j 0x%s" % best["pa"])["runs"]
    check(before >= best["runs"] and before == ask_json(vm, "explain -j 0x%s" % best["pa"])["runs"], before)
    ask(vm, "cont")
    vm.wait_until(lambda: ask_json(vm, "explain -j 0x%s" % best["pa"])["runs"] > before, "it does not run on")
    vm.send("quit\n")
    vm.expect_exit(0)


def test_odd_words():
    """Wrong, huge, in the middle of a flush: a sentence, and the machine runs on."""
    vm = start()
    for words, answer in (("explain 0x500", "no translated block has an instruction at linear address 0x00000500"), ("explain 0x7c08", "no translated block"),
                          ("explain 0xffffffff", "no translated block"), ("explain 0x100000000", "addresses have 32 bits"),
                          ("explain 99999999999999999999", ""), ("explain -p -m zz 5", "hexadecimal"), ("explain -p -m", "mode expected"),
                          ("explain", "here, hot, count, sample or an address expected"), ("explain hot 0", "from 1 to 100"),
                          ("explain hot 101", "from 1 to 100"), ("explain hot x", ""), ("explain count maybe", "on, off or clear"),
                          ("explain sample", "on or off expected"), ("explain here there", "extraneous"), ("explain hotter", ""),
                          ("explain -p -m ffffffffffffffff 0x7c00", "no translated block has an instruction at physical")):
        got = ask(vm, words)
        check(answer in got and len(got.splitlines()) <= 3, "%s: %r" % (words, got))
    check("error" in ask_json(vm, "explain -j 0x500"), "an error in JSON")
    for _ in range(40): # each empties the cache
        ask(vm, "explain count on")
        ask(vm, "explain here")
        ask(vm, "explain hot")
        ask(vm, "explain count off")
        ask(vm, "explain 0x7c00")
    before = ask(vm, "x /1xw 0x8000")
    vm.wait_until(lambda: ask(vm, "x /1xw 0x8000") != before, "it does not run on")
    vm.send("quit\n")
    vm.expect_exit(0)


def test_interpreter():
    vm = start("-accel", "interp")
    check("nothing is translated" in ask(vm, "explain here"), "interp")
    vm.send("quit\n")
    vm.expect_exit(0)
    p = subprocess.run([ring3, "-accel", "interp", "-explain", "hot", "-display", "none", floppy], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       timeout=60)
    check(p.returncode == 1 and p.stdout.decode() == "ring3: -explain: with -accel interp nothing is translated\n", p)


def test_exit():
    out = folder + "/out.txt"
    vm = start("-explain", "0x7c01,0x500,hot,file=" + out)
    vm.wait_until(lambda: ask_json(vm, "explain -j hot 1")["blocks"][0]["pa"].startswith("00007c0"), "it is never the hottest")
    vm.send("quit\n")
    vm.expect_exit(0)
    text = open(out).read()
    check(re.search(r"^00007c01 popf *9d \| SENS ", text, re.M), text)
    check("no block in the cache of translated code has an instruction at 0x00000500\n" in text, text)
    check(re.search(r"^ +1 +[0-9.]+ % +[1-9][0-9]+ .* 00007c0[0-7] ", text, re.M), text)
    check(re.search(r"; ran [1-9][0-9]* times; ", text), text)
    vm = start("-explain", "all,json,count=off,file=" + out)
    vm.send("quit\n")
    vm.expect_exit(0)
    blocks = [json.loads(line) for line in open(out)]
    check(len(blocks) > 100 and any(b["eip"] == "00007c00" for b in blocks) and all(b["runs"] is None for b in blocks), len(blocks))
    vm = start("-explain", "all,file=" + out)
    vm.send("quit\n")
    vm.expect_exit(0)
    wide = [line for line in open(out) if len(line) > 121]
    check(not wide, wide)
    vm = start("-explain", "hot", "-explain", "file=/dev/full") if os.path.exists("/dev/full") else None
    if vm:
        vm.send("quit\n")
        vm.expect_exit(1)
        check(vm.output.count("could not be written") == 1, vm.output)
    help_ = subprocess.run([ring3, "-explain", "help"], stdout=subprocess.PIPE, timeout=60)
    check(help_.returncode == 0 and b"file=FILE" in help_.stdout, help_)


def explained_lines(kernel, address, seconds=None):
    """What -explain says of a kernel that ends by itself, or is ended."""
    p = subprocess.Popen([ring3, "-kernel", kernel, "-display", "none", "-no-reboot", "-explain", address + ",count=off"], stdout=subprocess.PIPE)
    if seconds:
        time.sleep(seconds)
        p.send_signal(signal.SIGINT)
    said, _ = p.communicate(timeout=60)
    check(p.returncode == (130 if seconds else 0), p.returncode)
    return [line.rstrip() for line in said.decode().splitlines()]


def first_missing(document, said):
    """The first line that it shows and that was not said, in this order; "..." stands for lines left out."""
    shown = [line.rstrip("\n") for line in open(document) if re.match(r".{38} \| .{34} \|", line) and "|  ..." not in line]
    check(len(shown) > 8, document)
    at = 0
    for line in shown:
        if line not in said[at:]:
            return line
        at = said.index(line, at) + 1
    return None


def test_documents():
    """What they show is there."""
    wrong = "%s shows what is not there: %r; there is:\n%s"
    said = explained_lines(explained, "0x100020")
    line = first_missing(guide, said)
    check(line is None, wrong % (guide, line, "\n".join(said)))
    for seconds in 1, 2, 4, 8, 16: # until the block is in its last form
        said = explained_lines(glass, "0x1000bf", seconds)
        line = first_missing(readme, said)
        if line is None:
            return
    check(False, wrong % (readme, line, "\n".join(said)))


def is_ordinary_host():
    """Others are given other code."""
    return "bmi2" in open("/proc/cpuinfo").read() and not os.environ.get("RING3_HOST")


def test_all():
    if is_ordinary_host():
        test_documents()
    write_floppy()
    test_block()
    test_counts()
    test_odd_words()
    test_interpreter()
    test_exit()


try:
    main(test_all)
finally:
    shutil.rmtree(folder)
