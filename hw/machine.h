/* machine.h - the board: every chip by value, wired in machine.c. */
#ifndef RING3_MACHINE_H
#define RING3_MACHINE_H

#include "cpu/base/base.h"
#include "hw/balloon.h"
#include "hw/chardev.h"
#include "hw/clock.h"
#include "hw/drive.h"
#include "hw/nic.h"
#include "hw/gameport.h"
#include "hw/sb16.h"
#include "hw/screen.h"
#include "hw/speaker.h"
#include "mmu/phys.h"

/* Of the board as a guest sees it: a saved machine loads on one of the same version. "pc" is the newest. */
#define MACHINE_VERSION "1.0"

typedef struct MachineConfig {
    u32 ram_bytes;
    Chardev *serial[2]; /* NULL: no backend, the port exists all the same */
    Chardev *parallel;  /* likewise */
    Chardev *debugcon;  /* NULL: port 0xe9 absent */
    u16 debugcon_port;
    bool debug_exit; /* -device isa-debug-exit */
    u16 debug_exit_iobase;
    u8 debug_exit_iosize;
    bool postcode; /* -device post */
    u16 postcode_port;
    bool testdev;             /* -device pc-testdev */
    bool hpet;                /* -machine hpet=on */
    bool vmport;              /* -machine vmport=on */
    u32 lapic_version;        /* of the processor's local APIC (lapic.h); 0: no APICs */
    s64 rtc_base_unix_s;      /* RTC at power-on, UTC seconds */
    const u8 *cmos;           /* 128 bytes of its memory that the battery kept; NULL: none */
    bool manual_clock;        /* tests */
    bool has_firmware;        /* chips start in their reset state; false (-kernel): as firmware leaves them */
    Drive drive[DRIVE_COUNT]; /* what is in the bays at power-on */
    const u8 *bios;           /* with firmware: the image that ends at 4 GiB and at 1 MiB; NULL without */
    u32 bios_bytes;
    NicConfig nic[NICS_MAX]; /* network cards, in PCI slots from 3 on; NIC_NONE: no card */
    Sb16Config sb16;         /* -device sb16 */
    bool adlib;              /* -device adlib; a Sound Blaster has one, too */
    bool es1370, ac97;       /* -device ES1370, AC97 */
    Mpu401Config mpu401;     /* -device mpu401; a Sound Blaster has one, too */
    bool gameport;           /* -device gameport */
    BalloonConfig balloon;   /* -device virtio-balloon-pci */
    bool no_vga;         /* -vga none */
    ScreenState *screen; /* where the VGA's registers shall lie (shared memory); NULL: in the machine */
    const u8 *vga_rom;   /* its option ROM, in the ROM BAR; NULL: none */
    u32 vga_rom_bytes;
    /* -device glassbox: who answers its questions, copied. NULL: there is none. */
    const struct GlassboxSource *glassbox;
} MachineConfig;

/* What the board asks of whoever runs it. All on the vCPU thread. */
typedef struct MachineEvents {
    void *ctx;
    void (*intr)(void *ctx, bool level); /* INTR of the local APIC, or of the PIC where there is none */
    void (*reset)(void *ctx);            /* 0xCF9, 0x64/0xFE, port 92 */
    void (*poweroff)(void *ctx);         /* PM1_CNT SLP_EN with S5 */
    void (*debug_exit)(void *ctx, u32 value);
    void (*a20)(void *ctx, bool enabled);                  /* after phys_set_a20 */
    void (*deadline)(void *ctx, u64 guest_ns);             /* earliest timer deadline changed */
    void (*speaker)(void *ctx, const SpeakerEvent *event); /* guest time; what it is from now on */
    void (*nmi)(void *ctx);                                /* an NMI for the processor */
    void (*init)(void *ctx);                               /* an INIT */
    u32 *(*registers)(void *ctx); /* the processor's general registers, while it is at a port */
} MachineEvents;

typedef struct Machine Machine;
Machine *machine_new(const MachineConfig *cfg, const MachineEvents *ev); /* NULL: no memory */
void machine_free(Machine *m);
void machine_reset(Machine *m); /* chips to power-on state; RAM stays, A20 per reset default (on) */
Bus *machine_bus(Machine *m);
Phys *machine_phys(Machine *m);
Clock *machine_clock(Machine *m);
u8 machine_intr_ack(void *machine); /* INTA cycle: the vector; for Vcpu.intr_ack */
void machine_set_apic_base(void *machine,
                           u64 base); /* IA32_APIC_BASE was written; for Vcpu.apic_base_written */
void machine_nmi(Machine *m);         /* somebody pulls the NMI line for a moment; port 70h bit 7 masks it */
void machine_ferr(void *machine, bool level); /* FERR#: IRQ13 */
void machine_service(Machine *m);             /* run due timers, pull chardev input */
Drive *machine_drive(Machine *m, DriveId id);
/* The socket of network card n (MachineConfig.nic): who plugs a cable in fills in his half. NULL: no such card. */
NetPort *machine_net(Machine *m, unsigned n);
/* The mixer, for who listens. */
Sound *machine_sound(Machine *m);
/* A joystick is plugged in, moved, or unplugged; without a game port nothing happens. */
void machine_stick(Machine *m, unsigned stick, const Stick *now);
bool machine_has_gameport(const Machine *m);
/* The MIDI cable's other end, to be filled in. */
MidiOut *machine_midi(Machine *m);
/* The memory balloon. False, *b untouched: the board has none. */
typedef struct BalloonInfo {
    u64 guest_bytes;  /* that the guest has: memory without what it gave */
    u64 target_bytes; /* that it shall have */
    u64 stats[BALLOON_STATS];
    u32 stats_told;   /* bits of those that it told */
    u64 stats_age_ns; /* of guest time */
} BalloonInfo;
bool machine_balloon_info(Machine *m, BalloonInfo *b);
bool machine_balloon_ask(Machine *m, u64 guest_bytes); /* how much memory the guest shall have */
bool machine_balloon_ask_stats(Machine *m);            /* new ones, which come when the guest has time */
/* Every part: its owner may add some of his own (the processor) before the first machine_reset() of a run. */
struct Parts *machine_parts(Machine *m);
const struct Pic *machine_pic(const Machine *m);       /* for people who look */
const struct Lapic *machine_lapic(const Machine *m);   /* NULL: none */
const struct Ioapic *machine_ioapic(const Machine *m); /* NULL: none */
const struct Pci *machine_pci(const Machine *m);
/* For scanout_new(): the VGA's registers and memory, and where in phys->memfd that lies. Without a VGA: NULL and 0. */
const ScreenState *machine_screen(const Machine *m);
const u8 *machine_vram(const Machine *m, u32 *bytes);
u64 machine_vram_offset(const Machine *m);
void machine_disk_flushed(Machine *m); /* what a medium said MEDIUM_LATER to is done */
/* Pressed for a moment: the guest may power off. False: it has no driver that listens. */
bool machine_power_button(Machine *m);
void machine_set_boot_menu(Machine *m, bool wanted);  /* the firmware is to show it */
void machine_set_uuid(Machine *m, const u8 uuid[16]); /* for the firmware's SMBIOS; zeros: it has none */
/* A file that calls `written` on the vCPU thread when the firmware writes to it. */
void machine_add_firmware_call(Machine *m, const char *name, void (*written)(void *ctx), void *ctx);
/* A file for the firmware (fw_cfg); the bytes are the caller's, for the machine's life. */
void machine_add_firmware_file(Machine *m, const char *name, const void *bytes, u32 count);
/* A person's hand, on the vCPU thread. Keys are hw/keys.h codes, without the host's repeats (the keyboard has its own). */
void machine_key(Machine *m, u8 key, bool down);
bool machine_keys_taken(const Machine *m); /* the guest has read all that was typed: who types text waits */
u8 machine_leds(const Machine *m);         /* bit 0 ScrollLock, 1 NumLock, 2 CapsLock */
/* Counts to the right, down, wheel away from the person; MOUSE_ bits of all buttons that are down now. */
void machine_mouse(Machine *m, int dx, int dy, int dz, u8 buttons);
/* The guest asks where the pointer is (vmport.h), and machine_prefer_movement() did not decide otherwise: x and y from 0 to
 * 65535, the edges of the screen. Else machine_pointer() does nothing. */
bool machine_wants_pointer(const Machine *m);
void machine_pointer(Machine *m, u32 x, u32 y, int dz, u8 buttons);
void machine_prefer_movement(Machine *m, bool movement);
/* ... it asks, whatever was decided. False also without such a port. */
bool machine_has_pointer(const Machine *m);
/* Poke CMOS/RTC NVRAM (firmware data the loader sets). */
void machine_set_cmos(Machine *m, u8 index, u8 value);
/* machine_move_time - the RTC, and the time that VMware's port tells, jump by so many seconds (rtc_move). */
void machine_move_time(Machine *m, s64 seconds);
const u8 *machine_cmos(const Machine *m); /* all 128 bytes */

#endif
