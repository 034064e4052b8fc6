# SPDX-License-Identifier: Apache-2.0
#
# Stands for the file of that name in newer releases of nixpkgs: the same options.
import ../../../../../nix/image-options.nix
