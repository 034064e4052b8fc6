# SPDX-License-Identifier: Apache-2.0
#
# The options of module.nix: those of nixpkgs' sdImage that apply here, and mkpiimg's own.
{ config, lib, options, pkgs, ... }:
let
  inherit (lib) literalExpression mkOption mkRemovedOptionModule mkRenamedOptionModule optionals types;
  sd = config.sdImage;
  cfg = config.mkpiimg;
  uboot = config.boot.loader.generic-extlinux-compatible;

  build = cfg.buildPackages;
  architecture = builtins.head (builtins.split "-" pkgs.stdenv.hostPlatform.system);

  # Raspberry Pi's firmware is data, so its package can come from the build machine's nixpkgs. U-Boot and the armstub
  # are programs for the board; nixpkgs' binary cache has them.
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
  # mkForce on the commands means that they alone define the content of the partition.
  firmwareIsForced = options.sdImage.populateFirmwareCommands.highestPrio < 100;
  firmwarePackages =
    optionals (cfg.boot != "none" && !firmwareIsForced) (
      [ build.raspberrypifw ] ++ optionals (cfg.boot == "extlinux") (bootPackages.${architecture} or [ ])
    );
in
{
  imports = [
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
      There is no image of the root filesystem that could be replaced: everything is written in one pass. Files are
      added with sdImage.populateRootCommands, mkpiimg.rootFiles and mkpiimg.copies; store paths with
      sdImage.storePaths.
    '')
  ];

  options.sdImage = {
    storePaths = mkOption {
      type = types.listOf types.package;
      example = literalExpression "[ pkgs.stdenv ]";
      description = "Store paths for the image, which also gets everything that they refer to. The first system boots.";
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
        Shell commands that fill the folder ./firmware. Its files are added to those of `mkpiimg.firmware` and replace
        files of the same name; with `lib.mkForce`, the firmware partition has only these files. A config.txt in the
        folder replaces the generated one.
      '';
    };
    populateRootCommands = mkOption {
      type = types.lines;
      default = "";
      description = ''
        Shell commands that fill the folder ./files. Its files are added to the root filesystem, with their modes.
        U-Boot's menu and the kernel need no command: see `mkpiimg.boot`.
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
        Path of the registration of the store paths on the running system at first boot. If the card's root partition is
        not mounted at /, the path must begin with its mount point.
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
      description = "A static program, made by release/static.sh, to use instead of the released one.";
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
        Sources of the files on the firmware partition: packages (raspberrypifw, U-Boot, raspberrypi-armstubs), from
        which the boards' files are picked, and folders, which are copied whole. Later sources replace files of earlier
        ones.
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
        How the kernel is started: by U-Boot with a menu on the root partition (`extlinux`), by the board's firmware
        (`kernel`), or by other means (`none`). NixOS keeps the menu up to date
        (`boot.loader.generic-extlinux-compatible`); nothing does so for `kernel`.
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
        Kernel parameters for this image's first boot. Permanent parameters belong in `boot.kernelParams`.
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
        Folders whose files are added to the root filesystem, with owner 0:0. They are copied to the Nix store, where
        every user can read them: do not use this option for secrets.
      '';
    };
    copies = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = literalExpression ''[ "''${./motd}:/etc/motd:644:0:0" ]'';
      description = ''
        Files that are added to the root filesystem, as SOURCE:DESTINATION:MODE:UID:GID. Sources are in the Nix store,
        where every user can read them: for secrets use `system.build.piImageScript`.
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
      description = "Path of the registration on the root partition, independent of the partition's mount point.";
    };
    check = mkOption {
      type = types.bool;
      default = false;
      description = "Whether the content of every store path is compared with its hash while it is written.";
    };
    rootSlack = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "256M";
      description = "Free space for users on the root filesystem; null is 64M.";
    };
    rootSize = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "8G";
      description = "A fixed size for the root partition; null is the size needed.";
    };
    level = mkOption {
      type = types.nullOr types.int;
      default = null;
      description = "zstd's compression level; null is mkpiimg's own choice.";
    };
    singleFrame = mkOption {
      type = types.bool;
      default = false;
      description = "Whether the image is compressed as one frame, for flashing programs that need this.";
    };
    extraArgs = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "--reserved-percent" "1" ];
      description = "More arguments for mkpiimg.";
    };
  };
}
