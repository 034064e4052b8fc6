# SPDX-License-Identifier: Apache-2.0
{
  description = "Makes Raspberry Pi SD card images from NixOS closures";

  # The flake uses only its functions and its shell, so any release works (`inputs.mkpiimg.inputs.nixpkgs.follows`).
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs = { self, nixpkgs }:
    let
      forEachSystem = make: nixpkgs.lib.genAttrs [ "x86_64-linux" "aarch64-linux" ] make;
    in
    {
      # The released program, by its hash. If a system has no release, nix/package.nix says how to build the program.
      packages = forEachSystem (system: rec {
        mkpiimg = nixpkgs.legacyPackages.${system}.callPackage ./nix/package.nix { };
        default = mkpiimg;
      });
      apps = forEachSystem (system: {
        default = {
          type = "app";
          program = "${self.packages.${system}.default}/bin/mkpiimg";
        };
      });
      overlays.default = final: _: { mkpiimg = final.callPackage ./nix/package.nix { }; };

      # Use it in place of nixpkgs' installer/sd-card/sd-image-aarch64.nix.
      nixosModules.default = ./nix/module.nix;
    };
}
