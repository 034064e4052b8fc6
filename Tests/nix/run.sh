#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# run.sh MKPIIMG - prove the NixOS module and the flake with real Nix, and with a stub instead of nixpkgs.
#
# MKPIIMG is the static program (release/static.sh). The script fetches nothing: stub/ stands in for the parts of
# nixpkgs that nix/ and flake.nix use. It evaluates configurations (cases.nix), builds their images in Nix's sandbox, in
# a store of their own, and compares them with images made outside of the sandbox. It then runs the first boot's
# services on a card that has space to grow.
# Exit status 77: there is no Nix here, or no sandbox.
# shellcheck disable=SC2016,SC2317 # Nix code has variables too; functions are called by trap
set -euo pipefail

[ $# -eq 1 ] || { echo "usage: run.sh MKPIIMG" >&2; exit 64; }
here=$(cd "$(dirname "$0")" && pwd); top=$(cd "$here/../.." && pwd)
mkpiimg=$(readlink -f "$1")
export PATH=$PATH:/usr/sbin:/sbin LC_ALL=C
fail() { echo "run.sh: $*" >&2; exit 1; }
fail_with_log() { cat "$work/log" >&2; fail "$@"; }
skip() { echo "SKIPPED: $*" >&2; exit 77; }
for tool in nix nix-build jq; do command -v $tool >/dev/null || skip "$tool is missing"; done

work=$(mktemp -d)
cleanup() {
    local mount
    for mount in card/usr card/proc card/dev card; do
        if mountpoint -q "$work/$mount"; then umount "$work/$mount"; fi
    done
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
build() { nix-build "${cases[@]}" --no-out-link "$@" 2>"$work/log" || fail_with_log "cannot build $*"; }

echo "-- every file can be parsed"
find "$top/nix" "$top/flake.nix" "$here" -name '*.nix' -print0 | xargs -0 -n 1 nix-instantiate --parse >/dev/null

echo "-- configurations"
nix-instantiate --eval --strict --json "${cases[@]}" -A checks >"$work/checks" || fail "the checks cannot be evaluated"
jq -e 'all' "$work/checks" >/dev/null \
    || fail "not true: $(jq -r 'to_entries[] | select(.value | not).key' "$work/checks")"
echo "$(jq length "$work/checks") statements are true"

# refused CONFIGURATION WORD...: the configuration evaluates to an error whose message contains every WORD.
refused() {
    local word; local configuration=$1; shift
    local path="(c: c.config [ $configuration ])"
    local system="($path (import $here/cases.nix { binary = $mkpiimg; })).system"
    nix-instantiate --eval -E "$system.build.${target:-piImage}.drvPath" >"$work/log" 2>&1 \
        && fail "accepted: $configuration"
    for word; do
        grep -qF -- "$word" "$work/log" || fail_with_log "the message does not contain '$word': $configuration"
    done
    refusals=$((${refusals:-0} + 1))
}
refused '{ sdImage.rootFilesystemCreator = ./x.nix; }' sdImage.rootFilesystemCreator mkpiimg.rootSize ext4
refused '{ sdImage.rootFilesystemImage = "/x"; }' sdImage.rootFilesystemImage sdImage.storePaths
refused '{ sdImage.bootPartitionID = "0x1"; }' sdImage.firmwarePartitionID
refused '{ sdImage.bootSize = 1; }' sdImage.firmwareSize
refused "{ sdImage.preBuildCommands = ''resize2fs \$root_fs 15G''; }" '$root_fs' mkpiimg.rootSize
refused '{ sdImage.imageName = "my.img"; }' '"my.img"' '.img.zst' image.baseName
refused '{ image.fileName = "my.img.zst"; sdImage.compressImage = false; }' sdImage.compressImage
# Also for an image that does not contain the system.
only_linux='({ pkgs, ... }: { sdImage.storePaths = pkgs.lib.mkForce [ pkgs.linux ]; })'
refused "{ sdImage.rootFilesystemCreator = ./x.nix; } $only_linux" ext4
refused '{ sdImage.noSuchOption = 1; }' sdImage.noSuchOption
refused '({ pkgs, ... }: { mkpiimg.binary = pkgs.lib.mkForce null; })' \
    'has not been published for' release/static.sh 'mkpiimg.binary = ./mkpiimg'
target=piImageScript refused '{ sdImage.postBuildCommands = "true"; }' mkpiimg.raw
echo "$refusals mistakes are refused with a remedy"

echo "-- the flake"
mkdir "$work/flake"
cp -r "$top/flake.nix" "$top/nix" "$work/flake/"
flake=(--override-input nixpkgs "path:$here/stub" --no-write-lock-file)
nix flake show "path:$work/flake" "${flake[@]}" --json >"$work/show" 2>"$work/log" || fail_with_log "nix flake show"
jq -e '.packages | keys == ["aarch64-linux", "x86_64-linux"]' "$work/show" >/dev/null || fail "the flake's packages"
jq -e '.nixosModules.default.type == "nixos-module" and .apps["x86_64-linux"].default.type == "app"' "$work/show" \
    >/dev/null || fail "the flake's outputs: $(cat "$work/show")"
# A released program is fetched by its hash; for a system without a release, the message says how to build the program.
nix eval "path:$work/flake#packages.aarch64-linux.default.drvPath" "${flake[@]}" >"$work/log" 2>&1 \
    && fail "a system without a release has a derivation"
grep -q 'release/static.sh ./mkpiimg' "$work/log" || fail "a system without a release: $(cat "$work/log")"
"$top/release/publish.sh" "https://example.org/v1" "x86_64-linux=$mkpiimg" "$work/flake/nix/release.json" >/dev/null
hash=$(nix hash file "$mkpiimg")
nix eval --raw "path:$work/flake#packages.x86_64-linux.default.text" "${flake[@]}" >"$work/text" 2>"$work/log" \
    || fail_with_log "a released program"
derivation=$(nix eval --raw "path:$work/flake#packages.x86_64-linux.default.drvPath" "${flake[@]}" 2>/dev/null)
program=$(nix-store -q --references "$derivation" | grep -- "-mkpiimg-.*-x86_64-linux.drv")
nix show-derivation "$program" | jq -e --arg hash "$(nix hash to-base16 "$hash")" \
    '.[] | .outputs.out.hash == $hash and (.env.url | startswith("https://example.org/v1/mkpiimg-"))' >/dev/null \
    || fail "the released program's hash"
# A configuration that imports the module from the flake.
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
[ "$(nix eval --raw "path:$work/user#pi.system.build.piImage.system" "${flake[@]}" \
    --override-input mkpiimg "path:$work/flake" 2>"$work/log")" = x86_64-linux ] || fail_with_log "the flake's module"

echo "-- images built in the sandbox"
cat >"$work/sandbox.nix" <<'NIX'
derivation {
  name = "sandbox";
  system = builtins.currentSystem;
  builder = "/bin/bash";
  args = [ "-c" "echo >$out; exit 0" ];
}
NIX
nix-build "$work/sandbox.nix" --no-out-link >"$work/log" 2>&1 \
    || { cat "$work/log" >&2; skip "Nix has no sandbox here"; }
image_of() {  # CASE FILE: builds the image of a case; sets $image to its path
    local out; out=$(build -A "images.$1.system.build.piImage")
    image=$store$out/sd-image/$2
    [ -f "$image" ] || fail "no $2 in $(ls -R "$store$out")"
    [ "$(cat "$store$out/nix-support/hydra-build-products")" = "file sd-image $out/sd-image/$2" ] \
        || fail "hydra-build-products"
    [ "$(cat "$store$out/nix-support/system")" = "$(uname -m)-linux" ] || fail "nix-support/system"
}
name=nixos-image-26.05-aarch64-linux
image_of plain $name.img.zst; plain=$image
zstd -tq "$plain"

# Without firmware options, the firmware comes from nixpkgs' packages: the files that the boards need.
image_of default $name.img.zst
zstd -dcq "$image" >"$work/default.img"
files=$(mdir -b -i "$work/default.img@@8M" :: | sed 's|^::/||' | sort | xargs)
[ "$files" = "$(xargs <<'FILES'
armstub8-gic.bin bcm2710-rpi-3-b.dtb bcm2710-rpi-zero-2-w.dtb bcm2711-rpi-4-b.dtb bcm2712-rpi-5-b.dtb bootcode.bin
config.txt fixup.dat fixup4.dat overlays/ start.elf start4.elf u-boot.bin
FILES
)" ] || fail "on the firmware partition: $files"
rm "$work/default.img"

# The program makes the same image outside of the sandbox, from the same store.
toplevel=$(build -A images.plain.system.build.toplevel)
registration=$(nix-instantiate "${cases[@]}" -A images.plain.system.build.piImage 2>/dev/null \
    | xargs nix-store -q --references | grep -- -closure-info.drv | xargs nix-store -q --outputs)/registration
firmware=$work/firmware
cp -r "$store$(build -A firmware)" "$firmware"; chmod -R u+w "$firmware"; echo arm_64bit=1 >>"$firmware/config.txt"
find "$firmware" -exec touch -d @1 {} +
outside=(--closure "$toplevel" --store-root "$store" --firmware "$firmware" --progress none)
for source in "--registration $store$registration" "" --scan-references; do
    # shellcheck disable=SC2086 # several words; without any, mkpiimg queries Nix
    "$mkpiimg" "${outside[@]}" $source --out "$work/outside.img.zst"
    cmp "$plain" "$work/outside.img.zst" || fail "outside of the sandbox (${source%% *}) the image differs"
done
image_of again again.img.zst; cmp "$plain" "$image" || fail "a second build makes a different image"
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
cmp "$plain" "$work/$name.img.zst" || fail "the script makes a different image"
(cd "$work" && nix shell "$script" -c pi-image --progress none --out - --threads 3) | cmp - "$plain"

# An image with every kind of addition.
image_of full $name.img.zst
zstd -dcq "$image" >"$work/full.img"
[ "$(tail -c +8193 "$work/full.img" | head -c 9)" = boot-code ] || fail "mkpiimg.raw"
dd if="$work/full.img" of="$work/full.root" bs=1M skip=38 conv=sparse status=none
entry() { # PATH: prints its mode and group
    debugfs -R "stat $1" "$work/full.root" 2>/dev/null \
        | sed -n 's/.*Mode: *\([0-7]*\).*/\1/p; s/.*Group: *\([0-9]*\).*/\1/p' | xargs
}
[ "$(entry /etc/motd)" = "0640 30" ] || fail "mkpiimg.copies: $(entry /etc/motd)"
[ "$(entry /root/.ssh) $(entry /root/.ssh/authorized_keys)" = "0700 0 0600 0" ] || fail "populateRootCommands"
[ -n "$(entry /nix/var/nix/profiles/system-1-link)" ] || fail "mkpiimg.profile"
mdir -b -i "$work/full.img@@8M" :: | grep -q more.txt || fail "populateFirmwareCommands"
mtype -i "$work/full.img@@8M" ::config.txt | grep -q dtparam=audio=on || fail "mkpiimg.configTxt"
# A secret goes into the image without passing through the store.
echo secret >"$work/key"
script=$(build -A images.full.system.build.piImageScript)
# (Nix sets a umask of its own.)
(cd "$work" && nix shell "$script" -c sh -c 'umask 077; exec pi-image --progress none --out again.img')
cmp "$work/full.img" "$work/again.img" || fail "the image depends on the time or the umask of the script's run"
(cd "$work" && nix shell "$script" -c pi-image --progress none --copy key:/etc/ssh/key:600:0:0 --out secret.img)
dd if="$work/secret.img" of="$work/full.root" bs=1M skip=38 conv=sparse status=none
[ "$(debugfs -R "cat /etc/ssh/key" "$work/full.root" 2>/dev/null)" = secret ] \
    || fail "the script's additional arguments"
! grep -rqx secret "$store/nix/store" || fail "the secret is in the store"
rm "$work"/{full,again,secret}.img "$work/full.root"

echo "-- the first boot"
service() { nix-instantiate --eval --json "${cases[@]}" -A "images.plain.systemd.services.$1.script" | jq -r .; }
[ "$(id -u)" = 0 ] || { echo "SKIPPED: only root can mount"; exit 0; }
cp --sparse=always "$raw" "$work/card.img"; chmod u+w "$work/card.img"
truncate -s 3G "$work/card.img"
loop=$(losetup --find --show --partscan "$work/card.img" 2>"$work/log") \
    || { loop=; echo "SKIPPED: $(cat "$work/log")"; exit 0; }
mkdir "$work/card"
[ -b "${loop}p2" ] || partx --add "$loop" || { echo "SKIPPED: a loop device has no partitions here"; exit 0; }
mount "${loop}p2" "$work/card" || { echo "SKIPPED: cannot mount"; exit 0; }
before=$(df --output=size -m "$work/card" | tail -1 | xargs)
expand() { "$top/nix/expand-root.sh" "$work/card" >"$work/log" 2>&1; }
if ! expand; then
    # In some virtual machines even root is not allowed to resize a mounted filesystem.
    grep -q 'Permission denied to resize' "$work/log" || fail_with_log "expand-root.sh"
    echo "SKIPPED: growing a mounted filesystem (not allowed here); it is grown unmounted"
    umount "$work/card"
    e2fsck -fp "${loop}p2" >/dev/null
    resize2fs "${loop}p2" >/dev/null 2>&1
    mount "${loop}p2" "$work/card"
fi
expand || fail_with_log "expand-root.sh, second run"
after=$(df --output=size -m "$work/card" | tail -1 | xargs)
[ "$after" -gt 2800 ] || fail "it grew from $before to $after MiB"
# The script finds the root partition by its number, not by its minor device number. The rest of the table is unchanged.
[ "$(sfdisk -J "$loop" | jq -c '.partitiontable.partitions | map([.type, .bootable])')" = '[["b",null],["83",true]]' ] \
    || fail "$(sfdisk -d "$loop")"
"$top/nix/expand-root.sh" /proc >"$work/log" 2>&1 && fail "it accepted a directory that is not on a partition"
grep -q 'not on a partition' "$work/log" || fail "$(cat "$work/log")"
echo "the root grew from $before to $after MiB"

# The services run in a chroot of the card, with the host's programs.
mkdir -p "$work/card"/{usr,proc,dev,etc,run,tmp,sys}
mount --bind /usr "$work/card/usr"; mount -t proc proc "$work/card/proc"; mount --bind /dev "$work/card/dev"
for link in bin sbin lib lib64; do ln -s usr/$link "$work/card/$link"; done
ln -s "$toplevel" "$work/card/run/current-system"
echo root:x:0:0::/root:/bin/sh >"$work/card/etc/passwd"
on_card() { # SERVICE
    service "$1" | env -u NIX_CONF_DIR HOME=/root chroot "$work/card" \
        /bin/bash -euo pipefail -c 'cat >/tmp/script; . /tmp/script'
}
on_card register-nix-paths >"$work/log" 2>&1 || fail_with_log "register-nix-paths"
{ [ -e "$work/card/etc/NIXOS" ] && [ ! -e "$work/card/nix-path-registration" ]; } \
    || fail "register-nix-paths did not finish"
[ "$(readlink "$work/card/nix/var/nix/profiles/system-1-link")" = "$toplevel" ] || fail "no first generation"
[ "$(chroot "$work/card" /usr/bin/nix-store -qR "$toplevel" | sort)" = "$(nix-store -qR "$toplevel" | sort)" ] \
    || fail "other paths are registered"
chroot "$work/card" /usr/bin/nix-store --verify --check-contents >"$work/log" 2>&1 || fail_with_log "nix-store --verify"
umount "$work/card/usr" "$work/card/proc" "$work/card/dev" "$work/card"
e2fsck -fn "${loop}p2" >"$work/log" 2>&1 || fail_with_log "e2fsck after the growth"
echo "the store is registered, and the profile has its first generation"
