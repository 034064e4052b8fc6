#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# faults.sh MKPIIMG CLOSURE [RUNS [SEED]] - inject faults while mkpiimg works: full and failing disks, sources that
# change, signals at random moments, limits, two builds at once.
#
# CLOSURE is a directory that fixtures/small/make.sh filled. RUNS (100) is the number of runs that a signal ends, SEED
# determines the moments. Faults that this machine cannot inject are reported as skipped.
#
# After each fault:
#   - the exit status is 1
#   - the message is one sentence that names the problem, its location and a remedy
#   - the old image is unchanged, and there is no temporary file
#   - the next run works
set -euo pipefail

[ $# -ge 2 ] || { echo "usage: faults.sh MKPIIMG CLOSURE [RUNS [SEED]]" >&2; exit 64; }
mkpiimg=$(readlink -f "$1") closure=$(readlink -f "$2") runs=${3:-100} seed=${4:-$RANDOM}
here=$(cd "$(dirname "$0")" && pwd)
export LC_ALL=C
RANDOM=$seed
work=$(mktemp -d)
disk=$work/disk
# The condition excludes child processes that a signal ends before they exec another program.
cleanup() {
    [ "$BASHPID" = "$$" ] || return 0
    umount -q "$disk" "$disk" 2>/dev/null || true
    chmod -R u+w "$work"
    rm -rf "$work"
}
trap cleanup EXIT
chmod 755 "$work"; mkdir "$disk"
fail() { echo "faults.sh: $* (seed $seed)" >&2; [ ! -s "$work/stderr" ] || head -5 "$work/stderr" >&2; exit 1; }
skip() { echo "SKIPPED: $*"; }
title() { echo "== $* (${SECONDS} s)"; }

# A copy of the closure that can be changed. A registration makes each run quick.
mkdir "$work/own"; cp -a "$closure/root" "$closure/firmware" "$closure/result" "$work/own"; chmod -R u+w "$work/own"
closure=$work/own store=$work/own/root/nix/store
# shellcheck disable=SC2034 # used by faults/calls.sh
library=$(echo "$store"/*-glibc-2.38)
big=$(echo "$store"/*-linux-6.6.30/Image)
"$mkpiimg" --closure "$closure/result" --store-root "$closure/root" --scan-references --firmware "$closure/firmware" \
    --progress none --out "$work/whole.img"
"$mkpiimg" cat "$work/whole.img" /nix-path-registration >"$work/registration"
build=("$mkpiimg" --closure "$closure/result" --store-root "$closure/root" --registration "$work/registration"
    --firmware "$closure/firmware" --progress none)
"${build[@]}" --frame-size 64K --out "$work/whole.img.zst"
zstd -dcq "$work/whole.img.zst" | cmp - "$work/whole.img"

out=$work/out
echo "the old image" >"$work/old"
fresh() { mkdir -p "$out"; cp "$work/old" "$out/pi.img"; cp "$work/old" "$out/pi.img.zst"; }
untouched() { # NAME: checks that the old images are unchanged, and that there are no other files
    [ "$(ls -A "$out")" = $'pi.img\npi.img.zst' ] || fail "$1: files remain: $(ls -A "$out")"
    { cmp -s "$work/old" "$out/pi.img" && cmp -s "$work/old" "$out/pi.img.zst"; } \
        || fail "$1: the old image was changed"
}
fault() { # NAME WORDS COMMAND...: checks that the command fails and that its message has all WORDS, separated by commas
    local name=$1 words status=0 word; IFS=, read -ra words <<<"$2"; shift 2
    "$@" >/dev/null 2>"$work/stderr" || status=$?
    [ $status = 1 ] || fail "$name: exit status $status"
    { [ "$(grep -c '' "$work/stderr")" = 1 ] && grep -q '^mkpiimg: ' "$work/stderr"; } \
        || fail "$name: the message is not one sentence"
    for word in "${words[@]}"; do
        grep -qF -- "$word" "$work/stderr" || fail "$name: the message does not contain '$word'"
    done
    untouched "$name"
    # On a full disk, the next run cannot work.
    [ "$out" != "$work/out" ] || [ ! -w "$out" ] || works
}
works() { # checks that the next run succeeds and makes the same image
    "${build[@]}" --frame-size 64K --out "$out/pi.img.zst" 2>"$work/stderr" || fail "the next run does not work"
    cmp "$out/pi.img.zst" "$work/whole.img.zst" || fail "the next run makes another image"
    cp "$work/old" "$out/pi.img.zst"; untouched "the next run"
}
fresh

title "pipes and devices as standard output"
fault "a full device" "standard output,No space left,free some space" bash -c '"$@" --out - >/dev/full' - "${build[@]}"
for command in "ls -lR" "inspect --json" "verify --json --progress none"; do
    # shellcheck disable=SC2086 # several words
    fault "$command to a full device" "standard output,No space left,free some space" \
        bash -c '"$@" >/dev/full' - "$mkpiimg" ${command%% *} "$work/whole.img" ${command#* }
done
fault "cat to a full device" "standard output,No space left,free some space" \
    bash -c '"$@" >/dev/full' - "$mkpiimg" cat "$work/whole.img" /nix-path-registration
closed() { # NAME COMMAND...: runs it with a reader that exits before the first write, and with one that reads ten bytes
    local name=$1 size reader status; shift
    size=$("$@" | wc -c)
    for reader in "exec <&-" "head -c 10"; do
        status=0
        # shellcheck disable=SC2016 # a script for another shell
        bash -c '{ sleep 0.1; exec "${@:2}"; } | eval "$1"; exit ${PIPESTATUS[0]}' - "$reader" "$@" \
            >/dev/null 2>"$work/stderr" || status=$?
        # An output that fits into the pipe's buffer may be written completely.
        [ $status = 1 ] || { [ $status = 0 ] && [ "$reader" = "head -c 10" ] && [ "$size" -le 65536 ]; } \
            || fail "$name into a pipe that closes ($reader), of $size bytes: exit status $status"
        [ ! -s "$work/stderr" ] || fail "$name into a pipe that closes ($reader) is not quiet"
    done
}
closed "a build" "${build[@]}" --out -
closed cat "$mkpiimg" cat "$work/whole.img" "${big#"$closure/root"}"
for command in "ls -lR" "ls -R --json" "inspect --json" "inspect --html -" "verify --json --progress none"; do
    # shellcheck disable=SC2086 # several words
    closed "$command" "$mkpiimg" $command "$work/whole.img"
done
works

title "limits"
for limit in 4 7 10 24; do
    for command in "build --threads 2 --out $out/new.img" "build --threads 2 --out $out/new.img.zst --frame-size 64K" \
        "extract --threads 2 $work/whole.img.zst /nix $out/new" "verify --threads 2 --progress none $work/whole.img.zst"
    do
        run=("$mkpiimg"); [ "${command%% *}" != build ] || run=("${build[@]}")
        status=0
        # shellcheck disable=SC2016,SC2086 # a script for another shell; several words
        bash -c 'ulimit -n "$0"; exec "$@"' $limit "${run[@]}" ${command#build } >/dev/null 2>"$work/stderr" \
            || status=$?
        case $status in
            0) ;;
            1)
                grep -qF "ulimit -n" "$work/stderr" \
                    || fail "$limit open files, ${command%% *}: the message has no remedy"
                ;;
            *) fail "$limit open files, ${command%% *}: exit status $status" ;;
        esac
        [ $limit -lt 24 ] || [ $status = 0 ] || fail "${command%% *} needs more than $limit open files"
        [ $status != 0 ] || case $command in
            *.img) cmp "$out/new.img" "$work/whole.img" ;;
            *64K) cmp "$out/new.img.zst" "$work/whole.img.zst" ;;
        esac
        [ ! -e "$out/new" ] || chmod -R u+w "$out/new"
        rm -rf "$out"/new*; untouched "$limit open files"; works
    done
done
# Few threads read files that are in the page cache. Many threads wait for a disk, each with an open file.
cold() { # drops the page cache; succeeds if the closure is on a disk
    [ "$(id -u)" = 0 ] && [ -w /proc/sys/vm/drop_caches ] || return 1
    case $(stat -f -c %T "$closure/root") in tmpfs | ramfs | overlayfs) return 1 ;; esac
    sync -f "$work"; echo 3 >/proc/sys/vm/drop_caches
}
if cold; then
    # shellcheck disable=SC2016 # a script for another shell
    /usr/bin/time -o "$work/blocks" -f %I bash -c 'ulimit -n 24; exec "$@"' - "${build[@]}" --threads 2 \
        --frame-size 64K --out "$out/pi.img.zst" 2>"$work/stderr" \
        || fail "24 open files and a cold disk: exit status $?"
    cmp "$out/pi.img.zst" "$work/whole.img.zst"; fresh
    need=$(du -k --apparent-size "$big" | cut -f1)
    [ $(($(cat "$work/blocks") / 2)) -ge "$need" ] || skip "24 open files and a cold disk (it was not cold)"
else
    skip "24 open files and a cold disk (needs root, and a disk under \$TMPDIR)"
fi
# The address space that docs/reliability.md gives as sufficient, and less.
# shellcheck disable=SC2016 # a script for another shell
bash -c 'ulimit -v $((384 * 1024)); exec "$@"' - "${build[@]}" --threads 2 --out "$out/pi.img.zst" 2>"$work/stderr" \
    || fail "384 MiB of address space: exit status $?"
zstd -dcq "$out/pi.img.zst" | cmp - "$work/whole.img"; fresh
for limit in 60 100 140 200; do
    status=0
    # shellcheck disable=SC2016 # a script for another shell
    bash -c 'ulimit -c 0 -v $(($0 * 1024)); export SWIFT_BACKTRACE=enable=no; exec "$@"' $limit "${build[@]}" \
        --threads 2 --out "$out/pi.img.zst" 2>"$work/stderr" || status=$?
    cmp -s "$work/old" "$out/pi.img.zst" \
        || { [ $status = 0 ] && zstd -dcq "$out/pi.img.zst" | cmp - "$work/whole.img"; } \
        || fail "$limit MiB of address space: the old image was changed"
    cp "$work/old" "$out/pi.img.zst"; works
done

title "read-only directories"
if [ "$(id -u)" = 0 ]; then
    chmod 555 "$out"
    nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
    if "${nobody[@]}" test -x "$mkpiimg" 2>/dev/null; then
        fault "a directory of another user" "$out,Permission denied,run as a user who may" \
            "${nobody[@]}" "${build[@]}" --out "$out/pi.img.zst"
        fault "extract into a directory of another user" "$out,Permission denied,run as a user who may" \
            "${nobody[@]}" "$mkpiimg" extract "$work/whole.img" /nix-path-registration "$out/new"
    else
        skip "directories of another user (no other user may run the program)"
    fi
else
    chmod 555 "$out"
    fault "a read-only directory" "$out,Permission denied" "${build[@]}" --out "$out/pi.img.zst"
fi
chmod 755 "$out"; works

title "two builds at once"
for level in 1 2 3; do
    "${build[@]}" --level $level --out "$work/level$level.img.zst"
    "${build[@]}" --level $level --out "$out/pi.img.zst" & jobs[level]=$!
done
for level in 1 2 3; do wait "${jobs[level]}" || fail "one of several builds with the same output"; done
cmp -s "$out/pi.img.zst" "$work/level1.img.zst" || cmp -s "$out/pi.img.zst" "$work/level2.img.zst" \
    || cmp -s "$out/pi.img.zst" "$work/level3.img.zst" \
    || fail "the output of several builds is the image of none of them"
cp "$work/old" "$out/pi.img.zst"; untouched "several builds"; works
rm "$work"/level?.img.zst

temporary() { # DIRECTORY: prints the names of the temporary files in it
    find "$1" -maxdepth 1 \( -name '.pi.img*.mkpiimg-????????.tmp' -o -name '.mkpiimg-????????.tmp' \) \
        -printf '%f\n' | sort
}
appears() { # waits until there is a temporary file
    local tries
    for ((tries = 0; tries < 500; tries++)); do [ -z "$(temporary "$out")" ] || return 0; sleep 0.01; done
    fail "the program does not begin to write"
}

title "the temporary file of a running build is not removed"
"${build[@]}" --level 19 --out "$out/pi.img.zst" & first=$!
appears; kill -STOP $first; before=$(temporary "$out")
[ -n "$before" ] || fail "the build was done before it could be stopped"
"${build[@]}" --level 1 --out "$out/pi.img.zst"
[ "$(temporary "$out")" = "$before" ] || fail "the temporary file of a running build was removed"
kill -CONT $first; wait $first || fail "the first of two builds"
zstd -dcq "$out/pi.img.zst" | cmp - "$work/whole.img"; fresh; untouched "two builds"; works

# shellcheck source=faults/calls.sh source-path=SCRIPTDIR
. "$here/faults/calls.sh"

mountable() { mount -t tmpfs -o "size=1M" tmpfs "$disk" 2>/dev/null && umount "$disk"; }
if [ "$(id -u)" = 0 ] && mountable; then
    title "full disks"
    out=$disk
    pages=$(($(stat -c %s "$work/whole.img.zst") / 4096 + 1)) fits=0
    mount -t tmpfs -o size=64k tmpfs "$disk"; fresh
    for ((page = 2; page <= pages + 3; page += 2)); do
        mount -o "remount,size=$((page * 4096))" "$disk"
        status=0; "${build[@]}" --frame-size 64K --out "$disk/pi.img.zst" 2>"$work/stderr" || status=$?
        if [ $status = 0 ]; then
            [ $fits != 0 ] || fits=$page
            cmp "$disk/pi.img.zst" "$work/whole.img.zst"
            fresh
            continue
        fi
        { [ $status = 1 ] && grep -q "pi.img.zst.*No space left.*free some space" "$work/stderr"; } \
            || fail "$page pages: exit status $status"
        untouched "$page pages"
        mount -o "remount,size=64M" "$disk"; works
    done
    [ "$fits" -gt 0 ] || fail "the image fits on none of the disks"
    echo "a compressed image on disks of 2 to $((pages + 3)) pages: it needs $fits"
    need=$(du -k "$work/whole.img" | cut -f1)
    for size in 64 $((need / 2)) $((need - 64)); do
        mount -o "remount,size=${size}k" "$disk"
        fault "a raw image on a disk of $size KiB" "pi.img,free some space" "${build[@]}" --out "$disk/pi.img"
        mount -o "remount,size=64M" "$disk"; works
    done
    # The disk has enough space when the build begins, and then another process fills it.
    mount -o "remount,size=$((need + 256))k" "$disk"
    if command -v strace >/dev/null; then
        inject ftruncate:delay_exit=400000:when=1 "${build[@]}" --out "$disk/pi.img" 2>"$work/stderr" & process=$!
        appears; head -c $((need * 512)) /dev/zero >"$disk/other"
        status=0; wait $process || status=$?
        { [ $status = 1 ] && grep -q "pi.img.*No space left.*free some space" "$work/stderr"; } \
            || fail "a disk that fills up: exit status $status"
        rm "$disk/other"; untouched "a disk that fills up"; works
    fi
    for size in 64 600 1600 $((need / 2)); do
        mount -o "remount,size=${size}k" "$disk"
        fault "extract to a disk of $size KiB" "No space left,free some space" \
            "$mkpiimg" extract --progress none "$work/whole.img.zst" /nix/store "$disk/new"
        mount -o "remount,size=64M" "$disk"; works
    done
    mount -o "remount,size=64M,nr_inodes=4" "$disk"
    # shellcheck disable=SC2016 # a script for another shell
    fault "no inodes for an image" "$disk,No space left" \
        bash -c 'touch "$0/x"; "$@"; s=$?; rm "$0/x"; exit $s' "$disk" "${build[@]}" --out "$disk/pi.img"
    mount -o "remount,nr_inodes=200" "$disk"
    fault "no inodes for a tree" "No space left,free some space" \
        "$mkpiimg" extract --progress none "$work/whole.img.zst" /nix/store "$disk/new"
    mount -o "remount,nr_inodes=0" "$disk"; works
    mount -o remount,ro "$disk"
    fault "a read-only disk" "$disk,Read-only,not read-only" "${build[@]}" --out "$disk/pi.img.zst"
    fault "extract to a read-only disk" "$disk,Read-only,not read-only" \
        "$mkpiimg" extract "$work/whole.img" /nix-path-registration "$disk/new"
    umount "$disk"

    # A filesystem on a disk that ends too early: blocks after the end of the disk cannot be read.
    truncate -s 64M "$work/ext4"; mke2fs -q -F -t ext4 -b 4096 -m 0 -O ^has_journal "$work/ext4"
    out=$work/out
    if mount -o loop "$work/ext4" "$disk" 2>/dev/null; then
        title "a disk that cannot be read"
        cp -a "$closure/root" "$work/whole.img" "$disk/"; umount "$disk"; mount -o loop,ro "$work/ext4" "$disk"
        # Echoes each command "blocks <INODE>" of its input, and then prints the numbers of the blocks.
        blocks() { debugfs -f - "$work/ext4" 2>/dev/null; }
        # The disk ends within the object with the last block: a file, a directory or a long link. All others are whole.
        read -r end inode < <(find "$disk/root/nix/store" \( -type f -o -type d -o -type l -size +59c \) \
            -printf 'blocks <%i>\n' | blocks | awk '
                /blocks/ { inode = $NF; next }
                { for (i = 1; i <= NF; i++) if ($i > end) { end = $i; last = inode } }
                END { gsub(/[<>]/, "", last); print end, last }')
        mapfile -d '' names < <(find "$disk/root" -inum "$inode" -printf '%P\0')
        # The message may have any of several names, and escapes unusual characters: then only the directory is
        # expected.
        file=${names[0]}; [[ ${#names[@]} = 1 && $file != *[!a-zA-Z0-9_./+-]* ]] || file=nix/store/
        echo "blocks <$(stat -c %i "$disk/whole.img")>" | blocks | sed 1d | tr ' ' '\n' | sed '/^$/d' >"$work/blocks"
        half=$(sed -n "$(($(wc -l <"$work/blocks") / 2))p" "$work/blocks"); umount "$disk"
        mount -o loop,ro "$work/ext4" "$disk" # a new mount has nothing in the page cache
        truncate -s $((end * 4096)) "$work/ext4"
        for image in pi.img pi.img.zst; do
            fault "a closure on a failing disk" "$file,Input/output error,the disk may be failing" \
                "${build[@]}" --store-root "$disk/root" --out "$out/$image"
        done
        fault "a scan of a closure on a failing disk" "$file,Input/output error,the disk may be failing" "$mkpiimg" \
            --closure "$closure/result" --store-root "$disk/root" --scan-references --boot none --progress none \
            --out "$out/pi.img.zst"
        [ "$half" -ge "$end" ] || truncate -s $((half * 4096)) "$work/ext4"
        fault "an image on a failing disk" "$disk/whole.img,Input/output error,the disk may be failing" \
            "$mkpiimg" verify --progress none "$disk/whole.img"
        umount "$disk"
    else
        skip "a disk that cannot be read (needs loop devices)"
    fi
else
    skip "full and failing disks (needs root, to mount)"
fi

title "$runs runs ended at random moments, seed $seed"
end=("${build[@]}" --level 19 --frame-size 64K)
"${end[@]}" --out "$work/slow.img.zst"
commands=("${end[*]} --out $out/pi.img.zst" "${build[*]} --out $out/pi.img"
    "$mkpiimg extract --progress none $work/whole.img.zst /nix/store $out/new")
kinds=("a build" "a raw build" extract) marks=('^.pi.img.zst.mkp' '^.pi.img.mkp' '^.mkp')
left() { temporary "$out" | grep -c -- "${marks[$1]}" || true; } # KIND: prints its number of temporary files
for index in 0 1 2; do
    from=$(date +%s%N)
    ${commands[index]}
    lasts[index]=$((($(date +%s%N) - from) / 1000000)) killed[index]=0 finished[index]=0
done
declare -A ended=([INT]=0 [TERM]=0 [HUP]=0 [KILL]=0)
gone() { [ ! -e "$out/new" ] || { chmod -R u+w "$out/new"; rm -rf "$out/new"; }; fresh; }
count=$(find "$out/new" | wc -l); gone
whole() { # NAME: checks that each output is completely the old one or completely the new one
    cmp -s "$out/pi.img" "$work/old" || cmp -s "$out/pi.img" "$work/whole.img" || fail "$1: a broken raw image"
    cmp -s "$out/pi.img.zst" "$work/old" || cmp -s "$out/pi.img.zst" "$work/slow.img.zst" || fail "$1: a broken image"
    [ ! -e "$out/new" ] || [ "$(find "$out/new" | wc -l)" = "$count" ] || fail "$1: a broken tree"
    local others; others=$(find "$out" -mindepth 1 -maxdepth 1 ! -name pi.img ! -name pi.img.zst ! -name new \
        -printf '%f\n' | sort)
    [ "$others" = "$(temporary "$out")" ] || fail "$1: files remain: $others"
}
for ((run = 1; run <= runs; run++)); do
    # Each kind gets each signal in turn, so chance alone cannot spare a kind from a signal.
    signals=(INT TERM HUP KILL KILL KILL); signal=${signals[run % 6]} index=$((run / 6 % 3))
    wait=$(((lasts[index] + 10) * RANDOM / 32768))
    name="run $run: $signal to ${kinds[index]} after $wait ms" before=$(left "$index")
    # shellcheck disable=SC2086 # several words
    env --default-signal=INT,TERM,HUP ${commands[index]} 2>"$work/stderr" & process=$!
    sleep "$(printf '%d.%03d' $((wait / 1000)) $((wait % 1000)))"
    kill -"$signal" $process 2>/dev/null || true
    status=0; wait $process 2>/dev/null || status=$?
    # The load of the machine changes, so the measured durations are adjusted.
    case $signal:$status in
        *:0) finished[index]=$((finished[index] + 1)) lasts[index]=$((lasts[index] * 9 / 10)) ;;
        INT:130 | TERM:143 | HUP:129 | KILL:137)
            killed[index]=$((killed[index] + 1)) ended[$signal]=$((ended[$signal] + 1))
            lasts[index]=$((lasts[index] * 26 / 25 + 1))
            ;;
        *) fail "$name: exit status $status" ;;
    esac
    whole "$name"
    # A run removes the temporary files of killed runs, unless a signal ends it before.
    maximum=$before; [ "$signal" != KILL ] || maximum=1
    [ "$(left $index)" -le "$maximum" ] || fail "$name: files remain: $(temporary "$out")"
    gone
done
for index in 0 1 2; do
    echo "${kinds[index]}: ended ${killed[index]} times, and finished ${finished[index]} times"
    ${commands[index]}
done
for signal in INT TERM HUP KILL; do echo "SIG$signal: ended ${ended[$signal]} runs"; done
# If all runs finish before their signal, nothing was tested. (With few runs this can happen by chance.)
if [ "$runs" -ge 60 ]; then
    for index in 0 1 2; do [ "${killed[index]}" -gt 0 ] || fail "no signal ended ${kinds[index]}"; done
    for signal in INT TERM HUP KILL; do [ "${ended[$signal]}" -gt 0 ] || fail "SIG$signal ended nothing"; done
fi
whole "the last runs"
[ -z "$(temporary "$out")" ] || fail "the next run did not remove the files of killed runs: $(temporary "$out")"
gone; works
echo "every fault was handled correctly (${SECONDS} s)"
