# SPDX-License-Identifier: Apache-2.0
#
# Stands in for a module of nixpkgs that imports sd-image-aarch64.nix.
{
  imports = [ ./sd-image-aarch64.nix ];
  boot.kernelParams = [ "from-the-installer" ];
}
