#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# static.sh OUT - build mkpiimg as one static file, for this machine's processor.
#
# The program runs on any Linux system with that processor: it needs no library, no Swift, no /proc and no /etc. It is
# the file that is released and that flake.nix uses. The build needs Swift 6.3 or newer and the static libraries of
# Debian's libext2fs-dev, comerr-dev and libzstd-dev. Its directory is .build-static, beside the ordinary one.
# Exit status 77: Swift is too old here.
set -euo pipefail

[ $# -eq 1 ] || { echo "usage: static.sh OUT" >&2; exit 64; }
top=$(cd "$(dirname "$0")/.." && pwd)
fail() { echo "static.sh: $*" >&2; exit 1; }

"$top/fixtures/install.sh" build
version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9]*\)\.\([0-9]*\).*/\1 \2/p')
read -r major minor <<<"${version:-0 0}"
[ $((major * 100 + minor)) -ge 603 ] || {
    echo "static.sh: Swift 6.3 or newer is needed: see https://www.swift.org/install/linux" >&2; exit 77
}

# Sources/mkpiimg/Process/StaticExecutable.swift defines the function that replaces the wrapped one.
build=(swift build --package-path "$top" --scratch-path "$top/.build-static" -c release --product mkpiimg
    --static-swift-stdlib -Xswiftc -static-executable -Xswiftc -DSTATIC_EXECUTABLE
    -Xlinker --wrap=swift_copyAuxiliaryExecutablePath)
log=$(mktemp)
trap 'rm -f "$log" "$1.new"' EXIT
"${build[@]}" >"$log" 2>&1 || { cat "$log" >&2; fail "the build failed"; }
# Foundation, a dependency of swift-argument-parser and swift-crypto, can look up users and make temporary files, and
# the runtime can load libraries. mkpiimg does none of these. A warning about another function is new and must be
# examined.
if grep 'warning:' "$log" | grep -vE "['\`](dlopen|getpwnam_r|getpwuid_r|getgrnam_r|getgrgid_r|mktemp)'"; then
    fail "the build has a new warning (above)"
fi

strip -o "$1.new" "$("${build[@]}" --show-bin-path)/mkpiimg"
# Without an interpreter and a dynamic section, the program loads nothing when it runs.
headers=$(readelf -lW "$1.new")
case $headers in *INTERP* | *DYNAMIC*) fail "the program is not static" ;; esac
mv "$1.new" "$1"
ls -l "$1"
