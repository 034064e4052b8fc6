#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# looking.sh MKPIIMG [IMAGE.img.zst] - prove that ls, cat and extract agree with the kernel's mount: on filesystems of
# many kinds that other programs made, and on an image of mkpiimg.
#
# Exit status 77: there is no root access, or no loop device.
# shellcheck disable=SC2012 # the output of ls itself is compared
set -euo pipefail

mkpiimg=$1 own_image=${2:-}
export LC_ALL=C TZ=UTC
[ "$(id -u)" = 0 ] || { echo "needs root, to mount"; exit 77; }
work=$(mktemp -d)
mounted=$work/mounted
trap 'umount -q "$mounted" 2>/dev/null || true; chmod -R u+w "$work"; rm -rf "$work"' EXIT
mkdir "$mounted"
truncate -s 8M "$work/probe"; mke2fs -q -F -t ext4 "$work/probe"
mount -o loop "$work/probe" "$mounted" 2>/dev/null || { echo "needs loop devices"; exit 77; }
umount "$mounted"

# Fills a directory with everything unusual that a filesystem can hold. Names are bytes.
fill() { # DIRECTORY KIND
    perl -e '
        use strict; use POSIX; use Socket; use IO::Socket::UNIX;
        my ($top, $kind) = @ARGV; chdir $top or die;
        sub put { my ($name, $text) = @_; open my $f, ">", $name or die "$name: $!"; print $f $text; close $f }
        my @bytes = map { chr } grep { $_ != 0 && $_ != 47 } 0..255;
        put("one of all bytes " . substr(join("", @bytes[1..253]), 0, 200), "x");
        put("line\nbreak", "a"); put(" ", "space"); put(".hidden", ""); put("\xff\xfe", "no utf-8");
        put("-rf", "dash"); put("n" x 255, "long"); put("empty", "");
        my $deep = "deep"; for (1..60) { mkdir $deep; $deep .= "/" . ("d" x ($_ % 9 + 1)) }
        put($deep =~ s|/[^/]*$||r . "/file", "deep");
        mkdir "many"; put(sprintf("many/entry-%05d", $_), $_ % 7 ? "" : "content $_" x $_) for 1..3000;
        put("twice", "linked" x 1000); mkdir "links"; link "twice", "links/again"; link "twice", "links/and again";
        symlink "short", "links/short"; symlink "/abs/" . ("long/" x 40), "links/long"; symlink "x" x 59, "links/59";
        symlink "y" x 60, "links/60"; symlink "..", "links/up"; symlink "nowhere", "links/\n";
        link "links/60", "links/60 too";
        put("set", "x"); chmod 06755, "set"; mkdir "sticky"; chmod 01777, "sticky"; put("none", "x"); chmod 0, "none";
        put("owned", "x"); chown 70000, 100000, "owned"; chown 12, 34, "sticky";
        mkfifo("fifo", 0640); IO::Socket::UNIX->new(Local => "socket", Listen => 1) or die;
        system("mknod", "null", "c", "1", "3"); system("mknod", "block", "b", "259", "1048575");
        put("small-$_", substr("inline " x 40, 0, $_)) for 1, 59, 60, 61, 100, 150, 160, 200;
        # Data and holes alternate, which takes an extent tree of depth 2 with blocks of 1 KiB, and indirect blocks of
        # depth 2.
        open my $f, ">", "holes" or die;
        for (0..900) { sysseek $f, $_ * 8192, 0; syswrite $f, pack("N", $_) x 256 } close $f;
        open $f, ">", "end-hole" or die; syswrite $f, "x"; truncate $f, 5_000_000; close $f;
        open $f, ">", "large" or die;
        syswrite $f, pack("N*", map { $_ * 2654435761 % 4294967296 } 1..1024) x 256 for 1..6; close $f;
        if ($kind eq "ext4") {
            system("fallocate -l 700000 unwritten"
                . " && printf end | dd of=unwritten bs=1 seek=650000 conv=notrunc status=none") == 0 or die
        }
        utime 1, 1, "empty"; utime 4102444800, 4102444800, "twice"; utime 1234567890.5, 1234567890.987654321, "set";
        system("touch", "-d", "1965-04-03 02:01:00", "none");
        system("touch", "-h", "-d", "1999-12-31 23:59:59.25", "links/long");
        system("touch", "-d", "2001-02-03 04:05:06.789", "many", "deep", "links");
    ' "$1" "$2"
}

# Compares the whole tree of a partition, as the kernel and as mkpiimg read it. PATH is mkpiimg's name of its root.
compare() { # IMAGE PATH
    # The width of the columns differs if there are devices, and ls -l prints a number of blocks before each directory.
    ls -lnAR --time-style=long-iso "$mounted" \
        | sed -e "s|^$mounted/|/|; s|^$mounted:|/:|" -e '/^total [0-9]*$/d' | tr -s ' ' >"$work/expected"
    "$mkpiimg" ls -lR "$1" "$2" | tr -s ' ' >"$work/found"
    cmp "$work/expected" "$work/found" || { diff "$work/expected" "$work/found" | head -20; return 1; }
    rm -rf "$work/copy"
    "$mkpiimg" extract --progress none "$1" "$2" "$work/copy" 2>"$work/stderr"
    # extract cannot copy sockets. The size and link count of a directory depend on the filesystem.
    local format='%P|%y|%m|%U:%G|%T@|%l|'
    list() { find . "$@" \( -type d -printf "$format\n" -o -printf "$format%s|%n\n" \) | sort; }
    (cd "$mounted" && list ! -type s) >"$work/expected"
    (cd "$work/copy" && list) >"$work/found"
    cmp "$work/expected" "$work/found" || { diff "$work/expected" "$work/found" | head -20; return 1; }
    (cd "$mounted" && find . -type f -exec sha256sum -z {} + | sort -z) >"$work/expected"
    (cd "$work/copy" && find . -type f -exec sha256sum -z {} + | sort -z) >"$work/found"
    cmp "$work/expected" "$work/found"
    local file; for file in holes large unwritten small-160 end-hole; do
        [ ! -e "$mounted/$file" ] || "$mkpiimg" cat "$1" "${2%/}/$file" | cmp - "$mounted/$file"
    done
    echo "  $(find "$work/copy" | wc -l) names agree"
}

ext() { # NAME KIND OPTION...: compares a filesystem that mke2fs made and the kernel filled
    local name=$1 kind=$2; shift 2
    echo "== $name: mke2fs -t $kind $*"
    rm -f "$work/image"; truncate -s 96M "$work/image"
    mke2fs -q -F -t "$kind" "$@" "$work/image"
    mount -o loop "$work/image" "$mounted"
    fill "$mounted" "$kind"; umount "$mounted"
    mount -o loop,ro "$work/image" "$mounted"; compare "$work/image" 1:/; umount "$mounted"
}

ext "4 KiB blocks" ext4
ext "1 KiB blocks, extents of depth 2" ext4 -b 1024 -O ^metadata_csum
ext "2 KiB blocks, inline data" ext4 -b 2048 -I 256 -O inline_data
ext "indirect blocks" ext2 -b 1024
ext "ext3" ext3 -b 2048 -I 128
ext "clusters" ext4 -O bigalloc -C 16384

echo "== the extent tree of /holes has depth 2"
rm "$work/image"; truncate -s 96M "$work/image"; mke2fs -q -F -t ext4 -b 1024 "$work/image"
mount -o loop "$work/image" "$mounted"; fill "$mounted" ext4; umount "$mounted"
debugfs -R 'ex /holes' "$work/image" 2>/dev/null >"$work/extents"
grep -q '^ 2/ 2 ' "$work/extents" || { echo "it has another depth"; exit 1; }

echo "== mke2fs -d"
mkdir "$work/tree"; fill "$work/tree" ext4; rm "$work/tree/socket"
rm "$work/image"; truncate -s 96M "$work/image"; mke2fs -q -F -t ext4 -b 1024 -d "$work/tree" "$work/image"
mount -o loop,ro "$work/image" "$mounted"; compare "$work/image" 1:/; umount "$mounted"

if command -v genimage >/dev/null; then
    echo "== genimage: a disk with FAT and ext4"
    cat >"$work/genimage.cfg" <<-END
		image boot.vfat { vfat { files = { "small-200", "large" } } size = 24M }
		image root.ext4 { ext4 { label = "ROOT" use-mke2fs = true } size = 96M }
		image disk.img {
		    hdimage { partition-table-type = "gpt" }
		    partition boot { image = "boot.vfat" partition-type-uuid = "F" }
		    partition root { image = "root.ext4" partition-type-uuid = "L" }
		}
	END
    (
        cd "$work" && genimage --config genimage.cfg --rootpath tree --inputpath tree --outputpath . \
            --tmppath genimage >genimage.log 2>&1
    ) || { tail "$work/genimage.log"; exit 1; }
    zstd -q -B1M "$work/disk.img" -o "$work/disk.img.zst"
    mount -o loop,ro "$work/root.ext4" "$mounted"
    compare "$work/disk.img" root:/; compare "$work/disk.img.zst" 2:/
    cmp <("$mkpiimg" cat "$work/disk.img.zst" firmware:/large) "$mounted/large"
    umount "$mounted"; rm "$work"/disk.img* "$work"/*.ext4 "$work"/*.vfat
fi

echo "== a directory with 65,000 subdirectories"
rm "$work/image"; truncate -s 400M "$work/image"; mke2fs -q -F -t ext4 -N 70000 -b 1024 "$work/image"
mount -o loop "$work/image" "$mounted"
perl -e 'chdir $ARGV[0]; mkdir "folders"; mkdir sprintf("folders/%05d", $_) for 1..65000' "$mounted"; umount "$mounted"
mount -o loop,ro "$work/image" "$mounted"
ls -lnA --time-style=long-iso "$mounted/folders" | sed 1d | tr -s ' ' \
    | cmp - <("$mkpiimg" ls -l "$work/image" 1:/folders | tr -s ' ')
ls -lnd --time-style=long-iso "$mounted/folders" | tr -s ' ' | sed "s|$mounted||" \
    | cmp - <("$mkpiimg" ls -ld "$work/image" 1:/folders | tr -s ' ')
umount "$mounted"

# FAT is compared with mtools, because not every kernel can read it.
compare_fat() { # IMAGE PATH MTOOLS-IMAGE
    rm -rf "$work/copy" "$work/mtools"; mkdir "$work/mtools"
    "$mkpiimg" extract --progress none "$1" "$2" "$work/copy"
    mcopy -s -n -m -i "$3" ::/ "$work/mtools/" >/dev/null
    diff -r "$work/mtools" "$work/copy"
    (cd "$work/mtools" && find . -mindepth 1 -type f -printf '%P|%T@\n' | sort) >"$work/expected"
    (cd "$work/copy" && find . -mindepth 1 -type f -printf '%P|%T@\n' | sort) >"$work/found"
    diff "$work/expected" "$work/found"
    echo "  $(find "$work/copy" | wc -l) names agree"
}

fat() { # BITS MIB OPTION...
    local bits=$1 size=$2; shift 2
    echo "== FAT$bits: mkfs.vfat $*"
    rm -rf "$work/image" "$work/tree"; truncate -s "${size}M" "$work/image"
    mkfs.vfat -F "$bits" "$@" "$work/image" >/dev/null
    export LC_ALL=C.UTF-8
    (
        mkdir -p "$work/tree" && cd "$work/tree"
        mkdir -p overlays "a long name with spaces" dir/dir/dir/dir
        for number in $(seq 1 120); do printf 'content %d' "$number" >"overlays/overlay number $number.dtbo"; done
        printf 'x' >UPPER.TXT; printf 'y' >lower.txt; printf 'z' >MiXed.TxT
        printf 'ü' >'grün 日本 😀.txt'; : >empty
        for number in $(seq 1 30); do head -c 9000 /dev/urandom >"gap-$number"; done
        touch -d '2001-02-03 04:05:06' MiXed.TxT
    )
    mcopy -s -m -i "$work/image" "$work/tree"/* ::/
    # A file that fills the gaps is fragmented.
    for number in $(seq 1 2 30); do mdel -i "$work/image" "::/gap-$number"; done
    head -c 120000 /dev/urandom >"$work/pieces"; mcopy -i "$work/image" "$work/pieces" ::/pieces
    mdel -i "$work/image" "::/overlays/overlay number 7.dtbo"
    mmove -i "$work/image" ::/lower.txt "::/a long name with spaces/"
    compare_fat "$work/image" 1:/ "$work/image"
    "$mkpiimg" cat "$work/image" 1:/PIECES | cmp - "$work/pieces"
    export LC_ALL=C
}
fat 12 4
fat 16 20 -s 4
fat 32 40 -s 1
fat 32 300 -S 512 -s 8

if [ -n "$own_image" ]; then
    echo "== an image of mkpiimg"
    zstd -dqf "$own_image" -o "$work/image"
    start=$(sfdisk --json "$work/image" | jq '.partitiontable.partitions[1].start * 512')
    mount -o loop,ro,noload,offset="$start" "$work/image" "$mounted"
    compare "$own_image" root:/
    umount "$mounted"
    start=$(sfdisk --json "$work/image" | jq '.partitiontable.partitions[0].start * 512')
    LC_ALL=C.UTF-8 compare_fat "$own_image" firmware:/ "$work/image@@$start"
fi

echo "== extract keeps existing files, and leaves no temporary files"
refused() { if "$mkpiimg" extract "$work/image" "$@" 2>"$work/stderr"; then echo "not refused: $*"; exit 1; fi; }
mkdir "$work/here"; echo mine >"$work/here/file"
rm -f "$work/image"; truncate -s 8M "$work/image"; mke2fs -q -F -t ext4 "$work/image"
mount -o loop "$work/image" "$mounted"
echo theirs >"$mounted/file"; ln -s /etc "$mounted/link"; mkdir -p "$mounted/folder/sub"; chmod 500 "$mounted/folder"
umount "$mounted"
refused 1:/file "$work/here/file"
refused 1:/file "$work/here"
refused 1:/ "$work/here"
refused 1:/nothing "$work/here"
[ "$(cat "$work/here/file")" = mine ] && [ "$(ls -A "$work/here")" = file ]
"$mkpiimg" extract "$work/image" 1:/link "$work/here"; [ "$(readlink "$work/here/link")" = /etc ]
"$mkpiimg" extract "$work/image" 1:/folder "$work/here/new"; [ "$(stat -c %a "$work/here/new")" = 500 ]
mkdir "$work/empty"; "$mkpiimg" extract "$work/image" 1:/ "$work/empty"; [ "$(cat "$work/empty/file")" = theirs ]
[ -z "$(find "$work" -name '.mkpiimg-*')" ]
