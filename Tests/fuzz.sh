#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# fuzz.sh [ITERATIONS [SEED]] - damaged and hostile filesystems, tables, texts and images for every reader, for as long as
# one likes, with a limit to what memory may be asked for.
#
# The tests do the same for a short time. Mutations repair checksums, so that they get deep. What is found becomes a test.
# FUZZ_CONFIGURATION=release makes a build of its own (.build-fuzz) that is many times as fast.
set -euo pipefail

cd "$(dirname "$0")/.."
export MKPIIMG_FUZZ_ITERATIONS=${1:-2000} MKPIIMG_FUZZ_SEED=${2:-$RANDOM}
echo "$MKPIIMG_FUZZ_ITERATIONS iterations, seed $MKPIIMG_FUZZ_SEED"
build=()
[ "${FUZZ_CONFIGURATION:-debug}" != release ] \
    || build=(-c release -Xswiftc -enable-testing --scratch-path .build-fuzz)
swift build --build-tests "${build[@]}"
program=$(swift build "${build[@]}" --show-bin-path)/mkpiimg
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
fixtures/small/make.sh "$work/small"
# A run of the program has 1 GiB.
Tests/fuzz/program.py "$program" "$work/small" "$MKPIIMG_FUZZ_ITERATIONS" "$MKPIIMG_FUZZ_SEED"
# All of these tests, side by side in one process: 4 GiB of addresses, most of which are stacks and shared libraries.
(ulimit -v $((4 << 20)) && swift test --skip-build "${build[@]}" \
    --filter 'Fuzz|Damage|damage|mutations|Mutations|nothingStopsTheCheck|neverTraps|WithoutTrapping')
