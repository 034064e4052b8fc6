#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# run.sh MKPIIMG - prove the NixOS module and the flake with real Nix, but with a stub in nixpkgs' place.
#
# MKPIIMG is the static program (release/static.sh). Nothing is fetched: stub/ stands for what nix/ and flake.nix use of
# nixpkgs. Configurations are evaluated (cases.nix), their images are built in Nix's sandbox, in a store of their own, and
# compared with what the program makes outside; and the first boot's services run on a card that has room to grow.
# Exit status 77: there is no Nix here, or no sandbox.
# shellcheck disable=SC2016,SC2317 # Nix has variables too; functions are called by trap
set -euo pipefail

[ $# -eq 1 ] || { echo "usage: run.sh MKPIIMG" >&2; exit 64; }
here=$(cd "$(dirname "$0")" && pwd); top=$(cd "$here/../.." && pwd)
mkpiimg=$(readlink -f "$1")
export PATH=$PATH:/usr/sbin:/sbin LC_ALL=C
fail() { echo "run.sh: $*" >&2; exit 1; }
skip() { echo "SKIPPED: $*" >&2; exit 77; }
for tool in nix nix-build jq; do command -v $tool >/dev/null || skip "$tool is missing"; done

work=$(mktemp -d)
cleanup() {
    for place in card/usr card/proc card/dev card; do if mountpoint -q "$work/$place"; then umount "$work/$place"; fi; done
    [ -z "${loop:-}" ] || losetup -d "$loop"
    chmod -R u+w "$work"; rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

store=$work/root
export NIX_CONF_DIR=$work/conf HOME=$work/home
mkdir -p "$store" "$NIX_CONF_DIR" "$HOME"
cat >"$NIX_CONF_DIR/nix.conf" <<CONF
store = $store
build-users-group =
sandbox = true
sandbox-fallback = false
sandbox-paths = /bin /usr /lib /lib64? /etc/alternatives?
substitute = false
experimental-features = nix-command flakes
warn-dirty = false
CONF
cases=("$here/cases.nix" --arg binary "$mkpiimg")
build() { nix-build "${cases[@]}" --no-out-link "$@" 2>"$work/log" || { cat "$work/log" >&2; fail "cannot build $*"; }; }

echo "-- every file can be read"
find "$top/nix" "$top/flake.nix" "$here" -name '*.nix' -print0 | xargs -0 -n 1 nix-instantiate --parse >/dev/null

echo "-- configurations"
nix-instantiate --eval --strict --json "${cases[@]}" -A checks >"$work/checks" || fail "the checks cannot be evaluated"
jq -e 'all' "$work/checks" >/dev/null \
    || fail "not true: $(jq -r 'to_entries[] | select(.value | not).key' "$work/checks")"
echo "$(jq length "$work/checks") statements are true"

# refused CONFIGURATION WORD...: it evaluates to an error in which all words are.
refused() {
    local word; local configuration=$1; shift
    local path="(c: c.config [ $configuration ])"
    nix-instantiate --eval -E "($path (import $here/cases.nix { binary = $mkpiimg; })).system.build.${target:-piImage}.drvPath" \
        >"$work/log" 2>&1 && fail "accepted: $configuration"
    for word; do grep -qF -- "$word" "$work/log" || { cat "$work/log" >&2; fail "no word of '$word': $configuration"; }; done
    refusals=$((${refusals:-0} + 1))
}
refused '{ sdImage.rootFilesystemCreator = ./x.nix; }' sdImage.rootFilesystemCreator mkpiimg.rootSize ext4
refused '{ sdImage.rootFilesystemImage = "/x"; }' sdImage.rootFilesystemImage sdImage.storePaths
refused '{ sdImage.bootPartitionID = "0x1"; }' sdImage.firmwarePartitionID
refused '{ sdImage.bootSize = 1; }' sdImage.firmwareSize
refused "{ sdImage.preBuildCommands = ''resize2fs \$root_fs 15G''; }" '$root_fs' mkpiimg.rootSize
refused '{ sdImage.imageName = "my.img"; }' '"my.img"' '.img.zst' image.baseName
refused '{ image.fileName = "my.img.zst"; sdImage.compressImage = false; }' sdImage.compressImage
refused '{ sdImage.rootFilesystemCreator = ./x.nix; } ({ pkgs, ... }: { sdImage.storePaths = pkgs.lib.mkForce [ pkgs.linux ]; })' ext4
refused '{ sdImage.noSuchOption = 1; }' sdImage.noSuchOption
refused '({ pkgs, ... }: { mkpiimg.binary = pkgs.lib.mkForce null; })' \
    'has not been published for' release/static.sh 'mkpiimg.binary = ./mkpiimg'
target=piImageScript refused '{ sdImage.postBuildCommands = "true"; }' mkpiimg.raw
echo "$refusals mistakes are refused with advice"

echo "-- the flake"
mkdir "$work/flake"
cp -r "$top/flake.nix" "$top/nix" "$work/flake/"
flake=(--override-input nixpkgs "path:$here/stub" --no-write-lock-file)
nix flake show "path:$work/flake" "${flake[@]}" --json >"$work/show" 2>"$work/log" || { cat "$work/log" >&2; fail "nix flake show"; }
jq -e '.packages | keys == ["aarch64-linux", "x86_64-linux"]' "$work/show" >/dev/null || fail "the flake's packages"
jq -e '.nixosModules.default.type == "nixos-module" and .apps["x86_64-linux"].default.type == "app"' "$work/show" >/dev/null \
    || fail "the flake's outputs: $(cat "$work/show")"
# What is released is taken by its hash, and what isn't is asked for.
nix eval "path:$work/flake#packages.aarch64-linux.default.drvPath" "${flake[@]}" >"$work/log" 2>&1 && fail "what is not released has a derivation"
grep -q 'release/static.sh ./mkpiimg' "$work/log" || fail "what is not released: $(cat "$work/log")"
"$top/release/publish.sh" "https://example.org/v1" "x86_64-linux=$mkpiimg" "$work/flake/nix/release.json" >/dev/null
hash=$(nix hash file "$mkpiimg")
nix eval --raw "path:$work/flake#packages.x86_64-linux.default.text" "${flake[@]}" >"$work/text" 2>"$work/log" || { cat "$work/log" >&2; fail "a released program"; }
derivation=$(nix eval --raw "path:$work/flake#packages.x86_64-linux.default.drvPath" "${flake[@]}" 2>/dev/null)
program=$(nix-store -q --references "$derivation" | grep -- "-mkpiimg-.*-x86_64-linux.drv")
nix show-derivation "$program" | jq -e --arg hash "$(nix hash to-base16 "$hash")" \
    '.[] | .outputs.out.hash == $hash and (.env.url | startswith("https://example.org/v1/mkpiimg-"))' >/dev/null || fail "the released program's hash"
# A configuration that takes the module from the flake.
mkdir "$work/user"
cat >"$work/user/flake.nix" <<'FLAKE'
{
  inputs.mkpiimg.inputs.nixpkgs.follows = "nixpkgs";
  outputs = { self, nixpkgs, mkpiimg }: {
    pi = (nixpkgs.legacyPackages.aarch64-linux.nixos
      [ mkpiimg.nixosModules.default { mkpiimg.buildSystem = "x86_64-linux"; } ] { hasImageOptions = false; }).config;
  };
}
FLAKE
[ "$(nix eval --raw "path:$work/user#pi.system.build.piImage.system" "${flake[@]}" --override-input mkpiimg "path:$work/flake" 2>"$work/log")" \
    = x86_64-linux ] || { cat "$work/log" >&2; fail "the flake's module"; }

echo "-- images out of the sandbox"
printf 'derivation { name = "sandbox"; system = builtins.currentSystem; builder = "/bin/bash"; args = [ "-c" "echo >$out; exit 0" ]; }' >"$work/sandbox.nix"
nix-build "$work/sandbox.nix" --no-out-link >"$work/log" 2>&1 || { cat "$work/log" >&2; skip "Nix has no sandbox here"; }
image_of() {  # CASE FILE
    local out; out=$(build -A "images.$1.system.build.piImage")
    image=$store$out/sd-image/$2
    [ -f "$image" ] || fail "no $2 in $(ls -R "$store$out")"
    [ "$(cat "$store$out/nix-support/hydra-build-products")" = "file sd-image $out/sd-image/$2" ] || fail "hydra-build-products"
    [ "$(cat "$store$out/nix-support/system")" = "$(uname -m)-linux" ] || fail "nix-support/system"
}
name=nixos-image-26.05-aarch64-linux
image_of plain $name.img.zst; plain=$image
zstd -tq "$plain"

# Without a word about firmware, nixpkgs' packages are taken, and what the boards need is picked.
image_of default $name.img.zst
zstd -dcq "$image" >"$work/default.img"
files=$(mdir -b -i "$work/default.img@@8M" :: | sed 's|^::/||' | sort | xargs)
[ "$files" = "$(xargs <<'FILES'
armstub8-gic.bin bcm2710-rpi-3-b.dtb bcm2710-rpi-zero-2-w.dtb bcm2711-rpi-4-b.dtb bcm2712-rpi-5-b.dtb bootcode.bin config.txt
fixup.dat fixup4.dat overlays/ start.elf start4.elf u-boot.bin
FILES
)" ] || fail "on the firmware partition: $files"
rm "$work/default.img"

# The same outside, from the same store.
toplevel=$(build -A images.plain.system.build.toplevel)
registration=$(nix-instantiate "${cases[@]}" -A images.plain.system.build.piImage 2>/dev/null \
    | xargs nix-store -q --references | grep -- -closure-info.drv | xargs nix-store -q --outputs)/registration
firmware=$work/firmware
cp -r "$store$(build -A firmware)" "$firmware"; chmod -R u+w "$firmware"; echo arm_64bit=1 >>"$firmware/config.txt"
find "$firmware" -exec touch -d @1 {} +
outside=(--closure "$toplevel" --store-root "$store" --firmware "$firmware" --progress none)
for source in "--registration $store$registration" "" --scan-references; do
    # shellcheck disable=SC2086 # words; without any, Nix is asked
    "$mkpiimg" "${outside[@]}" $source --out "$work/outside.img.zst"
    cmp "$plain" "$work/outside.img.zst" || fail "outside the sandbox (${source%% *}) the image is another one"
done
image_of again again.img.zst; cmp "$plain" "$image" || fail "built twice, the image is another one"
image_of raw raw.img; raw=$image
zstd -dcq "$plain" | cmp - "$raw"
image_of hooked $name.img.zst
zstd -dcq "$image" >"$work/hooked.img"
[ "$(tail -c +8193 "$work/hooked.img" | head -c 9)" = boot-code ] || fail "postBuildCommands"
printf '\0\0\0\0\0\0\0\0\0' | dd of="$work/hooked.img" bs=1024 seek=8 conv=notrunc status=none
cmp "$work/hooked.img" "$raw"; rm "$work/hooked.img"

# The script makes the same image outside of the store.
script=$(build -A images.plain.system.build.piImageScript)
(cd "$work" && nix shell "$script" -c pi-image --progress none)
cmp "$plain" "$work/$name.img.zst" || fail "the script makes another image"
(cd "$work" && nix shell "$script" -c pi-image --progress none --out - --threads 3) | cmp - "$plain"

# Everything that can be added.
image_of full $name.img.zst
zstd -dcq "$image" >"$work/full.img"
[ "$(tail -c +8193 "$work/full.img" | head -c 9)" = boot-code ] || fail "mkpiimg.raw"
dd if="$work/full.img" of="$work/full.root" bs=1M skip=38 conv=sparse status=none
entry() { debugfs -R "stat $1" "$work/full.root" 2>/dev/null | sed -n 's/.*Mode: *\([0-7]*\).*/\1/p; s/.*Group: *\([0-9]*\).*/\1/p' | xargs; }
[ "$(entry /etc/motd)" = "0640 30" ] || fail "mkpiimg.copies: $(entry /etc/motd)"
[ "$(entry /root/.ssh) $(entry /root/.ssh/authorized_keys)" = "0700 0 0600 0" ] || fail "populateRootCommands"
[ -n "$(entry /nix/var/nix/profiles/system-1-link)" ] || fail "mkpiimg.profile"
mdir -b -i "$work/full.img@@8M" :: | grep -q more.txt || fail "populateFirmwareCommands"
mtype -i "$work/full.img@@8M" ::config.txt | grep -q dtparam=audio=on || fail "mkpiimg.configTxt"
# A secret goes into the image past the store.
echo secret >"$work/key"
script=$(build -A images.full.system.build.piImageScript)
# (Nix sets a umask of its own.)
(cd "$work" && nix shell "$script" -c sh -c 'umask 077; exec pi-image --progress none --out again.img')
cmp "$work/full.img" "$work/again.img" || fail "the image depends on when its folders were filled, or by whom"
(cd "$work" && nix shell "$script" -c pi-image --progress none --copy key:/etc/ssh/key:600:0:0 --out secret.img)
dd if="$work/secret.img" of="$work/full.root" bs=1M skip=38 conv=sparse status=none
[ "$(debugfs -R "cat /etc/ssh/key" "$work/full.root" 2>/dev/null)" = secret ] || fail "the script's further arguments"
! grep -rqx secret "$store/nix/store" || fail "the secret is in the store"
rm "$work"/{full,again,secret}.img "$work/full.root"

echo "-- the first boot"
service() { nix-instantiate --eval --json "${cases[@]}" -A "images.plain.systemd.services.$1.script" | jq -r .; }
[ "$(id -u)" = 0 ] || { echo "SKIPPED: only root can mount"; exit 0; }
cp --sparse=always "$raw" "$work/card.img"; chmod u+w "$work/card.img"
truncate -s 3G "$work/card.img"
loop=$(losetup --find --show --partscan "$work/card.img" 2>"$work/log") || { loop=; echo "SKIPPED: $(cat "$work/log")"; exit 0; }
mkdir "$work/card"
[ -b "${loop}p2" ] || partx --add "$loop" || { echo "SKIPPED: a loop device has no partitions here"; exit 0; }
mount "${loop}p2" "$work/card" || { echo "SKIPPED: cannot mount"; exit 0; }
before=$(df --output=size -m "$work/card" | tail -1 | xargs)
expand() { "$top/nix/expand-root.sh" "$work/card" >"$work/log" 2>&1; }
if ! expand; then
    # Some virtual machines' root may not do this, whatever asks for it.
    grep -q 'Permission denied to resize' "$work/log" || { cat "$work/log" >&2; fail "expand-root.sh"; }
    echo "SKIPPED: growing a mounted filesystem (not allowed here); it is grown unmounted"
    umount "$work/card"; e2fsck -fp "${loop}p2" >/dev/null; resize2fs "${loop}p2" >/dev/null 2>&1; mount "${loop}p2" "$work/card"
fi
expand || { cat "$work/log" >&2; fail "expand-root.sh, again"; }
after=$(df --output=size -m "$work/card" | tail -1 | xargs)
[ "$after" -gt 2800 ] || fail "it grew from $before to $after MiB"
# The root partition is found by number, not by its minor device number, and the table is as it was otherwise.
[ "$(sfdisk -J "$loop" | jq -c '.partitiontable.partitions | map([.type, .bootable])')" = '[["b",null],["83",true]]' ] || fail "$(sfdisk -d "$loop")"
"$top/nix/expand-root.sh" /proc >"$work/log" 2>&1 && fail "it grew what is no partition"
grep -q 'not on a partition' "$work/log" || fail "$(cat "$work/log")"
echo "the root grew from $before to $after MiB"

# As a running system: the programs come from here, the root from the card.
mkdir -p "$work/card"/{usr,proc,dev,etc,run,tmp,sys}
mount --bind /usr "$work/card/usr"; mount -t proc proc "$work/card/proc"; mount --bind /dev "$work/card/dev"
for link in bin sbin lib lib64; do ln -s usr/$link "$work/card/$link"; done
ln -s "$toplevel" "$work/card/run/current-system"
echo root:x:0:0::/root:/bin/sh >"$work/card/etc/passwd"
on_card() { service "$1" | env -u NIX_CONF_DIR HOME=/root chroot "$work/card" /bin/bash -euo pipefail -c 'cat >/tmp/script; . /tmp/script'; }
on_card register-nix-paths >"$work/log" 2>&1 || { cat "$work/log" >&2; fail "register-nix-paths"; }
{ [ -e "$work/card/etc/NIXOS" ] && [ ! -e "$work/card/nix-path-registration" ]; } || fail "register-nix-paths left something undone"
[ "$(readlink "$work/card/nix/var/nix/profiles/system-1-link")" = "$toplevel" ] || fail "no first generation"
[ "$(chroot "$work/card" /usr/bin/nix-store -qR "$toplevel" | sort)" = "$(nix-store -qR "$toplevel" | sort)" ] || fail "other paths are registered"
chroot "$work/card" /usr/bin/nix-store --verify --check-contents >"$work/log" 2>&1 || { cat "$work/log" >&2; fail "nix-store --verify"; }
umount "$work/card/usr" "$work/card/proc" "$work/card/dev" "$work/card"
e2fsck -fn "${loop}p2" >"$work/log" 2>&1 || { cat "$work/log" >&2; fail "e2fsck after the growth"; }
echo "the store is registered, and the profile has its first generation"
