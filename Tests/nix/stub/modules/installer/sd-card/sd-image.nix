# SPDX-License-Identifier: Apache-2.0
#
# Stands in for nixpkgs' own module, which must not be part of a configuration that uses nix/module.nix.
{ lib, ... }: {
  options.sdImage.storePaths = lib.mkOption { type = lib.types.raw; };
  config.system.build.sdImage = throw "this is nixpkgs' sdImage";
}
