#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# quick.sh - run what a developer wants to know after a build, in some minutes. run.sh has all tests.
#
#   swift build --build-tests && Tests/quick.sh
set -euo pipefail

cd "$(dirname "$0")/.."
mkpiimg=$(swift build --show-bin-path)/mkpiimg
[ -x "$mkpiimg" ] || { echo "quick.sh: build first: swift build --build-tests" >&2; exit 1; }

# Suites that make whole images, compare with other programs file by file, or try many random inputs.
slow='\.(\w*(Fuzz|Damage|Determinism|Growth|Parity)|Image|ImageReport|ImageSource|ImageVolume|Verify|Diff|CommandLine'
slow+='|Example|Profile|RawArea|AdditionOptions|ContentCheck|Complaint|DiskMap|InspectPage|PartitionCheck'
slow+='|Ext4(Check|Volume|HashTree|Extent|Tree|Link)|FAT(Check|Volume|Formatter)|ZstdCheck|SimilarFiles)Tests/'

Tests/tidy.sh
swift test --skip-build --parallel --quiet --skip "$slow"
Tests/golden.sh "$mkpiimg" --quick
Tests/docs.sh "$mkpiimg"
