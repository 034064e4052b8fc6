#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# big-closure.sh SIZE_GB [OUTLINK] - build a large, realistic aarch64 closure with Nix: one store path for each of
# Debian's arm64 packages, with their real contents.
#
# Up to 2.6 GB it is the base set of packages, about the size of NixOS' minimal image. Above, it has more packages, and
# changed variants of packages until SIZE_GB is reached.
#
#   env: LAB=dir (work directory, required)
#        STORE=dir (build into this chroot store, which needs root and the sandbox; default: the real /nix/store)
# shellcheck disable=SC2086 # paths of this benchmark have no spaces; lists of packages are several words
set -euo pipefail
: "${LAB:?set LAB to a work directory}"
export LAB
SIZE_GB=${1:?SIZE_GB}
OUT=${2:-$LAB/big-$SIZE_GB}
STORE=${STORE:-}
B=$LAB/bigc
mkdir -p $B/debs
cd $B

# A private apt state for arm64, with the host's own Debian sources: the host's dpkg and apt do not change.
A=$LAB/apt
export APT_CONFIG=$A/apt.conf
if [ ! -e $APT_CONFIG ]; then
    mkdir -p $A/{state/lists/partial,cache/archives/partial,etc/empty.d}
    touch $A/state/status
    cp /etc/apt/sources.list.d/debian.sources $A/etc/empty.d/
    : >$A/etc/sources.list
    cat >$APT_CONFIG <<CONFIG
APT::Architecture "arm64";
APT::Architectures { "arm64"; };
Dir::State "$A/state";
Dir::State::status "$A/state/status";
Dir::Cache "$A/cache";
Dir::Etc::sourcelist "$A/etc/sources.list";
Dir::Etc::sourceparts "$A/etc/empty.d";
Dir::Etc::preferencesparts "$A/etc/empty.d";
Dir::Etc::parts "$A/etc/empty.d";
APT::Install-Recommends "false";
APT::Sandbox::User "root";
CONFIG
    apt-get update
fi

# The packages, with all their dependencies.
KERNEL=$(apt-cache depends linux-image-arm64 | awk '/Depends: linux-image-/{print $2}')
export KVER=${KERNEL#linux-image-}
cat >roots.base <<R
$KERNEL locales-all perl perl-doc python3 python3-pip python3-numpy python3-yaml python3-lxml python3-cryptography
git vim vim-gtk3 emacs-nox systemd systemd-container udev openssh-server openssh-client samba samba-vfs-modules
network-manager modemmanager wpasupplicant iwd iproute2 iptables nftables dnsmasq bind9-dnsutils
nix-bin e2fsprogs btrfs-progs xfsprogs f2fs-tools dosfstools mtools ntfs-3g cryptsetup lvm2 mdadm parted gdisk
smartmontools hdparm nvme-cli sdparm testdisk gddrescue pciutils usbutils i2c-tools device-tree-compiler
u-boot-tools gdb strace tmux screen rsync curl wget htop iotop man-db manpages manpages-dev groff texinfo less file
zip unzip zstd xz-utils bzip2 p7zip-full
gcc g++ make cmake ninja-build meson autoconf automake libtool pkg-config bison flex docbook-xsl nodejs ruby lua5.4
tcl sqlite3 postgresql-15 redis-server nginx-full apache2-bin php8.2-cli mariadb-server-core avahi-daemon bluez
alsa-utils pulseaudio ffmpeg imagemagick ghostscript fonts-dejavu fonts-liberation fonts-noto-core iso-codes tzdata
hwdata shared-mime-info hicolor-icon-theme adwaita-icon-theme mesa-utils libgl1-mesa-dri xserver-xorg-core x11-utils
fish zsh bash-completion busybox-static kexec-tools dbus polkitd sudo tcpdump nmap socat jq ripgrep mosh mutt irssi
w3m lynx
R
cat >roots.extra <<R
golang-1.19-go ghc rustc clang-15 openjdk-17-jre-headless texlive-latex-recommended libreoffice-core-nogui
linux-headers-$KVER binutils-common qemu-system-arm
R
ROOTS=$(cat roots.base)
BIG=0
if awk "BEGIN{exit !($SIZE_GB > 2.6)}"; then
    BIG=1
    ROOTS="$ROOTS $(cat roots.extra)"
fi
apt-get install -s --no-install-recommends $ROOTS 2>/dev/null | awk '/^Inst/{print $2}' | sort -u >pk.$BIG
(
    cd debs
    while read -r package; do
        ls ${package}_*.deb >/dev/null 2>&1 || echo $package
    done <../pk.$BIG >../todo
    # shellcheck disable=SC2046 # several words
    [ ! -s ../todo ] || apt-get download -qq $(cat ../todo) || true
)
# shellcheck disable=SC2046 # several words
apt-cache show --no-all-versions $(cat pk.$BIG) >show.$BIG

# pkgs.json: each package with its name in the store, its file, its dependencies and its size.
python3 - $BIG $SIZE_GB <<'PYTHON'
import glob, json, os, re, sys

big, gigabytes = int(sys.argv[1]), float(sys.argv[2])
with open(f"pk.{big}") as file:
    names = file.read().split()
wanted = set(names)
info, providers = {}, {}
with open(f"show.{big}") as file:
    stanzas = file.read().split("\n\n")
for stanza in stanzas:
    fields = dict(re.findall(r"^([A-Za-z-]+): (.*)$", stanza, re.M))
    if fields.get("Package") in wanted and fields["Package"] not in info:
        info[fields["Package"]] = fields
        for provided in fields.get("Provides", "").split(","):
            providers.setdefault(provided.split("(")[0].strip(), fields["Package"])

dependencies = {}
for package, fields in info.items():
    found = []
    for field in ("Depends", "Pre-Depends"):
        for alternatives in fields.get(field, "").split(","):
            for alternative in alternatives.split("|"):
                name = alternative.split("(")[0].split(":")[0].strip()
                name = name if name in wanted else providers.get(name)
                if name and name != package:
                    found.append(name)
                    break
    dependencies[package] = sorted(set(found))

order, state = [], {}
sys.setrecursionlimit(100000)


def visit(package):
    """Appends the package after its dependencies. Nix allows no cycles: an edge that closes a cycle is dropped."""
    state[package] = 1
    kept = []
    for dependency in dependencies[package]:
        if state.get(dependency) == 1:
            continue
        if dependency not in state:
            visit(dependency)
        kept.append(dependency)
    dependencies[package] = kept
    state[package] = 2
    order.append(package)


for package in names:
    if package not in state:
        visit(package)
files = {os.path.basename(path).split("_")[0]: path for path in glob.glob(os.getcwd() + "/debs/*.deb")}
packages = []
for package in order:
    version = info[package]["Version"].split(":")[-1]
    packages.append(dict(
        pkg=package, name=re.sub(r"[^0-9A-Za-z+._?=-]", "-", f"{package}-{version}"), deb=files[package],
        deps=dependencies[package], size=int(info[package].get("Installed-Size", 0)) * 1024, variant=0))
total = sum(package["size"] for package in packages)
if gigabytes > 2.6:  # older "generations" of the same packages, the largest first
    variant = 1
    while total < gigabytes * 1e9:
        originals = [package for package in packages if package["variant"] == 0]
        for original in sorted(originals, key=lambda package: -package["size"]):
            if total >= gigabytes * 1e9:
                break
            if original["pkg"].startswith("linux-image"):
                continue
            packages.append(dict(original, variant=variant, name=original["name"] + f"-r{variant}"))
            total += original["size"]
        variant += 1
with open("pkgs.json", "w") as file:
    json.dump(packages, file, indent=0)
print(len(packages), "packages, Installed-Size", round(total / 1e9, 2), "GB")
PYTHON

# The closure. Strings are joined with + to keep lines short: the text of a builder is part of the hash of its path.
cat >big.nix <<'NIX'
let
  pkgs = builtins.fromJSON (builtins.readFile ./pkgs.json);
  # The exit 0: bash must not exec the last command in its own place. Such a command closes stderr before it exits; Nix
  # then kills the builder ("failed due to signal 9").
  sh = name: attrs: script: derivation ({
    inherit name;
    system = "x86_64-linux";
    builder = "/bin/bash";
    preferLocalBuild = true;
    passAsFile = [ "deps" ];
    args = [
      "-eu" "-o" "pipefail" "-c"
      ("export PATH=/usr/bin:/bin:/usr/sbin:/sbin; umask 022; mkdir -p $out\n" + script + "\nexit 0\n")
    ];
  } // attrs);
  # The .deb files are read from outside of the store (sandbox=false or sandbox-paths), so that only the unpacked paths
  # are in it.
  unpack = p: ''dpkg-deb --fsys-tarfile '${p.deb}' | tar -x --no-same-owner --no-same-permissions -C $out
    if [ -d $out/usr ]; then cp -al $out/usr/. $out/ && rm -rf $out/usr; fi
  '';
  kver = builtins.getEnv "KVER";
  # NixOS has compressed kernel modules (.ko.xz).
  kernelScript = p: "dpkg-deb --fsys-tarfile '${p.deb}' | tar -x --no-same-owner --no-same-permissions\n"
    + "mkdir -p $out/dtbs $out/lib; cp boot/vmlinuz-${kver} $out/Image; "
    + "cp boot/System.map-${kver} $out/System.map; cp boot/config-${kver} $out/config\n"
    + "cp -r usr/lib/linux-image-${kver}/. $out/dtbs/; mv lib/modules $out/lib/modules\n"
    + "find $out/lib/modules -name '*.ko' -print0 | xargs -0 -n 64 -P 2 xz -1 --check=crc32"
    + "      # NixOS ships .ko.xz\n";
  packageScript = p: (unpack p)
    + "mkdir -p $out/nix-support; tr ' ' '\\n' < $depsPath > $out/nix-support/propagated-build-inputs\n"
    + "for f in $out/bin/* $out/sbin/*; do [ -f \"$f\" ] && [ ! -L \"$f\" ] && head -c 2 \"$f\" | grep -q '#!' "
    + "&& sed -i \"1s|^#! */usr/bin/|#!$out/bin/|\" \"$f\" || true; done\n"
    + "[ $variant = 0 ] || { echo \"variant $variant\" > $out/nix-support/variant\n"
    + "  # small changes: prepend a line to every 7th text-ish file\n"
    + "  { find $out/share/doc $out/etc -type f 2>/dev/null || true; } | awk 'NR%7==0' | while read -r f; "
    + "do case $f in *.gz) ;; *) sed -i \"1i variant $variant\" \"$f\";; esac; done; }\n";
  mk = p: sh p.name { deps = map (d: byKey.${d}) p.deps; inherit (p) variant; } (
    if builtins.substring 0 11 p.pkg == "linux-image" then kernelScript p else packageScript p
  );
  base = builtins.filter (p: p.variant == 0) pkgs;
  byKey = builtins.listToAttrs (map (p: { name = p.pkg; value = mk p; }) base);
  all = map mk pkgs;
  kernel = byKey."linux-image-${kver}";
  units = builtins.genList (i: let d = builtins.elemAt base (i * 5); in
    sh "unit-${d.pkg}.service" { d = byKey.${d.pkg}; } (
      "printf '[Unit]\\nDescription=${d.pkg}\\n[Service]\\nEnvironment=PATH=%s/bin\\nExecStart=%s/bin/x\\n' "
      + "$d $d > $out/${d.pkg}.service"
    )) 100;
  initrd = sh "initrd-linux-6.1.176" { inherit kernel; busybox = byKey.busybox-static; } (
    "mkdir -p r/bin r/lib; cp $busybox/bin/busybox r/bin/; "
    + "for m in $kernel/lib/modules/${kver}/kernel/{fs,drivers/mmc,drivers/usb,drivers/md}; do "
    + "cp -r $m r/lib/; done\n"
    + "(cd r; find . -exec touch -h -d @1 {} +; find . -print0 | sort -z "
    + "| cpio --quiet -o -H newc -R +0:+0 --reproducible --null) | zstd -19 -q > $out/initrd"
  );
  dtbs = sh "device-tree-overlays" { inherit kernel; } ''cp -r $kernel/dtbs/broadcom $out/'';
  etc = sh "etc" { deps = units; } (
    "mkdir -p $out/etc/systemd/system; for u in $(cat $depsPath); do "
    + "for f in $u/*; do ln -s $f $out/etc/systemd/system/; done; done\n"
    + "    printf 'ID=nixos\\nVERSION_ID=\"22.11\"\\n' > $out/etc/os-release; "
    + "echo rpi > $out/etc/hostname; ln -s /proc/mounts $out/etc/mtab"
  );
  systemPath = sh "system-path" { deps = map (p: byKey.${p.pkg}) base; } (
    "for p in $(cat $depsPath); do for d in bin sbin; do [ -d $p/$d ] || continue; mkdir -p $out/$d; "
    + "for f in $p/$d/*; do [ -e \"$f\" ] && ln -sn \"$f\" $out/$d/ 2>/dev/null || true; done; done\n"
    + "  [ -d $p/share/man ] && (cd $p/share/man; find . -type d -exec mkdir -p $out/share/man/{} \\;; "
    + "find . ! -type d -printf '%P\\n' | while read -r f; do "
    + "ln -sn \"$p/share/man/$f\" \"$out/share/man/$f\" 2>/dev/null || true; done) || true; done"
  );
  inputs = {
    inherit kernel initrd dtbs etc systemPath;
    deps = all; systemd = byKey.systemd; bash = byKey.git;
  };
in sh "nixos-system-rpi-22.11.20230331.fc4a4f3" inputs (
  "ln -s $kernel/Image $out/kernel; ln -s $initrd/initrd $out/initrd; ln -s $dtbs $out/dtbs; "
  + "ln -s $etc/etc $out/etc; ln -s $systemPath $out/sw; ln -s $systemd $out/systemd; "
  + "ln -s $kernel $out/kernel-modules\n"
  + "echo -n \"console=ttyS0,115200n8 console=tty0 loglevel=4\" > $out/kernel-params; "
  + "echo -n \"systemd 2\" > $out/init-interface-version; "
  + "echo -n \"22.11.20230331.fc4a4f3\" > $out/nixos-version; echo -n aarch64-linux > $out/system\n"
  + "printf '#!/bin/sh\\nexec %s/lib/systemd/systemd\\n' $systemd > $out/init; "
  + "cp $out/init $out/activate; chmod +x $out/init $out/activate\n"
  + "cat $depsPath > $out/extra-dependencies; mkdir $out/bin; "
  + "cp $out/init $out/bin/switch-to-configuration\n"
  + "printf '{\"org.nixos.bootspec.v1\":{\"init\":\"%s/init\",\"initrd\":\"%s/initrd\",\"kernel\":\"%s/Image\","
  + "\"kernelParams\":[\"console=ttyS0,115200n8\"],\"label\":\"NixOS 22.11\",\"system\":\"aarch64-linux\","
  + "\"toplevel\":\"%s\"},\"org.nixos.specialisation.v1\":{}}\\n' $out $initrd $kernel $out > $out/boot.json"
)
NIX
ARGS=()
[ -z "$STORE" ] || ARGS=(
    --store "$STORE" --option sandbox true --option sandbox-paths "/bin /usr /lib /lib64 /etc/alternatives $B/debs"
)
time nix-build big.nix "${ARGS[@]}" -o "$OUT" >build.log 2>&1 || { tail -20 build.log; exit 1; }
tail -1 build.log
