#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# frames.sh MKPIIMG DEMO - prove the properties of compressed images: a small change leaves most frames unchanged,
# reading a part of an image reads few of its bytes, and a build stays below its memory limit.
#
# MKPIIMG is the release build of the program, DEMO a directory that fixtures/demo/build.sh filled.
set -euo pipefail

[ $# = 2 ] || { echo "usage: frames.sh MKPIIMG DEMO" >&2; exit 64; }
mkpiimg=$1 demo=$2
top=$(cd "$(dirname "$0")/.." && pwd)
export LC_ALL=C
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
fail() { echo "frames.sh: $*" >&2; exit 1; }
mapfile -t options <"$demo/options"
build() { # STORE-ROOT OUT OPTION...
    local root=$1 out=$2; shift 2
    "$mkpiimg" "${options[@]}" --store-root "$root" --frame-size 1M --progress none "$@" --out "$out"
}

echo "== unchanged frames"
build "$demo/root" "$work/old.img.zst"
cp -a "$demo/root" "$work/root"; chmod -R u+w "$work/root"
# A file that is large enough, of the first package that has one in the order of names.
file=$(find "$work/root/nix/store" -type f -size +16k -printf '%P\n' | sort -k1.34 | sed -n 1p)
file=$work/root/nix/store/$file
time=$(stat -c %y "$file")
seq 2000 | head -c 9000 >>"$file"; touch -d "$time" "$file"
echo "${file#"$work/root"} has 9,000 bytes more"
build "$work/root" "$work/new.img.zst"
"$top/Benchmarks/frames-kept.py" "$work/old.img.zst" "$work/new.img.zst" | tee "$work/kept"
share=$(sed -n 's/.*(\([0-9]*\)\..*/\1/p' "$work/kept")
{ [ "$share" -ge 90 ] && [ "$share" -lt 100 ]; } || fail "$share % of the frames are unchanged"

echo "== bytes that ls and inspect read"
size=$(stat -c %s "$work/old.img.zst")
commands=("ls $work/old.img.zst root:/nix/store" "ls $work/old.img.zst /" "inspect $work/old.img.zst")
strace -qq -o /dev/null true 2>/dev/null \
    || { commands=(); echo "SKIPPED: bytes that ls and inspect read (strace is not installed)"; }
for command in "${commands[@]}"; do
    # shellcheck disable=SC2086 # several words
    strace -f -y --seccomp-bpf -qq -o "$work/trace" -e trace=pread64,read "$mkpiimg" $command >/dev/null
    count=$(awk '/old.img.zst/ && / = [0-9]+$/ || / resumed>.* = [0-9]+$/ { sum += $NF } END { print sum + 0 }' \
        "$work/trace")
    echo "${command%% *}: $count of $size bytes"
    { [ "$count" -gt 0 ] && [ $((count * 20)) -lt "$size" ]; } || fail "'$command' reads $count of $size bytes"
done

echo "== memory"
usual=("$mkpiimg" "${options[@]}" --threads 2 --progress none --out)
memory=0
for _ in 1 2 3 4 5; do
    /usr/bin/time -o "$work/memory" -f %M "${usual[@]}" "$work/usual.img.zst"
    peak=$(tail -1 "$work/memory"); [ "$peak" -le "$memory" ] || memory=$peak
done
# The limit is a fifth above the measured peak: 91 MiB for the static program, 103 MiB with shared libraries.
limit=110; ! ldd "$mkpiimg" >/dev/null 2>&1 || limit=124
echo "a build with two threads takes at most $((memory / 1024)) MiB"
[ "$memory" -lt $((limit * 1024)) ] || fail "the build takes $memory KiB; the limit is $limit MiB"

echo "== address space"
# The amount that docs/reliability.md gives as sufficient. The frames here have the largest size, and with a slow pipe
# finished frames must wait in memory.
files=$(find "$demo/root/nix/store" -type f | wc -l)
each=$(grep -oE 'each thread [0-9]+ MiB' "$top/docs/reliability.md" | tr -dc 0-9)
enough=$((64 * 1024 + files * 3 / 2 + 2 * each * 1024))
# shellcheck disable=SC2016 # a script for another shell
confined() { bash -c 'ulimit -c 0 -v "$0"; exec "$@"' $enough "$@"; }
confined "${usual[@]}" "$work/confined.img.zst" || fail "a build in $enough KiB of address space: exit status $?"
cmp "$work/confined.img.zst" "$work/usual.img.zst"
confined "${usual[@]}" - | (sleep 2; cat) | cmp - "$work/usual.img.zst" \
    || fail "a build in $enough KiB of address space, into a slow pipe: exit statuses ${PIPESTATUS[*]}"
echo "$((enough / 1024)) MiB are enough for two threads and $files files"
