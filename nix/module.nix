# SPDX-License-Identifier: Apache-2.0
#
# A NixOS module that makes the SD card image with mkpiimg, for configurations that were written for nixpkgs' sdImage:
# import this file in place of nixpkgs' installer/sd-card/sd-image-aarch64.nix (or of any of its relatives).
#
#   system.build.piImage        the image, in the same output folders; also under the names sdImage and image
#   system.build.piImageScript  a program that makes it outside of the Nix store, with more arguments: for secrets
#
# docs/nixos.md goes through the options.
{ config, lib, options, pkgs, modulesPath, ... }:
let
  inherit (lib) concatMap escapeShellArg escapeShellArgs hasInfix hasSuffix literalExpression mkDefault mkIf mkOption
    mkRemovedOptionModule mkRenamedOptionModule optional optionalAttrs optionals optionalString types;
  sd = config.sdImage;
  cfg = config.mkpiimg;
  uboot = config.boot.loader.generic-extlinux-compatible;

  build = cfg.buildPackages;
  buildSystem = build.stdenv.hostPlatform.system;
  architecture = builtins.head (builtins.split "-" pkgs.stdenv.hostPlatform.system);

  # Raspberry Pi's firmware is data, so it is taken from the machine that builds, which surely can copy it. U-Boot and
  # the stub before it are programs of the board, and in nixpkgs' cache.
  bootPackages = {
    aarch64 = [
      (pkgs.ubootRaspberryPiAarch64 or (pkgs.buildUBoot {
        defconfig = "rpi_arm64_defconfig";
        extraMeta.platforms = [ "aarch64-linux" ];
        filesToInstall = [ "u-boot.bin" ];
      }))
      pkgs.raspberrypi-armstubs
    ];
    armv7l = [ pkgs.ubootRaspberryPi2 pkgs.ubootRaspberryPi3_32bit ];
    armv6l = [ pkgs.ubootRaspberryPiZero pkgs.ubootRaspberryPi ];
  };
  # mkForce on the commands means that these and nothing else say what is on the partition.
  firmwareIsForced = options.sdImage.populateFirmwareCommands.highestPrio < 100;
  firmwarePackages =
    optionals (cfg.boot != "none" && !firmwareIsForced) (
      [ build.raspberrypifw ] ++ optionals (cfg.boot == "extlinux") (bootPackages.${architecture} or [ ])
    );

  # What has no meaning here is said before anything is built, also for an image without a system in it.
  failed = builtins.filter (check: !check.assertion) config.assertions;
  checked = value:
    if failed == [ ] then value
    else throw "the image cannot be made:\n${builtins.concatStringsSep "\n" (map (check: "- ${check.message}") failed)}";

  hasFirmwareFolder = sd.populateFirmwareCommands != "";
  hasRootFolder = sd.populateRootCommands != "";
  # Fills ./firmware and ./files. The commands may use $NIX_BUILD_TOP for the folder they start in, as in sdImage.
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
  populates = hasFirmwareFolder || hasRootFolder || sd.preBuildCommands != "";

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
  # The folders that were filled come after those that were named, and win.
  command = escapeShellArgs arguments
    + optionalString hasFirmwareFolder " --firmware \"$NIX_BUILD_TOP/firmware\""
    + optionalString hasRootFolder " --root-files \"$NIX_BUILD_TOP/files\"";

  # A hook that changes the finished image can only do so before it is compressed.
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

  # Kept beside the registration while the disk is being grown, so that an interrupted growth is taken up again.
  growing = "${sd.nixPathRegistrationFile}-growing";
  firstBoot = {
    wantedBy = [ "sysinit.target" ];
    after = [ "local-fs.target" ];
    conflicts = [ "shutdown.target" ];
    restartIfChanged = false;
    unitConfig.DefaultDependencies = false;
    serviceConfig = { Type = "oneshot"; RemainAfterExit = true; };
  };
  nix = config.nix.package.out or config.nix.package;

  imageOptions = modulesPath + "/image/file-options.nix";
in
{
  # Whatever else imports these (nixpkgs' installer images, boards' modules) gets this module instead.
  disabledModules = map (name: "installer/sd-card/${name}.nix") [
    "sd-image" "sd-image-aarch64" "sd-image-raspberrypi" "sd-image-armv7l-multiplatform"
  ];

  imports = [
    (if builtins.pathExists imageOptions then imageOptions else ./image-options.nix)
    (mkRenamedOptionModule [ "sdImage" "imageBaseName" ] [ "image" "baseName" ])
    (mkRenamedOptionModule [ "sdImage" "imageName" ] [ "image" "fileName" ])
    (mkRemovedOptionModule [ "sdImage" "bootPartitionID" ]
      "The firmware partition's serial number, which is also the disk's, is sdImage.firmwarePartitionID.")
    (mkRemovedOptionModule [ "sdImage" "bootSize" ]
      "Kernels are on the root partition. The firmware partition's size is sdImage.firmwareSize.")
    (mkRemovedOptionModule [ "sdImage" "rootFilesystemCreator" ] ''
      mkpiimg lays out the root filesystem itself, always as ext4, and runs no program for it. Its size is set with
      mkpiimg.rootSize and mkpiimg.rootSlack, its label and UUID with sdImage.rootVolumeLabel and
      sdImage.rootPartitionUUID. For btrfs or f2fs, stay with nixpkgs' sdImage.
    '')
    (mkRemovedOptionModule [ "sdImage" "rootFilesystemImage" ] ''
      There is no image of the root filesystem that could be replaced: everything is written in one pass. Files are added
      with sdImage.populateRootCommands, mkpiimg.rootFiles and mkpiimg.copies; store paths with sdImage.storePaths.
    '')
  ];

  options.sdImage = {
    storePaths = mkOption {
      type = types.listOf types.package;
      example = literalExpression "[ pkgs.stdenv ]";
      description = "Store paths that are in the image, with all that they refer to. The first system boots.";
    };
    firmwarePartitionOffset = mkOption {
      type = types.int;
      default = 8;
      description = "Space before the first partition, in MiB.";
    };
    firmwarePartitionID = mkOption {
      type = types.str;
      default = "0x2178694e";
      description = "The firmware partition's serial number and the disk's identifier: 32 bits in hexadecimal.";
    };
    firmwarePartitionName = mkOption {
      type = types.str;
      default = "FIRMWARE";
      description = "The firmware partition's label.";
    };
    firmwareSize = mkOption {
      type = types.nullOr types.int;
      default = null;
      description = "The firmware partition's size in MiB; null is 30, or more where the files need it.";
    };
    rootPartitionUUID = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "14e19a7b-0ae0-484d-9d54-43bd6fdc20c7";
      description = "The root filesystem's UUID; null is 44444444-4444-4444-8888-888888888888.";
    };
    rootVolumeLabel = mkOption {
      type = types.str;
      default = "NIXOS_SD";
      description = "The root filesystem's label.";
    };
    populateFirmwareCommands = mkOption {
      type = types.lines;
      default = "";
      example = literalExpression "''cp \${./disable-bt.dtbo} firmware/''";
      description = ''
        Shell commands that fill the folder ./firmware, which is laid over the firmware partition: over what
        `mkpiimg.firmware` brings, or alone where `lib.mkForce` is used. A config.txt in it replaces the generated one.
      '';
    };
    populateRootCommands = mkOption {
      type = types.lines;
      default = "";
      description = ''
        Shell commands that fill the folder ./files, which is laid over the root filesystem; modes are kept. U-Boot's
        menu and the kernel need no command: see `mkpiimg.boot`.
      '';
    };
    preBuildCommands = mkOption {
      type = types.lines;
      default = "";
      description = "Shell commands that run before the two folders are filled. There is no $root_fs.";
    };
    postBuildCommands = mkOption {
      type = types.lines;
      default = "";
      description = ''
        Shell commands that change the finished image, the file $img, before it is compressed. For boot code in the gap,
        `mkpiimg.raw` is faster: with commands, the image is written uncompressed first, and cannot be read in parts.
      '';
    };
    compressImage = mkOption {
      type = types.bool;
      default = true;
      description = "Whether the image is compressed with zstd.";
    };
    expandOnBoot = mkOption {
      type = types.bool;
      default = true;
      description = "Whether the root partition grows to the end of the card on first boot.";
    };
    nixPathRegistrationFile = mkOption {
      type = types.str;
      default = "/nix-path-registration";
      description = ''
        Where the running system finds the registration of its store paths on first boot. Where the card's root
        partition is not mounted at /, put its mount point before it.
      '';
    };
  };

  options.mkpiimg = {
    package = mkOption {
      type = types.package;
      default = build.callPackage ./package.nix { inherit (cfg) binary; };
      defaultText = literalExpression "mkpiimg of the release, for the machine that builds";
      description = "The program, for the machine that builds the image.";
    };
    binary = mkOption {
      type = types.nullOr types.path;
      default = null;
      example = literalExpression "./mkpiimg";
      description = "The static program, made by release/static.sh, where it is not to be the released one.";
    };
    buildSystem = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "x86_64-linux";
      description = ''
        The kind of machine that makes the image; null is the one that the configuration's packages are built on. With a
        configuration of plain aarch64 packages, name the machine that you build on, so that nothing runs in emulation.
      '';
    };
    buildPackages = mkOption {
      type = types.raw;
      default =
        if cfg.buildSystem == null then pkgs.buildPackages
        else import pkgs.path { system = cfg.buildSystem; inherit (pkgs) config overlays; };
      defaultText = literalExpression "nixpkgs for mkpiimg.buildSystem";
      description = "nixpkgs for the machine that makes the image: its shell, its copy of mkpiimg.";
    };
    firmware = mkOption {
      type = types.listOf types.path;
      default = firmwarePackages;
      defaultText = literalExpression "raspberrypifw, U-Boot and raspberrypi-armstubs, as boards and boot need them";
      description = ''
        What the firmware partition is made of: packages (raspberrypifw, U-Boot, raspberrypi-armstubs) of which each
        board's files are picked, and folders that are laid down whole. Later ones win.
      '';
    };
    boards = mkOption {
      type = types.listOf types.str;
      default = [ architecture ];
      defaultText = literalExpression ''[ "aarch64" ], or what the system is for'';
      example = [ "pi4" "pi5" ];
      description = "The boards that the image is for, or aarch64, armv7l, armv6l: all that run such a system.";
    };
    boot = mkOption {
      type = types.enum [ "extlinux" "kernel" "none" ];
      default = "extlinux";
      description = ''
        What starts the kernel: U-Boot with a menu on the root partition, the board's firmware, or something else.
        NixOS keeps the menu up to date (`boot.loader.generic-extlinux-compatible`); nothing does so for `kernel`.
      '';
    };
    configTxt = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "dtparam=audio=on" ];
      description = "Lines that are added to the generated config.txt.";
    };
    kernelParams = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = ''
        Kernel parameters of this image's first start. What is to last belongs in `boot.kernelParams`.
      '';
    };
    menuTimeout = mkOption {
      type = types.nullOr types.int;
      default = config.boot.loader.timeout;
      defaultText = literalExpression "config.boot.loader.timeout";
      description = "How many seconds U-Boot's menu waits; null is for ever.";
    };
    deviceTree = mkOption {
      type = types.nullOr types.str;
      default = if uboot.useGenerationDeviceTree then config.hardware.deviceTree.name else "none";
      defaultText = literalExpression "config.hardware.deviceTree.name, or none without useGenerationDeviceTree";
      example = "broadcom/bcm2711-rpi-4-b.dtb";
      description = "The device tree to start with; null leaves the choice to U-Boot.";
    };
    rootFiles = mkOption {
      type = types.listOf types.path;
      default = [ ];
      description = ''
        Folders that are laid over the root filesystem, with owner 0:0. They are copied to the Nix store, where everybody
        can read them: not for secrets.
      '';
    };
    copies = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = literalExpression ''[ "''${./motd}:/etc/motd:644:0:0" ]'';
      description = ''
        Files that are laid over the root filesystem, as SOURCE:DESTINATION:MODE:UID:GID. Sources are in the Nix store,
        where everybody can read them: not for secrets, for which there is `system.build.piImageScript`.
      '';
    };
    raw = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = literalExpression ''[ "''${pkgs.myBootLoader}/SPL@1K" ]'';
      description = "Files that are written outside of the partitions, as FILE@OFFSET.";
    };
    profile = mkOption {
      type = types.bool;
      default = false;
      description = "Whether the system profile is in the image already, instead of being made on first boot.";
    };
    registrationPath = mkOption {
      type = types.str;
      default = "/${baseNameOf sd.nixPathRegistrationFile}";
      defaultText = literalExpression ''"/''${baseNameOf config.sdImage.nixPathRegistrationFile}"'';
      description = "Where the registration is on the root partition, whatever that is mounted at.";
    };
    check = mkOption {
      type = types.bool;
      default = false;
      description = "Whether every store path's content is compared with its hash while it is written.";
    };
    rootSlack = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "256M";
      description = "Space that can still be written on the root filesystem; null is 64M.";
    };
    rootSize = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "8G";
      description = "A fixed size of the root partition; null is what is needed.";
    };
    level = mkOption {
      type = types.nullOr types.int;
      default = null;
      description = "zstd's compression level; null is mkpiimg's own choice.";
    };
    singleFrame = mkOption {
      type = types.bool;
      default = false;
      description = "Whether it is compressed as one frame, for flashing programs that need that.";
    };
    extraArgs = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "--reserved-percent" "1" ];
      description = "More arguments of mkpiimg.";
    };
  };

  config = {
    sdImage.storePaths = [ config.system.build.toplevel ];
    image.extension = if sd.compressImage then "img.zst" else "img";
    image.filePath = "sd-image/${config.image.fileName}";
    system.nixos.tags = [ "sd-card" ];

    system.build = {
      piImage = checked image;
      # The names that commands and other modules may know it by.
      sdImage = config.system.build.piImage;
      image = config.system.build.piImage;
      piImageScript = checked (
        if sd.postBuildCommands == "" then script
        else throw ''
          system.build.piImageScript cannot run sdImage.postBuildCommands, as it hands the image to nobody before it is
          compressed. Use mkpiimg.raw for what is written outside of the partitions.
        ''
      );
    };

    assertions = [
      {
        assertion = hasSuffix ".${config.image.extension}" config.image.fileName;
        message = ''
          image.fileName (once sdImage.imageName) is "${config.image.fileName}" and must end in
          ".${config.image.extension}", as sdImage.compressImage says. Set image.baseName, without an extension, instead.
        '';
      }
      {
        assertion = !(hasInfix "root_fs" sd.preBuildCommands);
        message = ''
          sdImage.preBuildCommands uses $root_fs, and there is no such file: everything is written in one pass. For a size
          use mkpiimg.rootSize or mkpiimg.rootSlack; for files sdImage.populateRootCommands or mkpiimg.copies.
        '';
      }
    ];
    warnings = optional compressesLater ''
      sdImage.postBuildCommands makes mkpiimg write the image uncompressed first; the result cannot be read in parts.
      Boot code outside of the partitions is better given as mkpiimg.raw.
    '';

    fileSystems = {
      "/" = {
        device = mkDefault "/dev/disk/by-label/${sd.rootVolumeLabel}";
        fsType = mkDefault "ext4";
      };
      "/boot/firmware" = {
        device = mkDefault "/dev/disk/by-label/${sd.firmwarePartitionName}";
        fsType = mkDefault "vfat";
        # Nothing needs it while the system runs.
        options = [ "nofail" "noauto" ];
      };
    };

    boot = {
      loader.grub.enable = mkDefault false;
      loader.generic-extlinux-compatible.enable = mkDefault (cfg.boot == "extlinux");
      consoleLogLevel = mkDefault 7;
      # The last one is the system's own; the others are the boards' serial ports, of which each has one.
      kernelParams = [ "console=ttyS0,115200n8" "console=ttyAMA0,115200n8" "console=tty0" ];
      # NixOS' list has drivers of other machines in it, which Raspberry Pi's own kernels don't have ("Module ahci not
      # found"). Where that may be forgiven, those that a root on USB needs can be asked for as well.
      initrd = optionalAttrs (options.boot.initrd ? allowMissingModules) {
        allowMissingModules = mkDefault true;
        availableKernelModules = [ "pcie-brcmstb" "reset-raspberrypi" "usb-storage" "usbhid" "vc4" ];
      };
    };

    systemd.services.expand-root-partition = mkIf sd.expandOnBoot (firstBoot // {
      description = "Grow the root partition to the end of the card";
      before = [ "sysinit.target" "shutdown.target" "register-nix-paths.service" ];
      unitConfig = firstBoot.unitConfig // {
        ConditionPathExists = [ "|${sd.nixPathRegistrationFile}" "|${growing}" ];
      };
      path = [ pkgs.util-linux pkgs.e2fsprogs ];
      script = ''
        touch ${escapeShellArg growing} || true
        ${pkgs.runtimeShell} ${./expand-root.sh} ${escapeShellArg (dirOf sd.nixPathRegistrationFile)}
        rm -f ${escapeShellArg growing}
      '';
    });

    # After the growth, for more room, but whether or not that succeeds.
    systemd.services.register-nix-paths = firstBoot // {
      description = "Register the store paths that came with the image";
      before = [ "sysinit.target" "shutdown.target" "nix-daemon.socket" "nix-daemon.service" ];
      unitConfig = firstBoot.unitConfig // { ConditionPathExists = sd.nixPathRegistrationFile; };
      environment.HOME = "/root";
      # All of it can be done twice; the file goes when everything is done.
      script = ''
        ${nix}/bin/nix-store --load-db <${escapeShellArg sd.nixPathRegistrationFile}
        touch /etc/NIXOS
        ${nix}/bin/nix-env --profile /nix/var/nix/profiles/system --set /run/current-system
        rm -f ${escapeShellArg sd.nixPathRegistrationFile}
      '';
    };
  };
}
