# SPDX-License-Identifier: Apache-2.0
#
# What an image of module.nix does on its first boot: the disk grows, and Nix learns of the store paths in it.
{ config, lib, pkgs, ... }:
let
  inherit (lib) escapeShellArg mkIf;
  sd = config.sdImage;

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
in
{
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
}
