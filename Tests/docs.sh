#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# docs.sh [MKPIIMG] - check that everything the documentation names exists: tests, scripts, files, and options of the
# program. Without MKPIIMG, options are not checked.
set -euo pipefail

cd "$(dirname "$0")/.."
mkpiimg=${1:-}
failed=0
missing() { echo "docs.sh: $*" >&2; failed=1; }

# The documentation writes Swift tests as `Suite/test`.
# shellcheck disable=SC2016 # backquotes of Markdown
while read -r name; do
    suite=${name%/*} test=${name#*/}
    file=$(grep -lE "(struct|class|actor) $suite\b" -r Tests/ImageKitTests) \
        || { missing "there is no suite $suite"; continue; }
    # shellcheck disable=SC2086 # a suite may have several files
    grep -qE "func $test\(" $file || missing "there is no test $name"
done < <(grep -ohE '`[A-Z][A-Za-z0-9]+Tests/[a-z][A-Za-z0-9]+`' README.md docs/*.md | tr -d '`' | sort -u)

# Scripts that the pages name by their path, and files that they link to.
while read -r file; do [ -e "$file" ] || missing "there is no $file"; done \
    < <(grep -ohE '\b(fixtures|Tests|Benchmarks|release)/[A-Za-z0-9_./-]+\.sh\b' README.md docs/*.md | sort -u)
for page in README.md docs/*.md Benchmarks/README.md; do
    while read -r target; do
        [ -e "$(dirname "$page")/$target" ] || missing "$page links to $target, which does not exist"
    done < <(grep -oE '\]\([^)#:]+(#[^)]*)?\)' "$page" | sed -E 's/^\]\(//; s/(#.*)?\)$//' | sort -u)
done

# Options: every option that a page names exists.
if [ -n "$mkpiimg" ]; then
    help=$(
        "$mkpiimg" --help
        for command in build inspect ls cat extract verify diff completions; do "$mkpiimg" $command --help; done
    )
    options=$(grep -oE '(^|[ ,/])--[a-z][a-z-]*' <<<"$help" | grep -oE -- '--[a-z-]+' | sort -u)
    # shellcheck disable=SC2016 # backquotes of Markdown
    named=$(grep -hE 'mkpiimg|`--|^  --' README.md docs/{boards,diff,inspect,secrets,sdimage,verify}.md \
        | grep -oE -- '--[a-z][a-z-]+' | sort -u)
    # Options of Nix.
    foreign="--no-link --print-out-paths --verify --check-contents --dump-db --load-db --set --list-generations"
    for option in $named; do
        grep -qxF -- "$option" <<<"$options" || grep -qF -- "$option" <<<"$foreign" \
            || missing "there is no option $option"
    done
fi
[ $failed = 0 ] && echo "everything that the documentation names exists"
exit $failed
