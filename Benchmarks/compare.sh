#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# compare.sh CLOSURE STORE_ROOT REGISTRATION FIRMWARE [RUNS] - compare the whole job with compressing its result.
#
# Runs `mkpiimg`, and `zstd -T<cores> -3` on the finished raw image, in turn. Removes the outputs before each run.
# Prints the CPU time (user+sys), wall time and peak memory of each, the ratios pair by pair with their medians, and the
# sizes. The images go to WORK (default /dev/shm). Keep it and the store in tmpfs, otherwise the disk limits the
# results.
set -euo pipefail
export LC_ALL=C

closure=$1 root=$2 registration=$3 firmware=$4 runs=${5:-5}
here=$(cd "$(dirname "$0")" && pwd)
mkpiimg=${MKPIIMG:-$here/../.build/release/mkpiimg}
work=$(mktemp -d "${WORK:-/dev/shm}/compare.XXXXXX"); trap 'rm -rf "$work"' EXIT
options=(
    --closure "$closure" --store-root "$root" --registration "$registration" --firmware "$firmware" --progress none
)

# run NAME COMMAND... - runs the command and appends "cpu wall kilobytes" to the list of NAME.
run() {
    local name=$1; shift
    /usr/bin/time -f '%U %S %e %M' -o "$work/time" "$@"
    awk '{printf "%.2f %.2f %d\n", $1 + $2, $3, $4}' "$work/time" >>"$work/$name"
}

"$mkpiimg" "${options[@]}" --out "$work/raw.img"
for _ in $(seq "$runs"); do
    rm -f "$work/mkpiimg.img.zst"; run mkpiimg "$mkpiimg" "${options[@]}" --out "$work/mkpiimg.img.zst"
    rm -f "$work/zstd.zst"; run zstd zstd -q "-T$(nproc)" -3 "$work/raw.img" -o "$work/zstd.zst"
    run plan "$mkpiimg" "${options[@]}" --no-deduplicate --plan >/dev/null
    run plan+duplicates "$mkpiimg" "${options[@]}" --plan >/dev/null
done

median() { sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }
for name in mkpiimg zstd plan plan+duplicates; do
    printf '%-16s CPU %6s s   wall %6s s   peak %6d KiB   (medians of %d)\n' "$name" \
        "$(cut -d' ' -f1 "$work/$name" | median)" "$(cut -d' ' -f2 "$work/$name" | median)" \
        "$(cut -d' ' -f3 "$work/$name" | median)" "$runs"
done
ratio() { paste -d' ' "$work/mkpiimg" "$work/zstd" | awk -v f="$1" '{printf "%.3f\n", $f / $(f + 3)}'; }
printf 'mkpiimg / zstd   CPU %s (%s)   wall %s (%s)\n' "$(ratio 1 | median)" "$(ratio 1 | xargs)" \
    "$(ratio 2 | median)" "$(ratio 2 | xargs)"
own_size=$(stat -c %s "$work/mkpiimg.img.zst") zstd_size=$(stat -c %s "$work/zstd.zst")
printf 'size             %d / %d = %s\n' "$own_size" "$zstd_size" \
    "$(awk "BEGIN {printf \"%.4f\", $own_size / $zstd_size}")"
