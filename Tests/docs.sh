#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# docs.sh - what the documentation names is there: tests, scripts and files, options of the program.
#
#   docs.sh [MKPIIMG]
set -euo pipefail

cd "$(dirname "$0")/.."
mkpiimg=${1:-}
failed=0
missing() { echo "docs.sh: $*" >&2; failed=1; }

# Swift tests are written as `Suite/test`.
# shellcheck disable=SC2016
while read -r name; do
    suite=${name%/*} test=${name#*/}
    file=$(grep -lE "(struct|class|actor) $suite\b" -r Tests/ImageKitTests) || { missing "there is no suite $suite"; continue; }
    # shellcheck disable=SC2086 # a suite may be spread over files
    grep -qE "func $test\(" $file || missing "there is no test $name"
done < <(grep -ohE '`[A-Z][A-Za-z0-9]+Tests/[a-z][A-Za-z0-9]+`' README.md docs/*.md | tr -d '`' | sort -u)

# Scripts by their path, and files that pages link to.
while read -r file; do [ -e "$file" ] || missing "there is no $file"; done \
    < <(grep -ohE '\b(fixtures|Tests|Benchmarks|release)/[A-Za-z0-9_./-]+\.sh\b' README.md docs/*.md | sort -u)
for page in README.md docs/*.md Benchmarks/README.md; do
    while read -r target; do
        [ -e "$(dirname "$page")/$target" ] || missing "$page links to $target, which is not there"
    done < <(grep -oE '\]\([^)#:]+(#[^)]*)?\)' "$page" | sed -E 's/^\]\(//; s/(#.*)?\)$//' | sort -u)
done

# Options: every one that a page names exists, and every one that exists is on a page.
if [ -n "$mkpiimg" ]; then
    help=$("$mkpiimg" --help; for command in build inspect ls cat extract verify diff completions; do "$mkpiimg" $command --help; done)
    options=$(grep -oE '(^|[ ,/])--[a-z][a-z-]*' <<<"$help" | grep -oE -- '--[a-z-]+' | sort -u)
    named=$(grep -hE 'mkpiimg|`--|^  --' README.md docs/{boards,diff,inspect,secrets,sdimage,verify}.md | grep -oE -- '--[a-z][a-z-]+' | sort -u)
    foreign="--no-link --print-out-paths --verify --check-contents --dump-db --load-db --set --list-generations"
    for option in $named; do
        grep -qxF -- "$option" <<<"$options" || grep -qF -- "$option" <<<"$foreign" || missing "there is no option $option"
    done
fi
[ $failed = 0 ] && echo "what the documentation names is there"
exit $failed
