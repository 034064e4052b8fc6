#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# publish.sh BASE_URL SYSTEM=FILE... [RELEASE.json] - record the released programs and their addresses for flake.nix.
#
# SYSTEM is Nix's name of a system (x86_64-linux, aarch64-linux), FILE the output of static.sh on such a machine. Each
# file must be published as BASE_URL/mkpiimg-VERSION-SYSTEM, where VERSION is the program's version. One call must name
# all systems of a release. The last argument is the file to write; the default is nix/release.json.
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
fail() { echo "publish.sh: $*" >&2; exit 64; }
[ $# -ge 2 ] || fail "usage: publish.sh BASE_URL SYSTEM=FILE... [RELEASE.json]"
base=${1%/}; shift
json=$top/nix/release.json
case ${!#} in *.json) json=${!#}; set -- "${@:1:$#-1}" ;; esac
[ $# -ge 1 ] || fail "no program is given"
version=$(sed -n 's/^let version = "\(.*\)"$/\1/p' "$top/Sources/mkpiimg/Version.swift")
[ -n "$version" ] || fail "Sources/mkpiimg/Version.swift has no version"

binaries='{}'
for pair; do
    system=${pair%%=*} file=${pair#*=}
    case $system in
        x86_64-linux) machine=X86-64 ;;
        aarch64-linux) machine=AArch64 ;;
        *) fail "'$system' is not a system of a release" ;;
    esac
    [ -f "$file" ] || fail "there is no file '$file'"
    readelf -h "$file" | grep -q "Machine:.*$machine" || fail "'$file' is not for $system"
    ! readelf -lW "$file" | grep -q INTERP || fail "'$file' is not static: make it with release/static.sh"
    # Nix writes hashes in base 64. printf turns each pair of hexadecimal digits, as \xNN, into a byte.
    bytes=$(sha256sum "$file" | cut -d ' ' -f 1 | sed 's/../\\x&/g')
    hash=sha256-$(printf %b "$bytes" | base64)
    binaries=$(jq --arg system "$system" --arg url "$base/mkpiimg-$version-$system" --arg hash "$hash" \
        '.[$system] = {url: $url, hash: $hash}' <<<"$binaries")
done
jq -n --arg version "$version" --argjson binaries "$binaries" '{version: $version, binaries: $binaries}' >"$json.new"
mv "$json.new" "$json"
cat "$json"
