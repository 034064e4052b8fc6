#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# calls.sh - a part of faults.sh, which sources it: sources that change while the program is paused, and system calls
# that fail or are interrupted.
# shellcheck disable=SC2154 # variables of faults.sh

# The results of system calls are replaced with strace's fault injection.
inject() { # CALLS:ACTION COMMAND...: "$work/calls" lists the calls, and marks those that were injected
    local injection=$1; shift
    strace -f --seccomp-bpf -qq -o "$work/calls" -e trace="${injection%%:*}" -e inject="$injection" "$@"
}
# Prints the highest number of calls of one kind by one thread: strace counts calls for each thread separately.
count() { # CALLS COMMAND...
    local calls=$1; shift
    strace -f --seccomp-bpf -qq -o "$work/trace" -e trace="$calls" "$@" >"$work/expected"
    awk '!/ resumed>/ { sub(/\(.*/, "", $2); if (++calls[$1, $2] > most) most = calls[$1, $2] }
        END { print most + 0 }' "$work/trace"
}
if strace -f --seccomp-bpf -qq -o /dev/null -e trace=flock -e inject=flock:delay_enter=1 true 2>/dev/null; then
    title "sources that change between planning and reading"
    copy=$work/copy
    change() { # NAME PATTERN: runs `changed` after planning; the message must match PATTERN
        local status image process
        for image in pi.img pi.img.zst; do
            cp -a "$source" "$copy"; status=0
            inject flock:delay_enter=400000:when=1 "${build[@]}" --out "$out/$image" 2>"$work/stderr" & process=$!
            appears; changed
            wait $process || status=$?
            { [ $status = 1 ] && grep -qF "$source" "$work/stderr" && grep -qE "$2" "$work/stderr"; } \
                || fail "$image of $source $1: exit status $status"
            untouched "$image of $source $1"
            rm -f "$source"; mv "$copy" "$source"; works
        done
    }
    # A file that is read in large chunks and one that is read at once; files for the root and for the firmware
    # partition.
    for source in "$big" "${big%/*}/dtbs/broadcom/bcm2837-rpi-3-b.dtb" "$closure/firmware/u-boot.bin"; do
        changed() { rm "$source"; }; change "that vanishes" 'No such file'
        changed() { truncate -s 100 "$source"; }; change "that shrinks" 'changed.*build again'
        changed() { echo more >>"$source"; }; change "that grows" 'changed.*build again'
        changed() { cp -a "$copy" "$source.new"; mv "$source.new" "$source"; }
        change "that is replaced" 'changed.*build again'
        changed() { printf x | dd of="$source" conv=notrunc status=none; }
        change "that is written to" 'changed.*build again'
        changed() { rm "$source"; mkfifo "$source"; }; change "that becomes a pipe" 'changed.*build again|Illegal seek'
    done
    # --check must check the content that goes into the image, not an earlier one.
    source=$library/lib/libc.so usual=("${build[@]}")
    build+=(--check); changed() { touch "$source"; }; change "that is short, and written to" 'changed.*build again'
    build=("${usual[@]}")
    # Changes that Nix may make during a build: its optimiser links equal files, and its collector removes names.
    name=$work/another-name
    undone() { :; }
    harmless() { # NAME [COMMAND]: runs `changed` after planning, which must not change the image, and then `undone`
        local image process
        for image in pi.img pi.img.zst; do
            rm -f "$name"; "${2:-true}" "$big" "$name"
            inject flock:delay_enter=400000:when=1 "${build[@]}" --frame-size 64K --out "$out/$image" 2>"$work/stderr" &
            process=$!
            appears; changed
            [ -n "$(temporary "$out")" ] || fail "$image of a file $1: the build finished before the change"
            wait $process || fail "$image of a file $1: exit status $?"
            cmp "$out/$image" "$work/whole.${image#pi.}" || fail "$image of a file $1: the image differs"
            rm -f "$name"; undone; fresh; works
        done
    }
    changed() { ln "$big" "$name"; }; harmless "that gets another name"
    changed() { rm "$name"; }; harmless "that loses a name" ln
    changed() { ln "$big" "$name"; rm "$name"; }; harmless "with a name that comes and goes"
    # Short files are in memory since the scan.
    source=$library/lib/libc.so
    undone() { rm -f "$source"; mv "$copy" "$source"; }
    changed() { cp -a "$source" "$copy"; echo more >>"$source"; }; harmless "and a short one that grows"
    changed() { cp -a "$source" "$copy"; rm "$source"; }; harmless "and a short one that vanishes"

    title "system calls that fail"
    fault "the write of an image" "pi.img.zst,No space left,free some space" \
        inject write:error=ENOSPC:when=2 "${build[@]}" --frame-size 64K --out "$out/pi.img.zst"
    fault "the write of a raw image" "pi.img,Input/output error,the disk may be failing" \
        inject pwrite64:error=EIO:when=3 "${build[@]}" --out "$out/pi.img"
    fault "setting the length of an image" "pi.img,File too large,ulimit -f" \
        inject ftruncate:error=EFBIG "${build[@]}" --out "$out/pi.img"
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
    fault "the start of a thread" "cannot start a thread,ulimit -u" inject clone3:error=EAGAIN:when=2+ \
        "${build[@]}" --threads 2 --out "$out/pi.img.zst"
    # The program repeats calls that a signal interrupts. Calls before its start are those of `mkpiimg --version`.
    for image in pi.img pi.img.zst; do
        for call in pread64 write pwrite64; do
            first=$(($(count $call "$mkpiimg" --version) + 1))
            inject "$call:error=EINTR:when=$first+3" "${build[@]}" --frame-size 64K \
                --out "$out/$image" 2>"$work/stderr" || fail "interrupted calls of $call: exit status $?"
            cmp "$out/$image" "$work/whole.${image#pi.}" || fail "interrupted calls of $call: the image differs"
            fresh; works
        done
    done

    # Any call may fail at any time: the result must be an error, or the right output.
    # Prints a digest of names, metadata and content, without the times of links, which some filesystems do not keep.
    tree() { # DIRECTORY
        (cd "$1" && { find . -type d -printf '%p %m %U %G %T@\n' -o -type l -printf '%p %n %U %G %l\n' \
            -o -printf '%p %m %n %U %G %T@ %s\n' | sort
            find . -type f -print0 | sort -z | xargs -0 sha256sum; } | sha256sum)
    }
    renew() { fresh; [ ! -e "$out/new" ] || { chmod -R u+w "$out/new"; rm -rf "$out/new"; }; }
    # Checks that output and files are those of a run without faults. `inspect` may instead list the parts that it
    # cannot read.
    right() { # NAME COMMAND...
        local image
        case $* in
            *" inspect "*)
                [ "$(jq '.problems + [.partitions[].damage // empty] | length' "$work/actual")" -gt 0 ] \
                    || cmp "$work/actual" "$work/expected"
                ;;
            *) cmp "$work/actual" "$work/expected" ;;
        esac || fail "$1: the output differs"
        for image in pi.img pi.img.zst; do
            cmp -s "$out/$image" "$work/old" || cmp "$out/$image" "$work/whole.${image#pi.}" \
                || fail "$1: the image differs"
        done
        [ -z "$digest" ] || [ "$(tree "$out/new")" = "$digest" ] || fail "$1: the tree differs"
    }
    sweep() { # CALLS ERROR COMMAND...: lets the first, a random and the last of the calls fail
        local calls=$1 error=$2 first all when status digest='' injected=0 name; shift 2
        case $* in *" --out "*) name="$calls of a build of ${*: -1}" ;; *) name="$calls of $2" ;; esac
        # The calls of `--version` are made before the program's own work begins, except for writes.
        [ -n "${firsts[$calls]:-}" ] || firsts[$calls]=$(count "$calls" "$mkpiimg" --version)
        first=${firsts[$calls]}; [ "$calls" != write ] || first=0
        [ "$calls" != unlink ] || touch "$stale"
        all=$(count "$calls" "$@"); [ ! -e "$out/new" ] || digest=$(tree "$out/new"); renew
        [ "$all" -gt "$first" ] || fail "$name: the program makes no such calls: remove them from the list"
        for when in $((first + 1)) $((first + 1 + RANDOM % (all - first))) "$all"; do
            [ "$calls" != unlink ] || touch "$stale"
            status=0; inject "$calls:error=$error:when=$when" "$@" >"$work/actual" 2>"$work/stderr" || status=$?
            case $status in
                0) right "$name, $error for the ${when}th" "$@"; unharmed=$((unharmed + 1)); renew ;;
                1)
                    grep -q '^mkpiimg: .' "$work/stderr" || fail "$name, $error for the ${when}th: no message"
                    # The fsync of the directory follows the rename, so the new image may already have its name.
                    [ "$calls" != fsync ] || ! cmp -s "$out/pi.img.zst" "$work/whole.img.zst" || fresh
                    ;;
                *) fail "$name, $error for the ${when}th: exit status $status" ;;
            esac
            rm -f "$stale"
            untouched "$name, $error for the ${when}th"
            injected=$((injected + $(grep -c INJECTED "$work/calls" || true))) swept=$((swept + 1))
        done
        # Where threads share calls, a thread may make fewer than before, and its last one does not happen.
        [ "$injected" -gt 0 ] || fail "$name: no fault was injected"
        works
    }
    # A temporary file of an earlier run, for the unlink call that removes it. (No run can do without the removal of its
    # own files.)
    stale=$out/.pi.img.mkpiimg-0123abcd.tmp
    swept=0 unharmed=0; declare -A firsts
    for fault in "openat EMFILE" "openat EIO" "fstat,newfstatat EIO" "pread64 EIO" "read EIO" "getdents64 EIO" \
        "readlink,readlinkat EIO" "write EDQUOT" "fsync ENOSPC" "lseek EIO" "flock ENOLCK" "close EIO" \
        "fadvise64 EIO" "clone,clone3 EAGAIN"
    do
        # shellcheck disable=SC2086 # several words
        sweep $fault "${build[@]}" --threads 1 --frame-size 64K --out "$out/pi.img.zst"
    done
    for fault in "ftruncate EFBIG" "pwrite64 EDQUOT" "rename,renameat EROFS" "fstatfs EIO" "unlink EPERM"; do
        # shellcheck disable=SC2086 # several words
        sweep $fault "${build[@]}" --threads 1 --out "$out/pi.img"
    done
    for fault in "openat EMFILE" "pread64 EIO" "mkdir EACCES" "mkdirat ENOSPC" "linkat EMLINK" "symlinkat EPERM" \
        "pwrite64 ENOSPC" "ftruncate EFBIG" "fchmod EPERM" "fchown,fchownat EPERM" "utimensat EPERM" \
        "rename,renameat ENOSPC" "lseek EIO" "flock ENOLCK" "close EIO"
    do
        # shellcheck disable=SC2086 # several words
        sweep $fault "$mkpiimg" extract --progress none --threads 1 "$work/whole.img.zst" /nix/store "$out/new"
    done
    for command in "verify --progress none --threads 1 $work/whole.img.zst" \
        "verify --progress none --threads 2 $work/whole.img" "inspect --json $work/whole.img.zst" \
        "diff $work/whole.img.zst $work/whole.img" "ls -lR $work/whole.img.zst" \
        "cat $work/whole.img ${big#"$closure/root"}"
    do
        for fault in "openat EMFILE" "openat EIO" "pread64 EIO" "fstat,newfstatat EIO" "lseek EIO" "close EIO" \
            "write ENOSPC"
        do
            # diff writes nothing if the images are equal.
            [ "$fault ${command%% *}" != "write ENOSPC diff" ] || continue
            # shellcheck disable=SC2086 # several words
            sweep $fault "$mkpiimg" $command
        done
    done
    echo "$swept calls failed, $unharmed of them without an effect on the result"
else
    skip "sources that change, and system calls that fail (needs strace, and permission to use it)"
fi
