#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# slow.sh - run the proofs that take minutes:
#   - a directory of 60,000 entries, read by U-Boot
#   - an image of 9 GB and 188,000 inodes
#   - growth on cards of several sizes
#   - a kernel larger than U-Boot expects
#   - a thousand runs that are ended at random moments
#   - the same bytes with a newer libext2fs
#   - two thousand mutations of each kind of input
#   - all tests under sanitizers
#
# It needs the packages that Tests/run.sh installs, about 25 GB in $TMPDIR, and the network for U-Boot and e2fsprogs.
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top"
swift build -c release --product mkpiimg
mkpiimg=$(swift build -c release --show-bin-path)/mkpiimg
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT

fixtures/demo/build.sh "$work/demo"
mapfile -t options <"$work/demo/options"
store=$work/demo/root/nix/store

add() { # NAME: prints the base name of a new store path
    echo "$(echo "$1" | sha256sum | tr -dc '0-9' | head -c 32)-$1"
}

echo "== 60,000 entries in one directory"
many=$(add many-files)
mkdir -p "$store/$many/folder"
(cd "$store/$many/folder" && seq -f 'entry-%05.0f' 1 60000 | xargs touch -d @1)
chmod 555 "$store/$many/folder" "$store/$many"
"$mkpiimg" --closure "${options[1]}" --closure "/nix/store/$many" --store-root "$work/demo/root" --scan-references \
    --firmware "$work/demo/firmware" --out "$work/many.img"
dd if="$work/many.img" of="$work/root.img" bs=1M skip=38 conv=sparse status=none
e2fsck -fn "$work/root.img"
debugfs -R "htree_dump /nix/store/$many/folder" "$work/root.img" 2>/dev/null | sed -n '1,/^Entry #1/p'
fixtures/boot/uboot.sh "$work/many.img" "ls mmc 0:2 /nix/store/$many/folder" >"$work/listing"
listed=$(grep -o 'entry-[0-9]*' "$work/listing" | sort -u | wc -l)
echo "U-Boot lists $listed entries"
[ "$listed" = 60000 ]
for size in 64G 1T; do
    truncate -s $size "$work/root.img"
    resize2fs "$work/root.img" >/dev/null 2>&1
    e2fsck -fn "$work/root.img" >/dev/null
    echo "grown to $size: clean"
done
rm "$work"/*.img

echo "== 9 GB and 188,000 inodes in one image"
large=$(Benchmarks/closures.py "$work/large" 194500 9)
/usr/bin/time -f 'built: peak %M KiB, %e s, CPU %U+%S s' "$mkpiimg" --closure "$large" --store-root "$work/large/root" \
    --registration "$work/large/registration" --boot none --progress none --json --out "$work/large.img.zst" \
    >"$work/large.json"
python3 - "$work/large.json" <<'PYTHON'
import json, sys
summary = json.load(open(sys.argv[1]))
inodes = summary["root"]["inodes"] - summary["root"]["freeInodes"]
print(f"{summary['narSize']:,} bytes, {summary['entries']:,} names, {inodes:,} inodes in use,"
      f" an image of {summary['imageSize']:,} bytes")
sys.exit(summary["narSize"] < 9e9 or inodes < 188_000)
PYTHON
/usr/bin/time -f 'verified: peak %M KiB, %e s, CPU %U+%S s' "$mkpiimg" verify --progress none "$work/large.img.zst"
zstd -tq "$work/large.img.zst"
zstd -dcq "$work/large.img.zst" | dd of="$work/root.img" bs=1M iflag=fullblock skip=38 conv=sparse status=none
e2fsck -fn "$work/root.img"
rm -rf "$work"/large* "$work"/*.img*

echo "== growth on cards of several sizes"
"$mkpiimg" "${options[@]}" --out "$work/pi.img.zst"
fixtures/boot/grow.sh "$work/pi.img.zst" 512M 1G 16G 256G

if grep -qx -- --board "$work/demo/options"; then
    echo "== the other system of an image whose kernel is started by the firmware, and a directory as firmware"
    "$mkpiimg" "${options[@]}" --boot kernel --out "$work/kernel.img"
    fixtures/boot/kernel.sh "$work/kernel.img" --prefix nixos/default-rescue --marker "MKPIIMG SYSTEM rescue"
    "$mkpiimg" "${options[@]}" --firmware "$work/demo/firmware" --out "$work/folder.img"
    fixtures/boot/boot.sh "$work/folder.img"
    rm "$work"/{kernel,folder}.img

    echo "== a kernel of 48 MiB, for which U-Boot needs other addresses"
    kernel=$(echo "$store"/*-linux-[0-9]*/Image)
    chmod u+w "${kernel%/*}" "$kernel"
    python3 - "$kernel" <<'PYTHON'
import struct, sys
with open(sys.argv[1], "r+b") as file:
    kernel, size = file.read(), 48 << 20
    file.write(bytes(range(1, 256)) * ((size - len(kernel)) // 255))
    file.seek(16)  # image_size of the header of an arm64 kernel
    file.write(struct.pack("<Q", size))
PYTHON
    "$mkpiimg" --closure "${options[1]}" --store-root "$work/demo/root" --scan-references --board pi3 \
        --out "$work/kernel.img"
    fixtures/boot/boot.sh "$work/kernel.img"
    echo "without those addresses:"
    mdel -i "$work/kernel.img@@8M" ::uboot.env
    if fixtures/boot/boot.sh "$work/kernel.img" >/dev/null; then echo "it boots, but must not"; exit 1; fi
    echo "it does not boot"
else
    echo "SKIPPED: a kernel of 48 MiB (Raspberry Pi's firmware could not be fetched)"
fi
echo "== faults"
fixtures/small/make.sh "$work/small"
Tests/faults.sh "$mkpiimg" "$work/small" 1000
echo "== the same bytes with a newer libext2fs"
status=0; fixtures/newer-ext2fs.sh "$work/newer" || status=$?
case $status in
    0) Tests/determinism.sh "$mkpiimg" "$work/small" "$work/newer" ;;
    75) echo "SKIPPED: a newer libext2fs (it could not be fetched)" ;;
    *) exit 1 ;;
esac
echo "== the examples as a package of their own"
Tests/examples.sh package
echo "== fuzzing, for about ten minutes"
Tests/fuzz.sh 2000
echo "== sanitizers"
Tests/sanitize.sh thread
Tests/sanitize.sh address
echo "all slow proofs passed"
