#!/usr/bin/env python3
"""sound.py RING3 GUEST PROBE ACCEL - a guest (tests/guests/sound.c) finds a Sound Blaster 16, plays blocks and a note: what is in the
WAV file is what it played. Options, captures, errors."""
import array
import math
import os
import sys
import tempfile
import wave

from tones import amplitude
from vm import Vm, check, main, run_tests

ring3, guest, probe, accel = sys.argv[1:5]
folder = tempfile.TemporaryDirectory()
wav = os.path.join(folder.name, "out.wav")


def run(kernel, *more, **how):
    return Vm([ring3, "-kernel", kernel, "-serial", "stdio", "-display", "none", "-accel", accel, *more], **how)


def read(path):
    with wave.open(path) as w:
        check((w.getnchannels(), w.getsampwidth(), w.getframerate()) == (2, 2, 48000), "not stereo of 16 bits at 48 kHz")
        both = array.array("h", w.readframes(w.getnframes()))
    return both[0::2], both[1::2]


def bow(at):
    x = at & 127
    v = x * (128 - x) // 64
    return -v if at & 128 else v


def source(count):
    return [int((bow(n * 5) + bow(n * 3)) * 3 / 4) for n in range(count)] # towards zero, as C does


def parts(samples):
    """Begins and ends of what is heard, with at least 0.1 s of silence between."""
    found, last = [], -9999
    for n, v in enumerate(samples):
        if abs(v) > 8:
            if n - last > 4800:
                found.append([n, n])
            found[-1][1] = last = n
    return found


def correlation(a, b):
    ab = sum(x * y for x, y in zip(a, b))
    return ab / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


def sampled(samples, begin, count, step):
    out = []
    for n in range(count):
        at = begin + n * step
        k = int(at)
        out.append(samples[k] + (samples[k + 1] - samples[k]) * (at - k))
    return out


def same_as_source(left, begin, end):
    count, step = 24 * 2048, 48000 / 22050
    check(abs(end - begin - count * step) < 200, "%d frames were heard, not %d" % (end - begin, count * step))
    played = source(count) # its first frame: behind the filter's ringing
    _, at = max((correlation(played[:4000], sampled(left, begin + t / 4, 4000, step)), begin + t / 4) for t in range(120))
    whole = correlation(played[:count - 8], sampled(left, at, count - 8, step))
    print("correlation %.6f over %d samples" % (whole, count))
    check(whole > 0.999, "what was captured is not what was played")


def note_is_right(left, begin, end):
    check(abs((end - begin) / 48000 - 0.6) < 0.05, "the note is %.3f s long" % ((end - begin) / 48000))
    part = left[begin + 500:begin + 500 + 16384]
    hz = 0x244 * (14318180 / 288) / (1 << 16)
    top, at = max((amplitude(part, hz * (1 + k / 2000)), k) for k in range(-6, 7))
    print("the note: %.2f Hz, %d high" % (hz * (1 + at / 2000), top))
    check(abs(at) <= 2 and 4000 < top < 4200, "the note is not a sine of %.2f Hz" % hz)
    check(amplitude(part, 2 * hz) < top / 200 and amplitude(part, 3 * hz) < top / 200, "the note has overtones")


def test_what_is_played_is_captured():
    vm = run(guest, "-device", "sb16", "-audio", "wav:" + wav)
    for what in "fm 000000c0", "dsp 00000001", "version 00000405", "irq 00000002", "dma 00000022", "interrupts 00000001", "blocks 00000018":
        vm.expect(what)
    vm.expect("end")
    vm.expect_exit(0)
    left, right = read(wav)
    check(left == right, "the sides differ")
    found = parts(left)
    check(len(found) == 2, "%d parts are heard, not blocks and a note" % len(found))
    same_as_source(left, *found[0])
    note_is_right(left, *found[1])


def test_other_words():
    for words in (["-soundhw", "sb16"], ["-audiodev", "wav,id=snd,path=" + wav, "-device", "sb16,audiodev=snd"],
                  ["-audio", "none,model=sb16"], ["-audio", "wav,path=%s,model=sb16" % wav]):
        vm = run(guest, *words)
        vm.expect("version 00000405")
        vm.process.kill()
    vm = run(guest, "-device", "adlib")
    vm.expect("fm 000000c0")
    vm.expect("dsp 00000000")
    vm.process.kill()
    vm = run(guest)
    vm.expect("fm 0000ffff")
    vm.process.kill()


def test_the_speaker_is_captured():
    vm = run(probe, "-append", "beep", "-audio", "wav:" + wav)
    vm.expect_exit(0)
    left, _ = read(wav)
    found = parts(left)
    check(len(found) == 1 and abs((found[0][1] - found[0][0]) / 48000 - 0.2) < 0.06, "no tone of a fifth of a second")


def test_captures_begin_and_end():
    vm = Vm([ring3, "-kernel", guest, "-display", "none", "-accel", accel, "-device", "sb16", "-monitor", "stdio"])
    vm.expect("\\(ring3\\)")
    vm.send("wavcapture %s\n" % wav)
    vm.expect("capture 0")
    vm.send("stopcapture 3\n")
    vm.expect("no capture 3")
    vm.send("wavcapture /nowhere/at/all\n")
    vm.expect("Error: .*")
    vm.send("stopcapture 0\n")
    vm.send("quit\n")
    vm.expect_exit(0)
    read(wav)


def test_wrong_words():
    for words, why in ((["-device", "sb16,irq=4"], "5, 7, 9 or 10"), (["-device", "sb16,iobase=0x230"], "0x220, 0x240"),
                       (["-audio", "wav:/nowhere/at/all"], "No such file"), (["-soundhw", "gus"], "no such sound card"),
                       (["-audio", "wave"], "wav"), (["-device", "sb16", "-device", "sb16"], "one already")):
        vm = run(guest, *words)
        vm.expect(why)
        vm.expect_exit(1)


main(lambda: run_tests(globals(), sys.argv[5:]))
