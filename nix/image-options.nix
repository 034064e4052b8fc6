# SPDX-License-Identifier: Apache-2.0
#
# Options for the image's file names, for releases of NixOS that do not have nixos/modules/image/file-options.nix yet.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.image = {
    baseName = mkOption {
      type = types.str;
      default = "nixos-image-${config.system.nixos.label}-${pkgs.stdenv.hostPlatform.system}";
      description = "The image's file name without its extension.";
    };
    extension = mkOption {
      type = types.str;
      description = "The extension of the image's file name, without the dot before it.";
    };
    fileName = mkOption {
      type = types.str;
      default = "${config.image.baseName}.${config.image.extension}";
      description = "The image's file name.";
    };
    filePath = mkOption {
      type = types.str;
      default = config.image.fileName;
      description = "Where the image is in the build's output.";
    };
  };
}
