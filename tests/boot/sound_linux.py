#!/usr/bin/env python3
"""sound_linux.py RING3 GUEST-SCRIPT GUEST-DIR PLAYER FMNOTE MODEL [MINUTES] - Debian's kernel with ALSA's own driver on a sound card of
ours plays a WAV file: chords that change each quarter of a second, other ones on the right. What wavcapture has is
what was played, side by side, at one and the same pace from its begin to its end: correlation > 0.999, no gap. A card that
is silent has no timer. With MINUTES (by hand): a sine for so long while the guest computes, and the gaps are counted.
The sb16 plays notes besides: by its MIDI port (/dev/snd/midiC0D0) and, through ALSA's sequencer, by snd-opl3-synth; their
pitch is right.
"""
import array
import gzip
import math
import os
import re
import subprocess
import sys
import tempfile
import wave

from tones import cents_off, left_of, loud
from vm import Vm, check, main, monitor, skip, tries

ring3, script, folder, player, fmnote, model = sys.argv[1:7]
minutes = float(sys.argv[7]) if len(sys.argv) > 7 else 0
PROMPT = r"guest# "
RATE, SECONDS, QUARTER = 44100, 4, 11025
BASE = "soundcore snd snd-timer snd-pcm snd-mixer-oss snd-pcm-oss snd-seq-device snd-seq snd-rawmidi snd-hwdep"
DRIVERS = {"sb16": "snd-sb-common snd-opl3-lib snd-seq-midi-event snd-seq-midi-emul snd-opl3-synth snd-mpu401-uart snd-sb16-dsp snd-sb16-csp snd-sb16", "es1370": "gameport snd-ens1370",
           "ac97": "ac97_bus snd-ac97-codec snd-intel8x0"}
OPTIONS = {"snd-sb16": " isapnp=0 port=0x220 irq=5 dma8=1 dma16=5 mpu_port=0x330 fm_port=0x388"}
NAMES = {"sb16": "SB16", "es1370": "AudioPCI", "ac97": "ICH"}
VOLUMES = {"sb16": 100, "es1370": 81, "ac97": 75} # of PCM, in percent: about 0 dB
DEVICES = {"sb16": "sb16", "es1370": "ES1370", "ac97": "AC97"}


def guest():
    made = subprocess.run([script, folder], stderr=subprocess.PIPE)
    if made.returncode == 77:
        skip(made.stderr.decode().strip().split("\n")[-1])
    check(made.returncode == 0, "no guest: " + made.stderr.decode())
    return folder + "/vmlinuz", folder + "/initramfs-sound.gz"


def cpio(files):
    """An archive for the kernel: {name: bytes}, all of them programs."""
    out = b""
    for n, (name, data) in enumerate([*files.items(), ("TRAILER!!!", b"")]):
        fields = (900000 + n, 0o100755, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        head = b"070701" + b"".join(b"%08x" % f for f in fields) + name.encode() + b"\0"
        for part in head, data:
            out += part + bytes(-len(part) % 4)
    return out


def chords(side):
    """A quarter of silence at the end, so that drivers that play whole buffers have nothing else to repeat."""
    out = []
    for n in range(RATE * SECONDS):
        quarter, t = n // QUARTER, 2 * math.pi * n / RATE
        low, high = 180 + 37 * quarter + 11 * side, 700 + (quarter * 5 + side * 3) % 16 * 90
        fade = min(1, n % QUARTER / 400, (QUARTER - n % QUARTER) / 400)
        out.append(round(fade * (3500 * math.sin(low * t) + 2500 * math.sin(high * t))) if quarter < 4 * SECONDS - 1 else 0)
    return out


def sine():
    return [round(6000 * math.sin(2 * math.pi * n / 100)) for n in range(RATE * SECONDS)]


def wav_bytes(left, right, path):
    both = array.array("h", [0]) * (2 * len(left))
    both[0::2], both[1::2] = array.array("h", left), array.array("h", right)
    with wave.open(path, "wb") as w:
        w.setnchannels(2), w.setsampwidth(2), w.setframerate(RATE)
        w.writeframes(both.tobytes())
    with open(path, "rb") as f:
        return f.read()


def captured(path):
    with wave.open(path) as w:
        both = array.array("h", w.readframes(w.getnframes()))
    return both[0::2], both[1::2]


def correlation(a, b):
    return sum(map(lambda x, y: x * y, a, b)) / math.sqrt((sum(x * x for x in a) or 1) * (sum(x * x for x in b) or 1))


def sampled(samples, begin, count):
    out = []
    for n in range(count):
        at = begin + n * 48000 / RATE
        k = int(at)
        out.append(samples[k] + (samples[k + 1] - samples[k]) * (at - k) if k + 1 < len(samples) else 0)
    return out


def begin_of(played, heard):
    """Where the first quarter lies in what was heard: first to the frame, then between frames."""
    loud = next((n for n, v in enumerate(heard) if abs(v) > 300), None)
    check(loud is not None, "nothing was heard")
    first = played[:QUARTER // 2]
    at = max(range(max(loud - 300, 0), loud + 60), key=lambda n: correlation(first[::3], sampled(heard, n, len(first))[::3]))
    return max((at + k / 8 for k in range(-8, 9)), key=lambda t: correlation(first, sampled(heard, t, len(first))))


def likeness(played, heard):
    """The least correlation of a side or of one of its quarters; 0 where something is heard after the end."""
    begin, count, least = begin_of(played[0], heard[0]), RATE * SECONDS - QUARTER, 1
    for side, name in enumerate(("left", "right")):
        got = sampled(heard[side], begin, count)
        whole = correlation(played[side][:count], got)
        parts = [correlation(played[side][n:n + QUARTER], got[n:n + QUARTER]) for n in range(0, count, QUARTER)]
        print("%s %s: correlation %.6f, of quarters at least %.6f" % (model, name, whole, min(parts)), flush=True)
        least = min(least, whole, *parts)
    return 0 if any(heard[0][int(begin + (RATE * SECONDS + 8192) * 48000 / RATE):]) else least


def gaps(heard, hz, seconds):
    """How often what should be one sine for so long is not: x[n + 1] + x[n - 1] is 2 cos(w) x[n]."""
    turn, found, last, top = 2 * math.cos(2 * math.pi * hz / 48000), [], -4800, max(heard)
    check(top > 3000, "no sine of its level is heard")
    begin = next(n for n, v in enumerate(heard) if v > top / 5) + 200
    end = begin + round(48000 * seconds) - 600
    check(end < len(heard), "less was heard than was played")
    for n in range(begin, end):
        if abs(heard[n + 1] + heard[n - 1] - turn * heard[n]) > top / 100:
            if n - last > 480:
                found.append((n - begin) / 48000)
            last = n
    return found


def command(vm, text, pattern, timeout=60):
    vm.send(text + "\r")
    found = vm.expect(pattern, timeout)
    vm.expect(PROMPT, 20)
    return found


def boot(place):
    kernel, first = guest()
    left, right = (sine(), sine()) if minutes else (chords(0), chords(1))
    initrd, path, wav = place + "/initrd", place + "/monitor", place + "/out.wav"
    with open(initrd, "wb") as f, open(first, "rb") as a, open(player, "rb") as b, open(fmnote, "rb") as c:
        f.write(a.read() + gzip.compress(cpio({"bin/play": b.read(), "bin/fmnote": c.read(), "tones.wav": wav_bytes(left, right, place + "/in.wav")}), 1))
    vm = Vm([ring3, "-m", "128", "-kernel", kernel, "-initrd", initrd, "-append", "console=ttyS0 quiet", "-serial", "stdio",
             "-display", "none", "-monitor", "unix:%s,server=on,wait=off" % path, "-device", DEVICES[model]],
            tty=True)
    vm.expect("GUEST-READY", 240)
    vm.expect(PROMPT, 20)
    command(vm, "dmesg -n 1", "\n")
    for name in (BASE + " " + DRIVERS[model]).split():
        command(vm, "insmod /sound/%s.ko%s && echo loa''ded" % (name, OPTIONS.get(name, "")), "\nloaded")
    command(vm, "cat /proc/asound/cards", NAMES[model])
    if minutes:
        command(vm, "md5sum /dev/zero & while :; do :; done &", "\n")
    if minutes:
        times = max(1, round(minutes * 60 / SECONDS))
        found = gaps(played(vm, path, wav, times)[0], 441, times * SECONDS)
        print("%s: %d gaps in %d s%s" % (model, len(found), times * SECONDS, "".join(" %.2f" % t for t in found[:20])))
    else: # a host that takes the processor away for longer than the guest's buffer lasts (0.37 s) spoils one
        tries(lambda: likeness((left, right), played(vm, path, wav, 1)), lambda least: least > 0.999, "what is heard is what was played")
        if model == "sb16":
            notes(vm, path, wav)
    vm.send("poweroff -f\r")
    vm.expect_exit(0, 60)


def notes(vm, path, wav):
    """An A by the OPL3; another by MIDI, for which ring3-midi must have been built, and find a SoundFont: else that is said."""
    client = command(vm, "cat /proc/asound/seq/clients", r'Client +(\d+) : "OPL3 FM synth').group(1)
    tries(lambda: pitch(vm, path, wav, "fmnote %s 69" % client), lambda off: abs(off) <= 20, "the OPL3 plays 440 Hz by the sequencer")
    midi = "(printf '\\300\\117\\220\\105\\144'; sleep 1; printf '\\200\\105\\0') > /dev/snd/midiC0D0"
    if not os.path.exists(os.path.join(os.path.dirname(ring3), "ring3-midi")) or not os.path.exists("/usr/share/sounds/sf2"):
        command(vm, midi, "the guest's MIDI is silent")
    else:
        tries(lambda: pitch(vm, path, wav, midi), lambda off: abs(off) <= 20, "MIDI plays 440 Hz")


def pitch(vm, path, wav, what):
    """How many cents off 440 Hz is what is heard of a command; 9999: nothing is."""
    check("capture 0" in monitor(path, "wavcapture " + wav), "wavcapture")
    command(vm, what + "; echo en''ded $?", "\nended 0", 60)
    command(vm, "sleep 1", "\n")
    monitor(path, "stopcapture 0")
    samples = left_of(wav)
    parts = loud(samples) if any(samples) else []
    off = cents_off(samples, parts[0], 440) if parts else 9999
    print("%s: %d cents off" % (what.split()[0], off), flush=True)
    return off


def played(vm, path, wav, times):
    """What a capture has of it."""
    cpu = vm.cpu_seconds()
    check("capture 0" in monitor(path, "wavcapture " + wav), "wavcapture")
    command(vm, "play /tones.wav %d %d" % (times, VOLUMES[model]), r"format taken, rate 44100\s+played", 60 + 2 * times * SECONDS)
    print("%s: %g s of CPU time while it played %d s" % (model, round(vm.cpu_seconds() - cpu, 2), times * SECONDS), flush=True)
    command(vm, "sleep 1", "\n")
    timers = re.findall(r"timer +([0-9a-f]{16})", monitor(path, "info parts " + model))
    check(timers and set(timers) == {"f" * 16}, "a card that is silent has a timer: %s" % timers)
    monitor(path, "stopcapture 0")
    return captured(wav)


def test():
    with tempfile.TemporaryDirectory() as place:
        boot(place)


main(test)
