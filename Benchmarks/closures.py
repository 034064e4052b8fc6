#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""closures.py DIR INODES [GB] - make a closure with this number of inodes, and optionally GB of data in large files.

It needs no Nix, and the closure is the same every time. DIR/root then holds the store, and DIR/registration the
registration of its paths, with the right hashes, so that `mkpiimg verify` checks everything. The script prints the path
that refers to all others.

The packages resemble those of Debian and nixpkgs. A tenth of the inodes are directories and a sixth symbolic links.
Most files have a few hundred bytes to 4 KiB, a hundredth up to 64 KiB and a thousandth up to 700 KiB. Some files occur
twice, in the same or in another package. One package in a few hundred has a directory with thousands of names.
"""
import hashlib, os, random, struct, sys

DIGITS = "0123456789abcdfghijklmnpqrsvwxyz"
WORDS = ("share lib bin include locale doc python module kernel driver theme icons messages systemd test data core "
         "plugin static config network crypto parser table image font script version helper").split()
MEBIBYTE = 1 << 20


def base32(digest):
    """Returns a digest in Nix's base 32, which begins with the highest bits."""
    number = int.from_bytes(digest, "little")
    count = (len(digest) * 8 + 4) // 5
    return "".join(DIGITS[number >> 5 * index & 31] for index in reversed(range(count)))


def string(data):
    """Returns a string of a NAR: its length, the bytes, and zeros up to a multiple of 8."""
    return struct.pack("<Q", len(data)) + data + bytes(-len(data) % 8)


OPEN, CLOSE, ENTRY, NAME, NODE = (string(word) for word in (b"(", b")", b"entry", b"name", b"node"))
DIRECTORY = OPEN + string(b"type") + string(b"directory")
LINK = OPEN + string(b"type") + string(b"symlink") + string(b"target")
FILE = OPEN + string(b"type") + string(b"regular")
EXECUTABLE = FILE + string(b"executable") + string(b"")
CONTENTS = string(b"contents")


class Program:
    """An executable file."""
    def __init__(self, data):
        self.data = data


class Large:
    """A file of `size` bytes, more than half of which are compressible."""
    def __init__(self, size, seed):
        self.size, self.seed = size, seed

    def chunks(self):
        numbers, left = random.Random(self.seed), self.size
        while left > 0:
            offset = numbers.randrange(len(TEXT) - 40_000)
            chunk = (numbers.randbytes(24_000) + TEXT[offset:offset + 40_000])[:left]
            yield chunk
            left -= len(chunk)


class Sparse:
    """A file of `size` bytes with 4 KiB of data at every multiple of `step` bytes, and holes between them."""
    def __init__(self, size, step, seed):
        self.size, self.step, self.seed = size, step, seed


TEXT = " ".join(random.Random(1).choice(WORDS) + str(number % 977) for number in range(150_000)).encode()


class Store:
    """A store in DIR/root, and its registration."""
    def __init__(self, directory):
        self.root = f"{directory}/root"
        self.store = f"{self.root}/nix/store"
        os.makedirs(self.store)
        self.registration = open(f"{directory}/registration", "w")

    def add(self, name, tree, references=(), is_hashed=True):
        """Adds a store path; in `tree`, dictionaries are directories. Without a hash the path can only be planned."""
        path = f"/nix/store/{base32(hashlib.sha256(name.encode()).digest()[:20])}-{name}"
        digest, size = hashlib.sha256(), 0

        def out(data):
            nonlocal size
            size += len(data)
            if is_hashed:
                digest.update(data)

        out(string(b"nix-archive-1"))
        self.make(tree, self.root + path, out)
        lines = [path, "sha256:" + base32(digest.digest()), str(size), "", str(len(references)), *references]
        self.registration.write("\n".join(lines) + "\n")
        return path

    def make(self, node, path, out):
        """Makes a node of a tree at a path, and passes its NAR to `out`."""
        if isinstance(node, dict):
            os.mkdir(path)
            out(DIRECTORY)
            for name in sorted(node):
                out(ENTRY + OPEN + NAME + string(name.encode()) + NODE)
                self.make(node[name], f"{path}/{name}", out)
                out(CLOSE)
            out(CLOSE)
        elif isinstance(node, str):
            os.symlink(node, path)
            out(LINK + string(node.encode()) + CLOSE)
        elif isinstance(node, (bytes, Program)):
            data = node if isinstance(node, bytes) else node.data
            self.write(path, [data], 0o444 if data is node else 0o555)
            out((FILE if data is node else EXECUTABLE) + CONTENTS + string(data) + CLOSE)
        elif isinstance(node, Large):
            def chunks():
                for chunk in node.chunks():
                    out(chunk)
                    yield chunk
            out(FILE + CONTENTS + struct.pack("<Q", node.size))
            self.write(path, chunks(), 0o444)
            out(bytes(-node.size % 8) + CLOSE)
        else:
            self.make_sparse(node, path, out)

    def make_sparse(self, node, path, out):
        numbers, zeros = random.Random(node.seed), bytes(min(MEBIBYTE, node.step - 4096))
        out(FILE + CONTENTS + struct.pack("<Q", node.size))
        file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o444)
        os.ftruncate(file, node.size)
        for offset in range(0, node.size, node.step):
            data = numbers.randbytes(4096)
            os.pwrite(file, data, offset)
            out(data)
            left = node.step - 4096
            while left > 0:
                out(zeros[:left])
                left -= len(zeros)
        os.close(file)
        out(CLOSE)

    @staticmethod
    def write(path, chunks, mode):
        file = os.open(path, os.O_WRONLY | os.O_CREAT, mode)
        for chunk in chunks:
            os.write(file, chunk)
        os.close(file)

    def close(self):
        self.registration.close()


class Packages:
    """A sequence of packages, the same every time."""
    def __init__(self, seed=5):
        self.numbers = random.Random(seed)
        self.count = 0
        self.earlier = []  # contents of files that later files may repeat

    def content(self):
        numbers, chance = self.numbers, self.numbers.random()
        if chance < 0.04 and self.earlier:
            return numbers.choice(self.earlier)
        if chance > 0.999:
            size = numbers.randrange(256 << 10, 700 << 10)
        elif chance > 0.99:
            size = numbers.randrange(8 << 10, 64 << 10)
        else:
            size = int(64 * 2 ** numbers.uniform(0, 6))
        offset = numbers.randrange(len(TEXT) - size)
        data = b"%d " % numbers.randrange(1 << 60) + TEXT[offset:offset + size]
        if size < 4096 and numbers.random() < 0.01:
            self.earlier.append(data)
        return Program(data) if chance > 0.95 else data

    def next(self, maximum):
        """Returns the name and the tree of the next package, which has at most `maximum` inodes."""
        numbers = self.numbers
        self.count += 1
        has_huge_directory = self.count % 400 == 200
        inodes = min(maximum, 20_000 if has_huge_directory else int(30 * 2 ** numbers.uniform(0, 7)))
        tree = {}
        directories, left = [tree], inodes - 1
        for number in range(0 if has_huge_directory else left // 10):
            directory = {}
            numbers.choice(directories[-8:])[f"{numbers.choice(WORDS)}-{number}"] = directory
            directories.append(directory)
            left -= 1
        for number in range(left):
            directory = numbers.choice(directories)
            name = f"{numbers.choice(WORDS)}_{numbers.choice(WORDS)}{number}"
            if numbers.random() < 0.16:
                directory[name] = f"../{numbers.choice(WORDS)}/{name}.{number % 9}"
            else:
                directory[name + ".txt"] = self.content()
        version = f"{numbers.randrange(30)}.{numbers.randrange(9)}"
        return f"{numbers.choice(WORDS)}-{numbers.choice(WORDS)}{self.count}-{version}", tree

    def fill(self, store, inodes, large=0):
        """Adds packages with `inodes` inodes in total, and `large` bytes in large files spread over them."""
        paths, left, spent = [], inodes, 0
        while left > 0:
            name, tree = self.next(left)
            count = inodes_of(tree)
            left -= count
            due = large * (inodes - left) // inodes
            while spent < due and left > 0:
                size = min(due - spent, int(MEBIBYTE * 2 ** self.numbers.uniform(0, 5)))
                tree[f"large-{len(tree)}"] = Large(size, f"{name} {len(tree)}")
                spent += size
                left -= 1
            paths.append(store.add(name, tree))
        return paths


def inodes_of(tree):
    return 1 + sum(inodes_of(node) for node in tree.values()) if isinstance(tree, dict) else 1


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    store = Store(sys.argv[1])
    large = int(float(sys.argv[3]) * 1e9) if len(sys.argv) == 4 else 0
    paths = Packages().fill(store, int(sys.argv[2]) - 2, large)
    print(store.add("all", {"paths": "\n".join(paths).encode()}, paths))
    store.close()


if __name__ == "__main__":
    main()
