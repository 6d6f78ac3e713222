# shellcheck shell=bash disable=SC2034
# setup.sh - sourced by ./demo, ./check: what Debian 12 packages they need, the build, and the user's cache folder.

cache=${XDG_CACHE_HOME:-$HOME/.cache}/ring3

# need PACKAGE...: install what is missing, as root or by sudo; else name it in one line and end.
need() {
    local missing=() p root=()
    for p; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || missing+=("$p")
    done
    [ ${#missing[@]} -eq 0 ] && return
    if [ "$(id -u)" != 0 ]; then
        root=(sudo)
        [ -t 0 ] || root+=(-n)
        "${root[@]}" true 2>/dev/null || lack "${missing[@]}"
    fi
    echo "installing ${missing[*]}"
    local log
    log=$(mktemp)
    if { "${root[@]}" apt-get update -qq || true
         "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
             -o Acquire::Retries=3 "${missing[@]}"; } >"$log" 2>&1; then
        rm -f "$log"
        return
    fi
    tail -n 3 "$log" >&2
    rm -f "$log"
    lack "${missing[@]}"
}

lack() {
    echo "missing packages: apt install $*" >&2
    exit 1
}

# build TARGET...: the release build, quiet unless it fails.
build() {
    local log
    log=$(mktemp)
    if { cmake --preset release && cmake --build build -j "$(nproc)" --target "$@"; } >"$log" 2>&1; then
        rm -f "$log"
        return
    fi
    cat "$log" >&2
    rm -f "$log"
    exit 1
}
