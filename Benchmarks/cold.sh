#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# cold.sh [ROUNDS] -- MKPIIMG-OPTIONS - compare a build from a store that is not in the page cache with only reading the
# same files, by 32 processes in parallel.
#
# Both run in turn, ROUNDS (3) times, after dropping the kernel's caches (root). The output counts the bytes that the
# disk delivered; the payload is the smallest possible number. The options are those that build the image, with the
# store on a disk; the image goes to /dev/shm.
#   env: DISK="BYTES REQUESTS" - limits both per second for the disk (with the kernel's blkio controller, version 1)
set -euo pipefail

rounds=3
[ "${1:-}" = -- ] || { rounds=${1:-3}; shift; }
if [ "${1:-}" != -- ] || [ $# -le 1 ]; then echo "usage: cold.sh [ROUNDS] -- MKPIIMG-OPTIONS" >&2; exit 64; fi
shift
here=$(cd "$(dirname "$0")" && pwd)
mkpiimg=${MKPIIMG:-$here/../.build/release/mkpiimg}
work=$(mktemp -d -p /dev/shm); trap 'rm -rf "$work"; unlimit' EXIT

limit() { # BYTES REQUESTS
    local number group=/sys/fs/cgroup/blkio/mkpiimg-cold.$$
    number=$(cat "/sys/class/block/$device/dev")
    mkdir "$group" || { echo "cold.sh: there is no blkio controller" >&2; exit 77; }
    slow=$group
    echo "$number $1" >"$slow/blkio.throttle.read_bps_device"
    echo "$number $2" >"$slow/blkio.throttle.read_iops_device"
    echo $$ >"$slow/cgroup.procs"
}
unlimit() { [ -z "${slow:-}" ] || { echo $$ >/sys/fs/cgroup/blkio/cgroup.procs; rmdir "$slow"; }; }

# The store paths, as paths on this machine.
root=/
for index in $(seq $#); do [ "${!index}" != --store-root ] || { next=$((index + 1)); root=${!next}; }; done
"$mkpiimg" "$@" --progress none --out "$work/out.img.zst"
"$mkpiimg" ls "$work/out.img.zst" root:/nix/store | sed "s|^|${root%/}/nix/store/|" >"$work/paths"
payload=$(xargs -d '\n' du -cs -B1 --apparent-size <"$work/paths" | tail -1 | cut -f1)
device=$(basename "$(findmnt -no SOURCE -T "$root/nix/store")")
[ -e "/sys/class/block/$device/stat" ] || { echo "cold.sh: the store is not on a disk" >&2; exit 77; }
# shellcheck disable=SC2086 # two words
[ -z "${DISK:-}" ] || limit $DISK
# find runs after the caches are dropped, so it also reads the directories from the disk, as mkpiimg does.
cat >"$work/read" <<END
xargs -d '\n' sh -c 'exec find "\$@" -type f -print0' find <$work/paths | xargs -0 -P 32 -n 64 cat >/dev/null
END

measure() {
    sync; echo 3 >/proc/sys/vm/drop_caches
    local before start; before=$(awk '{print $3}' "/sys/class/block/$device/stat"); start=$(date +%s.%N)
    "${@:2}"
    awk -v start="$start" -v end="$(date +%s.%N)" -v before="$before" -v payload="$payload" -v name="$1" \
        '{
            bytes = ($3 - before) * 512
            printf "%-8s %6.2f s  %.3f GB from the disk, %.2f of the payload\n",
                name, end - start, bytes / 1e9, bytes / payload
        }' "/sys/class/block/$device/stat"
}
for _ in $(seq "$rounds"); do
    measure reading bash "$work/read"
    measure mkpiimg "$mkpiimg" "$@" --progress none --out "$work/out.img.zst"
done
