#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""frames-kept.py OLD.img.zst NEW.img.zst - count the frames of the new image that the old image also has."""
import hashlib, struct, sys


def frames(path):
    with open(path, "rb") as file:
        file.seek(-9, 2)
        count, _, magic = struct.unpack("<IBI", file.read(9))
        assert magic == 0x8F92EAB1, f"{path} has no seek table"
        file.seek(-(9 + 8 * count), 2)
        table = [struct.unpack("<II", file.read(8)) for _ in range(count)]
        file.seek(0)
        return [(hashlib.sha256(file.read(size)).digest(), size) for size, _ in table]


old = {digest for digest, _ in frames(sys.argv[1])}
new = frames(sys.argv[2])
kept = [size for digest, size in new if digest in old]
print(f"{len(kept)} of {len(new)} frames ({100 * len(kept) / len(new):.1f} %), "
      f"{sum(kept)} of {sum(size for _, size in new)} bytes")
