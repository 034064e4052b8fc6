#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# run.sh - install the packages needed and run all tests: the Swift tests, and the proofs on whole images of the small
# and the demo closure.
#
# A proof that cannot run on this machine (no root, no loop mounts, no network, no Nix, no QEMU, no Chromium) is
# reported as skipped. Proofs that take too long for every change are in slow.sh.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/.." && pwd)
cd "$top"
title() { printf '\n== %s\n' "$*"; }

title "packages"
fixtures/install.sh

work=$(mktemp -d)
trap 'jobs -p | xargs -r kill 2>/dev/null || true; chmod -R u+w "$work"; rm -rf "$work"' EXIT
chmod 755 "$work"  # one test runs as another user

passed=0 skipped=()
skip() { skipped+=("$*"); echo "SKIPPED: $*"; }
# proof NAME COMMAND... - runs one proof. Exit status 77 means that it was skipped; a line that begins with SKIPPED or
# NOT MOUNTED means that a part of it was skipped.
proof() {
    local name=$1 status line; shift
    title "$name"
    # No `||` after the command: in its left operand, `set -e` has no effect.
    set +e
    (set -e; "$@") 2>&1 | tee "$work/output"
    status=${PIPESTATUS[0]}
    set -e
    case $status in
        0)
            passed=$((passed + 1))
            while read -r line; do
                skipped+=("$name: ${line#SKIPPED: }")
            done < <(grep -aE '^(SKIPPED|NOT MOUNTED)' "$work/output")
            ;;
        77) skip "$name" ;;
        *) echo "FAILED: $name (exit status $status)"; exit 1 ;;
    esac
}

proof "the sources are tidy" Tests/tidy.sh

title "Swift tests"
swift build --build-tests
TMPDIR=$work swift test --skip-build
mkpiimg=$(swift build --show-bin-path)/mkpiimg

image_of() {
    local options; mapfile -t options <"$1/options"
    "$mkpiimg" "${options[@]}" --progress plain --out "$2"
}

# same_bytes DIRECTORY IMAGE - builds the image twice with other numbers of threads, compressed and raw. The bytes must
# be the same.
same_bytes() {
    local options; mapfile -t options <"$1/options"
    "$mkpiimg" "${options[@]}" --progress none --threads 1 --out "$work/again.img.zst"
    cmp "$2" "$work/again.img.zst"
    "$mkpiimg" "${options[@]}" --progress none --threads 7 --out "$work/again.img"
    zstd -dcq "$2" | cmp - "$work/again.img"
    rm "$work"/again.*
}

# judges IMAGE - checks a compressed image with zstd, sfdisk, dosfstools, mtools and e2fsprogs.
judges() {
    local image=$work/judged.img
    zstd -tq "$1"
    zstd -dqf "$1" -o "$image"
    sfdisk --verify "$image"
    dd if="$image" of="$work/fat.img" bs=1M skip=8 count=30 status=none
    fsck.fat -n "$work/fat.img"
    mdir -/ -b -i "$work/fat.img" ::
    dd if="$image" of="$work/root.img" bs=1M skip=38 conv=sparse status=none
    e2fsck -fn "$work/root.img"
    dumpe2fs -h "$work/root.img" 2>/dev/null \
        | grep -E '^(Filesystem (volume|UUID|features)|Block count|Free|Inode count)'
    debugfs -R 'cat /boot/extlinux/extlinux.conf' "$work/root.img" 2>/dev/null
    # The root filesystem can grow to any size of card.
    for size in 64G 1T; do
        truncate -s $size "$work/root.img"
        resize2fs "$work/root.img" >/dev/null 2>&1
        e2fsck -fn "$work/root.img" >/dev/null
        dumpe2fs -h "$work/root.img" 2>/dev/null | awk -v size=$size '
            /^Inode count/ {inodes = $3} /^Block count/ {blocks = $3}
            END {print "at " size ": " inodes " inodes"; exit inodes * 32768 < blocks * 4096}'
    done
    rm "$work"/{judged,fat,root}.img
}

# boots DEMO - starts the image of the demo closure in several ways; slow.sh has more.
boots() {
    local options; mapfile -t options <"$1/options"
    # The script boots the grown card twice. A large card is the harder case.
    proof "the image boots, and grows on a larger card" fixtures/boot/grow.sh "$1/pi.img.zst" 64G
    proof "the other system in its menu boots" fixtures/boot/menu.sh "$1/pi.img.zst" nixos-default-rescue \
        --marker "MKPIIMG SYSTEM rescue"
    if ! grep -qx -- --board "$1/options"; then
        skip "boots that need Raspberry Pi's firmware (it could not be fetched)"
        return
    fi
    proof "an image whose kernel is started by the firmware" "$mkpiimg" "${options[@]}" --boot kernel --progress none \
        --out "$work/kernel.img"
    proof "that image boots" fixtures/boot/kernel.sh "$work/kernel.img"
    rm "$work/kernel.img"
}

# The static program is built in the background: emulated boots keep only one processor busy.
static=$work/mkpiimg
release/static.sh "$static" >"$work/static.log" 2>&1 &
static_build=$!

proof "the small closure" fixtures/small/make.sh "$work/small"
proof "the image of the small closure" image_of "$work/small" "$work/small.img.zst"
proof "ls, cat and extract agree with the kernel" Tests/looking.sh "$mkpiimg" "$work/small.img.zst"
proof "the same bytes in every environment" Tests/determinism.sh "$mkpiimg" "$work/small"
proof "the store, checked by Nix and the kernel" fixtures/nix/verify-store.sh "$work/small.img.zst" \
    "$(readlink "$work/small/result")" "$work/small/root"
proof "the page of the image in a browser" Tests/page.sh "$work/small.img.zst" "$mkpiimg"

for kind in yes no; do
    demo=$work/demo-$kind
    [ $kind = no ] || command -v nix-build >/dev/null \
        || { skip "the demo closure with Nix (Nix is not installed)"; continue; }
    # The packages are fetched only once.
    [ ! -d "$work/demo-yes/debs" ] || { mkdir -p "$demo"; cp -r "$work/demo-yes/debs" "$demo/"; }
    title "the demo closure ($([ $kind = yes ] && echo with || echo without) Nix)"
    status=0; MKPIIMG_DEMO_NIX=$kind fixtures/demo/build.sh "$demo" || status=$?
    [ $status != 75 ] || { skip "the demo closure ($kind Nix), and all proofs that use it"; continue; }
    [ $status = 0 ] || exit 1
    proof "the image of the demo closure" image_of "$demo" "$demo/pi.img.zst"
    proof "the same bytes on every build" same_bytes "$demo" "$demo/pi.img.zst"
    proof "the image, checked by the filesystem tools" judges "$demo/pi.img.zst"
    proof "mkpiimg verify finds no problem" "$mkpiimg" verify --progress none "$demo/pi.img.zst"
    proof "the store, checked by Nix and the kernel" fixtures/nix/verify-store.sh "$demo/pi.img.zst" \
        "$(readlink "$demo/result")" "$demo/root"
    if [ $kind = no ]; then boots "$demo"
    else proof "the image boots" fixtures/boot/boot.sh "$demo/pi.img.zst"; fi
done

# additions DIRECTORY - builds an image with every kind of addition, then lets Nix use its profile as on the first boot
# and later.
additions() {
    local options; mapfile -t options <"$1/options"
    mkdir -p "$work/files/etc/ssh" && echo key >"$work/files/etc/ssh/key" && chmod 600 "$work/files/etc/ssh/key" \
        && "$mkpiimg" "${options[@]}" --progress none --profile --check --root-files "$work/files" \
            --copy "$work/files/etc:/srv/:0640:1:1" --raw "$work/files/etc/ssh/key@8K" --out "$work/additions.img.zst" \
        && fixtures/nix/verify-profile.sh "$work/additions.img.zst" "$(readlink "$1/result")"
}
proof "the system profile, used by Nix" additions "$work/small"

# The static program, and the files of a release.
static_status=0; wait "$static_build" || static_status=$?
static_done() { cat "$work/static.log"; return "$static_status"; }
proof "the static program" static_done
released=$static
if [ -e "$static" ]; then
    proof "the static program needs no other files" Tests/static.sh "$static" "$mkpiimg" "$work/small"
    proof "the cost in instructions and system calls" Tests/counts.sh "$static" "$work/small"
    proof "the NixOS module and the flake" Tests/nix/run.sh "$static"
else
    for name in "the static program needs no other files" "the cost in instructions and system calls" \
        "the NixOS module and the flake"
    do
        skip "$name (there is no static program)"
    done
    swift build -c release --product mkpiimg
    released=$(swift build -c release --show-bin-path)/mkpiimg
fi
# The release build takes a tenth of the time of the debug build.
proof "faults" Tests/faults.sh "$released" "$work/small"
[ ! -e "$work/demo-no/options" ] \
    || proof "unchanged frames, bytes read, and memory" Tests/frames.sh "$released" "$work/demo-no"
proof "the texts, as recorded" Tests/golden.sh "$released"
proof "random invalid input" Tests/fuzz/program.py "$released" "$work/small" 300
proof "a thousand random trees, compared with the kernel" Tests/trees/run.py "$released" 1000
proof "man pages" release/man.sh "$work/man"
proof "the documentation" Tests/docs.sh "$mkpiimg"
proof "the examples" Tests/examples.sh

title "all tests passed, and $passed proofs; ${#skipped[@]} skipped"
[ ${#skipped[@]} = 0 ] || printf 'SKIPPED: %s\n' "${skipped[@]}"
