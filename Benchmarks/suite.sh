#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# suite.sh OUT [SIZE...] - measure mkpiimg and its peers on closures of about 0.1, 2.5 and 9 GB (default: all sizes).
# Writes tables and plots into a directory of OUT for each size.
#
# The script makes the closures from Debian's arm64 packages: the small one with fixtures/demo, the others with
# big-closure.sh, which needs Nix and root. It runs suite.py on each, from memory with all levels, one thread and all,
# and every installed peer; and for 2.5 GB also with cold caches. All sizes take about two hours, and 60 GB of disk in
# LAB.
#   env: LAB=dir (work directory; default /var/tmp/mkpiimg-suite)  ROUNDS=5
set -euo pipefail

[ $# -ge 1 ] || { echo "usage: suite.sh OUT [SIZE...]" >&2; exit 64; }
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"; out=$(cd "$1" && pwd); shift
[ $# -gt 0 ] || set -- 0.1 2.5 9
export LAB=${LAB:-/var/tmp/mkpiimg-suite}
rounds=${ROUNDS:-5} all=$(nproc)
mkdir -p "$LAB"
memory=/dev/shm/mkpiimg-suite disk=$LAB/root
remove() { [ ! -e "$1" ] || { chmod -R u+w "$1"; rm -rf "$1"; }; }
trap 'remove "$memory"; remove "$disk"' EXIT
swift build --package-path "$here/.." -c release --product mkpiimg

# Copies a closure from Nix's store into an empty directory, because some peers copy a whole store. Sets `options` to
# mkpiimg's arguments for the copy.
copy() { # CLOSURE DIRECTORY
    mkdir -p "$LAB/firmware"; echo '[all]' >"$LAB/firmware/config.txt"
    mapfile -t paths < <(nix-store -qR "$1")
    nix-store --dump-db "${paths[@]}" >"$LAB/registration"
    options=(--closure "$1" --store-root "$2" --registration "$LAB/registration" --firmware "$LAB/firmware")
    mkdir -p "$2/nix/store"; cp -a "${paths[@]}" "$2/nix/store/"
}

for size; do
    case $size in
    0.1)
        "$here/../fixtures/demo/build.sh" "$LAB/demo"
        mapfile -t options <"$LAB/demo/options"
        # Peers that use Nix cannot run: this closure is not in Nix's store.
        "$here/suite.py" --title "The demo closure" --out "$out/$size" --rounds "$rounds" --threads "$all,1" \
            --peers zstd,pzstd,mke2fs,genimage --once mkpiimg-L19,mkpiimg-L19-T1 -- "${options[@]}"
        ;;
    *)
        [ -e "$LAB/big-$size" ] || "$here/big-closure.sh" "$size" "$LAB/big-$size"
        "$here/emulated-tools.sh" "$LAB/emulated" && export TOOLS=$LAB/emulated/bin
        closure=$(readlink -f "$LAB/big-$size")
        copy "$closure" "$disk"
        if [ "$size" = 2.5 ]; then
            "$here/suite.py" --title "$size GB, with cold caches" --cold --out "$out/$size-cold" --rounds "$rounds" \
                --levels 1,3 --threads "$all" --peers zstd,genimage -- "${options[@]}"
            copy "$closure" "$memory"
            "$here/suite.py" --title "$size GB" --out "$out/$size" --rounds "$rounds" --threads "$all,1" \
                --once mkpiimg-L9,mkpiimg-L19,mkpiimg-L9-T1,mkpiimg-L19-T1,nixpkgs,emulated -- "${options[@]}"
            remove "$memory"
        else
            "$here/suite.py" --title "$size GB" --work "$LAB" --out "$out/$size" --rounds 2 --levels 1,3,9 \
                --threads "$all,1" --peers zstd,pzstd,mke2fs,genimage,nixpkgs \
                --once mkpiimg-L9,mkpiimg-L9-T1,nixpkgs -- "${options[@]}"
        fi
        remove "$disk"
        ;;
    esac
done
