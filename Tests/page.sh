#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# page.sh IMAGE MKPIIMG - test the page of an image (inspect --html) in a browser.
#
# Node checks the syntax of the page's script. Chromium opens the page, narrow and wide, without a network. The page
# then tests itself: it zooms, searches and sorts by clicks and keys, and compares the displayed values with its data.
# Exit status 77: Chromium is not installed.
set -euo pipefail

[ $# -eq 2 ] || { echo "usage: page.sh IMAGE MKPIIMG" >&2; exit 64; }
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome \
    || command -v google-chrome-stable || true)
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT

"$2" inspect "$1" --html "$work/page.html"
echo "$(stat -c %s "$work/page.html") bytes"
[ "$(stat -c %s "$work/page.html")" -lt 3145728 ]
if command -v node >/dev/null; then
    sed -n '/^<script>$/,/^<\/script>$/{//!p}' "$work/page.html" >"$work/page.js"
    [ -s "$work/page.js" ]
    node --check "$work/page.js"
else
    echo "SKIPPED: the syntax of its script (Node is not installed)"
fi
[ -n "$browser" ] || { echo "Chromium is not installed"; exit 77; }
for width in 1280 400; do
    HOME=$work timeout 120 "$browser" --headless --no-sandbox --disable-gpu --enable-logging=stderr \
        --user-data-dir="$work/profile" --host-resolver-rules='MAP * ~NOTFOUND' --virtual-time-budget=10000 \
        --window-size=$width,900 --dump-dom "file://$work/page.html#check" >"$work/dom" 2>"$work/log"
    root=$(grep -o '<html[^>]*>' "$work/dom" | head -1)
    echo "$width wide: $root"
    if grep CONSOLE "$work/log"; then exit 1; fi
    [[ $root == *'data-check="ok"'* && $root != *data-error* ]]
    # The page has its title, and rows for the first store paths and files.
    grep -q "<title>$(basename "$1") – mkpiimg inspect</title>" "$work/dom"
    [ "$(grep -o '<tr>' "$work/dom" | wc -l)" -gt 10 ]
done
