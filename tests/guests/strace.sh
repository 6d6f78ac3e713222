#!/bin/bash
# strace.sh DIR - Debian's strace for i386 with the libraries that it loads, to be unpacked over the guest of debian.sh:
#   DIR/strace.gz   an initramfs to be put behind initramfs.gz (Linux unpacks one after the other)
# Exit code 77: the packages could not be had, and the last line says why.
set -euo pipefail

[ $# -eq 1 ] || { echo "usage: strace.sh DIR" >&2; exit 1; }
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
dir=$(cd "$1" && pwd)
apt=$dir/apt-strace

. "$here/packages.sh"

needed() { readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'; }

# A program or library, and what it loads, from $from into $to.
take() {
    [ ! -e "$to/lib/$(basename "$1")" ] || return 0
    cp -L "$1" "$2"
    for library in $(needed "$1"); do
        found=$(find "$from" -name "$library" | head -n 1)
        [ -n "$found" ] || skip "strace wants $library, which its packages do not have"
        take "$found" "$to/lib/$library"
    done
}

exec 9>"$dir/.lock-strace"
flock 9
if [ ! "$dir/strace.gz" -nt "$here/strace.sh" ]; then
    state
    from=$apt/files to=$apt/root
    rm -rf "$from" "$to"
    for package in strace libc6 libunwind8 liblzma5 libgcc-s1; do unpack "$package" "$from"; done
    mkdir -p "$to/bin" "$to/lib"
    take "$from/usr/bin/strace" "$to/bin/strace"
    cp -L "$(find "$from" -name ld-linux.so.2 -not -type d | head -n 1)" "$to/lib/ld-linux.so.2"
    find "$to" -exec touch -h -d @0 {} +
    (cd "$to" && find . | LC_ALL=C sort | cpio --quiet --reproducible -R 0:0 -o -H newc | gzip -9n) >"$dir/strace.new"
    mv "$dir/strace.new" "$dir/strace.gz"
fi
rm -rf "$apt"
