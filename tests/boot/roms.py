"""roms.py RING3 ROM - option ROMs: what a BIOS gives them (tests/guests/rom_test.S says it), where they lie, when they are left
out, and when what they offer is booted."""
import os
import struct
import subprocess
import sys
import tempfile

from guest import Guest
from vm import Vm, check, main, run_tests

ring3, path = sys.argv[1:3]
with open(path, "rb") as f:
    original = bytearray(f.read())
BIG = 160 # units of 512 bytes: two such have no room
GIVEN = r" pnp=yes bbs=0101 pmm=yes cs=%s done"
folder = tempfile.mkdtemp(prefix="ring3-roms-")


def summed(rom, at, bytes, spare):
    rom[spare] = (rom[spare] - sum(rom[at:at + bytes])) & 255


def pcir_of(rom):
    return struct.unpack_from("<H", rom, 0x18)[0]


def make(name, change=lambda rom: None, sums=True):
    """A file with the ROM; `change` may return another."""
    rom = bytearray(original)
    pnp = struct.unpack_from("<H", rom, 0x1a)[0]
    rom = change(rom) or rom
    if sums:
        summed(rom, pnp, 32, pnp + 9)
        summed(rom, 0, rom[2] * 512, 6)
    with open(os.path.join(folder, name), "wb") as f:
        f.write(rom)
    return f.name


def units(n):
    def change(rom):
        rom[2] = n
        return rom + bytes(n * 512 - len(rom))
    return change


def kept(n):
    def change(rom):
        rom[7] = n
    return change


def start(*args):
    return Vm([ring3, "-display", "none", "-nic", "none", "-debugcon", "stdio", *args])


def card(rom, model="pcnet"):
    return ["-device", "%s,romfile=%s" % (model, rom)]


def until_nothing_boots(*args):
    """All that is said until nothing is left to boot from."""
    vm = start(*args)
    vm.expect("No bootable device", 20)
    vm.kill()
    return vm.output


def test_card():
    rom = make("good")
    for n, model in enumerate(["pcnet", "ne2k_pci", "rtl8139"]): # the ROM names no card, and is made to name each
        vm = start(*card(rom, model))
        vm.expect("ROM init ax=0018" + GIVEN % "C900", 20)
        vm.expect(r"ROM connection ax=0018 pnp=yes", 20)
        vm.expect(r"Booting from network: Test ROM", 20)
        vm.expect(r"ROM boots ax=0018 pnp=yes bbs=0101\n", 20)
        vm.expect(r"Boot failed\s+No bootable device", 20)
        vm.kill()


def test_places():
    """Each behind what the one before it kept, and FF where nothing is."""
    rom = make("good")
    with Guest(ring3, "-m", "32", "-nic", "none", *card(rom), *card(rom), "-option-rom", make("gone", kept(0)), "-option-rom", rom, "-option-rom",
               make("two", kept(3))) as g:
        g.wait_text("No bootable device", 20)
        memory = g.memory(0xc9000, 0x4000)
        g.quit()
    heads = [n for n in range(0, len(memory), 2048) if memory[n:n + 2] == b"\x55\xaa"]
    check(heads == [0, 0x800, 0x1000, 0x1800], "ROMs at %s" % heads)
    check([memory[n + 2] for n in heads] == [4, 4, 4, 3], "their sizes")
    check(all(sum(memory[n:n + memory[n + 2] * 512]) & 255 == 0 for n in heads), "their sums")
    check(memory[0x2000:] == b"\xff" * 0x2000, "free room reads FF")
    # what $PnP and $PMM were is gone
    said = until_nothing_boots("-option-rom", rom)
    check("ROM init ax=0000" in said and "pmm=left" not in said, said)


def test_left_out():
    def wild(rom):
        struct.pack_into("<H", rom, 0x18, 0xfff0)

    def other_code(rom):
        rom[pcir_of(rom) + 0x14] = 3

    def wild_header(rom):
        struct.pack_into("<H", rom, 0x1a, 0x1ff8)

    def longer(rom):
        rom[2] = 200

    for name, change, word in [("sum", lambda rom: rom.__setitem__(0x40, rom[0x40] ^ 1), "is damaged"), ("longer", longer, "is damaged"),
                               ("nothing", lambda rom: rom.__setitem__(2, 0), "is damaged"), ("wild", wild, ""), ("code", other_code, "")]:
        said = until_nothing_boots(*card(make(name, change, sums=name in ("wild", "code"))))
        check("ROM init" not in said and word in said and ("The ROM of" in said) == bool(word), name + ": " + said)
    said = until_nothing_boots(*card(make("header", wild_header)))
    check("ROM init" in said and "ROM boots" not in said, "a header beyond the end: " + said)
    big = make("big", lambda rom: units(BIG)(rom))
    with open(big, "r+b") as f: # it keeps all of it
        rom = bytearray(f.read())
        rom[6] = (rom[6] + rom[7] - BIG) & 255
        rom[7] = BIG
        f.seek(0)
        f.write(rom)
    said = until_nothing_boots(*card(big), *card(big), "-option-rom", big)
    check(said.count("ROM init") == 1 and "04.0 finds no room" in said and "80 KiB finds no room" in said, said)
    said = until_nothing_boots("-option-rom", make("sum2", lambda rom: rom.__setitem__(0x40, rom[0x40] ^ 1), sums=False))
    check("An option ROM of 8 KiB is damaged" in said, said)


def test_images():
    """The image for a PC is the second."""
    def efi_first(rom):
        first = bytearray(rom[:1024])
        struct.pack_into("<H", first, pcir_of(rom) + 0x10, 2)
        first[pcir_of(rom) + 0x14:pcir_of(rom) + 0x16] = b"\3\0"
        summed(rom, struct.unpack_from("<H", rom, 0x1a)[0], 32, struct.unpack_from("<H", rom, 0x1a)[0] + 9)
        struct.pack_into("<HH", rom, pcir_of(rom) + 4, 0x1022, 0x2000)
        summed(rom, 0, len(rom), 6)
        return first + rom
    said = until_nothing_boots(*card(make("efi", efi_first, sums=False)))
    check("ROM init ax=0018" in said and "ROM boots" in said, said)


def test_order():
    rom, floppy = make("good"), os.path.join(folder, "floppy")
    with open(floppy, "wb") as f: # says so, then INT 18h
        f.write((b"\xb0F\xe6\xe9\xcd\x18".ljust(510, b"\0") + b"\x55\xaa").ljust(1440 << 10, b"\0"))
    drives = card(rom) + ["-fda", floppy]
    marks = ["ROM boots", "...\nF", "Booting from CD"]

    def order(*words):
        said = until_nothing_boots(*drives, *words).replace("\r", "")
        return [marks.index(m) for m in sorted((m for m in marks if m in said), key=said.index)]
    for words, expected in [([], [1, 2, 0]), (["-boot", "n"], [0, 1, 2]), (["-boot", "order=dn"], [2, 0, 1]),
                            (["-boot", "order=ad,strict=on"], [1, 2]), (["-boot", "order=n,strict=on"], [0]),
                            (["-boot", "order=nd"], [0, 2, 1])]:
        check(order(*words) == expected, "%s: %s" % (words, order(*words)))
    with Guest(ring3, *drives, "-boot", "order=ad,once=n", "-debugcon", "file:%s/said" % folder) as g:
        g.wait_text("No bootable device", 20)
        g.do("system_reset")
        for _ in range(100):
            with open(folder + "/said") as f:
                parts = f.read().split("ring3 BIOS")
            if len(parts) == 3 and "No bootable" in parts[2]:
                break
            g.wait_text("No bootable device", 20)
        check(parts[1].index("ROM boots") < parts[1].index("...\nF") and parts[2].index("ROM boots") > parts[2].index("...\nF"), "once: %s" % parts)
        g.quit()


def test_menu():
    with Guest(ring3, *card(make("good")), "-boot", "menu=on", "-debugcon", "file:%s/menu" % folder) as g:
        g.wait_text("Press F12", 20)
        g.keys("f12")
        number = g.wait_text(r"(\d)  Network: Test ROM", 20).group(1)
        g.keys(number)
        g.wait_text("Booting from network: Test ROM.*No bootable device", 20)
        g.quit()


def refused(words, sentence):
    p = subprocess.run([ring3, "-display", "none", *words], capture_output=True, text=True, timeout=60)
    check(p.returncode == 1 and sentence in p.stderr and p.stderr.count("\n") == 1, "%s: %s" % (words, p.stderr))


def test_words():
    with open(folder + "/zeros", "wb") as f:
        f.write(bytes(1024))
    refused(card("/no/such.rom"), "/no/such.rom")
    refused(card(folder + "/zeros"), "begins with 55h AAh")
    refused(card(make("good"), "ne2k_isa"), "-option-rom FILE")
    refused(["-option-rom", "/no/such.rom"], "-option-rom /no/such.rom")
    refused(["-option-rom", make("good")] * 5, "at most 4")
    refused(["-device", "pcnet,bootindex=1"], "-boot order=n")
    said = until_nothing_boots("-device", "pcnet,romfile=")
    check("iPXE" not in said and "network" not in said, "romfile= is no ROM: " + said)


def test():
    run_tests(globals(), sys.argv[3:])


main(test)
