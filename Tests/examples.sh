#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# examples.sh [package] - prove that ImageKit works as a library: run the programs of Examples/ as the articles
# describe, and check that every link in the documentation has a target.
#
# The main build includes the programs. With `package`, the script also builds their own package with all its
# dependencies, which takes minutes.
set -euo pipefail

cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
programs=$(swift build --show-bin-path)

# The package's manifest is valid, and has these targets.
targets=$(swift package --package-path Examples dump-package | jq -r '.targets[].name' | sort | xargs)
[ "$targets" = "build-image walk-image" ] || { echo "examples.sh: the package has $targets" >&2; exit 1; }
if [ "${1:-}" = package ]; then
    swift build --package-path Examples --scratch-path "$work/build"
    programs=$(swift build --package-path Examples --scratch-path "$work/build" --show-bin-path)
fi

mkdir "$work/files"; echo "some text" >"$work/files/text"
"$programs/build-image" "$work/files" "$work/disk.img.zst"
"$programs/walk-image" "$work/disk.img.zst" /srv text | tee "$work/output"
grep -qx "some text" "$work/output"
"$programs/walk-image" "$work/disk.img.zst" firmware:/

# The links are checked with DocC, if the toolchain has it.
swift=$(command -v swift)
docc=$(command -v docc || echo "$(dirname "$(readlink -f "$swift")")/docc")
[ -x "$docc" ] || { echo "SKIPPED: the documentation's links (docc is not installed)"; exit 0; }
# dump-symbol-graph also needs the modules of the tests, which may not be built yet.
swift build --build-tests >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
swift package dump-symbol-graph --minimum-access-level public --skip-synthesized-members >"$work/log" 2>&1 \
    || { cat "$work/log" >&2; exit 1; }
mkdir "$work/symbols"
cp "$(sed -n 's/^Files written to //p' "$work/log")/ImageKit.symbols.json" "$work/symbols/"
"$docc" convert Sources/ImageKit/ImageKit.docc --additional-symbol-graph-dir "$work/symbols" \
    --fallback-display-name ImageKit --fallback-bundle-identifier ImageKit --output-path "$work/ImageKit.doccarchive" \
    >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
if grep -A1 -E "^error|doesn't exist|Can't resolve" "$work/log" >&2; then exit 1; fi
echo "every link in the documentation of ImageKit has a target"
