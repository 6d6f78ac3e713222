"""tones.py - what is heard in a WAV file: when it is loud, and at which pitch."""
import array
import math
import wave


def left_of(path):
    with wave.open(path) as w:
        return array.array("h", w.readframes(w.getnframes()))[0::2]


def loud(samples):
    """Begins and ends of what is loud for at least half a second, in steps of 10 ms; three of a late host's are no gap."""
    found, level = [], [max(map(abs, samples[n:n + 480])) for n in range(0, len(samples) - 480, 480)]
    for n, v in enumerate(level):
        if v > max(level) / 8:
            if not found or n - found[-1][1] > 3:
                found.append([n, n])
            found[-1][1] = n
    return [(a * 480, b * 480) for a, b in found if b - a > 50]


def amplitude(samples, hz):
    re = im = 0
    for n, v in enumerate(samples):
        w = 1 - math.cos(2 * math.pi * n / len(samples))
        re += w * v * math.cos(2 * math.pi * hz * n / 48000)
        im += w * v * math.sin(2 * math.pi * hz * n / 48000)
    return 2 * math.hypot(re, im) / len(samples)


def cents_off(samples, part, hz):
    """By how much the strongest tone within a fourth is off."""
    middle = samples[sum(part) // 2 - 4800:sum(part) // 2 + 4800]
    return max(range(-500, 501, 10), key=lambda cents: amplitude(middle, hz * 2 ** (cents / 1200)))
