#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# fuzz.sh [ITERATIONS [SEED]] - give damaged and hostile filesystems, tables, texts and images to every reader, for any
# number of iterations and with a memory limit.
#
# The Swift tests do the same for a short time. Mutations repair checksums, so that they reach deep code. Every defect
# found becomes a test. FUZZ_CONFIGURATION=release uses a separate build (.build-fuzz), which is many times faster.
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
# Each run of the program has a limit of 1 GiB.
Tests/fuzz/program.py "$program" "$work/small" "$MKPIIMG_FUZZ_ITERATIONS" "$MKPIIMG_FUZZ_SEED"
# These tests run in parallel in one process, with 4 GiB of address space, most of it for stacks and shared libraries.
(ulimit -v $((4 << 20)) && swift test --skip-build "${build[@]}" \
    --filter 'Fuzz|Damage|damage|mutations|Mutations|nothingStopsTheCheck|neverTraps|WithoutTrapping')
