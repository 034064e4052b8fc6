#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# counts.sh MKPIIMG CLOSURE - what building the small closure costs, in instructions and system calls.
#
# Time says nothing on a busy machine; these numbers are nearly the same on every run. MKPIIMG is the static program (the
# numbers are its), CLOSURE a folder of fixtures/small/make.sh. What is over its limit in counts.limits is printed, and the
# script ends with 1. Whoever makes the work costlier for a reason raises the limit (to a tenth above what is printed), and
# whoever makes it cheaper lowers it. Ends with 77 where strace and valgrind are missing.
set -euo pipefail
export LC_ALL=C

here=$(cd "$(dirname "$0")" && pwd)
# All is in memory, where that is to be had: what is on a disk only, be it a page of the program, is read ahead.
memory=/dev/shm; [ -w $memory ] || memory=${TMPDIR:-/tmp}
work=$(mktemp -d -p "$memory"); trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
cp -a "$2" "$work/closure"
mapfile -t options < <(sed -E 's|^.*/([^/]+)$|'"$work"'/closure/\1|' "$2/options")
# valgrind reads no debug information of Swift's.
strip -o "$work/mkpiimg" "$1"
# What is hashed for want of a registration would be most of the instructions.
"$work/mkpiimg" "${options[@]}" --progress none --out "$work/out.img.zst"
"$work/mkpiimg" cat "$work/out.img.zst" /nix-path-registration >"$work/registration"
for index in "${!options[@]}"; do
    [ "${options[index]}" != --scan-references ] || options[index]=--registration=$work/registration
done
build=("$work/mkpiimg" "${options[@]}" --threads 1 --progress none)

if command -v valgrind >/dev/null; then
    for kind in plan build; do
        if [ $kind = plan ]; then output=(--plan); else output=(--out "$work/out.img.zst"); fi
        valgrind --tool=callgrind --callgrind-out-file="$work/callgrind" "${build[@]}" "${output[@]}" \
            >/dev/null 2>"$work/said"
        awk -v kind=$kind '/Collected/ {print kind "-instructions", $NF; found = 1} END {exit !found}' "$work/said" \
            >>"$work/counts"
    done
fi
if command -v strace >/dev/null; then
    # readlink is not among them: realpath calls it once for each component of the path that the closure lies at.
    strace -f -c -o "$work/calls" "${build[@]}" --out "$work/out.img.zst"
    awk '$NF ~ /^(open|openat|stat|lstat|newfstatat|fstat|read|pread64|write|close|getdents64|fadvise64|readlinkat|total)$/ \
        {calls[$NF] += $4} END {for (name in calls) print "calls-" name, calls[name]}' "$work/calls" | sort >>"$work/counts"
fi
[ -e "$work/counts" ] || { echo "there is neither valgrind nor strace"; exit 77; }
cat "$work/counts"
awk 'NR == FNR {limits[$1] = $2; next}
    !($1 in limits) {print $1 " has no limit"; bad = 1}
    $1 in limits && $2 > limits[$1] {print $1 " is " $2 ", more than " limits[$1]; bad = 1}
    END {exit bad}' <(grep -v '^#' "$here/counts.limits") "$work/counts"
