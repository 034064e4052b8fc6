# SPDX-License-Identifier: Apache-2.0
#
# Stands for nixpkgs' own module, which must not come into a configuration beside ours.
{ lib, ... }: {
  options.sdImage.storePaths = lib.mkOption { type = lib.types.raw; };
  config.system.build.sdImage = throw "this is nixpkgs' sdImage";
}
