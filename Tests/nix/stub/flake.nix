# SPDX-License-Identifier: Apache-2.0
#
# Stands in for nixpkgs' flake in the tests.
{
  outputs = { self }: {
    lib = import ./lib.nix;
    legacyPackages = self.lib.genAttrs [ "x86_64-linux" "aarch64-linux" ] (system: import ./. { inherit system; });
  };
}
