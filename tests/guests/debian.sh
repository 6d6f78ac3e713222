#!/bin/bash
# debian.sh DIR - an unmodified Debian kernel and busybox for i386, and an initramfs that ends in a shell:
#   DIR/vmlinuz   linux-image-686 (non-PAE)      DIR/initramfs.gz   busybox-static and tests/guests/init
# Packages come from the host's own apt sources, by an apt state of our own in DIR: no foreign architecture is added to
# the host and no root is needed. What is there already is kept; nothing is downloaded then.
# Exit code 77: they could not be had, and the last line says why.
set -euo pipefail

[ $# -eq 1 ] || { echo "usage: debian.sh DIR" >&2; exit 1; }
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
dir=$(cd "$1" && pwd)

. "$here/packages.sh"

kernel() {
    state
    # The first fetch updates the lists, which the name of the real package is read from.
    fetch linux-image-686 || skip "no Debian guest: linux-image-686 could not be downloaded (see $apt/log)"
    package=$(dpkg-deb -f "$apt"/linux-image-686_*.deb Depends | sed -n 's/^\(linux-image-[^ ,]*\).*/\1/p')
    fetch "$package" || skip "no Debian guest: $package could not be downloaded (see $apt/log)"
    dpkg-deb --fsys-tarfile "$apt/$package"_*.deb | tar -xO --wildcards './boot/vmlinuz-*' >"$dir/vmlinuz.new"
    rm -f "$apt"/*.deb
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
initramfs() {
    root=$dir/root
    rm -rf "$root"
    for d in bin dev etc mnt proc root run sys tmp; do mkdir -p "$root/$d"; done
    cp "$dir/busybox" "$root/bin/busybox"
    cp "$here/init" "$root/init"
    chmod 755 "$root/init" "$root/bin/busybox"
    echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
    echo 'root:x:0:' >"$root/etc/group"
    find "$root" -exec touch -h -d @0 {} +
    (cd "$root" && find . | LC_ALL=C sort | cpio --quiet --reproducible -R 0:0 -o -H newc | gzip -9n) >"$dir/initramfs.new"
    rm -rf "$root"
    mv "$dir/initramfs.new" "$dir/initramfs.gz"
}

exec 9>"$dir/.lock" # two tests may want them at once
flock 9
[ -s "$dir/vmlinuz" ] || kernel
[ -s "$dir/busybox" ] || busybox
for part in "$here/init" "$here/debian.sh" "$dir/busybox"; do
    [ "$dir/initramfs.gz" -nt "$part" ] || { initramfs; break; }
done
rm -rf "$dir/apt"
