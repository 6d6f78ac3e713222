#!/bin/bash
# media.sh DIR NAME... - unmodified boot media from Debian packages, each kept in DIR once it is made:
#   memtest.iso                memtest86+'s own CD
#   syslinux.img               1.44 MB floppy: SYSLINUX with a menu; memtest86+, reboot
#   syslinux-hd.img            FAT16 hard disk: SYSLINUX; the Debian kernel with busybox, memtest86+
#   vmlinuz-pae                Debian's kernel for PAE, linux-image-686-pae      pae-hd.img   the like of syslinux-hd.img with it
#   eltorito-fd.iso            CD that pretends to be syslinux.img      eltorito-hd.iso   ... to be tools-hd.img
#   tools-hd.img               FAT16 hard disk: SYSLINUX at its prompt, with all its programs
#   grub.iso, grub.img         GRUB rescue CD and floppy         gnumach.iso   GNU Mach under GRUB
#   ipxe.iso, ipxe.lkrn        iPXE                              seabios.bin   SeaBIOS, for -bios
#   di-text.iso, di-gtk.iso    the Debian installer, booted by ISOLINUX
#   debian.img                 1.5 GB hard disk: Debian 12 i386 with GRUB in the MBR; root logs in on the screen and COM1. Needs
#                              root, and ring3: RING3=PROGRAM, else the tree's build/ring3. Takes minutes; progress is in
#                              DIR/debian-disk.log, packages are kept in DIR/debs, SECOND_STAGE_LIMIT=SECONDS ends it (2700)
# Exit code 77: one could not be had; 1: ring3 failed at making it. The last line says why.
set -euo pipefail

[ $# -ge 2 ] || { echo "usage: media.sh DIR NAME..." >&2; exit 1; }
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
dir=$(cd "$1" && pwd)
shift
. "$here/packages.sh"

ring3=${RING3:-$here/../../build/ring3}
end() { echo "$*" >&2; exit 1; }
tools() {
    for t; do
        [ -n "$(PATH=$PATH:/usr/sbin:/sbin command -v "$t")" ] || skip "$t is not installed"
    done
}
PATH=$PATH:/usr/sbin:/sbin
package() { # package NAME: its files in $new/NAME
    [ -d "$new/$1" ] || { state; unpack "$1" "$new/$1"; }
}
from_package() { # from_package PACKAGE FILE OUT
    package "$1"
    cp "$(find "$new/$1" -type f -name "$2" | head -n 1)" "$new/$3"
}
modules=usr/lib/syslinux/modules/bios

syslinux_menu() { # syslinux_menu: its configuration, on standard output
    printf 'UI menu.c32\nPROMPT 0\nTIMEOUT 50\nMENU TITLE %s\n' "$1"
    printf 'LABEL memtest\n KERNEL memtest\nLABEL reboot\n COM32 reboot.c32\n'
}
# What both SYSLINUX disks have, into the FAT file system that mtools calls $1.
syslinux_files() {
    package syslinux-common
    package memtest86+
    for f in menu libutil libcom32 reboot; do mcopy -i "$1" "$new/syslinux-common/$modules/$f.c32" ::; done
    mcopy -i "$1" "$(find "$new/memtest86+" -name '*ia32.bin')" ::memtest
    mcopy -i "$1" "$new/syslinux.cfg" ::
}
floppy_syslinux() {
    tools mkfs.fat mcopy syslinux
    truncate -s 1440K "$new/$1"
    mkfs.fat -F 12 "$new/$1" >/dev/null
    syslinux_menu floppy >"$new/syslinux.cfg"
    syslinux_files "$new/$1"
    syslinux --install "$new/$1"
}
kernel_pae() {
    state
    # The first fetch updates the lists, which the name of the real package is read from.
    fetch linux-image-686-pae || skip "linux-image-686-pae could not be downloaded (see $apt/log)"
    from_package "$(dpkg-deb -f "$apt"/linux-image-686-pae_*.deb Depends | sed -n 's/^\(linux-image-[^ ,]*\).*/\1/p')" 'vmlinuz-*' "$1"
}
need() { # need NAME: another medium, made if it is not there
    [ -s "$dir/$1" ] || { make_one "$1"; mv "$new/$1" "$dir/$1"; }
}
disk_syslinux() { # disk_syslinux OUT KERNEL
    tools mkfs.fat mcopy syslinux sfdisk
    "$here/debian.sh" "$dir"
    truncate -s 64M "$new/$1"
    echo '2048,,6,*' | sfdisk -q "$new/$1"
    mkfs.fat -F 16 --offset 2048 "$new/$1" $((63 * 1024)) >/dev/null
    { syslinux_menu disk
      printf 'LABEL debian\n KERNEL %s\n APPEND initrd=initramfs.gz console=tty0 console=ttyS0\n' "$2"; } >"$new/syslinux.cfg"
    syslinux_files "$new/$1@@1M"
    mcopy -i "$new/$1@@1M" "$dir/$2" "$dir/initramfs.gz" ::
    syslinux --install --offset $((2048 * 512)) "$new/$1"
    dd if="$new/syslinux-common/usr/lib/syslinux/mbr/mbr.bin" of="$new/$1" conv=notrunc status=none
}

disk_tools() {
    tools mkfs.fat mcopy syslinux sfdisk
    package syslinux-common
    truncate -s 40M "$new/$1"
    echo '2048,,6,*' | sfdisk -q "$new/$1"
    mkfs.fat -F 16 --offset 2048 "$new/$1" $((39 * 1024)) >/dev/null
    printf 'PROMPT 1\nTIMEOUT 0\nLABEL list\n COM32 ls.c32\n' >"$new/syslinux.cfg"
    mcopy -i "$new/$1@@1M" "$new/syslinux-common/$modules"/*.c32 "$new/syslinux.cfg" ::
    syslinux --install --offset $((2048 * 512)) "$new/$1"
    dd if="$new/syslinux-common/usr/lib/syslinux/mbr/mbr.bin" of="$new/$1" conv=notrunc status=none
}
eltorito() { # eltorito OUT IMAGE [-hard-disk-boot]
    tools xorriso
    need "$2"
    mkdir "$new/cd"
    cp "$dir/$2" "$new/cd/boot.img"
    xorriso -as mkisofs -quiet -o "$new/$1" -b boot.img ${3-} -c boot.cat "$new/cd" 2>/dev/null
    rm -r "$new/cd"
}

installer() { # installer OUT text|gtk
    tools xorriso
    package debian-installer-12-netboot-i386
    package isolinux
    package syslinux-common
    cd=$new/cd
    mkdir -p "$cd/isolinux"
    cp "$new/debian-installer-12-netboot-i386/usr/lib/debian-installer/images/12/i386/$2/debian-installer/i386/"{linux,initrd.gz} "$cd"
    printf 'DEFAULT install\nPROMPT 1\nTIMEOUT 30\nLABEL install\n KERNEL /linux\n APPEND initrd=/initrd.gz vga=788 ---\n' \
        >"$cd/isolinux/isolinux.cfg"
    cp "$new/isolinux/usr/lib/ISOLINUX/isolinux.bin" "$new/syslinux-common/$modules/ldlinux.c32" "$cd/isolinux"
    xorriso -as mkisofs -quiet -o "$new/$1" -b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot -boot-load-size 4 \
        -boot-info-table -J -R "$cd" 2>/dev/null
    rm -r "$cd"
}
mach() {
    tools grub-mkrescue xorriso mformat
    [ -d /usr/lib/grub/i386-pc ] || skip "grub-pc-bin is not installed"
    package gnumach-image-1.8-486
    cd=$new/cd
    mkdir -p "$cd/boot/grub"
    cp "$new"/gnumach-image-1.8-486/boot/gnumach-*.gz "$cd/boot/gnumach.gz"
    printf 'set timeout=2\nmenuentry "GNU Mach" { multiboot /boot/gnumach.gz console=com0 }\n' >"$cd/boot/grub/grub.cfg"
    grub-mkrescue -d /usr/lib/grub/i386-pc -o "$new/$1" "$cd" >/dev/null 2>&1
    rm -r "$cd"
}

# --- a whole Debian ---------------------------------------------------------------------------------------------

# No program for i386 runs on the host, which may be unable to: debootstrap unpacks the required packages there (its first
# stage), and everything that packages do themselves happens in ring3, on the disk that is being made.
mirror() { apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: bookworm' 2>/dev/null | head -n 1; }
first_stage() {
    rm -rf "$root"
    debootstrap --foreign --arch=i386 --variant=minbase --cache-dir="$debs" \
        --include=linux-image-686,systemd-sysv,udev,kmod,procps,e2fsprogs,util-linux bookworm "$root" $(mirror) >"$log" 2>&1
}
debian_tree() { # the file system's contents, in $root
    mkdir -p "$debs"
    retry first_stage || skip "debootstrap failed: $(tail -n 1 "$log")"
    for deb in "$debs"/*.deb; do # of an earlier time
        [ -e "$root/var/cache/apt/archives/$(basename "$deb")" ] || rm -f "$deb"
    done
    echo guest >"$root/etc/hostname"
    echo '/dev/sda1 / ext4 errors=remount-ro,noatime 0 1' >"$root/etc/fstab"
    for t in serial-getty@ttyS0 getty@tty1; do
        mkdir -p "$root/etc/systemd/system/$t.service.d"
        printf '[Service]\nExecStart=\nExecStart=-/sbin/agetty --autologin root --noclear --keep-baud 115200,9600 %%I $TERM\n' \
            >"$root/etc/systemd/system/$t.service.d/autologin.conf"
    done
    mkdir -p "$root/etc/systemd/system/getty.target.wants"
    ln -sf /lib/systemd/system/serial-getty@.service "$root/etc/systemd/system/getty.target.wants/serial-getty@ttyS0.service"
    for u in apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer dpkg-db-backup.timer; do
        ln -sf /dev/null "$root/etc/systemd/system/$u"
    done
    echo 'echo "LOGGED-IN $(tty) up=$(cut -d" " -f1 /proc/uptime)"' >"$root/root/.profile"
    # Packages own the files that are usually edited for this.
    mkdir -p "$root/etc/initramfs-tools/conf.d" "$root/usr/share/initramfs-tools/modules.d"
    echo 'MODULES=list' >"$root/etc/initramfs-tools/conf.d/modules"
    printf 'ata_piix\nata_generic\nsd_mod\next4\n' >"$root/usr/share/initramfs-tools/modules.d/disk"
}
debian_grub() { # GRUB's files and its configuration
    mkdir -p "$root/boot/grub/i386-pc"
    cp /usr/lib/grub/i386-pc/*.{mod,lst} "$root/boot/grub/i386-pc/"
    cat >"$root/boot/grub/grub.cfg" <<G
serial --unit=0 --speed=115200
terminal_input console serial
terminal_output console serial
set timeout=2
set root=(hd0,msdos1)
menuentry 'Debian 12 i386' {
    linux /vmlinuz root=/dev/sda1 ro console=tty0 console=ttyS0,115200
    initrd /initrd.img
}
G
}
second_stage() { # second_stage DISK: in ring3, by Debian's kernel and the script second_stage as its first process
    "$here/debian.sh" "$dir"
    mkdir "$new/first"
    cp "$here/second_stage" "$new/first"
    chmod 755 "$new/first/second_stage"
    (cat "$dir/initramfs-disk.gz"
     cd "$new/first"
     echo second_stage | cpio --quiet -R 0:0 -o -H newc | gzip -1n) >"$new/initramfs.gz"
    echo "debootstrap's second stage runs in ring3: $log shows how far it is"
    limit=${SECOND_STAGE_LIMIT:-2700}
    began=$SECONDS
    code=0
    timeout -k 10 "$limit" "$ring3" -m 512 -kernel "$dir/vmlinuz" -initrd "$new/initramfs.gz" \
        -append "console=ttyS0 rdinit=/second_stage panic=-1" -hda "$1" -serial "file:$log" -display none -no-reboot \
        </dev/null >"$new/said" 2>&1 || code=$?
    took=$((SECONDS - began))
    if [ "$code" != 0 ] || ! grep -q '^SECOND-STAGE-DONE' "$log"; then
        why=$({ grep -a '^SECOND-STAGE-FAILED' "$log" || tail -qn 1 "$log" "$new/said"; } | tail -n 1 | tr -d '\r')
        [ "$took" -lt "$limit" ] || why="the limit is $limit s; it got to: $why"
        end "debootstrap's second stage failed in ring3 after $took s, exit code $code: $why"
    fi
    echo "debootstrap's second stage took $took s"
}
debian_disk() {
    tools debootstrap mkfs.ext4 sfdisk grub-mkimage cpio
    [ -d /usr/lib/grub/i386-pc ] || skip "grub-pc-bin is not installed"
    [ "$(id -u)" = 0 ] || skip "a Debian disk can only be made by root"
    [ -x "$ring3" ] || end "there is no $ring3: build ring3 first, or say RING3=PROGRAM"
    root=$new/root
    debs=$dir/debs
    log=$dir/debian-disk.log
    debian_tree
    debian_grub
    truncate -s 1535M "$new/part"
    mkfs.ext4 -q -F -L root -d "$root" "$new/part"
    truncate -s 1536M "$new/$1"
    echo '2048,,83,*' | sfdisk -q "$new/$1"
    dd if="$new/part" of="$new/$1" bs=1M seek=1 conv=notrunc,sparse status=none
    rm -rf "$root" "$new/part"
    second_stage "$new/$1"
    grub-mkimage -O i386-pc -o "$new/core.img" -p '(hd0,msdos1)/boot/grub' biosdisk part_msdos ext2 serial terminal linux normal \
        configfile echo test minicmd
    dd if=/usr/lib/grub/i386-pc/boot.img of="$new/$1" bs=440 count=1 conv=notrunc status=none
    dd if="$new/core.img" of="$new/$1" bs=512 seek=1 conv=notrunc status=none
}

make_one() {
    case $1 in
    memtest.iso) from_package memtest86+ '*ia32.iso' "$1" ;;
    syslinux.img) floppy_syslinux "$1" ;;
    syslinux-hd.img) disk_syslinux "$1" vmlinuz ;;
    vmlinuz-pae) kernel_pae "$1" ;;
    pae-hd.img) need vmlinuz-pae; disk_syslinux "$1" vmlinuz-pae ;;
    tools-hd.img) disk_tools "$1" ;;
    eltorito-fd.iso) eltorito "$1" syslinux.img ;;
    eltorito-hd.iso) eltorito "$1" tools-hd.img -hard-disk-boot ;;
    grub.iso) from_package grub-rescue-pc '*.iso' "$1" ;;
    grub.img) from_package grub-rescue-pc '*floppy.img' "$1" ;;
    gnumach.iso) mach "$1" ;;
    ipxe.iso | ipxe.lkrn) from_package ipxe "$1" "$1" ;;
    seabios.bin) from_package seabios bios.bin "$1" ;;
    di-text.iso) installer "$1" text ;;
    di-gtk.iso) installer "$1" gtk ;;
    debian.img) debian_disk "$1" ;;
    *) echo "media.sh: no medium named '$1'" >&2; exit 1 ;;
    esac
}

have_all() { # a medium that is there is complete: it was moved to its place
    for name; do [ -s "$dir/$name" ] || return 1; done
}
have_all "$@" && exit 0

# Two tests may want a medium at once. The Debian disk takes long, and nobody else waits for it.
for name; do
    lane=media
    [ "$name" != debian.img ] || lane=debian-disk
    (
        exec 8>"$dir/.$lane.lock"
        flock 8
        [ ! -s "$dir/$name" ] || exit 0
        apt=$dir/$lane-apt # debian.sh has its own
        new=$dir/$lane-new # where a medium grows; it moves to its place when it is done
        rm -rf "$new"
        trap 'rm -rf "$new"' EXIT
        mkdir -p "$new"
        make_one "$name"
        mv "$new/$name" "$dir/$name"
        rm -rf "$apt"
    )
done
