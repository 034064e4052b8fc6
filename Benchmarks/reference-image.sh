#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# reference-image.sh CLOSURE OUT.img[.zst] - make an image with the stages and tools of nixpkgs' sd-image and
# make-ext4-fs, as a baseline for measurements. The commands are written anew, for a plain shell and Debian's tools.
#
#   env: LAB=dir (work directory, required)
#        TOOLS=dir (its programs are used first: emulated-tools.sh)
#        WORK=dir (default: a new directory in $LAB/work)
#        ZSTD_LEVEL=3
#        STORE_ARGS="--store /root"
#        STORE_ROOT=/chroot (prefix of /nix/store on this machine)
#        MKFS_EXTRA="-b 4096" for images < 512 MiB (mke2fs then chooses 1 KiB blocks, where symlinks > 1023 bytes fail)
#        STEPS=file (the file to which each step appends its times and memory)
#        SINGLE_ZSTD=1 (0: like nixpkgs, compress the ext4 first and decompress it, before compressing the whole image)
# shellcheck disable=SC2016,SC2086 # scripts for other shells; paths of this benchmark have no spaces
set -euo pipefail
: "${LAB:?set LAB to a work directory}"
export LAB
export PATH=${TOOLS:+$TOOLS:}/usr/bin:/bin:/usr/sbin:/sbin LC_ALL=C EXT2FS_NO_MTAB_OK=yes
CLOSURE=$1 OUT=$2
STORE_ROOT=${STORE_ROOT:-} STORE_ARGS=${STORE_ARGS:-} ZSTD_LEVEL=${ZSTD_LEVEL:-3} SINGLE_ZSTD=${SINGLE_ZSTD:-1}
mkdir -p $LAB/work
WORK=${WORK:-$(mktemp -d $LAB/work/ref.XXXXXX)}
mkdir -p "$WORK"
STEPS=${STEPS:-$WORK/steps}
: >"$STEPS"
UUID=44444444-4444-4444-8888-888888888888 LABEL=NIXOS_SD FWID=0x2178694e FWNAME=FIRMWARE GAP=8 FWSIZE=30

# step NAME COMMAND... - runs one stage, and prints its times and its peak memory.
step() {
    local name=$1 real user system memory
    shift
    /usr/bin/time -f '%e %U %S %M' -o "$WORK/t" "$@" >>"$WORK/log" 2>&1 \
        || { echo "FAILED $name"; tail -20 "$WORK/log"; exit 1; }
    read -r real user system memory < <(tail -1 "$WORK/t")
    printf '%-22s real=%8.2f user=%8.2f sys=%8.2f maxrss_kb=%s\n' "$name" "$real" "$user" "$system" "$memory" \
        | tee -a "$STEPS"
}

export CLOSURE OUT STORE_ROOT STORE_ARGS WORK UUID LABEL GAP FWSIZE FWID FWNAME ZSTD_LEVEL
TOP=$(readlink -f "$CLOSURE" || true)
case "$CLOSURE" in /nix/store/*) TOP=$CLOSURE ;; esac
case $TOP in ${STORE_ROOT}/nix/store/*) TOP=${TOP#"$STORE_ROOT"} ;; esac
export TOP

step closure-info bash -euc '
    nix-store $STORE_ARGS -qR "$TOP" >$WORK/store-paths
    # closureInfo.registration: empty deriver
    nix-store $STORE_ARGS --dump-db $(cat $WORK/store-paths) >$WORK/registration'
step cp-store bash -euc '
    mkdir -p $WORK/rootImage/nix/store $WORK/files/boot
    sed "s|^|$STORE_ROOT|" $WORK/store-paths \
        | xargs -I % cp -a --reflink=auto % -t $WORK/rootImage/nix/store/'
step populate-root bash -euc '
    cd $WORK
    top=$STORE_ROOT$TOP boot=files/boot
    mkdir -p $boot/extlinux $boot/nixos
    kernel=$(readlink $top/kernel) initrd=$(readlink $top/initrd) dtbs=$(readlink $top/dtbs)
    name() { echo "${1#/nix/store/}" | tr / -; }
    cp $STORE_ROOT$kernel $boot/nixos/$(name $kernel)
    cp $STORE_ROOT$initrd $boot/nixos/$(name $initrd)
    cp -r $STORE_ROOT$dtbs $boot/nixos/$(name $dtbs)-dtbs
    {
        echo "DEFAULT nixos-default"
        echo "MENU TITLE ------------------------------------------------------------"
        echo "TIMEOUT 50"
        echo "LABEL nixos-default"
        echo "  MENU LABEL NixOS - Default"
        echo "  LINUX ../nixos/$(name $kernel)"
        echo "  INITRD ../nixos/$(name $initrd)"
        echo "  APPEND init=$TOP/init $(cat $top/kernel-params)"
        echo "  FDTDIR ../nixos/$(name $dtbs)-dtbs"
    } >$boot/extlinux/extlinux.conf
    chmod -R u+w files
    cp -a --reflink=auto -t rootImage files/boot
    cp registration rootImage/nix-path-registration'
step size-estimate bash -euc '
    cd $WORK
    inodes=$(find rootImage | wc -l)
    blocks=$(du -s -c -B 4096 --apparent-size rootImage | tail -1 | awk "{print int(\$1*1.20)}")
    bytes=$((2 * 4096 * inodes + 4096 * blocks)) unit=1048576
    bytes=$(((bytes + unit - 1) / unit * unit))
    echo $bytes >bytes
    echo "inodes=$inodes blocks=$blocks bytes=$bytes"
    truncate -s $bytes root-fs.img'
step mkfs.ext4-d bash -euc '
    cd $WORK
    faketime -f "1970-01-01 00:00:01" fakeroot mkfs.ext4 ${MKFS_EXTRA:-} -L $LABEL -U $UUID -d ./rootImage root-fs.img'
step fsck bash -euc 'cd $WORK; fsck.ext4 -n -f root-fs.img'
step resize2fs-M bash -euc 'cd $WORK; resize2fs -M root-fs.img'
step resize2fs+16M bash -euc '
    cd $WORK
    blocks=$(dumpe2fs -h root-fs.img | awk -F: "
        /Block count/{c=\$2} /Block size/{s=\$2} END{printf \"%d\", (c*s+16777216)/s}")
    resize2fs root-fs.img $blocks'
if [ "$SINGLE_ZSTD" != 1 ]; then
    # With a single thread, as in nixpkgs.
    step zstd-rootfs bash -euc '
        cd $WORK; zstd -q --no-progress ./root-fs.img -o root-fs.img.zst; rm root-fs.img'
    step unzstd-rootfs bash -euc '
        cd $WORK; zstd -q -d --no-progress root-fs.img.zst -o root-fs.img; rm root-fs.img.zst'
fi
step assemble bash -euc '
    cd $WORK
    img=sd.img
    rootBlocks=$(du -B 512 --apparent-size root-fs.img | cut -f1) firmwareBlocks=$((FWSIZE * 1024 * 1024 / 512))
    truncate -s $((rootBlocks * 512 + firmwareBlocks * 512 + GAP * 1024 * 1024)) $img
    {
        printf "label: dos\nlabel-id: $FWID\n\nstart=${GAP}M, size=$firmwareBlocks, type=b\n"
        printf "start=$((GAP + FWSIZE))M, type=83, bootable\n"
    } | sfdisk --no-reread --no-tell-kernel $img
    copy="dd bs=${DD_BS:-512} conv=notrunc oflag=seek_bytes iflag=count_bytes of=$img"
    eval $(partx $img -o START,SECTORS --nr 2 --pairs)
    $copy if=root-fs.img seek=$((START * 512)) count=$((SECTORS * 512))
    eval $(partx $img -o START,SECTORS --nr 1 --pairs)
    truncate -s $((SECTORS * 512)) fw.img
    mkfs.vfat --invariant -i $FWID -n $FWNAME fw.img
    mkdir -p firmware/overlays
    cp $LAB/fw/* firmware/ 2>/dev/null || true
    printf "[all]\narm_64bit=1\nenable_uart=1\nkernel=u-boot-rpi-arm64.bin\n" >firmware/config.txt
    find firmware -exec touch --date=2000-01-01 {} +
    cd firmware
    for directory in $(find . -mindepth 1 -type d | sort); do
        faketime "2000-01-01 00:00:00" mmd -i ../fw.img "::/$directory"
    done
    for file in $(find . -type f | sort); do mcopy -pvm -i ../fw.img "$file" "::/$file"; done
    cd ..
    fsck.vfat -vn fw.img
    $copy if=fw.img seek=$((START * 512)) count=$((SECTORS * 512))'
case $OUT in
    *.zst) step zstd-T0 bash -euc 'cd $WORK; zstd -q -f -$ZSTD_LEVEL -T$(nproc) sd.img -o "$OUT"' ;;
    *) mv $WORK/sd.img "$OUT" ;;
esac
ls -l "$OUT"
awk '
    {
        for (i = 1; i <= NF; i++) if ($i ~ /^real=/) {
            value = $i
            sub("real=", "", value)
            if (value == "") value = $(i + 1)
            total += value
        }
    }
    END { printf "TOTAL real %.2f s\n", total }' "$STEPS" | tee -a "$STEPS"
[ -n "${KEEP:-}" ] \
    || { chmod -R u+w "$WORK/rootImage"; rm -rf "$WORK/rootImage" "$WORK/root-fs.img" "$WORK/fw.img" "$WORK/files"; }
echo "work directory: $WORK"
