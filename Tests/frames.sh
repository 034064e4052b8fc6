#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# frames.sh MKPIIMG DEMO - what a compressed image promises: after a small change most frames are the same ones, looking into it
# reads little of it, and building it takes no more memory than was said.
#
# MKPIIMG is the program as it is released, DEMO a folder that fixtures/demo/build.sh filled.
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

echo "== frames that stay"
build "$demo/root" "$work/old.img.zst"
cp -a "$demo/root" "$work/root"; chmod -R u+w "$work/root"
# The first of the packages, in the order of their names, that has a file worth changing.
file=$(find "$work/root/nix/store" -type f -size +16k -printf '%P\n' | sort -k1.34 | sed -n 1p)
file=$work/root/nix/store/$file
time=$(stat -c %y "$file")
seq 2000 | head -c 9000 >>"$file"; touch -d "$time" "$file"
echo "${file#"$work/root"} has 9,000 bytes more"
build "$work/root" "$work/new.img.zst"
"$top/Benchmarks/frames-kept.py" "$work/old.img.zst" "$work/new.img.zst" | tee "$work/kept"
share=$(sed -n 's/.*(\([0-9]*\)\..*/\1/p' "$work/kept")
[ "$share" -ge 90 ] && [ "$share" -lt 100 ] || fail "of the frames, $share % stay"

echo "== what looking reads"
size=$(stat -c %s "$work/old.img.zst")
looks=("ls $work/old.img.zst root:/nix/store" "ls $work/old.img.zst /" "inspect $work/old.img.zst")
strace -qq -o /dev/null true 2>/dev/null || { looks=(); echo "SKIPPED: what looking reads (there is no strace)"; }
for words in "${looks[@]}"; do
    # shellcheck disable=SC2086 # words
    strace -f -y --seccomp-bpf -qq -o "$work/trace" -e trace=pread64,read "$mkpiimg" $words >/dev/null
    count=$(awk '/old.img.zst/ && / = [0-9]+$/ || / resumed>.* = [0-9]+$/ { sum += $NF } END { print sum + 0 }' "$work/trace")
    echo "${words%% *}: $count of $size bytes"
    [ "$count" -gt 0 ] && [ $((count * 20)) -lt "$size" ] || fail "'$words' reads $count of $size bytes"
done

echo "== memory"
/usr/bin/time -o "$work/memory" -f %M "$mkpiimg" "${options[@]}" --threads 2 --progress none --out "$work/usual.img.zst"
memory=$(tail -1 "$work/memory")
echo "a build with two threads takes $((memory / 1024)) MiB at most"
[ "$memory" -lt $((256 * 1024)) ] || fail "it takes $memory KiB"
