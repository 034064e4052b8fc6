#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# determinism.sh MKPIIMG CLOSURE [NEWER-LIBEXT2FS] - the same closure gives the same bytes, whoever builds it, when, where, with
# what and from which copy of it.
#
# MKPIIMG is the ordinary (dynamic) program, CLOSURE a folder that fixtures/small/make.sh filled, NEWER-LIBEXT2FS a folder that
# fixtures/newer-ext2fs.sh filled. What this machine cannot do is skipped, loudly. (That the static program makes the same images
# is for static.sh.)
set -euo pipefail

[ $# -ge 2 ] || { echo "usage: determinism.sh MKPIIMG CLOSURE [NEWER-LIBEXT2FS]" >&2; exit 64; }
mkpiimg=$(readlink -f "$1") closure=$(readlink -f "$2") newer=${3:-}
work=$(mktemp -d)
disk=$work/disk
trap 'umount -q "$disk" "$disk" 2>/dev/null || true; chmod -R u+w "$work"; rm -rf "$work"' EXIT
chmod 755 "$work"; mkdir "$disk" "$work/out"; chmod 777 "$work/out"
isRoot() { [ "$(id -u)" = 0 ]; }
skip() { echo "SKIPPED: $*"; }
number=0
same() { # NAME: the image that was just made is what the first one was; it is removed
    cmp "$work/out/pi.img.zst" "$work/wanted.img.zst" || { echo "determinism.sh: $1: other bytes" >&2; exit 1; }
    rm "$work/out/pi.img.zst"; number=$((number + 1)); echo "  $1"
}
store() { echo --store-root "$1" --closure "$closure/result" --firmware "$closure/firmware"; }
options=(--progress none --out "$work/out/pi.img.zst")
# The registration makes most runs quick; whether it says the same as a scan is the first thing to be seen.
mapfile -t scan <"$closure/options"
"$mkpiimg" "${scan[@]}" "${options[@]}"; mv "$work/out/pi.img.zst" "$work/wanted.img.zst"
# By another implementation, and in another order than the image has it.
export PYTHONDONTWRITEBYTECODE=1
PYTHONPATH=$(dirname "$0")/trees python3 - "$closure/root/nix/store" >"$work/registration" <<'PYTHON'
import os, re, sys
from expect import NAR, base32

store = os.fsencode(sys.argv[1])
paths = sorted((name for name in os.listdir(store) if re.match(rb"[0-9a-z]{32}-", name)), reverse=True)

def bytes_of(path):
    """All that a path's references may be in."""
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

echo "== where the registration comes from"
"$mkpiimg" "${registered[@]}"; same "a registration of somebody else"
"$mkpiimg" cat "$work/wanted.img.zst" /nix-path-registration >"$work/again"
! cmp -s "$work/again" "$work/registration" || { echo "determinism.sh: the registrations have one order" >&2; exit 1; }
"$mkpiimg" --registration "$work/again" "${usual[@]}" "${options[@]}"; same "the image's own"
if command -v nix-store >/dev/null; then
    cp -a "$closure/root" "$work/nix"; chmod -R u+w "$work/nix"
    nix-store --store "local?root=$work/nix" --load-db <"$work/registration"
    nix-store --store "local?root=$work/nix" --dump-db >"$work/dump"
    "$mkpiimg" --registration "$work/dump" "${usual[@]}" "${options[@]}"; same "nix-store --dump-db"
    # shellcheck disable=SC2046 # words
    "$mkpiimg" $(store "$work/nix") "${options[@]}"; same "Nix itself"
    # What its own optimiser makes of the store.
    nix-store --store "local?root=$work/nix" --optimise 2>/dev/null
    # shellcheck disable=SC2046
    "$mkpiimg" --registration "$work/dump" $(store "$work/nix") "${options[@]}"; same "a store that Nix optimised"
    chmod -R u+w "$work/nix"; rm -rf "$work/nix"
else
    skip "Nix's own words (there is no Nix)"
fi

echo "== threads, clock, environment, user"
for threads in 1 2 5 16; do
    "$mkpiimg" --threads $threads "${registered[@]}"; same "$threads threads"
done
"$mkpiimg" "${registered[@]}" --threads 7 --out "$work/pi.img"
zstd -dcq "$work/wanted.img.zst" | cmp - "$work/pi.img"; echo "  the raw image, with 7"
# In jobs so short that there are several.
single=("${registered[@]}" --single-frame --level 1)
"$mkpiimg" "${single[@]}" --threads 1 --out "$work/single.img.zst"
zstd -dcq "$work/single.img.zst" | cmp - "$work/pi.img"
for threads in 2 5 16; do
    "$mkpiimg" "${single[@]}" --threads $threads
    cmp "$work/out/pi.img.zst" "$work/single.img.zst"; echo "  a single frame, $threads threads"
done
rm "$work"/{pi.img,single.img.zst} "$work/out/pi.img.zst"
if faketime 2001-02-03 true 2>/dev/null; then
    # The clock is another one, not the times of files, which would no longer be the same each time.
    export NO_FAKE_STAT=1
    for time in "1999-12-31 23:59:59" "2107-06-01"; do
        faketime "$time" "$mkpiimg" "${scan[@]}" "${options[@]}"; same "in ${time%%-*}"
    done
    faketime -f "+0 x5000" "$mkpiimg" "${scan[@]}" "${options[@]}"; same "while months go by"
else
    skip "other times (needs faketime)"
fi
variables=(TZ=Asia/Kathmandu SOURCE_DATE_EPOCH=1234567890 E2FSPROGS_FAKE_TIME=987654321
    MKE2FS_FIRST_META_BG=1 MKE2FS_DEVICE_SECTSIZE=512 MKE2FS_CONFIG=/dev/null ZSTD_CLEVEL=19 ZSTD_NBTHREADS=3
    TMPDIR=/nonexistent)
env "${variables[@]}" "$mkpiimg" "${registered[@]}"; same "time zone, and variables of e2fsprogs and zstd"
# Turkish has another small I and a decimal comma, Japanese another encoding. A language that is not there changes nothing.
languages() { # makes them; false where they cannot be made or used
    mkdir "$work/locales"
    local made=("tr_TR UTF-8 tr_TR.UTF-8" "ja_JP EUC-JP ja_JP.EUC-JP") from map name
    for made in "${made[@]}"; do
        read -r from map name <<<"$made"
        localedef -i "$from" -f "$map" "$work/locales/$name" 2>/dev/null || [ -e "$work/locales/$name/LC_CTYPE" ] || return 1
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
(cd "$closure" && "$mkpiimg" --registration "$work/registration" --closure result --store-root root --firmware firmware \
    "${options[@]}"); same "another folder, and paths from there"
if isRoot && setpriv --reuid=65534 --regid=65534 --clear-groups test -x "$mkpiimg" -a -r "$closure/root" 2>/dev/null; then
    setpriv --reuid=65534 --regid=65534 --clear-groups "$mkpiimg" "${registered[@]}"; same "another user"
else
    skip "another user (needs root, and a program that others may run)"
fi

echo "== copies of the closure"
copy() { # NAME COMMAND...: what the command makes of the closure's root as ROOT
    local name=$1; shift
    "$@"
    # shellcheck disable=SC2046
    "$mkpiimg" --registration "$work/registration" $(store "$work/root") "${options[@]}"; same "$name"
    chmod -R u+w "$work/root"; rm -rf "$work/root"
}
copy "without links and holes" cp -r --no-preserve=links,timestamps --sparse=never "$closure/root" "$work/root"
copy "with more holes" cp -a --sparse=always "$closure/root" "$work/root"
optimised() { # as `nix store optimise` leaves it: one file for the same content and mode
    cp -a --no-preserve=links "$closure/root" "$work/root"; chmod -R u+w "$work/root"
    local last='' first='' key file
    while read -r -d '' key file; do
        if [ "$key" = "$last" ]; then ln -f "$first" "$file"; else last=$key first=$file; fi
    done < <(find "$work/root" -type f -size +0 -printf '%m ' -exec sha256sum -z {} \; \
        | sed -z 's/^\([0-7]*\) \([0-9a-f]*\)  /\1-\2 /' | sort -z)
}
copy "where the same files are one" optimised
# In another order, and with what copying leaves of times and owners.
backwards() {
    (cd "$closure" && find root ! -type d -print0 | sort -rz | tar -c --null --no-recursion -T - --mtime=@1e9 2>/dev/null) \
        >"$work/tar" || (cd "$closure" && find root ! -type d -print0 | sort -rz | tar -cf "$work/tar" --null --no-recursion -T -)
    tar -xf "$work/tar" -C "$work" --touch --no-same-owner
    (cd "$closure" && find root -type d -print0) | (cd "$work" && xargs -0 mkdir -p)
    rm "$work/tar"
}
copy "that was written backwards" backwards
# What is read from a disk comes in another order than what is in memory.
cold() { # whether the copy is on a disk, and none of it in memory now
    cp -a "$closure/root" "$work/root"
    case $(stat -f -c %T "$work/root") in tmpfs | ramfs | overlayfs) return 1 ;; esac
    isRoot && [ -w /proc/sys/vm/drop_caches ] && sync -f "$work" && echo 3 >/proc/sys/vm/drop_caches
}
for threads in 1 2 7; do
    if cold; then
        # shellcheck disable=SC2046
        /usr/bin/time -o "$work/blocks" -f %I "$mkpiimg" --threads $threads --registration "$work/registration" \
            $(store "$work/root") "${options[@]}"
        [ "$(cat "$work/blocks")" -ge 4000 ] || skip "a cold disk (only $(cat "$work/blocks") blocks were read from it)"
        same "on a cold disk, $threads threads"
    else
        skip "a cold disk, $threads threads (needs root, and a disk under \$TMPDIR)"
    fi
    chmod -R u+w "$work/root"; rm -rf "$work/root"
done

echo "== filesystems that the closure is on"
on() { # NAME: what is mounted on the disk gets the closure
    cp -a "$closure/root" "$disk/"
    # shellcheck disable=SC2046
    "$mkpiimg" --registration "$work/registration" $(store "$disk/root") "${options[@]}"; same "$1"; umount "$disk"
}
if isRoot && mount -t tmpfs tmpfs "$disk" 2>/dev/null; then
    on tmpfs
    # The second ext4 does not say with a name what it is: a folder, a file or a link.
    for kind in ext4 "ext4 -O ^filetype" xfs btrfs; do
        truncate -s 600M "$work/filesystem"
        # shellcheck disable=SC2086 # words
        if mkfs.$kind -q "$work/filesystem" 2>/dev/null && mount -o loop "$work/filesystem" "$disk" 2>/dev/null; then on "$kind"
        else skip "$kind (needs mkfs.${kind%% *} and loop devices)"; fi
        rm "$work/filesystem"
    done
    mkdir "$work/upper" "$work/more"
    if mount -t overlay -o "lowerdir=$closure,upperdir=$work/upper,workdir=$work/more" overlay "$disk" 2>/dev/null; then
        # shellcheck disable=SC2046
        "$mkpiimg" --registration "$work/registration" $(store "$disk/root") "${options[@]}"; same overlay; umount "$disk"
    fi
    # The store where stores are.
    # shellcheck disable=SC2016 # a script
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
    [[ $libraries == *"$newer/libext2fs.so.2"* ]] || { echo "determinism.sh: the program does not use it" >&2; exit 1; }
    LD_LIBRARY_PATH=$newer "$mkpiimg" "${scan[@]}" "${options[@]}"
    same "version $(grep -aoE '1\.4[0-9]\.[0-9]+' "$newer/libext2fs.so.2" | sort -u | tr '\n' ' ')"
fi
echo "$number times the same bytes (${SECONDS} s)"
