"""machines.py RING3 - machines as folders: what `ring3 vm` makes, runs, copies, packs, unpacks and deletes, and what it refuses.

The descriptors of VMware and VirtualBox are written by hand, after DMTF's DSP0243 and what these programs document of theirs.
"""
import hashlib
import io
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time

import vm

RING3 = os.path.abspath(sys.argv[1])
SANITIZED = b"__asan_init" in open(RING3, "rb").read() # then ring3-net keeps standard error, so that a pipe's end never comes
HERE = tempfile.mkdtemp(prefix="ring3-machines-")
os.chdir(HERE)


def check(good, what):
    if not good:
        raise vm.Failed(what)


def run(*words, code=0, says="", stdin=subprocess.DEVNULL):
    with tempfile.TemporaryFile() as said:
        done = subprocess.run([RING3, *words], stdin=stdin, stdout=said if SANITIZED else subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120,
                              env={k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")})
        said.seek(0)
        text = (said.read() if SANITIZED else done.stdout).decode()
    check(done.returncode == code, "%s ended with %d: %s" % (words, done.returncode, text))
    check(re.search(says, text), "%s did not say %r: %s" % (words, says, text))
    if code:
        check(len(text.splitlines()) <= 2, "%s said more than a sentence: %s" % (words, text))
    return text


def refuse(says, *words):
    return run(*words, code=1, says=says)


def state(name):
    found = re.search(r"^%s +(\S+)" % re.escape(name), run("vm", "list"), re.M)
    return found and found.group(1)


def write(path, text):
    with open(path, "wb") as f:
        f.write(text if isinstance(text, bytes) else text.encode())


def read(path):
    with open(path, "rb") as f:
        return f.read()


def tree(folder="."):
    return sorted(os.path.join(at, name) for at, folders, files in os.walk(folder) for name in folders + files)


class Qmp:
    def __init__(self, folder):
        self.s = socket.socket(socket.AF_UNIX)
        here = os.getcwd()
        os.chdir(folder)
        self.s.connect("control.sock")
        os.chdir(here)
        self.s.settimeout(60)
        self.f = self.s.makefile("r")
        self.f.readline()
        self("qmp_capabilities")

    def __call__(self, command, **arguments):
        self.s.sendall((json.dumps({"execute": command, "arguments": arguments}) + "\n").encode())
        while True:
            answer = json.loads(self.f.readline())
            if "event" not in answer:
                return answer["return"]

    def close(self):
        self.f.close()
        self.s.close()

    def word(self, line):
        return self("human-monitor-command", **{"command-line": line})

    def memory(self, address):
        return [int(n, 16) for n in re.findall(r"0x([0-9a-f]{8})", self.word("xp /2wx 0x%x" % address).split(":")[1])]


def memory(folder):
    q = Qmp(folder) # which takes one client at a time
    found = q.memory(0x9000)
    q.close()
    return found


# At its start it keeps the BIOS's ticks; then it counts them.
GUEST = bytes.fromhex("31c0 8ed8 66a16c04 66a30090 66ff060490 fb f4 ebf6").ljust(510, b"\0") + b"\x55\xaa"


def put_guest(name):
    """On the disk of the machine."""
    write("guest.raw", GUEST + bytes(1 << 20))
    run("img", "convert", "-f", "raw", "-O", "qcow2", "guest.raw", name + ".ring3/disk.qcow2")


# --- the life of a machine ------------------------------------------------------------------------------

def create():
    run("vm", "create", "alpha", "--profile", "linux-old", "--memory", "32", "--disk=64M")
    check(tree("alpha.ring3") == ["alpha.ring3/disk.qcow2", "alpha.ring3/machine.conf"], str(tree("alpha.ring3")))
    conf = read("alpha.ring3/machine.conf").decode()
    check("m = 32\n" in conf and "profile = linux-old\n" in conf and "hda = disk.qcow2" in conf, conf)
    check(not re.search(r"= */|tmp", conf), "machine.conf has an absolute path: " + conf)
    for profile in "dos win31 win98 win2000 xp os2 linux-old".split():
        run("vm", "create", "p-" + profile, "--profile", profile, "--disk", "none")
        run("vm", "delete", "p-" + profile, "--yes")
    refuse("there already", "vm", "create", "alpha")
    refuse("did you mean 'win98'", "vm", "create", "beta", "--profile", "win89")
    refuse("MiB", "vm", "create", "beta", "--memory", "9999999")
    refuse("number", "vm", "create", "beta", "--disk", "many")
    refuse("less than 4194304T", "vm", "create", "beta", "--disk", "9999999T")
    refuse("at most 2097152 GiB", "vm", "create", "beta", "--disk", "3000T")
    refuse("less than 4194304T", "img", "create", "beta.img", "9999999T")
    refuse("not understood", "vm", "create", "beta", "--size", "4G")
    refuse("name", "vm", "create", ".hidden")
    refuse("did you mean 'create'", "vm", "craete", "beta")
    refuse("no such machine", "vm", "start", "beta")
    os.mkdir("plain.ring3")
    refuse("no machine.conf", "plain.ring3")
    os.rmdir("plain.ring3")
    check(tree() == ["./alpha.ring3", "./alpha.ring3/disk.qcow2", "./alpha.ring3/machine.conf"], str(tree()))


def conf_by_hand():
    conf = "alpha.ring3/machine.conf"
    kept = read(conf)
    for text, says in (("m 32\n", "machine.conf:1: "), ("[machine\n", "heading"), ("m = 0\n", "-m 0"), ("nonsense = 1\n", "no such option"),
                       ("a" * 70000, "64 KiB"), (b"m = 32\0\n", "not a text"), ("hda = gone.img\n", "gone.img")):
        write(conf, text)
        refuse(says, "alpha.ring3", "-display", "none")
    write(conf, "[machine]\n\nm = 32\nfoo = bar\n")
    says = r"alpha\.ring3/machine\.conf:4: -foo: no such option"
    for words in (["alpha"], ["vm", "start", "alpha"], ["vm", "clone", "alpha", "beta"], ["vm", "delete", "alpha", "--yes"], ["vm", "export", "alpha"]):
        refuse(says, *words)
    others_of_broken(says)
    write(conf, "append = x\n")
    refuse(r"alpha\.ring3/machine\.conf: -append: only with -kernel", "alpha")
    write(conf, "m = 32\n")
    refuse("ring3: -foo: no such option", "alpha", "-foo")
    refuse("ring3: -append: only with", "alpha", "-append", "x")
    os.unlink(conf)
    refuse("machine.conf", "alpha")
    write(conf, b"; mine\r\n" + kept.replace(b"m = 32", b"  -m =  32  # no comment here").replace(b"  # no comment here", b"") + b"\nno-hpet\n")
    check(state("alpha") == "off", "a file edited by hand is not understood")


def others_of_broken(says):
    """One whose machine.conf is wrong does not get into the way of another, but its disks count."""
    run("vm", "create", "other", "--disk", "1M")
    text = run("vm", "list")
    check(re.search(r"^alpha +broken +" + says, text, re.M) and re.search("^other +off", text, re.M), text)
    check("ring3: " not in text, text)
    os.rename("alpha.ring3/disk.qcow2", "kept.qcow2")
    run("img", "create", "-q", "-f", "qcow2", "-b", "../other.ring3/disk.qcow2", "-F", "qcow2", "alpha.ring3/disk.qcow2")
    refuse("linked clone 'alpha'", "vm", "delete", "other", "--yes")
    os.rename("kept.qcow2", "alpha.ring3/disk.qcow2")
    check(run("vm", "delete", "other", "--yes") == "", "more is said than there is")


def snapshots(name):
    q = Qmp(name + ".ring3")
    found = re.findall(r"^\d+ +(\S+)", q.word("info snapshots"), re.M)
    q.close()
    return found


def life():
    put_guest("alpha")
    refuse("not running", "vm", "stop", "alpha")
    run("vm", "start", "alpha", "--headless")
    check(state("alpha") == "running", "it does not run")
    for words in (["alpha"], ["alpha.ring3"], ["vm", "delete", "alpha", "--yes"], ["vm", "clone", "alpha", "beta"], ["vm", "export", "alpha"]):
        refuse("is running", *words)
    q = Qmp("alpha.ring3")
    check("qcow2" in q.word("info block") and "(raw" not in q.word("info block"), q.word("info block"))
    check(q("query-block")[-0:] and "qcow2" in json.dumps(q("query-block")), "query-block does not say the format")
    end = vm.deadline(30)
    while q.memory(0x9000)[1] < 20:
        check(time.monotonic() < end, "the guest does not count")
        time.sleep(0.1)
    q.close()
    check("quit" not in refuse("power button.*--force", "vm", "stop", "alpha"), "a way out that is not vm's")
    check(read("alpha.ring3/screenshot.png")[:4] == b"\x89PNG", "no screenshot")
    suspend()
    run("vm", "stop", "alpha", "--force")
    check(state("alpha") == "off", "it still runs")
    check(len(read("alpha.ring3/nvram")) == 128, "CMOS memory is not kept")
    check(not {"pid", "control.sock", "suspended"} & set(os.listdir("alpha.ring3")), "something was left behind")


def suspend():
    run("vm", "suspend", "alpha")
    check(state("alpha") == "suspended", "it is not suspended")
    time.sleep(1.2) # a new boot would see another time of day
    os.rename("alpha.ring3", "moved.ring3") # all names in it are its own
    run("vm", "start", "moved", "--headless")
    first = memory("moved.ring3")
    check(state("moved") == "running", "it is not resumed")
    check(snapshots("moved") == [], "what was resumed is kept: %s" % snapshots("moved"))
    run("vm", "suspend", "moved")
    refuse("start it with -m 32; 'ring3 vm discard moved'", "vm", "start", "moved", "-m", "64", "--headless")
    check(state("moved") == "suspended", "a start that failed lost it")
    run("vm", "start", "moved", "--headless")
    again = memory("moved.ring3")
    check(again[0] == first[0] and again[1] >= first[1] >= 20, "it was not resumed where it was: %s, %s" % (first, again))
    run("vm", "stop", "moved", "--force")
    os.rename("moved.ring3", "alpha.ring3")
    run("vm", "start", "alpha", "--headless")
    check(state("alpha") == "running", "it does not boot")
    end = vm.deadline(30)
    while memory("alpha.ring3")[0] in (0, first[0]):
        check(time.monotonic() < end, "it is resumed twice")
        time.sleep(0.2)


def discard():
    """What was suspended and is not wanted leaves nothing; the person's own snapshots stay."""
    refuse("not suspended", "vm", "discard", "alpha")
    run("vm", "start", "alpha", "-m", "64", "--headless")
    refuse("is running", "vm", "discard", "alpha")
    check(re.search("^alpha +running +64 MiB", run("vm", "list"), re.M), "the memory is not that of the running machine: " + run("vm", "list"))
    q = Qmp("alpha.ring3")
    check(re.search("^alpha +running +32 MiB", run("vm", "list"), re.M), "vm list waits for another program")
    q.word("savevm mine")
    q.close()
    run("vm", "suspend", "alpha")
    check(state("alpha") == "suspended", "it is not suspended")
    refuse("vm discard alpha", "vm", "clone", "alpha", "linked", "--linked")
    run("vm", "discard", "alpha")
    check(state("alpha") == "off", "it is still suspended")
    refuse("has 1 snapshot ", "vm", "clone", "alpha", "linked", "--linked")
    run("vm", "start", "--headless", "alpha", "-m", "64")
    check(snapshots("alpha") == ["mine"], str(snapshots("alpha")))
    q = Qmp("alpha.ring3")
    q.word("delvm mine")
    q.close()
    run("vm", "stop", "alpha", "--force")


def killed():
    """At any moment of suspending and resuming: it starts again, and nothing is left in the way of a linked clone."""
    random.seed(int(os.environ.get("SUSPEND_SEED", 1)))
    for n in range(int(os.environ.get("SUSPEND_KILLS", 12))):
        run("vm", "start", "alpha", "--headless")
        p = subprocess.Popen([RING3, "vm", "suspend", "alpha"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if n % 3:
            p.wait()
        else:
            time.sleep(random.random() / 20)
            kill_machine(p)
        p = subprocess.Popen([RING3, "alpha.ring3", "-display", "none"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(random.random() / 4)
        p.kill()
        p.wait()
        wait_until_off()
    run("vm", "start", "alpha", "--headless")
    run("vm", "stop", "alpha", "--force")
    check(not os.path.exists("alpha.ring3/suspended"), "it is still suspended")


def kill_machine(suspend):
    try:
        os.kill(int(read("alpha.ring3/pid")), signal.SIGKILL)
    except FileNotFoundError: # it has ended already
        pass
    suspend.wait()
    wait_until_off()


def wait_until_off():
    end = vm.deadline(30)
    while state("alpha") == "running":
        check(time.monotonic() < end, "it cannot be killed")


def nvram():
    """A byte that no part of the board sets is kept; a file of another size is refused and stays."""
    kept = bytearray(read("alpha.ring3/nvram"))
    kept[0x70] = 0x5a
    write("alpha.ring3/nvram", bytes(kept))
    run("vm", "start", "alpha", "--headless")
    run("vm", "stop", "alpha", "--force")
    check(read("alpha.ring3/nvram")[0x70] == 0x5a, "a byte of the CMOS memory is lost")
    write("odd", b"precious")
    refuse("128", "-nvram", "odd", "-display", "none")
    check(read("odd") == b"precious", "a file that is no CMOS memory was overwritten")
    os.unlink("odd")


# --- copies ---------------------------------------------------------------------------------------------

def disk(path):
    run("img", "convert", "-O", "raw", path, "whole.raw")
    data = read("whole.raw")
    os.unlink("whole.raw")
    return data


def clone():
    before = disk("alpha.ring3/disk.qcow2")
    run("vm", "clone", "alpha", "full")
    check(read("full.ring3/machine.conf") == read("alpha.ring3/machine.conf"), "a comment is lost")
    check(disk("full.ring3/disk.qcow2") == before, "a copy is not equal")
    run("vm", "clone", "alpha", "linked", "--linked")
    check(disk("linked.ring3/disk.qcow2") == before == disk("alpha.ring3/disk.qcow2"), "a linked clone is not equal")
    info = subprocess.run([RING3, "img", "info", "linked.ring3/disk.qcow2"], stdout=subprocess.PIPE).stdout.decode()
    check("../alpha.ring3/disk.qcow2.base1" in info, info)
    refuse("linked clone 'linked'", "vm", "delete", "alpha", "--yes")
    run("vm", "start", "linked", "--headless")
    run("vm", "stop", "linked", "--force")
    refuse("there already", "vm", "clone", "alpha", "full")
    os.mkdir("elsewhere")
    refuse("beside", "vm", "clone", "alpha", "elsewhere/far", "--linked")
    check(not os.listdir("elsewhere"), "a failed clone left something")
    os.rmdir("elsewhere")


def delete():
    """Only what is the machine's own goes."""
    write("outside.img", bytes(512 * 2880))
    write("full.ring3/diary.txt", "mine")
    os.symlink("../outside.img", "full.ring3/link.img")
    with open("full.ring3/machine.conf", "a") as f:
        f.write("hdb = link.img\nhdd = ../outside.img\n")
    refuse("--yes", "vm", "delete", "full")
    check(os.path.exists("full.ring3/disk.qcow2"), "it was deleted without asking")
    run("vm", "delete", "full", "--yes", says="not empty")
    check(sorted(os.listdir("full.ring3")) == ["diary.txt", "link.img"], str(os.listdir("full.ring3")))
    check(len(read("outside.img")) == 512 * 2880, "a file outside is gone")
    shutil.rmtree("full.ring3")
    run("vm", "delete", "linked", "--yes")
    run("vm", "clone", "alpha", "copy")
    run("vm", "delete", "copy", "--yes")
    check(not os.path.exists("copy.ring3"), "a folder is left")


# --- packages -------------------------------------------------------------------------------------------

def export():
    before = disk("alpha.ring3/disk.qcow2")
    run("vm", "export", "alpha", "out.ova")
    refuse("there already", "vm", "export", "alpha", "out.ova")
    with tarfile.open("out.ova") as t:
        names = t.getnames()
        files = {name: t.extractfile(name).read() for name in names}
    check(names == ["alpha.ovf", "alpha-disk1.vmdk", "alpha.mf"], str(names))
    for line in files["alpha.mf"].decode().splitlines():
        name, value = re.fullmatch(r"SHA256\((.*)\)= ([0-9a-f]{64})", line).groups()
        check(hashlib.sha256(files[name]).hexdigest() == value, "a sum is wrong: " + line)
    ovf = files["alpha.ovf"].decode()
    check('ovf:size="%d"' % len(files["alpha-disk1.vmdk"]) in ovf, "the size in the descriptor is wrong")
    check('ovf:capacity="%d"' % len(before) in ovf and "<rasd:VirtualQuantity>32</rasd:VirtualQuantity>" in ovf, ovf)
    write("packed.vmdk", files["alpha-disk1.vmdk"])
    check(disk("packed.vmdk") == before, "the packed disk is not equal")
    if shutil.which("qemu-img"):
        subprocess.check_call(["qemu-img", "convert", "-f", "vmdk", "-O", "raw", "packed.vmdk", "theirs.raw"])
        check(read("theirs.raw") == before, "qemu-img reads it otherwise")
    run("vm", "import", "out.ova", "back")
    check(disk("back.ring3/disk1.qcow2") == before, "the imported disk is not equal")
    conf = read("back.ring3/machine.conf").decode()
    check("m = 32" in conf and "linux-old" in conf and "model=pcnet" in conf and "hda = disk1.qcow2" in conf, conf)
    run("vm", "delete", "back", "--yes")
    return files["alpha-disk1.vmdk"], before


ITEM = "<Item>%s</Item>\n"


def rasd(**words):
    return ITEM % "".join("<rasd:%s>%s</rasd:%s>" % (k, v, k) for k, v in words.items())


VMWARE = """<?xml version="1.0" encoding="UTF-8"?>
<Envelope vmw:buildId="build-1" xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:cim="http://schemas.dmtf.org/wbem/wscim/1/common"
 xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1" xmlns:vmw="http://www.vmware.com/schema/ovf"
 xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
 xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData">
<References><File ovf:href="web-disk1.vmdk" ovf:id="file1" ovf:size="%d"/></References>
<DiskSection><Info>Virtual disk information</Info>
<Disk ovf:capacity="64" ovf:capacityAllocationUnits="byte * 2^20" ovf:diskId="vmdisk1" ovf:fileRef="file1" ovf:populatedSize="0"
 ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/></DiskSection>
<NetworkSection><Info>The list of logical networks</Info><Network ovf:name="nat"><Description>nat</Description></Network></NetworkSection>
<VirtualSystem ovf:id="vm"><Info>A virtual machine</Info><Name>web server</Name>
<OperatingSystemSection ovf:id="67" vmw:osType="winXPProGuest"><Info>The kind of installed guest operating system</Info></OperatingSystemSection>
<VirtualHardwareSection><Info>Virtual hardware requirements</Info>
<System><vssd:ElementName>Virtual Hardware Family</vssd:ElementName><vssd:InstanceID>0</vssd:InstanceID>
<vssd:VirtualSystemIdentifier>web</vssd:VirtualSystemIdentifier><vssd:VirtualSystemType>vmx-10</vssd:VirtualSystemType></System>
""" + rasd(AllocationUnits="hertz * 10^6", Description="Number of Virtual CPUs", ElementName="2 virtual CPU(s)", InstanceID=1,
           ResourceType=3, VirtualQuantity=2) \
    + rasd(AllocationUnits="byte * 2^20", Description="Memory Size", ElementName="512MB of memory", InstanceID=2, ResourceType=4,
           VirtualQuantity=512) \
    + rasd(Address=0, Description="SCSI Controller", ElementName="SCSI Controller 0", InstanceID=3, ResourceSubType="lsilogic",
           ResourceType=6) \
    + rasd(Address=1, Description="IDE Controller", ElementName="VirtualIDEController 1", InstanceID=4, ResourceType=5) \
    + rasd(AddressOnParent=0, AutomaticAllocation="false", ElementName="CD-ROM 1", InstanceID=5, Parent=4,
           ResourceSubType="vmware.cdrom.remotepassthrough", ResourceType=15) \
    + rasd(AddressOnParent=0, ElementName="Hard Disk 1", HostResource="ovf:/disk/vmdisk1", InstanceID=6, Parent=3, ResourceType=17) \
    + rasd(AddressOnParent=7, AutomaticAllocation="true", Connection="nat", Description="E1000 ethernet adapter", ElementName="Ethernet 1",
           InstanceID=7, ResourceSubType="E1000", ResourceType=10) \
    + """<vmw:Config ovf:required="false" vmw:key="cpuHotAddEnabled" vmw:value="false"/>
</VirtualHardwareSection><AnnotationSection><Info>A human-readable annotation</Info><Annotation>%s</Annotation></AnnotationSection>
</VirtualSystem></Envelope>
"""

VIRTUALBOX = """<?xml version="1.0"?>
<Envelope ovf:version="1.0" xml:lang="en-US" xmlns="http://schemas.dmtf.org/ovf/envelope/1"
 xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
 xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
 xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:vbox="http://www.virtualbox.org/ovf/machine">
<References><File ovf:id="file1" ovf:href="old-disk001.vmdk"/></References>
<DiskSection><Info>List of the virtual disks used in the package</Info>
<Disk ovf:capacity="67108864" ovf:diskId="vmdisk1" ovf:fileRef="file1"
 ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized" vbox:uuid="8b1ea4a5-0000-4000-8000-000000000001"/>
<Disk ovf:capacity="1048576" ovf:diskId="vmdisk2" ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/>
</DiskSection>
<NetworkSection><Info>Logical networks used in the package</Info><Network ovf:name="NAT"><Description>x</Description></Network></NetworkSection>
<VirtualSystem ovf:id="Old PC"><Info>A virtual machine</Info>
<OperatingSystemSection ovf:id="17"><Info>The kind of installed guest operating system</Info><Description>WIN98</Description>
<vbox:OSType ovf:required="false">Windows98</vbox:OSType></OperatingSystemSection>
<VirtualHardwareSection><Info>Virtual hardware requirements for a virtual machine</Info>
<System><vssd:ElementName>Virtual Hardware Family</vssd:ElementName><vssd:InstanceID>0</vssd:InstanceID>
<vssd:VirtualSystemIdentifier>Old PC</vssd:VirtualSystemIdentifier><vssd:VirtualSystemType>virtualbox-2.2</vssd:VirtualSystemType></System>
""" + rasd(Caption="1 virtual CPU", Description="Number of virtual CPUs", ElementName="1 virtual CPU", InstanceID=1, ResourceType=3,
           VirtualQuantity=1) \
    + rasd(AllocationUnits="MegaBytes", Caption="128 MB of memory", ElementName="128 MB of memory", InstanceID=2, ResourceType=4,
           VirtualQuantity=128) \
    + rasd(Address=0, Caption="ideController0", ElementName="ideController0", InstanceID=3, ResourceSubType="PIIX4", ResourceType=5) \
    + rasd(Address=1, Caption="ideController1", ElementName="ideController1", InstanceID=4, ResourceSubType="PIIX4", ResourceType=5) \
    + rasd(AddressOnParent=0, AutomaticAllocation="true", Caption="sound", ElementName="sound", InstanceID=5, ResourceSubType="ensoniq1371",
           ResourceType=35) \
    + rasd(AddressOnParent=1, Caption="disk1", ElementName="disk1", HostResource="/disk/vmdisk1", InstanceID=6, Parent=3, ResourceType=17) \
    + rasd(AddressOnParent=1, Caption="disk2", ElementName="disk2", HostResource="/disk/vmdisk2", InstanceID=7, Parent=4, ResourceType=17) \
    + rasd(AddressOnParent=0, AutomaticAllocation="true", Caption="cdrom1", ElementName="cdrom1", InstanceID=8, Parent=4, ResourceType=15) \
    + rasd(AutomaticAllocation="true", Connection="NAT", ElementName="Ethernet adapter on 'NAT'", InstanceID=9, ResourceSubType="PCNet32",
           ResourceType=10) \
    + """</VirtualHardwareSection>
<vbox:Machine ovf:required="false" version="1.15-linux" name="Old PC" OSType="Windows98"><ovf:Info>VirtualBox machine</ovf:Info>
<Hardware><CPU count="7"/><Memory RAMSize="9"/></Hardware></vbox:Machine></VirtualSystem></Envelope>
"""


def others(vmdk, contents):
    os.mkdir("in")
    write("in/web-disk1.vmdk", vmdk)
    write("in/old-disk001.vmdk", vmdk)
    write("in/web.ovf", VMWARE % (len(vmdk), "words " * 1000))
    write("in/old.ovf", VIRTUALBOX)
    sums = "".join("SHA1(%s)= %s\n" % (n, hashlib.sha1(read("in/" + n)).hexdigest()) for n in ("web.ovf", "web-disk1.vmdk"))
    write("in/web.mf", sums)
    text = run("vm", "import", "in/web.ovf", says="SCSI")
    check("2 processors" in text and "RTL8139" in text, text)
    conf = read("web server.ring3/machine.conf").decode()
    check(re.search(r"profile = xp\nm = 512\nnic = user,model=rtl8139\nhda = disk1.qcow2\n", conf), conf)
    check(disk("web server.ring3/disk1.qcow2") == contents, "VMware's disk is not equal")
    run("vm", "import", "in/old.ovf", "old")
    conf = read("old.ring3/machine.conf").decode()
    check(re.search(r"profile = win98\nm = 128\nnic = user,model=pcnet\nhdb = disk2.qcow2\nhdd = disk4.qcow2\n", conf), conf)
    check(disk("old.ring3/disk2.qcow2") == contents and disk("old.ring3/disk4.qcow2") == bytes(1 << 20), "VirtualBox's disks")
    run("vm", "start", "old", "--headless")
    run("vm", "stop", "old", "--force")
    write("in/web.mf", sums.replace("= ", "= 0"))
    refuse("damaged", "vm", "import", "in/web.ovf", "bad")
    for name in ("web server", "old"):
        run("vm", "delete", name, "--yes")


def tar_of(files, change=None):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as t:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            if change:
                change(info)
            t.addfile(info, io.BytesIO(data))
    return out.getvalue()


def hostile(vmdk):
    """Each is refused in a sentence, and leaves nothing."""
    ovf = VIRTUALBOX
    good = [("a.ovf", ovf.encode()), ("old-disk001.vmdk", vmdk)]
    bomb = '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">' + "".join('<!ENTITY %c "%s">' % (c, "&%c;" % (ord(c) - 1) * 10)
                                                              for c in "bcdefghij") + "]>"
    head, rest = ovf.split("\n", 1)
    external = head + '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + rest.replace("<Info>A virtual", "<Info>&x; A virtual")
    names = lambda name: [("a.ovf", ovf.replace("old-disk001.vmdk", name).encode()), (name, vmdk)]
    texts = [
        (bomb.join([head, rest]), "document type"), (external, "document type"), ("", "XML|nothing"), ("<a/>", "Envelope"),
        (ovf[:-40], "XML"), (ovf.replace("<Info>A virtual", "<Info>\x01A virtual"), "XML"),
        (ovf.replace("<NetworkSection>", "<x>" * 100 + "</x>" * 100 + "<NetworkSection>"), "deep"),
        (ovf + " " * (2 << 20), "longer"), (ovf.replace("67108864", "99999999999999999999"), "impossible"),
        (ovf.replace('"1048576"', '"999999999999999999"'), "impossible"), (ovf.replace(">128</rasd:V", ">99999999999999</rasd:V"), "memory"),
        (ovf.replace(">128</rasd:V", ">-1</rasd:V"), "quantity"), (ovf.replace("/disk/vmdisk1", "/disk/other"), "without a disk"),
        (ovf.replace('ovf:fileRef="file1"', 'ovf:fileRef="file2"'), "file"), (ovf.replace('diskId="vmdisk1"', 'diskId="%s"' % ("x" * 300)), "long"),
        (ovf.replace('ovf:href="old', 'ovf:compression="gzip" ovf:href="old'), "compressed"),
        (ovf.replace("</Envelope>", "<VirtualSystem ovf:id='b'/></Envelope>"), "several"),
    ]
    packages = [(tar_of([("a.ovf", text.encode()), good[1]]), says) for text, says in texts]
    packages += [(tar_of(names(name)), "leads elsewhere") for name in ("../victim", "/etc/passwd", "sub/disk.vmdk", ".hidden", "..")]
    link = lambda info: (setattr(info, "type", tarfile.SYMTYPE), setattr(info, "linkname", "/etc/passwd"), setattr(info, "size", 0)) \
        if info.name != "a.ovf" else None
    whole = tar_of(good)
    packages += [
        (tar_of(good, link), "no plain file"), (tar_of(good[:1]), "not in it"), (tar_of(good[::-1]), "no OVA"), (whole[:3000], "cut off"),
        (whole[:100], "cut off"), (b"", "nothing"), (bytes(10240), "nothing"), (os.urandom(10240), "no tar"), (vmdk, "no tar"),
        (tar_of([good[0], ("old-disk001.vmdk", b"root:x:0:0:root:/root:/bin/bash\n" * 40)]), "no image"),
        (tar_of([good[0], ("old-disk001.vmdk", vmdk[:len(vmdk) // 2])]), "old-disk001.vmdk"),
        (tar_of(good + [("x%d" % n, b"") for n in range(200)]), "too many"),
        (tar_of(good + [("a.mf", b"SHA256(old-disk001.vmdk)= 00\n")]), "damaged"), (tar_of(good + [("a.mf", b"nonsense\n")]), "manifest"),
        (tar_of(good + [("a.mf", b"SHA1(gone)= 00\n")]), "not in it"),
    ]
    size = bytearray(whole) # an entry of 2^60 bytes
    at = whole.index(b"old-disk001.vmdk\0")
    size[at + 124:at + 136] = b"\x80\0\0\0\x10" + bytes(7)
    size[at + 148:at + 156] = b" " * 8
    size[at + 148:at + 156] = b"%06o\0 " % sum(size[at:at + 512])
    packages.append((bytes(size), "cut off"))
    backing = "in/over.qcow2"
    write("in/secret.raw", b"secret" * 1000)
    subprocess.check_call([RING3, "img", "create", "-q", "-f", "qcow2", "-b", os.path.abspath("in/secret.raw"), "-F", "raw", backing])
    packages.append((tar_of([good[0], ("old-disk001.vmdk", read(backing))]), "another one"))
    before = tree()
    for data, says in packages:
        write("in/evil.ova", data)
        refuse(says, "vm", "import", "in/evil.ova", "evil")
        os.unlink("in/evil.ova")
        check(tree() == before, "something is left of a package that was refused (%s)" % says)
    write("in/a.ovf", ovf)
    os.unlink("in/old-disk001.vmdk")
    os.symlink("web-disk1.vmdk", "in/old-disk001.vmdk")
    refuse("not beside", "vm", "import", "in/a.ovf", "evil")
    refuse("there is no such|No such", "vm", "import", "in/gone.ova")


def mutants(vmdk):
    """Bytes changed anywhere: it is imported or refused, and never more than a sentence."""
    import random
    dice = random.Random(7)
    whole = tar_of([("a.ovf", VIRTUALBOX.encode()), ("old-disk001.vmdk", vmdk)])
    for n in range(int(os.environ.get("MUTANTS", 60))):
        data = bytearray(whole)
        for _ in range(dice.randrange(1, 6)):
            data[dice.randrange(min(len(data), 8192) if dice.randrange(3) else len(data))] = dice.randrange(256)
        write("in/m.ova", bytes(data))
        done = subprocess.run([RING3, "vm", "import", "in/m.ova", "mutant"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        check(done.returncode in (0, 1), "a changed package ended it with %d: %s" % (done.returncode, done.stderr))
        check((done.returncode == 0) == os.path.exists("mutant.ring3"), "a refused package left a machine")
        shutil.rmtree("mutant.ring3", ignore_errors=True)


def main():
    try:
        create()
        conf_by_hand()
        life()
        discard()
        killed()
        nvram()
        clone()
        delete()
        vmdk, contents = export()
        others(vmdk, contents)
        hostile(vmdk)
        mutants(vmdk)
        run("vm", "delete", "alpha", "--yes")
        check(not [n for n in os.listdir(".") if n.endswith(".ring3")], "machines are left: %s" % os.listdir("."))
    finally:
        for name in os.listdir(HERE):
            if os.path.exists(os.path.join(HERE, name, "control.sock")):
                subprocess.run([RING3, "vm", "stop", os.path.join(HERE, name), "--force"], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
        os.chdir("/")
        shutil.rmtree(HERE)
    print("machines as folders: made, run, suspended, copied, packed, unpacked, deleted")


main()
