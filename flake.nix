# SPDX-License-Identifier: Apache-2.0
{
  description = "Makes Raspberry Pi SD card images from NixOS closures";

  # Only its functions and its shell are used: any release will do (`inputs.mkpiimg.inputs.nixpkgs.follows`).
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs = { self, nixpkgs }:
    let
      forEachSystem = make: nixpkgs.lib.genAttrs [ "x86_64-linux" "aarch64-linux" ] make;
    in
    {
      # The program that was released, by its hash; nix/package.nix says what to do where there is none.
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

      # In the place of nixpkgs' installer/sd-card/sd-image-aarch64.nix.
      nixosModules.default = ./nix/module.nix;
    };
}
