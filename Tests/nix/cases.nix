# SPDX-License-Identifier: Apache-2.0
#
# Configurations of the kind that users of sdImage write, and statements about them. run.sh evaluates and builds this
# file.
{ binary }:
let
  native = import ./stub { system = "x86_64-linux"; };
  inherit (native) lib;
  here = builtins.currentSystem;
  cross = import ./stub { system = here; crossSystem = "aarch64-linux"; };
  emulated = import ./stub { system = "aarch64-linux"; };
  program.mkpiimg.binary = binary;
  module = ../../nix/module.nix;
  evaluate = pkgs: modules: pkgs.nixos ([ module program ] ++ modules) { };
  config = modules: (evaluate cross modules).config;
  textOf = modules: (config modules).system.build.piImage.text;
  # Whether the command line contains these words in this order, without others between them.
  hasArguments = words: modules: lib.hasInfix " ${lib.escapeShellArgs words} " (textOf modules);
  firmware = cross.runCommand "firmware" { } ''
    mkdir -p $out/overlays; echo kernel=u-boot.bin >$out/config.txt
    seq 9999 >$out/u-boot.bin; echo >$out/overlays/a.dtbo
  '';
  isSame = a: b: builtins.toJSON a == builtins.toJSON b;
  build = (config [ ]).system.build;
  services = (config [ ]).systemd.services;

  # A firmware partition whose whole content the configuration defines.
  plain = {
    sdImage.populateFirmwareCommands = lib.mkForce ''
      cd ${firmware}; cp -r --no-preserve=mode . $NIX_BUILD_TOP/firmware/
      echo arm_64bit=1 >>$NIX_BUILD_TOP/firmware/config.txt
    '';
  };
in
{
  inherit config firmware;

  images = {
    default = config [ ];
    plain = config [ plain ];
    again = config [ plain { image.baseName = "again"; } ];
    raw = config [ plain { sdImage.compressImage = false; image.baseName = "raw"; } ];
    hooked = config [
      plain
      { sdImage.postBuildCommands = "printf boot-code | dd of=$img bs=1024 seek=8 conv=notrunc status=none"; }
    ];
    full = config [
      {
        mkpiimg = {
          profile = true;
          configTxt = [ "dtparam=audio=on" ];
          menuTimeout = null;
          check = true;
          copies = [ "${builtins.toFile "motd" "hello\n"}:/etc/motd:640:0:30" ];
          raw = [ "${builtins.toFile "spl" "boot-code"}@8K" ];
          extraArgs = [ "--reserved-percent" "1" ];
        };
        sdImage.populateRootCommands = ''
          mkdir -p ./files/root/.ssh; chmod 700 files/root/.ssh; echo key >files/root/.ssh/authorized_keys
          chmod 600 files/root/.ssh/authorized_keys
        '';
        sdImage.populateFirmwareCommands = "echo more >firmware/more.txt";
      }
    ];
  };

  # Every statement must be true.
  checks = {
    "the image's directories and name" =
      build.piImage.name == "nixos-image-26.05-aarch64-linux.img.zst"
      && lib.hasInfix "file=$out/sd-image/'nixos-image-26.05-aarch64-linux.img.zst'" build.piImage.text
      && (config [ ]).image.filePath == "sd-image/nixos-image-26.05-aarch64-linux.img.zst";
    "sdImage and image are the same image" =
      build.sdImage.drvPath == build.piImage.drvPath && build.image.drvPath == build.piImage.drvPath;
    "a cross build runs on the build machine" =
      build.piImage.system == here && lib.hasInfix "echo ${here} >$out/nix-support/system" build.piImage.text;
    "mkpiimg.buildSystem makes the image of aarch64 packages on another machine" =
      let
        onOther = (evaluate emulated [{ mkpiimg.buildSystem = "x86_64-linux"; }]).config.system.build;
        byDefault = (evaluate emulated [ ]).config.system.build;
      in
      onOther.piImage.system == "x86_64-linux" && onOther.piImageScript.system == "x86_64-linux"
      && onOther.toplevel.system == "aarch64-linux" && byDefault.piImage.system == "aarch64-linux";
    "the defaults of sdImage" = isSame
      (removeAttrs (config [ ]).sdImage [
        "storePaths" "bootPartitionID" "bootSize" "imageBaseName" "imageName" "rootFilesystemCreator"
        "rootFilesystemImage"
      ])
      {
        firmwarePartitionOffset = 8; firmwarePartitionID = "0x2178694e"; firmwarePartitionName = "FIRMWARE";
        firmwareSize = null; rootPartitionUUID = null; rootVolumeLabel = "NIXOS_SD"; populateFirmwareCommands = "";
        populateRootCommands = ""; preBuildCommands = ""; postBuildCommands = ""; compressImage = true;
        expandOnBoot = true;
        nixPathRegistrationFile = "/nix-path-registration";
      };
    "sizes and identities" = hasArguments [
      "--gap" "16M" "--firmware-size" "512M" "--firmware-label" "BOOT" "--disk-id" "0x2175794e"
      "--root-label" "ROOT" "--root-uuid" "14e19a7b-0ae0-484d-9d54-43bd6fdc20c7"
    ] [{
      sdImage = {
        firmwarePartitionOffset = 16; firmwareSize = 512; firmwarePartitionName = "BOOT";
        firmwarePartitionID = "0x2175794e"; rootVolumeLabel = "ROOT";
        rootPartitionUUID = "14e19a7b-0ae0-484d-9d54-43bd6fdc20c7";
      };
    }];
    "labels are also in fstab" =
      let mounts = (config [{ sdImage.rootVolumeLabel = "ROOT"; sdImage.firmwarePartitionName = "BOOT"; }]).fileSystems;
      in isSame mounts {
        "/" = { device = "/dev/disk/by-label/ROOT"; fsType = "ext4"; };
        "/boot/firmware" = { device = "/dev/disk/by-label/BOOT"; fsType = "vfat"; options = [ "nofail" "noauto" ]; };
      };
    "single attributes of a mount can be changed" =
      let
        mounts = (config [{
          fileSystems."/".options = [ "noatime" ];
          fileSystems."/boot/firmware".device = "/dev/mmcblk0p1";
        }]).fileSystems;
      in mounts."/" == { device = "/dev/disk/by-label/NIXOS_SD"; fsType = "ext4"; options = [ "noatime" ]; }
        && mounts."/boot/firmware".device == "/dev/mmcblk0p1";
    "more store paths are added to the system" =
      let names = map (path: path.name) (config [{ sdImage.storePaths = [ firmware ]; }]).sdImage.storePaths;
      in builtins.length names == 2 && builtins.elem "firmware" names
        && builtins.elem "nixos-system-stub-26.05" names;
    "a system boots through U-Boot, not GRUB" =
      let loader = (config [ ]).boot.loader; in !loader.grub.enable && loader.generic-extlinux-compatible.enable;
    "without a menu, NixOS does not update one" =
      !(config [{ mkpiimg.boot = "kernel"; }]).boot.loader.generic-extlinux-compatible.enable;
    "the screen is the last console" =
      builtins.filter (word: builtins.match "console=.*" word != null) (config [ ]).boot.kernelParams
      == [ "console=ttyS0,115200n8" "console=ttyAMA0,115200n8" "console=tty0" ]
      && builtins.elem "loglevel=7" (config [ ]).boot.kernelParams;
    "missing kernel modules are not an error" = (config [ ]).boot.initrd.allowMissingModules;
    "the old names of image options" =
      (config [{ sdImage.imageBaseName = "mine"; }]).image.fileName == "mine.img.zst"
      && (config [{ sdImage.imageName = lib.mkForce "my.img.zst"; }]).image.fileName == "my.img.zst";
    "the module replaces sdImage in an installer image of nixpkgs" =
      let
        installer =
          config [ (cross.lib.mkIf true { }) ./stub/modules/installer/sd-card/sd-image-aarch64-installer.nix ];
      in installer.system.build.sdImage.drvPath == installer.system.build.piImage.drvPath
        && builtins.elem "from-the-installer" installer.boot.kernelParams;
    "the module works beside another kind of image" =
      (config [ ./stub/modules/image/file-options.nix ]).system.build.piImage.drvPath == build.piImage.drvPath;
    "the module works without nixpkgs' options for images" =
      (cross.nixos [ module program ] { hasImageOptions = false; }).config.system.build.piImage.name
      == build.piImage.name;

    "firmware packages" =
      map (path: path.name) (config [ ]).mkpiimg.firmware
      == [ "raspberrypi-firmware-1.20260101" "uboot-rpi_arm64_defconfig-2026.01" "raspberrypi-armstubs-2026" ]
      && map (path: path.name) (config [{ mkpiimg.boot = "kernel"; }]).mkpiimg.firmware
      == [ "raspberrypi-firmware-1.20260101" ]
      && (config [{ mkpiimg.boot = "none"; }]).mkpiimg.firmware == [ ];
    "firmware packages for 32 bits" =
      let arm = import ./stub { system = here; crossSystem = "armv7l-linux"; }; in
      map (path: path.name) (evaluate arm [ ]).config.mkpiimg.firmware
      == [ "raspberrypi-firmware-1.20260101" "uboot-rpi_2_defconfig-2026.01" "uboot-rpi_3_32b_defconfig-2026.01" ]
      && (evaluate arm [ ]).config.mkpiimg.boards == [ "armv7l" ];
    "more firmware files are added to those of the packages" =
      let text = textOf [{ sdImage.populateFirmwareCommands = "cp x firmware/"; }];
      in lib.hasInfix "cp x firmware/" text && lib.hasInfix "raspberrypi-firmware" text
        && lib.hasInfix ''--firmware "$NIX_BUILD_TOP/firmware"'' text;
    "forced firmware files replace all packages" =
      (config [{ sdImage.populateFirmwareCommands = lib.mkForce "cp x firmware/"; }]).mkpiimg.firmware == [ ];
    "without commands, no directories are made" = !(lib.hasInfix "mkdir firmware" (textOf [ ]));
    "root files" =
      lib.hasInfix ''--root-files "$NIX_BUILD_TOP/files"''
        (textOf [{ sdImage.populateRootCommands = "echo >files/x"; }]);
    "commands of several modules are joined" =
      lib.hasInfix "one\ntwo" (textOf [{ sdImage.preBuildCommands = "one"; } { sdImage.preBuildCommands = "two"; }]);

    "boards and boot" = hasArguments [
      "--board" "pi4" "--board" "pi5" "--boot" "kernel" "--config-txt" "a=b c" "--kernel-param" "quiet"
    ] [{
      mkpiimg = { boards = [ "pi4" "pi5" ]; boot = "kernel"; configTxt = [ "a=b c" ]; kernelParams = [ "quiet" ]; };
    }];
    "the menu's timeout is that of NixOS" =
      hasArguments [ "--menu-timeout" "none" ] [{ boot.loader.timeout = null; }]
      && hasArguments [ "--menu-timeout" "0" ] [{ boot.loader.timeout = 0; }]
      && !(lib.hasInfix "--menu-timeout" (textOf [ ]));
    "the firmware's device tree is used" = hasArguments [ "--device-tree" "none" ]
      [{ boot.loader.generic-extlinux-compatible.useGenerationDeviceTree = false; }];
    "the device tree is that of NixOS" = hasArguments [ "--device-tree" "broadcom/x.dtb" ]
      [{ hardware.deviceTree.name = "broadcom/x.dtb"; }];
    "other additions" =
      hasArguments [ "--root-files" "${firmware}" "--copy" "a:/b" "--raw" "c@8K" "--profile" "--check" ]
        [{
          mkpiimg = {
            rootFiles = [ firmware ]; copies = [ "a:/b" ]; raw = [ "c@8K" ]; profile = true; check = true;
          };
        }]
      && hasArguments [ "--root-slack" "1G" "--root-size" "8G" "--level" "19" "--single-frame" "--threads" "1" ]
        [{
          mkpiimg = {
            rootSlack = "1G"; rootSize = "8G"; level = 19; singleFrame = true; extraArgs = [ "--threads" "1" ];
          };
        }];
    "an uncompressed image" =
      (config [{ sdImage.compressImage = false; }]).image.fileName == "nixos-image-26.05-aarch64-linux.img";
    "the registration is at the root of its partition, independent of the mount point" =
      hasArguments [ "--registration-path" "/nix-path-registration" ]
        [{ sdImage.nixPathRegistrationFile = "/persist/nix-path-registration"; }];
    "a warning for a hook that costs time" =
      builtins.length (config [{ sdImage.postBuildCommands = "true"; }]).warnings == 1
      && (config [{ sdImage.postBuildCommands = "true"; sdImage.compressImage = false; }]).warnings == [ ]
      && (config [ ]).warnings == [ ];

    "registration does not depend on growth" =
      let still = (config [{ sdImage.expandOnBoot = false; }]).systemd.services; in
      !(still ? expand-root-partition) && still ? register-nix-paths
      && !(services.register-nix-paths ? requires)
      && builtins.elem "register-nix-paths.service" services.expand-root-partition.before;
    "the services run on the first boot only" =
      services.register-nix-paths.unitConfig.ConditionPathExists == "/nix-path-registration"
      && services.expand-root-partition.unitConfig.ConditionPathExists
      == [ "|/nix-path-registration" "|/nix-path-registration-growing" ];
  };
}
