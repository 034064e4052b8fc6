#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""closures.py DIR INODES [GB] - makes a closure of so many inodes, with so many GB in large files besides.

It needs no Nix and is the same every time. DIR/root then holds the store, DIR/registration what is known of its paths
(the hashes are right, so `mkpiimg verify` has all to check), and the path that refers to all others is printed.

Packages are as Debian's and nixpkgs' are: a tenth of the inodes is folders and a sixth symbolic links; most files have a
few hundred bytes to 4 KiB, a hundredth up to 64 KiB and a thousandth up to 700 KiB; some come twice, in the same or in
another package; and one package in a few hundred has a folder with thousands of names.
"""
import hashlib, os, random, struct, sys

DIGITS = "0123456789abcdfghijklmnpqrsvwxyz"
WORDS = ("share lib bin include locale doc python module kernel driver theme icons messages systemd test data core "
         "plugin static config network crypto parser table image font script version helper").split()
MEBIBYTE = 1 << 20


def base32(digest):
    """As Nix writes hashes: from the last bits on."""
    number = int.from_bytes(digest, "little")
    count = (len(digest) * 8 + 4) // 5
    return "".join(DIGITS[number >> 5 * place & 31] for place in reversed(range(count)))


def string(data):
    """As a NAR has it: its length, the bytes, and zeros up to a multiple of 8."""
    return struct.pack("<Q", len(data)) + data + bytes(-len(data) % 8)


OPEN, CLOSE, ENTRY, NAME, NODE = (string(word) for word in (b"(", b")", b"entry", b"name", b"node"))
FOLDER = OPEN + string(b"type") + string(b"directory")
LINK = OPEN + string(b"type") + string(b"symlink") + string(b"target")
FILE = OPEN + string(b"type") + string(b"regular")
EXECUTABLE = FILE + string(b"executable") + string(b"")
CONTENTS = string(b"contents")


class Program:
    """A file that may be run."""
    def __init__(self, data):
        self.data = data


class Large:
    """A file of `size` bytes, more than half of which compress."""
    def __init__(self, size, seed):
        self.size, self.seed = size, seed

    def pieces(self):
        numbers, left = random.Random(self.seed), self.size
        while left > 0:
            place = numbers.randrange(len(TEXT) - 40_000)
            piece = (numbers.randbytes(24_000) + TEXT[place:place + 40_000])[:left]
            yield piece
            left -= len(piece)


class Sparse:
    """A file of `size` bytes with 4 KiB of data at the beginning of every `step` bytes, and holes."""
    def __init__(self, size, step, seed):
        self.size, self.step, self.seed = size, step, seed


TEXT = " ".join(random.Random(1).choice(WORDS) + str(number % 977) for number in range(150_000)).encode()


class Store:
    """A store in DIR/root, and its registration."""
    def __init__(self, folder):
        self.root = f"{folder}/root"
        self.store = f"{self.root}/nix/store"
        os.makedirs(self.store)
        self.registration = open(f"{folder}/registration", "w")

    def add(self, name, tree, references=(), is_hashed=True):
        """Adds a store path; `tree` has folders as dictionaries. Without its hash the path is only good for a plan."""
        path = f"/nix/store/{base32(hashlib.sha256(name.encode()).digest()[:20])}-{name}"
        digest, size = hashlib.sha256(), 0

        def out(data):
            nonlocal size
            size += len(data)
            if is_hashed:
                digest.update(data)

        out(string(b"nix-archive-1"))
        self.lay(tree, self.root + path, out)
        lines = [path, "sha256:" + base32(digest.digest()), str(size), "", str(len(references)), *references]
        self.registration.write("\n".join(lines) + "\n")
        return path

    def lay(self, node, path, out):
        if isinstance(node, dict):
            os.mkdir(path)
            out(FOLDER)
            for name in sorted(node):
                out(ENTRY + OPEN + NAME + string(name.encode()) + NODE)
                self.lay(node[name], f"{path}/{name}", out)
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
            def pieces():
                for piece in node.pieces():
                    out(piece)
                    yield piece
            out(FILE + CONTENTS + struct.pack("<Q", node.size))
            self.write(path, pieces(), 0o444)
            out(bytes(-node.size % 8) + CLOSE)
        else:
            self.lay_sparse(node, path, out)

    def lay_sparse(self, node, path, out):
        numbers, zeros = random.Random(node.seed), bytes(min(MEBIBYTE, node.step - 4096))
        out(FILE + CONTENTS + struct.pack("<Q", node.size))
        file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o444)
        os.ftruncate(file, node.size)
        for place in range(0, node.size, node.step):
            data = numbers.randbytes(4096)
            os.pwrite(file, data, place)
            out(data)
            left = node.step - 4096
            while left > 0:
                out(zeros[:left])
                left -= len(zeros)
        os.close(file)
        out(CLOSE)

    @staticmethod
    def write(path, pieces, mode):
        file = os.open(path, os.O_WRONLY | os.O_CREAT, mode)
        for piece in pieces:
            os.write(file, piece)
        os.close(file)

    def close(self):
        self.registration.close()


class Packages:
    """Packages as they come, the same every time."""
    def __init__(self, seed=5):
        self.numbers = random.Random(seed)
        self.count = 0
        self.earlier = []  # contents of files, some of which come again

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
        place = numbers.randrange(len(TEXT) - size)
        data = b"%d " % numbers.randrange(1 << 60) + TEXT[place:place + size]
        if size < 4096 and numbers.random() < 0.01:
            self.earlier.append(data)
        return Program(data) if chance > 0.95 else data

    def next(self, most):
        """The name and the tree of the next package, of at most so many inodes."""
        numbers = self.numbers
        self.count += 1
        folder_is_huge = self.count % 400 == 200
        inodes = min(most, 20_000 if folder_is_huge else int(30 * 2 ** numbers.uniform(0, 7)))
        tree = {}
        folders, left = [tree], inodes - 1
        for number in range(0 if folder_is_huge else left // 10):
            folder = {}
            numbers.choice(folders[-8:])[f"{numbers.choice(WORDS)}-{number}"] = folder
            folders.append(folder)
            left -= 1
        for number in range(left):
            folder = numbers.choice(folders)
            name = f"{numbers.choice(WORDS)}_{numbers.choice(WORDS)}{number}"
            if numbers.random() < 0.16:
                folder[name] = f"../{numbers.choice(WORDS)}/{name}.{number % 9}"
            else:
                folder[name + ".txt"] = self.content()
        version = f"{numbers.randrange(30)}.{numbers.randrange(9)}"
        return f"{numbers.choice(WORDS)}-{numbers.choice(WORDS)}{self.count}-{version}", tree

    def fill(self, store, inodes, large=0):
        """Adds packages of so many inodes together, with so many bytes in large files spread over them."""
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
