#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# tidy.sh - what keeps the sources in order, without building them: a few seconds.
#
#   tidy.sh [--lower]
#
# Counts of findings in Tests/tidy/ may only fall; --lower lowers those that are too high now.
set -uo pipefail

cd "$(dirname "$0")/.." || exit
lower=${1:-}
case $lower in ''|--lower) ;; *) echo "tidy.sh: unknown argument: $lower" >&2; exit 64 ;; esac
said=$(mktemp -d)
trap 'rm -rf "$said"' EXIT
export PYTHONDONTWRITEBYTECODE=1

gates=()
# gate NAME COMMAND...: begins a gate.
gate() {
    local name=$1 number=${#gates[@]}; shift
    gates+=("$name")
    { "$@" >"$said/$number" 2>&1; echo $? >"$said/$number.status"; } &
    # The gates would write the same file.
    [ -z "$lower" ] || wait
}

# shellcheck disable=SC2086 # $lower may be nothing
{
    gate "the format of Swift code" Tests/tidy/tools.py format $lower
    gate "arrows between rooms" Tests/tidy/arrows.py
    gate "shell scripts" Tests/tidy/tools.py scripts $lower
    gate "lengths of lines, files and functions" Tests/tidy/lengths.py $lower
    gate "words" Tests/tidy/words.py $lower
    gate "options in the library's texts" Tests/tidy/options.py $lower
    gate "build products and conflicts" Tests/tidy/strays.py
    gate "planted violations" Tests/tidy/planted.py
}
wait

failed=0
for number in "${!gates[@]}"; do
    case $(<"$said/$number.status") in
        0) echo "ok: ${gates[number]}" ;;
        77) grep '^SKIPPED' "$said/$number" ;;
        *) failed=1; echo "FAILED: ${gates[number]}"; sed 's/^/    /' "$said/$number" ;;
    esac
done
exit $failed
