#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# reference-image.sh CLOSURE OUT.img[.zst]      (env LAB: a work folder)
: "${LAB:?set LAB to a work folder}"; export LAB
# Peer baseline: the same stages and tools that nixpkgs' sd-image + make-ext4-fs use
# (own wording, for measurement only), driven from a plain shell with Debian's tools.
#   env: TOOLS=dir (its programs come first: emulated-tools.sh)  WORK=dir (default mktemp under $LAB/work)  ZSTD_LEVEL=3  STORE_ARGS="--store /root"  STORE_ROOT=/chroot (physical prefix of /nix/store)
#        MKFS_EXTRA="-b 4096" for images < 512 MiB (mke2fs then picks 1 KiB blocks, symlinks > 1023 bytes fail)
#        STEPS=file (append "step seconds rss_kb" there)    SINGLE_ZSTD=0 (nixpkgs compresses the ext4 first, decompresses it, then compresses the whole: set 1 to skip that round trip)
set -euo pipefail
export PATH=${TOOLS:+$TOOLS:}/usr/bin:/bin:/usr/sbin:/sbin LC_ALL=C EXT2FS_NO_MTAB_OK=yes
CLOSURE=$1 OUT=$2; STORE_ROOT=${STORE_ROOT:-} STORE_ARGS=${STORE_ARGS:-} ZSTD_LEVEL=${ZSTD_LEVEL:-3} SINGLE_ZSTD=${SINGLE_ZSTD:-1}
mkdir -p $LAB/work; WORK=${WORK:-$(mktemp -d $LAB/work/ref.XXXXXX)}; mkdir -p "$WORK"; STEPS=${STEPS:-$WORK/steps}; : > "$STEPS"
UUID=44444444-4444-4444-8888-888888888888 LABEL=NIXOS_SD FWID=0x2178694e FWNAME=FIRMWARE GAP=8 FWSIZE=30
step() { local n=$1; shift; local t0 t1; t0=$(date +%s.%N)
  /usr/bin/time -f '%e %U %S %M' -o "$WORK/t" "$@" >> "$WORK/log" 2>&1 || { echo "FAILED $n"; tail -20 "$WORK/log"; exit 1; }
  read -r e u s m < <(tail -1 "$WORK/t"); printf '%-22s real=%8.2f user=%8.2f sys=%8.2f maxrss_kb=%s\n' "$n" "$e" "$u" "$s" "$m" | tee -a "$STEPS"; }
export CLOSURE OUT STORE_ROOT STORE_ARGS WORK UUID LABEL GAP FWSIZE FWID FWNAME ZSTD_LEVEL
TOP=$(readlink -f "$CLOSURE" || true); case "$CLOSURE" in /nix/store/*) TOP=$CLOSURE;; esac; case $TOP in ${STORE_ROOT}/nix/store/*) TOP=${TOP#"$STORE_ROOT"};; esac; export TOP

step closure-info bash -euc '
  nix-store $STORE_ARGS -qR "$TOP" > $WORK/store-paths
  # closureInfo.registration: empty deriver
  nix-store $STORE_ARGS --dump-db $(cat $WORK/store-paths) > $WORK/registration'
step cp-store bash -euc '
  mkdir -p $WORK/rootImage/nix/store $WORK/files/boot
  sed "s|^|$STORE_ROOT|" $WORK/store-paths | xargs -I % cp -a --reflink=auto % -t $WORK/rootImage/nix/store/'
step populate-root bash -euc '
  cd $WORK; T=$STORE_ROOT$TOP; B=files/boot; mkdir -p $B/extlinux $B/nixos
  res() { local p=$1; while [ -L "$STORE_ROOT$p" ]; do p=$(readlink "$STORE_ROOT$p"); done; echo "$p"; }
  K=$(readlink $T/kernel); I=$(readlink $T/initrd); D=$(readlink $T/dtbs)
  nm() { echo "${1#/nix/store/}" | tr / -; }
  cp $STORE_ROOT$K $B/nixos/$(nm $K); cp $STORE_ROOT$I $B/nixos/$(nm $I); cp -r $STORE_ROOT$D $B/nixos/$(nm $D)-dtbs
  { echo "DEFAULT nixos-default"; echo "MENU TITLE ------------------------------------------------------------"; echo "TIMEOUT 50"; echo "LABEL nixos-default"
    echo "  MENU LABEL NixOS - Default"; echo "  LINUX ../nixos/$(nm $K)"; echo "  INITRD ../nixos/$(nm $I)"
    echo "  APPEND init=$TOP/init $(cat $T/kernel-params)"; echo "  FDTDIR ../nixos/$(nm $D)-dtbs"; } > $B/extlinux/extlinux.conf
  chmod -R u+w files; cp -a --reflink=auto -t rootImage files/boot; cp registration rootImage/nix-path-registration'
step size-estimate bash -euc '
  cd $WORK; ni=$(find rootImage | wc -l); nb=$(du -s -c -B 4096 --apparent-size rootImage | tail -1 | awk "{print int(\$1*1.20)}")
  b=$((2*4096*ni + 4096*nb)); m=1048576; b=$(( (b+m-1)/m*m )); echo $b > bytes; echo "inodes=$ni blocks=$nb bytes=$b"; truncate -s $b root-fs.img'
step mkfs.ext4-d bash -euc 'cd $WORK; faketime -f "1970-01-01 00:00:01" fakeroot mkfs.ext4 ${MKFS_EXTRA:-} -L $LABEL -U $UUID -d ./rootImage root-fs.img'
step fsck bash -euc 'cd $WORK; fsck.ext4 -n -f root-fs.img'
step resize2fs-M bash -euc 'cd $WORK; resize2fs -M root-fs.img'
step resize2fs+16M bash -euc 'cd $WORK; n=$(dumpe2fs -h root-fs.img | awk -F: "/Block count/{c=\$2} /Block size/{s=\$2} END{printf \"%d\", (c*s+16777216)/s}"); resize2fs root-fs.img $n'
if [ "$SINGLE_ZSTD" != 1 ]; then
step zstd-rootfs bash -euc 'cd $WORK; zstd -q --no-progress ./root-fs.img -o root-fs.img.zst; rm root-fs.img'      # single threaded, as in nixpkgs
step unzstd-rootfs bash -euc 'cd $WORK; zstd -q -d --no-progress root-fs.img.zst -o root-fs.img; rm root-fs.img.zst'
fi
step assemble bash -euc '
  cd $WORK; img=sd.img; rb=$(du -B 512 --apparent-size root-fs.img | cut -f1); fb=$((FWSIZE*1024*1024/512))
  truncate -s $((rb*512 + fb*512 + GAP*1024*1024)) $img
  printf "label: dos\nlabel-id: $FWID\n\nstart=${GAP}M, size=$fb, type=b\nstart=$((GAP+FWSIZE))M, type=83, bootable\n" | sfdisk --no-reread --no-tell-kernel $img
  eval $(partx $img -o START,SECTORS --nr 2 --pairs); dd bs=${DD_BS:-512} conv=notrunc oflag=seek_bytes iflag=count_bytes if=root-fs.img of=$img seek=$((START*512)) count=$((SECTORS*512))
  eval $(partx $img -o START,SECTORS --nr 1 --pairs); truncate -s $((SECTORS*512)) fw.img
  mkfs.vfat --invariant -i $FWID -n $FWNAME fw.img
  mkdir -p firmware/overlays; cp $LAB/fw/* firmware/ 2>/dev/null || true; printf "[all]\narm_64bit=1\nenable_uart=1\nkernel=u-boot-rpi-arm64.bin\n" > firmware/config.txt
  find firmware -exec touch --date=2000-01-01 {} +; cd firmware
  for d in $(find . -mindepth 1 -type d | sort); do faketime "2000-01-01 00:00:00" mmd -i ../fw.img "::/$d"; done
  for f in $(find . -type f | sort); do mcopy -pvm -i ../fw.img "$f" "::/$f"; done; cd ..
  fsck.vfat -vn fw.img; dd bs=${DD_BS:-512} conv=notrunc oflag=seek_bytes iflag=count_bytes if=fw.img of=$img seek=$((START*512)) count=$((SECTORS*512))'
case $OUT in
 *.zst) step zstd-T0 bash -euc 'cd $WORK; zstd -q -f -$ZSTD_LEVEL -T$(nproc) sd.img -o "$OUT"';;
 *) mv $WORK/sd.img "$OUT";;
esac
ls -l "$OUT"
awk '{split($2" "$3" "$4" "$5,a,"real="); for(i=1;i<=NF;i++) if($i ~ /^real=/){v=$i; sub("real=","",v); if(v=="")v=$(i+1); t+=v}} END{printf "TOTAL real %.2f s\n", t}' "$STEPS" | tee -a "$STEPS"
[ -n "${KEEP:-}" ] || { chmod -R u+w "$WORK/rootImage"; rm -rf "$WORK/rootImage" "$WORK/root-fs.img" "$WORK/fw.img" "$WORK/files"; }
echo "work dir: $WORK"
