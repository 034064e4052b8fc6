#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# man.sh OUTDIR - make mkpiimg's man pages: mkpiimg.1, and one for each subcommand (mkpiimg-build.1).
#
# A plugin of swift-argument-parser generates them from the text of --help. So they are generated for every release, and
# the repository does not contain them. Their date is that of the last commit.
set -euo pipefail

[ $# -eq 1 ] || { echo "usage: man.sh OUTDIR" >&2; exit 64; }
top=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$1"; out=$(cd "$1" && pwd)
cd "$top"

"$top/fixtures/install.sh" build
date=$(git log -1 --format=%cs 2>/dev/null) || date=$(date -u +%F)
made=.build/plugins/GenerateManual/outputs/mkpiimg
rm -rf "$made"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# The pages come from the ordinary debug build.
swift package --allow-writing-to-package-directory generate-manual --multi-page --configuration debug --date "$date" \
    >"$log" 2>&1 || { cat "$log" >&2; exit 1; }

for page in "$made"/*.1; do
    name=$(basename "$page" .1)
    case $name in *.help) continue ;; esac
    # `man mkpiimg build` looks for a page whose name has a dash.
    sed -E -e '/Xr mkpiimg\.help/d' -e 's/^(\.Xr mkpiimg)\./\1-/' -e 's/^(\.Dt MKPIIMG)\./\1-/' "$page" \
        | sed -z 's/ ,\n$/\n/' >"$out/${name//./-}.1"
done
ls "$out"
