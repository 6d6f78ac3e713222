"""linux_load.py - Debian's kernel under load, for tests of a machine that stands still, goes back or moves meanwhile.

A shell writes files with checksums to an ext2 file system on an IDE disk, by DMA, and reads others back; if asked, it keeps
sums of files in memory, too. Whatever happens to the machine, no checksum is ever wrong, the kernel has nothing to say, and the
host's e2fsck finds the file system clean.
"""
import re
import subprocess
import time

from guest import Guest
from vm import check

LOAD = """
i=0
while [ ! -e /tmp/end ]; do
i=$((i+1)); n=$((i%40))
dd if=/dev/urandom of=/mnt/f$n bs=4096 count=$((n+1)) 2>/dev/null
(cd /mnt && md5sum f$n > s$n)
MEMORY_KEEP
[ $((i%5)) = 0 ] && sync && echo 3 > /proc/sys/vm/drop_caches
for k in /mnt/s*; do (cd /mnt && md5sum -c $k) > /dev/null 2>&1 || echo WR""ONG $k $i; break; done
MEMORY_LOOK
echo $i > /tmp/rounds
done
echo ENDED
"""
MEMORY_KEEP = "cp /mnt/f$n /tmp/m$n; cp /mnt/s$n /tmp/t$n"
MEMORY_LOOK = '[ "$(md5sum < /tmp/m$n | cut -c1-32)" = "$(cut -c1-32 /tmp/t$n)" ] || echo WR""ONG memory $i'


class LoadedLinux(Guest):
    """`guests` is debian.sh's folder, `image` a disk of 64 MiB (new_disk)."""
    def __init__(self, ring3, guests, image, *args):
        self.image = image
        super().__init__(ring3, "-m", "128", "-kernel", guests + "/vmlinuz", "-initrd", guests + "/initramfs-disk.gz",
                         "-append", "console=ttyS0", "-hda", image, *args)

    def command(self, text, timeout=60):
        begin = len(self.serial_text)
        self.send_serial(text + "; echo DO''NE\r")
        self.wait_serial("DONE", timeout, begin)
        return self.serial_text[begin:]

    def prepare(self, memory=False):
        """Make the file system and begin."""
        load = LOAD.replace("MEMORY_KEEP\n", MEMORY_KEEP + "\n" if memory else "")
        load = load.replace("MEMORY_LOOK\n", MEMORY_LOOK + "\n" if memory else "")
        self.wait_serial("guest# ", 120)
        self.command("dmesg -n 1; mke2fs /dev/sda > /dev/null; mount /dev/sda /mnt; dmesg -c > /dev/null")
        for line in load.strip().split("\n"):
            self.command("echo '%s' >> /tmp/load" % line.replace("'", "'\\''"))
        self.send_serial("sh /tmp/load &\r")
        time.sleep(1)

    def rounds(self):
        for _ in range(20):
            said = re.search(r"\n(\d+)", self.command("cat /tmp/rounds"))
            if said: # else it is just being written
                return int(said.group(1))
        self.fail("it makes no rounds")

    def check_files(self):
        check("WRONG" not in self.serial_text, "a file is not what was written: " + self.serial_text[-500:])

    def end(self):
        """The load ends, the machine does, and everything is looked at."""
        self.command("touch /tmp/end")
        self.wait_serial("ENDED", 60)
        said = self.command("umount /mnt; dmesg")
        self.check_files()
        bad = re.search(r"(?i)error|corrupt|bug|oops|call trace|lost|timeout|failed|stuck", said.replace("DO''NE", ""))
        check(not bad, "the kernel has something to say:\n" + said)
        self.quit()
        done = subprocess.run(["/sbin/e2fsck", "-fn", self.image], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        check(done.returncode == 0, "e2fsck: " + done.stdout.decode())


def new_disk(image):
    with open(image, "wb") as f:
        f.truncate(64 << 20)
