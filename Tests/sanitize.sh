#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# sanitize.sh thread|address [FILTER] - run the tests under a sanitizer, and then build, check, read and compare an
# image under it.
#
# The builds are in .build-thread and .build-address, beside the ordinary one. They are optimised, because with a
# sanitizer a debug build takes twenty times as long to run. FILTER is an argument of `swift test --filter`, to run only
# some of the tests. Every report of a sanitizer is a failure, from the tests or from a program that they start.
set -euo pipefail

kind=${1:-}
case $kind in thread | address) ;; *) echo "usage: sanitize.sh thread|address [FILTER]" >&2; exit 64 ;; esac
cd "$(dirname "$0")/.."
scratch=.build-$kind
work=$(mktemp -d)
disk=$PWD/$scratch/disk
trap 'chmod -R u+w "$work"; rm -rf "$work"; [ ! -e "$disk" ] || { chmod -R u+w "$disk"; rm -rf "$disk"; }' EXIT
chmod 755 "$work"
mkdir -m 1777 "$work/reports"  # one test runs as another user
# The sanitizers do not work with every random layout of the address space.
fixed_layout=(); ! setarch -R true 2>/dev/null || fixed_layout=(setarch -R)

# Swift's runtime never frees its metadata, which the leak checker would report.
export ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=0:allocator_may_return_null=1:log_path=$work/reports/of
export TSAN_OPTIONS=halt_on_error=0:second_deadlock_stack=1:log_path=$work/reports/of
# Programs that the tests start are not of this build; they must print no backtrace.
export SWIFT_BACKTRACE=enable=no

build=(-c release -Xswiftc -enable-testing --sanitize="$kind" --scratch-path "$scratch")
swift build --build-tests "${build[@]}"
program=$(swift build "${build[@]}" --show-bin-path)/mkpiimg

skipped=()
# The thread sanitizer maps a file when a program starts, which the file size limit of this test prevents.
[ "$kind" != thread ] || skipped+=(--skip closedDescriptorsDoNoHarm)

failed=0
echo "== the tests"
TMPDIR=$work "${fixed_layout[@]}" swift test --skip-build "${build[@]}" "${skipped[@]}" ${2:+--filter "$2"} \
    >"$work/tests.log" 2>&1 || failed=$?
tail -3 "$work/tests.log"

# mkpiimg reads ahead only from a disk, and temporary directories are often in memory.
rm -rf "$disk"; mkdir -m 755 "$disk"
if [ -z "${2:-}" ] && [ "$(stat -f -c %T "$work")" = tmpfs ]; then
    echo "== the tests of reading ahead, in $scratch"
    TMPDIR=$disk "${fixed_layout[@]}" swift test --skip-build "${build[@]}" --filter ReadAheadTests \
        >"$work/disk.log" 2>&1 || failed=$?
    tail -1 "$work/disk.log"
    ! grep -q 'is on no disk' "$work/disk.log" || echo "SKIPPED: reading ahead ($scratch is not on a disk either)"
    cat "$work/disk.log" >>"$work/tests.log"
fi

echo "== the program: an image of the small closure, with 1, 2 and 7 threads"
fixtures/small/make.sh "$work/small"
mapfile -t options <"$work/small/options"
run() {
    "${fixed_layout[@]}" "$program" "$@" 2>>"$work/program.log" || { failed=$?; echo "exit status $failed: $*"; }
}
cold() { # DIRECTORY: removes its files from the page cache
    sync -f "$1"; find "$1" -type f -exec dd if={} iflag=nocache count=0 status=none \;
}
for threads in 1 2 7; do
    run "${options[@]}" --check --progress plain --threads "$threads" --out "$work/$threads.img.zst"
    cmp "$work/1.img.zst" "$work/$threads.img.zst"
done
cp -a "$work/small/root" "$disk/"; cold "$disk/root"
run "${options[@]}" --store-root "$disk/root" --progress none --threads 2 --out "$work/cold.img.zst"
cmp "$work/1.img.zst" "$work/cold.img.zst"
run "${options[@]}" --progress bar --no-deduplicate --single-frame --threads 7 --out "$work/one.img.zst"
run "${options[@]}" --progress none --threads 7 --out "$work/raw.img"
run verify --progress plain "$work/7.img.zst" >/dev/null
run verify --json "$work/raw.img" >/dev/null
run extract --progress plain --threads 7 "$work/7.img.zst" / "$work/copy"
run inspect --html "$work/page.html" "$work/7.img.zst" >/dev/null
run diff "$work/7.img.zst" "$work/raw.img" >/dev/null

# A failed allocation is not a failure: the program must handle it.
found=$(grep -rhE '(Thread|Address)Sanitizer' "$work/reports" | grep -v 'failed to allocate' || true)
if [ -n "$found" ] || [ "$failed" != 0 ]; then
    rm -rf "$scratch/reports"
    cp -r "$work/reports" "$scratch/reports"
    cp "$work/tests.log" "$work/program.log" "$scratch/reports"
    [ -z "$found" ] || sort <<<"$found" | uniq -c
    grep -hE '✘|error:' "$work/tests.log" | head -20 || true
    echo "sanitize.sh: there was a report or a failure, see $scratch/reports" >&2
    exit 1
fi
echo "the $kind sanitizer reports nothing"
