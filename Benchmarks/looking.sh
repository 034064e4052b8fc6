#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# looking.sh IMAGE.img.zst [RUNS] - measure time and bytes read of commands that read parts of a compressed image. Also
# compare verify with `zstd -t`, and with SHA-256 of as many bytes as the store has.
#
# Prints medians of RUNS (5) runs in turn. The image should be in tmpfs. Counting bytes needs strace, SHA-256 needs
# openssl.
set -euo pipefail

[ $# -ge 1 ] || { echo "usage: looking.sh IMAGE.img.zst [RUNS]" >&2; exit 64; }
image=$1 runs=${2:-5}
cd "$(dirname "$0")/.."
swift build -c release --product mkpiimg >/dev/null
mkpiimg=.build/release/mkpiimg
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
export TIMEFORMAT='%R %U %S'

size=$(stat -c %s "$image")
store=$("$mkpiimg" inspect --json "$image" | jq .store.size)
# The configuration of the kernel in the store, if there is one; otherwise the registration.
file=$("$mkpiimg" ls -R "$image" /nix/store 2>/dev/null | awk '
    /:$/ {directory = substr($0, 1, length($0) - 1)}
    /^config(-.*)?$/ && !found {print directory "/" $0; found = 1}')
[ -n "$file" ] || file=/nix-path-registration
head -c "$store" /dev/zero >"$work/zeros"

declare -A commands=(
    [inspect]="$mkpiimg inspect $image" [ls]="$mkpiimg ls $image root:/nix/store" [cat]="$mkpiimg cat $image $file"
    [ls-lR]="$mkpiimg ls -lR $image" [verify]="$mkpiimg verify --progress none $image" [zstd]="zstd -tq $image"
    [sha256]="openssl dgst -sha256 $work/zeros" [sha256sum]="sha256sum $work/zeros"
)
echo "cat reads $file; the sums are of $store bytes"
for _ in $(seq "$runs"); do
    for name in "${!commands[@]}"; do
        # Findings of verify do not count here.
        { time ${commands[$name]} >/dev/null 2>&1 || true; } 2>>"$work/$name"
    done
done
median() { sort -n | sed -n "$(((runs + 1) / 2))p"; }
for name in inspect ls cat ls-lR verify zstd sha256 sha256sum; do
    printf '%-10s wall %s s  CPU %s s\n' "$name" "$(cut -d' ' -f1 "$work/$name" | median)" \
        "$(awk '{print $2 + $3}' "$work/$name" | median)"
done
for name in inspect ls cat; do
    command -v strace >/dev/null || break
    # shellcheck disable=SC2086 # a command and its arguments
    strace -f -e trace=pread64 -o "$work/trace" ${commands[$name]} >/dev/null
    awk -v name=$name -v size="$size" '{if ($NF ~ /^[0-9]+$/) sum += $NF}
        END {printf "%-10s reads %d bytes, %.2f %% of the file\n", name, sum, sum * 100 / size}' "$work/trace"
done
