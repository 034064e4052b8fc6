# SPDX-License-Identifier: Apache-2.0
#
# The packages of nixpkgs that nix/ and flake.nix use, for the tests: derivations whose tools come from the host,
# through the sandbox's paths. `system` builds the packages; they run on `crossSystem`, by default the same system.
{ system, crossSystem ? system, config ? { }, overlays ? [ ] }:
let
  lib = import ./lib.nix;
  callWith = pkgs: file: arguments:
    let
      make = import file;
      wanted = builtins.functionArgs make;
      result = make (builtins.intersectAttrs wanted pkgs // arguments);
    in
    result // { override = more: callWith pkgs file (arguments // more); };

  runCommand = name: env: text: derivation (removeAttrs env [ "nativeBuildInputs" "meta" ] // {
    inherit name system text;
    builder = "/bin/bash";
    # bash must not exec the last command of a builder in its own place: hence the exit.
    args = [
      "-euc"
      ''set -o pipefail; export PATH=/usr/bin:/bin; umask 022; cd "$NIX_BUILD_TOP"; eval "$text"; exit 0''
    ];
  }) // { meta = env.meta or { }; };
  data = name: text: runCommand name { } ''
    file() { mkdir -p "$(dirname "$out/$1")"; printf '%s of %s\n' "$1" "$name" >"$out/$1"; }
    ${text}
  '';

  pkgs = {
    inherit config lib overlays pkgs runCommand;
    path = ./.;
    stdenv.hostPlatform.system = crossSystem;
    buildPackages = import ./. { inherit system config overlays; };
    runtimeShell = "/bin/bash";
    callPackage = callWith pkgs;
    zstd = "/usr"; util-linux = "/usr"; e2fsprogs = "/usr";

    writeShellScriptBin = name: text: runCommand name { script = text; } ''
      mkdir -p $out/bin
      printf '#!/bin/bash\n%s\n' "$script" >$out/bin/${name}
      chmod +x $out/bin/${name}
    '';
    fetchurl = { url, hash }: derivation {
      name = baseNameOf url;
      system = "builtin";
      builder = "builtin:fetchurl";
      inherit url;
      urls = [ url ];
      outputHash = hash;
      outputHashMode = "flat";
    };
    # It uses the same feature of Nix as nixpkgs' closureInfo, and writes the same file.
    closureInfo = { rootPaths }: derivation {
      name = "closure-info";
      inherit system;
      __structuredAttrs = true;
      exportReferencesGraph.closure = rootPaths;
      builder = "/bin/bash";
      args = [ "-euc" ''
        export PATH=/usr/bin:/bin
        . .attrs.sh
        mkdir "''${outputs[out]}"
        jq -r '.closure[] | .path, .narHash, (.narSize | tostring), "",
          (.references | length | tostring), .references[]' .attrs.json >"''${outputs[out]}/registration"
        exit 0
      '' ];
    };

    linux = runCommand "linux-6.12.1" { } ''
      mkdir -p $out/dtbs/broadcom
      # The header of an arm64 kernel, with the size of its image in memory.
      {
        head -c 16 /dev/zero; printf '\0\0\20\0\0\0\0\0'
        head -c 32 /dev/zero; printf 'ARM\144'; seq 100000
      } >$out/Image
      for board in bcm2837-rpi-3-b bcm2711-rpi-4-b bcm2712-rpi-5-b; do
        echo "$board" >$out/dtbs/broadcom/$board.dtb
      done
    '';
    initrd = runCommand "initrd-linux-6.12.1" { } "mkdir $out; seq 20000 >$out/initrd";
    raspberrypifw = data "raspberrypi-firmware-1.20260101" ''
      for name in bootcode.bin start.elf fixup.dat start4.elf fixup4.dat bcm2710-rpi-3-b.dtb bcm2710-rpi-zero-2-w.dtb \
        bcm2711-rpi-4-b.dtb bcm2712-rpi-5-b.dtb overlays/dwc2.dtbo overlays/README LICENCE.broadcom kernel8.img; do
        file share/raspberrypi/boot/$name
      done
    '';
    ubootRaspberryPiAarch64 = data "uboot-rpi_arm64_defconfig-2026.01" "file u-boot.bin";
    ubootRaspberryPi2 = data "uboot-rpi_2_defconfig-2026.01" "file u-boot.bin";
    ubootRaspberryPi3_32bit = data "uboot-rpi_3_32b_defconfig-2026.01" "file u-boot.bin";
    raspberrypi-armstubs = data "raspberrypi-armstubs-2026" "file armstub8-gic.bin";

    # A configuration of NixOS. `hasImageOptions` tells whether nixpkgs has the file image/file-options.nix.
    nixos = modules: { hasImageOptions ? true }: lib.evalModules {
      modules = [ ./nixos.nix ] ++ modules;
      specialArgs = { inherit pkgs; modulesPath = if hasImageOptions then ./modules else ./.; };
    };
  };
in
pkgs
