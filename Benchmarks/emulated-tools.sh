#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# emulated-tools.sh DIR - make DIR/bin with the programs of nixpkgs' image builder, as an x86 machine runs them under
# emulation: each is Debian's arm64 program, run by qemu-aarch64-static. With TOOLS=DIR/bin, reference-image.sh uses
# them.
#
#   env: LAB - the work directory of big-closure.sh, which has an apt state for arm64
set -euo pipefail
: "${LAB:?set LAB to the work directory of big-closure.sh}"

command -v qemu-aarch64-static >/dev/null || { echo "emulated-tools.sh: install qemu-user-static" >&2; exit 77; }
mkdir -p "$1/debs" "$1/bin"; dir=$(cd "$1" && pwd)
export APT_CONFIG=$LAB/apt/apt.conf
packages=(
    coreutils findutils sed e2fsprogs zstd dosfstools mtools fdisk util-linux util-linux-extra
    libacl1 libattr1 libblkid1 libc6 libcap2 libcom-err2 libcrypt1 libext2fs2 libfdisk1 libgcc-s1 libgmp10 liblz4-1
    liblzma5 libmount1 libncursesw6 libpcre2-8-0 libreadline8 libselinux1 libsmartcols1 libss2 libstdc++6 libtinfo6
    libudev1 libuuid1 libxxhash0 libzstd1 zlib1g
)
(cd "$dir/debs" && apt-get download -qq "${packages[@]}")
for package in "$dir"/debs/*.deb; do dpkg -x "$package" "$dir/root"; done

for tool in cp cut du find ls readlink tail tr truncate sort touch wc xargs sed \
    mkfs.ext4 fsck.ext4 resize2fs dumpe2fs zstd sfdisk partx dd mkfs.vfat mmd mcopy fsck.vfat; do
    program=$(find "$dir/root" -path "*bin/$tool" | head -1)
    [ -n "$program" ] || { echo "emulated-tools.sh: no package has $tool" >&2; exit 1; }
    # The libraries that fakeroot and faketime preload are the host's, which an arm64 program cannot load. They do not
    # affect the measurements.
    printf '#!/bin/sh\nunset LD_PRELOAD\nexec qemu-aarch64-static -0 %s -L %s %s "$@"\n' \
        "$tool" "$dir/root" "$program" >"$dir/bin/$tool"
    chmod 755 "$dir/bin/$tool"
done
