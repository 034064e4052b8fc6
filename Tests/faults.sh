#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# faults.sh MKPIIMG CLOSURE [RUNS [SEED]] - what can go wrong while mkpiimg works, does: disks that are full or fail, sources
# that change, signals at random moments, limits, two builds at once.
#
# CLOSURE is a folder that fixtures/small/make.sh filled. RUNS (100) are those that a signal ends, SEED says when.
# After each fault: exit status 1 and one sentence that says what, where and what to do; the old image as it was; nothing left
# behind; and the next run works. What this machine cannot do is skipped, loudly.
set -euo pipefail

[ $# -ge 2 ] || { echo "usage: faults.sh MKPIIMG CLOSURE [RUNS [SEED]]" >&2; exit 64; }
mkpiimg=$(readlink -f "$1") closure=$(readlink -f "$2") runs=${3:-100} seed=${4:-$RANDOM}
here=$(cd "$(dirname "$0")" && pwd)
export LC_ALL=C
RANDOM=$seed
work=$(mktemp -d)
disk=$work/disk
# Not in a process that a signal ends before it has become another program.
trap '[ "$BASHPID" != "$$" ] || { umount -q "$disk" "$disk" 2>/dev/null || true; chmod -R u+w "$work"; rm -rf "$work"; }' EXIT
chmod 755 "$work"; mkdir "$disk"
fail() { echo "faults.sh: $* (seed $seed)" >&2; [ ! -s "$work/said" ] || head -5 "$work/said" >&2; exit 1; }
skip() { echo "SKIPPED: $*"; }
title() { echo "== $* (${SECONDS} s)"; }

# A closure of our own, to be changed, and with a registration, so that each run takes little time.
mkdir "$work/own"; cp -a "$closure/root" "$closure/firmware" "$closure/result" "$work/own"; chmod -R u+w "$work/own"
closure=$work/own store=$work/own/root/nix/store
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
untouched() { # NAME: the old images are as they were, and nothing is beside them
    [ "$(ls -A "$out")" = $'pi.img\npi.img.zst' ] || fail "$1: left behind: $(ls -A "$out")"
    cmp -s "$work/old" "$out/pi.img" && cmp -s "$work/old" "$out/pi.img.zst" || fail "$1: the old image was harmed"
}
fault() { # NAME WORDS COMMAND...: it fails, and says all of the WORDS, which commas part
    local name=$1 words status=0 word; IFS=, read -ra words <<<"$2"; shift 2
    "$@" >/dev/null 2>"$work/said" || status=$?
    [ $status = 1 ] || fail "$name: exit status $status"
    [ "$(grep -c '' "$work/said")" = 1 ] && grep -q '^mkpiimg: ' "$work/said" || fail "$name: it says not one sentence"
    for word in "${words[@]}"; do grep -qF -- "$word" "$work/said" || fail "$name: it does not say '$word'"; done
    untouched "$name"
    # On a disk that has no room, the next run cannot.
    [ "$out" != "$work/out" ] || [ ! -w "$out" ] || works
}
works() { # the next run does, and is as ever
    "${build[@]}" --frame-size 64K --out "$out/pi.img.zst" 2>"$work/said" || fail "the next run does not work"
    cmp "$out/pi.img.zst" "$work/whole.img.zst" || fail "the next image is another one"
    cp "$work/old" "$out/pi.img.zst"; untouched "the next run"
}
fresh

title "pipes and devices as standard output"
fault "a full device" "standard output,No space left,free some space" bash -c '"$@" --out - >/dev/full' - "${build[@]}"
for command in "ls -lR" "inspect --json" "verify --json --progress none"; do
    # shellcheck disable=SC2086 # words
    fault "$command to a full device" "standard output,No space left,free some space" \
        bash -c '"$@" >/dev/full' - "$mkpiimg" ${command%% *} "$work/whole.img" ${command#* }
done
fault "cat to a full device" "standard output,No space left,free some space" \
    bash -c '"$@" >/dev/full' - "$mkpiimg" cat "$work/whole.img" /nix-path-registration
closed() { # NAME COMMAND...: one reader is gone before anything is written, another one takes ten bytes and goes
    local name=$1 size reader status; shift
    size=$("$@" | wc -c)
    for reader in "exec <&-" "head -c 10"; do
        status=0
        # shellcheck disable=SC2016 # a script
        bash -c '{ sleep 0.1; exec "${@:2}"; } | eval "$1"; exit ${PIPESTATUS[0]}' - "$reader" "$@" \
            >/dev/null 2>"$work/said" || status=$?
        # What fits into the pipe may be all there is.
        [ $status = 1 ] || { [ $status = 0 ] && [ "$reader" = "head -c 10" ] && [ "$size" -le 65536 ]; } \
            || fail "$name into a pipe that closes ($reader), of $size bytes: exit status $status"
        [ ! -s "$work/said" ] || fail "$name into a pipe that closes ($reader) is not quiet"
    done
}
closed "a build" "${build[@]}" --out -
closed cat "$mkpiimg" cat "$work/whole.img" "${big#"$closure/root"}"
for command in "ls -lR" "ls -R --json" "inspect --json" "inspect --html -" "verify --json --progress none"; do
    # shellcheck disable=SC2086 # words
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
        # shellcheck disable=SC2016,SC2086 # words
        bash -c 'ulimit -n "$0"; exec "$@"' $limit "${run[@]}" ${command#build } >/dev/null 2>"$work/said" || status=$?
        case $status in
            0) ;;
            1) grep -qF "ulimit -n" "$work/said" || fail "$limit open files, ${command%% *}: it does not say what to do" ;;
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
# What is in memory is read by few threads; only a disk is waited for by many, each with a file open.
cold() { # whether nothing of the closure is in memory now
    [ "$(id -u)" = 0 ] && [ -w /proc/sys/vm/drop_caches ] || return 1
    case $(stat -f -c %T "$closure/root") in tmpfs | ramfs | overlayfs) return 1 ;; esac
    sync -f "$work"; echo 3 >/proc/sys/vm/drop_caches
}
if cold; then
    # shellcheck disable=SC2016 # a script
    /usr/bin/time -o "$work/blocks" -f %I bash -c 'ulimit -n 24; exec "$@"' - "${build[@]}" --threads 2 --frame-size 64K \
        --out "$out/pi.img.zst" 2>"$work/said" || fail "24 open files and a cold disk: exit status $?"
    cmp "$out/pi.img.zst" "$work/whole.img.zst"; fresh
    need=$(du -k --apparent-size "$big" | cut -f1)
    [ $(($(cat "$work/blocks") / 2)) -ge "$need" ] || skip "24 open files and a cold disk (it was not cold)"
else
    skip "24 open files and a cold disk (needs root, and a disk under \$TMPDIR)"
fi
# What docs/reliability.md says that address space is needed, and less.
bash -c 'ulimit -v $((384 * 1024)); exec "$@"' - "${build[@]}" --threads 2 --out "$out/pi.img.zst" 2>"$work/said" \
    || fail "384 MiB of address space: exit status $?"
zstd -dcq "$out/pi.img.zst" | cmp - "$work/whole.img"; fresh
for limit in 60 100 140 200; do
    status=0
    # shellcheck disable=SC2016
    bash -c 'ulimit -c 0 -v $(($0 * 1024)); export SWIFT_BACKTRACE=enable=no; exec "$@"' $limit "${build[@]}" --threads 2 \
        --out "$out/pi.img.zst" 2>"$work/said" || status=$?
    cmp -s "$work/old" "$out/pi.img.zst" || { [ $status = 0 ] && zstd -dcq "$out/pi.img.zst" | cmp - "$work/whole.img"; } \
        || fail "$limit MiB of address space: the old image was harmed"
    cp "$work/old" "$out/pi.img.zst"; works
done

title "read-only folders"
if [ "$(id -u)" = 0 ]; then
    chmod 555 "$out"
    if setpriv --reuid=65534 --regid=65534 --clear-groups test -x "$mkpiimg" 2>/dev/null; then
        fault "a folder of somebody else" "$out,Permission denied,run as a user who may" setpriv --reuid=65534 --regid=65534 \
            --clear-groups "${build[@]}" --out "$out/pi.img.zst"
        fault "extract into it" "$out,Permission denied,run as a user who may" setpriv --reuid=65534 --regid=65534 \
            --clear-groups "$mkpiimg" extract "$work/whole.img" /nix-path-registration "$out/new"
    else
        skip "folders of somebody else (nobody else may run the program)"
    fi
else
    chmod 555 "$out"
    fault "a read-only folder" "$out,Permission denied" "${build[@]}" --out "$out/pi.img.zst"
fi
chmod 755 "$out"; works

title "two builds at once"
for level in 1 2 3; do
    "${build[@]}" --level $level --out "$work/level$level.img.zst"
    "${build[@]}" --level $level --out "$out/pi.img.zst" & jobs[level]=$!
done
for level in 1 2 3; do wait "${jobs[level]}" || fail "one of several builds onto the same output"; done
cmp -s "$out/pi.img.zst" "$work/level1.img.zst" || cmp -s "$out/pi.img.zst" "$work/level2.img.zst" \
    || cmp -s "$out/pi.img.zst" "$work/level3.img.zst" || fail "several builds made something that none of them did"
cp "$work/old" "$out/pi.img.zst"; untouched "several builds"; works
rm "$work"/level?.img.zst

temporary() { # FOLDER: what is in it of those that are not done
    find "$1" -maxdepth 1 \( -name '.pi.img*.mkpiimg-????????.tmp' -o -name '.mkpiimg-????????.tmp' \) -printf '%f\n' | sort
}
appears() { # waits until something is being written
    local tries
    for ((tries = 0; tries < 500; tries++)); do [ -z "$(temporary "$out")" ] || return 0; sleep 0.01; done
    fail "it does not begin"
}

title "a live build's file is safe"
"${build[@]}" --level 19 --out "$out/pi.img.zst" & first=$!
appears; kill -STOP $first; before=$(temporary "$out")
[ -n "$before" ] || fail "the build was done before it could be stopped"
"${build[@]}" --level 1 --out "$out/pi.img.zst"
[ "$(temporary "$out")" = "$before" ] || fail "a live build's file was removed"
kill -CONT $first; wait $first || fail "the first of two builds"
zstd -dcq "$out/pi.img.zst" | cmp - "$work/whole.img"; fresh; untouched "two builds"; works

. "$here/faults/calls.sh"

mountable() { mount -t tmpfs -o "size=1M" tmpfs "$disk" 2>/dev/null && umount "$disk"; }
if [ "$(id -u)" = 0 ] && mountable; then
    title "disks that are full"
    out=$disk
    pages=$(($(stat -c %s "$work/whole.img.zst") / 4096 + 1)) fits=0
    mount -t tmpfs -o size=64k tmpfs "$disk"; fresh
    for ((page = 2; page <= pages + 3; page += 2)); do
        mount -o "remount,size=$((page * 4096))" "$disk"
        status=0; "${build[@]}" --frame-size 64K --out "$disk/pi.img.zst" 2>"$work/said" || status=$?
        if [ $status = 0 ]; then [ $fits != 0 ] || fits=$page; cmp "$disk/pi.img.zst" "$work/whole.img.zst"; fresh; continue; fi
        [ $status = 1 ] && grep -q "pi.img.zst.*No space left.*free some space" "$work/said" \
            || fail "$page pages: exit status $status"
        untouched "$page pages"
        mount -o "remount,size=64M" "$disk"; works
    done
    [ "$fits" -gt 0 ] || fail "the image did not fit where it should"
    echo "a compressed image on disks of 2 to $((pages + 3)) pages: it fits from $fits on"
    need=$(du -k "$work/whole.img" | cut -f1)
    for size in 64 $((need / 2)) $((need - 64)); do
        mount -o "remount,size=${size}k" "$disk"
        fault "a raw image, and $size KiB" "pi.img,free some space" "${build[@]}" --out "$disk/pi.img"
        mount -o "remount,size=64M" "$disk"; works
    done
    # What was free when it began is not any more.
    mount -o "remount,size=$((need + 256))k" "$disk"
    if command -v strace >/dev/null; then
        inject ftruncate:delay_exit=400000:when=1 "${build[@]}" --out "$disk/pi.img" 2>"$work/said" & process=$!
        appears; head -c $((need * 512)) /dev/zero >"$disk/other"
        status=0; wait $process || status=$?
        [ $status = 1 ] && grep -q "pi.img.*No space left.*free some space" "$work/said" \
            || fail "a disk that fills: exit status $status"
        rm "$disk/other"; untouched "a disk that fills"; works
    fi
    for size in 64 600 1600 $((need / 2)); do
        mount -o "remount,size=${size}k" "$disk"
        fault "extract, and $size KiB" "No space left,free some space" \
            "$mkpiimg" extract --progress none "$work/whole.img.zst" /nix/store "$disk/new"
        mount -o "remount,size=64M" "$disk"; works
    done
    mount -o "remount,size=64M,nr_inodes=4" "$disk"
    fault "no inodes for an image" "$disk,No space left" bash -c 'touch "$0/x"; "$@"; s=$?; rm "$0/x"; exit $s' "$disk" \
        "${build[@]}" --out "$disk/pi.img"
    mount -o "remount,nr_inodes=200" "$disk"
    fault "no inodes for a tree" "No space left,free some space" \
        "$mkpiimg" extract --progress none "$work/whole.img.zst" /nix/store "$disk/new"
    mount -o "remount,nr_inodes=0" "$disk"; works
    mount -o remount,ro "$disk"
    fault "a read-only disk" "$disk,Read-only,not read-only" "${build[@]}" --out "$disk/pi.img.zst"
    fault "extract onto it" "$disk,Read-only,not read-only" \
        "$mkpiimg" extract "$work/whole.img" /nix-path-registration "$disk/new"
    umount "$disk"

    # A filesystem of blocks, on a disk that ends too early: it cannot read what lies behind.
    truncate -s 64M "$work/ext4"; mke2fs -q -F -t ext4 -b 4096 -m 0 -O ^has_journal "$work/ext4"
    out=$work/out
    if mount -o loop "$work/ext4" "$disk" 2>/dev/null; then
        title "a disk that cannot be read"
        cp -a "$closure/root" "$work/whole.img" "$disk/"; umount "$disk"; mount -o loop,ro "$work/ext4" "$disk"
        blocks() { debugfs -f - "$work/ext4" 2>/dev/null; } # asked "blocks <INODE>", it says that again, and their numbers
        # Whatever lies last, a file, a folder or a long link: only that one's end is cut off.
        read -r end inode < <(find "$disk/root/nix/store" \( -type f -o -type d -o -type l -size +59c \) \
            -printf 'blocks <%i>\n' | blocks | awk '
                /blocks/ { inode = $NF; next }
                { for (i = 1; i <= NF; i++) if ($i > end) { end = $i; last = inode } }
                END { gsub(/[<>]/, "", last); print end, last }')
        mapfile -d '' names < <(find "$disk/root" -inum "$inode" -printf '%P\0')
        # Of several names any may be told; odd ones are told with escapes.
        file=${names[0]}; [[ ${#names[@]} = 1 && $file != *[!a-zA-Z0-9_./+-]* ]] || file=nix/store/
        echo "blocks <$(stat -c %i "$disk/whole.img")>" | blocks | sed 1d | tr ' ' '\n' | sed '/^$/d' >"$work/blocks"
        half=$(sed -n "$(($(wc -l <"$work/blocks") / 2))p" "$work/blocks"); umount "$disk"
        mount -o loop,ro "$work/ext4" "$disk" # anew, with nothing of it in memory
        truncate -s $((end * 4096)) "$work/ext4"
        for image in pi.img pi.img.zst; do
            fault "a closure on it" "$file,Input/output error,the disk may be failing" \
                "${build[@]}" --store-root "$disk/root" --out "$out/$image"
        done
        fault "a closure on it, scanned" "$file,Input/output error,the disk may be failing" "$mkpiimg" \
            --closure "$closure/result" --store-root "$disk/root" --scan-references --boot none --progress none \
            --out "$out/pi.img.zst"
        [ $half -ge $end ] || truncate -s $((half * 4096)) "$work/ext4"
        fault "an image on it" "$disk/whole.img,Input/output error,the disk may be failing" \
            "$mkpiimg" verify --progress none "$disk/whole.img"
        umount "$disk"
    else
        skip "a disk that cannot be read (needs loop devices)"
    fi
else
    skip "disks that are full or fail (needs root, to mount)"
fi

title "$runs runs that are ended at random moments, seed $seed"
end=("${build[@]}" --level 19 --frame-size 64K)
"${end[@]}" --out "$work/slow.img.zst"
commands=("${end[*]} --out $out/pi.img.zst" "${build[*]} --out $out/pi.img"
    "$mkpiimg extract --progress none $work/whole.img.zst /nix/store $out/new")
kinds=("a build" "a raw build" extract) marks=('^.pi.img.zst.mkp' '^.pi.img.mkp' '^.mkp')
left() { temporary "$out" | grep -c -- "${marks[$1]}" || true; } # KIND: how many unfinished ones there are
for index in 0 1 2; do
    from=$(date +%s%N)
    # shellcheck disable=SC2086 # words
    ${commands[index]}
    lasts[index]=$((($(date +%s%N) - from) / 1000000)) killed[index]=0 finished[index]=0
done
declare -A ended=([INT]=0 [TERM]=0 [HUP]=0 [KILL]=0)
gone() { [ ! -e "$out/new" ] || { chmod -R u+w "$out/new"; rm -rf "$out/new"; }; fresh; }
count=$(find "$out/new" | wc -l); gone
whole() { # what is there is the old or the new, as a whole
    cmp -s "$out/pi.img" "$work/old" || cmp -s "$out/pi.img" "$work/whole.img" || fail "$1: a broken raw image"
    cmp -s "$out/pi.img.zst" "$work/old" || cmp -s "$out/pi.img.zst" "$work/slow.img.zst" || fail "$1: a broken image"
    [ ! -e "$out/new" ] || [ "$(find "$out/new" | wc -l)" = "$count" ] || fail "$1: a broken tree"
    local others; others=$(find "$out" -mindepth 1 -maxdepth 1 ! -name pi.img ! -name pi.img.zst ! -name new -printf '%f\n' | sort)
    [ "$others" = "$(temporary "$out")" ] || fail "$1: left behind: $others"
}
for ((run = 1; run <= runs; run++)); do
    # Each signal comes to each kind in turn: that none of them ends anything is no matter of luck.
    signals=(INT TERM HUP KILL KILL KILL); signal=${signals[run % 6]} index=$((run / 6 % 3))
    wait=$(((lasts[index] + 10) * RANDOM / 32768))
    name="run $run: $signal to ${kinds[index]} after $wait ms" before=$(left $index)
    # shellcheck disable=SC2086 # words
    env --default-signal=INT,TERM,HUP ${commands[index]} 2>"$work/said" & process=$!
    sleep "$(printf '%d.%03d' $((wait / 1000)) $((wait % 1000)))"
    kill -$signal $process 2>/dev/null || true
    status=0; wait $process 2>/dev/null || status=$?
    # The machine is not always as busy as when it was measured how long this lasts.
    case $signal:$status in
        *:0) finished[index]=$((finished[index] + 1)) lasts[index]=$((lasts[index] * 9 / 10)) ;;
        INT:130 | TERM:143 | HUP:129 | KILL:137)
            killed[index]=$((killed[index] + 1)) ended[$signal]=$((ended[$signal] + 1))
            lasts[index]=$((lasts[index] * 26 / 25 + 1))
            ;;
        *) fail "$name: exit status $status" ;;
    esac
    whole "$name"
    # What a killed run left, the next one removes, unless it is ended before it comes to that.
    [ "$(left $index)" -le "$([ $signal = KILL ] && echo 1 || echo "$before")" ] || fail "$name: left behind: $(temporary "$out")"
    gone
done
for index in 0 1 2; do
    echo "${kinds[index]}: ended ${killed[index]} times, and done ${finished[index]} times"
    # shellcheck disable=SC2086 # words
    ${commands[index]}
done
for signal in INT TERM HUP KILL; do echo "SIG$signal: ended ${ended[$signal]} runs"; done
# Where all runs are done before their signal comes, nothing was tried. (Few may be, by chance.)
if [ "$runs" -ge 60 ]; then
    for index in 0 1 2; do [ "${killed[index]}" -gt 0 ] || fail "no signal ended ${kinds[index]}"; done
    for signal in INT TERM HUP KILL; do [ "${ended[$signal]}" -gt 0 ] || fail "SIG$signal ended nothing"; done
fi
whole "the last runs"
[ -z "$(temporary "$out")" ] || fail "the next run left what killed ones had left: $(temporary "$out")"
gone; works
echo "all faults were met well (${SECONDS} s)"
