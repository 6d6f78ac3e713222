#!/usr/bin/env python3
"""bad_input.py RING3 PROBE - what a person may get wrong: at most 3 lines that name it, exit code 1, within a second."""
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time

from kernel_image import linux_image
from vm import Vm, check, main, tries

ring3, probe = sys.argv[1:3]


def bad(args, *words):
    runs = []

    def seconds():
        began = time.monotonic()
        runs.append(subprocess.run([ring3, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60))
        return time.monotonic() - began
    tries(seconds, lambda s: s < 1, "%s ends within a second" % " ".join(args)[:300])
    p = runs[-1]
    text = p.stderr.decode("latin1")
    said = "%s\n%s" % (" ".join(args)[:300], text)
    check(p.returncode == 1, "exit code %s: %s" % (p.returncode, said))
    check(1 <= text.count("\n") <= 3, "not 1 to 3 lines: %s" % said)
    check(not p.stdout, "output on stdout: %s" % said)
    for w in words:
        check(w in text, "%r is missing: %s" % (w, said))


def loaded_bytes(elf):
    """Where the last program header's bytes end in an ELF32 file."""
    at, count = struct.unpack_from("<I", elf, 28)[0], struct.unpack_from("<H", elf, 44)[0]
    segments = [struct.unpack_from("<IIIII", elf, at + 32 * n) for n in range(count)]
    return max(s[1] + s[4] for s in segments if s[0] == 1)


def kernels(folder):
    def file(name, data):
        path = os.path.join(folder, name)
        with open(path, "wb") as f:
            f.write(data)
        return path

    with open(probe, "rb") as f:
        elf = f.read()
    random.seed(1)
    bad(["-kernel", folder], "-kernel", folder, "folder")
    bad(["-kernel", folder + "/none"], "-kernel", "none", "No such file")
    bad(["-kernel", "/dev/zero"], "-kernel", "/dev/zero")
    bad(["-kernel", file("new\nline", b"")], "new?line")
    bad(["-kernel", file("empty", b"")], "-kernel", "empty")
    for n in 1, 511, 4096, 100000:
        bad(["-kernel", file("random", random.randbytes(n))], "-kernel", "random")
    for cut in range(40, loaded_bytes(elf), 97):
        bad(["-kernel", file("cut", elf[:cut])], "-kernel", "cut")
    fifo = os.path.join(folder, "fifo")
    os.mkfifo(fifo)
    bad(["-kernel", fifo], "-kernel", "fifo")
    if os.geteuid():
        closed = file("closed", elf)
        os.chmod(closed, 0)
        bad(["-kernel", closed], "-kernel", "closed", "Permission denied")
    for bios in folder, folder + "/none", folder + "/empty", file("odd", os.urandom(70000)), file("huge", bytes(2 << 20)):
        bad(["-bios", bios], "-bios", bios)
    good = file("linux", linux_image(100000, 100000))
    bad(["-kernel", file("short", linux_image(50000, 100000))], "-kernel", "short", "truncated")
    bad(["-kernel", file("head", linux_image(50000, 100000)[:800])], "-kernel", "head", "truncated")
    old = bytearray(linux_image(100000, 100000))
    old[0x206:0x208] = b"\x00\x02"
    bad(["-kernel", file("old", old)], "-kernel", "old")
    bad(["-kernel", good, "-m", "16"], "-m 16", "48")
    bad(["-kernel", good, "-append", "x" * 3000], "-append", "2047")
    for initrd in folder, folder + "/none", folder + "/empty":
        bad(["-kernel", good, "-initrd", initrd], "-initrd", initrd)
        bad(["-kernel", probe, "-initrd", initrd], "-initrd", initrd)
    big = file("big", b"")
    os.truncate(big, 100 << 20)
    bad(["-kernel", good, "-initrd", big, "-m", "100"], "-initrd", "big")
    bad(["-kernel", probe, "-initrd", big, "-m", "100"], "-initrd", "big")


def options():
    k = ["-kernel", probe]
    for size in "0", "3073", "4G", "-5", "", "12x", "M", "1.5G", "99999999999999999999":
        bad(k + ["-m", size], "-m", size)
    bad(k + ["-cpu", "pentum2"], "-cpu", "pentum2", "pentium2")
    bad(k + ["-cpu", "z80"], "-cpu", "z80")
    bad(k + ["-accel", "interpr"], "-accel", "interpr", "interp")
    for form in "", "tabel", "3":
        bad(k + ["-accel", "translate,form=" + form], "form=", "auto", "window", "table")
    for size in "", "0", "3", "1025", "99999", "4294967300", "-4", " 8", "4x", "abc":
        bad(k + ["-accel", "translate,cache=" + size], "cache=" + size, "4 to 1024 MiB")
        bad(k + ["-accel", "tb-size=" + size], size, "4 to 1024 MiB")
    for words in "", ",", "translate,", "translate,,form=table":
        bad(k + ["-accel", words], '"%s"' % words, "word is missing")
    bad(k + ["-accel", "translate,forms=table"], "forms=table", "form=")
    bad(k + ["-accel", "translate," + "x" * 300], "xxx", "translate")
    bad(k + ["-M", "q35"], "-M", "q35", "pc")
    bad(k + ["-M", "pc,mem-merge=perhaps"], "mem-merge", "perhaps", "on")
    bad(k + ["-nic", "user,model=e1000"], "-nic", "e1000", "pcnet")
    bad(k + ["-nic", "wire"], "-nic", "wire", "user")
    bad(k + ["-nic", "user,hostfwd=tcp::70000-:22"], "-nic", "hostfwd", "70000")
    bad(k + ["-accel", "kvm"], "-accel", "kvm")
    bad(k + ["-serial", "stdoi"], "-serial", "stdoi", "stdio")
    bad(k + ["-serial", "file:/none/there"], "-serial", "/none/there")
    bad(k + ["-serial", "stdio", "-serial", "stdio"], "-serial", "stdio")
    bad(k + ["-serial", "null", "-serial", "null", "-serial", "null"], "-serial")
    bad(k + ["-debugcon", "file:/none/there"], "-debugcon", "/none/there")
    bad(k + ["-serial", "stdio", "-monitor", "stdio"], "-serial", "-monitor", "stdio")
    bad(k + ["-serial", "mon:stdoi"], "-serial", "mon:stdoi", "mon:stdio")
    bad(k + ["-serial", "unix:"], "-serial", "unix:")
    bad(k + ["-serial", "unix:/tmp/x,serve=on"], "-serial", "serve=on", "server=on")
    bad(k + ["-serial", "unix:/none/there/x,server=on,wait=off"], "-serial", "/none/there/x", "No such file")
    bad(k + ["-serial", "unix:/none/there/x"], "-serial", "/none/there/x", "No such file")
    bad(k + ["-serial", "unix:/" + "x" * 200 + ",server=on,wait=off"], "-serial", "too long")
    bad(k + ["-serial", "tcp:localhost"], "-serial", "tcp:HOST:PORT")
    bad(k + ["-serial", "tcp:127.0.0.1:1"], "-serial", "127.0.0.1:1", "refused")
    bad(k + ["-serial", "tcp::none-such,server=on"], "-serial", "none-such")
    bad(k + ["-monitor", "mon:stdio"], "-monitor", "mon:stdio")
    bad(k + ["-monitor", "null", "-monitor", "null", "-monitor", "null"], "-monitor")
    bad(k + ["-parallel", "file:/none/there"], "-parallel", "/none/there")
    bad(k + ["-parallel", "null", "-parallel", "null"], "-parallel")
    for date in "", "base=", "utc", "base=ut", "base=2006-02-30", "base=2006-06-17T16", "base=2006-06-17T25:00:00", "base=2006-06-17x":
        bad(k + ["-rtc", date], "-rtc", date, "2006-06-17T16:01:21")
    bad(k + ["-display", "gtk"], "-display", "gtk", "none")
    bad(k + ["-display", "curses"], "-display curses", "no terminal")
    bad(k + ["-display", "curses", "-serial", "stdio"], "-display curses", "-serial")
    bad(k + ["-k", "martian"], "-k", "martian", "en-us")
    bad(k + ["-d", "in_asm,out_sam"], "-d", "out_sam", "out_asm")
    bad(k + ["-d", ""], "-d")
    for ranges in "", "1", "1..", "2..1", "1+0", "0..0x100000000", "0xffffffff+2", "1..2,,3..4", "1..2 ", ",".join(["1..2"] * 65):
        bad(k + ["-d", "exec", "-dfilter", ranges], "-dfilter")
    for value in "", ".json", "x", "x.jsn", "enable=ide_*", "events=100", "x.json,events=", "x.json,events=15", "x.json,events=4194305", \
            "x.json,events=1e3", "x.json,nonsense=1", "x" * 1100 + ".json":
        bad(k + ["-trace", value], "-trace")
    bad(k + ["-trace", "/none/there.json"], "-trace", "/none/there.json")
    bad(k + ["-D", "/none/there"], "-D", "/none/there")
    bad(k + ["-explain", "0xzz"], "-explain", "0xzz", "number below 4 GiB")
    bad(k + ["-explain", "0x100000000"], "-explain", "0x100000000")
    bad(k + ["-explain", "hto"], "-explain", "hto", "hot")
    bad(k + ["-explain", "json"], "-explain", "what?")
    bad(k + ["-explain", ""], "-explain", "what?")
    bad(k + ["-explain", ",".join(["1"] * 17)], "-explain", "16 addresses")
    bad(k + ["-explain", "hot,file="], "-explain", "empty name")
    bad(k + ["-explain", "hot,file=/none/there"], "-explain", "/none/there")
    bad(k + ["-device", "isa-debug-exti"], "-device", "isa-debug-exti", "isa-debug-exit")
    for tail in ",iosize=3", ",iobase=0x10000", ",iobase=0xffff,iosize=4", ",x", ",iobase=":
        bad(k + ["-device", "isa-debug-exit" + tail], "-device", tail)
    for tail in ",iobase=0x10000", ",iosize=1", ",iobase=x":
        bad(k + ["-device", "post" + tail], "-device", tail, "iobase")
    bad(k + ["-device", "pc-testdve"], "-device", "pc-testdve", "pc-testdev")
    bad(["-kernle", "x"], "-kernle", "-kernel")
    bad(["--no-rebot"], "--no-rebot", "-no-reboot")
    bad(["-frobnicate"], "-frobnicate")
    bad(["none.img"], "none.img", "No such file")
    for word, near in (("tour", "-tour?"), ("help", "-help?"), ("hlep", "-help?"), ("vmm", "ring3 vm?"), ("swich", "ring3 switch?"), ("img", "ring3 img?"),
                       ("create", "ring3 vm create?"), ("convert", "ring3 img convert?"), ("nographic", "-nographic?"), ("xyzzy", "-hda xyzzy: No such file")):
        bad(["-m", "64", word], word, near)
    for word, near in ("--help-me", "-help?"), ("-hda=" + probe, "did you mean -hda %s?" % probe), ("-m=64", "-m 64?"), ("-display=none", "-display none?"), ("--no-rebootx", "-no-reboot?"):
        bad([word], word, near)
    for line in (["-hda", "-display", "none"], ["-m", "-hda", probe], ["-serial", "-nographic"], ["-drive", "--kernel", probe],
                 ["-kernel", "-usb"], ["-smbios", "-m", "64"]):
        bad(line, "%s: the value is missing" % line[0], line[1] + " is an option of its own")
    bad(["-m"], "-m")
    bad(["-append", "x"], "-append")
    bad(["-initrd", "x"], "-initrd")
    bad(["-global", "isa-debugcon.iobase=0x10000"], "-global", "0x10000")
    bad(["-bios", "x", "-kernel", probe], "-bios", "-kernel")


def drives():
    k = ["-kernel", probe]
    bad(k + ["-hda", ""], "-hda", "empty name")
    bad(k + ["-boot", "x"], "-boot", "x", "floppy")
    bad(k + ["-boot", "cc"], "-boot")
    bad(k + ["-boot", "order="], "-boot")
    bad(k + ["-boot", "ordr=c"], "-boot", "ordr", "order")
    bad(k + ["-boot", "c,menu=yes"], "-boot", "menu", "on")
    bad(k + ["-drive", "fiel=x"], "-drive", "fiel", "file")
    bad(k + ["-drive", "file=x,index=4"], "-drive", "index=4")
    bad(k + ["-drive", "file=x,if=scsi"], "-drive", "scsi", "ide")
    bad(k + ["-drive", "file=x,if=none"], "-drive", "none")
    bad(k + ["-drive", "file=x,if=floppy,index=2"], "-drive", "floppy")
    bad(k + ["-drive", "file=x,if=floppy,media=cdrom"], "-drive", "floppy")
    bad(k + ["-drive", "file=x,media=cd"], "-drive", "cd", "cdrom")
    bad(k + ["-drive", "file=x,format=vhdx"], "-drive", "vhdx", "raw")
    bad(k + ["-serial", "tcp:localhost:65536"], "-serial", "65536", "65535")
    bad(k + ["-serial", "tcp:localhost:99999999999999999999"], "-serial", "65535")
    bad(k + ["-drive", "file=x,werror=never"], "-drive", "werror", "never", "enospc")
    bad(k + ["-drive", "file=x,rerror=enospc"], "-drive", "rerror", "enospc")
    bad(k + ["-drive", "file=x,discard=always"], "-drive", "discard", "always", "unmap")
    bad(k + ["-drive", "file=x,detect-zeroes=unmap"], "-drive", "detect-zeroes=unmap", "discard=unmap")
    bad(k + ["-drive", "file=x,readonly=yes"], "-drive", "readonly", "on")
    bad(k + ["-drive", "index=0"], "-drive", "file")
    bad(k + ["-hdc", probe, "-cdrom", probe], "-cdrom", "-hdc")
    bad(k + ["-drive", "file=x,index=0", "-hda", "y"], "-hda", "-drive x")


def starts_with_odd_images(folder):
    """Odd sizes, of which a line is said, more than fits a CD, and an image whose name goes away while it is used: it starts."""
    odd = os.path.join(folder, "odd")
    for option in "-hda", "-cdrom", "-fda":
        unit = 2048 if option == "-cdrom" else 512
        for size in 512, 2049, 737281, 4096, 737280, 1 << 43 if option != "-fda" else 7680 * 512:
            with open(odd, "wb") as f:
                f.truncate(size)
            vm = Vm([ring3, "-kernel", probe, "-append", "exit=3", "-serial", "stdio", "-device", "isa-debug-exit", option, odd])
            vm.expect_exit(7)
            hint = "ring3: %s %s: has %d bytes, no multiple of %d: is it an image?" % (option, odd, size, unit)
            check((hint in vm.output) == (size % unit != 0), "%s of %d bytes: %s" % (option, size, vm.output))
            os.unlink(odd)
        for size in 1, 3, 511:
            with open(odd, "wb") as f:
                f.truncate(size)
            bad(["-kernel", probe, option, odd], option, odd, "only %d bytes" % size)
            os.unlink(odd)
    with open(odd, "wb") as f:
        f.truncate(1 << 20)
    vm = Vm([ring3, "-kernel", probe, "-append", "spin", "-serial", "stdio", "-hda", odd])
    vm.expect("probe")
    os.unlink(odd)
    check(vm.process.poll() is None, "it ended when its image's name went away")
    vm.kill()


def somebody_else(folder):
    """As a user who may not: root's own tests of permissions."""
    public = tempfile.mkdtemp()
    os.chmod(public, 0o755)
    program, kernel, image = (os.path.join(public, n) for n in ("ring3", "probe", "image"))
    shutil.copy(ring3, program), shutil.copy(probe, kernel)
    shutil.copytree(os.path.join(os.path.dirname(ring3), "bios"), os.path.join(public, "bios"), ignore=lambda *_: ["CMakeFiles"])
    with open(image, "wb") as f:
        f.truncate(1 << 20)
    try:
        for mode, word in (0, "Permission denied"), (0o444, "readonly=on"):
            os.chmod(image, mode)
            p = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", program, "-kernel", kernel, "-hda", image],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=20)
            said = p.stderr.decode()
            check(p.returncode == 1 and word in said and said.count("\n") == 1, "mode %o: %s: %s" % (mode, p.returncode, said))
    finally:
        shutil.rmtree(public)


def foreign(folder):
    """Other formats are refused whatever the option, unless format=raw was said; and no byte of them changes."""
    image = os.path.join(folder, "other")
    for begin, words in ((b"QED\0", ("QED", "qemu-img convert -f qed")), (b"\xfd7zXZ\0", ("xz", "xz -dc")),
                         (b"PK\3\4", ("zip", "unzip"))):
        with open(image, "wb") as f:
            f.write(begin)
            f.truncate(1 << 20)
        for option in "-hda", "-cdrom", "-fda":
            bad(["-kernel", probe, option, image], option, *words)
        bad(["-kernel", probe, "-drive", "snapshot=on,file=" + image], "-drive", *words)
        vm = Vm([ring3, "-kernel", probe, "-append", "exit=3", "-serial", "stdio", "-device", "isa-debug-exit", "-drive",
                 "format=raw,file=" + image])
        vm.expect_exit(7)


def images(folder):
    path = lambda name: os.path.join(folder, name)
    for name, size in ("disk", 1 << 20), ("void", 0):
        with open(path(name), "wb") as f:
            f.truncate(size)
    os.mkfifo(path("pipe"))
    for option in "-hda", "-cdrom", "-fda":
        bad(["-kernel", probe, option, folder], option, folder, "folder")
        bad(["-kernel", probe, option, path("none")], option, "none", "No such file")
        bad(["-kernel", probe, option, path("void")], option, "void", "empty")
        bad(["-kernel", probe, option, path("pipe")], option, "pipe")
        bad(["-kernel", probe, option, "/dev/zero"], option, "/dev/zero")
    os.symlink(path("loop"), path("loop"))
    bad(["-kernel", probe, "-hda", path("loop")], "-hda", "loop", "symbolic links")
    starts_with_odd_images(folder)
    with open(path("large"), "wb") as f:
        f.truncate(7680 * 512 + 1)
    bad(["-kernel", probe, "-fda", path("large")], "-fda", "large", "floppy")
    foreign(folder)
    if os.geteuid() == 0 and shutil.which("setpriv"):
        somebody_else(folder)
    elif os.geteuid():
        os.chmod(path("disk"), 0o400)
        bad(["-kernel", probe, "-hda", path("disk")], "-hda", "disk", "readonly=on")
        os.chmod(path("disk"), 0)
        bad(["-kernel", probe, "-hda", path("disk")], "-hda", "disk", "Permission denied")
        os.chmod(path("disk"), 0o600)
    bad(["-kernel", probe, "-hda", path("disk"), "-hdb", path("disk")], "-hdb", "disk", "in another drive already (-hda)")
    bad(["-kernel", probe, "-hda", path("disk"), "-cdrom", path("disk")], "-cdrom", "disk", "in another drive already (-hda)")
    first = Vm([ring3, "-kernel", probe, "-append", "spin", "-serial", "stdio", "-hda", path("disk")])
    first.expect("probe")
    for name, drive in ("disk", []), ("own", ["-hda", path("own")]), ("own", ["-cdrom", path("own")]): # another's, and its own
        with open(path("own"), "wb") as f:
            f.truncate(1 << 20)
        for output in ["-serial", "file:" + path(name)], ["-debugcon", "file:" + path(name)], ["-parallel", "file:" + path(name)], ["-D", path(name)]:
            bad(["-kernel", probe, *drive, *output], output[0], name, "it is the image of a drive")
            check(os.path.getsize(path(name)) == 1 << 20, "%s emptied an image" % output)
    bad(["-kernel", probe, "-hda", path("disk")], "-hda", "disk", 'Failed to get "write" lock')
    bad(["-kernel", probe, "-drive", "readonly=on,file=" + path("disk")], "-drive", "disk", "lock")
    first.kill()


def good():
    vm = Vm([ring3, "-M", "pc,mem-merge=on", "-kernel", probe, "-append", "exit=3", "-serial", "stdio", "-device", "isa-debug-exit"])
    vm.expect("mem-merge=on: nothing is merged")
    vm.expect_exit(7)
    for accel in "form=table", "tb-size=64", "cache=4,form=window,translate", "interp,form=table", "translate,cache=1024":
        vm = Vm([ring3, "-accel", accel, "-kernel", probe, "-append", "exit=3", "-serial", "stdio", "-device", "isa-debug-exit"])
        vm.expect_exit(7)
    vm = Vm([ring3, "-kernel", probe, "-append", "-s", "-serial", "stdio", "-no-reboot"]) # a kernel's own words may look like ours
    vm.expect("probe")
    vm.kill()
    for args, word in (["-h"], "ring3 switch PATH"), (["-h"], "-kernel"), (["--help"], "-append"), (["-version"], "ring3 "), (["-d", "help"], "guest_errors"), (["-cpu", "help"], "pentium2"), (["-host"], "bmi2"):
        p = subprocess.run([ring3, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=20)
        check(p.returncode == 0 and word in p.stdout.decode() and not p.stderr, "%s: %s" % (args, p))


def all_tests():
    options()
    drives()
    good()
    with tempfile.TemporaryDirectory() as folder:
        kernels(folder)
    with tempfile.TemporaryDirectory() as folder:
        images(folder)


main(all_tests)
