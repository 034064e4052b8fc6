#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# tidy.sh - what keeps the sources in order, without building them: a few seconds.
#
#   tidy.sh [--lower]
#
# Counts of findings in Tests/tidy/ may only fall; --lower lowers those that are too high now.
# Without -e: all checks run, even after one has failed.
set -uo pipefail

cd "$(dirname "$0")/.." || exit
[ $# -le 1 ] || { echo "usage: tidy.sh [--lower]" >&2; exit 64; }
lower=${1:-}
case $lower in ''|--lower) ;; *) echo "tidy.sh: unknown argument: $lower" >&2; exit 64 ;; esac
output=$(mktemp -d)
trap 'rm -rf "$output"' EXIT
export PYTHONDONTWRITEBYTECODE=1

gates=()
# gate NAME COMMAND...: begins a gate.
gate() {
    local name=$1 number=${#gates[@]}; shift
    gates+=("$name")
    { "$@" >"$output/$number" 2>&1; echo $? >"$output/$number.status"; } &
    # With --lower, one at a time: several rewrite Tests/tidy/counts.
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
    case $(<"$output/$number.status") in
        0) echo "ok: ${gates[number]}" ;;
        77) grep '^SKIPPED' "$output/$number" ;;
        *) failed=1; echo "FAILED: ${gates[number]}"; sed 's/^/    /' "$output/$number" ;;
    esac
done
exit $failed
