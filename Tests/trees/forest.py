# SPDX-License-Identifier: Apache-2.0
"""Random trees of the host, everything about them decided by a seed: store paths, root files, copies, and the options
of the image they go into."""

import os
import random

HASHES = b"0123456789abcdfghijklmnpqrsvwxyz"
BLOCK = 4096
UNIT = 1 << 20  # what mkpiimg looks for holes in
# Around what an inode, a block, a unit and a window of the readers hold.
SIZES = [0, 1, 59, 60, 61, 159, 160, 4095, 4096, 4097, 8191, 8192, 8193, 12288, 65535, 65536, 65537, 131071, 131072, 131073]
LARGE_SIZES = [UNIT - 1, UNIT, UNIT + 1, 2 * UNIT, 2 * UNIT + 4097, 5 * UNIT + 1]
# Around the sizes of frames: what a large file begins is the end of what lies before it.
FRAMES = [1 << 17, UNIT, 8 * UNIT, 16 * UNIT]
TARGETS = [1, 2, 58, 59, 60, 61, 62, 255, 256, 1023, 1024, 4094, 4095]
MODES = [0o644, 0o755, 0o444, 0o555, 0, 0o600, 0o111, 0o4755, 0o2755, 0o1777, 0o7777, 0o6000]
TIMES = [0, 1, -1, -(1 << 31), (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, (1 << 34) - (1 << 31) - 1,
         1 << 34, -(1 << 31) - 1, 1_700_000_000]  # the format ends at 2^34 - 2^31 - 1: later ones are clamped
OWNERS = [0, 1, 1000, 65535, 65536, 100000, 0xFFFFFFFE]
ODD = ["größe".encode(), "gro\u0308ße".encode(), "日本語".encode("shift-jis"), "日本".encode("utf-16-be"), b"\xff\xfe\x80",
       "😀".encode(), b"line\nbreak", b"tab\there", b"-rf", b" ", b"...", b".hidden", b"quote'\"", b"back\\slash", b"*?[",
       b"\x01\x1b[31m", b"\xed\xa0\x80", b"\xc3", b"~", b"$HOME", b"%s%n", b"a:b", b"CON", b"x\r", "ı\u200b".encode()]


class Forest:
    """Makes the trees of one image in the folder `top`."""

    def __init__(self, seed, top, is_root):
        self.seed = seed
        self.random = random.Random(seed)
        self.top = top
        self.is_root = is_root
        self.contents = [b"", b"same\n"]  # what files of this image may have in common
        self.store_paths = {}  # base name: base names that it refers to
        self.copies = []  # (source, destination, mode or None, owner, group)
        self.folders = []  # --root-files
        self.options = []
        self.kinds = set()
        self.is_large = self.chance(8)
        self.bytes_left = 30_000_000 if self.is_large else 600_000
        if self.is_large:
            self.kinds.add("large")
        self.is_raw = self.deduplicates = True
        self.grow()

    # --- choosing

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
            return self.pick(ODD) + (self.letters(self.random.randrange(4)) if self.chance(60) else b"")
        if kind == 4 and taken:
            return self.pick(sorted(taken)).swapcase()
        if kind == 5:
            return bytes(self.random.randrange(0x80, 0x100) for _ in range(self.random.randrange(1, 40)))
        if kind == 6:  # entries are multiples of 4 bytes, after 8 of their own
            return self.letters(4 * self.random.randrange(1, 8) + self.random.randrange(-1, 2))
        return self.letters(self.random.randrange(1, 20))

    def content(self, size=None):
        """A file's bytes."""
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
        elif kind == 2 and size > BLOCK:  # runs of zeros that begin and end anywhere
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

    # --- making

    def grow(self):
        os.makedirs(self.top + b"/store/nix/store")
        names = []
        for _ in range(self.random.randrange(1, 4)):
            hash_part = bytes(self.pick(HASHES) for _ in range(32))
            name = self.pick([b"bash-5.2", b"x", b"n" * 211, b"glibc-2.40-66.drv.lock", self.letters(5)])
            names.append(hash_part + b"-" + name)
        for name in names:
            self.store_paths[name] = set()
            path = self.top + b"/store/nix/store/" + name
            earlier = list(self.store_paths)  # and itself: Nix has no circles
            if self.chance(8):
                self.leaf_at(path, earlier, name)
            else:
                self.tree(path, earlier, name)
        self.grow_rare()
        for _ in range(self.pick([0, 1, 1, 1, 2])):
            folder = self.top + b"/files-%d" % len(self.folders)
            self.folders.append(folder)
            self.tree(folder)
            if self.chance(10):
                os.makedirs(folder + b"/nix/var")
                self.tree(folder + b"/nix/var/deep")
                self.touch(folder + b"/nix", is_folder=True)
            if self.chance(5):
                self.tree(folder + b"/lost+found")
            self.touch(folder, is_folder=True)
        while self.chance(25):
            source = self.top + b"/copied-from-%d" % len(self.copies)
            if self.chance(50):
                self.tree(source)
            else:
                self.leaf_at(source, may_link=False)
            mode = self.pick([None] + MODES)
            owner = (self.pick(OWNERS), self.pick(OWNERS)) if mode is not None else (0, 0)
            self.copies.append((source, b"/copied/%d/\xc3\xa9" % len(self.copies), mode, *owner))
        self.lay_out()

    def grow_rare(self):
        """What takes long or is rare comes with some seeds, so that any few hundred of them have it."""
        turn = self.seed % 256
        rare = []
        if turn == 0:  # it takes a minute
            rare.append(lambda path: self.holes(path, is_hashed=False, mark=1 << 41))
        if turn % 64 == 16:
            rare.append(lambda path: self.holes(path, is_hashed=False, mark=1 << 32))
        if turn % 128 == 32:
            self.kinds.add("65,000 names")
            rare.append(lambda path: self.web(path, self.random.randrange(65_000, 65_010), folders=3))
        if turn % 32 == 8:
            rare.append(self.edges)
        for plant in rare:
            path = self.top + b"/files-%d" % len(self.folders)
            self.folders.append(path)
            os.mkdir(path)
            plant(path)
            self.touch(path, is_folder=True)

    def lay_out(self):
        """The options that decide what lies where."""
        self.deduplicates = self.chance(75)
        self.is_raw = self.chance(50)
        slack = self.pick([0, 0, 1, 4096, UNIT, 64 * UNIT]
                          + [127 * UNIT + self.random.randrange(UNIT), 300 * UNIT] * self.is_raw)
        gap = self.pick([1, 1, 8, 4095, 4096] + ([1 << 20] if self.is_raw and self.chance(10) else [])) if self.is_raw else 1
        self.slack = slack
        self.options = [
            "--gap", f"{gap}M", "--root-slack", str(slack), "--threads", str(self.random.randrange(1, 5)),
            "--reserved-percent", str(self.pick([0, 0, 0, 1, 5, 50])),
            "--deduplicate" if self.deduplicates else "--no-deduplicate",
        ]
        if self.chance(20):  # a last block group of any size: 128 MiB each
            groups = self.pick([1, 2, 3, 8, 9, 16, 17] if self.is_raw else [1, 2])
            size = groups * 128 * UNIT + self.pick([0, BLOCK, -BLOCK, self.random.randrange(128 * UNIT)])
            if self.is_raw and self.chance(3):
                size = (1 << 40) - self.random.randrange(UNIT)
            self.options += ["--root-size", str(size // 512 * 512)]
        if not self.is_raw:
            self.kinds.add("compressed")
            size = self.pick(["64K", "128K", "1M", "8M", None])
            if self.chance(10):
                self.options.append("--single-frame")
            elif size:
                self.options += ["--frame-size", size]
            else:
                self.kinds.add("default frames")
            self.options += self.pick([["--level", "1"], ["--level", "3"], []])

    def tree(self, path, store=None, own=None):
        """A folder with what a kind of tree has. `store` are the store paths that files may refer to, `own` this one's."""
        kind = self.random.random() * 100
        os.mkdir(path)
        # What is slow is rare.
        if kind < 1:
            self.kinds.add("deep")
            self.deep(path)
        elif kind < 2:
            self.kinds.add("huge folder")
            self.many(path, self.random.randrange(300, 3000))
        elif kind < 6:
            self.kinds.add("full folder")
            self.full(path)
        elif kind < 10:
            self.kinds.add("links")
            self.web(path, self.random.randrange(2, 200))
        elif kind < 14:
            self.kinds.add("holes")
            self.holes(path, is_hashed=own is not None)
        elif kind < 15:
            self.kinds.add("empty")
        elif kind < 17 or self.is_large and kind < 40:
            self.kinds.add("family")
            self.family(path)
        else:
            self.fill(path, self.random.randrange(1, 16), 4, store, own, [])
        self.touch(path, is_folder=True)

    def fill(self, path, count, depth, store, own, files):
        taken = set()
        for _ in range(count):
            child = path + b"/" + self.name(taken)
            if len(child) > 3900:
                continue
            kind = self.random.randrange(12)
            if kind < 3 and depth > 0:
                os.mkdir(child)
                self.fill(child, self.random.randrange(0, 8), depth - 1, store, own, files)
                self.touch(child, is_folder=True)
            elif kind == 3 and files:
                os.link(self.pick(files), child, follow_symlinks=False)
            else:
                self.leaf_at(child, store, own)
                files.append(child)

    def leaf_at(self, path, store=None, own=None, may_link=True):
        """A file or a link."""
        if may_link and self.chance(20):
            size = self.pick(TARGETS)
            if size in (59, 60, 4095):  # around what an inode holds, and the longest
                self.kinds.add(f"{size}-byte target")
            target = self.letters(size) if self.chance(70) else (b"../" * size + b"x")[:size]
            if self.chance(30):
                target = (self.pick(ODD) * size)[:size]
            os.symlink(target, path)
            os.utime(path, ns=(1, self.pick(TIMES) * 10**9), follow_symlinks=False)
            return
        data = self.content()
        if store and self.chance(20):
            other = self.pick(store)
            self.store_paths[own].add(other)
            # The reader's windows have edges: the hash lies across one.
            data = data + bytes(-(len(data) + self.random.randrange(40)) % self.pick([1, BLOCK])) + b"/nix/store/" + other
        with open(path, "wb") as file:
            file.write(data)
        self.touch(path)

    def deep(self, path):
        """Folders in folders, until the path is as long as the system takes: 4095 bytes."""
        size = 1 if self.chance(5) else self.pick([5, 20, 255])
        name = b"d" * size
        full = (4095 - len(path)) // (size + 1) - 1
        for _ in range(max(1, min(full, self.pick([10, 60, full, full])))):
            path += b"/" + name
            os.mkdir(path)
        rest = 4095 - len(path) - 1
        for name in {b"f", b"f" * max(1, min(rest, 255))}:
            with open(path + b"/" + name, "wb") as file:
                file.write(b"bottom")
            self.touch(path + b"/" + name)

    def many(self, path, count):
        taken = set()
        first = None
        prefix = self.letters(self.pick([0, 1, 100, 240]))
        for index in range(count):
            name = prefix + (b"%d" % index if self.chance(50) else b"\xff%x" % self.random.getrandbits(40))
            if name in taken:
                continue
            taken.add(name)
            child = path + b"/" + name
            if first and self.chance(70):
                os.link(first, child)
            elif self.chance(10):
                os.mkdir(child)
            else:
                with open(child, "wb"):
                    first = child

    def full(self, path):
        """A folder whose entries just fit one block (4096 bytes without `.`, `..` and the checksum: 4060), or just do not."""
        room = 4060 * self.pick([1, 1, 1, 2, 3]) + self.pick([-12, -8, -4, 0, 4, 8, 12])
        largest = self.pick([12, 16, 24, 100, 264])
        index = 0
        while room >= 12:
            length = min(largest, room) if self.chance(80) else self.random.randrange(12, min(largest, room) + 1)
            if 0 < room - length < 12:
                length = room - 12 if room >= 24 else room
            length = max(12, min(264, length // 4 * 4))
            size = length - 8 - (self.random.randrange(4) if length > 12 else 0)
            name = b"%0*x" % (min(size, 255), index)
            index += 1
            room -= length
            if len(name) <= 255:
                with open(path + b"/" + name, "wb"):
                    pass

    def family(self, path):
        """Files that are alike, as versions of a program or translations of a text are: they are laid out side by side."""
        size = self.pick([1 << 18, 300_001, UNIT + 5, 2_500_000] if self.is_large else [5000, 66_000])
        first = self.random.randbytes(size) if self.chance(50) else (self.letters(1009) * (size // 1009 + 1))[:size]
        for index in range(self.random.randrange(2, 7)):
            if size > self.bytes_left:
                return
            data = bytearray(first)
            for _ in range(self.random.randrange(20)):
                place = self.random.randrange(len(data))
                end = place + self.random.randrange(self.pick([2, 200, BLOCK]))
                kind = self.random.randrange(3)
                data[place:end] = [b"", data[place:end] * 2, self.random.randbytes(end - place)][kind]
            self.bytes_left -= size
            child = path + b"/version-%d" % index
            with open(child, "wb") as file:
                file.write(data)
            self.touch(child)

    def edges(self, path):
        """Files as large as a frame, or a byte more or less: of random bytes, so that none is a hole."""
        self.kinds.add("frame edges")
        for mark in FRAMES:
            child = path + b"/%d" % mark
            with open(child, "wb") as file:
                file.write(self.random.randbytes(mark + self.pick([-1, 0, 1])))
            self.touch(child)

    def web(self, path, count, folders=5):
        """Files with many names, in several folders."""
        places = [path] + [path + b"/%d" % index for index in range(folders)]
        for place in places[1:]:
            os.mkdir(place)
        files = []
        for index in range(count):
            child = self.pick(places) + b"/n%d" % index
            if files and index > 2:
                os.link(files[0] if count > 1000 else self.pick(files), child, follow_symlinks=False)
            elif self.chance(20) and count < 1000:
                os.symlink(self.letters(self.pick([5, 59, 60])), child)
                files.append(child)
            else:
                with open(child, "wb") as file:
                    file.write(self.content(self.pick([0, 100, 5000])))
                self.touch(child)
                files.append(child)
        for place in places[1:]:
            self.touch(place, is_folder=True)

    def holes(self, path, is_hashed, mark=None):
        """Files that are mostly not there, up to beyond what 32 bits of bytes or blocks can count (where nobody hashes
        what is in them: that takes a second for each GiB). The first of them ends at a mark, if one is given."""
        marks = [0, UNIT, 3 * UNIT, 4 * UNIT, 9 * UNIT]
        if not is_hashed:
            marks += [1 << 31, 1 << 32]
        for index in range(self.random.randrange(1, 4)):
            if index > 0 or mark is None:
                mark = self.pick(marks)
            if mark >= 1 << 32:
                self.kinds.add("2 TiB" if mark == 1 << 41 else "4 GiB")
            with open(path + b"/hole-%d" % index, "wb") as file:
                file.truncate(max(0, mark + self.pick([-BLOCK, -1, 0, 1, BLOCK, UNIT])))
                size = file.seek(0, os.SEEK_END)
                count = 400 if self.chance(5) else self.random.randrange(5)  # 400: an extent tree of its own blocks
                for part in range(count if size > 0 else 0):
                    place = self.pick([0, mark, mark - 1, mark - BLOCK, mark - UNIT, self.random.randrange(size)])
                    if count == 400:
                        place = 2 * part * UNIT
                    file.seek(max(0, place))
                    file.write(self.random.randbytes(self.pick([1, 2, BLOCK, 5000])) if self.chance(90) else bytes(9))
            self.touch(path + b"/hole-%d" % index)

    def touch(self, path, is_folder=False):
        mode = self.pick(MODES)
        if not self.is_root:
            mode |= 0o700 if is_folder else 0o400
        os.chmod(path, mode)
        seconds = self.pick(TIMES) if self.chance(80) else self.random.randrange(-(1 << 31), 1 << 33)
        os.utime(path, ns=(0, seconds * 10**9 + self.random.randrange(10**9)))
