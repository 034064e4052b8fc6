# SPDX-License-Identifier: Apache-2.0
#
# A NixOS module that makes the SD card image with mkpiimg, for configurations that were written for nixpkgs' sdImage:
# import this file in place of nixpkgs' installer/sd-card/sd-image-aarch64.nix (or a similar module of nixpkgs).
#
#   system.build.piImage        the image, in the same output directories; also under the names sdImage and image
#   system.build.piImageScript  a program that makes it outside of the Nix store, with more arguments: for secrets
#
# docs/nixos.md explains the options.
{ config, lib, options, pkgs, modulesPath, ... }:
let
  inherit (lib) concatMap escapeShellArg escapeShellArgs hasInfix hasSuffix mkDefault optional optionalAttrs optionals
    optionalString;
  sd = config.sdImage;
  cfg = config.mkpiimg;

  build = cfg.buildPackages;
  buildSystem = build.stdenv.hostPlatform.system;

  # Reports unsupported settings before anything is built, also for an image that does not contain the system.
  failed = builtins.filter (check: !check.assertion) config.assertions;
  checked = value:
    if failed == [ ] then value
    else
      throw "the image cannot be made:\n${builtins.concatStringsSep "\n" (map (check: "- ${check.message}") failed)}";

  hasFirmwareDirectory = sd.populateFirmwareCommands != "";
  hasRootDirectory = sd.populateRootCommands != "";
  # Fills ./firmware and ./files. As in sdImage, the commands may use $NIX_BUILD_TOP, the directory they start in.
  populate = ''
    umask 022
    mkdir firmware files
    ${sd.preBuildCommands}
    cd "$NIX_BUILD_TOP"
    ${sd.populateFirmwareCommands}
    cd "$NIX_BUILD_TOP"
    ${sd.populateRootCommands}
    cd "$NIX_BUILD_TOP"
    # The image must not depend on when it is made.
    find firmware files -exec touch -h -d @1 {} +
  '';
  populates = hasFirmwareDirectory || hasRootDirectory || sd.preBuildCommands != "";

  each = name: concatMap (value: [ name value ]);
  given = name: value: optionals (value != null) [ name (toString value) ];
  arguments = [ "${cfg.package}/bin/mkpiimg" ]
    ++ concatMap (path: [ "--closure" "${path}" ]) sd.storePaths
    ++ [ "--registration" "${build.closureInfo { rootPaths = sd.storePaths; }}/registration" ]
    ++ [ "--registration-path" cfg.registrationPath ]
    ++ concatMap (path: [ "--firmware" "${path}" ]) cfg.firmware
    ++ each "--board" cfg.boards
    ++ [ "--boot" cfg.boot ]
    ++ each "--config-txt" cfg.configTxt
    ++ each "--kernel-param" cfg.kernelParams
    ++ optionals (cfg.menuTimeout != 5) [
      "--menu-timeout" (if cfg.menuTimeout == null then "none" else toString cfg.menuTimeout)
    ]
    ++ given "--device-tree" cfg.deviceTree
    ++ concatMap (path: [ "--root-files" "${path}" ]) cfg.rootFiles
    ++ each "--copy" cfg.copies
    ++ each "--raw" cfg.raw
    ++ optional cfg.profile "--profile"
    ++ optional cfg.check "--check"
    ++ [ "--gap" "${toString sd.firmwarePartitionOffset}M" ]
    ++ optionals (sd.firmwareSize != null) [ "--firmware-size" "${toString sd.firmwareSize}M" ]
    ++ [ "--firmware-label" sd.firmwarePartitionName "--disk-id" sd.firmwarePartitionID ]
    ++ [ "--root-label" sd.rootVolumeLabel ]
    ++ given "--root-uuid" sd.rootPartitionUUID
    ++ given "--root-slack" cfg.rootSlack
    ++ given "--root-size" cfg.rootSize
    ++ given "--level" cfg.level
    ++ optional cfg.singleFrame "--single-frame"
    ++ cfg.extraArgs;
  # The directories filled by commands come last, so that their files replace those of the options.
  command = escapeShellArgs arguments
    + optionalString hasFirmwareDirectory " --firmware \"$NIX_BUILD_TOP/firmware\""
    + optionalString hasRootDirectory " --root-files \"$NIX_BUILD_TOP/files\"";

  # postBuildCommands change the image before it is compressed.
  compressesLater = sd.compressImage && sd.postBuildCommands != "";

  image = build.runCommand config.image.fileName
    { nativeBuildInputs = optional compressesLater build.zstd; }
    ''
      mkdir -p $out/sd-image $out/nix-support
      file=$out/sd-image/${escapeShellArg config.image.fileName}
      ${optionalString populates populate}
      cores=()
      if [ "''${NIX_BUILD_CORES:-0}" -gt 0 ]; then cores=(--threads "$NIX_BUILD_CORES"); fi
      ${if sd.postBuildCommands == "" then ''
        ${command} --progress plain "''${cores[@]}" --out "$file"
      '' else ''
        export img=''${file%.zst}
        ${command} --progress plain "''${cores[@]}" --out "$img"
        ${sd.postBuildCommands}
        ${optionalString compressesLater ''zstd -T"''${NIX_BUILD_CORES:-0}" -q --rm "$img" -o "$file"''}
      ''}
      echo "file sd-image $file" >$out/nix-support/hydra-build-products
      echo ${buildSystem} >$out/nix-support/system
    '';

  script = build.writeShellScriptBin "pi-image" ''
    # Makes ${config.image.fileName} in the current folder. Arguments are added to mkpiimg's: another --out, --copy and
    # --root-files for what must not be in the Nix store, --plan.
    set -euo pipefail
    ${optionalString populates ''
      NIX_BUILD_TOP=$(mktemp -d)
      export NIX_BUILD_TOP
      trap 'chmod -R u+w "$NIX_BUILD_TOP"; rm -rf "$NIX_BUILD_TOP"' EXIT
      (
      cd "$NIX_BUILD_TOP"
      ${populate}
      )
    ''}
    ${command} --out ${escapeShellArg config.image.fileName} "$@"
  '';

  imageOptions = modulesPath + "/image/file-options.nix";
in
{
  # Other modules (nixpkgs' installer images, modules for boards) that import these get this module instead.
  disabledModules = map (name: "installer/sd-card/${name}.nix") [
    "sd-image" "sd-image-aarch64" "sd-image-raspberrypi" "sd-image-armv7l-multiplatform"
  ];

  imports = [
    ./options.nix
    ./first-boot.nix
    (if builtins.pathExists imageOptions then imageOptions else ./image-options.nix)
  ];

  config = {
    sdImage.storePaths = [ config.system.build.toplevel ];
    image.extension = if sd.compressImage then "img.zst" else "img";
    image.filePath = "sd-image/${config.image.fileName}";
    system.nixos.tags = [ "sd-card" ];

    system.build = {
      piImage = checked image;
      # The names that other commands and modules use.
      sdImage = config.system.build.piImage;
      image = config.system.build.piImage;
      piImageScript = checked (
        if sd.postBuildCommands == "" then script
        else throw ''
          system.build.piImageScript cannot run sdImage.postBuildCommands, because it writes no uncompressed image. Use
          mkpiimg.raw for data outside of the partitions.
        ''
      );
    };

    assertions = [
      {
        assertion = hasSuffix ".${config.image.extension}" config.image.fileName;
        message = ''
          image.fileName (formerly sdImage.imageName) is "${config.image.fileName}" and must end in
          ".${config.image.extension}", because of sdImage.compressImage. Set image.baseName, without an extension,
          instead.
        '';
      }
      {
        assertion = !(hasInfix "root_fs" sd.preBuildCommands);
        message = ''
          sdImage.preBuildCommands uses $root_fs, and there is no such file: everything is written in one pass. For a
          size use mkpiimg.rootSize or mkpiimg.rootSlack; for files sdImage.populateRootCommands or mkpiimg.copies.
        '';
      }
    ];
    warnings = optional compressesLater ''
      sdImage.postBuildCommands makes mkpiimg write the image uncompressed first; the result cannot be read in parts.
      For boot code outside of the partitions, prefer mkpiimg.raw.
    '';

    fileSystems = {
      "/" = {
        device = mkDefault "/dev/disk/by-label/${sd.rootVolumeLabel}";
        fsType = mkDefault "ext4";
      };
      "/boot/firmware" = {
        device = mkDefault "/dev/disk/by-label/${sd.firmwarePartitionName}";
        fsType = mkDefault "vfat";
        # A running system does not need it.
        options = [ "nofail" "noauto" ];
      };
    };

    boot = {
      loader.grub.enable = mkDefault false;
      loader.generic-extlinux-compatible.enable = mkDefault (cfg.boot == "extlinux");
      consoleLogLevel = mkDefault 7;
      # The last console becomes the system's console. The others are serial ports; each board has one of them.
      kernelParams = [ "console=ttyS0,115200n8" "console=ttyAMA0,115200n8" "console=tty0" ];
      # NixOS' list contains drivers for other machines, which Raspberry Pi's own kernels do not have ("Module ahci not
      # found"). If NixOS can ignore missing modules, this list also has those that a root filesystem on USB needs.
      initrd = optionalAttrs (options.boot.initrd ? allowMissingModules) {
        allowMissingModules = mkDefault true;
        availableKernelModules = [ "pcie-brcmstb" "reset-raspberrypi" "usb-storage" "usbhid" "vc4" ];
      };
    };
  };
}
