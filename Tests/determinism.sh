#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# determinism.sh MKPIIMG CLOSURE [NEWER-LIBEXT2FS] - prove that the same closure always gives the same bytes: for every
# user, time, machine, environment and copy of the closure.
#
# MKPIIMG is the ordinary (dynamic) program, CLOSURE a directory that fixtures/small/make.sh filled, NEWER-LIBEXT2FS a
# directory that fixtures/newer-ext2fs.sh filled. Checks that cannot run on this machine are reported as skipped.
# (static.sh proves that the static program makes the same images.)
set -euo pipefail

[ $# -ge 2 ] || { echo "usage: determinism.sh MKPIIMG CLOSURE [NEWER-LIBEXT2FS]" >&2; exit 64; }
mkpiimg=$(readlink -f "$1") closure=$(readlink -f "$2") newer=${3:-}
work=$(mktemp -d)
disk=$work/disk
trap 'umount -q "$disk" "$disk" 2>/dev/null || true; chmod -R u+w "$work"; rm -rf "$work"' EXIT
chmod 755 "$work"; mkdir "$disk" "$work/out"; chmod 777 "$work/out"
is_root() { [ "$(id -u)" = 0 ]; }
skip() { echo "SKIPPED: $*"; }
number=0
same() { # NAME: compares the new image with the first one, and removes it
    cmp "$work/out/pi.img.zst" "$work/reference.img.zst" \
        || { echo "determinism.sh: $1: the image has other bytes" >&2; exit 1; }
    rm "$work/out/pi.img.zst"; number=$((number + 1)); echo "  $1"
}
store() { echo --store-root "$1" --closure "$closure/result" --firmware "$closure/firmware"; }
options=(--progress none --out "$work/out/pi.img.zst")
# The reference image comes from a scan. Most runs use a registration, which is quicker; the first check below proves
# that it gives the same image.
mapfile -t scan <"$closure/options"
"$mkpiimg" "${scan[@]}" "${options[@]}"; mv "$work/out/pi.img.zst" "$work/reference.img.zst"
# This registration comes from an independent implementation, and its order differs from the image's own.
export PYTHONDONTWRITEBYTECODE=1
PYTHONPATH=$(dirname "$0")/trees python3 - "$closure/root/nix/store" >"$work/registration" <<'PYTHON'
import os, re, sys
from expect import NAR, base32

store = os.fsencode(sys.argv[1])
paths = sorted((name for name in os.listdir(store) if re.match(rb"[0-9a-z]{32}-", name)), reverse=True)

def bytes_of(path):
    """All bytes of a store path that may contain a reference."""
    if os.path.islink(path):
        return os.readlink(path)
    if os.path.isdir(path):
        return b"\n".join(name + b"\n" + bytes_of(path + b"/" + name) for name in os.listdir(path))
    with open(path, "rb") as file:
        return file.read()

for name in paths:
    nar, data = NAR(), bytes_of(store + b"/" + name)
    nar.add(store + b"/" + name)
    refers = [other for other in paths if other[:32] in data]
    lines = [name, b"sha256:" + base32(nar.hash.digest()), b"%d" % nar.size, b"", b"%d" % len(refers), *refers]
    for index, line in enumerate(lines):
        sys.stdout.buffer.write((b"/nix/store/" if index == 0 or index > 4 else b"") + line + b"\n")
PYTHON
read -ra usual < <(store "$closure/root")
registered=(--registration "$work/registration" "${usual[@]}" "${options[@]}")

echo "== sources of the registration"
"$mkpiimg" "${registered[@]}"; same "an independent registration"
"$mkpiimg" cat "$work/reference.img.zst" /nix-path-registration >"$work/again"
! cmp -s "$work/again" "$work/registration" \
    || { echo "determinism.sh: the registrations have the same order" >&2; exit 1; }
"$mkpiimg" --registration "$work/again" "${usual[@]}" "${options[@]}"; same "the image's own registration"
if command -v nix-store >/dev/null; then
    cp -a "$closure/root" "$work/nix"; chmod -R u+w "$work/nix"
    nix-store --store "local?root=$work/nix" --load-db <"$work/registration"
    nix-store --store "local?root=$work/nix" --dump-db >"$work/dump"
    "$mkpiimg" --registration "$work/dump" "${usual[@]}" "${options[@]}"; same "nix-store --dump-db"
    # shellcheck disable=SC2046 # several words
    "$mkpiimg" $(store "$work/nix") "${options[@]}"; same "Nix itself"
    # Nix's own optimiser links files with the same content.
    nix-store --store "local?root=$work/nix" --optimise 2>/dev/null
    # shellcheck disable=SC2046 # several words
    "$mkpiimg" --registration "$work/dump" $(store "$work/nix") "${options[@]}"; same "a store that Nix optimised"
    chmod -R u+w "$work/nix"; rm -rf "$work/nix"
else
    skip "registrations from Nix (Nix is not installed)"
fi

echo "== threads, clock, environment, user"
for threads in 1 2 5 16; do
    "$mkpiimg" --threads $threads "${registered[@]}"; same "$threads threads"
done
"$mkpiimg" "${registered[@]}" --threads 7 --out "$work/pi.img"
zstd -dcq "$work/reference.img.zst" | cmp - "$work/pi.img"; echo "  the raw image, 7 threads"
# At level 1 zstd's jobs are short, so this image has several.
single=("${registered[@]}" --single-frame --level 1)
"$mkpiimg" "${single[@]}" --threads 1 --out "$work/single.img.zst"
zstd -dcq "$work/single.img.zst" | cmp - "$work/pi.img"
for threads in 2 5 16; do
    "$mkpiimg" "${single[@]}" --threads $threads
    cmp "$work/out/pi.img.zst" "$work/single.img.zst"; echo "  a single frame, $threads threads"
done
rm "$work"/{pi.img,single.img.zst} "$work/out/pi.img.zst"
if faketime 2001-02-03 true 2>/dev/null; then
    # faketime must change only the clock. If it also changed the times of files, these would differ on each call.
    export NO_FAKE_STAT=1
    for time in "1999-12-31 23:59:59" "2107-06-01"; do
        faketime "$time" "$mkpiimg" "${scan[@]}" "${options[@]}"; same "in ${time%%-*}"
    done
    faketime -f "+0 x5000" "$mkpiimg" "${scan[@]}" "${options[@]}"; same "with a clock 5000 times as fast"
else
    skip "other times (needs faketime)"
fi
variables=(TZ=Asia/Kathmandu SOURCE_DATE_EPOCH=1234567890 E2FSPROGS_FAKE_TIME=987654321
    MKE2FS_FIRST_META_BG=1 MKE2FS_DEVICE_SECTSIZE=512 MKE2FS_CONFIG=/dev/null ZSTD_CLEVEL=19 ZSTD_NBTHREADS=3
    TMPDIR=/nonexistent)
env "${variables[@]}" "$mkpiimg" "${registered[@]}"; same "time zone, and variables of e2fsprogs and zstd"
# Turkish has another lower-case I and a decimal comma, Japanese another encoding. The C library ignores a locale that
# does not exist, so the locales are made first.
languages() { # fails if the locales cannot be made or used
    mkdir "$work/locales"
    local locale from map name
    for locale in "tr_TR UTF-8 tr_TR.UTF-8" "ja_JP EUC-JP ja_JP.EUC-JP"; do
        read -r from map name <<<"$locale"
        localedef -i "$from" -f "$map" "$work/locales/$name" 2>/dev/null || [ -e "$work/locales/$name/LC_CTYPE" ] \
            || return 1
    done
    chmod -R a+rX "$work/locales"
    [ "$(LOCPATH=$work/locales LC_ALL=tr_TR.UTF-8 locale decimal_point)" = , ] \
        && [ "$(LOCPATH=$work/locales LC_ALL=ja_JP.EUC-JP locale charmap)" = EUC-JP ]
}
if languages; then
    for language in tr_TR.UTF-8 ja_JP.EUC-JP; do
        env LOCPATH="$work/locales" LC_ALL=$language LANG=$language "$mkpiimg" "${scan[@]}" "${options[@]}"
        same "in $language"
    done
else
    skip "other languages (needs localedef and its sources: the package locales)"
fi
env -i "$mkpiimg" "${registered[@]}"; same "no environment"
for mask in 000 077; do
    (umask $mask; "$mkpiimg" "${registered[@]}"); same "umask $mask"
done
(cd "$closure" && "$mkpiimg" --registration "$work/registration" --closure result --store-root root \
    --firmware firmware "${options[@]}"); same "another working directory, and relative paths"
nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
if is_root && "${nobody[@]}" test -x "$mkpiimg" -a -r "$closure/root" 2>/dev/null; then
    "${nobody[@]}" "$mkpiimg" "${registered[@]}"; same "another user"
else
    skip "another user (needs root, and a program that others may run)"
fi

echo "== copies of the closure"
copy() { # NAME COMMAND...: builds from the copy of the closure that the command makes in $work/root
    local name=$1; shift
    "$@"
    # shellcheck disable=SC2046 # several words
    "$mkpiimg" --registration "$work/registration" $(store "$work/root") "${options[@]}"; same "$name"
    chmod -R u+w "$work/root"; rm -rf "$work/root"
}
copy "without links and holes" cp -r --no-preserve=links,timestamps --sparse=never "$closure/root" "$work/root"
copy "with more holes" cp -a --sparse=always "$closure/root" "$work/root"
optimised() { # like `nix store optimise`: files with the same content and mode become one file
    cp -a --no-preserve=links "$closure/root" "$work/root"; chmod -R u+w "$work/root"
    local last='' first='' key file
    while read -r -d '' key file; do
        if [ "$key" = "$last" ]; then ln -f "$first" "$file"; else last=$key first=$file; fi
    done < <(find "$work/root" -type f -size +0 -printf '%m ' -exec sha256sum -z {} \; \
        | sed -z 's/^\([0-7]*\) \([0-9a-f]*\)  /\1-\2 /' | sort -z)
}
copy "with identical files linked" optimised
# Creates the files in reverse order, with new times and owners.
backwards() {
    archive() { (cd "$closure" && find root ! -type d -print0 | sort -rz | tar --null --no-recursion -T - "$@"); }
    archive -c --mtime=@1e9 2>/dev/null >"$work/tar" || archive -cf "$work/tar"
    tar -xf "$work/tar" -C "$work" --touch --no-same-owner
    (cd "$closure" && find root -type d -print0) | (cd "$work" && xargs -0 mkdir -p)
    rm "$work/tar"
}
copy "written in reverse order" backwards
# Reads from a disk complete in another order than reads from the page cache.
cold() { # copies the closure; succeeds if the copy is on a disk and none of it is in the page cache
    cp -a "$closure/root" "$work/root"
    case $(stat -f -c %T "$work/root") in tmpfs | ramfs | overlayfs) return 1 ;; esac
    is_root && [ -w /proc/sys/vm/drop_caches ] && sync -f "$work" && echo 3 >/proc/sys/vm/drop_caches
}
for threads in 1 2 7; do
    if cold; then
        # shellcheck disable=SC2046 # several words
        /usr/bin/time -o "$work/blocks" -f %I "$mkpiimg" --threads $threads --registration "$work/registration" \
            $(store "$work/root") "${options[@]}"
        [ "$(cat "$work/blocks")" -ge 4000 ] || skip "a cold disk (only $(cat "$work/blocks") blocks were read from it)"
        same "on a cold disk, $threads threads"
    else
        skip "a cold disk, $threads threads (needs root, and a disk under \$TMPDIR)"
    fi
    chmod -R u+w "$work/root"; rm -rf "$work/root"
done

echo "== filesystems of the closure"
on() { # NAME: copies the closure to the filesystem mounted on $disk, builds from there, and unmounts it
    cp -a "$closure/root" "$disk/"
    # shellcheck disable=SC2046 # several words
    "$mkpiimg" --registration "$work/registration" $(store "$disk/root") "${options[@]}"; same "$1"; umount "$disk"
}
if is_root && mount -t tmpfs tmpfs "$disk" 2>/dev/null; then
    on tmpfs
    # Without the feature filetype, a directory entry does not tell a directory from a file or a link.
    for kind in ext4 "ext4 -O ^filetype" xfs btrfs; do
        truncate -s 600M "$work/filesystem"
        # shellcheck disable=SC2086 # several words
        if mkfs.$kind -q "$work/filesystem" 2>/dev/null && mount -o loop "$work/filesystem" "$disk" 2>/dev/null; then
            on "$kind"
        else
            skip "$kind (needs mkfs.${kind%% *} and loop devices)"
        fi
        rm "$work/filesystem"
    done
    mkdir "$work/upper" "$work/more"
    if mount -t overlay -o "lowerdir=$closure,upperdir=$work/upper,workdir=$work/more" overlay "$disk" 2>/dev/null; then
        # shellcheck disable=SC2046 # several words
        "$mkpiimg" --registration "$work/registration" $(store "$disk/root") "${options[@]}"
        same overlay
        umount "$disk"
    fi
    # The store at its usual path.
    # shellcheck disable=SC2016 # a script for another shell
    if [ -d /nix ] && unshare -m true 2>/dev/null; then
        unshare -m bash -euc 'mount --bind "$1/root/nix" /nix; shift; exec "$@"' - "$closure" "$mkpiimg" \
            --registration "$work/registration" --closure "$(readlink "$closure/result")" \
            --firmware "$closure/firmware" "${options[@]}"
        same "the store in /nix/store"
    else
        skip "the store in /nix/store (there is no /nix)"
    fi
else
    skip "other filesystems (needs root, to mount)"
fi

if [ -n "$newer" ]; then
    echo "== a newer libext2fs"
    newer=$(readlink -f "$newer")
    libraries=$(LD_LIBRARY_PATH=$newer ldd "$mkpiimg")
    [[ $libraries == *"$newer/libext2fs.so.2"* ]] \
        || { echo "determinism.sh: the program does not load this libext2fs" >&2; exit 1; }
    LD_LIBRARY_PATH=$newer "$mkpiimg" "${scan[@]}" "${options[@]}"
    same "version $(grep -aoE '1\.4[0-9]\.[0-9]+' "$newer/libext2fs.so.2" | sort -u | tr '\n' ' ')"
fi
echo "$number builds with the same bytes (${SECONDS} s)"
