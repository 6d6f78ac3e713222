"""media.py RING3 MEDIA.SH DIR NAME [seabios] [OPTION...] - unmodified boot media of others, from power-on, as a person
sees them.

NAME is a test below; it gets the media that it needs from MEDIA.SH. What is checked is what stands on the screen. The
firmware is ring3's own, or Debian's SeaBIOS. After its sign each medium is typed to, and what that does is looked at:
a medium that only comes up may have a dead keyboard.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

from guest import Guest
from vm import check, deadline, made, main, skip

ring3, media_sh, folder, name, *options = sys.argv[1:]
seabios = options[:1] == ["seabios"]
options = options[seabios:]


def medium(file):
    """The medium's path; made or downloaded once."""
    made(media_sh, folder, file, RING3=ring3)
    return os.path.join(folder, file)


def boot(*args, snapshot=True):
    """Two tests may use a medium at once, and none changes it."""
    if snapshot:
        args += ("-snapshot",)
    return Guest(ring3, *args, *options, *(["-bios", medium("seabios.bin")] if seabios else []))


def is_graphics(width, height, pixels):
    """Shaded pictures have more colours than any text."""
    colours = {pixels[n : n + 3] for n in range(0, len(pixels), 3 * 97)}
    return width >= 800 and height >= 600 and len(colours) > 100


# --- memtest86+ -------------------------------------------------------------------------------------------------------

LAST_TEST = os.environ.get("MEMTEST_UNTIL", "4") # until this one has begun; "pass": a whole pass


def watch_memtest(g, timeout):
    g.wait_text(r"Memtest86\+ v\d", timeout)
    # or a later one: with little memory each takes an instant
    done = r"Pass:\s*[1-9]" if LAST_TEST == "pass" else r"Test:?\s*#(?:[%s-9]|\d\d)" % LAST_TEST
    g.wait_text(done, 3600 if LAST_TEST == "pass" else timeout)
    text = "\n".join(g.lines())
    found = re.search(r"Errors:\s*(\d+)", text)
    check(found and found.group(1) == "0", "errors, or no error count:\n" + text)


def memtest():
    with boot("-m", "32", "-cdrom", medium("memtest.iso")) as g:
        g.wait_text(r"Press <F1> to configure", 60)
        g.keys("f1")
        g.wait_text(r"Settings:.*Exit menu", 20)
        g.keys("f10")
        watch_memtest(g, 240)
        g.keys("esc") # exit: reboots
        g.wait_text(r"Press <F1> to configure", 60)
        g.quit()


# --- GRUB and GNU Mach ----------------------------------------------------------------------------------------

def grub(option, file):
    with boot("-m", "64", option, medium(file)) as g:
        g.wait_text(r"GNU GRUB  version.*\*GNU/Linux", 60)
        g.keys("down")
        g.wait_text(r"\*GNU \(aka", 20)
        g.keys("c")
        g.wait_text(r"grub>", 20)
        g.type("echo what-a-day\n")
        g.wait_text(r"\nwhat-a-day", 20)
        g.type("reboot\n")
        g.wait_text(r"\*GNU/Linux", 60)
        g.quit()


def grub_cd():
    grub("-cdrom", "grub.iso")


def grub_floppy():
    grub("-fda", "grub.img")


def mach():
    """By typed commands: the kernel itself ends without a bootstrap module before it could take a key."""
    with boot("-m", "64", "-cdrom", medium("gnumach.iso")) as g:
        g.wait_text(r"\*GNU Mach", 60)
        g.keys("c")
        g.wait_text(r"grub>", 20)
        g.type("multiboot /boot/gnumach.gz console=com0\n")
        g.type("boot\n")
        g.wait_text(r"using COM port 1 for console", 60)
        g.wait_serial(r"No bootstrap code loaded", 60)
        g.quit()


# --- SYSLINUX -------------------------------------------------------------------------------------------------

def syslinux_floppy():
    with boot("-m", "32", "-fda", medium("syslinux.img")) as g:
        g.wait_text(r"floppy.*memtest.*reboot.*Automatic boot in", 60)
        g.keys("down")
        g.wait_text(r"^((?!Automatic).)*$", 20) # a key ends the countdown
        g.keys("ret") # reboot.c32
        g.wait_text(r"Automatic boot in", 60)
        g.keys("ret")
        g.wait_text(r"Memtest86\+ v\d", 60)
        g.quit()


def syslinux_disk():
    with boot("-m", "256", "-hda", medium("syslinux-hd.img")) as g:
        g.wait_text(r"disk.*memtest.*reboot.*debian", 60)
        g.keys("down", "down", "ret")
        g.wait_serial(r"Linux version", 60)
        g.wait_serial(r"guest# ", 60)
        g.send_serial("uname -m\n")
        g.wait_serial(r"i[3-6]86", 20)
        g.quit()


def pae_shell(g):
    """To the shell of Debian's PAE kernel: it uses three levels and NX, and finds no page that is both writable and
    executable."""
    g.wait_serial(r"NX \(Execute Disable\) protection: active", 600)
    g.wait_serial(r"Checked W\+X mappings: passed", 1200)
    g.wait_serial(r"guest# ", 600)
    since = len(g.serial_text)
    g.send_serial("dmesg -n 1; uname -r; grep -cw pae /proc/cpuinfo\n")
    g.wait_serial(r"-686-pae\s.*\n1\r", 120, since)
    g.send_serial("for n in 1 2 3 4 5 6 7 8; do seq 1 1000 | sort -rn | head -1; done | uniq -c\n")
    g.wait_serial(r" 8 1000\r", 300, since)
    for word in "Oops", "BUG:", "Call Trace", "WARNING:":
        check(word not in g.serial_text, "the kernel says %s:\n%s" % (word, g.serial_text))
    g.send_serial("poweroff -f\n")
    g.expect_exit(0, 120)


def pae_disk():
    with boot("-m", "256", "-hda", medium("pae-hd.img")) as g:
        g.wait_text(r"disk.*memtest.*reboot.*debian", 60)
        g.keys("down", "down", "ret")
        pae_shell(g)


def pae_kernel():
    medium("pae-hd.img") # and with it the initial RAM disk
    with boot("-m", "256", "-kernel", medium("vmlinuz-pae"), "-initrd", os.path.join(folder, "initramfs.gz"),
              "-append", "console=ttyS0") as g:
        pae_shell(g)


def pae_missing():
    """A processor without PAE: the kernel itself says that it cannot run there."""
    said = r"This kernel requires an i686 CPU, but only detected an i586 CPU\."
    with boot("-m", "256", "-cpu", "pentium", "-hda", medium("pae-hd.img")) as g:
        g.wait_text(r"disk.*memtest.*reboot.*debian", 60)
        g.keys("down", "down", "ret")
        g.wait_text(said, 60)
        g.quit()
    with boot("-m", "256", "-cpu", "pentium", "-kernel", medium("vmlinuz-pae")) as g:
        g.wait_text(said, 60)
        g.quit()


def said(g, command, pattern):
    """What a program of SYSLINUX's tells."""
    g.type(command + "\n")
    return g.wait_text(r"boot: " + re.escape(command) + r".*" + pattern, 30)


def syslinux_tools():
    """What the BIOS says of memory, disks, the board and the screen, as SYSLINUX's programs understand it."""
    with boot("-m", "64", "-snapshot", "-hda", medium("tools-hd.img")) as g:
        g.wait_text(r"EDD.*\nboot:", 60)
        said(g, "meminfo.c32",
             r"DOS RAM: 639K.*INT 15 88: 0xfb00.*E801: 0x3c00.*0000000000100000x \w+ 0000000003fc0000x 1 .-. usable"
              r".*\nboot:")
        said(g, "disk.c32",
             r"DISK 0x80:.*16 heads, 81 cylinders.*EDD version: 30.*81920 sectors.*PCI ATA.*type: ATA.*\nboot:")
        g.type("vesainfo.c32\n")
        g.wait_text(r"VBE version 3.0.*0x0101 0x009f +640 +480 +8.*0x0116", 30)
        g.keys("ret", "ret")
        g.wait_text(r"0x017c 0x009f +1280 +800 +15.*\nboot:", 30)
        said(g, "cpuidtest.c32", r"Family += 6.*cmov.*\nboot:")
        g.type("dmitest.c32\n")
        g.wait_text(r"DMI 2\.4 present\..*dmi:", 30)
        g.type("exit\n")
        g.wait_text(r"dmi: exit.*boot:", 30)
        g.type("hdt.c32\n")
        g.wait_text(r"Hardware Detection Tool.*PCI Devices\( ?\d\).*Disks +\( 1\)", 30)
        for name in "down", "down", "ret":
            g.keys(name)
        g.wait_text(r"e820|Bank|Memory.*MiB", 30)
        g.quit()
    with boot("-m", "64", "-snapshot", "-hda", medium("tools-hd.img")) as g:
        g.wait_text(r"boot:", 60)
        g.type("vesamenu.c32\n")
        g.wait_picture(lambda w, h,
                       p: (w, h) == (640, 480) and len({p[n : n + 3] for n in range(0, len(p), 3 * 97)}) > 100,
                       "the menu", 30)
        g.keys("esc")
        g.quit()
    with boot("-m", "64", "-snapshot", "-hda", medium("tools-hd.img")) as g:
        g.wait_text(r"boot:", 60)
        g.type("poweroff.c32")
        g.monitor.sendall(b"sendkey ret\n")
        g.expect_exit(0, 30)


# --- El Torito: CDs that pretend to be a floppy, a disk -------------------------------------------------------

def eltorito():
    with boot("-m", "32", "-cdrom", medium("eltorito-fd.iso")) as g:
        g.wait_text(r"floppy.*memtest.*reboot", 60)
        g.keys("ret")
        g.wait_text(r"Press <F1> to configure", 60)
        g.keys("f1")
        g.wait_text(r"Settings:.*Exit menu", 20)
        g.quit()
    with boot("-m", "32", "-cdrom", medium("eltorito-hd.iso")) as g:
        g.wait_text(r"SYSLINUX.*\nboot:", 60)
        said(g, "ls.c32", r"vesamenu\.c32.*\nboot:")
        g.quit()
    # The machine's own disk is the second one now.
    with boot("-m", "32", "-cdrom", medium("eltorito-hd.iso"), "-snapshot", "-hda", medium("syslinux-hd.img"), "-boot",
              "d") as g:
        g.wait_text(r"SYSLINUX.*\nboot:", 60)
        said(g, "disk.c32", r"DISK 0x81:.*131072 sectors.*\nboot:")
        g.type("chain.c32 hd1\n")
        g.wait_text(r"disk.*memtest.*reboot.*debian.*Automatic boot in", 30)
        g.keys("down")
        g.wait_text(r"^((?!Automatic).)*$", 20)
        g.quit()


def boot_order():
    """Once a CD, then the disk; a menu of all; the second disk when there is nothing on the first."""
    floppy, disk, cd = medium("syslinux.img"), medium("tools-hd.img"), medium("grub.iso")
    every = ["-m", "32", "-snapshot", "-fda", floppy, "-hda", disk, "-cdrom", cd]
    with boot(*every, "-boot", "order=c,once=d") as g:
        g.wait_text(r"GNU GRUB", 60)
        g.keys("ctrl-alt-delete")
        g.wait_text(r"EDD.*\nboot:", 60)
        said(g, "ls.c32", r"disk\.c32.*\nboot:")
        g.quit()
    menu = (r"EDD.*\nboot:", "nothing\n",
            r"nothing.*\nboot:"), (r"\*GNU/Linux", "c", r"grub>"), (r"Automatic boot in", "m", r"^((?!Automatic).)*$")
    for n, (sign, typed, answer) in enumerate(menu, 1):
        with boot(*every, "-boot", "menu=on") as g:
            g.wait_text(r"Press F12", 60)
            g.keys("f12")
            g.wait_text(r"Boot from:", 60)
            g.keys(str(n))
            g.wait_text(sign, 60)
            g.type(typed)
            g.wait_text(answer, 20)
            g.quit()
    with tempfile.TemporaryDirectory() as place:
        blank = place + "/blank"
        with open(blank, "wb") as f:
            f.truncate(130 << 30) # and LBA48
        with boot("-m", "32", "-snapshot", "-hda", blank, "-hdb", disk) as g:
            g.wait_text(r"EDD.*\nboot:", 60)
            said(g, "disk.c32", r"272629760 sectors.*81920 sectors.*\nboot:")
            g.quit()


# --- iPXE -----------------------------------------------------------------------------------------------------

def press_until(g, key, pattern, timeout):
    """Press it again and again: what asks for it may still be the screen of before a reset, or be there for a moment only."""
    end = deadline(timeout)
    while not re.search(pattern, "\n".join(g.lines())):
        check(time.monotonic() < end, "%s did not bring %r" % (key, pattern))
        g.keys(key)


def ipxe_kernel():
    """As -kernel: it has only a real-mode entry, and calls the BIOS."""
    with boot("-m", "64", "-kernel", medium("ipxe.lkrn")) as g:
        g.wait_text(r"Starting the kernel.*iPXE 1\..*Features: \w", 60)
        g.do("system_reset")
        press_until(g, "ctrl-b", r"iPXE>", 90)
        g.type("echo what-a-day\n")
        g.wait_text(r"\nwhat-a-day", 20)
        g.quit()


def ipxe():
    with boot("-m", "64", "-cdrom", medium("ipxe.iso")) as g:
        g.wait_text(r"iPXE 1\..*Features: \w", 60)
        press_until(g, "ctrl-b", r"iPXE>", 90)
        g.type("echo what-a-day\n")
        g.wait_text(r"\nwhat-a-day", 20)
        g.quit()


# --- the Debian installer -------------------------------------------------------------------------------------

def installer_text():
    with boot("-m", "512", "-cdrom", medium("di-text.iso")) as g:
        g.wait_text(r"boot:", 60)
        g.type("install vga=normal fb=false modprobe.blacklist=bochs\n")
        g.wait_text(r"Select a language|Choose language", 240)
        g.keys("ret")
        g.wait_text(r"Select your location", 60)
        g.quit()


def installer_graphics():
    with boot("-m", "1024", "-cdrom", medium("di-gtk.iso")) as g: # in less memory it shows text
        g.wait_text(r"boot:", 60)
        g.keys("ret")
        g.wait_picture(is_graphics, "the installer", 300)
        before = g.picture()
        g.keys("down")
        g.wait_picture(lambda *p: p != before, "another line selected", 30)
        before = g.picture()
        for _ in range(10):
            g.do("mouse_move -20 -20")
        g.wait_picture(lambda *p: p != before, "the mouse elsewhere", 30)
        g.quit()


# --- a Debian on its own disk ---------------------------------------------------------------------------------

def log_in(g, since=0):
    g.wait_serial(r"LOGGED-IN /dev/ttyS0", 300, since)
    g.wait_serial(r"root@guest:~# ", 60, since)


def run(g, command, pattern, timeout=60):
    since = len(g.serial_text)
    g.send_serial(command + "\n")
    g.wait_serial(re.escape(command), 20, since)
    return g.wait_serial(pattern, timeout, since + len(command))


def debian():
    image = medium("debian.img")
    with tempfile.TemporaryDirectory() as place:
        disk = place + "/disk.img"
        subprocess.run(["cp", "--sparse=always", image, disk], check=True)
        with boot("-m", "512", "-hda", disk, snapshot=False) as g:
            g.wait_text(r"GNU GRUB", 60)
            log_in(g)
            # The screen's text, also when the kernel draws it; its login may come after the serial line's.
            run(g, "until grep -ao 'I[N] /dev/tty1' /dev/vcs1; do sleep 1; done", r"IN /dev/tty1", 180)
            since = len(g.serial_text)
            g.type("echo typed >/dev/ttyS0\n") # at the screen's keyboard
            g.wait_serial(r"typed", 60, since)
            run(g, "cat /sys/class/ata_device/dev1.0/dma_mode", r"DMA")
            run(g, "echo kept > /root/kept; sync; echo done-$?", r"[\r\n]done-0")
            since = len(g.serial_text)
            g.send_serial("reboot\n")
            log_in(g, since)
            run(g, "cat /root/kept", r"[\r\n]kept")
            g.send_serial("poweroff\n")
            g.expect_exit(0, 120)
        check_file_system(disk, place)


def check_file_system(disk, place):
    """The partition is clean by the host's own fsck."""
    part = place + "/part"
    subprocess.run(["dd", "if=" + disk, "of=" + part, "bs=1M", "skip=1", "conv=sparse", "status=none"], check=True)
    p = subprocess.run([shutil.which("e2fsck", path="/sbin:/usr/sbin:" + os.environ["PATH"]), "-fn", part],
                       stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT)
    check(p.returncode == 0, "the file system is not clean:\n" + p.stdout.decode())


main(globals()[name])
