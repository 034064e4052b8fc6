#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# examples.sh [package] - ImageKit as a library: the programs of Examples/, as whoever reads the articles would use them, and
# that the documentation links to nothing that is not there.
#
# The programs have been built with everything else; `package` builds their own package besides, with all it depends on, which
# takes minutes.
set -euo pipefail

cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
programs=$(swift build --show-bin-path)

# Its manifest can be read, and names these programs.
targets=$(swift package --package-path Examples dump-package | jq -r '.targets[].name' | sort | xargs)
[ "$targets" = "build-image walk-image" ] || { echo "examples.sh: the package has $targets" >&2; exit 1; }
if [ "${1:-}" = package ]; then
    swift build --package-path Examples --scratch-path "$work/build"
    programs=$(swift build --package-path Examples --scratch-path "$work/build" --show-bin-path)
fi

mkdir "$work/files"; echo "some text" >"$work/files/text"
"$programs/build-image" "$work/files" "$work/disk.img.zst"
"$programs/walk-image" "$work/disk.img.zst" /srv text | tee "$work/said"
grep -qx "some text" "$work/said"
"$programs/walk-image" "$work/disk.img.zst" firmware:/

# DocC, where the toolchain has it.
swift=$(command -v swift)
docc=$(command -v docc || echo "$(dirname "$(readlink -f "$swift")")/docc")
[ -x "$docc" ] || { echo "SKIPPED: the documentation's links (there is no docc)"; exit 0; }
# (It wants the modules of the tests too, which nothing may have built yet.)
swift build --build-tests >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
swift package dump-symbol-graph --minimum-access-level public --skip-synthesized-members >"$work/log" 2>&1 \
    || { cat "$work/log" >&2; exit 1; }
mkdir "$work/symbols"
cp "$(sed -n 's/^Files written to //p' "$work/log")/ImageKit.symbols.json" "$work/symbols/"
"$docc" convert Sources/ImageKit/ImageKit.docc --additional-symbol-graph-dir "$work/symbols" \
    --fallback-display-name ImageKit --fallback-bundle-identifier ImageKit --output-path "$work/ImageKit.doccarchive" \
    >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
if grep -A1 -E "^error|doesn't exist|Can't resolve" "$work/log" >&2; then exit 1; fi
echo "the documentation of ImageKit links to what is there"
