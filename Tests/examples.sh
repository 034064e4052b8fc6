#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# examples.sh [package] - the programs of Examples/, as whoever reads the articles would use them, in a folder of its own.
#
# They have been built with everything else; `package` builds their own package besides, with all it depends on, which takes
# minutes.
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
