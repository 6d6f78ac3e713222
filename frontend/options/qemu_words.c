/* qemu_words.c - QEMU's words that ring3 has no use for, so that a line which starts QEMU starts ring3, or says why not.
 *
 * From the manual of QEMU 7.2 for i386 and x86_64, and from older ones: options that were taken away since still stand in
 * tutorials. A word is accepted if what it asks for is true without it (nothing is plugged in at -usb), and
 * refused if somebody who wrote it would miss something. The refusal names a way out.
 */
#include "frontend/options/qemu_words.h"

#include "frontend/say.h"

#define NO_KVM "ring3 does without kernel modules, by translation: leave it out"
#define NO_XEN "not a Xen domain: leave it out"
#define NO_USB "no USB: leave it out; keyboard and mouse are on PS/2 ports"
#define NO_SOUND                                                                                             \
    "no such sound card: sb16, ES1370 and AC97 are the ones that most guests know; adlib is an OPL3 alone"
#define NO_SPICE  "no SPICE: leave it out; -vnc :N shows the screen elsewhere, -display sdl is a window"
#define NO_PRETTY "no layout for people: -qmp takes the same DEV and sends the same texts, one a line"
#define NO_CHARDEV                                                                                           \
    "no named character devices: say the DEV where it is used, as in -serial stdio, or mon:stdio for both"
#define NO_STATE "no saved machine states yet: leave it out; -snapshot keeps the images as they are"
#define NO_FOLDERS                                                                                           \
    "no shared folders: put the files on an image (mtools, xorriso), or send them through a serial port"
#define NO_OBJECTS       "no such objects: leave it out"
#define NO_OTHER_MACHINE "not for a PC: leave it out"
#define ONE_MEMORY       "memory is one piece, from the host's pages as the guest needs them: leave it out"
#define NO_PASSTHROUGH   "no devices of the host in the guest: leave it out"
#define DRIVES                                                                                               \
    "no drives by name: -drive file=FILE,if=ide (or -hda, -cdrom, -fda) puts a drive in its place at once"

static const QemuWord words[] = {
    /* true already */
    {"win2k-hack", "", NULL},
    {"no-user-config", "", NULL},
    {"nouser-config", "", NULL},
    {"no-kvm", "", NULL},
    {"no-kqemu", "", NULL},
    {"no-kvm-irqchip", "", NULL},
    {"no-kvm-pit", "", NULL},
    {"usb", "", NULL},
    {"overcommit", "mem-lock=off|cpu-pm=off|mem-lock=off,cpu-pm=off", ONE_MEMORY},
    {"realtime", "mlock=off", ONE_MEMORY},
    {"msg", "timestamp=off|timestamp=off,guest-name=off|guest-name=off", "messages are plain: leave it out"},
    {"watchdog-action", "*", NULL}, /* nothing can set it off: */
    /* the processor and how it runs */
    {"enable-kvm", "", NO_KVM},
    {"kvm", "", NO_KVM},
    {"kvm-shadow-memory", "*", NO_KVM},
    {"enable-hax", "", NO_KVM},
    {"xen-domid", "*", NO_XEN},
    {"xen-attach", "", NO_XEN},
    {"xen-domid-restrict", "", NO_XEN},
    {"tb-size", "*", "now -accel translate,tb-size=MIB"},
    {"singlestep", "", "-accel interp runs one instruction at a time"},
    {"one-insn-per-tb", "", "-accel interp runs one instruction at a time"},
    {"icount", "*", "time follows the host's; -speed MHZ caps how many instructions run in it"},
    {"numa", "*", ONE_MEMORY},
    {"mem-path", "*", ONE_MEMORY},
    {"mem-prealloc", "", ONE_MEMORY},
    {"set", "*", "no named parts: set what is meant where it is given"},
    {"writeconfig", "*", "no configuration files: the command line is all there is"},
    {"readconfig", "*", "no configuration files: the command line is all there is"},
    {"add-fd", "*", "no passed descriptors: name the file"},
    {"compat", "*", "one version only: leave it out"},
    /* firmware */
    {"L", "*", "firmware is found beside the program; -bios FILE and -device VGA,romfile=FILE take another"},
    {"pflash", "*", "no flash chip: -bios FILE takes a firmware of 64 KiB to 1 MiB"},
    {"mtdblock", "*", NO_OTHER_MACHINE},
    {"acpitable", "*", "the ACPI tables are what the board is: leave it out"},
    {"smbios", "*", "the SMBIOS structures are ring3's own; -uuid sets the machine's number"},
    {"fw_cfg", "*", "no files for the guest's firmware but ring3's own: leave it out"},
    {"dtb", "*", NO_OTHER_MACHINE},
    {"shim", "*", NO_OTHER_MACHINE},
    {"semihosting", "", NO_OTHER_MACHINE},
    {"semihosting-config", "*", NO_OTHER_MACHINE},
    {"prom-env", "*", NO_OTHER_MACHINE},
    {"old-param", "", NO_OTHER_MACHINE},
    /* drives */
    {"blockdev", "*", DRIVES},
    {"sd", "*", "no SD card: -hda FILE makes a disk of it"},
    {"hdachs", "*", "a disk's geometry comes from its size: leave it out"},
    {"fsdev", "*", NO_FOLDERS},
    {"virtfs", "*", NO_FOLDERS},
    {"smb", "*", NO_FOLDERS},
    {"tftp", "*", "now -nic user,tftp=DIR"},
    {"bootp", "*", "now -nic user,bootfile=FILE"},
    {"redir", "*", "now -nic user,hostfwd=tcp::2222-:22"},
    {"virtioconsole", "*", "no virtio: -serial DEV is a port that every guest knows"},
    {"iscsi", "*", "no disks over the network: an image or a block device is one"},
    {"only-migratable", "", NO_STATE},
    {"preconfig", "", "nothing can be set up later: leave it out, -S waits before the first instruction"},
    /* sound, USB, other devices */
    {"audio-help", "", "-audio none, sdl or wav:FILE; -device sb16, ES1370, AC97 or adlib is a card"},
    {"usbdevice", "*", NO_USB},
    {"bt", "*", NO_USB},
    {"pcidevice", "*", NO_PASSTHROUGH},
    {"tpmdev", "*", "no TPM: leave it out"},
    {"watchdog", "*", "no watchdog card: leave it out"},
    {"object", "*", NO_OBJECTS},
    {"chardev", "*", NO_CHARDEV},
    /* the screen */
    {"spice", "*", NO_SPICE},
    {"g", "*", "the guest chooses its screen's size: leave it out; Ctrl-Alt-F is full screen"},
    {"no-frame", "", "the window has a frame; -full-screen has none"},
    {"alt-grab", "", "Ctrl-Alt is what frees the mouse: leave it out"},
    {"ctrl-grab", "", "Ctrl-Alt is what frees the mouse: leave it out"},
    {"no-quit", "", "closing the window asks first: leave it out"},
    {"show-cursor", "",
     "the host's pointer is shown until a click gives the mouse to the guest: leave it out"},
    {"portrait", "", NO_OTHER_MACHINE},
    {"rotate", "*", NO_OTHER_MACHINE},
    /* talking to it */
    {"qmp-pretty", "*", NO_PRETTY},
    {"mon", "*", NO_CHARDEV},
    {"plugin", "*", "ring3 has hooks of its own: -hook 'load LIB' (docs/HOOKS.md)"},
    {"seed", "*", "the guest's chance is not ring3's: leave it out"},
    {"perfmap", "", "leave it out; -d out_asm shows the code that was made"},
    {"jitdump", "", "leave it out; -d out_asm shows the code that was made"},
    /* the process */
    {"chroot", "*", "ring3 needs no root: start it as the user, and in the place, that it shall have"},
    {"runas", "*", "ring3 needs no root: start it as the user that it shall run as"},
    {"run-with", "*", "leave it out; -daemonize and -pidfile FILE are there"},
    {"async-teardown", "", "leave it out"},
    {"enable-fips", "", "leave it out"},
    {"clock", "*", "time is the host's: leave it out"},
};

const Absent qemu_devices[] = {
    {"e1000*", NO_NETWORK_CARD},
    {"i8255*", NO_NETWORK_CARD},
    {"vmxnet3*", NO_NETWORK_CARD},
    {"tulip*", NO_NETWORK_CARD},
    {"igb*", NO_NETWORK_CARD},
    {"virtio-net*", NO_NETWORK_CARD},
    {"usb-*", NO_USB},
    {"qemu-xhci", NO_USB},
    {"nec-usb-xhci", NO_USB},
    {"piix3-usb-uhci", NO_USB},
    {"piix4-usb-uhci", NO_USB},
    {"ich9-usb-*", NO_USB},
    {"pci-ohci", NO_USB},
    {"gus", NO_SOUND},
    {"cs4231a", NO_SOUND},
    {"intel-hda", NO_SOUND},
    {"ich9-intel-hda", NO_SOUND},
    {"hda-*", NO_SOUND},
    {"virtio-sound*", NO_SOUND},
    {"ide-*", DRIVES},
    {"floppy", DRIVES},
    {"isa-fdc", "the floppy controller is there: leave it out; -fda FILE puts a diskette in"},
    {"virtio-blk*",
     "no virtio: -drive file=FILE,if=ide puts the disk on the IDE bus, which every guest knows"},
    {"virtio-scsi*",
     "no SCSI: -drive file=FILE,if=ide puts the disk on the IDE bus, which every guest knows"},
    {"scsi-*", "no SCSI: -drive file=FILE,if=ide puts the disk on the IDE bus, which every guest knows"},
    {"lsi*", "no SCSI: -drive file=FILE,if=ide puts the disk on the IDE bus, which every guest knows"},
    {"megasas*", "no SCSI: -drive file=FILE,if=ide puts the disk on the IDE bus, which every guest knows"},
    {"am53c974", "no SCSI: -drive file=FILE,if=ide puts the disk on the IDE bus, which every guest knows"},
    {"nvme*", "no NVMe: -drive file=FILE,if=ide puts the disk on the IDE bus, which every guest knows"},
    {"ahci", "no SATA: -drive file=FILE,if=ide puts the disk on the IDE bus, which every guest knows"},
    {"ich9-ahci", "no SATA: -drive file=FILE,if=ide puts the disk on the IDE bus, which every guest knows"},
    {"sd-card", "no SD card: -hda FILE makes a disk of it"},
    {"sdhci-pci", "no SD card: -hda FILE makes a disk of it"},
    {"cirrus-vga", "no Cirrus card yet: leave it out, the VGA with Bochs VBE is there"},
    {"isa-cirrus-vga", "no Cirrus card yet: leave it out, the VGA with Bochs VBE is there"},
    {"isa-vga", "the VGA is on the PCI bus: leave it out"},
    {"vmware-svga", "no such graphics card: leave it out, the VGA with Bochs VBE is there"},
    {"qxl*", "no such graphics card: leave it out, the VGA with Bochs VBE is there"},
    {"virtio-vga*", "no such graphics card: leave it out, the VGA with Bochs VBE is there"},
    {"virtio-gpu*", "no such graphics card: leave it out, the VGA with Bochs VBE is there"},
    {"ati-vga", "no such graphics card: leave it out, the VGA with Bochs VBE is there"},
    {"bochs-display", "no such graphics card: leave it out, the VGA with Bochs VBE is there"},
    {"secondary-vga", "one screen only: leave it out"},
    {"isa-serial", "the serial ports are there: -serial DEV says where the next one leads"},
    {"pci-serial*", "two serial ports, no more: -serial DEV says where the next one leads"},
    {"isa-parallel", "the parallel port is there: -parallel DEV says where it leads"},
    {"isa-debugcon", "-debugcon DEV says where port 0xe9 leads"},
    {"virtserialport", "no virtio: -serial DEV is a port that every guest knows"},
    {"virtconsole", "no virtio: -serial DEV is a port that every guest knows"},
    {"virtio-serial*", "no virtio: -serial DEV is a port that every guest knows"},
    {"virtio-9p*", NO_FOLDERS},
    {"vhost-user-fs*", NO_FOLDERS},
    {"virtio-rng*", "no virtio: leave it out, the guest has its own sources of chance"},
    {"virtio-balloon-*", "a legacy device only: virtio-balloon-pci"},
    {"virtio-*", "no virtio: leave it out, keyboard and mouse are on PS/2 ports"},
    {"pvpanic*", "no such device: leave it out; -device isa-debug-exit ends ring3 at the guest's wish"},
    {"i6300esb", "no watchdog card: leave it out"},
    {"ib700", "no watchdog card: leave it out"},
    {"tpm-*", "no TPM: leave it out"},
    {"vfio-*", NO_PASSTHROUGH},
    {"pci-bridge", "one PCI bus: leave it out"},
    {"pcie-*", "one PCI bus: leave it out"},
    {"ioh3420", "one PCI bus: leave it out"},
    {"loader", "-kernel FILE and -initrd FILE load what a guest starts with"},
    {"ivshmem*", "no such device: leave it out"},
    {"edu", "no such device: leave it out"},
    {"vmcoreinfo", "no such device: leave it out"},
    {"vmgenid", "no such device: leave it out"},
    {"hyperv-*", "no such device: leave it out"},
    {"pc-dimm", ONE_MEMORY},
    {"nvdimm", ONE_MEMORY},
    {NULL, NULL},
};

#define OTHER_CPU "not one of ring3's processors: -cpu max has the most, -cpu help lists them"
#define CPU_64                                                                                               \
    "a 64-bit processor, and ring3's guests are of 32 bits: -cpu max has the most, -cpu help lists the "     \
    "others"

const Absent qemu_cpus[] = {
    {"qemu32", OTHER_CPU},
    {"kvm32", OTHER_CPU},
    {"base", OTHER_CPU},
    {"athlon", OTHER_CPU},
    {"coreduo", OTHER_CPU},
    {"n270", OTHER_CPU},
    {"host", OTHER_CPU},
    {"qemu64", CPU_64},
    {"kvm64", CPU_64},
    {"core2duo", CPU_64},
    {"phenom", CPU_64},
    {"Conroe*", CPU_64},
    {"Penryn*", CPU_64},
    {"Nehalem*", CPU_64},
    {"Westmere*", CPU_64},
    {"SandyBridge*", CPU_64},
    {"IvyBridge*", CPU_64},
    {"Haswell*", CPU_64},
    {"Broadwell*", CPU_64},
    {"Skylake*", CPU_64},
    {"Cascadelake*", CPU_64},
    {"Cooperlake*", CPU_64},
    {"Icelake*", CPU_64},
    {"SapphireRapids*", CPU_64},
    {"Snowridge*", CPU_64},
    {"Denverton*", CPU_64},
    {"KnightsMill*", CPU_64},
    {"Opteron_*", CPU_64},
    {"EPYC*", CPU_64},
    {"Dhyana*", CPU_64},
    {NULL, NULL},
};

/* Their absence may be asked for, too. */
static const char no_such_feature[] =
    "no processor of ring3's has it: leave it out; -cpu help lists what there is";
static const char fixed_feature[] = "it comes with the model: choose another; -cpu help lists them";
bool qemu_feature_is_absent(const char *why) { return why == no_such_feature; }
const Absent qemu_features[] = {
    {"de", fixed_feature},
    {"mtrr", fixed_feature},
    {"pat", fixed_feature},
    {"pge", fixed_feature},
    {"pse", fixed_feature},
    {"vme", fixed_feature},
    {"3dnow*", no_such_feature},
    {"acpi", no_such_feature},
    {"abm", no_such_feature},
    {"adx", no_such_feature},
    {"aes", no_such_feature},
    {"avx*", no_such_feature},
    {"bmi1", no_such_feature},
    {"bmi2", no_such_feature},
    {"cx16", no_such_feature},
    {"f16c", no_such_feature},
    {"fma*", no_such_feature},
    {"fsgsbase", no_such_feature},
    {"hle", no_such_feature},
    {"ht", no_such_feature},
    {"hv*", no_such_feature},
    {"invpcid", no_such_feature},
    {"invtsc", no_such_feature},
    {"kvm*", no_such_feature},
    {"lahf*", no_such_feature},
    {"lm", no_such_feature},
    {"mca", no_such_feature},
    {"mce", no_such_feature},
    {"mmxext", no_such_feature},
    {"monitor", no_such_feature},
    {"osxsave", no_such_feature},
    {"pcid", no_such_feature},
    {"pclmul*", no_such_feature},
    {"pdpe1gb", no_such_feature},
    {"pse36", no_such_feature},
    {"rdrand", no_such_feature},
    {"rdseed", no_such_feature},
    {"rtm", no_such_feature},
    {"sha*", no_such_feature},
    {"ss", no_such_feature},
    {"sse4a", no_such_feature},
    {"svm", no_such_feature},
    {"syscall", no_such_feature},
    {"vaes", no_such_feature},
    {"vmx", no_such_feature},
    {"x2apic", no_such_feature},
    {"xop", no_such_feature},
    {"xsave*", no_such_feature},
    {NULL, NULL},
};

const QemuWord *qemu_word_find(const char *name)
{
    for (unsigned n = 0; n < ARRAY_LEN(words); n++)
        if (!strcmp(words[n].name, name)) return &words[n];
    return NULL;
}

bool qemu_word_takes_value(const QemuWord *w) { return *w->values; }

static bool accepts(const QemuWord *w, const char *value)
{
    if (!w->why) return true;
    for (const char *at = w->values; *at; at += *at == '|') {
        size_t n = strcspn(at, "|");
        if (*at != '*' && strlen(value) == n && !strncmp(at, value, n)) return true;
        at += n;
    }
    return false;
}

OptionsResult qemu_word_judge(const QemuWord *w, const char *value)
{
    if (accepts(w, value ? value : "")) return OPTIONS_RUN;
    if (value)
        say("-%s %.80s: %s", w->name, value, w->why);
    else
        say("-%s: %s", w->name, w->why);
    return OPTIONS_BAD;
}
