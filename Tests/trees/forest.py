# SPDX-License-Identifier: Apache-2.0
"""Random trees on the host, completely determined by a seed: store paths, root files, copies, and the options of the
image that holds them."""

import os

from choices import BLOCK, FRAMES, HASHES, MODES, ODD_NAMES, OWNERS, TARGETS, TIMES, UNIT, Choices


class Forest(Choices):
    """Makes the trees of one image in the directory `top`."""

    def __init__(self, seed, top, is_root):
        super().__init__(seed)
        self.seed = seed
        self.top = top
        self.is_root = is_root
        self.store_paths = {}  # base name: base names that it refers to
        self.copies = []  # (source, destination, mode or None, owner, group)
        self.root_files = []  # directories for --root-files
        self.options = []
        self.kinds = set()
        if self.is_large:
            self.kinds.add("large")
        self.is_raw = self.deduplicates = True
        self.grow()

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
            earlier = list(self.store_paths)  # includes this path; references between store paths have no cycles
            if self.chance(8):
                self.leaf_at(path, earlier, name)
            else:
                self.tree(path, earlier, name)
        self.grow_rare()
        for _ in range(self.pick([0, 1, 1, 1, 2])):
            directory = self.add_root_files()
            self.tree(directory)
            if self.chance(10):
                os.makedirs(directory + b"/nix/var")
                self.tree(directory + b"/nix/var/deep")
                self.touch(directory + b"/nix", is_directory=True)
            if self.chance(5):
                self.tree(directory + b"/lost+found")
            self.touch(directory, is_directory=True)
        while self.chance(25):
            source = self.top + b"/copied-from-%d" % len(self.copies)
            if self.chance(50):
                self.tree(source)
            else:
                self.leaf_at(source, may_link=False)
            mode = self.pick([None] + MODES)
            owner = (self.pick(OWNERS), self.pick(OWNERS)) if mode is not None else (0, 0)
            self.copies.append((source, b"/copied/%d/\xc3\xa9" % len(self.copies), mode, *owner))
        self.choose_options()

    def add_root_files(self):
        """Adds a directory for --root-files, which does not exist yet. Returns its path."""
        path = self.top + b"/files-%d" % len(self.root_files)
        self.root_files.append(path)
        return path

    def grow_rare(self):
        """Adds rare or slow cases for some seeds, so that every few hundred consecutive seeds have all of them."""
        remainder = self.seed % 256
        rare = []
        if remainder == 0:  # takes a minute
            rare.append(lambda path: self.holes(path, is_hashed=False, end=1 << 41))
        if remainder % 64 == 16:
            rare.append(lambda path: self.holes(path, is_hashed=False, end=1 << 32))
        if remainder % 128 == 32:
            self.kinds.add("65,000 names")
            rare.append(lambda path: self.web(path, self.random.randrange(65_000, 65_010), count_of_directories=3))
        if remainder % 32 == 8:
            rare.append(self.edges)
        for make in rare:
            path = self.add_root_files()
            os.mkdir(path)
            make(path)
            self.touch(path, is_directory=True)

    def choose_options(self):
        """Chooses the options that determine the layout of the image."""
        self.deduplicates = self.chance(75)
        self.is_raw = self.chance(50)
        slack = self.pick([0, 0, 1, 4096, UNIT, 64 * UNIT]
                          + [127 * UNIT + self.random.randrange(UNIT), 300 * UNIT] * self.is_raw)
        gap = 1
        if self.is_raw:
            gap = self.pick([1, 1, 8, 4095, 4096] + ([1 << 20] if self.chance(10) else []))
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
        """Makes a directory with a random kind of content. `store` is the list of store paths that files may refer to,
        `own` the store path that the tree is in."""
        kind = self.random.random() * 100
        os.mkdir(path)
        # The slow kinds are rare.
        if kind < 1:
            self.kinds.add("deep")
            self.deep(path)
        elif kind < 2:
            self.kinds.add("huge directory")
            self.many(path, self.random.randrange(300, 3000))
        elif kind < 6:
            self.kinds.add("full directory")
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
        self.touch(path, is_directory=True)

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
                self.touch(child, is_directory=True)
            elif kind == 3 and files:
                os.link(self.pick(files), child, follow_symlinks=False)
            else:
                self.leaf_at(child, store, own)
                files.append(child)

    def leaf_at(self, path, store=None, own=None, may_link=True):
        """Makes a file or a symbolic link."""
        if may_link and self.chance(20):
            size = self.pick(TARGETS)
            if size in (59, 60, 4095):  # the longest in an inode, the shortest in a block, and the longest of all
                self.kinds.add(f"{size}-byte target")
            target = self.letters(size) if self.chance(70) else (b"../" * size + b"x")[:size]
            if self.chance(30):
                target = (self.pick(ODD_NAMES) * size)[:size]
            os.symlink(target, path)
            os.utime(path, ns=(1, self.pick(TIMES) * 10**9), follow_symlinks=False)
            return
        data = self.content()
        if store and self.chance(20):
            reference = self.pick(store)
            self.store_paths[own].add(reference)
            # The padding can put the hash across the end of one of the scanner's windows.
            padding = bytes(-(len(data) + self.random.randrange(40)) % self.pick([1, BLOCK]))
            data = data + padding + b"/nix/store/" + reference
        with open(path, "wb") as file:
            file.write(data)
        self.touch(path)

    def deep(self, path):
        """Makes nested directories, often until the path has the maximum length of 4095 bytes."""
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
        """Makes a directory whose entries just fit into one or more blocks, or just do not fit. A block has 4060 bytes
        for them: 4096 without `.`, `..` and the checksum."""
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
        """Makes similar files, like versions of a program or translations of a text. mkpiimg places them side by
        side."""
        size = self.pick([1 << 18, 300_001, UNIT + 5, 2_500_000] if self.is_large else [5000, 66_000])
        first = self.random.randbytes(size) if self.chance(50) else (self.letters(1009) * (size // 1009 + 1))[:size]
        for index in range(self.random.randrange(2, 7)):
            if size > self.bytes_left:
                return
            data = bytearray(first)
            for _ in range(self.random.randrange(20)):
                start = self.random.randrange(len(data))
                end = start + self.random.randrange(self.pick([2, 200, BLOCK]))
                kind = self.random.randrange(3)
                data[start:end] = [b"", data[start:end] * 2, self.random.randbytes(end - start)][kind]
            self.bytes_left -= size
            child = path + b"/version-%d" % index
            with open(child, "wb") as file:
                file.write(data)
            self.touch(child)

    def edges(self, path):
        """Makes files of the size of a frame, or one byte more or less. Their bytes are random, so they have no
        holes."""
        self.kinds.add("frame edges")
        for size in FRAMES:
            child = path + b"/%d" % size
            with open(child, "wb") as file:
                file.write(self.random.randbytes(size + self.pick([-1, 0, 1])))
            self.touch(child)

    def web(self, path, count, count_of_directories=5):
        """Makes files with many names, in several directories."""
        directories = [path] + [path + b"/%d" % index for index in range(count_of_directories)]
        for directory in directories[1:]:
            os.mkdir(directory)
        files = []
        for index in range(count):
            child = self.pick(directories) + b"/n%d" % index
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
        for directory in directories[1:]:
            self.touch(directory, is_directory=True)

    def holes(self, path, is_hashed, end=None):
        """Makes files that are mostly holes, some with more bytes or blocks than 32 bits can count. The largest sizes
        are only for files that mkpiimg does not hash, which takes a second for each GiB. The first file ends near
        `end`, if it is given."""
        ends = [0, UNIT, 3 * UNIT, 4 * UNIT, 9 * UNIT]
        if not is_hashed:
            ends += [1 << 31, 1 << 32]
        for index in range(self.random.randrange(1, 4)):
            if index > 0 or end is None:
                end = self.pick(ends)
            if end >= 1 << 32:
                self.kinds.add("2 TiB" if end == 1 << 41 else "4 GiB")
            with open(path + b"/hole-%d" % index, "wb") as file:
                file.truncate(max(0, end + self.pick([-BLOCK, -1, 0, 1, BLOCK, UNIT])))
                size = file.seek(0, os.SEEK_END)
                # With 400 extents, the extent tree does not fit into the inode.
                count = 400 if self.chance(5) else self.random.randrange(5)
                for part in range(count if size > 0 else 0):
                    offset = self.pick([0, end, end - 1, end - BLOCK, end - UNIT, self.random.randrange(size)])
                    if count == 400:
                        offset = 2 * part * UNIT
                    file.seek(max(0, offset))
                    file.write(self.random.randbytes(self.pick([1, 2, BLOCK, 5000])) if self.chance(90) else bytes(9))
            self.touch(path + b"/hole-%d" % index)

    def touch(self, path, is_directory=False):
        """Gives a path a random mode and time."""
        mode = self.pick(MODES)
        if not self.is_root:
            mode |= 0o700 if is_directory else 0o400
        os.chmod(path, mode)
        seconds = self.pick(TIMES) if self.chance(80) else self.random.randrange(-(1 << 31), 1 << 33)
        os.utime(path, ns=(0, seconds * 10**9 + self.random.randrange(10**9)))
