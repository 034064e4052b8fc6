#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# expand-root.sh DIRECTORY - grow the partition that holds DIRECTORY, and its ext4 filesystem, to the end of the disk.
#
# The module's first boot runs this script. It finds the partition through the kernel, by the device numbers of the
# mount: a label may not exist yet, or exist twice. The partition's number on the disk also comes from the kernel, since
# on many boards the device's minor number differs from it. After an interruption a second run does the remaining steps.
set -euo pipefail

[ $# -eq 1 ] || { echo "usage: expand-root.sh DIRECTORY" >&2; exit 64; }
fail() { echo "expand-root.sh: $*" >&2; exit 1; }

numbers=$(findmnt --noheadings --first-only --output MAJ:MIN --target "$1")
partition=$(readlink -f "/sys/dev/block/${numbers// /}")
name=${partition##*/}
disk=${partition%/*}; disk=${disk##*/}
[ -e "$partition/partition" ] || fail "'$1' is not on a partition of a disk, but on ${name:-device $numbers}"
number=$(<"$partition/partition")

# Other partitions may follow: sfdisk uses only the free space directly after this one.
size=$(<"$partition/size")
echo ',+' | sfdisk --no-reread --no-tell-kernel -N "$number" "/dev/$disk"
partx --update --nr "$number" "/dev/$disk"
echo "partition $number of /dev/$disk: $size sectors before, now $(<"$partition/size")"
resize2fs "/dev/$name"
