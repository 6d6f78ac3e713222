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

# Objects and dependencies name their folder: in one that was copied or moved with its build/, all is built anew.
forget_other_folder() {
    local home
    home=$(sed -n 's/^CMAKE_HOME_DIRECTORY:INTERNAL=//p' build/CMakeCache.txt 2>/dev/null) || return 0
    [ "$home" -ef . ] && return
    echo "build/ is from ${home:-an unfinished build}: building anew"
    rm -f build/CMakeCache.txt
    find build -name CMakeFiles -prune -exec rm -rf {} +
}

# The build tool's lines, "[ 40%] ...", as progress: in place on a terminal, else every 20 %. Nothing as long as nothing is done.
show_percent() {
    local line percent shown=0 works=
    while IFS= read -r line; do
        [[ $line =~ ^\[\ *([0-9]+)%\]\ (.*) ]] || continue
        percent=${BASH_REMATCH[1]}
        [[ $works || ${BASH_REMATCH[2]} != "Built target "* ]] || continue
        works=1
        [ "$percent" -gt "$shown" ] || continue
        if [ -t 1 ]; then
            printf '\rbuilding, %d %% ' "$percent"
        elif [ $((percent / 20)) -gt $((shown / 20)) ]; then
            echo "building, $percent %"
        fi
        shown=$percent
    done
    [[ ! -t 1 || ! $works ]] || printf '\r\033[K'
}

# build TARGET...: the release build; what the tools say is shown only if it fails.
build() {
    local log
    forget_other_folder
    log=$(mktemp)
    if { cmake --preset release && cmake --build build -j "$(nproc)" --target "$@"; } 2>&1 | tee "$log" | show_percent; then
        rm -f "$log"
        return
    fi
    cat "$log" >&2
    rm -f "$log"
    exit 1
}

# explain_skips: CTest's lines, and before its list of tests that did not run, why each was skipped. That is in CTest's log, which
# is complete when CTest has ended; so its last lines wait for that.
explain_skips() {
    local line last=() name names=()
    while IFS= read -r line; do
        [[ $line =~ ^[[:space:]]+[0-9]+\ -\ (.*)\ \(Skipped\)$ ]] && names+=("${BASH_REMATCH[1]}")
        if [[ ${#last[@]} -gt 0 || $line == "The following tests did not run:"* ]]; then
            last+=("$line")
        else
            printf '%s\n' "$line"
        fi
    done
    [ ${#last[@]} -gt 0 ] || return 0
    echo "Why tests were skipped:"
    for name in "${names[@]}"; do
        printf '\t%s: %s\n' "$name" "$(skip_reason "$name" build/Testing/Temporary/LastTest.log)"
    done
    printf '\n'
    printf '%s\n' "${last[@]}"
}
skip_reason() { # skip_reason TEST LOG: the last line that it said, as CTest's log has it
    awk -v name="$1" '
        / Testing: / { ours = $3 == name }
        /^<end of output>$/ { inside = 0 }
        inside && /[^-]/ { said = $0 }
        ours && /^Output:$/ { inside = 1 }
        END { sub(/^SKIPPED[^:]*: /, "", said); print said == "" ? "it does not say why" : said }' "$2"
}
