#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# big-closure.sh SIZE_GB [OUTLINK]      (env LAB: a work folder)
: "${LAB:?set LAB to a work folder}"; export LAB
# Realistic large aarch64 closure from real Debian arm64 package contents, one store path per package, built by real Nix.
#   SIZE_GB <= 2.6 : base set (NixOS-minimal-image sized).  > 2.6: base + extra packages + re-versioned variants until SIZE_GB is reached.
#   env STORE=/some/root  -> build into a chroot store (needs root + sandbox);   default: the real /nix/store
set -euo pipefail
SIZE_GB=${1:?SIZE_GB}; OUT=${2:-$LAB/big-$SIZE_GB}; STORE=${STORE:-}
B=$LAB/bigc; mkdir -p $B/debs; cd $B
A=$LAB/apt; export APT_CONFIG=$A/apt.conf
if [ ! -e $APT_CONFIG ]; then      # private arm64 apt state: the system's dpkg/apt is not touched
  mkdir -p $A/{state/lists/partial,cache/archives/partial,etc/empty.d}; touch $A/state/status
  cp /etc/apt/sources.list.d/debian.sources $A/etc/empty.d/; : > $A/etc/sources.list      # the host's own Debian sources
  printf '%s\n' 'APT::Architecture "arm64";' 'APT::Architectures { "arm64"; };' "Dir::State \"$A/state\";" "Dir::State::status \"$A/state/status\";" "Dir::Cache \"$A/cache\";" \
    "Dir::Etc::sourcelist \"$A/etc/sources.list\";" "Dir::Etc::sourceparts \"$A/etc/empty.d\";" "Dir::Etc::preferencesparts \"$A/etc/empty.d\";" "Dir::Etc::parts \"$A/etc/empty.d\";" 'APT::Install-Recommends "false";' 'APT::Sandbox::User "root";' > $APT_CONFIG
  apt-get update
fi
KERNEL=$(apt-cache depends linux-image-arm64 | awk '/Depends: linux-image-/{print $2}'); export KVER=${KERNEL#linux-image-}
cat > roots.base <<R
$KERNEL locales-all perl perl-doc python3 python3-pip python3-numpy python3-yaml python3-lxml python3-cryptography git vim vim-gtk3 emacs-nox systemd systemd-container udev openssh-server openssh-client samba samba-vfs-modules network-manager modemmanager wpasupplicant iwd iproute2 iptables nftables dnsmasq bind9-dnsutils
nix-bin e2fsprogs btrfs-progs xfsprogs f2fs-tools dosfstools mtools ntfs-3g cryptsetup lvm2 mdadm parted gdisk smartmontools hdparm nvme-cli sdparm testdisk gddrescue pciutils usbutils i2c-tools device-tree-compiler u-boot-tools gdb strace tmux screen rsync curl wget htop iotop man-db manpages manpages-dev groff texinfo less file zip unzip zstd xz-utils bzip2 p7zip-full
gcc g++ make cmake ninja-build meson autoconf automake libtool pkg-config bison flex docbook-xsl nodejs ruby lua5.4 tcl sqlite3 postgresql-15 redis-server nginx-full apache2-bin php8.2-cli mariadb-server-core avahi-daemon bluez alsa-utils pulseaudio ffmpeg imagemagick ghostscript fonts-dejavu fonts-liberation fonts-noto-core iso-codes tzdata hwdata shared-mime-info hicolor-icon-theme adwaita-icon-theme mesa-utils libgl1-mesa-dri xserver-xorg-core x11-utils fish zsh bash-completion busybox-static kexec-tools dbus polkitd sudo tcpdump nmap socat jq ripgrep mosh mutt irssi w3m lynx
R
cat > roots.extra <<R
golang-1.19-go ghc rustc clang-15 openjdk-17-jre-headless texlive-latex-recommended libreoffice-core-nogui linux-headers-$KVER binutils-common qemu-system-arm
R
ROOTS=$(cat roots.base); BIG=0; awk "BEGIN{exit !($SIZE_GB > 2.6)}" && { BIG=1; ROOTS="$ROOTS $(cat roots.extra)"; }
apt-get install -s --no-install-recommends $ROOTS 2>/dev/null | awk '/^Inst/{print $2}' | sort -u > pk.$BIG
(cd debs; for p in $(cat ../pk.$BIG); do ls ${p}_*.deb >/dev/null 2>&1 || echo $p; done > ../todo; [ -s ../todo ] && apt-get download -qq $(cat ../todo) || true)
apt-cache show --no-all-versions $(cat pk.$BIG) > show.$BIG
python3 - $BIG $SIZE_GB <<'P'
import sys,re,os,json,glob
big,gb=int(sys.argv[1]),float(sys.argv[2]); pk=open(f"pk.{big}").read().split(); S=set(pk)
info={};prov={}
for st in open(f"show.{big}").read().split("\n\n"):
    f=dict(re.findall(r"^([A-Za-z-]+): (.*)$",st,re.M))
    if f.get("Package") in S and f["Package"] not in info:
        info[f["Package"]]=f
        for x in f.get("Provides","").split(","): prov.setdefault(x.split("(")[0].strip(),f["Package"])
deps={}
for p,f in info.items():
    d=[]
    for field in("Depends","Pre-Depends"):
        for alt in f.get(field,"").split(","):
            for o in alt.split("|"):
                n=o.split("(")[0].split(":")[0].strip()
                n=n if n in S else prov.get(n)
                if n and n!=p: d.append(n); break
    deps[p]=sorted(set(d))
order=[];state={}
sys.setrecursionlimit(100000)
def visit(p):                                   # Nix references are acyclic: drop the edge that closes a Debian dependency cycle
    state[p]=1; keep=[]
    for d in deps[p]:
        if state.get(d)==1: continue
        if d not in state: visit(d)
        keep.append(d)
    deps[p]=keep; state[p]=2; order.append(p)
for p in pk:
    if p not in state: visit(p)
deb={os.path.basename(x).split("_")[0]:x for x in glob.glob(os.getcwd()+"/debs/*.deb")}
pkgs=[dict(pkg=p,name=re.sub(r"[^0-9A-Za-z+._?=-]","-",f"{p}-{info[p]['Version'].split(':')[-1]}"),deb=deb[p],deps=deps[p],size=int(info[p].get("Installed-Size",0))*1024,variant=0) for p in order]
total=sum(x["size"] for x in pkgs)
if gb>2.6:                                      # older "generations" of the same packages, biggest first
    v=1
    while total<gb*1e9:
        for x in sorted([y for y in pkgs if y["variant"]==0],key=lambda y:-y["size"]):
            if total>=gb*1e9: break
            if x["pkg"].startswith("linux-image"): continue
            y=dict(x,variant=v,name=x["name"]+f"-r{v}"); pkgs.append(y); total+=y["size"]
        v+=1
json.dump(pkgs,open("pkgs.json","w"),indent=0); print(len(pkgs),"packages, Installed-Size",round(total/1e9,2),"GB")
P
cat > big.nix <<'N'
let
  pkgs = builtins.fromJSON (builtins.readFile ./pkgs.json);
  sh = name: attrs: script: derivation ({ inherit name; system = "x86_64-linux"; builder = "/bin/bash"; preferLocalBuild = true;
    passAsFile = [ "deps" ];
    args = [ "-eu" "-o" "pipefail" "-c" ("export PATH=/usr/bin:/bin:/usr/sbin:/sbin; umask 022; mkdir -p $out\n" + script + "\nexit 0\n") ]; } // attrs);   # exit 0: bash must not exec the last coreutils command (it closes stderr before exiting => Nix sees EOF, SIGKILLs it: "failed due to signal 9")
  # deb contents are read from outside the store (sandbox=false or sandbox-paths) so that only the unpacked paths end up in it
  unpack = p: ''dpkg-deb --fsys-tarfile '${p.deb}' | tar -x --no-same-owner --no-same-permissions -C $out
    if [ -d $out/usr ]; then cp -al $out/usr/. $out/ && rm -rf $out/usr; fi
  '';
  kver = builtins.getEnv "KVER";
  mk = p: sh p.name { deps = map (d: byKey.${d}) p.deps; inherit (p) variant; } (
    if builtins.substring 0 11 p.pkg == "linux-image" then ''
      dpkg-deb --fsys-tarfile '${p.deb}' | tar -x --no-same-owner --no-same-permissions
      mkdir -p $out/dtbs $out/lib; cp boot/vmlinuz-${kver} $out/Image; cp boot/System.map-${kver} $out/System.map; cp boot/config-${kver} $out/config
      cp -r usr/lib/linux-image-${kver}/. $out/dtbs/; mv lib/modules $out/lib/modules
      find $out/lib/modules -name '*.ko' -print0 | xargs -0 -n 64 -P 2 xz -1 --check=crc32      # NixOS ships .ko.xz
    '' else (unpack p) + ''
      mkdir -p $out/nix-support; tr ' ' '\n' < $depsPath > $out/nix-support/propagated-build-inputs
      for f in $out/bin/* $out/sbin/*; do [ -f "$f" ] && [ ! -L "$f" ] && head -c 2 "$f" | grep -q '#!' && sed -i "1s|^#! */usr/bin/|#!$out/bin/|" "$f" || true; done
      [ $variant = 0 ] || { echo "variant $variant" > $out/nix-support/variant
        # small changes: prepend a line to every 7th text-ish file
        { find $out/share/doc $out/etc -type f 2>/dev/null || true; } | awk 'NR%7==0' | while read -r f; do case $f in *.gz) ;; *) sed -i "1i variant $variant" "$f";; esac; done; }
    '');
  base = builtins.filter (p: p.variant == 0) pkgs;
  byKey = builtins.listToAttrs (map (p: { name = p.pkg; value = mk p; }) base);
  all = map mk pkgs;
  kernel = byKey."linux-image-${kver}";
  units = builtins.genList (i: let d = builtins.elemAt base (i * 5); in sh "unit-${d.pkg}.service" { d = byKey.${d.pkg}; } ''
    printf '[Unit]\nDescription=${d.pkg}\n[Service]\nEnvironment=PATH=%s/bin\nExecStart=%s/bin/x\n' $d $d > $out/${d.pkg}.service'') 100;
  initrd = sh "initrd-linux-6.1.176" { inherit kernel; busybox = byKey.busybox-static; } ''
    mkdir -p r/bin r/lib; cp $busybox/bin/busybox r/bin/; for m in $kernel/lib/modules/${kver}/kernel/{fs,drivers/mmc,drivers/usb,drivers/md}; do cp -r $m r/lib/; done
    (cd r; find . -exec touch -h -d @1 {} +; find . -print0 | sort -z | cpio --quiet -o -H newc -R +0:+0 --reproducible --null) | zstd -19 -q > $out/initrd'';
  dtbs = sh "device-tree-overlays" { inherit kernel; } ''cp -r $kernel/dtbs/broadcom $out/'';
  etc = sh "etc" { deps = units; } ''mkdir -p $out/etc/systemd/system; for u in $(cat $depsPath); do for f in $u/*; do ln -s $f $out/etc/systemd/system/; done; done
    printf 'ID=nixos\nVERSION_ID="22.11"\n' > $out/etc/os-release; echo rpi > $out/etc/hostname; ln -s /proc/mounts $out/etc/mtab'';
  systemPath = sh "system-path" { deps = map (p: byKey.${p.pkg}) base; } ''
    for p in $(cat $depsPath); do for d in bin sbin; do [ -d $p/$d ] || continue; mkdir -p $out/$d; for f in $p/$d/*; do [ -e "$f" ] && ln -sn "$f" $out/$d/ 2>/dev/null || true; done; done
      [ -d $p/share/man ] && (cd $p/share/man; find . -type d -exec mkdir -p $out/share/man/{} \;; find . ! -type d -printf '%P\n' | while read -r f; do ln -sn "$p/share/man/$f" "$out/share/man/$f" 2>/dev/null || true; done) || true; done'';
in sh "nixos-system-rpi-22.11.20230331.fc4a4f3" { inherit kernel initrd dtbs etc systemPath; deps = all; systemd = byKey.systemd; bash = byKey.git; } ''
    ln -s $kernel/Image $out/kernel; ln -s $initrd/initrd $out/initrd; ln -s $dtbs $out/dtbs; ln -s $etc/etc $out/etc; ln -s $systemPath $out/sw; ln -s $systemd $out/systemd; ln -s $kernel $out/kernel-modules
    echo -n "console=ttyS0,115200n8 console=tty0 loglevel=4" > $out/kernel-params; echo -n "systemd 2" > $out/init-interface-version; echo -n "22.11.20230331.fc4a4f3" > $out/nixos-version; echo -n aarch64-linux > $out/system
    printf '#!/bin/sh\nexec %s/lib/systemd/systemd\n' $systemd > $out/init; cp $out/init $out/activate; chmod +x $out/init $out/activate
    cat $depsPath > $out/extra-dependencies; mkdir $out/bin; cp $out/init $out/bin/switch-to-configuration
    printf '{"org.nixos.bootspec.v1":{"init":"%s/init","initrd":"%s/initrd","kernel":"%s/Image","kernelParams":["console=ttyS0,115200n8"],"label":"NixOS 22.11","system":"aarch64-linux","toplevel":"%s"},"org.nixos.specialisation.v1":{}}\n' $out $initrd $kernel $out > $out/boot.json''
N
ARGS=(); [ -n "$STORE" ] && ARGS=(--store "$STORE" --option sandbox true --option sandbox-paths "/bin /usr /lib /lib64 /etc/alternatives $B/debs")
time nix-build big.nix "${ARGS[@]}" -o "$OUT" > build.log 2>&1 || { tail -20 build.log; exit 1; }
tail -1 build.log
