#!/usr/bin/env python3
"""midi.py RING3 GUEST ACCEL - a guest (tests/guests/midi.c) plays two notes by an MPU-401: they are in the WAV file, at their
pitch, by ring3-midi and a SoundFont; where there is none, what is said. What ring3-midi may do; options."""
import os
import shutil
import sys
import tempfile
import time

from tones import cents_off, left_of, loud
from vm import Vm, check, deadline, main, run_tests, skip, tries

ring3, guest, accel = sys.argv[1:4]
folder = tempfile.TemporaryDirectory()
wav = os.path.join(folder.name, "out.wav")
SYNTH = os.path.join(os.path.dirname(ring3), "ring3-midi")
FONTS = ["/usr/share/sounds/sf2/" + name for name in ("default-GM.sf2", "TimGM6mb.sf2", "FluidR3_GM.sf2")]
font = next((f for f in FONTS if os.path.exists(f)), None)


def run(*more):
    return Vm([ring3, "-kernel", guest, "-serial", "stdio", "-display", "none", "-nic", "none", "-accel", accel, *more])


def plays(*more):
    vm = run("-audio", "wav:" + wav, *more)
    for what in "reset 000000fe", "uart 000000fe", "taken 00000001", "end":
        vm.expect(what, 60)
    vm.expect_exit(0)
    return left_of(wav)


def notes(*more):
    """How far the two are off; hosts that are late spoil one."""
    samples = plays(*more)
    found = loud(samples)
    off = [cents_off(samples, part, hz) for part, hz in zip(found, (440, 220))]
    print("notes at %s, off by %s cents" % (["%.2f s" % (a / 48000) for a, _ in found], off), flush=True)
    return len(off) == 2 and max(map(abs, off)) <= 20


def need_synth():
    if not os.path.exists(SYNTH):
        skip("ring3-midi was not built: libfluidsynth-dev was not there")
    if not font:
        skip("there is no SoundFont")


def test_wrong_words():
    for words, why in ((["-device", "mpu401,irq=3"], "5, 7, 9 or 10"), (["-device", "sb16,mpu=0x340"], "0x330 or 0x300"),
                       (["-device", "mpu401", "-device", "sb16"], "has an MPU-401"), (["-device", "sb16", "-device", "mpu401"], "has one"),
                       (["-audio", "none,soundfont=x.sf2"], "needs a card with MIDI"),
                       (["-device", "sb16", "-audio", "none,soundfont=/nowhere/x.sf2"], "No such file"),
                       (["-device", "sb16", "-audio", "none,soundfont=/"], "is no file")):
        vm = run(*words)
        vm.expect(why)
        vm.expect_exit(1)


def test_notes_are_heard_at_their_pitch():
    need_synth()
    tries(lambda: notes("-device", "sb16"), lambda good: good, "two notes, of 440 and 220 Hz, by a Sound Blaster")
    tries(lambda: notes("-device", "mpu401", "-audio", "none,soundfont=" + font), lambda good: good,
          "two notes by an MPU-401 alone, with a SoundFont by name")


def test_without_sounds_it_is_silent_and_says_so():
    need_synth()
    wrong = os.path.join(folder.name, "wrong.sf2")
    with open(wrong, "wb") as f:
        f.write(b"RIFF\xff\xff\xff\xffsfbk" + bytes(range(256)) * 100)
    vm = run("-device", "sb16", "-audio", "none,soundfont=" + wrong)
    vm.expect("silent from here on: ring3-midi has ended", 60)
    vm.expect("end", 60)
    vm.expect_exit(0)


def test_its_process_is_shut_in():
    need_synth()
    vm = run("-device", "sb16", "-audio", "wav:" + wav)
    vm.expect("uart 000000fe", 60)
    child = [p for p in os.listdir("/proc") if p.isdigit() and of(p, "PPid") == str(vm.process.pid) and of(p, "Name") == "ring3-midi"]
    check(len(child) == 1, "one ring3-midi, not %d" % len(child))
    end = deadline(20)
    while of(child[0], "Seccomp") != "2": # before it reads the first byte
        check(of(child[0], "NoNewPrivs") == "1" and time.monotonic() < end, "it is shut in")
        time.sleep(0.02)
    vm.expect("end", 60)
    vm.expect_exit(0)
    tries(lambda: time.sleep(0.5) or of(child[0], "State")[:1] or "gone", lambda got: got in ("Z", "gone"), "it ends with the machine")


FAKE = """#!%s
import os, socket, sys, time
def is_deaf(parent=os.getppid()):
    while os.getppid() == parent:
        time.sleep(0.1)
    sys.exit()
s = socket.socket(fileno=3)
s.recv(5000)
s.send(bytes(4))
while s.recv(5000):
    %%s
""" % sys.executable


def test_one_that_lies_is_sent_away():
    """In place of ring3-midi: frames that nobody asked for, wrong sizes, none at all, its end. The guest gets on in any case."""
    place = os.path.join(folder.name, "fake")
    shutil.copytree(os.path.join(os.path.dirname(ring3), "bios"), place + "/bios")
    shutil.copy(ring3, place)
    for does, said in (("s.send((480).to_bytes(4, 'little') + bytes(1920))", "broke the protocol"), ("s.send(b'x')", "broke the protocol"),
                       ("sys.exit()", "has ended"), ("pass", None), ("is_deaf()", None)):
        with open(place + "/ring3-midi", "w") as f:
            f.write(FAKE % does)
        os.chmod(place + "/ring3-midi", 0o755)
        vm = Vm([place + "/ring3", "-kernel", guest, "-serial", "stdio", "-display", "none", "-nic", "none", "-accel", accel, "-device", "sb16",
                 "-audio", "wav:" + wav])
        if said:
            vm.expect("silent from here on: ring3-midi " + said, 60)
        vm.expect("taken 00000001", 60)
        vm.expect("end", 60)
        vm.expect_exit(0)


def of(pid, field):
    try:
        with open("/proc/%s/status" % pid) as f:
            return next(line.split(":")[1].strip() for line in f if line.startswith(field + ":"))
    except (OSError, StopIteration):
        return ""


main(lambda: run_tests(globals(), sys.argv[4:]))
