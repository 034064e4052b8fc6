# SPDX-License-Identifier: Apache-2.0
#
# The first boot of an image of module.nix: grows the root partition, and registers the image's store paths with Nix.
{ config, lib, pkgs, ... }:
let
  inherit (lib) escapeShellArg mkIf;
  sd = config.sdImage;

  # This file exists beside the registration while the partition grows, so that the next boot resumes after an
  # interruption.
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

  # Runs after the growth, to have more space, but does not depend on its success.
  systemd.services.register-nix-paths = firstBoot // {
    description = "Register the store paths that came with the image";
    before = [ "sysinit.target" "shutdown.target" "nix-daemon.socket" "nix-daemon.service" ];
    unitConfig = firstBoot.unitConfig // { ConditionPathExists = sd.nixPathRegistrationFile; };
    environment.HOME = "/root";
    # Every step can run twice; the file is removed after the last one.
    script = ''
      ${nix}/bin/nix-store --load-db <${escapeShellArg sd.nixPathRegistrationFile}
      touch /etc/NIXOS
      ${nix}/bin/nix-env --profile /nix/var/nix/profiles/system --set /run/current-system
      rm -f ${escapeShellArg sd.nixPathRegistrationFile}
    '';
  };
}
