# SPDX-License-Identifier: Apache-2.0
#
# Stands in for the file of that name in newer releases of nixpkgs: the same options.
import ../../../../../nix/image-options.nix
