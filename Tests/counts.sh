#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# counts.sh MKPIIMG CLOSURE - measure a build of the small closure in instructions and system calls.
#
# Times mean little on a busy machine; these counts are nearly the same on every run. MKPIIMG is the static program, for
# which the limits hold, CLOSURE a directory that fixtures/small/make.sh filled. The script prints every count that is
# above its limit in counts.limits, and then exits with status 1. A change that has a reason to cost more raises the
# limit (to a tenth above the printed count); a change that costs less lowers it. Exit status 77: strace and valgrind
# are missing.
set -euo pipefail
export LC_ALL=C

here=$(cd "$(dirname "$0")" && pwd)
# All files are in memory if possible: mkpiimg reads ahead from a disk, and even one page of the program that is only on
# disk would change the counts.
memory=/dev/shm; [ -w $memory ] || memory=${TMPDIR:-/tmp}
work=$(mktemp -d -p "$memory"); trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
cp -a "$2" "$work/closure"
mapfile -t options < <(sed -E 's|^.*/([^/]+)$|'"$work"'/closure/\1|' "$2/options")
# valgrind cannot read Swift's debug information.
strip -o "$work/mkpiimg" "$1"
# Without a registration, hashing would take most of the instructions.
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
            >/dev/null 2>"$work/valgrind.log"
        awk -v kind=$kind '/Collected/ {print kind "-instructions", $NF; found = 1} END {exit !found}' \
            "$work/valgrind.log" >>"$work/counts"
    done
fi
if command -v strace >/dev/null; then
    # readlink is not counted: realpath calls it once for each component of the closure's path.
    strace -f -c -o "$work/calls" "${build[@]}" --out "$work/out.img.zst"
    awk '
        $NF ~ /^(open|openat|stat|lstat|newfstatat|fstat|read|pread64)$/ ||
        $NF ~ /^(write|close|getdents64|fadvise64|readlinkat|total)$/ {calls[$NF] += $4}
        END {for (name in calls) print "calls-" name, calls[name]}' "$work/calls" | sort >>"$work/counts"
fi
[ -e "$work/counts" ] || { echo "neither valgrind nor strace is installed"; exit 77; }
cat "$work/counts"
awk 'NR == FNR {limits[$1] = $2; next}
    !($1 in limits) {print $1 " has no limit"; bad = 1}
    $1 in limits && $2 > limits[$1] {print $1 " is " $2 ", more than " limits[$1]; bad = 1}
    END {exit bad}' <(grep -v '^#' "$here/counts.limits") "$work/counts"
