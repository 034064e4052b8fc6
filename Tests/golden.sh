#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# golden.sh MKPIIMG [--quick | --record | --against OTHER] - what the program prints is what golden/*.txt has recorded.
#
# It runs the program on images of its own, on those of other tools, and on hundreds that golden/damage.py damaged:
# standard output, standard error and exit status are compared. Names of temporary files are shown as DIR/.
#
#   --quick           leave out the damaged images
#   --record          write golden/*.txt anew
#   --against OTHER   compare with another program instead, also in what depends on this machine's libraries
#
# With --against, CASES=PATTERN (an extended regular expression) leaves out damaged images with other names.
set -euo pipefail

usage() { echo "usage: golden.sh MKPIIMG [--quick | --record | --against OTHER]" >&2; exit 64; }
[ $# -ge 1 ] || usage
mode=${2:---compare} other='' cases=''
case $mode:$# in
    --compare:1 | --record:2) ;;
    --quick:2) cases='^$' ;;
    --against:3) other=$(readlink -f "$3") cases=${CASES:-} ;;
    *) usage ;;
esac
top=$(cd "$(dirname "$0")/.." && pwd)
golden=$top/Tests/golden
program=$(readlink -f "$1") run=$program
python=$(python3 -c 'import sys; print(sys.executable)')
export LC_ALL=C TZ=UTC PATH=$PATH:/usr/sbin:/sbin PYTHONDONTWRITEBYTECODE=1
unset COLUMNS LINES LANGUAGE SOURCE_DATE_EPOCH
umask 022

# Hundreds of images are written: in memory where there is room.
memory=/dev/shm
[ -w $memory ] && [ "$(df --output=avail $memory | tail -1)" -gt 2000000 ] || memory=${TMPDIR:-/tmp}
work=$(mktemp -d "$memory/golden.XXXXXX")
corpus=$work/corpus closure=$work/closure
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
mkdir "$corpus" "$work/got"
[ -z "$other" ] || mkdir "$work/other"
wide() { [ "$mode" = --against ]; }

# --- how the program is run

# say WORD...: runs it, and prints how, with what it said and its exit status.
say() {
    local status=0
    printf '$ mkpiimg %s\n' "$*"
    "$run" "$@" >out 2>err </dev/null || status=$?
    cat out
    [ ! -s err ] || sed 's/^/2> /' err
    [ $status = 0 ] || echo "exit status $status"
    echo
}
# Objects of JSON on lines of their own.
lines() { sed 's/\([[,]\){"/\1\n{"/g'; }
# delta NAME WORD...: how what the program says differs from what it said of the sound image, at most 60 lines; of JSON
# only what it says of the damaged one. (What it counts of each kind is in the text too.)
delta() {
    local name=$1; shift
    say "$@" | lines >text
    head -1 text
    diff "$corpus/$name.text" text | grep -vE '^([0-9]|---|< \{|> \{"count")' | sed '61s/.*/…/; 62,$d' || true
}
# Runs a function that says something, with both programs if there are two, in a directory of its own.
recorded() { # NAME FUNCTION WORD...
    local name=$1 one; shift
    for one in got ${other:+other}; do
        run=$program; [ "$one" = got ] || run=$other
        "$@" | sed "s|$work/|DIR/|g" >>"$work/$one/$name.txt"
    done
}

# --- the corpus

# The small closure without its largest files, so that it is quick; and one where a store path is another.
make_closures() {
    local edge=5fghjklzxcvbnm0987654321qwryipas-edge-cases-1.0 store
    local next=5fghjklzxcvbnm0987654321qwryipaz-edge-cases-1.1
    "$top/fixtures/small/make.sh" "$closure"
    store=$closure/root/nix/store
    chmod -R u+w "$closure"
    rm "$store/$edge/sizes/"{hole,hole-inside,1048575,1048576}
    truncate -s 200000 "$store"/*-linux-6.6.30/Image
    as_nix_leaves_it "$store"
    # A file whose extents need a block of their own.
    mkdir "$closure/files"
    for number in 0 1 2 3 4 5; do
        printf 'piece %s' $number | dd of="$closure/files/holes" bs=1 seek=$((number << 21)) conv=notrunc status=none
    done
    touch -d @1 "$closure/files/holes" "$closure/files"
    cp -a "$closure" "$work/next"
    store=$work/next/root/nix/store
    chmod -R u+w "$store"
    mv "$store/$edge" "$store/$next"
    echo more >"$store/$next/sizes/more"
    rm -r "$store/$next/names"
    printf '/nix/store/%s ' "$next" >"$store"/*-nixos-system-small-24.05/extra-dependencies
    as_nix_leaves_it "$store"
}
as_nix_leaves_it() {
    find "$1" -mindepth 1 -type f -perm /100 -exec chmod 555 {} +
    find "$1" -mindepth 1 -type f ! -perm /100 -exec chmod 444 {} +
    find "$1" -mindepth 1 -depth -exec touch -h -d @1 {} +
    find "$1" -mindepth 1 -type d -exec chmod 555 {} +
}
closure_options=(--closure result --store-root root --scan-references --firmware firmware --progress none)
# Two block groups, so that there is a copy of the superblock.
image_options=(--gap 1M --firmware-size 8M --root-size 200M --root-files files)
build_images() { # PROGRAM DIR
    (cd "$closure" && "$1" "${closure_options[@]}" "${image_options[@]}" --out "$2/pi.img" \
        && "$1" "${closure_options[@]}" "${image_options[@]}" --frame-size 1M --out "$2/pi.img.zst")
    (cd "$work/next" && "$1" "${closure_options[@]}" --gap 2M --firmware-size 8M --root-slack 1M --root-files files \
        --profile --kernel-param quiet --out "$2/next.img")
}

# Images that nobody of ours made, with as much pinned as these tools allow.
foreign_images() {
    local uuid=01234567-89ab-cdef-0123-456789abcdef kind options
    local ext=none,ext_attr,dir_index,filetype,sparse_super,large_file
    export E2FSPROGS_FAKE_TIME=1000000000 MKE2FS_CONFIG=$work/mke2fs.conf
    printf '[fs_types]\n' >"$MKE2FS_CONFIG"
    printf ' %s = {\n  inode_size = 256\n }\n' ext2 ext3 ext4 small >>"$MKE2FS_CONFIG"
    for kind in ext2 ext3 ext4; do
        options=$ext
        [ $kind = ext2 ] || options+=,has_journal
        [ $kind != ext4 ] || options+=,extent,64bit,flex_bg,huge_file,dir_nlink,extra_isize,metadata_csum
        mke2fs -q -F -t "$kind" -O "$options" -U $uuid -L "$kind" -b 1024 -I 256 -N 128 -m 1 \
            -E "hash_seed=$uuid,root_owner=0:0,nodiscard,lazy_itable_init=0,lazy_journal_init=0" \
            "$corpus/$kind.img" 20M >/dev/null
    done
    mkfs.fat --invariant -F 12 -i 12345678 -n TWELVE -C "$corpus/fat12.img" 1440 >/dev/null
    mkfs.fat --invariant -F 16 -i 12345678 -n SIXTEEN -C "$corpus/fat16.img" 16384 >/dev/null
    mkfs.fat --invariant -F 32 -s 1 -i 12345678 -n THIRTYTWO -C "$corpus/fat32.img" 65536 >/dev/null
    truncate -s 32M "$corpus/gpt.img"
    sed 's/uuid=/uuid=11111111-2222-3333-4444-/' <<'TABLE' | sfdisk -q "$corpus/gpt.img"
label: gpt
label-id: 11111111-2222-3333-4444-555555555555
first-lba: 2048
start=2048, size=32768, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, uuid=666666666666, name="boot"
start=36864, size=8192, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, uuid=777777777777, name="root"
TABLE
    dd if="$corpus/fat16.img" of="$corpus/gpt.img" bs=1M seek=1 conv=notrunc status=none
    cp "$corpus/gpt.img" "$corpus/gpt-first.img"
    dd if=/dev/zero of="$corpus/gpt-first.img" bs=512 seek=1 count=1 conv=notrunc status=none
    cp "$corpus/gpt.img" "$corpus/gpt-cut.img"; truncate -s 20M "$corpus/gpt-cut.img"
    truncate -s 4M "$corpus/zeros.img"
    : >"$corpus/nothing.img"
    seq 1000 >"$corpus/text.img"
    foreign=(ext2 ext3 ext4 fat12 fat16 fat32 gpt gpt-first gpt-cut zeros nothing text)
}

# Where these bytes are depends on zstd's version.
damaged_frames() {
    local size name
    size=$(stat -c %s "$corpus/pi.img.zst")
    for name in head early middle late table-count table-magic cut cut-half trailing; do
        cp "$corpus/pi.img.zst" "$corpus/$name.img.zst"
        case $name in
            cut) truncate -s -5 "$corpus/$name.img.zst"; continue ;;
            cut-half) truncate -s $((size / 2)) "$corpus/$name.img.zst"; continue ;;
            trailing) echo more >>"$corpus/$name.img.zst"; continue ;;
            head) seek=0 ;; early) seek=1000 ;; middle) seek=$((size / 2)) ;; late) seek=$((size * 3 / 4)) ;;
            table-count) seek=$((size - 9)) ;; table-magic) seek=$((size - 1)) ;;
        esac
        printf '\x5a' | dd of="$corpus/$name.img.zst" bs=1 seek="$seek" conv=notrunc status=none
        frames+=("$name")
    done
    frames+=(cut cut-half trailing)
}

# shellcheck source=SCRIPTDIR/golden/asked.sh
. "$golden/asked.sh"

# Damages its own copy in one way after the other.
worker() { # NUMBER CASE...
    local number=$1 one; shift
    mkdir "$work/worker$number"
    cd "$work/worker$number"
    cp "$corpus/pi.img" .
    for one; do
        "$python" "$golden/damage.py" pi.img "$one"
        recorded "case-$one" damaged "$one"
        case $one in cut-*) rm pi.img pi.img.before; cp "$corpus/pi.img" . ;; esac
    done
    rm pi.img
}

# --- all of it

cd "$work"
make_closures
build_images "$program" "$corpus"
if wide; then
    mkdir "$work/others"; build_images "$other" "$work/others"
    for image in pi.img pi.img.zst next.img; do cmp "$corpus/$image" "$work/others/$image"; done
    rm -r "$work/others"
fi
foreign_images
(cd "$corpus"
    say verify --progress none pi.img >verify.text
    say verify --progress none --json pi.img | lines >json.text
    say inspect pi.img >inspect.text)

mapfile -t cases < <("$python" "$golden/damage.py" --list-short | grep -E -- "$cases")
workers=$(nproc) processes=()
for ((number = 0; number < workers; number++)); do
    mine=()
    for ((index = number; index < ${#cases[@]}; index += workers)); do mine+=("${cases[index]}"); done
    worker $number "${mine[@]}" & processes+=($!)
done
recorded help helps
recorded usage usage_errors
recorded plan plans
recorded sound sound
recorded compressed compressed
recorded diff differences
for image in "${foreign[@]}"; do recorded foreign foreign "$image"; done
if wide; then
    frames=(); damaged_frames
    for image in "${frames[@]}"; do (cd "$corpus" && recorded frames look "$image.img.zst"); done
fi
for process in "${processes[@]}"; do wait "$process"; done
# The damaged images of one kind are in one file.
for one in got ${other:+other}; do
    for name in "${cases[@]}"; do
        kind=${name%%-*}
        [ "$kind" != ext4 ] || { kind=${name#*-}; kind=ext4-${kind%%-*}; }
        cat "$work/$one/case-$name.txt" >>"$work/$one/damaged-$kind.txt"
        rm "$work/$one/case-$name.txt"
    done
done

runs=$(cat "$work"/got/*.txt | grep -c '^\$ mkpiimg')
total="${#cases[@]} damaged images, ${#foreign[@]} of other tools, $runs runs, $SECONDS s"
case $mode in
    --record)
        rm -f "$golden"/*.txt
        cp "$work"/got/*.txt "$golden/"
        echo "recorded $(cat "$golden"/*.txt | wc -c) bytes: $total"
        ;;
    --against)
        diff -ru "$work/other" "$work/got" || { echo "golden.sh: the two programs print different texts" >&2; exit 1; }
        echo "the two programs print the same: $total"
        ;;
    --compare | --quick)
        left_out=(-x '*.py' -x '*.sh' -x __pycache__)
        [ "$mode" = --compare ] || left_out+=(-x 'damaged-*')
        diff -ru "${left_out[@]}" "$golden" "$work/got" || {
            echo "golden.sh: other texts than recorded; if that is meant: Tests/golden.sh MKPIIMG --record" >&2
            exit 1
        }
        echo "the texts are as recorded: $total"
        ;;
esac
