#!/bin/bash
# debian.sh DIR - an unmodified Debian kernel and busybox for i386, and an initramfs that ends in a shell:
#   DIR/vmlinuz   linux-image-686 (non-PAE)      DIR/initramfs.gz   busybox-static and tests/guests/init
#   DIR/initramfs-disk.gz   the same with the kernel's modules for IDE disks, CDs, ext4 and FAT
#   DIR/initramfs-net.gz    the same with those for network cards and the mouse
#   DIR/initramfs-sound.gz  the same with ALSA and its drivers of our sound cards
#   DIR/initramfs-virtio.gz the same with the driver of the memory balloon
# Packages come from the host's own apt sources, by an apt state of our own in DIR: no foreign architecture is added to
# the host and no root is needed. What is there already is kept; nothing is downloaded then.
# Exit code 77: they could not be had, and the last line says why.
set -euo pipefail

[ $# -eq 1 ] || { echo "usage: debian.sh DIR" >&2; exit 1; }
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
dir=$(cd "$1" && pwd)

. "$here/packages.sh"

# In the order in which they are loaded.
modules="crc32c_generic scsi_common scsi_mod libata ata_piix crct10dif_common crc-t10dif crc64 crc64-rocksoft t10-pi sd_mod
    cdrom sr_mod crc16 mbcache jbd2 ext4 isofs nls_cp437 nls_iso8859-1 nls_ascii nls_utf8 fat vfat"
# Loaded by hand: `ne` wants to be told where its card is.
modules_net="mii 8390 8390p pcnet32 ne ne2k-pci 8139too 8139cp evdev psmouse"
# In their order, too, but loaded by hand: a card's own from snd-sb-common on.
modules_sound="soundcore snd snd-timer snd-pcm snd-mixer-oss snd-pcm-oss snd-seq-device snd-rawmidi snd-hwdep snd-sb-common snd-opl3-lib
    snd-mpu401-uart snd-mpu401 snd-seq snd-seq-midi-event snd-seq-midi-emul snd-opl3-synth snd-sb16-dsp snd-sb16-csp snd-sb16 gameport snd-ens1370 ac97_bus snd-ac97-codec snd-intel8x0"
# In their order, by hand.
modules_virtio="virtio virtio_ring virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_balloon"

kernel() {
    state
    # The first fetch updates the lists, which the name of the real package is read from.
    fetch linux-image-686 || skip "no Debian guest: linux-image-686 could not be downloaded (see $apt/log)"
    package=$(dpkg-deb -f "$apt"/linux-image-686_*.deb Depends | sed -n 's/^\(linux-image-[^ ,]*\).*/\1/p')
    fetch "$package" || skip "no Debian guest: $package could not be downloaded (see $apt/log)"
    rm -rf "$apt/kernel"
    mkdir -p "$apt/kernel"
    dpkg-deb -x "$apt/$package"_*.deb "$apt/kernel"
    rm -rf "$apt"/*.deb "$dir/modules" "$dir/modules-net" "$dir/modules-sound" "$dir/modules-virtio"
    mkdir "$dir/modules" "$dir/modules-net" "$dir/modules-sound" "$dir/modules-virtio"
    number=10
    for m in $modules; do
        find "$apt/kernel" -name "$m.ko" -exec cp {} "$dir/modules/$number-$m.ko" \;
        number=$((number + 1))
    done
    for m in $modules_net; do find "$apt/kernel" -name "$m.ko" -exec cp {} "$dir/modules-net" \;; done
    for m in $modules_sound; do find "$apt/kernel" -name "$m.ko" -exec cp {} "$dir/modules-sound" \;; done
    for m in $modules_virtio; do find "$apt/kernel" -name "$m.ko" -exec cp {} "$dir/modules-virtio" \;; done
    cp "$apt/kernel"/boot/vmlinuz-* "$dir/vmlinuz.new"
    mv "$dir/vmlinuz.new" "$dir/vmlinuz"
}

busybox() {
    state
    fetch busybox-static || skip "no Debian guest: busybox-static could not be downloaded (see $apt/log)"
    dpkg-deb --fsys-tarfile "$apt"/busybox-static_*.deb | tar -xO ./bin/busybox >"$dir/busybox.new"
    rm -f "$apt"/*.deb
    chmod +x "$dir/busybox.new"
    mv "$dir/busybox.new" "$dir/busybox"
}

# The same bytes from the same busybox and init: sorted names, no times, root's files.
initramfs() { # initramfs NAME [FOLDER OF MODULES [ITS NAME THERE]]
    root=$dir/root
    rm -rf "$root"
    for d in bin dev etc mnt proc root run sys tmp; do mkdir -p "$root/$d"; done
    cp "$dir/busybox" "$root/bin/busybox"
    cp "$here/init" "$root/init"
    [ $# -eq 1 ] || cp -r "$2" "$root/${3:-modules}"
    chmod 755 "$root/init" "$root/bin/busybox"
    echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
    echo 'root:x:0:' >"$root/etc/group"
    find "$root" -exec touch -h -d @0 {} +
    (cd "$root" && find . | LC_ALL=C sort | cpio --quiet --reproducible -R 0:0 -o -H newc | gzip -9n) >"$dir/$1.new"
    rm -rf "$root"
    mv "$dir/$1.new" "$dir/$1.gz"
}

exec 9>"$dir/.lock" # two tests may want them at once
flock 9
[ -s "$dir/vmlinuz" ] && [ -d "$dir/modules" ] && [ -s "$dir/modules-net/psmouse.ko" ] && [ -s "$dir/modules-sound/snd-seq.ko" ] &&
    [ -s "$dir/modules-virtio/virtio_balloon.ko" ] || kernel
[ -s "$dir/busybox" ] || busybox
for part in "$here/init" "$here/debian.sh" "$dir/busybox" "$dir/vmlinuz"; do
    [ "$dir/initramfs-virtio.gz" -nt "$part" ] && continue
    initramfs initramfs
    initramfs initramfs-disk "$dir/modules"
    initramfs initramfs-net "$dir/modules-net" net
    initramfs initramfs-sound "$dir/modules-sound" sound
    initramfs initramfs-virtio "$dir/modules-virtio" virtio
    break
done
rm -rf "$dir/apt"
