# SPDX-License-Identifier: Apache-2.0
#
# The options of NixOS that nix/module.nix reads or sets, and a system made from them. The system is small, but has the
# files that mkpiimg needs in a toplevel. Its fstab and kernel command line follow the configuration.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  option = type: default: mkOption { inherit type default; };
  mounts = builtins.concatStringsSep "\n" (map
    (path: let mount = config.fileSystems.${path}; in
      "${mount.device} ${path} ${mount.fsType} ${builtins.concatStringsSep "," (mount.options or [ "defaults" ])} 0 0")
    (builtins.attrNames config.fileSystems));
in
{
  options = {
    assertions = option (types.listOf types.raw) [ ];
    warnings = option (types.listOf types.str) [ ];
    boot.consoleLogLevel = option types.int 4;
    boot.kernelParams = option (types.listOf types.str) [ ];
    boot.loader.timeout = option (types.nullOr types.int) 5;
    boot.loader.grub.enable = option types.bool true;
    boot.loader.generic-extlinux-compatible = {
      enable = option types.bool false;
      useGenerationDeviceTree = option types.bool true;
      populateCmd = option types.str "${pkgs.runCommand "extlinux-conf-builder" { } ''
        printf '#!/bin/sh\nmkdir -p "$4/extlinux"; echo "menu of NixOS for $2" >"$4/extlinux/extlinux.conf"\n' >$out
        chmod +x $out
      ''}";
    };
    boot.initrd = {
      availableKernelModules = option (types.listOf types.str) [ ];
      allowMissingModules = option types.bool false;
    };
    fileSystems = option types.tree { };
    hardware.deviceTree.name = option (types.nullOr types.str) null;
    nix.package = option types.raw { out = "/usr"; };
    system.nixos.label = option types.str "26.05";
    system.nixos.tags = option (types.listOf types.str) [ ];
    system.build = option types.lazyAttrs { };
    systemd.services = option types.tree { };
  };

  config.boot.kernelParams = [ "loglevel=${toString config.boot.consoleLogLevel}" ];
  config.system.build.toplevel = pkgs.runCommand "nixos-system-stub-${config.system.nixos.label}"
    {
      fstab = mounts;
      params = builtins.concatStringsSep " " config.boot.kernelParams;
      inherit (config.system.nixos) label;
      inherit (pkgs) linux initrd;
      system_ = pkgs.stdenv.hostPlatform.system;
    } ''
    mkdir -p $out/etc $out/specialisation
    printf '#!/bin/sh\n# %s\n' "$out" >$out/init; chmod +x $out/init
    ln -s $linux/Image $out/kernel; ln -s $linux/dtbs $out/dtbs; ln -s $initrd/initrd $out/initrd
    printf '%s\n' "$fstab" >$out/etc/fstab
    printf '%s' "$params" >$out/kernel-params
    printf '%s' "$label" >$out/nixos-version; printf '%s' "$system_" >$out/system
  '';
}
