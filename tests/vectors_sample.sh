#!/bin/sh
# vectors_sample.sh RUNNER SOURCE_DIR ENGINE - some hardware-captured cases of every opcode file, if they are here:
# in $RING3_VECTORS, or in ../shared/vectors next to the source tree. Exit code 77: they are not.
dir=${RING3_VECTORS:-$2/../shared/vectors}
files=$(find "$dir" -name '*.MOO.gz' 2>/dev/null | sort)
if [ -z "$files" ]; then
    echo "SKIPPED vectors.$3: no *.MOO.gz in $dir (RING3_VECTORS names another folder)"
    exit 77
fi
# shellcheck disable=SC2086 # one argument a file
exec "$1" --accel "$3" --max 25 $files
