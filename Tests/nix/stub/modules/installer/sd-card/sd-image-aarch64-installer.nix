# SPDX-License-Identifier: Apache-2.0
#
# Stands for a module of nixpkgs that builds on sd-image-aarch64.nix.
{
  imports = [ ./sd-image-aarch64.nix ];
  boot.kernelParams = [ "from-the-installer" ];
}
