#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# fuzz.sh [ITERATIONS [SEED]] - damaged and hostile filesystems, tables and images for every reader, for as long as one likes.
#
# The tests do the same for a short time. Mutations repair checksums, so that they get deep. What is found becomes a test.
set -euo pipefail

cd "$(dirname "$0")/.."
export MKPIIMG_FUZZ_ITERATIONS=${1:-2000} MKPIIMG_FUZZ_SEED=${2:-$RANDOM}
echo "$MKPIIMG_FUZZ_ITERATIONS iterations, seed $MKPIIMG_FUZZ_SEED"
swift build --build-tests
swift test --skip-build --filter 'Fuzz|Damage|mutations|Mutations|nothingStopsTheCheck'
