# shellcheck shell=bash
# packages.sh - sourced: Debian packages for i386 by the host's own apt sources, with an apt state of our own in $dir. No
# foreign architecture is added to the host and no root is needed. Exit code 77: they could not be had.

skip() { echo "$*" >&2; exit 77; }

state() { # apt as if the host were i386 and had nothing installed
    apt=${apt:-$dir/apt}
    rm -f "$apt/log"
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
    : >"$apt/status"
}
apt_i386() {
    command=$1
    shift
    "$command" -q -o APT::Architecture=i386 -o APT::Architectures=i386 -o Dir::State="$apt" -o Dir::State::Lists="$apt/lists" \
        -o Dir::State::status="$apt/status" -o Dir::Cache="$apt/cache" -o Debug::NoLocking=1 -o APT::Sandbox::User= \
        -o Acquire::Retries=3 -o Acquire::http::Timeout=30 -o Acquire::Languages=none "$@"
}
retry() {
    for pause in 2 10 0; do
        "$@" && return
        sleep "$pause"
    done
    return 1
}
# A source that fails (a mirror in mid-sync) does no harm if another has the packages.
update() {
    apt_i386 apt-get update >>"$apt/log" 2>&1 || [ -n "$(find "$apt/lists" -name '*_Packages*')" ]
}
updated=
fetch() { # fetch PACKAGE: its .deb into $apt
    if [ -z "$updated" ]; then
        retry update || return 1
        updated=yes
    fi
    rm -f "$apt/$1"_*.deb
    (cd "$apt" && retry apt_i386 apt-get download "$1" >>"$apt/log" 2>&1) || return 1
}
unpack() { # unpack PACKAGE FOLDER: its files
    fetch "$1" || skip "$1 could not be downloaded (see $apt/log)"
    mkdir -p "$2"
    dpkg-deb -x "$apt/$1"_*.deb "$2"
    rm -f "$apt/$1"_*.deb
}
