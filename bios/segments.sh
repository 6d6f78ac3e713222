#!/bin/sh
# segments.sh COMMAND... - `gcc -wrapper sh,segments.sh` runs its compiler and its assembler by way of this: in the text
# between them the segment prefix %gs: becomes %es:, and %fs: becomes %ss:.
#
# The C code of the firmware's services reaches memory outside of DS through gcc's named address spaces, and gcc knows
# only two, FS and GS. But no service may touch those: programs for a 386 keep values there over BIOS calls, and their timer
# interrupts, which come while a service waits, rely on them. (BIOSes of the AT's time did not know FS and GS.)
for last; do :; done
case ${1##*/}:$last in
as:*.s | *-as:*.s) sed -i -e 's/%gs:/%es:/g' -e 's/%fs:/%ss:/g' "$last" || exit 1 ;;
esac
exec "$@"
