# SPDX-License-Identifier: Apache-2.0
"""Random choices, completely determined by a seed: sizes, names and contents of files that test formats' limits."""

import random

HASHES = b"0123456789abcdfghijklmnpqrsvwxyz"
BLOCK = 4096
UNIT = 1 << 20  # mkpiimg looks for holes in units of this size
# Close to the capacity of an inode, a block, a unit and a window of the readers.
SIZES = [0, 1, 59, 60, 61, 159, 160, 4095, 4096, 4097, 8191, 8192, 8193, 12288, 65535, 65536, 65537, 131071, 131072,
         131073]
LARGE_SIZES = [UNIT - 1, UNIT, UNIT + 1, 2 * UNIT, 2 * UNIT + 4097, 5 * UNIT + 1]
# The sizes of frames: a large file begins a new frame.
FRAMES = [1 << 17, UNIT, 8 * UNIT, 16 * UNIT]
TARGETS = [1, 2, 58, 59, 60, 61, 62, 255, 256, 1023, 1024, 4094, 4095]
MODES = [0o644, 0o755, 0o444, 0o555, 0, 0o600, 0o111, 0o4755, 0o2755, 0o1777, 0o7777, 0o6000]
TIMES = [0, 1, -1, -(1 << 31), (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, (1 << 34) - (1 << 31) - 1,
         1 << 34, -(1 << 31) - 1, 1_700_000_000]  # the format's last time is 2^34 - 2^31 - 1: later ones are clamped
OWNERS = [0, 1, 1000, 65535, 65536, 100000, 0xFFFFFFFE]
ODD_NAMES = [
    "größe".encode(), "gro\u0308ße".encode(), "日本語".encode("shift-jis"), "日本".encode("utf-16-be"),
    b"\xff\xfe\x80", "😀".encode(), b"line\nbreak", b"tab\there", b"-rf", b" ", b"...", b".hidden", b"quote'\"",
    b"back\\slash", b"*?[", b"\x01\x1b[31m", b"\xed\xa0\x80", b"\xc3", b"~", b"$HOME", b"%s%n", b"a:b", b"CON",
    b"x\r", "ı\u200b".encode(),
]


class Choices:
    """Makes the random choices for the trees of one image."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.contents = [b"", b"same\n"]  # contents that files of this image share
        self.is_large = self.chance(8)
        self.bytes_left = 30_000_000 if self.is_large else 600_000

    def chance(self, percent):
        return self.random.random() * 100 < percent

    def pick(self, values):
        return values[self.random.randrange(len(values))]

    def letters(self, count):
        return bytes(self.random.randrange(0x61, 0x7B) for _ in range(count))

    def name(self, taken):
        while True:
            name = self.any_name(taken)
            if name not in taken and name not in (b".", b"..", b"nix", b"lost+found"):
                taken.add(name)
                return name

    def any_name(self, taken):
        kind = self.random.randrange(12)
        if kind == 0:
            return self.letters(self.pick([253, 254, 255]))
        if kind == 1:
            count = self.random.randrange(1, 256)
            return bytes(b if b not in (0, 47) else 0x80 + b for b in self.random.randbytes(count))
        if kind in (2, 3):
            return self.pick(ODD_NAMES) + (self.letters(self.random.randrange(4)) if self.chance(60) else b"")
        if kind == 4 and taken:
            return self.pick(sorted(taken)).swapcase()
        if kind == 5:
            return bytes(self.random.randrange(0x80, 0x100) for _ in range(self.random.randrange(1, 40)))
        if kind == 6:  # a directory entry has 8 bytes and the name, rounded up to a multiple of 4
            return self.letters(4 * self.random.randrange(1, 8) + self.random.randrange(-1, 2))
        return self.letters(self.random.randrange(1, 20))

    def content(self, size=None):
        """Returns random content for a file."""
        if size is None:
            if self.chance(25):
                return self.pick(self.contents)
            size = self.pick(SIZES) if self.chance(70) else self.random.randrange(3000)
            if self.chance(15 if self.is_large else 3):
                size = self.pick(LARGE_SIZES)
            if size > self.bytes_left:
                size %= 100
        self.bytes_left -= size
        kind = self.random.randrange(6)
        if kind == 0:
            data = bytes(size)
        elif kind == 1:
            data = (self.letters(37) * (size // 37 + 1))[:size]
        elif kind == 2 and size > BLOCK:  # runs of zeros that begin and end at any byte
            data = bytearray(self.random.randbytes(size))
            for _ in range(3):
                start = self.random.randrange(size)
                end = min(size, start + self.pick([1, BLOCK, UNIT, self.random.randrange(1, size + 1)]))
                data[start:end] = bytes(end - start)
            data = bytes(data)
        else:
            data = self.random.randbytes(size)
        if self.chance(30):
            self.contents.append(data)
        return data
