# SPDX-License-Identifier: Apache-2.0
#
# mkpiimg as a package: the static program of a release, by its hash. (nixpkgs' Swift is too old to build the source.)
#
# release.json lists the released programs; release/publish.sh writes it. If there is no release for a system, or to use
# another program, `mkpiimg.override { binary = ./mkpiimg; }` takes a file that release/static.sh made.
{ runCommand, fetchurl, stdenv, binary ? null }:
let
  release = builtins.fromJSON (builtins.readFile ./release.json);
  system = stdenv.hostPlatform.system;
  published = release.binaries.${system} or (throw ''
    mkpiimg ${release.version} has not been published for ${system}.
    Build it on a machine of that kind, in mkpiimg's repository:
        release/static.sh ./mkpiimg
    and pass the file: in a NixOS configuration `mkpiimg.binary = ./mkpiimg;`, and elsewhere the package
    `mkpiimg.override { binary = ./mkpiimg; }`.
  '');
  program = if binary == null then fetchurl { inherit (published) url hash; } else binary;
in
runCommand "mkpiimg-${release.version}"
  {
    pname = "mkpiimg";
    inherit (release) version;
    meta = {
      description = "Make Raspberry Pi SD card images from NixOS closures";
      mainProgram = "mkpiimg";
      platforms = [ "x86_64-linux" "aarch64-linux" ];
    };
  }
  ''
    mkdir -p $out/bin
    cp ${program} $out/bin/mkpiimg
    chmod 555 $out/bin/mkpiimg
  ''
