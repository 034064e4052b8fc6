#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# expand-root.sh FOLDER - grow the partition that FOLDER is on, and its ext4 filesystem, to the end of the disk.
#
# The module's first boot runs it. Everything is asked of the kernel: which partition it is, by the numbers of the device
# that is mounted (a label may not be there yet, or be there twice), and what its number on the disk is (the device's
# minor number is something else on many boards). Run again after it was interrupted, it does what is left to do.
set -euo pipefail

[ $# -eq 1 ] || { echo "usage: expand-root.sh FOLDER" >&2; exit 64; }
fail() { echo "expand-root.sh: $*" >&2; exit 1; }

numbers=$(findmnt --noheadings --first-only --output MAJ:MIN --target "$1")
partition=$(readlink -f "/sys/dev/block/${numbers// /}")
name=${partition##*/}
disk=${partition%/*}; disk=${disk##*/}
[ -e "$partition/partition" ] || fail "'$1' is not on a partition of a disk, but on ${name:-device $numbers}"
number=$(<"$partition/partition")

# Other partitions may follow; sfdisk takes what is free behind this one.
size=$(<"$partition/size")
echo ',+' | sfdisk --no-reread --no-tell-kernel -N "$number" "/dev/$disk"
partx --update --nr "$number" "/dev/$disk"
echo "partition $number of /dev/$disk: $size sectors before, now $(<"$partition/size")"
resize2fs "/dev/$name"
