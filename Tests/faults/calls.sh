#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# calls.sh - a part of faults.sh, in whose shell it runs: sources that change while the program is held, and calls of the system
# that fail or are interrupted.
# shellcheck disable=SC2154 # what faults.sh sets

# The system's answers are forged. What a program does before it begins is not its own.
inject() { # CALLS:WHAT COMMAND...: "$work/forged" has each call, and which of them were forged
    local forged=$1; shift
    strace -f --seccomp-bpf -qq -o "$work/forged" -e trace="${forged%%:*}" -e inject="$forged" "$@"
}
count() { # CALLS COMMAND...: how often that thread makes one of these calls that does it most: strace counts each by itself
    local calls=$1; shift
    strace -f --seccomp-bpf -qq -o "$work/trace" -e trace="$calls" "$@" >"$work/told"
    awk '!/ resumed>/ { sub(/\(.*/, "", $2); if (++calls[$1, $2] > most) most = calls[$1, $2] }
        END { print most + 0 }' "$work/trace"
}
if strace -f --seccomp-bpf -qq -o /dev/null -e trace=flock -e inject=flock:delay_enter=1 true 2>/dev/null; then
    title "sources that change between planning and reading"
    copy=$work/copy
    change() { # NAME WORDS: runs `changed` when all is planned
        local status image process
        for image in pi.img pi.img.zst; do
            cp -a "$source" "$copy"; status=0
            inject flock:delay_enter=400000:when=1 "${build[@]}" --out "$out/$image" 2>"$work/said" & process=$!
            appears; changed
            wait $process || status=$?
            [ $status = 1 ] && grep -qF "$source" "$work/said" && grep -qE "$2" "$work/said" \
                || fail "$image of $source $1: exit status $status"
            untouched "$image of $source $1"
            rm -f "$source"; mv "$copy" "$source"; works
        done
    }
    # What is read in large pieces and at once; for the root and for the firmware partition.
    for source in "$big" "${big%/*}/dtbs/broadcom/bcm2837-rpi-3-b.dtb" "$closure/firmware/u-boot.bin"; do
        changed() { rm "$source"; }; change "that vanishes" 'No such file'
        changed() { truncate -s 100 "$source"; }; change "that shrinks" 'changed.*build again'
        changed() { echo more >>"$source"; }; change "that grows" 'changed.*build again'
        changed() { cp -a "$copy" "$source.new"; mv "$source.new" "$source"; }; change "that is replaced" 'changed.*build again'
        changed() { printf x | dd of="$source" conv=notrunc status=none; }; change "that is written to" 'changed.*build again'
        changed() { rm "$source"; mkfifo "$source"; }; change "that becomes a pipe" 'changed.*build again|Illegal seek'
    done
    # What is checked is what goes into the image, and not what was there before.
    source=$library/lib/libc.so usual=("${build[@]}")
    build+=(--check); changed() { touch "$source"; }; change "that is short, and written to" 'changed.*build again'
    build=("${usual[@]}")
    # What Nix does meanwhile: it links equal files to one another, and its collector removes names again.
    name=$work/another-name
    undone() { :; }
    harmless() { # NAME: runs `changed` when all is planned, which makes no difference, and then `undone`
        local image process
        for image in pi.img pi.img.zst; do
            rm -f "$name"; "${2:-true}" "$big" "$name"
            inject flock:delay_enter=400000:when=1 "${build[@]}" --frame-size 64K --out "$out/$image" 2>"$work/said" &
            process=$!
            appears; changed
            [ -n "$(temporary "$out")" ] || fail "$image of a file $1: the build was done before"
            wait $process || fail "$image of a file $1: exit status $?"
            cmp "$out/$image" "$work/whole.${image#pi.}" || fail "$image of a file $1: another image"
            rm -f "$name"; undone; fresh; works
        done
    }
    changed() { ln "$big" "$name"; }; harmless "that gets another name"
    changed() { rm "$name"; }; harmless "that loses a name" ln
    changed() { ln "$big" "$name"; rm "$name"; }; harmless "with a name that comes and goes"
    # What is short is in memory since it was found.
    source=$library/lib/libc.so
    undone() { rm -f "$source"; mv "$copy" "$source"; }
    changed() { cp -a "$source" "$copy"; echo more >>"$source"; }; harmless "and a short one that grows"
    changed() { cp -a "$source" "$copy"; rm "$source"; }; harmless "and a short one that vanishes"

    title "calls of the system that fail"
    fault "the write of an image" "pi.img.zst,No space left,free some space" \
        inject write:error=ENOSPC:when=2 "${build[@]}" --frame-size 64K --out "$out/pi.img.zst"
    fault "the write of a raw image" "pi.img,Input/output error,the disk may be failing" \
        inject pwrite64:error=EIO:when=3 "${build[@]}" --out "$out/pi.img"
    fault "its length" "pi.img,File too large,ulimit -f" inject ftruncate:error=EFBIG "${build[@]}" --out "$out/pi.img"
    for image in pi.img pi.img.zst; do
        fault "fsync" "$image,Input/output error,the disk may be failing" \
            inject fsync:error=EIO:when=1 "${build[@]}" --out "$out/$image"
        fault "rename" "$image,No space left,free some space" \
            inject rename:error=ENOSPC "${build[@]}" --out "$out/$image"
    done
    fault "a read" "$closure,Input/output error,the disk may be failing" \
        inject pread64:error=EIO:when=20 "${build[@]}" --out "$out/pi.img.zst"
    fault "a write of extract" "libc,No space left,free some space" inject pwrite64:error=ENOSPC:when=1 \
        "$mkpiimg" extract "$work/whole.img" "${library#"$closure/root"}" "$out/new"
    fault "threads" "cannot start a thread,ulimit -u" inject clone3:error=EAGAIN:when=2+ \
        "${build[@]}" --threads 2 --out "$out/pi.img.zst"
    # Calls that a signal interrupts are made again.
    for image in pi.img pi.img.zst; do
        for call in pread64 write pwrite64; do
            inject "$call:error=EINTR:when=$(($(count $call "$mkpiimg" --version) + 1))+3" "${build[@]}" --frame-size 64K \
                --out "$out/$image" 2>"$work/said" || fail "interrupted calls of $call: exit status $?"
            cmp "$out/$image" "$work/whole.${image#pi.}" || fail "interrupted calls of $call"
            fresh; works
        done
    done

    # Whatever fails, and whenever: it is an error, or makes no difference.
    tree() { # FOLDER: its names, metadata and content, as one number (without links' times: not every filesystem keeps them)
        (cd "$1" && { find . -type d -printf '%p %m %U %G %T@\n' -o -type l -printf '%p %n %U %G %l\n' \
            -o -printf '%p %m %n %U %G %T@ %s\n' | sort
            find . -type f -print0 | sort -z | xargs -0 sha256sum; } | sha256sum)
    }
    renew() { fresh; [ ! -e "$out/new" ] || { chmod -R u+w "$out/new"; rm -rf "$out/new"; }; }
    right() { # CALL COMMAND...: it has said and made what it does when nothing fails; `inspect` may list what it cannot read
        local image
        case $* in
            *" inspect "*)
                [ "$(jq '.problems + [.partitions[].damage // empty] | length' "$work/made")" -gt 0 ] \
                    || cmp "$work/made" "$work/told"
                ;;
            *) cmp "$work/made" "$work/told" ;;
        esac || fail "$1: it says something else"
        for image in pi.img pi.img.zst; do
            cmp -s "$out/$image" "$work/old" || cmp "$out/$image" "$work/whole.${image#pi.}" || fail "$1: another image"
        done
        [ -z "$wanted" ] || [ "$(tree "$out/new")" = "$wanted" ] || fail "$1: another tree"
    }
    sweep() { # CALLS ERROR COMMAND...
        local calls=$1 error=$2 first all when status wanted='' forged=0 name; shift 2
        case $* in *" --out "*) name="$calls of a build of ${*: -1}" ;; *) name="$calls of $2" ;; esac
        [ -n "${firsts[$calls]:-}" ] || firsts[$calls]=$(count "$calls" "$mkpiimg" --version)
        # All that it writes is its own.
        first=${firsts[$calls]}; [ "$calls" != write ] || first=0
        [ "$calls" != unlink ] || touch "$stale"
        all=$(count "$calls" "$@"); [ ! -e "$out/new" ] || wanted=$(tree "$out/new"); renew
        [ "$all" -gt "$first" ] || fail "$name: it does not make such calls (any more): take them from the list"
        for when in $((first + 1)) $((first + 1 + RANDOM % (all - first))) "$all"; do
            [ "$calls" != unlink ] || touch "$stale"
            status=0; inject "$calls:error=$error:when=$when" "$@" >"$work/made" 2>"$work/said" || status=$?
            case $status in
                0) right "$name, $error for the ${when}th" "$@"; unharmed=$((unharmed + 1)); renew ;;
                1)
                    grep -q '^mkpiimg: .' "$work/said" || fail "$name, $error for the ${when}th: no sentence"
                    # Whether a new name is on the disk is only known when it is given: the whole new image may have it.
                    [ "$calls" != fsync ] || ! cmp -s "$out/pi.img.zst" "$work/whole.img.zst" || fresh
                    ;;
                *) fail "$name, $error for the ${when}th: exit status $status" ;;
            esac
            rm -f "$stale"
            untouched "$name, $error for the ${when}th"
            forged=$((forged + $(grep -c INJECTED "$work/forged" || true))) swept=$((swept + 1))
        done
        # The last of some thread's calls may never come, where threads share them.
        [ "$forged" -gt 0 ] || fail "$name: no answer was forged"
        works
    }
    # What an earlier run left, for the call that removes it. (Without those that remove what is its own, no run can do.)
    stale=$out/.pi.img.mkpiimg-0123abcd.tmp
    swept=0 unharmed=0; declare -A firsts
    for what in "openat EMFILE" "openat EIO" "fstat,newfstatat EIO" "pread64 EIO" "read EIO" "getdents64 EIO" \
        "readlink,readlinkat EIO" "write EDQUOT" "fsync ENOSPC" "lseek EIO" "flock ENOLCK" "close EIO" \
        "fadvise64 EIO" "clone,clone3 EAGAIN"
    do
        # shellcheck disable=SC2086 # words
        sweep $what "${build[@]}" --threads 1 --frame-size 64K --out "$out/pi.img.zst"
    done
    for what in "ftruncate EFBIG" "pwrite64 EDQUOT" "rename,renameat EROFS" "fstatfs EIO" "unlink EPERM"; do
        # shellcheck disable=SC2086 # words
        sweep $what "${build[@]}" --threads 1 --out "$out/pi.img"
    done
    for what in "openat EMFILE" "pread64 EIO" "mkdir EACCES" "mkdirat ENOSPC" "linkat EMLINK" "symlinkat EPERM" \
        "pwrite64 ENOSPC" "ftruncate EFBIG" "fchmod EPERM" "fchown,fchownat EPERM" "utimensat EPERM" \
        "rename,renameat ENOSPC" "lseek EIO" "flock ENOLCK" "close EIO"
    do
        # shellcheck disable=SC2086 # words
        sweep $what "$mkpiimg" extract --progress none --threads 1 "$work/whole.img.zst" /nix/store "$out/new"
    done
    for command in "verify --progress none --threads 1 $work/whole.img.zst" \
        "verify --progress none --threads 2 $work/whole.img" "inspect --json $work/whole.img.zst" \
        "diff $work/whole.img.zst $work/whole.img" "ls -lR $work/whole.img.zst" "cat $work/whole.img ${big#"$closure/root"}"
    do
        for what in "openat EMFILE" "openat EIO" "pread64 EIO" "fstat,newfstatat EIO" "lseek EIO" "close EIO" "write ENOSPC"
        do
            # What is the same is not told.
            [ "$what ${command%% *}" != "write ENOSPC diff" ] || continue
            # shellcheck disable=SC2086 # words
            sweep $what "$mkpiimg" $command
        done
    done
    echo "$swept calls failed, $unharmed of which made no difference"
else
    skip "sources that change, and calls that fail (needs strace, and that it may be used)"
fi
